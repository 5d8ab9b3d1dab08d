/* Groups around a product: what loops over a dot's labels and what each register tile is followed by. */
#include "codegen/gen/gen_priv.h"

#include <string.h>

typedef struct Product {
  Frame *fr;
  const Group *gr;
  Dot d;
  GemmShape m;
  DwShape w;
  int outer[3 * IR_MAX_RANK], nouter; /* labels looped over around the kernel */
  LLVMValueRef label[3 * IR_MAX_RANK];
  LLVMValueRef dst, used, set; /* of a weight gradient: as in CgDw */
  CgDwPair term[CG_DW_PAIRS];  /* of groups that are done along with this one, then its own */
  uint32_t nterm;
} Product;

/* ---- loops over the other labels ---------------------------------------------------------------------------- */

typedef void (*InnerFn)(Gen *g, Product *x);

static void over_labels(Gen *g, Product *x, int k, InnerFn inner) {
  if (k == x->nouter) {
    inner(g, x);
    return;
  }
  int l = x->outer[k];
  if (x->d.label[l].n == 1) {
    x->label[l] = cg_i64(g->e, 0);
    over_labels(g, x, k + 1, inner);
    return;
  }
  CgLoop *loop = base_realloc(NULL, sizeof *loop);
  cg_loop_begin(g->e, loop, cg_i64(g->e, 0), cg_i64(g->e, x->d.label[l].n), 1);
  x->label[l] = loop->iv;
  over_labels(g, x, k + 1, inner);
  cg_loop_end(g->e, loop);
  base_free(loop);
}

static int label_axis(const DotLabel *l, bool of_a) { return of_a ? l->in_a : l->in_b; }

/* Where an operand starts for the current turn of the outer loops. */
static LLVMValueRef operand(Gen *g, Product *x, const Affine *a, bool of_a, LLVMValueRef *ld) {
  LLVMValueRef p = gen_affine(g, x->fr, a, ld), off = cg_i64(g->e, 0);
  for (int k = 0; k < x->nouter; k++) {
    int l = x->outer[k], axis = label_axis(&x->d.label[l], of_a);
    if (axis >= 0) off = cg_iadd(g->e, off, cg_imul(g->e, x->label[l], cg_i64(g->e, a->stride[axis])));
  }
  return cg_gep(g->e, p, cg_imul(g->e, off, *ld));
}

/* ---- W @ x ------------------------------------------------------------------------------------------------------ */

/* Instructions per vector that follow the product, roughly. */
static int cost(const Plan *p, uint32_t group, Val v, int budget) {
  const PVal *q = &p->val[v.id];
  const Inst *i = ir_inst(p->f, v);
  if (q->cls != PC_POINT || (q->stored && q->group != group) || p->group.at[group]->main.id == v.id || budget <= 0) return 1;
  int c = ir_has(i->op, OPF_SIMPLE) ? 1 : p->tune->epilogue_long;
  for (uint32_t k = 0; k < i->nargs && c < budget; k++) c += cost(p, group, ir_arg(p->f, i, k), budget - c);
  return c;
}

static bool long_epilogue(const Plan *p, const Group *gr, uint32_t group) {
  int c = 0, most = p->tune->epilogue_most;
  for (uint32_t k = 0; k < gr->root.n && c < most; k++) {
    const Root *r = &gr->root.at[k];
    if (r->kind == ROOT_VALUE) c += cost(p, group, r->v, most);
    else c += 2 + cost(p, group, ir_arg(p->f, ir_inst(p->f, r->v), 0), most);
  }
  return c > p->tune->epilogue;
}

static void gemm_rows(CgEmit *e, void *ctx, CgRow *r) {
  (void)e;
  struct {
    Gen *g;
    Product *x;
  } *c = ctx;
  Gen *g = c->g;
  Product *x = c->x;
  Idx at = {.axes = true};
  x->label[x->m.row] = r->row;
  if (x->m.place >= 0) x->label[x->m.place] = r->place;
  for (int l = 0; l < x->d.n; l++)
    if (x->d.label[l].in_out >= 0) at.ax[x->d.label[l].in_out] = x->label[l];
  if (r->n != (int)g->e->nv) base_fault("codegen: a product handed over part of a tile");
  gen_forget(g);
  x->fr->given = x->gr->main;
  x->fr->given_value = (CgVec){.lane = true};
  memcpy(x->fr->given_value.v, r->v, sizeof *r->v * g->e->nv);
  gen_roots(g, x->fr, x->gr, &at);
  x->fr->given = VAL_NONE;
  gen_forget(g);
}

static void gemm_sums(CgEmit *e, void *ctx, CgSums when, LLVMValueRef *v) {
  (void)e;
  const struct {
    Gen *g;
    Product *x;
  } *c = ctx;
  (void)gen_rolled_sums(c->g, c->x->fr, c->x->gr, when, v);
}

static void gemm_inner(Gen *g, Product *x) {
  struct {
    Gen *g;
    Product *x;
  } ctx = {g, x};
  CgGemmLoop loop[2 * IR_MAX_RANK];
  CgGemmTerm term = {.K = x->m.k, .as_k = x->m.a_k, .loop = loop, .nloop = x->m.nouter};
  LLVMValueRef one;
  const int row = label_axis(&x->d.label[x->m.row], x->m.a_shared != x->m.along);
  if (!x->m.along) term.as_i = x->m.a.stride[row];
  term.a = operand(g, x, &x->m.a, x->m.a_shared, &one);
  term.x = operand(g, x, &x->m.x, !x->m.a_shared, &term.ldx);
  if (x->m.along) term.xs_i = cg_imul(g->e, term.ldx, cg_i64(g->e, x->m.x.stride[row]));
  const DotLabel *place = x->m.place < 0 ? NULL : &x->d.label[x->m.place];
  if (place) term.xs_p = cg_imul(g->e, term.ldx, cg_i64(g->e, x->m.x.stride[label_axis(place, !x->m.a_shared)]));
  for (int k = 0; k < x->m.nouter; k++)
    loop[k] = (CgGemmLoop){x->m.outer[k].n, x->m.outer[k].a, cg_imul(g->e, term.ldx, cg_i64(g->e, x->m.outer[k].x))};
  term.ldx = cg_imul(g->e, term.ldx, cg_i64(g->e, x->m.x_k));
  CgGemm m = {.M = x->d.label[x->m.row].n, .lanes = g->e->tile, .term = &term, .nterm = 1, .done = gemm_rows, .ctx = &ctx};
  if (place) m.places = place->n;
  m.in_pairs = x->fr->p->form.together > 1 && g->unit == g->e->vl;
  m.roll = long_epilogue(x->fr->p, x->gr, g->group);
  m.sums = gemm_sums;
  if (g->e->target->full) m.nsum = gen_rolled_sums(g, x->fr, x->gr, CG_SUMS_COUNT, NULL); /* not measured elsewhere */
  g->kernel->gemm(g->e, &m);
}

void gen_gemm(Gen *g, Frame *fr, const Group *gr) {
  Product x = {.fr = fr, .gr = gr};
  plan_dot(fr->p->f, ir_inst(fr->p->f, gr->main), &x.d);
  if (!plan_gemm(fr->p, &x.d, &x.m)) base_fault("codegen: a product lost its shape");
  for (int l = 0; l < x.d.n; l++)
    if (l != x.m.row && l != x.m.place && x.d.label[l].in_out >= 0) x.outer[x.nouter++] = l;
  over_labels(g, &x, 0, gemm_inner);
}

/* ---- any other product: plain loops -------------------------------------------------------------------------------- */

static void dot_element(Gen *g, void *ctx, Idx *at) {
  Product *x = ctx;
  CgLoop *loop = base_realloc(NULL, sizeof *loop);
  bool lane = ir_type(x->fr->p->f, x->d.a).lane || ir_type(x->fr->p->f, x->d.b).lane;
  unsigned nv = lane ? g->e->nv : 1;
  CgVec sum = gen_real(g, 0, lane);
  gen_axes(g, ir_type(x->fr->p->f, x->gr->main), at);
  for (int l = 0; l < x->d.n; l++)
    if (x->d.label[l].in_out >= 0) x->label[l] = at->ax[x->d.label[l].in_out];
  cg_loop_begin(g->e, loop, cg_i64(g->e, 0), cg_i64(g->e, x->d.contraction), 1);
  for (unsigned v = 0; v < nv; v++) sum.v[v] = cg_loop_phi(g->e, loop, sum.v[v]);
  LLVMValueRef rest = loop->iv;
  int left = 0;
  for (int l = 0; l < x->d.n; l++) left += x->d.label[l].in_out < 0;
  for (int l = x->d.n; l-- > 0;) {
    if (x->d.label[l].in_out >= 0) continue;
    LLVMValueRef n = cg_i64(g->e, x->d.label[l].n);
    x->label[l] = --left ? LLVMBuildURem(g->e->b, rest, n, "") : rest;
    if (left) rest = LLVMBuildUDiv(g->e->b, rest, n, "");
  }
  DotIdx i;
  gen_dot_idx(&x->d, x->label, &i);
  gen_forget(g);
  sum = gen_fma(g, gen_at(g, x->fr, x->d.a, &i.a), gen_at(g, x->fr, x->d.b, &i.b), sum);
  gen_forget(g);
  for (unsigned v = 0; v < nv; v++) cg_loop_next(loop, v, sum.v[v]);
  cg_loop_end(g->e, loop);
  base_free(loop);
  x->fr->given = x->gr->main, x->fr->given_value = sum;
  gen_roots(g, x->fr, x->gr, at);
  x->fr->given = VAL_NONE;
}

void gen_dot_loops(Gen *g, Frame *fr, const Group *gr) {
  Product x = {.fr = fr, .gr = gr};
  plan_dot(fr->p->f, ir_inst(fr->p->f, gr->main), &x.d);
  gen_nest(g, gr->rank, gr->dim, false, dot_element, &x);
}

/* ---- weight gradients -------------------------------------------------------------------------------------------------- */

/* Row m of a term starts at g + m * ldg; its other operand is brought into xt. */
static void dw_term(Gen *g, Product *x, CgDwPair *t) {
  const DotLabel *row = &x->d.label[x->w.row], *col = &x->d.label[x->w.col];
  LLVMValueRef ldx, xp;
  int64_t ldt = g->kernel->dw_row(g->e, col->n);
  t->R = 1;
  t->g = operand(g, x, &x->w.ga, x->w.g_is_a, &t->ldg), xp = operand(g, x, &x->w.xa, !x->w.g_is_a, &ldx);
  t->ldg = cg_imul(g->e, t->ldg, cg_i64(g->e, x->w.ga.stride[label_axis(row, x->w.g_is_a)]));
  ldx = cg_imul(g->e, ldx, cg_i64(g->e, x->w.xa.stride[label_axis(col, !x->w.g_is_a)]));
  t->xt = gen_scratch(g, x->gr->work);
  if (ldt * g->e->tile * g->e->es > plan_dw_bytes(x->fr->p, &x->d, &x->w)) base_fault("codegen: a transposed tile has no room");
  g->kernel->transpose(g->e, xp, ldx, col->n, t->xt);
}

static void dw_places(Gen *g, Product *x, LLVMValueRef dst, const int64_t *stride) {
  const DwShape *s = &x->w;
  const DotLabel *row = s->row < 0 ? NULL : &x->d.label[s->row];
  CgPlace loop[2 * IR_MAX_RANK];
  CgPlaceRow k[IR_MAX_RANK];
  LLVMValueRef ldg, ldx;
  CgPlaces w = {.M = 1, .lanes = g->e->tile, .row = k, .nrow = s->nk, .loop = loop, .nloop = s->nplace, .d = dst, .set = x->set};
  w.g = operand(g, x, &s->ga, s->g_is_a, &ldg), w.x = operand(g, x, &s->xa, !s->g_is_a, &ldx);
  w.ldg = cg_i64(g->e, 0);
  if (row)
    w.M = row->n, w.ldd = stride[row->in_out], w.ldg = cg_imul(g->e, ldg, cg_i64(g->e, s->ga.stride[label_axis(row, s->g_is_a)]));
  for (int i = 0; i < s->nk; i++) {
    const DotLabel *l = &x->d.label[s->k[i]];
    k[i] = (CgPlaceRow){l->n, stride[l->in_out], cg_imul(g->e, ldx, cg_i64(g->e, s->xa.stride[label_axis(l, !s->g_is_a)]))};
  }
  for (int i = 0; i < s->nplace; i++) {
    const Contracted *c = &s->place[i];
    loop[i] = (CgPlace){c->n, cg_imul(g->e, ldg, cg_i64(g->e, c->a)), cg_imul(g->e, ldx, cg_i64(g->e, c->x))};
  }
  w.work = gen_scratch(g, x->gr->work);
  g->kernel->places(g->e, &w);
}

static void dw_inner(Gen *g, Product *x) {
  LLVMValueRef dst = cg_i64(g->e, 0);
  int64_t stride[IR_MAX_RANK], s = 1;
  for (int k = (int)x->gr->rank; k-- > 0; s *= x->gr->dim[k]) stride[k] = s;
  for (int k = 0; k < x->nouter; k++) {
    const DotLabel *l = &x->d.label[x->outer[k]];
    if (l->in_out >= 0) dst = cg_iadd(g->e, dst, cg_imul(g->e, x->label[x->outer[k]], cg_i64(g->e, stride[l->in_out])));
  }
  if (x->w.nplace) {
    dw_places(g, x, cg_gep(g->e, x->dst, dst), stride);
    return;
  }
  const DotLabel *row = &x->d.label[x->w.row], *col = &x->d.label[x->w.col];
  dw_term(g, x, &x->term[x->nterm]);
  CgDw w = {
    .M = row->n, .K = col->n, .lanes = g->e->tile, .pair = x->term, .npair = (int)x->nterm + 1, .used = x->used, .set = x->set};
  w.d = cg_gep(g->e, x->dst, dst), w.ldd = stride[row->in_out];
  g->kernel->dw(g->e, &w);
}

static bool is_outer(const Product *x, int label) {
  if (label == x->w.row || label == x->w.col) return false;
  const DotLabel *l = &x->d.label[label];
  return !x->w.nplace || (l->in_out >= 0 && label_axis(l, x->w.g_is_a) >= 0);
}

static Product dw_product(Frame *fr, const Group *gr) {
  Product x = {.fr = fr, .gr = gr};
  plan_dot(fr->p->f, ir_inst(fr->p->f, gr->main), &x.d);
  if (!plan_dw(fr->p, &x.d, &x.w)) base_fault("codegen: a weight gradient lost its shape");
  for (int l = 0; l < x.d.n; l++)
    if (is_outer(&x, l)) x.outer[x.nouter++] = l;
  return x;
}

/* Lanes of the tile that hold samples, rounded up to dw_step: the padding has weight 0. */
static LLVMValueRef used_lanes(Gen *g) {
  CgEmit *e = g->e;
  const int64_t step = g->tune->dw_step;
  if (e->tile % step || e->tile == step) return NULL;
  LLVMValueRef all = cg_i64(e, e->tile), samples = gen_member(g, g->call, e->i64, offsetof(HnnCall, samples));
  LLVMValueRef left = LLVMBuildSub(e->b, samples, cg_imul(e, g->tile, cg_i64(e, g->unit)), "");
  left = LLVMBuildAnd(e->b, cg_iadd(e, left, cg_i64(e, step - 1)), cg_i64(e, -step), "");
  return LLVMBuildSelect(e->b, LLVMBuildICmp(e->b, LLVMIntSLT, left, all, ""), left, all, "");
}

void gen_dw(Gen *g, Frame *fr, uint32_t group) {
  const Group *gr = fr->p->group.at[group];
  Product x = dw_product(fr, gr);
  LLVMValueRef ld;
  Val sink = plan_sink(fr->p, gr->main);
  gen_memory(g, fr, sink, &x.dst, &ld);
  if (plan_first_sets(fr->p, sink)) {
    LLVMValueRef first = gen_member(g, g->call, g->e->i64, offsetof(HnnCall, tile0));
    x.set = LLVMBuildICmp(g->e->b, LLVMIntEQ, g->tile, first, "");
  }
  x.used = used_lanes(g);
  if (fr->p->up && fr->p->val[sink.id].home != HOME_ZS) gen_zero(g, x.dst, type_count(ir_type(fr->p->f, gr->main)) * g->e->es);
  for (uint32_t k = 1; k < group; k++) {
    if (fr->p->group.at[k]->joined != group) continue;
    Product other = dw_product(fr, fr->p->group.at[k]);
    dw_term(g, &other, &x.term[x.nterm++]);
  }
  over_labels(g, &x, 0, dw_inner);
}
