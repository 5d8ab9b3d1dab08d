/* What is asked of a finished model: an expression over arrays, `{ name = expression, ... }`, or a function or a report alone. Of what
 * the file knows of it follows which axes of an array are those of a sample: of a declared argument the last ones. Of an argument
 * without a type, and in an expression, all but the first; a number is one for all samples. It becomes a `save`, the last action. */
#include "frontend/builtin/builtin.h"
#include "frontend/flow/flow.h"
#include "frontend/items/ask_priv.h"

#include <stdlib.h>
#include <string.h>

/* ---- what there is -------------------------------------------------------------------------------------- */

const char *ask_shape(Elab *E, const AskArray *a) {
  const char *s = "[";
  for (uint32_t d = 0; d < a->rank; d++) s = arena_printf(E->mem, d ? "%s, %u" : "%s%u", s, a->dim[d]);
  return a->rank ? arena_printf(E->mem, "%s]", s) : "one number";
}

static const char *arrays_text(Elab *E, const Ask *ask) {
  enum { MOST = 12 };
  const char *s = "";
  for (uint32_t k = 0; k < ask->narray && k < MOST; k++) {
    const AskArray *a = &ask->array[k];
    s = arena_printf(E->mem, *a->name ? "%s%s`%s`: %s" : "%s%s%s%s", s, k ? ", " : "", *a->name ? a->name : "an array of ",
                     ask_shape(E, a));
  }
  return arena_printf(E->mem, "%s%s", s, ask->narray > MOST ? ", ..." : "");
}

static bool word_byte(char c) {
  return c == '_' || (c & 0x80) || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* A name that stands in the text. */
static bool mentions(const char *text, const char *name) {
  const size_t n = strlen(name);
  for (const char *at = n ? strstr(text, name) : NULL; at; at = strstr(at + 1, name))
    if ((at == text || !word_byte(at[-1])) && !word_byte(at[n])) return true;
  return false;
}

/* ---- what is asked for ----------------------------------------------------------------------------------- */

static const char *const no_call = "call it in an expression: `hnnc eval RUN 'f(x, 3)' DATA`";

/* The function whose arguments a function of functions takes. */
static const Func *base_of(const Func *f) {
  while (f->kind == F_FIELD || f->kind == F_POISSON || f->kind == F_JACOBIAN || f->kind == F_HESSIAN || f->kind == F_NONZEROS ||
         f->kind == F_INVERSE || f->kind == F_LOGDET)
    f = f->of[0];
  return f;
}

/* The arguments of f; false after an error. */
static bool wants_of(Plan *p, const Func *f) {
  Elab *E = p->E;
  Type t[64];
  uint32_t n = 0, k = 0;
  bool declared = false;
  if (f->kind != F_USER || !f->bound) {
    DiagMsg *m = elab_error(E, CODE_wrong_kind, p->at, "`%s` is %s: the file does not declare its arguments", p->ask->text,
                            f->kind == F_USER ? "a template" : "a function of the language");
    elab_help(m, f->kind == F_USER ? "give its first list of arguments: `%s(...)`" : "call it: `%s(x)`", p->ask->text);
    return false;
  }
  const bool types = item_argument_types(E, f->global, f, t, &n, &declared), known = types && (declared || f->path);
  for (const Formal *x = f->item->formals; x; x = x->next, k++) {
    if (p->nwant == ASK_WANTS) return false;
    Want w = {.name = x->name, .rank = -1, .optional = x->init != NULL};
    if (known && k < n) w.known = true, w.t = t[k], w.rank = t[k].rank;
    else if (x->type && ast_type_real(x->type)) w.rank = (int)x->type->ndims;
    else if (x->type && !x->init) {
      elab_help(elab_error(E, CODE_wrong_kind, p->at, "`%s` of `%s` is not a real, so it must be known at compile time", x->name,
                           f->name),
                "%s", no_call);
      return false;
    }
    p->want[p->nwant++] = w;
  }
  return true;
}

/* Those fields of its data that the report names. */
static void wants_of_report(Plan *p, const Report *r, const Item *it) {
  for (uint32_t k = 0; r->data && k < r->data->nfield; k++) {
    const DataField *f = &r->data->field[k];
    if (mentions(it->text, f->name) && p->nwant < ASK_WANTS)
      p->want[p->nwant++] = (Want){.name = f->name, .t = f->type, .known = true, .rank = f->type.rank};
  }
}

/* ---- names of results ------------------------------------------------------------------------------------------ */

/* The states of a flow, `dq` and `dp` of a field, else the function's own name. */
static const char *result_name(Plan *p, const Func *f, const char *whole, uint32_t k, uint32_t n) {
  const bool field = f && f->kind == F_FIELD, flow = f && func_is_flow(f);
  const Formal *x = field || flow ? base_of(f)->item->formals : NULL;
  uint32_t formals = 0;
  for (const Formal *y = x; y; y = y->next) formals++;
  if (formals == n)
    for (uint32_t i = 0; x; x = x->next, i++)
      if (i == k) return field ? arena_printf(p->E->mem, "d%s", x->name) : x->name;
  return n == 1 ? whole : arena_printf(p->E->mem, "%s_%u", whole, k);
}

static bool results(Plan *p, Save *s, const Func *f, const char *whole, Value v) {
  const uint32_t n = v.kind == V_TUPLE ? v.list.n : 1;
  if (v.kind == V_FUNC) {
    elab_help(elab_error(p->E, CODE_wrong_kind, p->at, "`%s` returns a function", p->ask->text), "%s", no_call);
    return false;
  }
  s->key = ARENA_ARRAY(p->E->mem, const char *, n + 1);
  s->truth = ARENA_ARRAY(p->E->mem, bool, n + 1);
  bool good = n > 0;
  for (uint32_t k = 0; k < n; k++)
    good &= item_array(p->E, result_name(p, f, whole, k, n), v.kind == V_TUPLE ? v.list.at[k] : v, p->at, s, k);
  return good;
}

/* ---- evaluating it ------------------------------------------------------------------------------------------------ */

typedef struct Asking {
  Context c;
  Root root;
  Save *s;
  uint32_t actions; /* of the file; meanwhile there are those above */
} Asking;

/* A function that is to come, with the fields that the plan has so far in scope, and the reports among the first `above` actions. */
static void begin(Plan *p, Asking *a, uint32_t above) {
  Elab *E = p->E;
  a->s = ARENA_NEW(E->mem, Save);
  *a->s = (Save){.name = "result", .data = p->ask->on || p->ask->samples || p->data->nfield ? p->data : NULL};
  context_alone(E, &a->c, E->main);
  context_body(&a->c, "result");
  root_begin(E, &a->root, "result", E->m->f64, a->s->data != NULL);
  a->actions = E->made.actions.n;
  E->made.actions.n = above;
  item_reports(E, &a->root, false);
  if (a->s->data) data_scope(E, &a->root, a->s->data, p->at);
}

static void end(Plan *p, Asking *a, bool good) {
  Elab *E = p->E;
  E->made.actions.n = a->actions;
  if (good) {
    a->s->fn = root_end_of_reports(E, &a->root, &a->s->use, &a->s->nuse);
    p->asked->save = a->s;
    if (a->s->data && !p->ask->on) *vec_push(&E->made.data) = a->s->data;
    *vec_push(&E->made.actions) = (Action){.kind = DO_SAVE, .at = p->at, .save = a->s};
    E->m->asked = p->asked;
  } else root_drop(E, &a->root);
  context_pop(E, &a->c);
}

/* The arguments stand in the order of `want`; those behind one that keeps its default are given by name. */
static Value call(Plan *p, const Func *f) {
  Elab *E = p->E;
  Actual *at = ARENA_ARRAY(E->mem, Actual, p->nwant + 1);
  uint32_t n = 0;
  bool skipped = false;
  for (uint32_t k = 0; k < p->nwant; k++) {
    const int field = p->want[k].field;
    if (field < 0) {
      skipped = true;
      continue;
    }
    const Value v = elab_value(E, elab_field(E, (uint32_t)field, p->at));
    at[n++] = (Actual){.name = skipped ? p->want[k].name : NULL, .name_at = p->at, .v = v, .at = p->at};
  }
  return elab_apply(E, f, &(Actuals){.at = at, .n = n, .call = p->at, .callee = p->at});
}

static void ask_function(Plan *p, const Func *f, const char *whole) {
  Asking a;
  if (!wants_of(p, base_of(f)) || !ask_bind(p)) return;
  begin(p, &a, p->E->made.actions.n);
  const Value v = call(p, f);
  end(p, &a, v.kind != V_POISON && v.kind != V_NONE && results(p, a.s, f, whole, v));
}

static void ask_report(Plan *p, const Report *r, const Item *it) {
  Asking a;
  uint32_t above = 0;
  while (p->E->made.actions.at[above].kind != DO_REPORT || p->E->made.actions.at[above].report != r) above++;
  if (!r->fn) return;
  wants_of_report(p, r, it);
  if (!ask_bind(p)) return;
  begin(p, &a, above);
  const Value v = elab_expr(p->E, it->value);
  end(p, &a, v.kind != V_POISON && v.kind != V_NONE && results(p, a.s, NULL, it->name, v));
}

/* Names of the file keep their meaning, others are those of arrays; one without a name is x. Which of them are used is not known yet. */
static bool fields_of_text(Plan *p) {
  const Ask *ask = p->ask;
  if (ask->on) return true;
  if (ask->narray && !*ask->array[0].name) return !mentions(ask->text, "x") || ask_unnamed(p, intern(p->E->m->names, "x"));
  for (uint32_t k = 0; k < ask->narray; k++) {
    const char *name = intern(p->E->m->names, ask->array[k].name);
    if (ask->array[k].fault && mentions(ask->text, name)) return ask_field(p, &(Want){.name = name, .rank = -1}, k);
    if (!module_find(p->E->main, name)) ask_maybe(p, name, k);
  }
  return true;
}

/* A function, which is then to be bound: the rest is dropped, and it is returned. */
static const Func *ask_expression(Plan *p, const Item *it) {
  Asking a;
  if (!fields_of_text(p)) return NULL;
  begin(p, &a, p->E->made.actions.n);
  const bool list = it->kind == IT_SAVE;
  const Value v = list ? POISON : elab_expr(p->E, it->value);
  const bool function = v.kind == V_FUNC, value = v.kind != V_POISON && v.kind != V_NONE;
  const bool good = list ? item_arrays(p->E, it, a.s) : !function && value && results(p, a.s, NULL, "result", v);
  end(p, &a, good && ask_used(p, &a.root));
  return function ? v.func : NULL;
}

/* The report of this name, unless a function has it. */
static const Item *report_named(Elab *E, const char *name, const Report **r) {
  Global *g = module_find(E->main, name);
  const Value v = g && g->item->kind != IT_DATA ? global_value(E, g, g->item->name_at) : POISON;
  if (v.kind == V_FUNC) return NULL;
  for (uint32_t i = 0; i < E->made.actions.n; i++)
    if (E->made.actions.at[i].kind == DO_REPORT && E->made.actions.at[i].report->name == name) *r = E->made.actions.at[i].report;
  for (const Item *it = *r ? E->main->ast->first : NULL; it; it = it->next)
    if (it->kind == IT_REPORT && it->name == name) return it;
  return NULL;
}

static const Item *parse(Elab *E, const Ask *ask, Span *at) {
  const uint32_t file = source_add(E->src, "command line", ask->text, strlen(ask->text));
  const int before = diag_errors(E->diag);
  Module *m = ARENA_NEW(E->mem, Module);
  m->ast = ast_parse_asked(E->src, file, E->m->names, E->diag);
  m->next = E->modules;
  E->modules = m;
  elab_wrt_scan(E, m->ast);
  *at = (Span){file, 0, (uint32_t)strlen(ask->text)};
  const Item *it = m->ast->first;
  if (diag_errors(E->diag) > before) return NULL;
  if (it && !it->next && (it->kind == IT_SAVE || (it->kind == IT_CONST && it->value))) return it;
  elab_help(elab_error(E, CODE_syntax, *at, "`%s` is not a single expression", ask->text),
            "write `H(q, p)`, or `{ a = H(q, p), b = q + p }`");
  return NULL;
}

/* Parameters that the file does not have were never trained. */
static void no_parameters(Plan *p, uint32_t before) {
  const Elab *E = p->E;
  if (E->made.params.n > before)
    elab_help(elab_error(p->E, CODE_wrong_kind, p->at, "`%s` creates the parameter `%s`, which the file does not train",
                         p->ask->text, E->made.params.at[before].path),
              "use an instance of the file, `use f = ...`, that a loss or a report calls");
}

static void ask(Plan *p, const Item *it) {
  const Report *r = NULL;
  const uint32_t params = p->E->made.params.n;
  const bool name = it->kind == IT_CONST && it->value->kind == EX_NAME;
  const Item *report = name ? report_named(p->E, it->value->name, &r) : NULL;
  if (report) ask_report(p, r, report);
  else {
    const Func *f = ask_expression(p, it);
    if (f && !p->ask->on) p->data->nfield = 0, p->asked->nlead = p->ask->samples > 0, p->led = NULL;
    if (f) ask_function(p, f, name ? it->value->name : "result");
  }
  no_parameters(p, params);
}

/* The data set of the model that it is asked on. */
static bool data_set(Plan *p) {
  Elab *E = p->E;
  const char *name = intern(E->m->names, p->ask->on);
  Global *g = module_find(E->main, name);
  const Value v = g ? global_value(E, g, p->at) : POISON;
  p->data = v.kind == V_DATA ? v.data : NULL;
  if (p->data) return true;
  elab_suggest_item(E, elab_error(E, CODE_file, p->at, "there is no file `%s`, and the model has no data set of that name", name),
                    name, 1u << IT_USE | 1u << IT_DATA);
  return false;
}

void ask_item(Elab *E) {
  Plan p = {.E = E, .ask = E->o->ask, .asked = ARENA_NEW(E->mem, Asked), .data = ARENA_NEW(E->mem, Data)};
  const Item *it = parse(E, p.ask, &p.at);
  const uint32_t most = p.ask->narray + ASK_WANTS + 1;
  if (!it) return;
  *p.data = (Data){.name = p.ask->file ? arena_strdup(E->mem, p.ask->file) : "", .kind = DATA_GIVEN, .at = p.at};
  p.data->field = ARENA_ARRAY(E->mem, DataField, most);
  p.asked->field = ARENA_ARRAY(E->mem, AskedField, most);
  if (p.ask->samples) p.asked->nlead = 1, p.asked->lead[0] = p.ask->samples;
  if (!p.ask->on || data_set(&p)) ask(&p, it);
}

static const char *fields_text(Elab *E, const Data *d) {
  char text[128];
  const char *s = "";
  for (uint32_t k = 0; k < d->nfield; k++)
    s = arena_printf(E->mem, "%s%s`%s: %s`", s, k ? ", " : "", d->field[k].name, type_user(d->field[k].type, text, sizeof text));
  return s;
}

const char *ask_arrays(Plan *p) {
  if (p->ask->on) return arena_printf(p->E->mem, "`%s` has %s", p->ask->on, fields_text(p->E, p->data));
  if (!p->ask->file) return p->ask->samples ? "samples without arrays are given" : "no arrays are given";
  return arena_printf(p->E->mem, "`%s` has %s", p->ask->file, p->ask->narray ? arrays_text(p->E, p->ask) : "no array");
}
