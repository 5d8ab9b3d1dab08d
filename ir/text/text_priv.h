/* What print.c, parse.c and verify.c share. */
#ifndef HNNC_IR_TEXT_TEXT_PRIV_H
#define HNNC_IR_TEXT_TEXT_PRIV_H

#include "ir/ir.h"

/* Called before the line of each instruction, with id 0 after the inputs and with `UINT32_MAX` before
 * `return`; writes whole lines that begin with `indent`. */
typedef void (*IrNote)(void *ctx, FILE *out, const Fn *f, uint32_t id, int indent);

/* ir_print with notes; safe on functions that break every invariant. */
void ir_print_noted(FILE *out, const Fn *f, const Source *src, IrNote note, void *ctx);

extern const char *const ir_in_kind[IN_OTHER + 1];

/* The k-th attribute name of an op: writes its length, tells whether it is the list that takes the
 * rest. NULL beyond the last. */
const char *ir_attr_name(Op op, uint32_t k, size_t *len, bool *list);

/* Op, arity, number of attributes and presence of a sub-function are as the table says, and every
 * index lies in its array: then ir_infer and ir_result_type may be asked. */
bool ir_well_formed(const Fn *f, const Inst *i);

/* What the verifier finds, appended to v->found: id as for IrNote. The caller sets mem, where the texts
 * go, and frees found. */
typedef struct IrViolation {
  const Fn *f;
  uint32_t id;
  char *text;
} IrViolation;
typedef struct IrViolations {
  Arena *mem;
  VEC(IrViolation) found;
} IrViolations;
void ir_violations(const Fn *f, IrViolations *v);

#endif
