/* One step of `taylor` backwards, by series as well.
 *
 * With f_k the coefficient k of the rates, the step is x_(k+1) = h/(k+1) f_k(x_0 ... x_k). As df_k/dx_j is coefficient k - j of the
 * Jacobian A along the solution, cotangents l_j of the x_j from terms w_j (what is asked of x_j itself) are
 *
 *   l_j = w_j + sum over k = j ... p-1 of A_(k-j)^T h/(k+1) l_(k+1)
 *
 * which in the dual state L_m = h/(p-m) l_(p-m) is coefficient p-1-j of the product A^T L: a series again, of L, whose rule is
 * L_m = h/(p-m) (w_(p-m) + (A^T L)_(m-1)), beside that of x. So a loop over orders carries both; behind it stand l_0 and, as what
 * the rates read has the cotangents (B^T L)_(p-1), the sums, of which no other coefficient is asked: products over the batch are taken over the orders at once
 * (Griewank and Walther, Evaluating Derivatives, ch. 13, have the rule of A_(k-j)). */
#include "passes/jets/jets_priv.h"

#include <string.h>

typedef struct Step {
  Series s;           /* of the function of one order */
  const Jets *last;   /* of that of the last one, */
  const Fn *last_one; /* which is this */
  uint32_t n, p;
  Val *x, *term; /* by state, dual ones behind the others: coefficient k; the terms */
  VEC(Val) args;
} Step;

/* ---- what is needed ------------------------------------------------------------------------------------------------------------- */

/* Marks what the rules of the marked values read; an operator of a factorisation reads its matrix, too. */
static void mark(const Jets *j, bool *live) {
  for (bool more = true; more;) {
    more = false;
    for (uint32_t id = j->f->inst.n - 1; id; id--) {
      const Inst *i = &j->f->inst.at[id];
      Val reads[2] = {j->extra[id][0], j->extra[id][1]};
      for (uint32_t k = 0; live[id] && k < i->nargs; k++) live[ir_arg(j->f, i, k).id] = true;
      for (int k = 0; live[id] && k < 2; k++)
        if (reads[k].id && !live[reads[k].id]) live[reads[k].id] = more = true;
    }
  }
}

/* ---- one order -------------------------------------------------------------------------------------------------------------------- */

/* h/(p-m) (w + g) */
static Val dual(Build *b, Val h, Val by, Val term, Val g, Type t) {
  Val sum = g.id ? ir_add(b, term, g) : term;
  return pass_with_lane(b, ir_mul(b, sum, ir_mul(b, h, by)), t.lane);
}

static Type state_type(const Step *t, uint32_t v) { return t->s.j->f->in.at[v < t->n ? v : v + 1].type; }

/* A turn: coefficients..., histories..., k, 1/(k+1), 1/(p-k-1), terms..., invariants... */
static Fn *turn(Step *t) {
  const Series *s = &t->s;
  const uint32_t n = s->j->in.n;
  Build b;
  Val *in = base_zeroed(n + 1, sizeof *in), *map = base_zeroed(s->one->inst.n, sizeof *map);
  Val *x = base_zeroed(3 * t->n, sizeof *x), *term = x + 2 * t->n;
  ir_build_init(&b, ir_sub_create(s->b.f, "order"));
  for (uint32_t v = 0; v < 2 * t->n; v++) x[v] = ir_input(&b, "x", IN_OTHER, 0, state_type(t, v));
  for (uint32_t m = 0; m < n; m++) {
    if (jets_is(s, m, JETS_COEFFICIENT)) in[m] = x[s->j->in.at[m].v.id];
    if (jets_is(s, m, JETS_HISTORY)) in[m] = ir_input(&b, "all", IN_OTHER, 0, s->one->in.at[m].type);
  }
  Val k = ir_input(&b, "k", IN_OTHER, 0, type_scalar(false)), next = ir_input(&b, NULL, IN_OTHER, 0, type_scalar(false));
  Val by = ir_input(&b, NULL, IN_OTHER, 0, type_scalar(false)), h = VAL_NONE;
  for (uint32_t v = 0; v < t->n; v++) term[v] = ir_input(&b, "term", IN_OTHER, 0, state_type(t, t->n + v));
  for (uint32_t m = 0; m < n; m++) {
    if (jets_is(s, m, JETS_ORDER)) in[m] = k;
    if (in[m].id) continue;
    in[m] = ir_input(&b, NULL, IN_OTHER, 0, s->one->in.at[m].type);
    if (jets_is(s, m, JETS_STEP)) h = in[m];
  }
  copy_emit(&b, s->one, in, NULL, NULL, NULL, map);
  for (uint32_t v = 0; v < t->n; v++) {
    Val rate = map[s->one->out.at[v].id];
    ir_output(&b, pass_with_lane(&b, ir_mul(&b, rate, ir_mul(&b, h, next)), state_type(t, v).lane), NULL);
  }
  for (uint32_t v = 0; v < t->n; v++)
    ir_output(&b, dual(&b, h, by, term[v], map[s->one->out.at[t->n + v].id], state_type(t, t->n + v)), NULL);
  for (uint32_t m = 0, o = 2 * t->n; m < n; m++)
    if (jets_is(s, m, JETS_HISTORY)) ir_output(&b, ir_setrow(&b, in[m], k, map[s->one->out.at[o++].id]), NULL);
  ir_build_finish(&b);
  base_free(in), base_free(map), base_free(x);
  return b.f;
}

/* Orders 1 ... p-2; x has the coefficients 1, and then p-1. Gives the loop. */
static Val loop(Step *t) {
  Series *s = &t->s;
  Build *b = &s->b;
  const uint32_t turns = t->p - 2;
  uint32_t carry = 2 * t->n;
  for (uint32_t v = 0; v < carry; v++) *vec_push(&t->args) = t->x[v];
  for (uint32_t m = 0; m < s->j->in.n; m++)
    if (jets_is(s, m, JETS_HISTORY)) *vec_push(&t->args) = jets_begun(s, s->map[s->j->in.at[m].v.id]), carry++;
  Val one = ir_const(b, 1), k = ir_add(b, ir_iota(b, turns), one);
  *vec_push(&t->args) = k;
  *vec_push(&t->args) = ir_div(b, one, ir_add(b, k, one));
  *vec_push(&t->args) = ir_div(b, one, ir_sub(b, ir_const(b, t->p - 1), k));
  for (uint32_t v = 0; v < t->n; v++) *vec_push(&t->args) = ir_flip(b, ir_slice(b, t->term[v], 0, 1, turns, 1), 0);
  for (uint32_t m = 0; m < s->j->in.n; m++)
    if (jets_is(s, m, JETS_ZERO) || jets_is(s, m, JETS_RECIPROCAL) || jets_is(s, m, JETS_STEP))
      *vec_push(&t->args) = jets_invariant(s, m);
  Fn *body = turn(t);
  Val scan = ir_scan(b, t->args.at, t->args.n, turns, carry, 3 + t->n, 0, 0, false, 0, body);
  for (uint32_t v = 0; v < 2 * t->n; v++) t->x[v] = ir_proj(b, scan, v);
  return scan;
}

/* Order p-1, from which the cotangents are. */
static void end(Step *t, Val scan) {
  Series *s = &t->s;
  const uint32_t n = t->last->in.n;
  Val *in = base_zeroed(n + 1, sizeof *in), *map = base_zeroed(t->last_one->inst.n, sizeof *map);
  for (uint32_t m = 0; m < n; m++) {
    const JetsInput *want = &t->last->in.at[m];
    if (want->kind == JETS_COEFFICIENT) in[m] = t->x[want->v.id];
    for (uint32_t c = 0, at = 2 * t->n; c < s->j->in.n && want->kind == JETS_HISTORY; c++) {
      if (!jets_is(s, c, JETS_HISTORY)) continue;
      if (s->j->in.at[c].v.id == want->v.id) in[m] = ir_proj(&s->b, scan, at);
      at++;
    }
  }
  s->j = t->last, s->one = t->last_one;
  for (uint32_t m = 0; m < n; m++)
    if (!in[m].id) in[m] = jets_invariant(s, m);
  copy_emit(&s->b, t->last_one, in, NULL, NULL, NULL, map);
  for (uint32_t k = 0; k < t->last_one->out.n; k++) {
    Val v = map[t->last_one->out.at[k].id];
    if (k < t->n) v = pass_with_lane(&s->b, ir_add(&s->b, ir_index(&s->b, t->term[k], 0, 0), v), state_type(t, t->n + k).lane);
    ir_output(&s->b, v, NULL);
  }
  base_free(in), base_free(map);
}

static Val inverse(Build *b, uint32_t n) { return ir_const_exact(b, 1.0 / n, 1, n); }

/* ---- the step ---------------------------------------------------------------------------------------------------------------------- */

static Fn *whole(Step *t) {
  Series *s = &t->s;
  const Fn *f = s->j->f;
  Build *b = &s->b;
  Val *arg = base_zeroed(f->in.n + 1, sizeof *arg);
  ir_build_init(b, ir_fn_create("adjoint", f->f64));
  for (uint32_t k = 0; k < f->in.n; k++) {
    const Input *in = &f->in.at[k];
    const bool terms = k > t->n && k <= 2 * t->n;
    Type type = k == t->n ? type_real(in->type.lane, 1, (uint32_t[]){2}) : terms ? jets_stacked(in->type, t->p + 1) : in->type;
    arg[k] = ir_input(b, in->name, in->kind, in->index, type);
  }
  Val both = arg[t->n];
  arg[t->n] = ir_index(b, both, 0, 0);
  s->h = ir_index(b, both, 0, 1);
  for (uint32_t v = 0; v < t->n; v++) {
    t->term[v] = arg[t->n + 1 + v];
    Val top = ir_index(b, t->term[v], 0, t->p);
    arg[t->n + 1 + v] = dual(b, s->h, inverse(b, t->p), top, VAL_NONE, state_type(t, t->n + v));
  }
  copy_emit(b, f, arg, NULL, NULL, NULL, s->map);
  for (uint32_t v = 0; v < t->n; v++) {
    Val rate = s->map[f->out.at[v].id], through = s->map[f->out.at[t->n + v].id], term = ir_index(b, t->term[v], 0, t->p - 1);
    t->x[v] = pass_with_lane(b, ir_mul(b, rate, s->h), state_type(t, v).lane);
    t->x[t->n + v] = dual(b, s->h, inverse(b, t->p - 1), term, through, state_type(t, t->n + v));
  }
  end(t, loop(t));
  ir_build_finish(b);
  base_free(arg);
  return b->f;
}

static void outputs(Jets *j, uint32_t first, uint32_t end) {
  for (uint32_t k = first; k < end && !j->failed; k++) {
    const Val v = j->f->out.at[k];
    ir_output(j->b, pass_value_or_zero(j->b, jets_coefficient(j, v), ir_type(j->f, v)), NULL);
  }
}

Fn *jets_adjoint(const Fn *rates, uint32_t states, uint32_t order, Diag *diag) {
  Values w;
  Build b[2];
  Jets last, each;
  jets_values(&w, rates, states, states);
  const Fn *f = w.b.f;
  bool *live = base_zeroed(f->inst.n, sizeof *live);
  jets_begin(&last, &w, &b[0], order, true, diag);
  jets_begin(&each, &w, &b[1], order, false, diag);
  for (uint32_t k = states; k < f->out.n; k++) live[f->out.at[k].id] = true;
  mark(&last, live);
  jets_orders(&last, live);
  outputs(&last, states, f->out.n);
  memset(live, 0, f->inst.n * sizeof *live);
  for (uint32_t k = 0; k < 2 * states; k++) live[f->out.at[k].id] = true;
  for (uint32_t m = 0; m < last.in.n; m++)
    if (last.in.at[m].kind == JETS_HISTORY) live[last.in.at[m].v.id] = true, jets_history(&each, last.in.at[m].v);
  mark(&each, live);
  if (!last.failed) jets_orders(&each, live);
  outputs(&each, 0, 2 * states);
  jets_output_histories(&each);
  ir_build_finish(&b[0]), ir_build_finish(&b[1]);
  Step t = {.s = {.j = &each, .one = b[1].f, .map = base_zeroed(f->inst.n, sizeof(Val))}, .last = &last, .last_one = b[0].f};
  t.n = states, t.p = order, t.x = base_zeroed(3 * states, sizeof *t.x), t.term = t.x + 2 * states;
  Fn *g = last.failed || each.failed ? NULL : whole(&t);
  vec_free(&t.args);
  base_free(t.s.map), base_free(t.x), base_free(live);
  jets_end(&last), jets_end(&each);
  jets_values_end(&w);
  return g;
}
