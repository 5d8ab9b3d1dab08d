/* Blanks between two tokens of a line. */
#include "frontend/format/format_priv.h"

#include <string.h>

static bool is_word(const Piece *p, const char *word) { return p->len == strlen(word) && !memcmp(p->text, word, p->len); }

static bool is_key(const Piece *p, const char *word) { return p->kind == LEX_KEYWORD && is_word(p, word); }

static bool ends_operand(const Piece *p) {
  return p->kind == LEX_NAME || p->kind == LEX_NUMBER || p->kind == LEX_STRING || p->kind == LEX_CLOSER || is_key(p, "true") ||
         is_key(p, "false");
}

/* The piece before i that is no comment. */
static const Piece *before(const Pieces *p, uint32_t i) {
  while (i && p->at[i - 1].kind == LEX_COMMENT) i--;
  return i ? &p->at[i - 1] : NULL;
}

static bool is_sign(const Pieces *p, uint32_t i) {
  const Piece *x = &p->at[i], *last = before(p, i);
  return (piece_is(x, '-') || piece_is(x, '+')) && (x->first || !last || !ends_operand(last));
}

/* Whether a `:` is that of a type: in parentheses all are, in [ ] none, else those of let, var and param. */
static bool of_type(const Pieces *p, const Piece *colon) {
  if (colon->in != NOWHERE && !piece_is(&p->at[colon->in], '{')) return piece_is(&p->at[colon->in], '(');
  const Piece *s = &p->at[colon->start];
  return is_key(s, "let") || is_key(s, "var") || is_key(s, "param");
}

static bool is_factor(const Piece *x) { return piece_is(x, '*') || piece_is(x, '/'); }

/* Blanks around the operator i, as written. */
static bool loose(const Pieces *p, uint32_t i) {
  const Piece *x = &p->at[i], *next = i + 1 < p->n ? x + 1 : NULL;
  return x->gap || x->lines || (next && (next->gap || next->lines));
}

static bool before_round(const Pieces *p, const Piece *last) {
  if (piece_is(last, ')') && last->match > 0) return is_key(&p->at[last->match - 1], "prove");
  return last->kind == LEX_KEYWORD && !is_key(last, "windows") && !is_key(last, "shuffled") && !is_key(last, "evolve");
}

static bool blank(const Pieces *p, uint32_t i) {
  const Piece *x = &p->at[i], *last = x - 1;
  if (piece_is(x, ',') || piece_is(x, ';') || piece_is(x, ')') || piece_is(x, ']') || piece_is(last, '(') || piece_is(last, '['))
    return false;
  if (piece_is(last, '{') || piece_is(x, '}')) return !(piece_is(last, '{') && piece_is(x, '}'));
  if (piece_is(x, '.')) return last->kind == LEX_NUMBER; /* 1 .T: `1.` would be a number */
  if (piece_is(last, '.')) return false;
  if (piece_is(last, ',') || piece_is(last, ';')) return true;
  if (piece_is(x, ':')) return false;
  if (piece_is(last, ':')) return of_type(p, last);
  if (is_sign(p, i - 1) || piece_is(x, '^') || piece_is(last, '^')) return false;
  if (is_factor(x)) return loose(p, i);
  if (is_factor(last)) return loose(p, i - 1);
  if (x->kind == LEX_OPERATOR || last->kind == LEX_OPERATOR) return true;
  if (piece_is(x, '(')) return before_round(p, last);
  if (piece_is(x, '[')) return last->kind == LEX_KEYWORD;
  return true;
}

bool format_clause(const Piece *p) { return is_key(p, "inverse") || is_key(p, "logdet"); }

void format_spacing(Pieces *p) {
  for (uint32_t i = 1; i < p->n; i++) {
    p->at[i].blank = p->at[i].lines == 0 && blank(p, i);
    p->at[i].pad = p->at[i].lines == 0 && format_clause(&p->at[i]);
  }
}
