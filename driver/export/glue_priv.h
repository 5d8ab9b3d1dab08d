/* What an exported library is made of: the model's functions, lowered and split, and the C text that
 * binds them to the engine. */
#ifndef HNNC_DRIVER_EXPORT_GLUE_PRIV_H
#define HNNC_DRIVER_EXPORT_GLUE_PRIV_H

#include "driver/session/session.h"

typedef enum { GLUE_GRADIENT, GLUE_UPDATE, GLUE_FUNCTION } GlueKind;

typedef struct GlueFn {
  GlueKind kind;
  const char *symbol;  /* of the compiled parts: symbol_pre, symbol, symbol_post */
  const char *wrapper; /* name of the C function, without the model's prefix; no two the same */
  const char *what;    /* "hamiltonian `learned`", ... for the header's comment */
  const Train *train;  /* GRADIENT, UPDATE */
  uint32_t loss;       /* GRADIENT: of its sum; the first has the wrapper of all, the others follow it */
  uint32_t *moved, nmoved;
  Fn *whole;           /* derived and simplified */
  MemoryChoice memory; /* GRADIENT */
  Split split;
  const Pattern **pattern; /* FUNCTION: by output, of the matrix that it is the nonzeros of, or NULL; may be NULL itself */
  Running running;         /* GRADIENT: parameters that keep an average of a mean over the batch */
  int *user, nuser;        /* inputs of kind IN_FIELD in the order of the C parameters: numbers of inputs */
  const char **arg;        /* their names in C, no two of a function the same */
} GlueFn;

typedef struct Glue {
  Session *s;
  const char *file;         /* the library's without `.so` */
  const char *name, *upper; /* prefix of the C names, and in capitals */
  const char *cpu, *needs;  /* what the code is for, and what of that a processor may lack: names with blanks between */
  GlueFn *fn;
  int n;
} Glue;

int glue_make(Session *s, const char *base, Glue *g); /* 0 or the exit code after messages */
void glue_finish(Glue *g);
void glue_add(Cg *cg, const Glue *g);
uint32_t glue_parts(const Glue *g); /* how many functions that adds */
void glue_header(FILE *out, const Glue *g);
void glue_print(FILE *out, const Glue *g);

#endif
