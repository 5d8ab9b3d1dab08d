/* See zip_load_priv.h. */
#include "runtime/data/zip_load_priv.h"

#include <dlfcn.h>
#include <string.h>

#ifdef RT_LIBZIP
bool rt_zip(RtZip *out, const char **why) {
  void *lib = dlopen(RT_LIBZIP, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE), *at;
  *why = RT_LIBZIP " cannot be loaded";
  if (!lib) return false;
#define X(f)                                                                                         \
  if (!(at = dlsym(lib, "zip_" #f))) return *why = RT_LIBZIP " has no zip_" #f, dlclose(lib), false; \
  memcpy(&out->f, &at, sizeof at);
  RT_ZIP(X)
#undef X
  dlclose(lib);
  return true;
}
#else
bool rt_zip(RtZip *out, const char **why) {
  (void)why;
#define X(f) .f = zip_##f,
  *out = (RtZip){RT_ZIP(X)};
#undef X
  return true;
}
#endif
