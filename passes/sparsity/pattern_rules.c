/* Sparsity, a rule for each operator: the sets of a result's elements from those of its operands.
 *
 * What moves elements moves sets; what adds up unites them; a product with an element that is known to be 0
 * is 0. Elements on an axis are addressed as [outer][k][inner]. */
#include "passes/sparsity/pattern_priv.h"

#include <stdlib.h>
#include <string.h>

static Type arg_type(const SearchFrame *fr, const Inst *i, uint32_t k) { return ir_type(fr->f, ir_arg(fr->f, i, k)); }
static Sets *sets(SearchFrame *fr) { return &fr->search->sets; }

/* ---- elementwise ---------------------------------------------------------------------------------------- */

/* The part of operand k: none where there is no derivative by it. */
static uint32_t through(const Inst *i, uint32_t k, uint32_t id) {
  return id >= SET_FIRST && !pass_partial_exists((Op)i->op, k) ? SET_NONE : id;
}

static uint32_t element(SearchFrame *fr, const Inst *i, uint32_t a, uint32_t b) {
  switch (i->op) {
  case OP_mul: return a == SET_ZERO || b == SET_ZERO ? SET_ZERO : sparsity_set_union(sets(fr), a, b);
  case OP_div: return a == SET_ZERO ? SET_ZERO : sparsity_set_union(sets(fr), a, b);
  case OP_add:
  case OP_sub: return sparsity_set_union(sets(fr), a, b);
  default: break;
  }
  if (i->nargs == 1) return a == SET_ZERO && ir_eval_scalar((Op)i->op, 0, 0) == 0 ? SET_ZERO : through(i, 0, a ? a : SET_NONE);
  uint32_t both = sparsity_set_union(sets(fr), through(i, 0, a), through(i, 1, b));
  return both ? both : SET_NONE;
}

Deps sparsity_elementwise(SearchFrame *fr, const Inst *i) {
  Deps a = sparsity_deps_of(fr, i, 0), b = i->nargs > 1 ? sparsity_deps_of(fr, i, 1) : a;
  if (a.same && b.same) return sparsity_deps_same(fr->search, element(fr, i, sparsity_deps_at(a, 0), sparsity_deps_at(b, 0)));
  int64_t n = type_count(i->type);
  Deps out = sparsity_deps_new(fr->search, n);
  for (int64_t k = 0; k < n; k++) out.id[k] = element(fr, i, sparsity_deps_at(a, k), sparsity_deps_at(b, k));
  return sparsity_deps_close(out, n);
}

Deps sparsity_select(SearchFrame *fr, const Inst *i) {
  Deps a = sparsity_deps_of(fr, i, 1), b = sparsity_deps_of(fr, i, 2);
  int64_t n = a.same && b.same ? 1 : type_count(i->type);
  Deps out = sparsity_deps_new(fr->search, n);
  for (int64_t k = 0; k < n; k++) out.id[k] = sparsity_set_union(sets(fr), sparsity_deps_at(a, k), sparsity_deps_at(b, k));
  return sparsity_deps_close(out, n);
}

/* ---- leaves, and what stands for its operand ------------------------------------------------------------- */

#define NONE_RULE(name)                                  \
  Deps sparsity_##name(SearchFrame *fr, const Inst *i) { \
    (void)i;                                             \
    return sparsity_deps_same(fr->search, SET_NONE);     \
  }
NONE_RULE(in)
NONE_RULE(rand)
NONE_RULE(batch_mean)
NONE_RULE(require)

#define SAME_RULE(name) \
  Deps sparsity_##name(SearchFrame *fr, const Inst *i) { return sparsity_deps_of(fr, i, 0); }
SAME_RULE(id)
SAME_RULE(barrier)
SAME_RULE(spread)
SAME_RULE(batch_sum)
SAME_RULE(reshape)

#define SMEAR_RULE(name) \
  Deps sparsity_##name(SearchFrame *fr, const Inst *i) { return sparsity_smear(fr, i); }
SMEAR_RULE(scan)
SMEAR_RULE(integrate)
SMEAR_RULE(ode)
SMEAR_RULE(reversible)
SMEAR_RULE(root)
SMEAR_RULE(grad)
SMEAR_RULE(jac)
SMEAR_RULE(divergence)
SMEAR_RULE(logjac)
SMEAR_RULE(cauchy)
SMEAR_RULE(lu)
SMEAR_RULE(det)
SMEAR_RULE(logdet)
SMEAR_RULE(cholesky)
SMEAR_RULE(eigh)
SMEAR_RULE(eigvals)
SMEAR_RULE(eigvecs)

Deps sparsity_const(SearchFrame *fr, const Inst *i) {
  const_attr attr = ir_const_attr(fr->f, i);
  double v;
  memcpy(&v, &(int64_t){attr.bits}, sizeof v);
  return sparsity_deps_same(fr->search, v == 0 ? SET_ZERO : SET_NONE);
}

Deps sparsity_table(SearchFrame *fr, const Inst *i) {
  table_attr attr = ir_table_attr(fr->f, i);
  const double *v = fr->f->table.at[attr.table].v;
  int64_t n = type_count(i->type);
  Deps out = sparsity_deps_new(fr->search, n);
  for (int64_t k = 0; k < n; k++) out.id[k] = v[k] == 0 ? SET_ZERO : SET_NONE;
  return sparsity_deps_close(out, n);
}

Deps sparsity_iota(SearchFrame *fr, const Inst *i) {
  const int64_t n = type_count(i->type);
  Deps out = sparsity_deps_new(fr->search, n);
  for (int64_t k = 0; k < n; k++) out.id[k] = k == 0 ? SET_ZERO : SET_NONE;
  return sparsity_deps_close(out, n);
}

Deps sparsity_proj(SearchFrame *fr, const Inst *i) {
  proj_attr attr = ir_proj_attr(fr->f, i);
  return fr->result[ir_arg(fr->f, i, 0).id][attr.index];
}

/* ---- moves along one axis -------------------------------------------------------------------------------- */

static void move(Deps to, TypeAxis t, int64_t k0, Deps from, TypeAxis f, int64_t k1) {
  for (int64_t o = 0; o < t.outer; o++)
    for (int64_t j = 0; j < t.inner; j++)
      to.id[(o * t.size + k0) * t.inner + j] = sparsity_deps_at(from, (o * f.size + k1) * f.inner + j);
}

/* The result's k-th place along the axis is the operand's at step k, or at the k-th attribute. */
static Deps picked(SearchFrame *fr, const Inst *i, bool listed) {
  Deps x = sparsity_deps_of(fr, i, 0);
  if (x.same) return x;
  int64_t n = type_count(i->type), axis = listed ? ir_take_attr(fr->f, i).axis : ir_slice_attr(fr->f, i).axis;
  Deps out = sparsity_deps_new(fr->search, n);
  TypeAxis t = type_axis(i->type, axis), f = type_axis(arg_type(fr, i, 0), axis);
  for (int64_t k = 0; k < t.size; k++)
    move(out, t, k, x, f, listed ? ir_list(fr->f, i).at[k] : ir_slice_attr(fr->f, i).start + k * ir_slice_attr(fr->f, i).step);
  return sparsity_deps_close(out, n);
}

Deps sparsity_slice(SearchFrame *fr, const Inst *i) { return picked(fr, i, false); }
Deps sparsity_take(SearchFrame *fr, const Inst *i) { return picked(fr, i, true); }

Deps sparsity_flip(SearchFrame *fr, const Inst *i) {
  Deps x = sparsity_deps_of(fr, i, 0);
  if (x.same) return x;
  Deps out = sparsity_deps_new(fr->search, type_count(i->type));
  TypeAxis t = type_axis(i->type, ir_flip_attr(fr->f, i).axis);
  for (int64_t k = 0; k < t.size; k++) move(out, t, k, x, t, t.size - 1 - k);
  return sparsity_deps_close(out, type_count(i->type));
}

Deps sparsity_unslice(SearchFrame *fr, const Inst *i) {
  unslice_attr attr = ir_unslice_attr(fr->f, i);
  int64_t n = type_count(i->type), axis = attr.axis;
  Deps out = sparsity_deps_new(fr->search, n);
  TypeAxis t = type_axis(i->type, axis), f = type_axis(arg_type(fr, i, 0), axis);
  for (int64_t k = 0; k < f.size; k++) move(out, t, attr.start + k * attr.step, sparsity_deps_of(fr, i, 0), f, k);
  return sparsity_deps_close(out, n);
}

Deps sparsity_window(SearchFrame *fr, const Inst *i) {
  const window_attr attr = ir_window_attr(fr->f, i);
  Deps x = sparsity_deps_of(fr, i, 0);
  if (x.same) return x;
  const TypeAxis t = type_axis(i->type, attr.axis), f = type_axis(arg_type(fr, i, 0), attr.axis);
  Deps out = sparsity_deps_new(fr->search, type_count(i->type));
  for (int64_t o = 0; o < f.outer; o++)
    for (int64_t k = 0; k < t.size; k++)
      for (int64_t e = 0; e < f.inner; e++)
        for (int64_t j = 0; j < attr.size; j++)
          out.id[((o * t.size + k) * f.inner + e) * attr.size + j] =
              sparsity_deps_at(x, (o * f.size + k * attr.step + j) * f.inner + e);
  return sparsity_deps_close(out, type_count(i->type));
}

Deps sparsity_unwindow(SearchFrame *fr, const Inst *i) {
  const unwindow_attr attr = ir_unwindow_attr(fr->f, i);
  const Type from = arg_type(fr, i, 0);
  Deps x = sparsity_deps_of(fr, i, 0);
  const TypeAxis t = type_axis(i->type, attr.axis);
  const int64_t size = from.dim[from.rank - 1], count = from.dim[attr.axis], n = type_count(i->type);
  Deps out = sparsity_deps_new(fr->search, n);
  for (int64_t e = 0; e < n; e++) {
    const int64_t inner = e % t.inner, at = e / t.inner % t.size, o = e / t.inner / t.size;
    sparsity_set_open(sets(fr));
    for (int64_t j = at % attr.step; j < size && j <= at; j += attr.step)
      if ((at - j) / attr.step < count)
        sparsity_set_add(sets(fr), sparsity_deps_at(x, ((o * count + (at - j) / attr.step) * t.inner + inner) * size + j));
    out.id[e] = sparsity_set_close(sets(fr));
  }
  return sparsity_deps_close(out, n);
}

/* Elements that any row may have: those of all rows united. What is 0 stays it, or may be `lost`: NaN, where an index is outside. */
static Deps of_any_row(SearchFrame *fr, Deps x, int64_t rows, int64_t inner, bool lost) {
  Deps out = sparsity_deps_new(fr->search, inner);
  for (int64_t j = 0; j < inner; j++) {
    sparsity_set_open(sets(fr));
    for (int64_t k = 0; k < rows; k++) sparsity_set_add(sets(fr), sparsity_deps_at(x, k * inner + j));
    out.id[j] = sparsity_set_close(sets(fr));
    if (lost && out.id[j] == SET_ZERO) out.id[j] = SET_NONE;
  }
  return out;
}

/* A row is known only when the code runs: the result repeats what all of them have. */
static Deps repeated(SearchFrame *fr, const Inst *i, Deps row, int64_t inner) {
  int64_t n = type_count(i->type);
  Deps out = sparsity_deps_new(fr->search, n);
  for (int64_t k = 0; k < n; k++) out.id[k] = row.id[k % inner];
  return sparsity_deps_close(out, n);
}

Deps sparsity_gather(SearchFrame *fr, const Inst *i) {
  Type t = arg_type(fr, i, 0);
  int64_t inner = type_count(t) / t.dim[0];
  return repeated(fr, i, of_any_row(fr, sparsity_deps_of(fr, i, 0), t.dim[0], inner, true), inner);
}

Deps sparsity_scatter(SearchFrame *fr, const Inst *i) {
  int64_t inner = type_count(i->type) / i->type.dim[0];
  return repeated(fr, i, of_any_row(fr, sparsity_deps_of(fr, i, 0), type_count(arg_type(fr, i, 1)), inner, false), inner);
}

Deps sparsity_setrow(SearchFrame *fr, const Inst *i) {
  Deps x = sparsity_deps_of(fr, i, 0), v = sparsity_deps_of(fr, i, 2);
  int64_t n = type_count(i->type), inner = n / i->type.dim[0];
  Deps out = sparsity_deps_new(fr->search, n);
  for (int64_t k = 0; k < n; k++) {
    uint32_t both = sparsity_set_union(sets(fr), sparsity_deps_at(x, k), sparsity_deps_at(v, k % inner));
    out.id[k] = both == SET_ZERO ? SET_NONE : both;
  }
  return sparsity_deps_close(out, n);
}

Deps sparsity_put(SearchFrame *fr, const Inst *i) {
  put_attr attr = ir_put_attr(fr->f, i);
  int64_t n = type_count(i->type), axis = attr.axis;
  Deps out = sparsity_deps_new(fr->search, n), x = sparsity_deps_of(fr, i, 0);
  TypeAxis t = type_axis(i->type, axis), f = type_axis(arg_type(fr, i, 0), axis);
  for (int64_t o = 0; o < t.outer; o++)
    for (int64_t k = 0; k < f.size; k++)
      for (int64_t j = 0; j < t.inner; j++) {
        uint32_t *to = &out.id[(o * t.size + ir_list(fr->f, i).at[k]) * t.inner + j];
        *to = sparsity_set_union(sets(fr), *to, sparsity_deps_at(x, (o * f.size + k) * f.inner + j));
      }
  return sparsity_deps_close(out, n);
}

Deps sparsity_concat(SearchFrame *fr, const Inst *i) {
  concat_attr attr = ir_concat_attr(fr->f, i);
  int64_t n = type_count(i->type), axis = attr.axis, at = 0;
  Deps out = sparsity_deps_new(fr->search, n);
  TypeAxis t = type_axis(i->type, axis);
  for (uint32_t a = 0; a < i->nargs; a++) {
    TypeAxis f = type_axis(arg_type(fr, i, a), axis);
    for (int64_t k = 0; k < f.size; k++) move(out, t, at++, sparsity_deps_of(fr, i, a), f, k);
  }
  return sparsity_deps_close(out, n);
}

Deps sparsity_expand(SearchFrame *fr, const Inst *i) {
  expand_attr attr = ir_expand_attr(fr->f, i);
  Deps x = sparsity_deps_of(fr, i, 0);
  if (x.same) return x;
  int64_t n = type_count(i->type);
  Deps out = sparsity_deps_new(fr->search, n);
  TypeAxis t = type_axis(i->type, attr.axis), f = {t.outer, 1, t.inner};
  for (int64_t k = 0; k < t.size; k++) move(out, t, k, x, f, 0);
  return sparsity_deps_close(out, n);
}

/* Sums and extrema. */
static Deps along(SearchFrame *fr, const Inst *i) {
  Deps x = sparsity_deps_of(fr, i, 0);
  if (x.same) return x;
  int64_t n = type_count(i->type);
  Deps out = sparsity_deps_new(fr->search, n);
  TypeAxis f = type_axis(arg_type(fr, i, 0), ir_sum_attr(fr->f, i).axis);
  for (int64_t o = 0; o < f.outer; o++)
    for (int64_t j = 0; j < f.inner; j++) {
      sparsity_set_open(sets(fr));
      for (int64_t k = 0; k < f.size; k++) sparsity_set_add(sets(fr), sparsity_deps_at(x, (o * f.size + k) * f.inner + j));
      out.id[o * f.inner + j] = sparsity_set_close(sets(fr));
    }
  return sparsity_deps_close(out, n);
}

Deps sparsity_sum(SearchFrame *fr, const Inst *i) { return along(fr, i); }
Deps sparsity_rmax(SearchFrame *fr, const Inst *i) { return along(fr, i); }
Deps sparsity_rmin(SearchFrame *fr, const Inst *i) { return along(fr, i); }

/* ---- matrices -------------------------------------------------------------------------------------------- */

Deps sparsity_transpose(SearchFrame *fr, const Inst *i) {
  Deps x = sparsity_deps_of(fr, i, 0);
  if (x.same) return x;
  Type from = arg_type(fr, i, 0);
  int64_t n = type_count(i->type), stride[IR_MAX_RANK] = {0}, step = 1;
  for (int k = from.rank; k-- > 0; step *= from.dim[k]) stride[k] = step;
  Deps out = sparsity_deps_new(fr->search, n);
  for (int64_t e = 0; e < n; e++) {
    int64_t rest = e, at = 0;
    for (int k = i->type.rank; k-- > 0; rest /= i->type.dim[k]) at += rest % i->type.dim[k] * stride[ir_list(fr->f, i).at[k]];
    out.id[e] = sparsity_deps_at(x, at);
  }
  return sparsity_deps_close(out, n);
}

Deps sparsity_diag(SearchFrame *fr, const Inst *i) {
  int64_t n = i->type.dim[0];
  Deps out = sparsity_deps_new(fr->search, n * n);
  for (int64_t k = 0; k < n; k++) out.id[k * n + k] = sparsity_deps_at(sparsity_deps_of(fr, i, 0), k);
  return sparsity_deps_close(out, n * n);
}

Deps sparsity_diagv(SearchFrame *fr, const Inst *i) {
  int64_t n = i->type.dim[0];
  Deps out = sparsity_deps_new(fr->search, n);
  for (int64_t k = 0; k < n; k++) out.id[k] = sparsity_deps_at(sparsity_deps_of(fr, i, 0), k * n + k);
  return sparsity_deps_close(out, n);
}

Deps sparsity_tri(SearchFrame *fr, const Inst *i) {
  tri_attr attr = ir_tri_attr(fr->f, i);
  int64_t n = type_count(i->type), rows = i->type.dim[i->type.rank - 2], cols = i->type.dim[i->type.rank - 1];
  bool upper = attr.upper != 0;
  Deps out = sparsity_deps_new(fr->search, n);
  for (int64_t e = 0; e < n; e++) {
    int64_t row = e / cols % rows + attr.k, col = e % cols;
    if (upper ? col >= row : col <= row) out.id[e] = sparsity_deps_at(sparsity_deps_of(fr, i, 0), e);
  }
  return sparsity_deps_close(out, n);
}

/* ---- dot --------------------------------------------------------------------------------------------------- */

typedef struct Label {
  int64_t n, a, b, out;
} Label; /* size; strides in the operands and the result, 0 where absent */

typedef struct Einsum {
  Label label[3 * IR_MAX_RANK];
  int n, kept;         /* labels that count; those of the result come first */
  int64_t out, summed; /* how many elements and products each */
} Einsum;

static void strides(const int *label, Type t, int64_t *size, int64_t *stride) {
  int64_t step = 1;
  for (int k = t.rank; k-- > 0; step *= t.dim[k]) {
    size[label[k]] = t.dim[k];
    stride[label[k]] = step;
  }
}

/* Labels of operands whose elements are all alike count once. */
static Einsum einsum(SearchFrame *fr, const Inst *i, bool a, bool b) {
  Einsum s = {.out = 1, .summed = 1};
  int64_t size[32] = {0}, sa[32] = {0}, sb[32] = {0}, so[32] = {0};
  DotShape d = ir_dot_shape(fr->f, i);
  strides(d.label[0], arg_type(fr, i, 0), size, sa);
  strides(d.label[1], arg_type(fr, i, 1), size, sb);
  strides(d.label[2], i->type, size, so);
  for (int pass = 0; pass < 2; pass++) {
    for (int l = 0; l < 32; l++) {
      bool counts = (a && sa[l]) || (b && sb[l]);
      if (!size[l] || !counts || (so[l] != 0) == (pass != 0)) continue;
      s.label[s.n++] = (Label){size[l], a ? sa[l] : 0, b ? sb[l] : 0, so[l]};
      *(pass ? &s.summed : &s.out) *= size[l];
    }
    if (!pass) s.kept = s.n;
  }
  return s;
}

static void offsets(const Einsum *s, int from, int to, int64_t k, Label *at) {
  for (int l = to; l-- > from; k /= s->label[l].n) {
    int64_t j = k % s->label[l].n;
    at->a += j * s->label[l].a;
    at->b += j * s->label[l].b;
    at->out += j * s->label[l].out;
  }
}

static uint32_t product(SearchFrame *fr, uint32_t a, uint32_t b) {
  return a == SET_ZERO || b == SET_ZERO ? SET_ZERO : sparsity_set_union(sets(fr), a, b);
}

static uint32_t contraction(SearchFrame *fr, const Einsum *s, Deps a, Deps b, Label at) {
  sparsity_set_open(sets(fr));
  for (int64_t k = 0; k < s->summed; k++) {
    Label to = at;
    offsets(s, s->kept, s->n, k, &to);
    uint32_t x = sparsity_deps_at(a, to.a), y = sparsity_deps_at(b, to.b);
    if (x == SET_ZERO || y == SET_ZERO) continue;
    sparsity_set_add(sets(fr), x);
    sparsity_set_add(sets(fr), y);
  }
  return sparsity_set_close(sets(fr));
}

/* The result's elements where labels that do not count vary, too. */
static Deps broadcast(SearchFrame *fr, const Inst *i, const Einsum *s, const uint32_t *of) {
  int64_t n = type_count(i->type), stride[IR_MAX_RANK] = {0}, step = 1;
  Deps out = sparsity_deps_new(fr->search, n);
  for (int l = s->kept; l-- > 0; step *= s->label[l].n) {
    int64_t own = 1;
    for (int k = i->type.rank; k-- > 0; own *= i->type.dim[k])
      if (own == s->label[l].out && i->type.dim[k] == s->label[l].n) stride[k] = step;
  }
  for (int64_t e = 0; e < n; e++) {
    int64_t rest = e, at = 0;
    for (int k = i->type.rank; k-- > 0; rest /= i->type.dim[k]) at += rest % i->type.dim[k] * stride[k];
    out.id[e] = of[at];
  }
  return sparsity_deps_close(out, n);
}

Deps sparsity_dot(SearchFrame *fr, const Inst *i) {
  Deps a = sparsity_deps_of(fr, i, 0), b = sparsity_deps_of(fr, i, 1);
  if (a.same && b.same) return sparsity_deps_same(fr->search, product(fr, sparsity_deps_at(a, 0), sparsity_deps_at(b, 0)));
  Einsum s = einsum(fr, i, !a.same, !b.same);
  uint32_t *of = base_realloc(NULL, sizeof *of * (size_t)(s.out + 1));
  for (int64_t k = 0; k < s.out; k++) {
    Label at = {0, 0, 0, 0};
    offsets(&s, 0, s.kept, k, &at);
    of[k] = contraction(fr, &s, a, b, at);
  }
  Deps out = broadcast(fr, i, &s, of);
  base_free(of);
  return out;
}

/* ---- triangular systems -------------------------------------------------------------------------------------- */

/* x_r = (b_r - sum of A_rk x_k over the k before r)/A_rr */
Deps sparsity_trisolve(SearchFrame *fr, const Inst *i) {
  trisolve_attr attr = ir_trisolve_attr(fr->f, i);
  Deps a = sparsity_deps_of(fr, i, 0), b = sparsity_deps_of(fr, i, 1);
  bool upper = attr.upper != 0, trans = attr.trans != 0, down = upper == trans;
  int64_t n = i->type.dim[0], cols = i->type.rank > 1 ? i->type.dim[1] : 1;
  Deps out = sparsity_deps_new(fr->search, n * cols);
  for (int64_t c = 0; c < cols; c++)
    for (int64_t s = 0; s < n; s++) {
      int64_t r = down ? s : n - 1 - s;
      sparsity_set_open(sets(fr));
      sparsity_set_add(sets(fr), sparsity_deps_at(b, r * cols + c));
      for (int64_t t = 0; t < s; t++) {
        int64_t k = down ? t : n - 1 - t;
        uint32_t x = sparsity_deps_at(a, trans ? k * n + r : r * n + k), y = out.id[k * cols + c];
        if (x == SET_ZERO || y == SET_ZERO) continue;
        sparsity_set_add(sets(fr), x);
        sparsity_set_add(sets(fr), y);
      }
      uint32_t sum = sparsity_set_close(sets(fr));
      out.id[r * cols + c] = sum == SET_ZERO ? sum : sparsity_set_union(sets(fr), sum, sparsity_deps_at(a, r * n + r));
    }
  return sparsity_deps_close(out, n * cols);
}

/* Each column of the result follows from all of A and its own right-hand side. */
Deps sparsity_solve(SearchFrame *fr, const Inst *i) {
  Deps a = sparsity_deps_of(fr, i, 0), b = sparsity_deps_of(fr, i, 1);
  int64_t n = i->type.dim[0], cols = i->type.rank > 1 ? i->type.dim[1] : 1;
  Deps out = sparsity_deps_new(fr->search, n * cols);
  for (int64_t c = 0; c < cols; c++) {
    bool zero = true;
    sparsity_set_open(sets(fr));
    for (int64_t k = 0; k < n; k++) {
      uint32_t id = sparsity_deps_at(b, k * cols + c);
      zero = zero && id == SET_ZERO;
      sparsity_set_add(sets(fr), id);
    }
    for (int64_t k = 0; !zero && k < n * n; k++) sparsity_set_add(sets(fr), sparsity_deps_at(a, k));
    uint32_t all = sparsity_set_close(sets(fr));
    for (int64_t k = 0; k < n; k++) out.id[k * cols + c] = zero ? SET_ZERO : all ? all : SET_NONE;
  }
  return sparsity_deps_close(out, n * cols);
}
