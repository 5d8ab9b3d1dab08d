/* What is differentiated to test the rules of structural ops. */
#ifndef HNNC_TESTS_COMMON_DERIVE_CASES_H
#define HNNC_TESTS_COMMON_DERIVE_CASES_H

#include "ir/ir.h"

/* Takes two inputs [3,3] and gives a value to be differentiated. */
typedef Val DeriveCaseMake(Build *b, Val x, Val y);
typedef struct DeriveCase {
  Op op;
  DeriveCaseMake *make;
} DeriveCase;
extern const DeriveCase derive_cases[]; /* every structural op; make is NULL for some */
extern const int derive_ncases;

/* Bits of lanes: x, y per sample. Output: the value, or a scalar of it. */
Fn *derive_case(DeriveCaseMake *make, int lanes, bool scalar);

#endif
