/* `hnnc explore FILE`: a page for those who look for a derivative. */
#include "driver/commands/commands_priv.h"
#include "driver/explore/explore.h"
#include "driver/run/recorded.h"
#include "driver/session/process.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

static int write_page(const Options *o, const char *name, const char *page, const char *title, const json_t *data) {
  char path[4096];
  OutFile to;
  struct stat st;
  snprintf(path, sizeof path, "%s.html", name);
  if (!o->out && !o->json) printf("%s\n", path);
  FILE *out = out_open(&to, o->json && !o->out ? NULL : o->out ? o->out : path);
  bool ok = out != NULL;
  if (ok && o->json) ok = json_dumpf(data, out, JSON_COMPACT | JSON_REAL_PRECISION(6)) == 0 && fputc('\n', out) != EOF;
  else if (ok) ok = explore_write_page(out, page, title, data);
  if (out && !out_end(&to, ok)) ok = false;
  (void)st;
  if (!ok) fprintf(stderr, "error[%s]: cannot write `%s`: %s\n", diag_code_name(CODE_output), o->out ? o->out : path, strerror(errno));
  return ok ? 0 : EXIT_IO;
}

int command_explore(const Options *given) {
  Options o = *given;
  Tree tree = {.asks_made = true};
  Session s;
  o.tree = &tree;
  int code = session_open(&s, &o);
  if (!code && o.params) code = recorded_load(&s, o.params, o.quiet ? NULL : stderr);
  json_t *data = code ? NULL : explore_data(&s, &tree, true);
  if (!code && !data) session_render(&s), code = EXIT_FILE;
  if (!code) code = write_page(&o, s.model->name, "explore", s.model->path, data);
  json_decref(data);
  session_close(&s);
  tree_finish(&tree);
  return code;
}
