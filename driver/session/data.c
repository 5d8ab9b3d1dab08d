/* Data sets: programs run (always in f64), files read, parts of others taken. A set is made once,
 * when something first needs it. */
#include "driver/session/nan.h"
#include "driver/session/data_priv.h"
#include "driver/session/native.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

static int index_of(const Session *s, const Data *d) {
  for (uint32_t i = 0; i < s->model->ndata; i++)
    if (s->model->data[i] == d) return (int)i;
  base_fault("a data set is not in its model");
}

const RtSet *data_set(Session *s, const Data *d) { return &s->set[index_of(s, d)]; }

/* Of a set: the runtime frees them. */
static RtArray *fields(uint32_t n) {
  RtArray *f = rt_zeroed((n + 1) * sizeof *f);
  if (!f) base_fault("out of memory for the fields of a data set");
  return f;
}

bool data_alloc(RtSet *set, const Data *d, int64_t n, RtRanks *ranks) {
  *set = (RtSet){.nfield = (int)d->nfield, .n = n, .field = fields(d->nfield), .ranks = n >= RT_SHARD ? ranks : NULL};
  for (uint32_t k = 0; k < d->nfield; k++)
    if (!(set->ranks ? rt_array_init_sparse : rt_array_init)(&set->field[k], d->field[k].name, true, d->field[k].type.rank,
                                                             d->field[k].type.dim, n))
      return false;
  return true;
}

typedef struct Range {
  int64_t from, to;
} Range;

/* The samples that are here. */
static Range here(const RtSet *set) {
  Range r = {0, set->n};
  if (set->ranks) rt_leaves(set->ranks->rank, set->ranks->size, set->n, &r.from, &r.to);
  return r;
}

RtSet *data_empty(Session *s, const Data *d, int64_t n) {
  RtSet *set = &s->set[index_of(s, d)];
  if (data_alloc(set, d, n, NULL)) return set;
  rt_set_finish(set);
  return *set = (RtSet){0}, NULL;
}

/* Numbers of rows or samples; NULL without memory. */
static int64_t *row_numbers(int64_t n) { return (uint64_t)n < SIZE_MAX / 16 ? rt_zeroed((size_t)n * sizeof(int64_t)) : NULL; }

int data_no_memory(Session *s, const Data *d, int64_t samples) {
  static const char *const unit[] = {"kB", "MB", "GB", "TB", "PB", "EB"};
  double numbers = 0;
  int u = 0;
  for (uint32_t k = 0; k < d->nfield; k++) numbers += (double)type_count(d->field[k].type);
  double size = (double)samples * numbers * (double)sizeof(double) / 1e3;
  while (size >= 999.5 && u < (int)(sizeof unit / sizeof *unit) - 1) size /= 1e3, u++;
  return session_fail(s, EXIT_IO, CODE_memory, d->at,
                      "there is not enough memory for the data set `%s`: %" PRId64 " samples of %.0f numbers "
                      "in f64 are %.3g %s; take fewer samples, or shorter ones",
                      d->name, samples, numbers, size, unit[u]);
}

int data_no_samples(Session *s, const Data *d) {
  return session_fail(s, EXIT_FILE, CODE_no_samples, d->at, "the data set `%s` has no samples", d->name);
}

/* ---- programs ------------------------------------------------------------------------------------- */

/* Which rows of its draw stand in a sample: row r of sample j is at[j * step + r]. */
typedef struct Rows {
  int64_t *at, n, per_draw, step, window;
} Rows;

enum { ORDERS = 0x6f72 }; /* a stream of the data's seed apart from others */

/* Every field of a draw takes its rows in the same order, which follows from the data's seed, the number of the draw and
 * that of the order. What is left over at the end of an order is dropped. */
static void rows_of_draw(const Session *s, const Data *d, Rows *r, int64_t draw, int64_t *order) {
  int64_t each = r->n / r->window * r->window;
  if (d->yield != YIELD_SHUFFLED) return;
  uint64_t seed = rt_random_u64(session_seed(s, d->seed), ORDERS, (uint64_t)draw);
  for (uint32_t k = 0; k < d->orders; k++) {
    rt_permutation(seed, k, r->n, order);
    memcpy(r->at + k * each, order, (size_t)each * sizeof *order);
  }
}

static Rows rows_of(const Data *d) {
  int64_t n = d->yield == YIELD_ONE ? 1 : ir_type(d->program, d->program->out.at[0]).dim[0];
  if (d->yield == YIELD_WINDOWS) return (Rows){.n = n, .per_draw = n - d->window + 1, .step = 1, .window = d->window};
  if (d->yield == YIELD_SHUFFLED)
    return (Rows){.n = n, .per_draw = n / d->window * d->orders, .step = d->window, .window = d->window};
  return (Rows){.n = n, .per_draw = n, .step = 1, .window = 1};
}

/* The samples of draw i of an output [rows, ...]. `out` has the draws as lanes; the set has the samples as lanes. */
static void unpack(RtArray *field, const RtArray *out, const Rows *r, int64_t i) {
  int64_t row_elems = field->elems / r->window;
  double *to = (double *)field->v + i * r->per_draw;
  const double *from = (const double *)out->v + i;
  const int64_t row = row_elems * out->ld;
  for (int64_t k = 0; k < r->window; k++)
    for (int64_t e = 0; e < row_elems; e++, to += field->ld)
      for (int64_t j = 0; j < r->per_draw; j++) to[j] = from[r->at[j * r->step + k] * row + e * out->ld];
}

static bool unpack_all(const Session *s, const Data *d, RtSet *set, const RtArray *out, Rows *r, Range draws) {
  int64_t n = d->yield == YIELD_SHUFFLED ? r->per_draw * r->window : r->n;
  int64_t *order = row_numbers(r->n);
  r->at = row_numbers(n);
  bool ok = order && r->at;
  for (int64_t k = 0; ok && k < n; k++) r->at[k] = k;
  for (int k = 0; ok && k < set->nfield; k++) {
    for (int64_t i = draws.from; i < draws.to; i++) {
      rows_of_draw(s, d, r, i, order);
      unpack(&set->field[k], &out[k], r, i);
    }
    rt_array_pad(&set->field[k]);
  }
  free(order);
  free(r->at);
  return ok;
}

/* Whether output k follows from a field that has a gap in this draw: then it may be NaN. */
static bool from_gap(const Fn *f, const RtSet *on, uint32_t k, int64_t draw) {
  bool gap = false;
  for (uint32_t j = 0; on && j < f->in.n && !gap; j++) {
    if (f->in.at[j].kind != IN_FIELD) continue;
    const RtArray *a = &on->field[f->in.at[j].index];
    for (int64_t e = 0; e < a->elems && !gap; e++) gap = isnan(((double *)a->v)[e * a->ld + draw]);
    gap = gap && pass_follows(f, k, k + 1, j);
  }
  return gap;
}

/* `lost`: of the trajectories on the way, by draw; NULL if there are none. */
static int check_finite(Session *s, const Data *d, const Native *native, const RtSet *set, const RtArray *lost, Range draws) {
  const RtSet *on = d->on ? data_set(s, d->on) : NULL;
  const int64_t per_draw = rows_of(d).per_draw;
  const Range own = here(set);
  for (int k = 0; k < set->nfield; k++)
    for (int64_t e = 0; e < set->field[k].elems; e++)
      for (int64_t i = own.from; i < own.to; i++) {
        const double v = ((double *)set->field[k].v)[e * set->field[k].ld + i];
        if (isfinite(v) || (isnan(v) && from_gap(native->fn, on, (uint32_t)k, i / per_draw))) continue;
        return nan_data(s, d, native->fn, i / per_draw, set->field[k].name, i);
      }
  for (int64_t i = draws.from; lost && i < draws.to; i++)
    if (isnan(((double *)lost->v)[i]) && !from_gap(native->fn, on, d->nfield, i)) return nan_data(s, d, native->fn, i, NULL, 0);
  return 0;
}

/* Programs compute in f64, whatever the parameters are kept in. */
static bool input(const Session *s, const Input *in, const RtSet *on, int64_t draws, Range own, RtArray *made, HnnArg *out) {
  const RtArray *a = in->kind == IN_FIELD ? &on->field[in->index] : made;
  if (in->kind == IN_PARAM && !rt_array_convert(&s->param[in->index], true, made)) return false;
  if (in->kind == IN_INDEX) {
    if (!rt_array_init_sparse(made, "index", true, 0, NULL, draws)) return false;
    for (int64_t i = own.from; i < own.to; i++) ((double *)made->v)[i] = (double)i;
    rt_array_pad(made);
  }
  *out = (HnnArg){a->v, a->ld};
  return true;
}

/* own: of many ranks, the draws that this one makes; else all, in which they have parts. */
static bool draw_all(Session *s, const Data *d, const Native *native, const HnnArg *in, const HnnArg *out, int64_t draws,
                     const Range *own) {
  const DataEvents *on = &s->on_data;
  const RtWatch watch = {on->progress, on->ctx};
  if (on->begins) on->begins(on->ctx, d, draws);
  rt_fn_watch(native->run, &watch);
  if (own) rt_fn_only(native->run, own->from, own->to);
  const bool ok = rt_fn_run(native->run, in, out, draws, session_seed(s, d->seed), 0);
  rt_fn_watch(native->run, NULL);
  if (on->ends) on->ends(on->ctx);
  return ok;
}

/* The draws that rank `rank` makes, whose rows are among its samples; and what they read of another set is here. */
static Range draws_of(const RtSet *set, int rank, int64_t per_draw) {
  Range r;
  rt_leaves(rank, set->ranks->size, set->n, &r.from, &r.to);
  return (Range){r.from / per_draw, (r.to + per_draw - 1) / per_draw};
}

static void bring_draws(RtSet *on, const RtSet *set, int64_t per_draw) {
  if (!on || !on->ranks || per_draw == 1) return;
  int64_t *begin = base_zeroed(2 * (size_t)set->ranks->size, sizeof *begin), *end = begin + set->ranks->size;
  for (int k = 0; k < set->ranks->size; k++) {
    const Range r = draws_of(set, k, per_draw);
    begin[k] = r.from, end[k] = r.to;
  }
  rt_set_bring_ranges(on, begin, end);
  base_free(begin);
}

static int run_program(Session *s, const Data *d, Native *native, RtSet *set) {
  const Fn *f = native->fn;
  const RtSet *on = d->on ? data_set(s, d->on) : NULL;
  Rows rows = rows_of(d);
  int64_t draws = on ? on->n : d->count, samples;
  if (__builtin_mul_overflow(draws, rows.per_draw, &samples)) return data_no_memory(s, d, INT64_MAX);
  if (samples <= 0) return data_no_samples(s, d);
  RtArray *out = base_zeroed(f->out.n, sizeof *out);
  RtArray *made = base_zeroed(f->in.n, sizeof *made);
  HnnArg *arg = base_zeroed(f->out.n + f->in.n, sizeof *arg), *in = arg + f->out.n;
  bool ok = data_alloc(set, d, samples, s->ranks);
  Range own = {0, draws};
  if (ok && set->ranks) own = draws_of(set, s->ranks->rank, rows.per_draw), bring_draws((RtSet *)on, set, rows.per_draw);
  for (uint32_t k = 0; ok && k < f->out.n; k++) {
    Type t = ir_type(f, f->out.at[k]);
    ok = (set->ranks ? rt_array_init_sparse : rt_array_init)(&out[k], k < d->nfield ? d->field[k].name : "lost", true, t.rank,
                                                             t.dim, draws);
    if (ok) arg[k] = (HnnArg){out[k].v, out[k].ld};
  }
  for (uint32_t k = 0; ok && k < f->in.n; k++) ok = input(s, &f->in.at[k], on, draws, own, &made[k], &in[k]);
  ok = ok && draw_all(s, d, native, in, arg, draws, set->ranks ? &own : NULL);
  ok = ok && unpack_all(s, d, set, out, &rows, own);
  int code =
      ok ? check_finite(s, d, native, set, f->out.n > d->nfield ? &out[d->nfield] : NULL, own) : data_no_memory(s, d, samples);
  for (uint32_t k = 0; k < f->out.n; k++) rt_array_finish(&out[k]);
  for (uint32_t k = 0; k < f->in.n; k++) rt_array_finish(&made[k]);
  base_free(out);
  base_free(made);
  base_free(arg);
  return code;
}

static int make_program(Session *s, const Data *d, RtSet *set) {
  Native native;
  Fn *program = pass_watch(d->program);
  NativeJob job = {program, d->name, &native, .samples = d->on ? data_set(s, d->on)->n : d->count};
  int code = native_build(s, &job, 1);
  if (!code) {
    code = run_program(s, d, &native, set);
    native_finish(&native);
  }
  ir_fn_destroy(program);
  return code;
}

/* ---- files ------------------------------------------------------------------------------------------ */

/* Rows at which a window starts: all of its rows lie in one group. */
static int64_t window_starts(const Data *d, int64_t rows, const RtColumn *group, int64_t *start) {
  int64_t window = d->read_window ? d->read_window : 1, n = 0;
  if (group && group->rows == RT_EVERY_ROW) group = NULL;
  for (int64_t i = 0; i + window <= rows; i++) {
    bool together = true;
    for (int64_t j = 1; group && together && j < window; j++) together = group->v[i + j] == group->v[i];
    if (together) start[n++] = i;
  }
  return n;
}

static int find_column(const Data *d, const RtTable *t, uint32_t k) {
  const ReadColumn *c = &d->column[k];
  if (c->column >= 0) return c->column < t->ncolumn ? c->column : -1;
  for (int i = 0; i < t->ncolumn; i++)
    if (!strcmp(t->column[i].name, c->header)) return i;
  return -1;
}

/* Whether a column is what the field was made for when the file was looked into, and has as many rows as those before. */
static bool fits(const Data *d, uint32_t k, const RtColumn *c, int64_t *rows) {
  const Type *t = &d->field[k].type;
  const int windows = d->read_window && c->rows != RT_EVERY_ROW;
  if (c->fault || t->rank != c->rank + windows || memcmp(t->dim + windows, c->dim, sizeof *c->dim * (size_t)c->rank)) return false;
  if (c->rows == RT_EVERY_ROW) return true;
  if (*rows < 0) *rows = c->rows;
  return *rows == c->rows;
}

/* Each row is a sample: no windows of rows, nor groups. */
static bool each_row(const Data *d) { return d->group < 0 && d->read_window <= 1; }

/* The columns of the fields; the rows that they have in common. */
static int select_columns(Session *s, const Data *d, RtTable *t, int *column, int64_t *rows) {
  RtError err = {{0}};
  *rows = -1;
  for (uint32_t k = 0; k < d->nfield; k++) {
    column[k] = find_column(d, t, k);
    if (column[k] < 0 || !fits(d, k, &t->column[column[k]], rows))
      return session_fail(s, EXIT_IO, CODE_file, d->at, "the file `%s` has changed while it was read: its column `%s` is another",
                          d->path, d->field[k].name);
  }
  if (*rows < 0) return data_no_samples(s, d);
  if (s->ranks && *rows >= RT_SHARD && each_row(d)) rt_leaves(s->ranks->rank, s->ranks->size, *rows, &t->from, &t->to);
  return rt_table_values(t, column, (int)d->nfield, &err) ? 0 : session_fail(s, EXIT_FILE, CODE_table_cell, d->at, "%s", err.text);
}

static void fill_field(RtArray *a, const RtColumn *c, bool mask, int64_t window, const int64_t *start, Range own) {
  const bool same = c->rows == RT_EVERY_ROW;
  const int64_t row = a->elems / window;
  for (int64_t i = own.from; i < own.to; i++)
    for (int64_t e = 0; e < a->elems; e++) {
      const double v = same ? c->v[0] : c->v[(start ? start[i] : i) * row + e];
      ((double *)a->v)[e * a->ld + i] = mask ? !isnan(v) : v;
    }
  rt_array_pad(a);
}

static int fill_from_table(Session *s, const Data *d, const RtTable *t, const int *column, int64_t rows, RtSet *set) {
  int64_t *start = each_row(d) ? NULL : row_numbers(rows + 1);
  const RtColumn *group = d->group >= 0 ? &t->column[column[d->group]] : NULL;
  int64_t n = each_row(d) ? rows : start ? window_starts(d, rows, group, start) : 0;
  int code = 0;
  if (!start && !each_row(d)) code = data_no_memory(s, d, rows);
  else if (n == 0)
    code = session_fail(s, EXIT_FILE, CODE_no_samples, d->at,
                        "the data set `%s` has no samples: no group has %u rows one after the other", d->name, d->read_window);
  else if (!data_alloc(set, d, n, s->ranks)) code = data_no_memory(s, d, n);
  for (uint32_t k = 0; !code && k < d->nfield; k++)
    fill_field(&set->field[k], &t->column[column[k]], d->column[k].mask, d->read_window ? d->read_window : 1, start, here(set));
  free(start);
  return code;
}

static int make_read(Session *s, const Data *d, RtSet *set) {
  RtTable t = {0};
  RtError err = {{0}};
  int64_t rows = 0;
  if (!rt_table_read(d->path, d->gaps ? RT_GAPS : RT_VALUES, &t, &err))
    return session_fail(s, EXIT_IO, CODE_file, d->at, "%s", err.text);
  int *column = base_zeroed(d->nfield, sizeof *column);
  int code = select_columns(s, d, &t, column, &rows);
  if (!code) code = fill_from_table(s, d, &t, column, rows, set);
  base_free(column);
  rt_table_finish(&t);
  return code;
}

/* ------------------------------------------------------------------------------------------------------- */

static int make(Session *s, const Data *d) {
  RtSet *set = &s->set[index_of(s, d)];
  if (set->n) return 0;
  const Data *needs = d->kind == DATA_PROGRAM ? d->on : d->kind == DATA_READ ? NULL : d->base;
  int code = needs ? make(s, needs) : 0;
  if (code) return code;
  double start = pass_now(), compiling = s->compiling;
  switch (d->kind) {
  case DATA_PROGRAM: code = make_program(s, d, set); break;
  case DATA_READ: code = make_read(s, d, set); break;
  default: code = data_part(s, d, set);
  }
  s->making_data += pass_now() - start - (s->compiling - compiling);
  pass_timed(&s->passes, "data", pass_now() - start);
  return code;
}

static bool convert_part(const RtArray *a, Range own, RtArray *out) {
  if (!rt_array_init_sparse(out, a->name, false, a->rank, a->dim, a->n)) return false;
  for (int64_t e = 0; e < a->elems; e++)
    for (int64_t i = own.from; i < own.to; i++) ((float *)out->v)[e * a->ld + i] = (float)((double *)a->v)[e * a->ld + i];
  rt_array_pad(out);
  return true;
}

/* The set in f32, whose numbers end at 3.4e38. */
static int make_native(Session *s, const Data *d, const RtSet *set, RtSet *native) {
  const Range own = here(set);
  *native = (RtSet){.nfield = set->nfield, .n = set->n, .field = fields((uint32_t)set->nfield), .ranks = set->ranks};
  for (int k = 0; k < set->nfield; k++) {
    RtArray *to = &native->field[k];
    if (!(set->ranks ? convert_part(&set->field[k], own, to) : rt_array_convert(&set->field[k], false, to)))
      return data_no_memory(s, d, set->n);
    for (int64_t e = 0; e < to->elems; e++)
      for (int64_t i = own.from; i < own.to; i++) {
        const double v = ((double *)set->field[k].v)[e * to->ld + i];
        if (isinf(((float *)to->v)[e * to->ld + i]) && isfinite(v))
          return session_fail(s, EXIT_NUMBERS, CODE_not_finite, d->at,
                              "`%s` of the data set `%s` is %g in sample %" PRId64
                              ", which f32 does not hold; write `precision f64`, or use other units",
                              to->name, d->name, v, i);
      }
  }
  return 0;
}

int data_make(Session *s, const Data *d) {
  int code = make(s, d);
  RtSet *native = &s->native_set[index_of(s, d)];
  if (code || s->model->f64 || native->n) return code;
  code = make_native(s, d, data_set(s, d), native);
  if (code) rt_set_finish(native);
  return code;
}

const RtSet *data_native(Session *s, const Data *d) { return s->model->f64 ? data_set(s, d) : &s->native_set[index_of(s, d)]; }

/* Of a file that is read once, for two hashes; `also`: NULL, or the other. */
static bool hash_file(XXH3_state_t *state, XXH3_state_t *also, const char *path) {
  char buf[1 << 16];
  RtError e;
  FILE *f = rt_file_regular(path, &e) ? fopen(path, "rb") : NULL;
  if (!f) return false;
  for (size_t n; (n = fread(buf, 1, sizeof buf, f)) > 0;) {
    XXH3_128bits_update(state, buf, n);
    if (also) XXH3_128bits_update(also, buf, n);
  }
  bool ok = !ferror(f);
  fclose(f);
  return ok;
}

bool data_hash_file(struct XXH3_state_s *state, const char *path) { return hash_file(state, NULL, path); }

static XXH3_state_t *begin(void) {
  XXH3_state_t *state = XXH3_createState();
  XXH3_128bits_reset(state);
  return state;
}

static void digest(XXH3_state_t *state, char out[DATA_HASH]) {
  XXH128_hash_t h = XXH3_128bits_digest(state);
  XXH3_freeState(state);
  snprintf(out, DATA_HASH, "%016" PRIx64 "%016" PRIx64, (uint64_t)h.high64, (uint64_t)h.low64);
}

/* The files that the model reads, in a run's order: NULL past the last. */
static const char *data_file(const Session *s, uint32_t k) {
  const Model *m = s->model;
  for (uint32_t i = 0; i < m->ndata; i++)
    if (m->data[i]->kind == DATA_READ && !k--) return m->data[i]->path;
  return k < m->nfile ? m->file[k] : NULL;
}

/* A file that cannot be read counts as empty: making its set will say so. */
void data_fingerprint(const Session *s, DataFileHash *each, void *ctx, char out[DATA_HASH]) {
  XXH3_state_t *all = begin();
  const char *path;
  char own[DATA_HASH];
  for (uint32_t k = 0; (path = data_file(s, k)); k++) {
    XXH3_state_t *one = each ? begin() : NULL;
    (void)hash_file(all, one, path);
    if (one) digest(one, own), each(ctx, path, own);
  }
  digest(all, out);
}

void data_file_fingerprint(const char *path, char out[DATA_HASH]) {
  XXH3_state_t *state = begin();
  (void)hash_file(state, NULL, path);
  digest(state, out);
}
