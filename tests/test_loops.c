/* Loops that are rewritten: what moves out of sums over turns, carries in other units; and that values stay what they are. */
#include <math.h>
#include <stdlib.h>

#include "passes/passes.h"
#include "tests/cunit_main.h"

typedef enum {
  KICK_DRIFT,                /* p += h f(q), q += h p */
  DRIFT_KICK,
  TAKES_AWAY,                /* p -= h f(q) */
  SPRING,                    /* f = -q: the other carry would do, too */
  NEVER,                     /* from here on nothing is to be done */
  RECORDED = NEVER,          /* p is stacked */
  READ,                      /* q += h p, and f reads p */
  TWO_LENGTHS,               /* q += h p and q -= h/2 p */
  NO_CONSTANT,               /* p += f(q): nothing takes h up */
  ZERO,                      /* h = 0 */
  SHORT,                     /* of few turns */
  KINDS
} Kind;

static Val force(Build *b, Kind kind, Val q, Val p)
{
  if (kind == SPRING) return ir_neg(b, q);
  Val f = ir_sub(b, ir_sin(b, q), q);
  return kind == READ ? ir_add(b, f, p) : f;
}

static void body(Build *b, Kind kind)
{
  uint32_t n = 3;
  Type t = type_real(true, 1, &n);
  Val q = ir_input(b, NULL, IN_STATE, 0, t), p = ir_input(b, NULL, IN_STATE, 1, t), h = ir_const(b, kind == ZERO ? 0 : 0.1);
  Val was = q;
  if (kind == DRIFT_KICK) q = ir_add(b, q, ir_mul(b, h, p));
  Val f = force(b, kind, q, p), x = kind == NO_CONSTANT ? f : ir_mul(b, f, h);
  p = kind == TAKES_AWAY ? ir_sub(b, p, ir_neg(b, x)) : ir_add(b, x, p);
  if (kind != DRIFT_KICK) q = ir_add(b, was, ir_mul(b, h, p));
  if (kind == TWO_LENGTHS) q = ir_sub(b, q, ir_mul(b, ir_const(b, 0.05), p));
  ir_output(b, q, NULL);
  ir_output(b, p, NULL);
  if (kind == RECORDED) ir_output(b, p, NULL);
}

/* nested: the loop is the body of another one. */
static Fn *loop(Kind kind, bool nested, uint8_t of)
{
  uint32_t n = 3, ys = kind == RECORDED && !nested;
  Type t = type_real(true, 1, &n);
  Fn *f = ir_fn_create("f", of);
  Build b, outer, inner;
  Val x[2], y[2];
  ir_build_init(&b, f);
  for (uint32_t k = 0; k < 2; k++) x[k] = y[k] = ir_input(&b, NULL, IN_FIELD, k, t);
  if (nested) {
    ir_build_init(&outer, ir_sub_create(f, "outer"));
    for (uint32_t k = 0; k < 2; k++) y[k] = ir_input(&outer, NULL, IN_STATE, k, t);
  }
  Build *in = nested ? &outer : &b;
  ir_build_init(&inner, ir_sub_create(in->f, "inner"));
  body(&inner, kind);
  Val v = ir_scan(in, y, 2, kind == SHORT ? 4 : 20, 2, 0, ys, 0, false, false, inner.f);
  ir_build_finish(&inner);
  for (uint32_t k = 0; k < 2 + ys; k++) ir_output(in, ir_proj(in, v, k), NULL);
  if (nested) {
    v = ir_scan(&b, x, 2, 3, 2, 0, 0, 0, false, false, outer.f);
    ir_build_finish(&outer);
    for (uint32_t k = 0; k < 2; k++) ir_output(&b, ir_proj(&b, v, k), NULL);
  }
  ir_build_finish(&b);
  return f;
}

static uint32_t count(const Fn *f, Op op, bool deep)
{
  uint32_t n = 0;
  for (uint32_t id = 1; id < f->inst.n; id++) {
    const Inst *i = &f->inst.at[id];
    if (i->sub && deep) n += count(ir_body(f, i), op, true);
    n += i->op == op;
  }
  return n;
}

static Fn *rescaled(const Fn *f)
{
  Fn *g = pass_rescale(f);
  CU_ASSERT_EQUAL(ir_verify(g, stdout), 0);
  return g;
}

static void test_which(void)
{
  for (Kind kind = KICK_DRIFT; kind < KINDS; kind++)
    for (int nested = 0; nested < 2; nested++) {
      if (kind == RECORDED && nested) continue;
      Fn *raw = loop(kind, nested, FN_F64), *f = pass_simplify(raw), *g = rescaled(f);
      CU_ASSERT_EQUAL(count(g, OP_div, true), kind < NEVER);               /* after the loop */
      if (kind < NEVER) CU_ASSERT_EQUAL(count(g, OP_mul, true), count(f, OP_mul, true));   /* one before the loop, one less in it */
      ir_fn_destroy(raw);
      ir_fn_destroy(f);
      ir_fn_destroy(g);
    }
}

/* In exact functions nothing may round. */
static void test_exact(void)
{
  Fn *f = loop(KICK_DRIFT, false, FN_EXACT), *g = rescaled(f);
  CU_ASSERT_EQUAL(count(g, OP_div, true), 0);
  ir_fn_destroy(f);
  ir_fn_destroy(g);
}

static void test_values(void)
{
  enum { B = 2, N = 3 };
  double q[B * N] = {0.5, -1, 2, 0.1, 0, 1}, p[B * N] = {1, 0.25, -0.75, 0, 3, -1};
  uint32_t n = N;
  Tensor in[2] = {{type_real(true, 1, &n), q}, {type_real(true, 1, &n), p}}, a[3], b[3];
  for (Kind kind = KICK_DRIFT; kind < KINDS; kind++)
    for (int nested = 0; nested < 2; nested++) {
      char err[200];
      EvalEnv env = {0};
      Fn *f = loop(kind, nested && kind != RECORDED, FN_F64), *g = rescaled(f);
      CU_ASSERT_FATAL(ir_eval(f, B, in, a, &env, err, sizeof err) && ir_eval(g, B, in, b, &env, err, sizeof err));
      for (uint32_t k = 0; k < f->out.n; k++) {
        for (int j = 0; j < B * N; j++) CU_ASSERT(fabs(a[k].v[j] - b[k].v[j]) <= 1e-13 * (1 + fabs(a[k].v[j])));
      }
      ir_tensors_free(a, f->out.n);
      ir_tensors_free(b, f->out.n);
      ir_fn_destroy(f);
      ir_fn_destroy(g);
    }
}

/* ---- sums over turns ---- */

/* n turns of z += tail(x c), of which `tail` is signs and places. */
static Fn *sum_of(int tail, bool lanes)
{
  uint32_t two = 2, dims[2] = {1, 2};
  Type t = type_real(lanes, 1, &two);
  Fn *f = ir_fn_create("f", FN_F64);
  Build b, in;
  ir_build_init(&b, f);
  Val x = ir_input(&b, NULL, IN_FIELD, 0, t);
  ir_build_init(&in, ir_sub_create(f, "body"));
  in.fold = false;
  Val y = ir_input(&in, NULL, IN_STATE, 0, t), v = ir_mul(&in, y, y);
  if (lanes && tail & 1) v = ir_batch_sum(&in, v);
  if (tail & 2) v = ir_neg(&in, v);
  if (tail & 4) v = ir_reshape(&in, ir_unslice(&in, v, 0, 1, 1, 4), 2, (uint32_t[]){2, 2});
  else v = ir_transpose(&in, ir_reshape(&in, v, 2, dims), (int[]){1, 0});
  ir_output(&in, ir_mul(&in, y, ir_const(&in, 0.5)), NULL);
  ir_output(&in, ir_expand(&in, v, 0, 3), NULL);
  Val s = ir_scan(&b, &x, 1, 5, 1, 0, 0, 1, false, false, in.f);
  ir_build_finish(&in);
  ir_output(&b, ir_proj(&b, s, 1), NULL);
  ir_build_finish(&b);
  return f;
}

static void test_sums(void)
{
  for (int tail = 0; tail < 8; tail++)
    for (int lanes = 0; lanes < 2; lanes++) {
      Fn *f = sum_of(tail, lanes), *g = pass_simplify(f);
      FieldReport r;
      CU_ASSERT_EQUAL(ir_verify(g, stdout), 0);
      CU_ASSERT_EQUAL(ir_field_equal(f, g, 4, (uint64_t)tail, &r), FIELD_EQUAL);
      for (Op op = OP_none; op < OP_count; op++)
        if (op == OP_neg || op == OP_unslice || op == OP_reshape || op == OP_transpose || op == OP_expand)
          CU_ASSERT_EQUAL(count(g, op, true), count(g, op, false));
      ir_fn_destroy(f);
      ir_fn_destroy(g);
    }
}

const Suite suite = {"loops", (CU_TestInfo[]){
  {"what moves out of sums", test_sums},
  {"which carries", test_which},
  {"not in exact functions", test_exact},
  {"values", test_values},
  CU_TEST_INFO_NULL}};
