/* The layout of programs: one style, `hnnc fmt`.
 *
 * Lines stay where the author ended them; what is between and before tokens is decided:
 *   - a block is indented by two blanks; what goes on inside ( ) or [ ] stands below what follows the bracket, or two further in
 *     where nothing follows it; other lines that go on stand as far in as they did, two blanks at least;
 *   - one blank around operators and `=`, behind `,` `;` and the `:` of a type; none around `^`, the `:` of a range, behind a sign;
 *     two before the clauses of an assignment;
 *     around `*` and `/` both or none, as the author had it: 2*a / (b*c);
 *   - `=` of neighbouring lines that stood below one another stay so, without more blanks than that takes; comments behind code,
 *     two blanks at least from it, likewise;
 *   - one empty line at most, none at the ends of blocks and of the file; a `;` at the end of a line goes.
 * What is made of a text made by it is the same text. Its tokens and comments are those of the text, in their order. */
#ifndef HNNC_FRONTEND_FORMAT_FORMAT_H
#define HNNC_FRONTEND_FORMAT_FORMAT_H

#include "ir/base/base.h"

/* The text of a file of src, *len bytes in mem. NULL: it has syntax errors, which are told in diag. */
const char *format_text(Source *src, uint32_t file, Arena *mem, Diag *diag, size_t *len);

#endif
