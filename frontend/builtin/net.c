/* Instances of networks and their parameters. An instance is a template, its arguments and a path; its
 * parameters are made when its body is first elaborated, and found again by their paths afterwards. */
#include "frontend/builtin/builtin_priv.h"
#include "frontend/onnx/onnx.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- instances ------------------------------------------------------------------------------------------
 */

/* By the interned path. */
struct Nets {
  VEC(Instance) instances;
  Index instance_at, param_at;
};

static struct Nets *nets(Elab *E) { return E->nets ? E->nets : (E->nets = ARENA_NEW(E->mem, struct Nets)); }

Instance *instance_find(Elab *E, const char *path) {
  const uint32_t *i = index_find(&nets(E)->instance_at, index_name(intern(E->m->names, path)));
  return i ? &nets(E)->instances.at[*i] : NULL;
}

void instance_add(Elab *E, Instance in) {
  index_put(&nets(E)->instance_at, index_name(intern(E->m->names, in.path)), nets(E)->instances.n);
  *vec_push(&nets(E)->instances) = in;
}

void nets_finish(Elab *E) {
  vec_free(&nets(E)->instances);
  index_free(&nets(E)->instance_at);
  index_free(&nets(E)->param_at);
}

/* The number of a parameter, that of the next if there is none. Turns that were taken back took theirs along. */
static uint32_t param_find(Elab *E, const char *path) {
  const uint32_t *i = index_find(&nets(E)->param_at, index_name(intern(E->m->names, path)));
  return i && *i < E->made.params.n && !strcmp(E->made.params.at[*i].path, path) ? *i : E->made.params.n;
}

static void param_add(Elab *E, Param p) {
  index_put(&nets(E)->param_at, index_name(intern(E->m->names, p.path)), E->made.params.n);
  *vec_push(&E->made.params) = p;
}

/* What has one path is written at one place: files that import others may use a name twice. */
static bool same_place(Elab *E, const char *path, Span one, Span other) {
  if (one.file == other.file && one.begin == other.begin) return true;
  DiagMsg *m = elab_error(E, CODE_defined_twice, other,
                          "`%s` is the path of two different things: rename its first part in one of the files", path);
  elab_label(m, one, "the other");
  return false;
}

/* A name of its own, in this body and outside of loops: given once. */
static bool named_once(Elab *E, const char *name, Span at) {
  Body *b = E->now->body;
  for (uint32_t i = 0; i < b->used.n; i++)
    if (b->used.at[i] == name) {
      elab_help(elab_error(E, CODE_defined_twice, at, "this body already has an instance `%s`", name),
                "the name is part of the paths of its parameters: choose another name here");
      return false;
    }
  *vec_push(&b->used) = name;
  return true;
}

/* name NULL: none. */
static const char *path_here(Elab *E, const Func *f, const char *name, Level *const *stack, uint32_t nstack, Span at) {
  const Body *b = E->now->body;
  if (!name || b->loops || nstack > b->nstack) return turns_path(E, name ? name : f->item->name, stack, nstack);
  if (b->top) return name;
  return named_once(E, name, at) ? arena_printf(E->mem, "%s/%s", b->path, name) : NULL;
}

Value instance_own(Elab *E, Func *g, const char *name, Span call) {
  g->stack = turns_here(E, &g->nstack);
  g->path = path_here(E, g, name, g->stack, g->nstack, call);
  if (!g->path) return POISON;
  if (name) g->name = name;
  const Instance *known = instance_find(E, g->path);
  if (known && known->module != E->now->frame->module && !same_place(E, g->path, known->at, call)) return POISON;
  if (!known) instance_add(E, (Instance){.path = g->path, .func = g, .module = E->now->frame->module, .at = call});
  return value_func(g);
}

Value elab_instance(Elab *E, const Func *f, const Actuals *a, const char *name) {
  Context c;
  Func *g = ARENA_NEW(E->mem, Func);
  *g = *f;
  g->bound = true;
  context_push(E, &c);
  g->targs = frame_push(E, NULL, f->module);
  for (uint32_t i = 0; f->targs && i < f->targs->entries.n; i++) entry_take(E, g->targs, &f->targs->entries.at[i], f->item);
  bool good = elab_bind(E, f->item->tformals, a, f->name, f->item->name_at);
  context_pop(E, &c);
  if (!good || !elab_instance_required(E, g, a->call)) return POISON;
  return f->item->kind != IT_NET && f->item->kind != IT_FLOW ? value_func(g) : instance_own(E, g, name, a->call);
}

static Value named_thing(Elab *E, Value v, const Expr *e, const char *name) {
  if (v.kind == V_POISON || v.kind == V_DATA || v.kind == V_FUNC) return v;
  elab_help(elab_error(E, CODE_wrong_kind, e->at, "`use` needs a network, a function or data, found %s", value_kind(E, v)),
            "to name a value, write `%s %s = ...`", E->now->body->top ? "const" : "let", name);
  return POISON;
}

Value elab_use_value(Elab *E, const Expr *e, const char *name) {
  if (!e) return POISON;
  if (e->kind != EX_CALL) {
    Value v = elab_expr(E, e);
    if (v.kind == V_FUNC && v.func->kind == F_USER && !v.func->bound) {
      elab_help(elab_error(E, CODE_template, e->at, "`%s` is a template and needs its arguments", v.func->name),
                "write `use %s = %s(...)`", name, v.func->name);
      return POISON;
    }
    if (v.kind == V_FUNC && v.func->kind == F_USER && v.func->item->kind == IT_DATA) {
      Actuals none = {.call = e->at, .callee = e->at};
      return data_instance(E, v.func, &none);
    }
    return named_thing(E, v, e, name);
  }
  Value f = elab_expr(E, e->a);
  if (f.kind != V_FUNC || f.func->kind == F_BUILTIN) {
    const bool file = f.kind == V_FUNC && f.func->builtin->call == bi_onnx;
    Actuals given = file ? elab_actuals(E, e) : (Actuals){0};
    Value v = file ? onnx_net_use(E, &given, name) : elab_expr(E, e);
    if (v.kind == V_DATA && E->now->body->top) v.data->name = name;
    return named_thing(E, v, e, name);
  }
  Actuals a = elab_actuals(E, e);
  Value v;
  if (E->now->body->top && f.func->kind == F_USER && f.func->bound &&
      (f.func->item->kind == IT_NET || f.func->item->kind == IT_FLOW)) {
    elab_help(elab_error(E, CODE_template, e->at,
                         "`%s` has only one list of arguments: it is an instance already, and this calls it", f.func->name),
              "call it where its value is needed; `use %s = %s` gives it another name", name, f.func->name);
    return POISON;
  }
  if (f.func->kind == F_USER && f.func->item->kind == IT_DATA) v = data_instance(E, f.func, &a);
  else if (f.func->kind == F_USER && !f.func->bound) v = elab_instance(E, f.func, &a, name);
  else v = elab_apply(E, f.func, &a);
  if (v.kind == V_DATA && E->now->body->top) v.data->name = name;
  return named_thing(E, v, e, name);
}

static const char *types_text(Elab *E, const Type *t, uint32_t n) {
  char buf[128];
  const char *s = "(";
  for (uint32_t i = 0; i < n; i++) s = arena_printf(E->mem, "%s%s%s", s, i ? ", " : "", type_user(t[i], buf, sizeof buf));
  return arena_printf(E->mem, "%s)", s);
}

/* Has parameters or means of its own, or an instance in it does. */
static bool owns(const Elab *E, const char *path) {
  const size_t n = strlen(path);
  for (uint32_t i = 0; i < E->made.params.n; i++) {
    const char *of = E->made.params.at[i].path;
    if (!strncmp(of, path, n) && of[n] == '/') return true;
  }
  return false;
}

bool instance_called(Elab *E, const Func *f, const Actuals *a) {
  Instance *in = instance_find(E, f->path);
  Type *t = ARENA_ARRAY(E->mem, Type, a->n + 1);
  bool same = true;
  for (uint32_t i = 0; i < a->n; i++) {
    if (!value_type(a->at[i].v, &t[i])) return true;
    t[i].lane = 0;
    if (in->called) same &= i < in->narg && type_same_dims(t[i], in->arg[i]);
  }
  if (!in->called) {
    in->called = true;
    in->arg = t;
    in->narg = a->n;
    in->at = a->call;
  }
  if (same || !owns(E, f->path)) return true;
  DiagMsg *m = elab_error(E, CODE_instance_shape, a->call, "`%s` has parameters for %s, found %s", f->name,
                          types_text(E, in->arg, in->narg), types_text(E, t, a->n));
  elab_label(m, in->at, "its first call");
  elab_help(m, "an instance has one input shape: make another instance with `use`");
  return false;
}

/* ---- parameters ---------------------------------------------------------------------------------------- */

/* What other languages call a distribution to start from, as it is written here. */
static const char *init_other(const char *name) {
  static const struct {
    const char *name, *here;
  } row[] = {{"randn", "~ normal(0, 1)"},
             {"gaussian", "~ normal(0, 1)"},
             {"rand", "~ uniform(0, 1)"},
             {"random", "~ uniform(0, 1)"},
             {"xavier", "~ glorot"},
             {"xavier_uniform", "~ glorot"},
             {"xavier_normal", "~ glorot"},
             {"glorot_uniform", "~ glorot"},
             {"glorot_normal", "~ glorot"},
             {"he", "~ glorot"},
             {"kaiming", "~ glorot"},
             {"lecun", "~ glorot"},
             {"orthogonal_", "~ orthogonal"},
             {"zeros", "= 0"},
             {"zero", "= 0"},
             {"ones", "= 1"}};
  for (size_t k = 0; k < sizeof row / sizeof *row; k++)
    if (!strcasecmp(name, row[k].name)) return row[k].here;
  return NULL;
}

static const char *const starts[] = {"glorot", "orthogonal", "normal", "uniform"};
enum { STARTS = sizeof starts / sizeof *starts };

static bool init_named(Elab *E, const Expr *d, Param *p) {
  const char *name = d->kind == EX_CALL && d->a->kind == EX_NAME ? d->a->name : d->kind == EX_NAME ? d->name : "";
  if (!strcmp(name, "glorot") || !strcmp(name, "orthogonal")) {
    p->init = name[0] == 'g' ? INIT_GLOROT : INIT_ORTHOGONAL;
    if (d->kind == EX_CALL && d->nargs) elab_error(E, CODE_parameter, d->at, "`%s` takes no arguments", name);
    if (p->init == INIT_ORTHOGONAL && p->type.rank < 2) elab_error(E, CODE_parameter, d->at, "`orthogonal` needs a matrix");
    return true;
  }
  bool normal = !strcmp(name, "normal");
  if (!normal && strcmp(name, "uniform") != 0) {
    DiagMsg *m =
        elab_error(E, CODE_parameter, d->at, "a parameter must start as glorot, orthogonal, normal(mean, sd) or uniform(a, b)");
    const char *known = init_other(name);
    if (known) elab_help(m, "write `%s`", known);
    else elab_suggest(m, name, starts, STARTS);
    return false;
  }
  p->init = normal ? INIT_NORMAL : INIT_UNIFORM;
  p->a = 0, p->b = 1;
  if (d->kind != EX_CALL) return true;
  Actuals a = elab_actuals(E, d);
  if (a.n > 2) {
    elab_error(E, CODE_parameter, d->at, "`%s` takes two numbers here", name);
    return false;
  }
  if (a.n > 0 && !need_number(E, &a.at[0], normal ? "the mean" : "the lower end", &p->a)) return false;
  if (a.n > 1 && !need_number(E, &a.at[1], normal ? "the standard deviation" : "the upper end", &p->b)) return false;
  if (normal ? p->b >= 0 : p->b >= p->a) return true;
  if (normal) elab_error(E, CODE_parameter, a.at[1].at, "a standard deviation must not be negative, found %g", p->b);
  else elab_error(E, CODE_parameter, d->at, "`uniform` needs the lower end first, found %g and %g", p->a, p->b);
  return false;
}

/* `= normal(0, 1)`, where `~` is meant. */
static bool is_draw(Elab *E, const Expr *e) {
  const Expr *f = e && e->kind == EX_CALL ? e->a : e;
  for (size_t k = 0; f && f->kind == EX_NAME && k < STARTS; k++)
    if (!strcmp(f->name, starts[k]) && !elab_known(E, f->name, false)) return true;
  return false;
}

static bool init_value(Elab *E, const Expr *e, Param *p) {
  if (is_draw(E, e)) {
    const char *text = source_file(E->src, e->at.file)->text + e->at.begin;
    elab_help(elab_error(E, CODE_parameter, e->at, "a random start needs `~`, not `=`"), "write `~ %.*s`",
              (int)(e->at.end - e->at.begin), text);
    return false;
  }
  Value v = elab_expr(E, e);
  Type t;
  if (v.kind == V_POISON || turns_unroll(E, v)) return false;
  if (!value_static(v) || !value_numeric(v)) {
    elab_error(E, CODE_parameter, e->at, "a parameter must start from a value known at compile time, found %s", value_text(E, v));
    return false;
  }
  if (v.kind == V_NUM) return p->a = v.num.v, true;
  value_type(v, &t);
  if (!type_same_dims(t, p->type)) {
    char want[96];
    DiagMsg *m = elab_error(E, CODE_parameter, e->at, "a parameter of shape %s cannot start as %s",
                            type_user(p->type, want, sizeof want), value_text(E, v));
    elab_label(m, p->at, "declared here");
    return false;
  }
  double *d = ARENA_ARRAY(E->mem, double, v.array->n + 1);
  for (uint32_t i = 0; i < v.array->n; i++) d[i] = v.array->at[i].v;
  p->values = d;
  return true;
}

bool elab_param_at(Elab *E, const char *path, Param start, uint32_t *out) {
  uint32_t i = param_find(E, path);
  if (i < E->made.params.n && !same_place(E, path, E->made.params.at[i].at, start.at)) return false;
  if (i == E->made.params.n) start.path = path, param_add(E, start);
  return *out = i, type_eq(E->made.params.at[i].type, start.type);
}

/* Where parameters start. */
static bool start_of(Elab *E, const Stmt *s, Param *p) {
  Context c;
  context_push(E, &c);
  c.exact = false; /* starts are numbers, whatever they are for */
  bool good = s->init_dist ? init_named(E, s->init_dist, p) : !s->value || init_value(E, s->value, p);
  context_pop(E, &c);
  return good;
}

/* The outermost call: the place in the file where a network is used. */
static Span outermost(Elab *E, Span at) {
  for (const Call *c = E->now->calls; c; c = c->up) at = c->at;
  return at;
}

static bool may_have(Elab *E, Span at) {
  if (E->now->root->no_params)
    elab_error(E, CODE_parameters, outermost(E, at), "the parameters of a network have no values here: %s",
               E->now->root->no_params);
  return !E->now->root->no_params;
}

static bool may_own(Elab *E, const Stmt *s, const char *name, bool *twice) {
  if (!E->now->body->net) {
    elab_help(elab_error(E, CODE_misplaced, s->at, "`param` is only allowed in a `net` or a `flow`"),
              "a `net` with one parameter list is an instance of its own: call it directly");
    return false;
  }
  if (!may_have(E, s->at)) return false;
  uint32_t nstack;
  if (turns_here(E, &nstack) != E->now->body->stack) {
    elab_help(elab_error(E, CODE_misplaced, s->at, "`param` is not allowed in a comprehension"),
              "call a net in it: each turn has its own parameters; or declare `param %s: real[n, ...]` before it, and read `%s[k]`",
              s->names->name, s->names->name);
    return false;
  }
  for (uint32_t i = 0; i < E->now->body->params.n; i++)
    if (E->now->body->params.at[i] == name) {
      elab_error(E, CODE_defined_twice, s->names->name_at, "there is already a parameter `%s`", name);
      *twice = true;
      return false;
    }
  *vec_push(&E->now->body->params) = name;
  return true;
}

/* p has its type and place; s: what says where it starts, or NULL where p does. */
static bool find_or_make(Elab *E, const char *name, Param p, const Stmt *s, Span at, Val *out) {
  char want[96], have[96];
  const Body *b = E->now->body;
  const Type type = p.type;
  const char *path = p.path = arena_printf(E->mem, "%s/%s", b->path, name);
  const uint32_t i = param_find(E, path);
  Type whole;
  if (!elab_fits(E, turns_elements(type, b->stack, b->nstack), outermost(E, at))) return false;
  if (!turns_type(type, b->stack, b->nstack, &whole)) return turns_unroll_stack(b->stack, b->nstack), false;
  if (i < E->made.params.n && !same_place(E, path, E->made.params.at[i].at, p.at)) return false;
  if (i == E->made.params.n) {
    if (s && !start_of(E, s, &p)) return false;
    p.type = whole, p.stacked = b->nstack;
    param_add(E, p);
  }
  if (!type_eq(E->made.params.at[i].type, whole)) {
    elab_error(E, CODE_instance_shape, outermost(E, at), "the parameter `%s` is %s here, and %s elsewhere", path,
               type_user(type, want, sizeof want), type_user(param_turn_type(&E->made.params.at[i]), have, sizeof have));
    return false;
  }
  return *out = elab_param(E, i, b->stack, b->nstack, at), true;
}

bool elab_param_here(Elab *E, const char *name, Param start, Val *out) {
  return may_have(E, start.at) && find_or_make(E, name, start, NULL, start.at, out);
}

static Value declared(Elab *E, const Stmt *s, Type type) {
  const Param p = {.type = type, .init = INIT_VALUE, .at = s->names->name_at};
  Val v;
  return find_or_make(E, s->names->name, p, s, s->at, &v) ? elab_value(E, v) : POISON;
}

void elab_param_stmt(Elab *E, const Stmt *s) {
  uint32_t rank = 0, dim[IR_MAX_RANK];
  Value v = POISON;
  bool twice = false;
  const char *name = s->names->name;
  if (s->type && !ast_type_real(s->type)) elab_error(E, CODE_parameter, s->type->at, "a parameter must be real, with a shape");
  else if (may_own(E, s, name, &twice) && (!s->type || elab_dims(E, s->type, false, &rank, dim)))
    v = declared(E, s, type_real(false, (int)rank, dim));
  if (!twice) frame_define(E, name, s->names->name_at, v, false);
}
