/* Where numbers stopped being finite: the failed step once more in the reference evaluator, watching
 * for the first value that is not. */
#include "driver/runner.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

typedef struct Hunt {
  double limit;              /* beyond it a number overflows in the model's precision */
  int64_t samples;
  bool found;
  Op op;
  Span at;
  double value;
} Hunt;

static bool watch(void *ctx, const Fn *f, Val v, const Tensor *t) {
  Hunt *h = ctx;
  const Inst *i = ir_inst(f, v);
  if (i->type.dt != DT_REAL || i->op == OP_in || i->op == OP_const || i->op == OP_table) return true;
  int64_t n = type_count(i->type) * (i->type.lane ? h->samples : 1);
  for (int64_t k = 0; k < n; k++)
    if (!(fabs(t->v[k]) <= h->limit)) {
      *h = (Hunt){.found = true, .op = (Op)(i->role == ROLE_PRIMAL ? i->op : i->of), .at = i->at, .value = t->v[k]};
      return false;
    }
  return true;
}

/* The samples of the step at hand; see rt_train. */
static int64_t *step_samples(const RtTrain *rt, int64_t *n) {
  int64_t total = rt->data->n;
  *n = rt->batch ? rt->batch : total;
  int64_t *out = calloc((size_t)*n, sizeof *out), *perm = calloc((size_t)total, sizeof *perm), epoch = -1;
  for (int64_t j = 0; out && perm && j < *n; j++) {
    int64_t position = rt->step * *n + j;
    if (!rt->batch) { out[j] = j; continue; }
    if (position / total != epoch) rt_permutation(rt->seed, (uint64_t)(epoch = position / total), total, perm);
    out[j] = perm[position % total];
  }
  free(perm);
  return out;
}

static double real_at(const RtArray *a, int64_t i) { return a->f64 ? ((double *)a->v)[i] : (double)((float *)a->v)[i]; }

/* An input of a function on n samples of a set; the weight is that of a mean. */
static Tensor input(const RtArray *param, const RtSet *set, const Input *in, const int64_t *sample, int64_t n) {
  int64_t elems = type_count(in->type), lanes = in->type.lane ? n : 1;
  Tensor out = {in->type, calloc((size_t)(elems * lanes) + 1, sizeof(double))};
  for (int64_t e = 0; e < elems; e++)
    for (int64_t i = 0; i < lanes; i++)
      out.v[e * lanes + i] = in->kind == IN_PARAM ? real_at(&param[in->index], e)
                             : in->kind == IN_WEIGHT ? 1.0 / (double)n
                             : real_at(&set->field[in->index], e * set->field[in->index].ld + sample[i]);
  return out;
}

static void draw(int kind, uint64_t seed, uint64_t sample0, int64_t lanes, uint32_t site, uint32_t counter,
                 int64_t elems, double *out) {
  rt_draw64(kind, seed, sample0, (int32_t)lanes, site, counter, elems, out, lanes);
}

/* Evaluates f on the samples until a value is not finite. */
static Hunt hunt(const Session *s, const Fn *f, const RtArray *param, const RtSet *set, const int64_t *sample, int64_t n,
                 uint64_t seed) {
  Hunt h = {.limit = s->model->f64 ? DBL_MAX : FLT_MAX, .samples = n};
  EvalEnv env = {.seed = seed, .draw = draw, .ode = rt_ode, .watch = watch, .ctx = &h};
  Tensor *in = calloc(f->in.n + 1, sizeof *in), *out = calloc(f->out.n + 1, sizeof *out);
  char err[256];
  for (uint32_t k = 0; k < f->in.n; k++) in[k] = input(param, set, &f->in.at[k], sample, n);
  if (ir_eval(f, n, in, out, &env, err, sizeof err)) ir_tensors_free(out, f->out.n);
  for (uint32_t k = 0; k < f->in.n; k++) free(in[k].v);
  free(in);
  free(out);
  return h;
}

/* What overflows in f32 is finite here. */
static const char *value_name(double v) { return isnan(v) ? "nan" : v < 0 ? "-inf" : "inf"; }

int nan_hunt(Session *s, Trainer *t, const char *said) {
  int64_t n, step = t->rt.step;
  int64_t *sample = step_samples(&t->rt, &n);
  Hunt h = hunt(s, trainer_gradient(t), t->param, t->rt.data, sample, n,
                rt_random_u64(t->rt.seed, RT_STREAM_DRAWS, (uint64_t)step));
  free(sample);
  if (!h.found) return session_fail(s, EXIT_NUMBERS, (Span){0}, "`%s`: %s (in f64 the same step is)", t->spec->name, said);
  DiagMsg *m = diag_error(s->diag, h.at, "the numbers of `%s` stopped being finite at step %" PRId64
                          ": `%s` gave %s", t->spec->name, step, ir_op[h.op].name, value_name(h.value));
  diag_help(m, "a smaller learning rate or `clip` may keep it finite; the last checkpoint is from before this step");
  session_render(s);
  return EXIT_NUMBERS;
}

void nan_report(Session *s, const Report *report, const Fn *derived, int64_t sample) {
  const RtSet *set = report->data ? data_native(s, report->data) : NULL;
  Hunt h = hunt(s, derived, s->param, set, &sample, 1, session_seed(s, 0));
  DiagMsg *m = diag_error(s->diag, h.at, "the report `%s` is not finite", report->name);
  if (h.found && set) diag_help(m, "in sample %" PRId64 " `%s` gave %s", sample, ir_op[h.op].name, value_name(h.value));
  else if (h.found) diag_help(m, "`%s` gave %s", ir_op[h.op].name, value_name(h.value));
  session_render(s);
}
