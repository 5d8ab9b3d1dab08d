/* libhnnc by its header alone, as a user has it: hnnc.h, and libhnnc.so. */
#include "hnnc.h"
#include "runtime/library/model.h"
#include "tests/common/cunit_main.h"
#include "tests/common/often.h"

#include <dlfcn.h>
#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

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

static size_t kind_number(hnnc_model *m, const char *name, const char *kind) {
  const hnnc_function *f;
  size_t n = hnnc_functions(m, &f), k = 0;
  while (k < n && (strcmp(f[k].name, name) || strcmp(f[k].kind, kind))) k++;
  CU_ASSERT_FATAL(k < n);
  return k;
}

/* Losses, gradients by parameters and products with Jacobians are functions as others; parameters are those of runs. */
static void test_derivatives(void) {
  hnnc_model *m = open_it(program);
  double w[3] = {2, 3, 5}, q[2] = {1, 2}, p[2] = {10, -1}, e[2] = {0, 1}, loss[1], other[1], gradient[3], bar[2][2];
  CU_ASSERT_FATAL(hnnc_set_param(m, 0, w, 3) == HNNC_OK && !hnnc_single(m));
  const size_t value = kind_number(m, "fit", "loss"), slope = kind_number(m, "fit", "gradient");
  const hnnc_array in[] = {{q, 0}, {p, 0}, {e, 0}};
  CU_ASSERT(hnnc_call_arrays(m, value, 2, 0, in, &(hnnc_array){other, 0}) == HNNC_OK);
  CU_ASSERT(hnnc_call_arrays(m, slope, 2, 0, in, (hnnc_array[]){{loss, 0}, {gradient, 0}}) == HNNC_OK);
  const double r[2] = {307 - 0, 8 + 3 + 5 - 1};
  CU_ASSERT_DOUBLE_EQUAL(loss[0], (r[0] * r[0] + r[1] * r[1]) / 2, 1e-9);
  CU_ASSERT_DOUBLE_EQUAL(loss[0], other[0], 1e-9);
  CU_ASSERT_DOUBLE_EQUAL(gradient[0], r[0] * 1 + r[1] * 4, 1e-9);
  CU_ASSERT_DOUBLE_EQUAL(gradient[2], r[0] + r[1], 1e-9);
  size_t vjp, again, hvp, twice;
  const size_t net = kind_number(m, "learned", "net");
  CU_ASSERT_FATAL(hnnc_derive(m, HNNC_VJP, net, &vjp) == HNNC_OK && hnnc_derive(m, HNNC_VJP, net, &again) == HNNC_OK &&
                  vjp == again);
  CU_ASSERT_FATAL(hnnc_derive(m, HNNC_HVP, net, &hvp) == HNNC_OK && hnnc_derive(m, HNNC_VJP, vjp, &twice) == HNNC_OK);
  CU_ASSERT(hnnc_derive(m, HNNC_VJP, slope, &again) == HNNC_USAGE && hnnc_derive(m, HNNC_HVP, vjp, &again) == HNNC_USAGE);
  CU_ASSERT(hnnc_derive(m, HNNC_VJP, 1000, &again) == HNNC_USAGE);
  const hnnc_function *f;
  CU_ASSERT_FATAL(hnnc_functions(m, &f) > twice);
  CU_ASSERT(!strcmp(f[vjp].name, "learned_vjp") && f[vjp].nargs == 3 && f[vjp].nresults == 3 && !f[vjp].results[2].per_sample);
  CU_ASSERT(f[twice].nargs == 5 && f[twice].nresults == 4);
  const hnnc_array out[] = {{bar[0], 0}, {bar[1], 0}, {gradient, 0}};
  CU_ASSERT(hnnc_call_arrays(m, vjp, 2, 0, (hnnc_array[]){{q, 0}, {p, 0}, {(void *)(uintptr_t)r, 0}}, out) == HNNC_OK);
  CU_ASSERT_DOUBLE_EQUAL(bar[0][1], r[1] * 2 * 2 * 2, 1e-9);
  CU_ASSERT_DOUBLE_EQUAL(gradient[1], r[0] * 100 + r[1], 1e-9);
  CU_ASSERT(hnnc_call_arrays(m, hvp, 2, 0, (hnnc_array[]){{q, 0}, {p, 0}, {q, 2}, {p, 2}}, out) == HNNC_OK && bar[0][1] == 8 &&
            bar[1][0] == 60);
  CU_ASSERT(hnnc_call_arrays(m, net, 2, 0, in, &(hnnc_array){NULL, 0}) == HNNC_USAGE);
  CU_ASSERT(hnnc_call_arrays(m, net, 0, 0, NULL, NULL) == HNNC_OK && hnnc_state(m) == HNNC_OK);
  CU_ASSERT(hnnc_run(m, NULL) == HNNC_OK && hnnc_call_arrays(m, value, 2, 0, in, &(hnnc_array){other, 0}) == HNNC_OK);
  CU_ASSERT(other[0] != loss[0]);
  CU_ASSERT(hnnc_compile(m) == HNNC_OK);
  size_t both;
  CU_ASSERT_FATAL(hnnc_derive(m, HNNC_GRAD, net, &both) == HNNC_OK && hnnc_derive(m, HNNC_GRAD, vjp, &again) == HNNC_USAGE);
  const hnnc_array with[] = {{loss, 0}, {bar[0], 0}, {bar[1], 0}};
  CU_ASSERT(hnnc_set_param(m, 0, w, 3) == HNNC_OK && hnnc_call_arrays(m, both, 1, 0, in, with) == HNNC_OK);
  CU_ASSERT(loss[0] == 307 && bar[0][0] == 4 && bar[1][0] == 60);
  hnnc_close(m);
}

static bool has_file(const char *dir, const char *name) {
  char path[300];
  snprintf(path, sizeof path, "%s/%s", dir, name);
  return access(path, R_OK) == 0 && unlink(path) == 0;
}

/* As ONNX: functions, losses and products by their numbers, in one file or each in its own. */
static void test_onnx(void) {
  hnnc_model *m = open_it(program);
  char dir[] = "/tmp/hnnc-test-XXXXXX", path[64];
  CU_ASSERT_FATAL(mkdtemp(dir) != NULL);
  snprintf(path, sizeof path, "%s/two", dir);
  size_t two[] = {kind_number(m, "learned", "net"), kind_number(m, "fit", "loss"), 0};
  CU_ASSERT_FATAL(hnnc_derive(m, HNNC_VJP, two[0], &two[2]) == HNNC_OK);
  CU_ASSERT(hnnc_export_onnx(m, path, two, 3) == HNNC_OK && has_file(dir, "two.onnx"));
  two[1] = kind_number(m, "fit", "gradient");
  CU_ASSERT(hnnc_export_onnx(m, path, two, 3) == HNNC_OK && has_file(dir, "two.onnx"));
  CU_ASSERT(hnnc_export_onnx(m, path, (size_t[]){1000}, 1) == HNNC_USAGE);
  CU_ASSERT(hnnc_export_onnx(m, NULL, two, 1) == HNNC_USAGE && hnnc_export_onnx(m, path, NULL, 1) == HNNC_USAGE);
  CU_ASSERT(hnnc_export_onnx(m, "/dev/null/x", two, 1) == HNNC_IO && hnnc_messages(m, NULL) == 1);
  CU_ASSERT(!has_file(dir, "two.onnx") && hnnc_export_onnx(m, dir, NULL, 0) == HNNC_OK);
  CU_ASSERT(has_file(dir, "test.H.onnx") && has_file(dir, "test.learned.onnx"));
  CU_ASSERT(has_file(dir, "test.error.onnx") && has_file(dir, "test.energy.onnx") && has_file(dir, "test.loss_fit.onnx") &&
            has_file(dir, "test.gradient_fit.onnx") && rmdir(dir) == 0);
  hnnc_close(m);
}

/* As a library, with the parameters as they are. */
static void test_shared(void) {
  hnnc_model *m = open_it(program);
  char dir[] = "/tmp/hnnc-test-XXXXXX", path[64];
  double w[3] = {2, 3, 5};
  CU_ASSERT_FATAL(mkdtemp(dir) != NULL);
  snprintf(path, sizeof path, "%s/model", dir);
  CU_ASSERT(hnnc_set_param(m, 0, w, 3) == HNNC_OK && hnnc_export_library(m, path) == HNNC_OK);
  snprintf(path, sizeof path, "%s/model.so", dir);
  void *so = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  CU_ASSERT_PTR_NOT_NULL_FATAL(so);
  const hnn_library *l = dlsym(so, "hnn_library_1");
  CU_ASSERT_FATAL(l && l->abi == HNN_ABI && l->f64);
  hnn_model *made = l->create();
  CU_ASSERT_FATAL(made != NULL);
  CU_ASSERT(!memcmp(l->param(made, 0), w, sizeof w));
  l->destroy(made);
  dlclose(so);
  CU_ASSERT(hnnc_export_library(m, NULL) == HNNC_USAGE && hnnc_export_library(m, "/dev/null/x") == HNNC_IO);
  CU_ASSERT(has_file(dir, "model.so") && has_file(dir, "model.h") && rmdir(dir) == 0);
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
      if (node[k].parent < 0) continue;
      const hnnc_place *in = &node[node[k].parent].at;
      CU_ASSERT(in->file == node[k].at.file && in->begin <= node[k].at.begin && node[k].at.end <= in->end);
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

/* A text that imports another, that imports another, ... */
static bool import_for_ever(void *ctx, const char *path, const char **text, size_t *len) {
  static char made[64];
  (void)path;
  *len = (size_t)snprintf(made, sizeof made, "import \"x%d\"\n", ++*(int *)ctx);
  *text = made;
  return true;
}

/* Has each file once, and claims afterwards that there is none. */
static bool import_once(void *ctx, const char *path, const char **text, size_t *len) {
  int *asked = ctx;
  char here[] = "fn twice(x: real) = 2 * x\n";
  static char gone[sizeof here];
  (void)path;
  if (++*asked > 1) return memset(gone, '?', sizeof gone), false;
  *text = memcpy(gone, here, sizeof here), *len = strlen(here);
  return true;
}

static bool import_nothing(void *ctx, const char *path, const char **text, size_t *len) {
  (void)ctx, (void)path, (void)text, (void)len;
  return true;
}

static void test_import_odd(void) {
  static const struct {
    bool (*f)(void *ctx, const char *path, const char **text, size_t *len);
    hnnc_status state;
    const char *said;
  } row[] = {
    {import_for_ever, HNNC_ERRORS, "more than 1000 files"},
    {import_once, HNNC_OK, ""},
    {import_nothing, HNNC_ERRORS, "there is no file"},
  };
  for (size_t k = 0; k < sizeof row / sizeof *row; k++) {
    int asked = 0;
    hnnc_options o = HNNC_OPTIONS;
    o.import_text = row[k].f, o.ctx = &asked;
    hnnc_model *m = open_with("import \"a\"\nreport r = twice(1)\nimport \"a\"\n", o);
    CU_ASSERT(hnnc_state(m) == row[k].state && strstr(hnnc_messages_text(m, false), row[k].said));
    CU_ASSERT(row[k].f != import_once || asked == 1);
    hnnc_close(m);
  }
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

static void test_reports_of_tensors(void) {
  const hnnc_report *r = NULL;
  hnnc_model *m = open_it("precision f64\ndata d { yield k = index }\nuse s = d(count = 5)\n"
                          "report all = [[k, 2*k], [k, 1], [0, -k]] on s\nreport one = k on s\nreport fixed = all[0]\n");
  CU_ASSERT_FATAL(hnnc_run(m, NULL) == HNNC_OK && hnnc_reports(m, &r) == 3);
  CU_ASSERT(r[0].rank == 2 && r[0].dim[0] == 3 && r[0].dim[1] == 2 && r[0].elems == 6 && r[0].n == 5);
  const double mean[] = {2, 4, 2, 1, 0, -2}, max[] = {4, 8, 4, 1, 0, 0}, min[] = {0, 0, 0, 1, 0, -4};
  for (int e = 0; e < 6; e++) CU_ASSERT(r[0].means[e] == mean[e] && r[0].maxs[e] == max[e] && r[0].mins[e] == min[e]);
  CU_ASSERT(fabs(r[0].sds[1] - sqrt(10)) < 1e-14 && r[0].sds[3] == 0 && r[0].mean == 2);
  CU_ASSERT(r[1].rank == 0 && r[1].elems == 1 && r[1].means[0] == r[1].mean && r[1].sds[0] == r[1].sd);
  CU_ASSERT(r[2].rank == 1 && r[2].dim[0] == 2 && r[2].means[0] == 2 && r[2].means[1] == 4 && r[2].n == 1);
  hnnc_close(m);
}

/* From inside of a run, its model can be asked nothing, and cannot be closed; another one can. */
static bool use_inside(void *ctx, const hnnc_progress *p) {
  hnnc_model *m = *(hnnc_model **)ctx;
  const hnnc_param *param;
  const hnnc_message *said;
  double w[3];
  (void)p;
  hnnc_close(m);
  CU_ASSERT(hnnc_run(m, NULL) == HNNC_USAGE && hnnc_compile(m) == HNNC_USAGE && hnnc_state(m) == HNNC_OK);
  CU_ASSERT(hnnc_params(m, &param) == 0 && hnnc_get_param(m, 0, w, 3) == HNNC_USAGE && hnnc_set_param(m, 0, w, 3) == HNNC_USAGE);
  CU_ASSERT(hnnc_messages(m, &said) == 0 && !*hnnc_messages_text(m, false));
  hnnc_model *other = open_it("report r = 2\n");
  CU_ASSERT(hnnc_run(other, NULL) == HNNC_OK);
  hnnc_close(other);
  return false;
}

static void test_inside(void) {
  hnnc_model *m = open_it(program);
  hnnc_run_options o = HNNC_RUN_OPTIONS;
  o.progress = use_inside, o.ctx = &m;
  CU_ASSERT(hnnc_run(m, &o) == HNNC_STOPPED);
  CU_ASSERT(hnnc_run(m, NULL) == HNNC_OK);
  hnnc_close(m);
}

static void *stop_later(void *arg) {
  hnnc_stop(arg);
  return NULL;
}

/* Whenever it is asked for, one run stops, and only one. */
static void test_stop(void) {
  hnnc_options o = HNNC_OPTIONS;
  const char *forever = "train.steps=1000000000";
  hnnc_model *m = open_it(program);
  hnnc_stop(m);
  CU_ASSERT(hnnc_run(m, NULL) == HNNC_STOPPED && hnnc_run(m, NULL) == HNNC_OK);
  hnnc_close(m);
  o.overrides = &forever, o.noverrides = 1;
  m = open_with(program, o);
  for (int k = 0; k < OFTEN(100); k++) {
    pthread_t thread;
    CU_ASSERT_FATAL(pthread_create(&thread, NULL, stop_later, m) == 0);
    for (volatile int wait = 0; wait < k * 5000; wait++) {}
    CU_ASSERT(hnnc_run(m, NULL) == HNNC_STOPPED);
    pthread_join(thread, NULL);
  }
  hnnc_close(m);
}

/* What a run compiles goes with it. */
static void test_again(void) {
  hnnc_options o = HNNC_OPTIONS;
  const char *few = "train.steps=2";
  double x[4] = {1, 2, 3, 4}, h[1];
  o.memory = 2 << 20, o.overrides = &few, o.noverrides = 1;
  hnnc_model *m = open_with(program, o);
  const size_t k = function_number(m, "H", &(const hnnc_function *){0});
  for (int n = 0; n < OFTEN(100); n++) {
    const hnnc_status state = hnnc_run(m, NULL); /* each begins where the one before ended */
    CU_ASSERT_FATAL(state == HNNC_NUMBERS || state == HNNC_OK);
    CU_ASSERT(hnnc_call(m, k, 1, (const double *const[]){x, x + 2}, (double *const[]){h}) == HNNC_OK && h[0] == 15);
  }
  hnnc_close(m);
}

static void test_directory(void) {
  char folder[] = "/tmp/hnnc_library_XXXXXX", path[64];
  CU_ASSERT_FATAL(mkdtemp(folder) != NULL);
  hnnc_model *m = open_it("report r = 2\n");
  hnnc_run_options o = HNNC_RUN_OPTIONS;
  o.dir = path;
  for (int k = 0; k < 2; k++) {
    snprintf(path, sizeof path, "%s/run%d", folder, k);
    CU_ASSERT(hnnc_run(m, &o) == HNNC_OK);
  }
  const hnnc_report *report;
  CU_ASSERT(hnnc_run(m, &o) == HNNC_OK && hnnc_reports(m, &report) == 1);
  strcat(path, "/earlier"); /* where the one before went */
  CU_ASSERT(access(path, R_OK) == 0);
  o.dir = folder; /* has files, and no run */
  CU_ASSERT(hnnc_run(m, &o) == HNNC_IO && strstr(hnnc_messages_text(m, false), folder));
  CU_ASSERT(hnnc_reports(m, &report) == 0 && hnnc_state(m) == HNNC_OK);
  o.dir = "/dev/null/run";
  CU_ASSERT(hnnc_run(m, &o) == HNNC_IO && hnnc_run(m, NULL) == HNNC_OK && hnnc_reports(m, &report) == 1);
  hnnc_close(m);
  snprintf(path, sizeof path, "rm -r %s", folder);
  CU_ASSERT(system(path) == 0);
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

/* A process that was forked has a model, but not its threads. */
static void test_fork(void) {
  hnnc_options o = HNNC_OPTIONS;
  o.threads = 4, o.cache_dir = "";
  hnnc_model *m = hnnc_open_text("test.hnn", program, strlen(program), &o);
  CU_ASSERT(hnnc_run(m, NULL) == HNNC_OK);
  fflush(stdout);
  const pid_t child = fork();
  CU_ASSERT_FATAL(child >= 0);
  if (!child) {
    alarm(100);
    hnnc_close(m);
    m = open_it(program);
    _exit(SANITIZED ? hnnc_state(m) : hnnc_run(m, NULL)); /* ThreadSanitizer wants no new threads here */
  }
  int status = -1;
  CU_ASSERT(waitpid(child, &status, 0) == child && status == 0);
  CU_ASSERT(hnnc_run(m, NULL) == HNNC_OK);
  hnnc_close(m);
}

static bool see_comma(void *ctx, const hnnc_progress *p) {
  char text[32];
  (void)p;
  snprintf(text, sizeof text, "%.1f", 0.5);
  *(bool *)ctx = !strcmp(text, "0,5");
  return false;
}

/* Where the caller writes 0,5, the library reads and writes 0.5, and leaves the caller what it has. */
static void test_locale(void) {
  char folder[] = "/tmp/hnnc_locale_XXXXXX", command[160];
  CU_ASSERT_FATAL(mkdtemp(folder) != NULL);
  snprintf(command, sizeof command, "localedef -c -i de_DE -f UTF-8 %s/de_DE.UTF-8 2>/dev/null", folder);
  const bool made = system(command) == 0 && setenv("LOCPATH", folder, 1) == 0 && setlocale(LC_ALL, "de_DE.UTF-8");
  if (!made) printf("(no localedef: nothing is tested) ");
  const hnnc_report *report;
  bool comma = false;
  hnnc_run_options o = HNNC_RUN_OPTIONS;
  hnnc_model *m = open_it("report r = 2.5 + 1.25e-2\nexpect r == 3.5\n");
  CU_ASSERT(hnnc_run(m, NULL) == HNNC_NUMBERS && hnnc_reports(m, &report) == 1 && report[0].mean == 2.5125);
  hnnc_close(m);
  o.progress = see_comma, o.ctx = &comma;
  m = open_it(program);
  CU_ASSERT(hnnc_run(m, &o) == HNNC_STOPPED && comma == made);
  hnnc_close(m);
  see_comma(&comma, NULL);
  CU_ASSERT(comma == made);
  setlocale(LC_ALL, "C");
  snprintf(command, sizeof command, "rm -r %s", folder);
  CU_ASSERT(system(command) == 0);
}

/* What makes no sense is said, and nothing is done. */
static void refused(hnnc_model *m, const char *said) {
  const hnnc_message *message;
  CU_ASSERT_FATAL(m != NULL);
  CU_ASSERT(hnnc_state(m) == HNNC_USAGE && hnnc_run(m, NULL) == HNNC_USAGE && hnnc_functions(m, NULL) == 0);
  CU_ASSERT(hnnc_messages(m, &message) == 1 && strstr(message[0].text, said) && !message[0].at.file);
  CU_ASSERT(strstr(hnnc_messages_text(m, false), said) != NULL);
  hnnc_close(m);
}

static void test_options(void) {
  struct {
    hnnc_options o;
    char more[64];
  } newer = {HNNC_OPTIONS, {0}};
  const char *hole[] = {"n=1", NULL};
  hnnc_options o = HNNC_OPTIONS;
  o.cpu = "x86-63";
  refused(open_with(program, o), "x86-63");
  o = (hnnc_options)HNNC_OPTIONS, o.noverrides = 2;
  refused(open_with(program, o), "overrides");
  o.overrides = hole;
  refused(open_with(program, o), "overrides");
  o = (hnnc_options)HNNC_OPTIONS, o.threads = -1;
  refused(hnnc_open_text("test.hnn", program, strlen(program), &o), "threads");
  for (size_t size = 0; size < sizeof o; size++) {
    o = (hnnc_options)HNNC_OPTIONS, o.size = size;
    refused(open_with(program, o), "HNNC_OPTIONS");
  }
  newer.o.size = sizeof newer;
  hnnc_model *m = hnnc_open_text("test.hnn", "", 0, &newer.o);
  CU_ASSERT(hnnc_state(m) == HNNC_OK);
  hnnc_close(m);
  newer.more[5] = 1;
  refused(hnnc_open_text("test.hnn", "", 0, &newer.o), "HNNC_OPTIONS");
  refused(hnnc_open_text("test.hnn", program, (size_t)1 << 40, NULL), "bytes");
  refused(hnnc_open(NULL, NULL), "name");
  refused(hnnc_open_text(NULL, "", 0, NULL), "name");
  m = open_it(program);
  hnnc_run_options run = HNNC_RUN_OPTIONS;
  run.size = 8;
  CU_ASSERT(hnnc_run(m, &run) == HNNC_USAGE);
  hnnc_close(m);
  m = hnnc_open("-", NULL); /* a file of this name, not the standard input */
  CU_ASSERT(hnnc_state(m) == HNNC_IO);
  hnnc_close(m);
}

static void test_null(void) {
  double x[4] = {1, 2, 3, 4};
  const double *args[2] = {x, NULL};
  double *results[1] = {NULL};
  hnnc_model *m = open_it(program);
  const size_t k = function_number(m, "H", &(const hnnc_function *){0});
  CU_ASSERT(hnnc_functions(m, NULL) > 0 && hnnc_params(m, NULL) == 1 && hnnc_messages(m, NULL) == 0);
  CU_ASSERT(hnnc_tree(m, NULL) == 0 && hnnc_claims(m, NULL) == 0 && hnnc_left_out(m, NULL) == 0 && hnnc_reports(m, NULL) == 0 &&
            hnnc_expects(m, NULL) == 0);
  CU_ASSERT(hnnc_call(m, k, 1, NULL, NULL) == HNNC_USAGE && hnnc_call(m, k, 1, args, results) == HNNC_USAGE);
  args[1] = x + 2;
  CU_ASSERT(hnnc_call(m, k, 1, args, NULL) == HNNC_USAGE && hnnc_call(m, k, 1, args, results) == HNNC_USAGE);
  results[0] = x;
  CU_ASSERT(hnnc_call(m, k, 1, args, results) == HNNC_OK && x[0] == 15);
  CU_ASSERT(hnnc_get_param(m, 0, NULL, 3) == HNNC_USAGE && hnnc_set_param(m, 0, NULL, 3) == HNNC_USAGE);
  hnnc_close(m);
  hnnc_stop(NULL);
  hnnc_forget_messages(NULL);
  CU_ASSERT(hnnc_messages(NULL, NULL) == 0 && !*hnnc_messages_text(NULL, false) && hnnc_tree(NULL, NULL) == 0);
  CU_ASSERT(hnnc_call(NULL, 0, 1, args, results) == HNNC_USAGE && hnnc_get_param(NULL, 0, x, 1) == HNNC_USAGE);
}

/* A run is opened again with its parameters; they go through files, and only into models that they fit. */
static void test_trained(void) {
  char folder[] = "/tmp/hnnc-trained-XXXXXX", dir[64], file[64], json[4096];
  CU_ASSERT_FATAL(mkdtemp(folder) != NULL);
  snprintf(dir, sizeof dir, "%s/r", folder);
  snprintf(file, sizeof file, "%s/w.safetensors", folder);
  hnnc_model *m = open_it(program), *other = open_it(program);
  hnnc_run_options o = HNNC_RUN_OPTIONS;
  const hnnc_function *f;
  double start[3], w[3], got[3], q[2] = {0.5, 2}, p[2] = {1, -1}, want[2], e[2];
  const double *args[] = {q, p};
  CU_ASSERT(hnnc_get_param(m, 0, start, 3) == HNNC_OK);
  o.dir = dir;
  CU_ASSERT_FATAL(hnnc_run(m, &o) == HNNC_OK);
  CU_ASSERT(hnnc_get_param(m, 0, w, 3) == HNNC_OK && memcmp(w, start, sizeof w) != 0);
  CU_ASSERT(hnnc_call(m, function_number(m, "learned", &f), 2, args, (double *[]){want}) == HNNC_OK);

  hnnc_options plain = HNNC_OPTIONS;
  plain.cache_dir = "";
  hnnc_model *run = hnnc_open_run(dir, &plain);
  CU_ASSERT_FATAL(hnnc_state(run) == HNNC_OK && hnnc_messages(run, NULL) == 0);
  CU_ASSERT(hnnc_get_param(run, 0, got, 3) == HNNC_OK && !memcmp(got, w, sizeof w));
  CU_ASSERT(hnnc_call(run, function_number(run, "learned", &f), 2, args, (double *[]){e}) == HNNC_OK && !memcmp(e, want, sizeof e));
  CU_ASSERT(hnnc_save_params(run, file) == HNNC_OK && hnnc_save_params(run, "/dev/null/w") == HNNC_IO);
  hnnc_close(run);

  CU_ASSERT(hnnc_load_params(other, file) == HNNC_OK);
  CU_ASSERT(hnnc_get_param(other, 0, got, 3) == HNNC_OK && !memcmp(got, w, sizeof w));
  CU_ASSERT(hnnc_set_param(other, 0, start, 3) == HNNC_OK && hnnc_load_params(other, dir) == HNNC_OK);
  CU_ASSERT(hnnc_get_param(other, 0, got, 3) == HNNC_OK && !memcmp(got, w, sizeof w));
  hnnc_model *unlike =
      open_it("net f(x: real) {\n  param w: real[2] = 1\n  return w[0]*x\n}\nuse learned = f\nreport r = learned(1)\n");
  CU_ASSERT(hnnc_load_params(unlike, dir) == HNNC_IO && strstr(hnnc_messages_text(unlike, false), "do not fit the model"));
  CU_ASSERT(hnnc_load_params(unlike, NULL) == HNNC_USAGE && hnnc_load_params(NULL, dir) == HNNC_USAGE);
  CU_ASSERT(hnnc_load_params(unlike, "/nowhere") == HNNC_IO && hnnc_save_params(unlike, NULL) == HNNC_USAGE);

  plain.seed = 3;
  hnnc_model *none = hnnc_open_run("/nowhere", NULL), *seed = hnnc_open_run(dir, &plain);
  CU_ASSERT(hnnc_state(none) == HNNC_IO && strstr(hnnc_messages_text(none, false), "/nowhere"));
  CU_ASSERT(hnnc_state(seed) == HNNC_USAGE && hnnc_functions(seed, NULL) == 0);
  const size_t n = hnnc_runs(folder, json, sizeof json);
  CU_ASSERT(n > 0 && n < sizeof json && strlen(json) == n && strstr(json, dir) && strstr(json, "\"done\"") &&
            strstr(json, "\"error\""));
  CU_ASSERT(hnnc_runs(folder, NULL, 0) == n && hnnc_runs(folder, json, n) == n && !*json);
  CU_ASSERT(hnnc_runs("/nowhere", json, sizeof json) == 0 && hnnc_runs(NULL, NULL, 0) == 0);
  const char *dirs[] = {folder, "/nowhere"};
  char page[4200], why[256];
  snprintf(page, sizeof page, "%s/page.html", folder);
  CU_ASSERT(hnnc_runs_page(dirs, 1, page, why, sizeof why) && !*why && access(page, R_OK) == 0);
  CU_ASSERT(!hnnc_runs_page(dirs, 2, "/nowhere/page.html", why, sizeof why) && strstr(why, "/nowhere"));
  CU_ASSERT(!hnnc_runs_page(NULL, 1, page, NULL, 0) && !hnnc_runs_page(dirs, 0, page, NULL, 0));
  hnnc_close(none), hnnc_close(seed), hnnc_close(unlike), hnnc_close(other), hnnc_close(m);
  char command[128];
  snprintf(command, sizeof command, "rm -r %s", folder);
  CU_ASSERT(system(command) == 0);
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
                                                {"derivatives", test_derivatives},
                                                {"onnx", test_onnx},
                                                {"shared library", test_shared},
                                                {"messages", test_messages},
                                                {"tree", test_tree},
                                                {"import", test_import},
                                                {"import_odd", test_import_odd},
                                                {"run", test_run},
                                                {"reports_of_tensors", test_reports_of_tensors},
                                                {"inside", test_inside},
                                                {"stop", test_stop},
                                                {"again", test_again},
                                                {"directory", test_directory},
                                                {"numbers", test_numbers},
                                                {"many", test_many},
                                                {"threads", test_threads},
                                                {"faults", test_faults},
                                                {"fork", test_fork},
                                                {"locale", test_locale},
                                                {"options", test_options},
                                                {"trained", test_trained},
                                                {"null", test_null},
                                                {"usage", test_usage},
                                                CU_TEST_INFO_NULL}};
