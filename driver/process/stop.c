/* A command that a signal ends: at once, at whatever it is, and without leaving half of a file. The handler removes what is
 * listed here and ends a child; only what POSIX allows in handlers is called. */
#include "driver/process/process.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PLACES = 8, LENGTH = 4096 };

static char place[PLACES][LENGTH];
static volatile sig_atomic_t used[PLACES];
static volatile pid_t child;
static volatile sig_atomic_t held, pending; /* the signal that came while signals were held; 0: none */

void stop_removes(const char *path) {
  for (int k = 0; k < PLACES; k++) {
    if (used[k] || strlen(path) >= LENGTH) continue;
    strcpy(place[k], path);
    used[k] = 1;
    return;
  }
}

void stop_keeps(const char *path) {
  for (int k = 0; k < PLACES; k++)
    if (used[k] && !strcmp(place[k], path)) used[k] = 0;
}

void stop_child(pid_t pid) { child = pid; }

/* Another thread may make a file in a folder that is being emptied: once more. */
static void remove_folder(const char *path) {
  for (int again = 0; again < 3 && access(path, F_OK) == 0; again++) {
    pid_t pid = vfork(); /* fork would take the locks of malloc, which this thread may hold */
    if (pid == 0) {
      execl("/bin/rm", "rm", "-rf", "--", path, (char *)NULL);
      _exit(127);
    }
    while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR) {}
  }
}

/* In a handler. */
void stop_clean(void) {
  const int error = errno;
  const pid_t pid = child;
  if (pid > 0) {
    kill(-pid, SIGTERM), kill(pid, SIGTERM); /* the group that it leads, if it does */
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {}
  }
  for (int k = 0; k < PLACES; k++)
    if (used[k] && unlink(place[k]) && errno != ENOENT) remove_folder(place[k]);
  errno = error;
}

static void on_signal(int number) {
  if (held) {
    pending = number;
    return;
  }
  stop_clean();
  signal(number, SIG_DFL);
  raise(number);
}

/* A signal that the caller ignores (nohup) stays ignored. */
void stop_catch(void) {
  static const int number[] = {SIGINT, SIGTERM, SIGHUP};
  struct sigaction action = {.sa_handler = on_signal}, was;
  sigfillset(&action.sa_mask);
  for (size_t k = 0; k < sizeof number / sizeof *number; k++)
    if (!sigaction(number[k], NULL, &was) && was.sa_handler != SIG_IGN) sigaction(number[k], &action, NULL);
}

void stop_hold(void) { held = 1; }

void stop_release(void) {
  held = 0;
  const int number = pending;
  pending = 0;
  if (number) raise(number);
}
