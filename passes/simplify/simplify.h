/* The same function, made simpler or said otherwise: simplify, unmap, rescale. */
#ifndef HNNC_PASSES_SIMPLIFY_SIMPLIFY_H
#define HNNC_PASSES_SIMPLIFY_SIMPLIFY_H

#include "passes/base/pass.h"

/* pass_simplify where no derivative is to come: half and negative powers become roots and products, and `stop` ends. */
Fn *simplify_powers(PassRun *run, const Fn *f);

/* All maps that can be are plain operations with one axis more (unmap.c); NULL: there are none. */
Fn *simplify_maps(const Fn *f);
/* The results of one map of this shape, in that way; false: its body has what has no such form. */
bool simplify_map(Build *b, const Fn *body, ScanShape shape, const Val *args, Val *out);

#endif
