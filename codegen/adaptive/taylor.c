/* Steps by Taylor series, with the arithmetic of runtime/steppers/ode_taylor.inc: the body gives coefficients 1 ... p in powers of
 * (time - t)/h, where H is the last step, which are moved into arrays like stages; the step follows from the last two of them. Orders
 * are loops of the code here, as they are in the body. */
#include "codegen/adaptive/adaptive_priv.h"

enum { LONGER = 4 /* times the step before, at most */ };

static V coefficient_at(Loop *l, V m) { /* in bytes, from array 0 on; m = 1 ... */
  V array = cg_iadd(l->e, m, cg_i64(l->e, ODE_K - 1));
  return cg_imul(l->e, array, cg_i64(l->e, l->o->stride));
}

/* ---- coefficients ----------------------------------------------------------------------------------------------------------- */

/* From where the body left them, state by state. */
static void move(Loop *l) {
  CgEmit *e = l->e;
  CgLoop *loop = base_realloc(NULL, sizeof *loop);
  const int64_t row = l->o->lanes * e->es, all = l->o->dim * row;
  V from = gen_scratch(l->g, l->a->work + l->o->series);
  cg_loop_begin(e, loop, cg_i64(e, 1), cg_i64(e, (int64_t)l->o->order + 1), 1);
  V to = cg_gep_bytes(e, l->array, coefficient_at(l, loop->iv)), below = cg_iadd(e, loop->iv, cg_i64(e, -1));
  for (uint32_t k = 0; k < l->o->states; k++) {
    const int64_t bytes = (k + 1 < l->o->states ? l->o->off[k + 1] : all) - l->o->off[k];
    V at = cg_iadd(e, cg_imul(e, below, cg_i64(e, bytes)), cg_i64(e, l->o->off[k] * l->o->order));
    l->g->kernel->copy(e, cg_gep_bytes(e, to, cg_i64(e, l->o->off[k])), cg_gep_bytes(e, from, at), e->es, cg_i64(e, bytes));
  }
  cg_loop_end(e, loop);
  base_free(loop);
}

static void series(Loop *l) {
  CgEmit *e = l->e;
  V t = narrow(l, get(l, T)), h = narrow(l, get(l, H));
  cg_store(e, t, l->tr); /* of a single sample the step stands behind one time */
  cg_store(e, h, cg_gep_bytes(e, l->tr, cg_i64(e, l->o->lanes * e->es)));
  V arg[4] = {l->a->ctx, l->tr, whole(l, ODE_Y), gen_scratch(l->g, l->a->work + l->o->series)};
  LLVMBuildCall2(l->b, LLVMGlobalGetValueType(l->a->rates), l->a->rates, arg, 4, "");
  move(l);
}

static void norm_row(Loop *l, V at, CgLoop *loop, void *ctx) {
  V x = wide(l, size(l, cg_load(l->e, cg_gep_bytes(l->e, at, ctx), l->w)));
  x = gen_lane_if_watched(l, loop, x);
  cg_loop_next(loop, 0, pick(l, less(l, loop->phi[0], x), x, loop->phi[0]));
  cg_loop_next(loop, 1, add(l, loop->phi[1], sub(l, x, x)));
}

/* Of what the rows have of an array, given by its offset; NaN if one is not finite. */
static V greatest(Loop *l, RowFn row, V offset) {
  V sum[2];
  gen_lane_watched(l, row, 2, sum, offset);
  LLVMTypeRef t = LLVMTypeOf(sum[0]);
  if (l->o->lanes == 1 && l->w > 1) sum[0] = cg_splat(l->e, cg_intrinsic(l->e, "llvm.vector.reduce.fmax", &t, 1, &sum[0], 1), l->w);
  return add(l, sum[0], gen_lane_mean(l, sum[1]));
}

static V size_of(Loop *l) { return greatest(l, norm_row, cg_i64(l->e, ODE_Y * l->o->stride)); }
static V norm_of(Loop *l, V m) { return greatest(l, norm_row, coefficient_at(l, m)); }

/* The polynomial less its value at 0. */
static V moved(Loop *l, V at, V u) {
  CgEmit *e = l->e;
  CgLoop *loop = base_realloc(NULL, sizeof *loop);
  V top = cg_i64(e, l->o->order), v = cg_load(e, cg_gep_bytes(e, at, coefficient_at(l, top)), l->w);
  cg_loop_begin(e, loop, cg_i64(e, 1), top, 1);
  v = cg_loop_phi(e, loop, v);
  V x = cg_load(e, cg_gep_bytes(e, at, coefficient_at(l, LLVMBuildSub(l->b, top, loop->iv, ""))), l->w);
  cg_loop_next(loop, 0, cg_fma(e, u, v, x));
  cg_loop_end(e, loop);
  v = mul(l, u, loop->next[0]);
  base_free(loop);
  return v;
}

static void ratio_row(Loop *l, V at, CgLoop *loop, void *ctx) {
  V y = size(l, load(l, at, ODE_Y)), change = size(l, load(l, at, ODE_K));
  V tol = larger(l, by(l, wide(l, larger(l, y, change)), l->a->rtol), num(l, l->a->atol));
  V x = wide(l, size(l, cg_load(l->e, cg_gep_bytes(l->e, at, ctx), l->w)));
  x = over(l, x, larger(l, tol, num(l, DBL_MIN)));
  x = gen_lane_if_watched(l, loop, x);
  cg_loop_next(loop, 0, pick(l, less(l, loop->phi[0], x), x, loop->phi[0]));
  cg_loop_next(loop, 1, add(l, loop->phi[1], sub(l, x, x)));
}

/* The largest coefficient m against the tolerance of its element. */
static V ratio_of(Loop *l, V m) { return greatest(l, ratio_row, coefficient_at(l, m)); }

/* ---- the length of a step ----------------------------------------------------------------------------------------------------- */

static V by_term(Loop *l, V ratio, V m) {
  V part = over(l, num(l, 1), ratio), log = cg_ew(&l->d, OP_log, &part);
  log = over(l, log, cg_splat(l->e, m, l->w));
  return cg_ew(&l->d, OP_exp, &log);
}

static V endless(Loop *l, V u) { return LLVMBuildFCmp(l->b, LLVMRealOEQ, u, num(l, HUGE_VAL), ""); }

/* Where the last two terms are 0, by the last that is not: lanes of the mask, whose u is in memory. */
static void earlier_terms(Loop *l, V mask, V at) {
  CgEmit *e = l->e;
  If some = if_begin(l, any(l, mask));
  CgLoop *loop = base_realloc(NULL, sizeof *loop);
  cg_loop_begin(e, loop, cg_i64(e, 2), cg_i64(e, l->o->order), 1);
  V m = LLVMBuildSub(l->b, cg_i64(e, l->o->order), loop->iv, ""), ratio = ratio_of(l, m), u = cg_load(&l->d, at, l->w);
  V next = by_term(l, ratio, LLVMBuildSIToFP(l->b, m, l->d.real, ""));
  V is = both(l, mask, both(l, endless(l, u), less(l, num(l, 0), ratio)));
  cg_store(&l->d, pick(l, is, next, u), at);
  cg_loop_end(e, loop);
  if_end(l, some);
  base_free(loop);
}

/* In units of H; *known: the coefficients are finite. */
static V length(Loop *l, V *known) {
  CgEmit *e = l->e;
  V runs = flag(l, RUN), at = cg_alloca(e, l->w * 8);
  V last = ratio_of(l, cg_i64(e, l->o->order)), before = ratio_of(l, cg_i64(e, (int64_t)l->o->order - 1));
  V u = by_term(l, last, cg_real(&l->d, l->o->order, 1)), w = by_term(l, before, cg_real(&l->d, l->o->order - 1.0, 1));
  *known = is_finite(l, add(l, last, before));
  u = lesser(l, u, w);
  cg_store(&l->d, u, at);
  earlier_terms(l, both(l, runs, both(l, *known, endless(l, u))), at);
  u = cg_load(&l->d, at, l->w);
  return lesser(l, u, num(l, LONGER));
}

/* ---- steps ---------------------------------------------------------------------------------------------------------------------- */

/* A scale for the first one. */
static void first_scale(Loop *l) {
  V runs = flag(l, RUN), h = mul(l, get(l, DIR), get(l, SPAN)), none = num(l, 0);
  put(l, H, pick(l, runs, h, none));
  series(l);
  V state = size_of(l), first = norm_of(l, cg_i64(l->e, 1)), part = by(l, state, 0.1);
  fail(l, both(l, runs, not_(l, is_finite(l, add(l, state, first)))));
  part = pick(l, less(l, none, part), part, num(l, 1e-3));
  V shorter = mul(l, h, over(l, part, first));
  h = pick(l, less(l, part, first), shorter, h);
  put(l, H, pick(l, flag(l, RUN), h, none));
}

static void prepare(Loop *l) {
  V runs = flag(l, RUN), steps = get(l, STEPS);
  fail(l, both(l, runs, at_most(l, num(l, l->a->max_steps), steps)));
  put(l, STEPS, add(l, steps, get(l, RUN)));
  V tenth = by(l, size(l, get(l, H)), 0.1), least = by(l, size(l, get(l, T)), DBL_EPSILON);
  runs = flag(l, RUN);
  fail(l, both(l, runs, at_most(l, tenth, least)));
}

typedef struct Advance {
  V mask, u;
} Advance;

static void value_row(Loop *l, V at, CgLoop *loop, void *ctx) {
  const Advance *a = ctx;
  (void)loop;
  V more = moved(l, at, a->u);
  store(l, add(l, load(l, at, ODE_Y), more), at, ODE_WORK);
}

static void advance_row(Loop *l, V at, CgLoop *loop, void *ctx) {
  const Advance *a = ctx;
  (void)loop;
  V y = load(l, at, ODE_Y), low = load(l, at, ODE_LOW), more = add(l, moved(l, at, a->u), low), z = add(l, y, more);
  V far = sub(l, z, y), of_y = sub(l, y, sub(l, z, far)), of_more = sub(l, more, far);
  store(l, pick(l, a->mask, z, y), at, ODE_Y);
  store(l, pick(l, a->mask, add(l, of_y, of_more), low), at, ODE_LOW);
}

static void points(Loop *l, V mask, V t1) {
  If some = if_begin(l, any(l, gen_point_is_due(l, mask, t1)));
  V h = get(l, H), t = get(l, T);
  LLVMBasicBlockRef turn = cg_block(l->e, ""), after;
  LLVMBuildBr(l->b, turn);
  LLVMPositionBuilderAtEnd(l->b, turn);
  V now = gen_point_is_due(l, mask, t1), gone = sub(l, get(l, DUE), t), u = pick(l, now, over(l, gone, h), num(l, 0));
  gen_lane_rows(l, value_row, 0, NULL, &(Advance){now, narrow(l, u)});
  gen_point_due(l, now, ODE_WORK);
  V more = any(l, gen_point_is_due(l, mask, t1));
  after = cg_block(l->e, "");
  LLVMBuildCondBr(l->b, more, turn, after);
  LLVMPositionBuilderAtEnd(l->b, after);
  if_end(l, some);
}

static void step(Loop *l) {
  V known, none = num(l, 0);
  series(l);
  V u = length(l, &known), runs = flag(l, RUN), ok = both(l, runs, both(l, known, less(l, none, u)));
  V t = get(l, T), low = get(l, T_LOW), h = get(l, H), end = get(l, END), go = mul(l, u, h);
  V beyond = mul(l, sub(l, cg_fma(l->e, num(l, 1.01), go, t), end), get(l, DIR)), last = both(l, ok, less(l, none, beyond));
  V rest = sub(l, sub(l, end, t), low);
  go = pick(l, last, rest, go);
  V by_go = add(l, go, low), t1 = add(l, t, by_go), low1 = sub(l, by_go, sub(l, t1, t));
  t1 = pick(l, last, end, t1);
  low1 = pick(l, last, none, low1);
  points(l, ok, t1);
  u = pick(l, ok, over(l, go, h), none);
  gen_lane_rows(l, advance_row, 0, NULL, &(Advance){ok, narrow(l, u)});
  put(l, T, pick(l, ok, t1, t));
  put(l, T_LOW, pick(l, ok, low1, low));
  V nearer = by(l, h, 0.1);
  put(l, H, pick(l, ok, go, pick(l, runs, nearer, none)));
  gen_lane_taken(l, ok);
  gen_point_write(l, last, l->o->times - 1);
  stop(l, last);
}

void gen_taylor(Loop *l) {
  gen_lane_begin(l);
  If some = if_begin(l, any(l, flag(l, RUN)));
  first_scale(l);
  While steps = while_begin(l, "steps");
  prepare(l);
  while_test(l, steps, any(l, flag(l, RUN)));
  step(l);
  while_end(l, steps);
  if_end(l, some);
  gen_lane_bury(l);
  gen_lane_counts(l);
}
