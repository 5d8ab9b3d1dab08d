/* One step of gauss16: 8 stages K = f(t + c dt, y + dt A K), stacked on a first axis, so that the rates stand there once, in a loop over the
 * stages. Found by iteration from K_i = f(t, y) until they move by no more than 4 units in the last place, as in expand_implicit.c, and
 * there is no other way: where a step is so long that the iteration does not contract, the states become NaN.
 *
 * `root` names what the stages solve, by r alone: derivatives are those of the solution, found by iterations that contract as fast
 * (passes/derive/root.c). States per sample and shared ones are solved one after the other. */
#include "ir/adaptive.h"
#include "passes/loops/expand_priv.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { TURNS = 50 };

typedef struct Stages {
  const Traj *t;
  Scope *s;
  uint32_t n;
  bool lane;      /* the states that are solved for now */
  uint32_t size;  /* unknowns */
  Val *start, *k; /* by state: f(t, y) at each stage; the solution, VAL_NONE as long as it is not known */
} Stages;

/* The same inside of a body: its scope, and the stages by state. */
typedef struct Within {
  Scope in;
  Val *hold, *k;
} Within;

static bool unknown(const Stages *m, uint32_t v) { return ir_type(m->s->b->f, m->start[v]).lane == m->lane; }
static double unit(const Build *b) { return b->f->f64 ? DBL_EPSILON : FLT_EPSILON; }

static void enter(const Stages *m, Build *b, Vals *args, Within *w) {
  w->hold = base_zeroed(m->n + m->t->ninv, sizeof *w->hold), w->k = base_zeroed(m->n, sizeof *w->k);
  w->in = expand_enter(m->t, m->s, b, true, args, w->hold);
  for (uint32_t v = 0; v < m->n; v++) {
    if (!m->k[v].id) continue;
    *vec_push(args) = m->k[v];
    w->k[v] = ir_input(b, "K", IN_OTHER, v, ir_type(m->s->b->f, m->k[v]));
  }
}

static void leave(Within *w) {
  base_free(w->hold);
  base_free(w->k);
}

/* ---- the equation -------------------------------------------------------------------------------------------------------- */

/* The matrix that keeps quadratic invariants with b as doubles have it: one of a_ij, a_ji follows from the other. */
static Val matrix(Build *b) {
  const AdaptiveGauss *g = &adaptive_gauss16;
  const uint32_t dim[2] = {GAUSS_STAGES, GAUSS_STAGES};
  double a[GAUSS_STAGES][GAUSS_STAGES];
  for (int i = 0; i < GAUSS_STAGES; i++)
    for (int j = 0; j <= i; j++) {
      a[i][j] = i == j ? g->b[i] / 2 : g->a[i][j];
      a[j][i] = i == j ? a[i][j] : (double)(((long double)g->b[i] * g->b[j] - (long double)g->b[i] * a[i][j]) / g->b[j]);
    }
  return ir_table(b, type_real(false, 2, dim), a[0]);
}

static Val of_stages(Build *b, const double *v) {
  const uint32_t n = GAUSS_STAGES;
  return ir_table(b, type_real(false, 1, &n), v);
}

/* Rates at all stages, in a loop over them. States whose stages are not known stay where they are. */
static void at_stages(const Stages *m, const Within *w, Val *next) {
  Build b, *out = w->in.b;
  Vals args = {0};
  const uint32_t n = m->n;
  Val *y = base_zeroed(2 * n + m->t->ninv, sizeof *y), *rates = y + n, *inv = y + 2 * n;
  const Val h = expand_length(&w->in), a = matrix(out);
  uint32_t xs = 0;
  ir_build_init(&b, ir_sub_create(out->f, "stage"));
  b.at = out->at;
  for (uint32_t v = 0; v < n; v++) {
    if (!w->k[v].id) continue;
    const Val from = ir_expand(out, w->in.y[v], 0, GAUSS_STAGES),
              z = ir_add(out, from, ir_mul(out, h, pass_weighted(out, a, w->k[v])));
    *vec_push(&args) = z, xs++;
    y[v] = ir_input(&b, "z", IN_STATE, v, pass_turn_type(ir_type(out->f, z)));
  }
  Scope in = {.b = &b, .y = y, .inv = inv};
  if (m->t->timed) { /* the number of the step with its fraction */
    double c[GAUSS_STAGES];
    for (int i = 0; i < GAUSS_STAGES; i++) c[i] = w->in.back ? 1 - adaptive_gauss16.c[i] : adaptive_gauss16.c[i];
    *vec_push(&args) = of_stages(out, c), xs++;
    in.k = ir_input(&b, "c", IN_OTHER, 0, type_scalar(false));
    *vec_push(&args) = w->in.k;
    in.k = ir_add(&b, ir_input(&b, "k", IN_OTHER, 1, ir_type(out->f, w->in.k)), in.k);
  }
  *vec_push(&args) = w->in.dt;
  in.dt = ir_input(&b, "dt", IN_OTHER, 2, ir_type(out->f, w->in.dt));
  for (uint32_t v = 0; v < n; v++) {
    if (w->k[v].id) continue;
    *vec_push(&args) = w->in.y[v];
    y[v] = ir_input(&b, "y", IN_STATE, v, ir_type(out->f, w->in.y[v]));
  }
  for (uint32_t v = 0; v < m->t->ninv; v++) {
    *vec_push(&args) = w->in.inv[v];
    inv[v] = ir_input(&b, "inv", IN_OTHER, 3 + v, ir_type(out->f, w->in.inv[v]));
  }
  expand_rates(m->t, &in, y, 0, rates);
  uint32_t ys = 0;
  for (uint32_t v = 0; v < n; v++)
    if (unknown(m, v)) ir_output(&b, pass_with_lane(&b, rates[v], m->lane), "K"), ys++;
  ir_build_finish(&b);
  const Val scan = ir_scan(out, args.at, args.n, GAUSS_STAGES, 0, xs, ys, 0, false, 0, b.f);
  ys = 0;
  for (uint32_t v = 0; v < n; v++) next[v] = unknown(m, v) ? ir_proj(out, scan, ys++) : w->k[v];
  vec_free(&args);
  base_free(y);
}

/* ---- the iteration --------------------------------------------------------------------------------------------------------- */

static Val largest(Build *b, Val x) {
  const uint32_t n = (uint32_t)type_count(ir_type(b->f, x));
  return ir_rmax(b, ir_reshape(b, ir_abs(b, x), 1, &n), 0);
}

/* Of x >= 0, without a huge constant. */
static Val is_finite(Build *b, Val x) { return ir_lt(b, ir_mul(b, ir_const(b, 0.5), x), ir_add(b, x, ir_const(b, 1))); }

/* Whether stages that move to `next` rest: by no more than 4 units of what they are; `late`, of what those of all states are and would
 * have to be to change them: a rate may be near 0, being a difference of what is not. */
static Val rests(const Stages *m, const Within *w, const Val *next, Val late) {
  Build *b = w->in.b;
  Val still = VAL_NONE, h = ir_abs(b, w->in.dt), all = VAL_NONE;
  for (uint32_t v = 0; v < m->n; v++) {
    if (!unknown(m, v)) continue;
    const Val size = ir_add(b, largest(b, next[v]), ir_div(b, largest(b, w->in.y[v]), h));
    all = all.id ? ir_max(b, all, size) : size;
  }
  const Val more = ir_select(b, late, all, ir_const(b, 0));
  for (uint32_t v = 0; v < m->n; v++) {
    if (!unknown(m, v)) continue;
    const Val bound = ir_mul(b, ir_const(b, 4 * unit(b)), ir_add(b, largest(b, next[v]), more));
    const Val rest = ir_and(b, ir_le(b, largest(b, ir_sub(b, next[v], w->k[v])), bound), is_finite(b, bound));
    still = still.id ? ir_and(b, still, rest) : rest;
  }
  return still;
}

/* Sets m->k; the status afterwards, 0: at rest. Compared exactly there are no decisions: so many turns, and no status. */
static Val iterated(Stages *m, bool stops) {
  Build b, *out = m->s->b;
  Vals args = {0};
  Within w;
  Val status = VAL_NONE, *in = base_zeroed(2 * m->n, sizeof *in), *next = in + m->n, on = VAL_NONE, zero;
  ir_build_init(&b, ir_sub_create(out->f, "stages"));
  b.at = out->at;
  if (stops) {
    *vec_push(&args) = pass_with_lane(out, ir_const(out, 1), m->lane);
    status = ir_input(&b, "status", IN_STATE, 0, type_scalar(m->lane));
  }
  for (uint32_t v = 0; v < m->n; v++) {
    if (!unknown(m, v)) continue;
    *vec_push(&args) = m->start[v];
    in[v] = ir_input(&b, "K", IN_STATE, v, ir_type(out->f, m->start[v]));
  }
  const uint32_t carry = args.n;
  enter(m, &b, &args, &w);
  for (uint32_t v = 0; v < m->n; v++)
    if (unknown(m, v)) w.k[v] = in[v];
  at_stages(m, &w, next);
  zero = ir_const(&b, 0);
  if (stops) {
    const Val still = rests(m, &w, next, pass_status_late(&b, status));
    on = ir_lt(&b, zero, status);
    ir_output(&b, pass_with_lane(&b, pass_status_next(&b, status, on, still), m->lane), "status");
  }
  for (uint32_t v = 0; v < m->n; v++)
    if (unknown(m, v)) ir_output(&b, on.id ? ir_select(&b, on, next[v], w.k[v]) : next[v], "K");
  ir_build_finish(&b);
  const Val loop = ir_scan(out, args.at, args.n, TURNS, carry, 0, 0, 0, false, stops ? 2 : 0, b.f);
  uint32_t at = stops;
  for (uint32_t v = 0; v < m->n; v++)
    if (unknown(m, v)) m->k[v] = ir_proj(out, loop, at++);
  leave(&w);
  base_free(in);
  vec_free(&args);
  return stops ? ir_proj(out, loop, 0) : VAL_NONE;
}

/* ---- what the stages solve --------------------------------------------------------------------------------------------------- */

static Val gather(const Stages *m, Build *b, const Val *k) {
  Vals part = {0};
  for (uint32_t v = 0; v < m->n; v++) {
    if (!unknown(m, v)) continue;
    const uint32_t n = (uint32_t)type_count(ir_type(b->f, k[v]));
    *vec_push(&part) = ir_reshape(b, k[v], 1, &n);
  }
  const Val x = pass_with_lane(b, ir_concat(b, part.at, part.n, 0), m->lane);
  vec_free(&part);
  return x;
}

static void scatter(const Stages *m, Build *b, Val x, Val *k) {
  uint32_t at = 0;
  for (uint32_t v = 0; v < m->n; v++) {
    if (!unknown(m, v)) continue;
    const Type t = ir_type(m->s->b->f, m->start[v]);
    const uint32_t n = (uint32_t)type_count(t);
    k[v] = ir_reshape(b, ir_slice(b, x, 0, at, n, 1), t.rank, t.dim);
    at += n;
  }
}

/* Names the stages in m->k as a solution. */
static void name_root(Stages *m) {
  Build b, *out = m->s->b;
  Vals args = {0};
  Within w;
  Val *found = base_zeroed(2 * m->n, sizeof *found), *next = found + m->n;
  memcpy(found, m->k, sizeof *found * m->n);
  for (uint32_t v = 0; v < m->n; v++)
    if (unknown(m, v)) m->k[v] = VAL_NONE;
  ir_build_init(&b, ir_sub_create(out->f, "root"));
  b.at = out->at;
  *vec_push(&args) = gather(m, out, found);
  const Val x = ir_input(&b, "k", IN_STATE, 0, ir_type(out->f, args.at[0]));
  enter(m, &b, &args, &w);
  scatter(m, &b, x, w.k);
  at_stages(m, &w, next);
  ir_output(&b, ir_sub(&b, gather(m, &b, next), x), "r");
  ir_build_finish(&b);
  scatter(m, out, ir_root(out, args.at, args.n, b.f), m->k);
  leave(&w);
  vec_free(&args);
  base_free(found);
}

/* ---- the step -------------------------------------------------------------------------------------------------------------------- */

void expand_stages(const Traj *t, Scope *s) {
  const uint32_t n = t->states;
  Build *b = s->b;
  const bool exact = b->f->f64 == FN_EXACT;
  Val *hold = base_zeroed(3 * n, sizeof *hold), *first = hold + 2 * n, good[2] = {VAL_NONE, VAL_NONE};
  Stages m = {.t = t, .s = s, .n = n, .start = hold, .k = hold + n};
  expand_rates(t, s, s->y, 0, first);
  for (uint32_t v = 0; v < n; v++) {
    const Val of_y = pass_with_lane(b, first[v], ir_type(b->f, s->y[v]).lane);
    m.start[v] = ir_expand(b, of_y, 0, GAUSS_STAGES);
  }
  for (int lane = 0; lane < 2; lane++) {
    m.lane = lane, m.size = 0;
    for (uint32_t v = 0; v < n; v++) m.size += unknown(&m, v) ? (uint32_t)type_count(ir_type(b->f, m.start[v])) : 0;
    if (!m.size) continue;
    const Val status = iterated(&m, !exact);
    if (status.id) good[lane] = ir_eq(b, status, ir_const(b, 0));
    name_root(&m);
  }
  for (uint32_t v = 0; v < n; v++) {
    const Val of = good[ir_type(b->f, s->y[v]).lane];
    s->y[v] = ir_add(b, s->y[v], ir_mul(b, expand_length(s), pass_weighted(b, of_stages(b, adaptive_gauss16.b), m.k[v])));
    /* NaN for what has not converged, by a factor, so that derivatives are NaN, too */
    if (of.id) s->y[v] = ir_mul(b, s->y[v], ir_require(b, of, s->dt, CAUSE_NOT_CONVERGED, t->method));
  }
  base_free(hold);
}
