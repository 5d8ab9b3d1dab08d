/* A plot's numbers: the function of the curves on the samples that are drawn, the functions of two
 * coordinates on a lattice; then the files. */
#include "driver/plot/plot_priv.h"
#include "driver/session/native.h"
#include "driver/session/data.h"
#include "driver/process/process.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

double plot_at(const RtArray *a, int64_t e, int64_t i) {
  int64_t k = e * a->ld + i;
  if (!a->n) k = e;
  return rt_real(a->v, k, a->f64);
}

int64_t plot_length(const PlotNumbers *d, const PlotCurve *c) { return d->out[c->y].elems; }

void plot_point(const PlotNumbers *d, const PlotCurve *c, int64_t k, int64_t i, double *x, double *y) {
  *y = plot_at(&d->out[c->y], k, i);
  *x = c->x >= 0 ? plot_at(&d->out[c->x], k, i) : d->out[c->y].elems > 1 ? (double)k : (double)d->sample[i];
}

double plot_error(const PlotNumbers *d, const PlotCurve *c, int64_t k, int64_t i) {
  const RtArray *e = c->error >= 0 ? &d->out[c->error] : NULL;
  return e ? plot_at(e, e->elems > 1 ? k : 0, i) : 0;
}

/* ---- evaluating ------------------------------------------------------------------------------------------ */

void *plot_take(size_t n, size_t size, const Plot *p) {
  void *v = n < SIZE_MAX / 2 / size ? rt_zeroed((n + 1) * size) : NULL;
  if (!v) base_fault("there is not enough memory for the plot `%s`", p->name);
  return v;
}

static void make_array(RtArray *a, const Plot *p, bool f64, Type t, int64_t n) {
  if (!rt_array_init(a, p->name, f64, t.rank, t.dim, n)) base_fault("there is not enough memory for the plot `%s`", p->name);
}

/* f on n samples; field(ctx, k, e, i): element e of sample i of the field k. */
static int evaluate(Session *s, const Plot *p, const Fn *fn, const RtArray *stats, int64_t n,
                    double (*field)(void *ctx, uint32_t k, int64_t e, int64_t i), void *ctx, RtArray **out) {
  Native native;
  NativeJob job = {fn, p->name, &native, .samples = n};
  int code = native_build(s, &job, 1);
  if (code) return code;
  HnnArg *in = plot_take(fn->in.n, sizeof *in, p), *to = plot_take(fn->out.n, sizeof *to, p);
  RtArray *arg = plot_take(fn->in.n, sizeof *arg, p);
  *out = plot_take(fn->out.n, sizeof **out, p);
  for (uint32_t k = 0; k < fn->in.n; k++) {
    const Input *x = &fn->in.at[k];
    if (x->kind == IN_FIELD) {
      make_array(&arg[k], p, fn->f64, x->type, n);
      for (int64_t e = 0; e < arg[k].elems; e++)
        for (int64_t i = 0; i < n; i++) rt_set_real(arg[k].v, e * arg[k].ld + i, fn->f64, field(ctx, x->index, e, i));
      rt_array_pad(&arg[k]);
    }
    const RtArray *a = x->kind == IN_FIELD ? &arg[k] : &s->param[x->index];
    if (x->kind == IN_SCALAR) in[k].p = (char *)stats->v + x->index * (stats->f64 ? sizeof(double) : sizeof(float));
    else in[k] = (HnnArg){a->v, a->ld};
  }
  for (uint32_t k = 0; k < fn->out.n; k++) {
    Type t = ir_type(fn, fn->out.at[k]);
    make_array(&(*out)[k], p, fn->f64, t, t.lane ? n : 0);
    to[k] = (HnnArg){(*out)[k].v, (*out)[k].ld};
  }
  if (!rt_fn_run(native.run, in, to, n, session_seed(s, 0), 0)) base_fault("there is not enough memory for the plot `%s`", p->name);
  for (uint32_t k = 0; k < fn->in.n; k++) rt_array_finish(&arg[k]);
  free(arg);
  free(in);
  free(to);
  native_finish(&native);
  return 0;
}

typedef struct Chosen {
  const RtSet *set;
  const int64_t *sample;
} Chosen;

static double chosen(void *ctx, uint32_t k, int64_t e, int64_t i) {
  const Chosen *c = ctx;
  return plot_at(&c->set->field[k], e, c->sample[i]);
}

static int curves(Session *s, PlotNumbers *d) {
  const Plot *p = d->p;
  Chosen c = {.set = p->data ? data_native(s, p->data) : NULL};
  d->total = c.set ? c.set->n : 1;
  d->nsample = p->samples < d->total ? p->samples : d->total;
  d->sample = plot_take((size_t)d->nsample, sizeof *d->sample, p);
  for (int64_t i = 0; i < d->nsample; i++) d->sample[i] = (int64_t)((double)i * (double)d->total / (double)d->nsample);
  c.sample = d->sample;
  if (c.set) rt_set_bring((RtSet *)c.set, d->sample, d->nsample);
  return p->fn ? evaluate(s, p, p->fn, d->stats, d->nsample, chosen, &c, &d->out) : 0;
}

/* ---- what can be seen ------------------------------------------------------------------------------------ */

static bool visible(const Plot *p, int axis, double v) { return isfinite(v) && (!p->log[axis] || v > 0); }

static void extend(PlotNumbers *d, int axis, double v) {
  d->low[axis] = fmin(d->low[axis], v);
  d->high[axis] = fmax(d->high[axis], v);
}

static void extend_by(PlotNumbers *d, double y, double error) {
  if (isfinite(error) && visible(d->p, 1, y - error)) extend(d, 1, y - error);
  if (isfinite(error)) extend(d, 1, y + error);
}

static void look_at_curves(PlotNumbers *d) {
  const Plot *p = d->p;
  bool matrix = plot_matrix(p) || p->kind == PLOT_FRAMES;
  for (uint32_t c = 0; c < p->ncurve; c++)
    for (int64_t i = 0; i < d->nsample; i++)
      for (int64_t k = 0; k < plot_length(d, &p->curve[c]); k++) {
        double x, y;
        plot_point(d, &p->curve[c], k, i, &x, &y);
        bool seen = matrix ? isfinite(y) : visible(p, 0, x) && (p->kind == PLOT_HISTOGRAM || visible(p, 1, y));
        d->points += seen;
        d->left_out += !seen;
        if (seen) extend(d, 0, x), extend(d, 1, y), extend_by(d, y, fabs(plot_error(d, &p->curve[c], k, i)));
      }
  d->unseen |= p->ncurve && !d->points;
}

static void tint_by(PlotNumbers *d, const RtArray *a, int64_t samples) {
  for (int64_t e = 0; e < a->elems; e++)
    for (int64_t i = 0; i < samples; i++) {
      const double v = plot_at(a, e, i);
      if (isfinite(v)) d->tint[0] = fmin(d->tint[0], v), d->tint[1] = fmax(d->tint[1], v);
    }
}

static void look_at_colours(PlotNumbers *d) {
  const Plot *p = d->p;
  d->tint[0] = INFINITY, d->tint[1] = -INFINITY;
  if (p->colour >= 0) tint_by(d, &d->out[p->colour], d->nsample);
  else if (p->kind == PLOT_HEAT && p->ngrid) tint_by(d, &d->grid[0], plot_lattice_points(d));
  else if (plot_matrix(p)) tint_by(d, &d->out[p->curve[0].y], 1);
}

static void look_at_grid(PlotNumbers *d) {
  for (uint32_t g = 0; g < d->p->ngrid; g++) {
    const int64_t before = d->lattice;
    for (int64_t k = 0; k < plot_lattice_points(d); k++) {
      bool seen = isfinite(plot_at(&d->grid[g], 0, k));
      d->lattice += seen;
      d->left_out += !seen;
    }
    d->unseen |= d->lattice == before;
  }
}

/* ---- the lattice ----------------------------------------------------------------------------------------- */

int64_t plot_lattice_points(const PlotNumbers *d) { return d->p->kind == PLOT_HISTOGRAM ? d->p->n : d->p->n * d->p->n; }

/* As asked for, or around the curves. */
static void choose_range(PlotNumbers *d) {
  for (int k = 0; k < 2; k++) {
    double low = d->low[k], high = d->high[k];
    if (!(low <= high)) low = -1, high = 1;
    double margin = high > low ? 0.08 * (high - low) : fmax(fabs(low), 1) * 0.1;
    d->range[k][0] = d->p->ranged[k] ? d->p->range[k][0] : low - margin;
    d->range[k][1] = d->p->ranged[k] ? d->p->range[k][1] : high + margin;
  }
}

double plot_lattice(const PlotNumbers *d, int axis, int64_t k) {
  return d->range[axis][0] + (d->range[axis][1] - d->range[axis][0]) * (double)k / (double)(d->p->n - 1);
}

static double lattice(void *ctx, uint32_t k, int64_t e, int64_t i) {
  const PlotNumbers *d = ctx;
  (void)e;
  return plot_lattice(d, (int)k, k == 0 ? i % d->p->n : i / d->p->n);
}

static int numbers(Session *s, PlotNumbers *d) {
  const Plot *p = d->p;
  int code = curves(s, d);
  if (code) return code;
  if (p->fn) look_at_curves(d);
  choose_range(d);
  if (p->grid && (code = evaluate(s, p, p->grid, d->stats, plot_lattice_points(d), lattice, d, &d->grid))) return code;
  if (p->grid) look_at_grid(d);
  look_at_colours(d);
  if (p->grid && p->kind == PLOT_PHASE) plot_levels(d);
  if (p->kind == PLOT_HISTOGRAM) plot_histogram(d);
  return 0;
}

static void finish(PlotNumbers *d) {
  for (uint32_t k = 0; d->out && k < d->p->fn->out.n; k++) rt_array_finish(&d->out[k]);
  for (uint32_t k = 0; d->grid && k < d->p->ngrid; k++) rt_array_finish(&d->grid[k]);
  for (uint32_t k = 0; d->levels && k < d->p->ngrid; k++) free(d->levels[k].at);
  free(d->out);
  free(d->grid);
  free(d->levels);
  free(d->sample);
  free(d->edge);
  free(d->count);
}

/* ---- files ----------------------------------------------------------------------------------------------- */

static int write_file(Session *s, RtRun *run, const PlotNumbers *d, const char *suffix,
                      void (*print)(FILE *out, const PlotNumbers *d)) {
  char *text = NULL, *name = NULL;
  size_t size = 0;
  RtError err = {{0}};
  FILE *f = open_memstream(&text, &size);
  if (f) print(f, d);
  bool ok = f && fclose(f) == 0 && asprintf(&name, "%s.%s", d->p->name, suffix) >= 0;
  if (!ok) base_fault("there is not enough memory for the plot `%s`", d->p->name);
  ok = rt_run_write(run, "plots", name, text, size, &err);
  free(text);
  free(name);
  return ok ? 0 : session_fail(s, EXIT_IO, CODE_output, (Span){0}, "%s", err.text);
}

static char *path_of(RtRun *run, const char *name, const char *suffix) {
  char *path = NULL;
  if (asprintf(&path, "%s/plots%s%s%s", rt_run_dir(run), name ? "/" : "", name ? name : "", suffix) < 0)
    base_fault("there is not enough memory for a path");
  return path;
}

void plot_draw(RtRun *run, const char *name, PlotResult *out) {
  out->drawn = true; /* by the rank that writes */
  if (!rt_run_writes(run)) return;
  char *svg = path_of(run, name, ".svg"), *gif = path_of(run, name, ".gif"), *folder = path_of(run, NULL, ""), *script = NULL;
  if (asprintf(&script, "%s.gp", name) < 0) base_fault("there is not enough memory for a path");
  unlink(svg);
  unlink(gif);
  stop_removes(svg);
  out->drawn = gnuplot_run(folder, script, out->why, sizeof out->why);
  if (out->drawn && access(svg, F_OK)) {
    snprintf(out->why, sizeof out->why, "gnuplot did not write it");
    out->drawn = false;
  }
  if (!out->drawn) unlink(svg), unlink(gif);
  out->film = out->drawn && access(gif, F_OK) == 0;
  stop_keeps(svg);
  free(script);
  free(folder);
  free(gif);
  free(svg);
}

static void look_for_something(const PlotNumbers *d, PlotResult *out) {
  const Plot *p = d->p;
  bool lines = p->ncurve || !d->levels;
  for (uint32_t g = 0; d->levels && g < p->ngrid; g++) lines |= d->levels[g].n > 0;
  out->not_finite = d->unseen || !(d->points + d->lattice);
  out->nothing = out->not_finite || !lines;
  const char *why = !out->nothing            ? ""
                    : !out->not_finite       ? "no level line goes through its range"
                    : d->points + d->lattice ? "its curves, or one of its functions, have no finite point"
                    : p->log[0] || p->log[1] ? "it has no point that is finite and above 0 on its logarithmic axes"
                                             : "it has no finite point";
  snprintf(out->why, sizeof out->why, "%s", why);
}

int plot_run(Session *s, RtRun *run, const Plot *p, const RtArray *stats, PlotResult *out) {
  PlotNumbers d = {.p = p, .s = s, .stats = stats, .low = {INFINITY, INFINITY}, .high = {-INFINITY, -INFINITY}};
  *out = (PlotResult){0};
  int code = p->data ? data_make(s, p->data) : 0;
  if (!code) code = numbers(s, &d);
  if (!code) code = write_file(s, run, &d, "dat", plot_data);
  if (!code) code = write_file(s, run, &d, "gp", plot_script);
  if (!code) look_for_something(&d, out);
  if (!code && !out->nothing) plot_draw(run, p->name, out);
  finish(&d);
  return code;
}
