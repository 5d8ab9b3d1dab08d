/* Groups that are systems of equations or factorisations, of a matrix for each sample or for all. */
#ifndef HNNC_CODEGEN_MATRIX_MATRIX_H
#define HNNC_CODEGEN_MATRIX_MATRIX_H

#include "codegen/element/element.h"

void gen_solve(Gen *g, Frame *fr, const Group *gr); /* solve.c; trisolve too */
void gen_solve_tiny(Gen *g, Frame *fr, Val v);
void gen_det(Gen *g, Frame *fr, Val v);
void gen_lu(Gen *g, Frame *fr, const Group *gr); /* factor.c */
void gen_cholesky(Gen *g, Frame *fr, const Group *gr);
void gen_factor_tiny(Gen *g, Frame *fr, Val v);
void gen_eigh(Gen *g, Frame *fr, const Group *gr); /* eigh.c */

#endif
