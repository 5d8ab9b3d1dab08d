/* How a syntax error is told: "expected an expression or `)`, found `}`".
 *
 * The grammar's list of acceptable tokens is long where an expression, a statement or an operator may
 * follow; each of those is one phrase. The rest is listed by name. */
#include "frontend/syntax/parse_priv.h"
#include "frontend/syntax/synonym.h"
#include "parser.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_NAMED = 6, LONGEST_SHOWN = 32 };

typedef struct Words {
  const char *at[512];
  int n;
} Words;

static const char *const definitions[] = {
  "language", "precision", "import", "const",  "fn",     "hamiltonian", "net",  "flow", "symplectic",          "volume", "use",
  "data",     "loss",      "train",  "report", "expect", "prove",       "plot", "save", "the end of the file", NULL};
static const char *const operands[] = {"a name", "a number", "a string", "'('",  "'['",   "'{'",
                                       "'-'",    "'+'",      "not",      "true", "false", NULL};
static const char *const statements[] = {"let",    "var",     "return",  "for",    "repeat",   "param",    "use", "yield",
                                         "evolve", "require", "running", "a name", "a number", "a string", "'('", "'['",
                                         "'{'",    "'-'",     "'+'",     "not",    "true",     "false",    NULL};
static const char *const operators[] = {
  "'+'", "'-'", "'*'", "'/'", "'^'", "'@'", "'<'", "'>'", "<=", ">=", "==", "!=", "and", "or", "'('", "'['", "'.'", NULL};
static const char *const updates[] = {"+=", "-=", "*=", "/=", NULL};
static const char *const defining[] = {"fn", "hamiltonian", "net", "flow", "symplectic", "volume", "loss", NULL};

static bool holds(const Words *w, const char *s) {
  for (int i = 0; i < w->n; i++)
    if (strcmp(w->at[i], s) == 0) return true;
  return false;
}

static void drop(Words *w, const char *const *list) {
  for (; *list; list++)
    for (int i = 0; i < w->n; i++)
      if (strcmp(w->at[i], *list) == 0) {
        memmove(&w->at[i], &w->at[i + 1], sizeof w->at[0] * (size_t)(w->n - i - 1));
        w->n--;
        break;
      }
}

/* The phrases, then the words that are left; at most `room`. */
static int phrases(Words w, const char **out, int room, bool at_operator) {
  int n = 0;
  bool operator= holds(&w, "'*'");
  if (holds(&w, "import")) out[n++] = "a definition", drop(&w, definitions);
  else if (holds(&w, "let")) out[n++] = "a statement", drop(&w, statements);
  else if (holds(&w, "a number")) out[n++] = "an expression", drop(&w, operands);
  else if (holds(&w, "fn")) out[n++] = "`flow`", drop(&w, defining);
  if (operator) drop(&w, operators);
  if (holds(&w, "+=")) drop(&w, updates);
  for (int i = 0; i < w.n && n < room - 1; i++) out[n++] = w.at[i];
  if (n == 0 || (operator&& !at_operator && n <= 2)) out[n++] = "an operator";
  return n;
}

static const char *quoted(Parser *ps, const char *word) {
  size_t n = strlen(word);
  if (word[0] == '`' || strchr(word, ' ')) return word;
  if (word[0] == '\'') return arena_printf(ps->mem, "`%.*s`", (int)n - 2, word + 1);
  return arena_printf(ps->mem, "`%s`", word);
}

static const char *listed(Parser *ps, const char **words, int n) {
  const char *s = quoted(ps, words[0]);
  for (int i = 1; i < n; i++) s = arena_printf(ps->mem, "%s%s%s", s, i + 1 < n ? ", " : " or ", quoted(ps, words[i]));
  return s;
}

const char *syntax_shown(Parser *ps, const Token *t) {
  uint32_t i = t->begin;
  if (t->kind == 0) return "the end of the file";
  if (t->kind == T_NL && ps->text[t->begin] != ';') return "the end of the line";
  while (i < t->end && i - t->begin < LONGEST_SHOWN) {
    int32_t code;
    i += source_char(ps->text, ps->len, i, &code);
  }
  return arena_printf(ps->mem, "`%.*s%s`", (int)(i - t->begin), ps->text + t->begin, i < t->end ? "…" : "");
}

/* A misspelt keyword reads as a name that begins a statement and is followed by something odd. */
static const char *meant(const Parser *ps, uint32_t found) {
  const Token *t = &ps->tokens.at[found];
  if (found > 0 && t[-1].kind == T_NAME) t--, found--;
  bool starts = found == 0 || t[-1].kind == T_NL || t[-1].kind == '{' || t[-1].kind == T_SYMPLECTIC || t[-1].kind == T_VOLUME;
  if (t->kind != T_NAME || !starts) return NULL;
  bool top = true;
  for (uint32_t i = 0; i < found && top; i++)
    if (ps->tokens.at[i].kind == '{' && ps->tokens.at[i].match > found) top = false;
  static const char *const inner[] = {"let", "var",   "return", "for",     "repeat", "param",
                                      "use", "yield", "evolve", "require", "running"};
  return top ? diag_nearest(t->name, definitions, sizeof definitions / sizeof *definitions - 2)
             : diag_nearest(t->name, inner, sizeof inner / sizeof *inner);
}

static bool is_comparison(int kind) {
  return kind == '<' || kind == '>' || kind == T_LE || kind == T_GE || kind == T_EQ || kind == T_NE;
}

static bool starts_statement(int kind) {
  return kind == T_LET || kind == T_VAR || kind == T_RETURN || kind == T_FOR || kind == T_REPEAT || kind == T_PARAM ||
         kind == T_USE || kind == T_YIELD || kind == T_EVOLVE || kind == T_REQUIRE;
}

/* ---- where it happened ---- */

static bool opens(int kind) { return kind == '(' || kind == '[' || kind == '{'; }
static bool closes(int kind) { return kind == ')' || kind == ']' || kind == '}'; }

/* Where the statement, row or item begins that each token is in, found in one walk. Brackets are paired (tokens.c). */
static void find_starts(Parser *ps) {
  const Token *at = ps->tokens.at;
  VEC(TokenStart) open = {0};
  TokenStart here = {.top = true};
  ps->start = ARENA_ARRAY(ps->mem, TokenStart, ps->tokens.n + 1);
  for (uint32_t i = 0; i < ps->tokens.n; i++) {
    if (closes(at[i].kind) && open.n) here = open.at[--open.n];
    ps->start[i] = here;
    if (opens(at[i].kind)) *vec_push(&open) = here;
    if (at[i].kind == '{') here = (TokenStart){i + 1, false};
    if (at[i].kind == T_NL) here.token = i + 1;
  }
  ps->start[ps->tokens.n] = here;
  vec_free(&open);
}

/* The first token of the statement, row or item that token `found` is in. */
static uint32_t statement_start(Parser *ps, uint32_t found, bool *top) {
  if (!ps->start) find_starts(ps);
  *top = ps->start[found].top;
  return ps->start[found].token;
}

/* How a statement or item of this keyword is written. */
static const char *form_of(int keyword) {
  switch (keyword) {
  case T_TRAIN: return "write `train loss on data { steps = 1000 }`";
  case T_DATA: return "write `data d { ... yield x, y }`, or `data d = read(\"file.csv\")`";
  case T_REPORT: return "write `report name = expression on data`";
  case T_PLOT: return "write `plot name = { kind = line, x = ..., y = ... }`";
  case T_SAVE: return "write `save name = { x = expression } on data`";
  case T_LOSS: return "write `loss name(x, y) = ...`, with fields of the data";
  case T_FN: return "write `fn name(x) = ...`, or `fn name(x) { ... return y }`";
  case T_NET: return "write `net name(x: real[n]) { param W: real[n] = 0 ... return y }`";
  case T_HAMILTONIAN: return "write `hamiltonian H(q: real[n], p: real[n]) = ...`";
  case T_CONST: return "`const n = 3`";
  case T_USE: return "write `use f = mlp([32], 1)`";
  case T_FOR: return "write `for k in 0:n { ... }`";
  case T_ARROW: return "the types are `real`, `real[n]`, `int`, `bool`; for several results, leave out `->`";
  default: return NULL;
  }
}

/* Whether the keyword at `at` begins its statement, or is an arrow. */
static bool form_first(Parser *ps, uint32_t at) {
  bool top;
  return ps->tokens.at[at].kind == T_ARROW || statement_start(ps, at, &top) == at;
}

/* ---- what is told of it ---- */

static bool in_subscript(const Parser *ps, uint32_t found) {
  int depth = 0;
  for (uint32_t i = found; i-- > 0;) {
    const int k = ps->tokens.at[i].kind;
    depth += closes(k) - opens(k);
    if (depth < 0) return k == '[';
  }
  return false;
}

static bool at_statement(Parser *ps, uint32_t found, int keyword) {
  bool top;
  return ps->tokens.at[statement_start(ps, found, &top)].kind == keyword;
}

/* (3, 4) as [3, 4] */
static const char *shape_text(Parser *ps, const Token *open) {
  const Token *close = &ps->tokens.at[open->match];
  if (close->begin - open->end > LONGEST_SHOWN) return "[n]";
  return arena_printf(ps->mem, "[%.*s]", (int)(close->begin - open->end), ps->text + open->end);
}

/* g = 9.81, let g = 9.81, param g: real = 9.81: at the top of a file. */
static bool names_value(const Token *t) {
  return t->kind == T_LET || t->kind == T_VAR || t->kind == T_PARAM || (t->kind == T_NAME && t[1].kind == '=');
}

static const char *constant_text(Parser *ps, const Token *t) {
  const char *where = t->kind == T_PARAM                     ? "a parameter is only allowed in a `net`; for "
                      : t->kind == T_LET || t->kind == T_VAR ? "is only allowed in a body; at the top level, "
                                                             : "";
  const Token *name = t->kind == T_NAME ? t : t + 1, *from = name, *end;
  while (from->kind && from->kind != T_NL && from->kind != '=') from++;
  for (end = from; end->kind && end->kind != T_NL;) end++;
  const uint32_t begin = from->kind == '=' ? from->end : 0, length = begin ? end[-1].end - begin : 0;
  if (t->kind == T_LET || t->kind == T_VAR) where = arena_printf(ps->mem, "`%s` %s", t->name, where);
  if (t->kind == T_PARAM) where = arena_printf(ps->mem, "%sa constant: ", where);
  if (name->kind != T_NAME) return arena_printf(ps->mem, "%swrite `const a = ...`, one per line", where);
  if (!length || length > 2 * LONGEST_SHOWN) return arena_printf(ps->mem, "%swrite `const %s = ...`", where, name->name);
  return arena_printf(ps->mem, "%swrite `const %s =%.*s`", where, name->name, (int)length, ps->text + begin);
}

/* What a message may go by: the token found, the two before it (kind 0: none) and the words expected. */
typedef struct Met {
  Parser *ps;
  const Words *expected;
  const Token *before, *last, *t;
  uint32_t found;
} Met;

static const char *top_value(const Met *m) { return names_value(m->t) ? constant_text(m->ps, m->t) : NULL; }
static const char *misspelt(const Met *m) { return meant(m->ps, m->found); }
static const char *last_name(const Met *m) { return m->last->name ? m->last->name : "a"; }
static const char *typed_name(const Met *m) { return in_subscript(m->ps, m->found) ? NULL : m->before->name; }
static const char *shape(const Met *m) { return shape_text(m->ps, m->t); }
static const char *in_const(const Met *m) { return at_statement(m->ps, m->found, T_CONST) ? "" : NULL; }
static const char *in_save(const Met *m) { return at_statement(m->ps, m->found, T_SAVE) ? form_of(T_SAVE) : NULL; }
static const char *in_train(const Met *m) { return at_statement(m->ps, m->found, T_TRAIN) ? m->last->name : NULL; }
static const char *in_expect(const Met *m) { return at_statement(m->ps, m->found, T_EXPECT) ? "" : NULL; }
static const char *in_require(const Met *m) { return at_statement(m->ps, m->found, T_REQUIRE) ? "" : NULL; }
static const char *in_evolve(const Met *m) { return at_statement(m->ps, m->found, T_EVOLVE) ? "" : NULL; }
static const char *keyword(const Met *m) { return m->t->kind != T_NAME && m->t->kind != T_STRING ? m->t->name : NULL; }
static const char *form(const Met *m) { return m->last->kind && form_first(m->ps, m->found - 1) ? form_of(m->last->kind) : NULL; }
static const char *statement(const Met *m) { return starts_statement(m->t->kind) ? "" : NULL; }
static const char *comparison(const Met *m) { return is_comparison(m->t->kind) ? "" : NULL; }
static const char *brace_next(const Met *m) { return m->t->kind == T_NL && m->t[1].kind == '{' ? "" : NULL; }

enum { ANY = -1 };

/* The first row that fits is said. `if_` gives what stands for %s, or NULL where the row does not fit. */
/* clang-format off */
static const struct {
  int before, last, found;
  const char *expected[3];
  const char *(*if_)(const Met *m);
  const char *said;
} helps[] = {
  {ANY, ANY, ANY, {"import"}, top_value, "%s"},
  {ANY, ANY, ANY, {0}, misspelt, "did you mean `%s`?"},
  {ANY, ANY, ANY, {0}, in_evolve,
   "write `evolve(q, p) under H for t steps n method leapfrog`, or `evolve x along f for ...`, without `=`; each step is t/n long"},
  {T_LET, ANY, ',', {0}, NULL, "write several names in brackets: `let (q, p) = ...`"},
  {T_VAR, ANY, ',', {0}, NULL, "write one `var` per name: `var q = ...`, and `var p = ...`"},
  {ANY, T_VAR, '(', {0}, NULL, "write one `var` per name; `let (a, b) = ...` unpacks a tuple, then `var q = a`"},
  {T_CONST, T_NAME, ',', {"'='"}, NULL, "write one `const` per name: `const a = 1`, and below it `const b = 2`"},
  {ANY, T_CONST, '(', {0}, NULL, "write one `const` per name: `const a = 1`, and below it `const b = 2`"},
  {T_REPORT, T_NAME, ',', {0}, NULL, "write one `report` per name: `report a = ...`, and below it `report b = ...`"},
  {ANY, T_ON, '(', {0}, in_train, "write one data set per loss: `train a on s, b on t`"},
  {ANY, T_ON, '[', {0}, in_train, "write one data set per loss: `train a on s, b on t`"},
  {ANY, T_ON, '(', {0}, NULL, "`on` takes the name of one data set"},
  {ANY, T_ON, '[', {0}, NULL, "`on` takes the name of one data set"},
  {T_ON, T_NAME, '(', {0}, last_name, "`on` takes a name: write `use part = %s(...)`, then `on part`"},
  {T_NAME, ':', ':', {0}, typed_name, "write a type after one `:`, as in `%s: real`"},
  {':', T_NAME, '(', {0}, shape, "write a shape in `[ ]`: `real%s`"},
  {T_CONST, ANY, ':', {0}, last_name, "a constant has no type: write `const %s = 3`"},
  {ANY, ANY, ',', {"the end of the line"}, in_const, "write one `const` per line: `const a = 1`, and below it `const b = 2`"},
  {ANY, T_PROVE, ANY, {0}, NULL,
   "write its variables first: `prove (x) sin(x)^2 + cos(x)^2 == 1`, or `prove () 1 + 1 == 2` without variables"},
  {ANY, ANY, T_ON, {0}, in_expect, "an `expect` compares reports; write `on` in the report: `report r = ... on data`"},
  {ANY, ':', ':', {0}, NULL, "a range of turns has no step: `2*k for k in 0:n`"},
  {':', ANY, ':', {0}, NULL, "a range of turns has no step: `2*k for k in 0:n`"},
  {ANY, ANY, ANY, {"'='"}, in_save, "%s"},
  {ANY, '=', ANY, {"'{'"}, in_save, "%s"},
  {T_ON, T_NAME, '+', {"'{'"}, in_train, "write each data set after its loss, separated by `,`: `train a on %s, b on t`"},
  {ANY, ANY, ANY, {"a name"}, keyword, "`%s` is a keyword and cannot be a name"},
  {ANY, ANY, ANY, {0}, form, "%s"},
  {ANY, ANY, ANY, {"the end of the line"}, statement, "start a new statement on a new line, or after `;`"},
  {T_PARAM, ANY, '=', {0}, last_name, "a parameter needs a type: `param %s: real = ...`"},
  {ANY, ANY, ANY, {"and"}, comparison, "comparisons do not chain: write `a < b and b < c`"},
  {ANY, ANY, '=', {"=="}, NULL, "`=` defines, `==` compares"},
  {ANY, ANY, T_EQ, {"'='"}, NULL, "`=` defines, `==` compares"},
  {ANY, ANY, ANY, {"'{'"}, brace_next, "put the `{` at the end of this line, not on the next"},
  {ANY, ANY, ':', {"'{'", "'='", "->"}, NULL, "write several statements in `{ }`, and an expression after `=`"},
  {ANY, ANY, T_NL, {"'{'", "'='", "->"}, NULL, "write several statements in `{ }`, and an expression after `=`"},
  {ANY, ANY, ANY, {0}, in_require, "write a condition, and a message for the caller: `require n >= 2, \"a coupling needs 2 coordinates or more\"`"},
  {ANY, T_NL, ANY, {"import"}, NULL,
   "a file is a list of definitions (`fn`, `hamiltonian`, `data`, `loss`, `train`, `report`, ...); to continue an expression on the next line, end the line with an operator or use brackets"},
};
/* clang-format on */

static bool fits(int want, const Token *t) { return want == ANY || want == t->kind; }

static void help(Parser *ps, DiagMsg *m, uint32_t found, const Words *w) {
  static const Token none;
  const Token *t = &ps->tokens.at[found];
  const Met met = {ps, w, found > 1 ? t - 2 : &none, found > 0 ? t - 1 : &none, t, found};
  for (size_t k = 0; k < sizeof helps / sizeof *helps; k++) {
    bool good = fits(helps[k].before, met.before) && fits(helps[k].last, met.last) && fits(helps[k].found, t);
    for (int i = 0; i < 3 && helps[k].expected[i]; i++) good = good && holds(w, helps[k].expected[i]);
    const char *what = good ? helps[k].if_ ? helps[k].if_(&met) : "" : NULL;
    if (!what) continue;
    diag_help(m, helps[k].said, what);
    return;
  }
}

/* Whether the error follows from one that was reported when a bracket was closed for the user. */
static bool follows_mended(const Parser *ps, uint32_t found) {
  const Token *at = ps->tokens.at;
  if (at[found].origin == TOK_MENDED || (found > 0 && at[found - 1].origin == TOK_MENDED)) return true;
  for (uint32_t i = 0; i < found; i++)
    if ((at[i].kind == '(' || at[i].kind == '[') && at[i].match >= found && at[at[i].match].origin == TOK_MENDED) return true;
  return false;
}

/* Names that the statement would have defined. */
static void remember_names(Parser *ps, uint32_t start) {
  const Token *t = &ps->tokens.at[start], *end = &ps->tokens.at[ps->tokens.n - 1];
  if (t->kind == T_SYMPLECTIC || t->kind == T_VOLUME) t++;
  const bool constants = t->kind == T_CONST || t->kind == T_LET || t->kind == T_VAR;
  switch (t->kind) {
  case T_LET:
  case T_VAR:
  case T_CONST:
  case T_USE:
  case T_FN:
  case T_HAMILTONIAN:
  case T_NET:
  case T_FLOW:
  case T_LOSS:
  case T_DATA:
  case T_PARAM:
  case T_RUNNING:
  case T_REPORT:
  case T_FOR:
    for (t++; t < end && (t->kind == T_NAME || t->kind == '(' || t->kind == ','); t++) {
      if (t->kind == T_NAME) *vec_push(&ps->broken) = t->name;
      if (t->kind == T_NAME && (t[-1].kind != '(' && t[-1].kind != ',')) break;
    }
    for (; constants && t < end && t->kind != T_NL; t++) /* const a = 1, b = 2 */
      if (t->kind == ',' && t[1].kind == T_NAME && t[2].kind == '=') *vec_push(&ps->broken) = t[1].name;
    break;
  case T_NAME: /* y := x */ *vec_push(&ps->broken) = t->name;
  default: break;
  }
}

void syntax_error(Parser *ps, uint32_t found, const char *const *words, int n) {
  const Token *t = &ps->tokens.at[found];
  const char *out[MOST_NAMED];
  Words w = {.n = 0};
  bool top;
  uint32_t start = statement_start(ps, found, &top);
  while (t->origin == TOK_IMPLIED && found + 1 < ps->tokens.n) t = &ps->tokens.at[++found];
  remember_names(ps, start);
  if (diag_full(ps->diag)) {
    diag_add(ps->diag, CODE_syntax, token_span(ps, t), "syntax error"); /* to be counted, not shown */
    return;
  }
  if (follows_mended(ps, found)) return;
  for (int i = 0; i < n && i < (int)(sizeof w.at / sizeof *w.at); i++) w.at[w.n++] = words[i];
  const bool known = ps->lost && holds(&w, "import");
  ps->lost |= top;
  if (known || habit_said(ps, found, start, top, holds(&w, "'*'"), holds(&w, "','"))) return;
  int nout = phrases(w, out, MOST_NAMED, is_comparison(t->kind));
  const bool equated = t->kind == T_NAME && holds(&w, t->name) && t[1].kind == '='; /* a word, where no `=` is behind it */
  const char *shown = equated ? arena_printf(ps->mem, "`%s =`", t->name) : syntax_shown(ps, t);
  DiagMsg *m = diag_add(ps->diag, CODE_syntax, token_span(ps, t), "expected %s, found %s", listed(ps, out, nout), shown);
  help(ps, m, found, &w);
}
