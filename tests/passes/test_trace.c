/* Traces: they change nothing of what passes make, and what they tell is so. */
#include "passes/passes.h"
#include "tests/common/cunit_main.h"
#include "tests/common/random_fn.h"

#include <string.h>

enum { MOST = 64 }; /* inputs, outputs */

static Span place(uint32_t k) { return (Span){1, 10 * k, 10 * k + 5}; }

/* Each instruction of it, and of its bodies, has a place of its own. */
static void give_places(Fn *f, uint32_t *k) {
  for (uint32_t id = 1; id < f->inst.n; id++) f->inst.at[id].at = place(++*k);
  for (uint32_t s = 0; s < f->sub.n; s++) give_places(f->sub.at[s], k);
}

/* The gradient by the first input of the sum of the first output. */
static Fn *loss_of(const Fn *f) {
  Fn *g = ir_fn_create("loss", f->f64);
  Build b;
  Val in[MOST], out[MOST], total;
  ir_build_init(&b, g);
  for (uint32_t k = 0; k < f->in.n; k++)
    in[k] = ir_input(&b, f->in.at[k].name, f->in.at[k].kind, f->in.at[k].index, f->in.at[k].type);
  const Val x = ir_id(&b, in[0]);
  in[0] = x;
  ir_inline(&b, f, in, out);
  total = ir_sum_all(&b, out[0]);
  ir_output(&b, ir_grad(&b, total, x), "grad");
  ir_output(&b, total, "value");
  ir_build_finish(&b);
  return g;
}

static void same_places(const PassTrace *t, const Fn *traced, const Fn *plain) {
  CU_ASSERT_EQUAL_FATAL(traced->inst.n, plain->inst.n);
  CU_ASSERT_EQUAL_FATAL(traced->sub.n, plain->sub.n);
  for (uint32_t id = 1; id < plain->inst.n; id++) {
    const Span at = pass_trace_at(t, traced->inst.at[id].at), want = plain->inst.at[id].at;
    CU_ASSERT(at.file == want.file && at.begin == want.begin && at.end == want.end);
  }
  for (uint32_t s = 0; s < plain->sub.n; s++) same_places(t, traced->sub.at[s], plain->sub.at[s]);
}

static const Inst *numbered(const PassTrace *t, uint32_t number) {
  for (uint32_t k = t->fn.n; k-- > 0;)
    if (t->fn.at[k].first <= number) return &t->fn.at[k].fn->inst.at[number - t->fn.at[k].first + 1];
  return NULL;
}

/* Comes from an earlier one at the same place; what is derived is so of an instruction of the operator that its role names. */
static int links(const PassTrace *t) {
  int derived = 0;
  for (uint32_t n = 1; n <= t->from.n; n++) {
    const TraceFrom f = t->from.at[n - 1];
    const Inst *i = numbered(t, n), *from = f.from ? numbered(t, f.from) : NULL;
    if (!from) continue;
    CU_ASSERT(f.from < n);
    CU_ASSERT(!memcmp(&t->at.at[n - 1], &t->at.at[f.from - 1], sizeof(Span)));
    if (!f.derived) continue;
    derived++;
    CU_ASSERT(i->role != ROLE_PRIMAL);
    const bool body = ir_op[from->op].has_sub || i->of == OP_in; /* of what is in a body */
    CU_ASSERT(body || i->of == from->op || from->op == OP_powlog || from->op == OP_powlog2);
  }
  return derived;
}

static int check(const Fn *f) {
  uint32_t k = 0;
  Fn *loss = loss_of(f);
  give_places(loss, &k);
  Fn *given = ir_copy_fn(NULL, loss);
  PassRun plain = {0}, traced = {.trace = pass_trace_create()};
  Lowered a, b;
  Diag *unheard = diag_create(NULL);
  const PassJob one = {.fn = loss, .memory = MEMORY_STORED}, two = {.fn = given, .memory = MEMORY_STORED};
  pass_trace_begin(traced.trace, given);
  CU_ASSERT_FATAL(pass_lower_all(&plain, &one, &a, unheard) == pass_lower_all(&traced, &two, &b, unheard));
  int derived = 0;
  if (a.fn && b.fn) {
    char *x = ir_text(a.fn), *y = ir_text(b.fn);
    CU_ASSERT_STRING_EQUAL(x, y);
    base_free(x);
    base_free(y);
    for (uint32_t p = 0; p < a.split.n; p++)
      if (a.split.part[p].fn) same_places(traced.trace, b.split.part[p].fn, a.split.part[p].fn);
    derived = links(traced.trace);
  }
  pass_lowered_finish(&a);
  pass_lowered_finish(&b);
  pass_trace_destroy(traced.trace);
  pass_run_finish(&plain);
  pass_run_finish(&traced);
  diag_destroy(unheard);
  ir_fn_destroy(given);
  ir_fn_destroy(loss);
  return derived;
}

static void test_network(void) {
  Fn *f = ir_fn_create("net", FN_F64);
  Build b;
  ir_build_init(&b, f);
  const Val x = ir_input(&b, "x", IN_FIELD, 0, type_real(true, 1, (uint32_t[]){3}));
  const Val w = ir_input(&b, "w", IN_PARAM, 0, type_real(false, 2, (uint32_t[]){4, 3}));
  ir_output(&b, ir_sum_all(&b, ir_tanh(&b, ir_matmul(&b, w, x))), NULL);
  ir_build_finish(&b);
  CU_ASSERT(check(f) >= 3);
  ir_fn_destroy(f);
}

static void test_random(void) {
  int derived = 0;
  for (uint64_t seed = 1; seed <= 150; seed++) {
    const RandomSpec spec = {.seed = seed, .size = 5 + (int)(seed % 40), .f64 = true, .scans = seed % 2, .fold = seed % 3 != 0};
    Fn *f = random_fn(&spec);
    CU_ASSERT_FATAL(f->out.n <= MOST && f->in.n <= MOST);
    derived += check(f);
    ir_fn_destroy(f);
  }
  CU_ASSERT(derived > 100);
}

/* As the table has them. */
static void test_rules(void) {
  static const struct {
    Op op;
    uint32_t k;
    const char *text;
  } row[] = {{OP_tanh, 0, "1 − z²"}, {OP_exp, 0, "z"},    {OP_neg, 0, "−1"},      {OP_mul, 0, "y"},
             {OP_div, 1, "−z/y"},    {OP_sqrt, 0, "½/z"}, {OP_cos, 0, "−sin(x)"}, {OP_relu, 0, "0 if z ≤ 0, else 1"},
             {OP_atanh, 0, NULL},    {OP_floor, 0, NULL}};
  char buf[512];
  for (size_t k = 0; k < sizeof row / sizeof *row; k++) {
    const char *text = pass_rule_text(row[k].op, row[k].k, buf, sizeof buf);
    if (row[k].text) CU_ASSERT_STRING_EQUAL(text, row[k].text);
  }
  CU_ASSERT_PTR_NULL(pass_rule_text(OP_floor, 0, buf, sizeof buf));
  for (int op = 1; op < OP_count; op++)
    for (uint32_t k = 0; k < 2; k++) CU_ASSERT(!pass_rule_text((Op)op, k, buf, sizeof buf) || *buf);
}

const Suite suite = {
  "trace",
  (CU_TestInfo[]){{"a network", test_network}, {"random functions", test_random}, {"rules", test_rules}, CU_TEST_INFO_NULL}};
