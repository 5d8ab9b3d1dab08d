/* What an exported library is made of: the model's functions, lowered and split, the tables that bind them to the engine, and the
 * header. */
#ifndef HNNC_DRIVER_EXPORT_GLUE_PRIV_H
#define HNNC_DRIVER_EXPORT_GLUE_PRIV_H

#include "driver/functions/functions.h"

/* GLUE_LOSS: the mean of a loss. GLUE_PRODUCT: of a function with its Jacobian. */
typedef enum { GLUE_GRADIENT, GLUE_UPDATE, GLUE_FUNCTION, GLUE_LOSS, GLUE_PRODUCT } GlueKind;

typedef struct GlueFn {
  GlueKind kind;
  const char *symbol;           /* of the compiled parts: symbol_pre, symbol, symbol_post */
  const char *wrapper;          /* name of the C function, without the model's prefix; no two the same */
  const char *what;             /* "hamiltonian `learned`", ... for the header's comment */
  const char *shown, *shown_as; /* name and kind in model.h; NULL: it is not shown as a function */
  int number;                   /* in hnn_library.function, if it is shown */
  const char *gradient;         /* GRADIENT that is shown: its wrapper as a function, where `wrapper` is the step */
  const Train *train;           /* UPDATE, GRADIENT that a training takes */
  uint32_t loss;                /* and of its sum; the first has the wrapper of all, the others follow it */
  uint32_t *moved, nmoved;      /* parameters by which outputs `slope`, ... are gradients: of GRADIENT, and of a vjp */
  uint32_t slope;
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
  Functions all;            /* that are shown, in their order */
  GlueFn *fn;
  int n;
  int *show, nshow; /* numbers of those that are shown */
} Glue;

int glue_make(Session *s, const char *base, Glue *g); /* 0 or the exit code after messages */
void glue_finish(Glue *g);
void glue_add(Cg *cg, const Glue *g);
void glue_header(FILE *out, const Glue *g);
bool glue_write(const Glue *g, FILE *out, char *err, size_t errsize); /* the library */

/* What the files of it share. */
const char *glue_real(const Glue *g);                                 /* "double", "float" */
void glue_dims(FILE *out, Type t, const char *first);                 /* `first[2][3]` */
const char *glue_output(const Glue *g, const GlueFn *f, uint32_t k);  /* its name in C */
const char *glue_pattern(const Glue *g, const GlueFn *f, uint32_t k); /* before _rows and _cols; NULL: the output has none */
uint32_t glue_outputs(
    const GlueFn *f); /* that the user gets, less the gradient by parameters, which stands behind them if there is one */
bool glue_slope(const GlueFn *f);      /* there is one */
uint32_t glue_losses(const GlueFn *f); /* of a training's first gradient: of its sum; else 1 */
bool glue_has_wrapper(const GlueFn *f);
bool glue_trains(const GlueFn *f); /* the first gradient of a training, which stands for it */
int64_t glue_reals(const Glue *g); /* of all parameters */
/* What is the same for every model (model.h): its part of the header, and a gradient that is shown. */
void glue_abi_header(FILE *out, const Glue *g);
void glue_abi_declare(FILE *out, const Glue *g, const GlueFn *f);

#endif
