/* Runs as tables for people. A cell is a text; columns that say nothing are left out. */
#include "driver/runs/runs.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- tables --------------------------------------------------------------------------------------------------- */

typedef struct Table {
  Arena *mem;
  uint32_t columns;
  VEC(const char *) cell; /* row by row, the heads first */
} Table;

/* Characters, for columns: a byte of UTF-8 that begins none takes no room. */
static int width(const char *s) {
  int n = 0;
  for (; *s; s++) n += ((unsigned char)*s & 0xC0) != 0x80;
  return n;
}

static void add(Table *t, const char *cell) { *vec_push(&t->cell) = cell; }

static bool empty(const Table *t, uint32_t column) {
  for (uint32_t i = column + t->columns; i < t->cell.n; i += t->columns)
    if (*t->cell.at[i]) return false;
  return true;
}

static void print(FILE *out, const Table *t, const char *before) {
  for (uint32_t row = 0; row < t->cell.n; row += t->columns) {
    int owed = 0; /* blanks, which nothing may follow */
    fputs(before, out);
    for (uint32_t c = 0; c < t->columns; c++) {
      int widest = 0;
      if (empty(t, c)) continue;
      for (uint32_t i = c; i < t->cell.n; i += t->columns) widest = width(t->cell.at[i]) > widest ? width(t->cell.at[i]) : widest;
      const char *cell = t->cell.at[row + c];
      if (*cell) fprintf(out, "%*s%s", owed, "", cell), owed = 0;
      owed += widest - width(cell) + 2;
    }
    fputc('\n', out);
  }
}

/* ---- what a run says -------------------------------------------------------------------------------------------- */

static const char *text(const json_t *r, const char *key) {
  const char *s = json_string_value(json_object_get(r, key));
  return s ? s : "";
}

/* The value of the override `name=...` of this length; the last one counts. "": none. */
static const char *override_of(const json_t *r, const char *name, size_t n) {
  const char *found = "";
  size_t i;
  json_t *x;
  json_array_foreach(json_object_get(r, "overrides"), i, x) {
    const char *s = json_string_value(x);
    if (s && !strncmp(s, name, n) && s[n] == '=') found = s + n + 1;
  }
  return found;
}

/* The names of the overrides of some run, each once. */
typedef VEC(const char *) Names;

static void know(Names *names, const char *name) {
  uint32_t k = 0;
  while (k < names->n && strcmp(names->at[k], name) != 0) k++;
  if (k == names->n) *vec_push(names) = name;
}

static void overrides_of(Arena *mem, const json_t *r, Names *names) {
  size_t i;
  json_t *x;
  json_array_foreach(json_object_get(r, "overrides"), i, x) {
    const char *s = json_string_value(x), *eq = s ? strchr(s, '=') : NULL;
    if (eq) know(names, arena_strndup(mem, s, (size_t)(eq - s)));
  }
}

static void reports_of(const json_t *r, Names *names) {
  const char *name;
  json_t *x;
  json_object_foreach(json_object_get(r, "reports"), name, x) know(names, name);
}

static double first(const json_t *x) {
  while (json_is_array(x)) x = json_array_get(x, 0);
  return json_is_number(x) ? json_number_value(x) : NAN;
}

/* "1.2 ± 0.1", "[1.2, 3.4, ...]" */
static const char *report_cell(Arena *mem, const json_t *r, const char *name) {
  enum { SHOWN = 3 };
  const json_t *x = json_object_get(json_object_get(r, "reports"), name), *mean = json_object_get(x, "mean");
  if (!x) return "";
  if (!json_is_array(mean)) {
    if (!json_is_number(mean)) return "nan";
    if (json_integer_value(json_object_get(x, "n")) < 2) return arena_printf(mem, "%.5g", json_number_value(mean));
    return arena_printf(mem, "%.5g ± %.2g", json_number_value(mean), first(json_object_get(x, "sd")));
  }
  const char *s = "[";
  for (size_t i = 0; i < json_array_size(mean) && i < SHOWN; i++)
    s = arena_printf(mem, "%s%s%.4g", s, i ? ", " : "", first(json_array_get(mean, i)));
  return arena_printf(mem, "%s%s]", s, json_array_size(mean) > SHOWN ? ", ..." : "");
}

static json_int_t seed_of(const json_t *r) { return json_integer_value(json_object_get(r, "seed")); }

static const char *seconds_cell(Arena *mem, const json_t *r) {
  const json_t *s = json_object_get(r, "seconds");
  return json_is_number(s) ? arena_printf(mem, json_number_value(s) < 100 ? "%.1f s" : "%.0f s", json_number_value(s)) : "";
}

static const char *fails_cell(Arena *mem, const json_t *r) {
  size_t i;
  json_t *x;
  const char *s = "";
  json_array_foreach(json_object_get(r, "expects"), i, x) if (json_is_false(json_object_get(x, "holds"))) s =
      arena_printf(mem, "%s%s%s", s, *s ? "; " : "", text(x, "text"));
  return *s ? arena_printf(mem, "not: %s", s) : text(r, "why");
}

/* ---- lists ------------------------------------------------------------------------------------------------------- */

static const char *below(const char *dir, const char *path) {
  size_t n = strlen(dir);
  while (n > 1 && dir[n - 1] == '/') n--;
  return !strncmp(path, dir, n) && path[n] == '/' ? path + n + 1 : path;
}

static bool failed(const json_t *r) { return !strcmp(text(r, "status"), "failed") || !strcmp(text(r, "status"), "damaged"); }

/* Those of one model that failed, or did not. */
static void model_table(FILE *out, const char *dir, const json_t *runs, const char *model, bool failures) {
  Arena *mem = arena_create();
  Table t = {.mem = mem};
  Names override_ = {0}, report = {0};
  const json_t *r;
  size_t i;
  bool seeds = false;
  json_array_foreach(runs, i, r) {
    if (strcmp(text(r, "model"), model) != 0 || failed(r) != failures) continue;
    seeds |= seed_of(r) != 0;
    overrides_of(mem, r, &override_);
    reports_of(r, &report);
  }
  t.columns = 5 + override_.n + report.n;
  add(&t, "run"), add(&t, "status");
  for (uint32_t k = 0; k < override_.n; k++) add(&t, override_.at[k]);
  add(&t, "seed"), add(&t, "time");
  for (uint32_t k = 0; k < report.n; k++) add(&t, report.at[k]);
  add(&t, "");
  json_array_foreach(runs, i, r) {
    if (strcmp(text(r, "model"), model) != 0 || failed(r) != failures) continue;
    add(&t, below(dir, text(r, "dir"))), add(&t, text(r, "status"));
    for (uint32_t k = 0; k < override_.n; k++) add(&t, override_of(r, override_.at[k], strlen(override_.at[k])));
    add(&t, seeds ? arena_printf(mem, "%" JSON_INTEGER_FORMAT, seed_of(r)) : ""), add(&t, seconds_cell(mem, r));
    for (uint32_t k = 0; k < report.n; k++) add(&t, report_cell(mem, r, report.at[k]));
    add(&t, fails_cell(mem, r));
  }
  if (t.cell.n > t.columns && failures) fprintf(out, "%s, failed:\n", *model ? model : "no model");
  else if (t.cell.n > t.columns) fprintf(out, "%s:\n", model);
  if (t.cell.n > t.columns) print(out, &t, "  ");
  vec_free(&override_);
  vec_free(&report);
  vec_free(&t.cell);
  arena_destroy(mem);
}

void runs_print(FILE *out, const char *dir, const json_t *runs) {
  Names model = {0};
  const json_t *r;
  size_t i;
  json_array_foreach(runs, i, r) know(&model, text(r, "model"));
  for (uint32_t k = 0; k < model.n; k++) {
    model_table(out, dir, runs, model.at[k], false);
    model_table(out, dir, runs, model.at[k], true);
  }
  if (!model.n) fprintf(out, "no runs in %s\n", dir);
  vec_free(&model);
}

/* ---- side by side --------------------------------------------------------------------------------------------------- */

static const char *value_cell(Arena *mem, const json_t *r, const char *key) {
  const json_t *v = json_object_get(r, key);
  if (json_is_string(v)) return json_string_value(v);
  if (json_is_integer(v)) return arena_printf(mem, "%" JSON_INTEGER_FORMAT, json_integer_value(v));
  return json_is_number(v) ? arena_printf(mem, "%.4g", json_number_value(v)) : "";
}

static bool last_row_differs(const Table *t) {
  const char *const *row = &t->cell.at[t->cell.n - t->columns];
  for (uint32_t c = 2; c < t->columns; c++)
    if (strcmp(row[c], row[1]) != 0) return true;
  return false;
}

/* A row stays if the runs differ in it. */
static void row_of(Table *t, const json_t *runs, const char *key) {
  const json_t *r;
  size_t i;
  add(t, key);
  json_array_foreach(runs, i, r) add(t, value_cell(t->mem, r, key));
  if (!last_row_differs(t)) t->cell.n -= t->columns;
}

static void rows_of_settings(Table *t, const json_t *runs) {
  static const char *const key[] = {"model", "model.hnn", "data_hash", "params", "precision", "hnnc",
                                    "build", "cpu",       "threads",   "status", "seconds"};
  Names names = {0};
  const json_t *r;
  size_t i;
  row_of(t, runs, "seed");
  json_array_foreach(runs, i, r) overrides_of(t->mem, r, &names);
  for (uint32_t k = 0; k < names.n; k++) {
    add(t, names.at[k]);
    json_array_foreach(runs, i, r) {
      const char *v = override_of(r, names.at[k], strlen(names.at[k]));
      add(t, *v ? v : "as written");
    }
    if (!last_row_differs(t)) t->cell.n -= t->columns;
  }
  for (size_t k = 0; k < sizeof key / sizeof *key; k++) row_of(t, runs, key[k]);
  vec_free(&names);
}

/* Of two means of samples, the error of their difference; NaN where there is none. */
static double error_of(const json_t *x) {
  const double n = (double)json_integer_value(json_object_get(x, "n")), sd = first(json_object_get(x, "sd"));
  return n > 1 ? sd / sqrt(n) : NAN;
}

static const char *difference(Arena *mem, const json_t *runs, const char *name) {
  const json_t *a = json_object_get(json_object_get(json_array_get(runs, 0), "reports"), name),
               *b = json_object_get(json_object_get(json_array_get(runs, 1), "reports"), name);
  const json_t *x = json_object_get(a, "mean"), *y = json_object_get(b, "mean");
  if (!json_is_number(x) || !json_is_number(y)) return "";
  const double d = json_number_value(y) - json_number_value(x), e = hypot(error_of(a), error_of(b));
  return isnan(e) ? arena_printf(mem, "%+.3g", d) : arena_printf(mem, "%+.3g ± %.2g", d, e);
}

void runs_compare(FILE *out, const json_t *runs) {
  Arena *mem = arena_create();
  const bool two = json_array_size(runs) == 2;
  Table set = {.mem = mem, .columns = 1 + (uint32_t)json_array_size(runs)}, got = {.mem = mem, .columns = set.columns + two};
  Names report = {0};
  const json_t *r;
  size_t i;
  add(&set, "differs"), add(&got, "report");
  json_array_foreach(runs, i, r) {
    add(&set, text(r, "dir"));
    add(&got, text(r, "dir"));
    reports_of(r, &report);
  }
  if (two) add(&got, "difference");
  rows_of_settings(&set, runs);
  for (uint32_t k = 0; k < report.n; k++) {
    add(&got, report.at[k]);
    json_array_foreach(runs, i, r) add(&got, report_cell(mem, r, report.at[k]));
    if (two) add(&got, difference(mem, runs, report.at[k]));
  }
  if (set.cell.n > set.columns) print(out, &set, "");
  else fprintf(out, "no differences\n");
  if (report.n) fputc('\n', out), print(out, &got, "");
  vec_free(&report);
  vec_free(&set.cell);
  vec_free(&got.cell);
  arena_destroy(mem);
}
