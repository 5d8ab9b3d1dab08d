/* Calls of a library that `hnnc compile` made, in a loop: what a C program would do, without an interpreter between the
 * calls. bench/peers/hnnc_peer.py compiles it. At most six input arrays. */
#include <stdint.h>

enum { MOST_INPUTS = 6 };
typedef int (*Train1)(void *, int64_t, const void *, double, double *);
typedef int (*Train2)(void *, int64_t, const void *, const void *, double, double *);
typedef int (*Train3)(void *, int64_t, const void *, const void *, const void *, double, double *);
typedef int (*Train4)(void *, int64_t, const void *, const void *, const void *, const void *, double, double *);
typedef int (*Train5)(void *, int64_t, const void *, const void *, const void *, const void *, const void *, double, double *);
typedef int (*Train6)(void *, int64_t, const void *, const void *, const void *, const void *, const void *, const void *, double,
                      double *);

static int train(void *f, void *m, int64_t n, int nin, const void *const *in, double *loss) {
  switch (nin) {
  case 1: return ((Train1)f)(m, n, in[0], 0, loss);
  case 2: return ((Train2)f)(m, n, in[0], in[1], 0, loss);
  case 3: return ((Train3)f)(m, n, in[0], in[1], in[2], 0, loss);
  case 4: return ((Train4)f)(m, n, in[0], in[1], in[2], in[3], 0, loss);
  case 5: return ((Train5)f)(m, n, in[0], in[1], in[2], in[3], in[4], 0, loss);
  case MOST_INPUTS: return ((Train6)f)(m, n, in[0], in[1], in[2], in[3], in[4], in[5], 0, loss);
  default: return -2;
  }
}

/* `steps` steps of training; loss[k] gets the loss before step k. 0, or what the first failing step returned. */
int bench_train(void *f, void *m, int64_t n, int nin, const void *const *in, double *loss, int64_t steps) {
  for (int64_t k = 0; k < steps; k++) {
    int code = train(f, m, n, nin, in, &loss[k]);
    if (code) return code;
  }
  return 0;
}

typedef int (*Fn1)(void *, int64_t, const void *, void *);
typedef int (*Fn2)(void *, int64_t, const void *, const void *, void *);
typedef int (*Fn3)(void *, int64_t, const void *, const void *, const void *, void *);

typedef int (*Fn4)(void *, int64_t, const void *, const void *, const void *, const void *, void *);
typedef int (*Fn5)(void *, int64_t, const void *, const void *, const void *, const void *, const void *, void *);
typedef int (*Fn6)(void *, int64_t, const void *, const void *, const void *, const void *, const void *, const void *, void *);

static int call(void *f, void *m, int64_t n, int nin, const void *const *in, void *out) {
  switch (nin) {
  case 1: return ((Fn1)f)(m, n, in[0], out);
  case 2: return ((Fn2)f)(m, n, in[0], in[1], out);
  case 3: return ((Fn3)f)(m, n, in[0], in[1], in[2], out);
  case 4: return ((Fn4)f)(m, n, in[0], in[1], in[2], in[3], out);
  case 5: return ((Fn5)f)(m, n, in[0], in[1], in[2], in[3], in[4], out);
  case MOST_INPUTS: return ((Fn6)f)(m, n, in[0], in[1], in[2], in[3], in[4], in[5], out);
  default: return -2;
  }
}

/* `calls` calls of a function. */
int bench_call(void *f, void *m, int64_t n, int nin, const void *const *in, void *out, int64_t calls) {
  for (int64_t k = 0; k < calls; k++) {
    int code = call(f, m, n, nin, in, out);
    if (code) return code;
  }
  return 0;
}
