#ifndef HNNC_FRONTEND_SYNONYM_H
#define HNNC_FRONTEND_SYNONYM_H

#include <stddef.h>

/* Help for somebody who wrote a name of another language, blind to case; NULL: not one that is known. */
const char *synonym(const char *name);

#endif
