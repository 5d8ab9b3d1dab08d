/* What a graph says (warn_graph.c). v is a value of f. */
#ifndef HNNC_FRONTEND_WARN_WARN_PRIV_H
#define HNNC_FRONTEND_WARN_WARN_PRIV_H

#include "ir/ir.h"

bool graph_reads_fields(const Fn *f, Val v);                                /* or draws */
bool graph_vanishes(const Fn *f, Val v, const uint32_t *param, uint32_t n); /* v >= 0, and 0 where these parameters are */
void graph_used_params(const Fn *f, Val v, bool *used);                     /* by number, of all that v depends on */
/* The first kink between what a derivative is taken by and a value that it is taken of, if parameters are trained through it: its
 * place and that of the derivative (of a loss); NULL or the operation's name. */
const char *graph_kink_in_loss(const Fn *f, Span *kink, Span *derivative);
const char *graph_kink_by_fields(const Fn *f, Val v, Span *kink); /* the same between fields and v */

#endif
