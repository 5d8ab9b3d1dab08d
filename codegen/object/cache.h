/* What was made once, in files by the hash of a key that holds all that it depends on. Never fatal. */
#ifndef HNNC_CODEGEN_OBJECT_CACHE_H
#define HNNC_CODEGEN_OBJECT_CACHE_H

#include "codegen/codegen.h"

/* `refused` hears the path of a file that is not used because others can write to it; NULL: nobody. */
CgObject cg_cache_get(const char *dir, const char *key, size_t keylen, void (*refused)(const char *path));
void cg_cache_put(const char *dir, const char *key, size_t keylen, const CgObject *object);

/* Goes through a directory: keeps the objects used last, up to `most` bytes (< 0: all), and with `verify` reads each and
 * removes what is damaged or not this user's. Files that are no objects are left alone. False: it cannot be read. */
typedef struct CgCacheCount {
  int64_t files, bytes, removed, freed, damaged;
} CgCacheCount;
bool cg_cache_tidy(const char *dir, int64_t most, bool verify, CgCacheCount *out);

#endif
