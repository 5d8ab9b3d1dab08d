/* Declared types: shapes are checked against values, and shape variables bound by them. */
#include "frontend/elab/elab_priv.h"

#include <string.h>

/* A name in a shape is a shape variable unless it is a local name or a constant of the file: what else bears it, data,
 * functions, networks, the language's own, has no size. */
bool elab_shape_variable(Elab *E, const Expr *e) {
  if (e->kind != EX_NAME || frame_find(E->now->frame, e->name)) return false;
  const Global *g = module_find(E->now->frame->module, e->name);
  return !g || g->item->kind != IT_CONST;
}

static bool open_names(Elab *E, const Expr *e) {
  if (!e) return false;
  if (e->kind == EX_NAME) return elab_shape_variable(E, e);
  if (e->kind == EX_UNARY || e->kind == EX_BINARY) return open_names(E, e->a) || open_names(E, e->b);
  return false;
}

/* The declared type with its numbers filled in, as far as they are known. */
static const char *declared(Elab *E, const TypeExpr *t) {
  const char *s = t->base;
  if (t->list) return arena_printf(E->mem, "%s[]", s);
  if (!t->ndims) return s;
  s = arena_printf(E->mem, "%s[", s);
  for (const Arg *a = t->dims; a; a = a->next) {
    Value v = POISON;
    if (!open_names(E, a->value)) v = elab_expr(E, a->value);
    if (v.kind == V_NUM) s = arena_printf(E->mem, "%s%g", s, v.num.v);
    else s = arena_printf(E->mem, "%s%s", s, a->value->kind == EX_NAME ? a->value->name : "?");
    s = arena_printf(E->mem, "%s%s", s, a->next ? ", " : "]");
  }
  return s;
}

static bool written_out(const Elab *E, Span at) { return at.file && source_file(E->src, at.file)->text[at.begin] == '['; }

static bool wrong(Elab *E, const TypeExpr *t, Value v, Span at, const char *what) {
  bool number = !strcmp(t->base, "real");
  const char *want = declared(E, t), *have = !strcmp(t->base, "int") ? value_shown(E, v)
                                             : number                ? value_text(E, v)
                                                                     : value_kind(E, v);
  DiagMsg *m = elab_error(E, CODE_argument_type, at, "%s needs %s, found %s", what, want, have);
  Type ty;
  elab_label(m, t->at, "declared here");
  if (t->list && v.kind == V_NUM) elab_help(m, "write `[%s]` for a list of one element", value_shown(E, v));
  if (v.kind != V_NUM && !strcmp(t->base, "int") && !t->ndims && value_type(v, &ty) && ty.rank == 0)
    elab_help(m, "an `int` is known at compile time; a computed value, or the number of a turn, is a `real`");
  if (value_type(v, &ty) && ty.dt == DT_REAL && number) {
    if (ty.rank == 0 && t->ndims == 1) elab_help(m, "`[x]` makes a real[1] of a scalar");
    if (ty.rank == 2 && t->ndims == 1)
      elab_help(m, written_out(E, at) ? "`concat(a, b)` joins vectors end to end, `[a, b]` makes rows of them"
                                      : "`x[0]` is the first row of a matrix x, `x[:, 0]` its first column");
    if (ty.rank == 1 && ty.dim[0] == 1 && t->ndims == 0)
      elab_help(m, "`[0]` takes the element of a real[1]; for vectors, declare it as `real[1]`");
    if (ty.rank == 1 && ty.dim[0] > 1 && t->ndims == 0)
      elab_help(m, "it is declared as a number; for vectors, declare it as `real[%u]`", ty.dim[0]);
  }
  return false;
}

static bool ints(Value v) {
  if (v.kind == V_NUM) return v.num.den == 1;
  if (v.kind == V_TURNS) {
    for (uint32_t i = 0; i < v.turns.level->n; i++)
      if (!ints(v.turns.at[i])) return false;
    return true;
  }
  if (!value_numbers(v)) return false;
  for (uint32_t i = 0; i < v.array->n; i++)
    if (v.array->at[i].den != 1) return false;
  return true;
}

static bool dim_matches(Elab *E, const Arg *d, uint32_t have, bool *good) {
  int64_t n;
  if (elab_shape_variable(E, d->value)) {
    frame_define(E, d->value->name, d->value->at, value_exact(have, 1), false);
    return true;
  }
  if (!elab_int(E, d->value, "a shape", &n)) return *good = false, true;
  return n == have;
}

static bool list_of(Value v, VKind kind) {
  if (v.kind != V_LIST) return false;
  for (uint32_t i = 0; i < v.list.n; i++)
    if (v.list.at[i].kind != kind) return false;
  return true;
}

static bool empty_list(Value v) { return v.kind == V_LIST && v.list.n == 0; }

static bool check_numeric(Elab *E, const TypeExpr *t, Value v, Span at, const char *what) {
  Type ty;
  bool good = true;
  if (t->list && empty_list(v)) return true;
  if (!value_numeric(v) || !value_type(v, &ty)) return wrong(E, t, v, at, what);
  if (t->base[0] == 'i' && !ints(v)) return wrong(E, t, v, at, what);
  if (t->list) return ty.rank == 1 || wrong(E, t, v, at, what);
  if (ty.rank != t->ndims) return wrong(E, t, v, at, what);
  uint32_t k = 0;
  bool match = true;
  for (const Arg *d = t->dims; d; d = d->next, k++) match &= dim_matches(E, d, ty.dim[k], &good);
  return good && (match || wrong(E, t, v, at, what));
}

bool elab_check_type(Elab *E, const TypeExpr *t, Value v, Span at, const char *what) {
  static const char *const bases[] = {"real", "int", "bool", "string"};
  if (v.kind == V_POISON) return true;
  if (!strcmp(t->base, "real") || !strcmp(t->base, "int")) return check_numeric(E, t, v, at, what);
  bool is_bool = !strcmp(t->base, "bool");
  if (!is_bool && strcmp(t->base, "string") != 0) {
    DiagMsg *m = elab_error(E, CODE_unknown_type, t->at, "`%s` is not a type", t->base);
    elab_suggest(m, t->base, bases, 4);
    elab_help(m, "the types are real, int, bool, string, and arrays of them");
    return false;
  }
  Type ty;
  VKind kind = is_bool ? V_BOOL : V_STRING;
  if (t->list ? list_of(v, kind) : v.kind == kind) return true;
  if (is_bool && !t->list && value_type(v, &ty) && ty.dt == DT_BOOL && ty.rank == t->ndims) return true;
  return wrong(E, t, v, at, what);
}

bool elab_dims(Elab *E, const TypeExpr *t, bool silent, uint32_t *rank, uint32_t *dim) {
  int64_t n, count = 1;
  *rank = 0;
  for (const Arg *d = t->dims; d; d = d->next) {
    if (silent && open_names(E, d->value)) return false;
    if (!elab_int(E, d->value, "a shape", &n)) return false;
    if (*rank == IR_MAX_RANK) {
      elab_error(E, CODE_too_large, t->at, "a tensor has at most %d axes", IR_MAX_RANK);
      return false;
    }
    if (n < 1 || n > ELAB_TENSOR || (count *= n) > ELAB_TENSOR) {
      elab_error(E, CODE_out_of_range, d->value->at,
                 n < 1 ? "a size must be positive, found %lld" : "this tensor has too many elements, with a size of %lld",
                 (long long)n);
      return false;
    }
    dim[(*rank)++] = (uint32_t)n;
  }
  return true;
}

static bool formals_known(Elab *E, const Formal *f, Type *out, uint32_t *n) {
  *n = 0;
  for (; f; f = f->next, ++*n) {
    uint32_t rank, dim[IR_MAX_RANK];
    if (*n >= 64 || !ast_type_real(f->type)) return false;
    if (!elab_dims(E, f->type, true, &rank, dim)) return false;
    out[*n] = type_real(false, (int)rank, dim);
  }
  return true;
}

bool func_types(Elab *E, const Func *f, Type *out, uint32_t *n) {
  Context c;
  context_push(E, &c);
  frame_push(E, f->targs, f->module);
  bool known = formals_known(E, f->item->formals, out, n);
  context_pop(E, &c);
  return known;
}
