/* Pieces of a tile. LLVM's time grows faster than a function, and it keeps in registers, or spills, what it moves out of the loop over
 * the tiles. So a long tile is cut into functions (gen_piece.c): groups in order, about tune->piece in each. */
#include "codegen/plan/plan_priv.h"

#include <string.h>

static uint32_t own_weight(const CgTuning *t, const Group *g) {
  if ((g->kind == G_GEMM && !g->gemv) || g->kind == G_DW) return t->piece_product;
  return 1 + g->member.n / t->piece_members * (g->kind == G_TINY);
}

static uint32_t weight(const CgTuning *t, const Group *g) {
  uint32_t n = own_weight(t, g);
  for (uint32_t k = 1; g->body && k < g->body->group.n; k++) n += weight(t, g->body->group.at[k]);
  return n;
}

uint32_t plan_piece(const Plan *p, uint32_t t) {
  uint32_t lo = 0, hi = p->ncut;
  while (lo < hi) {
    uint32_t mid = (lo + hi) / 2;
    if (p->cut[mid] <= t) lo = mid + 1;
    else hi = mid;
  }
  return lo;
}

/* Groups of a piece, with those of bodies. */
typedef struct Flat {
  VEC(const Group *) group;
} Flat;

static void flatten(Flat *to, const Group *g) {
  *vec_push(&to->group) = g;
  for (uint32_t k = 1; g->body && k < g->body->group.n; k++) flatten(to, g->body->group.at[k]);
}

/* Probably written once, as a function (gen_outline.c). */
static bool alike(const Group *a, const Group *b) {
  return a->kind == b->kind && a->rank == b->rank && a->member.n == b->member.n && a->root.n == b->root.n &&
         !memcmp(a->dim, b->dim, sizeof *a->dim * a->rank);
}

uint32_t plan_piece_weight(const Plan *p, uint32_t piece) {
  Flat all = {0};
  uint32_t n = 0;
  for (uint32_t k = 1; k < p->group.n; k++)
    if (p->group.at[k]->section == SEC_TILE && plan_piece(p, p->group.at[k]->t0) == piece) flatten(&all, p->group.at[k]);
  for (uint32_t k = 0; k < all.group.n; k++) {
    bool again = false;
    for (uint32_t e = 0; e < k; e++) again |= alike(all.group.at[e], all.group.at[k]);
    n += again ? 1 : own_weight(p->tune, all.group.at[k]);
  }
  vec_free(&all.group);
  return n;
}

void plan_cut(Plan *p) {
  uint32_t all = 0, n = 0, end = 0;
  for (uint32_t k = 1; k < p->group.n; k++)
    if (p->group.at[k]->section == SEC_TILE) all += weight(p->tune, p->group.at[k]);
  if (all < p->tune->pieces_from) return;
  p->cut = ARENA_ARRAY(p->mem, uint32_t, p->group.n + 1);
  for (uint32_t k = 1; k < p->group.n; k++) {
    const Group *g = p->group.at[k];
    if (g->section != SEC_TILE) continue;
    if (!p->ncut || n + weight(p->tune, g) > p->tune->piece) p->cut[p->ncut++] = g->t0, n = 0;
    n += weight(p->tune, g);
    end = g->t1;
  }
  p->cut[p->ncut++] = end + 1;
}
