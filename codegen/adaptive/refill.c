/* Refilled lanes: where a sample is done, its lane takes the next of those that wait (plan_refill.c). A sample waits in the scratch of its
 * tile, as it was when it began; its trajectory and counts go there from whichever lane it has. No lane's numbers depend on its neighbours,
 * so they are the same as without. */
#include "codegen/adaptive/adaptive_priv.h"

static V entry(Loop *l, V array, V lane) { return cg_gep_bytes(l->e, array, cg_imul(l->e, lane, cg_i64(l->e, 8))); }
static V load_i64(Loop *l, V at) { return LLVMBuildLoad2(l->b, l->e->i64, at, ""); }
static void put_lane(Loop *l, Slot s, V lane, double v) { cg_store(&l->d, cg_real(&l->d, v, 1), lane_ptr(l, s, lane)); }
static V is_set(Loop *l, Slot s, V lane) {
  return LLVMBuildFCmp(l->b, LLVMRealUNE, cg_load(&l->d, lane_ptr(l, s, lane), 1), cg_real(&l->d, 0, 1), "");
}

/* Scratch of a sample's tile, and the lane that it has there. */
typedef struct Place {
  V base, lane;
} Place;
static Place place_of(Loop *l, V sample) {
  CgEmit *e = l->e;
  V lanes = cg_i64(e, l->o->lanes), tile = LLVMBuildUDiv(l->b, sample, lanes, "");
  return (Place){cg_gep_bytes(e, l->a->base, cg_imul(e, tile, cg_i64(e, l->o->bytes))), LLVMBuildURem(l->b, sample, lanes, "")};
}

V gen_queue_out(Loop *l, V lane) {
  return l->queue ? LLVMBuildLoad2(l->b, l->e->ptr, entry(l, l->queue->out, lane), "") : cg_gep(l->e, l->a->out, lane);
}

static V slot_place(Loop *l, V base, int k) {
  return cg_gep_bytes(l->e, base, cg_i64(l->e, l->o->slots + 8 * k * (int64_t)l->o->lanes));
}

void gen_queue_save(Loop *l) {
  for (int k = 0; k < SLOTS; k++) cg_store(&l->d, get(l, (Slot)k), slot_place(l, l->a->base, k));
}

/* ---- a sample that is done --------------------------------------------------------------------------------------------------- */

static void bury(Loop *l, V lane) {
  CgEmit *e = l->e;
  CgLoop *loop = base_realloc(NULL, sizeof *loop);
  V to = gen_queue_out(l, lane);
  cg_loop_begin(e, loop, cg_i64(e, 0), cg_i64(e, l->o->times * l->o->dim), 1);
  cg_store(e, cg_real(e, NAN, 1), cg_gep(e, to, cg_imul(e, loop->iv, cg_i64(e, l->o->lanes))));
  cg_loop_end(e, loop);
  base_free(loop);
}

static void count(Loop *l, V sample, V lane, V failed) {
  CgEmit *e = l->e;
  const Place p = place_of(l, sample);
  V taken = cg_load(&l->d, lane_ptr(l, TAKEN, lane), 1), steps = cg_load(&l->d, lane_ptr(l, STEPS, lane), 1);
  V of[2] = {taken, sub(l, steps, taken)}, to = cg_gep_bytes(e, p.base, cg_i64(e, l->o->counts));
  for (int k = 0; k < 2; k++) {
    V v = LLVMBuildSelect(l->b, failed, cg_real(&l->d, NAN, 1), of[k], "");
    if (!e->f64) v = LLVMBuildFPTrunc(l->b, v, e->real, "");
    cg_store(e, v, cg_gep(e, to, cg_iadd(e, p.lane, cg_i64(e, k * (int64_t)l->o->lanes))));
  }
  V sums = gen_member(l->g, l->g->call, e->ptr, offsetof(HnnCall, steps));
  V number = cg_iadd(e, cg_imul(e, l->g->tile, cg_i64(e, l->g->unit)), sample);
  V real = LLVMBuildICmp(l->b, LLVMIntSLT, number, gen_member(l->g, l->g->call, e->i64, offsetof(HnnCall, samples)), "");
  If asked = if_begin(l, both(l, LLVMBuildNot(l->b, LLVMBuildIsNull(l->b, sums, ""), ""), real));
  for (int k = 0; k < 2; k++) {
    V at = cg_gep(&l->d, sums, cg_i64(e, k));
    cg_store(&l->d, add(l, cg_load(&l->d, at, 1), of[k]), at);
  }
  if_end(l, asked);
}

static void finish(Loop *l, V lane) {
  V failed = is_set(l, FAILED, lane);
  If lost = if_begin(l, failed);
  bury(l, lane);
  if_end(l, lost);
  count(l, load_i64(l, entry(l, l->queue->sample, lane)), lane, failed);
}

/* ---- the next sample ------------------------------------------------------------------------------------------------------------ */

/* n elements of a lane; both arrays have lanes side by side. */
static void copy(Loop *l, V from, V from_lane, V to, V lane, int64_t n) {
  CgEmit *e = l->e;
  CgLoop *loop = base_realloc(NULL, sizeof *loop);
  from = cg_gep(e, from, from_lane), to = cg_gep(e, to, lane);
  cg_loop_begin(e, loop, cg_i64(e, 0), cg_i64(e, n), 1);
  V at = cg_imul(e, loop->iv, cg_i64(e, l->o->lanes));
  cg_store(e, cg_load(e, cg_gep(e, from, at), 1), cg_gep(e, to, at));
  cg_loop_end(e, loop);
  base_free(loop);
}

static void own(Loop *l, V sample, V lane, Place p) {
  CgEmit *e = l->e;
  V out = cg_gep(e, cg_gep_bytes(e, p.base, cg_i64(e, l->o->trajectory)), p.lane);
  LLVMBuildStore(l->b, sample, entry(l, l->queue->sample, lane));
  LLVMBuildStore(l->b, out, entry(l, l->queue->out, lane));
}

static void take(Loop *l, V sample, V lane) {
  static const int array[] = {ODE_Y, ODE_LOW, ODE_K};
  CgEmit *e = l->e;
  const Place p = place_of(l, sample);
  own(l, sample, lane, p);
  for (int k = 0; k < SLOTS; k++) {
    V v = cg_load(&l->d, cg_gep(&l->d, slot_place(l, p.base, k), p.lane), 1);
    cg_store(&l->d, v, lane_ptr(l, (Slot)k, lane));
  }
  for (int k = 0; k < (l->o->order ? 2 : 3); k++) {
    V at = cg_i64(e, l->o->array + array[k] * l->o->stride);
    copy(l, cg_gep_bytes(e, p.base, at), p.lane, cg_gep_bytes(e, l->a->base, at), lane, l->o->dim);
  }
  for (int k = 0; k < l->a->nlane; k++) {
    V at = cg_i64(e, l->a->lane_off[k]);
    copy(l, cg_gep_bytes(e, p.base, at), p.lane, cg_gep_bytes(e, l->a->base, at), lane, l->a->lane_n[k]);
  }
}

static void next(Loop *l, V lane) {
  CgEmit *e = l->e;
  V sample = load_i64(l, l->queue->next), there = LLVMBuildICmp(l->b, LLVMIntSLT, sample, l->queue->samples, "");
  LLVMBuildStore(l->b, cg_iadd(e, sample, cg_i64(e, 1)), l->queue->next);
  put_lane(l, EMPTY, lane, 1);
  If some = if_begin(l, there);
  take(l, sample, lane); /* with what it began, EMPTY is 0 */
  if_end(l, some);
}

/* Samples may be done before they begin: one of them after the other. */
static void refill_lane(Loop *l, V lane, void *ctx) {
  (void)ctx;
  While turns = while_begin(l, "");
  V idle = both(l, LLVMBuildNot(l->b, is_set(l, RUN, lane), ""), LLVMBuildNot(l->b, is_set(l, EMPTY, lane), ""));
  while_test(l, turns, idle);
  finish(l, lane);
  next(l, lane);
  while_end(l, turns);
}

static void first_lane(Loop *l, V lane, void *ctx) {
  (void)ctx;
  own(l, lane, lane, place_of(l, lane));
}

void gen_queue_open(Loop *l, Queue *q, V tiles) {
  CgEmit *e = l->e;
  *q = (Queue){.samples = cg_imul(e, tiles, cg_i64(e, l->o->lanes)),
               .next = cg_alloca(e, 8),
               .sample = cg_alloca(e, l->w * 8),
               .out = cg_alloca(e, l->w * 8)};
  l->queue = q;
  LLVMBuildStore(l->b, cg_i64(e, l->o->lanes), q->next);
  for (int k = 0; k < SLOTS; k++) put(l, (Slot)k, cg_load(&l->d, slot_place(l, l->a->base, k), l->w));
  V none = num(l, 0);
  gen_point_lanes(l, LLVMBuildFCmp(l->b, LLVMRealOEQ, none, none, ""), first_lane, NULL);
}

void gen_queue_next(Loop *l) {
  if (!l->queue) return;
  V idle = both(l, not_(l, flag(l, RUN)), not_(l, flag(l, EMPTY)));
  If some = if_begin(l, any(l, idle));
  gen_point_lanes(l, idle, refill_lane, NULL);
  if_end(l, some);
}

V gen_queue_going(Loop *l) { return l->queue ? not_(l, flag(l, EMPTY)) : flag(l, RUN); }
