/* Functions compared at real points.
 *
 * How much of a difference may be rounding is measured: each side is evaluated again with every intermediate value
 * and input moved at random by a few units in the last place, which moves the result about as far as rounding, other
 * orders of summation or other libraries would, through every cancellation. What differs by a large multiple of
 * that, and by more than FLOOR of the size of the output, is a difference. Points at which something overflows
 * or loses digits to underflow tell nothing, nor do those where == is asked of values that are close. Points come in
 * ranges: of size one, small, large, of one sign, many orders of magnitude, whole numbers. What differs at whole numbers must differ
 * beside them, too: sets of measure zero do not count. */
#include "ir/field/field_priv.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { FEW = 3, SHAKES = 16 }; /* noise is a whole number of units: a few shakes may all return to it */
static const double SHAKE = 0x1p-50, EXCESS = 64, FLOOR = 1e-13, CLOSE = 1e-9;
static const double ITERATED = 1e-6; /* what a fixed point may be off by, with its derivatives */

static double uniform(uint64_t *state) { return (double)(field_bits(state) >> 11) * 0x1p-53; }

static int64_t total(Type t) { return type_count(t) * (t.lane ? FIELD_LANES : 1); }

/* ---- points ---- */

enum { RANGES = 11, WHOLE = 8 };

static int range_of(uint64_t point) { return point & 4 ? (int)((point >> 3) % RANGES) : (int)(point & 3); }

static double draw_real(int range, uint64_t *state) {
  static const double low[] = {0.1, -1, 0.5, -3, -1, -2, -1e-3, -10}, high[] = {1, 1, 2, 3, -0.1, 4, 1e-3, 10};
  double u = uniform(state);
  if (range < 8) return low[range] + (high[range] - low[range]) * u;
  if (range == WHOLE) return floor(7 * u) - 3;
  double size = exp(range == 9 ? 12 * u - 6 : 6 * u - 6);
  return (field_bits(state) & (range == 9)) ? -size : size;
}

void ir_field_point(const Fn *f, uint64_t point, Tensor *in) {
  const int range = range_of(point);
  uint64_t state = point;
  for (uint32_t k = 0; k < f->in.n; k++) {
    Type t = f->in.at[k].type;
    in[k] = (Tensor){t, base_realloc(NULL, sizeof(double) * (size_t)(total(t) + 1))};
    for (int64_t e = 0; e < total(t); e++) in[k].v[e] = t.dt == DT_BOOL ? uniform(&state) < 0.5 : draw_real(range, &state);
  }
}

static void draw(int kind, uint64_t seed, uint64_t sample0, int64_t lanes, uint32_t site, uint32_t counter, int64_t elems,
                 double *out) {
  (void)sample0;
  uint64_t state = seed ^ (uint64_t)site << 32 ^ counter;
  for (int64_t k = 0; k < elems * lanes; k++) {
    double u = uniform(&state);
    out[k] = kind ? 4 * u - 2 : u;
  }
}

/* ---- one side ---- */

/* A value that an equality is asked of; v: a copy, NULL before it was met. */
typedef struct Asked {
  const Fn *f;
  uint32_t id;
  Type type;
  double *v;
} Asked;

typedef struct Watch {
  uint64_t state;
  VEC(Asked) asked;
  bool shakes;
  bool extreme; /* a value was so large or small that arithmetic is none of real numbers any more */
  bool close;   /* rounding decides an equality */
} Watch;

/* Products and quotients of values within these bounds neither overflow nor lose digits. */
static bool extreme(const Inst *i, double v) {
  static const double LARGEST = 0x1p500, SMALLEST = 0x1p-500;
  bool exponential = i->op == OP_exp || i->op == OP_expm1 || i->op == OP_sigmoid || i->op == OP_softplus || i->op == OP_pow ||
                     i->op == OP_powlog || i->op == OP_powlog2 || i->op == OP_sinh || i->op == OP_cosh;
  if (ir_literal(i->op) || isnan(v)) return false;
  if (i->op == OP_atan2 && fabs(v) > 3.1415926535897) return true; /* on the cut: the sign of zero decides */
  if (isinf(v) || v == 0) return exponential && (isinf(v) || i->op == OP_exp || i->op == OP_sigmoid);
  return !(fabs(v) <= LARGEST && fabs(v) >= SMALLEST);
}

/* Ops whose results are rounded, constants that are, too. */
static bool rounds(const Fn *f, const Inst *i) {
  switch (i->op) {
  case OP_dot:
  case OP_cauchy:
  case OP_sum:
  case OP_batch_sum:
  case OP_scatter:
  case OP_trisolve:
  case OP_lu:
  case OP_solve:
  case OP_det:
  case OP_logdet:
  case OP_cholesky:
  case OP_eigh:
  case OP_table: return true;
  case OP_neg:
  case OP_abs:
  case OP_sign:
  case OP_relu:
  case OP_stop:
  case OP_fixed:
  case OP_floor:
  case OP_ceil:
  case OP_round:
  case OP_min:
  case OP_max: return false;
  case OP_const: return ir_const_attr(f, i).den <= 0;
  default: return ir_op[i->op].cls != OPC_STRUCT;
  }
}

static bool equality(const Fn *f, const Inst *i) {
  return (i->op == OP_eq || i->op == OP_ne) && ir_type(f, ir_arg(f, i, 0)).dt == DT_REAL;
}

static void collect_asked(Watch *w, const Fn *f) {
  for (uint32_t id = 1; id < f->inst.n; id++) {
    const Inst *i = &f->inst.at[id];
    if (i->sub) collect_asked(w, ir_body(f, i));
    for (uint32_t k = 0; k < 2 && equality(f, i); k++) *vec_push(&w->asked) = (Asked){.f = f, .id = ir_arg(f, i, k).id};
  }
}

static void forget_asked(Watch *w) {
  for (uint32_t k = 0; k < w->asked.n; k++) base_free(w->asked.at[k].v);
  vec_free(&w->asked);
}

static Asked *asked(const Watch *w, const Fn *f, Val v) {
  for (uint32_t k = 0; k < w->asked.n; k++)
    if (w->asked.at[k].f == f && w->asked.at[k].id == v.id) return &w->asked.at[k];
  return NULL;
}

static void keep_asked(Asked *a, const Tensor *value) {
  size_t bytes = sizeof(double) * (size_t)total(value->type);
  a->type = value->type;
  a->v = base_realloc(a->v, bytes + 1);
  memcpy(a->v, value->v, bytes);
}

static double asked_at(const Asked *a, int64_t element, int64_t sample) {
  int64_t e = type_count(a->type) == 1 ? 0 : element;
  return a->v[a->type.lane ? e * FIELD_LANES + sample : e];
}

/* Close, but not the same. */
static bool nearly_equal(const Asked *x, const Asked *y, Type t) {
  if (!x || !y || !x->v || !y->v) return false;
  for (int64_t k = 0; k < total(t); k++) {
    int64_t e = t.lane ? k / FIELD_LANES : k, s = t.lane ? k % FIELD_LANES : 0;
    double u = asked_at(x, e, s), v = asked_at(y, e, s), d = fabs(u - v);
    if (d > 0 && d <= CLOSE * fmax(1, fmax(fabs(u), fabs(v)))) return true;
  }
  return false;
}

/* Values are the evaluator's own until it goes on, so they may be moved. Exact constants and bools stay. */
static bool watch(void *ctx, const Fn *f, Val v, const Tensor *value, const Tensor *const *args) {
  (void)args;
  Watch *w = ctx;
  const Inst *i = ir_inst(f, v);
  if (value->v && w->asked.n && equality(f, i))
    w->close |= nearly_equal(asked(w, f, ir_arg(f, i, 0)), asked(w, f, ir_arg(f, i, 1)), value->type);
  if (value->type.dt != DT_REAL || !value->v) return true;
  Asked *a = w->asked.n ? asked(w, f, v) : NULL;
  if (a) keep_asked(a, value);
  int64_t n = total(value->type);
  for (int64_t e = 0; e < n && !w->extreme; e++) w->extreme = extreme(i, value->v[e]);
  if (!w->shakes || !rounds(f, i)) return true;
  for (int64_t e = 0; e < n; e++) value->v[e] *= 1 + SHAKE * (2 * uniform(&w->state) - 1);
  return true;
}

static Tensor *copy_in(const Fn *f, const Tensor *in, uint64_t *state) {
  Tensor *to = base_realloc(NULL, sizeof *to * (f->in.n + 1));
  for (uint32_t k = 0; k < f->in.n; k++) {
    size_t n = (size_t)total(in[k].type);
    to[k] = (Tensor){in[k].type, base_realloc(NULL, sizeof(double) * (n + 1))};
    for (size_t e = 0; e < n; e++) to[k].v[e] = in[k].v[e] * (in[k].type.dt == DT_REAL ? 1 + SHAKE * (2 * uniform(state) - 1) : 1);
  }
  return to;
}

static bool evaluate(const Fn *f, const Tensor *in, uint64_t point, Watch *w, Tensor *out) {
  EvalEnv env = {.seed = point, .draw = draw, .any_row = true, .watch = watch, .ctx = w};
  char err[80];
  return ir_eval(f, FIELD_LANES, in, out, &env, err, sizeof err);
}

/* How far out moves when f is shaken: added to spread[output][element]. */
static void measure(const Fn *f, const Tensor *in, uint64_t point, const Tensor *out, uint64_t turn, uint64_t end,
                    double **spread) {
  Tensor *moved = base_realloc(NULL, sizeof *moved * (f->out.n + 1));
  for (; turn < end; turn++) {
    Watch w = {.state = point * SHAKES + turn, .shakes = true};
    Tensor *at = copy_in(f, in, &w.state);
    if (evaluate(f, at, point, &w, moved)) {
      for (uint32_t k = 0; k < f->out.n; k++)
        for (int64_t e = 0; e < total(out[k].type); e++) {
          double d = fabs(moved[k].v[e] - out[k].v[e]);
          spread[k][e] = isnan(d) ? INFINITY : fmax(spread[k][e], d);
        }
      ir_tensors_free(moved, f->out.n);
    }
    ir_tensors_free(at, f->in.n);
    base_free(at);
  }
  base_free(moved);
}

/* ---- two sides ---- */

static double largest(const Tensor *t) {
  double most = 0;
  for (int64_t e = 0; e < total(t->type); e++)
    if (isfinite(t->v[e])) most = fmax(most, fabs(t->v[e]));
  return most;
}

/* How far x and y are apart, relative to the larger of the whole outputs, or to what was subtracted from what if that
 * is larger: shaking moves by SHAKE of it. */
static double apart(const Tensor *x, const Tensor *y, uint32_t n, double *const *spread, bool *finite) {
  double most = 0;
  for (uint32_t k = 0; k < n; k++) {
    double scale = fmax(largest(&x[k]), largest(&y[k]));
    for (int64_t e = 0; e < total(x[k].type); e++) {
      double whole = spread ? fmax(scale, spread[k][e] / SHAKE) : scale;
      if (!isfinite(x[k].v[e]) || !isfinite(y[k].v[e])) continue;
      *finite = true;
      if (whole > 0) most = fmax(most, fabs(x[k].v[e] - y[k].v[e]) / whole);
    }
  }
  return most;
}

static double widest(const Tensor *x, const Tensor *y, uint32_t n) {
  double most = 0;
  for (uint32_t k = 0; k < n; k++)
    for (int64_t e = 0; e < total(x[k].type); e++) most = fmax(most, fabs(x[k].v[e] - y[k].v[e])); /* fmax drops NaN */
  return most;
}

static bool iterates(const Fn *f) {
  for (uint32_t id = 1; id < f->inst.n; id++) {
    const Inst *i = &f->inst.at[id];
    if ((i->op == OP_scan && ir_scan_shape(f, i).converge) || (i->sub && iterates(ir_body(f, i)))) return true;
  }
  return false;
}

static bool exceeds(const Tensor *x, const Tensor *y, uint32_t n, double *const *spread, bool iterated, FieldReport *r) {
  double floor = iterated ? ITERATED : FLOOR, excess = iterated ? ITERATED / SHAKE : EXCESS;
  for (uint32_t k = 0; k < n; k++) {
    double scale = fmax(largest(&x[k]), largest(&y[k]));
    for (int64_t e = 0; e < total(x[k].type); e++) {
      double u = x[k].v[e], v = y[k].v[e], d = fabs(u - v);
      if (!isfinite(u) || !isfinite(v) || !(d > floor * scale) || (spread && !(d > excess * spread[k][e]))) continue;
      if (!spread) return true;
      bool lane = x[k].type.lane;
      r->output = k;
      r->element = lane ? e / FIELD_LANES : e;
      r->sample = lane ? e % FIELD_LANES : 0;
      r->left = u;
      r->right = v;
      return true;
    }
  }
  return false;
}

/* They may be apart: by more than rounding? */
static bool differ(const Fn *a, const Fn *b, const Tensor *in, uint64_t point, const Tensor *x, const Tensor *y, FieldReport *r) {
  uint32_t n = a->out.n;
  bool iterated = iterates(a) || iterates(b), finite = false, close = !exceeds(x, y, n, NULL, iterated, r), differ = false;
  double **spread = base_realloc(NULL, sizeof *spread * (n + 1));
  for (uint32_t k = 0; k < n; k++) {
    size_t bytes = sizeof(double) * (size_t)(total(x[k].type) + 1);
    spread[k] = base_realloc(NULL, bytes);
    memset(spread[k], 0, bytes);
  }
  for (uint64_t turn = 0; !close && turn < SHAKES && (!turn || differ); turn += turn ? SHAKES : FEW) {
    measure(a, in, point, x, turn, turn ? SHAKES : FEW, spread);
    measure(b, in, point, y, turn, turn ? SHAKES : FEW, spread);
    differ = exceeds(x, y, n, spread, iterated, r);
  }
  double d = apart(x, y, n, spread, &finite);
  r->real_points += finite;
  if (!close && !differ) r->blurred++, r->blur = fmax(r->blur, widest(x, y, n));
  if (finite) r->agreement = fmax(r->agreement, d);
  for (uint32_t k = 0; k < n; k++) base_free(spread[k]);
  base_free(spread);
  return differ;
}

static bool differ_in(const Fn *a, const Fn *b, const Tensor *in, uint64_t point, FieldReport *r) {
  Tensor *x = base_realloc(NULL, sizeof *x * (a->out.n + 1)), *y = base_realloc(NULL, sizeof *y * (a->out.n + 1));
  bool different = false;
  Watch w = {.shakes = false};
  collect_asked(&w, a);
  collect_asked(&w, b);
  if (evaluate(a, in, point, &w, x)) {
    if (evaluate(b, in, point, &w, y)) {
      different = !w.extreme && !w.close && differ(a, b, in, point, x, y, r);
      ir_tensors_free(y, a->out.n);
    }
    ir_tensors_free(x, a->out.n);
  }
  forget_asked(&w);
  base_free(x);
  base_free(y);
  return different;
}

/* At some of a few points close by, or there by `least`, and rounding may be why. */
static bool differ_beside(const Fn *a, const Fn *b, const Tensor *in, uint64_t point, double least) {
  enum { BESIDE = 8 };
  double away = 1e-2;
  bool different = false;
  Tensor *near = base_realloc(NULL, sizeof *near * (a->in.n + 1));
  for (uint64_t turn = 0; turn < BESIDE && !different; turn++) {
    FieldReport here = {0};
    uint64_t state = point * BESIDE + turn;
    away /= 10;
    for (uint32_t k = 0; k < a->in.n; k++) {
      near[k] = (Tensor){in[k].type, base_realloc(NULL, sizeof(double) * (size_t)(total(in[k].type) + 1))};
      for (int64_t e = 0; e < total(in[k].type); e++)
        near[k].v[e] = in[k].v[e] + (in[k].type.dt == DT_REAL ? away * (2 * uniform(&state) - 1) : 0);
    }
    different = differ_in(a, b, near, point, &here) || here.blur >= least;
    ir_tensors_free(near, a->in.n);
  }
  base_free(near);
  return different;
}

static bool differ_at(const Fn *a, const Fn *b, uint64_t point, FieldReport *r) {
  Tensor *in = base_realloc(NULL, sizeof *in * (a->in.n + 1));
  ir_field_point(a, point, in);
  const FieldReport before = *r;
  bool different = differ_in(a, b, in, point, r);
  if (different && range_of(point) == WHOLE && !differ_beside(a, b, in, point, fabs(r->left - r->right) / 2))
    different = false, *r = before;
  ir_tensors_free(in, a->in.n);
  base_free(in);
  return different;
}

bool field_real_differ(const Fn *a, const Fn *b, uint64_t first, int n, FieldReport *r) {
  for (int k = 0; k < n; k++) {
    uint64_t point = (first & ~UINT64_C(7)) + (uint64_t)k;
    if (!differ_at(a, b, point, r)) continue;
    r->point = point;
    snprintf(r->reason, sizeof r->reason, "output %u, element %lld of sample %lld: %.17g and %.17g", r->output,
             (long long)r->element, (long long)r->sample, r->left, r->right);
    return true;
  }
  return false;
}
