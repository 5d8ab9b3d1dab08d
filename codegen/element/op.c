/* The value of an op at one index of its result, from its operands at the indices it asks for. */
#include "codegen/element/element.h"
#include "codegen/math/math.h"

#include <math.h>
#include <string.h>

/* ---- elementwise ------------------------------------------------------------------------------------------ */

/* Long ops are written out where they stand, which is fastest, until a function has many of them: then
 * the time to compile counts more, and the rest become calls. Those of shared values, which run once a call and not
 * once a tile, are soon many. */
LLVMValueRef gen_ew_value(Gen *g, Op op, LLVMValueRef *args, uint32_t n) {
  CgEmit *e = g->e;
  char name[96];
  LLVMTypeRef t = LLVMTypeOf(args[0]), types[2] = {t, t};
  unsigned lanes = LLVMGetTypeKind(t) == LLVMVectorTypeKind ? LLVMGetVectorSize(t) : 1;
  if (!ir_has(op, OPF_SLOW) || g->inlined++ < (lanes > 1 ? g->tune->inline_vectors : g->tune->inline_scalars))
    return cg_ew(e, op, args);
  snprintf(name, sizeof name, "%s.%u.%u", ir_op[op].name, e->es * 8, lanes);
  LLVMValueRef fn = LLVMGetNamedFunction(e->mod, name), outer = e->fn;
  if (!fn) {
    LLVMBasicBlockRef here = LLVMGetInsertBlock(e->b);
    fn = e->fn = cg_function(e, name, LLVMFunctionType(t, types, n, 0), true);
    LLVMPositionBuilderAtEnd(e->b, cg_block(e, ""));
    LLVMBuildRet(e->b, cg_ew(e, op, (LLVMValueRef[]){LLVMGetParam(fn, 0), n > 1 ? LLVMGetParam(fn, 1) : NULL}));
    e->fn = outer;
    LLVMPositionBuilderAtEnd(e->b, here);
  }
  return LLVMBuildCall2(e->b, LLVMGlobalGetValueType(fn), fn, args, n, "");
}

CgVec gen_real(Gen *g, double v, bool lane) {
  CgVec x = {.lane = lane};
  for (unsigned k = 0; k < (lane ? g->e->nv : 1); k++) x.v[k] = cg_real(g->e, v, lane ? g->e->vl : 1);
  return x;
}

CgVec gen_ew(Gen *g, Op op, CgVec *arg, uint32_t n, bool lane) {
  CgVec x = {.lane = lane};
  bool any = false;
  for (uint32_t k = 0; k < n; k++) any |= arg[k].lane;
  x.lane = any; /* a per-sample result of shared operands is the same for all samples */
  for (uint32_t k = 0; k < n; k++) arg[k] = gen_lanes(g, (Type){.lane = any}, arg[k]);
  for (unsigned v = 0; v < (any ? g->e->nv : 1); v++) {
    LLVMValueRef a[3] = {0};
    for (uint32_t k = 0; k < n; k++) a[k] = arg[k].v[v];
    x.v[v] = gen_ew_value(g, op, a, n);
  }
  return x;
}

CgVec gen_fma(Gen *g, CgVec a, CgVec b, CgVec c) {
  Type lane = {.lane = a.lane || b.lane || c.lane};
  CgVec x = {.lane = lane.lane};
  a = gen_lanes(g, lane, a), b = gen_lanes(g, lane, b), c = gen_lanes(g, lane, c);
  for (unsigned v = 0; v < (x.lane ? g->e->nv : 1); v++) x.v[v] = cg_fma(g->e, a.v[v], b.v[v], c.v[v]);
  return x;
}

static CgVec choose(Gen *g, LLVMValueRef cond, CgVec a, CgVec b) { /* one condition for all lanes */
  Type lane = {.lane = a.lane || b.lane};
  CgVec x = {.lane = lane.lane};
  a = gen_lanes(g, lane, a), b = gen_lanes(g, lane, b);
  for (unsigned v = 0; v < (x.lane ? g->e->nv : 1); v++)
    x.v[v] = LLVMIsAConstantInt(cond) ? (LLVMConstIntGetZExtValue(cond) ? a.v[v] : b.v[v])
                                      : LLVMBuildSelect(g->e->b, cond, a.v[v], b.v[v], "");
  return x;
}

/* Neither in memory nor in registers of another group. */
static bool computed_here(const Gen *g, const Frame *fr, Val v) {
  const PVal *q = &fr->p->val[v.id];
  if (q->alias || q->stored || q->around) return false;
  return q->cls == PC_POINT || (q->cls == PC_SSA && g->group_frame == fr && q->group == g->group);
}

/* An operand at the index of the result; that of a scalar is its own. */
static CgVec operand(Gen *g, Frame *fr, const Inst *i, Val a, Idx *at) {
  Idx scalar = {.axes = true, .lin = cg_i64(g->e, 0)};
  return gen_at(g, fr, a, ir_type(fr->p->f, a).rank == 0 && i->type.rank ? &scalar : at);
}

/* Nothing else needs operand k of a product or a sum, and it is computed here. */
static bool lone(const Gen *g, const Frame *fr, const Inst *i, uint32_t k) {
  Val a = ir_arg(fr->p->f, i, k);
  return fr->p->val[a.id].uses == 1 && ir_type(fr->p->f, a).rank == i->type.rank && computed_here(g, fr, a);
}

static bool lone_product(const Gen *g, const Frame *fr, const Inst *i, uint32_t k) {
  return ir_inst(fr->p->f, ir_arg(fr->p->f, i, k))->op == OP_mul && lone(g, fr, i, k);
}

static bool sums_products(const Frame *fr, Val v) {
  uint16_t op = ir_inst(fr->p->f, plan_strip(fr->p, v))->op;
  return op == OP_mul || op == OP_dot;
}

static CgVec negated(Gen *g, CgVec x) { return gen_ew(g, OP_neg, &x, 1, x.lane); }

/* x y + c, x y - c, c - x y, rounded once. Not of two products: x y - y x must be 0, and x^2 - y^2 not below it for x = y. */
static bool fused(Gen *g, Frame *fr, const Inst *i, Idx *at, CgVec *out) {
  const Fn *f = fr->p->f;
  if (i->op != OP_add && i->op != OP_sub) return false;
  uint32_t k = lone_product(g, fr, i, 0) ? 0 : 1;
  Val other = ir_arg(f, i, 1 - k);
  if (!lone_product(g, fr, i, k) || sums_products(fr, other)) return false;
  const Inst *m = ir_inst(f, ir_arg(f, i, k));
  CgVec x[3];
  Val of[3] = {ir_arg(f, m, 0), ir_arg(f, m, 1), other};
  for (int n = 0; n < 3; n++) x[n] = operand(g, fr, i, of[n], at);
  if (i->op == OP_sub) x[k ? 0 : 2] = negated(g, x[k ? 0 : 2]);
  *out = gen_fma(g, x[0], x[1], x[2]);
  return true;
}

/* x^(-3/2) times a constant: no more than x^(-3/2) alone. */
static bool scaled(Gen *g, Frame *fr, const Inst *i, Idx *at, CgVec *out) {
  const Fn *f = fr->p->f;
  double c;
  if (i->op != OP_mul) return false;
  uint32_t k = ir_is_const(f, plan_strip(fr->p, ir_arg(f, i, 0)), &c) ? 1 : 0;
  if (!k && !ir_is_const(f, plan_strip(fr->p, ir_arg(f, i, 1)), &c)) return false;
  const Inst *r = ir_inst(f, ir_arg(f, i, k));
  if (r->op != OP_rsqrt3 || !lone(g, fr, i, k) || !(fabs(c) >= 0x1p-20 && fabs(c) <= 0x1p20)) return false;
  *out = operand(g, fr, i, ir_arg(f, r, 0), at);
  for (unsigned v = 0; v < (out->lane ? g->e->nv : 1); v++) out->v[v] = cg_rsqrt3(g->e, out->v[v], c);
  return true;
}

static bool of_this_group(const Gen *g, const Frame *fr, Val v) {
  return g->group_frame == fr && fr->p->val[v.id].group == g->group;
}

/* Of a sum or a product, which operand is the first is chance: numbers of values. Here it is the one that this group computes, so that groups
 * that are alike are the same text (gen_outline.c). */
static bool turned(const Gen *g, const Frame *fr, const Inst *i) {
  return (i->op == OP_add || i->op == OP_mul) && !of_this_group(g, fr, ir_arg(fr->p->f, i, 0)) &&
         of_this_group(g, fr, ir_arg(fr->p->f, i, 1));
}

static CgVec elementwise(Gen *g, Frame *fr, const Inst *i, Idx *at) {
  CgVec arg[3];
  if (fused(g, fr, i, at, arg) || scaled(g, fr, i, at, arg)) return arg[0];
  const uint32_t first = turned(g, fr, i);
  for (uint32_t k = 0; k < i->nargs; k++) arg[k] = operand(g, fr, i, ir_arg(fr->p->f, i, k ^ first), at);
  return gen_ew(g, (Op)i->op, arg, i->nargs, i->type.lane);
}

/* ---- sums ----------------------------------------------------------------------------------------------------- */

static Op reducer(uint16_t op) { return op == OP_rmax ? OP_max : op == OP_rmin ? OP_min : OP_add; }

static CgVec reduce(Gen *g, Frame *fr, const Inst *i, Idx *at) {
  Val x = ir_arg(fr->p->f, i, 0);
  Type t = ir_type(fr->p->f, x);
  int axis = (int)ir_sum_attr(fr->p->f, i).axis;
  CgVec sum = {0};
  gen_axes(g, i->type, at);
  if (t.dim[axis] == 0) return gen_real(g, i->op == OP_sum ? 0 : i->op == OP_rmax ? -INFINITY : INFINITY, false);
  for (uint32_t k = 0; k < t.dim[axis]; k++) {
    Idx to = {.axes = true};
    for (int d = 0; d < t.rank; d++) to.ax[d] = d == axis ? cg_i64(g->e, k) : at->ax[d > axis ? d - 1 : d];
    CgVec y = gen_at(g, fr, x, &to);
    sum = k ? gen_ew(g, reducer(i->op), (CgVec[]){sum, y}, 2, t.lane) : y;
  }
  return sum;
}

void gen_dot_idx(const Dot *d, LLVMValueRef *label, DotIdx *out) {
  memset(out, 0, sizeof *out);
  out->a.axes = out->b.axes = out->out.axes = true;
  for (int l = 0; l < d->n; l++) {
    if (d->label[l].in_a >= 0) out->a.ax[d->label[l].in_a] = label[l];
    if (d->label[l].in_b >= 0) out->b.ax[d->label[l].in_b] = label[l];
    if (d->label[l].in_out >= 0) out->out.ax[d->label[l].in_out] = label[l];
  }
}

enum { DOT_LONG = 16, DOT_PARTS = 4 }; /* one number after the other waits for each sum: several at once */

static CgVec dot(Gen *g, Frame *fr, const Inst *i, Idx *at) {
  Dot d;
  LLVMValueRef label[3 * IR_MAX_RANK];
  DotIdx x;
  CgVec part[DOT_PARTS] = {0};
  plan_dot(fr->p->f, i, &d);
  const int64_t parts = g->e->vl == 1 && d.contraction >= DOT_LONG ? DOT_PARTS : 1;
  gen_axes(g, i->type, at);
  for (int l = 0; l < d.n; l++)
    if (d.label[l].in_out >= 0) label[l] = at->ax[d.label[l].in_out];
  if (d.contraction == 0) return gen_real(g, 0, false);
  for (int64_t k = 0; k < d.contraction; k++) {
    int64_t rest = k;
    for (int l = d.n; l-- > 0;)
      if (d.label[l].in_out < 0) label[l] = cg_i64(g->e, rest % d.label[l].n), rest /= d.label[l].n;
    gen_dot_idx(&d, label, &x);
    CgVec a = gen_at(g, fr, d.a, &x.a), b = gen_at(g, fr, d.b, &x.b);
    CgVec *sum = &part[k % parts];
    *sum = k >= parts ? gen_fma(g, a, b, *sum) : gen_ew(g, OP_mul, (CgVec[]){a, b}, 2, true);
  }
  for (int64_t n = parts / 2; n; n /= 2)
    for (int64_t k = 0; k < n; k++) part[k] = gen_ew(g, OP_add, (CgVec[]){part[k], part[k + n]}, 2, true);
  return part[0];
}

static LLVMValueRef compare(Gen *g, LLVMIntPredicate p, LLVMValueRef a, LLVMValueRef b) {
  return LLVMBuildICmp(g->e->b, p, a, b, "");
}

/* ---- ops that look at the index ---------------------------------------------------------------------------------- */

static CgVec tri(Gen *g, Frame *fr, const Inst *i, Idx *at) {
  gen_axes(g, i->type, at);
  int r = i->type.rank;
  LLVMValueRef row = at->ax[r - 2], col = at->ax[r - 1], edge = cg_iadd(g->e, row, cg_i64(g->e, ir_tri_attr(fr->p->f, i).k));
  LLVMValueRef keep = compare(g, ir_tri_attr(fr->p->f, i).upper ? LLVMIntSGE : LLVMIntSLE, col, edge);
  return choose(g, keep, gen_at(g, fr, ir_arg(fr->p->f, i, 0), at), gen_real(g, 0, false));
}

static CgVec diag(Gen *g, Frame *fr, const Inst *i, Idx *at) {
  gen_axes(g, i->type, at);
  Idx to = {.axes = true, .ax = {at->ax[0]}};
  LLVMValueRef keep = compare(g, LLVMIntEQ, at->ax[0], at->ax[1]);
  return choose(g, keep, gen_at(g, fr, ir_arg(fr->p->f, i, 0), &to), gen_real(g, 0, false));
}

/* Which k of n has start + k*step = at; where it is not certain that there is one, *in says whether (else NULL), and k is 0 if not. NULL: there is
 * none. */
static LLVMValueRef stepped(Gen *g, LLVMValueRef at, int64_t start, int64_t step, int64_t n, LLVMValueRef *in) {
  int64_t k;
  *in = NULL;
  if (cg_is_int(at, &k))
    return k < start || (k - start) % step || (k - start) / step >= n ? NULL : cg_i64(g->e, (k - start) / step);
  LLVMValueRef off = cg_iadd(g->e, at, cg_i64(g->e, -start)), zero = cg_i64(g->e, 0);
  *in = compare(g, LLVMIntULT, off, cg_i64(g->e, (n - 1) * step + 1));
  if (step > 1) {
    LLVMValueRef rem = LLVMBuildURem(g->e->b, off, cg_i64(g->e, step), "");
    *in = LLVMBuildAnd(g->e->b, *in, compare(g, LLVMIntEQ, rem, zero), "");
    off = LLVMBuildUDiv(g->e->b, off, cg_i64(g->e, step), "");
  }
  return LLVMBuildSelect(g->e->b, *in, off, zero, "");
}

static CgVec unslice(Gen *g, Frame *fr, const Inst *i, Idx *at) {
  const unslice_attr attr = ir_unslice_attr(fr->p->f, i);
  const Val x = ir_arg(fr->p->f, i, 0);
  Idx to = {.axes = true};
  LLVMValueRef in;
  CgVec out;
  if (g->reader->move && g->reader->move(g, fr, i, at, &out)) return out;
  gen_axes(g, i->type, at);
  memcpy(to.ax, at->ax, sizeof to.ax);
  to.ax[attr.axis] = stepped(g, at->ax[attr.axis], attr.start, attr.step, ir_type(fr->p->f, x).dim[attr.axis], &in);
  if (!to.ax[attr.axis]) return gen_real(g, 0, false);
  out = gen_at(g, fr, x, &to);
  return in ? choose(g, in, out, gen_real(g, 0, false)) : out;
}

/* Stretch (at - j)/step at its place j, summed over the j for which there is one. */
static CgVec unwindow(Gen *g, Frame *fr, const Inst *i, Idx *at) {
  const unwindow_attr attr = ir_unwindow_attr(fr->p->f, i);
  const Val x = ir_arg(fr->p->f, i, 0);
  const Type t = ir_type(fr->p->f, x);
  const int64_t size = t.dim[t.rank - 1], count = t.dim[attr.axis];
  CgVec sum = gen_real(g, 0, false);
  gen_axes(g, i->type, at);
  for (int64_t j = 0; j < size; j++) {
    Idx to = {.axes = true};
    memcpy(to.ax, at->ax, sizeof to.ax);
    to.ax[t.rank - 1] = cg_i64(g->e, j);
    LLVMValueRef in;
    to.ax[attr.axis] = stepped(g, at->ax[attr.axis], j, attr.step, count, &in);
    if (!to.ax[attr.axis]) continue;
    CgVec v = gen_at(g, fr, x, &to);
    if (in) v = choose(g, in, v, gen_real(g, 0, false));
    sum = j ? gen_ew(g, OP_add, (CgVec[]){sum, v}, 2, sum.lane || v.lane) : v;
  }
  return sum;
}

/* At an index that only the code knows: every operand, and a choice. */
static CgVec concat_any(Gen *g, Frame *fr, const Inst *i, Idx *at, int64_t axis) {
  CgVec x = {0};
  LLVMValueRef k = at->ax[axis];
  for (uint32_t j = 0; j < i->nargs; j++) {
    Val a = ir_arg(fr->p->f, i, j);
    int64_t n = ir_type(fr->p->f, a).dim[axis];
    if (n == 0) continue;
    LLVMValueRef in = compare(g, LLVMIntULT, k, cg_i64(g->e, n));
    Idx to = {.axes = true};
    memcpy(to.ax, at->ax, sizeof to.ax);
    to.ax[axis] = LLVMBuildSelect(g->e->b, in, k, cg_i64(g->e, 0), "");
    CgVec y = gen_at(g, fr, a, &to);
    x = x.v[0] ? choose(g, in, y, x) : y;
    k = cg_iadd(g->e, k, cg_i64(g->e, -n));
  }
  return x;
}

static CgVec concat(Gen *g, Frame *fr, const Inst *i, Idx *at) {
  int64_t axis = ir_concat_attr(fr->p->f, i).axis, k = 0;
  CgVec out;
  if (g->reader->move && g->reader->move(g, fr, i, at, &out)) return out;
  gen_axes(g, i->type, at);
  if (!cg_is_int(at->ax[axis], &k)) return concat_any(g, fr, i, at, axis);
  for (uint32_t j = 0; j < i->nargs; j++) {
    Val a = ir_arg(fr->p->f, i, j);
    int64_t n = ir_type(fr->p->f, a).dim[axis];
    if (k < n) {
      Idx to = {.axes = true};
      memcpy(to.ax, at->ax, sizeof to.ax);
      to.ax[axis] = cg_i64(g->e, k);
      return gen_at(g, fr, a, &to);
    }
    k -= n;
  }
  base_fault("codegen: concat beyond its end");
}

/* ---- tiny results only: every index is a constant ------------------------------------------------------------------ */

static CgVec put(Gen *g, Frame *fr, const Inst *i, Idx *at) {
  const Fn *f = fr->p->f;
  int64_t axis = ir_put_attr(f, i).axis, k = 0;
  CgVec sum = gen_real(g, 0, false);
  bool any = false;
  gen_axes(g, i->type, at);
  if (!cg_is_int(at->ax[axis], &k)) base_fault("codegen: put at an index that is not constant");
  IrList index = ir_list(f, i);
  for (uint32_t j = 0; j < index.n; j++) {
    if (index.at[j] != k) continue;
    Idx to = {.axes = true};
    memcpy(to.ax, at->ax, sizeof to.ax);
    to.ax[axis] = cg_i64(g->e, j);
    CgVec y = gen_at(g, fr, ir_arg(f, i, 0), &to);
    sum = any ? gen_ew(g, OP_add, (CgVec[]){sum, y}, 2, true) : y;
    any = true;
  }
  return sum;
}

static CgVec barrier(Gen *g, Frame *fr, const Inst *i, Idx *at) {
  CgVec x = gen_lanes(g, i->type, gen_at(g, fr, ir_arg(fr->p->f, i, 0), at));
  for (unsigned v = 0; v < (x.lane ? g->e->nv : 1); v++) x.v[v] = cg_hide(g->e, x.v[v]);
  return x;
}

static CgVec compute(Gen *g, Frame *fr, Val v, const Inst *i, Idx *at) {
  switch (i->op) {
  case OP_sum:
  case OP_rmax:
  case OP_rmin: return reduce(g, fr, i, at);
  case OP_dot: return dot(g, fr, i, at);
  case OP_cauchy: return gen_cauchy(g, fr, v, at);
  case OP_tri: return tri(g, fr, i, at);
  case OP_diag: return diag(g, fr, i, at);
  case OP_unslice: return unslice(g, fr, i, at);
  case OP_unwindow: return unwindow(g, fr, i, at);
  case OP_concat: return concat(g, fr, i, at);
  case OP_put: return put(g, fr, i, at);
  case OP_gather: return gen_gather(g, fr, i, at);
  case OP_scatter: return gen_scatter_few(g, fr, i, at);
  case OP_setrow: return gen_setrow(g, fr, i, at);
  case OP_barrier: return barrier(g, fr, i, at);
  default: return elementwise(g, fr, i, at);
  }
}

CgVec gen_compute(Gen *g, Frame *fr, Val v, Idx *at) {
  const Inst *i = ir_inst(fr->p->f, v);
  LLVMMetadataRef was = cg_mark(g->e, i);
  CgVec out = compute(g, fr, v, i, at);
  cg_unmark(g->e, was);
  return out;
}
