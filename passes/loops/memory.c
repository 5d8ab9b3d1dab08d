/* Whether the backward pass of training keeps the states of reversible steps and symmetric trajectories, or computes them again.
 *
 * First an estimate, for one sample, from the loss before it is derived, of what keeping them takes:
 *   reversible  every result of arithmetic in its f: what a sweep over f may read
 *   integrate   by a symmetric method: the states at each recorded step, and those between two of them
 *   scan        with steps inside: its carries at each turn, and one turn's share of the above
 * Where that, and what is alive at once in the function that keeps them, fit into a share of the cache, they are kept. Else
 * the function is made both ways, and the cheaper one is taken: work counted from the op table, and, for what is alive at once
 * beyond that share, the work that could be done while it is written to memory and read again. What would take more than
 * MEMORY_MOST is never kept.
 *
 * The machine enters by the constants in passes.h alone, so that a model does the same arithmetic everywhere. */
#include "passes/loops/expand_priv.h"

/* Elements that arithmetic makes. */
static int64_t values(const Fn *f) {
  int64_t n = 0;
  for (uint32_t id = 1; id < f->inst.n; id++) {
    const Inst *i = &f->inst.at[id];
    OpClass c = ir_op[i->op].cls;
    if (c == OPC_EW1 || c == OPC_EW2 || i->op == OP_dot || i->op == OP_trisolve || i->op == OP_solve || i->op == OP_lu ||
        i->op == OP_concat || i->op == OP_grad)
      n = pass_plus(n, type_count(i->type));
    if (i->sub) n = pass_plus(n, values(ir_body(f, i)));
  }
  return n;
}

static int64_t results(const Fn *f, const Inst *i, uint32_t n) {
  int64_t sum = 0;
  const Fn *body = ir_body(f, i);
  for (uint32_t k = 0; k < n && k < body->out.n; k++) sum = pass_plus(sum, type_count(ir_type(body, body->out.at[k])));
  return sum;
}

static int64_t kept(const Fn *f) {
  int64_t n = 0;
  for (uint32_t id = 1; id < f->inst.n; id++) {
    const Inst *i = &f->inst.at[id];
    if (i->op == OP_reversible) {
      n = pass_plus(n, values(ir_body(f, i)) / 2); /* f and g are of a size */
    } else if (i->op == OP_integrate) {
      integrate_attr a = ir_integrate_attr(f, i);
      if (expand_symmetric((Method)a.method))
        n = pass_plus(n, pass_times(results(f, i, (uint32_t)a.states), pass_plus(a.steps / a.every, a.every)));
    } else if (i->op == OP_scan) {
      int64_t inside = kept(ir_body(f, i));
      if (inside) n = pass_plus(n, pass_plus(inside, pass_times(ir_scan_shape(f, i).n, results(f, i, ir_scan_shape(f, i).carry))));
    }
  }
  return n;
}

int64_t pass_memory_bytes(const Fn *gradient) { return pass_times(kept(gradient), gradient->f64 ? 8 : 4); }

/* ---- what a derived function costs -------------------------------------------------------------------------------- */

/* A view is not stored: what it looks at is alive as long. */
static bool is_view(const Inst *i) {
  return i->op == OP_id || i->op == OP_barrier || i->op == OP_reshape || i->op == OP_transpose || i->op == OP_slice;
}

static int64_t stored(const Inst *i) { return i->type.dt == DT_REAL && i->type.lane && !is_view(i) ? type_count(i->type) : 0; }

/* Elements of values per sample that are alive at once, at most; inputs do not count. */
static int64_t alive(const Fn *f) {
  const uint32_t n = f->inst.n;
  uint32_t *of = base_zeroed(n, sizeof *of), *last = base_zeroed(n, sizeof *last);     /* what is stored; its last reader */
  uint32_t *next = base_zeroed(n, sizeof *next), *ends = base_zeroed(n, sizeof *ends); /* by reader: what it is the last of */
  int64_t now = 0, most = 0;
  for (uint32_t id = 1; id < n; id++) {
    const Inst *i = &f->inst.at[id];
    of[id] = is_view(i) ? of[ir_arg(f, i, 0).id] : id;
    last[id] = id;
    for (uint32_t k = 0; k < i->nargs; k++) last[of[ir_arg(f, i, k).id]] = id;
  }
  for (uint32_t id = 1; id < n; id++) next[id] = ends[last[id]], ends[last[id]] = id;
  for (uint32_t id = 1; id < n; id++) {
    const Inst *i = &f->inst.at[id];
    const int64_t inside = i->sub ? alive(ir_body(f, i)) : 0;
    now = i->op == OP_in ? now : pass_plus(now, stored(i));
    if (pass_plus(now, inside) > most) most = pass_plus(now, inside);
    for (uint32_t k = ends[id]; k; k = next[k])
      if (f->inst.at[k].op != OP_in) now -= stored(&f->inst.at[k]);
  }
  base_free(of);
  base_free(last);
  base_free(next);
  base_free(ends);
  return most;
}

MemoryCost pass_memory_cost(const Fn *f) {
  const Flops work = pass_flops(f);
  MemoryCost c = {.bytes = pass_times(alive(f), f->f64 ? 8 : 4)};
  const int64_t beyond = c.bytes > MEMORY_KEPT ? c.bytes - MEMORY_KEPT : 0;
  c.work = pass_plus(work.per_sample, pass_times(MEMORY_SLOW - 1, work.transcendental_per_sample));
  c.work = pass_plus(c.work, pass_times(MEMORY_WORK, beyond));
  return c;
}
