/* The evaluator, a partial one over the syntax tree. What is static (numbers, bools,
 * strings, lists, functions, instances, data) is computed while compiling; what is not becomes IR.
 * Functions are inlined at each call.
 *
 * Derivatives go by the identity of graph values, so nothing is value-numbered while elaborating. */
#ifndef HNNC_FRONTEND_ELAB_ELAB_H
#define HNNC_FRONTEND_ELAB_ELAB_H

#include "frontend/elab/call.h"
#include "frontend/elab/level.h"
#include "frontend/elab/message.h"
#include "frontend/elab/scope.h"
#include "frontend/elab/turn.h"

enum {
  ELAB_ERRORS = 100,           /* enough of them to stop */
  ELAB_WARNINGS = 100,         /* more are not shown */
  ELAB_DEPTH = 1000,           /* nesting of expressions and blocks */
  ELAB_CALLS = 100,            /* nesting of calls */
  ELAB_TURNS = 1000000,        /* of a compile-time loop or a comprehension */
  ELAB_ELEMENTS = 1 << 22,     /* of one static array */
  ELAB_INSTS = 1000000,        /* of one function */
  ELAB_EXPANSIONS = 200000,    /* calls that are expanded, in all */
  ELAB_EVALUATIONS = 20000000, /* of expressions, and elements of static values, in all */
  ELAB_WRITTEN = 4000000,      /* operations of all functions that are made */
  ELAB_COST = 1 << 27,         /* operations on numbers in one evaluation while compiling */
  ELAB_TENSOR = 1 << 28,       /* elements of one tensor, per sample */
};

/* ---- where it stands --------------------------------------------------------------------------------- */

typedef struct Count {
  const char *name;
  uint32_t n;
} Count;

/* Of values of the program: 1, or NaN where it does not hold. */
typedef struct Requirement {
  const Stmt *stmt;
  Value holds;
} Requirement;

/* Who owns what a body instantiates: path/dense.0, path/dense.1, ... */
typedef struct Body {
  const char *path;
  bool top;      /* not a body: a `use` of the file */
  bool net;      /* `param` is allowed */
  bool constant; /* of a `const` */
  Level *const *stack;
  uint32_t nstack;        /* of the instance */
  const Level *base;      /* where it is called; NULL: a root */
  int loops;              /* turns of loops that run while compiling, nested */
  VEC(const char *) used; /* names of instances outside of loops */
  VEC(Count) counts;
  VEC(const char *) params;  /* names seen in this elaboration */
  Span returned;             /* the value of the last `return` */
  bool unmet;                /* a requirement was known not to hold, which ended it */
  Level *judged;             /* where its result is made, which requirements of the program can be kept in; NULL: it has none */
  VEC(Requirement) required; /* those */
} Body;

/* What was done so far; see budget.c. */
typedef struct Spent {
  uint64_t evaluated, written;
} Spent;

typedef struct Call {
  struct Call *up;
  Global *of;
  Span at;
  Spent before;
} Call;

/* A loop that is run while compiling. */
typedef struct Loop {
  struct Loop *up;
  Span at;
  const char *what;
  int64_t turns;
  bool maps;
  Spent before;
} Loop; /* maps: a comprehension */

typedef struct Flow Flow;   /* flow/flow.h */
typedef struct Claim Claim; /* claims/claims.h */
typedef struct Yield Yield; /* builtin/data.c */

/* What is being elaborated, and where. One is pushed for a part of the file that stands apart (a call, a definition, an item), is
 * changed there, and popped behind it: then all is as before. */
typedef struct Context {
  struct Context *up;
  Frame *frame; /* the innermost */
  Level *level; /* likewise */
  Root *root;
  Body *body;
  Yield *yield; /* of a data program, or NULL */
  Call *calls;
  Loop *loop;                   /* the innermost that is run */
  Flow *flow;                   /* whose statements are being recorded, or NULL */
  Claim *judged;                /* whose flow is asked for FLOW_CLAIM */
  const struct Actual *momenta; /* of a flow that is asked for FLOW_LIFT */
  const char *no_draws;         /* why draws are refused here, where the root allows them; or NULL */
  bool *failed;                 /* where it is noted that there was an error, which then is not said; NULL: errors are said */
  bool *unmet;       /* the sizes at hand are the compiler's choice: where it is noted that a `require` refuses them; or NULL */
  bool exact;        /* what rounds stays an operation: see elab/exact.c */
  bool reversible;   /* in a loss: flows keep the form in which a backward pass can undo them */
  int depth, ncalls; /* nesting of expressions and blocks; of calls */
  Body own;          /* where `body` began with this context */
} Context;

/* What was done so far, of all that a file may take: elab/budget.c. */
typedef struct Budget {
  uint64_t evaluated, written; /* evaluations; operations of the functions that are done */
  uint32_t expansions;         /* calls */
  bool over;                   /* one of these was too much, which was said */
} Budget;

/* What the model is made of. */
typedef struct Made {
  VEC(Param) params;
  VEC(Data *) data;
  VEC(Action) actions;
  VEC(Export) exports;
  VEC(Loss) losses;
  VEC(LeftOut) left_out;
  VEC(Proof) proofs;
  VEC(Looked) looked;
  VEC(Start) starts;
  VEC(const char *) files;
} Made;

struct Elab {
  Context *now;
  Model *m;
  Arena *mem;
  Source *src;
  Diag *diag;
  const FrontOptions *o;
  Module *modules, *main;
  Frame *all_frames, *free_frames;
  Made made;
  Budget budget;
  uint32_t met;              /* errors met, also those that were said before or are not said */
  VEC(uint64_t) said;        /* hashes of the errors reported: each is said once */
  VEC(const char *) unknown; /* names of which was said that they are not defined: once each */
  struct Notes *notes;       /* elab/note.c */
  struct KeptCalls *kept;    /* elab/budget.c */
  struct Nets *nets;         /* builtin/net.c */
  struct Wrts *wrts;         /* builtin/wrt.c */
  struct Claims *claims;     /* claims/claims.c */
  struct OnnxLoaded *onnx;   /* onnx/load.c */
};

void context_push(Elab *E, Context *c); /* a copy of the one around */
/* Without the calls, the flow and the data program around it: names are those of the module. */
void context_alone(Elab *E, Context *c, Module *m);
Body *context_body(Context *c, const char *path); /* begins one: what it instantiates has paths under this */
void context_pop(Elab *E, Context *c);            /* the innermost */

/* ---- evaluation ---------------------------------------------------------------------------------------- */

Value elab_expr(Elab *E, const Expr *e);
bool elab_int(Elab *E, const Expr *e, const char *what, int64_t *out);               /* static integer or an error */
Value elab_list(Elab *E, const Value *at, const Span *span, uint32_t n, Span whole); /* [a, b, c] */
Value elab_index_of(Elab *E, Value base, const Expr *e);                             /* base[subscripts of e] */
Value elab_transpose(Elab *E, Value v, Span at);
Value elab_element(Elab *E, Value v, uint32_t i, Span at); /* v[i] of a value with a first axis or list */
/* What f requires of its first list of arguments alone, where these are known. False: an error was said. */
bool elab_instance_required(Elab *E, const Func *f, Span call);
bool elab_block(Elab *E, const Block *b, Value *result); /* true when it returned */
/* n evaluations or static elements more. False, once an error was said: the file takes too much. */
bool elab_spend(Elab *E, uint64_t n);
void elab_tell(const Elab *E, const char *what, const char *name, Span at); /* what is at hand, to who waits */

const char *elab_type_of(const Elab *E, const void *node); /* as it was noted of a node of the tree; NULL: it was not */
typedef struct NoteMade {                                  /* by one evaluation of a node: instructions [first, end) of fn */
  const void *node;
  const Fn *fn;
  uint32_t first, end;
} NoteMade;
const NoteMade *elab_made(const Elab *E, uint32_t k); /* in the order in which they ended; NULL behind the last */
void notes_finish(Elab *E);

/* A throw-away root in which tensors may be emitted; what it gives is evaluated to a static value. */
typedef struct Scratch {
  Context context;
  Root root;
} Scratch;
void scratch_begin(Elab *E, Scratch *s);
Value scratch_end(Elab *E, Scratch *s, Value v, Span at);
/* The same, unless it takes too long: false; it is then to be emitted where it stands. */
bool scratch_settles(Elab *E, Scratch *s, Value *v, Span at);

#endif
