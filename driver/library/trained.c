/* Models of runs, weights in files, lists of runs and a page of them. */
#include "driver/library/model.h"
#include "driver/pages/pages.h"
#include "driver/report/report.h"
#include "driver/session/weights.h"

#include <stdlib.h>
#include <string.h>

/* ---- a run's model --------------------------------------------------------------------------------------------- */

/* There is a session then, which has the message. */
static int no_run(hnnc_model *m, const RtError *err) {
  const int code = session_open_text(&m->s, &m->opt, "", 0);
  return code ? code : session_fail(&m->s, EXIT_IO, CODE_weights, (Span){0}, "%s", err->text);
}

hnnc_status library_open_run(hnnc_model *m, const char *dir) {
  RtError err = {{0}};
  Recorded *r = &m->recorded;
  RtRun *run = rt_run_look(dir, &err);
  if (!run || !recorded_open(r, run, &m->opt, &err)) return library_status(no_run(m, &err));
  recorded_imports(r);
  vec_free(&m->opt.override_);
  m->opt = r->opt;
  memset(&r->opt.override_, 0, sizeof r->opt.override_); /* the model's own from here on */
  int code = session_open_text(&m->s, &m->opt, r->text, r->len);
  if (!code) code = recorded_weights(&m->s, r, dir, NULL);
  return library_status(code);
}

hnnc_model *hnnc_open_run(const char *dir, const hnnc_options *o) { return library_make(dir, NULL, 0, true, o); }

/* ---- weights ----------------------------------------------------------------------------------------------------- */

static hnnc_status load(hnnc_model *m, void *from) {
  return m->state == HNNC_OK && from ? library_status(weights_load(&m->s, from)) : HNNC_USAGE;
}

hnnc_status hnnc_load_params(hnnc_model *m, const char *from) { return library_call(m, load, (void *)from); }

static hnnc_status save(hnnc_model *m, void *path) {
  RtError err = {{0}};
  if (m->state != HNNC_OK || !path) return HNNC_USAGE;
  if (checkpoint_params(&m->s, path, &err)) return HNNC_OK;
  return library_status(session_fail(&m->s, EXIT_IO, CODE_output, (Span){0}, "%s", err.text));
}

hnnc_status hnnc_save_params(hnnc_model *m, const char *path) { return library_call(m, save, (void *)path); }

/* ---- lists --------------------------------------------------------------------------------------------------------- */

typedef struct Listing {
  const char *dir;
  char *text; /* of the system */
} Listing;

static void list(void *ctx) {
  Listing *l = ctx;
  RtError err;
  json_t *runs = runs_find(l->dir, &err), *all = runs ? json_pack("{s:o}", "runs", runs) : NULL;
  l->text = all ? json_dumps(all, JSON_INDENT(1)) : NULL;
  json_decref(all);
}

size_t hnnc_runs(const char *dir, char *out, size_t size) {
  Listing l = {.dir = dir};
  char why[64];
  BaseHeap *heap = dir ? base_heap_create(0) : NULL;
  if (out && size) *out = 0;
  if (!heap) return 0;
  BaseHeap *was = base_heap_enter(heap);
  if (!base_try(list, &l, why, sizeof why)) l.text = NULL;
  base_heap_enter(was);
  base_heap_destroy(heap);
  const size_t n = l.text ? strlen(l.text) : 0;
  if (out && n && n < size) memcpy(out, l.text, n + 1);
  free(l.text);
  return n;
}

/* ---- a page of runs ----------------------------------------------------------------------------------------- */

typedef struct Page {
  const char *const *dir;
  size_t n;
  const char *path;
  RtError why;
  bool written;
} Page;

static char *page_text(const Page *p, const json_t *data, size_t *size) {
  char *text = NULL;
  FILE *out = open_memstream(&text, size);
  const bool good = out && pages_write(out, "report", p->n ? p->dir[0] : "", data);
  if (out && fclose(out) == 0 && good) return text;
  free(text);
  return NULL;
}

static void write_page(void *ctx) {
  Page *p = ctx;
  size_t size = 0;
  json_t *data = report_data(p->dir, (uint32_t)p->n, &p->why);
  char *text = data ? page_text(p, data, &size) : NULL;
  if (data && !text) snprintf(p->why.text, sizeof p->why.text, "out of memory");
  json_decref(data);
  p->written = text && rt_file_write(p->path, text, size, &p->why);
  free(text);
}

bool hnnc_runs_page(const char *const *dirs, size_t n, const char *path, char *why, size_t size) {
  Page p = {.dir = dirs, .n = n, .path = path};
  bool given = dirs && n && path && n <= 1000;
  for (size_t k = 0; given && k < n; k++) given = dirs[k] != NULL;
  BaseHeap *heap = given ? base_heap_create(0) : NULL;
  if (!given) snprintf(p.why.text, sizeof p.why.text, "a report needs folders and a path");
  if (heap) {
    BaseHeap *was = base_heap_enter(heap);
    if (!base_try(write_page, &p, p.why.text, sizeof p.why.text)) p.written = false;
    base_heap_enter(was);
    base_heap_destroy(heap);
  }
  if (why && size) snprintf(why, size, "%s", p.written ? "" : p.why.text);
  return p.written;
}
