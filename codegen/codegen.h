/* Native code: derived, split functions -> fused kernels -> LLVM IR -> machine code in memory, an
 * object, assembly. All state is in a Cg; functions are added, then compiled together or found in
 * the cache. Thread-safe across Cgs. See docs/codegen/. */
#ifndef HNNC_CODEGEN_CODEGEN_H
#define HNNC_CODEGEN_CODEGEN_H

#include "ir/abi.h"
#include "ir/ir.h"

/* How lanes are used: for the samples of a tile, or for the elements of one sample (docs/codegen/). */
typedef enum { CG_AUTO, CG_TILES, CG_SINGLE } CgForm;

typedef struct CgObject {
  char *p;
  size_t n;
} CgObject; /* bytes, malloc'ed; p NULL: none */

typedef struct CgOptions {
  const char *cpu;       /* NULL: the host; "x86-64", "haswell", "znver4", ... */
  const char *features;  /* NULL: the host's, or none when cpu is given */
  const char *triple;    /* NULL: the host's */
  int opt;               /* 0..2, code generation only; 1 is the default of the driver */
  CgForm form;           /* for tests: CG_AUTO chooses by cost */
  const char *cache_dir; /* NULL: no cache. Never fatal when unwritable or corrupt */
  bool time;             /* report to cg_timed below */
  void (*timed)(void *ctx, const char *what, double seconds);
  void *ctx;                      /* of timed */
  void (*at)(const char *symbol); /* hears whose code is being made, from several threads; NULL: nobody */
  /* Of processes that run one program, one compiles, in whose order all others get what it makes (`follows`). Called by the thread that
   * calls cg_compile; what a follower gets is the heap's (ir/base/base.h), p NULL: it could not be made. NULL: this process is alone. */
  void (*pass_on)(void *ctx, CgObject *object);
  void *pass_ctx;
  bool follows;
  void (*refused)(const char *path); /* hears of files of the cache that others can write to, from several threads; NULL: nobody */
} CgOptions;

typedef struct CgName {
  char text[64];
} CgName;

/* The number of an instruction, for who looks which code is of it; 0: none. */
typedef struct CgNumber {
  uint32_t (*of)(void *ctx, const Inst *i);
  void *ctx;
} CgNumber;

typedef struct Cg Cg;

Cg *cg_create(const CgOptions *o, char *err, size_t errsize);
void cg_destroy(Cg *cg);
/* After a fault: ends its threads and gives back what is the system's; its memory goes with the heap (ir/base/base.h). */
void cg_abandon(Cg *cg);

/* Adds a function under a symbol. No DERIV ops or integrate may be left; a function with lane values
 * must be one that pass_split calls `batch`. Copies what it needs. */
void cg_add(Cg *cg, const Fn *f, const char *symbol);
/* The same where it is known how many samples it runs over; any number still works. 0: unknown. f must be there
 * until cg_begin or cg_compile. */
void cg_add_for(Cg *cg, const Fn *f, const char *symbol, int64_t samples);

/* Begins to compile on other threads what was added, while the caller does something else; cg_compile waits for it. */
void cg_begin(Cg *cg);
/* Compiles what was added since the last call (from the cache where it can) and links it. */
bool cg_compile(Cg *cg, char *err, size_t errsize);
HnnKernel cg_kernel(Cg *cg, const char *symbol); /* NULL if unknown */
HnnKernelInfo cg_info(Cg *cg, const char *symbol);
bool cg_cached(const Cg *cg); /* the last cg_compile was served by the cache */

/* Text and files, of what was added so far and not yet compiled: */
typedef struct CgScratch { /* bytes of scratch from `off` on, from loop nest t0 to t1 */
  int64_t off, bytes;
  uint32_t t0, t1;
} CgScratch;
/* What is called while loop nests are printed. */
typedef struct CgNote {
  void (*line)(void *ctx, FILE *out, const Inst *i); /* before a line that is about an instruction */
  void *ctx;
  void (*nest)(void *ctx, FILE *out, uint32_t turn);                          /* or NULL: before the first line of a loop nest */
  void (*place)(void *ctx, FILE *out, const Inst *i, const CgScratch *place); /* or NULL: of each value in scratch, at the head */
} CgNote;
void cg_print_kernels(Cg *cg, FILE *out, const Source *src, const CgNote *note); /* the fused loop nests; note may be NULL */
bool cg_print_llvm(Cg *cg, FILE *out, char *err, size_t errsize);
/* number: NULL, or there is a line `.loc 1 NUMBER` before what is of an instruction that has one, and debug information behind. */
bool cg_print_asm(Cg *cg, FILE *out, const CgNumber *number, char *err, size_t errsize);
bool cg_write_object(Cg *cg, const char *path, char *err, size_t errsize); /* position independent */

/* A function of a shared library (object/shared.h) that takes pointers: int symbol(model, n, in..., out...), which calls
 *   int to(model, number, n, 0, {pointer, ld} in[], {pointer, ld} out[])
 * of the base, or int symbol(model, n, in..., n_2, in_2..., double lr, double *loss), which calls
 *   int to(model, number, n[], {pointer, ld} *in[], lr, loss).
 * The arrays have ld 0, and one more of NULL behind them. */
typedef struct CgWrapper {
  const char *symbol, *to;
  int number;
  bool step;
  int nset; /* of inputs; 1 of the first form */
  const int *nin;
  int nout; /* of the first form */
} CgWrapper;

/* Features of the machine, for the manifest and the tile choices. */
CgName cg_host_cpu(void);
CgName cg_llvm(void);                /* "19.1.7" */
CgName cg_version(void);             /* of LLVM and of this generator: part of every cache key */
bool cg_cpu_known(const char *name); /* one that --cpu takes */
#ifdef __x86_64__
#define CG_CPU_NAMES "x86-64, x86-64-v3, haswell, znver4, ..." /* some of them, for messages */
#else
#define CG_CPU_NAMES "generic, cortex-a72, cortex-a76, neoverse-n1, ..."
#endif
/* The processor that these options stand for, and what its code may need of one, as names that __builtin_cpu_supports of gcc 8 and
 * clang 9 knows, blanks between; "" where nothing can be missing or it is not known. */
typedef struct CgProcessor {
  char cpu[64], needs[384];
} CgProcessor;
void cg_processor(const CgOptions *o, CgProcessor *out);
int cg_vector_bits(const Cg *cg); /* 128, 256 or 512 */

/* The measured peak of fused multiply-adds on one core, GFLOP/s; generated code, ~20 ms. */
double cg_measure_peak(Cg *cg, bool f64);

#endif
