/* The evaluators' common part, a template: eval.c makes it for f64, eval_field.c for the finite field. An
 * instance defines before it includes this
 *   Elem, ElemTensor (a Type and an Elem *v, laid out as Tensor), ElemEnv
 * and after it, before the three eval_*_tmpl.h, the functions that are declared here as its own. */
#include "ir/core/shape.h"

typedef struct Run { /* one evaluation, through all sub-functions */
  int64_t B;
  ElemEnv *env;
  char *err;
  size_t errsize;
} Run;

typedef struct Node { /* one instruction being evaluated */
  Run *run;
  const Fn *f;
  const Inst *i;
  const int64_t *attr;
  const ElemTensor *arg[3];      /* the first three operands */
  const ElemTensor *const *args; /* all */
  ElemTensor *out;               /* allocated, not yet written */
  ElemTensor *results;           /* MULTI ops: one per result, allocated */
  uint32_t nresults;
} Node;

/* One function an op, named as in ops.def. The instance's own: const, table, iota, rand, require, ode, logdet, eigh. */
#define ST(name, ...) static bool eval_##name(Node *n);
#include "ir/ops.def"

/* ---- the instance's own ---- */

static inline Elem elem_apply(Run *r, Op op, Elem a, Elem b); /* an elementwise op */
static inline Elem elem_add_mul(Run *r, Elem sum, Elem a, Elem b);
static inline bool elem_true(Elem a);                /* of a bool */
static inline bool elem_on(Elem a);                  /* positive, or not known to be otherwise */
static inline bool elem_pivot(Elem now, Elem other); /* `other` is to be divided by rather than `now` */
static inline Elem elem_whole(Run *r, int64_t k);
static inline int64_t elem_index(Elem a, int64_t n);      /* a whole number in 0 ... n-1, as elem_whole made it; else 0 */
static inline Elem elem_quotient(Run *r, Elem a, Elem b); /* a/b, no value if b is 0 */
static inline Elem elem_root(Run *r, Elem a);             /* the root of a positive a, else no value */
/* The row of n that index i names; ROW_NONE; or ROW_ANY: it is not known, and rows have weights, which add up to 1. */
enum { ROW_NONE = -1, ROW_ANY = -2 };
static int64_t elem_row(Run *r, Elem i, int64_t n);
static Elem elem_row_weight(Run *r, Elem i, int64_t n, int64_t row);
static Elem elem_nan(Run *r);
static inline bool elem_zero(Elem a);
static inline Elem elem_some_row(Elem a); /* a, of a row of ROW_ANY */
/* Whether a fixed-point iteration may stop. */
static bool elem_settled(const ElemTensor *was, const ElemTensor *now, int64_t B);
/* After each instruction; t->v is NULL for MULTI ops, args for inputs. False + eval_fail ends the evaluation. */
static bool elem_check(Run *r, const Fn *f, uint32_t id, const ElemTensor *t, const ElemTensor *const *args);

/* ---- eval_fn_tmpl.h ---- */

static bool eval_fail(Run *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Evaluates f; in[] are borrowed, out[] are allocated. On failure out[] holds nothing to free. */
static bool eval_fn(Run *r, const Fn *f, const ElemTensor *in, ElemTensor *out);
/* Of the first nout outputs, by the instructions that are wanted. */
static bool eval_part(Run *r, const Fn *f, const ElemTensor *in, ElemTensor *out, uint32_t nout, const bool *wanted);
/* The same for a whole function: in[] are compared with the inputs' types first. */
static bool eval_top(Run *r, const Fn *f, const ElemTensor *in, ElemTensor *out);

static ElemTensor eval_tensor(Type t, int64_t B); /* zeros */
static void eval_free(ElemTensor *t, uint32_t n);
static inline int64_t eval_width(const ElemTensor *t, int64_t B) { return t->type.lane ? B : 1; }
static inline size_t elem_total(const ElemTensor *t, int64_t B) { return (size_t)(type_count(t->type) * eval_width(t, B)); }
