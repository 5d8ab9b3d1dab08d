/* Expressions: one function per kind of node; the operators themselves are in builtin/elementwise.c. */
#include "frontend/builtin/builtin.h"
#include "frontend/elab/elab_priv.h"
#include "frontend/syntax/synonym.h"

#include <stdlib.h>
#include <string.h>

static Value expr_unary(Elab *E, const Expr *e) {
  Value v = elab_expr(E, e->a);
  if (v.kind == V_POISON) return v;
  if (e->op == OPR_NEG) return elab_negate(E, v, e->a->at);
  return elab_not(E, v, e);
}

static Value expr_items(Elab *E, const Expr *e, bool tuple) {
  Value *v = ARENA_ARRAY(E->mem, Value, e->nargs + 1);
  Span *at = ARENA_ARRAY(E->mem, Span, e->nargs + 1);
  uint32_t n = 0;
  bool poison = false;
  for (const Arg *a = e->args; a; a = a->next) {
    v[n] = elab_expr(E, a->value);
    at[n] = a->value->at;
    poison |= v[n++].kind == V_POISON;
  }
  if (poison) return POISON;
  return tuple ? value_tuple(E, v, n) : elab_list(E, v, at, n, e->at);
}

/* np.linalg.norm: what the last name is called here, or the general rule. */
static bool module_member(Elab *E, const Expr *e) {
  const Expr *root = e->a;
  char lower[64];
  while (root->kind == EX_MEMBER) root = root->a;
  if (root->kind != EX_NAME || elab_known(E, root->name, true) || !synonym(root->name)) return false;
  size_t n = 0;
  for (; e->name[n] && n + 1 < sizeof lower; n++)
    lower[n] = (char)(e->name[n] >= 'A' && e->name[n] <= 'Z' ? e->name[n] + 32 : e->name[n]);
  lower[n] = 0;
  const char *here = elab_known(E, intern(E->m->names, lower), true) ? arena_printf(E->mem, "write `%s`, without a module", lower)
                                                                     : synonym(e->name);
  DiagMsg *m =
      elab_unknown_first(E, root->name) ? elab_error(E, CODE_undefined, root->at, "`%s` is not defined", root->name) : NULL;
  elab_help(m, "%s", here ? here : synonym(root->name));
  return true;
}

static Value expr_member(Elab *E, const Expr *e) {
  if (module_member(E, e)) return POISON;
  Value v = elab_expr(E, e->a);
  if (v.kind == V_POISON) return v;
  if (strcmp(e->name, "T") == 0) return elab_transpose(E, v, e->at);
  DiagMsg *m = elab_error(E, CODE_no_member, e->name_at, "%s has no member `%s`", value_text(E, v), e->name);
  const char *other = synonym(e->name);
  if (builtin_find(e->name)) elab_help(m, "write a call as `%s(x)`", e->name);
  else if (other) elab_help(m, "%s", other);
  else elab_help(m, "the only member is `.T`, the transpose");
  return POISON;
}

static Value expr_string(const Expr *e) { return (Value){.kind = V_STRING, .string = e->name}; }

static Value dispatch(Elab *E, const Expr *e) {
  switch (e->kind) {
  case EX_ERROR: return POISON;
  case EX_NUMBER: return (Value){.kind = V_NUM, .num = {e->value, e->num, e->den}};
  case EX_STRING: return expr_string(e);
  case EX_BOOL: return value_bool(e->value != 0);
  case EX_NAME: {
    const Value v = elab_name(E, e->name, e->at);
    return v.kind == V_REPORT ? elab_stat(E, v.report, (ReportStat){.stat = STAT_MEAN}, e->at) : v;
  }
  case EX_UNARY: return expr_unary(E, e);
  case EX_BINARY: {
    Value a = elab_expr(E, e->a), b = elab_expr(E, e->b);
    return elab_binary(E, e->op, a, b, e->a, e->b, e->at, e->op_at);
  }
  case EX_CALL: return elab_call(E, e);
  case EX_INDEX: return elab_index(E, e);
  case EX_MEMBER: return expr_member(E, e);
  case EX_LIST: return expr_items(E, e, false);
  case EX_COMPREHENSION: return elab_comprehension(E, e, false);
  case EX_TUPLE: return expr_items(E, e, true);
  case EX_BLOCK: return elab_block_value(E, e->block);
  case EX_RANGE: {
    DiagMsg *m = elab_error(E, CODE_range, e->at, "a range is only allowed in subscripts, `for` and comprehensions");
    elab_help(m, "`[k for k in a:b]` makes a list");
    return POISON;
  }
  }
  return POISON;
}

Value elab_expr(Elab *E, const Expr *e) {
  if (!e || elab_stop(E)) return POISON;
  if (E->now->depth >= ELAB_DEPTH) {
    elab_error(E, CODE_too_deep, e->at, "this is nested too deeply");
    return POISON;
  }
  elab_at(E, e->at);
  if (!elab_spend(E, 1)) return POISON;
  const Fn *fn = E->now->level->fn;
  const uint32_t first = fn->inst.n;
  E->now->depth++;
  Value v = dispatch(E, e);
  E->now->depth--;
  elab_note_type(E, e, v);
  elab_note_made(E, e, fn, first);
  return v;
}

bool elab_int(Elab *E, const Expr *e, const char *what, int64_t *out) {
  Value v = elab_expr(E, e);
  if (v.kind == V_POISON) return false;
  if (turns_int(v, out)) return true;
  if (turns_unroll(E, v)) return false;
  DiagMsg *m;
  if (v.kind == V_NUM) m = elab_error(E, CODE_whole_number, e->at, "%s needs an integer, found %g", what, v.num.v);
  else if (v.kind == V_TURNS)
    m = elab_error(E, CODE_not_constant, e->at, "%s needs one integer for all turns of the comprehension", what);
  else m = elab_error(E, CODE_not_constant, e->at, "%s needs an integer known at compile time, found %s", what, value_text(E, v));
  Span defined;
  if (e->kind == EX_NAME && elab_defined(E, e->name, &defined)) elab_label(m, defined, "`%s` is defined here", e->name);
  return false;
}

/* ---- whole values -------------------------------------------------------------------------------------- */

Value elab_transpose(Elab *E, Value v, Span at) {
  Type t;
  if (value_type(v, &t) && t.dt == DT_BOOL) return elab_as_truths(E, elab_transpose(E, elab_as_numbers(E, v), at));
  if (!value_numeric(v) || !value_type(v, &t)) {
    elab_error(E, CODE_wrong_shape, at, "`.T` needs a matrix, found %s", value_text(E, v));
    return POISON;
  }
  int perm[IR_MAX_RANK];
  for (int k = 0; k < t.rank; k++) perm[k] = t.rank - 1 - k;
  if (t.rank < 2) return v;
  Scratch s;
  bool fixed = value_static(v);
  if (fixed) scratch_begin(E, &s);
  Val x = elab_tensor(E, v, at);
  Value r = elab_value(E, ir_transpose(elab_at(E, at), x, perm));
  return fixed ? scratch_end(E, &s, r, at) : r;
}

uint32_t value_length(Elab *E, Value v) {
  (void)E;
  Type t;
  if (v.kind == V_LIST || v.kind == V_TUPLE) return v.list.n;
  return value_type(v, &t) && t.rank > 0 ? t.dim[0] : 0;
}

Value elab_element(Elab *E, Value v, uint32_t i, Span at) {
  if (v.kind == V_LIST || v.kind == V_TUPLE) return v.list.at[i];
  if (v.kind == V_ARRAY) return array_element(E, v.array, i);
  if (v.kind == V_TURNS && value_arrays(v)) {
    Value *turn = ARENA_ARRAY(E->mem, Value, v.turns.level->n + 1);
    for (uint32_t t = 0; t < v.turns.level->n; t++) turn[t] = elab_element(E, v.turns.at[t], i, at);
    v.turns.at = turn;
    return v;
  }
  Val x = elab_tensor(E, v, at);
  return elab_value(E, ir_index(elab_at(E, at), x, 0, i));
}

/* ---- lists ------------------------------------------------------------------------------------------- */

static Value list_ragged(Elab *E, const Value *at, const Span *span, uint32_t bad, Span whole) {
  DiagMsg *m =
      elab_error(E, CODE_unequal_elements, span ? span[bad] : whole, "the elements of a list need the same shape, found %s and %s",
                 value_text(E, at[0]), value_text(E, at[bad]));
  if (span) {
    elab_label(m, span[0], "%s", value_text(E, at[0]));
    elab_label(m, span[bad], "%s", value_text(E, at[bad]));
  }
  return POISON;
}

static Value list_static(Elab *E, const Value *at, uint32_t n, Span whole) {
  uint32_t dim[IR_MAX_RANK] = {n}, rank = 1, each = 1;
  if (at[0].kind == V_ARRAY) {
    if (at[0].array->rank == IR_MAX_RANK) {
      elab_error(E, CODE_too_large, whole, "a tensor has at most %d axes", IR_MAX_RANK);
      return POISON;
    }
    rank += at[0].array->rank;
    each = at[0].array->n;
    memcpy(dim + 1, at[0].array->dim, sizeof *dim * at[0].array->rank);
  }
  if ((int64_t)each * n > ELAB_ELEMENTS) {
    elab_error(E, CODE_too_large, whole, "this list has more than %d elements", (int)ELAB_ELEMENTS);
    return POISON;
  }
  Num *v = ARENA_ARRAY(E->mem, Num, each * n + 1);
  for (uint32_t i = 0; i < n; i++) {
    if (at[i].kind == V_ARRAY) memcpy(v + (size_t)i * each, at[i].array->at, sizeof *v * each);
    else v[i] = at[i].kind == V_NUM ? at[i].num : num_of(at[i].b);
  }
  Value list = value_array(E, rank, dim, v);
  return at[0].kind == V_BOOL || (at[0].kind == V_ARRAY && at[0].array->truth) ? value_truths(E, list) : list;
}

static Value list_turns(Elab *E, Level *l, const Value *at, const Span *span, uint32_t n, Span whole) {
  Value *turn = ARENA_ARRAY(E->mem, Value, l->n + 1), *one = ARENA_ARRAY(E->mem, Value, n + 1);
  if ((int64_t)l->n * n > ELAB_ELEMENTS) {
    elab_error(E, CODE_too_large, whole, "this list has more than %d elements in all turns", (int)ELAB_ELEMENTS);
    return POISON;
  }
  for (uint32_t t = 0; t < l->n; t++) {
    if (!elab_spend(E, n)) return POISON;
    for (uint32_t i = 0; i < n; i++) one[i] = value_turn(at[i], l, t);
    if ((turn[t] = elab_list(E, one, span, n, whole)).kind == V_POISON) return POISON;
  }
  return (Value){.kind = V_TURNS, .turns = {l, turn}};
}

static Value list_tensors(Elab *E, const Value *at, const Span *span, uint32_t n, Span whole) {
  Val *x = ARENA_ARRAY(E->mem, Val, n + 1);
  for (uint32_t i = 0; i < n; i++) x[i] = elab_tensor(E, at[i], span ? span[i] : whole);
  const bool truth = elab_type(E, x[0]).dt == DT_BOOL;
  for (uint32_t i = 0; truth && i < n; i++) x[i] = ir_indicator(elab_at(E, whole), x[i]);
  if (elab_type(E, x[0]).rank == IR_MAX_RANK) {
    elab_error(E, CODE_too_large, whole, "a tensor has at most %d axes", IR_MAX_RANK);
    return POISON;
  }
  if (!elab_fits(E, type_count(elab_type(E, x[0])) * n, whole)) return POISON;
  Val list = ir_stack(elab_at(E, whole), x, n);
  return elab_value(E, truth ? ir_ne(elab_at(E, whole), list, ir_const(elab_at(E, whole), 0)) : list);
}

Value elab_list(Elab *E, const Value *at, const Span *span, uint32_t n, Span whole) {
  bool stacks = n > 0, fixed = true;
  Level *deepest = NULL;
  Type first = {0}, t;
  if (n) value_type(at[0], &first);
  for (uint32_t i = 0; i < n; i++) {
    if (at[i].kind == V_POISON) return POISON;
    if (!value_type(at[i], &t) || t.dt != first.dt || t.dt == DT_MULTI) stacks = false;
    fixed &= at[i].kind != V_TENSOR;
    Level *l = value_turns(at[i]);
    if (l && (!deepest || level_depth(l) > level_depth(deepest))) deepest = l;
  }
  if (!stacks) {
    Value *copy = ARENA_ARRAY(E->mem, Value, n + 1);
    if (n) memcpy(copy, at, sizeof *at * n);
    return (Value){.kind = V_LIST, .list = {copy, n}};
  }
  for (uint32_t i = 0; i < n; i++) {
    value_type(at[i], &t);
    if (!type_same_dims(first, t)) return list_ragged(E, at, span, i, whole);
  }
  if (!fixed) return list_tensors(E, at, span, n, whole);
  return deepest ? list_turns(E, deepest, at, span, n, whole) : list_static(E, at, n, whole);
}
