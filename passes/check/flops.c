/* Floating-point operations, counted from the op table.
 *
 * An elementwise op costs 1 an element, whatever the hardware makes of it; a dot 2 for each product
 * that is summed and 1 when nothing is; sums and extrema 1 for each element read; a triangular solve
 * n^2 a column, one by factors 2 n^2, which cost 2 n^3/3, those of Cholesky half of it, eigenvectors 36 n^3 (six sweeps); moves and draws nothing. A scan costs its turns, 8 where it ends when its samples are done. Work is per sample if an operand or
 * the result is. An `ode` costs one step of its method: its rates as often as a step takes them, and the sums of the step; how many
 * steps there are a run finds out (`counts = true`, manifest.json). `integrate` and derivatives not yet expanded count nothing. */
#include "ir/adaptive.h"
#include "passes/base/pass.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

typedef struct Row {
  char what[96];
  Flops flops;
  int64_t times;
} Row;
typedef VEC(Row) Rows;

static int64_t dot_flops(const Fn *f, const Inst *i) {
  Type b = ir_type(f, ir_arg(f, i, 1));
  DotShape d = ir_dot_shape(f, i);
  int64_t n = type_count(ir_type(f, ir_arg(f, i, 0)));
  for (int k = 0; k < d.rank[1]; k++)
    if (!ir_dot_has(&d, 0, d.label[1][k])) n = pass_times(n, b.dim[k]);
  return pass_times(n, d.lanes || n != type_count(i->type) ? 2 : 1);
}

/* 2 n^3/3 to leading order. */
static int64_t elimination_flops(int64_t n) {
  int64_t elimination = 0;
  for (int64_t k = 1; k < n; k++) elimination = pass_plus(elimination, pass_times(k, 2 * k + 1));
  return elimination;
}

int64_t pass_inst_flops(const Fn *f, const Inst *i) {
  if (ir_op[i->op].cls == OPC_LOGIC) return 0;
  if (ir_elementwise(i->op)) return type_count(i->type);
  switch (i->op) {
  case OP_dot: return dot_flops(f, i);
  case OP_batch_sum:
  case OP_sum:
  case OP_rmax:
  case OP_rmin:
  case OP_scatter:
  case OP_put: return type_count(ir_type(f, ir_arg(f, i, 0)));
  case OP_cauchy: return pass_times(ir_type(f, ir_arg(f, i, 0)).dim[0], type_count(i->type)); /* half of the rows, on average */
  case OP_trisolve: return pass_times(ir_type(f, ir_arg(f, i, 0)).dim[0], type_count(ir_type(f, ir_arg(f, i, 1))));
  case OP_solve: return pass_times(2 * i->type.dim[0], type_count(i->type));
  case OP_lu: return elimination_flops(i->type.dim[1]);
  case OP_cholesky: return elimination_flops(i->type.dim[0]) / 2;
  case OP_eigh: return pass_times(36 * (int64_t)i->type.dim[1] * i->type.dim[1], i->type.dim[1]);
  case OP_det:
  case OP_logdet: return 2 * ir_type(f, ir_arg(f, i, 0)).dim[1];
  default: return 0;
  }
}

static bool per_sample(const Fn *f, const Inst *i) {
  if (i->type.dt != DT_MULTI && i->type.lane) return true;
  for (uint32_t k = 0; k < i->nargs; k++)
    if (ir_type(f, ir_arg(f, i, k)).lane) return true;
  return false;
}

static void describe(const Fn *f, const Inst *i, char *buf, size_t size) {
  char a[40] = "", b[40] = "", out[40];
  if (i->op == OP_dot) {
    type_text(ir_type(f, ir_arg(f, i, 0)), f->f64, a, sizeof a);
    type_text(ir_type(f, ir_arg(f, i, 1)), f->f64, b, sizeof b);
    snprintf(buf, size, "dot %s, %s -> %s", a, b, type_text(i->type, f->f64, out, sizeof out));
  } else {
    snprintf(buf, size, "%s", ir_op[i->op].name);
  }
}

static void add(Rows *rows, const char *what, Flops add, int64_t turns) {
  uint32_t k = 0;
  while (k < rows->n && strcmp(rows->at[k].what, what)) k++;
  if (k == rows->n) {
    Row *row = vec_push(rows);
    memset(row, 0, sizeof *row);
    snprintf(row->what, sizeof row->what, "%s", what);
  }
  Flops *sum = &rows->at[k].flops;
  sum->per_sample = pass_plus(sum->per_sample, add.per_sample);
  sum->once = pass_plus(sum->once, add.once);
  sum->transcendental_per_sample = pass_plus(sum->transcendental_per_sample, add.transcendental_per_sample);
  rows->at[k].times = pass_plus(rows->at[k].times, turns);
}

static void count(Rows *rows, const Fn *f, int64_t turns);

/* A step: of a tableau each stage with its sum, the error and its size, the new state; of gauss16 eight stages of rates a turn; of
 * `taylor` the series once, and the polynomial. */
static void count_step(Rows *rows, const Fn *f, const Inst *i, int64_t turns) {
  enum { GAUSS_USUAL = 6 /* turns */, ERROR = 8 /* an element */ };
  const ode_attr attr = ir_ode_attr(f, i);
  const AdaptiveMethod *m = adaptive_method(attr.method);
  const bool gauss = attr.method == M_GAUSS16, lane = ir_type(f, ir_arg(f, i, 0)).lane;
  const int64_t order = ir_ode_order(f, i);
  int64_t evaluations = m->stages - 1, terms = 0, dim = 0;
  for (int64_t k = 0; k < attr.states; k++) dim = pass_plus(dim, type_count(ir_type(f, ir_arg(f, i, (uint32_t)k))));
  for (int s = 0; s < m->stages; s++)
    for (int k = 0; k < ADAPTIVE_STAGES; k++) terms += m->a[s][k] != 0;
  if (gauss) evaluations = GAUSS_USUAL * GAUSS_STAGES, terms = GAUSS_USUAL * GAUSS_STAGES * GAUSS_STAGES;
  if (attr.method == M_TAYLOR) evaluations = 1, terms = order;
  count(rows, ir_body(f, i), pass_times(turns, evaluations));
  const int64_t each = pass_times(turns, pass_times(2 * terms + ERROR, dim));
  add(rows, "a step's sums", lane ? (Flops){.per_sample = each} : (Flops){.once = each}, turns);
}

static void count(Rows *rows, const Fn *f, int64_t turns) {
  for (uint32_t id = 1; id < f->inst.n; id++) {
    const Inst *i = &f->inst.at[id];
    bool lane = per_sample(f, i);
    if (i->op == OP_scan) {
      const Fn *body = ir_body(f, i);
      int64_t n = pass_times(turns, ir_turns(f, i));
      count(rows, body, n);
      for (uint32_t k = (uint32_t)(ir_scan_shape(f, i).carry + ir_scan_shape(f, i).ys); k < body->out.n; k++) {
        int64_t each = pass_times(n, type_count(ir_type(body, body->out.at[k])));
        add(rows, "scan sums", ir_type(body, body->out.at[k]).lane ? (Flops){.per_sample = each} : (Flops){.once = each}, n);
      }
      continue;
    }
    if (i->op == OP_ode) {
      count_step(rows, f, i, turns);
      continue;
    }
    int64_t n = pass_times(turns, pass_inst_flops(f, i));
    if (!n) continue;
    char what[96];
    describe(f, i, what, sizeof what);
    Flops one = {
      .per_sample = lane ? n : 0, .once = lane ? 0 : n, .transcendental_per_sample = lane && ir_has(i->op, OPF_SLOW) ? n : 0};
    add(rows, what, one, turns);
  }
}

static Flops total(const Rows *rows) {
  Flops sum = {0};
  for (uint32_t k = 0; k < rows->n; k++) {
    const Flops *one = &rows->at[k].flops;
    sum.per_sample = pass_plus(sum.per_sample, one->per_sample);
    sum.once = pass_plus(sum.once, one->once);
    sum.transcendental_per_sample = pass_plus(sum.transcendental_per_sample, one->transcendental_per_sample);
  }
  return sum;
}

Flops pass_flops(const Fn *f) {
  Rows rows = {0};
  count(&rows, f, 1);
  Flops sum = total(&rows);
  vec_free(&rows);
  return sum;
}

static int by_cost(const void *a, const void *b) {
  const Row *x = a, *y = b;
  if (x->flops.per_sample != y->flops.per_sample) return x->flops.per_sample < y->flops.per_sample ? 1 : -1;
  if (x->flops.once != y->flops.once) return x->flops.once < y->flops.once ? 1 : -1;
  return strcmp(x->what, y->what);
}

void pass_flops_print(FILE *out, const Fn *f) {
  Rows rows = {0};
  count(&rows, f, 1);
  Flops sum = total(&rows);
  if (rows.n) qsort(rows.at, rows.n, sizeof *rows.at, by_cost);
  fprintf(out, "%14s %6s %14s %8s  op\n", "FLOP/sample", "share", "FLOP once", "times");
  for (uint32_t k = 0; k < rows.n; k++) {
    const Row *r = &rows.at[k];
    double share = sum.per_sample ? 100.0 * (double)r->flops.per_sample / (double)sum.per_sample : 0;
    fprintf(out, "%14" PRId64 " %5.1f%% %14" PRId64 " %8" PRId64 "  %s\n", r->flops.per_sample, share, r->flops.once, r->times,
            r->what);
  }
  fprintf(out, "%14" PRId64 " %6s %14" PRId64 " %8s  total, of it %" PRId64 " transcendental a sample\n", sum.per_sample, "",
          sum.once, "", sum.transcendental_per_sample);
  if (pass_holds(f, 0, OP_ode))
    fputs("# of adaptive methods one step is counted; `counts = true` gives how many a sample takes\n", out);
  vec_free(&rows);
}
