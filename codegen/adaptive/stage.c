/* The stages of a step: loops over the elements of the state, with coefficients as constants. */
#include "codegen/adaptive/adaptive_priv.h"

/* ---- rows of arrays -------------------------------------------------------------------------------------------------- */

static void rows(Loop *l, int64_t n, RowFn body, unsigned sums, V *sum, void *ctx) {
  CgLoop *loop = base_realloc(NULL, sizeof *loop);
  cg_loop_begin(l->e, loop, cg_i64(l->e, 0), cg_i64(l->e, n), 1);
  for (unsigned k = 0; k < sums; k++) cg_loop_phi(l->e, loop, num(l, 0));
  body(l, cg_gep_bytes(l->e, l->array, cg_imul(l->e, loop->iv, cg_i64(l->e, l->w * l->e->es))), loop, ctx);
  cg_loop_end(l->e, loop);
  for (unsigned k = 0; k < sums; k++) sum[k] = loop->next[k];
  base_free(loop);
}

void gen_lane_rows(Loop *l, RowFn body, unsigned sums, V *sum, void *ctx) { rows(l, l->o->rows, body, sums, sum, ctx); }

void gen_lane_watched(Loop *l, RowFn body, unsigned sums, V *sum, void *ctx) {
  rows(l, (l->o->watched * l->o->lanes + l->w - 1) / l->w, body, sums, sum, ctx);
}

V gen_lane_if_watched(Loop *l, V row, V x) {
  CgEmit *e = l->e;
  if (l->o->lanes > 1 || l->o->watched == l->o->dim || l->o->watched % l->w == 0) return x;
  V *number = ARENA_ARRAY(l->g->mem, V, l->w), first = cg_imul(e, row, cg_i64(e, l->w));
  for (unsigned k = 0; k < l->w; k++) number[k] = cg_i64(e, k);
  V at = LLVMBuildAdd(l->b, cg_splat(e, first, l->w), LLVMConstVector(number, l->w), "");
  V end = cg_splat(e, cg_i64(e, l->o->watched), l->w);
  return pick(l, LLVMBuildICmp(l->b, LLVMIntSLT, at, end, ""), x, num(l, 0));
}

V gen_lane_combination(Loop *l, V at, const double *w, int n) {
  V sum = NULL;
  for (int k = 0; k < n; k++) {
    if (w[k] == 0) continue;
    V c = cg_real(l->e, w[k], l->w), x = load(l, at, ODE_K + k);
    sum = sum ? cg_fma(l->e, c, x, sum) : mul(l, c, x);
  }
  return sum;
}

/* Of sums over the elements: those of one sample are spread over the lanes. */
V gen_lane_mean(Loop *l, V sum) {
  if (l->o->lanes == 1) sum = cg_splat(l->e, cg_sum_lanes(&l->d, sum, l->w), l->w);
  return by(l, sum, 1 / (double)l->o->watched);
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
  x = gen_lane_if_watched(l, loop->iv, mul(l, wide(l, x), r));
  cg_loop_next(loop, sum, cg_fma(l->e, x, x, loop->phi[sum]));
}

/* ---- stages ------------------------------------------------------------------------------------------------------------ */

void gen_stage_rates(Loop *l, double c, int z, int to) {
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
  V y = load(l, at, ODE_Y), x = gen_lane_combination(l, at, l->m->a[s->i], s->i);
  if (s->i != l->last) {
    store(l, x ? cg_fma(l->e, s->h, x, y) : y, at, s->out);
    return;
  }
  V by_h = mul(l, s->h, x), step = add(l, by_h, load(l, at, ODE_LOW)), z = add(l, y, step);
  V moved = sub(l, z, y), of_y = sub(l, y, sub(l, z, moved)), of_step = sub(l, step, moved);
  store(l, z, at, s->out);
  store(l, add(l, of_y, of_step), at, ODE_NEXT_LOW);
}

void gen_stage(Loop *l, int i, int out) {
  Stage s = {i, out, narrow(l, get(l, H))};
  gen_lane_rows(l, stage_row, 0, NULL, &s);
  gen_stage_rates(l, l->m->c[i], out, i);
}

enum { ERROR, ERROR3, LOST, ERRORS };

static void error_row(Loop *l, V at, CgLoop *loop, void *ctx) {
  (void)ctx;
  V y = load(l, at, ODE_Y), z = load(l, at, ODE_Z), r = inverse_scale(l, y, z);
  add_square(l, loop, ERROR, gen_lane_combination(l, at, l->m->e, l->m->stages), r);
  if (l->m->order == 8) {
    double w[ADAPTIVE_STAGES];
    for (int j = 0; j < ADAPTIVE_STAGES; j++) w[j] = l->m->a[l->last][j] - l->m->bhh[j];
    add_square(l, loop, ERROR3, gen_lane_combination(l, at, w, l->last), r);
  }
  cg_loop_next(loop, LOST,
               add(l, loop->phi[LOST], gen_lane_if_watched(l, loop->iv, wide(l, sub(l, z, z))))); /* NaN, if z is not finite */
}

V gen_stage_error(Loop *l) {
  V sum[ERRORS], h = size(l, get(l, H));
  gen_lane_watched(l, error_row, ERRORS, sum, NULL);
  V err = gen_lane_mean(l, sum[ERROR]);
  if (l->m->order == 8) {
    V den = cg_fma(l->e, num(l, 0.01), gen_lane_mean(l, sum[ERROR3]), err), some = less(l, num(l, 0), den);
    den = pick(l, some, root(l, den), num(l, 1));
    err = over(l, mul(l, h, err), den);
  } else {
    err = mul(l, h, root(l, err));
  }
  return add(l, err, gen_lane_mean(l, sum[LOST]));
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

void gen_stage_first(Loop *l) {
  V sum[2], span = get(l, SPAN), dir = get(l, DIR);
  gen_lane_watched(l, sizes_row, 2, sum, NULL);
  V a = gen_lane_mean(l, sum[0]), b = gen_lane_mean(l, sum[1]), known = is_finite(l, a),
    both_known = both(l, known, is_finite(l, b));
  V runs = flag(l, RUN);
  fail(l, both(l, runs, not_(l, both_known)));
  V tiny = num(l, 1e-10), small = at_most(l, a, tiny);
  small = either(l, small, at_most(l, b, tiny));
  V h = by(l, root(l, over(l, b, a)), 0.01);
  h = lesser(l, pick(l, small, num(l, 1e-6), h), span);
  runs = flag(l, RUN);
  put(l, H, pick(l, runs, mul(l, dir, h), num(l, 0)));
  gen_lane_rows(l, euler_row, 0, NULL, narrow(l, get(l, H)));
  l->rates(l, 1, ODE_Z, 1);
  gen_lane_watched(l, turn_row, 1, sum, NULL);
  V der2 = over(l, root(l, gen_lane_mean(l, sum[0])), h), speed = root(l, a);
  der2 = pick(l, is_finite(l, der2), der2, num(l, 0));
  V der = larger(l, der2, speed), flat = at_most(l, der, num(l, 1e-15)), tenth = larger(l, num(l, 1e-6), by(l, h, 1e-3));
  V h1 = power(l, over(l, num(l, 0.01), der), 1.0 / l->m->order);
  h1 = pick(l, flat, tenth, h1);
  h1 = lesser(l, by(l, h, 100), h1);
  h1 = mul(l, dir, lesser(l, h1, span));
  put(l, H, pick(l, runs, h1, num(l, 0)));
}
