/* The public face: functions are collected, compiled (each a module of its own, on several threads) or
 * taken from the cache, and linked into the process. */
#include "codegen/codegen.h"
#include "codegen/object/codegen_priv.h"
#include "codegen/object/image_priv.h"
#include "codegen/gen/gen.h"
#include "codegen/kernels/kernels.h"
#include "codegen/object/cache.h"
#include "ir/text/pack.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#ifndef HNNC_WITHOUT_OBJECTS
#define HNNC_WITHOUT_OBJECTS 0 /* 1: bench/narrow asks what it brings */
#endif

static double now(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void timed(const Cg *cg, const char *what, double start) {
  if (cg->opt.time && cg->opt.timed) cg->opt.timed(cg->opt.ctx, what, now(CLOCK_MONOTONIC) - start);
}

static void end_work(Cg *cg, bool drop);

Cg *cg_create(const CgOptions *o, char *err, size_t errsize) {
  Cg *cg = base_realloc(NULL, sizeof *cg);
  memset(cg, 0, sizeof *cg);
  cg->opt = *o;
  if (!cg_machine_init(&cg->machine, o, &cg_vector_kernels, err, errsize)) {
    cg_destroy(cg);
    return NULL;
  }
  if (o->cache_dir) cg->cache_dir = base_strdup(o->cache_dir);
  cg->opt.triple = cg->machine.triple; /* what workers are set up with; the caller's text may go */
  cg->opt.cpu = o->cpu ? cg->machine.cpu : NULL;
  cg->opt.features = o->features ? cg->machine.features : NULL;
  cg->opt.cache_dir = cg->cache_dir;
  return cg;
}

void cg_destroy(Cg *cg) {
  if (!cg) return;
  if (cg->work) end_work(cg, true);
  for (uint32_t k = 0; k < cg->fn.n; k++) {
    cg_image_destroy(cg->fn.at[k].image);
    ir_fn_destroy(cg->fn.at[k].own);
    base_free(cg->fn.at[k].symbol);
    base_free(cg->fn.at[k].object.p);
  }
  vec_free(&cg->fn);
  for (int k = 0; k < 2; k++) cg_image_destroy(cg->peak[k]);
  cg_machine_finish(&cg->machine);
  base_free(cg->cache_dir);
  base_free(cg);
}

void cg_add_for(Cg *cg, const Fn *f, const char *symbol, int64_t samples) {
  const uint32_t n = gen_shares(cg->machine.target.tune, f);
  for (uint32_t k = 0; k < n; k++)
    *vec_push(&cg->fn) = (CgFn){
      .f = f, .symbol = base_strdup(symbol), .share = {k, n}, .samples = plan_samples(&cg->machine.target, f->f64, samples)};
}

void cg_add(Cg *cg, const Fn *f, const char *symbol) {
  Fn *copy = ir_copy_fn(NULL, f);
  const uint32_t at = cg->fn.n;
  cg_add_for(cg, copy, symbol, 0);
  for (uint32_t k = at; k < cg->fn.n; k++) cg->fn.at[k].f = cg->fn.at[k].own = k > at ? ir_copy_fn(NULL, f) : copy;
}

/* ---- modules ------------------------------------------------------------------------------------------------ */

/* An object of functions [from, to) that is being made, with what LLVM holds for it: a fault on the way must not lose that. Of several
 * functions each is whole, in its first share. */
typedef struct Making {
  const CgNumber *number; /* NULL: no marks */
  Cg *cg;
  const CgMachine *m;
  uint32_t from, to;
  bool f64; /* of the peak's loop */
  const CgWrapper *wrapper;
  LLVMCodeGenFileType kind;
  LLVMContextRef ctx;
  LLVMModuleRef mod;
  CgEmit e;
  CgObject *out;
  FILE *print;
  char *err;
  size_t errsize;
  bool ok, lost; /* lost: what LLVM holds cannot be disposed of */
} Making;

/* Writes those that are not compiled yet. */
static void write_module(Making *w) {
  Cg *cg = w->cg;
  w->mod = cg_module(w->m, w->ctx);
  CgMarks *marks = w->number ? cg_marks_create(w->mod, w->ctx, w->number) : NULL;
  for (uint32_t k = w->from; k < w->to; k++) {
    const CgFn *f = &cg->fn.at[k];
    const bool whole = w->to - w->from > 1;
    if (f->compiled || (whole && f->share.k)) continue;
    if (cg->opt.at) cg->opt.at(f->symbol);
    cg_emit_init(&w->e, &w->m->target, w->ctx, w->mod, f->f->f64);
    w->e.marks = marks;
    gen_function(&w->e, f->f, f->symbol, cg->opt.form, f->samples, whole ? (GenShare){0, 1} : f->share);
    cg_emit_finish(&w->e);
  }
  cg_marks_end(marks, w->mod);
}

static void make_object(void *ctx) {
  Making *w = ctx;
  write_module(w);
  w->ok = cg_object(w->m, w->mod, w->kind, w->out, &w->lost, w->err, w->errsize);
}

/* Does `body` and disposes of what LLVM holds. */
static bool make(Making *w, CgMachine *m, void (*body)(void *)) {
  if (!cg_machine_start(m, w->err, w->errsize)) return false;
  w->m = m, w->ctx = LLVMContextCreate();
  const bool whole = base_try(body, w, w->err, w->errsize);
  if (w->lost) return false;
  cg_emit_finish(&w->e);
  if (w->mod) LLVMDisposeModule(w->mod);
  LLVMContextDispose(w->ctx);
  return whole && w->ok;
}

static bool compile_range(Cg *cg, CgMachine *m, uint32_t from, uint32_t to, LLVMCodeGenFileType kind, CgObject *out, char *err,
                          size_t errsize) {
  Making w = {.cg = cg, .from = from, .to = to, .kind = kind, .out = out, .err = err, .errsize = errsize};
  return make(&w, m, make_object);
}

static bool compile_pending(Cg *cg, LLVMCodeGenFileType kind, CgObject *out, char *err, size_t errsize) {
  return compile_range(cg, &cg->machine, 0, cg->fn.n, kind, out, err, errsize);
}

/* Everything the object of a function depends on. */
static char *cache_key(const Cg *cg, const CgFn *f, size_t *len) {
  const CgName version = cg_version();
  const char *text[] = {version.text, cg->machine.triple, cg->machine.cpu, cg->machine.features, f->symbol};
  int64_t number[] = {cg->opt.opt, cg->opt.form, f->samples, f->share.k, f->share.n};
  Pack p = {.bare = true};
  Fn *fn = (Fn *)f->f; /* which is only read */
  for (size_t k = 0; k < sizeof text / sizeof *text; k++) pack_text(&p, &text[k]);
  PACK(&p, number);
  pack_fn(&p, &fn);
  *len = p.out.n;
  if (!p.bad) return p.out.at;
  pack_finish(&p);
  return NULL;
}

/* ---- compiling: a function an object, several at a time, the longest first ------------------------------------ */

enum { MAX_WORKERS = 64 };

struct Work {
  Cg *cg;
  uint32_t *order, n;
  atomic_uint next;
  pthread_t thread[MAX_WORKERS];
  uint32_t threads;
  bool fetched, failed;
  BaseHeap *heap;       /* of the thread that waits for it */
  pthread_mutex_t lock; /* of failed, err */
  char err[512];
};

/* From the cache; else it is to be made, by threads that may be at it when the caller's function is gone. */
static void fetch(Cg *cg, CgFn *f) {
  f->key = cg->cache_dir && !HNNC_WITHOUT_OBJECTS ? cache_key(cg, f, &f->keylen) : NULL;
  if (f->key) f->object = cg_cache_get(cg->cache_dir, f->key, f->keylen, cg->opt.refused);
  f->cached = f->object.p != NULL;
  if (!f->cached && !f->own) f->f = f->own = ir_copy_fn(NULL, f->f);
}

static void fail(Work *w, const char *symbol, const char *err) {
  pthread_mutex_lock(&w->lock);
  if (!w->failed) snprintf(w->err, sizeof w->err, "%s: %.400s", symbol, err);
  w->failed = true;
  pthread_mutex_unlock(&w->lock);
}

static void compile_one(Work *w, CgMachine *m, CgFn *f) {
  Cg *cg = w->cg;
  char err[512] = "";
  uint32_t k = (uint32_t)(f - cg->fn.at);
  double start = now(CLOCK_THREAD_CPUTIME_ID);
  bool ok = compile_range(cg, m, k, k + 1, LLVMObjectFile, &f->object, err, sizeof err);
  if (ok && f->key) cg_cache_put(cg->cache_dir, f->key, f->keylen, &f->object);
  f->seconds = now(CLOCK_THREAD_CPUTIME_ID) - start;
  if (!ok) fail(w, f->symbol, err);
}

static void work(void *arg) {
  Work *w = arg;
  CgMachine own;
  char err[256];
  if (!cg_machine_init(&own, &w->cg->opt, &cg_vector_kernels, err, sizeof err)) return;
  for (uint32_t k; (k = atomic_fetch_add(&w->next, 1)) < w->n;) compile_one(w, &own, &w->cg->fn.at[w->order[k]]);
  cg_machine_finish(&own);
}

/* A fault of one function is that of compile_one; any other ends this thread's work, not the process. */
static void *worker(void *arg) {
  Work *w = arg;
  char err[512];
  base_heap_enter(w->heap);
  if (!base_try(work, w, err, sizeof err)) fail(w, "the compiler", err);
  return NULL;
}

static uint32_t weight(const CgFn *f) { return plan_length(f->f) / f->share.n; }

static void pending(Cg *cg, Work *w) {
  w->order = base_realloc(NULL, sizeof *w->order * (cg->fn.n + 1));
  for (uint32_t k = 0; k < cg->fn.n; k++) {
    if (cg->fn.at[k].compiled || cg->fn.at[k].object.p) continue;
    uint32_t at = w->n++;
    for (; at > 0 && weight(&cg->fn.at[w->order[at - 1]]) < weight(&cg->fn.at[k]); at--) w->order[at] = w->order[at - 1];
    w->order[at] = k;
  }
}

static void start_workers(Work *w, uint32_t most) {
  long cores = sysconf(_SC_NPROCESSORS_ONLN);
  uint32_t want = cores > 1 ? (uint32_t)cores - 1 : 0;
  if (want > w->cg->machine.target.tune->threads) want = w->cg->machine.target.tune->threads;
  if (want > MAX_WORKERS) want = MAX_WORKERS;
  if (want > most) want = most;
  while (w->threads < want && pthread_create(&w->thread[w->threads], NULL, worker, w) == 0) w->threads++;
}

/* Takes from the cache what it has, and leaves the rest to other threads; `here`: this one will help at once. */
static void begin_work(Cg *cg, bool here) {
  double start = now(CLOCK_MONOTONIC);
  Work *w = cg->work = base_realloc(NULL, sizeof *w);
  memset(w, 0, sizeof *w);
  w->cg = cg;
  w->heap = base_heap();
  pthread_mutex_init(&w->lock, NULL);
  for (uint32_t k = 0; k < cg->fn.n; k++)
    if (!cg->fn.at[k].compiled) fetch(cg, &cg->fn.at[k]), w->fetched = true;
  if (w->fetched && cg->cache_dir) timed(cg, "cache", start);
  pending(cg, w);
  if (w->n > here) start_workers(w, w->n - here);
}

/* Waits for the workers; `drop`: they take up nothing more. */
static void end_work(Cg *cg, bool drop) {
  Work *w = cg->work;
  if (drop) atomic_store(&w->next, w->n);
  while (w->threads > 0) pthread_join(w->thread[--w->threads], NULL);
  for (uint32_t k = 0; k < cg->fn.n; k++) base_free(cg->fn.at[k].key), cg->fn.at[k].key = NULL;
  pthread_mutex_destroy(&w->lock);
  base_free(w->order);
  base_free(w);
  cg->work = NULL;
}

/* Objects for all that are not compiled: from the cache, or made. */
static bool make_own_objects(Cg *cg, char *err, size_t errsize) {
  if (!cg->work) begin_work(cg, true);
  Work *w = cg->work;
  for (uint32_t k; (k = atomic_fetch_add(&w->next, 1)) < w->n;) compile_one(w, &cg->machine, &cg->fn.at[w->order[k]]);
  while (w->threads > 0) pthread_join(w->thread[--w->threads], NULL);
  for (uint32_t k = 0; k < w->n; k++) {
    const CgFn *f = &cg->fn.at[w->order[k]];
    char name[512];
    snprintf(name, sizeof name, f->share.k ? "%s, share %u" : "%s", f->symbol, f->share.k + 1);
    if (cg->opt.time && cg->opt.timed) cg->opt.timed(cg->opt.ctx, name, f->seconds);
  }
  cg->cached = w->fetched && w->n == 0;
  bool failed = w->failed;
  if (failed) snprintf(err, errsize, "%s", w->err);
  end_work(cg, false);
  return !failed;
}

/* Those of a process that follows, or what others get. */
static bool pass_objects(Cg *cg, bool ok, char *err, size_t errsize) {
  for (uint32_t k = 0; k < cg->fn.n; k++) {
    CgObject none = {0}, *o = ok || cg->opt.follows ? &cg->fn.at[k].object : &none;
    if (cg->fn.at[k].compiled) continue;
    cg->opt.pass_on(cg->opt.pass_ctx, o);
    if (ok && !o->p) ok = false, snprintf(err, errsize, "the process that compiles could not");
  }
  return ok;
}

static bool make_objects(Cg *cg, char *err, size_t errsize) {
  const bool ok = cg->opt.follows || make_own_objects(cg, err, errsize);
  return cg->opt.pass_on ? pass_objects(cg, ok, err, errsize) : ok;
}

void cg_abandon(Cg *cg) {
  Work *w = cg->work;
  if (w) atomic_store(&w->next, w->n);
  while (w && w->threads > 0) pthread_join(w->thread[--w->threads], NULL);
  for (uint32_t k = 0; k < cg->fn.n; k++) cg_image_destroy(cg->fn.at[k].image);
  for (int k = 0; k < 2; k++) cg_image_destroy(cg->peak[k]);
  cg_machine_finish(&cg->machine);
}

void cg_begin(Cg *cg) {
  if (!cg->work && !cg->opt.follows) begin_work(cg, false);
}

/* ---- linking ---------------------------------------------------------------------------------------------------- */

/* The next shares of the function are there. */
static bool link_object(CgFn *f, char *err, size_t errsize) {
  char name[512];
  snprintf(name, sizeof name, "%s_info", f->symbol);
  f->image = cg_image_load(f->object.p, f->object.n, f->share.k + 1 < f->share.n ? f[1].image : NULL, err, errsize);
  if (!f->image) return false;
  if (f->share.k) return f->compiled = true;
  void *code = cg_image_symbol(f->image, f->symbol), *info = cg_image_symbol(f->image, name);
  if (!code || !info) return snprintf(err, errsize, "an object does not hold `%s`", f->symbol), false;
  f->kernel = (HnnKernel)(uintptr_t)code;
  memcpy(&f->info, info, sizeof f->info);
  f->compiled = true;
  return true;
}

static bool link_objects(Cg *cg, bool ok, char *err, size_t errsize) {
  for (uint32_t k = cg->fn.n; k-- > 0;) {
    CgFn *f = &cg->fn.at[k];
    ok = ok && (f->compiled || link_object(f, err, errsize));
    base_free(f->object.p);
    f->object = (CgObject){0};
  }
  return ok;
}

bool cg_compile(Cg *cg, char *err, size_t errsize) {
  bool ok = make_objects(cg, err, errsize);
  double start = now(CLOCK_MONOTONIC);
  ok = link_objects(cg, ok, err, errsize);
  timed(cg, "link", start);
  return ok;
}

static const CgFn *find(const Cg *cg, const char *symbol) {
  for (uint32_t k = cg->fn.n; k-- > 0;)
    if (!cg->fn.at[k].share.k && !strcmp(cg->fn.at[k].symbol, symbol)) return &cg->fn.at[k];
  return NULL;
}

HnnKernel cg_kernel(Cg *cg, const char *symbol) {
  const CgFn *f = find(cg, symbol);
  return f ? f->kernel : NULL;
}

HnnKernelInfo cg_info(Cg *cg, const char *symbol) {
  const CgFn *f = find(cg, symbol);
  return f ? f->info : (HnnKernelInfo){0};
}

bool cg_cached(const Cg *cg) { return cg->cached; }
int cg_vector_bits(const Cg *cg) { return (int)cg->machine.target.bits; }

/* ---- text and files ---------------------------------------------------------------------------------------------- */

void cg_print_kernels(Cg *cg, FILE *out, const Source *src, const CgNote *note) {
  for (uint32_t k = 0; k < cg->fn.n; k++) {
    const CgFn *f = &cg->fn.at[k];
    if (f->compiled || f->share.k) continue;
    if (cg->opt.at) cg->opt.at(f->symbol);
    PlanForms forms = plan_forms(f->f, &cg->machine.target, cg->opt.form, f->samples);
    for (uint32_t n = 0; n < forms.n; n++) {
      if (n) fprintf(out, "for at most %lld samples: ", (long long)forms.most);
      plan_print(out, forms.plan[n], f->symbol, src, note);
      plan_destroy(forms.plan[n]);
    }
  }
}

static void print_module(void *ctx) {
  Making *w = ctx;
  write_module(w);
  char *text = LLVMPrintModuleToString(w->mod);
  w->ok = fputs(text, w->print) >= 0;
  if (!w->ok) snprintf(w->err, w->errsize, "cannot write: %s", strerror(errno));
  LLVMDisposeMessage(text);
}

bool cg_print_llvm(Cg *cg, FILE *out, char *err, size_t errsize) {
  Making w = {.cg = cg, .to = cg->fn.n, .print = out, .err = err, .errsize = errsize};
  return make(&w, &cg->machine, print_module);
}

static bool write_all(CgObject *o, FILE *out, char *err, size_t errsize) {
  bool ok = fwrite(o->p, 1, o->n, out) == o->n && fflush(out) == 0;
  if (!ok) snprintf(err, errsize, "cannot write: %s", strerror(errno));
  base_free(o->p);
  return ok;
}

bool cg_print_asm(Cg *cg, FILE *out, const CgNumber *number, char *err, size_t errsize) {
  CgObject o;
  Making w = {.cg = cg, .to = cg->fn.n, .kind = LLVMAssemblyFile, .out = &o, .number = number, .err = err, .errsize = errsize};
  return make(&w, &cg->machine, make_object) && write_all(&o, out, err, errsize);
}

static bool write_file(const char *path, CgObject *o, char *err, size_t errsize) {
  FILE *out = fopen(path, "wb");
  if (!out) {
    snprintf(err, errsize, "cannot write %s: %s", path, strerror(errno));
    base_free(o->p);
    return false;
  }
  bool ok = write_all(o, out, err, errsize);
  if (fclose(out) != 0 && ok) snprintf(err, errsize, "cannot write %s: %s", path, strerror(errno)), ok = false;
  return ok;
}

bool cg_write_object(Cg *cg, const char *path, char *err, size_t errsize) {
  CgObject o;
  return compile_pending(cg, LLVMObjectFile, &o, err, errsize) && write_file(path, &o, err, errsize);
}

static void make_wrappers(void *ctx) {
  Making *w = ctx;
  w->mod = cg_module(w->m, w->ctx);
  for (uint32_t k = w->from; k < w->to; k++) {
    cg_emit_init(&w->e, &w->m->target, w->ctx, w->mod, true);
    gen_wrapper(&w->e, &w->wrapper[k]);
    cg_emit_finish(&w->e);
  }
  w->ok = cg_object(w->m, w->mod, LLVMObjectFile, w->out, &w->lost, w->err, w->errsize);
}

uint32_t cg_objects(Cg *cg, const CgWrapper *wrapper, uint32_t n, CgObject **out, char *err, size_t errsize) {
  if (!make_objects(cg, err, errsize)) return 0;
  *out = base_zeroed(cg->fn.n + 1, sizeof **out);
  Making w = {.cg = cg, .wrapper = wrapper, .to = n, .out = *out, .err = err, .errsize = errsize};
  const bool ok = make(&w, &cg->machine, make_wrappers);
  for (uint32_t k = 0; k < cg->fn.n; k++) {
    (*out)[k + 1] = cg->fn.at[k].object;
    cg->fn.at[k].object = (CgObject){0};
    if (!ok) base_free((*out)[k + 1].p);
  }
  if (ok) return cg->fn.n + 1;
  base_free(*out);
  return 0;
}

/* ---- the machine's peak ---------------------------------------------------------------------------------------------- */

static const char PEAK[] = "hnnc_peak";

static void make_peak(void *ctx) {
  Making *w = ctx;
  w->mod = cg_module(w->m, w->ctx);
  cg_emit_init(&w->e, &w->m->target, w->ctx, w->mod, w->f64);
  cg_emit_peak(&w->e, PEAK);
  w->cg->peak_flop[w->f64] = cg_peak_flop(&w->e);
  w->ok = cg_object(w->m, w->mod, LLVMObjectFile, w->out, &w->lost, w->err, w->errsize);
}

static CgImage *peak_image(Cg *cg, bool f64) {
  char err[256];
  CgObject object;
  Making w = {.cg = cg, .f64 = f64, .out = &object, .err = err, .errsize = sizeof err};
  if (!make(&w, &cg->machine, make_peak)) return NULL;
  CgImage *image = cg_image_load(object.p, object.n, NULL, err, sizeof err);
  base_free(object.p);
  return image;
}

double cg_measure_peak(Cg *cg, bool f64) {
  if (!cg->peak[f64]) cg->peak[f64] = peak_image(cg, f64);
  if (!cg->peak[f64]) return 0;
  return cg_peak_rate(cg->machine.target.tune, (CgPeakLoop)(uintptr_t)cg_image_symbol(cg->peak[f64], PEAK), cg->peak_flop[f64]);
}
