/* The tables of a library, as its data. */
#ifndef HNNC_DRIVER_EXPORT_GLUE_DATA_PRIV_H
#define HNNC_DRIVER_EXPORT_GLUE_DATA_PRIV_H

#include "codegen/object/shared.h"
#include "driver/export/glue_priv.h"
#include "runtime/library/lib.h"

#include <stddef.h>

/* A field of a struct at `at`. */
#define GLUE_AT(at, type, field) ((at) + offsetof(type, field))
enum { GLUE_ROW_MOST = 256 }; /* bytes of a row */

typedef VEC(CgShown) GlueNames; /* what the library shows */

/* n rows of `size` bytes. */
size_t glue_rows(CgData *d, const void *rows, size_t n, size_t size);
/* hnn_library_1 and all that it leads to; it, and patterns, are among the names. */
size_t glue_table(CgData *d, const Glue *g, int trains, GlueNames *names);
/* A LibModel, and all that it leads to. */
size_t glue_data(CgData *d, const Glue *g, GlueNames *names);

#endif
