/* What the files of differentiation share: regions, reverse and forward sweeps.
 *
 * A *region* is the part of a function between the variables x and the values e that are
 * differentiated. A sweep reads primal values of the region's function `src` and emits through `b`:
 * in place (b->f == src, the derivative is appended) or into another function, whose inputs
 * then capture the primal values it needs (the bodies of `jac`'s maps). */
#ifndef HNNC_PASSES_DERIVE_DERIVE_PRIV_H
#define HNNC_PASSES_DERIVE_DERIVE_PRIV_H

#include "ir/core/pattern.h"
#include "passes/derive/derive.h"

/* ---- region.c ------------------------------------------------------------------------------- */

typedef struct Region {
  const Fn *src;
  uint32_t n; /* instructions of src that existed when the region was opened */
  Build *b;
  Val *prim;               /* src id -> value in b->f; NULL in place */
  VEC(Val) captured;       /* values of src that became inputs of b->f, in the order of the inputs */
  Val scan, storing;       /* the last scan that had to be emitted anew to store its carries */
  bool chained;            /* forward mode multiplies the partial derivatives of elementwise chains with one another
                              * before it does with a tangent: right where there are several directions */
  const struct Held *held; /* forward mode: uses of values of src that count as constant; NULL: none */
  struct Undo *undo;       /* in place, where src has reversible steps: values computed again (undo.c) */
  Diag *diag;
  Span asked; /* where the derivative is written */
  bool failed;
} Region;

void region_init(Region *r, const Fn *src, Build *b, Diag *diag);
void region_finish(Region *r);
Val region_value(Region *r, Val v);                     /* the primal value v, readable in b->f; computed again, where
                                                          * that is possible without keeping it (undo.c) */
void region_stamp(Region *r, const Inst *i, Role role); /* what is emitted next derives from i */
void region_error(Region *r, DiagCode code, Span at, const char *help, const char *message);

/* Partial derivative of elementwise instruction i (id v) by operand k, from its row of ops.def. */
Val region_partial(Region *r, Val v, const Inst *i, uint32_t k);

/* Which values depend differentiably on the marked ones. */
typedef struct Active {
  uint32_t n, from; /* nothing before `from` is marked, once they are spread; not 0 */
  bool *on;         /* by id */
  bool **result;    /* by id of a MULTI instruction: which of its results */
} Active;
void region_active_init(Active *a, const Fn *f, uint32_t n);
void region_active_spread(Active *a, const Fn *f); /* from the marks set in a->on */
void region_active_finish(Active *a);

/* Marks what lies between any of the x and e: depends on one and reaches the other. */
void region_between(const Fn *f, Val e, const Val *x, uint32_t nx, bool *mark);

/* Something between x and e has no derivative backwards, but has one forwards: the loop that sweeps back over the steps of an
 * adaptive method. */
bool region_forward_only(const Fn *f, Val e, Val x);

/* The attributes of a scan by name. */
Val *pass_inputs(const Fn *f);               /* of all; the caller frees */
Val pass_input(const Fn *f, uint32_t index); /* the `in` instruction, VAL_NONE if there is none */
Type pass_type_with(Type t, bool lane);
Val pass_with_lane(Build *b, Val v, bool lane);  /* spread if lane is asked for */
Val pass_zero_like(Build *b, Type t);            /* zeros of exactly this type */
Val pass_value_or_zero(Build *b, Val v, Type t); /* v with the lane of t; zeros for VAL_NONE */

/* Copies an instruction as ir_copy_inst does. With `store`, scans also stack the carries that their
 * turns begin with, which reversing them needs; the indices of their proj move accordingly. */
Val region_store(Build *b, const Fn *from, Val v, const Val *map, bool store);
CopyRule region_store_inst; /* the same as a rule, with `store` */
/* A value of the body of a scan of src, stacked, in b->f: a carry as a turn begins, or one that region_kept names. */
Val region_saved(Region *r, Val scan, Val inside);
/* By id of a scan's body: what a turn computes that is stacked as well, since it costs more to compute again. */
bool *region_kept(const Fn *f, const Inst *scan);

/* Result `index`, also of the record, of an adaptive trajectory of src; how many steps it has room for. */
Val region_recorded(Region *r, Val ode, uint32_t index);
int64_t region_record_rows(const Fn *f, const Inst *ode);
/* By state: the rates of trajectory v of src at its times, [times, ..], in r->b (jvp_loops.c). */
void derive_ode_moving(Region *r, Val v, const Inst *i, Val *rate);

/* ---- undo.c: values computed again from the end -------------------------------------------------- */

/* Whether all carries of a scan can be computed from those of the turn after: they go through reversible steps,
 * or through loops of such, and all else follows from the carries that are known by then. */
bool undo_scan_can(const Fn *f, const Inst *scan);
void undo_open(Region *r); /* by region_init */
void undo_close(Region *r);
bool undo_on(const Region *r); /* src has reversible steps */
/* Values that stand for what is not known yet: only undo_set may give them a value. */
void undo_hold(Region *r, const Val *hold, uint32_t n);
void undo_set(Region *r, Val v, Val again); /* v has been computed again; the first time counts */
Val undo_get(const Region *r, Val v);       /* VAL_NONE if it has not */
Val undo_value(Region *r, Val v);           /* see region_value */
/* The states after step or loop v, behind a barrier that comes after the given cotangents. */
void undo_results(Region *r, Val v, const Val *after, uint32_t nafter, Val *y);
/* Computes the states before step v, unless they are known. Writes them, and the invariants. */
void undo_step(Region *r, Val v, const Val *after, uint32_t nafter, Val *x, Val *inv);
void undo_rest(Region *r); /* undoes all steps and loops that have not been undone */

/* The step f of `body` as a function of (states, invariants) whose loops store their carries; own arena. */
Fn *derive_step_forward(const Fn *body);
/* Emits callee (or what outputs [first, first + n) need of it) with its inputs bound; map: by id of callee. */
void derive_step_emit(Build *b, const Fn *callee, const Val *args, uint32_t first, uint32_t n, Val *map);

/* A region over f, all of whose values are emitted to r->b, its inputs being args (reversible.c). */
Region region_over(Region *r, const Fn *f, const Val *args);

bool derive_holds_eigh(const Fn *f);
Fn *derive_eigh_plain(const Fn *f);  /* f, where eigenvalues and eigenvectors are rows of the factors (linalg.c) */
Fn *derive_root_forget(const Fn *f); /* f with what they are roots of forgotten (linalg.c) */

/* f with its reversible steps written out: all, or (which: by id) those marked and all in bodies of those
 * marked. */
/* segment.c: f with the long ones of the loops `which` in segments, also those in their bodies; NULL: there are none. */
Fn *derive_segments(const Fn *f, const bool *which);
Fn *derive_step_inline(const Fn *f, const bool *which);

/* ---- vjp*.c: reverse mode --------------------------------------------------------------------- */

/* A cotangent in two parts. `each`: one per sample (of a per-sample value, or that part of a shared
 * value's cotangent which has yet to be summed over the batch). `whole`: of a shared value, complete. */
typedef enum { EACH, WHOLE } Part;
typedef struct Cot {
  Val part[2];
} Cot;

typedef enum VjpMode {
  VJP_SAMPLE, /* e is per sample: no sums over the batch, only the part EACH is used */
  VJP_TOTAL,  /* e is shared: cotangents of shared values are summed over the batch */
  VJP_BODY    /* the body of a loop under VJP_TOTAL: only what follows from the
                              * invariants marked in `sum_input` is summed, the rest after the loop */
} VjpMode;

typedef struct Seed {
  Val v;
  Cot cot;
} Seed;

/* Cotangents of x[0 .. nx) from those of the seeds. Parts are VAL_NONE where they are zero.
 * sum_input (VJP_BODY): by index of input. False after an error. */
bool vjp_sweep(Region *r, VjpMode mode, const bool *sum_input, const Seed *seed, uint32_t nseed, const Val *x, uint32_t nx,
               Cot *out);
/* The same of one value e, the parts added up. */
bool vjp_pull(Region *r, Val e, Val cot, const Val *x, uint32_t nx, Val *out);

/* For the rules: */
typedef struct Vjp Vjp;
Region *vjp_region(Vjp *s);
VjpMode vjp_mode(const Vjp *s);
bool vjp_active(const Vjp *s, Val v);
bool vjp_sums(const Vjp *s, Val v);                        /* v is shared and its cotangent summed over the batch */
Cot *vjp_results(Vjp *s, Val multi);                       /* cotangents of a MULTI instruction's results, NULL if none */
void vjp_push(Vjp *s, Val operand, Val c);                 /* adds c to the operand's cotangent */
void vjp_push_whole(Vjp *s, Val operand, Val c);           /* the same; c is summed over the batch already */
void vjp_push_part(Vjp *s, Val operand, Part part, Val c); /* one part of what a sweep over a function gave */
void vjp_push_slice(Vjp *s, Val operand, int axis, uint32_t start, uint32_t n, Val c);
void vjp_push_product(Vjp *s, Val operand, Val p, Val c); /* p * c, elementwise, un-broadcast */
Val vjp_each(Vjp *s, Val c);                              /* c per sample where a sum over the batch must count it so */
/* The cotangent of `to` gains x y, an einsum, by way of `push`. If it is shared and the product per sample, the sum over the
 * batch happens inside the product, or before it where one factor is shared: `whole`. */
typedef void VjpPush(Vjp *s, const Inst *i, Val to, Val c, bool whole);
void vjp_push_dot(Vjp *s, const Inst *i, Val to, Val x, const int *lx, Val y, const int *ly, int rank, const int *lo,
                  VjpPush *push);
/* c is VAL_NONE for MULTI instructions, whose cotangents are vjp_results. */
typedef void VjpRule(Vjp *s, Val v, const Inst *i, Val c);
#define EW1(name, ...)
#define EW2(name, ...)
#define CMP(name, ...)
#define LOG(name, ...)
#define ST(name, ...) VjpRule vjp_##name;
#include "ir/ops.def"

/* ---- jacobian.c ---------------------------------------------------------------------------------- */

bool derive_jacobian_forward(Type te, Type tx); /* taken by columns, if no structure is made use of */
bool derive_jacobian_can_forward(Type te, Type tx);
/* The gradient of a scalar e by x, forwards: a tangent for each number of x. */
bool derive_gradient_forward(Build *b, Val e, Val x, Span at, Diag *diag, Val *out);
/* Marks those `jac` of f whose matrix is symmetric, being the second derivative of a scalar; in place. */
void derive_jacobian_mark(Fn *f);
/* Expands the `jac` or `divergence` i of f, of e by x in b->f, where all between is plain. False after an error. */
bool derive_jacobian(PassRun *run, Build *b, const Fn *f, const Inst *i, Val e, Val x, Diag *diag, Val *out);
/* For vectors e and x: the matrix; shared where it is the same for every sample. */
bool derive_jacobian_matrix(PassRun *run, Build *b, Val e, Val x, Span at, Diag *diag, Val *out);
/* Its needed elements alone, one after the other in the order of rows. With what is held its pattern is `left`, in which the needed
 * elements are as they are. *sweeps: how many were taken. */
typedef struct JacobianElements {
  const Pattern *left, *needed;
  const struct Held *held; /* or NULL */
} JacobianElements;
bool derive_jacobian_elements(Build *b, Val e, Val x, JacobianElements what, Span at, Diag *diag, Val *out, int64_t *sweeps);

/* ---- logjac.c ------------------------------------------------------------------------------------ */

/* Expands the `logjac` i, of e by x in b->f. False after an error. */
bool derive_logjac(PassRun *run, Build *b, const Inst *i, Val e, Val x, Diag *diag, Val *out);

/* ---- jvp*.c: forward mode ----------------------------------------------------------------------- */

/* Tangents of e[0 .. ne) from tangents t of x; VAL_NONE where zero. False after an error. */
bool jvp_sweep(Region *r, const Val *x, const Val *t, uint32_t nx, const Val *e, uint32_t ne, Val *out);

/* Numbers of a derivative: a table, or, where all are the same 0 or power of two, that constant, with which products fold. */
Val jvp_literal(Build *b, Type t, const double *v);

typedef struct Jvp Jvp;
Region *jvp_region(Jvp *s);
Val jvp_tangent(Jvp *s, Val v);      /* VAL_NONE if zero */
Val *jvp_results(Jvp *s, Val multi); /* tangents of a MULTI instruction's results */
typedef Val JvpRule(Jvp *s, Val v, const Inst *i);
#define EW1(name, ...)
#define EW2(name, ...)
#define CMP(name, ...)
#define LOG(name, ...)
#define ST(name, ...) JvpRule jvp_##name;
#include "ir/ops.def"

/* ---- transposed.c ----------------------------------------------------------------------------- */

/* Compares the modes on the operators that are about to be expanded: ready, by id. */
void derive_check(PassRun *run, const Fn *f, const bool *ready);

#endif
