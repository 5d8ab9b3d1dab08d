/* Speed of the emitters by themselves, on this machine or one of its older instruction sets:
 *
 *   kernels [cpu index] [f64]
 *
 * Products as a share of the measured peak (best of many runs, everything in cache; `tanh` counts only the
 * product that it follows), elementwise ops in ns an element, draws in ns each. */
#include "codegen/kernels/kernels.h"
#include "codegen/math/math.h"
#include "tests/common/jit.h"
#include "tests/common/rows.h"

#include <time.h>

typedef struct Shape {
  int64_t M, K, lanes;
  enum { FORWARD, TRANSPOSED, TANH, TANH_ROLLED, DW, DW_STACKED, TRANSPOSE } kind;
} Shape;
static const char *const KIND[] = {"A X", "A^T X", "tanh", "tanh rolled", "dW", "dW stacked", "transpose"};

static const Shape SHAPES[] = {
  {200, 200, 0, FORWARD},    {200, 200, 0, TRANSPOSED},  {128, 128, 0, FORWARD}, {64, 64, 0, FORWARD},     {32, 32, 0, FORWARD},
  {200, 2, 0, FORWARD},      {2, 200, 0, FORWARD},       {1, 200, 0, FORWARD},   {30, 30, 0, FORWARD},     {200, 200, 0, DW},
  {200, 200, 0, DW_STACKED}, {128, 128, 0, DW},          {64, 64, 0, DW},        {32, 32, 0, DW},          {200, 200, 0, TRANSPOSE},
  {200, 200, 0, TANH},       {200, 200, 0, TANH_ROLLED}, {64, 64, 0, TANH},      {64, 64, 0, TANH_ROLLED},
};
enum { NSHAPES = sizeof SHAPES / sizeof *SHAPES };

static void tanh_store(CgEmit *e, void *rows, CgRow *r) {
  for (int i = 0; i < r->n; i++) r->v[i] = cg_ew(e, OP_tanh, &r->v[i]);
  rows_store(e, rows, r);
}

static void product(Jit *j, const Shape *s) {
  CgEmit *e = &j->e;
  bool t = s->kind == TRANSPOSED;
  LLVMValueRef ld = cg_i64(e, e->tile);
  CgGemmTerm term = {s->K, jit_param(j, 0), t ? 1 : s->K, t ? s->M : 1, jit_param(j, 1), ld};
  Rows c = {jit_param(j, 2), ld};
  CgGemm g = {.M = s->M, .lanes = e->tile, .term = &term, .nterm = 1, .done = rows_store, .ctx = &c};
  if (s->kind == TANH || s->kind == TANH_ROLLED) g.done = tanh_store;
  g.roll = s->kind == TANH_ROLLED;
  cg_gemm(e, &g);
}

static void sums(Jit *j, const Shape *s) {
  CgEmit *e = &j->e;
  LLVMValueRef ld = cg_i64(e, e->tile);
  CgDwPair p = {jit_param(j, 0), ld, jit_param(j, 1), 1, 0, 0}, two[2] = {p, p};
  CgDw w = {s->M, s->K, e->tile, two, s->kind == DW_STACKED ? 2 : 1, jit_param(j, 2), s->K, NULL, NULL};
  cg_dw(e, &w);
}

static void emit_shape(Jit *j, int k) {
  char name[16];
  const Shape *s = &SHAPES[k];
  snprintf(name, sizeof name, "s%d", k);
  jit_begin(j, name, 3);
  if (s->kind == TRANSPOSE)
    cg_transpose(&j->e, jit_param(j, 1), cg_i64(&j->e, j->e.tile), s->K, j->e.tile, jit_param(j, 2), cg_dw_ldt(&j->e, s->K));
  else if (s->kind >= DW) sums(j, s);
  else product(j, s);
  LLVMBuildRetVoid(j->e.b);
}

static void emit_op(Jit *j, Op op) {
  CgEmit *e = &j->e;
  jit_begin(j, ir_op[op].name, 3);
  CgLoop l;
  cg_loop_begin(e, &l, cg_i64(e, 0), jit_param(j, 3), 2 * e->vl);
  for (int u = 0; u < 2; u++) {
    LLVMValueRef at = cg_iadd(e, l.iv, cg_i64(e, u * (int64_t)e->vl)), x[2];
    for (unsigned i = 0; i < 2; i++) x[i] = cg_load(e, cg_gep(e, jit_param(j, i), at), e->vl);
    cg_store(e, cg_ew(e, op, x), cg_gep(e, jit_param(j, 2), at));
  }
  cg_loop_end(e, &l);
  LLVMBuildRetVoid(e->b);
}

static const char *const DRAW[] = {"uniform", "normal"};

static void emit_draws(Jit *j, int kind) {
  CgEmit *e = &j->e;
  jit_begin(j, DRAW[kind], 3);
  CgLoop l;
  LLVMValueRef out[2], number[64];
  for (unsigned i = 0; i < e->vl; i++) number[i] = cg_i64(e, i);
  cg_loop_begin(e, &l, cg_i64(e, 0), jit_param(j, 3), 2 * e->vl);
  LLVMValueRef seed = LLVMBuildPtrToInt(e->b, jit_param(j, 0), e->i64, ""), lanes = LLVMConstVector(number, e->vl);
  LLVMValueRef sample = LLVMBuildAdd(e->b, cg_splat(e, seed, e->vl), lanes, "");
  cg_draw(e, kind, seed, sample, cg_splat(e, cg_i64(e, 1), e->vl), cg_splat(e, l.iv, e->vl), out);
  for (int k = 0; k < 2; k++) cg_store(e, out[k], cg_gep(e, jit_param(j, 2), cg_iadd(e, l.iv, cg_i64(e, k * (int64_t)e->vl))));
  cg_loop_end(e, &l);
  LLVMBuildRetVoid(e->b);
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

typedef void (*Kernel)(void *, void *, void *, int64_t);

static double best_time(Kernel f, void *a, void *b, void *c, int64_t n) {
  double best = 1;
  for (int i = 0; i < 40; i++) {
    int turns = 10;
    double begin = now();
    for (int q = 0; q < turns; q++) f(a, b, c, n);
    double t = (now() - begin) / turns;
    if (t < best) best = t;
  }
  return best;
}

static void *filled(const CgEmit *e, size_t n, double low) {
  void *p = aligned_alloc(64, n * 8);
  for (size_t i = 0; i < n; i++) {
    double v = low + (double)(i % 97) / 97;
    if (e->f64) ((double *)p)[i] = v;
    else ((float *)p)[i] = (float)v;
  }
  return p;
}

int main(int argc, char **argv) {
  JitTarget t[4];
  int n = jit_targets(t), k = argc > 1 ? atoi(argv[1]) : n - 1;
  Jit j;
  if (k < 0 || k >= n) return 2;
  jit_open(&j, t[k], argc > 2);
  for (int i = 0; i < NSHAPES; i++) emit_shape(&j, i);
  for (Op op = OP_none; op < OP_count; op++)
    if (ir_op[op].cls == OPC_EW1 || ir_op[op].cls == OPC_EW2)
      if (op) emit_op(&j, op);
  for (int kind = 0; kind < 2; kind++) emit_draws(&j, kind);
  cg_emit_peak(&j.e, "peak");
  jit_compile(&j);
  double peak = cg_peak_rate(j.target.tune, (CgPeakLoop)jit_find(&j, "peak"), cg_peak_flop(&j.e));
  printf("%s %s: peak %.1f GFLOP/s\n", *t[k].cpu ? t[k].cpu : "host", argc > 2 ? "f64" : "f32", peak);
  void *a = filled(&j.e, 65536, 0.1), *b = filled(&j.e, 65536, -0.5), *c = filled(&j.e, 65536, 0);
  for (int i = 0; i < NSHAPES; i++) {
    char name[16];
    const Shape *s = &SHAPES[i];
    snprintf(name, sizeof name, "s%d", i);
    double time = best_time((Kernel)jit_find(&j, name), a, b, c, 0);
    double flop = 2.0 * (double)(s->M * s->K) * j.e.tile * (s->kind == DW_STACKED ? 2 : 1);
    printf("%-12s %4d %4d  ", KIND[s->kind], (int)s->M, (int)s->K);
    if (s->kind == TRANSPOSE) printf("%7.3f ns/element\n", time * 1e9 / (double)s->K / j.e.tile);
    else printf("%5.1f %%\n", 100 * flop / time / peak * 1e-9);
  }
  for (Op op = OP_none; op < OP_count; op++)
    if (op && (ir_op[op].cls == OPC_EW1 || ir_op[op].cls == OPC_EW2))
      printf("%-12s %6.3f ns/element\n", ir_op[op].name,
             best_time((Kernel)jit_find(&j, ir_op[op].name), a, b, c, 2048) * 1e9 / 2048);
  for (int kind = 0; kind < 2; kind++)
    printf("%-12s %6.3f ns/draw\n", DRAW[kind], best_time((Kernel)jit_find(&j, DRAW[kind]), a, b, c, 2048) * 1e9 / 2048);
  free(a), free(b), free(c);
  jit_close(&j);
  return 0;
}
