/* Of claims alone. */
#ifndef HNNC_FRONTEND_CLAIMS_CLAIMS_PRIV_H
#define HNNC_FRONTEND_CLAIMS_CLAIMS_PRIV_H

#include "frontend/claims/claims.h"

Answer claim_answer(FieldAnswer a);
void claim_note(Elab *E, const Item *it, const char *why); /* its claims are undecided */

/* Whether x and y, values of the function at hand, are the same. *left becomes the function of x, of which
 * claim_point shows the point that refutes; the caller's. `sizes`: log x is taken for log|x|, which is the same where it is real; then
 * FIELD_DIFFERENT says nothing. */
FieldAnswer claim_same(Elab *E, const Val *x, const Val *y, uint32_t n, bool sizes, FieldReport *r, Fn **left);
const char *claim_certainty(Elab *E, const FieldReport *r); /* of FIELD_EQUAL, for people */
/* "q = [0.31, 1.2], p = [0.5, -0.2]": the states at a point that refutes. */
const char *claim_point(Elab *E, const Fn *f, uint64_t point);

#endif
