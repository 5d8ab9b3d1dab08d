/* See eval.h. */
#include "driver/run/eval.h"
#include "driver/run/save.h"
#include "driver/session/data.h"
#include "driver/process/process.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- arrays in -------------------------------------------------------------------------------------------- */

static AskArray array_of(const RtColumn *c) {
  const bool rows = c->rows <= UINT32_MAX;
  AskArray a = {.name = c->name, .fault = c->fault ? c->fault : !c->number ? "it contains text" : rows ? NULL : "it is too long"};
  if (c->rows != RT_EVERY_ROW) a.dim[a.rank++] = (uint32_t)c->rows;
  for (int d = 0; d < c->rank; d++) a.dim[a.rank++] = c->dim[d];
  return a;
}

/* What may be a data set of the model. */
static bool is_name(const char *path) { return !strpbrk(path, "./\\ "); }

/* So many samples: 1 and more. */
static bool is_count(const char *path, uint32_t *n) {
  char *end;
  const unsigned long long v = strtoull(path, &end, 10);
  const bool good = *path >= '0' && *path <= '9' && !*end && v > 0 && v <= UINT32_MAX;
  if (good) *n = (uint32_t)v;
  return good;
}

bool eval_open(EvalData *d, const char *text, const char *path, RtError *err) {
  *d = (EvalData){.ask = {.text = text, .file = path}};
  if (!path) return true;
  if (access(path, F_OK) && is_count(path, &d->ask.samples)) return d->ask.file = NULL, true;
  if (is_name(path) && access(path, F_OK)) return d->ask.on = path, d->ask.file = NULL, true;
  if (!rt_file_regular(path, err) || !rt_table_read(path, RT_GAPS | RT_WHOLE, &d->table, err)) return false;
  AskArray *a = base_zeroed((size_t)d->table.ncolumn + 1, sizeof *a);
  for (int k = 0; k < d->table.ncolumn; k++) a[k] = array_of(&d->table.column[k]);
  d->ask.array = a, d->ask.narray = (uint32_t)d->table.ncolumn, d->ask.columns = d->table.text;
  return true;
}

void eval_close(EvalData *d) {
  base_free((void *)d->ask.array);
  rt_table_finish(&d->table);
}

static int64_t lead_count(const Asked *a) {
  int64_t n = 1;
  for (uint32_t d = 0; d < a->nlead; d++) n *= a->lead[d];
  return n;
}

/* Elements of a sample of an array: what its own axes of samples leave. */
static int64_t width_of(const AskArray *a, uint32_t nlead) {
  int64_t n = 1;
  for (uint32_t d = nlead; d < a->rank; d++) n *= a->dim[d];
  return n;
}

static void fill(RtArray *to, const EvalData *d, const Asked *a, const AskedField *f, int64_t n) {
  int64_t e = 0;
  for (uint32_t k = 0; k < f->npiece; k++) {
    const AskedPiece *p = &f->piece[k];
    const int64_t width = width_of(&d->ask.array[p->array], f->shared ? 0 : a->nlead);
    const double *from = d->table.column[p->array].v + p->first;
    for (uint32_t j = 0; j < p->n; j++, e++)
      for (int64_t i = 0; i < n; i++) ((double *)to->v)[e * to->ld + i] = from[(f->shared ? 0 : i * width) + j];
  }
  rt_array_pad(to);
}

static int make_set(Session *s, EvalData *d, const Asked *a, int64_t n) {
  RtError err;
  const Data *data = a->save->data;
  for (uint32_t k = 0; k < data->nfield; k++)
    for (uint32_t i = 0; i < a->field[k].npiece; i++) {
      const int column = (int)a->field[k].piece[i].array;
      if (!rt_table_values(&d->table, &column, 1, &err)) return session_fail(s, EXIT_FILE, CODE_file, (Span){0}, "%s", err.text);
    }
  RtSet *set = data_empty(s, data, n);
  if (!set)
    return session_fail(s, EXIT_IO, CODE_memory, (Span){0}, "there is not enough memory for the arrays of `%s`", d->ask.file);
  for (uint32_t k = 0; k < data->nfield; k++) fill(&set->field[k], d, a, &a->field[k], n);
  return data_make(s, data);
}

/* ---- results -------------------------------------------------------------------------------------------------- */

/* lanes NULL: of no sample. */
static bool whole(const Asked *a, const char *name, Type t, bool f64, const RtArray *lanes, RtArray *out) {
  uint32_t dim[2 * HNN_MAX_RANK];
  if (a->nlead + t.rank > HNN_MAX_RANK) return false;
  memcpy(dim, a->lead, sizeof *dim * a->nlead);
  memcpy(dim + a->nlead, t.dim, sizeof *dim * t.rank);
  if (!rt_array_init(out, name, f64, (int)(a->nlead + t.rank), dim, 0)) return false;
  const int64_t n = lanes && lanes->n ? lanes->n : 1;
  const size_t real = f64 ? sizeof(double) : sizeof(float);
  for (int64_t i = 0; lanes && i < n; i++)
    for (int64_t e = 0; e < lanes->elems; e++)
      memcpy((char *)out->v + (size_t)(i * lanes->elems + e) * real,
             (const char *)lanes->v + (size_t)(lanes->n ? e * lanes->ld + i : e) * real, real);
  return true;
}

static int finish(Session *s, const Asked *a, const RtArray *lanes, RtArray *out) {
  const Save *w = a->save;
  for (uint32_t k = 0; k < w->fn->out.n; k++) {
    const Type t = ir_type(w->fn, w->fn->out.at[k]);
    if (!whole(a, w->key[k], t, w->fn->f64, lanes ? &lanes[k] : NULL, &out[k]))
      return session_fail(s, EXIT_IO, CODE_memory, (Span){0}, "`%s` has more than %d axes, or there is no memory for it", w->key[k],
                          HNN_MAX_RANK);
    out[k].truth = w->truth[k];
  }
  return 0;
}

int eval_run(Session *s, EvalData *d, const ReportResult *results, uint64_t seed, RtArray *out) {
  Asked *a = s->model->asked;
  const Data *data = a->save->data;
  const int64_t n = lead_count(a);
  const uint32_t nout = a->save->fn->out.n;
  if (!n) return finish(s, a, NULL, out);
  int code = !data ? 0 : data->kind == DATA_GIVEN ? make_set(s, d, a, n) : data_make(s, data);
  if (!code && data && data->kind != DATA_GIVEN) a->nlead = 1, a->lead[0] = (uint32_t)data_set(s, data)->n;
  RtArray *lanes = base_zeroed(nout, sizeof *lanes);
  if (!code) code = save_evaluate(s, a->save, results, seed, (Span){0}, lanes);
  if (!code) code = finish(s, a, lanes, out);
  for (uint32_t k = 0; k < nout; k++) rt_array_finish(&lanes[k]);
  base_free(lanes);
  return code;
}

/* ---- out ------------------------------------------------------------------------------------------------------ */

static int64_t rows_of(const RtArray *a, int nlead) {
  int64_t n = 1;
  for (int d = 0; d < nlead; d++) n *= a->dim[d];
  return n;
}

static int64_t columns_of(const RtArray *a, int nlead) {
  int64_t n = 1;
  for (int d = nlead; d < a->rank; d++) n *= a->dim[d];
  return n;
}

/* "q" or "q[0]", "m[0][1]" */
static void column_name(FILE *f, const RtArray *a, int nlead, int64_t e) {
  fputs(a->name, f);
  int64_t below = columns_of(a, nlead);
  for (int d = nlead; d < a->rank; d++) {
    below /= a->dim[d];
    fprintf(f, "[%" PRId64 "]", e / below);
    e %= below;
  }
}

/* The shortest digits that read back the same. */
static void number(FILE *f, const RtArray *a, int64_t i) {
  const double v = rt_real(a->v, i, a->f64);
  char text[40];
  int digits = a->f64 ? 15 : 6;
  do snprintf(text, sizeof text, "%.*g", digits, v);
  while (digits++ < 17 && (a->f64 ? strtod(text, NULL) != v : (double)strtof(text, NULL) != v) && !isnan(v));
  fputs(isnan(v) ? "nan" : text, f);
}

static void print(FILE *f, const RtArray *a, int n, int nlead) {
  for (int k = 0, first = 1; k < n; k++)
    for (int64_t e = 0; e < columns_of(&a[k], nlead); e++, first = 0) {
      if (!first) fputc(',', f);
      column_name(f, &a[k], nlead, e);
    }
  fputc('\n', f);
  for (int64_t i = 0; i < rows_of(a, nlead); i++, fputc('\n', f))
    for (int k = 0, first = 1; k < n; k++)
      for (int64_t e = 0, m = columns_of(&a[k], nlead); e < m; e++, first = 0) {
        if (!first) fputc(',', f);
        number(f, &a[k], i * m + e);
      }
}

static bool ends(const char *path, const char *end) {
  const size_t n = strlen(path), m = strlen(end);
  return n >= m && !strcmp(path + n - m, end);
}

static bool write_text(const RtArray *a, int n, int nlead, const char *path, RtError *err) {
  OutFile o;
  FILE *f = out_open(&o, path);
  if (f) print(f, a, n, nlead);
  if (f && out_end(&o, true)) return true;
  snprintf(err->text, sizeof err->text, "cannot write %.300s: %s", path ? path : "to the standard output", strerror(errno));
  return false;
}

bool eval_write(const RtArray *a, int n, int nlead, const char *path, RtError *err) {
  if (!path) return write_text(a, n, nlead, NULL, err);
  out_folders(path);
  if (ends(path, ".npz")) return rt_npz_write(path, a, n, err);
  if (!ends(path, ".npy")) return write_text(a, n, nlead, path, err);
  if (n == 1) return rt_npy_write(path, a, err);
  snprintf(err->text, sizeof err->text, "an .npy file has one array, but there are %d results: write an .npz", n);
  return false;
}
