/* Scans: a loop of n turns around the groups of the body. Tiny carries are SSA values carried around the
 * loop; big ones live in two buffers that change places each turn, so that nothing is copied, in one, or in vector
 * registers (plan_carry.c). */
#include "codegen/gen/gen_priv.h"

#include <float.h>
#include <math.h>
#include <string.h>

typedef struct Carry {
  Type t;
  bool big;
  Val in;              /* the body's input, or none */
  CgVec *first;        /* tiny: one for each element */
  LLVMValueRef buf[2]; /* big */
  LLVMValueRef *vec;   /* big, in registers: its vectors, at first and then after a turn */
  unsigned phi;        /* number of the first phi; big: current buffer, then the other; in registers: of the vectors */
} Carry;

typedef struct Scan {
  Frame *fr, *body;
  const Inst *i;
  Val v;
  uint32_t n, carry, ys, nout;
  Carry *c;
  LLVMValueRef *base, *ld; /* of ys and zs, by result */
  CgLoop loop;
} Scan;

static Val body_input(const Fn *f, uint32_t k) {
  for (uint32_t v = 1; v < f->inst.n; v++)
    if (f->inst.at[v].op == OP_in && ir_number(f, &f->inst.at[v]) == k) return (Val){v};
  return VAL_NONE;
}

static unsigned vectors(Gen *g, Type t) { return t.lane ? g->e->nv : 1; }

static int64_t buffer_bytes(Gen *g, Type t) {
  int64_t n = type_count(t) * (t.dt == DT_BOOL ? 1 : g->e->es) * (t.lane ? g->e->tile : 1);
  return plan_round_up(n, g->tune->align);
}

/* ---- before the loop ------------------------------------------------------------------------------------------- */

static void first_carry(Gen *g, Scan *s, uint32_t k) {
  Carry *c = &s->c[k];
  const Fn *f = s->body->p->f;
  Val a = ir_arg(s->fr->p->f, s->i, k);
  c->t = ir_type(f, f->out.at[k]), c->in = body_input(f, k), c->big = !plan_is_tiny(s->body->p, c->t);
  if (c->big) {
    c->buf[0] = gen_scratch(g, s->body->p->carry_buf[k]);
    c->buf[1] = s->body->p->carry_one[k] ? c->buf[0] : gen_scratch(g, s->body->p->carry_buf[k] + buffer_bytes(g, c->t));
    Type given = c->t;
    if (plan_history(s->body->p, k)) a = ir_arg(s->fr->p->f, ir_inst(s->fr->p->f, a), 0), given.dim[0] = 1;
    gen_copy(g, s->fr, a, given, c->buf[0], gen_tile_ld(g), false);
    if (!s->body->p->carry_regs[k] || !s->n) return;
    c->vec = ARENA_ARRAY(g->mem, LLVMValueRef, gen_vectors(g, c->t));
    gen_vectors_load(g, c->t, c->buf[0], c->vec);
    return;
  }
  c->first = ARENA_ARRAY(g->mem, CgVec, type_count(c->t) + 1);
  for (int64_t n = 0; n < type_count(c->t); n++) {
    Idx at = gen_const_idx(g, c->t, n);
    c->first[n] = gen_lanes(g, c->t, gen_at(g, s->fr, a, &at));
  }
}

static void result_places(Gen *g, Scan *s) {
  for (uint32_t k = s->carry; k < s->nout; k++) {
    Val r = plan_result(s->fr->p, s->v, k);
    if (!r.id) continue;
    gen_memory(g, s->fr, r, &s->base[k], &s->ld[k]);
    const PVal *q = &s->fr->p->val[r.id];
    bool over_tiles = q->bsum && !s->fr->p->up; /* then it was zeroed before the first tile */
    Type t = ir_type(s->fr->p->f, r);
    if (k < s->carry + s->ys || over_tiles) continue;
    gen_fill(g, t, s->base[k], s->ld[k], 0);
  }
}

/* ---- a turn ----------------------------------------------------------------------------------------------------------- */

static void open_vectors(Gen *g, Scan *s, Carry *c, Val next) {
  int64_t n = gen_vectors(g, c->t);
  LLVMValueRef *old = s->body->vec[c->in.id] = ARENA_ARRAY(g->mem, LLVMValueRef, n);
  for (int64_t k = 0; k < n; k++) old[k] = cg_loop_phi(g->e, &s->loop, c->vec[k]);
  s->body->vec[next.id] = c->vec;
}

static void open_carry(Gen *g, Scan *s, uint32_t number) {
  Carry *c = &s->c[number];
  c->phi = s->loop.nphi;
  if (c->vec) {
    open_vectors(g, s, c, s->body->p->f->out.at[number]);
    return;
  }
  if (c->big) {
    LLVMValueRef cur = cg_loop_phi(g->e, &s->loop, c->buf[0]);
    cg_loop_phi(g->e, &s->loop, c->buf[1]);
    if (c->in.id) s->body->base[c->in.id] = cur;
    return;
  }
  for (int64_t n = 0; n < type_count(c->t); n++) {
    CgVec x = {.lane = c->t.lane};
    for (unsigned v = 0; v < vectors(g, c->t); v++) x.v[v] = cg_loop_phi(g->e, &s->loop, c->first[n].v[v]);
    if (c->in.id) gen_ssa_set(g, s->body, c->in, n, x);
  }
}

static LLVMValueRef ys_slice(Gen *g, const Scan *s, uint32_t k, Type t) {
  LLVMValueRef off = cg_imul(g->e, s->body->turn, cg_i64(g->e, type_count(t)));
  if (t.lane) off = cg_imul(g->e, off, s->ld[k]);
  return t.dt == DT_BOOL ? cg_gep_bytes(g->e, s->base[k], off) : cg_gep(g->e, s->base[k], off);
}

/* Points the values that are computed where they are wanted to this turn's places. */
static void open_homes(Gen *g, Scan *s) {
  const Plan *p = s->body->p;
  for (uint32_t k = 0; k < s->nout; k++) {
    Val v = p->f->out.at[k];
    const PVal *q = &p->val[v.id];
    if (q->alias || q->homeidx != k) continue;
    if (q->home == HOME_NEXT && !s->c[k].vec) s->body->base[v.id] = s->loop.phi[s->c[k].phi + 1];
    if (q->home == HOME_ZS) s->body->base[v.id] = s->base[k], s->body->ld[v.id] = s->ld[k];
    if (q->home == HOME_YS) s->body->base[v.id] = ys_slice(g, s, k, ir_type(p->f, v)), s->body->ld[v.id] = s->ld[k];
  }
}

static void close_results(Gen *g, Scan *s) {
  const Plan *p = s->body->p;
  for (uint32_t k = 0; k < p->copy.n; k++) {
    const Copy *c = &p->copy.at[k];
    Type t = ir_type(p->f, c->v);
    gen_forget(g);
    if (c->home == HOME_NEXT) gen_copy(g, s->body, c->v, t, s->loop.phi[s->c[c->k].phi + 1], gen_tile_ld(g), false);
    else if (c->home == HOME_YS) gen_copy(g, s->body, c->v, t, ys_slice(g, s, c->k, t), s->ld[c->k], false);
    else gen_copy(g, s->body, c->v, t, s->base[c->k], s->ld[c->k], true);
  }
  gen_forget(g);
}

static void close_carry(Gen *g, Scan *s, uint32_t k) {
  Carry *c = &s->c[k];
  for (int64_t n = 0; c->vec && n < gen_vectors(g, c->t); n++) cg_loop_next(&s->loop, c->phi + (unsigned)n, c->vec[n]);
  if (c->vec) return;
  if (c->big) {
    cg_loop_next(&s->loop, c->phi, s->loop.phi[c->phi + 1]);
    cg_loop_next(&s->loop, c->phi + 1, s->loop.phi[c->phi]);
    return;
  }
  unsigned at = c->phi;
  for (int64_t n = 0; n < type_count(c->t); n++) {
    Idx i = gen_const_idx(g, c->t, n);
    CgVec x = gen_lanes(g, c->t, gen_at(g, s->body, s->body->p->f->out.at[k], &i));
    for (unsigned v = 0; v < vectors(g, c->t); v++) cg_loop_next(&s->loop, at++, x.v[v]);
  }
}

/* ---- convergence -------------------------------------------------------------------------------------------------------- */

static LLVMValueRef any_lane(Gen *g, const CgVec *x) {
  LLVMValueRef any = x->v[0];
  for (unsigned v = 1; v < (x->lane ? g->e->nv : 1); v++) any = LLVMBuildOr(g->e->b, any, x->v[v], "");
  LLVMTypeRef t = LLVMTypeOf(any);
  return x->lane && g->e->vl > 1 ? cg_intrinsic(g->e, "llvm.vector.reduce.or", &t, 1, &any, 1) : any;
}

typedef struct Moved {
  CgVec moved, size;
} Moved; /* largest change and largest element, by lane */

/* |b - a|; 0 where both are NaN, infinite where one is. */
static CgVec change(Gen *g, CgVec a, CgVec b, bool lane) {
  CgVec diff = gen_ew(g, OP_sub, (CgVec[]){b, a}, 2, lane), zero = gen_real(g, 0, lane), inf = gen_real(g, INFINITY, lane);
  diff = gen_ew(g, OP_abs, &diff, 1, lane);
  for (unsigned v = 0; v < (lane ? g->e->nv : 1); v++) {
    LLVMValueRef an = LLVMBuildFCmp(g->e->b, LLVMRealUNO, a.v[v], a.v[v], "");
    LLVMValueRef bn = LLVMBuildFCmp(g->e->b, LLVMRealUNO, b.v[v], b.v[v], "");
    LLVMValueRef odd = LLVMBuildSelect(g->e->b, LLVMBuildXor(g->e->b, an, bn, ""), inf.v[v], zero.v[v], "");
    diff.v[v] = LLVMBuildSelect(g->e->b, LLVMBuildOr(g->e->b, an, bn, ""), odd, diff.v[v], "");
  }
  return diff;
}

/* The larger one; a NaN of x does not count. */
static CgVec larger(Gen *g, CgVec most, CgVec x, bool lane) {
  for (unsigned v = 0; v < (lane ? g->e->nv : 1); v++)
    most.v[v] = LLVMBuildSelect(g->e->b, LLVMBuildFCmp(g->e->b, LLVMRealOGT, x.v[v], most.v[v], ""), x.v[v], most.v[v], "");
  return most;
}

static void moved_by(Gen *g, Moved *m, CgVec a, CgVec b, bool lane) {
  m->moved = larger(g, m->moved, change(g, a, b, lane), lane);
  m->size = larger(g, m->size, gen_ew(g, OP_abs, &b, 1, lane), lane);
}

static Moved big_moved(Gen *g, Scan *s, const Carry *c) {
  CgLoop *l = base_realloc(NULL, sizeof *l);
  bool lane = c->t.lane;
  unsigned nv = vectors(g, c->t);
  Moved m = {gen_real(g, 0, lane), gen_real(g, 0, lane)};
  LLVMValueRef cur = s->loop.phi[c->phi], next = s->loop.phi[c->phi + 1], ld = gen_tile_ld(g);
  cg_loop_begin(g->e, l, cg_i64(g->e, 0), cg_i64(g->e, type_count(c->t)), 1);
  for (unsigned v = 0; v < nv; v++) m.moved.v[v] = cg_loop_phi(g->e, l, m.moved.v[v]);
  for (unsigned v = 0; v < nv; v++) m.size.v[v] = cg_loop_phi(g->e, l, m.size.v[v]);
  moved_by(g, &m, gen_load(g, c->t, cur, ld, l->iv), gen_load(g, c->t, next, ld, l->iv), lane);
  for (unsigned v = 0; v < nv; v++) cg_loop_next(l, v, m.moved.v[v]), cg_loop_next(l, nv + v, m.size.v[v]);
  cg_loop_end(g->e, l);
  base_free(l);
  return m;
}

static Moved tiny_moved(Gen *g, Scan *s, const Carry *c) {
  Moved m = {gen_real(g, 0, c->t.lane), gen_real(g, 0, c->t.lane)};
  unsigned at = c->phi;
  for (int64_t n = 0; n < type_count(c->t); n++) {
    CgVec a = {.lane = c->t.lane}, b = a;
    for (unsigned v = 0; v < vectors(g, c->t); v++, at++) a.v[v] = s->loop.phi[at], b.v[v] = s->loop.next[at];
    moved_by(g, &m, a, b, c->t.lane);
  }
  return m;
}

/* Some lane of this carry still moves by more than 4 units in the last place of its largest element. */
static LLVMValueRef moving(Gen *g, Scan *s, const Carry *c) {
  Moved m = c->big ? big_moved(g, s, c) : tiny_moved(g, s, c);
  double eps = g->e->f64 ? DBL_EPSILON : FLT_EPSILON;
  CgVec bound = gen_ew(g, OP_mul, (CgVec[]){m.size, gen_real(g, 4 * eps, false)}, 2, c->t.lane);
  CgVec more = gen_ew(g, OP_lt, (CgVec[]){bound, m.moved}, 2, c->t.lane);
  return any_lane(g, &more);
}

/* Whether x, a real scalar, is positive in some lane. */
static LLVMValueRef any_positive(Gen *g, CgVec x) {
  CgVec more = gen_ew(g, OP_lt, (CgVec[]){gen_real(g, 0, false), x}, 2, x.lane);
  return any_lane(g, &more);
}

/* The new value of carry 0, a scalar. */
static CgVec next_status(Gen *g, Scan *s) {
  const Carry *c = &s->c[0];
  CgVec x = {.lane = c->t.lane};
  for (unsigned v = 0; v < vectors(g, c->t); v++) x.v[v] = s->loop.next[c->phi + v];
  return x;
}

/* ---- the loop ------------------------------------------------------------------------------------------------------------- */

static void turns(Gen *g, Scan *s) {
  const Fn *f = s->fr->p->f;
  int64_t converge = ir_scan_shape(f, s->i).converge;
  LLVMValueRef enter = converge == 2 ? any_positive(g, s->c[0].first[0]) : NULL;
  cg_loop_begin_if(g->e, &s->loop, enter, cg_i64(g->e, 0), cg_i64(g->e, s->n), 1);
  for (uint32_t k = 0; k < s->carry; k++) open_carry(g, s, k);
  s->body->turn = s->loop.iv;
  if (ir_scan_shape(f, s->i).reverse) s->body->turn = LLVMBuildSub(g->e->b, cg_i64(g->e, s->n - 1), s->loop.iv, "");
  open_homes(g, s);
  for (uint32_t k = 0; k < s->carry; k++)
    if (s->c[k].in.id && !s->c[k].big) gen_ssa_store(g, s->body, s->c[k].in);
  gen_groups(g, s->body, SEC_TILE);
  close_results(g, s);
  for (uint32_t k = 0; k < s->carry; k++) close_carry(g, s, k);
  gen_forget(g);
  if (converge == 2) s->loop.stop = LLVMBuildNot(g->e->b, any_positive(g, next_status(g, s)), "");
  if (converge == 1) {
    LLVMValueRef any = LLVMConstInt(g->e->i1, 0, 0);
    for (uint32_t k = 0; k < s->carry; k++)
      if (s->c[k].t.dt == DT_REAL) any = LLVMBuildOr(g->e->b, any, moving(g, s, &s->c[k]), "");
    s->loop.stop = LLVMBuildNot(g->e->b, any, "");
  }
  cg_loop_end(g->e, &s->loop);
}

/* Hands the last carries to their results; without a turn those are the first ones. */
static void last_carry(Gen *g, Scan *s, uint32_t k) {
  const Carry *c = &s->c[k];
  Val r = plan_result(s->fr->p, s->v, k);
  if (!r.id) return;
  if (c->vec) {
    gen_vectors_store(g, c->t, c->buf[0], c->vec);
    s->fr->base[r.id] = c->buf[0];
    return;
  }
  if (c->big && g->scope->hands_on && !s->fr->up) {
    int64_t at = s->body->p->carry_buf[k], bytes = buffer_bytes(g, c->t);
    bool early = ir_scan_shape(s->fr->p->f, s->i).converge, one = s->body->p->carry_one[k];
    s->fr->base[r.id] = gen_scratch(g, at + (s->n % 2 && !early && !one ? bytes : 0));
    if (early && s->n) g->kernel->move(g->e, s->fr->base[r.id], s->loop.next[c->phi], g->e->es, cg_i64(g->e, bytes));
    return;
  }
  if (c->big) {
    s->fr->base[r.id] = s->n ? s->loop.next[c->phi] : c->buf[0];
    return;
  }
  unsigned at = c->phi;
  for (int64_t n = 0; n < type_count(c->t); n++) {
    CgVec x = s->n ? (CgVec){.lane = c->t.lane} : c->first[n];
    for (unsigned v = 0; s->n && v < vectors(g, c->t); v++) x.v[v] = s->loop.next[at++];
    gen_ssa_set(g, s->fr, r, n, x);
  }
  gen_ssa_store(g, s->fr, r);
}

void gen_scan(Gen *g, Frame *fr, const Group *gr) {
  Scan *s = ARENA_NEW(g->mem, Scan);
  s->fr = fr, s->v = gr->main, s->i = ir_inst(fr->p->f, gr->main);
  s->body = gen_frame(g, gr->body, fr);
  s->nout = gr->body->f->out.n;
  ScanShape shape = ir_scan_shape(fr->p->f, s->i);
  s->n = shape.n, s->carry = shape.carry, s->ys = shape.ys;
  s->c = ARENA_ARRAY(g->mem, Carry, s->carry + 1);
  s->base = ARENA_ARRAY(g->mem, LLVMValueRef, s->nout + 1), s->ld = ARENA_ARRAY(g->mem, LLVMValueRef, s->nout + 1);
  for (uint32_t k = 0; k < s->carry; k++) first_carry(g, s, k);
  result_places(g, s);
  gen_forget(g);
  if (s->n) turns(g, s);
  for (uint32_t k = 0; k < s->carry; k++) last_carry(g, s, k);
}
