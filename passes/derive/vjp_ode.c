/* Reverse rule of `ode`: exact for the discrete solution, step sizes being constants.
 *
 * On the way forward the accepted steps are recorded (ir.h). A loop goes back over them, each sample over its own and none when
 * they are done (`converge` = 2): a turn computes the stages of one step again and sweeps backwards over it.
 *
 *   carries  how many steps are left; number and time of the last output that is before what was done, if there are outputs between;
 *            cotangents of the states and of the rates at the end of the step, which is where the next one began
 *   inv      the record, times, cotangents of the outputs, invariants
 *   zs       cotangents of the invariants, so that sums over the batch flow into sums over steps
 *
 * Outputs inside the step enter by the terms of the interpolant, whose cotangents are moments of theirs (`moments`). The rates as a
 * step begins are those at the end of the one before (first same as last), so their cotangent is handed on, and each rate is computed
 * once; that of the very first is taken behind the loop. Rates by gauss16 are solutions of the step's equations: see gauss. */
#include "ir/adaptive.h"
#include "passes/derive/derive_priv.h"

#include <math.h>
#include <stdlib.h>

typedef struct Vals {
  VEC(Val) v;
} Vals;

typedef struct Rev {
  Vjp *s;
  Val v;
  const Inst *i;
  ode_attr attr;
  const AdaptiveMethod *m;
  const Fn *body;
  uint32_t n, ninv, times;
  bool lane, lanes; /* states are per sample; cotangents are */
  bool dense;       /* there are outputs between the first and the last */
  const Val *rc;    /* by state: the cotangent of its trajectory, or none */
} Rev;

/* What a loop over the record, or the piece at its start, has inside: ports of its arguments. */
typedef struct Turn {
  Build *b;
  Vals args;
  uint32_t carries;
  Val left, next, due;       /* carries: steps, number and time of an output */
  Val *state, *rate;         /* cotangents that are carried */
  Val *inv;                  /* by invariant */
  Val steps, time;           /* the record, the times */
  Val *states, *rates, *out; /* records, cotangents of outputs */
} Turn;

static Val port(Turn *t, Val arg) {
  *vec_push(&t->args.v) = arg;
  return VAL_NONE;
}

static Val port_of(Rev *w, Turn *t, Val arg) {
  port(t, arg);
  return ir_input(t->b, NULL, IN_OTHER, 0, ir_type(vjp_region(w->s)->b->f, arg));
}

static Val arg_of(const Rev *w, uint32_t k) { return region_value(vjp_region(w->s), ir_arg(vjp_region(w->s)->src, w->i, k)); }
static Type state_type(const Rev *w, uint32_t k) { return ir_type(vjp_region(w->s)->src, ir_arg(vjp_region(w->s)->src, w->i, k)); }
static Type cot_type(const Rev *w, uint32_t k) { return pass_type_with(state_type(w, k), w->lane || w->lanes); }

static Val zeros(Build *b, Type t) { return pass_zero_like(b, t); }

/* ---- the rates ------------------------------------------------------------------------------------------------------------ */

static void rates(const Rev *w, Build *b, const Val *y, Val time, const Val *inv, Val *k) {
  const Fn *f = w->body;
  Val *args = base_zeroed(f->in.n + 1, sizeof *args), *map = base_zeroed(f->inst.n, sizeof *map);
  for (uint32_t j = 0; j < w->n; j++) args[j] = pass_with_lane(b, y[j], f->in.at[j].type.lane);
  args[w->n] = pass_with_lane(b, time, f->in.at[w->n].type.lane);
  for (uint32_t j = 0; j < w->ninv; j++) args[w->n + 1 + j] = pass_with_lane(b, inv[j], f->in.at[w->n + 1 + j].type.lane);
  copy_emit(b, f, args, NULL, region_store_inst, NULL, map);
  for (uint32_t j = 0; j < w->n; j++) k[j] = pass_with_lane(b, map[f->out.at[j].id], w->lane);
  base_free(args);
  base_free(map);
}

/* sum of c_j k_j of state s; none if all are 0 */
static Val combination(const Rev *w, Build *b, const double *c, const Val *k, int stages, uint32_t s) {
  Val sum = VAL_NONE;
  for (int j = 0; j < stages; j++) {
    if (c[j] == 0) continue;
    Val term = ir_mul(b, ir_const(b, c[j]), k[(uint32_t)j * w->n + s]);
    sum = sum.id ? ir_add(b, sum, term) : term;
  }
  return sum;
}

/* ---- one step ---------------------------------------------------------------------------------------------------------------- */

enum { FIRST_TERMS = 4, MOST_TERMS = 8 };

static uint32_t terms(const Rev *w) { return w->dense ? FIRST_TERMS + (uint32_t)w->m->ncont : 0; }

/* From the state y and its rates k[0 .. n): the state at the end, the rates there, and the terms of the interpolant, term by term. */
static void step(const Rev *w, Build *b, const Val *y, Val time, Val h, const Val *inv, Val *k, Val *end, Val *term) {
  const AdaptiveMethod *m = w->m;
  const int last = m->stages - 1, all = m->stages + (w->dense ? m->extra : 0);
  Val *z = base_realloc(NULL, sizeof *z * w->n);
  for (int i = 1; i < all; i++) {
    for (uint32_t s = 0; s < w->n; s++) {
      Val sum = combination(w, b, m->a[i], k, i, s);
      z[s] = sum.id ? ir_add(b, y[s], ir_mul(b, h, sum)) : y[s];
      if (i == last) end[s] = z[s];
    }
    rates(w, b, z, ir_add(b, time, ir_mul(b, ir_const(b, m->c[i]), h)), inv, k + (uint32_t)i * w->n);
  }
  for (uint32_t s = 0; s < w->n && w->dense; s++) {
    Val moved = ir_sub(b, end[s], y[s]), bend = ir_sub(b, ir_mul(b, h, k[s]), moved);
    Val at_end = ir_mul(b, h, k[(uint32_t)last * w->n + s]);
    term[s] = y[s], term[w->n + s] = moved, term[2 * w->n + s] = bend;
    term[3 * w->n + s] = ir_sub(b, ir_sub(b, moved, at_end), bend);
    for (int c = 0; c < m->ncont; c++)
      term[(uint32_t)(FIRST_TERMS + c) * w->n + s] = ir_mul(b, h, combination(w, b, m->d[c], k, all, s));
  }
  base_free(z);
}

/* ---- outputs inside a step ------------------------------------------------------------------------------------------------------ */

static Val at_least_0(Build *b, Val x) { return ir_max(b, x, ir_const(b, 0)); }

/* 1 where output `next`, at time `due`, is behind the time at which the step begins. */
static Val inside(Build *b, Val next, Val due, Val time, Val h) {
  Val ahead = ir_mul(b, ir_sub(b, due, time), h);
  return ir_indicator(b, ir_and(b, ir_le(b, ir_const(b, 0), next), ir_lt(b, ir_const(b, 0), ahead)));
}

/* One output: adds its cotangents, by the weights of the terms of the interpolant there, and goes to the one before it. */
static Fn *moment_body(Rev *w, Fn *parent, const Val *args, uint32_t nargs, uint32_t carries) {
  Build b;
  Fn *f = ir_sub_create(parent, "moments");
  Val *in = base_realloc(NULL, sizeof *in * (nargs + 1)), weight[MOST_TERMS];
  ir_build_init(&b, f);
  b.at = w->i->at;
  for (uint32_t k = 0; k < nargs; k++) in[k] = ir_input(&b, NULL, IN_OTHER, 0, ir_type(parent, args[k]));
  const Val next = in[1], due = in[2], *inv = in + carries, time = inv[0], h = inv[1], times = inv[2], *out = inv + 3;
  Val on = ir_lt(&b, ir_const(&b, 0), in[0]), row = at_least_0(&b, next);
  Val x = ir_div(&b, ir_sub(&b, due, time), ir_select(&b, ir_eq(&b, h, ir_const(&b, 0)), ir_const(&b, 1), h));
  Val rest = ir_sub(&b, ir_const(&b, 1), x), before = ir_select(&b, on, ir_sub(&b, next, ir_const(&b, 1)), next);
  Val due_before = ir_gather(&b, times, at_least_0(&b, before));
  weight[0] = ir_indicator(&b, on);
  for (uint32_t c = 0; c + 1 < terms(w); c++) weight[c + 1] = ir_mul(&b, weight[c], c & 1 ? rest : x);
  ir_output(&b, ir_mul(&b, in[0], inside(&b, before, due_before, time, h)), NULL);
  ir_output(&b, before, NULL);
  ir_output(&b, pass_with_lane(&b, due_before, w->lane), NULL);
  for (uint32_t c = 0; c < terms(w); c++)
    for (uint32_t s = 0, o = 0; s < w->n; s++) {
      if (!w->rc[s].id) continue;
      Val sum = in[3 + c * (carries - 3) / terms(w) + o];
      Val cot = ir_select(&b, on, ir_gather(&b, out[o], row), ir_const(&b, 0));
      ir_output(&b, pass_with_lane(&b, ir_add(&b, sum, ir_mul(&b, weight[c], cot)), ir_type(f, sum).lane), NULL);
      o++;
    }
  ir_build_finish(&b);
  base_free(in);
  return f;
}

/* Moments of the outputs of a step: cotangents of its terms. *next, *due: the output before them. */
static void moments(Rev *w, Turn *t, Val time, Val h, Val *next, Val *due, Val *moment) {
  Build *b = t->b;
  Vals args = {0};
  *vec_push(&args.v) = inside(b, *next, *due, time, h);
  *vec_push(&args.v) = *next;
  *vec_push(&args.v) = *due;
  for (uint32_t c = 0; c < terms(w); c++)
    for (uint32_t s = 0; s < w->n; s++)
      if (w->rc[s].id) *vec_push(&args.v) = zeros(b, cot_type(w, s));
  const uint32_t carries = args.v.n;
  *vec_push(&args.v) = time, *vec_push(&args.v) = h, *vec_push(&args.v) = t->time;
  for (uint32_t s = 0; s < w->n; s++)
    if (w->rc[s].id) *vec_push(&args.v) = t->out[s];
  Fn *f = moment_body(w, b->f, args.v.at, args.v.n, carries);
  Val loop = ir_scan(b, args.v.at, args.v.n, w->times, carries, 0, 0, 0, false, 2, f);
  *next = ir_proj(b, loop, 1), *due = ir_proj(b, loop, 2);
  uint32_t at = 3;
  for (uint32_t c = 0; c < terms(w); c++)
    for (uint32_t s = 0; s < w->n; s++) moment[c * w->n + s] = w->rc[s].id ? ir_proj(b, loop, at++) : VAL_NONE;
  vec_free(&args.v);
}

/* ---- a sweep over what a turn has computed ------------------------------------------------------------------------------------- */

typedef struct Seeds {
  VEC(Seed) at;
} Seeds;

static void seed(const Rev *w, Build *b, Seeds *list, Val v, Val cot) {
  if (!cot.id || !v.id) return;
  const bool each = vjp_mode(w->s) == VJP_SAMPLE || ir_type(b->f, v).lane || ir_type(b->f, cot).lane;
  Seed *to = vec_push(&list->at);
  *to = (Seed){.v = v};
  to->cot.part[each ? EACH : WHOLE] = cot;
}

/* Cotangents of x, and, behind them in `out`, of the invariants. */
static bool sweep(Rev *w, Turn *t, const Seeds *seeds, const Val *x, uint32_t nx, Cot *out) {
  Region *r = vjp_region(w->s), br;
  const VjpMode mode = vjp_mode(w->s) == VJP_SAMPLE ? VJP_SAMPLE : VJP_BODY;
  Val *vars = base_realloc(NULL, sizeof *vars * (nx + w->ninv + 1));
  uint32_t *which = base_realloc(NULL, sizeof *which * (nx + w->ninv + 1)), n = 0;
  bool *sum = base_zeroed(t->b->f->in.n + 1, sizeof *sum);
  Cot *cot = base_zeroed(nx + w->ninv + 1, sizeof *cot);
  for (uint32_t k = 0; k < nx; k++) vars[n] = x[k], which[n++] = k;
  for (uint32_t k = 0; k < w->ninv; k++) {
    Val arg = ir_arg(r->src, w->i, w->n + 1 + k);
    sum[ir_number(t->b->f, ir_inst(t->b->f, t->inv[k]))] = vjp_sums(w->s, arg);
    if (vjp_active(w->s, arg) && ir_type(r->src, arg).dt == DT_REAL) vars[n] = t->inv[k], which[n++] = nx + k;
  }
  region_init(&br, t->b->f, t->b, r->diag);
  const bool ok = vjp_sweep(&br, mode, sum, seeds->at.at, seeds->at.n, vars, n, cot);
  region_finish(&br);
  for (uint32_t k = 0; k < n && ok; k++) out[which[k]] = cot[k];
  base_free(vars);
  base_free(which);
  base_free(sum);
  base_free(cot);
  return ok;
}

/* A carried cotangent is one part: states are per sample, or what there is of the batch is not in their rates. */
static Val one_part(Rev *w, Build *b, Cot c, Type t) {
  if (c.part[EACH].id && c.part[WHOLE].id)
    region_error(vjp_region(w->s), CODE_batch_mean, w->i->at, NULL, "a sum over the batch inside rates may not change the states");
  Val v = c.part[EACH].id ? c.part[EACH] : c.part[WHOLE];
  return v.id ? pass_with_lane(b, v, t.lane) : zeros(b, t);
}

static void output_sums(Turn *t, const Cot *inv, uint32_t ninv) {
  for (uint32_t k = 0; k < ninv; k++)
    for (int p = 0; p < 2; p++)
      if (inv[k].part[p].id) ir_output(t->b, inv[k].part[p], NULL);
}

/* Sums over the turns of a loop, from result `at` on. */
static void push_sums(Rev *w, Val loop, uint32_t at, const Cot *inv) {
  Region *r = vjp_region(w->s);
  for (uint32_t k = 0; k < w->ninv; k++)
    for (int p = 0; p < 2; p++) {
      if (!inv[k].part[p].id) continue;
      Val arg = ir_arg(r->src, w->i, w->n + 1 + k), c = ir_proj(r->b, loop, at++);
      (p == WHOLE ? vjp_push_whole : vjp_push)(w->s, arg, c);
    }
}

static uint32_t count_sums(const Cot *inv, uint32_t ninv) {
  uint32_t n = 0;
  for (uint32_t k = 0; k < ninv; k++) n += (inv[k].part[EACH].id != 0) + (inv[k].part[WHOLE].id != 0);
  return n;
}

/* ---- the loop over steps ---------------------------------------------------------------------------------------------------------- */

static void turn_begin(Rev *w, Turn *t, Build *b, const char *name) {
  ir_build_init(b, ir_sub_create(vjp_region(w->s)->b->f, name));
  b->at = w->i->at;
  *t = (Turn){.b = b};
  Val **list[] = {&t->state, &t->rate, &t->states, &t->rates, &t->out};
  for (int k = 0; k < 5; k++) *list[k] = base_zeroed(w->n, sizeof(Val));
  t->inv = base_zeroed(w->ninv + 1, sizeof(Val));
}

static void turn_end(Turn *t) {
  ir_build_finish(t->b);
  Val *list[] = {t->state, t->rate, t->states, t->rates, t->out, t->inv};
  for (int k = 0; k < 6; k++) base_free(list[k]);
  vec_free(&t->args.v);
}

static void invariants(Rev *w, Turn *t) {
  for (uint32_t k = 0; k < w->ninv; k++) t->inv[k] = port_of(w, t, arg_of(w, w->n + 1 + k));
}

/* The last output's cotangent is that of the state at the end. */
static Val last_cotangent(Rev *w, uint32_t k) {
  Build *b = vjp_region(w->s)->b;
  if (!w->rc[k].id) return zeros(b, cot_type(w, k));
  return pass_with_lane(b, ir_index(b, w->rc[k], 0, w->times - 1), cot_type(w, k).lane);
}

static void loop_inputs(Rev *w, Turn *t) {
  Region *r = vjp_region(w->s);
  Build *b = r->b;
  Val time = arg_of(w, w->n);
  t->left = port_of(w, t, region_recorded(r, w->v, ir_ode_result(w->n, ODE_COUNT, 0)));
  if (w->dense) {
    t->next = port_of(w, t, pass_with_lane(b, ir_const(b, (double)w->times - 2), w->lane));
    t->due = port_of(w, t, pass_with_lane(b, ir_index(b, time, 0, w->times - 2), w->lane));
  }
  for (uint32_t k = 0; k < w->n; k++) t->state[k] = port_of(w, t, last_cotangent(w, k));
  for (uint32_t k = 0; k < w->n; k++) t->rate[k] = port_of(w, t, zeros(b, cot_type(w, k)));
  t->carries = t->args.v.n;
  t->steps = port_of(w, t, region_recorded(r, w->v, ir_ode_result(w->n, ODE_STEPS, 0)));
  for (uint32_t k = 0; k < w->n; k++) {
    t->states[k] = port_of(w, t, region_recorded(r, w->v, ir_ode_result(w->n, ODE_STATE, k)));
    t->rates[k] = port_of(w, t, region_recorded(r, w->v, ir_ode_result(w->n, ODE_RATE, k)));
  }
  if (w->dense) t->time = port_of(w, t, time);
  for (uint32_t k = 0; k < w->n; k++)
    if (w->dense && w->rc[k].id) t->out[k] = port_of(w, t, w->rc[k]);
  invariants(w, t);
}

/* Step left - 1, of lanes that have one: of others the length is 0, and nothing is changed or added. */
static bool one_step(Rev *w, Turn *t, Cot *inv) {
  Build *b = t->b;
  const uint32_t n = w->n, stages = (uint32_t)(w->m->stages + w->m->extra);
  Val *y = base_zeroed(2 * n, sizeof *y), *k = base_zeroed(stages * n, sizeof *k), *end = base_zeroed(n, sizeof *end);
  Val *term = base_zeroed(MOST_TERMS * n, sizeof *term), *moment = base_zeroed(MOST_TERMS * n, sizeof *moment);
  Cot *cot = base_zeroed(2 * n + w->ninv, sizeof *cot);
  Seeds seeds = {0};
  Val on = ir_lt(b, ir_const(b, 0), t->left), row = at_least_0(b, ir_sub(b, t->left, ir_const(b, 1)));
  Val pair = ir_gather(b, t->steps, row), time = ir_index(b, pair, 0, 0);
  Val h = ir_select(b, on, ir_index(b, pair, 0, 1), ir_const(b, 0)), next = t->next, due = t->due;
  for (uint32_t s = 0; s < n; s++) y[s] = ir_id(b, ir_gather(b, t->states[s], row));
  for (uint32_t s = 0; s < n; s++) k[s] = y[n + s] = ir_id(b, ir_gather(b, t->rates[s], row));
  if (w->dense) moments(w, t, time, h, &next, &due, moment);
  step(w, b, y, time, h, t->inv, k, end, term);
  for (uint32_t s = 0; s < n; s++) {
    seed(w, b, &seeds, end[s], t->state[s]);
    seed(w, b, &seeds, k[(uint32_t)(w->m->stages - 1) * n + s], ir_select(b, on, t->rate[s], ir_const(b, 0)));
  }
  for (uint32_t c = 0; c < terms(w) * n; c++) seed(w, b, &seeds, term[c], moment[c]);
  const bool ok = sweep(w, t, &seeds, y, 2 * n, cot);
  ir_output(b, ir_select(b, on, row, t->left), NULL);
  if (w->dense) ir_output(b, next, NULL), ir_output(b, due, NULL);
  for (uint32_t s = 0; s < 2 * n && ok; s++) {
    Val was = s < n ? t->state[s] : t->rate[s - n];
    ir_output(b, ir_select(b, on, one_part(w, b, cot[s], ir_type(b->f, was)), was), NULL);
  }
  for (uint32_t j = 0; j < w->ninv; j++) inv[j] = cot[2 * n + j];
  if (ok) output_sums(t, inv, w->ninv);
  vec_free(&seeds.at);
  void *list[] = {y, k, end, term, moment, cot};
  for (int j = 0; j < 6; j++) base_free(list[j]);
  return ok;
}

/* ---- the start ------------------------------------------------------------------------------------------------------------------ */

/* Cotangents of the states through the rates at the start, those of the rates being given. */
static bool start(Rev *w, const Val *rate, Val *state) {
  Region *r = vjp_region(w->s);
  const uint32_t n = w->n;
  Build b;
  Turn t;
  Seeds seeds = {0};
  turn_begin(w, &t, &b, "start");
  Val *y = base_zeroed(n, sizeof *y), *k = base_zeroed(n, sizeof *k), *in = base_zeroed(n, sizeof *in);
  Cot *cot = base_zeroed(n + w->ninv, sizeof *cot);
  for (uint32_t s = 0; s < n; s++) in[s] = port_of(w, &t, arg_of(w, s));
  for (uint32_t s = 0; s < n; s++) t.rate[s] = port_of(w, &t, rate[s]);
  Val time = port_of(w, &t, ir_index(r->b, arg_of(w, n), 0, 0));
  invariants(w, &t);
  for (uint32_t s = 0; s < n; s++) y[s] = ir_id(&b, in[s]);
  rates(w, &b, y, time, t.inv, k);
  for (uint32_t s = 0; s < n; s++) seed(w, &b, &seeds, k[s], t.rate[s]);
  const bool ok = sweep(w, &t, &seeds, y, n, cot);
  for (uint32_t s = 0; s < n && ok; s++) ir_output(&b, one_part(w, &b, cot[s], cot_type(w, s)), NULL);
  if (ok) output_sums(&t, cot + n, w->ninv);
  if (ok) {
    const uint32_t sums = n + count_sums(cot + n, w->ninv);
    Val loop = ir_scan(r->b, t.args.v.at, t.args.v.n, 1, 0, 0, 0, sums, false, false, b.f);
    for (uint32_t s = 0; s < n; s++) state[s] = ir_add(r->b, state[s], ir_proj(r->b, loop, s));
    push_sums(w, loop, n, cot + n);
  }
  turn_end(&t);
  vec_free(&seeds.at);
  void *list[] = {y, k, in, cot};
  for (int j = 0; j < 4; j++) base_free(list[j]);
  return ok;
}

/* Of outputs 1 ... next, which are at the time of the start. */
static Val at_start(Rev *w, Val cot, Val next) {
  Build *b = vjp_region(w->s)->b;
  int la[1] = {0}, lb[IR_MAX_RANK], lo[IR_MAX_RANK];
  const int rank = ir_type(b->f, cot).rank;
  for (int k = 0; k < IR_MAX_RANK; k++) lb[k] = k, lo[k] = k + 1;
  Val number = ir_add(b, ir_iota(b, w->times - 1), ir_const(b, 1)), counts = ir_indicator(b, ir_le(b, number, next));
  cot = ir_slice(b, cot, 0, 1, w->times - 1, 1);
  return ir_dot(b, counts, cot, false, la, lb, rank - 1, lo);
}

/* ---- the rule -------------------------------------------------------------------------------------------------------------------- */

/* Outputs move with their times as the rates are there, and all the other way with the time of the start, at which the states
 * have the cotangents `state`, output 0 apart. */
static void push_times(Rev *w, const Val *state) {
  Region *r = vjp_region(w->s);
  Build *b = r->b;
  Val times = ir_arg(r->src, w->i, w->n), *rate = base_zeroed(w->n, sizeof *rate), whole = VAL_NONE, first = VAL_NONE;
  if (!vjp_active(w->s, times) || w->times < 2) return base_free(rate);
  derive_ode_moving(r, w->v, w->i, rate);
  for (uint32_t s = 0; s < w->n; s++) {
    Val at = ir_sum_all(b, ir_mul(b, state[s], ir_index(b, rate[s], 0, 0))), each = w->rc[s];
    first = first.id ? ir_add(b, first, at) : at;
    if (!each.id) continue;
    each = ir_mul(b, each, rate[s]);
    while (ir_type(b->f, each).rank > 1) each = ir_sum(b, each, 1);
    whole = whole.id ? ir_add(b, whole, each) : each;
  }
  Val rest = ir_slice(b, whole, 0, 1, w->times - 1, 1), part[2] = {ir_expand(b, ir_neg(b, first), 0, 1), rest};
  vjp_push(w->s, times, ir_concat(b, part, 2, 0));
  base_free(rate);
}

static bool reverse(Rev *w) {
  Region *r = vjp_region(w->s);
  Build b;
  Turn t;
  turn_begin(w, &t, &b, "reverse");
  Cot *inv = base_zeroed(w->ninv + 1, sizeof *inv);
  Val *state = base_zeroed(2 * w->n, sizeof *state), *rate = state + w->n, next = VAL_NONE;
  loop_inputs(w, &t);
  bool ok = one_step(w, &t, inv);
  if (ok) {
    Val loop = ir_scan(r->b, t.args.v.at, t.args.v.n, (uint32_t)region_record_rows(r->src, w->i), t.carries, 0, 0,
                       count_sums(inv, w->ninv), false, 2, b.f);
    uint32_t at = 1;
    if (w->dense) next = ir_proj(r->b, loop, at), at += 2;
    Val good = ir_le(r->b, ir_const(r->b, 0), region_recorded(r, w->v, ir_ode_result(w->n, ODE_COUNT, 0)));
    for (uint32_t s = 0; s < 2 * w->n; s++) state[s] = ir_select(r->b, good, ir_proj(r->b, loop, at++), ir_const(r->b, NAN));
    push_sums(w, loop, t.carries, inv);
  }
  turn_end(&t);
  ok = ok && start(w, rate, state);
  for (uint32_t s = 0; s < w->n && ok && w->dense; s++)
    if (w->rc[s].id) state[s] = ir_add(r->b, state[s], at_start(w, w->rc[s], next));
  if (ok) push_times(w, state);
  for (uint32_t s = 0; s < w->n && ok; s++) {
    Val c = state[s];
    if (w->rc[s].id && w->times > 1) c = ir_add(r->b, c, ir_index(r->b, w->rc[s], 0, 0));
    vjp_push(w->s, ir_arg(r->src, w->i, s), c);
  }
  base_free(inv);
  base_free(state);
  return ok;
}

static bool any_lane(const Rev *w) {
  for (uint32_t k = 0; k < w->n; k++)
    if (w->rc[k].id && ir_type(vjp_region(w->s)->b->f, w->rc[k]).lane) return true;
  for (uint32_t id = 1; id < w->body->inst.n; id++)
    if (w->body->inst.at[id].type.dt != DT_MULTI && w->body->inst.at[id].type.lane) return true;
  return false;
}

void vjp_ode(Vjp *s, Val v, const Inst *i, Val c) {
  (void)c;
  Region *r = vjp_region(s);
  const ode_attr attr = ir_ode_attr(r->src, i);
  const uint32_t n = (uint32_t)attr.states;
  if (attr.method == M_TAYLOR || attr.method == M_GAUSS16) {
    region_error(r, CODE_no_derivative, i->at, "`tsit5` and `dop853` have one: their steps are recorded",
                 "this adaptive method has no derivative backwards");
    return;
  }
  const Cot *res = vjp_results(s, v);
  Val *rc = base_zeroed(n, sizeof *rc);
  const uint32_t times = ir_type(r->src, ir_arg(r->src, i, n)).dim[0];
  for (int p = EACH; p <= WHOLE; p++) {
    bool any = false;
    for (uint32_t k = 0; k < n; k++) rc[k] = res[k].part[p], any |= rc[k].id != 0;
    if (!any) continue;
    Rev w = {.s = s,
             .v = v,
             .i = i,
             .attr = attr,
             .m = adaptive_method((int)attr.method),
             .body = ir_body(r->src, i),
             .n = n,
             .ninv = i->nargs - n - 1,
             .times = times,
             .dense = times > 2,
             .rc = rc};
    w.lane = ir_type(r->src, ir_arg(r->src, i, 0)).lane;
    w.lanes = p == EACH && (vjp_mode(s) != VJP_SAMPLE || any_lane(&w));
    if (!reverse(&w)) r->failed = true;
  }
  base_free(rc);
}
