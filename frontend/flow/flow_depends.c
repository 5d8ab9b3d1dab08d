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
  Val *input;                                 /* by id of the recording: of its inputs */
  Val state[FLOW_STATES], other[FLOW_STATES]; /* inputs for the readings; for those of the moved elements */
} Copy;

static Val input(Copy *c, Type t) { return ir_input(&c->b, NULL, IN_OTHER, c->b.f->in.n, t); }

/* The slot's value with the elements of the pieces taken from `other`. */
static Val changed(Copy *c, uint32_t slot, const Piece *piece, uint32_t n) {
  Val v = c->state[slot];
  for (uint32_t k = 0; k < n; k++) {
    const Piece *p = &piece[k];
    if (p->slot != slot) continue;
    v = piece_put(&c->b, v, p, p->n ? ir_slice(&c->b, c->other[slot], 0, p->start, p->n, 1) : c->other[slot]);
  }
  return v;
}

static void emit(Copy *c, const Val *reading, const Val *root, uint32_t nroot) {
  const Fn *f = c->w->level.fn;
  Val *map = base_realloc(NULL, sizeof *map * f->inst.n);
  for (uint32_t j = 0; j < c->cone.ids.n; j++) {
    Val v = {c->cone.ids.at[j]};
    const Reading *r = flow_reading(c->w, v);
    if (r && r->slot < FLOW_STATES) map[v.id] = ir_id(&c->b, reading[r->slot]);
    else if (r || ir_inst(f, v)->op == OP_in) map[v.id] = c->input[v.id];
    else map[v.id] = ir_copy_inst(&c->b, f, v, map);
  }
  for (uint32_t k = 0; k < nroot; k++) ir_output(&c->b, map[root[k].id], NULL);
  base_free(map);
}

static Fn *made(Copy *c, bool other, const Val *root, uint32_t nroot, const Piece *piece, uint32_t n) {
  const Fn *f = c->w->level.fn;
  Val reading[FLOW_STATES];
  Fn *g = ir_fn_create("step", FN_EXACT);
  ir_build_init(&c->b, g);
  c->b.number = false;
  for (uint32_t k = 0; k < c->w->n; k++) c->state[k] = input(c, c->w->slot[k].type), c->other[k] = input(c, c->w->slot[k].type);
  for (uint32_t j = 0; j < c->cone.ids.n; j++) {
    uint32_t id = c->cone.ids.at[j];
    const Reading *r = flow_reading(c->w, (Val){id});
    if ((r && r->slot >= FLOW_STATES) || (!r && f->inst.at[id].op == OP_in)) c->input[id] = input(c, f->inst.at[id].type);
  }
  for (uint32_t k = 0; k < c->w->n; k++) reading[k] = other ? changed(c, k, piece, n) : c->state[k];
  emit(c, reading, root, nroot);
  ir_build_finish(&c->b);
  return g;
}

bool flow_depends(Elab *E, Flow *w, const Val *root, uint32_t nroot, const Piece *piece, uint32_t n) {
  Copy c = {.w = w};
  FieldReport r;
  if (!E->o->decide) return true;
  flow_cone(w, root, nroot, &c.cone);
  c.input = base_realloc(NULL, sizeof *c.input * w->level.fn->inst.n);
  Fn *here = made(&c, false, root, nroot, piece, n), *there = made(&c, true, root, nroot, piece, n);
  bool depends = claim_decide(E, here, there, &r) != FIELD_EQUAL;
  ir_fn_destroy(here);
  ir_fn_destroy(there);
  base_free(c.input);
  vec_free(&c.cone.ids);
  return depends;
}
