/* From the root of a polynomial to the surface itself: the secant rule on points that the method makes from the window's begin, with the
 * polynomial's slope to begin with. It ends where the surface comes no nearer, mostly after three or four points. */
#include "frontend/motion/events_priv.h"

#include <string.h>

/* best: where the surface is nearest so far, g its value there, which becomes less in each turn that goes on, x the state; t: to be
 * tried. */
typedef struct Secant {
  Val busy, t, best, g, slope, x[MAX_STATES];
} Secant;
enum { SECANT = 5 + MAX_STATES, LOCATE_TURNS = 24 };

static bool secant_turn(Elab *E, Events *s, const Moment *from, Val length, Val which, Secant *k) {
  Moment x;
  Val all[MAX_SURFACES], h = ir_mul(events_at(E, s), k->t, length);
  if (!events_point(E, s, from, h, &x) || !surface_values(E, s, &x, all, NULL)) return false;
  Build *b = events_at(E, s);
  Val g = all[0], zero = ir_const(b, 0), busy = events_mask(b, k->busy), tol = ir_const(b, b->f->f64 ? 0x1p-53 : 0x1p-24);
  for (uint32_t j = 1; j < s->m; j++) g = ir_select(b, ir_eq(b, which, ir_const(b, j)), all[j], g);
  Val size = ir_abs(b, g), before = ir_abs(b, k->g), most = ir_const(b, 1e30), better = ir_and(b, busy, ir_lt(b, size, before));
  Val rise = ir_sub(b, g, k->g), run = ir_sub(b, k->t, k->best), slope = ir_div(b, rise, run), known = ir_lt(b, before, most);
  known = ir_and(b, known, ir_lt(b, zero, ir_mul(b, slope, k->slope)));
  known = ir_and(b, known, ir_lt(b, ir_abs(b, slope), most));
  k->slope = ir_select(b, ir_and(b, better, known), slope, k->slope);
  k->best = ir_select(b, better, k->t, k->best);
  for (uint32_t i = 0; i < s->p.n; i++) k->x[i] = ir_select(b, better, x.x[i], k->x[i]);
  k->g = ir_select(b, better, g, k->g);
  Val next = ir_sub(b, k->t, ir_div(b, g, k->slope));
  Val one = ir_const(b, 1);
  next = ir_min(b, ir_max(b, next, zero), one);
  Val far = ir_lt(b, tol, ir_abs(b, ir_sub(b, next, k->t))), on = ir_and(b, better, ir_and(b, far, ir_ne(b, g, zero)));
  k->t = ir_select(b, on, next, k->t);
  k->busy = ir_indicator(b, on);
  return true;
}

bool locate_event(Elab *E, Events *s, const Search *q, Val *found, Moment *out) {
  const Fn *up = E->now->level->fn;
  const uint32_t n = 5 + s->p.n;
  Build *b = events_at(E, s);
  Val zero = ir_const(b, 0), start = ir_select(b, *found, q->tau, zero), slope = zero;
  for (uint32_t j = 0; j < s->m; j++) {
    Val own;
    bernstein_at(b, &q->w.g[j], start, &own);
    slope = j ? ir_select(b, ir_eq(b, q->which, ir_const(b, j)), own, slope) : own;
  }
  Val most = ir_const(b, 1e35), first[SECANT] = {ir_indicator(b, *found), start, start, most, slope}, in[SECANT];
  for (uint32_t k = 0; k < s->p.n; k++) first[5 + k] = q->w.begin.x[k];
  for (uint32_t k = 0; k < n; k++) first[k] = traj_lane(E, first[k], s->p.call);
  Value from[MAX_STATES], t = elab_value(E, q->w.begin.t), length = elab_value(E, q->w.length), which = elab_value(E, q->which);
  for (uint32_t k = 0; k < s->p.n; k++) from[k] = elab_value(E, q->w.begin.x[k]);
  Level *l = ARENA_NEW(E->mem, Level);
  level_begin(E, l, "locate");
  events_carries(E, s, up, first, n, in);
  Secant k;
  memcpy(&k, in, n * sizeof *in);
  Moment x = {.t = elab_use(E, t)};
  for (uint32_t i = 0; i < s->p.n; i++) x.x[i] = elab_use(E, from[i]);
  Val len = elab_use(E, length), of = elab_use(E, which);
  if (!secant_turn(E, s, &x, len, of, &k)) return level_drop(E, l), false;
  memcpy(in, &k, n * sizeof *in);
  events_returned(E, s, in, n);
  Val r = events_loop(E, s, l, first, n, 0, LOCATE_TURNS, 2);
  b = events_at(E, s);
  for (uint32_t i = 0; i < s->p.n; i++) out->x[i] = ir_proj(b, r, 5 + i);
  Val size = ir_abs(b, ir_proj(b, r, 3)), near = ir_mul(b, ir_proj(b, r, 2), q->w.length);
  out->t = ir_add(b, q->w.begin.t, near);
  *found = ir_and(b, *found, ir_lt(b, size, ir_const(b, 1e30)));
  return true;
}
