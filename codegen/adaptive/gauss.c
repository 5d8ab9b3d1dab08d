/* gauss16: collocation at 8 Gauss points, for one sample. The lanes of vectors are the stages, whatever the rates look like: one call
 * of them is a turn of the iteration. The arithmetic is that of runtime/steppers/ode_gauss.inc.
 *
 *   g = the polynomial of the last step, ahead;  z = y + h A g
 *   turns: g = rates(z); z = y + h A g; until z rests
 *   y += h b g (compensated), coef = the polynomial of g, the next h from its last coefficient
 *
 * Rates of second order (PlanOde.second): q' = v, p' = f(q), v' = g(q). Stages of q alone, z = q + c h v + h^2 AA g, and
 *
 *   q += h v + h^2 bx g,  v += h b g,  p += h b f
 *
 * the same method with half the rows, whose turns converge as h^2. v goes beside p, with which it agrees to rounding.
 *
 * A step ends at each of the times. Control is in scalar doubles (Loop with w = 1); arrays of numbers are rows of one real. */
#include "codegen/adaptive/gauss_priv.h"

static V all(Gauss *s, V x) { return cg_splat(s->l.e, x, s->w); }
static V number(Gauss *s, int array, V d) { return cg_load(s->l.e, gauss_number(s, array, d), 1); }
static void put_number(Gauss *s, int array, V d, V v) { cg_store(s->l.e, v, gauss_number(s, array, d)); }

/* A double, from a real. */
static V doubled(Gauss *s, V x) { return s->l.e->f64 ? x : LLVMBuildFPExt(s->l.b, x, s->l.d.real, ""); }
static V real(Gauss *s, V x) { return s->l.e->f64 ? x : LLVMBuildFPTrunc(s->l.b, x, s->l.e->real, ""); }

static void numbers(Gauss *s, NumberFn body, unsigned sums, V *sum, void *ctx) {
  gauss_numbers(s, 0, s->l.o->dim, body, sums, sum, ctx);
}
static void staged(Gauss *s, NumberFn body, unsigned sums, V *sum, void *ctx) {
  gauss_numbers(s, 0, gauss_staged(s), body, sums, sum, ctx);
}

/* ---- rates ------------------------------------------------------------------------------------------------------------- */

static void call(Gauss *s) {
  Loop *l = &s->l;
  CgEmit *e = l->e;
  V zero = cg_i64(e, 0), arg[4] = {l->a->ctx, l->tr, NULL, NULL};
  arg[2] = gauss_row(s, GAUSS_Z, zero);
  arg[3] = gauss_row(s, GAUSS_G, zero);
  LLVMBuildCall2(l->b, LLVMGlobalGetValueType(l->a->rates), l->a->rates, arg, 4, "");
}

static void put_times(Gauss *s, V t) { /* doubles, of all lanes */
  V r = s->l.e->f64 ? t : LLVMBuildFPTrunc(s->l.b, t, cg_real_type(s->l.e, s->w), "");
  cg_store(s->l.e, r, s->l.tr);
}

static void spread_number(Gauss *s, V d, CgLoop *loop, void *ctx) {
  V y = number(s, *(int *)ctx, d);
  (void)loop;
  cg_store(s->l.e, all(s, y), gauss_row(s, GAUSS_Z, d));
}

static void first_number(Gauss *s, V d, CgLoop *loop, void *ctx) {
  V k = cg_load(s->l.e, gauss_row(s, GAUSS_G, d), 1);
  (void)loop;
  put_number(s, *(int *)ctx, d, k);
}

/* Of one state: all stages are it. */
static void rates_of_one(Loop *l, double c, int z, int to) {
  Gauss *s = (Gauss *)(void *)l;
  V t = get(l, T), h = get(l, H);
  put_times(s, cg_splat(l->e, cg_fma(l->e, num(l, c), h, t), s->w));
  to += ODE_K;
  numbers(s, spread_number, 0, NULL, &z);
  call(s);
  numbers(s, first_number, 0, NULL, &to);
}

/* ---- a step ------------------------------------------------------------------------------------------------------------ */

/* The polynomials at 1 + r c_i, r the step against the one that they are of. */
static void ahead(Gauss *s) {
  Loop *l = &s->l;
  CgEmit *d = &l->d;
  V step = get(l, STEP), r = over(l, step, get(l, HOLD)), lane[64], p[GAUSS_STAGES];
  r = lesser(l, r, num(l, GAUSS_GROW));
  for (unsigned i = 0; i < s->w; i++) lane[i] = LLVMConstReal(d->real, 2 * adaptive_gauss16.c[i % GAUSS_STAGES]);
  p[0] = cg_real(d, 1, s->w);
  p[1] = cg_fma(d, cg_splat(d, r, s->w), LLVMConstVector(lane, s->w), p[0]);
  for (int k = 1; k < GAUSS_STAGES - 1; k++) {
    V a = mul(l, mul(l, cg_real(d, 2 * k + 1, s->w), p[1]), p[k]), b = mul(l, cg_real(d, k, s->w), p[k - 1]);
    p[k + 1] = mul(l, sub(l, a, b), cg_real(d, 1.0 / (k + 1), s->w));
  }
  for (int k = 0; k < GAUSS_STAGES; k++) {
    V x = l->e->f64 ? p[k] : LLVMBuildFPTrunc(l->b, p[k], cg_real_type(l->e, s->w), "");
    cg_store(l->e, x, cg_gep(l->e, s->poly, cg_i64(l->e, k * s->w)));
  }
}

static void guess_row(Gauss *s, V d, CgLoop *loop, void *ctx) {
  V p[GAUSS_STAGES];
  (void)loop, (void)ctx;
  for (int k = 0; k < GAUSS_STAGES; k++) p[k] = cg_load(s->l.e, cg_gep(s->l.e, s->poly, cg_i64(s->l.e, k * s->w)), s->w);
  V g = gauss_product(s, p, gauss_row(s, GAUSS_COEF, d));
  cg_store(s->l.e, g, gauss_iterated(s, d));
}

/* The stages that follow from the rates at stages. */
static V stages(Gauss *s, V d, V step) {
  const double(*by)[GAUSS_STAGES] = s->q ? adaptive_gauss16.aa : adaptive_gauss16.a;
  V a[GAUSS_STAGES], y = all(s, number(s, ODE_Y, d));
  for (int j = 0; j < GAUSS_STAGES; j++) a[j] = gauss_constants(s, &by[0][j], GAUSS_STAGES);
  V sum = gauss_product(s, a, gauss_iterated(s, d));
  if (s->q) {
    V v = all(s, number(s, GAUSS_V, d)), c = gauss_constants(s, adaptive_gauss16.c, 1);
    sum = cg_fma(s->l.e, step, sum, LLVMBuildFMul(s->l.b, c, v, ""));
  }
  return cg_fma(s->l.e, step, sum, y);
}

static void stage_of_guess(Gauss *s, V d, CgLoop *loop, void *ctx) {
  (void)loop;
  cg_store(s->l.e, stages(s, d, ctx), gauss_row(s, GAUSS_Z, d));
}

enum { MOVED, LOST };

/* How far the stages move: those of tangents do not decide. */
static void turn_row(Gauss *s, V d, CgLoop *loop, void *ctx) {
  Loop *l = &s->l;
  V z = cg_load(l->e, gauss_row(s, GAUSS_Z, d), s->w), next = stages(s, d, ctx), move = size(l, sub(l, next, z));
  move = mul(l, move, all(s, number(s, ODE_WORK, d)));
  if (l->o->watched < l->o->dim)
    move = pick(l, LLVMBuildICmp(l->b, LLVMIntSLT, d, cg_i64(l->e, l->o->watched), ""), move, cg_real(l->e, 0, s->w));
  cg_store(l->e, next, gauss_row(s, GAUSS_Z, d));
  cg_loop_next(loop, MOVED, larger(l, loop->phi[MOVED], move));
  cg_loop_next(loop, LOST, cg_fma(l->e, move, cg_real(l->e, 0, s->w), loop->phi[LOST])); /* NaN, once a move is not finite */
}

static V since(Gauss *s, const CgLoop *turn, int number) {
  return LLVMBuildICmp(s->l.b, LLVMIntSGE, turn->iv, cg_i64(s->l.e, number), "");
}

/* Tangents settle with the states, a turn or two behind them. */
static void tangents(Gauss *s, V step) {
  CgLoop *turn = base_realloc(NULL, sizeof *turn);
  cg_loop_begin(s->l.e, turn, cg_i64(s->l.e, 0), cg_i64(s->l.e, GAUSS_BEHIND), 1);
  staged(s, stage_of_guess, 0, NULL, step);
  call(s);
  cg_loop_end(s->l.e, turn);
  base_free(turn);
}

/* Iterates, until the rates are those at the stages or stages that are next to them; gives whether that failed. */
static V iterate(Gauss *s) {
  Loop *l = &s->l;
  CgEmit *e = l->e;
  const double unit = e->f64 ? DBL_EPSILON : (double)FLT_EPSILON, loose = fmax(GAUSS_LOOSE * unit, 0.01 * l->a->rtol);
  V step = all(s, real(s, get(l, STEP))), c = NULL, lane[64];
  for (unsigned i = 0; i < s->w; i++) lane[i] = LLVMConstReal(l->d.real, adaptive_gauss16.c[i % GAUSS_STAGES]);
  c = cg_splat(e, get(l, STEP), s->w);
  put_times(s, cg_fma(&l->d, c, LLVMConstVector(lane, s->w), cg_splat(e, get(l, T), s->w)));
  staged(s, guess_row, 0, NULL, NULL);
  staged(s, stage_of_guess, 0, NULL, step);
  gen_gauss_inverse(s);
  put(l, BEFORE, num(l, HUGE_VAL));
  CgLoop *turn = base_realloc(NULL, sizeof *turn);
  call(s);
  cg_loop_begin(e, turn, cg_i64(e, 1), cg_i64(e, GAUSS_TURNS + 1), 1);
  V sum[2] = {cg_real(e, 0, s->w), cg_real(e, 0, s->w)};
  staged(s, turn_row, 2, sum, step);
  V moved = doubled(s, call1(l, "llvm.vector.reduce.fmax", sum[MOVED]));
  moved = add(l, moved, doubled(s, cg_sum_lanes(e, sum[LOST], s->w)));
  V before = get(l, BEFORE), small = at_most(l, moved, num(l, loose)), slow = at_most(l, by(l, before, 0.5), moved);
  slow = both(l, slow, since(s, turn, 3));
  V stuck = both(l, slow, both(l, not_(l, small), since(s, turn, s->fixed ? GAUSS_TURNS : GAUSS_PATIENCE))),
    lost = not_(l, less(l, moved, num(l, HUGE_VAL)));
  V halts = either(l, both(l, slow, small), either(l, lost, stuck)), next = mul(l, moved, over(l, moved, before));
  V nearly = both(l, at_most(l, next, num(l, (s->fixed ? GAUSS_REST_FIXED : GAUSS_REST) * unit)),
                  both(l, less(l, moved, before), since(s, turn, 2)));
  put(l, BEFORE, moved);
  If goes_on = if_begin(l, not_(l, halts));
  call(s);
  if_end(l, goes_on);
  turn->stop = either(l, halts, either(l, nearly, at_most(l, moved, num(l, unit))));
  cg_loop_end(e, turn);
  base_free(turn);
  V failed = not_(l, either(l, small, nearly)); /* at the last turn */
  if (l->o->watched < l->o->dim) tangents(s, step);
  return failed;
}

static V next_of(Gauss *s) { return LLVMBuildFPToSI(s->l.b, get(&s->l, NEXT), s->l.e->i64, ""); }
static V time_of(Gauss *s, V i) { return gen_point_time(&s->l, i, cg_i64(s->l.e, 0)); }

static void write_next(Gauss *s) {
  Loop *l = &s->l;
  CgEmit *e = l->e;
  V next = next_of(s), to = cg_gep(e, l->a->out, cg_imul(e, next, cg_i64(e, l->o->dim)));
  l->g->kernel->copy(e, to, row_at(l, l->array, ODE_Y), e->es, cg_i64(e, l->o->dim * e->es));
  put(l, NEXT, add(l, get(l, NEXT), num(l, 1)));
}

/* The state is the next point, and all at the same time; done where it is the last. */
static void write_points(Gauss *s) {
  Loop *l = &s->l;
  CgEmit *e = l->e;
  LLVMBasicBlockRef turn = cg_block(e, ""), more = cg_block(e, ""), end = cg_block(e, ""), after = cg_block(e, "");
  LLVMBuildBr(l->b, turn);
  LLVMPositionBuilderAtEnd(l->b, turn);
  write_next(s);
  V next = next_of(s), inside = LLVMBuildICmp(l->b, LLVMIntSLT, next, cg_i64(e, l->o->times), "");
  LLVMBuildCondBr(l->b, inside, more, end);
  LLVMPositionBuilderAtEnd(l->b, more);
  V t = time_of(s, next), same = LLVMBuildFCmp(l->b, LLVMRealOEQ, t, get(l, T), "");
  LLVMBuildCondBr(l->b, same, turn, after);
  LLVMPositionBuilderAtEnd(l->b, end);
  put(l, RUN, num(l, 0));
  LLVMBuildBr(l->b, after);
  LLVMPositionBuilderAtEnd(l->b, after);
}

/* Sets the step, which ends at the next time at most; gives whether it does. Fails where there are no more steps, or they are too
 * small. */
static V prepare(Gauss *s) {
  Loop *l = &s->l;
  if (s->fixed) {
    V left = sub(l, num(l, l->a->max_steps), get(l, STEPS)), end = time_of(s, next_of(s));
    put(l, STEP, over(l, sub(l, sub(l, end, get(l, T)), get(l, T_LOW)), left));
    put(l, STEPS, add(l, get(l, STEPS), num(l, 1)));
    return at_most(l, left, num(l, 1));
  }
  V steps = get(l, STEPS), full = at_most(l, num(l, l->a->max_steps), steps), h = get(l, H), t = get(l, T);
  V tenth = by(l, size(l, h), 0.1), least = by(l, size(l, t), DBL_EPSILON), small = at_most(l, tenth, least);
  fail(l, either(l, full, small));
  put(l, STEPS, add(l, steps, get(l, RUN)));
  V next = next_of(s), end = time_of(s, next), beyond = sub(l, cg_fma(&l->d, num(l, 1.01), h, t), end);
  beyond = mul(l, beyond, get(l, DIR));
  V last = less(l, num(l, 0), beyond), rest = sub(l, sub(l, end, t), get(l, T_LOW));
  put(l, STEP, pick(l, last, rest, h));
  return last;
}

/* `part` against the tolerance gives the next step; whether this one is accepted. */
static V control(Gauss *s, V bad, V part, V last) {
  Loop *l = &s->l;
  if (s->fixed) {
    fail(l, bad);
    return not_(l, bad);
  }
  V step = get(l, STEP), h = get(l, H), change = over(l, num(l, GAUSS_SAFE * sqrt(l->a->rtol)), part);
  bad = either(l, bad, not_(l, is_finite(l, part)));
  change = lesser(l, root(l, root(l, root(l, change))), num(l, GAUSS_GROW));
  V good = not_(l, bad), accepted = both(l, good, at_most(l, num(l, GAUSS_TAKEN), change)), next = mul(l, change, step);
  V length = size(l, next), longer = less(l, length, size(l, h));
  longer = both(l, both(l, accepted, last), longer);
  next = pick(l, longer, h, next);
  V cut = by(l, step, GAUSS_CUT);
  next = pick(l, bad, cut, next);
  put(l, H, next);
  fail(l, both(l, bad, LLVMBuildFCmp(l->b, LLVMRealOEQ, next, num(l, 0), "")));
  return accepted;
}

static void step(Gauss *s) {
  Loop *l = &s->l;
  V last = prepare(s);
  If runs = if_begin(l, flag(l, RUN));
  ahead(s);
  V bad = iterate(s), lost, part = gen_gauss_end(s, &lost),
    accepted = control(s, either(l, bad, not_(l, is_finite(l, lost))), part, last);
  accepted = gen_record_step(l, accepted, get(l, STEP));
  If good = if_begin(l, accepted);
  gen_lane_taken(l, accepted);
  gen_gauss_accept(s);
  V t = get(l, T), by_h = add(l, get(l, STEP), get(l, T_LOW)), t1 = add(l, t, by_h), low = sub(l, by_h, sub(l, t1, t));
  V next = next_of(s), end = time_of(s, next);
  put(l, HOLD, get(l, STEP));
  put(l, T, pick(l, last, end, t1));
  put(l, T_LOW, pick(l, last, num(l, 0), low));
  If point = if_begin(l, last);
  if (s->fixed) put(l, STEPS, num(l, 0));
  write_points(s);
  if_end(l, point);
  if_end(l, good);
  if_end(l, runs);
}

/* ---- begin and end ----------------------------------------------------------------------------------------------------- */

static void begin(Gauss *s) {
  Loop *l = &s->l;
  CgEmit *e = l->e;
  for (int k = 0; k < SLOTS; k++) l->slot[k] = cg_alloca(e, 8), put(l, (Slot)k, num(l, 0));
  l->tr = cg_alloca(e, s->w * e->es), s->poly = cg_alloca(e, GAUSS_STAGES * s->w * e->es);
  V t0 = gen_point_times(l, cg_i64(e, 0)), end = gen_point_times(l, cg_i64(e, l->o->times - 1)), span = size(l, sub(l, end, t0));
  V dir = pick(l, less(l, end, t0), num(l, -1), num(l, 1));
  l->g->kernel->copy(e, row_at(l, l->array, ODE_Y), l->a->y0, e->es, cg_i64(e, l->o->dim * e->es));
  gen_zero(l->g, row_at(l, l->array, ODE_LOW), l->o->dim * e->es);
  put(l, T, t0), put(l, DIR, dir), put(l, SPAN, span);
  V bad = gen_point_unordered(l, t0, dir);
  put_flag(l, FAILED, bad);
  put_flag(l, RUN, not_(l, bad));
  If runs = if_begin(l, flag(l, RUN));
  write_points(s);
  if_end(l, runs);
}

/* After rates of one state. */
static void coef_row(Gauss *s, V d, CgLoop *loop, void *ctx) {
  V k = cg_load(s->l.e, gauss_iterated(s, d), 1), none = cg_real(s->l.e, 0, s->w);
  (void)loop, (void)ctx;
  put_number(s, GAUSS_MEAN, d, k);
  if (s->q) put_number(s, GAUSS_V, d, number(s, ODE_K, d)), put_number(s, GAUSS_V_LOW, d, cg_real(s->l.e, 0, 1));
  cg_store(s->l.e, LLVMBuildInsertElement(s->l.b, none, k, cg_i32(s->l.e, 0), ""), gauss_row(s, GAUSS_COEF, d));
}

/* NaN at every time, if it failed. */
static void bury(Gauss *s) {
  Loop *l = &s->l;
  CgEmit *e = l->e;
  CgLoop *loop = base_realloc(NULL, sizeof *loop);
  If failed = if_begin(l, flag(l, FAILED));
  cg_loop_begin(e, loop, cg_i64(e, 0), cg_i64(e, l->o->times * l->o->dim), 1);
  cg_store(e, cg_real(e, NAN, 1), cg_gep(e, l->a->out, loop->iv));
  cg_loop_end(e, loop);
  if_end(l, failed);
  base_free(loop);
}

void gen_gauss(Gen *g, const Adaptive *a) {
  static const AdaptiveMethod first = {.order = GAUSS_STAGES};
  CgEmit *e = g->e;
  Gauss own = {.l = {.e = e, .d = math_double(e), .g = g, .a = a, .o = a->plan, .m = &first, .b = e->b, .w = 1},
               .w = a->plan->stages,
               .fixed = !(a->rtol > 0) && !(a->atol > 0),
               .q = a->plan->second};
  Gauss *s = &own;
  Loop *l = &s->l;
  l->rates = rates_of_one;
  l->array = cg_gep_bytes(g->e, a->base, cg_i64(g->e, a->plan->array)),
  s->staged = cg_gep_bytes(g->e, a->base, cg_i64(g->e, a->plan->staged));
  begin(s);
  gen_record_begin(l);
  If runs = if_begin(l, flag(l, RUN));
  l->rates(l, 0, ODE_Y, 0);
  staged(s, coef_row, 0, NULL, NULL);
  if (!s->fixed) gen_stage_first(l);
  V h = get(l, H), still = LLVMBuildFCmp(l->b, LLVMRealOEQ, h, num(l, 0), "");
  put(l, HOLD, pick(l, still, num(l, 1), h));
  While steps = while_begin(l, "steps");
  while_test(l, steps, flag(l, RUN));
  step(s);
  while_end(l, steps);
  if_end(l, runs);
  bury(s);
  gen_lane_counts(l);
}
