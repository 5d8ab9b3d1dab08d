/* Cuts a function into shared work before the batch, the batch, and shared work after it.
 *
 * Every live instruction is of one class:
 *   PRE    shared, made of shared values only: parameters, constants and what follows from them
 *   BATCH  per sample; also a shared value that lives inside a loop over samples (a counter)
 *   SUM    shared, made in the batch by a sum over it, or the sum of such
 *   POST   shared, needs a SUM
 * Nothing per sample may need a SUM or a POST: the batch would have to be run twice.
 *
 * PRE values that the batch or the rest needs become outputs of `pre`, unless they are cheap: leaves,
 * their spreading out, and a few scalar operations are emitted again where they are used. */
#include "passes/split.h"

#include <stdlib.h>
#include <string.h>

typedef enum { PRE, BATCH, SUM, POST } Class;
enum { CHEAP_OPS = 8 };

typedef struct Part {
  Build b;
  Val *map; /* by id of the original; 0: not here */
} Part;

typedef struct Splitter {
  const Fn *f;
  Diag *diag;
  bool *live, *pre_out, *sum_out;
  bool mixed;    /* a shared result of a loop over samples is needed outside, */
  Span mixed_at; /* this one */
  uint8_t *cls;
  uint8_t *cost; /* PRE values: scalar operations to make it again; 255: not cheap */
  uint32_t *pre_index, *batch_index, *post_index;
  Part pre, batch, post;
} Splitter;

/* ---- classes ---- */

static Class class_of_proj(const Splitter *s, const Inst *i) {
  Val v = ir_arg(s->f, i, 0);
  const Inst *multi = ir_inst(s->f, v);
  if (s->cls[v.id] != BATCH || i->type.lane || multi->op != OP_scan) return (Class)s->cls[v.id];
  const Fn *body = ir_body(s->f, multi);
  bool *from = base_realloc(NULL, body->out.n + 1);
  split_summed(body, from);
  bool sum = from[ir_attr(s->f, i, 0)];
  free(from);
  return sum ? SUM : BATCH;
}

/* Sums of sums are sums over the batch: they are added up where they arise. */
static bool sums_only(const Splitter *s, const Inst *i) {
  for (uint32_t k = 0; k < i->nargs; k++)
    if (s->cls[ir_arg(s->f, i, k).id] != SUM) return false;
  return true;
}

static bool classify(Splitter *s, uint32_t id) {
  const Inst *i = &s->f->inst.at[id];
  bool batch = i->type.dt == DT_MULTI ? i->sub && split_has_lanes(ir_body(s->f, i)) : i->type.lane,
       after = false;
  if (i->op == OP_proj) {
    s->cls[id] = class_of_proj(s, i);
    return true;
  }
  for (uint32_t k = 0; k < i->nargs; k++) {
    Class c = (Class)s->cls[ir_arg(s->f, i, k).id];
    batch |= c == BATCH;
    after |= c == SUM || c == POST;
  }
  if (batch && after) {
    DiagMsg *m =
        diag_error(s->diag, i->at,
                   "a sum or mean over the batch cannot be used by each sample again (not supported yet)");
    diag_help(m, "make it an output of its own, or use a `running` mean");
    return false;
  }
  bool sum = split_reduces(s->f, i) || (i->op == OP_add && sums_only(s, i));
  s->cls[id] = sum ? SUM : batch ? BATCH : after ? POST : PRE;
  return true;
}

/* ---- what crosses ---- */

static uint8_t cost_of(const Splitter *s, const Inst *i) {
  const Fn *f = s->f;
  int sum = 0;
  bool leaf = i->op == OP_in || i->op == OP_const || i->op == OP_table,
       move = i->op == OP_expand || i->op == OP_id || i->op == OP_reshape;
  bool scalar = ir_op[i->op].cls != OPC_STRUCT && i->type.rank == 0;
  if (leaf) return 0;
  if (!move && !scalar) return 255;
  for (uint32_t k = 0; k < i->nargs; k++) {
    if (s->cost[ir_arg(f, i, k).id] == 255) return 255;
    sum += s->cost[ir_arg(f, i, k).id];
  }
  sum += scalar;
  return sum <= CHEAP_OPS ? (uint8_t)sum : 255;
}

static void needs(Splitter *s, Val v) {
  if (s->cls[v.id] == PRE && s->cost[v.id] == 255) s->pre_out[v.id] = true;
}

/* What a user outside the part of v asks for; false when it cannot be given. */
static bool crosses(Splitter *s, Val v, Class user) {
  const Inst *i = ir_inst(s->f, v);
  needs(s, v);
  if (s->cls[v.id] == SUM) s->sum_out[v.id] = true;
  if (user != POST || s->cls[v.id] != BATCH || i->type.lane) return true;
  s->mixed = true, s->mixed_at = i->at;
  return false;
}

static bool mark(Splitter *s) {
  const Fn *f = s->f;
  for (uint32_t id = 1; id < f->inst.n; id++) {
    if (!s->live[id]) continue;
    if (!classify(s, id)) return false;
    s->cost[id] = s->cls[id] == PRE ? cost_of(s, &f->inst.at[id]) : 0;
  }
  for (uint32_t id = 1; id < f->inst.n; id++) {
    const Inst *i = &f->inst.at[id];
    if (!s->live[id] || s->cls[id] == PRE) continue;
    for (uint32_t k = 0; k < i->nargs; k++) {
      if (s->cls[id] != POST)
        needs(s, ir_arg(f, i, k));
      else if (!crosses(s, ir_arg(f, i, k), POST))
        return false;
    }
  }
  for (uint32_t k = 0; k < f->out.n; k++) {
    Val v = f->out.at[k];
    if (ir_inst(f, v)->op == OP_in) continue;
    if (s->cls[v.id] == PRE)
      s->pre_out[v.id] = true;
    else if (!crosses(s, v, POST))
      return false;
  }
  return true;
}

/* ---- emitting ---- */

static void part_init(Splitter *s, Part *p, const char *suffix) {
  Fn *f = ir_fn_create(s->f->name, s->f->f64);
  f->name = arena_printf(f->mem, "%s.%s", s->f->name, suffix);
  ir_build_init(&p->b, f);
  p->map = base_realloc(NULL, sizeof *p->map * s->f->inst.n);
  memset(p->map, 0, sizeof *p->map * s->f->inst.n);
}

/* The inputs of the original, without lanes in the shared parts. */
static void part_inputs(Splitter *s, Part *p, bool lanes) {
  const Fn *f = s->f;
  Val *input = base_realloc(NULL, sizeof *input * (f->in.n + 1));
  for (uint32_t k = 0; k < f->in.n; k++) {
    const Input *in = &f->in.at[k];
    input[k] = in->type.lane && !lanes ? VAL_NONE : ir_input(&p->b, in->name, in->kind, in->index, in->type);
  }
  for (uint32_t id = 1; id < f->inst.n; id++)
    if (f->inst.at[id].op == OP_in) p->map[id] = input[ir_attr(f, &f->inst.at[id], 0)];
  free(input);
}

/* Every marked value becomes an input named <prefix>.<number>, the number counting the marked. */
static void part_values(Splitter *s, Part *p, const bool *marked, const char *prefix) {
  uint32_t n = 0;
  for (uint32_t id = 1; id < s->f->inst.n; id++) {
    if (!marked[id]) continue;
    Val v =
        ir_input(&p->b, arena_printf(p->b.f->mem, "%s.%u", prefix, n), IN_OTHER, n, s->f->inst.at[id].type);
    p->map[id] = v;
    n++;
  }
}

static void need(Splitter *s, Part *p, Val v) {
  if (p->map[v.id].id) return;
  const Inst *i = ir_inst(s->f, v);
  for (uint32_t k = 0; k < i->nargs; k++) need(s, p, ir_arg(s->f, i, k));
  p->map[v.id] = ir_copy_inst(&p->b, s->f, v, p->map);
}

static bool in_part(const Splitter *s, uint32_t id, const Part *p) {
  if (p == &s->pre) return s->cls[id] == PRE && s->pre_out[id];
  if (p == &s->batch) return s->cls[id] == BATCH || s->cls[id] == SUM;
  return s->cls[id] == POST;
}

static void emit(Splitter *s, Part *p) {
  for (uint32_t id = 1; id < s->f->inst.n; id++)
    if (s->live[id] && in_part(s, id, p)) need(s, p, (Val){id});
}

static void add_output(Part *p, uint32_t *index, Val v, const char *name) {
  if (index[v.id]) return;
  ir_output(&p->b, p->map[v.id], name);
  index[v.id] = p->b.f->out.n;
}

/* Marked values in the order of part_values: the order of their ids. */
static void add_marked(Splitter *s, Part *p, const bool *marked, uint32_t *index) {
  const Fn *f = s->f;
  for (uint32_t id = 1; id < f->inst.n; id++) {
    const char *name = NULL;
    for (uint32_t k = 0; marked[id] && k < f->out.n && !name; k++)
      if (f->out.at[k].id == id) name = f->outname.at[k];
    if (marked[id]) add_output(p, index, (Val){id}, name);
  }
}

/* What is left of the outputs of the original, in their order; sums stand before. */
static void add_outputs(Splitter *s) {
  const Fn *f = s->f;
  for (uint32_t k = 0; k < f->out.n; k++) {
    Val v = f->out.at[k];
    if (ir_inst(f, v)->op == OP_in) continue;
    if (s->cls[v.id] == BATCH) add_output(&s->batch, s->batch_index, v, f->outname.at[k]);
    if (s->cls[v.id] == POST) add_output(&s->post, s->post_index, v, f->outname.at[k]);
  }
}

static Fn *part_finish(Part *p) {
  ir_build_finish(&p->b);
  free(p->map);
  if (p->b.f->out.n) return p->b.f;
  ir_fn_destroy(p->b.f);
  return NULL;
}

static void build(Splitter *s, Split *out) {
  const Fn *f = s->f;
  part_init(s, &s->pre, "pre");
  part_init(s, &s->batch, "batch");
  part_init(s, &s->post, "post");
  part_inputs(s, &s->pre, false);
  emit(s, &s->pre);
  add_marked(s, &s->pre, s->pre_out, s->pre_index);
  part_inputs(s, &s->batch, true);
  part_values(s, &s->batch, s->pre_out, "pre");
  emit(s, &s->batch);
  add_marked(s, &s->batch, s->sum_out, s->batch_index);
  part_inputs(s, &s->post, false);
  part_values(s, &s->post, s->pre_out, "pre");
  part_values(s, &s->post, s->sum_out, "sum");
  emit(s, &s->post);
  add_outputs(s);
  out->from = base_realloc(NULL, sizeof *out->from * (f->out.n + 1));
  for (uint32_t k = 0; k < f->out.n; k++) {
    uint32_t id = f->out.at[k].id;
    const Inst *i = &f->inst.at[id];
    Class c = (Class)s->cls[id];
    out->from[k].part = i->op == OP_in ? FROM_INPUT
                        : c == PRE     ? FROM_PRE
                        : c == POST    ? FROM_POST
                                       : FROM_BATCH;
    out->from[k].index = i->op == OP_in ? (uint32_t)ir_attr(f, i, 0)
                                        : (c == PRE    ? s->pre_index
                                           : c == POST ? s->post_index
                                                       : s->batch_index)[id] -
                                              1;
  }
  out->pre = part_finish(&s->pre);
  out->batch = part_finish(&s->batch);
  out->post = part_finish(&s->post);
}

/* False + message, or false, *mixed and the place. */
static bool split(const Fn *f, Split *out, Diag *diag, bool *mixed, Span *at) {
  size_t n = f->inst.n;
  Arena *mem = arena_create();
  Splitter s = {.f = f,
                .diag = diag,
                .live = ir_live(f),
                .pre_out = ARENA_ARRAY(mem, bool, n),
                .sum_out = ARENA_ARRAY(mem, bool, n),
                .cls = ARENA_ARRAY(mem, uint8_t, n),
                .cost = ARENA_ARRAY(mem, uint8_t, n),
                .pre_index = ARENA_ARRAY(mem, uint32_t, n),
                .batch_index = ARENA_ARRAY(mem, uint32_t, n),
                .post_index = ARENA_ARRAY(mem, uint32_t, n)};
  bool good = mark(&s);
  if (good) build(&s, out);
  *mixed = s.mixed, *at = s.mixed_at;
  free(s.live);
  arena_destroy(mem);
  return good;
}

/* Loops that make shared results beside those per sample are cut in two, when it matters. */
static bool split_again(const Fn *f, Split *out, Diag *diag) {
  bool mixed;
  Span at;
  Fn *cut = split_unmix(f), *g = pass_simplify(cut);
  bool good = split(g, out, diag, &mixed, &at);
  if (mixed)
    diag_error(diag, at,
               "a shared value that is made in a loop over samples is used outside it (not supported yet)");
  ir_fn_destroy(cut);
  ir_fn_destroy(g);
  return good;
}

bool pass_split(const Fn *f, Split *out, Diag *diag) {
  double start = pass_now();
  bool mixed;
  Span at;
  *out = (Split){0};
  bool good = split(f, out, diag, &mixed, &at);
  if (mixed) good = split_again(f, out, diag);
  if (!good) return false;
  double seconds = pass_now() - start;
  Fn *part[] = {out->pre, out->batch, out->post};
  for (int k = 0; k < 3; k++) pass_done("split", pass_now(), part[k]);
  pass_timed("split", seconds);
  check_split(f, out);
  return true;
}

void pass_split_finish(Split *s) {
  ir_fn_destroy(s->pre);
  ir_fn_destroy(s->batch);
  ir_fn_destroy(s->post);
  free(s->from);
  *s = (Split){0};
}
