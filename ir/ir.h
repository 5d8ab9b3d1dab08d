/* The graph IR: one SSA function per thing asked for.
 *
 * A Fn is an array of instructions in topological order, operands before users. No control flow:
 * `scan` (loops, comprehensions), `integrate`, `ode` and `reversible` hold sub-functions. Val is a 32-bit id,
 * Val k is instruction k, 0 means none (instruction 0 is a placeholder).
 *
 * Types. A value is a tensor of reals (the Fn's precision) or bools, with static dims, and either
 * *shared* (parameters and what follows from them) or *per sample* (`lane`): f64[3], f64[B, 3].
 * Nothing else knows of batches. Inside a tile a lane value lies as [element][sample].
 *
 * Passes copy forward: they walk the input and emit through a Build, which infers types, folds
 * constants and identities, and value-numbers. There are no use lists and no surgery. */
#ifndef HNNC_IR_IR_H
#define HNNC_IR_IR_H

#include "ir/abi.h"
#include "ir/base/base.h"

/* ---- ops ---------------------------------------------------------------------------------------- */

typedef enum Op {
  OP_none,
#define EW1(name, ...) OP_##name,
#define EW2(name, ...) OP_##name,
#define CMP(name, ...) OP_##name,
#define LOG(name, ...) OP_##name,
#define ST(name, ...) OP_##name,
#include "ir/ops.def"
  OP_count
} Op;

enum OpTrait { /* what each means: ops.def */
               OPF_COMM = 1,
               OPF_LEAF = 2,
               OPF_IMPURE = 4,
               OPF_MULTI = 8,
               OPF_DERIV = 16,
               OPF_EACH = 32,
               OPF_SIMPLE = 64,
               OPF_SLOW = 128,
               OPF_VIEW = 256,
               OPF_PLACES = 512,
               OPF_LINEAR = 1024
};
typedef enum OpClass { OPC_EW1, OPC_EW2, OPC_CMP, OPC_LOGIC, OPC_STRUCT } OpClass;

typedef struct OpInfo {
  const char *name;
  OpClass cls;
  int8_t arity;           /* -1: any number */
  uint8_t cycles;         /* of elementwise ones */
  uint16_t traits;        /* OpTrait */
  uint8_t nattr;          /* attributes that have names */
  const char *attributes; /* these names: "(axis, start, n, step)", or NULL */
  const char *list;       /* the name of what follows them, or NULL */
  bool has_sub;
} OpInfo;

extern const OpInfo ir_op[OP_count];
static inline bool ir_has(unsigned op, unsigned traits) { return ir_op[op].traits & traits; } /* any of them */
static inline bool ir_elementwise(unsigned op) { return ir_op[op].cls != OPC_STRUCT || ir_has(op, OPF_EACH); }
/* Written in the program: the same wherever it is copied to, and free to copy. */
static inline bool ir_literal(unsigned op) { return op == OP_const || op == OP_table || op == OP_iota; }
Op ir_op_named(const char *name, size_t len); /* OP_none if unknown */

/* ---- types -------------------------------------------------------------------------------------- */

enum { IR_MAX_RANK = HNN_MAX_RANK };
enum { ODE_MOST_RECORD = 1 << 24 };                /* its rows have numbers that f32 has */
typedef enum { DT_REAL, DT_BOOL, DT_MULTI } DType; /* DT_MULTI: read through `proj` only */

typedef struct Type {
  uint8_t dt, lane, rank, pad;
  uint32_t dim[IR_MAX_RANK]; /* dims beyond rank are 0 */
} Type;

Type type_real(bool lane, int rank, const uint32_t *dim);
Type type_scalar(bool lane);
bool type_eq(Type a, Type b);
bool type_same_dims(Type a, Type b);
int64_t type_count(Type t); /* elements of one sample */
typedef struct TypeAxis {
  int64_t outer, size, inner; /* elements [outer][size][inner], around one axis */
} TypeAxis;
TypeAxis type_axis(Type t, int64_t axis);
const char *type_text(Type t, bool f64, char *buf, size_t size); /* "f64[B,3]", "f32", "bool[2]" */
const char *type_user(Type t, char *buf, size_t size);           /* as the language writes it: "real[2, 3]" */

/* ---- functions ---------------------------------------------------------------------------------- */

typedef struct Val {
  uint32_t id;
} Val;
#define VAL_NONE ((Val){0})

/* What an instruction is, beside its primal meaning: derivative code keeps the place (`at`) and the
 * op (`of`) of the primal instruction it was derived from; dumps show both. */
typedef enum { ROLE_PRIMAL, ROLE_ADJOINT, ROLE_TANGENT } Role;

typedef struct Inst {
  uint16_t op;          /* Op */
  uint8_t role;         /* Role */
  uint8_t of;           /* Op of the primal instruction, when role != ROLE_PRIMAL */
  uint32_t args, nargs; /* fn->pool[args .. args+nargs) */
  uint32_t attr, nattr; /* fn->attr[attr .. attr+nattr) */
  uint32_t sub;         /* fn->sub[sub - 1], 0 none */
  Type type;
  Span at;
} Inst;

typedef enum { IN_PARAM, IN_FIELD, IN_WEIGHT, IN_SCALAR, IN_STATE, IN_INDEX, IN_OTHER } InKind;

typedef struct Input { /* of a function */
  const char *name;    /* parameter path `energy/dense.0/W`, field name, ... */
  InKind kind;
  uint32_t index; /* meaning depends on kind: number of the parameter in the model, ... */
  Type type;
} Input;

typedef struct Table {
  Type type;
  const double *v;
} Table; /* row-major */

typedef struct Fn Fn;
struct Fn {
  Arena *mem; /* a sub-function has its parent's arena */
  const char *name;
  uint8_t f64;    /* precision of its reals: FN_F32 = 0, ...; sub-functions agree with their parent */
  VEC(Inst) inst; /* inst.at[0] is a placeholder */
  VEC(Val) pool;
  VEC(int64_t) attr;
  VEC(Input) in;
  VEC(Val) out;
  VEC(const char *) outname; /* same length as out, entries may be NULL */
  VEC(Fn *) sub;
  VEC(Table) table;
};

/* FN_EXACT: f64 where it is run; for deciding: operations on constants that would round are not folded. */
enum { FN_F32, FN_F64, FN_EXACT };
Fn *ir_fn_create(const char *name, uint8_t f64); /* own arena */
Fn *ir_sub_create(Fn *parent, const char *name); /* in the parent's arena; not yet attached */
void ir_fn_destroy(Fn *f);                       /* NULL is fine; destroys sub-functions too */

static inline const Inst *ir_inst(const Fn *f, Val v) { return &f->inst.at[v.id]; }
static inline Type ir_type(const Fn *f, Val v) { return f->inst.at[v.id].type; }
static inline Val ir_arg(const Fn *f, const Inst *i, uint32_t k) { return f->pool.at[i->args + k]; }
static inline Fn *ir_body(const Fn *f, const Inst *i) { return i->sub ? f->sub.at[i->sub - 1] : NULL; }
#include "ir/attr.h"

static inline uint32_t ir_number(const Fn *f, const Inst *i) { return (uint32_t)f->attr.at[i->attr]; } /* of in, proj */

/* A scan that has been verified: its attributes, and how many operands are the same in all turns. */
typedef struct ScanShape {
  uint32_t n, carry, xs, ys, zs, inv, converge;
  bool reverse;
} ScanShape;
ScanShape ir_scan_shape(const Fn *f, const Inst *i);
uint32_t ir_ode_order(const Fn *f, const Inst *i); /* of an `ode` whose body gives series; else 0 */
/* Results of an `ode` of n states with a record, by `proj`. */
typedef enum OdeResult { ODE_COUNTS, ODE_STATE, ODE_STEPS, ODE_RATE } OdeResult;
static inline uint32_t ir_ode_result(uint32_t n, OdeResult what, uint32_t k) {
  return n + (what == ODE_COUNTS ? 0 : what == ODE_STATE ? 1 + k : what == ODE_STEPS ? 1 + n : 2 + n + k);
}
/* Steps that the record of an `ode` of its first `states` states has room for: as many as fill 1 MB a sample. */
int64_t ir_ode_room(const Fn *f, const Inst *i, uint32_t states);
bool ir_ode_second(const Fn *f, const Inst *i); /* its body has a third output, the second rate of its first state */
typedef struct DotShape {
  bool lanes;
  int rank[3], label[3][IR_MAX_RANK];
} DotShape; /* of a, b, and the result */
DotShape ir_dot_shape(const Fn *f, const Inst *i);
bool ir_dot_has(const DotShape *d, int side, int label); /* 0: a, 1: b, 2: the result */
uint32_t ir_states(const Fn *f, const Inst *i);          /* carried by a scan, trajectory or reversible step; 0 of others */
bool ir_holds(const Fn *f, unsigned traits, Op op); /* it or a body of it has the operator, or one with a trait of these (OPF_) */
static inline bool ir_sums_batch(const Fn *f, const Inst *i) {
  return i->op == OP_batch_sum || (i->op == OP_dot && ir_dot_attr(f, i).lanes) ||
         (i->op == OP_scatter && ir_scatter_attr(f, i).lanes);
}

bool ir_fn_plain(const Fn *f);      /* nothing in f, or in a body in it, is a derivative or a trajectory */
bool ir_fn_sums_batch(const Fn *f); /* some instruction of f, or of a body in it, does */

typedef struct IrList {
  const int64_t *at;
  uint32_t n;
} IrList;
/* Until f grows: */
IrList ir_list(const Fn *f, const Inst *i); /* what follows the attributes that have names */
static inline IrList ir_attrs(const Fn *f, const Inst *i) { return (IrList){f->attr.at + i->attr, i->nattr}; } /* all */
bool ir_same_attrs(const Fn *f, const Inst *i, const Fn *g, const Inst *j);

/* Structural ops whose meaning needs more than a line:
 *
 * dot (a, b) {lanes na nb labels}: an einsum. `labels` holds rank(a) + rank(b) + rank(out) small
 *   ints, in that order; na = rank(a), nb = rank(b). Each label stands in at least two of the three
 *   lists, at most once in each; one missing from the out list is summed. So every derivative of a
 *   dot is a dot. `lanes` = 1: the product is also summed over the samples (both operands per
 *   sample, the result shared): a weight gradient. Matrix-vector W@x: labels i,k | k | i.
 *
 * cauchy (a, b, k) {weighted na nb labels}: what the product of two series has at order k but for its ends, where the rows of a and b
 *   are their coefficients: the sum of a[j] b[k-j] over j = 1 ... k-1, each weighed by j/k if `weighted`. The product of two rows is an
 *   einsum of their labels, as of a dot; na, nb are ranks of rows. k is a shared scalar; NaN where it is no whole number in 0 ... rows.
 *   Row 0 and rows from k on are not read.
 *
 * gather (x, i): rows of x's first axis, at indices that are reals: dims(i) ++ what follows the first axis of x. An index that is
 *   no whole number in 0 ... n - 1, n being the size of the axis, gives a row of NaN. Linear in x, and constant in i.
 * scatter (c, i) {n lanes}: its adjoint. The axes of i come first in c; row c[k] is added to row i[k] of n. An index outside
 *   gives NaN in all rows where what it would have added is not 0: what was computed and not taken has a cotangent of 0. `lanes` = 1: the
 *   sum over the samples as well, which alone makes a gradient of a shared x; both operands are per sample then, the result is
 *   shared, and no sample has n rows of its own.
 * setrow (x, i, v): x with row i replaced by v; all NaN if i is outside. Linear in x and v together, and constant in i.
 *
 * scan (carry..., xs..., inv...) {n carry xs ys zs reverse converge} @body: a loop of n turns.
 *   body inputs: carries, one slice of each xs (first axis removed), invariants;
 *   body outputs: next carries, ys, zs. Results, by `proj`: last carries, ys stacked on a new first
 *   axis of size n, zs summed over the turns. reverse = 1 runs turns n-1 ... 0. A carry's type does
 *   not change from turn to turn (use `spread`). With carry = 0 it is a map: turns are independent.
 *   A batch_sum inside a body may only flow (through add/neg/mul-by-shared) into zs.
 *   converge = 1: a fixed-point iteration (no xs, ys, zs): may end early, once no lane of any carry
 *   moves by more than 4 ulp of its largest; the result is that of n turns up to round-off.
 *   NaN that stays NaN does not move.
 *   converge = 2: carries and zs only; carry 0 is a real scalar. A turn begins only if carry 0 is positive in some lane, so
 *   there may be none. In a lane where it is not a turn must change no carry and add nothing: what a sample gets does not depend on the
 *   others, and more turns do no harm.
 *
 * batch_mean (e, average) {param lag}: in a training step the mean of e over the samples of its batch and over the
 *   turns of the maps (scans without carries) that it stands in; elsewhere `average`, which is what the
 *   evaluators give. Parameter `param` of the Model keeps the average. It counts as a constant of the
 *   sample: its derivative by anything is zero, until passes/train/means.c lowers it for training. lag = 1: `average` in
 *   training, too; the mean is then taken for it alone.
 *
 * integrate (y0..., dt, inv...) {method states steps every} @rates: fixed-step trajectory.
 *   rates' inputs: the states, time t (scalar), invariants, and if they want it (one input more than operands) the number
 *   of the step, a shared scalar, the same in all stages: the counter of draws; outputs: one rate per state.
 *   Results: each state stacked at steps 0, every, 2 every ... (steps/every + 1 of them).
 *   For symplectic methods states = 2 and rates = (dH/dp, -dH/dq).
 *
 * ode (y0..., times, inv...) {method states rtol atol max_steps watched record kinks} @rates: adaptive, dense output at times[nt], which
 *   may be per sample where the states are; results: each state stacked at every time, times[0] being the start, and behind them [2],
 *   the steps taken and those rejected. rtol, atol are bits of f64; both 0, by gauss16: max_steps steps of one length between two
 *   times. A sample that fails (abi.h says how it may) is NaN in these.
 *   The first `watched` states alone decide the steps: those behind them are tangents. record = R > 0: results more, of the accepted
 *   steps, of which there may be R at most (a sample that needs more fails as by max_steps): each state as steps begin [R, ..];
 *   times and lengths of steps [R, 2]; each state's rates as steps begin [R, ..] (not of gauss16 and taylor). There are as many as steps taken. Row 0 is the start, also where there is no step; rows behind those of steps are not defined. By `taylor` the rates become
 *   series before they are run (passes/jets): the body takes [t, h] for t and returns of each state the coefficients 1 ... of its
 *   solution in powers of (time - t)/h, on a new first axis. kinks = 1, which passes/jets sets: rates bend or jump, and are those of the
 *   branches that hold at [t]; steps are then checked, and end where they do (runtime/steppers/ode_taylor.inc).
 *
 * require (ok, x) {cause about}: 1 where ok, NaN where a method could not do what it promises; a factor of its results, so
 *   that their derivatives are NaN, too. What is said then quotes the cause, what `about` says of it (Cause), and the
 *   scalar x, mostly the step.
 *
 * reversible (x..., inv...) {states} @body: a step f of the states that g undoes. body inputs: states x,
 *   states y (of the same types), invariants; body outputs: f(x, inv), one for each state, of its type, then
 *   g(y, inv) likewise; f does not read y, g does not read x, and g(f(x, inv), inv) = x. Results: f(x, inv).
 *   Reverse mode may compute x from the results instead of keeping it (passes/derive/undo.c).
 *
 * root (k, inv...) @body: the vector k, found by whatever means, as a solution of r(k, inv) = 0. body takes (k, inv...)
 *   and returns r, of the dims of k, and the matrix dr/dk; or r alone, where k + r contracts. Its derivative is that of the solution, by inv alone
 *   (passes/derive/root.c); k itself is constant.
 *
 * lu (A): U, and under its diagonal the multipliers of L, whose own diagonal is 1; then a row that says which row changed
 *   places with row k when column k was eliminated: the first of those with the largest element. eigh (A): the eigenvectors in
 *   columns, then a row of eigenvalues. A factorisation stands for its matrix, and only those read it that are named in ops.def:
 *   its tangent and its cotangent are those of A, with a row of zeros below.
 *
 * barrier (x, c...): the value x. No pass looks through it or takes two for one, so what is computed from it
 *   is computed anew and not kept from an earlier time; the code for it comes after that of c....
 *
 * grad/jac/divergence/logjac (e, x): derivative of the graph between x and e; other uses of x's operands
 *   do not count. If e is per sample and x shared, the result is per sample. */

typedef enum Method {
  M_EULER,
  M_SYMPLECTIC_EULER,
  M_RK4,
  M_LEAPFROG,
  M_YOSHIDA4,
  M_YOSHIDA6,
  M_YOSHIDA8,
  M_IMPLICIT_MIDPOINT,
  M_GAUSS4,
  M_GAUSS6,
  M_DOPRI5,
  M_DOP853,
  M_TSIT5,
  M_GAUSS16,
  M_TAYLOR,
  M_count
} Method;
typedef struct MethodInfo {
  const char *name;
  int order;
  bool adaptive, symplectic, separable;
} MethodInfo;
extern const MethodInfo ir_method[M_count];                                                      /* ir/core/method.c */
static inline bool ir_records_rates(Method m) { return m != M_GAUSS16 && m != M_TAYLOR; }        /* with steps: `ode` */
static inline bool ir_fixed_steps(Method m) { return !ir_method[m].adaptive || m == M_GAUSS16; } /* takes steps of a given length */

typedef enum Cause {
  CAUSE_NOT_CONVERGED, /* the iteration of the implicit method `about` in a step of length x */
  CAUSE_NO_CROSSING,   /* a section met its surface not once in `about` steps of length x */
  CAUSE_ENDED,         /* nor until the time x, at which it was to end */
  CAUSE_LOST,          /* nor while its steps, of length x, were finite; about/2: the method, odd: by tolerances */
  CAUSE_TIMES,         /* the times of the method `about`, which begin with x, neither rise nor fall throughout */
  CAUSE_STATED, /* what the model asks of the call at the instruction's place: `stated` about/2 of its Source; odd: x is told */
  CAUSE_count
} Cause;
extern const char *const ir_cause[CAUSE_count];

/* eigh: of each vector the first element of at least so much of the largest is positive; most sweeps of rotations. */
#define EIGH_LEAST 0.3
enum { EIGH_SWEEPS = 40 };

/* ---- types of results (shape.c) ------------------------------------------------------------------- */

/* The type of op(args){attrs}@sub. On a violation returns false and says it in err. A const's dims and
 * a rand's type do not follow from operands: for these two *out holds the declared type on entry. */
bool ir_infer(const Fn *f, Op op, const Val *args, uint32_t nargs, const int64_t *attr, uint32_t nattr, const Fn *sub, Type *out,
              char *err, size_t errsize);
/* The type of result `index` of a MULTI instruction. */
bool ir_result_type(const Fn *f, const Inst *multi, uint32_t index, Type *out);
uint32_t ir_result_count(const Fn *f, const Inst *multi);
int64_t ir_turns(const Fn *f, const Inst *scan); /* to count work by: how many a loop has, or is taken to have */

/* ---- building (build.c, fold.c) --------------------------------------------------------------------- */

typedef struct Build {
  Fn *f;
  Span at; /* stamped on what is emitted */
  Role role;
  Op of;
  bool fold;                 /* fold constants and identities */
  bool number;               /* value-number (never id or barrier, nor IMPURE ops but draws) */
  bool powers;               /* no derivative is to come: half and negative powers become roots and products */
  bool stepless;             /* the function holds no `reversible`: known by who builds it */
  uint32_t *bucket, nbucket; /* private: hash table of value numbers */
} Build;

void ir_build_init(Build *b, Fn *f); /* fold and number on */
void ir_build_finish(Build *b);

/* How many operations this thread has appended to functions so far, copies included: what budgets count. */
uint64_t ir_written(void);
const uint64_t *ir_written_here(void); /* where this thread counts: others may load it atomically */
void ir_write(uint64_t n);             /* n more, other than by emitting */

/* Emits (or finds) an instruction. A type violation is a fault of the compiler. */
Val ir_emit(Build *b, Op op, const Val *args, uint32_t nargs, const int64_t *attr, uint32_t nattr, Fn *sub);

/* The same for const and rand, whose type is declared (ir_emit makes scalars of them). */
Val ir_emit_as(Build *b, Op op, const Val *args, uint32_t nargs, const int64_t *attr, uint32_t nattr, Fn *sub, Type declared);

/* Inputs and outputs. */
Val ir_input(Build *b, const char *name, InKind kind, uint32_t index, Type type);
void ir_output(Build *b, Val v, const char *name);

/* Constants. Exact rationals are kept: num/den with den > 0; den = 0 if only the f64 is known. */
Val ir_const(Build *b, double v); /* scalar; exact if v is an integer below 2^53 or plainly dyadic (1/2) */
Val ir_const_exact(Build *b, double v, int64_t num, int64_t den);
Val ir_splat(Build *b, double v, Type like);        /* shared constant with the dims of `like` */
Val ir_table(Build *b, Type type, const double *v); /* copies v */
Val ir_iota(Build *b, uint32_t n);
bool ir_normal(const Fn *f, double v);               /* neither 0, nor subnormal, nor infinite in the precision of f */
bool ir_is_const(const Fn *f, Val v, double *value); /* a splat constant, also a spread one */
bool ir_has_value(const Fn *f, Val x);               /* it is seen that real inputs make it a real number, not NaN */

/* One builder function per elementwise op: ir_tanh(b, x), ir_add(b, x, y), ir_lt(b, x, y), ... */
#define EW1(name, ...) Val ir_##name(Build *b, Val x);
#define EW2(name, ...) Val ir_##name(Build *b, Val x, Val y);
#define CMP(name, ...) Val ir_##name(Build *b, Val x, Val y);
#include "ir/ops.def"
Val ir_and(Build *b, Val x, Val y);
Val ir_or(Build *b, Val x, Val y);
Val ir_not(Build *b, Val x);

Val ir_rand(Build *b, int kind, uint32_t site, Val counter, Type type); /* counter may be VAL_NONE */
Val ir_select(Build *b, Val c, Val x, Val y);
Val ir_indicator(Build *b, Val c); /* 1 where c holds, else 0 */
Val ir_require(Build *b, Val ok, Val x, Cause cause, int64_t about);
Val ir_id(Build *b, Val x);
Val ir_barrier(Build *b, Val x, const Val *after, uint32_t nafter); /* those of `after` that are per sample count */
Val ir_spread(Build *b, Val x);                                     /* x itself if per sample already */
Val ir_batch_sum(Build *b, Val x);
Val ir_batch_mean(Build *b, Val e, Val average, uint32_t param);
Val ir_moving_mean(Build *b, Val e, Val average, uint32_t param); /* batch_mean with lag */
Val ir_reshape(Build *b, Val x, int rank, const uint32_t *dim);
Val ir_flip(Build *b, Val x, int axis);
Val ir_gather(Build *b, Val x, Val i);
Val ir_scatter(Build *b, Val c, Val i, uint32_t n, bool lanes);
Val ir_setrow(Build *b, Val x, Val i, Val v);
Val ir_transpose(Build *b, Val x, const int *perm); /* rank(x) entries */
Val ir_expand(Build *b, Val x, int axis, uint32_t n);
Val ir_expand_to(Build *b, Val scalar, Type dims); /* rank-0 value to the dims of a type */
Val ir_sum(Build *b, Val x, int axis);
Val ir_sum_all(Build *b, Val x); /* to a scalar, per sample */
Val ir_rmax(Build *b, Val x, int axis);
Val ir_rmin(Build *b, Val x, int axis);
Val ir_slice(Build *b, Val x, int axis, uint32_t start, uint32_t n, uint32_t step);
Val ir_unslice(Build *b, Val x, int axis, uint32_t start, uint32_t step, uint32_t total);
Val ir_window(Build *b, Val x, int axis, uint32_t size, uint32_t step);
Val ir_unwindow(Build *b, Val x, int axis, uint32_t step, uint32_t total);
Val ir_index(Build *b, Val x, int axis, uint32_t i); /* slice of one, axis removed */
Val ir_concat(Build *b, const Val *x, uint32_t n, int axis);
Val ir_stack(Build *b, const Val *x, uint32_t n); /* along a new first axis */
Val ir_take(Build *b, Val x, int axis, const uint32_t *index, uint32_t n);
Val ir_put(Build *b, Val x, int axis, uint32_t total, const uint32_t *index, uint32_t n);
Val ir_diag(Build *b, Val x);
Val ir_diagv(Build *b, Val x);
Val ir_tri(Build *b, Val x, bool upper, int k);
Val ir_dot(Build *b, Val x, Val y, bool lanes, const int *la, const int *lb, int nout, const int *lo);
Val ir_cauchy(Build *b, Val x, Val y, Val k, bool weighted, const int *la, const int *lb, int nout,
              const int *lo);          /* labels: of rows */
Val ir_matmul(Build *b, Val x, Val y); /* the language's `@`: last with first axis */
Val ir_trisolve(Build *b, Val a, Val x, bool upper, bool trans);
Val ir_lu(Build *b, Val a);
Val ir_lu_solve(Build *b, Val lu, Val x, bool trans);
Val ir_solve(Build *b, Val a, Val x, bool trans); /* of a matrix */
Val ir_eye(Build *b, uint32_t n);
Val ir_det(Build *b, Val lu);
Val ir_logdet(Build *b, Val lu);
Val ir_cholesky(Build *b, Val a);
Val ir_eigh(Build *b, Val a);
Val ir_eigvals(Build *b, Val eigh);
Val ir_eigvecs(Build *b, Val eigh);
Val ir_scan(Build *b, const Val *args, uint32_t nargs, uint32_t n, uint32_t carry, uint32_t xs, uint32_t ys, uint32_t zs,
            bool reverse, uint32_t converge, Fn *body);
Val ir_proj(Build *b, Val multi, uint32_t index);
Val ir_integrate(Build *b, Method m, const Val *y0, uint32_t states, Val dt, const Val *inv, uint32_t ninv, uint32_t steps,
                 uint32_t every, Fn *rates);
Val ir_ode(Build *b, Method m, const Val *y0, uint32_t states, Val times, const Val *inv, uint32_t ninv, double rtol, double atol,
           int64_t max_steps, Fn *rates);
Val ir_ode_as(Build *b, const ode_attr *attr, const Val *y0, Val times, const Val *inv, uint32_t ninv, Fn *rates);
Val ir_reversible(Build *b, const Val *args, uint32_t nargs, uint32_t states, Fn *body);
Val ir_root(Build *b, const Val *args, uint32_t nargs, Fn *body);
Val ir_grad(Build *b, Val e, Val x);
Val ir_jac(Build *b, Val e, Val x);
Val ir_divergence(Build *b, Val e, Val x);
Val ir_logjac(Build *b, Val e, Val x);

/* ---- copying (copy.c) --------------------------------------------------------------------------------- */

/* Copies instruction v of `from` into b with its operands looked up in map (indexed by id of `from`),
 * keeping place and role; sub-functions are copied too. `in` must be mapped beforehand. */
Val ir_copy_inst(Build *b, const Fn *from, Val v, const Val *map);
/* Emits the body of `callee` with its inputs bound to args; writes its outputs. */
void ir_inline(Build *b, const Fn *callee, const Val *args, Val *out);
Fn *ir_copy_fn(Fn *parent_or_null, const Fn *f);  /* deep copy; without folding or numbering */
Fn *ir_with_lanes(const Fn *f, const bool *lane); /* which inputs are per sample, as all outputs then are (lanes.c) */
/* Which instructions reach an output (or a carry, ys, zs that does): live[id]. Caller frees. */
bool *ir_live(const Fn *f);

/* ---- text (print.c, parse.c) ------------------------------------------------------------------------- */

/* fn @circles(%1 "q": f64[B,32,3], ...) -> (f64[B]) { one instruction a line, its type, its place };
 * parse(print(f)) equals f. With src, places are comments `# kepler.hnn:50:11, adjoint of mul`. */
void ir_print(FILE *out, const Fn *f, const Source *src);
void ir_print_inst(FILE *out, const Fn *f, uint32_t id); /* the line of one instruction, without its place */
char *ir_text(const Fn *f);                              /* the same without places, for base_free: the cache key */
Fn *ir_parse(Source *src, uint32_t file, Diag *diag);    /* NULL after an error */
Fn *ir_parse_next(Source *src, uint32_t file, uint32_t *offset, Diag *diag); /* one of several; NULL at the end */
void ir_dot_graph(FILE *out, const Fn *f);                                   /* graphviz */

/* ---- verifying (verify.c) ----------------------------------------------------------------------------- */

/* Re-infers every type and checks every invariant; lists all violations inside the printed function.
 * Returns the number of violations. */
int ir_verify(const Fn *f, FILE *out);

/* ---- evaluating (ir/eval): the reference, slow and plain, in f64 ------------------------------------- */

typedef struct Tensor {
  Type type;
  double *v; /* lane: v[element * B + sample]; shared: v[element]; bools are 0 or 1 */
} Tensor;

typedef struct EvalEnv {
  uint64_t seed, sample0; /* for rand: key, number of the first sample */
  /* The generator: elems x lanes values, out[e * lanes + s] for sample sample0 + s. */
  void (*draw)(int kind, uint64_t seed, uint64_t sample0, int64_t lanes, uint32_t site, uint32_t counter, int64_t elems,
               double *out);
  bool any_row; /* an index that is no row stands for one (its nearest whole number, modulo the rows): for points drawn at random */
  /* The adaptive stepper, see abi.h (HnnOde); NULL makes `ode` an error. */
  int32_t (*ode)(HnnOde *);
  /* When set, called after each instruction with its value and operands (NaN hunts, traces), of inputs without; false stops
   * the evaluation. */
  bool (*watch)(void *ctx, const Fn *f, Val v, const Tensor *value, const Tensor *const *args);
  /* When set, called after an `ode` in which samples failed. */
  void (*failed)(void *ctx, const Fn *f, Val v, const HnnOde *ode);
  void *ctx;
} EvalEnv;

/* Evaluates f on B samples. Inputs are given with their types; outputs are allocated (free with
 * ir_tensors_free). grad, jac, divergence, logjac and integrate must have been expanded; of `reversible`, f is computed. False + err on failure. */
bool ir_eval(const Fn *f, int64_t B, const Tensor *in, Tensor *out, const EvalEnv *env, char *err, size_t errsize);
/* Operations on numbers that it takes for a sample, about; each instruction costs `dispatch` more. */
double ir_eval_cost(const Fn *f, double dispatch);
double ir_inst_cost(const Fn *f, const Inst *i);
void ir_tensors_free(Tensor *t, uint32_t n);
double ir_eval_scalar(Op op, double a, double b); /* one elementwise op, from the table */

#endif
