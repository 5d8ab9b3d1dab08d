/* What keeping states costs, and computing them again from the end: the gradient of a loss over a chain of
 * reversible steps, and over a trajectory, at growing depth. A row: bytes of scratch a tile, microseconds
 * a tile, seconds to derive and compile; kept and computed again, and the ratio of the times.
 *
 *   bench_memory [KIND...]      all kinds if none is named; `-d N` stops at depth N */
#include "codegen/codegen.h"
#include "passes/passes.h"
#include "tests/common/step_chain.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef enum { OWN, TIED, TINY, LEAPFROG, MIDPOINT, NKINDS } Kind;
static const char *const kind_name[NKINDS] = {"own", "tied", "tiny", "leapfrog", "midpoint"};
static const char *const kind_text[NKINDS] = {
  "couplings of 16+16 by networks 16-32-16, weights of their own", "the same, all with the same weights",
  "couplings of 2+2 by networks 2-8-2, the same weights", "leapfrog steps of 8+8 in T(p) + V(q), V a network 8-32-1",
  "implicit midpoint steps of 2+2 in a network 4-16-1"};

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t); /* other work on the machine does not count */
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static Fn *chain(uint32_t depth, uint32_t n, uint32_t h, bool tied) {
  Chain c;
  Val w[3];
  chain_open(&c, n, h);
  chain_states(&c);
  for (uint32_t k = 0; k < depth; k++) {
    if (!k || !tied) chain_weights(&c, w);
    chain_step(&c.b, ADD_NET, (int)(k & 1), n, c.x, c.context, w);
  }
  return chain_close(&c);
}

/* dH/dp, -dH/dq of H = p.p/2 + u.tanh(W q + b), or of u.tanh(W (q, p) + b). */
static Fn *rates(Fn *parent, uint32_t n, const Type *inv, bool separable) {
  Fn *f = ir_sub_create(parent, "rates");
  Build b;
  Val w[3], x[2];
  ir_build_init(&b, f);
  b.number = b.fold = false;
  for (uint32_t k = 0; k < 2; k++) x[k] = ir_id(&b, ir_input(&b, "x", IN_STATE, k, chain_vec(true, n)));
  ir_input(&b, "t", IN_OTHER, 0, type_scalar(false));
  for (uint32_t k = 0; k < 3; k++) w[k] = ir_input(&b, "w", IN_OTHER, k, inv[k]);
  Val in = separable ? x[0] : ir_concat(&b, x, 2, 0);
  Val e = ir_sum_all(&b, ir_mul(&b, w[2], ir_tanh(&b, ir_add(&b, ir_matmul(&b, w[0], in), w[1]))));
  if (separable) e = ir_add(&b, e, ir_mul(&b, ir_const(&b, 0.5), ir_sum_all(&b, ir_mul(&b, x[1], x[1]))));
  ir_output(&b, ir_grad(&b, e, x[1]), NULL);
  ir_output(&b, ir_neg(&b, ir_grad(&b, e, x[0])), NULL);
  ir_build_finish(&b);
  return f;
}

static Fn *trajectory(uint32_t steps, Method m, uint32_t n, uint32_t h, bool separable) {
  Chain c;
  Val w[3];
  Type inv[3];
  chain_open(&c, n, h);
  chain_states(&c);
  inv[0] = type_real(false, 2, (uint32_t[]){h, separable ? n : 2 * n});
  inv[1] = inv[2] = chain_vec(false, h);
  for (uint32_t k = 0; k < 3; k++) w[k] = ir_input(&c.b, "w", IN_PARAM, k, inv[k]);
  Val v = ir_integrate(&c.b, m, c.x, 2, ir_const(&c.b, 0.01), w, 3, steps, steps, rates(c.f, n, inv, separable));
  for (uint32_t k = 0; k < 2; k++) c.x[k] = ir_index(&c.b, ir_proj(&c.b, v, k), 0, 1);
  return chain_close(&c);
}

static Fn *loss_of(Kind k, uint32_t depth) {
  switch (k) {
  case OWN: return chain(depth, 16, 32, false);
  case TIED: return chain(depth, 16, 32, true);
  case TINY: return chain(depth, 2, 8, true);
  case LEAPFROG: return trajectory(depth, M_LEAPFROG, 8, 32, true);
  default: return trajectory(depth, M_IMPLICIT_MIDPOINT, 2, 16, false);
  }
}

typedef struct Row {
  int64_t scratch, weights;
  double us, derive, compile;
} Row;

static void *filled(int64_t n, double scale) {
  double *v = aligned_alloc(64, ((size_t)n * sizeof *v + 127) / 64 * 64);
  for (int64_t k = 0; k < n; k++) v[k] = scale * ((double)(k * 7919 % 101) / 50 - 1);
  return v;
}

static double time_kernel(const Fn *f, HnnKernel run, HnnKernelInfo info) {
  enum { TILES = 8, ROUNDS = 7 };
  int64_t ld = (int64_t)info.tile * TILES;
  HnnArg *in = calloc(f->in.n + 1, sizeof *in), *out = calloc(f->out.n + 1, sizeof *out);
  for (uint32_t k = 0; k < f->in.n; k++)
    in[k] = (HnnArg){filled(type_count(f->in.at[k].type) * (f->in.at[k].type.lane ? ld : 1), 0.1), ld};
  for (uint32_t k = 0; k < f->out.n; k++) {
    Type t = ir_type(f, f->out.at[k]);
    out[k] = (HnnArg){filled(type_count(t) * (t.lane ? ld : 1), 0), ld};
  }
  void *scratch = aligned_alloc(64, (size_t)(info.scratch_bytes + 127) / 64 * 64);
  HnnCall call = {.in = in, .out = out, .tile1 = TILES, .scratch = scratch, .samples = ld};
  double best = 1e9;
  run(&call);
  for (int r = 0; r < ROUNDS; r++) {
    int turns = 0;
    double start = now();
    do run(&call), turns++;
    while (now() - start < 0.03);
    double t = (now() - start) / turns / TILES;
    if (t < best) best = t;
  }
  for (uint32_t k = 0; k < f->in.n; k++) free(in[k].p);
  for (uint32_t k = 0; k < f->out.n; k++) free(out[k].p);
  free(in), free(out), free(scratch);
  return best * 1e6;
}

/* False + message. */
static bool measure(Fn *loss, Memory memory, Row *row) {
  char err[512] = "";
  uint32_t moved[4096], n = 0;
  *row = (Row){0};
  for (uint32_t k = 0; k < loss->in.n && n < 4096; k++)
    if (loss->in.at[k].kind == IN_PARAM) {
      moved[n++] = loss->in.at[k].index;
      row->weights += type_count(loss->in.at[k].type);
    }
  double start = now();
  Fn *gradient = pass_gradient(NULL, loss, moved, n, NULL, NULL), *d = pass_derive_as(NULL, gradient, memory, NULL, NULL);
  Split split;
  if (!d || !pass_split(NULL, d, &split, NULL)) return false;
  const Fn *batch = split.part[1].fn; /* between what is done before the samples and after them */
  row->derive = now() - start;
  start = now();
  Cg *cg = cg_create(&(CgOptions){.opt = 1}, err, sizeof err);
  bool ok = cg != NULL;
  if (ok) {
    cg_add(cg, batch, "f");
    if (getenv("BENCH_KERNELS")) cg_print_kernels(cg, stdout, NULL, NULL);
    ok = cg_compile(cg, err, sizeof err);
  }
  row->compile = now() - start;
  if (ok) {
    HnnKernelInfo info = cg_info(cg, "f");
    row->scratch = info.scratch_bytes;
    row->us = time_kernel(batch, cg_kernel(cg, "f"), info);
  } else {
    fprintf(stderr, "%s\n", err);
  }
  cg_destroy(cg);
  pass_split_finish(&split);
  ir_fn_destroy(gradient);
  ir_fn_destroy(d);
  return ok;
}

static bool table(Kind k, uint32_t most) {
  static const uint32_t depths[] = {4, 16, 64, 250, 1000, 10000};
  printf("%s: %s\n  %6s %9s | %12s %12s | %10s %10s %6s | %16s %16s\n", kind_name[k], kind_text[k], "depth", "weights",
         "bytes kept", "again", "us kept", "again", "ratio", "s kept", "s again");
  for (size_t i = 0; i < sizeof depths / sizeof *depths; i++) {
    Row row[2];
    bool loop = k == LEAPFROG || k == MIDPOINT;
    if (depths[i] > most || (!loop && depths[i] > 1000)) break;
    Fn *loss = loss_of(k, depths[i]);
    bool ok = measure(loss, MEMORY_STORED, &row[0]) && measure(loss, MEMORY_REVERSIBLE, &row[1]);
    ir_fn_destroy(loss);
    if (!ok) return false;
    printf("  %6u %9lld | %12lld %12lld | %10.1f %10.1f %6.2f | %7.2f+%7.2f %7.2f+%7.2f\n", depths[i], (long long)row[0].weights,
           (long long)row[0].scratch, (long long)row[1].scratch, row[0].us, row[1].us, row[1].us / row[0].us, row[0].derive,
           row[0].compile, row[1].derive, row[1].compile);
    fflush(stdout);
  }
  return true;
}

int main(int argc, char **argv) {
  uint32_t most = UINT32_MAX;
  bool named = false, ok = true, want[NKINDS] = {false};
  for (int i = 1; i < argc; i++) {
    if (!strcmp(argv[i], "-d") && i + 1 < argc) {
      most = (uint32_t)atoi(argv[++i]);
      continue;
    }
    int k = 0;
    while (k < NKINDS && strcmp(argv[i], kind_name[k])) k++;
    if (k == NKINDS) return fprintf(stderr, "there is no kind `%s`\n", argv[i]), 2;
    named = want[k] = true;
  }
  for (int k = 0; k < NKINDS; k++)
    if (!named || want[k]) ok = ok && table((Kind)k, most);
  return !ok;
}
