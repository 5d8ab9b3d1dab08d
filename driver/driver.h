/* The hnnc command: the only floor that links all others. commands/ is the command line and a file a command; session/ a model,
 * what it runs on and what is kept of it; plot/ and export/ what comes out beside numbers. */
#ifndef HNNC_DRIVER_DRIVER_H
#define HNNC_DRIVER_DRIVER_H

#include "driver/version.h" /* HNNC_VERSION, of meson.build */
#include "ir/base/base.h"

enum Exit { EXIT_FILE = 1, EXIT_USAGE = 2, EXIT_NUMBERS = 3, EXIT_IO = 4, EXIT_FAULT = 70 };

/* What the command line says. */
typedef struct Options {
  const char *command;
  int (*run)(const struct Options *o); /* the command; the exit code */
  const char *file;                    /* FILE, DIR or a code */
  VEC(const char *) override_;         /* name=value */
  const char *out;                     /* --out DIR, -o OUT */
  const char *params;                  /* --params RUN|FILE */
  const char *function, *data;         /* eval: FUNCTION DATA; data NULL: none */
  VEC(const char *) more; /* runs --compare: RUNs behind the first; fmt: FILEs, likewise; compile --emit=onnx: functions */
  bool compare, check, man;
  VEC(const char *) sweep; /* run: --sweep NAME=[VALUE, ...] */
  const char *seeds;       /* --seeds A:B */
  int jobs;                /* --jobs N */
  const char *slurm;       /* --slurm=OPTIONS; NULL: on this machine */
  bool again;              /* resume of a sweep: what failed, too */
  int64_t task;            /* resume --task K: run K of a sweep alone; -1: none */
  int port;                /* view: --port N; 0: any */
  const struct Ask *ask;   /* what is asked of the model, see FrontOptions */
  VEC(struct Product {
    int kind; /* ProductKind */
    const char *name;
  })
  product;          /* compile: --vjp, --jvp, --hvp, --grad=FUNCTION, in their order */
  const char *emit; /* --emit=KIND[,KIND] */
  const char *print_after, *cpu, *passes;
  bool time_passes, verify_each, no_cache, json, quiet, baseline;
  bool werror, no_warn[DIAG_CODES]; /* warnings: an error after all; not said */
  int threads;                      /* 0: all cores */
  struct RtRanks *ranks;            /* NULL: this process is alone */
  int64_t batch;                    /* bench; 0: as the file says */
  int start_ranks;                  /* bench --ranks N; 0: those that there are */
  uint64_t seed;
  int opt;
  /* Where the compiler is a library: messages stay in the session's collection; NULL: as the command. */
  bool library;
  const char *cache_dir; /* "": nowhere */
  struct Tree *tree;     /* see FrontOptions */
  bool made;             /* likewise */
  const char *(*text)(void *ctx, const char *path, size_t *len);
  bool (*may_decide)(void *text_ctx); /* false: claims that were not decided before stay so; NULL: none */
  void (*at_item)(void *text_ctx);    /* before each item is elaborated; NULL: none */
  void *text_ctx;
} Options;

#endif
