/* From raw tokens to what the grammar reads.
 *
 * Newlines. A raw newline is dropped inside ( ) and [ ], after a token that needs a right-hand side,
 * and before one that begins with a binary operator or an `inverse` or `logdet` clause; any other ends a statement.
 * A line that begins `inverse(f)(x)` or `logdet(f)(x)` is a statement of its own: the function, not the clause.
 *
 * Keywords. HARD ones are reserved. The others are names except where no name can stand: OPENING ones
 * at the start of a statement before a name (at the top level, always), FOLLOWING ones right after an
 * operand. So `loss`, `data`, `steps` or `on` can name a field, an option or a variable.
 *
 * Brackets. Each opener is paired here. A closer that pairs with an outer opener, a line that begins a
 * new statement inside ( ) or [ ], and a new definition inside { } that can be none of the body's close what
 * is open in between, with an error; a closer that pairs with nothing is left out, with an error. */
#include "frontend/syntax/lexemes.h"
#include "frontend/syntax/parse_priv.h"
#include "parser.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_UNCLOSED = 64 }; /* braces that are looked for to the end of the file and not found */

typedef enum WordClass { HARD, ITEM, OPENING, FOLLOWING } WordClass; /* ITEM: OPENING, at the top level only */

static const struct Word {
  const char *text;
  int kind;
  WordClass class;
} words[] = {
  {"language", T_LANGUAGE, ITEM},
  {"precision", T_PRECISION, ITEM},
  {"import", T_IMPORT, ITEM},
  {"const", T_CONST, ITEM},
  {"fn", T_FN, HARD},
  {"hamiltonian", T_HAMILTONIAN, ITEM},
  {"net", T_NET, ITEM},
  {"flow", T_FLOW, ITEM},
  {"symplectic", T_SYMPLECTIC, ITEM},
  {"volume", T_VOLUME, ITEM},
  {"use", T_USE, OPENING},
  {"data", T_DATA, ITEM},
  {"loss", T_LOSS, ITEM},
  {"train", T_TRAIN, ITEM},
  {"report", T_REPORT, ITEM},
  {"expect", T_EXPECT, HARD},
  {"prove", T_PROVE, HARD},
  {"plot", T_PLOT, ITEM},
  {"save", T_SAVE, ITEM},
  {"let", T_LET, HARD},
  {"var", T_VAR, HARD},
  {"return", T_RETURN, HARD},
  {"for", T_FOR, HARD},
  {"in", T_IN, HARD},
  {"repeat", T_REPEAT, HARD},
  {"param", T_PARAM, HARD},
  {"yield", T_YIELD, HARD},
  {"evolve", T_EVOLVE, HARD},
  {"require", T_REQUIRE, HARD},
  {"running", T_RUNNING, OPENING},
  {"under", T_UNDER, FOLLOWING},
  {"along", T_ALONG, FOLLOWING},
  {"steps", T_STEPS, FOLLOWING},
  {"method", T_METHOD, FOLLOWING},
  {"decay", T_DECAY, FOLLOWING},
  {"on", T_ON, FOLLOWING},
  {"from", T_FROM, FOLLOWING},
  {"as", T_AS, FOLLOWING},
  {"true", T_TRUE, HARD},
  {"false", T_FALSE, HARD},
  {"and", T_AND, HARD},
  {"or", T_OR, HARD},
  {"not", T_NOT, HARD},
};

static const char *const clauses[] = {"inverse", "logdet", "each", "windows", "shuffled"}; /* see keyword() */

const char *lexemes_keyword(uint32_t k) {
  enum { WORDS = sizeof words / sizeof *words, CLAUSES = sizeof clauses / sizeof *clauses };
  return k < WORDS ? words[k].text : k < WORDS + CLAUSES ? clauses[k - WORDS] : NULL;
}

typedef struct Filter {
  Parser *ps;
  Tokens raw;         /* ends in kind 0 */
  uint32_t at;        /* the raw token being looked at */
  bool fresh;         /* it is the first of its line */
  VEC(uint32_t) open; /* indices in ps->tokens of the brackets that are open */
  uint32_t closed;    /* the raw token before which braces are known to be closed */
  uint32_t unclosed;  /* how often they were not */
} Filter;

Span token_span(const Parser *ps, const Token *t) { return (Span){ps->file, t->begin, t->end}; }

/* ---- what stands before and after ---------------------------------------------------------------- */

static const Token *previous(const Filter *f) { return f->ps->tokens.n ? &f->ps->tokens.at[f->ps->tokens.n - 1] : NULL; }

static bool at_start(const Filter *f) {
  const Token *p = previous(f);
  return !p || p->kind == T_NL || p->kind == '{';
}

static bool is_binary(int kind) {
  return (kind > 0 && kind < 256 && strchr("+-*/^@<>", kind)) || kind == T_LE || kind == T_GE || kind == T_EQ || kind == T_NE ||
         kind == T_AND || kind == T_OR;
}

static bool wants_more(int kind) {
  return is_binary(kind) || kind == ',' || kind == '=' || kind == '~' || kind == T_ARROW || kind == T_INVERSE || kind == T_LOGDET ||
         kind == T_ADD_TO || kind == T_SUB_FROM || kind == T_MUL_BY || kind == T_DIV_BY;
}

static const struct Word *word(const Token *t) {
  for (size_t i = 0; t->kind == T_NAME && i < sizeof words / sizeof *words; i++)
    if (strcmp(words[i].text, t->name) == 0) return &words[i];
  return NULL;
}

static int bracket(const Filter *f) { return f->open.n ? f->ps->tokens.at[f->open.at[f->open.n - 1]].kind : 0; }

/* Whether raw token i begins a statement that could stand nowhere else; item: one of the top level. */
static bool begins_statement(const Filter *f, uint32_t i, bool item) {
  const struct Word *w = word(&f->raw.at[i]);
  const Token *next = &f->raw.at[i + (f->raw.at[i].kind != 0)];
  if (!w || w->class == FOLLOWING) return false;
  if (w->class != HARD)
    return (w->class == ITEM || !item) && (next->kind == T_NAME || (w->kind == T_IMPORT && next->kind == T_STRING));
  if (w->kind == T_FN) return next->kind == T_NAME;
  if (item) return w->kind == T_EXPECT || w->kind == T_PROVE;
  return w->kind == T_LET || w->kind == T_VAR || w->kind == T_RETURN || w->kind == T_PARAM || w->kind == T_YIELD ||
         w->kind == T_EXPECT || w->kind == T_PROVE || w->kind == T_REPEAT || w->kind == T_EVOLVE || w->kind == T_REQUIRE;
}

/* Whether `prove (variables)` ends before the raw token. */
static bool behind_prove(const Filter *f, uint32_t at) {
  int depth = 0;
  for (uint32_t k = at; k-- > 1;) {
    int kind = f->raw.at[k].kind;
    depth += kind == ')' ? 1 : kind == '(' ? -1 : 0;
    if (depth == 0) return kind == '(' && f->raw.at[k - 1].kind == T_NAME && strcmp(f->raw.at[k - 1].name, "prove") == 0;
  }
  return false;
}

/* T_INVERSE or T_LOGDET if the raw name at `at` is such a clause and not the function or a name; else T_NAME. */
static int clause(const Filter *f, uint32_t at, bool fresh) {
  const Token *t = &f->raw.at[at], *next = t + 1, *p = previous(f);
  const bool inverse = t->kind == T_NAME && !strcmp(t->name, "inverse"), logdet = t->kind == T_NAME && !strcmp(t->name, "logdet");
  if ((!inverse && !logdet) || !p || !token_ends_operand(p->kind) || behind_prove(f, at)) return T_NAME;
  if (fresh && next->kind == '(' && next->match && f->raw.at[next->match + 1].kind == '(') return T_NAME;
  if (inverse) return T_INVERSE;
  const bool operand = next->kind == T_NAME || next->kind == T_NUMBER || next->kind == '(' || next->kind == '[' ||
                       next->kind == '{' || next->kind == '-' || next->kind == '+' || next->kind == T_NL || next->kind == 0;
  return operand ? T_LOGDET : T_NAME;
}

static int keyword(const Filter *f, const Token *t) {
  const Token *p = previous(f), *next = t + 1;
  const struct Word *w = word(t);
  bool start = at_start(f) || p->kind == T_SYMPLECTIC || p->kind == T_VOLUME;
  if (p && p->kind == '.') return T_NAME;
  const int begun = clause(f, f->at, f->fresh);
  if (begun != T_NAME) return begun;
  if (p && p->kind == T_YIELD && strcmp(t->name, "each") == 0 && next->kind == T_NAME) return T_EACH;
  if (p && p->kind == T_YIELD && strcmp(t->name, "windows") == 0 && next->kind == '(') return T_WINDOWS;
  if (p && p->kind == T_YIELD && strcmp(t->name, "shuffled") == 0 && next->kind == '(') return T_SHUFFLED;
  if (!w) return T_NAME;
  switch (w->class) {
  case HARD: return w->kind;
  case ITEM: return start && (f->open.n == 0 || next->kind == T_NAME) ? w->kind : T_NAME;
  case OPENING: return start && ((f->open.n == 0 && w->kind == T_USE) || next->kind == T_NAME) ? w->kind : T_NAME;
  case FOLLOWING:
    if (w->kind == T_FROM && next->kind != T_STRING) return T_NAME;
    if (w->kind == T_AS) return p && p->kind == T_STRING && next->kind == T_STRING ? w->kind : T_NAME;
    return p && token_ends_operand(p->kind) && next->kind != '=' ? w->kind : T_NAME;
  }
  return T_NAME;
}

/* ---- giving out --------------------------------------------------------------------------------------- */

static void give(Filter *f, int kind, TokOrigin origin, uint32_t begin, uint32_t end) {
  *vec_push(&f->ps->tokens) = (Token){.kind = kind, .origin = origin, .begin = begin, .end = end};
}

static void give_line_end(Filter *f, TokOrigin origin, uint32_t begin, uint32_t end) {
  const Token *p = previous(f);
  if (p && p->kind != T_NL && p->kind != '{') give(f, T_NL, origin, begin, end);
}

static void give_opener(Filter *f, const Token *t) {
  *vec_push(&f->open) = f->ps->tokens.n;
  give(f, t->kind, TOK_WRITTEN, t->begin, t->end);
}

static void give_closer(Filter *f, int kind, TokOrigin origin, uint32_t begin, uint32_t end) {
  if (kind == '}') give_line_end(f, origin == TOK_MENDED ? TOK_MENDED : TOK_IMPLIED, begin, begin);
  f->ps->tokens.at[f->open.at[--f->open.n]].match = f->ps->tokens.n;
  give(f, kind, origin, begin, end);
}

static int closer_of(int opener) { return opener == '(' ? ')' : opener == '[' ? ']' : '}'; }

/* Closes all but the `keep` outermost brackets, which `by` has shown to be unclosed. */
static void mend(Filter *f, uint32_t keep, const Token *by) {
  Parser *ps = f->ps;
  if (f->open.n <= keep) return;
  const Token *o = &ps->tokens.at[f->open.at[f->open.n - 1]];
  DiagMsg *m = diag_add(ps->diag, CODE_bracket, token_span(ps, o), "this `%c` is not closed", o->kind);
  if (by->kind) diag_label(m, token_span(ps, by), "`%c` expected before this", closer_of(o->kind));
  uint32_t end = previous(f)->end;
  while (f->open.n > keep) give_closer(f, closer_of(bracket(f)), TOK_MENDED, end, end);
}

/* Whether the innermost bracket has its closer on the line of the raw token at hand. */
static bool closed_later(const Filter *f) {
  int depth = 0;
  for (uint32_t i = f->at + 1; f->raw.at[i].kind && f->raw.at[i].kind != T_NL; i++) {
    const int k = f->raw.at[i].kind;
    if (k == '(' || k == '[' || k == '{') depth++;
    else if ((k == ')' || k == ']' || k == '}') && depth-- == 0) return k == closer_of(bracket(f));
  }
  return false;
}

static void pair_closer(Filter *f, const Token *t) {
  uint32_t depth = f->open.n;
  while (depth > 0) {
    int o = f->ps->tokens.at[f->open.at[depth - 1]].kind;
    if (closer_of(o) == t->kind) break;
    depth = o == '{' ? 0 : depth - 1; /* only a `}` reaches past a `{` */
  }
  if (depth == 0 && t->kind != '}' && (bracket(f) == '(' || bracket(f) == '[') && !closed_later(f)) { /* sum(x] */
    const Token *o = &f->ps->tokens.at[f->open.at[f->open.n - 1]];
    DiagMsg *m = diag_add(f->ps->diag, CODE_bracket, token_span(f->ps, t), "`%c` is closed by `%c`", o->kind, t->kind);
    diag_label(m, token_span(f->ps, o), "opened here");
    diag_help(m, "write `%c`", closer_of(o->kind));
    give_closer(f, closer_of(o->kind), TOK_WRITTEN, t->begin, t->end);
    return;
  }
  if (depth == 0) {
    diag_add(f->ps->diag, CODE_bracket, token_span(f->ps, t), "this `%c` closes nothing", t->kind);
    return;
  }
  mend(f, depth, t);
  give_closer(f, t->kind, TOK_WRITTEN, t->begin, t->end);
}

static uint32_t indent(const Parser *ps, uint32_t at) {
  uint32_t begin = at, blanks = 0;
  while (begin && ps->text[begin - 1] != '\n') begin--;
  while (ps->text[begin + blanks] == ' ' || ps->text[begin + blanks] == '\t') blanks++;
  return blanks;
}

static bool begins_line(const Filter *f, uint32_t i) { return i == 0 || f->raw.at[i - 1].kind == T_NL; }

static bool may_be_local(const Filter *f, uint32_t i) {
  const struct Word *w = word(&f->raw.at[i]);
  return w && (w->kind == T_FN || w->kind == T_HAMILTONIAN);
}

/* Whether the braces that are open at raw token i are closed behind it, before the end or what only stands at the top of a file.
 * Where they are not, all that is left has been looked at: a file with many such places is not looked through for each. */
static bool braces_close(Filter *f, uint32_t i) {
  if (i < f->closed) return true;
  if (f->unclosed == MOST_UNCLOSED) return false;
  uint32_t depth = 0, first = 0;
  for (uint32_t k = f->open.n; k-- > 0;)
    if (f->ps->tokens.at[f->open.at[k]].kind == '{') depth++, first = f->open.at[k];
  const uint32_t column = indent(f->ps, f->ps->tokens.at[first].begin);
  for (; depth && f->raw.at[i].kind; i++) {
    const Token *t = &f->raw.at[i];
    if (begins_line(f, i) && !may_be_local(f, i) && begins_statement(f, i, true) && indent(f->ps, t->begin) <= column) break;
    if (t->kind == '{') depth++;
    if (t->kind == '}') depth--;
  }
  if (depth == 0) f->closed = i;
  else f->unclosed++;
  return depth == 0;
}

/* Brackets to keep open when raw token i begins a line. What begins a definition stands in the body that is open if it stands further in
 * than the line of the body's `{`, or if it may stand there and no `}` is missing. */
static uint32_t open_at_line(Filter *f, uint32_t i) {
  uint32_t body = f->open.n;
  while (body && f->ps->tokens.at[f->open.at[body - 1]].kind != '{') body--;
  if (f->open.n && begins_statement(f, i, true)) {
    if (!body || (body < f->open.n && !may_be_local(f, i))) return 0;
    const uint32_t column = indent(f->ps, f->ps->tokens.at[f->open.at[body - 1]].begin);
    return indent(f->ps, f->raw.at[i].begin) > column || (may_be_local(f, i) && braces_close(f, i)) ? body : 0;
  }
  return bracket(f) != '{' && begins_statement(f, i, false) ? body : f->open.n;
}

/* Whether raw token i begins a new statement although token p asks for more: what p asks for is missing. */
static bool cuts_short(const Filter *f, const Token *p, uint32_t i) {
  const Token *t = &f->raw.at[i];
  return t->kind == 0 || t->kind == '}' || begins_statement(f, i, true) || begins_statement(f, i, false) ||
         (p->kind != ',' && t->kind == T_NAME && t[1].kind == '=');
}

static void newline(Filter *f) {
  uint32_t i = f->at;
  while (f->raw.at[i].kind == T_NL) i++;
  f->at = i - 1;
  f->fresh = true;
  if (f->raw.at[i].kind) mend(f, open_at_line(f, i), &f->raw.at[i]);
  const Token *p = previous(f), *next = &f->raw.at[i];
  const struct Word *w = word(next);
  if ((f->open.n && bracket(f) != '{') || !p || (wants_more(p->kind) && !cuts_short(f, p, i)) ||
      is_binary(w ? w->kind : next->kind) || clause(f, i, true) != T_NAME)
    return;
  give_line_end(f, TOK_WRITTEN, p->end, p->end + 1);
}

/* False where reading must stop. */
static bool filter(Filter *f) {
  Parser *ps = f->ps;
  const Token *t = &f->raw.at[f->at];
  switch (t->kind) {
  case T_NL: newline(f); return true;
  case ';':
    if (f->open.n && bracket(f) != '{') give(f, ';', TOK_WRITTEN, t->begin, t->end);
    else give_line_end(f, TOK_WRITTEN, t->begin, t->end);
    break;
  case '(':
  case '[':
  case '{':
    if (f->open.n >= MAX_NESTING) {
      diag_add(ps->diag, CODE_too_deep, token_span(ps, t), "brackets are nested deeper than %d levels", MAX_NESTING);
      return false;
    }
    give_opener(f, t);
    break;
  case ')':
  case ']':
  case '}': pair_closer(f, t); break;
  case T_NAME: {
    int kind = keyword(f, t);
    give(f, kind, TOK_WRITTEN, t->begin, t->end);
    ps->tokens.at[ps->tokens.n - 1].name = t->name;
    break;
  }
  default: give(f, t->kind, TOK_WRITTEN, t->begin, t->end); ps->tokens.at[ps->tokens.n - 1].name = t->name;
  }
  f->fresh = false;
  return true;
}

void tokens_read(Parser *ps) {
  Filter f = {.ps = ps, .fresh = true};
  raw_read(ps, &f.raw);
  bool whole = true;
  for (; whole && f.raw.at[f.at].kind; f.at++) whole = filter(&f);
  uint32_t end = ps->tokens.n ? previous(&f)->end : 0;
  if (whole) mend(&f, 0, &f.raw.at[f.at]);
  while (f.open.n) give_closer(&f, closer_of(bracket(&f)), TOK_MENDED, end, end);
  give_line_end(&f, whole ? TOK_IMPLIED : TOK_MENDED, end, end);
  give(&f, 0, whole ? TOK_WRITTEN : TOK_MENDED, end, end);
  vec_free(&f.raw);
  vec_free(&f.open);
}
