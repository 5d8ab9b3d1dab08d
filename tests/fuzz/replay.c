/* Runs a fuzz target without libFuzzer:
 *
 *   target [-n MUTATIONS] [-t SECONDS] [-s SEED] [-o FOLDER] [-q] FILE-OR-FOLDER...
 *
 * gives the target every file (the corpus), then inputs that are extreme in one way, then MUTATIONS inputs made of the
 * corpus, the same ones in every run of one seed, or as many as SECONDS allow. -q: the files alone. A target ends the process
 * if it fails; then the input lies in FOLDER, if that is given, and its number is on stderr. An input that takes more than
 * 10 s of the processor, or 60 s, has failed, too; HNNC_SLOWER=F, of a build that takes longer for everything, makes it F times as much.
 *
 * Compiled by afl-clang-fast, and started by afl-fuzz, it takes AFL++'s inputs. */
#include "tests/fuzz/bytes.h"

#include <dirent.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { MOST_FILE = 1 << 20, MOST_SECONDS = 10, MOST_WAITING = 60 };

static Bytes *corpus;
static size_t ncorpus, executions;
static char trying[512], save_as[4096];
static const uint8_t *input;
static size_t input_size;
static unsigned slower = 1;

/* ---- one input ------------------------------------------------------------------------------------------------------ */

static void save(void) {
  const int fd = save_as[0] ? open(save_as, O_WRONLY | O_CREAT | O_TRUNC, 0644) : -1;
  if (fd < 0) return;
  ssize_t ignored = write(fd, input, input_size);
  (void)ignored;
  close(fd);
}

static void say(const char *what) {
  ssize_t ignored = write(STDERR_FILENO, what, strlen(what));
  (void)ignored;
}

static void on_crash(int sig) {
  const bool late = sig == SIGALRM || sig == SIGPROF;
  if (late) say("timeout: ");
  say(trying);
  save();
  signal(sig, SIG_DFL);
  if (late) _exit(98);
  raise(sig);
}

static void on_exit_within(void) {
  if (input) save(), say(trying); /* a target returns: it does not call exit */
}

/* On a stack of its own: the other one may be what ran out. */
static void handle(int sig) {
  struct sigaction a = {.sa_handler = on_crash, .sa_flags = SA_ONSTACK};
  sigaction(sig, &a, NULL);
}

static void handle_all(void) {
  static char stack[1 << 16];
  const int sig[] = {SIGABRT, SIGSEGV, SIGALRM, SIGPROF, SIGFPE, SIGILL, SIGBUS};
  sigaltstack(&(stack_t){.ss_sp = stack, .ss_size = sizeof stack}, NULL);
  for (size_t k = 0; k < sizeof sig / sizeof *sig; k++) handle(sig[k]);
  atexit(on_exit_within);
}

/* A sanitizer ends the process by itself. */
void __asan_on_error(void);
void __asan_on_error(void) {
  say(trying);
  save();
}

static void limit(time_t of_processor, unsigned waiting) {
  setitimer(ITIMER_PROF, &(struct itimerval){.it_value = {.tv_sec = of_processor}}, NULL);
  alarm(waiting);
}

static void give(Bytes b, const char *what, size_t number) {
  uint8_t *exact = malloc(b.n ? b.n : 1); /* of its own, so that reading past the end is seen */
  snprintf(trying, sizeof trying, "failed on %s %zu\n", what, number);
  if (b.n) memcpy(exact, b.at, b.n);
  input_size = b.n, input = exact;
  limit(MOST_SECONDS * slower, MOST_WAITING * slower);
  LLVMFuzzerTestOneInput(exact, b.n);
  limit(0, 0);
  input = NULL;
  free(exact);
  executions++;
}

/* ---- corpus ------------------------------------------------------------------------------------------ */

static void load_file(const char *path) {
  FILE *in = fopen(path, "rb");
  Bytes b = {malloc(MOST_FILE), 0, MOST_FILE};
  if (!in || !b.at) {
    perror(path);
    exit(1);
  }
  b.n = fread(b.at, 1, MOST_FILE, in);
  fclose(in);
  fuzz_remember(b.at, b.n);
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
  Bytes b = {0};
  fuzz_put_text(&b, before);
  for (size_t i = 0; i < times; i++) fuzz_put_text(&b, unit);
  fuzz_put_text(&b, after);
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
                                     "logdet a\n",
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
  unsigned char all[256];
  for (int i = 0; i < 256; i++) all[i] = (unsigned char)i;
  give((Bytes){.at = all}, "extreme", 1000);
  give((Bytes){.at = all, .n = 256}, "extreme", 1001);
}

/* ---- mutations ----------------------------------------------------------------------------------------- */

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t most) {
  Bytes b = {0};
  fuzz_copy(&b, data, size);
  fuzz_mutate_bytes(&b);
  const size_t n = b.n < most ? b.n : most;
  if (n) memcpy(data, b.at, n);
  free(b.at);
  return n;
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Each of them starts from a file, or from the one before, so that changes add up. */
static void mutations(uint64_t seed, size_t count, double seconds) {
  const double end = now() + seconds;
  uint8_t *data = malloc(MOST_FILE);
  size_t n = 0;
  for (size_t i = 0; i < count && (seconds <= 0 || now() < end); i++) {
    fuzz_state = seed + 1000003 * i;
    if (!n || fuzz_chance(70)) {
      const Bytes *from = &corpus[fuzz_draw(ncorpus)];
      n = from->n;
      if (n) memcpy(data, from->at, n);
    }
    n = LLVMFuzzerCustomMutator(data, n, MOST_FILE / 4, (unsigned)fuzz_draw(1u << 31));
    give((Bytes){.at = data, .n = n}, "mutation", i);
  }
  free(data);
}

/* ---- AFL++ ------------------------------------------------------------------------------------------------ */

#ifdef __AFL_COMPILER
__AFL_FUZZ_INIT();
static int persistent(void) {
  const unsigned char *at = __AFL_FUZZ_TESTCASE_BUF;
  while (__AFL_LOOP(10000)) LLVMFuzzerTestOneInput(at, (size_t)__AFL_FUZZ_TESTCASE_LEN);
  return 0;
}
#else
static int persistent(void) { return fprintf(stderr, "afl-fuzz needs a program that afl-clang-fast compiled\n"), 1; }
#endif

int main(int argc, char **argv) {
  size_t count = 0;
  uint64_t seed = 1;
  double seconds = 0;
  bool files_only = false;
  int opt;
  if (getenv("__AFL_SHM_ID")) return persistent();
  while ((opt = getopt(argc, argv, "n:t:s:o:q")) != -1) {
    if (opt == 'n') count = strtoul(optarg, NULL, 10);
    else if (opt == 't') seconds = strtod(optarg, NULL), count = count ? count : SIZE_MAX;
    else if (opt == 's') seed = strtoull(optarg, NULL, 10);
    else if (opt == 'o') snprintf(save_as, sizeof save_as, "%.4000s/input-%llu", optarg, (unsigned long long)seed);
    else if (opt == 'q') files_only = true;
    else return 2;
  }
  if (getenv("HNNC_SLOWER")) slower = (unsigned)fmax(1, strtod(getenv("HNNC_SLOWER"), NULL));
  handle_all();
  for (int i = optind; i < argc; i++) load(argv[i]);
  for (size_t i = 0; i < ncorpus; i++) give(corpus[i], "file", i);
  if (!files_only) extremes();
  if (ncorpus && !files_only) mutations(seed, count, seconds);
  printf("%zu files, %zu executions\n", ncorpus, executions);
  for (size_t i = 0; i < ncorpus; i++) free(corpus[i].at);
  free(corpus);
  return 0;
}
