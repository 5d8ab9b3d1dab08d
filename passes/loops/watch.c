/* Trajectories that failed on the way, whatever came of them: a data program gets one output more, 0 if the
 * trajectories of a sample are finite, else NaN. `where` and comparisons hide a NaN, and what was drawn then is no sample.
 *
 * Looked at are, where they are live: the last states of each `integrate` and `ode` (what is not finite stays so, an `ode`
 * that failed is NaN throughout), `require`, and steps of flows that hold such. What is found leaves loops as sums over their
 * turns (zs); fixed-point iterations (`converge`) have no sums: those of sections say what came of them by `require`.
 *
 * f is copied as it stands, and instructions are put behind it: numbers keep their ids. */
#include "passes/passes.h"

#include <stdlib.h>

static Val watch(Fn *f);

/* 0, or NaN if an element is not finite. */
static Val lost(Build *b, Val x) { return ir_sum_all(b, ir_sub(b, x, x)); }

static Val plus(Build *b, Val sum, Val x) { return !sum.id ? x : !x.id ? sum : ir_add(b, sum, x); }

static Val trajectory(Build *b, uint32_t id) {
  const Inst *i = &b->f->inst.at[id];
  bool stacked = i->op != OP_reversible;
  uint32_t n = stacked ? ir_states(b->f, i) : ir_result_count(b->f, i);
  Val sum = VAL_NONE;
  for (uint32_t k = 0; k < n; k++) {
    Val x = ir_proj(b, (Val){id}, k);
    sum = plus(b, sum, lost(b, stacked ? ir_index(b, x, 0, ir_type(b->f, x).dim[0] - 1) : x));
  }
  return sum;
}

static bool holds_trajectory(const Fn *f) {
  for (uint32_t id = 1; id < f->inst.n; id++) {
    const Inst *i = &f->inst.at[id];
    if (i->op == OP_integrate || i->op == OP_ode || i->op == OP_require || (i->sub && holds_trajectory(ir_body(f, i)))) return true;
  }
  return false;
}

/* The sum of all turns; the body, which other loops may share, gets its output once. */
static Val loop(Build *b, uint32_t id, bool *watched) {
  enum { ZS = 4 };
  Fn *f = b->f;
  uint32_t sub = f->inst.at[id].sub;
  if (ir_scan_shape(f, &f->inst.at[id]).converge || !holds_trajectory(ir_body(f, &f->inst.at[id]))) return VAL_NONE;
  Fn *body = f->sub.at[sub - 1];
  if (!watched[sub - 1]) {
    Val sum = watch(body);
    if (!sum.id) return VAL_NONE;
    *vec_push(&body->out) = sum;
    *vec_push(&body->outname) = NULL;
    watched[sub - 1] = true;
  }
  Inst *i = &f->inst.at[id];
  f->attr.at[i->attr + ZS]++;
  i->type.lane |= ir_type(body, body->out.at[body->out.n - 1]).lane;
  return ir_proj(b, (Val){id}, body->out.n - 1);
}

/* What was found in f, put behind its instructions; VAL_NONE if nothing is to be looked at. */
static Val watch(Fn *f) {
  bool *live = ir_live(f), *watched = base_zeroed(f->sub.n + 1, sizeof *watched);
  uint32_t n = f->inst.n;
  Val sum = VAL_NONE;
  Build b;
  ir_build_init(&b, f);
  b.fold = b.number = false;
  for (uint32_t id = 1; id < n; id++) {
    const Inst *i = &f->inst.at[id];
    if (!live[id]) continue;
    b.at = i->at;
    switch (i->op) {
    case OP_integrate:
    case OP_ode: sum = plus(&b, sum, trajectory(&b, id)); break;
    case OP_reversible:
      if (holds_trajectory(ir_body(f, i))) sum = plus(&b, sum, trajectory(&b, id));
      break;
    case OP_require: sum = plus(&b, sum, lost(&b, (Val){id})); break;
    case OP_scan: sum = plus(&b, sum, loop(&b, id, watched)); break;
    default: break;
    }
  }
  ir_build_finish(&b);
  base_free(live);
  base_free(watched);
  return sum;
}

Fn *pass_watch(const Fn *f) {
  Fn *g = ir_copy_fn(NULL, f);
  Val sum = watch(g);
  if (sum.id) {
    Build b;
    ir_build_init(&b, g);
    b.fold = b.number = false;
    ir_output(&b, ir_spread(&b, sum), "lost");
    ir_build_finish(&b);
  }
  return g;
}
