/* `hnnc runs [DIR]`: the runs of a folder; `--compare RUN RUN ...`: what differs between some. */
#include "driver/commands/commands_priv.h"
#include "driver/runs/runs.h"

#include <stdlib.h>

static int refuse(const RtError *err) {
  fprintf(stderr, "error[%s]: %s\n", diag_code_name(CODE_file), err->text);
  return EXIT_IO;
}

/* Runs of a sweep that have no folder yet, as the names of those to come; NULL: it is no sweep. */
static json_t *not_begun(const char *dir) {
  RtError err;
  bool none;
  json_t *sweep = sweep_read(dir, &none, &err), *names = sweep ? json_array() : NULL;
  for (uint32_t k = 0; names && k < sweep_count(sweep); k++)
    if (sweep_state(dir, sweep, k) == SWEEP_NOT_BEGUN) json_array_append_new(names, json_string(sweep_point(sweep, k).dir));
  json_decref(sweep);
  return names;
}

static void show(const Options *o, const char *dir, json_t *runs) {
  json_t *to_come = o->compare ? NULL : not_begun(dir);
  if (o->json) {
    json_t *all = json_pack("{s:O}", "runs", runs);
    if (to_come) json_object_set(all, "not_begun", to_come);
    json_dumpf(all, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(all);
  } else if (o->compare) runs_compare(stdout, runs);
  else runs_print(stdout, dir, runs);
  if (!o->json && json_array_size(to_come))
    printf("%zu more have not started: %s%s\n", json_array_size(to_come), json_string_value(json_array_get(to_come, 0)),
           json_array_size(to_come) > 1 ? ", ..." : "");
  json_decref(to_come);
}

int command_runs(const Options *o) {
  RtError err = {{0}};
  json_t *runs = o->compare ? json_array() : runs_find(o->file ? o->file : "runs", &err);
  bool ok = runs != NULL;
  for (uint32_t k = 0; ok && o->compare && k <= o->more.n; k++) {
    json_t *r = runs_read(k ? o->more.at[k - 1] : o->file, &err);
    ok = r && json_array_append_new(runs, r) == 0;
  }
  if (ok) show(o, o->file ? o->file : "runs", runs);
  json_decref(runs);
  return ok ? 0 : refuse(&err);
}
