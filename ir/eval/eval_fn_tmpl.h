/* Running functions: instruction after instruction over whole [element][B] arrays. An operand is freed
 * after its last user, so that a body of a long loop needs no more than one turn. See eval_tmpl.h. */

#include <stdarg.h>

static bool eval_fail(Run *r, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  if (r->errsize) vsnprintf(r->err, r->errsize, fmt, ap);
  va_end(ap);
  return false;
}

static ElemTensor eval_tensor(Type t, int64_t B) {
  size_t bytes = (size_t)(type_count(t) * (t.lane ? B : 1)) * sizeof(Elem);
  ElemTensor x = {t, base_realloc(NULL, bytes + !bytes)};
  memset(x.v, 0, bytes);
  return x;
}

static void eval_free(ElemTensor *t, uint32_t n) {
  for (uint32_t k = 0; k < n; k++) {
    base_free(t[k].v);
    t[k].v = NULL;
  }
}

static void eval_move(const Run *r, ElemTensor *to, int64_t o, const ElemTensor *from, int64_t e) {
  int64_t w = eval_width(to, r->B);
  Elem *q = to->v + o * w;
  if (from->type.lane == to->type.lane) memcpy(q, from->v + e * w, (size_t)w * sizeof *q);
  else
    for (int64_t s = 0; s < w; s++) q[s] = from->v[e];
}

static Elem element(const ElemTensor *t, int64_t e, int64_t s, int64_t B) {
  int64_t at = t->type.rank ? e : 0;
  return t->v[t->type.lane ? at * B + s : at];
}

static bool eval_ew(Node *n) {
  const int64_t B = n->run->B, w = eval_width(n->out, B), count = type_count(n->i->type);
  const ElemTensor *x = n->arg[0], *y = n->i->nargs > 1 ? n->arg[1] : n->arg[0];
  const int64_t lx = x->type.lane, ly = y->type.lane; /* from sample to sample, and from element to element: */
  const int64_t ex = x->type.rank ? eval_width(x, B) : 0, ey = y->type.rank ? eval_width(y, B) : 0;
  const Op op = (Op)n->i->op;
  for (int64_t e = 0; e < count; e++) {
    const Elem *a = x->v + e * ex, *b = y->v + e * ey;
    Elem *out = n->out->v + e * w;
    for (int64_t s = 0; s < w; s++) out[s] = elem_apply(n->run, op, a[s * lx], b[s * ly]);
  }
  return true;
}

static bool eval_select(Node *n) {
  int64_t B = n->run->B, w = eval_width(n->out, B), count = type_count(n->i->type);
  for (int64_t e = 0; e < count; e++)
    for (int64_t s = 0; s < w; s++) n->out->v[e * w + s] = element(n->arg[elem_true(element(n->arg[0], e, s, B)) ? 1 : 2], e, s, B);
  return true;
}

typedef struct Slot {
  ElemTensor t;
  ElemTensor *results;     /* of a MULTI instruction */
  uint32_t nresults, last; /* last user; UINT32_MAX for outputs */
  bool borrowed;
} Slot;

static bool eval_op(Node *n) {
  switch (n->i->op) {
#define EW1(name, ...) \
  case OP_##name: return eval_ew(n);
#define EW2(name, ...) \
  case OP_##name: return eval_ew(n);
#define CMP(name, ...) \
  case OP_##name: return eval_ew(n);
#define LOG(name, ...) \
  case OP_##name: return eval_ew(n);
#define ST(name, ...) \
  case OP_##name: return eval_##name(n);
#include "ir/ops.def"
  default: return eval_fail(n->run, "unknown op %d", n->i->op);
  }
}

static void slot_free(Slot *s) {
  if (!s->borrowed) base_free(s->t.v);
  eval_free(s->results, s->nresults);
  base_free(s->results);
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
  base_free(slot);
}

static void allocate(Run *r, const Fn *f, const Inst *i, Slot *s) {
  s->nresults = ir_result_count(f, i);
  if (!ir_has((Op)i->op, OPF_MULTI)) {
    s->t = eval_tensor(i->type, r->B);
    return;
  }
  s->results = base_realloc(NULL, (s->nresults + 1) * sizeof *s->results);
  for (uint32_t k = 0; k < s->nresults; k++) {
    Type t;
    if (!ir_result_type(f, i, k, &t)) base_fault("in @%s: result %u of %%%u has no type", f->name, k, (uint32_t)(i - f->inst.at));
    s->results[k] = eval_tensor(t, r->B);
  }
}

static bool eval_inst(Run *r, const Fn *f, uint32_t id, Slot *slot) {
  const Inst *i = &f->inst.at[id];
  const ElemTensor **args = base_realloc(NULL, (i->nargs + 1) * sizeof *args);
  Node n = {.run = r, .f = f, .i = i, .attr = f->attr.at + i->attr, .args = args, .out = &slot[id].t};
  for (uint32_t k = 0; k < i->nargs; k++) args[k] = &slot[ir_arg(f, i, k).id].t;
  for (uint32_t k = 0; k < i->nargs && k < 3; k++) n.arg[k] = args[k];
  allocate(r, f, i, &slot[id]);
  n.results = slot[id].results;
  n.nresults = slot[id].nresults;
  if (i->op == OP_proj) { /* its operand is no tensor */
    const Slot *multi = &slot[ir_arg(f, i, 0).id];
    n.results = multi->results;
    n.nresults = multi->nresults;
  }
  bool ok = eval_op(&n) && elem_check(r, f, id, &slot[id].t, args);
  base_free(args);
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

/* wanted: by id, NULL is all. */
static bool eval_body(Run *r, const Fn *f, const ElemTensor *in, Slot *slot, const bool *wanted) {
  for (uint32_t id = 1; id < f->inst.n; id++) {
    const Inst *i = &f->inst.at[id];
    if (wanted && !wanted[id]) continue;
    if (i->op == OP_in) {
      slot[id].t = in[ir_number(f, i)];
      slot[id].borrowed = true;
      if (!elem_check(r, f, id, &slot[id].t, NULL)) return false;
      continue;
    }
    if (!eval_inst(r, f, id, slot)) return false;
    release(f, id, slot);
  }
  return true;
}

static bool eval_part(Run *r, const Fn *f, const ElemTensor *in, ElemTensor *out, uint32_t nout, const bool *wanted) {
  Slot *slot = slots_create(f);
  bool ok = eval_body(r, f, in, slot, wanted);
  for (uint32_t k = 0; ok && k < nout; k++) {
    const ElemTensor *t = &slot[f->out.at[k].id].t;
    out[k] = eval_tensor(t->type, r->B);
    memcpy(out[k].v, t->v, elem_total(t, r->B) * sizeof(Elem));
  }
  slots_destroy(slot, f);
  return ok;
}

static bool eval_fn(Run *r, const Fn *f, const ElemTensor *in, ElemTensor *out) { return eval_part(r, f, in, out, f->out.n, NULL); }

static bool eval_top(Run *r, const Fn *f, const ElemTensor *in, ElemTensor *out) {
  char have[96], want[96];
  if (r->errsize) *r->err = 0;
  if (r->B < 1) return eval_fail(r, "needs a sample at least");
  for (uint32_t k = 0; k < f->in.n; k++)
    if (!type_eq(in[k].type, f->in.at[k].type))
      return eval_fail(r, "@%s takes %s as input %u, found %s", f->name, type_text(f->in.at[k].type, f->f64, want, sizeof want), k,
                       type_text(in[k].type, f->f64, have, sizeof have));
  return eval_fn(r, f, in, out);
}

static bool eval_in(Node *n) { return eval_fail(n->run, "an input that is not bound"); }
