/* What was made once, in files by the hash of a key that holds all that it depends on. Never fatal. */
#ifndef HNNC_CODEGEN_CACHE_H
#define HNNC_CODEGEN_CACHE_H

#include <stddef.h>

typedef struct CgObject { char *p; size_t n; } CgObject;      /* malloc'ed; p NULL: none */

CgObject cg_cache_get(const char *dir, const char *key, size_t keylen);
void cg_cache_put(const char *dir, const char *key, size_t keylen, const CgObject *object);

#endif
