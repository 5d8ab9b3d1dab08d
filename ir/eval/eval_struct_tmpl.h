/* Structural ops of the evaluators; those with sub-functions are in eval_scan_tmpl.h. An axis splits a
 * tensor into outer x size x inner elements. See eval_tmpl.h. */

/* ---- moving ---- */

static bool copy_all(Node *n) {
  for (int64_t e = type_count(n->i->type); e-- > 0;) eval_move(n->run, n->out, e, n->arg[0], e);
  return true;
}
static bool eval_id(Node *n) { return copy_all(n); }
static bool eval_barrier(Node *n) { return copy_all(n); }
static bool eval_spread(Node *n) { return copy_all(n); }
static bool eval_reshape(Node *n) { return copy_all(n); }

static bool eval_transpose(Node *n) {
  Type from = n->arg[0]->type, to = n->i->type;
  int64_t stride[IR_MAX_RANK], step = 1, count = type_count(to);
  for (int k = from.rank; k-- > 0; step *= from.dim[k]) stride[k] = step;
  for (int64_t o = 0; o < count; o++) {
    int64_t rest = o, e = 0;
    for (int k = to.rank; k-- > 0; rest /= to.dim[k]) e += rest % to.dim[k] * stride[n->attr[k]];
    eval_move(n->run, n->out, o, n->arg[0], e);
  }
  return true;
}

static bool eval_flip(Node *n) {
  TypeAxis a = type_axis(n->i->type, flip_attr_at(n->attr).axis);
  for (int64_t o = 0; o < a.outer; o++)
    for (int64_t k = 0; k < a.size; k++)
      for (int64_t i = 0; i < a.inner; i++)
        eval_move(n->run, n->out, (o * a.size + k) * a.inner + i, n->arg[0], (o * a.size + a.size - 1 - k) * a.inner + i);
  return true;
}

static bool eval_expand(Node *n) {
  expand_attr attr = expand_attr_at(n->attr);
  TypeAxis a = type_axis(n->i->type, attr.axis);
  for (int64_t o = 0; o < a.outer; o++)
    for (int64_t k = 0; k < a.size; k++)
      for (int64_t i = 0; i < a.inner; i++) eval_move(n->run, n->out, (o * a.size + k) * a.inner + i, n->arg[0], o * a.inner + i);
  return true;
}

static bool eval_slice(Node *n) {
  slice_attr attr = slice_attr_at(n->attr);
  TypeAxis a = type_axis(n->arg[0]->type, attr.axis);
  int64_t start = attr.start, size = attr.n, step = attr.step;
  for (int64_t o = 0; o < a.outer; o++)
    for (int64_t k = 0; k < size; k++)
      for (int64_t i = 0; i < a.inner; i++)
        eval_move(n->run, n->out, (o * size + k) * a.inner + i, n->arg[0], (o * a.size + start + k * step) * a.inner + i);
  return true;
}

static bool eval_unslice(Node *n) {
  unslice_attr attr = unslice_attr_at(n->attr);
  TypeAxis a = type_axis(n->arg[0]->type, attr.axis);
  int64_t start = attr.start, step = attr.step, total = attr.total;
  for (int64_t o = 0; o < a.outer; o++)
    for (int64_t k = 0; k < a.size; k++)
      for (int64_t i = 0; i < a.inner; i++)
        eval_move(n->run, n->out, (o * total + start + k * step) * a.inner + i, n->arg[0], (o * a.size + k) * a.inner + i);
  return true;
}

static bool eval_window(Node *n) {
  const window_attr attr = window_attr_at(n->attr);
  TypeAxis a = type_axis(n->arg[0]->type, attr.axis), to = type_axis(n->i->type, attr.axis);
  for (int64_t o = 0; o < a.outer; o++)
    for (int64_t k = 0; k < to.size; k++)
      for (int64_t i = 0; i < a.inner; i++)
        for (int64_t j = 0; j < attr.size; j++)
          eval_move(n->run, n->out, ((o * to.size + k) * a.inner + i) * attr.size + j, n->arg[0],
                    (o * a.size + k * attr.step + j) * a.inner + i);
  return true;
}

static bool eval_unwindow(Node *n) {
  const unwindow_attr attr = unwindow_attr_at(n->attr);
  TypeAxis a = type_axis(n->i->type, attr.axis);
  const int64_t size = n->arg[0]->type.dim[n->arg[0]->type.rank - 1], count = n->arg[0]->type.dim[attr.axis],
                w = eval_width(n->out, n->run->B);
  for (int64_t o = 0; o < a.outer; o++)
    for (int64_t k = 0; k < count; k++)
      for (int64_t i = 0; i < a.inner; i++)
        for (int64_t j = 0; j < size; j++) {
          Elem *to = n->out->v + ((o * a.size + k * attr.step + j) * a.inner + i) * w;
          const Elem *from = n->arg[0]->v + (((o * count + k) * a.inner + i) * size + j) * w;
          for (int64_t e = 0; e < w; e++) to[e] = elem_apply(n->run, OP_add, to[e], from[e]);
        }
  return true;
}

static bool eval_concat(Node *n) {
  concat_attr attr = concat_attr_at(n->attr);
  TypeAxis to = type_axis(n->i->type, attr.axis);
  int64_t start = 0;
  for (uint32_t p = 0; p < n->i->nargs; p++) {
    TypeAxis a = type_axis(n->args[p]->type, attr.axis);
    for (int64_t o = 0; o < a.outer; o++)
      for (int64_t e = 0; e < a.size * a.inner; e++)
        eval_move(n->run, n->out, (o * to.size + start) * a.inner + e, n->args[p], o * a.size * a.inner + e);
    start += a.size;
  }
  return true;
}

static bool eval_take(Node *n) {
  take_attr attr = take_attr_at(n->attr);
  TypeAxis a = type_axis(n->arg[0]->type, attr.axis), to = type_axis(n->i->type, attr.axis);
  for (int64_t o = 0; o < a.outer; o++)
    for (int64_t k = 0; k < to.size; k++)
      for (int64_t i = 0; i < a.inner; i++)
        eval_move(n->run, n->out, (o * to.size + k) * a.inner + i, n->arg[0], (o * a.size + n->attr[1 + k]) * a.inner + i);
  return true;
}

static bool eval_put(Node *n) {
  put_attr attr = put_attr_at(n->attr);
  TypeAxis a = type_axis(n->arg[0]->type, attr.axis);
  int64_t w = eval_width(n->out, n->run->B) * a.inner, total = attr.total;
  for (int64_t o = 0; o < a.outer; o++)
    for (int64_t k = 0; k < a.size; k++) {
      Elem *to = n->out->v + (o * total + n->attr[2 + k]) * w;
      const Elem *from = n->arg[0]->v + (o * a.size + k) * w;
      for (int64_t e = 0; e < w; e++) to[e] = elem_apply(n->run, OP_add, to[e], from[e]);
    }
  return true;
}

/* ---- rows by index ---- */

/* The value at element e of row `at` of x, of `inner` elements a row. */
static Elem gathered(Node *n, Elem at, int64_t rows, int64_t inner, int64_t e, int64_t s) {
  Run *r = n->run;
  int64_t row = elem_row(r, at, rows);
  if (row == ROW_NONE) return elem_nan(r);
  if (row != ROW_ANY) return element(n->arg[0], row * inner + e, s, r->B);
  Elem first = element(n->arg[0], e, s, r->B), sum = first;
  for (int64_t k = 1; k < rows; k++) {
    Elem d = elem_apply(r, OP_sub, element(n->arg[0], k * inner + e, s, r->B), first);
    sum = elem_add_mul(r, sum, elem_row_weight(r, at, rows, k), d);
  }
  return elem_some_row(sum);
}

static bool eval_gather(Node *n) {
  Type t = n->arg[0]->type;
  int64_t B = n->run->B, w = eval_width(n->out, B), inner = type_count(t) / t.dim[0], count = type_count(n->i->type);
  for (int64_t e = 0; e < count; e++)
    for (int64_t s = 0; s < w; s++)
      n->out->v[e * w + s] = gathered(n, element(n->arg[1], e / inner, s, B), t.dim[0], inner, e % inner, s);
  return true;
}

/* Adds element e of c[k], of sample s, to its row; `out`: the result's first element for that sample, the next `width` further on. */
static void scattered(Node *n, int64_t k, int64_t e, int64_t s, Elem *out, int64_t width) {
  Run *r = n->run;
  int64_t rows = n->i->type.dim[0], inner = type_count(n->i->type) / rows;
  Elem at = element(n->arg[1], k, s, r->B), c = element(n->arg[0], k * inner + e, s, r->B);
  int64_t row = elem_row(r, at, rows);
  if (row == ROW_NONE && elem_zero(c)) return;
  for (int64_t q = row >= 0 ? row : 0; q < (row >= 0 ? row + 1 : rows); q++) {
    Elem *to = &out[(q * inner + e) * width];
    *to = row == ROW_ANY ? elem_add_mul(r, *to, elem_row_weight(r, at, rows, q), c)
                         : elem_apply(r, OP_add, *to, row == ROW_NONE ? elem_nan(r) : c);
  }
}

static bool eval_scatter(Node *n) {
  int64_t B = n->run->B, w = eval_width(n->out, B), indices = type_count(n->arg[1]->type);
  int64_t inner = type_count(n->i->type) / n->i->type.dim[0], samples = scatter_attr_at(n->attr).lanes ? B : w;
  for (int64_t s = 0; s < samples; s++)
    for (int64_t k = 0; k < indices * inner; k++) scattered(n, k / inner, k % inner, s, n->out->v + (w > 1 ? s : 0), w);
  return true;
}

static bool eval_setrow(Node *n) {
  Run *r = n->run;
  int64_t rows = n->i->type.dim[0], count = type_count(n->i->type), inner = count / rows, w = eval_width(n->out, r->B);
  for (int64_t s = 0; s < w; s++) {
    Elem at = element(n->arg[1], 0, s, r->B);
    int64_t row = elem_row(r, at, rows);
    for (int64_t e = 0; e < count; e++) {
      Elem x = element(n->arg[0], e, s, r->B), v = element(n->arg[2], e % inner, s, r->B);
      Elem weight = row == ROW_ANY ? elem_row_weight(r, at, rows, e / inner) : x;
      n->out->v[e * w + s] = row == ROW_NONE    ? elem_nan(r)
                             : row == ROW_ANY   ? elem_add_mul(r, x, weight, elem_apply(r, OP_sub, v, x))
                             : e / inner == row ? v
                                                : x;
    }
  }
  return true;
}

/* ---- reductions ---- */

static bool eval_batch_sum(Node *n) {
  int64_t B = n->run->B;
  for (int64_t e = type_count(n->i->type); e-- > 0;)
    for (int64_t s = 0; s < B; s++) n->out->v[e] = elem_apply(n->run, OP_add, n->out->v[e], n->arg[0]->v[e * B + s]);
  return true;
}

static bool eval_batch_mean(Node *n) {
  memcpy(n->out->v, n->arg[1]->v, elem_total(n->arg[1], n->run->B) * sizeof(Elem));
  return true;
}

static bool reduce(Node *n, Op op) {
  TypeAxis a = type_axis(n->arg[0]->type, n->attr[0]);
  int64_t w = eval_width(n->out, n->run->B) * a.inner;
  for (int64_t o = 0; o < a.outer; o++) {
    Elem *to = n->out->v + o * w;
    const Elem *from = n->arg[0]->v + o * a.size * w;
    memcpy(to, from, (size_t)w * sizeof *to);
    for (int64_t k = 1; k < a.size; k++)
      for (int64_t e = 0; e < w; e++) to[e] = elem_apply(n->run, op, to[e], from[k * w + e]);
  }
  return true;
}
static bool eval_sum(Node *n) { return reduce(n, OP_add); }
static bool eval_rmax(Node *n) { return reduce(n, OP_max); }
static bool eval_rmin(Node *n) { return reduce(n, OP_min); }

/* ---- matrices ---- */

static bool eval_diag(Node *n) {
  int64_t size = n->i->type.dim[0];
  for (int64_t k = 0; k < size; k++) eval_move(n->run, n->out, k * (size + 1), n->arg[0], k);
  return true;
}

static bool eval_diagv(Node *n) {
  int64_t size = n->i->type.dim[0];
  for (int64_t k = 0; k < size; k++) eval_move(n->run, n->out, k, n->arg[0], k * (size + 1));
  return true;
}

static bool eval_tri(Node *n) {
  tri_attr attr = tri_attr_at(n->attr);
  Type t = n->i->type;
  int64_t cols = t.dim[t.rank - 1], rows = t.dim[t.rank - 2], count = type_count(t);
  for (int64_t e = 0; e < count; e++) {
    int64_t j = e % cols, i = e / cols % rows;
    if (attr.upper ? j >= i + attr.k : j <= i + attr.k) eval_move(n->run, n->out, e, n->arg[0], e);
  }
  return true;
}

/* Loops over every label, the result's first; stride[k][l] of operand or result k. */
typedef struct DotLoop {
  int label[DOT_LABELS], nlabels;
  int64_t size[DOT_LABELS], stride[3][DOT_LABELS];
} DotLoop;

static void dot_list(DotLoop *d, int which, Type t, const int64_t *label) {
  int64_t step = 1;
  for (int k = t.rank; k-- > 0; step *= t.dim[k]) d->stride[which][label[k]] = step;
  for (int k = 0; k < t.rank; k++) {
    if (!d->size[label[k]]) d->label[d->nlabels++] = (int)label[k];
    d->size[label[k]] = t.dim[k];
  }
}

static DotLoop dot_loop(const Node *n, Type a, Type b) {
  DotLoop d = {0};
  const int64_t *label = n->attr + 3;
  dot_list(&d, 2, n->i->type, label + a.rank + b.rank);
  dot_list(&d, 0, a, label);
  dot_list(&d, 1, b, label + a.rank);
  return d;
}

/* All of the last label, in two loops: most of an evaluation may be this. */
static void dot_run(Node *n, const DotLoop *d, const int64_t at[3]) {
  const int64_t B = n->run->B;
  const int l = d->nlabels ? d->label[d->nlabels - 1] : 0;
  const int64_t lx = n->arg[0]->type.lane, ly = n->arg[1]->type.lane, lo = n->out->type.lane, samples = lx || ly ? B : 1;
  const int64_t turns = d->nlabels ? d->size[l] : 1, wx = lx ? B : 1, wy = ly ? B : 1, wo = lo ? B : 1;
  for (int64_t t = 0; t < turns; t++) {
    const Elem *x = n->arg[0]->v + (at[0] + t * d->stride[0][l]) * wx, *y = n->arg[1]->v + (at[1] + t * d->stride[1][l]) * wy;
    Elem *out = n->out->v + (at[2] + t * d->stride[2][l]) * wo;
    for (int64_t s = 0; s < samples; s++) out[s * lo] = elem_add_mul(n->run, out[s * lo], x[s * lx], y[s * ly]);
  }
}

/* All of the labels; false: none is left. */
static bool dot_next(const DotLoop *d, int64_t index[DOT_LABELS], int64_t at[3], int from) {
  int k = from;
  while (k-- > 0) {
    int l = d->label[k];
    bool wrap = ++index[k] == d->size[l];
    for (int w = 0; w < 3; w++) at[w] += wrap ? -(d->size[l] - 1) * d->stride[w][l] : d->stride[w][l];
    if (!wrap) return true;
    index[k] = 0;
  }
  return false;
}

static bool eval_dot(Node *n) {
  DotLoop d = dot_loop(n, n->arg[0]->type, n->arg[1]->type);
  int64_t index[DOT_LABELS] = {0}, at[3] = {0};
  do dot_run(n, &d, at);
  while (dot_next(&d, index, at, d.nlabels - 1));
  return true;
}

static Type row_type(Type t) {
  memmove(t.dim, t.dim + 1, sizeof *t.dim * (size_t)(t.rank - 1));
  t.dim[--t.rank] = 0;
  return t;
}

/* The terms of one place of the result, of one sample. */
static Elem cauchy_terms(Node *n, Elem sum, const int64_t at[3], int64_t order, int64_t s) {
  Run *r = n->run;
  const ElemTensor *a = n->arg[0], *b = n->arg[1];
  const int64_t rows = a->type.dim[0], of_a = type_count(a->type) / rows, of_b = type_count(b->type) / rows;
  const bool weighted = cauchy_attr_at(n->attr).weighted;
  for (int64_t j = 1; j < order; j++) {
    Elem x = element(a, j * of_a + at[0], s, r->B);
    if (weighted) x = elem_apply(r, OP_mul, x, elem_apply(r, OP_div, elem_whole(r, j), elem_whole(r, order)));
    sum = elem_add_mul(r, sum, x, element(b, (order - j) * of_b + at[1], s, r->B));
  }
  return sum;
}

static bool eval_cauchy(Node *n) {
  const int64_t w = eval_width(n->out, n->run->B), rows = n->arg[0]->type.dim[0];
  const int64_t order = elem_row(n->run, element(n->arg[2], 0, 0, n->run->B), rows + 1);
  DotLoop d = dot_loop(n, row_type(n->arg[0]->type), row_type(n->arg[1]->type));
  int64_t index[DOT_LABELS] = {0}, at[3] = {0};
  if (!type_count(n->arg[0]->type) || !type_count(n->arg[1]->type)) return true;
  do
    for (int64_t s = 0; s < w; s++) {
      Elem *out = &n->out->v[at[2] * w + s];
      *out = order < 0 ? elem_nan(n->run) : cauchy_terms(n, *out, at, order, s);
    }
  while (dot_next(&d, index, at, d.nlabels));
  return true;
}
