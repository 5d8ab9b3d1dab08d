/* Static values: exact numbers, arrays of them, and how values are described to the user.
 *
 * A number carries its f64 and, while it fits, the exact rational: num/den in lowest terms, den > 0.
 * The f64 of an exact number is the nearest one to num/den whenever both fit a double. */
#include "frontend/elab.h"

#include <math.h>
#include <string.h>

/* ---- numbers ------------------------------------------------------------------------------------ */

static int64_t gcd(int64_t a, int64_t b) {
  while (b) {
    int64_t t = a % b;
    a = b;
    b = t;
  }
  return a < 0 ? -a : a;
}

static Num inexact(double v) { return (Num){v, 0, 0}; }

static bool safe(int64_t x) { return x > -((int64_t)1 << 53) && x < (int64_t)1 << 53; }

static Num exact(int64_t num, int64_t den, double v) {
  if (den == 0) return inexact(v);
  if (num == INT64_MIN || den == INT64_MIN) return inexact(v);
  if (den < 0) num = -num, den = -den;
  int64_t g = gcd(num, den);
  if (g > 1) num /= g, den /= g;
  return (Num){safe(num) && safe(den) ? (double)num / (double)den : v, num, den};
}

Num number_of(double v) {
  if (v == floor(v) && fabs(v) < 9007199254740992.0) return (Num){v, (int64_t)v, 1};
  return inexact(v);
}

Num number_neg(Num a) { return (Num){-a.v, -a.num, a.den}; }

static bool mul(int64_t a, int64_t b, int64_t *out) { return !__builtin_mul_overflow(a, b, out); }

static Num num_add(Num a, Num b) {
  int64_t x, y, n, d;
  double v = a.v + b.v;
  if (a.den && b.den && mul(a.num, b.den, &x) && mul(b.num, a.den, &y) && !__builtin_add_overflow(x, y, &n) &&
      mul(a.den, b.den, &d))
    return exact(n, d, v);
  return inexact(v);
}

static Num num_mul(Num a, Num b) {
  int64_t n, d;
  double v = a.v * b.v;
  if (a.den && b.den && mul(a.num, b.num, &n) && mul(a.den, b.den, &d)) return exact(n, d, v);
  return inexact(v);
}

static Num num_div(Num a, Num b) {
  int64_t n, d;
  double v = a.v / b.v;
  if (a.den && b.den && b.num && mul(a.num, b.den, &n) && mul(a.den, b.num, &d)) return exact(n, d, v);
  return inexact(v);
}

static Num num_pow(Num a, Num b) {
  double v = pow(a.v, b.v);
  if (b.den != 1 || !a.den || b.num > 4096 || b.num < -4096) return inexact(v);
  Num r = {1, 1, 1};
  for (int64_t k = b.num < 0 ? -b.num : b.num; k > 0 && r.den; k--) r = num_mul(r, a);
  if (r.den && b.num < 0) r = num_div((Num){1, 1, 1}, r);
  return r.den ? r : inexact(v);
}

bool number_op(Opr op, Num a, Num b, Num *out) {
  switch (op) {
  case OPR_ADD:
    *out = num_add(a, b);
    return true;
  case OPR_SUB:
    *out = num_add(a, number_neg(b));
    return true;
  case OPR_MUL:
    *out = num_mul(a, b);
    return true;
  case OPR_DIV:
    *out = num_div(a, b);
    return true;
  case OPR_POW:
    *out = num_pow(a, b);
    return true;
  default:
    return false;
  }
}

/* ---- making values ------------------------------------------------------------------------------- */

Value value_num(double v) { return (Value){.kind = V_NUM, .num = number_of(v)}; }
Value value_exact(int64_t num, int64_t den) {
  return (Value){.kind = V_NUM, .num = exact(num, den, (double)num / (double)den)};
}
Value value_bool(bool b) { return (Value){.kind = V_BOOL, .b = b}; }
Value value_func(const Func *f) { return (Value){.kind = V_FUNC, .func = f}; }
Value value_tensor(Level *l, Val v) { return (Value){.kind = V_TENSOR, .t = {l, v}}; }

Value value_array(Elab *E, uint32_t rank, const uint32_t *dim, const Num *at) {
  Array *a = ARENA_NEW(E->mem, Array);
  a->rank = rank;
  a->n = 1;
  for (uint32_t k = 0; k < rank; k++) a->dim[k] = dim[k], a->n *= dim[k];
  E->spent += a->n / 4;
  a->at = at;
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

/* ---- asking ---------------------------------------------------------------------------------------- */

bool value_is_int(Value v, int64_t *out) {
  if (v.kind != V_NUM || v.num.den != 1) return false;
  *out = v.num.num;
  return true;
}

bool value_static(Value v) { return v.kind == V_NUM || v.kind == V_ARRAY; }

bool value_type(Value v, Type *out) {
  switch (v.kind) {
  case V_NUM:
  case V_REPORT:
    *out = type_scalar(false);
    return true;
  case V_BOOL:
    *out = type_scalar(false);
    out->dt = DT_BOOL;
    return true;
  case V_ARRAY:
    *out = type_real(false, (int)v.array->rank, v.array->dim);
    return true;
  case V_TENSOR:
    *out = ir_type(v.t.level->fn, v.t.v);
    return true;
  case V_TURNS:
    return value_type(v.turns.at[0], out);
  default:
    return false;
  }
}

bool value_numeric(Value v) {
  Type t;
  return value_type(v, &t) && t.dt == DT_REAL;
}

Value array_element(Elab *E, const Array *a, uint32_t i) {
  if (a->rank == 1) return (Value){.kind = V_NUM, .num = a->at[i]};
  uint32_t n = a->n / a->dim[0];
  return value_array(E, a->rank - 1, a->dim + 1, a->at + (size_t)i * n);
}

bool value_equal(Value a, Value b) {
  if (a.kind != b.kind) return false;
  switch (a.kind) {
  case V_NUM:
    return a.num.v == b.num.v;
  case V_BOOL:
    return a.b == b.b;
  case V_STRING:
    return !strcmp(a.string, b.string);
  case V_ARRAY:
    if (a.array->rank != b.array->rank || a.array->n != b.array->n) return false;
    for (uint32_t i = 0; i < a.array->n; i++)
      if (a.array->at[i].v != b.array->at[i].v) return false;
    return true;
  default:
    return false;
  }
}

const char *value_text(Elab *E, Value v) {
  char buf[128];
  Type t;
  if (value_type(v, &t)) return arena_strdup(E->mem, type_user(t, buf, sizeof buf));
  switch (v.kind) {
  case V_STRING:
    return "a string";
  case V_LIST:
    return "a list";
  case V_TUPLE:
    return arena_printf(E->mem, "a tuple of %u", v.list.n);
  case V_FUNC:
    switch (v.func->kind) {
    case F_METHOD:
      return "a method";
    case F_OPTION:
      return "an option";
    default:
      return "a function";
    }
  case V_DATA:
    return "data";
  default:
    return "nothing";
  }
}

const char *value_kind(Elab *E, Value v) {
  return v.kind == V_NUM ? "a number" : v.kind == V_BOOL ? "a truth value" : value_text(E, v);
}

const char *value_shown(Elab *E, Value v) {
  if (v.kind == V_NUM) return arena_printf(E->mem, "%g", v.num.v);
  if (v.kind != V_ARRAY || v.array->rank != 1 || v.array->n > 6) return value_text(E, v);
  const char *s = "[";
  for (uint32_t i = 0; i < v.array->n; i++)
    s = arena_printf(E->mem, "%s%s%g", s, i ? ", " : "", v.array->at[i].v);
  return arena_printf(E->mem, "%s]", s);
}
