/* Expressions written as macros, for tests of the field: of Build *b and values x, y, z. */
#ifndef HNNC_TESTS_COMMON_FIELD_EXPR_H
#define HNNC_TESTS_COMMON_FIELD_EXPR_H

#include "ir/field/field.h"

#define F1(op, a) ir_##op(b, a)
#define F2(op, a, c) ir_##op(b, a, c)
#define ADD(a, c) F2(add, a, c)
#define SUB(a, c) F2(sub, a, c)
#define MUL(a, c) F2(mul, a, c)
#define DIV(a, c) F2(div, a, c)
#define SQ(a) F2(mul, a, a)
#define NEG(a) F1(neg, a)
#define SIN(a) F1(sin, a)
#define COS(a) F1(cos, a)
#define EXP(a) F1(exp, a)
#define LOG(a) F1(log, a)
#define SQRT(a) F1(sqrt, a)
#define ABS(a) F1(abs, a)
#define SEL(c, p, q) ir_select(b, c, p, q)
#define K(v) ir_const_exact(b, v, (int64_t)((v) * 64), ((v) * 64) == (double)(int64_t)((v) * 64) ? 64 : 0)
#define RATIO(n, d) ir_const_exact(b, (double)(n) / (d), n, d)

#endif
