#include "passes/derive.h"
#include <stdlib.h>
Fn *pass_simplify(const Fn *f) { return ir_copy_fn(NULL, f); }
