#ifndef HNNC_DRIVER_SESSION_NATIVE_H
#define HNNC_DRIVER_SESSION_NATIVE_H

#include "driver/session/session.h"

/* IR functions, derived, split, compiled together and callable. */
typedef struct Native {
  const char *name;
  Fn *fn;              /* derived and simplified, whole */
  MemoryChoice memory; /* how it keeps states for its gradient */
  Split split;
  Running running; /* of a gradient */
  RtFn *run;
  Cg *cg; /* the session's: what it was compiled with */
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
  bool alone; /* every rank runs all of it */
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
/* The same without making them callable: `run` stays NULL. */
int native_compile(Session *s, const NativeJob *job, int n);
/* A part of the split as it was compiled; NULL: there is no such part. */
HnnKernel native_kernel(const Native *n, uint32_t part, HnnKernelInfo *info);
HnnRef *native_refs(Arena *mem, const PartRef *from, uint32_t n);
void native_outputs(Arena *mem, const Fn *f, const int64_t **elems, const bool **lane); /* their sizes */
void native_finish(Native *n);

#endif
