/* Coefficient k of systems of equations and of what factorisations give, from the equations that they solve, with one factorisation
 * for all orders, that of order 0. C, J: jets_rules.c.
 *
 *   y = A^-1 x           A_0 y_k = x_k - A_k y_0 - C(A, y); of A^T likewise
 *   log |det A|          by its derivative A^-T: J(A, A^-T) + A_k . A_0^-T
 *   d = det A            by that: d' = d (log |det A|)', so J(log |det A|, d) + (log |det A|)_k d_0
 *   L L^T = A            L_k = L_0 Phi(L_0^-1 R L_0^-T), R = A_k - C(L, L^T), Phi: the lower triangle with half of the diagonal
 *   A V = V W, V^T V = 1 G = V_0^T (A_k V_0 + C(A, V) - C(V, W)) has W_k for its diagonal; V_k = V_0 X,
 *                        X_ij = G_ij/(w_j - w_i) and X_ii = -C(V, V)_ii/2
 *
 * A factorisation stands for its matrix, as in derivatives (passes/derive/linalg.c): that of lu has no coefficients, and who reads it
 * takes those of the matrix. What reads a triangle alone is given a matrix that has the rest of it. */
#include "passes/jets/jets_priv.h"

static const int ROW_COL[] = {0, 1}, COL_ROW[] = {1, 0}, LEFT[] = {0, 2}, RIGHT[] = {2, 1}, AGAIN[] = {1, 2};

static Val arg(const Jets *j, const Inst *i, uint32_t k) { return ir_arg(j->f, i, k); }
static Val coefficient(Jets *j, const Inst *i, uint32_t k) { return jets_coefficient(j, arg(j, i, k)); }
static Val zero(Jets *j, const Inst *i, uint32_t k) { return jets_zero(j, arg(j, i, k)); }

static Val transposed(Build *b, Val a) { return ir_transpose(b, a, COL_ROW); }
static Val times(Build *b, Val x, Val y) { return ir_dot(b, x, y, false, LEFT, RIGHT, 2, ROW_COL); }

/* ---- what the values need ------------------------------------------------------------------------------------------------- */

/* From the lower triangle. */
static Val symmetric(Build *b, Val a) {
  Val below = ir_tri(b, a, false, -1), lower = ir_tri(b, a, false, 0);
  return ir_add(b, lower, transposed(b, below));
}

Val jets_linear_value(Copy *c, const Inst *i) {
  Build *b = c->b;
  Val a = i->nargs ? c->map[ir_arg(c->from, i, 0).id] : VAL_NONE;
  switch (i->op) {
  case OP_cholesky: return ir_cholesky(b, symmetric(b, a));
  case OP_eigh: return ir_eigh(b, symmetric(b, a));
  case OP_trisolve: {
    const trisolve_attr attr = ir_trisolve_attr(c->from, i);
    return ir_trisolve(b, ir_tri(b, a, attr.upper != 0, 0), c->map[ir_arg(c->from, i, 1).id], attr.upper != 0, attr.trans != 0);
  }
  case OP_det:
    ir_logdet(b, a); /* it stands before it */
    return VAL_NONE;
  default: return VAL_NONE;
  }
}

Val jets_linear_beside(Build *b, const Inst *i) {
  const Val lu = ir_arg(b->f, i, 0);
  if (i->op == OP_det) return ir_logdet(b, lu);
  return i->op == OP_logdet ? ir_lu_solve(b, lu, ir_eye(b, ir_type(b->f, lu).dim[1]), true) : VAL_NONE;
}

/* ---- systems ---------------------------------------------------------------------------------------------------------------- */

/* x_k - A_k y_0 - C(A, y), A transposed if `trans`. */
static Val known(Jets *j, Val v, const Inst *i, Val matrix, bool trans) {
  const int rank = ir_type(j->f, v).rank, out[] = {0, 2};
  const int *of_a = trans ? COL_ROW : ROW_COL;
  Val a = jets_coefficient(j, matrix), rest = coefficient(j, i, 1);
  if (!a.id) return rest;
  Val by = ir_dot(j->b, a, jets_zero(j, v), false, of_a, AGAIN, rank, out);
  rest = rest.id ? ir_sub(j->b, rest, by) : ir_neg(j->b, by);
  return ir_sub(j->b, rest, jets_below(j, jets_history(j, matrix), jets_history(j, v), false, of_a, AGAIN, rank, out));
}

static Val matrix_of(const Jets *j, const Inst *i) { return ir_arg(j->f, ir_inst(j->f, arg(j, i, 0)), 0); }

static Val solution(Jets *j, Val v, const Inst *i) {
  const bool trans = ir_solve_attr(j->f, i).trans != 0;
  Val rest = known(j, v, i, matrix_of(j, i), trans);
  return rest.id ? ir_lu_solve(j->b, zero(j, i, 0), rest, trans) : rest;
}

static Val triangular(Jets *j, Val v, const Inst *i) {
  const trisolve_attr attr = ir_trisolve_attr(j->f, i);
  Val rest = known(j, v, i, arg(j, i, 0), attr.trans != 0);
  return rest.id ? ir_trisolve(j->b, zero(j, i, 0), rest, attr.upper != 0, attr.trans != 0) : rest;
}

static Val log_determinant(Jets *j, Val v, const Inst *i) {
  const Val matrix = matrix_of(j, i), by = j->extra[v.id][0], a = jets_coefficient(j, matrix);
  if (!a.id) return VAL_NONE;
  Val sum = jets_below(j, jets_history(j, matrix), jets_history(j, by), true, ROW_COL, ROW_COL, 0, NULL);
  return ir_add(j->b, sum, ir_dot(j->b, a, jets_zero(j, by), false, ROW_COL, ROW_COL, 0, NULL));
}

/* ---- factors ---------------------------------------------------------------------------------------------------------------- */

static Val half_lower(Build *b, Val a) {
  Val below = ir_tri(b, a, false, -1), half = ir_diag(b, ir_mul(b, ir_const(b, 0.5), ir_diagv(b, a)));
  return ir_add(b, below, half);
}

static Val root(Jets *j, Val v, const Inst *i) {
  Build *b = j->b;
  Val a = coefficient(j, i, 0), l = jets_zero(j, v), all = jets_history(j, v);
  if (!a.id) return a;
  a = ir_sub(b, a, jets_below(j, all, all, false, LEFT, AGAIN, 2, ROW_COL));
  Val y = ir_trisolve(b, l, a, false, false), m = ir_trisolve(b, l, transposed(b, y), false, false);
  return times(b, l, half_lower(b, m));
}

/* 1/(w[j] - w[i]), 0 on the diagonal. */
static Val gaps(Build *b, Val w) {
  const uint32_t n = ir_type(b->f, w).dim[0];
  Val eye = ir_eye(b, n), gap = ir_sub(b, ir_expand(b, w, 0, n), ir_expand(b, w, 1, n));
  return ir_div(b, ir_sub(b, ir_const(b, 1), eye), ir_add(b, gap, eye));
}

static Val eigen(Jets *j, Val v, const Inst *i) {
  static const int col[] = {1};
  Build *b = j->b;
  Val a = coefficient(j, i, 0), of = jets_zero(j, v), all = jets_history(j, v);
  if (!a.id) return a;
  const uint32_t n = ir_type(b->f, of).dim[1];
  Val vectors = ir_slice(b, of, 0, 0, n, 1), values = ir_index(b, of, 0, n);
  Val all_v = ir_slice(b, all, 1, 0, n, 1), all_w = ir_index(b, all, 1, n);
  Val g = ir_add(b, times(b, a, vectors), jets_below(j, jets_history(j, arg(j, i, 0)), all_v, false, LEFT, RIGHT, 2, ROW_COL));
  g = ir_sub(b, g, jets_below(j, all_v, all_w, false, ROW_COL, col, 2, ROW_COL));
  g = times(b, transposed(b, vectors), g);
  Val length = jets_below(j, all_v, all_v, false, ROW_COL, ROW_COL, 1, col);
  Val x = ir_sub(b, ir_mul(b, g, gaps(b, values)), ir_diag(b, ir_mul(b, length, ir_const(b, 0.5))));
  Val part[2] = {times(b, vectors, x), ir_expand(b, ir_diagv(b, g), 0, 1)};
  return ir_concat(b, part, 2, 0);
}

Val jets_linear_rule(Jets *j, Val v, const Inst *i) {
  switch (i->op) {
  case OP_solve: return solution(j, v, i);
  case OP_trisolve: return triangular(j, v, i);
  case OP_logdet: return log_determinant(j, v, i);
  case OP_det: return jets_exponential(j, v, j->extra[v.id][0]);
  case OP_cholesky: return root(j, v, i);
  case OP_eigh: return eigen(j, v, i);
  default: return VAL_NONE; /* lu */
  }
}
