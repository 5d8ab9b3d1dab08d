/* The machine that code is made for, and everything that depends on which one it is.
 *
 * The planner and the emitters know a machine by what stands here. What a second target (a GPU, say) would have to give:
 *
 *   - CgTarget: how long a vector of lanes is, how many registers there are, and a table of constants (tuning.def). Lanes are
 *     the samples of a tile, or the elements of one sample; where threads take the place of vectors, a vector is the threads
 *     that run together, and CgEmit's values are those of one thread.
 *   - CgInstructions: what its instructions do beyond LLVM's arithmetic. All may be NULL but `hidden`.
 *   - CgKernels, in three parts.
 *     Products: one matrix times a tile (gemm), times a vector of one sample (gemv), the sum over a tile of products of two
 *     per-sample values (dw), the same of one sample (outer). The planner decides by shapes which of them a dot is; gemm hands
 *     rows to a callback that computes what follows, so that the epilogue is fused on any target. Summation order may depend on
 *     shapes and the target alone, so that a run can be repeated.
 *     Sums over tiles: accumulators in scratch, which are zeroed before the first tile of a call, added to by each tile, and
 *     reduced after the last. How many partial sums one has is the target's (`sum_bytes`): one for each lane here.
 *     Memory: how long arrays in scratch are made (`array_bytes`); loads and stores of vectors, whole or in part; fills and copies.
 *   - CgMachine: LLVM's objects, from a name to bytes of code; how such bytes are loaded. The calling convention is ir/abi.h.
 *
 * Nothing here knows the graph IR, plans, or how the kernels are written. */
#ifndef HNNC_CODEGEN_TARGET_TARGET_H
#define HNNC_CODEGEN_TARGET_TARGET_H

#include "codegen/codegen.h"
#include "codegen/emit/emit.h"

#include <llvm-c/Target.h>
#include <llvm-c/TargetMachine.h>

/* ---- tuning ------------------------------------------------------------------------------------------ */

#define TUNE(name, type, value, unit, reason) type name;
typedef struct CgTuning {
#include "codegen/target/tuning.def"
} CgTuning;
extern const CgTuning cg_vector_tuning;

/* ---- instructions ------------------------------------------------------------------------------------ */

typedef struct CgInstructions {
  /* Inline assembly of this constraint, with no text, gives back what it is given, in a register of vectors. */
  const char *hidden;
  /* Lanes first ... of the vectors a and b, of n reals each, side by side. NULL, or for lengths that it does not take: a shuffle. */
  LLVMValueRef (*align)(CgEmit *e, LLVMValueRef a, LLVMValueRef b, unsigned first, unsigned n);
  /* Whether a vector of n reals can be given to the next three. NULL: none can. */
  bool (*estimates)(const CgEmit *e, unsigned n);
  LLVMValueRef (*rsqrt)(CgEmit *e, LLVMValueRef x); /* 1/sqrt(x) to 14 bits, exact in its special values */
  LLVMValueRef (*smaller)(CgEmit *e, LLVMValueRef x,
                          LLVMValueRef most); /* x where |x| < |most|, else most, with x's sign; a NaN: most */
  LLVMValueRef (*scale)(CgEmit *e, LLVMValueRef x, LLVMValueRef k); /* x 2^k for an integral real k, rounded once */
} CgInstructions;

/* ---- products ---------------------------------------------------------------------------------------- */

/* Matrix products over a tile of samples, emitted inline at the builder's position as rolled loops
 * around register tiles. Everything here works on the CgEmit's real type and its VL lanes; pointers are
 * LLVM pointers to reals, strides count reals. Sizes are known when the code is emitted; a stride that is
 * an LLVMValueRef is an i64 and may be a run-time value. No pointer needs more than the alignment of
 * a real. The emitters leave the builder at the end of a new block (take LLVMGetInsertBlock after them)
 * and may add allocas to the function's entry block.
 *
 * Layout of lane data: [row][ld], lanes contiguous. `lanes` (a multiple of VL) is the tile T, or T times
 * the size of trailing axes that are shared by the weights: W[i,k] X[k,n,lane] has lanes = n*T. */

/* ---- C[i][l] = init + sum over terms t, k of A_t[i][k] * X_t[k][l] ------------------------------- */

/* A loop around the sum over k: X and A of its turn i are x + i*x, a + i*a. */
typedef struct CgGemmLoop {
  int64_t n, a;
  LLVMValueRef x;
} CgGemmLoop;

typedef struct CgGemmTerm {
  int64_t K;

  LLVMValueRef a; /* shared; A(i,k) = a[i*as_i + k*as_k]; A^T is a swap of the strides */
  int64_t as_i, as_k;
  LLVMValueRef x, ldx;    /* X(k,l) = x[k*ldx + l] */
  LLVMValueRef xs_i;      /* X(k,l) of row i is i*xs_i further; NULL: the same for all rows */
  LLVMValueRef xs_p;      /* and that of place p p*xs_p; read where there are places */
  const CgGemmLoop *loop; /* around the sum over k, from the outermost */
  int nloop;
} CgGemmTerm;

/* What a callback sees of one row at one place: n consecutive vectors of VL lanes, the first lane being `lane`.
 * v[j] holds lanes [lane + j*VL, lane + (j+1)*VL) of row `row`. row, place and lane are i64 values. */
typedef struct CgRow {
  LLVMValueRef row, place, lane;
  int n;
  LLVMValueRef *v;
} CgRow;

/* Sums that `done` adds to, in registers while it is rolled: loaded to v before the loop, those of a turn given to `done` and taken back behind
 * it, stored behind the loop. */
typedef enum { CG_SUMS_COUNT, CG_SUMS_LOAD, CG_SUMS_GIVE, CG_SUMS_TAKE, CG_SUMS_STORE } CgSums;

typedef struct CgGemm {
  int64_t M, lanes, places; /* places: as many products with the same A, whose X are xs_p apart; 0: one */
  bool in_pairs;            /* tiles of one vector, two of which may be done at once: their sums are split alike, alone or not */
  const CgGemmTerm *term;
  int nterm;
  /* Fills r->v with the starting values; NULL: zeros. */
  void (*init)(CgEmit *e, void *ctx, CgRow *r);
  /* Consumes r->v (stores them, after whatever is fused). Called in straight-line code, may emit loops.
   * Rows of one register tile come in increasing order, and so do places; every (row, place, lane) comes exactly once at run time. */
  void (*done)(CgEmit *e, void *ctx, CgRow *r);
  void *ctx;
  /* true: `done` is emitted once per register-tile shape, in a loop over the tile's rows that reads the
   * sums from the stack (smaller code: right when done is longer than ~10 instructions a vector);
   * false: once per row of the register tile, on registers. */
  bool roll;
  void (*sums)(CgEmit *e, void *ctx, CgSums when, LLVMValueRef *v); /* NULL: there are none; CG_GEMM_SUMS at most */
  unsigned nsum;
} CgGemm;
enum { CG_GEMM_SUMS = 16 };

/* ---- y[i] = sum over k of A[i][k] x[k], one x ------------------------------------------------ */

typedef struct CgGemv {
  int64_t M, K;
  LLVMValueRef a, x, y; /* A(i,k) = a[i*as_i + k*as_k], x(k) = x[k*x_k], y contiguous */
  int64_t as_i, as_k, x_k;
} CgGemv;

/* ---- D[m][k] += sum over pairs p, r < R_p, lanes l of G_p[m][r][l] * X_p[k][r][l] ---------------- */

enum { CG_DW_PAIRS = 8 }; /* pairs at most */

/* The X of a pair is read transposed, from `transpose`: XT[l][k], one for each r. */
typedef struct CgDwPair {
  LLVMValueRef g, ldg;  /* G(m,r,l) = g[m*ldg + r*g_r + l] */
  LLVMValueRef xt;      /* XT(r,l,k) = xt[r*xt_r + l*ldt + k], ldt = dw_row(e, K) */
  int64_t R, g_r, xt_r; /* R = 1 for a plain product; then g_r and xt_r do not matter */
} CgDwPair;

typedef struct CgDw {
  int64_t M, K, lanes; /* lanes: the number of l, usually T; any number >= 1 */
  const CgDwPair *pair;
  int npair; /* stacked: D is read and written once for all of them */
  LLVMValueRef d;
  int64_t ldd;       /* D(m,k) = d[m*ldd + k], ldd >= K; nothing beyond K is touched */
  LLVMValueRef used; /* i64, at run time: only the first lanes count, a positive multiple of dw_step; NULL: all */
  LLVMValueRef set;  /* i1, at run time: D = instead of D +=; NULL: never */
} CgDw;

/* ---- D[m][k] += sum over places r, lanes l of G[m][r][l] * X[k][r][l], k by several labels -------------- */

typedef struct CgPlace { /* a loop over places */
  int64_t n;
  LLVMValueRef g, x; /* from one place to the next */
} CgPlace;

typedef struct CgPlaceRow { /* a label of k */
  int64_t n, d;
  LLVMValueRef x; /* from one element to the next, in X and D */
} CgPlaceRow;

typedef struct CgPlaces {
  int64_t M, lanes;       /* lanes: of a tile */
  LLVMValueRef g, ldg, x; /* G(m, r = 0, l) = g[m*ldg + l], X(k = 0, r = 0, l) = x[l] */
  const CgPlaceRow *row;  /* one at least */
  const CgPlace *loop;    /* the places, from the outermost */
  int nrow, nloop;
  LLVMValueRef d; /* D(m, k = 0) = d[m*ldd] */
  int64_t ldd;
  LLVMValueRef set;  /* as in CgDw */
  LLVMValueRef work; /* places_bytes of scratch */
} CgPlaces;

/* ---- what a target's code is made of -------------------------------------------------------------------- */

typedef struct CgKernels {
  /* Products. gemv, outer, dw, transpose and sum_close are functions of the module, one for each shape, and calls of them. */
  void (*gemm)(CgEmit *e, const CgGemm *g);
  bool (*gemv_takes)(const CgTuning *t, unsigned vl, int64_t as_i, int64_t as_k, int64_t x_k); /* strides as in CgGemv */
  void (*gemv)(CgEmit *e, const CgGemv *g);
  void (*dw)(CgEmit *e, const CgDw *w);
  void (*places)(CgEmit *e, const CgPlaces *w);
  int64_t (*places_bytes)(unsigned vl, unsigned es, const CgPlaces *w); /* by numbers alone: M, lanes, n of rows and loops */
  int64_t (*dw_row)(const CgEmit *e, int64_t K); /* of the transposed operand: reals from one lane to the next */
  int64_t (*dw_bytes)(unsigned vl, unsigned es, int64_t lanes, int64_t K); /* it takes in scratch, at most */
  /* XT[l][k] = X[k][l] for k < K and the lanes of a tile, X(k,l) = x[k*ldx + l]. Rows of dw_row: columns K .. K rounded up to
   * VL become 0. */
  void (*transpose)(CgEmit *e, LLVMValueRef x, LLVMValueRef ldx, int64_t K, LLVMValueRef xt);
  /* dw for one sample: lanes = 1, R = 1; x is read in place, contiguous, and not beyond K. set: NULL or true. */
  void (*outer)(CgEmit *e, const CgDw *w);

  /* Sums over tiles: n accumulators. */
  int64_t (*sum_bytes)(unsigned vl, unsigned es, int64_t n);
  LLVMValueRef (*sum_at)(CgEmit *e, LLVMValueRef i, int64_t times); /* reals from the first accumulator to number i * times */
  LLVMValueRef (*sum_load)(CgEmit *e, LLVMValueRef place);
  LLVMValueRef (*sum_store)(CgEmit *e, LLVMValueRef sum, LLVMValueRef place);  /* the instruction, which may be erased */
  LLVMValueRef (*sum_add)(CgEmit *e, LLVMValueRef sum, const LLVMValueRef *x); /* the e->nv vectors of a tile */
  LLVMValueRef (*sum_add_product)(CgEmit *e, LLVMValueRef sum, const LLVMValueRef *x, const LLVMValueRef *y);
  /* dst[i] = accumulator i, for i < n, an i64; `blocks`: for n times e->vl of them, which is faster. n may be 0. */
  void (*sum_close)(CgEmit *e, LLVMValueRef sums, LLVMValueRef n, LLVMValueRef dst, bool blocks);

  /* Memory. `part` of the lanes of a vector: beyond them nothing is touched. */
  int64_t (*array_bytes)(const CgTuning *t, int64_t bytes); /* that an array takes in scratch */
  LLVMValueRef (*load)(CgEmit *e, bool boolean, LLVMValueRef p, unsigned lanes, unsigned part);
  void (*store)(CgEmit *e, bool boolean, LLVMValueRef v, LLVMValueRef p, unsigned lanes, unsigned part);
  void (*zero)(CgEmit *e, LLVMValueRef p, LLVMValueRef bytes);
  void (*copy)(CgEmit *e, LLVMValueRef to, LLVMValueRef from, unsigned align, LLVMValueRef bytes);
  void (*move)(CgEmit *e, LLVMValueRef to, LLVMValueRef from, unsigned align, LLVMValueRef bytes); /* also to where it is */
} CgKernels;

struct CgTarget {
  unsigned bits; /* of a vector: 128, 256, 512 */
  unsigned regs; /* vector registers */
  bool fma;      /* multiply-adds round once */
  bool
      full; /* a core starts two multiply-adds of whole vectors of 512 bits a cycle, and reads and stores as much beside them: measured */
  const CgTuning *tune;
  const CgInstructions *instruction;
  const CgKernels *kernel;
};

static inline unsigned cg_lanes(const CgTarget *t, bool f64) { return t->bits / 8 / (f64 ? 8 : 4); }
static inline bool cg_many_regs(const CgTarget *t) { return t->regs >= t->tune->many_regs; }

/* ---- values, by its instructions ------------------------------------------------------------------------- */

LLVMValueRef cg_fma(CgEmit *e, LLVMValueRef a, LLVMValueRef x, LLVMValueRef c); /* a*x + c, fused if the machine can */
LLVMValueRef cg_hide(CgEmit *e, LLVMValueRef v);                                /* reals: v, but LLVM does not know that it is v */
/* Lanes first ... first + n - 1 of the n reals of a and the n of b behind them, 0 < first < n. */
LLVMValueRef cg_align(CgEmit *e, LLVMValueRef a, LLVMValueRef b, unsigned first, unsigned n);
bool cg_estimates(const CgEmit *e, unsigned n); /* as CgInstructions.estimates */
/* Declares a function with the attributes generated code carries (nounwind, vector width). */
LLVMValueRef cg_function(CgEmit *e, const char *name, LLVMTypeRef type, bool internal);

/* ---- LLVM's objects --------------------------------------------------------------------------------------- */

typedef struct CgMachine {
  char *triple, *cpu, *features; /* malloc'ed */
  int opt;
  LLVMTargetMachineRef tm; /* NULL until cg_machine_start */
  CgTarget target;
} CgMachine;

bool cg_machine_init(CgMachine *m, const CgOptions *o, const CgKernels *k, char *err, size_t errsize);
bool cg_machine_start(CgMachine *m, char *err, size_t errsize); /* LLVM's part: before modules are made */
void cg_machine_finish(CgMachine *m);
/* A processor of x86-64, or of aarch64, by what its vectors are like. */
CgTarget cg_target(bool x86, unsigned bits, unsigned regs, bool fma, const CgKernels *k);
/* Whether the code of another machine runs here is the caller's business. */
void cg_emit_init(CgEmit *e, const CgTarget *t, LLVMContextRef ctx, LLVMModuleRef mod, bool f64);
void cg_emit_finish(CgEmit *e);
LLVMModuleRef cg_module(const CgMachine *m, LLVMContextRef ctx);
/* What a module compiles to. False and `lost`: LLVM itself gave up in the middle of it, and nothing that the module is made of may be
 * used or disposed of. */
bool cg_object(const CgMachine *m, LLVMModuleRef mod, LLVMCodeGenFileType kind, CgObject *out, bool *lost, char *err,
               size_t errsize);

/* ---- objects of the machine that this runs on (elf.c) ------------------------------------------------------ */

enum { CG_STUB = 16 };
uint16_t cg_elf_machine(void);
void cg_elf_stub(char *at, void *to); /* CG_STUB bytes: a jump to any address */
uint64_t cg_elf_bytes(uint32_t type); /* that a reference of this type fills */
/* The bytes at p, which will lie at `at`, come to refer to s; a text if they cannot. */
const char *cg_elf_refer(char *p, int64_t at, uint32_t type, int64_t s);

#endif
