/* Partial derivatives of elementwise operators, from their rows of ops.def.
 *
 * The columns of ops.def become postfix text: a letter per operation, `x y z` for operands and result, `#number ` for a
 * constant, `t` for the smallest normal number. Text has one order of evaluation, so value numbers do not depend on the C
 * compiler's. */
#include "passes/base/pass.h"

#define X0 "x"
#define X1 "y"
#define Y "z"
#define K(c) "#" #c " "
#define ADD(a, b) a b "+"
#define SUB(a, b) a b "-"
#define MUL(a, b) a b "*"
#define DIV(a, b) a b "/"
#define POW(a, b) a b "^"
#define POWLOG(a, b) a b "p"
#define POWLOG2(a, b) a b "P"
#define LT(a, b) a b "<"
#define EQ(a, b) a b "="
#define AND(a, b) a b "&"
#define OR(a, b) a b "|"
#define ABS(a) a "a"
#define TINY "t"
#define LE(a, b) a b "L"
#define NEG(a) a "n"
#define EXP(a) a "e"
#define LOGF(a) a "l"
#define SIN(a) a "s"
#define COS(a) a "c"
#define SINH(a) a "h"
#define COSH(a) a "H"
#define SIGMOID(a) a "g"
#define SIGN(a) a "S"
#define RSQRT(a) a "r"
#define RSQRT3(a) a "R"
#define ROUND(a) a "o"
#define SELECT(c, a, b) c a b "?"
#define ZERO NULL

static const char *const text[OP_count][2] = {
#define EW1(name, cycles, traits, eval, d0) [OP_##name] = {d0, NULL},
#define EW2(name, cycles, traits, eval, d0, d1) [OP_##name] = {d0, d1},
#include "ir/ops.def"
};

#undef X0
#undef X1
#undef Y
#undef K
#undef ADD
#undef SUB
#undef MUL
#undef DIV
#undef POW
#undef POWLOG
#undef POWLOG2
#undef LT
#undef LE
#undef NEG
#undef EXP
#undef EQ
#undef AND
#undef OR
#undef ABS
#undef TINY
#undef LOGF
#undef SIN
#undef COS
#undef SINH
#undef COSH
#undef SIGMOID
#undef SIGN
#undef RSQRT
#undef RSQRT3
#undef ROUND
#undef SELECT
#undef ZERO

const char *pass_partial_text(Op op, uint32_t k) { return text[op][k]; }

bool pass_partial_exists(Op op, uint32_t k) { return text[op][k] != NULL; }
