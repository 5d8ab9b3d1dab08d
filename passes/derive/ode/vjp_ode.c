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
 * Outputs inside the step enter by the terms of the interpolant, whose cotangents are moments of theirs (vjp_moments.c). The rates as a
 * step begins are those at the end of the one before (first same as last), so their cotangent is handed on, and each rate is computed
 * once; that of the very first is taken behind the loop. Steps of gauss16, whose outputs are at their ends alone, are in vjp_gauss.c, those
 * of taylor, whose outputs are values of its polynomial, in vjp_taylor.c. */
#include "passes/derive/ode/vjp_ode.h"

#include <math.h>
#include <stdlib.h>

/* What the loop over the record has inside. */
typedef struct Ports {
  OdeTurn t;
  uint32_t carries;
  Val left, next, due;       /* carries: steps, number and time of an output */
  Val *state, *rate;         /* cotangents that are carried */
  Val steps, time;           /* the record, the times */
  Val *states, *rates, *out; /* records, cotangents of outputs */
} Ports;

Val vjp_ode_port(OdeTurn *t, Val arg) {
  *vec_push(&t->args) = arg;
  return ir_input(t->b, NULL, IN_OTHER, 0, ir_type(t->outer->f, arg));
}

Val vjp_ode_port_of_turn(OdeTurn *t, Val arg) {
  *vec_push(&t->args) = arg;
  return ir_input(t->b, NULL, IN_OTHER, 0, pass_turn_type(ir_type(t->outer->f, arg)));
}

void vjp_ode_turn_begin(OdeRev *w, OdeTurn *t, Build *outer, Build *b, const char *name) {
  ir_build_init(b, ir_sub_create(outer->f, name));
  b->at = w->i->at;
  *t = (OdeTurn){.outer = outer, .b = b, .inv = base_zeroed(w->ninv + 1, sizeof(Val))};
}

void vjp_ode_turn_end(OdeTurn *t) {
  ir_build_finish(t->b);
  base_free(t->inv);
  vec_free(&t->args);
}

void vjp_ode_invariants(OdeTurn *t, const OdeRev *w, const Val *arg) {
  for (uint32_t k = 0; k < w->ninv; k++) t->inv[k] = vjp_ode_port(t, arg[k]);
}

static Val arg_of(const OdeRev *w, uint32_t k) { return region_value(vjp_region(w->s), ir_arg(vjp_region(w->s)->src, w->i, k)); }

static void own_invariants(OdeTurn *t, const OdeRev *w) {
  for (uint32_t k = 0; k < w->ninv; k++) t->inv[k] = vjp_ode_port(t, arg_of(w, w->n + 1 + k));
}

Type vjp_ode_cot_type(const OdeRev *w, uint32_t k) {
  const Fn *src = vjp_region(w->s)->src;
  return pass_type_with(ir_type(src, ir_arg(src, w->i, k)), w->lane || w->lanes);
}

/* ---- the rates ------------------------------------------------------------------------------------------------------------ */

void vjp_ode_rates(const OdeRev *w, Build *b, const Val *y, Val time, const Val *inv, Val *k) {
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
static Val combination(const OdeRev *w, Build *b, const double *c, const Val *k, int stages, uint32_t s) {
  Val sum = VAL_NONE;
  for (int j = 0; j < stages; j++) {
    if (c[j] == 0) continue;
    Val term = ir_mul(b, ir_const(b, c[j]), k[(uint32_t)j * w->n + s]);
    sum = sum.id ? ir_add(b, sum, term) : term;
  }
  return sum;
}

/* ---- one step ---------------------------------------------------------------------------------------------------------------- */

/* From the state y and its rates k[0 .. n): the state at the end, the rates there, and the terms of the interpolant, term by term. */
static void step(const OdeRev *w, Build *b, const Val *y, Val time, Val h, const Val *inv, Val *k, Val *end, Val *term) {
  const AdaptiveMethod *m = w->m;
  const int last = m->stages - 1, all = m->stages + (w->between ? m->extra : 0);
  Val *z = base_realloc(NULL, sizeof *z * w->n);
  for (int i = 1; i < all; i++) {
    for (uint32_t s = 0; s < w->n; s++) {
      Val sum = combination(w, b, m->a[i], k, i, s);
      z[s] = sum.id ? ir_add(b, y[s], ir_mul(b, h, sum)) : y[s];
      if (i == last) end[s] = z[s];
    }
    vjp_ode_rates(w, b, z, ir_add(b, time, ir_mul(b, ir_const(b, m->c[i]), h)), inv, k + (uint32_t)i * w->n);
  }
  for (uint32_t s = 0; s < w->n && w->between; s++) {
    Val moved = ir_sub(b, end[s], y[s]), bend = ir_sub(b, ir_mul(b, h, k[s]), moved);
    Val at_end = ir_mul(b, h, k[(uint32_t)last * w->n + s]);
    term[s] = y[s], term[w->n + s] = moved, term[2 * w->n + s] = bend;
    term[3 * w->n + s] = ir_sub(b, ir_sub(b, moved, at_end), bend);
    for (int c = 0; c < m->ncont; c++)
      term[(uint32_t)(ODE_FIRST_TERMS + c) * w->n + s] = ir_mul(b, h, combination(w, b, m->d[c], k, all, s));
  }
  base_free(z);
}

/* ---- a sweep over what a turn has computed ------------------------------------------------------------------------------------- */

void vjp_ode_seed(const OdeRev *w, Build *b, OdeSeeds *list, Val v, Val cot) {
  if (!cot.id || !v.id) return;
  const bool each = vjp_mode(w->s) == VJP_SAMPLE || ir_type(b->f, v).lane || ir_type(b->f, cot).lane;
  Seed *to = vec_push(&list->at);
  *to = (Seed){.v = v};
  to->cot.part[each ? EACH : WHOLE] = cot;
}

bool vjp_ode_sweep(OdeRev *w, OdeTurn *t, const OdeSeeds *seeds, const Val *x, uint32_t nx, bool by_inv, Cot *out) {
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
    if (by_inv && vjp_active(w->s, arg) && ir_type(r->src, arg).dt == DT_REAL) vars[n] = t->inv[k], which[n++] = nx + k;
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

Val vjp_ode_one_part(OdeRev *w, Build *b, Cot c, Type t) {
  if (c.part[EACH].id && c.part[WHOLE].id)
    region_error(vjp_region(w->s), CODE_batch_mean, w->i->at, NULL, "a sum over the batch inside rates may not change the states");
  Val v = c.part[EACH].id ? c.part[EACH] : c.part[WHOLE];
  return v.id ? pass_with_lane(b, v, t.lane) : pass_zero_like(b, t);
}

uint32_t vjp_ode_output_sums(OdeTurn *t, const Cot *inv, uint32_t ninv) {
  uint32_t n = 0;
  for (uint32_t k = 0; k < ninv; k++)
    for (int p = 0; p < 2; p++)
      if (inv[k].part[p].id) ir_output(t->b, inv[k].part[p], NULL), n++;
  return n;
}

/* Sums over the turns of a loop, from result `at` on. */
static void push_sums(OdeRev *w, Val loop, uint32_t at, const Cot *inv) {
  Region *r = vjp_region(w->s);
  for (uint32_t k = 0; k < w->ninv; k++)
    for (int p = 0; p < 2; p++) {
      if (!inv[k].part[p].id) continue;
      Val arg = ir_arg(r->src, w->i, w->n + 1 + k), c = ir_proj(r->b, loop, at++);
      (p == WHOLE ? vjp_push_whole : vjp_push)(w->s, arg, c);
    }
}

/* ---- the loop over steps ---------------------------------------------------------------------------------------------------------- */

/* The last output's cotangent is that of the state at the end. Of a sample that failed it is no number, and so is what follows. */
static Val last_cotangent(OdeRev *w, uint32_t k, Val good) {
  Build *b = vjp_region(w->s)->b;
  Val c = pass_zero_like(b, vjp_ode_cot_type(w, k));
  if (w->rc[k].id) c = pass_with_lane(b, ir_index(b, w->rc[k], 0, w->times - 1), vjp_ode_cot_type(w, k).lane);
  return pass_with_lane(b, ir_select(b, good, c, ir_const(b, NAN)), vjp_ode_cot_type(w, k).lane);
}

static void loop_inputs(OdeRev *w, Ports *x) {
  Region *r = vjp_region(w->s);
  Build *b = r->b;
  OdeTurn *t = &x->t;
  Val time = arg_of(w, w->n), taken = ir_index(b, region_recorded(r, w->v, ir_ode_result(w->n, ODE_COUNTS, 0)), 0, 0);
  Val good = ir_le(b, ir_const(b, 0), taken); /* NaN of a sample that failed, which takes one, too */
  x->left = vjp_ode_port(t, ir_select(b, good, taken, ir_const(b, 1)));
  if (w->between) {
    x->next = vjp_ode_port(t, pass_with_lane(b, ir_const(b, (double)w->times - 2), w->lane));
    x->due = vjp_ode_port(t, pass_with_lane(b, ir_index(b, time, 0, w->times - 2), w->lane));
  }
  for (uint32_t k = 0; k < w->n; k++) x->state[k] = vjp_ode_port(t, last_cotangent(w, k, good));
  for (uint32_t k = 0; k < w->n && w->m; k++) x->rate[k] = vjp_ode_port(t, pass_zero_like(b, vjp_ode_cot_type(w, k)));
  x->carries = t->args.n;
  x->steps = vjp_ode_port(t, region_recorded(r, w->v, ir_ode_result(w->n, ODE_STEPS, 0)));
  for (uint32_t k = 0; k < w->n; k++) {
    x->states[k] = vjp_ode_port(t, region_recorded(r, w->v, ir_ode_result(w->n, ODE_STATE, k)));
    if (w->m) x->rates[k] = vjp_ode_port(t, region_recorded(r, w->v, ir_ode_result(w->n, ODE_RATE, k)));
  }
  if (w->between) x->time = vjp_ode_port(t, time);
  for (uint32_t k = 0; k < w->n; k++)
    if (w->between && w->rc[k].id) x->out[k] = vjp_ode_port(t, w->rc[k]);
  own_invariants(t, w);
}

/* Where a turn is in time. */
typedef struct Place {
  Val on, time, h; /* on: the lane has a step */
} Place;

/* Of an explicit method, cot: of states, rates, invariants. */
static bool explicit_step(OdeRev *w, Ports *x, const Place *p, const Val *y, const Val *moment, Val row, Cot *cot) {
  Build *b = x->t.b;
  const uint32_t n = w->n, stages = (uint32_t)(w->m->stages + w->m->extra);
  Val *from = base_zeroed(2 * n, sizeof *from), *k = base_zeroed(stages * n, sizeof *k), *end = base_zeroed(n, sizeof *end);
  Val *term = base_zeroed(ODE_MOST_TERMS * n, sizeof *term);
  OdeSeeds seeds = {0};
  for (uint32_t s = 0; s < n; s++) from[s] = y[s], k[s] = from[n + s] = ir_id(b, ir_gather(b, x->rates[s], row));
  step(w, b, y, p->time, p->h, x->t.inv, k, end, term);
  for (uint32_t s = 0; s < n; s++) {
    vjp_ode_seed(w, b, &seeds, end[s], x->state[s]);
    vjp_ode_seed(w, b, &seeds, k[(uint32_t)(w->m->stages - 1) * n + s], ir_select(b, p->on, x->rate[s], ir_const(b, 0)));
  }
  for (uint32_t c = 0; c < vjp_ode_terms(w) * n; c++) vjp_ode_seed(w, b, &seeds, term[c], moment[c]);
  const bool ok = vjp_ode_sweep(w, &x->t, &seeds, from, 2 * n, true, cot);
  vec_free(&seeds.at);
  void *list[] = {from, k, end, term};
  for (int j = 0; j < 4; j++) base_free(list[j]);
  return ok;
}

static bool taylor_step(OdeRev *w, Ports *x, const Place *p, const Val *y, const Val *moment, Cot *cot) {
  Build *b = x->t.b;
  Val *terms = base_zeroed(2 * w->n, sizeof *terms), *begin = terms + w->n;
  for (uint32_t s = 0; s < w->n; s++) { /* the state at the end is the sum of all coefficients */
    terms[s] = ir_expand(b, x->state[s], 0, w->order + 1);
    if (moment[s].id) terms[s] = ir_add(b, terms[s], moment[s]);
  }
  const bool ok = vjp_ode_taylor_step(w, &x->t, y, p->time, p->h, terms, begin, cot + w->n);
  for (uint32_t s = 0; s < w->n; s++) cot[s].part[EACH] = begin[s];
  base_free(terms);
  return ok;
}

static bool gauss_step(OdeRev *w, Ports *x, const Place *p, const Val *y, const Val *moment, Cot *cot) {
  Build *b = x->t.b;
  const uint32_t n = w->n;
  Val *end = base_zeroed(2 * n, sizeof *end), *begin = end + n;
  for (uint32_t s = 0; s < n; s++) end[s] = moment[s].id ? ir_add(b, x->state[s], moment[s]) : x->state[s];
  const bool ok = vjp_ode_gauss_step(w, &x->t, y, p->time, p->h, end, begin, cot + n);
  for (uint32_t s = 0; s < n; s++) cot[s].part[EACH] = begin[s];
  base_free(end);
  return ok;
}

/* Step left - 1, of lanes that have one: of others the length is 0, and nothing is changed or added. Cotangents of the invariants; how
 * many parts they have. */
static bool one_step(OdeRev *w, Ports *x, Cot *inv, uint32_t *sums) {
  Build *b = x->t.b;
  const uint32_t n = w->n, carried = w->m ? 2 * n : n;
  Val *y = base_zeroed(n, sizeof *y), *moment = base_zeroed(ODE_MOST_TERMS * n, sizeof *moment), next = x->next, due = x->due;
  Cot *cot = base_zeroed(carried + w->ninv, sizeof *cot);
  Val on = ir_lt(b, ir_const(b, 0), x->left), row = vjp_ode_at_least_0(b, ir_sub(b, x->left, ir_const(b, 1)));
  Val pair = ir_gather(b, x->steps, row);
  const Place p = {on, ir_index(b, pair, 0, 0), ir_select(b, on, ir_index(b, pair, 0, 1), ir_const(b, 0))};
  for (uint32_t s = 0; s < n; s++) y[s] = ir_id(b, ir_gather(b, x->states[s], row));
  if (w->between) vjp_ode_moments(w, b, &(OdeOutputs){x->time, x->out}, p.time, p.h, &next, &due, moment);
  const bool ok = w->m       ? explicit_step(w, x, &p, y, moment, row, cot)
                  : w->order ? taylor_step(w, x, &p, y, moment, cot)
                             : gauss_step(w, x, &p, y, moment, cot);
  ir_output(b, ir_select(b, on, row, x->left), NULL);
  if (w->between) ir_output(b, next, NULL), ir_output(b, due, NULL);
  for (uint32_t s = 0; s < carried && ok; s++) {
    Val was = s < n ? x->state[s] : x->rate[s - n];
    ir_output(b, ir_select(b, on, vjp_ode_one_part(w, b, cot[s], ir_type(b->f, was)), was), NULL);
  }
  for (uint32_t j = 0; j < w->ninv; j++) inv[j] = cot[carried + j];
  if (ok) *sums = vjp_ode_output_sums(&x->t, inv, w->ninv);
  base_free(y);
  base_free(moment);
  base_free(cot);
  return ok;
}

/* ---- the start ------------------------------------------------------------------------------------------------------------------ */

/* Cotangents of the states through the rates at the start, those of the rates being given. */
static bool start(OdeRev *w, const Val *rate, Val *state) {
  Region *r = vjp_region(w->s);
  const uint32_t n = w->n;
  Build b;
  OdeTurn t;
  OdeSeeds seeds = {0};
  vjp_ode_turn_begin(w, &t, r->b, &b, "start");
  Val *y = base_zeroed(2 * n, sizeof *y), *k = base_zeroed(n, sizeof *k), *given = y + n;
  Cot *cot = base_zeroed(n + w->ninv, sizeof *cot);
  for (uint32_t s = 0; s < n; s++) y[s] = vjp_ode_port(&t, arg_of(w, s));
  for (uint32_t s = 0; s < n; s++) given[s] = vjp_ode_port(&t, rate[s]);
  Val time = vjp_ode_port(&t, ir_index(r->b, arg_of(w, n), 0, 0));
  own_invariants(&t, w);
  for (uint32_t s = 0; s < n; s++) y[s] = ir_id(&b, y[s]);
  vjp_ode_rates(w, &b, y, time, t.inv, k);
  for (uint32_t s = 0; s < n; s++) vjp_ode_seed(w, &b, &seeds, k[s], given[s]);
  const bool ok = vjp_ode_sweep(w, &t, &seeds, y, n, true, cot);
  for (uint32_t s = 0; s < n && ok; s++) ir_output(&b, vjp_ode_one_part(w, &b, cot[s], vjp_ode_cot_type(w, s)), NULL);
  if (ok) {
    const uint32_t sums = n + vjp_ode_output_sums(&t, cot + n, w->ninv);
    Val loop = ir_scan(r->b, t.args.at, t.args.n, 1, 0, 0, 0, sums, false, false, b.f);
    for (uint32_t s = 0; s < n; s++) state[s] = ir_add(r->b, state[s], ir_proj(r->b, loop, s));
    push_sums(w, loop, n, cot + n);
  }
  vjp_ode_turn_end(&t);
  vec_free(&seeds.at);
  base_free(y);
  base_free(k);
  base_free(cot);
  return ok;
}

/* Of outputs 1 ... next, which are at the time of the start. */
static Val at_start(OdeRev *w, Val cot, Val next) {
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
static void push_times(OdeRev *w, const Val *state) {
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

/* The loop; what is carried out of it, states and rates, and the number of the last output that it has not taken. */
static bool backwards(OdeRev *w, Val *state, Val *next) {
  Region *r = vjp_region(w->s);
  Build b;
  Ports x = {0};
  Val **list[] = {&x.state, &x.rate, &x.states, &x.rates, &x.out};
  uint32_t at = 1, sums = 0;
  vjp_ode_turn_begin(w, &x.t, r->b, &b, "reverse");
  for (int k = 0; k < 5; k++) *list[k] = base_zeroed(w->n, sizeof(Val));
  Cot *inv = base_zeroed(w->ninv + 1, sizeof *inv);
  loop_inputs(w, &x);
  const bool ok = one_step(w, &x, inv, &sums);
  if (ok) {
    Val loop = ir_scan(r->b, x.t.args.at, x.t.args.n, (uint32_t)w->record, x.carries, 0, 0, sums, false, 2, b.f);
    if (w->between) *next = ir_proj(r->b, loop, at), at += 2;
    for (uint32_t s = 0; s < (w->m ? 2 : 1) * w->n; s++) state[s] = ir_proj(r->b, loop, at++);
    push_sums(w, loop, x.carries, inv);
  }
  vjp_ode_turn_end(&x.t);
  for (int k = 0; k < 5; k++) base_free(*list[k]);
  base_free(inv);
  return ok;
}

static bool reverse(OdeRev *w) {
  Region *r = vjp_region(w->s);
  Val *state = base_zeroed(2 * w->n, sizeof *state), next = VAL_NONE;
  bool ok = backwards(w, state, &next);
  ok = ok && (!w->m || start(w, state + w->n, state));
  for (uint32_t s = 0; s < w->n && ok && w->between; s++)
    if (w->rc[s].id) state[s] = ir_add(r->b, state[s], at_start(w, w->rc[s], next));
  if (ok) push_times(w, state);
  for (uint32_t s = 0; s < w->n && ok; s++) {
    Val c = state[s];
    if (w->rc[s].id && w->times > 1) c = ir_add(r->b, c, ir_index(r->b, w->rc[s], 0, 0));
    vjp_push(w->s, ir_arg(r->src, w->i, s), c);
  }
  base_free(state);
  return ok;
}

static bool any_lane(const OdeRev *w) {
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
  const Cot *res = vjp_results(s, v);
  Val *rc = base_zeroed(n, sizeof *rc);
  const uint32_t times = ir_type(r->src, ir_arg(r->src, i, n)).dim[0];
  for (int p = EACH; p <= WHOLE; p++) {
    bool any = false;
    for (uint32_t k = 0; k < n; k++) rc[k] = res[k].part[p], any |= rc[k].id != 0;
    if (!any) continue;
    OdeRev w = {.s = s, .v = v, .i = i, .body = ir_body(r->src, i), .n = n, .ninv = i->nargs - n - 1, .times = times, .rc = rc};
    w.m = ir_records_rates((Method)attr.method) ? adaptive_method((int)attr.method) : NULL;
    if (attr.method == M_TAYLOR) w.order = vjp_ode_order(r->src, &attr);
    w.record = region_record_rows(r->src, i), w.between = times > 2;
    w.lane = ir_type(r->src, ir_arg(r->src, i, 0)).lane;
    w.lanes = p == EACH && (vjp_mode(s) != VJP_SAMPLE || any_lane(&w));
    if (!reverse(&w)) r->failed = true;
  }
  base_free(rc);
}
