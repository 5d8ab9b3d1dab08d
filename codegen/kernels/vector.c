/* The table of a processor with vector registers: lanes are consecutive reals in memory, and a sum over tiles is a vector of
 * partial sums, one for each lane. */
#include "codegen/kernels/kernels_priv.h"

static int64_t round_up(int64_t n, int64_t k) { return (n + k - 1) / k * k; }

/* ---- products ------------------------------------------------------------------------------------------------ */

/* Rows may be longer than K by what cg_dw_ldt adds. */
static int64_t dw_bytes(unsigned vl, unsigned es, int64_t lanes, int64_t K) {
  return (round_up(K, vl) + 16 * (int64_t)vl) * lanes * es;
}

/* ---- sums over tiles -------------------------------------------------------------------------------------------- */

static int64_t sum_bytes(unsigned vl, unsigned es, int64_t n) { return n * vl * es; }

static LLVMValueRef sum_at(CgEmit *e, LLVMValueRef i, int64_t times) { return cg_imul(e, i, cg_i64(e, times * e->vl)); }

static LLVMValueRef sum_load(CgEmit *e, LLVMValueRef place) { return cg_load(e, place, e->vl); }

static LLVMValueRef sum_add(CgEmit *e, LLVMValueRef sum, const LLVMValueRef *x) {
  for (unsigned v = 0; v < e->nv; v++) sum = LLVMBuildFAdd(e->b, sum, x[v], "");
  return sum;
}

static LLVMValueRef sum_add_product(CgEmit *e, LLVMValueRef sum, const LLVMValueRef *x, const LLVMValueRef *y) {
  for (unsigned v = 0; v < e->nv; v++) sum = cg_fma(e, x[v], y[v], sum);
  return sum;
}

/* ---- memory ------------------------------------------------------------------------------------------------------ */

/* Whole lines, and such that arrays which one loop walks along do not start at the same place of a page. */
static int64_t array_bytes(const CgTuning *t, int64_t bytes) {
  return round_up(bytes, t->align) + (bytes >= t->skew_from ? t->skew : 0);
}

static LLVMValueRef load(CgEmit *e, bool boolean, LLVMValueRef p, unsigned lanes, unsigned part) {
  return boolean ? cg_load_bool_part(e, p, lanes, part) : cg_load_part(e, p, lanes, part);
}

static void store(CgEmit *e, bool boolean, LLVMValueRef v, LLVMValueRef p, unsigned lanes, unsigned part) {
  if (boolean) cg_store_bool_part(e, v, p, lanes, part);
  else cg_store_part(e, v, p, lanes, part);
}

static void zero(CgEmit *e, LLVMValueRef p, LLVMValueRef bytes) {
  LLVMBuildMemSet(e->b, p, LLVMConstInt(e->i8, 0, 0), bytes, e->es);
}

static void copy(CgEmit *e, LLVMValueRef to, LLVMValueRef from, unsigned align, LLVMValueRef bytes) {
  LLVMBuildMemCpy(e->b, to, align, from, align, bytes);
}

static void move(CgEmit *e, LLVMValueRef to, LLVMValueRef from, unsigned align, LLVMValueRef bytes) {
  LLVMBuildMemMove(e->b, to, align, from, align, bytes);
}

const CgKernels cg_vector_kernels = {
  .gemm = cg_gemm,
  .gemv_takes = cg_gemv_takes,
  .gemv = cg_shared_gemv,
  .dw = cg_shared_dw,
  .places = cg_places,
  .places_bytes = cg_places_bytes,
  .dw_row = cg_dw_ldt,
  .dw_bytes = dw_bytes,
  .transpose = cg_shared_transpose,
  .outer = cg_shared_outer,
  .sum_bytes = sum_bytes,
  .sum_at = sum_at,
  .sum_load = sum_load,
  .sum_store = cg_store,
  .sum_add = sum_add,
  .sum_add_product = sum_add_product,
  .sum_close = cg_shared_reduce,
  .array_bytes = array_bytes,
  .load = load,
  .store = store,
  .zero = zero,
  .copy = copy,
  .move = move,
};
