/* What codegen.c makes for shared.c. */
#ifndef HNNC_CODEGEN_OBJECT_CODEGEN_PRIV_H
#define HNNC_CODEGEN_OBJECT_CODEGEN_PRIV_H

#include "codegen/codegen.h"

/* An object of the wrappers, and one of each function that was added and not yet compiled; made on several threads, and taken from the
 * cache where it has them. How many, base_free'd by the caller; 0 after a message. */
uint32_t cg_objects(Cg *cg, const CgWrapper *wrapper, uint32_t n, CgObject **out, char *err, size_t errsize);

#endif
