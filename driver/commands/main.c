#include "driver/commands/commands_priv.h"
#include "driver/process/process.h"
#include "driver/session/ranks.h"

#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What was printed must have arrived: a full disk behind stdout is an error. */
static int flushed(int code) {
  bool ok = fflush(stdout) == 0 && !ferror(stdout);
  if (ok) return code;
  fprintf(stderr, "error[%s]: cannot write to the standard output: %s\n", diag_code_name(CODE_output),
          strerror(out_stdout_error()));
  return code ? code : EXIT_IO;
}

/* Memory that was freed is taken again, not given back and then faulted in anew: many large arrays live for a moment only. */
static void keep_memory(void) {
#ifdef __GLIBC__
  mallopt(M_MMAP_THRESHOLD, 32 << 20);
  mallopt(M_TRIM_THRESHOLD, 256 << 20);
  mallopt(M_TOP_PAD, 1 << 20);
#endif
}

/* std::set_new_handler: LLVM is C++, and what `new` does not get would abort. Weak: a shared libLLVM may hide it. */
extern void (*set_new_handler(void (*handler)(void)))(void) __asm__("_ZSt15set_new_handlerPFvvE") __attribute__((weak));

/* llvm::install_bad_alloc_error_handler: the same of what its `malloc` does not get. */
typedef void BadAlloc(void *ctx, const char *reason, bool crash);
extern void set_bad_alloc(BadAlloc *handler, void *ctx) __asm__("_ZN4llvm31install_bad_alloc_error_handlerEPFvPvPKcbES0_")
    __attribute__((weak));

static void no_memory(void) {
  static const char text[] = "hnnc: out of memory in the code generator\n";
  stop_clean();
  (void)!write(STDERR_FILENO, text, sizeof text - 1);
  _exit(EXIT_FAULT);
}

static void bad_alloc(void *ctx, const char *reason, bool crash) {
  (void)ctx, (void)reason, (void)crash;
  no_memory();
}

/* A file that is opened takes the lowest free number: without these, it would be where errors or reports are written to. */
static void open_standard(void) {
  for (int fd = 0; fd <= 2; fd++)
    if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd ? O_WRONLY : O_RDONLY) != fd) _exit(EXIT_IO);
}

/* Commands whose work is shared among the ranks of a launcher; of others the first rank does all. */
static bool shared(const Options *o) {
  static const char *const names[] = {"run", "resume", "eval", "bench"};
  for (size_t k = 0; k < sizeof names / sizeof *names; k++)
    if (!strcmp(o->command, names[k])) return true;
  return false;
}

/* Many runs are processes of their own. */
static bool several(const Options *o) {
  return (!strcmp(o->command, "run") && sweep_asked(o)) || (!strcmp(o->command, "resume") && sweep_is(o->file));
}

static int refuse(const char *why) {
  fprintf(stderr, "error[%s]: %s\n", diag_code_name(CODE_ranks), why);
  return EXIT_USAGE;
}

/* What ranks cannot do together; NULL: they can. */
static const char *unshared(const Options *o) {
  if (several(o)) return "a sweep cannot run under an MPI launcher: start it by itself, or set HNNC_MPI=none";
  return shared(o) && o->file && !strcmp(o->file, "-") ? "only the first rank has standard input: name a file" : NULL;
}

static int run(Options *o) {
  RtError err = {{0}};
  bool ok;
  RtRanks *ranks = ranks_begin(&ok, &err);
  if (!ok) return *err.text ? refuse(err.text) : EXIT_USAGE;
  if (!ranks) return o->run(o);
  const int threads = ranks_threads(ranks);
  ranks_quiet(ranks);
  const char *why = unshared(o);
  int code = 0;
  if (why) {
    code = refuse(why);
  } else if (shared(o)) {
    o->ranks = ranks;
    o->quiet |= ranks->rank > 0;
    if (!o->threads) o->threads = threads;
    if (!o->quiet) fprintf(stderr, "hnnc: %d ranks, %d thread%s in each\n", ranks->size, o->threads, o->threads == 1 ? "" : "s");
    code = o->run(o);
  } else if (!ranks->rank) {
    code = o->run(o);
  }
  return ranks_end(ranks, code);
}

int main(int argc, char **argv) {
  Options o;
  open_standard();
  signal(SIGXFSZ, SIG_IGN); /* a limit on sizes is an error of the write that meets it */
  keep_memory();
  out_stdout();
  stop_catch();
  if (set_new_handler) set_new_handler(no_memory);
  if (set_bad_alloc) set_bad_alloc(bad_alloc, NULL);
  int code = options_parse(&o, argc, argv);
  if (code < 0) code = run(&o);
  vec_free(&o.override_);
  vec_free(&o.more);
  vec_free(&o.sweep);
  vec_free(&o.product);
  return flushed(code);
}
