/* What a session made before is taken from the cache: the model of a file, and functions derived and cut into parts.
 *
 * A model follows from the text of the file, overrides, the sources of the compiler: its key. And from files that it
 * led to: imports, data (through their TableInfo), and files that were looked for. What these were is written before the
 * model, and what was kept counts only if all of them are the same now. Messages (warnings) are kept with it, models with
 * errors are not. What a function becomes follows from it, from how it is asked for, and from the sources of the passes.
 * Nothing is taken or kept where the passes are watched (--print-after, --verify-each). */
#include "driver/session/data.h"
#include "driver/session/kept_priv.h"
#include "driver/session/native.h"

#include "codegen/object/cache.h"
#include "driver/kept_generation.h"
#include "ir/text/pack.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <xxhash.h>

#ifdef __aarch64__
#define VERSION KEPT_GENERATION " aarch64 " __VERSION__
#else
#define VERSION KEPT_GENERATION " x86-64 " __VERSION__
#endif

#ifndef HNNC_WITHOUT_KEPT
#define HNNC_WITHOUT_KEPT 0 /* 1: bench/narrow asks what it brings */
#endif

const char *kept_version(void) { return VERSION; }

static bool wanted(const Session *s) {
  return !HNNC_WITHOUT_KEPT && s->cg.cache_dir && !s->opt->verify_each && !s->opt->print_after;
}

static bool take(const Session *s, const Pack *key, CgObject *got, Pack *p) {
  *got = key->bad ? (CgObject){0} : cg_cache_get(s->cg.cache_dir, key->out.at, key->out.n, s->cg.refused);
  *p = (Pack){.reading = true, .at = got->p, .end = got->p ? got->p + got->n : NULL};
  return got->p != NULL;
}

static void keep(const Session *s, const Pack *key, Pack *p) {
  if (!key->bad && !p->bad) cg_cache_put(s->cg.cache_dir, key->out.at, key->out.n, &(CgObject){p->out.at, p->out.n});
}

/* ---- files ---------------------------------------------------------------------------------------------------- */

typedef struct Hash {
  uint64_t high, low;
} Hash;

static Hash hash_of(XXH128_hash_t h) { return (Hash){h.high64, h.low64}; }
static bool same(Hash a, Hash b) { return a.high == b.high && a.low == b.low; }

/* Of a file's contents; false if it cannot be read. */
static bool hash_file(const char *path, Hash *out) {
  XXH3_state_t *state = XXH3_createState();
  XXH3_128bits_reset(state);
  bool ok = data_hash_file(state, path);
  *out = hash_of(XXH3_128bits_digest(state));
  XXH3_freeState(state);
  return ok;
}

void kept_table(Session *s, Arena *mem, const char *path) {
  if (!wanted(s)) return;
  KeptTable t = {.path = arena_strdup(mem, path)};
  Hash h = {0};
  t.known = hash_file(path, &h);
  t.high = h.high, t.low = h.low;
  *vec_push(&s->table) = t;
}

/* One of the sources beside the file itself; false: it is another now. Texts that lie in no file come back as they were. */
static bool source(Pack *p, Source *src, uint32_t number) {
  const SourceFile *f = p->reading ? NULL : source_file(src, number);
  const char *name = f ? f->name : NULL, *text = f && !f->loaded ? f->text : NULL;
  Hash h = f ? hash_of(XXH3_128bits(f->text, f->len)) : (Hash){0};
  pack_text(p, &name);
  pack_text(p, &text);
  PACK(p, h);
  if (!p->reading) return true;
  if (p->bad || !name) return false;
  if (text) return source_add(src, name, text, strlen(text)) == number;
  if (source_load(src, name) != number) return false;
  f = source_file(src, number);
  return same(h, hash_of(XXH3_128bits(f->text, f->len)));
}

/* What the model states of calls, in order: instructions have its numbers. */
static bool stated(Pack *p, Source *src) {
  uint32_t n = p->reading ? 0 : src->stated.n;
  pack_count(p, &n, sizeof(Span));
  for (uint32_t k = 0; !p->bad && k < n; k++) {
    SourceStated x = p->reading ? (SourceStated){0} : src->stated.at[k];
    pack_text(p, &x.of);
    PACK(p, x.words);
    if (p->reading && (p->bad || source_state(src, x.of, x.words) != k)) return false;
  }
  return !p->bad;
}

static bool sources(Pack *p, Source *src) {
  uint32_t n = p->reading ? 0 : src->files.n;
  pack_count(p, &n, 0);
  bool all = true;
  for (uint32_t k = 2; all && k <= n; k++) all = source(p, src, k);
  return all && stated(p, src);
}

static bool looked(Pack *p, const Model *m) {
  uint32_t n = m ? m->nlooked : 0;
  bool all = true;
  pack_count(p, &n, sizeof(int));
  for (uint32_t k = 0; all && k < n; k++) {
    Looked l = m ? m->looked[k] : (Looked){0};
    pack_text(p, &l.path);
    PACK(p, l.mode);
    PACK(p, l.there);
    all = !p->bad && (!p->reading || (l.path && (access(l.path, l.mode) == 0) == l.there));
  }
  return all;
}

/* Also when they are written: a file that is being changed is not kept. */
static bool tables(Pack *p, const Session *s) {
  uint32_t n = s->table.n;
  bool all = true;
  pack_count(p, &n, sizeof(Hash));
  for (uint32_t k = 0; all && k < n; k++) {
    const char *path = p->reading ? NULL : s->table.at[k].path;
    Hash h = p->reading ? (Hash){0} : (Hash){s->table.at[k].high, s->table.at[k].low}, now;
    pack_text(p, &path);
    PACK(p, h);
    all = !p->bad && path && (p->reading || s->table.at[k].known) && hash_file(path, &now) && same(h, now);
  }
  return all;
}

/* ---- models ------------------------------------------------------------------------------------------------- */

/* The question, and the shapes of what it is asked of. */
static void ask_key(const Ask *ask, Pack *key) {
  uint32_t n = ask ? ask->narray : 0, samples = ask ? ask->samples : 0;
  bool there = ask != NULL, columns = ask && ask->columns;
  const char *text = ask ? ask->text : NULL, *file = ask ? ask->file : NULL, *on = ask ? ask->on : NULL;
  PACK(key, there);
  if (!there) return;
  pack_text(key, &text);
  pack_text(key, &file);
  pack_text(key, &on);
  PACK(key, columns);
  PACK(key, samples);
  PACK(key, n);
  for (uint32_t k = 0; k < n; k++) {
    AskArray a = ask->array[k];
    pack_text(key, &a.name);
    PACK(key, a.rank);
    pack_bytes(key, a.dim, sizeof *a.dim * a.rank);
  }
}

static void model_key(const Session *s, const Source *src, Pack *key) {
  const SourceFile *f = source_file(src, 1);
  const char *version = "model " VERSION, *passes = pass_decide_version(), *path = f->name;
  uint32_t n = s->opt->override_.n, len = f->len;
  pack_text(key, &version);
  pack_text(key, &passes);
  pack_text(key, &path);
  PACK(key, n);
  for (uint32_t k = 0; k < n; k++) {
    const char *text = s->opt->override_.at[k];
    pack_text(key, &text);
  }
  PACK(key, len);
  pack_bytes(key, (void *)f->text, len);
  ask_key(s->opt->ask, key);
}

/* Not what the standard input or the caller's memory gave; a tree is not kept. */
static bool wants_model(const Session *s) { return wanted(s) && strcmp(s->opt->file, "-") && !s->opt->tree && !s->opt->text; }

/* Exports are large, and a run does without. They lie apart, by the key and the bytes of the model that they belong to: files of other text
 * may have the same bytes, where all that they have is functions. */
static bool wants_exports(const Session *s) {
  return strcmp(s->opt->command, "run") != 0 && strcmp(s->opt->command, "resume") != 0 && strcmp(s->opt->command, "bench") != 0 &&
         strcmp(s->opt->command, "check") != 0 && strcmp(s->opt->command, "eval") != 0;
}

static void exports_key(const Pack *of, const char *model, size_t n, Pack *key) {
  const char *version = "exports " VERSION;
  pack_text(key, &version);
  pack_bytes(key, of->out.at, of->out.n);
  pack_bytes(key, (void *)model, n);
}

static bool read_exports(const Session *s, const Pack *of, const CgObject *model, Model *m) {
  Pack key = {0}, p;
  CgObject got;
  exports_key(of, model->p, model->n, &key);
  bool ok = take(s, &key, &got, &p);
  if (ok) model_pack_exports(&p, m);
  ok = ok && !p.bad && p.at == p.end;
  base_free(got.p);
  pack_finish(&key);
  return ok;
}

static void keep_exports(const Session *s, const Pack *of, const Pack *model) {
  Pack key = {0}, p = {0};
  exports_key(of, model->out.at, model->out.n, &key);
  model_pack_exports(&p, s->model);
  keep(s, &key, &p);
  pack_finish(&p);
  pack_finish(&key);
}

static Model *read_model(Session *s, const Pack *key, Source *src, Diag *diag) {
  CgObject got;
  Pack p;
  Model *m = NULL;
  Arena *mem = arena_create();
  if (take(s, key, &got, &p)) {
    p.mem = mem;
    if (sources(&p, src) && looked(&p, NULL) && tables(&p, &(Session){0})) {
      diag_pack(&p, diag);
      model_pack(&p, &m);
    }
    if (m && (p.at != p.end || (wants_exports(s) && !read_exports(s, key, &got, m)))) model_destroy(m), m = NULL;
  }
  base_free(got.p);
  arena_destroy(mem);
  return m;
}

Model *kept_model(Session *s, const char *text, size_t len) {
  if (!wants_model(s)) return NULL;
  Source *src = source_create();
  Diag *diag = diag_create(src);
  Pack key = {0};
  Model *m = NULL;
  if (text ? source_add(src, s->opt->file, text, len) : source_load(src, s->opt->file)) {
    model_key(s, src, &key);
    m = read_model(s, &key, src, diag);
  }
  pack_finish(&key);
  if (!m) return diag_destroy(diag), source_destroy(src), NULL;
  diag_destroy(s->diag);
  source_destroy(s->src);
  s->src = src;
  s->diag = diag;
  return m;
}

void kept_put_model(Session *s) {
  if (!wants_model(s) || !s->model || diag_errors(s->diag)) return;
  Pack key = {0}, p = {0};
  model_key(s, s->src, &key);
  if (sources(&p, s->src) && looked(&p, s->model) && tables(&p, s)) {
    diag_pack(&p, s->diag);
    model_pack(&p, &s->model);
    keep_exports(s, &key, &p);
    keep(s, &key, &p);
  }
  pack_finish(&p);
  pack_finish(&key);
}

/* ---- lowered functions ------------------------------------------------------------------------------------------- */

static void lowered_key(const NativeJob *j, Pack *key) {
  const char *version = "lowered " VERSION, *passes = pass_decide_version();
  Fn *f = (Fn *)j->fn;
  uint32_t *moved = (uint32_t *)j->moved, n = j->nmoved;
  bool gradient = j->gradient;
  int memory = (int)j->memory;
  pack_text(key, &version);
  pack_text(key, &passes);
  PACK(key, memory);
  PACK(key, gradient);
  PACK_ARRAY(key, moved, n);
  pack_fn(key, &f);
}

/* Arrays of a Split are the heap's. */
static PartRef *refs(Pack *p, PartRef *r, uint32_t n) {
  if (p->reading) r = base_realloc(NULL, sizeof *r * (n + 1));
  pack_bytes(p, r, sizeof *r * n);
  return r;
}

static void split(Pack *p, const Fn *whole, Split *s) {
  pack_count(p, &s->n, 1);
  if (p->reading) {
    s->part = base_realloc(NULL, sizeof *s->part * (s->n + 1));
    memset(s->part, 0, sizeof *s->part * (s->n + 1));
  }
  for (uint32_t k = 0; k < s->n; k++) {
    pack_fn(p, &s->part[k].fn);
    if (s->part[k].fn) s->part[k].in = refs(p, s->part[k].in, s->part[k].fn->in.n);
  }
  s->from = refs(p, s->from, whole->out.n);
}

static void lowered(Pack *p, Native *n) {
  PACK(p, n->memory.way);
  PACK(p, n->memory.bytes);
  PACK_ARRAY(p, n->running.param, n->running.n);
  pack_fn(p, &n->fn);
  if (n->fn) split(p, n->fn, &n->split);
  p->bad |= !n->fn;
}

bool kept_lowered(const Session *s, const NativeJob *j, KeptKey *k) {
  Pack key = {0}, p;
  CgObject got;
  Native *n = j->native;
  *k = (KeptKey){0};
  if (!wanted(s)) return false;
  lowered_key(j, &key);
  if (take(s, &key, &got, &p)) {
    p.mem = n->mem;
    lowered(&p, n);
    if (p.bad || p.at != p.end) {
      pass_split_finish(&n->split);
      ir_fn_destroy(n->fn);
      n->fn = NULL;
      p.bad = true;
    }
  }
  base_free(got.p);
  if (got.p && !p.bad) return pack_finish(&key), true;
  k->p = key.out.at, k->n = key.bad ? 0 : key.out.n;
  return false;
}

void kept_put_lowered(const Session *s, const NativeJob *j, KeptKey *k) {
  if (k->n && j->native->fn) {
    Pack p = {0};
    lowered(&p, j->native);
    if (!p.bad) cg_cache_put(s->cg.cache_dir, k->p, k->n, &(CgObject){p.out.at, p.out.n});
    pack_finish(&p);
  }
  base_free(k->p);
}

/* ---- how much is kept ---- */

enum { MEGA = 1 << 20, USUAL_LIMIT = 1024 }; /* MiB */

int64_t kept_limit(bool quiet) {
  const char *text = getenv("HNNC_CACHE_MB");
  char *end;
  double mb = text && *text ? strtod(text, &end) : USUAL_LIMIT;
  if (text && *text && (*end || !(mb >= 0) || mb > 1e9)) {
    if (!quiet) fprintf(stderr, "warning: HNNC_CACHE_MB must be a number of megabytes, found `%s`: using %d\n", text, USUAL_LIMIT);
    mb = USUAL_LIMIT;
  }
  return (int64_t)(mb * MEGA);
}

/* From any thread, once a process. */
void kept_refused(const char *path) {
  static atomic_flag said = ATOMIC_FLAG_INIT;
  if (!atomic_flag_test_and_set(&said))
    fprintf(stderr, "warning: %s in the cache can be written by other users: it is not used\n", path);
}

void kept_tidy(const char *dir, bool quiet) {
  CgCacheCount count;
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (now.tv_nsec / 1000 % 16 == 0) (void)cg_cache_tidy(dir, kept_limit(quiet), false, &count); /* one process in 16 looks */
}
