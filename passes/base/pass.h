/* The floor of the passes: what they tell whoever watches (pass.c), small values (value.c), partial derivatives of
 * operators (partial.c), cuts (cut.c), operators that are part of others (part.c). Private to passes. */
#ifndef HNNC_PASSES_BASE_PASS_H
#define HNNC_PASSES_BASE_PASS_H

#include "passes/passes.h"

/* Every pass ends with `return pass_done(run, "derive", start, out)`, start being pass_now() at its
 * beginning: adds to the times, prints and verifies as it is asked. Returns out; a violation is
 * a fault of the compiler. NULL is passed through. */
Fn *pass_done(PassRun *run, const char *name, double start, Fn *out);

/* To who waits: what is being done, of which function (or NULL), where. */
void pass_at(const PassRun *run, const char *what, const char *name, Span at);

/* ---- trace.c: both do nothing where nobody asks ------------------------------------------------- */

/* What a pass ends with, by pass_done. */
void pass_trace_stage(PassTrace *t, const char *pass, Fn *out);
/* The place of what is derived of an instruction at `at`. */
Span pass_trace_derived(Span at);
void pass_trace_pattern(PassTrace *t, Span at, const char *way, const Pattern *p, uint32_t ncolour, const uint32_t *colour,
                        bool rows);
/* Of a Jacobian whose pattern is not known. */
void pass_trace_unknown(PassTrace *t, Span at, const char *way, uint32_t rows, uint32_t cols);

/* Operations of one function, those of its bodies too: beyond, derivatives and trajectories are not written out. */
enum { PASS_MOST = 1000000 };
/* Whether what was written since ir_written() was `before`, or will be, is more, which is said of what stands at `at`. */
bool pass_too_large(uint64_t before, uint64_t more, const char *what, Span at, Diag *diag);

/* ---- value.c ---------------------------------------------------------------------------------- */

Val *pass_inputs(const Fn *f);               /* of all; the caller frees */
Val pass_input(const Fn *f, uint32_t index); /* the `in` instruction, VAL_NONE if there is none */
Type pass_type_with(Type t, bool lane);
Val pass_with_lane(Build *b, Val v, bool lane);  /* spread if lane is asked for */
Val pass_weighted(Build *b, Val w, Val x);       /* w times the stages x: a square matrix gives stages again, a vector one state */
Val pass_zero_like(Build *b, Type t);            /* zeros of exactly this type */
Val pass_value_or_zero(Build *b, Val v, Type t); /* v with the lane of t; zeros for VAL_NONE */
Type pass_turn_type(Type t);                     /* what one turn of a loop gets of a stacked value */
bool pass_has_derivatives(const Fn *f);          /* itself, not its bodies */
/* The status of an iteration, first carry of a scan with `converge` = 2: 1 at first, less after each turn, 0 at rest. Whether it is late,
 * so that less is asked for; the next one, of lanes that are under way (`on`) and of those that come to rest (`still`). */
Val pass_status_late(Build *b, Val status);
Val pass_status_next(Build *b, Val status, Val on, Val still);
static inline bool pass_holds(const Fn *f, unsigned traits, Op op) { return ir_holds(f, traits, op); }
/* Marks, by id, what the marked values are computed from. */
void pass_mark_needed(const Fn *f, bool *need);
/* The same attributes, tables by what they hold; the same function, instruction for instruction, without draws. */
bool pass_same_attrs(const Fn *f, const Inst *i, const Fn *g, const Inst *j);
bool pass_same(const Fn *f, const Fn *g);

/* Counts of work, which end at INT64_MAX. */
static inline int64_t pass_plus(int64_t a, int64_t b) { return __builtin_add_overflow(a, b, &a) ? INT64_MAX : a; }
static inline int64_t pass_times(int64_t a, int64_t b) { return __builtin_mul_overflow(a, b, &a) ? INT64_MAX : a; }

/* ---- part.c ------------------------------------------------------------------------------------ */

/* Steps and trajectories whose states are the first ones of another, computed in the same way from the same values. */
typedef struct Parts {
  const Fn *f;
  bool through;     /* also where the variable of a derivative stands between the values and one of the two */
  uint32_t *by;     /* by id of an operator: the one that it is part of, or 0; following these ends */
  uint32_t *copied; /* private: by id of an operator, it in the copy that is compared */
  VEC(uint32_t) op; /* `reversible` and `integrate` of f, not of its bodies; where there is one alone it is not listed */
  bool any;
} Parts;
void pass_parts(const Fn *f, bool through, Parts *s);
void pass_parts_finish(Parts *s);
uint32_t pass_part_of(const Parts *s, uint32_t id); /* that an operator is part of in the end; itself */

/* ---- copy.c ------------------------------------------------------------------------------------ */

/* The walk by which passes copy a function into b: forwards, instruction by instruction, what they do not change as it
 * stands. Places and roles survive: while the rule has instruction i, the builder stamps what i bears. */
typedef struct Copy {
  const Fn *from;
  Build *b;
  Val *map;         /* by id of from: in b; VAL_NONE: not there */
  Val **result;     /* by id of a MULTI instruction that was taken apart: its results, malloc'ed */
  const bool *live; /* by id of from: the others are left out; NULL: none is */
  bool *variable;   /* by id of from: a derivative is taken by it; NULL: from holds no derivatives */
  bool failed;      /* set by a rule, ends the walk */
  void *ctx;        /* the pass's */
} Copy;

/* What becomes of instruction id, whose operands are in c->map; or VAL_NONE, with its results in c->result[id]. Neither: it
 * is copied as it stands. Inputs that are mapped are not asked for. */
typedef Val CopyRule(Copy *c, uint32_t id, const Inst *i);

/* A copy of f, with a parent in its arena. NULL if the rule failed. */
Fn *copy_fn(Fn *parent, const Fn *f, CopyRule *rule, void *ctx);
/* Emits the instructions of callee (live: these alone) with its inputs bound; map: by id of callee. */
void copy_emit(Build *b, const Fn *callee, const Val *args, const bool *live, CopyRule *rule, void *ctx, Val *map);

/* The same by its steps: begin, inputs or bind, walk, outputs, end. */
void copy_begin(Copy *c, Build *b, const Fn *from, void *ctx);
void copy_inputs(Copy *c); /* as inputs of b->f */
void copy_bind(Copy *c, const Val *args);
void copy_walk(Copy *c, CopyRule *rule);
void copy_inst(Copy *c, uint32_t id, CopyRule *rule); /* one instruction; rule NULL: none */
void copy_outputs(Copy *c);
void copy_end(Copy *c);
/* Instruction i with another body, which is in the arena of b->f. */
Val copy_body(Copy *c, const Inst *i, Fn *body);
/* With a body of its own arena, which is taken over. */
Val copy_own_body(Copy *c, const Inst *i, Fn *body);
/* With its body copied by the rule, if that holds `op`; VAL_NONE: it has no body, or one without. */
Val copy_inside(Copy *c, const Inst *i, Op op, CopyRule *rule);

/* ---- partial.c -------------------------------------------------------------------------------- */

/* Of an elementwise operator by operand k, as postfix text (see there); NULL: there is none. */
const char *pass_partial_text(Op op, uint32_t k);
bool pass_partial_exists(Op op, uint32_t k);
/* It is emitted; operands 'x', 'y' and the result 'z' are asked for where the text has them. */
typedef Val PartialOperand(void *ctx, char letter);
Val pass_partial(Build *b, Op op, uint32_t k, PartialOperand *operand, void *ctx);

/* ---- cut.c ------------------------------------------------------------------------------------ */

/* A function cut into pieces that run one after the other: which values leave the piece that makes them, and
 * which are made again where they are read. For the phases of a training step (split.c) and for maps that are
 * cut at a mean over the batch (means.c). */

#define CUT_FREE UINT32_MAX /* at hand in every piece: inputs, constants */

typedef struct Cut {
  const Fn *f;
  uint32_t n;            /* pieces */
  const uint32_t *piece; /* by id: which makes it; operands come from this piece or earlier ones */
  const bool *root;      /* by id: an output of its piece in any case */
  const bool *dear;      /* by id, may be NULL: never made again */
  bool once;             /* shared values of rank > 0 are made once: pieces are run for each tile of samples */
  /* by cut_cross: */
  bool *made;    /* by id: made in its own piece */
  bool *carried; /* by id: leaves it */
  bool *reads;   /* [piece * f->inst.n + id]: enters that piece as an input */
} Cut;

void cut_cross(Cut *c);
void cut_finish(Cut *c);
bool cut_reads(const Cut *c, uint32_t piece, uint32_t id);

/* A carried value as it lies between pieces: bools as 0 and 1, and never of the highest rank, so that a
 * map can stack it. */
Val cut_leave(Build *b, Val v);
Type cut_type(Type t);
Val cut_enter(Build *b, Val v, Type t);

#endif
