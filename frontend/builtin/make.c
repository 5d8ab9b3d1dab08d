/* Handlers that make values out of nothing: constant arrays, draws; and the misplaced. */
#include "frontend/builtin/builtin_priv.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static Value filled(Elab *E, uint32_t rank, const uint32_t *dim, Num x) {
  uint32_t n = 1;
  for (uint32_t k = 0; k < rank; k++) n *= dim[k];
  Num *v = ARENA_ARRAY(E->mem, Num, n + 1);
  for (uint32_t i = 0; i < n; i++) v[i] = x;
  return rank ? value_array(E, rank, dim, v) : (Value){.kind = V_NUM, .num = x};
}

static bool size_arg(Elab *E, const Actual *a, int64_t most, uint32_t *out) {
  int64_t n;
  if (!need_int(E, a, "a size", &n)) return false;
  if (n >= 1 && n <= most) return *out = (uint32_t)n, true;
  elab_error(E, CODE_out_of_range, a->at, "a size must be from 1 to %lld, found %lld", (long long)most, (long long)n);
  return false;
}

Value bi_eye(Elab *E, const Builtin *b, Actuals *a) {
  (void)b;
  uint32_t n;
  if (!size_arg(E, &a->at[0], 2048, &n)) return POISON;
  Value v = filled(E, 2, (uint32_t[]){n, n}, num_of(0));
  for (uint32_t i = 0; i < n; i++) ((Num *)v.array->at)[i * n + i] = num_of(1);
  return v;
}

Value bi_omega(Elab *E, const Builtin *b, Actuals *a) {
  (void)b;
  uint32_t n;
  if (!size_arg(E, &a->at[0], 1024, &n)) return POISON;
  Value v = filled(E, 2, (uint32_t[]){2 * n, 2 * n}, num_of(0));
  Num *at = (Num *)v.array->at;
  for (uint32_t i = 0; i < n; i++) {
    at[i * 2 * n + n + i] = num_of(1);
    at[(n + i) * 2 * n + i] = num_of(-1);
  }
  return v;
}

/* zeros(2, 3) and zeros([2, 3]) */
Value bi_fill(Elab *E, const Builtin *b, Actuals *a) {
  uint32_t rank, dim[IR_MAX_RANK];
  if (a->n == 1) return need_shape(E, &a->at[0], &rank, dim) ? filled(E, rank, dim, num_of(b->op)) : POISON;
  int64_t total = 1;
  for (rank = 0; rank < a->n; rank++) {
    if (rank == IR_MAX_RANK) {
      elab_error(E, CODE_too_large, a->at[rank].at, "a tensor has at most %d axes", IR_MAX_RANK);
      return POISON;
    }
    if (!size_arg(E, &a->at[rank], ELAB_ELEMENTS, &dim[rank])) return POISON;
    if ((total *= dim[rank]) > ELAB_ELEMENTS) {
      elab_error(E, CODE_too_large, a->call, "this shape has more than %d elements", (int)ELAB_ELEMENTS);
      return POISON;
    }
  }
  return filled(E, rank, dim, num_of(b->op));
}

Value bi_linspace(Elab *E, const Builtin *b, Actuals *a) {
  (void)b;
  uint32_t n;
  for (int i = 0; i < 2; i++)
    if (a->at[i].v.kind != V_NUM) {
      double d;
      need_number(E, &a->at[i], "an end of `linspace`", &d);
      return POISON;
    }
  if (!size_arg(E, &a->at[2], ELAB_ELEMENTS, &n)) return POISON;
  Num lo = a->at[0].v.num, hi = a->at[1].v.num, span = num_apply(OP_sub, hi, lo);
  Value v = filled(E, 1, &n, lo);
  for (uint32_t i = 1; i < n; i++) {
    Num step = num_apply(OP_div, num_apply(OP_mul, span, num_of(i)), num_of(n - 1));
    ((Num *)v.array->at)[i] = i == n - 1 ? hi : num_apply(OP_add, lo, step);
  }
  return v;
}

/* ---- draws --------------------------------------------------------------------------------------------- */

/* Counted in reals. */
static bool countable(Elab *E, double turns, Span at) {
  const bool f32 = E->now->level->fn->f64 == FN_F32;
  if (turns <= (f32 ? 0x1p24 : 0x1p32)) return true;
  DiagMsg *m = elab_error(E, CODE_too_large, at, "the loops around this draw have %.0f turns, more than the limit of 2^%d", turns,
                          f32 ? 24 : 32);
  if (f32) elab_help(m, "in `data`, and with `precision f64`, the limit is 2^32");
  return false;
}

/* The number of the turn in all loops around, as one count; VAL_NONE outside loops. False after an error. */
static bool counter(Elab *E, Span at, Val *out) {
  enum { DEEPEST = 64 };
  Level *chain[DEEPEST];
  int n = 0;
  double turns = 1;
  *out = VAL_NONE;
  for (Level *l = E->now->level; l && n < DEEPEST; l = l->up)
    if (l->n || l->turns) turns *= l->n ? l->n : (double)l->turns, chain[n++] = l;
  if (n == 0) return true;
  if (!countable(E, turns, at)) return false;
  Value c = value_exact(0, 1);
  while (n-- > 0) {
    Level *l = chain[n];
    Value k = l->n ? (Value){.kind = V_TURNS, .turns = {l, l->index}} : value_tensor(l, level_turn(E, l));
    Value scaled = elab_binary_op(E, OP_mul, c, value_exact(l->n ? l->n : (int64_t)l->turns, 1), at, at, at, "*");
    c = elab_binary_op(E, OP_add, scaled, k, at, at, at, "+");
  }
  *out = elab_tensor(E, c, at);
  return true;
}

static bool may_draw(Elab *E, const Builtin *b, Span at) {
  const char *why = E->now->root->no_draws ? E->now->root->no_draws : E->now->no_draws;
  if (!why) return true;
  elab_help(elab_error(E, CODE_draws, at, "`%s` cannot be drawn here", b->name), "%s", why);
  return false;
}

static bool draw(Elab *E, int kind, Type t, Span at, Val *out) {
  Val c;
  t.lane = 1;
  if (!counter(E, at, &c)) return false;
  if (!E->now->root->sites) E->now->root->drawn = at;
  *out = ir_rand(elab_at(E, at), kind, E->now->root->sites++, c, t);
  return true;
}

static bool draw_shape(Elab *E, const Builtin *b, Actuals *a, Type *t) {
  uint32_t rank, dim[IR_MAX_RANK];
  *t = type_scalar(true);
  bool given = a->at[2].v.kind != V_NONE;
  if (given) {
    if (!need_shape(E, &a->at[2], &rank, dim)) return false;
    *t = type_real(true, (int)rank, dim);
  }
  for (int i = 0; i < 2; i++) {
    Type x;
    if (a->at[i].v.kind == V_NONE) continue;
    if (!value_numeric(a->at[i].v) || !value_type(a->at[i].v, &x)) return error_shape(E, &a->at[i], b->name, "numbers"), false;
    if (x.rank && !given && !t->rank) *t = type_real(true, x.rank, x.dim);
    if (x.rank && !type_same_dims(x, *t)) return error_shape(E, &a->at[i], b->name, "scalars, or the shape of the draw"), false;
  }
  return true;
}

/* uniform: a + (b - a)*u; normal: mean + sd*z */
Value bi_draw(Elab *E, const Builtin *b, Actuals *a) {
  Type t;
  if (!may_draw(E, b, a->call) || !draw_shape(E, b, a, &t)) return POISON;
  Span s0 = a->at[0].at, s1 = a->at[1].at;
  Value lo = a->at[0].v.kind == V_NONE ? value_num(0) : a->at[0].v, hi = a->at[1].v.kind == V_NONE ? value_num(1) : a->at[1].v;
  if (a->at[0].v.kind != V_NONE && a->at[1].v.kind == V_NONE && b->op == 0) {
    elab_help(elab_error(E, CODE_missing_argument, a->call, "`uniform` has a lower end, but no upper end"),
              "write `uniform(a, b)`, or `uniform()` for 0 to 1");
    return POISON;
  }
  if (b->op == 1 && hi.kind == V_NUM && hi.num.v < 0) {
    elab_error(E, CODE_out_of_range, s1, "a standard deviation must not be negative, found %g", hi.num.v);
    return POISON;
  }
  if (b->op == 0 && lo.kind == V_NUM && hi.kind == V_NUM && hi.num.v < lo.num.v) {
    elab_error(E, CODE_out_of_range, a->call, "`uniform` needs the lower end first, found %g and %g", lo.num.v, hi.num.v);
    return POISON;
  }
  Val drawn;
  if (!draw(E, b->op, t, a->call, &drawn)) return POISON;
  Value u = elab_value(E, drawn);
  Value width = b->op == 0 ? elab_binary_op(E, OP_sub, hi, lo, s1, s0, a->call, b->name) : hi;
  Value scaled = elab_binary_op(E, OP_mul, width, u, a->call, a->call, a->call, b->name);
  return elab_binary_op(E, OP_add, lo, scaled, s0, a->call, a->call, b->name);
}

static Val bounds(Elab *E, uint32_t n, int shift, Span at) {
  double *v = base_realloc(NULL, sizeof *v * n);
  for (uint32_t i = 0; i < n; i++) v[i] = (double)(i + (uint32_t)shift) / n;
  if (shift) v[n - 1] = 2;
  Val r = ir_table(elab_at(E, at), type_real(false, 1, &n), v);
  base_free(v);
  return r;
}

/* One uniform draw; the element whose share of [0, 1) it falls into. */
Value bi_choice(Elab *E, const Builtin *b, Actuals *a) {
  Type t;
  Value list = a->at[0].v;
  static const int one[1] = {0};
  int lb[IR_MAX_RANK], lo[IR_MAX_RANK];
  if (!value_numeric(list) || !value_type(list, &t) || t.rank == 0)
    return error_shape(E, &a->at[0], b->name, "a list of numbers or tensors");
  if (!may_draw(E, b, a->call)) return POISON;
  Val x = elab_tensor(E, list, a->at[0].at), u;
  if (!draw(E, 0, type_scalar(true), a->call, &u)) return POISON;
  Val low = bounds(E, t.dim[0], 0, a->call), high = bounds(E, t.dim[0], 1, a->call);
  Build *bl = elab_at(E, a->call);
  Val above = ir_le(bl, low, u), below = ir_lt(bl, u, high), hit = ir_and(bl, above, below);
  Val yes = ir_const(bl, 1), no = ir_const(bl, 0), weight = ir_select(bl, hit, yes, no);
  for (int k = 0; k < t.rank; k++) lb[k] = k;
  for (int k = 1; k < t.rank; k++) lo[k - 1] = k;
  return elab_value(E, ir_dot(bl, weight, x, false, one, lb, t.rank - 1, lo));
}

/* ---- the misplaced ------------------------------------------------------------------------------------- */

Value bi_misplaced(Elab *E, const Builtin *b, Actuals *a) {
  elab_error(E, CODE_misplaced, a->call, "`%s` is only allowed in %s", b->name, b->op ? "`running`" : "`data`");
  return POISON;
}
