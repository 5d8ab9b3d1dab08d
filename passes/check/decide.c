/* Whether two functions are the same: compared in the finite field (ir/field/field.h). Adaptive trajectories and functions
 * that would take too long are undecided, with the reason. */
#include "passes/check/check.h"

#include <string.h>

enum { ROUNDS = 3 };
static const int64_t MOST_FLOPS = 20000000;

FieldAnswer check_undecided(FieldReport *r, const char *why) {
  *r = (FieldReport){0};
  snprintf(r->reason, sizeof r->reason, "%s", why);
  return FIELD_UNDECIDED;
}

static bool affordable(const Fn *f) {
  Flops n = pass_flops(f);
  return n.per_sample + n.once <= MOST_FLOPS;
}

FieldAnswer check_equal(const Fn *x, const Fn *y, FieldReport *r) {
  if (!affordable(x) || !affordable(y)) return check_undecided(r, "it would take too long to evaluate exactly");
  return ir_field_equal(x, y, ROUNDS, UINT64_C(0x9e3779b97f4a7c15), r);
}
