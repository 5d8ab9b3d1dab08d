/* What a step moves: a state, or elements of it, named by any subscript that is known while compiling.
 *
 * A subscript is applied to the numbers of the state's elements; what comes out names the elements, and has the shape
 * of what moves. A mask has the state's shape: what moves is the state, and where the mask is 0 it stays. */
#include "frontend/builtin/builtin.h"
#include "frontend/flow/flow_priv.h"

#include <stdlib.h>
#include <string.h>

/* ---- of a recorded step --------------------------------------------------------------------------------- */

int64_t flow_count(const Flow *w, uint32_t slot) { return type_count(w->slot[slot].type); }

bool flow_moves(const Piece *p, int64_t element) { return !p->moves || p->moves[element]; }

static bool apart(const Flow *w, const Piece *a, const Piece *b) {
  if (a->slot != b->slot) return true;
  for (int64_t e = 0; e < flow_count(w, a->slot); e++)
    if (flow_moves(a, e) && flow_moves(b, e)) return false;
  return true;
}

bool flow_conjugate(const Piece *a, const Piece *b) {
  if (a->slot + b->slot != 1 || !a->element != !b->element || !type_same_dims(a->type, b->type)) return false;
  return !a->element || !memcmp(a->element, b->element, sizeof *a->element * (size_t)type_count(a->type));
}

/* ---- values ---------------------------------------------------------------------------------------------- */

Val flow_flat(Build *b, const Val *v, uint32_t n) {
  Val part[FLOW_STATES];
  for (uint32_t k = 0; k < n; k++) {
    uint32_t count = (uint32_t)type_count(ir_type(b->f, v[k]));
    part[k] = ir_reshape(b, v[k], 1, &count);
  }
  return n == 1 ? part[0] : ir_concat(b, part, n, 0);
}

Val flow_where(Build *b, Type t, const bool *holds) {
  const int64_t n = type_count(t);
  double *one = base_zeroed((size_t)n + 1, sizeof *one);
  t.lane = 0;
  for (int64_t e = 0; e < n; e++) one[e] = holds[e];
  Val zero = ir_const(b, 0), where = ir_lt(b, zero, t.rank ? ir_table(b, t, one) : ir_const(b, one[0]));
  base_free(one);
  return where;
}

/* Elements start, start + step, ... */
static bool even(const uint32_t *element, uint32_t n, uint32_t *step) {
  *step = n > 1 ? element[1] - element[0] : 1;
  for (uint32_t k = 1; k < n; k++)
    if (element[k] <= element[k - 1] || element[k] - element[k - 1] != *step) return false;
  return true;
}

/* Rows start ... start + n - 1 of the first axis, all of each. */
static bool rows(Type state, const Piece *p, uint32_t *start, uint32_t *n) {
  uint32_t step, count = (uint32_t)type_count(p->type), row = state.rank ? (uint32_t)(type_count(state) / state.dim[0]) : 1;
  *start = p->element[0] / row, *n = count / row;
  return p->element[0] % row == 0 && count % row == 0 && even(p->element, count, &step) && step == 1;
}

Val flow_get(Build *b, Val state, const Piece *p) {
  uint32_t n = (uint32_t)type_count(p->type), step, start, m;
  if (!p->element) return state;
  Val v;
  if (rows(ir_type(b->f, state), p, &start, &m)) v = ir_slice(b, state, 0, start, m, 1);
  else if (even(p->element, n, &step)) v = ir_slice(b, flow_flat(b, &state, 1), 0, p->element[0], n, step);
  else v = ir_take(b, flow_flat(b, &state, 1), 0, p->element, n);
  return ir_reshape(b, v, p->type.rank, p->type.dim);
}

/* `v` in place of rows of `old`. */
static Val put_rows(Build *b, Val old, Val v, uint32_t start, uint32_t n) {
  Val part[3];
  uint32_t total = ir_type(b->f, old).dim[0], m = 0;
  if (start) part[m++] = ir_slice(b, old, 0, 0, start, 1);
  part[m++] = v;
  if (start + n < total) part[m++] = ir_slice(b, old, 0, start + n, total - start - n, 1);
  return ir_concat(b, part, m, 0);
}

Val flow_put(Build *b, Val old, const Piece *p, Val v) {
  Type t = ir_type(b->f, old);
  uint32_t total = (uint32_t)type_count(t), n = (uint32_t)type_count(p->type), start, m;
  if (!p->element) return v;
  if (rows(t, p, &start, &m)) {
    t.dim[0] = m;
    return put_rows(b, old, ir_reshape(b, v, t.rank, t.dim), start, m);
  }
  uint32_t *from = base_realloc(NULL, sizeof *from * total);
  Val both[2];
  both[0] = flow_flat(b, &old, 1);
  both[1] = flow_flat(b, &v, 1);
  for (uint32_t e = 0; e < total; e++) from[e] = e;
  for (uint32_t k = 0; k < n; k++) from[p->element[k]] = total + k;
  Val r = ir_reshape(b, ir_take(b, ir_concat(b, both, 2, 0), 0, from, total), t.rank, t.dim);
  base_free(from);
  return r;
}

/* ---- how it is written ------------------------------------------------------------------------------------ */

bool flow_slot(Elab *E, const char *name, uint32_t *slot) {
  const Flow *w = E->now->flow;
  Entry *e = frame_find(E->now->frame, name);
  for (*slot = 0; *slot < w->n; ++*slot)
    if (e == &w->frame->entries.at[w->slot[*slot].entry]) return true;
  return false;
}

static const char *states_text(Elab *E) {
  const char *s = "";
  for (uint32_t k = 0; k < E->now->flow->n; k++)
    s = arena_printf(E->mem, "%s%s`%s`", s, k == 0 ? "" : k + 1 == E->now->flow->n ? " and " : ", ", E->now->flow->slot[k].name);
  return s;
}

static bool no_state(Elab *E, const Expr *e) {
  DiagMsg *m = elab_error(E, CODE_flow_state, e->at, "a step of a flow must move a state: %s, or a part of one", states_text(E));
  if (e->kind == EX_NAME) elab_help(m, "use `let` or `var` for other values");
  return false;
}

static Value numbers(Elab *E, Type t) {
  uint32_t n = (uint32_t)type_count(t);
  Num *at = ARENA_ARRAY(E->mem, Num, n + 1);
  for (uint32_t k = 0; k < n; k++) at[k] = num_ratio(k, 1);
  return value_array(E, t.rank, t.dim, at);
}

static bool twice(Elab *E, const Expr *e, Type state, uint32_t element) {
  DiagMsg *m = elab_error(E, CODE_index, e->args->value->at, "element %u of `%s` is named twice", element, e->a->name);
  if (state.rank == 1) elab_help(m, "numbers are indices; for a mask, use truth values: `x[mask == 1]`");
  return false;
}

static bool by_elements(Elab *E, const Expr *e, Type state, Piece *p) {
  Value v = elab_index_of(E, numbers(E, state), e);
  if (v.kind == V_POISON) return false;
  if (!value_static(v)) {
    elab_error(E, CODE_not_constant, e->args->value->at, "the elements that a step moves must be known at compile time, found %s",
               value_text(E, v));
    return false;
  }
  value_type(v, &p->type);
  uint32_t n = (uint32_t)type_count(p->type);
  uint32_t *element = ARENA_ARRAY(E->mem, uint32_t, n + 1);
  bool *moves = ARENA_ARRAY(E->mem, bool, type_count(state) + 1), named = type_same_dims(p->type, state);
  for (uint32_t k = 0; k < n; k++) {
    element[k] = (uint32_t)(v.kind == V_NUM ? v.num : v.array->at[k]).v;
    if (moves[element[k]]) return twice(E, e, state, element[k]);
    moves[element[k]] = true;
  }
  p->type.lane = state.lane;
  for (uint32_t k = 0; k < n; k++) named &= element[k] == k;
  if (named) return true; /* x[:] */
  p->element = element;
  p->moves = moves;
  return true;
}

/* What v is computed from, by id. False: of inputs or draws, too. */
static bool constant_cone(const Fn *f, Val v, bool *need) {
  need[v.id] = true;
  for (uint32_t id = v.id; id > 0; id--) {
    const Inst *i = &f->inst.at[id];
    if (!need[id]) continue;
    if ((i->nargs == 0 && !ir_literal(i->op)) || i->sub) return false;
    for (uint32_t k = 0; k < i->nargs; k++) need[ir_arg(f, i, k).id] = true;
  }
  return true;
}

/* The numbers of a tensor that is computed of constants alone, as exact elaboration leaves them; v itself if it is none. */
static Value settled(Elab *E, Value v, Span at) {
  if (v.kind != V_TENSOR) return v;
  const Fn *f = v.t.level->fn;
  bool *need = base_zeroed(f->inst.n, sizeof *need);
  if (constant_cone(f, v.t.v, need)) {
    Scratch s;
    scratch_begin(E, &s);
    Val *map = base_zeroed(f->inst.n, sizeof *map);
    for (uint32_t id = 1; id <= v.t.v.id; id++)
      if (need[id]) map[id] = ir_copy_inst(elab_at(E, at), f, (Val){id}, map);
    v = scratch_end(E, &s, elab_value(E, map[v.t.v.id]), at);
    base_free(map);
  }
  base_free(need);
  return v;
}

/* Whether the subscript is a mask of a state of this type; then *moves. */
static bool mask_of(Elab *E, const Expr *sub, Type state, Value v, const bool **moves, bool *failed) {
  const Array *a = v.kind == V_ARRAY ? v.array : NULL;
  Type t;
  if (!a || !value_type(v, &t) || !type_same_dims(t, state) || !(a->truth || state.rank > 1)) return false;
  bool *m = ARENA_ARRAY(E->mem, bool, a->n + 1), any = false;
  for (uint32_t k = 0; k < a->n && !*failed; k++) {
    m[k] = a->at[k].v != 0;
    any |= m[k];
    *failed = m[k] && a->at[k].v != 1;
    if (*failed) elab_error(E, CODE_index, sub->at, "the elements of a mask must be 0 or 1, found %g", a->at[k].v);
  }
  if (!any && !*failed) elab_error(E, CODE_index, sub->at, "this mask selects no element: nothing is moved"), *failed = true;
  *moves = m;
  return true;
}

static bool by_subscript(Elab *E, const Expr *e, Type state, Piece *p) {
  const Expr *sub = e->nargs == 1 ? e->args->value : NULL;
  bool failed = false;
  Context c;
  context_push(E, &c);
  c.exact = false; /* which elements move is no matter of rounding */
  if (sub && sub->kind != EX_RANGE) {
    Value v = elab_expr(E, sub);
    if (v.kind != V_POISON) v = settled(E, v, sub->at);
    failed = v.kind == V_POISON;
    p->masked = !failed && mask_of(E, sub, state, v, &p->moves, &failed);
  }
  if (!failed && !p->masked) failed = !by_elements(E, e, state, p);
  context_pop(E, &c);
  return !failed;
}

bool flow_piece(Elab *E, const Expr *e, Piece *p) {
  const Expr *name = e->kind == EX_INDEX ? e->a : e;
  *p = (Piece){0};
  if (name->kind != EX_NAME || !flow_slot(E, name->name, &p->slot)) return no_state(E, e);
  p->type = E->now->flow->slot[p->slot].type;
  return e->kind == EX_NAME || by_subscript(E, e, p->type, p);
}

bool flow_pieces(Elab *E, const Stmt *s, const Arg *args, uint32_t n, Piece *piece, uint32_t *npiece) {
  if (n > FLOW_STATES || n == 0) {
    elab_error(E, CODE_flow_state, s->at, "a flow needs from 1 to %d states, found %u", FLOW_STATES, n);
    return false;
  }
  for (const Arg *a = args; a; a = a->next) {
    if (a->name) {
      elab_error(E, CODE_flow_state, a->name_at, "pass the states of a flow by position, not by name");
      return false;
    }
    if (!flow_piece(E, a->value, &piece[*npiece])) return false;
    if (piece[*npiece].masked) {
      elab_help(elab_error(E, CODE_flow_state, a->value->at, "a mask cannot be passed to another flow"),
                "write a list of indices: `T(x[[0, 2, 4]])`");
      return false;
    }
    for (uint32_t k = 0; k < *npiece; k++)
      if (!apart(E->now->flow, &piece[k], &piece[*npiece])) {
        elab_error(E, CODE_flow_state, a->value->at, "a state cannot be passed twice");
        return false;
      }
    ++*npiece;
  }
  return true;
}
