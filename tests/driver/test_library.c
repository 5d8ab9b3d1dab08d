/* libhnnc by its header alone, as a user has it: hnnc.h, and libhnnc.so. */
#include "hnnc.h"
#include "tests/common/cunit_main.h"
#include "tests/common/often.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static const char program[] = "precision f64\n"
                              "hamiltonian H(q: real[2], p: real[2]) = p @ p / 2 + q @ q / 2\n"
                              "net energy(q: real, p: real) {\n"
                              "  param w: real[3] ~ normal(0, 1)\n"
                              "  return w[0] * q^2 + w[1] * p^2 + w[2]\n"
                              "}\n"
                              "use learned = energy\n"
                              "data cloud {\n"
                              "  let q = normal(0, 1)\n"
                              "  let p = normal(0, 1)\n"
                              "  yield q, p, e = q^2 + 2 * p^2 + 3\n"
                              "}\n"
                              "use points = cloud(count = 64, seed = 1)\n"
                              "loss fit(q: real, p: real, e: real) = (learned(q, p) - e)^2\n"
                              "train fit on points {\n"
                              "  optimizer = adam(lr = 0.05)\n"
                              "  steps = 400\n"
                              "}\n"
                              "report error = abs(learned(q, p) - e) on points\n"
                              "expect max(error) < 0.1\n";

static hnnc_model *open_with(const char *text, hnnc_options o) {
  if (!o.cache_dir) o.cache_dir = "";
  o.threads = 1;
  return hnnc_open_text("test.hnn", text, strlen(text), &o);
}

static hnnc_model *open_it(const char *text) { return open_with(text, (hnnc_options)HNNC_OPTIONS); }

static void say(hnnc_model *m) {
  if (hnnc_state(m) != HNNC_OK) printf("%s\n", hnnc_messages_text(m, false));
}

/* ---- what is open ------------------------------------------------------------------------------------------ */

static size_t function_number(hnnc_model *m, const char *name, const hnnc_function **f) {
  const size_t n = hnnc_functions(m, f);
  size_t k = 0;
  while (k < n && strcmp((*f)[k].name, name)) k++;
  CU_ASSERT_FATAL(k < n);
  *f += k;
  return k;
}

static void test_functions(void) {
  hnnc_model *m = open_it(program);
  say(m);
  CU_ASSERT_FATAL(hnnc_state(m) == HNNC_OK);
  const hnnc_function *f;
  const size_t k = function_number(m, "H", &f);
  CU_ASSERT_STRING_EQUAL(f->kind, "hamiltonian");
  CU_ASSERT_FATAL(f->nargs == 2 && f->nresults == 1);
  CU_ASSERT_STRING_EQUAL(f->args[0].name, "q");
  CU_ASSERT(f->args[1].rank == 1 && f->args[1].dim[0] == 2 && f->args[1].elems == 2 && f->results[0].rank == 0);
  CU_ASSERT(f->at.line == 2);
  double q[6] = {1, 2, 3, 4, 5, 6}, p[6] = {0, 1, 0, 1, 0, 1}, h[3] = {0};
  const double *args[] = {q, p};
  double *results[] = {h};
  CU_ASSERT(hnnc_call(m, k, 3, args, results) == HNNC_OK);
  for (int i = 0; i < 3; i++) CU_ASSERT_DOUBLE_EQUAL(h[i], (q[2 * i] * q[2 * i] + q[2 * i + 1] * q[2 * i + 1] + 1) / 2, 1e-12);
  CU_ASSERT(hnnc_call(m, k, 1, args, results) == HNNC_OK && fabs(h[0] - 3) < 1e-12);
  CU_ASSERT(hnnc_call(m, 1000, 1, args, results) == HNNC_USAGE);
  CU_ASSERT(hnnc_call(m, k, 0, args, results) == HNNC_USAGE);
  CU_ASSERT(hnnc_compile(m) == HNNC_OK);
  hnnc_close(m);
}

static void test_params(void) {
  hnnc_model *m = open_it(program);
  const hnnc_param *list;
  const hnnc_function *f;
  CU_ASSERT_FATAL(hnnc_params(m, &list) == 1);
  CU_ASSERT_STRING_EQUAL(list[0].path, "energy/w");
  CU_ASSERT(list[0].rank == 1 && list[0].elems == 3);
  double w[3] = {2, 3, 5}, got[3], q[] = {1}, p[] = {10}, e[1];
  CU_ASSERT(hnnc_set_param(m, 0, w, 3) == HNNC_OK && hnnc_get_param(m, 0, got, 3) == HNNC_OK && !memcmp(w, got, sizeof w));
  CU_ASSERT(hnnc_set_param(m, 1, w, 3) == HNNC_USAGE && hnnc_set_param(m, 0, w, 2) == HNNC_USAGE);
  const size_t k = function_number(m, "learned", &f);
  const double *args[] = {q, p};
  double *results[] = {e};
  CU_ASSERT(hnnc_call(m, k, 1, args, results) == HNNC_OK && e[0] == 307);
  w[2] = 6;
  CU_ASSERT(hnnc_set_param(m, 0, w, 3) == HNNC_OK && hnnc_call(m, k, 1, args, results) == HNNC_OK && e[0] == 308);
  hnnc_close(m);
}

/* ---- errors as data --------------------------------------------------------------------------------------------- */

static const char mistaken[] = "precision f64\n"
                               "fn f(x: real[3]) -> real = x @ x\n"
                               "let = 3\n"
                               "fn g(x: real[2]) = f(x) + undefined\n"
                               "symplectic flow kick(q: real, p: real) { p += sin(q) }\n"
                               "report a = g([1, 2])\n"
                               "report b = f([1, 2, 3])\n";

static const hnnc_node *find_node(const hnnc_node *node, size_t n, const char *kind, const char *name) {
  for (size_t k = 0; k < n; k++)
    if (!strcmp(node[k].kind, kind) && node[k].name && !strcmp(node[k].name, name)) return &node[k];
  return NULL;
}

static void test_messages(void) {
  hnnc_model *m = open_it(mistaken);
  const hnnc_message *said, *mismatch = NULL;
  CU_ASSERT(hnnc_state(m) == HNNC_ERRORS);
  const size_t n = hnnc_messages(m, &said);
  CU_ASSERT(n >= 2);
  for (size_t k = 0; k < n; k++) {
    CU_ASSERT(said[k].error && said[k].at.file && !strcmp(said[k].at.file, "test.hnn") && said[k].at.end >= said[k].at.begin);
    if (said[k].at.line == 4 && said[k].nlabels + said[k].nhelps) mismatch = &said[k];
  }
  CU_ASSERT(mismatch != NULL);
  CU_ASSERT(strstr(hnnc_messages_text(m, false), "--> test.hnn:3:") != NULL);
  CU_ASSERT(strstr(hnnc_messages_text(m, true), "\33[") != NULL);
  const hnnc_function *f;
  const hnnc_param *p;
  double x[3];
  CU_ASSERT(hnnc_functions(m, &f) == 0 && hnnc_params(m, &p) == 0 && hnnc_get_param(m, 0, x, 3) == HNNC_USAGE);
  CU_ASSERT(hnnc_run(m, NULL) == HNNC_USAGE && hnnc_compile(m) == HNNC_USAGE);
  hnnc_forget_messages(m);
  CU_ASSERT(hnnc_messages(m, &said) == 0);
  hnnc_close(m);
}

static void test_tree(void) {
  hnnc_options o = HNNC_OPTIONS;
  o.tree = true;
  for (int errors = 0; errors < 2; errors++) {
    const char *text = errors ? mistaken : program;
    hnnc_model *m = open_with(text, o);
    const hnnc_node *node;
    const size_t n = hnnc_tree(m, &node);
    CU_ASSERT_FATAL(n > 20);
    for (size_t k = 0; k < n; k++) {
      CU_ASSERT(node[k].parent < (int32_t)k && node[k].at.end <= strlen(text));
      if (node[k].parent >= 0) CU_ASSERT(node[node[k].parent].at.file == node[k].at.file);
    }
    const hnnc_node *def = find_node(node, n, errors ? "fn" : "hamiltonian", errors ? "f" : "H");
    CU_ASSERT_FATAL(def != NULL);
    CU_ASSERT(def->parent == -1 && def->name_at.line == 2);
    const hnnc_node *use = find_node(node, n, "name", errors ? "x" : "q");
    CU_ASSERT_FATAL(use && use->type);
    CU_ASSERT_STRING_EQUAL(use->type, errors ? "real[3]" : "real[2]");
    const hnnc_node *argument = find_node(node, n, "argument", errors ? "x" : "q");
    CU_ASSERT(argument && argument->type);
    const hnnc_claim *claim;
    const size_t nclaims = hnnc_claims(m, &claim);
    if (!errors) CU_ASSERT(nclaims == 0);
    hnnc_close(m);
  }
  hnnc_model *m = open_with("symplectic flow kick(q: real, p: real) { p += sin(q) }\nprove (a: real) a + a == 3 * a\n", o);
  const hnnc_claim *claim;
  CU_ASSERT_FATAL(hnnc_claims(m, &claim) == 2);
  const int stated = claim[0].stated ? 0 : 1;
  CU_ASSERT(claim[stated].stated && claim[stated].answer == HNNC_REFUTED && *claim[stated].detail);
  CU_ASSERT(!claim[1 - stated].stated && claim[1 - stated].answer == HNNC_PROVED);
  hnnc_close(m);
}

/* ---- imports from memory ------------------------------------------------------------------------------------------------ */

static bool import_text(void *ctx, const char *path, const char **text, size_t *len) {
  static const char other[] = "fn twice(x: real) = 2 * x\n";
  ++*(int *)ctx;
  if (strcmp(path, "folder/other.hnn")) return false;
  *text = other, *len = strlen(other);
  return true;
}

static void test_import(void) {
  int asked = 0;
  hnnc_options o = HNNC_OPTIONS;
  o.import_text = import_text, o.ctx = &asked, o.cache_dir = "";
  const char *text = "import \"other\"\nimport \"std/nets\"\nreport r = twice(4)\nexpect r == 8\n";
  hnnc_model *m = hnnc_open_text("folder/main.hnn", text, strlen(text), &o);
  say(m);
  CU_ASSERT(hnnc_state(m) == HNNC_OK && asked > 1 && hnnc_run(m, NULL) == HNNC_OK);
  hnnc_close(m);
  text = "import \"missing\"\n";
  m = hnnc_open_text("folder/main.hnn", text, strlen(text), &o);
  CU_ASSERT(hnnc_state(m) == HNNC_ERRORS);
  hnnc_close(m);
  m = hnnc_open("no/such/file.hnn", &o);
  CU_ASSERT(hnnc_state(m) == HNNC_IO && strstr(hnnc_messages_text(m, false), "no/such/file.hnn") != NULL);
  hnnc_close(m);
}

/* ---- runs ------------------------------------------------------------------------------------------------------------------ */

typedef struct Heard {
  int calls;
  int64_t last, stop_at;
} Heard;

static bool on_progress(void *ctx, const hnnc_progress *p) {
  Heard *h = ctx;
  h->calls++;
  CU_ASSERT(!strcmp(p->loss, "fit") && p->steps == 400 && p->step > h->last && isfinite(p->value));
  h->last = p->step;
  return !h->stop_at || p->step < h->stop_at;
}

static void test_run(void) {
  hnnc_model *m = open_it(program);
  Heard heard = {0};
  hnnc_run_options o = HNNC_RUN_OPTIONS;
  const hnnc_report *report;
  const hnnc_expect *expect;
  o.progress = on_progress, o.ctx = &heard;
  CU_ASSERT(hnnc_reports(m, &report) == 0);
  CU_ASSERT(hnnc_run(m, &o) == HNNC_OK);
  CU_ASSERT(heard.calls > 5 && heard.last == 400);
  CU_ASSERT_FATAL(hnnc_reports(m, &report) == 1 && hnnc_expects(m, &expect) == 1);
  CU_ASSERT(!strcmp(report[0].name, "error") && report[0].n == 64 && report[0].max < 0.1 && expect[0].holds);
  double w[3];
  CU_ASSERT(hnnc_get_param(m, 0, w, 3) == HNNC_OK && fabs(w[0] - 1) < 0.1 && fabs(w[1] - 2) < 0.1 && fabs(w[2] - 3) < 0.1);
  hnnc_close(m);
  m = open_it(program);
  heard = (Heard){.stop_at = 100};
  CU_ASSERT(hnnc_run(m, &o) == HNNC_STOPPED && heard.last < 400);
  CU_ASSERT(hnnc_reports(m, &report) == 0);
  heard = (Heard){0};
  CU_ASSERT(hnnc_run(m, &o) == HNNC_OK && hnnc_reports(m, &report) == 1);
  hnnc_close(m);
}

static void test_numbers(void) {
  hnnc_model *m =
      open_it("data d {\n  let x = normal(0, 1)\n  yield x\n}\nuse s = d(count = 4, seed = 0)\nreport r = log(0 * x - 1) on s\n");
  const hnnc_message *said;
  CU_ASSERT(hnnc_run(m, NULL) == HNNC_NUMBERS);
  CU_ASSERT_FATAL(hnnc_messages(m, &said) >= 1);
  CU_ASSERT_STRING_EQUAL(said[0].code, "not_finite");
  hnnc_close(m);
  m = open_it("report r = 2\nexpect r == 3\n");
  CU_ASSERT(hnnc_run(m, NULL) == HNNC_NUMBERS);
  hnnc_close(m);
}

/* ---- many, together, and out of memory ------------------------------------------------------------------------------------- */

static void test_many(void) {
  for (int k = 0; k < OFTEN(1000); k++) {
    hnnc_model *m = open_it(k % 2 ? mistaken : program);
    CU_ASSERT(hnnc_state(m) == (k % 2 ? HNNC_ERRORS : HNNC_OK));
    hnnc_close(m);
  }
}

static void *use_one(void *arg) {
  int *bad = arg;
  for (int k = 0; k < 3; k++) {
    hnnc_model *m = open_it(program);
    double w[3] = {0};
    *bad += hnnc_run(m, NULL) != HNNC_OK || hnnc_get_param(m, 0, w, 3) != HNNC_OK || fabs(w[1] - 2) > 0.1;
    hnnc_close(m);
  }
  return NULL;
}

static void test_threads(void) {
  pthread_t thread[2];
  int bad[2] = {0};
  for (int k = 0; k < 2; k++) CU_ASSERT_FATAL(pthread_create(&thread[k], NULL, use_one, &bad[k]) == 0);
  for (int k = 0; k < 2; k++) pthread_join(thread[k], NULL);
  CU_ASSERT(bad[0] == 0 && bad[1] == 0);
}

/* A limit anywhere gives a fault that can be closed; from some limit on there is none. */
static void test_faults(void) {
  int faults = 0, whole = 0;
  for (size_t memory = 1 << 10; memory < (size_t)64 << 20; memory += memory / (SANITIZED ? 4 : 16)) {
    hnnc_options o = HNNC_OPTIONS;
    o.memory = memory;
    hnnc_model *m = open_with(program, o);
    const hnnc_message *said;
    CU_ASSERT_FATAL(m != NULL);
    const hnnc_status state = hnnc_state(m) == HNNC_OK ? hnnc_run(m, NULL) : hnnc_state(m);
    CU_ASSERT(state == HNNC_OK || state == HNNC_FAULT);
    if (state == HNNC_FAULT) {
      faults++;
      CU_ASSERT(hnnc_messages(m, &said) >= 1 && !strcmp(said[0].code, "internal") && strstr(said[0].text, "memory"));
      CU_ASSERT(hnnc_compile(m) == HNNC_FAULT || hnnc_state(m) == HNNC_FAULT);
    }
    whole += state == HNNC_OK;
    hnnc_close(m);
  }
  CU_ASSERT(faults > 5 && whole > 0);
}

static void test_usage(void) {
  const hnnc_param *p;
  CU_ASSERT(hnnc_state(NULL) == HNNC_USAGE && hnnc_run(NULL, NULL) == HNNC_USAGE && hnnc_params(NULL, &p) == 0);
  hnnc_close(NULL);
  CU_ASSERT(*hnnc_version() != 0);
  hnnc_model *m = hnnc_open_text("empty", NULL, 0, NULL);
  CU_ASSERT(hnnc_state(m) == HNNC_OK && hnnc_run(m, NULL) == HNNC_OK);
  hnnc_close(m);
}

const Suite suite = {"library", (CU_TestInfo[]){{"functions", test_functions},
                                                {"params", test_params},
                                                {"messages", test_messages},
                                                {"tree", test_tree},
                                                {"import", test_import},
                                                {"run", test_run},
                                                {"numbers", test_numbers},
                                                {"many", test_many},
                                                {"threads", test_threads},
                                                {"faults", test_faults},
                                                {"usage", test_usage},
                                                CU_TEST_INFO_NULL}};
