/* See hdf5_load_priv.h. */
#include "runtime/data/hdf5_load_priv.h"
#include "runtime/runtime_priv.h"

#include <dlfcn.h>
#include <string.h>

/* Debian's names and those of others, of 1.10 (103), 1.12 (200), 1.14 (310), and what a development package links. */
static void *load(void) {
  static const char *const names[] = {"libhdf5_serial.so.310", "libhdf5.so.310", "libhdf5_serial.so.200", "libhdf5.so.200",
                                      "libhdf5_serial.so.103", "libhdf5.so.103", "libhdf5_serial.so",     "libhdf5.so"};
  void *lib = NULL;
  for (size_t i = 0; !lib && i < sizeof names / sizeof *names; i++) lib = dlopen(names[i], RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  return lib;
}

static bool symbol(void *lib, const char *name, void *out, RtError *err) {
  void *at = dlsym(lib, name);
  memcpy(out, &at, sizeof at);
  return at || rt_fail(err, "the HDF5 library that is installed has no %s", name);
}

/* One of its variables, which hold what opening it makes. */
static bool number_type(void *lib, const char *name, RtHid *out, RtError *err) {
  RtHid *at;
  if (!symbol(lib, name, &at, err)) return false;
  *out = *at;
  return true;
}

static bool symbols(void *lib, RtHdf5 *out, RtError *err) {
#define X(type, f, args) \
  if (!symbol(lib, "H5" #f, &out->f, err)) return false;
  RT_HDF5(X)
#undef X
  unsigned v[3] = {0};
  if (out->open() < 0 || out->get_libversion(&v[0], &v[1], &v[2]) < 0) return rt_fail(err, "the HDF5 library cannot be started");
  if (v[0] == 1 && v[1] < 10) return rt_fail(err, "the HDF5 library has version 1.%u, but version 1.10 is needed", v[1]);
  out->Eset_auto2(0, NULL, NULL); /* what is wrong is told by Ewalk2 */
  return number_type(lib, "H5T_NATIVE_DOUBLE_g", &out->f64, err) && number_type(lib, "H5T_NATIVE_LLONG_g", &out->i64, err) &&
         number_type(lib, "H5T_NATIVE_ULLONG_g", &out->u64, err);
}

bool rt_hdf5(RtHdf5 *out, RtError *err) {
  void *lib = load();
  if (!lib)
    return rt_fail(err, "it is an HDF5 file, and libhdf5 is not installed: `apt install libhdf5-103-1` (Debian 12), "
                        "`libhdf5-310` (Debian 13) or `libhdf5-dev`; or save its arrays with numpy.savez");
  const bool ok = symbols(lib, out, err);
  dlclose(lib);
  return ok;
}
