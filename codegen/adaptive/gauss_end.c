/* The end of a step of gauss16: weighted sums of the rates of all stages, by products with a row each, then the state by vectors along the
 * numbers, with compensated sums. */
#include "codegen/adaptive/gauss_priv.h"

/* ---- vectors along the numbers ------------------------------------------------------------------------------------------ */

/* Numbers d ... d + part of the arrays, in a loop `l` whose vectors are as long as those of stages. */
typedef struct Some {
  Gauss *s;
  Loop l;
  V d;
  unsigned part;
  V worst, lost; /* PART of gen_gauss_end; NaN, if a number is not finite */
} Some;
typedef void (*SomeFn)(Some *x);

static V have(Some *x, int array) { return cg_load_part(x->l.e, gauss_number(x->s, array, x->d), x->l.w, x->part); }
static void give(Some *x, int array, V v) { cg_store_part(x->l.e, v, gauss_number(x->s, array, x->d), x->l.w, x->part); }

static void along(Some *x, int64_t from, int64_t to, SomeFn body) {
  Gauss *s = x->s;
  CgEmit *e = s->l.e;
  const int64_t w = x->l.w, rest = (to - from) % w;
  if (to - from >= w) {
    CgLoop *loop = base_realloc(NULL, sizeof *loop);
    cg_loop_begin(e, loop, cg_i64(e, from), cg_i64(e, to - rest), w);
    x->worst = cg_loop_phi(e, loop, x->worst), x->lost = cg_loop_phi(e, loop, x->lost);
    x->d = loop->iv, x->part = (unsigned)w;
    body(x);
    cg_loop_next(loop, 0, x->worst), cg_loop_next(loop, 1, x->lost);
    cg_loop_end(e, loop);
    x->worst = loop->next[0], x->lost = loop->next[1];
    base_free(loop);
  }
  if (!rest) return;
  x->d = cg_i64(e, to - rest), x->part = (unsigned)rest;
  body(x);
}

static Some some(Gauss *s) {
  Some x = {.s = s, .l = s->l};
  x.l.w = s->w;
  x.worst = x.lost = num(&x.l, 0);
  return x;
}

static V of_all(Some *x, Slot slot) { return cg_splat(x->l.e, get(&x->s->l, slot), x->l.w); } /* doubles */

/* ---- sizes -------------------------------------------------------------------------------------------------------------- */

/* The inverse of |y| + |h rate|. */
static void inverse(Some *x) {
  Loop *l = &x->l;
  V y = size(l, wide(l, have(x, ODE_Y))), path = size(l, mul(l, of_all(x, STEP), wide(l, have(x, x->s->q ? GAUSS_V : GAUSS_MEAN))));
  V whole = larger(l, add(l, y, path), num(l, l->e->f64 ? DBL_MIN : (double)FLT_MIN));
  give(x, ODE_WORK, narrow(l, over(l, num(l, 1), whole)));
}

void gen_gauss_inverse(Gauss *s) {
  Some x = some(s);
  along(&x, 0, gauss_staged(s), inverse);
}

/* ---- sums over the stages ----------------------------------------------------------------------------------------------- */

enum { SUM_B, SUM_B_LOW, SUM_LAST, SUM_X, SUM_X_LOW, SUMS };

/* Column j of what the lanes of a product sum up: weights of stage j. */
static V weights(Gauss *s, int j, bool second) {
  const AdaptiveGauss *g = &adaptive_gauss16;
  const double w[SUMS] = {g->b[j], g->b_low[j], second ? g->last[j] : g->legendre[GAUSS_STAGES - 1][j], g->bx[j], g->bx_low[j]};
  V lane[64];
  for (unsigned i = 0; i < s->w; i++) lane[i] = LLVMConstReal(s->l.e->real, i < SUMS ? w[i] : 0);
  return LLVMConstVector(lane, s->w);
}

static void sum_row(Gauss *s, V d, CgLoop *loop, void *ctx) {
  const bool second = *(bool *)ctx;
  V w[GAUSS_STAGES];
  (void)loop;
  for (int j = 0; j < GAUSS_STAGES; j++) w[j] = weights(s, j, second);
  V sum = gauss_product(s, w, second ? gauss_iterated(s, d) : gauss_row(s, GAUSS_G, d));
  for (int k = 0; k < (second ? SUMS : SUM_X); k++) {
    V one = LLVMBuildExtractElement(s->l.b, sum, cg_i32(s->l.e, k), "");
    cg_store(s->l.e, one, gauss_number(s, GAUSS_SUM + k, d));
  }
}

/* ---- the state ------------------------------------------------------------------------------------------------------------ */

/* x + y, and to *low what that rounds off: Knuth's sum. */
static V exactly(Loop *l, V x, V y, V *low) {
  V z = add(l, x, y), moved = sub(l, z, x);
  *low = add(l, sub(l, x, sub(l, z, moved)), sub(l, y, moved));
  return z;
}

/* h x + y + low, and to *low what that rounds off. */
static V moved(Loop *l, V h, V x, V y, V *low) {
  V by_h = mul(l, h, x), lost = cg_fma(l->e, h, x, LLVMBuildFNeg(l->b, by_h, "")), rest;
  V z = exactly(l, y, by_h, &rest);
  rest = add(l, rest, add(l, lost, *low));
  return exactly(l, z, rest, low);
}

/* The last coefficient of the polynomial of a rate against the number. */
static void judge(Some *x, V last, V y, V z) {
  Loop *l = &x->l;
  V whole = add(l, size(l, wide(l, y)), size(l, wide(l, sub(l, z, y))));
  whole = larger(l, add(l, num(l, x->s->fixed ? 0 : l->a->atol / l->a->rtol), whole), num(l, DBL_MIN));
  V part = over(l, size(l, mul(l, of_all(x, STEP), wide(l, last))), whole);
  x->worst = larger(l, x->worst, part);
  x->lost = add(l, x->lost, wide(l, sub(l, z, z)));
}

static V moved_first(Some *x, V y) {
  Loop *l = &x->l;
  V h = narrow(l, of_all(x, STEP)), low = cg_fma(l->e, h, have(x, GAUSS_SUM + SUM_B_LOW), have(x, ODE_LOW));
  V z = moved(l, h, have(x, GAUSS_SUM + SUM_B), y, &low);
  give(x, ODE_Z, z), give(x, ODE_NEXT_LOW, low);
  return z;
}

static void end_first(Some *x) {
  V y = have(x, ODE_Y), z = moved_first(x, y);
  judge(x, have(x, GAUSS_SUM + SUM_LAST), y, z);
}

static void end_tangent(Some *x) { moved_first(x, have(x, ODE_Y)); }

/* Of q, and v with it. What is small is added first: in a larger sum it would be lost, in each step the same. */
static void end_second(Some *x) {
  Loop *l = &x->l;
  V h = narrow(l, of_all(x, STEP)), y = have(x, ODE_Y), v = have(x, GAUSS_V), v_low = have(x, GAUSS_V_LOW);
  V low = cg_fma(l->e, h, cg_fma(l->e, h, have(x, GAUSS_SUM + SUM_X_LOW), v_low), have(x, ODE_LOW));
  low = cg_fma(l->e, h, mul(l, h, have(x, GAUSS_SUM + SUM_X)), low);
  V z = moved(l, h, v, y, &low);
  give(x, ODE_Z, z), give(x, ODE_NEXT_LOW, low);
  v_low = cg_fma(l->e, h, have(x, GAUSS_SUM + SUM_B_LOW), v_low);
  V next = moved(l, h, have(x, GAUSS_SUM + SUM_B), v, &v_low);
  give(x, GAUSS_NEXT_V, next), give(x, GAUSS_NEXT_V_LOW, v_low);
  judge(x, mul(l, h, have(x, GAUSS_SUM + SUM_LAST)), y, z);
}

V gen_gauss_end(Gauss *s, V *lost) {
  const int64_t dim = s->l.o->dim, watched = s->l.o->watched;
  Some x = some(s);
  if (s->q) gauss_numbers(s, 0, s->q, sum_row, 0, NULL, &(bool){true});
  gauss_numbers(s, s->q, dim, sum_row, 0, NULL, &(bool){false});
  if (s->q) along(&x, 0, s->q, end_second);
  along(&x, s->q, watched, end_first);
  along(&x, watched, dim, end_tangent);
  *lost = cg_sum_lanes(&s->l.d, x.lost, s->w);
  return call1(&x.l, "llvm.vector.reduce.fmax", x.worst);
}

/* ---- the next step ---------------------------------------------------------------------------------------------------------- */

static void coefficients(Gauss *s, V d, CgLoop *loop, void *ctx) {
  V column[GAUSS_STAGES];
  (void)loop, (void)ctx;
  for (int i = 0; i < GAUSS_STAGES; i++) column[i] = gauss_constants(s, &adaptive_gauss16.legendre[0][i], GAUSS_STAGES);
  cg_store(s->l.e, gauss_product(s, column, gauss_iterated(s, d)), gauss_row(s, GAUSS_COEF, d));
}

static void move_state(Some *x) {
  give(x, ODE_Y, have(x, ODE_Z)), give(x, ODE_LOW, have(x, ODE_NEXT_LOW)), give(x, GAUSS_MEAN, have(x, GAUSS_SUM + SUM_B));
}
static void move_v(Some *x) { give(x, GAUSS_V, have(x, GAUSS_NEXT_V)), give(x, GAUSS_V_LOW, have(x, GAUSS_NEXT_V_LOW)); }

void gen_gauss_accept(Gauss *s) {
  Some x = some(s);
  gauss_numbers(s, 0, gauss_staged(s), coefficients, 0, NULL, NULL);
  along(&x, 0, s->l.o->dim, move_state);
  if (s->q) along(&x, 0, s->q, move_v);
}
