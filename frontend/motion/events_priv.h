/* Events: where orbits cross surfaces. Between section.c (arguments), surface.c (values of the surfaces), isolate.c (roots of
 * polynomials), locate.c (from there to the surface) and events.c (loops). */
#ifndef HNNC_FRONTEND_MOTION_EVENTS_PRIV_H
#define HNNC_FRONTEND_MOTION_EVENTS_PRIV_H

#include "frontend/motion/bernstein.h"
#include "frontend/motion/traj_priv.h"

enum { MAX_SURFACES = 8 };

typedef struct Events {
  Plan p;
  const Actual *on, *direction, *crossings, *until;
  const char *option; /* as the user has it: `on`, `stop` */
  uint32_t m;         /* surfaces */
  int64_t sign[MAX_SURFACES], count, steps;
  Value dt, end; /* of the level in which the events stand; end: V_NONE, or the last time */
  Value begin;   /* the time of the start */
  bool timed;    /* the rates take the time */
  bool several;  /* surfaces may be */
} Events;

/* A point of the orbit. */
typedef struct Moment {
  Val x[MAX_STATES], t;
} Moment;

/* A stretch of the orbit, a step or as long as polynomials follow it: between two points, with the surfaces as polynomials. `from`:
 * where in it the next crossing is looked for, 1: nowhere; `sign`: of the surface there, 0: not known yet. */
typedef struct Window {
  Moment begin, end;
  Val length, next; /* next: the length to try after it */
  Bernstein g[MAX_SURFACES];
  Val from[MAX_SURFACES], sign[MAX_SURFACES];
} Window;

enum { MAX_WINDOW = 2 * (MAX_STATES + 1) + 2 + MAX_SURFACES * (BERNSTEIN_MOST + 3) };

Build *events_at(Elab *E, const Events *s);
int events_degree(const Events *s); /* of the polynomials */
/* surface.c: the surfaces at a point, all scalars; with `slope` also their derivatives by time along the orbit. False after an error. */
bool surface_values(Elab *E, Events *s, const Moment *x, Val *g, Val *slope);
/* isolate.c: in each lane of `busy`, the first wanted crossing behind `from`: tau, or 2 where there is none, and of which surface. Moves
 * `from` and `sign` of w behind it; a surface that is 0 at the start up to rounding becomes 0 there. */
void isolate_next(Elab *E, const Events *s, Window *w, Val busy, Val *tau, Val *which);

/* section.c */
void events_timed(Events *s);                             /* sets timed by s->p.f */
bool events_direction(Elab *E, Events *s, int64_t usual); /* takes the option, or else what is usual */

/* events.c */
typedef struct Found {
  Val x[MAX_STATES], t, which, met; /* with a first axis of `count`, NaN where there is none; met: 1 or 0 */
} Found;
bool events_emit(Elab *E, Events *s, Found *out);

bool events_point(Elab *E, Events *s, const Moment *x, Val h, Moment *out); /* that lies h behind x, made in one piece */

/* locate.c: of the crossing that a search found, where the surface itself is met; found: in which lanes there is one. */
typedef struct Search {
  Window w;
  Val busy, left, tau, which; /* left: windows that may be tried; tau: where in w, 2 where nowhere */
} Search;
bool locate_event(Elab *E, Events *s, const Search *q, Val *found, Moment *out);

static inline Val events_mask(Build *b, Val x) { return ir_lt(b, ir_const(b, 0), x); }

/* Loops of this house: inputs of the innermost level, and their ends. */
Val events_carried(Elab *E, const Events *s, Type t);
/* As many as `up` has values `like` them. */
void events_carries(Elab *E, const Events *s, const Fn *up, const Val *like, uint32_t n, Val *in);
void events_returned(Elab *E, const Events *s, const Val *v, uint32_t n);
Val events_loop(Elab *E, const Events *s, Level *l, const Val *first, uint32_t carry, uint32_t ys, int64_t n, uint32_t converge);

#endif
