/* Steps and trajectories that are parts of others.
 *
 * T(x) and logdet(T)(x) of a flow go through the same steps, the latter with one state more: the sum of the
 * log-determinants, or the integral of the divergence. An operator A (`reversible`, `integrate`) is *part of* B if its
 * states are the first ones of B, begin with the same values, and are computed in the same way: the graph behind their
 * outputs is that of B, whatever B computes besides.
 *
 * To see what is the same before, f is copied through the numbering builder, without `id`s: there each operator is
 * compared with those that begin with the same value. */
#include "passes/base/pass.h"

#include <stdlib.h>
#include <string.h>

static bool can_join(const Inst *i) { return i->op == OP_reversible || i->op == OP_integrate; }

/* ---- is A part of B? ----------------------------------------------------------------------------------------- */

typedef struct Side {
  const Fn *f; /* the function that the operator stands in */
  const Inst *i;
  const Fn *body;
  uint32_t states;
  bool *variable;  /* by id of the body: a derivative behind the outputs that are compared is taken by it */
  uint32_t *other; /* by id of the body: what it is in the other body */
} Side;

typedef struct Pair {
  struct Pair *up; /* of the bodies that A and B stand in; NULL: one function, in which equal values are one */
  Side a, b;
} Pair;

static bool same(Pair *p, Val v, Val w);

/* What input k of a body is. */
typedef enum { A_STATE, A_STATE_AFTER, A_TIME, A_STEP_NUMBER, AN_OPERAND } Kind;

static Kind input_kind(const Side *s, uint32_t *k) {
  const uint32_t n = s->states;
  if (*k < n) return A_STATE;
  if (s->i->op == OP_reversible) return *k -= n, *k < n ? A_STATE_AFTER : AN_OPERAND;
  return *k == n ? A_TIME : *k < s->i->nargs ? AN_OPERAND : A_STEP_NUMBER;
}

static bool same_operand(const Pair *p, uint32_t k, uint32_t m) {
  Val v = ir_arg(p->a.f, p->a.i, k), w = ir_arg(p->b.f, p->b.i, m);
  return p->up ? same(p->up, v, w) : v.id == w.id;
}

static bool same_input(const Pair *p, uint32_t k, uint32_t m) {
  const Kind kind = input_kind(&p->a, &k);
  if (kind != input_kind(&p->b, &m)) return false;
  if (kind == AN_OPERAND) return same_operand(p, k, m);
  return kind == A_TIME || kind == A_STEP_NUMBER || k == m;
}

static bool is_part(Pair *up, const Fn *fa, const Inst *a, const Fn *fb, const Inst *b);

static bool same_inst(Pair *p, Val v, Val w) {
  const Fn *f = p->a.body, *g = p->b.body;
  const Inst *i = ir_inst(f, v), *j = ir_inst(g, w);
  if (i->op != j->op || !type_eq(i->type, j->type) || ir_has(i->op, OPF_IMPURE)) return false;
  if (i->op == OP_in) return same_input(p, ir_number(f, i), ir_number(g, j));
  if (can_join(i)) return is_part(p, f, i, g, j);
  if (i->nargs != j->nargs || !pass_same_attrs(f, i, g, j)) return false;
  if (i->sub && !pass_same(ir_body(f, i), ir_body(g, j))) return false;
  for (uint32_t k = 0; k < i->nargs; k++)
    if (!same(p, ir_arg(f, i, k), ir_arg(g, j, k))) return false;
  return true;
}

static Val behind_ids(const Side *s, Val v) {
  while (ir_inst(s->body, v)->op == OP_id && !s->variable[v.id]) v = ir_arg(s->body, ir_inst(s->body, v), 0);
  return v;
}

/* One to one: what is a variable by itself on one side is one on the other. */
static bool same(Pair *p, Val v, Val w) {
  v = behind_ids(&p->a, v), w = behind_ids(&p->b, w);
  if (p->a.other[v.id] || p->b.other[w.id]) return p->a.other[v.id] == w.id && p->b.other[w.id] == v.id;
  if (!same_inst(p, v, w)) return false;
  p->a.other[v.id] = w.id;
  p->b.other[w.id] = v.id;
  return true;
}

/* n: the states that are compared. */
static Side side_of(const Fn *f, const Inst *i, uint32_t n) {
  Side s = {.f = f, .i = i, .body = ir_body(f, i), .states = ir_states(f, i)};
  s.variable = base_zeroed(s.body->inst.n, sizeof *s.variable);
  s.other = base_zeroed(s.body->inst.n, sizeof *s.other);
  bool *need = base_zeroed(s.body->inst.n, sizeof *need);
  for (uint32_t k = 0; k < s.body->out.n; k++) need[s.body->out.at[k].id] |= k % s.states < n;
  pass_mark_needed(s.body, need);
  for (uint32_t id = 1; id < s.body->inst.n; id++) {
    const Inst *d = &s.body->inst.at[id];
    if (need[id] && ir_has(d->op, OPF_DERIV)) s.variable[ir_arg(s.body, d, 1).id] = true;
  }
  base_free(need);
  return s;
}

static void side_finish(Side *s) {
  base_free(s->variable);
  base_free(s->other);
}

static bool is_part(Pair *up, const Fn *fa, const Inst *a, const Fn *fb, const Inst *b) {
  const uint32_t n = ir_states(fa, a), m = ir_states(fb, b);
  if (a->op != b->op || n > m) return false;
  if (a->op == OP_integrate) {
    const integrate_attr x = ir_integrate_attr(fa, a), y = ir_integrate_attr(fb, b);
    if (x.method != y.method || x.steps != y.steps || x.every != y.every) return false;
  }
  Pair p = {up, side_of(fa, a, n), side_of(fb, b, n)};
  bool ok = a->op != OP_integrate || same_operand(&p, n, m); /* dt */
  for (uint32_t k = 0; ok && k < n; k++) ok = same_operand(&p, k, k);
  for (uint32_t k = 0; ok && k < p.a.body->out.n; k++) {
    const uint32_t j = k < n ? k : k - n + m; /* f, then g */
    Type s, t;
    ok = same(&p, p.a.body->out.at[k], p.b.body->out.at[j]);
    if (ok && k < n) ok = ir_result_type(fa, a, k, &s) && ir_result_type(fb, b, k, &t) && type_eq(s, t);
  }
  side_finish(&p.a);
  side_finish(&p.b);
  return ok;
}

/* ---- in a function ---------------------------------------------------------------------------------------------- */

uint32_t pass_part_of(const Parts *s, uint32_t id) {
  while (s->by[id]) id = s->by[id];
  return id;
}

/* Whether operator `id`, with parts joined as they are, is computed from operator `from`. */
static bool follows(const Parts *s, uint32_t id, uint32_t from) {
  bool *seen = base_zeroed(s->f->inst.n, sizeof *seen), yes = false;
  VEC(uint32_t) todo = {0};
  *vec_push(&todo) = id;
  while (todo.n && !yes) {
    const Inst *i = &s->f->inst.at[todo.at[--todo.n]];
    for (uint32_t k = 0; k < i->nargs; k++) {
      const uint32_t a = pass_part_of(s, ir_arg(s->f, i, k).id);
      yes = yes || a == from;
      if (!seen[a]) seen[a] = true, *vec_push(&todo) = a;
    }
  }
  vec_free(&todo);
  base_free(seen);
  return yes;
}

/* What operator id is part of, or what is part of it, among those before it. Their common results get one id. */
static void compare(Copy *c, Parts *s, uint32_t id) {
  const Fn *g = c->b->f;
  const Inst *i = &g->inst.at[s->copied[id]];
  for (uint32_t k = 0; k < s->op.n && !s->by[id]; k++) {
    const uint32_t old = s->op.at[k];
    const Inst *o = &g->inst.at[s->copied[old]];
    if (s->by[old] || ir_arg(g, o, 0).id != ir_arg(g, i, 0).id) continue;
    if (is_part(NULL, g, i, g, o)) s->by[id] = old;
    else if (is_part(NULL, g, o, g, i) && !follows(s, id, old)) s->by[old] = id;
    else continue;
    s->any = true;
    const uint32_t n = ir_states(g, i), m = ir_states(g, o);
    memcpy(c->result[id], c->result[old], (n < m ? n : m) * sizeof(Val));
  }
}

static Val number_inst(Copy *c, uint32_t id, const Inst *i) {
  Parts *s = c->ctx;
  if (i->op == OP_id && (s->through || !c->variable || !c->variable[id])) return c->map[ir_arg(c->from, i, 0).id];
  if (!can_join(i)) return VAL_NONE;
  const uint32_t n = ir_states(c->from, i);
  Val v = ir_copy_inst(c->b, c->from, (Val){id}, c->map);
  c->result[id] = base_zeroed(n, sizeof(Val));
  for (uint32_t k = 0; k < n; k++) c->result[id][k] = ir_proj(c->b, v, k);
  s->copied[id] = v.id;
  compare(c, s, id);
  *vec_push(&s->op) = id;
  return v;
}

static bool several(const Fn *f) {
  uint32_t n = 0;
  for (uint32_t id = 1; id < f->inst.n; id++) n += can_join(&f->inst.at[id]);
  return n > 1;
}

void pass_parts(const Fn *f, bool through, Parts *s) {
  *s = (Parts){
    .f = f, .through = through, .by = base_zeroed(f->inst.n, sizeof *s->by), .copied = base_zeroed(f->inst.n, sizeof *s->copied)};
  if (several(f)) ir_fn_destroy(copy_fn(NULL, f, number_inst, s));
}

void pass_parts_finish(Parts *s) {
  base_free(s->by);
  base_free(s->copied);
  vec_free(&s->op);
}
