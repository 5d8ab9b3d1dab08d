/* What the two halves of simplify share. */
#ifndef HNNC_PASSES_SIMPLIFY_SIMPLIFY_PRIV_H
#define HNNC_PASSES_SIMPLIFY_SIMPLIFY_PRIV_H

#include "passes/simplify/simplify.h"

CopyRule simplify_inst;

/* simplify_loop.c: fills w->result[id]. */
void simplify_scan(Copy *w, uint32_t id);
/* The element x0 of a slice of one of a stacked result, if it is at hand; else VAL_NONE. */
Val simplify_stacked(Build *b, Val stack, uint32_t start);

#endif
