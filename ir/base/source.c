/* Source files held in memory, and the arithmetic of places in them. Offsets are bytes; columns count
 * characters, where a byte that is not part of valid UTF-8 counts as one character. */
#include "ir/base/base.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

Source *source_create(void) {
  Source *s = base_realloc(NULL, sizeof *s);
  *s = (Source){.mem = arena_create()};
  return s;
}

void source_destroy(Source *s) {
  if (!s) return;
  vec_free(&s->files);
  vec_free(&s->stated);
  arena_destroy(s->mem);
  base_free(s);
}

uint32_t source_state(Source *s, const char *of, Span words) {
  for (uint32_t i = 0; i < s->stated.n; i++) {
    const Span at = s->stated.at[i].words;
    if (at.file == words.file && at.begin == words.begin && at.end == words.end) return i;
  }
  *vec_push(&s->stated) = (SourceStated){of ? arena_strdup(s->mem, of) : NULL, words};
  return s->stated.n - 1;
}

static void find_lines(Arena *mem, SourceFile *f) {
  f->nlines = 1;
  for (uint32_t i = 0; i < f->len; i++) f->nlines += f->text[i] == '\n';
  f->line = ARENA_ARRAY(mem, uint32_t, f->nlines);
  for (uint32_t i = 0, k = 1; i < f->len; i++)
    if (f->text[i] == '\n') f->line[k++] = i + 1;
}

enum { MARK = 512 }; /* bytes from one to the next */

static void find_marks(Arena *mem, SourceFile *f) {
  f->mark = ARENA_ARRAY(mem, struct SourceMark, f->len / MARK + 1);
  int32_t code;
  for (uint32_t i = 0, chars = 0; i <= f->len; i += i < f->len ? source_char(f->text, f->len, i, &code) : 1, chars++)
    if (i / MARK >= f->nmarks) f->mark[f->nmarks++] = (struct SourceMark){i, chars};
}

/* Characters before byte `at`. */
static uint32_t chars_before(const SourceFile *f, uint32_t at) {
  uint32_t k = at / MARK < f->nmarks ? at / MARK : f->nmarks - 1;
  int32_t code;
  if (f->mark[k].at > at) k--; /* the mark is behind the character across */
  uint32_t chars = f->mark[k].chars;
  for (uint32_t i = f->mark[k].at; i < at; i += source_char(f->text, f->len, i, &code)) chars++;
  return chars;
}

uint32_t source_add(Source *s, const char *name, const char *text, size_t len) {
  if (len > SOURCE_MOST) base_fault("source text of %zu bytes", len);
  SourceFile f = {.name = arena_strdup(s->mem, name), .text = arena_strndup(s->mem, text, len), .len = (uint32_t)len};
  find_lines(s->mem, &f);
  find_marks(s->mem, &f);
  *vec_push(&s->files) = f;
  return s->files.n;
}

/* Opens what can be read to its end; a pipe or a device would wait for somebody, and is read only where it was asked for. */
static FILE *open_text(const char *path, bool pipes) {
  struct stat st;
  int fd = open(path, O_RDONLY | O_CLOEXEC | (pipes ? 0 : O_NONBLOCK)), fault = 0;
  if (fd < 0) return NULL;
  if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode)) fault = EISDIR;
  else if (!pipes && !S_ISREG(st.st_mode)) fault = ENXIO;
  FILE *in = fault ? NULL : fdopen(fd, "rb");
  if (in) return in;
  close(fd);
  errno = fault ? fault : errno;
  return NULL;
}

static FILE *open_standard_input(void) {
  int fd = dup(STDIN_FILENO);
  FILE *in = fd < 0 ? NULL : fdopen(fd, "rb");
  if (!in && fd >= 0) close(fd);
  return in;
}

static uint32_t load(Source *s, const char *path, bool pipes) {
  const bool standard = pipes && !strcmp(path, "-");
  FILE *in = standard ? open_standard_input() : open_text(path, pipes);
  if (!in) return 0;
  if (standard) path = SOURCE_STDIN;
  VEC(char) buf = {0};
  int fault = 0;
  for (;;) {
    vec_reserve(&buf, 1 << 16);
    size_t got = fread(buf.at + buf.n, 1, 1 << 16, in);
    buf.n += (uint32_t)got;
    if (buf.n > SOURCE_MOST) fault = EFBIG;
    else if (ferror(in)) fault = errno ? errno : EIO;
    if (got == 0 || fault) break;
  }
  fclose(in);
  uint32_t id = fault ? 0 : source_add(s, path, buf.at, buf.n);
  if (id) s->files.at[id - 1].loaded = !standard;
  vec_free(&buf);
  errno = fault;
  return id;
}

uint32_t source_load(Source *s, const char *path) { return load(s, path, false); }

uint32_t source_load_any(Source *s, const char *path) {
  if (!strcmp(path, "-")) return load(s, path, true);
  uint32_t id = load(s, path, false);
  return id || errno != ENXIO ? id : load(s, path, true);
}

const char *source_fault(int error) { return error == ENXIO ? "it is no file that can be read to its end" : strerror(error); }

const SourceFile *source_file(const Source *s, uint32_t file) {
  if (file == 0 || file > s->files.n) return NULL;
  return &s->files.at[file - 1];
}

void source_says_language(Source *s, uint32_t file, int version) { s->files.at[file - 1].language = version; }

uint32_t source_char(const char *text, uint32_t len, uint32_t at, int32_t *code) {
  const unsigned char *p = (const unsigned char *)text + at;
  uint32_t left = len - at, n = p[0] < 0x80 ? 1 : p[0] >> 5 == 6 ? 2 : p[0] >> 4 == 14 ? 3 : p[0] >> 3 == 30 ? 4 : 0;
  static const int32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
  *code = -1;
  if (n == 0 || n > left) return 1;
  int32_t c = n == 1 ? p[0] : p[0] & (0xff >> (n + 1));
  for (uint32_t i = 1; i < n; i++) {
    if (p[i] >> 6 != 2) return 1;
    c = c << 6 | (p[i] & 0x3f);
  }
  if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff)) return 1;
  *code = c;
  return n;
}

void source_place(const Source *s, Span at, uint32_t *line, uint32_t *column) {
  const SourceFile *f = source_file(s, at.file);
  *line = *column = 0;
  if (!f) return;
  uint32_t end = at.begin < f->len ? at.begin : f->len, lo = 0, hi = f->nlines;
  while (hi - lo > 1) {
    uint32_t mid = lo + (hi - lo) / 2;
    if (f->line[mid] <= end) lo = mid;
    else hi = mid;
  }
  *line = lo + 1;
  *column = 1 + chars_before(f, end) - chars_before(f, f->line[lo]);
}

const char *source_where(const Source *s, Span at, char *buf, size_t size) {
  const SourceFile *f = source_file(s, at.file);
  uint32_t line, column;
  source_place(s, at, &line, &column);
  if (f) snprintf(buf, size, "%s:%u:%u", f->name, line, column);
  else snprintf(buf, size, "-");
  return buf;
}

Span span_join(Span a, Span b) {
  if (a.file == 0 || a.file != b.file) return a.file ? a : b;
  return (Span){a.file, a.begin < b.begin ? a.begin : b.begin, a.end > b.end ? a.end : b.end};
}
