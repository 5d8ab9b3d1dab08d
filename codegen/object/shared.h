/* A shared library of compiled functions, of constants that point to each other and to functions, and of a base: a library that a
 * linker made when hnnc was built, whose functions they call. Nothing else is needed to make it. */
#ifndef HNNC_CODEGEN_OBJECT_SHARED_H
#define HNNC_CODEGEN_OBJECT_SHARED_H

#include "codegen/codegen.h"

/* What a pointer in the data leads to. */
typedef enum { CG_TO_DATA, CG_TO_NUMBERS, CG_TO_SYMBOL } CgTo;

typedef struct CgPointer {
  size_t at; /* in the data */
  CgTo kind;
  size_t to;          /* place in the data; of the numbers: their begin */
  const char *symbol; /* a compiled function, its _info, or a function of the base */
} CgPointer;

typedef struct CgBytes {
  char *at;
  size_t n, room;
} CgBytes;

/* Structs as this machine has them, one behind the other; their pointers are apart. */
typedef struct CgData {
  CgBytes bytes;
  VEC(CgPointer) pointer;
} CgData;

size_t cg_data_put(CgData *d, const void *p, size_t n); /* where it is; on 16 bytes */
size_t cg_data_text(CgData *d, const char *text);
void cg_data_point(CgData *d, size_t at, size_t to); /* the pointer at `at` leads to `to` */
void cg_data_symbol(CgData *d, size_t at, const char *symbol);
void cg_data_numbers(CgData *d, size_t at);
void cg_data_finish(CgData *d);

/* What the library shows: a function that has the name `symbol` (another name of a wrapper or of a function of the base), or data. */
typedef struct CgShown {
  const char *name, *symbol; /* symbol NULL: data */
  size_t at, size;
} CgShown;

typedef struct CgSpan {
  const void *p;
  size_t n;
} CgSpan;

typedef struct CgShared {
  const char *base;
  size_t base_size;
  const char *soname;
  const char *slot; /* a pointer of the base: it leads to `root` of the data */
  size_t root;
  const CgData *data;
  const CgSpan *numbers; /* arrays without pointers, of any length, one behind the other */
  int nnumbers;
  const CgWrapper *wrapper;
  int nwrapper;
  const CgShown *shown;
  int nshown;
} CgShared;

/* Of all functions that were added. A base that cannot be taken is an error, as a file that cannot be written is. */
bool cg_write_shared(Cg *cg, const CgShared *s, FILE *out, char *err, size_t errsize);

#endif
