/* `=` below `=`: neighbouring lines that begin statements of one block, and had theirs in one column with blanks to spare. */
#include "frontend/format/format_priv.h"

typedef struct Line {
  int32_t equal;  /* the piece; NOWHERE: none */
  uint32_t begin; /* its first piece */
  uint32_t width; /* of what stands before the blank of `=` */
} Line;

static Line line_at(const Pieces *p, uint32_t i) {
  Line l = {.equal = NOWHERE, .begin = i};
  if (!p->at[i].first) return l;
  for (uint32_t k = i; k < p->n && (k == i || !p->at[k].lines); k++) {
    const Piece *x = &p->at[k];
    if (piece_is(x, '=') && x->in == p->at[i].in) return l.equal = (int32_t)k, l;
    l.width += x->width + (k > i ? x->blank + x->pad : 0);
  }
  return l;
}

static uint32_t next_line(const Pieces *p, uint32_t i) {
  for (i++; i < p->n && !p->at[i].lines; i++) {}
  return i;
}

static bool linked(const Pieces *p, const Line *a, const Line *b) {
  if (a->equal == NOWHERE || b->equal == NOWHERE || p->at[b->begin].lines != 1) return false;
  const Piece *x = &p->at[a->equal], *y = &p->at[b->equal];
  return x->in == y->in && x->column == y->column && (x->gap > 1 || y->gap > 1);
}

static void align(Pieces *p, const Line *l, uint32_t n) {
  uint32_t most = 0;
  for (uint32_t k = 0; k < n; k++)
    if (l[k].width > most) most = l[k].width;
  for (uint32_t k = 0; k < n; k++) p->at[l[k].equal].pad = most - l[k].width;
}

void format_align(Pieces *p) {
  VEC(Line) lines = {0};
  for (uint32_t i = 0; i < p->n; i = next_line(p, i)) *vec_push(&lines) = line_at(p, i);
  for (uint32_t k = 0, n; k < lines.n; k += n) {
    for (n = 1; k + n < lines.n && linked(p, &lines.at[k + n - 1], &lines.at[k + n]); n++) {}
    if (n > 1) align(p, &lines.at[k], n);
  }
  vec_free(&lines);
}
