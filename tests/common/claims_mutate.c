/* Changes one detail of a program, as somebody who makes a mistake would: tokens of its head are replaced, put in,
 * left out or exchanged; lines are dropped, doubled, exchanged. */
#include "tests/common/claims_gen.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { TOKENS_MOST = 4096 };
typedef enum { TK_NAME, TK_NUMBER, TK_OP, TK_LINE } TokenKind;
typedef struct Token {
  size_t at, n;
  TokenKind kind;
} Token;
static Token token[TOKENS_MOST];
static uint32_t ntoken;

static size_t token_length(const char *s, TokenKind *kind) {
  static const char *const two[] = {"+=", "-=", "*=", "/=", "==", ".T"};
  size_t n = 0;
  if (*s == '\n') return *kind = TK_LINE, 1;
  if (isalpha((unsigned char)*s) || *s == '_') {
    while (isalnum((unsigned char)s[n]) || s[n] == '_') n++;
    return *kind = TK_NAME, n;
  }
  if (isdigit((unsigned char)*s)) {
    while (isdigit((unsigned char)s[n]) || s[n] == '.') n++;
    return *kind = TK_NUMBER, n;
  }
  *kind = TK_OP;
  for (size_t k = 0; k < sizeof two / sizeof *two; k++)
    if (!strncmp(s, two[k], 2)) return 2;
  return 1;
}

static void tokenize(const Text *t) {
  ntoken = 0;
  for (size_t i = 0; i < t->n && ntoken < TOKENS_MOST;) {
    TokenKind kind;
    if (t->at[i] == ' ') {
      i++;
      continue;
    }
    size_t n = token_length(t->at + i, &kind);
    token[ntoken++] = (Token){i, n, kind};
    i += n;
  }
}

static bool is(const Text *t, uint32_t k, const char *s) {
  return k < ntoken && strlen(s) == token[k].n && !strncmp(t->at + token[k].at, s, token[k].n);
}

static void splice(Text *t, size_t at, size_t drop, const char *s) {
  static Text out;
  out = (Text){.n = 0};
  text_add(&out, "%.*s%s%s", (int)at, t->at, s, t->at + at + drop);
  *t = out;
}

/* ---- choosing a place ----------------------------------------------------------------------------------------- */

typedef bool Test(const Text *t, uint32_t k);

static uint32_t choose(Made *m, Test *test) {
  uint32_t n = 0, found = UINT32_MAX;
  for (uint32_t k = 0; k < ntoken; k++)
    if (test(&m->head, k) && rng_below(&m->rng, ++n) == 0) found = k;
  return found;
}

static const char *const sets[][8] = {{"+", "-", "*", "/"},
                                      {"+=", "-="},
                                      {"*=", "/="},
                                      {"tanh", "sin", "cos", "exp", "sigmoid", "softplus", "log", "sqrt"},
                                      {"solve_lower", "solve_upper"},
                                      {"tril", "triu"},
                                      {"sum", "norm", "mean", "max"},
                                      {"q", "p"},
                                      {"leapfrog", "yoshida4", "implicit_midpoint"},
                                      {"grad", "hess"},
                                      {"abs", "relu", "sign"},
                                      {"henon", "gradient_low", "gradient_up"},
                                      {"phases", "reflection", "triangular", "shear"},
                                      {"i", "j", "k"},
                                      {"symplectic", "volume"},
                                      {"ones", "zeros", "eye"},
                                      {"max", "min"},
                                      {"true", "false"},
                                      {"cosh", "sinh", "tanh"},
                                      {"asinh", "sinh", "tanh"},
                                      {"lift", "inverse"},
                                      {"flip", "roll"},
                                      {"inverse", "logdet"}};
enum { SETS = sizeof sets / sizeof *sets };

static int set_of(const Text *t, uint32_t k, int from) {
  for (int s = from; s < SETS; s++)
    for (int j = 0; j < 8 && sets[s][j]; j++)
      if (is(t, k, sets[s][j])) return s;
  return -1;
}

static bool in_a_set(const Text *t, uint32_t k) { return set_of(t, k, 0) >= 0; }
static bool is_state(const Text *t, uint32_t k) { return is(t, k, "q") || is(t, k, "p"); }
/* A motion stays short: an implicit step that is long against the forces' own times may have several solutions, and is not undone. */
static bool is_number(const Text *t, uint32_t k) { return token[k].kind == TK_NUMBER && !(k && is(t, k - 1, "for")); }
static bool is_name(const Text *t, uint32_t k) {
  (void)t;
  return token[k].kind == TK_NAME;
}
static bool is_any(const Text *t, uint32_t k) {
  (void)t;
  return token[k].kind != TK_LINE;
}
static bool is_transposed(const Text *t, uint32_t k) { return is(t, k, ".T"); }
static bool is_comma(const Text *t, uint32_t k) {
  return is(t, k, ",") && k > 0 && k + 1 < ntoken && token[k - 1].kind != TK_LINE && token[k + 1].kind != TK_LINE;
}
static bool is_inverse(const Text *t, uint32_t k) { return is(t, k, "inverse") && is(t, k + 1, "("); }
static bool is_clause(const Text *t, uint32_t k) { return is(t, k, "logdet") && !is(t, k + 1, "("); }
static bool is_operand(const Text *t, uint32_t k) {
  static const char *const before[] = {"+", "-", "*", "/", "(", "=", "+=", "-=", "@", ",", "["};
  if (k == 0 || (token[k].kind != TK_NAME && !is(t, k, "("))) return false;
  for (size_t j = 0; j < sizeof before / sizeof *before; j++)
    if (is(t, k - 1, before[j])) return true;
  return false;
}
static bool is_factor(const Text *t, uint32_t k) { return token[k].kind == TK_NUMBER && is(t, k + 1, "*"); }
static bool is_statement(const Text *t, uint32_t k) { /* the first token of a line inside a body */
  return k > 0 && token[k - 1].kind == TK_LINE && token[k].kind == TK_NAME && !is(t, k, "symplectic") && !is(t, k, "volume") &&
         !is(t, k, "hamiltonian") && !is(t, k, "fn");
}
static bool is_called(const Text *t, uint32_t k) { /* a flow in place */
  return is_statement(t, k) && t->at[token[k].at] == 'S' && is(t, k + 1, "(");
}

/* ---- changes ------------------------------------------------------------------------------------------------------ */

static bool exchange_word(Made *m, uint32_t k) {
  int s = set_of(&m->head, k, 0), other = set_of(&m->head, k, s + 1), n = 0;
  if (other >= 0 && rng_below(&m->rng, 2)) s = other;
  while (n < 8 && sets[s][n]) n++;
  splice(&m->head, token[k].at, token[k].n, sets[s][rng_below(&m->rng, (uint32_t)n)]);
  return true;
}

static bool change_number(Made *m, uint32_t k) {
  char text[64];
  double v = strtod(m->head.at + token[k].at, NULL);
  static const char *const form[] = {"2*", "-", "0.5*"};
  switch (rng_below(&m->rng, 6)) {
  case 0: snprintf(text, sizeof text, "%.10g", v + 1); break;
  case 1: snprintf(text, sizeof text, "%.10g", v > 0 ? v - 1 : v + 2); break;
  case 2: snprintf(text, sizeof text, "%.10g", 2 * v); break;
  case 3: snprintf(text, sizeof text, "0"); break;
  case 4: snprintf(text, sizeof text, "%.10g", 1.01 * v); break;
  default: snprintf(text, sizeof text, "(%s%.10g)", form[rng_below(&m->rng, 3)], v); break;
  }
  splice(&m->head, token[k].at, token[k].n, text);
  return true;
}

static bool put_before(Made *m, uint32_t k) {
  static const char *const some[] = {"-", "2*", "0.5*", "-", "0*", "1.01*", "x*", "q*", "p*", "q[0]*", "tanh"};
  const char *s = some[rng_below(&m->rng, sizeof some / sizeof *some)];
  if (!strcmp(s, "tanh") && !is(&m->head, k, "(")) s = "-";
  splice(&m->head, token[k].at, 0, s);
  return true;
}

static bool put_behind(Made *m, uint32_t k) {
  static const char *const some[] = {".T", "^2", "[0]", "[1:]", "^3", " + 0.1", " + q", " + p", " - 1"};
  splice(&m->head, token[k].at + token[k].n, 0, some[rng_below(&m->rng, sizeof some / sizeof *some)]);
  return true;
}

static bool drop(Made *m, uint32_t k) { return splice(&m->head, token[k].at, token[k].n, ""), true; }
static bool drop_factor(Made *m, uint32_t k) { return splice(&m->head, token[k].at, token[k + 1].at + 1 - token[k].at, ""), true; }

/* The text between two tokens of one depth around a comma is exchanged: their nearest tokens only, if they have brackets. */
static bool exchange_around(Made *m, uint32_t k) {
  char text[256];
  const char *s = m->head.at;
  int depth = 0;
  uint32_t a = k - 1, b = k + 1;
  for (; a > 0 && token[a].kind != TK_LINE; a--) {
    depth += is(&m->head, a, ")") || is(&m->head, a, "]");
    depth -= is(&m->head, a, "(") || is(&m->head, a, "[");
    if (depth < 0 || (depth == 0 && (is(&m->head, a, ",") || is(&m->head, a, "=")))) break;
  }
  a++;
  for (depth = 0; b < ntoken && token[b].kind != TK_LINE; b++) {
    depth += is(&m->head, b, "(") || is(&m->head, b, "[");
    depth -= is(&m->head, b, ")") || is(&m->head, b, "]");
    if (depth < 0 || (depth == 0 && (is(&m->head, b, ",") || is(&m->head, b, "inverse") || is(&m->head, b, "logdet")))) break;
  }
  b--;
  if (a >= k || b <= k) return false;
  size_t left = token[k - 1].at + token[k - 1].n - token[a].at, right = token[b].at + token[b].n - token[k + 1].at;
  if (left + right + 8 > sizeof text) return false;
  snprintf(text, sizeof text, "%.*s, %.*s", (int)right, s + token[k + 1].at, (int)left, s + token[a].at);
  splice(&m->head, token[a].at, token[b].at + token[b].n - token[a].at, text);
  return true;
}

static bool another_name(Made *m, uint32_t k) {
  char name[64];
  uint32_t other = choose(m, is_name);
  snprintf(name, sizeof name, "%.*s", (int)token[other].n, m->head.at + token[other].at);
  splice(&m->head, token[k].at, token[k].n, name);
  return true;
}

static bool change_line(Made *m, uint32_t k) {
  char line[2048];
  const char *s = m->head.at + token[k].at, *end = strchr(s, '\n');
  size_t n = end ? (size_t)(end - s) + 1 : strlen(s);
  if (n >= sizeof line) return false;
  snprintf(line, sizeof line, "%.*s", (int)n, s);
  size_t at = token[k].at;
  switch (rng_below(&m->rng, 3)) {
  case 0: splice(&m->head, at, n, ""); break;
  case 1: splice(&m->head, at, 0, line); break;
  case 2: { /* exchanged with the next line */
    const char *next = m->head.at + at + n, *stop = strchr(next, '\n');
    if (!stop || *next == '}') return false;
    size_t more = (size_t)(stop - next) + 1;
    splice(&m->head, at, n, "");
    splice(&m->head, at + more, 0, line);
    break;
  }
  }
  return true;
}

static bool drop_inverse(Made *m, uint32_t k) { return splice(&m->head, token[k].at, token[k].n, ""), true; }

static bool put_inverse(Made *m, uint32_t k) {
  char text[80];
  snprintf(text, sizeof text, "inverse(%.*s)", (int)token[k].n, m->head.at + token[k].at);
  splice(&m->head, token[k].at, token[k].n, text);
  return true;
}

static bool change_clause(Made *m, uint32_t k) {
  static const char *const some[] = {" 0.1 + ", " 1.01*", " -", " x[0] + ", " 0.5*x[0]^2 + ", " 2*", " log(2) + ", " 0*"};
  return splice(&m->head, token[k].at + token[k].n, 0, some[rng_below(&m->rng, sizeof some / sizeof *some)]), true;
}

typedef bool Change(Made *m, uint32_t k);

void made_change(Made *m) {
  static const struct {
    Test *test;
    Change *change;
    uint32_t weight;
  } row[] = {{in_a_set, exchange_word, 24},
             {is_number, change_number, 14},
             {is_operand, put_before, 12},
             {is_name, put_behind, 6},
             {is_any, drop, 5},
             {is_transposed, drop, 4},
             {is_factor, drop_factor, 5},
             {is_comma, exchange_around, 8},
             {is_name, another_name, 6},
             {is_state, exchange_word, 8},
             {is_statement, change_line, 12},
             {is_inverse, drop_inverse, 3},
             {is_called, put_inverse, 3},
             {is_clause, change_clause, 10}};
  for (int tries = 0; tries < 50; tries++) {
    uint32_t r = rng_below(&m->rng, 120), j = 0;
    while (r >= row[j].weight) r -= row[j++].weight;
    tokenize(&m->head);
    uint32_t k = choose(m, row[j].test);
    static Text before;
    before = m->head;
    if (k != UINT32_MAX && row[j].change(m, k) && strcmp(before.at, m->head.at) != 0) return;
  }
}
