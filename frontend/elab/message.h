/* Messages of the evaluator (diag.c). Each error is said once, though a body is elaborated at each call. */
#ifndef HNNC_FRONTEND_ELAB_MESSAGE_H
#define HNNC_FRONTEND_ELAB_MESSAGE_H

#include "frontend/elab/value.h"

/* Says an error once; returns NULL for a repetition. label and help accept NULL. */
DiagMsg *elab_error(Elab *E, DiagCode code, Span at, const char *fmt, ...) __attribute__((format(printf, 4, 5)));
/* The same of a warning, a code of that level. */
DiagMsg *elab_warn(Elab *E, DiagCode code, Span at, const char *fmt, ...) __attribute__((format(printf, 4, 5)));
bool elab_of_library(const Elab *E, uint32_t file); /* what stands there is none of the model's own: its calls are at fault */
void elab_label(DiagMsg *m, Span at, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void elab_help(DiagMsg *m, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void elab_suggest(DiagMsg *m, const char *name, const char *const *candidates, size_t n);
/* The same of arguments and options, which other languages call otherwise. */
void elab_suggest_option(DiagMsg *m, const char *name, const char *const *options, size_t n);
/* Of the items of the file at hand that are of these kinds: 1 << IT_DATA, ... */
void elab_suggest_item(Elab *E, DiagMsg *m, const char *name, unsigned kinds);
bool elab_stop(Elab *E); /* enough errors */

#endif
