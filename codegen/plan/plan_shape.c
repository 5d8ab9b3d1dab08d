/* What the plan knows of shapes: dots taken apart, and values seen as strided memory through views. */
#include "codegen/plan/plan.h"

#include <string.h>

void plan_dot(const Fn *f, const Inst *i, Dot *d) {
  memset(d, 0, sizeof *d);
  d->a = ir_arg(f, i, 0), d->b = ir_arg(f, i, 1);
  d->contraction = 1;
  DotShape s = ir_dot_shape(f, i);
  d->lanes = s.lanes;
  for (int side = 0; side < 3; side++)
    for (int k = 0; k < s.rank[side]; k++) {
      int at = 0;
      while (at < d->n && d->label[at].label != s.label[side][k]) at++;
      DotLabel *l = &d->label[at];
      if (at == d->n) *l = (DotLabel){s.label[side][k], 0, -1, -1, -1}, d->n++;
      if (side == 0) l->in_a = k, l->n = ir_type(f, d->a).dim[k];
      else if (side == 1) l->in_b = k, l->n = ir_type(f, d->b).dim[k];
      else l->in_out = k;
    }
  for (int k = 0; k < d->n; k++)
    if (d->label[k].in_out < 0) d->contraction *= d->label[k].n;
}

/* ---- strided views ---------------------------------------------------------------------------------------- */

static void contiguous(Type t, int64_t *stride) {
  int64_t s = 1;
  for (int k = t.rank; k-- > 0; s *= t.dim[k]) stride[k] = s;
}

/* Strides of the same elements under other dims; false if they are not regular. */
static bool reshape_strides(Type from, const int64_t *in, Type to, int64_t *out) {
  int i = from.rank, o = to.rank;
  while (o > 0) {
    int64_t have = 1, want = 1, s = 1, unit = 0;
    int i1 = i, o1 = o;
    while (i > 0 && have == 1) have = from.dim[--i], unit = in[i];
    if (have == 1) { /* only ones are left */
      while (o > 0) out[--o] = 0;
      return true;
    }
    want = to.dim[--o];
    while (have != want) {
      if (want < have) {
        if (o == 0) return false;
        want *= to.dim[--o];
      } else {
        if (i == 0) return false;
        uint32_t d = from.dim[--i];
        if (d != 1 && in[i] != have * unit) return false;
        have *= d;
      }
    }
    (void)i1;
    for (int k = o1; k-- > o; s *= to.dim[k]) out[k] = s * unit;
  }
  return true;
}

static bool affine_view(const Plan *p, const Inst *i, Affine *a) {
  const Fn *f = p->f;
  int64_t in[IR_MAX_RANK];
  memcpy(in, a->stride, sizeof in);
  Type from = ir_type(f, ir_arg(f, i, 0));
  switch (i->op) {
  case OP_id:
  case OP_spread:
  case OP_barrier: return true;
  case OP_reshape: return reshape_strides(from, in, i->type, a->stride);
  case OP_transpose:
    for (uint32_t k = 0; k < i->type.rank; k++) a->stride[k] = in[ir_list(f, i).at[k]];
    return true;
  case OP_expand: {
    int axis = (int)ir_expand_attr(f, i).axis;
    for (int k = i->type.rank; k-- > 0;) a->stride[k] = k == axis ? 0 : in[k > axis ? k - 1 : k];
    return true;
  }
  case OP_slice: {
    int axis = (int)ir_slice_attr(f, i).axis;
    a->off += ir_slice_attr(f, i).start * in[axis];
    a->stride[axis] = in[axis] * ir_slice_attr(f, i).step;
    return true;
  }
  case OP_flip: {
    int axis = (int)ir_flip_attr(f, i).axis;
    a->off += (i->type.dim[axis] - 1) * in[axis];
    a->stride[axis] = -in[axis];
    return true;
  }
  case OP_window: {
    const window_attr attr = ir_window_attr(f, i);
    a->stride[attr.axis] = in[attr.axis] * attr.step;
    a->stride[from.rank] = in[attr.axis];
    return true;
  }
  case OP_diagv: a->stride[0] = in[0] + in[1]; return true;
  default: return false;
  }
}

/* v, where it lies in the value that has it inside. */
static bool inside_of(const Plan *p, Val v, Val around, Affine *a) {
  *a = (Affine){.p = p, .root = around};
  contiguous(ir_type(p->f, around), a->stride);
  for (Val at = around; at.id != v.id; at = ir_arg(p->f, ir_inst(p->f, at), 0)) {
    const unslice_attr u = ir_unslice_attr(p->f, ir_inst(p->f, at));
    a->off += u.start * a->stride[u.axis];
    a->stride[u.axis] *= u.step;
  }
  return ir_type(p->f, v).dt == DT_REAL;
}

bool plan_affine(const Plan *p, Val v, Affine *out) {
  const PVal *pv = &p->val[v.id];
  if (pv->alias) return plan_affine(p, (Val){pv->alias}, out);
  const Inst *i = ir_inst(p->f, v);
  switch (pv->cls) {
  case PC_POINT:
    if (pv->around && !pv->stored) return inside_of(p, v, (Val){pv->around}, out);
    /* fallthrough */
  case PC_TABLE:
  case PC_IN:
  case PC_SSA:
  case PC_BUF:
    *out = (Affine){.p = p, .root = v};
    contiguous(i->type, out->stride);
    return i->type.dt == DT_REAL;
  case PC_VIEW: return plan_affine(p, ir_arg(p->f, i, 0), out) && affine_view(p, i, out);
  case PC_UP: {
    const Inst *call = ir_inst(p->up->f, p->call);
    uint32_t k = ir_number(p->f, i);
    Val outer = ir_arg(p->up->f, call, k);
    if (!plan_affine(p->up, outer, out)) return false;
    bool xs = call->op == OP_scan && k < (uint32_t)(ir_scan_shape(p->up->f, call).carry + ir_scan_shape(p->up->f, call).xs);
    if (!xs) return true;
    if (out->nturn == IR_MAX_RANK) return false;
    out->turn[out->nturn].body = p, out->turn[out->nturn].mul = out->stride[0], out->nturn++;
    memmove(out->stride, out->stride + 1, sizeof out->stride - sizeof out->stride[0]);
    return true;
  }
  default: return false;
  }
}

/* ---- products ---------------------------------------------------------------------------------------------- */

/* The contraction as stretches: labels whose strides continue each other in both operands are one. The longest is k; where the
 * matrix is used at several places, the one whose elements of x lie nearest: taps of a convolution before channels. */
static bool stretches(const Dot *d, GemmShape *g) {
  Contracted s[3 * IR_MAX_RANK];
  int n = 0, inner = 0, m = 0;
  for (int l = 0; l < d->n; l++) {
    const DotLabel *q = &d->label[l];
    if (q->in_out >= 0 || q->n == 1) continue;
    Contracted next = {q->n, g->a.stride[g->a_shared ? q->in_a : q->in_b], g->x.stride[g->a_shared ? q->in_b : q->in_a]};
    int at = n++;
    for (; at > 0 && next.x < s[at - 1].x; at--) s[at] = s[at - 1];
    s[at] = next;
  }
  if (n == 0) return false;
  for (int i = 1; i < n; i++) {
    if (s[i].x == s[m].x * s[m].n && s[i].a == s[m].a * s[m].n) s[m].n *= s[i].n;
    else s[++m] = s[i];
  }
  for (int i = 1; i <= m && g->place < 0; i++)
    if (s[i].n > s[inner].n) inner = i;
  g->k = s[inner].n, g->a_k = s[inner].a, g->x_k = s[inner].x, g->nouter = 0;
  for (int i = m; i >= 0; i--)
    if (i != inner) g->outer[g->nouter++] = s[i];
  return true;
}

/* The longest label of the result that is only in one operand; -1: there is none. */
static int longest_of(const Dot *d, bool of_a) {
  int row = -1;
  for (int l = 0; l < d->n; l++) {
    const DotLabel *q = &d->label[l];
    if (q->in_out < 0 || (of_a ? q->in_b : q->in_a) >= 0) continue;
    if (row < 0 || q->n > d->label[row].n) row = l;
  }
  return row;
}

/* The label of the result that only the other operand has whose elements lie nearest to each other. */
static int nearest_place(const Dot *d, const GemmShape *g) {
  int place = -1;
  int64_t nearest = 0;
  for (int l = 0; l < d->n; l++) {
    const DotLabel *q = &d->label[l];
    const int in_x = g->a_shared ? q->in_b : q->in_a, in_a = g->a_shared ? q->in_a : q->in_b;
    if (l == g->row || q->in_out < 0 || in_a >= 0 || q->n == 1) continue;
    const int64_t apart = g->x.stride[in_x] < 0 ? -g->x.stride[in_x] : g->x.stride[in_x];
    if (place < 0 || apart < nearest) place = l, nearest = apart;
  }
  return place;
}

/* a_shared: the matrix is operand a. */
static bool gemm_shape(const Plan *p, const Dot *d, bool a_shared, GemmShape *g) {
  g->a_shared = a_shared;
  g->shared = a_shared ? d->a : d->b, g->lane = a_shared ? d->b : d->a;
  if (!plan_affine(p, g->shared, &g->a) || !plan_affine(p, g->lane, &g->x)) return false;
  g->row = longest_of(d, g->a_shared);
  g->along = g->row < 0;
  if (g->along) g->row = longest_of(d, !g->a_shared);
  if (g->row < 0) return false;
  g->place = nearest_place(d, g);
  return stretches(d, g);
}

bool plan_gemm(const Plan *p, const Dot *d, GemmShape *g) {
  bool la = ir_type(p->f, d->a).lane, lb = ir_type(p->f, d->b).lane;
  return !d->lanes && la != lb && gemm_shape(p, d, !la, g);
}

bool plan_gemv(const Plan *p, const Dot *d, GemmShape *g) {
  if (d->lanes || !plan_along(p)) return false;
  for (int side = 0; side < 2; side++) {
    if (!gemm_shape(p, d, side == 0, g) || g->nouter || g->along) continue;
    bool alone = true; /* no loops around it */
    for (int l = 0; l < d->n; l++) alone &= d->label[l].in_out < 0 || l == g->row || d->label[l].n == 1;
    int axis = side == 0 ? d->label[g->row].in_a : d->label[g->row].in_b;
    if (alone && p->target->kernel->gemv_takes(p->tune, p->form.wide, g->a.stride[axis], g->a_k, g->x_k)) return true;
  }
  return false;
}

/* What is contracted is summed up in the tile, and all that only x has are its rows. */
static void sum_places(const Dot *d, DwShape *w) {
  for (int l = 0; l < d->n; l++) {
    const DotLabel *q = &d->label[l];
    const int in_g = w->g_is_a ? q->in_a : q->in_b, in_x = w->g_is_a ? q->in_b : q->in_a;
    if (q->in_out < 0 && q->n > 1) w->place[w->nplace++] = (Contracted){q->n, w->ga.stride[in_g], w->xa.stride[in_x]};
    if (q->in_out >= 0 && in_g < 0 && (q->n > 1 || l == w->col)) w->k[w->nk++] = l;
  }
}

bool plan_dw(const Plan *p, const Dot *d, DwShape *w) {
  if (!d->lanes) return false;
  w->col = -1, w->row = -1, w->nplace = w->nk = 0;
  for (int l = 0; l < d->n; l++) {
    const DotLabel *q = &d->label[l];
    if (q->in_out >= 0 && (w->col < 0 || q->in_out > d->label[w->col].in_out)) w->col = l;
  }
  if (w->col < 0) return false;
  const DotLabel *c = &d->label[w->col];
  if (c->in_a >= 0 && c->in_b >= 0) return false;
  w->g_is_a = c->in_b >= 0;
  w->g = w->g_is_a ? d->a : d->b, w->x = w->g_is_a ? d->b : d->a;
  for (int l = 0; l < d->n; l++) {
    const DotLabel *q = &d->label[l];
    int in_g = w->g_is_a ? q->in_a : q->in_b, in_x = w->g_is_a ? q->in_b : q->in_a;
    if (q->in_out < 0 || in_g < 0 || in_x >= 0) continue;
    if (w->row < 0 || q->n > d->label[w->row].n) w->row = l;
  }
  if (!plan_affine(p, w->g, &w->ga) || !plan_affine(p, w->x, &w->xa)) return false;
  if (d->contraction >= p->tune->places && !p->form.single) sum_places(d, w);
  return w->row >= 0 || w->nplace;
}
