#include "tests/common/random_fn.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct Gen {
  Build *b;
  const RandomSpec *spec;
  uint64_t *rng;
  int depth;
  VEC(Val) v;        /* reals made so far */
  VEC(double) bound; /* of their sizes */
} Gen;

uint64_t random_bits(uint64_t *state) {
  uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
  z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
  z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
  return z ^ z >> 31;
}

uint32_t random_below(uint64_t *state, uint32_t n) { return (uint32_t)(random_bits(state) >> 33) % n; }

double random_real(uint64_t *state, double lo, double hi) { return lo + (hi - lo) * (double)(random_bits(state) >> 11) * 0x1p-53; }

static void sprinkle(Tensor *t, int64_t B, uint64_t *seed) {
  static const double special[] = {NAN, INFINITY, -INFINITY, 0, -0.0};
  int64_t n = type_count(t->type);
  if (!t->type.lane && random_below(seed, 8) == 0) t->v[random_below(seed, (uint32_t)n)] = special[random_below(seed, 5)];
  for (int64_t s = 0; t->type.lane && s < B; s += 3)
    if (random_below(seed, 2)) t->v[random_below(seed, (uint32_t)n) * B + s] = special[random_below(seed, 5)];
}

void random_inputs(const Fn *f, int64_t B, uint64_t seed, Tensor *in) {
  bool special = seed & RANDOM_SPECIAL;
  for (uint32_t k = 0; k < f->in.n; k++) {
    Type t = f->in.at[k].type;
    int64_t n = type_count(t) * (t.lane ? B : 1);
    in[k] = (Tensor){t, base_realloc(NULL, sizeof(double) * (size_t)(n + 1))};
    for (int64_t e = 0; e < n; e++) in[k].v[e] = f->f64 ? random_real(&seed, -1, 1) : (float)random_real(&seed, -1, 1);
    if (special) sprinkle(&in[k], B, &seed);
  }
}

/* ---- values ---- */

static uint32_t below(Gen *g, uint32_t n) { return random_below(g->rng, n); }

/* What is large is made small before a function bounds it: the rounding errors of large terms would be errors of the result. A
 * power of two rounds nothing. */
static Val moderate(Build *b, Val v, double bound) {
  return bound > 8 && isfinite(bound) ? ir_mul(b, v, ir_const(b, exp2(-ceil(log2(bound / 8))))) : v;
}

static void push(Gen *g, Val v, double bound) {
  if (!(bound <= 8)) v = ir_tanh(g->b, moderate(g->b, v, bound)), bound = 1;
  *vec_push(&g->v) = v;
  *vec_push(&g->bound) = bound;
}

static Type type_of(Gen *g, Val v) { return ir_type(g->b->f, v); }

/* A value, recent ones more often; writes its bound. */
static Val pick(Gen *g, double *bound) {
  uint32_t n = g->v.n, k = below(g, n);
  if (below(g, 2)) k = n - 1 - (n - 1 - k) / 2;
  *bound = g->bound.at[k];
  return g->v.at[k];
}

/* A value with the dims of t, or a scalar. */
static Val pick_like(Gen *g, Type t, double *bound) {
  for (int tries = 0; tries < 20; tries++) {
    Val v = pick(g, bound);
    if (!type_of(g, v).rank || type_same_dims(type_of(g, v), t)) return v;
  }
  *bound = 0.5;
  return ir_const_exact(g->b, 0.5, 1, 2);
}

static Val plus_one(Gen *g, Val x) { return ir_add(g->b, ir_mul(g->b, x, x), ir_const(g->b, 1)); }

static uint32_t random_dim(Gen *g) {
  static const uint32_t often[] = {2, 3, 3, 2, 4, 1, 5};
  return often[below(g, 7)];
}

static Type random_type(Gen *g, bool lane) {
  uint32_t dim[3];
  int rank = (int)below(g, 4);
  for (int k = 0; k < rank; k++) dim[k] = random_dim(g);
  return type_real(lane, rank, dim);
}

/* Within (-1, 1); `above`: above 1. */
static Val inside(Gen *g, Val x, bool above) {
  Val s = ir_mul(g->b, ir_sin(g->b, x), ir_const_exact(g->b, 0.75, 3, 4));
  return above ? ir_add(g->b, s, ir_const(g->b, 2)) : s;
}

/* Where steps are few, and none at what constants and saturated functions are likely to be: at a step rounding decides. */
static Val off_steps(Gen *g, Val x) { return ir_add(g->b, ir_tanh(g->b, x), ir_const(g->b, 0.3127)); }

/* ---- productions ---- */

static void unary(Gen *g) {
  Build *b = g->b;
  double m;
  Val x = pick(g, &m);
  switch (below(g, g->spec->smooth ? 14 : 17)) {
  case 0: push(g, ir_neg(b, x), m); break;
  case 1: push(g, ir_exp(b, ir_tanh(b, x)), 2.8); break;
  case 2: push(g, (m > 4 ? ir_sinh : m > 2 ? ir_cosh : ir_expm1)(b, ir_sin(b, x)), 1.8); break;
  case 3:
    push(g,
         m > 4     ? ir_log10(b, plus_one(g, x))
         : m > 1.5 ? ir_log2(b, plus_one(g, x))
                   : ir_log(b, plus_one(g, x)),
         1.5 * log(1 + m * m));
    break;
  case 4: push(g, ir_log1p(b, ir_mul(b, x, x)), log(1 + m * m)); break;
  case 5: push(g, (m > 1.5 ? ir_sqrt : m > 1 ? ir_rsqrt3 : ir_rsqrt)(b, plus_one(g, x)), 1 + m); break;
  case 6: push(g, ir_sin(b, x), 1); break;
  case 7: push(g, ir_cos(b, x), 1); break;
  case 8:
    if (m <= 2) push(g, ir_tan(b, ir_sin(b, x)), 1.6);
    else push(g, (m > 4 ? ir_atan : ir_asinh)(b, x), 3);
    break;
  case 9: push(g, ir_tanh(b, x), 1); break;
  case 10: push(g, ir_sigmoid(b, x), 1); break;
  case 11: push(g, ir_softplus(b, x), 1 + m); break;
  case 12:
    if (m <= 2) push(g, ir_erf(b, x), 1);
    else push(g, (m > 5 ? ir_acos : m > 4 ? ir_asin : m > 3 ? ir_atanh : ir_acosh)(b, inside(g, x, m <= 3)), 3.2);
    break;
  case 13: push(g, ir_id(b, x), m); break;
  case 14: push(g, ir_abs(b, x), m); break;
  case 15:
    if (m <= 1.5) push(g, ir_sign(b, x), 1);
    else push(g, (m > 4 ? ir_floor : m > 2 ? ir_ceil : ir_round)(b, off_steps(g, x)), 2);
    break;
  default: push(g, ir_relu(b, x), m); break;
  }
}

static void binary(Gen *g) {
  Build *b = g->b;
  double m, n;
  Val x = pick(g, &m), y = pick_like(g, type_of(g, x), &n);
  if (!type_of(g, x).rank) y = pick(g, &n);
  switch (below(g, g->spec->smooth ? 6 : g->spec->special ? 12 : 10)) {
  case 0: push(g, ir_add(b, x, y), m + n); break;
  case 1: push(g, ir_sub(b, x, y), m + n); break;
  case 2: push(g, ir_mul(b, x, y), m * n); break;
  case 3: push(g, ir_div(b, x, plus_one(g, y)), m); break;
  case 4: push(g, (m > 2 ? ir_powlog : ir_pow)(b, plus_one(g, x), ir_sin(b, y)), (1 + m * m) * (m > 2 ? log(1 + m * m) : 1)); break;
  case 5: push(g, ir_atan2(b, x, plus_one(g, y)), 1.6); break;
  case 6:
    if (m + n <= 3) push(g, ir_min(b, x, y), fmax(m, n));
    else push(g, ir_mod(b, off_steps(g, x), plus_one(g, y)), 1 + n * n);
    break;
  case 7: push(g, ir_max(b, x, y), fmax(m, n)); break;
  case 8: push(g, ir_select(b, ir_lt(b, x, y), x, ir_const(b, 2)), fmax(m, 2)); break;
  case 10:
  case 11: {
    Val ok = ir_not(b, ir_lt(b, y, ir_const(b, -0.8 * n)));
    push(g, ir_mul(b, x, ir_require(b, ok, ir_const(b, 0.1), CAUSE_NOT_CONVERGED, M_GAUSS4)), m);
    break;
  }
  default:
    push(g, ir_select(b, ir_or(b, ir_le(b, y, x), ir_and(b, ir_ne(b, x, ir_const(b, 0)), ir_not(b, ir_eq(b, x, y)))), y, x),
         fmax(m, n));
  }
}

static void leaf(Gen *g) {
  Build *b = g->b;
  uint64_t *r = g->rng;
  Type t = random_type(g, false);
  double v[125];
  for (int64_t k = 0; k < type_count(t); k++) v[k] = b->f->f64 ? random_real(r, -2, 2) : (float)random_real(r, -2, 2);
  switch (below(g, g->spec->draws && !g->depth ? 5 : 4)) {
  case 0: push(g, ir_const(b, v[0]), 2); break;
  case 1: push(g, ir_splat(b, -3, t), 3); break;
  case 2: push(g, ir_table(b, t, v), 2); break;
  case 3: {
    const uint32_t n = (uint32_t)type_count(t);
    const uint32_t most = n > 2 ? n : 2; /* exact, so that what folding does to it can be decided in the field */
    Val all = ir_reshape(b, ir_iota(b, n), t.rank, t.dim);
    push(g, ir_mul(b, all, ir_const_exact(b, 2.0 / most, 2, most)), 2);
    break;
  }
  default: push(g, ir_rand(b, (int)below(g, 2), b->f->inst.n, VAL_NONE, random_type(g, true)), 4); break;
  }
}

static void move(Gen *g) {
  Build *b = g->b;
  double m, m2;
  Val x = pick(g, &m);
  Type t = type_of(g, x);
  uint32_t n, index[8], dim[3];
  int perm[IR_MAX_RANK], axis = t.rank ? (int)below(g, t.rank) : 0;
  if (!t.rank) {
    if (below(g, 2)) push(g, ir_expand(b, x, 0, random_dim(g)), m);
    else push(g, ir_expand_to(b, x, random_type(g, false)), m);
    return;
  }
  n = t.dim[axis];
  switch (below(g, 15)) {
  case 0:
    dim[0] = (uint32_t)type_count(t);
    push(g, ir_reshape(b, x, 1, dim), m);
    break;
  case 1:
    for (int k = 0; k < t.rank; k++) perm[k] = (k + 1 + axis) % t.rank;
    push(g, ir_transpose(b, x, perm), m);
    break;
  case 2:
    if (t.rank < 3) push(g, ir_expand(b, x, axis, random_dim(g)), m);
    break;
  case 3: {
    uint32_t start = below(g, n), left = n - start, count = 1 + below(g, left), step = count > 1 ? (left - 1) / (count - 1) : 1;
    push(g, ir_slice(b, x, axis, start, count, step), m);
    break;
  }
  case 4: {
    uint32_t start = below(g, 3), step = 1 + below(g, 2);
    push(g, ir_unslice(b, x, axis, start, step, start + (n - 1) * step + 1 + below(g, 2)), m);
    break;
  }
  case 5: {
    Val y = ir_spread(b, pick_like(g, t, &m2)), part[3] = {x, y, x};
    if (!type_of(g, y).rank) part[1] = ir_expand_to(b, y, t);
    if (n < 5) push(g, ir_concat(b, part, 2 + below(g, 2), axis), fmax(m, m2));
    break;
  }
  case 6: {
    Val part[2] = {x, ir_neg(b, x)};
    if (t.rank < 3) push(g, ir_stack(b, part, 2), m);
    break;
  }
  case 7:
    for (uint32_t k = 0; k < 4; k++) index[k] = below(g, n);
    push(g, ir_take(b, x, axis, index, 1 + below(g, 4)), m);
    break;
  case 8:
    if (n > 8) break;
    for (uint32_t k = 0; k < n; k++) index[k] = below(g, n + 1);
    push(g, ir_put(b, x, axis, n + 1, index, n), m * n);
    break;
  case 9:
    if (t.rank == 1 && n <= 6) push(g, ir_diag(b, x), m);
    else if (t.rank == 2 && t.dim[0] == t.dim[1]) push(g, ir_diagv(b, x), m);
    break;
  case 10:
    if (t.rank >= 2) push(g, ir_tri(b, x, below(g, 2), (int)below(g, 3) - 1), m);
    break;
  case 11: push(g, ir_flip(b, x, axis), m); break;
  case 12:
    if (t.rank < 3) push(g, ir_window(b, x, axis, 1 + below(g, n < 3 ? n : 3), 1 + below(g, 3)), m);
    break;
  case 13:
    if (t.rank >= 2 && axis < t.rank - 1) {
      const uint32_t step = 1 + below(g, 3), size = t.dim[t.rank - 1];
      push(g, ir_unwindow(b, x, axis, step, (n - 1) * step + size + below(g, step)), m * size);
    }
    break;
  default: push(g, ir_index(b, x, axis, below(g, n)), m); break;
  }
}

/* Whole numbers from 0 to n - 1 by the size of v, which is that of its bound m at most; now and then one that is outside. Smooth
 * programs have fixed ones. */
static Val rows_by(Gen *g, Val v, double m, uint32_t n) {
  Build *b = g->b;
  Val one = ir_const(b, 1), zero = ir_const(b, 0), at = ir_mul(b, v, zero);
  Type t = type_of(g, v);
  double fixed[125];
  if (g->spec->smooth) {
    for (int64_t k = 0; k < type_count(t); k++) fixed[k] = below(g, n);
    return ir_table(b, type_real(false, t.rank, t.dim), fixed);
  }
  for (uint32_t k = 1; k < n; k++)
    at = ir_add(b, at, ir_select(b, ir_lt(b, ir_const(b, m * (0.11237 * k - 0.31719)), v), one, zero));
  if (!g->spec->special || below(g, 4)) return at;
  return ir_select(b, ir_lt(b, ir_const(b, 0.61731 * m), v), below(g, 2) ? ir_mul(b, v, ir_const(b, 1e12)) : ir_const(b, (double)n),
                   at);
}

/* Rows at indices that only the code knows. */
static void rows(Gen *g) {
  Build *b = g->b;
  double m, k;
  Val x = pick(g, &m), by = pick(g, &k);
  Type t = type_of(g, x), i = type_of(g, by);
  if (!t.rank || t.dim[0] > 8 || type_count(i) > 60) return;
  if (i.rank + t.rank <= 4 && below(g, 2)) {
    push(g, ir_gather(b, x, rows_by(g, by, k, t.dim[0])), m);
  } else if (i.rank && i.dim[0] == t.dim[0] && t.rank <= 3) {
    while (i.rank > 1) by = ir_index(b, by, 1, 0), i = type_of(g, by);
    uint32_t n = 1 + below(g, 4);
    push(g, ir_scatter(b, x, rows_by(g, by, k, n), n, false), m * t.dim[0]);
  } else {
    while (i.rank) by = ir_index(b, by, 0, 0), i = type_of(g, by);
    push(g, ir_setrow(b, x, rows_by(g, by, k, t.dim[0]), ir_index(b, ir_neg(b, x), 0, below(g, t.dim[0]))), m);
  }
}

static void reduce(Gen *g) {
  Build *b = g->b;
  double m;
  Val x = pick(g, &m);
  Type t = type_of(g, x);
  if (!t.rank) return;
  int axis = (int)below(g, t.rank);
  switch (below(g, g->spec->smooth ? 2 : 4)) {
  case 0: push(g, ir_sum(b, x, axis), m * t.dim[axis]); break;
  case 1: push(g, ir_sum_all(b, x), m * (double)type_count(t)); break;
  case 2: push(g, ir_rmax(b, x, axis), m); break;
  default: push(g, ir_rmin(b, x, axis), m); break;
  }
}

/* An einsum with one axis in common where there is one, summed or kept; else an outer product. */
static void product(Gen *g) {
  double m, n;
  Val x = pick(g, &m), y = pick(g, &n);
  Type a = type_of(g, x), c = type_of(g, y);
  int la[3], lb[3], lo[6], nout = 0, with = -1, label = 0, size = 1;
  if (a.rank > 3 || c.rank > 3 || type_count(a) > 60 || type_count(c) > 60) return;
  bool keep = below(g, 3) == 0;
  for (int k = 0; k < c.rank; k++) lb[k] = -1;
  for (int k = 0; k < a.rank; k++) {
    la[k] = label++;
    for (int j = 0; j < c.rank && with < 0; j++)
      if (a.dim[k] == c.dim[j]) with = j, lb[j] = la[k], size = (int)a.dim[k];
    if (keep || !(with >= 0 && lb[with] == la[k])) lo[nout++] = la[k];
  }
  for (int j = 0; j < c.rank; j++)
    if (lb[j] < 0) lb[j] = label++, lo[nout++] = lb[j];
  if (nout > 3) return;
  if (nout > 1 && below(g, 2)) {
    int swap = lo[0];
    lo[0] = lo[nout - 1], lo[nout - 1] = swap;
  }
  push(g, ir_dot(g->b, x, y, false, la, lb, nout, lo), m * n * size);
}

static void solve(Gen *g) {
  Build *b = g->b;
  double m, n;
  Val x = pick(g, &m), y = pick(g, &n);
  Type a = type_of(g, x), c = type_of(g, y);
  if (a.rank != 1 || a.dim[0] > 5 || c.rank < 1 || c.rank > 2 || c.dim[0] != a.dim[0]) return;
  int la[1] = {0}, lb[1] = {1}, lo[2] = {0, 1};
  bool upper = below(g, 2);
  Val outer = ir_mul(b, ir_const_exact(b, 0.1, 1, 10), ir_dot(b, ir_tanh(b, x), ir_sin(b, x), false, la, lb, 2, lo));
  Val A = ir_add(b, ir_tri(b, outer, upper, 0), ir_diag(b, ir_splat(b, 2, a)));
  uint32_t turned[5];
  for (uint32_t k = 0; k < a.dim[0]; k++) turned[k] = (k + 1) % a.dim[0];
  Val square = ir_add(b, outer, ir_diag(b, ir_splat(b, 2, a))), F = ir_lu(b, ir_take(b, square, 0, turned, a.dim[0]));
  switch (below(g, 4)) {
  case 0: push(g, ir_trisolve(b, A, y, upper, below(g, 2)), n * 2); break;
  case 1: push(g, below(g, 2) ? ir_logdet(b, F) : ir_mul(b, ir_const_exact(b, 0.05, 1, 20), ir_det(b, F)), 3); break;
  case 2: push(g, ir_cholesky(b, square), 3); break;
  default: push(g, ir_lu_solve(b, F, y, below(g, 2)), n * 2);
  }
}

static void steps(Gen *g, int n);

static void loop(Gen *g) {
  double m;
  Val args[3];
  uint32_t n = 1 + below(g, 4), xs = 0;
  Type t = type_of(g, args[0] = ir_spread(g->b, pick(g, &m)));
  for (int tries = 0; tries < 10 && !xs; tries++) {
    Val x = pick(g, &m);
    if (type_of(g, x).rank) args[1] = x, xs = 1, n = type_of(g, x).dim[0];
  }
  args[1 + xs] = pick(g, &m);
  Fn *body = ir_sub_create(g->b->f, "turn");
  Build b;
  ir_build_init(&b, body);
  b.fold = b.number = g->spec->fold;
  Gen in = {.b = &b, .spec = g->spec, .rng = g->rng, .depth = g->depth + 1};
  push(&in, ir_input(&b, "h", IN_STATE, 0, t), 4);
  if (xs) {
    Type x = type_of(g, args[1]);
    push(&in, ir_input(&b, "x", IN_OTHER, 1, type_real(x.lane, x.rank - 1, x.dim + 1)), 8);
  }
  push(&in, ir_input(&b, "c", IN_OTHER, 2, type_of(g, args[1 + xs])), 8);
  steps(&in, 5);
  Val pulled = pick_like(&in, t, &m), ys = pick(&in, &m), zs = pick(&in, &m);
  Val next = ir_tanh(&b, ir_add(&b, in.v.at[0], ir_mul(&b, ir_const(&b, 0.5), pulled)));
  if (type_of(&in, ys).rank > 2) ys = next;
  bool stack = type_of(&in, ys).rank <= 2;
  ir_output(&b, next, "h");
  if (stack) ir_output(&b, ys, NULL);
  ir_output(&b, ir_tanh(&b, zs), "sum");
  ir_build_finish(&b);
  Val s = ir_scan(g->b, args, 2 + xs, n, 1, xs, stack, 1, below(g, 2), false, body);
  push(g, ir_proj(g->b, s, 0), 1);
  if (stack) push(g, ir_tanh(g->b, ir_proj(g->b, s, 1)), 1);
  push(g, ir_proj(g->b, s, 1u + stack), n);
  vec_free(&in.v);
  vec_free(&in.bound);
}

static void steps(Gen *g, int n) {
  for (int k = 0; k < n; k++) {
    switch (below(g, 12)) {
    case 0:
    case 1:
    case 2: unary(g); break;
    case 3:
    case 4: binary(g); break;
    case 5: leaf(g); break;
    case 6:
    case 7: move(g); break;
    case 8: reduce(g); break;
    case 9: product(g); break;
    case 10:
      if (below(g, 3)) rows(g);
      else solve(g);
      break;
    default:
      if (g->spec->scans && g->depth < 2) loop(g);
    }
  }
}

Fn *random_fn(const RandomSpec *spec) {
  static const char *const names[] = {"W", "net/dense.0/b", "q", "p", "x"};
  uint64_t rng = spec->seed * UINT64_C(0xd1342543de82ef95) + 1;
  Fn *f = ir_fn_create("random", spec->f64);
  Build b;
  ir_build_init(&b, f);
  b.fold = b.number = spec->fold;
  Gen g = {.b = &b, .spec = spec, .rng = &rng};
  for (uint32_t k = 0; k < 5; k++)
    push(&g,
         ir_input(&b, names[k], k < 2 ? IN_PARAM : IN_FIELD, k < 2 ? k : k - 2,
                  k == 4 ? type_scalar(true) : random_type(&g, k >= 2)),
         1);
  steps(&g, spec->size);
  Val sum = ir_sum_all(&b, g.v.at[2]);
  for (uint32_t k = 3; k < g.v.n; k++) {
    Val v = g.v.at[k], all = ir_sum_all(&b, v);
    all = moderate(&b, all, g.bound.at[k] * (double)type_count(type_of(&g, v)));
    sum = ir_add(&b, sum, ir_mul(&b, ir_const(&b, 0.25), ir_sin(&b, all)));
  }
  sum = ir_spread(&b, sum);
  ir_output(&b, sum, "scalar");
  ir_output(&b, ir_batch_sum(&b, sum), "total");
  double m;
  for (int k = 0; k < 3; k++) ir_output(&b, pick(&g, &m), k ? NULL : "some");
  vec_free(&g.v);
  vec_free(&g.bound);
  ir_build_finish(&b);
  return f;
}
