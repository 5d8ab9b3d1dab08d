#include "driver/session/engine.h"
#include "driver/session/native.h"

#include <string.h>

int engine_argument(const Fn *f, uint32_t input) {
  int before = 0;
  for (uint32_t k = 0; k < f->in.n; k++) before += f->in.at[k].kind == IN_FIELD && f->in.at[k].index < f->in.at[input].index;
  return before;
}

/* Rows go into files as they are: they are set field by field, in memory of zeros, so that nothing else stands between the fields. */
static void input_of(const EngineFn *f, uint32_t k, LibInput *out) {
  const Input *in = &f->whole->in.at[k];
  out->elems = type_count(in->type), out->lane = in->type.lane;
  if (in->kind == IN_PARAM) out->kind = LIB_PARAM, out->index = (int)in->index;
  else if (in->kind == IN_FIELD) out->kind = LIB_FIELD, out->index = engine_argument(f->whole, k);
  else out->kind = f->sum ? LIB_ONE : LIB_WEIGHT;
}

static LibPart *parts_of(Arena *mem, const Split *s) {
  LibPart *part = ARENA_ARRAY(mem, LibPart, s->n + 1);
  for (uint32_t k = 0; k < s->n; k++) {
    const Fn *f = s->part[k].fn;
    if (!f) continue;
    part[k].nin = (int)f->in.n, part[k].nout = (int)f->out.n, part[k].in = native_refs(mem, s->part[k].in, f->in.n);
    native_outputs(mem, f, &part[k].out_elems, &part[k].out_lane);
  }
  return part;
}

void engine_fn(Arena *mem, const EngineFn *f, LibFn *out) {
  LibInput *in = ARENA_ARRAY(mem, LibInput, f->whole->in.n + 1);
  for (uint32_t k = 0; k < f->whole->in.n; k++) input_of(f, k, &in[k]);
  memset(out, 0, sizeof *out);
  out->nparts = (int)f->split->n, out->part = parts_of(mem, f->split);
  out->whole = pass_split_whole(f->split, f->whole);
  out->nin = (int)f->whole->in.n, out->in = in;
  out->nout = (int)f->whole->out.n, out->from = native_refs(mem, f->split->from, f->whole->out.n);
  native_outputs(mem, f->whole, &out->out_elems, &out->out_lane);
  if (!f->nmoved) return;
  int *moved = ARENA_ARRAY(mem, int, f->nmoved);
  for (uint32_t k = 0; k < f->nmoved; k++) moved[k] = (int)f->moved[k];
  out->slope = (int)f->slope, out->nmoved = (int)f->nmoved, out->moved = moved;
}

int64_t engine_params(Arena *mem, const Model *m, LibParam **out) {
  int64_t at = 0;
  *out = ARENA_ARRAY(mem, LibParam, m->nparam + 1);
  for (uint32_t k = 0; k < m->nparam; k++) {
    const Type t = m->param[k].type;
    LibParam *p = &(*out)[k];
    p->name = m->param[k].path, p->rank = t.rank, p->elems = type_count(t), p->offset = at;
    memcpy(p->dim, t.dim, sizeof *t.dim * t.rank);
    at += type_count(t);
  }
  return at;
}
