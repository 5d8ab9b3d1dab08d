/* Which derivatives agree with differences: see local.h.
 *
 * A difference says how good it is itself: by another one of half its length, by how far values are rounded, by whether it bends as a kink does.
 * What is moved is judged wrong only where it is off by more than that. Of operators that work element by element each element has the
 * length that suits it, and elements at kinks are left out. Values that go into something dear are moved together, and in halves as long
 * as something differs. */
#include "driver/explore/local.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double GOOD = 1e-6, WRONG = LOCAL_WRONG, DEAR = 4e6;
static const char *const at_kink = "it is at a kink, or too near to one",
                         *const too_rough = "differences are not good enough here: kinks or rounding",
                         *const no_time = "that would take long", *const not_finite = "it is not finite",
                         *const factors = "a factorisation stands for its matrix",
                         *const iteration = "only what solves the equation has a derivative, not the way there";

int64_t local_elements(const Local *l, Type t) { return explore_elements(t, l->samples); }

double local_direction(uint32_t id, int64_t e) {
  const double r = 0.5 + 0.5 * (double)(rt_random_u64(3, id, (uint64_t)e) >> 40) / (1 << 24);
  return rt_random_u64(4, id, (uint64_t)e) & 1 ? r : -r;
}

static double size_of(const double *v, int64_t n) {
  double s = 0;
  int64_t good = 0;
  for (int64_t e = 0; e < n; e++)
    if (isfinite(v[e])) s += v[e] * v[e], good++;
  return good ? sqrt(s / (double)good) : 0;
}

/* ---- the derivative of one operator along directions of its operands -------------------------------------------- */

typedef struct Sum {
  double d, own, noise, scale; /* its value, how far it may be off by itself and by what it is made of, the size of its terms */
} Sum;

/* <c, results> by elements (of operators that work so) or in all. */
typedef struct Weighed {
  double *v, *mag, *terms, *noise; /* noise: of c, which may itself be what is left of larger terms */
} Weighed;

typedef struct Along {
  Local *l;
  Unit *u;
  int64_t n;                         /* elements, or 1 */
  Weighed here, by[4];               /* at 0, t, -t, t/2, -t/2 */
  double *best, *own, *term, *noise; /* by element */
} Along;

static Weighed weighed_create(int64_t n) {
  const size_t m = (size_t)n;
  return (Weighed){base_zeroed(m, sizeof(double)), base_zeroed(m, sizeof(double)), base_zeroed(m, sizeof(double)),
                   base_zeroed(m, sizeof(double))};
}

static void weighed_finish(Weighed *w) {
  base_free(w->v);
  base_free(w->mag);
  base_free(w->terms);
  base_free(w->noise);
}

static void weigh(const Along *a, const Tensor *const *out, const Tensor *const *other, Weighed *w) {
  memset(w->v, 0, (size_t)a->n * sizeof(double));
  memset(w->mag, 0, (size_t)a->n * sizeof(double));
  memset(w->terms, 0, (size_t)a->n * sizeof(double));
  memset(w->noise, 0, (size_t)a->n * sizeof(double));
  for (uint32_t k = 0; k < a->u->nout; k++) {
    const Tensor *c = a->l->cot[a->u->out[k]];
    const double noise = a->l->verdict[a->u->out[k]].noise;
    const int64_t n = c ? local_elements(a->l, c->type) : 0;
    for (int64_t e = 0; e < n; e++) {
      const int64_t s = a->u->each ? e : 0;
      if (c->v[e] == 0) continue; /* what is not taken may be NaN */
      w->v[s] += c->v[e] * out[k]->v[e];
      w->mag[s] += fabs(c->v[e] * out[k]->v[e]);
      if (!other) continue;
      w->terms[s] += fabs(c->v[e] * (out[k]->v[e] - other[k]->v[e]));
      w->noise[s] += noise * fabs(out[k]->v[e] - other[k]->v[e]);
    }
  }
}

/* At t and -t. */
static bool both(const Along *a, double t, Weighed *plus, Weighed *minus) {
  const uint32_t n = a->u->nout;
  Tensor *out[2] = {base_zeroed(n, sizeof(Tensor)), base_zeroed(n, sizeof(Tensor))};
  const Tensor **p[2] = {base_zeroed(n, sizeof(Tensor *)), base_zeroed(n, sizeof(Tensor *))};
  bool ok[2] = {unit_run(a->l, a->u, t, out[0]), false};
  ok[1] = ok[0] && unit_run(a->l, a->u, -t, out[1]);
  for (uint32_t k = 0; k < n; k++) p[0][k] = &out[0][k], p[1][k] = &out[1][k];
  if (ok[1]) weigh(a, p[0], p[1], plus), weigh(a, p[1], NULL, minus);
  for (int k = 0; k < 2; k++) {
    if (ok[k]) ir_tensors_free(out[k], n);
    base_free(out[k]);
    base_free(p[k]);
  }
  return ok[1];
}

/* By a step of length t, whose results are w. */
static void keep(Along *a, int64_t s, double d, double own, const Weighed *w, double t) {
  if (!isfinite(d) || !(own < a->own[s])) return;
  a->best[s] = d, a->own[s] = own, a->term[s] = w->terms[s] / (2 * t), a->noise[s] = w->noise[s] / (2 * t);
}

static void judge(Along *a, double t) {
  for (int64_t s = 0; s < a->n; s++) {
    const double p = a->by[0].v[s], m = a->by[1].v[s], ph = a->by[2].v[s], mh = a->by[3].v[s], g = a->here.v[s];
    const double d1 = (p - m) / (2 * t), d2 = (ph - mh) / t, most = fmax(a->by[0].mag[s], fmax(a->by[1].mag[s], a->here.mag[s]));
    const double rounding = 2e-15 * most / t, bent1 = fabs(p + m - 2 * g) / t, bent2 = fabs(ph + mh - 2 * g) / (t / 2);
    const bool kink = bent2 > 0.75 * bent1 && bent2 > 4 * rounding; /* half as long, a smooth one bends half as much */
    keep(a, s, (4 * d2 - d1) / 3, fabs(d2 - d1) + rounding + (kink ? bent2 : 0), &a->by[2], t / 2);
  }
}

static bool good_enough(const Along *a) {
  double own = 0, term = 0;
  for (int64_t s = 0; s < a->n; s++) own += a->own[s], term += a->term[s];
  return own <= 0.1 * GOOD * term;
}

static double size_moved(const Along *a) {
  double size = 0;
  for (uint32_t k = 0; k < a->u->nin; k++)
    if (a->l->dir[a->u->in[k]] && !a->u->held[k])
      size = fmax(size, size_of(a->l->dir[a->u->in[k]], local_elements(a->l, a->l->value[a->u->in[k]].type)));
  return size;
}

/* In one step, which is long enough to be seen beside what the moved is added to. */
static bool exactly(Along *a, double size) {
  double t = 1;
  for (uint32_t k = 0; k < a->u->nout; k++) {
    const Tensor *v = &a->l->value[a->u->out[k]];
    t = fmax(t, size_of(v->v, local_elements(a->l, v->type)) / size);
  }
  t = fmin(t, 1e100);
  if (!both(a, t, &a->by[0], &a->by[1])) return false;
  for (int64_t s = 0; s < a->n; s++)
    keep(a, s, (a->by[0].v[s] - a->by[1].v[s]) / (2 * t), 1e-15 * fmax(a->by[0].mag[s], a->by[1].mag[s]) / t, &a->by[0], t);
  return true;
}

static bool by_steps(Along *a, double size) {
  const double steps[] = {1e-4, 4e-6, 2e-3, 1e-8, 1e-10, 1e-4 / size, 4e-6 / size};
  const int n = a->u->each ? size < 1e-2 ? 7 : 5 : 3;
  bool some = false;
  for (int k = 0; k < n && !(some && good_enough(a)); k++) {
    const double t = steps[k];
    if (!both(a, t, &a->by[0], &a->by[1]) || !both(a, t / 2, &a->by[2], &a->by[3])) return false;
    judge(a, t);
    some = true;
  }
  return some;
}

/* Elements of v whose differences are worth nothing, if v alone is moved. */
static void doubt(const Along *a, uint32_t v, double all, bool *doubtful) {
  const Type t = a->l->value[v].type, of = a->l->value[a->u->out[0]].type;
  const int64_t n = type_count(of), w = of.lane ? a->l->samples : 1;
  for (int64_t s = 0; s < a->n; s++) {
    if (!a->u->each || a->own[s] <= 0.1 * GOOD * all / (double)a->n) continue;
    const int64_t e = type_count(t) == n ? s / w : 0;
    doubtful[t.lane ? e * a->l->samples + s % w : e] = true;
  }
}

/* Adds what operator id changes by. v: what alone is moved, or 0. */
static bool along(Local *l, uint32_t id, uint32_t v, double all, bool *doubtful, Sum *sum) {
  Along a = {.l = l, .u = unit_of(l, id), .n = 1};
  if (!a.u->nout) return true;
  if (a.u->each) a.n = local_elements(l, l->value[a.u->out[0]].type);
  const double size = size_moved(&a);
  const Tensor **here = base_zeroed(a.u->nout, sizeof *here);
  a.best = base_zeroed((size_t)a.n, sizeof(double)), a.own = base_zeroed((size_t)a.n, sizeof(double));
  a.term = base_zeroed((size_t)a.n, sizeof(double)), a.noise = base_zeroed((size_t)a.n, sizeof(double)),
  a.here = weighed_create(a.n);
  for (int k = 0; k < 4; k++) a.by[k] = weighed_create(a.n);
  for (int64_t s = 0; s < a.n; s++) a.own[s] = INFINITY;
  for (uint32_t k = 0; k < a.u->nout; k++) here[k] = &l->value[a.u->out[k]];
  weigh(&a, here, NULL, &a.here);
  bool ok = size > 0 && (a.u->polynomial ? exactly(&a, size) : by_steps(&a, size));
  for (int64_t s = 0; ok && s < a.n; s++)
    sum->d += a.best[s], sum->own += a.own[s] + a.u->rtol * a.term[s], sum->noise += a.noise[s], sum->scale += a.term[s];
  if (ok && doubtful) doubt(&a, v, all, doubtful);
  for (int k = 0; k < 4; k++) weighed_finish(&a.by[k]);
  weighed_finish(&a.here);
  base_free(here);
  base_free(a.best);
  base_free(a.own);
  base_free(a.term);
  base_free(a.noise);
  return ok || !(size > 0);
}

/* ---- values that are moved together --------------------------------------------------------------------------------- */

typedef struct Moved {
  bool *doubtful; /* elements of the only one; NULL: there are several */
  double told;    /* <c, dir> */
  Sum sum;
  bool ok;
} Moved;

static void direct(Local *l, const uint32_t *v, uint32_t n) {
  for (uint32_t k = 0; k < n; k++) {
    const Tensor *t = &l->value[v[k]];
    const int64_t count = local_elements(l, t->type);
    const double size = size_of(t->v, count);
    double *d = l->dir[v[k]] = base_zeroed((size_t)count + 1, sizeof *d);
    for (int64_t e = 0; e < count; e++) d[e] = (size > 0 ? size : 1) * local_direction(v[k], e);
  }
}

static void undirect(Local *l, const uint32_t *v, uint32_t n) {
  for (uint32_t k = 0; k < n; k++) {
    base_free(l->dir[v[k]]);
    l->dir[v[k]] = NULL;
  }
}

/* Of the derivative that the compiler gives. */
static void tell(const Local *l, Moved *m, const uint32_t *v, uint32_t n) {
  m->told = 0;
  for (uint32_t k = 0; k < n; k++)
    for (int64_t e = 0; e < local_elements(l, l->value[v[k]].type); e++) {
      const double one = l->cot[v[k]]->v[e] * l->dir[v[k]][e];
      m->told += one, m->sum.scale += fabs(one), m->sum.own += 1e-15 * fabs(one);
    }
}

static bool reads(const Local *l, uint32_t u) {
  const Inst *i = &l->f->inst.at[u];
  return l->cot[u] || ir_has(i->op, OPF_MULTI);
}

/* What reads some of v, each once, in l->reader. */
static uint32_t readers(Local *l, const uint32_t *v, uint32_t n) {
  uint32_t count = 0;
  l->now++;
  for (uint32_t k = 0; k < n; k++)
    for (uint32_t q = l->first[v[k]]; q < l->first[v[k] + 1]; q++) {
      const uint32_t u = l->user[q];
      if (l->stamp[u] == l->now || !reads(l, u) || (l->without && l->f->inst.at[u].op == l->without)) continue;
      l->stamp[u] = l->now;
      l->reader[count++] = u;
    }
  return count;
}

static double cost_of(Local *l, uint32_t n) {
  double sum = 0;
  for (uint32_t k = 0; k < n; k++) sum += unit_of(l, l->reader[k])->cost * (unit_of(l, l->reader[k])->polynomial ? 2 : 6);
  return sum;
}

/* The error, relative to the terms. Infinite: something cannot be run. */
static double compare(Local *l, Moved *m, const uint32_t *v, uint32_t n, uint32_t nu) {
  m->sum = (Sum){0};
  tell(l, m, v, n);
  const double all = m->sum.scale;
  m->ok = true;
  for (uint32_t k = 0; k < nu && m->ok; k++) m->ok = along(l, l->reader[k], v[0], all, m->doubtful, &m->sum);
  const double off = fabs(m->told - m->sum.d);
  return !m->ok ? INFINITY : off > 0 ? off / fmax(m->sum.scale, 1e-300) : 0;
}

static bool beyond_doubt(const Moved *m) { return m->ok && fabs(m->told - m->sum.d) > 10 * (m->sum.own + m->sum.noise); }

/* Of the derivative by v: that of its terms, and by how far it is rounded itself; per unit of v. */
static double noise_of(const Local *l, const Moved *m, const uint32_t *v, uint32_t n) {
  double length = 0;
  for (uint32_t k = 0; k < n; k++)
    for (int64_t e = 0; e < local_elements(l, l->value[v[k]].type); e++) length += fabs(l->dir[v[k]][e]);
  return length > 0 ? (m->sum.noise + 1e-15 * m->sum.scale) / length : 0;
}

/* Without the elements that are in doubt; false: none is left, or none was in doubt. */
static bool leave_out(const Local *l, Moved *m, uint32_t v, bool *left) {
  bool some = false;
  *left = false;
  for (int64_t e = 0; e < local_elements(l, l->value[v].type); e++) {
    some |= m->doubtful[e] && l->dir[v][e] != 0;
    if (m->doubtful[e]) l->dir[v][e] = 0;
    *left |= l->dir[v][e] != 0;
  }
  return some && *left;
}

/* One value. */
static Verdict one(Local *l, uint32_t v, uint32_t nu) {
  Moved m = {0};
  bool left = true;
  m.doubtful = base_zeroed((size_t)local_elements(l, l->value[v].type) + 1, 1);
  direct(l, &v, 1);
  double error = compare(l, &m, &v, 1, nu);
  for (int k = 0; k < 2 && error > GOOD && !beyond_doubt(&m) && leave_out(l, &m, v, &left); k++) error = compare(l, &m, &v, 1, nu);
  Verdict out = {true, error, NULL, noise_of(l, &m, &v, 1)};
  if (error > WRONG && !beyond_doubt(&m)) out.error = -1, out.why = left && m.ok ? too_rough : at_kink;
  undirect(l, &v, 1);
  base_free(m.doubtful);
  return out;
}

static bool all_agree(Local *l, const uint32_t *v, uint32_t n, uint32_t nu) {
  Moved m = {0};
  direct(l, v, n);
  const double error = compare(l, &m, v, n, nu);
  const double noise = noise_of(l, &m, v, n);
  undirect(l, v, n);
  for (uint32_t k = 0; k < n && error <= GOOD; k++) l->verdict[v[k]] = (Verdict){true, error, NULL, noise};
  return error <= GOOD;
}

static void together(Local *l, const uint32_t *v, uint32_t n) {
  const uint32_t nu = readers(l, v, n);
  const double cost = cost_of(l, nu);
  if (cost > l->work) {
    for (uint32_t k = 0; k < n; k++) l->verdict[v[k]] = (Verdict){true, -1, no_time, 0};
    return;
  }
  l->work -= cost;
  if (n == 1) l->verdict[*v] = one(l, *v, nu);
  else if (!all_agree(l, v, n, nu)) together(l, v, n / 2), together(l, v + n / 2, n - n / 2);
}

/* ---- all --------------------------------------------------------------------------------------------------------------- */

static uint32_t root_of(uint32_t *in, uint32_t v) {
  while (in[v] != v) v = in[v] = in[in[v]];
  return v;
}

/* Values that go into the same dear operators. */
static uint32_t *groups(Local *l) {
  uint32_t *in = base_zeroed(l->f->inst.n, sizeof *in);
  for (uint32_t v = 0; v < l->f->inst.n; v++) in[v] = v;
  for (uint32_t id = 1; id < l->f->inst.n; id++) {
    const Inst *i = &l->f->inst.at[id];
    if (!i->nargs || i->op == OP_proj || !reads(l, id) || unit_of(l, id)->cost * 4 < DEAR / 8) continue;
    uint32_t to = 0;
    for (uint32_t k = 0; k < i->nargs; k++) {
      const uint32_t v = ir_arg(l->f, i, k).id;
      if (!l->cot[v] || l->verdict[v].done) continue;
      if (to) in[root_of(in, v)] = root_of(in, to);
      to = v;
    }
  }
  return in;
}

static bool all_finite(const Local *l, const Tensor *t) {
  for (int64_t e = 0; e < local_elements(l, t->type); e++)
    if (!isfinite(t->v[e])) return false;
  return true;
}

/* What reads it leads to a solution alone, as that by which it was found. */
static bool leads_to_root(const Local *l, uint32_t id, const bool *leads) {
  bool some = false;
  for (uint32_t k = l->first[id]; k < l->first[id + 1]; k++) {
    const Inst *i = &l->f->inst.at[l->user[k]];
    if (!reads(l, l->user[k])) continue;
    if (!(i->op == OP_root && ir_arg(l->f, i, 0).id == id) && !leads[l->user[k]]) return false;
    some = true;
  }
  return some;
}

static void set_apart(Local *l) {
  bool *leads = base_zeroed(l->f->inst.n, 1);
  for (uint32_t id = l->f->inst.n; id-- > 1;) {
    const Inst *i = &l->f->inst.at[id];
    const char *why = NULL;
    leads[id] = leads_to_root(l, id, leads);
    if (!l->cot[id]) continue;
    if (leads[id]) why = iteration;
    else if (i->op == OP_lu || i->op == OP_eigh) why = factors;
    else if (!l->value[id].v || !all_finite(l, &l->value[id]) || !all_finite(l, l->cot[id])) why = not_finite;
    if (why) l->verdict[id] = (Verdict){true, -1, why, 0};
  }
  base_free(leads);
}

/* Outputs have a reader more, the scalar, which is not among the operators. */
static void set_outputs_apart(Local *l) {
  for (uint32_t k = 0; k < l->f->out.n; k++)
    if (l->cot[l->f->out.at[k].id] && !l->verdict[l->f->out.at[k].id].done)
      l->verdict[l->f->out.at[k].id] = (Verdict){true, 0, NULL, 0};
}

/* Whether what differs is what `stop_gradient` takes away. */
static void remark_stops(Local *l, uint32_t id) {
  l->without = OP_stop;
  const Verdict v = one(l, id, readers(l, &id, 1));
  if (v.error >= 0 && v.error <= WRONG) l->verdict[id].why = "stop_gradient";
  l->without = OP_none;
}

void local_check(Local *l) {
  const uint32_t n = l->f->inst.n;
  set_apart(l);
  set_outputs_apart(l);
  uint32_t *in = groups(l), *size = base_zeroed(n, sizeof *size), *v = base_zeroed(n, sizeof *v);
  for (uint32_t id = 1; id < n; id++) size[in[id] = root_of(in, id)] += l->cot[id] && !l->verdict[id].done;
  for (uint32_t id = n; id-- > 1;)
    if (l->cot[id] && !l->verdict[id].done && size[in[id]] == 1) together(l, &id, 1);
  for (uint32_t id = n; id-- > 1;) {
    uint32_t count = 0;
    for (uint32_t k = 1; k < n && l->cot[id] && !l->verdict[id].done; k++)
      if (l->cot[k] && !l->verdict[k].done && in[k] == in[id]) v[count++] = k;
    if (count) together(l, v, count);
  }
  for (uint32_t id = 1; id < n; id++)
    if (l->cot[id] && l->verdict[id].error > WRONG) remark_stops(l, id);
  base_free(in);
  base_free(size);
  base_free(v);
}
