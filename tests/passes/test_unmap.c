/* Maps along stacked parameters as plain operations: random bodies give the same values, and nothing is a loop any more.
 * Which maps stay is in tests/passes/unmap_*.hir. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "passes/passes.h"
#include "tests/common/cunit_main.h"
#include "tests/common/random_fn.h"

enum { N = 3, A = 2, C = 4, LANES = 3, PROGRAMS = 600, MOST = 64 };

typedef struct Gen {
  Build b;     /* of the body */
  Val v[MOST]; /* reals of the body, as made */
  uint32_t n;
  uint64_t seed;
  uint32_t seen[OP_count];
} Gen;

static Type type_of(Gen *g, Val v) { return ir_type(g->b.f, v); }
static Val some(Gen *g) { return g->v[random_below(&g->seed, g->n)]; }

static Val some_ranked(Gen *g, uint32_t least, uint32_t most) {
  for (int k = 0; k < 200; k++) {
    Val v = some(g);
    if (type_of(g, v).rank >= least && type_of(g, v).rank <= most) return v;
  }
  return VAL_NONE;
}

static Val some_like(Gen *g, Val x) {
  for (int k = 0; k < 200; k++) {
    Val v = some(g);
    if (type_same_dims(type_of(g, v), type_of(g, x)) || type_of(g, v).rank == 0) return v;
  }
  return x;
}

static Val contracted(Gen *g) {
  Val x = some_ranked(g, 1, 2), y = some_ranked(g, 1, 2);
  if (!x.id || !y.id) return VAL_NONE;
  Type s = type_of(g, x), t = type_of(g, y);
  if (s.dim[s.rank - 1] != t.dim[0]) return VAL_NONE;
  return ir_matmul(&g->b, x, y);
}

static Val moved(Gen *g, Val x, int axis) {
  Build *b = &g->b;
  Type t = type_of(g, x);
  uint32_t n = t.dim[axis], index[MOST];
  switch (random_below(&g->seed, 11)) {
  case 0: return ir_slice(b, x, axis, 0, n > 1 ? n - 1 : 1, 1);
  case 1: return ir_unslice(b, x, axis, 1, 1, n + 2);
  case 2: return ir_concat(b, (Val[]){x, x}, 2, axis);
  case 3:
    for (uint32_t k = 0; k < 3; k++) index[k] = random_below(&g->seed, n);
    return ir_take(b, x, axis, index, 3);
  case 4:
    for (uint32_t k = 0; k < n; k++) index[k] = random_below(&g->seed, n + 1);
    return ir_put(b, x, axis, n + 1, index, n);
  case 5: return ir_sum(b, x, axis);
  case 6: return ir_rmax(b, x, axis);
  case 7: return ir_rmin(b, x, axis);
  case 8: return t.rank == 2 ? ir_tri(b, x, random_below(&g->seed, 2), (int)random_below(&g->seed, 3) - 1) : VAL_NONE;
  case 9: return ir_flip(b, x, axis);
  default: return t.rank == 2 ? ir_transpose(b, x, (int[]){1, 0}) : VAL_NONE;
  }
}

static Val made(Gen *g) {
  Build *b = &g->b;
  Val x = some(g), y;
  Type t = type_of(g, x);
  uint32_t flat = (uint32_t)type_count(t);
  switch (random_below(&g->seed, 12)) {
  case 0: return ir_tanh(b, x);
  case 1: return ir_add(b, x, some_like(g, x));
  case 2: return ir_mul(b, some_like(g, x), x);
  case 3: y = some_like(g, x); return ir_select(b, ir_lt(b, x, y), x, y);
  case 4: return t.rank < 3 && flat < 30 ? ir_expand(b, x, (int)random_below(&g->seed, t.rank + 1), 2) : VAL_NONE;
  case 5: return ir_reshape(b, x, 1, &flat);
  case 6: return ir_id(b, x);
  case 7: return ir_spread(b, x);
  case 8: return contracted(g);
  case 9: return ir_sub(b, ir_const(b, 0.5), x);
  default: return t.rank ? moved(g, x, (int)random_below(&g->seed, t.rank)) : VAL_NONE;
  }
}

/* A product of the parameter with a value per sample, and whatever else. */
static Fn *program(uint64_t seed, uint32_t *seen) {
  static const uint32_t w[] = {N, A, C}, c[] = {N, A}, x[] = {C}, z[] = {N, C};
  Gen g = {.seed = seed};
  Build b;
  Fn *f = ir_fn_create("f", true), *body = ir_sub_create(f, "map");
  ir_build_init(&b, f);
  ir_build_init(&g.b, body);
  Val arg[5] = {ir_input(&b, "W", IN_PARAM, 0, type_real(false, 3, w)), ir_input(&b, "c", IN_PARAM, 1, type_real(false, 2, c)),
                ir_input(&b, "z", IN_FIELD, 0, type_real(true, 2, z)), ir_input(&b, "x", IN_FIELD, 1, type_real(true, 1, x)),
                ir_input(&b, "u", IN_PARAM, 2, type_real(false, 1, x))};
  g.v[g.n++] = ir_input(&g.b, NULL, IN_OTHER, 0, type_real(false, 2, w + 1));
  g.v[g.n++] = ir_input(&g.b, NULL, IN_OTHER, 1, type_real(false, 1, c + 1));
  g.v[g.n++] = ir_input(&g.b, NULL, IN_OTHER, 2, type_real(true, 1, z + 1));
  g.v[g.n++] = ir_input(&g.b, NULL, IN_OTHER, 3, type_real(true, 1, x));
  g.v[g.n++] = ir_input(&g.b, NULL, IN_OTHER, 4, type_real(false, 1, x));
  g.v[g.n++] = ir_matmul(&g.b, g.v[0], g.v[2 + random_below(&g.seed, 2)]);
  for (uint32_t k = 0; k < 24; k++) {
    Val v = made(&g);
    if (v.id && type_of(&g, v).dt == DT_REAL && type_count(type_of(&g, v)) <= 64) g.v[g.n++] = v;
  }
  for (uint32_t k = 0; k < g.n; k++) ir_output(&g.b, g.v[k], NULL);
  for (uint32_t id = 1; id < body->inst.n; id++) seen[body->inst.at[id].op]++;
  Val scan = ir_scan(&b, arg, 5, N, 0, 3, g.n, 0, random_below(&g.seed, 2), false, body);
  for (uint32_t k = 0; k < g.n; k++) ir_output(&b, ir_proj(&b, scan, k), NULL);
  ir_build_finish(&g.b);
  ir_build_finish(&b);
  return f;
}

static bool same(const Fn *f, const Fn *g, uint64_t seed) {
  Tensor in[8], *x = base_realloc(NULL, sizeof *x * 2 * (f->out.n + 1)), *y = x + f->out.n + 1;
  EvalEnv env = {0};
  char err[200] = "";
  bool good = true;
  random_inputs(f, LANES, seed, in);
  CU_ASSERT_FATAL(ir_eval(f, LANES, in, x, &env, err, sizeof err));
  CU_ASSERT_FATAL(ir_eval(g, LANES, in, y, &env, err, sizeof err));
  for (uint32_t k = 0; k < f->out.n; k++) {
    good &= type_eq(x[k].type, y[k].type);
    for (int64_t e = 0; good && e < type_count(x[k].type) * (x[k].type.lane ? LANES : 1); e++)
      good &= fabs(x[k].v[e] - y[k].v[e]) <= 1e-12 * (1 + fabs(x[k].v[e]));
  }
  ir_tensors_free(x, f->out.n);
  ir_tensors_free(y, f->out.n);
  for (uint32_t k = 0; k < f->in.n; k++) base_free(in[k].v);
  base_free(x);
  return good;
}

static uint32_t loops(const Fn *f) {
  uint32_t n = 0;
  for (uint32_t id = 1; id < f->inst.n; id++) n += f->inst.at[id].op == OP_scan;
  return n;
}

static void test_random(void) {
  uint32_t seen[OP_count] = {0};
  static const Op all[] = {OP_tanh,    OP_add,       OP_mul,    OP_lt,     OP_select, OP_id,   OP_spread,
                           OP_reshape, OP_transpose, OP_flip,   OP_expand, OP_sum,    OP_rmax, OP_rmin,
                           OP_slice,   OP_unslice,   OP_concat, OP_take,   OP_put,    OP_tri,  OP_dot};
  for (uint64_t seed = 0; seed < PROGRAMS; seed++) {
    Fn *f = program(seed, seen), *g = pass_unmap(NULL, f);
    CU_ASSERT_FATAL(g != NULL);
    bool good = loops(g) == 0 && ir_verify(g, stderr) == 0 && same(f, g, seed);
    if (!good) fprintf(stderr, "program %llu differs\n", (unsigned long long)seed);
    CU_ASSERT(good);
    ir_fn_destroy(f);
    ir_fn_destroy(g);
  }
  for (size_t k = 0; k < sizeof all / sizeof *all; k++) CU_ASSERT(seen[all[k]] > 20);
}

const Suite suite = {"unmap", (CU_TestInfo[]){{"random bodies", test_random}, CU_TEST_INFO_NULL}};
