/* Raw tokens: what the lexer cuts the text into, less what it cannot know. Names are cut where a character is none of a name's; a character that begins no
 * token, and a slip of another language that can be read all the same, is told of and read as what is meant. */
#include "frontend/syntax/parse_priv.h"
#include "lexer.h"
#include "parser.h"

#include <stdlib.h>
#include <string.h>

typedef struct Raw {
  Parser *ps;
  Tokens *out;
  uint32_t skip;     /* raw tokens before this offset were read as part of another */
  VEC(int32_t) told; /* characters that were told of: each once in a file */
  bool bars;         /* inside |x| */
  bool glue;         /* behind a sign such as ∂: the next name is of something that was not understood */
  uint32_t colon;    /* of `a ? b : c`, read as an operator like the `?` */
} Raw;

bool token_ends_operand(int kind) {
  return kind == T_NAME || kind == T_NUMBER || kind == T_STRING || kind == ')' || kind == ']' || kind == '}' || kind == T_TRUE ||
         kind == T_FALSE;
}

static bool is_word_char(int32_t c, bool first) {
  if (c < 0x80) return true;                                                   /* the lexer let only letters, digits and _ in */
  if ((c >= 0x300 && c < 0x370) || (c >= 0x2080 && c < 0x209d)) return !first; /* combining marks, subscripts */
  return (c >= 0xc0 && c < 0x530 && c != 0xd7 && c != 0xf7 && c != 0x37e && c != 0x387) || (c >= 0x1e00 && c < 0x2000) ||
         (c >= 0x2100 && c < 0x2150) || (c >= 0x1d400 && c < 0x1d800);
}

static void push_raw(Raw *f, Token t) { *vec_push(f->out) = t; }

static void push_word(Raw *f, const char *word, uint32_t at, uint32_t end) {
  push_raw(f, (Token){.kind = T_NAME, .begin = at, .end = end, .name = intern_n(f->ps->names, word, strlen(word))});
}

static bool at_line_start(const Parser *ps, uint32_t at) {
  while (at && (ps->text[at - 1] == ' ' || ps->text[at - 1] == '\t')) at--;
  return at == 0 || ps->text[at - 1] == '\n';
}

static bool value_before(const Raw *f) { return f->out->n && token_ends_operand(f->out->at[f->out->n - 1].kind); }

static bool told_before(Raw *f, int32_t c) {
  for (uint32_t i = 0; i < f->told.n; i++)
    if (f->told.at[i] == c) return true;
  *vec_push(&f->told) = c;
  return false;
}

/* Whether a name, a number or a closing bracket stands right before: `x'` is no string. */
static bool follows_value(const Parser *ps, uint32_t at) {
  const char c = at ? ps->text[at - 1] : ' ';
  return c == '_' || c == ')' || c == ']' || c == '\'' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
         (c >= 'A' && c <= 'Z') || (c & 0x80);
}

static DiagMsg *no_meaning(Raw *f, uint32_t at, uint32_t n) {
  return diag_add(f->ps->diag, CODE_other_language, (Span){f->ps->file, at, at + n}, "`%.*s` has no meaning here", (int)n,
                  f->ps->text + at);
}

/* && and || */
static bool doubled(Raw *f, uint32_t at) {
  const char *text = f->ps->text + at;
  if (at + 1 >= f->ps->len || (*text != '&' && *text != '|') || text[1] != *text) return false;
  const char *word = *text == '&' ? "and" : "or";
  diag_help(no_meaning(f, at, 2), "write `%s`", word);
  push_word(f, word, at, at + 2);
  f->skip = at + 2;
  return true;
}

/* x |> f: what it is is not read on */
static bool piped(Raw *f, uint32_t at) {
  const char *text = f->ps->text + at;
  if (*text != '|' || at + 1 >= f->ps->len || text[1] != '>') return false;
  diag_help(diag_add(f->ps->diag, CODE_other_language, (Span){f->ps->file, at, at + 2}, "there is no `|>`"),
            "write a call as `sin(x)`");
  push_raw(f, (Token){.kind = '*', .begin = at, .end = at + 2});
  f->skip = at + 2;
  f->glue = true;
  return true;
}

/* c ? a : b */
static bool chosen(Raw *f, uint32_t at) {
  const char *text = f->ps->text + at;
  uint32_t n = 0;
  if (*text != '?') return false;
  while (at + n < f->ps->len && text[n] != ':' && text[n] != '\n') n++;
  diag_help(no_meaning(f, at, 1), "`where(c, a, b)` is a if c holds, else b");
  push_raw(f, (Token){.kind = '*', .begin = at, .end = at + 1});
  f->colon = at + n;
  return true;
}

/* % a comment */
static bool remarked(Raw *f, uint32_t at) {
  const char *text = f->ps->text + at;
  uint32_t n = 0;
  if (*text != '%' || !at_line_start(f->ps, at)) return false;
  if (!told_before(f, '%'))
    diag_help(diag_add(f->ps->diag, CODE_other_language, (Span){f->ps->file, at, at + 1}, "`%%` does not begin a comment"),
              "write `#`");
  while (at + n < f->ps->len && text[n] != '\n') n++;
  f->skip = at + n;
  return true;
}

/* |x| */
static bool barred(Raw *f, uint32_t at) {
  const char *text = f->ps->text + at;
  if (*text != '|' || text[1] == '|' || (!f->bars && value_before(f))) return false;
  if (!f->bars && !told_before(f, '|')) diag_help(no_meaning(f, at, 1), "|x| is `abs(x)`, or `norm(x)` for a vector");
  f->bars = !f->bars;
  return true;
}

/* 'text' */
static bool single_quoted(Raw *f, uint32_t at) {
  Parser *ps = f->ps;
  const char *text = ps->text + at;
  uint32_t n = 1;
  if (*text != '\'' || follows_value(ps, at)) return false;
  while (at + n < ps->len && text[n] != '\'' && text[n] != '\n' && text[n] != '"') n++;
  if (at + n >= ps->len || text[n] != '\'') return false;
  diag_help(diag_add(ps->diag, CODE_string, (Span){ps->file, at, at + n + 1}, "a string must be in double quotes"),
            "write `\"%.*s\"`", (int)n - 1, text + 1);
  push_raw(f, (Token){.kind = T_STRING, .begin = at, .end = at + n + 1, .name = intern_n(ps->names, text + 1, n - 1)});
  f->skip = at + n + 1;
  return true;
}

/* `&&`, `||`, `? :` and 'text' are one slip each: told once, and read as what is meant. True if it was one of these. */
static bool stray_habit(Raw *f, uint32_t at) {
  return doubled(f, at) || piped(f, at) || chosen(f, at) || remarked(f, at) || barred(f, at) || single_quoted(f, at);
}

/* Says so of a character that begins no token. Where it looks like an operator, that is read in its
 * place, so that one slip gives one message. */
static void stray_char(Raw *f, uint32_t at, uint32_t n, int32_t c) {
  static const struct {
    int32_t code;
    int kind;
    const char *help;
  } lookalike[] = {
#define CHAR(code, kind, help) {code, kind, help},
#include "frontend/syntax/characters.def"
#undef CHAR
  };
  Parser *ps = f->ps;
  Span span = {ps->file, at, at + n};
  if (c < 0) return; /* not UTF-8: said once for the whole file */
  DiagMsg *m = told_before(f, c) ? NULL
               : c < 0x20 || (c >= 0x7f && c <= 0xa0)
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
static void primed(Raw *f, uint32_t at, uint32_t n) {
  Token *last = f->out->n ? &f->out->at[f->out->n - 1] : NULL;
  if (!last || last->kind != T_NAME || last->end != at) return;
  last->name = intern(f->ps->names, arena_printf(f->ps->mem, "%s'", last->name));
  last->end += n;
}

/* ½ is a value of which nothing more is said, and a factor of what stands beside it. */
static void fraction(Raw *f, uint32_t at, uint32_t n) {
  const char next = at + n < f->ps->len ? f->ps->text[at + n] : ' ';
  if (value_before(f)) push_raw(f, (Token){.kind = '*', .begin = at, .end = at});
  push_word(f, "a fraction'", at, at + n);
  if (next == '(' || next == '_' || (next & 0x80) || (next >= 'a' && next <= 'z') || (next >= 'A' && next <= 'Z'))
    push_raw(f, (Token){.kind = '*', .begin = at + n, .end = at + n});
}

/* A run that the lexer took for a name, cut where a character is not one of a name's. */
static void push_names(Raw *f, Token t) {
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
    } else if (part.end > part.begin && all_digits(ps, &part)) { /* behind a character that is none of a name's */
      part.kind = T_NUMBER;
      push_raw(f, part);
    }
    t.begin = part.end;
    if (t.begin < t.end) {
      uint32_t n = source_char(ps->text, ps->len, t.begin, &code);
      stray_char(f, t.begin, n, code);
      if (is_prime(code)) primed(f, t.begin, n);
      f->glue = code == 0x2202 || code == 0x2207 || code == 0x2206 || code == 0x2211 || code == 0x220f || code == 0x222b ||
                code == 0x221a;
      if (code >= 0xbc && code <= 0xbe) fraction(f, t.begin, n);
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
      if (c == 'n' || c == 't') c = c == 'n' ? '\n' : '\t';
      else if (c != '"' && c != '\\')
        diag_add(ps->diag, CODE_string, (Span){ps->file, i - 1, i + 1}, "the only escapes in a string are \\n, \\t, \\\" and \\\\");
    } else if ((unsigned char)c < 0x20 && c != '\t')
      diag_add(ps->diag, CODE_string, (Span){ps->file, i, i + 1}, "character U+%04X is not allowed in a string", (unsigned)c);
    s[n++] = c;
  }
  return intern_n(ps->names, s, strlen(s) < n ? strlen(s) : n);
}

/* What is wrong with `1_000`, `0x10`, `2x`. */
static void after_number(Parser *ps, const Token *number, const Token *t) {
  const char *text = ps->text;
  bool zero = number->end - number->begin == 1 && text[number->begin] == '0';
  if (text[t->begin] == '_')
    diag_help(diag_add(ps->diag, CODE_number, (Span){ps->file, number->begin, t->end}, "a number cannot contain `_`"),
              "write `%.*s%.*s`", (int)(number->end - number->begin), text + number->begin, (int)(t->end - t->begin - 1),
              text + t->begin + 1);
  else if (zero && strchr("xXbBoO", text[t->begin]))
    diag_help(diag_add(ps->diag, CODE_number, (Span){ps->file, number->begin, t->end}, "numbers are decimal"),
              "write numbers as 1, 0.5, 1e-3");
  else diag_help(diag_add(ps->diag, CODE_number, token_span(ps, t), "a name follows a number directly"), "write `*` between them");
}

/* f"...", r"...": one slip, read as the plain string. */
static void string_prefix(Raw *f, const Token *t) {
  static const char *const known[] = {"f", "F", "r", "R", "b", "B", "u", "rb", "br", "fr", "rf", "L"};
  const Token *last = f->out->n ? &f->out->at[f->out->n - 1] : NULL;
  if (!last || last->kind != T_NAME || last->end != t->begin) return;
  for (size_t i = 0; i < sizeof known / sizeof *known; i++)
    if (!strcmp(last->name, known[i])) {
      diag_help(diag_add(f->ps->diag, CODE_other_language, token_span(f->ps, last), "a string cannot have a prefix"),
                "write it without `%s`; to show a number, write `report name = ...`", known[i]);
      f->out->n--;
      return;
    }
}

static bool begins_word(const Parser *ps, const Token *t) {
  int32_t code;
  source_char(ps->text, ps->len, t->begin, &code);
  return code < 0 || is_word_char(code, true);
}

static void raw_token(Raw *f, Token t) {
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
    const Token *last = f->out->n ? &f->out->at[f->out->n - 1] : NULL;
    if (last && last->kind == T_NUMBER && last->end == t.begin && begins_word(ps, &t)) after_number(ps, last, &t);
    else push_names(f, t);
    return;
  }
  if (t.kind == T_STRING) {
    string_prefix(f, &t);
    t.name = string_value(ps, &t);
  }
  push_raw(f, t);
}

/* Archives, images, UTF-16: bytes that no text has, of which nothing is read. */
static bool no_text(Parser *ps) {
  uint32_t controls = 0, bad = 0;
  int32_t code;
  for (uint32_t i = 0; i < ps->len; i += source_char(ps->text, ps->len, i, &code)) {
    const unsigned char c = (unsigned char)ps->text[i];
    source_char(ps->text, ps->len, i, &code);
    bad += code < 0;
    controls += c < ' ' && !(c >= '\t' && c <= '\r');
  }
  if (!(bad && controls) && controls <= ps->len / 8) return false;
  DiagMsg *m = diag_add(ps->diag, CODE_encoding, (Span){ps->file, 0, 0}, "`%s` is not a program: a program must be UTF-8 text",
                        source_file(ps->src, ps->file)->name);
  diag_help(m, "to read arrays, write a program with `data d = read(\"obs.npz\", x)`");
  return true;
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

/* Each at the beginning of the text, without a place of its own. */
static void words_before(Raw *f) {
  const Parser *ps = f->ps;
  for (const char *w = ps->before; *w; w += strspn(w, " ")) {
    const size_t n = strcspn(w, " ");
    const bool name = *w != '=';
    push_raw(
        f,
        (Token){.kind = name ? T_NAME : '=', .begin = ps->from, .end = ps->from, .name = name ? intern_n(ps->names, w, n) : NULL});
    w += n;
  }
}

static void lex(Raw *f) {
  Parser *ps = f->ps;
  Token place = {0};
  yyscan_t scanner;
  if (no_text(ps)) {
    push_raw(f, (Token){.begin = ps->len, .end = ps->len});
    return;
  }
  check_utf8(ps);
  if (ps->len >= 3 && memcmp(ps->text, "\xef\xbb\xbf", 3) == 0) place.end = 3;
  if (ps->before) words_before(f), place.end = ps->from;
  if (hnn_raw_lex_init_extra(&place, &scanner)) base_fault("out of memory for the lexer");
  hnn_raw__scan_bytes(ps->text + place.end, (int)(ps->len - place.end), scanner);
  while ((place.kind = hnn_raw_lex(scanner))) raw_token(f, place);
  hnn_raw_lex_destroy(scanner);
  push_raw(f, (Token){.begin = ps->len, .end = ps->len});
}

/* `match` of each opener to its closer where the two agree; 0 elsewhere. */
static void match_raw(Raw *f) {
  VEC(uint32_t) open = {0};
  for (uint32_t i = 0; i < f->out->n; i++) {
    int k = f->out->at[i].kind;
    if (k == '(' || k == '[' || k == '{') *vec_push(&open) = i;
    else if ((k == ')' || k == ']' || k == '}') && open.n) {
      uint32_t o = open.at[--open.n];
      int want = f->out->at[o].kind == '(' ? ')' : f->out->at[o].kind == '[' ? ']' : '}';
      f->out->at[o].match = want == k ? i : 0;
    }
  }
  vec_free(&open);
}

void raw_read(Parser *ps, Tokens *out) {
  Raw f = {.ps = ps, .out = out};
  lex(&f);
  match_raw(&f);
  vec_free(&f.told);
}
