/* The loop of an adaptive trajectory: one for a tile, whatever the method, with the arithmetic of runtime/steppers/ode.c.
 *
 * Lanes step together, but each has its own time, step, error and control, all in f64: no lane's numbers depend on its
 * neighbours. A lane that is done or has failed takes another sample (refill.c), or stays with a step of 0 and a finite state. Of a single sample the
 * vectors run along the elements of the state: its control is the same number in all lanes, which makes the code the same.
 * Rates are a function, called for each stage; coefficients are constants of the code. Dense output is made at a step in
 * which a time of some lane lies, and only then. State and time are compensated sums. */
#include "codegen/adaptive/adaptive_priv.h"

/* ---- steps ------------------------------------------------------------------------------------------------------------- */

/* Sets each running lane's step to end at the last time at most; gives those whose step does. */
static V prepare(Loop *l) {
  V runs = flag(l, RUN), steps = get(l, STEPS), most = at_most(l, num(l, l->a->max_steps), steps);
  fail(l, both(l, runs, most));
  put(l, STEPS, add(l, steps, get(l, RUN)));
  V h = get(l, H), t = get(l, T), least = by(l, size(l, t), DBL_EPSILON), tenth = by(l, size(l, h), 0.1);
  runs = flag(l, RUN);
  fail(l, both(l, runs, at_most(l, tenth, least)));
  runs = flag(l, RUN);
  V end = get(l, END), beyond = sub(l, cg_fma(l->e, num(l, 1.01), h, t), end);
  beyond = mul(l, beyond, get(l, DIR));
  V last = both(l, runs, less(l, num(l, 0), beyond)), rest = sub(l, end, t);
  rest = sub(l, rest, get(l, T_LOW));
  h = pick(l, last, rest, h);
  put(l, H, pick(l, runs, h, num(l, 0)));
  return last;
}

static void advance_row(Loop *l, V at, CgLoop *loop, void *ctx) {
  static const struct {
    int to, from;
  } move[] = {{ODE_Y, ODE_Z}, {ODE_LOW, ODE_NEXT_LOW}};
  (void)loop;
  for (int k = 0; k < 3; k++) {
    const int to = k < 2 ? move[k].to : ODE_K, from = k < 2 ? move[k].from : ODE_K + l->last;
    V now = load(l, at, from), was = load(l, at, to);
    store(l, pick(l, ctx, now, was), at, to);
  }
}

/* PI control (Gustafsson), as in the book's codes. */
static void control(Loop *l, V err, V accepted) {
  const AdaptiveMethod *m = l->m;
  const double safe = 0.9, expo = 1.0 / m->order - m->beta * 0.75;
  V h = get(l, H), runs = flag(l, RUN), known = is_finite(l, err), span = get(l, SPAN), dir = get(l, DIR), old = get(l, OLD);
  V fac = power(l, err, expo), most = num(l, 1 / m->fac_min), least = num(l, 1 / m->fac_max);
  V again = over(l, h, lesser(l, by(l, fac, 1 / safe), most));
  V pi = by(l, m->beta == 0 ? fac : over(l, fac, power(l, old, m->beta)), 1 / safe);
  V next = over(l, h, larger(l, lesser(l, pi, most), least));
  V too_long = less(l, span, size(l, next));
  next = pick(l, too_long, mul(l, dir, span), next);
  V length = size(l, next), longer = less(l, size(l, h), length);
  next = pick(l, both(l, longer, flag(l, REJECTED)), h, next);
  V nearer = by(l, h, 0.1);
  next = pick(l, accepted, next, pick(l, known, again, nearer));
  put(l, H, pick(l, runs, next, num(l, 0)));
  put(l, OLD, pick(l, accepted, larger(l, err, num(l, 1e-4)), old));
  put_flag(l, REJECTED, both(l, runs, not_(l, accepted)));
  V none = LLVMBuildFCmp(l->b, LLVMRealOEQ, next, num(l, 0), "");
  fail(l, both(l, runs, both(l, none, not_(l, known))));
}

static void step(Loop *l, V last) {
  for (int i = 1; i <= l->last; i++) gen_stage(l, i, i == l->last ? ODE_Z : ODE_WORK);
  V err = gen_stage_error(l), runs = flag(l, RUN), accepted = both(l, runs, at_most(l, err, num(l, 1)));
  accepted = gen_record_step(l, accepted, get(l, H));
  V t = get(l, T), h = get(l, H), by_h = add(l, h, get(l, T_LOW)), t1 = add(l, t, by_h), low = sub(l, by_h, sub(l, t1, t));
  t1 = pick(l, last, get(l, END), t1);
  low = pick(l, last, num(l, 0), low);
  gen_point_dense(l, accepted, t1);
  gen_lane_rows(l, advance_row, 0, NULL, accepted);
  put(l, T, pick(l, accepted, t1, t));
  put(l, T_LOW, pick(l, accepted, low, get(l, T_LOW)));
  gen_lane_taken(l, accepted);
  control(l, err, accepted);
  V ends = both(l, accepted, last);
  gen_point_write(l, ends, l->o->times - 1);
  stop(l, ends);
}

/* ---- begin and end ------------------------------------------------------------------------------------------------------ */

/* Zeros behind the elements of a single sample, the state and what it rounded off. */
static void begin_arrays(Loop *l) {
  CgEmit *e = l->e;
  const int64_t n = l->o->dim * l->o->lanes;
  V none = cg_real(e, 0, l->w);
  for (int k = 0; k < l->o->arrays && n % l->w; k++)
    store(l, none, cg_gep_bytes(e, l->array, cg_i64(e, (l->o->rows - 1) * l->w * e->es)), k);
  l->g->kernel->copy(e, whole(l, ODE_Y), l->a->y0, e->es, cg_i64(e, n * e->es));
  gen_zero(l->g, whole(l, ODE_LOW), l->o->rows * l->w * e->es);
}

void gen_lane_open(Loop *l) {
  for (int s = 0; s < SLOTS; s++) l->slot[s] = cg_alloca(l->e, l->w * 8);
  l->tr = cg_alloca(l->e, (l->o->order ? 2 : 1) * l->w * l->e->es);
}

void gen_lane_begin(Loop *l) {
  CgEmit *e = l->e;
  for (int s = 0; s < SLOTS; s++) put(l, (Slot)s, num(l, 0));
  V t0 = gen_point_times(l, cg_i64(e, 0)), end = gen_point_times(l, cg_i64(e, l->o->times - 1)), span = size(l, sub(l, end, t0));
  V dir = pick(l, less(l, end, t0), num(l, -1), num(l, 1));
  begin_arrays(l);
  put(l, T, t0), put(l, END, end), put(l, DIR, dir), put(l, SPAN, span), put(l, OLD, num(l, 1e-4));
  V bad = gen_point_unordered(l, t0, dir), all = LLVMConstAllOnes(LLVMTypeOf(bad)), still = at_most(l, span, num(l, 0));
  put_flag(l, FAILED, bad);
  put_flag(l, RUN, not_(l, either(l, bad, still)));
  gen_point_write(l, all, 0);
  CgLoop *lane = base_realloc(NULL, sizeof *lane);
  cg_loop_begin(e, lane, cg_i64(e, 0), cg_i64(e, l->o->lanes), 1);
  gen_point_next(l, cg_i64(e, 1), lane->iv);
  cg_loop_end(e, lane);
  base_free(lane);
  While turns = while_begin(l, ""); /* times equal to the first */
  V equal = LLVMBuildFCmp(l->b, LLVMRealOEQ, get(l, DUE), t0, "");
  while_test(l, turns, any(l, equal));
  gen_point_due(l, equal, ODE_Y);
  while_end(l, turns);
  gen_point_write(l, still, l->o->times - 1);
}

/* NaN at every time of the lanes that failed. */
void gen_lane_bury(Loop *l) {
  CgEmit *e = l->e;
  CgLoop *loop = base_realloc(NULL, sizeof *loop);
  V failed = flag(l, FAILED);
  If some = if_begin(l, any(l, failed));
  const int64_t n = l->o->times * l->o->dim * l->o->lanes;
  cg_loop_begin(e, loop, cg_i64(e, 0), cg_i64(e, n), l->w);
  V at = cg_gep(e, l->a->out, loop->iv), was = cg_load(e, at, l->w);
  cg_store(e, pick(l, failed, cg_real(e, NAN, l->w), was), at);
  cg_loop_end(e, loop);
  if_end(l, some);
  base_free(loop);
}

void gen_lane_taken(Loop *l, V mask) {
  V one = num(l, 1), more = pick(l, mask, one, num(l, 0));
  put(l, TAKEN, add(l, get(l, TAKEN), more));
}

/* Lanes behind the samples are copies and count nothing. */
static V real_lanes(Loop *l) {
  CgEmit *e = l->e;
  V samples = gen_member(l->g, l->g->call, e->i64, offsetof(HnnCall, samples)),
    first = cg_imul(e, l->g->tile, cg_i64(e, l->g->unit));
  V left = LLVMBuildSIToFP(l->b, LLVMBuildSub(l->b, samples, first, ""), l->d.real, ""), lane[64];
  for (unsigned i = 0; i < l->w; i++) lane[i] = LLVMConstReal(l->d.real, i);
  return less(l, LLVMConstVector(lane, l->w), cg_splat(e, left, l->w));
}

void gen_lane_counts(Loop *l) {
  CgEmit *e = l->e;
  const bool one = l->o->lanes == 1;
  V taken = get(l, TAKEN), failed = flag(l, FAILED), none = num(l, 0), of[2] = {taken, sub(l, get(l, STEPS), taken)};
  V sums = gen_member(l->g, l->g->call, e->ptr, offsetof(HnnCall, steps)),
    count = LLVMBuildNot(l->b, LLVMBuildIsNull(l->b, sums, ""), "");
  for (int k = 0; k < 2; k++) {
    V v = narrow(l, pick(l, failed, num(l, NAN), of[k]));
    if (one && l->w > 1) v = LLVMBuildExtractElement(l->b, v, cg_i32(e, 0), "");
    cg_store(e, v, cg_gep(e, l->a->counts, cg_i64(e, k * l->o->lanes)));
  }
  If asked = if_begin(l, count);
  V counted = one ? NULL : real_lanes(l);
  for (int k = 0; k < 2; k++) {
    V at = cg_gep(&l->d, sums, cg_i64(e, k)), v = of[k];
    if (!one) v = cg_sum_lanes(&l->d, pick(l, counted, v, none), l->w);
    else if (l->w > 1) v = LLVMBuildExtractElement(l->b, v, cg_i32(e, 0), "");
    cg_store(&l->d, LLVMBuildFAdd(l->b, cg_load(&l->d, at, 1), v, ""), at);
  }
  if_end(l, asked);
}

/* ---- all of it ----------------------------------------------------------------------------------------------------------- */

static Loop open(Gen *g, const Adaptive *a) {
  CgEmit *e = g->e;
  Loop l = {.e = e, .d = math_double(e), .g = g, .a = a, .o = a->plan, .m = a->method, .b = e->b, .w = a->plan->w};
  l.last = l.m->stages - 1, l.rates = gen_stage_rates;
  l.array = cg_gep_bytes(e, a->base, cg_i64(e, a->plan->array));
  if (l.o->order) gen_taylor_open(&l);
  gen_lane_open(&l);
  return l;
}

static void begin(Loop *l) {
  gen_lane_begin(l);
  if (l->a->record) gen_zero(l->g, whole(l, ODE_K), l->o->rows * l->w * l->e->es);
  gen_record_begin(l);
  If some = if_begin(l, any(l, flag(l, RUN)));
  if (l->o->order) {
    gen_taylor_first(l);
  } else {
    gen_stage_rates(l, 0, ODE_Y, 0);
    gen_stage_first(l);
  }
  if_end(l, some);
}

static void all_steps(Loop *l) {
  if (l->o->order) {
    gen_taylor_steps(l);
    return;
  }
  While steps = while_begin(l, "steps");
  gen_queue_next(l);
  V last = prepare(l);
  while_test(l, steps, any(l, gen_queue_going(l)));
  step(l, last);
  while_end(l, steps);
}

void gen_adaptive_begin(Gen *g, const Adaptive *a) {
  Loop l = open(g, a);
  begin(&l);
  gen_queue_save(&l);
}

void gen_adaptive_refilled(Gen *g, const Adaptive *a, V n) {
  Loop l = open(g, a);
  Queue q;
  gen_queue_open(&l, &q, n);
  all_steps(&l);
}

void gen_adaptive(Gen *g, const Adaptive *a) {
  Loop l = open(g, a);
  begin(&l);
  all_steps(&l);
  gen_lane_bury(&l);
  gen_lane_counts(&l);
}
