/* Rows that an index chooses when the code runs. An index is safe before it is used: what names no row reads row 0, and NaN is
 * given for it. One index for all samples is an index like any other; one for each sample reads elements here and there, from
 * memory with a stride for each axis, or, where that is no such memory, one lane after the other through views. */
#include "codegen/element/element.h"

#include <math.h>
#include <string.h>

/* ---- indices --------------------------------------------------------------------------------------------------------- */

/* The least real of the function's precision that is not below n. */
static double limit(const CgEmit *e, int64_t n) {
  float f = (float)n;
  if (e->f64) return (double)n;
  return (double)f < (double)n ? (double)nextafterf(f, INFINITY) : (double)f;
}

GenRows gen_rows(Gen *g, CgVec index, int64_t n) {
  CgEmit *e = g->e;
  unsigned lanes = index.lane ? e->vl : 1;
  LLVMTypeRef ints = lanes > 1 ? LLVMVectorType(e->i32, lanes) : e->i32;
  GenRows r = {.lane = index.lane};
  for (unsigned v = 0; v < (index.lane ? e->nv : 1); v++) {
    LLVMValueRef x = index.v[v], zero = cg_real(e, 0, lanes);
    LLVMValueRef low = LLVMBuildFCmp(e->b, LLVMRealOGE, x, zero, "");
    LLVMValueRef high = LLVMBuildFCmp(e->b, LLVMRealOLT, x, cg_real(e, limit(e, n), lanes), "");
    LLVMValueRef in = LLVMBuildAnd(e->b, low, high, "");
    r.row[v] = LLVMBuildFPToSI(e->b, LLVMBuildSelect(e->b, in, x, zero, ""), ints, "");
    LLVMValueRef back = LLVMBuildSIToFP(e->b, r.row[v], LLVMTypeOf(x), "");
    r.valid[v] = LLVMBuildAnd(e->b, in, LLVMBuildFCmp(e->b, LLVMRealOEQ, back, x, ""), "");
  }
  return r;
}

bool gen_counted(Gen *g, Frame *fr, Val index, int64_t n, LLVMValueRef *row) {
  int64_t first;
  if (!plan_counts(fr->p, index, &first)) return false;
  *row = cg_iadd(g->e, fr->turn, cg_i64(g->e, first));
  return first + ir_scan_shape(fr->up->p->f, ir_inst(fr->up->p->f, fr->p->call)).n <= n;
}

CgVec gen_or_nan(Gen *g, const GenRows *r, CgVec x) {
  x = gen_lanes(g, (Type){.lane = r->lane}, x);
  for (unsigned v = 0; v < (x.lane ? g->e->nv : 1); v++) {
    unsigned lanes = x.lane ? g->e->vl : 1;
    LLVMValueRef valid = r->lane ? r->valid[v] : r->valid[0];
    x.v[v] = LLVMBuildSelect(g->e->b, valid, x.v[v], cg_real(g->e, NAN, lanes), "");
  }
  return x;
}

/* a where the index is row k, else b. */
static CgVec where_row(Gen *g, const GenRows *r, LLVMValueRef k, CgVec a, CgVec b) {
  CgEmit *e = g->e;
  Type lane = {.lane = r->lane || a.lane || b.lane};
  CgVec x = {.lane = lane.lane};
  LLVMValueRef row = LLVMBuildTrunc(e->b, k, e->i32, "");
  a = gen_lanes(g, lane, a), b = gen_lanes(g, lane, b);
  for (unsigned v = 0; v < (x.lane ? e->nv : 1); v++) {
    unsigned of = r->lane ? v : 0;
    LLVMValueRef hit = LLVMBuildICmp(e->b, LLVMIntEQ, r->row[of], r->lane ? cg_splat(e, row, e->vl) : row, "");
    x.v[v] = LLVMBuildSelect(e->b, LLVMBuildAnd(e->b, hit, r->valid[of], ""), a.v[v], b.v[v], "");
  }
  return x;
}

/* ---- reading here and there ------------------------------------------------------------------------------------------ */

/* Reals at base + off[lane]. */
static LLVMValueRef picked(Gen *g, LLVMValueRef base, LLVMValueRef off, unsigned lanes) {
  CgEmit *e = g->e;
  LLVMValueRef p = LLVMBuildInBoundsGEP2(e->b, e->real, base, &off, 1, "");
  if (lanes == 1) return cg_load(e, p, 1);
  LLVMTypeRef of = cg_real_type(e, lanes), types[2] = {of, LLVMTypeOf(p)};
  LLVMValueRef all = LLVMConstAllOnes(cg_bool_type(e, lanes));
  return cg_intrinsic(e, "llvm.masked.gather", types, 2, (LLVMValueRef[]){p, cg_i32(e, (int32_t)e->es), all, LLVMGetPoison(of)}, 4);
}

/* Lane numbers first, first + 1, ... */
static LLVMValueRef lane_numbers(Gen *g, LLVMTypeRef one, unsigned first) {
  LLVMValueRef v[64];
  for (unsigned k = 0; k < g->e->vl; k++) v[k] = LLVMConstInt(one, first + k, 0);
  return g->e->vl > 1 ? LLVMConstVector(v, g->e->vl) : v[0];
}

/* ax: the axes of x but for its first. */
static CgVec pick(Gen *g, Frame *fr, const Affine *a, Type t, const GenRows *r, LLVMValueRef *ax) {
  CgEmit *e = g->e;
  CgVec x = {.lane = true};
  LLVMValueRef ld, base = gen_affine(g, fr, a, &ld), rest = cg_i64(e, 0);
  bool lane = ir_type(a->p->f, a->root).lane;
  int64_t width = 0, reach = (t.dim[0] - 1) * a->stride[0];
  bool narrow = !lane || (cg_is_int(ld, &width) && reach < INT32_MAX / (width ? width : 1) - (int64_t)e->tile);
  if (!lane) width = 1, narrow = reach < INT32_MAX;
  for (int d = 1; d < t.rank; d++) rest = cg_iadd(e, rest, cg_imul(e, ax[d - 1], cg_i64(e, a->stride[d])));
  base = cg_gep(e, base, cg_imul(e, rest, ld));
  LLVMTypeRef one = narrow ? e->i32 : e->i64, all = e->vl > 1 ? LLVMVectorType(one, e->vl) : one;
  LLVMValueRef step = narrow ? LLVMConstInt(one, (uint64_t)(a->stride[0] * width), 0) : cg_imul(e, cg_i64(e, a->stride[0]), ld);
  for (unsigned v = 0; v < e->nv; v++) {
    LLVMValueRef row = narrow ? r->row[v] : LLVMBuildSExt(e->b, r->row[v], all, "");
    LLVMValueRef off = LLVMBuildMul(e->b, row, cg_splat(e, step, e->vl), "");
    if (lane) off = LLVMBuildAdd(e->b, off, lane_numbers(g, one, v * e->vl), "");
    x.v[v] = picked(g, base, off, e->vl);
  }
  return x;
}

/* One lane after the other, each by an index of its own, as any value is read. */
static CgVec lane_by_lane(Gen *g, Frame *fr, Val x, const GenRows *r, const Idx *at, int axes) {
  CgEmit *e = g->e;
  CgVec out = {.lane = true};
  unsigned vl = e->vl, nv = e->nv;
  for (unsigned v = 0; v < nv; v++) out.v[v] = LLVMGetPoison(cg_real_type(e, vl));
  for (unsigned k = 0; k < vl * nv; k++) {
    LLVMValueRef row = vl > 1 ? LLVMBuildExtractElement(e->b, r->row[k / vl], cg_i32(e, (int32_t)(k % vl)), "") : r->row[k];
    Idx to = {.axes = true, .ax = {LLVMBuildSExt(e->b, row, e->i64, "")}};
    memcpy(to.ax + 1, at->ax, sizeof *to.ax * (size_t)axes);
    LaneRead was = gen_lane_enter(g, k);
    LLVMValueRef y = gen_at(g, fr, x, &to).v[0];
    gen_lane_leave(g, was);
    out.v[k / vl] = vl > 1 ? LLVMBuildInsertElement(e->b, out.v[k / vl], y, cg_i32(e, (int32_t)(k % vl)), "") : y;
  }
  return out;
}

/* ---- values of ops ----------------------------------------------------------------------------------------------------- */

CgVec gen_gather(Gen *g, Frame *fr, const Inst *i, Idx *at) {
  const Fn *f = fr->p->f;
  Val x = ir_arg(f, i, 0), index = ir_arg(f, i, 1);
  Type t = ir_type(f, x), ti = ir_type(f, index);
  Idx of = {.axes = true, .lin = ti.rank ? NULL : cg_i64(g->e, 0)}, rest = {.axes = true};
  Affine a;
  gen_axes(g, i->type, at);
  memcpy(of.ax, at->ax, sizeof *of.ax * ti.rank);
  memcpy(rest.ax, at->ax + ti.rank, sizeof *rest.ax * (size_t)(t.rank - 1));
  GenRows r = gen_rows(g, gen_at(g, fr, index, &of), t.dim[0]);
  if (!r.lane) {
    Idx to = {.axes = true, .ax = {LLVMBuildSExt(g->e->b, r.row[0], g->e->i64, "")}};
    memcpy(to.ax + 1, rest.ax, sizeof *to.ax * (size_t)(t.rank - 1));
    return gen_or_nan(g, &r, gen_at(g, fr, x, &to));
  }
  if (plan_affine(fr->p, x, &a)) return gen_or_nan(g, &r, pick(g, fr, &a, t, &r, rest.ax));
  return gen_or_nan(g, &r, lane_by_lane(g, fr, x, &r, &rest, t.rank - 1));
}

CgVec gen_setrow(Gen *g, Frame *fr, const Inst *i, Idx *at) {
  const Fn *f = fr->p->f;
  Idx scalar = {.axes = true, .lin = cg_i64(g->e, 0)}, rest = {.axes = true};
  gen_axes(g, i->type, at);
  memcpy(rest.ax, at->ax + 1, sizeof *rest.ax * (size_t)(i->type.rank - 1));
  if (i->type.rank == 1) rest.lin = cg_i64(g->e, 0);
  GenRows r = gen_rows(g, gen_at(g, fr, ir_arg(f, i, 1), &scalar), i->type.dim[0]);
  CgVec v = gen_at(g, fr, ir_arg(f, i, 2), &rest), x = gen_at(g, fr, ir_arg(f, i, 0), at);
  return gen_or_nan(g, &r, where_row(g, &r, at->ax[0], v, x));
}

/* c where the index is row k, 0 elsewhere; where it is no row, NaN unless c is 0. */
static CgVec added_to_row(Gen *g, const GenRows *r, LLVMValueRef k, CgVec c) {
  CgEmit *e = g->e;
  CgVec zero = gen_real(g, 0, false), x = where_row(g, r, k, c, zero);
  c = gen_lanes(g, (Type){.lane = x.lane}, c);
  for (unsigned v = 0; v < (x.lane ? e->nv : 1); v++) {
    unsigned lanes = x.lane ? e->vl : 1;
    LLVMValueRef none = cg_real(e, 0, lanes), some = LLVMBuildFCmp(e->b, LLVMRealUNE, c.v[v], none, "");
    LLVMValueRef lost = LLVMBuildSelect(e->b, some, cg_real(e, NAN, lanes), none, "");
    x.v[v] = LLVMBuildSelect(e->b, r->valid[r->lane ? v : 0], x.v[v], lost, "");
  }
  return x;
}

/* Of few indices: what each of them adds to this row. */
CgVec gen_scatter_few(Gen *g, Frame *fr, const Inst *i, Idx *at) {
  const Fn *f = fr->p->f;
  Val c = ir_arg(f, i, 0), index = ir_arg(f, i, 1);
  Type tc = ir_type(f, c), ti = ir_type(f, index);
  CgVec sum = gen_real(g, 0, false);
  gen_axes(g, i->type, at);
  for (int64_t k = 0; k < type_count(ti); k++) {
    Idx of = gen_const_idx(g, ti, k), from = {.axes = true, .lin = tc.rank ? NULL : cg_i64(g->e, 0)};
    memcpy(from.ax, of.ax, sizeof *from.ax * ti.rank);
    memcpy(from.ax + ti.rank, at->ax + 1, sizeof *from.ax * (size_t)(tc.rank - ti.rank));
    GenRows r = gen_rows(g, gen_at(g, fr, index, &of), i->type.dim[0]);
    CgVec y = added_to_row(g, &r, at->ax[0], gen_at(g, fr, c, &from));
    sum = k ? gen_ew(g, OP_add, (CgVec[]){sum, y}, 2, true) : y;
  }
  return sum;
}
