/* Groups: loops over the elements of big values with everything computed inside, straight code for tiny ones. */
#include "codegen/gen/gen_priv.h"

#include <string.h>

static int64_t group_count(const Group *gr) {
  int64_t n = 1;
  for (uint32_t k = 0; k < gr->rank; k++) n *= gr->dim[k];
  return n;
}

static void tiny_group(Gen *g, Frame *fr, const Group *gr) {
  bool *done = base_zeroed(gr->member.n + 1, sizeof *done);
  for (uint32_t m = 0; m < gr->member.n; m++) {
    Val v = gr->member.at[m];
    const Inst *i = ir_inst(fr->p->f, v);
    if (done[m]) continue;
    if (i->op == OP_cauchy) {
      gen_cauchy_tiny(g, fr, gr->member.at + m, gr->member.n - m, done + m);
      continue;
    }
    if (i->op == OP_solve || i->op == OP_trisolve) gen_solve_tiny(g, fr, v);
    else if (i->op == OP_lu || i->op == OP_cholesky) gen_factor_tiny(g, fr, v);
    else if (i->op == OP_det || i->op == OP_logdet) gen_det(g, fr, v);
    else
      for (int64_t k = 0; k < type_count(i->type); k++) {
        Idx at = gen_const_idx(g, i->type, k);
        gen_ssa_set(g, fr, v, k, gen_compute(g, fr, v, &at));
        cg_break_block(g->e);
      }
    gen_ssa_store(g, fr, v);
  }
  base_free(done);
  gen_tiny_roots(g, fr, gr);
}

typedef struct LoopCtx {
  Frame *fr;
  const Group *gr;
} LoopCtx;
static void loop_body(Gen *g, void *ctx, Idx *at) {
  LoopCtx *c = ctx;
  Type t = c->gr->gemv ? ir_type(c->fr->p->f, c->gr->main) : (Type){0};
  if (c->gr->gemv) {
    c->fr->given = c->gr->main;
    c->fr->given_value = gen_load(g, t, gen_scratch(g, c->gr->work), cg_i64(g->e, 1), gen_lin(g, t, at));
  }
  gen_cauchy_members(g, c->fr, c->gr, at);
  gen_roots(g, c->fr, c->gr, at);
  c->fr->given = VAL_NONE;
}

/* A group that sets a row each of carries, in their places: only these rows are written, unless the index is none. */
static bool sets_rows(const Plan *p, const Group *gr, Val *index) {
  *index = VAL_NONE;
  for (uint32_t k = 0; k < gr->root.n; k++) {
    const Val v = gr->root.at[k].v;
    const Inst *i = ir_inst(p->f, v);
    if (gr->root.at[k].kind != ROOT_VALUE || i->op != OP_setrow || !p->val[v.id].in_place) return false;
    const Val by = plan_root(p, ir_arg(p->f, i, 1)), old = plan_root(p, ir_arg(p->f, i, 0));
    const Inst *in = ir_inst(p->f, old);
    if (in->op != OP_in || ir_number(p->f, in) != p->val[v.id].homeidx || ir_type(p->f, by).lane) return false;
    if (index->id && index->id != by.id) return false;
    *index = by;
  }
  return index->id != 0;
}

typedef struct OneRow {
  Frame *fr;
  Val x;
  Type t;
  LLVMValueRef base, ld, from; /* of element 0 of the row */
} OneRow;

static void row_body(Gen *g, void *ctx, Idx *at) {
  const OneRow *r = ctx;
  LLVMValueRef to = cg_iadd(g->e, r->from, gen_lin(g, r->t, at));
  CgVec x = gen_at(g, r->fr, r->x, at);
  gen_store(g, r->t, r->base, r->ld, to, &x);
}

/* Row `row`, which is one, of each. */
static void set_rows(Gen *g, Frame *fr, const Group *gr, LLVMValueRef row) {
  for (uint32_t k = 0; k < gr->root.n; k++) {
    const Inst *i = ir_inst(fr->p->f, gr->root.at[k].v);
    OneRow r = {.fr = fr, .x = ir_arg(fr->p->f, i, 2)};
    PlanCuts cuts;
    r.t = ir_type(fr->p->f, r.x), r.t.lane = i->type.lane;
    const int64_t n = type_count(r.t);
    gen_memory(g, fr, gr->root.at[k].v, &r.base, &r.ld);
    r.from = cg_imul(g->e, row, cg_i64(g->e, n));
    if (plan_is_tiny(fr->p, r.t))
      for (int64_t c = 0; c < n; c++) {
        Idx at = gen_const_idx(g, r.t, c);
        row_body(g, &r, &at);
      }
    else if (plan_wide_value(fr->p, g->group, r.x, &cuts)) gen_wide_nest(g, r.t.rank, n, &cuts, row_body, &r);
    else gen_nest(g, r.t.rank, r.t.dim, false, row_body, &r);
  }
}

static void rows(Gen *g, Frame *fr, const Group *gr, Val index, LoopCtx *ctx) {
  Idx scalar = {.axes = true, .lin = cg_i64(g->e, 0)};
  const GenRows r = gen_rows(g, gen_at(g, fr, index, &scalar), gr->dim[0]);
  LLVMValueRef row = LLVMBuildSExt(g->e->b, r.row[0], g->e->i64, ""), one = cg_iadd(g->e, row, cg_i64(g->e, 1));
  LLVMValueRef lo = LLVMBuildSelect(g->e->b, r.valid[0], row, cg_i64(g->e, 0), "");
  LLVMValueRef hi = LLVMBuildSelect(g->e->b, r.valid[0], one, cg_i64(g->e, gr->dim[0]), "");
  gen_nest_rows(g, gr->rank, gr->dim, lo, hi, loop_body, ctx);
}

/* Vectors of a loop with sums over orders, which go along together: as many sums as registers hold, in fewer of their loops. */
static unsigned series_vectors(const Gen *g, const Frame *fr, const Group *gr) {
  unsigned sums = 0, vectors = 1;
  for (uint32_t m = 0; m < gr->member.n; m++) {
    const unsigned op = ir_inst(fr->p->f, gr->member.at[m])->op;
    if (op == OP_cauchy) sums++;
    else if (op != OP_add && op != OP_sub && op != OP_mul && op != OP_neg && op != OP_div) return 1;
  }
  while (sums && 2 * vectors * g->machine_vl <= group_count(gr) &&
         16 * vectors * sums <= fr->p->target->regs * g->tune->series_eighths)
    vectors *= 2;
  return vectors;
}

/* A few elements, each made in a way of its own (of pieces put side by side, or of rows among zeros), are written out: what a loop
 * would ask at each turn is known of each. */
static bool written_out(const Gen *g, const Plan *p, const Group *gr) {
  bool pieces = false;
  for (uint32_t m = 0; m < gr->member.n; m++) {
    const Op op = ir_inst(p->f, gr->member.at[m])->op;
    pieces |= op == OP_unslice || op == OP_concat;
  }
  for (uint32_t r = 0; r < gr->root.n; r++)
    if (gr->root.at[r].kind != ROOT_VALUE) return false;
  return pieces && group_count(gr) * gr->member.n <= g->tune->written;
}

static void straight(Gen *g, const Group *gr, LoopCtx *ctx) {
  Type t = {.rank = (uint8_t)gr->rank};
  memcpy(t.dim, gr->dim, sizeof *t.dim * gr->rank);
  for (int64_t n = 0; n < group_count(gr); n++) {
    Idx at = gen_const_idx(g, t, n);
    gen_forget(g);
    loop_body(g, ctx, &at);
    cg_break_block(g->e);
  }
  gen_forget(g);
}

static void loops(Gen *g, Frame *fr, uint32_t k) {
  const Group *gr = fr->p->group.at[k];
  LoopCtx ctx = {fr, gr};
  PlanCuts cuts;
  PlanSweep sweep;
  Val index;
  LLVMValueRef row;
  if (plan_sets_rows(fr->p, k, &index) && gen_counted(g, fr, index, gr->dim[0], &row)) {
    set_rows(g, fr, gr, row);
    return;
  }
  if (!gr->gemv && sets_rows(fr->p, gr, &index)) {
    rows(g, fr, gr, index, &ctx);
    return;
  }
  if (plan_sweep(fr->p, k, &sweep)) gen_sweep(g, fr, gr, &sweep);
  else if (plan_wide(fr->p, k, &cuts)) {
    const unsigned vl = g->machine_vl;
    g->machine_vl *= series_vectors(g, fr, gr);
    gen_wide_nest(g, (int)gr->rank, group_count(gr), &cuts, loop_body, &ctx);
    g->machine_vl = vl;
  } else if (written_out(g, fr->p, gr)) straight(g, gr, &ctx);
  else gen_nest_sums(g, gr->rank, gr->dim, plan_flat(fr->p, k), loop_body, &ctx, true);
  plan_sweep_free(&sweep);
}

void gen_group_code(Gen *g, Frame *fr, uint32_t k) {
  const Group *gr = fr->p->group.at[k];
  const Frame *outer = g->group_frame;
  uint32_t outer_group = g->group;
  g->group_frame = fr, g->group = k;
  gen_forget(g);
  gen_open_roots(g, fr, gr);
  LLVMMetadataRef was = gr->main.id && !gr->body ? cg_mark(g->e, ir_inst(fr->p->f, gr->main)) : NULL;
  switch (gr->kind) {
  case G_TINY: tiny_group(g, fr, gr); break;
  case G_LOOP: loops(g, fr, k); break;
  case G_GEMM:
    if (!gr->gemv) gen_gemm(g, fr, gr);
    else if (gen_gemv(g, fr, gr), fr->p->val[gr->main.id].cls == PC_POINT) loops(g, fr, k);
    break;
  case G_DOT: gen_dot_loops(g, fr, gr); break;
  case G_DW:
    if (fr->p->form.single) gen_outer(g, fr, k);
    else gen_dw(g, fr, k);
    break;
  case G_CONCAT: gen_concat(g, fr, gr); break;
  case G_PUT: gen_put(g, fr, gr); break;
  case G_LU: gen_lu(g, fr, gr); break;
  case G_CHOLESKY: gen_cholesky(g, fr, gr); break;
  case G_EIGH: gen_eigh(g, fr, gr); break;
  case G_SCATTER: gen_scatter(g, fr, gr); break;
  case G_SOLVE: gen_solve(g, fr, gr); break;
  case G_RAND: gen_rand(g, fr, gr); break;
  case G_SCAN: (plan_turned(gr) ? gen_turns : gen_scan)(g, fr, gr); break;
  case G_ODE: gen_ode(g, fr, gr); break;
  }
  if (gr->main.id && !gr->body) cg_unmark(g->e, was);
  gen_forget(g);
  gen_close_roots(g, fr, gr);
  g->group_frame = outer, g->group = outer_group;
}

/* What carries that stay in registers are made of is not handed over to a function. */
static bool in_registers(const Frame *fr, const Group *gr) {
  for (uint32_t r = 0; r < gr->root.n; r++)
    if (fr->vec[gr->root.at[r].v.id]) return true;
  return false;
}

void gen_group(Gen *g, Frame *fr, uint32_t k) {
  const Group *gr = fr->p->group.at[k];
  bool rooted = gr->kind == G_LOOP || gr->kind == G_GEMM || gr->kind == G_DOT;
  rooted &= !gr->main.id || fr->p->val[gr->main.id].cls != PC_SSA;
  if ((rooted && gr->root.n == 0) || gr->joined) return;
  const PVal *m = &fr->p->val[plan_sink(fr->p, gr->main).id];
  if (gr->main.id && m->cls == PC_BUF && !m->stored) return;
  if (in_registers(fr, gr) || !gen_outlined(g, fr, k)) gen_group_code(g, fr, k);
}

void gen_groups(Gen *g, Frame *fr, Section s) {
  for (uint32_t k = 1; k < fr->p->group.n; k++)
    if (fr->p->group.at[k]->section == s) gen_group(g, fr, k);
  gen_forget(g);
}
