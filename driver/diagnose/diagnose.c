/* `hnnc diagnose FILE`: derivatives against differences, in f64 of the reference evaluator.
 *
 * For every training: the gradient of its loss by each parameter, on a few samples of its data, means over the
 * batch taken over these. For
 * every Hamiltonian with parameters: dH/dx by its arguments, and the mixed second derivatives
 * d/dtheta (v . dH/dx) for a fixed random v. A derivative is compared with central differences
 * extrapolated once (Richardson, error O(h^4)) at random elements of the block, with shorter steps where they do not
 * agree; the error is relative to the largest derivative seen in the block. */
#include "driver/diagnose/diagnose_priv.h"
#include "driver/manual/manual.h"
#include "driver/session/data.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SAMPLES = POINTS, ELEMENTS = 24 };
static const double BOUND = 1e-6;
static const double HELD = 100; /* or of an adaptive method this times its tolerance */

typedef struct Check {
  Session *s;
  const Fn *value, *gradient; /* value: -> scalar; gradient: -> one output per checked input */
  Tensor *in;                 /* inputs of both */
  json_t *rows;
  double bound; /* above it a block fails */
  bool failed;
} Check;

/* Of the adaptive trajectories of f. Their derivatives are those of the steps that were taken; a difference has other steps on its two
 * sides, which is another solution within the tolerance. */
static double loosest(const Fn *f) {
  double most = 0, rtol, atol;
  for (uint32_t id = 1; id < f->inst.n; id++) {
    const Inst *i = &f->inst.at[id];
    if (i->sub) most = fmax(most, loosest(ir_body(f, i)));
    if (i->op != OP_ode) continue;
    const ode_attr attr = ir_ode_attr(f, i);
    memcpy(&rtol, &attr.rtol, sizeof rtol);
    memcpy(&atol, &attr.atol, sizeof atol);
    most = fmax(most, rtol + atol);
  }
  return most;
}

static double value_at(Check *c, double *x, double moved) {
  char err[256];
  Tensor out;
  EvalEnv env = points_environment();
  double keep = *x;
  *x = moved;
  bool ok = ir_eval(c->value, SAMPLES, c->in, &out, &env, err, sizeof err);
  *x = keep;
  if (!ok) base_fault("the reference evaluator: %s", err);
  double v = 0;
  int64_t n = out.type.lane ? SAMPLES : 1;
  for (int64_t i = 0; i < n; i++) v += out.v[i];
  ir_tensors_free(&out, 1);
  return v;
}

static double difference(Check *c, double *x, double h) {
  h *= fmax(1, fabs(*x));
  double d1 = (value_at(c, x, *x + h) - value_at(c, x, *x - h)) / (2 * h);
  double d2 = (value_at(c, x, *x + h / 2) - value_at(c, x, *x - h / 2)) / h;
  return (4 * d2 - d1) / 3;
}

static void row(void *ctx, const char *what, const char *block, double worst, int64_t n) {
  Check *c = ctx;
  bool ok = worst <= c->bound;
  c->failed |= !ok;
  if (c->rows)
    json_array_append_new(c->rows,
                          json_pack("{s:s, s:s, s:o, s:I, s:b}", "derivative", what, "block", block, "worst",
                                    isfinite(worst) ? json_real(worst) : json_null(), "checked", (json_int_t)n, "holds", ok));
  else
    printf("  %-28s %-28s %5lld  %9.2e  %s\n", what, block, (long long)n, base_shown(worst),
           ok                ? "ok"
           : isfinite(worst) ? "WRONG"
                             : "not finite");
}

/* Of a derivative d against differences, relative to `scale`. A difference that steps over a kink (relu, max) is off, and no
 * longer so with a step that is short enough; where the derivative is wrong the error stays. */
static double error_of(Check *c, double d, double *x, double scale) {
  double least = INFINITY, h = 1e-3;
  for (int k = 0; k < 4 && !(least <= c->bound); k++, h /= 8) {
    double error = fabs(d - difference(c, x, h)) / scale;
    if (!(error >= least)) least = error;
  }
  return least;
}

/* Input k of the value against output `out` of the gradient. */
static void check_block(Check *c, const char *what, const char *block, uint32_t k, const Tensor *grad) {
  int64_t lanes = c->in[k].type.lane ? SAMPLES : 1, n = type_count(c->in[k].type) * lanes;
  double worst = 0, scale = 1e-12;
  int64_t checked = n < ELEMENTS ? n : ELEMENTS;
  for (int64_t i = 0; i < n; i++) scale = fmax(scale, fabs(grad->v[i]));
  for (int64_t j = 0; j < checked; j++) {
    int64_t i = n <= ELEMENTS ? j : (int64_t)(rt_random_u64(1, k, (uint64_t)j) % (uint64_t)n);
    double error = error_of(c, grad->v[i], &c->in[k].v[i], scale);
    worst = error > worst || isnan(error) ? error : worst;
  }
  row(c, what, block, worst, checked);
}

static int run_checks(Check *c, const char *what, const Fn *named, const bool *wanted, const RtSet *set) {
  char err[256];
  const Fn *f = c->gradient;
  c->in = base_zeroed(f->in.n, sizeof *c->in);
  Tensor *grad = base_zeroed(f->out.n, sizeof *grad);
  for (uint32_t k = 0; k < f->in.n; k++) points_fill(c->s, &f->in.at[k], set, &c->in[k]);
  EvalEnv env = points_environment();
  bool ok = ir_eval(f, SAMPLES, c->in, grad, &env, err, sizeof err);
  for (uint32_t k = 0, out = 0; ok && k < f->in.n; k++)
    if (wanted[k]) check_block(c, what, named->in.at[k].name, k, &grad[out++]);
  if (ok) ir_tensors_free(grad, f->out.n);
  for (uint32_t k = 0; k < f->in.n; k++) base_free(c->in[k].v);
  base_free(grad);
  base_free(c->in);
  return ok ? 0 : session_fail(c->s, EXIT_FAULT, CODE_internal, (Span){0}, "the reference evaluator: %s", err);
}

/* From f (-> a scalar, per sample or shared) the function of its gradients by the wanted inputs. */
static Fn *gradients_of(Session *s, const Fn *f, const bool *wanted) {
  Fn *g = ir_fn_create("gradients", f->f64);
  Build b;
  ir_build_init(&b, g);
  b.number = false;
  Val *arg = base_zeroed(f->in.n, sizeof *arg), out;
  for (uint32_t k = 0; k < f->in.n; k++) {
    const Input *in = &f->in.at[k];
    arg[k] = ir_input(&b, in->name, in->kind, in->index, in->type);
  }
  ir_inline(&b, f, arg, &out);
  bool lane = ir_type(g, out).lane;
  for (uint32_t k = 0; k < f->in.n; k++)
    if (wanted[k]) {
      Val total = lane && !f->in.at[k].type.lane ? ir_batch_sum(&b, out) : out;
      ir_output(&b, ir_grad(&b, total, arg[k]), f->in.at[k].name);
    }
  ir_build_finish(&b);
  base_free(arg);
  Fn *derived = pass_derive(&s->passes, g, s->diag);
  ir_fn_destroy(g);
  return derived;
}

static int check_function(Session *s, json_t *rows, const char *what, const Fn *f, const bool *wanted, const RtSet *set,
                          bool *failed) {
  Fn *gradient = gradients_of(s, f, wanted), *value = pass_derive(&s->passes, f, s->diag);
  if (!gradient || !value) return session_render(s), EXIT_FILE;
  Check c = {.s = s, .value = value, .gradient = gradient, .rows = rows, .bound = fmax(BOUND, HELD * loosest(value))};
  int code = run_checks(&c, what, f, wanted, set);
  *failed |= c.failed;
  ir_fn_destroy(gradient);
  ir_fn_destroy(value);
  return code;
}

static bool *inputs_of_kind(const Fn *f, InKind kind, uint32_t *n) {
  bool *wanted = base_zeroed(f->in.n, sizeof *wanted);
  *n = 0;
  for (uint32_t k = 0; k < f->in.n; k++) *n += wanted[k] = f->in.at[k].kind == kind;
  return wanted;
}

static int check_loss(Session *s, json_t *rows, const SumLoss *l, bool *failed) {
  char what[128];
  uint32_t n;
  int code = l->data ? data_make(s, l->data) : 0;
  if (code) return code;
  snprintf(what, sizeof what, "d %s", l->label);
  Fn *mean = pass_step_mean(&s->passes, l->loss, s->diag);
  if (!mean) return session_render(s), EXIT_FILE;
  bool *wanted = inputs_of_kind(mean, IN_PARAM, &n);
  for (uint32_t k = 0; k < mean->in.n; k++) /* averages are not trained */
    if (wanted[k] && s->model->param[mean->in.at[k].index].decay > 0) wanted[k] = false, n--;
  if (n) code = check_function(s, rows, what, mean, wanted, l->data ? data_set(s, l->data) : NULL, failed);
  base_free(wanted);
  ir_fn_destroy(mean);
  return code;
}

/* v . dH/dx summed over the arguments, as a function of the same inputs; v fixed, from 0.3 to 1. */
static Fn *directional(const Fn *f) {
  Fn *g = ir_fn_create("directional", f->f64);
  Build b;
  ir_build_init(&b, g);
  b.number = false;
  Val *arg = base_zeroed(f->in.n, sizeof *arg), e, sum = VAL_NONE;
  for (uint32_t k = 0; k < f->in.n; k++) {
    const Input *in = &f->in.at[k];
    arg[k] = ir_input(&b, in->name, in->kind, in->index, in->type);
  }
  ir_inline(&b, f, arg, &e);
  for (uint32_t k = 0; k < f->in.n; k++) {
    if (f->in.at[k].kind == IN_PARAM) continue;
    Type t = f->in.at[k].type;
    t.lane = 0;
    double *v = base_zeroed((size_t)type_count(t), sizeof *v);
    for (int64_t i = 0; i < type_count(t); i++) v[i] = 0.3 + 0.7 * (double)(rt_random_u64(2, k, (uint64_t)i) >> 40) / (1 << 24);
    Val term = ir_sum_all(&b, ir_mul(&b, ir_table(&b, t, v), ir_grad(&b, e, arg[k])));
    sum = sum.id ? ir_add(&b, sum, term) : term;
    base_free(v);
  }
  if (sum.id) ir_output(&b, sum, "directional");
  ir_build_finish(&b);
  base_free(arg);
  if (sum.id) return g;
  ir_fn_destroy(g);
  return NULL;
}

static int check_hamiltonian(Session *s, json_t *rows, const Export *x, bool *failed) {
  char what[128];
  uint32_t nparam, nfield;
  bool *param = inputs_of_kind(x->fn, IN_PARAM, &nparam), *field = inputs_of_kind(x->fn, IN_FIELD, &nfield);
  int code = 0;
  if (nparam && nfield) {
    Fn *mixed = directional(x->fn);
    snprintf(what, sizeof what, "d %s/dx", x->name);
    code = check_function(s, rows, what, x->fn, field, NULL, failed);
    snprintf(what, sizeof what, "d2 %s/dx dtheta", x->name);
    if (!code && mixed) code = check_function(s, rows, what, mixed, param, NULL, failed);
    ir_fn_destroy(mixed);
  }
  base_free(param);
  base_free(field);
  return code;
}

static int check_flows(Session *s, json_t *rows, bool *failed) {
  Check c = {.s = s, .rows = rows, .bound = BOUND};
  const Model *m = s->model;
  int code = 0;
  for (uint32_t i = 0; !code && i + 1 < m->nexport; i++)
    if (!strcmp(m->export_[i].kind, "flow") && !strcmp(m->export_[i + 1].kind, "inverse"))
      code = diagnose_flow(s, row, &c, &m->export_[i], &m->export_[i + 1]);
  *failed |= c.failed;
  return code;
}

/* The same loss on the same data in an earlier training, or before it in its sum. */
static bool checked_before(const Model *m, uint32_t action, uint32_t loss) {
  const SumLoss *l = &m->action[action].train->sum[loss];
  for (uint32_t i = 0; i <= action; i++) {
    const Train *t = m->action[i].kind == DO_TRAIN ? m->action[i].train : NULL;
    for (uint32_t k = 0; t && k < t->nsum && !(i == action && k == loss); k++)
      if (!strcmp(t->sum[k].name, l->name) && t->sum[k].data == l->data) return true;
  }
  return false;
}

static int check_train(Session *s, json_t *rows, uint32_t action, bool *failed) {
  const Train *t = s->model->action[action].train;
  int code = 0;
  for (uint32_t k = 0; !code && k < t->nsum; k++)
    if (!checked_before(s->model, action, k)) code = check_loss(s, rows, &t->sum[k], failed);
  return code;
}

int command_diagnose(const Options *o) {
  Session s;
  bool failed = false;
  int code = session_open(&s, o);
  json_t *rows = o->json ? json_array() : NULL;
  if (!code && !o->json)
    printf("%s: derivatives against differences, f64, %d samples\n  %-28s %-28s %5s  %9s\n", s.model->path, SAMPLES, "derivative",
           "by", "of", "worst");
  for (uint32_t i = 0; !code && i < s.model->naction; i++)
    if (s.model->action[i].kind == DO_TRAIN) code = check_train(&s, rows, i, &failed);
  for (uint32_t i = 0; !code && i < s.model->nexport; i++)
    if (!strcmp(s.model->export_[i].kind, "hamiltonian")) code = check_hamiltonian(&s, rows, &s.model->export_[i], &failed);
  if (!code) code = check_flows(&s, rows, &failed);
  if (rows && !code) {
    json_dumpf(rows, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
    putchar('\n');
  }
  if (!rows && !code && failed) printf("Something here is WRONG: `hnnc explore %s` shows where it begins.\n", s.model->path);
  json_decref(rows);
  session_close(&s);
  return code ? code : failed ? EXIT_NUMBERS : 0;
}
