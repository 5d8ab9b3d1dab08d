/* `use energy = onnx("energy.onnx")`: a network in a file as a `net`. Its graph is elaborated at each call, node by node, into what the
 * language's own functions become, for a batch of one sample (net.c). Places are lines of a listing of the graph, which is a source. */
#ifndef HNNC_FRONTEND_ONNX_ONNX_H
#define HNNC_FRONTEND_ONNX_ONNX_H

#include "frontend/builtin/builtin.h"

BuiltinCall bi_onnx;                                             /* an instance without a name */
Value onnx_net_use(Elab *E, const Actuals *a, const char *name); /* the instance; poison after an error */
Value onnx_net_body(Elab *E, const Func *f);                     /* its arguments are names of the innermost frame */

#endif
