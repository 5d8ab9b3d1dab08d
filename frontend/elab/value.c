/* Static values: numbers (ir/eval/num.h), arrays of them, and how values are described to the user. */
#include "frontend/elab/elab_priv.h"

#include <math.h>
#include <string.h>

/* ---- making values ------------------------------------------------------------------------------- */

Value value_num(double v) { return (Value){.kind = V_NUM, .num = num_of(v)}; }
Value value_exact(int64_t num, int64_t den) { return (Value){.kind = V_NUM, .num = num_ratio(num, den)}; }
Value value_bool(bool b) { return (Value){.kind = V_BOOL, .b = b}; }
Value value_func(const Func *f) { return (Value){.kind = V_FUNC, .func = f}; }
Value value_tensor(Level *l, Val v) { return (Value){.kind = V_TENSOR, .t = {l, v}}; }

Value value_array(Elab *E, uint32_t rank, const uint32_t *dim, const Num *at) {
  Array *a = ARENA_NEW(E->mem, Array);
  a->rank = rank;
  a->n = 1;
  for (uint32_t k = 0; k < rank; k++) a->dim[k] = dim[k], a->n *= dim[k];
  E->budget.evaluated += a->n / 4;
  a->at = at;
  return (Value){.kind = V_ARRAY, .array = a};
}

Value value_truths(Elab *E, Value v) {
  if (v.kind == V_NUM) return value_bool(v.num.v != 0);
  Array *a = ARENA_NEW(E->mem, Array);
  *a = *v.array;
  a->truth = true;
  return (Value){.kind = V_ARRAY, .array = a};
}

Value value_tuple(Elab *E, const Value *at, uint32_t n) {
  if (n == 1) return at[0];
  Value *copy = ARENA_ARRAY(E->mem, Value, n + 1);
  for (uint32_t i = 0; i < n; i++) {
    if (at[i].kind == V_POISON) return POISON;
    copy[i] = at[i];
  }
  return (Value){.kind = V_TUPLE, .list = {copy, n}};
}

/* ---- reports ------------------------------------------------------------------------------------------ */

int64_t train_steps(const Train *t, int64_t n) {
  if (t->steps) return t->steps;
  uint32_t k = 0;
  while (!t->sum[k].data) k++;
  const int64_t batch = t->sum[k].batch && t->sum[k].batch < n ? t->sum[k].batch : n;
  return (t->epochs * n + batch - 1) / batch;
}

int64_t train_every(const Train *t, int64_t steps) { return t->every ? t->every : steps >= 20 ? steps / 20 : 1; }

Type report_type(const Report *r) {
  Type t = ir_type(r->fn, r->fn->out.at[0]);
  t.lane = false;
  return t;
}

Type stat_type(const ReportUse *use) {
  const Type t = report_type(use->report);
  if (use->stat.stat == STAT_COUNT) return type_scalar(false);
  return stat_of_chains(use->stat.stat) ? type_real(false, t.rank - 1, t.dim + 1) : t;
}

uint32_t stat_at(const ReportUse *use, uint32_t k) {
  enum { ALIGNED = 16 }; /* 64 bytes of f32 */
  uint32_t at = 0;
  for (uint32_t i = 0;; i++) {
    const Type t = stat_type(&use[i]);
    if (t.rank) at = (at + ALIGNED - 1) / ALIGNED * ALIGNED;
    if (i == k) return at;
    at += (uint32_t)type_count(t);
  }
}

/* ---- asking ---------------------------------------------------------------------------------------- */

bool value_is_int(Value v, int64_t *out) {
  if (v.kind != V_NUM || v.num.den != 1) return false;
  *out = v.num.num;
  return true;
}

const Array *value_numbers(Value v) { return v.kind == V_ARRAY && !v.array->truth ? v.array : NULL; }

bool value_static(Value v) { return v.kind == V_NUM || v.kind == V_ARRAY; }
bool value_arrays(Value v) { return v.kind == V_ARRAY || (v.kind == V_TURNS && value_arrays(v.turns.at[0])); }

bool value_type(Value v, Type *out) {
  switch (v.kind) {
  case V_NUM: *out = type_scalar(false); return true;
  case V_REPORT: *out = report_type(v.report); return true;
  case V_BOOL:
    *out = type_scalar(false);
    out->dt = DT_BOOL;
    return true;
  case V_ARRAY:
    *out = type_real(false, (int)v.array->rank, v.array->dim);
    out->dt = v.array->truth ? DT_BOOL : DT_REAL;
    return true;
  case V_TENSOR: *out = ir_type(v.t.level->fn, v.t.v); return true;
  case V_TURNS: return value_type(v.turns.at[0], out);
  default: return false;
  }
}

bool value_numeric(Value v) {
  Type t;
  return value_type(v, &t) && t.dt == DT_REAL;
}

Value array_element(Elab *E, const Array *a, uint32_t i) {
  uint32_t n = a->n / a->dim[0];
  Value v = a->rank == 1 ? (Value){.kind = V_NUM, .num = a->at[i]} : value_array(E, a->rank - 1, a->dim + 1, a->at + (size_t)i * n);
  return a->truth ? value_truths(E, v) : v;
}

bool value_equal(Value a, Value b) {
  if (a.kind != b.kind) return false;
  switch (a.kind) {
  case V_NUM: return a.num.v == b.num.v;
  case V_BOOL: return a.b == b.b;
  case V_STRING: return !strcmp(a.string, b.string);
  case V_ARRAY:
    if (a.array->rank != b.array->rank || a.array->n != b.array->n || a.array->truth != b.array->truth) return false;
    for (uint32_t i = 0; i < a.array->n; i++)
      if (a.array->at[i].v != b.array->at[i].v) return false;
    return true;
  default: return false;
  }
}

const char *value_text(Elab *E, Value v) {
  char buf[128];
  Type t;
  if (value_type(v, &t)) return arena_strdup(E->mem, type_user(t, buf, sizeof buf));
  switch (v.kind) {
  case V_STRING: return "a string";
  case V_LIST: return v.list.n ? "a list" : "an empty list";
  case V_TUPLE: return arena_printf(E->mem, "a tuple of %u", v.list.n);
  case V_FUNC:
    switch (v.func->kind) {
    case F_METHOD: return "a method";
    case F_OPTION: return arena_printf(E->mem, "the option `%s`", v.func->name);
    default: return "a function";
    }
  case V_DATA: return "data";
  default: return "nothing";
  }
}

const char *value_kind(Elab *E, Value v) {
  return v.kind == V_NUM ? "a number" : v.kind == V_BOOL ? "a truth value" : value_text(E, v);
}

const char *value_shown(Elab *E, Value v) {
  if (v.kind == V_NUM) return arena_printf(E->mem, "%g", v.num.v);
  if (!value_numbers(v) || v.array->rank != 1 || v.array->n > 6) return value_text(E, v);
  const char *s = "[";
  for (uint32_t i = 0; i < v.array->n; i++) s = arena_printf(E->mem, "%s%s%g", s, i ? ", " : "", v.array->at[i].v);
  return arena_printf(E->mem, "%s]", s);
}

/* ---- turns ------------------------------------------------------------------------------------------ */

int level_depth(const Level *l) {
  int n = 0;
  for (; l; l = l->up) n++;
  return n;
}

Level *value_turns(Value v) { return v.kind == V_TURNS ? v.turns.level : NULL; }

Value value_turn(Value v, const Level *l, uint32_t t) { return v.kind == V_TURNS && v.turns.level == l ? v.turns.at[t] : v; }
