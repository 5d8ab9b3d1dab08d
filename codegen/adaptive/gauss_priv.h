/* Between gauss.c and gauss_end.c: one sample whose stages are lanes. Arrays of numbers are rows of one real; those of stages have
 * `w` reals for each number (PlanOde). */
#ifndef HNNC_CODEGEN_ADAPTIVE_GAUSS_PRIV_H
#define HNNC_CODEGEN_ADAPTIVE_GAUSS_PRIV_H

#include "codegen/adaptive/adaptive_priv.h"

typedef struct Gauss {
  Loop l;
  unsigned w;     /* lanes: stages, again from 8 on */
  bool fixed;     /* steps of one length */
  int64_t q;      /* numbers of q where the rates are of second order; 0 */
  V staged, poly; /* arrays of stages; 8 vectors of the polynomials at the stages ahead */
} Gauss;

static inline V gauss_row(Gauss *s, int array, V d) {
  CgEmit *e = s->l.e;
  V at = cg_gep_bytes(e, s->staged, cg_i64(e, array * s->l.o->staged_stride));
  return cg_gep(e, at, cg_imul(e, d, cg_i64(e, s->w)));
}
/* The rates that the iteration is about, of a number that has stages: second ones stand behind all first ones. */
static inline V gauss_iterated(Gauss *s, V d) {
  return gauss_row(s, GAUSS_G, s->q ? cg_iadd(s->l.e, d, cg_i64(s->l.e, s->l.o->dim)) : d);
}
static inline V gauss_number(Gauss *s, int array, V d) { return cg_gep(s->l.e, row_at(&s->l, s->l.array, array), d); }

/* Row k of vectors, for lane i the number at [i % 8] of column or row. */
static inline V gauss_constants(Gauss *s, const double *v, size_t apart) {
  V lane[64];
  for (unsigned i = 0; i < s->w; i++) lane[i] = LLVMConstReal(s->l.e->real, v[i % GAUSS_STAGES * apart]);
  return LLVMConstVector(lane, s->w);
}

/* sum over j of w[j] times number j of a row, in two halves: half of the latency. */
static inline V gauss_product(Gauss *s, const V *w, V numbers) {
  CgEmit *e = s->l.e;
  V sum[2] = {NULL, NULL};
  for (int j = 0; j < GAUSS_STAGES; j++) {
    V x = cg_splat(e, cg_load(e, cg_gep(e, numbers, cg_i64(e, j)), 1), s->w), *to = &sum[j % 2];
    *to = *to ? cg_fma(e, w[j], x, *to) : LLVMBuildFMul(e->b, w[j], x, "");
  }
  return LLVMBuildFAdd(e->b, sum[0], sum[1], "");
}

typedef void (*NumberFn)(Gauss *s, V d, CgLoop *loop, void *ctx);
static inline void gauss_numbers(Gauss *s, int64_t from, int64_t to, NumberFn body, unsigned sums, V *sum, void *ctx) {
  CgLoop *loop = base_realloc(NULL, sizeof *loop);
  cg_loop_begin(s->l.e, loop, cg_i64(s->l.e, from), cg_i64(s->l.e, to), 1);
  for (unsigned k = 0; k < sums; k++) cg_loop_phi(s->l.e, loop, sum[k]);
  body(s, loop->iv, loop, ctx);
  cg_loop_end(s->l.e, loop);
  for (unsigned k = 0; k < sums; k++) sum[k] = loop->next[k];
  base_free(loop);
}
static inline int64_t gauss_staged(const Gauss *s) { return s->q ? s->q : s->l.o->dim; } /* numbers that have stages */

/* ---- gauss_end.c ---- */

void gen_gauss_inverse(Gauss *s); /* of the sizes that stages move against, to ODE_WORK */
/* The state at the end of the step; the largest last coefficient of a rate against it. *lost: NaN, if that state is not finite. */
V gen_gauss_end(Gauss *s, V *lost);
void gen_gauss_accept(Gauss *s); /* that state is the state; the polynomials of its step */

#endif
