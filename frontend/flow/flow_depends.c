/* Whether a step depends on what it moves, where it does read it: the gradient of H = T(p) + V(q) by q does
 * not change with p. Its expressions are compared with themselves at other values of the moved elements. */
#include "frontend/claims/claims.h"
#include "frontend/flow/flow_priv.h"

#include <stdlib.h>
#include <string.h>

typedef struct Copy {
  Flow *w;
  Build b;
  Cone cone;
  const Piece *piece;
  uint32_t n;
  Val *map; /* by id of the recording */
} Copy;

static Val input(Copy *c, Type t) { return ir_input(&c->b, NULL, IN_OTHER, c->b.f->in.n, t); }

/* The state as it was read: with elements of its own where it has moved since. */
static Val read_as(Copy *c, const Reading *r, Val state, Val other) {
  bool *moved = flow_moved(c->w, r, c->piece, c->n);
  Val where = flow_where(&c->b, ir_type(c->b.f, state), moved);
  base_free(moved);
  return ir_select(&c->b, where, other, state);
}

static void emit(Copy *c, const Val *state, bool other, const Val *root, uint32_t nroot) {
  const Fn *f = c->w->level.fn;
  for (uint32_t j = 0; j < c->cone.ids.n; j++) {
    Val v = {c->cone.ids.at[j]};
    const Reading *r = flow_reading(c->w, v);
    const Inst *i = ir_inst(f, v);
    if (r && r->slot < FLOW_STATES) {
      Val own = input(c, i->type);
      c->map[v.id] = ir_id(&c->b, other ? read_as(c, r, state[r->slot], own) : state[r->slot]);
    } else if (r || i->op == OP_in) {
      c->map[v.id] = input(c, i->type);
    } else {
      c->map[v.id] = ir_copy_inst(&c->b, f, v, c->map);
    }
  }
  for (uint32_t k = 0; k < nroot; k++) ir_output(&c->b, c->map[root[k].id], NULL);
}

static Fn *made(Copy *c, bool other, const Val *root, uint32_t nroot) {
  Val state[FLOW_STATES];
  Fn *g = ir_fn_create("step", FN_EXACT);
  ir_build_init(&c->b, g);
  c->b.number = false;
  for (uint32_t k = 0; k < c->w->n; k++) state[k] = input(c, c->w->slot[k].type);
  emit(c, state, other, root, nroot);
  ir_build_finish(&c->b);
  return g;
}

Fn *flow_function(Flow *w, const Val *root, uint32_t n) {
  Copy c = {.w = w};
  flow_cone(w, root, n, &c.cone);
  c.map = base_zeroed(w->level.fn->inst.n, sizeof *c.map);
  Fn *f = made(&c, false, root, n);
  base_free(c.map);
  vec_free(&c.cone.ids);
  return f;
}

bool flow_depends(Elab *E, Flow *w, const Val *root, uint32_t nroot, const Piece *piece, uint32_t n) {
  Copy c = {.w = w, .piece = piece, .n = n};
  FieldReport r;
  if (!E->o->decide) return true;
  flow_cone(w, root, nroot, &c.cone);
  c.map = base_zeroed(w->level.fn->inst.n, sizeof *c.map);
  Fn *here = made(&c, false, root, nroot), *there = made(&c, true, root, nroot);
  bool depends = claim_decide(E, here, there, &r) != FIELD_EQUAL;
  ir_fn_destroy(here);
  ir_fn_destroy(there);
  base_free(c.map);
  vec_free(&c.cone.ids);
  return depends;
}
