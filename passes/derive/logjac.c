/* Expands `logjac`, log |det J| of a square Jacobian, by the block triangular form of its pattern.
 *
 * The determinant is the product of those of the blocks (passes/sparsity/blocks.c); what stands beside them does not count.
 * So no more than the elements of the blocks is differentiated: what reaches none of them is held constant
 * (passes/sparsity/held.c), columns that do not meet in them share a sweep (passes/sparsity/colour.c).
 *
 *   swept, nonzeros         as in jacobian.c, of the blocks alone
 *   blocks of one element   the sum of log |J_ij|, where J_ij is a product with an exponential, of its exponent
 *   larger ones             by LU, those of one size in a loop; one of all rows by LU of J
 *
 * What does not depend on the sample stays shared, and is computed once. A pattern of which every matrix is singular is an
 * error: such a map has no inverse anywhere. */
#include "passes/derive/derive_priv.h"
#include "passes/sparsity/sparsity.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
  MOST = 1 << 18,   /* elements of blocks: their indices become attributes of the IR */
  MATRIX = 1 << 28, /* elements of a matrix */
  UNROLL = 4,       /* so many blocks of one size are written out instead of looped over */
  DEEP = 8          /* factors within factors that are looked at */
};

typedef struct LogJac {
  PassRun *run;
  Build *b;
  Diag *diag;
  Val e, x;
  uint32_t n;
  Span at;
  Pattern pattern, needed, left;
  Blocks blocks;
  Held held;
} LogJac;

/* ---- log |v| -------------------------------------------------------------------------------------------------------- */

/* log |v| is simpler than v: of exponentials, or products with them. */
static bool gains(const Fn *f, Val v, int depth) {
  const Inst *i = ir_inst(f, v);
  const Val a = i->nargs ? ir_arg(f, i, 0) : VAL_NONE;
  if (depth == DEEP) return false;
  switch (i->op) {
  case OP_exp:
  case OP_sigmoid: return true;
  case OP_mul:
  case OP_div: return gains(f, a, depth + 1) || gains(f, ir_arg(f, i, 1), depth + 1);
  case OP_neg:
  case OP_abs:
  case OP_spread:
  case OP_reshape:
  case OP_transpose:
  case OP_expand:
  case OP_slice:
  case OP_take:
  case OP_flip: return gains(f, a, depth + 1);
  default: return false;
  }
}

static Val log_abs(Build *b, Val v, int depth);

/* What rearranges elements, of the logarithms. */
static Val rearranged(Build *b, const Inst *i, Val of) {
  int64_t *attr = base_realloc(NULL, sizeof *attr * (i->nattr + 1u));
  for (uint32_t k = 0; k < i->nattr; k++) attr[k] = ir_attrs(b->f, i).at[k];
  Val v = ir_emit(b, (Op)i->op, &of, 1, attr, i->nattr, NULL);
  base_free(attr);
  return v;
}

static Val log_abs(Build *b, Val v, int depth) {
  const Inst i = *ir_inst(b->f, v);
  if (!gains(b->f, v, depth)) return ir_log(b, ir_abs(b, v));
  const Val x = ir_arg(b->f, &i, 0);
  if (i.op == OP_exp) return x;
  if (i.op == OP_sigmoid) return ir_neg(b, ir_softplus(b, ir_neg(b, x)));
  const Val of = log_abs(b, x, depth + 1);
  if (i.op == OP_neg || i.op == OP_abs) return of;
  if (i.op != OP_mul && i.op != OP_div) return rearranged(b, &i, of);
  const Val other = log_abs(b, ir_arg(b->f, &i, 1), depth + 1);
  return i.op == OP_mul ? ir_add(b, of, other) : ir_sub(b, of, other);
}

/* The sum of log |v| over all elements. */
static Val sum_log_abs(Build *b, Val v) {
  const Inst i = *ir_inst(b->f, v);
  if (i.op == OP_reshape || i.op == OP_transpose || i.op == OP_flip || i.op == OP_spread)
    return sum_log_abs(b, ir_arg(b->f, &i, 0));
  if (i.op != OP_concat) return ir_sum_all(b, log_abs(b, v, 0));
  Val sum = sum_log_abs(b, ir_arg(b->f, &i, 0));
  for (uint32_t k = 1; k < i.nargs; k++) {
    const Val part = sum_log_abs(b, ir_arg(b->f, &i, k));
    sum = ir_add(b, sum, part);
  }
  return sum;
}

static Val log_det(Build *b, Val a) {
  const Val factors = ir_lu(b, a);
  return ir_logdet(b, factors);
}

/* ---- blocks ----------------------------------------------------------------------------------------------------------- */

static uint32_t size_of(const LogJac *l, uint32_t k) { return l->blocks.start[k + 1] - l->blocks.start[k]; }

/* Where (row, col) is among the needed elements; they are there or zero. */
static bool place(const LogJac *l, uint32_t row, uint32_t col, uint32_t *at) {
  uint32_t low = l->needed.start[row], high = l->needed.start[row + 1];
  while (low < high) {
    const uint32_t middle = low + (high - low) / 2;
    if (l->needed.col[middle] < col) low = middle + 1;
    else high = middle;
  }
  *at = low;
  return low < l->needed.start[row + 1] && l->needed.col[low] == col;
}

typedef struct Places {
  VEC(uint32_t) from, to; /* among the needed elements; in the blocks of one size, end to end */
  uint32_t count;         /* blocks */
} Places;

static void places_of(const LogJac *l, uint32_t size, Places *p) {
  for (uint32_t k = 0; k < l->blocks.n; k++) {
    if (size_of(l, k) != size) continue;
    const uint32_t *row = l->blocks.row + l->blocks.start[k], *col = l->blocks.col + l->blocks.start[k];
    for (uint32_t r = 0; r < size; r++)
      for (uint32_t c = 0; c < size; c++) {
        uint32_t at;
        if (!place(l, row[r], col[c], &at)) continue;
        *vec_push(&p->from) = at;
        *vec_push(&p->to) = (p->count * size + r) * size + c;
      }
    p->count++;
  }
}

static Val looped(Build *b, Val all) {
  Build bb;
  Fn *body = ir_sub_create(b->f, "blocks");
  ir_build_init(&bb, body);
  bb.at = b->at;
  Val a = ir_input(&bb, NULL, IN_OTHER, 0, pass_turn_type(ir_type(b->f, all)));
  ir_output(&bb, log_det(&bb, a), NULL);
  ir_build_finish(&bb);
  return ir_proj(b, ir_scan(b, &all, 1, ir_type(b->f, all).dim[0], 0, 1, 0, 1, false, false, body), 0);
}

/* The sum over the blocks of this size, VAL_NONE if there are none. */
static Val blocks_of(const LogJac *l, uint32_t size, Val nonzeros) {
  Build *b = l->b;
  Places p = {0};
  Val sum = VAL_NONE;
  places_of(l, size, &p);
  if (p.count) {
    const uint32_t dim[] = {p.count, size, size};
    Val some = ir_take(b, nonzeros, 0, p.from.at, p.from.n);
    if (size > 1) some = ir_reshape(b, ir_put(b, some, 0, p.count * size * size, p.to.at, p.to.n), 3, dim);
    if (size == 1) sum = sum_log_abs(b, some);
    else if (p.count > UNROLL) sum = looped(b, some);
    for (uint32_t k = 0; size > 1 && p.count <= UNROLL && k < p.count; k++) {
      const Val one = log_det(b, ir_index(b, some, 0, k));
      sum = sum.id ? ir_add(b, sum, one) : one;
    }
  }
  vec_free(&p.from);
  vec_free(&p.to);
  return sum;
}

static uint32_t largest(const LogJac *l) {
  uint32_t most = 0;
  for (uint32_t k = 0; k < l->blocks.n; k++)
    if (size_of(l, k) > most) most = size_of(l, k);
  return most;
}

static void note(const LogJac *l, int64_t sweeps) {
  if (l->run) pass_trace_pattern(l->run->trace, l->at, "the blocks of a log-determinant", &l->needed, 0, NULL, false);
  if (l->run)
    *vec_push(&l->run->swept) = (PassSwept){.at = l->at,
                                            .rows = l->n,
                                            .cols = l->n,
                                            .nonzeros = pattern_count(&l->needed),
                                            .sweeps = sweeps,
                                            .plainly = l->n,
                                            .blocks = l->blocks.n,
                                            .largest = largest(l),
                                            .held = l->held.use.n};
}

static bool by_blocks(LogJac *l, Val *out) {
  Val nonzeros, sum = VAL_NONE;
  int64_t sweeps;
  const bool held = sparsity_hold(l->b->f, l->e, l->x, &l->needed, &l->held, &l->left);
  const JacobianElements what = {held ? &l->left : &l->pattern, &l->needed, held && l->held.use.n ? &l->held : NULL};
  if (!derive_jacobian_elements(l->b, l->e, l->x, what, l->at, l->diag, &nonzeros, &sweeps)) return false;
  note(l, sweeps);
  for (uint32_t size = 1; size <= largest(l); size++) {
    const Val some = blocks_of(l, size, nonzeros);
    if (some.id) sum = sum.id ? ir_add(l->b, sum, some) : some;
  }
  *out = sum;
  return true;
}

static bool by_matrix(LogJac *l, Val *out) {
  Val a;
  const int64_t size = (int64_t)l->n * l->n;
  if (size > MATRIX) {
    if (l->diag)
      diag_add(l->diag, CODE_too_large, l->at,
               "the log-determinant of this step needs a full matrix of %lld elements, which is too large", (long long)size);
    return false;
  }
  if (!derive_jacobian_matrix(l->run, l->b, l->e, l->x, l->at, l->diag, &a)) return false;
  *out = log_det(l->b, a);
  return true;
}

/* ---- what no matrix has ---------------------------------------------------------------------------------------------- */

static void list(FILE *to, const uint32_t *index, uint32_t n) {
  for (uint32_t k = 0; k < n && k < 4; k++) fprintf(to, "%s%u", !k ? "" : k + 1 == n ? " and " : ", ", index[k]);
  if (n > 4) fprintf(to, " and %u more", n - 4);
}

static void singular(const LogJac *l) {
  const Blocks *s = &l->blocks;
  char *text;
  size_t size;
  if (!l->diag) return;
  FILE *to = open_memstream(&text, &size);
  if (!to) base_fault("out of memory");
  fprintf(to, "%s ", s->nstuck > 1 ? "elements" : "element");
  list(to, s->row, s->nstuck);
  fprintf(to, " of the new state depend%s on ", s->nstuck > 1 ? "" : "s");
  if (s->nstuck > 1) {
    fprintf(to, "element%s ", s->nstuck > 2 ? "s" : "");
    list(to, s->col, s->nstuck - 1);
    fprintf(to, " of the old one alone");
  } else {
    fprintf(to, "none of the old one");
  }
  fclose(to);
  DiagMsg *m = diag_add(l->diag, CODE_no_derivative, l->at, "the log-determinant of this step is -inf everywhere: %s", text);
  diag_help(m, "an invertible step needs a derivative that is not zero; that of `round`, `sign` and conditions is zero");
  free(text);
}

/* ---- all ---------------------------------------------------------------------------------------------------------------- */

static bool expand(LogJac *l, Val *out) {
  if (!sparsity_find(l->b->f, l->e, l->x, SPARSITY_THOROUGH, &l->pattern)) return by_matrix(l, out);
  if (!sparsity_blocks(&l->pattern, &l->blocks)) {
    singular(l);
    return false;
  }
  sparsity_blocks_elements(&l->blocks, &l->pattern, &l->needed);
  const bool full = (l->blocks.n == 1 && l->n > 1) || pattern_count(&l->needed) > MOST;
  return full ? by_matrix(l, out) : by_blocks(l, out);
}

bool derive_logjac(PassRun *run, Build *b, const Inst *i, Val e, Val x, Diag *diag, Val *out) {
  LogJac l = {.run = run, .b = b, .diag = diag, .e = e, .x = x, .n = ir_type(b->f, x).dim[0], .at = i->at};
  *out = ir_const(b, 0);
  const bool ok = expand(&l, out);
  if (ok) *out = pass_with_lane(b, *out, i->type.lane);
  pattern_finish(&l.pattern);
  pattern_finish(&l.needed);
  pattern_finish(&l.left);
  sparsity_blocks_finish(&l.blocks);
  vec_free(&l.held.use);
  return ok;
}
