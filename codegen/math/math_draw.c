/* Random numbers: Philox4x32-10 (J. K. Salmon et al., SC'11) on vectors of blocks, and what draws are made of its words.
 *
 * A block is two draws, of the elements 2k and 2k + 1; the counters are those of runtime.h's rt_draw64. The words of a block
 * lie in 64-bit lanes, in whose lower halves they are: that is where a product of 32 bits takes its operands and leaves what goes on, so
 * that a round is two products, two shifts and the sums; above a word lies anything. Uniform draws are those of the runtime bit
 * for bit; normal ones are its formula by other kernels. Neither depends on the length of vectors. */
#include "codegen/math/math_priv.h"

#include <math.h>

static V words(CgEmit *e, uint64_t v, unsigned n) { return cg_splat(e, cg_i64(e, (int64_t)v), n); }
static V low(CgEmit *e, V x, unsigned n) { return LLVMBuildAnd(e->b, x, words(e, 0xffffffff, n), ""); }
static V shifted(CgEmit *e, V x, uint64_t by, unsigned n) { return LLVMBuildLShr(e->b, x, words(e, by, n), ""); }

static V product(CgEmit *e, V x, uint64_t m, unsigned n) { return LLVMBuildMul(e->b, low(e, x, n), words(e, m, n), ""); }

/* The upper half of p, x and the key. */
static V mixed(CgEmit *e, V p, V x, V key, unsigned n) {
  V keyed = LLVMBuildXor(e->b, x, cg_splat(e, key, n), "");
  return LLVMBuildXor(e->b, shifted(e, p, 32, n), keyed, "");
}

static V next_key(CgEmit *e, V key, uint64_t step) {
  return LLVMBuildAnd(e->b, LLVMBuildAdd(e->b, key, cg_i64(e, (int64_t)step), ""), cg_i64(e, 0xffffffff), "");
}

static void philox(CgEmit *e, V seed, V c[4], unsigned n) {
  V k0 = LLVMBuildAnd(e->b, seed, cg_i64(e, 0xffffffff), ""), k1 = LLVMBuildLShr(e->b, seed, cg_i64(e, 32), "");
  for (int round = 0; round < 10; round++) {
    V a = product(e, c[0], 0xD2511F53u, n), b = product(e, c[2], 0xCD9E8D57u, n);
    c[0] = mixed(e, b, c[1], k0, n);
    c[2] = mixed(e, a, c[3], k1, n);
    c[1] = b, c[3] = a;
    k0 = next_key(e, k0, 0x9E3779B9u), k1 = next_key(e, k1, 0xBB67AE85u);
  }
}

/* 53 bits of a draw's two words, the lower one first; in [0, 1). */
static V unit(const Ew *d, V lower, V upper) {
  V up = LLVMBuildShl(d->b, upper, words(d->e, 32, d->n), ""), all = LLVMBuildOr(d->b, up, low(d->e, lower, d->n), "");
  V whole = LLVMBuildSIToFP(d->b, shifted(d->e, all, 11, d->n), cg_real_type(d->e, d->n), "");
  return mul(d, whole, K(d, 0x1p-53));
}

/* 24 bits of the upper word. */
static V short_unit(const Ew *m, V upper) {
  V top = shifted(m->e, low(m->e, upper, m->n), 8, m->n);
  V whole = LLVMBuildSIToFP(m->b, LLVMBuildTrunc(m->b, top, cg_int_type(m->e, m->n), ""), cg_real_type(m->e, m->n), "");
  return mul(m, whole, K(m, 0x1p-24));
}

/* Box and Muller, in double, where 1 - u is exact and at least 2^-53. */
static void normal_pair(const Ew *d, V u, V v, V out[2]) {
  V cosine, sine, l = math_log_normal(d, sub(d, K(d, 1), u)), r = math_sqrt(d, mul(d, l, K(d, -2)));
  math_turn(d, v, &cosine, &sine);
  out[0] = mul(d, r, cosine);
  out[1] = mul(d, r, sine);
}

void cg_draw(CgEmit *e, int kind, V seed, V sample, V counter, V last, V out[2]) {
  LLVMTypeRef t = LLVMTypeOf(sample);
  unsigned n = LLVMGetTypeKind(t) == LLVMVectorTypeKind ? LLVMGetVectorSize(t) : 1;
  CgEmit wide = math_double(e);
  Ew d = math_ew(&wide, cg_real(&wide, 0, n)), m = math_ew(e, cg_real(e, 0, n));
  V c[4] = {sample, shifted(e, sample, 32, n), counter, last};
  philox(e, seed, c, n);
  if (!kind && !e->f64) {
    out[0] = short_unit(&m, c[1]), out[1] = short_unit(&m, c[3]);
    return;
  }
  out[0] = unit(&d, c[0], c[1]), out[1] = unit(&d, c[2], c[3]);
  if (kind) normal_pair(&d, out[0], out[1], out);
  for (int k = 0; k < 2 && !e->f64; k++) out[k] = LLVMBuildFPTrunc(e->b, out[k], cg_real_type(e, n), "");
}
