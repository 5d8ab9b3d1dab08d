/* Files that a command writes at its user's wish: whole under their name, or not there. What is written goes into NAME.new,
 * which takes the place of NAME at the end. What is no regular file (/dev/null, a pipe) is written to directly. */
#include "driver/driver.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static bool direct(const char *path) {
  struct stat st;
  return stat(path, &st) == 0 && !S_ISREG(st.st_mode);
}

void out_begin(OutFile *o, const char *path) {
  *o = (OutFile){.path = path, .made = path};
  if (!path || direct(path)) return;
  size_t n = strlen(path) + sizeof ".new";
  o->own = base_realloc(NULL, n);
  snprintf(o->own, n, "%s.new", path);
  o->made = o->own;
  stop_removes(o->made);
}

FILE *out_open(OutFile *o, const char *path) {
  out_begin(o, path);
  o->f = path ? fopen(o->made, "w") : stdout;
  if (!o->f) out_end(o, false);
  return o->f;
}

bool out_end(OutFile *o, bool keep) {
  int error = errno;
  bool ok = o->f == stdout || !o->f || fclose(o->f) == 0;
  if (!ok) error = errno;
  struct stat st;
  if (o->own && keep && ok && stat(o->path, &st) == 0) (void)!chmod(o->own, st.st_mode & 07777);
  if (o->own && keep && ok && rename(o->own, o->path) != 0) ok = false, error = errno;
  if (o->own) {
    if (!keep || !ok) remove(o->own);
    stop_keeps(o->own);
    free(o->own);
  }
  *o = (OutFile){0};
  errno = error;
  return ok;
}
