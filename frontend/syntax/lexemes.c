/* See lexemes.h: the tokens that the grammar reads, less those that stand for the ends of lines, and what lies between them. */
#include "frontend/syntax/lexemes.h"
#include "frontend/syntax/parse_priv.h"
#include "parser.h"

#include <string.h>

typedef struct Lexing {
  Arena *mem;
  const char *text;
  VEC(Lexeme) out;
  uint32_t *number; /* by token: its lexeme */
  uint32_t at;      /* all before it is done */
  bool first;
} Lexing;

static LexKind kind_of(const Token *t) {
  if (t->kind == T_NAME) return LEX_NAME;
  if (t->kind == T_NUMBER) return LEX_NUMBER;
  if (t->kind == T_STRING) return LEX_STRING;
  if (t->kind < 256 && strchr("([{", t->kind)) return LEX_OPENER;
  if (t->kind < 256 && strchr(")]}", t->kind)) return LEX_CLOSER;
  return t->kind > 256 && t->name ? LEX_KEYWORD : LEX_OPERATOR;
}

static void put(Lexing *l, LexKind kind, uint32_t begin, uint32_t end) {
  *vec_push(&l->out) = (Lexeme){.kind = kind, .begin = begin, .end = end, .first = l->first, .match = l->out.n};
  l->first &= kind == LEX_COMMENT || l->text[begin] == ';';
  l->at = end;
}

/* Comments and semicolons before the byte `end`. */
static void between(Lexing *l, uint32_t end) {
  for (uint32_t i = l->at; i < end; i++) {
    uint32_t stop = i;
    if (l->text[i] == ';') put(l, LEX_OPERATOR, i, i + 1);
    if (l->text[i] != '#') continue;
    while (stop < end && l->text[stop] != '\n') stop++;
    put(l, LEX_COMMENT, i, stop);
    i = stop;
  }
  if (l->at < end) l->at = end;
}

/* `prove (variables)`: the end of its line is not that of the statement. */
static bool behind_prove(const Lexing *l) {
  int depth = 0;
  for (uint32_t k = l->out.n; k-- > 1;) {
    const char *c = l->text + l->out.at[k].begin;
    if (l->out.at[k].kind != LEX_OPENER && l->out.at[k].kind != LEX_CLOSER) {
      if (depth == 0 && l->out.at[k].kind != LEX_COMMENT) return false;
      continue;
    }
    depth += l->out.at[k].kind == LEX_CLOSER ? 1 : -1;
    if (depth == 0)
      return *c == '(' && l->out.at[k - 1].kind == LEX_KEYWORD && !strncmp(l->text + l->out.at[k - 1].begin, "prove", 5);
    if (depth < 0) return false;
  }
  return false;
}

static void token(Lexing *l, const Tokens *all, uint32_t k) {
  const Token *t = &all->at[k];
  const bool semicolon = t->kind == T_NL && t->origin == TOK_WRITTEN && l->text[t->begin] == ';';
  l->number[k] = UINT32_MAX;
  if (t->origin == TOK_WRITTEN && t->kind != T_NL && t->kind && t->begin >= l->at && t->end > t->begin) {
    between(l, t->begin);
    l->number[k] = l->out.n;
    put(l, kind_of(t), t->begin, t->end);
  }
  if (semicolon) between(l, t->end);
  if ((t->kind == T_NL && !behind_prove(l)) || t->kind == '{') l->first = true;
}

static void pair(Lexing *l, const Tokens *all) {
  for (uint32_t k = 0; k < all->n; k++) {
    const uint32_t a = l->number[k], b = all->at[k].match ? l->number[all->at[k].match] : UINT32_MAX;
    if (a != UINT32_MAX && b != UINT32_MAX) l->out.at[a].match = b, l->out.at[b].match = a;
  }
}

Lexeme *lexemes_read(Source *src, uint32_t file, Interner *names, Arena *mem, Diag *diag, uint32_t *n) {
  const SourceFile *f = source_file(src, file);
  Parser ps = {.mem = mem, .src = src, .text = f->text, .len = f->len, .file = file, .names = names, .diag = diag};
  Lexing l = {.mem = mem, .text = f->text, .first = true};
  tokens_read(&ps);
  l.number = ARENA_ARRAY(mem, uint32_t, ps.tokens.n + 1);
  for (uint32_t k = 0; k < ps.tokens.n; k++) token(&l, &ps.tokens, k);
  between(&l, f->len);
  pair(&l, &ps.tokens);
  Lexeme *out = ARENA_ARRAY(mem, Lexeme, l.out.n + 1);
  if (l.out.n) memcpy(out, l.out.at, l.out.n * sizeof *out);
  *n = l.out.n;
  vec_free(&l.out);
  vec_free(&ps.tokens);
  return out;
}
