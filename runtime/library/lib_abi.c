/* The calls that a library shows (model.h): arguments are looked at, and what is wrong is said. */
#include "runtime/library/lib_priv.h"

#include <stdarg.h>
#include <stdio.h>

static _Thread_local char last[400];

int lib_abi_fail(int code, const char *format, ...) {
  va_list ap;
  va_start(ap, format);
  vsnprintf(last, sizeof last, format, ap);
  va_end(ap);
  return code;
}

const char *lib_abi_error(int code) {
  switch (code) {
  case 0: return last;
  case HNN_NOT_FINITE: return "numbers are not finite";
  case HNN_BAD_CALL: return "an invalid argument";
  case HNN_NO_MEMORY: return "there is not enough memory";
  case HNN_BAD_CPU: return "this processor lacks features that the code needs";
  case HNN_BAD_FILE: return "the file cannot be read or written, or belongs to another model";
  default: return "there is no such code";
  }
}

static int no_memory(void) { return lib_abi_fail(HNN_NO_MEMORY, "%s", lib_abi_error(HNN_NO_MEMORY)); }
static int no_model(void) { return lib_abi_fail(HNN_BAD_CALL, "the model is NULL"); }

hnn_model *lib_abi_create(const LibModel *m, const char *lacks) {
  *last = 0;
  if (lacks) return (void)lib_abi_fail(HNN_BAD_CPU, "%s", lacks), NULL;
  hnn_model *made = lib_create(m);
  if (!made) no_memory();
  return made;
}

hnn_model *lib_abi_share(const hnn_model *m) {
  hnn_model *made = m ? lib_share(m) : NULL;
  if (!m) no_model();
  else if (!made) no_memory();
  return made;
}

int lib_abi_threads(hnn_model *m, int threads) {
  if (!m) return no_model();
  const int code = lib_threads(m, threads);
  if (code == HNN_NO_MEMORY) return no_memory();
  return code ? lib_abi_fail(code, "threads must be 1 or more, or 0 for all cores, found %d", threads) : code;
}

void *lib_abi_param(hnn_model *m, int k) {
  if (!m) return (void)no_model(), NULL;
  if (k < 0 || k >= m->m->library->nparameter)
    return (void)lib_abi_fail(HNN_BAD_CALL, "there is no parameter %d; there are %d", k, m->m->library->nparameter), NULL;
  const LibTurn *t = &m->m->turn[k];
  return (char *)lib_param(m, t->param) + (size_t)t->first * real_size(m);
}

/* Which of the arrays is bad, and why. */
static int bad_array(const hnn_function *f, const hnn_value *value, int from, int count, const hnn_array *array, int64_t n,
                     const char *what) {
  for (int k = from; k < count; k++) {
    const char *name = value[k].name;
    if (!array || !array[k].p)
      return lib_abi_fail(HNN_BAD_CALL, "`%s`: %s %d%s%s%s is NULL", f->name, what, k, *name ? ", `" : "", name, *name ? "`," : "");
    if (value[k].per_sample && array[k].ld && array[k].ld < n)
      return lib_abi_fail(HNN_BAD_CALL, "`%s`: %s %d%s%s%s has ld %lld, less than %lld samples", f->name, what, k,
                          *name ? ", `" : "", name, *name ? "`," : "", (long long)array[k].ld, (long long)n);
  }
  return HNN_OK;
}

/* results: they are looked at too, as those of a call. Of no samples only what all samples share is needed. */
static int bad_call(const hnn_function *f, int64_t n, const hnn_array *in, bool results, const hnn_array *out) {
  if (n < 0) return lib_abi_fail(HNN_BAD_CALL, "`%s`: invalid number of samples, %lld", f->name, (long long)n);
  int code = n ? bad_array(f, f->in, 0, f->nin, in, n, "argument") : HNN_OK;
  for (int k = 0; !code && results && k < f->nout; k++)
    if (n || !f->out[k].per_sample) code = bad_array(f, f->out, k, k + 1, out, n, "result");
  return code ? code : lib_abi_fail(HNN_BAD_CALL, "`%s`: %lld samples are too many", f->name, (long long)n);
}

int lib_abi_call(hnn_model *m, int function, int64_t n, uint64_t seed, const hnn_array *in, const hnn_array *out) {
  if (!m) return no_model();
  const hnn_library *l = m->m->library;
  if (function < 0 || function >= l->nfunction)
    return lib_abi_fail(HNN_BAD_CALL, "there is no function %d; there are %d", function, l->nfunction);
  const int code = lib_call(m, m->m->shown[function], n, seed, in, out);
  if (code == HNN_NO_MEMORY) return no_memory();
  return code ? bad_call(&l->function[function], n, in, true, out) : code;
}

int lib_abi_step(hnn_model *m, int training, const int64_t *n, const hnn_array *const *in, double lr, double *loss) {
  if (!m) return no_model();
  const hnn_library *l = m->m->library;
  if (training < 0 || training >= l->ntraining)
    return lib_abi_fail(HNN_BAD_CALL, "there is no training %d; there are %d", training, l->ntraining);
  const hnn_training *t = &l->training[training];
  if (m->shares) return lib_abi_fail(HNN_BAD_CALL, "`%s`: a handle that shares parameters cannot train", t->name);
  if (!n || !in || !loss) return lib_abi_fail(HNN_BAD_CALL, "`%s`: n, the samples and loss must not be NULL", t->name);
  const int code = lib_step(m, training, n, in, lr, loss);
  if (code == HNN_NO_MEMORY) return no_memory();
  if (code == HNN_NOT_FINITE)
    return lib_abi_fail(code, "`%s`: the loss, its gradient, lr or the result of the step is not finite; nothing was changed",
                        t->name);
  for (int k = 0; code && k < t->nloss; k++) {
    const hnn_function *f = &l->function[t->loss[k]];
    if (n[k] < 1) return lib_abi_fail(code, "`%s`: a step needs at least one sample, found %lld", f->name, (long long)n[k]);
    if (!lib_call_good(m, m->m->shown[t->loss[k]], n[k], in[k])) return bad_call(f, n[k], in[k], false, NULL);
  }
  return code;
}
