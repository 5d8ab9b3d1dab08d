/* Levels: the functions under construction. The outermost of them is a root, which says what may be named: parameters, fields of data,
 * statistics of reports. */
#ifndef HNNC_FRONTEND_ELAB_LEVEL_H
#define HNNC_FRONTEND_ELAB_LEVEL_H

#include "frontend/elab/value.h"

typedef struct Capture {
  Val outer, inner;
} Capture;
typedef struct Walked {
  Val outer, inner;
} Walked;                /* outer has the turns as its first axis */
typedef struct WalkKey { /* what a turn's slice was made of: the same slice is the same value */
  /* base[.., start[t] : start[t] + width*step : step, ..]; axis -1: the static values `turns` */
  Val base;
  int axis;
  const int64_t *start;
  uint32_t width, step; /* width 0: one index, the axis is removed */
  const Value *turns;
  Val inner;
} WalkKey;

struct Level {
  Level *up; /* NULL: a root */
  Fn *fn;
  Build b;
  uint32_t n;         /* turns of a comprehension, 0 otherwise */
  uint64_t turns;     /* of a loop of the program that draws are counted by: an `iterate`, the steps of an `integrate` */
  bool steps;         /* the second */
  Val turn;           /* the number of its turn, once it was asked for */
  const Value *index; /* 0 ... n-1, for the counters of draws */
  bool owns, unroll;  /* instances are made for each turn; turns are to be elaborated one by one */
  VEC(Capture) captures;
  VEC(Walked) walked;
  Index capture_of, walked_of; /* by the outer value */
  VEC(WalkKey) keys;
};

typedef struct SparseValue { /* v of fn: the nonzeros of a matrix */
  const Fn *fn;
  Val v;
  const Pattern *pattern;
} SparseValue;

/* The outermost function: what may be named in it. */
typedef struct Root {
  Level level;
  bool lane;             /* inputs and results are per sample */
  const char *no_params; /* why parameters are refused here, or NULL */
  const char *no_draws;  /* the same of draws */
  const Data *data;      /* whose fields are in scope */
  Val *field;            /* made when first used */
  Val index;             /* likewise: the number of the draw */
  VEC(struct {
    uint32_t param;
    Val v;
  })
  params;
  Index param_of; /* in params, by its number in the model + 1 */
  uint32_t sites;
  Span drawn; /* the first of them */
  bool stats; /* reports above may be named */
  VEC(ReportUse) uses;
  VEC(Val) used; /* their inputs */
  VEC(SparseValue) sparse;
} Root;

Build *elab_at(Elab *E, Span at);                                        /* the innermost level's builder */
void root_begin(Elab *E, Root *r, const char *name, int f64, bool lane); /* becomes innermost */
/* orders the inputs; level and root are restored with the context */
Fn *root_end(Elab *E, Root *r);
/* The statistics of reports that a root reads: a copy, whole once it is complete. */
ReportUse *root_uses(Elab *E, const Root *r, uint32_t *n);
Fn *root_end_of_reports(Elab *E, Root *r, ReportUse **use, uint32_t *n);
void root_drop(Elab *E, Root *r);
void level_begin(Elab *E, Level *l, const char *name);
/* Its function is complete: what follows is emitted around it. */
void level_leave(Elab *E, Level *l);
void level_end(Elab *E, Level *l); /* innermost again is l->up */
Val level_turn(Elab *E, Level *l); /* the number of the turn of a loop of the program, in l */
/* inputs: `first` as made, the walked, the captured, the number of the step */
void level_order(Elab *E, Level *l, uint32_t first);
Val level_walk(Elab *E, Level *l, Val outer); /* outer (of l->up) becomes a slice per turn */
void level_drop(Elab *E, Level *l);
Val elab_use(Elab *E, Value tensor);              /* in the innermost level */
Val elab_tensor(Elab *E, Value numeric, Span at); /* any numeric value, or bool, as a tensor */
/* Truth values as 1 and 0, and back; of tensors in the innermost level, at the place that was last told. */
Value elab_as_numbers(Elab *E, Value v);
Value elab_as_truths(Elab *E, Value v);
Type elab_type(Elab *E, Val v);
Value elab_value(Elab *E, Val v); /* a tensor of the innermost level */
bool elab_lane(Elab *E);          /* states must be per sample here */
#define FIELD_INDEX UINT32_MAX
Val elab_field(Elab *E, uint32_t field, Span at);           /* of the data in scope, or `index`: the number of the draw */
Value elab_stat(Elab *E, Report *r, ReportStat s, Span at); /* where reports may be named */
/* One table of statistics for two functions: r's is the beginning of that of `of`, and becomes it. */
void root_add_uses(Root *r, const Root *of);
/* A parameter, the turn's own where it is one of a stack. */
Val elab_param(Elab *E, uint32_t param, Level *const *stack, uint32_t nstack, Span at);
bool elab_fits(Elab *E, int64_t elements, Span at); /* or an error: too large */
bool elab_reaches(const Fn *f, Val e, Val x);       /* x is among what e was computed from */
int level_depth(const Level *l);

#endif
