/* Draws in compiled code against the runtime's: uniform ones bit for bit, normal ones to rounding and the same in all forms; for
 * each instruction set of this machine, in both precisions, samples in lanes and one at a time. */
#include "tests/common/codegen_util.h"
#include "tests/common/cunit_main.h"
#include "tests/common/jit.h"
#include "runtime/runtime.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SAMPLES = 64, MOST = 300 };

typedef struct Case {
  uint64_t seed, sample0;
  uint32_t site, counter;
  uint32_t elems;
} Case;

static const Case CASES[] = {
  {0, 0, 0, 0, 1},
  {7, 1000, 1, 3, 2},
  {UINT64_C(0xdeadbeefcafef00d), UINT64_C(0x1fffffff0), 4095, 16000000, 37}, /* samples on either side of 2^33 */
  {UINT64_MAX, UINT64_C(0xffffffffffffff00), 77, 1, 256},
  {12345, UINT64_C(0xffffffe0), 5, 100, 33},
};

static Fn *draws(bool f64, int kind, const Case *c) {
  Fn *f = ir_fn_create("draws", f64);
  Build b;
  ir_build_init(&b, f);
  Val n = ir_const(&b, c->counter);
  ir_output(&b, ir_rand(&b, kind, c->site, n, type_real(true, 1, &c->elems)), NULL);
  ir_build_finish(&b);
  return f;
}

/* Of one form: out[e * SAMPLES + s]. False where the machine has no such code. */
static bool run(const char *cpu, CgForm form, const Fn *f, const Case *c, void *out) {
  char err[256];
  Cg *cg = cg_create(&(CgOptions){.cpu = cpu, .opt = 1, .form = form}, err, sizeof err);
  if (!cg) CU_FAIL_FATAL(err);
  cg_add(cg, f, "f");
  bool good = cg_compile(cg, err, sizeof err);
  if (!good) CU_FAIL(err);
  HnnKernelInfo info = good ? cg_info(cg, "f") : (HnnKernelInfo){0};
  void *scratch = aligned_alloc(64, (size_t)(info.scratch_bytes + 127) / 64 * 64);
  HnnArg a = {out, SAMPLES};
  HnnCall call = {NULL, &a, 0, info.tile ? SAMPLES / info.tile : 0, scratch, c->seed, c->sample0, SAMPLES};
  if (good) cg_kernel(cg, "f")(&call);
  free(scratch);
  cg_destroy(cg);
  return good;
}

static double at(bool f64, const void *p, size_t k) { return f64 ? ((const double *)p)[k] : ((const float *)p)[k]; }

static void compare(const char *cpu, CgForm form, bool f64, int kind, const Case *c, const void *first) {
  static double want[MOST * SAMPLES], got[MOST * SAMPLES];
  Fn *f = draws(f64, kind, c);
  size_t n = (size_t)c->elems * SAMPLES, bytes = n * (f64 ? 8 : 4);
  rt_draw64(kind, c->seed, c->sample0, SAMPLES, c->site, c->counter, c->elems, want, SAMPLES);
  for (size_t k = 0; k < n && !f64; k++) want[k] = kind ? (double)(float)want[k] : floor(want[k] * 0x1p24) * 0x1p-24;
  memset(got, 0x55, sizeof got);
  if (run(cpu, form, f, c, got)) {
    for (size_t k = 0; k < n; k++) {
      double w = want[k], g = at(f64, got, k), off = kind ? (f64 ? 4e-15 : 1e-6) * fmax(1, fabs(w)) : 0;
      if (!(fabs(w - g) <= off)) printf("  %s %d %d: [%zu] %.17g, not %.17g\n", cpu ? cpu : "host", form, kind, k, g, w);
      CU_ASSERT_FATAL(fabs(w - g) <= off);
    }
    CU_ASSERT(((uint8_t *)got)[bytes] == 0x55);
    if (first) CU_ASSERT(!memcmp(first, got, bytes));
  }
  ir_fn_destroy(f);
}

static void test_machines(void) {
  JitTarget t[4];
  int n = jit_targets(t);
  for (size_t k = 0; k < sizeof CASES / sizeof *CASES; k++)
    for (int i = 0; i < n; i++)
      for (int way = 0; way < 8; way++)
        compare(*t[i].cpu ? t[i].cpu : NULL, way & 4 ? CG_SINGLE : CG_TILES, way & 1, way >> 1 & 1, &CASES[k], NULL);
}

static void test_forms(void) {
  static double lanes[MOST * SAMPLES];
  for (size_t k = 0; k < sizeof CASES / sizeof *CASES; k++)
    for (int way = 0; way < 4; way++) {
      Fn *f = draws(way & 1, way >> 1, &CASES[k]);
      if (run(NULL, CG_TILES, f, &CASES[k], lanes)) compare(NULL, CG_SINGLE, way & 1, way >> 1, &CASES[k], lanes);
      ir_fn_destroy(f);
    }
}

const Suite suite = {"draws",
                     (CU_TestInfo[]){{"on every machine", test_machines}, {"in every form", test_forms}, CU_TEST_INFO_NULL}};
