/* The functions of the language, and what evaluates arithmetic, networks, derivatives and data (one file each). */
#ifndef HNNC_FRONTEND_BUILTIN_BUILTIN_H
#define HNNC_FRONTEND_BUILTIN_BUILTIN_H

#include "frontend/elab/elab.h"

/* ---- builtin.c: the table -------------------------------------------------------------------------------- */

typedef Value BuiltinCall(Elab *E, const Builtin *b, Actuals *a);
enum {
  BF_NUMERIC = 1, /* arguments are numeric; all static: evaluated while compiling */
  BF_SPREAD = 2,  /* tuples among the arguments are spread */
  BF_MOVES = 8,   /* moves elements of its first argument, spread: of all but the first; truth values, too */
  BF_SUM = 16,    /* of a comprehension over an empty range: of 0 */
  BF_WORD = 32,   /* its last argument is a word */
  BF_REPORT = 64, /* where its first argument is the name of a report: a statistic of that */
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
const Builtin *builtin_find(const char *name);
Value builtin_apply(Elab *E, const Builtin *b, const Actuals *a);
/* The statistic of reports that has this name, if any; with `of`, if a report is what it is asked of. tensor.c */
const Builtin *builtin_statistic(Elab *E, const char *name, const Actuals *of);
/* Or an error: of this statistic, of what could also be a report, or is a list of them. */
bool builtin_misasked(Elab *E, const char *name, const Actuals *of);
bool builtin_lazy(const Builtin *b, const char *name);     /* it takes this argument unelaborated */
bool builtin_value(Elab *E, const char *name, Value *out); /* functions, constants, methods */
/* Names that a value may have without a definition; for suggestions. */
uint32_t builtin_names(const char **out, uint32_t max);

/* Of an argument: whether it is there, its value as a tensor, its type (a scalar of any kind if it has none). */
static inline bool given(const Actual *a) { return a->v.kind != V_NONE; }
static inline Val in(Elab *E, const Actual *a) { return elab_tensor(E, a->v, a->at); }
static inline Type type_of(const Actual *a) {
  Type t = {0};
  value_type(a->v, &t);
  return t;
}

bool need_int(Elab *E, const Actual *a, const char *what, int64_t *out);
bool need_number(Elab *E, const Actual *a, const char *what, double *out);
bool need_string(Elab *E, const Actual *a, const char *what, const char **out);

/* ---- elementwise.c: arithmetic ------------------------------------------------------------------------- */

Value elab_binary(Elab *E, Opr op, Value a, Value b, const Expr *ea, const Expr *eb, Span at, Span op_at);
Value elab_binary_op(Elab *E, Op op, Value a, Value b, Span at_a, Span at_b, Span at, const char *what);
Value elab_unary_op(Elab *E, Op op, Value v, Span at); /* elementwise */
Value elab_select(Elab *E, Value c, Value a, Value b, Span at_c, Span at_a, Span at_b, Span at);
Value elab_negate(Elab *E, Value v, Span at);
Value elab_not(Elab *E, Value v, const Expr *e); /* v: of e->a */
bool elab_same_dims(Elab *E, Type a, Type b, Value va, Value vb, Span at_a, Span at_b, Span at, const char *what);
void elab_help_numeric(DiagMsg *m, Value v); /* what v, which is no number, may be there for */

/* ---- frontend/motion: what runs a loop ------------------------------------------------------------------- */

BuiltinCall bi_trajectory /* and integrate */, bi_iterate, bi_section;

/* ---- net.c: instances of networks, and parameters --------------------------------------------------------- */

typedef struct Instance {
  const char *path;
  const Func *func;
  const Module *module; /* whose text makes it */
  bool called;
  Type *arg;
  uint32_t narg; /* of the first call */
  Span at;
} Instance;

const char *elab_file(Elab *E, const char *path);                         /* beside the model, else as it is */
const char *elab_file_reason(Elab *E, const char *err, const char *path); /* the message of a reader without the path */
Value data_constant(Elab *E, const Expr *call);                           /* read("A.npy"), read("a.npz", A), in a const */
Value elab_use_value(Elab *E, const Expr *e, const char *name);           /* use name = e */
/* name NULL: anonymous */
Value elab_instance(Elab *E, const Func *f, const Actuals *a, const char *name);
void elab_param_stmt(Elab *E, const Stmt *s);
/* The parameter of this path, made if it is new: its number. False after an error. */
bool elab_param_at(Elab *E, const char *path, Param start, uint32_t *out);
/* The parameter of this name of the network at hand, which has its type, its start and its place. False after an error. */
bool elab_param_here(Elab *E, const char *name, Param start, Val *out);
/* g is to be an instance of its own: it gets a path, by its name if there is one. */
Value instance_own(Elab *E, Func *g, const char *name, Span call);
Instance *instance_find(Elab *E, const char *path);
void instance_add(Elab *E, Instance in);
void nets_finish(Elab *E);
bool instance_called(Elab *E, const Func *f, const Actuals *a);

/* ---- wrt.c: variables of derivatives; deriv.c, traj.c, ode.c ------------------------------------------------ */

void elab_wrt_scan(Elab *E, const Ast *ast);
void wrt_finish(Elab *E);
/* v under a name: with an identity if need be */
Value elab_named(Elab *E, const char *name, Value v, Span at);
Value deriv_apply(Elab *E, const Func *f, const Actuals *a);
/* what has no derivative and lies between one of `from` and e: "the method `taylor`, which has ..."; or NULL */
const char *elab_no_derivative(const Fn *f, Val e, const bool *from);

/* ---- data.c: data programs ------------------------------------------------------------------------------- */

Value data_item(Elab *E, Global *g, Span use); /* `data d = read(..)`; programs give V_FUNC */
void data_check(Elab *E, Global *g);           /* a program that nothing uses */
Data *elab_data_named(Elab *E, const char *name, Span at);
Data *elab_data_value(Elab *E, Value v, Span at, const char *what);
void data_scope(Elab *E, Root *r, const Data *d, Span at); /* its fields can be named in the innermost frame */
void elab_yield(Elab *E, const Stmt *s);

/* ---- option.c: calls that only carry options ------------------------------------------------------ */

bool option_near(const char *name); /* whether a word of an option is spelled much like it */
typedef enum { OPTION_OPTIMIZER, OPTION_SCHEDULE, OPTION_BATCH, OPTION_MEMORY, OPTION_KEEP } OptionKind;
typedef struct OptionRow {
  const char *name, *doc; /* doc: its formula, and where it is from */
  OptionKind kind;
  int which;   /* SchedKind, Memory, Keep */
  Optim optim; /* what an optimizer has where nothing is given */
} OptionRow;
const OptionRow *option_row(const char *name);
int option_place(const char *whose,
                 const char *name);          /* of an option among those of option_text(); -1: there is none of this name */
const char *option_within(const char *name); /* the option of `train` whose calls have one of this name; NULL: none */
void option_names(Elab *E, Span at);         /* defines all in the innermost frame */
Value option_apply(Elab *E, const Func *f, const Actuals *a);
/* dopri5(rtol = 1e-9, atol = 1e-12, max_steps = 10^6) */
Value method_apply(Elab *E, const Func *f, const Actuals *a);
/* The k-th option of a function, of `train`, of `data`, of `plot` or of one kind of it, `plot:line`; NULL: there are fewer. option.def */
typedef struct OptionText {
  const char *whose, *name, *type, *by_default, *doc;
} OptionText;
const OptionText *option_text(const char *whose, uint32_t k);
const char *option_default(const OptionText *t, const char *whose, Arena *mem); /* "": it has none */
extern const char *const option_of_kind[]; /* the option of `train` that words of a kind are values of */
const OptionRow *option_words(uint32_t k); /* the k-th word of an option; NULL: there are fewer */
const char *option_listed(Elab *E, const char *const *name, uint32_t n); /* "a, b, c" */

#endif
