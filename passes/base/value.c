/* Inputs, types and small values that passes ask for everywhere. */
#include "passes/base/pass.h"

#include <stdlib.h>
#include <string.h>

Val *pass_inputs(const Fn *f) {
  Val *in = base_zeroed(f->in.n, sizeof *in);
  for (uint32_t id = f->inst.n; id-- > 1;)
    if (f->inst.at[id].op == OP_in) in[ir_number(f, &f->inst.at[id])] = (Val){id};
  return in;
}

Val pass_input(const Fn *f, uint32_t index) {
  const Inst *there = index + 1 < f->inst.n ? &f->inst.at[index + 1] : NULL; /* where passes write them */
  if (there && there->op == OP_in && ir_number(f, there) == index) return (Val){index + 1};
  for (uint32_t id = 1; id < f->inst.n; id++)
    if (f->inst.at[id].op == OP_in && ir_number(f, &f->inst.at[id]) == index) return (Val){id};
  return VAL_NONE;
}

Type pass_turn_type(Type t) {
  t.rank--;
  memmove(t.dim, t.dim + 1, sizeof t.dim - sizeof t.dim[0]);
  t.dim[IR_MAX_RANK - 1] = 0;
  return t;
}

Type pass_type_with(Type t, bool lane) {
  t.lane = lane;
  return t;
}

Val pass_with_lane(Build *b, Val v, bool lane) { return lane && !ir_type(b->f, v).lane ? ir_spread(b, v) : v; }

Val pass_value_or_zero(Build *b, Val v, Type t) { return v.id ? pass_with_lane(b, v, t.lane) : pass_zero_like(b, t); }

Val pass_zero_like(Build *b, Type t) { return pass_with_lane(b, ir_splat(b, 0, pass_type_with(t, false)), t.lane); }

bool pass_has_derivatives(const Fn *f) {
  for (uint32_t id = 1; id < f->inst.n; id++)
    if (ir_has(f->inst.at[id].op, OPF_DERIV)) return true;
  return false;
}

Val pass_weighted(Build *b, Val w, Val x) {
  const Type t = ir_type(b->f, x);
  const uint32_t flat[2] = {t.dim[0], (uint32_t)(type_count(t) / t.dim[0])};
  const Val y = ir_matmul(b, w, ir_reshape(b, x, 2, flat));
  return ir_type(b->f, w).rank == 2 ? ir_reshape(b, y, t.rank, t.dim) : ir_reshape(b, y, t.rank - 1, t.dim + 1);
}

bool pass_follows(const Fn *f, uint32_t from, uint32_t to, uint32_t index) {
  bool *yes = base_zeroed(f->inst.n, sizeof *yes), any = false;
  for (uint32_t id = 1; id < f->inst.n; id++) {
    const Inst *i = &f->inst.at[id];
    yes[id] = i->op == OP_in && ir_number(f, i) == index;
    for (uint32_t k = 0; k < i->nargs; k++) yes[id] |= yes[ir_arg(f, i, k).id];
  }
  for (uint32_t k = from; k < to && k < f->out.n; k++) any |= yes[f->out.at[k].id];
  base_free(yes);
  return any;
}

void pass_mark_needed(const Fn *f, bool *need) {
  for (uint32_t id = f->inst.n; id-- > 1;)
    for (uint32_t k = 0; need[id] && k < f->inst.at[id].nargs; k++) need[ir_arg(f, &f->inst.at[id], k).id] = true;
}

bool pass_same_attrs(const Fn *f, const Inst *i, const Fn *g, const Inst *j) {
  if (i->op != OP_table) return ir_same_attrs(f, i, g, j);
  const Table *a = &f->table.at[ir_table_attr(f, i).table], *b = &g->table.at[ir_table_attr(g, j).table];
  return type_eq(a->type, b->type) && memcmp(a->v, b->v, sizeof *a->v * (size_t)type_count(a->type)) == 0;
}

bool pass_same(const Fn *f, const Fn *g) {
  if (f->inst.n != g->inst.n || f->out.n != g->out.n || f->in.n != g->in.n) return false;
  for (uint32_t id = 1; id < f->inst.n; id++) {
    const Inst *i = &f->inst.at[id], *j = &g->inst.at[id];
    if (i->op != j->op || i->nargs != j->nargs || i->nattr != j->nattr || !type_eq(i->type, j->type)) return false;
    for (uint32_t k = 0; k < i->nargs; k++)
      if (ir_arg(f, i, k).id != ir_arg(g, j, k).id) return false;
    if (i->op == OP_rand || !pass_same_attrs(f, i, g, j) || (i->sub != 0) != (j->sub != 0)) return false;
    if (i->sub && !pass_same(ir_body(f, i), ir_body(g, j))) return false;
  }
  for (uint32_t k = 0; k < f->out.n; k++)
    if (f->out.at[k].id != g->out.at[k].id) return false;
  return true;
}

/* Exact, so that turns can be counted by it: 64 at most. */
#define STATUS_TURN 0x1p-6
enum { STATUS_LATE = 14 /* turns */ };

Val pass_status_late(Build *b, Val status) { return ir_lt(b, status, ir_const(b, 1 - STATUS_LATE * STATUS_TURN)); }

Val pass_status_next(Build *b, Val status, Val on, Val still) {
  const Val zero = ir_const(b, 0), less = ir_sub(b, status, ir_const(b, STATUS_TURN));
  const Val ends = ir_or(b, still, ir_not(b, on));
  return ir_select(b, ends, zero, less);
}
