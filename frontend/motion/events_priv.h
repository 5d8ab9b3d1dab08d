/* Events: where orbits cross surfaces. Between section.c (arguments), surface.c (values of the surfaces), windows.c, chunk.c
 * (stretches of the orbit), isolate.c (roots of polynomials), locate.c (from there to the surface) and events.c (loops). */
#ifndef HNNC_FRONTEND_MOTION_EVENTS_PRIV_H
#define HNNC_FRONTEND_MOTION_EVENTS_PRIV_H

#include "frontend/motion/bernstein.h"
#include "frontend/motion/traj_priv.h"

enum { MAX_SURFACES = 8 };

typedef struct Events {
  Plan p;
  const Actual *on, *direction, *crossings, *until;
  const char *option;  /* as the user has it: `on`, `stop` */
  uint32_t m;          /* surfaces */
  uint32_t directions; /* that were said, one of each; 0: one of all */
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

/* A stretch of the orbit on which the surfaces are polynomials, and what is known behind it. `from`: where in it the next crossing is
 * looked for, 1: nowhere; `sign`: of the surface there, 0: not known yet. Of fixed steps it is a step, from begin to end. An adaptive
 * method makes a chunk of windows of one length, from begin.t to end.t, of which `at` were looked at; end.x is not there then.
 *   last, bend     the surface at the end, and the polynomial's coefficient before
 *   next, worst    of a chunk: the length to try after it, and how far off the worst of its polynomials was; stale: 1 where it is over
 *   path, height   its points and the surfaces there, events_points of them side by side */
typedef struct Window {
  Moment begin, end;
  Val length, next;
  Bernstein g[MAX_SURFACES];
  Val from[MAX_SURFACES], sign[MAX_SURFACES], last[MAX_SURFACES], bend[MAX_SURFACES];
  Val at, stale, worst, path[MAX_STATES], height[MAX_SURFACES];
} Window;

enum { MAX_WINDOW = 2 * (MAX_STATES + 1) + 5 + MAX_SURFACES * (BERNSTEIN_MOST + 6) };

/* The search for the next crossings: left: windows that may be tried; tau: of each surface, where in w, 2: nowhere. */
typedef struct Search {
  Window w;
  Val busy, left, tau[MAX_SURFACES];
} Search;

Build *events_at(Elab *E, const Events *s);
int events_degree(const Events *s); /* of the polynomials */
/* surface.c: the surfaces at a point, all scalars; with `slope` also their derivatives by time along the orbit. False after an error. */
bool surface_values(Elab *E, Events *s, const Moment *x, Val *g, Val *slope);
/* isolate.c: in each lane of `busy`, the first wanted crossing of each surface behind `from`, or 2 where there is none, and then `from` is
 * moved to the end. pending: in these lanes some surface must be looked at once more, `from` and `sign` having been moved. */
bool isolate_next(Elab *E, Events *s, Window *w, Val busy, Val *tau, Val *pending);
/* The crossing of surface `which` at tau is over in these lanes. */
void isolate_over(Build *b, const Events *s, Window *w, Val lanes, Val which, const Val *tau);

/* section.c */
void events_timed(Events *s);                             /* sets timed by s->p.f */
bool events_direction(Elab *E, Events *s, int64_t usual); /* takes the option, or else what is usual */

/* events.c */
typedef struct Found {
  Val x[MAX_STATES], t, which, met; /* with a first axis of `count`, NaN where there is none; met: 1 or 0 */
} Found;
bool events_emit(Elab *E, Events *s, Found *out);

/* windows.c: from the window that q is in to the next with something to look at, in the lanes of `go`: it is opened there, `from` 0; or
 * there is none so far. lost: in which lanes it ends before, as nothing is finite any more. */
bool windows_next(Elab *E, Events *s, Search *q, Val go, Val *lost);
/* chunk.c: the same of adaptive methods. */
bool chunk_next(Elab *E, Events *s, Search *q, Val go, Val *lost);
void chunk_begin(Elab *E, const Events *s, Window *w);      /* by its end, where it starts */
Val chunk_time(Build *b, const Events *s, const Window *w); /* up to which it was looked at */
void chunk_before(Elab *E, const Events *s, const Window *w, Val tau, Moment *x,
                  Val *part); /* one of its points, and where it is */

/* A point of the orbit not behind tau, and where in the window it is. */
void events_before(Elab *E, const Events *s, const Window *w, Val tau, Moment *x, Val *part);
bool events_point(Elab *E, Events *s, const Moment *x, Val h, Moment *out);  /* that lies h behind x, made in one piece */
bool events_along(Elab *E, Events *s, const Moment *x, Val times, Val *out); /* by `ode`, over times of which the first is x's */
Val events_scalar(Elab *E, const Events *s, Value v);
Val events_ended(Elab *E, const Events *s, Val t); /* at or behind `until` */

/* locate.c: of the crossings that a search found the one that is first where the surfaces themselves are met; found: in which lanes
 * there is one. tau: where it is met; at.t is not set. */
bool locate_event(Elab *E, Events *s, const Search *q, Val *found, Val *tau, Val *which, Moment *at);

static inline Val events_mask(Build *b, Val x) { return ir_lt(b, ir_const(b, 0), x); }

/* Loops of this house: inputs of the innermost level, and their ends. */
Val events_carried(Elab *E, const Events *s, Type t);
/* As many as `up` has values `like` them. */
void events_carries(Elab *E, const Events *s, const Fn *up, const Val *like, uint32_t n, Val *in);
void events_returned(Elab *E, const Events *s, const Val *v, uint32_t n);
Val events_loop(Elab *E, const Events *s, Level *l, const Val *first, uint32_t carry, uint32_t ys, int64_t n, uint32_t converge);
/* A loop that goes on while at[0] is positive in some lane: `turn` takes *at from begin to end of one. */
bool events_run(Elab *E, Events *s, const char *name, Val **at, uint32_t n, int64_t turns, bool (*turn)(Elab *, Events *, void *),
                void *state);
/* All of w's values, in one order, in `at`; how many. */
uint32_t events_fields(const Events *s, Window *w, Val **at);

#endif
