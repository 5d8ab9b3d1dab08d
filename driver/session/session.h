/* A model and what it runs on. What is done with it is beside: native.h (functions that run), data.h (data sets), trainer.h
 * (a training), proofs.h, units.h, nan.h. */
#ifndef HNNC_DRIVER_SESSION_SESSION_H
#define HNNC_DRIVER_SESSION_SESSION_H

#include "codegen/codegen.h"
#include "driver/driver.h"
#include "frontend/model.h"
#include "ir/ir.h"
#include "passes/passes.h"
#include "runtime/runtime.h"

/* A data file that the model was made from; known: its contents have the hash high, low. */
typedef struct KeptTable {
  const char *path;
  uint64_t high, low;
  bool known;
} KeptTable;

/* What is told of a data program that runs, each NULL if nobody asks. */
typedef struct DataEvents {
  void *ctx;
  void (*begins)(void *ctx, const Data *d, int64_t draws);
  void (*progress)(void *ctx, int64_t done, int64_t draws);
  void (*ends)(void *ctx);
} DataEvents;

/* A model and what it runs on. Parameters live in `param`, in the model's precision. */
typedef struct Session {
  const Options *opt;
  Source *src;
  Diag *diag;
  Model *model;
  CgOptions cg;
  RtPool *pool;
  RtRanks *ranks;       /* that share its work; NULL: none */
  RtArray *param;       /* model->nparam, shared */
  RtSet *set;           /* model->ndata, f64; n = 0 until made */
  RtSet *native_set;    /* the same in the model's precision (f32 models) */
  VEC(Cg *) code;       /* everything compiled so far */
  VEC(KeptTable) table; /* that the frontend looked into */
  PassRun passes;       /* what they are asked, and have told */
  double started;       /* pass_now() when the process started */
  int errors, warnings; /* messages that were printed */
  char cache_dir[4096];
  DataEvents on_data;
  double compiling, making_data; /* seconds so far that the command waited for either */
} Session;

/* Where compiled objects are kept, in buf; NULL: nowhere. */
const char *session_cache_dir(char *buf, size_t size);
/* Loads the model: 0, or the exit code after messages on stderr. */
int session_open(Session *s, const Options *o);
/* The same with the file's text given (a resumed run has its own copy); NULL: read the file. */
int session_open_text(Session *s, const Options *o, const char *text, size_t len);
/* What can be said of a text: s->diag, and the tree that the options ask for. Nothing is made that could run. */
void session_look(Session *s, const Options *o, const char *text, size_t len);
/* Whether means over the batch stand where a training step can take them; else an error in s->diag. */
bool session_means_fit(Session *s);
void session_close(Session *s);
/* Lets go of what was compiled as number `from` and later: nobody holds a function of it. */
void session_drop_code(Session *s, uint32_t from);
/* After a fault: ends its threads, and lets go of what is not in the heap (ir/base/base.h); nothing else of it may be used. */
void session_abandon(Session *s);
/* A message on stderr in the style of the diagnostics, at a place; returns `code`. */
int session_fail(Session *s, int code, DiagCode kind, Span at, const char *fmt, ...) __attribute__((format(printf, 5, 6)));
const char *session_file(const Session *s); /* the file as it is named to the user */
/* Prints what is in s->diag, less the warnings that are switched off, and empties it. */
void session_render(Session *s);
/* The seed that the program uses for a seed of the file: itself unless --seed is given. */
uint64_t session_seed(const Session *s, uint64_t seed);

/* init.c. Draws the start of every parameter; a draw depends on the seed and the parameter's path alone. */
void init_params(Session *s);

/* kept.c */
const char *kept_version(void); /* of the frontend's sources */
/* Bytes that the folder of compiled objects may hold: $HNNC_CACHE_MB; quiet: no word of one that is no number. */
int64_t kept_limit(bool quiet);

#endif
