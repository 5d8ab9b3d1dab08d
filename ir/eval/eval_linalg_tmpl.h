/* Part of the evaluators' template: systems of equations and factorisations. */

/* One column of x for one sample, in place. */
static void solve_column(Run *r, const Elem *a, int64_t da, Elem *x, int64_t dx, int64_t size, bool upper, bool trans) {
  bool backward = upper != trans;
  for (int64_t t = 0; t < size; t++) {
    int64_t i = backward ? size - 1 - t : t;
    Elem v = x[i * dx];
    for (int64_t u = 0; u < t; u++) {
      int64_t j = backward ? size - 1 - u : u;
      Elem off = elem_apply(r, OP_mul, a[(trans ? j * size + i : i * size + j) * da], x[j * dx]);
      v = elem_apply(r, OP_sub, v, off);
    }
    x[i * dx] = elem_apply(r, OP_div, v, a[i * (size + 1) * da]);
  }
}

static bool eval_trisolve(Node *n) {
  trisolve_attr attr = trisolve_attr_at(n->attr);
  const ElemTensor *a = n->arg[0];
  Type t = n->i->type;
  int64_t w = eval_width(n->out, n->run->B), wa = eval_width(a, n->run->B), size = t.dim[0];
  int64_t cols = t.rank == 2 ? t.dim[1] : 1;
  for (int64_t e = size * cols; e-- > 0;) eval_move(n->run, n->out, e, n->arg[1], e);
  for (int64_t c = 0; c < cols; c++)
    for (int64_t s = 0; s < w; s++)
      solve_column(n->run, a->v + (a->type.lane ? s : 0), wa, n->out->v + c * w + s, cols * w, size, attr.upper, attr.trans);
  return true;
}

/* ---- elimination ---------------------------------------------------------------------------------------- */

/* The first row from k on with the largest element of column k. */
static int64_t lu_pivot(const Elem *a, int64_t n, int64_t k) {
  int64_t p = k;
  for (int64_t i = k + 1; i < n; i++)
    if (elem_pivot(a[p * n + k], a[i * n + k])) p = i;
  return p;
}

/* One sample, n x n and the row of pivots, in place. A column of zeros is left as it is. */
static void lu_factor(Run *r, Elem *a, int64_t n) {
  for (int64_t k = 0; k < n; k++) {
    int64_t p = lu_pivot(a, n, k);
    a[n * n + k] = elem_whole(r, p);
    for (int64_t j = 0; j < n && p != k; j++) {
      Elem was = a[k * n + j];
      a[k * n + j] = a[p * n + j], a[p * n + j] = was;
    }
    for (int64_t i = k + 1; i < n && elem_true(a[k * n + k]); i++) {
      Elem f = elem_apply(r, OP_div, a[i * n + k], a[k * n + k]);
      a[i * n + k] = f;
      for (int64_t j = k + 1; j < n; j++)
        a[i * n + j] = elem_apply(r, OP_sub, a[i * n + j], elem_apply(r, OP_mul, f, a[k * n + j]));
    }
  }
}

static bool eval_lu(Node *n) {
  const ElemTensor *a = n->arg[0];
  int64_t w = eval_width(n->out, n->run->B), rows = n->i->type.dim[1], count = rows * (rows + 1);
  Elem *at = base_zeroed((size_t)count, sizeof *at);
  for (int64_t s = 0; s < w; s++) {
    for (int64_t e = 0; e < rows * rows; e++) at[e] = element(a, e, s, n->run->B);
    lu_factor(n->run, at, rows);
    for (int64_t e = 0; e < count; e++) n->out->v[e * w + s] = at[e];
  }
  base_free(at);
  return true;
}

static void swap_elements(Elem *x, int64_t i, int64_t j) {
  Elem was = x[i];
  x[i] = x[j], x[j] = was;
}

/* One column of x for one sample, in place. */
static void lu_solve(Run *r, const Elem *a, Elem *x, int64_t n, bool trans) {
  for (int64_t k = 0; k < n && !trans; k++) swap_elements(x, k, elem_index(a[n * n + k], n));
  for (int pass = 0; pass < 2; pass++) {
    bool down = pass == 0;
    for (int64_t t = 0; t < n; t++) {
      int64_t k = down ? t : n - 1 - t;
      if (down == trans) x[k] = elem_quotient(r, x[k], a[k * n + k]);
      for (int64_t i = down ? k + 1 : 0; i < (down ? n : k); i++)
        x[i] = elem_apply(r, OP_sub, x[i], elem_apply(r, OP_mul, a[trans ? k * n + i : i * n + k], x[k]));
    }
  }
  for (int64_t k = n; k-- > 0 && trans;) swap_elements(x, k, elem_index(a[n * n + k], n));
}

static bool eval_solve(Node *n) {
  bool trans = solve_attr_at(n->attr).trans != 0;
  const ElemTensor *a = n->arg[0], *x = n->arg[1];
  Type t = n->i->type;
  int64_t B = n->run->B, w = eval_width(n->out, B), rows = t.dim[0], cols = t.rank == 2 ? t.dim[1] : 1, count = rows * (rows + 1);
  Elem *at = base_zeroed((size_t)(count + rows), sizeof *at), *column = at + count;
  for (int64_t s = 0; s < w; s++) {
    for (int64_t e = 0; e < count; e++) at[e] = element(a, e, s, B);
    for (int64_t c = 0; c < cols; c++) {
      for (int64_t i = 0; i < rows; i++) column[i] = element(x, i * cols + c, s, B);
      lu_solve(n->run, at, column, rows, trans);
      for (int64_t i = 0; i < rows; i++) n->out->v[(i * cols + c) * w + s] = column[i];
    }
  }
  base_free(at);
  return true;
}

static bool eval_det(Node *n) {
  const ElemTensor *a = n->arg[0];
  int64_t B = n->run->B, w = eval_width(n->out, B), rows = a->type.dim[1];
  for (int64_t s = 0; s < w; s++) {
    Elem y = elem_whole(n->run, 1);
    for (int64_t k = 0; k < rows; k++) {
      y = elem_apply(n->run, OP_mul, y, element(a, k * rows + k, s, B));
      if (elem_index(element(a, rows * rows + k, s, B), rows) != k) y = elem_apply(n->run, OP_neg, y, y);
    }
    n->out->v[s] = y;
  }
  return true;
}

/* ---- Cholesky ------------------------------------------------------------------------------------------------ */

static bool eval_cholesky(Node *n) {
  const ElemTensor *a = n->arg[0];
  Run *r = n->run;
  int64_t B = r->B, w = eval_width(n->out, B), rows = n->i->type.dim[0];
  for (int64_t s = 0; s < w; s++) {
    Elem *l = n->out->v + s;
    for (int64_t i = 0; i < rows; i++)
      for (int64_t j = 0; j <= i; j++) {
        Elem sum = element(a, i * rows + j, s, B);
        for (int64_t k = 0; k < j; k++)
          sum = elem_apply(r, OP_sub, sum, elem_apply(r, OP_mul, l[(i * rows + k) * w], l[(j * rows + k) * w]));
        l[(i * rows + j) * w] = i == j ? elem_root(r, sum) : elem_apply(r, OP_div, sum, l[j * (rows + 1) * w]);
      }
  }
  return true;
}

/* ---- readers of eigh ------------------------------------------------------------------------------------------- */

static bool eval_eigvals(Node *n) {
  int64_t rows = n->i->type.dim[0];
  for (int64_t e = 0; e < rows; e++) eval_move(n->run, n->out, e, n->arg[0], rows * rows + e);
  return true;
}

static bool eval_eigvecs(Node *n) {
  for (int64_t e = type_count(n->i->type); e-- > 0;) eval_move(n->run, n->out, e, n->arg[0], e);
  return true;
}
