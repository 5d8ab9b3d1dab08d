/* Groups: loops over the elements of big values with everything computed inside, straight code for tiny ones. */
#include "codegen/gen/gen_priv.h"

static int64_t group_count(const Group *gr) {
  int64_t n = 1;
  for (uint32_t k = 0; k < gr->rank; k++) n *= gr->dim[k];
  return n;
}

static void tiny_group(Gen *g, Frame *fr, const Group *gr) {
  for (uint32_t m = 0; m < gr->member.n; m++) {
    Val v = gr->member.at[m];
    const Inst *i = ir_inst(fr->p->f, v);
    if (i->op == OP_trisolve) gen_trisolve_tiny(g, fr, v);
    else if (i->op == OP_solve) gen_solve_tiny(g, fr, v);
    else
      for (int64_t k = 0; k < type_count(i->type); k++) {
        Idx at = gen_const_idx(g, i->type, k);
        gen_ssa_set(g, fr, v, k, gen_compute(g, fr, v, &at));
        cg_break_block(g->e);
      }
    gen_ssa_store(g, fr, v);
  }
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
  gen_roots(g, c->fr, c->gr, at);
  c->fr->given = VAL_NONE;
}

static void loops(Gen *g, Frame *fr, uint32_t k) {
  const Group *gr = fr->p->group.at[k];
  LoopCtx ctx = {fr, gr};
  PlanCuts cuts;
  PlanSweep sweep;
  if (plan_sweep(fr->p, k, &sweep)) gen_sweep(g, fr, gr, &sweep);
  else if (plan_wide(fr->p, k, &cuts)) gen_wide_nest(g, (int)gr->rank, group_count(gr), &cuts, loop_body, &ctx);
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
  case G_SCATTER: gen_scatter(g, fr, gr); break;
  case G_TRISOLVE: gen_trisolve(g, fr, gr); break;
  case G_SOLVE: gen_solve(g, fr, gr); break;
  case G_RAND: gen_rand(g, fr, gr); break;
  case G_SCAN: gen_scan(g, fr, gr); break;
  case G_ODE: gen_ode(g, fr, gr); break;
  }
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
