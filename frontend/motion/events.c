/* Events: where and when orbits cross surfaces, as loops of the program.
 *
 * A loop over the events carries the window of the orbit that it is in: two points and, between them, each surface as a polynomial
 * (bernstein.h). In each turn
 *   search   from where the last event was to the first crossing that is wanted, window by window
 *   locate   the polynomial's root is moved by the secant rule until the surface itself is met, at a point that the method makes in
 *            one piece from the window's begin: so the point is as good as the method, and on the surface up to rounding
 *
 * A method of fixed steps: a window is a step, and the polynomial is of third degree, by the surface and its slope at both ends.
 * An adaptive method: of degree 8, by dense output at Chebyshev's points. A window is halved and tried again while the last terms of
 * the polynomial's Chebyshev sum are not small, and twice as long next time where they are much smaller; steps of the method are its own.
 *
 * A sample that does not cross in time, or is lost (not finite), goes on as NaN: so do its later events.
 *
 * Instructions are made in one order under every compiler: a call has at most one argument that makes some. */
#include "frontend/builtin/builtin.h"
#include "frontend/motion/events_priv.h"

#include <math.h>
#include <string.h>

enum { FIXED_DEGREE = 3, ADAPTIVE_DEGREE = 8 };
/* Of the largest value: what the last two terms may be; what makes the next window longer. Least and most length, in units of the
 * first: so what never crosses ends after as many windows as there may be, and what is lost is left alone. */
#define TAIL_F64 1e-6
#define TAIL_F32 1e-3
#define TAIL_LONGER 0x1p-8
#define LEAST 0x1p-20
#define MOST 0x1p10
#define LOST 0x1p-45
#define GONE 0x1p16 /* beyond any length: no more is looked for as the orbit was lost; 0: for another reason */

static bool adaptive(const Events *s) { return s->p.adaptive; }
int events_degree(const Events *s) { return adaptive(s) ? ADAPTIVE_DEGREE : FIXED_DEGREE; }

/* ---- loops --------------------------------------------------------------------------------------------------------------- */

Val events_carried(Elab *E, const Events *s, Type t) {
  return ir_input(events_at(E, s), NULL, IN_STATE, E->now->level->fn->in.n, t);
}

void events_returned(Elab *E, const Events *s, const Val *v, uint32_t n) {
  for (uint32_t k = 0; k < n; k++) {
    Val x = traj_lane(E, v[k], s->p.call);
    ir_output(events_at(E, s), x, NULL);
  }
}

/* Ends l, the body of a loop of n turns from the carries `first`. */
Val events_loop(Elab *E, const Events *s, Level *l, const Val *first, uint32_t carry, uint32_t ys, int64_t n, uint32_t converge) {
  Val *args = ARENA_ARRAY(E->mem, Val, carry + l->captures.n);
  for (uint32_t k = 0; k < l->captures.n; k++) args[carry + k] = l->captures.at[k].outer;
  level_order(E, l, carry);
  uint32_t nargs = carry + l->captures.n;
  level_end(E, l);
  for (uint32_t k = 0; k < carry; k++) args[k] = traj_lane(E, first[k], s->p.call);
  return ir_scan(events_at(E, s), args, nargs, (uint32_t)n, carry, 0, ys, 0, false, converge, l->fn);
}

static uint32_t pack(const Events *s, const Window *w, Val *out) {
  uint32_t n = 0;
  for (uint32_t k = 0; k < s->p.n; k++) out[n++] = w->begin.x[k];
  for (uint32_t k = 0; k < s->p.n; k++) out[n++] = w->end.x[k];
  out[n++] = w->begin.t, out[n++] = w->end.t, out[n++] = w->length, out[n++] = w->next;
  for (uint32_t j = 0; j < s->m; j++) {
    for (int k = 0; k <= w->g[j].n; k++) out[n++] = w->g[j].c[k];
    out[n++] = w->from[j], out[n++] = w->sign[j];
  }
  return n;
}

static uint32_t unpack(const Events *s, const Val *in, Window *w) {
  uint32_t n = 0;
  for (uint32_t k = 0; k < s->p.n; k++) w->begin.x[k] = in[n++];
  for (uint32_t k = 0; k < s->p.n; k++) w->end.x[k] = in[n++];
  w->begin.t = in[n++], w->end.t = in[n++], w->length = in[n++], w->next = in[n++];
  for (uint32_t j = 0; j < s->m; j++) {
    w->g[j].n = events_degree(s);
    for (int k = 0; k <= w->g[j].n; k++) w->g[j].c[k] = in[n++];
    w->from[j] = in[n++], w->sign[j] = in[n++];
  }
  return n;
}

/* Carries of the innermost level as values of `up` are. */
void events_carries(Elab *E, const Events *s, const Fn *up, const Val *like, uint32_t n, Val *in) {
  for (uint32_t k = 0; k < n; k++) {
    Type t = ir_type(up, like[k]);
    t.lane = t.lane || elab_lane(E);
    in[k] = events_carried(E, s, t);
  }
}

static Val scalar_of(Elab *E, const Events *s, Value v) { return elab_tensor(E, v, s->p.call); }

/* ---- motion -------------------------------------------------------------------------------------------------------------- */

/* The rates as a level, whose time begins at t. */
static bool rates(Elab *E, Events *s, Level *l, Val t) {
  const Actual start = {.v = elab_value(E, t), .at = s->p.call};
  const Actual *before = s->p.start;
  Context c;
  context_push(E, &c);
  if (!c.no_draws) c.no_draws = "what moves a point to a surface draws nothing";
  s->p.start = &start;
  const bool good = traj_rates(E, &s->p, l) && traj_separable(E, &s->p, l);
  s->p.start = before;
  if (!good) level_drop(E, l);
  context_pop(E, &c);
  return good;
}

/* An `ode` from x over times[n] of which the first is x's. */
static bool along(Elab *E, Events *s, const Moment *x, Val times, Val *out) {
  Level *l = ARENA_NEW(E->mem, Level);
  if (!rates(E, s, l, x->t)) return false;
  level_leave(E, l);
  Build *b = events_at(E, s);
  Val *inv = ARENA_ARRAY(E->mem, Val, l->captures.n + 1);
  for (uint32_t k = 0; k < l->captures.n; k++) inv[k] = l->captures.at[k].outer;
  Val multi = ir_ode(b, s->p.m, x->x, s->p.n, times, inv, l->captures.n, s->p.rtol, s->p.atol, s->p.max_steps, l->fn);
  level_end(E, l);
  b = events_at(E, s);
  for (uint32_t k = 0; k < s->p.n; k++) out[k] = ir_proj(b, multi, k);
  return true;
}

/* The point that lies h behind x, made in one piece. */
bool events_point(Elab *E, Events *s, const Moment *x, Val h, Moment *out) {
  Build *b = events_at(E, s);
  out->t = ir_add(b, x->t, h);
  if (adaptive(s)) {
    Val path[MAX_STATES], times = ir_stack(b, (Val[]){x->t, out->t}, 2);
    if (!along(E, s, x, times, path)) return false;
    b = events_at(E, s);
    for (uint32_t k = 0; k < s->p.n; k++) out->x[k] = ir_index(b, path[k], 0, 1);
    return true;
  }
  Level *l = ARENA_NEW(E->mem, Level);
  if (!rates(E, s, l, x->t)) return false;
  level_leave(E, l);
  b = events_at(E, s);
  Val multi = traj_steps(E, &s->p, l, x->x, h, 1, 1);
  level_end(E, l);
  b = events_at(E, s);
  for (uint32_t k = 0; k < s->p.n; k++) out->x[k] = ir_index(b, ir_proj(b, multi, k), 0, 1);
  return true;
}

/* ---- windows ------------------------------------------------------------------------------------------------------------- */

/* A third-degree polynomial by g and h g' at both ends: those at its begin are of the polynomial before. */
static bool next_step(Elab *E, Events *s, const Window *w, Window *n) {
  Val g[MAX_SURFACES], slope[MAX_SURFACES], dt = scalar_of(E, s, s->dt);
  if (!events_point(E, s, &w->end, dt, &n->end) || !surface_values(E, s, &n->end, g, slope)) return false;
  Build *b = events_at(E, s);
  Val third = ir_mul(b, dt, ir_const_exact(b, 1.0 / 3, 1, 3));
  n->length = dt, n->next = w->next;
  for (uint32_t j = 0; j < s->m; j++) {
    Bernstein *p = &n->g[j];
    const Val *before = w->g[j].c;
    p->n = FIXED_DEGREE, p->c[0] = before[3], p->c[3] = g[j];
    p->c[1] = ir_add(b, before[3], ir_sub(b, before[3], before[2]));
    p->c[2] = ir_sub(b, g[j], ir_mul(b, third, slope[j]));
  }
  return true;
}

/* The surfaces at points side by side, as [points] each. */
static bool values_along(Elab *E, Events *s, const Val *path, Val times, uint32_t points, Val *out) {
  Level *l = ARENA_NEW(E->mem, Level);
  Moment x;
  Val g[MAX_SURFACES];
  level_begin(E, l, "surfaces");
  for (uint32_t k = 0; k < s->p.n; k++) x.x[k] = level_walk(E, l, path[k]);
  x.t = level_walk(E, l, times);
  if (!surface_values(E, s, &x, g, NULL)) return level_drop(E, l), false;
  events_returned(E, s, g, s->m);
  const uint32_t nx = l->walked.n, nc = l->captures.n;
  Val *args = ARENA_ARRAY(E->mem, Val, nx + nc);
  for (uint32_t k = 0; k < nx; k++) args[k] = l->walked.at[k].outer;
  for (uint32_t k = 0; k < nc; k++) args[nx + k] = l->captures.at[k].outer;
  level_order(E, l, 0);
  level_end(E, l);
  Build *b = events_at(E, s);
  Val r = ir_scan(b, args, nx + nc, points, 0, nx, s->m, 0, false, false, l->fn);
  for (uint32_t j = 0; j < s->m; j++) out[j] = ir_proj(b, r, j);
  return true;
}

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
  enum { N = ADAPTIVE_DEGREE, POINTS = N + 1 };
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

/* In the first window, the surface's own slope, which `begin` has left in w: of one that begins on the surface the sign and the time to
 * come back are known to a part of themselves, however small they are. */
static void start_slope(Build *b, const Window *w, uint32_t j, Window *n) {
  const int last = w->g[j].n;
  Val rise = ir_sub(b, w->g[j].c[last], w->g[j].c[last - 1]), part = ir_div(b, n->length, w->length);
  Val own = ir_add(b, n->g[j].c[0], ir_mul(b, rise, part)), first = ir_eq(b, w->sign[j], ir_const(b, 0));
  n->g[j].c[1] = ir_select(b, first, own, n->g[j].c[1]);
}

/* By dense output over w->next at most, in the lanes of `go`; *good: the polynomials follow the surfaces. n->next: what to try next. */
static bool next_window(Elab *E, Events *s, const Window *w, Val go, Window *n, Val *good) {
  enum { POINTS = ADAPTIVE_DEGREE + 1 };
  const Type path_type = type_real(false, 1, (uint32_t[]){POINTS});
  double part[POINTS];
  for (int k = 0; k < POINTS; k++) part[k] = bernstein_point(ADAPTIVE_DEGREE, k);
  Build *b = events_at(E, s);
  Val zero = ir_const(b, 0), h = w->next, path[MAX_STATES], g[MAX_SURFACES];
  if (s->end.kind != V_NONE) {
    Val left = ir_sub(b, scalar_of(E, s, s->end), w->end.t);
    b = events_at(E, s);
    Val near = ir_abs(b, left), far = ir_abs(b, h);
    h = ir_select(b, ir_lt(b, near, far), left, h);
  }
  n->length = ir_select(b, go, h, zero);
  Val steps = ir_expand(b, n->length, 0, POINTS), at = ir_expand(b, w->end.t, 0, POINTS);
  Val table = ir_table(b, path_type, part), times = ir_add(b, at, ir_mul(b, steps, elab_lane(E) ? ir_spread(b, table) : table));
  if (!along(E, s, &w->end, times, path) || !values_along(E, s, path, times, POINTS, g)) return false;
  b = events_at(E, s);
  n->end.t = ir_index(b, times, 0, POINTS - 1);
  for (uint32_t k = 0; k < s->p.n; k++) n->end.x[k] = ir_index(b, path[k], 0, POINTS - 1);
  Val tail = zero;
  for (uint32_t j = 0; j < s->m; j++) tail = ir_max(b, tail, polynomial(b, g[j], &n->g[j])), start_slope(b, w, j, n);
  const double bound = b->f->f64 ? TAIL_F64 : TAIL_F32;
  Val first = ir_abs(b, scalar_of(E, s, s->dt));
  b = events_at(E, s);
  Val finite = ir_le(b, tail, ir_const(b, 1e30)), small = ir_le(b, tail, ir_const(b, bound));
  Val size = ir_abs(b, h), least = ir_le(b, size, ir_mul(b, first, ir_const(b, LEAST)));
  *good = ir_and(b, finite, ir_or(b, small, least));
  Val twice = ir_mul(b, h, ir_const(b, 2)), half = ir_mul(b, h, ir_const(b, 0.5));
  Val longest = ir_mul(b, first, ir_const(b, MOST)), room = ir_le(b, ir_abs(b, twice), longest);
  Val longer = ir_select(b, ir_and(b, room, ir_le(b, tail, ir_const(b, bound * TAIL_LONGER))), twice, h);
  n->next = ir_select(b, *good, longer, half);
  return true;
}

static void choose_moment(Build *b, const Events *s, Val c, const Moment *x, const Moment *y, Moment *out) {
  for (uint32_t k = 0; k < s->p.n; k++) out->x[k] = ir_select(b, c, x->x[k], y->x[k]);
  out->t = ir_select(b, c, x->t, y->t);
}

/* The window behind w, in the lanes of `go` that have one; `lost`: those that cannot. */
static bool advance(Elab *E, Events *s, Window *w, Val go, Val *lost) {
  Window n = {0};
  Val good = go;
  if (adaptive(s) ? !next_window(E, s, w, go, &n, &good) : !next_step(E, s, w, &n)) return false;
  Build *b = events_at(E, s);
  Val zero = ir_const(b, 0), sum = zero, first = ir_abs(b, scalar_of(E, s, s->dt));
  b = events_at(E, s);
  for (uint32_t j = 0; j < s->m; j++) sum = ir_add(b, sum, ir_abs(b, n.g[j].c[n.g[j].n]));
  Val finite = ir_le(b, sum, ir_const(b, b->f->f64 ? 1e300 : 1e37));
  Val least = ir_mul(b, first, ir_const(b, LOST));
  if (adaptive(s)) *lost = ir_and(b, go, ir_lt(b, ir_abs(b, n.next), least));
  else *lost = ir_and(b, go, ir_not(b, finite));
  Val taken = ir_and(b, go, ir_and(b, good, finite));
  choose_moment(b, s, taken, &w->end, &w->begin, &w->begin);
  choose_moment(b, s, taken, &n.end, &w->end, &w->end);
  w->length = ir_select(b, taken, n.length, w->length);
  w->next = adaptive(s) ? ir_select(b, go, n.next, w->next) : w->next;
  for (uint32_t j = 0; j < s->m; j++) {
    for (int k = 0; k <= w->g[j].n; k++) w->g[j].c[k] = ir_select(b, taken, n.g[j].c[k], w->g[j].c[k]);
    w->from[j] = ir_select(b, taken, zero, w->from[j]);
  }
  return true;
}

/* ---- search -------------------------------------------------------------------------------------------------------------- */

static uint32_t pack_search(const Events *s, const Search *q, Val *out) {
  out[0] = q->busy, out[1] = q->left, out[2] = q->tau, out[3] = q->which;
  return 4 + pack(s, &q->w, out + 4);
}

static void unpack_search(const Events *s, const Val *in, Search *q) {
  q->busy = in[0], q->left = in[1], q->tau = in[2], q->which = in[3];
  unpack(s, in + 4, &q->w);
}

/* In the direction that time runs. */
static Val reaches_end(Elab *E, const Events *s, Val t) {
  Build *b = events_at(E, s);
  Val zero = ir_const(b, 0);
  if (s->end.kind == V_NONE) return ir_lt(b, zero, zero);
  Val end = scalar_of(E, s, s->end), dt = scalar_of(E, s, s->dt);
  b = events_at(E, s);
  Val behind = ir_sub(b, t, end), sign = ir_sign(b, dt);
  return ir_le(b, zero, ir_mul(b, behind, sign));
}

static bool search_turn(Elab *E, Events *s, Search *q) {
  Build *b = events_at(E, s);
  Val zero = ir_const(b, 0), one = ir_const(b, 1), lost, least = q->w.from[0];
  for (uint32_t j = 1; j < s->m; j++) least = ir_min(b, least, q->w.from[j]);
  Val busy = events_mask(b, q->busy), through = ir_and(b, busy, ir_le(b, one, least)), spent = ir_le(b, q->left, zero);
  Val over = reaches_end(E, s, q->w.end.t);
  b = events_at(E, s);
  over = ir_and(b, through, ir_or(b, spent, over));
  Val go = ir_and(b, through, ir_not(b, over));
  q->left = ir_select(b, go, ir_sub(b, q->left, one), q->left);
  if (!advance(E, s, &q->w, go, &lost)) return false;
  b = events_at(E, s);
  over = ir_or(b, over, lost);
  Val looks = ir_and(b, busy, ir_not(b, over)), tau, which;
  isolate_next(E, s, &q->w, looks, &tau, &which);
  b = events_at(E, s);
  Val found = ir_and(b, looks, ir_lt(b, tau, ir_const(b, 2)));
  q->tau = ir_select(b, found, tau, q->tau);
  q->which = ir_select(b, found, which, q->which);
  q->busy = ir_indicator(b, ir_and(b, looks, ir_not(b, found)));
  return true;
}

static Val is_gone(Elab *E, const Events *s, const Window *w) {
  Val dt = scalar_of(E, s, s->dt);
  Build *b = events_at(E, s);
  Val far = ir_mul(b, ir_const(b, GONE / 2), ir_abs(b, dt));
  return ir_lt(b, far, ir_abs(b, w->next));
}

/* From where w is on: the window of the next crossing and where in it that is; tau is 2 where there is none. */
static bool search(Elab *E, Events *s, Search *q) {
  const Fn *up = E->now->level->fn;
  Val *first = ARENA_ARRAY(E->mem, Val, MAX_WINDOW + 4), *in = ARENA_ARRAY(E->mem, Val, MAX_WINDOW + 4);
  Build *b = events_at(E, s);
  Val zero = ir_const(b, 0), was_lost = is_gone(E, s, &q->w);
  b = events_at(E, s);
  Val gone = ir_or(b, was_lost, ir_eq(b, q->w.next, zero));
  q->busy = ir_const(b, 1), q->left = ir_select(b, gone, zero, ir_const(b, (double)s->steps)), q->tau = ir_const(b, 2),
  q->which = ir_const(b, 0);
  const uint32_t n = pack_search(s, q, first);
  Level *l = ARENA_NEW(E->mem, Level);
  level_begin(E, l, "search");
  events_carries(E, s, up, first, n, in);
  Search *inner = ARENA_NEW(E->mem, Search);
  unpack_search(s, in, inner);
  if (!search_turn(E, s, inner)) return level_drop(E, l), false;
  pack_search(s, inner, in);
  events_returned(E, s, in, n);
  Val r = events_loop(E, s, l, first, n, 0, s->steps + 1, 2);
  b = events_at(E, s);
  for (uint32_t k = 0; k < n; k++) in[k] = ir_proj(b, r, k);
  unpack_search(s, in, q);
  return true;
}

/* ---- events -------------------------------------------------------------------------------------------------------------- */

/* 1, or NaN for one of three reasons; the windows behind w are over then, and tell that the reason is the same. */
static Val met_or_why(Elab *E, const Events *s, Search *q, Val found, Val was_lost) {
  const int64_t by = 2 * (int64_t)s->p.m + s->p.adaptive;
  Val dt = scalar_of(E, s, s->dt), end = s->end.kind != V_NONE ? scalar_of(E, s, s->end) : VAL_NONE,
      over = reaches_end(E, s, q->w.end.t);
  Build *b = events_at(E, s);
  Val zero = ir_const(b, 0), fails = ir_not(b, found), in_time = ir_not(b, over);
  Val ended = ir_and(b, fails, over), early = ir_and(b, fails, in_time), left = ir_lt(b, zero, q->left);
  Val lost = ir_and(b, early, ir_or(b, was_lost, left)), spent = ir_and(b, early, ir_not(b, lost));
  Val gone = ir_select(b, lost, ir_mul(b, dt, ir_const(b, GONE)), zero);
  q->w.next = ir_select(b, found, q->w.next, gone);
  Val met = ir_require(b, ir_not(b, spent), dt, CAUSE_NO_CROSSING, s->steps);
  met = ir_mul(b, met, ir_require(b, ir_not(b, lost), dt, CAUSE_LOST, by));
  return end.id ? ir_mul(b, met, ir_require(b, ir_not(b, ended), end, CAUSE_ENDED, 0)) : met;
}

static bool event_turn(Elab *E, Events *s, Search *q, const Val *in) {
  Moment at;
  unpack(s, in, &q->w);
  Val was_lost = is_gone(E, s, &q->w);
  if (!search(E, s, q)) return false;
  Build *b = events_at(E, s);
  Val found = ir_lt(b, q->tau, ir_const(b, 2));
  if (!locate_event(E, s, q, &found, &at)) return false;
  Val late = reaches_end(E, s, at.t);
  b = events_at(E, s);
  if (s->end.kind != V_NONE) {
    Val at_end = ir_eq(b, at.t, scalar_of(E, s, s->end));
    b = events_at(E, s);
    found = ir_and(b, found, ir_or(b, ir_not(b, late), at_end));
  }
  Val met = met_or_why(E, s, q, found, was_lost);
  Val *out = ARENA_ARRAY(E->mem, Val, MAX_WINDOW + MAX_STATES + 3);
  uint32_t n = pack(s, &q->w, out);
  b = events_at(E, s);
  for (uint32_t k = 0; k < s->p.n; k++) out[n++] = ir_mul(b, at.x[k], met);
  out[n++] = ir_mul(b, at.t, met), out[n++] = ir_mul(b, q->which, met), out[n++] = ir_indicator(b, found);
  events_returned(E, s, out, n);
  return true;
}

/* The start is the end of a window through which nothing is looked for any more. */
static bool begin(Elab *E, Events *s, Window *w) {
  Val g[MAX_SURFACES], slope[MAX_SURFACES];
  for (uint32_t k = 0; k < s->p.n; k++)
    w->end.x[k] = traj_lane(E, elab_tensor(E, s->p.state[k].v, s->p.state[k].at), s->p.state[k].at);
  w->end.t = traj_lane(E, scalar_of(E, s, s->begin), s->p.call);
  w->begin = w->end;
  w->length = w->next = traj_lane(E, scalar_of(E, s, s->dt), s->p.call);
  if (!surface_values(E, s, &w->end, g, slope)) return false;
  Val dt = scalar_of(E, s, s->dt);
  Build *b = events_at(E, s);
  const int last = events_degree(s);
  Val part = ir_mul(b, dt, ir_const_exact(b, 1.0 / last, 1, last));
  for (uint32_t j = 0; j < s->m; j++) {
    w->g[j].n = last;
    for (int k = 0; k <= last; k++) w->g[j].c[k] = g[j];
    w->g[j].c[last - 1] = ir_sub(b, g[j], ir_mul(b, part, slope[j]));
    w->from[j] = ir_const(b, 1), w->sign[j] = ir_const(b, 0);
  }
  return true;
}

bool events_emit(Elab *E, Events *s, Found *out) {
  Search *q = ARENA_NEW(E->mem, Search);
  s->dt = elab_value(E, elab_tensor(E, s->dt, s->p.call));
  s->begin = elab_value(E, elab_tensor(E, s->begin, s->p.call));
  if (s->end.kind != V_NONE) s->end = elab_value(E, elab_tensor(E, s->end, s->p.call));
  if (!begin(E, s, &q->w)) return false;
  const Fn *up = E->now->level->fn;
  Val *first = ARENA_ARRAY(E->mem, Val, MAX_WINDOW), *in = ARENA_ARRAY(E->mem, Val, MAX_WINDOW);
  const uint32_t n = pack(s, &q->w, first);
  Level *l = ARENA_NEW(E->mem, Level);
  level_begin(E, l, "event");
  events_carries(E, s, up, first, n, in);
  if (!event_turn(E, s, q, in)) return level_drop(E, l), false;
  Val r = events_loop(E, s, l, first, n, s->p.n + 3, s->count, 0);
  Build *b = events_at(E, s);
  for (uint32_t k = 0; k < s->p.n; k++) out->x[k] = ir_proj(b, r, n + k);
  out->t = ir_proj(b, r, n + s->p.n), out->which = ir_proj(b, r, n + s->p.n + 1), out->met = ir_proj(b, r, n + s->p.n + 2);
  return true;
}
