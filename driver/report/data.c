/* Runs as data for their page (driver/pages/report.js). A run may be under way: what is half written is left out. */
#include "driver/report/report.h"

#include <stdlib.h>
#include <string.h>

enum { LINES = 4000 }; /* of metrics.jsonl, spread evenly */

static char *read_in(const RtRun *run, const char *name, size_t *size) {
  RtError why;
  char *path = rt_run_path(run, name), *text = path ? rt_file_read(path, size, &why) : NULL;
  free(path);
  return text;
}

static json_t *metrics(const RtRun *run) {
  size_t size = 0, n = 0, k = 0;
  char *text = read_in(run, "metrics.jsonl", &size);
  json_t *out = json_array();
  for (size_t i = 0; text && i < size; i++) n += text[i] == '\n';
  const size_t every = n / LINES + 1;
  for (char *line = text, *end; line && line < text + size && (end = memchr(line, '\n', (size_t)(text + size - line)));
       line = end + 1, k++) {
    if (k % every && k + 1 != n) continue;
    json_t *one = json_loadb(line, (size_t)(end - line), 0, NULL);
    if (json_is_object(one)) json_array_append(out, one);
    json_decref(one);
  }
  free(text);
  return out;
}

static json_t *text_of(const RtRun *run, const char *name) {
  size_t size = 0;
  char *text = read_in(run, name, &size);
  json_t *out = text ? json_stringn(text, size) : NULL;
  free(text);
  return out ? out : json_null();
}

static json_t *plots(const RtRun *run) {
  json_t *out = json_array(), *p;
  size_t k;
  json_array_foreach(rt_run_get(run, "plots"), k, p) {
    const char *name = json_string_value(json_object_get(p, "name"));
    char file[512];
    json_t *one = name && !strchr(name, '/') ? json_deep_copy(p) : NULL;
    if (!one) continue;
    snprintf(file, sizeof file, "plots/%.400s.svg", name);
    json_object_set_new(one, "picture", json_is_true(json_object_get(p, "svg")) ? text_of(run, file) : json_null());
    json_array_append_new(out, one);
  }
  return out;
}

static json_t *read_json(const RtRun *run, const char *name) {
  size_t size = 0;
  char *text = read_in(run, name, &size);
  json_t *out = text ? json_loadb(text, size, 0, NULL) : NULL;
  free(text);
  return out ? out : json_object();
}

static json_t *run_data(const char *dir, RtError *err) {
  RtRun *run = rt_run_look(dir, err);
  json_t *about = run ? runs_read(dir, err) : NULL;
  json_t *out = NULL;
  if (about) {
    json_t *manifest = read_json(run, "manifest.json");
    json_object_set(manifest, "status", json_object_get(about, "status")); /* of a killed one it says that it runs */
    out = json_pack("{s:s, s:o, s:o, s:o, s:o, s:o}", "dir", rt_run_dir(run), "manifest", manifest, "metrics", metrics(run),
                    "reports", read_json(run, "reports.json"), "plots", plots(run), "model", text_of(run, "model.hnn"));
  }
  json_decref(about);
  if (run) rt_run_destroy(run);
  return out;
}

json_t *report_data(const char *const *dir, uint32_t n, RtError *err) {
  json_t *runs = json_array();
  for (uint32_t k = 0; k < n; k++) {
    json_t *one = run_data(dir[k], err);
    if (!one) return json_decref(runs), NULL;
    json_array_append_new(runs, one);
  }
  return json_pack("{s:s, s:s, s:o}", "format", "hnnc report 1", "hnnc", HNNC_VERSION, "runs", runs);
}
