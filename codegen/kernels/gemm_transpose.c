/* Transposition in registers, and the sums over lanes built on it.
 *
 * A block of VL x VL: first within each 128 bits, by interleaving rows (unpack instructions), then the
 * 128-bit segments among the rows, in shuffles that the machine has as single instructions. */
#include "codegen/kernels/gemm_priv.h"

enum { MAX_VL = 16 };

/* Interleaves the low (high) halves of each 128-bit segment of a and b, `unit` reals at a time. */
static LLVMValueRef interleave(CgEmit *e, LLVMValueRef a, LLVMValueRef b, int segment, int unit, bool high) {
  int mask[MAX_VL], n = (int)e->vl;
  for (int l = 0; l < n; l++) {
    int in = l % segment, pair = in / (2 * unit), second = in / unit % 2;
    mask[l] = second * n + l / segment * segment + (high ? segment / 2 : 0) + pair * unit + in % unit;
  }
  return cg_shuffle(e, a, b, mask, (unsigned)n);
}

/* Rows [0, segment) of v: transposes the segment x segment squares of each 128 bits. */
static void transpose_segments(CgEmit *e, LLVMValueRef *v, int segment) {
  LLVMValueRef t[4];
  if (segment == 2) {
    t[0] = interleave(e, v[0], v[1], 2, 1, false);
    t[1] = interleave(e, v[0], v[1], 2, 1, true);
  } else {
    LLVMValueRef lo[2], hi[2];
    for (int i = 0; i < 2; i++) {
      lo[i] = interleave(e, v[2 * i], v[2 * i + 1], 4, 1, false);
      hi[i] = interleave(e, v[2 * i], v[2 * i + 1], 4, 1, true);
    }
    t[0] = interleave(e, lo[0], lo[1], 4, 2, false);
    t[1] = interleave(e, lo[0], lo[1], 4, 2, true);
    t[2] = interleave(e, hi[0], hi[1], 4, 2, false);
    t[3] = interleave(e, hi[0], hi[1], 4, 2, true);
  }
  for (int i = 0; i < segment; i++) v[i] = t[i];
}

/* Segments p[0], p[1], ... of the result, numbered through a then b. */
static LLVMValueRef choose(CgEmit *e, LLVMValueRef a, LLVMValueRef b, int segment, const int *p) {
  int mask[MAX_VL], n = (int)e->vl;
  for (int l = 0; l < n; l++) mask[l] = p[l / segment] * segment + l % segment;
  return cg_shuffle(e, a, b, mask, (unsigned)n);
}

/* Transposes the segments of x[0], x[step], ...: two or four rows of two or four segments. */
static void exchange_segments(CgEmit *e, LLVMValueRef *x, int step, int segment) {
  static const int LOW[] = {0, 1, 4, 5}, HIGH[] = {2, 3, 6, 7}, EVEN[] = {0, 2, 4, 6}, ODD[] = {1, 3, 5, 7};
  static const int FIRST[] = {0, 2}, SECOND[] = {1, 3};
  LLVMValueRef a = x[0], b = x[step];
  if ((int)e->vl / segment == 2) {
    x[0] = choose(e, a, b, segment, FIRST);
    x[step] = choose(e, a, b, segment, SECOND);
    return;
  }
  LLVMValueRef c = x[2 * step], d = x[3 * step];
  LLVMValueRef ab = choose(e, a, b, segment, LOW), ab2 = choose(e, a, b, segment, HIGH);
  LLVMValueRef cd = choose(e, c, d, segment, LOW), cd2 = choose(e, c, d, segment, HIGH);
  x[0] = choose(e, ab, cd, segment, EVEN);
  x[step] = choose(e, ab, cd, segment, ODD);
  x[2 * step] = choose(e, ab2, cd2, segment, EVEN);
  x[3 * step] = choose(e, ab2, cd2, segment, ODD);
}

static void transpose_block(CgEmit *e, LLVMValueRef *v) {
  int n = (int)e->vl, segment = 16 / (int)e->es;
  if (n == 1) return;
  for (int i = 0; i < n; i += segment) transpose_segments(e, v + i, segment);
  if (n > segment)
    for (int r = 0; r < segment; r++) exchange_segments(e, v + r, segment, segment);
}

/* ---- a matrix ---------------------------------------------------------------------------------------------- */

typedef struct Transpose {
  LLVMValueRef x, ldx, xt, l;
  int64_t K, k0, ldt;
  int rows;
} Transpose;

static void transpose_at(CgEmit *e, void *ctx, LLVMValueRef at) {
  const Transpose *t = ctx;
  LLVMValueRef v[MAX_VL], k = cg_iadd(e, at, cg_i64(e, t->k0));
  LLVMValueRef from = cg_gep(e, t->x, cg_iadd(e, cg_imul(e, k, t->ldx), t->l));
  LLVMValueRef to = cg_gep(e, t->xt, cg_iadd(e, cg_imul(e, t->l, cg_i64(e, t->ldt)), k));
  for (int i = 0; i < (int)e->vl; i++)
    v[i] = i < t->rows ? cg_load(e, cg_gep(e, from, cg_imul(e, t->ldx, cg_i64(e, i))), e->vl) : cg_real(e, 0, e->vl);
  transpose_block(e, v);
  for (int i = 0; i < (int)e->vl; i++) cg_store(e, v[i], cg_gep(e, to, cg_i64(e, i * t->ldt)));
}

static void transpose_lanes(CgEmit *e, void *ctx, LLVMValueRef l) {
  Transpose *t = ctx;
  int64_t vl = e->vl, full = t->K / vl;
  t->l = l;
  t->k0 = 0;
  t->rows = (int)vl;
  gemm_each(e, full, vl, transpose_at, t);
  t->k0 = full * vl;
  t->rows = (int)(t->K % vl);
  if (t->rows) transpose_at(e, t, cg_i64(e, 0));
}

void cg_transpose(CgEmit *e, LLVMValueRef x, LLVMValueRef ldx, int64_t K, int64_t lanes, LLVMValueRef xt, int64_t ldt) {
  Transpose t = {.x = x, .ldx = ldx, .xt = xt, .K = K, .ldt = ldt};
  gemm_each(e, lanes / (int64_t)e->vl, e->vl, transpose_lanes, &t);
}

/* Units of q reals, each stage exchanges those that are w rows and w units apart. */
void cg_transpose_units(CgEmit *e, LLVMValueRef x, LLVMValueRef ldx, int64_t M, int64_t q, LLVMValueRef xt) {
  const int vl = (int)e->vl, n = vl / (int)q;
  LLVMValueRef v[MAX_VL];
  for (int i = 0; i < n; i++) v[i] = i < M ? cg_load(e, cg_gep(e, x, cg_imul(e, ldx, cg_i64(e, i))), e->vl) : cg_real(e, 0, e->vl);
  for (int w = 1; w < n; w *= 2)
    for (int i = 0; i < n; i++) {
      if (i & w) continue;
      int low[MAX_VL], high[MAX_VL];
      for (int l = 0; l < vl; l++) {
        const int u = l / (int)q, back = w * (int)q;
        low[l] = u & w ? vl + l - back : l, high[l] = u & w ? vl + l : l + back;
      }
      const LLVMValueRef a = v[i], b = v[i + w];
      v[i] = cg_shuffle(e, a, b, low, e->vl), v[i + w] = cg_shuffle(e, a, b, high, e->vl);
    }
  for (int i = 0; i < n; i++) cg_store(e, v[i], cg_gep(e, xt, cg_i64(e, i * vl)));
}

/* ---- sums of lanes ------------------------------------------------------------------------------------------ */

typedef struct Reduce {
  LLVMValueRef acc, dst;
  int64_t first;
  unsigned rows;
} Reduce;

static void reduce_at(CgEmit *e, void *ctx, LLVMValueRef at) {
  const Reduce *t = ctx;
  LLVMValueRef v[MAX_VL], row = cg_iadd(e, at, cg_i64(e, t->first));
  LLVMValueRef from = cg_gep(e, t->acc, cg_imul(e, row, cg_i64(e, e->vl)));
  for (unsigned i = 0; i < e->vl; i++)
    v[i] = i < t->rows ? cg_load(e, cg_gep(e, from, cg_i64(e, i * (int64_t)e->vl)), e->vl) : cg_real(e, 0, e->vl);
  transpose_block(e, v);
  for (unsigned half = e->vl / 2; half >= 1; half /= 2)
    for (unsigned i = 0; i < half; i++) v[i] = LLVMBuildFAdd(e->b, v[i], v[i + half], "");
  gemm_store_first(e, v[0], e->vl, t->rows, cg_gep(e, t->dst, row), false, NULL);
}

void cg_lane_reduce(CgEmit *e, LLVMValueRef acc, int64_t n, LLVMValueRef dst) {
  int64_t vl = e->vl, full = n / vl;
  Reduce t = {.acc = acc, .dst = dst, .rows = e->vl};
  gemm_each(e, full, vl, reduce_at, &t);
  t.first = full * vl;
  t.rows = (unsigned)(n % vl);
  if (t.rows) reduce_at(e, &t, cg_i64(e, 0));
}
