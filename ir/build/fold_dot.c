/* Folding of dot: operands that are zero, constant, transposed, expanded, diagonal or padded, and
 * products without a sum. Every rule makes the einsum smaller or an elementwise product.
 *
 * A product summed over the lanes stays what it is, or is summed by other dots: inside loop bodies a
 * batch sum may not meet the ops that an expanded or padded result would need. */
#include "ir/build/fold.h"

#include <string.h>

typedef struct Dot {
  Val x[2];
  int n[2], label[2][IR_MAX_RANK];
  int nout, out[IR_MAX_RANK];
  bool lanes;
} Dot;

static Dot dot_of(const Cand *c) {
  Dot d = {.x = {c->args[0], c->args[1]}, .n = {(int)c->attr[1], (int)c->attr[2]}, .lanes = c->attr[0]};
  const int64_t *l = c->attr + 3;
  for (int w = 0; w < 2; w++)
    for (int k = 0; k < d.n[w]; k++) d.label[w][k] = (int)*l++;
  d.nout = (int)(c->attr + c->nattr - l);
  for (int k = 0; k < d.nout; k++) d.out[k] = (int)*l++;
  return d;
}

static Val emit_dot(Build *b, const Dot *d) {
  return ir_dot(b, d->x[0], d->x[1], d->lanes, d->label[0], d->label[1], d->nout, d->out);
}

static int place(const int *list, int n, int label) {
  for (int k = 0; k < n; k++)
    if (list[k] == label) return k;
  return -1;
}

static void take_out(int *list, int *n, int at) {
  memmove(list + at, list + at + 1, (size_t)(*n - at - 1) * sizeof *list);
  --*n;
}

/* Replaces operand w, which loses the axis `at`. */
static void drop_axis(Dot *d, int w, int at, Val x) {
  take_out(d->label[w], &d->n[w], at);
  d->x[w] = x;
}

/* v, whose axes carry the labels of `have`, with its axes in the order of `want` (as many). */
static Val arrange(Build *b, Val v, const int *have, const int *want, int n) {
  int perm[IR_MAX_RANK];
  for (int k = 0; k < n; k++) perm[k] = place(have, n, want[k]);
  return ir_transpose(b, v, perm);
}

static const Inst *operand(const Build *b, const Dot *d, int w) { return ir_inst(b->f, d->x[w]); }

/* ---- rules: VAL_NONE if they do not apply; w is the operand in question ---- */

static Val dot_zero(Build *b, Dot d, int w, Type want) {
  double v;
  return ir_is_const(b->f, d.x[w], &v) && v == 0 && fold_vanishes(b, d.x[1 - w]) ? fold_zeros(b, want) : VAL_NONE;
}

static Val dot_spread(Build *b, Dot d, int w) {
  const Inst *i = operand(b, &d, w);
  if (d.lanes || i->op != OP_spread) return VAL_NONE;
  d.x[w] = ir_arg(b->f, i, 0);
  return emit_dot(b, &d);
}

/* A constant times sums of the other operand. */
static Val dot_splat(Build *b, Dot d, int w, Type want) {
  Num c;
  int o = 1 - w, n = d.n[o], *label = d.label[o];
  Val y = d.x[o];
  if (d.lanes || !fold_is_splat(b->f, d.x[w], &c)) return VAL_NONE;
  Val by = fold_splat(b, c, type_scalar(false));
  bool after = fold_leaves_sum(b, by);
  if (!after) y = ir_mul(b, y, by);
  for (int k = n; k-- > 0;)
    if (place(d.out, d.nout, label[k]) < 0) {
      y = ir_sum(b, y, k);
      take_out(label, &n, k);
    }
  for (int k = 0; k < d.nout; k++)
    if (place(label, n, d.out[k]) < 0) {
      y = ir_expand(b, y, n, want.dim[k]);
      label[n++] = d.out[k];
    }
  y = arrange(b, y, label, d.out, n);
  return after ? ir_mul(b, y, by) : y;
}

static Val dot_transposed(Build *b, Dot d, int w) {
  const Inst *i = operand(b, &d, w);
  int label[IR_MAX_RANK];
  if (i->op != OP_transpose) return VAL_NONE;
  for (int k = 0; k < d.n[w]; k++) label[ir_list(b->f, i).at[k]] = d.label[w][k];
  memcpy(d.label[w], label, (size_t)d.n[w] * sizeof label[0]);
  d.x[w] = ir_arg(b->f, i, 0);
  return emit_dot(b, &d);
}

static Val dot_expanded(Build *b, Dot d, int w) {
  const Inst *i = operand(b, &d, w);
  if (i->op != OP_expand) return VAL_NONE;
  int at = (int)ir_expand_attr(b->f, i).axis, o = 1 - w, label = d.label[w][at];
  uint32_t size = (uint32_t)ir_expand_attr(b->f, i).n;
  int other = place(d.label[o], d.n[o], label), out = place(d.out, d.nout, label);
  if (other < 0 && d.lanes) return VAL_NONE;
  if (other >= 0 && out < 0 && !fold_unwritten(b)) return VAL_NONE; /* x y_1 + x y_2 ...: x leaves the sum */
  drop_axis(&d, w, at, ir_arg(b->f, i, 0));
  if (other >= 0 && out < 0) drop_axis(&d, o, other, ir_sum(b, d.x[o], other));
  if (other >= 0) return emit_dot(b, &d);
  take_out(d.out, &d.nout, out);
  return ir_expand(b, emit_dot(b, &d), out, size);
}

/* diag(v) with labels i, j: v with i, and i for j everywhere else. */
static Val dot_diagonal(Build *b, Dot d, int w) {
  const Inst *i = operand(b, &d, w);
  if (i->op != OP_diag) return VAL_NONE;
  int o = 1 - w, p = d.label[w][0], q = d.label[w][1];
  int op = place(d.label[o], d.n[o], p), oq = place(d.label[o], d.n[o], q);
  int rp = place(d.out, d.nout, p), rq = place(d.out, d.nout, q);
  if ((op >= 0 && oq >= 0) || (rp >= 0 && rq >= 0)) return VAL_NONE;
  drop_axis(&d, w, 1, ir_arg(b->f, i, 0));
  if (oq >= 0) d.label[o][oq] = p;
  if (rq >= 0) d.out[rq] = p;
  return emit_dot(b, &d);
}

/* A sum over an axis that is zero but for a slice. */
static Val dot_padded(Build *b, Dot d, int w) {
  const Inst *i = operand(b, &d, w);
  if (i->op != OP_unslice || !fold_vanishes(b, d.x[1 - w])) return VAL_NONE;
  int at = (int)ir_unslice_attr(b->f, i).axis, o = 1 - w, label = d.label[w][at];
  uint32_t start = (uint32_t)ir_unslice_attr(b->f, i).start, step = (uint32_t)ir_unslice_attr(b->f, i).step,
           total = (uint32_t)ir_unslice_attr(b->f, i).total;
  int other = place(d.label[o], d.n[o], label), out = place(d.out, d.nout, label);
  if (out >= 0 && (other >= 0 || d.lanes)) return VAL_NONE;
  d.x[w] = ir_arg(b->f, i, 0);
  if (out >= 0) return ir_unslice(b, emit_dot(b, &d), out, start, step, total);
  d.x[o] = ir_slice(b, d.x[o], other, start, ir_type(b->f, d.x[w]).dim[at], step);
  return emit_dot(b, &d);
}

/* Axes of size 1 are reshaped away. */
static Val dot_narrow(Build *b, Dot d, Type want) {
  bool changed = false;
  Dot s = d;
  for (int w = 0; w < 2; w++) {
    Type t = ir_type(b->f, d.x[w]), u = {0};
    s.n[w] = 0;
    for (int k = 0; k < d.n[w]; k++) {
      if (t.dim[k] == 1 && !(d.lanes && place(d.out, d.nout, d.label[w][k]) >= 0)) continue;
      u.dim[s.n[w]] = t.dim[k];
      s.label[w][s.n[w]++] = d.label[w][k];
    }
    if (s.n[w] == d.n[w]) continue;
    changed = true;
    s.x[w] = ir_reshape(b, d.x[w], s.n[w], u.dim);
  }
  if (!changed) return VAL_NONE;
  s.nout = 0;
  for (int k = 0; k < d.nout; k++)
    if (d.lanes || want.dim[k] != 1) s.out[s.nout++] = d.out[k];
  return ir_reshape(b, emit_dot(b, &s), want.rank, want.dim);
}

/* No sum, and each operand has all labels of the result or none. */
static Val dot_product(Build *b, Dot d) {
  Val v[2];
  if (d.lanes) return VAL_NONE;
  for (int w = 0; w < 2; w++) {
    if (d.n[w] != 0 && d.n[w] != d.nout) return VAL_NONE;
    for (int k = 0; k < d.n[w]; k++)
      if (place(d.out, d.nout, d.label[w][k]) < 0) return VAL_NONE;
  }
  for (int w = 0; w < 2; w++) v[w] = d.n[w] ? arrange(b, d.x[w], d.label[w], d.out, d.nout) : d.x[w];
  return ir_mul(b, v[0], v[1]);
}

Val fold_dot(Build *b, const Cand *c) {
  Dot d = dot_of(c);
  Val v = VAL_NONE;
  for (int w = 0; w < 2 && !v.id; w++) v = dot_zero(b, d, w, c->type);
  for (int w = 0; w < 2 && !v.id; w++) {
    if (!(v = dot_spread(b, d, w)).id && !(v = dot_splat(b, d, w, c->type)).id && !(v = dot_transposed(b, d, w)).id &&
        !(v = dot_expanded(b, d, w)).id && !(v = dot_diagonal(b, d, w)).id)
      v = dot_padded(b, d, w);
  }
  if (!v.id) v = dot_narrow(b, d, c->type);
  if (!v.id) v = dot_product(b, d);
  return v.id ? fold_coerce(b, v, c->type) : v;
}

/* ---- sums over the batch --------------------------------------------------------------------------- */

/* Axes lo ... hi - 1 of `from` are axis `axis` of the same elements in the dims of `to`. */
static bool axes_merged(Type from, Type to, int axis, int *lo, int *hi) {
  int64_t before = 1, have = 1, n = 1;
  int k = 0;
  for (int i = 0; i < axis; i++) before *= to.dim[i];
  while (k < from.rank && have < before) have *= from.dim[k++];
  *lo = k;
  while (k < from.rank && n < to.dim[axis]) n *= from.dim[k++];
  return *hi = k, have == before && n == to.dim[axis];
}

Val fold_sum_of_lanes(Build *b, Val sum, int axis) {
  const Type want = ir_type(b->f, sum);
  const Inst *i = ir_inst(b->f, sum);
  int lo, hi, all[IR_MAX_RANK], out[IR_MAX_RANK], n = 0;
  if (i->op == OP_reshape) i = ir_inst(b->f, ir_arg(b->f, i, 0));
  if (i->op != OP_batch_sum || !fold_unwritten(b) || !axes_merged(i->type, want, axis, &lo, &hi)) return VAL_NONE;
  const Type t = i->type;
  const Val x = ir_arg(b->f, i, 0);
  for (int k = 0; k < t.rank; k++) {
    all[k] = k;
    if (k < lo || k >= hi) out[n++] = k;
  }
  const Val one = ir_spread(b, ir_splat(b, 1, type_real(false, hi - lo, t.dim + lo)));
  return ir_dot(b, x, one, true, all, all + lo, n, out);
}
