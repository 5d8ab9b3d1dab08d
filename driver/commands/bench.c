/* `hnnc bench FILE`: what a training step costs, and how much of the machine's peak it uses. The peak
 * is measured in the same run, between the rounds, since clocks drift. Of several ranks also what goes into their exchange: the rank that comes last to
 * it waits for nobody, so the least time that a rank spends there is the exchange itself, and what others spend more is waiting. */
#include "driver/commands/commands_priv.h"
#include "driver/process/process.h"
#include "driver/train/trainer.h"
#include "driver/session/data.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct Figures {
  double us_per_step, samples_per_s, gflops, peak_gflops, peak_share;
  int64_t flop_per_step, batch;
  int ranks;
  double exchange_us, waiting_us, sent_kb; /* of a step: mean over the ranks; of this rank */
} Figures;

static int ascending(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static int64_t step_flop(const Trainer *t) {
  int64_t flop = 0;
  for (uint32_t k = 0; k < t->spec->nsum; k++) {
    const RtLoss *l = &t->rt.sum[k];
    const Flops g = pass_flops(trainer_gradient(t, k));
    flop += g.per_sample * (l->batch ? l->batch : l->data->n) + g.once;
  }
  if (trainer_update(t)) flop += pass_flops(trainer_update(t)).per_sample * t->rt.flat_n;
  return flop;
}

/* Seconds of `steps` more steps; < 0 when training failed. */
static double time_steps(Session *s, Trainer *t, int64_t steps) {
  RtError err = {{0}};
  t->rt.steps = t->rt.step + steps;
  t->rt.every = t->rt.steps + 1;
  RtStatus status = rt_train(&t->rt, &err);
  if (status == RT_DONE) return t->rt.took;
  session_fail(s, EXIT_NUMBERS, CODE_not_finite, (Span){0}, "the training step of `%s` failed: %s", t->spec->name, err.text);
  return -1;
}

enum { ROUNDS = 15 };

/* waited: seconds of this rank in the exchanges of a step. */
static void share_out(Session *s, double waited, double sent, Figures *f) {
  RtRanks *r = s->ranks;
  double *of = base_zeroed((size_t)r->size, sizeof *of), sum = 0, least = waited;
  of[r->rank] = waited;
  rt_ranks_gather_each(r, of, sizeof *of);
  for (int k = 0; k < r->size; k++) sum += of[k], least = of[k] < least ? of[k] : least;
  f->exchange_us = least * 1e6;
  f->waiting_us = (sum / r->size - least) * 1e6;
  f->sent_kb = sent / 1e3;
  base_free(of);
}

static int measure(Session *s, Trainer *t, Figures *f) {
  char err[256];
  Cg *cg = cg_create(&s->cg, err, sizeof err);
  if (!cg) return session_fail(s, EXIT_FAULT, CODE_internal, (Span){0}, "%s", err);
  double once = time_steps(s, t, 3), seconds[ROUNDS], peak = 0;
  if (once < 0) return EXIT_NUMBERS;
  int64_t steps = (int64_t)(0.06 / (once / 3 + 1e-9)) + 1;
  if (s->ranks) rt_ranks_broadcast(s->ranks, &steps, sizeof steps);
  const double waited = s->ranks ? s->ranks->waited : 0, sent = s->ranks ? s->ranks->sent : 0;
  for (int r = 0; r < ROUNDS; r++) {
    double p = cg_measure_peak(cg, s->model->f64);
    if (p > peak) peak = p;
    if ((seconds[r] = time_steps(s, t, steps)) < 0) return cg_destroy(cg), EXIT_NUMBERS;
  }
  cg_destroy(cg);
  const double all = (double)(ROUNDS * steps);
  f->ranks = s->ranks ? s->ranks->size : 1;
  if (s->ranks) share_out(s, (s->ranks->waited - waited) / all, (s->ranks->sent - sent) / all, f);
  qsort(seconds, ROUNDS, sizeof *seconds, ascending);
  double step = seconds[ROUNDS / 2] / (double)steps;
  f->batch = trainer_batch(t);
  f->flop_per_step = step_flop(t);
  f->us_per_step = step * 1e6;
  f->samples_per_s = (double)f->batch / step;
  f->gflops = (double)f->flop_per_step / step * 1e-9;
  f->peak_gflops = peak * rt_pool_threads(s->pool) * f->ranks;
  f->peak_share = f->gflops / f->peak_gflops;
  return 0;
}

static void print_text(const Session *s, const Trainer *t, const Figures *f) {
  printf("%s: training step of `%s`, batch %" PRId64 ", %s, ", s->model->path, t->spec->name, f->batch,
         s->model->f64 ? "f64" : "f32");
  if (f->ranks > 1) printf("%d ranks, each ", f->ranks);
  printf("%d thread%s\n", rt_pool_threads(s->pool), rt_pool_threads(s->pool) > 1 ? "s" : "");
  printf("  %12.2f us a step (median of %d rounds)\n", f->us_per_step, ROUNDS);
  printf("  %12.0f samples/s\n", f->samples_per_s);
  printf("  %12" PRId64 " FLOP a step, counted from the IR\n", f->flop_per_step);
  printf("  %12.1f GFLOP/s\n", f->gflops);
  printf("  %12.1f GFLOP/s peak of fused multiply-adds, measured in this run\n", f->peak_gflops);
  printf("  %12.1f %% of the peak\n", 100 * f->peak_share);
  if (f->ranks > 1) {
    printf("  %12.2f us of it in the exchange (%.1f %%), %.1f kB from a rank\n", f->exchange_us,
           100 * f->exchange_us / f->us_per_step, f->sent_kb);
    printf("  %12.2f us of it waiting for other ranks, on average\n", f->waiting_us);
  }
  char text[128];
  for (uint32_t k = 0; k < t->spec->nsum; k++)
    if (*native_memory_text(t->loss[k].gradient.memory, text, sizeof text)) printf("  %s\n", text);
  printf("  %12.1f ms to compile\n", 1e3 * t->compile_seconds);
}

static json_t *figures_json(const Session *s, const Trainer *t, const Figures *f) {
  json_t *j =
      json_pack("{s:s, s:I, s:i, s:s, s:f, s:f, s:I, s:f, s:f, s:f, s:f}", "loss", t->spec->name, "batch", (json_int_t)f->batch,
                "threads", rt_pool_threads(s->pool), "precision", s->model->f64 ? "f64" : "f32", "us_per_step", f->us_per_step,
                "samples_per_s", f->samples_per_s, "flop_per_step", (json_int_t)f->flop_per_step, "gflops", f->gflops,
                "peak_gflops", f->peak_gflops, "peak_share", f->peak_share, "compile_ms", 1e3 * t->compile_seconds);
  if (f->ranks > 1)
    json_object_update_new(j, json_pack("{s:i, s:f, s:f, s:f}", "ranks", f->ranks, "exchange_us", f->exchange_us, "waiting_us",
                                        f->waiting_us, "sent_kb", f->sent_kb));
  return j;
}

static int bench_train(Session *s, const Train *spec, bool json) {
  Trainer t;
  Figures f = {0};
  Train with = *spec;
  int code = 0;
  with.tested = false, with.keep = KEEP_LAST, with.patience = 0;
  with.sum = ARENA_ARRAY(s->model->mem, SumLoss, spec->nsum);
  for (uint32_t k = 0; !code && k < spec->nsum; k++) {
    with.sum[k] = spec->sum[k];
    with.sum[k].test = NULL;
    if (s->opt->batch) with.sum[k].batch = s->opt->batch;
    if (with.sum[k].data) code = data_make(s, with.sum[k].data); /* before, so that the time to compile is the whole */
  }
  if (code) return code;
  code = trainer_open(s, &with, &t);
  if (!code) code = measure(s, &t, &f);
  if (!code && !json) print_text(s, &t, &f);
  if (!code && json) {
    json_t *j = figures_json(s, &t, &f);
    json_dumpf(j, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
    putchar('\n');
    json_decref(j);
  }
  trainer_close(&t);
  return code;
}

enum { MOST_WORDS = 256 };

/* The same command under a launcher; comes back, with a message, if there is none. */
static int start_ranks(const Options *o) {
  static char text[65536];
  char self[4096], n[16], *word[MOST_WORDS + 5] = {"mpirun", "-n", n, self};
  FILE *f = fopen("/proc/self/cmdline", "r");
  const size_t size = f ? fread(text, 1, sizeof text - 1, f) : 0;
  size_t words = 4;
  if (f) fclose(f);
  snprintf(n, sizeof n, "%d", o->start_ranks);
  for (char *p = text + strlen(text) + 1; p < text + size && words < MOST_WORDS; p += strlen(p) + 1) word[words++] = p;
  fflush(NULL);
  execvp("mpirun", word);
  fprintf(stderr, "error[%s]: there is no `mpirun` to start %d ranks: `apt install openmpi-bin`\n", diag_code_name(CODE_ranks),
          o->start_ranks);
  return EXIT_USAGE;
}

/* The first `train` of the file, or the one that `train=NAME` names on the command line. */
int command_bench(const Options *o) {
  Session s;
  if (o->start_ranks && !o->ranks) return start_ranks(o);
  int code = session_open(&s, o), found = 0;
  for (uint32_t i = 0; !code && !found && i < s.model->naction; i++)
    if (s.model->action[i].kind == DO_TRAIN) found = 1, code = bench_train(&s, s.model->action[i].train, o->json);
  if (!code && !found)
    code = session_fail(&s, EXIT_FILE, CODE_nothing_to_train, (Span){0}, "`%s` has no `train` to measure", o->file);
  session_close(&s);
  return code;
}
