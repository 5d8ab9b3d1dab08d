/* The reference evaluator's ops with sub-functions. A turn's inputs borrow what they can; its outputs
 * are freed or moved before the next turn. */
#include "ir/eval.h"
#include "ir/shape.h"

#include <float.h>
#include <math.h>

enum { SCAN_N, SCAN_CARRY, SCAN_XS, SCAN_YS, SCAN_ZS, SCAN_REVERSE, SCAN_CONVERGE };

static size_t reals(const Tensor *t, int64_t B) { return (size_t)(type_count(t->type) * eval_width(t, B)); }

/* No lane moves by more than 4 ulp of the largest. */
static bool settled(const Tensor *was, const Tensor *now, int64_t B) {
  double largest = 0, moved = 0;
  for (size_t e = reals(now, B); e-- > 0;) {
    largest = fmax(largest, fabs(now->v[e]));
    moved = fmax(moved, fabs(now->v[e] - was->v[e]));
    if (isnan(now->v[e])) return false;
  }
  return moved <= 4 * DBL_EPSILON * largest;
}

/* Takes the outputs of one turn over: carries replace, ys are stacked, zs added. True: converged. */
static bool take_turn(Node *n, Tensor *out, int64_t turn) {
  int64_t B = n->run->B;
  bool still = n->attr[SCAN_CONVERGE];
  for (uint32_t k = 0; k < n->nresults; k++) {
    size_t size = reals(&out[k], B);
    if (k < n->attr[SCAN_CARRY]) {
      still = still && settled(&n->results[k], &out[k], B);
      free(n->results[k].v);
      n->results[k] = out[k];
      continue;
    }
    double *to = n->results[k].v;
    if (k < n->attr[SCAN_CARRY] + n->attr[SCAN_YS])
      memcpy(to + (size_t)turn * size, out[k].v, size * sizeof *to);
    else
      for (size_t e = 0; e < size; e++) to[e] += out[k].v[e];
    free(out[k].v);
  }
  return still;
}

static void bind_turn(const Node *n, Tensor *in, int64_t turn) {
  int64_t carry = n->attr[SCAN_CARRY], seq = carry + n->attr[SCAN_XS];
  for (uint32_t k = 0; k < n->i->nargs; k++) {
    in[k] = k < carry ? n->results[k] : *n->args[k];
    if (k < carry || k >= seq) continue;
    in[k].type = type_without_axis(in[k].type, 0);
    in[k].v += (size_t)turn * reals(&in[k], n->run->B);
  }
}

bool eval_scan(Node *n) {
  const Fn *body = ir_body(n->f, n->i);
  int64_t turns = n->attr[SCAN_N];
  bool ok = true, done = false;
  Tensor *in = base_realloc(NULL, (n->i->nargs + 1) * sizeof *in);
  Tensor *out = base_realloc(NULL, (n->nresults + 1) * sizeof *out);
  for (uint32_t k = 0; k < n->attr[SCAN_CARRY]; k++)
    memcpy(n->results[k].v, n->args[k]->v, reals(n->args[k], n->run->B) * sizeof(double));
  for (int64_t t = 0; t < turns && ok && !done; t++) {
    int64_t turn = n->attr[SCAN_REVERSE] ? turns - 1 - t : t;
    bind_turn(n, in, turn);
    ok = eval_fn(n->run, body, in, out);
    if (ok) done = take_turn(n, out, turn);
  }
  free(in);
  free(out);
  return ok;
}

bool eval_proj(Node *n) {
  const Tensor *t = &n->results[n->attr[0]];
  memcpy(n->out->v, t->v, reals(t, n->run->B) * sizeof(double));
  return true;
}

/* ---- adaptive trajectories ---- */

typedef struct Rates {
  Node *n;
  const Fn *body;
  Tensor *in, *out;          /* of the body; the first `states` inputs and the time are set by each call */
  uint32_t states;
  bool failed;
} Rates;

static void rates(void *ctx, const void *t, const void *y, void *dy) {
  Rates *r = ctx;
  int64_t B = r->n->run->B;
  double *at = (double *)y, *to = dy;
  size_t total = 0;
  for (uint32_t k = 0; k < r->states; k++) {
    r->in[k].v = at + total;
    total += reals(&r->in[k], B);
  }
  r->in[r->states].v = (double *)t;
  if (r->failed || !eval_fn(r->n->run, r->body, r->in, r->out)) {
    for (size_t e = 0; e < total; e++) to[e] = NAN;
    r->failed = true;
    return;
  }
  for (uint32_t k = 0; k < r->states; k++) {
    size_t size = reals(&r->out[k], B);
    memcpy(to, r->out[k].v, size * sizeof *to);
    to += size;
  }
  ir_tensors_free(r->out, r->states);
}

/* [ntimes][dim][lanes] of all states apart into one tensor a state. */
static void unpack(Node *n, const double *out, uint32_t states, int64_t ntimes) {
  for (int64_t t = 0; t < ntimes; t++)
    for (uint32_t k = 0; k < states; k++) {
      size_t size = reals(n->args[k], n->run->B);
      memcpy(n->results[k].v + (size_t)t * size, out, size * sizeof *out);
      out += size;
    }
}

bool eval_ode(Node *n) {
  const EvalEnv *env = n->run->env;
  if (!env || !env->ode) return eval_fail(n->run, "`ode` without a stepper");
  uint32_t states = (uint32_t)n->attr[1];
  const Tensor *times = n->args[states];
  int64_t lanes = n->args[0]->type.lane ? n->run->B : 1;
  Rates r = {.n = n, .body = ir_body(n->f, n->i), .states = states};
  HnnOde o = {.method = (int32_t)n->attr[0],
              .f64 = 1,
              .lanes = (int32_t)lanes,
              .ntimes = (int32_t)times->type.dim[0],
              .times = times->v,
              .rates = rates,
              .ctx = &r};
  memcpy(&o.rtol, &n->attr[2], sizeof o.rtol);
  memcpy(&o.atol, &n->attr[3], sizeof o.atol);
  size_t total = 0;
  for (uint32_t k = 0; k < states; k++) total += reals(n->args[k], n->run->B);
  o.dim = (int32_t)(total / (size_t)lanes);
  double *y0 = base_realloc(NULL, total * sizeof *y0), *at = y0;
  double *out = base_realloc(NULL, total * (size_t)o.ntimes * sizeof *out);
  r.in = base_realloc(NULL, n->i->nargs * sizeof *r.in);
  r.out = base_realloc(NULL, states * sizeof *r.out);
  for (uint32_t k = 0; k < n->i->nargs; k++) r.in[k] = *n->args[k];
  r.in[states].type = r.body->in.at[states].type;
  for (uint32_t k = 0; k < states; k++) {
    memcpy(at, n->args[k]->v, reals(n->args[k], n->run->B) * sizeof *at);
    at += reals(n->args[k], n->run->B);
  }
  o.y0 = y0;
  o.out = out;
  env->ode(&o);              /* lanes that fail are NaN in the output */
  unpack(n, out, states, o.ntimes);
  free(y0);
  free(out);
  free(r.in);
  free(r.out);
  return !r.failed;
}

/* ---- ops that are expanded before ---- */

static bool unexpanded(Node *n) { return eval_fail(n->run, "`%s` is not expanded", ir_op[n->i->op].name); }
bool eval_integrate(Node *n) { return unexpanded(n); }
bool eval_grad(Node *n) { return unexpanded(n); }
bool eval_jac(Node *n) { return unexpanded(n); }
bool eval_divergence(Node *n) { return unexpanded(n); }
