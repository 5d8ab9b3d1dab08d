/* A session: the model of a file, the machine it runs on, and what both share. */
#include "driver/session/kept_priv.h"
#include "driver/session/native.h"
#include "driver/process/process.h"
#include "driver/session/ranks.h"
#include "driver/session/start.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* The frontend's look into a data file, through the runtime's reader. */
static bool look_into_table(void *ctx, Arena *mem, const char *path, bool gaps, TableInfo *out, char *err, size_t errsize) {
  RtTable t = {0};
  RtError e = {{0}};
  const bool regular = rt_file_regular(path, &e);
  if (regular) kept_table(ctx, mem, path);
  if (!regular || !rt_table_read(path, gaps ? RT_INFO | RT_GAPS : RT_INFO, &t, &e)) {
    snprintf(err, errsize, "%s", e.text);
    return false;
  }
  *out = (TableInfo){.ncolumn = (uint32_t)t.ncolumn, .tree = t.tree, .column = ARENA_ARRAY(mem, struct TableColumn, t.ncolumn)};
  for (int i = 0; i < t.ncolumn; i++) {
    const RtColumn *c = &t.column[i];
    out->column[i].name = c->name && *c->name ? arena_strdup(mem, c->name) : NULL;
    out->column[i].number = c->number;
    out->column[i].fault = c->fault ? arena_strdup(mem, c->fault) : NULL;
    out->column[i].gap = c->fault && c->gap;
    out->column[i].rows = c->rows;
    out->column[i].rank = (uint32_t)c->rank;
    memcpy(out->column[i].dim, c->dim, sizeof c->dim);
  }
  rt_table_finish(&t);
  return true;
}

static bool which_have_gaps(void *ctx, const char *path, const int *column, uint32_t n, bool *out, char *err, size_t errsize) {
  RtTable t = {0};
  RtError e = {{0}};
  (void)ctx;
  const bool ok = rt_table_read(path, RT_GAPS, &t, &e) && rt_table_values(&t, column, (int)n, &e);
  for (uint32_t k = 0; ok && k < n; k++) out[k] = t.column[column[k]].gap;
  if (!ok) snprintf(err, errsize, "%s", e.text);
  rt_table_finish(&t);
  return ok;
}

static bool read_array(void *ctx, Arena *mem, const char *path, const char *name, Type *type, const double **v, char *err,
                       size_t errsize) {
  RtArray a = {0};
  RtError e = {{0}};
  const bool regular = rt_file_regular(path, &e);
  if (regular) kept_table(ctx, mem, path);
  if (!regular || !rt_array_read(path, name, &a, &e)) {
    snprintf(err, errsize, "%s", e.text);
    return false;
  }
  *type = type_real(false, a.rank, a.dim);
  double *copy = ARENA_ARRAY(mem, double, (size_t)a.elems + 1);
  memcpy(copy, a.v, (size_t)a.elems * sizeof *copy);
  *v = copy;
  rt_array_finish(&a);
  return true;
}

static const unsigned char *read_bytes(void *ctx, Arena *mem, const char *path, size_t *size, char *err, size_t errsize) {
  RtError e = {{0}};
  const bool regular = rt_file_regular(path, &e);
  if (regular) kept_table(ctx, mem, path);
  char *bytes = regular ? rt_file_read(path, size, &e) : NULL;
  unsigned char *copy = bytes ? ARENA_ARRAY(mem, unsigned char, *size + 1) : NULL;
  if (bytes) memcpy(copy, bytes, *size);
  else snprintf(err, errsize, "%s", e.text);
  free(bytes);
  return copy;
}

_Static_assert((int)TABLE_EVERY_ROW == (int)RT_EVERY_ROW, "rows are passed on by number");

static FieldAnswer decide(void *ctx, const Fn *a, const Fn *b, FieldReport *r) {
  Session *s = ctx;
  return proved_decide(&s->passes, s->opt->verify_each ? NULL : s->cg.cache_dir, a, b, r, s->opt->may_decide, s->opt->text_ctx);
}

static const char *imported(void *ctx, const char *path, size_t *len) {
  const Session *s = ctx;
  return s->opt->text(s->opt->text_ctx, path, len);
}

static void at(void *ctx, const char *what, const char *name, Span place) {
  const Session *s = ctx;
  if (s->opt->at_item) s->opt->at_item(s->opt->text_ctx);
  waiting_at(what, name, place);
}

/* Where compiled objects are kept: $HNNC_CACHE_DIR, $XDG_CACHE_HOME/hnnc, ~/.cache/hnnc, or nowhere. */
const char *session_cache_dir(char *buf, size_t size) {
  const char *dir = getenv("HNNC_CACHE_DIR"), *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
  if (dir) snprintf(buf, size, "%s", dir);
  else if (xdg && *xdg) snprintf(buf, size, "%s/hnnc", xdg);
  else if (home && *home) snprintf(buf, size, "%s/.cache/hnnc", home);
  else return NULL;
  return *buf ? buf : NULL;
}

const char *session_file(const Session *s) { return !strcmp(s->opt->file, "-") ? SOURCE_STDIN : s->opt->file; }

/* How many there are; those that are not printed stay, and are counted anew. */
static void count_messages(Session *s) {
  if (s->opt->library) s->errors = s->warnings = 0;
  *(s->opt->werror ? &s->errors : &s->warnings) += diag_warnings(s->diag);
  s->errors += diag_errors(s->diag);
}

void session_render(Session *s) {
  diag_switch_off(s->diag, s->opt->no_warn);
  if (s->opt->werror) diag_strict(s->diag);
  count_messages(s);
  if (s->opt->library) return;
  if (s->opt->json && !strcmp(s->opt->command, "check")) diag_json(s->diag, session_file(s), stdout);
  else diag_render(s->diag, stderr, isatty(STDERR_FILENO) && !getenv("NO_COLOR"));
  diag_clear(s->diag);
}

int session_fail(Session *s, int code, DiagCode kind, Span at, const char *fmt, ...) {
  char text[1024];
  va_list ap;
  va_start(ap, fmt);
  vsnprintf(text, sizeof text, fmt, ap);
  va_end(ap);
  diag_add(s->diag, kind, at, "%s", text);
  session_render(s);
  return code;
}

uint64_t session_seed(const Session *s, uint64_t seed) { return s->opt->seed ? rt_random_u64(seed, s->opt->seed, 0) : seed; }

static void timed(void *passes, const char *what, double seconds) { pass_timed(passes, what, seconds); }

static void set_passes(Session *s, const Options *o) {
  s->passes = (PassRun){.print_after = o->print_after,
                        .verify_each = o->verify_each,
                        .time = o->time_passes,
                        .out = stderr,
                        .src = s->src,
                        .at = waiting_at};
}

static bool make_params(Session *s) {
  const Model *m = s->model;
  s->param = base_zeroed(m->nparam, sizeof *s->param);
  for (uint32_t i = 0; i < m->nparam; i++) {
    const Param *p = &m->param[i];
    if (!rt_array_init(&s->param[i], p->path, m->f64, p->type.rank, p->type.dim, 0)) return false;
  }
  init_params(s);
  return true;
}

/* What it took until here to load the program and start it: its first thread has not waited for anything. */
static double loading_seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void make_model(Session *s, const char *text, size_t len) {
  FrontOptions fo = {.override_ = s->opt->override_.at,
                     .noverride = s->opt->override_.n,
                     .ask = s->opt->ask,
                     .table = look_into_table,
                     .gaps = which_have_gaps,
                     .array = read_array,
                     .bytes = read_bytes,
                     .decide = decide,
                     .at = at,
                     .text = s->opt->text ? imported : NULL,
                     .tree = s->opt->tree,
                     .made = s->opt->made,
                     .ctx = s,
                     .passes = &s->passes};
  s->model = text ? model_load_text(s->src, s->opt->file, text, len, &fo, s->diag) : model_load(s->src, s->opt->file, &fo, s->diag);
  for (uint32_t k = 1; s->model && k <= s->src->files.n; k++) diag_check_allows(s->diag, k);
}

/* Warnings alone that are errors: without this line it could be missed why the command ended. */
static int warnings_count(const Session *s) {
  if (!s->opt->json)
    fprintf(stderr, "\n%s: %d warning%s, which --werror makes %s\n", session_file(s), s->errors, s->errors == 1 ? "" : "s",
            s->errors == 1 ? "an error" : "errors");
  return EXIT_FILE;
}

static const char *cache_dir(Session *s) {
  const Options *o = s->opt;
  if (o->no_cache || (o->cache_dir && !*o->cache_dir)) return NULL;
  if (!o->cache_dir) return session_cache_dir(s->cache_dir, sizeof s->cache_dir);
  snprintf(s->cache_dir, sizeof s->cache_dir, "%s", o->cache_dir);
  return s->cache_dir;
}

int session_open(Session *s, const Options *o) { return session_open_text(s, o, NULL, 0); }

int session_open_text(Session *s, const Options *o, const char *text, size_t len) {
  double begin = pass_now();
  *s = (Session){.opt = o, .ranks = o->ranks, .started = begin - loading_seconds(), .src = source_create()};
  s->diag = diag_create(s->src);
  if (!o->quiet) waiting_begin(o->command, &s->src);
  set_passes(s, o);
  s->cg = (CgOptions){.cpu = o->cpu,
                      .opt = o->opt,
                      .time = o->time_passes,
                      .timed = timed,
                      .ctx = &s->passes,
                      .at = waiting_code,
                      .refused = o->library ? NULL : kept_refused,
                      .cache_dir = cache_dir(s)};
  s->model = kept_model(s, text, len);
  if (!s->model) make_model(s, text, len), kept_put_model(s);
  waiting_at("", NULL, (Span){0});
  s->compiling = pass_now() - s->started;
  pass_timed(&s->passes, "frontend", pass_now() - begin);
  if (!s->model || diag_errors(s->diag)) {
    session_render(s);
    return source_file(s->src, 1) ? EXIT_FILE : EXIT_IO;
  }
  session_render(s);
  if (s->errors) return warnings_count(s);
  const int unlike = s->ranks ? ranks_alike(s) : 0;
  if (unlike) return unlike;
  s->pool = rt_pool_create(o->threads);
  s->set = base_zeroed(s->model->ndata, sizeof *s->set);
  s->native_set = base_zeroed(s->model->ndata, sizeof *s->native_set);
  if ((strcmp(s->opt->command, "check") != 0 || s->model->nstart) && !make_params(s))
    return session_fail(s, EXIT_IO, CODE_memory, (Span){0}, "there is not enough memory for the parameters");
  return start_params(s);
}

bool session_means_fit(Session *s) {
  bool fit = true;
  for (uint32_t i = 0; i < s->model->naction; i++) {
    const Train *t = s->model->action[i].kind == DO_TRAIN ? s->model->action[i].train : NULL;
    for (uint32_t k = 0; t && k < t->nsum; k++) {
      Fn *mean = t->sum[k].loss ? pass_step_mean(&s->passes, t->sum[k].loss, s->diag) : NULL;
      fit &= mean != NULL;
      ir_fn_destroy(mean);
    }
  }
  return fit;
}

void session_look(Session *s, const Options *o, const char *text, size_t len) {
  *s = (Session){.opt = o, .started = pass_now(), .src = source_create()};
  s->diag = diag_create(s->src);
  set_passes(s, o);
  s->cg = (CgOptions){.cache_dir = cache_dir(s)};
  make_model(s, text, len);
}

/* What the runtime holds: of a session that is not whole, what there is. */
static void finish_arrays(Session *s) {
  for (uint32_t i = 0; s->model && s->param && i < s->model->nparam; i++) rt_array_finish(&s->param[i]);
  for (uint32_t i = 0; s->model && s->set && s->native_set && i < s->model->ndata; i++) {
    rt_set_finish(&s->set[i]);
    rt_set_finish(&s->native_set[i]);
  }
}

void session_abandon(Session *s) {
  for (uint32_t i = 0; i < s->code.n; i++) cg_abandon(s->code.at[i]);
  finish_arrays(s);
  rt_pool_destroy(s->pool);
}

void session_drop_code(Session *s, uint32_t from) {
  while (s->code.n > from) cg_destroy(s->code.at[--s->code.n]);
}

void session_close(Session *s) {
  waiting_end();
  if (s->cg.cache_dir) kept_tidy(s->cg.cache_dir, s->opt->library);
  finish_arrays(s);
  session_drop_code(s, 0);
  vec_free(&s->code);
  pass_run_finish(&s->passes);
  vec_free(&s->table);
  base_free(s->param);
  base_free(s->set);
  base_free(s->native_set);
  rt_pool_destroy(s->pool);
  model_destroy(s->model);
  diag_destroy(s->diag);
  source_destroy(s->src);
}
