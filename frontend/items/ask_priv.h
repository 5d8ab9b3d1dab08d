/* Between ask.c, what is asked, and ask_bind.c, which array is which of its arguments. */
#ifndef HNNC_FRONTEND_ITEMS_ASK_PRIV_H
#define HNNC_FRONTEND_ITEMS_ASK_PRIV_H

#include "frontend/items/items_priv.h"

enum { ASK_WANTS = 64 };

/* An argument. */
typedef struct Want {
  const char *name;
  int rank;      /* of a sample; -1: not known */
  bool known;    /* its type is `t` */
  bool optional; /* it has a default */
  Type t;
  int field; /* of the data; -1: it keeps its default */
} Want;

typedef struct Plan {
  Elab *E;
  const Ask *ask;
  Span at; /* of what is asked */
  Want want[ASK_WANTS];
  uint32_t nwant;
  Data *data; /* DATA_GIVEN, its fields so far */
  Asked *asked;
  const char *led; /* the field whose axes of samples are those of all; NULL: none has such yet */
} Plan;

/* ask.c */
const char *ask_shape(Elab *E, const AskArray *a); /* "[10, 2]" */
const char *ask_arrays(Plan *p);                   /* "`data.npz` has `q`: [10, 2]" */

/* ask_bind.c: each false after an error. */
bool ask_bind(Plan *p);                                 /* a field for each argument */
bool ask_field(Plan *p, const Want *w, uint32_t array); /* one of this array */
/* In an expression, first: what may be named, then which of them are, and whether they fit; the others are made of no pieces. */
void ask_maybe(Plan *p, const char *name, uint32_t array);
bool ask_used(Plan *p, const Root *root);
bool ask_unnamed(Plan *p, const char *name); /* one of all arrays, which have no names */

#endif
