/* What the reader of the text form (parse.c) is made of. Functions that return false have
 * told the mistake, except those that only ask: ahead, accept, accept_word. */
#ifndef HNNC_IR_TEXT_READ_PRIV_H
#define HNNC_IR_TEXT_READ_PRIV_H

#include "ir/ir.h"

typedef struct Parser {
  const char *text;
  uint32_t pos, len, file;
  Diag *diag;
  int depth;
} Parser;

/* An error at [begin, where the parser stands); always false. */
bool read_mistake(Parser *p, uint32_t begin, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
Span read_from(const Parser *p, uint32_t begin);

void read_space(Parser *p); /* and comments */
bool read_ahead(Parser *p, const char *s);
bool read_accept(Parser *p, const char *s);
bool read_expect(Parser *p, const char *s);
size_t read_word(Parser *p); /* length of the word ahead, not taken; may be 0 */
bool read_accept_word(Parser *p, const char *s);
bool read_integer(Parser *p, int64_t lo, int64_t hi, int64_t *out);
bool read_real(Parser *p, double *out);
bool read_string(Parser *p, Arena *mem, const char **out); /* in quotes */
bool read_name(Parser *p, Arena *mem, const char **out);   /* @name or @"any name" */

#endif
