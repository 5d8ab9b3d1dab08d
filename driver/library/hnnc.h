/* libhnnc: the compiler as a library.
 *
 *   hnnc_model *m = hnnc_open("kepler.hnn", NULL);
 *   if (hnnc_state(m) == HNNC_OK) hnnc_run(m, NULL);
 *   char *text = hnnc_messages_text(m, false);
 *   ...
 *   hnnc_close(m);
 *
 * A model is opened from a file or from memory, whatever errors it has: its diagnostics, its tree and its claims can be looked at.
 * Without errors its functions can be called, its parameters read and written, and its actions run.
 *
 * Nothing here prints, ends the process (but see `memory`), or waits for a terminal. A fault of the compiler comes back as
 * HNNC_FAULT, and the model can then only be asked for its messages and closed. A model is used by one thread at a time (hnnc_stop:
 * by any); two models in two threads do not know of each other. A thread needs 512 KiB of stack.
 *
 * What a function gives out belongs to the model: strings and arrays stay until hnnc_close, unless it says otherwise; what a function
 * is given is copied. Strings are UTF-8 (names of files: as they were given) and end in a zero. Numbers are double; f32 models round
 * them. Shapes are row-major, and where there are samples, the sample is the first axis.
 *
 * Functions that give a list return how many there are, and where they stand in *out: NULL and 0 where there is nothing, where the
 * model has errors (but for messages, tree and claims) or had a fault. out may be NULL. m NULL is a list of nothing, or HNNC_USAGE.
 *
 * In a function that the library calls (`import_text`, `progress`), its model can be asked only hnnc_state and hnnc_stop: all else
 * is HNNC_USAGE or nothing, hnnc_close too. Other models can be used. It must return: no long jump, no exception.
 *
 * After fork, a child can close the models that it has, and open others. */
#ifndef HNNC_DRIVER_LIBRARY_HNNC_H
#define HNNC_DRIVER_LIBRARY_HNNC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define HNNC_API __attribute__((visibility("default")))

enum { HNNC_MAX_RANK = 8 };

typedef enum hnnc_status {
  HNNC_OK = 0,
  HNNC_ERRORS = 1,  /* the source has errors: see the messages */
  HNNC_USAGE = 2,   /* the call makes no sense: NULL, a number out of range, a model with errors; nothing was done */
  HNNC_NUMBERS = 3, /* numbers stopped being finite, or an `expect` or `prove` does not hold */
  HNNC_IO = 4,      /* a file cannot be read or written, or there is no memory for data: see the messages */
  HNNC_STOPPED = 5, /* by hnnc_stop or by the progress function */
  HNNC_FAULT = 70   /* a fault of the compiler, or no memory: see the messages */
} hnnc_status;

typedef struct hnnc_model hnnc_model;

/* ---- opening ------------------------------------------------------------------------------------------ */

/* How a model is opened. Begin with HNNC_OPTIONS; what is zero is as the command has it. An older library takes those of a newer
 * header if what it does not know is zero. */
typedef struct hnnc_options {
  size_t size;                  /* sizeof(hnnc_options), as HNNC_OPTIONS has it; else opening is HNNC_USAGE */
  const char *const *overrides; /* "n=5", "train.steps=100": as on the command line */
  size_t noverrides;
  uint64_t seed;         /* changes every seed of the file together; 0: as written */
  int threads;           /* 0: all cores; results do not depend on it */
  const char *cpu;       /* compile for this processor, as --cpu of the command; NULL: the host; one not known: HNNC_USAGE */
  const char *cache_dir; /* where compiled code is kept; NULL: as the command ($HNNC_CACHE_DIR, ...), "": nowhere, as if it
                          * cannot be written */
  bool tree;             /* keep the tree for hnnc_tree */
  /* Bytes that the compiler may take for itself, then it is HNNC_FAULT; 0: what there is. Not in it: data and parameters, and what
   * LLVM takes, which ends the process where the system has no more. */
  size_t memory;
  /* The text of a file that is imported, of the path `path` ("std/nets.hnn" beside the importing file): false, and it is looked
   * for on the disk. Asked once for each path; the text is copied when it returns. NULL: nobody is asked. */
  bool (*import_text)(void *ctx, const char *path, const char **text, size_t *len);
  void *ctx; /* for import_text */
} hnnc_options;
#define HNNC_OPTIONS {sizeof(hnnc_options), NULL, 0, 0, 0, NULL, NULL, false, 0, NULL, NULL}

/* Opens a file; o NULL: as the command does without options. What is wrong is in hnnc_state and the messages; whatever it is, the
 * model is to be closed. NULL: not even memory for a fault. */
HNNC_API hnnc_model *hnnc_open(const char *path, const hnnc_options *o);
/* The same of a text in memory, len bytes; `name` is what messages call it, and what imports and data files are beside. text NULL:
 * an empty one. */
HNNC_API hnnc_model *hnnc_open_text(const char *name, const char *text, size_t len, const hnnc_options *o);
/* The model of a run directory, as the run had it: its file and imports as they lie there, its overrides and seed, of which options have none,
 * and the parameters that its last training ended with, or would end with now: another process may be at work in it. HNNC_IO: it is no
 * run, or has no checkpoint yet. */
HNNC_API hnnc_model *hnnc_open_run(const char *dir, const hnnc_options *o);
HNNC_API void hnnc_close(hnnc_model *m); /* NULL is fine */
/* What opening gave: HNNC_OK, HNNC_ERRORS, HNNC_IO (no such file), HNNC_USAGE (options that make no sense; only the messages say
 * more). After a fault at any time, HNNC_FAULT. */
HNNC_API hnnc_status hnnc_state(const hnnc_model *m);
HNNC_API const char *hnnc_version(void); /* "0.1.0" */

/* ---- diagnostics ----------------------------------------------------------------------------------------- */

/* A place: bytes [begin, end) of a file; lines and columns from 1, columns in characters. file: as it was opened, or its path as
 * import_text is asked for it, or "<std/nets.hnn>"; NULL: nowhere, and the numbers are 0. */
typedef struct hnnc_place {
  const char *file;
  uint32_t begin, end;
  uint32_t line, column, end_line, end_column;
} hnnc_place;

typedef struct hnnc_label {
  hnnc_place at;
  const char *text;
} hnnc_label;

typedef struct hnnc_message {
  bool error;       /* else a warning */
  const char *code; /* "shape_mismatch": `hnnc explain CODE` */
  const char *text; /* one line; what was expected and found */
  hnnc_place at;
  const hnnc_label *labels; /* other places, and what is there */
  size_t nlabels;
  const char *const *helps; /* what to write */
  size_t nhelps;
} hnnc_message;

/* What has been said so far, by place, each once; of opening, then of what was called (but of no HNNC_USAGE). After a fault, that
 * alone. *out stays until the next call of this function. */
HNNC_API size_t hnnc_messages(hnnc_model *m, const hnnc_message **out);
/* The same as the command prints it, with carets; colour: for a terminal. Never NULL. Stays until the next call of this function. */
HNNC_API const char *hnnc_messages_text(hnnc_model *m, bool colour);
HNNC_API void hnnc_forget_messages(hnnc_model *m); /* those said so far; hnnc_state stays */

/* ---- the tree and the claims, after errors too ---------------------------------------------------------------- */

typedef struct hnnc_node {
  const char *kind; /* "flow", "let", "call", "name", ... */
  const char *name; /* that it defines or uses; an operator; NULL: none */
  const char *type; /* "real[2, 3]", "a function": at its first evaluation; NULL: not known */
  hnnc_place at, name_at;
  int32_t parent; /* a number; -1: a definition of a file */
} hnnc_node;

/* All nodes in the order of the text, each after the one that it is in and within its place; 0 unless options asked for a tree. */
HNNC_API size_t hnnc_tree(hnnc_model *m, const hnnc_node **out);

typedef enum hnnc_answer { HNNC_UNDECIDED, HNNC_PROVED, HNNC_REFUTED } hnnc_answer;

typedef struct hnnc_claim {
  const char *text;   /* "symplectic flow to_circles", or the equality of a `prove` */
  const char *detail; /* how sure, or why not; "" */
  hnnc_place at;
  hnnc_answer answer;
  bool stated; /* by a `prove`; else by a flow */
} hnnc_claim;

/* What was claimed and decided, in imported files too; after errors only if options asked for a tree. */
HNNC_API size_t hnnc_claims(hnnc_model *m, const hnnc_claim **out);

/* ---- parameters ------------------------------------------------------------------------------------------------ */

typedef struct hnnc_param {
  const char *path; /* "energy/dense.0/W" */
  int rank;
  uint32_t dim[HNNC_MAX_RANK];
  size_t elems; /* product of dims */
} hnnc_param;

/* At their start values after opening, as trained after hnnc_run, also after one that was stopped. */
HNNC_API size_t hnnc_params(hnnc_model *m, const hnnc_param **out);
/* The values of parameter k, `elems` of them, row-major; HNNC_USAGE if there is no such parameter, or n is not their number. */
HNNC_API hnnc_status hnnc_get_param(hnnc_model *m, size_t k, double *out, size_t n);
HNNC_API hnnc_status hnnc_set_param(hnnc_model *m, size_t k, const double *values, size_t n);

/* The same in place, in the model's precision, to be read and written between calls; NULL: there is none. Until hnnc_close. */
HNNC_API void *hnnc_param_values(hnnc_model *m, size_t k);
/* All parameters from a run directory or a .safetensors file, each found by its path. HNNC_IO: it cannot be read, or lacks some, or has
 * them in another shape; the messages say which, and nothing has changed. */
HNNC_API hnnc_status hnnc_load_params(hnnc_model *m, const char *from);
HNNC_API hnnc_status hnnc_save_params(hnnc_model *m, const char *path); /* as a .safetensors file, whole or not at all */

/* ---- functions ----------------------------------------------------------------------------------------------------- */

typedef struct hnnc_value { /* an argument or a result */
  const char *name;         /* of an argument; of a result "", or "loss", "gradient" */
  int rank;
  uint32_t dim[HNNC_MAX_RANK]; /* of one sample */
  size_t elems;
  bool per_sample; /* else all samples share it */
  /* row NULL: it is what it is. Else the elements of a matrix of `rows` x `cols` that can be other than 0, row after row: those of row i are
   * numbers row[i] to row[i + 1] - 1, in the columns col[...]. */
  uint32_t rows, cols;
  const int32_t *row, *col;
} hnnc_value;

typedef struct hnnc_function {
  /* kind: "fn", "hamiltonian", "net"; of a flow T "flow", and T_inverse "inverse", T_logdet "logdet"; "report" for each sample; "loss", the mean of one
   * that is trained or whose argument types are known, and its "gradient", if it has one: the loss, and the gradient by all parameters end
   * to end, 0 for those that its training does not move; "vjp", "jvp", "hvp", "grad" that hnnc_derive made. Name and kind together are one function's. */
  const char *name, *kind;
  const hnnc_value *args, *results;
  size_t nargs, nresults;
  hnnc_place at;
} hnnc_function;

/* The named functions of the file whose argument types are known, its reports that take no statistics of others, and its losses. */
HNNC_API size_t hnnc_functions(hnnc_model *m, const hnnc_function **out);

typedef struct hnnc_left {
  const char *name, *kind, *why; /* kind as of hnnc_function; why: in words, with what to write */
} hnnc_left;
/* The other functions of the file, and why they cannot be called. */
HNNC_API size_t hnnc_left_out(hnnc_model *m, const hnnc_left **out);

/* Calls function k on n samples, at least 1, with the parameters as they are: args[i] has [n][args[i].elems] numbers, results[i] takes
 * [n][results[i].elems]. The first call compiles it. What is not a number there is NaN, with HNNC_OK. HNNC_USAGE: no such function, or
 * one of the arrays is NULL; HNNC_IO: no memory for n samples. */
HNNC_API hnnc_status hnnc_call(hnnc_model *m, size_t k, size_t n, const double *const *args, double *const *results);
/* An array in the model's precision. ld 0: [n][dims...], row-major with the sample first; else [dims...][ld], the sample last, ld >= n: that, and
 * one number a sample in either form, is read and written without a copy. Of what all samples share: [dims...]. */
typedef struct hnnc_array {
  void *p;
  int64_t ld;
} hnnc_array;
/* The same call without conversions, on arrays that do not overlap. seed: of draws. n = 0 is fine: nothing for each sample, NaN for a mean. */
HNNC_API hnnc_status hnnc_call_arrays(hnnc_model *m, size_t k, size_t n, uint64_t seed, const hnnc_array *args,
                                      const hnnc_array *results);
HNNC_API bool hnnc_single(const hnnc_model *m); /* reals are floats; else doubles */

/* Products with the Jacobian of function `of`, as functions, called NAME_vjp, ...:
 *   vjp  arguments, then a cotangent for each result -> of each argument; then, if it has parameters, the gradient by all of them end to end,
 *        summed over the samples
 *   jvp  arguments, then a tangent for each -> of each result
 *   hvp  of the only result, a scalar: arguments, then a tangent for each -> the Hessian times it, for each argument
 *   grad of the only result, a scalar: arguments -> it, then its gradient by each argument */
typedef enum hnnc_product { HNNC_VJP, HNNC_JVP, HNNC_HVP, HNNC_GRAD } hnnc_product;
/* Adds one to the functions, whose numbers stay; *number (may be NULL) is its own, the same one if it is there already. HNNC_USAGE: it has none, as
 * losses, reports and gradients. */
HNNC_API hnnc_status hnnc_derive(hnnc_model *m, hnnc_product kind, size_t of, size_t *number);
/* Compiles all functions now, together: faster than one by one. */
HNNC_API hnnc_status hnnc_compile(hnnc_model *m);
/* Functions by their numbers as an ONNX file, with the parameters as they are, as `hnnc compile --emit=onnx` writes it; `.onnx` is added to a path
 * without it. n 0: each function as a file of its own, in the folder `path`, but for those that cannot be. HNNC_ERRORS: one cannot be put in
 * ONNX; the messages say why, and nothing is written. HNNC_USAGE: there is no such function. */
HNNC_API hnnc_status hnnc_export_onnx(hnnc_model *m, const char *path, const size_t *functions, size_t n);

/* The model as a shared library and its header, PATH.so and PATH.h (docs/c-interface.md), with the parameters as they are; a folder that
 * ends in `/` gets both under the model's name. Neither a C compiler nor a linker is needed. */
HNNC_API hnnc_status hnnc_export_library(hnnc_model *m, const char *path);

/* ---- running ------------------------------------------------------------------------------------------------------------ */

typedef struct hnnc_number {
  const char *name;
  double value;
} hnnc_number;

typedef struct hnnc_progress {
  const char *loss; /* the name; of a sum, those of all */
  int64_t step, steps;
  double value, test, lr, samples_per_second; /* NaN where there is none */
  double average;                             /* the test loss of averaged parameters that are kept; NaN where there is none */
  const hnnc_number *losses, *monitor;        /* of each loss of a sum; reports that `monitor` names */
  size_t nlosses, nmonitor;
} hnnc_progress;

typedef struct hnnc_run_options {
  size_t size; /* sizeof(hnnc_run_options) */
  /* Run directory, to be made; a run that is there already moves to dir/earlier/; a folder with other files is HNNC_IO.
   * "": one in runs/; NULL: none, and no checkpoints or plots. */
  const char *dir;
  /* Twenty times in a training, or by its `every`, in the thread that runs; false: stop after this step. *at is gone afterwards. */
  bool (*progress)(void *ctx, const hnnc_progress *at);
  void *ctx;
} hnnc_run_options;
#define HNNC_RUN_OPTIONS {sizeof(hnnc_run_options), NULL, NULL, NULL}

/* Does what the file says, from top to bottom, as `hnnc run`. o NULL: without a directory. A training begins at the parameters as
 * they are: another run trains on. HNNC_NUMBERS: done, but an `expect` or `prove` does not hold, or numbers are not finite (the
 * reports say which, the messages why); HNNC_STOPPED: what was done until then stays; HNNC_IO: a data file has changed since, or
 * the directory cannot be made. */
HNNC_API hnnc_status hnnc_run(hnnc_model *m, const hnnc_run_options *o);
/* Where the last run is, if it has a directory; else NULL. Until the next run. */
HNNC_API const char *hnnc_run_dir(const hnnc_model *m);
/* The run that is under way stops after its step, or if there is none, the next one at its beginning; it is then forgotten. From
 * any thread, while the model is open, or a signal handler. */
HNNC_API void hnnc_stop(hnnc_model *m);
HNNC_API void hnnc_go_on(hnnc_model *m); /* takes back a stop that nothing has heard yet */

typedef struct hnnc_report {
  const char *name;
  double mean, sd, min, max; /* of a tensor: its first element's */
  int64_t n;                 /* samples */
  int rank;                  /* 0: a number */
  uint32_t dim[HNNC_MAX_RANK];
  size_t elems;                            /* those below row-major; 1 of a number */
  const double *means, *sds, *mins, *maxs; /* until the model is closed; the standard error of a mean is sd/sqrt(n) */
} hnnc_report;

/* Of the last run, those that were made. NaN where a report is not finite. */
HNNC_API size_t hnnc_reports(hnnc_model *m, const hnnc_report **out);

typedef struct hnnc_expect {
  const char *text;
  bool holds;
} hnnc_expect;

HNNC_API size_t hnnc_expects(hnnc_model *m, const hnnc_expect **out);

/* ---- many runs ----------------------------------------------------------------------------------------------------------- */

/* The runs in a folder and in folders in it, as JSON, as `hnnc runs DIR --json` prints it. Returns its length; 0: there is no such folder, or
 * no memory. It is in out, with a zero behind it, if that is less than size; out may be NULL. */
HNNC_API size_t hnnc_runs(const char *dir, char *out, size_t size);

/* Writes the page of runs, as `hnnc report DIR ... -o PATH`, whole or not at all. False: it is not written, and why is in `why`, which may be NULL. */
HNNC_API bool hnnc_runs_page(const char *const *dirs, size_t n, const char *path, char *why, size_t size);

#ifdef __cplusplus
}
#endif

#endif
