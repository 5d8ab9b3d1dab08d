/* A step of gauss16 backwards: the stages again, by iteration, and the adjoint of the equations that they solve, by iteration too.
 *
 *   Z_i = y + h sum_j a_ij f(Z_j),  z = y + h sum_j b_j f(Z_j)         lambda: cotangent of z
 *   gamma_j = h (b_j lambda + sum_i a_ij zeta_i),  zeta_i = f'(Z_i)^T gamma_i
 *   y has lambda + sum_i zeta_i, and what the rates read has the sum of their cotangents by gamma_i
 *
 * With zeta = 0 the second line is a contraction where the first is one. It is the method itself on the adjoint equation, in other
 * variables (Hairer, Lubich, Wanner, Geometric Numerical Integration, VI.4; Sanz-Serna, SIAM Review 58 (2016) 3), so that quadratic
 * invariants of the pair, such as lambda^T (a tangent), are kept. Stages are the first axis of values. */
#include "passes/derive/ode/vjp_ode.h"
#include "passes/simplify/simplify.h"

#include <stdlib.h>

enum { TURNS = 4 * GAUSS_TURNS /* without the guess from the step before */ };

static const uint32_t SQUARE[2] = {GAUSS_STAGES, GAUSS_STAGES};

static Val table(Build *b, int rank, const double *v) { return ir_table(b, type_real(false, rank, SQUARE), v); }

/* sum_j a_ij x_j, or of a_ji */
static Val of_stages(Build *b, Val x, bool transposed) {
  double a[GAUSS_STAGES][GAUSS_STAGES];
  for (int i = 0; i < GAUSS_STAGES; i++)
    for (int j = 0; j < GAUSS_STAGES; j++) a[i][j] = transposed ? adaptive_gauss16.a[j][i] : adaptive_gauss16.a[i][j];
  return pass_weighted(b, table(b, 2, a[0]), x);
}

static Val each_stage(Build *b, Val x) { return ir_expand(b, x, 0, GAUSS_STAGES); }

/* b_j x */
static Val by_b(Build *b, Val x) {
  Val w = table(b, 1, adaptive_gauss16.b), all = each_stage(b, x);
  for (int k = 1; k < ir_type(b->f, all).rank; k++) w = ir_expand(b, w, k, ir_type(b->f, all).dim[k]);
  return ir_mul(b, w, all);
}

static Val stacked_zeros(Build *b, Type t) { return each_stage(b, pass_zero_like(b, t)); }
static Type state_type(const OdeRev *w, uint32_t s) { return pass_type_with(vjp_ode_cot_type(w, s), w->lane); }

/* ---- all stages ---------------------------------------------------------------------------------------------------- */

typedef struct Stages {
  Val *z, *gamma; /* by state, stacked; gamma NULL: rates alone are asked for */
  Val times;
  const Val *inv;
} Stages;

/* Larger values fill vectors by their own elements. */
static bool all_small(const Fn *f) {
  for (uint32_t id = 1; id < f->inst.n; id++)
    if (f->inst.at[id].sub || type_count(f->inst.at[id].type) > GAUSS_STAGES) return false;
  return true;
}

/* As plain operations, whose vectors run along the stages, where values are small; else in a loop. */
static void every_stage(Build *outer, Build *b, const ScanShape *s, const OdeTurn *t, Val *out) {
  Fn *simple = pass_simplify(NULL, b->f);
  if (!all_small(simple) || !simplify_map(outer, simple, *s, t->args.at, out)) {
    Val loop = ir_scan(outer, t->args.at, t->args.n, s->n, 0, s->xs, s->ys, s->zs, false, false, b->f);
    for (uint32_t k = 0; k < s->ys + s->zs; k++) out[k] = ir_proj(outer, loop, k);
  }
  ir_fn_destroy(simple);
}

/* Into out, by state: rates, or cotangents of the stages; where sums is not NULL, those of what the rates read instead. */
static bool walk(OdeRev *w, Build *outer, const Stages *in, Val *out, Cot *sums) {
  Build b;
  OdeTurn t;
  OdeSeeds seeds = {0};
  const uint32_t n = w->n;
  Val *z = base_zeroed(n, sizeof *z), *k = base_zeroed(n, sizeof *k), *gamma = base_zeroed(n, sizeof *gamma);
  Cot *cot = base_zeroed(n + w->ninv, sizeof *cot);
  vjp_ode_turn_begin(w, &t, outer, &b, in->gamma ? "adjoint" : "stages");
  for (uint32_t s = 0; s < n; s++) z[s] = vjp_ode_port_of_turn(&t, in->z[s]);
  Val time = vjp_ode_port_of_turn(&t, in->times);
  for (uint32_t s = 0; s < n && in->gamma; s++) gamma[s] = vjp_ode_port_of_turn(&t, in->gamma[s]);
  const uint32_t xs = t.args.n;
  vjp_ode_invariants(&t, w, in->inv);
  vjp_ode_rates(w, &b, z, time, t.inv, k);
  for (uint32_t s = 0; s < n; s++) vjp_ode_seed(w, &b, &seeds, k[s], gamma[s]);
  bool ok = true;
  uint32_t ys = sums ? 0 : n, zs = 0;
  if (in->gamma) ok = vjp_ode_sweep(w, &t, &seeds, z, sums ? 0 : n, sums != NULL, cot);
  for (uint32_t s = 0; s < ys && ok; s++)
    ir_output(&b, in->gamma ? vjp_ode_one_part(w, &b, cot[s], vjp_ode_cot_type(w, s)) : k[s], NULL);
  if (ok && sums) zs = vjp_ode_output_sums(&t, cot, w->ninv);
  if (ok && ys + zs) {
    Val *result = base_zeroed(ys + zs, sizeof *result);
    uint32_t at = 0;
    every_stage(outer, &b, &(ScanShape){.n = GAUSS_STAGES, .xs = xs, .ys = ys, .zs = zs}, &t, result);
    for (uint32_t s = 0; s < ys; s++) out[s] = result[at++];
    for (uint32_t j = 0; sums && j < w->ninv; j++)
      for (int p = 0; p < 2; p++) sums[j].part[p] = cot[j].part[p].id ? result[at++] : VAL_NONE;
    base_free(result);
  }
  vjp_ode_turn_end(&t);
  vec_free(&seeds.at);
  void *list[] = {z, k, gamma, cot};
  for (int j = 0; j < 4; j++) base_free(list[j]);
  return ok;
}

/* ---- iterations ------------------------------------------------------------------------------------------------------------------- */

static void stages_of(Build *b, uint32_t n, const Val *y, Val h, const Val *rate, Val *z) {
  for (uint32_t s = 0; s < n; s++) z[s] = ir_add(b, each_stage(b, y[s]), ir_mul(b, h, of_stages(b, rate[s], false)));
}

static void gamma_of(Build *b, uint32_t n, const Val *end, Val h, const Val *zeta, Val *gamma) {
  for (uint32_t s = 0; s < n; s++) gamma[s] = ir_mul(b, h, ir_add(b, by_b(b, end[s]), of_stages(b, zeta[s], true)));
}

/* Of `from` (the state, or with z the cotangent at the end): what is carried, rates of the stages or zeta, until it rests. */
static bool iterate(OdeRev *w, OdeTurn *t, const Val *from, const Val *z, Val times, Val h, Val *carried) {
  Build b;
  OdeTurn u;
  const uint32_t n = w->n;
  Val *x = base_zeroed(4 * n, sizeof *x), *at = x + n, *in = x + 2 * n, *out = x + 3 * n;
  vjp_ode_turn_begin(w, &u, t->b, &b, z ? "zeta" : "rates");
  for (uint32_t s = 0; s < n; s++) x[s] = vjp_ode_port(&u, stacked_zeros(t->b, z ? vjp_ode_cot_type(w, s) : state_type(w, s)));
  for (uint32_t s = 0; s < n; s++) in[s] = vjp_ode_port(&u, from[s]);
  for (uint32_t s = 0; s < n && z; s++) at[s] = vjp_ode_port(&u, z[s]);
  Stages stages = {.z = at, .gamma = z ? out : NULL, .times = vjp_ode_port(&u, times)};
  Val step = vjp_ode_port(&u, h);
  vjp_ode_invariants(&u, w, t->inv);
  stages.inv = u.inv;
  if (z) gamma_of(&b, n, in, step, x, out);
  else stages_of(&b, n, in, step, x, at);
  const bool ok = walk(w, &b, &stages, out, NULL);
  for (uint32_t s = 0; s < n && ok; s++) ir_output(&b, pass_with_lane(&b, out[s], ir_type(b.f, x[s]).lane), NULL);
  if (ok) {
    Val loop = ir_scan(t->b, u.args.at, u.args.n, TURNS, n, 0, 0, 0, false, 1, b.f);
    for (uint32_t s = 0; s < n; s++) carried[s] = ir_proj(t->b, loop, s);
  }
  vjp_ode_turn_end(&u);
  base_free(x);
  return ok;
}

bool vjp_ode_gauss_step(OdeRev *w, OdeTurn *t, const Val *y, Val time, Val h, const Val *end, Val *begin, Cot *inv) {
  Build *b = t->b;
  const uint32_t n = w->n;
  Val *x = base_zeroed(4 * n, sizeof *x), *z = x + n, *zeta = x + 2 * n, *gamma = x + 3 * n;
  Val times = ir_add(b, ir_mul(b, table(b, 1, adaptive_gauss16.c), h), time);
  bool ok = iterate(w, t, y, NULL, times, h, x);
  if (ok) stages_of(b, n, y, h, x, z);
  ok = ok && iterate(w, t, end, z, times, h, zeta);
  if (ok) {
    gamma_of(b, n, end, h, zeta, gamma);
    ok = walk(w, b, &(Stages){.z = z, .gamma = gamma, .times = times, .inv = t->inv}, NULL, inv);
  }
  for (uint32_t s = 0; s < n && ok; s++) begin[s] = ir_add(b, end[s], ir_sum(b, zeta[s], 0));
  base_free(x);
  return ok;
}
