/* Mean and gradient of a loss, split, optimizers, FLOPs, the table of passes. */
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "passes/passes.h"
#include "tests/common/cunit_main.h"
#include "tests/common/random_fn.h"
#include "tests/common/often.h"

/* Any numbers that depend on seed, sample, site, counter and element alone. */
static void draw(int kind, uint64_t seed, uint64_t sample0, int64_t lanes, uint32_t site, uint32_t counter, int64_t elems,
                 double *out) {
  for (int64_t k = 0; k < elems * lanes; k++) {
    uint64_t s = seed + 31 * (sample0 + (uint64_t)(k % lanes)) + 1009 * site + 100003 * counter + 7 * (uint64_t)(k / lanes);
    out[k] = random_real(&s, kind ? -2 : 0, kind ? 2 : 1);
  }
}

static EvalEnv env = {.draw = draw};

static void eval(const Fn *f, int64_t B, const Tensor *in, Tensor *out) {
  char err[200] = "";
  bool good = ir_eval(f, B, in, out, &env, err, sizeof err);
  if (!good) fprintf(stderr, "%s: %s\n", f->name, err);
  CU_ASSERT_FATAL(good);
}

static void free_inputs(Tensor *in, uint32_t n) {
  for (uint32_t k = 0; k < n; k++) base_free(in[k].v);
}

static bool close_to(const Tensor *a, const Tensor *b, int64_t B, double tol) {
  if (!type_eq(a->type, b->type)) return false;
  for (int64_t e = 0; e < type_count(a->type) * (a->type.lane ? B : 1); e++)
    if (!(fabs(a->v[e] - b->v[e]) <= tol * (1 + fabs(a->v[e])))) return false;
  return true;
}

/* ---- the loss of a Hamiltonian network with two hidden layers of width h ---- */

static Val layer(Build *b, Val W, Val bias, Val x) { return ir_tanh(b, ir_add(b, ir_matmul(b, W, x), bias)); }

static Fn *hnn_loss(uint32_t h) {
  uint32_t w1[] = {h, 2}, w2[] = {h, h}, two[] = {2};
  Fn *f = ir_fn_create("hnn", true);
  Build b;
  ir_build_init(&b, f);
  Val W1 = ir_input(&b, "W1", IN_PARAM, 0, type_real(false, 2, w1)), b1 = ir_input(&b, "b1", IN_PARAM, 1, type_real(false, 1, w1));
  Val W2 = ir_input(&b, "W2", IN_PARAM, 2, type_real(false, 2, w2)), b2 = ir_input(&b, "b2", IN_PARAM, 3, type_real(false, 1, w1));
  Val W3 = ir_input(&b, "W3", IN_PARAM, 4, type_real(false, 1, w1));
  Val x = ir_id(&b, ir_input(&b, "x", IN_FIELD, 0, type_real(true, 1, two))),
      dx = ir_input(&b, "dx", IN_FIELD, 1, type_real(true, 1, two));
  Val H = ir_matmul(&b, W3, layer(&b, W2, b2, layer(&b, W1, b1, x)));
  Val g = ir_grad(&b, H, x), e = ir_sub(&b, g, dx);
  ir_output(&b, ir_sum_all(&b, ir_mul(&b, e, e)), "loss");
  ir_build_finish(&b);
  return f;
}

static Fn *derived(Fn *f) {
  Source *src = source_create();
  Diag *diag = diag_create(src);
  Fn *d = pass_derive(NULL, f, diag);
  CU_ASSERT_PTR_NOT_NULL_FATAL(d);
  Fn *s = pass_simplify(NULL, d);
  ir_fn_destroy(f);
  ir_fn_destroy(d);
  diag_destroy(diag);
  source_destroy(src);
  return s;
}

static Fn *hnn_gradient(uint32_t h) {
  static const uint32_t moved[] = {0, 1, 2, 3, 4};
  Fn *loss = hnn_loss(h), *g = pass_gradient(NULL, loss, moved, 5, NULL, NULL);
  ir_fn_destroy(loss);
  return derived(g);
}

/* Inputs of the gradient on B samples, the weight 1/live for the first `live` and 0 for the others. */
static void weigh(const Fn *f, int64_t B, int64_t live, Tensor *in) {
  for (uint32_t k = 0; k < f->in.n; k++)
    for (int64_t s = 0; f->in.at[k].kind == IN_WEIGHT && s < B; s++) in[k].v[s] = s < live ? 1.0 / (double)live : 0;
}

static void test_gradient(void) {
  enum { B = 4, H = 5 };
  Fn *loss = hnn_loss(H), *m = pass_mean(NULL, loss), *mean = derived(m), *g = hnn_gradient(H);
  Tensor in[8], out[6], lo[1], hi[1];
  CU_ASSERT_EQUAL_FATAL(g->in.n, 8);
  CU_ASSERT_EQUAL_FATAL(g->out.n, 6);
  CU_ASSERT_STRING_EQUAL(g->outname.at[0], "loss");
  CU_ASSERT_STRING_EQUAL(g->outname.at[3], "W2");
  random_inputs(g, B, 7, in);
  weigh(g, B, 3, in);
  eval(g, B, in, out);
  eval(mean, B, in, lo);
  CU_ASSERT(close_to(&out[0], &lo[0], B, 1e-12));
  ir_tensors_free(lo, 1);
  for (uint32_t p = 0; p < 5; p++) {
    CU_ASSERT(type_eq(out[p + 1].type, g->in.at[p].type));
    for (int64_t e = 0; e < type_count(in[p].type); e++) {
      double keep = in[p].v[e], h = 1e-5;
      in[p].v[e] = keep + h;
      eval(mean, B, in, hi);
      in[p].v[e] = keep - h;
      eval(mean, B, in, lo);
      in[p].v[e] = keep;
      CU_ASSERT_DOUBLE_EQUAL(out[p + 1].v[e], (hi[0].v[0] - lo[0].v[0]) / (2 * h), 1e-8);
      ir_tensors_free(lo, 1);
      ir_tensors_free(hi, 1);
    }
  }
  ir_tensors_free(out, 6);
  free_inputs(in, 8);
  ir_fn_destroy(loss);
  ir_fn_destroy(mean);
  ir_fn_destroy(g);
}

/* The least known: 6 products of h x h matrices a sample, 12 h^2 FLOP, and what grows with h alone. */
static void test_hnn_flops(void) {
  enum { H = 200 };
  Fn *g = hnn_gradient(H);
  Flops n = pass_flops(g);
  char *text = NULL;
  size_t size;
  FILE *out = open_memstream(&text, &size);
  pass_flops_print(out, g);
  fclose(out);
  bool good = n.per_sample >= 12 * H * H && n.per_sample < 12 * H * H + 80 * H;
  CU_ASSERT(good);
  CU_ASSERT_EQUAL(n.transcendental_per_sample, 2 * H);
  CU_ASSERT_PTR_NOT_NULL(strstr(text, "dot f64[200,200], f64[B,200] -> f64[B,200]"));
  if (!good) fputs(text, stderr), ir_print(stderr, g, NULL);
  free(text);
  ir_fn_destroy(g);
}

static void test_flops(void) {
  uint32_t ab[] = {3, 4}, v[] = {4};
  Fn *f = ir_fn_create("f", true), *body = ir_sub_create(f, "turn");
  Build b, in;
  ir_build_init(&b, f);
  Val A = ir_input(&b, "A", IN_PARAM, 0, type_real(false, 2, ab)), x = ir_input(&b, "x", IN_FIELD, 0, type_real(true, 1, v));
  ir_build_init(&in, body);
  Val y = ir_input(&in, "y", IN_STATE, 0, type_real(true, 1, v));
  ir_output(&in, ir_tanh(&in, y), NULL);
  ir_build_finish(&in);
  Val s = ir_proj(&b, ir_scan(&b, &x, 1, 10, 1, 0, 0, 0, false, false, body), 0);
  ir_output(&b, ir_matmul(&b, A, s), NULL);
  ir_output(&b, ir_mul(&b, A, A), NULL);
  ir_build_finish(&b);
  Flops n = pass_flops(f);
  CU_ASSERT_EQUAL(n.per_sample, 10 * 4 + 2 * 12);
  CU_ASSERT_EQUAL(n.transcendental_per_sample, 40);
  CU_ASSERT_EQUAL(n.once, 12);
  ir_fn_destroy(f);
}

/* One step of an adaptive method: rates of 2 numbers, 2 operations each, as often as a step takes them; sums. */
static void test_step_flops(void) {
  uint32_t two = 2;
  Build b, in;
  ir_build_init(&b, ir_fn_create("f", true));
  Val x = ir_input(&b, "x", IN_FIELD, 0, type_real(true, 1, &two)),
      times = ir_table(&b, type_real(false, 1, &two), (double[]){0, 1});
  ir_build_init(&in, ir_sub_create(b.f, "rates"));
  Val y = ir_input(&in, "y", IN_STATE, 0, type_real(true, 1, &two));
  ir_input(&in, "t", IN_SCALAR, 1, type_scalar(true));
  ir_output(&in, ir_neg(&in, ir_mul(&in, y, y)), NULL);
  ir_build_finish(&in);
  ir_output(&b, ir_proj(&b, ir_ode(&b, M_DOPRI5, &x, 1, times, NULL, 0, 1e-6, 1e-8, 1000, in.f), 0), NULL);
  ir_build_finish(&b);
  const int64_t rates = 2 * 2, terms = 1 + 2 + 3 + 4 + 5 + 5, step = (2 * terms + 8) * 2;
  CU_ASSERT_EQUAL(pass_flops(b.f).per_sample, 6 * rates + step);
  ir_fn_destroy(b.f);
}

/* ---- trajectories with derivatives in their rates, and derivatives of them ---- */

/* loss(k; q, p) = sum over the samples of (q, p) under H = p^2/2 + k(1 - cos q) + k q^2 p^2 coupled/10 */
static Fn *trajectory_loss(Method m, bool coupled) {
  Fn *f = ir_fn_create("trajectory", true);
  Build b, r;
  Type lane = type_scalar(true);
  ir_build_init(&b, f);
  Val k = ir_input(&b, "k", IN_PARAM, 0, type_scalar(false));
  Val y[2] = {ir_input(&b, "q", IN_FIELD, 0, lane), ir_input(&b, "p", IN_FIELD, 1, lane)};
  Fn *rates = ir_sub_create(f, "rates");
  ir_build_init(&r, rates);
  Val q = ir_input(&r, "q", IN_STATE, 0, lane), p = ir_input(&r, "p", IN_STATE, 1, lane);
  ir_input(&r, "t", IN_OTHER, 0, type_scalar(false));
  Val s = ir_input(&r, "k", IN_OTHER, 1, type_scalar(false)), half = ir_const_exact(&r, 0.5, 1, 2);
  Val H = ir_sub(&r, ir_mul(&r, half, ir_mul(&r, p, p)), ir_mul(&r, s, ir_cos(&r, q)));
  Val qp = ir_mul(&r, q, p);
  if (coupled) H = ir_add(&r, H, ir_mul(&r, ir_const_exact(&r, 0.1, 1, 10), ir_mul(&r, s, ir_mul(&r, qp, qp))));
  ir_output(&r, ir_grad(&r, H, p), NULL);
  ir_output(&r, ir_neg(&r, ir_grad(&r, H, q)), NULL);
  ir_build_finish(&r);
  Val t = ir_integrate(&b, m, y, 2, ir_const(&b, 0.125), &k, 1, 8, 2, rates);
  Val sum = ir_add(&b, ir_sum_all(&b, ir_proj(&b, t, 0)), ir_sum_all(&b, ir_proj(&b, t, 1)));
  ir_output(&b, sum, "loss");
  ir_build_finish(&b);
  return f;
}

static void check_trajectory(Method m, bool coupled) {
  enum { B = 2 };
  static const uint32_t moved[] = {0};
  Fn *loss = trajectory_loss(m, coupled), *mean = derived(pass_mean(NULL, loss)),
     *g = derived(pass_gradient(NULL, loss, moved, 1, NULL, NULL));
  double k = 0.7, q[B] = {0.4, -0.3}, p[B] = {0.5, 1}, w[B] = {0.5, 0.5}, h = 1e-5;
  Type lane = type_scalar(true);
  Tensor in[] = {{type_scalar(false), &k}, {lane, q}, {lane, p}, {lane, w}}, out[2], lo, hi;
  eval(g, B, in, out);
  k += h;
  eval(mean, B, in, &hi);
  k -= 2 * h;
  eval(mean, B, in, &lo);
  CU_ASSERT_DOUBLE_EQUAL(out[1].v[0], (hi.v[0] - lo.v[0]) / (2 * h), 1e-8);
  if (m == M_LEAPFROG || m == M_GAUSS4) CU_ASSERT(fabs(out[1].v[0]) > 1e-2);
  ir_tensors_free(out, 2);
  ir_tensors_free(&lo, 1);
  ir_tensors_free(&hi, 1);
  ir_fn_destroy(loss);
  ir_fn_destroy(mean);
  ir_fn_destroy(g);
}

static void test_trajectory(void) {
  for (int m = M_EULER; m <= M_GAUSS6; m += SANITIZED ? 4 : 1) check_trajectory((Method)m, !ir_method[m].separable);
}

/* ---- split ---- */

static const Tensor *made_at(PartRef from, const Tensor *in, Tensor *const *got) {
  return from.part == PART_INPUT ? &in[from.index] : &got[from.part][from.index];
}

/* Runs the parts as a driver would. */
static void eval_split(const Split *s, const Fn *f, int64_t B, const Tensor *in, Tensor *out) {
  Tensor **got = base_realloc(NULL, sizeof *got * s->n);
  for (uint32_t p = 0; p < s->n; p++) {
    const Fn *part = s->part[p].fn;
    Tensor *args = base_realloc(NULL, sizeof *args * ((part ? part->in.n : 0) + 1));
    got[p] = base_realloc(NULL, sizeof(Tensor) * (1 + (part ? part->out.n : 0)));
    for (uint32_t k = 0; part && k < part->in.n; k++) args[k] = *made_at(s->part[p].in[k], in, got);
    if (part) eval(part, B, args, got[p]);
    base_free(args);
  }
  for (uint32_t k = 0; k < f->out.n; k++) {
    const Tensor *from = made_at(s->from[k], in, got);
    out[k] = *from;
    size_t bytes = sizeof(double) * (size_t)(type_count(from->type) * (from->type.lane ? B : 1));
    out[k].v = memcpy(base_realloc(NULL, bytes + 1), from->v, bytes);
  }
  for (uint32_t p = 0; p < s->n; p++) {
    if (s->part[p].fn) ir_tensors_free(got[p], s->part[p].fn->out.n);
    base_free(got[p]);
  }
  base_free(got);
}

static bool any_lane(const Fn *f) {
  for (uint32_t id = 1; id < f->inst.n; id++)
    if (f->inst.at[id].type.lane) return true;
  return false;
}

static void check_split(const Fn *f, uint64_t seed) {
  enum { B = 3 };
  Source *src = source_create();
  Diag *diag = diag_create(src);
  Split s;
  Tensor *in = base_realloc(NULL, sizeof *in * (f->in.n + 1)), *want = base_realloc(NULL, sizeof *want * (f->out.n + 1));
  Tensor *got = base_realloc(NULL, sizeof *got * (f->out.n + 1));
  random_inputs(f, B, seed, in);
  weigh(f, B, B, in);
  CU_ASSERT_FATAL(pass_split(NULL, f, &s, diag));
  for (uint32_t p = 0; p < s.n; p += 2) CU_ASSERT(!s.part[p].fn || !any_lane(s.part[p].fn));
  eval(f, B, in, want);
  eval_split(&s, f, B, in, got);
  for (uint32_t k = 0; k < f->out.n; k++) {
    bool same = close_to(&want[k], &got[k], B, 1e-12);
    CU_ASSERT(same);
    if (!same) fprintf(stderr, "seed %d, output %u differs\n", (int)seed, k);
  }
  ir_tensors_free(want, f->out.n);
  ir_tensors_free(got, f->out.n);
  free_inputs(in, f->in.n);
  base_free(in);
  base_free(want);
  base_free(got);
  pass_split_finish(&s);
  diag_destroy(diag);
  source_destroy(src);
}

static void test_split(void) {
  for (uint64_t seed = 1; seed <= OFTEN(100); seed++) {
    RandomSpec spec = {.seed = seed, .size = 15 + (int)(seed % 30), .f64 = true, .scans = true, .draws = true, .fold = seed % 2};
    Fn *f = random_fn(&spec);
    check_split(f, seed);
    ir_fn_destroy(f);
  }
  Fn *g = hnn_gradient(6);
  check_split(g, 5);
  ir_fn_destroy(g);
}

/* ---- optimizers ---- */

/* torch.optim, one parameter, as its documentation writes the algorithms. */
static void torch_step(const Optim *o, double g, int t, double *p, double *m, double *v) {
  double G = g;
  switch (o->kind) {
  case OPT_ADAMW:
  case OPT_ADAM:
    if (o->kind == OPT_ADAM) G += o->weight_decay * *p;
    else *p -= o->lr * o->weight_decay * *p;
    *m = o->beta1 * *m + (1 - o->beta1) * G;
    *v = o->beta2 * *v + (1 - o->beta2) * G * G;
    *p -= o->lr * (*m / (1 - pow(o->beta1, t))) / (sqrt(*v / (1 - pow(o->beta2, t))) + o->eps);
    break;
  case OPT_SGD:
    G += o->weight_decay * *p;
    if (o->momentum != 0) {
      *m = t > 1 ? o->momentum * *m + G : G;
      G = o->nesterov ? G + o->momentum * *m : *m;
    }
    *p -= o->lr * G;
    break;
  default:
    G += o->weight_decay * *p;
    *m = o->alpha * *m + (1 - o->alpha) * G * G;
    G /= sqrt(*m) + o->eps;
    if (o->momentum > 0) G = *v = o->momentum * *v + G;
    *p -= o->lr * G;
  }
}

static void check_optim(const Optim *o) {
  enum { B = 3 };
  Fn *f = pass_optim_update(NULL, o, true);
  uint32_t n = (uint32_t)pass_optim_states(o);
  double p[B] = {0.5, -2, 1e-3}, g[B], state[2][B] = {{0}}, q[B], m[B] = {0}, v[B] = {0}, scale = 0.5;
  memcpy(q, p, sizeof p);
  CU_ASSERT_EQUAL_FATAL(f->in.n, 2 + n + 4);
  CU_ASSERT_EQUAL_FATAL(f->out.n, 1 + n);
  for (int t = 1; t <= 5; t++) {
    double lr = o->lr, bias1 = 1 / (1 - pow(o->beta1, t)), bias2 = 1 / (1 - pow(o->beta2, t));
    Type lane = type_scalar(true), shared = type_scalar(false);
    Tensor in[8] = {{lane, p}, {lane, g}}, out[3];
    for (uint32_t k = 0; k < n; k++) in[2 + k] = (Tensor){lane, state[k]};
    in[2 + n] = (Tensor){shared, &lr}, in[3 + n] = (Tensor){shared, &scale};
    in[4 + n] = (Tensor){shared, &bias1}, in[5 + n] = (Tensor){shared, &bias2};
    for (int s = 0; s < B; s++) {
      g[s] = sin(3 * t + s) * pow(10, -s);
      torch_step(o, scale * g[s], t, &q[s], &m[s], &v[s]);
    }
    eval(f, B, in, out);
    memcpy(p, out[0].v, sizeof p);
    for (uint32_t k = 0; k < n; k++) memcpy(state[k], out[1 + k].v, sizeof p);
    ir_tensors_free(out, 1 + n);
    for (int s = 0; s < B; s++) CU_ASSERT_DOUBLE_EQUAL(p[s], q[s], 1e-14 * (1 + fabs(q[s])));
  }
  ir_fn_destroy(f);
}

static void test_optim(void) {
  static const Optim all[] = {
    {OPT_ADAM, .lr = 1e-2, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8},
    {OPT_ADAM, .lr = 1e-2, .beta1 = 0.8, .beta2 = 0.99, .eps = 1e-4, .weight_decay = 0.1},
    {OPT_ADAMW, .lr = 1e-2, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .weight_decay = 0.1},
    {OPT_SGD, .lr = 0.1},
    {OPT_SGD, .lr = 0.1, .momentum = 0.9, .weight_decay = 0.01},
    {OPT_SGD, .lr = 0.1, .momentum = 0.9, .nesterov = true},
    {OPT_RMSPROP, .lr = 0.01, .alpha = 0.99, .eps = 1e-8},
    {OPT_RMSPROP, .lr = 0.01, .alpha = 0.9, .eps = 1e-8, .momentum = 0.5, .weight_decay = 0.1},
  };
  for (size_t k = 0; k < sizeof all / sizeof *all; k++) check_optim(&all[k]);
  Optim lbfgs = {.kind = OPT_LBFGS};
  CU_ASSERT_PTR_NULL(pass_optim_update(NULL, &lbfgs, true));
  Fn *norm = pass_optim_norm(NULL, true);
  double g[] = {3, 4};
  Tensor in = {type_scalar(true), g}, out;
  eval(norm, 2, &in, &out);
  CU_ASSERT_EQUAL(out.v[0], 25);
  ir_tensors_free(&out, 1);
  ir_fn_destroy(norm);
}

/* ---- the table ---- */

static void destroy(FnList *list) {
  for (uint32_t k = 0; k < list->n; k++) ir_fn_destroy(list->at[k]);
  vec_free(list);
}

/* ---- places ---- */

static void put_places(Fn *f) {
  for (uint32_t id = 1; id < f->inst.n; id++) f->inst.at[id].at = (Span){1, id, id + 1};
  for (uint32_t k = 0; k < f->sub.n; k++) put_places(f->sub.at[k]);
}

/* Instructions that come from nowhere, but for numbers. */
static uint32_t lost_places(const Fn *f) {
  uint32_t n = 0;
  for (uint32_t id = 1; id < f->inst.n; id++) {
    const Inst *i = &f->inst.at[id];
    n += !i->at.file && i->op != OP_const && i->op != OP_table && i->op != OP_in;
    if (i->sub) n += lost_places(ir_body(f, i));
  }
  return n;
}

static uint32_t adjoints(const Fn *f) {
  uint32_t n = 0;
  for (uint32_t id = 1; id < f->inst.n; id++) {
    const Inst *i = &f->inst.at[id];
    n += i->role == ROLE_ADJOINT && i->at.file;
    if (i->sub) n += adjoints(ir_body(f, i));
  }
  return n;
}

/* What is made of a trajectory, whose rates are derivatives, comes from somewhere in the source, and is still said to be one. */
static void test_places(void) {
  static const Method method[] = {M_EULER, M_RK4, M_LEAPFROG, M_YOSHIDA4, M_IMPLICIT_MIDPOINT};
  static const char *const pass[] = {"expand", "derive", "derive-reversible", "simplify", "unmap", "overlap", "rescale",
                                     "lower",  "split"};
  for (size_t m = 0; m < sizeof method / sizeof *method; m++)
    for (size_t k = 0; k < sizeof pass / sizeof *pass; k++) {
      Diag *diag = diag_create(NULL);
      FnList made = {0};
      Fn *f = trajectory_loss(method[m], false);
      put_places(f);
      CU_ASSERT(pass_by_name(NULL, pass[k], f, &made, diag));
      for (uint32_t j = 0; j < made.n; j++) {
        uint32_t lost = lost_places(made.at[j]);
        if (lost)
          fprintf(stderr, "%s, method %d: %u instructions of `%s` come from nowhere\n", pass[k], method[m], lost, made.at[j]->name);
        CU_ASSERT_EQUAL(lost, 0);
        if (!strcmp(pass[k], "derive") || !strcmp(pass[k], "lower")) CU_ASSERT(adjoints(made.at[j]) > 0);
      }
      destroy(&made);
      ir_fn_destroy(f);
      diag_destroy(diag);
    }
}

/* ---- two at once ---- */

typedef struct Lowering {
  uint32_t h;
  char *text;
  uint32_t runs; /* that the times count */
} Lowering;

static void *lower_one(void *arg) {
  static const uint32_t moved[] = {0, 1, 2, 3, 4};
  Lowering *l = arg;
  size_t size;
  FILE *out = open_memstream(&l->text, &size);
  for (int turn = 0; turn < (SANITIZED ? 2 : 8); turn++) {
    PassRun run = {.out = out, .print_after = turn ? NULL : "all"};
    Diag *diag = diag_create(NULL);
    Fn *loss = hnn_loss(l->h);
    const PassJob job = {.fn = loss, .gradient = true, .moved = moved, .nmoved = 5};
    Lowered lowered;
    if (pass_lower_all(&run, &job, &lowered, diag)) ir_print(out, lowered.split.part[1].fn, NULL);
    for (uint32_t k = 0; k < run.times.n; k++) l->runs += run.times.at[k].runs;
    pass_lowered_finish(&lowered);
    pass_run_finish(&run);
    ir_fn_destroy(loss);
    diag_destroy(diag);
  }
  fclose(out);
  return NULL;
}

/* What is made, printed and counted is each one's own. */
static void test_threads(void) {
  enum { N = 4 };
  Lowering alone[N], both[N];
  pthread_t thread[N];
  for (uint32_t k = 0; k < N; k++) alone[k] = both[k] = (Lowering){.h = 3 + k};
  for (uint32_t k = 0; k < N; k++) lower_one(&alone[k]);
  for (uint32_t k = 0; k < N; k++) CU_ASSERT_EQUAL_FATAL(pthread_create(&thread[k], NULL, lower_one, &both[k]), 0);
  for (uint32_t k = 0; k < N; k++) pthread_join(thread[k], NULL);
  for (uint32_t k = 0; k < N; k++) {
    CU_ASSERT_STRING_EQUAL(alone[k].text, both[k].text);
    CU_ASSERT_PTR_NOT_NULL(strstr(alone[k].text, "# after derive"));
    CU_ASSERT_EQUAL(alone[k].runs, both[k].runs);
    CU_ASSERT(alone[k].runs > 0);
    free(alone[k].text);
    free(both[k].text);
  }
}

static void test_table(void) {
  RandomSpec spec = {.seed = 3, .size = 20, .f64 = true};
  Fn *f = random_fn(&spec);
  Source *src = source_create();
  Diag *diag = diag_create(src);
  FnList made = {0};
  char *text = NULL;
  size_t size;
  PassRun run = {.out = open_memstream(&text, &size), .print_after = "simplify"};
  CU_ASSERT(!pass_by_name(&run, "no such pass", f, &made, diag));
  CU_ASSERT_EQUAL(made.n, 0);
  const char *names[PASS_NAMES];
  const uint32_t n = pass_names(PASS_BY_HAND, names);
  for (uint32_t k = 0; k < n; k++) {
    CU_ASSERT(pass_by_name(&run, names[k], f, &made, diag));
    CU_ASSERT(made.n > 0);
    destroy(&made);
  }
  pass_times_print(&run, run.out);
  fclose(run.out);
  CU_ASSERT_PTR_NOT_NULL(strstr(text, "# after simplify\nfn f64 @random("));
  CU_ASSERT_PTR_NULL(strstr(text, "# after mean"));
  CU_ASSERT_PTR_NOT_NULL(strstr(text, "\nderive "));
  pass_run_finish(&run);
  free(text);
  ir_fn_destroy(f);
  diag_destroy(diag);
  source_destroy(src);
}

const Suite suite = {"passes", (CU_TestInfo[]){{"mean and gradient", test_gradient},
                                               {"FLOPs of the HNN step", test_hnn_flops},
                                               {"FLOPs", test_flops},
                                               {"operations of a step", test_step_flops},
                                               {"gradient of trajectories", test_trajectory},
                                               {"split of random functions", test_split},
                                               {"optimizers", test_optim},
                                               {"table", test_table},
                                               {"places", test_places},
                                               {"two at once", test_threads},
                                               CU_TEST_INFO_NULL}};
