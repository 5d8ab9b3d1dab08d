/* What is differentiated to test the rules of structural ops. */
#include "tests/common/derive_cases.h"
#include "tests/common/derive_util.h"

static Type of(Build *b, Val v) { return ir_type(b->f, v); }

/* The conditions are not close to changing: values lie in [0.2, 1]. */
static Val case_select(Build *b, Val x, Val y) {
  static const double level[] = {0, 2, 0, 9, 0, 9, 9, 0, 2};
  Val t = ir_table(b, dims(false, 2, 3, 3, 0), level);
  Val v = ir_select(b, ir_lt(b, t, x), ir_mul(b, x, y), y);
  return ir_add(b, v, ir_select(b, ir_lt(b, ir_mul(b, t, y), x), ir_index(b, ir_index(b, x, 0, 0), 0, 0), y));
}
static Val case_id(Build *b, Val x, Val y) { return ir_id(b, ir_mul(b, x, y)); }
static Val case_spread(Build *b, Val x, Val y) { return ir_mul(b, ir_spread(b, x), y); }
static Val case_batch_sum(Build *b, Val x, Val y) {
  Val v = ir_mul(b, x, y);
  return of(b, v).lane ? ir_batch_sum(b, ir_sin(b, v)) : v;
}
/* A constant, whatever is averaged: the evaluators give the average. */
static Val case_batch_mean(Build *b, Val x, Val y) {
  static const double average[] = {3, 1, 4, 1, 5, 9, 2, 6, 5};
  Val v = ir_mul(b, x, y), m = ir_batch_mean(b, ir_sin(b, v), ir_table(b, dims(false, 2, 3, 3, 0), average), 7);
  return ir_mul(b, ir_sub(b, v, m), m);
}
static Val case_reshape(Build *b, Val x, Val y) {
  uint32_t d[] = {9}, e[] = {3, 3};
  return ir_mul(b, ir_reshape(b, ir_sin(b, ir_reshape(b, x, 1, d)), 2, e), y);
}
static Val case_transpose(Build *b, Val x, Val y) {
  uint32_t d[] = {1, 3, 3};
  return ir_mul(b, ir_transpose(b, ir_reshape(b, x, 3, d), (int[]){2, 0, 1}), ir_reshape(b, y, 3, (uint32_t[]){3, 1, 3}));
}
static Val case_flip(Build *b, Val x, Val y) { return ir_mul(b, ir_flip(b, ir_sin(b, x), 1), ir_flip(b, y, 0)); }
static Val case_window(Build *b, Val x, Val y) {
  return ir_mul(b, ir_window(b, ir_sin(b, x), 0, 2, 1), ir_window(b, ir_transpose(b, y, (int[]){1, 0}), 0, 2, 1));
}
static Val case_unwindow(Build *b, Val x, Val y) {
  Val s = ir_unwindow(b, ir_mul(b, x, ir_sin(b, y)), 0, 2, 8); /* 3 stretches of 3, 2 apart, and one element in none */
  return ir_mul(b, s, s);
}
static Val case_expand(Build *b, Val x, Val y) { return ir_mul(b, ir_expand(b, x, 1, 2), ir_expand(b, ir_sin(b, y), 1, 2)); }
static Val case_sum(Build *b, Val x, Val y) { return ir_mul(b, ir_sum(b, x, 0), ir_sum(b, y, 1)); }
/* The extremum is not close to changing its place. */
static Val apart(Build *b, Val x) {
  static const double at[] = {0, 2, 4, 2, 4, 0, 4, 0, 2};
  return ir_sin(b, ir_mul(b, ir_const(b, 0.25), ir_add(b, x, ir_table(b, dims(false, 2, 3, 3, 0), at))));
}
static Val case_rmax(Build *b, Val x, Val y) { return ir_mul(b, ir_rmax(b, apart(b, x), 0), ir_rmax(b, apart(b, y), 1)); }
static Val case_rmin(Build *b, Val x, Val y) { return ir_mul(b, ir_rmin(b, apart(b, x), 0), ir_rmin(b, apart(b, y), 1)); }
static Val case_slice(Build *b, Val x, Val y) {
  Val v = ir_mul(b, ir_slice(b, x, 0, 1, 2, 1), ir_slice(b, y, 0, 0, 2, 2));
  v = ir_add(b, v, ir_slice(b, x, 0, 0, 2, 1));
  return ir_mul(b, v, ir_stack(b, (Val[]){ir_index(b, x, 0, 0), ir_index(b, y, 0, 2)}, 2));
}
static Val case_unslice(Build *b, Val x, Val y) {
  return ir_add(b, ir_unslice(b, ir_mul(b, x, y), 1, 1, 2, 7), ir_unslice(b, ir_sin(b, x), 1, 2, 1, 7));
}
static Val case_concat(Build *b, Val x, Val y) {
  Val v = ir_concat(b, (Val[]){x, ir_sin(b, y), x}, 3, 1);
  return ir_mul(b, v, ir_concat(b, (Val[]){ir_splat(b, 2, dims(false, 2, 3, 4, 0)), ir_slice(b, v, 1, 2, 5, 1)}, 2, 1));
}
static Val case_take(Build *b, Val x, Val y) {
  return ir_mul(b, ir_take(b, x, 0, (uint32_t[]){2, 0, 2, 1}, 4), ir_take(b, y, 0, (uint32_t[]){0, 1, 1, 2}, 4));
}
static Val case_put(Build *b, Val x, Val y) { return ir_put(b, ir_mul(b, x, y), 0, 4, (uint32_t[]){3, 0, 3}, 3); }
/* 0, 1 or 2 by the size of v. */
static Val row_of(Build *b, Val v) {
  Val one = ir_const(b, 1), zero = ir_const(b, 0);
  Val low = ir_select(b, ir_lt(b, ir_const(b, 0.45), v), one, zero), high = ir_select(b, ir_lt(b, ir_const(b, 0.7), v), one, zero);
  return ir_add(b, low, high);
}
static Val case_gather(Build *b, Val x, Val y) {
  Val at = row_of(b, y), one = ir_index(b, ir_index(b, at, 0, 1), 0, 2);
  Val v = ir_mul(b, ir_gather(b, ir_sin(b, x), ir_index(b, at, 1, 0)), y); /* rows */
  v = ir_add(b, v, ir_gather(b, ir_index(b, ir_mul(b, x, y), 1, 1), at));  /* elements, 9 of 3 */
  v = ir_mul(b, v, ir_gather(b, x, ir_table(b, dims(false, 1, 3, 0, 0), (double[]){2, 0, 2})));
  return ir_mul(b, v, ir_expand(b, ir_gather(b, ir_mul(b, v, x), one), 1, 3)); /* one row */
}
static Val case_scatter(Build *b, Val x, Val y) {
  Val at = row_of(b, y), v = ir_mul(b, ir_scatter(b, ir_mul(b, x, x), ir_index(b, at, 0, 0), 3, false), y);
  v = ir_add(b, v, ir_scatter(b, ir_reshape(b, ir_sin(b, x), 3, (uint32_t[]){3, 1, 3}), ir_slice(b, at, 1, 0, 1, 1), 3, false));
  v = ir_mul(b, v, ir_expand(b, ir_scatter(b, x, at, 3, false), 0, 3));
  Val one = ir_index(b, ir_index(b, at, 0, 2), 0, 1);
  return ir_mul(b, v, ir_add(b, y, ir_scatter(b, ir_index(b, x, 0, 1), one, 3, false)));
}
static Val case_scatter_lanes(Build *b, Val x, Val y) {
  if (!of(b, x).lane || !of(b, y).lane) return ir_mul(b, x, y);
  return ir_scatter(b, ir_mul(b, x, ir_sin(b, y)), ir_index(b, row_of(b, y), 0, 1), 4, true);
}
static Val case_setrow(Build *b, Val x, Val y) {
  Val at = row_of(b, y), one = ir_index(b, ir_index(b, at, 0, 2), 0, 1), two = ir_index(b, ir_index(b, at, 0, 0), 0, 1);
  Val v = ir_setrow(b, ir_sin(b, x), one, ir_index(b, ir_mul(b, x, y), 0, 1));
  v = ir_mul(b, v, ir_setrow(b, y, two, ir_index(b, ir_sin(b, v), 1, 2)));
  return ir_add(b, v, ir_expand(b, ir_setrow(b, ir_index(b, x, 0, 0), two, ir_index(b, ir_index(b, y, 0, 0), 0, 0)), 0, 3));
}
static Val case_diag(Build *b, Val x, Val y) {
  return ir_mul(b, ir_diag(b, ir_index(b, x, 0, 0)), ir_add(b, y, ir_diag(b, ir_index(b, y, 1, 1))));
}
static Val case_diagv(Build *b, Val x, Val y) { return ir_mul(b, ir_diagv(b, x), ir_diagv(b, ir_mul(b, x, y))); }
static Val case_tri(Build *b, Val x, Val y) { return ir_mul(b, ir_tri(b, x, true, 1), ir_tri(b, y, false, 1)); }
static Val case_dot(Build *b, Val x, Val y) {
  Val v = ir_matmul(b, ir_matmul(b, x, y), ir_index(b, x, 0, 1));
  return ir_add(b, v, ir_dot(b, x, y, false, (int[]){0, 1}, (int[]){1, 0}, 1, (int[]){0}));
}
static Val case_lanes(Build *b, Val x, Val y) {
  if (!of(b, x).lane || !of(b, y).lane) return ir_mul(b, x, y);
  return ir_dot(b, x, ir_sin(b, y), true, (int[]){0, 1}, (int[]){1, 2}, 2, (int[]){0, 2});
}
static Val case_trisolve(Build *b, Val x, Val y) {
  Val a = ir_add(b, x, ir_diag(b, ir_splat(b, 2, dims(false, 1, 3, 0, 0)))), v = ir_trisolve(b, a, y, false, false);
  v = ir_add(b, v, ir_trisolve(b, a, ir_sin(b, y), true, true));
  v = ir_matmul(b, v, ir_trisolve(b, a, ir_index(b, y, 0, 0), true, false));
  return ir_mul(b, v, ir_trisolve(b, a, ir_index(b, y, 0, 1), false, true));
}
static Val case_solve(Build *b, Val x, Val y) {
  Val a = ir_take(b, ir_add(b, x, ir_diag(b, ir_splat(b, 3, dims(false, 1, 3, 0, 0)))), 0, (uint32_t[]){1, 2, 0}, 3);
  Val v = ir_add(b, ir_solve(b, a, y, false), ir_solve(b, a, ir_sin(b, y), true));
  v = ir_matmul(b, v, ir_solve(b, a, ir_index(b, y, 0, 0), false));
  return ir_mul(b, v, ir_solve(b, a, ir_index(b, y, 0, 1), true));
}
static Val case_det(Build *b, Val x, Val y) {
  Val a = ir_take(b, ir_add(b, x, ir_diag(b, ir_splat(b, 3, dims(false, 1, 3, 0, 0)))), 0, (uint32_t[]){2, 0, 1}, 3);
  Val c = ir_sub(b, y, ir_diag(b, ir_splat(b, 4, dims(false, 1, 3, 0, 0))));
  Val f = ir_lu(b, a), g = ir_lu(b, c), v = ir_mul(b, ir_det(b, f), ir_logdet(b, g));
  return ir_mul(b, ir_lu_solve(b, f, y, false), ir_add(b, v, ir_logdet(b, f)));
}
static Val case_cholesky(Build *b, Val x, Val y) {
  Val a = ir_add(b, ir_mul(b, ir_const(b, 0.3), x), ir_diag(b, ir_splat(b, 3, dims(false, 1, 3, 0, 0))));
  return ir_mul(b, ir_cholesky(b, a), y);
}
/* Both triangles of x count, as the lower one of other matrices. */
static Val case_eigh(Build *b, Val x, Val y) {
  static const double apart[] = {1, 4, 9};
  Val d = ir_diag(b, ir_table(b, dims(false, 1, 3, 0, 0), apart));
  Val e = ir_eigh(b, ir_add(b, ir_mul(b, ir_const(b, 0.4), x), d)), t = ir_transpose(b, x, (int[]){1, 0});
  Val f = ir_eigh(b, ir_sub(b, d, ir_mul(b, ir_const(b, 0.3), t)));
  Val v = ir_mul(b, ir_expand(b, ir_eigvals(b, e), 0, 3), ir_eigvecs(b, f));
  return ir_mul(b, ir_add(b, v, ir_matmul(b, ir_eigvecs(b, e), y)), y);
}

/* rk4-like: a carry per sample or shared, a shared one (time), xs, shared parameters; ys and zs. */
static Val loop(Build *b, Val x, Val y, bool reverse, bool converge) {
  Val h0 = ir_index(b, x, 0, 0), t0 = ir_index(b, ir_index(b, y, 0, 0), 0, 0);
  bool lane = of(b, x).lane || of(b, y).lane;
  if (lane) h0 = ir_spread(b, h0);
  Build bb;
  Fn *body = ir_sub_create(b->f, "step");
  ir_build_init(&bb, body);
  Val h = input(&bb, of(b, h0)), t = input(&bb, of(b, t0)), s = VAL_NONE;
  if (!converge) s = input(&bb, pass_type_with(of(b, h0), of(b, y).lane));
  Val w = input(&bb, of(b, x)), c = ir_const(&bb, 0.1);
  Val k1 = ir_tanh(&bb, ir_add(&bb, ir_matmul(&bb, w, h), t));
  Val k2 = ir_sin(&bb, ir_matmul(&bb, ir_transpose(&bb, w, (int[]){1, 0}), ir_add(&bb, h, ir_mul(&bb, c, k1))));
  Val next = ir_add(&bb, ir_mul(&bb, h, ir_const(&bb, 0.5)), ir_mul(&bb, c, ir_add(&bb, k1, k2)));
  if (!converge) next = ir_add(&bb, next, ir_mul(&bb, c, ir_mul(&bb, s, t)));
  ir_output(&bb, next, NULL);
  ir_output(&bb, ir_mul(&bb, t, ir_cos(&bb, t)), NULL);
  if (!converge) {
    ir_output(&bb, next, NULL);
    ir_output(&bb, ir_mul(&bb, k1, s), NULL);
    ir_output(&bb, ir_mul(&bb, t, ir_sum(&bb, w, 0)), NULL);
  }
  ir_build_finish(&bb);
  if (converge) {
    Val scan = ir_scan(b, (Val[]){h0, t0, x}, 3, 40, 2, 0, 0, 0, false, true, body);
    return ir_add(b, ir_proj(b, scan, 0), ir_proj(b, scan, 1));
  }
  Val scan = ir_scan(b, (Val[]){h0, t0, y, x}, 4, 3, 2, 1, 1, 2, reverse, false, body);
  Val v = ir_mul(b, ir_proj(b, scan, 0), ir_add(b, ir_proj(b, scan, 3), ir_proj(b, scan, 4)));
  v = ir_add(b, v, ir_mul(b, ir_sum(b, ir_proj(b, scan, 2), 0), ir_proj(b, scan, 1)));
  return ir_add(b, v, ir_index(b, ir_proj(b, scan, 2), 0, reverse ? 0 : 2));
}

static Val case_scan(Build *b, Val x, Val y) { return loop(b, x, y, false, false); }
static Val case_reverse(Build *b, Val x, Val y) { return loop(b, x, y, true, false); }
static Val case_converge(Build *b, Val x, Val y) { return loop(b, ir_mul(b, x, ir_const(b, 0.1)), y, false, true); }

static Val case_map(Build *b, Val x, Val y) {
  Build bb;
  Fn *body = ir_sub_create(b->f, "each");
  ir_build_init(&bb, body);
  Type row = dims(of(b, x).lane, 1, 3, 0, 0);
  Val r = input(&bb, row), m = input(&bb, of(b, y));
  ir_output(&bb, ir_tanh(&bb, ir_matmul(&bb, m, r)), NULL);
  ir_output(&bb, ir_sum_all(&bb, ir_mul(&bb, r, r)), NULL);
  ir_build_finish(&bb);
  Val scan = ir_scan(b, (Val[]){x, y}, 2, 3, 0, 1, 2, 0, false, false, body);
  return ir_mul(b, ir_sum(b, ir_proj(b, scan, 0), 1), ir_proj(b, scan, 1));
}

/* A loop in a loop; the inner one reads the outer one's carry as an invariant. */
static Val case_nested(Build *b, Val x, Val y) {
  Build b1, b2;
  Fn *outer = ir_sub_create(b->f, "outer");
  bool lane = of(b, x).lane || of(b, y).lane;
  Type vec = dims(lane, 1, 3, 0, 0);
  ir_build_init(&b1, outer);
  Val h = input(&b1, vec), row = input(&b1, dims(of(b, y).lane, 1, 3, 0, 0)), w = input(&b1, of(b, x));
  Fn *inner = ir_sub_create(outer, "inner");
  ir_build_init(&b2, inner);
  Val g = input(&b2, vec), u = input(&b2, vec), m = input(&b2, of(b, x));
  ir_output(&b2, ir_tanh(&b2, ir_add(&b2, ir_matmul(&b2, m, g), ir_mul(&b2, u, ir_const(&b2, 0.5)))), NULL);
  ir_build_finish(&b2);
  Val scan = ir_scan(&b1, (Val[]){h, h, w}, 3, 2, 1, 0, 0, 0, false, false, inner);
  ir_output(&b1, ir_add(&b1, ir_proj(&b1, scan, 0), row), NULL);
  ir_build_finish(&b1);
  Val h0 = ir_index(b, x, 0, 2);
  if (lane) h0 = ir_spread(b, h0);
  return ir_proj(b, ir_scan(b, (Val[]){h0, y, x}, 3, 3, 1, 1, 0, 0, false, false, outer), 0);
}

static Val case_barrier(Build *b, Val x, Val y) { return ir_barrier(b, ir_mul(b, x, y), (Val[]){x, y}, 2); }
/* s exp(y) + sin(y), s being x y */
static Val case_reversible(Build *b, Val x, Val y) {
  Val s = ir_mul(b, x, y);
  Build bb;
  Fn *body = ir_sub_create(b->f, "step");
  ir_build_init(&bb, body);
  Val before = input(&bb, of(b, s)), after = input(&bb, of(b, s)), inv = input(&bb, of(b, y)), sine = ir_sin(&bb, inv);
  ir_output(&bb, ir_add(&bb, ir_mul(&bb, before, ir_exp(&bb, inv)), sine), NULL);
  ir_output(&bb, ir_mul(&bb, ir_sub(&bb, after, sine), ir_exp(&bb, ir_neg(&bb, inv))), NULL);
  ir_build_finish(&bb);
  Val step = ir_proj(b, ir_reversible(b, (Val[]){s, y}, 2, 1, body), 0);
  return ir_mul(b, step, ir_tanh(b, step));
}

/* k^3/5 + k = x . y, k being found by 40 turns that no derivative goes through. */
static Val case_root(Build *b, Val x, Val y) {
  Build bb, bt;
  Val u = ir_index(b, x, 0, 0), v = ir_index(b, y, 0, 1), goal = ir_mul(b, u, v);
  Fn *turn = ir_sub_create(b->f, "turn"), *body = ir_sub_create(b->f, "system");
  ir_build_init(&bt, turn);
  Val k = input(&bt, of(b, goal)), g = input(&bt, of(b, goal)), part = ir_const(&bt, 0.2);
  ir_output(&bt, ir_sub(&bt, g, ir_mul(&bt, part, ir_mul(&bt, k, ir_mul(&bt, k, k)))), NULL);
  ir_build_finish(&bt);
  Val found = ir_proj(b, ir_scan(b, (Val[]){goal, goal}, 2, 200, 1, 0, 0, 0, false, true, turn), 0);
  ir_build_init(&bb, body);
  k = input(&bb, of(b, goal));
  Val p = input(&bb, of(b, u)), q = input(&bb, of(b, v)), fifth = ir_const(&bb, 0.2);
  ir_output(&bb, ir_sub(&bb, ir_add(&bb, k, ir_mul(&bb, fifth, ir_mul(&bb, k, ir_mul(&bb, k, k)))), ir_mul(&bb, p, q)), NULL);
  ir_output(&bb, ir_diag(&bb, ir_add(&bb, ir_const(&bb, 1), ir_mul(&bb, ir_const(&bb, 0.6), ir_mul(&bb, k, k)))), NULL);
  ir_build_finish(&bb);
  Val root = ir_root(b, (Val[]){found, u, v}, 3, body);
  return ir_mul(b, ir_sin(b, root), ir_add(b, root, v));
}

/* Kept where x^2 is not negative. */
static Val case_require(Build *b, Val x, Val y) {
  Val ok = ir_le(b, ir_const(b, 0), ir_mul(b, x, x));
  return ir_mul(b, ir_sin(b, ir_mul(b, x, y)), ir_require(b, ok, ir_const(b, 0.5), CAUSE_NO_CROSSING, 7));
}

static Val case_iota(Build *b, Val x, Val y) {
  Val k = ir_expand(b, ir_iota(b, 3), 1, 3);
  return ir_mul(b, ir_add(b, x, k), ir_mul(b, y, ir_transpose(b, k, (int[]){1, 0})));
}

static Val case_rand(Build *b, Val x, Val y) { return ir_mul(b, x, y); }

const DeriveCase derive_cases[] = {
  {OP_in, case_id},
  {OP_const, case_slice},
  {OP_table, case_id},
  {OP_iota, case_iota},
  {OP_select, case_select},
  {OP_require, case_require},
  {OP_id, case_id},
  {OP_spread, case_spread},
  {OP_batch_sum, case_batch_sum},
  {OP_batch_mean, case_batch_mean},
  {OP_reshape, case_reshape},
  {OP_transpose, case_transpose},
  {OP_flip, case_flip},
  {OP_expand, case_expand},
  {OP_sum, case_sum},
  {OP_rmax, case_rmax},
  {OP_rmin, case_rmin},
  {OP_slice, case_slice},
  {OP_unslice, case_unslice},
  {OP_window, case_window},
  {OP_unwindow, case_unwindow},
  {OP_concat, case_concat},
  {OP_take, case_take},
  {OP_put, case_put},
  {OP_gather, case_gather},
  {OP_scatter, case_scatter},
  {OP_scatter, case_scatter_lanes},
  {OP_setrow, case_setrow},
  {OP_diag, case_diag},
  {OP_diagv, case_diagv},
  {OP_tri, case_tri},
  {OP_dot, case_dot},
  {OP_dot, case_lanes},
  {OP_trisolve, case_trisolve},
  {OP_solve, case_solve},
  {OP_lu, case_solve},
  {OP_lu, case_det},
  {OP_det, case_det},
  {OP_logdet, case_det},
  {OP_cholesky, case_cholesky},
  {OP_eigh, case_eigh},
  {OP_eigvals, case_eigh},
  {OP_eigvecs, case_eigh},
  {OP_scan, case_scan},
  {OP_scan, case_reverse},
  {OP_scan, case_converge},
  {OP_scan, case_map},
  {OP_scan, case_nested},
  {OP_proj, case_scan},
  {OP_rand, case_rand},
  {OP_barrier, case_barrier},
  {OP_reversible, case_reversible},
  {OP_root, case_root},
  {OP_integrate, NULL},
  {OP_ode, NULL},
  {OP_cauchy, NULL}, /* of series, of which no derivative is taken: tests/passes/test_jets.c */
  {OP_grad, NULL},
  {OP_jac, NULL},
  {OP_divergence, NULL},
  {OP_logjac, NULL}, /* tests of their own */
};
const int derive_ncases = sizeof derive_cases / sizeof *derive_cases;

Fn *derive_case(DeriveCaseMake *make, int lanes, bool scalar) {
  Fn *f = ir_fn_create("case", true);
  Build b;
  ir_build_init(&b, f);
  Val x = input(&b, dims(lanes & 1, 2, 3, 3, 0)), y = input(&b, dims(lanes >> 1, 2, 3, 3, 0)), v = make(&b, x, y);
  ir_output(&b, scalar ? to_scalar(&b, v) : v, NULL);
  ir_build_finish(&b);
  return f;
}
