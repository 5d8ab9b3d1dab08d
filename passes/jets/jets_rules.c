/* Coefficient k of a value from its operands' coefficients up to k, and its own and theirs below.
 *
 * With C(a, b) = sum of a_j b_{k-j}, and J(a, b) = the same with weights j/k, over j = 1 ... k-1 (`cauchy`), which read what is known
 * from the orders before:
 *
 *   linear operators     the same operator
 *   x z                  C(x, z) + x_0 z_k + x_k z_0; likewise einsums
 *   y = x/z              (x_k - y_0 z_k - C(y, z))/z_0; likewise systems of equations (jets_linear.c)
 *   y = sqrt x           (x_k - C(y, y))/(2 y_0)
 *   y = x^c              (c x_k y_0 + (c + 1) J(x, y) - C(x, y))/x_0
 *   y = f(x, ...)        sum over operands of J(x, f_x) + x_k f_x, by the partial derivatives of its row: y' = f_x x' + ...
 *   select, max, ...     the branch that the values take
 *
 * The last but one is right for any row, since k of f_x is not needed; the others need fewer histories, or end where partial
 * derivatives do not. */
#include "passes/jets/jets_priv.h"

#include <stdlib.h>
#include <string.h>

static Val arg(const Jets *j, const Inst *i, uint32_t k) { return ir_arg(j->f, i, k); }
static Val coefficient(Jets *j, const Inst *i, uint32_t k) { return jets_coefficient(j, arg(j, i, k)); }
static Val zero(Jets *j, const Inst *i, uint32_t k) { return jets_zero(j, arg(j, i, k)); }

static Val plus(Jets *j, Val x, Val y) { return !x.id ? y : !y.id ? x : ir_add(j->b, x, y); }

static Val minus(Jets *j, Val x, Val y) { return !y.id ? x : !x.id ? ir_neg(j->b, y) : ir_sub(j->b, x, y); }

/* x z, where there is x. */
static Val times(Jets *j, Val x, Val z) { return x.id ? ir_mul(j->b, x, z) : x; }

/* ---- products below k ---------------------------------------------------------------------------------------------------- */

static bool moves(const Jets *j, Val v) { return j->active[v.id]; }

/* C or J of two values that broadcast. */
static Val below(Jets *j, Val x, Val y, bool weighted) {
  int label[IR_MAX_RANK];
  if (!moves(j, x) || !moves(j, y)) return VAL_NONE;
  const int rx = ir_type(j->f, x).rank, ry = ir_type(j->f, y).rank;
  for (int k = 0; k < IR_MAX_RANK; k++) label[k] = k;
  Val a = jets_history(j, x), b = jets_history(j, y);
  return ir_cauchy(j->b, a, b, j->k, weighted, label, label, rx > ry ? rx : ry, label);
}

static Val C(Jets *j, Val x, Val y) { return below(j, x, y, false); }
static Val J(Jets *j, Val x, Val y) { return below(j, x, y, true); }

/* ---- elementwise ---------------------------------------------------------------------------------------------------------- */

bool jets_flat(unsigned op) {
  return ir_op[op].cls == OPC_CMP || ir_op[op].cls == OPC_LOGIC || op == OP_sign || op == OP_floor || op == OP_ceil ||
         op == OP_round || op == OP_require;
}

bool jets_own_rule(unsigned op) {
  switch (op) {
  case OP_neg:
  case OP_add:
  case OP_sub:
  case OP_mul:
  case OP_div:
  case OP_sqrt:
  case OP_rsqrt:
  case OP_rsqrt3:
  case OP_pow:
  case OP_stop:
  case OP_fixed: return true;
  default: return false;
  }
}

static Val product(Jets *j, const Inst *i) {
  Val x = coefficient(j, i, 0), z = coefficient(j, i, 1);
  if (arg(j, i, 0).id == arg(j, i, 1).id) {
    Val ends = times(j, x, zero(j, i, 0));
    return plus(j, C(j, arg(j, i, 0), arg(j, i, 0)), plus(j, ends, ends));
  }
  Val end[2] = {x.id ? ir_mul(j->b, x, zero(j, i, 1)) : x, z.id ? ir_mul(j->b, z, zero(j, i, 0)) : z};
  const bool last = arg(j, i, 0).id < arg(j, i, 1).id; /* what is known last is added last */
  return plus(j, plus(j, C(j, arg(j, i, 0), arg(j, i, 1)), end[!last]), end[last]);
}

static Val quotient(Jets *j, Val v, const Inst *i) {
  Val x = coefficient(j, i, 0), z = coefficient(j, i, 1);
  Val rest = minus(j, x, C(j, v, arg(j, i, 1)));
  rest = minus(j, rest, z.id ? ir_mul(j->b, jets_zero(j, v), z) : z);
  return times(j, rest, rest.id ? jets_reciprocal(j, arg(j, i, 1)) : rest);
}

static Val square_root(Jets *j, Val v, const Inst *i) {
  Val rest = minus(j, coefficient(j, i, 0), C(j, v, v));
  return ir_mul(j->b, ir_mul(j->b, rest, ir_const(j->b, 0.5)), jets_reciprocal(j, v));
}

/* As weights of a term j c - (k-j) are those of c J(x, y) - J(y, x). */
static Val power(Jets *j, Val v, Val x, Val c) {
  Val end = jets_coefficient(j, x), sum = minus(j, times(j, J(j, x, v), ir_add(j->b, c, ir_const(j->b, 1))), C(j, x, v));
  if (!end.id) return end;
  Val by = jets_reciprocal(j, x), slope = ir_mul(j->b, ir_mul(j->b, jets_zero(j, v), by), c); /* y' by x, at order 0 */
  return plus(j, times(j, sum, by), ir_mul(j->b, end, slope));
}

/* y' = y times the derivative of the exponent, which stands beside it: z log x of x^z. */
Val jets_exponential(Jets *j, Val v, Val exponent) {
  return plus(j, J(j, exponent, v), times(j, jets_coefficient(j, exponent), jets_zero(j, v)));
}

static Val by_partials(Jets *j, Val v, const Inst *i) {
  Val sum = VAL_NONE;
  for (uint32_t k = 0; k < i->nargs; k++) {
    const Val x = arg(j, i, k), d = j->extra[v.id][k];
    if (!moves(j, x) || !d.id) continue;
    Val end = times(j, jets_coefficient(j, x), jets_zero(j, d));
    sum = plus(j, sum, plus(j, J(j, x, d), end));
  }
  return sum;
}

static Val elementwise(Jets *j, Val v, const Inst *i) {
  switch (i->op) {
  case OP_neg: return minus(j, VAL_NONE, coefficient(j, i, 0));
  case OP_add: return plus(j, coefficient(j, i, 0), coefficient(j, i, 1));
  case OP_sub: return minus(j, coefficient(j, i, 0), coefficient(j, i, 1));
  case OP_stop:
  case OP_fixed: return coefficient(j, i, 0);
  case OP_mul: return product(j, i);
  case OP_div: return quotient(j, v, i);
  case OP_sqrt: return square_root(j, v, i);
  case OP_rsqrt: return power(j, v, arg(j, i, 0), ir_const(j->b, -0.5));
  case OP_rsqrt3: return power(j, v, arg(j, i, 0), ir_const(j->b, -1.5));
  case OP_pow: return j->extra[v.id][0].id ? jets_exponential(j, v, j->extra[v.id][0]) : power(j, v, arg(j, i, 0), zero(j, i, 1));
  default: return by_partials(j, v, i);
  }
}

/* ---- structural ------------------------------------------------------------------------------------------------------------ */

/* The same op on other operands. */
static Val again(Jets *j, const Inst *i, const Val *args) {
  return ir_emit(j->b, (Op)i->op, args, i->nargs, j->f->attr.at + i->attr, i->nattr, NULL);
}

static Val or_zeros(Jets *j, const Inst *i, uint32_t k) {
  return pass_value_or_zero(j->b, coefficient(j, i, k), ir_type(j->f, arg(j, i, k)));
}

/* Linear in all its operands together, but for those from `fixed` on, of which the value counts. */
static Val linear(Jets *j, const Inst *i, uint32_t fixed) {
  Val *args = base_realloc(NULL, sizeof *args * (i->nargs + 1));
  for (uint32_t k = 0; k < i->nargs; k++) args[k] = k < fixed ? or_zeros(j, i, k) : zero(j, i, k);
  Val v = again(j, i, args);
  base_free(args);
  return v;
}

static Val chosen(Jets *j, const Inst *i) {
  Val a = coefficient(j, i, 1), b = coefficient(j, i, 2), none = ir_const(j->b, 0);
  return ir_select(j->b, zero(j, i, 0), a.id ? a : none, b.id ? b : none);
}

static Val set(Jets *j, const Inst *i) {
  Val x = or_zeros(j, i, 0), row = or_zeros(j, i, 2);
  return ir_setrow(j->b, x, zero(j, i, 1), row);
}

/* The mean of those elements that attain the extremum, as its derivative. */
static Val extremum(Jets *j, Val v, const Inst *i) {
  Build *b = j->b;
  const int axis = (int)ir_rmax_attr(j->f, i).axis;
  const uint32_t n = ir_type(j->f, arg(j, i, 0)).dim[axis];
  Val x = coefficient(j, i, 0), top = ir_expand(b, jets_zero(j, v), axis, n), hit = ir_eq(b, zero(j, i, 0), top);
  Val count = ir_sum(b, ir_indicator(b, hit), axis);
  return ir_div(b, ir_sum(b, ir_select(b, hit, x, ir_const(b, 0)), axis), count);
}

/* Of a value and itself, axis by axis. */
static bool square(const Jets *j, const Inst *i) {
  const DotShape d = ir_dot_shape(j->f, i);
  return arg(j, i, 0).id == arg(j, i, 1).id && !memcmp(d.label[0], d.label[1], sizeof d.label[0][0] * (size_t)d.rank[0]);
}

enum { SUMMED_MOST = 16 }; /* terms of an einsum that are written out for each term of a sum over orders */

Val jets_below(Jets *j, Val x, Val y, bool weighted, const int *lx, const int *ly, int nout, const int *lo) {
  const Val all[2] = {x, y};
  const int *label[2] = {lx, ly};
  int out[2 * IR_MAX_RANK], rank = nout;
  int64_t terms = 1;
  for (int k = 0; k < nout; k++) out[k] = lo[k];
  for (int side = 0; side < 2; side++) {
    const Type t = ir_type(j->b->f, all[side]);
    for (int k = 0; k + 1 < t.rank; k++) {
      bool seen = false;
      for (int n = 0; n < rank; n++) seen |= out[n] == label[side][k];
      if (!seen) out[rank++] = label[side][k], terms *= t.dim[k + 1];
    }
  }
  if (terms <= SUMMED_MOST || rank > IR_MAX_RANK) rank = nout;
  Val sum = ir_cauchy(j->b, x, y, j->k, weighted, lx, ly, rank, out);
  while (rank > nout) sum = ir_sum(j->b, sum, --rank);
  return sum;
}

static Val einsum(Jets *j, const Inst *i) {
  Val x = coefficient(j, i, 0), z = coefficient(j, i, 1), sum = VAL_NONE;
  if (x.id) x = again(j, i, (Val[]){x, zero(j, i, 1)});
  if (x.id && square(j, i)) z = x;
  else if (z.id) z = again(j, i, (Val[]){zero(j, i, 0), z});
  if (moves(j, arg(j, i, 0)) && moves(j, arg(j, i, 1))) {
    const DotShape d = ir_dot_shape(j->f, i);
    Val a = jets_history(j, arg(j, i, 0)), b = jets_history(j, arg(j, i, 1));
    sum = jets_below(j, a, b, false, d.label[0], d.label[1], d.rank[2], d.label[2]);
  }
  return plus(j, sum, plus(j, x, z));
}

static Val no_series(Jets *j, const Inst *i) {
  if (!j->failed && i->op == OP_scan)
    diag_help(diag_add(j->diag, CODE_no_series, i->at,
                       "`taylor` has no series for this loop of %u turns: written out, it would have more than %d operations",
                       ir_scan_shape(j->f, i).n, JETS_UNROLLED_MOST),
              "write `dop853(rtol = 1e-12)`, which only needs the values of the rates");
  else if (!j->failed)
    diag_help(diag_add(j->diag, CODE_no_series, i->at, "`taylor` has no series for %s", ir_op[i->op].name),
              "write `dop853(rtol = 1e-12)`, which only needs the values of the rates");
  j->failed = true;
  return VAL_NONE;
}

/* Coefficients 0 ... k of a value, stacked. */
static Val all_orders(Jets *j, Val v) {
  Val part[2] = {ir_slice(j->b, jets_history(j, v), 0, 0, j->order - 1, 1), ir_expand(j->b, jets_coefficient(j, v), 0, 1)};
  return ir_concat(j->b, part, 2, 0);
}

/* A product that is summed over the batch: over the orders at once. */
static Val over_batch(Jets *j, const Inst *i) {
  const Val x = arg(j, i, 0), z = arg(j, i, 1);
  DotShape d = ir_dot_shape(j->f, i);
  int turn = 0, label[2][IR_MAX_RANK + 1];
  if (!moves(j, x) || !moves(j, z)) {
    Val args[2] = {moves(j, x) ? coefficient(j, i, 0) : zero(j, i, 0), moves(j, z) ? coefficient(j, i, 1) : zero(j, i, 1)};
    return args[0].id && args[1].id ? again(j, i, args) : VAL_NONE;
  }
  for (int side = 0; side < 3; side++)
    for (int k = 0; k < d.rank[side]; k++) turn = d.label[side][k] >= turn ? d.label[side][k] + 1 : turn;
  for (int side = 0; side < 2; side++) {
    label[side][0] = turn;
    memcpy(label[side] + 1, d.label[side], sizeof label[0][0] * (size_t)d.rank[side]);
  }
  return ir_dot(j->b, all_orders(j, x), ir_flip(j->b, all_orders(j, z), 0), true, label[0], label[1], d.rank[2], d.label[2]);
}

Val jets_rule(Jets *j, Val v, const Inst *i) {
  switch (i->op) {
  case OP_select: return chosen(j, i);
  case OP_concat:
  case OP_reshape:
  case OP_transpose:
  case OP_spread:
  case OP_barrier:
  case OP_id: break;
  case OP_scan: return no_series(j, i);
  case OP_batch_sum: {
    Val c = coefficient(j, i, 0);
    return !j->last ? no_series(j, i) : c.id ? ir_batch_sum(j->b, c) : c;
  }
  case OP_setrow: return set(j, i);
  case OP_gather:
  case OP_scatter: return linear(j, i, 1);
  case OP_rmax:
  case OP_rmin: return extremum(j, v, i);
  case OP_dot: return !ir_dot_attr(j->f, i).lanes ? einsum(j, i) : j->last ? over_batch(j, i) : no_series(j, i);
  case OP_lu:
  case OP_solve:
  case OP_trisolve:
  case OP_det:
  case OP_logdet:
  case OP_cholesky:
  case OP_eigh: return jets_linear_rule(j, v, i);
  case OP_eigvals: return ir_index(j->b, or_zeros(j, i, 0), 0, i->type.dim[0]);
  case OP_eigvecs: return ir_slice(j->b, or_zeros(j, i, 0), 0, 0, i->type.dim[0], 1);
  default:
    if (ir_op[i->op].cls != OPC_STRUCT) return elementwise(j, v, i);
    if (!ir_has(i->op, OPF_LINEAR)) return no_series(j, i);
  }
  return i->op == OP_id || i->op == OP_barrier || i->op == OP_spread ? coefficient(j, i, 0) : linear(j, i, i->nargs);
}
