/* Operators that a target lacks, in terms of those it has. Each has one rule; what rules make is rewritten until nothing is left. */
#include "passes/without/without.h"

#define ELEMENTWISE(name) [OP_##name] = without_elementwise
#define OWN(name) [OP_##name] = without_##name
static WithoutRule *const rule[OP_count] = {
  ELEMENTWISE(expm1),
  ELEMENTWISE(log1p),
  ELEMENTWISE(log2),
  ELEMENTWISE(log10),
  ELEMENTWISE(softplus),
  ELEMENTWISE(rsqrt),
  ELEMENTWISE(rsqrt3),
  ELEMENTWISE(sinh),
  ELEMENTWISE(cosh),
  ELEMENTWISE(asinh),
  ELEMENTWISE(acosh),
  ELEMENTWISE(atanh),
  ELEMENTWISE(tan),
  ELEMENTWISE(atan),
  ELEMENTWISE(asin),
  ELEMENTWISE(acos),
  ELEMENTWISE(erf),
  ELEMENTWISE(powlog),
  ELEMENTWISE(powlog2),
  ELEMENTWISE(atan2),
  ELEMENTWISE(ne),
  ELEMENTWISE(require),
  OWN(unslice),
  OWN(put),
  OWN(unwindow),
  OWN(setrow),
  OWN(diag),
  OWN(diagv),
  OWN(trisolve),
  OWN(lu),
  OWN(solve),
  OWN(det),
  OWN(logdet),
  OWN(cholesky),
  OWN(eigh),
};

typedef struct Without {
  bool (*lacks)(Op op, bool f64);
} Without;

static bool lacking(const Without *w, const Fn *f, const Inst *i) {
  return w->lacks ? w->lacks((Op)i->op, f->f64 != FN_F32) : rule[i->op] != NULL;
}

static Fn *rewritten(Fn *parent, const Fn *f, const Without *w);

static Val rewrite(Copy *c, uint32_t id, const Inst *i) {
  (void)id;
  const Without *w = c->ctx;
  const Fn *f = c->from, *body = ir_body(f, i);
  if (body) return copy_body(c, i, rewritten(c->b->f, body, w));
  if (!lacking(w, f, i)) return VAL_NONE;
  Val x[3] = {{0}};
  for (uint32_t k = 0; k < i->nargs && k < 3; k++) x[k] = c->map[ir_arg(f, i, k).id];
  if (!rule[i->op]) base_fault("`%s` is in terms of no others", ir_op[i->op].name);
  return pass_with_lane(c->b, rule[i->op](c->b, f, i, x), i->type.lane);
}

/* Nothing is folded: what rounds is meant to. */
static Fn *rewritten(Fn *parent, const Fn *f, const Without *w) {
  Fn *g = parent ? ir_sub_create(parent, f->name) : ir_fn_create(f->name, f->f64);
  Build b;
  Copy c;
  ir_build_init(&b, g);
  b.fold = false;
  copy_begin(&c, &b, f, (void *)w);
  copy_inputs(&c);
  copy_walk(&c, rewrite);
  copy_outputs(&c);
  copy_end(&c);
  ir_build_finish(&b);
  return g;
}

static bool left(const Fn *f, const Without *w) {
  for (uint32_t id = 1; id < f->inst.n; id++) {
    const Inst *i = &f->inst.at[id];
    if (lacking(w, f, i) || (i->sub && left(ir_body(f, i), w))) return true;
  }
  return false;
}

Fn *pass_without(PassRun *run, const Fn *f, bool (*lacks)(Op op, bool f64)) {
  const double start = pass_now();
  Without w = {lacks};
  Fn *out = rewritten(NULL, f, &w);
  while (left(out, &w)) {
    Fn *next = rewritten(NULL, out, &w);
    ir_fn_destroy(out);
    out = next;
  }
  return pass_done(run, "without", start, out);
}
