/* From the roots of the polynomials to the surfaces themselves, and which of them is met first: polynomials follow the surfaces only so far,
 * and do not tell the order of crossings that are close to each other.
 *
 * Of each surface that has a root the secant rule, on points that the method makes in one piece: from the window's begin, by a
 * method of fixed steps; from the best point so far by an adaptive one. It begins with the polynomial's slope, stays between points on both
 * sides, and ends where the surface comes no nearer, mostly after three or four points. */
#include "frontend/motion/events_priv.h"

/* best: where the surface is nearest so far, g its value there, which becomes less in most turns that go on, x the state; t: to be
 * tried, between low and high. */
typedef struct Secant {
  Val busy, t, best, g, slope, low, high;
  Moment x;
  Window w;
  Value kept[MAX_WINDOW], number;
} Secant;
enum { SECANT = 7 + MAX_STATES, LOCATE_TURNS = 32 };

/* Where to go on from `next`: halfway to the point that it must not pass. */
static Val held(Build *b, Val next, Val t, Val low, Val high) {
  Val half = ir_const(b, 0.5), down = ir_mul(b, ir_add(b, t, low), half), up = ir_mul(b, ir_add(b, t, high), half);
  Val below = ir_lt(b, next, high), most = ir_select(b, below, next, up);
  return ir_select(b, ir_lt(b, low, next), most, down);
}

static bool secant_turn(Elab *E, Events *s, void *state) {
  Secant *k = state;
  Moment x, from;
  Val all[MAX_SURFACES], part;
  Val *field[MAX_WINDOW];
  const uint32_t n = events_fields(s, &k->w, field);
  for (uint32_t i = 0; i < n; i++) *field[i] = elab_use(E, k->kept[i]);
  Val which = elab_use(E, k->number);
  events_before(E, s, &k->w, k->t, &from, &part);
  Build *b = events_at(E, s);
  if (s->p.adaptive) {
    Val known = ir_abs(b, k->g), again = ir_lt(b, known, ir_const(b, 1e30));
    for (uint32_t i = 0; i < s->p.n; i++) from.x[i] = ir_select(b, again, k->x.x[i], from.x[i]);
    from.t = ir_select(b, again, k->x.t, from.t), part = ir_select(b, again, k->best, part);
  }
  Val h = ir_mul(b, ir_sub(b, k->t, part), k->w.length);
  if (!events_point(E, s, &from, h, &x) || !surface_values(E, s, &x, all, NULL)) return false;
  b = events_at(E, s);
  Val g = all[0], zero = ir_const(b, 0), busy = events_mask(b, k->busy), tol = ir_const(b, b->f->f64 ? 0x1p-53 : 0x1p-24);
  for (uint32_t j = 1; j < s->m; j++) g = ir_select(b, ir_eq(b, which, ir_const(b, j)), all[j], g);
  Val size = ir_abs(b, g), before = ir_abs(b, k->g), most = ir_const(b, 1e30), better = ir_and(b, busy, ir_lt(b, size, before));
  Val rise = ir_sub(b, g, k->g), run = ir_sub(b, k->t, k->best), slope = ir_div(b, rise, run), known = ir_lt(b, before, most);
  known = ir_and(b, known, ir_lt(b, zero, ir_mul(b, slope, k->slope)));
  known = ir_and(b, known, ir_lt(b, ir_abs(b, slope), most));
  Val short_of = ir_lt(b, ir_mul(b, g, k->slope), zero), now = k->t;
  k->low = ir_select(b, ir_and(b, busy, short_of), now, k->low);
  k->high = ir_select(b, ir_and(b, busy, ir_not(b, short_of)), now, k->high);
  k->slope = ir_select(b, ir_and(b, better, known), slope, k->slope);
  k->best = ir_select(b, better, now, k->best);
  for (uint32_t i = 0; i < s->p.n; i++) k->x.x[i] = ir_select(b, better, x.x[i], k->x.x[i]);
  k->x.t = ir_select(b, better, x.t, k->x.t);
  k->g = ir_select(b, better, g, k->g);
  Val next = ir_sub(b, now, ir_div(b, g, k->slope)), above = ir_le(b, k->low, next),
      inside = ir_and(b, above, ir_le(b, next, k->high));
  next = held(b, next, now, k->low, k->high);
  Val far = ir_lt(b, tol, ir_abs(b, ir_sub(b, next, now))), goes = ir_or(b, better, ir_not(b, inside));
  Val on = ir_and(b, busy, ir_and(b, goes, ir_and(b, far, ir_ne(b, g, zero))));
  k->t = ir_select(b, on, next, now);
  k->busy = ir_indicator(b, on);
  return true;
}

/* ---- the first ------------------------------------------------------------------------------------------------------------- */

/* tau: where the first is so far, 2: nowhere. */
typedef struct First {
  Val tau, which;
  Moment at;
} First;

static uint32_t fields(const Events *s, First *f, Val **at) {
  uint32_t n = 0;
  at[n++] = &f->tau, at[n++] = &f->which, at[n++] = &f->at.t;
  for (uint32_t i = 0; i < s->p.n; i++) at[n++] = &f->at.x[i];
  return n;
}
enum { FIRST = 3 + MAX_STATES };

/* The surface of this number, whose polynomial has its root at tau, or 2, and that slope. */
static bool surface_turn(Elab *E, Events *s, First *f, const Value *kept, Val tau, Val slope, Val number) {
  Secant *k = ARENA_NEW(E->mem, Secant);
  Val *at[SECANT + 1], *field[MAX_WINDOW];
  uint32_t n = 0;
  const uint32_t nw = events_fields(s, &k->w, field);
  for (uint32_t i = 0; i < nw; i++) k->kept[i] = kept[i];
  k->number = elab_value(E, number);
  Build *b = events_at(E, s);
  Val zero = ir_const(b, 0), one = ir_const(b, 1), here = ir_lt(b, tau, ir_const(b, 2)), start = ir_select(b, here, tau, zero);
  k->busy = ir_indicator(b, here), k->t = k->best = start, k->g = ir_const(b, 1e35), k->slope = slope, k->low = zero, k->high = one;
  k->x = f->at;
  at[n++] = &k->busy, at[n++] = &k->t, at[n++] = &k->best, at[n++] = &k->g, at[n++] = &k->slope, at[n++] = &k->low;
  at[n++] = &k->high, at[n++] = &k->x.t;
  for (uint32_t i = 0; i < s->p.n; i++) at[n++] = &k->x.x[i];
  if (!events_run(E, s, "locate", at, n, LOCATE_TURNS, secant_turn, k)) return false;
  b = events_at(E, s);
  Val off = ir_abs(b, k->g), met = ir_lt(b, off, ir_const(b, 1e30)), sooner = ir_lt(b, k->best, f->tau);
  Val mine = ir_and(b, here, ir_and(b, met, sooner));
  f->tau = ir_select(b, mine, k->best, f->tau), f->which = ir_select(b, mine, number, f->which);
  for (uint32_t i = 0; i < s->p.n; i++) f->at.x[i] = ir_select(b, mine, k->x.x[i], f->at.x[i]);
  f->at.t = ir_select(b, mine, k->x.t, f->at.t);
  return true;
}

/* A turn a surface. */
static bool surfaces(Elab *E, Events *s, const Search *q, Val slopes, First *f) {
  const Fn *up = E->now->level->fn;
  Window w = q->w;
  Val *field[MAX_WINDOW], *at[FIRST], first[FIRST], in[FIRST];
  Value kept[MAX_WINDOW];
  const uint32_t n = fields(s, f, at), nw = events_fields(s, &w, field);
  for (uint32_t i = 0; i < nw; i++) kept[i] = elab_value(E, *field[i]);
  for (uint32_t i = 0; i < n; i++) first[i] = traj_lane(E, *at[i], s->p.call);
  Build *b = events_at(E, s);
  Val taus = ir_stack(b, q->tau, s->m);
  Level *l = ARENA_NEW(E->mem, Level);
  level_begin(E, l, "first");
  l->turns = s->m;
  events_carries(E, s, up, first, n, in);
  for (uint32_t i = 0; i < n; i++) *at[i] = in[i];
  Val tau = level_walk(E, l, taus), slope = level_walk(E, l, slopes), number = level_turn(E, l);
  if (!surface_turn(E, s, f, kept, tau, slope, number)) return level_drop(E, l), false;
  for (uint32_t i = 0; i < n; i++) in[i] = *at[i];
  events_returned(E, s, in, n);
  Val r = events_loop(E, s, l, first, n, 0, s->m, 0);
  b = events_at(E, s);
  for (uint32_t i = 0; i < n; i++) *at[i] = ir_proj(b, r, i);
  return true;
}

bool locate_event(Elab *E, Events *s, const Search *q, Val *found, Val *tau, Val *which, Moment *at) {
  Build *b = events_at(E, s);
  Val zero = ir_const(b, 0), none = ir_const(b, 2), slope[MAX_SURFACES], part;
  First f = {.tau = none, .which = zero};
  for (uint32_t j = 0; j < s->m; j++) {
    Val start = ir_select(b, ir_lt(b, q->tau[j], none), q->tau[j], zero);
    bernstein_at(b, &q->w.g[j], start, &slope[j]);
  }
  Val slopes = ir_stack(b, slope, s->m);
  events_before(E, s, &q->w, zero, &f.at, &part);
  if (!surfaces(E, s, q, slopes, &f)) return false;
  b = events_at(E, s);
  *found = ir_lt(b, f.tau, ir_const(b, 2)), *tau = f.tau, *which = f.which, *at = f.at;
  return true;
}
