/* Fuzz target for the text IR: any bytes are read or refused; what is read prints and reads back.
 *
 * With -fsanitize=fuzzer and -DHNNC_FUZZ it is a libFuzzer target. Otherwise a program that replays the
 * files given to it, each with a fixed number of mutations that depend on nothing but the bytes. */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "ir/ir.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static Fn *parse(const char *text, size_t size) {
  Source *src = source_create();
  Diag *diag = diag_create(src);
  Fn *f = ir_parse(src, source_add(src, "fuzz.hir", text, size), diag);
  bool silent = !f && !diag_errors(diag);
  diag_destroy(diag);
  source_destroy(src);
  if (silent) abort();
  return f;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  Fn *f = parse((const char *)data, size);
  if (!f) return 0;
  char *text = ir_text(f);
  Fn *g = parse(text, strlen(text));
  if (!g) abort();
  char *again = ir_text(g);
  if (strcmp(text, again)) abort();
  free(text);
  free(again);
  ir_fn_destroy(f);
  ir_fn_destroy(g);
  return 0;
}

#ifndef HNNC_FUZZ
enum { MUTATIONS = 400 };

static uint64_t next(uint64_t *s) {
  *s = *s * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
  return *s >> 33;
}

/* Replaces, removes, repeats or overwrites a few bytes. */
static size_t mutate(const uint8_t *in, size_t n, uint8_t *out, uint64_t *s) {
  static const char *const bits[] = {"-1", "9223372036854775807", "4294967296", "[B", "%0", "}", "{", "@1", "sub 1 @g() {", "\"", "nan(0x", "f64[1,", "~", "/"};
  memcpy(out, in, n);
  for (uint64_t k = 1 + next(s) % 3; k && n; k--) {
    size_t at = next(s) % n, len = 1 + next(s) % 8;
    if (len > n - at) len = n - at;
    switch (next(s) % 4) {
    case 0: out[at] = (uint8_t)next(s); break;
    case 1: memmove(out + at, out + at + len, n - at - len), n -= len; break;
    case 2: memmove(out + at + len, out + at, n - at), n += len; break;
    default: {
      const char *w = bits[next(s) % (sizeof bits / sizeof *bits)];
      size_t m = strlen(w);
      memmove(out + at + m, out + at, n - at);
      memcpy(out + at, w, m);
      n += m;
    }
    }
  }
  return n;
}

static void replay(const char *path) {
  FILE *in = fopen(path, "rb");
  if (!in) return perror(path), exit(4);
  uint8_t *data = malloc(1 << 16), *other = malloc((1 << 16) + 256);
  size_t n = fread(data, 1, 1 << 16, in);
  uint64_t s = n;
  fclose(in);
  LLVMFuzzerTestOneInput(data, n);
  for (int k = 0; k < MUTATIONS; k++) LLVMFuzzerTestOneInput(other, mutate(data, n, other, &s));
  free(data);
  free(other);
}

/* Files, or one folder of them. */
int main(int argc, char **argv) {
  int n = 0;
  for (int k = 1; k < argc; k++) {
    DIR *dir = opendir(argv[k]);
    if (!dir) replay(argv[k]), n++;
    for (struct dirent *e; dir && (e = readdir(dir));) {
      char path[4096];
      if (e->d_name[0] == '.') continue;
      snprintf(path, sizeof path, "%s/%s", argv[k], e->d_name);
      replay(path), n++;
    }
    if (dir) closedir(dir);
  }
  printf("%d files, %d mutations each\n", n, MUTATIONS);
  return n ? 0 : 2;
}
#endif
