/* Between the files of this room: lanes as vectors of doubles, the state as rows of arrays. */
#ifndef HNNC_CODEGEN_ADAPTIVE_ADAPTIVE_PRIV_H
#define HNNC_CODEGEN_ADAPTIVE_ADAPTIVE_PRIV_H

#include "codegen/adaptive/adaptive.h"
#include "codegen/math/math.h"

#include <float.h>
#include <math.h>

typedef LLVMValueRef V;
/* What a lane carries from step to step, each a vector of doubles in memory. DUE: the time at `NEXT`, or an infinity behind the
 * last but one; RUN, REJECTED, FAILED, MASK, EMPTY: 1 or 0. EMPTY: no sample is left for it. */
typedef enum {
  T,
  T_LOW,
  H,
  OLD,
  STEPS,
  RUN,
  REJECTED,
  FAILED,
  END,
  DIR,
  SPAN,
  NEXT,
  DUE,
  MASK,
  HOLD,
  STEP,
  BEFORE,
  TAKEN,
  LENGTH,
  ENDS,
  EMPTY,
  SLOTS
} Slot;
_Static_assert((int)SLOTS == (int)ODE_SLOTS, "slots have room in scratch");

/* Refilled lanes: samples are numbered through all tiles that wait. */
typedef struct Queue {
  LLVMValueRef samples, next, sample, out; /* their number; memory of the next one's; of each lane's number and trajectory */
} Queue;

typedef struct Loop Loop;
struct Loop {
  CgEmit *e, d; /* d: of doubles */
  Gen *g;
  const Adaptive *a;
  const PlanOde *o;
  const AdaptiveMethod *m;
  LLVMBuilderRef b;
  unsigned w;
  int last; /* number of the stage at the end of a step */
  V slot[SLOTS], tr, array;
  const Queue *queue;                              /* or NULL */
  V *series;                                       /* taylor: where the coefficients of its rows begin */
  void (*rates)(Loop *l, double c, int z, int to); /* K_to at t + c h and the state in array z */
};

static inline V num(Loop *l, double v) { return cg_real(&l->d, v, l->w); }
static inline V add(Loop *l, V x, V y) { return LLVMBuildFAdd(l->b, x, y, ""); }
static inline V sub(Loop *l, V x, V y) { return LLVMBuildFSub(l->b, x, y, ""); }
static inline V mul(Loop *l, V x, V y) { return LLVMBuildFMul(l->b, x, y, ""); }
static inline V by(Loop *l, V x, double c) { return mul(l, x, num(l, c)); }
static inline V over(Loop *l, V x, V y) { return LLVMBuildFDiv(l->b, x, y, ""); }
static inline V pick(Loop *l, V c, V x, V y) { return LLVMBuildSelect(l->b, c, x, y, ""); }
static inline V both(Loop *l, V x, V y) { return LLVMBuildAnd(l->b, x, y, ""); }
static inline V either(Loop *l, V x, V y) { return LLVMBuildOr(l->b, x, y, ""); }
static inline V not_(Loop *l, V x) { return LLVMBuildNot(l->b, x, ""); }
static inline V less(Loop *l, V x, V y) { return LLVMBuildFCmp(l->b, LLVMRealOLT, x, y, ""); }
static inline V at_most(Loop *l, V x, V y) { return LLVMBuildFCmp(l->b, LLVMRealOLE, x, y, ""); }
static inline V lesser(Loop *l, V x, V y) { return pick(l, less(l, x, y), x, y); }
static inline V larger(Loop *l, V x, V y) { return pick(l, less(l, y, x), x, y); }

static inline V call1(Loop *l, const char *name, V x) {
  LLVMTypeRef t = LLVMTypeOf(x);
  return cg_intrinsic(l->e, name, &t, 1, &x, 1);
}
static inline V size(Loop *l, V x) { return call1(l, "llvm.fabs", x); }
static inline V root(Loop *l, V x) { return call1(l, "llvm.sqrt", x); }
static inline V is_finite(Loop *l, V x) { return less(l, size(l, x), num(l, HUGE_VAL)); }

static inline V power(Loop *l, V x, double c) {
  V log = by(l, cg_ew(&l->d, OP_log, &x), c);
  return cg_ew(&l->d, OP_exp, &log);
}

static inline V get(Loop *l, Slot s) { return cg_load(&l->d, l->slot[s], l->w); }
static inline void put(Loop *l, Slot s, V v) { cg_store(&l->d, v, l->slot[s]); }
static inline V flag(Loop *l, Slot s) { return LLVMBuildFCmp(l->b, LLVMRealUNE, get(l, s), num(l, 0), ""); }
static inline void put_flag(Loop *l, Slot s, V mask) {
  V one = num(l, 1);
  put(l, s, pick(l, mask, one, num(l, 0)));
}
static inline void set_flag(Loop *l, Slot s, V mask) {
  V have = flag(l, s);
  put_flag(l, s, either(l, have, mask));
}
/* The lane goes no further. */
static inline void stop(Loop *l, V mask) {
  V runs = flag(l, RUN), now = both(l, runs, not_(l, mask)), h = get(l, H);
  put_flag(l, RUN, now);
  put(l, H, pick(l, now, h, num(l, 0)));
}
static inline void fail(Loop *l, V mask) { set_flag(l, FAILED, mask), stop(l, mask); }

static inline V any(Loop *l, V mask) {
  LLVMTypeRef t = LLVMTypeOf(mask);
  return l->w > 1 ? cg_intrinsic(l->e, "llvm.vector.reduce.or", &t, 1, &mask, 1) : mask;
}

/* Reals of the function to doubles and back. */
static inline V wide(Loop *l, V x) { return l->e->f64 ? x : LLVMBuildFPExt(l->b, x, cg_real_type(&l->d, l->w), ""); }
static inline V narrow(Loop *l, V x) { return l->e->f64 ? x : LLVMBuildFPTrunc(l->b, x, cg_real_type(l->e, l->w), ""); }

/* A condition with what is done only where it holds. */
typedef struct If {
  LLVMBasicBlockRef after;
} If;
static inline If if_begin(Loop *l, V c) {
  LLVMBasicBlockRef then = cg_block(l->e, "");
  If i = {cg_block(l->e, "")};
  LLVMBuildCondBr(l->b, c, then, i.after);
  LLVMPositionBuilderAtEnd(l->b, then);
  return i;
}
static inline void if_end(Loop *l, If i) {
  LLVMBuildBr(l->b, i.after);
  LLVMMoveBasicBlockAfter(i.after, LLVMGetInsertBlock(l->b));
  LLVMPositionBuilderAtEnd(l->b, i.after);
}
/* `while (condition) body`: what gives the condition stands between begin and test, the body between test and end. */
typedef struct While {
  LLVMBasicBlockRef head, body, after;
} While;
static inline While while_begin(Loop *l, const char *name) {
  While w = {.head = cg_block(l->e, name)};
  w.body = cg_block(l->e, ""), w.after = cg_block(l->e, "");
  LLVMBuildBr(l->b, w.head);
  LLVMPositionBuilderAtEnd(l->b, w.head);
  return w;
}
static inline void while_test(Loop *l, While w, V c) {
  LLVMBuildCondBr(l->b, c, w.body, w.after);
  LLVMPositionBuilderAtEnd(l->b, w.body);
}
static inline void while_end(Loop *l, While w) {
  LLVMBuildBr(l->b, w.head);
  LLVMPositionBuilderAtEnd(l->b, w.after);
}
static inline V row_at(Loop *l, V at, int array) { return cg_gep_bytes(l->e, at, cg_i64(l->e, array * l->o->stride)); }
static inline V load(Loop *l, V at, int array) { return cg_load(l->e, row_at(l, at, array), l->w); }
static inline void store(Loop *l, V v, V at, int array) { cg_store(l->e, v, row_at(l, at, array)); }
static inline V whole(Loop *l, int array) { return row_at(l, l->array, array); }
static inline V lane_ptr(Loop *l, Slot s, V lane) { return cg_gep(&l->d, l->slot[s], lane); }

/* ---- adaptive.c: the ends of a trajectory ------------------------------------------------------------------------------ */

void gen_lane_open(Loop *l); /* memory of the slots */
void gen_lane_begin(Loop *l);
void gen_lane_bury(Loop *l); /* NaN at every time of the lanes that failed */
void gen_lane_taken(Loop *l, V mask);
void gen_lane_counts(Loop *l); /* steps taken and rejected, to their place and to the call's sums */

/* ---- record.c: accepted steps, if they are recorded ---------------------------------------------------------------------- */

void gen_record_begin(Loop *l);              /* row 0 of all lanes, for those that take no step */
V gen_record_step(Loop *l, V accepted, V h); /* a step begins there: what is left of `accepted`, where there were rows */

/* ---- refill.c ----------------------------------------------------------------------------------------------------------- */

void gen_queue_save(Loop *l);                    /* what the samples of a tile begin with, to its scratch */
void gen_queue_open(Loop *l, Queue *q, V tiles); /* lanes have the samples of the first tile */
void gen_queue_next(Loop *l);                    /* lanes that are done take the next samples */
V gen_queue_going(Loop *l);                      /* lanes that are to go on; without a queue those that run */
V gen_queue_out(Loop *l, V lane);                /* a lane's column of its trajectory */

/* ---- taylor.c ------------------------------------------------------------------------------------------------------------ */

void gen_taylor_open(Loop *l);
void gen_taylor_first(Loop *l); /* a scale for the first step */
void gen_taylor_steps(Loop *l);

/* ---- stage.c: stages of a step, from arrays to arrays ------------------------------------------------------------------ */

typedef void (*RowFn)(Loop *l, V at, CgLoop *loop, void *ctx); /* at: the row of array 0 */
void gen_lane_rows(Loop *l, RowFn body, unsigned sums, V *sum, void *ctx);
void gen_lane_watched(Loop *l, RowFn body, unsigned sums, V *sum, void *ctx); /* rows with what decides the step */
V gen_lane_if_watched(Loop *l, V row, V x);                    /* of such a row, doubles: 0 for elements behind these */
V gen_lane_combination(Loop *l, V at, const double *w, int n); /* sum of w_k K_k; NULL if all are 0 */
void gen_stage_rates(Loop *l, double c, int z, int to);        /* K_to at t + c h and the state in array z */
void gen_stage(Loop *l, int i, int out);                       /* the state of stage i to an array, and its rates */
V gen_stage_error(Loop *l);                                    /* of the step, relative to the tolerance: accepted when <= 1 */
void gen_stage_first(Loop *l);                                 /* sets the first step */

V gen_lane_mean(Loop *l, V sum); /* of sums over the elements */

/* ---- point.c: what goes to the trajectory ------------------------------------------------------------------------------ */

typedef void (*LaneFn)(Loop *l, V lane, void *ctx);
void gen_point_lanes(Loop *l, V mask, LaneFn body, void *ctx); /* one lane of the mask after the other */
V gen_point_time(Loop *l, V i, V lane);                        /* time i of a lane, both i64, as a double */
V gen_point_unordered(Loop *l, V t0, V dir);                   /* lanes whose times are not finite or not in order */
V gen_point_times(Loop *l, V i);                               /* times i of all lanes */
void gen_point_next(Loop *l, V next, V lane);                  /* NEXT of a lane, with DUE */
void gen_point_due(Loop *l, V mask, int from);                 /* lanes of the mask get the state in an array as their next point */
void gen_point_write(Loop *l, V mask, int64_t k);              /* lanes of the mask get their state as point k */
V gen_point_is_due(Loop *l, V mask, V t1);                     /* lanes of the mask whose next time is not behind t1 */
void gen_point_dense(Loop *l, V mask, V t1);                   /* what lies in the step to t1, of the lanes of the mask */

#endif
