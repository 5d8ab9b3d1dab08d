/* How a function runs over a batch: in tiles, whose lanes are samples, or one sample at a time, whose lanes are elements.
 * Both are planned, and what their groups take is estimated in cycles of a core that starts one operation of a whole
 * vector a cycle. The figures (tuning.def) decide between ways that differ by factors. */
#include "codegen/plan/plan.h"

#ifndef HNNC_WITHOUT_SINGLE
#define HNNC_WITHOUT_SINGLE 0 /* 1: bench/narrow asks what it brings */
#endif

/* What is put together or held back is placed, not computed. */
static double op_cycles(Op op) { return op == OP_concat || op == OP_barrier ? 0 : ir_op[op].cycles; }

static double plan_cycles(const Plan *p, bool near);

/* A sum over a long stretch for each element: scalar, one after the other, where lanes do not run over samples. */
static double sums_cycles(const Plan *p, const Group *g, double n) {
  double c = 0;
  for (uint32_t r = 0; r < g->root.n; r++) {
    const Root *root = &g->root.at[r];
    double each = root->kind == ROOT_DOT || root->kind == ROOT_LANES ? (double)type_count(ir_type(p->f, root->v)) : 1;
    if (root->kind == ROOT_VALUE) c += 1;
    else c += (p->form.single ? p->tune->scalar_sum : 1) * (each < p->tune->tiny ? each : p->tune->tiny);
  }
  return c * n;
}

/* Histories of a loop over orders, all of which each turn reads. */
static int64_t history_bytes(const Plan *p) {
  int64_t bytes = 0;
  const Inst *scan = p->up ? ir_inst(p->up->f, p->call) : NULL;
  for (uint32_t k = 0; scan && scan->op == OP_scan && k < ir_states(p->up->f, scan); k++) {
    const Type t = ir_type(p->f, p->f->out.at[k]);
    if (plan_history(p, k)) bytes += type_count(t) * p->form.es * (t.lane ? p->form.tile : 1);
  }
  return bytes;
}

/* A sum over orders, half of them on average: a multiply-add for each term, of rows that are there or far away. */
static double series_cycles(const Plan *p, const Inst *i) {
  const double n = (double)ir_type(p->f, ir_arg(p->f, i, 0)).dim[0] / 2;
  return history_bytes(p) <= p->tune->near_bytes
             ? n
             : n * (1 + p->tune->far_vector / 2); /* a row that is loaded serves more than one */
}

static double loop_cycles(const Plan *p, uint32_t k, double n) {
  const Group *g = p->group.at[k];
  PlanCuts cuts;
  PlanSweep sweep;
  Val index;
  double each = 0;
  if (plan_sets_rows(p, k, &index)) return n * g->root.n / (p->form.single ? p->form.wide : 1);
  for (uint32_t m = 0; m < g->member.n; m++) {
    const Inst *i = ir_inst(p->f, g->member.at[m]);
    Dot d;
    if (g->main.id == g->member.at[m].id) continue;
    if (i->op == OP_dot) plan_dot(p->f, i, &d), each += (double)d.contraction;
    else each += i->op == OP_cauchy ? series_cycles(p, i) : op_cycles((Op)i->op);
  }
  bool sweeps = plan_sweep(p, k, &sweep);
  plan_sweep_free(&sweep);
  if (sweeps) return (double)sweep.n * (each + g->root.n) + p->tune->start;
  if (plan_wide(p, k, &cuts)) return (n / p->form.wide + 1 + 2 * cuts.n) * (each + g->root.n) + p->tune->start;
  return n * each + sums_cycles(p, g, n);
}

/* A loop reads about one vector, and stores those of its roots. */
static double far_cycles(const Plan *p, const Group *g, double n) {
  return p->tune->far_vector * n / (p->form.single ? p->form.wide : 1) * (1 + g->root.n);
}

static double straight_cycles(const Plan *p, const Group *g) {
  double c = 0;
  for (uint32_t m = 0; m < g->member.n; m++) {
    const Inst *i = ir_inst(p->f, g->member.at[m]);
    Dot d;
    double n = (double)type_count(i->type);
    if (i->op == OP_dot) plan_dot(p->f, i, &d), c += n * (double)d.contraction;
    else c += n * (i->op == OP_cauchy ? series_cycles(p, i) : op_cycles((Op)i->op));
  }
  return c + g->root.n;
}

/* Multiply-adds by whole vectors; one sample alone reads a vector of weights for each, mostly from the second-level
 * cache. */
static double product_cycles(const Plan *p, const Group *g) {
  const Inst *i = ir_inst(p->f, g->main);
  Dot d;
  plan_dot(p->f, i, &d);
  double macs = (double)type_count(i->type) * (double)d.contraction;
  if (!p->form.single || !(i->type.lane || d.lanes)) return macs;
  if (g->kind == G_DOT || (g->kind == G_GEMM && !g->gemv)) return p->tune->scalar_mac * macs;
  return p->tune->start + (g->kind == G_DW ? p->tune->outer_mac : p->tune->gemv_mac) * macs / p->form.wide;
}

static double group_cycles(const Plan *p, uint32_t k, bool near) {
  const Group *g = p->group.at[k];
  double n = 1;
  Val index;
  for (uint32_t d = plan_sets_rows(p, k, &index); d < g->rank; d++) n *= g->dim[d]; /* one row of each */
  switch (g->kind) {
  case G_TINY: return straight_cycles(p, g);
  case G_LOOP: return g->root.n ? loop_cycles(p, k, n) + (near ? 0 : far_cycles(p, g, n)) : 0;
  case G_GEMM:
  case G_DOT: return product_cycles(p, g) + loop_cycles(p, k, n);
  case G_DW: return product_cycles(p, g);
  case G_SCAN:
    if (plan_turned(g)) return plan_turn_cycles(p, ir_inst(p->f, g->main));
    return (double)ir_turns(p->f, ir_inst(p->f, g->main)) * plan_cycles(g->body, near);
  case G_ODE:
    return p->tune->ode_calls * plan_cycles(g->body, near) *
           (p->form.single || !p->lane ? 1
            : g->refill                ? p->tune->ode_refilled
                                       : p->tune->ode_idle);
  case G_LU:
  case G_CHOLESKY: return n * g->dim[1] / 3.0 + p->tune->start;
  case G_SOLVE: return n * g->dim[0] + p->tune->start;
  case G_EIGH: return 8 * 3 * n * g->dim[1] * g->dim[1] + p->tune->start;
  case G_RAND: return p->tune->draw * n * p->form.tile;
  default: return p->tune->moved_element * n;
  }
}

static double plan_cycles(const Plan *p, bool near) {
  double c = 0, vectors = p->form.tile / p->form.vl;
  for (uint32_t k = 1; k < p->group.n; k++)
    if (p->group.at[k]->section == SEC_TILE) c += group_cycles(p, k, near) * (p->lane && !p->up ? vectors : 1);
  return c;
}

static double tile_cycles(const Plan *p) { return p->tune->tile_start + plan_cycles(p, p->scratch <= p->tune->near_bytes); }

/* ---- the choice ----------------------------------------------------------------------------------------------------- */

/* Nothing is gained one sample at a time where all values are short. */
static bool has_long(const CgTuning *t, const Fn *f) {
  for (uint32_t v = 1; v < f->inst.n; v++)
    if (f->inst.at[v].type.dt != DT_MULTI && f->inst.at[v].type.lane && type_count(f->inst.at[v].type) >= t->long_from) return true;
  for (uint32_t k = 0; k < f->sub.n; k++)
    if (has_long(t, f->sub.at[k])) return true;
  return false;
}

/* Functions that only draw (data sets) run in tiles. */
static bool takes_lanes(const Fn *f) {
  for (uint32_t k = 0; k < f->in.n; k++)
    if (f->in.at[k].type.lane) return true;
  return false;
}

/* Trajectories whose lanes are stages: one sample after the other. */
static bool stages_are_lanes(const Fn *f) {
  for (uint32_t v = 1; v < f->inst.n; v++)
    if (plan_by_stages(f, &f->inst.at[v])) return true;
  for (uint32_t k = 0; k < f->sub.n; k++)
    if (stages_are_lanes(f->sub.at[k])) return true;
  return false;
}

static PlanForms one_form(Plan *p, Plan *other) {
  plan_destroy(other);
  return (PlanForms){.plan = {p}, .n = 1};
}

/* One sample at a time. */
static Plan *plan_alone(const Fn *f, PlanForm form, const CgTarget *t) {
  Fn *pairs = takes_lanes(f) ? plan_pairs(f, t, form.wide) : NULL;
  Plan *p = plan_create(pairs ? pairs : f, form, t);
  p->own = pairs;
  return p;
}

/* With an unknown number of samples, a form of its own for a few of them has to pay. */
PlanForms plan_forms(const Fn *f, const CgTarget *t, CgForm form, int64_t samples) {
  PlanForm tiles = plan_tiles(f, t, samples),
           single = {.tile = 1, .vl = 1, .es = tiles.es, .wide = tiles.vl, .together = 1, .single = true};
  const bool stages = stages_are_lanes(f);
  Plan *p = form == CG_SINGLE || stages ? plan_alone(f, single, t) : plan_create(f, tiles, t);
  if (stages || HNNC_WITHOUT_SINGLE || form != CG_AUTO || tiles.vl < 2 || !takes_lanes(f) || !has_long(t->tune, f))
    return one_form(p, NULL);
  Plan *alone = plan_alone(f, single, t);
  double tile = tile_cycles(p), one = tile_cycles(alone);
  double all = samples ? tile * (double)((samples + tiles.tile - 1) / tiles.tile) / (double)samples : tile / tiles.tile;
  if (one <= all) return one_form(alone, p);
  if (samples || tile < t->tune->few_gain * one) return one_form(p, alone);
  return (PlanForms){.plan = {p, alone}, .n = 2, .most = (int64_t)(tile / one)};
}
