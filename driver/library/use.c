/* Parameters and functions of a model, and running it. */
#include "driver/library/calls_priv.h"
#include "driver/session/engine.h"
#include "driver/session/ranks.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

_Static_assert((int)HNNC_MAX_RANK == (int)IR_MAX_RANK, "hnnc.h stands alone");

/* ---- parameters -------------------------------------------------------------------------------------------- */

static hnnc_param param_of(hnnc_model *m, const Param *p, int64_t turn) {
  const Type t = param_turn_type(p);
  char *path = param_turn_path(p, turn);
  hnnc_param out = {.path = arena_strdup(m->mem, path), .rank = t.rank, .elems = (size_t)type_count(t)};
  memcpy(out.dim, t.dim, sizeof *t.dim * t.rank);
  base_free(path);
  return out;
}

static hnnc_status list_params(hnnc_model *m, void *arg) {
  const Model *model = m->s.model;
  (void)arg;
  if (m->state != HNNC_OK) return HNNC_USAGE;
  if (m->param) return HNNC_OK;
  hnnc_param *out = ARENA_ARRAY(m->mem, hnnc_param, model_params(model) + 1);
  size_t n = 0;
  for (uint32_t k = 0; k < model->nparam; k++)
    for (int64_t turn = 0; turn < param_turns(&model->param[k]); turn++) out[n++] = param_of(m, &model->param[k], turn);
  m->param = out, m->nparam = n;
  return HNNC_OK;
}

size_t hnnc_params(hnnc_model *m, const hnnc_param **out) {
  const bool there = library_call(m, list_params, NULL) == HNNC_OK;
  if (out) *out = there ? m->param : NULL;
  return there ? m->nparam : 0;
}

/* The array that holds parameter k, and where it begins there; NULL: there is no such parameter of n numbers. */
static const RtArray *place_of(hnnc_model *m, size_t k, size_t n, int64_t *first) {
  const hnnc_param *list;
  if (k >= hnnc_params(m, &list) || list[k].elems != n) return NULL;
  for (uint32_t p = 0; p < m->s.model->nparam; p++) {
    const size_t turns = (size_t)param_turns(&m->s.model->param[p]);
    *first = (int64_t)(k * n);
    if (k < turns) return &m->s.param[p];
    k -= turns;
  }
  return NULL;
}

hnnc_status hnnc_get_param(hnnc_model *m, size_t k, double *out, size_t n) {
  int64_t first;
  const RtArray *a = m && out && m->state == HNNC_OK ? place_of(m, k, n, &first) : NULL;
  for (size_t e = 0; a && e < n; e++) out[e] = rt_real(a->v, first + (int64_t)e, a->f64);
  return a ? HNNC_OK : m && m->state == HNNC_FAULT ? HNNC_FAULT : HNNC_USAGE;
}

hnnc_status hnnc_set_param(hnnc_model *m, size_t k, const double *values, size_t n) {
  int64_t first;
  const RtArray *a = m && values && m->state == HNNC_OK ? place_of(m, k, n, &first) : NULL;
  for (size_t e = 0; a && e < n; e++) rt_set_real(a->v, first + (int64_t)e, a->f64, values[e]);
  return a ? HNNC_OK : m && m->state == HNNC_FAULT ? HNNC_FAULT : HNNC_USAGE;
}

void *hnnc_param_values(hnnc_model *m, size_t k) {
  int64_t first;
  const hnnc_param *list;
  if (k >= hnnc_params(m, &list)) return NULL;
  const RtArray *a = place_of(m, k, list[k].elems, &first);
  return a ? (char *)a->v + (size_t)first * (a->f64 ? sizeof(double) : sizeof(float)) : NULL;
}

/* ---- functions ------------------------------------------------------------------------------------------------ */

static hnnc_value value_of(Arena *mem, const char *name, Type t) {
  hnnc_value v = {
    .name = arena_strdup(mem, name ? name : ""), .rank = t.rank, .elems = (size_t)type_count(t), .per_sample = t.lane};
  memcpy(v.dim, t.dim, sizeof *t.dim * t.rank);
  return v;
}

static void with_pattern(hnnc_value *v, const Pattern *p) {
  if (!p) return;
  v->rows = p->rows, v->cols = p->cols, v->row = (const int32_t *)p->start, v->col = (const int32_t *)p->col;
}

/* Of a gradient: the loss; of a product by parameters, what lies before; then all parameters end to end. */
static size_t results_of(hnnc_model *m, const Function *x, hnnc_value *out) {
  const Fn *f = x->fn;
  const Type number = type_scalar(false);
  size_t n = 0;
  for (uint32_t k = 0; !x->gradient && k < x->slope; k++, n++) {
    const bool named = x->plain || !strcmp(x->kind, "loss");
    out[n] = value_of(m->mem, named ? f->outname.at[k] : NULL, ir_type(f, f->out.at[k]));
    with_pattern(&out[n], x->pattern ? x->pattern[k] : NULL);
  }
  if (x->gradient) out[n++] = value_of(m->mem, "loss", number);
  if (!x->nmoved) return n;
  const uint32_t reals = (uint32_t)m->calls->engine.reals;
  out[n++] = value_of(m->mem, "gradient", type_real(false, 1, &reals));
  return n;
}

/* Arguments stand by their number, not in the order in which the graph takes them; one that it does not use is none. */
static hnnc_function function_of(hnnc_model *m, const Function *x) {
  const Fn *f = x->fn;
  hnnc_function out = {.name = x->name, .kind = x->kind, .at = library_place(m, x->at)};
  hnnc_value *arg = ARENA_ARRAY(m->mem, hnnc_value, f->in.n + 1), *result = ARENA_ARRAY(m->mem, hnnc_value, f->out.n + 2);
  for (uint32_t k = 0; k < f->in.n; k++) {
    if (f->in.at[k].kind != IN_FIELD) continue;
    arg[engine_argument(f, k)] = value_of(m->mem, f->in.at[k].name, f->in.at[k].type);
    out.nargs++;
  }
  out.nresults = results_of(m, x, result);
  out.args = arg, out.results = result;
  return out;
}

/* Again after each that is added; what was given out stays. */
static hnnc_status list_functions(hnnc_model *m, void *arg) {
  (void)arg;
  if (m->state != HNNC_OK) return HNNC_USAGE;
  const Calls *c = library_calls(m);
  if (m->function && m->nfunction == c->all.list.n) return HNNC_OK;
  hnnc_function *out = ARENA_ARRAY(m->mem, hnnc_function, c->all.list.n + 1);
  for (uint32_t k = 0; k < c->all.list.n; k++) out[k] = function_of(m, c->all.list.at[k]);
  m->function = out, m->nfunction = c->all.list.n;
  return HNNC_OK;
}

size_t hnnc_functions(hnnc_model *m, const hnnc_function **out) {
  const bool there = library_call(m, list_functions, NULL) == HNNC_OK;
  if (out) *out = there ? m->function : NULL;
  return there ? m->nfunction : 0;
}

static hnnc_status compile_functions(hnnc_model *m, void *which) {
  return m->state == HNNC_OK ? library_compile(m, which) : HNNC_USAGE;
}

hnnc_status hnnc_compile(hnnc_model *m) { return library_call(m, compile_functions, NULL); }

typedef struct Calling {
  size_t k, n;
  uint64_t seed;
  const hnnc_array *args, *results;
} Calling;

_Static_assert(sizeof(hnnc_array) == sizeof(hnn_array), "the engine takes them as they are");

static hnnc_status call_engine(hnnc_model *m, const Calling *c) {
  const int code = lib_call(m->calls->lib, (int)c->k, (int64_t)c->n, session_seed(&m->s, c->seed), (const hnn_array *)c->args,
                            (const hnn_array *)c->results);
  if (code == HNN_OK) return HNNC_OK;
  if (code == HNN_BAD_CALL) return HNNC_USAGE;
  return library_status(session_fail(&m->s, EXIT_IO, CODE_memory, (Span){0}, "there is not enough memory for `%s`",
                                     m->calls->all.list.at[c->k]->name));
}

static hnnc_status call_function(hnnc_model *m, void *arg) {
  const Calling *c = arg;
  if (m->state != HNNC_OK || c->n > INT64_MAX / sizeof(double)) return HNNC_USAGE;
  const Calls *calls = library_calls(m);
  if (c->k >= calls->all.list.n) return HNNC_USAGE;
  const hnnc_status compiled = calls->lib && calls->native.at[c->k]->cg ? HNNC_OK : library_compile(m, &c->k);
  return compiled ? compiled : call_engine(m, c);
}

hnnc_status hnnc_call_arrays(hnnc_model *m, size_t k, size_t n, uint64_t seed, const hnnc_array *args, const hnnc_array *results) {
  return library_call(m, call_function, &(Calling){k, n, seed, args, results});
}

/* ---- in double ---- */

typedef struct Doubles {
  size_t k, n;
  const double *const *args;
  double *const *results;
} Doubles;

/* Room for a value of n samples in the model's precision; NULL: no memory. */
static void *room(const hnnc_model *m, const hnnc_value *v, size_t n, const double *from) {
  const size_t elems = v->elems * (v->per_sample ? n : 1);
  float *out = m->s.model->f64 ? NULL : rt_zeroed((elems + 1) * sizeof *out);
  for (size_t e = 0; out && from && e < elems; e++) out[e] = (float)from[e];
  return out;
}

/* Without conversions in f64. */
static hnnc_status call_doubles(hnnc_model *m, void *arg) {
  const Doubles *d = arg;
  hnnc_status status = list_functions(m, NULL);
  if (status != HNNC_OK || d->k >= m->nfunction || !d->n || d->n > INT64_MAX / sizeof(double)) return HNNC_USAGE;
  const hnnc_function *f = &m->function[d->k];
  const bool f64 = m->s.model->f64;
  bool ok = (d->args || !f->nargs) && d->results, memory = true;
  hnnc_array *in = base_zeroed(f->nargs + 1, sizeof *in), *out = base_zeroed(f->nresults + 1, sizeof *out);
  for (size_t k = 0; ok && k < f->nargs; k++) {
    ok = d->args[k] != NULL;
    in[k].p = f64 ? (void *)(uintptr_t)d->args[k] : ok ? room(m, &f->args[k], d->n, d->args[k]) : NULL;
    memory = memory && (!ok || in[k].p);
  }
  for (size_t k = 0; ok && k < f->nresults; k++) {
    ok = d->results[k] != NULL;
    out[k].p = f64 ? d->results[k] : ok ? room(m, &f->results[k], d->n, NULL) : NULL;
    memory = memory && (!ok || out[k].p);
  }
  if (!ok) status = HNNC_USAGE;
  else if (!memory)
    status = library_status(session_fail(&m->s, EXIT_IO, CODE_memory, (Span){0}, "there is not enough memory for `%s`", f->name));
  else status = call_function(m, &(Calling){d->k, d->n, 0, in, out});
  for (size_t k = 0; !f64 && k < f->nresults; k++)
    for (size_t e = 0; !status && e < f->results[k].elems * (f->results[k].per_sample ? d->n : 1); e++)
      d->results[k][e] = (double)((float *)out[k].p)[e];
  for (size_t k = 0; !f64 && k < f->nargs; k++) free(in[k].p);
  for (size_t k = 0; !f64 && k < f->nresults; k++) free(out[k].p);
  base_free(in);
  base_free(out);
  return status;
}

hnnc_status hnnc_call(hnnc_model *m, size_t k, size_t n, const double *const *args, double *const *results) {
  return library_call(m, call_doubles, &(Doubles){k, n, args, results});
}

bool hnnc_single(const hnnc_model *m) { return m && m->state == HNNC_OK && !m->s.model->f64; }

typedef struct Deriving {
  hnnc_product kind;
  size_t of, number;
} Deriving;

static hnnc_status add_product(hnnc_model *m, void *arg) {
  Deriving *d = arg;
  if (m->state != HNNC_OK || d->kind < HNNC_VJP || d->kind > HNNC_GRAD) return HNNC_USAGE;
  return library_product(m, (ProductKind)d->kind, d->of, &d->number);
}

hnnc_status hnnc_derive(hnnc_model *m, hnnc_product kind, size_t of, size_t *number) {
  Deriving d = {kind, of, 0};
  const hnnc_status status = library_call(m, add_product, &d);
  if (status == HNNC_OK && number) *number = d.number;
  return status;
}

/* ---- running ----------------------------------------------------------------------------------------------------- */

typedef struct RunCall {
  hnnc_model *m;
  hnnc_run_options o;
} RunCall;

static void on_step(void *ctx, const RunStep *at) {
  const RunCall *c = ctx;
  if (!c->o.progress) return;
  hnnc_number *number = base_zeroed((size_t)(at->nlosses + at->nmonitor), sizeof *number), *monitor = number + at->nlosses;
  for (int k = 0; k < at->nlosses; k++) number[k] = (hnnc_number){at->losses[k].name, at->losses[k].v};
  for (int k = 0; k < at->nmonitor; k++) monitor[k] = (hnnc_number){at->monitor[k].name, at->monitor[k].v};
  const hnnc_progress p = {.loss = at->name,
                           .step = at->step,
                           .steps = at->steps,
                           .value = at->loss,
                           .test = at->test,
                           .lr = at->lr,
                           .samples_per_second = at->samples_per_s,
                           .average = at->average,
                           .losses = number,
                           .monitor = monitor,
                           .nlosses = (size_t)at->nlosses,
                           .nmonitor = (size_t)at->nmonitor};
  library_leave(c->m);
  if (!c->o.progress(c->o.ctx, &p)) hnnc_stop(c->m);
  library_return(c->m);
  base_free(number);
}

/* One that asked has been heard then. */
static bool asked_to_stop(hnnc_model *m) { return __atomic_exchange_n(&m->stop, 0, __ATOMIC_RELAXED); }

/* A run is shared by the ranks of a launcher; all else a rank does alone. */
static int join_ranks(hnnc_model *m) {
  RtError err = {{0}};
  bool ok;
  m->s.ranks = ranks_meet(&ok, &err);
  if (!ok) return session_fail(&m->s, EXIT_IO, CODE_ranks, (Span){0}, "%s", err.text);
  const int code = m->s.ranks ? ranks_alike(&m->s) : 0;
  if (code) m->s.ranks = NULL;
  return code;
}

static hnnc_status run_model(hnnc_model *m, void *arg) {
  RunCall *c = arg;
  RtError err = {{0}};
  if (m->state != HNNC_OK) return HNNC_USAGE;
  if (m->runner.s) runner_close(&m->runner);
  m->report = NULL, m->expect = NULL, m->run_dir = NULL;
  if (asked_to_stop(m)) return HNNC_STOPPED;
  int unlike = join_ranks(m);
  if (unlike) return library_status(unlike);
  RtRun *run = c->o.dir ? record_open(&m->s, *c->o.dir ? c->o.dir : NULL, &err) : NULL;
  if (c->o.dir && !run)
    return m->s.ranks = NULL, library_status(session_fail(&m->s, EXIT_IO, CODE_output, (Span){0}, "%s", err.text));
  runner_init(&m->runner, &m->s, run);
  runner_hash(m->s.src, &m->opt, m->runner.hash);
  m->runner.on = (RunEvents){.ctx = c, .step = on_step, .stop = &m->stop};
  const uint32_t kept = m->s.code.n; /* of hnnc_call */
  const int code = runner_run(&m->runner);
  session_drop_code(&m->s, kept);
  if (m->s.ranks && code != EXIT_IO) rt_ranks_wait(m->s.ranks); /* what is in its directory is there for all */
  m->s.ranks = NULL;
  asked_to_stop(m);
  if (run) { /* its directory is free for others */
    m->run_dir = arena_strdup(m->mem, rt_run_dir(run));
    rt_run_destroy(run);
    m->runner.run = NULL;
  }
  return library_status(code);
}

hnnc_status hnnc_run(hnnc_model *m, const hnnc_run_options *o) {
  RunCall c = {m, HNNC_RUN_OPTIONS};
  if (o && !library_options(&c.o, sizeof c.o, offsetof(hnnc_run_options, ctx) + sizeof o->ctx, o)) return HNNC_USAGE;
  return library_call(m, run_model, &c);
}

const char *hnnc_run_dir(const hnnc_model *m) { return m && m->state == HNNC_OK ? m->run_dir : NULL; }

void hnnc_stop(hnnc_model *m) {
  if (m) __atomic_store_n(&m->stop, 1, __ATOMIC_RELAXED);
}

void hnnc_go_on(hnnc_model *m) {
  if (m) __atomic_store_n(&m->stop, 0, __ATOMIC_RELAXED);
}

/* The numbers stay when the next run makes its own. */
static hnnc_report listed(Arena *mem, const Report *r, const ReportResult *x) {
  const Type t = report_type(r);
  hnnc_report out = {r->name, x->mean[0], x->sd[0], x->min[0], x->max[0], x->n, .rank = t.rank, .elems = x->elems};
  double *v = ARENA_ARRAY(mem, double, 4 * (size_t)x->elems);
  memcpy(v, x->mean, sizeof *v * 4 * x->elems);
  out.means = v, out.sds = v + x->elems, out.mins = v + 2 * x->elems, out.maxs = v + 3 * x->elems;
  for (int d = 0; d < t.rank; d++) out.dim[d] = t.dim[d];
  return out;
}

static hnnc_status list_results(hnnc_model *m, void *arg) {
  const Model *model = m->s.model;
  (void)arg;
  if (m->state != HNNC_OK || !m->runner.s) return HNNC_USAGE;
  if (m->report) return HNNC_OK;
  hnnc_report *report = ARENA_ARRAY(m->mem, hnnc_report, model->naction + 1);
  hnnc_expect *expect = ARENA_ARRAY(m->mem, hnnc_expect, model->naction + 1);
  m->nreport = m->nexpect = 0;
  for (uint32_t i = 0; i < model->naction; i++) {
    const Action *a = &model->action[i];
    const ReportResult *x = a->kind == DO_REPORT ? &m->runner.result[report_number(model, a->report)] : NULL;
    if (x && x->made) report[m->nreport++] = listed(m->mem, a->report, x);
    if (a->kind == DO_EXPECT && m->runner.judged[i]) expect[m->nexpect++] = (hnnc_expect){a->expect->text, m->runner.holds[i]};
  }
  m->report = report, m->expect = expect;
  return HNNC_OK;
}

size_t hnnc_reports(hnnc_model *m, const hnnc_report **out) {
  const bool there = library_call(m, list_results, NULL) == HNNC_OK;
  if (out) *out = there ? m->report : NULL;
  return there ? m->nreport : 0;
}

size_t hnnc_expects(hnnc_model *m, const hnnc_expect **out) {
  const bool there = library_call(m, list_results, NULL) == HNNC_OK;
  if (out) *out = there ? m->expect : NULL;
  return there ? m->nexpect : 0;
}
