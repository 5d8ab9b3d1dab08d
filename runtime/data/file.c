/* Whole files: read, written atomically, links replaced atomically. A write goes to `.name.tmp-THREAD` in
 * the same directory, is fsync'ed, renamed, and the directory fsync'ed: the final name always holds a
 * whole file, the old or the new. Without fsync that is so as long as the system runs. */
#include "runtime/runtime_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static const char *help_for(int error) {
  switch (error) {
  case ENOSPC:
  case EDQUOT: return "; free some space or choose another place";
  case EACCES:
  case EPERM:
  case EROFS: return "; choose a writable place";
  case ENOTDIR: return "; a part of the path is a file, choose another place";
  case EFBIG: return "; the limit on the size of files (ulimit -f) is too small";
  default: return "";
  }
}

bool rt_fail_errno(RtError *err, const char *doing, const char *path) {
  const int e = errno;
  return rt_fail(err, "cannot %s %s: %s%s", doing, path, strerror(e), help_for(e));
}

static bool regular(const struct stat *st, const char *path, RtError *err) {
  return S_ISREG(st->st_mode) ||
         rt_fail(err, "cannot read %s: it is %s, not a file", path, S_ISDIR(st->st_mode) ? "a directory" : "a pipe or a device");
}

bool rt_file_regular(const char *path, RtError *err) {
  struct stat st;
  return stat(path, &st) == 0 ? regular(&st, path, err) : rt_fail_errno(err, "open", path);
}

char *rt_file_read(const char *path, size_t *size, RtError *err) {
  const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe would wait for somebody to write */
  if (fd < 0) {
    rt_fail_errno(err, "open", path);
    return NULL;
  }
  struct stat st;
  char *text = NULL;
  size_t have = 0, room = 0;
  bool ok = fstat(fd, &st) == 0;
  if (ok && !regular(&st, path, err)) return close(fd), NULL;
  if (ok && st.st_size > 0) room = (size_t)st.st_size;
  for (bool end = false; ok && !end;) {
    if (!text || have == room) {
      room = text ? 2 * room + 4096 : room + 1;
      char *more = realloc(text, room + 1);
      if (!more) {
        errno = ENOMEM;
        ok = false;
        break;
      }
      text = more;
    }
    const ssize_t got = read(fd, text + have, room - have);
    if (got < 0 && errno == EINTR) continue;
    ok = got >= 0;
    end = got == 0;
    if (ok) have += (size_t)got;
  }
  if (!ok) rt_fail_errno(err, "read", path);
  close(fd);
  if (!ok) {
    free(text);
    return NULL;
  }
  text[have] = 0;
  *size = have;
  return text;
}

static bool write_all(int fd, const char *p, size_t size) {
  while (size) {
    const ssize_t n = write(fd, p, size < 1 << 30 ? size : 1 << 30);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return false;
    p += n;
    size -= (size_t)n;
  }
  return true;
}

/* "dir/.name.tmp-THREAD" and where the name starts in path. */
static char *beside(const char *path, const char **name) {
  const char *slash = strrchr(path, '/');
  *name = slash ? slash + 1 : path;
  char *tmp = NULL;
  if (asprintf(&tmp, "%.*s.%s.tmp-%ld", (int)(*name - path), path, *name, (long)syscall(SYS_gettid)) < 0) return NULL;
  return tmp;
}

static void sync_directory(const char *path, const char *name) {
  char *dir = name == path ? strdup(".") : strndup(path, (size_t)(name - path));
  const int fd = dir ? open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
  if (fd >= 0) {
    fsync(fd);
    close(fd);
  }
  free(dir);
}

static bool put(const char *path, const void *data, size_t size, bool wait, RtError *err) {
  const char *name;
  char *tmp = beside(path, &name);
  if (!tmp) return rt_fail(err, "not enough memory");
  const int fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  bool ok = fd >= 0;
  if (ok) {
    ok = write_all(fd, data, size) && (!wait || fsync(fd) == 0);
    const int e = errno;
    if (close(fd) != 0) ok = false;
    else errno = e;
    ok = ok && rename(tmp, path) == 0;
  }
  if (!ok) {
    rt_fail_errno(err, "write", path);
    if (fd >= 0) unlink(tmp);
  } else if (wait) {
    sync_directory(path, name);
  }
  free(tmp);
  return ok;
}

bool rt_file_write(const char *path, const void *data, size_t size, RtError *err) { return put(path, data, size, true, err); }

bool rt_file_put(const char *path, const void *data, size_t size, RtError *err) { return put(path, data, size, false, err); }

bool rt_file_settle(const char *path, RtError *err) {
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return errno == ENOENT || rt_fail_errno(err, "open", path);
  const bool ok = fsync(fd) == 0 || rt_fail_errno(err, "write", path);
  const char *slash = strrchr(path, '/');
  close(fd);
  if (ok) sync_directory(path, slash ? slash + 1 : path);
  return ok;
}

bool rt_link_replace(const char *target, const char *path, RtError *err) {
  const char *name;
  char *tmp = beside(path, &name);
  if (!tmp) return rt_fail(err, "not enough memory");
  unlink(tmp);
  const bool ok = symlink(target, tmp) == 0 && rename(tmp, path) == 0;
  if (!ok) {
    rt_fail_errno(err, "link", path);
    unlink(tmp);
  }
  free(tmp);
  return ok;
}
