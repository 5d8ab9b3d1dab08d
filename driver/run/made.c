/* Data that follows from parameters, made when the run comes to its place. Where a training follows, its parameters are gone when
 * that is resumed: so the samples lie in the run directory, bit for bit, in data/NAME.safetensors: a tensor for each field, its
 * elements by the lanes of the set in blocks of RT_PAD, and their number. */
#include "driver/run/runner_priv.h"
#include "driver/session/data.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static bool trains_later(const Model *m, int action) {
  for (uint32_t i = (uint32_t)action + 1; i < m->naction; i++)
    if (m->action[i].kind == DO_TRAIN) return true;
  return false;
}

static char *path_of(const Runner *r, const Data *d, int action) {
  char *name = NULL, *path = NULL;
  if (asprintf(&name, "data/%d-%s.safetensors", action, d->name) >= 0) path = rt_run_path(r->run, name), free(name);
  if (!path) base_fault("out of memory");
  return path;
}

static RtTensor tensor_of(const RtArray *a) {
  return (RtTensor){a->name, true, 3, {(uint32_t)a->elems, (uint32_t)(a->ld / RT_PAD), RT_PAD}, a->v};
}

static int keep(Runner *r, const Data *d, int action) {
  const RtSet *set = data_set(r->s, d);
  RtError err = {{0}};
  if (!rt_run_writes(r->run)) return 0;
  char *path = path_of(r, d, action), samples[32];
  RtTensor *t = base_zeroed((size_t)set->nfield, sizeof *t);
  for (int k = 0; k < set->nfield; k++) t[k] = tensor_of(&set->field[k]);
  snprintf(samples, sizeof samples, "%" PRId64, set->n);
  const char *const meta[][2] = {{"samples", samples}};
  const bool ok = rt_run_folder(r->run, "data", &err) && rt_checkpoint_write(path, t, set->nfield, meta, 1, &err);
  base_free(t);
  free(path);
  return ok ? 0 : runner_fail(r, &err);
}

static bool fits(const RtTensor *have, const RtArray *a) {
  const RtTensor want = tensor_of(a);
  return have && have->f64 && have->rank == want.rank && !memcmp(have->dim, want.dim, sizeof *want.dim * 3);
}

static int take(Runner *r, const Data *d, int action) {
  RtError err = {{0}};
  char *path = path_of(r, d, action);
  RtCheckpoint *c = rt_checkpoint_read(path, &err);
  const char *samples = c ? rt_checkpoint_meta(c, "samples") : NULL;
  const int64_t n = samples ? strtoll(samples, NULL, 10) : 0;
  RtSet *set = n > 0 && n < (int64_t)1 << 40 ? data_empty(r->s, d, n) : NULL;
  bool ok = set != NULL;
  for (int k = 0; ok && k < set->nfield; k++) {
    const RtTensor *t = rt_checkpoint_tensor(c, set->field[k].name);
    if ((ok = fits(t, &set->field[k])))
      memcpy(set->field[k].v, t->v, (size_t)(set->field[k].elems * set->field[k].ld) * sizeof(double));
  }
  int code =
      ok ? data_make(r->s, d)
         : session_fail(r->s, EXIT_IO, CODE_resume, d->at,
                        "the data set `%s` was made with parameters from before the checkpoint, and `%s` does not hold it: %s",
                        d->name, path, c ? "start a new run" : err.text);
  if (c) rt_checkpoint_finish(c);
  free(path);
  return code;
}

int made_run(Runner *r, const Data *d, int action, bool done) {
  if (done) return take(r, d, action);
  int code = data_make(r->s, d);
  return !code && r->run && trains_later(r->s->model, action) ? keep(r, d, action) : code;
}
