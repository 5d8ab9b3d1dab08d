/* Products of one sample, or of shared values: vectors run along elements. */
#include "codegen/gen/gen_priv.h"

#include <stdlib.h>

/* ---- a matrix times a vector ---------------------------------------------------------------------------------------- */

void gen_gemv(Gen *g, Frame *fr, const Group *gr) {
  Dot d;
  GemmShape m;
  LLVMValueRef ld;
  Type t = ir_type(fr->p->f, gr->main);
  plan_dot(fr->p->f, ir_inst(fr->p->f, gr->main), &d);
  if (!plan_gemv(fr->p, &d, &m)) base_fault("codegen: a product lost its shape");
  int axis = m.a_shared ? d.label[m.row].in_a : d.label[m.row].in_b;
  CgGemv v = {.M = d.label[m.row].n, .K = m.k, .as_i = m.a.stride[axis], .as_k = m.a_k, .x_k = m.x_k};
  v.a = gen_affine(g, fr, &m.a, &ld), v.x = gen_affine(g, fr, &m.x, &ld), v.y = gen_scratch(g, gr->work);
  g->kernel->gemv(g->e, &v);
  if (fr->p->val[gr->main.id].cls != PC_SSA) return;
  for (int64_t k = 0; k < type_count(t); k++)
    gen_ssa_set(g, fr, gr->main, k, gen_load(g, t, v.y, cg_i64(g->e, 1), cg_i64(g->e, k)));
  gen_ssa_store(g, fr, gr->main);
}

/* ---- weight gradients: sums of outer products -------------------------------------------------------------------------- */

typedef struct OuterShape {
  Dot d;
  DwShape w;
  int outer[3 * IR_MAX_RANK], nouter; /* labels looped over around the kernel */
} OuterShape;

static OuterShape outer_of(Frame *fr, const Group *gr) {
  OuterShape x = {0};
  plan_dot(fr->p->f, ir_inst(fr->p->f, gr->main), &x.d);
  if (!plan_dw(fr->p, &x.d, &x.w)) base_fault("codegen: a weight gradient lost its shape");
  for (int l = 0; l < x.d.n; l++)
    if (l != x.w.row && l != x.w.col && x.d.label[l].n > 1) x.outer[x.nouter++] = l;
  return x;
}

static int64_t stride_of(const OuterShape *x, const Affine *a, bool of_a, int l) {
  int axis = of_a ? x->d.label[l].in_a : x->d.label[l].in_b;
  return axis < 0 ? 0 : a->stride[axis];
}

/* A column that is not contiguous is copied. */
static LLVMValueRef contiguous(Gen *g, const Group *gr, LLVMValueRef x, int64_t stride, int64_t n) {
  if (stride == 1 || n == 1) return x;
  LLVMValueRef to = gen_scratch(g, gr->work);
  CgLoop *loop = base_realloc(NULL, sizeof *loop);
  cg_loop_begin(g->e, loop, cg_i64(g->e, 0), cg_i64(g->e, n), 1);
  LLVMValueRef place = cg_gep(g->e, to, loop->iv), from = cg_gep(g->e, x, cg_imul(g->e, loop->iv, cg_i64(g->e, stride)));
  g->kernel->store(g->e, false, g->kernel->load(g->e, false, from, 1, 1), place, 1, 1);
  cg_loop_end(g->e, loop);
  base_free(loop);
  return to;
}

static CgDwPair term_of(Gen *g, Frame *fr, const Group *gr, const OuterShape *x, LLVMValueRef *label) {
  LLVMValueRef gp, xp, ld, goff = cg_i64(g->e, 0), xoff = goff;
  const DwShape *w = &x->w;
  gp = gen_affine(g, fr, &w->ga, &ld), xp = gen_affine(g, fr, &w->xa, &ld);
  for (int k = 0; k < x->nouter; k++) {
    int l = x->outer[k];
    goff = cg_iadd(g->e, goff, cg_imul(g->e, label[l], cg_i64(g->e, stride_of(x, &w->ga, w->g_is_a, l))));
    xoff = cg_iadd(g->e, xoff, cg_imul(g->e, label[l], cg_i64(g->e, stride_of(x, &w->xa, !w->g_is_a, l))));
  }
  xp = contiguous(g, gr, cg_gep(g->e, xp, xoff), stride_of(x, &w->xa, !w->g_is_a, w->col), x->d.label[w->col].n);
  return (CgDwPair){.g = cg_gep(g->e, gp, goff), .ldg = cg_i64(g->e, stride_of(x, &w->ga, w->g_is_a, w->row)), .xt = xp, .R = 1};
}

typedef struct OuterSum {
  Frame *fr;
  const Group *gr;
  OuterShape x;
  LLVMValueRef dst, label[3 * IR_MAX_RANK];
  CgDwPair term[CG_DW_PAIRS];
  uint32_t n;
  bool set;
} OuterSum;

/* The first sample of a call sets the sum, others add. */
static void set_or_add(Gen *g, CgDw w) {
  LLVMBasicBlockRef set = cg_block(g->e, ""), add = cg_block(g->e, ""), after = cg_block(g->e, "");
  LLVMValueRef first = gen_member(g, g->call, g->e->i64, offsetof(HnnCall, tile0));
  LLVMBuildCondBr(g->e->b, LLVMBuildICmp(g->e->b, LLVMIntEQ, g->tile, first, ""), set, add);
  LLVMPositionBuilderAtEnd(g->e->b, set);
  w.set = LLVMConstInt(g->e->i1, 1, 0);
  g->kernel->outer(g->e, &w);
  LLVMBuildBr(g->e->b, after);
  LLVMPositionBuilderAtEnd(g->e->b, add);
  w.set = NULL;
  g->kernel->outer(g->e, &w);
  LLVMBuildBr(g->e->b, after);
  LLVMPositionBuilderAtEnd(g->e->b, after);
}

static void over_labels(Gen *g, OuterSum *s, int k) {
  if (k < s->x.nouter) {
    CgLoop *loop = base_realloc(NULL, sizeof *loop);
    cg_loop_begin(g->e, loop, cg_i64(g->e, 0), cg_i64(g->e, s->x.d.label[s->x.outer[k]].n), 1);
    s->label[s->x.outer[k]] = loop->iv;
    over_labels(g, s, k + 1);
    cg_loop_end(g->e, loop);
    base_free(loop);
    return;
  }
  const DotLabel *row = &s->x.d.label[s->x.w.row], *col = &s->x.d.label[s->x.w.col];
  int64_t stride[IR_MAX_RANK], n = 1;
  LLVMValueRef off = cg_i64(g->e, 0);
  for (int d = (int)s->gr->rank; d-- > 0; n *= s->gr->dim[d]) stride[d] = n;
  for (int j = 0; j < s->x.nouter; j++) {
    int l = s->x.outer[j], axis = s->x.d.label[l].in_out;
    if (axis >= 0) off = cg_iadd(g->e, off, cg_imul(g->e, s->label[l], cg_i64(g->e, stride[axis])));
  }
  s->term[s->n] = term_of(g, s->fr, s->gr, &s->x, s->label);
  CgDw w = {.M = row->n, .K = col->n, .lanes = 1, .pair = s->term, .npair = (int)s->n + 1, .ldd = stride[row->in_out]};
  w.d = cg_gep(g->e, s->dst, off);
  if (s->set) set_or_add(g, w);
  else g->kernel->outer(g->e, &w);
}

void gen_outer(Gen *g, Frame *fr, uint32_t group) {
  const Group *gr = fr->p->group.at[group];
  Val sink = plan_sink(fr->p, gr->main);
  OuterSum s = {.fr = fr, .gr = gr, .x = outer_of(fr, gr), .set = plan_first_sets(fr->p, sink)};
  LLVMValueRef ld;
  gen_memory(g, fr, sink, &s.dst, &ld);
  if (fr->p->up && fr->p->val[sink.id].home != HOME_ZS) gen_zero(g, s.dst, type_count(ir_type(fr->p->f, gr->main)) * g->e->es);
  for (uint32_t k = 1; k < group; k++) {
    const Group *other = fr->p->group.at[k];
    if (other->joined != group) continue;
    OuterShape x = outer_of(fr, other);
    s.term[s.n++] = term_of(g, fr, other, &x, NULL);
  }
  over_labels(g, &s, 0);
}
