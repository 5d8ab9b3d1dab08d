/* A function with more of its inputs per sample: types are inferred anew. */
#include "ir/ir.h"

#include <stdlib.h>
#include <string.h>

static Fn *rebuilt(Fn *parent, const Fn *f, const bool *lane, bool all_out);

static bool any_lane(const Fn *f, const Val *args, uint32_t n) {
  for (uint32_t k = 0; k < n; k++)
    if (ir_type(f, args[k]).lane) return true;
  return false;
}

/* What the body of a loop must take per sample: a carry, too, that the body gives per sample. */
static void carried(const Fn *body, uint32_t carry, bool *lane) {
  for (bool changed = true; changed;) {
    changed = false;
    Fn *trial = rebuilt(NULL, body, lane, false);
    for (uint32_t k = 0; k < carry; k++)
      if (!lane[k] && ir_type(trial, trial->out.at[k]).lane) lane[k] = changed = true;
    ir_fn_destroy(trial);
  }
}

/* The body for operands args, which are spread where it takes them per sample. In other loops than scans all are. */
static Fn *body_for(Build *b, const Fn *from, const Inst *i, Val *args) {
  const Fn *body = ir_body(from, i);
  const bool some = any_lane(b->f, args, i->nargs), scan = i->op == OP_scan;
  bool *lane = base_zeroed(body->in.n + 1, sizeof *lane);
  for (uint32_t k = 0; k < body->in.n; k++) {
    const bool given = k < i->nargs && ir_type(b->f, args[k]).lane;
    lane[k] = body->in.at[k].type.lane || (scan ? given : some);
  }
  if (scan) carried(body, ir_scan_shape(from, i).carry, lane);
  for (uint32_t k = 0; k < i->nargs; k++)
    if (lane[k]) args[k] = ir_spread(b, args[k]);
  Fn *made = rebuilt(b->f, body, lane, some && !scan);
  if (scan)
    for (uint32_t k = 0; k < ir_scan_shape(from, i).carry; k++)
      if (lane[k] && !ir_type(made, made->out.at[k]).lane) {
        Build t;
        ir_build_init(&t, made);
        t.fold = t.number = false;
        made->out.at[k] = ir_spread(&t, made->out.at[k]);
        ir_build_finish(&t);
      }
  base_free(lane);
  return made;
}

static Val copied(Build *b, const Fn *from, Val v, const Val *map) {
  const Inst *i = ir_inst(from, v);
  if (!ir_body(from, i)) return ir_copy_inst(b, from, v, map);
  Val *args = base_realloc(NULL, sizeof *args * (i->nargs + 1));
  for (uint32_t k = 0; k < i->nargs; k++) args[k] = map[ir_arg(from, i, k).id];
  Fn *body = body_for(b, from, i, args);
  const Val made = ir_emit(b, (Op)i->op, args, i->nargs, from->attr.at + i->attr, i->nattr, body);
  base_free(args);
  return made;
}

static Fn *rebuilt(Fn *parent, const Fn *f, const bool *lane, bool all_out) {
  Build b;
  Val *map = base_zeroed(f->inst.n, sizeof *map), *in = base_zeroed(f->in.n + 1, sizeof *in);
  bool *live = ir_live(f);
  ir_build_init(&b, parent ? ir_sub_create(parent, f->name) : ir_fn_create(f->name, f->f64));
  b.fold = b.number = false;
  for (uint32_t k = 0; k < f->in.n; k++) {
    Type t = f->in.at[k].type;
    t.lane = lane[k];
    in[k] = ir_input(&b, f->in.at[k].name, f->in.at[k].kind, f->in.at[k].index, t);
  }
  for (uint32_t id = 1; id < f->inst.n; id++) {
    const Inst *i = &f->inst.at[id];
    if (!live[id]) continue;
    map[id] = i->op == OP_in ? in[ir_number(f, i)] : copied(&b, f, (Val){id}, map);
  }
  for (uint32_t k = 0; k < f->out.n; k++) {
    const Val v = map[f->out.at[k].id];
    ir_output(&b, all_out ? ir_spread(&b, v) : v, f->outname.at[k]);
  }
  ir_build_finish(&b);
  base_free(map), base_free(in), base_free(live);
  return b.f;
}

Fn *ir_with_lanes(const Fn *f, const bool *lane) { return rebuilt(NULL, f, lane, true); }
