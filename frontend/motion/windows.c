/* Windows of methods with fixed steps: a step each, on which a surface is the polynomial of third degree that has its values and slopes
 * at both ends.
 *
 * Steps on which no coefficient has the other sign are gone through in a loop of its own, `stride`, which looks at nothing else; nor does
 * it stop where a surface plainly crosses against the wanted direction. The step that it stops before is made once more and opened. */
#include "frontend/motion/events_priv.h"

enum { DEGREE = 3 };

/* The step behind a point at which the surfaces are `last` and the coefficients before are `bend`; c: the coefficients, out->t set. */
static bool step(Elab *E, Events *s, const Moment *from, const Val *last, const Val *bend, Moment *to, Val (*c)[DEGREE + 1]) {
  Val g[MAX_SURFACES], slope[MAX_SURFACES], dt = events_scalar(E, s, s->dt);
  if (!events_point(E, s, from, dt, to) || !surface_values(E, s, to, g, slope)) return false;
  Build *b = events_at(E, s);
  Val third = ir_mul(b, dt, ir_const_exact(b, 1.0 / 3, 1, 3));
  for (uint32_t j = 0; j < s->m; j++) {
    c[j][0] = last[j], c[j][3] = g[j];
    c[j][1] = ir_add(b, last[j], ir_sub(b, last[j], bend[j]));
    c[j][2] = ir_sub(b, g[j], ir_mul(b, third, slope[j]));
  }
  return true;
}

/* ---- stride -------------------------------------------------------------------------------------------------------------- */

typedef struct Stride {
  Val busy, count; /* steps that were made */
  Value start;     /* the time before the first */
  Moment at;
  Val last[MAX_SURFACES], bend[MAX_SURFACES], sign[MAX_SURFACES];
} Stride;

static uint32_t fields(const Events *s, Stride *k, Val **at) {
  uint32_t n = 0;
  at[n++] = &k->busy, at[n++] = &k->count;
  for (uint32_t i = 0; i < s->p.n; i++) at[n++] = &k->at.x[i];
  for (uint32_t j = 0; j < s->m; j++) at[n++] = &k->last[j], at[n++] = &k->bend[j], at[n++] = &k->sign[j];
  return n;
}
enum { STRIDE = 2 + MAX_STATES + 3 * MAX_SURFACES };

/* The polynomial, times the sign, changes its own once, and ends well beyond 0. */
static Val plainly_crosses(Build *b, const Val *c) {
  Val zero = ir_const(b, 0), bound = ir_mul(b, c[0], ir_const(b, b->f->f64 ? -0x1p-30 : -0x1p-14));
  Val ends = ir_lt(b, c[3], bound), falls = ir_lt(b, c[1], zero), back = ir_and(b, falls, ir_lt(b, zero, c[2]));
  return ir_and(b, ends, ir_not(b, back));
}

/* In which lanes surface j need not be looked at; its sign behind the step. */
static Val plain(Build *b, const Events *s, uint32_t j, const Val *c, Val *sign) {
  Val zero = ir_const(b, 0), by[DEGREE + 1], least;
  for (int k = 0; k <= DEGREE; k++) by[k] = ir_mul(b, c[k], *sign);
  least = ir_min(b, by[1], ir_min(b, by[2], by[3]));
  Val clear = ir_lt(b, zero, least); /* NaN is not */
  if (!s->sign[j]) return clear;
  Val unwanted = s->sign[j] > 0 ? ir_lt(b, zero, *sign) : ir_lt(b, *sign, zero);
  Val passes = ir_and(b, unwanted, plainly_crosses(b, by));
  *sign = ir_select(b, passes, ir_neg(b, *sign), *sign);
  return ir_or(b, clear, passes);
}

static Val time_of(Elab *E, const Events *s, Val start, Val count) {
  Val dt = events_scalar(E, s, s->dt);
  Build *b = events_at(E, s);
  return ir_add(b, start, ir_mul(b, count, dt));
}

static bool stride_turn(Elab *E, Events *s, void *state) {
  Stride *k = state;
  k->at.t = time_of(E, s, elab_use(E, k->start), k->count);
  Moment to;
  Val c[MAX_SURFACES][DEGREE + 1], sign[MAX_SURFACES];
  if (!step(E, s, &k->at, k->last, k->bend, &to, c)) return false;
  Val over = events_ended(E, s, to.t);
  Build *b = events_at(E, s);
  Val go = events_mask(b, k->busy);
  for (uint32_t j = 0; j < s->m; j++) {
    sign[j] = k->sign[j];
    go = ir_and(b, go, plain(b, s, j, c[j], &sign[j]));
  }
  for (uint32_t i = 0; i < s->p.n; i++) k->at.x[i] = ir_select(b, go, to.x[i], k->at.x[i]);
  k->count = ir_select(b, go, ir_add(b, k->count, ir_const(b, 1)), k->count);
  for (uint32_t j = 0; j < s->m; j++) {
    k->last[j] = ir_select(b, go, c[j][3], k->last[j]), k->bend[j] = ir_select(b, go, c[j][2], k->bend[j]);
    k->sign[j] = ir_select(b, go, sign[j], k->sign[j]);
  }
  k->busy = ir_indicator(b, ir_and(b, go, ir_not(b, over)));
  return true;
}

static bool stride(Elab *E, Events *s, Search *q, Val go) {
  Val *at[STRIDE];
  Val start = q->w.end.t;
  Build *b = events_at(E, s);
  Stride k = {.at = q->w.end, .count = ir_const(b, 0), .start = elab_value(E, start)};
  k.busy = ir_indicator(b, go);
  for (uint32_t j = 0; j < s->m; j++) k.last[j] = q->w.last[j], k.bend[j] = q->w.bend[j], k.sign[j] = q->w.sign[j];
  const uint32_t n = fields(s, &k, at);
  if (!events_run(E, s, "stride", at, n, s->steps + 1, stride_turn, &k)) return false;
  q->w.end = k.at, q->w.end.t = time_of(E, s, start, k.count);
  b = events_at(E, s);
  q->left = ir_sub(b, q->left, k.count);
  for (uint32_t j = 0; j < s->m; j++) q->w.last[j] = k.last[j], q->w.bend[j] = k.bend[j], q->w.sign[j] = k.sign[j];
  return true;
}

/* ---- the step that is looked at -------------------------------------------------------------------------------------------- */

static void choose(Build *b, const Events *s, Val c, const Moment *x, Moment *out) {
  for (uint32_t k = 0; k < s->p.n; k++) out->x[k] = ir_select(b, c, x->x[k], out->x[k]);
  out->t = ir_select(b, c, x->t, out->t);
}

static bool open_step(Elab *E, Events *s, Search *q, Val go, Val *lost) {
  Window *w = &q->w;
  Moment to;
  Val c[MAX_SURFACES][DEGREE + 1], dt = events_scalar(E, s, s->dt);
  if (!step(E, s, &w->end, w->last, w->bend, &to, c)) return false;
  Build *b = events_at(E, s);
  Val zero = ir_const(b, 0), sum = zero;
  for (uint32_t j = 0; j < s->m; j++) sum = ir_add(b, sum, ir_abs(b, c[j][DEGREE]));
  Val finite = ir_le(b, sum, ir_const(b, b->f->f64 ? 1e300 : 1e37)), taken = ir_and(b, go, finite);
  *lost = ir_and(b, go, ir_not(b, finite));
  choose(b, s, taken, &w->end, &w->begin);
  choose(b, s, taken, &to, &w->end);
  w->length = ir_select(b, taken, dt, w->length);
  q->left = ir_select(b, go, ir_sub(b, q->left, ir_const(b, 1)), q->left);
  for (uint32_t j = 0; j < s->m; j++) {
    for (int k = 0; k <= DEGREE; k++) w->g[j].c[k] = ir_select(b, taken, c[j][k], w->g[j].c[k]);
    w->last[j] = ir_select(b, taken, c[j][DEGREE], w->last[j]), w->bend[j] = ir_select(b, taken, c[j][DEGREE - 1], w->bend[j]);
    w->from[j] = ir_select(b, taken, zero, w->from[j]);
  }
  return true;
}

bool windows_next(Elab *E, Events *s, Search *q, Val go, Val *lost) {
  if (!stride(E, s, q, go)) return false;
  Val over = events_ended(E, s, q->w.end.t);
  Build *b = events_at(E, s);
  Val left = ir_lt(b, ir_const(b, 0), q->left), on = ir_and(b, go, ir_and(b, left, ir_not(b, over)));
  return open_step(E, s, q, on, lost);
}
