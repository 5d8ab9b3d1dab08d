/* Loops over samples that make shared results too (split.h). */
#include "passes/split/split_priv.h"

#include <stdlib.h>
#include <string.h>

bool split_has_lanes(const Fn *f) {
  for (uint32_t id = 1; id < f->inst.n; id++) {
    const Inst *i = &f->inst.at[id];
    if ((i->type.dt != DT_MULTI && i->type.lane) || ir_sums_batch(f, i)) return true;
    if (i->sub && split_has_lanes(ir_body(f, i))) return true;
  }
  return false;
}

void split_summed(const Fn *body, bool *out) {
  bool *sum = base_zeroed(body->inst.n, sizeof *sum), **from = base_zeroed(body->inst.n, sizeof *from);
  for (uint32_t id = 1; id < body->inst.n; id++) {
    const Inst *i = &body->inst.at[id];
    sum[id] = ir_sums_batch(body, i);
    if (i->op == OP_proj) {
      const bool *results = from[ir_arg(body, i, 0).id];
      if (!results) continue;
      sum[id] = results[ir_number(body, i)];
    }
    if (i->op == OP_scan) { /* once, however many of its results are read */
      from[id] = base_zeroed(ir_body(body, i)->out.n, sizeof **from);
      split_summed(ir_body(body, i), from[id]);
    }
    for (uint32_t k = 0; k < i->nargs && i->type.dt != DT_MULTI; k++) sum[id] |= sum[ir_arg(body, i, k).id];
  }
  for (uint32_t k = 0; k < body->out.n; k++) out[k] = sum[body->out.at[k].id];
  for (uint32_t id = 1; id < body->inst.n; id++) free(from[id]);
  free(from);
  free(sum);
}

/* By result: it is shared and no sum. NULL unless both kinds of results are there. */
static bool *plain_results(const Fn *body) {
  bool *plain = base_zeroed(body->out.n, sizeof *plain);
  uint32_t n = 0;
  split_summed(body, plain);
  for (uint32_t k = 0; k < body->out.n; k++) n += plain[k] = !plain[k] && !ir_type(body, body->out.at[k]).lane;
  if (n && n < body->out.n) return plain;
  free(plain);
  return NULL;
}

static void unmix_into(Fn *out, const Fn *f);

static Val emit_loop(Build *b, const Fn *f, const Inst *i, const Val *map) {
  const Fn *body = ir_body(f, i);
  Fn *copy = ir_sub_create(b->f, body->name);
  Val *args = base_realloc(NULL, sizeof *args * (i->nargs + 1));
  unmix_into(copy, body);
  for (uint32_t k = 0; k < i->nargs; k++) args[k] = map[ir_arg(f, i, k).id];
  Val v = ir_emit(b, (Op)i->op, args, i->nargs, f->attr.at + i->attr, i->nattr, copy);
  free(args);
  return v;
}

static void unmix_into(Fn *out, const Fn *f) {
  Build b;
  ir_build_init(&b, out);
  b.fold = b.number = false;
  Val *map = base_realloc(NULL, sizeof *map * f->inst.n), *second = base_realloc(NULL, sizeof *second * f->inst.n);
  Val *input = base_realloc(NULL, sizeof *input * (f->in.n + 1));
  bool **plain = base_zeroed(f->inst.n, sizeof *plain); /* of loops that there are two of */
  memset(second, 0, sizeof *second * f->inst.n);
  for (uint32_t k = 0; k < f->in.n; k++) {
    const Input *in = &f->in.at[k];
    input[k] = ir_input(&b, in->name, in->kind, in->index, in->type);
  }
  for (uint32_t id = 1; id < f->inst.n; id++) {
    const Inst *i = &f->inst.at[id];
    const Fn *body = ir_body(f, i);
    b.at = i->at, b.role = (Role)i->role, b.of = (Op)i->of;
    Val from = i->op == OP_proj ? second[ir_arg(f, i, 0).id] : VAL_NONE;
    if (i->op == OP_in) {
      map[id] = input[ir_number(f, i)];
    } else if (i->op == OP_scan && split_has_lanes(body)) {
      map[id] = emit_loop(&b, f, i, map);
      plain[id] = plain_results(body);
      if (plain[id]) second[id] = emit_loop(&b, f, i, map);
    } else if (from.id && plain[ir_arg(f, i, 0).id][ir_number(f, i)]) {
      map[id] = ir_proj(&b, from, ir_number(f, i));
    } else {
      map[id] = ir_copy_inst(&b, f, (Val){id}, map);
    }
  }
  for (uint32_t k = 0; k < f->out.n; k++) ir_output(&b, map[f->out.at[k].id], f->outname.at[k]);
  free(map);
  free(second);
  for (uint32_t id = 1; id < f->inst.n; id++) free(plain[id]);
  free(plain);
  free(input);
  ir_build_finish(&b);
}

Fn *split_unmix(const Fn *f) {
  Fn *out = ir_fn_create(f->name, f->f64);
  unmix_into(out, f);
  return out;
}
