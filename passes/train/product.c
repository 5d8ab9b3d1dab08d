/* Products of a function with its Jacobian, as functions: what other programs need to differentiate through it.
 *
 * Tangents and cotangents are fields behind the arguments. Those by parameters are sums over the batch, whose samples have the
 * weight 1 (padding 0): every sample has cotangents of its own, so there is no mean to take. Derivatives stay operators; derive
 * expands them. */
#include "passes/train/train.h"

#include <stdlib.h>
#include <string.h>

typedef struct Product {
  const Fn *f;
  Build b;
  Val *in, *out;    /* of f: inputs, outputs */
  uint32_t *arg, n; /* inputs that are arguments */
  uint32_t fields;  /* so far */
} Product;

static void begin(Product *p, const Fn *f, const char *suffix) {
  Fn *g = ir_fn_create(f->name, f->f64);
  g->name = arena_printf(g->mem, "%s.%s", f->name, suffix);
  *p = (Product){.f = f};
  ir_build_init(&p->b, g);
  p->in = base_realloc(NULL, sizeof *p->in * (f->in.n + 1));
  p->out = base_realloc(NULL, sizeof *p->out * (f->out.n + 1));
  p->arg = base_realloc(NULL, sizeof *p->arg * (f->in.n + 1));
  for (uint32_t k = 0; k < f->in.n; k++) {
    const Input *x = &f->in.at[k];
    p->in[k] = ir_input(&p->b, x->name, x->kind, x->index, x->type);
    if (x->kind != IN_FIELD) continue;
    p->arg[p->n++] = k;
    if (x->index >= p->fields) p->fields = x->index + 1;
  }
}

static Fn *end(Product *p) {
  Fn *g = p->b.f;
  base_free(p->in), base_free(p->out), base_free(p->arg);
  ir_build_finish(&p->b);
  return g;
}

static bool taken(const Fn *f, const char *name) {
  for (uint32_t k = 0; k < f->in.n; k++)
    if (!strcmp(f->in.at[k].name, name)) return true;
  return false;
}

/* A field of this type behind the others; `g`, or `g_2`, `g_3`, ... where there is one of that name. */
static Val field(Product *p, const char *prefix, const char *suffix, Type t) {
  Arena *mem = p->b.f->mem;
  const char *first = arena_printf(mem, "%s%s", prefix, suffix), *name = first;
  for (int k = 2; taken(p->b.f, name); k++) name = arena_printf(mem, "%s_%d", first, k);
  return ir_input(&p->b, name, IN_FIELD, p->fields++, pass_type_with(t, true));
}

static Val dot(Build *b, Val x, Val y) {
  const Val product = ir_mul(b, x, y);
  return ir_sum_all(b, product);
}

/* sum_k <f_k, g_k>, the g_k new fields. */
static Val paired(Product *p) {
  Val sum = VAL_NONE;
  ir_inline(&p->b, p->f, p->in, p->out);
  for (uint32_t k = 0; k < p->f->out.n; k++) {
    char number[16] = "";
    if (p->f->out.n > 1) snprintf(number, sizeof number, "%u", k);
    const Val g = field(p, "g", number, ir_type(p->b.f, p->out[k])), term = dot(&p->b, p->out[k], g);
    sum = sum.id ? ir_add(&p->b, sum, term) : term;
  }
  return sum;
}

static Fn *vjp(const Fn *f, bool by_params) {
  Product p;
  begin(&p, f, "vjp");
  const Val sum = paired(&p);
  bool params = false;
  for (uint32_t k = 0; k < p.n; k++) ir_output(&p.b, ir_grad(&p.b, sum, p.in[p.arg[k]]), f->in.at[p.arg[k]].name);
  for (uint32_t k = 0; k < f->in.n; k++) params |= by_params && f->in.at[k].kind == IN_PARAM;
  if (params) {
    const Val weight = ir_input(&p.b, "weight", IN_WEIGHT, 0, type_scalar(true)), lane = ir_spread(&p.b, sum);
    const Val total = ir_batch_sum(&p.b, ir_mul(&p.b, weight, lane));
    for (uint32_t k = 0; k < f->in.n; k++)
      if (f->in.at[k].kind == IN_PARAM) ir_output(&p.b, ir_grad(&p.b, total, p.in[k]), f->in.at[k].name);
  }
  return end(&p);
}

/* f at x + t v, by t at 0. */
static Fn *jvp(const Fn *f) {
  Product p;
  begin(&p, f, "jvp");
  Build *b = &p.b;
  const Val zero = ir_const(b, 0), t = ir_id(b, ir_spread(b, zero));
  for (uint32_t k = 0; k < p.n; k++) {
    const Input *x = &f->in.at[p.arg[k]];
    const Val step = ir_mul(b, field(&p, "v_", x->name, x->type), t);
    p.in[p.arg[k]] = ir_add(b, p.in[p.arg[k]], step);
  }
  ir_inline(b, f, p.in, p.out);
  for (uint32_t k = 0; k < f->out.n; k++) ir_output(b, ir_jac(b, p.out[k], t), f->outname.at[k]);
  return end(&p);
}

/* The gradient of <grad f, v>. */
static Fn *hvp(const Fn *f) {
  Product p;
  begin(&p, f, "hvp");
  Build *b = &p.b;
  Val sum = VAL_NONE;
  ir_inline(b, f, p.in, p.out);
  for (uint32_t k = 0; k < p.n; k++) {
    const Input *x = &f->in.at[p.arg[k]];
    const Val slope = ir_grad(b, p.out[0], p.in[p.arg[k]]), term = dot(b, slope, field(&p, "v_", x->name, x->type));
    sum = sum.id ? ir_add(b, sum, term) : term;
  }
  for (uint32_t k = 0; k < p.n; k++) ir_output(b, ir_grad(b, sum, p.in[p.arg[k]]), f->in.at[p.arg[k]].name);
  return end(&p);
}

/* f, and its gradient. */
static Fn *grad(const Fn *f) {
  Product p;
  begin(&p, f, "grad");
  ir_inline(&p.b, f, p.in, p.out);
  ir_output(&p.b, ir_spread(&p.b, p.out[0]), f->outname.at[0]);
  for (uint32_t k = 0; k < p.n; k++) ir_output(&p.b, ir_grad(&p.b, p.out[0], p.in[p.arg[k]]), f->in.at[p.arg[k]].name);
  return end(&p);
}

Fn *train_product(const Fn *f, ProductKind kind, bool by_params) {
  switch (kind) {
  case PRODUCT_VJP: return vjp(f, by_params);
  case PRODUCT_JVP: return jvp(f);
  case PRODUCT_GRAD: return grad(f);
  default: return hvp(f);
  }
}
