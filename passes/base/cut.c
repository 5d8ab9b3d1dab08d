/* What crosses where a function is cut (pass.h).
 *
 * A piece reads values of earlier ones. Most are carried over. Made again is what costs next to nothing
 * there: renamings, and at most CHEAP additions, products or selections of values that are at hand anyway.
 * What makes a value larger (expand, an outer product, ...) is made again from what it is made of, and so
 * are bools. Draws, loops, contractions and transcendental functions are never made twice. So the work
 * of all pieces is that of the whole, but for a bounded number of simple operations a value and piece.
 *
 * Pieces are taken from the last to the first: what is made again later is not made in its own piece. */
#include "passes/base/pass.h"

#include <stdlib.h>
#include <string.h>

enum { CHEAP = 4, DEAR = 1000 };

typedef struct Crossing {
  Cut *c;
  uint32_t piece; /* the one that reads */
  bool *stored;   /* by id: enters it */
  uint16_t *cost; /* by id: simple operations to make it again; DEAR: cannot be */
  bool *provided; /* by id */
} Crossing;

bool cut_reads(const Cut *c, uint32_t piece, uint32_t id) { return c->reads[(size_t)piece * c->f->inst.n + id]; }

/* ---- the cost of making it again ---- */

/* A product of which nothing is summed. */
static bool outer_product(const Fn *f, const Inst *i) {
  if (i->op != OP_dot || ir_dot_attr(f, i).lanes) return false;
  DotShape d = ir_dot_shape(f, i);
  for (int side = 0; side < 2; side++)
    for (int k = 0; k < d.rank[side]; k++)
      if (!ir_dot_has(&d, 2, d.label[side][k])) return false;
  return true;
}

/* Not larger before than after: what it is made of is carried over instead. */
static bool grows(const Fn *f, const Inst *i) {
  bool placed =
      ir_has(i->op, OPF_VIEW | OPF_PLACES) && i->op != OP_slice && i->op != OP_take && i->op != OP_diagv && i->op != OP_tri;
  return placed || outer_product(f, i);
}

/* Operations an element; DEAR if it is not to be done twice. */
static uint16_t own_cost(const Cut *c, const Inst *i) {
  const Fn *f = c->f;
  if (i->type.dt == DT_MULTI || i->op == OP_proj || ir_has(i->op, OPF_IMPURE | OPF_DERIV)) return DEAR;
  bool renames = i->op == OP_id || i->op == OP_expand || i->op == OP_reshape || i->op == OP_spread;
  if (c->once && !i->type.lane && i->type.rank > 0 && !renames) return DEAR;
  if (ir_has(i->op, OPF_SIMPLE) || i->op == OP_concat) return ir_op[i->op].cls != OPC_LOGIC;
  if (ir_has(i->op, OPF_VIEW | OPF_PLACES)) return 0;
  return i->op == OP_div ? 2 : outer_product(f, i) ? 1 : DEAR;
}

static uint16_t cost_of(const Crossing *x, uint32_t id) {
  const Cut *c = x->c;
  const Inst *i = &c->f->inst.at[id];
  uint32_t sum = c->dear && c->dear[id] ? DEAR : own_cost(c, i);
  for (uint32_t k = 0; k < i->nargs && sum < DEAR; k++) sum += x->cost[ir_arg(c->f, i, k).id];
  return (uint16_t)(sum < DEAR ? sum : DEAR);
}

/* ---- one piece ---- */

/* v will be at hand: made again, if it must be from values that are stored for it. */
static void provide(Crossing *x, Val v) {
  const Fn *f = x->c->f;
  const Inst *i = ir_inst(f, v);
  if (x->cost[v.id] <= CHEAP || x->provided[v.id]) return;
  x->provided[v.id] = true;
  bool dear = x->c->dear && x->c->dear[v.id];
  bool again = !dear && own_cost(x->c, i) < DEAR && (grows(f, i) || i->type.dt == DT_BOOL);
  if (!again) x->stored[v.id] = true;
  for (uint32_t k = 0; again && k < i->nargs; k++) provide(x, ir_arg(f, i, k));
  x->cost[v.id] = again ? cost_of(x, v.id) : 0;
}

/* From what is read directly to what has to enter. */
static void choose(Crossing *x, const bool *direct) {
  const Cut *c = x->c;
  for (uint32_t id = 1; id < c->f->inst.n; id++) {
    x->cost[id] = 0;
    if (c->piece[id] == CUT_FREE) continue;
    x->cost[id] = c->piece[id] < x->piece ? cost_of(x, id) : DEAR;
    if (direct[id]) provide(x, (Val){id});
  }
}

/* Marks in c->made what the piece makes, and in direct what that reads of earlier pieces. */
static void find_made(Cut *c, uint32_t piece, bool *direct) {
  const Fn *f = c->f;
  for (uint32_t id = f->inst.n; id-- > 1;) {
    const Inst *i = &f->inst.at[id];
    if (c->piece[id] != piece) continue;
    c->made[id] |= c->root[id] || c->carried[id];
    for (uint32_t k = 0; c->made[id] && k < i->nargs; k++) {
      uint32_t a = ir_arg(f, i, k).id;
      if (c->piece[a] == piece) c->made[a] = true;
      else if (c->piece[a] != CUT_FREE) direct[a] = true;
    }
  }
}

static void cross(Cut *c, uint32_t piece) {
  size_t n = c->f->inst.n;
  bool *direct = base_zeroed(n, sizeof *direct);
  Crossing x = {.c = c,
                .piece = piece,
                .stored = c->reads + piece * n,
                .cost = base_realloc(NULL, n * sizeof *x.cost),
                .provided = base_zeroed(n, sizeof *x.provided)};
  find_made(c, piece, direct);
  choose(&x, direct);
  for (uint32_t id = 1; id < n; id++) c->carried[id] |= x.stored[id];
  base_free(direct);
  base_free(x.cost);
  base_free(x.provided);
}

void cut_cross(Cut *c) {
  size_t n = c->f->inst.n;
  c->made = base_zeroed(n, sizeof *c->made);
  c->carried = base_zeroed(n, sizeof *c->carried);
  c->reads = base_zeroed(n * c->n, sizeof *c->reads);
  for (uint32_t piece = c->n; piece-- > 0;) cross(c, piece);
}

void cut_finish(Cut *c) {
  base_free(c->made);
  base_free(c->carried);
  base_free(c->reads);
}

/* ---- between pieces ---- */

Type cut_type(Type t) {
  uint32_t n = (uint32_t)type_count(t);
  Type to = t.rank < IR_MAX_RANK ? t : type_real(t.lane, 1, &n);
  to.dt = DT_REAL;
  return to;
}

Val cut_leave(Build *b, Val v) {
  Type t = ir_type(b->f, v), to = cut_type(t);
  if (t.dt == DT_BOOL) v = ir_indicator(b, v);
  return type_same_dims(t, to) ? v : ir_reshape(b, v, to.rank, to.dim);
}

Val cut_enter(Build *b, Val v, Type t) {
  if (!type_same_dims(t, ir_type(b->f, v))) v = ir_reshape(b, v, t.rank, t.dim);
  return t.dt == DT_BOOL ? ir_ne(b, v, ir_const(b, 0)) : v;
}
