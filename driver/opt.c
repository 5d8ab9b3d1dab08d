/* `hnnc opt FILE --passes=LIST`: passes on IR text, for tests and for looking. */
#include "driver/driver.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static Fn *run_passes(Fn *f, const char *list, Diag *diag) {
  char *names = strdup(list), *save = NULL;
  for (char *name = strtok_r(names, ",", &save); f && name; name = strtok_r(NULL, ",", &save)) {
    Fn *next = pass_run(name, f, diag);
    if (!next && !diag_errors(diag)) {
      size_t n = 0;
      while (pass_names[n]) n++;
      const char *near = diag_nearest(name, pass_names, n);
      DiagMsg *m = diag_add(diag, CODE_no_pass, (Span){0}, "there is no pass `%s`", name);
      if (near) diag_help(m, "did you mean `%s`?", near);
    }
    ir_fn_destroy(f);
    f = next;
  }
  free(names);
  return f;
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
  pass_options = (PassOptions){.print_after = o->print_after, .verify_each = true, .time = o->time_passes,
                               .out = stderr, .src = src};
  for (Fn *f; file && (f = ir_parse_next(src, file, &offset, diag));) {
    if (o->passes) f = run_passes(f, o->passes, diag);
    if (f) ir_print(stdout, f, NULL);
    ir_fn_destroy(f);
  }
  diag_render(diag, stderr, false);
  if (!code && diag_errors(diag)) code = EXIT_FILE;
  if (o->time_passes) pass_times_print(stderr);
  diag_destroy(diag);
  source_destroy(src);
  return code;
}
