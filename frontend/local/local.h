/* Definitions inside bodies. `fn` and `hamiltonian` stand in any body; what they name around them they take along, with the values
 * that it has where they stand. They are functions like any other then: closures. */
#ifndef HNNC_FRONTEND_LOCAL_LOCAL_H
#define HNNC_FRONTEND_LOCAL_LOCAL_H

#include "frontend/elab/elab.h"

void local_define(Elab *E, const Stmt *s);
Value local_changed(Elab *E, const Entry *e, Span at); /* the error: a `var` that was taken along, and reassigned since */
void local_assigned(Elab *E, const Entry *e, Span at); /* the error: what was taken along is assigned */

/* resolve.c: names in bodies that nothing elaborated */
void resolve_local(Elab *E, const Stmt *s); /* a definition in a body, and those behind it there */
void resolve_globals(Elab *E);

#endif
