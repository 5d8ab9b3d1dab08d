/* Statements of random flows that keep what their flow claims. */
#include "tests/common/claims_gen.h"

#include <string.h>

static uint32_t below(Made *m, uint32_t n) { return rng_below(&m->rng, n); }

/* One of the states, and its partner. */
static void pick(Made *m, const char **x, const char **y) {
  bool q = below(m, 2);
  *x = q ? "q" : "p";
  *y = q ? "p" : "q";
}

/* ---- canonical ---------------------------------------------------------------------------------------------- */

static void shift(Made *m, Text *t, uint32_t n) {
  static Text before, e;
  const char *x, *y;
  before = e = (Text){.n = 0};
  pick(m, &x, &y);
  gen_gradient(m, &before, &e, y, n);
  if (below(m, 4) == 0)
    text_add(t, "%slet g%u = %s\n%s %s g%u\n", before.at, m->names, e.at, x, below(m, 2) ? "+=" : "-=", m->names), m->names++;
  else text_add(t, "%s%s %s %s\n", before.at, x, below(m, 2) ? "+=" : "-=", e.at);
}

/* The gradient of c x_i^a x_j^b, element by element. */
static void in_parts(Made *m, Text *t, uint32_t n) {
  const char *x, *y;
  pick(m, &x, &y);
  uint32_t i = below(m, n), j = (i + 1 + below(m, n - 1)) % n, a = 1 + below(m, 3), b = 1 + below(m, 2);
  text_add(t, "%s[%u] += %u*%s[%u]^%u*%s[%u]^%u\n", x, i, a, y, i, a - 1, y, j, b);
  text_add(t, "%s[%u] += %u*%s[%u]^%u*%s[%u]^%u\n", x, j, b, y, i, a, y, j, b - 1);
}

static void sliced(Made *m, Text *t, uint32_t n) {
  const char *x, *y;
  pick(m, &x, &y);
  uint32_t a = below(m, n), b = a + 1 + below(m, n - a);
  text_add(t, "%s[%u:%u] += tanh(%s[%u:%u])*", x, a, b, y, a, b), gen_number(m, t), text_add(t, "\n");
}

static void scaling(Made *m, Text *t, uint32_t n) {
  const char *x, *y;
  uint32_t id = gen_name(m), i = below(m, n);
  pick(m, &x, &y);
  uint32_t which = below(m, 4);
  switch (m->no_params ? which & 2 ? 3 : 0 : which) {
  case 0:
    text_add(t, "let s%u = ", id), gen_number(m, t);
    text_add(t, "\n%s *= exp(s%u)\n%s /= exp(s%u)\n", x, id, y, id);
    break;
  case 1: text_add(t, "param s%u: real[%u] = 0\n%s *= exp(s%u)\n%s *= exp(-s%u)\n", id, n, x, id, y, id); break;
  case 2: text_add(t, "param s%u: real = 0\n%s[%u] *= exp(tanh(s%u))\n%s[%u] /= exp(tanh(s%u))\n", id, x, i, id, y, i, id); break;
  case 3: /* a shear between does not disturb it */ text_add(t, "q *= exp(0.5)\np[%u] += sin(q[%u])\np /= exp(0.5)\n", i, i); break;
  }
}

/* (q0, q1) -> (q0 exp f(q1), q1) with what it does to p. */
static void point_map(Made *m, Text *t, uint32_t n) {
  uint32_t i = below(m, n), j = (i + 1 + below(m, n - 1)) % n;
  static const struct {
    const char *f, *slope;
  } some[] = {{"sin(q[%u])", "cos(q[%u])"}, {"tanh(q[%u])", "(1 - tanh(q[%u])^2)"}, {"0.5*q[%u]", "0.5*q[%u]^0"}};
  uint32_t k = below(m, 3);
  char f[40], slope[40];
  snprintf(f, sizeof f, k == 0 ? some[0].f : k == 1 ? some[1].f : some[2].f, j);
  snprintf(slope, sizeof slope, k == 0 ? some[0].slope : k == 1 ? some[1].slope : some[2].slope, j);
  text_add(t, "q[%u] *= exp(%s)\np[%u] /= exp(%s)\np[%u] -= p[%u]*q[%u]*%s\n", i, f, i, f, j, i, i, slope);
}

static void permutation(Made *m, Text *t, uint32_t n) {
  uint32_t k = 1 + below(m, 3);
  switch (below(m, 6)) {
  case 0: text_add(t, "q, p = p, -q\n"); break;
  case 1: text_add(t, "q, p = -p, q\n"); break;
  case 2: text_add(t, "q, p = -q, -p\n"); break;
  case 3: text_add(t, "q, p = roll(q, %u), roll(p, %u)\n", k, k); break;
  case 4: text_add(t, "q, p = roll(p, %u), -roll(q, %u)\n", k, k); break;
  case 5:
    if (n < 2) text_add(t, "q, p = p, -q\n");
    else text_add(t, "q, p = concat(-p[0:1], q[1:]), concat(q[0:1], p[1:])\n");
    break;
  }
}

static void orthogonal(Made *m, Text *t, uint32_t n, const char *first, const char *second) {
  uint32_t id = gen_name(m);
  text_add(t, "let v%u = [", id);
  for (uint32_t k = 0; k < n; k++) text_add(t, "%s%u", k ? ", " : "", 1 + below(m, 3));
  text_add(t, "]\nlet R%u = eye(%u) - 2*outer(v%u, v%u)/dot(v%u, v%u)\n", id, n, id, id, id, id);
  if (second)
    text_add(t, "%s, %s = R%u @ %s, R%u @ %s  inverse  R%u @ %s, R%u @ %s\n", first, second, id, first, id, second, id, first, id,
             second);
  else
    text_add(t, "%s = R%u @ %s  inverse  R%u @ %s\n%s = -R%u @ %s  inverse  -R%u @ %s\n", first, id, first, id, first, first, id,
             first, id, first);
}

static void linear(Made *m, Text *t, uint32_t n) {
  uint32_t id = gen_name(m), which = below(m, 8);
  switch (m->no_params && which >= 1 && which <= 4 ? 5 + which % 3 : which) {
  case 0:
    text_add(t, "let L%u = ", id), gen_matrix(m, t, n, n, MATRIX_LOWER);
    text_add(t, "\nq, p = L%u.T @ q, solve_lower(L%u, p)  inverse  solve_upper(L%u.T, q), L%u @ p\n", id, id, id, id);
    break;
  case 1:
    text_add(t, "param l%u: real[%u, %u] ~ glorot\nlet L%u = tril(l%u, -1) + eye(%u)\n", id, n, n, id, id, n);
    text_add(t, "q, p = solve_lower(L%u, q), L%u.T @ p\n  inverse\nL%u @ q, solve_upper(L%u.T, p)\n", id, id, id, id);
    break;
  case 2:
    text_add(t, "param a%u: real[%u] = 0\nq, p = cos(a%u)*q - sin(a%u)*p, sin(a%u)*q + cos(a%u)*p\n", id, n, id, id, id, id);
    text_add(t, "  inverse\ncos(a%u)*q + sin(a%u)*p, cos(a%u)*p - sin(a%u)*q\n", id, id, id, id);
    break;
  case 3:
    text_add(t, "param t%u: real = 0\nlet c%u = 1 + t%u^2\nlet d%u = 1 - t%u^2\n", id, id, id, id, id);
    text_add(t, "q, p = (d%u*q + 2*t%u*p)/c%u, (d%u*p - 2*t%u*q)/c%u\n  inverse\n", id, id, id, id, id, id);
    text_add(t, "(d%u*q - 2*t%u*p)/c%u, (d%u*p + 2*t%u*q)/c%u\n", id, id, id, id, id, id);
    break;
  case 4:
    text_add(t, "param b%u: real = 0\nlet h%u = sqrt(1 + b%u^2)\n", id, id, id);
    text_add(t, "q, p = h%u*q + b%u*p, b%u*q + h%u*p  inverse  h%u*q - b%u*p, h%u*p - b%u*q\n", id, id, id, id, id, id, id, id);
    break;
  case 5: orthogonal(m, t, n, "q", "p"); break;
  case 6: text_add(t, "q, p = exp(q), p*exp(-q)  inverse  log(q), p*q\nq *= exp(-1)\np *= exp(1)\n"); break;
  case 7: text_add(t, "q, p = 2*q + p, q + p  inverse  q - p, 2*p - q\n"); break;
  }
}

static void hamiltonian(Made *m, uint32_t id, uint32_t n, bool separates) {
  static Text v;
  v = (Text){.n = 0};
  gen_scalar(m, &v, "q", n);
  text_add(&m->head, "hamiltonian H%u(q: real[%u], p: real[%u]) = %s%s + %s\n", id, n, n,
           below(m, 2) ? "dot(p, p)/2" : "sum(sqrt(1 + p^2))", separates ? "" : " + 0.2*q[0]*p[0]^2", v.at);
}

static void motion(Made *m, Text *t, uint32_t n) {
  static const char *const explicit_[] = {"leapfrog", "yoshida4", "leapfrog"}, *const implicit[] = {"implicit_midpoint", "gauss4"};
  uint32_t id = gen_name(m), k = 1 + below(m, 2);
  switch (below(m, 4)) {
  case 0:
  case 1:
    hamiltonian(m, id, n, true);
    text_add(t, "evolve(q, p) under H%u for 0.3 steps %u method %s\n", id, k, explicit_[below(m, 3)]);
    break;
  case 2:
    hamiltonian(m, id, n, false);
    text_add(t, "evolve(q, p) under H%u for 0.05 steps 1 method %s\n", id, implicit[below(m, 2)]);
    break;
  case 3:
    hamiltonian(m, id, n, true);
    text_add(t, "repeat %u {\np -= 0.05*grad(H%u(q, p), q)\nq += 0.1*grad(H%u(q, p), p)\np -= 0.05*grad(H%u(q, p), q)\n}\n", k, id,
             id, id);
    break;
  }
}

static void layer(Made *m, Text *t) {
  static const char *const some[] = {"henon(2)",
                                     "gradient_low(2)",
                                     "gradient_up(2)",
                                     "phases()",
                                     "shear()",
                                     "triangular()",
                                     "reflection()",
                                     "symplectic_scaling()",
                                     "irrotational_coupling(2)",
                                     "gradient_coupling([3])",
                                     "zero_center()",
                                     "linear_symplectic(reflections = 1)"};
  const char *s = some[below(m, sizeof some / sizeof *some)];
  m->layers = true;
  if (below(m, 3)) text_add(t, "%s(q, p)\n", s);
  else text_add(t, "inverse(%s)(q, p)\n", s);
}

static bool sub_flow(Made *m, Text *t, const char *args) {
  const MadeFlow *f = NULL; /* the one that was made to be used */
  for (uint32_t k = 0; k < m->nflow && !f; k++) f = m->flow[k].symplectic ? &m->flow[k] : NULL;
  if (!f) return false;
  text_add(t, below(m, 2) ? "%s%s%s(%s)\n" : "%sinverse(%s)%s(%s)\n", "", f->call, "", args);
  return true;
}

void gen_symplectic_step(Made *m, Text *t, uint32_t n, int depth) {
  if (m->nflow && below(m, 2) && sub_flow(m, t, "q, p")) return;
  if (below(m, 4) == 0) {
    gen_symplectic_part(m, t, n);
    return;
  }
  switch (below(m, 14)) {
  default: shift(m, t, n); break;
  case 4: n > 1 ? in_parts(m, t, n) : shift(m, t, n); break;
  case 5: sliced(m, t, n); break;
  case 6: scaling(m, t, n); break;
  case 7: n > 1 ? point_map(m, t, n) : scaling(m, t, n); break;
  case 8: permutation(m, t, n); break;
  case 9:
  case 10: linear(m, t, n); break;
  case 11: motion(m, t, n); break;
  case 12: layer(m, t); break;
  case 13:
    if (depth) return;
    if (below(m, 2)) text_add(t, "for i in 0:%u { p[i] += sin((i + 1)*q[i]) }\n", n);
    else {
      text_add(t, "repeat %u {\n", 2 + below(m, 2));
      m->no_params = true;
      gen_symplectic_step(m, t, n, depth + 1), gen_symplectic_step(m, t, n, depth + 1);
      m->no_params = false;
      text_add(t, "}\n");
    }
    break;
  }
}

/* ---- keeping volume -------------------------------------------------------------------------------------------- */

static void volume_shift(Made *m, Text *t, uint32_t n) {
  uint32_t id = gen_name(m), i = below(m, n);
  if (i == 0) text_add(t, "let r%u = x[1:]\n", id);
  else if (i == n - 1) text_add(t, "let r%u = x[:-1]\n", id);
  else text_add(t, "let r%u = concat(x[:%u], x[%u:])\n", id, i, i + 1);
  char name[16];
  snprintf(name, sizeof name, "r%u", id);
  text_add(t, "x[%u] %s ", i, below(m, 2) ? "+=" : "-="), gen_scalar(m, t, name, n - 1), text_add(t, "\n");
}

static void volume_scale(Made *m, Text *t, uint32_t n) {
  uint32_t i = below(m, n), j = (i + 1 + below(m, n - 1)) % n, k = n > 2 ? (j + 1) % n == i ? (i + 1) % n : (j + 1) % n : i;
  if (n > 2 && k != i && k != j && below(m, 2)) {
    text_add(t, "x[%u] *= exp(tanh(x[%u]))\nx[%u] /= exp(tanh(x[%u]))\n", i, k, j, k);
  } else if (below(m, 2)) {
    static Text number;
    number = (Text){.n = 0};
    gen_number(m, &number);
    text_add(t, "x[%u] *= exp(%s)\nx[%u] /= exp(%s)\n", i, number.at, j, number.at);
  } else {
    text_add(t, "x *= exp([");
    for (uint32_t e = 0; e < n; e++) text_add(t, "%s%s", e ? ", " : "", e == i ? "0.5" : e == j ? "-0.5" : "0");
    text_add(t, "])\n");
  }
}

static void volume_linear(Made *m, Text *t, uint32_t n) {
  uint32_t id = gen_name(m), which = below(m, 4);
  switch (m->no_params && which == 1 ? 0 : which) {
  case 0:
    text_add(t, "let L%u = ", id), gen_matrix(m, t, n, n, MATRIX_UNIT_LOWER);
    text_add(t, "\nx = L%u @ x  inverse  solve_lower(L%u, x)\n", id, id);
    break;
  case 1:
    text_add(t, "param l%u: real[%u, %u] ~ glorot\nlet L%u = triu(l%u, 1) + eye(%u)\nx = L%u @ x  inverse  solve_upper(L%u, x)\n",
             id, n, n, id, id, n, id, id);
    break;
  case 2:
    if (n % 2 == 0) orthogonal(m, t, n, "x", NULL);
    else text_add(t, "x = roll(x, 1)\n"); /* odd n: an even permutation */
    break;
  case 3:
    if (n == 2)
      text_add(t, "x = [x[0]*cos(1) - x[1]*sin(1), x[0]*sin(1) + x[1]*cos(1)]\n  inverse\n"
                  "[x[0]*cos(1) + x[1]*sin(1), x[1]*cos(1) - x[0]*sin(1)]\n");
    else if (n == 4) text_add(t, "x = concat(x[2:], x[:2])\n");
    else text_add(t, "x[0] += 0.1\n");
    break;
  }
}

static void volume_motion(Made *m, Text *t, uint32_t n) {
  uint32_t id = gen_name(m);
  if (n % 2 == 0 && below(m, 2)) {
    hamiltonian(m, id, n / 2, true);
    text_add(t, "evolve(x[:%u], x[%u:]) under H%u for 0.2 steps 1 method leapfrog\n", n / 2, n / 2, id);
    return;
  }
  text_add(&m->head, "fn f%u(x: real[%u]) = ", id, n), gen_matrix(m, &m->head, n, n, MATRIX_SKEW), text_add(&m->head, " @ x\n");
  text_add(t, "evolve x along f%u for 0.1 steps 1 method implicit_midpoint\n", id);
}

void gen_volume_step(Made *m, Text *t, uint32_t n, int depth) {
  char args[48];
  snprintf(args, sizeof args, "x[:%u], x[%u:]", n / 2, n / 2);
  if (m->nflow && below(m, 2) && sub_flow(m, t, args)) return;
  if (n == 1) {
    text_add(t, "x += "), gen_number(m, t), text_add(t, "\n");
    return;
  }
  if (below(m, 4) == 0) {
    gen_volume_part(m, t, n);
    return;
  }
  switch (below(m, 9)) {
  default: volume_shift(m, t, n); break;
  case 4: volume_scale(m, t, n); break;
  case 5:
  case 6: volume_linear(m, t, n); break;
  case 7: volume_motion(m, t, n); break;
  case 8:
    if (depth) return;
    text_add(t, "repeat 2 {\n");
    m->no_params = true;
    gen_volume_step(m, t, n, depth + 1);
    m->no_params = false;
    text_add(t, "}\n");
    break;
  }
}
