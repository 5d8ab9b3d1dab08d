/* A row for each operator of the IR: the node of ONNX that it is, or what emits its nodes; or that it is put in terms of others first,
 * or why there is no way. A node marked F32 is one that onnxruntime has in f32 alone. */
#include "codegen/onnx/onnx_priv.h"

#include <string.h>

/* ---- leaves ----------------------------------------------------------------------------------------------------- */

static const char *row_const(Onnx *o, const Scope *s, const Inst *i) {
  double v;
  const int64_t bits = ir_const_attr(s->f, i).bits;
  memcpy(&v, &bits, sizeof v);
  if (i->type.dt == DT_BOOL) {
    Type scalar = {.dt = DT_BOOL};
    const char *truth = onnx_table(o, scalar, &v);
    return i->type.rank ? onnx_expand(o, truth, i->type) : truth;
  }
  const char *x = onnx_real(o, v);
  return i->type.rank ? onnx_expand(o, x, i->type) : x;
}

static const char *row_table(Onnx *o, const Scope *s, const Inst *i) {
  const Table *t = &s->f->table.at[ir_table_attr(s->f, i).table];
  return onnx_table(o, t->type, t->v);
}

static const char *row_iota(Onnx *o, const Scope *s, const Inst *i) {
  (void)s;
  double *v = base_zeroed(i->type.dim[0], sizeof *v);
  for (uint32_t k = 0; k < i->type.dim[0]; k++) v[k] = k;
  const char *name = onnx_table(o, i->type, v);
  base_free(v);
  return name;
}

/* ---- elementwise ---------------------------------------------------------------------------------------------------- */

static const char *row_same(Onnx *o, const Scope *s, const Inst *i) {
  (void)o;
  return onnx_arg(s, i, 0);
}

static const char *row_select(Onnx *o, const Scope *s, const Inst *i) {
  const char *c = onnx_wide(o, s, i, 0, i->type), *a = onnx_wide(o, s, i, 1, i->type), *b = onnx_wide(o, s, i, 2, i->type);
  if (i->type.dt == DT_REAL) return NODE(o, "Where", c, a, b);
  const char *taken = NODE(o, "And", c, a), *other = NODE(o, "Not", c);
  other = NODE(o, "And", other, b);
  return NODE(o, "Or", taken, other);
}

/* fmod has the sign of a: b is added where that is not b's. */
static const char *row_mod(Onnx *o, const Scope *s, const Inst *i) {
  const char *a = onnx_wide(o, s, i, 0, i->type), *b = onnx_wide(o, s, i, 1, i->type), *zero = onnx_real(o, 0);
  onnx_attr(o, "fmod", 1);
  const char *r = NODE(o, "Mod", a, b), *low = NODE(o, "Less", r, zero), *high = NODE(o, "Less", zero, r);
  const char *negative = NODE(o, "Less", b, zero), *positive = NODE(o, "Less", zero, b);
  low = NODE(o, "And", low, positive);
  high = NODE(o, "And", high, negative);
  const char *other = NODE(o, "Or", low, high), *sum = NODE(o, "Add", r, b);
  return NODE(o, "Where", other, sum, r);
}

/* ---- tensors in other shapes ------------------------------------------------------------------------------------------ */

static const char *row_spread(Onnx *o, const Scope *s, const Inst *i) {
  return ir_type(s->f, ir_arg(s->f, i, 0)).lane ? onnx_arg(s, i, 0) : onnx_spread(o, onnx_arg(s, i, 0), i->type);
}

static const char *row_batch_sum(Onnx *o, const Scope *s, const Inst *i) {
  const int64_t axis = 0;
  return onnx_reduce(o, "ReduceSum", onnx_arg(s, i, 0), 1, &axis, false);
}

static const char *row_reshape(Onnx *o, const Scope *s, const Inst *i) { return onnx_reshape(o, onnx_arg(s, i, 0), i->type); }

static const char *row_transpose(Onnx *o, const Scope *s, const Inst *i) {
  const IrList perm = ir_list(s->f, i);
  int to[IR_MAX_RANK + 1] = {0};
  for (uint32_t k = 0; k < perm.n; k++) to[k + i->type.lane] = (int)perm.at[k] + i->type.lane;
  return onnx_transpose(o, onnx_arg(s, i, 0), perm.n + i->type.lane, to);
}

static const char *row_expand(Onnx *o, const Scope *s, const Inst *i) {
  const int64_t axis = onnx_axis(i->type, ir_expand_attr(s->f, i).axis);
  return onnx_expand(o, onnx_unsqueeze(o, onnx_arg(s, i, 0), 1, &axis), i->type);
}

static const char *row_sum(Onnx *o, const Scope *s, const Inst *i) {
  const int64_t axis = onnx_axis(i->type, ir_sum_attr(s->f, i).axis);
  return onnx_reduce(o, "ReduceSum", onnx_arg(s, i, 0), 1, &axis, false);
}

/* Reductions of onnxruntime pass NaN by: it is added. */
static const char *most(Onnx *o, const Scope *s, const Inst *i, const char *op, int64_t axis) {
  const char *x = onnx_arg(s, i, 0);
  axis = onnx_axis(i->type, axis);
  const char *y = onnx_reduce(o, op, x, 1, &axis, false), *number = NODE(o, "Equal", x, x);
  const char *zero = onnx_real(o, 0), *nan = onnx_real(o, NAN), *gaps = NODE(o, "Where", number, zero, nan);
  gaps = onnx_reduce(o, "ReduceSum", gaps, 1, &axis, false);
  return NODE(o, "Add", y, gaps);
}

static const char *row_rmax(Onnx *o, const Scope *s, const Inst *i) {
  return most(o, s, i, "ReduceMax", ir_rmax_attr(s->f, i).axis);
}

static const char *row_rmin(Onnx *o, const Scope *s, const Inst *i) {
  return most(o, s, i, "ReduceMin", ir_rmin_attr(s->f, i).axis);
}

static const char *row_slice(Onnx *o, const Scope *s, const Inst *i) {
  const slice_attr a = ir_slice_attr(s->f, i);
  return onnx_slice(o, onnx_arg(s, i, 0), onnx_axis(i->type, a.axis), a.start, a.start + (a.n - 1) * a.step + 1, a.step);
}

static const char *row_flip(Onnx *o, const Scope *s, const Inst *i) {
  return onnx_slice(o, onnx_arg(s, i, 0), onnx_axis(i->type, ir_flip_attr(s->f, i).axis), -1, INT32_MIN, -1);
}

static const char *row_concat(Onnx *o, const Scope *s, const Inst *i) {
  const char **part = ARENA_ARRAY(o->mem, const char *, i->nargs);
  for (uint32_t k = 0; k < i->nargs; k++) {
    const Type t = ir_type(s->f, ir_arg(s->f, i, k));
    part[k] = onnx_arg(s, i, k);
    if (i->type.lane && !t.lane) part[k] = onnx_spread(o, part[k], t);
  }
  onnx_attr(o, "axis", onnx_axis(i->type, ir_concat_attr(s->f, i).axis));
  return onnx_node(o, "Concat", i->nargs, part);
}

static const char *row_take(Onnx *o, const Scope *s, const Inst *i) {
  const IrList index = ir_list(s->f, i);
  const char *which = onnx_wholes(o, index.n, index.at);
  onnx_attr(o, "axis", onnx_axis(i->type, ir_take_attr(s->f, i).axis));
  return NODE(o, "Gather", onnx_arg(s, i, 0), which);
}

/* Gather by a matrix of indices makes two axes of one; the second goes to the end. */
static const char *row_window(Onnx *o, const Scope *s, const Inst *i) {
  const window_attr a = ir_window_attr(s->f, i);
  const int axis = (int)onnx_axis(i->type, a.axis), n = i->type.rank + i->type.lane;
  const int64_t dim[] = {i->type.dim[a.axis], a.size};
  int64_t *index = base_zeroed((size_t)(dim[0] * dim[1]), sizeof *index);
  for (int64_t k = 0; k < dim[0] * dim[1]; k++) index[k] = k / dim[1] * a.step + k % dim[1];
  const char *flat = onnx_wholes(o, (uint32_t)(dim[0] * dim[1]), index), *dims = onnx_wholes(o, 2, dim);
  base_free(index);
  const char *which = NODE(o, "Reshape", flat, dims);
  onnx_attr(o, "axis", axis);
  const char *x = NODE(o, "Gather", onnx_arg(s, i, 0), which);
  int perm[IR_MAX_RANK + 2] = {0};
  for (int k = 0; k < n; k++) perm[k] = k <= axis ? k : k + 1;
  perm[n - 1] = axis + 1;
  return onnx_transpose(o, x, (uint32_t)n, perm);
}

static const char *row_tri(Onnx *o, const Scope *s, const Inst *i) {
  const tri_attr a = ir_tri_attr(s->f, i);
  const char *k = onnx_whole(o, a.k);
  onnx_attr(o, "upper", a.upper);
  return NODE(o, "Trilu", onnx_arg(s, i, 0), k);
}

/* ---- the table ------------------------------------------------------------------------------------------------------------ */

typedef struct Row {
  const char *node; /* elementwise, its operands in the same order */
  bool f32;         /* in f64 in terms of others */
  OnnxRow *emit;
  bool others;
  const char *refused;
} Row;

#define PLAIN(name) {.node = name}
#define F32(name) {.node = name, .f32 = true}
#define EMIT(f) {.emit = f}
#define OTHERS {.others = true}
#define REFUSED(why) {.refused = why}
#define GONE REFUSED("it is a derivative or a trajectory that was not expanded")

#define ROWS                                                                                                              \
  ROW(neg, PLAIN("Neg"))                                                                                                  \
  ROW(abs, PLAIN("Abs"))                                                                                                  \
  ROW(sign, PLAIN("Sign"))                                                                                                \
  ROW(exp, PLAIN("Exp"))                                                                                                  \
  ROW(expm1, OTHERS)                                                                                                      \
  ROW(log, PLAIN("Log"))                                                                                                  \
  ROW(log2, OTHERS)                                                                                                       \
  ROW(log1p, OTHERS)                                                                                                      \
  ROW(sqrt, PLAIN("Sqrt"))                                                                                                \
  ROW(rsqrt, OTHERS)                                                                                                      \
  ROW(rsqrt3, OTHERS)                                                                                                     \
  ROW(sin, PLAIN("Sin"))                                                                                                  \
  ROW(cos, PLAIN("Cos"))                                                                                                  \
  ROW(tan, F32("Tan"))                                                                                                    \
  ROW(tanh, PLAIN("Tanh"))                                                                                                \
  ROW(sigmoid, PLAIN("Sigmoid"))                                                                                          \
  ROW(softplus, OTHERS)                                                                                                   \
  ROW(relu, PLAIN("Relu"))                                                                                                \
  ROW(erf, F32("Erf"))                                                                                                    \
  ROW(log10, OTHERS)                                                                                                      \
  ROW(asin, F32("Asin"))                                                                                                  \
  ROW(acos, F32("Acos"))                                                                                                  \
  ROW(atan, F32("Atan"))                                                                                                  \
  ROW(sinh, F32("Sinh"))                                                                                                  \
  ROW(cosh, F32("Cosh"))                                                                                                  \
  ROW(asinh, F32("Asinh"))                                                                                                \
  ROW(acosh, F32("Acosh"))                                                                                                \
  ROW(atanh, F32("Atanh"))                                                                                                \
  ROW(stop, EMIT(row_same))                                                                                               \
  ROW(fixed, EMIT(row_same))                                                                                              \
  ROW(floor, PLAIN("Floor"))                                                                                              \
  ROW(ceil, PLAIN("Ceil"))                                                                                                \
  ROW(round, PLAIN("Round"))                                                                                              \
  ROW(add, PLAIN("Add"))                                                                                                  \
  ROW(sub, PLAIN("Sub"))                                                                                                  \
  ROW(mul, PLAIN("Mul"))                                                                                                  \
  ROW(div, PLAIN("Div"))                                                                                                  \
  ROW(pow, PLAIN("Pow"))                                                                                                  \
  ROW(powlog, OTHERS)                                                                                                     \
  ROW(powlog2, OTHERS)                                                                                                    \
  ROW(mod, EMIT(row_mod))                                                                                                 \
  ROW(min, PLAIN("Min"))                                                                                                  \
  ROW(max, PLAIN("Max"))                                                                                                  \
  ROW(atan2, OTHERS)                                                                                                      \
  ROW(lt, PLAIN("Less"))                                                                                                  \
  ROW(le, PLAIN("LessOrEqual"))                                                                                           \
  ROW(eq, PLAIN("Equal"))                                                                                                 \
  ROW(ne, OTHERS)                                                                                                         \
  ROW(and, PLAIN("And"))                                                                                                  \
  ROW(or, PLAIN("Or"))                                                                                                    \
  ROW(not, PLAIN("Not"))                                                                                                  \
  ROW(in, EMIT(row_same))                                                                                                 \
  ROW(const, EMIT(row_const))                                                                                             \
  ROW(table, EMIT(row_table))                                                                                             \
  ROW(iota, EMIT(row_iota))                                                                                               \
  ROW(rand, REFUSED("ONNX has no random generator with the same draws"))                                                  \
  ROW(select, EMIT(row_select))                                                                                           \
  ROW(require, OTHERS)                                                                                                    \
  ROW(id, EMIT(row_same))                                                                                                 \
  ROW(barrier, EMIT(row_same))                                                                                            \
  ROW(spread, EMIT(row_spread))                                                                                           \
  ROW(batch_sum, EMIT(row_batch_sum))                                                                                     \
  ROW(batch_mean, GONE)                                                                                                   \
  ROW(reshape, EMIT(row_reshape))                                                                                         \
  ROW(transpose, EMIT(row_transpose))                                                                                     \
  ROW(expand, EMIT(row_expand))                                                                                           \
  ROW(sum, EMIT(row_sum))                                                                                                 \
  ROW(rmax, EMIT(row_rmax))                                                                                               \
  ROW(rmin, EMIT(row_rmin))                                                                                               \
  ROW(slice, EMIT(row_slice))                                                                                             \
  ROW(unslice, OTHERS)                                                                                                    \
  ROW(concat, EMIT(row_concat))                                                                                           \
  ROW(take, EMIT(row_take))                                                                                               \
  ROW(put, OTHERS)                                                                                                        \
  ROW(flip, EMIT(row_flip))                                                                                               \
  ROW(window, EMIT(row_window))                                                                                           \
  ROW(unwindow, OTHERS)                                                                                                   \
  ROW(gather, EMIT(onnx_gather))                                                                                          \
  ROW(scatter, EMIT(onnx_scatter))                                                                                        \
  ROW(setrow, OTHERS)                                                                                                     \
  ROW(diag, OTHERS)                                                                                                       \
  ROW(diagv, OTHERS)                                                                                                      \
  ROW(tri, EMIT(row_tri))                                                                                                 \
  ROW(dot, EMIT(onnx_dot))                                                                                                \
  ROW(cauchy, GONE)                                                                                                       \
  ROW(trisolve, OTHERS)                                                                                                   \
  ROW(lu, OTHERS)                                                                                                         \
  ROW(solve, OTHERS)                                                                                                      \
  ROW(det, OTHERS)                                                                                                        \
  ROW(logdet, OTHERS)                                                                                                     \
  ROW(cholesky, OTHERS)                                                                                                   \
  ROW(eigh, OTHERS)                                                                                                       \
  ROW(eigvals, GONE)                                                                                                      \
  ROW(eigvecs, GONE)                                                                                                      \
  ROW(scan, EMIT(row_same))                                                                                               \
  ROW(proj, EMIT(row_same))                                                                                               \
  ROW(integrate, GONE)                                                                                                    \
  ROW(ode, REFUSED("ONNX has no loop with a different number of steps per sample: use a fixed-step method, such as rk4")) \
  ROW(reversible, GONE)                                                                                                   \
  ROW(root, GONE)                                                                                                         \
  ROW(grad, GONE)                                                                                                         \
  ROW(jac, GONE)                                                                                                          \
  ROW(divergence, GONE)                                                                                                   \
  ROW(logjac, GONE)

#define ROW(name, ...) [OP_##name] = __VA_ARGS__,
static const Row row[OP_count] = {ROWS};
#undef ROW

#define ROW(...) +1
_Static_assert(ROWS == OP_count - 1, "each operator of ops.def has a row: a node, its terms, or why there is no way");
#undef ROW

bool onnx_lacks(Op op, bool f64) { return row[op].others || (f64 && row[op].f32); }

const char *onnx_refused(const Fn *f, Span *at) {
  for (uint32_t id = 1; id < f->inst.n; id++) {
    const Inst *i = &f->inst.at[id];
    const char *why = i->sub ? onnx_refused(ir_body(f, i), at) : NULL;
    if (row[i->op].refused) return *at = i->at, row[i->op].refused;
    if (why) return why;
  }
  return NULL;
}

const char *onnx_row(Onnx *o, const Scope *s, const Inst *i) {
  const Row *r = &row[i->op];
  if (r->emit) return r->emit(o, s, i);
  if (!r->node) base_fault("`%s` has no node in ONNX", ir_op[i->op].name);
  Type wide = i->type;
  const char *arg[2];
  for (uint32_t k = 0; k < i->nargs; k++) arg[k] = onnx_wide(o, s, i, k, wide);
  return onnx_node(o, r->node, i->nargs, arg);
}
