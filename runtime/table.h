/* Between table.c, npy.c and npz.c. */
#ifndef HNNC_RUNTIME_TABLE_H
#define HNNC_RUNTIME_TABLE_H

#include "runtime/util.h"

bool rt_npy_read(const char *path, bool info_only, RtTable *out, RtError *err);
bool rt_npz_read(const char *path, bool info_only, RtTable *out, RtError *err);

/* An .npy image in memory. `what` names it in messages: "q.npy", "runs.npz: array `q`". */
typedef struct Npy {
  const char *what;
  int rank; uint32_t dim[8];
  bool fortran, big_endian;
  char kind;                 /* 'f', 'i', 'u', 'b' */
  int size;                  /* bytes of an element */
  const unsigned char *data;
  int64_t count;
} Npy;
bool npy_parse(Npy *a, const char *what, const void *image, size_t size, RtError *err);
/* Row r, column c of the second axis (column < 0: the array has none), all other axes: doubles in C order. */
bool npy_values(const Npy *a, int column, double *out, RtError *err);
/* The image of an array: samples first for lane arrays. malloc'ed. */
unsigned char *npy_image(const RtArray *a, size_t *size);

#endif
