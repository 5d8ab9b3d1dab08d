/* Derivatives. They are taken of the graph between two values, so the variable is a value that the
 * expression was computed from: a name, or a fresh identity that the functionals make of their
 * arguments. */
#include "frontend/builtin/builtin_priv.h"
#include "frontend/builtin/deriv_priv.h"

#include <stdlib.h>
#include <string.h>

/* ---- the arguments of grad, jac, hess, div ------------------------------------------------------------ */

static bool differentiable(Elab *E, const Actual *a, Value v, const char *who, const char *which) {
  if (value_numeric(v)) return true;
  DiagMsg *m = elab_error(E, CODE_wrong_kind, a->at, "%s of `%s` must be a tensor, found %s", which, who, value_text(E, v));
  if (v.kind == V_FUNC)
    elab_help(m, "`%s` takes values: `%s(%s(x), x)`; for functions, use `jacobian(f)(x)`, `hessian(f)(x)`, `field(H)(q, p)`", who,
              who, v.func->name);
  return false;
}

static const char *shown(Elab *E, const Actual *a, const char *otherwise) {
  return a->e && a->e->kind == EX_NAME ? arena_printf(E->mem, "`%s`", a->e->name) : otherwise;
}

static bool through(Elab *E, const Actual *e, Val ve, Val vx) {
  bool *from = base_realloc(NULL, E->now->level->fn->inst.n);
  memset(from, 0, E->now->level->fn->inst.n);
  from[vx.id] = true;
  const char *what = elab_no_derivative(E->now->level->fn, ve, from);
  base_free(from);
  if (!what) return false;
  elab_help(elab_error(E, CODE_no_derivative, e->at, "this derivative goes through %s", what),
            "the states of `trajectory` and `integrate` have derivatives, with adaptive methods and with fixed steps");
  return true;
}

/* k: which of a tuple of variables. */
static bool depends(Elab *E, const Actual *e, Val ve, const Actual *x, Val vx, uint32_t k) {
  if (elab_reaches(E->now->level->fn, ve, vx)) return !through(E, e, ve, vx);
  const Expr *name = x->e;
  if (name && name->kind == EX_TUPLE) {
    const Arg *part = name->args;
    for (uint32_t i = 0; part && i < k; i++) part = part->next;
    name = part ? part->value : NULL;
  }
  if (elab_names(E, e->e, ve, name, vx)) return true;
  const char *whole = x->v.kind == V_TUPLE ? arena_printf(E->mem, "component %u of this tuple", k) : NULL;
  DiagMsg *m = elab_error(E, CODE_independent, x->at, "%s does not depend on %s", shown(E, e, "the expression"),
                          whole ? whole : shown(E, x, "this value"));
  elab_label(m, e->at, "computed here");
  if (x->e && x->e->kind != EX_NAME && x->e->kind != EX_TUPLE)
    elab_help(m, "this makes a new value: name it with `let`, and compute from that name");
  return false;
}

/* One variable of the derivative as a value of the innermost level. */
static bool variable(Elab *E, const Actual *e, Val ve, const Actual *x, Value v, uint32_t k, const char *who, Val *out) {
  if (!differentiable(E, x, v, who, "the variable")) return false;
  if (v.kind != V_TENSOR) {
    elab_help(
        elab_error(E, CODE_independent, x->at, "%s is known at compile time: it is not a variable", shown(E, x, "this value")),
        "differentiate with respect to arguments, parameters or draws");
    return false;
  }
  *out = elab_use(E, v);
  return depends(E, e, ve, x, *out, k);
}

/* e as one value (its parts flattened and joined), and the parts of x. */
typedef struct By {
  Val e;
  Type te;
  Val x[64];
  uint32_t n;
} By;

Val deriv_flat(Elab *E, Val v, Span at) {
  uint32_t n = (uint32_t)type_count(elab_type(E, v));
  return ir_reshape(elab_at(E, at), v, 1, &n);
}

bool deriv_whole(Elab *E, const Actual *a, const char *who, Val *out) {
  if (a->v.kind != V_TUPLE) {
    if (!differentiable(E, a, a->v, who, "the first argument")) return false;
    return *out = elab_tensor(E, a->v, a->at), true;
  }
  Val *part = ARENA_ARRAY(E->mem, Val, a->v.list.n + 1);
  for (uint32_t i = 0; i < a->v.list.n; i++) {
    if (!differentiable(E, a, a->v.list.at[i], who, "the first argument")) return false;
    part[i] = deriv_flat(E, elab_tensor(E, a->v.list.at[i], a->at), a->at);
  }
  *out = ir_concat(elab_at(E, a->at), part, a->v.list.n, 0);
  return true;
}

static bool prepare(Elab *E, const char *who, Actuals *a, By *w) {
  const Actual *e = &a->at[0], *x = &a->at[1];
  if (!deriv_whole(E, e, who, &w->e)) return false;
  w->te = elab_type(E, w->e);
  w->n = x->v.kind == V_TUPLE ? x->v.list.n : 1;
  if (w->n > 64) {
    elab_error(E, CODE_too_large, x->at, "a derivative takes at most 64 variables, found %u", w->n);
    return false;
  }
  bool good = true;
  for (uint32_t k = 0; k < w->n; k++)
    good &= variable(E, e, w->e, x, x->v.kind == V_TUPLE ? x->v.list.at[k] : x->v, k, who, &w->x[k]);
  elab_at(E, a->call);
  return good;
}

static bool scalar(Elab *E, const Actual *a, Type t, const char *who, const char *other) {
  if (t.rank == 0) return true;
  DiagMsg *m = elab_error(E, CODE_not_scalar, a->at, "`%s` needs a scalar expression, found %s", who, value_text(E, a->v));
  if (t.rank == 1 && t.dim[0] == 1) elab_help(m, "`[0]` takes the element of a real[1]");
  else elab_help(m, "%s", other);
  return false;
}

Value bi_grad(Elab *E, const Builtin *b, Actuals *a) {
  By w;
  Value out[64];
  if (!prepare(E, b->name, a, &w) || !scalar(E, &a->at[0], w.te, b->name, "`jac` returns the matrix of derivatives")) return POISON;
  for (uint32_t k = 0; k < w.n; k++) out[k] = elab_value(E, ir_grad(elab_at(E, a->call), w.e, w.x[k]));
  return value_tuple(E, out, w.n);
}

/* d e/d x, with the axes of each x flattened into one when there are several. */
static Val jacobian(Elab *E, Span at, Val e, const Val *x, uint32_t n, bool *good) {
  Type te = elab_type(E, e);
  Val part[64];
  for (uint32_t k = 0; k < n; k++) {
    Type tx = elab_type(E, x[k]);
    if (te.rank + (n > 1 ? 1 : tx.rank) > IR_MAX_RANK || te.rank + tx.rank > IR_MAX_RANK) {
      elab_error(E, CODE_too_large, at, "this derivative would have more than %d axes", IR_MAX_RANK);
      *good = false;
      return e;
    }
    if (!elab_fits(E, type_count(te) * type_count(tx), at)) return *good = false, e;
    Build *b = elab_at(E, at);
    part[k] = te.rank ? ir_jac(b, e, x[k]) : ir_grad(b, e, x[k]);
    if (n == 1) return part[k];
    uint32_t dim[IR_MAX_RANK];
    memcpy(dim, te.dim, sizeof dim);
    dim[te.rank] = (uint32_t)type_count(tx);
    part[k] = ir_reshape(b, part[k], te.rank + 1, dim);
  }
  return ir_concat(elab_at(E, at), part, n, te.rank);
}

Value bi_jac(Elab *E, const Builtin *b, Actuals *a) {
  By w;
  bool good = true;
  if (!prepare(E, b->name, a, &w)) return POISON;
  Val j = jacobian(E, a->call, w.e, w.x, w.n, &good);
  return good ? elab_value(E, j) : POISON;
}

Value bi_hess(Elab *E, const Builtin *b, Actuals *a) {
  By w;
  bool good = true;
  if (!prepare(E, b->name, a, &w) ||
      !scalar(E, &a->at[0], w.te, b->name, "the second derivatives of a tensor are `jac(jac(e, x), x)`"))
    return POISON;
  Val g = jacobian(E, a->call, w.e, w.x, w.n, &good);
  if (!good) return POISON;
  for (uint32_t k = 0; k < w.n; k++)
    if (!elab_reaches(E->now->level->fn, g, w.x[k])) return POISON;
  Val h = jacobian(E, a->call, g, w.x, w.n, &good);
  return good ? elab_value(E, h) : POISON;
}

/* The part of e that belongs to x[k]: e itself, or a run of the flattened e in the shape of x[k]. */
static Val share(Elab *E, const By *w, uint32_t k, uint32_t from, Span at) {
  if (w->n == 1) return w->e;
  Type tx = elab_type(E, w->x[k]);
  Build *b = elab_at(E, at);
  Val part = ir_slice(b, w->e, 0, from, (uint32_t)type_count(tx), 1);
  return ir_reshape(b, part, tx.rank, tx.dim);
}

Value bi_div(Elab *E, const Builtin *b, Actuals *a) {
  By w;
  if (!prepare(E, b->name, a, &w)) return POISON;
  int64_t total = 0;
  for (uint32_t k = 0; k < w.n; k++) total += type_count(elab_type(E, w.x[k]));
  bool match = w.n == 1 ? type_same_dims(w.te, elab_type(E, w.x[0])) : w.te.rank == 1 && type_count(w.te) == total;
  if (!match) {
    DiagMsg *m = elab_error(E, CODE_wrong_shape, a->call, "`div` needs one component for each of the %lld variables, found %s",
                            (long long)total, value_text(E, a->at[0].v));
    elab_label(m, a->at[1].at, "%lld variables", (long long)total);
    return POISON;
  }
  Val sum = VAL_NONE;
  uint32_t from = 0;
  for (uint32_t k = 0; k < w.n; k++) {
    Val d = ir_divergence(elab_at(E, a->call), share(E, &w, k, from, a->call), w.x[k]);
    sum = sum.id ? ir_add(elab_at(E, a->call), sum, d) : d;
    from += (uint32_t)type_count(elab_type(E, w.x[k]));
  }
  return elab_value(E, sum);
}

/* ---- functions of functions ---------------------------------------------------------------------------- */

Value bi_functional(Elab *E, const Builtin *b, Actuals *a) {
  Func *f = ARENA_NEW(E->mem, Func);
  *f = (Func){.kind = (FuncKind)b->op, .name = b->name};
  for (uint32_t i = 0; i < a->n; i++) {
    if (a->at[i].v.kind != V_FUNC || a->at[i].v.func->kind == F_METHOD || a->at[i].v.func->kind == F_OPTION) {
      DiagMsg *m =
          elab_error(E, CODE_wrong_kind, a->at[i].at, "`%s` takes functions, found %s", b->name, value_kind(E, a->at[i].v));
      if (f->kind == F_NONZEROS) elab_help(m, "write `nonzeros(jacobian(f))(x, ...)`: the point comes last");
      if (f->kind == F_FIELD) elab_help(m, "write `field(H)(q, p)`: first the Hamiltonian, then its arguments");
      return POISON;
    }
    f->of[i] = a->at[i].v.func;
  }
  if (f->kind == F_NONZEROS && f->of[0]->kind != F_JACOBIAN && f->of[0]->kind != F_HESSIAN) {
    DiagMsg *m = elab_error(E, CODE_wrong_kind, a->at[0].at, "`nonzeros` takes a matrix of derivatives, found the function `%s`",
                            f->of[0]->name);
    elab_help(m, "write `nonzeros(jacobian(%s))(x, ...)`, or use `hessian(%s)`", f->of[0]->name, f->of[0]->name);
    return POISON;
  }
  return value_func(f);
}

bool deriv_fresh(Elab *E, const Func *f, const Actuals *a, uint32_t n, Actuals *out, Val *x) {
  *out = *a;
  out->at = ARENA_ARRAY(E->mem, Actual, a->n + 1);
  for (uint32_t i = 0; i < a->n; i++) {
    out->at[i] = a->at[i];
    if (i >= n) continue;
    if (!value_numeric(a->at[i].v)) {
      elab_error(E, CODE_wrong_kind, a->at[i].at, "`%s` needs tensors, found %s", f->name, value_text(E, a->at[i].v));
      return false;
    }
    Val v = elab_tensor(E, a->at[i].v, a->at[i].at);
    if (elab_lane(E)) v = ir_spread(elab_at(E, a->at[i].at), v);
    x[i] = ir_id(elab_at(E, a->at[i].at), v);
    out->at[i].v = elab_value(E, x[i]);
  }
  return true;
}

static bool conjugate(Elab *E, const Func *f, const Actuals *a) {
  Type q, p;
  if (a->n < 2) {
    elab_error(E, CODE_argument_count, a->call, "`%s` needs q and p, found %u argument%s", f->name, a->n, a->n == 1 ? "" : "s");
    return false;
  }
  for (uint32_t i = 0; i < a->n; i++)
    if (a->at[i].v.kind == V_POISON) return false;
  if (!value_type(a->at[0].v, &q) || !value_type(a->at[1].v, &p) || type_same_dims(q, p)) return true;
  const char *tq = value_text(E, a->at[0].v), *tp = value_text(E, a->at[1].v);
  DiagMsg *m =
      elab_error(E, CODE_shape_mismatch, a->call, "`%s` needs q and p of the same shape, found %s and %s", f->name, tq, tp);
  elab_label(m, a->at[0].at, "%s", tq);
  elab_label(m, a->at[1].at, "%s", tp);
  return false;
}

Val deriv_zeros(Elab *E, Type t, Span at) {
  Val v = ir_const(elab_at(E, at), 0);
  t.lane = 0;
  if (t.rank) v = ir_expand_to(elab_at(E, at), v, t);
  return elab_lane(E) ? ir_spread(elab_at(E, at), v) : v;
}

static Val slope(Elab *E, Val e, Val x, Span at) {
  if (!elab_reaches(E->now->level->fn, e, x)) return deriv_zeros(E, elab_type(E, x), at);
  return ir_grad(elab_at(E, at), e, x);
}

/* (dH/dp, -dH/dq) */
static Value vector_field(Elab *E, const Func *f, const Actuals *a) {
  Val x[2];
  Actuals in;
  Type t;
  if (!deriv_fresh(E, f, a, 2, &in, x)) return POISON;
  Value e = elab_apply(E, f->of[0], &in);
  if (e.kind == V_POISON) return e;
  if (!value_numeric(e) || !value_type(e, &t) || t.rank) {
    DiagMsg *m = elab_error(E, CODE_not_scalar, a->callee, "`field` needs a scalar function, but `%s` returns %s", f->of[0]->name,
                            value_text(E, e));
    if (e.kind == V_TUPLE) elab_help(m, "for a function that returns rates, use `integrate`, or `evolve` with `along`");
    if (value_type(e, &t) && t.rank == 1 && t.dim[0] == 1) elab_help(m, "`[0]` takes the element of a real[1]");
    return POISON;
  }
  Val ve = elab_tensor(E, e, a->call);
  Val dp = slope(E, ve, x[1], a->call), dq = slope(E, ve, x[0], a->call);
  Value out[2] = {elab_value(E, dp), elab_value(E, ir_neg(elab_at(E, a->call), dq))};
  return value_tuple(E, out, 2);
}

/* sum over the axes of q: dF/dx dG/dy; VAL_NONE where one of them does not depend. */
static Val bracket_half(Elab *E, Val f, Val x, Val g, Val y, uint32_t nq, Span at) {
  int la[IR_MAX_RANK], lb[IR_MAX_RANK], lo[2 * IR_MAX_RANK], no = 0, label = 0;
  if (!elab_reaches(E->now->level->fn, f, x) || !elab_reaches(E->now->level->fn, g, y)) return VAL_NONE;
  Type tf = elab_type(E, f), tg = elab_type(E, g);
  Build *b = elab_at(E, at);
  Val df = tf.rank ? ir_jac(b, f, x) : ir_grad(b, f, x), dg = tg.rank ? ir_jac(b, g, y) : ir_grad(b, g, y);
  for (int k = 0; k < tf.rank; k++) lo[no++] = la[k] = label++;
  for (int k = 0; k < tg.rank; k++) lo[no++] = lb[k] = label++;
  for (uint32_t k = 0; k < nq; k++) la[tf.rank + k] = lb[tg.rank + k] = label++;
  if (nq == 0) {
    if (tf.rank || tg.rank) {
      Val args[2] = {df, dg};
      return ir_dot(b, args[0], args[1], false, la, lb, no, lo);
    }
    return ir_mul(b, df, dg);
  }
  return ir_dot(b, df, dg, false, la, lb, no, lo);
}

static bool bracket_part(Elab *E, const Func *f, Value v, const Actuals *a, Val *out) {
  if (v.kind == V_POISON) return false;
  if (!value_numeric(v)) {
    DiagMsg *m = elab_error(E, CODE_wrong_kind, a->callee, "`poisson` needs functions that return tensors, but `%s` returns %s",
                            f->name, value_text(E, v));
    if (v.kind == V_TUPLE) elab_help(m, "take a part of it: `fn Q(q, p) = %s(q, p)[0]`", f->name);
    return false;
  }
  *out = elab_tensor(E, v, a->call);
  return true;
}

static Value poisson_apply(Elab *E, const Func *f, const Actuals *a) {
  Val x[2], vf, vg;
  Actuals in;
  if (!deriv_fresh(E, f, a, 2, &in, x)) return POISON;
  Value F = elab_apply(E, f->of[0], &in), G = elab_apply(E, f->of[1], &in);
  if (!bracket_part(E, f->of[0], F, a, &vf) || !bracket_part(E, f->of[1], G, a, &vg)) return POISON;
  Type t = elab_type(E, vf), tg = elab_type(E, vg), tq = elab_type(E, x[0]);
  if (t.rank + tg.rank > IR_MAX_RANK || t.rank + tq.rank > IR_MAX_RANK || tg.rank + tq.rank > IR_MAX_RANK) {
    elab_error(E, CODE_too_large, a->callee, "this bracket would have more than %d axes", IR_MAX_RANK);
    return POISON;
  }
  int64_t nf = type_count(t), ng = type_count(tg), nq = type_count(tq);
  if (!elab_fits(E, nf * ng, a->call) || !elab_fits(E, nf * nq, a->call) || !elab_fits(E, ng * nq, a->call)) return POISON;
  Val plus = bracket_half(E, vf, x[0], vg, x[1], tq.rank, a->call), minus = bracket_half(E, vf, x[1], vg, x[0], tq.rank, a->call);
  Build *b = elab_at(E, a->call);
  for (int k = 0; k < tg.rank; k++) t.dim[t.rank++] = tg.dim[k];
  if (!plus.id && !minus.id) return elab_value(E, deriv_zeros(E, t, a->call));
  if (!minus.id) return elab_value(E, plus);
  return elab_value(E, plus.id ? ir_sub(b, plus, minus) : ir_neg(b, minus));
}

/* Of a field f on x..., l and perhaps the time: its rates, and as that of l its divergence. */
static Value spreading_apply(Elab *E, const Func *f, const Actuals *a) {
  uint32_t n = f->nstate;
  Val *x = ARENA_ARRAY(E->mem, Val, n + 1), sum = VAL_NONE;
  Value *out = ARENA_ARRAY(E->mem, Value, n + 2);
  Actuals in;
  if (a->n <= n || !deriv_fresh(E, f, a, n, &in, x)) return POISON;
  for (uint32_t k = n; k + 1 < in.n; k++) in.at[k] = in.at[k + 1];
  in.n--;
  Value r = elab_apply(E, f->of[0], &in);
  const Value *rate = r.kind == V_TUPLE ? r.list.at : &r;
  if (r.kind == V_POISON || (r.kind == V_TUPLE ? r.list.n : 1) != n) return r;
  for (uint32_t k = 0; k < n; k++) {
    Type t, tx = elab_type(E, x[k]);
    out[k] = rate[k];
    if (!value_numeric(rate[k]) || !value_type(rate[k], &t) || !type_same_dims(t, tx)) continue;
    Val e = elab_tensor(E, rate[k], a->call);
    if (!elab_reaches(E->now->level->fn, e, x[k])) continue;
    Val d = ir_divergence(elab_at(E, a->call), e, x[k]);
    sum = sum.id ? ir_add(elab_at(E, a->call), sum, d) : d;
  }
  out[n] = elab_value(E, sum.id ? sum : deriv_zeros(E, type_scalar(false), a->call));
  return value_tuple(E, out, n + 1);
}

Value deriv_apply(Elab *E, const Func *f, const Actuals *given) {
  Actuals a = actuals_spread(E, given);
  for (uint32_t i = 0; i < a.n; i++)
    if (a.at[i].v.kind == V_POISON) return POISON;
  if (f->kind == F_JACOBIAN || f->kind == F_HESSIAN || f->kind == F_NONZEROS) return matrix_apply(E, f, &a);
  if (f->kind == F_SPREADING) return spreading_apply(E, f, &a);
  if (!conjugate(E, f, &a)) return POISON;
  return f->kind == F_FIELD ? vector_field(E, f, &a) : poisson_apply(E, f, &a);
}
