/* Of flows alone. */
#ifndef HNNC_FRONTEND_FLOW_FLOW_PRIV_H
#define HNNC_FRONTEND_FLOW_FLOW_PRIV_H

#include "frontend/flow/flow.h"

bool func_is_flow(const Func *f); /* or the inverse of one */

/* ---- flow_cone.c: what expressions of a recording are computed from -------------------------------------- */

const Reading *flow_reading(const Flow *w, Val v); /* NULL if v is none */
typedef struct Cone {
  VEC(uint32_t) ids;
} Cone; /* rising ids; readings included, what they come from not */
void flow_cone(Flow *w, const Val *root, uint32_t n, Cone *out);
/* Whether v may depend on elements of the pieces, as read now; or on a reading that is past (*stale). */
bool flow_reads(Flow *w, const Val *root, uint32_t nroot, const Piece *piece, uint32_t n, const Reading **which, bool *stale);
/* Whether values of the recording really change with elements that they read, decided: a derivative may not. */
bool flow_depends(Elab *E, Flow *w, const Val *root, uint32_t nroot, const Piece *piece, uint32_t n);
/* Which element of which state element e of v is, plain or with its sign changed. */
bool flow_element(const Flow *w, Val v, int64_t e, uint32_t *slot, int64_t *element, bool *minus);
/* The tensors of the recording that a function was made with (template arguments), appended to out. */
typedef struct ValList {
  VEC(Val) v;
} ValList;
void flow_tensors(const Flow *w, Value v, ValList *out);

/* ---- flow_run.c, flow_step.c ------------------------------------------------------------------------------- */

Val piece_put(Build *b, Val old, const Piece *x, Val v); /* old with v, which has the axis of the piece, in its place */
void play_plain(Play *p, const Step *s);                 /* in the innermost level, whatever `reversible` is */
void play_all(Play *p);
bool step_is_wrapped(const Play *p, const Step *s);
void step_wrapped(Play *p, const Step *s);

#endif
