/* What goes to the trajectory: states at the ends of steps, and values of the interpolant between them. Lanes are at times of their
 * own, so points are written one lane after the other. */
#include "codegen/adaptive/adaptive_priv.h"

/* Of one number; of a single sample for all lanes. */
static void put_lane(Loop *l, Slot s, V lane, V v) {
  if (l->o->lanes == 1) put(l, s, cg_splat(l->e, v, l->w));
  else cg_store(&l->d, v, lane_ptr(l, s, lane));
}

V gen_point_time(Loop *l, V i, V lane) {
  V at = l->a->lane_times ? cg_iadd(l->e, cg_imul(l->e, i, cg_i64(l->e, l->o->lanes)), lane) : i;
  V t = cg_load(l->e, cg_gep(l->e, l->a->time, at), 1);
  return l->e->f64 ? t : LLVMBuildFPExt(l->b, t, l->d.real, "");
}

V gen_point_times(Loop *l, V i) {
  if (l->a->lane_times && l->o->lanes > 1)
    return wide(l, cg_load(l->e, cg_gep(l->e, l->a->time, cg_imul(l->e, i, cg_i64(l->e, l->o->lanes))), l->w));
  return cg_splat(l->e, gen_point_time(l, i, cg_i64(l->e, 0)), l->w);
}

void gen_point_next(Loop *l, V next, V lane) {
  CgEmit *e = l->e;
  V end = cg_i64(e, l->o->times - 1), inside = LLVMBuildICmp(l->b, LLVMIntSLT, next, end, "");
  V t = gen_point_time(l, LLVMBuildSelect(l->b, inside, next, end, ""), lane);
  V dir = cg_load(&l->d, lane_ptr(l, DIR, lane), 1), never = LLVMBuildFMul(l->b, dir, cg_real(&l->d, HUGE_VAL, 1), "");
  put_lane(l, DUE, lane, LLVMBuildSelect(l->b, inside, t, never, ""));
  put_lane(l, NEXT, lane, LLVMBuildSIToFP(l->b, next, l->d.real, ""));
}

void gen_point_lanes(Loop *l, V mask, LaneFn body, void *ctx) {
  CgEmit *e = l->e;
  CgLoop *lane = base_realloc(NULL, sizeof *lane);
  put_flag(l, MASK, mask);
  cg_loop_begin(e, lane, cg_i64(e, 0), cg_i64(e, l->o->lanes), 1);
  V it = cg_load(&l->d, lane_ptr(l, MASK, lane->iv), 1);
  If some = if_begin(l, LLVMBuildFCmp(l->b, LLVMRealUNE, it, cg_real(&l->d, 0, 1), ""));
  body(l, lane->iv, ctx);
  if_end(l, some);
  cg_loop_end(e, lane);
  base_free(lane);
}

/* A lane of the state in an array, as its point k. */
static void copy_lane(Loop *l, int from, V k, V lane) {
  CgEmit *e = l->e;
  CgLoop *d = base_realloc(NULL, sizeof *d);
  const int64_t lanes = l->o->lanes;
  V state = whole(l, from), to = cg_gep(e, gen_queue_out(l, lane), cg_imul(e, k, cg_i64(e, l->o->dim * lanes)));
  cg_loop_begin(e, d, cg_i64(e, 0), cg_i64(e, l->o->dim), 1);
  V at = cg_imul(e, d->iv, cg_i64(e, lanes)), element = cg_gep(e, state, cg_iadd(e, at, lane));
  cg_store(e, cg_load(e, element, 1), cg_gep(e, to, at));
  cg_loop_end(e, d);
  base_free(d);
}

static void due_lane(Loop *l, V lane, void *ctx) {
  CgEmit *e = l->e;
  V next = LLVMBuildFPToSI(l->b, cg_load(&l->d, lane_ptr(l, NEXT, lane), 1), e->i64, "");
  copy_lane(l, *(const int *)ctx, next, lane);
  gen_point_next(l, cg_iadd(e, next, cg_i64(e, 1)), lane);
}

void gen_point_due(Loop *l, V mask, int from) { gen_point_lanes(l, mask, due_lane, &from); }

typedef struct Point {
  V mask, index;
} Point;

static void last_lane(Loop *l, V lane, void *ctx) { copy_lane(l, ODE_Y, ctx, lane); }

static void last_row(Loop *l, V at, CgLoop *loop, void *ctx) {
  const Point *p = ctx;
  V row = cg_iadd(l->e, p->index, cg_imul(l->e, loop->iv, cg_i64(l->e, l->w))), to = cg_gep(l->e, l->a->out, row);
  V was = cg_load(l->e, to, l->w), y = load(l, at, ODE_Y);
  cg_store(l->e, pick(l, p->mask, y, was), to);
}

void gen_point_write(Loop *l, V mask, int64_t k) {
  If some = if_begin(l, any(l, mask));
  if (l->queue) gen_point_lanes(l, mask, last_lane, cg_i64(l->e, k));
  else gen_lane_rows(l, last_row, 0, NULL, &(Point){mask, cg_i64(l->e, k * l->o->dim * l->o->lanes)});
  if_end(l, some);
}

V gen_point_unordered(Loop *l, V t0, V dir) {
  V bad = pick(l, is_finite(l, t0), num(l, 0), num(l, 1));
  if (l->o->times > 1) {
    CgLoop *loop = base_realloc(NULL, sizeof *loop);
    cg_loop_begin(l->e, loop, cg_i64(l->e, 1), cg_i64(l->e, l->o->times), 1);
    V before = cg_loop_phi(l->e, loop, t0), so_far = cg_loop_phi(l->e, loop, bad), t = gen_point_times(l, loop->iv);
    V back = less(l, mul(l, sub(l, t, before), dir), num(l, 0)), wild = not_(l, is_finite(l, t));
    cg_loop_next(loop, 0, t);
    cg_loop_next(loop, 1, pick(l, either(l, back, wild), num(l, 1), so_far));
    cg_loop_end(l->e, loop);
    bad = loop->next[1];
    base_free(loop);
  }
  return LLVMBuildFCmp(l->b, LLVMRealUNE, bad, num(l, 0), "");
}

/* The interpolant r0 + x (r1 + x1 (r2 + x (r3 + ...))), x1 = 1 - x: r0 is the state, r1 ... take the places of K_1 ... */
static void interpolant_row(Loop *l, V at, CgLoop *loop, void *ctx) {
  V h = ctx, y = load(l, at, ODE_Y), k0 = load(l, at, ODE_K), r[4], more[4];
  (void)loop;
  r[1] = sub(l, load(l, at, ODE_Z), y);
  r[2] = sub(l, mul(l, h, k0), r[1]);
  r[3] = sub(l, sub(l, r[1], mul(l, h, load(l, at, ODE_K + l->last))), r[2]);
  for (int i = 0; i < l->m->ncont; i++) more[i] = mul(l, h, gen_lane_combination(l, at, l->m->d[i], l->m->stages + l->m->extra));
  for (int i = 1; i < 4; i++) store(l, r[i], at, ODE_K + i);
  for (int i = 0; i < l->m->ncont; i++) store(l, more[i], at, ODE_K + 4 + i);
}

static void value_row(Loop *l, V at, CgLoop *loop, void *ctx) {
  V x = ctx, x1 = sub(l, cg_real(l->e, 1, l->w), x);
  const int top = 3 + l->m->ncont;
  (void)loop;
  V v = load(l, at, ODE_K + top);
  for (int c = top - 1; c > 0; c--) v = cg_fma(l->e, c & 1 ? x1 : x, v, load(l, at, ODE_K + c));
  store(l, cg_fma(l->e, x, v, load(l, at, ODE_Y)), at, ODE_WORK);
}

V gen_point_is_due(Loop *l, V mask, V t1) {
  V ahead = sub(l, get(l, DUE), t1);
  ahead = mul(l, ahead, get(l, DIR));
  return both(l, mask, at_most(l, ahead, num(l, 0)));
}

void gen_point_dense(Loop *l, V mask, V t1) {
  If some = if_begin(l, any(l, gen_point_is_due(l, mask, t1)));
  for (int i = 0; i < l->m->extra; i++) gen_stage(l, l->last + 1 + i, ODE_WORK);
  V h = get(l, H), t = get(l, T);
  gen_lane_rows(l, interpolant_row, 0, NULL, narrow(l, h));
  LLVMBasicBlockRef turn = cg_block(l->e, "");
  LLVMBuildBr(l->b, turn);
  LLVMPositionBuilderAtEnd(l->b, turn);
  V now = gen_point_is_due(l, mask, t1), gone = sub(l, get(l, DUE), t), x = over(l, gone, h);
  gen_lane_rows(l, value_row, 0, NULL, narrow(l, pick(l, now, x, num(l, 0))));
  gen_point_due(l, now, ODE_WORK);
  V more = any(l, gen_point_is_due(l, mask, t1));
  LLVMBasicBlockRef after = cg_block(l->e, "");
  LLVMBuildCondBr(l->b, more, turn, after);
  LLVMPositionBuilderAtEnd(l->b, after);
  if_end(l, some);
}
