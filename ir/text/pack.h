/* Functions as bytes. */
#ifndef HNNC_IR_TEXT_PACK_H
#define HNNC_IR_TEXT_PACK_H

#include "ir/base/pack.h"
#include "ir/ir.h"

void pack_fn(Pack *p, Fn **f); /* NULL is fine; its own arena */

#endif
