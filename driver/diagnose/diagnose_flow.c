/* `hnnc diagnose`, of flows: at a few points, that the inverse undoes the flow, and how far its Jacobian J is
 * from keeping the symplectic form, max |J'OJ - O|, where the flow has two states of one shape. */
#include "driver/diagnose/diagnose_priv.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Of all states joined: J, and from it J'OJ - O; NULL where there are no conjugate states. */
static Fn *defect_of(const Fn *f) {
  Type t[2];
  uint32_t n = 0;
  for (uint32_t k = 0; k < f->in.n; k++)
    if (f->in.at[k].kind == IN_FIELD) {
      if (n < 2) t[n] = f->in.at[k].type;
      n++;
    }
  if (n != 2 || !type_same_dims(t[0], t[1]) || f->out.n != 2) return NULL;
  Fn *g = ir_fn_create("defect", f->f64);
  Build b;
  ir_build_init(&b, g);
  b.number = false;
  Val *arg = base_zeroed(f->in.n, sizeof *arg), x[2], y[2], row[2], column[2];
  uint32_t d = (uint32_t)type_count(t[0]), dim[2] = {d, d}, i = 0;
  for (uint32_t k = 0; k < f->in.n; k++) {
    const Input *in = &f->in.at[k];
    arg[k] = ir_input(&b, in->name, in->kind, in->index, in->type);
    if (in->kind == IN_FIELD) x[i++] = arg[k] = ir_id(&b, arg[k]);
  }
  ir_inline(&b, f, arg, y);
  for (int c = 0; c < 2; c++) {
    for (int r = 0; r < 2; r++) row[r] = ir_reshape(&b, ir_jac(&b, ir_reshape(&b, y[r], 1, dim), x[c]), 2, dim);
    column[c] = ir_concat(&b, row, 2, 0);
  }
  Val j = ir_concat(&b, column, 2, 1), unit = ir_diag(&b, ir_splat(&b, 1, type_real(false, 1, dim))),
      zero = ir_mul(&b, ir_const(&b, 0), unit);
  Val form =
      ir_concat(&b, (Val[]){ir_concat(&b, (Val[]){zero, unit}, 2, 1), ir_concat(&b, (Val[]){ir_neg(&b, unit), zero}, 2, 1)}, 2, 0);
  Val jt = ir_transpose(&b, j, (int[]){1, 0});
  ir_output(&b, ir_sub(&b, ir_matmul(&b, jt, ir_matmul(&b, form, j)), ir_spread(&b, form)), NULL);
  ir_output(&b, j, NULL);
  ir_build_finish(&b);
  base_free(arg);
  return g;
}

static double largest(const Tensor *t) {
  double most = 0;
  for (int64_t e = 0; e < type_count(t->type) * (t->type.lane ? POINTS : 1); e++) {
    most = fmax(most, fabs(t->v[e]));
    if (isnan(t->v[e])) return NAN;
  }
  return most;
}

/* Evaluates a function of parameters and states; out is allocated. */
static int evaluate(Session *s, const Fn *f, const Tensor *state, Tensor *out) {
  char err[256];
  Fn *d = pass_derive(&s->passes, f, s->diag);
  if (!d) return session_render(s), EXIT_FILE;
  Tensor *in = base_zeroed(d->in.n, sizeof *in);
  for (uint32_t k = 0, i = 0; k < d->in.n; k++) {
    if (d->in.at[k].kind == IN_FIELD) in[k] = (Tensor){d->in.at[k].type, state[i++].v};
    else points_fill(s, &d->in.at[k], NULL, &in[k]);
  }
  EvalEnv env = points_environment();
  bool ok = ir_eval(d, POINTS, in, out, &env, err, sizeof err);
  for (uint32_t k = 0; k < d->in.n; k++)
    if (d->in.at[k].kind != IN_FIELD) base_free(in[k].v);
  base_free(in);
  ir_fn_destroy(d);
  return ok ? 0 : session_fail(s, EXIT_FAULT, CODE_internal, (Span){0}, "the reference evaluator: %s", err);
}

static int round_trip(Session *s, const Fn *flow, const Fn *inverse, const Tensor *x, double *worst) {
  uint32_t n = flow->out.n;
  Tensor *y = base_zeroed(n, sizeof *y), *back = base_zeroed(n, sizeof *back);
  double scale = 1e-300;
  int code = evaluate(s, flow, x, y);
  if (!code && !(code = evaluate(s, inverse, y, back))) {
    *worst = 0;
    for (uint32_t k = 0; k < n; k++) {
      scale = fmax(scale, fmax(largest(&x[k]), largest(&y[k])));
      for (int64_t e = 0; e < type_count(x[k].type) * POINTS; e++) {
        double d = fabs(back[k].v[e] - x[k].v[e]);
        *worst = d > *worst || isnan(d) ? d : *worst;
      }
    }
    *worst /= scale;
    ir_tensors_free(back, n);
  }
  if (y[0].v) ir_tensors_free(y, n);
  base_free(y);
  base_free(back);
  return code;
}

int diagnose_flow(Session *s, DiagnoseRow *row, void *ctx, const Export *flow, const Export *inverse) {
  char what[128];
  const Fn *f = flow->fn;
  Tensor x[64], out[2];
  double worst;
  uint32_t n = 0;
  for (uint32_t k = 0; k < f->in.n && n < 64; k++)
    if (f->in.at[k].kind == IN_FIELD) points_fill(s, &f->in.at[k], NULL, &x[n++]);
  int64_t count = 0;
  for (uint32_t k = 0; k < n; k++) count += type_count(x[k].type);
  snprintf(what, sizeof what, "flow %s", flow->name);
  int code = n == f->out.n ? round_trip(s, f, inverse->fn, x, &worst) : 0;
  if (!code && n == f->out.n) row(ctx, what, "round trip", worst, count * POINTS);
  Fn *defect = code ? NULL : defect_of(f);
  if (defect && !(code = evaluate(s, defect, x, out))) {
    double scale = fmax(1, largest(&out[1]));
    row(ctx, what, "symplectic defect", largest(&out[0]) / (scale * scale), type_count(out[0].type) * POINTS);
    ir_tensors_free(out, 2);
  }
  ir_fn_destroy(defect);
  for (uint32_t k = 0; k < n; k++) base_free(x[k].v);
  return code;
}
