/* Operands: see node_priv.h. */
#include "frontend/onnx/node_priv.h"
#include "ir/base/onnx.h"

#include <stdarg.h>
#include <string.h>

/* ---- messages --------------------------------------------------------------------------------------------------- */

bool node_error(Node *x, const char *fmt, ...) {
  char text[512];
  va_list ap;
  va_start(ap, fmt);
  vsnprintf(text, sizeof text, fmt, ap);
  va_end(ap);
  if (!x->failed) elab_label(elab_error(x->E, CODE_network, x->at, "%s", text), x->use, "in this network");
  x->failed = true;
  return false;
}

bool node_needs(Node *x, uint32_t n) {
  for (uint32_t k = 0; k < n; k++)
    if (k >= x->nin || x->in[k].kind == OPERAND_NONE)
      return node_error(x, "`%s` needs %u input%s, and input %u is not given", x->n->op, n, n == 1 ? "" : "s", k);
  return true;
}

Build *node_at(Node *x) { return elab_at(x->E, x->at); }

/* ---- shapes ------------------------------------------------------------------------------------------------------- */

int64_t operand_count(const Operand *o) {
  int64_t n = 1;
  for (uint32_t k = 0; k < o->rank; k++) n *= o->dim[k];
  return n;
}

Type operand_type(uint32_t rank, const int64_t *dim) {
  Type t = type_scalar(false);
  for (uint32_t k = 0; k < rank; k++)
    if (dim[k] > 1 && t.rank < IR_MAX_RANK) t.dim[t.rank++] = (uint32_t)dim[k];
  return t;
}

const char *operand_text(Node *x, const Operand *o) {
  const char *s = "[";
  for (uint32_t k = 0; k < o->rank; k++) s = arena_printf(x->E->mem, "%s%s%lld", s, k ? ", " : "", (long long)o->dim[k]);
  return arena_printf(x->E->mem, "%s]", s);
}

int operand_place(const Operand *o, uint32_t axis) {
  int n = 0;
  for (uint32_t k = 0; k < axis; k++) n += o->dim[k] > 1;
  return n;
}

bool operand_known(const Operand *o) {
  return o->kind == OPERAND_NONE || o->v.kind == V_NONE || o->v.kind == V_NUM || o->v.kind == V_ARRAY || o->v.kind == V_BOOL;
}

bool node_fits(Node *x, uint32_t rank, const int64_t *dim) {
  int64_t n = 1, longer = 0;
  if (rank > ONNX_MOST_RANK) return node_error(x, "`%s` makes a tensor of %u axes, %d at most", x->n->op, rank, ONNX_MOST_RANK);
  for (uint32_t k = 0; k < rank; k++) {
    if (dim[k] < 0) return node_error(x, "`%s` makes an axis of %lld elements", x->n->op, (long long)dim[k]);
    longer += dim[k] > 1;
    n = dim[k] > ELAB_TENSOR ? ELAB_TENSOR + 1 : n * dim[k];
    if (n > ELAB_TENSOR) return node_error(x, "`%s` makes a tensor of more than %d elements", x->n->op, ELAB_TENSOR);
  }
  /* One less than there can be: an axis of 1 is put in where something goes along it. */
  return longer < IR_MAX_RANK ||
         node_error(x, "`%s` makes a tensor of %d axes longer than 1, %d at most", x->n->op, (int)longer, IR_MAX_RANK - 1);
}

/* ---- making ----------------------------------------------------------------------------------------------------------- */

Operand operand_of(OperandKind kind, uint32_t rank, const int64_t *dim, Value v) {
  Operand o = {.kind = kind, .rank = rank, .v = v};
  if (rank) memcpy(o.dim, dim, rank * sizeof *dim);
  return o;
}

Operand operand_scalar(OperandKind kind, double v) {
  return operand_of(kind, 0, NULL, kind == OPERAND_TRUTH ? value_bool(v != 0) : value_num(v));
}

Operand operand_number(double v) { return operand_scalar(OPERAND_REAL, v); }

Operand operand_wholes(Node *x, const int64_t *v, uint32_t n) {
  const int64_t dim = n;
  const uint32_t n32 = n;
  Num *at = ARENA_ARRAY(x->E->mem, Num, n + 1);
  for (uint32_t k = 0; k < n; k++) at[k] = num_ratio(v[k], 1);
  const Value all = n == 0 ? (Value){.kind = V_NONE} : n == 1 ? value_exact(v[0], 1) : value_array(x->E, 1, &n32, at);
  return operand_of(OPERAND_WHOLE, 1, &dim, all);
}

static Operand poison(Node *x) {
  x->failed = true;
  return operand_of(OPERAND_REAL, 0, NULL, POISON);
}

static bool bad(const Node *x, const Operand *o) { return x->failed || o->v.kind == V_POISON; }

Val node_val(Node *x, const Operand *o) {
  Build *b = node_at(x);
  if (o->v.kind == V_NONE || o->v.kind == V_POISON) { /* what is made of it is not used */
    node_error(x, "`%s` of a tensor without elements", x->n->op);
    return ir_splat(b, 0, operand_type(o->rank, o->dim));
  }
  const Value v = o->kind == OPERAND_TRUTH ? elab_as_numbers(x->E, o->v) : o->v;
  return elab_tensor(x->E, v, x->at);
}

Operand node_squeezed(Node *x, OperandKind kind, uint32_t rank, const int64_t *dim, Val v) {
  const Type t = operand_type(rank, dim);
  Build *b = node_at(x);
  if (type_count(ir_type(b->f, v)) != type_count(t)) {
    node_error(x, "`%s` cannot be computed", x->n->op);
    return poison(x);
  }
  if (!type_same_dims(ir_type(b->f, v), t)) v = ir_reshape(b, v, t.rank, t.dim);
  Value out = elab_value(x->E, v);
  if (kind == OPERAND_TRUTH && ir_type(b->f, v).dt == DT_REAL) out = elab_as_truths(x->E, out);
  return operand_of(kind, rank, dim, out);
}

bool node_give(Node *x, uint32_t k, Operand o) {
  Type t;
  if (bad(x, &o)) return !(x->failed = true);
  if (operand_count(&o) == 0) o.v = (Value){.kind = V_NONE};
  if (value_type(o.v, &t) && (t.dt == DT_BOOL) != (o.kind == OPERAND_TRUTH)) { /* what computes with truth values */
    node_at(x);
    o.v = o.kind == OPERAND_TRUTH ? elab_as_truths(x->E, o.v) : elab_as_numbers(x->E, o.v);
  }
  if (k < x->nout) x->out[k] = o;
  return true;
}

/* ---- attributes ------------------------------------------------------------------------------------------------------- */

const OnnxAttr *node_attr(const Node *x, const char *name) {
  for (uint32_t k = 0; k < x->n->nattr; k++)
    if (!strcmp(x->n->attr[k].name, name)) return &x->n->attr[k];
  return NULL;
}

int64_t node_int(const Node *x, const char *name, int64_t otherwise) {
  const OnnxAttr *a = node_attr(x, name);
  return a && a->type == IS_INT ? a->i : otherwise;
}

double node_float(const Node *x, const char *name, double otherwise) {
  const OnnxAttr *a = node_attr(x, name);
  return a && a->type == IS_FLOAT ? a->f : otherwise;
}

const char *node_text(const Node *x, const char *name, const char *otherwise) {
  const OnnxAttr *a = node_attr(x, name);
  return a && a->type == IS_STRING && a->s ? a->s : otherwise;
}

bool node_ints(Node *x, const char *name, uint32_t most, int64_t *out, uint32_t *n) {
  const OnnxAttr *a = node_attr(x, name);
  if (!a || a->type != IS_INTS) return true;
  if (a->nints > most) return node_error(x, "`%s` of `%s` has %u numbers, %u at most", name, x->n->op, a->nints, most);
  *n = a->nints;
  for (uint32_t k = 0; k < a->nints; k++) out[k] = a->ints[k];
  return true;
}

/* ---- what must be known ------------------------------------------------------------------------------------------------- */

/* Ends of slices are as large as integers can be. */
static int64_t whole(Num n) {
  enum { FAR = 1 << 30 };
  if (n.den == 1) return n.num;
  return n.v > FAR ? FAR : n.v < -FAR ? -FAR : (int64_t)n.v;
}

bool node_list(Node *x, uint32_t k, const char *what, uint32_t most, int64_t *out, uint32_t *n) {
  const Operand *o = &x->in[k];
  *n = 0;
  if (o->v.kind == V_POISON) return false;
  if (!operand_known(o) || o->rank > 1) return node_error(x, "%s of `%s` must be known at compile time", what, x->n->op);
  const int64_t count = operand_count(o);
  if (count > most) return node_error(x, "%s of `%s` are %lld numbers, %u at most", what, x->n->op, (long long)count, most);
  *n = (uint32_t)count;
  for (uint32_t i = 0; i < *n; i++)
    out[i] = o->v.kind == V_ARRAY ? whole(o->v.array->at[i]) : o->v.kind == V_BOOL ? o->v.b : whole(o->v.num);
  return true;
}

bool node_number(Node *x, uint32_t k, const char *what, double *out) {
  const Operand *o = &x->in[k];
  if (k >= x->nin || o->kind == OPERAND_NONE) return true;
  if (o->v.kind == V_NUM) return *out = o->v.num.v, true;
  if (o->v.kind == V_BOOL) return *out = o->v.b, true;
  return o->v.kind != V_POISON && node_error(x, "%s of `%s` must be a number known at compile time", what, x->n->op);
}

bool node_axis(Node *x, int64_t axis, uint32_t rank, uint32_t *out) {
  const int64_t a = axis < 0 ? axis + rank : axis;
  if (a < 0 || a >= rank) return node_error(x, "`%s` has no axis %lld of %u", x->n->op, (long long)axis, rank);
  return *out = (uint32_t)a, true;
}

bool node_axes(Node *x, uint32_t k, uint32_t rank, bool *in, bool *given) {
  int64_t axis[ONNX_MOST_RANK];
  uint32_t n = 0, a;
  if (!node_ints(x, "axes", ONNX_MOST_RANK, axis, &n)) return false;
  *given = node_attr(x, "axes") != NULL;
  if (k < x->nin && x->in[k].kind != OPERAND_NONE) {
    if (!node_list(x, k, "the axes", ONNX_MOST_RANK, axis, &n)) return false;
    *given = n > 0;
  }
  for (uint32_t i = 0; i < rank; i++) in[i] = !*given;
  for (uint32_t i = 0; i < n; i++) {
    if (!node_axis(x, axis[i], rank, &a)) return false;
    in[a] = true;
  }
  return true;
}

/* ---- arithmetic ------------------------------------------------------------------------------------------------------------- */

bool node_broadcast(Node *x, const Operand *a, const Operand *b, uint32_t *rank, int64_t *dim) {
  *rank = a->rank > b->rank ? a->rank : b->rank;
  for (uint32_t k = 0; k < *rank; k++) {
    const uint32_t back = *rank - k;
    const int64_t m = back <= a->rank ? a->dim[a->rank - back] : 1, n = back <= b->rank ? b->dim[b->rank - back] : 1;
    if (m != n && m != 1 && n != 1)
      return node_error(x, "`%s` needs shapes that broadcast, found %s and %s", x->n->op, operand_text(x, a), operand_text(x, b));
    dim[k] = m == 1 ? n : m;
  }
  return node_fits(x, *rank, dim);
}

Operand node_expand(Node *x, Operand a, uint32_t rank, const int64_t *dim) {
  if (bad(x, &a)) return poison(x);
  int at = 0;
  for (uint32_t k = 0; k < rank; k++)
    if (dim[k] == 0 || a.v.kind == V_NONE) return operand_of(a.kind, rank, dim, (Value){.kind = V_NONE});
  if (type_same_dims(operand_type(rank, dim), operand_type(a.rank, a.dim))) return operand_of(a.kind, rank, dim, a.v);
  Val v = node_val(x, &a);
  for (uint32_t k = 0; k < rank; k++) {
    const uint32_t back = rank - k;
    const int64_t have = back <= a.rank ? a.dim[a.rank - back] : 1;
    if (dim[k] > 1 && have == 1) v = ir_expand(node_at(x), v, at, (uint32_t)dim[k]);
    at += dim[k] > 1;
  }
  return node_squeezed(x, a.kind, rank, dim, v);
}

/* A scalar stays one. */
static Value wide(Node *x, Operand a, uint32_t rank, const int64_t *dim, bool numbers) {
  if (numbers && a.kind == OPERAND_TRUTH) node_at(x), a.v = elab_as_numbers(x->E, a.v), a.kind = OPERAND_WHOLE;
  return operand_count(&a) == 1 ? a.v : node_expand(x, a, rank, dim).v;
}

static OperandKind common(OperandKind a, OperandKind b) {
  return a == OPERAND_REAL || b == OPERAND_REAL ? OPERAND_REAL : OPERAND_WHOLE;
}

Operand node_ew1(Node *x, Op op, Operand a) {
  if (bad(x, &a)) return poison(x);
  if (a.v.kind == V_NONE) return a;
  node_at(x);
  const Value in = a.kind == OPERAND_TRUTH ? elab_as_numbers(x->E, a.v) : a.v;
  const Value v = elab_unary_op(x->E, op, in, x->at);
  return operand_of(common(a.kind, a.kind), a.rank, a.dim, v);
}

Operand node_ew2(Node *x, Op op, Operand a, Operand b) {
  uint32_t rank;
  int64_t dim[ONNX_MOST_RANK];
  if (bad(x, &a) || bad(x, &b) || !node_broadcast(x, &a, &b, &rank, dim)) return poison(x);
  const OperandKind kind = ir_op[op].cls == OPC_CMP ? OPERAND_TRUTH : common(a.kind, b.kind);
  for (uint32_t k = 0; k < rank; k++)
    if (dim[k] == 0) return operand_of(kind, rank, dim, (Value){.kind = V_NONE});
  const Value va = wide(x, a, rank, dim, true), vb = wide(x, b, rank, dim, true);
  return operand_of(kind, rank, dim, elab_binary_op(x->E, op, va, vb, x->at, x->at, x->at, x->n->op));
}

Operand node_select(Node *x, Operand c, Operand a, Operand b) {
  uint32_t rank;
  int64_t dim[ONNX_MOST_RANK];
  if (bad(x, &c) || bad(x, &a) || bad(x, &b)) return poison(x);
  if (c.kind != OPERAND_TRUTH) c = node_ew2(x, OP_ne, c, operand_number(0));
  if (!node_broadcast(x, &a, &b, &rank, dim)) return poison(x);
  const Operand both = operand_of(OPERAND_REAL, rank, dim, a.v);
  if (!node_broadcast(x, &both, &c, &rank, dim)) return poison(x);
  const OperandKind kind = a.kind == OPERAND_TRUTH && b.kind == OPERAND_TRUTH ? OPERAND_TRUTH : common(a.kind, b.kind);
  const bool numbers = kind != OPERAND_TRUTH;
  /* NumPy's rule of the language: a scalar or the same shape. */
  const Value vc = wide(x, c, rank, dim, false), va = wide(x, a, rank, dim, numbers), vb = wide(x, b, rank, dim, numbers);
  if (x->failed) return poison(x);
  return operand_of(kind, rank, dim, elab_select(x->E, vc, va, vb, x->at, x->at, x->at, x->at));
}

Operand node_reshape(Node *x, Operand a, uint32_t rank, const int64_t *dim) {
  if (bad(x, &a) || !node_fits(x, rank, dim)) return poison(x);
  const Operand to = operand_of(a.kind, rank, dim, a.v);
  const Type t = operand_type(rank, dim);
  if (operand_count(&to) != operand_count(&a)) {
    node_error(x, "`%s` cannot make %s of %s", x->n->op, operand_text(x, &to), operand_text(x, &a));
    return poison(x);
  }
  if (a.v.kind == V_NONE || type_same_dims(t, operand_type(a.rank, a.dim))) return to;
  const Val v = node_val(x, &a);
  return node_squeezed(x, a.kind, rank, dim, ir_reshape(node_at(x), v, t.rank, t.dim));
}

Operand node_reduce(Node *x, Op op, Operand a, const bool *in, bool keep) {
  int64_t dim[ONNX_MOST_RANK];
  uint32_t rank = 0;
  if (bad(x, &a)) return poison(x);
  if (a.v.kind == V_NONE) {
    node_error(x, "`%s` of a tensor without elements", x->n->op);
    return poison(x);
  }
  Val v = node_val(x, &a);
  for (uint32_t k = a.rank; k-- > 0;) {
    if (!in[k] || a.dim[k] == 1) continue;
    const int at = operand_place(&a, k);
    v = op == OP_sum ? ir_sum(node_at(x), v, at) : op == OP_rmax ? ir_rmax(node_at(x), v, at) : ir_rmin(node_at(x), v, at);
  }
  for (uint32_t k = 0; k < a.rank; k++)
    if (!in[k]) dim[rank++] = a.dim[k];
    else if (keep) dim[rank++] = 1;
  return node_squeezed(x, common(a.kind, a.kind), rank, dim, v);
}

Operand node_mean(Node *x, Operand a, const bool *in) {
  int64_t n = 1;
  for (uint32_t k = 0; k < a.rank; k++)
    if (in[k]) n *= a.dim[k];
  a = node_reduce(x, OP_sum, a, in, true);
  if (x->failed || n == 1) return a;
  Operand by = operand_number(0);
  by.v = value_exact(1, n);
  a.kind = OPERAND_REAL;
  return node_ew2(x, OP_mul, a, by);
}

Operand node_call(Node *x, const char *name, Operand a, uint32_t axis, bool keep) {
  int64_t dim[ONNX_MOST_RANK];
  uint32_t rank = 0;
  if (bad(x, &a)) return poison(x);
  for (uint32_t k = 0; k < a.rank; k++)
    if (k != axis || keep) dim[rank++] = a.dim[k];
  Actual in[2] = {{.v = a.v, .at = x->at},
                  {.name = "axis", .name_at = x->at, .v = value_exact(operand_place(&a, axis), 1), .at = x->at}};
  return operand_of(OPERAND_REAL, rank, dim,
                    builtin_apply(x->E, builtin_find(name), &(Actuals){.at = in, .n = 2, .call = x->at, .callee = x->at}));
}
