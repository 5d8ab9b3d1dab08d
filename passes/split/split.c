/* Cuts a function into shared work and phases of the batch (passes.h).
 *
 * Every live instruction is of one class:
 *   PRE    shared, made of shared values only: parameters, constants and what follows from them
 *   BATCH  per sample; also a shared value that lives inside a loop over samples (a counter)
 *   SUM    shared, made in the batch by a sum over it, or the sum of such
 *   POST   shared, needs a SUM
 * and, but for PRE, of a level: the number of sums over the batch that follow one another up to it. A value per
 * sample that needs a SUM or POST of level k has level k + 1. Phase k makes BATCH and SUM of level k, the shared
 * part after it POST of level k.
 *
 * PRE values that other parts need become outputs of `pre`, unless they are cheap: leaves, their spreading out,
 * and a few scalar operations are emitted again where they are used. What else crosses is decided in cut.c. */
#include "passes/check/check.h"
#include "passes/split/split_priv.h"

#include <stdlib.h>
#include <string.h>

typedef enum { PRE, BATCH, SUM, POST } Class;
enum { CHEAP_OPS = 8 };

typedef struct Splitter {
  const Fn *f;
  bool *live, *pre_out;
  bool mixed;    /* a shared result of a loop over samples is needed outside, */
  Span mixed_at; /* this one */
  uint8_t *cls;
  uint32_t *level;
  uint8_t *cost; /* PRE values: scalar operations to make it again; 255: not cheap */
  uint32_t *piece;
  bool *root, *dear;
  Cut cut;
  uint32_t *out_part, *out_index; /* by id, of an output of the original: where it is, index + 1 */
  uint32_t *carry_index;          /* by id, of a carried value: its output + 1 */
} Splitter;

/* ---- classes ---- */

static Class class_of_proj(const Splitter *s, const Inst *i) {
  Val v = ir_arg(s->f, i, 0);
  const Inst *multi = ir_inst(s->f, v);
  if (s->cls[v.id] != BATCH || i->type.lane || multi->op != OP_scan) return (Class)s->cls[v.id];
  const Fn *body = ir_body(s->f, multi);
  bool *from = base_realloc(NULL, body->out.n + 1);
  split_summed(body, from);
  bool sum = from[ir_number(s->f, i)];
  base_free(from);
  return sum ? SUM : BATCH;
}

/* Sums of sums of one phase are sums over the batch: they are added up where they arise. */
static bool sums_only(const Splitter *s, const Inst *i) {
  uint32_t first = ir_arg(s->f, i, 0).id;
  for (uint32_t k = 0; k < i->nargs; k++) {
    uint32_t a = ir_arg(s->f, i, k).id;
    if (s->cls[a] != SUM || s->level[a] != s->level[first]) return false;
  }
  return true;
}

static void classify(Splitter *s, uint32_t id) {
  const Inst *i = &s->f->inst.at[id];
  bool batch = i->type.dt == DT_MULTI ? i->sub && split_has_lanes(ir_body(s->f, i)) : i->type.lane;
  uint32_t each = 0, after = 0; /* levels that values per sample, and sums, ask for */
  bool sums = false;
  if (i->op == OP_proj) {
    s->cls[id] = class_of_proj(s, i);
    s->level[id] = s->level[ir_arg(s->f, i, 0).id];
    return;
  }
  for (uint32_t k = 0; k < i->nargs; k++) {
    uint32_t a = ir_arg(s->f, i, k).id;
    bool sum = s->cls[a] == SUM || s->cls[a] == POST;
    uint32_t *most = sum ? &after : &each;
    batch |= s->cls[a] == BATCH;
    sums |= sum;
    if (s->level[a] > *most) *most = s->level[a];
  }
  bool sum = ir_sums_batch(s->f, i) || (i->op == OP_add && sums_only(s, i));
  s->cls[id] = sum ? SUM : batch ? BATCH : sums ? POST : PRE;
  s->level[id] = batch && sums && after + 1 > each ? after + 1 : batch ? each : after;
}

/* ---- what crosses ---- */

static uint8_t cost_of(const Splitter *s, const Inst *i) {
  const Fn *f = s->f;
  int sum = 0;
  bool leaf = i->op == OP_in || ir_literal(i->op), move = i->op == OP_expand || i->op == OP_id || i->op == OP_reshape;
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

/* A shared value of a loop over samples that is no sum cannot leave the batch. */
static bool stays(const Splitter *s, Val v) {
  const Inst *i = ir_inst(s->f, v);
  return s->cls[v.id] == BATCH && i->type.dt != DT_MULTI && !i->type.lane;
}

static void leaves(Splitter *s, Val v) {
  if (stays(s, v) && !s->mixed) s->mixed = true, s->mixed_at = ir_inst(s->f, v)->at;
}

static uint32_t part_of(const Splitter *s, uint32_t id) {
  return s->cls[id] == PRE ? 0 : s->cls[id] == POST ? 2 * s->level[id] + 2 : 2 * s->level[id] + 1;
}

static void mark_classes(Splitter *s) {
  const Fn *f = s->f;
  uint32_t phases = 1;
  for (uint32_t id = 1; id < f->inst.n; id++) {
    s->piece[id] = CUT_FREE;
    if (!s->live[id]) continue;
    classify(s, id);
    s->cost[id] = s->cls[id] == PRE ? cost_of(s, &f->inst.at[id]) : 0;
    s->dear[id] = s->cls[id] == SUM;
    if (s->level[id] + 1 > phases) phases = s->level[id] + 1;
    if (s->cls[id] != PRE && f->inst.at[id].op != OP_in) s->piece[id] = part_of(s, id);
  }
  s->cut.n = 2 * phases + 1;
}

static void mark_crossing(Splitter *s) {
  const Fn *f = s->f;
  for (uint32_t id = 1; id < f->inst.n; id++) {
    const Inst *i = &f->inst.at[id];
    if (!s->live[id] || s->cls[id] == PRE) continue;
    for (uint32_t k = 0; k < i->nargs; k++) {
      Val a = ir_arg(f, i, k);
      needs(s, a);
      if (s->piece[a.id] != CUT_FREE && s->piece[a.id] != s->piece[id]) leaves(s, a);
    }
  }
  for (uint32_t k = 0; k < f->out.n; k++) {
    Val v = f->out.at[k];
    if (ir_inst(f, v)->op == OP_in) continue;
    if (s->cls[v.id] == PRE) s->pre_out[v.id] = true;
    else s->root[v.id] = true, leaves(s, v);
  }
  cut_cross(&s->cut);
  for (uint32_t id = 1; id < f->inst.n; id++)
    if (s->cut.carried[id]) leaves(s, (Val){id});
}

/* ---- emitting ---- */

typedef struct PartBuild {
  Splitter *s;
  uint32_t number;
  Build b;
  Val *map; /* by id of the original; 0: not here */
  VEC(PartRef) in;
} PartBuild;

static bool is_phase(const PartBuild *p) { return p->number % 2 == 1; }

static Val part_input(PartBuild *p, const char *name, InKind kind, uint32_t index, Type type, PartRef from) {
  *vec_push(&p->in) = from;
  return ir_input(&p->b, name, kind, index, type);
}

/* The inputs of the original, without lanes in the shared parts. */
static void original_inputs(PartBuild *p) {
  const Fn *f = p->s->f;
  Val *input = base_realloc(NULL, sizeof *input * (f->in.n + 1));
  for (uint32_t k = 0; k < f->in.n; k++) {
    const Input *in = &f->in.at[k];
    bool here = !in->type.lane || is_phase(p);
    input[k] = here ? part_input(p, in->name, in->kind, in->index, in->type, (PartRef){PART_INPUT, k}) : VAL_NONE;
  }
  for (uint32_t id = 1; id < f->inst.n; id++)
    if (f->inst.at[id].op == OP_in) p->map[id] = input[ir_number(f, &f->inst.at[id])];
  base_free(input);
}

/* Values of earlier parts, named by their class and counted. */
static void carried_inputs(PartBuild *p) {
  Splitter *s = p->s;
  uint32_t npre = 0, nsum = 0, neach = 0;
  for (uint32_t id = 1; p->number > 0 && id < s->f->inst.n; id++) {
    if (!s->pre_out[id]) continue;
    const char *name = arena_printf(p->b.f->mem, "pre.%u", npre);
    p->map[id] = part_input(p, name, IN_OTHER, npre, s->f->inst.at[id].type, (PartRef){0, npre});
    npre++;
  }
  for (uint32_t id = 1; id < s->f->inst.n; id++) {
    if (!cut_reads(&s->cut, p->number, id)) continue;
    Type t = s->f->inst.at[id].type;
    uint32_t *n = t.lane ? &neach : &nsum;
    const char *name = arena_printf(p->b.f->mem, "%s.%u", t.lane ? "each" : "sum", *n);
    PartRef from = {(int)s->piece[id], s->carry_index[id] - 1};
    p->map[id] = cut_enter(&p->b, part_input(p, name, IN_OTHER, (*n)++, cut_type(t), from), t);
  }
}

static void need(PartBuild *p, Val v) {
  const Fn *f = p->s->f;
  if (p->map[v.id].id) return;
  const Inst *i = ir_inst(f, v);
  for (uint32_t k = 0; k < i->nargs; k++) need(p, ir_arg(f, i, k));
  p->map[v.id] = ir_copy_inst(&p->b, f, v, p->map);
}

static const char *output_name(const Fn *f, uint32_t id) {
  for (uint32_t k = 0; k < f->out.n; k++)
    if (f->out.at[k].id == id && f->outname.at[k]) return f->outname.at[k];
  return NULL;
}

static void add_root(PartBuild *p, uint32_t id) {
  Splitter *s = p->s;
  if (s->out_index[id]) return;
  ir_output(&p->b, p->map[id], output_name(s->f, id));
  s->out_part[id] = p->number;
  s->out_index[id] = p->b.f->out.n;
}

static void add_carried(PartBuild *p, uint32_t id) {
  Splitter *s = p->s;
  Val v = cut_leave(&p->b, p->map[id]);
  bool root = s->root[id];
  if (root) add_root(p, id);
  if (!root || v.id != p->map[id].id) ir_output(&p->b, v, root ? NULL : output_name(s->f, id));
  s->carry_index[id] = p->b.f->out.n;
}

/* Shared values first, in the order of their ids; then those per sample that are carried; then the outputs of the
 * original that are left, in their order. */
static void make_outputs(PartBuild *p) {
  Splitter *s = p->s;
  const Fn *f = s->f;
  for (int lane = 0; lane < 2; lane++)
    for (uint32_t id = 1; id < f->inst.n; id++) {
      if (s->piece[id] != p->number || f->inst.at[id].type.lane != lane) continue;
      if (s->cut.carried[id]) add_carried(p, id);
      else if (s->root[id] && s->cls[id] == SUM) add_root(p, id);
    }
  for (uint32_t k = 0; k < f->out.n; k++) {
    uint32_t id = f->out.at[k].id;
    if (s->piece[id] == p->number) add_root(p, id);
  }
}

static void pre_outputs(PartBuild *p) {
  Splitter *s = p->s;
  for (uint32_t id = 1; id < s->f->inst.n; id++)
    if (s->pre_out[id]) add_root(p, id);
}

static void emit(PartBuild *p) {
  Splitter *s = p->s;
  for (uint32_t id = 1; id < s->f->inst.n; id++)
    if (p->number ? s->piece[id] == p->number && s->cut.made[id] : s->pre_out[id]) need(p, (Val){id});
}

static void build_part(Splitter *s, Split *out, uint32_t number) {
  PartBuild p = {.s = s, .number = number};
  char name[SPLIT_NAME];
  Fn *f = ir_fn_create(s->f->name, s->f->f64);
  f->name = arena_printf(f->mem, "%s.%s", s->f->name, pass_split_name(out, number, name));
  ir_build_init(&p.b, f);
  p.map = base_zeroed(s->f->inst.n, sizeof *p.map);
  original_inputs(&p);
  carried_inputs(&p);
  emit(&p);
  if (number) make_outputs(&p);
  else pre_outputs(&p);
  ir_build_finish(&p.b);
  base_free(p.map);
  out->part[number] = (SplitPart){f, p.in.at};
  if (f->out.n) return;
  ir_fn_destroy(f);
  vec_free(&p.in);
  out->part[number] = (SplitPart){0};
}

static void build(Splitter *s, Split *out) {
  const Fn *f = s->f;
  out->n = s->cut.n;
  out->part = base_realloc(NULL, sizeof *out->part * out->n);
  for (uint32_t k = 0; k < out->n; k++) build_part(s, out, k);
  out->from = base_realloc(NULL, sizeof *out->from * (f->out.n + 1));
  for (uint32_t k = 0; k < f->out.n; k++) {
    uint32_t id = f->out.at[k].id;
    const Inst *i = &f->inst.at[id];
    out->from[k] = i->op == OP_in ? (PartRef){PART_INPUT, ir_number(f, i)} : (PartRef){(int)s->out_part[id], s->out_index[id] - 1};
  }
}

/* False if a shared value of a loop over samples is needed outside; its place in *at. */
static bool split(const Fn *f, Split *out, Span *at) {
  size_t n = f->inst.n;
  Arena *mem = arena_create();
  Splitter s = {.f = f,
                .live = ir_live(f),
                .pre_out = ARENA_ARRAY(mem, bool, n),
                .cls = ARENA_ARRAY(mem, uint8_t, n),
                .level = ARENA_ARRAY(mem, uint32_t, n),
                .cost = ARENA_ARRAY(mem, uint8_t, n),
                .piece = ARENA_ARRAY(mem, uint32_t, n),
                .root = ARENA_ARRAY(mem, bool, n),
                .dear = ARENA_ARRAY(mem, bool, n),
                .out_part = ARENA_ARRAY(mem, uint32_t, n),
                .out_index = ARENA_ARRAY(mem, uint32_t, n),
                .carry_index = ARENA_ARRAY(mem, uint32_t, n)};
  mark_classes(&s);
  s.cut = (Cut){.f = f, .n = s.cut.n, .piece = s.piece, .root = s.root, .dear = s.dear, .once = true};
  mark_crossing(&s);
  if (!s.mixed) build(&s, out);
  *at = s.mixed_at;
  cut_finish(&s.cut);
  base_free(s.live);
  arena_destroy(mem);
  return !s.mixed;
}

/* Loops that make shared results beside those per sample are cut in two, when it matters. */
static bool split_again(PassRun *run, const Fn *f, Split *out, Diag *diag) {
  Span at;
  Fn *cut = split_unmix(f), *g = pass_simplify(run, cut);
  bool good = split(g, out, &at);
  if (!good)
    diag_add(diag, CODE_not_yet, at, "a shared value that is made in a loop over samples is used outside it (not supported yet)");
  ir_fn_destroy(cut);
  ir_fn_destroy(g);
  return good;
}

bool pass_split(PassRun *run, const Fn *f, Split *out, Diag *diag) {
  double start = pass_now();
  pass_at(run, "splitting", f->name, (Span){0});
  Span at;
  *out = (Split){0};
  if (!split(f, out, &at) && !split_again(run, f, out, diag)) return false;
  double seconds = pass_now() - start;
  for (uint32_t k = 0; k < out->n; k++) pass_done(run, "split", pass_now(), out->part[k].fn);
  pass_timed(run, "split", seconds);
  check_split(run, f, out);
  return true;
}

void pass_split_finish(Split *s) {
  for (uint32_t k = 0; k < s->n; k++) {
    ir_fn_destroy(s->part[k].fn);
    base_free(s->part[k].in);
  }
  base_free(s->part);
  base_free(s->from);
  *s = (Split){0};
}

const char *pass_split_name(const Split *s, uint32_t part, char buf[SPLIT_NAME]) {
  if (part == 0) return "pre";
  if (part == 1) return "batch";
  if (part + 1 == s->n) return "post";
  snprintf(buf, SPLIT_NAME, part % 2 ? "batch%u" : "between%u", (part + 1) / 2);
  return buf;
}

const char *pass_split_suffix(const Split *s, uint32_t part, char buf[SPLIT_NAME]) {
  char name[SPLIT_NAME];
  snprintf(buf, SPLIT_NAME, "%s%.24s", part == 1 ? "" : "_", part == 1 ? "" : pass_split_name(s, part, name));
  return buf;
}

bool pass_split_whole(const Split *s, const Fn *f) {
  if (!s->part[1].fn || s->part[1].fn->out.n != f->out.n) return false;
  for (uint32_t k = 0; k < s->n; k++)
    if (k != 1 && s->part[k].fn) return false;
  for (uint32_t k = 0; k < f->out.n; k++)
    if (s->from[k].part != 1 || s->from[k].index != k) return false;
  return true;
}
