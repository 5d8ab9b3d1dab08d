/* Events: where and when orbits cross surfaces, as loops of the program.
 *
 * A loop over the events carries the window of the orbit that it is in: two points and, between them, each surface as a polynomial
 * (bernstein.h). In each turn
 *   search   from where the last event was to the window that has the next crossings that are wanted, of each surface one
 *   locate   the polynomials' roots are moved by the secant rule until the surfaces themselves are met, at points that the method
 *            makes: so a point is as good as the method, and on the surface up to rounding; the first of them is the event
 *
 * Windows are those of windows.c for methods of fixed steps, and of chunk.c for adaptive ones; both go through the windows in which there is
 * nothing to see in loops of their own.
 *
 * A sample that does not cross in time, or is lost (not finite), goes on as NaN: so do its later events.
 *
 * Instructions are made in one order under every compiler: a call has at most one argument that makes some. */
#include "frontend/builtin/builtin.h"
#include "frontend/motion/events_priv.h"

enum { FIXED_DEGREE = 3 };
#define GONE 0x1p16 /* times the first length, beyond any: no more is looked for as the orbit was lost; 0: for another reason */

static bool adaptive(const Events *s) { return s->p.adaptive; }
int events_degree(const Events *s) { return adaptive(s) ? BERNSTEIN_MOST : FIXED_DEGREE; }

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
  level_order(E, l, carry);
  const uint32_t xs = l->walked.n, nargs = carry + xs + l->captures.n;
  Val *args = ARENA_ARRAY(E->mem, Val, nargs);
  for (uint32_t k = 0; k < xs; k++) args[carry + k] = l->walked.at[k].outer;
  for (uint32_t k = 0; k < l->captures.n; k++) args[carry + xs + k] = l->captures.at[k].outer;
  level_end(E, l);
  for (uint32_t k = 0; k < carry; k++) args[k] = traj_lane(E, first[k], s->p.call);
  return ir_scan(events_at(E, s), args, nargs, (uint32_t)n, carry, xs, ys, 0, false, converge, l->fn);
}

bool events_run(Elab *E, Events *s, const char *name, Val **at, uint32_t n, int64_t turns, bool (*turn)(Elab *, Events *, void *),
                void *state) {
  const Fn *up = E->now->level->fn;
  Val *first = ARENA_ARRAY(E->mem, Val, n), *in = ARENA_ARRAY(E->mem, Val, n);
  for (uint32_t k = 0; k < n; k++) first[k] = *at[k];
  Level *l = ARENA_NEW(E->mem, Level);
  level_begin(E, l, name);
  events_carries(E, s, up, first, n, in);
  for (uint32_t k = 0; k < n; k++) *at[k] = in[k];
  if (!turn(E, s, state)) return level_drop(E, l), false;
  for (uint32_t k = 0; k < n; k++) in[k] = *at[k];
  events_returned(E, s, in, n);
  Val r = events_loop(E, s, l, first, n, 0, turns, 2);
  Build *b = events_at(E, s);
  for (uint32_t k = 0; k < n; k++) *at[k] = ir_proj(b, r, k);
  return true;
}

uint32_t events_fields(const Events *s, Window *w, Val **at) {
  uint32_t n = 0;
  for (uint32_t k = 0; k < s->p.n; k++) {
    at[n++] = &w->begin.x[k];
    at[n++] = adaptive(s) ? &w->path[k] : &w->end.x[k];
  }
  at[n++] = &w->begin.t, at[n++] = &w->end.t, at[n++] = &w->length, at[n++] = &w->next;
  if (adaptive(s)) at[n++] = &w->at, at[n++] = &w->stale, at[n++] = &w->worst;
  for (uint32_t j = 0; j < s->m; j++) {
    w->g[j].n = events_degree(s);
    for (int k = 0; k <= w->g[j].n; k++) at[n++] = &w->g[j].c[k];
    at[n++] = &w->from[j], at[n++] = &w->sign[j], at[n++] = &w->last[j], at[n++] = &w->bend[j];
    if (adaptive(s)) at[n++] = &w->height[j];
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

Val events_scalar(Elab *E, const Events *s, Value v) { return elab_tensor(E, v, s->p.call); }

/* ---- motion -------------------------------------------------------------------------------------------------------------- */

/* The rates as a level, whose time begins at t. */
static bool rates(Elab *E, Events *s, Level *l, Val t) {
  const Actual start = {.v = elab_value(E, t), .at = s->p.call};
  const Actual *before = s->p.start;
  Context c;
  context_push(E, &c);
  if (!c.no_draws) c.no_draws = "the motion to a surface cannot draw";
  s->p.start = &start;
  const bool good = traj_rates(E, &s->p, l) && traj_separable(E, &s->p, l);
  s->p.start = before;
  if (!good) level_drop(E, l);
  context_pop(E, &c);
  return good;
}

/* An `ode` from x over times[n] of which the first is x's. Rates that do not take the time begin at 0, where times round least. */
bool events_along(Elab *E, Events *s, const Moment *x, Val times, Val *out) {
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
    Val path[MAX_STATES], zero = ir_const(b, 0), from = s->timed ? x->t : zero, to = s->timed ? out->t : h;
    if (elab_type(E, to).lane) from = ir_spread(b, from);
    Val times = ir_stack(b, (Val[]){from, to}, 2);
    if (!events_along(E, s, x, times, path)) return false;
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

void events_before(Elab *E, const Events *s, const Window *w, Val tau, Moment *x, Val *part) {
  if (adaptive(s)) {
    chunk_before(E, s, w, tau, x, part);
    return;
  }
  *x = w->begin;
  *part = ir_const(events_at(E, s), 0);
}

/* ---- search -------------------------------------------------------------------------------------------------------------- */

static uint32_t search_fields(const Events *s, Search *q, Val **at) {
  uint32_t n = 0;
  at[n++] = &q->busy, at[n++] = &q->left;
  for (uint32_t j = 0; j < s->m; j++) at[n++] = &q->tau[j];
  return n + events_fields(s, &q->w, at + n);
}
enum { SEARCH = MAX_WINDOW + 2 + MAX_SURFACES };

/* In the direction that time runs. */
Val events_ended(Elab *E, const Events *s, Val t) {
  Build *b = events_at(E, s);
  Val zero = ir_const(b, 0);
  if (s->end.kind == V_NONE) return ir_lt(b, zero, zero);
  Val end = events_scalar(E, s, s->end), dt = events_scalar(E, s, s->dt);
  b = events_at(E, s);
  Val behind = ir_sub(b, t, end), sign = ir_sign(b, dt);
  return ir_le(b, zero, ir_mul(b, behind, sign));
}

static Val looked_at(Elab *E, const Events *s, const Window *w) {
  return adaptive(s) ? chunk_time(events_at(E, s), s, w) : w->end.t;
}

/* Where nothing is looked for in the window any more. */
static Val is_through(Build *b, const Events *s, const Window *w) {
  Val least = w->from[0], one = ir_const(b, 1);
  for (uint32_t j = 1; j < s->m; j++) least = ir_min(b, least, w->from[j]);
  return ir_le(b, one, least);
}

static bool search_turn(Elab *E, Events *s, void *state) {
  Search *q = state;
  Val lost, tau[MAX_SURFACES], pending, over = events_ended(E, s, looked_at(E, s, &q->w));
  Build *b = events_at(E, s);
  Val zero = ir_const(b, 0), none = ir_const(b, 2), busy = events_mask(b, q->busy), through = is_through(b, s, &q->w);
  Val spent = ir_le(b, q->left, zero);
  over = ir_and(b, busy, ir_and(b, through, ir_or(b, spent, over)));
  Val go = ir_and(b, busy, ir_and(b, through, ir_not(b, over)));
  if (adaptive(s) ? !chunk_next(E, s, q, go, &lost) : !windows_next(E, s, q, go, &lost)) return false;
  b = events_at(E, s);
  busy = ir_and(b, busy, ir_not(b, ir_or(b, over, lost)));
  through = is_through(b, s, &q->w);
  Val looks = ir_and(b, busy, ir_not(b, through));
  if (!isolate_next(E, s, &q->w, looks, tau, &pending)) return false;
  b = events_at(E, s);
  Val whole = ir_and(b, looks, ir_not(b, pending)), any = ir_lt(b, tau[0], none);
  for (uint32_t j = 0; j < s->m; j++) {
    any = ir_or(b, any, ir_lt(b, tau[j], none));
    q->tau[j] = ir_select(b, whole, tau[j], q->tau[j]);
  }
  Val found = ir_and(b, whole, any);
  q->busy = ir_indicator(b, ir_and(b, busy, ir_not(b, found)));
  return true;
}

static Val is_gone(Elab *E, const Events *s, const Window *w) {
  Val dt = events_scalar(E, s, s->dt);
  Build *b = events_at(E, s);
  Val far = ir_mul(b, ir_const(b, GONE / 2), ir_abs(b, dt));
  return ir_lt(b, far, ir_abs(b, w->next));
}

/* From where q->w is on: the window of the next crossings and where in it they are. */
static bool search(Elab *E, Events *s, Search *q, Val gone) {
  Val **at = ARENA_ARRAY(E->mem, Val *, SEARCH);
  Build *b = events_at(E, s);
  Val zero = ir_const(b, 0);
  q->busy = ir_const(b, 1), q->left = ir_select(b, gone, zero, ir_const(b, (double)s->steps));
  for (uint32_t j = 0; j < s->m; j++) q->tau[j] = ir_const(b, 2);
  const uint32_t n = search_fields(s, q, at);
  return events_run(E, s, "search", at, n, s->steps + 1, search_turn, q);
}

/* ---- events -------------------------------------------------------------------------------------------------------------- */

/* 1, or NaN for one of three reasons; the windows behind w are over then, and tell that the reason is the same. */
static Val met_or_why(Elab *E, const Events *s, Search *q, Val found, Val was_lost) {
  const int64_t by = 2 * (int64_t)s->p.m + s->p.adaptive;
  Val dt = events_scalar(E, s, s->dt), end = s->end.kind != V_NONE ? events_scalar(E, s, s->end) : VAL_NONE;
  Val over = events_ended(E, s, looked_at(E, s, &q->w));
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

/* From the window in q to that of the next event; out: what it is. */
static bool event_turn(Elab *E, Events *s, Search *q, Val *out) {
  Moment at;
  Val found, tau, which, was_lost = is_gone(E, s, &q->w);
  Build *b = events_at(E, s);
  Val no_more = ir_eq(b, q->w.next, ir_const(b, 0));
  if (!search(E, s, q, ir_or(b, was_lost, no_more)) || !locate_event(E, s, q, &found, &tau, &which, &at)) return false;
  b = events_at(E, s);
  isolate_over(b, s, &q->w, found, which, q->tau);
  if (s->end.kind != V_NONE) {
    Val late = events_ended(E, s, at.t), end = events_scalar(E, s, s->end);
    b = events_at(E, s);
    Val at_end = ir_eq(b, at.t, end);
    found = ir_and(b, found, ir_or(b, ir_not(b, late), at_end));
  }
  Val met = met_or_why(E, s, q, found, was_lost);
  uint32_t n = 0;
  b = events_at(E, s);
  for (; n < s->p.n; n++) out[n] = ir_mul(b, at.x[n], met);
  out[n++] = ir_mul(b, at.t, met), out[n++] = ir_mul(b, which, met), out[n++] = ir_indicator(b, found);
  return true;
}

/* The start is the end of a window through which nothing is looked for any more. */
static bool begin(Elab *E, Events *s, Window *w) {
  Val g[MAX_SURFACES], slope[MAX_SURFACES];
  for (uint32_t k = 0; k < s->p.n; k++)
    w->end.x[k] = traj_lane(E, elab_tensor(E, s->p.state[k].v, s->p.state[k].at), s->p.state[k].at);
  w->end.t = traj_lane(E, events_scalar(E, s, s->begin), s->p.call);
  w->begin = w->end;
  w->length = w->next = traj_lane(E, events_scalar(E, s, s->dt), s->p.call);
  if (!surface_values(E, s, &w->end, g, slope)) return false;
  Val dt = events_scalar(E, s, s->dt);
  Build *b = events_at(E, s);
  const int last = events_degree(s);
  Val part = ir_mul(b, dt, ir_const_exact(b, 1.0 / last, 1, last));
  for (uint32_t j = 0; j < s->m; j++) {
    w->g[j].n = last;
    for (int k = 0; k <= last; k++) w->g[j].c[k] = g[j];
    w->last[j] = g[j], w->bend[j] = ir_sub(b, g[j], ir_mul(b, part, slope[j]));
    w->from[j] = ir_const(b, 1), w->sign[j] = ir_const(b, 0);
  }
  if (adaptive(s)) chunk_begin(E, s, w);
  return true;
}

bool events_emit(Elab *E, Events *s, Found *out) {
  Search *q = ARENA_NEW(E->mem, Search);
  s->dt = elab_value(E, elab_tensor(E, s->dt, s->p.call));
  s->begin = elab_value(E, elab_tensor(E, s->begin, s->p.call));
  if (s->end.kind != V_NONE) s->end = elab_value(E, elab_tensor(E, s->end, s->p.call));
  if (!begin(E, s, &q->w)) return false;
  const Fn *up = E->now->level->fn;
  Val **at = ARENA_ARRAY(E->mem, Val *, MAX_WINDOW), *first = ARENA_ARRAY(E->mem, Val, MAX_WINDOW), *in, event[MAX_STATES + 3];
  const uint32_t n = events_fields(s, &q->w, at), found = s->p.n + 3;
  in = ARENA_ARRAY(E->mem, Val, n);
  for (uint32_t k = 0; k < n; k++) first[k] = *at[k];
  Level *l = ARENA_NEW(E->mem, Level);
  level_begin(E, l, "event");
  events_carries(E, s, up, first, n, in);
  for (uint32_t k = 0; k < n; k++) *at[k] = in[k];
  if (!event_turn(E, s, q, event)) return level_drop(E, l), false;
  for (uint32_t k = 0; k < n; k++) in[k] = *at[k];
  events_returned(E, s, in, n);
  events_returned(E, s, event, found);
  Val r = events_loop(E, s, l, first, n, found, s->count, 0);
  Build *b = events_at(E, s);
  for (uint32_t k = 0; k < s->p.n; k++) out->x[k] = ir_proj(b, r, n + k);
  out->t = ir_proj(b, r, n + s->p.n), out->which = ir_proj(b, r, n + s->p.n + 1), out->met = ir_proj(b, r, n + s->p.n + 2);
  return true;
}
