/* Functions that other programs call by name: their pointers become the arrays that the engine takes. */
#include "codegen/gen/gen.h"

#include <stdlib.h>
#include <string.h>

/* Parameters that are taken one after the other. */
typedef struct Taken {
  CgEmit *e;
  unsigned next;
} Taken;

static LLVMValueRef take(Taken *t) { return LLVMGetParam(t->e->fn, t->next++); }

/* An array in the caller's frame, and a store to an element of it. */
static LLVMValueRef array(CgEmit *e, LLVMTypeRef type, int n) { return LLVMBuildArrayAlloca(e->b, type, cg_i32(e, n), ""); }

static void set(CgEmit *e, LLVMTypeRef type, LLVMValueRef array, int k, LLVMValueRef v) {
  LLVMValueRef at = cg_i32(e, k);
  LLVMBuildStore(e->b, v, LLVMBuildGEP2(e->b, type, array, &at, 1, ""));
}

/* n parameters as {pointer, 0}, and one more of NULL. */
static LLVMValueRef arrays(Taken *t, int n) {
  CgEmit *e = t->e;
  LLVMTypeRef part[2] = {e->ptr, e->i64}, type = LLVMStructTypeInContext(e->ctx, part, 2, false);
  LLVMValueRef out = array(e, type, n + 1);
  for (int k = 0; k <= n; k++) {
    LLVMValueRef pair = LLVMConstNull(type);
    if (k < n) pair = LLVMBuildInsertValue(e->b, pair, take(t), 0, "");
    set(e, type, out, k, pair);
  }
  return out;
}

static void finish(CgEmit *e, const CgWrapper *w, LLVMValueRef *arg, unsigned n) {
  LLVMTypeRef type[8];
  for (unsigned k = 0; k < n; k++) type[k] = LLVMTypeOf(arg[k]);
  LLVMTypeRef callee = LLVMFunctionType(e->i32, type, n, false);
  LLVMValueRef to = LLVMGetNamedFunction(e->mod, w->to);
  if (!to) to = LLVMAddFunction(e->mod, w->to, callee);
  LLVMSetVisibility(to, LLVMHiddenVisibility);
  LLVMBuildRet(e->b, LLVMBuildCall2(e->b, callee, to, arg, n, ""));
}

static void write_call(CgEmit *e, const CgWrapper *w) {
  Taken t = {e, 0};
  LLVMValueRef m = take(&t), n = take(&t), in = arrays(&t, w->nin[0]), out = arrays(&t, w->nout);
  finish(e, w, (LLVMValueRef[]){m, cg_i32(e, w->number), n, cg_i64(e, 0), in, out}, 6);
}

static void write_step(CgEmit *e, const CgWrapper *w) {
  Taken t = {e, 0};
  LLVMValueRef m = take(&t), n = array(e, e->i64, w->nset), in = array(e, e->ptr, w->nset);
  for (int k = 0; k < w->nset; k++) {
    set(e, e->i64, n, k, take(&t));
    set(e, e->ptr, in, k, arrays(&t, w->nin[k]));
  }
  LLVMValueRef lr = take(&t), loss = take(&t);
  finish(e, w, (LLVMValueRef[]){m, cg_i32(e, w->number), n, in, lr, loss}, 6);
}

void gen_wrapper(CgEmit *e, const CgWrapper *w) {
  unsigned n = 0, most = 1;
  for (int k = 0; k < w->nset; k++) most += 1 + (unsigned)w->nin[k];
  LLVMTypeRef *type = base_zeroed(most + 2 + (unsigned)w->nout, sizeof *type);
  type[n++] = e->ptr;
  for (int k = 0; k < w->nset; k++) {
    type[n++] = e->i64;
    for (int i = 0; i < w->nin[k]; i++) type[n++] = e->ptr;
  }
  if (w->step) type[n++] = LLVMDoubleTypeInContext(e->ctx), type[n++] = e->ptr;
  for (int k = 0; k < w->nout; k++) type[n++] = e->ptr;
  e->fn = cg_function(e, w->symbol, LLVMFunctionType(e->i32, type, n, false), false);
  base_free(type);
  LLVMPositionBuilderAtEnd(e->b, cg_block(e, "entry"));
  if (w->step) write_step(e, w);
  else write_call(e, w);
}
