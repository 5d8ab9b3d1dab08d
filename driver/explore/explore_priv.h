/* A piece is a function of the model on its way from the elaborator to code, with what became of it traced. */
#ifndef HNNC_DRIVER_EXPLORE_EXPLORE_PRIV_H
#define HNNC_DRIVER_EXPLORE_EXPLORE_PRIV_H

#include "driver/explore/explore.h"

typedef struct Piece {
  const char *kind, *name;
  const Fn *fn;     /* as the frontend made it */
  Fn *given;        /* a copy, which the passes got */
  const Data *data; /* whose samples its fields are; NULL: drawn */
  Span at;
  PassJob job;
  Lowered low;
  PassTrace *trace;
  int samples;      /* at which numbers are taken: POINTS at most */
  const char *text; /* of what code is made of */
} Piece;

enum { EXPLORE_WORK = 1000000000 }; /* a few seconds */
enum { EXPLORE_DISPATCH = 60 };     /* what an instruction costs beside its numbers */

typedef struct Explore {
  Session *s;
  const Tree *tree;
  Arena *mem;
  VEC(Piece) piece;
  VEC(Span) place; /* each once; the page counts them */
  Index place_of;
  double work, compare; /* operations on numbers that are left for values, and for differences: pieces in front have them first */
} Explore;

/* pieces.c: those of the model, each traced through all passes; false after messages. */
bool explore_pieces(Explore *x);
void explore_pieces_finish(Explore *x);

/* stages.c */
json_t *explore_stages(Explore *x, const Piece *p, const bool *wanted); /* wanted: by stage */
json_t *explore_made(Explore *x, const Piece *p);                       /* by which nodes of the tree its instructions were made */
bool *explore_wanted(const Piece *p);                                   /* what its code comes from; the caller frees */
uint32_t explore_place(Explore *x, Span at);
int64_t explore_elements(Type t, int64_t samples); /* numbers of a value at so many samples */
double explore_cost(const Fn *f);                  /* of an evaluation of one sample; a unit is about a nanosecond */
bool explore_spend(double *left, double work);     /* false: that is too much for what is left */

/* values.c: numbers at p->samples samples of every function that runs (no derivatives, no trajectories of fixed steps), by its index in the
 * trace; turns: of those that ran more than once. */
void explore_values(Explore *x, const Piece *p, const bool *wanted, json_t **values, json_t **turns);
void explore_samples(Explore *x, Piece *p);
Tensor *explore_inputs(Explore *x, const Piece *p, const Fn *f); /* the caller frees them by ir_tensors_free and itself */
bool explore_whole(const Piece *p, const Fn *f);                 /* it has the inputs of the piece: no body, no part */
bool explore_runs(const Fn *f);
json_t *explore_number(double v);
enum { ODE_WORK = 2000000 }; /* of an adaptive trajectory, whose steps nobody knows beforehand */

/* flow.c: derivatives of what a piece computes by every value that it is made of; operators.c: what each
 * `grad`, `jac` and `divergence` of the first stage gives. */
json_t *explore_flow(Explore *x, const Piece *p, const bool *wanted);
json_t *explore_operators(Explore *x, const Piece *p);

/* code.c: loop nests and assembly. */
json_t *explore_code(Explore *x, const Piece *p);

#endif
