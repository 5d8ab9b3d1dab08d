/* Pages that stand alone: a text of the build with its style, its program and the data in the places of @STYLE@, @PROGRAM@, @DATA@.
 * Data are JSON in a <script> that is not run; `<` is written as \u003c there, so that no text of a model ends it. */
#include "driver/explore/explore.h"

#include <stdlib.h>
#include <string.h>

const char *pages_text(const char *name, size_t *len); /* made by tools/embed.c */

static void write_safe(FILE *out, const char *text) {
  for (const char *at = text; *at;) {
    const size_t n = strcspn(at, "<");
    fwrite(at, 1, n, out);
    if (at[n]) fputs("\\u003c", out), at++;
    at += n;
  }
}

static void write_title(FILE *out, const char *title) {
  for (; *title; title++) {
    if (*title == '<') fputs("&lt;", out);
    else if (*title == '&') fputs("&amp;", out);
    else fputc(*title, out);
  }
}

static void write_named(FILE *out, const char *name, const char *end) {
  char key[64];
  size_t len;
  snprintf(key, sizeof key, "%s.%s", name, end);
  const char *text = pages_text(key, &len);
  if (!text) base_fault("there is no text `%s`", key);
  fwrite(text, 1, len, out);
}

static void write_place(FILE *out, const char *what, size_t n, const char *name, const char *title, const char *data) {
  if (n == 5 && !memcmp(what, "STYLE", n)) write_named(out, "common", "css"), write_named(out, name, "css");
  else if (n == 7 && !memcmp(what, "PROGRAM", n)) write_named(out, "common", "js"), write_named(out, name, "js");
  else if (n == 5 && !memcmp(what, "TITLE", n)) write_title(out, title);
  else if (n == 4 && !memcmp(what, "DATA", n)) write_safe(out, data);
}

bool explore_write_page(FILE *out, const char *name, const char *title, const json_t *data) {
  char key[64];
  size_t len;
  snprintf(key, sizeof key, "%s.html", name);
  const char *text = pages_text(key, &len);
  char *json = json_dumps(data, JSON_COMPACT | JSON_REAL_PRECISION(6));
  if (!text || !json) base_fault("the page `%s` cannot be made", name);
  for (const char *at = text; *at;) {
    const size_t n = strcspn(at, "@"), word = at[n] ? strcspn(at + n + 1, "@") : 0;
    fwrite(at, 1, n, out);
    if (!at[n]) break;
    write_place(out, at + n + 1, word, name, title, json);
    at += n + word + 2;
  }
  free(json);
  return !ferror(out);
}
