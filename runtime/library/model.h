/* Libraries that `hnnc compile` makes, as any program can use them, whatever the model: ABI 1.
 *
 *   void *so = dlopen("./NAME.so", RTLD_NOW);
 *   const hnn_library *lib = dlsym(so, "hnn_library_1");   (or NAME_library of its header)
 *   if (lib->abi != HNN_ABI) ...                           (the fields of a later ABI may be others)
 *   hnn_model *m = lib->create();
 *   hnn_array in[] = {{q, 0}, {p, 0}}, out[] = {{energy, 0}};
 *   int code = lib->call(m, k, n, 0, in, out);             (lib->function[k] says what it takes)
 *
 * All that the structs point to is the library's, constant, and stays until it is closed (dlclose). Strings are UTF-8. Arrays are the
 * caller's, in the model's precision, and must not overlap. */
#ifndef HNNC_RUNTIME_LIBRARY_MODEL_H
#define HNNC_RUNTIME_LIBRARY_MODEL_H

#include <stdint.h>

enum { HNN_ABI = 1, HNN_AXES = 8 };

/* What functions give. lib->error(code) is a text. */
typedef enum hnn_code {
  HNN_OK = 0,
  HNN_NOT_FINITE = 1, /* a step would make numbers that are not finite: everything is as it was */
  HNN_BAD_CALL = -1,  /* an array is NULL, n is below 0 or too large, there is no such function */
  HNN_NO_MEMORY = -2,
  HNN_BAD_CPU = -3, /* the processor lacks what the code needs */
  HNN_BAD_FILE = -4 /* it cannot be read or written, or its parameters are not the model's */
} hnn_code;

/* ld 0: [n][dims...], row-major with the sample first. Else [dims...][ld], the sample last and next to each other, ld >= n: functions
 * read and write that, and one number a sample in either form, without a copy. Of what all samples share: [dims...], whatever ld. */
typedef struct hnn_array {
  void *p;
  int64_t ld;
} hnn_array;

typedef struct hnn_value { /* an argument or a result */
  const char *name;        /* as in the file; a result: "", or "loss", "gradient" */
  int32_t rank;
  uint32_t dim[HNN_AXES];
  int64_t elems;      /* product of dims */
  int32_t per_sample; /* 0: all samples share it */
  /* row NULL: it is what it is. Else the elements of a matrix of `rows` x `cols` that can be other than 0, row after row: those of row i
   * are numbers row[i] to row[i + 1] - 1, in the columns col[...]. */
  uint32_t rows, cols;
  const int32_t *row, *col;
} hnn_value;

typedef struct hnn_function {
  const char *name;
  const char *kind; /* "fn", "hamiltonian", "net"; of a flow T "flow", and T_inverse "inverse", T_logdet "logdet"; "report" for each
                     * sample; "loss", the mean over samples; "gradient" of that loss: the loss, and its gradient, as long as all
                     * parameters end to end, 0 where a training does not move them */
  int32_t nin, nout;
  const hnn_value *in, *out;
  int64_t flop;  /* a sample */
  int32_t draws; /* 1: it has draws, which follow from the seed and the sample's number */
} hnn_function;

typedef struct hnn_parameter {
  const char *path; /* "energy/dense.0/W" */
  int32_t rank;
  uint32_t dim[HNN_AXES];
  int64_t elems, first; /* its place in a gradient */
} hnn_parameter;

typedef struct hnn_training {
  const char *name, *optimizer;
  double lr;
  int32_t nloss;
  const int32_t *loss; /* numbers of the functions, of kind "gradient": their arguments are the step's */
} hnn_training;

typedef struct hnn_proof {
  const char *text;   /* "symplectic flow to_circles" */
  const char *answer; /* "proved", "refuted", "undecided" */
  const char *detail; /* how sure, or why not */
} hnn_proof;

typedef struct hnn_model hnn_model;

typedef struct hnn_library {
  uint32_t abi, size;          /* HNN_ABI; sizeof(hnn_library) */
  const char *name, *source;   /* "kepler", "models/kepler.hnn" */
  const char *compiler, *hash; /* "hnnc 0.1.0"; of the source, its imports and overrides, as a run's manifest has it */
  const char *cpu, *features;  /* "znver4"; what of it a processor may lack, blanks between */
  int32_t f64;                 /* 1: every real is a double; 0: a float */
  int32_t nfunction, nparameter, ntraining, nproof;
  const hnn_function *function;
  const hnn_parameter *parameter;
  const hnn_training *training;
  const hnn_proof *proof;
  int64_t reals; /* of all parameters end to end */

  /* NULL: error(0) says why. A model is used by one thread at a time, but for share(). */
  hnn_model *(*create)(void);
  void (*destroy)(hnn_model *m); /* NULL is fine */
  /* Another handle of the same parameters, for another thread: both can call at once, while nobody writes parameters. It cannot train
   * or load. The two are destroyed in any order: the parameters go with the last handle. */
  hnn_model *(*share)(const hnn_model *m);
  /* Threads inside a call; 0: all cores; at first 1. Results do not depend on it. */
  int (*threads)(hnn_model *m, int threads);
  void *(*param)(hnn_model *m, int k); /* to read and to write in place; NULL: there is none */
  /* seed: of draws. n = 0 is fine: nothing for each sample, NaN for a mean. */
  int (*call)(hnn_model *m, int function, int64_t n, uint64_t seed, const hnn_array *in, const hnn_array *out);
  /* One step of training k on n[i] samples in[i] of its loss i; *loss gets their sum before it. lr <= 0: the file's. */
  int (*step)(hnn_model *m, int training, const int64_t *n, const hnn_array *const *in, double lr, double *loss);
  int (*load)(hnn_model *m, const char *path);       /* every parameter, from a checkpoint of a run or a file of save(); or none */
  int (*save)(const hnn_model *m, const char *path); /* safetensors; a file that is there is replaced at once, or stays */
  const char *(*error)(int code);                    /* 0: of the last call in this thread that failed, with what it found */
} hnn_library;

#endif
