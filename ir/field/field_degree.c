/* Degrees of functions as polynomials in what is drawn at random.
 *
 * Every value is N/L^m, L being one denominator for all, the product of everything that is divided by;
 * deg N <= d + m deg L. Sums take the larger d and m, products add them. A division puts its denominator's
 * numerator into L, once an element: L grows with the number of divisions, not with what is computed from them. A
 * value of an unknown function is of degree 1 whatever its argument is, but its argument's degree counts (see
 * field.h): the largest is kept. A root has half the degree. Loops are gone through turn by turn. Everything is a
 * double and saturates. */
#include "ir/field/field.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct Degree {
  double d, m;
} Degree;

typedef struct Count {
  double common;   /* deg L */
  double argument; /* of unknown functions, the largest */
  FieldDegree of;
  double met; /* of arguments that exp x or a point of the circle may be a value in: of log, atan2 */
  int64_t lanes;
} Count;

typedef struct Slot {
  Degree t, *result;
} Slot;

static Degree larger(Degree a, Degree b) { return (Degree){fmax(a.d, b.d), fmax(a.m, b.m)}; }
static Degree product(Degree a, Degree b) { return (Degree){a.d + b.d, a.m + b.m}; }

static double full(const Count *c, Degree a) { return a.m ? a.d + a.m * c->common : a.d; }

static double elements(const Count *c, Type t) { return (double)(type_count(t) * (t.lane ? c->lanes : 1)); }

static Degree quotient(Count *c, Degree a, Degree b, double n) {
  Degree q = {a.d + (b.m ? b.m * c->common : 0), a.m + 1};
  c->common += n * full(c, b);
  return q;
}

static Degree root(Degree a) { return (Degree){a.d / 2, ceil(a.m / 2)}; }

static void unknown(Count *c, Degree a) { c->argument = fmax(c->argument, full(c, a)); }

/* exp x, a point of the circle, and what is rational in it. */
static Degree atom(Count *c, Degree a, double n, double degree) {
  double g = degree * (c->of.mixed ? fmax(1, c->met) : 1);
  unknown(c, a);
  c->common += n * g;
  return (Degree){g, 1};
}

static Degree keyed(Count *c, Degree a) {
  unknown(c, a);
  c->met = fmax(c->met, full(c, a) + 1);
  return (Degree){1, 0};
}

static Degree general_power(Count *c, const Fn *f, const Inst *i, const Degree *a, double n) {
  double v;
  if (!ir_is_const(f, ir_arg(f, i, 1), &v) || 2 * v != floor(2 * v)) {
    keyed(c, a[0]);
    return atom(c, product(a[1], (Degree){1, 0}), n, c->of.exp);
  }
  Degree y = {a[0].d * fabs(v), ceil(a[0].m * fabs(v))};
  return v < 0 ? quotient(c, (Degree){0, 0}, y, n) : y;
}

/* x[k] = (b[k] - sum of a x[j])/a[k][k], one after the other. */
static Degree solved(Count *c, const Inst *i, const Degree *a, double n) {
  double rows = i->type.dim[0];
  Degree x = {a[1].d + rows * a[0].d, a[1].m + rows * (a[0].m + 1)};
  x.d += a[0].m ? rows * a[0].m * c->common : 0;
  c->common += n * full(c, a[0]);
  return x;
}

/* Elements of U and L are quotients of minors of A, x is adj(A) b/det(A), the determinant is a sum of products. What reads the
 * factors is counted as if it read A: their degree is that of A, and the pivots, in each row another one, are divided by here. */
static Degree eliminated(Count *c, const Inst *i, const Degree *a, double n) {
  double rows = i->type.dim[1];
  for (double k = 1; k <= rows; k++) quotient(c, (Degree){0, 0}, (Degree){k * a[0].d, k * a[0].m}, n / rows / rows);
  return a[0];
}

static Degree determinant(const Degree *a, double rows) { return (Degree){rows * a[0].d, rows * a[0].m}; }

static Degree substituted(Count *c, const Inst *i, const Degree *a, double n) {
  double rows = i->type.dim[0];
  Degree x = {a[1].d + (rows - 1) * a[0].d, a[1].m + (rows - 1) * a[0].m};
  return quotient(c, x, determinant(a, rows), n / rows);
}

/* The squares of diagonal elements are quotients of minors; columns are divided by them. */
static Degree rooted(Count *c, const Inst *i, const Degree *a, double n) {
  double rows = i->type.dim[0];
  for (double k = 1; k <= rows; k++) {
    Degree minor = {k * a[0].d, k * a[0].m};
    quotient(c, (Degree){0, 0}, root(minor), n / rows);
  }
  Degree d = determinant(a, rows);
  return (Degree){d.d, d.m + 1};
}

static Degree elementwise(Count *c, const Fn *f, const Inst *i, const Degree *a, double n) {
  switch (i->op) {
  case OP_mul: return product(a[0], a[1]);
  case OP_div: return quotient(c, a[0], a[1], n);
  case OP_mod: return larger(a[0], product(a[1], keyed(c, quotient(c, a[0], a[1], n))));
  case OP_pow: return general_power(c, f, i, a, n);
  case OP_powlog: return product(general_power(c, f, i, a, n), keyed(c, a[0]));
  case OP_powlog2: return product(general_power(c, f, i, a, n), product(keyed(c, a[0]), (Degree){1, 0}));
  case OP_exp:
  case OP_expm1:
  case OP_tanh:
  case OP_sinh:
  case OP_cosh:
  case OP_sigmoid: return atom(c, a[0], n, c->of.exp);
  case OP_sin:
  case OP_cos:
  case OP_tan: return atom(c, a[0], n, c->of.circle);
  case OP_atanh: return keyed(c, quotient(c, a[0], a[0], n));
  case OP_softplus: return larger(a[0], keyed(c, atom(c, a[0], n, c->of.exp)));
  case OP_sqrt: return root(a[0]);
  case OP_rsqrt: return quotient(c, (Degree){0, 0}, root(a[0]), n);
  case OP_rsqrt3: return quotient(c, (Degree){0, 0}, product(a[0], root(a[0])), n);
  case OP_sign: return (Degree){0, 0};
  case OP_neg:
  case OP_stop:
  case OP_fixed:
  case OP_abs:
  case OP_relu: return a[0];
  case OP_add:
  case OP_sub:
  case OP_min:
  case OP_max: return larger(a[0], a[1]);
  default: return keyed(c, i->nargs > 1 ? larger(a[0], a[1]) : a[0]);
  }
}

static void function(Count *c, const Fn *f, const Degree *in, Degree *out);

static bool saturated(const Count *c) { return !(c->common < 1e290 && c->argument < 1e290); }

/* Loops without carries are alike in all turns. */
static void loop(Count *c, const Fn *f, const Inst *i, Degree *a, Degree *result, uint32_t nresults) {
  const Fn *body = ir_body(f, i);
  int64_t turns = ir_scan_shape(f, i).n;
  uint32_t carry = ir_scan_shape(f, i).carry;
  Degree *out = base_realloc(NULL, (body->out.n + 1) * sizeof *out);
  for (uint32_t k = 0; k < nresults; k++) result[k] = k < carry ? a[k] : (Degree){0, 0};
  for (int64_t t = 0; t < turns && !saturated(c); t++) {
    double before = c->common;
    function(c, body, a, out);
    for (uint32_t k = 0; k < nresults; k++) {
      result[k] = k < carry ? out[k] : larger(result[k], out[k]);
      if (k < carry) a[k] = out[k];
    }
    if (carry) continue;
    c->common += (double)(turns - 1) * (c->common - before);
    break;
  }
  base_free(out);
}

static Degree structural(Count *c, const Fn *f, const Inst *i, const Degree *a, double n) {
  Degree most = {0, 0};
  if (i->op == OP_dot || i->op == OP_cauchy) return product(a[0], a[1]);
  if (i->op == OP_trisolve) return solved(c, i, a, n);
  if (i->op == OP_lu) return eliminated(c, i, a, n);
  if (i->op == OP_solve) return substituted(c, i, a, n);
  if (i->op == OP_det) return determinant(a, ir_type(f, ir_arg(f, i, 0)).dim[1]);
  if (i->op == OP_logdet) return keyed(c, determinant(a, ir_type(f, ir_arg(f, i, 0)).dim[1]));
  if (i->op == OP_cholesky) return rooted(c, i, a, n);
  if (i->op == OP_rand) return (Degree){1, 0};
  if (i->op == OP_require) return most;
  if (i->op == OP_gather || i->op == OP_scatter || i->op == OP_setrow) { /* a weight for each row, of degree 1 */
    unknown(c, a[1]);
    return product(i->nargs > 2 ? larger(a[0], a[2]) : a[0], (Degree){1, 0});
  }
  for (uint32_t k = i->op == OP_select; k < i->nargs; k++) most = larger(most, a[k]);
  return most;
}

static void instruction(Count *c, const Fn *f, uint32_t id, Slot *slot, const Degree *in) {
  const Inst *i = &f->inst.at[id];
  double n = elements(c, i->type);
  Degree *a = base_realloc(NULL, (i->nargs + 1) * sizeof *a);
  for (uint32_t k = 0; k < i->nargs; k++) a[k] = slot[ir_arg(f, i, k).id].t;
  if (i->op == OP_in) slot[id].t = in[ir_number(f, i)];
  else if (i->op == OP_proj) slot[id].t = slot[ir_arg(f, i, 0).id].result[ir_number(f, i)];
  else if (i->op == OP_scan) {
    uint32_t results = ir_result_count(f, i);
    slot[id].result = base_realloc(NULL, (results + 1) * sizeof *slot[id].result);
    loop(c, f, i, a, slot[id].result, results);
  } else if (ir_has(i->op, OPF_MULTI)) {
    uint32_t results = ir_result_count(f, i); /* not to be evaluated */
    slot[id].result = base_realloc(NULL, (results + 1) * sizeof *slot[id].result);
    for (uint32_t k = 0; k < results; k++) slot[id].result[k] = (Degree){INFINITY, 0};
  } else if (ir_op[i->op].cls == OPC_EW1 || ir_op[i->op].cls == OPC_EW2) slot[id].t = elementwise(c, f, i, a, n);
  else if (ir_op[i->op].cls == OPC_STRUCT) slot[id].t = structural(c, f, i, a, n);
  base_free(a);
}

static void function(Count *c, const Fn *f, const Degree *in, Degree *out) {
  Slot *slot = base_realloc(NULL, f->inst.n * sizeof *slot);
  memset(slot, 0, f->inst.n * sizeof *slot);
  for (uint32_t id = 1; id < f->inst.n; id++) instruction(c, f, id, slot, in);
  for (uint32_t k = 0; k < f->out.n; k++) out[k] = slot[f->out.at[k].id].t;
  for (uint32_t id = 1; id < f->inst.n; id++) base_free(slot[id].result);
  base_free(slot);
}

double ir_field_degree(const Fn *f, int64_t lanes, FieldDegree of) {
  Count c = {.of = of, .lanes = lanes};
  Degree *in = base_realloc(NULL, (f->in.n + 1) * sizeof *in), *out = base_realloc(NULL, (f->out.n + 1) * sizeof *out);
  double most = 1;
  for (uint32_t k = 0; k < f->in.n; k++) in[k] = (Degree){f->in.at[k].type.dt == DT_BOOL ? 0 : 1, 0};
  function(&c, f, in, out);
  for (uint32_t k = 0; k < f->out.n; k++) most = fmax(most, full(&c, out[k]));
  base_free(in);
  base_free(out);
  return most * (1 + c.argument);
}
