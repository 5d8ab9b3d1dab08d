/* Of flows alone. */
#ifndef HNNC_FRONTEND_FLOW_FLOW_PRIV_H
#define HNNC_FRONTEND_FLOW_FLOW_PRIV_H

#include "frontend/flow/flow.h"

/* ---- flow_cone.c: what expressions of a recording are computed from -------------------------------------- */

const Reading *flow_reading(const Flow *w, Val v); /* NULL if v is none */
typedef struct Cone {
  VEC(uint32_t) ids;
} Cone; /* rising ids; readings included, what they come from not */
void flow_cone(Flow *w, const Val *root, uint32_t n, Cone *out);
/* By element of the reading's state: a step since, or one that moves the pieces, may change it. Free it. */
bool *flow_moved(const Flow *w, const Reading *r, const Piece *piece, uint32_t n);
/* Whether roots may depend on elements that have moved since they were read, or that the pieces move: what is not seen at
 * once to stay out of it counts. *which: a reading with such elements. */
bool flow_reads(Flow *w, const Val *root, uint32_t nroot, const Piece *piece, uint32_t n, const Reading **which);
/* The same, decided: a derivative that is computed from such elements may not depend on them. */
bool flow_depends(Elab *E, Flow *w, const Val *root, uint32_t nroot, const Piece *piece, uint32_t n);
/* The roots as a function of the states, its first inputs, and of what else they read; the caller's. */
Fn *flow_function(Flow *w, const Val *root, uint32_t n);
/* By element of v: it is known to be 0. NULL: none is. Free it. */
bool *flow_zeros(Flow *w, Val v);
/* Which element of which state element e of v is, plain or with its sign changed. */
bool flow_element(const Flow *w, Val v, int64_t e, uint32_t *slot, int64_t *element, bool *minus);
/* The tensors of the recording that a function was made with (template arguments), appended to out. */
typedef struct ValList {
  VEC(Val) v;
} ValList;
void flow_tensors(const Flow *w, Value v, ValList *out);

/* Whether an assignment to whole states only moves their elements and changes signs, however it is written: then s->from and s->minus. */
bool flow_permutes(Elab *E, Step *s);

/* ---- flow_piece.c: what a step moves ----------------------------------------------------------------------- */

int64_t flow_count(const Flow *w, uint32_t slot); /* its elements */
bool flow_slot(Elab *E, const char *name, uint32_t *slot);
bool flow_piece(Elab *E, const Expr *e, Piece *p);
bool flow_pieces(Elab *E, const Stmt *s, const Arg *args, uint32_t n, Piece *piece, uint32_t *npiece); /* that do not overlap */
bool flow_moves(const Piece *p, int64_t element);
Val flow_get(Build *b, Val state, const Piece *p);
Val flow_flat(Build *b, const Val *v, uint32_t n);      /* n tensors laid end to end */
Val flow_where(Build *b, Type t, const bool *holds);    /* truths of t's dims, by element */
Val flow_put(Build *b, Val old, const Piece *p, Val v); /* old with v in the piece's place */

/* ---- flow_run.c, flow_lift.c, flow_step.c ------------------------------------------------------------------------------- */

/* Steps first ... first + n - 1, a group, in the innermost level, whatever `reversible` is. */
void play_plain(Play *p, const Step *first, uint32_t n);
void play_all(Play *p);
void play_one(Play *p, const Step *s);
void play_read(Play *p);            /* the states at hand become what is read */
uint32_t play_width(const Play *p); /* states and momenta */
void lift_group(Play *p, const Step *first, uint32_t n);
bool group_is_wrapped(const Play *p, const Step *first);
void group_wrapped(Play *p, const Step *first, uint32_t n);

#endif
