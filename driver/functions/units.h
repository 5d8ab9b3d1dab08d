#ifndef HNNC_DRIVER_FUNCTIONS_UNITS_H
#define HNNC_DRIVER_FUNCTIONS_UNITS_H

#include "driver/train/trainer.h"

typedef struct Unit {
  Fn *fn; /* derivatives still as operators */
  bool owned;
  const char *kind; /* gradient, mean, update, report, plot, data, fn, hamiltonian, net */
  const char *name;
  Span at;
  Memory memory; /* gradients */
} Unit;

typedef struct Units {
  Arena *mem;
  VEC(Unit) list;
} Units;

Units *units_create(const Model *m, PassRun *run, Diag *diag); /* NULL after an error */
void units_destroy(Units *u);

#endif
