/* Open documents: their texts, and places in them as the protocol counts: lines from 0, in a line units of UTF-16. */
#include "driver/editor/server_priv.h"

#include <stdlib.h>
#include <string.h>

/* ---- places -------------------------------------------------------------------------------------------- */

/* Bytes of the end of a line that stands at a place; 0: none does. A \r alone is one to the protocol, to the language it is a blank. */
uint32_t text_line_end(const char *text, size_t len, size_t at) {
  if (at >= len || (text[at] != '\n' && text[at] != '\r')) return 0;
  return text[at] == '\r' && at + 1 < len && text[at + 1] == '\n' ? 2 : 1;
}

/* The next end of a line from a place on: where it begins; len: there is none. */
static size_t line_end(const char *text, size_t len, size_t at) {
  const char *n = memchr(text + at, '\n', len - at);
  const size_t most = n ? (size_t)(n - text) : len;
  const char *r = memchr(text + at, '\r', most - at);
  return r ? (size_t)(r - text) : most;
}

uint32_t text_offset(const char *text, size_t len, const json_t *position) {
  json_int_t line = json_integer_value(json_object_get(position, "line")),
             units = json_integer_value(json_object_get(position, "character"));
  size_t at = 0;
  for (; line > 0; line--) {
    at = line_end(text, len, at);
    if (at == len) return (uint32_t)len;
    at += text_line_end(text, len, at);
  }
  while (units > 0 && at < len && !text_line_end(text, len, at)) {
    int32_t code;
    const uint32_t n = source_char(text, (uint32_t)len, (uint32_t)at, &code);
    units -= code > 0xffff ? 2 : 1;
    if (units < 0) break; /* within a pair: before it */
    at += n;
  }
  return (uint32_t)at;
}

json_t *text_position(const char *text, size_t len, uint32_t offset) {
  json_int_t line = 0, units = 0;
  if (offset > len) offset = (uint32_t)len;
  size_t begin = 0;
  for (size_t at; (at = line_end(text, offset, begin)) < offset; line++) {
    const size_t behind = at + text_line_end(text, len, at);
    if (behind > offset) break; /* within an end of two bytes */
    begin = behind;
  }
  while (begin < offset) {
    int32_t code;
    begin += source_char(text, (uint32_t)len, (uint32_t)begin, &code);
    units += code > 0xffff ? 2 : 1;
  }
  return json_pack("{s:I, s:I}", "line", line, "character", units);
}

json_t *text_range(const char *text, size_t len, uint32_t begin, uint32_t end) {
  return json_pack("{s:o, s:o}", "start", text_position(text, len, begin), "end",
                   text_position(text, len, end < begin ? begin : end));
}

/* ---- names of files ---------------------------------------------------------------------------------------- */

static int hex(char c) { return c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1; }

char *doc_path(const char *uri) {
  const char *from = uri;
  if (!strncmp(uri, "file://", 7)) from = uri + 7 + strcspn(uri + 7, "/"); /* behind the name of this machine, if it is there */
  char *path = base_strdup(from), *to = path;
  for (const char *c = from; *c; c++) {
    const bool coded = *c == '%' && hex(c[1]) >= 0 && hex(c[2]) >= 0 && hex(c[1]) + hex(c[2]);
    *to++ = coded ? (char)(hex(c[1]) * 16 + hex(c[2])) : *c;
    if (coded) c += 2;
  }
  *to = 0;
  return path;
}

char *doc_uri(const char *path) {
  static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~/";
  char *uri = base_realloc(NULL, 3 * strlen(path) + 8), *to = uri + sprintf(uri, "file://");
  for (const char *c = path; *c; c++) to += strchr(plain, *c) ? (*to = *c, 1) : sprintf(to, "%%%02X", (unsigned char)*c);
  *to = 0;
  return uri;
}

/* ---- documents ------------------------------------------------------------------------------------------------ */

Doc *doc_find(const Server *s, const char *uri) {
  Doc *d = s->docs;
  while (d && (!uri || strcmp(d->uri, uri) != 0)) d = d->next;
  return d;
}

static void set_text(Doc *d, char *text, size_t len) {
  base_free(d->text);
  d->text = text, d->len = len;
  d->dirty = true;
}

static char *copy(const char *text, size_t len) {
  char *c = base_realloc(NULL, len + 1);
  memcpy(c, text, len);
  c[len] = 0;
  return c;
}

Doc *doc_open(Server *s, const char *uri, const char *text, size_t len, int64_t version) {
  Doc *d = doc_find(s, uri);
  if (!d) {
    d = base_zeroed(1, sizeof *d);
    *d = (Doc){.next = s->docs, .uri = base_strdup(uri), .path = doc_path(uri)};
    s->docs = d;
  }
  set_text(d, copy(text, len), len);
  d->version = version;
  return d;
}

void doc_close(Server *s, Doc *d) {
  for (Doc **p = &s->docs; *p; p = &(*p)->next)
    if (*p == d) {
      *p = d->next;
      break;
    }
  analysis_forget(d);
  base_free(d->uri), base_free(d->path), base_free(d->text);
  base_free(d);
}

bool doc_change(Doc *d, const json_t *change) {
  const json_t *text = json_object_get(change, "text"), *range = json_object_get(change, "range");
  if (!json_is_string(text)) return false;
  const char *with = json_string_value(text);
  const size_t n = json_string_length(text);
  uint32_t begin = 0, end = (uint32_t)d->len;
  if (json_is_object(range)) {
    begin = text_offset(d->text, d->len, json_object_get(range, "start"));
    end = text_offset(d->text, d->len, json_object_get(range, "end"));
  }
  if (end < begin) end = begin;
  if (d->len - (end - begin) + n > SOURCE_MOST) return false;
  const size_t len = d->len - (end - begin) + n;
  char *made = base_realloc(NULL, len + 1);
  memcpy(made, d->text, begin);
  memcpy(made + begin, with, n);
  memcpy(made + begin + n, d->text + end, d->len - end);
  made[len] = 0;
  set_text(d, made, len);
  return true;
}
