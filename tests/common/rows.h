/* For tests of products: callbacks of cg_gemm that store a row, load one, or start it from a bias. */
#ifndef HNNC_TESTS_COMMON_ROWS_H
#define HNNC_TESTS_COMMON_ROWS_H

#include "codegen/target/target.h"

/* C[row*ld + lane], `apart` further for each place (NULL: there is one); the context of rows_store and rows_load. That of rows_bias points to a pointer to b[row]. */
typedef struct Rows {
  LLVMValueRef p, ld, apart;
} Rows;

static inline LLVMValueRef rows_place(CgEmit *e, const Rows *c, const CgRow *r, int j) {
  LLVMValueRef at = cg_iadd(e, cg_imul(e, r->row, c->ld), r->lane);
  if (c->apart) at = cg_iadd(e, at, cg_imul(e, r->place, c->apart));
  return cg_gep(e, cg_gep(e, c->p, at), cg_i64(e, j * (int64_t)e->vl));
}

static inline void rows_store(CgEmit *e, void *rows, CgRow *r) {
  for (int j = 0; j < r->n; j++) cg_store(e, r->v[j], rows_place(e, rows, r, j));
}

static inline void rows_load(CgEmit *e, void *rows, CgRow *r) {
  for (int j = 0; j < r->n; j++) r->v[j] = cg_load(e, rows_place(e, rows, r, j), e->vl);
}

static inline void rows_bias(CgEmit *e, void *pointer, CgRow *r) {
  LLVMValueRef b = cg_splat(e, cg_load(e, cg_gep(e, *(LLVMValueRef *)pointer, r->row), 1), e->vl);
  for (int j = 0; j < r->n; j++) r->v[j] = b;
}

#endif
