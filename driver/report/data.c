/* Runs as data for their page (driver/pages/report.js). A run may be under way: what is half written is left out. */
#include "driver/report/report_priv.h"

#include <stdlib.h>
#include <string.h>

enum { LINES = 4000, RUNS = 200 }; /* of metrics.jsonl, spread evenly; at most so many runs on a page */

/* "picture", "film": of an entry of the manifest that says so. */
static bool take_picture(json_t *one, const RtRun *run, const char *end, const char *key, RtError *err) {
  char file[512];
  const char *why = NULL;
  if (!json_is_true(json_object_get(one, end))) return json_object_set_new(one, key, json_null()), true;
  snprintf(file, sizeof file, "plots/%.400s.%s", json_string_value(json_object_get(one, "name")), end);
  json_t *picture = report_picture(run, file, &why, err);
  if (!picture) return false;
  json_object_set_new(one, key, picture);
  if (why) json_object_set_new(one, "why", json_string(why));
  return true;
}

static json_t *plots(const RtRun *run, const json_t *manifest, RtError *err) {
  json_t *out = json_array(), *p;
  size_t k;
  json_array_foreach(json_object_get(manifest, "plots"), k, p) {
    json_t *one = json_deep_copy(p);
    const bool bad = strchr(json_string_value(json_object_get(p, "name")), '/') != NULL;
    if (bad) snprintf(err->text, sizeof err->text, "%.200s/manifest.json: the name of a plot has a `/` in it", rt_run_dir(run));
    if (bad || !take_picture(one, run, "svg", "picture", err) || !take_picture(one, run, "gif", "film", err)) {
      json_decref(one);
      json_decref(out);
      return NULL;
    }
    json_array_append_new(out, one);
  }
  return out;
}

static json_t *model_of(const RtRun *run, RtError *err) {
  size_t size = 0;
  char *text = report_text(run, "model.hnn", &size, err);
  json_t *out = text ? json_stringn(text, size) : NULL;
  free(text);
  return out;
}

static bool put(json_t *to, const char *key, json_t *value) {
  if (value) json_object_set_new(to, key, value);
  return value != NULL;
}

/* reports.json is not there before the first report. */
static json_t *reports_of(const RtRun *run, bool whole, RtError *err) {
  bool none;
  json_t *out = report_json(run, "reports.json", &none, err);
  return out || !none || (whole && json_integer_value(rt_run_get(run, "reported"))) ? out : json_object();
}

/* What it ended with: of a killed run the manifest says that it runs. */
static bool take_status(json_t *manifest, const char *dir, RtError *err) {
  json_t *about = runs_read(dir, err);
  if (about) json_object_set(manifest, "status", json_object_get(about, "status"));
  json_decref(about);
  return about != NULL;
}

static bool take_all(json_t *out, const RtRun *run, const char *dir, RtError *err) {
  bool none;
  json_t *manifest = report_json(run, "manifest.json", &none, err);
  const char *status = json_string_value(json_object_get(manifest, "status"));
  const bool whole = status && !strcmp(status, "done");
  json_object_set_new(out, "dir", json_string(rt_run_dir(run)));
  return put(out, "manifest", manifest) && put(out, "metrics", report_metrics(run, LINES, whole, err)) &&
         put(out, "reports", reports_of(run, whole, err)) && put(out, "plots", plots(run, manifest, err)) &&
         put(out, "model", model_of(run, err)) && take_status(manifest, dir, err);
}

static json_t *run_data(const char *dir, RtError *err) {
  json_t *out = json_object();
  RtRun *run = rt_run_look(dir, err);
  const bool good = run && take_all(out, run, dir, err);
  if (run) rt_run_destroy(run);
  if (good) return out;
  json_decref(out);
  return NULL;
}

/* Of a folder that is no run, but has runs in it, those. */
static bool take_runs(json_t *runs, const char *dir, RtError *err) {
  json_t *one = run_data(dir, err), *found, *r;
  RtError why;
  size_t k;
  if (one) return json_array_append_new(runs, one) == 0;
  if (report_begun(dir)) return false;
  found = runs_find(dir, &why);
  bool good = json_array_size(found) > 0;
  json_array_foreach(found, k, r) {
    const char *at = json_string_value(json_object_get(r, "dir"));
    if (!good || !(good = at && (one = run_data(at, err)))) break;
    json_array_append_new(runs, one);
  }
  json_decref(found);
  return good;
}

json_t *report_data(const char *const *dir, uint32_t n, RtError *err) {
  json_t *runs = json_array();
  bool good = true;
  for (uint32_t k = 0; good && k < n; k++) good = take_runs(runs, dir[k], err);
  if (good && json_array_size(runs) > RUNS)
    good = snprintf(err->text, sizeof err->text, "a page has at most %d runs, found %zu", RUNS, json_array_size(runs)) < 0;
  if (good) return json_pack("{s:s, s:s, s:o}", "format", "hnnc report 1", "hnnc", HNNC_VERSION, "runs", runs);
  json_decref(runs);
  return NULL;
}
