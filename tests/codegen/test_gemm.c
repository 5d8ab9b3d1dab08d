/* Matrix products of the code generator against plain loops in long double: random shapes with all kinds
 * of tails, f32 and f64, on each instruction set of this machine. With `--bench`, the speed of the shapes
 * that matter, as a share of the measured peak. */
#include "codegen/kernels/kernels.h"
#include "tests/common/cunit_main.h"
#include "tests/common/jit.h"
#include "tests/common/rows.h"
#include "tests/common/often.h"

#include <math.h>

static uint64_t state = 88172645463325252ULL;

static uint64_t next_random(void) {
  state ^= state << 13;
  state ^= state >> 7;
  return state ^= state << 17;
}

static int64_t pick(int64_t lo, int64_t hi) { return lo + (int64_t)(next_random() % (uint64_t)(hi - lo + 1)); }
static double unit(void) { return (double)(next_random() >> 11) * 0x1p-52 - 1; }

/* ---- buffers of either precision --------------------------------------------------------------------- */

typedef struct Buf {
  bool f64;
  int64_t n;
  void *p; /* malloc'ed to the size, so that ASan sees every overrun of the tests' loops */
} Buf;

static Buf buf_new(bool f64, int64_t n, bool random) {
  Buf b = {f64, n, aligned_alloc(64, ((size_t)n * (f64 ? 8 : 4) + 63) / 64 * 64)};
  for (int64_t i = 0; i < n; i++) {
    double v = random ? unit() : 0;
    if (f64) ((double *)b.p)[i] = v;
    else ((float *)b.p)[i] = (float)v;
  }
  return b;
}

static double at(Buf b, int64_t i) { return b.f64 ? ((double *)b.p)[i] : ((float *)b.p)[i]; }
static void put(Buf b, int64_t i, double v) {
  if (b.f64) ((double *)b.p)[i] = v;
  else ((float *)b.p)[i] = (float)v;
}

static void buf_fill(Buf b, double v) {
  for (int64_t i = 0; i < b.n; i++) put(b, i, v);
}

static bool close_to(Buf b, int64_t i, long double want, long double scale) {
  long double err = fabsl(at(b, i) - want);
  return err <= (b.f64 ? 1e-15L : 6e-7L) * (scale + 1);
}

/* ---- products ------------------------------------------------------------------------------------------- */

typedef void (*Kernel4)(void *, void *, void *, void *, int64_t);

typedef struct Product {
  int64_t M, K1, K2, lanes, places, as_i, as_k, ldx, ldc;
  enum { START_ZERO, START_BIAS, START_LOAD } start;
  bool roll, twice; /* twice: a second term, with A transposed */
} Product;

typedef struct Ends {
  Rows c;
  LLVMValueRef bias;
  int start;
} Ends;

static void begin_rows(CgEmit *e, void *ctx, CgRow *r) {
  Ends *x = ctx;
  if (x->start == START_BIAS) rows_bias(e, &x->bias, r);
  else rows_load(e, &x->c, r);
}

static void end_rows(CgEmit *e, void *ctx, CgRow *r) { rows_store(e, &((Ends *)ctx)->c, r); }

/* The X of a place begins K1 rows behind that of the one before. */
static int64_t x_apart(const Product *p) { return p->K1 * p->ldx; }
static int64_t c_apart(const Product *p) { return p->M * p->ldc; }

/* void f(A, X, C, bias, n): the second term reads A by [k][i] and X from its start. */
static void emit_product(Jit *j, const char *name, const Product *p) {
  CgEmit *e = &j->e;
  jit_begin(j, name, 4);
  LLVMValueRef ldx = cg_i64(e, p->ldx);
  CgGemmTerm term[2] = {{p->K1, jit_param(j, 0), p->as_i, p->as_k, jit_param(j, 1), ldx, .xs_p = cg_i64(e, x_apart(p))},
                        {p->K2, jit_param(j, 0), 1, p->M, jit_param(j, 1), ldx, .xs_p = cg_i64(e, x_apart(p))}};
  Ends ends = {{jit_param(j, 2), cg_i64(e, p->ldc), cg_i64(e, c_apart(p))}, jit_param(j, 3), p->start};
  CgGemm g = {.M = p->M,
              .lanes = p->lanes,
              .places = p->places,
              .term = term,
              .nterm = p->twice ? 2 : 1,
              .done = end_rows,
              .ctx = &ends,
              .init = p->start == START_ZERO ? NULL : begin_rows,
              .roll = p->roll};
  cg_gemm(e, &g);
  LLVMBuildRetVoid(e->b);
}

static Product random_product(const CgEmit *e) {
  Product p = {.M = pick(1, 40), .K1 = pick(1, 25), .K2 = pick(1, 9), .lanes = e->vl * pick(1, 6)};
  if (next_random() % 4 == 0) p.M = pick(41, 90);
  bool transposed = next_random() % 2;
  p.as_i = transposed ? 1 : p.K1 + pick(0, 2);
  p.as_k = transposed ? p.M + pick(0, 2) : 1;
  p.ldx = p.lanes + pick(0, 5);
  p.ldc = p.lanes + pick(0, 5);
  p.start = (int)pick(0, 2);
  p.roll = next_random() % 2;
  p.twice = next_random() % 2;
  p.places = next_random() % 2 ? pick(2, 19) : 1;
  return p;
}

static int wrong_at(const Product *p, Buf a, Buf x, Buf bias, Buf c, Buf before, int64_t place) {
  int bad = 0;
  for (int64_t i = 0; i < p->M; i++)
    for (int64_t l = 0; l < p->ldc; l++) {
      const int64_t to = place * c_apart(p) + i * p->ldc + l, from = place * x_apart(p) + l;
      long double sum = p->start == START_BIAS ? at(bias, i) : p->start == START_LOAD ? at(before, to) : 0;
      for (int64_t k = 0; k < p->K1 && l < p->lanes; k++)
        sum += (long double)at(a, i * p->as_i + k * p->as_k) * at(x, k * p->ldx + from);
      for (int64_t k = 0; k < p->K2 && p->twice && l < p->lanes; k++)
        sum += (long double)at(a, i + k * p->M) * at(x, k * p->ldx + from);
      if (l >= p->lanes) bad += at(c, to) != at(before, to);
      else bad += !close_to(c, to, sum, (long double)(p->K1 + p->K2));
    }
  return bad;
}

static void check_product(const Product *p, Kernel4 f, bool f64) {
  int64_t kmax = p->K1 > p->K2 ? p->K1 : p->K2;
  int64_t na = p->M * p->as_i + kmax * p->as_k + p->M * p->K2, nx = (p->places - 1) * x_apart(p) + kmax * p->ldx;
  Buf a = buf_new(f64, na, true), x = buf_new(f64, nx, true), bias = buf_new(f64, p->M, true);
  Buf c = buf_new(f64, p->places * c_apart(p), true), before = buf_new(f64, c.n, false);
  for (int64_t i = 0; i < c.n; i++) put(before, i, at(c, i));
  f(a.p, x.p, c.p, bias.p, 0);
  int bad = 0;
  for (int64_t place = 0; place < p->places; place++) bad += wrong_at(p, a, x, bias, c, before, place);
  CU_ASSERT_EQUAL(bad, 0);
  free(a.p), free(x.p), free(bias.p), free(c.p), free(before.p);
}

enum { SHAPES = OFTEN(40) };

static void products_on(JitTarget t, bool f64) {
  Jit j;
  Product p[SHAPES];
  char name[32];
  jit_open(&j, t, f64);
  for (int i = 0; i < SHAPES; i++) {
    snprintf(name, sizeof name, "f%d", i);
    p[i] = random_product(&j.e);
    emit_product(&j, name, &p[i]);
  }
  jit_compile(&j);
  for (int i = 0; i < SHAPES; i++) {
    snprintf(name, sizeof name, "f%d", i);
    check_product(&p[i], (Kernel4)jit_find(&j, name), f64);
  }
  jit_close(&j);
}

static void everywhere(void (*check)(JitTarget t, bool f64)) {
  JitTarget t[4];
  int n = jit_targets(t);
  for (int i = 0; i < n; i++)
    for (int f64 = 0; f64 < 2; f64++) check(t[i], f64);
}

static void products(void) { everywhere(products_on); }

/* ---- sums over lanes and tiles ---------------------------------------------------------------------------------- */

/* D += G0 X0^T + G1 X1^T; the second pair sums over R, too. */
typedef struct Dw {
  int64_t M, K, lanes, used, ldg, ldx, ldd, R;
  int npair;
  bool asks, set; /* asks: whether D is set is known only when it runs, from n */
} Dw;

static Dw random_dw(const CgEmit *e) {
  Dw d = {.M = pick(1, 30), .K = pick(1, 40), .lanes = e->vl * pick(1, 4), .npair = (int)pick(1, 2), .R = pick(1, 3)};
  const int64_t step = e->target->tune->dw_step;
  if (next_random() % 4 == 0) d.K = pick(60, 150);
  d.used = next_random() % 2 ? d.lanes : pick(1, (d.lanes + step - 1) / step) * step;
  d.ldg = d.lanes * d.R + pick(0, 3);
  d.ldx = d.lanes * d.R + pick(0, 3);
  d.ldd = d.K + pick(0, 3);
  d.set = next_random() % 2;
  d.asks = d.set || next_random() % 2;
  return d;
}

/* void f(G, X, D, scratch, n): pair 1 reads G and X from their starts with R terms, pair 0 with one. */
static void emit_dw(Jit *j, const char *name, const Dw *d) {
  CgEmit *e = &j->e;
  jit_begin(j, name, 4);
  LLVMValueRef g = jit_param(j, 0), x = jit_param(j, 1), xt = jit_param(j, 3);
  int64_t ldt = cg_dw_ldt(e, d->K), one = ldt * d->lanes;
  for (int64_t r = 0; r < d->R; r++)
    cg_transpose(e, cg_gep(e, x, cg_i64(e, r * d->lanes)), cg_i64(e, d->ldx), d->K, d->lanes, cg_gep(e, xt, cg_i64(e, r * one)),
                 ldt);
  CgDwPair pair[2] = {{g, cg_i64(e, d->ldg), xt, 1, 0, 0}, {g, cg_i64(e, d->ldg), xt, d->R, d->lanes, one}};
  CgDw w = {d->M, d->K, d->lanes, pair, d->npair, jit_param(j, 2), d->ldd, d->used < d->lanes ? cg_i64(e, d->used) : NULL, NULL};
  if (d->asks) w.set = LLVMBuildICmp(e->b, LLVMIntNE, jit_param(j, 4), cg_i64(e, 0), "");
  cg_dw(e, &w);
  LLVMBuildRetVoid(e->b);
}

/* The same by accumulators, zeroed before, one for each element of D, which is set. */
static void emit_tile_sums(Jit *j, const char *name, const Dw *d) {
  CgEmit *e = &j->e;
  const CgKernels *k = e->target->kernel;
  const int64_t n = d->M * d->K, vl = e->vl;
  const unsigned nv = e->nv;
  CgLoop row, col;
  LLVMValueRef x[CG_MAX_NV], y[CG_MAX_NV];
  jit_begin(j, name, 4);
  e->nv = (unsigned)(d->lanes / vl);
  LLVMValueRef sums = jit_param(j, 3), out = jit_param(j, 2);
  cg_loop_begin(e, &row, cg_i64(e, 0), cg_i64(e, d->M), 1);
  cg_loop_begin(e, &col, cg_i64(e, 0), cg_i64(e, d->K), 1);
  LLVMValueRef place = cg_gep(e, sums, k->sum_at(e, cg_iadd(e, cg_imul(e, row.iv, cg_i64(e, d->K)), col.iv), 1));
  for (unsigned v = 0; v < e->nv; v++) {
    x[v] = k->load(e, false, cg_gep(e, jit_param(j, 0), cg_iadd(e, cg_imul(e, row.iv, cg_i64(e, d->ldg)), cg_i64(e, v * vl))),
                   e->vl, e->vl);
    y[v] = k->load(e, false, cg_gep(e, jit_param(j, 1), cg_iadd(e, cg_imul(e, col.iv, cg_i64(e, d->ldx)), cg_i64(e, v * vl))),
                   e->vl, e->vl);
  }
  for (int p = 0; p < d->npair; p++) k->sum_store(e, k->sum_add_product(e, k->sum_load(e, place), x, y), place);
  cg_loop_end(e, &col);
  cg_loop_end(e, &row);
  e->nv = nv;
  k->sum_close(e, sums, cg_i64(e, n / vl), out, true);
  k->sum_close(e, cg_gep(e, sums, k->sum_at(e, cg_i64(e, n / vl), vl)), cg_i64(e, n % vl), cg_gep(e, out, cg_i64(e, n / vl * vl)),
               false);
  LLVMBuildRetVoid(e->b);
}

static long double dw_term(const Dw *d, Buf g, Buf x, int64_t m, int64_t k, int64_t R, int64_t used) {
  long double sum = 0;
  for (int64_t l = 0; l < R * d->lanes; l++)
    if (l % d->lanes < used) sum += (long double)at(g, m * d->ldg + l) * at(x, k * d->ldx + l);
  return sum;
}

/* By transposition, and as sums over tiles (R = 1, D without padding). */
static void check_dw(const Dw *d, Kernel4 f, bool over_tiles, bool f64, int64_t scratch) {
  int64_t ldd = over_tiles ? d->K : d->ldd;
  Buf g = buf_new(f64, d->M * d->ldg, true), x = buf_new(f64, d->K * d->ldx, true), s = buf_new(f64, scratch, false);
  Buf out = buf_new(f64, d->M * ldd, true), before = buf_new(f64, out.n, false);
  for (int64_t i = 0; i < out.n; i++) put(before, i, at(out, i));
  if (!over_tiles) buf_fill(s, NAN);
  for (int64_t i = 0; i < out.n && d->set; i++)
    if (i % ldd < d->K) put(out, i, NAN);
  f(g.p, x.p, out.p, s.p, d->set);
  int bad = 0;
  for (int64_t m = 0; m < d->M; m++)
    for (int64_t k = 0; k < ldd; k++) {
      int64_t i = m * ldd + k;
      if (k >= d->K) {
        bad += at(out, i) != at(before, i);
        continue;
      }
      long double want = d->set || over_tiles ? 0 : at(before, i);
      int64_t used = over_tiles ? d->lanes : d->used;
      want += dw_term(d, g, x, m, k, 1, used);
      if (d->npair > 1) want += dw_term(d, g, x, m, k, over_tiles ? 1 : d->R, used);
      bad += !close_to(out, i, want, (long double)(2 * d->R * d->lanes));
    }
  CU_ASSERT_EQUAL(bad, 0);
  free(g.p), free(x.p), free(s.p), free(out.p), free(before.p);
}

static void sums_on(JitTarget t, bool f64) {
  Jit j;
  Dw d[SHAPES];
  char name[32];
  jit_open(&j, t, f64);
  for (int i = 0; i < SHAPES; i++) {
    snprintf(name, sizeof name, "f%d", i);
    d[i] = random_dw(&j.e);
    if (i % 2) emit_tile_sums(&j, name, &d[i]);
    else emit_dw(&j, name, &d[i]);
  }
  jit_compile(&j);
  for (int i = 0; i < SHAPES; i++) {
    snprintf(name, sizeof name, "f%d", i);
    int64_t scratch = i % 2 ? d[i].M * d[i].K * j.e.vl : d[i].R * d[i].lanes * cg_dw_ldt(&j.e, d[i].K);
    check_dw(&d[i], (Kernel4)jit_find(&j, name), i % 2, f64, scratch);
  }
  jit_close(&j);
}

static void sums_over_lanes(void) { everywhere(sums_on); }

/* ---- sums over places --------------------------------------------------------------------------------------------- */

/* X: windows of `taps` of each of `n` lines of `out` + taps - 1 places, in `channels`; G has the places of the lines. */
typedef struct Window {
  int64_t M, channels, taps, lines, out, lanes;
  bool asks, set;
} Window;

static int64_t window_width(const Window *w) { return (w->out + w->taps - 1) * w->lanes; }

static Window random_window(const CgEmit *e) {
  Window w = {pick(1, 20), pick(1, 20), pick(1, 4), pick(1, 3), pick(1, 20), e->tile, .set = next_random() % 2};
  if (next_random() % 4 == 0) w.M = pick(21, 70);
  w.asks = w.set || next_random() % 2;
  return w;
}

static CgPlaces window_shape(CgEmit *e, const Window *w, CgPlaceRow *row, CgPlace *loop) {
  const int64_t line = w->out * w->lanes, width = window_width(w);
  row[0] = (CgPlaceRow){w->channels, w->taps, cg_i64(e, w->lines * width)}, row[1] = (CgPlaceRow){w->taps, 1, cg_i64(e, w->lanes)};
  loop[0] = (CgPlace){w->lines, cg_i64(e, line), cg_i64(e, width)};
  loop[1] = (CgPlace){w->out, cg_i64(e, w->lanes), cg_i64(e, w->lanes)};
  return (CgPlaces){.M = w->M,
                    .lanes = w->lanes,
                    .ldg = cg_i64(e, w->lines * line),
                    .row = row,
                    .loop = loop,
                    .nrow = 2,
                    .nloop = 2,
                    .ldd = w->channels * w->taps};
}

/* void f(G, X, D, scratch, n) */
static int64_t emit_window(Jit *j, const char *name, const Window *w) {
  CgEmit *e = &j->e;
  CgPlaceRow row[2];
  CgPlace loop[2];
  jit_begin(j, name, 4);
  CgPlaces p = window_shape(e, w, row, loop);
  p.g = jit_param(j, 0), p.x = jit_param(j, 1), p.d = jit_param(j, 2), p.work = jit_param(j, 3);
  if (w->asks) p.set = LLVMBuildICmp(e->b, LLVMIntNE, jit_param(j, 4), cg_i64(e, 0), "");
  cg_places(e, &p);
  LLVMBuildRetVoid(e->b);
  return cg_places_bytes(e->vl, e->es, &p) / e->es;
}

static long double window_sum(const Window *w, Buf g, Buf x, int64_t m, int64_t c, int64_t tap) {
  long double sum = 0;
  for (int64_t y = 0; y < w->lines; y++)
    for (int64_t l = 0; l < w->out * w->lanes; l++)
      sum += (long double)at(g, (m * w->lines + y) * w->out * w->lanes + l) *
             at(x, (c * w->lines + y) * window_width(w) + tap * w->lanes + l);
  return sum;
}

static void check_window(const Window *w, Kernel4 f, bool f64, int64_t scratch) {
  const int64_t terms = w->lines * w->out * w->lanes;
  Buf g = buf_new(f64, w->M * terms, true), x = buf_new(f64, w->channels * w->lines * window_width(w), true);
  Buf s = buf_new(f64, scratch, false), out = buf_new(f64, w->M * w->channels * w->taps, true), before = buf_new(f64, out.n, false);
  for (int64_t i = 0; i < out.n; i++) put(before, i, w->set ? 0 : at(out, i));
  buf_fill(s, NAN);
  if (w->set) buf_fill(out, NAN);
  f(g.p, x.p, out.p, s.p, w->set);
  int bad = 0;
  for (int64_t i = 0; i < out.n; i++) {
    const int64_t tap = i % w->taps, c = i / w->taps % w->channels, m = i / w->taps / w->channels;
    bad += !close_to(out, i, at(before, i) + window_sum(w, g, x, m, c, tap), (long double)terms);
  }
  CU_ASSERT_EQUAL(bad, 0);
  free(g.p), free(x.p), free(s.p), free(out.p), free(before.p);
}

static void windows_on(JitTarget t, bool f64) {
  Jit j;
  Window w[SHAPES];
  int64_t scratch[SHAPES];
  char name[32];
  jit_open(&j, t, f64);
  for (int i = 0; i < SHAPES; i++) {
    snprintf(name, sizeof name, "f%d", i);
    w[i] = random_window(&j.e);
    scratch[i] = emit_window(&j, name, &w[i]);
  }
  jit_compile(&j);
  for (int i = 0; i < SHAPES; i++) {
    snprintf(name, sizeof name, "f%d", i);
    check_window(&w[i], (Kernel4)jit_find(&j, name), f64, scratch[i]);
  }
  jit_close(&j);
}

static void sums_over_places(void) { everywhere(windows_on); }

const Suite suite = {"gemm", (CU_TestInfo[]){{"products", products},
                                             {"sums over lanes and tiles", sums_over_lanes},
                                             {"sums over places", sums_over_places},
                                             CU_TEST_INFO_NULL}};
