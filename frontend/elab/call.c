/* Calls. The body of a user's function is elaborated anew at each call, in a frame that binds its
 * parameters; templates are bound first. */
#include "frontend/builtin/builtin.h"
#include "frontend/elab/elab_priv.h"
#include "frontend/flow/flow.h"
#include "frontend/onnx/onnx.h"

#include <stdlib.h>
#include <string.h>

/* ---- arguments -------------------------------------------------------------------------------------- */

/* An argument; of a function that knows statistics the name of a report is that report, elsewhere its mean. */
static Value argument(Elab *E, const Expr *e, bool reports) {
  return reports && e && e->kind == EX_NAME ? elab_name(E, e->name, e->at) : elab_expr(E, e);
}

/* What the builtin b, if any, takes unelaborated stays V_NONE. */
static Actuals actuals(Elab *E, const Expr *call, const Builtin *b, bool reports) {
  Actuals a = {.call = call->at, .callee = call->a->at};
  a.at = ARENA_ARRAY(E->mem, Actual, call->nargs + 1);
  for (const Arg *g = call->args; g; g = g->next) {
    bool lazy = b && g->name && builtin_lazy(b, g->name);
    const bool late = !g->name && a.n && a.at[a.n - 1].name;
    if (late)
      elab_label(elab_error(E, CODE_argument_order, g->value->at, "a positional argument cannot follow a named one"),
                 a.at[a.n - 1].name_at, "named");
    const bool summed = b && (b->flags & BF_SUM) && call->nargs == 1 && g->value && g->value->kind == EX_COMPREHENSION;
    Value v = late     ? POISON
              : lazy   ? (Value){.kind = V_NONE}
              : summed ? elab_comprehension(E, g->value, true)
                       : argument(E, g->value, reports);
    a.at[a.n++] = (Actual){g->name, g->name_at, v, g->value ? g->value->at : call->at, g->value};
  }
  return a;
}

Actuals elab_actuals(Elab *E, const Expr *call) { return actuals(E, call, NULL, false); }

Actuals actuals_spread(Elab *E, const Actuals *a) {
  Actuals r = {.call = a->call, .callee = a->callee};
  uint32_t n = 0;
  for (uint32_t i = 0; i < a->n; i++) n += a->at[i].v.kind == V_TUPLE ? a->at[i].v.list.n : 1;
  r.at = ARENA_ARRAY(E->mem, Actual, n + 1);
  for (uint32_t i = 0; i < a->n; i++) {
    bool tuple = a->at[i].v.kind == V_TUPLE;
    for (uint32_t k = 0; k < (tuple ? a->at[i].v.list.n : 1); k++) {
      r.at[r.n] = a->at[i];
      if (tuple) r.at[r.n].v = a->at[i].v.list.at[k];
      r.n++;
    }
  }
  return r;
}

Actuals actuals_of(Elab *E, const Value *v, uint32_t n, Span at) {
  Actuals a = {.call = at, .callee = at, .n = n};
  a.at = ARENA_ARRAY(E->mem, Actual, n + 1);
  for (uint32_t i = 0; i < n; i++) a.at[i] = (Actual){.v = v[i], .at = at};
  return a;
}

static bool any_poison(const Actuals *a) {
  for (uint32_t i = 0; i < a->n; i++)
    if (a->at[i].v.kind == V_POISON) return true;
  return false;
}

static uint32_t count_formals(const Formal *f, uint32_t *required) {
  uint32_t n = 0;
  for (*required = 0; f; f = f->next) n++, *required += !f->init;
  return n;
}

uint32_t func_arity(const Func *f, uint32_t *required) {
  switch (f->kind) {
  case F_USER: return count_formals(f->item->formals, required);
  case F_FIELD:
  case F_POISSON:
  case F_JACOBIAN:
  case F_HESSIAN:
  case F_NONZEROS:
  case F_INVERSE:
  case F_LOGDET: return func_arity(f->of[0], required);
  case F_LIFT: {
    const uint32_t n = func_arity(f->of[0], required);
    return *required *= 2, 2 * n;
  }
  case F_SPREADING: {
    uint32_t n = func_arity(f->of[0], required);
    ++*required;
    return n == UINT32_MAX ? n : n + 1;
  }
  default: *required = 0; return UINT32_MAX;
  }
}

/* The positional arguments; tuples among them spread where more are expected. */
static Actuals positional(Elab *E, const Actuals *a, uint32_t n) {
  uint32_t given = 0, total = 0;
  for (uint32_t i = 0; i < a->n; i++) {
    given++;
    total += a->at[i].v.kind == V_TUPLE && !a->at[i].name ? a->at[i].v.list.n : 1;
  }
  if (given >= n || total == given) return *a;
  Actuals r = {.call = a->call, .callee = a->callee};
  r.at = ARENA_ARRAY(E->mem, Actual, total + 1);
  for (uint32_t i = 0; i < a->n; i++) {
    Actual one = a->at[i];
    if (one.v.kind != V_TUPLE || one.name) {
      r.at[r.n++] = one;
      continue;
    }
    for (uint32_t k = 0; k < a->at[i].v.list.n; k++) {
      one.v = a->at[i].v.list.at[k];
      one.e = NULL;
      r.at[r.n++] = one;
    }
  }
  return r;
}

/* q, p */
static const char *formals_text(Elab *E, const Formal *f) {
  const char *s = "";
  for (; f; f = f->next) s = arena_printf(E->mem, "%s%s%s", s, f->name, f->next ? ", " : "");
  return s;
}

typedef struct Binding {
  const Formal *f;
  const Actual *a;
} Binding;

static const char *plural(uint32_t n) { return n == 1 ? "" : "s"; }

/* What a call is of: messages name it, and show where it is defined. */
typedef struct Callee {
  const char *name;
  Span defined;
} Callee;

static bool fill_named(Elab *E, Binding *bound, uint32_t n, const Actual *x, const Callee *of) {
  uint32_t k = 0;
  while (k < n && bound[k].f->name != x->name) k++;
  if (k == n) {
    const char *known[64];
    uint32_t nk = 0;
    for (; nk < n && nk < 64; nk++) known[nk] = bound[nk].f->name;
    DiagMsg *m = elab_error(E, CODE_unknown_option, x->name_at, "`%s` has no parameter `%s`", of->name, x->name);
    elab_suggest_option(m, x->name, known, nk);
    elab_label(m, of->defined, "defined here");
    return false;
  }
  if (bound[k].a) {
    elab_error(E, CODE_given_twice, x->name_at, "`%s` is given twice", x->name);
    return false;
  }
  bound[k].a = x;
  return true;
}

/* Those without a default are given. */
static bool filled(Elab *E, const Binding *bound, uint32_t n, const Actuals *a, const Callee *of) {
  bool unknown = false; /* an argument that failed may have been a tuple */
  for (uint32_t i = 0; i < a->n; i++) unknown |= !a->at[i].name && a->at[i].v.kind == V_POISON;
  for (uint32_t k = 0; k < n; k++) {
    if (bound[k].a || bound[k].f->init) continue;
    if (unknown) return false;
    DiagMsg *m = elab_error(E, CODE_missing_argument, a->call, "`%s` needs the argument `%s`", of->name, bound[k].f->name);
    elab_label(m, bound[k].f->at, "this has no default");
    return false;
  }
  return true;
}

static bool fill(Elab *E, Binding *bound, uint32_t n, uint32_t required, const Actuals *a, const Callee *of) {
  uint32_t next = 0, given = 0;
  for (uint32_t i = 0; i < a->n; i++) given += !a->at[i].name;
  if (given > n) {
    DiagMsg *m = elab_error(E, CODE_argument_count, a->call, "`%s` takes %s%u argument%s, found %u", of->name,
                            required < n ? "at most " : "", n, plural(n), given);
    elab_label(m, of->defined, "defined here");
    return false;
  }
  for (uint32_t i = 0; i < a->n; i++)
    if (!a->at[i].name) bound[next++].a = &a->at[i];
    else if (!fill_named(E, bound, n, &a->at[i], of)) return false;
  return filled(E, bound, n, a, of);
}

bool elab_bind(Elab *E, const Formal *formals, const Actuals *given, const char *name, Span defined) {
  uint32_t required, n = count_formals(formals, &required), k = 0;
  Actuals a = positional(E, given, required);
  Binding *bound = ARENA_ARRAY(E->mem, Binding, n + 1);
  for (const Formal *f = formals; f; f = f->next) bound[k++].f = f;
  if (!fill(E, bound, n, required, &a, &(Callee){name, defined})) return false;
  bool good = true;
  for (k = 0; k < n; k++) {
    const Formal *f = bound[k].f;
    Value v = bound[k].a ? bound[k].a->v : elab_expr(E, f->init);
    Span at = bound[k].a ? bound[k].a->at : f->init->at;
    if (f->type && !elab_check_type(E, f->type, v, at, arena_printf(E->mem, "`%s` of `%s`", f->name, name)))
      good = false, v = POISON;
    if (!f->type || !strcmp(f->type->base, "real")) v = elab_named(E, f->name, v, f->at);
    elab_note_type(E, f, v);
    frame_define(E, f->name, f->at, v, false)->argument = true;
  }
  return good;
}

/* ---- a user's function --------------------------------------------------------------------------------- */

static const char *chain(Elab *E, const Global *to) {
  const char *s = to->name;
  for (const Call *c = E->now->calls; c; c = c->up) {
    s = arena_printf(E->mem, "%s -> %s", c->of->name, s);
    if (c->of == to) break;
  }
  return s;
}

static bool takes_functions(const Actuals *a) {
  for (uint32_t i = 0; i < a->n; i++)
    if (a->at[i].v.kind == V_FUNC) return true;
  return false;
}

static bool may_call(Elab *E, Global *g, const Actuals *a) {
  if (g->broken || !elab_expand(E, g, a->callee)) return false;
  if ((g->active && !takes_functions(a)) || E->now->ncalls >= ELAB_CALLS) {
    DiagMsg *m = elab_error(E, CODE_recursion, a->callee,
                            g->active ? "`%s` calls itself: %s" : "calls are nested too deeply in `%s`: %s", g->name, chain(E, g));
    elab_help(m, "functions are expanded at each call, so they cannot call themselves; use `for`, `repeat` or `iterate`");
    g->broken = true;
    return false;
  }
  return true;
}

/* The argument types of the first call, so that a function without declared types can be exported. */
static void fix_types(Elab *E, Global *g, const Actuals *a) {
  if (g->fixed) return;
  Type *t = ARENA_ARRAY(E->mem, Type, a->n + 1);
  for (uint32_t i = 0; i < a->n; i++) {
    if (a->at[i].name || !value_numeric(a->at[i].v) || !value_type(a->at[i].v, &t[i])) return;
    t[i].lane = 0;
  }
  g->arg = t;
  g->narg = a->n;
  g->fixed = true;
}

/* Where the value of a definition was computed; its last `return` with a body. */
static Span result_at(const Elab *E, const Item *it) {
  return it->value ? it->value->at : E->now->body->returned.file ? E->now->body->returned : it->name_at;
}

static Value check_result(Elab *E, const Item *it, Value v) {
  if (v.kind == V_POISON) return v;
  Type t;
  if (it->kind == IT_HAMILTONIAN || it->kind == IT_LOSS) {
    if (!value_numeric(v) || !value_type(v, &t) || t.rank != 0) {
      DiagMsg *m = elab_error(E, CODE_not_scalar, result_at(E, it), "%s `%s` must return a scalar, found %s",
                              it->kind == IT_LOSS ? "the loss" : "the Hamiltonian", it->name, value_text(E, v));
      if (value_type(v, &t) && t.dt == DT_REAL)
        elab_help(m, t.rank == 1 && t.dim[0] == 1 ? "`[0]` takes its element" : "`sum` or `mean` makes it a scalar");
      return POISON;
    }
  }
  if (it->result && !elab_check_type(E, it->result, v, result_at(E, it), arena_printf(E->mem, "the result of `%s`", it->name)))
    return POISON;
  return v;
}

/* q and p stand first, of one shape. */
static bool conjugate(Elab *E, const Item *it) {
  Type q, p;
  if (it->kind != IT_HAMILTONIAN) return true;
  if (!it->formals || !it->formals->next) {
    elab_help(elab_error(E, CODE_hamiltonian_arguments, it->name_at,
                         "the Hamiltonian `%s` has no p: its first two arguments must be q and p", it->name),
              "for another function, write `fn %s(...)`", it->name);
    return false;
  }
  Value vq = frame_find(E->now->frame, it->formals->name)->v, vp = frame_find(E->now->frame, it->formals->next->name)->v;
  if (!value_type(vq, &q) || !value_type(vp, &p) || type_same_dims(q, p)) return true;
  elab_error(E, CODE_hamiltonian_arguments, it->name_at,
             "the first two arguments of the Hamiltonian `%s` must have the same shape, found %s and %s", it->name,
             value_text(E, vq), value_text(E, vp));
  return false;
}

/* `ask`: of a flow. */
static Value call_user(Elab *E, const Func *f, const Actuals *a, int ask) {
  Global *g = f->global;
  Value v = POISON;
  if (!may_call(E, g, a)) return POISON;
  const KeptMark mark = kept_begin(E, f, a, &v);
  if (mark.found) return v;
  Call call = {E->now->calls, g, a->call, elab_spent(E)};
  Context c;
  context_push(E, &c);
  c.flow = NULL;
  frame_push(E, f->targs, f->module);
  bool good = elab_bind(E, f->item->formals, a, f->name, f->item->name_at) && !any_poison(a);
  Body *body = context_body(&c, f->path ? f->path : f->home ? f->home : f->name);
  body->stack = f->stack, body->nstack = f->nstack, body->base = c.level;
  body->net = f->item->kind == IT_NET || f->item->kind == IT_FLOW;
  c.calls = &call;
  c.ncalls++;
  g->active++;
  if (good && f->path) good = instance_called(E, f, a);
  good = good && conjugate(E, f->item);
  if (good) {
    if (!f->targs) fix_types(E, g, a);
    v = check_result(E, f->item,
                     f->onnx                    ? onnx_net_body(E, f)
                     : f->item->kind == IT_FLOW ? flow_body(E, f, ask)
                                                : elab_body(E, f->item));
    g->elaborated = true;
  }
  g->active--;
  context_pop(E, &c);
  kept_end(E, f, a, mark, v);
  return v.kind == V_NONE ? POISON : v;
}

/* The states of a lift's arguments; the momenta behind them are set aside. */
static bool lift_bind(Elab *E, const Func *f, Actuals *a) {
  uint32_t required, n = count_formals(f->item->formals, &required);
  *a = positional(E, a, 2 * n);
  for (uint32_t i = 0; i < a->n; i++)
    if (a->at[i].name) {
      elab_error(E, CODE_unknown_option, a->at[i].name_at,
                 "the arguments of a lift have no names: pass q and its momentum by position");
      return false;
    }
  if (a->n != 2 * n) {
    DiagMsg *m = elab_error(E, CODE_argument_count, a->call, "the lift of a flow takes %u arguments, found %u", 2 * n, a->n);
    elab_help(m, "`lift(%s)(%s, p)` also moves p", f->name, formals_text(E, f->item->formals));
    return false;
  }
  a->n = n;
  E->now->momenta = &a->at[n];
  return true;
}

Value flow_apply(Elab *E, const Func *f, const Actuals *given, int ask) {
  Actuals a = *given;
  Context c;
  for (; f->kind == F_INVERSE || f->kind == F_LIFT; f = f->of[0])
    if (f->kind == F_LIFT) ask |= FLOW_LIFT;
    else ask ^= FLOW_UNDO;
  context_push(E, &c);
  Value v = !(ask & FLOW_LIFT) || lift_bind(E, f, &a) ? call_user(E, f, &a, ask) : POISON;
  context_pop(E, &c);
  return v;
}

/* A template without parameters of its own, given what its instance takes: `zero_center(q, p)` for `zero_center()(q, p)`. */
static Value call_anonymous(Elab *E, const Func *f, const Actuals *a) {
  Actuals none = {.call = a->call, .callee = a->callee};
  Value v = elab_instance(E, f, &none, NULL);
  return v.kind == V_FUNC ? elab_apply(E, v.func, a) : v;
}

/* Arguments of both lists in one, K(q, p) for K(k)(q, p), or constants where there is one list, H(2) for H(k)(q, p) with H(2). */
static bool lists_mixed(Elab *E, const Func *f, const Actuals *a) {
  const Formal *first = f->bound ? NULL : f->item->tformals;
  uint32_t required, n = count_formals(first ? first : f->item->formals, &required);
  DiagMsg *m = NULL;
  for (uint32_t i = 0; i < a->n; i++)
    if (a->at[i].name || a->at[i].v.kind == V_TUPLE || a->at[i].v.kind == V_POISON) return false;
  if (first && n && a->n > n) {
    m = elab_error(E, CODE_argument_count, a->call, "`%s` takes %s%u in its first list of arguments, found %u", f->name,
                   required < n ? "at most " : "", n, a->n);
    elab_help(m, "write its constants and its point in two lists: `%s(%s)(%s)`", f->name, formals_text(E, first),
              formals_text(E, f->item->formals));
  } else if (!first && !f->item->tformals && f->item->kind == IT_HAMILTONIAN && a->n == 1 && required > 1) {
    m = elab_error(E, CODE_missing_argument, a->call, "`%s` takes %u arguments, found one", f->name, n);
    elab_help(m, "put a constant into a list of its own: define `hamiltonian %s(k: real)(%s)`, then `%s(2)` is a Hamiltonian",
              f->name, formals_text(E, f->item->formals), f->name);
  } else return false;
  elab_label(m, f->item->name_at, "defined here");
  return true;
}

Value elab_apply(Elab *E, const Func *f, const Actuals *a) {
  switch (f->kind) {
  case F_BUILTIN: return builtin_apply(E, f->builtin, a);
  case F_USER:
    if (f->item->kind == IT_DATA) {
      elab_help(elab_error(E, CODE_not_data, a->call, "`%s` is a data program, and cannot be called here", f->name),
                "write `use name = %s(count = ..., seed = ...)`", f->name);
      return POISON;
    }
    if (lists_mixed(E, f, a)) return POISON;
    if (!f->bound && !f->item->tformals && a->n) return call_anonymous(E, f, a);
    return f->bound ? call_user(E, f, a, FLOW_STATE) : elab_instance(E, f, a, NULL);
  case F_FIELD:
  case F_POISSON:
  case F_JACOBIAN:
  case F_HESSIAN:
  case F_NONZEROS:
  case F_SPREADING: return deriv_apply(E, f, a);
  case F_INVERSE:
  case F_LIFT: return flow_apply(E, f, a, FLOW_STATE);
  case F_LOGDET: return flow_apply(E, f->of[0], a, FLOW_LOGDET);
  case F_METHOD: return method_apply(E, f, a);
  case F_OPTION: return option_apply(E, f, a);
  }
  return POISON;
}

/* A report may have the name of a function, `report ess = ...` above a call `ess(w)`: what is called is the function. */
static Value callee(Elab *E, const Expr *e) {
  Value f = argument(E, e, true), v;
  if (f.kind != V_REPORT) return f;
  Global *g = module_find(E->now->frame->module, e->name);
  if (g) v = global_value(E, g, e->at);
  return g || builtin_value(E, e->name, &v) ? v : f;
}

/* What a function of the library is called by a statistic's name for is, of a report, the statistic. a: NULL: of any. */
static const Builtin *asked(Elab *E, const Func *f, const Actuals *a) {
  return f->kind == F_USER && f->module->std ? builtin_statistic(E, f->name, a) : NULL;
}

Value elab_call(Elab *E, const Expr *e) {
  Value f = callee(E, e->a);
  if (f.kind == V_FUNC && f.func->kind == F_BUILTIN && !strcmp(f.func->name, "read")) {
    if (E->now->body->constant) return data_constant(E, e);
    elab_help(elab_error(E, CODE_misplaced, e->at, "`read` is only allowed in `data` and `const`"), "write `data d = read(...)`");
    return POISON;
  }
  const Builtin *b = f.kind == V_FUNC && f.func->kind == F_BUILTIN ? f.func->builtin : NULL;
  const bool statistic = f.kind == V_FUNC && asked(E, f.func, NULL);
  Actuals a = actuals(E, e, b, statistic || (b && b->flags & BF_REPORT));
  if (f.kind == V_POISON || (statistic && builtin_misasked(E, f.func->name, &a))) return POISON;
  const Builtin *stat = f.kind == V_FUNC ? asked(E, f.func, &a) : NULL;
  if (stat) return builtin_apply(E, stat, &a);
  if (f.kind == V_FUNC) return elab_apply(E, f.func, &a);
  Span hidden;
  const char *what = e->a->kind == EX_NAME && elab_of_library(E, e->at.file) ? arena_printf(E->mem, "`%s`", e->a->name) : "this";
  DiagMsg *m = elab_error(E, CODE_not_function, e->a->at, "%s is called, but is not a function: %s", what, value_kind(E, f));
  Type t;
  if (e->a->kind == EX_NAME && builtin_find(e->a->name) && elab_defined(E, e->a->name, &hidden)) {
    elab_label(m, hidden, "hides the function");
    elab_help(m, "rename this value: it hides the function `%s`", e->a->name);
  } else if (f.kind == V_NUM) elab_help(m, "a product needs `*`");
  else if (f.kind == V_STRING) elab_help(m, "write the name of a function without quotes: `%s`", f.string);
  else if (e->a->kind == EX_NAME && ((value_type(f, &t) && t.rank) || f.kind == V_LIST) && a.n)
    elab_help(m, "write a subscript in `[ ]`: `%s[0]`; a product needs `*`", e->a->name);
  else if (e->a->kind == EX_MEMBER) elab_help(m, "write `.%s` without `()`", e->a->name);
  return POISON;
}
