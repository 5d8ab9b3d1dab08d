/* The block triangular form of a square pattern up to permutations of its rows and columns: a maximum transversal gives
 * each row a column of its own, and rows that reach each other by way of those columns are a block.
 *
 *   I. S. Duff, On algorithms for obtaining a maximum transversal, ACM Trans. Math. Software 7 (1981): depth first, with a
 *   cheap assignment before.
 *   R. Tarjan, Depth-first search and linear graph algorithms, SIAM J. Comput. 1 (1972): the strong components.
 *   I. S. Duff, A. M. Erisman, J. K. Reid, Direct Methods for Sparse Matrices (1986), chapter 6. */
#include "passes/sparsity/sparsity.h"

#include <stdlib.h>
#include <string.h>

enum { NOBODY = UINT32_MAX };

/* ---- the transversal -------------------------------------------------------------------------------------------- */

typedef struct Match {
  const Pattern *p;
  uint32_t *column, *row; /* of each row its column, of each column its row; NOBODY */
  uint32_t *stamp;        /* by column: the search that has seen it, + 1 */
  uint32_t *path, *next;  /* rows of the search at hand; by row: where in its columns it is */
} Match;

static void pair(Match *m, uint32_t i, uint32_t j) {
  m->column[i] = j;
  m->row[j] = i;
}

/* The diagonal, then any column that nobody has. */
static void cheap(Match *m) {
  for (uint32_t i = 0; i < m->p->rows; i++)
    if (pattern_has(m->p, i, i)) pair(m, i, i);
  for (uint32_t i = 0; i < m->p->rows; i++)
    for (uint32_t k = m->p->start[i]; m->column[i] == NOBODY && k < m->p->start[i + 1]; k++)
      if (m->row[m->p->col[k]] == NOBODY) pair(m, i, m->p->col[k]);
}

/* Gives row `i` a column, others of the path another one. False: there is none; the path's rows share too few. */
static bool augment(Match *m, uint32_t i) {
  const Pattern *p = m->p;
  uint32_t depth = 1;
  m->path[0] = i;
  m->next[i] = p->start[i];
  while (depth) {
    const uint32_t at = m->path[depth - 1];
    if (m->next[at] == p->start[at + 1]) {
      depth--;
      continue;
    }
    const uint32_t j = p->col[m->next[at]++], owner = m->row[j];
    if (m->stamp[j] == i + 1) continue;
    m->stamp[j] = i + 1;
    if (owner != NOBODY) {
      m->path[depth++] = owner;
      m->next[owner] = p->start[owner];
      continue;
    }
    for (uint32_t k = 0; k < depth; k++) pair(m, m->path[k], p->col[m->next[m->path[k]] - 1]);
    return true;
  }
  return false;
}

/* The rows that a search from row i meets, and their columns, which are one less. */
static void stuck(const Match *m, uint32_t i, Blocks *out) {
  bool *seen = base_zeroed((size_t)m->p->cols + 1, sizeof *seen);
  out->row[out->nstuck++] = i;
  for (uint32_t k = 0; k < out->nstuck; k++) {
    const uint32_t at = out->row[k];
    for (uint32_t c = m->p->start[at]; c < m->p->start[at + 1]; c++) {
      const uint32_t j = m->p->col[c];
      if (seen[j]) continue;
      seen[j] = true;
      out->col[out->nstuck - 1] = j;
      out->row[out->nstuck++] = m->row[j];
    }
  }
  base_free(seen);
}

static int ascending(const void *a, const void *b) {
  const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
  return (x > y) - (x < y);
}

static bool transversal(const Pattern *p, uint32_t *column, Blocks *out) {
  const size_t n = (size_t)p->rows + 1;
  uint32_t *mem = base_zeroed(4 * n, sizeof *mem);
  Match m = {p, column, mem, mem + n, mem + 2 * n, mem + 3 * n};
  for (uint32_t i = 0; i < p->rows; i++) m.column[i] = m.row[i] = NOBODY;
  cheap(&m);
  bool all = true;
  for (uint32_t i = 0; i < p->rows && all; i++) {
    if (m.column[i] != NOBODY) continue;
    all = augment(&m, i);
    if (all) continue;
    stuck(&m, i, out);
    qsort(out->row, out->nstuck, sizeof *out->row, ascending);
    qsort(out->col, out->nstuck - 1, sizeof *out->col, ascending);
  }
  base_free(mem);
  return all;
}

/* ---- the strong components ------------------------------------------------------------------------------------------ */

typedef struct Visit {
  const Pattern *p;
  const uint32_t *owner;  /* the row of a column */
  uint32_t *number, *low; /* by row; number 0: not seen yet */
  uint32_t *next;         /* by row: where in its columns it is */
  uint32_t *open, nopen;  /* rows that have no block yet */
  uint32_t *path;
  bool *closed;
  uint32_t count;
} Visit;

static void enter(Visit *v, uint32_t i) {
  v->number[i] = v->low[i] = ++v->count;
  v->next[i] = v->p->start[i];
  v->open[v->nopen++] = i;
}

static void close_block(Visit *v, uint32_t root, Blocks *out, const uint32_t *column) {
  uint32_t to = out->start[out->n], i;
  do {
    i = v->open[--v->nopen];
    v->closed[i] = true;
    out->row[to] = i;
    out->col[to++] = column[i];
  } while (i != root);
  out->start[++out->n] = to;
}

static void component(Visit *v, uint32_t root, Blocks *out, const uint32_t *column) {
  uint32_t depth = 1;
  v->path[0] = root;
  enter(v, root);
  while (depth) {
    const uint32_t i = v->path[depth - 1];
    if (v->next[i] < v->p->start[i + 1]) {
      const uint32_t to = v->owner[v->p->col[v->next[i]++]];
      if (!v->number[to]) v->path[depth++] = to, enter(v, to);
      else if (!v->closed[to] && v->number[to] < v->low[i]) v->low[i] = v->number[to];
      continue;
    }
    if (v->low[i] == v->number[i]) close_block(v, i, out, column);
    if (--depth && v->low[i] < v->low[v->path[depth - 1]]) v->low[v->path[depth - 1]] = v->low[i];
  }
}

bool sparsity_blocks(const Pattern *p, Blocks *out) {
  const size_t n = (size_t)p->rows + 1;
  *out = (Blocks){0};
  out->start = base_zeroed(n, sizeof *out->start);
  out->row = base_zeroed(n, sizeof *out->row);
  out->col = base_zeroed(n, sizeof *out->col);
  uint32_t *column = base_zeroed(n, sizeof *column);
  const bool whole = transversal(p, column, out);
  if (whole) {
    uint32_t *mem = base_zeroed(6 * n, sizeof *mem), *owner = mem + 5 * n;
    Visit v = {p, owner, mem, mem + n, mem + 2 * n, mem + 3 * n, 0, mem + 4 * n, base_zeroed(n, sizeof *v.closed), 0};
    for (uint32_t i = 0; i < p->rows; i++) owner[column[i]] = i;
    for (uint32_t i = 0; i < p->rows; i++)
      if (!v.number[i]) component(&v, i, out, column);
    base_free(v.closed);
    base_free(mem);
  }
  base_free(column);
  return whole;
}

void sparsity_blocks_finish(Blocks *b) {
  base_free(b->start);
  base_free(b->row);
  base_free(b->col);
  *b = (Blocks){0};
}

void sparsity_blocks_elements(const Blocks *b, const Pattern *p, Pattern *out) {
  uint32_t *row = base_zeroed((size_t)p->rows + 1, sizeof *row), *col = base_zeroed((size_t)p->rows + 1, sizeof *col), n = 0;
  for (uint32_t k = 0; k < b->n; k++)
    for (uint32_t r = b->start[k]; r < b->start[k + 1]; r++) row[b->row[r]] = col[b->col[r]] = k;
  pattern_init(out, p->rows, p->cols, pattern_count(p));
  for (uint32_t i = 0; i < p->rows; i++) {
    for (uint32_t k = p->start[i]; k < p->start[i + 1]; k++)
      if (col[p->col[k]] == row[i]) out->col[n++] = p->col[k];
    out->start[i + 1] = n;
  }
  base_free(row);
  base_free(col);
}
