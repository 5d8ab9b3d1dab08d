/* What is added up where stretches of a product overlap (`unwindow`), as a product through windows of its other operand.
 *
 *   sum_{i + j = x} W[.., j] Y[.., i]  =  sum_j W[.., k - 1 - j] Y0[.., x + j]      Y0: Y with k - 1 zeros at either end
 *
 * The adjoint of a convolution is one, with the taps in reverse. So nothing is as large as the stretches, and no place is added to
 * twice. What is cut away behind (the ends that were padding) is not computed. Only for steps of 1: wider ones would multiply
 * zeros. A rewriting that is exact but for the order of sums. */
#include "passes/check/check.h"
#include "passes/simplify/simplify.h"

#include <string.h>

/* One axis of the result. */
typedef struct Along {
  int axis;
  uint32_t taps, start, n; /* places of the sum that are wanted */
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
  return (i->op == OP_slice && ir_slice_attr(f, i).step == 1) || (i->op == OP_unwindow && ir_unwindow_attr(f, i).step == 1);
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

/* y at places start - taps + 1 ... start + n - 1 of an axis, 0 where it has none. */
static Val surrounded(Build *b, Val y, int axis, const Along *a) {
  const int64_t m = ir_type(b->f, y).dim[axis], first = (int64_t)a->start - (a->taps - 1), end = (int64_t)a->start + a->n;
  const int64_t from = first < 0 ? 0 : first, to = end > m ? m : end;
  if (to - from < m) y = ir_slice(b, y, axis, (uint32_t)from, (uint32_t)(to - from), 1);
  return to - from < end - first ? ir_unslice(b, y, axis, (uint32_t)(from - first), 1, (uint32_t)(end - first)) : y;
}

static Val through_windows(Copy *c, const Overlap *o) {
  const DotShape d = ir_dot_shape(c->from, o->dot);
  int label[2][IR_MAX_RANK];
  const int y = d.lanes ? -1 : operand_of(o, &d), w = 1 - y;
  if (y < 0 || d.rank[y] + o->n > IR_MAX_RANK) return VAL_NONE;
  Val x[2] = {c->map[ir_arg(c->from, o->dot, 0).id], c->map[ir_arg(c->from, o->dot, 1).id]};
  for (int side = 0; side < 2; side++) memcpy(label[side], d.label[side], sizeof *label);
  for (int k = 0; k < o->n; k++) {
    const int at = place(label[y], d.rank[y], d.label[2][o->along[k].axis]);
    x[y] = surrounded(c->b, x[y], at, &o->along[k]);
  }
  for (int k = 0; k < o->n; k++) {
    const int tap = d.label[2][d.rank[2] - o->n + k], at = place(label[y], d.rank[y], d.label[2][o->along[k].axis]);
    x[w] = ir_flip(c->b, x[w], place(label[w], d.rank[w], tap));
    x[y] = ir_window(c->b, x[y], at, o->along[k].taps, 1);
    label[y][d.rank[y] + k] = tap;
  }
  return ir_dot(c->b, x[0], x[1], false, label[0], label[1], d.rank[2] - o->n, d.label[2]);
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
