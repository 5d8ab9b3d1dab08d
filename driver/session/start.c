/* Instances that start from a file: `use f = template(...) from "weights.safetensors" as "prefix"`. Names are those of
 * checkpoints; what stands there takes the place of the start that was drawn. */
#include "driver/session/start.h"
#include "driver/session/weights.h"

#include <stdlib.h>
#include <string.h>

static bool below(const char *path, const char *instance) {
  const size_t n = strlen(instance);
  return !strncmp(path, instance, n) && path[n] == '/';
}

/* The turn of a parameter that has this path in the file. */
static bool take(Session *s, const Start *x, const RtCheckpoint *c, uint32_t k, int64_t turn, const char *path) {
  const Param *p = &s->model->param[k];
  const Type one = param_turn_type(p);
  char *name = NULL, have[160], want[160];
  if (asprintf(&name, "%s%s", x->as ? x->as : x->instance, path + strlen(x->instance)) < 0) base_fault("out of memory");
  const RtTensor *t = rt_checkpoint_tensor(c, name + (*name == '/'));
  const bool same = t && t->rank == (int)one.rank && !memcmp(t->dim, one.dim, sizeof *t->dim * one.rank);
  if (!t) {
    DiagMsg *m = diag_add(s->diag, CODE_start, x->at, "`%s` has no `%s`, which `%s` needs to start", x->file, name, x->instance);
    weights_listed(m, c);
    if (!x->as) diag_help(m, "`from \"%s\" as \"name\"` reads parameters whose paths begin with another name", x->file);
  } else if (!same)
    diag_add(s->diag, CODE_start, x->at, "`%s` of `%s` is %s, but `%s` is %s", name, x->file,
             weights_shape(have, sizeof have, t->rank, t->dim), path, weights_shape(want, sizeof want, (int)one.rank, one.dim));
  const int64_t n = type_count(one);
  RtArray *a = &s->param[k];
  for (int64_t e = 0; same && e < n; e++) rt_set_real(a->v, turn * n + e, a->f64, rt_real(t->v, e, t->f64));
  free(name);
  return same;
}

static int one(Session *s, const Start *x) {
  RtError err = {{0}};
  bool ok = true, any = false;
  RtCheckpoint *c = rt_checkpoint_read(x->file, &err);
  if (!c) return session_fail(s, EXIT_IO, CODE_start, x->at, "`%s` cannot start from its file: %s", x->instance, err.text);
  for (uint32_t k = 0; ok && k < s->model->nparam; k++) {
    const Param *p = &s->model->param[k];
    for (int64_t turn = 0; ok && turn < param_turns(p); turn++) {
      char *path = param_turn_path(p, turn);
      if (below(path, x->instance)) any = true, ok = take(s, x, c, k, turn, path);
      base_free(path);
    }
  }
  rt_checkpoint_finish(c);
  if (ok && !any)
    diag_add(s->diag, CODE_start, x->at, "`%s` has no parameters that could start from `%s`", x->instance, x->file), ok = false;
  session_render(s);
  return ok ? 0 : EXIT_FILE;
}

int start_params(Session *s) {
  int code = 0;
  for (uint32_t k = 0; !code && k < s->model->nstart; k++) code = one(s, &s->model->start[k]);
  return code;
}
