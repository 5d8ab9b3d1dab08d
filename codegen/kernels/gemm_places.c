/* Sums over the samples, and over places within one, of products of two per-sample values: D[m][k] += sum over r, l of G[m][r][l] X[k][r][l],
 * k being several labels (channels and taps of a convolution), whose places are the pixels.
 *
 * Vectors run along m, so G is transposed, a block of places at a time: T[r][l][m]. A register tile is rows of k by vectors of m; X is
 * broadcast from where it lies, through its windows, and summed up over the samples and places of the block. Between blocks the sums
 * lie in scratch, as S[k][m]; after the last one they are added to D. Where m has less than a vector, q samples lie beside each other
 * for each m, T[r][l / q][m][q], and X is read q samples at a time; the q are added up last. With one m, T is G itself. */
#include "codegen/kernels/gemm_priv.h"

enum { LEAST_PLACES = 16 }; /* of a block: what is loaded and stored for each of its sums is then little */

typedef struct Shape {
  int64_t q, vectors; /* samples side by side; vectors of m for these */
  int block;          /* the loops over places from here on are in a block */
  int64_t places;     /* of a block */
  int nv;             /* vectors of a register tile */
  int a, b;           /* its rows: all of label a (-1: none), of label b as many as there is room for */
  int64_t na, nb;
} Shape;

static int64_t label_n(const CgPlaces *w, int label) { return label < 0 ? 1 : w->row[label].n; }

/* Rows of a register tile of nv vectors. */
static int64_t most_rows(const CgEmit *e, int nv) {
  const CgTarget *t = e->target;
  int64_t room = (int64_t)t->regs - nv - (t->fma ? t->tune->copies_fma : t->tune->copies_plain);
  if (cg_many_regs(t) && room > t->tune->gemm_sums_many) room = t->tune->gemm_sums_many;
  return room < nv ? 1 : room / nv;
}

/* Label b is the longest one, a the longest other that leaves room for two of b, or all of it. */
static void choose_rows(const CgEmit *e, const CgPlaces *w, Shape *s) {
  const int64_t most = most_rows(e, s->nv);
  s->a = -1, s->b = 0;
  for (int k = 1; k < w->nrow; k++)
    if (w->row[k].n > w->row[s->b].n) s->b = k;
  for (int k = 0; k < w->nrow; k++)
    if (k != s->b && w->row[k].n * (w->row[s->b].n > 1 ? 2 : 1) <= most && w->row[k].n > label_n(w, s->a)) s->a = k;
  s->na = label_n(w, s->a);
  s->nb = gemm_rows(w->row[s->b].n, most / s->na);
}

/* What does not depend on registers. */
static Shape block_of(int64_t vl, const CgPlaces *w) {
  Shape s = {.q = 1, .block = w->nloop, .places = 1};
  while (s.q < vl && w->M * s.q * 2 <= vl) s.q *= 2;
  s.vectors = s.q > 1 ? 1 : (w->M + vl - 1) / vl;
  s.nv = s.vectors > 1 ? 2 : 1;
  while (s.block > 0 && (s.places < LEAST_PLACES || s.q == vl)) s.places *= w->loop[--s.block].n;
  return s;
}

static int64_t all_rows(const CgPlaces *w) {
  int64_t n = 1;
  for (int k = 0; k < w->nrow; k++) n *= w->row[k].n;
  return n;
}

/* Rows of T may be longer than m by what cg_dw_ldt adds. */
int64_t cg_places_bytes(unsigned vl, unsigned es, const CgPlaces *w) {
  const Shape s = block_of(vl, w);
  const int64_t t = s.q == vl ? 0 : s.places * w->lanes / s.q * (s.vectors + 1);
  return (all_rows(w) * s.vectors + t) * vl * es;
}

/* ---- a block of places transposed --------------------------------------------------------------------------------- */

typedef struct Block {
  const CgPlaces *w;
  Shape s;
  LLVMValueRef sums, t; /* scratch */
  LLVMValueRef g, x;    /* at the first place of the block */
  LLVMValueRef t_step[2 * IR_MAX_RANK +
                      1]; /* of T from one turn of a loop of the block to the next; behind them, from q lanes to the next */
  int64_t s_step[2 * IR_MAX_RANK]; /* of the sums from one element of a label of k to the next */
  int depth;
  LLVMValueRef x_row, s_row; /* of the turns of the loops over labels that are not in a tile */
  int64_t v0, rows0, rows;   /* first vector; elements of label b */
  int nv;
} Block;

static void transposed_place(CgEmit *e, const Block *b, LLVMValueRef g, LLVMValueRef t) {
  const CgPlaces *w = b->w;
  const int64_t vl = e->vl;
  if (b->s.q == 1) e->target->kernel->transpose(e, g, w->ldg, w->M, t);
  for (int64_t l = 0; b->s.q > 1 && l < w->lanes; l += vl)
    cg_transpose_units(e, cg_gep(e, g, cg_i64(e, l)), w->ldg, w->M, b->s.q, cg_gep(e, t, cg_i64(e, l / b->s.q * vl)));
}

static void transpose_block(CgEmit *e, const Block *b, int depth, LLVMValueRef g, LLVMValueRef t) {
  const CgPlaces *w = b->w;
  if (depth == w->nloop) {
    transposed_place(e, b, g, t);
    return;
  }
  CgLoop *l = base_realloc(NULL, sizeof *l);
  cg_loop_begin(e, l, cg_i64(e, 0), cg_i64(e, w->loop[depth].n), 1);
  transpose_block(e, b, depth + 1, cg_gep(e, g, cg_imul(e, l->iv, w->loop[depth].g)),
                  cg_gep(e, t, cg_imul(e, l->iv, b->t_step[depth])));
  cg_loop_end(e, l);
  base_free(l);
}

/* ---- a register tile ------------------------------------------------------------------------------------------------- */

typedef struct Tile {
  const Block *b;
  int depth;
  LLVMValueRef t, x; /* at the turns of the loops so far */
} Tile;

/* q samples of X, each group of lanes that belongs to one m. */
static LLVMValueRef spread(CgEmit *e, LLVMValueRef p, int64_t q) {
  int mask[64];
  if (q == 1) return cg_splat(e, cg_load(e, p, 1), e->vl);
  LLVMValueRef v = cg_load(e, p, (unsigned)q);
  for (unsigned k = 0; k < e->vl; k++) mask[k] = (int)(k % (unsigned)q);
  return q == (int64_t)e->vl ? v : cg_shuffle(e, v, LLVMGetPoison(LLVMTypeOf(v)), mask, e->vl);
}

static LLVMValueRef offset(CgEmit *e, LLVMValueRef stride, int64_t n) { return cg_imul(e, stride, cg_i64(e, n)); }

/* One q of samples. */
static void add_samples(CgEmit *e, void *ctx, const LLVMValueRef *at, int q, LLVMValueRef *acc) {
  const Tile *t = ctx;
  const Block *b = t->b;
  const CgPlaces *w = b->w;
  LLVMValueRef from = cg_gep(e, at[0], offset(e, b->t_step[w->nloop], q)), x = cg_gep(e, at[1], cg_i64(e, q * b->s.q));
  LLVMValueRef g[GEMM_MAX_ACC];
  for (int j = 0; j < b->nv; j++) g[j] = cg_load(e, cg_gep(e, from, cg_i64(e, (b->v0 + j) * (int64_t)e->vl)), e->vl);
  for (int64_t i = 0; i < b->rows; i++)
    for (int64_t r = 0; r < b->s.na; r++) {
      LLVMValueRef p = cg_gep(e, x, offset(e, w->row[b->s.b].x, i));
      if (r) p = cg_gep(e, p, offset(e, w->row[b->s.a].x, r));
      LLVMValueRef s = spread(e, p, b->s.q), *sum = acc + (i * b->s.na + r) * b->nv;
      for (int j = 0; j < b->nv; j++) sum[j] = cg_fma(e, s, g[j], sum[j]);
    }
}

static void add_places(CgEmit *e, Tile *t, LLVMValueRef *acc);

static void add_place(CgEmit *e, void *ctx, const LLVMValueRef *at, int q, LLVMValueRef *acc) {
  Tile t = *(const Tile *)ctx;
  const Block *b = t.b;
  t.t = cg_gep(e, at[0], offset(e, b->t_step[t.depth], q));
  t.x = cg_gep(e, at[1], offset(e, b->w->loop[t.depth].x, q));
  t.depth++;
  add_places(e, &t, acc);
}

static void add_places(CgEmit *e, Tile *t, LLVMValueRef *acc) {
  const Block *b = t->b;
  const int n = (int)(b->rows * b->s.na) * b->nv;
  const bool inner = t->depth == b->w->nloop;
  const GemmPair first = {{t->t, t->x}, {b->t_step[t->depth], inner ? cg_i64(e, b->s.q) : b->w->loop[t->depth].x}};
  if (inner) gemm_sum(e, first, b->w->lanes / b->s.q, 1, acc, n, add_samples, t);
  else gemm_sum(e, first, b->w->loop[t->depth].n, 1, acc, n, add_place, t);
}

static LLVMValueRef sum_at(CgEmit *e, const Block *b, LLVMValueRef row, int64_t i, int64_t r, int j) {
  const int64_t a = b->s.a < 0 ? 0 : b->s_step[b->s.a] * r;
  return cg_gep(e, row, cg_i64(e, b->s_step[b->s.b] * i + a + (b->v0 + j) * (int64_t)e->vl));
}

static void tile(CgEmit *e, void *ctx, LLVMValueRef at) {
  Block *b = ctx;
  LLVMValueRef acc[GEMM_MAX_ACC], first = cg_iadd(e, at, cg_i64(e, b->rows0));
  LLVMValueRef row = cg_gep(e, b->s_row, cg_imul(e, first, cg_i64(e, b->s_step[b->s.b])));
  Tile t = {b, b->s.block, b->t, cg_gep(e, b->x_row, cg_imul(e, first, b->w->row[b->s.b].x))};
  int n = 0;
  for (int64_t i = 0; i < b->rows; i++)
    for (int64_t r = 0; r < b->s.na; r++)
      for (int j = 0; j < b->nv; j++) acc[n++] = cg_load(e, sum_at(e, b, row, i, r, j), e->vl);
  add_places(e, &t, acc);
  n = 0;
  for (int64_t i = 0; i < b->rows; i++)
    for (int64_t r = 0; r < b->s.na; r++)
      for (int j = 0; j < b->nv; j++) cg_store(e, acc[n++], sum_at(e, b, row, i, r, j));
}

/* ---- the nest -------------------------------------------------------------------------------------------------------- */

static void row_tiles(CgEmit *e, Block *b, int label, LLVMValueRef x, LLVMValueRef s) {
  const CgPlaces *w = b->w;
  while (label == b->s.a || label == b->s.b) label++;
  if (label >= w->nrow) {
    const int64_t all = w->row[b->s.b].n, full = all / b->s.nb * b->s.nb;
    b->x_row = x, b->s_row = s;
    b->rows0 = 0, b->rows = b->s.nb;
    gemm_each(e, full / b->s.nb, b->s.nb, tile, b);
    b->rows0 = full, b->rows = all - full;
    if (b->rows) tile(e, b, cg_i64(e, 0));
    return;
  }
  CgLoop *l = base_realloc(NULL, sizeof *l);
  cg_loop_begin(e, l, cg_i64(e, 0), cg_i64(e, w->row[label].n), 1);
  row_tiles(e, b, label + 1, cg_gep(e, x, cg_imul(e, l->iv, w->row[label].x)),
            cg_gep(e, s, cg_imul(e, l->iv, cg_i64(e, b->s_step[label]))));
  cg_loop_end(e, l);
  base_free(l);
}

static void vector_block(CgEmit *e, void *ctx, LLVMValueRef at) {
  Block b = *(Block *)ctx;
  const LLVMValueRef first = cg_imul(e, at, cg_i64(e, e->vl));
  b.t = cg_gep(e, b.t, first);
  row_tiles(e, &b, 0, b.x, cg_gep(e, b.sums, first));
}

static void blocks(CgEmit *e, Block *b, int depth, LLVMValueRef g, LLVMValueRef x) {
  const CgPlaces *w = b->w;
  if (depth == b->s.block) {
    const int64_t full = b->s.vectors / b->s.nv * b->s.nv;
    if (b->s.q == (int64_t)e->vl) b->t = g;
    else transpose_block(e, b, depth, g, b->t);
    b->x = x;
    b->v0 = 0, b->nv = b->s.nv;
    gemm_each(e, full / b->nv, b->nv, vector_block, b);
    b->v0 = full, b->nv = (int)(b->s.vectors - full);
    if (b->nv) vector_block(e, b, cg_i64(e, 0));
    return;
  }
  CgLoop *l = base_realloc(NULL, sizeof *l);
  cg_loop_begin(e, l, cg_i64(e, 0), cg_i64(e, w->loop[depth].n), 1);
  blocks(e, b, depth + 1, cg_gep(e, g, cg_imul(e, l->iv, w->loop[depth].g)), cg_gep(e, x, cg_imul(e, l->iv, w->loop[depth].x)));
  cg_loop_end(e, l);
  base_free(l);
}

/* ---- the sums to D ------------------------------------------------------------------------------------------------------ */

typedef struct Close {
  const Block *b;
  LLVMValueRef d, s;
  int64_t m0;
} Close;

/* One vector of sums, of m0 + at * vl / q and so on. */
static void close_vector(CgEmit *e, void *ctx, LLVMValueRef at) {
  const Close *c = ctx;
  const CgPlaces *w = c->b->w;
  const int64_t vl = e->vl, q = c->b->s.q, most = w->M - c->m0 < vl / q ? w->M - c->m0 : vl / q;
  const LLVMValueRef m = cg_iadd(e, at, cg_i64(e, c->m0)), v = cg_load(e, cg_gep(e, c->s, cg_imul(e, m, cg_i64(e, q))), e->vl);
  for (int64_t k = 0; k < most; k++) {
    LLVMValueRef p = cg_gep(e, c->d, cg_imul(e, cg_iadd(e, m, cg_i64(e, k)), cg_i64(e, w->ldd))), sum = NULL;
    int mask[64];
    for (int i = 0; i < q; i++) mask[i] = (int)(k * q) + i;
    if (q == 1) sum = LLVMBuildExtractElement(e->b, v, cg_i32(e, (int32_t)k), "");
    else sum = cg_sum_lanes(e, q == vl ? v : cg_shuffle(e, v, LLVMGetPoison(LLVMTypeOf(v)), mask, (unsigned)q), (unsigned)q);
    cg_store(e, LLVMBuildFAdd(e->b, gemm_load_unless(e, w->set, p, 1), sum, ""), p);
  }
}

static void close_rows(CgEmit *e, const Block *b, int label, LLVMValueRef d, LLVMValueRef s) {
  const CgPlaces *w = b->w;
  if (label == w->nrow) {
    const int64_t vl = e->vl, full = b->s.q == 1 ? w->M / vl * vl : 0;
    Close c = {b, d, s, 0};
    gemm_each(e, full / vl, vl, close_vector, &c);
    c.m0 = full;
    if (full < w->M) close_vector(e, &c, cg_i64(e, 0));
    return;
  }
  CgLoop *l = base_realloc(NULL, sizeof *l);
  cg_loop_begin(e, l, cg_i64(e, 0), cg_i64(e, w->row[label].n), 1);
  close_rows(e, b, label + 1, cg_gep(e, d, cg_imul(e, l->iv, cg_i64(e, w->row[label].d))),
             cg_gep(e, s, cg_imul(e, l->iv, cg_i64(e, b->s_step[label]))));
  cg_loop_end(e, l);
  base_free(l);
}

/* Steps of T, which lies behind the sums, or is G. */
static void transposed_steps(CgEmit *e, Block *b) {
  const CgPlaces *w = b->w;
  const int64_t vl = e->vl, row = b->s.q == 1 ? cg_dw_ldt(e, w->M) : vl;
  int64_t t = w->lanes / b->s.q * row;
  b->t_step[w->nloop] = cg_i64(e, row);
  for (int k = w->nloop; k-- > b->s.block; t *= w->loop[k].n) b->t_step[k] = b->s.q == vl ? w->loop[k].g : cg_i64(e, t);
}

static void zero_sums(CgEmit *e, void *ctx, LLVMValueRef at) {
  cg_store(e, cg_real(e, 0, e->vl), cg_gep(e, ((const Block *)ctx)->sums, at));
}

void cg_places(CgEmit *e, const CgPlaces *w) {
  Block b = {.w = w, .s = block_of(e->vl, w), .sums = w->work};
  int64_t s = b.s.vectors * e->vl;
  choose_rows(e, w, &b.s);
  for (int k = w->nrow; k-- > 0; s *= w->row[k].n) b.s_step[k] = s;
  transposed_steps(e, &b);
  b.t = cg_gep(e, w->work, cg_i64(e, s));
  gemm_each(e, s / e->vl, e->vl, zero_sums, &b);
  blocks(e, &b, 0, w->g, w->x);
  close_rows(e, &b, 0, w->d, b.sums);
}
