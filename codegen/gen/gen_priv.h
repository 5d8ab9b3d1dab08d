/* From a plan to LLVM IR: the state shared by the files gen_*.c. */
#ifndef HNNC_CODEGEN_GEN_GEN_PRIV_H
#define HNNC_CODEGEN_GEN_GEN_PRIV_H

#include "codegen/plan/plan.h"

typedef struct CgVec {
  LLVMValueRef v[CG_MAX_NV];
  bool lane;
} CgVec; /* one element: a tile of lanes, or one scalar */

/* A place in the dims of a value: the row-major position `lin`, or one index for each axis, or both. */
typedef struct Idx {
  LLVMValueRef lin, ax[IR_MAX_RANK];
  bool axes;
} Idx;

typedef struct Frame Frame;
struct Frame { /* a plan being written: the function, or a body inside it */
  const Plan *p;
  Frame *up;
  Frame *of;               /* in a function of gen_outline.c: the frame that the group is in */
  LLVMValueRef turn;       /* bodies of scans: which slice of xs and ys, i64 */
  LLVMValueRef **ssa;      /* by Val id: [element * nv + vector] of tiny values */
  LLVMValueRef **vec;      /* by Val id: the vectors of carries that stay in registers, old and new */
  LLVMValueRef *base, *ld; /* by Val id: memory that is not scratch; ld: reals between elements of lane values */
};

typedef struct Memo {
  const Frame *fr;
  uint32_t v, wide;
  LLVMValueRef key[IR_MAX_RANK];
  CgVec val;
} Memo;

typedef struct Outline Outline;
typedef struct Outlines Outlines;
typedef struct Sum {
  const Root *r;
  Type t;
  CgVec *v;
} Sum; /* the elements of a root that is summed in registers */

typedef struct Sweep Sweep;
enum { GEN_SHIFTS = 32 };
/* A lane accumulator that this stretch of code added to: `sum` is what `store` writes. */
enum { GEN_ADDED = 64 };
typedef struct Added {
  int64_t acc;
  LLVMValueRef ax[IR_MAX_RANK], place, sum, store;
} Added;

typedef struct Gen {
  CgEmit *e;
  Arena *mem;
  LLVMValueRef call, scratch, tile;      /* const HnnCall *, its scratch, number of the tile */
  unsigned unit;                         /* samples a number of a tile; e->tile, or fewer when tiles are done together */
  LLVMValueRef *in, *inld, *out, *outld; /* pointers of the caller's arrays, loaded once */
  Memo *memo;
  uint32_t nmemo, memo_size; /* open addressing; emptied at each loop body */
  LLVMValueRef main, piece;  /* the function; that which is a piece of a tile, while one is written */
  Outlines *outlines;
  Outline *outline; /* gen_outline.c: of the module; the one being written */
  const CgTuning *tune;
  const CgKernels *kernel;
  unsigned machine_vl;  /* lanes of the machine, also where e->vl is 1 */
  bool wide;            /* values of any rank but 0 are read vl elements at a time, `part` of them */
  unsigned part;        /* the first lanes that count; 0: all */
  LLVMValueRef wide_iv; /* position of the wide loop, in [wide_lo, wide_hi), between two cuts */
  int64_t wide_lo, wide_hi;
  struct {
    LLVMValueRef v;
    int64_t c;
  } shift[GEN_SHIFTS];
  int nshift;       /* v = wide_iv + c */
  Sweep *sweep;     /* gen_sweep.c: values with elements are read from its vectors */
  uint32_t inlined; /* long elementwise ops written out so far */
  const Frame *group_frame;
  uint32_t group; /* what is being written: its own values are computed */
  const Frame *dot_frame;
  Val dot;
  CgVec dot_value; /* the product whose epilogue is being written */
  Sum *sum;
  uint32_t nsum; /* of the group whose loops are being written */
  Added added[GEN_ADDED];
  uint32_t nadded; /* forgotten with the memo */
} Gen;

/* ---- gen_value.c: reading and writing elements ---------------------------------------------------------- */

Frame *gen_frame(Gen *g, const Plan *p, Frame *up);
Frame *gen_frame_brief(const Plan *p, Frame *up); /* which gen_frame_end frees, with those around it, likewise brief */
void gen_frame_end(Gen *g, Frame *fr);
void gen_forget(Gen *g); /* at the start of code that does not follow what came before */
CgVec gen_at(Gen *g, Frame *fr, Val v, Idx *at);
void gen_memory(Gen *g, Frame *fr, Val v, LLVMValueRef *base, LLVMValueRef *ld);
CgVec gen_load(Gen *g, Type t, LLVMValueRef base, LLVMValueRef ld, LLVMValueRef lin);
void gen_store(Gen *g, Type t, LLVMValueRef base, LLVMValueRef ld, LLVMValueRef lin, const CgVec *v);
void gen_add(Gen *g, Type t, LLVMValueRef base, LLVMValueRef ld, LLVMValueRef lin, const CgVec *v);
LLVMValueRef gen_affine(Gen *g, Frame *fr, const Affine *a, LLVMValueRef *ld); /* pointer to element 0 */
CgVec gen_lanes(Gen *g, Type t, CgVec v);                                      /* as the type says: splat if per sample */
LLVMValueRef gen_lin(Gen *g, Type t, Idx *at);
void gen_axes(Gen *g, Type t, Idx *at);
Idx gen_const_idx(Gen *g, Type t, int64_t lin);
LLVMValueRef *gen_ssa(Gen *g, Frame *fr, Val v); /* room for a tiny value */
void gen_ssa_store(Gen *g, Frame *fr, Val v);    /* to memory too, where the plan wants it */
CgVec gen_ssa_get(Gen *g, Frame *fr, Val v, int64_t element);
void gen_ssa_set(Gen *g, Frame *fr, Val v, int64_t element, CgVec x);

/* ---- gen_op.c: the value of an op at an index ------------------------------------------------------------- */

CgVec gen_compute(Gen *g, Frame *fr, Val v, Idx *at);
CgVec gen_ew(Gen *g, Op op, CgVec *arg, uint32_t n, bool lane);
CgVec gen_real(Gen *g, double v, bool lane);
CgVec gen_fma(Gen *g, CgVec a, CgVec b, CgVec c);

/* Indices of a dot's operands and result from one index for each label. */
typedef struct DotIdx {
  Idx a, b, out;
} DotIdx;
void gen_dot_idx(const Dot *d, LLVMValueRef *label, DotIdx *out);

/* ---- gen_group.c, gen_product.c, gen_fill.c, gen_scan.c, gen_ode.c: groups ------------------------------------- */

typedef void (*NestFn)(Gen *g, void *ctx, Idx *at);
/* Loops over dims (flattened to one loop if `flat`), the body once. */
void gen_nest(Gen *g, uint32_t rank, const uint32_t *dim, bool flat, NestFn body, void *ctx);

void gen_groups(Gen *g, Frame *fr, Section s);
void gen_group(Gen *g, Frame *fr, uint32_t k);
void gen_group_code(Gen *g, Frame *fr, uint32_t k);          /* here, whatever else is like it */
void gen_roots(Gen *g, Frame *fr, const Group *gr, Idx *at); /* inside the loops */
/* Stores (or adds) the elements of v as a value of type t: v may be shared where t is per sample. */
void gen_copy(Gen *g, Frame *fr, Val v, Type t, LLVMValueRef base, LLVMValueRef ld, bool add);
void gen_zero(Gen *g, LLVMValueRef base, int64_t bytes);
void gen_fill(Gen *g, Type t, LLVMValueRef base, LLVMValueRef ld, double v); /* every element */
LLVMValueRef gen_scratch(Gen *g, int64_t off);
LLVMValueRef gen_tile_ld(Gen *g);

/* ---- gen_wide.c: loops over elements with vectors along them ------------------------------------------------------- */

/* The body for positions 0 ... n-1 of a value of that rank, several times at each cut. */
void gen_wide_nest(Gen *g, int rank, int64_t n, const PlanCuts *cuts, NestFn body, void *ctx);
LLVMValueRef gen_shift(Gen *g, LLVMValueRef lin, int64_t by); /* lin + by */
Idx gen_wide_idx(Type t, LLVMValueRef lin);
/* Of the stretch that the wide loop is in, where lin is at its beginning. */
bool gen_wide_first(const Gen *g, LLVMValueRef lin, int64_t *first);

/* lin = position of the wide loop + *by */
bool gen_wide_distance(const Gen *g, LLVMValueRef lin, int64_t *by);

/* gen_sweep.c: such loops by whole vectors, which compute once what they read at several distances */
void gen_sweep(Gen *g, Frame *fr, const Group *gr, const PlanSweep *plan);
CgVec gen_sweep_at(Gen *g, Val v, Idx *at);
int64_t gen_vectors(const Gen *g, Type t);
/* All vectors of a value of one sample, side by side from `base` on. */
void gen_vectors_load(Gen *g, Type t, LLVMValueRef base, LLVMValueRef *vec);
void gen_vectors_store(Gen *g, Type t, LLVMValueRef base, LLVMValueRef *vec);

/* gen_fn.c, gen_piece.c: arguments of the function, and tiles in pieces */
LLVMValueRef gen_member(Gen *g, LLVMValueRef p, LLVMTypeRef t, size_t bytes);
LLVMValueRef gen_tile_start(Gen *g, LLVMValueRef p, Type t);
LLVMValueRef gen_shared_array(Gen *g, size_t field, uint32_t k); /* argument k of the `in` or `out` of the call */
/* Where the plan keeps per-sample argument k side by side; false: it is read and written in the caller's array. */
bool gen_buffered(Gen *g, const Plan *p, bool in, uint32_t k, LLVMValueRef *base, LLVMValueRef *ld);
void gen_piece_calls(Gen *g, const Plan *p, const char *symbol); /* one after the other, for g->tile */
/* Finds the memory of v that the caller knows or, in a piece, another piece. */
void gen_piece_memory(Gen *g, Frame *fr, Val v);

/* gen_outline.c: groups that are alike, written once */
void gen_outlines_init(Gen *g, const Plan *p);
void gen_outlines_finish(Gen *g);
bool gen_outlined(Gen *g, Frame *fr, uint32_t k); /* false: not done, the group is to be written here */
/* While such a function is written: its names for what lies outside. */
LLVMValueRef gen_outline_scratch(Gen *g, int64_t off);
void gen_outline_memory(Gen *g, Frame *fr, Val v, LLVMValueRef *base, LLVMValueRef *ld);
CgVec gen_outline_ssa(Gen *g, Frame *fr, Val v, int64_t element);

/* gen_sums.c: sums over the tiles of a call */
void gen_open_sums(Gen *g, Frame *fr);
/* Zeros where they are added up in place: those that the first tile sets only if there is no tile. */
void gen_zero_sums(Gen *g, Frame *fr, bool first_sets);
void gen_close_sums(Gen *g, Frame *fr);

LLVMValueRef gen_ew_value(Gen *g, Op op, LLVMValueRef *args, uint32_t n);  /* gen_op.c */
void gen_close_sum(Gen *g, LLVMValueRef acc, int64_t n, LLVMValueRef dst); /* gen_sums.c: n accumulators to dst */

void gen_gemm(Gen *g, Frame *fr, const Group *gr);
void gen_dot_loops(Gen *g, Frame *fr, const Group *gr);
void gen_gemv(Gen *g, Frame *fr, const Group *gr); /* gen_single.c; a big result to the group's scratch */
void gen_outer(Gen *g, Frame *fr, uint32_t group);
void gen_dw(Gen *g, Frame *fr, uint32_t group);

void gen_concat(Gen *g, Frame *fr, const Group *gr);
void gen_put(Gen *g, Frame *fr, const Group *gr);
void gen_trisolve(Gen *g, Frame *fr, const Group *gr);
void gen_trisolve_tiny(Gen *g, Frame *fr, Val v);
void gen_solve(Gen *g, Frame *fr, const Group *gr); /* gen_solve.c */
void gen_solve_tiny(Gen *g, Frame *fr, Val v);
void gen_rand(Gen *g, Frame *fr, const Group *gr);

void gen_scan(Gen *g, Frame *fr, const Group *gr);
void gen_ode(Gen *g, Frame *fr, const Group *gr);

#endif
