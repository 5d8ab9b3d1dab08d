/* What the files of the sparsity analysis share (pattern.c, pattern_rules.c, pattern_loop.c,
 * pattern_sets.c). */
#ifndef HNNC_PASSES_SPARSITY_PATTERN_PRIV_H
#define HNNC_PASSES_SPARSITY_PATTERN_PRIV_H

#include "ir/core/pattern.h"
#include "passes/base/pass.h"

/* ---- pattern_sets.c: interned sets of columns ------------------------------------------------- */

/* SET_ZERO: of an element that is known to be 0; SET_NONE: of one that may have any value but no derivative. */
enum { SET_ZERO, SET_NONE, SET_FIRST };

typedef struct ColumnSet {
  uint32_t at, n, hash;
} ColumnSet; /* column[at .. at + n), ascending */
typedef struct UnionPair {
  uint32_t a, b, both;
} UnionPair;

typedef struct Sets {
  uint32_t ncol;
  VEC(ColumnSet) set; /* by id */
  VEC(uint32_t) column;
  uint32_t *slot, nslot; /* ids by content */
  UnionPair *pair;
  uint32_t npair, npairs;
  uint32_t *stamp, now;    /* by column: the union at hand has it */
  VEC(uint32_t) seen, got; /* by set: it has been added; columns of the union at hand */
  uint32_t many;
  int64_t work; /* elements looked at so far */
} Sets;

void sparsity_set_init(Sets *s, uint32_t ncol);
void sparsity_set_finish(Sets *s);
uint32_t sparsity_set_single(Sets *s, uint32_t column);
uint32_t sparsity_set_union(Sets *s, uint32_t a, uint32_t b); /* of two; what is added to 0 stays as it is */
void sparsity_set_open(Sets *s);                              /* a union of many, one at a time */
void sparsity_set_add(Sets *s, uint32_t id);
uint32_t sparsity_set_close(Sets *s);
const uint32_t *sparsity_set_columns(const Sets *s, uint32_t id, uint32_t *n);

/* ---- pattern.c: values and functions ------------------------------------------------------------ */

/* The sets of a value's elements. `same`: one entry stands for all. */
typedef struct Deps {
  uint32_t *id;
  bool same;
} Deps;

static inline uint32_t sparsity_deps_at(Deps d, int64_t k) { return d.id[d.same ? 0 : k]; }

typedef struct Search {
  Sets sets;
  Arena *mem;
  int64_t limit; /* of sets.work; beyond it the search is given up */
} Search;

/* One function under analysis. */
typedef struct SearchFrame {
  Search *search;
  const Fn *f;
  Deps *val;     /* by id */
  Deps **result; /* by id of a MULTI instruction: by result */
} SearchFrame;

static inline Deps sparsity_deps_of(const SearchFrame *fr, const Inst *i, uint32_t k) { return fr->val[ir_arg(fr->f, i, k).id]; }

Deps sparsity_deps_same(Search *p, uint32_t id);
Deps sparsity_deps_new(Search *p, int64_t n);         /* all SET_ZERO */
Deps sparsity_deps_columns(Search *p);                /* of a variable: a column each */
Deps sparsity_deps_close(Deps d, int64_t n);          /* `same`, where all entries are equal */
void sparsity_deps_add(Search *p, Deps d, int64_t n); /* sparsity_set_add of every element */
enum { SPARSITY_WORK = 1 << 20 };                     /* about 10 ms */
SearchFrame sparsity_frame(Search *p, const Fn *f);
bool sparsity_visit(SearchFrame *fr, uint32_t id);                      /* one instruction. False: given up */
bool *sparsity_cone(const Fn *f, Val e, Val x);                         /* by id: what e is computed from, up to x; free it */
bool sparsity_walk(SearchFrame *fr, Val e, Val x);                      /* all of it. False: given up */
bool sparsity_rows(const Sets *s, Deps e, uint32_t rows, Pattern *out); /* false: too many nonzeros */
/* Sets of f's outputs from those of its inputs. False: given up. */
bool sparsity_run(Search *p, const Fn *f, const Deps *in, Deps *out);

/* ---- pattern_rules.c, pattern_loop.c ---------------------------------------------------------------- */

typedef Deps SparsityRule(SearchFrame *fr, const Inst *i);
#define EW1(name, ...)
#define EW2(name, ...)
#define CMP(name, ...)
#define LOG(name, ...)
#define ST(name, ...) SparsityRule sparsity_##name;
#include "ir/ops.def"
SparsityRule sparsity_elementwise;
Deps sparsity_smear(SearchFrame *fr, const Inst *i); /* depends on all that the operands depend on */
/* Results of a scan. False: given up. */
bool sparsity_loop(SearchFrame *fr, const Inst *i, Deps *result);

#endif
