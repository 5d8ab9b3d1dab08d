/* Chains of reversible steps, for tests and benchmarks. */
#include "tests/common/step_chain.h"

Type chain_vec(bool lane, uint32_t n) { return type_real(lane, n ? 1 : 0, &n); }

static Val param(Chain *c, Type t) { return ir_input(&c->b, "w", IN_PARAM, c->nparam++, t); }

void chain_open(Chain *c, uint32_t n, uint32_t h) {
  *c = (Chain){.f = ir_fn_create("loss", true), .n = n, .h = h};
  ir_build_init(&c->b, c->f);
  c->b.number = c->b.fold = false; /* as the elaborator builds */
}

void chain_states(Chain *c) {
  c->x[0] = ir_input(&c->b, "q", IN_FIELD, 0, chain_vec(true, c->n));
  c->x[1] = ir_input(&c->b, "p", IN_FIELD, 1, chain_vec(true, c->n));
  c->context = ir_input(&c->b, "c", IN_FIELD, 2, chain_vec(true, c->n));
}

/* What moves the one state, from the other: W2 tanh(W1 x + b + context). */
static Val net(Build *b, Val x, Val context, const Val *w) {
  Val h = ir_add(b, ir_matmul(b, w[0], ir_add(b, x, context)), w[1]);
  return ir_matmul(b, w[2], ir_tanh(b, h));
}

/* The derivative of sum tanh(W1 x + b) by x, as an operator. */
static Val gradient(Build *b, Val x, const Val *w) {
  Val v = ir_id(b, x), e = ir_sum_all(b, ir_tanh(b, ir_add(b, ir_matmul(b, w[0], v), w[1])));
  return ir_grad(b, e, v);
}

static void half(Build *b, StepKind kind, int moved, bool back, Val *x, const Val *inv) {
  Val other = x[1 - moved], *to = &x[moved];
  switch (kind) {
  case ADD_NET: *to = (back ? ir_sub : ir_add)(b, *to, net(b, other, inv[0], inv + 1)); break;
  case GRADIENT: *to = (back ? ir_sub : ir_add)(b, *to, gradient(b, other, inv + 1)); break;
  case SCALE: {
    Val s = net(b, other, inv[0], inv + 1);
    *to = ir_mul(b, *to, ir_exp(b, back ? ir_neg(b, s) : s));
    break;
  }
  default: { /* (q, p) -> (-p, q) */
    Val q = x[0], p = x[1];
    x[0] = back ? p : ir_neg(b, p);
    x[1] = back ? ir_neg(b, q) : q;
  }
  }
}

static Fn *step_body(Fn *parent, StepKind kind, int moved, uint32_t n, const Type *inv, uint32_t ninv) {
  Fn *body = ir_sub_create(parent, "step");
  Build b;
  Val x[2], y[2], v[8];
  ir_build_init(&b, body);
  b.number = b.fold = false;
  for (uint32_t k = 0; k < 2; k++) x[k] = ir_input(&b, "x", IN_STATE, k, chain_vec(true, n));
  for (uint32_t k = 0; k < 2; k++) y[k] = ir_input(&b, "y", IN_STATE, k, chain_vec(true, n));
  for (uint32_t k = 0; k < ninv; k++) v[k] = ir_input(&b, "inv", IN_OTHER, k, inv[k]);
  half(&b, kind, moved, false, x, v);
  half(&b, kind, moved, true, y, v);
  for (uint32_t k = 0; k < 2; k++) ir_output(&b, x[k], NULL);
  for (uint32_t k = 0; k < 2; k++) ir_output(&b, y[k], NULL);
  ir_build_finish(&b);
  return body;
}

void chain_step(Build *b, StepKind kind, int moved, uint32_t n, Val *x, Val context, const Val *w) {
  Val args[] = {x[0], x[1], context, w[0], w[1], w[2]};
  Type inv[4];
  for (int k = 0; k < 4; k++) inv[k] = ir_type(b->f, args[2 + k]);
  Val v = ir_reversible(b, args, 6, 2, step_body(b->f, kind, moved, n, inv, 4));
  x[0] = ir_proj(b, v, 0);
  x[1] = ir_proj(b, v, 1);
}

void chain_weights(Chain *c, Val *w) {
  w[0] = param(c, type_real(false, 2, (uint32_t[]){c->h, c->n}));
  w[1] = param(c, chain_vec(false, c->h));
  w[2] = param(c, type_real(false, 2, (uint32_t[]){c->n, c->h}));
}

Fn *chain_close(Chain *c) {
  Val sum = VAL_NONE;
  for (int k = 0; k < 2; k++) {
    double w[256];
    for (uint32_t j = 0; j < c->n; j++) w[j] = 1 + 0.1 * ((j * 7 + (uint32_t)k * 3) % 5); /* uneven: no error cancels */
    Val square = ir_mul(&c->b, c->x[k], c->x[k]);
    Val e = ir_sum_all(&c->b, ir_mul(&c->b, ir_table(&c->b, chain_vec(false, c->n), w), square));
    sum = sum.id ? ir_add(&c->b, sum, e) : e;
  }
  ir_output(&c->b, sum, "loss");
  ir_build_finish(&c->b);
  return c->f;
}
