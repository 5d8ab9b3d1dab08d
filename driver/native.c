/* From IR functions to callables: derive, simplify, split, compile together. */
#include "driver/driver.h"

#include <stdlib.h>
#include <string.h>

/* Symbols in a module: hnn_NAME for the batch, hnn_NAME_pre and hnn_NAME_post for the shared parts. */
static const char *part_symbol(char *buf, size_t size, const char *name, const char *part) {
  snprintf(buf, size, "hnn_%s%s", name, part);
  for (char *c = buf; *c; c++)
    if (!((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9'))) *c = '_';
  return buf;
}

_Static_assert((int)TRAIN_AUTO == (int)MEMORY_AUTO && (int)TRAIN_STORED == (int)MEMORY_STORED &&
                 (int)TRAIN_REVERSIBLE == (int)MEMORY_REVERSIBLE, "the way to keep states is passed on by number");

const char *native_memory_text(MemoryChoice c, char *buf, size_t size) {
  if (c.bytes == 0) *buf = 0;
  else
    snprintf(buf, size, c.way == MEMORY_REVERSIBLE ? "memory = reversible: about %lld bytes of states a sample are computed again"
                                                   : "memory = stored: about %lld bytes of states a sample are kept",
             (long long)c.bytes);
  return buf;
}

static bool lower(Session *s, NativeJob *j) {
  Native *n = j->native;
  *n = (Native){.name = j->name, .mem = arena_create()};
  Fn *derived = pass_derive_as(j->fn, j->memory, &n->memory, s->diag);
  if (!derived) return false;
  n->fn = pass_simplify(derived);
  ir_fn_destroy(derived);
  return pass_split(n->fn, &n->split, s->diag);
}

enum { PRE, BATCH, POST };
static const char *const suffix[] = {"_pre", "", "_post"};

static const Fn *part_fn(const Native *n, int part) {
  return part == PRE ? n->split.pre : part == BATCH ? n->split.batch : n->split.post;
}

static void add_parts(Cg *cg, const Native *n) {
  char symbol[256];
  for (int k = PRE; k <= POST; k++)
    if (part_fn(n, k)) cg_add(cg, part_fn(n, k), part_symbol(symbol, sizeof symbol, n->name, suffix[k]));
}

/* Sizes of a function's outputs, in the Native's arena. */
static void outputs_of(Arena *mem, const Fn *f, const int64_t **elems, const bool **lane) {
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

static bool part_create(Session *s, Cg *cg, Native *n, int which, RtPart *out) {
  const Fn *f = part_fn(n, which);
  if (!f) return true;
  char symbol[256];
  part_symbol(symbol, sizeof symbol, n->name, suffix[which]);
  outputs_of(n->mem, f, &out->out_elems, &out->out_lane);
  out->nout = (int)f->out.n;
  RtFnSpec spec = {.kernel = cg_kernel(cg, symbol), .info = cg_info(cg, symbol), .nin = (int)f->in.n,
                   .nout = out->nout, .out_elems = out->out_elems, .out_lane = out->out_lane};
  if (!spec.kernel) base_fault("the compiled function `%s` is missing", symbol);
  return (out->fn = rt_fn_create(&spec, s->pool)) != NULL;
}

/* The batch alone makes every output, in order: no copying between parts is needed. */
static bool batch_only(const Native *n) {
  if (n->split.pre || n->split.post || !n->split.batch || n->split.batch->out.n != n->fn->out.n) return false;
  for (uint32_t k = 0; k < n->fn->out.n; k++)
    if (n->split.from[k].part != FROM_BATCH || n->split.from[k].index != k) return false;
  return true;
}

_Static_assert((int)FROM_PRE == (int)RT_FROM_PRE && (int)FROM_BATCH == (int)RT_FROM_BATCH &&
                 (int)FROM_POST == (int)RT_FROM_POST && (int)FROM_INPUT == (int)RT_FROM_INPUT,
               "parts are passed on by number");

static bool make_callable(Session *s, Cg *cg, Native *n) {
  RtSplitSpec spec = {.f64 = n->fn->f64, .nin = (int)n->fn->in.n, .nout = (int)n->fn->out.n};
  if (!part_create(s, cg, n, PRE, &spec.pre) || !part_create(s, cg, n, BATCH, &spec.batch) ||
      !part_create(s, cg, n, POST, &spec.post))
    return false;
  if (batch_only(n)) return n->run = spec.batch.fn, true;
  bool *in_lane = ARENA_ARRAY(n->mem, bool, spec.nin + 1);
  int *part = ARENA_ARRAY(n->mem, int, spec.nout + 1), *index = ARENA_ARRAY(n->mem, int, spec.nout + 1);
  for (int k = 0; k < spec.nin; k++) in_lane[k] = n->fn->in.at[k].type.lane;
  for (int k = 0; k < spec.nout; k++) {
    part[k] = (int)n->split.from[k].part;
    index[k] = (int)n->split.from[k].index;
  }
  outputs_of(n->mem, n->fn, &spec.out_elems, &spec.out_lane);
  spec.in_lane = in_lane;
  spec.from_part = part;
  spec.from_index = index;
  return (n->run = rt_fn_create_split(&spec)) != NULL;
}

static int compile(Session *s, NativeJob *job, int n) {
  char err[512] = "";
  Cg *cg = cg_create(&s->cg, err, sizeof err);
  if (!cg) return session_fail(s, EXIT_FAULT, (Span){0}, "%s", err);
  *vec_push(&s->code) = cg;
  for (int i = 0; i < n; i++) add_parts(cg, job[i].native);
  if (!cg_compile(cg, err, sizeof err)) return session_fail(s, EXIT_FAULT, (Span){0}, "%s", err);
  for (int i = 0; i < n; i++)
    if (!make_callable(s, cg, job[i].native))
      return session_fail(s, EXIT_IO, (Span){0}, "there is not enough memory for `%s`", job[i].name);
  return 0;
}

int native_build(Session *s, NativeJob *job, int n) {
  for (int i = 0; i < n; i++)
    if (!lower(s, &job[i])) return session_render(s), EXIT_FILE;
  return compile(s, job, n);
}

void native_finish(Native *n) {
  rt_fn_destroy(n->run);
  pass_split_finish(&n->split);
  ir_fn_destroy(n->fn);
  arena_destroy(n->mem);
  *n = (Native){0};
}
