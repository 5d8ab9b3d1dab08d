/* Lowers `batch_mean` (ir.h), the mean over the batch of a training step.
 *
 * Everywhere but in training it is its average: train_means_averaged. A loss that is trained is lowered before it is
 * differentiated by parameters, after its inner derivatives, which take the mean as a constant:
 *
 *   1. Maps are cut. Values of a map have a level: the number of means that follow one another up to them.
 *      One map for each level makes what belongs to it; values that later ones need are stacked (pass.h), so
 *      nothing large is computed twice; the mean of e over the turns leaves its map as a sum, and enters the
 *      later maps as an invariant:
 *
 *        ys = map(x: y = g(x), m = batch_mean(y), h(y - m))
 *          ->  y, s = map(x: g(x), summed g(x));  m = batch_mean(s / n);  ys = map(y, m: h(y - m))
 *
 *      The innermost come first, so that in the end every mean stands outside of loops. In a loop whose
 *      turns depend on each other, or in rates, a mean would need all samples at every turn: an error.
 *   2. batch_mean(e) becomes batch_sum(weight e). The weight is 1/B, and 0 for padding (train.c).
 *
 * The lowered loss: (params..., fields..., weight) -> loss per sample, then for every parameter that keeps an
 * average, in the order of their numbers, the mean of this step (of several with one parameter, their mean).
 *
 * A mean with lag is its average also in training: nothing waits for it, so it makes no level; it is taken for the
 * average's sake alone, though no value of the loss follows from it. */
#include "passes/check/check.h"
#include "passes/train/train.h"

#include <stdlib.h>
#include <string.h>

/* ---- elsewhere than in training ---- */

static Fn *average(Fn *parent, const Fn *f);

static Val average_inst(Copy *c, uint32_t id, const Inst *i) {
  const Fn *body = ir_body(c->from, i);
  (void)id;
  if (i->op == OP_batch_mean) return c->map[ir_arg(c->from, i, 1).id];
  return body && pass_holds(body, 0, OP_batch_mean) ? copy_body(c, i, average(c->b->f, body)) : VAL_NONE;
}

static Fn *average(Fn *parent, const Fn *f) {
  Fn *g = parent ? ir_sub_create(parent, f->name) : ir_fn_create(f->name, f->f64);
  Build b;
  Copy c;
  ir_build_init(&b, g);
  b.fold = b.number = false;
  copy_begin(&c, &b, f, NULL);
  copy_inputs(&c);
  copy_walk(&c, average_inst);
  copy_outputs(&c);
  copy_end(&c);
  ir_build_finish(&b);
  return g;
}

Fn *train_means_averaged(const Fn *f) { return average(NULL, f); }

/* ---- cutting a map ---- */

typedef struct Fission {
  Build *b;       /* where the map stands */
  const Fn *body; /* its means stand in it directly */
  const Inst *i;  /* the map, */
  ScanShape sh;
  const Val *arg;  /* its arguments in b */
  uint32_t *level; /* by id of the body: of a value; of a mean: that of its e */
  Cut cut;
  Val *stack, *mean; /* by id of the body: in b */
  Val *result;       /* of the whole map, in b */
  bool *exact;       /* cleared when an average was not at hand outside */
} Fission;

static bool lags(const Fn *f, const Inst *i) { return i->op == OP_batch_mean && ir_batch_mean_attr(f, i).lag; }

static uint32_t e_level(const Fission *m, const Inst *i) { return m->level[ir_arg(m->body, i, 0).id]; }

/* Levels, pieces and their roots; the number of levels. */
static uint32_t find_levels(Fission *m, uint32_t *piece, bool *root) {
  const Fn *body = m->body;
  uint32_t most = 0;
  for (uint32_t id = 1; id < body->inst.n; id++) {
    const Inst *i = &body->inst.at[id];
    bool mean = i->op == OP_batch_mean;
    uint32_t level = mean && !lags(body, i) ? e_level(m, i) + 1 : 0;
    for (uint32_t k = 0; k < i->nargs && !mean; k++) {
      uint32_t a = m->level[ir_arg(body, i, k).id];
      level = a > level ? a : level;
    }
    m->level[id] = level;
    piece[id] = mean || ir_has(i->op, OPF_LEAF) ? CUT_FREE : level;
    if (mean) root[ir_arg(body, i, 0).id] = true;
    uint32_t piece_of = mean ? e_level(m, i) : level;
    if ((mean || piece[id] != CUT_FREE) && piece_of > most) most = piece_of;
  }
  for (uint32_t k = 0; k < body->out.n; k++) root[body->out.at[k].id] = true;
  return most + 1;
}

/* One piece on its way. */
typedef struct MapPiece {
  Fission *m;
  uint32_t level;
  Build b;
  Val *map; /* by id of the body */
  VEC(Val) arg;
} MapPiece;

static Val port(MapPiece *p, const char *name, Val arg, Type t) {
  *vec_push(&p->arg) = arg;
  return ir_input(&p->b, name, IN_OTHER, 0, t);
}

/* The xs, stacked values, invariants, means. What is not read goes with the next simplification. Returns the xs. */
static uint32_t make_ports(MapPiece *p) {
  Fission *m = p->m;
  const Fn *body = m->body, *up = m->b->f;
  uint32_t xs = m->sh.xs;
  Val *input = base_zeroed(body->in.n, sizeof *input);
  for (uint32_t k = 0; k < xs; k++) input[k] = port(p, body->in.at[k].name, m->arg[k], pass_turn_type(ir_type(up, m->arg[k])));
  for (uint32_t id = 1; id < body->inst.n; id++) {
    if (!cut_reads(&m->cut, p->level, id)) continue;
    Type t = ir_type(body, (Val){id});
    p->map[id] = cut_enter(&p->b, port(p, NULL, m->stack[id], cut_type(t)), t);
    xs++;
  }
  for (uint32_t k = m->sh.xs; k < body->in.n; k++) input[k] = port(p, body->in.at[k].name, m->arg[k], ir_type(up, m->arg[k]));
  for (uint32_t id = 1; id < body->inst.n; id++) {
    const Inst *i = &body->inst.at[id];
    if (i->op == OP_in) p->map[id] = input[ir_number(body, i)];
    else if (i->op == OP_batch_mean && m->mean[id].id && !lags(body, i)) p->map[id] = port(p, "mean", m->mean[id], i->type);
  }
  base_free(input);
  return xs;
}

static Val need(MapPiece *p, Val v) {
  const Fn *body = p->m->body;
  const Inst *i = ir_inst(body, v);
  if (p->map[v.id].id) return p->map[v.id];
  if (lags(body, i)) return p->map[v.id] = need(p, ir_arg(body, i, 1));
  for (uint32_t k = 0; k < i->nargs; k++) need(p, ir_arg(body, i, k));
  return p->map[v.id] = ir_copy_inst(&p->b, body, v, p->map);
}

/* The piece that output k of the body leaves; UINT32_MAX if it is a mean. */
static uint32_t output_piece(const Fission *m, uint32_t k) {
  Val v = m->body->out.at[k];
  const Inst *i = ir_inst(m->body, v);
  if (i->op == OP_batch_mean) return lags(m->body, i) ? 0 : UINT32_MAX;
  return m->level[v.id];
}

/* Outputs of the piece, in order; `of` gets for each: the id of a stacked value, or of a mean, or the number
 * of an output of the whole. */
enum { OUT_WHOLE, OUT_STACK, OUT_MEAN };
typedef struct Out {
  int kind;
  uint32_t of;
} Out;
typedef struct Outs {
  VEC(Out) v;
  uint32_t ys;
} Outs;

static void add_out(MapPiece *p, Outs *o, Val v, int kind, uint32_t of) {
  ir_output(&p->b, v, NULL);
  *vec_push(&o->v) = (Out){kind, of};
}

static void make_outputs(MapPiece *p, Outs *o) {
  Fission *m = p->m;
  const Fn *body = m->body;
  for (uint32_t k = 0; k < m->sh.ys; k++)
    if (output_piece(m, k) == p->level) add_out(p, o, need(p, body->out.at[k]), OUT_WHOLE, k);
  for (uint32_t id = 1; id < body->inst.n; id++)
    if (m->cut.carried[id] && m->cut.piece[id] == p->level) add_out(p, o, cut_leave(&p->b, need(p, (Val){id})), OUT_STACK, id);
  o->ys = o->v.n;
  for (uint32_t k = m->sh.ys; k < body->out.n; k++)
    if (output_piece(m, k) == p->level) add_out(p, o, need(p, body->out.at[k]), OUT_WHOLE, k);
  for (uint32_t id = 1; id < body->inst.n; id++) {
    const Inst *i = &body->inst.at[id];
    if (i->op == OP_batch_mean && e_level(m, i) == p->level) add_out(p, o, need(p, ir_arg(body, i, 0)), OUT_MEAN, id);
  }
}

/* The average of mean i where the map stands. It is lowered away, but keeps the cut function comparable. */
static Val average_outside(Fission *m, const Inst *i) {
  Val v = ir_arg(m->body, i, 1);
  const Inst *a = ir_inst(m->body, v);
  if (a->op == OP_in && ir_number(m->body, a) >= m->sh.xs) return m->arg[ir_number(m->body, a)];
  if (ir_literal(a->op)) return ir_copy_inst(m->b, m->body, v, NULL);
  *m->exact = false;
  return ir_splat(m->b, 0, i->type);
}

static void take_results(Fission *m, const Outs *o, Val loop) {
  Build *b = m->b;
  for (uint32_t k = 0; k < o->v.n; k++) {
    Val v = ir_proj(b, loop, k);
    uint32_t of = o->v.at[k].of;
    if (o->v.at[k].kind == OUT_WHOLE) m->result[of] = v;
    if (o->v.at[k].kind == OUT_STACK) m->stack[of] = v;
    if (o->v.at[k].kind != OUT_MEAN) continue;
    const Inst *i = &m->body->inst.at[of];
    b->at = i->at;
    Val e = ir_mul(b, v, ir_const_exact(b, 1.0 / m->sh.n, 1, m->sh.n));
    m->mean[of] = ir_emit(b, OP_batch_mean, (Val[]){e, average_outside(m, i)}, 2, m->body->attr.at + i->attr, 2, NULL);
    b->at = m->i->at;
  }
}

static void emit_piece(Fission *m, uint32_t level) {
  const Fn *body = m->body;
  MapPiece p = {.m = m, .level = level, .map = base_zeroed(body->inst.n, sizeof *p.map)};
  Outs o = {.ys = 0};
  ir_build_init(&p.b, ir_sub_create(m->b->f, body->name));
  uint32_t xs = make_ports(&p);
  for (uint32_t id = 1; id < body->inst.n; id++)
    if (m->cut.made[id] && m->cut.piece[id] == level) need(&p, (Val){id});
  make_outputs(&p, &o);
  ir_build_finish(&p.b);
  if (o.v.n) {
    Val loop = ir_scan(m->b, p.arg.at, p.arg.n, m->sh.n, 0, xs, o.ys, o.v.n - o.ys, m->sh.reverse, false, p.b.f);
    take_results(m, &o, loop);
  }
  vec_free(&o.v);
  vec_free(&p.arg);
  base_free(p.map);
}

/* Outputs that are a mean, the same in every turn. */
static void constant_results(Fission *m) {
  for (uint32_t k = 0; k < m->body->out.n; k++) {
    if (output_piece(m, k) != UINT32_MAX) continue;
    Val v = m->mean[m->body->out.at[k].id];
    m->result[k] = k < m->sh.ys ? ir_expand(m->b, v, 0, m->sh.n) : ir_mul(m->b, v, ir_const(m->b, m->sh.n));
  }
}

/* Emits the maps of i, whose body is given, into b; their results. */
static Val *cut_map(Build *b, const Fn *f, const Inst *i, const Fn *body, const Val *arg, bool *exact) {
  size_t n = body->inst.n;
  uint32_t *piece = base_zeroed(n, sizeof *piece);
  bool *root = base_zeroed(n, sizeof *root);
  Fission m = {.b = b,
               .body = body,
               .i = i,
               .sh = ir_scan_shape(f, i),
               .arg = arg,
               .exact = exact,
               .level = base_zeroed(n, sizeof *m.level),
               .stack = base_zeroed(n, sizeof *m.stack),
               .mean = base_zeroed(n, sizeof *m.mean),
               .result = base_zeroed(body->out.n, sizeof *m.result)};
  m.cut = (Cut){.f = body, .piece = piece, .root = root};
  m.cut.n = find_levels(&m, piece, root);
  cut_cross(&m.cut);
  for (uint32_t k = 0; k < m.cut.n; k++) emit_piece(&m, k);
  constant_results(&m);
  cut_finish(&m.cut);
  base_free(piece);
  base_free(root);
  base_free(m.level);
  base_free(m.stack);
  base_free(m.mean);
  return m.result;
}

/* ---- means out of loops ---- */

static Span first_mean(const Fn *f) {
  for (uint32_t id = 1; id < f->inst.n; id++) {
    const Inst *i = &f->inst.at[id];
    if (i->op == OP_batch_mean) return i->at;
    if (i->sub && pass_holds(ir_body(f, i), 0, OP_batch_mean)) return first_mean(ir_body(f, i));
  }
  return (Span){0};
}

static bool refuse(const Fn *f, const Inst *i, Diag *diag) {
  bool map = i->op == OP_scan && ir_scan_shape(f, i).carry == 0;
  if (map) return false;
  DiagMsg *m = diag_add(
      diag, CODE_batch_mean, first_mean(ir_body(f, i)),
      i->op == OP_scan ? "a mean over the batch is not allowed in a loop whose turns depend on one another, nor in a trajectory"
                       : "a mean over the batch is not allowed in the rates of a trajectory");
  diag_help(m, "all samples would have to wait for it at every turn: put it before or after the loop");
  return true;
}

typedef struct Hoist {
  bool exact; /* every average was at hand where its mean went */
  Diag *diag;
} Hoist;

static Fn *hoist(const Fn *f, Hoist *h);

static Val hoist_inst(Copy *c, uint32_t id, const Inst *i) {
  Hoist *h = c->ctx;
  const Fn *f = c->from;
  if (!i->sub || !pass_holds(ir_body(f, i), 0, OP_batch_mean)) return VAL_NONE;
  Fn *body = refuse(f, i, h->diag) ? NULL : hoist(ir_body(f, i), h);
  Val *args = base_zeroed(i->nargs, sizeof *args);
  for (uint32_t k = 0; k < i->nargs; k++) args[k] = c->map[ir_arg(f, i, k).id];
  c->failed = !body;
  if (body) c->result[id] = cut_map(c->b, f, i, body, args, &h->exact);
  ir_fn_destroy(body);
  base_free(args);
  return VAL_NONE;
}

/* A copy of f in which all means stand outside of loops; NULL after an error. */
static Fn *hoist(const Fn *f, Hoist *h) { return copy_fn(NULL, f, hoist_inst, h); }

/* ---- means as weighted sums ---- */

typedef struct Mean {
  uint32_t param;
  Val v;
} Mean;
typedef struct Means {
  VEC(Mean) v;
  Val weight;
} Means;

static int by_param(const void *a, const void *b) {
  const Mean *p = a, *q = b;
  if (p->param != q->param) return p->param < q->param ? -1 : 1;
  return (p->v.id > q->v.id) - (p->v.id < q->v.id);
}

static const char *param_name(const Fn *f, uint32_t param) {
  for (uint32_t k = 0; k < f->in.n; k++)
    if (f->in.at[k].kind == IN_PARAM && f->in.at[k].index == param) return f->in.at[k].name;
  return NULL;
}

static void output_means(Build *b, Means *means, Running *running) {
  if (means->v.n) qsort(means->v.at, means->v.n, sizeof *means->v.at, by_param);
  running->param = base_zeroed(means->v.n, sizeof *running->param);
  for (uint32_t k = 0; k < means->v.n;) {
    uint32_t first = k, param = means->v.at[k].param;
    Val sum = means->v.at[k++].v;
    for (; k < means->v.n && means->v.at[k].param == param; k++) sum = ir_add(b, sum, means->v.at[k].v);
    if (k - first > 1) sum = ir_mul(b, sum, ir_const_exact(b, 1.0 / (k - first), 1, k - first));
    running->param[running->n++] = param;
    ir_output(b, sum, param_name(b->f, param));
  }
}

/* What reaches an output, or a mean with lag, which reaches none. */
static bool *live_with_means(const Fn *f) {
  bool *live = ir_live(f);
  for (uint32_t id = 1; id < f->inst.n; id++) live[id] |= lags(f, &f->inst.at[id]);
  pass_mark_needed(f, live);
  return live;
}

static Val sum_inst(Copy *c, uint32_t id, const Inst *i) {
  Means *means = c->ctx;
  (void)id;
  if (i->op != OP_batch_mean) return VAL_NONE;
  Val e = c->map[ir_arg(c->from, i, 0).id];
  Val mean = ir_type(c->b->f, e).lane ? ir_batch_sum(c->b, ir_mul(c->b, means->weight, e)) : e;
  *vec_push(&means->v) = (Mean){(uint32_t)ir_batch_mean_attr(c->from, i).param, mean};
  return lags(c->from, i) ? c->map[ir_arg(c->from, i, 1).id] : mean;
}

static Fn *sum_means(const Fn *f, Running *running) {
  Fn *out = ir_fn_create(f->name, f->f64);
  Means means = {.weight = VAL_NONE};
  bool *live = live_with_means(f);
  Build b;
  Copy c;
  ir_build_init(&b, out);
  copy_begin(&c, &b, f, &means);
  c.live = live;
  copy_inputs(&c);
  means.weight = ir_input(&b, "weight", IN_WEIGHT, 0, type_scalar(true));
  copy_walk(&c, sum_inst);
  ir_output(&b, c.map[f->out.at[0].id], f->outname.at[0]);
  output_means(&b, &means, running);
  copy_end(&c);
  ir_build_finish(&b);
  vec_free(&means.v);
  base_free(live);
  return out;
}

Fn *train_means_lower(PassRun *run, const Fn *loss, Running *running, Diag *diag) {
  Hoist h = {.exact = true, .diag = diag};
  Fn *cut = hoist(loss, &h), *out = NULL;
  if (cut && h.exact) check_same(run, "means", loss, cut);
  if (cut) out = sum_means(cut, running);
  ir_fn_destroy(cut);
  return out;
}
