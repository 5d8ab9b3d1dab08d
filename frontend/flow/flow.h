/* Flows.
 *
 * The body of a flow is elaborated into a level of its own, the *recording*, as a list of steps; nothing of
 * it is emitted as it stands. Each state has a current *reading*, an `id` that the expressions of statements
 * are computed from. A step ends with new readings, of all states: placeholders that stand for the state
 * behind it. (All of them are new, so that a derivative by one of them never sees how another came about.)
 *
 * A flow is run, undone, or asked for its log-determinant by walking its steps, first or last first, and copying
 * their expressions out of the recording, with the readings replaced by the values at hand. What makes
 * that possible is checked when a step is recorded: nothing that it depends on has been moved since it was read, nor is it
 * moved by the step. So whatever a step reads may be read in the state at hand.
 *
 * A group is a run of updates of which none depends on what any of them moves: a coupling layer. All are computed of one
 * reading, so that a network that gives shift and scale stands there once. */
#ifndef HNNC_FRONTEND_FLOW_FLOW_H
#define HNNC_FRONTEND_FLOW_FLOW_H

#include "frontend/elab/elab.h"

enum { FLOW_STATES = 16, FLOW_GROUP = 16 /* updates of a group, at most */ };

bool func_is_flow(const Func *f); /* or the inverse of one, or a lift */

/* A state, or some of its elements. */
typedef struct Piece {
  uint32_t slot;
  Type type;               /* of what moves */
  const uint32_t *element; /* which of the state's, laid end to end; NULL: all of them, in their order */
  const bool *moves;       /* by element of the state: it may change; NULL: all may */
  bool masked;             /* written with a mask */
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
  Val logdet;                                  /* ASSIGN: its clause, from old readings, or VAL_NONE */
  const uint32_t *from;
  const bool *minus; /* PERMUTE: by element of the moved states laid end to end */
  const Func *func;  /* CALL: the flow; EVOLVE: H or the field */
  const Func *method;
  int64_t steps;
  bool under;              /* EVOLVE */
  uint32_t running, param; /* RUNNING: its number, its average */
  bool lag;                /* RUNNING: a moving_mean */
  bool joined;             /* in a group with the step before */
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

/* In the frame that binds the parameters: the states and, behind them, the log-determinant, as asked (FlowAsk). */
Value flow_body(Elab *E, const Func *f, int ask);
void flow_stmt(Elab *E, const Stmt *s);                  /* a statement that stands only in flows */
bool flow_assigns(Elab *E, const Stmt *s);               /* an assignment to states */
Value bi_inverse(Elab *E, const Builtin *b, Actuals *a); /* and logdet, lift */
/* f with the tensors that it was made with replaced (template arguments). */
typedef Value ValueMap(void *ctx, Value v);
const Func *func_map(Elab *E, const Func *f, ValueMap *map, void *ctx);

bool flow_conjugate(const Piece *a, const Piece *b); /* the same elements of q and of p */

/* Whether `stop_gradient` lies between one of x and one of y: derivatives are not those of the map then. */
bool flow_stops(const Fn *f, const Val *y, const Val *x, uint32_t n);
/* The Jacobian of values y by x, n of each, all laid end to end; in the innermost level. */
Val flow_jacobian(Elab *E, const Val *y, const Val *x, uint32_t n);

/* ---- flow_run.c: steps to values ------------------------------------------------------------------------- */

typedef struct Play { /* a recording being walked */
  Elab *E;
  Flow *w;
  bool undo;
  Val known[2 * FLOW_STATES + 1]; /* the states at hand, in the innermost level, then momenta; room for the log-determinant */
  Val read[FLOW_STATES];          /* ids of them, of the step at hand */
  Val vector;                     /* of a clause whose log-determinant is derived: its states in one, of which `read` are parts */
  Val *mean;                      /* by running: what it is now, in the level `home` */
  Level *home;
  bool again; /* the half of a `reversible` operator that undoes: the states it finds are those that the other half is taken at */
  bool lift;  /* the momenta are moved along, see flow/flow_lift.c */
  bool reversible; /* steps become `reversible` operators, see flow/flow_step.c */
  bool want_logdet;
  Val logdet; /* so far; VAL_NONE is 0 */
  bool failed;
} Play;

void play_init(Play *p, Elab *E, Flow *w, bool undo, const Val *state);
void play_step(Play *p, const Step *s); /* alone */
void play_finish(Play *p);

#endif
