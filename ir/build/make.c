/* Builder functions, one per op and a few for common compounds; see ir.h. */
#include "ir/ir.h"

#include <stdlib.h>
#include <string.h>

#define EW1(name, ...) \
  Val ir_##name(Build *b, Val x) { return ir_emit(b, OP_##name, &x, 1, NULL, 0, NULL); }
#define EW2(name, ...) \
  Val ir_##name(Build *b, Val x, Val y) { return ir_emit(b, OP_##name, (Val[]){x, y}, 2, NULL, 0, NULL); }
#define CMP(name, ...) EW2(name)
#include "ir/ops.def"

static Val unary(Build *b, Op op, Val x, const int64_t *attr, uint32_t nattr) { return ir_emit(b, op, &x, 1, attr, nattr, NULL); }

static Val binary(Build *b, Op op, Val x, Val y) { return ir_emit(b, op, (Val[]){x, y}, 2, NULL, 0, NULL); }

Val ir_and(Build *b, Val x, Val y) { return binary(b, OP_and, x, y); }
Val ir_or(Build *b, Val x, Val y) { return binary(b, OP_or, x, y); }
Val ir_not(Build *b, Val x) { return unary(b, OP_not, x, NULL, 0); }

Val ir_iota(Build *b, uint32_t n) { return ir_emit(b, OP_iota, NULL, 0, (int64_t[]){n}, 1, NULL); }

Val ir_rand(Build *b, int kind, uint32_t site, Val counter, Type type) {
  return ir_emit_as(b, OP_rand, &counter, counter.id != 0, (int64_t[]){kind, site}, 2, NULL, type);
}

Val ir_select(Build *b, Val c, Val x, Val y) { return ir_emit(b, OP_select, (Val[]){c, x, y}, 3, NULL, 0, NULL); }

Val ir_require(Build *b, Val ok, Val x, Cause cause, int64_t about) {
  return ir_emit(b, OP_require, (Val[]){ok, x}, 2, (int64_t[]){cause, about}, 2, NULL);
}
Val ir_id(Build *b, Val x) { return unary(b, OP_id, x, NULL, 0); }
Val ir_spread(Build *b, Val x) { return ir_type(b->f, x).lane ? x : unary(b, OP_spread, x, NULL, 0); }
Val ir_batch_sum(Build *b, Val x) { return unary(b, OP_batch_sum, x, NULL, 0); }
Val ir_batch_mean(Build *b, Val e, Val average, uint32_t param) {
  return ir_emit(b, OP_batch_mean, (Val[]){e, average}, 2, (int64_t[]){param, 0}, 2, NULL);
}

Val ir_moving_mean(Build *b, Val e, Val average, uint32_t param) {
  return ir_emit(b, OP_batch_mean, (Val[]){e, average}, 2, (int64_t[]){param, 1}, 2, NULL);
}

/* ---- axes ---- */

Val ir_reshape(Build *b, Val x, int rank, const uint32_t *dim) {
  int64_t attr[IR_MAX_RANK];
  if (rank > IR_MAX_RANK) base_fault("reshape to rank %d", rank);
  for (int k = 0; k < rank; k++) attr[k] = dim[k];
  return unary(b, OP_reshape, x, attr, (uint32_t)rank);
}

Val ir_transpose(Build *b, Val x, const int *perm) {
  int64_t attr[IR_MAX_RANK];
  uint32_t rank = ir_type(b->f, x).rank;
  for (uint32_t k = 0; k < rank; k++) attr[k] = perm[k];
  return unary(b, OP_transpose, x, attr, rank);
}

Val ir_flip(Build *b, Val x, int axis) { return unary(b, OP_flip, x, (int64_t[]){axis}, 1); }

Val ir_gather(Build *b, Val x, Val i) { return binary(b, OP_gather, x, i); }

Val ir_scatter(Build *b, Val c, Val i, uint32_t n, bool lanes) {
  return ir_emit(b, OP_scatter, (Val[]){c, i}, 2, (int64_t[]){n, lanes}, 2, NULL);
}

Val ir_setrow(Build *b, Val x, Val i, Val v) { return ir_emit(b, OP_setrow, (Val[]){x, i, v}, 3, NULL, 0, NULL); }

Val ir_expand(Build *b, Val x, int axis, uint32_t n) { return unary(b, OP_expand, x, (int64_t[]){axis, n}, 2); }

Val ir_expand_to(Build *b, Val scalar, Type dims) {
  if (ir_type(b->f, scalar).rank) base_fault("expand_to of a tensor");
  for (int k = dims.rank; k-- > 0;) scalar = ir_expand(b, scalar, 0, dims.dim[k]);
  return scalar;
}

Val ir_sum(Build *b, Val x, int axis) { return unary(b, OP_sum, x, (int64_t[]){axis}, 1); }

Val ir_indicator(Build *b, Val c) {
  Val zero = ir_const(b, 0), one = ir_const(b, 1);
  return ir_select(b, c, one, zero);
}

Val ir_sum_all(Build *b, Val x) {
  for (int k = ir_type(b->f, x).rank; k-- > 0;) x = ir_sum(b, x, k);
  return x;
}

Val ir_rmax(Build *b, Val x, int axis) { return unary(b, OP_rmax, x, (int64_t[]){axis}, 1); }
Val ir_rmin(Build *b, Val x, int axis) { return unary(b, OP_rmin, x, (int64_t[]){axis}, 1); }

Val ir_slice(Build *b, Val x, int axis, uint32_t start, uint32_t n, uint32_t step) {
  return unary(b, OP_slice, x, (int64_t[]){axis, start, n, step}, 4);
}

Val ir_unslice(Build *b, Val x, int axis, uint32_t start, uint32_t step, uint32_t total) {
  return unary(b, OP_unslice, x, (int64_t[]){axis, start, step, total}, 4);
}

Val ir_window(Build *b, Val x, int axis, uint32_t size, uint32_t step) {
  return unary(b, OP_window, x, (int64_t[]){axis, size, step}, 3);
}

Val ir_unwindow(Build *b, Val x, int axis, uint32_t step, uint32_t total) {
  return unary(b, OP_unwindow, x, (int64_t[]){axis, step, total}, 3);
}

Val ir_index(Build *b, Val x, int axis, uint32_t i) {
  Type t = ir_type(b->f, x);
  uint32_t dim[IR_MAX_RANK];
  int rank = 0;
  for (int k = 0; k < t.rank; k++)
    if (k != axis) dim[rank++] = t.dim[k];
  return ir_reshape(b, ir_slice(b, x, axis, i, 1, 1), rank, dim);
}

Val ir_concat(Build *b, const Val *x, uint32_t n, int axis) { return ir_emit(b, OP_concat, x, n, (int64_t[]){axis}, 1, NULL); }

Val ir_stack(Build *b, const Val *x, uint32_t n) {
  Val *part = base_realloc(NULL, (n + !n) * sizeof *part);
  for (uint32_t k = 0; k < n; k++) part[k] = ir_expand(b, x[k], 0, 1);
  Val v = ir_concat(b, part, n, 0);
  base_free(part);
  return v;
}

/* ---- indices ---- */

static Val indexed(Build *b, Op op, Val x, const int64_t *lead, uint32_t nlead, const uint32_t *index, uint32_t n) {
  int64_t *attr = base_realloc(NULL, (nlead + n) * sizeof *attr);
  memcpy(attr, lead, nlead * sizeof *attr);
  for (uint32_t k = 0; k < n; k++) attr[nlead + k] = index[k];
  Val v = unary(b, op, x, attr, nlead + n);
  base_free(attr);
  return v;
}

Val ir_take(Build *b, Val x, int axis, const uint32_t *index, uint32_t n) {
  return indexed(b, OP_take, x, (int64_t[]){axis}, 1, index, n);
}

Val ir_put(Build *b, Val x, int axis, uint32_t total, const uint32_t *index, uint32_t n) {
  return indexed(b, OP_put, x, (int64_t[]){axis, total}, 2, index, n);
}

/* ---- matrices ---- */

Val ir_diag(Build *b, Val x) { return unary(b, OP_diag, x, NULL, 0); }
Val ir_diagv(Build *b, Val x) { return unary(b, OP_diagv, x, NULL, 0); }
Val ir_tri(Build *b, Val x, bool upper, int k) { return unary(b, OP_tri, x, (int64_t[]){upper, k}, 2); }

enum { EINSUM_ATTRS = 3 + 3 * IR_MAX_RANK };

/* first, na, nb, labels; how many. */
static uint32_t einsum_attrs(int64_t attr[EINSUM_ATTRS], bool first, int na, const int *la, int nb, const int *lb, int nout,
                             const int *lo) {
  uint32_t n = 3;
  if (nout > IR_MAX_RANK) base_fault("dot to rank %d", nout);
  attr[0] = first;
  attr[1] = na;
  attr[2] = nb;
  for (int k = 0; k < na; k++) attr[n++] = la[k];
  for (int k = 0; k < nb; k++) attr[n++] = lb[k];
  for (int k = 0; k < nout; k++) attr[n++] = lo[k];
  return n;
}

Val ir_dot(Build *b, Val x, Val y, bool lanes, const int *la, const int *lb, int nout, const int *lo) {
  int64_t attr[EINSUM_ATTRS];
  uint32_t n = einsum_attrs(attr, lanes, ir_type(b->f, x).rank, la, ir_type(b->f, y).rank, lb, nout, lo);
  return ir_emit(b, OP_dot, (Val[]){x, y}, 2, attr, n, NULL);
}

Val ir_cauchy(Build *b, Val x, Val y, Val k, bool weighted, const int *la, const int *lb, int nout, const int *lo) {
  int64_t attr[EINSUM_ATTRS];
  uint32_t n = einsum_attrs(attr, weighted, ir_type(b->f, x).rank - 1, la, ir_type(b->f, y).rank - 1, lb, nout, lo);
  return ir_emit(b, OP_cauchy, (Val[]){x, y, k}, 3, attr, n, NULL);
}

Val ir_matmul(Build *b, Val x, Val y) {
  int na = ir_type(b->f, x).rank, nb = ir_type(b->f, y).rank, la[IR_MAX_RANK], lb[IR_MAX_RANK], lo[2 * IR_MAX_RANK];
  int nout = 0;
  if (!na || !nb) base_fault("matmul of a scalar");
  for (int k = 0; k < na; k++) la[k] = k;
  for (int k = 0; k < nb; k++) lb[k] = na - 1 + k;
  for (int k = 0; k < na - 1; k++) lo[nout++] = la[k];
  for (int k = 1; k < nb; k++) lo[nout++] = lb[k];
  return ir_dot(b, x, y, false, la, lb, nout, lo);
}

Val ir_trisolve(Build *b, Val a, Val x, bool upper, bool trans) {
  return ir_emit(b, OP_trisolve, (Val[]){a, x}, 2, (int64_t[]){upper, trans}, 2, NULL);
}

Val ir_lu(Build *b, Val a) { return unary(b, OP_lu, a, NULL, 0); }

Val ir_lu_solve(Build *b, Val lu, Val x, bool trans) {
  return ir_emit(b, OP_solve, (Val[]){lu, x}, 2, (int64_t[]){trans}, 1, NULL);
}

Val ir_solve(Build *b, Val a, Val x, bool trans) { return ir_lu_solve(b, ir_lu(b, a), x, trans); }
Val ir_eye(Build *b, uint32_t n) { return ir_diag(b, ir_splat(b, 1, type_real(false, 1, &n))); }
Val ir_det(Build *b, Val lu) { return unary(b, OP_det, lu, NULL, 0); }
Val ir_logdet(Build *b, Val lu) { return unary(b, OP_logdet, lu, NULL, 0); }
Val ir_cholesky(Build *b, Val a) { return unary(b, OP_cholesky, a, NULL, 0); }
Val ir_eigh(Build *b, Val a) { return unary(b, OP_eigh, a, NULL, 0); }
Val ir_eigvals(Build *b, Val eigh) { return unary(b, OP_eigvals, eigh, NULL, 0); }
Val ir_eigvecs(Build *b, Val eigh) { return unary(b, OP_eigvecs, eigh, NULL, 0); }

/* ---- loops ---- */

Val ir_scan(Build *b, const Val *args, uint32_t nargs, uint32_t n, uint32_t carry, uint32_t xs, uint32_t ys, uint32_t zs,
            bool reverse, uint32_t converge, Fn *body) {
  return ir_emit(b, OP_scan, args, nargs, (int64_t[]){n, carry, xs, ys, zs, reverse, converge}, 7, body);
}

Val ir_proj(Build *b, Val multi, uint32_t index) { return unary(b, OP_proj, multi, (int64_t[]){index}, 1); }

static Val trajectory(Build *b, Op op, const Val *y0, uint32_t states, Val clock, const Val *inv, uint32_t ninv,
                      const int64_t *attr, uint32_t nattr, Fn *rates) {
  Val *args = base_realloc(NULL, (states + 1 + ninv) * sizeof *args);
  if (states) memcpy(args, y0, states * sizeof *args);
  args[states] = clock;
  if (ninv) memcpy(args + states + 1, inv, ninv * sizeof *args);
  Val v = ir_emit(b, op, args, states + 1 + ninv, attr, nattr, rates);
  base_free(args);
  return v;
}

Val ir_integrate(Build *b, Method m, const Val *y0, uint32_t states, Val dt, const Val *inv, uint32_t ninv, uint32_t steps,
                 uint32_t every, Fn *rates) {
  return trajectory(b, OP_integrate, y0, states, dt, inv, ninv, (int64_t[]){m, states, steps, every}, 4, rates);
}

Val ir_ode(Build *b, Method m, const Val *y0, uint32_t states, Val times, const Val *inv, uint32_t ninv, double rtol, double atol,
           int64_t max_steps, Fn *rates) {
  ode_attr attr = {.method = m, .states = states, .max_steps = max_steps, .watched = states};
  memcpy(&attr.rtol, &rtol, sizeof rtol);
  memcpy(&attr.atol, &atol, sizeof atol);
  return ir_ode_as(b, &attr, y0, times, inv, ninv, rates);
}

Val ir_ode_as(Build *b, const ode_attr *attr, const Val *y0, Val times, const Val *inv, uint32_t ninv, Fn *rates) {
  int64_t at[sizeof *attr / sizeof(int64_t)];
  memcpy(at, attr, sizeof at);
  return trajectory(b, OP_ode, y0, (uint32_t)attr->states, times, inv, ninv, at, sizeof at / sizeof *at, rates);
}

Val ir_reversible(Build *b, const Val *args, uint32_t nargs, uint32_t states, Fn *body) {
  return ir_emit(b, OP_reversible, args, nargs, (int64_t[]){states}, 1, body);
}

Val ir_root(Build *b, const Val *args, uint32_t nargs, Fn *body) { return ir_emit(b, OP_root, args, nargs, NULL, 0, body); }

Val ir_barrier(Build *b, Val x, const Val *after, uint32_t nafter) {
  Val *args = base_realloc(NULL, (nafter + 1) * sizeof *args);
  uint32_t n = 0;
  args[n++] = x;
  for (uint32_t k = 0; k < nafter; k++)
    if (ir_type(b->f, x).lane && ir_type(b->f, after[k]).lane) args[n++] = after[k];
  Val v = ir_emit(b, OP_barrier, args, n, NULL, 0, NULL);
  base_free(args);
  return v;
}

/* ---- derivatives ---- */

Val ir_grad(Build *b, Val e, Val x) { return binary(b, OP_grad, e, x); }
Val ir_jac(Build *b, Val e, Val x) { return ir_emit(b, OP_jac, (Val[]){e, x}, 2, (int64_t[]){0}, 1, NULL); }
Val ir_divergence(Build *b, Val e, Val x) { return binary(b, OP_divergence, e, x); }
Val ir_logjac(Build *b, Val e, Val x) { return binary(b, OP_logjac, e, x); }
