/* The language's own functions: one row each. Adding one is a row and, at most, a handler. */
#include "frontend/builtin/builtin_priv.h"
#include "frontend/rows/rows.h"
#include "frontend/flow/flow.h"
#include "frontend/onnx/onnx.h"

#include <math.h>
#include <string.h>

enum { N = BF_NUMERIC, M = BF_NUMERIC | BF_MOVES };

/* clang-format off */
static const Builtin builtin_rows[] = {
  /* name          params                   handler        op             flags           what it is */
  {"exp",          "x",                     bi_ew1,        OP_exp,        N,              "exponential"},
  {"log",          "x",                     bi_ew1,        OP_log,        N,              "natural logarithm"},
  {"log2",         "x",                     bi_ew1,        OP_log2,       N,              "logarithm to base 2"},
  {"log1p",        "x",                     bi_ew1,        OP_log1p,      N,              "log(1 + x)"},
  {"expm1",        "x",                     bi_ew1,        OP_expm1,      N,              "exp(x) - 1"},
  {"sqrt",         "x",                     bi_ew1,        OP_sqrt,       N,              "square root"},
  {"sin",          "x",                     bi_ew1,        OP_sin,        N,              "sine"},
  {"cos",          "x",                     bi_ew1,        OP_cos,        N,              "cosine"},
  {"tan",          "x",                     bi_ew1,        OP_tan,        N,              "tangent"},
  {"tanh",         "x",                     bi_ew1,        OP_tanh,       N,              "hyperbolic tangent"},
  {"sigmoid",      "x",                     bi_ew1,        OP_sigmoid,    N,              "1/(1 + exp(-x))"},
  {"softplus",     "x",                     bi_ew1,        OP_softplus,   N,              "log(1 + exp(x))"},
  {"relu",         "x",                     bi_ew1,        OP_relu,       N,              "max(x, 0)"},
  {"abs",          "x",                     bi_ew1,        OP_abs,        N,              "absolute value"},
  {"sign",         "x",                     bi_ew1,        OP_sign,       N,              "-1, 0 or 1"},
  {"erf",          "x",                     bi_ew1,        OP_erf,        N,              "error function"},
  {"log10",        "x",                     bi_ew1,        OP_log10,      N,              "logarithm to base 10"},
  {"asin",         "x",                     bi_ew1,        OP_asin,       N,              "angle with this sine"},
  {"acos",         "x",                     bi_ew1,        OP_acos,       N,              "angle with this cosine"},
  {"atan",         "x",                     bi_ew1,        OP_atan,       N,              "angle with this tangent"},
  {"sinh",         "x",                     bi_ew1,        OP_sinh,       N,              "hyperbolic sine"},
  {"cosh",         "x",                     bi_ew1,        OP_cosh,       N,              "hyperbolic cosine"},
  {"asinh",        "x",                     bi_ew1,        OP_asinh,      N,              "inverse of sinh"},
  {"acosh",        "x",                     bi_ew1,        OP_acosh,      N,              "inverse of cosh, not negative"},
  {"atanh",        "x",                     bi_ew1,        OP_atanh,      N,              "inverse of tanh"},
  {"stop_gradient", "x",                    bi_ew1,        OP_stop,       N,              "x, treated as a constant by derivatives"},
  {"floor",        "x",                     bi_ew1,        OP_floor,      N,              "largest whole number not above x"},
  {"ceil",         "x",                     bi_ew1,        OP_ceil,       N,              "smallest whole number not below x"},
  {"round",        "x",                     bi_ew1,        OP_round,      N,              "nearest whole number; a half goes to the even one"},
  {"mod",          "x, y",                  bi_ew2,        OP_mod,        N,              "x - y*floor(x/y): the remainder, with the sign of y"},
  {"atan2",        "y, x",                  bi_ew2,        OP_atan2,      N,              "angle of (x, y)"},
  {"where",        "condition, a, b",       bi_where,      0,             0,              "a if the condition holds, else b"},
  {"max",          "x, y?, =axis",          bi_minmax,     OP_max,        BF_REPORT,      "largest element, or the larger of two"},
  {"min",          "x, y?, =axis",          bi_minmax,     OP_min,        BF_REPORT,      "smallest element, or the smaller of two"},
  {"maxabs",       "x",                     bi_maxabs,     0,             N,              "largest absolute value"},
  {"sum",          "x, axis?",              bi_reduce,     0,             N | BF_SUM | BF_REPORT, "sum over all elements, or over an axis"},
  {"mean",         "x, axis?",              bi_reduce,     1,             BF_REPORT,      "mean over all elements, or over an axis"},
  {"prod",         "x, axis?",              bi_prod,       0,             N,              "product of the elements"},
  {"logsumexp",    "x, axis?",              bi_softmax,    0,             N,              "log(sum(exp(x))), of all elements, or over an axis"},
  {"softmax",      "x, axis?",              bi_softmax,    1,             N,              "exp(x)/sum(exp(x)), of all elements, or along an axis"},
  {"sd",           "report",                bi_stat,       STAT_SD,       BF_REPORT,      "standard deviation of a report"},
  {"std",          "report",                bi_stat,       STAT_SD,       BF_REPORT,      "standard deviation of a report"},
  {"count",        "report",                bi_stat,       STAT_COUNT,    BF_REPORT,      "number of samples of a report"},
  {"median",       "report",                bi_stat,       STAT_QUANTILE, BF_REPORT,      "median of a report"},
  {"quantile",     "report, q",             bi_stat,       STAT_QUANTILE, BF_REPORT,      "quantile of a report, as in NumPy"},
  {"logmeanexp",   "report",                bi_stat,       STAT_LOGMEANEXP, BF_REPORT,    "log of the mean of exp(x) of a report x"},
  {"ess",          "report",                bi_stat,       STAT_ESS,      BF_REPORT,      "effective sample size of weights, (sum w)^2/sum w^2, of a report"},
  {"ess_log",      "report",                bi_stat,       STAT_ESS_LOG,  BF_REPORT,      "effective sample size of log-weights, of a report"},
  {"r_hat",        "report",                bi_stat,       STAT_R_HAT,    BF_REPORT,      "split R-hat of a report of chains"},
  {"r_hat_ranks",  "report",                bi_stat,       STAT_R_HAT_RANKS, BF_REPORT,   "split R-hat of the ranks of a report of chains"},
  {"ess_chains",   "report",                bi_stat,       STAT_ESS_CHAINS, BF_REPORT,    "effective sample size of a report of chains"},
  {"len",          "x",                     bi_length,     0,             0,              "size of the first axis"},
  {"shape",        "x",                     bi_shape,      0,             0,              "sizes of all axes"},
  {"concat",       "=axis, a, ...",         bi_concat,     0,             M | BF_SPREAD,  "tensors joined along an axis, the first by default"},
  {"stack",        "=axis, a, ...",         bi_stack,      0,             M | BF_SPREAD,  "tensors joined along a new axis"},
  {"roll",         "x, shift, axis?",       bi_roll,       0,             M,              "elements shifted along an axis, with wrap-around"},
  {"flip",         "x, axis?",              bi_flip,       0,             M,              "an axis in reverse order"},
  {"windows",      "x, k, stride?, axis?",  bi_windows,    0,             N,              "all windows of length k of an axis, along a new last axis"},
  {"conv",         "x, W, stride?, padding?", bi_conv,     0,             N | BF_WORD,   "convolution of x [c, n...] with W [out, c, k...]"},
  {"conv_transpose", "y, W, stride?, padding?", bi_conv_transpose, 0,     N | BF_WORD,    "the adjoint of `conv`"},
  {"pool_mean",    "x, k",                  bi_pool,       OP_sum,        N,              "means of blocks of k along all axes but the first"},
  {"pool_max",     "x, k",                  bi_pool,       OP_rmax,       N,              "largest elements of blocks of k along all axes but the first"},
  {"upsample",     "x, k",                  bi_upsample,   0,             N,              "each element k times along all axes but the first"},
  {"reshape",      "x, shape, ...",         bi_reshape,    0,             M,              "the same elements in another shape"},
  {"transpose",    "x",                     bi_transpose,  0,             M,              "all axes in reverse order"},
  {"outer",        "x, y",                  bi_outer,      0,             N,              "all products of an element of x and one of y"},
  {"cross",        "x, y",                  bi_cross,      0,             N,              "cross product of real[3], or of real[2]"},
  {"dot",          "x, y",                  bi_dot,        0,             N,              "scalar product of vectors"},
  {"norm",         "x",                     bi_norm,       0,             N,              "sqrt(sum(x^2))"},
  {"tril",         "x, k?",                 bi_tri,        0,             N,              "lower triangle"},
  {"triu",         "x, k?",                 bi_tri,        1,             N,              "upper triangle"},
  {"diag",         "x",                     bi_diag,       0,             N,              "matrix of a diagonal, or diagonal of a matrix"},
  {"set",          "x, i, v",               rows_set,      0,             N,              "x with v for row i"},
  {"argmax",       "x, axis?",              rows_argmax,   OP_rmax,       N,              "index of the largest element, the first of equals"},
  {"argmin",       "x, axis?",              rows_argmax,   OP_rmin,       N,              "index of the smallest element, the first of equals"},
  {"one_hot",      "i, n",                  rows_one_hot,  0,             N,              "n zeros with a 1 at index i"},
  {"searchsorted", "edges, x",              rows_searchsorted, 0,         N,              "number of edges below x; the edges must rise"},
  {"cumsum",       "x, axis?",              rows_cumulative, OP_add,      N,              "running sums along an axis, the first by default"},
  {"cumprod",      "x, axis?",              rows_cumulative, OP_mul,      N,              "running products along an axis"},
  {"sort",         "x, axis?",              rows_sort,     0,             N,              "an axis in rising order, NaN last"},
  {"argsort",      "x, axis?",              rows_sort,     1,             N,              "indices that sort an axis"},
  {"segment_sum",  "x, ids, n",             rows_segment_sum, 0,          N,              "n sums of rows: those with id 0, 1, ..."},
  {"eye",          "n",                     bi_eye,        0,             0,              "identity matrix"},
  {"zeros",        "shape, ...",            bi_fill,       0,             0,              "zeros of a shape"},
  {"ones",         "shape, ...",            bi_fill,       1,             0,              "ones of a shape"},
  {"linspace",     "a, b, n",               bi_linspace,   0,             0,              "n equally spaced numbers from a to b"},
  {"omega",        "n",                     bi_omega,      0,             0,              "[[0, 1], [-1, 0]] of size 2n"},
  {"solve_lower",  "L, x",                  bi_solve,      0,             N,              "L^-1 x, L lower triangular"},
  {"solve_upper",  "U, x",                  bi_solve,      1,             N,              "U^-1 x, U upper triangular"},
  {"solve",        "A, b",                  bi_solve,      2,             N,              "A^-1 b, A any square matrix"},
  {"inv",          "A",                     bi_inv,        0,             N,              "the inverse of a matrix"},
  {"det",          "A",                     bi_det,        0,             N,              "determinant"},
  {"logabsdet",    "A",                     bi_logabsdet,  0,             N,              "log(abs(det(A))), without overflow"},
  {"trace",        "A",                     bi_trace,      0,             N,              "sum of the diagonal"},
  {"cholesky",     "A",                     bi_cholesky,   0,             N,              "lower L with L @ L.T = A, positive definite"},
  {"eigh",         "A",                     bi_eigh,       0,             N,              "(eigenvalues, eigenvectors in columns) of a symmetric matrix"},
  {"grad",         "e, x",                  bi_grad,       0,             0,              "derivative of a scalar"},
  {"jac",          "e, x",                  bi_jac,        0,             0,              "matrix of first derivatives"},
  {"hess",         "e, x",                  bi_hess,       0,             0,              "matrix of second derivatives"},
  {"div",          "e, x",                  bi_div,        0,             0,              "divergence"},
  {"field",        "H",                     bi_functional, F_FIELD,       0,              "(dH/dp, -dH/dq)"},
  {"poisson",      "F, G",                  bi_functional, F_POISSON,     0,              "Poisson bracket"},
  {"jacobian",     "f",                     bi_functional, F_JACOBIAN,    0,              "matrix of first derivatives of a function by its joined arguments"},
  {"hessian",      "f",                     bi_functional, F_HESSIAN,     0,              "second derivatives of a scalar function by its joined arguments"},
  {"nonzeros",     "matrix",                bi_functional, F_NONZEROS,    0,              "elements of a jacobian or hessian that may be nonzero"},
  {"trajectory",   "H, q, p, @stop",        bi_trajectory, 1,             BF_RAW,         "motion under a Hamiltonian"},
  {"integrate",    "f, x, ..., @stop",      bi_trajectory, 0,             BF_RAW,         "motion along a vector field"},
  {"iterate",      "f, x, ...",             bi_iterate,    0,             BF_RAW,         "a function applied repeatedly"},
  {"uniform",      "a?, b?, shape?",        bi_draw,       0,             0,              "uniform draws from [a, b)"},
  {"normal",       "mean?, sd?, shape?",    bi_draw,       1,             0,              "normal draws"},
  {"choice",       "list",                  bi_choice,     0,             0,              "a random element of a list"},
  {"first",        "data, share",           bi_part,       DATA_FIRST,    0,              "the first part of data"},
  {"last",         "data, share",           bi_part,       DATA_LAST,     0,              "the last part of data"},
  {"shuffle",      "data, seed",            bi_part,       DATA_SHUFFLE,  0,              "data in another order"},
  {"read",         "file, ...",             bi_misplaced,  0,             BF_RAW,         "a table of a file"},
  {"inverse",      "T",                     bi_inverse,    F_INVERSE,     BF_RAW,         "the inverse of a flow"},
  {"logdet",       "T",                     bi_inverse,    F_LOGDET,      BF_RAW,         "log |det| of a flow"},
  {"lift",         "u",                     bi_inverse,    F_LIFT,        BF_RAW,         "the point transformation of q and p by a flow of q"},
  {"mean_over_batch", "x",                  bi_misplaced,  1,             BF_RAW,         "the mean over the batch, in `running`"},
  {"moving_mean",  "x",                     bi_misplaced,  1,             BF_RAW,         "the moving mean over earlier batches, in `running`"},
  {"onnx",         "file, ...",             bi_onnx,       0,             BF_RAW,         "a network in an ONNX file"},
  {"section",      "H, q, p, @on",          bi_section,    0,             BF_RAW,         "where an orbit crosses a surface"},
  {"events",       "f, x, ..., @on",        bi_section,    1,             BF_RAW,         "where and when orbits cross surfaces"},
};
/* clang-format on */
static const char *const paddings[] = {"same", "valid", "periodic"}; /* of `conv` */
static const uint32_t builtin_count = sizeof builtin_rows / sizeof *builtin_rows;

const Builtin *builtin_find(const char *name) {
  for (uint32_t i = 0; i < builtin_count; i++)
    if (!strcmp(builtin_rows[i].name, name)) return &builtin_rows[i];
  return NULL;
}

bool builtin_lazy(const Builtin *b, const char *name) {
  const char *at = strchr(b->params, '@');
  size_t n = strlen(name);
  return at && !strncmp(at + 1, name, n) && (at[1 + n] == 0 || at[1 + n] == ',');
}

bool builtin_value(Elab *E, const char *name, Value *out) {
  if (!strcmp(name, "pi")) return *out = value_num(3.14159265358979323846), true;
  if (!strcmp(name, "inf")) return *out = value_num(HUGE_VAL), true;
  for (size_t k = 0; k < sizeof paddings / sizeof *paddings; k++)
    if (!strcmp(name, paddings[k])) return *out = (Value){.kind = V_STRING, .string = paddings[k]}, true;
  const Builtin *b = builtin_find(name);
  int m = 0;
  while (m < M_count && strcmp(ir_method[m].name, name) != 0) m++;
  if (!b && m == M_count) return false;
  Func *f = ARENA_NEW(E->mem, Func);
  *f = (Func){.kind = b ? F_BUILTIN : F_METHOD, .name = name, .builtin = b};
  if (m < M_count) f->method = (Method)m, f->rtol = m == M_GAUSS16 ? 0 : 1e-6, f->atol = 1e-8, f->max_steps = 1000000;
  *out = value_func(f);
  return true;
}

uint32_t builtin_names(const char **out, uint32_t max) {
  uint32_t n = 0;
  for (uint32_t i = 0; i < builtin_count && n < max; i++) out[n++] = builtin_rows[i].name;
  for (uint32_t m = 0; m < M_count && n < max; m++) out[n++] = ir_method[m].name;
  if (n < max) out[n++] = "pi";
  return n;
}

/* ---- binding ---------------------------------------------------------------------------------------------
 */

typedef struct Params {
  const char *name[8];
  bool optional[8], named[8];
  uint32_t n, required;
  bool more;
} Params;

static Params parse_params(Elab *E, const char *s) {
  Params p = {0};
  while (*s) {
    size_t n = strcspn(s, ",");
    if (!strncmp(s, "...", 3)) {
      p.more = true;
    } else {
      p.named[p.n] = *s == '=';
      p.optional[p.n] = *s == '=' || s[n - 1] == '?';
      p.name[p.n] = arena_strndup(E->mem, s + (*s == '='), n - (*s == '=') - (s[n - 1] == '?'));
      p.required += !p.optional[p.n++];
    }
    s += n;
    s += strspn(s, ", ");
  }
  return p;
}

/* "x, axis?, =k?" as a reader writes it: what may be left out in brackets behind the rest. */
static const char *signature(Elab *E, const Builtin *b) {
  const char *s = "";
  for (const char *p = b->params; *p;) {
    const size_t n = strcspn(p, ",");
    const char *name = p + (*p == '=' || *p == '@');
    const size_t k = strcspn(name, "?,");
    const bool optional = *p == '=' || name[k] == '?';
    s = arena_printf(E->mem, "%s%s%s%.*s%s", s, *s ? ", " : "", optional ? "[" : "", (int)k, name, optional ? "]" : "");
    p += n + (p[n] == ',');
    p += strspn(p, " ");
  }
  return arena_printf(E->mem, "`%s(%s)`", b->name, s);
}

static Value arity_error(Elab *E, const Builtin *b, const Actuals *a, uint32_t given) {
  DiagMsg *m =
      elab_error(E, CODE_argument_count, a->call, "`%s` does not take %u argument%s", b->name, given, given == 1 ? "" : "s");
  const bool derivative = b->call == bi_grad || b->call == bi_jac || b->call == bi_hess || b->call == bi_div;
  if (derivative && a->n && a->at[0].v.kind == V_FUNC) {
    elab_help(m, "pass a value, and the value that it was computed from: `%s(%s(x), x)`", b->name, a->at[0].v.func->name);
    return POISON;
  }
  elab_help(m, "%s: %s", signature(E, b), b->doc);
  return POISON;
}

static bool bind(Elab *E, const Builtin *b, const Actuals *a, Actuals *out) {
  Params p = parse_params(E, b->params);
  *out = (Actuals){.call = a->call, .callee = a->callee, .n = p.n};
  out->at = ARENA_ARRAY(E->mem, Actual, p.n + a->n + 1);
  for (uint32_t k = 0; k < p.n; k++) out->at[k] = (Actual){.v = {.kind = V_NONE}, .at = a->call};
  uint32_t next = 0;
  for (uint32_t i = 0; i < a->n; i++) {
    const Actual *x = &a->at[i];
    uint32_t k = 0;
    if (x->name) {
      while (k < p.n && strcmp(p.name[k], x->name) != 0) k++;
      if (k == p.n || out->at[k].v.kind != V_NONE) {
        DiagMsg *m = elab_error(E, CODE_unknown_option, x->name_at,
                                k == p.n ? "`%s` has no parameter `%s`" : "`%s` is given `%s` twice", b->name, x->name);
        elab_suggest_option(m, x->name, p.name, p.n);
        elab_help(m, "%s", signature(E, b));
        return false;
      }
    } else {
      while (next < p.n && p.named[next]) next++;
      if (next == p.n && !p.more) return arity_error(E, b, a, a->n), false;
      k = next < p.n ? next++ : out->n++;
    }
    out->at[k] = *x;
  }
  for (uint32_t k = 0; k < p.n; k++)
    if (out->at[k].v.kind == V_NONE && !p.optional[k]) return arity_error(E, b, a, a->n), false;
  return true;
}

static Actuals spread(Elab *E, const Builtin *b, const Actuals *a) {
  bool tuple = false;
  for (uint32_t i = 0; i < a->n; i++) tuple |= a->at[i].v.kind == V_TUPLE;
  if (!tuple || (!(b->flags & BF_SPREAD) && a->n >= parse_params(E, b->params).required)) return *a;
  return actuals_spread(E, a);
}

/* ---- applying ------------------------------------------------------------------------------------------ */

static bool numeric(Elab *E, const Builtin *b, const Actuals *a, bool *fixed) {
  for (uint32_t i = 0; i < a->n; i++) {
    Value v = a->at[i].v;
    if (v.kind == V_NONE || (v.kind == V_STRING && (b->flags & BF_WORD) && i + 1 == a->n)) continue;
    if (!value_numeric(v)) {
      DiagMsg *m =
          elab_error(E, CODE_wrong_kind, a->at[i].at, "`%s` needs a number or tensor, found %s", b->name, value_text(E, v));
      elab_help_numeric(m, v);
      return false;
    }
    *fixed &= value_static(v);
  }
  return true;
}

static bool is_truth(Value v) {
  Type t;
  return value_type(v, &t) && t.dt == DT_BOOL;
}

/* Where what b moves are truth values: as numbers, in *out. */
static bool moves_truths(Elab *E, const Builtin *b, const Actuals *a, Actuals *out) {
  const bool several = b->flags & BF_SPREAD;
  const uint32_t first = several, end = several ? a->n : 1;
  if (!(b->flags & BF_MOVES)) return false;
  for (uint32_t i = 0; i < a->n; i++)
    if (given(&a->at[i]) && is_truth(a->at[i].v) != (i >= first && i < end)) return false;
  *out = *a;
  out->at = ARENA_ARRAY(E->mem, Actual, a->n + 1);
  for (uint32_t i = 0; i < a->n; i++) {
    out->at[i] = a->at[i];
    if (i < first || i >= end) continue;
    elab_at(E, a->at[i].at);
    out->at[i].v = elab_as_numbers(E, a->at[i].v);
  }
  return true;
}

/* Arguments are in their places. */
static Value apply_numeric(Elab *E, const Builtin *b, Actuals *a) {
  bool fixed = true;
  if (!numeric(E, b, a, &fixed)) return POISON;
  Scratch s;
  if (!fixed || b->call == bi_ew1 || b->call == bi_ew2) return b->call(E, b, a);
  bool whole = true;
  for (uint32_t i = 0; i < a->n; i++) whole &= exact_whole(a->at[i].v);
  if (E->now->exact && !whole) return b->call(E, b, a);
  scratch_begin(E, &s);
  Value r = b->call(E, b, a);
  return scratch_settles(E, &s, &r, a->call) && (!E->now->exact || exact_whole(r)) ? r : b->call(E, b, a);
}

Value builtin_apply(Elab *E, const Builtin *b, const Actuals *given) {
  for (uint32_t i = 0; i < given->n; i++)
    if (given->at[i].v.kind == V_POISON) return POISON;
  Actuals a = *given;
  if (b->flags & BF_RAW) return b->call(E, b, &a);
  Actuals flat = spread(E, b, given);
  for (uint32_t i = 0; i < flat.n; i++)
    if (flat.at[i].v.kind == V_POISON) return POISON;
  if (!bind(E, b, &flat, &a)) return POISON;
  if (!(b->flags & BF_NUMERIC)) return b->call(E, b, &a);
  Actuals moved;
  if (!moves_truths(E, b, &a, &moved)) return apply_numeric(E, b, &a);
  Value r = apply_numeric(E, b, &moved);
  elab_at(E, a.call);
  return elab_as_truths(E, r);
}

/* ---- what handlers ask of an argument ------------------------------------------------------------------ */

bool need_int(Elab *E, const Actual *a, const char *what, int64_t *out) {
  if (turns_int(a->v, out)) return true;
  if (a->v.kind == V_POISON || turns_unroll(E, a->v)) return false;
  if (a->v.kind == V_NUM) elab_error(E, CODE_whole_number, a->at, "%s must be an integer, found %g", what, a->v.num.v);
  else elab_error(E, CODE_not_constant, a->at, "%s must be an integer known at compile time, found %s", what, value_text(E, a->v));
  return false;
}

bool need_number(Elab *E, const Actual *a, const char *what, double *out) {
  if (a->v.kind == V_NUM) return *out = a->v.num.v, true;
  if (a->v.kind != V_POISON && !turns_unroll(E, a->v))
    elab_error(E, CODE_not_constant, a->at, "%s must be a number known at compile time, found %s", what, value_text(E, a->v));
  return false;
}

bool need_string(Elab *E, const Actual *a, const char *what, const char **out) {
  if (a->v.kind == V_STRING) return *out = a->v.string, true;
  if (a->v.kind != V_POISON) elab_error(E, CODE_wrong_kind, a->at, "%s must be a string, found %s", what, value_kind(E, a->v));
  return false;
}

static bool shape_size(Elab *E, const Actual *a, Num n, uint32_t *out, int64_t *total) {
  if (n.den != 1 || n.num < 1 || n.num > ELAB_ELEMENTS) {
    elab_error(E, n.den != 1 ? CODE_whole_number : CODE_out_of_range, a->at, "a size must be an integer from 1 to %d, found %g",
               (int)ELAB_ELEMENTS, n.v);
    return false;
  }
  *out = (uint32_t)n.num;
  *total *= n.num;
  if (*total <= ELAB_ELEMENTS) return true;
  elab_error(E, CODE_too_large, a->at, "this shape has more than %d elements", (int)ELAB_ELEMENTS);
  return false;
}

bool need_shape(Elab *E, const Actual *a, uint32_t *rank, uint32_t *dim) {
  int64_t total = 1;
  if (a->v.kind == V_NUM) return *rank = 1, shape_size(E, a, a->v.num, dim, &total);
  if (a->v.kind == V_LIST && a->v.list.n == 0) return *rank = 0, true;
  if (!value_numbers(a->v) || a->v.array->rank != 1 || a->v.array->n > IR_MAX_RANK) {
    if (turns_unroll(E, a->v)) return false;
    DiagMsg *m =
        elab_error(E, CODE_not_constant, a->at, "a shape must be a list of at most %d integers known at compile time, found %s",
                   IR_MAX_RANK, value_text(E, a->v));
    if (a->v.kind == V_TUPLE)
      elab_help(m, "write a list in `[ ]`, as in `[2, 3]`; `zeros` and `ones` also take sizes: `zeros(2, 3)`");
    return false;
  }
  *rank = a->v.array->n;
  for (uint32_t k = 0; k < *rank; k++)
    if (!shape_size(E, a, a->v.array->at[k], &dim[k], &total)) return false;
  return true;
}

Value error_shape(Elab *E, const Actual *a, const char *name, const char *needs) {
  const char *t = value_text(E, a->v);
  elab_label(elab_error(E, CODE_wrong_shape, a->at, "`%s` needs %s, found %s", name, needs, t), a->at, "%s", t);
  return POISON;
}
