/* jacobian(f)(x, ...), hessian(f)(x, ...): matrices of derivatives by the joined arguments; and nonzeros(...) of them: a
 * vector of the elements that may differ from zero, in the order of rows. Which these are must be known here, since
 * their number is a shape: pass_pattern finds it. They are taken out of the `jac` of the whole matrix,
 * which is then never made (passes/derive/jacobian.c). */
#include "frontend/builtin/builtin.h"
#include "frontend/builtin/deriv_priv.h"
#include "passes/passes.h"

#include <string.h>

static Val sized(Elab *E, Val v, uint32_t rows, uint32_t cols, Span at) {
  return ir_reshape(elab_at(E, at), v, 2, (uint32_t[]){rows, cols});
}

/* ---- jacobian: a block of columns for each argument ------------------------------------------------------ */

static Value jacobian_apply(Elab *E, const Func *f, const Actuals *a) {
  Actuals in;
  Val *x = ARENA_ARRAY(E->mem, Val, a->n + 1), *column = ARENA_ARRAY(E->mem, Val, a->n + 1), e;
  if (a->n == 0 || !deriv_fresh(E, f, a, a->n, &in, x)) return POISON;
  Actual out = {.v = elab_apply(E, f->of[0], &in), .at = a->call};
  if (out.v.kind == V_POISON || !deriv_whole(E, &out, f->name, &e)) return POISON;
  e = deriv_flat(E, e, a->call);
  uint32_t rows = elab_type(E, e).dim[0];
  for (uint32_t k = 0; k < a->n; k++) {
    Type t = elab_type(E, x[k]);
    if (t.rank == IR_MAX_RANK) {
      elab_error(E, CODE_too_large, a->at[k].at, "a tensor has at most %d axes", IR_MAX_RANK);
      return POISON;
    }
    uint32_t cols = (uint32_t)type_count(t);
    if (!elab_fits(E, (int64_t)rows * cols, a->call)) return POISON;
    column[k] = elab_reaches(E->now->level->fn, e, x[k]) ? sized(E, ir_jac(elab_at(E, a->call), e, x[k]), rows, cols, a->call)
                                                         : deriv_zeros(E, type_real(false, 2, (uint32_t[]){rows, cols}), a->call);
  }
  return elab_value(E, ir_concat(elab_at(E, a->call), column, a->n, 1));
}

/* ---- one variable for all arguments ------------------------------------------------------------------------- */

/* x: one identity; `in`: the arguments as parts of it. */
static bool join(Elab *E, const Func *f, const Actuals *a, Actuals *in, Val *x) {
  Val *part = ARENA_ARRAY(E->mem, Val, a->n + 1);
  uint32_t from = 0;
  if (a->n == 0 || !deriv_fresh(E, f, a, a->n, in, part)) return false;
  if (a->n == 1 && elab_type(E, part[0]).rank < IR_MAX_RANK) return *x = part[0], true;
  for (uint32_t k = 0; k < a->n; k++) part[k] = deriv_flat(E, part[k], a->at[k].at);
  *x = ir_id(elab_at(E, a->call), ir_concat(elab_at(E, a->call), part, a->n, 0));
  for (uint32_t k = 0; k < a->n; k++) {
    Type t = elab_type(E, elab_tensor(E, in->at[k].v, a->at[k].at));
    uint32_t n = (uint32_t)type_count(t);
    Val own = ir_slice(elab_at(E, a->at[k].at), *x, 0, from, n, 1);
    in->at[k].v = elab_value(E, ir_reshape(elab_at(E, a->at[k].at), own, t.rank, t.dim));
    from += n;
  }
  return true;
}

/* What the matrix's rows are the derivatives of: the values of f, or its gradient. */
static bool rows_of(Elab *E, const Func *f, const Actuals *a, Val *x, Val *e) {
  Actuals in;
  if (!join(E, f, a, &in, x)) return false;
  Actual out = {.v = elab_apply(E, f->of[0], &in), .at = a->call};
  if (out.v.kind == V_POISON || !deriv_whole(E, &out, f->name, e)) return false;
  if (f->kind == F_HESSIAN) {
    if (elab_type(E, *e).rank) {
      DiagMsg *m = elab_error(E, CODE_not_scalar, a->callee, "`hessian` needs a scalar function, but `%s` returns %s",
                              f->of[0]->name, value_text(E, out.v));
      elab_help(m, "`jacobian(%s)` is the matrix of its first derivatives", f->of[0]->name);
      return false;
    }
    bool reaches = elab_reaches(E->now->level->fn, *e, *x);
    *e = reaches ? ir_grad(elab_at(E, a->call), *e, *x) : deriv_zeros(E, elab_type(E, *x), a->call);
  }
  *e = deriv_flat(E, *e, a->call);
  return true;
}

static Value hessian_apply(Elab *E, const Func *f, const Actuals *a) {
  Val x, e;
  if (!rows_of(E, f, a, &x, &e)) return POISON;
  uint32_t n = elab_type(E, e).dim[0];
  if (!elab_fits(E, (int64_t)n * n, a->call)) return POISON;
  if (!elab_reaches(E->now->level->fn, e, x))
    return elab_value(E, deriv_zeros(E, type_real(false, 2, (uint32_t[]){n, n}), a->call));
  return elab_value(E, sized(E, ir_jac(elab_at(E, a->call), e, x), n, n, a->call));
}

/* ---- nonzeros -------------------------------------------------------------------------------------------------- */

static void find(Elab *E, Val e, Val x, Pattern *p) {
  uint32_t rows = elab_type(E, e).dim[0], cols = (uint32_t)type_count(elab_type(E, x));
  if (!elab_reaches(E->now->level->fn, e, x)) pattern_init(p, rows, cols, 0);
  else pass_pattern(E->o->passes, E->now->level->fn, e, x, p);
}

/* For the exports that return v: the header has the rows and columns. */
static void remember(Elab *E, Val v, const Pattern *p) {
  Pattern *kept = ARENA_NEW(E->mem, Pattern);
  *kept = (Pattern){.rows = p->rows, .cols = p->cols};
  kept->start = ARENA_ARRAY(E->mem, uint32_t, p->rows + 1);
  kept->col = ARENA_ARRAY(E->mem, uint32_t, pattern_count(p) + 1);
  memcpy(kept->start, p->start, sizeof *p->start * (p->rows + 1));
  memcpy(kept->col, p->col, sizeof *p->col * pattern_count(p));
  *vec_push(&E->now->root->sparse) = (SparseValue){E->now->level->fn, v, kept};
}

static Value nonzeros_apply(Elab *E, const Func *f, const Actuals *a) {
  Val x, e;
  Pattern p;
  if (!rows_of(E, f->of[0], a, &x, &e)) return POISON;
  int64_t rows = elab_type(E, e).dim[0], cols = type_count(elab_type(E, x));
  if (!elab_fits(E, rows * cols, a->call)) return POISON;
  find(E, e, x, &p);
  uint32_t n = pattern_count(&p), *at = ARENA_ARRAY(E->mem, uint32_t, n + 1), whole = (uint32_t)(rows * cols);
  for (uint32_t i = 0; i < p.rows; i++)
    for (uint32_t k = p.start[i]; k < p.start[i + 1]; k++) at[k] = i * p.cols + p.col[k];
  Value out = POISON;
  if (n) {
    Val flat = ir_reshape(elab_at(E, a->call), ir_jac(elab_at(E, a->call), e, x), 1, &whole);
    Val v = ir_take(elab_at(E, a->call), flat, 0, at, n);
    remember(E, v, &p);
    out = elab_value(E, v);
  } else {
    elab_error(E, CODE_independent, a->callee, "all elements of this matrix of %u rows and %u columns are zero", p.rows, p.cols);
  }
  pattern_finish(&p);
  return out;
}

Value matrix_apply(Elab *E, const Func *f, const Actuals *a) {
  if (f->kind == F_JACOBIAN) return jacobian_apply(E, f, a);
  return f->kind == F_HESSIAN ? hessian_apply(E, f, a) : nonzeros_apply(E, f, a);
}
