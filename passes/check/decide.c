/* Whether two functions are the same: derived, simplified, and compared in the finite field (ir/field/field.h). Errors of
 * deriving, adaptive trajectories and functions that would take too long are undecided, with the reason. */
#include "passes/base/pass.h"

#include "ir/field/field.h"
#include "passes/pass_generation.h"

#include <string.h>

enum { ROUNDS = 3 };
static const int64_t MOST_FLOPS = 20000000;

static Fn *lowered(const Fn *f) {
  Diag *diag = diag_create(NULL);
  Fn *g = pass_lower(f, MEMORY_STORED, NULL, diag);
  diag_destroy(diag);
  return g;
}

static FieldAnswer undecided(FieldReport *r, const char *why) {
  *r = (FieldReport){0};
  snprintf(r->reason, sizeof r->reason, "%s", why);
  return FIELD_UNDECIDED;
}

static bool affordable(const Fn *f) {
  Flops n = pass_flops(f);
  return n.per_sample + n.once <= MOST_FLOPS;
}

const char *pass_decide_version(void) { return PASS_GENERATION; }

FieldAnswer pass_decide(const Fn *a, const Fn *b, FieldReport *r) {
  double start = pass_now();
  const uint64_t before = ir_written();
  Fn *x = lowered(a), *y = x ? lowered(b) : NULL;
  const char *why = ir_written() - before > PASS_MOST ? "its derivatives are too large" : "it has no derivative";
  FieldAnswer answer = !x || !y                           ? undecided(r, why)
                       : !affordable(x) || !affordable(y) ? undecided(r, "it would take too long to evaluate exactly")
                                                          : ir_field_equal(x, y, ROUNDS, UINT64_C(0x9e3779b97f4a7c15), r);
  ir_fn_destroy(x);
  ir_fn_destroy(y);
  pass_timed("decide", pass_now() - start);
  return answer;
}
