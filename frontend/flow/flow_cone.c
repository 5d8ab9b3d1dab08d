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

/* Ops whose result has each element of an operand, moved: where element e of it comes from. False: no such
 * op. */
static bool comes_from(const Fn *f, const Inst *i, int64_t e, Val *v, int64_t *element) {
  Type out = i->type, in = i->nargs ? ir_type(f, ir_arg(f, i, 0)) : out;
  int64_t at[IR_MAX_RANK + 1] = {0}, rest = e;
  for (int k = out.rank; k-- > 0; rest /= out.dim[k]) at[k] = rest % out.dim[k];
  *v = i->nargs ? ir_arg(f, i, 0) : VAL_NONE;
  switch (i->op) {
  case OP_id:
  case OP_spread:
  case OP_neg:
  case OP_reshape: return *element = e, true;
  case OP_slice:
    at[ir_slice_attr(f, i).axis] = ir_slice_attr(f, i).start + at[ir_slice_attr(f, i).axis] * ir_slice_attr(f, i).step;
    break;
  case OP_take: at[ir_take_attr(f, i).axis] = ir_list(f, i).at[at[ir_take_attr(f, i).axis]]; break;
  case OP_flip: at[ir_flip_attr(f, i).axis] = out.dim[ir_flip_attr(f, i).axis] - 1 - at[ir_flip_attr(f, i).axis]; break;
  case OP_expand: {
    int axis = (int)ir_expand_attr(f, i).axis;
    memmove(at + axis, at + axis + 1, sizeof *at * (size_t)(IR_MAX_RANK - axis));
    break;
  }
  case OP_transpose: {
    int64_t to[IR_MAX_RANK];
    for (int k = 0; k < out.rank; k++) to[ir_list(f, i).at[k]] = at[k];
    memcpy(at, to, sizeof *at * out.rank);
    break;
  }
  case OP_concat: {
    int64_t axis = ir_concat_attr(f, i).axis;
    uint32_t k = 0;
    while (at[axis] >= ir_type(f, ir_arg(f, i, k)).dim[axis]) at[axis] -= ir_type(f, ir_arg(f, i, k++)).dim[axis];
    *v = ir_arg(f, i, k);
    in = ir_type(f, *v);
    break;
  }
  default: return false;
  }
  *element = 0;
  for (int k = 0; k < in.rank; k++) *element = *element * in.dim[k] + at[k];
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

static bool piece_has(const Flow *w, const Piece *p, const Reading *r, int64_t e) {
  if (p->slot != r->slot) return false;
  if (p->n == 0) return true;
  Type t = w->slot[p->slot].type;
  int64_t row = type_count(t) / t.dim[0];
  return e / row >= p->start && e / row < p->start + p->n;
}

static bool moved(const Flow *w, const Piece *piece, uint32_t n, const Reading *r, int64_t e) {
  for (uint32_t k = 0; k < n; k++)
    if (piece_has(w, &piece[k], r, e)) return true;
  return false;
}

static bool slot_moved(const Piece *piece, uint32_t n, const Reading *r, bool *whole) {
  bool any = false;
  for (uint32_t k = 0; k < n; k++)
    if (piece[k].slot == r->slot) any = true, *whole |= piece[k].n == 0;
  return any;
}

static int64_t count_of(const Fn *f, uint32_t id) {
  return f->inst.at[id].type.dt == DT_MULTI ? 1 : type_count(f->inst.at[id].type);
}

static bool any_of(const bool *t, int64_t n) {
  bool any = false;
  for (int64_t e = 0; t && e < n; e++) any |= t[e];
  return any;
}

/* Which elements of value `id` may depend on the pieces: all, unless those of an operand are only moved
 * about. */
static bool *taint_of(const Flow *w, uint32_t id, bool *const *taint, const Piece *piece, uint32_t n) {
  const Fn *f = w->level.fn;
  const Inst *i = &f->inst.at[id];
  const Reading *r = flow_reading(w, (Val){id});
  int64_t count = count_of(f, id), element;
  bool *t = base_realloc(NULL, (size_t)count + 1), any = false;
  Val v;
  for (uint32_t k = 0; !r && k < i->nargs; k++) any |= any_of(taint[ir_arg(f, i, k).id], count_of(f, ir_arg(f, i, k).id));
  for (int64_t e = 0; e < count; e++) {
    t[e] = r ? moved(w, piece, n, r, e) : any;
    if (!r && any && i->type.dt != DT_MULTI && comes_from(f, i, e, &v, &element)) t[e] = taint[v.id][element];
  }
  return t;
}

static bool tainted(const Flow *w, const Cone *c, const Val *root, uint32_t nroot, const Piece *piece, uint32_t n) {
  const Fn *f = w->level.fn;
  bool **taint = base_realloc(NULL, sizeof *taint * f->inst.n), found = false;
  memset(taint, 0, sizeof *taint * f->inst.n);
  for (uint32_t j = 0; j < c->ids.n; j++) taint[c->ids.at[j]] = taint_of(w, c->ids.at[j], taint, piece, n);
  for (uint32_t k = 0; k < nroot; k++) found |= any_of(taint[root[k].id], count_of(f, root[k].id));
  for (uint32_t j = 0; j < c->ids.n; j++) base_free(taint[c->ids.at[j]]);
  base_free(taint);
  return found;
}

bool flow_reads(Flow *w, const Val *root, uint32_t nroot, const Piece *piece, uint32_t n, const Reading **which, bool *stale) {
  Cone c = {0};
  bool reads = false, whole = false, part = false;
  *stale = false;
  flow_cone(w, root, nroot, &c);
  for (uint32_t j = 0; j < c.ids.n && !*stale; j++) {
    const Reading *r = flow_reading(w, (Val){c.ids.at[j]});
    if (!r || r->slot >= FLOW_STATES) continue;
    if (r->number != w->slot[r->slot].number) *stale = true, *which = r;
    else if (slot_moved(piece, n, r, &whole)) part = true, *which = r;
  }
  if (!*stale && part) reads = whole || tainted(w, &c, root, nroot, piece, n);
  vec_free(&c.ids);
  return reads || *stale;
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
