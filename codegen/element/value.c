/* Elements of values: found in SSA, in memory, through views, or computed on the spot (element/op.c). */
#include "codegen/element/element.h"

#include <stdlib.h>
#include <string.h>

static Frame frame_over(const Plan *p, Frame *up, LLVMValueRef **refs, LLVMValueRef *values) {
  uint32_t n = p->f->inst.n;
  return (Frame){.p = p, .up = up, .ssa = refs, .vec = refs + n, .base = values, .ld = values + n};
}

Frame *gen_frame(Gen *g, const Plan *p, Frame *up) {
  Frame *fr = ARENA_NEW(g->mem, Frame);
  size_t n = 2 * (size_t)p->f->inst.n;
  *fr = frame_over(p, up, ARENA_ARRAY(g->mem, LLVMValueRef *, n), ARENA_ARRAY(g->mem, LLVMValueRef, n));
  return fr;
}

Frame *gen_frame_brief(const Plan *p, Frame *up) {
  Frame *fr = base_zeroed(1, sizeof *fr);
  size_t n = 2 * (size_t)p->f->inst.n;
  *fr = frame_over(p, up, base_zeroed(n, sizeof *fr->ssa), base_zeroed(n, sizeof *fr->base));
  return fr;
}

void gen_frame_end(Gen *g, Frame *fr) {
  gen_forget(g); /* its address may come to be another's */
  for (Frame *up; fr; fr = up) {
    up = fr->up;
    base_free(fr->ssa);
    base_free(fr->base);
    base_free(fr);
  }
}

/* ---- memo: values already computed in this stretch of code ------------------------------------------------- */

void gen_forget(Gen *g) {
  if (g->nmemo) memset(g->memo, 0, sizeof *g->memo * g->memo_size);
  g->nmemo = g->nadded = 0;
}

static Memo *memo_find(Gen *g, const Frame *fr, Val v, uint32_t along, const LLVMValueRef *key) {
  uint64_t h = (uintptr_t)fr ^ (v.id * 2 + along) * 0x9e3779b97f4a7c15u;
  for (int k = 0; k < IR_MAX_RANK; k++) h = (h ^ (uintptr_t)key[k] >> 3) * 0x9e3779b97f4a7c15u;
  for (uint32_t i = (uint32_t)(h >> 32);; i++) {
    Memo *m = &g->memo[i & (g->memo_size - 1)];
    if (!m->fr || (m->fr == fr && m->v == v.id && m->along == along && !memcmp(m->key, key, sizeof m->key))) return m;
  }
}

/* How elements are read: a memo is of one way. */
static uint32_t reading(const Gen *g) { return g->one_lane * 2 + g->reader->along; }

static void memo_key(const Idx *at, Type t, LLVMValueRef *key) {
  memset(key, 0, sizeof *key * IR_MAX_RANK);
  if (at->axes) memcpy(key, at->ax, sizeof *key * t.rank);
  else key[0] = at->lin;
}

static bool memo_get(Gen *g, const Frame *fr, Val v, Type t, const Idx *at, CgVec *out) {
  LLVMValueRef key[IR_MAX_RANK];
  if (!g->memo_size) return false;
  memo_key(at, t, key);
  const Memo *m = memo_find(g, fr, v, reading(g), key);
  if (!m->fr) return false;
  *out = m->val;
  return true;
}

static void memo_put(Gen *g, const Frame *fr, Val v, Type t, const Idx *at, CgVec x) {
  Memo m = {.fr = fr, .v = v.id, .along = reading(g), .val = x};
  memo_key(at, t, m.key);
  if (g->nmemo * 2 >= g->memo_size) {
    Memo *old = g->memo;
    uint32_t n = g->memo_size;
    g->memo_size = n ? n * 2 : 256;
    g->memo = base_realloc(NULL, sizeof *g->memo * g->memo_size);
    memset(g->memo, 0, sizeof *g->memo * g->memo_size);
    for (uint32_t i = 0; i < n; i++)
      if (old[i].fr) *memo_find(g, old[i].fr, (Val){old[i].v}, old[i].along, old[i].key) = old[i];
    base_free(old);
  }
  *memo_find(g, fr, v, m.along, m.key) = m;
  g->nmemo++;
}

void gen_remember(Gen *g, Frame *fr, Val v, const Idx *at, CgVec x) {
  const Type t = ir_type(fr->p->f, v);
  Idx lin = *at;
  memo_put(g, fr, v, t, at, x);
  lin.axes = false;
  if (at->axes && at->lin) memo_put(g, fr, v, t, &lin, x);
}

/* ---- indices --------------------------------------------------------------------------------------------------- */

LLVMValueRef gen_lin(Gen *g, Type t, Idx *at) {
  if (at->lin) return at->lin;
  LLVMValueRef lin = cg_i64(g->e, 0);
  for (int k = 0; k < t.rank; k++) lin = cg_iadd(g->e, cg_imul(g->e, lin, cg_i64(g->e, t.dim[k])), at->ax[k]);
  return at->lin = lin;
}

void gen_axes(Gen *g, Type t, Idx *at) {
  if (at->axes) return;
  LLVMValueRef rest = at->lin;
  for (int k = t.rank; k-- > 0;) {
    LLVMValueRef n = cg_i64(g->e, t.dim[k]);
    if (t.dim[k] == 1) at->ax[k] = cg_i64(g->e, 0);
    else if (k == 0) at->ax[k] = rest;
    else {
      at->ax[k] = LLVMBuildURem(g->e->b, rest, n, "");
      rest = LLVMBuildUDiv(g->e->b, rest, n, "");
    }
  }
  at->axes = true;
}

Idx gen_const_idx(Gen *g, Type t, int64_t lin) {
  Idx at = {.lin = cg_i64(g->e, lin), .axes = true};
  for (int k = t.rank; k-- > 0; lin /= t.dim[k]) at.ax[k] = cg_i64(g->e, lin % t.dim[k]);
  return at;
}

Idx gen_around_idx(Gen *g, const Frame *fr, Val around, const Idx *at) {
  const Fn *fn = fr->p->f;
  const Val inside = plan_inside(fr->p, around);
  Val link[IR_MAX_RANK];
  Idx to = {.axes = true};
  int n = 0;
  memcpy(to.ax, at->ax, sizeof to.ax);
  for (Val k = around; k.id != inside.id; k = ir_arg(fn, ir_inst(fn, k), 0)) link[n++] = k;
  while (n-- > 0) {
    const unslice_attr u = ir_unslice_attr(fn, ir_inst(fn, link[n]));
    to.ax[u.axis] = cg_iadd(g->e, cg_imul(g->e, to.ax[u.axis], cg_i64(g->e, u.step)), cg_i64(g->e, u.start));
  }
  return to;
}

/* ---- memory ------------------------------------------------------------------------------------------------------ */

LLVMValueRef gen_scratch(Gen *g, int64_t off) { return g->scope->scratch(g, off); }
LLVMValueRef gen_tile_ld(Gen *g) { return cg_i64(g->e, g->e->tile); }

void gen_memory(Gen *g, Frame *fr, Val v, LLVMValueRef *base, LLVMValueRef *ld) {
  uint32_t alias = fr->p->val[v.id].alias;
  g->scope->memory(g, fr, alias ? (Val){alias} : v, base, ld);
}

static LLVMValueRef address(Gen *g, Type t, LLVMValueRef base, LLVMValueRef ld, LLVMValueRef lin) {
  LLVMValueRef off = t.lane ? cg_imul(g->e, lin, ld) : lin;
  if (t.lane && g->one_lane) off = cg_iadd(g->e, off, cg_i64(g->e, g->one_lane - 1));
  return t.dt == DT_BOOL ? cg_gep_bytes(g->e, base, off) : cg_gep(g->e, base, off);
}

static LLVMValueRef vector_at(Gen *g, Type t, LLVMValueRef p, unsigned k) {
  LLVMValueRef off = cg_i64(g->e, (int64_t)k * g->e->vl);
  return t.dt == DT_BOOL ? cg_gep_bytes(g->e, p, off) : cg_gep(g->e, p, off);
}

CgVec gen_load(Gen *g, Type t, LLVMValueRef base, LLVMValueRef ld, LLVMValueRef lin) {
  CgVec x = {.lane = t.lane || (g->reader->along && t.rank > 0)};
  LLVMValueRef p = address(g, t, base, ld, lin);
  unsigned lanes = x.lane ? g->e->vl : 1, part = x.lane && g->part ? g->part : lanes;
  for (unsigned k = 0; k < (x.lane ? g->e->nv : 1); k++) {
    LLVMValueRef q = vector_at(g, t, p, k);
    x.v[k] = g->kernel->load(g->e, t.dt == DT_BOOL, q, lanes, part);
  }
  return x;
}

CgVec gen_lanes(Gen *g, Type t, CgVec v) {
  if (!t.lane || v.lane) return v;
  LLVMValueRef s = cg_splat(g->e, v.v[0], g->e->vl);
  for (unsigned k = 0; k < g->e->nv; k++) v.v[k] = s;
  v.lane = true;
  return v;
}

void gen_store(Gen *g, Type t, LLVMValueRef base, LLVMValueRef ld, LLVMValueRef lin, const CgVec *v) {
  bool lane = t.lane || (g->reader->along && t.rank > 0);
  CgVec x = gen_lanes(g, (Type){.lane = lane}, *v);
  LLVMValueRef p = address(g, t, base, ld, lin);
  unsigned lanes = lane ? g->e->vl : 1, part = lane && g->part ? g->part : lanes;
  for (unsigned k = 0; k < (lane ? g->e->nv : 1); k++) {
    LLVMValueRef q = vector_at(g, t, p, k);
    g->kernel->store(g->e, t.dt == DT_BOOL, x.v[k], q, lanes, part);
  }
}

void gen_add(Gen *g, Type t, LLVMValueRef base, LLVMValueRef ld, LLVMValueRef lin, const CgVec *v) {
  CgVec arg[2] = {gen_load(g, t, base, ld, lin), *v};
  CgVec sum = gen_ew(g, OP_add, arg, 2, t.lane);
  gen_store(g, t, base, ld, lin, &sum);
}

LLVMValueRef gen_affine(Gen *g, Frame *fr, const Affine *a, LLVMValueRef *ld) {
  Frame *home = fr;
  while (home->p != a->p) home = home->up;
  LLVMValueRef base, off = cg_i64(g->e, a->off);
  gen_memory(g, home, a->root, &base, ld);
  for (int k = 0; k < a->nturn; k++) {
    const Frame *at = fr;
    while (at->p != a->turn[k].body) at = at->up;
    off = cg_iadd(g->e, off, cg_imul(g->e, at->turn, cg_i64(g->e, a->turn[k].mul)));
  }
  if (!ir_type(a->p->f, a->root).lane) *ld = cg_i64(g->e, 1);
  return cg_gep(g->e, base, cg_imul(g->e, off, *ld));
}

/* ---- tiny values --------------------------------------------------------------------------------------------------- */

LLVMValueRef *gen_ssa(Gen *g, Frame *fr, Val v) {
  if (!fr->ssa[v.id]) fr->ssa[v.id] = ARENA_ARRAY(g->mem, LLVMValueRef, type_count(ir_type(fr->p->f, v)) * CG_MAX_NV);
  return fr->ssa[v.id];
}

CgVec gen_ssa_get(Gen *g, Frame *fr, Val v, int64_t element) {
  CgVec x = {.lane = ir_type(fr->p->f, v).lane};
  LLVMValueRef *s = gen_ssa(g, fr, v) + element * CG_MAX_NV;
  if (!s[0]) return g->scope->tiny(g, fr, v, element);
  memcpy(x.v, s, sizeof x.v);
  return x;
}

void gen_ssa_set(Gen *g, Frame *fr, Val v, int64_t element, CgVec x) {
  x = gen_lanes(g, ir_type(fr->p->f, v), x);
  memcpy(gen_ssa(g, fr, v) + element * CG_MAX_NV, x.v, sizeof x.v);
}

void gen_ssa_store(Gen *g, Frame *fr, Val v) {
  Type t = ir_type(fr->p->f, v);
  LLVMValueRef base, ld;
  if (!fr->p->val[v.id].stored) return;
  gen_memory(g, fr, v, &base, &ld);
  for (int64_t k = 0; k < type_count(t); k++) {
    CgVec x = gen_ssa_get(g, fr, v, k);
    gen_store(g, t, base, ld, cg_i64(g->e, k), &x);
  }
}

/* ---- views ----------------------------------------------------------------------------------------------------------- */

static LLVMValueRef taken(Gen *g, Frame *fr, const Inst *i, LLVMValueRef k) {
  int64_t c;
  const Fn *f = fr->p->f;
  IrList index = ir_list(f, i);
  if (cg_is_int(k, &c)) return cg_i64(g->e, index.at[c]);
  LLVMValueRef table = cg_const_ints(g->e, index.at, index.n);
  LLVMValueRef p = LLVMBuildInBoundsGEP2(g->e->b, g->e->i64, table, &k, 1, "");
  return LLVMBuildLoad2(g->e->b, g->e->i64, p, "");
}

static CgVec view_at(Gen *g, Frame *fr, const Inst *i, Idx *at) {
  const Fn *f = fr->p->f;
  Val x = ir_arg(f, i, 0);
  Idx to = {.axes = true};
  CgVec out;
  if (g->reader->move && g->reader->move(g, fr, i, at, &out)) return out;
  if (i->op == OP_id || i->op == OP_spread || i->op == OP_barrier) return gen_at(g, fr, x, at);
  if (i->op == OP_reshape) {
    to = (Idx){.lin = gen_lin(g, i->type, at)};
    if (ir_type(f, x).rank == 1) to.ax[0] = to.lin, to.axes = true;
    if (ir_type(f, x).rank == 0) to.axes = true;
    return gen_at(g, fr, x, &to);
  }
  gen_axes(g, i->type, at);
  memcpy(to.ax, at->ax, sizeof to.ax);
  int64_t axis = i->nattr ? ir_attrs(f, i).at[0] : 0;
  switch (i->op) {
  case OP_transpose:
    for (uint32_t k = 0; k < i->type.rank; k++) to.ax[ir_list(f, i).at[k]] = at->ax[k];
    break;
  case OP_expand:
    for (int k = (int)axis; k + 1 < i->type.rank; k++) to.ax[k] = at->ax[k + 1];
    break;
  case OP_slice:
    to.ax[axis] =
        cg_iadd(g->e, cg_imul(g->e, at->ax[axis], cg_i64(g->e, ir_slice_attr(f, i).step)), cg_i64(g->e, ir_slice_attr(f, i).start));
    break;
  case OP_flip:
    to.ax[axis] = cg_iadd(g->e, cg_imul(g->e, at->ax[axis], cg_i64(g->e, -1)), cg_i64(g->e, i->type.dim[axis] - 1));
    break;
  case OP_window:
    to.ax[axis] = cg_iadd(g->e, cg_imul(g->e, at->ax[axis], cg_i64(g->e, ir_window_attr(f, i).step)), at->ax[i->type.rank - 1]);
    break;
  case OP_take: to.ax[axis] = taken(g, fr, i, at->ax[axis]); break;
  case OP_diagv: to.ax[1] = at->ax[0]; break;
  default: base_fault("codegen: `%s` is no view", ir_op[i->op].name);
  }
  return gen_at(g, fr, x, &to);
}

/* An input of a body that is a value around it, or a slice of one. */
static CgVec up_at(Gen *g, Frame *fr, Val v, Idx *at) {
  const Inst *call = ir_inst(fr->up->p->f, fr->p->call);
  uint32_t k = ir_number(fr->p->f, ir_inst(fr->p->f, v));
  Val outer = ir_arg(fr->up->p->f, call, k);
  if (k >= (uint32_t)(ir_scan_shape(fr->up->p->f, call).carry + ir_scan_shape(fr->up->p->f, call).xs))
    return gen_at(g, fr->up, outer, at);
  Type t = ir_type(fr->p->f, v);
  Idx to = {.axes = at->axes};
  if (at->axes) {
    to.ax[0] = fr->turn;
    memcpy(to.ax + 1, at->ax, sizeof *to.ax * t.rank);
  } else to.lin = cg_iadd(g->e, cg_imul(g->e, fr->turn, cg_i64(g->e, type_count(t))), at->lin);
  return gen_at(g, fr->up, outer, &to);
}

/* ---- any value ----------------------------------------------------------------------------------------------------------- */

static CgVec point_at(Gen *g, Frame *fr, Val v, Type t, Idx *at) {
  CgVec x;
  if (fr->given.id == v.id) return fr->given_value;
  if (memo_get(g, fr, v, t, at, &x)) return x;
  x = gen_compute(g, fr, v, at);
  memo_put(g, fr, v, t, at, x);
  return x;
}

static CgVec memory_at(Gen *g, Frame *fr, Val v, Type t, Idx *at) {
  CgVec x;
  LLVMValueRef base, ld;
  if (memo_get(g, fr, v, t, at, &x)) return x;
  Idx key = *at;
  gen_memory(g, fr, v, &base, &ld);
  x = gen_load(g, t, base, ld, gen_lin(g, t, at));
  memo_put(g, fr, v, t, &key, x);
  return x;
}

/* What has a value inside is in memory while this group runs: the plan let it, or another reader did. */
static bool there(const Gen *g, const Frame *fr, Val around) {
  return !g->group_frame || g->group_frame->p->group.at[g->group]->t1 <= fr->p->val[around.id].t1;
}

static CgVec inside_at(Gen *g, Frame *fr, Val v, Idx *at) {
  const Val around = {fr->p->val[v.id].around};
  gen_axes(g, ir_type(fr->p->f, v), at);
  Idx to = gen_around_idx(g, fr, around, at);
  return memory_at(g, fr, around, ir_type(fr->p->f, around), &to);
}

/* Along elements, those that follow as well. */
static CgVec iota_at(Gen *g, const Inst *i, Idx *at) {
  const bool along = g->reader->along;
  const unsigned n = along ? g->e->vl : 1;
  CgVec x = {{LLVMBuildSIToFP(g->e->b, gen_lin(g, i->type, at), g->e->real, "")}, along};
  if (n == 1) return x;
  LLVMValueRef *step = base_realloc(NULL, n * sizeof *step);
  for (unsigned k = 0; k < n; k++) step[k] = cg_real(g->e, k, 1);
  CgVec arg[2] = {{{cg_splat(g->e, x.v[0], n)}, true}, {{LLVMConstVector(step, n)}, true}};
  base_free(step);
  return gen_ew(g, OP_add, arg, 2, true);
}

CgVec gen_by_class(Gen *g, Frame *fr, Val v, Idx *at) {
  const Fn *f = fr->p->f;
  const PVal *q = &fr->p->val[v.id];
  const Inst *i = ir_inst(f, v);
  bool single = !g->reader->along || g->e->vl == 1;
  double c;
  int64_t k;
  switch (q->cls) {
  case PC_CONST:
    if (!ir_is_const(f, v, &c)) base_fault("codegen: a constant without a value");
    if (i->type.dt == DT_BOOL) return (CgVec){{LLVMConstInt(g->e->i1, c != 0, 0)}, false};
    return gen_real(g, c, false);
  case PC_TABLE:
    if (single && cg_is_int(gen_lin(g, i->type, at), &k)) return gen_real(g, f->table.at[ir_table_attr(f, i).table].v[k], false);
    return memory_at(g, fr, v, i->type, at);
  case PC_IOTA: return iota_at(g, i, at);
  case PC_VIEW: return view_at(g, fr, i, at);
  case PC_UP: return up_at(g, fr, v, at);
  case PC_SSA:
    if (g->scope->elsewhere(g, fr, v)) return memory_at(g, fr, v, i->type, at);
    if (i->type.rank == 0) return gen_ssa_get(g, fr, v, 0);
    if (cg_is_int(gen_lin(g, i->type, at), &k)) return g->reader->tiny(g, fr, v, k);
    return memory_at(g, fr, v, i->type, at);
  case PC_POINT:
    if (g->group_frame == fr && g->group == q->group) return point_at(g, fr, v, i->type, at);
    if (q->stored) return memory_at(g, fr, v, i->type, at);
    if (q->around && there(g, fr, (Val){q->around})) return inside_at(g, fr, v, at);
    return point_at(g, fr, v, i->type, at);
  case PC_IN:
  case PC_BUF: return memory_at(g, fr, v, i->type, at);
  default: base_fault("codegen: %%%u (%s) has no elements", v.id, ir_op[i->op].name);
  }
}

CgVec gen_at(Gen *g, Frame *fr, Val v, Idx *at) {
  uint32_t alias = fr->p->val[v.id].alias;
  return g->reader->at(g, fr, alias ? (Val){alias} : v, at);
}

/* ---- readers ------------------------------------------------------------------------------------------------------------ */

const Reader gen_element_reader = {.at = gen_by_class, .tiny = gen_ssa_get};

Entered gen_enter(Gen *g, const Reader *r, unsigned vl) {
  Entered was = {g->reader, g->e->vl, g->e->nv, g->part};
  g->reader = r, g->e->vl = vl, g->e->nv = 1, g->part = 0;
  return was;
}

/* Tiny values are in registers as whole vectors: the lane is taken out of them. */
static CgVec lane_at(Gen *g, Frame *fr, Val v, Idx *at) {
  int64_t k;
  Type t = ir_type(fr->p->f, v);
  bool here = fr->p->val[v.id].cls == PC_SSA && !g->scope->elsewhere(g, fr, v);
  if (!here || !t.lane || (t.rank && !cg_is_int(gen_lin(g, t, at), &k))) return gen_by_class(g, fr, v, at);
  CgVec x = gen_ssa_get(g, fr, v, t.rank ? k : 0), one = {.lane = true};
  unsigned lane = g->one_lane - 1, vl = g->vector;
  one.v[0] = vl > 1 ? LLVMBuildExtractElement(g->e->b, x.v[lane / vl], cg_i32(g->e, (int32_t)(lane % vl)), "") : x.v[lane];
  return one;
}

static const Reader lane_reader = {.at = lane_at, .tiny = gen_ssa_get};

LaneRead gen_lane_enter(Gen *g, unsigned lane) {
  unsigned vl = g->e->vl;
  LaneRead was = {gen_enter(g, &lane_reader, 1), g->one_lane};
  g->vector = vl;
  g->one_lane = lane + 1;
  return was;
}

void gen_lane_leave(Gen *g, LaneRead was) {
  g->one_lane = was.lane;
  gen_leave(g, was.was);
}

void gen_leave(Gen *g, Entered was) { g->reader = was.reader, g->e->vl = was.vl, g->e->nv = was.nv, g->part = was.part; }
