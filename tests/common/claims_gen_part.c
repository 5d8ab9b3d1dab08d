/* Steps that move parts: strides, lists, masks, second axes; cases of what has a value and what has none; shift and scale of one value; permutations by lists; flows to be lifted, with
 * clauses for their inverse and log-determinant. */
#include "tests/common/claims_gen.h"

#include <string.h>

static uint32_t below(Made *m, uint32_t n) { return rng_below(&m->rng, n); }

/* ---- which elements ------------------------------------------------------------------------------------------- */

typedef struct Part {
  char text[96]; /* the subscript */
  bool moved[8];
  uint32_t n; /* how many */
  bool mask;
} Part;

static void shuffled(Made *m, uint32_t *at, uint32_t n) {
  for (uint32_t k = 0; k < n; k++) at[k] = k;
  for (uint32_t k = n; k-- > 1;) {
    uint32_t j = below(m, k + 1), x = at[k];
    at[k] = at[j], at[j] = x;
  }
}

static void list_text(char *out, size_t size, const uint32_t *at, uint32_t n) {
  size_t used = (size_t)snprintf(out, size, "[");
  for (uint32_t k = 0; k < n; k++) used += (size_t)snprintf(out + used, size - used, "%s%u", k ? ", " : "", at[k]);
  snprintf(out + used, size - used, "]");
}

static void shuffled_text(Made *m, char *out, size_t size, uint32_t n) {
  uint32_t at[8];
  shuffled(m, at, n);
  list_text(out, size, at, n);
}

/* Some of n elements, not all of them where `less`. */
static Part part(Made *m, uint32_t n, bool less) {
  Part p = {.n = 1 + below(m, n - less)};
  uint32_t at[8];
  size_t used = 0;
  shuffled(m, at, n);
  switch (below(m, 3)) {
  case 0: /* a stride */
    p.n = less && n == 1 ? 1 : (n + 1) / 2;
    for (uint32_t k = 0; k < n; k += 2) p.moved[k] = true;
    snprintf(p.text, sizeof p.text, "%s", below(m, 2) ? "0::2" : "::2");
    return p;
  case 1:
    for (uint32_t k = 0; k < p.n; k++) p.moved[at[k]] = true;
    list_text(p.text, sizeof p.text, at, p.n);
    return p;
  default:
    p.mask = true;
    for (uint32_t k = 0; k < p.n; k++) p.moved[at[k]] = true;
    used += (size_t)snprintf(p.text, sizeof p.text, "[");
    for (uint32_t k = 0; k < n; k++)
      used += (size_t)snprintf(p.text + used, sizeof p.text - used, "%s%s", k ? ", " : "", p.moved[k] ? "true" : "false");
    snprintf(p.text + used, sizeof p.text - used, "]");
    return p;
  }
}

/* `let name = x[the others]`; how many. */
static uint32_t others(Text *t, const Part *p, uint32_t n, const char *name) {
  uint32_t at[8] = {0}, k = 0;
  char list[64];
  for (uint32_t e = 0; e < n; e++)
    if (!p->moved[e]) at[k++] = e;
  list_text(list, sizeof list, at, k);
  text_add(t, "let %s = x[%s]\n", name, list);
  return k;
}

/* A vector for what p moves, each element a scalar of `name`. */
static void vector(Made *m, Text *t, const Part *p, uint32_t n, const char *name, uint32_t size) {
  const uint32_t rows = p->mask ? n : p->n;
  text_add(t, "[");
  for (uint32_t k = 0; k < rows; k++) {
    if (k) text_add(t, ", ");
    if (k < 2) gen_scalar(m, t, name, size);
    else text_add(t, "0.3*sin(%s[%u])", name, below(m, size));
  }
  text_add(t, "]");
}

/* ---- cases -------------------------------------------------------------------------------------------------------- */

/* A condition on the number `s`, most of them about NaN. */
static void condition(Made *m, Text *t, const char *s) {
  static const char *const some[] = {"log(@) == log(@)",
                                     "log(@) != log(@)",
                                     "sqrt(@) >= 0",
                                     "not sqrt(@) < 0",
                                     "0*log(@) == 0",
                                     "0*acosh(@) == 0",
                                     "0*sqrt(-1 - @^2) == 0",
                                     "asin(@) == asin(@)",
                                     "log(@) < 3 or log(@) >= 3",
                                     "log(@)^2 >= 0",
                                     "exp(sqrt(@)) > 0",
                                     "@^0.3 > 0",
                                     "sqrt(1 + @^2) >= 0",
                                     "(sqrt(@) >= 0) == (sqrt(@) < 0)",
                                     "argmax([sqrt(@), sqrt(@) + 1]) == 1",
                                     "argsort([sqrt(@) + 1, sqrt(@)])[0] == 1",
                                     "sqrt(@ - 0.5) - sqrt(@ - 0.5) == 0",
                                     "inf - inf == 0*@",
                                     "@ > 0"};
  for (const char *c = some[below(m, sizeof some / sizeof *some)]; *c; c++)
    *c == '@' ? text_add(t, "%s", s) : text_add(t, "%c", *c);
}

/* Both cases hold; a change may spoil one of them. */
static void canonical_case(Made *m, Text *t, uint32_t n) {
  const bool q = below(m, 2);
  const char *x = q ? "q" : "p", *y = q ? "p" : "q";
  char s[16];
  snprintf(s, sizeof s, "%s[%u]", y, below(m, n));
  text_add(t, "%s += where(", x), condition(m, t, s);
  text_add(t, below(m, 2) ? ", 0.5*%s, " : ", tanh(%s), ", y);
  gen_matrix(m, t, n, n, MATRIX_SYMMETRIC), text_add(t, " @ %s)\n", y);
}

static void volume_case(Made *m, Text *t, uint32_t n) {
  const uint32_t i = below(m, n), j = (i + 1 + below(m, n - 1)) % n;
  char s[16];
  snprintf(s, sizeof s, "x[%u]", j);
  text_add(t, "x[%u] *= exp(where(", i), condition(m, t, s);
  text_add(t, below(m, 2) ? ", 0, 0*tanh(%s)))\n" : ", 0*%s, 0))\n", s);
}

/* ---- canonical ---------------------------------------------------------------------------------------------------- */

static void canonical_part(Made *m, Text *t, uint32_t n) {
  static const char *const f[] = {"tanh", "sin", "sigmoid", "0.3*"};
  const bool q = below(m, 2);
  const char *x = q ? "q" : "p", *y = q ? "p" : "q", *g = f[below(m, 4)];
  const Part p = part(m, n, false);
  if (p.mask) text_add(t, "%s[%s] %s %s(%s)\n", x, p.text, below(m, 2) ? "+=" : "-=", g, y);
  else text_add(t, "%s[%s] %s %s(%s[%s])\n", x, p.text, below(m, 2) ? "+=" : "-=", g, y, p.text);
}

static void canonical_scale(Made *m, Text *t, uint32_t n) {
  const Part p = part(m, n, false);
  const bool q = below(m, 2);
  text_add(t, "%s[%s] *= exp(0.5)\n%s[%s] /= exp(0.5)\n", q ? "q" : "p", p.text, q ? "p" : "q", p.text);
}

/* One gradient, given to the state by parts. */
static void canonical_shared(Made *m, Text *t, uint32_t n) {
  static Text before, e;
  const bool q = below(m, 2);
  const char *x = q ? "q" : "p", *y = q ? "p" : "q";
  uint32_t id = gen_name(m), cut = n > 1 ? 1 + below(m, n - 1) : 1;
  before = e = (Text){.n = 0};
  gen_gradient(m, &before, &e, y, n);
  text_add(t, "%slet g%u = %s\n%s[:%u] += g%u[:%u]\n", before.at, id, e.at, x, cut, id, cut);
  if (n > 1) text_add(t, "%s[%u:] += g%u[%u:]\n", x, cut, id, cut);
}

static void canonical_permutation(Made *m, Text *t, uint32_t n) {
  char list[64];
  shuffled_text(m, list, sizeof list, n);
  switch (below(m, 4)) {
  case 0: text_add(t, "q, p = q[%s], p[%s]\n", list, list); break;
  case 1: text_add(t, "q, p = -p[%s], q[%s]\n", list, list); break;
  case 2: text_add(t, "q, p = [p[%u - k] for k in 0:%u], [-q[%u - k] for k in 0:%u]\n", n - 1, n, n - 1, n); break;
  case 3: text_add(t, "q, p = eye(%u)[%s] @ p, -(eye(%u)[%s] @ q)\n", n, list, n, list); break;
  }
}

static void lifted(Made *m, Text *t, uint32_t n) {
  static const char *const form[] = {"lift(%s)(q, p)\n", "inverse(lift(%s))(q, p)\n", "lift(inverse(%s))(q, p)\n"};
  char u[16];
  gen_plain_flow(m, u, n);
  switch (below(m, 3)) {
  case 0: text_add(t, form[0], u); break;
  case 1: text_add(t, form[1], u); break;
  default: text_add(t, form[2], u); break;
  }
}

void gen_symplectic_part(Made *m, Text *t, uint32_t n) {
  switch (m->no_params || m->nflow + 2 >= FLOWS_MOST ? below(m, 4) : below(m, 8)) {
  case 0: canonical_part(m, t, n); break;
  case 1: canonical_scale(m, t, n); break;
  case 2: canonical_permutation(m, t, n); break;
  case 3: canonical_case(m, t, n); break;
  case 4: canonical_shared(m, t, n); break;
  default: lifted(m, t, n); break;
  }
}

/* ---- any ------------------------------------------------------------------------------------------------------------- */

static void coupling(Made *m, Text *t, uint32_t n, bool scales) {
  const Part p = part(m, n, true);
  const uint32_t id = gen_name(m);
  char r[16];
  snprintf(r, sizeof r, "r%u", id);
  const uint32_t size = others(t, &p, n, r);
  text_add(t, "let w%u = ", id), vector(m, t, &p, n, r, size);
  text_add(t, "\n");
  if (scales) text_add(t, "x[%s] %s exp(tanh(w%u))\n", p.text, below(m, 2) ? "*=" : "/=", id);
  if (!scales || below(m, 2)) text_add(t, "x[%s] %s %sw%u\n", p.text, below(m, 2) ? "+=" : "-=", below(m, 2) ? "" : "0.5*", id);
}

static void masked_read(Made *m, Text *t, uint32_t n, bool scales) {
  Part p = part(m, n, true);
  while (!p.mask) p = part(m, n, true);
  text_add(t, scales ? "x[%s] *= exp(0.3*sum(sin(where(%s, zeros(%u), x))))\n" : "x[%s] += sum(tanh(where(%s, zeros(%u), x)))\n",
           p.text, p.text, n);
}

static void permutation(Made *m, Text *t, uint32_t n) {
  char list[64];
  shuffled_text(m, list, sizeof list, n);
  switch (below(m, 5)) {
  case 0: text_add(t, "x = x[%s]\n", list); break;
  case 1: text_add(t, "x = [-x[%u - k] for k in 0:%u]\n", n - 1, n); break;
  case 2: text_add(t, "x = flip(roll(x, %u))\n", 1 + below(m, 3)); break;
  case 3: text_add(t, "x = eye(%u)[%s] @ x\n", n, list); break;
  case 4: text_add(t, "x = concat(-x[%u:], x[:%u])\n", n / 2, n / 2); break;
  }
}

/* With clauses: both, or the inverse alone. */
static void assigned(Made *m, Text *t, uint32_t n) {
  const uint32_t id = gen_name(m);
  static Text clause;
  clause = (Text){.n = 0};
  switch (below(m, n > 1 ? 5 : 4)) {
  case 0:
    text_add(t, "x = sinh(x)\n  inverse asinh(x)\n");
    text_add(&clause, "sum(log(cosh(x)))");
    break;
  case 1:
    text_add(t, "x = 2*x  inverse  x/2\n");
    text_add(&clause, "%u*log(2)", n);
    break;
  case 2:
    text_add(t, "let L%u = ", id), gen_matrix(m, t, n, n, MATRIX_LOWER);
    text_add(t, "\nx = L%u @ x  inverse  solve_lower(L%u, x)\n", id, id);
    text_add(&clause, "sum(log(diag(L%u)))", id);
    break;
  case 3:
    text_add(t, "x = exp(0.5*x)  inverse  2*log(x)\n");
    text_add(&clause, "sum(0.5*x) - %u*log(2)", n);
    text_add(&clause, "\nx -= 1");
    break;
  case 4:
    text_add(t, "x = concat(x[:%u]*exp(x[%u]), x[%u:])  inverse  concat(x[:%u]*exp(-x[%u]), x[%u:])\n", n - 1, n - 1, n - 1, n - 1,
             n - 1, n - 1);
    text_add(&clause, "%u*x[%u]", n - 1, n - 1);
    break;
  }
  if (below(m, 3)) text_add(t, "  logdet %s\n", clause.at);
}

static void plain_step(Made *m, Text *t, uint32_t n, const char *other) {
  const uint32_t which = below(m, 9);
  if (other && below(m, 3) == 0) text_add(t, below(m, 2) ? "%s(x)\n" : "inverse(%s)(x)\n", other);
  else if (which < 3) assigned(m, t, n);
  else if (n == 1) text_add(t, "x += "), gen_number(m, t), text_add(t, "\n");
  else if (which < 6) coupling(m, t, n, below(m, 2));
  else if (which == 6) masked_read(m, t, n, below(m, 2));
  else permutation(m, t, n);
}

void gen_plain_flow(Made *m, char *name, uint32_t n) {
  static Text body;
  char other[16] = "";
  if (m->nflow + 4 < FLOWS_MOST && below(m, 4) == 0) gen_plain_flow(m, other, n);
  const uint32_t id = gen_name(m), steps = 1 + below(m, 3);
  body = (Text){.n = 0};
  for (uint32_t k = 0; k < steps; k++) plain_step(m, &body, n, *other ? other : NULL);
  snprintf(name, 16, "S%u", id);
  text_add(&m->head, "flow %s(x: real[%u]) {\n%s}\n", name, n, body.at);
  gen_add_flow(m, (MadeFlow){.n = n}, name);
}

/* ---- keeping volume ------------------------------------------------------------------------------------------------ */

void gen_volume_part(Made *m, Text *t, uint32_t n) {
  char u[16];
  switch (m->no_params || m->nflow + 2 >= FLOWS_MOST ? below(m, 3) : below(m, 5)) {
  case 0: permutation(m, t, n); break;
  case 1: masked_read(m, t, n, false); break;
  case 2: volume_case(m, t, n); break;
  case 3: coupling(m, t, n, false); break;
  default:
    if (n % 2) {
      permutation(m, t, n);
      break;
    }
    gen_plain_flow(m, u, n / 2);
    text_add(t, "lift(%s)(x[:%u], x[%u:])\n", u, n / 2, n / 2);
    break;
  }
}

/* Of a state of two axes, real[2, n], with masks of 0 and 1. */
static void board_mask(Made *m, char *out, size_t size, uint32_t n, bool *one) {
  size_t used = 0;
  for (uint32_t k = 0; k < 2 * n; k++) one[k] = below(m, 2);
  one[0] = true, one[2 * n - 1] = false;
  for (uint32_t k = 0; k < 2 * n; k++)
    used += (size_t)snprintf(out + used, size - used, "%s%d%s",
                             k == 0   ? "[["
                             : k == n ? "["
                                      : "",
                             one[k],
                             k == 2 * n - 1 ? "]]"
                             : k == n - 1   ? "], "
                                            : ", ");
}

void gen_board_flow(Made *m, uint32_t n) {
  static Text body;
  const uint32_t id = gen_name(m), steps = 1 + below(m, 3);
  const bool volume = below(m, 2);
  char mask[128], name[16];
  bool one[16];
  body = (Text){.n = 0};
  for (uint32_t k = 0; k < steps; k++) {
    const uint32_t b = gen_name(m), which = below(m, volume ? 5 : 7);
    board_mask(m, mask, sizeof mask, n, one);
    text_add(&body, "let b%u = %s\n", b, mask);
    switch (which) {
    case 0: text_add(&body, "x[b%u] += sum(sin((1 - b%u)*x))\n", b, b); break;
    case 1: text_add(&body, "x[b%u] -= tanh(roll((1 - b%u)*x, 1, axis = 1)*(1 - b%u))*(1 - b%u) + 0.3\n", b, b, b, b); break;
    case 2: text_add(&body, "x[:, 0] += x[:, %u]^2\n", n - 1); break;
    case 3: text_add(&body, "x[0] %s sin(x[1])\n", below(m, 2) ? "+=" : "-="); break;
    case 4: text_add(&body, n == 2 ? "x = x.T\n" : "x = flip(x, axis = 1)\n"); break;
    case 5: text_add(&body, "x[b%u] *= exp(tanh(sum((1 - b%u)*x)))\n", b, b); break;
    case 6: text_add(&body, "x[:, %u] /= exp(0.3*sin(x[:, 0]))\n", n - 1); break;
    }
  }
  snprintf(name, sizeof name, "S%u", id);
  text_add(&m->head, "%sflow %s(x: real[2, %u]) {\n%s}\n", volume ? "volume " : "", name, n, body.at);
  gen_add_flow(m, (MadeFlow){.n = n, .rows = 2}, name);
}
