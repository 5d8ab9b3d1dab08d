/* Folding of structural ops other than dot. Slices move towards inputs (less data), broadcasts towards
 * the result; a rule never looks through `id`, nor through `proj` of a loop. Rules copy what they need
 * of an operand before they emit: emission moves the instructions. */
#include "ir/build/fold.h"

#include <stdlib.h>
#include <string.h>

typedef struct Look { /* a copy of an operand's instruction */
  Op op;
  Val x;        /* its first operand */
  int64_t a[4]; /* its first attributes */
  uint32_t nattr;
  Type type, xtype; /* of it and of x */
} Look;

static Look look(const Build *b, Val v) {
  const Inst *i = ir_inst(b->f, v);
  Look l = {.op = (Op)i->op, .nattr = i->nattr, .type = i->type};
  if (i->nargs) l.x = ir_arg(b->f, i, 0), l.xtype = ir_type(b->f, l.x);
  for (uint32_t k = 0; k < 4 && k < i->nattr; k++) l.a[k] = ir_attrs(b->f, i).at[k];
  return l;
}

static Val again(Build *b, const Cand *c, Val x) { return ir_emit(b, c->op, &x, 1, c->attr, c->nattr, NULL); }

static Val to_dims(Build *b, Val x, Type t) { return ir_reshape(b, x, t.rank, t.dim); }

static bool is_zero(const Build *b, Val v) {
  double c;
  return ir_is_const(b->f, v, &c) && c == 0;
}

/* Index of an axis after `removed` is taken out (they differ), and of a place before which to expand
 * `axis` once `other` has been taken out. */
static int without(int64_t axis, int64_t removed) { return (int)(axis - (axis > removed)); }

/* ---- one value repeated ---- */

static Val fold_of_splat(Build *b, const Cand *c, Num n) {
  switch (c->op) {
  case OP_reshape:
  case OP_transpose:
  case OP_flip:
  case OP_expand:
  case OP_slice:
  case OP_take:
  case OP_rmax:
  case OP_rmin:
  case OP_diagv: return fold_splat(b, n, c->type);
  case OP_sum: {
    Type t = ir_type(b->f, c->args[0]);
    Num r = num_apply(OP_mul, n, num_ratio(t.dim[c->attr[0]], 1));
    return b->f->f64 == FN_EXACT && r.den == 0 ? VAL_NONE : fold_splat(b, r, c->type);
  }
  case OP_unslice:
  case OP_put:
  case OP_diag:
  case OP_tri:
  case OP_batch_sum: return n.v == 0 ? fold_zeros(b, c->type) : VAL_NONE;
  default: return VAL_NONE;
  }
}

static bool passes_spread(Op op) {
  if (op == OP_id || op == OP_spread) return false;
  return op == OP_sum || op == OP_rmax || op == OP_rmin || ir_has(op, OPF_VIEW | OPF_PLACES);
}

/* ---- axes ---- */

static Val fold_reshape(Build *b, const Cand *c) {
  Look l = look(b, c->args[0]);
  if (type_same_dims(l.type, c->type)) return c->args[0];
  return l.op == OP_reshape ? to_dims(b, l.x, c->type) : VAL_NONE;
}

/* Axes larger than 1 keep their order. */
static bool keeps_order(Type from, const int64_t *perm) {
  int64_t last = -1;
  for (int k = 0; k < from.rank; k++) {
    if (from.dim[perm[k]] == 1) continue;
    if (perm[k] < last) return false;
    last = perm[k];
  }
  return true;
}

static Val fold_transpose(Build *b, const Cand *c) {
  Look l = look(b, c->args[0]);
  int perm[IR_MAX_RANK];
  if (keeps_order(l.type, c->attr)) return to_dims(b, c->args[0], c->type);
  if (l.op == OP_transpose) {
    const int64_t *inner = b->f->attr.at + ir_inst(b->f, c->args[0])->attr;
    for (uint32_t k = 0; k < c->nattr; k++) perm[k] = (int)inner[c->attr[k]];
    return ir_transpose(b, l.x, perm);
  }
  if (l.op != OP_expand) return VAL_NONE;
  int at = 0, n = 0;
  for (int k = 0; k < (int)c->nattr; k++) {
    if (c->attr[k] == l.a[0]) at = k;
    else perm[n++] = without(c->attr[k], l.a[0]);
  }
  return ir_expand(b, ir_transpose(b, l.x, perm), at, (uint32_t)l.a[1]);
}

static Val fold_flip(Build *b, const Cand *c) {
  Look l = look(b, c->args[0]);
  if (l.type.dim[c->attr[0]] == 1 || (l.op == OP_expand && l.a[0] == c->attr[0])) return c->args[0];
  return l.op == OP_flip && l.a[0] == c->attr[0] ? l.x : VAL_NONE;
}

static Val fold_expand(Build *b, const Cand *c) { return c->attr[1] == 1 ? to_dims(b, c->args[0], c->type) : VAL_NONE; }

/* sum of a product over an axis of both: a dot. A scalar leaves the sum. */
static Val sum_of_mul(Build *b, Val product, int64_t axis) {
  const Inst *i = ir_inst(b->f, product);
  Val x = ir_arg(b->f, i, 0), y = ir_arg(b->f, i, 1);
  int rank = i->type.rank, all[IR_MAX_RANK], out[IR_MAX_RANK], n = 0;
  for (int w = 0; w < 2; w++) {
    Val s = w ? y : x;
    if (ir_type(b->f, s).rank == 0) return fold_leaves_sum(b, s) ? ir_mul(b, s, ir_sum(b, w ? x : y, (int)axis)) : VAL_NONE;
  }
  for (int k = 0; k < rank; k++) {
    all[k] = k;
    if (k != axis) out[n++] = k;
  }
  return ir_dot(b, x, y, false, all, all, n, out);
}

/* sum of a dot whose operands both have all labels: that label is summed too. */
static Val sum_of_dot(Build *b, Val dot, int64_t axis) {
  const Inst *i = ir_inst(b->f, dot);
  const int64_t *a = b->f->attr.at + i->attr;
  int la[IR_MAX_RANK], lb[IR_MAX_RANK], lo[IR_MAX_RANK], n = 0;
  uint32_t na = 0, nb = 0;
  if (a[0] || a[1] != a[2]) return VAL_NONE;
  for (int k = 0; k < a[1]; k++) {
    la[k] = (int)a[3 + k];
    lb[k] = (int)a[3 + a[1] + k];
    na |= 1u << la[k];
    nb |= 1u << lb[k];
  }
  if (na != nb) return VAL_NONE;
  for (int k = 0; k < i->type.rank; k++)
    if (k != axis) lo[n++] = (int)a[3 + a[1] + a[2] + k];
  return ir_dot(b, ir_arg(b->f, i, 0), ir_arg(b->f, i, 1), false, la, lb, n, lo);
}

static Val fold_sum(Build *b, const Cand *c) {
  Look l = look(b, c->args[0]);
  int64_t axis = c->attr[0];
  Val v = fold_sum_of_lanes(b, c->args[0], (int)axis);
  if (v.id) return to_dims(b, v, c->type);
  if (l.type.dim[axis] == 1) return to_dims(b, c->args[0], c->type);
  if (l.op == OP_mul) return sum_of_mul(b, c->args[0], axis);
  if (l.op == OP_dot) return sum_of_dot(b, c->args[0], axis);
  if (l.op == OP_unslice && l.a[0] == axis) return again(b, c, l.x);
  if (l.op != OP_expand) return VAL_NONE;
  if (l.a[0] == axis) return ir_mul(b, l.x, ir_const(b, (double)l.a[1]));
  return ir_expand(b, ir_sum(b, l.x, without(axis, l.a[0])), without(l.a[0], axis), (uint32_t)l.a[1]);
}

static Val fold_extremum(Build *b, const Cand *c) {
  Look l = look(b, c->args[0]);
  int64_t axis = c->attr[0];
  if (l.type.dim[axis] == 1) return to_dims(b, c->args[0], c->type);
  if (l.op != OP_expand) return VAL_NONE;
  if (l.a[0] == axis) return l.x;
  Val inner = ir_emit(b, c->op, &l.x, 1, (int64_t[]){without(axis, l.a[0])}, 1, NULL);
  return ir_expand(b, inner, without(l.a[0], axis), (uint32_t)l.a[1]);
}

/* ---- slices ---- */

typedef struct Range {
  int64_t start, n, step;
} Range;

static bool one_of(Range r, int64_t at) { return at >= r.start && (at - r.start) % r.step == 0 && (at - r.start) / r.step < r.n; }

/* Elements of r as indices into the elements of `of`; false if one is not among them. */
static bool range_in(Range r, Range of, Range *out) {
  int64_t last = r.start + (r.n - 1) * r.step;
  if (!one_of(of, r.start) || !one_of(of, last) || (r.n > 1 && r.step % of.step)) return false;
  *out = (Range){(r.start - of.start) / of.step, r.n, r.n > 1 ? r.step / of.step : 1};
  return true;
}

static bool ranges_meet(Range x, Range y) {
  for (int64_t k = 0; k < x.n; k++)
    if (one_of(y, x.start + k * x.step)) return true;
  return false;
}

static Val slice_range(Build *b, Val x, int64_t axis, Range r) {
  return ir_slice(b, x, (int)axis, (uint32_t)r.start, (uint32_t)r.n, (uint32_t)r.step);
}

static Val slice_of_concat(Build *b, const Cand *c, Range r) {
  int64_t start = 0;
  for (uint32_t k = 0; k < ir_inst(b->f, c->args[0])->nargs; k++) {
    Val part = ir_arg(b->f, ir_inst(b->f, c->args[0]), k);
    int64_t size = ir_type(b->f, part).dim[c->attr[0]];
    if (r.start >= start && r.start + (r.n - 1) * r.step < start + size) {
      r.start -= start;
      return fold_coerce(b, slice_range(b, part, c->attr[0], r), c->type);
    }
    start += size;
  }
  return VAL_NONE;
}

static Val slice_of_unslice(Build *b, const Cand *c, const Look *l, Range r) {
  Range has = {l->a[1], l->xtype.dim[l->a[0]], l->a[2]}, in;
  if (l->a[0] != c->attr[0])
    return ir_unslice(b, again(b, c, l->x), (int)l->a[0], (uint32_t)l->a[1], (uint32_t)l->a[2], (uint32_t)l->a[3]);
  if (range_in(r, has, &in)) return slice_range(b, l->x, c->attr[0], in);
  return ranges_meet(r, has) ? VAL_NONE : fold_zeros(b, c->type);
}

static Val slice_of_take(Build *b, const Cand *c, Range r) {
  const Inst *i = ir_inst(b->f, c->args[0]);
  uint32_t *index = base_realloc(NULL, (size_t)r.n * sizeof *index);
  for (int64_t k = 0; k < r.n; k++) index[k] = (uint32_t)ir_list(b->f, i).at[r.start + k * r.step];
  Val v = ir_take(b, ir_arg(b->f, i, 0), (int)c->attr[0], index, (uint32_t)r.n);
  base_free(index);
  return v;
}

/* Of some stretches: of what these cover. Of some of their places: narrower ones. */
static Val slice_of_window(Build *b, const Cand *c, const Look *l, Range r) {
  const int64_t axis = l->a[0], size = l->a[1], step = l->a[2], at = c->attr[0], last = l->xtype.rank;
  if (at != axis && at != last) return ir_window(b, slice_range(b, l->x, at, r), (int)axis, (uint32_t)size, (uint32_t)step);
  if (at == axis) {
    if (r.step != 1) return VAL_NONE;
    const Range of = {r.start * step, (r.n - 1) * step + size, 1};
    return ir_window(b, slice_range(b, l->x, axis, of), (int)axis, (uint32_t)size, (uint32_t)step);
  }
  if (r.step != 1) return VAL_NONE;
  const Range of = {r.start, (l->type.dim[axis] - 1) * step + r.n, 1};
  return ir_window(b, slice_range(b, l->x, axis, of), (int)axis, (uint32_t)r.n, (uint32_t)step);
}

static Val fold_slice(Build *b, const Cand *c) {
  Look l = look(b, c->args[0]);
  int64_t axis = c->attr[0];
  Range r = {c->attr[1], c->attr[2], c->attr[3]};
  if (r.n == l.type.dim[axis]) return c->args[0];
  if (r.n == 1 && r.step > 1) return slice_range(b, c->args[0], axis, (Range){r.start, 1, 1});
  switch (l.op) {
  case OP_iota: return r.n == 1 ? fold_splat(b, num_ratio(r.start, 1), c->type) : VAL_NONE;
  case OP_slice:
    if (l.a[0] != axis) return VAL_NONE;
    return slice_range(b, l.x, axis, (Range){l.a[1] + r.start * l.a[3], r.n, r.step * l.a[3]});
  case OP_concat: return l.a[0] == axis ? slice_of_concat(b, c, r) : VAL_NONE;
  case OP_unslice: return slice_of_unslice(b, c, &l, r);
  case OP_take: return l.a[0] == axis ? slice_of_take(b, c, r) : VAL_NONE;
  case OP_window: return slice_of_window(b, c, &l, r);
  case OP_expand:
    if (l.a[0] == axis) return ir_expand(b, l.x, (int)axis, (uint32_t)r.n);
    return ir_expand(b, slice_range(b, l.x, without(axis, l.a[0]), r), (int)l.a[0], (uint32_t)l.a[1]);
  default: return VAL_NONE;
  }
}

static Val fold_unslice(Build *b, const Cand *c) {
  Look l = look(b, c->args[0]);
  const int64_t *a = c->attr;
  if (l.type.dim[a[0]] == a[3]) return c->args[0];
  if (l.op == OP_window && a[0] != l.a[0] && a[0] < l.xtype.rank)
    return ir_window(b, ir_unslice(b, l.x, (int)a[0], (uint32_t)a[1], (uint32_t)a[2], (uint32_t)a[3]), (int)l.a[0],
                     (uint32_t)l.a[1], (uint32_t)l.a[2]);
  if (l.op != OP_unslice || l.a[0] != a[0]) return VAL_NONE;
  return ir_unslice(b, l.x, (int)a[0], (uint32_t)(a[1] + l.a[1] * a[2]), (uint32_t)(l.a[2] * a[2]), (uint32_t)a[3]);
}

/* Neighbours along one axis become one unslice of their concatenation. */
Val fold_join(Build *b, Val x, Val y) {
  Look p = look(b, x), q = look(b, y);
  if (p.op != OP_unslice || q.op != OP_unslice || !type_same_dims(p.type, q.type) || p.a[0] != q.a[0]) return VAL_NONE;
  if (p.a[1] > q.a[1]) {
    Look t = p;
    p = q;
    q = t;
  }
  int64_t axis = p.a[0], np = p.xtype.dim[axis], nq = q.xtype.dim[axis];
  bool runs = (p.a[2] == 1 || np == 1) && (q.a[2] == 1 || nq == 1);
  if (!runs || p.a[1] + np != q.a[1]) return VAL_NONE;
  Val both = ir_concat(b, (Val[]){p.x, q.x}, 2, (int)axis);
  return ir_unslice(b, both, (int)axis, (uint32_t)p.a[1], 1, (uint32_t)p.a[3]);
}

/* ---- concat ---- */

typedef struct Parts {
  VEC(Val) v;
  bool changed;
} Parts;

/* x before y as one value, or VAL_NONE: slices that touch, equal constants. */
static Val merge(Build *b, Val x, Val y, int64_t axis) {
  Num m, n;
  if (fold_is_splat(b->f, x, &m) && fold_is_splat(b->f, y, &n)) {
    Type t = ir_type(b->f, x), u = ir_type(b->f, y);
    if (m.v != n.v || m.num != n.num || m.den != n.den || t.lane != u.lane) return VAL_NONE;
    t.dim[axis] += u.dim[axis];
    return fold_splat(b, m, t);
  }
  Look p = look(b, x), q = look(b, y);
  if (p.op != OP_slice || q.op != OP_slice || p.x.id != q.x.id || p.a[0] != axis || q.a[0] != axis) return VAL_NONE;
  if ((p.a[3] != 1 && p.a[2] > 1) || (q.a[3] != 1 && q.a[2] > 1) || p.a[1] + p.a[2] != q.a[1]) return VAL_NONE;
  return slice_range(b, p.x, axis, (Range){p.a[1], p.a[2] + q.a[2], 1});
}

static void parts_add(Build *b, Parts *p, Val x, int64_t axis) {
  Val one = p->v.n ? merge(b, p->v.at[p->v.n - 1], x, axis) : VAL_NONE;
  if (one.id) p->v.at[p->v.n - 1] = one, p->changed = true;
  else *vec_push(&p->v) = x;
}

enum { FLATTEN = 64 }; /* a concat of more parts is not opened up */

static void parts_gather(Build *b, const Cand *c, Parts *p) {
  for (uint32_t k = 0; k < c->nargs; k++) {
    Look l = look(b, c->args[k]);
    uint32_t n = ir_inst(b->f, c->args[k])->nargs;
    bool open = l.op == OP_concat && l.a[0] == c->attr[0] && c->nargs + n <= FLATTEN && l.type.lane == c->type.lane;
    p->changed |= open;
    if (!open) parts_add(b, p, c->args[k], c->attr[0]);
    for (uint32_t j = 0; open && j < n; j++) parts_add(b, p, ir_arg(b->f, ir_inst(b->f, c->args[k]), j), c->attr[0]);
  }
}

/* One part among zeros: an unslice. */
static Val lone_part(Build *b, const Parts *p, int64_t axis, Type want) {
  Val lone = VAL_NONE;
  int64_t start = 0, at = 0;
  if (want.dt != DT_REAL || p->v.n < 2) return VAL_NONE;
  for (uint32_t k = 0; k < p->v.n; k++) {
    if (!is_zero(b, p->v.at[k])) {
      if (lone.id) return VAL_NONE;
      lone = p->v.at[k];
      at = start;
    }
    start += ir_type(b->f, p->v.at[k]).dim[axis];
  }
  return lone.id ? ir_unslice(b, lone, (int)axis, (uint32_t)at, 1, (uint32_t)start) : VAL_NONE;
}

static bool parts_unspread(Build *b, Parts *p, const Cand *c) {
  for (uint32_t k = 0; k < c->nargs; k++) {
    Look l = look(b, c->args[k]);
    if (l.type.lane && l.op != OP_spread) return false;
    *vec_push(&p->v) = l.op == OP_spread ? l.x : c->args[k];
  }
  return true;
}

static Val fold_concat(Build *b, const Cand *c) {
  Parts p = {0};
  Val v = VAL_NONE;
  if (c->nargs == 1) return c->args[0];
  if (c->type.lane && parts_unspread(b, &p, c)) {
    v = ir_concat(b, p.v.at, p.v.n, (int)c->attr[0]);
  } else {
    p.v.n = 0;
    parts_gather(b, c, &p);
    v = p.v.n == 1 ? p.v.at[0] : lone_part(b, &p, c->attr[0], c->type);
    if (!v.id && p.changed) v = ir_concat(b, p.v.at, p.v.n, (int)c->attr[0]);
  }
  vec_free(&p.v);
  return v.id ? fold_coerce(b, v, c->type) : v;
}

/* ---- matrices ---- */

static bool keeps_diagonal(int64_t upper, int64_t k) { return upper ? k <= 0 : k >= 0; }

static Val fold_diagv(Build *b, const Cand *c) {
  Look l = look(b, c->args[0]);
  if (l.op == OP_diag) return l.x;
  if (l.op != OP_tri) return VAL_NONE;
  return keeps_diagonal(l.a[0], l.a[1]) ? ir_diagv(b, l.x) : fold_zeros(b, c->type);
}

static Val fold_tri(Build *b, const Cand *c) {
  Look l = look(b, c->args[0]);
  bool upper = c->attr[0];
  int64_t k = c->attr[1], rows = c->type.dim[c->type.rank - 2], cols = c->type.dim[c->type.rank - 1];
  if (upper ? k <= 1 - rows : k >= cols - 1) return c->args[0];
  if (upper ? k >= cols : k <= -rows) return fold_zeros(b, c->type);
  if (l.op == OP_diag) return keeps_diagonal(upper, k) ? c->args[0] : fold_zeros(b, c->type);
  if (l.op != OP_tri || l.a[0] != upper) return VAL_NONE;
  return ir_tri(b, l.x, upper, (int)(upper ? (k > l.a[1] ? k : l.a[1]) : (k < l.a[1] ? k : l.a[1])));
}

static Val fold_trisolve(Build *b, const Cand *c) {
  Look a = look(b, c->args[0]), x = look(b, c->args[1]);
  if (is_zero(b, c->args[1]) && fold_structural_zero(b)) return fold_zeros(b, c->type);
  bool sa = a.op == OP_spread, sx = x.op == OP_spread;
  if (!sa && !sx) return VAL_NONE;
  return fold_coerce(b, ir_trisolve(b, sa ? a.x : c->args[0], sx ? x.x : c->args[1], c->attr[0], c->attr[1]), c->type);
}

static Val fold_solve(Build *b, const Cand *c) {
  Look a = look(b, c->args[0]), x = look(b, c->args[1]);
  if (is_zero(b, c->args[1]) && fold_structural_zero(b)) return fold_zeros(b, c->type);
  bool sa = a.op == OP_spread, sx = x.op == OP_spread;
  if (!sa && !sx) return VAL_NONE;
  return fold_coerce(b, ir_lu_solve(b, sa ? a.x : c->args[0], sx ? x.x : c->args[1], c->attr[0] != 0), c->type);
}

/* What is the same for all samples is factored once. */
static Val fold_factors(Build *b, const Cand *c) {
  Look a = look(b, c->args[0]);
  return a.op == OP_spread ? fold_coerce(b, ir_emit(b, c->op, &a.x, 1, NULL, 0, NULL), c->type) : VAL_NONE;
}

/* ---- lanes ---- */

/* A sum over the batch takes a product of per-sample values with it, and leaves shared factors out.
 * Inside loop bodies its result may only meet add, neg and products, so nothing else moves. */
static Val fold_batch_sum(Build *b, const Cand *c) {
  const Inst *i = ir_inst(b->f, c->args[0]);
  if (i->op == OP_neg) return ir_neg(b, ir_batch_sum(b, ir_arg(b->f, i, 0)));
  if (i->op != OP_mul && i->op != OP_dot) return VAL_NONE;
  Val x = ir_arg(b->f, i, 0), y = ir_arg(b->f, i, 1);
  bool lx = ir_type(b->f, x).lane, ly = ir_type(b->f, y).lane;
  if (i->op == OP_mul)
    return lx && ly ? VAL_NONE : fold_coerce(b, lx ? ir_mul(b, ir_batch_sum(b, x), y) : ir_mul(b, x, ir_batch_sum(b, y)), c->type);
  if (!lx || !ly) return VAL_NONE;
  int64_t attr[3 + 3 * IR_MAX_RANK];
  uint32_t nattr = i->nattr;
  memcpy(attr, b->f->attr.at + i->attr, nattr * sizeof *attr);
  attr[0] = 1;
  return ir_emit(b, OP_dot, (Val[]){x, y}, 2, attr, nattr, NULL);
}

/* ---- all ---- */

static Val rule(Build *b, const Cand *c) {
  switch (c->op) {
  case OP_reshape: return fold_reshape(b, c);
  case OP_transpose: return fold_transpose(b, c);
  case OP_flip: return fold_flip(b, c);
  case OP_expand: return fold_expand(b, c);
  case OP_sum: return fold_sum(b, c);
  case OP_rmax:
  case OP_rmin: return fold_extremum(b, c);
  case OP_slice: return fold_slice(b, c);
  case OP_unslice: return fold_unslice(b, c);
  case OP_concat: return fold_concat(b, c);
  case OP_take: return fold_take(b, c);
  case OP_put: return fold_put(b, c);
  case OP_gather:
  case OP_scatter:
  case OP_setrow: return fold_rows(b, c);
  case OP_diagv: return fold_diagv(b, c);
  case OP_tri: return fold_tri(b, c);
  case OP_trisolve: return fold_trisolve(b, c);
  case OP_solve: return fold_solve(b, c);
  case OP_lu:
  case OP_det:
  case OP_logdet:
  case OP_cholesky:
  case OP_eigh:
  case OP_eigvals:
  case OP_eigvecs: return fold_factors(b, c);
  case OP_batch_sum: return fold_batch_sum(b, c);
  case OP_spread: return ir_type(b->f, c->args[0]).lane ? c->args[0] : VAL_NONE;
  default: return VAL_NONE;
  }
}

Val fold_structural(Build *b, const Cand *c) {
  Num n;
  Val v = VAL_NONE;
  if (c->nargs == 1 && fold_is_splat(b->f, c->args[0], &n) && (v = fold_of_splat(b, c, n)).id) return v;
  if (c->nargs == 1 && passes_spread(c->op)) {
    Look l = look(b, c->args[0]);
    if (l.op == OP_spread) return ir_spread(b, again(b, c, l.x));
  }
  return rule(b, c);
}
