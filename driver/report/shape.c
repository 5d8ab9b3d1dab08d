/* What the page of a run reads from its JSON, row by row: where (a star is any key or any place of a list, `!` that it must be there) and of
 * which kind. What is edited or damaged is met here, and not by the program of the page. */
#include "driver/report/report_priv.h"

#include <string.h>

enum { OBJECT = 1, LIST = 2, TEXT = 4, WHOLE = 8, NUMBER = 16, TRUTH = 32, NOTHING = 64, NUMBERS = 128 };

typedef struct Row {
  const char *at;
  int kind;
} Row;

static const Row manifest[] = {
  {"status!", TEXT},
  {"model!", TEXT},
  {"model_hash!", TEXT},
  {"data_hash", TEXT},
  {"created!", TEXT},
  {"updated", TEXT},
  {"hnnc!", TEXT},
  {"build!", TEXT},
  {"cpu!", TEXT},
  {"precision", TEXT},
  {"params", TEXT},
  {"why", TEXT},
  {"seed!", WHOLE},
  {"threads", WHOLE},
  {"reported", WHOLE},
  {"seconds", NUMBER},
  {"seconds_to_first_step", NUMBER | NOTHING},
  {"seconds_compiling", NUMBER},
  {"seconds_making_data", NUMBER},
  {"overrides!", LIST},
  {"overrides.*", TEXT},
  {"adaptive_steps", OBJECT},
  {"adaptive_steps.*", OBJECT},
  {"adaptive_steps.*.taken!", NUMBER},
  {"adaptive_steps.*.rejected!", NUMBER},
  {"plots", LIST},
  {"plots.*", OBJECT},
  {"plots.*.name!", TEXT},
  {"plots.*.kind", TEXT},
  {"plots.*.why", TEXT},
  {"plots.*.nothing", TEXT},
  {"plots.*.caption", TEXT},
  {"plots.*.svg!", TRUTH},
  {"plots.*.gif", TRUTH},
  {"proofs", LIST},
  {"proofs.*", OBJECT},
  {"proofs.*.text!", TEXT},
  {"proofs.*.answer!", TEXT},
  {NULL, 0},
};

static const Row reports[] = {
  {"reports", OBJECT},
  {"reports.*", OBJECT},
  {"reports.*.*", NUMBERS | NUMBER | TEXT | NOTHING},
  {"reports.*.n!", WHOLE},
  {"expects", LIST},
  {"expects.*", OBJECT},
  {"expects.*.text!", TEXT},
  {"expects.*.holds!", TRUTH},
  {"proofs", LIST},
  {"proofs.*", OBJECT},
  {"proofs.*.text!", TEXT},
  {"proofs.*.answer!", TEXT},
  {NULL, 0},
};

static const Row metric[] = {
  {"train!", TEXT},
  {"action!", WHOLE},
  {"step!", WHOLE},
  {"loss", NUMBER | NOTHING},
  {"test", NUMBER | NOTHING},
  {"average", NUMBER | NOTHING},
  {"lr", NUMBER | NOTHING},
  {"losses", OBJECT},
  {"losses.*", NUMBER | NOTHING},
  {"tests", OBJECT},
  {"monitor", OBJECT},
  {"monitor.*", NUMBERS | NUMBER | NOTHING},
  {NULL, 0},
};

static const Row *const rows[] = {[SHAPE_MANIFEST] = manifest, [SHAPE_REPORTS] = reports, [SHAPE_METRIC] = metric};

/* ---- kinds ------------------------------------------------------------------------------------------------------------------ */

static bool numbers(const json_t *v) {
  size_t k;
  json_t *x;
  if (!json_is_array(v)) return json_is_number(v) || json_is_null(v);
  json_array_foreach((json_t *)v, k, x) if (!numbers(x)) return false;
  return true;
}

static int kind_of(const json_t *v) {
  static const int kind[] = {[JSON_OBJECT] = OBJECT, [JSON_ARRAY] = LIST, [JSON_STRING] = TEXT, [JSON_INTEGER] = WHOLE | NUMBER,
                             [JSON_REAL] = NUMBER,   [JSON_TRUE] = TRUTH, [JSON_FALSE] = TRUTH, [JSON_NULL] = NOTHING};
  return kind[json_typeof(v)] | (json_is_array(v) && numbers(v) ? NUMBERS : 0);
}

static const char *name_of(int kind) {
  return kind & OBJECT    ? "an object"
         : kind & NUMBERS ? "a number or a list of numbers"
         : kind & LIST    ? "a list"
         : kind & NUMBER  ? "a number"
         : kind & WHOLE   ? "a whole number"
         : kind & TEXT    ? "a text"
         : kind & TRUTH   ? "true or false"
                          : "null";
}

/* ---- places ------------------------------------------------------------------------------------------------------------------- */

typedef struct Walk {
  const char *place;
  RtError *err;
  char path[160];
} Walk;

static bool fail(Walk *w, int want, const json_t *found) {
  const bool list = json_is_array(found);
  return snprintf(w->err->text, sizeof w->err->text, "%.200s: `%s` should be %s, %s%s", w->place, w->path, name_of(want),
                  found ? "found " : "and is missing",
                  !found ? ""
                  : list ? "a list"
                         : name_of(kind_of(found))),
         false;
}

static bool fits(Walk *w, const char *at, int kind, json_t *v);

/* One step down, to a child whose name goes behind the path. */
static bool down(Walk *w, const char *name, const char *rest, int kind, json_t *child) {
  const size_t n = strlen(w->path);
  snprintf(w->path + n, sizeof w->path - n, "%s%.60s", n ? "." : "", name);
  const bool good = fits(w, rest, kind, child);
  if (good) w->path[n] = 0;
  return good;
}

static bool any(Walk *w, const char *rest, int kind, json_t *v) {
  size_t k;
  const char *key;
  json_t *x;
  char number[24];
  if (json_is_array(v)) {
    json_array_foreach(v, k, x) {
      snprintf(number, sizeof number, "%zu", k);
      if (!down(w, number, rest, kind, x)) return false;
    }
    return true;
  }
  json_object_foreach(v, key, x) if (!down(w, key, rest, kind, x)) return false;
  return true;
}

/* v: what is there, NULL: nothing. The kinds of what lies above have been seen to. */
static bool fits(Walk *w, const char *at, int kind, json_t *v) {
  const size_t n = strcspn(at, ".!");
  char key[40];
  if (!*at) return !v || kind_of(v) & kind || fail(w, kind, v);
  if (*at == '!') return v ? kind_of(v) & kind || fail(w, kind, v) : fail(w, kind, NULL);
  const char *rest = at[n] == '.' ? at + n + 1 : at + n;
  if (*at == '*') return any(w, rest, kind, v);
  snprintf(key, sizeof key, "%.*s", (int)n, at);
  json_t *child = json_object_get(v, key);
  return (!child && *rest && *rest != '!') || down(w, key, rest, kind, child);
}

bool shape_fits(ShapeOf of, json_t *value, const char *place, RtError *err) {
  Walk w = {.place = place, .err = err};
  if (!json_is_object(value)) return snprintf(err->text, sizeof err->text, "%.200s: found no JSON object", place), false;
  for (const Row *r = rows[of]; r->at; r++)
    if (!fits(&w, r->at, r->kind, value)) return false;
  return true;
}
