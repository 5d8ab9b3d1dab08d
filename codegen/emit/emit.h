/* The ground of the code generator: one LLVM function being written, and the few helpers that
 * every emitter uses. Values are explicit vectors; there is no mid-level pass behind us, so what is
 * emitted here is what runs: loops rolled, accumulators as phis, constants folded by hand.
 *
 * `lanes` in every helper is 1 (a plain scalar) or a vector length, normally e->vl. A per-sample
 * value at one element is e->nv vectors of e->vl lanes (one tile of e->tile = nv * vl samples);
 * a shared value is one scalar. */
#ifndef HNNC_CODEGEN_EMIT_EMIT_H
#define HNNC_CODEGEN_EMIT_EMIT_H

#include "codegen/codegen.h"

#include <llvm-c/Core.h>
#include <stdlib.h>

enum { CG_MAX_NV = 4 }; /* most vectors of a tile */

typedef struct CgTarget CgTarget; /* the machine: codegen/target/target.h. Nothing here looks into it */

typedef struct CgMarks CgMarks;

typedef struct CgEmit {
  Arena *mem; /* of loops */
  LLVMContextRef ctx;
  LLVMModuleRef mod;
  LLVMBuilderRef b;
  LLVMValueRef fn; /* the LLVM function being written */
  bool f64;        /* reals are double; else float */
  const CgTarget *target;
  unsigned vl;   /* lanes of one vector of reals */
  unsigned nv;   /* vectors a tile */
  unsigned tile; /* nv * vl: samples a tile; 1 in shared functions */
  unsigned es;   /* bytes of a real */
  LLVMTypeRef real, i1, i8, i32, i64, ptr, voidt;
  unsigned block_limit;      /* instructions after which cg_break_block starts a new block */
  LLVMBasicBlockRef counted; /* cg_break_block: a block, its last instruction when it was counted, their number */
  LLVMValueRef counted_last;
  unsigned ncounted;
  CgMarks *marks; /* NULL: nobody asks which instruction code is of */
} CgEmit;

/* ---- marks.c ------------------------------------------------------------------------------------ */

CgMarks *cg_marks_create(LLVMModuleRef mod, LLVMContextRef ctx, const CgNumber *number);
void cg_marks_end(CgMarks *m, LLVMModuleRef mod); /* the module is written; NULL is fine */
/* What is emitted from here on is of i; gives back what it was of, for cg_unmark. */
LLVMMetadataRef cg_mark(CgEmit *e, const Inst *i);
void cg_unmark(CgEmit *e, LLVMMetadataRef was);

/* ---- types and constants ----------------------------------------------------------------------- */

LLVMTypeRef cg_real_type(CgEmit *e, unsigned lanes);
LLVMTypeRef cg_int_type(CgEmit *e, unsigned lanes);          /* integers as wide as a real: i32 or i64 */
LLVMTypeRef cg_bool_type(CgEmit *e, unsigned lanes);         /* i1 */
LLVMValueRef cg_real(CgEmit *e, double v, unsigned lanes);   /* splat constant */
LLVMValueRef cg_bits(CgEmit *e, uint64_t v, unsigned lanes); /* splat constant of cg_int_type */
LLVMValueRef cg_i64(CgEmit *e, int64_t v);
LLVMValueRef cg_i32(CgEmit *e, int32_t v);
/* A private constant array of the module, 64-byte aligned: reals in the precision of e. */
LLVMValueRef cg_const_array(CgEmit *e, const double *v, size_t n);
LLVMValueRef cg_const_ints(CgEmit *e, const int64_t *v, size_t n); /* the same of i64 */

/* ---- values ------------------------------------------------------------------------------------- */

LLVMValueRef cg_splat(CgEmit *e, LLVMValueRef scalar, unsigned lanes); /* any scalar type; lanes 1: itself */
/* An overloaded intrinsic on `ntypes` types: cg_intrinsic(e, "llvm.fabs", &ty, 1, args, 1). */
LLVMValueRef cg_intrinsic(CgEmit *e, const char *name, LLVMTypeRef *types, unsigned ntypes, LLVMValueRef *args, unsigned nargs);
LLVMValueRef cg_shuffle(CgEmit *e, LLVMValueRef a, LLVMValueRef b, const int *mask, unsigned n);
LLVMValueRef cg_sum_lanes(CgEmit *e, LLVMValueRef v, unsigned lanes); /* horizontal sum, fixed order */

/* i64 arithmetic that folds constants and skips +0, *1. */
LLVMValueRef cg_iadd(CgEmit *e, LLVMValueRef a, LLVMValueRef b);
LLVMValueRef cg_imul(CgEmit *e, LLVMValueRef a, LLVMValueRef b);
bool cg_is_int(LLVMValueRef v, int64_t *out); /* an i64 constant */

/* ---- memory -------------------------------------------------------------------------------------- */

LLVMValueRef cg_gep(CgEmit *e, LLVMValueRef p, LLVMValueRef reals); /* p + reals * es */
LLVMValueRef cg_gep_bytes(CgEmit *e, LLVMValueRef p, LLVMValueRef bytes);
LLVMValueRef cg_load(CgEmit *e, LLVMValueRef p, unsigned lanes); /* reals; aligned to one real only */
LLVMValueRef cg_store(CgEmit *e, LLVMValueRef v, LLVMValueRef p);
/* The first n of `lanes` reals; memory beyond them is not touched, lanes beyond them are 0. */
LLVMValueRef cg_load_part(CgEmit *e, LLVMValueRef p, unsigned lanes, unsigned n);
void cg_store_part(CgEmit *e, LLVMValueRef v, LLVMValueRef p, unsigned lanes, unsigned n);
LLVMValueRef cg_load_bool_part(CgEmit *e, LLVMValueRef p, unsigned lanes, unsigned n);
void cg_store_bool_part(CgEmit *e, LLVMValueRef v, LLVMValueRef p, unsigned lanes, unsigned n);
LLVMValueRef cg_load_bool(CgEmit *e, LLVMValueRef p, unsigned lanes); /* bytes -> i1 */
void cg_store_bool(CgEmit *e, LLVMValueRef v, LLVMValueRef p, unsigned lanes);
LLVMValueRef cg_alloca(CgEmit *e, int64_t bytes); /* in the entry block, 64-byte aligned */

/* ---- control --------------------------------------------------------------------------------------- */

/* for (iv = lo; iv < hi; iv += step), at least one turn must be certain; or none, if `enter` of cg_loop_begin_if does not
 * hold. Values carried around the loop: cg_loop_phi between begin and end, cg_loop_next before the end. */
typedef struct CgLoop {
  LLVMValueRef iv;
  LLVMValueRef lo, hi, step;
  LLVMBasicBlockRef pre, body, after;
  LLVMValueRef enter;              /* i1 or NULL: no turn unless it holds */
  LLVMValueRef *phi, *next, *init; /* as many as there are, until cg_emit_finish */
  unsigned nphi, room;
  LLVMValueRef stop; /* i1 or NULL: leave after this turn */
} CgLoop;

void cg_loop_begin(CgEmit *e, CgLoop *l, LLVMValueRef lo, LLVMValueRef hi, int64_t step);
void cg_loop_begin_if(CgEmit *e, CgLoop *l, LLVMValueRef enter, LLVMValueRef lo, LLVMValueRef hi, int64_t step);
LLVMValueRef cg_loop_phi(CgEmit *e, CgLoop *l, LLVMValueRef init); /* number = order of calls */
void cg_loop_next(CgLoop *l, unsigned number, LLVMValueRef v);
void cg_loop_end(CgEmit *e, CgLoop *l); /* leaves the builder after the loop; next[k] are the final values */

LLVMBasicBlockRef cg_block(CgEmit *e, const char *name); /* appended to e->fn */
void cg_break_block(CgEmit *e);                          /* a new block if the current one has grown past the limit */
void cg_erase(CgEmit *e, LLVMValueRef inst);             /* of this function; cg_break_block may hold it */

#endif
