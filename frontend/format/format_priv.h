/* What the files of the formatter share. */
#ifndef HNNC_FRONTEND_FORMAT_FORMAT_PRIV_H
#define HNNC_FRONTEND_FORMAT_FORMAT_PRIV_H

#include "frontend/syntax/lexemes.h"

enum { NOWHERE = -1 };

typedef struct Piece {
  LexKind kind;
  const char *text;
  uint32_t len;
  uint32_t width;    /* in columns */
  uint32_t column;   /* where it stood in its line, from 0 */
  uint32_t lines;    /* line ends before it: 0, 1, or 2 for an empty line; of the first piece 1 */
  uint32_t gap;      /* blanks before it in its line, as written */
  bool first;        /* see Lexeme */
  int32_t in, match; /* number of the bracket that it is in; of the other bracket; NOWHERE: none */
  int32_t start;     /* first piece of its statement */
  bool blank;        /* what is decided: a blank before it */
  uint32_t pad;      /* and so many more */
} Piece;

typedef VEC(Piece) Pieces;

static inline bool piece_is(const Piece *p, char c) { return p->len == 1 && *p->text == c && p->kind != LEX_STRING; }

/* spacing.c: fills in `blank`, and `pad` before clauses */
bool format_clause(const Piece *p); /* `inverse`, `logdet` behind an assignment */
void format_spacing(Pieces *p);
/* same.c: whether two files are the same tokens and comments */
bool format_same(Source *src, uint32_t a, uint32_t b, Interner *names, Arena *mem, Diag *diag);
/* align.c: fills in `pad` of `=` in neighbouring lines */
void format_align(Pieces *p);

#endif
