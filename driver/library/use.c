/* Parameters and functions of a model, and running it. */
#include "driver/library/model.h"

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

/* ---- functions ------------------------------------------------------------------------------------------------ */

static hnnc_value value_of(Arena *mem, const char *name, Type t) {
  hnnc_value v = {.name = arena_strdup(mem, name ? name : ""), .rank = t.rank, .elems = (size_t)type_count(t)};
  memcpy(v.dim, t.dim, sizeof *t.dim * t.rank);
  return v;
}

/* Which of the caller's arrays an input is: its place among the arguments of `f`, as it was before lowering, by number. */
static size_t argument_number(const Fn *f, uint32_t index) {
  size_t before = 0;
  for (uint32_t k = 0; k < f->in.n; k++) before += f->in.at[k].kind == IN_FIELD && f->in.at[k].index < index;
  return before;
}

/* Arguments stand by their number, not in the order in which the graph takes them; one that it does not use is none. */
static hnnc_function function_of(hnnc_model *m, const Export *x) {
  const Fn *f = x->fn;
  hnnc_function out = {.name = x->name, .kind = x->kind, .nresults = f->out.n, .at = library_place(m, x->at)};
  hnnc_value *arg = ARENA_ARRAY(m->mem, hnnc_value, f->in.n + 1), *result = ARENA_ARRAY(m->mem, hnnc_value, f->out.n + 1);
  for (uint32_t k = 0; k < f->in.n; k++) {
    if (f->in.at[k].kind != IN_FIELD) continue;
    arg[argument_number(f, f->in.at[k].index)] = value_of(m->mem, f->in.at[k].name, f->in.at[k].type);
    out.nargs++;
  }
  for (uint32_t k = 0; k < f->out.n; k++) result[k] = value_of(m->mem, NULL, ir_type(f, f->out.at[k]));
  out.args = arg, out.results = result;
  return out;
}

static hnnc_status list_functions(hnnc_model *m, void *arg) {
  const Model *model = m->s.model;
  (void)arg;
  if (m->state != HNNC_OK) return HNNC_USAGE;
  if (m->function) return HNNC_OK;
  hnnc_function *out = ARENA_ARRAY(m->mem, hnnc_function, model->nexport + 1);
  for (uint32_t k = 0; k < model->nexport; k++) out[k] = function_of(m, &model->export_[k]);
  m->function = out;
  return HNNC_OK;
}

size_t hnnc_functions(hnnc_model *m, const hnnc_function **out) {
  const bool there = library_call(m, list_functions, NULL) == HNNC_OK;
  if (out) *out = there ? m->function : NULL;
  return there ? m->s.model->nexport : 0;
}

/* Which: one function, or all that are not compiled yet. */
static hnnc_status compile_functions(hnnc_model *m, void *which) {
  const Model *model = m->s.model;
  const size_t *one = which;
  if (m->state != HNNC_OK) return HNNC_USAGE;
  if (!m->native) m->native = base_zeroed(model->nexport, sizeof *m->native);
  NativeJob *job = base_zeroed(model->nexport, sizeof *job);
  int n = 0;
  for (uint32_t k = 0; k < model->nexport; k++)
    if (!m->native[k].run && (!one || *one == k))
      job[n++] = (NativeJob){model->export_[k].fn, model->export_[k].name, &m->native[k]};
  const int code = n ? native_build(&m->s, job, n) : 0;
  base_free(job);
  return library_status(code);
}

hnnc_status hnnc_compile(hnnc_model *m) { return library_call(m, compile_functions, NULL); }

typedef struct Calling {
  size_t k, n;
  const double *const *args;
  double *const *results;
} Calling;

/* Samples are the last axis inside, the first outside. */
static void move_in(const RtArray *to, const double *from, size_t n) {
  for (int64_t e = 0; e < to->elems; e++)
    for (size_t i = 0; i < n; i++) rt_set_real(to->v, e * to->ld + (int64_t)i, to->f64, from[(int64_t)i * to->elems + e]);
  rt_array_pad((RtArray *)to);
}

static void move_out(double *to, const RtArray *from, size_t n, bool lane) {
  for (size_t i = 0; i < n; i++)
    for (int64_t e = 0; e < from->elems; e++)
      to[(int64_t)i * from->elems + e] = rt_real(from->v, lane ? e * from->ld + (int64_t)i : e, from->f64);
}

static hnnc_status call_native(hnnc_model *m, const Native *native, const Calling *c) {
  const Fn *f = native->fn;
  const bool f64 = m->s.model->f64;
  RtArray *array = base_zeroed(f->in.n + f->out.n, sizeof *array);
  HnnArg *arg = base_zeroed(f->in.n + f->out.n, sizeof *arg);
  uint32_t made = 0;
  bool ok = true;
  for (; ok && made < f->in.n + f->out.n; made++) {
    const bool in = made < f->in.n;
    const Type t = in ? f->in.at[made].type : ir_type(f, f->out.at[made - f->in.n]);
    RtArray *a = &array[made];
    if (in && f->in.at[made].kind == IN_PARAM) {
      arg[made] = (HnnArg){m->s.param[f->in.at[made].index].v, m->s.param[f->in.at[made].index].ld};
      continue;
    }
    ok = rt_array_init(a, "", f64, t.rank, t.dim, t.lane ? (int64_t)c->n : 0);
    if (ok && in) move_in(a, c->args[argument_number(m->s.model->export_[c->k].fn, f->in.at[made].index)], c->n);
    arg[made] = (HnnArg){a->v, a->ld};
  }
  ok = ok && rt_fn_run(native->run, arg, arg + f->in.n, (int64_t)c->n, session_seed(&m->s, 0), 0);
  for (uint32_t k = 0; ok && k < f->out.n; k++) move_out(c->results[k], &array[f->in.n + k], c->n, ir_type(f, f->out.at[k]).lane);
  for (uint32_t k = 0; k < made; k++) rt_array_finish(&array[k]);
  base_free(array);
  base_free(arg);
  return ok ? HNNC_OK
            : library_status(
                  session_fail(&m->s, EXIT_IO, CODE_memory, (Span){0}, "there is not enough memory for `%s`", native->name));
}

static bool all_there(const void *const *array, size_t n) {
  size_t k = 0;
  while (k < n && array && array[k]) k++;
  return k == n;
}

static hnnc_status call_function(hnnc_model *m, void *arg) {
  Calling *c = arg;
  if (m->state != HNNC_OK || c->k >= m->s.model->nexport || !c->n || c->n > INT64_MAX / sizeof(double)) return HNNC_USAGE;
  list_functions(m, NULL);
  const hnnc_function *f = &m->function[c->k];
  if (!all_there((const void *const *)c->args, f->nargs) || !all_there((const void *const *)c->results, f->nresults))
    return HNNC_USAGE;
  const hnnc_status compiled = m->native && m->native[c->k].run ? HNNC_OK : compile_functions(m, &c->k);
  return compiled ? compiled : call_native(m, &m->native[c->k], c);
}

hnnc_status hnnc_call(hnnc_model *m, size_t k, size_t n, const double *const *args, double *const *results) {
  return library_call(m, call_function, &(Calling){k, n, args, results});
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

static hnnc_status run_model(hnnc_model *m, void *arg) {
  RunCall *c = arg;
  RtError err = {{0}};
  if (m->state != HNNC_OK) return HNNC_USAGE;
  if (m->runner.s) runner_close(&m->runner);
  m->report = NULL, m->expect = NULL;
  if (asked_to_stop(m)) return HNNC_STOPPED;
  RtRun *run = c->o.dir ? record_open(&m->s, *c->o.dir ? c->o.dir : NULL, &err) : NULL;
  if (c->o.dir && !run) return library_status(session_fail(&m->s, EXIT_IO, CODE_output, (Span){0}, "%s", err.text));
  runner_init(&m->runner, &m->s, run);
  runner_hash(m->s.src, &m->opt, m->runner.hash);
  m->runner.on = (RunEvents){.ctx = c, .step = on_step, .stop = &m->stop};
  const uint32_t kept = m->s.code.n; /* of hnnc_call */
  const int code = runner_run(&m->runner);
  session_drop_code(&m->s, kept);
  asked_to_stop(m);
  return library_status(code);
}

hnnc_status hnnc_run(hnnc_model *m, const hnnc_run_options *o) {
  RunCall c = {m, HNNC_RUN_OPTIONS};
  if (o && !library_options(&c.o, sizeof c.o, offsetof(hnnc_run_options, ctx) + sizeof o->ctx, o)) return HNNC_USAGE;
  return library_call(m, run_model, &c);
}

void hnnc_stop(hnnc_model *m) {
  if (m) __atomic_store_n(&m->stop, 1, __ATOMIC_RELAXED);
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
