/* Training steps in phases, compiled and run: against the reference evaluator for any size of batch, the same bits
 * for any number of threads; the averages that a training keeps, resumption to the bit; exported libraries. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "codegen/codegen.h"
#include "runtime/library/lib.h"
#include "runtime/runtime.h"
#include "tests/common/cunit_main.h"
#include "tests/common/means_cases.h"
#include "tests/common/random_fn.h"

enum { MOST = 9, PAD = 64 }; /* moved parameters and averages of a case; elements */

/* ---- making functions callable ------------------------------------------------------------------------------ */

typedef struct Callable {
  Fn *fn; /* whole */
  Split split;
  Cg *cg;
  Arena *mem;
  RtFn *run;
  LibFn lib;
} Callable;

static HnnRef *refs(Arena *mem, const PartRef *from, uint32_t n) {
  HnnRef *out = ARENA_ARRAY(mem, HnnRef, n + 1);
  for (uint32_t k = 0; k < n; k++) out[k] = (HnnRef){from[k].part, (int)from[k].index};
  return out;
}

static void sizes(Arena *mem, const Fn *f, const int64_t **elems, const bool **lane) {
  int64_t *e = ARENA_ARRAY(mem, int64_t, f->out.n + 1);
  bool *l = ARENA_ARRAY(mem, bool, f->out.n + 1);
  for (uint32_t k = 0; k < f->out.n; k++) e[k] = type_count(ir_type(f, f->out.at[k])), l[k] = ir_type(f, f->out.at[k]).lane;
  *elems = e, *lane = l;
}

/* Takes over f. */
static Callable callable(Fn *f, RtPool *pool) {
  Source *src = source_create();
  Diag *diag = diag_create(src);
  char err[256] = "";
  CU_ASSERT_PTR_NOT_NULL_FATAL(f);
  Callable c = {.mem = arena_create()};
  Fn *derived = pass_derive(NULL, f, diag);
  c.fn = pass_simplify(NULL, derived);
  CU_ASSERT_FATAL(pass_split(NULL, c.fn, &c.split, diag));
  c.cg = cg_create(&(CgOptions){.opt = 1}, err, sizeof err);
  for (uint32_t p = 0; p < c.split.n; p++)
    if (c.split.part[p].fn) cg_add(c.cg, c.split.part[p].fn, arena_printf(c.mem, "part%u", p));
  bool ok = cg_compile(c.cg, err, sizeof err);
  if (!ok) CU_FAIL_FATAL(err);
  RtPart *part = ARENA_ARRAY(c.mem, RtPart, c.split.n);
  LibPart *lib = ARENA_ARRAY(c.mem, LibPart, c.split.n);
  for (uint32_t p = 0; p < c.split.n; p++) {
    const Fn *g = c.split.part[p].fn;
    if (!g) continue;
    const char *symbol = arena_printf(c.mem, "part%u", p);
    HnnKernelInfo *info = ARENA_NEW(c.mem, HnnKernelInfo);
    *info = cg_info(c.cg, symbol);
    part[p] = (RtPart){.nin = (int)g->in.n, .nout = (int)g->out.n, .in = refs(c.mem, c.split.part[p].in, g->in.n)};
    sizes(c.mem, g, &part[p].out_elems, &part[p].out_lane);
    RtFnSpec spec = {.kernel = cg_kernel(c.cg, symbol),
                     .info = *info,
                     .nin = part[p].nin,
                     .nout = part[p].nout,
                     .out_elems = part[p].out_elems,
                     .out_lane = part[p].out_lane};
    part[p].fn = rt_fn_create(&spec, pool);
    lib[p] = (LibPart){spec.kernel, info, part[p].nin, part[p].nout, part[p].in, part[p].out_elems, part[p].out_lane};
  }
  RtSplitSpec spec = {.nparts = (int)c.split.n,
                      .part = part,
                      .f64 = c.fn->f64,
                      .nin = (int)c.fn->in.n,
                      .nout = (int)c.fn->out.n,
                      .from = refs(c.mem, c.split.from, c.fn->out.n)};
  sizes(c.mem, c.fn, &spec.out_elems, &spec.out_lane);
  bool whole = pass_split_whole(&c.split, c.fn);
  c.run = whole ? part[1].fn : rt_fn_create_split(&spec);
  CU_ASSERT_PTR_NOT_NULL_FATAL(c.run);
  c.lib = (LibFn){(int)c.split.n, lib, whole, spec.nin, spec.nout, NULL, spec.out_lane, spec.out_elems, spec.from};
  ir_fn_destroy(f);
  ir_fn_destroy(derived);
  diag_destroy(diag);
  source_destroy(src);
  return c;
}

static void callable_finish(Callable *c) {
  rt_fn_destroy(c->run);
  cg_destroy(c->cg);
  pass_split_finish(&c->split);
  ir_fn_destroy(c->fn);
  arena_destroy(c->mem);
}

static Fn *gradient_of(const MeansCase *c, bool f64) {
  static const uint32_t moved[] = {0, 1, 2, 3};
  Fn *loss = c->make(LOSS, f64), *g = pass_gradient(NULL, loss, moved, c->nmoved, NULL, NULL);
  ir_fn_destroy(loss);
  return g;
}

/* ---- against the evaluator -------------------------------------------------------------------------------------- */

static double at(const void *p, bool f64, int64_t i) { return f64 ? ((const double *)p)[i] : (double)((const float *)p)[i]; }
static void put(void *p, bool f64, int64_t i, double v) {
  if (f64) ((double *)p)[i] = v;
  else ((float *)p)[i] = (float)v;
}

/* Inputs in the function's precision, as tensors and as native arrays; the weight is 1/n, 0 in the padding. */
static void make_inputs(const Fn *f, int64_t n, Tensor *in, HnnArg *arg) {
  int64_t ld = (n + RT_PAD - 1) / RT_PAD * RT_PAD;
  random_inputs(f, n, 5, in);
  for (uint32_t k = 0; k < f->in.n; k++) {
    Type t = f->in.at[k].type;
    bool weight = f->in.at[k].kind == IN_WEIGHT;
    int64_t elems = type_count(t), lanes = t.lane ? n : 1, wide = t.lane ? ld : 1;
    arg[k] = (HnnArg){rt_zeroed((size_t)(elems * wide + 1) * 8), ld};
    for (int64_t e = 0; e < elems; e++)
      for (int64_t s = 0; s < wide; s++) {
        double *v = &in[k].v[e * lanes + (s < lanes ? s : lanes - 1)];
        if (weight && s < lanes) *v = 1.0 / (double)n;
        if (!f->f64) *v = (float)*v;
        put(arg[k].p, f->f64, e * wide + s, weight && s >= lanes ? 0 : *v);
      }
  }
}

/* Runs c on n samples; out: f->out.n shared arrays of PAD reals. */
static void run(const Callable *c, int64_t n, const HnnArg *arg, void *out) {
  HnnArg o[1 + MOST];
  for (uint32_t k = 0; k < c->fn->out.n; k++) o[k] = (HnnArg){(char *)out + (size_t)k * PAD * 8, 0};
  rt_fn_run(c->run, arg, o, n, 1, 0);
}

static void check_size(const Callable *c, const char *name, int64_t n, char *out) {
  const Fn *f = c->fn;
  Tensor in[16], want[1 + MOST];
  HnnArg arg[16];
  char err[256];
  memset(out, 0, (1 + MOST) * PAD * 8);
  make_inputs(f, n, in, arg);
  run(c, n, arg, out);
  CU_ASSERT_FATAL(ir_eval(f, n, in, want, &(EvalEnv){0}, err, sizeof err));
  double worst = 0;
  for (uint32_t k = 0; k < f->out.n; k++)
    for (int64_t e = 0; e < type_count(want[k].type); e++) {
      double off = fabs(at(out + (size_t)k * PAD * 8, f->f64, e) - want[k].v[e]) / (1 + fabs(want[k].v[e]));
      if (!(off <= worst)) worst = isnan(off) ? INFINITY : off;
    }
  CU_ASSERT(worst < (f->f64 ? 1e-12 : 2e-5));
  if (!(worst < (f->f64 ? 1e-12 : 2e-5))) fprintf(stderr, "%s, %d samples: off by %g\n", name, (int)n, worst);
  ir_tensors_free(want, f->out.n);
  for (uint32_t k = 0; k < f->in.n; k++) base_free(in[k].v), free(arg[k].p);
}

/* Sizes that fill tiles and do not, growing and shrinking; the largest is cut into chunks. */
static void check_native(const MeansCase *c, bool f64) {
  static const int64_t n[] = {1, 2, 7, 16, 64, 65, 200, 33, 9001, 5};
  enum { SIZES = sizeof n / sizeof *n };
  static char first[SIZES][(1 + MOST) * PAD * 8], again[(1 + MOST) * PAD * 8];
  for (int threads = 1; threads <= 3; threads++) {
    RtPool *pool = rt_pool_create(threads);
    Callable g = callable(gradient_of(c, f64), pool);
    for (int k = 0; k < SIZES; k++) {
      check_size(&g, c->name, n[k], threads == 1 ? first[k] : again);
      if (threads > 1) CU_ASSERT_EQUAL(memcmp(first[k], again, sizeof again), 0);
    }
    callable_finish(&g);
    rt_pool_destroy(pool);
  }
}

static void test_native(void) {
  for (int k = 0; k < means_ncases; k++)
    for (int f64 = 0; f64 < 2; f64++) check_native(&means_cases[k], f64);
}

/* ---- values per sample that cross and come out; a draw is made once -------------------------------------------- */

static void test_lanes(void) {
  enum { B = 21 };
  uint32_t two[] = {2};
  Fn *f = ir_fn_create("lanes", true);
  Build b;
  ir_build_init(&b, f);
  Val x = ir_input(&b, "x", IN_FIELD, 0, type_real(true, 1, two)), y = ir_exp(&b, x);
  Val u = ir_add(&b, ir_rand(&b, 0, 1, VAL_NONE, type_scalar(true)), y), m = ir_batch_sum(&b, u), d = ir_sub(&b, u, m);
  Val low = ir_rmax(&b, x, 0), small = ir_lt(&b, low, ir_const(&b, 0.25));
  ir_output(&b, u, "u");
  ir_output(&b, ir_select(&b, small, d, ir_tanh(&b, d)), "d");
  ir_output(&b, ir_add(&b, ir_mul(&b, m, m), ir_batch_sum(&b, ir_mul(&b, d, d))), "s");
  ir_build_finish(&b);
  Callable c = callable(f, NULL);
  CU_ASSERT_EQUAL(c.split.n, 5);
  double *v = rt_zeroed(2 * PAD * 8), *out[3];
  for (int k = 0; k < 3; k++) out[k] = rt_zeroed(2 * PAD * 8);
  for (int i = 0; i < 2 * PAD; i++) v[i] = sin(i % PAD < B ? i : i / PAD * PAD + B - 1);
  HnnArg in = {v, PAD}, o[] = {{out[0], PAD}, {out[1], PAD}, {out[2], 0}};
  rt_fn_run(c.run, &in, o, B, 9, 100);
  double r[B], sum[2] = {0}, squares[2] = {0};
  rt_draw64(0, 9, 100, B, 1, 0, 1, r, B);
  for (int e = 0; e < 2; e++) {
    for (int s = 0; s < B; s++) {
      CU_ASSERT_DOUBLE_EQUAL(out[0][e * PAD + s], r[s] + exp(v[e * PAD + s]), 1e-13);
      sum[e] += out[0][e * PAD + s];
    }
    /* there is no weight: the sum counts the padding up to the widest of the two tiles */
    int64_t one = cg_info(c.cg, "part1").tile, other = cg_info(c.cg, "part3").tile, tile = one > other ? one : other;
    int64_t padding = (B + tile - 1) / tile * tile - B;
    double pad_r[64];
    rt_draw64(0, 9, 100 + B, 64, 1, 0, 1, pad_r, 64);
    for (int s = 0; s < padding; s++) sum[e] += pad_r[s] + exp(v[e * PAD + B - 1]);
    for (int s = 0; s < B; s++) {
      double dev = out[0][e * PAD + s] - sum[e], most = fmax(v[s], v[PAD + s]);
      CU_ASSERT_DOUBLE_EQUAL(out[1][e * PAD + s], most < 0.25 ? dev : tanh(dev), 1e-11);
      squares[e] += dev * dev;
    }
    CU_ASSERT(out[2][e] >= sum[e] * sum[e] + squares[e] - 1e-6);
  }
  for (int k = 0; k < 3; k++) free(out[k]);
  free(v);
  callable_finish(&c);
}

/* ---- training ------------------------------------------------------------------------------------------------------- */

enum { SAMPLES = 37, BATCH = 10, STEPS = 7 };

typedef struct Rig {
  const MeansCase *c;
  RtPool *pool;
  Callable gradient, mean, update;
  RtSet data;
  RtArray param[MOST];
  RtTrain t;
  RtLoss loss;
  int32_t in_of[16], moved[MOST], running[MOST];
  int64_t offset[MOST];
  double decay[MOST];
  double *seen; /* by step: all parameters, PAD each */
  double test;  /* the last one */
} Rig;

static void snapshot(Rig *r, int64_t step) {
  for (uint32_t p = 0; p < r->c->nmoved + r->c->nrunning; p++)
    memcpy(r->seen + ((size_t)step * MOST + p) * PAD, r->param[p].v, (size_t)r->param[p].elems * 8);
}

static bool progress(void *ctx, const RtStep *at) {
  const int64_t step = at->step;
  Rig *r = ctx;
  snapshot(r, step);
  r->test = at->test;
  return true;
}

static void rig_init(Rig *r, const MeansCase *c, bool lbfgs) {
  static const Optim adam = {OPT_ADAM, .lr = 1e-2, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8};
  *r = (Rig){.c = c, .pool = rt_pool_create(2), .seen = rt_zeroed((STEPS + 1) * MOST * PAD * 8)};
  Fn *loss = c->make(LOSS, true);
  r->gradient = callable(gradient_of(c, true), r->pool);
  r->mean = callable(pass_mean(NULL, loss), r->pool);
  r->update = callable(pass_optim_update(NULL, &adam, true), r->pool);
  r->data = (RtSet){.field = calloc(3, sizeof(RtArray)), .n = SAMPLES};
  const Fn *g = r->gradient.fn;
  int64_t flat = 0;
  for (uint32_t k = 0; k < g->in.n; k++) {
    const Input *in = &g->in.at[k];
    r->in_of[k] = in->kind == IN_PARAM ? (int32_t)in->index : in->kind == IN_FIELD ? -1 - (int32_t)in->index : INT32_MIN;
    if (in->kind != IN_FIELD) continue;
    RtArray *a = &r->data.field[in->index];
    CU_ASSERT_FATAL(rt_array_init(a, in->name, true, in->type.rank, in->type.dim, SAMPLES));
    rt_draw64(1, 3, 0, SAMPLES, in->index, 0, a->elems, a->v, a->ld);
    rt_array_pad(a);
    r->data.nfield++;
  }
  for (uint32_t k = 0; k < c->nmoved; k++) r->moved[k] = (int32_t)k, r->offset[k] = flat, flat += PAD;
  for (uint32_t k = 0; k < c->nrunning; k++) r->running[k] = (int32_t)(c->nmoved + k), r->decay[k] = k ? 0.9 : 0.6;
  double *all = rt_zeroed((size_t)flat * 8), *start = rt_zeroed(PAD * 8);
  for (uint32_t k = 0; k < g->in.n; k++) {
    const Input *in = &g->in.at[k];
    if (in->kind != IN_PARAM) continue;
    RtArray *a = &r->param[in->index];
    CU_ASSERT_FATAL(rt_array_init(a, in->name, true, in->type.rank, in->type.dim, 0));
    if (in->index >= c->nmoved) continue;
    rt_draw64(1, 8, 0, 1, in->index, 0, a->elems, start, 1);
    free(a->v);
    a->v = all + r->offset[in->index];
    memcpy(a->v, start, (size_t)a->elems * 8);
  }
  r->loss = (RtLoss){.gradient = r->gradient.run,
                     .mean = r->mean.run,
                     .in_of = r->in_of,
                     .nin = (int)g->in.n,
                     .factor = 1,
                     .moved = r->moved,
                     .nmoved = (int)c->nmoved,
                     .offset = r->offset,
                     .running = r->running,
                     .nrunning = (int)c->nrunning,
                     .data = &r->data,
                     .test = &r->data,
                     .batch = BATCH,
                     .seed = 5};
  r->t = (RtTrain){.sum = &r->loss,
                   .nsum = 1,
                   .param = r->param,
                   .nparam = (int)(c->nmoved + c->nrunning),
                   .flat = all,
                   .flat_n = flat,
                   .f64 = true,
                   .running = r->running,
                   .nrunning = (int)c->nrunning,
                   .decay = r->decay,
                   .update = r->update.run,
                   .nstates = lbfgs ? rt_lbfgs_states(3) : 2,
                   .lr = lbfgs ? 0.5 : 0.05,
                   .beta1 = 0.9,
                   .beta2 = 0.999,
                   .lbfgs = lbfgs,
                   .history = 3,
                   .max_iter = 2,
                   .tested = true,
                   .steps = STEPS,
                   .every = 1,
                   .progress = progress,
                   .ctx = r};
  r->t.state = calloc((size_t)r->t.nstates, sizeof *r->t.state);
  for (int k = 0; k < r->t.nstates; k++) r->t.state[k] = rt_zeroed((size_t)flat * 8);
  free(start);
  ir_fn_destroy(loss);
  snapshot(r, 0);
}

static void rig_finish(Rig *r) {
  callable_finish(&r->gradient);
  callable_finish(&r->mean);
  callable_finish(&r->update);
  for (uint32_t k = 0; k < r->c->nmoved + r->c->nrunning; k++) {
    if (k < r->c->nmoved) r->param[k].v = NULL;
    rt_array_finish(&r->param[k]);
  }
  for (int k = 0; k < r->t.nstates; k++) free(r->t.state[k]);
  free(r->t.state);
  free(r->t.flat);
  free(r->seen);
  rt_set_finish(&r->data);
  rt_pool_destroy(r->pool);
}

/* The values of a function at the parameters that were seen before step s, on that step's batch or all of the data. */
static void evaluate(const Rig *r, const Fn *f, int64_t step, bool all, Tensor *out) {
  Tensor in[16];
  char err[256];
  int64_t n = all ? SAMPLES : BATCH, perm[SAMPLES];
  for (uint32_t k = 0; k < f->in.n; k++) {
    const Input *x = &f->in.at[k];
    int64_t elems = type_count(x->type), lanes = x->type.lane ? n : 1;
    in[k] = (Tensor){x->type, malloc((size_t)(elems * lanes) * 8)};
    for (int64_t s = 0; s < lanes; s++) {
      int64_t place = step * BATCH + s;
      if (x->type.lane && !all) rt_permutation(5, (uint64_t)(place / SAMPLES), SAMPLES, perm);
      for (int64_t e = 0; e < elems; e++)
        in[k].v[e * lanes + s] =
            x->kind == IN_WEIGHT ? 1.0 / (double)n
            : x->kind == IN_PARAM
                ? r->seen[((size_t)step * MOST + x->index) * PAD + (size_t)e]
                : ((double *)r->data.field[x->index].v)[e * r->data.field[x->index].ld + (all ? s : perm[place % SAMPLES])];
    }
  }
  CU_ASSERT_FATAL(ir_eval(f, n, in, out, &(EvalEnv){0}, err, sizeof err));
  for (uint32_t k = 0; k < f->in.n; k++) free(in[k].v);
}

/* Each average follows the mean of the step's batch at the parameters before it: a plain mean, then decaying. */
static void check_averages(const MeansCase *c, bool lbfgs) {
  Rig r;
  RtError err = {""};
  rig_init(&r, c, lbfgs);
  CU_ASSERT_EQUAL(rt_train(&r.t, &err), RT_DONE);
  double moved = 0;
  for (int64_t s = 0; s < STEPS; s++) {
    Tensor out[1 + MOST];
    evaluate(&r, r.gradient.fn, s, false, out);
    for (uint32_t k = 0; k < c->nrunning; k++) {
      const uint32_t p = c->nmoved + k;
      const double *was = r.seen + ((size_t)s * MOST + p) * PAD, *is = was + MOST * PAD;
      double d = fmin(r.decay[k], (double)s / ((double)s + 1));
      for (int64_t e = 0; e < r.param[p].elems; e++) {
        CU_ASSERT_DOUBLE_EQUAL(is[e], d * was[e] + (1 - d) * out[1 + p].v[e], 1e-12);
        moved += fabs(is[e] - was[e]);
      }
    }
    ir_tensors_free(out, r.gradient.fn->out.n);
  }
  CU_ASSERT(moved > 1e-2);
  Tensor test;
  evaluate(&r, r.mean.fn, STEPS, true, &test); /* the test loss is of the averages */
  CU_ASSERT_DOUBLE_EQUAL(r.test, test.v[0], 1e-11);
  ir_tensors_free(&test, 1);
  rig_finish(&r);
}

static void test_averages(void) {
  for (int k = 0; k < means_ncases; k++)
    for (int lbfgs = 0; lbfgs < 2; lbfgs++) check_averages(&means_cases[k], lbfgs);
}

static void test_resume(void) {
  for (int lbfgs = 0; lbfgs < 2; lbfgs++) {
    Rig a, b;
    RtError err = {""};
    rig_init(&a, &means_cases[1], lbfgs);
    CU_ASSERT_EQUAL(rt_train(&a.t, &err), RT_DONE);
    rig_init(&b, &means_cases[1], lbfgs);
    for (b.t.steps = 1; b.t.steps <= STEPS; b.t.steps += 3) CU_ASSERT_EQUAL(rt_train(&b.t, &err), RT_DONE);
    for (uint32_t p = 0; p < a.c->nmoved + a.c->nrunning; p++)
      CU_ASSERT_EQUAL(memcmp(a.param[p].v, b.param[p].v, (size_t)a.param[p].elems * 8), 0);
    rig_finish(&a);
    rig_finish(&b);
  }
}

/* A step with a mean that is not finite changes nothing. */
static void test_not_finite(void) {
  Rig r;
  RtError err = {""};
  rig_init(&r, &means_cases[4], false);
  CU_ASSERT_STRING_EQUAL_FATAL(r.c->name, "plain");
  *(double *)r.param[0].v = 1e4; /* exp of it */
  snapshot(&r, 0);
  CU_ASSERT_EQUAL(rt_train(&r.t, &err), RT_NOT_FINITE);
  for (uint32_t p = 0; p < r.c->nmoved + r.c->nrunning; p++)
    CU_ASSERT_EQUAL(memcmp(r.param[p].v, r.seen + (size_t)p * PAD, (size_t)r.param[p].elems * 8), 0);
  rig_finish(&r);
}

/* ---- exported libraries ----------------------------------------------------------------------------------------------- */

/* A step of the engine makes the bits that the trainer makes of all of the data. */
static void check_library(const MeansCase *c) {
  Rig r;
  RtError err = {""};
  rig_init(&r, c, false);
  const Fn *g = r.gradient.fn;
  uint32_t n = c->nmoved + c->nrunning;
  LibParam param[MOST] = {{0}};
  LibInput in[16] = {{0}};
  double start[MOST * PAD], loss, *user[3] = {NULL};
  for (uint32_t p = 0; p < n; p++) {
    param[p] = (LibParam){.elems = r.param[p].elems, .offset = (int64_t)p * PAD};
    memcpy(start + (size_t)p * PAD, r.param[p].v, (size_t)r.param[p].elems * 8);
  }
  for (uint32_t k = 0; k < g->in.n; k++)
    in[k] = (LibInput){g->in.at[k].kind == IN_PARAM   ? LIB_PARAM
                       : g->in.at[k].kind == IN_FIELD ? LIB_FIELD
                                                      : LIB_WEIGHT,
                       (int)g->in.at[k].index, type_count(g->in.at[k].type), g->in.at[k].type.lane};
  for (int k = 0; k < r.data.nfield; k++) {
    const RtArray *a = &r.data.field[k];
    user[k] = malloc((size_t)(a->elems * SAMPLES) * 8);
    for (int64_t s = 0; s < SAMPLES; s++)
      for (int64_t e = 0; e < a->elems; e++) user[k][s * a->elems + e] = ((double *)a->v)[e * a->ld + s];
  }
  LibFn fn[] = {r.gradient.lib, r.update.lib};
  int moved[MOST], running[MOST];
  for (uint32_t k = 0; k < MOST; k++) moved[k] = (int)k, running[k] = (int)(c->nmoved + k);
  fn[0].in = in;
  const int place[MOST] = {0, 1, 2, 3, 4, 5, 6, 7, 8};
  const LibLoss one = {0, 1, (int)c->nmoved, place, (int)c->nrunning, place};
  const int64_t samples = SAMPLES;
  LibTrain train = {.nloss = 1,
                    .loss = &one,
                    .update = 1,
                    .nmoved = (int)c->nmoved,
                    .moved = moved,
                    .nstates = 2,
                    .lr = 0.05,
                    .beta1 = 0.9,
                    .beta2 = 0.999,
                    .nrunning = (int)c->nrunning,
                    .running = running,
                    .decay = r.decay};
  LibModel model = {true, n * PAD, (int)n, param, 2, fn, 1, &train, start};
  Lib *lib = lib_create(&model);
  CU_ASSERT_PTR_NOT_NULL_FATAL(lib);
  const hnn_array array[3] = {{user[0], 0}, {user[1], 0}, {user[2], 0}};
  for (int s = 0; s < STEPS; s++) CU_ASSERT_EQUAL(lib_step(lib, 0, &samples, &(const hnn_array *){array}, 0, &loss), 0);
  r.loss.batch = 0;
  CU_ASSERT_EQUAL(rt_train(&r.t, &err), RT_DONE);
  CU_ASSERT_EQUAL(loss, r.t.loss);
  for (uint32_t p = 0; p < n; p++) CU_ASSERT_EQUAL(memcmp(lib_param(lib, (int)p), r.param[p].v, (size_t)param[p].elems * 8), 0);
  lib_destroy(lib);
  for (int k = 0; k < r.data.nfield; k++) free(user[k]);
  rig_finish(&r);
}

static void test_library(void) {
  for (int k = 0; k < means_ncases; k++) check_library(&means_cases[k]);
}

const Suite suite = {"means, running", (CU_TestInfo[]){{"phases against the evaluator, any batch and threads", test_native},
                                                       {"values per sample between phases", test_lanes},
                                                       {"averages", test_averages},
                                                       {"resume", test_resume},
                                                       {"not finite", test_not_finite},
                                                       {"libraries", test_library},
                                                       CU_TEST_INFO_NULL}};
