/* Messages of JSON-RPC on the standard input and output, each behind its Content-Length.
 *
 * What the client sends is not trusted: bytes that are no header are passed over up to the next one, a message that is too long is passed
 * over and said to be so. What it reads is written whole, however slowly it reads; if it has gone, that is the end of the input, too.
 * The standard output is the messages' alone: whatever else prints there, prints on the standard error. */
#include "driver/editor/server_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST_MESSAGE = 64 << 20, MOST_HEADER = 4096, KEPT_BUFFER = 1 << 20 };

static struct { /* the standard input is the process's */
  char *at;
  size_t n, cap, done;
  size_t skip; /* bytes to come that belong to a message which is too long */
  bool over;
  VEC(json_t *) queue; /* messages that were read before their turn */
  uint32_t first;
} in;

static int out = STDOUT_FILENO;

void rpc_begin(void) {
  const struct sigaction ignore = {.sa_handler = SIG_IGN};
  sigaction(SIGPIPE, &ignore, NULL);
  const int own = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
  if (own >= 0 && dup2(STDERR_FILENO, STDOUT_FILENO) >= 0) out = own;
}

/* ---- reading ------------------------------------------------------------------------------------------------- */

static bool readable(int milliseconds) {
  struct pollfd p = {.fd = STDIN_FILENO, .events = POLLIN};
  int n;
  do n = poll(&p, 1, milliseconds);
  while (n < 0 && errno == EINTR);
  return n > 0;
}

static void fill(void) {
  if (in.done) memmove(in.at, in.at + in.done, in.n - in.done), in.n -= in.done, in.done = 0;
  if (in.n == 0 && in.cap > KEPT_BUFFER) base_free(in.at), in.at = NULL, in.cap = 0;
  if (in.cap - in.n < 1 << 16) in.cap = in.n + (in.n / 2) + (1 << 18), in.at = base_realloc(in.at, in.cap);
  const ssize_t n = read(STDIN_FILENO, in.at + in.n, in.cap - in.n);
  if (n > 0) in.n += (size_t)n;
  else if (n == 0 || (errno != EINTR && errno != EAGAIN && errno != EWOULDBLOCK)) in.over = true;
  const size_t gone = in.skip < in.n ? in.skip : in.n;
  in.done += gone, in.skip -= gone;
}

/* The last Content-Length in a header, which bytes that are none may stand before; SIZE_MAX: there is none. */
static size_t length_in(const char *text, const char *end) {
  static const char name[] = "content-length:";
  for (const char *c = end - (sizeof name - 1); c >= text; c--) {
    if (strncasecmp(c, name, sizeof name - 1) != 0) continue;
    c += sizeof name - 1;
    while (c < end && *c == ' ') c++;
    size_t n = 0;
    if (c == end || *c < '0' || *c > '9') return SIZE_MAX;
    for (; c < end && *c >= '0' && *c <= '9'; c++)
      if (n < SIZE_MAX / 100) n = 10 * n + (size_t)(*c - '0');
    return n;
  }
  return SIZE_MAX;
}

typedef enum Header { HEADER_MORE, HEADER_GOOD, HEADER_NONE, HEADER_LONG } Header;

/* Where the body begins and how long it is. HEADER_MORE: it is not there yet. */
static Header header(size_t *body, size_t *len) {
  const char *text = in.at ? in.at + in.done : "", *end = in.n > in.done ? memmem(text, in.n - in.done, "\r\n\r\n", 4) : NULL;
  *len = 0;
  if (!end) {
    if (in.n - in.done > MOST_HEADER) in.done = in.n - MOST_HEADER / 2;
    return HEADER_MORE;
  }
  *body = (size_t)(end - in.at) + 4;
  *len = length_in(text, end);
  if (*len == SIZE_MAX) return HEADER_NONE;
  return *len > MOST_MESSAGE ? HEADER_LONG : HEADER_GOOD;
}

/* The next whole message of what was read; NULL: there is none yet. */
static json_t *parsed(void) {
  size_t body, len;
  const Header h = header(&body, &len);
  if (h == HEADER_MORE || (h == HEADER_GOOD && in.n - body < len)) return NULL;
  in.done = body;
  if (h == HEADER_NONE) return json_pack("{s:s}", "fault", "there is no Content-Length");
  if (h == HEADER_LONG) {
    const size_t there = in.n - body < len ? in.n - body : len;
    in.done += there, in.skip = len - there;
    return json_pack("{s:s}", "fault", "this message is too long");
  }
  json_t *m = json_loadb(in.at + body, len, JSON_ALLOW_NUL, NULL);
  in.done = body + len;
  if (json_is_object(m)) return m;
  const bool other = m != NULL;
  json_decref(m);
  return json_pack("{s:s, s:b}", "fault", other ? "a message must be an object" : "this is not JSON", "other", other);
}

static json_t *dequeued(void) {
  if (in.first == in.queue.n) return NULL;
  json_t *m = in.queue.at[in.first++];
  if (in.first == in.queue.n) in.first = in.queue.n = 0;
  return m;
}

json_t *rpc_read(int milliseconds, bool *over) {
  json_t *m = dequeued();
  *over = false;
  while (!m && !(m = parsed())) {
    if (in.over) return *over = true, NULL;
    if (!readable(milliseconds)) return NULL;
    fill();
  }
  return m;
}

bool rpc_ahead(bool (*wanted)(const json_t *message, void *ctx), void *ctx) {
  BaseHeap *of_analysis = base_heap_enter(NULL); /* what is read outlives the analysis that is looked up from */
  json_t *m;
  while (!in.over && readable(0)) {
    const size_t before = in.n - in.done;
    fill();
    if (in.n - in.done == before) break;
  }
  while ((m = parsed())) *vec_push(&in.queue) = m;
  base_heap_enter(of_analysis);
  for (uint32_t k = in.first; k < in.queue.n; k++)
    if (!wanted || wanted(in.queue.at[k], ctx)) return true;
  return in.over;
}

void rpc_end(void) {
  for (json_t *m; (m = dequeued());) json_decref(m);
  vec_free(&in.queue);
  base_free(in.at);
}

/* ---- writing ------------------------------------------------------------------------------------------------- */

static void put(const char *text, size_t n) {
  while (n && !in.over) {
    const ssize_t done = write(out, text, n);
    if (done > 0) text += done, n -= (size_t)done;
    else if (done < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) poll(&(struct pollfd){.fd = out, .events = POLLOUT}, 1, -1);
    else if (done < 0 && errno != EINTR) in.over = true;
  }
}

bool rpc_write(json_t *message) {
  char head[64];
  json_object_set_new(message, "jsonrpc", json_string("2.0"));
  char *text = json_dumps(message, JSON_COMPACT | JSON_ENSURE_ASCII);
  json_decref(message);
  if (!text) return false;
  put(head, (size_t)snprintf(head, sizeof head, "Content-Length: %zu\r\n\r\n", strlen(text)));
  put(text, strlen(text));
  free(text);
  return true;
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
