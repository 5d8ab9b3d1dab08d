/* prove (q: real[n], ...) a == b: both sides become functions of free inputs, in exact arithmetic, and are
 * compared. */
#include "frontend/builtin/builtin.h"
#include "frontend/claims/claims_priv.h"

#include <stdlib.h>
#include <string.h>

static bool inputs(Elab *E, const Item *it) {
  uint32_t k = 0, rank, dim[IR_MAX_RANK];
  for (const Formal *x = it->formals; x; x = x->next, k++) {
    if (!ast_type_real(x->type)) {
      elab_help(elab_error(E, CODE_prove_form, x->at, "each variable of `prove` needs a declared shape"), "`%s: real[3]`", x->name);
      return false;
    }
    if (x->init) {
      elab_error(E, CODE_prove_form, x->init->at, "`prove` is about all values of `%s`: a default has no meaning", x->name);
      return false;
    }
    if (!elab_dims(E, x->type, false, &rank, dim)) return false;
    Val v = ir_input(elab_at(E, x->at), x->name, IN_STATE, k, type_real(false, (int)rank, dim));
    frame_define(E, x->name, x->at, elab_named(E, x->name, elab_value(E, v), x->at), false);
  }
  return true;
}

enum { MOST_SIDES = 64 };

/* One pair to compare; a scalar stands for all elements. */
static bool pair(Elab *E, const Expr *e, Value a, Value b, Val *x, Val *y) {
  Type ta, tb;
  if (a.kind == V_POISON || b.kind == V_POISON) return false;
  if (!value_numeric(a) || !value_numeric(b)) {
    elab_error(E, CODE_prove_form, e->at, "`prove` compares tensors, found %s", value_kind(E, value_numeric(a) ? b : a));
    return false;
  }
  value_type(a, &ta), value_type(b, &tb);
  if (ta.dt != tb.dt || !elab_same_dims(E, ta, tb, a, b, e->a->at, e->b->at, e->op_at, "==")) {
    if (ta.dt != tb.dt) elab_error(E, CODE_prove_form, e->at, "`prove` compares %s with %s", value_text(E, a), value_text(E, b));
    return false;
  }
  *x = elab_tensor(E, a, e->a->at), *y = elab_tensor(E, b, e->b->at);
  Build *bl = elab_at(E, e->at);
  if (ta.rank && !tb.rank) *y = ir_expand_to(bl, *y, ta);
  if (tb.rank && !ta.rank) *x = ir_expand_to(bl, *x, tb);
  return true;
}

static uint32_t sides(Elab *E, const Expr *e, Val *x, Val *y) {
  Value a = elab_expr(E, e->a), b = elab_expr(E, e->b);
  if (a.kind == V_POISON || b.kind == V_POISON) return 0;
  uint32_t na = a.kind == V_TUPLE ? a.list.n : 1, nb = b.kind == V_TUPLE ? b.list.n : 1;
  if (na > MOST_SIDES || (na != nb && b.kind == V_TUPLE) || (na != nb && a.kind != V_TUPLE)) {
    elab_error(E, CODE_prove_form, e->at, "`prove` compares a tuple of %u with one of %u", na, nb);
    return 0;
  }
  for (uint32_t k = 0; k < na; k++)
    if (!pair(E, e, a.kind == V_TUPLE ? a.list.at[k] : a, b.kind == V_TUPLE ? b.list.at[k] : b, &x[k], &y[k])) return 0;
  return na;
}

static void answer(Elab *E, const Item *it, FieldAnswer a, const FieldReport *r, const Fn *left) {
  Proof p = {.text = arena_strdup(E->mem, it->text), .at = it->value->at, .stated = true, .own = true, .detail = ""};
  p.answer = claim_answer(a);
  if (a == FIELD_UNDECIDED) p.detail = arena_strdup(E->mem, r->reason);
  if (a == FIELD_DIFFERENT) {
    const char *point = claim_point(E, left, r->point);
    p.detail = arena_printf(E->mem, "%s%s%.6g on the left, %.6g on the right", point, *point ? ": " : "", r->left, r->right);
  }
  if (a == FIELD_EQUAL) p.detail = claim_certainty(E, r);
  *vec_push(&E->made.proofs) = p;
}

void prove_item(Elab *E, const Item *it) {
  Context c;
  Root root;
  Val x[MOST_SIDES], y[MOST_SIDES];
  FieldReport r;
  Fn *left = NULL;
  context_alone(E, &c, E->main);
  context_body(&c, "prove");
  root_begin(E, &root, "prove", FN_EXACT, false);
  root.no_draws = "`prove` is about all values: it cannot draw";
  c.exact = true;
  const Expr *e = it->value;
  uint32_t n = inputs(E, it) && e && e->kind == EX_BINARY ? sides(E, e, x, y) : 0;
  if (n) {
    FieldAnswer a = claim_same(E, x, y, n, false, &r, &left);
    answer(E, it, a, &r, left);
  }
  ir_fn_destroy(left);
  root_drop(E, &root);
  context_pop(E, &c);
}
