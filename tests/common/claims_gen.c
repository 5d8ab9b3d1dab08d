/* Random flows that keep what they claim: expressions, whole flows, programs. Steps are in claims_gen_step.c. */
#include "tests/common/claims_gen.h"

#include <stdlib.h>
#include <string.h>

uint32_t gen_name(Made *m) { return m->names++; }

/* ---- expressions -------------------------------------------------------------------------------------------- */

void gen_number(Made *m, Text *t) {
  static const char *const some[] = {"0.3", "0.5", "0.7", "1/3", "0.25", "2", "0.1", "1.5", "sqrt(2)", "pi/4", "cos(0.4)"};
  text_add(t, "%s", some[rng_below(&m->rng, rng_below(&m->rng, 4) ? 8 : 11)]);
}

void gen_matrix(Made *m, Text *t, uint32_t rows, uint32_t columns, int kind) {
  int v[8][8] = {{0}};
  for (uint32_t r = 0; r < rows; r++)
    for (uint32_t c = 0; c < columns; c++) {
      int x = (int)rng_below(&m->rng, 5) - 2;
      if (kind == MATRIX_LOWER || kind == MATRIX_UNIT_LOWER) x = c > r ? 0 : c == r ? (kind == MATRIX_LOWER ? 1 + (x > 0) : 1) : x;
      if (kind == MATRIX_SYMMETRIC && c < r) x = v[c][r];
      if (kind == MATRIX_SKEW) x = c < r ? -v[c][r] : c == r ? 0 : x;
      v[r][c] = x;
    }
  text_add(t, "[");
  for (uint32_t r = 0; r < rows; r++) {
    text_add(t, "%s[", r ? ", " : "");
    for (uint32_t c = 0; c < columns; c++) text_add(t, "%s%d", c ? ", " : "", v[r][c]);
    text_add(t, "]");
  }
  text_add(t, "]");
}

/* Of elements i and j. */
static void local(Made *m, Text *t, const char *x, uint32_t i, uint32_t j) {
  static const char *const form[] = {"sin(X[i])",
                                     "X[i]^2*X[j]",
                                     "cos(X[i] - X[j])",
                                     "exp(0.3*X[i])",
                                     "log(1 + X[i]^2)",
                                     "sqrt(1 + X[i]^2 + X[j]^2)",
                                     "tanh(X[i] + 0.5*X[j])",
                                     "softplus(X[i] - X[j])",
                                     "1/(1 + X[i]^2)",
                                     "sigmoid(2*X[i] - X[j])",
                                     "erf(X[i]*X[j])",
                                     "atan2(X[i], 2 + X[j]^2)",
                                     "X[i]^4/4",
                                     "X[j]*cosine(X[i])",
                                     "exp(-X[i]^2)",
                                     "X[i]*X[j]",
                                     "tan(0.2*X[i])",
                                     "log1p(exp(X[j]))",
                                     "X[j]*abs(X[i])",
                                     "relu(X[i])^2",
                                     "max(X[i], X[j])^2",
                                     "where(X[i] > 0.1, X[i]^3, X[j])",
                                     "expm1(0.2*X[i]*X[j])"};
  uint32_t many = sizeof form / sizeof *form, smooth = 18;
  const char *f = form[rng_below(&m->rng, rng_below(&m->rng, 6) ? smooth : many)];
  for (; *f; f++) {
    if (*f == 'X') text_add(t, "%s", x);
    else if (*f == 'i' && f[-1] == '[') text_add(t, "%u", i);
    else if (*f == 'j' && f[-1] == '[') text_add(t, "%u", j);
    else if (!strncmp(f, "cosine", 6)) text_add(t, "cos"), f += 5;
    else text_add(t, "%c", *f);
  }
}

static void whole(Made *m, Text *t, const char *x, uint32_t n) {
  switch (rng_below(&m->rng, 8)) {
  case 0: text_add(t, "sum(sin(%s))", x); break;
  case 1: text_add(t, "dot(%s, %s)^2", x, x); break;
  case 2: text_add(t, "sum(tanh(%s)^2)", x); break;
  case 3: m->nets = true, text_add(t, "mlp([3], 1)(%s)[0]", x); break;
  case 4: text_add(t, "sqrt(1 + dot(%s, %s))", x, x); break;
  case 5: text_add(t, "dot(%s, ", x), gen_matrix(m, t, n, n, MATRIX_ANY), text_add(t, " @ %s)/2", x); break;
  case 6: text_add(t, "sum([cos(%s[k] - %s[0]) for k in 0:%u])", x, x, n); break;
  case 7: text_add(t, "log(1 + dot(%s, %s))", x, x); break;
  }
}

void gen_scalar(Made *m, Text *t, const char *x, uint32_t n) {
  for (uint32_t k = 0, terms = 1 + rng_below(&m->rng, 3); k < terms; k++) {
    if (k) text_add(t, rng_below(&m->rng, 2) ? " + " : " - ");
    if (rng_below(&m->rng, 2)) gen_number(m, t), text_add(t, "*");
    if (rng_below(&m->rng, 3)) local(m, t, x, rng_below(&m->rng, n), rng_below(&m->rng, n));
    else whole(m, t, x, n);
  }
}

static void elementwise(Made *m, Text *t, const char *x) {
  static const struct {
    const char *before, *behind;
  } form[] = {{"tanh(", ")"},  {"sin(", ")"},         {"", "^3"},         {"exp(-0.5*", ")"},     {"sigmoid(", ")"},
              {"cos(2*", ")"}, {"1/(2 + sin(", "))"}, {"softplus(", ")"}, {"sqrt(3 + cos(", "))"}};
  if (rng_below(&m->rng, 2)) gen_number(m, t), text_add(t, "*");
  uint32_t k = rng_below(&m->rng, sizeof form / sizeof *form);
  text_add(t, "%s%s%s", form[k].before, x, form[k].behind);
}

static void by_derivative(Made *m, Text *before, Text *t, const char *x, uint32_t n) {
  uint32_t id = gen_name(m);
  char y[16];
  snprintf(y, sizeof y, "y%u", id);
  switch (rng_below(&m->rng, 3)) {
  case 0: text_add(t, "grad("), gen_scalar(m, t, x, n), text_add(t, ", %s)", x); break;
  case 1:
    text_add(before, "let %s = %s\n", y, x), text_add(before, "let f%u = ", id), gen_scalar(m, before, y, n);
    text_add(before, "\n"), text_add(t, "grad(f%u, %s)", id, y);
    break;
  case 2: /* a row of the Hessian is a gradient, too */
    text_add(t, "hess("), gen_scalar(m, t, x, n), text_add(t, ", %s)[%u]", x, rng_below(&m->rng, n));
    break;
  }
}

void gen_gradient(Made *m, Text *before, Text *t, const char *x, uint32_t n) {
  static const char *const act[] = {"tanh", "sin", "sigmoid", "softplus"};
  uint32_t id = gen_name(m), width = 2 + rng_below(&m->rng, 2);
  uint32_t which = rng_below(&m->rng, 9);
  switch (which == 6 && m->no_params ? 3 : which) {
  case 0:
  case 1:
  case 2: by_derivative(m, before, t, x, n); break;
  case 3: elementwise(m, t, x); break;
  case 4: gen_matrix(m, t, n, n, MATRIX_SYMMETRIC), text_add(t, " @ %s", x); break;
  case 5:
    text_add(before, "let M%u = ", id), gen_matrix(m, before, n, n, MATRIX_ANY), text_add(before, "\n");
    text_add(t, "(M%u + M%u.T) @ %s", id, id, x);
    break;
  case 6:
    text_add(before, "param K%u: real[%u, %u] ~ glorot\nparam a%u: real[%u] ~ normal(0, 1)\n", id, width, n, id, width);
    text_add(t, "K%u.T @ (a%u*%s(K%u @ %s))", id, id, act[rng_below(&m->rng, 4)], id, x);
    break;
  case 7: m->layers = true, text_add(t, "irrotational(%u)(%s)", width, x); break;
  case 8: text_add(t, "[sum([sin(%s[i] - %s[j]) for j in 0:%u]) for i in 0:%u]", x, x, n, n); break;
  }
}

/* ---- flows ----------------------------------------------------------------------------------------------------- */

void gen_add_flow(Made *m, MadeFlow f, const char *name) {
  snprintf(f.name, sizeof f.name, "%s", name);
  if (!*f.call) snprintf(f.call, sizeof f.call, "%s", name);
  m->flow[m->nflow++] = f;
}

static void flow(Made *m, bool symplectic, uint32_t n, uint32_t steps) {
  static Text body;
  uint32_t id = gen_name(m);
  char name[16];
  body = (Text){.n = 0};
  for (uint32_t k = 0; k < steps; k++)
    if (symplectic) gen_symplectic_step(m, &body, n, 0);
    else gen_volume_step(m, &body, n, 0);
  snprintf(name, sizeof name, "S%u", id);
  if (symplectic) text_add(&m->head, "symplectic flow S%u(q: real[%u], p: real[%u]) {\n%s}\n", id, n, n, body.at);
  else text_add(&m->head, "volume flow S%u(x: real[%u]) {\n%s}\n", id, n, body.at);
  gen_add_flow(m, (MadeFlow){.symplectic = symplectic, .n = n}, name);
}

/* A template with arguments that are numbers: each use is an instance of its own. */
static void template_flow(Made *m, uint32_t n) {
  static const struct {
    const char *formals, *body, *call;
  } some[] = {
    {"s: real, t: real", "q *= exp(s)\np *= exp(t)", "0.5, -0.5"},
    {"t: real", "q, p = cos(t)*q + sin(t)*p, cos(t)*p - sin(t)*q\n  inverse\ncos(t)*q - sin(t)*p, cos(t)*p + sin(t)*q", "0.3"},
    {"t: real",
     "q, p = ((1 - t^2)*q + 2*t*p)/(1 + t^2), ((1 - t^2)*p - 2*t*q)/(1 + t^2)\n  inverse\n"
     "((1 - t^2)*q - 2*t*p)/(1 + t^2), ((1 - t^2)*p + 2*t*q)/(1 + t^2)",
     "1/3"},
    {"a: real, b: real", "p += a*sin(q)\nq -= b*tanh(p)", "2, 0.3"},
    {"k: int", "repeat k { p += 0.1*tanh(q) }\nq += p", "2"}};
  uint32_t id = gen_name(m), which = rng_below(&m->rng, sizeof some / sizeof *some);
  char name[16];
  MadeFlow f = {.symplectic = true, .n = n, .template = true};
  snprintf(name, sizeof name, "S%u", id);
  snprintf(f.call, sizeof f.call, "S%u(%s)", id, some[which].call);
  text_add(&m->head, "symplectic flow S%u(%s)(q: real[%u], p: real[%u]) {\n%s\n}\n", id, some[which].formals, n, n,
           some[which].body);
  gen_add_flow(m, f, name);
}

void made_flows(Made *m, uint64_t seed) {
  *m = (Made){.rng = {seed}};
  rng_bits(&m->rng);
  char name[16];
  switch (rng_below(&m->rng, 12)) {
  case 0: gen_board_flow(m, 2 + rng_below(&m->rng, 2)); return;
  case 1: gen_plain_flow(m, name, 1 + rng_below(&m->rng, 4)); return;
  default: break;
  }
  bool symplectic = rng_below(&m->rng, 4) != 0;
  uint32_t n = 1 + rng_below(&m->rng, 4);
  if (rng_below(&m->rng, 3) == 0) {
    if (rng_below(&m->rng, 3) == 0) template_flow(m, n);
    else flow(m, true, n, 1 + rng_below(&m->rng, 2));
  }
  if (symplectic) flow(m, true, n, 1 + rng_below(&m->rng, 3));
  else flow(m, false, m->nflow ? 2 * n : 1 + rng_below(&m->rng, 5), 1 + rng_below(&m->rng, 3));
}

void made_text(const Made *m, Text *out) {
  *out = (Text){.n = 0};
  text_add(out, "precision f64\n%s%s", m->nets ? "import \"std/nets\"\n" : "", m->layers ? "import \"std/symplectic\"\n" : "");
  text_add(out, "%s", m->head.at);
  for (uint32_t k = 0; k < m->nflow; k++) {
    const MadeFlow *f = &m->flow[k];
    char formals[64];
    const char *args = f->symplectic ? "q, p" : "x", *c = f->call, *s = f->name;
    if (f->symplectic) snprintf(formals, sizeof formals, "q: real[%u], p: real[%u]", f->n, f->n);
    else if (f->rows) snprintf(formals, sizeof formals, "x: real[%u, %u]", f->rows, f->n);
    else snprintf(formals, sizeof formals, "x: real[%u]", f->n);
    text_add(out, "use one_%s = %s\n", s, c);
    text_add(out, "fn J_%s(%s) = jacobian(one_%s)(%s)\nfn there_%s(%s) = one_%s(%s)\n", s, formals, s, args, s, formals, s, args);
    text_add(out, "fn back_%s(%s) = inverse(one_%s)(one_%s(%s))\n", s, formals, s, s, args);
    text_add(out, "fn forth_%s(%s) = one_%s(inverse(one_%s)(%s))\n", s, formals, s, s, args);
    text_add(out, "fn logdet_%s(%s) = logdet(one_%s)(%s)\n", s, formals, s, args);
  }
}
