/* Files that a command writes at its user's wish: whole under their name, or not there. What is written goes into NAME.new,
 * which takes the place of NAME at the end. What is no regular file (/dev/null, a pipe) is written to directly. */
#include "driver/process/process.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- streams that keep why a write failed ------------------------------------------------------------- */

/* stdio says that an earlier write failed, not why; what errno holds by then is of something else. */
struct Kept {
  int fd, error;
};

static ssize_t kept_write(void *cookie, const char *data, size_t size) {
  struct Kept *k = cookie;
  size_t done = 0;
  while (done < size) {
    const ssize_t n = write(k->fd, data + done, size - done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0 && !k->error) k->error = n < 0 ? errno : ENOSPC;
    if (n <= 0) break;
    done += (size_t)n;
  }
  return (ssize_t)done;
}

static int kept_close(void *cookie) {
  struct Kept *k = cookie;
  if (close(k->fd) == 0) return 0;
  if (!k->error) k->error = errno;
  return -1;
}

static FILE *kept_stream(struct Kept *k) {
  return fopencookie(k, "w", (cookie_io_functions_t){.write = kept_write, .close = kept_close});
}

static struct Kept standard = {.fd = STDOUT_FILENO};

void out_stdout(void) {
  FILE *f = kept_stream(&standard);
  if (!f) return;
  if (isatty(STDOUT_FILENO)) setvbuf(f, NULL, _IOLBF, BUFSIZ);
  stdout = f;
}

int out_stdout_error(void) { return standard.error ? standard.error : ENOSPC; }

/* ---- files ----------------------------------------------------------------------------------------- */

static bool direct(const char *path) {
  struct stat st;
  return stat(path, &st) == 0 && !S_ISREG(st.st_mode);
}

void out_folders(const char *path) {
  char *p = strcpy(base_realloc(NULL, strlen(path) + 1), path);
  for (char *s = strchr(p + 1, '/'); *path && s; s = strchr(s + 1, '/')) {
    *s = 0;
    (void)mkdir(p, 0777);
    *s = '/';
  }
  base_free(p);
}

void out_begin(OutFile *o, const char *path) {
  *o = (OutFile){.path = path, .made = path};
  if (!path || direct(path)) return;
  out_folders(path);
  size_t n = strlen(path) + sizeof ".new";
  o->own = base_realloc(NULL, n);
  snprintf(o->own, n, "%s.new", path);
  o->made = o->own;
  stop_removes(o->made);
}

FILE *out_open(OutFile *o, const char *path) {
  out_begin(o, path);
  if (!path) return o->f = stdout;
  const int fd = open(o->made, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  o->kept = base_realloc(NULL, sizeof *o->kept);
  *o->kept = (struct Kept){.fd = fd};
  if (fd >= 0 && !(o->f = kept_stream(o->kept))) close(fd);
  if (!o->f) out_end(o, false);
  return o->f;
}

bool out_end(OutFile *o, bool keep) {
  int error = errno;
  bool ok = true;
  if (o->f && o->kept) {
    ok = fflush(o->f) == 0 && !ferror(o->f);
    ok = fclose(o->f) == 0 && ok;
    if (!ok) error = o->kept->error ? o->kept->error : errno;
  }
  base_free(o->kept);
  struct stat st;
  if (o->own && keep && ok && stat(o->path, &st) == 0) (void)!chmod(o->own, st.st_mode & 07777);
  if (o->own && keep && ok && rename(o->own, o->path) != 0) ok = false, error = errno;
  if (o->own) {
    if (!keep || !ok) remove(o->own);
    stop_keeps(o->own);
    base_free(o->own);
  }
  *o = (OutFile){0};
  errno = error;
  return ok;
}
