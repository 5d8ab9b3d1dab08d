/* The helpers of emit.h: types, constants, memory, loops. Nothing here knows the graph IR. */
#include "codegen/emit/emit.h"

#include <string.h>
#include <xxhash.h>

/* ---- types and constants ------------------------------------------------------------------------- */

static LLVMTypeRef lanes_of(LLVMTypeRef t, unsigned lanes) { return lanes > 1 ? LLVMVectorType(t, lanes) : t; }

LLVMTypeRef cg_real_type(CgEmit *e, unsigned lanes) { return lanes_of(e->real, lanes); }
LLVMTypeRef cg_int_type(CgEmit *e, unsigned lanes) { return lanes_of(e->f64 ? e->i64 : e->i32, lanes); }
LLVMTypeRef cg_bool_type(CgEmit *e, unsigned lanes) { return lanes_of(e->i1, lanes); }

static LLVMValueRef const_splat(LLVMValueRef c, unsigned lanes) {
  LLVMValueRef v[64];
  if (lanes <= 1) return c;
  for (unsigned i = 0; i < lanes; i++) v[i] = c;
  return LLVMConstVector(v, lanes);
}

LLVMValueRef cg_real(CgEmit *e, double v, unsigned lanes) { return const_splat(LLVMConstReal(e->real, v), lanes); }
LLVMValueRef cg_bits(CgEmit *e, uint64_t v, unsigned lanes) { return const_splat(LLVMConstInt(cg_int_type(e, 1), v, 0), lanes); }
LLVMValueRef cg_i64(CgEmit *e, int64_t v) { return LLVMConstInt(e->i64, (uint64_t)v, 1); }
LLVMValueRef cg_i32(CgEmit *e, int32_t v) { return LLVMConstInt(e->i32, (uint64_t)(int64_t)v, 1); }

/* Arrays of equal contents are one: it is found again by their hash. */
static LLVMValueRef private_array(CgEmit *e, LLVMValueRef *c, LLVMTypeRef elem, size_t n, XXH128_hash_t h) {
  char name[64];
  snprintf(name, sizeof name, "table.%016llx%016llx", (unsigned long long)h.high64, (unsigned long long)h.low64);
  LLVMValueRef g = LLVMGetNamedGlobal(e->mod, name), init = LLVMConstArray2(elem, c, n);
  if (g && LLVMGetInitializer(g) == init) return g;
  g = LLVMAddGlobal(e->mod, LLVMTypeOf(init), name);
  LLVMSetInitializer(g, init);
  LLVMSetGlobalConstant(g, 1);
  LLVMSetLinkage(g, LLVMPrivateLinkage);
  LLVMSetUnnamedAddress(g, LLVMGlobalUnnamedAddr);
  LLVMSetAlignment(g, 64);
  return g;
}

LLVMValueRef cg_const_array(CgEmit *e, const double *v, size_t n) {
  LLVMValueRef *c = base_realloc(NULL, sizeof *c * (n ? n : 1));
  for (size_t i = 0; i < n; i++) c[i] = LLVMConstReal(e->real, v[i]);
  LLVMValueRef g = private_array(e, c, e->real, n, XXH3_128bits(v, n * sizeof *v));
  base_free(c);
  return g;
}

LLVMValueRef cg_const_ints(CgEmit *e, const int64_t *v, size_t n) {
  LLVMValueRef *c = base_realloc(NULL, sizeof *c * (n ? n : 1));
  for (size_t i = 0; i < n; i++) c[i] = cg_i64(e, v[i]);
  LLVMValueRef g = private_array(e, c, e->i64, n, XXH3_128bits(v, n * sizeof *v));
  base_free(c);
  return g;
}

/* ---- values ------------------------------------------------------------------------------------------ */

LLVMValueRef cg_splat(CgEmit *e, LLVMValueRef scalar, unsigned lanes) {
  if (lanes <= 1) return scalar;
  if (LLVMIsConstant(scalar)) return const_splat(scalar, lanes);
  LLVMTypeRef v = LLVMVectorType(LLVMTypeOf(scalar), lanes);
  LLVMValueRef one = LLVMBuildInsertElement(e->b, LLVMGetPoison(v), scalar, cg_i32(e, 0), "");
  LLVMValueRef zeros = LLVMConstNull(LLVMVectorType(e->i32, lanes));
  return LLVMBuildShuffleVector(e->b, one, LLVMGetPoison(v), zeros, "");
}

LLVMValueRef cg_intrinsic(CgEmit *e, const char *name, LLVMTypeRef *types, unsigned ntypes, LLVMValueRef *args, unsigned nargs) {
  unsigned id = LLVMLookupIntrinsicID(name, strlen(name));
  if (!id) base_fault("LLVM does not know the intrinsic %s", name);
  LLVMValueRef f = LLVMGetIntrinsicDeclaration(e->mod, id, types, ntypes);
  return LLVMBuildCall2(e->b, LLVMGlobalGetValueType(f), f, args, nargs, "");
}

LLVMValueRef cg_shuffle(CgEmit *e, LLVMValueRef a, LLVMValueRef b, const int *mask, unsigned n) {
  LLVMValueRef m[64];
  for (unsigned i = 0; i < n; i++) m[i] = mask[i] < 0 ? LLVMGetPoison(e->i32) : cg_i32(e, mask[i]);
  return LLVMBuildShuffleVector(e->b, a, b, LLVMConstVector(m, n), "");
}

LLVMValueRef cg_sum_lanes(CgEmit *e, LLVMValueRef v, unsigned lanes) {
  int lo[64], hi[64];
  for (; lanes > 1; lanes /= 2) {
    for (unsigned i = 0; i < lanes / 2; i++) lo[i] = (int)i, hi[i] = (int)(i + lanes / 2);
    LLVMValueRef none = LLVMGetPoison(LLVMTypeOf(v));
    LLVMValueRef a = cg_shuffle(e, v, none, lo, lanes / 2), b = cg_shuffle(e, v, none, hi, lanes / 2);
    v = LLVMBuildFAdd(e->b, a, b, "");
    if (lanes == 2) v = LLVMBuildExtractElement(e->b, v, cg_i32(e, 0), "");
  }
  return v;
}

bool cg_is_int(LLVMValueRef v, int64_t *out) {
  if (!LLVMIsAConstantInt(v)) return false;
  *out = LLVMConstIntGetSExtValue(v);
  return true;
}

LLVMValueRef cg_iadd(CgEmit *e, LLVMValueRef a, LLVMValueRef b) {
  int64_t k;
  if (cg_is_int(a, &k) && k == 0) return b;
  if (cg_is_int(b, &k) && k == 0) return a;
  return LLVMBuildNSWAdd(e->b, a, b, "");
}

LLVMValueRef cg_imul(CgEmit *e, LLVMValueRef a, LLVMValueRef b) {
  int64_t k;
  if (cg_is_int(a, &k) && (k == 0 || k == 1)) return k ? b : a;
  if (cg_is_int(b, &k) && (k == 0 || k == 1)) return k ? a : b;
  return LLVMBuildNSWMul(e->b, a, b, "");
}

/* ---- memory ------------------------------------------------------------------------------------------- */

LLVMValueRef cg_gep(CgEmit *e, LLVMValueRef p, LLVMValueRef reals) {
  int64_t k;
  if (cg_is_int(reals, &k) && k == 0) return p;
  return LLVMBuildInBoundsGEP2(e->b, e->real, p, &reals, 1, "");
}

LLVMValueRef cg_gep_bytes(CgEmit *e, LLVMValueRef p, LLVMValueRef bytes) {
  int64_t k;
  if (cg_is_int(bytes, &k) && k == 0) return p;
  return LLVMBuildInBoundsGEP2(e->b, e->i8, p, &bytes, 1, "");
}

LLVMValueRef cg_load(CgEmit *e, LLVMValueRef p, unsigned lanes) {
  LLVMValueRef v = LLVMBuildLoad2(e->b, cg_real_type(e, lanes), p, "");
  LLVMSetAlignment(v, e->es);
  return v;
}

LLVMValueRef cg_store(CgEmit *e, LLVMValueRef v, LLVMValueRef p) {
  LLVMValueRef store = LLVMBuildStore(e->b, v, p);
  LLVMSetAlignment(store, e->es);
  return store;
}

static LLVMValueRef first_lanes(CgEmit *e, unsigned lanes, unsigned n) {
  LLVMValueRef m[64];
  for (unsigned k = 0; k < lanes; k++) m[k] = LLVMConstInt(e->i1, k < n, 0);
  return LLVMConstVector(m, lanes);
}

static LLVMValueRef load_first(CgEmit *e, LLVMValueRef p, LLVMTypeRef t, unsigned align, unsigned lanes, unsigned n) {
  LLVMValueRef arg[4] = {p, cg_i32(e, (int32_t)align), first_lanes(e, lanes, n), LLVMConstNull(t)};
  return cg_intrinsic(e, "llvm.masked.load", (LLVMTypeRef[]){t, e->ptr}, 2, arg, 4);
}

static void store_first(CgEmit *e, LLVMValueRef v, LLVMValueRef p, unsigned align, unsigned lanes, unsigned n) {
  LLVMValueRef arg[4] = {v, p, cg_i32(e, (int32_t)align), first_lanes(e, lanes, n)};
  cg_intrinsic(e, "llvm.masked.store", (LLVMTypeRef[]){LLVMTypeOf(v), e->ptr}, 2, arg, 4);
}

LLVMValueRef cg_load_part(CgEmit *e, LLVMValueRef p, unsigned lanes, unsigned n) {
  return n == lanes ? cg_load(e, p, lanes) : load_first(e, p, cg_real_type(e, lanes), e->es, lanes, n);
}

void cg_store_part(CgEmit *e, LLVMValueRef v, LLVMValueRef p, unsigned lanes, unsigned n) {
  if (n == lanes) cg_store(e, v, p);
  else store_first(e, v, p, e->es, lanes, n);
}

LLVMValueRef cg_load_bool_part(CgEmit *e, LLVMValueRef p, unsigned lanes, unsigned n) {
  LLVMTypeRef t = lanes_of(e->i8, lanes);
  if (n == lanes) return cg_load_bool(e, p, lanes);
  return LLVMBuildICmp(e->b, LLVMIntNE, load_first(e, p, t, 1, lanes, n), LLVMConstNull(t), "");
}

void cg_store_bool_part(CgEmit *e, LLVMValueRef v, LLVMValueRef p, unsigned lanes, unsigned n) {
  if (n == lanes) cg_store_bool(e, v, p, lanes);
  else store_first(e, LLVMBuildZExt(e->b, v, lanes_of(e->i8, lanes), ""), p, 1, lanes, n);
}

LLVMValueRef cg_load_bool(CgEmit *e, LLVMValueRef p, unsigned lanes) {
  LLVMTypeRef t = lanes_of(e->i8, lanes);
  LLVMValueRef v = LLVMBuildLoad2(e->b, t, p, "");
  LLVMSetAlignment(v, 1);
  return LLVMBuildICmp(e->b, LLVMIntNE, v, LLVMConstNull(t), "");
}

void cg_store_bool(CgEmit *e, LLVMValueRef v, LLVMValueRef p, unsigned lanes) {
  LLVMSetAlignment(LLVMBuildStore(e->b, LLVMBuildZExt(e->b, v, lanes_of(e->i8, lanes), ""), p), 1);
}

LLVMValueRef cg_alloca(CgEmit *e, int64_t bytes) {
  LLVMBasicBlockRef here = LLVMGetInsertBlock(e->b), entry = LLVMGetEntryBasicBlock(e->fn);
  LLVMValueRef first = LLVMGetFirstInstruction(entry);
  if (first) LLVMPositionBuilderBefore(e->b, first);
  else LLVMPositionBuilderAtEnd(e->b, entry);
  LLVMValueRef a = LLVMBuildAlloca(e->b, LLVMArrayType2(e->i8, (uint64_t)bytes), "");
  LLVMSetAlignment(a, 64);
  LLVMPositionBuilderAtEnd(e->b, here);
  return a;
}

/* ---- control --------------------------------------------------------------------------------------------- */

LLVMBasicBlockRef cg_block(CgEmit *e, const char *name) { return LLVMAppendBasicBlockInContext(e->ctx, e->fn, name); }

/* Instructions are added at the end of a block, so that only the new ones are counted. */
void cg_break_block(CgEmit *e) {
  LLVMBasicBlockRef b = LLVMGetInsertBlock(e->b);
  if (e->counted != b) e->counted = b, e->counted_last = NULL, e->ncounted = 0;
  LLVMValueRef i = e->counted_last ? LLVMGetNextInstruction(e->counted_last) : LLVMGetFirstInstruction(b);
  for (; i; i = LLVMGetNextInstruction(i)) e->counted_last = i, e->ncounted++;
  if (e->ncounted <= e->block_limit) return;
  LLVMBasicBlockRef next = cg_block(e, "");
  LLVMBuildBr(e->b, next);
  LLVMPositionBuilderAtEnd(e->b, next);
}

void cg_erase(CgEmit *e, LLVMValueRef inst) {
  if (e->counted_last == inst) e->counted_last = LLVMGetPreviousInstruction(inst), e->ncounted--;
  LLVMInstructionEraseFromParent(inst);
}

void cg_loop_begin_if(CgEmit *e, CgLoop *l, LLVMValueRef enter, LLVMValueRef lo, LLVMValueRef hi, int64_t step) {
  l->phi = l->next = l->init = NULL, l->nphi = l->room = 0, l->stop = NULL;
  l->lo = lo, l->hi = hi, l->step = cg_i64(e, step);
  l->pre = LLVMGetInsertBlock(e->b);
  l->body = cg_block(e, "");
  l->enter = enter, l->after = enter ? cg_block(e, "") : NULL;
  if (enter) LLVMBuildCondBr(e->b, enter, l->body, l->after);
  else LLVMBuildBr(e->b, l->body);
  LLVMPositionBuilderAtEnd(e->b, l->body);
  l->iv = LLVMBuildPhi(e->b, e->i64, "");
  LLVMAddIncoming(l->iv, &lo, &l->pre, 1);
}

void cg_loop_begin(CgEmit *e, CgLoop *l, LLVMValueRef lo, LLVMValueRef hi, int64_t step) {
  cg_loop_begin_if(e, l, NULL, lo, hi, step);
}

static LLVMValueRef *grown(CgEmit *e, const LLVMValueRef *old, unsigned n, unsigned room) {
  LLVMValueRef *v = ARENA_ARRAY(e->mem, LLVMValueRef, room);
  if (n) memcpy(v, old, n * sizeof(LLVMValueRef));
  return v;
}

LLVMValueRef cg_loop_phi(CgEmit *e, CgLoop *l, LLVMValueRef init) {
  if (l->nphi == l->room) {
    l->room = l->room ? 2 * l->room : 8;
    l->phi = grown(e, l->phi, l->nphi, l->room), l->next = grown(e, l->next, l->nphi, l->room);
    l->init = grown(e, l->init, l->nphi, l->room);
  }
  LLVMValueRef p = LLVMBuildPhi(e->b, LLVMTypeOf(init), "");
  LLVMAddIncoming(p, &init, &l->pre, 1);
  l->next[l->nphi] = p, l->init[l->nphi] = init;
  return l->phi[l->nphi++] = p;
}

void cg_loop_next(CgLoop *l, unsigned number, LLVMValueRef v) { l->next[number] = v; }

/* Behind a loop that may have had no turn: what is carried around it as it came in, or after the last turn. */
static void loop_merge(CgEmit *e, CgLoop *l, LLVMBasicBlockRef last) {
  for (unsigned k = 0; k < l->nphi; k++) {
    LLVMValueRef both = LLVMBuildPhi(e->b, LLVMTypeOf(l->init[k]), "");
    LLVMAddIncoming(both, (LLVMValueRef[]){l->init[k], l->next[k]}, (LLVMBasicBlockRef[]){l->pre, last}, 2);
    l->next[k] = both;
  }
}

void cg_loop_end(CgEmit *e, CgLoop *l) {
  LLVMValueRef next = LLVMBuildNSWAdd(e->b, l->iv, l->step, "");
  LLVMBasicBlockRef cur = LLVMGetInsertBlock(e->b), after = l->enter ? l->after : cg_block(e, "");
  if (l->enter) LLVMMoveBasicBlockAfter(after, cur);
  LLVMValueRef more = LLVMBuildICmp(e->b, LLVMIntSLT, next, l->hi, "");
  if (l->stop) more = LLVMBuildAnd(e->b, more, LLVMBuildNot(e->b, l->stop, ""), "");
  LLVMBuildCondBr(e->b, more, l->body, after);
  LLVMAddIncoming(l->iv, &next, &cur, 1);
  for (unsigned k = 0; k < l->nphi; k++) LLVMAddIncoming(l->phi[k], &l->next[k], &cur, 1);
  LLVMPositionBuilderAtEnd(e->b, after);
  if (l->enter) loop_merge(e, l, cur);
}
