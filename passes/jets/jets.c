/* Taylor series of a solution: its coefficients by recurrences, order after order in a loop.
 *
 *   (y..., [t, h], inv...):  values of the rates and of what their series need, at order 0; the first coefficient h f_0; then
 *     scan over k = 1 ... order-1 { coefficient k of every value; rows k of the histories; coefficient k+1 of the states, h/(k+1) f_k,
 *     which is row k of what is given back }
 *
 * A coefficient is scaled by a power of h, which is the last step: that keeps it in range, and changes no recurrence. What is read of
 * a value below k is its history [order, ...], a carry that each turn sets a row of; its value and what does not change with time
 * are invariants. Everything but `cauchy` is a plain operation, so the loop is simplified, planned and compiled as any other; its size
 * does not depend on the order. Which values need a history, the rules say (jets_rules.c). */
#include "passes/jets/jets_priv.h"
#include "passes/simplify/simplify.h"
#include "ir/adaptive.h"

#include <string.h>

enum { ROWS_LEAST = 16 }; /* of a history: fewer numbers would be values one by one, which none of the loops over them wants */

uint32_t jets_rows(const Jets *j) { return j->order > ROWS_LEAST ? j->order : ROWS_LEAST; }

/* ---- the function of one order ----------------------------------------------------------------------------------------------- */

Type jets_stacked(Type t, uint32_t n) {
  memmove(t.dim + 1, t.dim, t.rank * sizeof *t.dim);
  t.dim[0] = n;
  t.rank++;
  return t;
}

Val jets_input(Jets *j, JetsIn kind, Val v, Type t) {
  *vec_push(&j->in) = (JetsInput){kind, v};
  return ir_input(j->b, NULL, IN_OTHER, 0, t);
}

Val jets_history(Jets *j, Val v) {
  Val *h = &j->history[v.id];
  if (!h->id) *h = jets_input(j, JETS_HISTORY, v, jets_stacked(ir_type(j->f, v), jets_rows(j)));
  return *h;
}

/* Conditions go in as numbers. */
Val jets_zero(Jets *j, Val v) {
  Val *z = &j->zero[v.id];
  if (z->id) return *z;
  Type t = ir_type(j->f, v);
  if (ir_literal(ir_inst(j->f, v)->op)) return *z = ir_copy_inst(j->b, j->f, v, NULL);
  const bool condition = t.dt == DT_BOOL;
  t.dt = DT_REAL;
  *z = jets_input(j, JETS_ZERO, v, t);
  if (condition) *z = ir_ne(j->b, *z, ir_const(j->b, 0));
  return *z;
}

Val jets_reciprocal(Jets *j, Val v) {
  Val *r = &j->reciprocal[v.id];
  if (!r->id) *r = jets_input(j, JETS_RECIPROCAL, v, ir_type(j->f, v));
  return *r;
}

Val jets_coefficient(Jets *j, Val v) { return j->active[v.id] ? j->coefficient[v.id] : VAL_NONE; }

/* The coefficient of an input: those of the states are given, that of the time is h at order 1. */
static Val of_input(Jets *j, Val v, const Inst *i) {
  const uint32_t n = ir_number(j->f, i);
  if (n != j->states) return jets_input(j, JETS_COEFFICIENT, (Val){n < j->states ? n : n - 1}, i->type);
  Val first = ir_eq(j->b, j->k, ir_const(j->b, 1)), none = ir_const(j->b, 0);
  (void)v;
  return ir_select(j->b, first, j->h, none);
}

void jets_orders(Jets *j, const bool *live) {
  const Type t = j->f->in.at[j->states].type;
  j->k = j->last ? ir_const(j->b, j->order - 1) : jets_input(j, JETS_ORDER, VAL_NONE, type_scalar(false));
  j->h = jets_input(j, JETS_STEP, VAL_NONE, t);
  for (uint32_t id = 1; id < j->f->inst.n && !j->failed; id++) {
    const Inst i = j->f->inst.at[id];
    if (!j->active[id] || (live && !live[id])) continue;
    j->b->at = i.at;
    Val c = i.op == OP_in ? of_input(j, (Val){id}, &i) : jets_rule(j, (Val){id}, &i);
    if (c.id && ir_type(j->b->f, c).rank < i.type.rank) c = ir_expand_to(j->b, c, i.type);
    j->coefficient[id] = c;
  }
}

/* ---- the loop over orders ------------------------------------------------------------------------------------------------- */

bool jets_is(const Series *s, uint32_t n, JetsIn kind) { return s->j->in.at[n].kind == kind; }

Val jets_invariant(Series *s, uint32_t n) {
  if (jets_is(s, n, JETS_STEP)) return s->h;
  const Val v = s->j->in.at[n].v, z = s->map[v.id];
  s->b.at = ir_inst(s->j->f, v)->at;
  if (jets_is(s, n, JETS_RECIPROCAL)) return ir_div(&s->b, ir_const(&s->b, 1), z);
  return ir_type(s->j->f, v).dt == DT_BOOL ? ir_indicator(&s->b, z) : z;
}

/* A turn: inputs x_k..., coefficients..., histories..., k, 1/(k+1), invariants.... */
static Fn *turn(Series *s, const Val *first) {
  const Jets *j = s->j;
  const uint32_t n = j->in.n;
  Fn *body = ir_sub_create(s->b.f, "order");
  Build b;
  Val *in = base_zeroed(n + 1, sizeof *in), *map = base_zeroed(s->one->inst.n, sizeof *map);
  ir_build_init(&b, body);
  Val *x = base_zeroed(j->states, sizeof *x);
  Val *all = base_zeroed(j->states, sizeof *all);
  for (uint32_t v = 0; v < j->states; v++) x[v] = ir_input(&b, "x", IN_OTHER, 0, ir_type(s->b.f, first[v]));
  for (uint32_t v = 0; v < j->states; v++)
    all[v] = ir_input(&b, "all", IN_OTHER, 0, jets_stacked(ir_type(s->b.f, first[v]), jets_rows(j)));
  for (uint32_t m = 0; m < n; m++)
    if (jets_is(s, m, JETS_COEFFICIENT)) in[m] = x[j->in.at[m].v.id];
  const JetsIn order[] = {JETS_HISTORY, JETS_ORDER, JETS_ZERO, JETS_RECIPROCAL, JETS_STEP};
  Val k = VAL_NONE, h = VAL_NONE, next = VAL_NONE;
  for (int o = 0; o < 5; o++)
    for (uint32_t m = 0; m < n; m++) {
      if (!jets_is(s, m, order[o])) continue;
      in[m] = ir_input(&b, NULL, IN_OTHER, 0, s->one->in.at[m].type);
      if (order[o] == JETS_ORDER) k = in[m], next = ir_input(&b, NULL, IN_OTHER, 0, type_scalar(false));
      if (order[o] == JETS_STEP) h = in[m];
    }
  copy_emit(&b, s->one, in, NULL, NULL, NULL, map);
  Val by = ir_mul(&b, h, next);
  for (uint32_t v = 0; v < j->states; v++) {
    Val rate = map[s->one->out.at[v].id];
    x[v] = pass_with_lane(&b, ir_mul(&b, rate, by), ir_type(s->b.f, first[v]).lane);
    ir_output(&b, x[v], NULL);
  }
  for (uint32_t v = 0; v < j->states; v++) ir_output(&b, ir_setrow(&b, all[v], k, x[v]), NULL);
  for (uint32_t m = 0, o = j->states; m < n; m++)
    if (jets_is(s, m, JETS_HISTORY)) ir_output(&b, ir_setrow(&b, in[m], k, map[s->one->out.at[o++].id]), NULL);
  ir_build_finish(&b);
  base_free(in), base_free(map), base_free(x), base_free(all);
  return body;
}

/* v is row 0, the others are to come. */
Val jets_begun(Series *s, Val v) { return ir_unslice(&s->b, ir_expand(&s->b, v, 0, 1), 0, 0, 1, jets_rows(s->j)); }

static void series(Series *s, Val *first, Val *out) {
  VEC(Val) args = {0};
  const Jets *j = s->j;
  uint32_t carry = 2 * j->states;
  for (uint32_t v = 0; v < j->states; v++) *vec_push(&args) = first[v];
  for (uint32_t v = 0; v < j->states; v++) *vec_push(&args) = jets_begun(s, first[v]);
  for (uint32_t m = 0; m < j->in.n; m++)
    if (jets_is(s, m, JETS_HISTORY)) *vec_push(&args) = jets_begun(s, s->map[j->in.at[m].v.id]), carry++;
  Val one = ir_const(&s->b, 1), k = ir_add(&s->b, ir_iota(&s->b, j->order - 1), one);
  *vec_push(&args) = k;
  *vec_push(&args) = ir_div(&s->b, one, ir_add(&s->b, k, one));
  const JetsIn still[] = {JETS_ZERO, JETS_RECIPROCAL, JETS_STEP};
  for (int o = 0; o < 3; o++)
    for (uint32_t m = 0; m < j->in.n; m++)
      if (jets_is(s, m, still[o])) *vec_push(&args) = jets_invariant(s, m);
  Fn *body = turn(s, first);
  Val scan = ir_scan(&s->b, args.at, args.n, j->order - 1, carry, 2, 0, 0, false, 0, body);
  for (uint32_t v = 0; v < j->states; v++) out[v] = ir_slice(&s->b, ir_proj(&s->b, scan, j->states + v), 0, 0, j->order, 1);
  vec_free(&args);
}

/* Values at order 0, the first coefficients, and the loop. */
static Fn *whole(const Jets *j, const Fn *one) {
  Series s = {.j = j, .one = one, .map = base_zeroed(j->f->inst.n, sizeof *s.map)};
  Fn *g = ir_fn_create("series", j->f->f64);
  Val *arg = base_zeroed(j->f->in.n + 1, sizeof *arg), *first = base_zeroed(j->states * 2, sizeof *first), *out = first + j->states;
  ir_build_init(&s.b, g);
  for (uint32_t k = 0; k < j->f->in.n; k++) {
    const Input *in = &j->f->in.at[k];
    Type t = k == j->states ? type_real(in->type.lane, 1, (uint32_t[]){2}) : in->type;
    arg[k] = ir_input(&s.b, in->name, in->kind, in->index, t);
  }
  Val both = arg[j->states];
  arg[j->states] = ir_index(&s.b, both, 0, 0);
  s.h = ir_index(&s.b, both, 0, 1);
  copy_emit(&s.b, j->f, arg, NULL, NULL, NULL, s.map);
  for (uint32_t v = 0; v < j->states; v++) {
    const Type t = j->f->in.at[v].type;
    Val rate = s.map[j->f->out.at[v].id];
    first[v] = pass_with_lane(&s.b, ir_mul(&s.b, rate, s.h), t.lane);
  }
  series(&s, first, out);
  for (uint32_t v = 0; v < j->states; v++) ir_output(&s.b, out[v], NULL);
  ir_build_finish(&s.b);
  base_free(s.map), base_free(arg), base_free(first);
  return g;
}

void jets_begin(Jets *j, const Values *w, Build *b, uint32_t order, bool last, Diag *diag) {
  const Fn *f = w->b.f;
  *j = (Jets){.f = f, .states = w->states, .duals = w->duals, .order = order, .last = last, .b = b, .diag = diag};
  j->active = w->active, j->extra = w->extra;
  j->coefficient = base_zeroed(f->inst.n, sizeof(Val));
  j->history = base_zeroed(f->inst.n, sizeof(Val));
  j->zero = base_zeroed(f->inst.n, sizeof(Val));
  j->reciprocal = base_zeroed(f->inst.n, sizeof(Val));
  ir_build_init(b, ir_fn_create("order", f->f64));
}

void jets_output_histories(Jets *j) {
  for (uint32_t m = 0; m < j->in.n && !j->failed; m++) {
    const Val v = j->in.at[m].v;
    if (j->in.at[m].kind == JETS_HISTORY) ir_output(j->b, pass_value_or_zero(j->b, jets_coefficient(j, v), ir_type(j->f, v)), NULL);
  }
}

void jets_end(Jets *j) {
  ir_fn_destroy(j->b->f);
  vec_free(&j->in);
  base_free(j->coefficient), base_free(j->history), base_free(j->zero), base_free(j->reciprocal);
}

Fn *jets_series(const Fn *rates, uint32_t states, uint32_t order, bool *kinks, Diag *diag) {
  Values w;
  Build b;
  Jets j;
  jets_values(&w, rates, states, 0);
  if (kinks) *kinks = w.kinks;
  jets_begin(&j, &w, &b, order, false, diag);
  jets_orders(&j, NULL);
  for (uint32_t v = 0; v < states && !j.failed; v++) {
    Val c = jets_coefficient(&j, j.f->out.at[v]);
    ir_output(&b, pass_value_or_zero(&b, c, j.f->in.at[v].type), NULL);
  }
  jets_output_histories(&j);
  ir_build_finish(&b);
  Fn *g = j.failed ? NULL : whole(&j, b.f);
  jets_end(&j);
  jets_values_end(&w);
  return g;
}

/* ---- the pass ------------------------------------------------------------------------------------------------------------------ */

/* With the body of series. */
static Val series_of(Copy *c, const Inst *i, ode_attr attr, bool kinks, Fn *body) {
  Val *args = base_zeroed(i->nargs, sizeof *args);
  for (uint32_t k = 0; k < i->nargs; k++) args[k] = c->map[ir_arg(c->from, i, k).id];
  const uint32_t n = (uint32_t)attr.states;
  attr.kinks = kinks;
  Val v = ir_ode_as(c->b, &attr, args, args[n], args + n + 1, i->nargs - n - 1, ir_copy_fn(c->b->f, body));
  base_free(args);
  ir_fn_destroy(body);
  return v;
}

static Val by_series(Copy *c, uint32_t id, const Inst *i) {
  (void)id;
  Diag *diag = c->ctx;
  const Fn *body = ir_body(c->from, i);
  if (i->op != OP_ode || ir_ode_attr(c->from, i).method != M_TAYLOR || ir_ode_order(c->from, i))
    return copy_inside(c, i, OP_ode, by_series);
  double rtol;
  const ode_attr attr = ir_ode_attr(c->from, i);
  memcpy(&rtol, &attr.rtol, sizeof rtol);
  Fn *rates = simplify_powers(NULL, body); /* no derivative of them is to come */
  bool kinks;
  Fn *g = jets_series(rates, (uint32_t)attr.states, (uint32_t)adaptive_order(rtol, c->from->f64 != FN_F32), &kinks, diag);
  ir_fn_destroy(rates);
  if (!g) return c->failed = true, VAL_NONE;
  Fn *simple = simplify_powers(NULL, g);
  ir_fn_destroy(g);
  return series_of(c, i, attr, kinks, simple);
}

Fn *pass_jets(PassRun *run, const Fn *f, Diag *diag) {
  const double start = pass_now();
  return pass_done(run, "jets", start, copy_fn(NULL, f, by_series, diag));
}
