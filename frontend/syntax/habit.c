/* Habits of other languages, seen where the grammar cannot go on: one message that says what is written here instead. */
#include "frontend/syntax/parse_priv.h"
#include "frontend/syntax/synonym.h"
#include "parser.h"

#include <string.h>

/* What is looked at: the token that does not fit, the first of its statement. */
typedef struct Seen {
  Parser *ps;
  const Token *at, *t, *first; /* all tokens, the one found, the statement's first */
  uint32_t found, start;
  bool top, operators, comma; /* no body's; what could stand here */
} Seen;

static bool say(const Seen *s, const Token *from, const Token *to, const char *help) {
  const Span span = span_join(token_span(s->ps, from), token_span(s->ps, to));
  diag_help(diag_add(s->ps->diag, CODE_other_language, span, "there is no `%.*s`", (int)(span.end - span.begin),
                     s->ps->text + span.begin),
            "%s", help);
  return true;
}

static bool message(const Seen *s, DiagCode code, const char *text, const char *help) {
  diag_help(diag_add(s->ps->diag, code, token_span(s->ps, s->t), "%s", text), "%s", help);
  return true;
}

static bool adjacent(const Token *a, const Token *b) { return a->end == b->begin; }
static bool is_name(const Token *t, const char *name) { return t->kind == T_NAME && !strcmp(t->name, name); }

/* The innermost bracket that is open at the token found; NULL: none. */
static const Token *enclosing(const Seen *s) {
  int depth = 0;
  for (uint32_t i = s->found; i-- > 0;) {
    const int k = s->at[i].kind;
    if (k == ')' || k == ']' || k == '}') depth++;
    else if ((k == '(' || k == '[' || k == '{') && depth-- == 0) return &s->at[i];
  }
  return NULL;
}

/* Two tokens that are one in another language: `**`, `//`, `:=`, `++`, `--`, `.*`. */
static bool pairs(const Seen *s) {
  static const struct {
    int a, b;
    const char *help;
  } row[] = {
    {'*', '*', "write a power as `x^2`"},
    {'/', '/', "write `floor(x/y)`; a comment begins with `#`"},
    {'/', '*', "a comment begins with `#`, on each of its lines"},
    {':', '=', "write `fn f(x) = x^2` or `const n = 3` at the top level, `let y = ...` in a body"},
    {'.', '*', "`*` works element by element; the matrix product is `A @ B`"},
    {'.', '/', "`/` works element by element"},
    {'.', '^', "`^` works element by element"},
    {'.', '+', "`+` works element by element"},
    {'.', '-', "`-` works element by element"},
    {'.', '@', "`@` is the matrix product"},
    {'<', '-', "write `=` instead"},
    {'=', '>', "every function has a name: write `fn f(x) = x^2`, then `f`"},
    {'!', '=', "write `!=` without a space"},
  };
  for (uint32_t i = s->start; i <= s->found; i++)
    for (size_t k = 0; k < sizeof row / sizeof *row; k++)
      if (s->at[i].kind == row[k].a && s->at[i + 1].kind == row[k].b && adjacent(&s->at[i], &s->at[i + 1]) &&
          i + 1 >= s->found - (s->found > s->start))
        return say(s, &s->at[i], &s->at[i + 1], row[k].help);
  for (const Token *t = s->first; s->t == s->first && s->top && t->kind && t->kind != T_NL; t++) /* f[x_] := x^2 */
    if (t->kind == ':' && t[1].kind == '=' && adjacent(t, t + 1)) return say(s, t, t + 1, "write `fn f(x) = x^2` or `const n = 3`");
  for (const Token *t = s->first; s->found > s->start && t < s->t; t++) {
    if ((t->kind != '+' && t->kind != '-') || t[1].kind != t->kind || !adjacent(t, t + 1)) continue;
    if (t[2].kind == T_NL || t[2].kind == '}' || t[2].kind == ')' || t[2].kind == 0)
      return say(s, t, t + 1, "write `var n = 0`, then `n = n + 1`");
    return say(s, t, t + 1, "a comment begins with `#`");
  }
  return false;
}

static bool imports(const Seen *s) {
  if (s->found == 0 || s->t[-1].kind != T_IMPORT || s->t->kind != T_NAME) return false;
  diag_help(diag_add(s->ps->diag, CODE_import, token_span(s->ps, s->t), "an import must be a string, found %s",
                     syntax_shown(s->ps, s->t)),
            "`import \"std/nets\"` imports networks; functions such as `sin` need no import");
  return true;
}

/* What only stands at the top of a file, inside a body. */
static bool local(const Seen *s) {
  const int k = s->t->kind;
  if (s->top || s->t != s->first) return false;
  if (k != T_CONST && k != T_IMPORT && k != T_DATA && k != T_TRAIN && k != T_REPORT && k != T_PLOT && k != T_SAVE &&
      k != T_PRECISION && k != T_NET && k != T_FLOW && k != T_LOSS)
    return false;
  DiagMsg *m =
      diag_add(s->ps->diag, CODE_misplaced, token_span(s->ps, s->t), "`%s` is only allowed at the top level of a file", s->t->name);
  if (k == T_CONST) diag_help(m, "in a body, use `let`, or `var` for a value that changes");
  if (k == T_NET || k == T_FLOW) diag_help(m, "in a body, use `fn` or `hamiltonian`; `use f = ...` makes an instance");
  return true;
}

/* The word stands where a definition has its name: it is a keyword, whatever it would mean elsewhere. */
static bool names(const Seen *s) {
  const int k = s->t == s->first ? 0 : s->t[-1].kind;
  return k == T_FN || k == T_NET || k == T_FLOW || k == T_LOSS || k == T_HAMILTONIAN;
}

/* Words inside a statement. */
static bool words(const Seen *s) {
  static const char *const inside[] = {"lambda", "if", "else", "def", "function"};
  for (const Token *t = s->first; t < s->t; t++) /* f(lambda q: q), f(lambda(q)) */
    if (is_name(t, "lambda") && (t[1].kind == T_NAME || t[1].kind == '(')) return say(s, t, t, synonym(t->name));
  if (s->t->kind == T_VAR && s->t != s->first && s->t[1].kind == '(' && !names(s))
    return message(s, CODE_other_language, "`var` defines a value that changes, and is not a function", synonym("variance"));
  if (s->t->kind == T_FN && s->t != s->first && s->t[1].kind == '(' && !names(s))
    return message(s, CODE_other_language, "a function cannot be defined inside a call", "define `fn g(x) = 2*x`, then pass `g`");
  for (size_t i = 0; i < sizeof inside / sizeof *inside; i++)
    for (const Token *word = s->found ? s->t - 1 : s->t; word <= s->t; word++)
      if (is_name(word, inside[i]) && word != s->first) return say(s, word, word, synonym(word->name));
  for (const Token *t = s->first; s->first->kind == T_FOR && t < s->t; t++)
    if (t->kind == T_NAME && t[1].kind == '(' && (is_name(t, "range") || is_name(t, "enumerate") || is_name(t, "zip")))
      return say(s, t, t, synonym(t->name));
  return false;
}

static bool is_type_word(const Token *t) {
  static const char *const names[] = {"real", "int",  "bool", "string",  "float",  "double",
                                      "void", "auto", "char", "integer", "complex"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (is_name(t, names[i])) return true;
  return false;
}

/* def f(x), func f(x): `if abs(x)` is none. */
static bool defines(const Token *t) { return is_name(t, "def") || is_name(t, "func") || is_name(t, "function"); }

/* A statement that begins with a word of another language: `def`, `print(x)`, `float f(float x)`. */
static bool beginnings(const Seen *s) {
  const Token *first = s->first;
  if (first->kind == '@')
    return say(s, first, first[1].kind == T_NAME ? first + 1 : first,
               "there are no decorators: everything is compiled, and you write the code for one sample");
  if (first->kind == T_STRING && s->top)
    return message(s, CODE_lone_expression, "a string alone does nothing", "a comment begins with `#`");
  if (first->kind != T_NAME || first[1].kind == '=' || first[1].kind == T_ADD_TO || first[1].kind == ',') return false;
  if (first[1].kind == T_NAME && (((is_type_word(first) || defines(first)) && first[2].kind == '(') ||
                                  ((is_type_word(first) || synonym(first->name)) && is_name(first + 1, "function"))))
    return say(s, first, first, synonym("def"));
  if (first[1].kind == T_NAME && is_type_word(first) && (!s->top || first[2].kind == '='))
    return say(s, first, first,
               arena_printf(s->ps->mem, "write `%s %s = ...`, without a type", s->top ? "const" : "let", first[1].name));
  if (synonym(first->name) && (s->t == first || s->t == first + 1 || first[1].kind == '('))
    return say(s, first, first, synonym(first->name));
  if (s->t->kind == '~' && s->t == first + 1) {
    diag_help(diag_add(s->ps->diag, CODE_other_language, token_span(s->ps, s->t), "`~` is only allowed in `param`"),
              "a draw is a value: write `let %s = normal(0, 1)`", first->name);
    return true;
  }
  return false;
}

static bool operand(const Token *t) { return t->kind == T_NAME || t->kind == T_NUMBER || t->kind == '(' || t->kind == '['; }
static bool ends_operand(const Token *t) { return t->kind == T_NAME || t->kind == T_NUMBER || t->kind == ')' || t->kind == ']'; }

/* Brackets and what stands in them. */
static bool shapes(const Seen *s) {
  const Token *o = enclosing(s), *t = s->t, *before = s->found ? t - 1 : t;
  const bool list = o && o->kind == '[';
  if (t->kind == T_FOR && o && o->kind == '(' && o > s->first && ends_operand(o - 1))
    return message(s, CODE_other_language, "a comprehension needs brackets", "write `sum([x[k]^2 for k in 0:n])`");
  if (list && t->kind == ';')
    return message(s, CODE_other_language, "rows cannot be separated by `;`",
                   "write a matrix as a list of rows: `[[1, 2], [3, 4]]`");
  if (list && s->comma && before > o && operand(t) && ends_operand(before) && before->kind != T_NAME && t->kind != T_NAME)
    return message(s, CODE_syntax, "elements must be separated by `,`", "write a matrix as a list of rows: `[[1, 2], [3, 4]]`");
  if (list && t->kind == '.' && t[1].kind == '.')
    return message(s, CODE_other_language, "there is no `...`", "`:` stands for a whole axis: `x[:, 0]`");
  if (t->kind == T_NUMBER && s->ps->text[t->begin] == '.' && before->kind == T_NUMBER && s->ps->text[before->end - 1] == '.' &&
      adjacent(before, t))
    return message(s, CODE_other_language, "there is no `..`", "a range is `0:4`: from 0 to 3");
  if (t->kind == '(' && before->kind == '.')
    return message(s, CODE_other_language, "there is no `.(`", "functions work element by element: `sin(x)`");
  if (t->kind == ':' && before->kind == T_STRING && o && o->kind == '{')
    return message(s, CODE_other_language, "there are no dictionaries",
                   "write options where they are used, `train l on d { steps = 10 }`, and constants as `const n = 3`");
  return false;
}

/* train(loss, data, ...): said at its bracket, once: by then a `=` before has said it. */
static bool train_called(const Seen *s) {
  const Token *bracket = s->first + 1;
  if (s->first->kind != T_TRAIN || s->t <= bracket || bracket->kind != '(' || !adjacent(s->first, bracket)) return false;
  for (const Token *t = bracket; t < s->t; t++)
    if (t->kind == '=') return true;
  diag_help(diag_add(s->ps->diag, CODE_syntax, token_span(s->ps, bracket), "expected the name of a loss, found `(`"),
            "write `train loss on data { steps = 1000 }`");
  return true;
}

static bool starts_with_d(const Token *t) { return t->kind == T_NAME && t->name[0] == 'd' && t->name[1] && !t->name[2]; }

static bool is_function(const Token *t) {
  static const char *const names[] = {"sin",  "cos",     "tan",      "exp",  "log",  "sqrt", "abs", "tanh",
                                      "sign", "sigmoid", "softplus", "relu", "norm", "sum",  "mean"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (is_name(t, names[i])) return true;
  return false;
}

/* x y: a product, a unit, a derivative. */
static bool products(const Seen *s) {
  const Token *t = s->t, *before = s->found ? t - 1 : t;
  if (s->first->kind == T_TRAIN || s->first->kind == T_EVOLVE || !s->operators || t->kind != T_NAME || t == s->first ||
      (before->kind != T_NUMBER && before->kind != ')' && before->kind != ']' && before->kind != T_NAME))
    return false;
  if (before->kind == T_NAME && (before == s->first || synonym(before->name))) return false;
  const bool slash = s->found > 2 && before[-1].kind == '/' && is_name(before - 2, "d");
  const char *help =
      slash && starts_with_d(before)
          ? "a derivative is `grad(e, x)`; for an equation of motion, pass a function that returns the rates to `integrate`"
      : before->kind == T_NUMBER ? "a product needs `*`; numbers have no units"
      : is_function(before)      ? arena_printf(s->ps->mem, "write an argument in brackets: `%s(%s)`", before->name, t->name)
                                 : "a product needs `*`";
  diag_help(diag_add(s->ps->diag, CODE_syntax, token_span(s->ps, t), "expected an operator, found %s", syntax_shown(s->ps, t)),
            "%s", help);
  return true;
}

bool habit_said(Parser *ps, uint32_t found, uint32_t start, bool top, bool operators, bool comma) {
  const Token *at = ps->tokens.at;
  const Seen s = {ps, at, &at[found], &at[start], found, start, top, operators, comma};
  return train_called(&s) || pairs(&s) || imports(&s) || local(&s) || words(&s) || beginnings(&s) || shapes(&s) || products(&s);
}
