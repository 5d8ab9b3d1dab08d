/* What processors can do beyond LLVM's arithmetic, and the values that are made with it. */
#include "codegen/target/target_priv.h"

#include <string.h>

/* ---- x86-64 ---------------------------------------------------------------------------------------------- */

/* One whole register of AVX-512, which has instructions for more than arithmetic. */
static bool is_zmm(const CgEmit *e, unsigned n) { return e->target->bits == 512 && n * e->es == 64; }

/* LLVM makes a permutation by a register of indices of such a shuffle of reals, whatever type it is written in. That takes
 * a Zen 4 twice as long as the alignment, and a copy of a. */
static LLVMValueRef zmm_align(CgEmit *e, LLVMValueRef a, LLVMValueRef b, unsigned first, unsigned n) {
  char text[64];
  LLVMTypeRef t = LLVMTypeOf(a), type = LLVMFunctionType(t, (LLVMTypeRef[]){t, t}, 2, 0);
  if (!is_zmm(e, n)) return NULL;
  snprintf(text, sizeof text, "valign%c $$%u, $1, $2, $0", e->f64 ? 'q' : 'd', first);
  LLVMValueRef align = LLVMGetInlineAsm(type, text, strlen(text), "=v,v,v", 6, 0, 0, LLVMInlineAsmDialectATT, 0);
  return LLVMBuildCall2(e->b, type, align, (LLVMValueRef[]){a, b}, 2, "");
}

static LLVMValueRef all_lanes(CgEmit *e) { return LLVMConstAllOnes(e->f64 ? e->i8 : LLVMInt16TypeInContext(e->ctx)); }
static LLVMValueRef rounding(CgEmit *e) { return cg_i32(e, 4); } /* as the control register says */

static LLVMValueRef zmm_rsqrt(CgEmit *e, LLVMValueRef x) {
  const char *name = e->f64 ? "llvm.x86.avx512.rsqrt14.pd.512" : "llvm.x86.avx512.rsqrt14.ps.512";
  return cg_intrinsic(e, name, NULL, 0, (LLVMValueRef[]){x, LLVMConstNull(LLVMTypeOf(x)), all_lanes(e)}, 3);
}

static LLVMValueRef zmm_smaller(CgEmit *e, LLVMValueRef x, LLVMValueRef most) {
  enum { SMALLER = 2, ITS_SIGN = 4 };
  const char *name = e->f64 ? "llvm.x86.avx512.mask.range.pd.512" : "llvm.x86.avx512.mask.range.ps.512";
  LLVMValueRef imm = cg_i32(e, SMALLER | ITS_SIGN);
  return cg_intrinsic(e, name, NULL, 0, (LLVMValueRef[]){x, most, imm, x, all_lanes(e), rounding(e)}, 6);
}

static LLVMValueRef zmm_scale(CgEmit *e, LLVMValueRef x, LLVMValueRef k) {
  const char *name = e->f64 ? "llvm.x86.avx512.mask.scalef.pd.512" : "llvm.x86.avx512.mask.scalef.ps.512";
  return cg_intrinsic(e, name, NULL, 0, (LLVMValueRef[]){x, k, LLVMConstNull(LLVMTypeOf(x)), all_lanes(e), rounding(e)}, 5);
}

const CgInstructions target_x86 = {
  .hidden = "=x,0", .align = zmm_align, .estimates = is_zmm, .rsqrt = zmm_rsqrt, .smaller = zmm_smaller, .scale = zmm_scale};

/* ---- aarch64 --------------------------------------------------------------------------------------------- */

const CgInstructions target_aarch64 = {.hidden = "=w,0"};

/* ---- values ---------------------------------------------------------------------------------------------- */

LLVMValueRef cg_fma(CgEmit *e, LLVMValueRef a, LLVMValueRef x, LLVMValueRef c) {
  LLVMTypeRef t = LLVMTypeOf(c);
  return cg_intrinsic(e, e->target->fma ? "llvm.fma" : "llvm.fmuladd", &t, 1, (LLVMValueRef[]){a, x, c}, 3);
}

LLVMValueRef cg_hide(CgEmit *e, LLVMValueRef v) {
  const char *constraint = e->target->instruction->hidden;
  LLVMTypeRef t = LLVMTypeOf(v), type = LLVMFunctionType(t, &t, 1, 0);
  LLVMValueRef nothing = LLVMGetInlineAsm(type, "", 0, constraint, strlen(constraint), 1, 0, LLVMInlineAsmDialectATT, 0);
  return LLVMBuildCall2(e->b, type, nothing, &v, 1, "");
}

LLVMValueRef cg_align(CgEmit *e, LLVMValueRef a, LLVMValueRef b, unsigned first, unsigned n) {
  const CgInstructions *i = e->target->instruction;
  LLVMValueRef x = i->align ? i->align(e, a, b, first, n) : NULL;
  int mask[64];
  for (unsigned k = 0; k < n; k++) mask[k] = (int)(first + k);
  return x ? x : cg_shuffle(e, a, b, mask, n);
}

bool cg_estimates(const CgEmit *e, unsigned n) {
  const CgInstructions *i = e->target->instruction;
  return i->estimates && i->estimates(e, n);
}

/* ---- functions --------------------------------------------------------------------------------------------- */

static void attribute(CgEmit *e, LLVMValueRef f, unsigned at, const char *name) {
  unsigned kind = LLVMGetEnumAttributeKindForName(name, strlen(name));
  if (kind) LLVMAddAttributeAtIndex(f, at, LLVMCreateEnumAttribute(e->ctx, kind, 0));
}

static void attribute_text(CgEmit *e, LLVMValueRef f, const char *name, const char *value) {
  LLVMAddAttributeAtIndex(f, LLVMAttributeFunctionIndex,
                          LLVMCreateStringAttribute(e->ctx, name, (unsigned)strlen(name), value, (unsigned)strlen(value)));
}

LLVMValueRef cg_function(CgEmit *e, const char *name, LLVMTypeRef type, bool internal) {
  LLVMValueRef f = LLVMAddFunction(e->mod, name, type);
  char width[16];
  snprintf(width, sizeof width, "%u", e->target->bits);
  if (internal) LLVMSetLinkage(f, LLVMInternalLinkage);
  attribute(e, f, LLVMAttributeFunctionIndex, "nounwind");
  attribute_text(e, f, "prefer-vector-width", width);
  attribute_text(e, f, "min-legal-vector-width", width);
  return f;
}
