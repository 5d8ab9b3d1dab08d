/* `hnnc opt FILE --passes=LIST`: passes on IR text, for tests and for looking. */
#include "driver/commands/commands_priv.h"
#include "driver/process/process.h"
#include "passes/passes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void destroy(FnList *list) {
  for (uint32_t k = 0; k < list->n; k++) ir_fn_destroy(list->at[k]);
  vec_free(list);
}

/* Every function of the list becomes what the pass makes of it; none are left after an error. */
static bool run_pass(PassRun *run, const char *name, FnList *list, Diag *diag) {
  FnList made = {0};
  bool good = true;
  for (uint32_t k = 0; good && k < list->n; k++) good = pass_by_name(run, name, list->at[k], &made, diag);
  destroy(list);
  if (!good) destroy(&made);
  *list = made;
  return good;
}

static void run_passes(PassRun *run, const char *passes, FnList *list, Diag *diag) {
  char *names = strcpy(base_realloc(NULL, strlen(passes) + 1), passes), *save = NULL;
  for (char *name = strtok_r(names, ",", &save); name && run_pass(run, name, list, diag);) name = strtok_r(NULL, ",", &save);
  base_free(names);
}

int command_opt(const Options *o) {
  Source *src = source_create();
  Diag *diag = diag_create(src);
  uint32_t file = source_load_any(src, o->file), offset = 0;
  int code = 0;
  if (!file) {
    diag_add(diag, CODE_file, (Span){0}, "cannot read `%s`: %s", o->file, strerror(errno));
    code = EXIT_IO;
  }
  PassRun run = {
    .print_after = o->print_after, .verify_each = true, .time = o->time_passes, .out = stderr, .src = src, .at = waiting_at};
  waiting_begin(o->command, &src);
  for (Fn *f; file && (f = ir_parse_next(src, file, &offset, diag));) {
    FnList list = {0};
    *vec_push(&list) = f;
    if (o->passes) run_passes(&run, o->passes, &list, diag);
    pass_jacobians_print(&run, stdout, "#", src);
    for (uint32_t k = 0; k < list.n; k++) ir_print(stdout, list.at[k], NULL);
    destroy(&list);
  }
  waiting_end();
  diag_render(diag, stderr, false);
  if (!code && diag_errors(diag)) code = EXIT_FILE;
  if (o->time_passes) pass_times_print(&run, stderr);
  pass_run_finish(&run);
  diag_destroy(diag);
  source_destroy(src);
  return code;
}
