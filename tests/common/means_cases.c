#include "tests/common/means_cases.h"

#include <CUnit/Basic.h>
#include <stdlib.h>
#include <string.h>

enum { N = 3, D = 2, DEEP = 4 };

typedef struct Case {
  Fn *f;
  Build b;
  Form form;
  Val weight;
} Case;

static Type shape(bool lane, int rank, uint32_t d0, uint32_t d1, uint32_t d2) {
  return type_real(lane, rank, (uint32_t[]){d0, d1, d2});
}

static void begin(Case *c, const char *name, Form form, bool f64) {
  *c = (Case){.f = ir_fn_create(name, f64), .form = form};
  ir_build_init(&c->b, c->f);
}

static void weigh(Case *c) {
  if (c->form == BY_HAND) c->weight = ir_input(&c->b, "weight", IN_WEIGHT, 0, type_scalar(true));
}

static Fn *end(Case *c, Val loss) {
  ir_output(&c->b, loss, "loss");
  ir_build_finish(&c->b);
  return c->f;
}

/* A mean of e over the batch where no map stands around it. */
static Val mean(Case *c, Val e, Val average, uint32_t param) {
  if (c->form == LOSS) return ir_batch_mean(&c->b, e, average, param);
  return c->form == AVERAGED ? average : ir_batch_sum(&c->b, ir_mul(&c->b, c->weight, e));
}

/* By hand: over the first `axes` axes as well. */
static Val mean_along(Case *c, Val e, int axes, Val average) {
  Build *b = &c->b;
  for (int k = 0; k < axes; k++) {
    uint32_t n = ir_type(c->f, e).dim[0];
    e = ir_mul(b, ir_sum(b, e, 0), ir_const_exact(b, 1.0 / n, 1, n));
  }
  return mean(c, e, average, 0);
}

static Val square(Build *b, Val x) { return ir_mul(b, x, x); }

/* ---- outside of maps: two means in a chain, one of a square; a derivative by the sample through it -------- */

static Fn *chain(Form form, bool f64) {
  Case c;
  Build *b = &c.b;
  begin(&c, "chain", form, f64);
  Val W = ir_input(b, "W", IN_PARAM, 0, shape(false, 2, D, D, 0)), s = ir_input(b, "s", IN_PARAM, 1, type_scalar(false)),
      A = ir_input(b, "A", IN_PARAM, 2, shape(false, 1, D, 0, 0)), V = ir_input(b, "V", IN_PARAM, 3, type_scalar(false)),
      x = ir_id(b, ir_input(b, "x", IN_FIELD, 0, shape(true, 1, D, 0, 0))), t = ir_input(b, "t", IN_FIELD, 1, type_scalar(true));
  weigh(&c);
  Val y = ir_tanh(b, ir_matmul(b, W, x)), m = mean(&c, y, A, 2), z = ir_sub(b, y, m);
  Val v = mean(&c, ir_sum_all(b, square(b, z)), V, 3), e = ir_mul(b, ir_sum_all(b, ir_sin(b, z)), ir_add(b, v, s));
  Val slope;
  if (form == LOSS) slope = ir_grad(b, e, x); /* m and v are constants of the sample */
  else {
    Val dy = ir_sub(b, ir_const(b, 1), square(b, y));
    slope = ir_mul(b, ir_matmul(b, ir_mul(b, ir_cos(b, z), dy), W), ir_add(b, v, s));
  }
  return end(&c, ir_add(b, square(b, ir_sub(b, e, t)), ir_sum_all(b, square(b, slope))));
}

/* ---- DEEP means in the body of one map ------------------------------------------------------------------------ */

static void deep_inputs(Case *c, Val *W, Val *A, Val *x) {
  char *name;
  for (uint32_t k = 0; k < DEEP; k++) {
    name = arena_printf(c->f->mem, "W%u", k);
    W[k] = ir_input(&c->b, name, IN_PARAM, k, shape(false, 2, D, D, 0));
  }
  for (uint32_t k = 0; k < DEEP; k++) {
    name = arena_printf(c->f->mem, "A%u", k);
    A[k] = ir_input(&c->b, name, IN_PARAM, DEEP + k, shape(false, 1, D, 0, 0));
  }
  *x = ir_input(&c->b, "x", IN_FIELD, 0, shape(true, 2, N, D, 0));
}

static Fn *deep_by_hand(Form form, bool f64) {
  Case c;
  Build *b = &c.b;
  Val W[DEEP], A[DEEP], x;
  begin(&c, "deep", form, f64);
  deep_inputs(&c, W, A, &x);
  weigh(&c);
  Val y = x, sum = ir_const(b, 0);
  for (int k = 0; k < DEEP; k++) {
    Val u = ir_tanh(b, ir_dot(b, y, W[k], false, (int[]){0, 1}, (int[]){2, 1}, 2, (int[]){0, 2}));
    Val m = mean_along(&c, u, 1, A[k]);
    y = ir_add(b, y, ir_sub(b, u, ir_expand(b, m, 0, N)));
    sum = ir_add(b, sum, ir_mul(b, ir_sum_all(b, u), ir_const(b, k + 1)));
  }
  return end(&c, ir_add(b, ir_sum_all(b, square(b, y)), sum));
}

static Fn *deep(Form form, bool f64) {
  if (form != LOSS) return deep_by_hand(form, f64);
  Case c;
  Build *b = &c.b, body;
  Val W[DEEP], A[DEEP], x, w[DEEP], a[DEEP], args[1 + 2 * DEEP];
  begin(&c, "deep", form, f64);
  deep_inputs(&c, W, A, &x);
  Fn *map = ir_sub_create(c.f, "point");
  ir_build_init(&body, map);
  Val y = ir_input(&body, NULL, IN_OTHER, 0, shape(true, 1, D, 0, 0)), sum = ir_const(&body, 0);
  for (int k = 0; k < DEEP; k++) w[k] = ir_input(&body, NULL, IN_OTHER, 0, shape(false, 2, D, D, 0));
  for (int k = 0; k < DEEP; k++) a[k] = ir_input(&body, NULL, IN_OTHER, 0, shape(false, 1, D, 0, 0));
  for (uint32_t k = 0; k < DEEP; k++) {
    Val u = ir_tanh(&body, ir_matmul(&body, w[k], y));
    Val m = ir_batch_mean(&body, u, a[k], DEEP + k);
    y = ir_add(&body, y, ir_sub(&body, u, m));
    sum = ir_add(&body, sum, ir_mul(&body, ir_sum_all(&body, u), ir_const(&body, k + 1)));
  }
  ir_output(&body, y, NULL);
  ir_output(&body, sum, NULL);
  ir_build_finish(&body);
  args[0] = x;
  memcpy(args + 1, W, sizeof W);
  memcpy(args + 1 + DEEP, A, sizeof A);
  Val scan = ir_scan(b, args, 1 + 2 * DEEP, N, 0, 1, 1, 1, false, false, map);
  return end(&c, ir_add(b, ir_sum_all(b, square(b, ir_proj(b, scan, 0))), ir_proj(b, scan, 1)));
}

/* ---- a map in a map; bools and the mean itself cross ------------------------------------------------------------- */

enum { ROWS = 2, COLS = 3 };

static Fn *nested_by_hand(Form form, bool f64) {
  Case c;
  Build *b = &c.b;
  begin(&c, "nested", form, f64);
  Val k = ir_input(b, "k", IN_PARAM, 0, type_scalar(false)), A = ir_input(b, "A", IN_PARAM, 1, type_scalar(false)),
      R = ir_input(b, "R", IN_PARAM, 2, type_scalar(false)), x = ir_input(b, "x", IN_FIELD, 0, shape(true, 2, ROWS, COLS, 0));
  weigh(&c);
  Val y = ir_sin(b, ir_mul(b, x, k)), m = mean_along(&c, y, 2, A);
  Val z = ir_select(b, ir_lt(b, ir_const(b, 0), x), ir_sub(b, y, m), ir_mul(b, y, m));
  Val row = ir_sum(b, ir_exp(b, z), 1), r = mean_along(&c, row, 1, R);
  Val v = ir_mul(b, ir_sub(b, row, r), ir_sum(b, y, 1));
  return end(&c, ir_add(b, ir_sum_all(b, square(b, v)), ir_mul(b, ir_const(b, ROWS), r)));
}

static Fn *nested(Form form, bool f64) {
  if (form != LOSS) return nested_by_hand(form, f64);
  Case c;
  Build *b = &c.b, outer, inner;
  begin(&c, "nested", form, f64);
  Type one = type_scalar(false), each = type_scalar(true);
  Val k = ir_input(b, "k", IN_PARAM, 0, one), A = ir_input(b, "A", IN_PARAM, 1, one), R = ir_input(b, "R", IN_PARAM, 2, one),
      x = ir_input(b, "x", IN_FIELD, 0, shape(true, 2, ROWS, COLS, 0));
  Fn *of = ir_sub_create(c.f, "row");
  ir_build_init(&outer, of);
  Val xr = ir_input(&outer, NULL, IN_OTHER, 0, shape(true, 1, COLS, 0, 0)), ko = ir_input(&outer, NULL, IN_OTHER, 0, one),
      ao = ir_input(&outer, NULL, IN_OTHER, 0, one), ro = ir_input(&outer, NULL, IN_OTHER, 0, one);
  Fn *nf = ir_sub_create(of, "element");
  ir_build_init(&inner, nf);
  Val xi = ir_input(&inner, NULL, IN_OTHER, 0, each), ki = ir_input(&inner, NULL, IN_OTHER, 0, one),
      ai = ir_input(&inner, NULL, IN_OTHER, 0, one);
  Val y = ir_sin(&inner, ir_mul(&inner, xi, ki)), m = ir_batch_mean(&inner, y, ai, 1);
  Val positive = ir_lt(&inner, ir_const(&inner, 0), xi);
  ir_output(&inner, y, NULL);
  ir_output(&inner, ir_exp(&inner, ir_select(&inner, positive, ir_sub(&inner, y, m), ir_mul(&inner, y, m))), NULL);
  ir_build_finish(&inner);
  Val scan = ir_scan(&outer, (Val[]){xr, ko, ao}, 3, COLS, 0, 1, 1, 1, false, false, nf);
  Val row = ir_proj(&outer, scan, 1), r = ir_batch_mean(&outer, row, ro, 2);
  ir_output(&outer, ir_mul(&outer, ir_sub(&outer, row, r), ir_sum(&outer, ir_proj(&outer, scan, 0), 0)), NULL);
  ir_output(&outer, r, NULL);
  ir_build_finish(&outer);
  scan = ir_scan(b, (Val[]){x, k, A, R}, 4, ROWS, 0, 1, 1, 1, true, false, of);
  return end(&c, ir_add(b, ir_sum_all(b, square(b, ir_proj(b, scan, 0))), ir_proj(b, scan, 1)));
}

/* ---- a derivative inside a map, one of a whole map by the sample; one average kept for two means ---------------- */

static Fn *slopes_by_hand(Form form, bool f64) {
  Case c;
  Build *b = &c.b;
  begin(&c, "slopes", form, f64);
  Val W = ir_input(b, "W", IN_PARAM, 0, shape(false, 2, D, D, 0)), A = ir_input(b, "A", IN_PARAM, 1, shape(false, 1, D, 0, 0)),
      x = ir_input(b, "x", IN_FIELD, 0, shape(true, 2, N, D, 0)), t = ir_input(b, "t", IN_FIELD, 1, shape(true, 1, D, 0, 0));
  weigh(&c);
  Val u = ir_dot(b, x, W, false, (int[]){0, 1}, (int[]){2, 1}, 2, (int[]){0, 2}), m = mean_along(&c, u, 1, A);
  Val z = ir_sub(b, u, ir_expand(b, m, 0, N));
  Val g = ir_dot(b, ir_cos(b, z), W, false, (int[]){0, 1}, (int[]){1, 2}, 2, (int[]){0, 2}); /* d sum(sin z)/dx */
  Val n = mean(&c, t, A, 1), e = ir_sub(b, g, ir_expand(b, ir_mul(b, t, n), 0, N));
  return end(&c, ir_sum_all(b, square(b, e)));
}

static Fn *slopes(Form form, bool f64) {
  if (form != LOSS) return slopes_by_hand(form, f64);
  Case c;
  Build *b = &c.b, body;
  begin(&c, "slopes", form, f64);
  Val W = ir_input(b, "W", IN_PARAM, 0, shape(false, 2, D, D, 0)), A = ir_input(b, "A", IN_PARAM, 1, shape(false, 1, D, 0, 0)),
      x = ir_id(b, ir_input(b, "x", IN_FIELD, 0, shape(true, 2, N, D, 0))),
      t = ir_input(b, "t", IN_FIELD, 1, shape(true, 1, D, 0, 0));
  Fn *map = ir_sub_create(c.f, "point");
  ir_build_init(&body, map);
  Val xk = ir_id(&body, ir_input(&body, NULL, IN_OTHER, 0, shape(true, 1, D, 0, 0))),
      w = ir_input(&body, NULL, IN_OTHER, 0, shape(false, 2, D, D, 0)),
      a = ir_input(&body, NULL, IN_OTHER, 0, shape(false, 1, D, 0, 0));
  Val u = ir_matmul(&body, w, xk), z = ir_sub(&body, u, ir_batch_mean(&body, u, a, 1));
  Val e = ir_sum_all(&body, ir_sin(&body, z));
  ir_output(&body, ir_grad(&body, e, xk), NULL);
  ir_output(&body, e, NULL);
  ir_build_finish(&body);
  Val scan = ir_scan(b, (Val[]){x, W, A}, 3, N, 0, 1, 1, 1, false, false, map);
  Val again = ir_grad(b, ir_proj(b, scan, 1), x), half = ir_const_exact(b, 0.5, 1, 2); /* the same once more */
  Val g = ir_mul(b, half, ir_add(b, ir_proj(b, scan, 0), again));
  Val n = ir_batch_mean(b, t, A, 1);
  return end(&c, ir_sum_all(b, square(b, ir_sub(b, g, ir_expand(b, ir_mul(b, t, n), 0, N)))));
}

/* ---- the mean of a shared value, and of one that no map changes --------------------------------------------------- */

static Fn *plain(Form form, bool f64) {
  Case c;
  Build *b = &c.b;
  begin(&c, "plain", form, f64);
  Val k = ir_input(b, "k", IN_PARAM, 0, type_scalar(false)), A = ir_input(b, "A", IN_PARAM, 1, type_scalar(false)),
      B = ir_input(b, "B", IN_PARAM, 2, type_scalar(false)), x = ir_input(b, "x", IN_FIELD, 0, type_scalar(true));
  weigh(&c);
  Val e = ir_exp(b, k), m = form == LOSS ? ir_batch_mean(b, e, A, 1) : form == AVERAGED ? A : e;
  Val n = mean(&c, ir_mul(b, x, k), B, 2);
  return end(&c, square(b, ir_sub(b, ir_mul(b, x, m), n)));
}

const MeansCase means_cases[] = {
  {"chain", chain, 2, 2, 2},   {"deep", deep, DEEP, DEEP, DEEP}, {"nested", nested, 2, 1, 2},
  {"slopes", slopes, 1, 1, 1}, {"plain", plain, 1, 1, 2},
};
const int means_ncases = sizeof means_cases / sizeof *means_cases;

Fn *means_derived(Fn *f, Diag *diag) {
  CU_ASSERT_PTR_NOT_NULL_FATAL(f);
  Fn *s = pass_lower(NULL, f, MEMORY_STORED, NULL, diag);
  CU_ASSERT_PTR_NOT_NULL_FATAL(s);
  CU_ASSERT_EQUAL(ir_verify(s, stderr), 0);
  ir_fn_destroy(f);
  return s;
}
