/* From IR functions to callables: derive, simplify, split, compile together. */
#include "driver/session/kept_priv.h"
#include "driver/session/native.h"
#include "driver/process/process.h"

#include <stdlib.h>
#include <string.h>

/* Symbols in a module: hnn_NAME for the first phase of the batch, hnn_NAME_pre, hnn_NAME_post, ... for other parts. */
static const char *part_symbol(char *buf, size_t size, const Native *n, uint32_t part) {
  char suffix[SPLIT_NAME];
  snprintf(buf, size, "hnn_%s%s", n->name, pass_split_suffix(&n->split, part, suffix));
  for (char *c = buf; *c; c++)
    if (!((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9'))) *c = '_';
  return buf;
}

const char *native_memory_text(MemoryChoice c, char *buf, size_t size) {
  if (c.bytes == 0) *buf = 0;
  else
    snprintf(buf, size,
             c.way == MEMORY_REVERSIBLE ? "memory = reversible: about %lld bytes of states a sample are computed again"
                                        : "memory = stored: about %lld bytes of states a sample are kept",
             (long long)c.bytes);
  return buf;
}

static bool lower_anew(Session *s, const NativeJob *j, Native *n) {
  const PassJob job = {.fn = j->fn, .memory = j->memory, .gradient = j->gradient, .moved = j->moved, .nmoved = j->nmoved};
  Lowered l;
  bool ok = pass_lower_all(&s->passes, &job, &l, s->diag);
  n->fn = l.fn, n->memory = l.memory, n->split = l.split;
  n->running = (Running){ARENA_ARRAY(n->mem, uint32_t, l.running.n + 1), l.running.n};
  if (l.running.n) memcpy(n->running.param, l.running.param, sizeof *l.running.param * l.running.n);
  base_free(l.running.param);
  return ok;
}

static bool lower(Session *s, const NativeJob *j) {
  Native *n = j->native;
  KeptKey key;
  *n = (Native){.name = j->name, .mem = arena_create()};
  double start = pass_now();
  bool kept = kept_lowered(s, j, &key);
  pass_timed(&s->passes, "kept", pass_now() - start);
  if (kept) return true;
  bool ok = lower_anew(s, j, n);
  if (ok) kept_put_lowered(s, j, &key);
  else base_free(key.p);
  return ok;
}

static void add_parts(Cg *cg, const Native *n, int64_t samples) {
  char symbol[256];
  for (uint32_t k = 0; k < n->split.n; k++)
    if (n->split.part[k].fn) cg_add_for(cg, n->split.part[k].fn, part_symbol(symbol, sizeof symbol, n, k), samples);
}

/* Sizes of a function's outputs, in the Native's arena. */
void native_outputs(Arena *mem, const Fn *f, const int64_t **elems, const bool **lane) {
  int64_t *e = ARENA_ARRAY(mem, int64_t, f->out.n + 1);
  bool *l = ARENA_ARRAY(mem, bool, f->out.n + 1);
  for (uint32_t k = 0; k < f->out.n; k++) {
    Type t = ir_type(f, f->out.at[k]);
    e[k] = type_count(t);
    l[k] = t.lane;
  }
  *elems = e;
  *lane = l;
}

HnnRef *native_refs(Arena *mem, const PartRef *from, uint32_t n) {
  HnnRef *out = ARENA_ARRAY(mem, HnnRef, n + 1);
  for (uint32_t k = 0; k < n; k++) out[k] = (HnnRef){from[k].part, (int)from[k].index};
  return out;
}

HnnKernel native_kernel(const Native *n, uint32_t part, HnnKernelInfo *info) {
  char symbol[256];
  if (!n->split.part[part].fn) return NULL;
  part_symbol(symbol, sizeof symbol, n, part);
  HnnKernel kernel = cg_kernel(n->cg, symbol);
  if (!kernel) base_fault("the compiled function `%s` is missing", symbol);
  return *info = cg_info(n->cg, symbol), kernel;
}

static bool part_create(Session *s, Native *n, uint32_t which, RtPart *out) {
  const Fn *f = n->split.part[which].fn;
  if (!f) return true;
  RtFnSpec spec = {.nin = (int)f->in.n, .nout = (int)f->out.n};
  spec.kernel = native_kernel(n, which, &spec.info);
  native_outputs(n->mem, f, &spec.out_elems, &spec.out_lane);
  out->out_elems = spec.out_elems, out->out_lane = spec.out_lane;
  out->nin = spec.nin, out->nout = spec.nout;
  out->in = native_refs(n->mem, n->split.part[which].in, (uint32_t)spec.nin);
  return (out->fn = rt_fn_create(&spec, s->pool)) != NULL;
}

static bool share(Session *s, Native *n, bool alone) {
  if (n->run && !alone) rt_fn_share(n->run, s->ranks);
  return n->run != NULL;
}

static bool make_callable(Session *s, Native *n, bool alone) {
  RtPart *part = ARENA_ARRAY(n->mem, RtPart, n->split.n);
  RtSplitSpec spec = {
    .nparts = (int)n->split.n, .part = part, .f64 = n->fn->f64, .nin = (int)n->fn->in.n, .nout = (int)n->fn->out.n};
  for (uint32_t k = 0; k < n->split.n; k++)
    if (!part_create(s, n, k, &part[k])) return false;
  if (pass_split_whole(&n->split, n->fn)) return n->run = part[1].fn, share(s, n, alone);
  native_outputs(n->mem, n->fn, &spec.out_elems, &spec.out_lane);
  spec.from = native_refs(n->mem, n->split.from, n->fn->out.n);
  n->run = rt_fn_create_split(&spec);
  return share(s, n, alone);
}

/* The first rank's code is that of all. */
static void pass_on(void *ctx, CgObject *object) {
  RtRanks *r = ctx;
  uint64_t n = object->p ? object->n : 0;
  rt_ranks_broadcast(r, &n, sizeof n);
  if (r->rank) *object = (CgObject){n ? base_realloc(NULL, n) : NULL, n};
  if (object->p) rt_ranks_broadcast(r, object->p, n);
}

static CgOptions options(const Session *s, bool alone) {
  CgOptions o = s->cg;
  if (!alone && s->ranks) o.pass_on = pass_on, o.pass_ctx = s->ranks, o.follows = s->ranks->rank > 0;
  return o;
}

static int begin(Session *s, const NativeJob *job, int n, bool alone, NativeBuild *b) {
  char err[512] = "";
  *b = (NativeBuild){.n = n, .job = ARENA_ARRAY(s->model->mem, NativeJob, n + 1)};
  memcpy(b->job, job, sizeof *job * (size_t)n);
  for (int i = 0; i < n; i++)
    if (!lower(s, &b->job[i])) return session_render(s), EXIT_FILE;
  const CgOptions o = options(s, alone);
  b->cg = cg_create(&o, err, sizeof err);
  if (!b->cg) return session_fail(s, EXIT_FAULT, CODE_internal, (Span){0}, "%s", err);
  *vec_push(&s->code) = b->cg;
  for (int i = 0; i < n; i++) add_parts(b->cg, b->job[i].native, b->job[i].samples);
  return 0;
}

static int end(Session *s, NativeBuild *b, bool callable) {
  char err[512] = "";
  if (!cg_compile(b->cg, err, sizeof err)) return session_fail(s, EXIT_FAULT, CODE_internal, (Span){0}, "%s", err);
  for (int i = 0; i < b->n; i++) b->job[i].native->cg = b->cg;
  for (int i = 0; callable && i < b->n; i++)
    if (!make_callable(s, b->job[i].native, b->job[i].alone))
      return session_fail(s, EXIT_IO, CODE_memory, (Span){0}, "there is not enough memory for `%s`", b->job[i].name);
  return 0;
}

static int timed_begin(Session *s, const NativeJob *job, int n, bool alone, NativeBuild *b) {
  double start = pass_now();
  int code = begin(s, job, n, alone, b);
  waiting_at("", NULL, (Span){0});
  s->compiling += pass_now() - start;
  return code;
}

int native_begin(Session *s, const NativeJob *job, int n, NativeBuild *b) { return timed_begin(s, job, n, false, b); }

static int timed_end(Session *s, NativeBuild *b, bool callable) {
  double start = pass_now();
  if (b->n) waiting_at("the code of", b->job[0].name, (Span){0});
  int code = end(s, b, callable);
  waiting_at("", NULL, (Span){0});
  s->compiling += pass_now() - start;
  return code;
}

int native_end(Session *s, NativeBuild *b) { return timed_end(s, b, true); }

int native_build(Session *s, const NativeJob *job, int n) {
  NativeBuild b;
  int code = native_begin(s, job, n, &b);
  return code ? code : timed_end(s, &b, true);
}

int native_compile(Session *s, const NativeJob *job, int n) {
  NativeBuild b;
  int code = timed_begin(s, job, n, true, &b);
  return code ? code : timed_end(s, &b, false);
}

void native_finish(Native *n) {
  rt_fn_destroy(n->run);
  pass_split_finish(&n->split);
  ir_fn_destroy(n->fn);
  arena_destroy(n->mem);
  *n = (Native){0};
}
