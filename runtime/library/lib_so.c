/* What a library has whatever its model, as the base that `hnnc compile` puts models behind (codegen/object/shared.h): functions that
 * take none, because lib_so_model leads to it, and what compiled code calls of the C library. */
#include "runtime/library/lib_priv.h"

#include <stdio.h>
#include <string.h>

/* Set when the library is loaded. Its value here is nothing; volatile, so that nobody counts on it. */
const LibModel *const volatile lib_so_model __attribute__((section(".data.rel.ro"))) = (const LibModel *)1;

void *lib_memcpy(void *to, const void *from, size_t n) { return memcpy(to, from, n); }
void *lib_memmove(void *to, const void *from, size_t n) { return memmove(to, from, n); }
void *lib_memset(void *to, int byte, size_t n) { return memset(to, byte, n); }

/* Whether this processor has what code was compiled for; what is not known here it lacks. */
static bool processor_has(const char *name) {
#ifdef __x86_64__
#define HAS(feature) \
  if (!strcmp(name, feature)) return __builtin_cpu_supports(feature)
  __builtin_cpu_init();
  HAS("sse3");
  HAS("ssse3");
  HAS("sse4.1");
  HAS("sse4.2");
  HAS("popcnt");
  HAS("avx");
  HAS("avx2");
  HAS("fma");
  HAS("bmi");
  HAS("bmi2");
  HAS("avx512f");
  HAS("avx512vl");
  HAS("avx512dq");
  HAS("avx512bw");
  HAS("avx512cd");
  HAS("avx512vbmi");
  HAS("avx512ifma");
  HAS("avx512vpopcntdq");
  HAS("avx512vbmi2");
  HAS("avx512vnni");
  HAS("avx512bitalg");
  HAS("gfni");
#undef HAS
#endif
  return false;
}

hnn_model *lib_so_create(void) {
  const hnn_library *l = lib_so_model->library;
  char name[24], lacks[240];
  for (const char *at = l->features; *at;) {
    const int n = (int)strcspn(at, " ");
    snprintf(name, sizeof name, "%.*s", n, at);
    if (!processor_has(name)) {
      snprintf(lacks, sizeof lacks,
               "compiled for %.60s, which has %s; this processor does not: compile it here, or with --cpu=x86-64", l->cpu, name);
      return lib_abi_create(lib_so_model, lacks);
    }
    at += n + (at[n] == ' ');
  }
  return lib_abi_create(lib_so_model, NULL);
}

const hnn_library *lib_so_library(void) { return lib_so_model->library; }

static const hnn_parameter *parameter(int k) {
  const hnn_library *l = lib_so_model->library;
  return k < 0 || k >= l->nparameter ? NULL : &l->parameter[k];
}

const char *lib_so_param_name(int k) { return parameter(k) ? parameter(k)->path : NULL; }
int64_t lib_so_param_size(int k) { return parameter(k) ? parameter(k)->elems : 0; }
