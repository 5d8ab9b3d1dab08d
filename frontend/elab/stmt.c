/* Statements of bodies. Loops run while compiling: each turn has a frame of its own. */
#include "frontend/builtin/builtin.h"
#include "frontend/elab/elab_priv.h"
#include "frontend/flow/flow.h"
#include "frontend/local/local.h"

#include <string.h>

/* ---- binding names --------------------------------------------------------------------------------------
 */

static bool unpack(Elab *E, Value v, const Stmt *s, uint32_t i, Value *out) {
  if (v.kind == V_POISON) return *out = POISON, true;
  uint32_t n = value_length(E, v);
  if (n != s->nnames) {
    DiagMsg *m =
        elab_error(E, CODE_unpack, s->value ? s->value->at : s->at, "%u names, but the value is %s", s->nnames, value_text(E, v));
    elab_label(m, s->names->name_at, "%u names", s->nnames);
    return false;
  }
  *out = elab_element(E, v, i, s->value->at);
  return true;
}

static void bind_names(Elab *E, const Stmt *s, bool var) {
  Value v = elab_expr(E, s->value);
  if (v.kind == V_NONE) v = POISON;
  uint32_t i = 0;
  bool good = true;
  for (const Arg *a = s->names; a; a = a->next, i++) {
    Value one = v;
    if (s->nnames > 1 && (!good || !(good = unpack(E, v, s, i, &one)))) one = POISON;
    if (s->type && one.kind != V_POISON && !elab_check_type(E, s->type, one, s->value->at, arena_printf(E->mem, "`%s`", a->name)))
      one = POISON;
    elab_note_type(E, a, one);
    frame_define(E, a->name, a->name_at, elab_named(E, a->name, one, a->name_at), var);
  }
}

static void assign_one(Elab *E, const Arg *target, Value v) {
  const Expr *t = target->value;
  if (t && t->kind != EX_NAME) {
    elab_help(elab_error(E, CODE_assignment, t->at, "a part of a value cannot be assigned"),
              "`x = set(x, i, v)` replaces a row; or assign the whole value");
    return;
  }
  const char *name = t ? t->name : target->name;
  Span at = t ? t->at : target->name_at;
  Entry *e = frame_find(E->now->frame, name);
  if (!e) {
    if (module_find(E->now->frame->module, name))
      elab_error(E, CODE_assignment, at, "`%s` is defined at the top level of the file and cannot be assigned", name);
    else if (!elab_broken(E, name))
      elab_help(elab_error(E, CODE_assignment, at, "`%s` is assigned before it is defined", name),
                "write `let %s = ...`, or `var %s = ...` for a value that changes", name, name);
    frame_define(E, name, at, POISON, true);
  } else if (e->taken) {
    local_assigned(E, e, at);
  } else if (!e->var) {
    DiagMsg *m = elab_error(E, CODE_assignment, at, "`%s` cannot be reassigned", name);
    elab_label(m, e->at, "defined here");
    if (e->argument) elab_help(m, "`%s` is an argument: copy it, `var %s1 = %s`, and assign the copy", name, name, name);
    else elab_help(m, "define it with `var %s = ...`", name);
  } else if (e->level != E->now->level) {
    elab_error(E, CODE_assignment, at, "`%s` is defined outside this comprehension and cannot be reassigned in it", name);
  } else {
    e->v = elab_named(E, name, v, at);
    entry_changed(e);
  }
}

static void assign(Elab *E, const Stmt *s) {
  if (flow_assigns(E, s)) return;
  if (s->inverse || s->logdet) {
    elab_error(E, CODE_misplaced, s->inverse ? s->inverse->at : s->logdet->at, "%s clause is only allowed in a flow",
               s->inverse ? "an `inverse`" : "a `logdet`");
    return;
  }
  Value v = elab_expr(E, s->value);
  uint32_t i = 0;
  for (const Arg *a = s->names; a; a = a->next, i++) {
    Value one = v;
    if (s->nnames > 1 && !unpack(E, v, s, i, &one)) return;
    assign_one(E, a, one);
  }
}

/* ---- loops --------------------------------------------------------------------------------------------- */

static bool run_turn(Elab *E, const Stmt *s, Value k, Value *result) {
  if (!elab_spend(E, 1)) return false;
  frame_inner(E);
  if (s->kind == ST_FOR) {
    bool several = s->nnames > 1;
    uint32_t i = 0;
    for (const Arg *a = s->names; a; a = a->next, i++) {
      Value one = k;
      if (several && !unpack(E, k, s, i, &one)) one = POISON;
      frame_define(E, a->name, a->name_at, one, false);
    }
  }
  E->now->body->loops++;
  bool returned = elab_block(E, s->body, result);
  E->now->body->loops--;
  frame_pop(E);
  return returned;
}

/* What is wrong in one turn is wrong in the next, or will be found when it is mended. */
static bool goes_on(Elab *E, uint32_t met) { return E->met == met && !elab_stop(E); }

static const char *loop_name(Elab *E, const Stmt *s) {
  return s->kind == ST_REPEAT ? "`repeat`" : arena_printf(E->mem, "`for %s`", s->names->name);
}

/* Its head. */
static Span loop_at(const Stmt *s) { return (Span){s->at.file, s->at.begin, s->value->at.end}; }

static bool loop_range(Elab *E, const Stmt *s, int64_t a, int64_t b, Value *result) {
  if (b > a && (uint64_t)b - (uint64_t)a > ELAB_TURNS) {
    elab_help(elab_error(E, CODE_too_large, s->value->at, "a loop that runs at compile time has at most %d turns, found %llu",
                         (int)ELAB_TURNS, (unsigned long long)b - (unsigned long long)a),
              "`iterate(f, x, steps = n)` and `sum([... for k in a:b])` are loops at run time");
    return false;
  }
  if (b < a) {
    elab_help(
        elab_error(E, CODE_range, s->value->at, "the range %lld:%lld falls", (long long)a, (long long)b),
        "a range must rise, and `%lld:%lld` would run no turn; to go backwards, write `for k in 0:n { ... x[n - 1 - k] ... }`",
        (long long)b, (long long)b);
    return false;
  }
  Loop l;
  const uint32_t met = E->met;
  bool returned = false;
  loop_begin(E, &l, loop_at(s), loop_name(E, s), b > a ? b - a : 0);
  for (int64_t i = a; i < b && !returned && goes_on(E, met); i++) returned = run_turn(E, s, value_exact(i, 1), result);
  loop_end(E, &l);
  return returned;
}

static bool loop_for(Elab *E, const Stmt *s, Value *result) {
  const Expr *over = s->value;
  if (over->kind == EX_RANGE) {
    int64_t a = 0, b;
    if (!over->b) {
      elab_error(E, CODE_range, over->at, "this range needs an end");
      return false;
    }
    if ((over->a && !elab_int(E, over->a, "a range", &a)) || !elab_int(E, over->b, "a range", &b)) return false;
    return loop_range(E, s, a, b, result);
  }
  Value v = elab_expr(E, over);
  if (v.kind == V_POISON) return false;
  uint32_t n = value_length(E, v);
  if (n == 0 && !(v.kind == V_LIST)) {
    DiagMsg *m = elab_error(E, CODE_wrong_kind, over->at, "`for` needs a range or a list, found %s", value_text(E, v));
    if (v.kind == V_NUM) elab_help(m, "write the range `0:%g`", v.num.v);
    return false;
  }
  Loop l;
  const uint32_t met = E->met;
  bool returned = false;
  loop_begin(E, &l, loop_at(s), loop_name(E, s), n);
  for (uint32_t i = 0; i < n && !returned && goes_on(E, met); i++)
    returned = run_turn(E, s, elab_element(E, v, i, over->at), result);
  loop_end(E, &l);
  return returned;
}

static bool loop_repeat(Elab *E, const Stmt *s, Value *result) {
  int64_t n;
  if (!elab_int(E, s->value, "`repeat`", &n)) return false;
  if (n >= 0) return loop_range(E, s, 0, n, result);
  elab_error(E, CODE_out_of_range, s->value->at, "`repeat` cannot run %lld times", (long long)n);
  return false;
}

/* ---- requirements ---------------------------------------------------------------------------------------- */

/* The call to blame: the innermost that another file than that of the requirement has, and none of the library's; of a file's own
 * functions the innermost. NULL: it stands in no function. */
static const Call *to_blame(const Elab *E, const Stmt *s) {
  const Call *c = E->now->calls;
  if (!E->main || s->at.file == E->main->ast->file) return c;
  while (c && (c->at.file == s->at.file || elab_of_library(E, c->at.file))) c = c->up;
  return c ? c : E->now->calls;
}

/* ", found n = 1": what is known of the names in the condition, in turn `t` of l. */
static const char *found_text(Elab *E, const Stmt *s, const Level *l, uint32_t t) {
  const char *text = "";
  Type type;
  for (const Arg *a = s->read; a; a = a->next) {
    const Entry *e = frame_find(E->now->frame, a->name);
    Value v = e ? value_turn(e->v, l, t) : POISON;
    if (v.kind != V_STRING && v.kind != V_BOOL && !value_type(v, &type)) continue;
    const char *shown = v.kind == V_STRING ? arena_printf(E->mem, "\"%s\"", v.string)
                        : v.kind == V_BOOL ? v.b ? "true" : "false"
                                           : value_shown(E, v);
    text = arena_printf(E->mem, "%s%s %s = %s", text, *text ? "," : ", found", a->name, shown);
  }
  return text;
}

static bool not_met(Elab *E, const Stmt *s, const Level *l, uint32_t t) {
  E->now->body->unmet = true;
  if (E->now->unmet) return E->met++, *E->now->unmet = true;
  const Call *c = to_blame(E, s);
  DiagMsg *m = elab_error(E, CODE_requirement, c ? c->at : s->value->at, "%s%s", s->words->name, found_text(E, s, l, t));
  if (c) elab_label(m, s->value->at, "`%s` requires this", E->now->calls->of->name);
  return true;
}

static DiagMsg *unknown_yet(Elab *E, const Stmt *s) {
  DiagMsg *m = elab_error(E, CODE_not_constant, s->value->at, "this `require` must be known at compile time");
  elab_help(m, "outside of comprehensions, a function that returns reals may check values at run time: its result is NaN if the "
               "check fails");
  return m;
}

/* The program is to look at it. The first scalar that the condition is made of is told, if it fails. */
static void require_later(Elab *E, const Stmt *s, Value ok) {
  Body *body = E->now->body;
  Val quoted = VAL_NONE;
  if (!body->judged || body->judged != E->now->level) {
    if (!E->now->exact) unknown_yet(E, s); /* it was said already */
    return;
  }
  for (const Arg *a = s->read; a && !quoted.id; a = a->next) {
    const Entry *e = frame_find(E->now->frame, a->name);
    Type t;
    if (e && e->v.kind == V_TENSOR && value_type(e->v, &t) && t.dt == DT_REAL && !t.rank) quoted = elab_use(E, e->v);
  }
  Val holds = elab_tensor(E, ok, s->value->at);
  const Call *c = to_blame(E, s);
  Build *b = elab_at(E, c ? c->at : s->words->at);
  const bool tells = quoted.id != 0;
  if (!tells) quoted = ir_const(b, 0);
  const int64_t about = 2 * (int64_t)source_state(E->src, c ? E->now->calls->of->name : NULL, s->words->at) + tells;
  *vec_push(&body->required) = (Requirement){s, elab_value(E, ir_require(b, holds, quoted, CAUSE_STATED, about))};
}

/* The result v of a function that requires r. */
static Value judged(Elab *E, Value v, const Requirement *r) {
  Type t;
  if (v.kind == V_POISON) return v;
  if (v.kind == V_TUPLE || v.kind == V_LIST) {
    Value *w = ARENA_ARRAY(E->mem, Value, v.list.n + 1);
    for (uint32_t i = 0; i < v.list.n; i++) w[i] = judged(E, v.list.at[i], r);
    v.list.at = w;
    return v;
  }
  if (!value_type(v, &t) || t.dt != DT_REAL) {
    elab_label(unknown_yet(E, r->stmt), E->now->body->returned, "it returns %s", value_text(E, v));
    return POISON;
  }
  Val x = elab_tensor(E, v, r->stmt->at), ok = elab_use(E, r->holds);
  return elab_value(E, ir_mul(elab_at(E, r->stmt->words->at), x, ok));
}

static bool holds_name(const Arg *list, const char *name) {
  while (list && list->name != name) list = list->next;
  return list != NULL;
}

/* An argument of the instance or what stands in one's declared shape, or bound by a statement before s. */
static bool later(Elab *E, const Item *it, const Stmt *s, const char *name) {
  for (const Formal *f = it->formals; f; f = f->next) {
    if (f->name == name) return true;
    for (const Arg *d = f->type ? f->type->dims : NULL; d; d = d->next)
      if (elab_shape_variable(E, d->value) && d->value->name == name) return true;
  }
  for (const Stmt *b = it->body->first; b != s; b = b->next)
    if (holds_name(b->names, name)) return true;
  return false;
}

/* Whether all that is required here is known of the first list of arguments, which the frame at hand binds. */
static bool early(Elab *E, const Item *it, const Stmt *s) {
  Type t;
  for (const Arg *a = s->read; a; a = a->next) {
    const Entry *e = frame_find(E->now->frame, a->name);
    if (!e && later(E, it, s, a->name)) return false;
    if (e && (value_turns(e->v) || (value_type(e->v, &t) && !value_static(e->v) && e->v.kind != V_BOOL))) return false;
  }
  return true;
}

bool elab_instance_required(Elab *E, const Func *f, Span call) {
  const Item *it = f->item;
  Context c;
  Call of = {E->now->calls, f->global, call, {0}};
  bool good = true;
  context_push(E, &c);
  c.frame = f->targs;
  c.calls = &of;
  context_body(&c, f->name);
  for (const Stmt *s = it->body ? it->body->first : NULL; s && good; s = s->next) {
    if (s->kind != ST_REQUIRE || !early(E, it, s)) continue;
    const Value v = elab_expr(E, s->value);
    good = v.kind != V_BOOL || v.b || !not_met(E, s, NULL, 0);
  }
  context_pop(E, &c);
  return good;
}

/* True where it is known not to hold. */
static bool require(Elab *E, const Stmt *s) {
  Value v = elab_expr(E, s->value);
  Type t;
  if (v.kind == V_POISON) return false;
  if (!value_type(v, &t) || t.dt != DT_BOOL || t.rank) {
    DiagMsg *m = elab_error(E, CODE_not_condition, s->value->at, "`require` needs a condition, found %s", value_kind(E, v));
    if (value_type(v, &t) && t.dt == DT_BOOL) elab_help(m, "write one truth value: `require min(sizes) >= 2, \"...\"`");
    return false;
  }
  const Level *l = value_turns(v);
  for (uint32_t k = 0; k < (l ? l->n : 1); k++) {
    const Value ok = value_turn(v, l, k);
    if (ok.kind == V_BOOL && !ok.b) return not_met(E, s, l, k);
  }
  if (v.kind == V_TENSOR) require_later(E, s, v);
  return false;
}

/* ---- blocks -------------------------------------------------------------------------------------------- */

static void in_flows(Elab *E, const Stmt *s) {
  static const char *const what[] = {
    [ST_UPDATE] = "an update in place", [ST_APPLY] = "a call as a statement", [ST_EVOLVE] = "`evolve`", [ST_RUNNING] = "`running`"};
  const Expr *callee = s->kind == ST_APPLY && s->value->kind == EX_CALL ? s->value->a : NULL;
  if (callee && callee->kind == EX_NAME && !elab_known(E, callee->name, true)) { /* print(x) */
    elab_unknown(E, callee->name, callee->at);
    return;
  }
  if (callee && callee->kind == EX_MEMBER) {
    elab_help(elab_error(E, CODE_no_member, callee->name_at, "values have no methods, found `.%s`", callee->name),
              "make a list at once, `[f(k) for k in 0:n]`; use `var` for a value that changes");
    return;
  }
  DiagMsg *m = elab_error(E, CODE_misplaced, s->at, "%s is only allowed in a flow", what[s->kind]);
  if (s->kind == ST_UPDATE) elab_help(m, "write `var x = ...`, then `x = x %s ...`", ast_opr_text(s->op));
  if (s->kind == ST_APPLY) elab_help(m, "to keep its value, write `let y = ...`");
}

static bool run(Elab *E, const Stmt *s, Value *result) {
  switch (s->kind) {
  case ST_LET: bind_names(E, s, false); return false;
  case ST_VAR: bind_names(E, s, true); return false;
  case ST_ASSIGN: assign(E, s); return false;
  case ST_RETURN:
    *result = elab_expr(E, s->value);
    E->now->body->returned = s->value ? s->value->at : s->at;
    return true;
  case ST_FOR: return loop_for(E, s, result);
  case ST_REPEAT: return loop_repeat(E, s, result);
  case ST_PARAM: elab_param_stmt(E, s); return false;
  case ST_USE: frame_define(E, s->names->name, s->names->name_at, elab_use_value(E, s->value, s->names->name), false); return false;
  case ST_YIELD: elab_yield(E, s); return false;
  case ST_DEFINE: local_define(E, s); return false;
  case ST_REQUIRE: return require(E, s);
  case ST_UPDATE:
  case ST_APPLY:
  case ST_EVOLVE:
  case ST_RUNNING:
    if (E->now->flow) flow_stmt(E, s);
    else in_flows(E, s);
    return false;
  }
  return false;
}

bool elab_block(Elab *E, const Block *b, Value *result) {
  bool returned = false;
  if (E->now->depth >= ELAB_DEPTH) {
    elab_error(E, CODE_too_deep, b->at, "this is nested too deeply");
    return false;
  }
  E->now->depth++;
  for (const Stmt *s = b->first; s && !returned && !elab_stop(E); s = s->next) {
    if ((returned = run(E, s, result)) && s->next && s->kind == ST_RETURN)
      elab_label(elab_error(E, CODE_no_value, s->next->at, "nothing after `return` is executed"), s->at, "returns here");
  }
  E->now->depth--;
  return returned;
}

static Value block_value(Elab *E, const Block *b, const char *what) {
  Value v = {.kind = V_NONE};
  const uint32_t met = E->met;
  if (elab_block(E, b, &v) || elab_stop(E)) return E->met == met ? v : POISON; /* what follows from an error is none of its own */
  if (!b->broken && E->met == met)
    elab_help(elab_error(E, CODE_no_value, b->at, "%s returns no value", what), "end it with `return ...`");
  return POISON;
}

Value elab_block_value(Elab *E, const Block *b) {
  Context c;
  context_push(E, &c);
  c.flow = NULL;
  frame_inner(E);
  Value v = block_value(E, b, "this block");
  context_pop(E, &c);
  return v;
}

Value elab_body(Elab *E, const Item *it) {
  Body *body = E->now->body;
  body->judged = E->now->level;
  Value v = it->value  ? elab_expr(E, it->value)
            : it->body ? block_value(E, it->body, arena_printf(E->mem, "`%s`", it->name))
                       : POISON;
  for (uint32_t i = 0; i < body->required.n; i++) v = judged(E, v, &body->required.at[i]);
  return v;
}
