/* Two functions compared at real points. Private to ir. */
#ifndef HNNC_IR_FIELD_FIELD_REAL_H
#define HNNC_IR_FIELD_FIELD_REAL_H

#include "ir/field/field.h"

/* Compares at n points from `first` on, or until they differ by more than rounding can make of it: true then,
 * and the report has the point, the place, the values and a reason. Adds to real_points and agreement. */
bool field_real_differ(const Fn *a, const Fn *b, uint64_t first, int n, FieldReport *r);

#endif
