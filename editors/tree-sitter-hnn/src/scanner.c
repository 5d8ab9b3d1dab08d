/* Where a line ends a statement, as frontend/syntax/tokens.c has it: it does where the parser could stop (else `_end` is not asked for), unless
 * the next line begins with a binary operator, or with a clause `inverse` or `logdet`. A `;`, a `}` and the end of the file end one, too. */
#include "tree_sitter/parser.h"

#include <string.h>

enum { END };

void *tree_sitter_hnn_external_scanner_create(void) { return NULL; }
void tree_sitter_hnn_external_scanner_destroy(void *state) { (void)state; }
unsigned tree_sitter_hnn_external_scanner_serialize(void *state, char *buffer) { return (void)state, (void)buffer, 0; }
void tree_sitter_hnn_external_scanner_deserialize(void *state, const char *buffer, unsigned n) { (void)state, (void)buffer, (void)n; }

static void skip(TSLexer *l) { l->advance(l, true); }
static void advance(TSLexer *l) { l->advance(l, false); }
static bool is_blank(int32_t c) { return c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v'; }

static bool is_letter(int32_t c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (c >= '0' && c <= '9') || c > 127;
}

static void blanks(TSLexer *l) {
  while (is_blank(l->lookahead)) advance(l);
}

/* Past lines that are empty or comments, to what the next statement or operator begins with. */
static void to_code(TSLexer *l) {
  for (;;) {
    while (is_blank(l->lookahead) || l->lookahead == '\n') advance(l);
    if (l->lookahead != '#') return;
    while (!l->eof(l) && l->lookahead != '\n') advance(l);
  }
}

/* `(f)(x)`: then the word in front is the function, which begins a statement. */
static bool called_twice(TSLexer *l) {
  blanks(l);
  if (l->lookahead != '(') return false;
  for (int depth = 0; !l->eof(l);) {
    depth += l->lookahead == '(' ? 1 : l->lookahead == ')' ? -1 : 0;
    advance(l);
    if (depth == 0) break;
  }
  blanks(l);
  return l->lookahead == '(';
}

static bool goes_on(TSLexer *l) {
  const int32_t first = l->lookahead;
  char word[8] = {0};
  if (first && strchr("+-*/^@<>=!", first)) { /* `+=`, `->` and `=` are none that go on, and can begin no line */
    advance(l);
    if (first == '=' || first == '!') return l->lookahead == '=';
    return first == '<' || first == '>' || (l->lookahead != '=' && !(first == '-' && l->lookahead == '>'));
  }
  for (unsigned n = 0; is_letter(l->lookahead); advance(l)) {
    if (n == sizeof word - 1 || l->lookahead > 127) return false;
    word[n++] = (char)l->lookahead;
  }
  if (!strcmp(word, "and") || !strcmp(word, "or")) return true;
  if (!strcmp(word, "inverse")) return !called_twice(l);
  if (strcmp(word, "logdet")) return false;
  blanks(l);
  const int32_t next = l->lookahead;
  return (is_letter(next) || (next && strchr("([{-+\n", next)) || l->eof(l)) && !called_twice(l);
}

bool tree_sitter_hnn_external_scanner_scan(void *state, TSLexer *l, const bool *valid) {
  (void)state;
  if (!valid[END]) return false;
  while (is_blank(l->lookahead)) skip(l);
  l->mark_end(l);
  l->result_symbol = END;
  if (l->eof(l) || l->lookahead == '}') return true;
  if (l->lookahead == ';') {
    advance(l);
    l->mark_end(l);
    return true;
  }
  if (l->lookahead != '\n') return false;
  to_code(l);
  return !goes_on(l);
}
