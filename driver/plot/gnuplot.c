/* Starts gnuplot, without a shell and without the user's settings, and waits for it for a limited time. */
#include "driver/plot/plot_priv.h"
#include "driver/process/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* $HNNC_PLOT_SECONDS; 0: gnuplot is not started. */
static double limit(void) {
  const char *text = getenv("HNNC_PLOT_SECONDS");
  char *end;
  double seconds = text ? strtod(text, &end) : 30;
  return text && (end == text || *end || !(seconds >= 0)) ? 30 : seconds;
}

/* 0, or the errno. The child's stdout and stderr go into the pipe. */
static int start(const char *folder, const char *script, int to, pid_t *pid) {
  char *argv[] = {"gnuplot", "-d", (char *)script, NULL};
  posix_spawn_file_actions_t files;
  posix_spawnattr_t attr;
  sigset_t none;
  sigemptyset(&none);
  if (posix_spawn_file_actions_init(&files)) return ENOMEM;
  if (posix_spawnattr_init(&attr)) return posix_spawn_file_actions_destroy(&files), ENOMEM;
  int e = posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
  if (!e) e = posix_spawnattr_setsigmask(&attr, &none);
  if (!e) e = posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
  if (!e) e = posix_spawn_file_actions_adddup2(&files, to, 1);
  if (!e) e = posix_spawn_file_actions_adddup2(&files, to, 2);
  if (!e) e = posix_spawn_file_actions_addchdir_np(&files, folder);
  if (!e) e = posix_spawnp(pid, argv[0], &files, &attr, argv, environ);
  posix_spawnattr_destroy(&attr);
  posix_spawn_file_actions_destroy(&files);
  return e;
}

/* Reads until the end or the deadline; what does not fit is dropped. */
static void listen_to(int from, double deadline, char *text, size_t size) {
  size_t n = 0;
  char buf[4096];
  for (;;) {
    double left = deadline - pass_now();
    struct pollfd p = {.fd = from, .events = POLLIN};
    int ready = left > 0 ? poll(&p, 1, (int)(left * 1000) + 1) : 0;
    if (ready < 0 && errno == EINTR) continue;
    ssize_t got = ready > 0 ? read(from, buf, sizeof buf) : 0;
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    size_t take = (size_t)got < size - 1 - n ? (size_t)got : size - 1 - n;
    memcpy(text + n, buf, take);
    n += take;
  }
  text[n] = 0;
}

/* false: it had to be killed. */
static bool wait_for(pid_t pid, double deadline, int *status) {
  for (bool killed = false;;) {
    pid_t got = waitpid(pid, status, killed ? 0 : WNOHANG);
    if (got == pid) return !killed;
    if (got < 0 && errno != EINTR) return *status = 0, true;
    if (!killed && pass_now() > deadline) killed = kill(pid, SIGKILL) == 0;
    if (!killed) usleep(2000);
  }
}

/* gnuplot shows the line of the script, a caret and the error: the last line that says something. */
static const char *complaint(char *text) {
  char *last = "it printed no reason";
  for (char *save, *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
    while (*line == ' ' || *line == '^' || *line == '\t') line++;
    if (*line) last = line;
  }
  return last;
}

bool gnuplot_run(const char *folder, const char *script, char *why, size_t size) {
  char text[4096];
  int pipe_[2], status = 0;
  pid_t pid;
  double seconds = limit(), deadline = pass_now() + seconds;
  if (seconds == 0) return snprintf(why, size, "HNNC_PLOT_SECONDS is 0"), false;
  if (pipe2(pipe_, O_CLOEXEC)) return snprintf(why, size, "gnuplot cannot be started: %s", strerror(errno)), false;
  int e = start(folder, script, pipe_[1], &pid);
  close(pipe_[1]);
  if (!e) stop_child(pid);
  if (!e) listen_to(pipe_[0], deadline, text, sizeof text);
  close(pipe_[0]);
  if (e == ENOENT) return snprintf(why, size, "gnuplot is not installed, or not in PATH"), false;
  if (e) return snprintf(why, size, "gnuplot cannot be started: %s", strerror(e)), false;
  const bool ended = wait_for(pid, deadline, &status);
  stop_child(0);
  if (!ended) return snprintf(why, size, "gnuplot took more than %g seconds", seconds), false;
  if (WIFSIGNALED(status)) return snprintf(why, size, "gnuplot was stopped by signal %d", WTERMSIG(status)), false;
  if (WEXITSTATUS(status)) return snprintf(why, size, "gnuplot failed: %.400s", complaint(text)), false;
  return true;
}
