/* What expressions of a recording are computed from: readings of the state, and which of their elements. */
#include "frontend/flow/flow_priv.h"

#include <stdlib.h>
#include <string.h>

const Reading *flow_reading(const Flow *w, Val v) {
  uint32_t lo = 0, hi = w->readings.n;
  while (lo < hi) {
    uint32_t mid = (lo + hi) / 2;
    if (w->readings.at[mid].v.id < v.id) lo = mid + 1;
    else hi = mid;
  }
  return lo < w->readings.n && w->readings.at[lo].v.id == v.id ? &w->readings.at[lo] : NULL;
}

/* ---- cones ----------------------------------------------------------------------------------------------
 */

static bool visit(Flow *w, Val v, Cone *out) {
  while (w->stamp.n <= v.id) *vec_push(&w->stamp) = 0;
  if (w->stamp.at[v.id] == w->stamped) return false;
  w->stamp.at[v.id] = w->stamped;
  *vec_push(&out->ids) = v.id;
  return true;
}

static int by_id(const void *a, const void *b) {
  uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
  return (x > y) - (x < y);
}

void flow_cone(Flow *w, const Val *root, uint32_t n, Cone *out) {
  const Fn *f = w->level.fn;
  VEC(uint32_t) todo = {0};
  w->stamped++;
  for (uint32_t k = 0; k < n; k++)
    if (root[k].id && visit(w, root[k], out)) *vec_push(&todo) = root[k].id;
  while (todo.n) {
    Val v = {todo.at[--todo.n]};
    const Inst *i = ir_inst(f, v);
    if (flow_reading(w, v)) continue;
    for (uint32_t k = 0; k < i->nargs; k++)
      if (visit(w, ir_arg(f, i, k), out)) *vec_push(&todo) = ir_arg(f, i, k).id;
  }
  vec_free(&todo);
  if (out->ids.n) qsort(out->ids.at, out->ids.n, sizeof *out->ids.at, by_id);
}

/* ---- elements -------------------------------------------------------------------------------------------
 */

/* The axis along which an op moves whole blocks; -1: it moves none; rank: all is one block, as it was. */
static int moves_along(const Fn *f, const Inst *i) {
  switch (i->op) {
  case OP_id:
  case OP_spread:
  case OP_neg:
  case OP_reshape: return i->type.rank;
  case OP_slice: return (int)ir_slice_attr(f, i).axis;
  case OP_take: return (int)ir_take_attr(f, i).axis;
  case OP_flip: return (int)ir_flip_attr(f, i).axis;
  case OP_concat: return (int)ir_concat_attr(f, i).axis;
  case OP_expand: return (int)ir_expand_attr(f, i).axis;
  default: return -1;
  }
}

/* Where place `a` along that axis comes from: an operand, and a place along the same axis of it. */
static int64_t comes_along(const Fn *f, const Inst *i, int64_t a, uint32_t *arg) {
  *arg = 0;
  switch (i->op) {
  case OP_slice: return ir_slice_attr(f, i).start + a * ir_slice_attr(f, i).step;
  case OP_take: return ir_list(f, i).at[a];
  case OP_flip: return i->type.dim[ir_flip_attr(f, i).axis] - 1 - a;
  case OP_concat:
    for (int64_t n; a >= (n = ir_type(f, ir_arg(f, i, *arg)).dim[ir_concat_attr(f, i).axis]); ++*arg) a -= n;
    return a;
  default: return 0;
  }
}

/* Ops whose result has each element of an operand, moved: where element e of it comes from. False: no such
 * op. */
static bool comes_from(const Fn *f, const Inst *i, int64_t e, Val *v, int64_t *element) {
  const Type out = i->type;
  const int axis = moves_along(f, i);
  if (axis < 0 && i->op != OP_transpose) return false;
  if (axis == out.rank) return *v = ir_arg(f, i, 0), *element = e, true;
  int64_t at[IR_MAX_RANK + 1] = {0}, to[IR_MAX_RANK + 1] = {0}, rest = e;
  uint32_t arg = 0;
  for (int k = out.rank; k-- > 0; rest /= out.dim[k]) at[k] = rest % out.dim[k];
  if (i->op == OP_transpose)
    for (int k = 0; k < out.rank; k++) to[ir_list(f, i).at[k]] = at[k];
  else memcpy(to, at, sizeof to);
  if (i->op == OP_expand) memmove(to + axis, to + axis + 1, sizeof *to * (size_t)(IR_MAX_RANK - axis));
  else if (axis >= 0) to[axis] = comes_along(f, i, at[axis], &arg);
  *v = ir_arg(f, i, arg);
  const Type in = ir_type(f, *v);
  *element = 0;
  for (int k = 0; k < in.rank; k++) *element = *element * in.dim[k] + to[k];
  return true;
}

/* Element e of a map's result: where it comes from, where the body only moves elements of what it walks along or has from outside. */
static bool from_map(const Fn *f, const Inst *proj, int64_t e, Val *v, int64_t *element, bool *minus) {
  const Inst *scan = ir_inst(f, ir_arg(f, proj, 0));
  if (scan->op != OP_scan) return false;
  const scan_attr loop = ir_scan_attr(f, scan);
  if (loop.carry || loop.reverse) return false;
  const Fn *body = ir_body(f, scan);
  Val b = body->out.at[ir_proj_attr(f, proj).index];
  const int64_t row = type_count(ir_type(body, b)), turn = e / row;
  const Inst *i;
  for (*element = e % row; (i = ir_inst(body, b))->op != OP_in;) {
    *minus ^= i->op == OP_neg;
    if (!comes_from(body, i, *element, &b, element)) return false;
  }
  const uint32_t k = (uint32_t)ir_in_attr(body, i).index;
  if (k < (uint32_t)loop.xs) *element += turn * type_count(i->type);
  return *v = ir_arg(f, scan, k), true;
}

bool flow_element(const Flow *w, Val v, int64_t e, uint32_t *slot, int64_t *element, bool *minus) {
  const Fn *f = w->level.fn;
  const Reading *r;
  for (*minus = false; !(r = flow_reading(w, v)); e = *element) {
    const Inst *i = ir_inst(f, v);
    *minus ^= i->op == OP_neg;
    if (i->op == OP_proj ? !from_map(f, i, e, &v, element, minus) : !comes_from(f, i, e, &v, element)) return false;
  }
  *slot = r->slot;
  *element = e;
  return r->slot < FLOW_STATES;
}

/* ---- what has moved -------------------------------------------------------------------------------------- */

static void add_moves(const Flow *w, const Reading *r, const Piece *p, bool *moved) {
  for (int64_t e = 0; p->slot == r->slot && e < flow_count(w, r->slot); e++) moved[e] |= flow_moves(p, e);
}

bool *flow_moved(const Flow *w, const Reading *r, const Piece *piece, uint32_t n) {
  bool *moved = base_zeroed((size_t)flow_count(w, r->slot) + 1, 1);
  for (uint32_t j = r->number; j < w->steps.n; j++)
    for (uint32_t k = 0; k < w->steps.at[j].n; k++) add_moves(w, r, &w->steps.at[j].piece[k], moved);
  for (uint32_t k = 0; k < n; k++) add_moves(w, r, &piece[k], moved);
  return moved;
}

/* ---- which elements depend on it --------------------------------------------------------------------------- */

/* Of an element of a value. */
enum { FREE = 0, MOVED = 1, ZERO = 2 /* known to be 0 */ };

typedef struct Taint {
  Flow *w;
  const Piece *piece;
  uint32_t npiece;
  uint8_t **of; /* by id */
  uint8_t *any; /* by id: what any of its elements is */
} Taint;

static int64_t count_of(const Fn *f, uint32_t id) {
  return f->inst.at[id].type.dt == DT_MULTI ? 1 : type_count(f->inst.at[id].type);
}

static uint8_t at(const Taint *t, const Fn *f, const Inst *i, uint32_t k, int64_t e) {
  Val v = ir_arg(f, i, k);
  return t->of[v.id][ir_type(f, v).rank ? e : 0];
}

static uint8_t literal(const Fn *f, const Inst *i, int64_t e) {
  double c;
  if (i->op == OP_const) return ir_is_const(f, (Val){(uint32_t)(i - f->inst.at)}, &c) && c == 0 ? ZERO : FREE;
  if (i->op == OP_table) return f->table.at[ir_table_attr(f, i).table].v[e] == 0 ? ZERO : FREE;
  return i->op == OP_iota && e == 0 ? ZERO : FREE;
}

static bool known(const Fn *f, const Inst *i, int64_t e, double *out);

static bool known_of(const Fn *f, const Inst *i, uint32_t k, int64_t e, double *out) {
  Val v = ir_arg(f, i, k);
  return known(f, ir_inst(f, v), ir_type(f, v).rank ? e : 0, out);
}

/* Element e, where it is a constant or compares such: a mask. */
static bool known(const Fn *f, const Inst *i, int64_t e, double *out) {
  const OpClass c = ir_op[i->op].cls;
  double a, b = 0;
  Val v;
  if (i->op == OP_const) return ir_is_const(f, (Val){(uint32_t)(i - f->inst.at)}, out);
  if (i->op == OP_table) return *out = f->table.at[ir_table_attr(f, i).table].v[e], true;
  if (c == OPC_CMP || c == OPC_LOGIC) {
    if (!known_of(f, i, 0, e, &a) || (i->nargs > 1 && !known_of(f, i, 1, e, &b))) return false;
    return *out = ir_eval_scalar(i->op, a, b), true;
  }
  return i->nargs && i->type.dt == DT_BOOL && comes_from(f, i, e, &v, &e) && known(f, ir_inst(f, v), e, out);
}

/* 0 times what has moved and may be NaN tells whether it is. */
static bool hides_nan(const Fn *f, const Inst *i, uint8_t a, uint8_t b) {
  return (a | b) & MOVED && !ir_has_value(f, ir_arg(f, i, a == ZERO));
}

/* Element by element. */
static uint8_t elementwise(const Taint *t, const Fn *f, const Inst *i, int64_t e) {
  uint8_t a = at(t, f, i, 0, e), b = i->nargs > 1 ? at(t, f, i, 1, e) : a;
  if (i->op == OP_select) {
    uint8_t c = at(t, f, i, 2, e);
    double yes;
    if (known_of(f, i, 0, e, &yes)) return yes != 0 ? b : c;
    return b == ZERO && c == ZERO ? ZERO : (a | b | c) & MOVED;
  }
  if (i->op == OP_mul && (a == ZERO || b == ZERO) && !hides_nan(f, i, a, b)) return ZERO;
  if (i->op == OP_div && a == ZERO && !hides_nan(f, i, a, b)) return ZERO;
  if ((i->op == OP_add || i->op == OP_sub) && a == ZERO && b == ZERO) return ZERO;
  if (ir_op[i->op].cls == OPC_EW1 && a == ZERO && ir_eval_scalar(i->op, 0, 0) == 0) return ZERO;
  return (a | b) & MOVED;
}

static bool is_elementwise(const Inst *i) {
  OpClass c = ir_op[i->op].cls;
  return c == OPC_EW1 || c == OPC_EW2 || c == OPC_CMP || c == OPC_LOGIC || i->op == OP_select;
}

/* What comes_from says of every element, in blocks; false: element by element. */
static bool moved_blocks(const Taint *t, const Fn *f, const Inst *i, uint8_t *out) {
  const Type type = i->type;
  const int axis = type.dt == DT_MULTI ? -1 : moves_along(f, i);
  if (axis < 0) return false;
  if (axis == type.rank) return memcpy(out, t->of[ir_arg(f, i, 0).id], (size_t)type_count(type)), true;
  const TypeAxis x = type_axis(type, axis);
  for (int64_t a = 0; a < x.size; a++) {
    uint32_t arg;
    const int64_t from = comes_along(f, i, a, &arg);
    const Val v = ir_arg(f, i, arg);
    const int64_t along = i->op == OP_expand ? 1 : ir_type(f, v).dim[axis];
    for (int64_t o = 0; o < x.outer; o++)
      memcpy(out + (o * x.size + a) * x.inner, t->of[v.id] + (o * along + from) * x.inner, (size_t)x.inner);
  }
  return true;
}

static uint8_t taint_at(const Taint *t, const Fn *f, const Inst *i, uint8_t any, int64_t e) {
  Val v;
  int64_t from;
  if (ir_literal(i->op)) return literal(f, i, e);
  if (is_elementwise(i)) return elementwise(t, f, i, e);
  if (i->type.dt != DT_MULTI && comes_from(f, i, e, &v, &from)) return t->of[v.id][from];
  return any;
}

/* Each element of the result may be made of any of the operands'. */
static bool mixes(const Fn *f, const Inst *i) {
  const bool moves = i->type.dt != DT_MULTI && (moves_along(f, i) >= 0 || i->op == OP_transpose);
  return !ir_literal(i->op) && !is_elementwise(i) && !moves;
}

static uint8_t *taint_of(const Taint *t, uint32_t id) {
  const Fn *f = t->w->level.fn;
  const Inst *i = &f->inst.at[id];
  const Reading *r = flow_reading(t->w, (Val){id});
  const int64_t n = count_of(f, id);
  uint8_t *out = base_zeroed((size_t)n + 1, 1), any = FREE;
  if (r && r->slot < FLOW_STATES) {
    bool *moved = flow_moved(t->w, r, t->piece, t->npiece);
    memcpy(out, moved, (size_t)n);
    base_free(moved);
    return out;
  }
  if (r) return out;
  for (uint32_t k = 0; k < i->nargs; k++) any |= t->any[ir_arg(f, i, k).id];
  if (any == FREE && !ir_literal(i->op)) return out; /* of free elements alone nothing else is made */
  if (mixes(f, i)) return memset(out, any & MOVED, (size_t)n), out;
  const bool blocks = moved_blocks(t, f, i, out);
  for (int64_t e = 0; e < n && !blocks; e++) out[e] = taint_at(t, f, i, any & MOVED, e);
  return out;
}

static void taint_find(Taint *t, const Val *root, uint32_t n, Cone *c) {
  flow_cone(t->w, root, n, c);
  const Fn *f = t->w->level.fn;
  t->of = base_zeroed(f->inst.n, sizeof *t->of), t->any = base_zeroed(f->inst.n, 1);
  for (uint32_t j = 0; j < c->ids.n; j++) {
    const uint32_t id = c->ids.at[j];
    const int64_t count = count_of(f, id);
    const uint8_t *of = t->of[id] = taint_of(t, id);
    uint8_t any = FREE;
    for (int64_t e = 0; e < count; e++) any |= of[e];
    t->any[id] = any;
  }
}

static void taint_finish(Taint *t, Cone *c) {
  for (uint32_t j = 0; j < c->ids.n; j++) base_free(t->of[c->ids.at[j]]);
  base_free(t->of), base_free(t->any);
  vec_free(&c->ids);
}

bool flow_reads(Flow *w, const Val *root, uint32_t nroot, const Piece *piece, uint32_t n, const Reading **which) {
  Taint t = {.w = w, .piece = piece, .npiece = n};
  Cone c = {0};
  bool found = false;
  taint_find(&t, root, nroot, &c);
  for (uint32_t k = 0; k < nroot; k++) found |= (t.any[root[k].id] & MOVED) != 0;
  for (uint32_t j = 0; j < c.ids.n && found; j++) {
    const Reading *r = flow_reading(w, (Val){c.ids.at[j]});
    if (r && r->slot < FLOW_STATES && t.any[c.ids.at[j]] & MOVED) *which = r;
  }
  taint_finish(&t, &c);
  return found;
}

bool *flow_zeros(Flow *w, Val v) {
  Taint t = {.w = w};
  Cone c = {0};
  int64_t n = count_of(w->level.fn, v.id);
  taint_find(&t, &v, 1, &c);
  bool *zero = t.any[v.id] & ZERO ? base_zeroed((size_t)n + 1, 1) : NULL;
  for (int64_t e = 0; zero && e < n; e++) zero[e] = t.of[v.id][e] == ZERO;
  taint_finish(&t, &c);
  return zero;
}

/* ---- values -------------------------------------------------------------------------------------------- */

void flow_tensors(const Flow *w, Value v, ValList *out) {
  if (v.kind == V_TENSOR && v.t.level == &w->level) *vec_push(&out->v) = v.t.v;
  if (v.kind == V_TUPLE || v.kind == V_LIST)
    for (uint32_t i = 0; i < v.list.n; i++) flow_tensors(w, v.list.at[i], out);
  if (v.kind != V_FUNC) return;
  for (int k = 0; k < 2; k++)
    if (v.func->of[k]) flow_tensors(w, value_func(v.func->of[k]), out);
  for (uint32_t i = 0; v.func->targs && i < v.func->targs->entries.n; i++) flow_tensors(w, v.func->targs->entries.at[i].v, out);
}

static Value mapped(Elab *E, Value v, ValueMap *map, void *ctx) {
  if (v.kind == V_FUNC) return value_func(func_map(E, v.func, map, ctx));
  if (v.kind != V_TUPLE && v.kind != V_LIST) return map(ctx, v);
  Value *at = ARENA_ARRAY(E->mem, Value, v.list.n + 1);
  for (uint32_t i = 0; i < v.list.n; i++) at[i] = mapped(E, v.list.at[i], map, ctx);
  v.list.at = at;
  return v;
}

const Func *func_map(Elab *E, const Func *f, ValueMap *map, void *ctx) {
  if (!f->of[0] && !f->targs) return f;
  Func *g = ARENA_NEW(E->mem, Func);
  *g = *f;
  for (int k = 0; k < 2; k++)
    if (f->of[k]) g->of[k] = func_map(E, f->of[k], map, ctx);
  if (!f->targs) return g;
  Context c;
  context_push(E, &c);
  g->targs = frame_push(E, f->targs->up, f->targs->module);
  for (uint32_t i = 0; i < f->targs->entries.n; i++) {
    Entry e = f->targs->entries.at[i];
    e.v = mapped(E, e.v, map, ctx);
    *vec_push(&g->targs->entries) = e;
  }
  context_pop(E, &c);
  return g;
}
