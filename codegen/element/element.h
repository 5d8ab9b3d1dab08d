/* Elements of values as LLVM IR: read where they are, through views, or computed on the spot; one at a time, or by vectors along
 * them; and the loops over them. The state of a function that is being written is here too: groups (codegen/gen) share it. */
#ifndef HNNC_CODEGEN_ELEMENT_ELEMENT_H
#define HNNC_CODEGEN_ELEMENT_ELEMENT_H

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

typedef struct Gen Gen;
typedef struct Frame Frame;

/* How a stretch of code reads elements: what one index stands for. Chosen where a loop is entered (gen_enter). */
typedef struct Reader {
  bool along; /* values of any rank but 0 are read as vectors along their elements, e->vl at a time, `part` of them */
  CgVec (*at)(Gen *g, Frame *fr, Val v, Idx *at);     /* any value that is no alias */
  CgVec (*tiny)(Gen *g, Frame *fr, Val v, int64_t k); /* in registers, from element k on */
  /* A slice, unslice or concatenation where one operand is read at a constant distance; false: it is not. NULL: never. */
  bool (*move)(Gen *g, Frame *fr, const Inst *i, Idx *at, CgVec *out);
} Reader;
/* One element (value.c); a vector of them (wide.c); the same from vectors that are at hand (sweep.c). */
extern const Reader gen_element_reader, gen_wide_reader, gen_sweep_reader;

/* Where a function finds its values. Chosen where a function is entered. */
typedef struct Scope {
  LLVMValueRef (*scratch)(Gen *g, int64_t off);
  void (*memory)(Gen *g, Frame *fr, Val v, LLVMValueRef *base, LLVMValueRef *ld);
  void (*find)(Gen *g, Frame *fr, Val v); /* sets fr->base, fr->ld of what lies outside of scratch, if it is known */
  CgVec (*tiny)(Gen *g, Frame *fr, Val v, int64_t element); /* that is not in fr->ssa */
  bool (*elsewhere)(const Gen *g, const Frame *fr, Val v);  /* a tiny value that another function computed, and left in memory */
  bool hands_on; /* another function goes on with what this one leaves, and looks for it at fixed places */
} Scope;
extern const Scope gen_function_scope; /* the function itself (args.c); more in codegen/gen */

struct Frame { /* a plan being written: the function, or a body inside it */
  const Plan *p;
  Frame *up;
  Frame *of;               /* in a function of gen_outline.c: the frame that the group is in */
  LLVMValueRef turn;       /* bodies of scans: which slice of xs and ys, i64 */
  LLVMValueRef **ssa;      /* by Val id: [element * nv + vector] of tiny values */
  LLVMValueRef **vec;      /* by Val id: the vectors of carries that stay in registers, old and new */
  LLVMValueRef *base, *ld; /* by Val id: memory that is not scratch; ld: reals between elements of lane values */
  Val given;               /* the product whose epilogue is being written, and its value; or none */
  CgVec given_value;
};

typedef struct Memo {
  const Frame *fr;
  uint32_t v, along;
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
/* Of a loop with vectors along elements: its position, and the shifts of it that are there; v = iv + c. */
typedef struct Stretch {
  LLVMValueRef iv;
  int64_t lo; /* where the stretch between two cuts begins */
  struct {
    LLVMValueRef v;
    int64_t c;
  } shift[GEN_SHIFTS];
  int nshift;
} Stretch;
/* A lane accumulator that this stretch of code added to: `sum` is what `store` writes. */
enum { GEN_ADDED = 64 };
typedef struct Added {
  int64_t acc;
  LLVMValueRef ax[IR_MAX_RANK], place, sum, store;
} Added;

struct Gen {
  CgEmit *e;
  Arena *mem;
  LLVMValueRef call, scratch, tile;      /* const HnnCall *, its scratch, number of the tile */
  unsigned unit;                         /* samples a number of a tile; e->tile, or fewer when tiles are done together */
  LLVMValueRef *in, *inld, *out, *outld; /* pointers of the caller's arrays, loaded once */
  Memo *memo;
  uint32_t nmemo, memo_size; /* open addressing; emptied at each loop body */
  LLVMValueRef fn;           /* the function, or the piece of a tile that is being written */
  uint32_t share, shares;    /* of the function (gen.h) */
  const Scope *scope;
  const Reader *reader;
  Outlines *outlines;
  Outline *outline; /* gen_outline.c: of the module; the one being written */
  const CgTuning *tune;
  const CgKernels *kernel;
  unsigned machine_vl; /* lanes of the machine, also where e->vl is 1 */
  unsigned part;       /* of a vector along elements: the first lanes that count; 0: all */
  unsigned one_lane;   /* 1 + the lane that is read alone; 0: all of a vector */
  unsigned vector;     /* then: lanes of the vectors that tiny values are */
  Stretch stretch;
  Sweep *sweep;     /* sweep.c: what its reader reads */
  uint32_t inlined; /* long elementwise ops written out so far */
  const Frame *group_frame;
  uint32_t group; /* what is being written: its own values are computed */
  Sum *sum;
  uint32_t nsum; /* of the group whose loops are being written */
  Added added[GEN_ADDED];
  uint32_t nadded; /* forgotten with the memo */
};

/* ---- value.c: reading and writing elements ---------------------------------------------------------- */

Frame *gen_frame(Gen *g, const Plan *p, Frame *up);
Frame *gen_frame_brief(const Plan *p, Frame *up); /* which gen_frame_end frees, with those around it, likewise brief */
void gen_frame_end(Gen *g, Frame *fr);
void gen_forget(Gen *g); /* at the start of code that does not follow what came before */
CgVec gen_at(Gen *g, Frame *fr, Val v, Idx *at);
void gen_remember(Gen *g, Frame *fr, Val v, const Idx *at, CgVec x); /* what v is there, in this stretch of code */
CgVec gen_by_class(Gen *g, Frame *fr, Val v, Idx *at); /* for readers: in registers, in memory, through a view, or computed */
/* From here on elements are read so, in single vectors of vl lanes, until gen_leave. */
typedef struct Entered {
  const Reader *reader;
  unsigned vl, nv, part;
} Entered;
Entered gen_enter(Gen *g, const Reader *r, unsigned vl);
void gen_leave(Gen *g, Entered was);
LLVMValueRef gen_scratch(Gen *g, int64_t off);
LLVMValueRef gen_tile_ld(Gen *g);
void gen_memory(Gen *g, Frame *fr, Val v, LLVMValueRef *base, LLVMValueRef *ld);
CgVec gen_load(Gen *g, Type t, LLVMValueRef base, LLVMValueRef ld, LLVMValueRef lin);
void gen_store(Gen *g, Type t, LLVMValueRef base, LLVMValueRef ld, LLVMValueRef lin, const CgVec *v);
void gen_add(Gen *g, Type t, LLVMValueRef base, LLVMValueRef ld, LLVMValueRef lin, const CgVec *v);
LLVMValueRef gen_affine(Gen *g, Frame *fr, const Affine *a, LLVMValueRef *ld); /* pointer to element 0 */
CgVec gen_lanes(Gen *g, Type t, CgVec v);                                      /* as the type says: splat if per sample */
LLVMValueRef gen_lin(Gen *g, Type t, Idx *at);
void gen_axes(Gen *g, Type t, Idx *at);
Idx gen_const_idx(Gen *g, Type t, int64_t lin);
Idx gen_around_idx(Gen *g, const Frame *fr, Val around, const Idx *at); /* of what is inside, in the axes of what is around it */
LLVMValueRef *gen_ssa(Gen *g, Frame *fr, Val v);                        /* room for a tiny value */
void gen_ssa_store(Gen *g, Frame *fr, Val v);                           /* to memory too, where the plan wants it */
CgVec gen_ssa_get(Gen *g, Frame *fr, Val v, int64_t element);
void gen_ssa_set(Gen *g, Frame *fr, Val v, int64_t element, CgVec x);

/* From here on one lane is read, as a scalar, of values that are in memory, through views, until gen_lane_leave. */
typedef struct LaneRead {
  Entered was;
  unsigned lane;
} LaneRead;
LaneRead gen_lane_enter(Gen *g, unsigned lane);
void gen_lane_leave(Gen *g, LaneRead was);

/* ---- rows.c: rows that an index chooses when the code runs ------------------------------------------------------------ */

typedef struct GenRows {
  LLVMValueRef valid[CG_MAX_NV], row[CG_MAX_NV]; /* i32, always one of the rows; i1 */
  bool lane;
} GenRows;
GenRows gen_rows(Gen *g, CgVec index, int64_t n);
CgVec gen_or_nan(Gen *g, const GenRows *r, CgVec x); /* x where the index is one, else NaN */
CgVec gen_gather(Gen *g, Frame *fr, const Inst *i, Idx *at);
CgVec gen_setrow(Gen *g, Frame *fr, const Inst *i, Idx *at);
CgVec gen_scatter_few(Gen *g, Frame *fr, const Inst *i, Idx *at);

/* The row that an index names which counts turns: always one of n. */
bool gen_counted(Gen *g, Frame *fr, Val index, int64_t n, LLVMValueRef *row);

/* ---- series.c: sums over the orders of a series ------------------------------------------------------------------------- */

CgVec gen_cauchy(Gen *g, Frame *fr, Val v, Idx *at);
/* Tiny v[0], with others of them that are not done yet. */
void gen_cauchy_tiny(Gen *g, Frame *fr, const Val *v, uint32_t n, bool *done);
void gen_cauchy_members(Gen *g, Frame *fr, const Group *gr, Idx *at); /* those of a loop at its index, remembered */

/* ---- op.c: the value of an op at an index ------------------------------------------------------------- */

LLVMValueRef gen_ew_value(Gen *g, Op op, LLVMValueRef *args, uint32_t n);
CgVec gen_compute(Gen *g, Frame *fr, Val v, Idx *at);
CgVec gen_ew(Gen *g, Op op, CgVec *arg, uint32_t n, bool lane);
CgVec gen_real(Gen *g, double v, bool lane);
CgVec gen_fma(Gen *g, CgVec a, CgVec b, CgVec c);

/* Indices of a dot's operands and result from one index for each label. */
typedef struct DotIdx {
  Idx a, b, out;
} DotIdx;
void gen_dot_idx(const Dot *d, LLVMValueRef *label, DotIdx *out);

/* ---- loop.c: loops over elements ------------------------------------------------------------------------------- */

typedef void (*NestFn)(Gen *g, void *ctx, Idx *at);
/* Loops over dims (flattened to one loop if `flat`), the body once. */
void gen_nest(Gen *g, uint32_t rank, const uint32_t *dim, bool flat, NestFn body, void *ctx);
/* The first axis from lo to hi alone, which is at least one element. */
void gen_nest_rows(Gen *g, uint32_t rank, const uint32_t *dim, LLVMValueRef lo, LLVMValueRef hi, NestFn body, void *ctx);
/* As gen_nest; with `sums`, g->sum goes around them in registers. */
void gen_nest_sums(Gen *g, uint32_t rank, const uint32_t *dim, bool flat, NestFn body, void *ctx, bool sums);
/* Stores (or adds) the elements of v as a value of type t: v may be shared where t is per sample. */
void gen_copy(Gen *g, Frame *fr, Val v, Type t, LLVMValueRef base, LLVMValueRef ld, bool add);
void gen_zero(Gen *g, LLVMValueRef base, int64_t bytes);
void gen_fill(Gen *g, Type t, LLVMValueRef base, LLVMValueRef ld, double v); /* every element */

/* ---- wide.c: loops over elements with vectors along them ------------------------------------------------------- */

/* The body for positions 0 ... n-1 of a value of that rank, several times at each cut. */
void gen_wide_nest(Gen *g, int rank, int64_t n, const PlanCuts *cuts, NestFn body, void *ctx);
LLVMValueRef gen_shift(Gen *g, LLVMValueRef lin, int64_t by); /* lin + by, in such a loop */
Idx gen_wide_idx(Type t, LLVMValueRef lin);
bool gen_wide_distance(const Gen *g, LLVMValueRef lin, int64_t *by); /* lin = position of the wide loop + *by */
void gen_wide_position(Gen *g, LLVMValueRef iv);                     /* which is iv from here on */
CgVec gen_wide_scalar(Gen *g, Frame *fr, Val v, Idx *at);            /* one element in such a loop, wherever it comes from */
CgVec gen_wide_tiny(Gen *g, Frame *fr, Val v, int64_t k);
bool gen_wide_move(Gen *g, Frame *fr, const Inst *i, Idx *at, CgVec *out);

/* sweep.c: such loops by whole vectors, which compute once what they read at several distances */
void gen_sweep(Gen *g, Frame *fr, const Group *gr, const PlanSweep *plan);
int64_t gen_vectors(const Gen *g, Type t);
/* All vectors of a value of one sample, side by side from `base` on. */
void gen_vectors_load(Gen *g, Type t, LLVMValueRef base, LLVMValueRef *vec);
void gen_vectors_store(Gen *g, Type t, LLVMValueRef base, LLVMValueRef *vec);

/* ---- args.c: arguments of the function, and what its code finds where it stands ------------------------------------- */

LLVMValueRef gen_member(Gen *g, LLVMValueRef p, LLVMTypeRef t, size_t bytes);
LLVMValueRef gen_tile_start(Gen *g, LLVMValueRef p, Type t);
LLVMValueRef gen_shared_array(Gen *g, size_t field, uint32_t k); /* argument k of the `in` or `out` of the call */
/* Where the plan keeps per-sample argument k side by side; false: it is read and written in the caller's array. */
bool gen_buffered(Gen *g, const Plan *p, bool in, uint32_t k, LLVMValueRef *base, LLVMValueRef *ld);
void gen_function_memory(Gen *g, Frame *fr, Val v, LLVMValueRef *base, LLVMValueRef *ld);
void gen_function_find(Gen *g, Frame *fr, Val v); /* arguments */
LLVMValueRef gen_function_scratch(Gen *g, int64_t off);
CgVec gen_function_tiny(Gen *g, Frame *fr, Val v, int64_t element);
/* Emits at the end of the entry block of g->fn, which every use comes after; gives back where the builder was. */
LLVMBasicBlockRef gen_to_entry(Gen *g);
/* Per-sample or shared argument k, loaded where the builder stands. */
void gen_argument(Gen *g, const Plan *p, bool in, uint32_t k, Type t, LLVMValueRef *base, LLVMValueRef *ld);

#endif
