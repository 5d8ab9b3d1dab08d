/* The loop of an adaptive trajectory: one for a tile, whatever the method, with the arithmetic of runtime/steppers/ode.c.
 *
 * Lanes step together, but each has its own time, step, error and control, all in f64: no lane's numbers depend on its
 * neighbours. A lane that is done or has failed stays in the tile with a step of 0 and a finite state. Of a single sample the
 * vectors run along the elements of the state: its control is the same number in all lanes, which makes the code the same.
 * Rates are a function, called for each stage; coefficients are constants of the code. Dense output is made at a step in
 * which a time of some lane lies, and only then. State and time are compensated sums. */
#include "codegen/gen/gen_priv.h"
#include "codegen/math/math.h"
#include "ir/adaptive.h"

#include <float.h>
#include <math.h>

typedef LLVMValueRef V;
/* What a lane carries from step to step, each a vector of doubles in memory. DUE: the time at `NEXT`, or an infinity behind the
 * last but one; RUN, REJECTED, FAILED, MASK: 1 or 0. */
typedef enum { T, T_LOW, H, OLD, STEPS, RUN, REJECTED, FAILED, END, DIR, SPAN, NEXT, DUE, MASK, SLOTS } Slot;

typedef struct Loop {
  CgEmit *e, d; /* d: of doubles */
  Gen *g;
  const Adaptive *a;
  const PlanOde *o;
  const AdaptiveMethod *m;
  LLVMBuilderRef b;
  unsigned w;
  int last; /* number of the stage at the end of a step */
  V slot[SLOTS], tr, array;
} Loop;

static V num(Loop *l, double v) { return cg_real(&l->d, v, l->w); }
static V add(Loop *l, V x, V y) { return LLVMBuildFAdd(l->b, x, y, ""); }
static V sub(Loop *l, V x, V y) { return LLVMBuildFSub(l->b, x, y, ""); }
static V mul(Loop *l, V x, V y) { return LLVMBuildFMul(l->b, x, y, ""); }
static V by(Loop *l, V x, double c) { return mul(l, x, num(l, c)); }
static V over(Loop *l, V x, V y) { return LLVMBuildFDiv(l->b, x, y, ""); }
static V pick(Loop *l, V c, V x, V y) { return LLVMBuildSelect(l->b, c, x, y, ""); }
static V both(Loop *l, V x, V y) { return LLVMBuildAnd(l->b, x, y, ""); }
static V either(Loop *l, V x, V y) { return LLVMBuildOr(l->b, x, y, ""); }
static V not_(Loop *l, V x) { return LLVMBuildNot(l->b, x, ""); }
static V less(Loop *l, V x, V y) { return LLVMBuildFCmp(l->b, LLVMRealOLT, x, y, ""); }
static V at_most(Loop *l, V x, V y) { return LLVMBuildFCmp(l->b, LLVMRealOLE, x, y, ""); }
static V lesser(Loop *l, V x, V y) { return pick(l, less(l, x, y), x, y); }
static V larger(Loop *l, V x, V y) { return pick(l, less(l, y, x), x, y); }

static V call1(Loop *l, const char *name, V x) {
  LLVMTypeRef t = LLVMTypeOf(x);
  return cg_intrinsic(l->e, name, &t, 1, &x, 1);
}
static V size(Loop *l, V x) { return call1(l, "llvm.fabs", x); }
static V root(Loop *l, V x) { return call1(l, "llvm.sqrt", x); }
static V is_finite(Loop *l, V x) { return less(l, size(l, x), num(l, HUGE_VAL)); }

static V power(Loop *l, V x, double c) {
  V log = by(l, cg_ew(&l->d, OP_log, &x), c);
  return cg_ew(&l->d, OP_exp, &log);
}

static V get(Loop *l, Slot s) { return cg_load(&l->d, l->slot[s], l->w); }
static void put(Loop *l, Slot s, V v) { cg_store(&l->d, v, l->slot[s]); }
static V flag(Loop *l, Slot s) { return LLVMBuildFCmp(l->b, LLVMRealUNE, get(l, s), num(l, 0), ""); }
static void put_flag(Loop *l, Slot s, V mask) {
  V one = num(l, 1);
  put(l, s, pick(l, mask, one, num(l, 0)));
}
static void set_flag(Loop *l, Slot s, V mask) {
  V have = flag(l, s);
  put_flag(l, s, either(l, have, mask));
}
/* The lane goes no further. */
static void stop(Loop *l, V mask) {
  V runs = flag(l, RUN), now = both(l, runs, not_(l, mask)), h = get(l, H);
  put_flag(l, RUN, now);
  put(l, H, pick(l, now, h, num(l, 0)));
}
static void fail(Loop *l, V mask) { set_flag(l, FAILED, mask), stop(l, mask); }

static V any(Loop *l, V mask) {
  LLVMTypeRef t = LLVMTypeOf(mask);
  return l->w > 1 ? cg_intrinsic(l->e, "llvm.vector.reduce.or", &t, 1, &mask, 1) : mask;
}

/* Reals of the function to doubles and back. */
static V wide(Loop *l, V x) { return l->e->f64 ? x : LLVMBuildFPExt(l->b, x, cg_real_type(&l->d, l->w), ""); }
static V narrow(Loop *l, V x) { return l->e->f64 ? x : LLVMBuildFPTrunc(l->b, x, cg_real_type(l->e, l->w), ""); }

/* A condition with what is done only where it holds. */
typedef struct If {
  LLVMBasicBlockRef after;
} If;
static If if_begin(Loop *l, V c) {
  LLVMBasicBlockRef then = cg_block(l->e, "");
  If i = {cg_block(l->e, "")};
  LLVMBuildCondBr(l->b, c, then, i.after);
  LLVMPositionBuilderAtEnd(l->b, then);
  return i;
}
static void if_end(Loop *l, If i) {
  LLVMBuildBr(l->b, i.after);
  LLVMMoveBasicBlockAfter(i.after, LLVMGetInsertBlock(l->b));
  LLVMPositionBuilderAtEnd(l->b, i.after);
}

/* ---- rows of arrays -------------------------------------------------------------------------------------------------- */

typedef void (*RowFn)(Loop *l, V at, CgLoop *loop, void *ctx); /* at: the row of array 0 */

static V sum_init(Loop *l) { return num(l, 0); }

static void rows(Loop *l, RowFn body, unsigned sums, V *sum, void *ctx) {
  CgLoop *loop = base_realloc(NULL, sizeof *loop);
  cg_loop_begin(l->e, loop, cg_i64(l->e, 0), cg_i64(l->e, l->o->rows), 1);
  for (unsigned k = 0; k < sums; k++) cg_loop_phi(l->e, loop, sum_init(l));
  body(l, cg_gep_bytes(l->e, l->array, cg_imul(l->e, loop->iv, cg_i64(l->e, l->w * l->e->es))), loop, ctx);
  cg_loop_end(l->e, loop);
  for (unsigned k = 0; k < sums; k++) sum[k] = loop->next[k];
  base_free(loop);
}

static V row_at(Loop *l, V at, int array) { return cg_gep_bytes(l->e, at, cg_i64(l->e, array * l->o->stride)); }
static V load(Loop *l, V at, int array) { return cg_load(l->e, row_at(l, at, array), l->w); }
static void store(Loop *l, V v, V at, int array) { cg_store(l->e, v, row_at(l, at, array)); }
static V whole(Loop *l, int array) { return row_at(l, l->array, array); }

/* sum of w_k K_k; NULL if all are 0. */
static V combination(Loop *l, V at, const double *w, int n) {
  V sum = NULL;
  for (int k = 0; k < n; k++) {
    if (w[k] == 0) continue;
    V c = cg_real(l->e, w[k], l->w), x = load(l, at, ODE_K + k);
    sum = sum ? cg_fma(l->e, c, x, sum) : mul(l, c, x);
  }
  return sum;
}

/* Of sums over the elements: those of one sample are spread over the lanes. */
static V mean(Loop *l, V sum) {
  if (l->o->lanes == 1) sum = cg_splat(l->e, cg_sum_lanes(&l->d, sum, l->w), l->w);
  return by(l, sum, 1 / (double)l->o->dim);
}

/* 1/(atol + rtol max(|a|, |b|)) */
static V inverse_scale(Loop *l, V a, V b) {
  a = size(l, a), b = size(l, b);
  V big = wide(l, larger(l, a, b)), scale = cg_fma(l->e, num(l, l->a->rtol), big, num(l, l->a->atol));
  V least = num(l, DBL_MIN);
  scale = larger(l, scale, least);
  return over(l, num(l, 1), scale);
}

static void add_square(Loop *l, CgLoop *loop, unsigned sum, V x, V r) {
  x = mul(l, wide(l, x), r);
  cg_loop_next(loop, sum, cg_fma(l->e, x, x, loop->phi[sum]));
}

/* ---- stages ------------------------------------------------------------------------------------------------------------ */

/* K_to = rates at t + c h and the state in array z. */
static void rates(Loop *l, double c, int z, int to) {
  V t = get(l, T), h = get(l, H);
  t = narrow(l, cg_fma(l->e, num(l, c), h, t));
  cg_store(l->e, t, l->tr);
  V arg[4] = {l->a->ctx, l->tr, whole(l, z), whole(l, ODE_K + to)};
  LLVMBuildCall2(l->b, LLVMGlobalGetValueType(l->a->rates), l->a->rates, arg, 4, "");
}

typedef struct Stage {
  int i, out;
  V h;
} Stage;

static void stage_row(Loop *l, V at, CgLoop *loop, void *ctx) {
  const Stage *s = ctx;
  (void)loop;
  V y = load(l, at, ODE_Y), x = combination(l, at, l->m->a[s->i], s->i);
  if (s->i != l->last) {
    store(l, x ? cg_fma(l->e, s->h, x, y) : y, at, s->out);
    return;
  }
  V by_h = mul(l, s->h, x), step = add(l, by_h, load(l, at, ODE_LOW)), z = add(l, y, step);
  V moved = sub(l, z, y), of_y = sub(l, y, sub(l, z, moved)), of_step = sub(l, step, moved);
  store(l, z, at, s->out);
  store(l, add(l, of_y, of_step), at, ODE_NEXT_LOW);
}

static void stage(Loop *l, int i, int out) {
  Stage s = {i, out, narrow(l, get(l, H))};
  rows(l, stage_row, 0, NULL, &s);
  rates(l, l->m->c[i], out, i);
}

enum { ERROR, ERROR3, LOST, ERRORS };

static void error_row(Loop *l, V at, CgLoop *loop, void *ctx) {
  (void)ctx;
  V y = load(l, at, ODE_Y), z = load(l, at, ODE_Z), r = inverse_scale(l, y, z);
  add_square(l, loop, ERROR, combination(l, at, l->m->e, l->m->stages), r);
  if (l->m->order == 8) {
    double w[ADAPTIVE_STAGES];
    for (int j = 0; j < ADAPTIVE_STAGES; j++) w[j] = l->m->a[l->last][j] - l->m->bhh[j];
    add_square(l, loop, ERROR3, combination(l, at, w, l->last), r);
  }
  cg_loop_next(loop, LOST, add(l, loop->phi[LOST], wide(l, sub(l, z, z)))); /* NaN, if z is not finite */
}

/* The error of the step relative to the tolerance: accepted when <= 1. */
static V error_of(Loop *l) {
  V sum[ERRORS], h = size(l, get(l, H));
  rows(l, error_row, ERRORS, sum, NULL);
  V err = mean(l, sum[ERROR]);
  if (l->m->order == 8) {
    V den = cg_fma(l->e, num(l, 0.01), mean(l, sum[ERROR3]), err), some = less(l, num(l, 0), den);
    den = pick(l, some, root(l, den), num(l, 1));
    err = over(l, mul(l, h, err), den);
  } else {
    err = mul(l, h, root(l, err));
  }
  return add(l, err, mean(l, sum[LOST]));
}

/* ---- the first step: HINIT, from the sizes of y, y' and y'' ----------------------------------------------------------- */

static void sizes_row(Loop *l, V at, CgLoop *loop, void *ctx) {
  (void)ctx;
  V y = load(l, at, ODE_Y), r = inverse_scale(l, y, y);
  add_square(l, loop, 0, load(l, at, ODE_K), r);
  add_square(l, loop, 1, y, r);
}

static void euler_row(Loop *l, V at, CgLoop *loop, void *ctx) {
  (void)loop;
  V y = load(l, at, ODE_Y), k = load(l, at, ODE_K);
  store(l, cg_fma(l->e, ctx, k, y), at, ODE_Z);
}

static void turn_row(Loop *l, V at, CgLoop *loop, void *ctx) {
  (void)ctx;
  V y = load(l, at, ODE_Y), r = inverse_scale(l, y, y), k1 = load(l, at, ODE_K + 1);
  add_square(l, loop, 0, sub(l, k1, load(l, at, ODE_K)), r);
}

static void first_step(Loop *l) {
  V sum[2], span = get(l, SPAN), dir = get(l, DIR);
  rows(l, sizes_row, 2, sum, NULL);
  V a = mean(l, sum[0]), b = mean(l, sum[1]), known = is_finite(l, a), both_known = both(l, known, is_finite(l, b));
  V runs = flag(l, RUN);
  fail(l, both(l, runs, not_(l, both_known)));
  V tiny = num(l, 1e-10), small = at_most(l, a, tiny);
  small = either(l, small, at_most(l, b, tiny));
  V h = by(l, root(l, over(l, b, a)), 0.01);
  h = lesser(l, pick(l, small, num(l, 1e-6), h), span);
  runs = flag(l, RUN);
  put(l, H, pick(l, runs, mul(l, dir, h), num(l, 0)));
  rows(l, euler_row, 0, NULL, narrow(l, get(l, H)));
  rates(l, 1, ODE_Z, 1);
  rows(l, turn_row, 1, sum, NULL);
  V der2 = over(l, root(l, mean(l, sum[0])), h), speed = root(l, a);
  der2 = pick(l, is_finite(l, der2), der2, num(l, 0));
  V der = larger(l, der2, speed), flat = at_most(l, der, num(l, 1e-15)), tenth = larger(l, num(l, 1e-6), by(l, h, 1e-3));
  V h1 = power(l, over(l, num(l, 0.01), der), 1.0 / l->m->order);
  h1 = pick(l, flat, tenth, h1);
  h1 = lesser(l, by(l, h, 100), h1);
  h1 = mul(l, dir, lesser(l, h1, span));
  put(l, H, pick(l, runs, h1, num(l, 0)));
}

/* ---- what goes to the trajectory --------------------------------------------------------------------------------------- */

static V lane_ptr(Loop *l, Slot s, V lane) { return cg_gep(&l->d, l->slot[s], lane); }

/* Of one number; of a single sample for all lanes. */
static void put_lane(Loop *l, Slot s, V lane, V v) {
  if (l->o->lanes == 1) put(l, s, cg_splat(l->e, v, l->w));
  else cg_store(&l->d, v, lane_ptr(l, s, lane));
}

/* Time i of a lane, both i64, as a double. */
static V lane_time(Loop *l, V i, V lane) {
  V at = l->a->lane_times ? cg_iadd(l->e, cg_imul(l->e, i, cg_i64(l->e, l->o->lanes)), lane) : i;
  V t = cg_load(l->e, cg_gep(l->e, l->a->time, at), 1);
  return l->e->f64 ? t : LLVMBuildFPExt(l->b, t, l->d.real, "");
}

/* Times i of all lanes. */
static V times(Loop *l, V i) {
  if (l->a->lane_times && l->o->lanes > 1)
    return wide(l, cg_load(l->e, cg_gep(l->e, l->a->time, cg_imul(l->e, i, cg_i64(l->e, l->o->lanes))), l->w));
  return cg_splat(l->e, lane_time(l, i, cg_i64(l->e, 0)), l->w);
}

/* NEXT of the lane is `next`: sets DUE, too. */
static void put_next(Loop *l, V next, V lane) {
  CgEmit *e = l->e;
  V end = cg_i64(e, l->o->times - 1), inside = LLVMBuildICmp(l->b, LLVMIntSLT, next, end, "");
  V t = lane_time(l, LLVMBuildSelect(l->b, inside, next, end, ""), lane);
  V dir = cg_load(&l->d, lane_ptr(l, DIR, lane), 1), never = LLVMBuildFMul(l->b, dir, cg_real(&l->d, HUGE_VAL, 1), "");
  put_lane(l, DUE, lane, LLVMBuildSelect(l->b, inside, t, never, ""));
  put_lane(l, NEXT, lane, LLVMBuildSIToFP(l->b, next, l->d.real, ""));
}

/* Lanes of the mask get the state in an array as their next point. */
static void write_due(Loop *l, V mask, int from) {
  CgEmit *e = l->e;
  CgLoop *lane = base_realloc(NULL, sizeof *lane), *d = base_realloc(NULL, sizeof *d);
  const int64_t lanes = l->o->lanes;
  V state = whole(l, from);
  put_flag(l, MASK, mask);
  cg_loop_begin(e, lane, cg_i64(e, 0), cg_i64(e, lanes), 1);
  V due = cg_load(&l->d, lane_ptr(l, MASK, lane->iv), 1);
  If some = if_begin(l, LLVMBuildFCmp(l->b, LLVMRealUNE, due, cg_real(&l->d, 0, 1), ""));
  V next = LLVMBuildFPToSI(l->b, cg_load(&l->d, lane_ptr(l, NEXT, lane->iv), 1), e->i64, "");
  V to = cg_gep(e, l->a->out, cg_iadd(e, cg_imul(e, next, cg_i64(e, l->o->dim * lanes)), lane->iv));
  cg_loop_begin(e, d, cg_i64(e, 0), cg_i64(e, l->o->dim), 1);
  V at = cg_imul(e, d->iv, cg_i64(e, lanes)), element = cg_gep(e, state, cg_iadd(e, at, lane->iv));
  cg_store(e, cg_load(e, element, 1), cg_gep(e, to, at));
  cg_loop_end(e, d);
  put_next(l, cg_iadd(e, next, cg_i64(e, 1)), lane->iv);
  if_end(l, some);
  cg_loop_end(e, lane);
  base_free(lane), base_free(d);
}

typedef struct Point {
  V mask, index;
} Point;

static void last_row(Loop *l, V at, CgLoop *loop, void *ctx) {
  const Point *p = ctx;
  V row = cg_iadd(l->e, p->index, cg_imul(l->e, loop->iv, cg_i64(l->e, l->w))), to = cg_gep(l->e, l->a->out, row);
  V was = cg_load(l->e, to, l->w), y = load(l, at, ODE_Y);
  cg_store(l->e, pick(l, p->mask, y, was), to);
}

/* Lanes of the mask get their state as point k. */
static void write_point(Loop *l, V mask, int64_t k) {
  If some = if_begin(l, any(l, mask));
  rows(l, last_row, 0, NULL, &(Point){mask, cg_i64(l->e, k * l->o->dim * l->o->lanes)});
  if_end(l, some);
}

/* The interpolant r0 + x (r1 + x1 (r2 + x (r3 + ...))), x1 = 1 - x: r0 is the state, r1 ... take the places of K_1 ... */
static void interpolant_row(Loop *l, V at, CgLoop *loop, void *ctx) {
  V h = ctx, y = load(l, at, ODE_Y), k0 = load(l, at, ODE_K), r[4], more[4];
  (void)loop;
  r[1] = sub(l, load(l, at, ODE_Z), y);
  r[2] = sub(l, mul(l, h, k0), r[1]);
  r[3] = sub(l, sub(l, r[1], mul(l, h, load(l, at, ODE_K + l->last))), r[2]);
  for (int i = 0; i < l->m->ncont; i++) more[i] = mul(l, h, combination(l, at, l->m->d[i], l->m->stages + l->m->extra));
  for (int i = 1; i < 4; i++) store(l, r[i], at, ODE_K + i);
  for (int i = 0; i < l->m->ncont; i++) store(l, more[i], at, ODE_K + 4 + i);
}

static void value_row(Loop *l, V at, CgLoop *loop, void *ctx) {
  V x = ctx, x1 = sub(l, cg_real(l->e, 1, l->w), x);
  const int top = 3 + l->m->ncont;
  (void)loop;
  V v = load(l, at, ODE_K + top);
  for (int c = top - 1; c > 0; c--) v = cg_fma(l->e, c & 1 ? x1 : x, v, load(l, at, ODE_K + c));
  store(l, cg_fma(l->e, x, v, load(l, at, ODE_Y)), at, ODE_WORK);
}

/* Lanes of the mask whose next time is not behind t1. */
static V due(Loop *l, V mask, V t1) {
  V ahead = sub(l, get(l, DUE), t1);
  ahead = mul(l, ahead, get(l, DIR));
  return both(l, mask, at_most(l, ahead, num(l, 0)));
}

/* Writes what lies in the step to t1 of the lanes of the mask. */
static void dense(Loop *l, V mask, V t1) {
  If some = if_begin(l, any(l, due(l, mask, t1)));
  for (int i = 0; i < l->m->extra; i++) stage(l, l->last + 1 + i, ODE_WORK);
  V h = get(l, H), t = get(l, T);
  rows(l, interpolant_row, 0, NULL, narrow(l, h));
  LLVMBasicBlockRef turn = cg_block(l->e, "");
  LLVMBuildBr(l->b, turn);
  LLVMPositionBuilderAtEnd(l->b, turn);
  V now = due(l, mask, t1), gone = sub(l, get(l, DUE), t), x = over(l, gone, h);
  rows(l, value_row, 0, NULL, narrow(l, pick(l, now, x, num(l, 0))));
  write_due(l, now, ODE_WORK);
  V more = any(l, due(l, mask, t1));
  LLVMBasicBlockRef after = cg_block(l->e, "");
  LLVMBuildCondBr(l->b, more, turn, after);
  LLVMPositionBuilderAtEnd(l->b, after);
  if_end(l, some);
}

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
  for (int i = 1; i <= l->last; i++) stage(l, i, i == l->last ? ODE_Z : ODE_WORK);
  V err = error_of(l), runs = flag(l, RUN), accepted = both(l, runs, at_most(l, err, num(l, 1)));
  V t = get(l, T), h = get(l, H), by_h = add(l, h, get(l, T_LOW)), t1 = add(l, t, by_h), low = sub(l, by_h, sub(l, t1, t));
  t1 = pick(l, last, get(l, END), t1);
  low = pick(l, last, num(l, 0), low);
  dense(l, accepted, t1);
  rows(l, advance_row, 0, NULL, accepted);
  put(l, T, pick(l, accepted, t1, t));
  put(l, T_LOW, pick(l, accepted, low, get(l, T_LOW)));
  control(l, err, accepted);
  V ends = both(l, accepted, last);
  write_point(l, ends, l->o->times - 1);
  stop(l, ends);
}

/* ---- begin and end ------------------------------------------------------------------------------------------------------ */

/* Zeros behind the elements of a single sample, the state and what it rounded off. */
static void begin_arrays(Loop *l) {
  CgEmit *e = l->e;
  const int64_t n = l->o->dim * l->o->lanes;
  const int arrays = ODE_K + l->m->stages + l->m->extra;
  V none = cg_real(e, 0, l->w);
  for (int k = 0; k < arrays && n % l->w; k++)
    store(l, none, cg_gep_bytes(e, l->array, cg_i64(e, (l->o->rows - 1) * l->w * e->es)), k);
  l->g->kernel->copy(e, whole(l, ODE_Y), l->a->y0, e->es, cg_i64(e, n * e->es));
  gen_zero(l->g, whole(l, ODE_LOW), l->o->rows * l->w * e->es);
}

/* Lanes whose times are not finite or not in order. */
static V unordered(Loop *l, V t0, V dir) {
  V bad = pick(l, is_finite(l, t0), num(l, 0), num(l, 1));
  if (l->o->times > 1) {
    CgLoop *loop = base_realloc(NULL, sizeof *loop);
    cg_loop_begin(l->e, loop, cg_i64(l->e, 1), cg_i64(l->e, l->o->times), 1);
    V before = cg_loop_phi(l->e, loop, t0), so_far = cg_loop_phi(l->e, loop, bad), t = times(l, loop->iv);
    V back = less(l, mul(l, sub(l, t, before), dir), num(l, 0)), wild = not_(l, is_finite(l, t));
    cg_loop_next(loop, 0, t);
    cg_loop_next(loop, 1, pick(l, either(l, back, wild), num(l, 1), so_far));
    cg_loop_end(l->e, loop);
    bad = loop->next[1];
    base_free(loop);
  }
  return LLVMBuildFCmp(l->b, LLVMRealUNE, bad, num(l, 0), "");
}

static void begin(Loop *l) {
  CgEmit *e = l->e;
  for (int s = 0; s < SLOTS; s++) l->slot[s] = cg_alloca(e, l->w * 8), put(l, (Slot)s, num(l, 0));
  l->tr = cg_alloca(e, l->w * e->es);
  V t0 = times(l, cg_i64(e, 0)), end = times(l, cg_i64(e, l->o->times - 1)), span = size(l, sub(l, end, t0));
  V dir = pick(l, less(l, end, t0), num(l, -1), num(l, 1));
  begin_arrays(l);
  put(l, T, t0), put(l, END, end), put(l, DIR, dir), put(l, SPAN, span), put(l, OLD, num(l, 1e-4));
  V bad = unordered(l, t0, dir), all = LLVMConstAllOnes(LLVMTypeOf(bad)), still = at_most(l, span, num(l, 0));
  put_flag(l, FAILED, bad);
  put_flag(l, RUN, not_(l, either(l, bad, still)));
  write_point(l, all, 0);
  CgLoop *lane = base_realloc(NULL, sizeof *lane);
  cg_loop_begin(e, lane, cg_i64(e, 0), cg_i64(e, l->o->lanes), 1);
  put_next(l, cg_i64(e, 1), lane->iv);
  cg_loop_end(e, lane);
  base_free(lane);
  LLVMBasicBlockRef head = cg_block(e, ""), turn = cg_block(e, ""), after = cg_block(e, ""); /* times equal to the first */
  LLVMBuildBr(l->b, head);
  LLVMPositionBuilderAtEnd(l->b, head);
  V equal = LLVMBuildFCmp(l->b, LLVMRealOEQ, get(l, DUE), t0, "");
  LLVMBuildCondBr(l->b, any(l, equal), turn, after);
  LLVMPositionBuilderAtEnd(l->b, turn);
  write_due(l, equal, ODE_Y);
  LLVMBuildBr(l->b, head);
  LLVMPositionBuilderAtEnd(l->b, after);
  write_point(l, still, l->o->times - 1);
}

/* NaN at every time of the lanes that failed. */
static void bury(Loop *l) {
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

void gen_adaptive(Gen *g, const Adaptive *a) {
  CgEmit *e = g->e;
  Loop own = {.e = e, .d = math_double(e), .g = g, .a = a, .o = a->plan, .m = a->method, .b = e->b, .w = a->plan->w}, *l = &own;
  l->last = l->m->stages - 1;
  l->array = gen_scratch(g, a->work + l->o->array);
  begin(l);
  If some = if_begin(l, any(l, flag(l, RUN)));
  rates(l, 0, ODE_Y, 0);
  first_step(l);
  LLVMBasicBlockRef head = cg_block(e, "steps"), body = cg_block(e, ""), after = cg_block(e, "");
  LLVMBuildBr(e->b, head);
  LLVMPositionBuilderAtEnd(e->b, head);
  V last = prepare(l);
  LLVMBuildCondBr(e->b, any(l, flag(l, RUN)), body, after);
  LLVMPositionBuilderAtEnd(e->b, body);
  step(l, last);
  LLVMBuildBr(e->b, head);
  LLVMPositionBuilderAtEnd(e->b, after);
  if_end(l, some);
  bury(l);
}
