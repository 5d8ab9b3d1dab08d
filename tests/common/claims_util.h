/* Flows as source text: loaded, and what they claim compared with numbers. Used by tests that make many. */
#ifndef HNNC_TESTS_COMMON_CLAIMS_UTIL_H
#define HNNC_TESTS_COMMON_CLAIMS_UTIL_H

#include "frontend/model.h"
#include "passes/passes.h"

/* ---- random numbers and text ------------------------------------------------------------------------------ */

typedef struct Rng {
  uint64_t state;
} Rng;
uint64_t rng_bits(Rng *r);
uint32_t rng_below(Rng *r, uint32_t n); /* 0 ... n - 1 */
double rng_unit(Rng *r);

enum { TEXT_MOST = 131072 };
typedef struct Text {
  char at[TEXT_MOST];
  size_t n;
} Text;
void text_add(Text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* ---- models -------------------------------------------------------------------------------------------------- */

typedef struct Loaded {
  Source *src;
  Diag *diag;
  Model *m;
} Loaded;
FrontOptions claims_options(Diag *diag, bool lenient);
/* lenient: what would be refuted is left undecided, so that the model loads. */
Loaded claims_load(const char *text, bool lenient);
void claims_unload(Loaded *l);
char *claims_messages(const Loaded *l);                      /* malloc'ed */
const Proof *claims_proof(const Model *m, const char *text); /* NULL if there is none */

/* ---- functions of a model -------------------------------------------------------------------------------- */

enum { POINTS = 8 };    /* samples at which a function is evaluated */
typedef struct Values { /* lanes: v[element * POINTS + sample] */
  Tensor *out;
  uint32_t n;
  double largest[POINTS]; /* of all that was computed on the way, by sample */
} Values;

/* The exported function `name` of the model, derived; the caller's. NULL if there is none. */
Fn *claims_fn(const Model *m, const char *name);
/* Evaluates it at random points: parameter i and argument i are the same for all functions with one seed. */
bool claims_eval(const Fn *f, uint64_t seed, Values *out);
/* The same with element `element` of parameter `param` moved by h; param = -1: nothing. */
typedef struct Nudge {
  int64_t param;
  int64_t element;
  double h;
} Nudge;
bool claims_eval_at(const Fn *f, uint64_t seed, Nudge nudge, Values *out);
void claims_arguments(const Fn *f, uint64_t seed, Nudge nudge, Tensor *in);
/* How far results lie from the arguments, of one sample: of an f that should give back what it takes. */
double claims_away(const Fn *f, const Values *v, uint64_t seed, int sample);
void claims_values_free(Values *v);
double claims_value(const Tensor *t, int64_t element, int sample);

/* ---- defects -------------------------------------------------------------------------------------------------- */

/* By sample, of a d x d Jacobian: max |J^T Omega J - Omega|; det J (by elimination with pivots); max |J|. */
double defect_symplectic(const Tensor *j, int sample);
double jacobian_det(const Tensor *j, int sample);
double jacobian_size(const Tensor *j, int sample);

#endif
