/* See apart_priv.h. */
#include "runtime/data/apart_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

void *rt_shared(size_t bytes) {
  void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return p == MAP_FAILED ? NULL : p;
}

void rt_shared_free(void *p, size_t bytes) {
  if (p) munmap(p, bytes);
}

/* Data that this process may have at most: `more` than it has; RLIMIT_DATA counts all that is private and can be written. */
static void limit_data(size_t more) {
  unsigned long long pages = 0;
  FILE *f = fopen("/proc/self/statm", "r");
  const bool known = f && fscanf(f, "%*u %*u %*u %*u %*u %llu", &pages) == 1;
  if (f) fclose(f);
  const rlim_t most = pages * (rlim_t)sysconf(_SC_PAGESIZE) + more;
  if (known) setrlimit(RLIMIT_DATA, &(struct rlimit){most, most});
}

/* Faults end it without a word (of malloc or of a sanitizer), what stops the caller is the caller's to answer, and it does not outlive the caller. */
static void prepare(pid_t parent, unsigned seconds, size_t more) {
  static const int fault[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGALRM, SIGPROF},
                   stop[] = {SIGINT, SIGTERM, SIGHUP, SIGTSTP};
  for (size_t k = 0; k < sizeof fault / sizeof *fault; k++) signal(fault[k], SIG_DFL);
  for (size_t k = 0; k < sizeof stop / sizeof *stop; k++) signal(stop[k], SIG_IGN);
  const int quiet = open("/dev/null", O_WRONLY);
  if (quiet >= 0) dup2(quiet, STDERR_FILENO);
  setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
  setrlimit(RLIMIT_CPU, &(struct rlimit){seconds, seconds});
  limit_data(more);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(1);
}

bool rt_apart(void (*f)(void *ctx), void *ctx, unsigned seconds, size_t more, RtError *why) {
  bool *done = rt_shared(sizeof *done);
  if (!done) return rt_fail(why, "not enough memory");
  const pid_t parent = getpid(), pid = fork();
  if (pid == 0) {
    prepare(parent, seconds, more);
    f(ctx);
    *done = true;
    _exit(0);
  }
  int status = 0;
  const int e = errno;
  while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
  const bool ok = *done, late = WIFSIGNALED(status) && (WTERMSIG(status) == SIGXCPU || WTERMSIG(status) == SIGKILL);
  rt_shared_free(done, sizeof *done);
  if (ok) return true;
  if (pid < 0) return rt_fail(why, "a process cannot be started: %s", strerror(e));
  return late ? rt_fail(why, "it was stopped after %u s of processor time, or because of its memory use", seconds)
              : rt_fail(why, "it crashed");
}
