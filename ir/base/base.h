/* Ground floor of every floor: memory, strings, source text and diagnostics.
 *
 * Memory: an Arena is freed as a whole; nothing allocated in one is freed alone. Allocation never
 * returns NULL: out of memory is a fault (fault.c).
 * Strings are NUL-terminated UTF-8. Interned strings compare by pointer within one Interner. */
#ifndef HNNC_IR_BASE_BASE_H
#define HNNC_IR_BASE_BASE_H

#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* ---- arena.c ------------------------------------------------------------------------------ */

typedef struct Arena Arena;

Arena *arena_create(void);
void arena_destroy(Arena *a);              /* NULL is fine */
void *arena_alloc(Arena *a, size_t bytes); /* zeroed, aligned to 16 */
char *arena_strndup(Arena *a, const char *s, size_t n);
char *arena_strdup(Arena *a, const char *s);
char *arena_printf(Arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
#define ARENA_NEW(a, T) ((T *)arena_alloc((a), sizeof(T)))
#define ARENA_ARRAY(a, T, n) ((T *)arena_alloc((a), sizeof(T) * (size_t)(n)))

/* ---- heap.c: checked allocation --------------------------------------------------------------- */

void *base_realloc(void *p, size_t bytes); /* never NULL; pairs with base_free */
void *base_zeroed(size_t n, size_t size);  /* likewise, n elements and one more of zeros */
char *base_strdup(const char *s);
void base_free(void *p); /* what these gave; NULL is fine */

/* What a thread allocates while it is in a heap goes at the latest with it. most: bytes, then it is a fault; 0: no limit. */
typedef struct BaseHeap BaseHeap;
BaseHeap *base_heap_create(size_t most); /* NULL: no memory */
void base_heap_destroy(BaseHeap *h);     /* no thread is in it, or uses what is */
BaseHeap *base_heap_enter(BaseHeap *h);  /* the one that the thread was in; NULL: none */
BaseHeap *base_heap(void);               /* the thread's */
size_t base_heap_used(BaseHeap *h);      /* bytes */

/* ---- fault.c ------------------------------------------------------------------------------- */

/* A fault of the compiler itself, or no memory: ends what base_try called in this thread; without one, a message and exit 70. */
void base_fault(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));
/* Calls f(ctx); false: a fault ended it, whose text stands in text[size]. */
bool base_try(void (*f)(void *), void *ctx, char *text, size_t size);

/* ---- numbers in texts ------------------------------------------------------------------------- */

/* v as texts have it: NaN has no sign. Which one a computation gives it is the processor's and the compiler's. */
static inline double base_shown(double v) { return isnan(v) ? (double)NAN : v; }

/* ---- arena.c: growable arrays ----------------------------------------------------------------- */

/* A growable array: `VEC(Inst) v = {0}; *vec_push(&v) = x; v.at[i]; vec_free(&v);` */
#define VEC(T)       \
  struct {           \
    T *at;           \
    uint32_t n, cap; \
  }
#define vec_push(v) (vec_reserve((v), 1), &(v)->at[(v)->n++])
#define vec_reserve(v, k)                                                                                                       \
  ((v)->n + (k) > (v)->cap ? (void)((v)->cap = ((v)->n + (k)) * 2, (v)->at = base_realloc((v)->at, sizeof *(v)->at * (v)->cap)) \
                           : (void)0)
#define vec_free(v) (base_free((v)->at), (v)->at = NULL, (v)->n = (v)->cap = 0)

/* ---- source.c: files held in memory, places in them ----------------------------------------- */

typedef struct Span {
  uint32_t file, begin, end;
} Span; /* bytes [begin, end); file 0 = nowhere */

typedef struct SourceFile {
  const char *name; /* as shown to the user */
  const char *text; /* NUL-terminated; len bytes */
  uint32_t len;
  uint32_t nlines, *line; /* byte offset at which each line starts */
  uint32_t nmarks;
  struct SourceMark {
    uint32_t at, chars;
  } *mark;      /* characters before a byte, now and then: lines may be long */
  bool loaded;  /* from the file of that name */
  int language; /* version of the language that it says it is written for; 0: none */
} SourceFile;

/* What a call is not to break: the words for it, and of which function. */
typedef struct SourceStated {
  const char *of; /* NULL: of none */
  Span words;     /* a string, with its quotes */
} SourceStated;

typedef struct Source {
  VEC(SourceFile) files;
  VEC(SourceStated) stated;
  Arena *mem;
} Source;

enum { SOURCE_MOST = 256 << 20 }; /* bytes of one file */

Source *source_create(void);
void source_destroy(Source *s);
uint32_t source_add(Source *s, const char *name, const char *text, size_t len); /* id >= 1; copies */
uint32_t source_load(Source *s, const char *path);     /* a regular file; 0 + errno on failure, see source_fault */
uint32_t source_load_any(Source *s, const char *path); /* pipes and devices too: a file that the user named;
                                                            `-` is the standard input, of the name SOURCE_STDIN */
#define SOURCE_STDIN "<stdin>"
void source_says_language(Source *s, uint32_t file, int version);
const char *source_fault(int error); /* as strerror */
const SourceFile *source_file(const Source *s, uint32_t file);
void source_place(const Source *s, Span at, uint32_t *line, uint32_t *column); /* both from 1; columns in characters */
const char *source_where(const Source *s, Span at, char *buf, size_t size);    /* "kepler.hnn:12:9", "-" if nowhere */
uint32_t source_state(Source *s, const char *of, Span words);                  /* its number in `stated`; the same of the same */
Span span_join(Span a, Span b);
/* The character at text[at], at < len: its number of bytes, and its code point, -1 (and one byte) where it is not UTF-8. */
uint32_t source_char(const char *text, uint32_t len, uint32_t at, int32_t *code);

/* ---- diag.c: collect, sort, render with carets ------------------------------------------------
 *
 *   error[shape_mismatch]: `@` needs inner sizes to agree, found 3 and 4
 *     --> pendulum.hnn:12:9
 *   12 |   y = A @ x
 *      |       - ^ - real[4]
 *      |       |
 *      |       real[2, 3]
 *   help: declare `x` as real[3] to match `A`
 *
 * The message is lowercase, without a full stop, stands alone, never says "illegal"; the caret says
 * where, the text says why; only help lines propose a mend. */

typedef enum { DIAG_ERROR, DIAG_WARNING } DiagLevel;
typedef enum DiagCode { /* the kind of a message, and by it its level: codes.def */
#define CODE(name, level, title) CODE_##name,
#include "ir/codes.def"
#undef CODE
                        DIAG_CODES
} DiagCode;
typedef struct Diag Diag;       /* a collection */
typedef struct DiagMsg DiagMsg; /* one message being written; owned by the Diag */

Diag *diag_create(Source *src); /* borrows src */
void diag_destroy(Diag *d);
DiagMsg *diag_add(Diag *d, DiagCode code, Span at, const char *fmt, ...) __attribute__((format(printf, 4, 5)));
void diag_label(DiagMsg *m, Span at, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void diag_help(DiagMsg *m, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void diag_clear(Diag *d);       /* forgets the messages so far, once they are rendered */
int diag_errors(const Diag *d); /* number of errors so far */
int diag_warnings(const Diag *d);
bool diag_full(const Diag *d);                           /* the cap (20 errors) is reached: stop looking */
void diag_render(const Diag *d, FILE *out, bool colour); /* sorted by place, duplicates once; says how many were left out */
/* The same as JSON, one object a line: docs/messages.md; file: that a message without a place is about, or NULL. */
void diag_json(const Diag *d, const char *file, FILE *out);
void diag_strict(Diag *d);                                   /* warnings are shown as errors */
void diag_json_string(FILE *out, const char *s);             /* in quotes; UTF-8 whatever s is */
void diag_json_place(const Source *src, Span at, FILE *out); /* the members file, begin, end */
/* Forgets the warnings that are switched off: those of off[code], and those whose line, or a comment on the line above, says
 * `# allow: name`. */
/* Warns of names in such comments of a file that are of no warning. */
void diag_check_allows(Diag *d, uint32_t file);
void diag_switch_off(Diag *d, const bool off[DIAG_CODES]);
const char *diag_code_name(DiagCode code);
const char *diag_level_name(DiagLevel level); /* "error" */
const char *diag_code_title(DiagCode code);
DiagLevel diag_code_level(DiagCode code);
bool diag_code_find(const char *name, DiagCode *out);

/* The best spelling suggestion for `name` among candidates, or NULL (edit distance <= max(1, len/3)). */
const char *diag_nearest(const char *name, const char *const *candidates, size_t n);

/* ---- intern.c ---------------------------------------------------------------------------------- */

typedef struct Interner Interner;
Interner *intern_create(void);
void intern_destroy(Interner *in);
const char *intern(Interner *in, const char *s);
const char *intern_n(Interner *in, const char *s, size_t n);

/* ---- index.c ---------------------------------------------------------------------------------- */

/* Numbers by key. A key is the address of an interned name, a hash, or a number; never 0. Nothing is taken out; who cuts the
 * list that the numbers count looks whether the number still says what was asked for. `Index x = {0}` is empty. */
typedef struct Index {
  struct IndexSlot {
    uint64_t key;
    uint32_t at;
  } *slot;
  uint32_t n, size;
} Index;
uint32_t *index_find(const Index *x, uint64_t key);  /* NULL: not there */
void index_put(Index *x, uint64_t key, uint32_t at); /* in place of an older one */
void index_free(Index *x);
static inline uint64_t index_name(const char *interned) { return (uint64_t)(uintptr_t)interned; }

#endif
