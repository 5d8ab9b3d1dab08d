/* What codegen.c holds, and what work.c and module.c make of it. */
#ifndef HNNC_CODEGEN_OBJECT_CODEGEN_PRIV_H
#define HNNC_CODEGEN_OBJECT_CODEGEN_PRIV_H

#include "codegen/gen/gen.h"
#include "codegen/object/image_priv.h"

#include <time.h>

typedef struct CgFn {
  const Fn *f;
  Fn *own; /* f, if it is a copy */
  char *symbol;
  GenShare share;
  int64_t samples; /* it is compiled for; 0: unknown */
  bool compiled, cached;
  char *key;
  size_t keylen;
  CgObject object; /* between compiling and linking */
  CgImage *image;
  double seconds; /* of the processor: others may be at work on the machine */
  HnnKernel kernel;
  HnnKernelInfo info;
} CgFn;

typedef struct Work Work;

struct Cg {
  CgMachine machine;
  CgOptions opt;
  char *cache_dir;
  VEC(CgFn) fn;
  bool cached;
  Work *work;           /* objects that are being made, or NULL */
  CgImage *peak[2];     /* the loop of cg_measure_peak, once it is there */
  int64_t peak_flop[2]; /* of one turn of it */
};

/* ---- module.c ------------------------------------------------------------------------------------------------ */

/* An object of the functions [from, to) that are not compiled yet. */
bool cg_module_object(Cg *cg, CgMachine *m, uint32_t from, uint32_t to, CgObject *out, char *err, size_t errsize);
bool cg_module_wrappers(Cg *cg, const CgWrapper *wrapper, uint32_t n, CgObject *out, char *err, size_t errsize);

/* ---- work.c -------------------------------------------------------------------------------------------------- */

/* Gives each function that is not compiled its object. */
bool cg_work_objects(Cg *cg, char *err, size_t errsize);
void cg_work_stop(Cg *cg); /* after a fault: its threads end, its memory stays */
void cg_work_drop(Cg *cg); /* nothing more is made */

/* ---- codegen.c ----------------------------------------------------------------------------------------------- */

void cg_timed(const Cg *cg, const char *what, double seconds);

static inline double cg_clock(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* An object of the wrappers, and one of each function that was added and not yet compiled; made on several threads, and taken from the
 * cache where it has them. How many, base_free'd by the caller; 0 after a message. */
uint32_t cg_objects(Cg *cg, const CgWrapper *wrapper, uint32_t n, CgObject **out, char *err, size_t errsize);

#endif
