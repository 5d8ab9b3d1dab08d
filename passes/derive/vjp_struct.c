/* Reverse rules of the structural ops: given the cotangent c of v, what each operand's cotangent gains. */
#include "passes/derive/derive_priv.h"

#include <stdlib.h>

#define UNUSED(v) ((void)(v))

static Val operand(Vjp *s, const Inst *i, uint32_t k) { return ir_arg(vjp_region(s)->src, i, k); }
static Type operand_type(Vjp *s, const Inst *i, uint32_t k) { return ir_type(vjp_region(s)->src, operand(s, i, k)); }
static Val primal(Vjp *s, const Inst *i, uint32_t k) { return region_value(vjp_region(s), operand(s, i, k)); }

static const char *const batch_message = "a derivative per sample cannot pass through a sum over the batch";
static const char *const batch_help = "differentiate a mean over the batch, or leave the mean out";

/* ---- leaves, and ops without a derivative ------------------------------------------------------------- */

#define LEAF_RULE(name) \
  void vjp_##name(Vjp *s, Val v, const Inst *i, Val c) { UNUSED(s), UNUSED(v), UNUSED(i), UNUSED(c); }
LEAF_RULE(in)
LEAF_RULE(const)
LEAF_RULE(table)
LEAF_RULE(iota)
LEAF_RULE(rand)
LEAF_RULE(batch_mean)
LEAF_RULE(require)

/* Of series, which are made of what has no derivative left to be taken. */
void vjp_cauchy(Vjp *s, Val v, const Inst *i, Val c) {
  UNUSED(v), UNUSED(c);
  region_error(vjp_region(s), CODE_no_derivative, i->at, NULL, "the coefficients of a series have no derivative");
}

/* Derive expands these before anything is differentiated through them. */
static void unexpanded(const Inst *i) { base_fault("%s in a region of differentiation", ir_op[i->op].name); }
#define FAULT_RULE(name) \
  void vjp_##name(Vjp *s, Val v, const Inst *i, Val c) { UNUSED(s), UNUSED(v), UNUSED(c), unexpanded(i); }
FAULT_RULE(integrate)
FAULT_RULE(grad)
FAULT_RULE(jac)
FAULT_RULE(divergence)
FAULT_RULE(logjac)

/* ---- selection, identity, the batch ------------------------------------------------------------------- */

void vjp_select(Vjp *s, Val v, const Inst *i, Val c) {
  UNUSED(v);
  Build *b = vjp_region(s)->b;
  for (uint32_t k = 1; k <= 2; k++) {
    if (!vjp_active(s, operand(s, i, k))) continue;
    Val cond = primal(s, i, 0), zero = ir_const(b, 0);
    vjp_push(s, operand(s, i, k), k == 1 ? ir_select(b, cond, c, zero) : ir_select(b, cond, zero, c));
  }
}

void vjp_id(Vjp *s, Val v, const Inst *i, Val c) {
  UNUSED(v);
  vjp_push(s, operand(s, i, 0), c);
}

void vjp_barrier(Vjp *s, Val v, const Inst *i, Val c) {
  UNUSED(v);
  vjp_push(s, operand(s, i, 0), c);
}

void vjp_spread(Vjp *s, Val v, const Inst *i, Val c) {
  UNUSED(v);
  vjp_push(s, operand(s, i, 0), c);
}

void vjp_batch_sum(Vjp *s, Val v, const Inst *i, Val c) {
  UNUSED(v);
  if (vjp_mode(s) == VJP_SAMPLE) region_error(vjp_region(s), CODE_batch_mean, i->at, batch_help, batch_message);
  else vjp_push(s, operand(s, i, 0), c);
}

/* ---- shapes ------------------------------------------------------------------------------------------- */

void vjp_reshape(Vjp *s, Val v, const Inst *i, Val c) {
  UNUSED(v);
  Type t = operand_type(s, i, 0);
  vjp_push(s, operand(s, i, 0), ir_reshape(vjp_region(s)->b, c, t.rank, t.dim));
}

void vjp_transpose(Vjp *s, Val v, const Inst *i, Val c) {
  UNUSED(v);
  int inverse[IR_MAX_RANK];
  for (uint32_t k = 0; k < i->nattr; k++) inverse[ir_list(vjp_region(s)->src, i).at[k]] = (int)k;
  vjp_push(s, operand(s, i, 0), ir_transpose(vjp_region(s)->b, c, inverse));
}

void vjp_flip(Vjp *s, Val v, const Inst *i, Val c) {
  UNUSED(v);
  vjp_push(s, operand(s, i, 0), ir_flip(vjp_region(s)->b, c, (int)ir_flip_attr(vjp_region(s)->src, i).axis));
}

void vjp_expand(Vjp *s, Val v, const Inst *i, Val c) {
  expand_attr attr = ir_expand_attr(vjp_region(s)->src, i);
  UNUSED(v);
  vjp_push(s, operand(s, i, 0), ir_sum(vjp_region(s)->b, c, (int)attr.axis));
}

void vjp_sum(Vjp *s, Val v, const Inst *i, Val c) {
  sum_attr attr = ir_sum_attr(vjp_region(s)->src, i);
  UNUSED(v);
  int axis = (int)attr.axis;
  vjp_push(s, operand(s, i, 0), ir_expand(vjp_region(s)->b, c, axis, operand_type(s, i, 0).dim[axis]));
}

/* Shared equally among the elements that attain the extremum. */
static void extremum(Vjp *s, Val v, const Inst *i, Val c) {
  Build *b = vjp_region(s)->b;
  int axis = (int)ir_rmax_attr(vjp_region(s)->src, i).axis;
  uint32_t n = operand_type(s, i, 0).dim[axis];
  Val hit = ir_eq(b, primal(s, i, 0), ir_expand(b, region_value(vjp_region(s), v), axis, n));
  Val count = ir_sum(b, ir_indicator(b, hit), axis);
  Val share = ir_expand(b, ir_div(b, c, count), axis, n);
  vjp_push(s, operand(s, i, 0), ir_select(b, hit, share, ir_const(b, 0)));
}

void vjp_rmax(Vjp *s, Val v, const Inst *i, Val c) { extremum(s, v, i, c); }
void vjp_rmin(Vjp *s, Val v, const Inst *i, Val c) { extremum(s, v, i, c); }

void vjp_slice(Vjp *s, Val v, const Inst *i, Val c) {
  slice_attr attr = ir_slice_attr(vjp_region(s)->src, i);
  UNUSED(v);
  int axis = (int)attr.axis;
  uint32_t start = attr.start, n = attr.n, step = attr.step;
  if (step == 1 || n == 1) vjp_push_slice(s, operand(s, i, 0), axis, start, n, c);
  else vjp_push(s, operand(s, i, 0), ir_unslice(vjp_region(s)->b, c, axis, start, step, operand_type(s, i, 0).dim[axis]));
}

void vjp_unslice(Vjp *s, Val v, const Inst *i, Val c) {
  unslice_attr attr = ir_unslice_attr(vjp_region(s)->src, i);
  UNUSED(v);
  int axis = (int)attr.axis;
  vjp_push(s, operand(s, i, 0), ir_slice(vjp_region(s)->b, c, axis, attr.start, operand_type(s, i, 0).dim[axis], attr.step));
}

void vjp_window(Vjp *s, Val v, const Inst *i, Val c) {
  const window_attr attr = ir_window_attr(vjp_region(s)->src, i);
  UNUSED(v);
  vjp_push(s, operand(s, i, 0),
           ir_unwindow(vjp_region(s)->b, c, (int)attr.axis, (uint32_t)attr.step, operand_type(s, i, 0).dim[attr.axis]));
}

void vjp_unwindow(Vjp *s, Val v, const Inst *i, Val c) {
  const unwindow_attr attr = ir_unwindow_attr(vjp_region(s)->src, i);
  const Type t = operand_type(s, i, 0);
  UNUSED(v);
  vjp_push(s, operand(s, i, 0), ir_window(vjp_region(s)->b, c, (int)attr.axis, t.dim[t.rank - 1], (uint32_t)attr.step));
}

void vjp_concat(Vjp *s, Val v, const Inst *i, Val c) {
  concat_attr attr = ir_concat_attr(vjp_region(s)->src, i);
  UNUSED(v);
  int axis = (int)attr.axis;
  uint32_t at = 0;
  for (uint32_t k = 0; k < i->nargs; k++) {
    uint32_t n = operand_type(s, i, k).dim[axis];
    if (vjp_active(s, operand(s, i, k))) vjp_push(s, operand(s, i, k), ir_slice(vjp_region(s)->b, c, axis, at, n, 1));
    at += n;
  }
}

static uint32_t *indices(Vjp *s, const Inst *i, uint32_t *n) {
  IrList list = ir_list(vjp_region(s)->src, i);
  uint32_t *index = base_realloc(NULL, sizeof *index * (list.n + 1));
  for (*n = 0; *n < list.n; ++*n) index[*n] = (uint32_t)list.at[*n];
  return index;
}

void vjp_take(Vjp *s, Val v, const Inst *i, Val c) {
  take_attr attr = ir_take_attr(vjp_region(s)->src, i);
  UNUSED(v);
  int axis = (int)attr.axis;
  uint32_t n, *index = indices(s, i, &n);
  vjp_push(s, operand(s, i, 0), ir_put(vjp_region(s)->b, c, axis, operand_type(s, i, 0).dim[axis], index, n));
  base_free(index);
}

void vjp_put(Vjp *s, Val v, const Inst *i, Val c) {
  put_attr attr = ir_put_attr(vjp_region(s)->src, i);
  UNUSED(v);
  uint32_t n, *index = indices(s, i, &n);
  vjp_push(s, operand(s, i, 0), ir_take(vjp_region(s)->b, c, (int)attr.axis, index, n));
  base_free(index);
}

/* Of a shared x the sum over the samples is made where rows are added, so that it costs what the batch touches. Outside of loops,
 * samples that share an index are summed first; in a loop nothing may follow a sum but what is linear (ir.h). */
void vjp_gather(Vjp *s, Val v, const Inst *i, Val c) {
  UNUSED(v);
  Val x = operand(s, i, 0);
  Build *b = vjp_region(s)->b;
  if (!vjp_active(s, x)) return;
  Val index = primal(s, i, 1);
  uint32_t n = operand_type(s, i, 0).dim[0];
  bool sums = vjp_sums(s, x);
  if (sums) c = vjp_each(s, c);
  bool each = sums && ir_type(b->f, c).lane, before = each && !ir_type(b->f, index).lane && vjp_mode(s) == VJP_TOTAL;
  if (before) c = ir_batch_sum(b, c);
  else if (each) index = ir_spread(b, index);
  Val rows = ir_scatter(b, c, index, n, each && !before);
  (each ? vjp_push_whole : vjp_push)(s, x, rows);
}

void vjp_scatter(Vjp *s, Val v, const Inst *i, Val c) {
  UNUSED(v);
  if (!vjp_active(s, operand(s, i, 0))) return;
  if (ir_scatter_attr(vjp_region(s)->src, i).lanes && vjp_mode(s) == VJP_SAMPLE)
    region_error(vjp_region(s), CODE_batch_mean, i->at, batch_help, batch_message);
  else vjp_push(s, operand(s, i, 0), ir_gather(vjp_region(s)->b, c, primal(s, i, 1)));
}

void vjp_setrow(Vjp *s, Val v, const Inst *i, Val c) {
  UNUSED(v);
  Build *b = vjp_region(s)->b;
  Val zero = ir_splat(b, 0, pass_type_with(operand_type(s, i, 2), false));
  if (vjp_active(s, operand(s, i, 0))) vjp_push(s, operand(s, i, 0), ir_setrow(b, c, primal(s, i, 1), zero));
  if (vjp_active(s, operand(s, i, 2))) vjp_push(s, operand(s, i, 2), ir_gather(b, c, primal(s, i, 1)));
}

void vjp_diag(Vjp *s, Val v, const Inst *i, Val c) {
  UNUSED(v);
  vjp_push(s, operand(s, i, 0), ir_diagv(vjp_region(s)->b, c));
}

void vjp_diagv(Vjp *s, Val v, const Inst *i, Val c) {
  UNUSED(v);
  vjp_push(s, operand(s, i, 0), ir_diag(vjp_region(s)->b, c));
}

void vjp_tri(Vjp *s, Val v, const Inst *i, Val c) {
  tri_attr attr = ir_tri_attr(vjp_region(s)->src, i);
  UNUSED(v);
  vjp_push(s, operand(s, i, 0), ir_tri(vjp_region(s)->b, c, attr.upper != 0, (int)attr.k));
}

/* ---- products ------------------------------------------------------------------------------------------- */

void vjp_push_dot(Vjp *s, const Inst *i, Val to, Val x, const int *lx, Val y, const int *ly, int rank, const int *lo,
                  VjpPush *push) {
  Build *b = vjp_region(s)->b;
  if (!vjp_sums(s, to)) {
    push(s, i, to, ir_dot(b, x, y, false, lx, ly, rank, lo), false);
    return;
  }
  x = vjp_each(s, x);
  bool lx_lane = ir_type(b->f, x).lane, ly_lane = ir_type(b->f, y).lane, both = lx_lane && ly_lane;
  if (lx_lane && !both) x = ir_batch_sum(b, x);
  if (ly_lane && !both) y = ir_batch_sum(b, y);
  push(s, i, to, ir_dot(b, x, y, both, lx, ly, rank, lo), true);
}

static void push_plain(Vjp *s, const Inst *i, Val to, Val c, bool whole) {
  UNUSED(i);
  (whole ? vjp_push_whole : vjp_push)(s, to, c);
}

void vjp_dot(Vjp *s, Val v, const Inst *i, Val c) {
  DotShape d = ir_dot_shape(vjp_region(s)->src, i);
  UNUSED(v);
  if (d.lanes && vjp_mode(s) == VJP_SAMPLE) {
    region_error(vjp_region(s), CODE_batch_mean, i->at, batch_help, batch_message);
    return;
  }
  for (uint32_t k = 0; k < 2; k++)
    if (vjp_active(s, operand(s, i, k)))
      vjp_push_dot(s, i, operand(s, i, k), c, d.label[2], primal(s, i, 1 - k), d.label[1 - k], d.rank[k], d.label[k], push_plain);
}
