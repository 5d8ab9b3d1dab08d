/* See zip_load_priv.h. */
#include "runtime/data/zip_load_priv.h"

#include <dlfcn.h>
#include <string.h>

#ifdef RT_LIBZIP
const RtZip *rt_zip(const char **why) {
  static RtZip zip;
  static bool there;
  void *lib = there ? NULL : dlopen(RT_LIBZIP, RTLD_NOW | RTLD_LOCAL), *at;
  if (there) return &zip;
  *why = RT_LIBZIP " cannot be loaded";
  if (!lib) return NULL;
#define X(f)                                                                                        \
  if (!(at = dlsym(lib, "zip_" #f))) return *why = RT_LIBZIP " has no zip_" #f, dlclose(lib), NULL; \
  memcpy(&zip.f, &at, sizeof at);
  RT_ZIP(X)
#undef X
  there = true;
  return &zip;
}
#else
const RtZip *rt_zip(const char **why) {
#define X(f) .f = zip_##f,
  static const RtZip zip = {RT_ZIP(X)};
#undef X
  (void)why;
  return &zip;
}
#endif
