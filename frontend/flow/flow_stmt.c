/* The statements of a flow become steps of its recording. */
#include "frontend/builtin/builtin.h"
#include "frontend/flow/flow_priv.h"

#include <stdlib.h>
#include <math.h>
#include <string.h>

/* ---- recording a step ---------------------------------------------------------------------------------- */

static void new_reading(Elab *E, Flow *w, uint32_t k) {
  Entry *e = &w->frame->entries.at[w->slot[k].entry];
  if (e->v.kind != V_TENSOR || e->v.t.level != &w->level) { /* defined twice */
    w->broken = true;
    return;
  }
  Val v = ir_id(&w->level.b, e->v.t.v);
  *vec_push(&w->readings) = (Reading){v, k, w->slot[k].number};
  e->v = elab_value(E, v);
}

static void renew(Elab *E, Flow *w, const Step *s) {
  for (uint32_t k = 0; k < s->n; k++) {
    w->slot[s->piece[k].slot].number = w->steps.n;
    entry_changed(&w->frame->entries.at[w->slot[s->piece[k].slot].entry]);
  }
  for (uint32_t k = 0; k < w->n; k++) new_reading(E, w, k);
}

/* The step that first moved what was read. */
static const Step *mover(const Flow *w, const Reading *r) {
  for (uint32_t j = r->number; j < w->steps.n; j++)
    for (uint32_t k = 0; k < w->steps.at[j].n; k++)
      if (w->steps.at[j].piece[k].slot == r->slot) return &w->steps.at[j];
  return NULL;
}

static bool changes(Elab *E, const Val *root, uint32_t nroot, const Piece *piece, uint32_t n, const Reading **which) {
  Flow *w = E->now->flow;
  return flow_reads(w, root, nroot, piece, n, which) && flow_depends(E, w, root, nroot, piece, n);
}

/* What is computed from the states must be there again when the step is undone. */
static bool undoable(Elab *E, const Val *root, uint32_t nroot, const Piece *piece, uint32_t n, Span at, const char *what) {
  Flow *w = E->now->flow;
  const Reading *r = NULL;
  DiagMsg *m;
  if (!changes(E, root, nroot, piece, n, &r)) return true;
  if (changes(E, root, nroot, NULL, 0, &r)) {
    m = elab_error(E, CODE_not_invertible, at, "%s reads the value of `%s` before an earlier step moved it, so it cannot be undone",
                   what, w->slot[r->slot].name);
    if (mover(w, r)) elab_label(m, mover(w, r)->stmt->at, "moved here");
    elab_help(m, "compute it from the current state");
  } else {
    m = elab_error(E, CODE_not_invertible, at, "%s reads `%s`, which it moves, so it cannot be undone", what,
                   w->slot[r->slot].name);
    elab_help(m, "a step that reads the state that it moves needs an `inverse` clause");
  }
  return w->broken = true, false;
}

/* ---- x += e, x *= exp(e) ------------------------------------------------------------------------------- */

/* The e of exp(e), of the language's own `exp`. */
static bool exponent(Elab *E, const Stmt *s, Value *out) {
  const Expr *e = s->value;
  Value f = POISON;
  if (e->kind == EX_CALL && e->nargs == 1 && !e->args->name && e->a->kind == EX_NAME) f = elab_expr(E, e->a);
  if (f.kind == V_FUNC && f.func->kind == F_BUILTIN && !strcmp(f.func->name, "exp"))
    return *out = elab_expr(E, e->args->value), true;
  const Value v = elab_expr(E, e);
  if (v.kind == V_POISON) return false;
  DiagMsg *m = elab_error(E, CODE_not_invertible, e->at, "a flow must scale by `exp(...)`, which is never zero");
  const bool number = v.kind == V_NUM && v.num.v > 0;
  elab_help(m, "write `%s %s exp(%s)`", s->target->kind == EX_NAME ? s->target->name : "x",
            s->op == OPR_MUL ? "*=" : "/=", number ? arena_printf(E->mem, "log(%g)", v.num.v) : "...");
  return false;
}

/* Elements that are known to stay are not moved: the e of x += e is 0 there. */
static void what_stays(Elab *E, Piece *p, Val e) {
  Flow *w = E->now->flow;
  const int64_t n = flow_count(w, p->slot);
  bool *zero = p->element || !type_same_dims(ir_type(w->level.fn, e), p->type) ? NULL : flow_zeros(w, e);
  if (!zero) return;
  bool *moves = ARENA_ARRAY(E->mem, bool, n + 1);
  for (int64_t k = 0; k < n; k++) moves[k] = flow_moves(p, k) && !zero[k];
  p->moves = moves;
  base_free(zero);
}

/* e where the mask is 1, else 0. */
static Val masked(Elab *E, const Piece *p, Val e, Span at) {
  Build *b = elab_at(E, at);
  Val where = flow_where(b, p->type, p->moves);
  return ir_select(b, where, e, ir_const(b, 0));
}

/* Nothing in a run of updates depends on what any of them moves. */
static bool joins(Flow *w, const Step *s) {
  Piece piece[FLOW_GROUP + 1];
  Val e[FLOW_GROUP + 1];
  const Reading *r;
  uint32_t n = 0;
  for (uint32_t k = w->steps.n;; k--) {
    const Step *before = k ? &w->steps.at[k - 1] : NULL;
    if (!before || n == FLOW_GROUP || (before->kind != STEP_SHIFT && before->kind != STEP_SCALE)) return false;
    piece[n] = before->piece[0], e[n++] = before->e;
    if (!before->joined) break;
  }
  piece[n] = s->piece[0], e[n++] = s->e;
  return !flow_reads(w, e, n, piece, n, &r);
}

static bool update_fits(Elab *E, const Stmt *s, const Piece *p, Value v) {
  Type t;
  char have[128];
  if (value_numeric(v) && value_type(v, &t) && (!t.rank || type_same_dims(t, p->type))) return true;
  DiagMsg *m = elab_error(E, CODE_shape_mismatch, s->value->at, "an update of %s needs %s%s, found %s",
                          type_user(p->type, have, sizeof have), have, p->type.rank ? " or a scalar" : "", value_text(E, v));
  elab_label(m, s->target->at, "%s", have);
  return false;
}

static void update(Elab *E, const Stmt *s) {
  Flow *w = E->now->flow;
  Step step = {.kind = s->op == OPR_MUL || s->op == OPR_DIV ? STEP_SCALE : STEP_SHIFT, .stmt = s, .n = 1};
  Piece *p = &step.piece[0];
  Value v;
  if (!flow_piece(E, s->target, p)) return;
  if (step.kind == STEP_SHIFT) v = elab_expr(E, s->value);
  else if (!exponent(E, s, &v)) return;
  if (v.kind == V_POISON || !update_fits(E, s, p, v)) return;
  step.e = elab_tensor(E, v, s->value->at);
  if (p->masked) step.e = masked(E, p, step.e, s->target->at);
  what_stays(E, p, step.e);
  if (!undoable(E, &step.e, 1, p, 1, s->value->at, "this update")) return;
  step.negative = s->op == OPR_SUB || s->op == OPR_DIV;
  step.joined = joins(w, &step);
  *vec_push(&w->steps) = step;
  renew(E, w, &step);
}

/* ---- q, p = ... inverse ... ---------------------------------------------------------------------------- */

static bool state_values(Elab *E, const Expr *e, const Piece *piece, uint32_t n, Val *out) {
  Value v = elab_expr(E, e);
  if (v.kind == V_POISON) return false;
  if (n > 1 && value_length(E, v) != n) {
    elab_error(E, CODE_unpack, e->at, "%u states, but the value is %s", n, value_text(E, v));
    return false;
  }
  for (uint32_t k = 0; k < n; k++) {
    Value one = n > 1 ? elab_element(E, v, k, e->at) : v;
    Type want = E->now->flow->slot[piece[k].slot].type, t;
    if (one.kind == V_POISON) return false;
    if (!value_numeric(one) || !value_type(one, &t) || !type_same_dims(t, want)) {
      char text[128];
      elab_error(E, CODE_shape_mismatch, e->at, "`%s` must be %s, found %s", E->now->flow->slot[piece[k].slot].name,
                 type_user(want, text, sizeof text), value_text(E, one));
      return false;
    }
    out[k] = elab_tensor(E, one, e->at);
  }
  return true;
}

/* p = p - sin(q): the update that is meant, or NULL. */
static const char *as_update(Elab *E, const Stmt *s) {
  const Expr *v = s->value;
  const bool sum = s->kind == ST_ASSIGN && v->kind == EX_BINARY && (v->op == OPR_ADD || v->op == OPR_SUB);
  if (!sum || s->nnames != 1 || !s->names->name || v->a->kind != EX_NAME || v->a->name != s->names->name) return NULL;
  const char *text = source_file(E->src, v->at.file)->text;
  return arena_printf(E->mem, "write `%s %s= %.*s`", s->names->name, ast_opr_text(v->op), (int)(v->b->at.end - v->b->at.begin),
                      text + v->b->at.begin);
}

/* q, p = T(q, p): the statement that is meant, or NULL. */
static const char *as_call(Elab *E, const Stmt *s) {
  const Expr *v = s->value;
  const Value f = v->kind == EX_CALL ? elab_expr(E, v->a) : POISON;
  if (f.kind != V_FUNC || !func_is_flow(f.func) || v->nargs != s->nnames) return NULL;
  const char *text = source_file(E->src, v->at.file)->text;
  const Arg *x = v->args;
  for (const Arg *a = s->names; a; a = a->next, x = x->next)
    if (x->value->kind != EX_NAME || x->value->name != a->name) return NULL;
  return arena_printf(E->mem, "write `%.*s` alone: a flow moves its arguments in place", (int)(v->at.end - v->at.begin),
                      text + v->at.begin);
}

static void no_inverse(Elab *E, const Stmt *s) {
  const char *call = as_call(E, s);
  DiagMsg *m = elab_error(E, CODE_not_invertible, s->value->at, "the inverse of this step is not known");
  const char *update = call ? call : as_update(E, s);
  if (update) elab_help(m, "%s", update);
  else elab_help(m, "add an `inverse` clause after it; only updates (`+=`, `*= exp(...)`) and signed permutations need none");
}

/* The expressions of the inverse clause, from the readings behind the step. */
static bool inverse_values(Elab *E, Step *s) {
  const Stmt *st = s->stmt;
  if (!state_values(E, st->inverse, s->piece, s->n, s->before)) return false;
  return undoable(E, s->before, s->n, NULL, 0, st->inverse->at, "this inverse");
}

/* The expression of the logdet clause, from the readings before the step. */
static bool logdet_value(Elab *E, Step *s) {
  const Expr *e = s->stmt->logdet;
  Type t;
  Value v = elab_expr(E, e);
  if (v.kind == V_POISON) return false;
  if (!value_numeric(v) || !value_type(v, &t) || t.dt != DT_REAL || t.rank) {
    DiagMsg *m = elab_error(E, CODE_not_scalar, e->at, "a log-determinant must be a scalar, found %s", value_text(E, v));
    if (value_numeric(v) && value_type(v, &t) && t.rank == 1) elab_help(m, "for an elementwise step it is a `sum(...)`");
    return false;
  }
  if (v.kind == V_NUM && isnan(v.num.v)) {
    elab_help(elab_error(E, CODE_claim_refuted, e->at, "this log-determinant is not a number"),
              "log |det| is real: take the `abs` of a negative determinant first");
    return false;
  }
  s->logdet = elab_tensor(E, v, e->at);
  return undoable(E, &s->logdet, 1, NULL, 0, e->at, "this log-determinant");
}

/* The states that an assignment gives new values. */
static bool assigned(Elab *E, const Stmt *s, Step *step) {
  for (const Arg *a = s->names; a; a = a->next) {
    if (a->value && a->value->kind != EX_NAME) {
      elab_help(elab_error(E, CODE_assignment, a->value->at, "a slice can be changed by `+=` or `*= exp(...)`, but not assigned"),
                "assign the whole state");
      return false;
    }
    Piece *p = &step->piece[step->n++];
    if (!flow_piece(E, a->value, p)) return false;
    for (uint32_t k = 0; k + 1 < step->n; k++)
      if (step->piece[k].slot == p->slot) {
        elab_error(E, CODE_assignment, a->value->at, "`%s` is assigned twice", a->name);
        return false;
      }
  }
  return true;
}

static void assign(Elab *E, const Stmt *s) {
  Flow *w = E->now->flow;
  Step step = {.kind = s->inverse ? STEP_ASSIGN : STEP_PERMUTE, .stmt = s};
  if (s->logdet && !s->inverse) {
    elab_help(elab_error(E, CODE_not_invertible, s->logdet->at, "a `logdet` clause must follow an `inverse` clause"),
              "updates and permutations need neither");
    return;
  }
  if (!assigned(E, s, &step)) return;
  if (!state_values(E, s->value, step.piece, step.n, step.after) ||
      !undoable(E, step.after, step.n, NULL, 0, s->value->at, "this step"))
    return;
  if (!s->inverse && !flow_permutes(E, &step)) {
    no_inverse(E, s);
    return;
  }
  if (s->logdet && !logdet_value(E, &step)) return;
  *vec_push(&w->steps) = step;
  renew(E, w, &step);
  if (s->inverse && !inverse_values(E, &w->steps.at[w->steps.n - 1])) w->broken = true;
}

bool flow_assigns(Elab *E, const Stmt *s) {
  uint32_t slot, states = 0;
  if (!E->now->flow) return false;
  for (const Arg *a = s->names; a; a = a->next) {
    const Expr *t = a->value;
    while (t && t->kind == EX_INDEX) t = t->a;
    states += t && t->kind == EX_NAME && flow_slot(E, t->name, &slot);
  }
  if (!states) return false;
  const uint32_t before = E->now->flow->steps.n;
  if (states == s->nnames) assign(E, s);
  else elab_error(E, CODE_assignment, s->at, "assign states and other values in separate statements");
  E->now->flow->broken |= E->now->flow->steps.n == before; /* an error was said */
  return true;
}

/* ---- T(q, p), evolve ----------------------------------------------------------------------------------- */

/* What a function was made with is read by the step. */
static bool made_of(Elab *E, const Step *s, Value f, Val more, Span at, const char *what) {
  ValList list = {0};
  flow_tensors(E->now->flow, f, &list);
  if (more.id) *vec_push(&list.v) = more;
  bool good = undoable(E, list.v.at, list.v.n, s->piece, s->n, at, what);
  vec_free(&list.v);
  return good;
}

static void call(Elab *E, const Stmt *s) {
  Flow *w = E->now->flow;
  const Expr *e = s->value;
  if (e->kind != EX_CALL) return;
  Value f = elab_expr(E, e->a);
  if (f.kind == V_POISON) return;
  if (f.kind == V_FUNC && f.func->kind == F_USER && !f.func->bound && !f.func->item->tformals && f.func->item->kind == IT_FLOW) {
    Actuals none = {.call = e->at, .callee = e->a->at};
    f = elab_instance(E, f.func, &none, NULL);
  }
  if (f.kind != V_FUNC || !func_is_flow(f.func)) {
    DiagMsg *m =
        elab_error(E, CODE_not_flow, e->a->at, "a call on a line of its own must apply a flow, found %s", value_kind(E, f));
    if (f.kind == V_FUNC && f.func->kind == F_USER && f.func->item->kind == IT_FLOW && !f.func->bound)
      elab_help(m, "`%s` is a template: write `%s()(...)`, with arguments in the first list if needed", f.func->item->name,
                f.func->item->name);
    else elab_help(m, f.kind == V_FUNC ? "`x += f(y)` uses a function" : "`let y = ...` keeps a value");
    return;
  }
  Step step = {.kind = STEP_CALL, .stmt = s, .func = f.func};
  if (!flow_pieces(E, s, e->args, e->nargs, step.piece, &step.n)) return;
  while (step.func->kind == F_INVERSE) step.func = step.func->of[0], step.negative = !step.negative;
  if (!made_of(E, &step, value_func(step.func), VAL_NONE, e->a->at, "this flow")) return;
  *vec_push(&w->steps) = step;
  renew(E, w, &step);
}

static bool evolve_method(Elab *E, const Stmt *s, Step *step) {
  Value v = s->method ? elab_expr(E, s->method) : (Value){.kind = V_NONE};
  if (v.kind == V_NONE) builtin_value(E, s->under ? "leapfrog" : "rk4", &v);
  if (v.kind == V_POISON) return false;
  if (v.kind != V_FUNC || v.func->kind != F_METHOD) {
    DiagMsg *m =
        elab_error(E, CODE_method, s->method->at, "`method` must be the name of an integration method, found %s", value_kind(E, v));
    if (v.kind == V_STRING) elab_help(m, "write the name without quotes: `method %s`", v.string);
    return false;
  }
  step->method = v.func;
  const MethodInfo *m = &ir_method[v.func->method];
  if (m->adaptive && (v.func->rtol > 0 || !ir_fixed_steps(v.func->method))) {
    elab_help(elab_error(E, CODE_method, s->method->at, "`%s` adapts its steps and cannot be undone", m->name),
              s->under ? "use leapfrog, yoshida4, implicit_midpoint, gauss4, ..." : "use rk4, implicit_midpoint, gauss4, ...");
    return false;
  }
  if (!s->under || (m->symplectic && v.func->method != M_SYMPLECTIC_EULER)) return true;
  DiagMsg *d =
      elab_error(E, CODE_method, s->method->at,
                 m->symplectic ? "`%s` is not symmetric: a step of -t does not undo it" : "`%s` is not symplectic", m->name);
  elab_help(d, "use leapfrog, yoshida4, yoshida6, yoshida8 if H separates; implicit_midpoint, gauss4, gauss6, gauss16 for any H");
  return false;
}

static void evolve(Elab *E, const Stmt *s) {
  Flow *w = E->now->flow;
  Step step = {.kind = STEP_EVOLVE, .stmt = s, .under = s->under};
  Type t;
  Value law = elab_expr(E, s->law), time = elab_expr(E, s->duration);
  Arg one = {.value = s->target};
  bool tuple = s->target->kind == EX_TUPLE;
  if (law.kind == V_POISON || time.kind == V_POISON ||
      !flow_pieces(E, s, tuple ? s->target->args : &one, tuple ? s->target->nargs : 1, step.piece, &step.n))
    return;
  if (law.kind != V_FUNC) {
    elab_error(E, CODE_wrong_kind, s->law->at, "`evolve` needs a function, found %s", value_kind(E, law));
    return;
  }
  if (!s->under && law.func->kind == F_USER && law.func->item->kind == IT_HAMILTONIAN) {
    elab_help(elab_error(E, CODE_rates, s->law->at, "`along` needs rates, but `%s` is a Hamiltonian", law.func->name),
              "write `under %s` for a symplectic method, or `along field(%s)` for any method", law.func->name, law.func->name);
    return;
  }
  if (s->under && step.n != 2) {
    elab_error(E, CODE_flow_state, s->target->at, "a Hamiltonian moves q and p, found %u state%s", step.n, step.n == 1 ? "" : "s");
    return;
  }
  if (!value_numeric(time) || !value_type(time, &t) || t.rank) {
    elab_error(E, CODE_not_scalar, s->duration->at, "the time must be a scalar, found %s", value_text(E, time));
    return;
  }
  if (!elab_int(E, s->steps, "`steps`", &step.steps) || !evolve_method(E, s, &step)) return;
  if (step.steps < 1) {
    elab_error(E, CODE_out_of_range, s->steps->at, "`steps` must be at least 1, found %lld", (long long)step.steps);
    return;
  }
  step.func = law.func;
  step.e = elab_tensor(E, time, s->duration->at);
  if (!made_of(E, &step, law, step.e, s->at, "this motion")) return;
  *vec_push(&w->steps) = step;
  renew(E, w, &step);
}

/* ---- running m = mean_over_batch(e) | moving_mean(e) decay d ------------------------------------------- */

static bool running_decay(Elab *E, const Stmt *s, double *out) {
  *out = 0.99;
  if (!s->decay) return true;
  Actual a = {.v = elab_expr(E, s->decay), .at = s->decay->at};
  if (!need_number(E, &a, "`decay`", out)) return false;
  if (*out > 0 && *out < 1) return true;
  elab_error(E, CODE_out_of_range, s->decay->at, "`decay` must be between 0 and 1, found %g", *out);
  return false;
}

static void running(Elab *E, const Stmt *s) {
  Flow *w = E->now->flow;
  const Expr *e = s->value;
  const char *name = s->names->name;
  Param p = {.path = name, .at = s->names->name_at};
  Value v = POISON;
  Type t;
  Step step = {.kind = STEP_RUNNING, .stmt = s, .running = w->nrunning};
  bool call = e->kind == EX_CALL && e->a->kind == EX_NAME && e->nargs == 1 && !e->args->name;
  step.lag = call && !strcmp(e->a->name, "moving_mean");
  if (!step.lag && !(call && !strcmp(e->a->name, "mean_over_batch")))
    elab_help(elab_error(E, CODE_batch_mean, e->at, "`running` needs `mean_over_batch` or `moving_mean`"),
              "write `running m = mean_over_batch(x) decay 0.99`");
  else if (running_decay(E, s, &p.decay)) v = elab_expr(E, e->args->value);
  if (v.kind != V_POISON && (!value_numeric(v) || !value_type(v, &t) || t.dt != DT_REAL)) {
    elab_error(E, CODE_wrong_kind, e->args->value->at, "`%s` needs a tensor, found %s", e->a->name, value_text(E, v));
    v = POISON;
  }
  if (v.kind != V_POISON) {
    turns_unroll_stack(E->now->body->stack, E->now->body->nstack); /* an average of its own for each turn */
    step.e = elab_tensor(E, v, e->at);
    p.type = t, p.type.lane = 0;
    if (E->now->body->nstack || !undoable(E, &step.e, 1, NULL, 0, e->at, "this mean") ||
        !elab_param_at(E, arena_printf(E->mem, "%s/%s", E->now->body->path, name), p, &step.param))
      v = POISON;
  }
  if (v.kind == V_POISON) {
    w->broken = true;
    frame_define(E, name, s->names->name_at, POISON, false);
    return;
  }
  Val mean = ir_id(elab_at(E, s->at), elab_param(E, step.param, NULL, 0, s->at));
  *vec_push(&w->readings) = (Reading){mean, FLOW_STATES + w->nrunning++, 0};
  *vec_push(&w->steps) = step;
  frame_define(E, name, s->names->name_at, elab_value(E, mean), false);
}

/* ---- all ----------------------------------------------------------------------------------------------- */

void flow_stmt(Elab *E, const Stmt *s) {
  uint32_t before = E->now->flow->steps.n;
  if (E->now->level != &E->now->flow->level) {
    elab_error(E, CODE_misplaced, s->at, "a step of a flow is not allowed in a comprehension");
    return;
  }
  switch (s->kind) {
  case ST_UPDATE: update(E, s); break;
  case ST_APPLY: call(E, s); break;
  case ST_EVOLVE: evolve(E, s); break;
  default: running(E, s); break;
  }
  E->now->flow->broken |= E->now->flow->steps.n == before; /* an error was said */
}
