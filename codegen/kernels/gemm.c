/* C = A X with A shared and X per sample: a register tile of rows by vectors of lanes, the sum over k innermost.
 * A needs no packing: each of its elements is broadcast from memory once and used for all vectors of the row.
 *
 * Tiles, as rows x vectors: 12 x 2 with 32 registers, 6 x 2 with 16, 4 x 2 without FMA. Where a tile of samples is one vector, the
 * others are those of further places (the pixels of a convolution): the broadcast is then loaded once for all of them, and few
 * rows hide the latency of the multiply-adds, too. A tile too small for that keeps several sums for each element, of
 * k = 0, s, 2s ... and so on. A^T whose columns are apart by a large power of two (1024 wide, say) has them all in a few sets of the
 * cache: no line is there any more for the next row tile, so a tile is one line of rows. */
#include "codegen/kernels/gemm_priv.h"

/* ---- shared by gemm_*.c ---------------------------------------------------------------------------- */

int64_t gemm_max_rows(const CgEmit *e, int nv) {
  const CgTarget *t = e->target;
  int free_regs = (int)t->regs - nv - (t->fma ? t->tune->copies_fma : t->tune->copies_plain);
  if (cg_many_regs(t) && free_regs > t->tune->gemm_sums_many) free_regs = t->tune->gemm_sums_many;
  int64_t rows = free_regs / nv, most = GEMM_TUNED(e, gemm_rows);
  return rows > most ? most : rows < 1 ? 1 : rows;
}

int64_t gemm_rows(int64_t M, int64_t most) {
  if (M <= most) return M;
  for (int64_t r = most; 3 * r >= 2 * most; r--)
    if (M % r == 0) return r;
  int64_t tiles = (M + most - 1) / most;
  return (M + tiles - 1) / tiles;
}

void gemm_sum_upto(CgEmit *e, GemmPair first, LLVMValueRef count, int unroll, LLVMValueRef *acc, int n, GemmStep step, void *ctx) {
  CgLoop l;
  LLVMValueRef turn[2];
  for (int k = 0; k < 2; k++) turn[k] = cg_imul(e, first.step[k], cg_i64(e, unroll));
  cg_loop_begin(e, &l, cg_i64(e, 0), count, unroll);
  for (int i = 0; i < n; i++) acc[i] = cg_loop_phi(e, &l, acc[i]);
  for (int k = 0; k < 2; k++) first.at[k] = cg_loop_phi(e, &l, first.at[k]);
  for (int q = 0; q < unroll; q++) step(e, ctx, first.at, q, acc);
  for (int i = 0; i < n; i++) cg_loop_next(&l, (unsigned)i, acc[i]);
  for (int k = 0; k < 2; k++) cg_loop_next(&l, (unsigned)(n + k), cg_gep(e, first.at[k], turn[k]));
  cg_loop_end(e, &l);
}

void gemm_sum(CgEmit *e, GemmPair first, int64_t count, int unroll, LLVMValueRef *acc, int n, GemmStep step, void *ctx) {
  int64_t turns = count / unroll, done = 0;
  if (turns > 1) {
    done = turns * unroll;
    gemm_sum_upto(e, first, cg_i64(e, done), unroll, acc, n, step, ctx);
  }
  for (int k = 0; k < 2 && done < count; k++) first.at[k] = cg_gep(e, first.at[k], cg_imul(e, first.step[k], cg_i64(e, done)));
  for (int q = 0; done + q < count; q++) step(e, ctx, first.at, q, acc);
}

void gemm_each(CgEmit *e, int64_t count, int64_t step, GemmBody body, void *ctx) {
  if (count == 1) body(e, ctx, cg_i64(e, 0));
  if (count <= 1) return;
  CgLoop l;
  cg_loop_begin(e, &l, cg_i64(e, 0), cg_i64(e, count * step), step);
  body(e, ctx, l.iv);
  cg_loop_end(e, &l);
}

LLVMValueRef gemm_load_unless(CgEmit *e, LLVMValueRef set, LLVMValueRef p, unsigned lanes) {
  LLVMValueRef v = cg_load(e, p, lanes);
  return set ? LLVMBuildSelect(e->b, cg_splat(e, set, lanes), cg_real(e, 0, lanes), v, "") : v;
}

void gemm_store_first(CgEmit *e, LLVMValueRef v, unsigned lanes, unsigned n, LLVMValueRef p, bool add, LLVMValueRef set) {
  for (unsigned at = 0, w = lanes; at < n; w /= 2) {
    if (w > n - at) continue;
    int mask[64];
    for (unsigned i = 0; i < w; i++) mask[i] = (int)(at + i);
    LLVMValueRef piece = v, to = cg_gep(e, p, cg_i64(e, at));
    if (w == 1 && lanes > 1) piece = LLVMBuildExtractElement(e->b, v, cg_i32(e, (int32_t)at), "");
    else if (w < lanes) piece = cg_shuffle(e, v, LLVMGetPoison(LLVMTypeOf(v)), mask, w);
    if (add) piece = LLVMBuildFAdd(e->b, gemm_load_unless(e, set, to, w), piece, "");
    cg_store(e, piece, to);
    at += w;
  }
}

/* ---- one register tile ------------------------------------------------------------------------------ */

typedef struct Tile {
  const CgGemm *g;
  int64_t rows;
  int nv, np, splits; /* vectors of lanes, places; splits: sums kept for each element */
  LLVMValueRef row, place, lane;
  const CgGemmTerm *term;
  int depth;         /* in the loops of the term */
  LLVMValueRef a, x; /* of the term and the turns of these loops, at the tile's first row and lane */
} Tile;

static int columns(const Tile *t) { return t->nv * t->np; }

/* The vectors of `v` at one of the tile's places. */
static CgRow row_of(CgEmit *e, const Tile *t, LLVMValueRef offset, int place, LLVMValueRef *v) {
  return (CgRow){cg_iadd(e, t->row, offset), cg_iadd(e, t->place, cg_i64(e, place)), t->lane, t->nv, v + place * t->nv};
}

static void start_sums(CgEmit *e, const Tile *t, LLVMValueRef *acc) {
  int n = (int)t->rows * columns(t);
  LLVMValueRef zero = cg_real(e, 0, e->vl);
  for (int i = 0; i < n * t->splits; i++) acc[i] = zero;
  if (!t->g->init) return;
  for (int64_t r = 0; r < t->rows; r++)
    for (int p = 0; p < t->np; p++) {
      CgRow row = row_of(e, t, cg_i64(e, r), p, acc + r * columns(t));
      t->g->init(e, t->g->ctx, &row);
    }
}

/* Row r of X, the vectors of all places. */
static void load_columns(CgEmit *e, const Tile *t, LLVMValueRef x, int64_t r, LLVMValueRef *v) {
  const CgGemmTerm *m = t->term;
  if (m->xs_i) x = cg_gep(e, x, cg_imul(e, m->xs_i, cg_i64(e, r)));
  for (int p = 0; p < t->np; p++) {
    const LLVMValueRef at = p ? cg_gep(e, x, cg_imul(e, m->xs_p, cg_i64(e, p))) : x;
    for (int j = 0; j < t->nv; j++) v[p * t->nv + j] = cg_load(e, cg_gep(e, at, cg_i64(e, j * (int64_t)e->vl)), e->vl);
  }
}

static void add_term(CgEmit *e, void *ctx, const LLVMValueRef *at, int q, LLVMValueRef *acc) {
  const Tile *t = ctx;
  const CgGemmTerm *m = t->term;
  const int nc = columns(t);
  LLVMValueRef x = cg_gep(e, at[1], cg_imul(e, m->ldx, cg_i64(e, q))), xv[GEMM_MAX_ACC];
  acc += (q % t->splits) * t->rows * nc;
  for (int64_t r = 0; r < t->rows; r++) {
    if (r == 0 || m->xs_i) load_columns(e, t, x, r, xv);
    LLVMValueRef s = cg_load(e, cg_gep(e, at[0], cg_i64(e, r * m->as_i + q * m->as_k)), 1);
    s = cg_splat(e, s, e->vl);
    for (int j = 0; j < nc; j++) acc[r * nc + j] = cg_fma(e, s, xv[j], acc[r * nc + j]);
  }
}

static void add_stretches(CgEmit *e, Tile *t, LLVMValueRef *acc);

static void add_turn(CgEmit *e, void *ctx, const LLVMValueRef *at, int q, LLVMValueRef *acc) {
  Tile t = *(const Tile *)ctx;
  const CgGemmLoop *l = &t.term->loop[t.depth++];
  t.a = cg_gep(e, at[0], cg_i64(e, q * l->a));
  t.x = cg_gep(e, at[1], cg_imul(e, l->x, cg_i64(e, q)));
  add_stretches(e, &t, acc);
}

static void add_stretches(CgEmit *e, Tile *t, LLVMValueRef *acc) {
  const int n = (int)t->rows * columns(t) * t->splits, unroll = t->np == 1                                 ? 2
                                                                : t->term->K <= e->target->tune->gemm_taps ? (int)t->term->K
                                                                                                           : 1;
  const CgGemmTerm *m = t->term;
  if (t->depth == m->nloop) {
    const GemmPair first = {{t->a, t->x}, {cg_i64(e, m->as_k), m->ldx}};
    gemm_sum(e, first, m->K, t->splits > unroll ? t->splits : unroll, acc, n, add_term, t);
  } else {
    const CgGemmLoop *l = &m->loop[t->depth];
    const GemmPair first = {{t->a, t->x}, {cg_i64(e, l->a), l->x}};
    gemm_sum(e, first, l->n, 1, acc, n, add_turn, t);
  }
}

static void join_splits(CgEmit *e, const Tile *t, LLVMValueRef *acc) {
  int n = (int)t->rows * columns(t);
  for (int half = t->splits / 2; half >= 1; half /= 2)
    for (int i = 0; i < half * n; i++) acc[i] = LLVMBuildFAdd(e->b, acc[i], acc[i + half * n], "");
}

/* In a loop over the sums of the tile, which are on the stack. */
static void finish_rolled(CgEmit *e, const Tile *t, LLVMValueRef *acc) {
  const CgGemm *g = t->g;
  LLVMValueRef sum[CG_GEMM_SUMS];
  int64_t vl = e->vl, width = t->nv * vl;
  LLVMValueRef sums = cg_alloca(e, t->rows * t->np * width * e->es), v[GEMM_MAX_ACC];
  for (int64_t i = 0; i < t->rows * columns(t); i++) cg_store(e, acc[i], cg_gep(e, sums, cg_i64(e, i * vl)));
  if (g->nsum) g->sums(e, g->ctx, CG_SUMS_LOAD, sum);
  CgLoop l;
  cg_loop_begin(e, &l, cg_i64(e, 0), cg_i64(e, t->rows * t->np), 1);
  for (unsigned k = 0; k < g->nsum; k++) sum[k] = cg_loop_phi(e, &l, sum[k]);
  if (g->nsum) g->sums(e, g->ctx, CG_SUMS_GIVE, sum);
  LLVMValueRef from = cg_gep(e, sums, cg_imul(e, l.iv, cg_i64(e, width))), np = cg_i64(e, t->np);
  for (int j = 0; j < t->nv; j++) v[j] = cg_load(e, cg_gep(e, from, cg_i64(e, j * vl)), e->vl);
  CgRow row = row_of(e, t, t->np > 1 ? LLVMBuildUDiv(e->b, l.iv, np, "") : l.iv, 0, v);
  if (t->np > 1) row.place = cg_iadd(e, t->place, LLVMBuildURem(e->b, l.iv, np, ""));
  g->done(e, g->ctx, &row);
  if (g->nsum) g->sums(e, g->ctx, CG_SUMS_TAKE, sum);
  for (unsigned k = 0; k < g->nsum; k++) cg_loop_next(&l, k, sum[k]);
  cg_loop_end(e, &l);
  if (g->nsum) g->sums(e, g->ctx, CG_SUMS_STORE, sum);
}

static void finish(CgEmit *e, const Tile *t, LLVMValueRef *acc) {
  if ((t->g->roll || t->np > 1) && t->rows * t->np > 1) {
    finish_rolled(e, t, acc);
    return;
  }
  for (int64_t r = 0; r < t->rows; r++) {
    CgRow row = row_of(e, t, cg_i64(e, r), 0, acc + r * t->nv);
    t->g->done(e, t->g->ctx, &row);
  }
}

static int splits_for(const CgEmit *e, int64_t sums) {
  int limit = GEMM_TUNED(e, gemm_splits);
  return sums * 4 <= limit ? 4 : sums * 2 <= limit ? 2 : 1;
}

static void tile(CgEmit *e, Tile *t) {
  LLVMValueRef acc[GEMM_MAX_ACC * 2];
  t->splits = splits_for(e, t->rows * (t->g->in_pairs ? 2 : columns(t)));
  start_sums(e, t, acc);
  for (int i = 0; i < t->g->nterm; i++) {
    t->term = &t->g->term[i];
    t->a = cg_gep(e, t->term->a, cg_imul(e, t->row, cg_i64(e, t->term->as_i)));
    t->x = cg_gep(e, t->term->x, t->lane);
    if (t->term->xs_i) t->x = cg_gep(e, t->x, cg_imul(e, t->row, t->term->xs_i));
    if (t->g->places > 1) t->x = cg_gep(e, t->x, cg_imul(e, t->place, t->term->xs_p));
    t->depth = 0;
    add_stretches(e, t, acc);
  }
  join_splits(e, t, acc);
  finish(e, t, acc);
}

/* ---- the nest ---------------------------------------------------------------------------------------- */

typedef struct Nest {
  const CgGemm *g;
  int64_t row0, rows, place0;
  LLVMValueRef lane0, lane, place;
  int nv, np;
} Nest;

static void row_tile(CgEmit *e, void *ctx, LLVMValueRef at) {
  const Nest *n = ctx;
  Tile t = {.g = n->g, .rows = n->rows, .nv = n->nv, .np = n->np, .lane = n->lane, .place = n->place};
  t.row = cg_iadd(e, at, cg_i64(e, n->row0));
  tile(e, &t);
}

/* True if the second-level cache cannot hold the K lines that a row tile of A^T reads. */
static bool columns_collide(const CgEmit *e, const CgGemmTerm *t) {
  const CgTuning *tune = e->target->tune;
  int64_t bytes = t->as_k * e->es, line = tune->align;
  if (t->as_i != 1 || bytes <= 0 || bytes % line) return false;
  int64_t sets = tune->l2_sets;
  for (int64_t lines = bytes / line; lines % 2 == 0 && sets > 1; lines /= 2) sets /= 2;
  return t->K > sets * tune->l2_ways;
}

static int64_t tile_rows(const CgEmit *e, const Nest *n) {
  int64_t M = n->g->M, line = e->target->tune->align / e->es, most = gemm_max_rows(e, n->nv * n->np);
  if (columns_collide(e, &n->g->term[0]) && M % line == 0 && line * n->nv + n->nv < (int64_t)e->target->regs && n->np == 1)
    return line;
  return gemm_rows(M, most);
}

static void place_block(CgEmit *e, void *ctx, LLVMValueRef at) {
  Nest *n = ctx;
  int64_t M = n->g->M, rows = tile_rows(e, n), full = M / rows * rows;
  n->place = cg_iadd(e, at, cg_i64(e, n->place0));
  n->row0 = 0;
  n->rows = rows;
  gemm_each(e, full / rows, rows, row_tile, n);
  n->row0 = full;
  n->rows = M - full;
  if (n->rows) row_tile(e, n, cg_i64(e, 0));
}

/* How many places a register tile has: as many as hide the latency, where the vectors of a tile of samples alone, and their rows, are
 * too few to use each broadcast twice. */
static int64_t tile_places(const CgEmit *e, const Nest *n) {
  const int64_t places = n->g->places, least = GEMM_TUNED(e, gemm_splits);
  if (!cg_many_regs(e->target) || n->nv > 1) return 1;
  if (n->g->in_pairs) return 2;
  int64_t rows = gemm_rows(n->g->M, gemm_max_rows(e, 2)), np = (least + rows - 1) / rows;
  if (np < 2) np = 2;
  if (np > e->target->tune->gemm_places) np = e->target->tune->gemm_places;
  return gemm_rows(places, np);
}

static void lane_block(CgEmit *e, void *ctx, LLVMValueRef at) {
  Nest *n = ctx;
  n->lane = cg_iadd(e, at, n->lane0);
  n->place0 = 0, n->np = 1;
  if (n->g->places <= 1) {
    place_block(e, n, cg_i64(e, 0));
    return;
  }
  const int64_t places = n->g->places, np = tile_places(e, n), full = places / np * np;
  n->np = (int)np;
  gemm_each(e, full / np, np, place_block, n);
  n->place0 = full, n->np = (int)(places - full);
  if (n->np) place_block(e, n, cg_i64(e, 0));
}

/* Blocks of two vectors of lanes; an odd number of vectors ends in a block of three, or is one. */
void cg_gemm(CgEmit *e, const CgGemm *g) {
  int64_t vl = e->vl, vectors = g->lanes / vl;
  int last = vectors % 2 == 0 ? 0 : vectors >= 3 ? 3 : 1;
  Nest n = {.g = g, .nv = 2, .lane0 = cg_i64(e, 0)};
  gemm_each(e, (vectors - last) / 2, 2 * vl, lane_block, &n);
  n.nv = last;
  n.lane0 = cg_i64(e, (vectors - last) * vl);
  if (last) lane_block(e, &n, cg_i64(e, 0));
}
