/* `hnnc runs [DIR]`: the runs of a folder; `--compare RUN RUN ...`: what differs between some. */
#include "driver/commands/commands_priv.h"
#include "driver/runs/runs.h"

#include <stdlib.h>

static int refuse(const RtError *err) {
  fprintf(stderr, "error[%s]: %s\n", diag_code_name(CODE_file), err->text);
  return EXIT_IO;
}

static void show(const Options *o, const char *dir, json_t *runs) {
  if (o->json) {
    json_t *all = json_pack("{s:O}", "runs", runs);
    json_dumpf(all, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(all);
  } else if (o->compare) runs_compare(stdout, runs);
  else runs_print(stdout, dir, runs);
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
