/* Messages of JSON-RPC on the standard input and output, each behind its Content-Length. */
#include "driver/editor/server_priv.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST_MESSAGE = 256 << 20, MOST_HEADER = 4096 };

static struct { /* the standard input is the process's */
  char *at;
  size_t n, cap, done;
  bool over;
} in;

static bool readable(int milliseconds) {
  struct pollfd p = {.fd = STDIN_FILENO, .events = POLLIN};
  int n;
  do n = poll(&p, 1, milliseconds);
  while (n < 0 && errno == EINTR);
  return n > 0;
}

static void fill(void) {
  if (in.done) memmove(in.at, in.at + in.done, in.n - in.done), in.n -= in.done, in.done = 0;
  if (in.cap - in.n < 1 << 16) in.cap = in.n + (1 << 18), in.at = base_realloc(in.at, in.cap);
  const ssize_t n = read(STDIN_FILENO, in.at + in.n, in.cap - in.n);
  if (n > 0) in.n += (size_t)n;
  else if (n == 0 || errno != EINTR) in.over = true;
}

/* Where the body begins and how long it is; false: the header is not there yet. What is no header is passed over. */
static bool header(size_t *body, size_t *len) {
  const char *text = in.at ? in.at + in.done : "", *end = in.n > in.done ? memmem(text, in.n - in.done, "\r\n\r\n", 4) : NULL;
  *len = 0;
  if (!end) {
    if (in.n - in.done > MOST_HEADER) in.done = in.n;
    return false;
  }
  for (const char *line = text; line < end; line = (const char *)memchr(line, '\n', (size_t)(end - line) + 2) + 1)
    if (!strncasecmp(line, "Content-Length:", 15)) *len = strtoul(line + 15, NULL, 10);
  *body = (size_t)(end - in.at) + 4;
  if (*len > MOST_MESSAGE) *len = 0;
  return true;
}

static bool whole(size_t *body, size_t *len) { return header(body, len) && in.n - *body >= *len; }

bool rpc_waiting(void) {
  size_t body, len;
  return whole(&body, &len) || readable(0);
}

json_t *rpc_read(int milliseconds, bool *over) {
  size_t body, len;
  *over = false;
  while (!whole(&body, &len)) {
    if (in.over) return *over = true, NULL;
    if (!readable(milliseconds)) return NULL;
    fill();
  }
  json_t *m = json_loadb(in.at + body, len, JSON_ALLOW_NUL, NULL);
  in.done = body + len;
  if (json_is_object(m)) return m;
  json_decref(m);
  return json_object();
}

void rpc_write(json_t *message) {
  json_object_set_new(message, "jsonrpc", json_string("2.0"));
  char *text = json_dumps(message, JSON_COMPACT | JSON_ENSURE_ASCII);
  json_decref(message);
  if (!text) return;
  printf("Content-Length: %zu\r\n\r\n%s", strlen(text), text);
  fflush(stdout);
  free(text);
}

void rpc_reply(const json_t *id, json_t *result) {
  json_t *m = json_object();
  json_object_set(m, "id", (json_t *)id);
  json_object_set_new(m, "result", result ? result : json_null());
  rpc_write(m);
}

void rpc_fail(const json_t *id, int code, const char *fmt, ...) {
  char text[512];
  va_list ap;
  va_start(ap, fmt);
  vsnprintf(text, sizeof text, fmt, ap);
  va_end(ap);
  size_t n = 0; /* as far as there are whole characters: the end may have cut one */
  for (const size_t len = strlen(text); n < len;) {
    int32_t point;
    const uint32_t one = source_char(text, (uint32_t)len, (uint32_t)n, &point);
    if (point < 0) break;
    n += one;
  }
  json_t *m = json_object();
  json_object_set(m, "id", id ? (json_t *)id : json_null());
  json_object_set_new(m, "error", json_pack("{s:i, s:o}", "code", code, "message", json_stringn_nocheck(text, n)));
  rpc_write(m);
}
