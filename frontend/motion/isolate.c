/* The first root of polynomials, without a miss.
 *
 * An interval [a, a + w] walks along [from, 1]. Where no coefficient of the polynomial on it has the other sign, there is no crossing in
 * it, and a moves to its end; where they change sign once there is one; else it is halved. So crossings that follow each other
 * closely are told apart; of more than one within 2^-30 of a window only their sum is seen. A crossing against the
 * wanted direction is passed by. A polynomial that comes to 0 at the end of an interval crosses there, and is not found
 * again behind it; one that touches 0 does not cross. A root at the begin of a window, where the orbit started or has crossed before, is
 * divided out.
 *
 * Then Ridders' method on the polynomials. All loops run in all lanes until each is done: status is the first carry. */
#include "frontend/motion/events_priv.h"

#include <string.h>

enum { ISOLATE_TURNS = 200, ROOT_TURNS = 60, BEHIND_TURNS = 4 };
#define NARROW 0x1p-30
/* Behind a root, to be on its other side; nothing is looked for so close to the end of a window. */
static double nudge(const Build *b) { return b->f->f64 ? 0x1p-40 : 0x1p-16; }

/* One surface's interval. */
typedef struct Interval {
  Val busy, a, w, sign; /* busy: 1 or 0; w is 0 where nothing was found */
} Interval;

/* With the sign that is left as the positive one; what the first coefficient rounded off is no crossing. One that comes to 0 at the
 * end crosses there, unless it only touches, up to rounding. */
static void oriented(Build *b, Bernstein *p, Val sign) {
  Val zero = ir_const(b, 0), most = zero;
  for (int k = 0; k <= p->n; k++) p->c[k] = ir_mul(b, p->c[k], sign), most = ir_max(b, most, p->c[k]);
  p->c[0] = ir_max(b, p->c[0], zero);
  Val steep = ir_mul(b, most, ir_const(b, nudge(b))), comes = ir_lt(b, steep, p->c[p->n - 1]);
  Val at_end = ir_and(b, ir_eq(b, p->c[p->n], zero), comes);
  p->c[p->n] = ir_select(b, at_end, ir_const(b, -1), p->c[p->n]);
}

/* below: a coefficient is; once: none behind it is above. */
static void signs(Build *b, const Bernstein *p, Val *below, Val *once) {
  Val zero = ir_const(b, 0), again = VAL_NONE;
  *below = ir_lt(b, p->c[1], zero);
  for (int k = 2; k <= p->n; k++) {
    Val back = ir_and(b, *below, ir_lt(b, zero, p->c[k]));
    again = again.id ? ir_or(b, again, back) : back;
    *below = ir_or(b, *below, ir_lt(b, p->c[k], zero));
  }
  *once = ir_not(b, again);
}

static Interval isolate_turn(Build *b, const Bernstein *g, int64_t wanted, Interval i) {
  Bernstein p = bernstein_part(b, g, i.a, i.w);
  Val zero = ir_const(b, 0), half = ir_const(b, 0.5), two = ir_const(b, 2), below, once, busy = events_mask(b, i.busy);
  oriented(b, &p, i.sign);
  signs(b, &p, &below, &once);
  Val narrow = ir_lt(b, i.w, ir_const(b, NARROW)), low_end = ir_lt(b, p.c[p.n], zero);
  below = ir_select(b, narrow, low_end, below);
  once = ir_or(b, once, narrow);
  Val crossed = ir_and(b, below, once), is_wanted = crossed;
  if (wanted) is_wanted = ir_and(b, crossed, wanted > 0 ? ir_lt(b, i.sign, zero) : ir_lt(b, zero, i.sign));
  Val take = ir_and(b, busy, is_wanted), passed = ir_and(b, crossed, ir_not(b, is_wanted));
  Val on = ir_and(b, busy, ir_or(b, passed, ir_not(b, below)));
  Val split = ir_and(b, busy, ir_and(b, below, ir_not(b, once)));
  Val end = ir_add(b, i.a, i.w), rest = ir_sub(b, ir_const(b, 1), end), least = ir_const(b, nudge(b));
  Val ends = ir_and(b, on, ir_lt(b, rest, least)), longer = ir_min(b, ir_mul(b, two, i.w), rest);
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

/* Until each surface has an interval with one wanted crossing, or none. */
static void intervals(Elab *E, const Events *s, const Value *poly, Interval *i) {
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
    now[j] = isolate_turn(b, &g[j], s->sign[j], now[j]);
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

/* ---- the first of all surfaces ------------------------------------------------------------------------------------------- */

void isolate_next(Elab *E, const Events *s, Window *w, Val busy, Val *tau, Val *which) {
  const int n = events_degree(s);
  Build *b = events_at(E, s);
  Value poly[MAX_SURFACES * (BERNSTEIN_MOST + 1)];
  Interval i[MAX_SURFACES];
  Val zero = ir_const(b, 0), one = ir_const(b, 1), least = ir_const(b, nudge(b)), at[MAX_SURFACES];
  Bernstein g[MAX_SURFACES];
  behind_begin(E, s, w, busy, g);
  b = events_at(E, s);
  values_of(E, g, s->m, n, poly);
  for (uint32_t j = 0; j < s->m; j++) {
    Val rest = ir_sub(b, one, w->from[j]), inside = ir_lt(b, zero, w->from[j]), below, once;
    Bernstein whole = g[j];
    oriented(b, &whole, w->sign[j]);
    signs(b, &whole, &below, &once); /* mostly all coefficients have one sign, and no interval is looked at */
    Val looks = ir_and(b, busy, ir_le(b, least, rest)), open = ir_and(b, looks, ir_or(b, inside, below));
    i[j] = (Interval){ir_indicator(b, open), w->from[j], ir_select(b, open, rest, zero), w->sign[j]};
  }
  for (uint32_t j = 0; j < s->m; j++) {
    Val *v[] = {&i[j].busy, &i[j].a, &i[j].w, &i[j].sign};
    for (int k = 0; k < 4; k++) *v[k] = traj_lane(E, *v[k], s->p.call);
  }
  intervals(E, s, poly, i);
  b = events_at(E, s);
  *tau = ir_const(b, 2), *which = zero;
  for (uint32_t j = 0; j < s->m; j++) {
    at[j] = root(E, s, poly + j * (BERNSTEIN_MOST + 1), i[j]);
    b = events_at(E, s);
    Val none = ir_const(b, 2), here = ir_select(b, events_mask(b, i[j].w), at[j], none), first = ir_lt(b, here, *tau);
    *tau = ir_select(b, first, here, *tau);
    *which = ir_select(b, first, ir_const(b, j), *which);
  }
  Val any = ir_lt(b, *tau, ir_const(b, 2)), behind = ir_min(b, ir_add(b, *tau, least), one);
  for (uint32_t j = 0; j < s->m; j++) {
    Val mine = ir_and(b, any, ir_eq(b, *which, ir_const(b, j))), none = ir_and(b, busy, ir_not(b, any));
    w->from[j] = ir_select(b, mine, behind, ir_select(b, none, one, w->from[j]));
    Val kept = ir_select(b, none, i[j].sign, w->sign[j]);
    w->sign[j] = ir_select(b, mine, ir_neg(b, i[j].sign), kept);
  }
}
