/* Opening and closing a model, and the border that faults do not pass. */
#include "driver/library/model.h"

#include <stdlib.h>
#include <string.h>

/* ---- calls ------------------------------------------------------------------------------------------- */

typedef struct LibraryCall {
  hnnc_model *m;
  hnnc_status (*f)(hnnc_model *m, void *arg);
  void *arg;
  hnnc_status result;
} LibraryCall;

static void make_call(void *ctx) {
  LibraryCall *c = ctx;
  c->result = c->f(c->m, c->arg);
}

hnnc_status library_call(hnnc_model *m, hnnc_status (*f)(hnnc_model *m, void *arg), void *arg) {
  LibraryCall c = {m, f, arg, HNNC_OK};
  if (!m) return HNNC_USAGE;
  if (m->broken) return HNNC_FAULT;
  BaseHeap *was = base_heap_enter(m->heap);
  const bool whole = base_try(make_call, &c, m->fault, sizeof m->fault);
  base_heap_enter(was);
  m->broken = !whole;
  if (m->broken || c.result == HNNC_FAULT) m->state = HNNC_FAULT;
  return m->broken ? HNNC_FAULT : c.result;
}

hnnc_status library_status(int code) {
  switch (code) {
  case 0: return HNNC_OK;
  case RUN_STOPPED: return HNNC_STOPPED;
  case EXIT_FILE: return HNNC_ERRORS;
  case EXIT_USAGE: return HNNC_USAGE;
  case EXIT_NUMBERS: return HNNC_NUMBERS;
  case EXIT_IO: return HNNC_IO;
  default: return HNNC_FAULT;
  }
}

hnnc_place library_place(const hnnc_model *m, Span at) {
  const SourceFile *f = source_file(m->s.src, at.file);
  hnnc_place p = {0};
  if (!f) return p;
  p = (hnnc_place){.file = f->name, .begin = at.begin, .end = at.end};
  source_place(m->s.src, (Span){at.file, at.begin, at.begin}, &p.line, &p.column);
  source_place(m->s.src, (Span){at.file, at.end, at.end}, &p.end_line, &p.end_column);
  return p;
}

/* ---- opening ------------------------------------------------------------------------------------------ */

/* What a caller gives us, who may be of an older or a newer header: what it does not know is zero. */
static hnnc_options options_of(const hnnc_options *o) {
  hnnc_options out = HNNC_OPTIONS;
  if (o) memcpy(&out, o, o->size < sizeof out ? o->size : sizeof out);
  return out;
}

static const char *text_of_import(void *ctx, const char *path, size_t *len) {
  hnnc_model *m = ctx;
  const char *text = NULL;
  return m->import_text(m->ctx, path, &text, len) && text ? text : NULL;
}

typedef struct Opening {
  const char *path, *text; /* NULL: read the file */
  size_t len;
  hnnc_options o;
} Opening;

static hnnc_status open_model(hnnc_model *m, void *arg) {
  const Opening *a = arg;
  m->mem = arena_create();
  m->opt = (Options){.command = "library",
                     .file = arena_strdup(m->mem, a->path),
                     .quiet = true,
                     .library = true,
                     .cpu = a->o.cpu ? arena_strdup(m->mem, a->o.cpu) : NULL,
                     .cache_dir = a->o.cache_dir ? arena_strdup(m->mem, a->o.cache_dir) : NULL,
                     .threads = a->o.threads,
                     .seed = a->o.seed,
                     .opt = 1,
                     .tree = a->o.tree ? &m->tree : NULL,
                     .text = a->o.import_text ? text_of_import : NULL,
                     .text_ctx = m};
  for (size_t k = 0; k < a->o.noverrides; k++) *vec_push(&m->opt.override_) = arena_strdup(m->mem, a->o.overrides[k]);
  m->import_text = a->o.import_text, m->ctx = a->o.ctx;
  return library_status(session_open_text(&m->s, &m->opt, a->text, a->len));
}

static hnnc_model *make(const Opening *a) {
  hnnc_model *m = calloc(1, sizeof *m);
  if (m) m->heap = base_heap_create(a->o.memory);
  if (!m || !m->heap) return free(m), NULL;
  const hnnc_status state = library_call(m, open_model, (void *)a);
  if (m->state != HNNC_FAULT) m->state = state;
  return m;
}

hnnc_model *hnnc_open(const char *path, const hnnc_options *o) { return make(&(Opening){path, NULL, 0, options_of(o)}); }

hnnc_model *hnnc_open_text(const char *name, const char *text, size_t len, const hnnc_options *o) {
  return make(&(Opening){name, text ? text : "", text ? len : 0, options_of(o)});
}

/* ---- closing -------------------------------------------------------------------------------------------- */

static hnnc_status close_model(hnnc_model *m, void *arg) {
  (void)arg;
  for (uint32_t k = 0; m->native && k < m->s.model->nexport; k++) native_finish(&m->native[k]);
  base_free(m->native);
  if (m->runner.s) runner_close(&m->runner);
  if (m->tree.mem) tree_finish(&m->tree);
  session_close(&m->s);
  vec_free(&m->opt.override_);
  arena_destroy(m->said);
  arena_destroy(m->mem);
  return HNNC_OK;
}

void hnnc_close(hnnc_model *m) {
  if (!m) return;
  library_call(m, close_model, NULL);
  if (m->broken) session_abandon(&m->s);
  base_heap_destroy(m->heap);
  free(m->drawn);
  free(m);
}

hnnc_status hnnc_state(const hnnc_model *m) { return m ? m->state : HNNC_USAGE; }

const char *hnnc_version(void) { return HNNC_VERSION; }
