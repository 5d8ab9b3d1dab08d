/* A map whose turns are the lanes of vectors (plan_turns.c).
 *
 *   what is shared        numbers, read once
 *   for each `vl` turns   rows of what is mapped over, turned into a vector a number; the body; rows of results, turned back
 *   after them            sums over lanes, several in one tree
 *
 * Of the last vector only the turns that there are count: others are not stored, and add 0. */
#include "codegen/gen/gen_priv.h"

#include <string.h>

enum { WIDE = 64 }; /* lanes of a vector, numbers of a row: at most */

typedef struct Turns {
  Frame *fr, *body;
  const Inst *i;
  ScanShape s;
  unsigned vl;
  CgVec **sum;         /* by zs: one for each element; NULL: nobody reads them */
  uint32_t nsum;       /* vectors, in all */
  LLVMValueRef *y, *z; /* where results lie, or NULL */
} Turns;

/* ---- lanes and elements ---------------------------------------------------------------------------------------------- */

typedef struct Entry {
  Entered was;
  unsigned tile;
} Entry;

/* From here on a number is a vector of turns. */
static Entry enter(Gen *g, const Turns *t) {
  Entry e = {gen_enter(g, &gen_element_reader, t->vl), g->e->tile};
  g->e->tile = t->vl;
  return e;
}

static void leave(Gen *g, Entry e) {
  g->e->tile = e.tile;
  gen_leave(g, e.was);
}

/* Lane l is lane at[l] of vector which[l]. */
static LLVMValueRef picked(CgEmit *e, const LLVMValueRef *from, unsigned n, const unsigned *which, const unsigned *at,
                           unsigned vl) {
  LLVMValueRef x = NULL;
  bool done[WIDE] = {false};
  for (unsigned k = 0; k < n; k++) {
    int mask[WIDE];
    bool any = false;
    for (unsigned l = 0; l < vl; l++) any |= which[l] == k;
    if (!any) continue;
    for (unsigned l = 0; l < vl; l++) mask[l] = which[l] == k ? (int)(x ? vl + at[l] : at[l]) : done[l] ? (int)l : -1;
    x = cg_shuffle(e, x ? x : from[k], x ? from[k] : LLVMGetPoison(LLVMTypeOf(from[k])), mask, vl);
    for (unsigned l = 0; l < vl; l++) done[l] |= which[l] == k;
  }
  return x;
}

/* n vectors whose elements are rows of n numbers, to one vector a number; or back. */
static void transposed(CgEmit *e, LLVMValueRef *v, unsigned n, unsigned vl, bool back) {
  LLVMValueRef out[WIDE];
  unsigned which[WIDE], at[WIDE];
  for (unsigned k = 0; k < n; k++) {
    for (unsigned l = 0; l < vl; l++) {
      const unsigned flat = back ? k * vl + l : l * n + k;
      which[l] = back ? flat % n : flat / vl;
      at[l] = back ? flat / n : flat % vl;
    }
    out[k] = picked(e, v, n, which, at, vl);
  }
  memcpy(v, out, sizeof *v * n);
}

/* Of vector k of those that `turns` rows of n numbers fill. */
static unsigned part_of(unsigned turns, unsigned n, unsigned k, unsigned vl) {
  const unsigned all = turns * n, from = k * vl;
  return all <= from ? 0 : all - from < vl ? all - from : vl;
}

/* ---- what is read ------------------------------------------------------------------------------------------------------ */

/* Numbers of one row side by side, rows too; or the same number of all rows. */
static bool in_rows(const Affine *a, Type row, bool *columns) {
  int64_t n = type_count(row), s = 1;
  *columns = a->stride[0] == 1 && n > 1;
  if (*columns) return true;
  for (int k = row.rank; k-- > 0; s *= row.dim[k])
    if (row.dim[k] > 1 && a->stride[k + 1] != s) return false;
  return a->stride[0] == n;
}

static int64_t column(const Affine *a, Type row, int64_t element) {
  int64_t off = 0;
  for (int k = row.rank; k-- > 0; element /= row.dim[k]) off += element % row.dim[k] * a->stride[k + 1];
  return off;
}

static bool from_memory(Gen *g, const Turns *t, Val outer, Type row, LLVMValueRef turn, unsigned part, LLVMValueRef *x) {
  Affine a;
  bool columns;
  int64_t unit;
  LLVMValueRef ld;
  const unsigned n = (unsigned)type_count(row);
  if (!plan_affine(t->fr->p, outer, &a) || !in_rows(&a, row, &columns)) return false;
  LLVMValueRef p = gen_affine(g, t->fr, &a, &ld);
  if (!cg_is_int(ld, &unit) || unit != 1) return false;
  p = cg_gep(g->e, p, cg_imul(g->e, turn, cg_i64(g->e, a.stride[0])));
  for (unsigned k = 0; k < n; k++) {
    const unsigned some = columns ? part : part_of(part, n, k, t->vl);
    LLVMValueRef q = cg_gep(g->e, p, cg_i64(g->e, columns ? column(&a, row, k) : (int64_t)k * t->vl));
    x[k] = some ? g->kernel->load(g->e, false, q, t->vl, some) : cg_real(g->e, 0, t->vl);
  }
  if (!columns && n > 1) transposed(g->e, x, n, t->vl, false);
  return true;
}

/* Element k of a turn, wherever it comes from. */
static LLVMValueRef number_of(Gen *g, const Turns *t, Val outer, Type row, LLVMValueRef turn, int64_t k) {
  Idx in = gen_const_idx(g, row, k), at = {.axes = true};
  at.ax[0] = turn;
  memcpy(at.ax + 1, in.ax, sizeof *in.ax * row.rank);
  return gen_at(g, t->fr, outer, &at).v[0];
}

static void by_lanes(Gen *g, const Turns *t, Val outer, Type row, LLVMValueRef turn, unsigned part, LLVMValueRef *x) {
  for (int64_t k = 0; k < type_count(row); k++) {
    LLVMValueRef one = NULL;
    for (unsigned l = 0; l < t->vl; l++) {
      if (l < part) one = number_of(g, t, outer, row, cg_iadd(g->e, turn, cg_i64(g->e, l)), k);
      if (!l) x[k] = LLVMGetPoison(LLVMVectorType(LLVMTypeOf(one), t->vl));
      x[k] = LLVMBuildInsertElement(g->e->b, x[k], one, cg_i32(g->e, (int32_t)l), "");
    }
  }
}

static void read_rows(Gen *g, const Turns *t, uint32_t k, Val in, LLVMValueRef turn, unsigned part) {
  LLVMValueRef x[WIDE];
  const Val outer = ir_arg(t->fr->p->f, t->i, k);
  const Type row = ir_type(t->body->p->f, in);
  if (row.dt != DT_REAL || !from_memory(g, t, outer, row, turn, part, x)) by_lanes(g, t, outer, row, turn, part, x);
  for (int64_t n = 0; n < type_count(row); n++) gen_ssa_set(g, t->body, in, n, (CgVec){.v = {x[n]}, .lane = true});
}

static void read_shared(Gen *g, const Turns *t, uint32_t k, Val in) {
  const Val outer = ir_arg(t->fr->p->f, t->i, k);
  const Type type = ir_type(t->body->p->f, in);
  for (int64_t n = 0; n < type_count(type); n++) {
    Idx at = gen_const_idx(g, type, n);
    gen_ssa_set(g, t->body, in, n, (CgVec){.v = {gen_at(g, t->fr, outer, &at).v[0]}, .lane = false});
  }
}

static void read_inputs(Gen *g, const Turns *t, bool rows, LLVMValueRef turn, unsigned part) {
  const Fn *f = t->body->p->f;
  for (uint32_t v = 1; v < f->inst.n; v++) {
    if (f->inst.at[v].op != OP_in || !t->body->p->live[v]) continue;
    const uint32_t k = ir_number(f, &f->inst.at[v]);
    if (rows != (k < t->s.xs)) continue;
    if (rows) read_rows(g, t, k, (Val){v}, turn, part);
    else read_shared(g, t, k, (Val){v});
  }
}

/* ---- results ------------------------------------------------------------------------------------------------------------ */

static LLVMValueRef result(Gen *g, const Turns *t, Val out, int64_t k) {
  const Type type = ir_type(t->body->p->f, out);
  Idx at = gen_const_idx(g, type, k);
  return gen_lanes(g, (Type){.lane = true}, gen_at(g, t->body, out, &at)).v[0];
}

static void stack(Gen *g, const Turns *t, uint32_t y, LLVMValueRef turn, unsigned part) {
  LLVMValueRef x[WIDE];
  const Val out = t->body->p->f->out.at[y];
  const unsigned n = (unsigned)type_count(ir_type(t->body->p->f, out));
  for (unsigned k = 0; k < n; k++) x[k] = result(g, t, out, k);
  if (n > 1) transposed(g->e, x, n, t->vl, true);
  LLVMValueRef p = cg_gep(g->e, t->y[y], cg_imul(g->e, turn, cg_i64(g->e, n)));
  for (unsigned k = 0; k < n; k++) {
    const unsigned some = part_of(part, n, k, t->vl);
    if (some) g->kernel->store(g->e, false, x[k], cg_gep(g->e, p, cg_i64(g->e, (int64_t)k * t->vl)), t->vl, some);
  }
}

static void add(Gen *g, const Turns *t, uint32_t z, unsigned part) {
  const Val out = t->body->p->f->out.at[t->s.ys + z];
  for (int64_t k = 0; k < type_count(ir_type(t->body->p->f, out)); k++) {
    CgVec x = {.v = {result(g, t, out, k)}, .lane = true};
    if (part < t->vl) {
      LLVMValueRef here[WIDE];
      for (unsigned l = 0; l < t->vl; l++) here[l] = LLVMConstInt(g->e->i1, l < part, 0);
      x.v[0] = LLVMBuildSelect(g->e->b, LLVMConstVector(here, t->vl), x.v[0], cg_real(g->e, 0, t->vl), "");
    }
    CgVec *to = &t->sum[z][k];
    *to = to->v[0] ? gen_ew(g, OP_add, (CgVec[]){*to, x}, 2, true) : x;
  }
}

/* Sums of the lanes of n vectors, a power of two and at most vl, side by side. */
static LLVMValueRef sums_of(CgEmit *e, LLVMValueRef *v, unsigned n, unsigned vl) {
  int even[WIDE], odd[WIDE];
  for (unsigned each = 1; n > 1; n /= 2, each *= 2) {
    for (unsigned l = 0; l < vl; l++) {
      const unsigned block = l / each, from = block / 2 * 2 * each + l % each, of = block % 2 * vl;
      even[l] = (int)(from + of), odd[l] = (int)(from + of + each);
    }
    for (unsigned k = 0; k < n / 2; k++) {
      LLVMValueRef a = cg_shuffle(e, v[2 * k], v[2 * k + 1], even, vl), b = cg_shuffle(e, v[2 * k], v[2 * k + 1], odd, vl);
      v[k] = LLVMBuildFAdd(e->b, a, b, "");
    }
  }
  return v[0];
}

/* Halves of a vector that has n sums over and over added. */
static LLVMValueRef halved(CgEmit *e, LLVMValueRef v, unsigned n, unsigned vl) {
  int lo[WIDE], hi[WIDE];
  LLVMValueRef none = LLVMGetPoison(LLVMTypeOf(v));
  for (; vl > n; vl /= 2) {
    for (unsigned l = 0; l < vl / 2; l++) lo[l] = (int)l, hi[l] = (int)(l + vl / 2);
    none = LLVMGetPoison(LLVMTypeOf(v));
    v = LLVMBuildFAdd(e->b, cg_shuffle(e, v, none, lo, vl / 2), cg_shuffle(e, v, none, hi, vl / 2), "");
  }
  return v;
}

static void close_sums(Gen *g, const Turns *t, uint32_t z) {
  const unsigned all = (unsigned)type_count(ir_type(t->body->p->f, t->body->p->f->out.at[t->s.ys + z]));
  for (unsigned from = 0, n; from < all; from += n) {
    LLVMValueRef v[WIDE];
    unsigned some = 1;
    n = all - from < t->vl ? all - from : t->vl;
    while (some < n) some *= 2;
    for (unsigned k = 0; k < some; k++) v[k] = k < n ? t->sum[z][from + k].v[0] : cg_real(g->e, 0, t->vl);
    LLVMValueRef x = halved(g->e, sums_of(g->e, v, some, t->vl), some, t->vl), to = cg_gep(g->e, t->z[z], cg_i64(g->e, from));
    if (some == 1) x = LLVMBuildExtractElement(g->e->b, x, cg_i32(g->e, 0), "");
    g->kernel->store(g->e, false, x, to, some, n);
  }
}

/* ---- the map -------------------------------------------------------------------------------------------------------------- */

static void some_turns(Gen *g, Turns *t, LLVMValueRef turn, unsigned part) {
  gen_forget(g);
  read_inputs(g, t, true, turn, part);
  gen_forget(g);
  const Entry was = enter(g, t);
  gen_groups(g, t->body, SEC_TILE);
  for (uint32_t y = 0; y < t->s.ys; y++)
    if (t->y[y]) stack(g, t, y, turn, part);
  for (uint32_t z = 0; z < t->s.zs; z++)
    if (t->sum[z]) add(g, t, z, part);
  gen_forget(g);
  leave(g, was);
}

static CgVec *sum_at(const Turns *t, uint32_t number) {
  for (uint32_t z = 0; z < t->s.zs; z++) {
    const uint32_t n = t->sum[z] ? (uint32_t)type_count(ir_type(t->body->p->f, t->body->p->f->out.at[t->s.ys + z])) : 0;
    if (number < n) return &t->sum[z][number];
    number -= n;
  }
  base_fault("codegen: a map has fewer sums");
}

static void rolled(Gen *g, Turns *t, int64_t turns) {
  CgLoop *loop = base_realloc(NULL, sizeof *loop);
  cg_loop_begin(g->e, loop, cg_i64(g->e, 0), cg_i64(g->e, turns), t->vl);
  for (uint32_t k = 0; k < t->nsum; k++)
    *sum_at(t, k) = (CgVec){.v = {cg_loop_phi(g->e, loop, cg_real(g->e, 0, t->vl))}, .lane = true};
  some_turns(g, t, loop->iv, t->vl);
  for (uint32_t k = 0; k < t->nsum; k++) cg_loop_next(loop, k, sum_at(t, k)->v[0]);
  cg_loop_end(g->e, loop);
  for (uint32_t k = 0; k < t->nsum; k++) *sum_at(t, k) = (CgVec){.v = {loop->next[k]}, .lane = true};
  base_free(loop);
}

static LLVMValueRef place(Gen *g, const Turns *t, uint32_t k) {
  LLVMValueRef base, ld;
  const Val r = plan_result(t->fr->p, (Val){(uint32_t)(t->i - t->fr->p->f->inst.at)}, k);
  if (!r.id) return NULL;
  gen_memory(g, t->fr, r, &base, &ld);
  return base;
}

void gen_turns(Gen *g, Frame *fr, const Group *gr) {
  Turns t = {.fr = fr, .body = gen_frame(g, gr->body, fr), .i = ir_inst(fr->p->f, gr->main), .vl = gr->body->form.vl};
  t.s = ir_scan_shape(fr->p->f, t.i);
  t.body->of = fr->of ? t.body : NULL; /* it begins here */
  t.y = ARENA_ARRAY(g->mem, LLVMValueRef, t.s.ys + 1), t.z = ARENA_ARRAY(g->mem, LLVMValueRef, t.s.zs + 1);
  t.sum = ARENA_ARRAY(g->mem, CgVec *, t.s.zs + 1);
  for (uint32_t y = 0; y < t.s.ys; y++) t.y[y] = place(g, &t, y);
  for (uint32_t z = 0; z < t.s.zs; z++) {
    const int64_t n = type_count(ir_type(gr->body->f, gr->body->f->out.at[t.s.ys + z]));
    t.z[z] = place(g, &t, t.s.ys + z);
    if (t.z[z]) t.sum[z] = ARENA_ARRAY(g->mem, CgVec, n), t.nsum += (uint32_t)n;
  }
  gen_forget(g);
  read_inputs(g, &t, false, NULL, 0);
  const int64_t whole = t.s.n / t.vl * t.vl;
  int64_t turn = 0;
  if (whole / t.vl > g->tune->turns_written) rolled(g, &t, turn = whole);
  for (; turn < whole; turn += t.vl) some_turns(g, &t, cg_i64(g->e, turn), t.vl);
  if (turn < t.s.n) some_turns(g, &t, cg_i64(g->e, turn), (unsigned)(t.s.n - turn));
  for (uint32_t z = 0; z < t.s.zs; z++)
    if (t.z[z]) close_sums(g, &t, z);
  gen_forget(g);
}
