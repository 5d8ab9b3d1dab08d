/* The engine of exported libraries under ThreadSanitizer, which it is compiled with here: eight threads over one set of parameters, each with
 * a handle of its own, with and without threads inside a call. All get the bits that one thread got, and messages of their own. */
#include "runtime/library/lib.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { THREADS = 8, TURNS = 12, SAMPLES = 5000, TILE = 8 };

/* ---- a model: y = w . x for each sample, and the mean of y^2 with its gradient by w --------------------------------- */

static double at(const HnnArg *a, int64_t e, int64_t s) { return ((const double *)a->p)[e * a->ld + s]; }

static double dot(const HnnCall *c, int64_t s) {
  const double *w = c->in[0].p;
  double *scratch = c->scratch;
  scratch[0] = 0;
  for (int e = 0; e < 3; e++) scratch[0] += w[e] * at(&c->in[1], e, s);
  return scratch[0];
}

static void value(const HnnCall *c) {
  for (int64_t s = c->tile0 * TILE; s < c->tile1 * TILE; s++) ((double *)c->out[0].p)[s] = dot(c, s);
}

static void slope(const HnnCall *c) {
  double *loss = c->out[0].p, *by_w = c->out[1].p;
  loss[0] = by_w[0] = by_w[1] = by_w[2] = 0;
  for (int64_t s = c->tile0 * TILE; s < c->tile1 * TILE; s++) {
    const double y = dot(c, s), weight = ((const double *)c->in[2].p)[s];
    loss[0] += weight * y * y;
    for (int e = 0; e < 3; e++) by_w[e] += 2 * weight * y * at(&c->in[1], e, s);
  }
}

static const HnnKernelInfo value_info = {.tile = TILE, .f64 = 1, .scratch_bytes = 64, .flop_per_sample = 6},
                           slope_info = {.tile = TILE, .f64 = 1, .scratch_bytes = 64, .flop_per_sample = 200};
static const LibInput input[] = {{LIB_PARAM, 0, 3, false}, {LIB_FIELD, 0, 3, true}, {LIB_WEIGHT, 0, 1, true}};
static const HnnRef from_whole[] = {{-1, 0}, {-1, 1}, {-1, 2}}, from_part[] = {{1, 0}, {1, 1}};
static const int64_t one[] = {1}, loss_elems[] = {1, 3};
static const bool lane[] = {true}, shared[] = {false, false};
static const int moved[] = {0};
static const LibPart value_part[] = {{0}, {value, &value_info, 2, 1, from_whole, one, lane}, {0}},
                     slope_part[] = {{0}, {slope, &slope_info, 3, 2, from_whole, loss_elems, shared}, {0}};
static const LibFn fn[] = {{3, value_part, true, 2, 1, input, lane, one, from_part, 0, 0, NULL},
                           {3, slope_part, true, 3, 2, input, shared, loss_elems, from_part, 1, 1, moved}};
static const LibParam param[] = {{"w", 1, {3}, 3, 0}};
static const double start[] = {0.5, -1.25, 3};
static const hnn_value argument[] = {{.name = "x", .rank = 1, .dim = {3}, .elems = 3, .per_sample = 1}},
                       result[] = {{.name = "", .elems = 1, .per_sample = 1}},
                       results[] = {{.name = "loss", .elems = 1}, {.name = "gradient", .rank = 1, .dim = {3}, .elems = 3}};
static const hnn_function function[] = {{"value", "fn", 1, 1, argument, result, 6, 0},
                                        {"value", "gradient", 1, 2, argument, results, 6, 0}};
static const hnn_library library = {
  .abi = HNN_ABI, .size = sizeof library, .f64 = 1, .nfunction = 2, .function = function, .reals = 3};
static const int shown[] = {0, 1};
static const LibModel model = {true, 3, 1, param, 2, fn, 0, NULL, start, &library, shown, NULL};

/* ---- threads ------------------------------------------------------------------------------------------------------------ */

typedef struct Results {
  double y[SAMPLES], loss, by_w[3];
} Results;

static double x[3 * SAMPLES];
static Results want;

static int calls(hnn_model *m, Results *r) {
  const hnn_array in[] = {{x, 0}}, y[] = {{r->y, 0}}, both[] = {{&r->loss, 0}, {r->by_w, 0}};
  return lib_abi_call(m, 0, SAMPLES, 0, in, y) || lib_abi_call(m, 1, SAMPLES, 0, in, both);
}

typedef struct Job {
  hnn_model *m;
  int number, wrong;
} Job;

static void *work(void *arg) {
  Job *j = arg;
  Results *r = malloc(sizeof *r);
  char told[64];
  for (int turn = 0; r && turn < TURNS; turn++) {
    memset(r, 0, sizeof *r);
    if (turn % 4 == 0) j->wrong += lib_abi_threads(j->m, j->number % 2 ? 1 : 3) != 0;
    j->wrong += calls(j->m, r) || memcmp(r, &want, sizeof *r);
    j->wrong += lib_abi_call(j->m, 100 + j->number, 1, 0, NULL, NULL) != HNN_BAD_CALL;
    snprintf(told, sizeof told, "there is no function %d; there are 2", 100 + j->number);
    j->wrong += strcmp(lib_abi_error(0), told) != 0;
  }
  j->wrong += !r;
  free(r);
  return NULL;
}

int main(void) {
  hnn_model *m = lib_abi_create(&model, NULL);
  pthread_t thread[THREADS];
  Job job[THREADS];
  int wrong = !m;
  for (int k = 0; k < 3 * SAMPLES; k++) x[k] = (double)(k * 7919 % 1000) / 500 - 1;
  if (wrong || calls(m, &want)) return 1;
  for (int k = 0; k < THREADS; k++) {
    job[k] = (Job){lib_abi_share(m), k, 0};
    if (!job[k].m || pthread_create(&thread[k], NULL, work, &job[k])) return 1;
  }
  lib_destroy(m); /* the others keep its parameters */
  for (int k = 0; k < THREADS; k++) {
    pthread_join(thread[k], NULL);
    wrong += job[k].wrong;
    lib_destroy(job[k].m);
  }
  printf("%d wrong\n", wrong);
  return wrong != 0;
}
