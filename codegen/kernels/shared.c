/* Pieces of code that several places of a module need alike: written once as internal functions, found
 * again by a name that holds everything that is fixed in them. */
#include "codegen/kernels/kernels.h"
#include "codegen/gen/gen_priv.h"
#include "codegen/math/math.h"

#include <string.h>

typedef struct Saved {
  LLVMBasicBlockRef at;
  LLVMValueRef fn;
} Saved;

/* True if the function is new: the builder then stands at its start, until shared_end. */
static bool shared_begin(CgEmit *e, const char *name, unsigned nargs, LLVMTypeRef *args, LLVMValueRef *fn, Saved *s) {
  *fn = LLVMGetNamedFunction(e->mod, name);
  if (*fn) return false;
  *s = (Saved){LLVMGetInsertBlock(e->b), e->fn};
  *fn = e->fn = cg_function(e, name, LLVMFunctionType(e->voidt, args, nargs, 0), true);
  LLVMPositionBuilderAtEnd(e->b, cg_block(e, ""));
  return true;
}

static void shared_end(CgEmit *e, const Saved *s) {
  LLVMBuildRetVoid(e->b);
  e->fn = s->fn;
  LLVMPositionBuilderAtEnd(e->b, s->at);
}

static void call(CgEmit *e, LLVMValueRef fn, LLVMValueRef *args, unsigned n) {
  LLVMBuildCall2(e->b, LLVMGlobalGetValueType(fn), fn, args, n, "");
}

void gen_transpose(Gen *g, LLVMValueRef x, LLVMValueRef ldx, int64_t k, LLVMValueRef xt, int64_t ldt) {
  CgEmit *e = g->e;
  char name[96];
  LLVMValueRef fn;
  Saved s;
  LLVMTypeRef args[3] = {e->ptr, e->i64, e->ptr};
  snprintf(name, sizeof name, "transpose.%u.%u.%u.%lld.%lld", e->es * 8, e->vl, e->tile, (long long)k, (long long)ldt);
  if (shared_begin(e, name, 3, args, &fn, &s)) {
    cg_transpose(e, LLVMGetParam(fn, 0), LLVMGetParam(fn, 1), k, e->tile, LLVMGetParam(fn, 2), ldt);
    shared_end(e, &s);
  }
  call(e, fn, (LLVMValueRef[]){x, ldx, xt}, 3);
}

/* Terms of a weight gradient are the first 3 n arguments: handed over, and as the function sees them. */
static void hand_over_terms(const CgEmit *e, const DwTerm *term, uint32_t n, LLVMTypeRef *type, LLVMValueRef *arg) {
  for (uint32_t t = 0; t < n; t++) {
    type[3 * t] = type[3 * t + 2] = e->ptr, type[3 * t + 1] = e->i64;
    arg[3 * t] = term[t].g, arg[3 * t + 1] = term[t].ldg, arg[3 * t + 2] = term[t].xt;
  }
}

static void take_terms(LLVMValueRef fn, uint32_t n, CgDwPair *pair) {
  for (uint32_t t = 0; t < n; t++)
    pair[t] =
        (CgDwPair){.g = LLVMGetParam(fn, 3 * t), .ldg = LLVMGetParam(fn, 3 * t + 1), .xt = LLVMGetParam(fn, 3 * t + 2), .R = 1};
}

/* d[m*ldd + k] += sum over terms, lanes of a tile of g[m*ldg + lane] * xt[lane*ldt + k] */
void gen_dw_call(Gen *g, int64_t m, int64_t k, const DwTerm *term, uint32_t n, const DwSum *sum) {
  CgEmit *e = g->e;
  char name[96];
  LLVMValueRef fn, arg[3 * PLAN_JOIN + 3];
  LLVMTypeRef type[3 * PLAN_JOIN + 3];
  CgDwPair pair[PLAN_JOIN];
  Saved s;
  if (n > PLAN_JOIN) base_fault("codegen: %u weight gradients joined, at most %d can be", n, PLAN_JOIN);
  hand_over_terms(e, term, n, type, arg);
  unsigned nargs = 3 * n, used = 0, set = 0;
  type[nargs] = e->ptr, arg[nargs++] = sum->d;
  if (sum->used) used = nargs, type[nargs] = e->i64, arg[nargs++] = sum->used;
  if (sum->set) set = nargs, type[nargs] = e->i1, arg[nargs++] = sum->set;
  snprintf(name, sizeof name, "dw.%u.%u.%u.%lld.%lld.%lld.%u%s%s", e->es * 8, e->vl, e->tile, (long long)m, (long long)k,
           (long long)sum->ldd, n, sum->used ? ".used" : "", sum->set ? ".set" : "");
  if (shared_begin(e, name, nargs, type, &fn, &s)) {
    take_terms(fn, n, pair);
    CgDw w = {.M = m, .K = k, .lanes = e->tile, .pair = pair, .npair = (int)n, .d = LLVMGetParam(fn, 3 * n), .ldd = sum->ldd};
    if (sum->used) w.used = LLVMGetParam(fn, used);
    if (sum->set) w.set = LLVMGetParam(fn, set);
    cg_dw(e, &w);
    shared_end(e, &s);
  }
  call(e, fn, arg, nargs);
}

/* The same for one sample; xt is then its x, in place. */
void gen_outer_call(Gen *g, int64_t m, int64_t k, const DwTerm *term, uint32_t n, LLVMValueRef d, int64_t ldd, bool set) {
  CgEmit *e = g->e;
  char name[128];
  LLVMValueRef fn, arg[3 * PLAN_JOIN + 1];
  LLVMTypeRef type[3 * PLAN_JOIN + 1];
  CgDwPair pair[PLAN_JOIN];
  Saved s;
  unsigned vl = e->vl;
  hand_over_terms(e, term, n, type, arg);
  type[3 * n] = e->ptr, arg[3 * n] = d;
  snprintf(name, sizeof name, "outer.%u.%lld.%lld.%lld.%u.%d", e->es * 8, (long long)m, (long long)k, (long long)ldd, n, set);
  if (shared_begin(e, name, 3 * n + 1, type, &fn, &s)) {
    take_terms(fn, n, pair);
    CgDw w = {.M = m,
              .K = k,
              .lanes = 1,
              .pair = pair,
              .npair = (int)n,
              .d = LLVMGetParam(fn, 3 * n),
              .ldd = ldd,
              .set = set ? LLVMConstInt(e->i1, 1, 0) : NULL};
    e->vl = g->machine_vl;
    cg_outer(e, &w);
    e->vl = vl;
    shared_end(e, &s);
  }
  call(e, fn, arg, 3 * n + 1);
}

void gen_gemv_call(Gen *g, const CgGemv *m) {
  CgEmit *e = g->e;
  char name[128];
  LLVMValueRef fn;
  Saved s;
  LLVMTypeRef args[3] = {e->ptr, e->ptr, e->ptr};
  unsigned vl = e->vl;
  snprintf(name, sizeof name, "gemv.%u.%lld.%lld.%lld.%lld.%lld", e->es * 8, (long long)m->M, (long long)m->K, (long long)m->as_i,
           (long long)m->as_k, (long long)m->x_k);
  if (shared_begin(e, name, 3, args, &fn, &s)) {
    CgGemv own = *m;
    own.a = LLVMGetParam(fn, 0), own.x = LLVMGetParam(fn, 1), own.y = LLVMGetParam(fn, 2);
    e->vl = g->machine_vl;
    cg_gemv(e, &own);
    e->vl = vl;
    shared_end(e, &s);
  }
  call(e, fn, (LLVMValueRef[]){m->a, m->x, m->y}, 3);
}

enum { INLINE_LIMIT = 64, SCALAR_LIMIT = 4 };

/* Long ops are written out where they stand, which is fastest, until a function has many of them: then
 * the time to compile counts more, and the rest become calls. Those of shared values, which run once a call and not
 * once a tile, are soon many. */
LLVMValueRef gen_ew_value(Gen *g, Op op, LLVMValueRef *args, uint32_t n) {
  CgEmit *e = g->e;
  char name[96];
  Saved s;
  LLVMValueRef fn;
  LLVMTypeRef t = LLVMTypeOf(args[0]), types[2] = {t, t};
  unsigned lanes = LLVMGetTypeKind(t) == LLVMVectorTypeKind ? LLVMGetVectorSize(t) : 1;
  if (!ir_has(op, OPF_SLOW) || g->inlined++ < (lanes > 1 ? INLINE_LIMIT : SCALAR_LIMIT)) return cg_ew(e, op, args);
  snprintf(name, sizeof name, "%s.%u.%u", ir_op[op].name, e->es * 8, lanes);
  fn = LLVMGetNamedFunction(e->mod, name);
  if (!fn) {
    s = (Saved){LLVMGetInsertBlock(e->b), e->fn};
    fn = e->fn = cg_function(e, name, LLVMFunctionType(t, types, n, 0), true);
    LLVMPositionBuilderAtEnd(e->b, cg_block(e, ""));
    LLVMBuildRet(e->b, cg_ew(e, op, (LLVMValueRef[]){LLVMGetParam(fn, 0), n > 1 ? LLVMGetParam(fn, 1) : NULL}));
    e->fn = s.fn;
    LLVMPositionBuilderAtEnd(e->b, s.at);
  }
  return LLVMBuildCall2(e->b, LLVMGlobalGetValueType(fn), fn, args, n, "");
}

/* for i < n: dst[i] = sum of acc[i*vl .. i*vl + vl): whole blocks of vl sums by a tree, the rest singly. */
static void write_reduce(CgEmit *e, LLVMValueRef acc, LLVMValueRef n, LLVMValueRef dst, bool blocks) {
  CgLoop *l = base_realloc(NULL, sizeof *l);
  LLVMBasicBlockRef some = cg_block(e, ""), after = cg_block(e, "");
  LLVMBuildCondBr(e->b, LLVMBuildICmp(e->b, LLVMIntSGT, n, cg_i64(e, 0), ""), some, after);
  LLVMPositionBuilderAtEnd(e->b, some);
  cg_loop_begin(e, l, cg_i64(e, 0), n, 1);
  LLVMValueRef from = cg_gep(e, acc, cg_imul(e, l->iv, cg_i64(e, (int64_t)e->vl * (blocks ? e->vl : 1))));
  LLVMValueRef to = cg_gep(e, dst, cg_imul(e, l->iv, cg_i64(e, blocks ? e->vl : 1)));
  if (blocks) cg_lane_reduce(e, from, e->vl, to, false);
  else cg_store(e, cg_sum_lanes(e, cg_load(e, from, e->vl), e->vl), to);
  cg_loop_end(e, l);
  LLVMBuildBr(e->b, after);
  LLVMPositionBuilderAtEnd(e->b, after);
  free(l);
}

void gen_lane_reduce_part(Gen *g, LLVMValueRef acc, LLVMValueRef n, LLVMValueRef dst, bool blocks) {
  CgEmit *e = g->e;
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

void gen_lane_reduce(Gen *g, LLVMValueRef acc, int64_t n, LLVMValueRef dst) {
  CgEmit *e = g->e;
  int64_t full = n / e->vl, rest = n % e->vl;
  if (full) gen_lane_reduce_part(g, acc, cg_i64(e, full), dst, true);
  if (rest)
    gen_lane_reduce_part(g, cg_gep(e, acc, cg_i64(e, full * e->vl * e->vl)), cg_i64(e, rest),
                         cg_gep(e, dst, cg_i64(e, full * e->vl)), false);
}
