/* Maps along stacked parameters become plain operations with one axis more.
 *
 * A comprehension in which each turn has a network of its own is a map whose body multiplies a slice of a shared
 * value with a value per sample. As a loop, its weight gradients would be stacked for each sample before they are
 * summed over the batch, and what the backward pass needs would be computed in another loop. With the turns as a first
 * axis of all values W[k] @ x is one product of many matrices, its gradient another one, and nothing is a loop.
 *
 * Other maps stay, unless all are asked for: a body that reads and forgets is small in the cache. So do bodies with an operator that has
 * no such form here. */
#include "passes/check/check.h"
#include "passes/simplify/simplify.h"

#include <stdlib.h>
#include <string.h>

typedef struct Turns { /* a body on its way out of the map */
  Build *b;
  const Fn *body;
  uint32_t n;
  Val *map;      /* by id of body: the value, or the values of all turns */
  bool *stacked; /* by id of body: the second */
} Turns;

/* ---- which maps ---------------------------------------------------------------------------------------- */

/* Has a rule below, whatever its operands are. */
static bool has_rule(const Fn *f, const Inst *i, bool sums) {
  switch (i->op) {
  case OP_in:
  case OP_const:
  case OP_table:
  case OP_iota:
  case OP_id:
  case OP_spread:
  case OP_reshape:
  case OP_transpose:
  case OP_flip:
  case OP_expand:
  case OP_sum:
  case OP_rmax:
  case OP_rmin:
  case OP_slice:
  case OP_unslice:
  case OP_concat:
  case OP_take:
  case OP_put:
  case OP_tri: return true;
  case OP_batch_sum: return sums;
  case OP_dot: return sums || !ir_dot_attr(f, i).lanes;
  default: return ir_elementwise(i->op);
  }
}

static bool is_fixed(const Fn *f, Val v) {
  const Inst *i = ir_inst(f, v);
  return ir_literal(i->op);
}

/* Some product of a shared value that differs between turns, and not as a table does, with a value per sample. */
static bool multiplies(const Fn *f, const Inst *scan, const Fn *body, ScanShape sh) {
  bool *weight = base_zeroed(body->inst.n, sizeof *weight), found = false;
  for (uint32_t id = 1; id < body->inst.n && !found; id++) {
    const Inst *i = &body->inst.at[id];
    if (i->op == OP_in) {
      uint32_t k = ir_number(body, i);
      weight[id] = k < sh.xs && !i->type.lane && !is_fixed(f, ir_arg(f, scan, k));
    }
    for (uint32_t k = 0; k < i->nargs; k++) weight[id] |= weight[ir_arg(body, i, k).id] && !i->type.lane;
    if (i->op != OP_dot) continue;
    Val x = ir_arg(body, i, 0), y = ir_arg(body, i, 1);
    found = (weight[x.id] && ir_type(body, y).lane) || (weight[y.id] && ir_type(body, x).lane);
  }
  base_free(weight);
  return found;
}

static bool can(const Fn *body, bool all) {
  for (uint32_t id = 1; id < body->inst.n; id++)
    if (!has_rule(body, &body->inst.at[id], all) || body->inst.at[id].type.rank == IR_MAX_RANK) return false;
  return true;
}

static bool is_wanted(const Fn *f, const Inst *i, const Fn *body, bool all) {
  if (i->op != OP_scan) return false;
  ScanShape sh = ir_scan_shape(f, i);
  if (sh.carry || !sh.n) return false;
  return (all || (!sh.zs && sh.xs && multiplies(f, i, body, sh))) && can(body, all);
}

/* ---- one instruction of all turns ------------------------------------------------------------------------ */

/* v with the turns on its first axis. */
static Val in_turns(Turns *t, Val v) { return t->stacked[v.id] ? t->map[v.id] : ir_expand(t->b, t->map[v.id], 0, t->n); }

/* An operand of an elementwise instruction: scalars of a turn are spread over the elements of the result. */
static Val operand(Turns *t, Val v, Type result) {
  Type have = ir_type(t->body, v);
  if (!t->stacked[v.id]) return have.rank == 0 ? t->map[v.id] : in_turns(t, v);
  Val x = t->map[v.id];
  for (uint32_t k = have.rank; k < result.rank; k++) x = ir_expand(t->b, x, (int)k + 1, result.dim[k]);
  return x;
}

static Val of_elements(Turns *t, const Inst *i) {
  Val x[3];
  for (uint32_t k = 0; k < i->nargs; k++) x[k] = operand(t, ir_arg(t->body, i, k), i->type);
  return ir_emit(t->b, (Op)i->op, x, i->nargs, &t->body->attr.at[i->attr], i->nattr, NULL);
}

static Val product(Turns *t, const Inst *i) {
  Val x[2] = {ir_arg(t->body, i, 0), ir_arg(t->body, i, 1)};
  DotShape d = ir_dot_shape(t->body, i);
  const bool with[3] = {t->stacked[x[0].id], t->stacked[x[1].id], true};
  int turn = 0, label[3][IR_MAX_RANK + 1];
  for (int side = 0; side < 3; side++)
    for (int k = 0; k < d.rank[side]; k++) turn = d.label[side][k] >= turn ? d.label[side][k] + 1 : turn;
  for (int side = 0; side < 3; side++) {
    label[side][0] = turn;
    memcpy(label[side] + with[side], d.label[side], sizeof label[0][0] * (size_t)d.rank[side]);
  }
  return ir_dot(t->b, t->map[x[0].id], t->map[x[1].id], d.lanes, label[0], label[1], d.rank[2] + 1, label[2]);
}

static Val joined(Turns *t, const Inst *i) {
  Val *x = base_realloc(NULL, sizeof *x * i->nargs);
  for (uint32_t k = 0; k < i->nargs; k++) x[k] = in_turns(t, ir_arg(t->body, i, k));
  Val v = ir_concat(t->b, x, i->nargs, (int)ir_concat_attr(t->body, i).axis + 1);
  base_free(x);
  return v;
}

/* Attributes begin with an axis, which moves. */
static Val along_axis(Turns *t, const Inst *i) {
  int64_t *attr = base_realloc(NULL, sizeof *attr * (i->nattr + 1));
  for (uint32_t k = 0; k < i->nattr; k++) attr[k] = t->body->attr.at[i->attr + k] + (k == 0);
  Val x = in_turns(t, ir_arg(t->body, i, 0)), v = ir_emit(t->b, (Op)i->op, &x, 1, attr, i->nattr, NULL);
  base_free(attr);
  return v;
}

static Val turned(Turns *t, const Inst *i) {
  int perm[IR_MAX_RANK] = {0};
  for (uint32_t k = 0; k < i->nattr; k++) perm[k + 1] = (int)ir_list(t->body, i).at[k] + 1;
  return ir_transpose(t->b, in_turns(t, ir_arg(t->body, i, 0)), perm);
}

static Val reshaped(Turns *t, const Inst *i) {
  uint32_t dim[IR_MAX_RANK] = {t->n};
  memcpy(dim + 1, i->type.dim, sizeof *dim * i->type.rank);
  return ir_reshape(t->b, in_turns(t, ir_arg(t->body, i, 0)), i->type.rank + 1, dim);
}

static Val all_turns(Turns *t, const Inst *i) {
  Val x = ir_arg(t->body, i, 0);
  switch (i->op) {
  case OP_id: return ir_id(t->b, t->map[x.id]);
  case OP_spread: return ir_spread(t->b, t->map[x.id]);
  case OP_batch_sum: return ir_batch_sum(t->b, t->map[x.id]);
  case OP_reshape: return reshaped(t, i);
  case OP_transpose: return turned(t, i);
  case OP_concat: return joined(t, i);
  case OP_dot: return product(t, i);
  case OP_tri: return ir_tri(t->b, t->map[x.id], ir_tri_attr(t->body, i).upper, (int)ir_tri_attr(t->body, i).k);
  default: return ir_elementwise(i->op) ? of_elements(t, i) : along_axis(t, i);
  }
}

/* ---- a map ------------------------------------------------------------------------------------------------- */

static Val turns_inst(Copy *c, uint32_t id, const Inst *i) {
  Turns *t = c->ctx;
  for (uint32_t k = 0; k < i->nargs; k++) t->stacked[id] |= t->stacked[ir_arg(t->body, i, k).id];
  return t->stacked[id] ? all_turns(t, i) : VAL_NONE;
}

/* out: its results. */
static void emit(Build *b, const Fn *body, ScanShape sh, const Val *args, Val *out) {
  Copy c;
  copy_begin(&c, b, body, NULL);
  copy_bind(&c, args);
  Turns t = {.b = b, .body = body, .n = sh.n, .map = c.map, .stacked = base_zeroed(body->inst.n, sizeof *t.stacked)};
  for (uint32_t id = 1; id < body->inst.n; id++)
    t.stacked[id] = body->inst.at[id].op == OP_in && ir_number(body, &body->inst.at[id]) < sh.xs;
  c.ctx = &t;
  copy_walk(&c, turns_inst);
  for (uint32_t k = 0; k < body->out.n; k++) {
    out[k] = in_turns(&t, body->out.at[k]);
    if (k >= sh.ys) out[k] = ir_sum(b, out[k], 0);
  }
  copy_end(&c);
  base_free(t.stacked);
}

typedef struct Asked {
  bool all; /* maps of any kind */
  bool changed;
} Asked;

static Val unmap_inst(Copy *c, uint32_t id, const Inst *i) {
  Asked *asked = c->ctx;
  const Fn *f = c->from;
  if (!i->sub) return VAL_NONE;
  Fn *body = copy_fn(c->b->f, ir_body(f, i), unmap_inst, asked);
  if (!is_wanted(f, i, body, asked->all)) return copy_body(c, i, body);
  Val *args = base_zeroed(i->nargs, sizeof *args);
  for (uint32_t k = 0; k < i->nargs; k++) args[k] = c->map[ir_arg(f, i, k).id];
  asked->changed = true;
  c->result[id] = base_zeroed(body->out.n, sizeof *c->result[id]);
  emit(c->b, body, ir_scan_shape(f, i), args, c->result[id]);
  base_free(args);
  return VAL_NONE;
}

static bool any(const Fn *f) {
  for (uint32_t id = 1; id < f->inst.n; id++) {
    const Inst *i = &f->inst.at[id];
    if (i->sub && (is_wanted(f, i, ir_body(f, i), false) || any(ir_body(f, i)))) return true;
  }
  return false;
}

Fn *simplify_maps(const Fn *f) {
  Asked asked = {.all = true};
  Fn *g = copy_fn(NULL, f, unmap_inst, &asked);
  if (g && asked.changed) return g;
  ir_fn_destroy(g);
  return NULL;
}

bool simplify_map(Build *b, const Fn *body, ScanShape sh, const Val *args, Val *out) {
  Fn *plain = simplify_maps(body);
  const Fn *f = plain ? plain : body;
  const bool good = !sh.carry && can(f, true);
  if (good) emit(b, f, sh, args, out);
  ir_fn_destroy(plain);
  return good;
}

Fn *pass_unmap(PassRun *run, const Fn *f) {
  double start = pass_now();
  Asked asked = {0};
  Fn *g = any(f) ? copy_fn(NULL, f, unmap_inst, &asked) : NULL;
  pass_done(run, "unmap", start, g);
  if (g) check_same(run, "unmap", f, g);
  return g;
}
