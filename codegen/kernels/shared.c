/* Kernels that several places of a module need alike: written once as internal functions, found again by a name that holds
 * everything that is fixed in them, and called. */
#include "codegen/kernels/kernels_priv.h"

typedef struct Saved {
  LLVMBasicBlockRef at;
  LLVMValueRef fn;
  unsigned vl;
} Saved;

/* True if the function is new: the builder then stands at its start, until shared_end. */
static bool shared_begin(CgEmit *e, const char *name, unsigned nargs, LLVMTypeRef *args, LLVMValueRef *fn, Saved *s) {
  *fn = LLVMGetNamedFunction(e->mod, name);
  if (*fn) return false;
  *s = (Saved){LLVMGetInsertBlock(e->b), e->fn, e->vl};
  *fn = e->fn = cg_function(e, name, LLVMFunctionType(e->voidt, args, nargs, 0), true);
  LLVMPositionBuilderAtEnd(e->b, cg_block(e, ""));
  return true;
}

static void shared_end(CgEmit *e, const Saved *s) {
  LLVMBuildRetVoid(e->b);
  e->fn = s->fn, e->vl = s->vl;
  LLVMPositionBuilderAtEnd(e->b, s->at);
}

/* Where a tile is one sample, vectors run along elements. */
static void whole_vectors(CgEmit *e) { e->vl = cg_lanes(e->target, e->f64); }

static void call(CgEmit *e, LLVMValueRef fn, LLVMValueRef *args, unsigned n) {
  LLVMBuildCall2(e->b, LLVMGlobalGetValueType(fn), fn, args, n, "");
}

/* ---- products ------------------------------------------------------------------------------------------------ */

void cg_shared_transpose(CgEmit *e, LLVMValueRef x, LLVMValueRef ldx, int64_t k, LLVMValueRef xt) {
  char name[96];
  LLVMValueRef fn;
  Saved s;
  LLVMTypeRef args[3] = {e->ptr, e->i64, e->ptr};
  int64_t ldt = cg_dw_ldt(e, k);
  snprintf(name, sizeof name, "transpose.%u.%u.%u.%lld.%lld", e->es * 8, e->vl, e->tile, (long long)k, (long long)ldt);
  if (shared_begin(e, name, 3, args, &fn, &s)) {
    cg_transpose(e, LLVMGetParam(fn, 0), LLVMGetParam(fn, 1), k, e->tile, LLVMGetParam(fn, 2), ldt);
    shared_end(e, &s);
  }
  call(e, fn, (LLVMValueRef[]){x, ldx, xt}, 3);
}

/* Pairs of a weight gradient are the first 3 n arguments: handed over, and as the function sees them. */
static void hand_over_pairs(const CgEmit *e, const CgDw *w, LLVMTypeRef *type, LLVMValueRef *arg) {
  if (w->npair > CG_DW_PAIRS) base_fault("codegen: %d weight gradients joined, at most %d can be", w->npair, CG_DW_PAIRS);
  for (int t = 0; t < w->npair; t++) {
    if (w->pair[t].R != 1) base_fault("codegen: a weight gradient of several rows is no function");
    type[3 * t] = type[3 * t + 2] = e->ptr, type[3 * t + 1] = e->i64;
    arg[3 * t] = w->pair[t].g, arg[3 * t + 1] = w->pair[t].ldg, arg[3 * t + 2] = w->pair[t].xt;
  }
}

static void take_pairs(LLVMValueRef fn, unsigned n, CgDwPair *pair) {
  for (unsigned t = 0; t < n; t++)
    pair[t] =
        (CgDwPair){.g = LLVMGetParam(fn, 3 * t), .ldg = LLVMGetParam(fn, 3 * t + 1), .xt = LLVMGetParam(fn, 3 * t + 2), .R = 1};
}

void cg_shared_dw(CgEmit *e, const CgDw *w) {
  char name[96];
  LLVMValueRef fn, arg[3 * CG_DW_PAIRS + 3];
  LLVMTypeRef type[3 * CG_DW_PAIRS + 3];
  CgDwPair pair[CG_DW_PAIRS];
  Saved s;
  hand_over_pairs(e, w, type, arg);
  unsigned n = (unsigned)w->npair, nargs = 3 * n, used = 0, set = 0;
  type[nargs] = e->ptr, arg[nargs++] = w->d;
  if (w->used) used = nargs, type[nargs] = e->i64, arg[nargs++] = w->used;
  if (w->set) set = nargs, type[nargs] = e->i1, arg[nargs++] = w->set;
  snprintf(name, sizeof name, "dw.%u.%u.%u.%lld.%lld.%lld.%u%s%s", e->es * 8, e->vl, (unsigned)w->lanes, (long long)w->M,
           (long long)w->K, (long long)w->ldd, n, w->used ? ".used" : "", w->set ? ".set" : "");
  if (shared_begin(e, name, nargs, type, &fn, &s)) {
    CgDw own = *w;
    take_pairs(fn, n, pair);
    own.pair = pair, own.d = LLVMGetParam(fn, 3 * n);
    if (w->used) own.used = LLVMGetParam(fn, used);
    if (w->set) own.set = LLVMGetParam(fn, set);
    cg_dw(e, &own);
    shared_end(e, &s);
  }
  call(e, fn, arg, nargs);
}

void cg_shared_outer(CgEmit *e, const CgDw *w) {
  char name[128];
  LLVMValueRef fn, arg[3 * CG_DW_PAIRS + 1];
  LLVMTypeRef type[3 * CG_DW_PAIRS + 1];
  CgDwPair pair[CG_DW_PAIRS];
  Saved s;
  hand_over_pairs(e, w, type, arg);
  unsigned n = (unsigned)w->npair;
  type[3 * n] = e->ptr, arg[3 * n] = w->d;
  snprintf(name, sizeof name, "outer.%u.%lld.%lld.%lld.%u.%d", e->es * 8, (long long)w->M, (long long)w->K, (long long)w->ldd, n,
           w->set != NULL);
  if (shared_begin(e, name, 3 * n + 1, type, &fn, &s)) {
    CgDw own = *w;
    take_pairs(fn, n, pair);
    own.pair = pair, own.d = LLVMGetParam(fn, 3 * n);
    whole_vectors(e);
    cg_outer(e, &own);
    shared_end(e, &s);
  }
  call(e, fn, arg, 3 * n + 1);
}

void cg_shared_gemv(CgEmit *e, const CgGemv *m) {
  char name[128];
  LLVMValueRef fn;
  Saved s;
  LLVMTypeRef args[3] = {e->ptr, e->ptr, e->ptr};
  snprintf(name, sizeof name, "gemv.%u.%lld.%lld.%lld.%lld.%lld", e->es * 8, (long long)m->M, (long long)m->K, (long long)m->as_i,
           (long long)m->as_k, (long long)m->x_k);
  if (shared_begin(e, name, 3, args, &fn, &s)) {
    CgGemv own = *m;
    own.a = LLVMGetParam(fn, 0), own.x = LLVMGetParam(fn, 1), own.y = LLVMGetParam(fn, 2);
    whole_vectors(e);
    cg_gemv(e, &own);
    shared_end(e, &s);
  }
  call(e, fn, (LLVMValueRef[]){m->a, m->x, m->y}, 3);
}

/* ---- sums over tiles ------------------------------------------------------------------------------------------- */

/* for i < n: dst[i] = sum of acc[i*vl .. i*vl + vl): whole blocks of vl sums by a tree, the rest singly. */
static void write_reduce(CgEmit *e, LLVMValueRef acc, LLVMValueRef n, LLVMValueRef dst, bool blocks) {
  CgLoop *l = base_realloc(NULL, sizeof *l);
  LLVMBasicBlockRef some = cg_block(e, ""), after = cg_block(e, "");
  LLVMBuildCondBr(e->b, LLVMBuildICmp(e->b, LLVMIntSGT, n, cg_i64(e, 0), ""), some, after);
  LLVMPositionBuilderAtEnd(e->b, some);
  cg_loop_begin(e, l, cg_i64(e, 0), n, 1);
  LLVMValueRef from = cg_gep(e, acc, cg_imul(e, l->iv, cg_i64(e, (int64_t)e->vl * (blocks ? e->vl : 1))));
  LLVMValueRef to = cg_gep(e, dst, cg_imul(e, l->iv, cg_i64(e, blocks ? e->vl : 1)));
  if (blocks) cg_lane_reduce(e, from, e->vl, to);
  else cg_store(e, cg_sum_lanes(e, cg_load(e, from, e->vl), e->vl), to);
  cg_loop_end(e, l);
  LLVMBuildBr(e->b, after);
  LLVMPositionBuilderAtEnd(e->b, after);
  base_free(l);
}

void cg_shared_reduce(CgEmit *e, LLVMValueRef acc, LLVMValueRef n, LLVMValueRef dst, bool blocks) {
  char name[96];
  LLVMValueRef fn;
  Saved s;
  LLVMTypeRef args[3] = {e->ptr, e->i64, e->ptr};
  snprintf(name, sizeof name, "reduce.%u.%u.%d", e->es * 8, e->vl, blocks);
  if (shared_begin(e, name, 3, args, &fn, &s)) {
    write_reduce(e, LLVMGetParam(fn, 0), LLVMGetParam(fn, 1), LLVMGetParam(fn, 2), blocks);
    shared_end(e, &s);
  }
  call(e, fn, (LLVMValueRef[]){acc, n, dst}, 3);
}
