/* Runs a fuzz target without a fuzzing engine:
 *
 *   target [-n MUTATIONS] FILE-OR-FOLDER...
 *
 * gives the target every file (the corpus), then inputs that are extreme in one way, then MUTATIONS
 * inputs made of the corpus, the same ones in every run. The target ends the process if it fails; the
 * number of the input that is being tried is then in the message of the signal handler. */
#include <dirent.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct Bytes {
  char *at;
  size_t n;
} Bytes;

static Bytes *corpus;
static size_t ncorpus;
static char trying[512];

static void on_crash(int sig) {
  ssize_t ignored = write(STDERR_FILENO, trying, strlen(trying));
  (void)ignored;
  signal(sig, SIG_DFL);
  raise(sig);
}

static void give(Bytes b, const char *what, size_t number) {
  uint8_t *exact = malloc(b.n ? b.n : 1); /* of its own, so that reading past the end is seen */
  snprintf(trying, sizeof trying, "failed on %s %zu\n", what, number);
  memcpy(exact, b.at, b.n);
  LLVMFuzzerTestOneInput(exact, b.n);
  free(exact);
}

/* ---- corpus ------------------------------------------------------------------------------------------ */

static void load_file(const char *path) {
  FILE *in = fopen(path, "rb");
  Bytes b = {malloc(1 << 20), 0};
  if (!in || !b.at) {
    perror(path);
    exit(1);
  }
  b.n = fread(b.at, 1, 1 << 20, in);
  fclose(in);
  corpus = realloc(corpus, (ncorpus + 1) * sizeof *corpus);
  corpus[ncorpus++] = b;
}

static void load(const char *path) {
  struct stat st;
  if (stat(path, &st) != 0) {
    perror(path);
    exit(1);
  }
  if (!S_ISDIR(st.st_mode)) {
    load_file(path);
    return;
  }
  struct dirent **entry;
  int n = scandir(path, &entry, NULL, alphasort);
  for (int i = 0; i < n; i++) {
    char inner[4096];
    snprintf(inner, sizeof inner, "%s/%s", path, entry[i]->d_name);
    if (entry[i]->d_name[0] != '.') load(inner);
    free(entry[i]);
  }
  if (n >= 0) free(entry);
}

/* ---- extremes ---------------------------------------------------------------------------------------- */

static void repeated(const char *before, const char *unit, const char *after, size_t times, size_t number) {
  size_t nb = strlen(before), nu = strlen(unit), na = strlen(after);
  Bytes b = {malloc(nb + nu * times + na + 1), nb + nu * times + na};
  memcpy(b.at, before, nb);
  for (size_t i = 0; i < times; i++) memcpy(b.at + nb + i * nu, unit, nu);
  memcpy(b.at + nb + nu * times, after, na);
  give(b, "extreme", number);
  free(b.at);
}

static void extremes(void) {
  static const char *const unit[] = {"(",
                                     "[",
                                     "{",
                                     ")",
                                     "]",
                                     "}",
                                     "-",
                                     "not ",
                                     "f(",
                                     "x[",
                                     "x.T",
                                     ".T",
                                     "(1)",
                                     "[0]",
                                     "a+",
                                     "a^",
                                     "a^-",
                                     "1,",
                                     "x = ",
                                     "\n",
                                     ";",
                                     "\"",
                                     "#",
                                     "\xff",
                                     "\xce\xb8",
                                     "a ",
                                     "9",
                                     "e",
                                     "inverse(",
                                     "inverse (",
                                     "inverse(a)\n",
                                     "{ let x = (",
                                     "for i in 0:1 {",
                                     "fn f(x) {\n",
                                     "let x = 1\n",
                                     "fn f(x) = (\n",
                                     "%",
                                     "q̂",
                                     "\t",
                                     "data d {\n",
                                     "[e for k in ",
                                     "a == b and ",
                                     "a + b\n + "};
  for (size_t i = 0; i < sizeof unit / sizeof *unit; i++) {
    repeated("", unit[i], "", 20000, 4 * i);
    repeated("const a = ", unit[i], " 1", 20000, 4 * i + 1);
    repeated("fn f(x) {\n  return ", unit[i], "x\n}\n", 20000, 4 * i + 2);
    repeated("fn f(x) {\n  ", unit[i], "\n}\n", 300, 4 * i + 3);
  }
  char all[256];
  for (int i = 0; i < 256; i++) all[i] = (char)i;
  give((Bytes){all, 0}, "extreme", 1000);
  give((Bytes){all, 256}, "extreme", 1001);
}

/* ---- mutations ----------------------------------------------------------------------------------------- */

static uint64_t state = 1;

static uint64_t draw(uint64_t below) {
  uint64_t z = state += 0x9e3779b97f4a7c15u;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
  z = (z ^ z >> 27) * 0x94d049bb133111ebu;
  return below ? (z ^ z >> 31) % below : 0;
}

/* Replaces b[from, from + drop) by n bytes of s; s may not lie in b. */
static void splice(Bytes *b, size_t from, size_t drop, const char *s, size_t n) {
  char *out = malloc(b->n - drop + n + 1);
  memcpy(out, b->at, from);
  memcpy(out + from, s, n);
  memcpy(out + from + n, b->at + from + drop, b->n - from - drop);
  free(b->at);
  *b = (Bytes){out, b->n - drop + n};
}

static void mutate(Bytes *b) {
  static const char *const word[] = {
      "(",  ")", "[",       "]",   "{",     "}",    "\n",  ",",       "=",    "+=",     ":",     ".",
      "->", "~", "inverse", "for", "in",    "let ", "fn ", "return ", " on ", "yield ", "each ", "\"",
      "#",  "-", "^",       "@",   "1e999", "0.1",  "θ",   "\xff",    "%1",   "\t",     ";"};
  size_t from = draw(b->n + 1), len = draw(b->n - from + 1);
  len = len > 40 ? len % 40 : len;
  const char *w = word[draw(sizeof word / sizeof *word)];
  const Bytes *other = &corpus[draw(ncorpus)];
  size_t at = draw(other->n + 1), most = draw(200);
  char byte = (char)draw(256);
  switch (draw(6)) {
  case 0:
    splice(b, from, 0, w, strlen(w));
    break;
  case 1:
    splice(b, from, len, "", 0);
    break;
  case 2:
    splice(b, from, from < b->n, &byte, 1);
    break;
  case 3:
    splice(b, from, len, other->at + at, other->n - at < most ? other->n - at : most);
    break;
  case 4:
    splice(b, from, draw(8) ? len : b->n - from, w, strlen(w));
    break;
  case 5:
    splice(b, from, from < b->n, w, strlen(w));
    break;
  }
}

static void mutations(size_t count) {
  for (size_t i = 0; i < count; i++) {
    const Bytes *seed = &corpus[draw(ncorpus)];
    Bytes b = {malloc(seed->n + 1), seed->n};
    memcpy(b.at, seed->at, seed->n);
    for (size_t k = 1 + draw(8); k > 0; k--) mutate(&b);
    give(b, "mutation", i);
    free(b.at);
  }
}

int main(int argc, char **argv) {
  size_t count = 0;
  int first = 1;
  if (argc > 2 && strcmp(argv[1], "-n") == 0) {
    count = strtoul(argv[2], NULL, 10);
    first = 3;
  }
  signal(SIGABRT, on_crash);
  signal(SIGSEGV, on_crash);
  for (int i = first; i < argc; i++) load(argv[i]);
  for (size_t i = 0; i < ncorpus; i++) give(corpus[i], "file", i);
  extremes();
  if (ncorpus) mutations(count);
  printf("%zu files, %zu mutations\n", ncorpus, count);
  for (size_t i = 0; i < ncorpus; i++) free(corpus[i].at);
  free(corpus);
  return 0;
}
