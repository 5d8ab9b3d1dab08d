/* Sums over the orders of a series (`cauchy`): x_j y_{k-j} over j = 1 ... k-1, or j/k times that.
 *
 * Sums of one k that read the same series are made in one loop, which loads each of them once. It goes over j <= k/2 and takes the
 * terms j and k-j; those in the middle of an even k are the same, come first, and are halved. Of x_j x_{k-j} they are the same for any j:
 * one is taken, twice. Last come those with what the order before brought, for which the loop need not wait. */
#include "codegen/element/element.h"

#include <math.h>
#include <string.h>

enum { LABELS = 64 };

/* A sum at one place of its result. */
typedef struct Sum1 {
  const Inst *i;
  Idx at;
  bool weighted, square, plain; /* plain: elements side by side in both series and in the result */
  LLVMValueRef by[LABELS];
  int64_t size[LABELS], inner[2 * IR_MAX_RANK], terms;
  int ninner;
} Sum1;

typedef struct Turn {
  Gen *g;
  Frame *fr;
  LLVMValueRef j, rest; /* i64 */
  CgVec wj, wrest;      /* the same as reals, of weighted sums */
} Turn;

/* ---- one sum ------------------------------------------------------------------------------------------------------ */

static const int64_t *labels(const Fn *f, const Inst *i) { return f->attr.at + i->attr + 3; }

static bool square(const Plan *p, const Inst *i) {
  const int64_t *l = labels(p->f, i), na = ir_cauchy_attr(p->f, i).na;
  return plan_root(p, ir_arg(p->f, i, 0)).id == plan_root(p, ir_arg(p->f, i, 1)).id && na == ir_cauchy_attr(p->f, i).nb &&
         !memcmp(l, l + na, sizeof *l * (size_t)na);
}

static void open_sum(Gen *g, Frame *fr, Val v, const Idx *at, Sum1 *s) {
  const Fn *f = fr->p->f;
  const Inst *i = ir_inst(f, v);
  const int64_t *label = labels(f, i);
  const int na = (int)ir_cauchy_attr(f, i).na, nb = (int)ir_cauchy_attr(f, i).nb;
  *s = (Sum1){.i = i, .at = *at, .terms = 1, .square = square(fr->p, i), .plain = plan_cauchy_plain(f, i)};
  s->weighted = ir_cauchy_attr(f, i).weighted;
  if (s->plain) {
    gen_lin(g, i->type, &s->at);
    return;
  }
  gen_axes(g, i->type, &s->at);
  for (int k = 0; k < i->type.rank; k++) s->by[label[na + nb + k]] = s->at.ax[k];
  for (int k = 0; k < na + nb; k++) {
    const int64_t l = label[k];
    if (s->by[l] || s->size[l]) continue;
    s->size[l] = k < na ? ir_type(f, ir_arg(f, i, 0)).dim[k + 1] : ir_type(f, ir_arg(f, i, 1)).dim[k - na + 1];
    s->inner[s->ninner++] = l, s->terms *= s->size[l];
  }
}

/* Row j of an operand, for term `term` of what is summed over within it. */
static CgVec row_of(Gen *g, Frame *fr, Sum1 *s, int operand, LLVMValueRef j, int64_t term) {
  const Fn *f = fr->p->f;
  const Val v = ir_arg(f, s->i, (uint32_t)operand);
  Idx to = {.axes = true, .ax = {j}};
  if (s->plain) {
    const int rank = s->i->type.rank;
    LLVMValueRef row = cg_imul(g->e, j, cg_i64(g->e, type_count(s->i->type)));
    to.lin = rank ? cg_iadd(g->e, row, s->at.lin) : j;
    to.axes = rank == 0 || s->at.axes || rank == 1;
    if (rank == 1) to.ax[1] = s->at.axes ? s->at.ax[0] : s->at.lin;
    else if (rank) memcpy(to.ax + 1, s->at.ax, sizeof *to.ax * (size_t)rank);
    return gen_at(g, fr, v, &to);
  }
  const int na = (int)ir_cauchy_attr(f, s->i).na, n = operand ? (int)ir_cauchy_attr(f, s->i).nb : na;
  const int64_t *label = labels(f, s->i) + (operand ? na : 0);
  for (int k = s->ninner; k-- > 0; term /= s->size[s->inner[k]]) s->by[s->inner[k]] = cg_i64(g->e, term % s->size[s->inner[k]]);
  for (int k = 0; k < n; k++) to.ax[k + 1] = s->by[label[k]];
  return gen_at(g, fr, v, &to);
}

/* sum + w x_j y_rest */
static CgVec term(const Turn *t, Sum1 *s, LLVMValueRef j, LLVMValueRef rest, CgVec w, int64_t n, CgVec sum) {
  CgVec x = row_of(t->g, t->fr, s, 0, j, n), y = row_of(t->g, t->fr, s, 1, rest, n);
  if (s->weighted && !s->square) x = gen_ew(t->g, OP_mul, (CgVec[]){x, w}, 2, x.lane);
  return gen_fma(t->g, x, y, sum);
}

static CgVec terms(const Turn *t, Sum1 *s, CgVec sum) {
  for (int64_t n = 0; n < s->terms; n++) {
    sum = term(t, s, t->j, t->rest, t->wj, n, sum);
    if (!s->square) sum = term(t, s, t->rest, t->j, t->wrest, n, sum);
  }
  return sum;
}

/* ---- a loop for several ------------------------------------------------------------------------------------------- */

static LLVMValueRef real_of(Gen *g, LLVMValueRef n) { return LLVMBuildSIToFP(g->e->b, n, cg_real_type(g->e, 1), ""); }
static bool is_lane(const Gen *g, const Sum1 *s) { return s->i->type.lane || (g->reader->along && s->i->type.rank > 0); }

static void open_phis(Gen *g, CgLoop *l, CgVec *sum, uint32_t n) {
  for (uint32_t k = 0; k < n; k++)
    for (unsigned v = 0; v < (sum[k].lane ? g->e->nv : 1); v++) sum[k].v[v] = cg_loop_phi(g->e, l, sum[k].v[v]);
}

/* What sums are at the end of a turn, or, `after` the loop, of the last. */
static void close_phis(Gen *g, CgLoop *l, CgVec *sum, uint32_t n, bool after) {
  unsigned phi = 0;
  for (uint32_t k = 0; k < n; k++)
    for (unsigned v = 0; v < (sum[k].lane ? g->e->nv : 1); v++, phi++)
      if (after) sum[k].v[v] = l->next[phi];
      else cg_loop_next(l, phi, sum[k].v[v]);
}

/* So many turns from j down. What is read in them is forgotten behind them. */
static void turns_from(Turn *t, Sum1 *s, CgVec *sum, uint32_t n, LLVMValueRef j, LLVMValueRef turns, LLVMValueRef order) {
  Gen *g = t->g;
  CgEmit *e = g->e;
  CgLoop *l = base_realloc(NULL, sizeof *l);
  Memo *memo = g->memo;
  const uint32_t nmemo = g->nmemo, size = g->memo_size;
  g->memo = NULL, g->nmemo = g->memo_size = 0;
  cg_loop_begin_if(e, l, LLVMBuildICmp(e->b, LLVMIntSGT, turns, cg_i64(e, 0), ""), cg_i64(e, 0), turns, 1);
  open_phis(g, l, sum, n);
  t->j = LLVMBuildSub(e->b, j, l->iv, ""), t->rest = LLVMBuildSub(e->b, order, t->j, "");
  t->wj = (CgVec){.v = {real_of(g, t->j)}}, t->wrest = (CgVec){.v = {real_of(g, t->rest)}};
  for (uint32_t k = 0; k < n; k++) sum[k] = gen_lanes(g, (Type){.lane = sum[k].lane}, terms(t, &s[k], sum[k]));
  close_phis(g, l, sum, n, false);
  cg_loop_end(e, l);
  close_phis(g, l, sum, n, true);
  base_free(l);
  base_free(g->memo);
  g->memo = memo, g->nmemo = nmemo, g->memo_size = size;
}

/* 1/k, of an order that is 0 no matter what. */
static CgVec inverse(Gen *g, LLVMValueRef order) {
  LLVMValueRef one = cg_i64(g->e, 1), some = LLVMBuildICmp(g->e->b, LLVMIntSGT, order, one, "");
  LLVMValueRef k = real_of(g, LLVMBuildSelect(g->e->b, some, order, one, ""));
  return (CgVec){.v = {LLVMBuildFDiv(g->e->b, cg_real(g->e, 1, 1), k, "")}};
}

/* j/k of what was summed with j. Weights of the two terms of a square are 1 together. */
static void weigh(Gen *g, const Sum1 *s, CgVec *sum, uint32_t n, CgVec by) {
  for (uint32_t k = 0; k < n; k++) {
    CgVec w = s[k].square ? gen_real(g, 0.5, false) : by;
    if (s[k].weighted) sum[k] = gen_ew(g, OP_mul, (CgVec[]){sum[k], w}, 2, sum[k].lane);
  }
}

static void scale(Gen *g, CgVec *sum, double w) { *sum = gen_ew(g, OP_mul, (CgVec[]){*sum, gen_real(g, w, false)}, 2, sum->lane); }

/* Of one order, which is not negative: a loop for the term in the middle, and for the others. */
static void sums(Gen *g, Frame *fr, Sum1 *s, CgVec *sum, uint32_t n, LLVMValueRef order) {
  CgEmit *e = g->e;
  Turn t = {.g = g, .fr = fr};
  LLVMValueRef one = cg_i64(e, 1), none = cg_i64(e, 0), middle = LLVMBuildAShr(e->b, order, one, "");
  LLVMValueRef below = LLVMBuildAShr(e->b, cg_iadd(e, order, cg_i64(e, -1)), one, ""); /* how many j > 0 have 2 j < k */
  LLVMValueRef some = LLVMBuildICmp(e->b, LLVMIntSGT, order, none, "");
  LLVMValueRef even = LLVMBuildSelect(e->b, some, LLVMBuildSub(e->b, middle, below, ""), none, "");
  bool weighted = false;
  for (uint32_t k = 0; k < n; k++) weighted |= s[k].weighted && !s[k].square;
  const CgVec by = weighted ? inverse(g, order) : (CgVec){{0}};
  for (uint32_t k = 0; k < n; k++) sum[k] = gen_lanes(g, (Type){.lane = is_lane(g, &s[k])}, gen_real(g, 0, false));
  if (n * e->nv <= g->tune->series_twice) {
    turns_from(&t, s, sum, n, middle, even, order);
    for (uint32_t k = 0; k < n; k++) scale(g, &sum[k], 0.5);
    turns_from(&t, s, sum, n, below, below, order);
  } else {
    CgLoop *l = base_realloc(NULL, sizeof *l);
    cg_loop_begin(e, l, none, cg_i64(e, 2), 1);
    open_phis(g, l, sum, n);
    for (uint32_t k = 0; k < n; k++) scale(g, &sum[k], 0.5);
    LLVMValueRef first = LLVMBuildICmp(e->b, LLVMIntEQ, l->iv, none, "");
    LLVMValueRef turns = LLVMBuildSelect(e->b, first, even, below, "");
    turns_from(&t, s, sum, n, LLVMBuildSelect(e->b, first, middle, below, ""), turns, order);
    close_phis(g, l, sum, n, false);
    cg_loop_end(e, l);
    close_phis(g, l, sum, n, true);
    base_free(l);
  }
  for (uint32_t k = 0; k < n; k++)
    if (s[k].square) scale(g, &sum[k], 2);
  weigh(g, s, sum, n, by);
}

static void all_sums(Gen *g, Frame *fr, Sum1 *s, CgVec *out, uint32_t n) {
  const Fn *f = fr->p->f;
  const Val index = ir_arg(f, s->i, 2);
  const int64_t rows = ir_type(f, ir_arg(f, s->i, 0)).dim[0] + 1;
  LLVMValueRef order;
  if (gen_counted(g, fr, index, rows, &order)) {
    sums(g, fr, s, out, n, order);
    return;
  }
  Idx scalar = {.axes = true, .lin = cg_i64(g->e, 0)};
  Entered was = {0};
  if (g->reader->along) was = gen_enter(g, &gen_element_reader, 1);
  GenRows r = gen_rows(g, gen_at(g, fr, index, &scalar), rows);
  if (was.reader) gen_leave(g, was);
  order = LLVMBuildSExt(g->e->b, r.row[0], g->e->i64, "");
  sums(g, fr, s, out, n, order);
  for (uint32_t k = 0; k < n; k++) {
    for (unsigned v = 0; v < (out[k].lane ? g->e->nv : 1); v++) {
      LLVMValueRef none = cg_real(g->e, NAN, out[k].lane ? g->e->vl : 1);
      out[k].v[v] = LLVMBuildSelect(g->e->b, r.valid[0], out[k].v[v], none, "");
    }
  }
}

CgVec gen_cauchy(Gen *g, Frame *fr, Val v, Idx *at) {
  Sum1 *s = base_realloc(NULL, sizeof *s);
  CgVec out;
  open_sum(g, fr, v, at, s);
  all_sums(g, fr, s, &out, 1);
  base_free(s);
  return out;
}

/* ---- which go together -------------------------------------------------------------------------------------------------- */

/* Not made in the group that is being written. */
static bool ahead(const Gen *g, const Frame *fr, Val v) {
  const Val r = plan_root(fr->p, v);
  const PVal *q = &fr->p->val[r.id];
  const bool made = q->cls == PC_SSA || q->cls == PC_POINT || q->cls == PC_BUF;
  return !made || q->group != g->group;
}

static bool may_go_ahead(const Gen *g, const Frame *fr, Val v) {
  const Inst *i = ir_inst(fr->p->f, v);
  if (i->op != OP_cauchy) return false;
  for (uint32_t k = 0; k < 3; k++)
    if (!ahead(g, fr, ir_arg(fr->p->f, i, k))) return false;
  return true;
}

static bool same_order(const Plan *p, const Inst *a, const Inst *b) {
  return plan_root(p, ir_arg(p->f, a, 2)).id == plan_root(p, ir_arg(p->f, b, 2)).id &&
         ir_type(p->f, ir_arg(p->f, a, 0)).dim[0] == ir_type(p->f, ir_arg(p->f, b, 0)).dim[0];
}

static bool share(const Plan *p, const Inst *a, const Inst *b) {
  for (uint32_t k = 0; k < 2; k++)
    for (uint32_t n = 0; n < 2; n++)
      if (plan_root(p, ir_arg(p->f, a, k)).id == plan_root(p, ir_arg(p->f, b, n)).id) return true;
  return false;
}

/* Values whose sums are made with that of `first`: those that read what one of them reads, then others that follow, as many as `room`
 * has registers for; a value takes `each`. */
typedef VEC(Val) Vals;
static void together(const Gen *g, const Frame *fr, const Val *v, uint32_t n, const bool *done, unsigned room, Vals *out) {
  const Plan *p = fr->p;
  const Inst *first = ir_inst(p->f, v[0]);
  bool *in = base_zeroed(n, sizeof *in);
  *vec_push(out) = v[0], in[0] = true;
  unsigned taken = (unsigned)type_count(first->type);
  for (bool sharing = true, more = true; more;) {
    more = false;
    for (uint32_t k = 1; k < n; k++) {
      const Inst *i = ir_inst(p->f, v[k]);
      const unsigned each = (unsigned)type_count(i->type);
      if (in[k] || done[k] || taken + each > room || !may_go_ahead(g, fr, v[k]) || !same_order(p, first, i)) continue;
      bool shares = !sharing;
      for (uint32_t m = 0; m < out->n && !shares; m++) shares = share(p, ir_inst(p->f, out->at[m]), i);
      if (!shares) continue;
      *vec_push(out) = v[k], in[k] = more = true, taken += each;
      if (!sharing) break;
    }
    if (!more && sharing) sharing = false, more = true;
    else if (more) sharing = true;
  }
  base_free(in);
}

static unsigned room_for_sums(const Gen *g, const Frame *fr) {
  return fr->p->target->regs * g->tune->series_eighths / 8 / g->e->nv;
}

void gen_cauchy_tiny(Gen *g, Frame *fr, const Val *v, uint32_t n, bool *done) {
  Vals all = {0};
  if (may_go_ahead(g, fr, v[0])) together(g, fr, v, n, done, room_for_sums(g, fr), &all);
  else *vec_push(&all) = v[0];
  uint32_t count = 0, at = 0;
  for (uint32_t k = 0; k < all.n; k++) count += (uint32_t)type_count(ir_type(fr->p->f, all.at[k]));
  Sum1 *s = base_realloc(NULL, sizeof *s * (count + 1));
  CgVec *out = base_realloc(NULL, sizeof *out * (count + 1));
  for (uint32_t k = 0; k < all.n; k++)
    for (int64_t c = 0; c < type_count(ir_type(fr->p->f, all.at[k])); c++) {
      Idx to = gen_const_idx(g, ir_type(fr->p->f, all.at[k]), c);
      open_sum(g, fr, all.at[k], &to, &s[at++]);
    }
  if (count) all_sums(g, fr, s, out, count);
  for (uint32_t k = 0, c = 0; k < all.n; k++) {
    for (int64_t m = 0; m < type_count(ir_type(fr->p->f, all.at[k])); m++) gen_ssa_set(g, fr, all.at[k], m, out[c++]);
    gen_ssa_store(g, fr, all.at[k]);
    for (uint32_t m = 0; m < n; m++) done[m] |= v[m].id == all.at[k].id;
  }
  base_free(s), base_free(out), vec_free(&all);
}

void gen_cauchy_members(Gen *g, Frame *fr, const Group *gr, Idx *at) {
  const Fn *f = fr->p->f;
  const unsigned room = room_for_sums(g, fr);
  Sum1 *s = NULL;
  Vals v = {0};
  for (uint32_t m = 0; m < gr->member.n && v.n < room; m++) {
    const Inst *i = ir_inst(f, gr->member.at[m]);
    bool same = i->op == OP_cauchy && i->type.rank == gr->rank && may_go_ahead(g, fr, gr->member.at[m]);
    for (uint32_t k = 0; same && k < gr->rank; k++) same = i->type.dim[k] == gr->dim[k];
    if (!same || (v.n && !same_order(fr->p, ir_inst(f, v.at[0]), i))) continue;
    if (g->reader->along && !plan_cauchy_plain(f, i)) continue;
    *vec_push(&v) = gr->member.at[m];
  }
  if (v.n > 1) {
    CgVec *out = base_realloc(NULL, sizeof *out * v.n);
    s = base_realloc(NULL, sizeof *s * v.n);
    for (uint32_t k = 0; k < v.n; k++) open_sum(g, fr, v.at[k], at, &s[k]);
    all_sums(g, fr, s, out, v.n);
    for (uint32_t k = 0; k < v.n; k++) gen_remember(g, fr, v.at[k], at, out[k]);
    base_free(out);
  }
  base_free(s), vec_free(&v);
}
