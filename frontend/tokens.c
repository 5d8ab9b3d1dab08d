/* From raw tokens to what the grammar reads.
 *
 * Newlines. A raw newline is dropped inside ( ) and [ ], after a token that needs a right-hand side,
 * and before one that begins with a binary operator or an `inverse` clause; any other ends a statement.
 * A line that begins `inverse(f)(x)` is a statement of its own: the function, not the clause.
 *
 * Keywords. HARD ones are reserved. The others are names except where no name can stand: OPENING ones
 * at the start of a statement before a name (at the top level, always), FOLLOWING ones right after an
 * operand. So `loss`, `data`, `steps` or `on` can name a field, an option or a variable.
 *
 * Brackets. Each opener is paired here. A closer that pairs with an outer opener, a line that begins a
 * new statement inside ( ) or [ ], and a new definition inside { } close what is open in between, with
 * an error; a closer that pairs with nothing is left out, with an error. */
#include "frontend/parse.h"
#include "lexer.h"
#include "parser.h"

#include <stdlib.h>
#include <string.h>

typedef enum WordClass {
  HARD,
  ITEM,
  OPENING,
  FOLLOWING
} WordClass; /* ITEM: OPENING, at the top level only */

static const struct Word {
  const char *text;
  int kind;
  WordClass class;
} words[] = {
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
    {"let", T_LET, HARD},
    {"var", T_VAR, HARD},
    {"return", T_RETURN, HARD},
    {"for", T_FOR, HARD},
    {"in", T_IN, HARD},
    {"repeat", T_REPEAT, HARD},
    {"param", T_PARAM, HARD},
    {"yield", T_YIELD, HARD},
    {"evolve", T_EVOLVE, HARD},
    {"running", T_RUNNING, OPENING},
    {"under", T_UNDER, FOLLOWING},
    {"along", T_ALONG, FOLLOWING},
    {"steps", T_STEPS, FOLLOWING},
    {"method", T_METHOD, FOLLOWING},
    {"decay", T_DECAY, FOLLOWING},
    {"on", T_ON, FOLLOWING},
    {"true", T_TRUE, HARD},
    {"false", T_FALSE, HARD},
    {"and", T_AND, HARD},
    {"or", T_OR, HARD},
    {"not", T_NOT, HARD},
};

typedef struct Filter {
  Parser *ps;
  Tokens raw;         /* ends in kind 0 */
  uint32_t at;        /* the raw token being looked at */
  bool fresh;         /* it is the first of its line */
  VEC(uint32_t) open; /* indices in ps->tokens of the brackets that are open */
  uint32_t skip;      /* raw tokens before this offset were read as part of another */
  VEC(int32_t) told;  /* characters that were told of: each once in a file */
  bool bars;          /* inside |x| */
  bool glue;          /* behind a sign such as ∂: the next name is of something that was not understood */
  uint32_t colon;     /* of `a ? b : c`, read as an operator like the `?` */
} Filter;

Span token_span(const Parser *ps, const Token *t) { return (Span){ps->file, t->begin, t->end}; }

static bool ends_operand(int kind) {
  return kind == T_NAME || kind == T_NUMBER || kind == T_STRING || kind == ')' || kind == ']' ||
         kind == '}' || kind == T_TRUE || kind == T_FALSE;
}

/* ---- raw tokens ------------------------------------------------------------------------------------ */

static bool is_word_char(int32_t c, bool first) {
  if (c < 0x80) return true; /* the lexer let only letters, digits and _ in */
  if ((c >= 0x300 && c < 0x370) || (c >= 0x2080 && c < 0x209d))
    return !first; /* combining marks, subscripts */
  return (c >= 0xc0 && c < 0x530 && c != 0xd7 && c != 0xf7 && c != 0x37e && c != 0x387) ||
         (c >= 0x1e00 && c < 0x2000) || (c >= 0x2100 && c < 0x2150) || (c >= 0x1d400 && c < 0x1d800);
}

static void push_raw(Filter *f, Token t) { *vec_push(&f->raw) = t; }

static void push_word(Filter *f, const char *word, uint32_t at, uint32_t end) {
  push_raw(f, (Token){.kind = T_NAME, .begin = at, .end = end, .name = intern_n(f->ps->names, word, strlen(word))});
}

static bool at_line_start(const Parser *ps, uint32_t at) {
  while (at && (ps->text[at - 1] == ' ' || ps->text[at - 1] == '\t')) at--;
  return at == 0 || ps->text[at - 1] == '\n';
}

static bool value_before(const Filter *f) { return f->raw.n && ends_operand(f->raw.at[f->raw.n - 1].kind); }

static bool told_before(Filter *f, int32_t c) {
  for (uint32_t i = 0; i < f->told.n; i++)
    if (f->told.at[i] == c) return true;
  *vec_push(&f->told) = c;
  return false;
}

/* Whether a name, a number or a closing bracket stands right before: `x'` is no string. */
static bool follows_value(const Parser *ps, uint32_t at) {
  const char c = at ? ps->text[at - 1] : ' ';
  return c == '_' || c == ')' || c == ']' || c == '\'' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c & 0x80);
}

/* `&&`, `||`, `? :` and 'text' are one slip each: told once, and read as what is meant. True if it was one of these. */
static bool stray_habit(Filter *f, uint32_t at) {
  Parser *ps = f->ps;
  const char *text = ps->text + at;
  uint32_t n = 0;
  if (at + 1 < ps->len && (*text == '&' || *text == '|') && text[1] == *text) {
    const char *word = *text == '&' ? "and" : "or";
    diag_help(diag_add(ps->diag, CODE_other_language, (Span){ps->file, at, at + 2}, "`%.2s` has no meaning here", text), "write `%s`", word);
    push_word(f, word, at, at + 2);
    f->skip = at + 2;
    return true;
  }
  if (*text == '?') {
    while (at + n < ps->len && text[n] != ':' && text[n] != '\n') n++;
    diag_help(diag_add(ps->diag, CODE_other_language, (Span){ps->file, at, at + 1}, "`?` has no meaning here"), "`where(c, a, b)` is a where c holds, else b");
    push_raw(f, (Token){.kind = '*', .begin = at, .end = at + 1});
    f->colon = at + n;
    return true;
  }
  if (*text == '%' && at_line_start(ps, at)) {
    if (!told_before(f, '%')) diag_help(diag_add(ps->diag, CODE_other_language, (Span){ps->file, at, at + 1}, "`%%` begins no comment"), "write `#`");
    while (at + n < ps->len && text[n] != '\n') n++;
    f->skip = at + n;
    return true;
  }
  if (*text == '|' && text[1] != '|' && (f->bars || !value_before(f))) {         /* |x| */
    if (!f->bars && !told_before(f, '|'))
      diag_help(diag_add(ps->diag, CODE_other_language, (Span){ps->file, at, at + 1}, "`|` has no meaning here"), "|x| is `abs(x)`, of vectors `norm(x)`");
    f->bars = !f->bars;
    return true;
  }
  if (*text != '\'' || follows_value(ps, at)) return false;
  for (n = 1; at + n < ps->len && text[n] != '\'' && text[n] != '\n' && text[n] != '"'; n++) {}
  if (at + n >= ps->len || text[n] != '\'') return false;
  diag_help(diag_add(ps->diag, CODE_string, (Span){ps->file, at, at + n + 1}, "a string stands in double quotes"), "write `\"%.*s\"`", (int)n - 1, text + 1);
  push_raw(f, (Token){.kind = T_STRING, .begin = at, .end = at + n + 1, .name = intern_n(ps->names, text + 1, n - 1)});
  f->skip = at + n + 1;
  return true;
}

/* Says so of a character that begins no token. Where it looks like an operator, that is read in its
 * place, so that one slip gives one message. */
static void stray_char(Filter *f, uint32_t at, uint32_t n, int32_t c) {
  static const struct {
    int32_t code;
    int kind;
    const char *help;
  } lookalike[] = {
#define CHAR(code, kind, help) {code, kind, help},
#include "frontend/characters.def"
#undef CHAR
  };
  Parser *ps = f->ps;
  Span span = {ps->file, at, at + n};
  if (c < 0) return; /* not UTF-8: said once for the whole file */
  DiagMsg *m = told_before(f, c) ? NULL :
      c < 0x20 || (c >= 0x7f && c <= 0xa0)
          ? diag_add(ps->diag, CODE_character, span, "character U+%04X has no meaning here", (unsigned)c)
          : diag_add(ps->diag, CODE_character, span, "character `%.*s` has no meaning here", (int)n, ps->text + at);
  for (size_t i = 0; i < sizeof lookalike / sizeof *lookalike; i++)
    if (lookalike[i].code == c) {
      if (m) diag_help(m, "%s", lookalike[i].help);
      if (lookalike[i].kind) push_raw(f, (Token){.kind = lookalike[i].kind, .begin = at, .end = at + n});
    }
}

/* The first character of a name that cannot be in one, or the name's end. */
static uint32_t name_end(const Parser *ps, const Token *t, int32_t *code) {
  uint32_t i = t->begin, n;
  for (; i < t->end; i += n) {
    n = source_char(ps->text, ps->len, i, code);
    if (*code < 0 || !is_word_char(*code, i == t->begin)) break;
  }
  return i;
}

static bool all_digits(const Parser *ps, const Token *t) {
  for (uint32_t i = t->begin; i < t->end; i++)
    if (ps->text[i] < '0' || ps->text[i] > '9') return false;
  return true;
}

static bool is_prime(int32_t c) { return c == 0x2032 || c == 0x2033 || c == 0x2019 || c == 0xb4 || c == '\''; }

/* q′ is another name than q, so that nothing is said of two q. */
static void primed(Filter *f, uint32_t at, uint32_t n) {
  Token *last = f->raw.n ? &f->raw.at[f->raw.n - 1] : NULL;
  if (!last || last->kind != T_NAME || last->end != at) return;
  last->name = intern(f->ps->names, arena_printf(f->ps->mem, "%s'", last->name));
  last->end += n;
}

/* A run that the lexer took for a name, cut where a character is not one of a name's. */
static void push_names(Filter *f, Token t) {
  Parser *ps = f->ps;
  while (t.begin < t.end) {
    int32_t code;
    Token part = t;
    part.end = name_end(ps, &t, &code);
    if (part.end > part.begin && (ps->text[part.begin] < '0' || ps->text[part.begin] > '9')) {
      part.name = intern_n(ps->names, ps->text + part.begin, part.end - part.begin);
      if (f->glue) part.name = intern(ps->names, arena_printf(ps->mem, "%s'", part.name));
      f->glue = false;
      push_raw(f, part);
    } else if (part.end > part.begin && all_digits(ps, &part)) {       /* behind a character that is none of a name's */
      part.kind = T_NUMBER;
      push_raw(f, part);
    }
    t.begin = part.end;
    if (t.begin < t.end) {
      uint32_t n = source_char(ps->text, ps->len, t.begin, &code);
      stray_char(f, t.begin, n, code);
      if (is_prime(code)) primed(f, t.begin, n);
      f->glue = code == 0x2202 || code == 0x2207 || code == 0x2206 || code == 0x2211 || code == 0x220f || code == 0x222b || code == 0x221a;
      if (code == 0x221e) push_word(f, "inf", t.begin, t.begin + n);
      t.begin += n;
    }
  }
}

static const char *string_value(Parser *ps, const Token *t) {
  uint32_t len = t->end - t->begin, n = 0;
  char *s = arena_alloc(ps->mem, len);
  for (uint32_t i = t->begin + 1; i + 1 < t->end; i++) {
    char c = ps->text[i];
    if (c == '\\') {
      c = ps->text[++i];
      if (c == 'n' || c == 't')
        c = c == 'n' ? '\n' : '\t';
      else if (c != '"' && c != '\\')
        diag_add(ps->diag, CODE_string, (Span){ps->file, i - 1, i + 1},
                   "a string knows the escapes \\n, \\t, \\\" and \\\\ only");
    } else if ((unsigned char)c < 0x20 && c != '\t')
      diag_add(ps->diag, CODE_string, (Span){ps->file, i, i + 1}, "character U+%04X cannot stand in a string",
                 (unsigned)c);
    s[n++] = c;
  }
  return intern_n(ps->names, s, strlen(s) < n ? strlen(s) : n);
}

/* What is wrong with `1_000`, `0x10`, `2x`. */
static void after_number(Parser *ps, const Token *number, const Token *t) {
  const char *text = ps->text;
  bool zero = number->end - number->begin == 1 && text[number->begin] == '0';
  if (text[t->begin] == '_')
    diag_help(diag_add(ps->diag, CODE_number, (Span){ps->file, number->begin, t->end}, "numbers have no `_` between their digits"), "write `%.*s%.*s`",
              (int)(number->end - number->begin), text + number->begin, (int)(t->end - t->begin - 1), text + t->begin + 1);
  else if (zero && strchr("xXbBoO", text[t->begin]))
    diag_help(diag_add(ps->diag, CODE_number, (Span){ps->file, number->begin, t->end}, "numbers are decimal"), "1, 0.5, 1e-3");
  else
    diag_help(diag_add(ps->diag, CODE_number, token_span(ps, t), "a name directly after a number"), "write `*` between them");
}

/* f"...", r"...": one slip, read as the plain string. */
static void string_prefix(Filter *f, const Token *t) {
  static const char *const known[] = {"f", "F", "r", "R", "b", "B", "u", "rb", "br", "fr", "rf", "L"};
  const Token *last = f->raw.n ? &f->raw.at[f->raw.n - 1] : NULL;
  if (!last || last->kind != T_NAME || last->end != t->begin) return;
  for (size_t i = 0; i < sizeof known / sizeof *known; i++)
    if (!strcmp(last->name, known[i])) {
      diag_help(diag_add(f->ps->diag, CODE_other_language, token_span(f->ps, last), "a string has no prefix"),
                "write it without `%s`; numbers are shown by `report name = ...`", known[i]);
      f->raw.n--;
      return;
    }
}

static bool begins_word(const Parser *ps, const Token *t) {
  int32_t code;
  source_char(ps->text, ps->len, t->begin, &code);
  return code < 0 || is_word_char(code, true);
}

static void raw_token(Filter *f, Token t) {
  Parser *ps = f->ps;
  if (t.begin < f->skip && t.kind != T_NL && t.kind) return;
  if (f->colon && t.begin == f->colon && t.kind == ':') t.kind = '*';
  if (t.kind == T_STRAY) {
    if (stray_habit(f, t.begin)) return;
    stray_char(f, t.begin, 1, (unsigned char)ps->text[t.begin]);
    if (is_prime(ps->text[t.begin])) primed(f, t.begin, 1);
    return;
  }
  if (t.kind == T_OPEN_STRING) {
    diag_add(ps->diag, CODE_string, token_span(ps, &t), "this string is not closed on its line");
    t.kind = T_STRING;
    t.name = intern_n(ps->names, "", 0);
    push_raw(f, t);
    return;
  }
  if (t.kind == T_NAME) {
    const Token *last = f->raw.n ? &f->raw.at[f->raw.n - 1] : NULL;
    if (last && last->kind == T_NUMBER && last->end == t.begin && begins_word(ps, &t))
      after_number(ps, last, &t);
    else
      push_names(f, t);
    return;
  }
  if (t.kind == T_STRING) {
    string_prefix(f, &t);
    t.name = string_value(ps, &t);
  }
  push_raw(f, t);
}

static void check_utf8(Parser *ps) {
  int32_t code;
  for (uint32_t i = 0; i < ps->len; i += source_char(ps->text, ps->len, i, &code)) {
    source_char(ps->text, ps->len, i, &code);
    if (code < 0) {
      diag_add(ps->diag, CODE_encoding, (Span){ps->file, i, i + 1}, "the file is not UTF-8: byte 0x%02X",
                 (unsigned char)ps->text[i]);
      return;
    }
  }
}

static void lex(Filter *f) {
  Parser *ps = f->ps;
  Token place = {0};
  yyscan_t scanner;
  check_utf8(ps);
  if (ps->len >= 3 && memcmp(ps->text, "\xef\xbb\xbf", 3) == 0) place.end = 3;
  if (ps->constant) {
    place.end = ps->from;
    push_raw(f, (Token){.kind = T_NAME, .begin = ps->from, .end = ps->from, .name = intern_n(ps->names, "const", 5)});
  }
  if (hnn_raw_lex_init_extra(&place, &scanner)) base_fault("out of memory for the lexer");
  hnn_raw__scan_bytes(ps->text + place.end, (int)(ps->len - place.end), scanner);
  while ((place.kind = hnn_raw_lex(scanner))) raw_token(f, place);
  hnn_raw_lex_destroy(scanner);
  push_raw(f, (Token){.begin = ps->len, .end = ps->len});
}

/* `match` of each opener to its closer where the two agree; 0 elsewhere. */
static void match_raw(Filter *f) {
  VEC(uint32_t) open = {0};
  for (uint32_t i = 0; i < f->raw.n; i++) {
    int k = f->raw.at[i].kind;
    if (k == '(' || k == '[' || k == '{')
      *vec_push(&open) = i;
    else if ((k == ')' || k == ']' || k == '}') && open.n) {
      uint32_t o = open.at[--open.n];
      int want = f->raw.at[o].kind == '(' ? ')' : f->raw.at[o].kind == '[' ? ']' : '}';
      f->raw.at[o].match = want == k ? i : 0;
    }
  }
  vec_free(&open);
}

/* ---- what stands before and after ---------------------------------------------------------------- */

static const Token *previous(const Filter *f) {
  return f->ps->tokens.n ? &f->ps->tokens.at[f->ps->tokens.n - 1] : NULL;
}

static bool at_start(const Filter *f) {
  const Token *p = previous(f);
  return !p || p->kind == T_NL || p->kind == '{';
}

static bool is_binary(int kind) {
  return (kind > 0 && kind < 256 && strchr("+-*/^@<>", kind)) || kind == T_LE || kind == T_GE ||
         kind == T_EQ || kind == T_NE || kind == T_AND || kind == T_OR;
}

static bool wants_more(int kind) {
  return is_binary(kind) || kind == ',' || kind == '=' || kind == '~' || kind == T_ARROW ||
         kind == T_INVERSE || kind == T_ADD_TO || kind == T_SUB_FROM || kind == T_MUL_BY || kind == T_DIV_BY;
}

static const struct Word *word(const Token *t) {
  for (size_t i = 0; t->kind == T_NAME && i < sizeof words / sizeof *words; i++)
    if (strcmp(words[i].text, t->name) == 0) return &words[i];
  return NULL;
}

static int bracket(const Filter *f) {
  return f->open.n ? f->ps->tokens.at[f->open.at[f->open.n - 1]].kind : 0;
}

/* Whether raw token i begins a statement that could stand nowhere else; item: one of the top level. */
static bool begins_statement(const Filter *f, uint32_t i, bool item) {
  const struct Word *w = word(&f->raw.at[i]);
  const Token *next = &f->raw.at[i + (f->raw.at[i].kind != 0)];
  if (!w || w->class == FOLLOWING) return false;
  if (w->class != HARD)
    return (w->class == ITEM || !item) &&
           (next->kind == T_NAME || (w->kind == T_IMPORT && next->kind == T_STRING));
  if (w->kind == T_FN) return next->kind == T_NAME;
  if (item) return w->kind == T_EXPECT || w->kind == T_PROVE;
  return w->kind == T_LET || w->kind == T_VAR || w->kind == T_RETURN || w->kind == T_PARAM ||
         w->kind == T_YIELD || w->kind == T_EXPECT || w->kind == T_PROVE || w->kind == T_REPEAT ||
         w->kind == T_EVOLVE;
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

/* Whether the raw name at f->at, which reads `inverse`, is the clause and not the function. */
static bool is_inverse_clause(const Filter *f, uint32_t at, bool fresh) {
  const Token *t = &f->raw.at[at], *next = t + 1, *p = previous(f);
  if (t->kind != T_NAME || strcmp(t->name, "inverse") != 0 || !p || !ends_operand(p->kind)) return false;
  if (behind_prove(f, at)) return false;
  return !(fresh && next->kind == '(' && next->match && f->raw.at[next->match + 1].kind == '(');
}

static int keyword(const Filter *f, const Token *t) {
  const Token *p = previous(f), *next = t + 1;
  const struct Word *w = word(t);
  bool start = at_start(f) || p->kind == T_SYMPLECTIC || p->kind == T_VOLUME;
  if (p && p->kind == '.') return T_NAME;
  if (is_inverse_clause(f, f->at, f->fresh)) return T_INVERSE;
  if (p && p->kind == T_YIELD && strcmp(t->name, "each") == 0 && next->kind == T_NAME) return T_EACH;
  if (p && p->kind == T_YIELD && strcmp(t->name, "windows") == 0 && next->kind == '(') return T_WINDOWS;
  if (p && p->kind == T_YIELD && strcmp(t->name, "shuffled") == 0 && next->kind == '(') return T_SHUFFLED;
  if (!w) return T_NAME;
  switch (w->class) {
  case HARD:
    return w->kind;
  case ITEM:
    return start && (f->open.n == 0 || next->kind == T_NAME) ? w->kind : T_NAME;
  case OPENING:
    return start && ((f->open.n == 0 && w->kind == T_USE) || next->kind == T_NAME) ? w->kind : T_NAME;
  case FOLLOWING:
    return p && ends_operand(p->kind) && next->kind != '=' ? w->kind : T_NAME;
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
  if (depth == 0 && t->kind != '}' && (bracket(f) == '(' || bracket(f) == '[') && !closed_later(f)) {      /* sum(x] */
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

/* Whether raw token i, which begins an item, stands inside the body that is open: it stands further in than the line of the body's `{`. */
static bool is_local(const Filter *f, uint32_t i) {
  const struct Word *w = word(&f->raw.at[i]);
  if (bracket(f) != '{' || !w) return false;
  return indent(f->ps, f->raw.at[i].begin) > indent(f->ps, f->ps->tokens.at[f->open.at[f->open.n - 1]].begin);
}

/* Brackets to keep open when raw token i begins a line. */
static uint32_t open_at_line(const Filter *f, uint32_t i) {
  uint32_t keep = f->open.n;
  if (keep && begins_statement(f, i, true)) return is_local(f, i) ? keep : 0;
  if (bracket(f) != '{' && begins_statement(f, i, false))
    while (keep && f->ps->tokens.at[f->open.at[keep - 1]].kind != '{') keep--;
  return keep;
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
      is_binary(w ? w->kind : next->kind) || is_inverse_clause(f, i, true))
    return;
  give_line_end(f, TOK_WRITTEN, p->end, p->end + 1);
}

/* False where reading must stop. */
static bool filter(Filter *f) {
  Parser *ps = f->ps;
  const Token *t = &f->raw.at[f->at];
  switch (t->kind) {
  case T_NL:
    newline(f);
    return true;
  case ';':
    if (f->open.n && bracket(f) != '{')
      give(f, ';', TOK_WRITTEN, t->begin, t->end);
    else
      give_line_end(f, TOK_WRITTEN, t->begin, t->end);
    break;
  case '(':
  case '[':
  case '{':
    if (f->open.n >= MAX_NESTING) {
      diag_add(ps->diag, CODE_too_deep, token_span(ps, t), "brackets nest deeper than %d levels", MAX_NESTING);
      return false;
    }
    give_opener(f, t);
    break;
  case ')':
  case ']':
  case '}':
    pair_closer(f, t);
    break;
  case T_NAME: {
    int kind = keyword(f, t);
    give(f, kind, TOK_WRITTEN, t->begin, t->end);
    ps->tokens.at[ps->tokens.n - 1].name = t->name;
    break;
  }
  default:
    give(f, t->kind, TOK_WRITTEN, t->begin, t->end);
    ps->tokens.at[ps->tokens.n - 1].name = t->name;
  }
  f->fresh = false;
  return true;
}

void tokens_read(Parser *ps) {
  Filter f = {.ps = ps, .fresh = true};
  lex(&f);
  match_raw(&f);
  bool whole = true;
  for (; whole && f.raw.at[f.at].kind; f.at++) whole = filter(&f);
  uint32_t end = ps->tokens.n ? previous(&f)->end : 0;
  if (whole) mend(&f, 0, &f.raw.at[f.at]);
  while (f.open.n) give_closer(&f, closer_of(bracket(&f)), TOK_MENDED, end, end);
  give_line_end(&f, whole ? TOK_IMPLIED : TOK_MENDED, end, end);
  give(&f, 0, whole ? TOK_WRITTEN : TOK_MENDED, end, end);
  vec_free(&f.raw);
  vec_free(&f.open);
  vec_free(&f.told);
}
