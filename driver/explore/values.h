/* What is kept of the values of a function while it runs: values.c, and of its turns: turns.c. Private to explore. */
#ifndef HNNC_DRIVER_EXPLORE_VALUES_H
#define HNNC_DRIVER_EXPLORE_VALUES_H

#include "driver/explore/explore_priv.h"
#include "driver/session/points.h"

enum { SHOWN = 3 }; /* elements of each sample */

typedef struct Seen { /* of an instruction */
  double squares, least, most;
  int64_t n, bad; /* elements, over all turns; those that are not finite */
  bool origin;    /* not finite, of finite operands */
  double now;     /* mean square, this turn */
  bool bad_now;
  double shown[POINTS * SHOWN]; /* this turn */
  int lanes, elems;             /* of what is shown */
} Seen;

/* A function that runs once or in turns. Sizes are kept of every `stride`th turn, at most TURNS_KEPT of them. */
enum { TURNS_KEPT = 24 };

typedef struct Ran {
  const Fn *f;
  Seen *seen; /* by id */
  int64_t turn, stride, bad_turn;
  uint32_t last;              /* the instruction before; a turn begins where ids begin anew */
  double *first, *bad;        /* what is shown of the first turn, and of the first that is not finite; as `seen` has it */
  double (*size)[TURNS_KEPT]; /* mean squares, by id */
} Ran;

Ran ran_create(const Fn *f);
void ran_finish(Ran *r);
void turns_begin(Ran *r, uint32_t id); /* before seen[id] is overwritten */
void turns_take(Ran *r, uint32_t id);  /* after */
/* {count, stride, badTurn, first, bad, size}, each of the last three by instruction; NULL: it ran once at most. */
json_t *turns_json(Ran *r);

json_t *explore_shown(const double *shown, int lanes, int elems, json_t *to);

#endif
