/* The hnnc command: the only floor that links all others. One file a command; what commands share is
 * in session.c (model, machine, threads), native.c (IR to callable), data.c (data sets), init.c
 * (parameters). Exit codes are in enum Exit. */
#ifndef HNNC_DRIVER_DRIVER_H
#define HNNC_DRIVER_DRIVER_H

#include "codegen/codegen.h"
#include "frontend/model.h"
#include "ir/ir.h"
#include "passes/passes.h"
#include "runtime/runtime.h"

#include <sys/types.h>

#define HNNC_VERSION "0.1.0"

enum Exit { EXIT_FILE = 1, EXIT_USAGE = 2, EXIT_NUMBERS = 3, EXIT_IO = 4, EXIT_FAULT = 70 };

/* ---- options.c --------------------------------------------------------------------------------- */

typedef struct Options {
  const char *command, *file;  /* FILE, DIR or a code */
  VEC(const char *) override_; /* name=value */
  const char *out;             /* --out DIR, -o OUT */
  const char *emit;            /* --emit=KIND[,KIND] */
  const char *print_after, *cpu, *passes;
  bool time_passes, verify_each, no_cache, json, quiet, baseline;
  bool werror, no_warn[DIAG_CODES]; /* warnings: an error after all; not said */
  int threads;                      /* 0: all cores */
  int64_t batch;                    /* bench; 0: as the file says */
  uint64_t seed;
  int opt;
} Options;

/* Fills o from the command line. Returns -1 to go on, or the exit code. */
int options_parse(Options *o, int argc, char **argv);

/* ---- cache.c ------------------------------------------------------------------------------------- */

void cache_keep_small(const char *dir); /* now and then: the objects used last, up to the limit */

/* ---- session.c ----------------------------------------------------------------------------------- */

/* A data file that the model was made from; known: its contents have the hash high, low. */
typedef struct KeptTable {
  const char *path;
  uint64_t high, low;
  bool known;
} KeptTable;

/* A model and what it runs on. Parameters live in `param`, in the model's precision. */
typedef struct Session {
  const Options *opt;
  Source *src;
  Diag *diag;
  Model *model;
  CgOptions cg;
  RtPool *pool;
  RtArray *param;                /* model->nparam, shared */
  RtSet *set;                    /* model->ndata, f64; n = 0 until made */
  RtSet *native_set;             /* the same in the model's precision (f32 models) */
  VEC(Cg *) code;                /* everything compiled so far */
  VEC(KeptTable) table;          /* that the frontend looked into */
  PassRun passes;                /* what they are asked, and have told */
  double started;                /* pass_now() when the process started */
  int errors, warnings;          /* messages that were printed */
  double compiling, making_data; /* seconds so far that the command waited for either */
} Session;

/* Where compiled objects are kept, in buf; NULL: nowhere. */
const char *session_cache_dir(char *buf, size_t size);
/* Loads the model: 0, or the exit code after messages on stderr. */
int session_open(Session *s, const Options *o);
/* The same with the file's text given (a resumed run has its own copy); NULL: read the file. */
int session_open_text(Session *s, const Options *o, const char *text, size_t len);
void session_close(Session *s);
/* A message on stderr in the style of the diagnostics, at a place; returns `code`. */
int session_fail(Session *s, int code, DiagCode kind, Span at, const char *fmt, ...) __attribute__((format(printf, 5, 6)));
const char *session_file(const Session *s); /* the file as it is named to the user */
/* Prints what is in s->diag, less the warnings that are switched off, and empties it. */
void session_render(Session *s);
/* The seed that the program uses for a seed of the file: itself unless --seed is given. */
uint64_t session_seed(const Session *s, uint64_t seed);

/* ---- stop.c, outfile.c ---------------------------------------------------------------------------- */

/* SIGINT, SIGTERM and SIGHUP end the command at once; what is half made then goes first. */
void stop_catch(void);
void stop_removes(const char *path); /* a file or a folder that goes then */
void stop_keeps(const char *path);   /* not any more: it is whole, or gone */
void stop_child(pid_t pid);          /* ends then, with the group that it leads; 0: there is none */
void stop_clean(void);               /* all of this, in a handler */

/* A file that comes under its name when it is whole. path NULL: the standard output. */
typedef struct OutFile {
  FILE *f;
  const char *path, *made;
  char *own;
  struct Kept *kept;
} OutFile;
void out_folders(const char *path);           /* makes those above the file; whoever opens it meets what fails */
void out_begin(OutFile *o, const char *path); /* whoever writes it opens o->made */
FILE *out_open(OutFile *o, const char *path); /* NULL and errno: nothing to end */
/* The standard output as a stream that keeps why it failed first: errno is another one's when a command ends. */
void out_stdout(void);
int out_stdout_error(void);          /* an errno; ENOSPC if nothing is known */
bool out_end(OutFile *o, bool keep); /* false and errno: it is not there */

/* ---- waiting.c --------------------------------------------------------------------------------------- */

/* Between these two, whoever waits long for the compiler is told on stderr what it is at. */
void waiting_begin(const char *command, Source *const *src);
void waiting_at(const char *what, const char *name, Span at); /* from any thread; "": it is not the compiler now */
void waiting_code(const char *symbol);                        /* the same, if it is the compiler that is waited for */
void waiting_end(void);

/* ---- init.c -------------------------------------------------------------------------------------- */

/* Draws the start of every parameter; a draw depends on the seed and the parameter's path alone. */
void init_params(Session *s);

/* ---- native.c ------------------------------------------------------------------------------------- */

/* IR functions, derived, split, compiled together and callable. */
typedef struct Native {
  const char *name;
  Fn *fn;              /* derived and simplified, whole */
  MemoryChoice memory; /* how it keeps states for its gradient */
  Split split;
  Running running; /* of a gradient */
  RtFn *run;
  Arena *mem;
} Native;

/* samples: how many it will run over; any number works. 0: unknown.
 * gradient: fn is a loss, and its gradient by the parameters `moved` is what is compiled (pass_gradient). */
typedef struct NativeJob {
  const Fn *fn;
  const char *name;
  Native *native;
  int64_t samples;
  Memory memory;
  bool gradient;
  const uint32_t *moved;
  uint32_t nmoved;
} NativeJob;
/* "reversible: ...", or "" where nothing could be computed again. */
const char *native_memory_text(MemoryChoice c, char *buf, size_t size);
/* Derives and compiles all jobs; 0 or the exit code after messages. */
int native_build(Session *s, const NativeJob *job, int n);
/* The same in two steps; cg_begin(b->cg) between them has other threads compile meanwhile. */
typedef struct NativeBuild {
  Cg *cg;
  NativeJob *job;
  int n;
} NativeBuild;
int native_begin(Session *s, const NativeJob *job, int n, NativeBuild *b);
int native_end(Session *s, NativeBuild *b);
void native_finish(Native *n);

/* ---- proved.c ----------------------------------------------------------------------------------- */

/* pass_decide, or what it said before and `dir` kept (NULL: nothing). */
FieldAnswer proved_decide(PassRun *run, const char *dir, const Fn *a, const Fn *b, FieldReport *r);

/* ---- kept.c ------------------------------------------------------------------------------------- */

/* The model of s->opt->file (text NULL) or of a text, as it was made before of the same: with it come s->src, and s->diag
 * with the messages of then. NULL: it has to be made. */
Model *kept_model(Session *s, const char *text, size_t len);
void kept_put_model(Session *s);
const char *kept_version(void); /* of the frontend's sources */
/* Before the frontend looks into a data file. */
void kept_table(Session *s, Arena *mem, const char *path);

/* The same for what lowering makes of a job: its native's fn, split, memory and running. After false `k` is for
 * kept_put_lowered, which frees it. */
typedef struct KeptKey {
  char *p;
  size_t n;
} KeptKey;
bool kept_lowered(const Session *s, const NativeJob *j, KeptKey *k);
void kept_put_lowered(const Session *s, const NativeJob *j, KeptKey *k);

/* ---- data.c -------------------------------------------------------------------------------------- */

/* Makes a data set, in f64 and in the model's precision, and those it is made of, in f64; 0 or the exit code. */
int data_make(Session *s, const Data *d);
const RtSet *data_set(Session *s, const Data *d);    /* in f64 */
const RtSet *data_native(Session *s, const Data *d); /* in the model's precision */

/* Of the contents of every file that the model reads, into out[40]. */
void data_fingerprint(const Session *s, char *out);
struct XXH3_state_s;
bool data_hash_file(struct XXH3_state_s *state, const char *path); /* false: it cannot be read whole */

/* ---- commands -------------------------------------------------------------------------------------- */

int command_check(const Options *o);
int command_explain(const Options *o);
int command_compile(const Options *o);
int command_run(const Options *o);
int command_resume(const Options *o);
int command_bench(const Options *o);
int command_cache(const Options *o);
int command_diagnose(const Options *o);
int command_opt(const Options *o);

#endif
