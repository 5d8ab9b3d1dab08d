#ifndef HNNC_FRONTEND_SYNTAX_SYNONYM_H
#define HNNC_FRONTEND_SYNTAX_SYNONYM_H

#include <stddef.h>

/* Help for somebody who wrote a name of another language, blind to case; NULL: not one that is known. */
const char *synonym(const char *name);

/* Which of the candidates has this name in another language; NULL: none that is known. */
const char *synonym_among(const char *name, const char *const *candidates, size_t n);

/* Which of the candidates is this letter, or its name, of the other alphabet: ω for w and omega; NULL: none. */
const char *synonym_letter(const char *name, const char *const *candidates, size_t n);

#endif
