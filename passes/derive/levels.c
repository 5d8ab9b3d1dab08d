/* Expands grad, jac, divergence and logjac, innermost first.
 *
 * Bodies come before what holds them. Within a function the operators are expanded by levels; a level is what has no such operator between its variable and its value: a chain of steps, each with a
 * gradient, is one. The function is simplified before and after each level. */
#include "passes/derive/derive_priv.h"

#include <stdlib.h>
#include <string.h>

typedef struct Level {
  PassRun *run;
  const Fn *f;    /* before */
  Copy copy;      /* to what is after */
  bool *ready;    /* operators of this level */
  bool *forward;  /* of them, those that are taken forwards */
  bool *store;    /* scans that must store their carries */
  Val *done;      /* results of operators expanded ahead */
  uint32_t *same; /* the next operator of the same value, 0: none */
  Diag *diag;
  uint64_t before; /* ir_written() at the begin */
} Level;

static bool is_derivative(const Inst *i) { return ir_has(i->op, OPF_DERIV); }

/* Holds an operator that is to be expanded, itself or a body of it. */
static bool is_open(const Fn *f) {
  for (uint32_t id = 1; id < f->inst.n; id++) {
    const Inst *i = &f->inst.at[id];
    if (is_derivative(i) || i->op == OP_integrate || (i->sub && is_open(ir_body(f, i)))) return true;
  }
  return false;
}

/* ---- gradients ------------------------------------------------------------------------------------------------- */

/* All gradients of one value on this level, by one sweep. `first` is the first of them. */
static void expand_grads(Level *l, uint32_t first) {
  const Fn *f = l->f;
  Build *b = l->copy.b;
  Val e = ir_arg(f, &f->inst.at[first], 0);
  VEC(uint32_t) which = {0};
  VEC(Val) x = {0};
  for (uint32_t id = first; id; id = l->same[id]) {
    const Inst *i = &f->inst.at[id];
    if (i->op != OP_grad || !l->ready[id] || l->forward[id] || l->done[id].id) continue;
    if (ir_arg(f, i, 1).id > first) continue; /* e cannot depend on it; its own turn comes */
    *vec_push(&which) = id;
    *vec_push(&x) = l->copy.map[ir_arg(f, i, 1).id];
  }
  Val *out = base_realloc(NULL, sizeof *out * x.n);
  Region r;
  b->at = f->inst.at[first].at;
  b->role = ROLE_ADJOINT;
  b->of = f->inst.at[e.id].op;
  region_init(&r, b->f, b, l->diag);
  if (!vjp_pull(&r, l->copy.map[e.id], ir_const(b, 1), x.at, x.n, out)) l->copy.failed = true;
  for (uint32_t k = 0; k < x.n && !l->copy.failed; k++)
    l->done[which.at[k]] = pass_value_or_zero(b, out[k], f->inst.at[which.at[k]].type);
  region_finish(&r);
  b->role = ROLE_PRIMAL;
  base_free(out);
  vec_free(&which);
  vec_free(&x);
}

static void find_same(const Fn *f, uint32_t *same) {
  Index last = {0};
  for (uint32_t id = 1; id < f->inst.n; id++) {
    const Inst *i = &f->inst.at[id];
    if (!is_derivative(i)) continue;
    const uint32_t *before = index_find(&last, ir_arg(f, i, 0).id);
    if (before) same[*before] = id;
    index_put(&last, ir_arg(f, i, 0).id, id);
  }
  index_free(&last);
}

/* ---- levels ------------------------------------------------------------------------------------------------------ */

/* Operators without operators between their variable and their value. Returns whether there are any. Where steps may be
 * undone, none may be before the variable either: values there are computed again. */
static bool find_ready(Level *l) {
  const Fn *f = l->f;
  uint32_t *last = base_zeroed(f->inst.n, sizeof *last); /* the last operator among the ancestors, itself too; 0: none */
  const bool steps = pass_holds(f, 0, OP_reversible);
  bool found = false;
  for (uint32_t id = 1; id < f->inst.n; id++) {
    const Inst *i = &f->inst.at[id];
    for (uint32_t k = 0; k < i->nargs; k++) {
      const uint32_t before = last[ir_arg(f, i, k).id];
      if (before > last[id]) last[id] = before;
    }
    if (!is_derivative(i)) continue;
    l->ready[id] = steps ? !last[id] : last[ir_arg(f, i, 0).id] < ir_arg(f, i, 1).id;
    found = found || l->ready[id];
    last[id] = id;
  }
  base_free(last);
  return found;
}

static bool has_loop(const Fn *f) {
  for (uint32_t id = 1; id < f->inst.n; id++)
    if (f->inst.at[id].op == OP_scan || f->inst.at[id].op == OP_ode) return true;
  return false;
}

/* Gradients have no limit backwards; forwards each number of the variable is a sweep. */
enum { FORWARD_MOST = 256 };

static void find_forward(Level *l) {
  for (uint32_t id = 1; id < l->f->inst.n; id++) {
    const Inst *i = &l->f->inst.at[id];
    if (!l->ready[id]) continue;
    const Val e = ir_arg(l->f, i, 0), x = ir_arg(l->f, i, 1);
    const Type te = ir_type(l->f, e), tx = ir_type(l->f, x);
    const bool can = derive_jacobian_can_forward(te, tx);
    if (i->op == OP_grad) l->forward[id] = can && type_count(tx) <= FORWARD_MOST && region_forward_only(l->f, e, x);
    else l->forward[id] = derive_jacobian_forward(te, tx) || (can && region_forward_only(l->f, e, x));
  }
}

/* Marks what lies between the variables and values of the operators in `ready`, but for those in `forward`, which may be NULL.
 * Operators of one value are taken together. */
static void mark_between(const Fn *f, const bool *ready, const bool *forward, bool *mark) {
  bool *done = base_zeroed(f->inst.n, sizeof *done);
  VEC(Val) x = {0};
  for (uint32_t id = 1; id < f->inst.n; id++) {
    if (!ready[id] || done[id]) continue;
    Val e = ir_arg(f, &f->inst.at[id], 0);
    x.n = 0;
    for (uint32_t k = id; k < f->inst.n; k++) {
      const Inst *i = &f->inst.at[k];
      if (!ready[k] || ir_arg(f, i, 0).id != e.id) continue;
      Val v = ir_arg(f, i, 1);
      done[k] = true;
      if (!forward || !forward[k]) *vec_push(&x) = v;
    }
    region_between(f, e, x.at, x.n, mark);
  }
  vec_free(&x);
  base_free(done);
}

static void find_stores(Level *l) {
  if (!has_loop(l->f)) return;
  find_forward(l);
  mark_between(l->f, l->ready, l->forward, l->store);
}

/* f with long loops that this level sweeps backwards in segments; NULL: there are none. */
static Fn *level_segments(const Fn *f) {
  if (!has_loop(f)) return NULL;
  Level l = {.f = f,
             .ready = base_zeroed(f->inst.n, sizeof *l.ready),
             .forward = base_zeroed(f->inst.n, sizeof *l.forward),
             .store = base_zeroed(f->inst.n, sizeof *l.store)};
  Fn *g = NULL;
  if (find_ready(&l)) {
    find_stores(&l);
    g = derive_segments(f, l.store);
  }
  base_free(l.ready);
  base_free(l.forward);
  base_free(l.store);
  return g;
}

static const char *named(const Inst *i) {
  switch (i->op) {
  case OP_grad: return "the gradient";
  case OP_divergence: return "the divergence";
  case OP_logjac: return "the log-determinant";
  default: return "the Jacobian";
  }
}

static Val expand_operator(Level *l, uint32_t id, const Inst *i) {
  Build *b = l->copy.b;
  Val v = VAL_NONE;
  if (i->op == OP_grad && !l->forward[id]) {
    if (!l->done[id].id) expand_grads(l, id);
    return l->copy.failed ? VAL_NONE : l->done[id].id ? l->done[id] : pass_zero_like(b, i->type);
  }
  Val e = l->copy.map[ir_arg(l->f, i, 0).id], x = l->copy.map[ir_arg(l->f, i, 1).id];
  if (i->op == OP_grad) {
    if (!derive_gradient_forward(b, e, x, i->at, l->diag, &v)) l->copy.failed = true;
    return l->copy.failed ? VAL_NONE : pass_with_lane(b, v, i->type.lane);
  }
  if (i->op == OP_logjac ? !derive_logjac(l->run, b, i, e, x, l->diag, &v)
                         : !derive_jacobian(l->run, b, l->f, i, e, x, l->diag, &v))
    l->copy.failed = true;
  return v;
}

static Val expand_inst(Copy *c, uint32_t id, const Inst *i) {
  Level *l = c->ctx;
  if (!l->ready[id]) return region_store(c->b, l->f, (Val){id}, c->map, l->store[id]);
  pass_at(l->run, named(i), l->f->name, i->at);
  Val v = expand_operator(l, id, i);
  if (!c->failed) c->failed = pass_too_large(l->before, 0, named(i), i->at, l->diag);
  return v;
}

/* One level; a copy of f, or NULL after an error. *found: there was something to do. */
static Fn *expand_level(PassRun *run, const Fn *f, Diag *diag, bool *found) {
  uint32_t n = f->inst.n;
  Level l = {.run = run,
             .f = f,
             .diag = diag,
             .ready = base_zeroed(n, sizeof *l.ready),
             .forward = base_zeroed(n, sizeof *l.forward),
             .store = base_zeroed(n, sizeof *l.store),
             .done = base_zeroed(n, sizeof *l.done),
             .same = base_zeroed(n, sizeof *l.same)};
  Fn *g = NULL;
  *found = find_ready(&l);
  if (*found) {
    Build b;
    g = ir_fn_create(f->name, f->f64);
    ir_build_init(&b, g);
    b.stepless = !pass_holds(f, 0, OP_reversible);
    find_same(f, l.same);
    derive_check(run, f, l.ready);
    find_stores(&l);
    copy_begin(&l.copy, &b, f, &l);
    copy_inputs(&l.copy);
    l.before = ir_written();
    copy_walk(&l.copy, expand_inst);
    copy_outputs(&l.copy);
    copy_end(&l.copy);
    ir_build_finish(&b);
    if (l.copy.failed) {
      ir_fn_destroy(g);
      g = NULL;
    }
  }
  base_free(l.ready);
  base_free(l.forward);
  base_free(l.store);
  base_free(l.done);
  base_free(l.same);
  return g;
}

/* ---- reversible steps ------------------------------------------------------------------------------------------------ */

/* A gradient of training: of a value of the whole batch by a parameter, for its own sake. */
static void find_training(const Fn *f, bool *training) {
  for (uint32_t id = 1; id < f->inst.n; id++) {
    const Inst *i = &f->inst.at[id];
    for (uint32_t k = 0; k < i->nargs; k++) training[ir_arg(f, i, k).id] = false;
    if (i->op != OP_grad || ir_type(f, ir_arg(f, i, 0)).lane) continue;
    const Inst *x = ir_inst(f, ir_arg(f, i, 1));
    training[id] = x->op == OP_in && f->in.at[ir_number(f, x)].kind == IN_PARAM;
  }
}

/* Steps that equal marked ones, but for the variable of a derivative: T(x) beside jacobian(T)(x). Written out too, they are
 * found by value numbering, and computed once. */
static void mark_equal(const Fn *f, bool *mark) {
  Parts s;
  pass_parts(f, true, &s);
  for (uint32_t k = 0; s.any && k < s.op.n; k++) mark[pass_part_of(&s, s.op.at[k])] |= mark[s.op.at[k]];
  for (uint32_t k = 0; s.any && k < s.op.n; k++) mark[s.op.at[k]] |= mark[pass_part_of(&s, s.op.at[k])];
  pass_parts_finish(&s);
}

/* f with those steps written out that something other than a gradient of training is taken through. */
static Fn *keep_steps(const Fn *f, bool top) {
  bool *other = base_zeroed(f->inst.n, sizeof *other), *training = base_zeroed(f->inst.n, sizeof *training);
  bool *mark = base_zeroed(f->inst.n, sizeof *mark);
  if (top) find_training(f, training);
  for (uint32_t id = 1; id < f->inst.n; id++) other[id] = is_derivative(&f->inst.at[id]) && !training[id];
  mark_between(f, other, NULL, mark);
  mark_equal(f, mark);
  Fn *g = derive_step_inline(f, mark);
  base_free(other);
  base_free(training);
  base_free(mark);
  return g;
}

/* ---- functions --------------------------------------------------------------------------------------------------------- */

typedef struct Bodies {
  PassRun *run;
  DeriveBody *each;
  bool reversible;
  Diag *diag;
} Bodies;

static Val derive_inst(Copy *c, uint32_t id, const Inst *i) {
  Bodies *s = c->ctx;
  (void)id;
  if (!i->sub || !is_open(ir_body(c->from, i))) return VAL_NONE;
  Fn *body = s->each(s->run, ir_body(c->from, i), s->reversible, s->diag);
  c->failed = !body;
  Val v = body ? copy_body(c, i, ir_copy_fn(c->b->f, body)) : VAL_NONE;
  ir_fn_destroy(body);
  return v;
}

Fn *derive_bodies(PassRun *run, const Fn *f, DeriveBody *each, bool reversible, Diag *diag) {
  return copy_fn(NULL, f, derive_inst, &(Bodies){run, each, reversible, diag});
}

/* Replaces *f, which is owned; NULL stays NULL. */
static void replace(Fn **f, Fn *by) {
  ir_fn_destroy(*f);
  *f = by;
}

Fn *derive_levels(PassRun *run, const Fn *f, bool reversible, bool top, Diag *diag) {
  Fn *g = !pass_holds(f, 0, OP_reversible) ? NULL : reversible ? keep_steps(f, top) : derive_step_inline(f, NULL);
  replace(&g, pass_simplify(run, g ? g : f));
  Fn *plain = pass_unmap(run, g);
  if (plain) replace(&g, pass_simplify(run, plain));
  ir_fn_destroy(plain);
  for (bool found = true; g && found;) {
    derive_jacobian_mark(g);
    Fn *cut = level_segments(g);
    if (cut) replace(&g, cut);
    Fn *h = expand_level(run, g, diag, &found);
    if (!found) break;
    replace(&g, h);
    if (g) replace(&g, pass_simplify(run, g));
  }
  return g;
}

Fn *derive_end(PassRun *run, Fn *g) {
  if (pass_holds(g, 0, OP_reversible)) {
    replace(&g, derive_step_inline(g, NULL));
    replace(&g, pass_simplify(run, g));
  }
  if (pass_holds(g, 0, OP_root)) {
    replace(&g, derive_root_forget(g));
    replace(&g, pass_simplify(run, g));
  }
  if (derive_holds_eigh(g)) {
    replace(&g, derive_eigh_plain(g));
    replace(&g, pass_simplify(run, g));
  }
  return g;
}

static Fn *plain_body(PassRun *run, const Fn *f, bool reversible, Diag *diag) {
  Fn *g = derive_bodies(run, f, plain_body, reversible, diag), *h = g ? derive_levels(run, g, reversible, false, diag) : NULL;
  ir_fn_destroy(g);
  return h;
}

Fn *derive_plain(PassRun *run, const Fn *f, Diag *diag) {
  double start = pass_now();
  Fn *g = plain_body(run, f, false, diag);
  return pass_done(run, "derive", start, g ? derive_end(run, g) : NULL);
}
