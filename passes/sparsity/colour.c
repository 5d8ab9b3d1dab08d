/* Greedy colourings, which follow
 *
 *   A. R. Curtis, M. J. D. Powell, J. K. Reid, On the estimation of sparse Jacobian matrices, J. Inst. Math. Appl. 13
 *   (1974): columns that share no row are estimated by one difference.
 *   T. F. Coleman, J. J. Moré, Estimation of sparse Jacobian matrices and graph coloring problems, SIAM J. Numer.
 *   Anal. 20 (1983); Estimation of sparse Hessian matrices and graph coloring problems, Math. Program. 28 (1984):
 *   it is a colouring of the columns' intersection graph; for symmetric matrices path ("star") colourings do.
 *   A. H. Gebremedhin, F. Manne, A. Pothen, What color is your Jacobian?, SIAM Review 47 (2005), section 3 (distance-2
 *   colouring without the intersection graph), section 4 (symmetric matrices), section 7 (orderings).
 *   A. H. Gebremedhin, A. Tarafdar, F. Manne, A. Pothen, New acyclic and star coloring algorithms with application to
 *   computing Hessians, SIAM J. Sci. Comput. 29 (2007): star colouring looks at paths of four that are complete.
 *
 * Two orders are tried, as written and largest degree first, and the better one is kept: the first is best for bands,
 * the second for arrows. */
#include "passes/sparsity/sparsity.h"

#include <stdlib.h>
#include <string.h>

typedef struct Greedy {
  const Pattern *p, *t;   /* the pattern and its transpose, the same where it is symmetric */
  uint32_t *of, *banned;  /* by column; by colour: the column that may not have it, + 1 */
  uint32_t *once, *twice; /* by colour: the column that has a neighbour of it, two, + 1 */
  uint32_t *size;         /* by colour: columns */
  uint32_t n, most;
  int64_t work;
} Greedy;

enum { WORK = 1 << 22 }; /* steps of one order; beyond, a colouring counts as not found */

static void ban(Greedy *g, uint32_t column, uint32_t other) {
  g->work++;
  if (g->of[other] != COLOUR_NONE) g->banned[g->of[other]] = column + 1;
}

/* ---- what each colouring forbids ---- */

/* Columns that share a row. */
static void ban_sharing(Greedy *g, uint32_t j) {
  for (uint32_t a = g->t->start[j]; a < g->t->start[j + 1]; a++) {
    uint32_t i = g->t->col[a];
    for (uint32_t b = g->p->start[i]; b < g->p->start[i + 1]; b++)
      if (g->p->col[b] != j) ban(g, j, g->p->col[b]);
  }
}

static void ban_neighbours(Greedy *g, uint32_t j) {
  for (uint32_t b = g->p->start[j]; b < g->p->start[j + 1]; b++)
    if (g->p->col[b] != j) ban(g, j, g->p->col[b]);
}

/* Has x a neighbour of the colour of w beside w? */
static bool other_neighbour(Greedy *g, uint32_t x, uint32_t w) {
  for (uint32_t a = g->p->start[x]; a < g->p->start[x + 1]; a++, g->work++) {
    uint32_t y = g->p->col[a];
    if (y != w && y != x && g->of[y] == g->of[w]) return true;
  }
  return false;
}

/* Colours of neighbours: `once` of one, `twice` of several. */
static void count_neighbours(Greedy *g, uint32_t j) {
  for (uint32_t a = g->p->start[j]; a < g->p->start[j + 1]; a++) {
    uint32_t c = g->of[g->p->col[a]];
    if (g->p->col[a] == j || c == COLOUR_NONE) continue;
    if (g->once[c] == j + 1) g->twice[c] = j + 1;
    g->once[c] = j + 1;
  }
}

/* Paths j w x y with j at their end, and w' j w x with j inside, whose other three have two colours. */
static void ban_stars(Greedy *g, uint32_t j) {
  ban_neighbours(g, j);
  count_neighbours(g, j);
  for (uint32_t a = g->p->start[j]; a < g->p->start[j + 1]; a++) {
    uint32_t w = g->p->col[a];
    if (w == j || g->of[w] == COLOUR_NONE || g->size[g->of[w]] == 1) continue; /* alone: no path has it twice */
    bool inside = g->twice[g->of[w]] == j + 1;
    for (uint32_t b = g->p->start[w]; b < g->p->start[w + 1]; b++) {
      uint32_t x = g->p->col[b];
      g->work++;
      if (x == j || x == w || g->of[x] == COLOUR_NONE || g->banned[g->of[x]] == j + 1) continue;
      if (inside || other_neighbour(g, x, w)) ban(g, j, x);
    }
  }
}

/* ---- one pass over the columns ---- */

typedef void Ban(Greedy *g, uint32_t column);

static bool run(Greedy *g, const uint32_t *order, const bool *skip, Ban *forbid) {
  for (uint32_t k = 0; k < g->p->cols; k++) g->of[k] = COLOUR_NONE;
  for (uint32_t k = 0; k <= g->most; k++) g->banned[k] = g->once[k] = g->twice[k] = g->size[k] = 0;
  g->n = 0;
  for (uint32_t k = 0; k < g->p->cols; k++) {
    uint32_t j = order[k], c = 0;
    if (skip[j]) continue;
    forbid(g, j);
    if (g->work > WORK) return false;
    while (c < g->n && g->banned[c] == j + 1) c++;
    if (c == g->most) return false;
    g->of[j] = c;
    g->size[c]++;
    if (c == g->n) g->n++;
  }
  return true;
}

/* Columns by falling degree, equal ones as they stand. */
static void by_degree(const Pattern *t, uint32_t *order) {
  uint32_t n = t->rows, *first = base_zeroed((size_t)t->cols + 2, sizeof *first);
  for (uint32_t j = 0; j < n; j++) first[t->cols - pattern_row(t, j) + 1]++;
  for (uint32_t d = 0; d <= t->cols; d++) first[d + 1] += first[d];
  for (uint32_t j = 0; j < n; j++) order[first[t->cols - pattern_row(t, j)]++] = j;
  base_free(first);
}

static bool best(const Pattern *p, const Pattern *t, const bool *skip, uint32_t least, uint32_t most, Ban *forbid, Colouring *out) {
  Greedy g = {.p = p, .t = t, .most = most};
  size_t n = (size_t)p->cols + 1;
  uint32_t *order = base_realloc(NULL, sizeof *order * n);
  *out = (Colouring){0};
  g.of = base_realloc(NULL, sizeof *g.of * n);
  g.banned = base_realloc(NULL, sizeof *g.banned * 4 * ((size_t)most + 1));
  g.once = g.banned + most + 1;
  g.twice = g.once + most + 1;
  g.size = g.twice + most + 1;
  for (int way = 0; way < 2 && least <= g.most; way++) {
    if (way) by_degree(t, order);
    for (uint32_t j = 0; j < p->cols && !way; j++) order[j] = j;
    g.work = 0;
    if (!run(&g, order, skip, forbid)) continue;
    if (!out->of) out->of = base_realloc(NULL, sizeof *out->of * n);
    memcpy(out->of, g.of, sizeof *g.of * p->cols);
    out->n = g.n;
    if (g.n <= least) break;
    g.most = g.n - 1;
  }
  base_free(order);
  base_free(g.of);
  base_free(g.banned);
  return out->of != NULL;
}

/* ---- elements that stand beside each other ---- */

static int ascending(const void *a, const void *b) {
  uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
  return (x > y) - (x < y);
}

/* ---- all ---- */

bool colour_columns(const Pattern *p, uint32_t most, Colouring *out) {
  Pattern t;
  uint32_t least = 0;
  *out = (Colouring){0};
  for (uint32_t i = 0; i < p->rows; i++)
    if (pattern_row(p, i) > least) least = pattern_row(p, i);
  if (least > most) return false;
  bool *skip = base_zeroed((size_t)p->cols + 1, sizeof *skip);
  pattern_transpose(p, &t);
  for (uint32_t j = 0; j < p->cols; j++) skip[j] = !pattern_row(&t, j);
  bool found = best(p, &t, skip, least, most, ban_sharing, out);
  pattern_finish(&t);
  base_free(skip);
  return found;
}

bool colour_star(const Pattern *p, uint32_t most, Colouring *out) {
  bool *skip = base_zeroed((size_t)p->cols + 1, sizeof *skip);
  for (uint32_t j = 0; j < p->cols; j++) skip[j] = !pattern_row(p, j);
  bool found = best(p, p, skip, 1, most, ban_stars, out);
  base_free(skip);
  return found;
}

/* Columns j, k: one of them has a needed element in a row where the other one has any. */
static void conflicts(const Pattern *p, const Pattern *needed, Pattern *out) {
  Pattern one = {.rows = p->cols, .cols = p->cols};
  VEC(uint32_t) pairs = {0};
  uint32_t *last = base_zeroed((size_t)p->cols + 1, sizeof *last); /* by column: the last one that it stands beside, + 1 */
  Pattern rows;
  pattern_transpose(needed, &rows);
  one.start = base_zeroed((size_t)p->cols + 1, sizeof *one.start);
  for (uint32_t j = 0; j < p->cols; j++) {
    for (uint32_t a = rows.start[j]; a < rows.start[j + 1]; a++)
      for (uint32_t k = p->start[rows.col[a]]; k < p->start[rows.col[a] + 1]; k++)
        if (p->col[k] != j && last[p->col[k]] != j + 1) {
          last[p->col[k]] = j + 1;
          *vec_push(&pairs) = p->col[k];
        }
    one.start[j + 1] = pairs.n;
    if (pairs.n > one.start[j]) qsort(pairs.at + one.start[j], pairs.n - one.start[j], sizeof *pairs.at, ascending);
  }
  one.col = pairs.at;
  pattern_symmetric(&one, out);
  base_free(one.start);
  vec_free(&pairs);
  pattern_finish(&rows);
  base_free(last);
}

bool colour_elements(const Pattern *p, const Pattern *needed, uint32_t most, Colouring *out) {
  Pattern beside, rows;
  bool *skip = base_zeroed((size_t)p->cols + 1, sizeof *skip);
  pattern_transpose(needed, &rows);
  conflicts(p, needed, &beside);
  for (uint32_t j = 0; j < p->cols; j++) skip[j] = !pattern_row(&rows, j);
  bool found = best(&beside, &beside, skip, 1, most, ban_neighbours, out);
  pattern_finish(&beside);
  pattern_finish(&rows);
  base_free(skip);
  return found;
}

void colour_finish(Colouring *c) {
  base_free(c->of);
  *c = (Colouring){0};
}
