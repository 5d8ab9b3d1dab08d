/* Whether two texts are the same program with the same comments, by what the grammar reads: what the formatter looks at before it gives
 * anything out. */
#include "frontend/format/format_priv.h"

#include <string.h>

typedef struct Reader {
  const char *text;
  const Lexeme *l;
  uint32_t n, at;
} Reader;

static Reader reader(Source *src, uint32_t file, Interner *names, Arena *mem, Diag *diag) {
  Reader r = {.text = source_file(src, file)->text};
  r.l = lexemes_read(src, file, names, mem, diag, &r.n);
  return r;
}

static const Lexeme *next(Reader *r) {
  while (r->at < r->n && r->l[r->at].kind == LEX_OPERATOR && r->text[r->l[r->at].begin] == ';') r->at++;
  return r->at < r->n ? &r->l[r->at++] : NULL;
}

static uint32_t length(const Reader *r, const Lexeme *l) {
  uint32_t n = l->end - l->begin;
  while (l->kind == LEX_COMMENT && n && strchr(" \t\r\f\v", r->text[l->begin + n - 1])) n--;
  return n;
}

bool format_same(Source *src, uint32_t a, uint32_t b, Interner *names, Arena *mem, Diag *diag) {
  Reader x = reader(src, a, names, mem, diag), y = reader(src, b, names, mem, diag);
  for (;;) {
    const Lexeme *p = next(&x), *q = next(&y);
    if (!p || !q) return !p && !q;
    const uint32_t n = length(&x, p);
    if (p->kind != q->kind || (p->kind != LEX_COMMENT && p->first != q->first) || n != length(&y, q) ||
        memcmp(x.text + p->begin, y.text + q->begin, n) != 0)
      return false;
  }
}
