/* See progress.h. A terminal's line is rewritten ten times a second at most and cut to its width; elsewhere
 * a line is written at each tenth of the steps and after ten seconds without one. */
#include "runtime/train/progress.h"
#include "runtime/runtime_priv.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

void rt_progress_init(RtProgress *p, FILE *out, bool quiet, const char *name, int64_t step, int64_t steps) {
  const char *term = getenv("TERM");
  *p =
      (RtProgress){.out = out, .quiet = quiet, .name = name, .steps = steps, .first = step, .last_step = step, .started = rt_now()};
  p->terminal = isatty(fileno(out)) && term && strcmp(term, "dumb");
  p->shown = p->terminal ? 0 : p->started;
}

static void duration(double s, char *out, size_t size) {
  if (!isfinite(s)) s = 0;
  const long t = (long)(s + 0.5);
  if (t < 60) snprintf(out, size, "%lds", t);
  else if (t < 3600) snprintf(out, size, "%ldm%02lds", t / 60, t % 60);
  else snprintf(out, size, "%ldh%02ldm", t / 3600, t / 60 % 60);
}

static void amount(double v, char *out, size_t size) {
  static const char *const unit[] = {"", "k", "M", "G"};
  int u = 0;
  for (; v >= 999.5 && u < 3; u++) v /= 1000;
  snprintf(out, size, v < 9.995 && u ? "%.2f%s" : v < 99.95 && u ? "%.1f%s" : "%.0f%s", v, unit[u]);
}

/* At most size - 1 bytes in all, n of them written. NaN has no sign. */
static size_t put(char *out, size_t size, size_t n, const char *name, double v) {
  const int more = n < size ? snprintf(out + n, size - n, "  %s %.4e", name, isnan(v) ? (double)NAN : v) : 0;
  return n + (size_t)(more > 0 ? more : 0);
}

void rt_progress_text(const RtProgress *p, double now, const RtStep *at, char *out, size_t size) {
  char left[32], rate[32];
  const int64_t step = at->step;
  const double spent = now - p->started;
  duration(step > p->first ? spent * (double)(p->steps - step) / (double)(step - p->first) : 0, left, sizeof left);
  amount(at->samples_per_s, rate, sizeof rate);
  const int wide = snprintf(NULL, 0, "%lld", (long long)p->steps);
  size_t n = (size_t)snprintf(out, size, "%s %*lld/%lld", p->name, wide, (long long)step, (long long)p->steps);
  n = put(out, size, n, "loss", at->loss);
  for (int k = 0; k < p->nlosses; k++) n = put(out, size, n, p->losses[k].name, p->losses[k].v);
  if (p->tested || !isnan(at->test)) n = put(out, size, n, "test", at->test);
  if (p->averaged) n = put(out, size, n, "average", at->average);
  for (int k = 0; k < p->nmonitor; k++) n = put(out, size, n, p->monitor[k].name, p->monitor[k].v);
  if (n < size) snprintf(out + n, size - n, "  lr %.2e  %s samples/s  %s left", at->lr, rate, left);
}

static size_t columns(const RtProgress *p) {
  struct winsize w;
  return ioctl(fileno(p->out), TIOCGWINSZ, &w) == 0 && w.ws_col > 20 ? w.ws_col - 1u : 79;
}

static bool due(const RtProgress *p, double now, int64_t step) {
  if (step >= p->steps) return true;
  if (p->terminal) return now - p->shown >= 0.1;
  const int64_t tenth = p->steps >= 10 ? p->steps / 10 : 1;
  return step / tenth != p->last_step / tenth || now - p->shown >= 10;
}

void rt_progress_step(RtProgress *p, const RtStep *at) {
  const double now = rt_now();
  if (p->quiet || !due(p, now, at->step)) return;
  char line[2048];
  rt_progress_text(p, now, at, line, sizeof line);
  if (p->terminal) {
    const size_t room = columns(p);
    if (strlen(line) > room) line[room] = 0;
    fprintf(p->out, "\r%s\033[K", line);
  } else {
    fprintf(p->out, "%s\n", line);
  }
  fflush(p->out);
  p->open = p->terminal;
  p->shown = now;
  p->last_step = at->step;
}

void rt_progress_finish(RtProgress *p) {
  if (p->open) fputc('\n', p->out);
  p->open = false;
}
