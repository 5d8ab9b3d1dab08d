/* The files of a run, none of them trusted: they may be of elsewhere, cut off, or under way. Limits come before reading. */
#include "driver/report/report_priv.h"
#include "driver/pages/pages.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum {
  MIB = 1 << 20,
  MOST = 64 * MIB,
  LINE = 4 * MIB,
  PICTURE = 4 * MIB
}; /* bytes of a file, of a line of metrics.jsonl, of a picture on a page */

static bool fail(RtError *err, const char *path, const char *what) {
  return snprintf(err->text, sizeof err->text, "%.300s: %.180s", path, what), false;
}

static char *path_in(const RtRun *run, const char *name) {
  char *path = rt_run_path(run, name);
  if (!path) base_fault("out of memory");
  return path;
}

/* Of at most MOST bytes; empty ones are refused, since hnnc writes none. */
static char *read_whole(const char *path, size_t *size, RtError *err) {
  struct stat st;
  if (stat(path, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > MOST) return fail(err, path, "it has more than 64 MB"), NULL;
  char *text = rt_file_read(path, size, err);
  if (!text || *size) return text;
  free(text);
  return fail(err, path, "the file is empty"), NULL;
}

static bool is_utf8(const char *text, size_t size, const char *path, RtError *err) {
  size_t k = 0;
  int32_t code = 0;
  uint32_t len;
  for (; k < size; k += len) {
    len = source_char(text, (uint32_t)size, (uint32_t)k, &code);
    if (code <= 0) break;
  }
  if (k == size) return true;
  size_t line = 1;
  for (size_t i = 0; i < k; i++) line += text[i] == '\n';
  return snprintf(err->text, sizeof err->text, "%.300s:%zu: byte %zu is %s", path, line, k + 1,
                  code ? "not UTF-8" : "0, which no text has"),
         false;
}

char *report_text(const RtRun *run, const char *name, size_t *size, RtError *err) {
  char *path = path_in(run, name), *text = read_whole(path, size, err);
  if (text && !is_utf8(text, *size, path, err)) free(text), text = NULL;
  free(path);
  return text;
}

bool report_begun(const char *dir) {
  char *path = NULL;
  struct stat st;
  if (asprintf(&path, "%s/model.hnn", dir) < 0) base_fault("out of memory");
  const bool there = stat(path, &st) == 0;
  free(path);
  return there;
}

/* ---- JSON --------------------------------------------------------------------------------------------------------------------- */

/* What jansson says, without what it quotes of the file. */
static bool no_json(RtError *err, const char *path, int line, json_error_t *e) {
  char *quoted = strstr(e->text, " near '");
  if (quoted) *quoted = 0;
  return snprintf(err->text, sizeof err->text, "%.300s:%d: this is not JSON: %s", path, line, e->text), false;
}

json_t *report_json(const RtRun *run, const char *name, bool *none, RtError *err) {
  char *path = path_in(run, name);
  struct stat st;
  size_t size = 0;
  json_error_t e;
  *none = stat(path, &st) && errno == ENOENT;
  char *text = *none ? NULL : read_whole(path, &size, err);
  json_t *out = text ? json_loadb(text, size, 0, &e) : NULL;
  if (text && !out) no_json(err, path, e.line, &e);
  if (*none) fail(err, path, "there is no such file");
  if (out && !shape_fits(!strcmp(name, "reports.json") ? SHAPE_REPORTS : SHAPE_MANIFEST, out, path, err))
    json_decref(out), out = NULL;
  free(text);
  free(path);
  return out;
}

/* ---- metrics.jsonl ------------------------------------------------------------------------------------------------------------ */

/* The next line with its end; false: there is none, or it is too long, which *length says. */
static bool next_line(FILE *in, char *line, size_t *length) {
  *length = 0;
  for (int c; (c = getc_unlocked(in)) != EOF;) {
    if (*length == LINE) return false;
    line[(*length)++] = (char)c;
    if (c == '\n') return true;
  }
  return false;
}

static bool take_line(json_t *out, const char *line, size_t length, const char *path, int number, RtError *err) {
  char place[400];
  json_error_t e;
  json_t *one = json_loadb(line, length, 0, &e);
  snprintf(place, sizeof place, "%.300s:%d", path, number);
  const bool good = one ? shape_fits(SHAPE_METRIC, one, place, err) : no_json(err, path, number, &e);
  if (good) json_array_append(out, one);
  json_decref(one);
  return good;
}

static size_t lines_of(FILE *in, char *line) {
  size_t n = 0, length;
  while (next_line(in, line, &length)) n++;
  rewind(in);
  return n;
}

static json_t *lines(FILE *in, const char *path, size_t most, bool whole, RtError *err) {
  char *line = base_realloc(NULL, LINE);
  const size_t n = lines_of(in, line), every = n / most + 1;
  json_t *out = json_array();
  bool good = true;
  size_t length = 0;
  for (size_t k = 0; good && k < n && next_line(in, line, &length); k++)
    if (k % every == 0 || k + 1 == n) good = take_line(out, line, length, path, (int)k + 1, err);
  if (good) next_line(in, line, &length);
  if (good && length == LINE) good = fail(err, path, "a line of it has more than 4 MB");
  if (good && length && whole) good = fail(err, path, "its last line is cut off");
  if (good && length && *line != '{') good = fail(err, path, "its end is no line that is being written");
  if (good && ferror(in)) good = fail(err, path, strerror(EIO));
  base_free(line);
  if (!good) json_decref(out);
  return good ? out : NULL;
}

json_t *report_metrics(const RtRun *run, size_t most, bool whole, RtError *err) {
  char *path = path_in(run, "metrics.jsonl");
  struct stat st;
  json_t *out = NULL;
  const bool there = stat(path, &st) == 0, file = there && S_ISREG(st.st_mode);
  FILE *in = file ? fopen(path, "re") : NULL;
  if (in) out = lines(in, path, most, whole, err);
  else fail(err, path, there && !file ? "it is not a file" : strerror(errno));
  if (in) fclose(in);
  if (out && whole && !json_array_size(out) && rt_run_begun(run)) {
    fail(err, path, "it is empty, although the run has trained");
    json_decref(out);
    out = NULL;
  }
  free(path);
  return out;
}

/* ---- pictures ----------------------------------------------------------------------------------------------------------------- */

static bool ends_with(const char *text, size_t size, const char *end) {
  const size_t n = strlen(end);
  while (size && strchr(" \t\r\n", text[size - 1])) size--;
  return size >= n && !memcmp(text + size - n, end, n);
}

static json_t *svg_of(const char *text, size_t size, const char *path, RtError *err) {
  if (strncmp(text, "<?xml", 5) && strncmp(text, "<svg", 4))
    return fail(err, path, "this is not an SVG: it begins neither with `<?xml` nor with `<svg`"), NULL;
  if (!ends_with(text, size, "</svg>")) return fail(err, path, "it is cut off: an SVG ends with `</svg>`"), NULL;
  return is_utf8(text, size, path, err) ? json_stringn(text, size) : NULL;
}

static json_t *gif_of(const char *bytes, size_t size, const char *path, RtError *err) {
  if (size < 14 || strncmp(bytes, "GIF8", 4)) return fail(err, path, "this is not a GIF: it does not begin with `GIF8`"), NULL;
  if (bytes[size - 1] != ';') return fail(err, path, "it is cut off: a GIF ends with `;`"), NULL;
  char *text = pages_base64((const unsigned char *)bytes, size);
  json_t *out = json_string(text);
  base_free(text);
  return out;
}

json_t *report_picture(const RtRun *run, const char *name, const char **why, RtError *err) {
  char *path = path_in(run, name);
  struct stat st;
  size_t size = 0;
  json_t *out = NULL;
  *why =
      stat(path, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > PICTURE ? "it has more than 4 MB, and is not on this page" : NULL;
  char *text = *why ? NULL : read_whole(path, &size, err);
  if (*why) out = json_null();
  else if (text) out = ends_with(name, strlen(name), ".gif") ? gif_of(text, size, path, err) : svg_of(text, size, path, err);
  free(text);
  free(path);
  return out;
}
