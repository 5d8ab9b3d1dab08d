/* Rules of systems of equations and factorisations, forwards and backwards, written in the results themselves: derivatives
 * of a rule are those of higher order, and what was factored once is not factored again.
 *
 * A factorisation has the tangent of its matrix (ir.h, lu and eigh): the rule of lu is that of the identity, and those of
 * what reads it are by the matrix A. Of A, cholesky and eigh read the lower triangle alone: dA stands for the symmetric
 * matrix that has it. */
#include "passes/derive/derive_priv.h"

static const int ROW_COL[] = {0, 1}, COL_ROW[] = {1, 0}, LEFT[] = {0, 2}, RIGHT[] = {2, 1}, AGAIN[] = {1, 2};

/* ---- matrices ------------------------------------------------------------------------------------------------- */

static Val transposed(Build *b, Val a) { return ir_transpose(b, a, COL_ROW); }
static Val times(Build *b, Val x, Val y) { return ir_dot(b, x, y, false, LEFT, RIGHT, 2, ROW_COL); }
static Val times_transposed(Build *b, Val x, Val y) { return ir_dot(b, x, y, false, LEFT, AGAIN, 2, ROW_COL); }
static Val transposed_times(Build *b, Val x, Val y) { return times(b, transposed(b, x), y); }

/* From the lower triangle. */
static Val symmetric(Build *b, Val a) {
  Val below = ir_tri(b, a, false, -1), lower = ir_tri(b, a, false, 0);
  return ir_add(b, lower, transposed(b, below));
}

/* The cotangent of a lower triangle of which a symmetric matrix was made whose cotangent is a. */
static Val folded(Build *b, Val a) {
  Val lower = ir_tri(b, a, false, 0), other = ir_tri(b, transposed(b, a), false, -1);
  return ir_add(b, lower, other);
}

/* The lower triangle with half of the diagonal. */
static Val half_lower(Build *b, Val a) {
  Val below = ir_tri(b, a, false, -1), half = ir_diag(b, ir_mul(b, ir_const(b, 0.5), ir_diagv(b, a)));
  return ir_add(b, below, half);
}

/* The tangent of a factorisation from that of its matrix, and back. */
static Val factors_of(Build *b, Val a) { return ir_unslice(b, a, 0, 0, 1, ir_type(b->f, a).dim[0] + 1); }
static Val matrix_of(Build *b, Val f) { return ir_slice(b, f, 0, 0, ir_type(b->f, f).dim[1], 1); }

/* ---- what both modes ask ------------------------------------------------------------------------------------- */

static Val jvp_primal(Jvp *s, const Inst *i, uint32_t k) { return region_value(jvp_region(s), ir_arg(jvp_region(s)->src, i, k)); }
static Val jvp_of(Jvp *s, const Inst *i, uint32_t k) { return jvp_tangent(s, ir_arg(jvp_region(s)->src, i, k)); }
static Val vjp_operand(Vjp *s, const Inst *i, uint32_t k) { return ir_arg(vjp_region(s)->src, i, k); }
static Val vjp_primal(Vjp *s, const Inst *i, uint32_t k) { return region_value(vjp_region(s), vjp_operand(s, i, k)); }

/* ---- triangular systems ---------------------------------------------------------------------------------------- */

/* Minus the product dA v, A transposed if `trans`, beside the tangent of the right-hand side. */
static Val moved(Build *b, Val rhs, Val ta, Val v, bool trans) {
  static const int col[] = {1, 2}, row[] = {0, 2};
  if (!ta.id) return rhs;
  Val by = ir_dot(b, ta, v, false, trans ? COL_ROW : ROW_COL, col, ir_type(b->f, v).rank, row);
  return rhs.id ? ir_sub(b, rhs, by) : ir_neg(b, by);
}

/* dv = A^-1 (dx - dA v); A transposed if `trans`. */
Val jvp_trisolve(Jvp *s, Val v, const Inst *i) {
  Region *r = jvp_region(s);
  trisolve_attr attr = ir_trisolve_attr(r->src, i);
  bool upper = attr.upper != 0, trans = attr.trans != 0;
  Val ta = jvp_of(s, i, 0);
  if (ta.id) ta = ir_tri(r->b, ta, upper, 0);
  Val rhs = moved(r->b, jvp_of(s, i, 1), ta, region_value(r, v), trans);
  return rhs.id ? ir_trisolve(r->b, jvp_primal(s, i, 0), rhs, upper, trans) : VAL_NONE;
}

static void push_plain(Vjp *s, const Inst *i, Val to, Val c, bool whole) {
  (void)i;
  (whole ? vjp_push_whole : vjp_push)(s, to, c);
}

/* The cotangent of a triangular matrix: minus the triangle of the product. */
static void push_triangle(Vjp *s, const Inst *i, Val to, Val c, bool whole) {
  Build *b = vjp_region(s)->b;
  push_plain(s, i, to, ir_neg(b, ir_tri(b, c, ir_trisolve_attr(vjp_region(s)->src, i).upper != 0, 0)), whole);
}

static void push_factors(Vjp *s, const Inst *i, Val to, Val c, bool whole) {
  Build *b = vjp_region(s)->b;
  push_plain(s, i, to, factors_of(b, ir_neg(b, c)), whole);
}

/* v = A^-1 x: dx gains u = A^-T c, dA gains -u v^T; transposed if `trans`. */
static void push_system(Vjp *s, Val v, const Inst *i, Val u, bool trans, VjpPush *push) {
  static const int row[] = {0, 2}, col[] = {1, 2};
  vjp_push(s, vjp_operand(s, i, 1), u);
  if (!vjp_active(s, vjp_operand(s, i, 0))) return;
  vjp_push_dot(s, i, vjp_operand(s, i, 0), u, row, region_value(vjp_region(s), v), col, 2, trans ? COL_ROW : ROW_COL, push);
}

void vjp_trisolve(Vjp *s, Val v, const Inst *i, Val c) {
  trisolve_attr attr = ir_trisolve_attr(vjp_region(s)->src, i);
  bool upper = attr.upper != 0, trans = attr.trans != 0;
  Val u = ir_trisolve(vjp_region(s)->b, vjp_primal(s, i, 0), c, upper, !trans);
  push_system(s, v, i, u, trans, push_triangle);
}

/* ---- any systems, determinants -------------------------------------------------------------------------------------- */

static Val same_tangent(Jvp *s, const Inst *i) {
  Val t = jvp_of(s, i, 0);
  return t.id ? factors_of(jvp_region(s)->b, t) : VAL_NONE;
}

static void same_cotangent(Vjp *s, const Inst *i, Val c) { vjp_push(s, vjp_operand(s, i, 0), matrix_of(vjp_region(s)->b, c)); }

Val jvp_lu(Jvp *s, Val v, const Inst *i) {
  (void)v;
  return same_tangent(s, i);
}

void vjp_lu(Vjp *s, Val v, const Inst *i, Val c) {
  (void)v;
  same_cotangent(s, i, c);
}

Val jvp_solve(Jvp *s, Val v, const Inst *i) {
  Region *r = jvp_region(s);
  bool trans = ir_solve_attr(r->src, i).trans != 0;
  Val ta = jvp_of(s, i, 0);
  if (ta.id) ta = matrix_of(r->b, ta);
  Val rhs = moved(r->b, jvp_of(s, i, 1), ta, region_value(r, v), trans);
  return rhs.id ? ir_lu_solve(r->b, jvp_primal(s, i, 0), rhs, trans) : VAL_NONE;
}

void vjp_solve(Vjp *s, Val v, const Inst *i, Val c) {
  bool trans = ir_solve_attr(vjp_region(s)->src, i).trans != 0;
  Val u = ir_lu_solve(vjp_region(s)->b, vjp_primal(s, i, 0), c, !trans);
  push_system(s, v, i, u, trans, push_factors);
}

/* A^-T: the derivative of log|det A|. */
static Val inverse_transposed(Build *b, Val lu) { return ir_lu_solve(b, lu, ir_eye(b, ir_type(b->f, lu).dim[1]), true); }

Val jvp_logdet(Jvp *s, Val v, const Inst *i) {
  Build *b = jvp_region(s)->b;
  Val t = jvp_of(s, i, 0);
  (void)v;
  if (!t.id) return VAL_NONE;
  Val by = inverse_transposed(b, jvp_primal(s, i, 0)), da = matrix_of(b, t);
  return ir_dot(b, by, da, false, ROW_COL, ROW_COL, 0, NULL);
}

void vjp_logdet(Vjp *s, Val v, const Inst *i, Val c) {
  Build *b = vjp_region(s)->b;
  (void)v;
  Val by = inverse_transposed(b, vjp_primal(s, i, 0));
  vjp_push(s, vjp_operand(s, i, 0), factors_of(b, ir_mul(b, c, by)));
}

Val jvp_det(Jvp *s, Val v, const Inst *i) {
  Val t = jvp_logdet(s, v, i);
  return t.id ? ir_mul(jvp_region(s)->b, region_value(jvp_region(s), v), t) : VAL_NONE;
}

void vjp_det(Vjp *s, Val v, const Inst *i, Val c) {
  vjp_logdet(s, v, i, ir_mul(vjp_region(s)->b, c, region_value(vjp_region(s), v)));
}

/* ---- Cholesky ------------------------------------------------------------------------------------------------------ */

/* dL = L Phi(L^-1 dA L^-T), Phi: the lower triangle with half of the diagonal. */
Val jvp_cholesky(Jvp *s, Val v, const Inst *i) {
  Region *r = jvp_region(s);
  Build *b = r->b;
  Val t = jvp_of(s, i, 0);
  if (!t.id) return VAL_NONE;
  Val l = region_value(r, v), y = ir_trisolve(b, l, symmetric(b, t), false, false);
  Val m = ir_trisolve(b, l, transposed(b, y), false, false);
  return times(b, l, half_lower(b, m));
}

/* dA gains L^-T Phi(L^T c) L^-1. */
void vjp_cholesky(Vjp *s, Val v, const Inst *i, Val c) {
  Region *r = vjp_region(s);
  Build *b = r->b;
  Val l = region_value(r, v), phi = half_lower(b, transposed_times(b, l, c));
  Val x = ir_trisolve(b, l, phi, false, true), y = ir_trisolve(b, l, transposed(b, x), false, true);
  vjp_push(s, vjp_operand(s, i, 0), folded(b, y));
}

/* ---- eigenvalues and eigenvectors -------------------------------------------------------------------------------------- */

Val jvp_eigh(Jvp *s, Val v, const Inst *i) {
  (void)v;
  return same_tangent(s, i);
}

void vjp_eigh(Vjp *s, Val v, const Inst *i, Val c) {
  (void)v;
  same_cotangent(s, i, c);
}

/* 1/(w[j] - w[i]), 0 on the diagonal. */
static Val gaps(Build *b, Val w) {
  uint32_t n = ir_type(b->f, w).dim[0];
  Val eye = ir_eye(b, n), one = ir_const(b, 1);
  Val gap = ir_sub(b, ir_expand(b, w, 0, n), ir_expand(b, w, 1, n));
  return ir_div(b, ir_sub(b, one, eye), ir_add(b, gap, eye));
}

/* V^T dA V; no tangent: VAL_NONE. */
static Val turned(Jvp *s, const Inst *i, Val vectors) {
  Build *b = jvp_region(s)->b;
  Val t = jvp_of(s, i, 0);
  return t.id ? transposed_times(b, vectors, times(b, symmetric(b, matrix_of(b, t)), vectors)) : VAL_NONE;
}

/* dA gains V m V^T. */
static void push_turned(Vjp *s, const Inst *i, Val vectors, Val m) {
  Build *b = vjp_region(s)->b;
  vjp_push(s, vjp_operand(s, i, 0), factors_of(b, folded(b, times_transposed(b, times(b, vectors, m), vectors))));
}

Val jvp_eigvals(Jvp *s, Val v, const Inst *i) {
  Build *b = jvp_region(s)->b;
  (void)v;
  Val m = jvp_of(s, i, 0).id ? turned(s, i, ir_eigvecs(b, jvp_primal(s, i, 0))) : VAL_NONE;
  return m.id ? ir_diagv(b, m) : VAL_NONE;
}

void vjp_eigvals(Vjp *s, Val v, const Inst *i, Val c) {
  Build *b = vjp_region(s)->b;
  (void)v;
  push_turned(s, i, ir_eigvecs(b, vjp_primal(s, i, 0)), ir_diag(b, c));
}

Val jvp_eigvecs(Jvp *s, Val v, const Inst *i) {
  Region *r = jvp_region(s);
  Build *b = r->b;
  Val vectors = region_value(r, v), m = turned(s, i, vectors);
  return m.id ? times(b, vectors, ir_mul(b, gaps(b, ir_eigvals(b, jvp_primal(s, i, 0))), m)) : VAL_NONE;
}

void vjp_eigvecs(Vjp *s, Val v, const Inst *i, Val c) {
  Region *r = vjp_region(s);
  Build *b = r->b;
  Val vectors = region_value(r, v), m = transposed_times(b, vectors, c);
  push_turned(s, i, vectors, ir_mul(b, gaps(b, ir_eigvals(b, vjp_primal(s, i, 0))), m));
}

/* ---- gone after derive ------------------------------------------------------------------------------------------------- */

static Val drop(Copy *c, uint32_t id, const Inst *i) {
  const Fn *body = ir_body(c->from, i);
  (void)id;
  Build *b = c->b;
  if (i->op == OP_eigvals) return ir_index(b, c->map[ir_arg(c->from, i, 0).id], 0, i->type.dim[0]);
  if (i->op == OP_eigvecs) return matrix_of(b, c->map[ir_arg(c->from, i, 0).id]);
  return body && derive_holds_eigh(body) ? copy_body(c, i, copy_fn(b->f, body, drop, NULL)) : VAL_NONE;
}

bool derive_holds_eigh(const Fn *f) { return pass_holds(f, 0, OP_eigvals) || pass_holds(f, 0, OP_eigvecs); }

Fn *derive_eigh_plain(const Fn *f) { return copy_fn(NULL, f, drop, NULL); }
