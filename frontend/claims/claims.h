/* What is proved: the claims of flows, and the equalities of `prove`. */
#ifndef HNNC_FRONTEND_CLAIMS_CLAIMS_H
#define HNNC_FRONTEND_CLAIMS_CLAIMS_H

#include "frontend/elab/elab.h"

/* The decision of a flow's claims, for one instance of it. */
struct Claim {
  const Func *func; /* its arguments that vary by their types alone */
  const Type *type;
  uint32_t n;
  Answer symplectic, volume; /* decided if claimed; unsaid claims are undecided */
  Answer undone;             /* proved: all inverse clauses, those of other flows in it too, undo their steps */
};

/* The claims of a flow with arguments of these types, decided once; NULL where nothing can be decided. */
const Claim *claim_of(Elab *E, const Func *f, const Type *t, uint32_t n);
/* Decides what the flow claims, its inverse clauses too; the states are inputs of the function at hand. */
void claim_judge(Elab *E, Flow *w, const Val *state, Claim *c);
void claim_item(Elab *E, Global *g); /* a flow of the file, used or not */
void claims_finish(Elab *E);
void prove_item(Elab *E, const Item *it);
/* Whether a and b are the same function; each pair is decided once. */
FieldAnswer claim_decide(Elab *E, const Fn *a, const Fn *b, FieldReport *r);

#endif
