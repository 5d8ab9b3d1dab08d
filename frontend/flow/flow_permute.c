/* Steps that only change places and signs. Where that is not seen from where elements go, the step is evaluated at one point of the finite
 * field: its elements are those of the state, or their negatives, or it is no permutation; and which they are must hold everywhere,
 * which is decided. */
#include "frontend/claims/claims.h"
#include "frontend/flow/flow_priv.h"

#include <stdlib.h>
#include <string.h>

typedef struct Moves {
  Flow *w;
  const Step *s;
  int64_t total, first[FLOW_STATES]; /* of the moved states, laid end to end; where each begins */
  uint32_t *from;
  bool *minus, *taken;
} Moves;

static bool take(Moves *m, int64_t i, int64_t from, bool minus) {
  if (m->taken[from]) return false;
  m->from[i] = (uint32_t)from;
  m->minus[i] = minus;
  return m->taken[from] = true;
}

/* ---- seen ------------------------------------------------------------------------------------------------ */

static bool seen(Moves *m) {
  int64_t i = 0;
  for (uint32_t k = 0; k < m->s->n; k++)
    for (int64_t e = 0; e < flow_count(m->w, m->s->piece[k].slot); e++, i++) {
      uint32_t slot, j = 0;
      int64_t element;
      bool minus;
      if (!flow_element(m->w, m->s->after[k], e, &slot, &element, &minus)) return false;
      while (j < m->s->n && m->s->piece[j].slot != slot) j++;
      if (j == m->s->n || !take(m, i, m->first[j] + element, minus)) return false;
    }
  return true;
}

/* ---- found ------------------------------------------------------------------------------------------------ */

typedef struct Known {
  FieldElem v;
  int64_t element;
} Known; /* an element of the states, at the point */

static int by_value(const void *a, const void *b) {
  const FieldElem x = ((const Known *)a)->v, y = ((const Known *)b)->v;
  if (x.re != y.re) return (x.re > y.re) - (x.re < y.re);
  return (x.im > y.im) - (x.im < y.im);
}

static bool find(Moves *m, const Known *known, int64_t i, FieldElem v) {
  for (int minus = 0; minus < 2; minus++) {
    const Known want = {minus ? field_neg(v) : v, 0}, *k = bsearch(&want, known, (size_t)m->total, sizeof *known, by_value);
    if (k) return take(m, i, k->element, minus);
  }
  return false;
}

/* The point: inputs that are drawn. */
static FieldTensor *drawn(const Fn *f) {
  FieldTensor *in = base_zeroed(f->in.n + 1, sizeof *in);
  uint64_t seed = 1;
  for (uint32_t k = 0; k < f->in.n; k++) {
    in[k].type = f->in.at[k].type;
    in[k].v = base_zeroed((size_t)type_count(in[k].type) + 1, sizeof *in[k].v);
    for (int64_t e = 0; e < type_count(in[k].type); e++)
      in[k].v[e] = in[k].type.dt == DT_BOOL ? (FieldElem){field_bits(&seed) & 1, 0} : field_random(&seed);
  }
  return in;
}

static bool match(Moves *m, const FieldTensor *in, const FieldTensor *out) {
  Known *known = base_zeroed((size_t)m->total + 1, sizeof *known);
  int64_t i = 0;
  bool all = true;
  memset(m->taken, 0, (size_t)m->total);
  for (uint32_t k = 0; k < m->s->n; k++)
    for (int64_t e = 0; e < flow_count(m->w, m->s->piece[k].slot); e++, i++) known[i] = (Known){in[m->s->piece[k].slot].v[e], i};
  qsort(known, (size_t)m->total, sizeof *known, by_value);
  i = 0;
  for (uint32_t k = 0; k < m->s->n && all; k++)
    for (int64_t e = 0; e < flow_count(m->w, m->s->piece[k].slot) && all; e++, i++) all = find(m, known, i, out[k].v[e]);
  base_free(known);
  return all;
}

static bool found(Moves *m, const Fn *f) {
  FieldEnv env;
  char why[200];
  FieldTensor *in = drawn(f), *out = base_zeroed(f->out.n + 1, sizeof *out);
  bool good;
  field_env_init(&env, 1);
  do {
    env.learned = 0;
    good = ir_eval_field(f, 1, in, out, &env, why, sizeof why);
    if (good) good = match(m, in, out), ir_field_tensors_free(out, f->out.n);
  } while (!good && env.learned);
  ir_field_tensors_free(in, f->in.n);
  field_env_finish(&env);
  base_free(in);
  base_free(out);
  return good;
}

/* f, if what was found is true. */
static Fn *supposed(const Moves *m, const Fn *f) {
  Build b;
  Fn *g = ir_fn_create("step", f->f64);
  Val part[FLOW_STATES], in[FLOW_STATES];
  double *sign = base_zeroed((size_t)m->total, sizeof *sign);
  uint32_t n = (uint32_t)m->total;
  ir_build_init(&b, g);
  for (uint32_t k = 0; k < f->in.n; k++) {
    Val v = ir_input(&b, NULL, IN_OTHER, k, f->in.at[k].type);
    if (k < m->w->n) in[k] = v;
  }
  for (uint32_t k = 0; k < m->s->n; k++) part[k] = in[m->s->piece[k].slot];
  for (int64_t i = 0; i < m->total; i++) sign[i] = m->minus[i] ? -1 : 1;
  Val all = flow_flat(&b, part, m->s->n);
  all = ir_take(&b, all, 0, m->from, n);
  all = ir_mul(&b, all, ir_table(&b, type_real(false, 1, &n), sign));
  for (uint32_t k = 0; k < m->s->n; k++) {
    const Type t = m->w->slot[m->s->piece[k].slot].type;
    Val v = ir_slice(&b, all, 0, (uint32_t)m->first[k], (uint32_t)type_count(t), 1);
    ir_output(&b, ir_reshape(&b, v, t.rank, t.dim), NULL);
  }
  base_free(sign);
  ir_build_finish(&b);
  return g;
}

static bool decided(Elab *E, Moves *m) {
  FieldReport r;
  if (!E->o->decide) return false;
  Fn *f = flow_function(m->w, m->s->after, m->s->n);
  bool good = found(m, f);
  if (good) {
    Fn *g = supposed(m, f);
    good = claim_decide(E, f, g, &r) == FIELD_EQUAL && !r.branched;
    ir_fn_destroy(g);
  }
  ir_fn_destroy(f);
  return good;
}

bool flow_permutes(Elab *E, Step *s) {
  Moves m = {.w = E->now->flow, .s = s};
  for (uint32_t k = 0; k < s->n; k++) m.first[k] = m.total, m.total += flow_count(m.w, s->piece[k].slot);
  m.from = ARENA_ARRAY(E->mem, uint32_t, m.total + 1);
  m.minus = ARENA_ARRAY(E->mem, bool, m.total + 1), m.taken = ARENA_ARRAY(E->mem, bool, m.total + 1);
  if (!seen(&m) && !decided(E, &m)) return false;
  s->from = m.from;
  s->minus = m.minus;
  return true;
}
