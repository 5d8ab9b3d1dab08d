/* Passes over the graph IR. Each is a file with its contract on top and its public function last.
 * A pass returns a new function (its own arena) and leaves its input alone. */
#ifndef HNNC_PASSES_PASSES_H
#define HNNC_PASSES_PASSES_H

#include "ir/field/field.h"
#include "ir/ir.h"
#include "ir/core/pattern.h"

/* ---- a run of passes (pass.c) --------------------------------------------------------------------------------------------- */

typedef struct PassTime {
  char name[64]; /* a copy: symbols of kernels end with their compiler */
  double seconds;
  uint32_t runs;
} PassTime;
typedef struct PassSwept { /* a Jacobian that was expanded by its structure (jacobian.c) */
  Span at;
  int way;
  uint32_t rows, cols, nonzeros;
  int64_t sweeps, plainly;        /* as many as without structure */
  uint32_t blocks, largest, held; /* of a log-determinant: blocks, rows of the largest; uses that were held constant */
} PassSwept;

/* Where what passes make comes from (trace.c), for who asks. Every instruction of every function that a pass ends with has a number, from 1:
 * instruction `id` of a function whose numbers begin at `first` has first + id - 1; bodies are functions of their own, inside. */
typedef struct TraceFn {
  const Fn *fn;          /* in the copy that its stage keeps */
  uint32_t first, stage; /* a number; an index */
} TraceFn;
typedef struct TraceStage {
  const char *pass;  /* "simplify", ...; "" of what passes were given */
  const char *same;  /* those behind it that changed nothing: "derive, overlap"; NULL: none */
  Fn *fn;            /* a copy, with its places */
  uint32_t top, nfn; /* its functions in `fn`: itself at `top`, its bodies behind it */
} TraceStage;
typedef struct TraceFrom {
  uint32_t from; /* the instruction of an earlier stage that it is a copy of, is what became of, or is derived from; 0: none */
  bool derived;  /* an adjoint or a tangent of it, see Inst.role */
} TraceFrom;
typedef struct TracePattern { /* of a Jacobian that was expanded */
  Span at;
  const char *way; /* "columns by colours", or why not so */
  bool known;      /* the pattern */
  Pattern pattern;
  uint32_t ncolour, *colour; /* by column, or by row where rows are coloured */
  bool rows;
} TracePattern;
typedef struct PassTrace {
  Arena *mem;
  VEC(TraceStage) stage;
  VEC(TraceFn) fn;
  VEC(TraceFrom) from; /* by number - 1 */
  VEC(Span) at;        /* likewise: its place in the source */
  VEC(TracePattern) pattern;
} PassTrace;
PassTrace *pass_trace_create(void);
void pass_trace_destroy(PassTrace *t);
/* f is what passes are given next: it becomes the first stage, and is marked. */
void pass_trace_begin(PassTrace *t, Fn *f);
/* The number of an instruction of what passes have made since: of a part of a split, or of what is made of it and keeps places; 0: none. */
uint32_t pass_trace_number(const PassTrace *t, const Inst *i);
Span pass_trace_at(const PassTrace *t, Span at); /* in the source, of a place that passes had */

/* What passes are asked, and what they tell: for --print-after, --time-passes and --verify-each. Every pass takes one, or
 * NULL where nobody asks. One thread uses it at a time. All zeros but for what is asked; pass_run_finish frees it. */
typedef struct PassRun {
  const char *print_after; /* a pass, "all" or NULL */
  bool verify_each, time;
  bool loops; /* trajectories of fixed steps become loops over operators, even where a stepper would do */
  FILE *out;  /* NULL: stderr */
  const Source *src;
  void (*at)(const char *what, const char *name, Span at); /* hears what is at hand; NULL: nobody */
  PassTrace *trace;                                        /* NULL: nobody asks where instructions come from */
  VEC(PassTime) times;
  VEC(PassSwept) swept; /* Jacobians expanded by their structure */
} PassRun;
void pass_run_finish(PassRun *run);
void pass_timed(PassRun *run, const char *name, double seconds); /* also for work outside this floor */
void pass_times_print(const PassRun *run, FILE *out);
double pass_now(void); /* monotonic seconds */

/* ---- from a model's functions to what is compiled (pipeline.c) ------------------------------------------------------------ */

/* Expands grad, jac, divergence, logjac, innermost first, and `integrate`; simplifies before and
 * after each level. Errors (an `ode` or `rand`-free violation) go to diag with their place. NULL
 * after an error. Afterwards no DERIV op and no `integrate` is left anywhere, and no `batch_mean`: its average
 * stands in for it. (Training lowers means before: pass_gradient.) */
Fn *pass_derive(PassRun *run, const Fn *f, Diag *diag);

/* What the backward pass of training reads of the states of reversible steps and symmetric trajectories:
 * those kept forwards, or those computed again from the end (undo.c). MEMORY_AUTO: what memory.c finds cheaper.
 * It counts for the gradient of a mean by parameters (what pass_gradient makes); every other
 * derivative keeps states. `chosen` (may be NULL): the way taken; bytes: what keeping them takes for one
 * sample, by the estimate, 0 where nothing could be computed again. */
typedef enum { MEMORY_AUTO, MEMORY_STORED, MEMORY_REVERSIBLE } Memory;
typedef struct MemoryChoice {
  Memory way;
  int64_t bytes;
} MemoryChoice;
Fn *pass_derive_as(PassRun *run, const Fn *f, Memory memory, MemoryChoice *chosen, Diag *diag);
int64_t pass_memory_bytes(const Fn *gradient);
/* Of a derived function, for one sample: what is alive at once; its work, with what memory beyond the cache comes to. */
typedef struct MemoryCost {
  int64_t bytes, work;
} MemoryCost;
MemoryCost pass_memory_cost(const Fn *f);
/* Whether outputs [from, to) follow from input `index` (base/value.c). */
bool pass_follows(const Fn *f, uint32_t from, uint32_t to, uint32_t index);
/* The machine, as MEMORY_AUTO takes it to be. */
enum {
  MEMORY_CACHE = 1 << 20,                   /* bytes of second-level cache */
  MEMORY_TILE = 16,                         /* samples that share it */
  MEMORY_KEPT = MEMORY_CACHE / MEMORY_TILE, /* of one sample that fit into it */
  MEMORY_WORK = 8,                          /* operations in the time in which a byte is written to memory and read again */
  MEMORY_SLOW = 10,                         /* operations that a transcendental function takes the time of */
  MEMORY_MOST = 1 << 20                     /* bytes of one sample: of 64 threads with a tile each 1 GiB */
};
/* Carries of a loop for a backward pass, of one sample: beyond this it runs in segments (derive/segment.c). */
enum { MEMORY_LOOP = 1 << 20 };

/* simplify.c: folds, value-numbers, reassociates where exact, drops what is dead, also in
 * sub-functions (dead carries, ys, zs; last slice of a stacked carry becomes the carry). To a
 * fixed point. */
Fn *pass_simplify(PassRun *run, const Fn *f);
/* Maps along stacked parameters as plain operations; NULL if there are none. */
Fn *pass_unmap(PassRun *run, const Fn *f);

/* overlap.c: overlapping stretches of products, added up, become products through windows; simplified again where there are such. */
Fn *pass_overlap(PassRun *run, const Fn *f);
/* rescale.c: carries of loops that are only read times a constant take it in; simplified again where there are such. */
Fn *pass_rescale(PassRun *run, const Fn *f);

/* Derived as by pass_derive_as, simplified, rescaled; powers written out: no derivative may be taken of it. NULL
 * after an error. */
Fn *pass_lower(PassRun *run, const Fn *f, Memory memory, MemoryChoice *chosen, Diag *diag);

/* without.c: of the same values, without the operators that `lacks` names, which are put in terms of others; NULL: all that can be. */
Fn *pass_without(PassRun *run, const Fn *f, bool (*lacks)(Op op, bool f64));

/* train.c: from a loss (params..., fields... -> scalar, per sample) the gradient function
 *   (params..., fields..., weight: [B]) -> (loss = batch_sum(weight*loss), d loss/d p for each p in
 *   `moved`, a list of parameter numbers (Input.index)); still with `grad` in it. weight is 1/B for
 *   live samples and 0 for padding, so every batch sum comes out right.
 * A loss with means over the batch (`batch_mean`) is lowered first, by means.c. Then after the gradients come the
 * means of this step, one for each parameter that keeps an average, which `running` lists in that order (NULL:
 * not asked; its array is malloc'ed). Without such means the list is empty and there are no errors; NULL after an
 * error. */
typedef struct Running {
  uint32_t *param;
  uint32_t n;
} Running;
Fn *pass_gradient(PassRun *run, const Fn *loss, const uint32_t *moved, uint32_t nmoved, Running *running, Diag *diag);
/* The mean alone, as outside of training: (params..., fields..., weight) -> batch_sum(weight*loss). */
Fn *pass_mean(PassRun *run, const Fn *loss);
/* The mean whose gradient pass_gradient takes: means over the batch are those of these samples. NULL after an error. */
Fn *pass_step_mean(PassRun *run, const Fn *loss, Diag *diag);

/* product.c: products of f (params..., arguments (fields)... -> results, all per sample) with its Jacobian J; derivatives stay operators.
 *   vjp: (params..., arguments..., one cotangent g, g0, g1, ... for each result[, weight]) -> g^T J for each argument, then,
 *        by_params, for each parameter of f, if it has any, that sum over the samples (weight: 1, of padding 0); of such a sum no
 *        further product can be taken
 *   jvp: (params..., arguments..., a tangent v_NAME for each argument) -> J v for each result
 *   hvp: of the only result, a scalar: (..., v_NAME...) -> (Hessian v) for each argument
 *   grad: of the only result, a scalar: (params..., arguments...) -> it, then its gradient by each argument */
typedef enum { PRODUCT_VJP, PRODUCT_JVP, PRODUCT_HVP, PRODUCT_GRAD, PRODUCT_KINDS } ProductKind;
extern const char *const pass_product_name[PRODUCT_KINDS]; /* "vjp", ... */
bool pass_has_product(const Fn *f, ProductKind kind);
Fn *pass_product(PassRun *run, const Fn *f, ProductKind kind, bool by_params);

/* jacobian.c: a line for each Jacobian that was expanded by its structure since the last call: nonzeros, and how many
 * sweeps were taken. Forgets them. out NULL: only that. */
void pass_jacobians_print(PassRun *run, FILE *out, const char *comment, const Source *src);

/* rule.c: the partial derivative of an elementwise operator by operand k, from the op table, as mathematics in x, y and the result z:
 * "1 - z^2" of tanh. NULL: there is none. */
const char *pass_rule_text(Op op, uint32_t k, char *buf, size_t size);

/* watch.c: f with one output more, per sample: 0, or NaN if a trajectory in it is not finite. Without trajectories a copy. */
Fn *pass_watch(const Fn *f);

/* split.c: cuts a derived function into parts, which are run one after the other:
 *   part 0       `pre`: what follows from shared inputs alone; shared -> shared
 *   part 2k+1    phase k of the batch, for each sample -> values per sample and sums over the batch
 *   part 2k+2    shared work that needs those sums; shared -> shared; the last one is `post`
 * One phase is enough unless samples need a sum over all of them, as of a mean over the batch. A phase takes the
 * original inputs, a shared part those without lanes; then the outputs of `pre`; then what it reads of the parts
 * between: shared values, and in a phase also values per sample of earlier phases. Outputs of a phase that are
 * shared are sums over the batch. `in` and `from` say where inputs and the original outputs come from. */
enum { PART_INPUT = -1 };
typedef struct PartRef {
  int part;
  uint32_t index;
} PartRef; /* of a part's outputs; PART_INPUT: of the inputs */
typedef struct SplitPart {
  Fn *fn; /* NULL: nothing to do */
  PartRef *in;
} SplitPart;
typedef struct Split {
  SplitPart *part;
  uint32_t n;    /* n is odd, at least 3 */
  PartRef *from; /* one per output of the original */
} Split;
bool pass_split(PassRun *run, const Fn *f, Split *out, Diag *diag);
void pass_split_finish(Split *s);
/* "pre", "batch", "between1", "batch2", ... "post"; and for symbols "_pre", "", "_between1", "_batch2", ... */
enum { SPLIT_NAME = 32 };
const char *pass_split_name(const Split *s, uint32_t part, char buf[SPLIT_NAME]);
const char *pass_split_suffix(const Split *s, uint32_t part, char buf[SPLIT_NAME]);
/* The first phase alone makes every output, in order. */
bool pass_split_whole(const Split *s, const Fn *f);

/* All of it: of fn, or, if `gradient`, of the gradient of the loss fn by the parameters `moved` (pass_gradient). */
typedef struct PassJob {
  const Fn *fn;
  Memory memory;
  bool gradient;
  const uint32_t *moved;
  uint32_t nmoved;
} PassJob;
typedef struct Lowered {
  Fn *fn;              /* whole, as pass_lower makes it; NULL after an error before */
  MemoryChoice memory; /* how it keeps states for its gradient */
  Running running;     /* of a gradient */
  Split split;         /* of fn */
} Lowered;
bool pass_lower_all(PassRun *run, const PassJob *job, Lowered *out, Diag *diag); /* *out is to be finished in any case */
void pass_lowered_finish(Lowered *l);

/* ---- questions (pipeline.c) ------------------------------------------------------------------------------------------------ */

/* Whether the Hamiltonian behind the rates of a symplectic method is T(p) + V(q); see check/separable.c
 * for how that is decided. Errors of deriving go to diag. */
bool pass_separable(PassRun *run, const Fn *rates, Diag *diag);

/* The name in the language of an operation that bends or jumps, or NULL. check/kinks.c */
const char *pass_kink(const Inst *i);
/* By instruction: a result of f depends on it. What goes into `fixed` alone does not count, such as the largest element in softmax. To be freed. */
bool *pass_seen(const Fn *f);
/* The first of f that hangs on its first n inputs, with its place; a `where` is one, too, by its condition. */
const char *pass_kink_by_inputs(const Fn *f, uint32_t n, Span *kink);

/* Which elements of e may depend on which of x, both values of f, which may hold derivatives and
 * trajectories. Initializes *out; all of them where f cannot be derived. */
void pass_pattern(PassRun *run, const Fn *f, Val e, Val x, Pattern *out);

/* Whether a and b, which may hold derivatives and trajectories, are the same function, exactly. */
FieldAnswer pass_decide(PassRun *run, const Fn *a, const Fn *b, FieldReport *r);
const char *pass_decide_version(void); /* a hash of what its answers follow from, next to the functions */

/* ---- more ---------------------------------------------------------------------------------------------------------------- */

/* optim.c: optimizer updates as functions in which *each parameter element is a sample*, so the
 * same code generator serves them. Inputs: p, g, state... (lane scalars), then shared scalars named
 * below; outputs: p, state... */
typedef enum { OPT_ADAM, OPT_ADAMW, OPT_SGD, OPT_RMSPROP, OPT_LBFGS, OPT_count } OptKind;
typedef struct Optim {
  OptKind kind;
  double lr, beta1, beta2, eps, weight_decay, momentum, alpha;
  bool nesterov;
  int history, max_iter; /* lbfgs */
} Optim;
extern const char *const pass_optim_name[OPT_count];
int pass_optim_states(const Optim *o); /* number of state arrays: adam 2, ... */
/* scalars: lr (scheduled), scale (clipping: multiplies g), bias1 = 1/(1-beta1^t), bias2 = 1/(1-beta2^t) */
Fn *pass_optim_update(PassRun *run, const Optim *o, bool f64);
Fn *pass_optim_norm(PassRun *run, bool f64); /* g -> batch_sum(g^2); padding of g must be zeros */

/* flops.c: counted from the op table: 2 for a multiply-add of a dot, 1 for an elementwise add, mul,
 * div, sqrt, compare, select; transcendental functions count 1 too and are listed apart. A scan
 * counts its turns. */
typedef struct Flops {
  int64_t per_sample, once, transcendental_per_sample;
} Flops;
Flops pass_flops(const Fn *f);
int64_t pass_inst_flops(const Fn *f, const Inst *i); /* of one instruction, once, of one sample; what its body does is not in it */
void pass_flops_print(FILE *out, const Fn *f);       /* a line per op with its share */

/* pipeline.c: the table of passes by name, for `hnnc opt --passes=derive,simplify FILE.hir`. */
typedef VEC(Fn *) FnList;
/* Adds what the pass makes of f to `out`: a function, or, of `split`, its parts. False after an error, also of a name that
 * there is not. */
bool pass_by_name(PassRun *run, const char *name, const Fn *f, FnList *out, Diag *diag);
/* The names of passes that are run by hand, or that --print-after may name; how many. */
typedef enum { PASS_BY_HAND, PASS_REPORTED } PassUse;
enum { PASS_NAMES = 16 };
uint32_t pass_names(PassUse use, const char *names[PASS_NAMES]);

#endif
