/* Points at which functions are looked at: a few samples of their data, or drawn ones, with the parameters as they are. */
#include "driver/session/points.h"

static void draw(int kind, uint64_t seed, uint64_t sample0, int64_t lanes, uint32_t site, uint32_t counter, int64_t elems,
                 double *out) {
  rt_draw64(kind, seed, sample0, (int32_t)lanes, site, counter, elems, out, lanes);
}

/* Draws are the same in each evaluation: differences are of one function. */
EvalEnv points_environment(void) { return (EvalEnv){.ode = rt_ode, .draw = draw, .seed = 11}; }

void points_fill(Session *s, const Input *in, const RtSet *set, Tensor *t) {
  int64_t elems = type_count(in->type), lanes = in->type.lane ? POINTS : 1;
  *t = (Tensor){in->type, base_zeroed((size_t)(elems * lanes), sizeof(double))};
  if (in->kind == IN_PARAM) {
    const RtArray *a = &s->param[in->index];
    for (int64_t e = 0; e < elems; e++) t->v[e] = rt_real(a->v, e, a->f64);
  } else if (in->kind == IN_WEIGHT) {
    for (int64_t i = 0; i < lanes; i++) t->v[i] = 1.0 / POINTS;
  } else if (set) {
    const RtArray *a = &set->field[in->index];
    for (int64_t e = 0; e < elems; e++)
      for (int64_t i = 0; i < lanes; i++) t->v[e * lanes + i] = ((double *)a->v)[e * a->ld + i * (a->n - 1) / POINTS];
  } else if (in->kind == IN_INDEX) {
    for (int64_t i = 0; i < lanes; i++) t->v[i] = (double)i;
  } else {
    rt_draw64(1, 7, 0, (int32_t)lanes, in->index, 0, elems, t->v, lanes);
  }
}
