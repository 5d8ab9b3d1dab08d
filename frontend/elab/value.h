/* Values of the evaluator. A V_TENSOR lives at a *level*: the function under construction that it was emitted into.
 * Levels nest: a comprehension's body, the rates of a trajectory. Using an outer tensor in an inner
 * level captures it as an invariant. A V_TURNS is a static value that differs from turn to turn of a
 * comprehension (its index, and all that is computed from it alone); arithmetic maps over its turns,
 * so that subscripts stay known; it meets tensors as a table that the loop walks along.
 * V_POISON follows an error that was reported; whatever meets it is poison, silently. */
#ifndef HNNC_FRONTEND_ELAB_VALUE_H
#define HNNC_FRONTEND_ELAB_VALUE_H

#include "frontend/model.h"
#include "frontend/syntax/ast.h"
#include "ir/eval/num.h"

typedef struct Elab Elab;
typedef struct Level Level;
typedef struct Value Value;
typedef struct Func Func;
typedef struct Module Module;
typedef struct Frame Frame;
typedef struct Builtin Builtin;

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
  bool truth; /* of truth values, 0 and 1 */
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
  F_LIFT,
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
  const char *home; /* defined in a body: what it makes has paths under this */
  const char *path; /* of the instance that owns the parameters: nets. `f.0:5`: of five, see elab/turn.c */
  Level *const *stack;
  uint32_t nstack;   /* comprehensions with an instance for each turn, outermost first */
  const Func *of[2]; /* F_FIELD ... F_SPREADING (rates of an `evolve along`, and their divergence) */
  Method method;
  double rtol, atol;
  int64_t max_steps;
  uint32_t nstate; /* F_SPREADING */
  const OptionArg *option;
  uint32_t noption;           /* F_OPTION, in `train`: adam(lr = ...), cosine(...), all */
  const struct OnnxNet *onnx; /* of a network in a file, in place of a body: frontend/onnx */
};

#define POISON ((Value){.kind = V_POISON})
Value value_num(double v);
Value value_exact(int64_t num, int64_t den);
Value value_bool(bool b);
Value value_array(Elab *E, uint32_t rank, const uint32_t *dim, const Num *at); /* borrows at */
const Array *value_numbers(Value v);                                           /* NULL: it is no array, or one of truth values */
Value value_truths(Elab *E, Value numbers);                                    /* 0: false; of a NUM, an ARRAY */
Value value_tuple(Elab *E, const Value *at, uint32_t n);                       /* one element: itself */
Value value_func(const Func *f);
Value value_tensor(Level *l, Val v);
bool value_is_int(Value v, int64_t *out);
bool value_static(Value v);                /* numbers known while compiling: NUM, ARRAY */
bool value_arrays(Value v);                /* ARRAY, or one for each turn */
bool value_numeric(Value v);               /* NUM, ARRAY, TENSOR, TURNS of these */
bool value_type(Value v, Type *out);       /* of a numeric value; bools too */
const char *value_text(Elab *E, Value v);  /* for labels: "real[2, 3]", "a function", ... */
const char *value_kind(Elab *E, Value v);  /* the same, but "a number", "a truth value" */
const char *value_shown(Elab *E, Value v); /* short static values themselves: 2.5, [1, 2] */
bool value_equal(Value a, Value b);
uint32_t value_length(Elab *E, Value v);               /* of the first axis, a list, a tuple; 0 if none */
Level *value_turns(Value v);                           /* the level of a V_TURNS, or NULL */
Value value_turn(Value v, const Level *l, uint32_t t); /* its value in turn t of l; v itself if it is no such */

/* exact.c */
bool exact_value(Value v); /* static, and nothing in it was rounded */
bool exact_whole(Value v); /* integers, so small that sums of products are exact */

#endif
