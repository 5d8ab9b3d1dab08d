/* Loops over the orders of a series: indices that count the turns, and histories, of which each turn sets a row. */
#include "codegen/plan/plan.h"

#include <math.h>
#include <string.h>

/* Through what leaves the elements as they are. */
static const Inst *stripped(const Fn *f, Val v) {
  const Inst *i = ir_inst(f, v);
  while (i->op == OP_id || i->op == OP_spread || i->op == OP_barrier) i = ir_inst(f, ir_arg(f, i, 0));
  return i;
}

/* c, c + 1, c + 2, ... */
static bool counts_from(const Fn *f, Val v, double *c) {
  const Inst *i = stripped(f, v);
  *c = 0;
  if (i->op == OP_iota) return true;
  if (i->op != OP_add) return false;
  for (uint32_t k = 0; k < 2; k++)
    if (stripped(f, ir_arg(f, i, k))->op == OP_iota) return ir_is_const(f, ir_arg(f, i, 1 - k), c);
  return false;
}

bool plan_counts(const Plan *p, Val index, int64_t *first) {
  const Inst *i = stripped(p->f, index);
  double c;
  if (!p->up || ir_inst(p->up->f, p->call)->op != OP_scan || i->op != OP_in) return false;
  const Inst *scan = ir_inst(p->up->f, p->call);
  const ScanShape s = ir_scan_shape(p->up->f, scan);
  const uint32_t k = ir_number(p->f, i);
  if (k < s.carry || k >= s.carry + s.xs || !counts_from(p->up->f, ir_arg(p->up->f, scan, k), &c)) return false;
  *first = (int64_t)c;
  return c >= 0 && c == floor(c) && c < 1e9;
}

bool plan_cauchy_plain(const Fn *f, const Inst *i) {
  const int64_t *label = f->attr.at + i->attr + 3, n = i->type.rank;
  if (ir_cauchy_attr(f, i).na != n || ir_cauchy_attr(f, i).nb != n) return false;
  return !memcmp(label, label + n, sizeof *label * (size_t)n) && !memcmp(label, label + 2 * n, sizeof *label * (size_t)n);
}

/* Of a body's input, `set` alone and sums over orders below `index` read it. */
static bool read_below(const Fn *f, const Inst *in, const Inst *set, const Inst *index) {
  for (uint32_t id = 1; id < f->inst.n; id++) {
    const Inst *i = &f->inst.at[id];
    for (uint32_t k = 0; k < i->nargs; k++) {
      if (stripped(f, ir_arg(f, i, k)) != in || i == set || i->op == OP_spread || i->op == OP_id || i->op == OP_barrier) continue;
      if (i->op != OP_cauchy || k == 2 || stripped(f, ir_arg(f, i, 2)) != index) return false;
    }
  }
  for (uint32_t k = 0, seen = 0; k < f->out.n; k++)
    if (stripped(f, f->out.at[k]) == in || (stripped(f, f->out.at[k]) == set && seen++)) return false;
  return true;
}

/* Of the last value, rows from n on are not read. */
static bool read_to(const Plan *p, Val result, uint32_t n, uint32_t rows) {
  for (uint32_t id = 1; result.id && n < rows && id < p->f->inst.n; id++) {
    const Inst *i = &p->f->inst.at[id];
    for (uint32_t k = 0; k < i->nargs; k++) {
      if (ir_arg(p->f, i, k).id != result.id || !p->live[id]) continue;
      const slice_attr s = i->op == OP_slice ? ir_slice_attr(p->f, i) : (slice_attr){0};
      if (i->op != OP_slice || s.axis != 0 || s.start + (s.n - 1) * s.step >= n) return false;
    }
  }
  for (uint32_t k = 0; n < rows && k < p->f->out.n; k++)
    if (result.id && p->f->out.at[k].id == result.id) return false;
  return true;
}

bool plan_history(const Plan *p, uint32_t carry) {
  const Fn *f = p->f;
  const Inst *scan = ir_inst(p->up->f, p->call), *set = stripped(f, f->out.at[carry]);
  const Inst *first = ir_inst(p->up->f, ir_arg(p->up->f, scan, carry));
  const ScanShape s = ir_scan_shape(p->up->f, scan);
  int64_t from;
  if (s.converge || s.reverse || set->op != OP_setrow || first->op != OP_unslice) return false;
  const unslice_attr u = ir_unslice_attr(p->up->f, first);
  const Inst *in = stripped(f, ir_arg(f, set, 0)), *index = stripped(f, ir_arg(f, set, 1));
  if (in->op != OP_in || ir_number(f, in) != carry || u.axis != 0 || u.start != 0) return false;
  if (ir_type(p->up->f, ir_arg(p->up->f, first, 0)).dim[0] != 1) return false;
  if (!plan_counts(p, ir_arg(f, set, 1), &from) || from != 1 || s.n + 1 > set->type.dim[0]) return false;
  if (!read_to(p->up, plan_result(p->up, p->call, carry), s.n + 1, set->type.dim[0])) return false;
  return read_below(f, in, set, index);
}

bool plan_sets_rows(const Plan *p, uint32_t group, Val *index) {
  const Group *g = p->group.at[group];
  const Inst *by = NULL;
  if (g->kind != G_LOOP || g->gemv || !p->up || ir_inst(p->up->f, p->call)->op != OP_scan) return false;
  for (uint32_t k = 0; k < g->root.n; k++) {
    const Val v = g->root.at[k].v;
    const Inst *i = ir_inst(p->f, v);
    if (g->root.at[k].kind != ROOT_VALUE || i->op != OP_setrow || p->val[v.id].home != HOME_NEXT) return false;
    if (!plan_history(p, p->val[v.id].homeidx)) return false;
    const Inst *in = stripped(p->f, ir_arg(p->f, i, 1));
    if (by && by != in) return false;
    by = in, *index = ir_arg(p->f, i, 1);
  }
  return by != NULL;
}
