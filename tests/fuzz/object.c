/* Fuzz target: any bytes as a file of the cache, for the key whose object is "object\n" 100 times. That or nothing is taken
 * from it, and a look through the folder removes what is not sound. */
#include "ir/base/base.h"
#include "codegen/object/cache.h"
#include "tests/fuzz/bytes.h"
#include "tests/fuzz/scratch.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>

static const char key[] = "the key";

static CgObject want(void) {
  static char text[700];
  for (int k = 0; k < 100; k++) memcpy(text + 7 * k, "object\n", 7);
  return (CgObject){text, sizeof text};
}

/* The name that the cache gave, and what it wrote. */
static const char *the_file(Bytes *good) {
  static char name[300];
  static Bytes first;
  if (!name[0]) {
    CgObject o = want();
    cg_cache_put(scratch(), key, sizeof key, &o);
    DIR *d = opendir(scratch());
    for (struct dirent *e; d && (e = readdir(d));)
      if (e->d_name[0] != '.') snprintf(name, sizeof name, "%s", e->d_name);
    char path[400], buf[2000];
    snprintf(path, sizeof path, "%s/%s", scratch(), name);
    FILE *f = fopen(path, "rb");
    if (!d || !f) abort();
    fuzz_put(&first, buf, fread(buf, 1, sizeof buf, f));
    fclose(f);
    closedir(d);
  }
  *good = first;
  return name;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  Bytes good;
  char path[400];
  const char *name = the_file(&good);
  scratch_write(name, data, size, path, sizeof path);
  const CgObject o = want();
  CgObject got = cg_cache_get(scratch(), key, sizeof key, NULL);
  const bool same = got.p && got.n == o.n && !memcmp(got.p, o.p, o.n);
  if (got.p && !same) abort();
  if (!got.p && size == good.n && !memcmp(data, good.at, size)) abort();
  base_free(got.p);
  CgCacheCount count;
  if (!cg_cache_tidy(scratch(), -1, true, &count) || (same && count.files != 1) || (access(path, F_OK) == 0 && count.files != 1))
    abort();
  return 0;
}

void fuzz_mutate_form(Bytes *b) {
  Bytes good;
  (void)the_file(&good);
  if (fuzz_chance(30) || b->n < 20) fuzz_copy(b, good.at, good.n);
  const size_t at = fuzz_draw(fuzz_chance(70) ? 48 : b->n);
  static const uint64_t odd[] = {0, 1, 699, 701, 1 << 28, (1 << 28) - 1, UINT32_MAX, UINT64_MAX, INT64_MAX, 1ull << 40};
  switch (fuzz_draw(5)) {
  case 0: b->at[at % b->n] ^= (unsigned char)(1 << fuzz_draw(8)); break;
  case 1: b->n = at % b->n; break;
  case 2: fuzz_put(b, "12345678", 1 + fuzz_draw(8)); break;
  case 3:
    if (b->n >= 56) memcpy(b->at + at / 8 * 8, &FUZZ_PICK(odd), 8);
    break;
  default: fuzz_mutate_bytes(b);
  }
}
