/* The record of accepted steps (ir.h, `ode`): each lane writes rows of its own, one after the other, into the results themselves. */
#include "codegen/adaptive/adaptive_priv.h"

/* Element d of row `row` of a result with n elements a row, in lane `lane`. */
static V element(Loop *l, const AdaptiveTo *to, V row, int64_t n, V d, V lane) {
  CgEmit *e = l->e;
  V at = cg_iadd(e, cg_imul(e, row, cg_i64(e, n)), d);
  if (l->o->lanes > 1) at = cg_iadd(e, cg_imul(e, at, to->ld), lane);
  return cg_gep(e, to->base, at);
}

/* Elements of state k in one of the arrays, at `from` with lanes side by side, to its row. */
static void copy_state(Loop *l, uint32_t k, const AdaptiveTo *to, V from, V row, V lane) {
  CgEmit *e = l->e;
  CgLoop *loop = base_realloc(NULL, sizeof *loop);
  const int64_t n = l->a->record_n[k];
  V at = cg_gep_bytes(e, from, cg_i64(e, l->o->off[k]));
  cg_loop_begin(e, loop, cg_i64(e, 0), cg_i64(e, n), 1);
  V x = cg_load(e, cg_gep(e, at, cg_iadd(e, cg_imul(e, loop->iv, cg_i64(e, l->o->lanes)), lane)), 1);
  cg_store(e, x, element(l, to, row, n, loop->iv, lane));
  cg_loop_end(e, loop);
  base_free(loop);
}

static V of_lane(Loop *l, Slot s, V lane) { return cg_load(&l->d, lane_ptr(l, s, lane), 1); }
static V to_real(Loop *l, V x) { return l->e->f64 ? x : LLVMBuildFPTrunc(l->b, x, l->e->real, ""); }

static void write_lane(Loop *l, V lane, void *ctx) {
  (void)ctx;
  CgEmit *e = l->e;
  const Adaptive *a = l->a;
  V row = LLVMBuildFPToSI(l->b, of_lane(l, TAKEN, lane), e->i64, "");
  for (uint32_t k = 0; k < l->o->states; k++) {
    if (a->record_state[k].base) copy_state(l, k, &a->record_state[k], whole(l, ODE_Y), row, lane);
    if (a->record_rate[k].base) copy_state(l, k, &a->record_rate[k], whole(l, ODE_K), row, lane);
  }
  if (!a->record_steps.base) return;
  cg_store(e, to_real(l, of_lane(l, T, lane)), element(l, &a->record_steps, row, 2, cg_i64(e, 0), lane));
  cg_store(e, to_real(l, of_lane(l, LENGTH, lane)), element(l, &a->record_steps, row, 2, cg_i64(e, 1), lane));
}

/* The state and its rates, as the next row of these lanes. */
static void write_row(Loop *l, V mask, V h) {
  put(l, LENGTH, h);
  gen_point_lanes(l, mask, write_lane, NULL);
}

void gen_record_begin(Loop *l) {
  V none = num(l, 0);
  if (l->a->record) write_row(l, LLVMBuildFCmp(l->b, LLVMRealOEQ, none, none, ""), none);
}

V gen_record_step(Loop *l, V accepted, V h) {
  if (!l->a->record) return accepted;
  V taken = get(l, TAKEN), full = both(l, accepted, at_most(l, num(l, (double)l->a->record), taken));
  fail(l, full);
  accepted = both(l, accepted, not_(l, full));
  write_row(l, accepted, h);
  return accepted;
}
