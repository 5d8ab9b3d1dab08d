/* Private to the elaborator: a partial evaluator over the syntax tree. What is static (numbers, bools,
 * strings, lists, functions, instances, data) is computed while compiling; what is not becomes IR.
 * Functions are inlined at each call.
 *
 * Values. A V_TENSOR lives at a *level*: the function under construction that it was emitted into.
 * Levels nest: a comprehension's body, the rates of a trajectory. Using an outer tensor in an inner
 * level captures it as an invariant. A V_TURNS is a static value that differs from turn to turn of a
 * comprehension (its index, and all that is computed from it alone); arithmetic maps over its turns,
 * so that subscripts stay known; it meets tensors as a table that the loop walks along.
 * V_POISON follows an error that was reported; whatever meets it is poison, silently.
 *
 * Derivatives go by the identity of graph values, so nothing is value-numbered while elaborating. */
#ifndef HNNC_FRONTEND_ELAB_ELAB_H
#define HNNC_FRONTEND_ELAB_ELAB_H

#include "frontend/syntax/ast.h"
#include "frontend/model.h"
#include "ir/field/field.h"
#include "ir/eval/num.h"

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

/* What was done so far; see elab/budget.c. */
typedef struct Spent {
  uint64_t evaluated, written;
} Spent;

typedef struct Elab Elab;
typedef struct Level Level;
typedef struct Value Value;
typedef struct Func Func;
typedef struct Module Module;
typedef struct Frame Frame;
typedef struct Builtin Builtin;
typedef struct Flow Flow;

/* ---- values ---------------------------------------------------------------------------------------- */

typedef enum VKind {
  V_POISON,
  V_NONE,
  V_NUM,
  V_BOOL,
  V_STRING,
  V_ARRAY,
  V_LIST,
  V_TUPLE,
  V_TENSOR,
  V_TURNS,
  V_FUNC,
  V_DATA,
  V_REPORT,
  V_FIELD
} VKind;

typedef struct Array {
  uint32_t rank, dim[IR_MAX_RANK], n;
  const Num *at;
} Array; /* rank >= 1 */

struct Value {
  VKind kind;
  union {
    Num num;
    bool b;
    const char *string;
    const Array *array;
    struct {
      const Value *at;
      uint32_t n;
    } list; /* V_LIST, V_TUPLE */
    struct {
      Level *level;
      Val v;
    } t;
    struct {
      Level *level;
      const Value *at;
    } turns; /* level->n of them */
    const Func *func;
    Data *data;
    Report *report;
    uint32_t field; /* of root->data */
  };
};

typedef enum FuncKind {
  F_BUILTIN,
  F_USER,
  F_FIELD,
  F_POISSON,
  F_JACOBIAN,
  F_HESSIAN,
  F_NONZEROS,
  F_INVERSE,
  F_LOGDET,
  F_SPREADING,
  F_METHOD,
  F_OPTION
} FuncKind;

typedef struct OptionArg {
  const char *name;
  Value v;
  Span at;
} OptionArg;

struct Func {
  FuncKind kind;
  const char *name; /* as messages show it */
  const Builtin *builtin;
  const Item *item;
  Module *module;
  struct Global *global;
  bool bound;       /* the template's arguments are given */
  Frame *targs;     /* the frame that binds them, or NULL */
  const char *path; /* of the instance that owns the parameters: nets. `f.0:5`: of five, see elab/turn.c */
  Level *const *stack;
  uint32_t nstack;   /* comprehensions with an instance for each turn, outermost first */
  const Func *of[2]; /* F_FIELD ... F_SPREADING (rates of an `evolve along`, and their divergence) */
  Method method;
  double rtol, atol;
  int64_t max_steps;
  uint32_t nstate; /* F_SPREADING */
  const OptionArg *option;
  uint32_t noption; /* F_OPTION, in `train`: adam(lr = ...), cosine(...), all */
};

/* ---- levels ----------------------------------------------------------------------------------------- */

typedef struct Capture {
  Val outer, inner;
} Capture;
typedef struct Walked {
  Val outer, inner;
} Walked;                /* outer has the turns as its first axis */
typedef struct WalkKey { /* what a turn's slice was made of: the same slice is the same value */
  /* base[.., start[t] : start[t] + width, ..]; axis -1: the static values `turns` */
  Val base;
  int axis;
  const int64_t *start;
  uint32_t width; /* width 0: one index, the axis is removed */
  const Value *turns;
  Val inner;
} WalkKey;

struct Level {
  Level *up; /* NULL: a root */
  Fn *fn;
  Build b;
  uint32_t n;           /* turns of a comprehension, 0 otherwise */
  const Value *index;   /* 0 ... n-1, for the counters of draws */
  const char *no_draws; /* why draws are refused here, or NULL */
  bool owns, unroll;    /* instances are made for each turn; turns are to be elaborated one by one */
  VEC(Capture) captures;
  VEC(Walked) walked;
  Index capture_of, walked_of; /* by the outer value */
  VEC(WalkKey) keys;
};

/* The outermost function: what may be named in it. */
typedef struct Root {
  Level level;
  bool lane;             /* inputs and results are per sample */
  const char *no_params; /* why parameters are refused here, or NULL */
  const char *no_draws;
  const Data *data; /* whose fields are in scope */
  Val *field;       /* made when first used */
  VEC(struct {
    uint32_t param;
    Val v;
  })
  params;
  Index param_of; /* in params, by its number in the model + 1 */
  uint32_t sites;
  bool reversible; /* a loss: flows keep the form in which a backward pass can undo them */
  VEC(struct {
    Report *report;
    Stat stat;
    Val v;
  })
  uses; /* expects */
} Root;

/* ---- scopes ------------------------------------------------------------------------------------------ */

typedef struct Entry {
  const char *name;
  Value v;
  Span at;
  bool var;
  Level *level;
} Entry;

struct Frame {
  Frame *up; /* NULL: the module's names follow */
  Module *module;
  VEC(Entry) entries;
  Index index;     /* of entries, once there are many */
  Frame *next_all; /* for the final sweep */
};

typedef enum { G_UNSEEN, G_BUSY, G_DONE } GState;
typedef struct Global {
  const char *name;
  const Item *item;
  Module *module;
  GState state;
  Value v;
  bool elaborated; /* its body was seen at least once */
  bool broken;     /* a recursion was reported */
  uint32_t expansions;
  int active; /* calls of it under way */
  const Type *arg;
  uint32_t narg;
  bool fixed; /* argument types of the first call, for exports */
} Global;

struct Module {
  Module *next;
  const char *path, *dir; /* as shown; the folder of its file */
  Ast *ast;
  Global *global;
  uint32_t nglobal;
  Index index; /* of global */
  Module **import;
  uint32_t nimport;
  bool lacking; /* an import failed: what is not defined may have been in it */
};

typedef struct Count {
  const char *name;
  uint32_t n;
} Count;

/* Who owns what a body instantiates: path/dense.0, path/dense.1, ... */
typedef struct Body {
  const char *path;
  bool top; /* not a body: a `use` of the file */
  bool net; /* `param` is allowed */
  Level *const *stack;
  uint32_t nstack;        /* of the instance */
  const Level *base;      /* where it is called; NULL: a root */
  int loops;              /* turns of loops that run while compiling, nested */
  VEC(const char *) used; /* names of instances outside of loops */
  VEC(Count) counts;
  VEC(const char *) params; /* names seen in this elaboration */
} Body;

typedef struct Instance {
  const char *path;
  const Func *func;
  const Module *module; /* whose text makes it */
  bool called;
  Type *arg;
  uint32_t narg; /* of the first call */
  Span at;
} Instance;

typedef struct Yield { /* what a data program gives */
  bool seen;
  uint32_t met; /* errors met before the program */
  YieldForm form;
  uint32_t window, orders; /* rows of one sample; of SHUFFLED the number of orders */
  Span window_at;
  VEC(Entry) fields;
} Yield;

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

typedef struct Wrt {
  const char *name;
  const Item *item;
  uint32_t next;
} Wrt; /* next: one more than that of the same name, 0 */

/* The decision of a flow's claims, for one instance of it. */
typedef struct Claim {
  const Func *func; /* its arguments that vary by their types alone */
  const Type *type;
  uint32_t n;
  Answer symplectic, volume; /* decided if claimed; unsaid claims are undecided */
} Claim;

typedef struct Decided {
  uint64_t hash;
  FieldAnswer answer;
  FieldReport report;
} Decided; /* by both functions' text */

typedef struct SparseValue {
  const Fn *fn;
  Val v;
  const Pattern *pattern;
} SparseValue; /* v of fn: nonzeros of a matrix */

struct Elab {
  Model *m;
  Arena *mem;
  Source *src;
  Diag *diag;
  const FrontOptions *o;
  Module *modules, *main;
  Frame *frame, *all_frames, *free_frames;
  Level *level;
  Root *root;
  Body *body;
  Yield *yield;
  Call *calls;
  Flow *flow;              /* whose statements are being recorded, or NULL */
  bool exact;              /* what rounds stays an operation: see elab/exact.c */
  uint64_t spent, written; /* evaluations; operations of the functions that are done */
  Loop *loop;              /* the innermost that is running */
  bool over;               /* one of these was too much, which was said */
  Span returned;           /* the value of the last `return` */
  int depth, ncalls, expansions;
  VEC(Param) params;
  VEC(Instance) instances;
  Index param_at, instance_at; /* by the interned path */
  VEC(Data *) data;
  VEC(Report *) reports;
  VEC(Action) actions;
  VEC(Export) exports;
  VEC(LeftOut) left_out;
  VEC(SparseValue) sparse; /* of the export at hand */
  VEC(Proof) proofs;
  VEC(Looked) looked;
  VEC(Claim *) claims;
  bool sized;    /* sizes were chosen for the flow that is judged: nothing uses it */
  Claim *judged; /* whose flow is asked for FLOW_CLAIM */
  VEC(Decided) decided;
  VEC(Wrt) wrt; /* names that are variables of derivatives */
  Index wrt_at;
  VEC(const char *) unknown; /* names of which was said that they are not defined: once each */
  uint32_t met;              /* errors met, also those that were said before */
  bool quiet, failed;        /* errors are not said, but noted in `failed` */
  VEC(const char *) type;    /* of expressions and arguments, by node; where a tree is wanted */
  Index type_at;
  VEC(uint64_t) said; /* hashes of the errors reported: each is said once */
};

/* ---- elab/value.c: static values --------------------------------------------------------------------- */

#define POISON ((Value){.kind = V_POISON})
Value value_num(double v);
Value value_exact(int64_t num, int64_t den);
Value value_bool(bool b);
Value value_array(Elab *E, uint32_t rank, const uint32_t *dim, const Num *at); /* borrows at */
Value value_tuple(Elab *E, const Value *at, uint32_t n);                       /* one element: itself */
Value value_func(const Func *f);
Value value_tensor(Level *l, Val v);
bool value_is_int(Value v, int64_t *out);
bool value_static(Value v);                               /* numbers known while compiling: NUM, ARRAY */
bool value_numeric(Value v);                              /* NUM, ARRAY, TENSOR, TURNS of these */
bool value_type(Value v, Type *out);                      /* of a numeric value; bools too */
Value array_element(Elab *E, const Array *a, uint32_t i); /* along the first axis */
const char *value_text(Elab *E, Value v);                 /* for labels: "real[2, 3]", "a function", ... */
const char *value_kind(Elab *E, Value v);                 /* the same, but "a number", "a truth value" */
const char *value_shown(Elab *E, Value v);                /* short static values themselves: 2.5, [1, 2] */
bool value_equal(Value a, Value b);
void elab_note_type(Elab *E, const void *node, Value v);   /* of a node of the syntax tree */
const char *elab_type_of(const Elab *E, const void *node); /* NULL: not known */

/* ---- elab/diag.c: messages ---------------------------------------------------------------------------- */

/* Says an error once; returns NULL for a repetition. label and help accept NULL. */
DiagMsg *elab_error(Elab *E, DiagCode code, Span at, const char *fmt, ...) __attribute__((format(printf, 4, 5)));
/* The same of a warning, a code of that level. */
DiagMsg *elab_warn(Elab *E, DiagCode code, Span at, const char *fmt, ...) __attribute__((format(printf, 4, 5)));
void elab_label(DiagMsg *m, Span at, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void elab_help(DiagMsg *m, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void elab_suggest(DiagMsg *m, const char *name, const char *const *candidates, size_t n);
/* The same of arguments and options, which other languages call otherwise. */
void elab_suggest_option(DiagMsg *m, const char *name, const char *const *options, size_t n);
bool elab_stop(Elab *E); /* enough errors */

/* ---- elab/budget.c ------------------------------------------------------------------------------------ */

/* n evaluations or static elements more. False, once an error was said: the file takes too much. */
bool elab_spend(Elab *E, uint64_t n);
bool elab_expand(Elab *E, Global *g, Span at);                              /* one call more */
void elab_tell(const Elab *E, const char *what, const char *name, Span at); /* what is at hand, to who waits */
bool elab_affords(Elab *E, const Fn *f, Span at);                           /* to evaluate f while compiling; or an error */
Spent elab_spent(const Elab *E);
/* what: as messages name it, "`for i`". */
void loop_begin(Elab *E, Loop *l, Span at, const char *what, int64_t turns);
void loop_end(Elab *E, const Loop *l);

/* ---- elab/scope.c: names ------------------------------------------------------------------------- */

/* a new innermost frame; pop by restoring E->frame */
Frame *frame_push(Elab *E, Frame *up, Module *m);
/* f, to which nothing refers any more: that of a turn. `back` is the innermost then. */
void frame_pop(Elab *E, Frame *f, Frame *back);
Entry *frame_define(Elab *E, const char *name, Span at, Value v, bool var); /* in the innermost frame */
Entry *frame_find(Frame *f, const char *name);
Global *module_find(Module *m, const char *name); /* own or imported */
Value global_value(Elab *E, Global *g, Span use);
Value elab_name(Elab *E, const char *name, Span at);
bool elab_known(Elab *E, const char *name, bool builtins);
bool elab_defined(Elab *E, const char *name, Span *at); /* where; false if it is none of the file's */
/* access(2), and the model remembers what it said. */
bool elab_look(Elab *E, const char *path, int mode);
void elab_unknown(Elab *E, const char *name, Span at);
bool elab_unknown_first(Elab *E, const char *name); /* it was not said before that this name is not defined */
bool elab_broken(const Elab *E, const char *name);
/* its definition has a syntax error, which was said */ /* the error, with a suggestion */

/* ---- elab/level.c: emission ---------------------------------------------------------------------- */

Build *elab_at(Elab *E, Span at);                                        /* the innermost level's builder */
void root_begin(Elab *E, Root *r, const char *name, int f64, bool lane); /* becomes innermost */
/* orders the inputs; the caller restores level and root */
Fn *root_end(Elab *E, Root *r);
void root_drop(Elab *E, Root *r);
void level_begin(Elab *E, Level *l, const char *name);
void level_end(Elab *E, Level *l); /* outermost again is l->up */
/* inputs: `first` as made, the walked, the captured */
void level_order(Elab *E, Level *l, uint32_t first);
void level_drop(Elab *E, Level *l);
Val level_walk(Elab *E, Level *l, Val outer);     /* outer (of l->up) becomes a slice per turn */
Val elab_use(Elab *E, Value tensor);              /* in the innermost level */
Val elab_tensor(Elab *E, Value numeric, Span at); /* any numeric value, or bool, as a tensor */
Type elab_type(Elab *E, Val v);
Value elab_value(Elab *E, Val v); /* a tensor of the innermost level */
bool elab_lane(Elab *E);          /* states must be per sample here */
Val elab_field(Elab *E, uint32_t field, Span at);
/* A parameter, the turn's own where it is one of a stack. */
Val elab_param(Elab *E, uint32_t param, Level *const *stack, uint32_t nstack, Span at);
bool elab_fits(Elab *E, int64_t elements, Span at); /* or an error: too large */
/* what has no derivative and lies between one of `from` and e: "an adaptive method", "a section"; or NULL */
const char *elab_no_derivative(const Fn *f, Val e, const bool *from);
bool elab_reaches(const Fn *f, Val e, Val x); /* x is among what e was computed from */

/* A throw-away root in which tensors may be emitted; what it gives is evaluated to a static value. */
typedef struct Scratch {
  Root root;
  Root *old_root;
  Level *old_level;
} Scratch;
void scratch_begin(Elab *E, Scratch *s);
Value scratch_end(Elab *E, Scratch *s, Value v, Span at);
/* The same, unless it takes too long: false; it is then to be emitted where it stands. */
bool scratch_settles(Elab *E, Scratch *s, Value *v, Span at);

/* ---- elab/expr.c, builtin/elementwise.c, elab/index.c, elab/loop.c, elab/stmt.c ------------------------------ */

Value elab_expr(Elab *E, const Expr *e);
bool elab_int(Elab *E, const Expr *e, const char *what, int64_t *out); /* static integer or an error */
Value elab_binary(Elab *E, Opr op, Value a, Value b, const Expr *ea, const Expr *eb, Span at, Span op_at);
Value elab_negate(Elab *E, Value v, Span at);
Value elab_unary_op(Elab *E, Op op, Value v, Span at); /* elementwise */
Value elab_binary_op(Elab *E, Op op, Value a, Value b, Span at_a, Span at_b, Span at, const char *what);
Value elab_select(Elab *E, Value c, Value a, Value b, Span at_c, Span at_a, Span at_b, Span at);
Value elab_matmul(Elab *E, Value a, Value b, const Expr *ea, const Expr *eb, Span at, Span op_at);
bool elab_same_dims(Elab *E, Type a, Type b, Value va, Value vb, Span at_a, Span at_b, Span at, const char *what);
int level_depth(const Level *l);
Level *value_turns(Value v); /* the level of a V_TURNS, or NULL */
/* its value in turn t of l; v itself if it is no such */
Value value_turn(Value v, const Level *l, uint32_t t);
Value elab_list(Elab *E, const Value *at, const Span *span, uint32_t n, Span whole); /* [a, b, c] */
Value elab_index(Elab *E, const Expr *e);
Value elab_transpose(Elab *E, Value v, Span at);
Value elab_element(Elab *E, Value v, uint32_t i, Span at); /* v[i] of a value with a first axis or list */
Value elab_comprehension(Elab *E, const Expr *e);
uint32_t value_length(Elab *E, Value v);                 /* of the first axis, a list, a tuple; 0 if none */
bool elab_block(Elab *E, const Block *b, Value *result); /* true when it returned */
/* value or block of a definition, in the current frame */
Value elab_body(Elab *E, const Item *it);
Value elab_block_value(Elab *E, const Block *b);

/* ---- elab/call.c, elab/type.c -------------------------------------------------------------------- */

typedef struct Actual {
  const char *name;
  Span name_at;
  Value v;
  Span at;
  const Expr *e;
} Actual;
typedef struct Actuals {
  Actual *at;
  uint32_t n;
  Span call, callee;
} Actuals;

Actuals elab_actuals(Elab *E, const Expr *call);
Actuals actuals_of(Elab *E, const Value *v, uint32_t n, Span at);
Value elab_call(Elab *E, const Expr *e);
Value elab_apply(Elab *E, const Func *f, const Actuals *a);
bool elab_bind(Elab *E, const Formal *formals, const Actuals *a, const char *name, Span defined);
uint32_t func_arity(const Func *f, uint32_t *required); /* UINT32_MAX: any */
/* Binds shape variables in the innermost frame. `what` is what has the type: "argument `q` of `f`". */
bool elab_check_type(Elab *E, const TypeExpr *t, Value v, Span at, const char *what);
/* The dims of a type; silent: false, and no message, when a name in them is unknown. */
bool elab_dims(Elab *E, const TypeExpr *t, bool silent, uint32_t *rank, uint32_t *dim);
bool elab_shape_variable(Elab *E, const Expr *e); /* in a declared shape: bound by the argument */
/* all are real tensors of known dims */
bool formals_known(Elab *E, const Formal *f, Type *out, uint32_t *n);

/* ---- builtin/net.c ---------------------------------------------------------------------------------- */

Value elab_use_value(Elab *E, const Expr *e, const char *name); /* use name = e */
/* name NULL: anonymous */
Value elab_instance(Elab *E, const Func *f, const Actuals *a, const char *name);
void elab_param_stmt(Elab *E, const Stmt *s);
/* The parameter of this path, made if it is new: its number. False after an error. */
bool elab_param_at(Elab *E, const char *path, Param start, uint32_t *out);
Instance *instance_find(Elab *E, const char *path);
void instance_add(Elab *E, Instance in);
bool instance_called(Elab *E, const Func *f, const Actuals *a);

/* ---- builtin/wrt.c, elab/names.c, builtin/deriv.c, builtin/traj.c ------------------------------------------------------- */

void elab_wrt_scan(Elab *E, const Ast *ast);
const Item *elab_wrt_item(const Elab *E, const char *name, Span at); /* around `at`, where name is such a variable */
/* Whether the source computes e, of value ve, from the name x, of value vx, though no graph leads there. */
bool elab_names(Elab *E, const Expr *e, Val ve, const Expr *x, Val vx);
/* v under a name: with an identity if need be */
Value elab_named(Elab *E, const char *name, Value v, Span at);
Value deriv_apply(Elab *E, const Func *f, const Actuals *a);
Value bi_grad(Elab *E, const Builtin *b, Actuals *a);
Value bi_jac(Elab *E, const Builtin *b, Actuals *a);
Value bi_hess(Elab *E, const Builtin *b, Actuals *a);
Value bi_div(Elab *E, const Builtin *b, Actuals *a);
Value bi_functional(Elab *E, const Builtin *b, Actuals *a); /* field, poisson, jacobian, hessian, nonzeros */
Value bi_trajectory(Elab *E, const Builtin *b, Actuals *a); /* and integrate */
Value method_apply(Elab *E, const Func *f, const Actuals *a);

/* ---- elab_flow*.c, elab_claim*.c, claims/prove.c --------------------------------------------------- */

/* What is asked of a flow. */
enum FlowAsk { FLOW_UNDO = 1, FLOW_STATE = 2, FLOW_LOGDET = 4, FLOW_CLAIM = 8 };
/* In the frame that binds the parameters: the states and, behind them, the log-determinant, as asked. */
Value flow_body(Elab *E, const Func *f, int ask);
Value flow_apply(Elab *E, const Func *f, const Actuals *a, int ask);
bool func_is_flow(const Func *f);                        /* or the inverse of one */
void flow_stmt(Elab *E, const Stmt *s);                  /* a statement that stands only in flows */
bool flow_assigns(Elab *E, const Stmt *s);               /* an assignment to states */
Value bi_inverse(Elab *E, const Builtin *b, Actuals *a); /* and logdet */
/* The claims of a flow with arguments of these types, decided once; NULL where nothing can be decided. */
const Claim *claim_of(Elab *E, const Func *f, const Type *t, uint32_t n);
void claim_item(Elab *E, Global *g); /* a flow of the file, used or not */
void prove_item(Elab *E, const Item *it);
/* f with the tensors that it was made with replaced (template arguments). */
typedef Value ValueMap(void *ctx, Value v);
const Func *func_map(Elab *E, const Func *f, ValueMap *map, void *ctx);

/* ---- elab/exact.c ---------------------------------------------------------------------------------- */

bool exact_value(Value v);        /* static, and nothing in it was rounded */
bool exact_whole(Value v);        /* integers, so small that sums of products are exact */
bool exact_table(const Array *a); /* numbers that a table of doubles holds */
Value exact_const(Elab *E, Global *g);

/* ---- builtin*.c ---------------------------------------------------------------------------------- */

typedef Value BuiltinCall(Elab *E, const Builtin *b, Actuals *a);
enum {
  BF_NUMERIC = 1, /* arguments are numeric; all static: evaluated while compiling */
  BF_SPREAD = 2,  /* tuples among the arguments are spread */
  BF_RAW = 4,     /* binds its own arguments */
};
struct Builtin {
  const char *name;
  const char *params; /* "x, axis?": by position; `?` optional; `=axis` by name only, optional;
                                    `...` any number more; `@on` is by name and not elaborated:
                                    the handler does it (Actual.e). Handlers find each in its
                                    place, V_NONE if not given */
  BuiltinCall *call;
  int op; /* Op or a variant, for handlers that serve several rows */
  int flags;
  const char *doc;
};
extern const Builtin builtin_rows[];
extern const uint32_t builtin_count;
const Builtin *builtin_find(const char *name);
Value builtin_apply(Elab *E, const Builtin *b, const Actuals *a);
bool builtin_lazy(const Builtin *b, const char *name);     /* it takes this argument unelaborated */
bool builtin_value(Elab *E, const char *name, Value *out); /* functions, constants, methods */
/* Names that a value may have without a definition; for suggestions. */
uint32_t builtin_names(const char **out, uint32_t max);

bool need_int(Elab *E, const Actual *a, const char *what, int64_t *out);
bool need_number(Elab *E, const Actual *a, const char *what, double *out);
bool need_string(Elab *E, const Actual *a, const char *what, const char **out);
bool need_shape(Elab *E, const Actual *a, uint32_t *rank, uint32_t *dim);
Value error_shape(Elab *E, const Actual *a, const char *name, const char *needs); /* poison */

BuiltinCall bi_ew1, bi_ew2, bi_where, bi_concat, bi_stack, bi_roll, bi_reshape, bi_outer, bi_cross, bi_dot, bi_norm, bi_reduce,
    bi_maxabs, bi_prod, bi_tri, bi_diag, bi_eye, bi_fill, bi_linspace, bi_omega, bi_solve, bi_draw, bi_choice, bi_part, bi_stat,
    bi_misplaced, bi_transpose, bi_minmax, bi_length, bi_section;

/* ---- items --------------------------------------------------------------------------------------- */

Value data_item(Elab *E, Global *g, Span use); /* `data d = read(..)`; programs give V_FUNC */
Value data_instance(Elab *E, const Func *program, const Actuals *a);
void data_check(Elab *E, Global *g); /* a program that nothing uses */
Data *data_new(Elab *E, const char *name, DataKind kind, Span at);
Value data_read(Elab *E, const Expr *call, const char *name);
Data *elab_data_named(Elab *E, const char *name, Span at);
void elab_yield(Elab *E, const Stmt *s);
bool is_read(Elab *E, const Expr *e); /* a call of `read` */
typedef struct Saved {
  Frame *frame;
  Level *level;
  Root *root;
  Body *body;
  Yield *yield;
  Call *calls;
  Flow *flow;
} Saved;
Saved elab_leave(Elab *E); /* what is elaborated next stands alone */
void elab_return(Elab *E, Saved s);
Data *elab_data_value(Elab *E, Value v, Span at, const char *what);
void train_item(Elab *E, const Item *it);
bool train_option(const char *name);
/* builtin/moved.c: the parameters that t moves; at: of the training, of the option `only`. */
void moved_all(Elab *E, Train *t, Span at);
void moved_only(Elab *E, Train *t, Value v, Span at);
void report_item(Elab *E, const Item *it);
void expect_item(Elab *E, const Item *it);
void plot_item(Elab *E, const Item *it);
/* The data that an item stands `on`, with its fields in scope; NULL after an error. */
Data *elab_on_data(Elab *E, Root *root, const Item *it);
void export_globals(Elab *E);
void resolve_globals(Elab *E);
Value report_stat(Elab *E, Report *r, Stat s, Span at); /* in an expect */
Value option_apply(Elab *E, const Func *f, const Actuals *a);

/* ---- override.c, model.c ------------------------------------------------------------------------- */

/* replaces const values and train options in the trees */
void override_apply(Elab *E);
Module *module_load(Elab *E, const char *path, uint32_t file);
const char *std_text(const char *name, size_t *len); /* "std/nets"; NULL if there is none */

#endif
