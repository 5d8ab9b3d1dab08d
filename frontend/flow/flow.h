/* Flows; private to elab_flow*.c and elab_claim*.c.
 *
 * The body of a flow is elaborated into a level of its own, the *recording*, as a list of steps; nothing of
 * it is emitted as it stands. Each state has a current *reading*, an `id` that the expressions of statements
 * are computed from. A step ends with new readings, of all states: placeholders that stand for the state
 * behind it. (All of them are new, so that a derivative by one of them never sees how another came about.)
 *
 * A flow is run, undone, or asked for its log-determinant by walking its steps, first or last first, and copying
 * their expressions out of the recording, with the readings replaced by the values at hand. What makes
 * that possible is checked when a step is recorded: it reads no state that it moves, and nothing that was
 * computed from a state before an earlier step moved it. */
#ifndef HNNC_FRONTEND_FLOW_FLOW_H
#define HNNC_FRONTEND_FLOW_FLOW_H

#include "frontend/elab/elab.h"

enum { FLOW_STATES = 16 };

/* A state, or elements start ... start + n - 1 of its first axis; n = 0: the whole. index: one element, without the axis. */
typedef struct Piece {
  uint32_t slot, start, n;
  bool index;
} Piece;

typedef enum StepKind {
  STEP_SHIFT,   /* x += e */
  STEP_SCALE,   /* x *= exp(e) */
  STEP_PERMUTE, /* elements moved, some with their sign changed */
  STEP_ASSIGN,  /* any, with its inverse */
  STEP_CALL,    /* another flow in place */
  STEP_EVOLVE,  /* the motion under a Hamiltonian or along a field */
  STEP_RUNNING, /* moves nothing: a mean over the batch */
} StepKind;

typedef struct Step {
  StepKind kind;
  const Stmt *stmt;
  bool negative; /* -=, /=, inverse(T)(...) */
  Piece piece[FLOW_STATES];
  uint32_t n;      /* what it moves */
  uint32_t number; /* of the step: readings before it have numbers up to this, those behind it this + 1 */
  Val e;           /* SHIFT, SCALE, RUNNING; EVOLVE: the time */
  Val after[FLOW_STATES], before[FLOW_STATES]; /* ASSIGN, by piece: new state from old readings, old from new */
  const uint32_t *from;
  const bool *minus; /* PERMUTE: by element of the moved states laid end to end */
  const Func *func;  /* CALL: the flow; EVOLVE: H or the field */
  const Func *method;
  int64_t steps;
  bool under;              /* EVOLVE */
  uint32_t running, param; /* RUNNING: its number, its average */
  bool lag;                /* RUNNING: a moving_mean */
} Step;

/* A reading: of slot `slot` before step `number`; or, from slot FLOW_STATES on, the mean of a `running`. */
typedef struct Reading {
  Val v;
  uint32_t slot, number;
} Reading;

typedef struct Slot {
  const char *name;
  uint32_t entry; /* in the flow's frame */
  Type type;
  uint32_t number; /* of the current reading: the steps before it, that of the last one that moved it */
} Slot;

struct Flow {
  const Func *f;
  Frame *frame;
  Level level; /* the recording; level.up is where the flow is used */
  Slot slot[FLOW_STATES];
  uint32_t n;
  uint32_t nrunning;
  VEC(Step) steps;
  VEC(Reading) readings; /* by rising v */
  VEC(uint32_t) stamp;
  uint32_t stamped; /* by id of the recording: marks of the last walk */
  bool broken;      /* an error was said */
};

/* ---- flow/flow_cone.c: what expressions of a recording are computed from ------------------------------- */

const Reading *flow_reading(const Flow *w, Val v); /* NULL if v is none */
typedef struct Cone {
  VEC(uint32_t) ids;
} Cone; /* rising ids; readings included, what they come from not */
void flow_cone(Flow *w, const Val *root, uint32_t n, Cone *out);
/* Whether v may depend on elements of the pieces, as read now; or on a reading that is past (*stale). */
bool flow_reads(Flow *w, const Val *root, uint32_t nroot, const Piece *piece, uint32_t n, const Reading **which, bool *stale);
/* Whether values of the recording really change with elements that they read, decided: a derivative may not. */
bool flow_depends(Elab *E, Flow *w, const Val *root, uint32_t nroot, const Piece *piece, uint32_t n);
/* Which element of which state element e of v is, plain or with its sign changed. */
bool flow_element(const Flow *w, Val v, int64_t e, uint32_t *slot, int64_t *element, bool *minus);
/* The tensors of the recording that a function was made with (template arguments), appended to out. */
typedef struct ValList {
  VEC(Val) v;
} ValList;
void flow_tensors(const Flow *w, Value v, ValList *out);

/* ---- flow/flow_stmt.c: statements to steps -------------------------------------------------------------- */

Type piece_type(const Flow *w, const Piece *p);

/* ---- flow/flow_run.c: steps to values -------------------------------------------------------------------- */

typedef struct Play { /* a recording being walked */
  Elab *E;
  Flow *w;
  bool undo;
  Val known[FLOW_STATES + 1]; /* the states at hand, in the innermost level; room for the log-determinant */
  Val read[FLOW_STATES];      /* ids of them, of the step at hand */
  Val *mean;                  /* by running: what it is now, in the level `home` */
  Level *home;
  bool reversible; /* steps become `reversible` operators, see flow/flow_step.c */
  bool want_logdet;
  Val logdet; /* so far; VAL_NONE is 0 */
  bool failed;
} Play;

void play_init(Play *p, Elab *E, Flow *w, bool undo, const Val *state);
void play_step(Play *p, const Step *s);
void play_plain(Play *p, const Step *s); /* in the innermost level, whatever `reversible` is */
void play_all(Play *p);
void play_finish(Play *p);
/* log|det A| of a square matrix of the innermost level. */
Val flow_log_det(Elab *E, Val a, Span at);

/* ---- claims/claim.c ---------------------------------------------------------------------------------------- */

/* Decides what the flow claims, its inverse clauses too; the states are inputs of the function at hand. */
void claim_judge(Elab *E, Flow *w, const Val *state, Claim *c);
void claim_note(Elab *E, const Item *it, const char *why); /* its claims are undecided */

enum { CLAIM_SIZE = 3 }; /* of a shape variable, and of an integer without a default, where nothing tells */

/* ---- claims/claims.c --------------------------------------------------------------------------------------- */

/* Whether x and y, values of the function at hand, are the same. *left becomes the function of x, of which
 * claim_point shows the point that refutes; the caller's. */
FieldAnswer claim_same(Elab *E, const Val *x, const Val *y, uint32_t n, FieldReport *r, Fn **left);
FieldAnswer claim_decide(Elab *E, const Fn *a, const Fn *b, FieldReport *r);
const char *claim_certainty(Elab *E, const FieldReport *r); /* of FIELD_EQUAL, for people */
/* "q = [0.31, 1.2], p = [0.5, -0.2]": the states at a point that refutes. */
const char *claim_point(Elab *E, const Fn *f, uint64_t point);

/* ---- flow/flow_step.c ----------------------------------------------------------------------------------------- */

bool step_is_wrapped(const Play *p, const Step *s);
void step_wrapped(Play *p, const Step *s);

/* ---- flow/flow.c ------------------------------------------------------------------------------------------ */

/* Records the body of f, whose parameters are bound in E->frame; the states are the values of its formals.
 * False after an error (w is finished then). flow_end returns to the level where it is used. */
bool flow_begin(Elab *E, const Func *f, Flow *w, Val *state);
void flow_end(Elab *E, Flow *w);

#endif
