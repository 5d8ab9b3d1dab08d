/* Names and properties of the integration methods, and names of causes. Stages stand in passes/loops/methods.c, those of
 * adaptive methods in ir/adaptive.h. */
#include "ir/adaptive.h"
#include "ir/ir.h"

const MethodInfo ir_method[M_count] = {
  /*                      name                order adaptive symplectic separable */
  [M_EULER] = {"euler", 1, false, false, false},     [M_SYMPLECTIC_EULER] = {"symplectic_euler", 1, false, true, true},
  [M_RK4] = {"rk4", 4, false, false, false},         [M_LEAPFROG] = {"leapfrog", 2, false, true, true},
  [M_YOSHIDA4] = {"yoshida4", 4, false, true, true}, [M_YOSHIDA6] = {"yoshida6", 6, false, true, true},
  [M_YOSHIDA8] = {"yoshida8", 8, false, true, true}, [M_IMPLICIT_MIDPOINT] = {"implicit_midpoint", 2, false, true, false},
  [M_GAUSS4] = {"gauss4", 4, false, true, false},    [M_GAUSS6] = {"gauss6", 6, false, true, false},
  [M_DOPRI5] = {"dopri5", 5, true, false, false},    [M_DOP853] = {"dop853", 8, true, false, false},
  [M_TSIT5] = {"tsit5", 5, true, false, false},      [M_GAUSS16] = {"gauss16", 16, true, true, false},
  [M_TAYLOR] = {"taylor", 0, true, false, false},
};

_Static_assert(ADAPTIVE_DOPRI5 == (int)M_DOPRI5 && ADAPTIVE_DOP853 == (int)M_DOP853 && ADAPTIVE_TSIT5 == (int)M_TSIT5 &&
                   ADAPTIVE_GAUSS16 == (int)M_GAUSS16 && ADAPTIVE_TAYLOR == (int)M_TAYLOR,
               "numbers of methods");

const char *const ir_cause[CAUSE_count] = {[CAUSE_NOT_CONVERGED] = "not_converged",
                                           [CAUSE_NO_CROSSING] = "no_crossing",
                                           [CAUSE_ENDED] = "ended",
                                           [CAUSE_LOST] = "lost",
                                           [CAUSE_TIMES] = "times",
                                           [CAUSE_STATED] = "stated"};
