/* Partial derivatives of elementwise operators, from their rows of ops.def.
 *
 * The columns of ops.def become postfix text: a letter per operation, `x y z` for operands and result, `#number ` for a
 * constant, `t` for the smallest normal number. Text has one order of evaluation, so value numbers do not depend on the C
 * compiler's. */
#include "passes/base/pass.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

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

/* Dyadic rationals stay exact. */
static Val constant(Build *b, double v) {
  for (int64_t den = 1; den <= 1024; den *= 2)
    if (v * (double)den == nearbyint(v * (double)den) && fabs(v) < 1e9)
      return ir_const_exact(b, v, (int64_t)(v * (double)den), den);
  return ir_const_exact(b, v, 0, 0);
}

/* One letter of the text, of two operands; none: the letter is another's. */
static Val binary(Build *b, char letter, Val x, Val y) {
  switch (letter) {
  case '+': return ir_add(b, x, y);
  case '-': return ir_sub(b, x, y);
  case '*': return ir_mul(b, x, y);
  case '/': return ir_div(b, x, y);
  case '^': return ir_pow(b, x, y);
  case '<': return ir_lt(b, x, y);
  case 'L': return ir_le(b, x, y);
  case 'p': return ir_powlog(b, x, y);
  case 'P': return ir_powlog2(b, x, y);
  case '=': return ir_eq(b, x, y);
  case '&': return ir_and(b, x, y);
  case '|': return ir_or(b, x, y);
  default: return (Val){0};
  }
}

/* Of one operand. */
static Val unary(Build *b, char letter, Val x) {
  switch (letter) {
  case 'a': return ir_abs(b, x);
  case 'n': return ir_neg(b, x);
  case 'e': return ir_exp(b, x);
  case 'l': return ir_log(b, x);
  case 's': return ir_sin(b, x);
  case 'c': return ir_cos(b, x);
  case 'g': return ir_sigmoid(b, x);
  case 'S': return ir_sign(b, x);
  case 'r': return ir_rsqrt(b, x);
  case 'R': return ir_rsqrt3(b, x);
  case 'h': return ir_sinh(b, x);
  case 'H': return ir_cosh(b, x);
  case 'o': return ir_round(b, x);
  default: return (Val){0};
  }
}

Val pass_partial(Build *b, Op op, uint32_t k, PartialOperand *operand, void *ctx) {
  Val st[16];
  int n = 0;
  for (const char *p = pass_partial_text(op, k); *p; p++) {
    switch (*p) {
    case 'x':
    case 'y':
    case 'z': st[n++] = operand(ctx, *p); break;
    case 't': st[n++] = ir_const_exact(b, b->f->f64 == FN_F32 ? 0x1p-126 : 0x1p-1022, 0, 0); break;
    case '#': {
      char *end;
      st[n++] = constant(b, strtod(p + 1, &end));
      p = end;
      break;
    }
    case '?':
      n -= 2;
      st[n - 1] = ir_select(b, st[n - 1], st[n], st[n + 1]);
      break;
    default: {
      bool two = strchr("+-*/^<LpP=&|", *p) != NULL;
      n -= two;
      Val made = n < 1 ? (Val){0} : two ? binary(b, *p, st[n - 1], st[n]) : unary(b, *p, st[n - 1]);
      if (!made.id) base_fault("partial of %s: `%c`", ir_op[op].name, *p);
      st[n - 1] = made;
    }
    }
  }
  return st[0];
}
