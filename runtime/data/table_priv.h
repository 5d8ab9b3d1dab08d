/* Between table.c, cell.c, npy.c, npz.c and hdf5.c. */
#ifndef HNNC_RUNTIME_DATA_TABLE_PRIV_H
#define HNNC_RUNTIME_DATA_TABLE_PRIV_H

#include "runtime/runtime_priv.h"

/* ---- cell.c: one cell of a text table ----------------------------------------------------------------------- */

typedef enum {
  CELL_NUMBER,
  CELL_GAP, /* empty, or NA */
  CELL_NAN,
  CELL_INFINITE,
  CELL_RANGE,   /* a number beyond f64 */
  CELL_INEXACT, /* a whole number that f64 does not hold, without point and exponent */
  CELL_TEXT
} Cell;
Cell rt_cell(const char *s, size_t n, double *v);
/* Text that would be a number in another notation: `1 000`, `1,5`, a Unicode minus, `0x10`. */
bool rt_cell_foreign(const char *s, size_t n);
/* What to do about such a text, or "". */
const char *rt_cell_help(const char *s, size_t n);

/* ---- npy.c, npz.c, hdf5.c ----------------------------------------------------------------------------------------------- */

/* rt_table_read and rt_table_values of each format. */
bool rt_npy_open(const char *path, RtTable *t, RtError *err);
bool rt_npy_values(RtTable *t, const int *column, int n, RtError *err);
bool rt_npz_open(const char *path, RtTable *t, RtError *err);
bool rt_npz_values(RtTable *t, const int *column, int n, RtError *err);
bool rt_hdf5_open(const char *path, RtTable *t, RtError *err);
bool rt_hdf5_values(RtTable *t, const int *column, int n, RtError *err);

bool rt_table_is_npy(const char *path); /* table.c: by its name or its first bytes */

enum { NPY_HEAD = 1 << 16 }; /* what is read of an array to know its type and shape */
typedef struct Npy {
  int rank;
  uint32_t dim[HNN_MAX_RANK + 1]; /* rows, and the axes of one */
  bool fortran, big_endian;
  char kind;                 /* 'f', 'i', 'u', 'b'; 'U', 'S': text, not to be read */
  int size;                  /* bytes of an element */
  const unsigned char *data; /* NULL: not in the image */
  int64_t count;
  bool any; /* what is not finite may be among its values; set after npy_parse */
} Npy;
/* The first `have` bytes of an .npy image of `total` bytes, at least NPY_HEAD or all of it. Messages do not name the file. */
bool npy_parse(Npy *a, const void *image, size_t have, uint64_t total, RtError *err);
/* All elements, or those with this index along the second axis, as doubles in C order, each at its place; of the rows [from, to) alone, to 0:
 * of all. gap: set where one is NaN; NULL: none may be. */
bool npy_values(const Npy *a, int second, int64_t from, int64_t to, double *out, bool *gap, RtError *err);
/* The image of an array: samples first for lane arrays. malloc'ed. */
unsigned char *npy_image(const RtArray *a, size_t *size);

#endif
