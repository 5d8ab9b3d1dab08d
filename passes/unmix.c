/* Loops over samples that make shared results too (split.h). */
#include "passes/split.h"

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
  bool *sum = base_realloc(NULL, body->inst.n);
  memset(sum, 0, body->inst.n);
  for (uint32_t id = 1; id < body->inst.n; id++) {
    const Inst *i = &body->inst.at[id];
    sum[id] = ir_sums_batch(body, i);
    if (i->op == OP_proj) {
      const Inst *multi = ir_inst(body, ir_arg(body, i, 0));
      if (multi->op != OP_scan) continue;
      const Fn *inner = ir_body(body, multi);
      bool *from = base_realloc(NULL, inner->out.n + 1);
      split_summed(inner, from);
      sum[id] = from[ir_number(body, i)];
      free(from);
    }
    for (uint32_t k = 0; k < i->nargs && i->type.dt != DT_MULTI; k++) sum[id] |= sum[ir_arg(body, i, k).id];
  }
  for (uint32_t k = 0; k < body->out.n; k++) out[k] = sum[body->out.at[k].id];
  free(sum);
}

/* Result `index` is shared and no sum. */
static bool plain_result(const Fn *body, uint32_t index) {
  bool *sum = base_realloc(NULL, body->out.n + 1);
  split_summed(body, sum);
  bool plain = !sum[index] && !ir_type(body, body->out.at[index]).lane;
  free(sum);
  return plain;
}

/* Both kinds of results are there. */
static bool mixed(const Fn *body) {
  uint32_t plain = 0;
  for (uint32_t k = 0; k < body->out.n; k++) plain += plain_result(body, k);
  return plain && plain < body->out.n;
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
  Val *map = base_realloc(NULL, sizeof *map * f->inst.n),
      *second = base_realloc(NULL, sizeof *second * f->inst.n);
  Val *input = base_realloc(NULL, sizeof *input * (f->in.n + 1));
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
      if (mixed(body)) second[id] = emit_loop(&b, f, i, map);
    } else if (from.id && plain_result(ir_body(f, ir_inst(f, ir_arg(f, i, 0))), ir_number(f, i))) {
      map[id] = ir_proj(&b, from, ir_number(f, i));
    } else {
      map[id] = ir_copy_inst(&b, f, (Val){id}, map);
    }
  }
  for (uint32_t k = 0; k < f->out.n; k++) ir_output(&b, map[f->out.at[k].id], f->outname.at[k]);
  free(map);
  free(second);
  free(input);
  ir_build_finish(&b);
}

Fn *split_unmix(const Fn *f) {
  Fn *out = ir_fn_create(f->name, f->f64);
  unmix_into(out, f);
  return out;
}
