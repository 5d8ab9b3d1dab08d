/* The tokens of a file for tools that colour text or lay it out: each as it stands, with what it is there, and comments. */
#ifndef HNNC_FRONTEND_SYNTAX_LEXEMES_H
#define HNNC_FRONTEND_SYNTAX_LEXEMES_H

#include "ir/base/base.h"

typedef enum LexKind {
  LEX_NAME,
  LEX_KEYWORD, /* where it is one: `data` and others can be names; `true`, `and`, `not` too */
  LEX_NUMBER,
  LEX_STRING,
  LEX_OPERATOR, /* `,` `;` `:` `.` too */
  LEX_OPENER,
  LEX_CLOSER,
  LEX_COMMENT
} LexKind;

typedef struct Lexeme {
  LexKind kind;
  uint32_t begin, end;
  bool first;     /* of a statement, an item, or options that begin a line */
  uint32_t match; /* of an opener or closer, the number of the other one; its own where that is missing */
} Lexeme;

/* Words that are keywords somewhere, by number; NULL behind the last. */
const char *lexemes_keyword(uint32_t k);

/* In the order of the text, *n of them, in mem. What is no token is told in diag and left out. */
Lexeme *lexemes_read(Source *src, uint32_t file, Interner *names, Arena *mem, Diag *diag, uint32_t *n);

#endif
