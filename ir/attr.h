/* Attributes of structural operators by name: for each row of ops.def that has some, a struct <name>_attr with one
 * int64_t field for each, in order, and ir_<name>_attr(f, i), which reads them off an instruction of that op.
 * What follows them in a row that ends in LIST(x) is read by ir_list. Included by ir/ir.h alone. */
#ifndef HNNC_IR_ATTR_H
#define HNNC_IR_ATTR_H

#define FIELDS(...) int64_t __VA_ARGS__;
#define ST0(name, ...)
#define ST(name, arity, attributes, ...)                                                           \
  typedef struct name##_attr {                                                                     \
    FIELDS attributes                                                                              \
  } name##_attr;                                                                                   \
  static inline name##_attr name##_attr_at(const int64_t *at) { return *(const name##_attr *)at; } \
  static inline name##_attr ir_##name##_attr(const Fn *f, const Inst *i) { return name##_attr_at(&f->attr.at[i->attr]); }
#include "ir/ops.def"
#undef FIELDS

#endif
