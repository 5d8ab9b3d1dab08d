/* Nodes that are sums of products: MatMul, Gemm, Einsum. */
#include "frontend/onnx/node_priv.h"

#include <string.h>

enum { LABELS = 64 };

static bool among(const int *l, uint32_t n, int label) {
  for (uint32_t k = 0; k < n; k++)
    if (l[k] == label) return true;
  return false;
}

/* Sums over the axes whose label nobody else has. */
static Operand alone(Node *x, Operand a, int *la, const int *lb, uint32_t nb, const int *lo, uint32_t nlo) {
  bool in[ONNX_MOST_RANK], any = false;
  uint32_t kept = 0;
  for (uint32_t k = 0; k < a.rank; k++) any |= in[k] = !among(lb, nb, la[k]) && !among(lo, nlo, la[k]);
  if (!any) return a;
  const uint32_t rank = a.rank;
  a = node_reduce(x, OP_sum, a, in, false);
  for (uint32_t k = 0; k < rank; k++)
    if (!in[k]) la[kept++] = la[k];
  return a;
}

/* Its axes in the order of lo, 1 where it has none: what broadcasts to the result. */
static Operand aligned(Node *x, Operand a, const int *la, const int *lo, uint32_t nlo) {
  uint32_t perm[ONNX_MOST_RANK], n = 0;
  int64_t dim[ONNX_MOST_RANK];
  for (uint32_t k = 0; k < nlo; k++) {
    dim[k] = 1;
    for (uint32_t i = 0; i < a.rank; i++)
      if (la[i] == lo[k]) perm[n++] = i, dim[k] = a.dim[i];
  }
  /* What is summed elsewhere is 1 long here. */
  for (uint32_t i = 0; i < a.rank; i++)
    if (!among(lo, nlo, la[i])) perm[n++] = i;
  const Operand moved = node_transposed(x, a, perm);
  return node_reshape(x, moved, nlo, dim);
}

/* Labels of the axes that are longer than 1, numbered as they come: those of the IR are small. */
static int squeezed(uint32_t rank, const int64_t *dim, const int *l, int *number, int *count, int *out) {
  int n = 0;
  for (uint32_t k = 0; k < rank; k++) {
    if (dim[k] <= 1 || n == IR_MAX_RANK) continue;
    if (number[l[k]] < 0) number[l[k]] = (*count)++;
    out[n++] = number[l[k]];
  }
  return n;
}

static Operand dot(Node *x, Operand a, const int *la, Operand b, const int *lb, uint32_t nlo, const int64_t *dim, const int *lo) {
  int sa[IR_MAX_RANK], sb[IR_MAX_RANK], so[IR_MAX_RANK], number[LABELS], count = 0;
  memset(number, -1, sizeof number);
  squeezed(a.rank, a.dim, la, number, &count, sa);
  squeezed(b.rank, b.dim, lb, number, &count, sb);
  const int n = squeezed(nlo, dim, lo, number, &count, so);
  const Val va = node_val(x, &a), vb = node_val(x, &b);
  const bool swap = elab_type(x->E, va).lane && !elab_type(x->E, vb).lane; /* weights stand first */
  return node_squeezed(x, OPERAND_REAL, nlo, dim,
                       swap ? ir_dot(node_at(x), vb, va, false, sb, sa, n, so) : ir_dot(node_at(x), va, vb, false, sa, sb, n, so));
}

Operand node_product(Node *x, Operand a, const int *la0, Operand b, const int *lb0, const int *lo, uint32_t nlo) {
  int la[ONNX_MOST_RANK], lb[ONNX_MOST_RANK];
  int64_t size[LABELS], dim[ONNX_MOST_RANK];
  bool sums = false;
  if (x->failed) return a;
  memcpy(la, la0, sizeof *la * a.rank);
  memcpy(lb, lb0, sizeof *lb * b.rank);
  a = alone(x, a, la, lb, b.rank, lo, nlo);
  b = alone(x, b, lb, la, a.rank, lo, nlo);
  if (x->failed) return a;
  for (int k = 0; k < LABELS; k++) size[k] = 1;
  for (uint32_t k = 0; k < a.rank; k++) size[la[k]] = a.dim[k];
  for (uint32_t k = 0; k < b.rank; k++) {
    int64_t *s = &size[lb[k]];
    if (*s != 1 && b.dim[k] != 1 && *s != b.dim[k]) {
      node_error(x, "`%s` needs equal sizes, found %s and %s", x->n->op, operand_text(x, &a), operand_text(x, &b));
      return a;
    }
    if (*s == 1) *s = b.dim[k];
  }
  for (uint32_t k = 0; k < nlo; k++) dim[k] = size[lo[k]];
  if (!node_fits(x, nlo, dim)) return a;
  for (uint32_t k = 0; k < a.rank; k++) sums |= a.dim[k] > 1 && among(lb, b.rank, la[k]) && !among(lo, nlo, la[k]);
  /* A label that one has with 1 element only, and that is summed, is summed in the other. */
  bool in[ONNX_MOST_RANK];
  for (uint32_t side = 0; side < 2; side++) {
    Operand *o = side ? &b : &a, *other = side ? &a : &b;
    const int *l = side ? lb : la, *m = side ? la : lb;
    bool any = false;
    for (uint32_t k = 0; k < o->rank; k++) {
      in[k] = false;
      for (uint32_t i = 0; i < other->rank; i++)
        in[k] |= m[i] == l[k] && other->dim[i] == 1 && o->dim[k] > 1 && !among(lo, nlo, l[k]);
      any |= in[k];
    }
    if (any) *o = node_reduce(x, OP_sum, *o, in, true);
  }
  if (x->failed) return a;
  if (sums) return dot(x, a, la, b, lb, nlo, dim, lo);
  return node_ew2(x, OP_mul, aligned(x, a, la, lo, nlo), aligned(x, b, lb, lo, nlo));
}

/* ---- matrices ----------------------------------------------------------------------------------------------------------- */

enum { L_ROW = 40, L_SUM, L_COLUMN };

bool node_matmul(Node *x, int op) {
  (void)op;
  int la[ONNX_MOST_RANK], lb[ONNX_MOST_RANK], lo[ONNX_MOST_RANK];
  uint32_t n = 0;
  if (!node_needs(x, 2)) return false;
  const Operand a = x->in[0], b = x->in[1];
  if (a.rank == 0 || b.rank == 0 || a.dim[a.rank - 1] != b.dim[b.rank > 1 ? b.rank - 2 : 0])
    return node_error(x, "`MatMul` needs equal inner sizes, found %s and %s", operand_text(x, &a), operand_text(x, &b));
  const uint32_t more_a = a.rank > 2 ? a.rank - 2 : 0, more_b = b.rank > 2 ? b.rank - 2 : 0,
                 more = more_a > more_b ? more_a : more_b;
  for (uint32_t k = 0; k < more; k++) lo[n++] = (int)k;
  for (uint32_t k = 0; k < more_a; k++) la[k] = (int)(more - more_a + k);
  for (uint32_t k = 0; k < more_b; k++) lb[k] = (int)(more - more_b + k);
  if (a.rank > 1) la[more_a] = lo[n++] = L_ROW;
  la[a.rank - 1] = L_SUM;
  if (b.rank > 1) lb[more_b] = L_SUM, lb[more_b + 1] = lo[n++] = L_COLUMN;
  else lb[0] = L_SUM;
  return node_give(x, 0, node_product(x, a, la, b, lb, lo, n));
}

bool node_gemm(Node *x, int op) {
  (void)op;
  if (!node_needs(x, 2)) return false;
  const Operand a = x->in[0], b = x->in[1];
  const bool ta = node_int(x, "transA", 0) != 0, tb = node_int(x, "transB", 0) != 0;
  const int la[2] = {ta ? L_SUM : L_ROW, ta ? L_ROW : L_SUM}, lb[2] = {tb ? L_COLUMN : L_SUM, tb ? L_SUM : L_COLUMN},
            lo[2] = {L_ROW, L_COLUMN};
  const double alpha = node_float(x, "alpha", 1), beta = node_float(x, "beta", 1);
  if (a.rank != 2 || b.rank != 2 || a.dim[!ta] != b.dim[tb])
    return node_error(x, "`Gemm` needs matrices with equal inner sizes, found %s and %s", operand_text(x, &a), operand_text(x, &b));
  Operand r = node_product(x, a, la, b, lb, lo, 2);
  if (alpha != 1) r = node_ew2(x, OP_mul, r, operand_number(alpha));
  if (x->nin > 2 && x->in[2].kind != OPERAND_NONE && beta != 0) {
    const Operand c = x->in[2];
    r = node_ew2(x, OP_add, r, beta == 1 ? c : node_ew2(x, OP_mul, c, operand_number(beta)));
  }
  return node_give(x, 0, r);
}

/* ---- einsum -------------------------------------------------------------------------------------------------------------- */

/* Labels of one operand: letters, and `...` for what is left of its axes. Labels 0 to 25, and 26 to 51 of capitals; those of `...` are
 * 52 + the number from the right. *at: behind it. */
static bool term(Node *x, const char **at, uint32_t rank, int *out, uint32_t *n) {
  uint32_t letters = 0;
  const char *c = *at;
  for (const char *k = c; *k && *k != ',' && *k != '-'; k++) letters += (*k >= 'a' && *k <= 'z') || (*k >= 'A' && *k <= 'Z');
  *n = 0;
  for (; *c && *c != ',' && *c != '-'; c++) {
    int label;
    if (*c == ' ') continue;
    if (*c == '.') {
      if (c[1] != '.' || c[2] != '.' || letters > rank || rank - letters > 8) return false;
      for (uint32_t k = rank - letters; k-- > 0;) out[(*n)++] = 52 + (int)k;
      c += 2;
      continue;
    }
    if (*c >= 'a' && *c <= 'z') label = *c - 'a';
    else if (*c >= 'A' && *c <= 'Z') label = 26 + *c - 'A';
    else return false;
    if (among(out, *n, label) || *n == rank)
      return node_error(x, "`Einsum` along a diagonal, or with more axes than there are, is not supported");
    out[(*n)++] = label;
  }
  *at = c;
  return *n == rank;
}

typedef struct Terms {
  int label[8][ONNX_MOST_RANK], out[ONNX_MOST_RANK];
  uint32_t n[8], nout;
} Terms;

/* Behind `->`, or if that is not said the labels that occur once, in alphabetical order. */
static bool result(Node *x, const char *at, Terms *t) {
  uint32_t dots = 0, rank = 0;
  for (uint32_t k = 0; k < x->nin; k++)
    for (uint32_t i = 0; i < t->n[k]; i++)
      if (t->label[k][i] >= 52 && (uint32_t)t->label[k][i] - 51 > dots) dots = (uint32_t)t->label[k][i] - 51;
  if (at[0] == '-' && at[1] == '>') {
    at += 2;
    for (const char *c = at; *c; c++) rank += (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z');
    if (strstr(at, "...")) rank += dots;
    return rank <= ONNX_MOST_RANK && term(x, &at, rank, t->out, &t->nout) && !*at;
  }
  for (uint32_t k = dots; k-- > 0;) t->out[t->nout++] = 52 + (int)k;
  for (int label = 0; label < 52; label++) {
    int count = 0;
    for (uint32_t k = 0; k < x->nin; k++) count += among(t->label[k], t->n[k], label);
    if (count == 1 && t->nout < ONNX_MOST_RANK) t->out[t->nout++] = label;
  }
  return !*at;
}

/* The labels of `sofar` that a later operand or the result has. */
static uint32_t needed(Node *x, const Terms *t, uint32_t from, const int *la, uint32_t na, const int *lb, uint32_t nb, int *out) {
  uint32_t n = 0;
  for (uint32_t k = 0; k < na + nb; k++) {
    const int label = k < na ? la[k] : lb[k - na];
    bool later = among(t->out, t->nout, label);
    for (uint32_t i = from; i < x->nin; i++) later |= among(t->label[i], t->n[i], label);
    if (later && !among(out, n, label) && n < ONNX_MOST_RANK) out[n++] = label;
  }
  return n;
}

bool node_einsum(Node *x, int op) {
  (void)op;
  Terms t = {0};
  const char *text = node_text(x, "equation", ""), *at = text;
  static const int none[1] = {0};
  if (!node_needs(x, 1) || !node_needs(x, x->nin) || x->nin > 8) return node_error(x, "`Einsum` of %u operands", x->nin);
  for (uint32_t k = 0; k < x->nin; k++) {
    if (!term(x, &at, x->in[k].rank, t.label[k], &t.n[k]))
      return node_error(x, "`Einsum` cannot read `%s` for %s", text, operand_text(x, &x->in[k]));
    if (*at == ',' && k + 1 < x->nin) at++;
  }
  if (!result(x, at, &t)) return node_error(x, "`Einsum` cannot read the result of `%s`", text);
  for (uint32_t i = 0; i < t.nout; i++) {
    bool there = false;
    for (uint32_t k = 0; k < x->nin; k++) there |= among(t.label[k], t.n[k], t.out[i]);
    if (!there) return node_error(x, "`Einsum` cannot read the result of `%s`", text);
  }
  Operand r = x->in[0];
  int l[ONNX_MOST_RANK];
  memcpy(l, t.label[0], sizeof l);
  for (uint32_t k = 1; k < x->nin; k++) {
    int to[ONNX_MOST_RANK];
    const bool last = k + 1 == x->nin;
    const uint32_t n = last ? t.nout : needed(x, &t, k + 1, l, r.rank, t.label[k], t.n[k], to);
    r = node_product(x, r, l, x->in[k], t.label[k], last ? t.out : to, n);
    if (x->failed) return false;
    memcpy(l, last ? t.out : to, sizeof l);
  }
  if (x->nin == 1) r = node_product(x, r, l, operand_number(1), none, t.out, t.nout);
  return node_give(x, 0, r);
}
