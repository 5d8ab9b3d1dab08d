/* Types of results, one function `shape_<op>` per structural op; also the only place that says what a
 * well-formed instruction is: counts and ranges of operands and attributes are checked before the
 * op's own rule, so that text from anywhere can be inferred. The types of loops are in shape_loop.c, of products and matrices in shape_matrix.c.
 *
 * `const` and `rand` do not follow from operands: *out holds the declared type on entry. */
#include "ir/core/shape.h"

#include <stdarg.h>
#include <string.h>

bool shape_bad(const Sig *s, const char *fmt, ...) {
  char text[256];
  va_list ap;
  va_start(ap, fmt);
  vsnprintf(text, sizeof text, fmt, ap);
  va_end(ap);
  if (s->errsize) snprintf(s->err, s->errsize, "`%s` %s", ir_op[s->op].name, text);
  return false;
}

const char *shape_text(const Sig *s, Type t, char *buf) { return type_text(t, s->f->f64, buf, SHAPE_TEXT); }

bool shape_sane(const Sig *s, Type t) {
  int64_t n = 1;
  if (t.rank > IR_MAX_RANK) return shape_bad(s, "has rank %d, more than %d", t.rank, IR_MAX_RANK);
  for (int k = 0; k < t.rank; k++) {
    if (t.dim[k] == 0) return shape_bad(s, "has an empty axis %d", k);
    n *= t.dim[k];
    if (n > INT32_MAX) return shape_bad(s, "has more than 2^31 elements");
  }
  return true;
}

/* ---- elementwise ---- */

/* Equal dims or rank 0; the result is per sample if any operand is. */
static bool broadcast(const Sig *s, DType dt, Type *out) {
  Type t = {.dt = (uint8_t)dt};
  char x[SHAPE_TEXT], y[SHAPE_TEXT];
  for (uint32_t k = 0; k < s->nargs; k++) {
    Type a = s->type[k];
    t.lane |= a.lane;
    if (a.rank == 0) continue;
    if (t.rank && !type_same_dims(t, a)) {
      uint32_t with = 0;
      while (!s->type[with].rank) with++;
      return shape_bad(s, "needs operands of equal dims or a scalar, found %s and %s", shape_text(s, s->type[with], x),
                       shape_text(s, a, y));
    }
    t.rank = a.rank;
    memcpy(t.dim, a.dim, sizeof t.dim);
  }
  *out = t;
  return true;
}

bool shape_want(const Sig *s, uint32_t k, DType dt) {
  char x[SHAPE_TEXT];
  if (s->type[k].dt == dt) return true;
  return shape_bad(s, "needs %s as operand %u, found %s", dt == DT_BOOL ? "bools" : "reals", k, shape_text(s, s->type[k], x));
}

static bool elementwise(const Sig *s, DType from, DType to, Type *out) {
  for (uint32_t k = 0; k < s->nargs; k++)
    if (!shape_want(s, k, from)) return false;
  return broadcast(s, to, out);
}

static bool shape_select(const Sig *s, Type *out) {
  if (!shape_want(s, 0, DT_BOOL)) return false;
  if (s->type[1].dt != s->type[2].dt) return shape_bad(s, "needs two reals or two bools to choose from");
  return broadcast(s, (DType)s->type[1].dt, out);
}

static bool shape_require(const Sig *s, Type *out) {
  require_attr attr = require_attr_at(s->attr);
  if (!shape_want(s, 0, DT_BOOL) || !shape_want(s, 1, DT_REAL)) return false;
  if (s->type[1].rank) return shape_bad(s, "quotes a scalar");
  if (attr.cause < 0 || attr.cause >= CAUSE_count || attr.about < 0 ||
      ((attr.cause == CAUSE_NOT_CONVERGED || attr.cause == CAUSE_TIMES) && attr.about >= M_count) ||
      (attr.cause == CAUSE_LOST && attr.about / 2 >= M_count))
    return shape_bad(s, "has a cause and what it is about");
  return broadcast(s, DT_REAL, out);
}

/* ---- leaves ---- */

static bool shape_in(const Sig *s, Type *out) {
  in_attr attr = in_attr_at(s->attr);
  if (attr.index < 0 || attr.index >= s->f->in.n) return shape_bad(s, "names input %lld of %u", (long long)attr.index, s->f->in.n);
  *out = s->f->in.at[attr.index].type;
  if (out->dt == DT_MULTI) return shape_bad(s, "cannot hold several results");
  return shape_sane(s, *out);
}

static bool shape_const(const Sig *s, Type *out) {
  const_attr attr = const_attr_at(s->attr);
  if (out->dt != DT_REAL || out->lane) return shape_bad(s, "is a shared real");
  if (attr.den < 0) return shape_bad(s, "has a negative denominator");
  return shape_sane(s, *out);
}

static bool shape_table(const Sig *s, Type *out) {
  table_attr attr = table_attr_at(s->attr);
  if (attr.table < 0 || attr.table >= s->f->table.n)
    return shape_bad(s, "names table %lld of %u", (long long)attr.table, s->f->table.n);
  *out = s->f->table.at[attr.table].type;
  if (out->dt != DT_REAL || out->lane) return shape_bad(s, "is a shared real");
  return shape_sane(s, *out);
}

/* Whole numbers that f32 holds. */
static bool shape_iota(const Sig *s, Type *out) {
  const int64_t n = iota_attr_at(s->attr).n, most = s->f->f64 == FN_F32 ? INT64_C(1) << 24 : INT32_MAX;
  if (n < 1 || n > most) return shape_bad(s, "counts 1 to %lld turns, found %lld", (long long)most, (long long)n);
  *out = type_real(false, 1, &(uint32_t){(uint32_t)n});
  return shape_sane(s, *out);
}

static bool shape_rand(const Sig *s, Type *out) {
  rand_attr attr = rand_attr_at(s->attr);
  if (s->nargs > 1) return shape_bad(s, "takes a counter at most, found %u operands", s->nargs);
  if (s->nargs && (s->type[0].dt != DT_REAL || s->type[0].lane || s->type[0].rank))
    return shape_bad(s, "needs a shared scalar counter");
  if (attr.kind < 0 || attr.kind > 1) return shape_bad(s, "has kinds 0 and 1, found %lld", (long long)attr.kind);
  if (attr.site < 0 || attr.site > UINT32_MAX) return shape_bad(s, "has a site outside 32 bits");
  if (out->dt != DT_REAL || !out->lane) return shape_bad(s, "draws reals per sample");
  return shape_sane(s, *out);
}

/* ---- lanes ---- */

static bool shape_id(const Sig *s, Type *out) {
  *out = s->type[0];
  return true;
}

static bool shape_barrier(const Sig *s, Type *out) {
  if (!s->nargs || s->type[0].dt != DT_REAL) return shape_bad(s, "needs a real value");
  for (uint32_t k = 1; k < s->nargs; k++)
    if (s->type[k].lane && !s->type[0].lane) return shape_bad(s, "of a shared value waits for none per sample");
  *out = s->type[0];
  return true;
}

static bool shape_spread(const Sig *s, Type *out) {
  *out = s->type[0];
  out->lane = 1;
  return true;
}

static bool shape_batch_sum(const Sig *s, Type *out) {
  if (!shape_want(s, 0, DT_REAL)) return false;
  if (!s->type[0].lane) return shape_bad(s, "needs a value per sample, found a shared one");
  *out = s->type[0];
  out->lane = 0;
  return true;
}

static bool shape_batch_mean(const Sig *s, Type *out) {
  batch_mean_attr attr = batch_mean_attr_at(s->attr);
  char x[SHAPE_TEXT], y[SHAPE_TEXT];
  if (!shape_want(s, 0, DT_REAL) || !shape_want(s, 1, DT_REAL)) return false;
  if (s->type[1].lane) return shape_bad(s, "needs a shared average, found one per sample");
  if (!type_same_dims(s->type[0], s->type[1]))
    return shape_bad(s, "needs an average with the dims of what is averaged, found %s and %s", shape_text(s, s->type[1], x),
                     shape_text(s, s->type[0], y));
  if (attr.param < 0 || attr.param > UINT32_MAX) return shape_bad(s, "names parameter %lld", (long long)attr.param);
  if (attr.lag & ~INT64_C(1)) return shape_bad(s, "has a lag of 0 or 1, found %lld", (long long)attr.lag);
  *out = s->type[1];
  return true;
}

/* ---- rearranging ---- */

static bool dim_attr(const Sig *s, int64_t v, const char *what) {
  if (v >= 1 && v <= INT32_MAX) return true;
  return shape_bad(s, "needs %s of at least 1, found %lld", what, (long long)v);
}

/* An axis of a type of that rank. */
static bool axis_attr(const Sig *s, int64_t axis, int rank) {
  if (axis >= 0 && axis < rank) return true;
  return shape_bad(s, "has no axis %lld in rank %d", (long long)axis, rank);
}

static bool shape_reshape(const Sig *s, Type *out) {
  char x[SHAPE_TEXT], y[SHAPE_TEXT];
  Type t = s->type[0];
  if (s->nattr > IR_MAX_RANK) return shape_bad(s, "to rank %u, more than %d", s->nattr, IR_MAX_RANK);
  memset(t.dim, 0, sizeof t.dim);
  t.rank = (uint8_t)s->nattr;
  for (uint32_t k = 0; k < s->nattr; k++) {
    if (!dim_attr(s, s->attr[k], "dims")) return false;
    t.dim[k] = (uint32_t)s->attr[k];
  }
  if (!shape_sane(s, t)) return false;
  if (type_count(t) != type_count(s->type[0]))
    return shape_bad(s, "must keep the number of elements, found %s to %s", shape_text(s, s->type[0], x), shape_text(s, t, y));
  *out = t;
  return true;
}

static bool shape_transpose(const Sig *s, Type *out) {
  Type a = s->type[0], t = a;
  unsigned seen = 0;
  if (s->nattr != a.rank) return shape_bad(s, "needs %d axes, found %u", a.rank, s->nattr);
  for (uint32_t k = 0; k < s->nattr; k++) {
    if (!axis_attr(s, s->attr[k], a.rank)) return false;
    if (seen >> s->attr[k] & 1) return shape_bad(s, "names axis %lld twice", (long long)s->attr[k]);
    seen |= 1u << s->attr[k];
    t.dim[k] = a.dim[s->attr[k]];
  }
  *out = t;
  return true;
}

static bool shape_flip(const Sig *s, Type *out) {
  *out = s->type[0];
  return axis_attr(s, flip_attr_at(s->attr).axis, s->type[0].rank);
}

static bool shape_expand(const Sig *s, Type *out) {
  expand_attr attr = expand_attr_at(s->attr);
  Type t = s->type[0];
  if (t.rank == IR_MAX_RANK) return shape_bad(s, "to rank %d, more than %d", t.rank + 1, IR_MAX_RANK);
  if (!axis_attr(s, attr.axis, t.rank + 1) || !dim_attr(s, attr.n, "a size")) return false;
  *out = type_with_axis(t, (int)attr.axis, (uint32_t)attr.n);
  return shape_sane(s, *out);
}

static bool reduction(const Sig *s, Type *out) {
  if (!shape_want(s, 0, DT_REAL) || !axis_attr(s, s->attr[0], s->type[0].rank)) return false;
  *out = type_without_axis(s->type[0], (int)s->attr[0]);
  return true;
}
static bool shape_sum(const Sig *s, Type *out) { return reduction(s, out); }
static bool shape_rmax(const Sig *s, Type *out) { return reduction(s, out); }
static bool shape_rmin(const Sig *s, Type *out) { return reduction(s, out); }

static bool shape_slice(const Sig *s, Type *out) {
  const int64_t *a = s->attr;
  if (!axis_attr(s, a[0], s->type[0].rank) || !dim_attr(s, a[2], "a size") || !dim_attr(s, a[3], "a step")) return false;
  uint32_t dim = s->type[0].dim[a[0]];
  if (a[1] < 0 || a[1] >= dim || a[2] > dim || a[1] + (a[2] - 1) * a[3] >= dim)
    return shape_bad(s, "of %lld from %lld by %lld leaves axis %lld of size %u", (long long)a[2], (long long)a[1], (long long)a[3],
                     (long long)a[0], dim);
  *out = s->type[0];
  out->dim[a[0]] = (uint32_t)a[2];
  return true;
}

static bool shape_unslice(const Sig *s, Type *out) {
  const int64_t *a = s->attr;
  if (!shape_want(s, 0, DT_REAL) || !axis_attr(s, a[0], s->type[0].rank) || !dim_attr(s, a[2], "a step") ||
      !dim_attr(s, a[3], "a total"))
    return false;
  uint32_t n = s->type[0].dim[a[0]];
  if (a[1] < 0 || a[1] >= a[3] || a[1] + (int64_t)(n - 1) * a[2] >= a[3])
    return shape_bad(s, "of %u from %lld by %lld leaves a size of %lld", n, (long long)a[1], (long long)a[2], (long long)a[3]);
  *out = s->type[0];
  out->dim[a[0]] = (uint32_t)a[3];
  return shape_sane(s, *out);
}

static bool shape_window(const Sig *s, Type *out) {
  const window_attr a = window_attr_at(s->attr);
  Type t = s->type[0];
  if (!shape_want(s, 0, DT_REAL) || !axis_attr(s, a.axis, t.rank) || !dim_attr(s, a.size, "a size") ||
      !dim_attr(s, a.step, "a step"))
    return false;
  if (t.rank == IR_MAX_RANK) return shape_bad(s, "to rank %d, more than %d", t.rank + 1, IR_MAX_RANK);
  const uint32_t n = t.dim[a.axis];
  if (a.size > n) return shape_bad(s, "of %lld is longer than axis %lld of size %u", (long long)a.size, (long long)a.axis, n);
  *out = type_with_axis(t, t.rank, (uint32_t)a.size);
  out->dim[a.axis] = (uint32_t)((n - a.size) / a.step + 1);
  return shape_sane(s, *out);
}

static bool shape_unwindow(const Sig *s, Type *out) {
  const unwindow_attr a = unwindow_attr_at(s->attr);
  Type t = s->type[0];
  if (!shape_want(s, 0, DT_REAL) || !axis_attr(s, a.axis, t.rank - 1) || !dim_attr(s, a.step, "a step") ||
      !dim_attr(s, a.total, "a total"))
    return false;
  const uint32_t n = t.dim[a.axis], size = t.dim[t.rank - 1];
  if (a.total < size || (a.total - size) / a.step + 1 != n)
    return shape_bad(s, "of %u stretches of %u by %lld does not make a size of %lld", n, size, (long long)a.step,
                     (long long)a.total);
  *out = type_without_axis(t, t.rank - 1);
  out->dim[a.axis] = (uint32_t)a.total;
  return shape_sane(s, *out);
}

static bool shape_concat(const Sig *s, Type *out) {
  concat_attr attr = concat_attr_at(s->attr);
  char x[SHAPE_TEXT], y[SHAPE_TEXT];
  if (!s->nargs) return shape_bad(s, "needs an operand");
  Type t = s->type[0];
  if (!axis_attr(s, attr.axis, t.rank)) return false;
  int axis = (int)attr.axis;
  int64_t total = t.dim[axis];
  for (uint32_t k = 1; k < s->nargs; k++) {
    Type a = s->type[k];
    bool same = a.rank == t.rank && a.dt == t.dt;
    for (int d = 0; same && d < t.rank; d++) same = d == axis || a.dim[d] == t.dim[d];
    if (!same)
      return shape_bad(s, "along axis %d needs operands alike in the others, found %s and %s", axis, shape_text(s, s->type[0], x),
                       shape_text(s, a, y));
    t.lane |= a.lane;
    total += a.dim[axis];
  }
  if (total > INT32_MAX) return shape_bad(s, "has more than 2^31 elements");
  t.dim[axis] = (uint32_t)total;
  *out = t;
  return shape_sane(s, t);
}

static bool shape_take(const Sig *s, Type *out) {
  take_attr attr = take_attr_at(s->attr);
  if (!axis_attr(s, attr.axis, s->type[0].rank)) return false;
  if (s->nattr < 2) return shape_bad(s, "needs an index");
  uint32_t dim = s->type[0].dim[attr.axis];
  for (uint32_t k = 1; k < s->nattr; k++)
    if (s->attr[k] < 0 || s->attr[k] >= dim)
      return shape_bad(s, "index %lld leaves axis %lld of size %u", (long long)s->attr[k], (long long)attr.axis, dim);
  *out = s->type[0];
  out->dim[attr.axis] = s->nattr - 1;
  return shape_sane(s, *out);
}

static bool shape_put(const Sig *s, Type *out) {
  put_attr attr = put_attr_at(s->attr);
  if (!shape_want(s, 0, DT_REAL) || !axis_attr(s, attr.axis, s->type[0].rank) || !dim_attr(s, attr.total, "a total")) return false;
  uint32_t n = s->type[0].dim[attr.axis];
  if (s->nattr - 2 != n) return shape_bad(s, "needs an index for each of %u, found %u", n, s->nattr - 2);
  for (uint32_t k = 2; k < s->nattr; k++)
    if (s->attr[k] < 0 || s->attr[k] >= attr.total)
      return shape_bad(s, "index %lld leaves a size of %lld", (long long)s->attr[k], (long long)attr.total);
  *out = s->type[0];
  out->dim[attr.axis] = (uint32_t)attr.total;
  return shape_sane(s, *out);
}

/* ---- derivatives ---- */

static bool derivative(const Sig *s) { return shape_want(s, 0, DT_REAL) && shape_want(s, 1, DT_REAL); }

static bool shape_grad(const Sig *s, Type *out) {
  char x[SHAPE_TEXT];
  if (!derivative(s)) return false;
  if (s->type[0].rank) return shape_bad(s, "needs a scalar, found %s", shape_text(s, s->type[0], x));
  *out = s->type[1];
  out->lane |= s->type[0].lane;
  return true;
}

static bool shape_jac(const Sig *s, Type *out) {
  Type e = s->type[0], x = s->type[1], t = e;
  if (!derivative(s)) return false;
  if (e.rank + x.rank > IR_MAX_RANK) return shape_bad(s, "has rank %d, more than %d", e.rank + x.rank, IR_MAX_RANK);
  memcpy(t.dim + e.rank, x.dim, x.rank * sizeof x.dim[0]);
  t.rank = (uint8_t)(e.rank + x.rank);
  t.lane |= x.lane;
  *out = t;
  return shape_sane(s, t);
}

static bool shape_divergence(const Sig *s, Type *out) {
  char x[SHAPE_TEXT], y[SHAPE_TEXT];
  if (!derivative(s)) return false;
  if (!type_same_dims(s->type[0], s->type[1]))
    return shape_bad(s, "needs equal dims, found %s by %s", shape_text(s, s->type[0], x), shape_text(s, s->type[1], y));
  *out = type_scalar(s->type[0].lane || s->type[1].lane);
  return true;
}

static bool shape_logjac(const Sig *s, Type *out) {
  char x[SHAPE_TEXT], y[SHAPE_TEXT];
  if (!derivative(s)) return false;
  if (s->type[0].rank != 1 || !type_same_dims(s->type[0], s->type[1]))
    return shape_bad(s, "needs two vectors of one length, found %s by %s", shape_text(s, s->type[0], x),
                     shape_text(s, s->type[1], y));
  *out = type_scalar(s->type[0].lane || s->type[1].lane);
  return true;
}

/* ---- all ---- */

static bool well_formed(const Sig *s) {
  const OpInfo *o = &ir_op[s->op];
  if (o->arity >= 0 && s->nargs != (uint32_t)o->arity) return shape_bad(s, "takes %d operands, found %u", o->arity, s->nargs);
  if (o->list ? s->nattr < o->nattr : s->nattr != o->nattr)
    return shape_bad(s, "takes %u attributes, found %u", o->nattr, s->nattr);
  if (o->has_sub != (s->sub != NULL)) return shape_bad(s, o->has_sub ? "needs a sub-function" : "takes no sub-function");
  for (uint32_t k = 0; k < s->nargs; k++) {
    if (s->args[k].id == 0 || s->args[k].id >= s->f->inst.n) return shape_bad(s, "names value %%%u, which is none", s->args[k].id);
    if ((s->type[k].dt == DT_MULTI) != (s->op == OP_proj))
      return shape_bad(s, s->op == OP_proj ? "needs an op with several results" : "needs `proj` of operand %u", k);
  }
  return true;
}

static bool shape_op(const Sig *s, Type *out) {
  switch (s->op) {
#define EW1(name, ...) \
  case OP_##name: return elementwise(s, DT_REAL, DT_REAL, out);
#define EW2(name, ...) \
  case OP_##name: return elementwise(s, DT_REAL, DT_REAL, out);
#define CMP(name, ...) \
  case OP_##name: return elementwise(s, DT_REAL, DT_BOOL, out);
#define LOG(name, ...) \
  case OP_##name: return elementwise(s, DT_BOOL, DT_BOOL, out);
#define ST(name, ...) \
  case OP_##name: return shape_##name(s, out);
#include "ir/ops.def"
  default: return shape_bad(s, "is no op");
  }
}

bool ir_infer(const Fn *f, Op op, const Val *args, uint32_t nargs, const int64_t *attr, uint32_t nattr, const Fn *sub, Type *out,
              char *err, size_t errsize) {
  if (errsize) *err = 0;
  Sig s = {f, op, args, NULL, nargs, attr, nattr, sub, err, errsize};
  if (op <= OP_none || op >= OP_count) {
    if (errsize) snprintf(err, errsize, "unknown op %d", (int)op);
    return false;
  }
  Type few[8], *type = nargs <= 8 ? few : base_realloc(NULL, nargs * sizeof *type);
  for (uint32_t k = 0; k < nargs; k++) type[k] = args[k].id < f->inst.n ? f->inst.at[args[k].id].type : (Type){0};
  s.type = type;
  bool ok = well_formed(&s) && shape_op(&s, out);
  if (type != few) base_free(type);
  return ok;
}
