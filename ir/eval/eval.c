/* The reference evaluator in f64. */
#include "ir/ir.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef double Elem;
typedef Tensor ElemTensor;
typedef const EvalEnv ElemEnv;

#include "ir/eval/eval_tmpl.h"

/* ---- elementwise ops, from the table ---- */

#define EW1(name, cycles, traits, eval, ...)       \
  static double value_##name(double a, double b) { \
    (void)b;                                       \
    return eval;                                   \
  }
#define EW2(name, cycles, traits, eval, ...) \
  static double value_##name(double a, double b) { return eval; }
#define CMP(name, eval) \
  static double value_##name(double a, double b) { return eval; }
#define LOG(name, arity, eval)                     \
  static double value_##name(double a, double b) { \
    (void)b;                                       \
    return eval;                                   \
  }
#include "ir/ops.def"

typedef double Value(double a, double b);

static Value *const value[OP_count] = {
#define EW1(name, ...) [OP_##name] = value_##name,
#define EW2(name, ...) [OP_##name] = value_##name,
#define CMP(name, ...) [OP_##name] = value_##name,
#define LOG(name, ...) [OP_##name] = value_##name,
#include "ir/ops.def"
};

double ir_eval_scalar(Op op, double a, double b) {
  if (op >= OP_count || !value[op]) base_fault("`%s` is no elementwise op", op < OP_count ? ir_op[op].name : "?");
  return value[op](a, b);
}

static inline Elem elem_apply(Run *r, Op op, Elem a, Elem b) {
  (void)r;
  return value[op](a, b);
}

static inline Elem elem_add_mul(Run *r, Elem sum, Elem a, Elem b) {
  (void)r;
  return sum + a * b;
}

static inline bool elem_true(Elem a) { return a != 0; }
static inline bool elem_pivot(Elem now, Elem other) { return fabs(other) > fabs(now); }
static inline bool elem_on(Elem a) { return a > 0; }

static inline Elem elem_whole(Run *r, int64_t k) {
  (void)r;
  return (double)k;
}

/* Where operations are disturbed (ir/field/field_real.c) it may be off by rounding. */
static inline int64_t elem_index(Elem a, int64_t n) { return a > 0 && a < (double)n - 0.5 ? (int64_t)(a + 0.5) : 0; }

static inline Elem elem_quotient(Run *r, Elem a, Elem b) {
  (void)r;
  return b == 0 ? NAN : a / b;
}

static inline Elem elem_root(Run *r, Elem a) {
  (void)r;
  return a > 0 ? sqrt(a) : NAN;
}
static inline bool elem_zero(Elem a) { return a == 0; }
static inline Elem elem_some_row(Elem a) { return a; }
static Elem elem_nan(Run *r) { return (void)r, NAN; }

/* With any_row an index that names none counts as one that does. */
static int64_t elem_row(Run *r, Elem i, int64_t n) {
  if (i >= 0 && i < (double)n && i == floor(i)) return (int64_t)i;
  if (!r->env || !r->env->any_row || !isfinite(i)) return ROW_NONE;
  double row = fmod(nearbyint(i), (double)n);
  return (int64_t)(row < 0 ? row + (double)n : row);
}

static Elem elem_row_weight(Run *r, Elem i, int64_t n, int64_t row) { return elem_row(r, i, n) == row; }

/* No lane moves by more than 4 ulp of the largest. */
static bool elem_settled(const Tensor *was, const Tensor *now, int64_t B) {
  int64_t lanes = now->type.lane ? B : 1, n = type_count(now->type);
  for (int64_t s = 0; s < lanes; s++) {
    double largest = 0, moved = 0;
    for (int64_t e = s; e < n * lanes; e += lanes) {
      if (isnan(now->v[e]) != isnan(was->v[e])) return false;
      largest = fmax(largest, fabs(now->v[e]));
      moved = fmax(moved, fabs(now->v[e] - was->v[e]));
    }
    if (moved > 4 * DBL_EPSILON * largest) return false;
  }
  return true;
}

static bool elem_check(Run *r, const Fn *f, uint32_t id, const ElemTensor *t, const ElemTensor *const *args) {
  if (!r->env || !r->env->watch || !t->v || r->env->watch(r->env->ctx, f, (Val){id}, t, args)) return true;
  return eval_fail(r, "stopped at %%%u of @%s", id, f->name);
}

#include "ir/eval/eval_fn_tmpl.h"
#include "ir/eval/eval_scan_tmpl.h"
#include "ir/eval/eval_struct_tmpl.h"
#include "ir/eval/eval_linalg_tmpl.h"

/* ---- leaves ---- */

static bool eval_const(Node *n) {
  const_attr attr = const_attr_at(n->attr);
  double v;
  memcpy(&v, &attr.bits, sizeof v);
  for (int64_t e = type_count(n->i->type); e-- > 0;) n->out->v[e] = v;
  return true;
}

static bool eval_table(Node *n) {
  table_attr attr = table_attr_at(n->attr);
  const Table *t = &n->f->table.at[attr.table];
  memcpy(n->out->v, t->v, (size_t)type_count(t->type) * sizeof(double));
  return true;
}

static bool eval_iota(Node *n) {
  for (int64_t e = type_count(n->i->type); e-- > 0;) n->out->v[e] = (double)e;
  return true;
}

static bool eval_rand(Node *n) {
  rand_attr attr = rand_attr_at(n->attr);
  const EvalEnv *env = n->run->env;
  if (!env || !env->draw) return eval_fail(n->run, "`rand` without a generator");
  uint32_t counter = n->i->nargs ? (uint32_t)(int64_t)n->arg[0]->v[0] : 0;
  env->draw((int)attr.kind, env->seed, env->sample0, n->run->B, (uint32_t)attr.site, counter, type_count(n->i->type), n->out->v);
  return true;
}

static bool eval_require(Node *n) {
  int64_t B = n->run->B, w = eval_width(n->out, B);
  for (int64_t e = type_count(n->i->type); e-- > 0;)
    for (int64_t s = 0; s < w; s++) n->out->v[e * w + s] = elem_true(element(n->arg[0], e, s, B)) ? 1 : NAN;
  return true;
}

/* ---- factors without an exact value ---- */

static bool eval_logdet(Node *n) {
  const ElemTensor *a = n->arg[0];
  int64_t B = n->run->B, w = eval_width(n->out, B), rows = a->type.dim[1];
  for (int64_t s = 0; s < w; s++) {
    double sum = 0;
    for (int64_t k = 0; k < rows; k++) sum += log(fabs(element(a, k * (rows + 1), s, B)));
    n->out->v[s] = sum;
  }
  return true;
}

/* Turns the plane of p and q so that a[p][q] becomes 0; v gathers the turns. False: it is 0 already, but for rounding. */
static bool jacobi_turn(double *a, double *v, int64_t n, int64_t p, int64_t q) {
  double off = fabs(a[p * n + q]), up = fabs(a[p * (n + 1)]), down = fabs(a[q * (n + 1)]);
  if (!(up < up + off || down < down + off)) return false;
  double way = (a[q * (n + 1)] - a[p * (n + 1)]) / (2 * a[p * n + q]);
  double t = (way < 0 ? -1 : 1) / (fabs(way) + sqrt(way * way + 1)), c = 1 / sqrt(t * t + 1), s = t * c, tau = s / (1 + c);
  a[p * (n + 1)] -= t * a[p * n + q], a[q * (n + 1)] += t * a[p * n + q];
  a[p * n + q] = a[q * n + p] = 0;
  for (int64_t k = 0; k < n; k++) {
    double g = a[k * n + p], h = a[k * n + q], x = v[k * n + p], y = v[k * n + q];
    if (k != p && k != q) {
      a[k * n + p] = a[p * n + k] = g - s * (h + tau * g);
      a[k * n + q] = a[q * n + k] = h + s * (g - tau * h);
    }
    v[k * n + p] = x - s * (y + tau * x), v[k * n + q] = y + s * (x - tau * y);
  }
  return true;
}

/* Eigenvalues in ascending order, and of each vector the sign: see eigh in docs/language/builtins.md. */
static void jacobi_order(double *w, double *v, int64_t n) {
  for (int64_t p = 0; p < n; p++)
    for (int64_t q = p + 1; q < n; q++) {
      if (!(w[q] < w[p])) continue;
      swap_elements(w, p, q);
      for (int64_t k = 0; k < n; k++) swap_elements(v + k * n, p, q);
    }
  for (int64_t j = 0; j < n; j++) {
    double most = 0, sign = 0;
    for (int64_t k = 0; k < n; k++) most = fmax(most, fabs(v[k * n + j]));
    for (int64_t k = 0; k < n && sign == 0; k++)
      if (fabs(v[k * n + j]) >= EIGH_LEAST * most) sign = v[k * n + j] < 0 ? -1 : 1;
    for (int64_t k = 0; k < n; k++) v[k * n + j] *= sign;
  }
}

/* Cyclic Jacobi. Of a matrix that is not finite nothing is. */
static bool eval_eigh(Node *n) {
  int64_t B = n->run->B, w = eval_width(n->out, B), rows = n->i->type.dim[1], count = rows * rows;
  double *a = base_zeroed((size_t)(2 * count + rows), sizeof *a), *v = a + count, *diag = v + count;
  for (int64_t s = 0; s < w; s++) {
    double lost = 0;
    bool on = true;
    for (int64_t e = 0; e < count; e++) {
      int64_t i = e / rows, j = e % rows;
      a[e] = element(n->arg[0], i < j ? j * rows + i : e, s, B), v[e] = i == j;
      lost += 0 * a[e];
    }
    for (int sweep = 0; sweep < EIGH_SWEEPS && on; sweep++) {
      on = false;
      for (int64_t p = 0; p < rows; p++)
        for (int64_t q = p + 1; q < rows; q++) on |= jacobi_turn(a, v, rows, p, q);
    }
    for (int64_t k = 0; k < rows; k++) diag[k] = a[k * (rows + 1)];
    jacobi_order(diag, v, rows);
    for (int64_t e = 0; e < count + rows; e++) n->out->v[e * w + s] = v[e] + lost;
  }
  base_free(a);
  return true;
}

/* ---- adaptive trajectories ---- */

typedef struct Rates {
  Node *n;
  const Fn *body;
  Tensor *in, *out;       /* of the body; the first `states` inputs and the time are set by each call */
  uint32_t states, order; /* order: of series, or 0 */
  bool failed;
} Rates;

static void rates(void *ctx, const void *t, const void *y, void *dy) {
  Rates *r = ctx;
  int64_t B = r->n->run->B;
  double *at = (double *)y, *to = dy;
  size_t total = 0;
  for (uint32_t k = 0; k < r->states; k++) {
    r->in[k].v = at + total;
    total += elem_total(&r->in[k], B);
  }
  r->in[r->states].v = (double *)t;
  if (r->failed || !eval_fn(r->n->run, r->body, r->in, r->out)) {
    for (size_t e = 0; e < total * (r->order ? r->order : 1); e++) to[e] = NAN;
    r->failed = true;
    return;
  }
  for (uint32_t m = 0; m < (r->order ? r->order : 1); m++)
    for (uint32_t k = 0; k < r->states; k++) {
      size_t size = elem_total(&r->in[k], B);
      memcpy(to, r->out[k].v + m * size, size * sizeof *to);
      to += size;
    }
  eval_free(r->out, r->body->out.n);
}

/* [rows][dim][lanes] of all states apart into one tensor a state. */
static void unpack_rows(Node *n, const double *from, uint32_t states, size_t rows, uint32_t first) {
  for (size_t t = 0; t < rows; t++)
    for (uint32_t k = 0; k < states; k++) {
      size_t size = elem_total(n->args[k], n->run->B);
      memcpy(n->results[first + k].v + t * size, from, size * sizeof *from);
      from += size;
    }
}

/* Where the record goes: states and rates side by side first, then a tensor of each. */
typedef struct Recorded {
  double *states, *starts;
  size_t rows;
} Recorded;

static Recorded record_begin(Node *n, HnnOde *o, const ode_attr *attr) {
  const uint32_t states = (uint32_t)attr->states;
  const size_t row = (size_t)o->dim * (size_t)o->lanes;
  Recorded r = {.rows = (size_t)attr->record};
  if (!r.rows) return r;
  r.states = base_zeroed(r.rows * row, sizeof *r.states);
  if (ir_records_rates((Method)attr->method)) r.starts = base_zeroed(r.rows * row, sizeof *r.starts);
  o->record = (int32_t)attr->record;
  o->states = r.states, o->starts = r.starts;
  o->steps = n->results[ir_ode_result(states, ODE_STEPS, 0)].v;
  return r;
}

static void record_end(Node *n, Recorded *r, uint32_t states) {
  if (r->states) unpack_rows(n, r->states, states, r->rows, ir_ode_result(states, ODE_STATE, 0));
  if (r->starts) unpack_rows(n, r->starts, states, r->rows, ir_ode_result(states, ODE_RATE, 0));
  base_free(r->states);
  base_free(r->starts);
}

static size_t states_total(const Node *n, uint32_t states) {
  size_t total = 0;
  for (uint32_t k = 0; k < states; k++) total += elem_total(n->args[k], n->run->B);
  return total;
}

/* The first states of the operands side by side: [dim][lanes]. */
static double *pack_states(const Node *n, uint32_t states) {
  double *out = base_realloc(NULL, states_total(n, states) * sizeof *out), *at = out;
  for (uint32_t k = 0; k < states; k++) {
    const size_t size = elem_total(n->args[k], n->run->B);
    memcpy(at, n->args[k]->v, size * sizeof *at);
    at += size;
  }
  return out;
}

/* Operands of the body are those of the `ode`, but for the states and the time. */
static void rates_begin(Rates *r) {
  r->in = base_realloc(NULL, r->n->i->nargs * sizeof *r->in);
  r->out = base_realloc(NULL, r->body->out.n * sizeof *r->out);
  for (uint32_t k = 0; k < r->n->i->nargs; k++) r->in[k] = *r->n->args[k];
  r->in[r->states].type = r->body->in.at[r->states].type;
}

static bool eval_ode(Node *n) {
  const ode_attr attr = ode_attr_at(n->attr);
  const EvalEnv *env = n->run->env;
  if (!env || !env->ode) return eval_fail(n->run, "`ode` without a stepper");
  const uint32_t states = (uint32_t)attr.states;
  const Tensor *times = n->args[states];
  const size_t total = states_total(n, states), lanes = n->args[0]->type.lane ? (size_t)n->run->B : 1;
  Rates r = {.n = n, .body = ir_body(n->f, n->i), .states = states, .order = ir_ode_order(n->f, n->i)};
  if (attr.method == M_TAYLOR && !r.order) return eval_fail(n->run, "`ode` by taylor without series");
  rates_begin(&r);
  double *y0 = pack_states(n, states), *out = base_realloc(NULL, total * times->type.dim[0] * sizeof *out);
  HnnOde o = {.method = (int32_t)attr.method,
              .order = (int32_t)r.order,
              .kinks = (int32_t)attr.kinks,
              .f64 = 1,
              .lanes = (int32_t)lanes,
              .dim = (int32_t)(total / lanes),
              .watched = (int32_t)(states_total(n, (uint32_t)attr.watched) / lanes),
              .y0 = y0,
              .out = out,
              .counts = n->results[states].v,
              .ntimes = (int32_t)times->type.dim[0],
              .lane_times = times->type.lane,
              .times = times->v,
              .max_steps = (int32_t)attr.max_steps,
              .rates = rates,
              .ctx = &r};
  memcpy(&o.rtol, &attr.rtol, sizeof o.rtol);
  memcpy(&o.atol, &attr.atol, sizeof o.atol);
  Recorded recorded = record_begin(n, &o, &attr);
  if (env->ode(&o) && env->failed) env->failed(env->ctx, n->f, (Val){(uint32_t)(n->i - n->f->inst.at)}, &o);
  unpack_rows(n, out, states, (size_t)o.ntimes, 0);
  record_end(n, &recorded, states);
  base_free(y0);
  base_free(out);
  base_free(r.in);
  base_free(r.out);
  return !r.failed;
}

/* ---- all ---- */

void ir_tensors_free(Tensor *t, uint32_t n) { eval_free(t, n); }

bool ir_eval(const Fn *f, int64_t B, const Tensor *in, Tensor *out, const EvalEnv *env, char *err, size_t errsize) {
  Run r = {B, env, err, errsize};
  return eval_top(&r, f, in, out);
}
