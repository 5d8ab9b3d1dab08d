/* The first root of polynomials, without a miss.
 *
 * An interval [a, a + w] walks along [from, 1]. Where no coefficient of the polynomial on it has the other sign, there is no crossing in
 * it, and a moves to its end; where they change sign once there is one; else it is halved. So crossings that follow each other
 * closely are told apart; of more than one within 2^-30 of a window only their sum is seen. A polynomial that comes to 0 at the
 * end of a window crosses there, and is not found again behind it. A root at the begin of a window, where the orbit started or has
 * crossed before, is divided out.
 *
 * What touches a surface does not cross it: a crossing goes beyond 0 by more than rounding, a part of the largest coefficient. The
 * polynomial tells so as far as it follows the surface; so where it does not stay on the other side up to the end of the window, which
 * lies on the orbit, the surface itself is asked at the end of the interval (`confirm`). Where that has not crossed, it is looked at from there on.
 *
 * Then Ridders' method on the polynomials. All loops run in all lanes until each is done: status is the first carry. */
#include "frontend/motion/events_priv.h"

#include <string.h>

enum { ISOLATE_TURNS = 200, ROOT_TURNS = 60, BEHIND_TURNS = 4 };
#define NARROW 0x1p-30
/* Behind a root, to be on its other side; nothing is looked for so close to the end of a window. */
static double nudge(const Build *b) { return b->f->f64 ? 0x1p-40 : 0x1p-16; }
/* Of the largest coefficient: what is not beyond 0 by more has not crossed. */
static double touch(const Build *b) { return b->f->f64 ? 0x1p-40 : 0x1p-18; }

/* One surface's interval. */
typedef struct Interval {
  Val busy, a, w, sign; /* busy: 1 or 0; w is 0 where nothing was found */
} Interval;

static Val largest(Build *b, const Bernstein *p) {
  Val most = ir_const(b, 0);
  for (int k = 0; k <= p->n; k++) most = ir_max(b, most, ir_abs(b, p->c[k]));
  return most;
}

/* With the sign that is left as the positive one; what the first coefficient rounded off is no crossing. At the end of a window, one that
 * comes to 0 crosses there, unless it only touches. */
static void oriented(Build *b, Bernstein *p, Val sign, Val tol, Val at_end) {
  Val zero = ir_const(b, 0);
  for (int k = 0; k <= p->n; k++) p->c[k] = ir_mul(b, p->c[k], sign);
  p->c[0] = ir_max(b, p->c[0], zero);
  Val end = p->c[p->n], beyond = ir_lt(b, end, ir_neg(b, tol)), short_of = ir_lt(b, zero, end);
  Val near = ir_and(b, at_end, ir_not(b, ir_or(b, beyond, short_of))), comes = ir_lt(b, tol, p->c[p->n - 1]);
  Val crosses = ir_sub(b, ir_const(b, -1), tol);
  p->c[p->n] = ir_select(b, near, ir_select(b, comes, crosses, zero), end);
}

/* below: a coefficient is, by more than tol; once: none behind one that is below is above. */
static void signs(Build *b, const Bernstein *p, Val tol, Val *below, Val *once) {
  Val zero = ir_const(b, 0), far = ir_neg(b, tol), again = VAL_NONE, low = ir_lt(b, p->c[1], zero);
  *below = ir_lt(b, p->c[1], far);
  for (int k = 2; k <= p->n; k++) {
    Val back = ir_and(b, low, ir_lt(b, zero, p->c[k]));
    again = again.id ? ir_or(b, again, back) : back;
    low = ir_or(b, low, ir_lt(b, p->c[k], zero));
    *below = ir_or(b, *below, ir_lt(b, p->c[k], far));
  }
  *once = ir_not(b, again);
}

static Val is_wanted(Build *b, int64_t wanted, Val sign) {
  Val zero = ir_const(b, 0);
  return wanted > 0 ? ir_lt(b, sign, zero) : wanted < 0 ? ir_lt(b, zero, sign) : ir_le(b, zero, ir_mul(b, sign, sign));
}

static Val is_last(Build *b, Val end) {
  Val rest = ir_sub(b, ir_const(b, 1), end);
  return ir_lt(b, rest, ir_const(b, nudge(b)));
}

/* Only what crosses against the wanted direction at the end of the window, where it surely does, is passed by. */
static Interval isolate_turn(Build *b, const Bernstein *g, Val tol, int64_t wanted, Interval i) {
  Bernstein p = bernstein_part(b, g, i.a, i.w);
  Val zero = ir_const(b, 0), half = ir_const(b, 0.5), two = ir_const(b, 2), one = ir_const(b, 1), below, once;
  Val busy = events_mask(b, i.busy), end = ir_add(b, i.a, i.w), last = is_last(b, end);
  oriented(b, &p, i.sign, tol, last);
  signs(b, &p, tol, &below, &once);
  Val narrow = ir_lt(b, i.w, ir_const(b, NARROW)), low_end = ir_lt(b, p.c[p.n], ir_neg(b, tol));
  below = ir_select(b, narrow, low_end, below);
  once = ir_or(b, once, narrow);
  Val crossed = ir_and(b, below, once), unwanted = ir_not(b, is_wanted(b, wanted, i.sign));
  Val passed = ir_and(b, crossed, ir_and(b, unwanted, last)), take = ir_and(b, busy, ir_and(b, crossed, ir_not(b, passed)));
  Val on = ir_and(b, busy, ir_or(b, passed, ir_not(b, below)));
  Val split = ir_and(b, busy, ir_and(b, below, ir_not(b, once)));
  Val rest = ir_sub(b, one, end), ends = ir_and(b, on, last), longer = ir_min(b, ir_mul(b, two, i.w), rest);
  Interval n;
  Val other = ir_neg(b, i.sign);
  n.sign = ir_select(b, ir_and(b, on, passed), other, i.sign);
  n.a = ir_select(b, on, end, i.a);
  n.w = ir_select(b, ends, zero, ir_select(b, on, longer, ir_select(b, split, ir_mul(b, half, i.w), i.w)));
  n.busy = ir_indicator(b, ir_and(b, busy, ir_not(b, ir_or(b, take, ends))));
  return n;
}

static Val sum_of(Build *b, const Interval *i, uint32_t m) {
  Val sum = i[0].busy;
  for (uint32_t j = 1; j < m; j++) sum = ir_add(b, sum, i[j].busy);
  return sum;
}

static uint32_t flat(const Interval *i, uint32_t m, Val *out) {
  for (uint32_t j = 0; j < m; j++) memcpy(out + 4 * j, &i[j], 4 * sizeof *out);
  return 4 * m;
}

static void captured(Elab *E, const Value *v, uint32_t m, int n, Bernstein *g) {
  for (uint32_t j = 0; j < m; j++) {
    g[j].n = n;
    for (int k = 0; k <= n; k++) g[j].c[k] = elab_use(E, v[j * (BERNSTEIN_MOST + 1) + (uint32_t)k]);
  }
}

static void values_of(Elab *E, const Bernstein *g, uint32_t m, int n, Value *v) {
  for (uint32_t j = 0; j < m; j++)
    for (int k = 0; k <= n; k++) v[j * (BERNSTEIN_MOST + 1) + (uint32_t)k] = elab_value(E, g[j].c[k]);
}

/* Until each surface has an interval with one crossing, or none. */
static void intervals(Elab *E, const Events *s, const Value *poly, const Value *tol, Interval *i) {
  const int n = events_degree(s);
  const Type scalar = elab_type(E, i[0].a);
  Build *b = events_at(E, s);
  Val first[1 + 4 * MAX_SURFACES] = {sum_of(b, i, s->m)};
  const uint32_t carry = 1 + flat(i, s->m, first + 1);
  Level *l = ARENA_NEW(E->mem, Level);
  level_begin(E, l, "isolate");
  Val in[1 + 4 * MAX_SURFACES], out[1 + 4 * MAX_SURFACES];
  for (uint32_t k = 0; k < carry; k++) in[k] = events_carried(E, s, scalar);
  Bernstein g[MAX_SURFACES];
  captured(E, poly, s->m, n, g);
  Interval now[MAX_SURFACES] = {0};
  b = events_at(E, s);
  for (uint32_t j = 0; j < s->m; j++) {
    memcpy(&now[j], in + 1 + 4 * j, sizeof now[j]);
    Val bound = elab_use(E, tol[j]);
    now[j] = isolate_turn(b, &g[j], bound, s->sign[j], now[j]);
  }
  out[0] = sum_of(b, now, s->m);
  flat(now, s->m, out + 1);
  events_returned(E, s, out, carry);
  Val r = events_loop(E, s, l, first, carry, 0, ISOLATE_TURNS, 2);
  b = events_at(E, s);
  for (uint32_t j = 0; j < s->m; j++) {
    Val *to[] = {&i[j].busy, &i[j].a, &i[j].w, &i[j].sign};
    for (uint32_t k = 0; k < 4; k++) *to[k] = ir_proj(b, r, 1 + 4 * j + k);
  }
}

/* ---- roots --------------------------------------------------------------------------------------------------------------- */

/* The interval [a, b] around a root, g at its ends, the last point tried. */
typedef struct Bracket {
  Val a, b, ga, gb, t;
} Bracket;

/* C. Ridders, IEEE Trans. Circuits Syst. 26 (1979) 979: regula falsi on g times an exponential that makes the
 * ends and the middle m lie on a line. With x = g(m)/g(a) and y = g(b)/g(a) the next point is
 * m + (m - a) x/sqrt(x^2 - y), on that side of m where g changes sign. */
static Val ridders(Build *b, Bracket k, Val m, Val gm) {
  Val x = ir_div(b, gm, k.ga), y = ir_div(b, k.gb, k.ga);
  Val part = ir_div(b, x, ir_sqrt(b, ir_sub(b, ir_mul(b, x, x), y)));
  Val t = ir_add(b, m, ir_mul(b, ir_sub(b, m, k.a), part));
  Val before_b = ir_lt(b, t, k.b);
  return ir_select(b, ir_and(b, ir_lt(b, k.a, t), before_b), t, m);
}

static Bracket root_turn(Build *b, const Bernstein *g, Bracket k, Val busy) {
  Val zero = ir_const(b, 0), half = ir_const(b, 0.5), m = ir_mul(b, ir_add(b, k.a, k.b), half), gm = bernstein_at(b, g, m, NULL);
  Val t = ridders(b, k, m, gm), gt = bernstein_at(b, g, t, NULL), tol = ir_const(b, b->f->f64 ? 0x1p-52 : 0x1p-23);
  Val m_low = ir_lt(b, zero, ir_mul(b, gm, k.ga)), t_low = ir_lt(b, zero, ir_mul(b, gt, k.ga));
  Val high = ir_and(b, t_low, ir_not(b, m_low)), mid = ir_and(b, m_low, ir_not(b, t_low));
  Bracket n = {.a = ir_select(b, t_low, t, ir_select(b, mid, m, k.a)),
               .ga = ir_select(b, t_low, gt, ir_select(b, mid, gm, k.ga)),
               .b = ir_select(b, t_low, ir_select(b, high, m, k.b), t),
               .gb = ir_select(b, t_low, ir_select(b, high, gm, k.gb), gt),
               .t = t};
  Val still = ir_le(b, ir_abs(b, ir_sub(b, t, k.t)), tol), close = ir_le(b, ir_sub(b, n.b, n.a), tol);
  Val rests = ir_or(b, still, close), done = ir_or(b, ir_eq(b, gt, zero), rests);
  n.a = ir_select(b, done, t, n.a), n.b = ir_select(b, done, t, n.b);
  Val *from[] = {&k.a, &k.b, &k.ga, &k.gb, &k.t}, *to[] = {&n.a, &n.b, &n.ga, &n.gb, &n.t};
  for (int i = 0; i < 5; i++) *to[i] = ir_select(b, busy, *to[i], *from[i]);
  return n;
}

/* The root within [a, a + w], where w > 0; where an end is 0 that end, but not a root at a that is behind: there the polynomial goes away
 * from 0 on the side that is said. */
static Val root(Elab *E, const Events *s, const Value *poly, Interval i) {
  const int n = events_degree(s);
  const Type scalar = elab_type(E, i.a);
  Build *b = events_at(E, s);
  Bernstein g;
  captured(E, poly, 1, n, &g);
  Val zero = ir_const(b, 0), end = ir_add(b, i.a, i.w), slope, ga = bernstein_at(b, &g, i.a, &slope);
  Val gb = bernstein_at(b, &g, end, NULL), low = ir_le(b, ir_mul(b, ga, i.sign), zero);
  Val away = ir_and(b, low, ir_lt(b, zero, ir_mul(b, slope, i.sign))), at_a = ir_and(b, low, ir_not(b, away));
  ga = ir_select(b, away, ir_mul(b, i.sign, ir_const(b, b->f->f64 ? 1e-300 : 1e-37)), ga);
  Val at_b = ir_le(b, zero, ir_mul(b, gb, i.sign));
  Val t = ir_select(b, at_a, i.a, end), open = ir_not(b, ir_or(b, at_a, at_b));
  Bracket k = {i.a, end, ga, gb, ir_const(b, -1)};
  Val first[6] = {ir_indicator(b, ir_and(b, open, events_mask(b, i.w))), k.a, k.b, k.ga, k.gb, traj_lane(E, k.t, s->p.call)}, in[6],
      out[6];
  for (uint32_t c = 0; c < 6; c++) first[c] = traj_lane(E, first[c], s->p.call);
  Level *l = ARENA_NEW(E->mem, Level);
  level_begin(E, l, "root");
  for (uint32_t c = 0; c < 6; c++) in[c] = events_carried(E, s, scalar);
  captured(E, poly, 1, n, &g);
  b = events_at(E, s);
  Val busy = events_mask(b, in[0]);
  k = root_turn(b, &g, (Bracket){in[1], in[2], in[3], in[4], in[5]}, busy);
  Val go = ir_and(b, busy, ir_lt(b, k.a, k.b));
  out[0] = ir_indicator(b, go), out[1] = k.a, out[2] = k.b, out[3] = k.ga, out[4] = k.gb, out[5] = k.t;
  events_returned(E, s, out, 6);
  Val r = events_loop(E, s, l, first, 6, 0, ROOT_TURNS, 2);
  b = events_at(E, s);
  return ir_select(b, open, ir_proj(b, r, 5), t);
}

/* ---- the begin of a window ------------------------------------------------------------------------------------------------ */

/* What is to be done at the begin with a root of p there: divide it out; do so where p is 0 up to the rounding of a start, of a division. */
enum { DONE, AGAIN, START, DIVIDE };

static void behind_turn(Build *b, Bernstein *p, Val *what) {
  Bernstein q = bernstein_divided(b, p);
  Val zero = ir_const(b, 0), most = zero;
  for (int k = 0; k <= p->n; k++) most = ir_max(b, most, ir_abs(b, p->c[k]));
  Val at_start = ir_const(b, b->f->f64 ? 1e-9 : 1e-4), at_start_only = ir_eq(b, *what, ir_const(b, START));
  Val part = ir_select(b, at_start_only, at_start, ir_const(b, nudge(b))),
      small = ir_le(b, ir_abs(b, p->c[0]), ir_mul(b, part, most));
  Val forced = ir_eq(b, *what, ir_const(b, DIVIDE));
  Val divided = ir_and(b, ir_lt(b, zero, *what), ir_or(b, forced, small));
  for (int k = 0; k <= p->n; k++) p->c[k] = ir_select(b, divided, q.c[k], p->c[k]);
  *what = ir_indicator(b, divided); /* AGAIN or DONE */
}

static uint32_t flat_behind(Build *b, const Bernstein *g, const Val *what, uint32_t m, Val *out) {
  uint32_t n = 1;
  for (uint32_t j = 0; j < m; j++) {
    out[0] = j ? ir_add(b, out[0], what[j]) : what[0];
    out[n++] = what[j];
    for (int k = 0; k <= g[j].n; k++) out[n++] = g[j].c[k];
  }
  return n;
}

static void unflat_behind(const Val *in, uint32_t m, int degree, Bernstein *g, Val *what) {
  for (uint32_t j = 0; j < m; j++) {
    g[j].n = degree;
    what[j] = in[1 + j * (uint32_t)(degree + 2)];
    memcpy(g[j].c, in + 2 + j * (uint32_t)(degree + 2), (size_t)(degree + 1) * sizeof *in);
  }
}

/* The polynomials as they are to be looked through. Where one begins on the side that is not said, it is 0 there, as the orbit crossed
 * just before; and at the start no side is known: then it is that behind. A loop, as there is mostly nothing to do. */
static void behind_begin(Elab *E, const Events *s, Window *w, Val busy, Bernstein *g) {
  enum { MANY = 1 + MAX_SURFACES * (BERNSTEIN_MOST + 2) };
  Build *b = events_at(E, s);
  Val zero = ir_const(b, 0), what[MAX_SURFACES], first[MANY], in[MANY], unknown[MAX_SURFACES];
  for (uint32_t j = 0; j < s->m; j++) {
    Val whole = ir_and(b, busy, ir_le(b, w->from[j], zero)), side = ir_mul(b, w->g[j].c[0], w->sign[j]);
    Val none = ir_eq(b, w->sign[j], zero);
    unknown[j] = ir_and(b, whole, none);
    Val task = ir_select(b, none, ir_const(b, START), ir_const(b, DIVIDE));
    what[j] = ir_select(b, ir_and(b, whole, ir_le(b, side, zero)), task, zero);
  }
  const uint32_t carry = flat_behind(b, w->g, what, s->m, first);
  const Type scalar = elab_type(E, traj_lane(E, what[0], s->p.call));
  Level *l = ARENA_NEW(E->mem, Level);
  level_begin(E, l, "begin");
  for (uint32_t k = 0; k < carry; k++) in[k] = events_carried(E, s, scalar);
  unflat_behind(in, s->m, events_degree(s), g, what);
  b = events_at(E, s);
  for (uint32_t j = 0; j < s->m; j++) behind_turn(b, &g[j], &what[j]);
  flat_behind(b, g, what, s->m, in);
  events_returned(E, s, in, carry);
  Val r = events_loop(E, s, l, first, carry, 0, BEHIND_TURNS, 2);
  b = events_at(E, s);
  for (uint32_t k = 0; k < carry; k++) in[k] = ir_proj(b, r, k);
  unflat_behind(in, s->m, events_degree(s), g, what);
  for (uint32_t j = 0; j < s->m; j++) {
    Val divided = ir_and(b, unknown[j], ir_ne(b, g[j].c[0], w->g[j].c[0]));
    w->g[j].c[0] = ir_select(b, divided, zero, w->g[j].c[0]);
    w->sign[j] = ir_select(b, unknown[j], ir_sign(b, g[j].c[0]), w->sign[j]);
  }
}

/* ---- the surface itself ---------------------------------------------------------------------------------------------------- */

/* Of each surface where it is to be asked, whether it still is, and its value. */
typedef struct Probe {
  Val busy, far[MAX_SURFACES], need[MAX_SURFACES], value[MAX_SURFACES];
  Window w;
  Value kept[MAX_WINDOW];
} Probe;

static bool ask_turn(Elab *E, Events *s, void *state) {
  Probe *k = state;
  Val *field[MAX_WINDOW], value[MAX_SURFACES], part;
  const uint32_t n = events_fields(s, &k->w, field);
  for (uint32_t i = 0; i < n; i++) *field[i] = elab_use(E, k->kept[i]);
  Build *b = events_at(E, s);
  Val zero = ir_const(b, 0), tau = zero, none = ir_lt(b, zero, zero), before = none, mine[MAX_SURFACES];
  for (uint32_t j = 0; j < s->m; j++) {
    Val need = events_mask(b, k->need[j]);
    mine[j] = ir_and(b, need, ir_not(b, before));
    before = ir_or(b, before, need);
    tau = ir_select(b, mine[j], k->far[j], tau);
  }
  Moment from, x;
  events_before(E, s, &k->w, tau, &from, &part);
  b = events_at(E, s);
  Val by = ir_mul(b, ir_sub(b, tau, part), k->w.length);
  if (!events_point(E, s, &from, by, &x) || !surface_values(E, s, &x, value, NULL)) return false;
  b = events_at(E, s);
  k->busy = zero;
  for (uint32_t j = 0; j < s->m; j++) {
    k->value[j] = ir_select(b, mine[j], value[j], k->value[j]);
    k->need[j] = ir_select(b, mine[j], zero, k->need[j]);
    k->busy = ir_add(b, k->busy, k->need[j]);
  }
  return true;
}

/* Whether the surfaces have crossed at the ends of their intervals. */
static bool confirm(Elab *E, Events *s, const Window *w, const Interval *i, const Val *need, const Val *tol, Val *crossed) {
  Probe *k = ARENA_NEW(E->mem, Probe);
  Val *field[MAX_WINDOW], *at[1 + 3 * MAX_SURFACES];
  uint32_t n = 0;
  k->w = *w;
  for (uint32_t f = 0, all = events_fields(s, &k->w, field); f < all; f++) k->kept[f] = elab_value(E, *field[f]);
  Build *b = events_at(E, s);
  k->busy = ir_const(b, 0);
  at[n++] = &k->busy;
  for (uint32_t j = 0; j < s->m; j++) {
    k->need[j] = ir_indicator(b, need[j]), k->far[j] = ir_add(b, i[j].a, i[j].w), k->value[j] = ir_const(b, 0);
    k->busy = ir_add(b, k->busy, k->need[j]);
    at[n++] = &k->need[j], at[n++] = &k->far[j], at[n++] = &k->value[j];
  }
  if (!events_run(E, s, "confirm", at, n, s->m + 1, ask_turn, k)) return false;
  b = events_at(E, s);
  for (uint32_t j = 0; j < s->m; j++) {
    Val beyond = ir_mul(b, k->value[j], i[j].sign);
    crossed[j] = ir_lt(b, beyond, ir_neg(b, tol[j]));
  }
  return true;
}

/* ---- of all surfaces ------------------------------------------------------------------------------------------------------- */

/* Where each is looked at: from `from` on, if there is anything to see. */
static void first_intervals(Elab *E, const Events *s, const Window *w, const Bernstein *g, const Val *tol, Val busy, Interval *i) {
  Build *b = events_at(E, s);
  Val zero = ir_const(b, 0), one = ir_const(b, 1), least = ir_const(b, nudge(b)), always = ir_le(b, zero, zero);
  for (uint32_t j = 0; j < s->m; j++) {
    Val rest = ir_sub(b, one, w->from[j]), inside = ir_lt(b, zero, w->from[j]), below, once;
    Bernstein whole = g[j];
    oriented(b, &whole, w->sign[j], tol[j], always);
    signs(b, &whole, tol[j], &below, &once); /* mostly all coefficients have one sign, and no interval is looked at */
    Val looks = ir_and(b, busy, ir_le(b, least, rest)), open = ir_and(b, looks, ir_or(b, inside, below));
    i[j] = (Interval){ir_indicator(b, open), w->from[j], ir_select(b, open, rest, zero), w->sign[j]};
  }
  for (uint32_t j = 0; j < s->m; j++) {
    Val *v[] = {&i[j].busy, &i[j].a, &i[j].w, &i[j].sign};
    for (int k = 0; k < 4; k++) *v[k] = traj_lane(E, *v[k], s->p.call);
  }
}

/* Behind the interval of surface j: pending where it must be looked at once more; gives where there is a crossing. */
static Val behind(Build *b, const Events *s, Window *w, uint32_t j, const Interval *i, Val busy, Val crossed, Val *pending) {
  Val end = ir_add(b, i->a, i->w), found = ir_and(b, busy, events_mask(b, i->w)), one = ir_const(b, 1);
  Val sure = ir_or(b, is_last(b, end), crossed), counts = ir_and(b, sure, is_wanted(b, s->sign[j], i->sign));
  Val again = ir_and(b, found, ir_not(b, counts)), none = ir_and(b, busy, ir_not(b, found));
  Val other = ir_neg(b, i->sign), sign = ir_select(b, crossed, other, i->sign);
  w->from[j] = ir_select(b, again, end, ir_select(b, none, one, w->from[j]));
  w->sign[j] = ir_select(b, again, sign, ir_select(b, none, i->sign, w->sign[j]));
  *pending = pending->id ? ir_or(b, *pending, again) : again;
  return ir_and(b, found, counts);
}

bool isolate_next(Elab *E, Events *s, Window *w, Val busy, Val *tau, Val *pending) {
  const int n = events_degree(s);
  Value poly[MAX_SURFACES * (BERNSTEIN_MOST + 1)], bound[MAX_SURFACES];
  Interval i[MAX_SURFACES];
  Val tol[MAX_SURFACES], need[MAX_SURFACES], crossed[MAX_SURFACES];
  Bernstein g[MAX_SURFACES];
  behind_begin(E, s, w, busy, g);
  Build *b = events_at(E, s);
  for (uint32_t j = 0; j < s->m; j++) {
    Val most = largest(b, &g[j]);
    tol[j] = ir_mul(b, most, ir_const(b, touch(b))), bound[j] = elab_value(E, tol[j]);
  }
  values_of(E, g, s->m, n, poly);
  first_intervals(E, s, w, g, tol, busy, i);
  intervals(E, s, poly, bound, i);
  b = events_at(E, s);
  for (uint32_t j = 0; j < s->m; j++) {
    Val end = ir_add(b, i[j].a, i[j].w), inner = ir_not(b, is_last(b, end)), found = ir_and(b, busy, events_mask(b, i[j].w));
    need[j] = ir_and(b, found, inner);
  }
  if (!confirm(E, s, w, i, need, tol, crossed)) return false;
  b = events_at(E, s);
  *pending = VAL_NONE;
  for (uint32_t j = 0; j < s->m; j++) {
    Val here = behind(b, s, w, j, &i[j], busy, crossed[j], pending), zero = ir_const(b, 0), none = ir_const(b, 2);
    i[j].w = ir_select(b, here, i[j].w, zero);
    Val at = root(E, s, poly + j * (BERNSTEIN_MOST + 1), i[j]);
    b = events_at(E, s);
    tau[j] = ir_select(b, here, at, none);
  }
  return true;
}

void isolate_over(Build *b, const Events *s, Window *w, Val lanes, Val which, const Val *tau) {
  Val one = ir_const(b, 1), least = ir_const(b, nudge(b));
  for (uint32_t j = 0; j < s->m; j++) {
    Val mine = ir_and(b, lanes, ir_eq(b, which, ir_const(b, j))), other = ir_neg(b, w->sign[j]);
    w->from[j] = ir_select(b, mine, ir_min(b, ir_add(b, tau[j], least), one), w->from[j]);
    w->sign[j] = ir_select(b, mine, other, w->sign[j]);
  }
}
