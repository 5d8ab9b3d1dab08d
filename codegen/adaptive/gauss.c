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
#include "codegen/adaptive/adaptive_priv.h"

#include <string.h>

typedef struct Gauss {
  Loop l;
  unsigned w;     /* lanes: stages, again from 8 on */
  int64_t q;      /* numbers of q where the rates are of second order; 0 */
  V staged, poly; /* arrays of stages; 8 vectors of the polynomials at the stages ahead */
} Gauss;

/* Row k of vectors, for lane i the number at [i % 8] of column or row. */
static V constants(Gauss *s, const double *v, size_t apart) {
  V lane[64];
  for (unsigned i = 0; i < s->w; i++) lane[i] = LLVMConstReal(s->l.e->real, v[i % GAUSS_STAGES * apart]);
  return LLVMConstVector(lane, s->w);
}

static V all(Gauss *s, V x) { return cg_splat(s->l.e, x, s->w); }
static V behind(Gauss *s, V d) { return cg_iadd(s->l.e, d, cg_i64(s->l.e, s->l.o->dim)); } /* the row of a second rate */
static V row(Gauss *s, int array, V d) {
  CgEmit *e = s->l.e;
  V at = cg_gep_bytes(e, s->staged, cg_i64(e, array * s->l.o->staged_stride));
  return cg_gep(e, at, cg_imul(e, d, cg_i64(e, s->w)));
}
static V load_row(Gauss *s, int array, V d) { return cg_load(s->l.e, row(s, array, d), s->w); }
static V number(Gauss *s, int array, V d) { return cg_load(s->l.e, cg_gep(s->l.e, row_at(&s->l, s->l.array, array), d), 1); }
static void put_number(Gauss *s, int array, V d, V v) { cg_store(s->l.e, v, cg_gep(s->l.e, row_at(&s->l, s->l.array, array), d)); }

/* A double, from a real. */
static V doubled(Gauss *s, V x) { return s->l.e->f64 ? x : LLVMBuildFPExt(s->l.b, x, s->l.d.real, ""); }
static V real(Gauss *s, V x) { return s->l.e->f64 ? x : LLVMBuildFPTrunc(s->l.b, x, s->l.e->real, ""); }

/* sum over j of w[j] times number j of a row. */
static V product(Gauss *s, const V *w, V numbers) {
  CgEmit *e = s->l.e;
  V sum = NULL;
  for (int j = 0; j < GAUSS_STAGES; j++) {
    V x = all(s, cg_load(e, cg_gep(e, numbers, cg_i64(e, j)), 1));
    sum = sum ? cg_fma(e, w[j], x, sum) : LLVMBuildFMul(e->b, w[j], x, "");
  }
  return sum;
}

/* Over the stages, each once. */
static V total(Gauss *s, const double *weight, V g) {
  CgEmit *e = s->l.e;
  double once[64] = {0};
  memcpy(once, weight, GAUSS_STAGES * sizeof *once);
  V lane[64];
  for (unsigned i = 0; i < s->w; i++) lane[i] = LLVMConstReal(e->real, once[i]);
  V x = LLVMBuildFMul(e->b, LLVMConstVector(lane, s->w), g, "");
  return cg_sum_lanes(e, x, s->w);
}

typedef void (*NumberFn)(Gauss *s, V d, CgLoop *loop, void *ctx);
static void some_numbers(Gauss *s, int64_t from, int64_t to, NumberFn body, unsigned sums, V *sum, void *ctx) {
  CgLoop *loop = base_realloc(NULL, sizeof *loop);
  cg_loop_begin(s->l.e, loop, cg_i64(s->l.e, from), cg_i64(s->l.e, to), 1);
  for (unsigned k = 0; k < sums; k++) cg_loop_phi(s->l.e, loop, sum[k]);
  body(s, loop->iv, loop, ctx);
  cg_loop_end(s->l.e, loop);
  for (unsigned k = 0; k < sums; k++) sum[k] = loop->next[k];
  base_free(loop);
}

static void numbers(Gauss *s, NumberFn body, unsigned sums, V *sum, void *ctx) {
  some_numbers(s, 0, s->l.o->dim, body, sums, sum, ctx);
}

/* Those that have stages. */
static void staged(Gauss *s, NumberFn body, unsigned sums, V *sum, void *ctx) {
  some_numbers(s, 0, s->q ? s->q : s->l.o->dim, body, sums, sum, ctx);
}

/* The rates that the iteration is about: of the numbers that have stages. */
static V iterated(Gauss *s, V d) { return row(s, GAUSS_G, s->q ? behind(s, d) : d); }

/* ---- rates ------------------------------------------------------------------------------------------------------------- */

static void call(Gauss *s) {
  Loop *l = &s->l;
  CgEmit *e = l->e;
  V zero = cg_i64(e, 0), arg[4] = {l->a->ctx, l->tr, NULL, NULL};
  arg[2] = row(s, GAUSS_Z, zero);
  arg[3] = row(s, GAUSS_G, zero);
  LLVMBuildCall2(l->b, LLVMGlobalGetValueType(l->a->rates), l->a->rates, arg, 4, "");
}

static void put_times(Gauss *s, V t) { /* doubles, of all lanes */
  V r = s->l.e->f64 ? t : LLVMBuildFPTrunc(s->l.b, t, cg_real_type(s->l.e, s->w), "");
  cg_store(s->l.e, r, s->l.tr);
}

static void spread_number(Gauss *s, V d, CgLoop *loop, void *ctx) {
  V y = number(s, *(int *)ctx, d);
  (void)loop;
  cg_store(s->l.e, all(s, y), row(s, GAUSS_Z, d));
}

static void first_number(Gauss *s, V d, CgLoop *loop, void *ctx) {
  V k = cg_load(s->l.e, row(s, GAUSS_G, d), 1);
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
    p[k + 1] = over(l, sub(l, a, b), cg_real(d, k + 1, s->w));
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
  V g = product(s, p, row(s, GAUSS_COEF, d));
  cg_store(s->l.e, g, iterated(s, d));
}

/* The stages that follow from the rates at stages. */
static V stages(Gauss *s, V d, V step) {
  const double(*by)[GAUSS_STAGES] = s->q ? adaptive_gauss16.aa : adaptive_gauss16.a;
  V a[GAUSS_STAGES], y = all(s, number(s, ODE_Y, d));
  for (int j = 0; j < GAUSS_STAGES; j++) a[j] = constants(s, &by[0][j], GAUSS_STAGES);
  V sum = product(s, a, iterated(s, d));
  if (s->q) {
    V v = all(s, number(s, GAUSS_V, d)), c = constants(s, adaptive_gauss16.c, 1);
    sum = cg_fma(s->l.e, step, sum, LLVMBuildFMul(s->l.b, c, v, ""));
  }
  return cg_fma(s->l.e, step, sum, y);
}

/* With the inverse of |y| + |h rate|, which the iteration moves against. */
static void stage_of_guess(Gauss *s, V d, CgLoop *loop, void *ctx) {
  Loop *l = &s->l;
  V step = ctx, z = stages(s, d, step), y = size(l, doubled(s, number(s, ODE_Y, d)));
  V rate = s->q ? number(s, GAUSS_V, d) : cg_load(l->e, row(s, GAUSS_COEF, d), 1);
  V path = size(l, mul(l, get(l, STEP), doubled(s, rate))), whole = add(l, y, path);
  (void)loop;
  cg_store(l->e, z, row(s, GAUSS_Z, d));
  whole = larger(l, whole, num(l, l->e->f64 ? DBL_MIN : (double)FLT_MIN));
  put_number(s, ODE_WORK, d, real(s, over(l, num(l, 1), whole)));
}

enum { MOVED, LOST };

static V of_vector(Gauss *s, const char *name, V x) {
  LLVMTypeRef t = LLVMTypeOf(x);
  (void)s;
  return cg_intrinsic(s->l.e, name, &t, 1, &x, 1);
}

/* How far the stages move. */
static void turn_row(Gauss *s, V d, CgLoop *loop, void *ctx) {
  Loop *l = &s->l;
  V z = load_row(s, GAUSS_Z, d), next = stages(s, d, ctx), move = size(l, sub(l, next, z));
  move = mul(l, move, all(s, number(s, ODE_WORK, d)));
  cg_store(l->e, next, row(s, GAUSS_Z, d));
  cg_loop_next(loop, MOVED, larger(l, loop->phi[MOVED], move));
  cg_loop_next(loop, LOST, add(l, loop->phi[LOST], sub(l, next, next)));
}

/* Iterates; gives whether that failed. */
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
  put(l, BEFORE, num(l, HUGE_VAL)), put(l, ENDS, num(l, 0));
  CgLoop *turn = base_realloc(NULL, sizeof *turn);
  cg_loop_begin(e, turn, cg_i64(e, 1), cg_i64(e, GAUSS_TURNS + 1), 1);
  call(s);
  V sum[2] = {cg_real(e, 0, s->w), cg_real(e, 0, s->w)};
  staged(s, turn_row, 2, sum, step);
  V moved = doubled(s, of_vector(s, "llvm.vector.reduce.fmax", sum[MOVED]));
  moved = add(l, moved, doubled(s, cg_sum_lanes(e, sum[LOST], s->w)));
  V before = get(l, BEFORE), late = LLVMBuildICmp(l->b, LLVMIntSGE, turn->iv, cg_i64(e, 3), "");
  V slow = both(l, late, at_most(l, by(l, before, 0.5), moved)), small = at_most(l, moved, num(l, loose));
  V lost = not_(l, less(l, moved, num(l, HUGE_VAL))),
    impatient = LLVMBuildICmp(l->b, LLVMIntSGE, turn->iv, cg_i64(e, GAUSS_PATIENCE), "");
  V large = not_(l, small), stuck = both(l, both(l, slow, impatient), large), done = flag(l, ENDS);
  done = either(l, done, both(l, slow, small));
  done = either(l, done, either(l, lost, stuck));
  V next = mul(l, moved, over(l, moved, before)), second = LLVMBuildICmp(l->b, LLVMIntSGE, turn->iv, cg_i64(e, 2), "");
  V nearly = both(l, second, both(l, at_most(l, next, num(l, GAUSS_REST * unit)), less(l, moved, before)));
  put_flag(l, ENDS, either(l, nearly, at_most(l, moved, num(l, unit))));
  put(l, BEFORE, moved);
  turn->stop = done;
  cg_loop_end(e, turn);
  base_free(turn);
  return not_(l, small); /* at the last turn */
}

enum { PART, BROKEN };

/* What the step adds to a number whose rate is g: h b g and what that sum rounds off is added to `low`. */
static V along(Gauss *s, const double *b, const double *b_low, V g, V *low) {
  *low = add(&s->l, *low, total(s, b_low, g));
  return total(s, b, g);
}

/* x + y, and to *low what that rounds off: Knuth's sum. */
static V exactly(Gauss *s, V x, V y, V *low) {
  Loop *l = &s->l;
  V z = add(l, x, y), moved = sub(l, z, x);
  *low = add(l, sub(l, x, sub(l, z, moved)), sub(l, y, moved));
  return z;
}

/* h x + y + low, where y alone may be large: the sum, and to *low what that rounds off. */
static V moved(Gauss *s, V h, V x, V y, V *low) {
  Loop *l = &s->l;
  V by_h = mul(l, h, x), lost = cg_fma(l->e, h, x, LLVMBuildFNeg(l->b, by_h, "")), rest;
  V z = exactly(s, y, by_h, &rest);
  rest = add(l, rest, add(l, lost, *low));
  return exactly(s, z, rest, low);
}

/* The last coefficient of the polynomial of a rate against the number; whether that is finite at the end of the step. */
static void judge(Gauss *s, V last, V y, V z, CgLoop *loop) {
  Loop *l = &s->l;
  V whole = add(l, size(l, doubled(s, y)), size(l, doubled(s, sub(l, z, y))));
  whole = add(l, num(l, l->a->atol / l->a->rtol), whole);
  whole = larger(l, whole, num(l, DBL_MIN));
  V part = over(l, size(l, mul(l, get(l, STEP), doubled(s, last))), whole), most = loop->phi[PART];
  V keeps = at_most(l, part, most);
  cg_loop_next(loop, PART, pick(l, keeps, most, part));
  cg_loop_next(loop, BROKEN, add(l, loop->phi[BROKEN], doubled(s, sub(l, z, z))));
}

/* The state at the end of the step. */
static void end_row(Gauss *s, V d, CgLoop *loop, void *ctx) {
  Loop *l = &s->l;
  V h = ctx, g = load_row(s, GAUSS_G, d), y = number(s, ODE_Y, d), low = number(s, ODE_LOW, d), part = cg_real(l->e, 0, 1);
  V sum = along(s, adaptive_gauss16.b, adaptive_gauss16.b_low, g, &part);
  low = cg_fma(l->e, h, part, low);
  V z = moved(s, h, sum, y, &low);
  put_number(s, ODE_Z, d, z), put_number(s, ODE_NEXT_LOW, d, low);
  judge(s, total(s, adaptive_gauss16.legendre[GAUSS_STAGES - 1], g), y, z, loop);
}

/* The same of q, and v with it. */
static void end_second(Gauss *s, V d, CgLoop *loop, void *ctx) {
  Loop *l = &s->l;
  V h = ctx, g = cg_load(l->e, row(s, GAUSS_G, behind(s, d)), s->w), v = number(s, GAUSS_V, d), v_low = number(s, GAUSS_V_LOW, d);
  V y = number(s, ODE_Y, d), low = number(s, ODE_LOW, d), part = cg_real(l->e, 0, 1), more = part;
  V path = along(s, adaptive_gauss16.bx, adaptive_gauss16.bx_low, g, &more);
  low = cg_fma(l->e, h, cg_fma(l->e, h, more, v_low), low); /* before what is larger, in which the low part of bx would be lost */
  low = cg_fma(l->e, h, mul(l, h, path), low);
  V z = moved(s, h, v, y, &low);
  put_number(s, ODE_Z, d, z), put_number(s, ODE_NEXT_LOW, d, low);
  V sum = along(s, adaptive_gauss16.b, adaptive_gauss16.b_low, g, &part);
  v_low = cg_fma(l->e, h, part, v_low);
  V next = moved(s, h, sum, v, &v_low);
  put_number(s, GAUSS_NEXT_V, d, next), put_number(s, GAUSS_NEXT_V_LOW, d, v_low);
  judge(s, mul(l, h, total(s, adaptive_gauss16.last, g)), y, z, loop);
}

static void coefficients(Gauss *s, V d, CgLoop *loop, void *ctx) {
  V column[GAUSS_STAGES];
  (void)loop, (void)ctx;
  for (int i = 0; i < GAUSS_STAGES; i++) column[i] = constants(s, &adaptive_gauss16.legendre[0][i], GAUSS_STAGES);
  cg_store(s->l.e, product(s, column, iterated(s, d)), row(s, GAUSS_COEF, d));
}

typedef struct Moves {
  int to, from;
} Moves;
static void move_number(Gauss *s, V d, CgLoop *loop, void *ctx) {
  const Moves *m = ctx;
  (void)loop;
  for (int k = 0; k < 2; k++) put_number(s, m[k].to, d, number(s, m[k].from, d));
}

static void accept(Gauss *s) {
  staged(s, coefficients, 0, NULL, NULL);
  numbers(s, move_number, 0, NULL, (Moves[]){{ODE_Y, ODE_Z}, {ODE_LOW, ODE_NEXT_LOW}});
  if (s->q) some_numbers(s, 0, s->q, move_number, 0, NULL, (Moves[]){{GAUSS_V, GAUSS_NEXT_V}, {GAUSS_V_LOW, GAUSS_NEXT_V_LOW}});
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
  V step = get(l, STEP), h = get(l, H), change = over(l, num(l, GAUSS_SAFE * sqrt(l->a->rtol)), part);
  bad = either(l, bad, not_(l, is_finite(l, part)));
  change = lesser(l, power(l, change, 1.0 / GAUSS_STAGES), num(l, GAUSS_GROW));
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
  V bad = iterate(s), sum[2] = {num(l, 0), num(l, 0)};
  V h = real(s, get(l, STEP));
  if (s->q) some_numbers(s, 0, s->q, end_second, 2, sum, h);
  some_numbers(s, s->q, l->o->dim, end_row, 2, sum, h);
  V accepted = control(s, bad, add(l, sum[PART], sum[BROKEN]), last);
  If good = if_begin(l, accepted);
  accept(s);
  V t = get(l, T), by_h = add(l, get(l, STEP), get(l, T_LOW)), t1 = add(l, t, by_h), low = sub(l, by_h, sub(l, t1, t));
  V next = next_of(s), end = time_of(s, next);
  put(l, HOLD, get(l, STEP));
  put(l, T, pick(l, last, end, t1));
  put(l, T_LOW, pick(l, last, num(l, 0), low));
  If point = if_begin(l, last);
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
  V k = cg_load(s->l.e, iterated(s, d), 1), none = cg_real(s->l.e, 0, s->w);
  (void)loop, (void)ctx;
  if (s->q) put_number(s, GAUSS_V, d, number(s, ODE_K, d)), put_number(s, GAUSS_V_LOW, d, cg_real(s->l.e, 0, 1));
  cg_store(s->l.e, LLVMBuildInsertElement(s->l.b, none, k, cg_i32(s->l.e, 0), ""), row(s, GAUSS_COEF, d));
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
               .q = a->plan->second};
  Gauss *s = &own;
  Loop *l = &s->l;
  l->rates = rates_of_one;
  l->array = gen_scratch(g, a->work + a->plan->array), s->staged = gen_scratch(g, a->work + a->plan->staged);
  begin(s);
  If runs = if_begin(l, flag(l, RUN));
  l->rates(l, 0, ODE_Y, 0);
  staged(s, coef_row, 0, NULL, NULL);
  gen_stage_first(l);
  V h = get(l, H), still = LLVMBuildFCmp(l->b, LLVMRealOEQ, h, num(l, 0), "");
  put(l, HOLD, pick(l, still, num(l, 1), h));
  While steps = while_begin(l, "steps");
  while_test(l, steps, flag(l, RUN));
  step(s);
  while_end(l, steps);
  if_end(l, runs);
  bury(s);
}
