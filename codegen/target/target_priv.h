/* Between the files of the target. */
#ifndef HNNC_CODEGEN_TARGET_TARGET_PRIV_H
#define HNNC_CODEGEN_TARGET_TARGET_PRIV_H

#include "codegen/target/target.h"

extern const CgInstructions target_x86, target_aarch64; /* instructions.c */

#endif
