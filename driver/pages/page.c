/* Pages that stand alone: NAME.html with what it names between two @: texts of the build by their path in this room (styles, programs), TITLE,
 * DATA. Data are JSON, packed, in a <script> that is not run. */
#include "driver/pages/pages.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

const char *pages_text(const char *name, size_t *len); /* made by tools/embed.c */

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

char *pages_base64(const unsigned char *p, size_t n) {
  char *text = base_realloc(NULL, (n + 2) / 3 * 4 + 1), *to = text;
  for (size_t k = 0; k < n; k += 3, to += 4) {
    const uint32_t v = (uint32_t)p[k] << 16 | (k + 1 < n ? (uint32_t)p[k + 1] << 8 : 0) | (k + 2 < n ? p[k + 2] : 0);
    for (int i = 0; i < 4; i++) to[i] = k + (size_t)(i ? i - 1 : 0) < n ? digits[v >> (18 - 6 * i) & 63] : '=';
  }
  *to = 0;
  return text;
}

/* As gzip, in base64: what common.js unpacks. */
static void write_packed(FILE *out, const char *text) {
  enum { GZIP = 16 + MAX_WBITS };
  z_stream z = {0};
  const size_t n = strlen(text);
  if (deflateInit2(&z, 6, Z_DEFLATED, GZIP, 9, Z_DEFAULT_STRATEGY) != Z_OK) base_fault("out of memory");
  const size_t most = deflateBound(&z, n);
  unsigned char *to = base_realloc(NULL, most);
  z.next_in = (unsigned char *)(uintptr_t)text, z.avail_in = (uInt)n, z.next_out = to, z.avail_out = (uInt)most;
  if (deflate(&z, Z_FINISH) != Z_STREAM_END) base_fault("the data of a page cannot be packed");
  char *coded = pages_base64(to, z.total_out);
  fputs(coded, out);
  base_free(coded);
  deflateEnd(&z);
  base_free(to);
}

static void write_title(FILE *out, const char *title) {
  for (; *title; title++) {
    if (*title == '<') fputs("&lt;", out);
    else if (*title == '&') fputs("&amp;", out);
    else fputc(*title, out);
  }
}

static void write_place(FILE *out, const char *what, size_t n, const char *title, const char *data) {
  char key[64];
  size_t len;
  snprintf(key, sizeof key, "%.*s", (int)n, what);
  if (!strcmp(key, "TITLE")) write_title(out, title);
  else if (!strcmp(key, "DATA")) write_packed(out, data);
  else {
    const char *text = pages_text(key, &len);
    if (!text) base_fault("there is no text `%s`", key);
    fwrite(text, 1, len, out);
  }
}

bool pages_write(FILE *out, const char *name, const char *title, const json_t *data) {
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
    write_place(out, at + n + 1, word, title, json);
    at += n + word + 2;
  }
  free(json);
  return !ferror(out);
}
