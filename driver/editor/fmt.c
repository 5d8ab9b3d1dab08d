/* `hnnc fmt FILE ... [--check]`: files in the one style of frontend/format. 0; 1: a file has syntax errors, or with --check is not in the
 * style; 4: it cannot be read or written. Files that cannot be formatted are left as they are, the others are done all the same. */
#include "driver/manual/manual.h"
#include "driver/process/process.h"
#include "frontend/format/format.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int cannot(Diag *diag, const char *what, const char *path) {
  diag_add(diag, CODE_file, (Span){0}, "cannot %s `%s`: %s", what, path, source_fault(errno));
  return EXIT_IO;
}

/* In the place of the file itself where `path` is a link to it. A new file takes its place, so what is read-only is asked. */
static int replace(Diag *diag, const char *path, const char *text, size_t len) {
  char real[PATH_MAX];
  OutFile out;
  struct stat st;
  if (!realpath(path, real) || stat(real, &st)) return cannot(diag, "write", path);
  if (!(st.st_mode & (S_IWUSR | S_IWGRP | S_IWOTH))) return errno = EACCES, cannot(diag, "write", path);
  FILE *f = out_open(&out, real);
  if (!f) return cannot(diag, "write", path);
  fwrite(text, 1, len, f);
  return out_end(&out, true) ? 0 : cannot(diag, "write", path);
}

static int format_one(const Options *o, const char *path, Source *src, Arena *mem, Diag *diag) {
  const uint32_t file = source_load_any(src, path);
  if (!file) return cannot(diag, "read", path);
  size_t len;
  const char *text = format_text(src, file, mem, diag, &len);
  const SourceFile *f = source_file(src, file);
  if (!text) return EXIT_FILE;
  const bool changed = len != f->len || memcmp(text, f->text, f->len) != 0;
  if (o->check && changed) printf("%s\n", f->name);
  if (o->check) return changed ? EXIT_FILE : 0;
  if (!strcmp(path, "-")) return fwrite(text, 1, len, stdout), 0;
  return changed ? replace(diag, path, text, len) : 0;
}

/* Each file has a collection of its own, so that the errors of one do not use up the room of another's. */
static int format_file(const Options *o, const char *path) {
  Source *src = source_create();
  Diag *diag = diag_create(src);
  Arena *mem = arena_create();
  const int code = format_one(o, path, src, mem, diag);
  diag_render(diag, stderr, isatty(STDERR_FILENO) && !getenv("NO_COLOR"));
  arena_destroy(mem);
  diag_destroy(diag);
  source_destroy(src);
  return code;
}

int command_fmt(const Options *o) {
  int code = format_file(o, o->file);
  for (uint32_t k = 0; k < o->more.n; k++) {
    const int other = format_file(o, o->more.at[k]);
    if (other > code) code = other;
  }
  return code;
}
