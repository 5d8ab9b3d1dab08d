/* Opening and closing a model, and the border that faults do not pass. */
#include "driver/library/calls_priv.h"
#include "driver/session/ranks.h"

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
  if (!m || m->busy) return HNNC_USAGE;
  if (m->broken) return m->state;
  m->busy = true;
  library_return(m);
  const bool whole = base_try(make_call, &c, m->fault, sizeof m->fault);
  library_leave(m);
  m->busy = false;
  m->broken = !whole;
  if (m->broken || c.result == HNNC_FAULT) m->state = HNNC_FAULT;
  return m->broken ? HNNC_FAULT : c.result;
}

void library_leave(hnnc_model *m) {
  base_heap_enter(m->outer_heap);
  uselocale(m->outer_locale);
}

void library_return(hnnc_model *m) {
  m->outer_heap = base_heap_enter(m->heap);
  m->outer_locale = uselocale(m->plain);
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

bool library_options(void *out, size_t size, size_t first, const void *given) {
  enum { MOST = 4096 }; /* a size that was never set may be anything */
  size_t n;
  memcpy(&n, given, sizeof n);
  if (n < first || n > MOST) return false;
  for (size_t k = size; k < n; k++)
    if (((const char *)given)[k]) return false;
  memcpy(out, given, n < size ? n : size);
  return true;
}

static const char *text_of_import(void *ctx, const char *path, size_t *len) {
  hnnc_model *m = ctx;
  const char *text = NULL;
  library_leave(m);
  const bool there = m->import_text(m->ctx, path, &text, len);
  library_return(m);
  return there ? text : NULL;
}

typedef struct Opening {
  const char *path, *text; /* NULL: read the file */
  size_t len;
  bool run; /* path is one */
  hnnc_options o;
} Opening;

/* Why there is nothing to open; false: there is something. */
static bool refused(const Opening *a, char *why, size_t size) {
  bool hole = false;
  for (size_t k = 0; a->o.overrides && k < a->o.noverrides; k++) hole |= !a->o.overrides[k];
  if (!a->path) return snprintf(why, size, "no name is given"), true;
  if (a->len > SOURCE_MOST) return snprintf(why, size, "the text has %zu bytes, more than %d", a->len, SOURCE_MOST), true;
  if (a->o.noverrides && !a->o.overrides) return snprintf(why, size, "`overrides` is NULL, `noverrides` is not 0"), true;
  if (hole) return snprintf(why, size, "one of `overrides` is NULL"), true;
  if (a->run && (a->o.noverrides || a->o.seed || a->o.import_text))
    return snprintf(why, size, "a run has overrides, a seed and imports of its own"), true;
  if (a->o.threads < 0) return snprintf(why, size, "`threads` should not be negative, found %d", a->o.threads), true;
  if (a->o.cpu && !cg_cpu_known(a->o.cpu)) return snprintf(why, size, "`cpu` is one that is not known: %.100s", a->o.cpu), true;
  return false;
}

static hnnc_status open_model(hnnc_model *m, void *arg) {
  const Opening *a = arg;
  m->mem = arena_create();
  m->opt = (Options){.command = "library",
                     .file = arena_strdup(m->mem, a->path),
                     .quiet = true,
                     .library = true,
                     .cpu = a->o.cpu ? arena_strdup(m->mem, a->o.cpu) : NULL,
                     .cache_dir = a->o.cache_dir ? arena_strdup(m->mem, a->o.cache_dir) : NULL,
                     .threads = a->o.threads ? a->o.threads : ranks_threads_alone(),
                     .seed = a->o.seed,
                     .opt = 1,
                     .tree = a->o.tree ? &m->tree : NULL,
                     .text = a->o.import_text ? text_of_import : NULL,
                     .text_ctx = m};
  for (size_t k = 0; k < a->o.noverrides; k++) *vec_push(&m->opt.override_) = arena_strdup(m->mem, a->o.overrides[k]);
  m->import_text = a->o.import_text, m->ctx = a->o.ctx;
  if (a->run) return library_open_run(m, m->opt.file);
  return library_status(session_open_text(&m->s, &m->opt, a->text, a->len));
}

static void discard(hnnc_model *m) {
  base_heap_destroy(m->heap);
  if (m->plain) freelocale(m->plain);
  free(m->drawn);
  free(m);
}

hnnc_model *library_make(const char *path, const char *text, size_t len, bool run, const hnnc_options *o) {
  hnnc_model *m = calloc(1, sizeof *m);
  Opening opening = {.path = path, .text = text, .len = len, .run = run}, *a = &opening;
  if (!m) return NULL;
  a->o = (hnnc_options)HNNC_OPTIONS;
  const bool read = !o || library_options(&a->o, sizeof a->o, offsetof(hnnc_options, ctx) + sizeof o->ctx, o);
  if (!read) snprintf(m->fault, sizeof m->fault, "options of another version: begin with HNNC_OPTIONS");
  m->plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
  m->heap = base_heap_create(a->o.memory);
  if (!m->plain || !m->heap) return discard(m), NULL;
  m->broken = !read || refused(a, m->fault, sizeof m->fault);
  m->state = HNNC_USAGE;
  const hnnc_status state = library_call(m, open_model, a);
  if (m->state != HNNC_FAULT) m->state = state;
  return m;
}

/* The standard input is nothing that a library reads. */
hnnc_model *hnnc_open(const char *path, const hnnc_options *o) {
  return library_make(path && !strcmp(path, "-") ? "./-" : path, NULL, 0, false, o);
}

hnnc_model *hnnc_open_text(const char *name, const char *text, size_t len, const hnnc_options *o) {
  return library_make(name, text ? text : "", text ? len : 0, false, o);
}

/* ---- closing -------------------------------------------------------------------------------------------- */

static hnnc_status close_model(hnnc_model *m, void *arg) {
  (void)arg;
  library_calls_finish(m);
  if (m->runner.s) runner_close(&m->runner);
  if (m->tree.mem) tree_finish(&m->tree);
  session_close(&m->s);
  vec_free(&m->opt.override_), vec_free(&m->opt.more), vec_free(&m->opt.product);
  recorded_close(&m->recorded);
  arena_destroy(m->said);
  arena_destroy(m->mem);
  return HNNC_OK;
}

void hnnc_close(hnnc_model *m) {
  if (!m || m->busy) return;
  library_call(m, close_model, NULL);
  if (m->broken) session_abandon(&m->s), rt_run_destroy(m->recorded.run), free(m->recorded.text);
  discard(m);
}

hnnc_status hnnc_state(const hnnc_model *m) { return m ? m->state : HNNC_USAGE; }

const char *hnnc_version(void) { return HNNC_VERSION; }
