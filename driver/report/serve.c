/* The page of a run while it trains: a server of two answers, the page at /TOKEN/ and its data at /TOKEN/data. It listens on the loopback alone, reads
 * requests of a bounded length within a bounded time, answers GET only, and nothing but that run, which it looks at. Connections are served side by side by one
 * thread, none of which waits: who is slow keeps nobody else waiting, and is let go in the end. */
#include "driver/pages/pages.h"
#include "driver/report/report.h"
#include "passes/passes.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

/* Bytes; connections at a time; seconds for a request, and until somebody takes more of an answer. */
enum { REQUEST = 8192, TOKEN = 16, CONNECTIONS = 32, ASK = 5, TAKE = 20 };

/* It is asked first, then answered. */
typedef struct Connection {
  int fd; /* -1: none */
  double until;
  char request[REQUEST];
  size_t asked;
  char *answer; /* NULL: it asks */
  size_t size, sent;
} Connection;

typedef struct Server {
  const char *dir;
  char token[2 * TOKEN + 1];
  Connection at[CONNECTIONS];
} Server;

static bool make_token(char *out) {
  unsigned char bytes[TOKEN];
  if (getrandom(bytes, sizeof bytes, 0) != sizeof bytes) return false;
  for (int k = 0; k < TOKEN; k++) sprintf(out + 2 * k, "%02x", bytes[k]);
  return true;
}

/* ---- answers ------------------------------------------------------------------------------------------------------------------ */

static void answer(Connection *c, const char *status, const char *type, const char *body, size_t n) {
  FILE *out = open_memstream(&c->answer, &c->size);
  if (!out) return;
  fprintf(out,
          "HTTP/1.1 %s\r\nContent-Type: %s; charset=utf-8\r\nContent-Length: %zu\r\nCache-Control: no-store\r\n"
          "X-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\nConnection: close\r\n\r\n",
          status, type, n);
  fwrite(body, 1, n, out);
  fclose(out);
}

static void refuse(Connection *c, const char *status) { answer(c, status, "text/plain", status, strlen(status)); }

static json_t *data_of(const Server *s, RtError *why) {
  json_t *data = report_data(&s->dir, 1, why);
  if (data) json_object_set_new(data, "live", json_true());
  return data;
}

static void answer_page(Connection *c, const json_t *data, const char *title) {
  char *text = NULL;
  size_t n;
  FILE *out = open_memstream(&text, &n);
  if (out) {
    pages_write(out, "report", title, data);
    if (!fclose(out)) answer(c, "200 OK", "text/html", text, n);
  }
  free(text);
}

static void answer_data(Connection *c, const json_t *data) {
  char *text = json_dumps(data, JSON_COMPACT);
  if (text) answer(c, "200 OK", "application/json", text, strlen(text));
  free(text);
}

/* A page of elsewhere whose name leads here (DNS rebinding) has its own name in Host. */
static bool local_host(const char *request) {
  const char *host = strcasestr(request, "\r\nhost:");
  if (!host) return false;
  host += 7;
  host += strspn(host, " ");
  if (strncmp(host, "127.0.0.1", 9) != 0 && strncasecmp(host, "localhost", 9) != 0) return false;
  host += 9;
  if (*host == ':') host += 1 + strspn(host + 1, "0123456789");
  return *host == '\r'; /* 127.0.0.1.example.org is elsewhere */
}

/* The request is whole. A run that is damaged, or just being moved, is told of. */
static void answer_request(const Server *s, Connection *c) {
  const char *request = c->request;
  char want[2][64 + 2 * TOKEN];
  RtError why = {{0}};
  snprintf(want[0], sizeof want[0], "GET /%s/ ", s->token);
  snprintf(want[1], sizeof want[1], "GET /%s/data ", s->token);
  const bool page = !strncmp(request, want[0], strlen(want[0])), data = !strncmp(request, want[1], strlen(want[1]));
  const bool ours = (page || data) && local_host(request);
  json_t *of = ours ? data_of(s, &why) : NULL;
  if (strncmp(request, "GET ", 4)) refuse(c, "405 Method Not Allowed");
  else if (!ours) refuse(c, "404 Not Found");
  else if (!of) answer(c, "500 Internal Server Error", "text/plain", why.text, strlen(why.text));
  else if (page) answer_page(c, of, s->dir);
  else answer_data(c, of);
  json_decref(of);
}

/* ---- connections -------------------------------------------------------------------------------------------------------------- */

static void let_go(Connection *c) {
  if (c->fd >= 0) close(c->fd);
  free(c->answer);
  c->fd = -1, c->answer = NULL;
}

/* What has come of the request; false: it ends, or is too long. */
static bool hear(const Server *s, Connection *c) {
  const ssize_t got = recv(c->fd, c->request + c->asked, REQUEST - 1 - c->asked, 0);
  if (got < 0) return errno == EAGAIN || errno == EINTR;
  c->asked += (size_t)got;
  c->request[c->asked] = 0;
  if (!strstr(c->request, "\r\n\r\n")) return got && c->asked < REQUEST - 1;
  answer_request(s, c);
  c->until = pass_now() + TAKE;
  return c->answer != NULL;
}

/* What goes of the answer without waiting; false: all is sent, or nobody takes it. */
static bool tell(Connection *c) {
  const ssize_t done = send(c->fd, c->answer + c->sent, c->size - c->sent, MSG_NOSIGNAL);
  if (done < 0) return errno == EAGAIN || errno == EINTR;
  c->sent += (size_t)done;
  c->until = pass_now() + TAKE;
  if (c->sent == c->size) shutdown(c->fd, SHUT_WR);
  return c->sent < c->size;
}

/* A free place, or that of the one whose time ends first. */
static void take_in(Server *s, int fd) {
  Connection *to = s->at;
  const int one = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (one < 0) {
    if (errno == EMFILE || errno == ENFILE) poll(NULL, 0, 20); /* it stays ready, and there is no room for it */
    return;
  }
  for (Connection *c = s->at; c < s->at + CONNECTIONS; c++)
    if (to->fd >= 0 && (c->fd < 0 || c->until < to->until)) to = c;
  let_go(to);
  to->fd = one, to->until = pass_now() + ASK, to->asked = to->size = to->sent = 0;
}

/* Milliseconds until somebody's time ends; -1: nobody is there. */
static int patience(const Server *s) {
  double left = -1;
  for (const Connection *c = s->at; c < s->at + CONNECTIONS; c++)
    if (c->fd >= 0 && (left < 0 || c->until - pass_now() < left)) left = c->until > pass_now() ? c->until - pass_now() : 0;
  return left < 0 ? -1 : (int)(1000 * left) + 1;
}

static void serve(Server *s, int fd) {
  struct pollfd p[CONNECTIONS + 1] = {{.fd = fd, .events = POLLIN}};
  for (int k = 0; k < CONNECTIONS; k++) p[k + 1] = (struct pollfd){.fd = s->at[k].fd, .events = s->at[k].answer ? POLLOUT : POLLIN};
  if (poll(p, CONNECTIONS + 1, patience(s)) < 0) return;
  for (int k = 0; k < CONNECTIONS; k++) {
    Connection *c = &s->at[k];
    if (c->fd < 0) continue;
    if ((p[k + 1].revents && !(c->answer ? tell(c) : hear(s, c))) || pass_now() > c->until) let_go(c);
  }
  if (p[0].revents) take_in(s, fd);
}

static int listen_at(int port, int *got) {
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t n = sizeof at;
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), on = 1;
  if (fd < 0) return -1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(fd, (struct sockaddr *)&at, sizeof at) || listen(fd, 16) || getsockname(fd, (struct sockaddr *)&at, &n)) {
    const int why = errno;
    close(fd);
    errno = why;
    return -1;
  }
  *got = ntohs(at.sin_port);
  return fd;
}

int report_serve(const char *dir, int port, RtError *err) {
  json_t *first = report_data(&dir, 1, err);
  int got = 0;
  if (!first) return EXIT_IO;
  json_decref(first);
  Server *s = base_zeroed(1, sizeof *s);
  s->dir = dir;
  for (int k = 0; k < CONNECTIONS; k++) s->at[k].fd = -1;
  const int fd = make_token(s->token) ? listen_at(port, &got) : -1;
  if (fd < 0) {
    snprintf(err->text, sizeof err->text, "cannot listen at 127.0.0.1:%d: %s", port, strerror(errno));
    base_free(s);
    return EXIT_IO;
  }
  printf("http://127.0.0.1:%d/%s/\n", got, s->token);
  fflush(stdout);
  fprintf(stderr, "%s is shown there; Ctrl-C ends it\n", dir);
  for (;;) serve(s, fd);
}
