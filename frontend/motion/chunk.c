/* Windows of adaptive methods: polynomials of degree 8 by dense output at Chebyshev's points.
 *
 * An `ode` begins anew, with a step that it must find, wherever one is written. So one goes over a chunk of windows of one length, and its
 * points are kept (`fill`); those windows on which no coefficient has the other sign are gone through without it (`skip`). Where the
 * last terms of a window's Chebyshev sum are not small, its polynomial does not follow the surface, and a chunk of half the length begins
 * there; windows are longer in the next chunk where they are smaller in all of one. */
#include "frontend/motion/events_priv.h"

enum {
  DEGREE = BERNSTEIN_MOST,
  MOST_WINDOWS = 4,
  FEW_NUMBERS = 64,
  MANY_NUMBERS = 512 /* of a state, of which a chunk keeps a whole path */
};
/* Of the largest value: what the last two terms may be; the part of that at which the next windows aim. Least and most length, in units of the
 * first: so what never crosses ends after as many windows as there may be, and what is lost is left alone. */
#define TAIL_F64 1e-6
#define TAIL_F32 1e-3
#define TAIL_AIM 0x1p-5
#define LEAST 0x1p-20
#define MOST 0x1p10
#define LOST 0x1p-45

static double bound(const Build *b) { return b->f->f64 ? TAIL_F64 : TAIL_F32; }

/* Windows of a chunk. */
static uint32_t windows(const Events *s) {
  int64_t n = 0;
  for (uint32_t k = 0; k < s->p.n; k++) {
    Type t;
    if (value_type(s->p.state[k].v, &t)) n += type_count(t);
  }
  return n <= FEW_NUMBERS ? MOST_WINDOWS : n <= MANY_NUMBERS ? 2 : 1;
}

static Val count(Build *b, const Events *s) { return ir_const(b, windows(s)); }

Val chunk_time(Build *b, const Events *s, const Window *w) {
  Val by = ir_mul(b, w->length, w->at), inside = ir_lt(b, w->at, count(b, s));
  return ir_select(b, inside, ir_add(b, w->begin.t, by), w->end.t);
}

/* A row of the path for each sample. */
static void point_of(Build *b, const Events *s, const Window *w, Val row, Moment *x) {
  for (uint32_t k = 0; k < s->p.n; k++) x->x[k] = ir_gather(b, w->path[k], row);
}

/* Where the points of a chunk are in it. */
static Val parts_of(Elab *E, const Events *s) {
  const uint32_t many = windows(s), points = many * DEGREE + 1;
  double *part = ARENA_ARRAY(E->mem, double, points);
  for (uint32_t k = 0; k < points; k++) part[k] = (k / DEGREE + bernstein_point(DEGREE, (int)(k % DEGREE))) / many;
  Build *b = events_at(E, s);
  Val table = ir_table(b, type_real(false, 1, (uint32_t[]){points}), part);
  return elab_lane(E) ? ir_spread(b, table) : table;
}

/* ---- a chunk ------------------------------------------------------------------------------------------------------------- */

/* The surfaces at points side by side, as [points] each. */
static bool values_along(Elab *E, Events *s, const Val *path, Val times, Val *out) {
  Level *l = ARENA_NEW(E->mem, Level);
  Moment x;
  Val g[MAX_SURFACES];
  level_begin(E, l, "surfaces");
  for (uint32_t k = 0; k < s->p.n; k++) x.x[k] = level_walk(E, l, path[k]);
  x.t = level_walk(E, l, times);
  if (!surface_values(E, s, &x, g, NULL)) return level_drop(E, l), false;
  events_returned(E, s, g, s->m);
  Val r = events_loop(E, s, l, NULL, 0, s->m, windows(s) * DEGREE + 1, 0);
  Build *b = events_at(E, s);
  for (uint32_t j = 0; j < s->m; j++) out[j] = ir_proj(b, r, j);
  return true;
}

/* How long the windows are to be, and where the chunk from t on ends: at `until`, where that is near. */
static Val length_of(Elab *E, const Events *s, Val t, Val next, Val *end) {
  if (s->end.kind == V_NONE) {
    Build *b = events_at(E, s);
    *end = ir_add(b, t, ir_mul(b, next, count(b, s)));
    return next;
  }
  Val until = events_scalar(E, s, s->end);
  Build *b = events_at(E, s);
  Val part = ir_const(b, 1.0 / windows(s)), left = ir_mul(b, ir_sub(b, until, t), part), size = ir_abs(b, next);
  Val near = ir_lt(b, ir_abs(b, left), size), far_end = ir_add(b, t, ir_mul(b, next, count(b, s)));
  *end = ir_select(b, near, until, far_end);
  return ir_select(b, near, left, next);
}

typedef struct Fill {
  Val busy;
  Window w;
  Value next;
} Fill;

static bool fill_turn(Elab *E, Events *s, void *state) {
  Fill *f = state;
  Window *w = &f->w;
  Moment x;
  Val path[MAX_STATES], height[MAX_SURFACES], next = elab_use(E, f->next), end;
  Build *b = events_at(E, s);
  Val zero = ir_const(b, 0), go = events_mask(b, f->busy), row = ir_mul(b, w->at, ir_const(b, DEGREE));
  point_of(b, s, w, row, &x);
  Val again = ir_le(b, w->at, zero); /* if the method failed, nothing of the path is there */
  for (uint32_t k = 0; k < s->p.n; k++) x.x[k] = ir_select(b, again, w->begin.x[k], x.x[k]);
  x.t = chunk_time(b, s, w);
  Val h = length_of(E, s, x.t, next, &end);
  b = events_at(E, s);
  Val span = ir_select(b, go, ir_mul(b, h, count(b, s)), zero);
  const uint32_t points = windows(s) * DEGREE + 1;
  Val spans = ir_expand(b, span, 0, points), from = ir_expand(b, x.t, 0, points), by = ir_mul(b, spans, parts_of(E, s));
  Val times = s->timed ? ir_add(b, from, by) : by;
  if (!events_along(E, s, &x, times, path) || !values_along(E, s, path, times, height)) return false;
  b = events_at(E, s);
  for (uint32_t k = 0; k < s->p.n; k++) {
    w->path[k] = ir_select(b, go, path[k], w->path[k]);
    w->begin.x[k] = ir_select(b, go, x.x[k], w->begin.x[k]);
  }
  for (uint32_t j = 0; j < s->m; j++) w->height[j] = ir_select(b, go, height[j], w->height[j]);
  w->begin.t = ir_select(b, go, x.t, w->begin.t), w->end.t = ir_select(b, go, end, w->end.t);
  w->length = ir_select(b, go, h, w->length);
  Val *none[] = {&w->at, &w->stale, &w->worst};
  for (int k = 0; k < 3; k++) *none[k] = ir_select(b, go, zero, *none[k]);
  f->busy = ir_mul(b, f->busy, zero);
  return true;
}

/* A chunk from where the one before is over, in those of the lanes. */
static bool fill(Elab *E, Events *s, Search *q, Val go) {
  Fill *f = ARENA_NEW(E->mem, Fill);
  Val *at[MAX_WINDOW];
  uint32_t n = 0;
  Window *w = &f->w;
  Build *b = events_at(E, s);
  Val stale = ir_and(b, go, events_mask(b, q->w.stale));
  *f = (Fill){.busy = ir_indicator(b, stale), .w = q->w, .next = elab_value(E, q->w.next)};
  at[n++] = &f->busy, at[n++] = &w->begin.t, at[n++] = &w->end.t, at[n++] = &w->length;
  at[n++] = &w->at, at[n++] = &w->stale, at[n++] = &w->worst;
  for (uint32_t k = 0; k < s->p.n; k++) at[n++] = &w->path[k], at[n++] = &w->begin.x[k];
  for (uint32_t j = 0; j < s->m; j++) at[n++] = &w->height[j];
  if (!events_run(E, s, "chunk", at, n, 2, fill_turn, f)) return false;
  q->w = *w;
  return true;
}

/* ---- its windows ----------------------------------------------------------------------------------------------------------- */

/* Number by number, as all of it is in registers. */
static Val combination(Build *b, int n, const double *w, const Val *x) {
  Val sum = VAL_NONE;
  for (int k = 0; k < n; k++) {
    Val c = ir_const(b, w[k]), term = ir_mul(b, c, x[k]);
    sum = sum.id ? ir_add(b, sum, term) : term;
  }
  return sum;
}

/* The polynomial by its values; how large the last terms are against the largest value. */
static Val polynomial(Build *b, Val values, Bernstein *p) {
  enum { N = DEGREE, POINTS = N + 1 };
  double from[POINTS * POINTS], tail[2 * POINTS];
  Val x[POINTS], most = ir_const(b, b->f->f64 ? 1e-300 : 1e-37), last[2];
  bernstein_from_values(N, from);
  bernstein_tail(N, tail);
  for (uint32_t k = 0; k < POINTS; k++) x[k] = ir_index(b, values, 0, k), most = ir_max(b, most, ir_abs(b, x[k]));
  for (int k = 0; k < 2; k++) last[k] = ir_abs(b, combination(b, POINTS, tail + k * POINTS, x));
  p->n = N;
  p->c[0] = x[0], p->c[N] = x[N];
  for (int k = 1; k < N; k++) p->c[k] = combination(b, POINTS, from + k * POINTS, x);
  return ir_div(b, ir_add(b, last[0], last[1]), most);
}

/* Of window `at`: the polynomials, and the worst tail. */
static Val polynomials(Build *b, const Events *s, const Val *height, Val at, Bernstein *g) {
  Val first = ir_mul(b, at, ir_const(b, DEGREE)), zero = ir_const(b, 0);
  Val own = ir_iota(b, DEGREE + 1), rows = ir_add(b, ir_expand(b, first, 0, DEGREE + 1), own), worst = zero;
  for (uint32_t j = 0; j < s->m; j++) {
    Val values = ir_gather(b, height[j], rows);
    worst = ir_max(b, worst, polynomial(b, values, &g[j]));
  }
  return worst;
}

/* They follow the surfaces, or there is no shorter window. */
static Val follow(Build *b, Val worst, Val length, Val first) {
  Val finite = ir_le(b, worst, ir_const(b, 1e30)), small = ir_le(b, worst, ir_const(b, bound(b)));
  Val size = ir_abs(b, length), least = ir_le(b, size, ir_mul(b, first, ir_const(b, LEAST)));
  return ir_and(b, finite, ir_or(b, small, least));
}

typedef struct Skip {
  Val busy, at, worst, left;
  Value length, height[MAX_SURFACES], sign[MAX_SURFACES];
} Skip;

static bool skip_turn(Elab *E, Events *s, void *state) {
  Skip *k = state;
  Bernstein g[MAX_SURFACES];
  Val height[MAX_SURFACES], length = elab_use(E, k->length);
  for (uint32_t j = 0; j < s->m; j++) height[j] = elab_use(E, k->height[j]);
  Val dt = events_scalar(E, s, s->dt);
  Build *b = events_at(E, s);
  Val zero = ir_const(b, 0), first = ir_abs(b, dt), worst = polynomials(b, s, height, k->at, g);
  Val good = follow(b, worst, length, first), go = ir_and(b, events_mask(b, k->busy), good);
  for (uint32_t j = 0; j < s->m; j++) {
    Val sign = elab_use(E, k->sign[j]), least = VAL_NONE;
    b = events_at(E, s);
    for (int i = 1; i <= DEGREE; i++) {
      Val by = ir_mul(b, g[j].c[i], sign);
      least = least.id ? ir_min(b, least, by) : by;
    }
    go = ir_and(b, go, ir_lt(b, zero, least));
  }
  k->at = ir_select(b, go, ir_add(b, k->at, ir_const(b, 1)), k->at);
  k->left = ir_select(b, go, ir_sub(b, k->left, ir_const(b, 1)), k->left);
  k->worst = ir_select(b, go, ir_max(b, k->worst, worst), k->worst);
  k->busy = ir_indicator(b, ir_and(b, go, ir_lt(b, k->at, count(b, s))));
  return true;
}

/* To the next window with something to look at, or to the end of the chunk. */
static bool skip(Elab *E, Events *s, Search *q, Val go) {
  Window *w = &q->w;
  Skip *k = ARENA_NEW(E->mem, Skip);
  Build *b = events_at(E, s);
  Val inside = ir_and(b, go, ir_lt(b, w->at, count(b, s)));
  *k = (Skip){.busy = ir_indicator(b, inside), .at = w->at, .worst = w->worst, .left = q->left, .length = elab_value(E, w->length)};
  for (uint32_t j = 0; j < s->m; j++) k->height[j] = elab_value(E, w->height[j]), k->sign[j] = elab_value(E, w->sign[j]);
  Val *at[] = {&k->busy, &k->at, &k->worst, &k->left};
  if (!events_run(E, s, "skip", at, 4, windows(s), skip_turn, k)) return false;
  w->at = k->at, w->worst = k->worst, q->left = k->left;
  return true;
}

/* In the first window, the surface's own slope: of one that begins on the surface the sign and the time to come back are known to a part
 * of themselves, however small they are. */
static void start_slope(Build *b, const Window *w, uint32_t j, Val dt, Bernstein *g) {
  Val rise = ir_sub(b, w->last[j], w->bend[j]), part = ir_div(b, w->length, dt);
  Val own = ir_add(b, g->c[0], ir_mul(b, rise, part)), first = ir_eq(b, w->sign[j], ir_const(b, 0));
  g->c[1] = ir_select(b, first, own, g->c[1]);
}

/* The tail is of the order of the length to the eighth power: twice as long at most, and not shorter. */
static Val longer_by(Build *b, const Window *w) {
  Val least = ir_const(b, bound(b) * TAIL_AIM / 256), worst = ir_max(b, w->worst, least), by = ir_const(b, bound(b) * TAIL_AIM);
  by = ir_sqrt(b, ir_sqrt(b, ir_sqrt(b, ir_div(b, by, worst))));
  return ir_mul(b, w->length, ir_max(b, by, ir_const(b, 1)));
}

/* Window `at`, in those of the lanes that have one. Where the chunk is over, or its windows are too long from there on, the length of the next. */
static void open_window(Elab *E, Events *s, Search *q, Val go, Val *lost) {
  Window *w = &q->w;
  Bernstein g[MAX_SURFACES];
  Val dt = events_scalar(E, s, s->dt);
  Build *b = events_at(E, s);
  Val one = ir_const(b, 1), zero = ir_const(b, 0), first = ir_abs(b, dt), inside = ir_lt(b, w->at, count(b, s));
  Val worst = polynomials(b, s, w->height, w->at, g), good = follow(b, worst, w->length, first);
  Val there = ir_and(b, go, inside), opened = ir_and(b, there, good), bad = ir_and(b, there, ir_not(b, good));
  Val over = ir_and(b, go, ir_not(b, inside));
  for (uint32_t j = 0; j < s->m; j++) {
    start_slope(b, w, j, dt, &g[j]);
    for (int k = 0; k <= DEGREE; k++) w->g[j].c[k] = ir_select(b, opened, g[j].c[k], w->g[j].c[k]);
    w->from[j] = ir_select(b, opened, zero, w->from[j]);
  }
  Val half = ir_mul(b, w->length, ir_const(b, 0.5)), longer = longer_by(b, w), most = ir_mul(b, first, ir_const(b, MOST));
  Val room = ir_le(b, ir_abs(b, longer), most), next = ir_select(b, bad, half, ir_select(b, room, longer, w->length));
  Val ends = ir_or(b, bad, over);
  w->next = ir_select(b, ends, next, w->next);
  w->stale = ir_select(b, ends, one, w->stale);
  q->left = ir_select(b, there, ir_sub(b, q->left, one), q->left);
  w->worst = ir_select(b, opened, ir_max(b, w->worst, worst), w->worst);
  w->at = ir_select(b, opened, ir_add(b, w->at, one), w->at);
  Val size = ir_abs(b, w->next);
  *lost = ir_and(b, bad, ir_lt(b, size, ir_mul(b, first, ir_const(b, LOST))));
}

bool chunk_next(Elab *E, Events *s, Search *q, Val go, Val *lost) {
  if (!fill(E, s, q, go) || !skip(E, s, q, go)) return false;
  open_window(E, s, q, go, lost);
  return true;
}

/* The start is the last point of a chunk. */
void chunk_begin(Elab *E, const Events *s, Window *w) {
  Build *b = events_at(E, s);
  const uint32_t points = windows(s) * DEGREE + 1;
  for (uint32_t k = 0; k < s->p.n; k++) w->path[k] = ir_expand(b, w->end.x[k], 0, points);
  for (uint32_t j = 0; j < s->m; j++) w->height[j] = ir_expand(b, w->last[j], 0, points);
  w->at = traj_lane(E, count(b, s), s->p.call), b = events_at(E, s);
  w->stale = traj_lane(E, ir_const(b, 1), s->p.call), b = events_at(E, s);
  w->worst = traj_lane(E, ir_const(b, 0), s->p.call);
}

/* That of the window's points that is the last not behind tau. */
void chunk_before(Elab *E, const Events *s, const Window *w, Val tau, Moment *x, Val *part) {
  Build *b = events_at(E, s);
  Val zero = ir_const(b, 0), row = zero, before = ir_sub(b, w->at, ir_const(b, 1));
  *part = zero;
  for (int k = 1; k <= DEGREE; k++) {
    Val at = ir_const(b, bernstein_point(DEGREE, k)), behind = ir_le(b, at, tau);
    *part = ir_select(b, behind, at, *part);
    row = ir_select(b, behind, ir_const(b, k), row);
  }
  point_of(b, s, w, ir_add(b, row, ir_mul(b, before, ir_const(b, DEGREE))), x);
  x->t = ir_add(b, w->begin.t, ir_mul(b, w->length, ir_add(b, before, *part)));
}
