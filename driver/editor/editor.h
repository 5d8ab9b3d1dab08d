/* What editors ask of the compiler: the layout of programs, and a language server. */
#ifndef HNNC_DRIVER_EDITOR_EDITOR_H
#define HNNC_DRIVER_EDITOR_EDITOR_H

#include "driver/driver.h"

/* fmt.c: FILE and more, `-` the standard input. 0; 1: a file has syntax errors, or with --check is not in the style; 4: it cannot be
 * read or written. Files that cannot be formatted are left as they are, the others are done all the same. */
int command_fmt(const Options *o);
/* server.c: speaks the Language Server Protocol on the standard input and output until `exit`. 0; 1: it was not asked to shut down. */
int command_lsp(const Options *o);

#endif
