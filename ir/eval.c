/* The reference evaluator: instruction after instruction over whole [element][B] arrays in f64. An
 * operand is freed after its last user, so that a body of a long loop needs no more than one turn. */
#include "ir/eval.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

bool eval_fail(Run *r, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  if (r->errsize) vsnprintf(r->err, r->errsize, fmt, ap);
  va_end(ap);
  return false;
}

Tensor eval_tensor(Type t, int64_t B) {
  size_t bytes = (size_t)(type_count(t) * (t.lane ? B : 1)) * sizeof(double);
  Tensor x = {t, base_realloc(NULL, bytes + !bytes)};
  memset(x.v, 0, bytes);
  return x;
}

void ir_tensors_free(Tensor *t, uint32_t n) {
  for (uint32_t k = 0; k < n; k++) {
    free(t[k].v);
    t[k].v = NULL;
  }
}

void eval_move(const Run *r, Tensor *to, int64_t o, const Tensor *from, int64_t e) {
  int64_t w = eval_width(to, r->B);
  double *q = to->v + o * w;
  if (from->type.lane == to->type.lane) memcpy(q, from->v + e * w, (size_t)w * sizeof *q);
  else
    for (int64_t s = 0; s < w; s++) q[s] = from->v[e];
}

/* ---- elementwise ops, from the table ---- */

#define EW1(name, eval, ...) static double value_##name(double a, double b) { (void)b; return eval; }
#define EW2(name, flags, eval, ...) static double value_##name(double a, double b) { return eval; }
#define CMP(name, eval) static double value_##name(double a, double b) { return eval; }
#define LOG(name, arity, eval) static double value_##name(double a, double b) { (void)b; return eval; }
#include "ir/ops.def"

typedef double Value(double a, double b);

static Value *const value[OP_count] = {
#define EW1(name, ...) [OP_##name] = value_##name,
#define EW2(name, ...) [OP_##name] = value_##name,
#define CMP(name, ...) [OP_##name] = value_##name,
#define LOG(name, ...) [OP_##name] = value_##name,
#include "ir/ops.def"
};

double ir_eval_scalar(Op op, double a, double b) {
  if (op >= OP_count || !value[op])
    base_fault("`%s` is no elementwise op", op < OP_count ? ir_op[op].name : "?");
  return value[op](a, b);
}

static double element(const Tensor *t, int64_t e, int64_t s, int64_t B) {
  int64_t at = t->type.rank ? e : 0;
  return t->v[t->type.lane ? at * B + s : at];
}

static bool eval_ew(Node *n) {
  int64_t B = n->run->B, w = eval_width(n->out, B), count = type_count(n->i->type);
  const Tensor *x = n->arg[0], *y = n->i->nargs > 1 ? n->arg[1] : n->arg[0];
  Value *fn = value[n->i->op];
  for (int64_t e = 0; e < count; e++)
    for (int64_t s = 0; s < w; s++) n->out->v[e * w + s] = fn(element(x, e, s, B), element(y, e, s, B));
  return true;
}

bool eval_select(Node *n) {
  int64_t B = n->run->B, w = eval_width(n->out, B), count = type_count(n->i->type);
  for (int64_t e = 0; e < count; e++)
    for (int64_t s = 0; s < w; s++)
      n->out->v[e * w + s] = element(n->arg[element(n->arg[0], e, s, B) != 0 ? 1 : 2], e, s, B);
  return true;
}

/* ---- functions ---- */

typedef struct Slot {
  Tensor t;
  Tensor *results;           /* of a MULTI instruction */
  uint32_t nresults, last;   /* last user; UINT32_MAX for outputs */
  bool borrowed;
} Slot;

static bool eval_op(Node *n) {
  switch (n->i->op) {
#define EW1(name, ...) case OP_##name: return eval_ew(n);
#define EW2(name, ...) case OP_##name: return eval_ew(n);
#define CMP(name, ...) case OP_##name: return eval_ew(n);
#define LOG(name, ...) case OP_##name: return eval_ew(n);
#define ST(name, ...) case OP_##name: return eval_##name(n);
#include "ir/ops.def"
  default: return eval_fail(n->run, "unknown op %d", n->i->op);
  }
}

static void slot_free(Slot *s) {
  if (!s->borrowed) free(s->t.v);
  ir_tensors_free(s->results, s->nresults);
  free(s->results);
  *s = (Slot){.last = s->last};
}

static Slot *slots_create(const Fn *f) {
  Slot *slot = base_realloc(NULL, f->inst.n * sizeof *slot);
  memset(slot, 0, f->inst.n * sizeof *slot);
  for (uint32_t id = 1; id < f->inst.n; id++)
    for (uint32_t k = 0; k < f->inst.at[id].nargs; k++) slot[ir_arg(f, &f->inst.at[id], k).id].last = id;
  for (uint32_t k = 0; k < f->out.n; k++) slot[f->out.at[k].id].last = UINT32_MAX;
  return slot;
}

static void slots_destroy(Slot *slot, const Fn *f) {
  for (uint32_t id = 1; id < f->inst.n; id++) slot_free(&slot[id]);
  free(slot);
}

static void allocate(Run *r, const Fn *f, const Inst *i, Slot *s) {
  s->nresults = ir_result_count(f, i);
  if (!(ir_op[i->op].flags & OPF_MULTI)) {
    s->t = eval_tensor(i->type, r->B);
    return;
  }
  s->results = base_realloc(NULL, (s->nresults + 1) * sizeof *s->results);
  for (uint32_t k = 0; k < s->nresults; k++) {
    Type t;
    if (!ir_result_type(f, i, k, &t))
      base_fault("in @%s: result %u of %%%u has no type", f->name, k, (uint32_t)(i - f->inst.at));
    s->results[k] = eval_tensor(t, r->B);
  }
}

static bool eval_inst(Run *r, const Fn *f, uint32_t id, Slot *slot) {
  const Inst *i = &f->inst.at[id];
  const Tensor **args = base_realloc(NULL, (i->nargs + 1) * sizeof *args);
  Node n = {.run = r, .f = f, .i = i, .attr = f->attr.at + i->attr, .args = args, .out = &slot[id].t};
  for (uint32_t k = 0; k < i->nargs; k++) args[k] = &slot[ir_arg(f, i, k).id].t;
  for (uint32_t k = 0; k < i->nargs && k < 3; k++) n.arg[k] = args[k];
  allocate(r, f, i, &slot[id]);
  n.results = slot[id].results;
  n.nresults = slot[id].nresults;
  if (i->op == OP_proj) {    /* its operand is no tensor */
    const Slot *multi = &slot[ir_arg(f, i, 0).id];
    n.results = multi->results;
    n.nresults = multi->nresults;
  }
  bool ok = eval_op(&n);
  free(args);
  if (ok && r->env && r->env->watch && slot[id].t.v && !r->env->watch(r->env->ctx, f, (Val){id}, &slot[id].t))
    return eval_fail(r, "stopped at %%%u of @%s", id, f->name);
  return ok;
}

static void release(const Fn *f, uint32_t id, Slot *slot) {
  const Inst *i = &f->inst.at[id];
  for (uint32_t k = 0; k < i->nargs; k++) {
    uint32_t arg = ir_arg(f, i, k).id;
    if (slot[arg].last == id) slot_free(&slot[arg]);
  }
  if (slot[id].last == 0) slot_free(&slot[id]);
}

static bool eval_body(Run *r, const Fn *f, const Tensor *in, Slot *slot) {
  for (uint32_t id = 1; id < f->inst.n; id++) {
    const Inst *i = &f->inst.at[id];
    if (i->op == OP_in) {
      slot[id].t = in[ir_attr(f, i, 0)];
      slot[id].borrowed = true;
      if (r->env && r->env->watch && !r->env->watch(r->env->ctx, f, (Val){id}, &slot[id].t))
        return eval_fail(r, "stopped at %%%u of @%s", id, f->name);
      continue;
    }
    if (!eval_inst(r, f, id, slot)) return false;
    release(f, id, slot);
  }
  return true;
}

bool eval_fn(Run *r, const Fn *f, const Tensor *in, Tensor *out) {
  Slot *slot = slots_create(f);
  bool ok = eval_body(r, f, in, slot);
  for (uint32_t k = 0; ok && k < f->out.n; k++) {
    const Tensor *t = &slot[f->out.at[k].id].t;
    out[k] = eval_tensor(t->type, r->B);
    memcpy(out[k].v, t->v, (size_t)(type_count(t->type) * eval_width(t, r->B)) * sizeof(double));
  }
  slots_destroy(slot, f);
  return ok;
}

bool ir_eval(const Fn *f, int64_t B, const Tensor *in, Tensor *out, const EvalEnv *env, char *err,
             size_t errsize) {
  Run r = {B, env, err, errsize};
  char have[96], want[96];
  if (errsize) *err = 0;
  if (B < 1) return eval_fail(&r, "needs a sample at least");
  for (uint32_t k = 0; k < f->in.n; k++)
    if (!type_eq(in[k].type, f->in.at[k].type))
      return eval_fail(&r, "@%s takes %s as input %u, found %s", f->name,
                       type_text(f->in.at[k].type, f->f64, want, sizeof want), k,
                       type_text(in[k].type, f->f64, have, sizeof have));
  return eval_fn(&r, f, in, out);
}
