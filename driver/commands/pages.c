/* Pages: `hnnc explore FILE`, of a model; `hnnc report RUN ...`, of runs; `hnnc view RUN`, of one while it trains. */
#include "driver/pages/pages.h"
#include "driver/commands/commands_priv.h"
#include "driver/explore/explore.h"
#include "driver/report/report.h"
#include "driver/run/recorded.h"
#include "driver/process/process.h"

#include <errno.h>
#include <string.h>

static int refuse(DiagCode code, const char *text) {
  fprintf(stderr, "error[%s]: %s\n", diag_code_name(code), text);
  return EXIT_IO;
}

/* At -o, else at NAME.html, which is said; with --json the data alone, on the standard output unless -o says where. */
static int write_page(const Options *o, const char *name, const char *page, const char *title, const json_t *data) {
  char path[4096], why[4400];
  OutFile to;
  snprintf(path, sizeof path, "%s.html", name);
  const char *at = o->out ? o->out : path;
  FILE *out = out_open(&to, o->json && !o->out ? NULL : at);
  bool ok = out != NULL;
  if (ok && o->json) ok = json_dumpf(data, out, JSON_COMPACT | JSON_REAL_PRECISION(6)) == 0 && fputc('\n', out) != EOF;
  else if (ok) ok = pages_write(out, page, title, data);
  if (out && !out_end(&to, ok)) ok = false;
  snprintf(why, sizeof why, "cannot write `%.4096s`: %s", at, strerror(errno));
  if (ok && !o->json && !o->quiet) printf("%s\n", at);
  return ok ? 0 : refuse(CODE_output, why);
}

int command_explore(const Options *given) {
  Options o = *given;
  Tree tree = {0};
  Session s;
  o.tree = &tree, o.made = true;
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

int command_report(const Options *o) {
  RtError err = {{0}};
  VEC(const char *) dir = {0};
  *vec_push(&dir) = o->file;
  for (uint32_t k = 0; k < o->more.n; k++) *vec_push(&dir) = o->more.at[k];
  json_t *data = report_data(dir.at, dir.n, &err);
  vec_free(&dir);
  const int code = data ? write_page(o, "report", "report", o->file, data) : refuse(CODE_file, err.text);
  json_decref(data);
  return code;
}

int command_view(const Options *o) {
  RtError err = {{0}};
  const int code = report_serve(o->file, o->port, &err);
  refuse(CODE_file, err.text);
  return code;
}
