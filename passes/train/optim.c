/* Optimizer updates, each parameter element a sample. The formulas are PyTorch's, term for term:
 * weight decay of adam, sgd and rmsprop is added to the gradient, adamw shrinks the parameter first;
 * eps stands outside the root, after the correction of the bias; the first step of sgd's momentum
 * takes the gradient whole, as a buffer of zeros does without dampening. */
#include "passes/base/pass.h"

const char *const pass_optim_name[OPT_count] = {"adam", "adamw", "sgd", "rmsprop", "lbfgs"};

typedef struct Update {
  Build b;
  Val p, g, state[2], lr, bias1, bias2;
} Update;

int pass_optim_states(const Optim *o) {
  switch (o->kind) {
  case OPT_ADAM:
  case OPT_ADAMW: return 2;
  case OPT_SGD: return o->momentum != 0;
  case OPT_RMSPROP: return 1 + (o->momentum > 0);
  default: return 0;
  }
}

/* c*x + (1-c)*y */
static Val blend(Build *b, double c, Val x, Val y) {
  return ir_add(b, ir_mul(b, ir_const(b, c), x), ir_mul(b, ir_const(b, 1 - c), y));
}

static Val decayed(Build *b, const Optim *o, Val g, Val p) {
  return o->weight_decay == 0 ? g : ir_add(b, g, ir_mul(b, ir_const(b, o->weight_decay), p));
}

static void step(Update *u, Val direction) { u->p = ir_sub(&u->b, u->p, ir_mul(&u->b, u->lr, direction)); }

static void adam(Update *u, const Optim *o) {
  Build *b = &u->b;
  if (o->kind == OPT_ADAMW) u->p = ir_mul(b, u->p, ir_sub(b, ir_const(b, 1), ir_mul(b, u->lr, ir_const(b, o->weight_decay))));
  else u->g = decayed(b, o, u->g, u->p);
  u->state[0] = blend(b, o->beta1, u->state[0], u->g);
  u->state[1] = blend(b, o->beta2, u->state[1], ir_mul(b, u->g, u->g));
  Val root = ir_add(b, ir_sqrt(b, ir_mul(b, u->state[1], u->bias2)), ir_const(b, o->eps));
  step(u, ir_div(b, ir_mul(b, u->state[0], u->bias1), root));
}

static void sgd(Update *u, const Optim *o) {
  Build *b = &u->b;
  Val g = decayed(b, o, u->g, u->p), mu = ir_const(b, o->momentum);
  if (o->momentum != 0) {
    u->state[0] = ir_add(b, ir_mul(b, mu, u->state[0]), g);
    g = o->nesterov ? ir_add(b, g, ir_mul(b, mu, u->state[0])) : u->state[0];
  }
  step(u, g);
}

static void rmsprop(Update *u, const Optim *o) {
  Build *b = &u->b;
  Val g = decayed(b, o, u->g, u->p);
  u->state[0] = blend(b, o->alpha, u->state[0], ir_mul(b, g, g));
  Val direction = ir_div(b, g, ir_add(b, ir_sqrt(b, u->state[0]), ir_const(b, o->eps)));
  if (o->momentum > 0) direction = u->state[1] = ir_add(b, ir_mul(b, ir_const(b, o->momentum), u->state[1]), direction);
  step(u, direction);
}

Fn *pass_optim_update(PassRun *run, const Optim *o, bool f64) {
  if (o->kind == OPT_LBFGS) return NULL;
  static const char *const state[] = {"state0", "state1"};
  double start = pass_now();
  Fn *f = ir_fn_create(pass_optim_name[o->kind], f64);
  Update u;
  Build *b = &u.b;
  ir_build_init(b, f);
  int n = pass_optim_states(o);
  u.p = ir_input(b, "p", IN_STATE, 0, type_scalar(true));
  u.g = ir_input(b, "g", IN_STATE, 1, type_scalar(true));
  for (int k = 0; k < n; k++) u.state[k] = ir_input(b, state[k], IN_STATE, 2 + (uint32_t)k, type_scalar(true));
  u.lr = ir_input(b, "lr", IN_SCALAR, 0, type_scalar(false));
  u.g = ir_mul(b, u.g, ir_input(b, "scale", IN_SCALAR, 1, type_scalar(false)));
  u.bias1 = ir_input(b, "bias1", IN_SCALAR, 2, type_scalar(false));
  u.bias2 = ir_input(b, "bias2", IN_SCALAR, 3, type_scalar(false));
  if (o->kind == OPT_SGD) sgd(&u, o);
  else if (o->kind == OPT_RMSPROP) rmsprop(&u, o);
  else adam(&u, o);
  ir_output(b, u.p, "p");
  for (int k = 0; k < n; k++) ir_output(b, u.state[k], state[k]);
  ir_build_finish(b);
  return pass_done(run, "optimizer", start, f);
}

/* The padding behind the last element must be zeros. */
Fn *pass_optim_norm(PassRun *run, bool f64) {
  double start = pass_now();
  Fn *f = ir_fn_create("norm", f64);
  Build b;
  ir_build_init(&b, f);
  Val g = ir_input(&b, "g", IN_STATE, 0, type_scalar(true));
  ir_output(&b, ir_batch_sum(&b, ir_mul(&b, g, g)), "norm2");
  ir_build_finish(&b);
  return pass_done(run, "optimizer", start, f);
}
