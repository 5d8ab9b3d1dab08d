/* The fusion plan: a Fn -> an ordered list of loop nests ("groups") and a place for every value.
 *
 * A value is *tiny* (at most `tiny` elements, tuning.def): its elements are SSA values of the generated code, and
 * every structural op on it is renaming at compile time. Or it is *big*: pointwise big values are
 * computed in registers inside loops over their elements, together with everything else of the same
 * dims that can be (one group), and stored only if another group needs them and cannot recompute
 * them cheaply. Renaming ops (slice, transpose, reshape, ...) are views: maps of element indices.
 *
 * Groups run in order inside their section: once before the tiles (what is shared), for each tile, and
 * last (what follows from batch sums). A scan is a group with a plan of its own. */
#ifndef HNNC_CODEGEN_PLAN_PLAN_H
#define HNNC_CODEGEN_PLAN_PLAN_H

#include "codegen/target/target.h"

typedef enum {
  PC_DEAD,
  PC_CONST,
  PC_TABLE,
  PC_IOTA,  /* a whole number, made of the index */
  PC_IN,    /* input of the function, in the caller's memory */
  PC_UP,    /* input of a body that is (a slice of) a value of the function around it */
  PC_VIEW,  /* renames the elements of its operand */
  PC_SSA,   /* tiny */
  PC_POINT, /* big, computed element by element */
  PC_BUF,   /* big, filled by a group of its own kind; always in memory */
  PC_MULTI  /* scan, ode: read through proj */
} PClass;

typedef enum { SUM_NONE, SUM_PRODUCT, SUM_LANES } SumKind;

typedef enum { SEC_ONCE, SEC_TILE, SEC_LAST, SEC_count } Section;

typedef enum {
  HOME_NONE,
  HOME_SCRATCH,
  HOME_OUT, /* output `homeidx` of the function */
  HOME_YS,
  HOME_NEXT,
  HOME_ZS,   /* in a body: this turn's slice of a ys; the next carry; a zs, added to */
  HOME_CARRY /* set by the scan: the buffer its last turn wrote */
} Home;

typedef struct PVal {
  uint8_t cls, home, section, depth;
  uint32_t made_of; /* the one big operand that this would be computed of again, if it is, through others such; 0: none */
  bool slow;        /* in its group, comes after a function of many instructions or is one */
  bool stored;      /* has memory */
  bool in_place;    /* HOME_NEXT: takes the place of the carry's old value */
  bool bsum;        /* depends on a sum over the batch */
  uint32_t homeidx, uses, group, alias;
  uint32_t walked; /* the last group that computes it for itself and whose operands were looked through */
  uint32_t around; /* the value that has this one inside, or 0: it is read there, if it has no memory of its own (plan_around.c) */
  uint32_t after;  /* a barrier that is a view: the last group that must come before its readers */
  uint8_t sum;     /* SumKind: others accumulate into it (plan_sums.c) */
  uint32_t into;   /* accumulates into that value, has no memory of its own */
  int64_t acc;     /* SUM_LANES: scratch of the accumulators that the others share */
  int64_t off;     /* HOME_SCRATCH: bytes from its beginning */
  int64_t bytes;   /* HOME_SCRATCH, if it has a place of its own: how many it takes */
  uint32_t inside; /* HOME_SCRATCH: the value in whose memory it lies, or 0 (plan_parts.c) */
  int64_t inside_at;
  uint32_t t0, t1; /* first and last group that touches it */
} PVal;

typedef enum {
  G_TINY,
  G_LOOP,
  G_GEMM,
  G_DOT,
  G_DW,
  G_CONCAT,
  G_PUT,
  G_SCATTER,
  G_LU,
  G_SOLVE,
  G_CHOLESKY,
  G_EIGH,
  G_RAND,
  G_SCAN,
  G_ODE
} GroupKind;
extern const char *const plan_group_name[];

typedef enum { ROOT_VALUE, ROOT_REDUCE, ROOT_DOT, ROOT_BATCH, ROOT_LANES, ROOT_AROUND } RootKind; /* AROUND: plan_around.c */

typedef struct Root { /* what a group leaves behind */
  RootKind kind;
  Val v;
  int64_t acc;  /* scratch of its accumulators, if it has any of its own */
  bool persist; /* accumulates over all tiles of a call */
} Root;

typedef struct Plan Plan;

typedef struct Group {
  uint8_t kind, section;
  bool lane;
  bool fused; /* G_LOOP: of several, which is a sweep as long as no other group's values are computed again in it */
  bool gemv;  /* G_GEMM: a kernel of its own (gemv.c), whose result a loop reads */
  uint32_t rank, dim[IR_MAX_RANK]; /* the loops */
  Val main;                        /* the instruction of a group that is not G_TINY or G_LOOP */
  VEC(Val) member;                 /* in order */
  VEC(Root) root;
  int64_t work;    /* scratch of its own (transposes, a scan's second carry buffers, a matrix under elimination) */
  uint32_t joined; /* G_DW: the later group that does its work along with its own, or 0 */
  uint32_t t0, t1;
  uint32_t refill; /* G_ODE: tiles whose samples wait for its lanes (plan_refill.c), or 0: its lanes are those of the tile */
  bool again;      /* before such a group: what it computes is needed behind it, too */
  Plan *body;      /* G_SCAN, G_ODE */
  Fn *own;         /* of which the body is, if not of the instruction's: stages or turns as lanes */
} Group;

typedef struct Copy {
  Val v;
  Home home;
  uint32_t k;
} Copy; /* what no group writes where it is wanted */

/* The form of a function: what its lanes are. single: a tile is one sample, and vectors run over elements: `vl` is 1, `wide`
 * the lanes of a vector. Scratch has room for `together` tiles, which are done at once where a call has that many. */
typedef struct PlanForm {
  unsigned tile, vl, es, wide, together;
  bool single;
} PlanForm;

struct Plan {
  Arena *mem;
  const Fn *f;
  Plan *up;   /* of the function around */
  Val call;   /* the scan or ode in it */
  bool lane;  /* tiles of samples; else everything is shared */
  bool turns; /* of a map whose turns are lanes: all numbers are in registers */
  PlanForm form;
  const CgTarget *target;
  const CgTuning *tune; /* its */
  PVal *val;            /* by Val id */
  VEC(Group *) group;   /* [0] is a placeholder: "at the start" */
  VEC(Copy) copy;
  int64_t scratch;              /* bytes; of the whole function, in the outermost plan */
  int64_t flop_tile, flop_once; /* per sample, per call */
  uint32_t *cut, ncut;          /* the times at which the pieces of a tile begin, and the time after the last; none: one piece */
  int64_t *carry_buf;           /* bodies: scratch of the two buffers of each big carry, or of the one */
  bool *carry_one;              /* one buffer: plan_carry.c */
  bool *carry_regs;             /* stays in vector registers from turn to turn, and goes to its buffer after the last */
  int64_t *in_buf, *out_buf;    /* single: scratch of per-sample inputs and outputs, by their number; -1: none */
  bool *live;
  Fn *own; /* f, if it is not the caller's: plan_pairs.c */
};

/* The number of samples that code is made for, if it is to run over so many: of the larger ones few differ. */
int64_t plan_samples(const CgTarget *t, bool f64, int64_t samples);
/* The tile that suits f, for that many samples (0: unknown). */
PlanForm plan_tiles(const Fn *f, const CgTarget *t, int64_t samples);
/* The forms in which f is compiled for a number of samples (0: unknown): the first, and where it pays the second, which is
 * for at most `most` samples. The caller destroys the n plans. plan_cost.c */
typedef struct PlanForms {
  Plan *plan[2];
  uint32_t n;
  int64_t most;
} PlanForms;
uint32_t plan_length(const Fn *f); /* IR instructions, of bodies, too */
PlanForms plan_forms(const Fn *f, const CgTarget *t, CgForm form, int64_t samples);
/* Plans f in a form; freed by plan_destroy. */
Plan *plan_create(const Fn *f, PlanForm form, const CgTarget *t);
void plan_destroy(Plan *p);
void plan_print(FILE *out, const Plan *p, const char *symbol, const Source *src, const CgNote *note);

/* ---- asked by the emitters ---------------------------------------------------------------------------- */

Val plan_result(const Plan *p, Val multi, uint32_t index); /* the proj that holds a result; none: dead */
Val plan_sink(const Plan *p, Val v);                       /* what a sum accumulates into: another value, or itself */
bool plan_sums_in_place(const Plan *p, const Group *g);    /* over the tiles, in the memory of its sink */
/* True if a sum over the tiles is made in memory by one weight gradient alone (with those that are joined to it), so that
 * the first tile of a call can set it. */
bool plan_first_sets(const Plan *p, Val sink);
int64_t plan_acc(const Plan *p, const Root *r); /* scratch of a root's lane accumulators */
uint32_t plan_piece(const Plan *p, uint32_t t); /* of the function, by time: 0 is before the tiles */
uint32_t plan_piece_weight(const Plan *p, uint32_t piece);
Val plan_root(const Plan *p, Val v); /* through aliases and views, to what has elements of its own */
/* Scratch of an adaptive trajectory: operands that all samples share, packed, then, in bytes from there, the others, then arrays of the whole state, then the
 * trajectory [times][dim][lanes]. An array is `rows` rows of `w` reals: a tile of lanes for each element, or, where there is one
 * sample, vectors along the elements, the last filled up with zeros. */
enum {
  ODE_Y,
  ODE_LOW,
  ODE_NEXT_LOW,
  ODE_Z,
  ODE_WORK,
  ODE_K
}; /* numbers of arrays; from ODE_K on the rates of each stage, or a series */
/* gauss16: the function is compiled one sample at a time, and the lanes are its stages. Arrays are numbers, w is 1; behind them those of
 * `stages` reals for each number, more than 8 where a vector has more: they are there again. Where the rates are of second order,
 * those of the first `second` numbers, q, stand behind all rates, and four arrays have the first rate of q and what that rounds off, now
 * and at the end of a step. */
enum { GAUSS_G, GAUSS_Z, GAUSS_COEF, GAUSS_ARRAYS };
enum {
  GAUSS_V = ODE_K + 2,
  GAUSS_V_LOW,
  GAUSS_NEXT_V,
  GAUSS_NEXT_V_LOW,
  GAUSS_MEAN /* rate of the last step */,
  GAUSS_SUM,
  GAUSS_NUMBERS = GAUSS_SUM + 5
};
typedef struct PlanOde {
  uint32_t states, order; /* order: of series, or 0 */
  int arrays;
  int64_t dim, watched, times, rows; /* watched: elements, the first ones */
  unsigned lanes, w;
  int64_t *off;                                     /* of each operand; states by their rows; of shared ones from the beginning */
  int64_t common;                                   /* bytes of shared operands, before all else */
  int64_t array, stride, trajectory, counts, bytes; /* counts: [2] behind the trajectory */
  int64_t series, probe;                            /* what the body gives of one, state by state; of one inside of a step */
  bool kinks;                                       /* steps are checked */
  unsigned stages;
  int64_t second, staged, staged_stride;
  int64_t slots; /* where lanes are refilled: [ODE_SLOTS][lanes] doubles, with which a sample begins */
} PlanOde;
enum { ODE_SLOTS = 21 };
uint32_t plan_refilled(const Plan *p);                               /* the group whose lanes are refilled, or 0 */
bool plan_ode_own(const Plan *p, const Inst *ode, uint32_t operand); /* each sample has one of its own */
PlanOde plan_ode(const Plan *p, const Inst *ode, unsigned tile);
bool plan_by_stages(const Fn *f, const Inst *ode); /* lanes are stages */
PlanForm plan_stage_form(const Plan *p);           /* of its rates */
Fn *plan_stage_body(const Fn *f, const Inst *ode);
/* Of a scan's body: the index is the number of the turn, counted from `first`. plan_series.c */
bool plan_counts(const Plan *p, Val index, int64_t *first);
/* The carry begins with one row, turn k sets row k, and sums over orders read what is below: the rest of its first value is not needed. */
bool plan_history(const Plan *p, uint32_t carry);
bool plan_sets_rows(const Plan *p, uint32_t group, Val *index); /* rows of histories, the same of each, and nothing else */
bool plan_cauchy_plain(const Fn *f, const Inst *i);             /* elementwise, of series whose rows have the result's dims */
const CgTuning *plan_stage_tuning(const Plan *p, const Fn *body);
/* A map of one sample whose turns are lanes: plan_turns.c. */
bool plan_by_turns(const Plan *p, const Inst *i);
PlanForm plan_turn_form(const Plan *p); /* of its body */
Fn *plan_turn_body(const Fn *f, const Inst *scan);
bool plan_turned(const Group *g);
double plan_turn_cycles(const Plan *p, const Inst *scan);
/* Of a body, or -1 if its turns cannot be lanes; of a map, in the cheaper way. */
double plan_turn_body_cycles(const CgTarget *target, const Fn *body);
double plan_map_cycles(const CgTarget *target, unsigned wide, const Fn *f, const Inst *map);
/* f with sums over pairs as matrices, where that is less work for one sample; NULL: there are none. plan_pairs.c */
Fn *plan_pairs(const Fn *f, const CgTarget *target, unsigned lanes);
bool plan_is_point(const Plan *p, Val v);
static inline bool plan_is_tiny(const Plan *p, Type t) { return type_count(t) <= p->tune->tiny; }
static inline int64_t plan_round_up(int64_t n, int64_t k) { return (n + k - 1) / k * k; }
bool plan_is_elementwise(Op op);      /* operands at the index of the result */
Val plan_strip(const Plan *p, Val v); /* through id and spread */
Val plan_inside(const Plan *p,
                Val v); /* what a chain of `unslice`, of which only the last is read from memory, puts zeros around */

/* A value in memory with a stride for each axis, seen through views and scan boundaries. */
typedef struct Affine {
  const Plan *p;
  Val root;    /* where the memory is */
  int64_t off; /* in elements of root */
  int nturn;
  struct {
    const Plan *body;
    int64_t mul;
  } turn[IR_MAX_RANK]; /* + turn of `body` * mul */
  int64_t stride[IR_MAX_RANK];
} Affine;
bool plan_affine(const Plan *p, Val v, Affine *out);

/* Loops over elements with vectors along the elements (plan_wide.c). Cuts: positions at which what is read changes, so
 * that between two of them every operand of a concatenation is at a constant distance. */
enum { PLAN_CUTS = 32 };
typedef struct PlanCuts {
  int n;
  int64_t at[PLAN_CUTS];
} PlanCuts;
bool plan_along(const Plan *p); /* all of p is such: one sample at a time, or shared alone */
bool plan_wide(const Plan *p, uint32_t group, PlanCuts *cuts);
bool plan_wide_value(const Plan *p, uint32_t group, Val v, PlanCuts *cuts);    /* a loop that the group reads v in */
bool plan_wide_fused(const Plan *p, uint32_t group, const Val *v, uint32_t n); /* these of it, if all others' values are stored */
bool plan_flat(const Plan *p, uint32_t group); /* all that a loop reads can be read at the row-major position of its turn */

/* A loop over elements as a sweep by whole vectors, of which there are n, the last perhaps a part: lo ... hi - 1 by a loop,
 * others written out. In the loop all that is read is at the distances that it has at vector `rep`; bit k of a need: the vector
 * k - PLAN_REACH away is read. Of what is read at several distances the leading vector is loaded or computed, the
 * others are kept, `kept` in all. The caller frees it. plan_sweep.c */
enum { PLAN_REACH = 15 };
typedef struct PlanNeed {
  uint32_t v, bits;
} PlanNeed;
typedef struct PlanSweep {
  uint32_t group, kept;
  bool fusing, shifted, slow;
  int64_t n, lo, hi, rep, work;
  VEC(PlanNeed) need; /* of what is read, the oldest first */
  Index need_of;      /* in need, by value */
} PlanSweep;
void plan_sweep_free(PlanSweep *s);
bool plan_sweep(const Plan *p, uint32_t group, PlanSweep *s);   /* all that is stored is known */
bool plan_sweep_here(const Plan *p, const PlanSweep *s, Val v); /* v is computed in the loop */
int plan_sweep_lead(const PlanSweep *s, Val v);
unsigned plan_sweep_behind(const PlanSweep *s, Val v); /* vectors kept behind the leading one */
/* Where element `pos` of v comes from: element `pos` of `base`, which is in memory or computed; 0; or the same for all
 * elements, being a scalar. It is so for positions pos + from ... pos + to - 1 of v too. */
typedef enum { SPOT_VALUE, SPOT_ZERO, SPOT_SAME } SpotKind;
typedef struct PlanSpot {
  SpotKind kind;
  Val base;
  int64_t pos, from, to;
} PlanSpot;
PlanSpot plan_spot(const Plan *p, const PlanSweep *s, Val v, int64_t pos);

/* The shape of a dot. */
typedef struct DotLabel {
  int64_t label;
  uint32_t n;
  int in_a, in_b, in_out; /* axis, or -1 */
} DotLabel;
typedef struct Dot {
  Val a, b;
  bool lanes;
  int n;
  DotLabel label[3 * IR_MAX_RANK];
  int64_t contraction; /* elements of one sum, lanes not counted */
} Dot;
void plan_dot(const Fn *f, const Inst *i, Dot *out);

/* Labels that are summed over as one: n elements, apart by a in one operand (the matrix) and by x in the other. */
typedef struct Contracted {
  int64_t n, a, x;
} Contracted;

/* A dot as a register-tiled product: `row` only in one operand, best the shared one, and the result; what is contracted is one stretch k, and
 * for the windows of a convolution others around it (channels, lines); the other labels are loops around the tiles, but for one of them (`place`). */
typedef struct GemmShape {
  Val shared, lane; /* the operands */
  bool a_shared;
  int row; /* index of a label; of the other operand where the matrix has none (`along`) */
  bool along;
  int place; /* another label of the other operand alone, whose elements are side by side in register tiles; -1: there is none */
  int64_t k, a_k, x_k; /* contraction: length, strides in elements */
  int nouter;
  Contracted outer[2 * IR_MAX_RANK];
  Affine a, x;
} GemmShape;
bool plan_gemm(const Plan *p, const Dot *d, GemmShape *out);
/* A matrix times a vector of one sample (or of shared values), by vectors along elements: `shared` is the matrix. */
bool plan_gemv(const Plan *p, const Dot *d, GemmShape *out);

/* A lanes-dot as out[m][k]: row label only in one operand, column label the last of the result; or, where places within a sample
 * are summed over as well, all labels that are only in the other (`k`, with their strides in x and the result). */
typedef struct DwShape {
  Val g, x;
  bool g_is_a;
  int row, col; /* row -1, with places: G has none, it is a vector of one element */
  Affine ga, xa;
  int nplace; /* 0: places, if there are any, are loops around */
  Contracted place[2 * IR_MAX_RANK];
  int nk, k[IR_MAX_RANK];
} DwShape;
bool plan_dw(const Plan *p, const Dot *d, DwShape *out);
int64_t plan_dw_bytes(const Plan *p, const Dot *d, const DwShape *w); /* scratch for its transposed tile */

#endif
