/* Derivatives beside differences, operator by operator. Private to explore.
 *
 * A function f, its values at a point, and of a scalar that follows from its outputs the derivative c_v by every value v, as the compiler's
 * rules give it. By the chain rule c_v = sum of (du/dv)^T c_u over the users u of v. So it is enough to move v, or several values at once, along
 * some direction d and to run what reads them, not what follows: <c_v, d> beside the sum of <c_u, the difference of u>. Where all agree,
 * all c_v are derivatives, by induction from the output; where they do not, a rule by v is wrong, and what is above it inherits that. */
#ifndef HNNC_DRIVER_EXPLORE_LOCAL_H
#define HNNC_DRIVER_EXPLORE_LOCAL_H

#include "driver/explore/explore_priv.h"

#define LOCAL_WRONG 1e-5 /* relative to the terms; from here on a derivative differs */

/* An operator with what its values are read by: a loop with its results, a factorisation with its readers. */
typedef struct Unit {
  Fn *fn;                        /* of its operands; NULL: not asked for yet */
  uint32_t nin, nout, *in, *out; /* by id of f */
  bool *held;                    /* by input: no derivative is taken by it, as by an index */
  bool polynomial;               /* of degree 2 at most: differences of any length are exact */
  bool each;                     /* element by element */
  double cost;                   /* of a run */
  double rtol;                   /* of an adaptive trajectory in it: derivatives hold its steps fixed, and are as good as that */
} Unit;

typedef struct Verdict {
  bool done;
  double error;    /* < 0: not compared, for a reason */
  const char *why; /* or a remark on an error; NULL */
  double noise;    /* of the derivative, an element */
} Verdict;

typedef struct Local {
  const Fn *f;
  int samples;
  EvalEnv env;
  Tensor *value;          /* by id; v NULL: none */
  const Tensor **cot;     /* by id; NULL: none */
  uint32_t *first, *user; /* users of id: user[first[id]] ... user[first[id + 1] - 1] */
  Unit *unit;             /* by id */
  double work;            /* that may still be spent */
  double made, most;      /* numbers so far, and how many at most: nobody knows the turns of some loops beforehand */
  Op without;             /* users that are left out; OP_none: no operator */
  Verdict *verdict;       /* by id */
  /* private: by id, used again and again */
  double **dir; /* along which it is moved; NULL: not */
  uint32_t *stamp, now, *reader;
} Local;

int64_t local_elements(const Local *l, Type t);
double local_direction(uint32_t id, int64_t e); /* the same in every run: of size 1/2 to 1, of either sign */

/* units.c */
/* A function like f as far as its inputs, to be gone on with: map has them by id of f, in f->in's order. */
Fn *unit_like(const Fn *f, const char *name, Build *b, Val *map);
Unit *unit_of(Local *l, uint32_t id);
void unit_finish(Unit *u);
/* Its inputs moved by t times l->dir. out: allocated. */
bool unit_run(const Local *l, const Unit *u, double t, Tensor *out);

/* local.c: fills l->verdict for all ids with a cotangent, cheap ones first. */
void local_check(Local *l);

#endif
