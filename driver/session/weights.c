/* See weights.h. */
#include "driver/session/weights.h"
#include "runtime/rundir/rundir.h"

#include <stdlib.h>
#include <string.h>

const char *weights_shape(char *text, size_t size, int rank, const uint32_t *dim) {
  char buf[128];
  snprintf(text, size, "%s", type_user(type_real(false, rank, dim), buf, sizeof buf));
  return text;
}

/* What a checkpoint holds beside its parameters is no name of a parameter. */
void weights_listed(DiagMsg *m, const RtCheckpoint *c) {
  char text[600] = "";
  size_t n = 0;
  int k = 0, said = 0;
  for (const RtTensor *t; n < sizeof text - 120 && (t = rt_checkpoint_at(c, k)); k++)
    if (strncmp(t->name, "optimizer.", 10))
      n += (size_t)snprintf(text + n, sizeof text - n, "%s`%.80s`", said++ ? ", " : "", t->name);
  diag_help(m, "the file has %s%s", said ? text : "no parameters", said && rt_checkpoint_at(c, k) ? ", ..." : "");
}

typedef struct Misfits {
  Session *s;
  const char *from;
  DiagMsg *m; /* NULL: none yet */
  int n;
  bool missing;
} Misfits;

enum { SAID = 8 };

static void misfit(Misfits *x, const char *path, const RtTensor *t, Type want) {
  char have[160], wanted[160];
  if (!x->m) x->m = diag_add(x->s->diag, CODE_weights, (Span){0}, "the weights of `%s` do not fit the model", x->from);
  x->missing |= !t;
  if (x->n++ >= SAID) return;
  weights_shape(wanted, sizeof wanted, (int)want.rank, want.dim);
  if (!t) diag_help(x->m, "`%s`, %s in the model, is missing there", path, wanted);
  else diag_help(x->m, "`%s` is %s there, and %s in the model", path, weights_shape(have, sizeof have, t->rank, t->dim), wanted);
}

static void look_at(Misfits *x, const RtCheckpoint *c, const Param *p, int64_t turn) {
  const Type one = param_turn_type(p);
  char *path = param_turn_path(p, turn);
  const RtTensor *t = rt_checkpoint_tensor(c, path);
  if (!t || t->rank != (int)one.rank || memcmp(t->dim, one.dim, sizeof *t->dim * one.rank)) misfit(x, path, t, one);
  base_free(path);
}

static void take(RtArray *a, const RtCheckpoint *c, const Param *p, int64_t turn) {
  const int64_t n = type_count(param_turn_type(p));
  char *path = param_turn_path(p, turn);
  const RtTensor *t = rt_checkpoint_tensor(c, path);
  for (int64_t e = 0; e < n; e++) rt_set_real(a->v, turn * n + e, a->f64, rt_real(t->v, e, t->f64));
  base_free(path);
}

int weights_take(Session *s, const RtCheckpoint *c, const char *from) {
  const Model *m = s->model;
  Misfits x = {.s = s, .from = from};
  for (uint32_t k = 0; k < m->nparam; k++)
    for (int64_t turn = 0; turn < param_turns(&m->param[k]); turn++) look_at(&x, c, &m->param[k], turn);
  if (x.n > SAID) diag_help(x.m, "and %d more", x.n - SAID);
  if (x.missing) weights_listed(x.m, c);
  if (x.n) return session_render(s), EXIT_IO;
  for (uint32_t k = 0; k < m->nparam; k++)
    for (int64_t turn = 0; turn < param_turns(&m->param[k]); turn++) take(&s->param[k], c, &m->param[k], turn);
  return 0;
}

int weights_load(Session *s, const char *from) {
  RtError err = {{0}};
  char *path;
  RtCheckpoint *c = rt_weights_read(from, &path, &err);
  const int code = c ? weights_take(s, c, path) : session_fail(s, EXIT_IO, CODE_weights, (Span){0}, "%s", err.text);
  rt_checkpoint_finish(c);
  free(path);
  return code;
}
