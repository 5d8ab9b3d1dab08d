/* The page of a run while it trains: a server of two answers, the page at /TOKEN/ and its data at /TOKEN/data. It listens on the loopback alone, reads
 * requests of a bounded length within a bounded time, answers GET only, and nothing but that run, which it looks at. One request at a time. */
#include "driver/pages/pages.h"
#include "driver/report/report.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { REQUEST = 8192, TOKEN = 16, WAIT = 5 /* seconds */ };

typedef struct Server {
  const char *dir;
  char token[2 * TOKEN + 1];
} Server;

static bool make_token(char *out) {
  unsigned char bytes[TOKEN];
  if (getrandom(bytes, sizeof bytes, 0) != sizeof bytes) return false;
  for (int k = 0; k < TOKEN; k++) sprintf(out + 2 * k, "%02x", bytes[k]);
  return true;
}

static void send_all(int fd, const char *p, size_t n) {
  while (n) {
    const ssize_t done = send(fd, p, n, MSG_NOSIGNAL);
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) return;
    p += done, n -= (size_t)done;
  }
}

static void answer(int fd, const char *status, const char *type, const char *body, size_t n) {
  char head[512];
  const int k = snprintf(head, sizeof head,
                         "HTTP/1.1 %s\r\nContent-Type: %s; charset=utf-8\r\nContent-Length: %zu\r\nCache-Control: no-store\r\n"
                         "X-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\nConnection: close\r\n\r\n",
                         status, type, n);
  send_all(fd, head, (size_t)k);
  send_all(fd, body, n);
}

static void refuse(int fd, const char *status) { answer(fd, status, "text/plain", status, strlen(status)); }

static time_t seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec;
}

/* The head of a request, as far as its empty line; false: it does not come, or is too long. */
static bool read_request(int fd, char *buf) {
  const time_t end = seconds() + WAIT; /* of all of it: a byte now and then wins no time */
  size_t n = 0;
  while (n < REQUEST - 1 && seconds() <= end) {
    const ssize_t got = recv(fd, buf + n, REQUEST - 1 - n, 0);
    if (got <= 0) return false;
    n += (size_t)got;
    buf[n] = 0;
    if (strstr(buf, "\r\n\r\n")) return true;
  }
  return false;
}

static json_t *data_of(const Server *s) {
  RtError why;
  json_t *data = report_data(&s->dir, 1, &why);
  if (data) json_object_set_new(data, "live", json_true());
  return data;
}

static void answer_page(int fd, const json_t *data, const char *title) {
  char *text = NULL;
  size_t n;
  FILE *out = open_memstream(&text, &n);
  if (out) {
    pages_write(out, "report", title, data);
    if (!fclose(out)) answer(fd, "200 OK", "text/html", text, n);
  }
  free(text);
}

static void answer_data(int fd, const json_t *data) {
  char *text = json_dumps(data, JSON_COMPACT);
  if (text) answer(fd, "200 OK", "application/json", text, strlen(text));
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

static void serve_one(const Server *s, int fd) {
  char request[REQUEST], want[2][64 + 2 * TOKEN];
  if (!read_request(fd, request)) return;
  if (strncmp(request, "GET ", 4)) {
    refuse(fd, "405 Method Not Allowed");
    return;
  }
  snprintf(want[0], sizeof want[0], "GET /%s/ ", s->token);
  snprintf(want[1], sizeof want[1], "GET /%s/data ", s->token);
  const bool page = !strncmp(request, want[0], strlen(want[0])), data = !strncmp(request, want[1], strlen(want[1]));
  json_t *of = (page || data) && local_host(request) ? data_of(s) : NULL;
  if (!of) refuse(fd, "404 Not Found");
  else if (page) answer_page(fd, of, s->dir);
  else answer_data(fd, of);
  json_decref(of);
}

static int listen_at(int port, int *got) {
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t n = sizeof at;
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
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
  Server s = {.dir = dir};
  json_t *first = report_data(&dir, 1, err);
  int got = 0;
  if (!first) return EXIT_IO;
  json_decref(first);
  const int fd = make_token(s.token) ? listen_at(port, &got) : -1;
  if (fd < 0) {
    snprintf(err->text, sizeof err->text, "cannot listen at 127.0.0.1:%d: %s", port, strerror(errno));
    return EXIT_IO;
  }
  printf("http://127.0.0.1:%d/%s/\n", got, s.token);
  fflush(stdout);
  fprintf(stderr, "%s is shown there; Ctrl-C ends it\n", dir);
  for (;;) {
    const int one = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
    const struct timeval wait = {.tv_sec = WAIT};
    if (one < 0) continue;
    setsockopt(one, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    setsockopt(one, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait);
    serve_one(&s, one);
    shutdown(one, SHUT_WR);
    close(one);
  }
}
