/* What is added up where stretches of a product overlap (`unwindow`), as a product through windows of its other operand.
 *
 *   sum_{i + j = x} W[.., j] Y[.., i]  =  sum_j W[.., k - 1 - j] Y0[.., x + j]      Y0: Y with k - 1 zeros at either end
 *
 * The adjoint of a convolution is one, with the taps in reverse. So nothing is as large as the stretches, and no place is added to
 * twice. What is cut away behind (the ends that were padding) is not computed.
 *
 * Stretches that begin s places apart meet the place x = s u + r with the taps j = r, r + s, r + 2 s ... alone, and those of the next
 * u the next stretch: each phase r is such a sum, over u, with every s-th tap. Phases with as many taps are one product, with r
 * as one axis more of W; so of k taps the first k mod s phases are one, the others another. If k < s these have no tap and are 0.
 *
 * A rewriting that is exact but for the order of sums. */
#include "passes/check/check.h"
#include "passes/simplify/simplify.h"

#include <string.h>

/* One axis of the result. */
typedef struct Along {
  int axis;
  uint32_t taps, start, n; /* places of the sum that are wanted */
  uint32_t step;           /* from one stretch to the next */
} Along;

typedef struct Overlap {
  const Inst *dot;
  Along along[IR_MAX_RANK]; /* from the last axis of the product */
  int n;
} Overlap;

typedef struct Uses {
  uint32_t *of; /* by id: how often it is read */
  uint32_t *by; /* by id: a reader */
} Uses;

static Uses uses_of(const Fn *f) {
  Uses u = {base_zeroed(f->inst.n, sizeof *u.of), base_zeroed(f->inst.n, sizeof *u.by)};
  for (uint32_t id = 1; id < f->inst.n; id++)
    for (uint32_t k = 0; k < f->inst.at[id].nargs; k++) {
      const uint32_t a = ir_arg(f, &f->inst.at[id], k).id;
      u.of[a]++, u.by[a] = id;
    }
  for (uint32_t k = 0; k < f->out.n; k++) u.of[f->out.at[k].id] += 2; /* nobody else's */
  return u;
}

static bool is_link(const Fn *f, const Inst *i) {
  return (i->op == OP_slice && ir_slice_attr(f, i).step == 1) || i->op == OP_unwindow;
}

/* The axis `axis` of the places wanted so far, all of them if it is new. */
static Along *along_axis(Overlap *o, int axis, uint32_t n) {
  for (int k = 0; k < o->n; k++)
    if (o->along[k].axis == axis) return &o->along[k];
  o->along[o->n] = (Along){.axis = axis, .n = n};
  return &o->along[o->n++];
}

/* From the top of a chain of slices and sums down to its product. */
static bool chain(const Fn *f, const Uses *u, uint32_t id, Overlap *o) {
  *o = (Overlap){0};
  for (bool top = true;; top = false) {
    const Inst *i = &f->inst.at[id];
    if (!top && u->of[id] != 1) return false;
    if (i->op == OP_dot) return o->dot = i, o->n > 0;
    if (!is_link(f, i)) return false;
    const int axis = (int)ir_attrs(f, i).at[0];
    Along *a = along_axis(o, axis, i->type.dim[axis]);
    if (i->op == OP_slice) {
      if (a->taps) return false;
      a->start += ir_slice_attr(f, i).start;
    } else {
      const Type t = ir_type(f, ir_arg(f, i, 0));
      if (a->taps) return false;
      a->taps = t.dim[t.rank - 1];
      a->step = (uint32_t)ir_unwindow_attr(f, i).step;
      const Along last = *a; /* kept in the order of the sums */
      memmove(a, a + 1, sizeof *a * (size_t)(o->along + o->n - a - 1));
      o->along[o->n - 1] = last;
    }
    id = ir_arg(f, i, 0).id;
  }
}

static int place(const int *label, int n, int l) {
  for (int k = 0; k < n; k++)
    if (label[k] == l) return k;
  return -1;
}

/* Which operand of the product all places come from, the taps being of the other; -1: of none. */
static int operand_of(const Overlap *o, const DotShape *d) {
  int of = -1;
  for (int k = 0; k < o->n; k++) {
    const int at = d->label[2][o->along[k].axis], tap = d->label[2][d->rank[2] - o->n + k];
    const int y = place(d->label[1], d->rank[1], at) >= 0, w = 1 - y;
    if (!o->along[k].taps || (of >= 0 && of != y)) return -1;
    if (place(d->label[w], d->rank[w], at) >= 0 || place(d->label[w], d->rank[w], tap) < 0 ||
        place(d->label[y], d->rank[y], tap) >= 0)
      return -1;
    of = y;
  }
  return of;
}

/* The product that is written: operands, their labels, those of the result; which operand the places come from. */
typedef struct Product {
  const Overlap *o;
  const DotShape *of;
  int y;
  Val x[2];
  int label[2][IR_MAX_RANK], rank[2], out[IR_MAX_RANK], nout;
} Product;

static int label_at(const Product *p, int k) { return p->of->label[2][p->o->along[k].axis]; }
static int label_tap(const Product *p, int k) { return p->of->label[2][p->of->rank[2] - p->o->n + k]; }

static uint32_t first_u(const Along *a) { return a->start / a->step; }
static uint32_t all_u(const Along *a) { return (a->start + a->n - 1) / a->step + 1 - first_u(a); }
static uint32_t most_taps(const Along *a) { return (a->taps + a->step - 1) / a->step; }

/* y at places u - taps + 1 ... u + n - 1 of an axis, 0 where it has none. */
static Val surrounded(Build *b, Val y, int axis, const Along *a) {
  const int64_t m = ir_type(b->f, y).dim[axis], u = first_u(a), first = u - ((int64_t)most_taps(a) - 1), end = u + all_u(a);
  const int64_t from = first < 0 ? 0 : first, to = end > m ? m : end;
  if (to - from < m) y = ir_slice(b, y, axis, (uint32_t)from, (uint32_t)(to - from), 1);
  return to - from < end - first ? ir_unslice(b, y, axis, (uint32_t)(from - first), 1, (uint32_t)(end - first)) : y;
}

static Val product(Build *b, const Product *p, int k);

/* The taps of W in reverse, of y a window of as many. */
static void through_taps(Build *b, Product *p, int k, uint32_t taps) {
  const int y = p->y, w = 1 - y;
  p->x[w] = ir_flip(b, p->x[w], place(p->label[w], p->rank[w], label_tap(p, k)));
  p->x[y] = ir_window(b, p->x[y], place(p->label[y], p->rank[y], label_at(p, k)), taps, 1);
  p->label[y][p->rank[y]++] = label_tap(p, k);
}

/* Phases r ... r + n - 1, which have so many taps, as an axis behind that of u. */
static Val some_phases(Build *b, Product p, int k, uint32_t r, uint32_t n, uint32_t taps) {
  const Along *a = &p.o->along[k];
  const int y = p.y, w = 1 - y, phase = 3 * IR_MAX_RANK + k, at = place(p.out, p.nout, label_at(&p, k)) + 1;
  const int tap = place(p.label[w], p.rank[w], label_tap(&p, k)), u = place(p.label[y], p.rank[y], label_at(&p, k));
  p.x[w] = ir_window(b, ir_slice(b, p.x[w], tap, r, (taps - 1) * a->step + n, 1), tap, n, a->step);
  p.label[w][p.rank[w]++] = phase;
  p.x[y] = ir_slice(b, p.x[y], u, most_taps(a) - taps, all_u(a) + taps - 1, 1);
  memmove(p.out + at + 1, p.out + at, sizeof *p.out * (size_t)(p.nout++ - at));
  p.out[at] = phase;
  through_taps(b, &p, k, taps);
  return product(b, &p, k + 1);
}

/* All places along an axis from those of each phase. */
static Val all_phases(Build *b, const Product *p, int k) {
  const Along *a = &p->o->along[k];
  const uint32_t more = a->taps % a->step, taps = a->taps / a->step;
  const int at = place(p->out, p->nout, label_at(p, k));
  Val part[2], v;
  int n = 0;
  if (more) part[n++] = some_phases(b, *p, k, 0, more, taps + 1);
  if (taps) part[n++] = some_phases(b, *p, k, more, a->step - more, taps);
  v = n == 2 ? ir_concat(b, part, 2, at + 1) : taps ? part[0] : ir_unslice(b, part[0], at + 1, 0, 1, a->step);
  Type t = ir_type(b->f, v);
  t.dim[at] *= t.dim[at + 1];
  memmove(t.dim + at + 1, t.dim + at + 2, sizeof *t.dim * (size_t)(t.rank-- - at - 2));
  v = ir_reshape(b, v, t.rank, t.dim);
  return t.dim[at] == a->n ? v : ir_slice(b, v, at, a->start - first_u(a) * a->step, a->n, 1);
}

/* From axis k of the overlap on. */
static Val product(Build *b, const Product *p, int k) {
  if (k == p->o->n) return ir_dot(b, p->x[0], p->x[1], false, p->label[0], p->label[1], p->nout, p->out);
  if (p->o->along[k].step > 1) return all_phases(b, p, k);
  Product next = *p;
  through_taps(b, &next, k, p->o->along[k].taps);
  return product(b, &next, k + 1);
}

static Val through_windows(Copy *c, const Overlap *o) {
  const DotShape d = ir_dot_shape(c->from, o->dot);
  Product p = {.o = o, .of = &d, .y = d.lanes ? -1 : operand_of(o, &d), .nout = d.rank[2] - o->n};
  int phases = 0;
  for (int k = 0; k < o->n; k++) phases += o->along[k].step > 1;
  if (p.y < 0 || d.rank[p.y] + o->n > IR_MAX_RANK || d.rank[1 - p.y] + phases > IR_MAX_RANK || p.nout + phases > IR_MAX_RANK)
    return VAL_NONE;
  for (int side = 0; side < 2; side++) {
    p.x[side] = c->map[ir_arg(c->from, o->dot, (uint32_t)side).id], p.rank[side] = d.rank[side];
    memcpy(p.label[side], d.label[side], sizeof *p.label);
  }
  memcpy(p.out, d.label[2], sizeof *p.out * (size_t)p.nout);
  for (int k = 0; k < o->n; k++)
    p.x[p.y] = surrounded(c->b, p.x[p.y], place(p.label[p.y], p.rank[p.y], label_at(&p, k)), &o->along[k]);
  return product(c->b, &p, 0);
}

static Fn *overlap(Fn *parent, const Fn *f);

static Val overlap_inst(Copy *c, uint32_t id, const Inst *i) {
  const Uses *u = c->ctx;
  Overlap o;
  const bool inner = u->of[id] == 1 && is_link(c->from, &c->from->inst.at[u->by[id]]);
  Val v = is_link(c->from, i) && !inner && chain(c->from, u, id, &o) ? through_windows(c, &o) : VAL_NONE;
  if (v.id || !i->sub) return v;
  return copy_body(c, i, overlap(c->b->f, ir_body(c->from, i)));
}

static Fn *overlap(Fn *parent, const Fn *f) {
  Uses u = uses_of(f);
  Fn *g = copy_fn(parent, f, overlap_inst, &u);
  base_free(u.of);
  base_free(u.by);
  return g;
}

Fn *pass_overlap(PassRun *run, const Fn *f) {
  double start = pass_now();
  const bool any = pass_holds(f, 0, OP_unwindow);
  Fn *out = pass_done(run, "overlap", start, any ? overlap(NULL, f) : ir_copy_fn(NULL, f));
  if (!any) return out;
  check_same(run, "overlap", f, out);
  Fn *simple = simplify_powers(run, out);
  ir_fn_destroy(out);
  return simple;
}
