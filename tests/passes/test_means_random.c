/* Random programs with means over the batch in the body of a map, against the same turns written out by hand: what
 * crosses a cut may be of any shape, a bool, a draw, the result of a loop. */
#include <stdlib.h>
#include <string.h>

#include "ir/field/field.h"
#include "passes/passes.h"
#include "tests/common/cunit_main.h"
#include "tests/common/means_cases.h"
#include "tests/common/random_fn.h"
#include "tests/common/often.h"

enum { TURNS = 3, STAGES = 3, NIN = 5, LANES = 2 }; /* inputs of a random function: LANES shared, then per sample */

typedef struct Program {
  Fn *stage[STAGES]; /* each reads the deviation of the one before from its mean as its last input */
} Program;

/* What a turn has come to. */
typedef struct Turn {
  Val s, m, sum, some[2];
} Turn;

/* Stage k on the arguments of its inputs. */
static void run_stage(Build *b, const Program *p, int k, const Val *arg, Turn *t) {
  Val in[NIN], out[8];
  memcpy(in, arg, sizeof in);
  if (k) in[NIN - 1] = ir_sin(b, ir_sub(b, t->s, t->m));
  ir_inline(b, p->stage[k], in, out);
  for (int j = 0; j < 2 && k; j++) { /* values from before the mean meet it */
    bool flag = ir_type(b->f, t->some[j]).dt == DT_BOOL;
    Val v = flag ? ir_select(b, t->some[j], t->m, ir_const(b, 0.5)) : ir_sin(b, ir_mul(b, t->some[j], t->m));
    t->sum = ir_add(b, t->sum, ir_sum_all(b, v));
  }
  t->s = out[0];
  t->sum = ir_add(b, t->sum, out[0]);
  for (int j = 0; j < 2; j++) t->some[j] = out[2 + j];
}

static Type stacked(Type t) {
  memmove(t.dim + 1, t.dim, sizeof t.dim - sizeof t.dim[0]);
  t.dim[0] = TURNS;
  t.rank++;
  return t;
}

/* Inputs of the loss: those of each stage, values per sample stacked over the turns; then the averages. */
static void top_inputs(Build *b, const Program *p, Val *in, Val *average) {
  for (int k = 0; k < STAGES; k++)
    for (uint32_t j = 0; j < NIN; j++) {
      Type t = p->stage[k]->in.at[j].type;
      uint32_t index = (uint32_t)k * NIN + j;
      const char *name = arena_printf(b->f->mem, "in%u", index);
      in[index] = ir_input(b, name, j < LANES ? IN_PARAM : IN_FIELD, index, j < LANES ? t : stacked(t));
    }
  for (uint32_t k = 0; k < STAGES; k++) average[k] = ir_input(b, "average", IN_PARAM, 100 + k, type_scalar(false));
}

static Fn *with_means(const Program *p) {
  enum { N = STAGES * NIN };
  Fn *f = ir_fn_create("random", true), *body = ir_sub_create(f, "turn");
  Build b, bb;
  Val in[N], average[STAGES], arg[N], inside[N], around[N + STAGES];
  uint32_t n = 0, xs = 0;
  ir_build_init(&b, f);
  ir_build_init(&bb, body);
  top_inputs(&b, p, in, average);
  for (int pass = 0; pass < 2; pass++) /* xs, then invariants */
    for (int k = 0; k < N; k++) {
      if ((k % NIN < LANES) != pass) continue;
      arg[n++] = in[k];
      inside[k] = ir_input(&bb, NULL, IN_OTHER, 0, p->stage[k / NIN]->in.at[k % NIN].type);
      if (!pass) xs++;
    }
  memcpy(around, arg, sizeof arg);
  for (int k = 0; k < STAGES; k++) {
    around[n++] = average[k];
    average[k] = ir_input(&bb, NULL, IN_OTHER, 0, type_scalar(false));
  }
  Turn t = {.sum = ir_const(&bb, 0)};
  for (uint32_t k = 0; k < STAGES; k++) {
    run_stage(&bb, p, (int)k, inside + k * NIN, &t);
    if (k + 1 < STAGES) t.m = ir_batch_mean(&bb, t.s, average[k], 100 + k);
  }
  ir_output(&bb, t.s, NULL);
  ir_output(&bb, t.sum, NULL);
  ir_build_finish(&bb);
  Val scan = ir_scan(&b, around, n, TURNS, 0, xs, 1, 1, false, false, body);
  Val squares = ir_mul(&b, ir_proj(&b, scan, 0), ir_proj(&b, scan, 0));
  ir_output(&b, ir_add(&b, ir_sum_all(&b, squares), ir_proj(&b, scan, 1)), "loss");
  ir_build_finish(&b);
  return f;
}

/* Stage after stage, all turns of each; already the mean over the batch. */
static Fn *by_hand(const Program *p) {
  Fn *f = ir_fn_create("by_hand", true);
  Build b;
  Val in[STAGES * NIN], average[STAGES], total = VAL_NONE;
  Turn t[TURNS];
  ir_build_init(&b, f);
  top_inputs(&b, p, in, average);
  Val weight = ir_input(&b, "weight", IN_WEIGHT, 0, type_scalar(true));
  for (int i = 0; i < TURNS; i++) t[i] = (Turn){.sum = ir_const(&b, 0)};
  for (int k = 0; k < STAGES; k++) {
    Val sum = VAL_NONE;
    for (uint32_t i = 0; i < TURNS; i++) {
      Val arg[NIN];
      for (int j = 0; j < NIN; j++) {
        Val v = in[k * NIN + j];
        arg[j] = j < LANES ? v : ir_index(&b, v, 0, i);
      }
      run_stage(&b, p, k, arg, &t[i]);
      sum = sum.id ? ir_add(&b, sum, t[i].s) : t[i].s;
    }
    Val m = ir_batch_sum(&b, ir_mul(&b, weight, ir_mul(&b, ir_spread(&b, sum), ir_const_exact(&b, 1.0 / TURNS, 1, TURNS))));
    for (int i = 0; i < TURNS; i++) t[i].m = m;
  }
  for (int i = 0; i < TURNS; i++) {
    Val v = ir_add(&b, ir_mul(&b, t[i].s, t[i].s), t[i].sum);
    total = total.id ? ir_add(&b, total, v) : v;
  }
  ir_output(&b, ir_batch_sum(&b, ir_mul(&b, weight, ir_spread(&b, total))), "loss");
  ir_build_finish(&b);
  return f;
}

/* The parts are compared with the whole by pass_split itself, with HNNC_VERIFY_EACH. */
static uint32_t phases(const Fn *f, Diag *diag) {
  Split s;
  CU_ASSERT_FATAL(pass_split(NULL, f, &s, diag));
  uint32_t n = s.n / 2;
  pass_split_finish(&s);
  return n;
}

static FieldAnswer check(uint64_t seed) {
  Source *src = source_create();
  Diag *diag = diag_create(src);
  Program p;
  FieldReport r;
  bool smooth = seed % 2;
  for (uint64_t k = 0; k < STAGES; k++) {
    RandomSpec spec = {.seed = 10 * seed + k,
                       .size = 6 + (int)(seed % 10),
                       .f64 = true,
                       .scans = seed % 3 == 0,
                       .smooth = smooth,
                       .draws = seed % 5 == 0,
                       .fold = seed % 2};
    p.stage[k] = random_fn(&spec);
  }
  Fn *loss = with_means(&p), *step = means_derived(pass_step_mean(NULL, loss, diag), diag),
     *hand = means_derived(by_hand(&p), diag);
  FieldAnswer answer = ir_field_equal(step, hand, 2, seed, &r);
  CU_ASSERT_NOT_EQUAL(answer, FIELD_DIFFERENT);
  if (answer == FIELD_DIFFERENT) fprintf(stderr, "seed %d: %s\n", (int)seed, r.reason);
  CU_ASSERT(phases(step, diag) <= STAGES);
  if (smooth) {
    Fn *g = means_derived(pass_gradient(NULL, loss, (uint32_t[]){0, NIN + 1}, 2, NULL, diag), diag);
    CU_ASSERT(phases(g, diag) <= 2 * STAGES - 1);
    ir_fn_destroy(g);
  }
  for (int k = 0; k < STAGES; k++) ir_fn_destroy(p.stage[k]);
  ir_fn_destroy(loss);
  ir_fn_destroy(step);
  ir_fn_destroy(hand);
  diag_destroy(diag);
  source_destroy(src);
  return answer;
}

static void test_random(void) {
  int equal = 0, tried = 0;
  for (uint64_t seed = 1; seed <= OFTEN(60); seed++, tried++) equal += check(seed) == FIELD_EQUAL;
  printf("%d of %d decided ", equal, tried);
  CU_ASSERT(equal * 2 > tried);
}

const Suite suite = {"means, random", (CU_TestInfo[]){{"random bodies", test_random}, CU_TEST_INFO_NULL}};
