/* Sweeps: DIR/sweep.json says what runs there are to be, each a folder beside it:
 *
 *   {"model": "m.hnn", "sources": hash, "params": "runs/first",
 *    "points": [{"dir": "000-lr=0.01-seed=0", "overrides": ["train.optimizer.lr=0.01"], "seed": 0}, ...]}
 *
 * Values stand in it as they were written: the language reads them, run by run. hnnc.sweep of Python writes
 * the same file, without "sources": it begins before any model is read. */
#include "driver/runs/runs.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

enum { MOST_POINTS = 100000, SHORT_NAME = 80 };

/* An axis of the grid: the values of one override. */
typedef struct Axis {
  const char *name; /* NULL: seeds */
  size_t length;    /* of the name */
  VEC(char *) value;
} Axis;

/* ---- values ------------------------------------------------------------------------------------------------------ */

static void add_value(Axis *a, const char *s, size_t n) {
  while (n && isspace((unsigned char)*s)) s++, n--;
  while (n && isspace((unsigned char)s[n - 1])) n--;
  char *v = NULL;
  if (asprintf(&v, "%.*s", (int)n, s) < 0) base_fault("out of memory");
  *vec_push(&a->value) = v;
}

/* `[a, f(b, c), "d,e"]`: parted by the commas that stand in no other brackets. */
static bool list_values(Axis *a, const char *text, size_t n) {
  const char *begin = text + 1, *end = text + n - 1;
  int depth = 0;
  bool string = false;
  if (n < 2 || *text != '[' || text[n - 1] != ']') return false;
  for (const char *s = begin; s < end; s++) {
    if (*s == '"') string = !string;
    if (string) continue;
    depth += (*s == '(' || *s == '[' || *s == '{') - (*s == ')' || *s == ']' || *s == '}');
    if (depth < 0) return false;
    if (*s == ',' && !depth) add_value(a, begin, (size_t)(s - begin)), begin = s + 1;
  }
  if (depth || string) return false;
  add_value(a, begin, (size_t)(end - begin));
  for (uint32_t k = 0; k < a->value.n; k++)
    if (!*a->value.at[k]) return false;
  return true;
}

/* `a:b`, without b, as in the language. */
static bool range_values(Axis *a, const char *text) {
  char *end, buf[32];
  errno = 0;
  const long long first = strtoll(text, &end, 10);
  if (end == text || *end != ':') return false;
  const char *second = end + 1;
  const long long last = strtoll(second, &end, 10);
  if (end == second || *end || errno == ERANGE || last <= first || last - first > MOST_POINTS) return false;
  for (long long v = first; v < last; v++) snprintf(buf, sizeof buf, "%lld", v), add_value(a, buf, strlen(buf));
  return true;
}

static bool override_axis(Axis *a, const char *text, RtError *err) {
  const char *eq = strchr(text, '=');
  if (!eq || eq == text)
    return sweep_fail(err, "--sweep needs a name and its values, found `%.100s`: `--sweep 'train.optimizer.lr=[1e-2, 1e-3]'`",
                      text);
  a->name = text, a->length = (size_t)(eq - text);
  return list_values(a, eq + 1, strlen(eq + 1)) || range_values(a, eq + 1) ||
         sweep_fail(err, "--sweep needs a list of values or a range, `%.*s=[1, 2]` or `%.*s=1:3`, found `%.100s`", (int)a->length,
                    text, (int)a->length, text, eq + 1);
}

static bool seeds_axis(Axis *a, const char *text, RtError *err) {
  bool good = list_values(a, text, strlen(text)) || range_values(a, text);
  for (uint32_t k = 0; k < a->value.n; k++)
    good &= strspn(a->value.at[k], "0123456789") == strlen(a->value.at[k]) && strlen(a->value.at[k]) < 19;
  return good || sweep_fail(err, "--seeds needs whole numbers, `0:5` or `[1, 7]`, found `%.100s`", text);
}

/* ---- the grid --------------------------------------------------------------------------------------------------------- */

/* Of a path the last name, which is enough to tell it apart; what no file should be called by is left out. */
static void name_axis(char *out, size_t size, const Axis *a, const char *value) {
  const char *name = a->name ? a->name : "seed";
  size_t length = a->name ? a->length : 4, n = strlen(out);
  for (size_t k = length; k > 0; k--)
    if (name[k - 1] == '.') {
      name += k, length -= k;
      break;
    }
  n += (size_t)snprintf(out + n, size - n, "-%.*s=", (int)length, name);
  for (const char *s = value; *s && n + 1 < size && n < SHORT_NAME; s++)
    if (isalnum((unsigned char)*s) || strchr("._+-", *s)) out[n++] = *s, out[n] = 0;
}

static json_t *point(const Options *o, const Axis *axis, uint32_t naxis, uint64_t k) {
  char name[512];
  int64_t seed = (int64_t)o->seed;
  json_t *overrides = json_array();
  uint64_t rest = k, below = 1;
  snprintf(name, sizeof name, "%03" PRIu64, k);
  for (uint32_t i = 0; i < o->override_.n; i++) json_array_append_new(overrides, json_string(o->override_.at[i]));
  for (uint32_t i = 0; i < naxis; i++) below *= axis[i].value.n;
  for (uint32_t i = 0; i < naxis; i++) {
    below /= axis[i].value.n;
    const char *value = axis[i].value.at[rest / below];
    rest %= below;
    name_axis(name, sizeof name, &axis[i], value);
    if (!axis[i].name) seed = strtoll(value, NULL, 10);
    else json_array_append_new(overrides, json_sprintf("%.*s=%s", (int)axis[i].length, axis[i].name, value));
  }
  return json_pack("{s:s, s:o, s:I}", "dir", name, "overrides", overrides, "seed", (json_int_t)seed);
}

static bool axes_of(const Options *o, Axis *axis, uint32_t *n, uint64_t *points, RtError *err) {
  *points = 1;
  for (uint32_t i = 0; i < o->sweep.n; i++) {
    if (!override_axis(&axis[(*n)++], o->sweep.at[i], err)) return false;
    for (uint32_t k = 0; k < i; k++)
      if (axis[k].length == axis[i].length && !strncmp(axis[k].name, axis[i].name, axis[i].length))
        return sweep_fail(err, "--sweep has `%.*s` twice", (int)axis[i].length, axis[i].name);
  }
  if (o->seeds && o->seed) return sweep_fail(err, "--seed and --seeds exclude each other");
  if (o->seeds && !seeds_axis(&axis[(*n)++], o->seeds, err)) return false;
  for (uint32_t i = 0; i < *n; i++)
    if ((*points *= axis[i].value.n) > MOST_POINTS) return sweep_fail(err, "a sweep has at most %d runs", MOST_POINTS);
  return true;
}

json_t *sweep_make(const Options *o, const char *hash, RtError *err) {
  Axis *axis = base_zeroed(o->sweep.n + 1, sizeof *axis);
  uint32_t n = 0;
  uint64_t points = 0;
  json_t *sweep = NULL, *list = json_array();
  if (axes_of(o, axis, &n, &points, err)) {
    for (uint64_t k = 0; k < points; k++) json_array_append_new(list, point(o, axis, n, k));
    sweep = json_pack("{s:s, s:s, s:O}", "model", o->file, "sources", hash, "points", list);
    if (o->params) json_object_set_new(sweep, "params", json_string(o->params));
  }
  json_decref(list);
  for (uint32_t i = 0; i < n; i++) {
    for (uint32_t k = 0; k < axis[i].value.n; k++) free(axis[i].value.at[k]);
    vec_free(&axis[i].value);
  }
  base_free(axis);
  return sweep;
}

/* ---- sweep.json --------------------------------------------------------------------------------------------------- */

uint32_t sweep_count(const json_t *sweep) { return (uint32_t)json_array_size(json_object_get(sweep, "points")); }

SweepPoint sweep_point(const json_t *sweep, uint32_t k) {
  const json_t *p = json_array_get(json_object_get(sweep, "points"), k);
  return (SweepPoint){json_string_value(json_object_get(p, "dir")), json_object_get(p, "overrides"),
                      json_integer_value(json_object_get(p, "seed"))};
}

/* What is edited or damaged is met here. */
static bool good(const json_t *sweep) {
  const json_t *sources = json_object_get(sweep, "sources");
  bool ok = json_is_string(json_object_get(sweep, "model")) && (!sources || json_is_string(sources)) && sweep_count(sweep);
  size_t i;
  json_t *x;
  for (uint32_t k = 0; ok && k < sweep_count(sweep); k++) {
    const SweepPoint p = sweep_point(sweep, k);
    ok = p.dir && *p.dir && *p.dir != '.' && !strchr(p.dir, '/') && json_is_array(p.overrides) && p.seed >= 0;
    json_array_foreach(p.overrides, i, x) ok = ok && json_is_string(x);
  }
  return ok;
}

json_t *sweep_read(const char *dir, bool *none, RtError *err) {
  char *path = sweep_path(dir, "sweep.json");
  struct stat st;
  json_t *sweep = json_load_file(path, 0, NULL);
  *none = stat(path, &st) != 0;
  if (*none) sweep_fail(err, "%.300s is not a sweep: it has no sweep.json", dir);
  else if (!good(sweep)) sweep_fail(err, "%.300s is damaged", path), json_decref(sweep), sweep = NULL;
  free(path);
  return sweep;
}

static bool make_folders(const char *path, RtError *err) {
  char *p = NULL;
  if (asprintf(&p, "%s", path) < 0) base_fault("out of memory");
  bool ok = true;
  for (char *s = p + 1; ok; s++) {
    const char was = *s;
    if (was && was != '/') continue;
    *s = 0;
    ok = mkdir(p, 0777) == 0 || errno == EEXIST || sweep_fail(err, "cannot make the directory %.300s: %s", p, strerror(errno));
    *s = was;
    if (!was) break;
  }
  free(p);
  return ok;
}

static bool is_empty(const char *dir) {
  DIR *d = opendir(dir);
  bool nothing = true;
  for (struct dirent *e; d && (e = readdir(d));) nothing &= !strcmp(e->d_name, ".") || !strcmp(e->d_name, "..");
  if (d) closedir(d);
  return nothing;
}

/* runs/NAME/sweep-TIME, which nobody has yet. */
static char *new_folder(const char *name, RtError *err) {
  char *root = NULL, *dir = NULL, stamp[32];
  const time_t now = time(NULL);
  struct tm tm;
  localtime_r(&now, &tm);
  strftime(stamp, sizeof stamp, "%Y%m%d-%H%M%S", &tm);
  if (asprintf(&root, "runs/%s", name) < 0) base_fault("out of memory");
  bool ok = make_folders(root, err), taken = true;
  for (int k = 1; ok && taken && k < 1000; k++) {
    char more[16] = "";
    if (k > 1) snprintf(more, sizeof more, "-%d", k);
    free(dir);
    if (asprintf(&dir, "%s/sweep-%s%s", root, stamp, more) < 0) base_fault("out of memory");
    taken = mkdir(dir, 0777) != 0;
    ok = !taken || errno == EEXIST || sweep_fail(err, "cannot make the directory %.300s: %s", dir, strerror(errno));
  }
  free(root);
  if (ok && !taken) return dir;
  return free(dir), NULL;
}

char *sweep_begin(const json_t *sweep, const char *name, const char *out, RtError *err) {
  if (!out) {
    char *dir = new_folder(name, err);
    if (!dir || sweep_write(dir, "sweep.json", sweep, err)) return dir;
    return free(dir), NULL;
  }
  bool none = true;
  char *dir = NULL;
  if (asprintf(&dir, "%s", out) < 0) base_fault("out of memory");
  for (size_t n = strlen(dir); n > 1 && dir[n - 1] == '/'; n--) dir[n - 1] = 0;
  if (!make_folders(dir, err)) return free(dir), NULL;
  json_t *there = sweep_read(dir, &none, err);
  const bool same = there && json_equal(there, sweep);
  json_decref(there);
  if (same) return dir;
  if (!none) sweep_fail(err, "%.300s has another sweep: continue it with `hnnc resume`, or choose another --out", dir);
  else if (!is_empty(dir)) sweep_fail(err, "%.300s contains other files: a sweep needs a directory of its own", dir);
  else if (sweep_write(dir, "sweep.json", sweep, err)) return dir;
  return free(dir), NULL;
}
