/* An object of the code generator in memory, ready to run. */
#ifndef HNNC_CODEGEN_OBJECT_IMAGE_PRIV_H
#define HNNC_CODEGEN_OBJECT_IMAGE_PRIV_H

#include <stdbool.h>
#include <stddef.h>

typedef struct CgImage CgImage;

/* Loads an ELF object of this machine; NULL after a message. The object is not needed afterwards. What it does not define is looked for
 * in `with` (and what that was loaded with), if not NULL, which must live as long, and among the functions of libc. */
CgImage *cg_image_load(const void *object, size_t size, const CgImage *with, char *err, size_t errsize);
void *cg_image_symbol(const CgImage *im, const char *name); /* a global symbol that it defines, or NULL */
void cg_image_destroy(CgImage *im);

#endif
