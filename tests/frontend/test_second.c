/* Rates as the stages of gauss16 want them: written out they are exactly (in the finite field) those of the program, and the second
 * rate of q is the derivative of the first along p'; what is not of second order has none. */
#include "tests/common/claims_util.h"
#include "tests/common/cunit_main.h"

#include "ir/field/field.h"

#include <stdlib.h>
#include <string.h>

typedef struct Case {
  const char *name, *text; /* a field f of two states, or of one */
  uint32_t states;
  bool second;
} Case;

static const Case cases[] = {
  {"pairs",
   "const m = [1, 2, 3, 5]\n"
   "hamiltonian f(q: real[4, 2], p: real[4, 2]) = sum([dot(p[i], p[i])/(2*m[i]) for i in 0:4])"
   " + sum([sum([m[i]*m[j]*(dot(q[i] - q[j], q[i] - q[j]) - 1)^2 for j in i+1:4]) for i in 0:4])\n",
   2, true},
  {"chain", "hamiltonian f(q: real[5], p: real[5]) = dot(p, p)/2 + sum((q[1:] - q[:4])^2/2 + (q[1:] - q[:4])^4/4)\n", 2, true},
  {"matrix", "const W = [[2, 1], [1, 3]]\nhamiltonian f(q: real[2], p: real[2]) = dot(p, W @ p)/2 + q[0]^4 + q[0]*q[1]\n", 2, true},
  {"forced", "fn f(x: real[2], v: real[2], t: real) = (v + 1, -x*t)\n", 2, true},
  {"damped", "fn f(x: real[2], v: real[2]) = (v, -x - v)\n", 2, false},
  {"quartic", "hamiltonian f(q: real[2], p: real[2]) = sum(p^4) + sum(q^2)\n", 2, false},
  {"pushed in time", "fn f(x: real[2], v: real[2], t: real) = (t*v, -x)\n", 2, false},
  {"one state", "fn f(x: real[4]) = concat(x[2:], -x[:2])\n", 1, false},
};

static Fn *derived(const Model *m, const char *name) {
  Fn *f = claims_fn(m, name);
  CU_ASSERT_FATAL(f != NULL);
  return f;
}

static const Fn *body_of(const Fn *f) {
  for (uint32_t id = 1; id < f->inst.n; id++)
    if (f->inst.at[id].op == OP_ode) return ir_body(f, &f->inst.at[id]);
  return NULL;
}

/* f of its fields x: by_fields, in the order of inputs of `body`; output k of body, or f. */
static Fn *apart(const Fn *body, const Fn *whole, uint32_t k) {
  Build b;
  const Fn *f = whole ? whole : body;
  Val *in = base_zeroed(body->in.n + 1, sizeof *in), *out = base_zeroed(f->out.n, sizeof *out);
  ir_build_init(&b, ir_fn_create("apart", FN_F64));
  for (uint32_t j = 0; j < body->in.n; j++) in[j] = ir_input(&b, "x", IN_FIELD, j, body->in.at[j].type);
  ir_inline(&b, f, in, out);
  ir_output(&b, out[k], NULL);
  ir_build_finish(&b);
  base_free(in), base_free(out);
  return b.f;
}

static void same(const Case *c, const Fn *body, uint32_t at, const Fn *want, uint32_t k) {
  FieldReport report;
  Fn *x = apart(body, NULL, at), *y = apart(body, want, k);
  const FieldAnswer answer = ir_field_equal(x, y, 3, at + 1, &report);
  CU_ASSERT_EQUAL(answer, FIELD_EQUAL);
  if (answer != FIELD_EQUAL) fprintf(stderr, "%s, output %u: %s\n", c->name, at, report.reason);
  ir_fn_destroy(x);
  ir_fn_destroy(y);
}

static void check(const Case *c) {
  static Text t;
  const bool timed = strstr(c->text, "t: real") != NULL, h = strstr(c->text, "hamiltonian f(") != NULL;
  const char *dims = strstr(strstr(c->text, " f("), "real") + 4;
  const int n = (int)(strchr(dims, ']') - dims) + 1;
  t = (Text){.n = 0};
  text_add(&t, "precision f64\n%s", c->text);
  const char *const rate = h ? "field(f)" : "f", *const more = timed ? ", t" : "";
  if (c->states == 2) {
    text_add(&t, "fn orbit(x: real%.*s, v: real%.*s) = integrate(%s, x, v, times = [0, 1], method = gauss16(rtol = 1e-9))\n", n,
             dims, n, dims, rate);
    text_add(&t, "fn rates(x: real%.*s, v: real%.*s, t: real) = %s(x, v%s)\n", n, dims, n, dims, rate, more);
    text_add(&t, "fn along(x: real%.*s, v: real%.*s, t: real) {\n  let (a, b) = %s(x, v%s)\n", n, dims, n, dims, rate, more);
    text_add(&t, "  fn first(s: real) = %s(x, v + s*b%s)[0]\n  return (first(1) - first(0), a)\n}\n", rate, more);
  } else {
    text_add(&t, "fn orbit(x: real%.*s) = integrate(%s, x, times = [0, 1], method = gauss16(rtol = 1e-9))\n", n, dims, rate);
    text_add(&t, "fn rates(x: real%.*s, t: real) = %s(x%s)\n", n, dims, rate, more);
  }
  Loaded l = claims_load(t.at, false);
  if (!l.m) printf("\n%s\n", t.at), diag_render(l.diag, stdout, false);
  CU_ASSERT_FATAL(l.m != NULL);
  Fn *orbit = derived(l.m, "orbit"), *rates = derived(l.m, "rates");
  const Fn *body = body_of(orbit);
  CU_ASSERT_FATAL(body != NULL);
  for (uint32_t id = 1; id < body->inst.n; id++) CU_ASSERT(body->inst.at[id].op != OP_scan && body->inst.at[id].op != OP_unslice);
  for (uint32_t k = 0; k < c->states; k++) same(c, body, k, rates, k);
  CU_ASSERT_EQUAL(body->out.n, c->states + c->second);
  if (c->second && body->out.n == 3) { /* q' is affine in p: its derivative is a difference */
    Fn *along = derived(l.m, "along");
    same(c, body, 2, along, 0);
    ir_fn_destroy(along);
  }
  ir_fn_destroy(orbit);
  ir_fn_destroy(rates);
  claims_unload(&l);
}

static void test_cases(void) {
  for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) check(&cases[k]);
}

const Suite suite = {"second", (CU_TestInfo[]){{"cases", test_cases}, CU_TEST_INFO_NULL}};
