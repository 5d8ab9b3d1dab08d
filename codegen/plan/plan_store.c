/* Second half of the plan: which values are kept in memory, where, and for how long.
 *
 * Groups are walked last to first. What a group reads is either in memory already, or computed in the
 * same group, or recomputed in it (cheap ops over one big operand), or it is given memory and its
 * own group, which is walked later, stores it. Scratch is then packed by lifetime: two values share
 * bytes if no group touches both. */
#include "codegen/plan/plan_priv.h"

#include <stdlib.h>
#include <string.h>

typedef struct Finish {
  uint32_t clock;
  PlanItem *item;
  uint32_t n, cap, end; /* end: the time after all groups */
} Finish;

/* ---- time --------------------------------------------------------------------------------------------------- */

static void number(Plan *p, uint32_t *clock) {
  for (int s = 0; s < SEC_count; s++)
    for (uint32_t k = 1; k < p->group.n; k++) {
      Group *g = p->group.at[k];
      if (g->section != s) continue;
      g->t0 = (*clock)++;
      if (g->body) number(g->body, clock);
      g->t1 = (*clock)++;
    }
}

static uint32_t section_end(const Plan *p, Section s) {
  uint32_t t = 0;
  for (uint32_t k = 1; k < p->group.n; k++)
    if (p->group.at[k]->section <= s && p->group.at[k]->t1 > t) t = p->group.at[k]->t1;
  return t;
}

static bool crosses(const Plan *p, Val v, uint32_t t) {
  return p->ncut && plan_piece(p, p->group.at[p->val[v.id].group]->t0) != plan_piece(p, t);
}

static Group *call_group(const Plan *body) { return body->up->group.at[body->up->val[body->call.id].group]; }

/* ---- what is needed ------------------------------------------------------------------------------------------- */

static void need(Plan *p, Val v, uint32_t g, uint32_t t, bool dynamic);
static void need_operand(Plan *p, const Inst *i, uint32_t k, uint32_t g, uint32_t t, bool dynamic);
static void need_memory(Plan *p, Val v, uint32_t t);

/* Cheaper to compute again than to store: of one big operand (s (1 - s) is of s), or of several that are in memory anyway. */
static bool clonable(Plan *p, Val v) {
  PVal *q = &p->val[v.id];
  if (q->depth) return q->depth <= p->tune->clone_depth;
  const Inst *i = ir_inst(p->f, v);
  uint32_t big[8], n = 0, depth = 0;
  bool ready = true;
  q->depth = (uint8_t)(p->tune->clone_depth + 1);
  if (!ir_has(i->op, OPF_SIMPLE)) return false;
  for (uint32_t k = 0; k < i->nargs; k++) {
    Val r = plan_root(p, ir_arg(p->f, i, k));
    if (p->val[r.id].cls == PC_CONST || ir_type(p->f, r).rank == 0) continue;
    if (i->type.lane && !ir_type(p->f, r).lane) continue; /* one real for all samples of a tile */
    bool seen = false, point = p->val[r.id].cls == PC_POINT && !p->val[r.id].around, again = point && clonable(p, r);
    const uint32_t of = again && p->val[r.id].made_of ? p->val[r.id].made_of : r.id;
    for (uint32_t j = 0; j < n; j++) seen |= big[j] == of;
    if (!seen) big[n++] = of;
    if (point) ready = false;
    if (again && p->val[r.id].depth > depth) depth = p->val[r.id].depth;
  }
  if (n > 1 && !(ready && q->uses == 1)) return false;
  if (depth >= p->tune->clone_depth) return false;
  q->depth = (uint8_t)(depth + 1);
  q->made_of = n == 1 ? big[0] : 0;
  return true;
}

static void touch(Plan *p, Val v, uint32_t t) {
  PVal *q = &p->val[v.id];
  if (t > q->t1) q->t1 = t;
  if (t < q->t0) q->t0 = t;
}

static void store(Plan *p, Val v, uint32_t t) {
  PVal *q = &p->val[v.id];
  touch(p, v, t);
  if (q->stored) return;
  const RootKind kind = plan_around(p, v) ? ROOT_AROUND : ROOT_VALUE;
  q->stored = true;
  if (q->home == HOME_NONE) q->home = HOME_SCRATCH;
  if (q->cls == PC_POINT) *vec_push(&p->group.at[q->group]->root) = (Root){kind, v, -1, false};
}

/* In memory of its own, unless it is inside another value. */
static void keep(Plan *p, Val v, uint32_t t) {
  const PVal *q = &p->val[v.id];
  if (q->around && !q->stored) touch(p, (Val){q->around}, t);
  else store(p, v, t);
}

/* v, from outside of a body; `memory`: what it is a view of is read by address, a single number as well. */
static void need_up(Plan *p, Val v, bool memory, bool dynamic) {
  const Inst *call = ir_inst(p->up->f, p->call);
  uint32_t k = ir_number(p->f, ir_inst(p->f, v));
  Val outer = ir_arg(p->up->f, call, k);
  bool slice = call->op == OP_scan && k < (uint32_t)(ir_scan_shape(p->up->f, call).carry + ir_scan_shape(p->up->f, call).xs);
  uint32_t t = call_group(p)->t1;
  if (memory) need_memory(p->up, outer, t);
  else need(p->up, outer, 0, t, dynamic || slice || call->op == OP_ode);
}

/* v must be readable at time t by group g (0: by none in particular, so never computed on the way);
 * `dynamic`: at an index known only when the code runs. What g computes is looked through once (g is walked at one
 * time): paths through a chain that uses its values twice are exponentially many. */
static void need(Plan *p, Val v, uint32_t g, uint32_t t, bool dynamic) {
  PVal *q = &p->val[v.id];
  const Inst *i = ir_inst(p->f, v);
  if (q->alias) {
    need(p, (Val){q->alias}, g, t, dynamic);
    return;
  }
  switch (q->cls) {
  case PC_VIEW: need(p, ir_arg(p->f, i, 0), g, t, dynamic || i->op == OP_reshape); break;
  case PC_UP: need_up(p, v, false, dynamic && i->type.rank > 0); break;
  case PC_SSA:
    if ((dynamic && i->type.rank > 0) || crosses(p, v, t)) store(p, v, t);
    else if (q->stored) touch(p, v, t);
    break;
  case PC_BUF: store(p, v, t); break;
  case PC_POINT:
    if (g && q->walked == g) break;
    if ((g && q->group == g) || (g && !q->stored && !q->around && !p->group.at[g]->fused && clonable(p, v))) {
      touch(p, v, t);
      q->walked = g;
      if (ir_inst(p->f, v)->op == OP_dot && p->group.at[q->group]->main.id == v.id) break;
      for (uint32_t k = 0; k < i->nargs; k++) need_operand(p, i, k, g, t, true);
    } else keep(p, v, t);
    break;
  default: break;
  }
}

/* v itself, or what it is a view of, must be in memory: it is read many times, or by address. */
static void need_memory(Plan *p, Val v, uint32_t t) {
  Val r = plan_root(p, v);
  uint8_t c = p->val[r.id].cls;
  if (c == PC_POINT) keep(p, r, t);
  else if (c == PC_SSA || c == PC_BUF) store(p, r, t);
  else if (c == PC_UP) need_up(p, r, true, false);
}

/* Rows that an index chooses are read here and there, those of series by loops. */
static void need_operand(Plan *p, const Inst *i, uint32_t k, uint32_t g, uint32_t t, bool dynamic) {
  if ((i->op == OP_gather && k == 0) || (i->op == OP_cauchy && k < 2)) need_memory(p, ir_arg(p->f, i, k), t);
  else need(p, ir_arg(p->f, i, k), g, t, dynamic);
}

static void need_args(Plan *p, Val v, uint32_t g, uint32_t t, bool dynamic) {
  const Inst *i = ir_inst(p->f, v);
  for (uint32_t k = 0; k < i->nargs; k++) need_operand(p, i, k, g, t, dynamic);
}

static void need_body(Plan *p);

/* Of a history: element by element, if it has few. */
static void need_row(Plan *p, Val v, uint32_t g, uint32_t t) { need(p, v, g, t, !plan_is_tiny(p, ir_type(p->f, v))); }

static void need_group(Plan *p, uint32_t k) {
  Group *g = p->group.at[k];
  const Inst *m = g->main.id ? ir_inst(p->f, g->main) : NULL;
  if (g->body) need_body(g->body);
  Val index;
  const bool rows = plan_sets_rows(p, k, &index);
  for (uint32_t r = 0; r < g->root.n; r++) {
    Root *root = &g->root.at[r];
    if (rows) need_row(p, ir_arg(p->f, ir_inst(p->f, root->v), 2), k, g->t1), touch(p, root->v, g->t0);
    else if (root->kind == ROOT_VALUE) need(p, root->v, k, g->t1, true), touch(p, root->v, g->t0);
    else if (root->kind == ROOT_AROUND) need(p, plan_inside(p, root->v), k, g->t1, true);
    else need_args(p, root->v, k, g->t1, g->kind != G_TINY);
    if (root->kind != ROOT_VALUE) touch(p, root->v, g->t0);
  }
  for (uint32_t j = 0; g->kind == G_TINY && j < g->member.n; j++) need_args(p, g->member.at[j], k, g->t1, false);
  if (!m) return;
  touch(p, g->main, g->t0);
  uint32_t end = g->joined ? p->group.at[g->joined]->t1 : g->t1;
  for (uint32_t j = 0; j < m->nargs; j++) {
    Val a = ir_arg(p->f, m, j);
    if (g->kind == G_RAND) need(p, a, 0, g->t1, false);
    else if (g->kind == G_SCAN && j < ir_states(p->f, m) && plan_history(g->body, j))
      a = ir_arg(p->f, ir_inst(p->f, a), 0), need(p, a, 0, g->t1, !plan_is_tiny(p, ir_type(p->f, a)));
    else if (g->kind == G_SCAN)
      need(p, a, 0, g->t1, !plan_is_tiny(p, ir_type(p->f, a)) || (plan_turned(g) && j < ir_scan_shape(p->f, m).xs));
    else need_memory(p, a, end);
  }
}

/* What is padded for a product is known first: others read what is inside from there, and recompute less. */
static void need_padded(Plan *p) {
  for (uint32_t k = 1; k < p->group.n; k++) {
    const Group *g = p->group.at[k];
    const Inst *m = g->kind == G_GEMM || g->kind == G_DW ? ir_inst(p->f, g->main) : NULL;
    for (uint32_t j = 0; m && j < m->nargs; j++) {
      const Val r = plan_root(p, ir_arg(p->f, m, j));
      if (p->val[r.id].cls == PC_POINT && ir_inst(p->f, r)->op == OP_unslice) store(p, r, g->t1);
    }
  }
}

static void need_groups(Plan *p) {
  need_padded(p);
  for (int s = SEC_count; s-- > 0;)
    for (uint32_t k = p->group.n; k-- > 1;)
      if (p->group.at[k]->section == s) need_group(p, k);
}

/* Sums that nothing reads: a body's results that the loop's user dropped. */
static void drop_unread(Plan *p) {
  for (uint32_t k = 1; k < p->group.n; k++) {
    Group *g = p->group.at[k];
    uint32_t n = 0;
    for (uint32_t r = 0; r < g->root.n; r++) {
      const PVal *q = &p->val[plan_sink(p, g->root.at[r].v).id];
      if (q->cls != PC_BUF || q->stored) g->root.at[n++] = g->root.at[r];
    }
    g->root.n = n;
    if (g->body) drop_unread(g->body);
  }
}

/* ---- homes -------------------------------------------------------------------------------------------------------- */

static bool takes_home(const Plan *p, Val v) {
  const PVal *q = &p->val[v.id];
  return !q->alias && q->home == HOME_NONE && (q->cls == PC_POINT || q->cls == PC_BUF);
}

/* Result k of the function or body is wanted at `home`: computed there if nothing is against it. */
static void deliver(Plan *p, uint32_t k, Home home, uint32_t end) {
  Val v = p->f->out.at[k];
  if (takes_home(p, v) && (home != HOME_ZS || p->val[v.id].sum)) {
    p->val[v.id].home = (uint8_t)home, p->val[v.id].homeidx = k;
    store(p, v, end);
    return;
  }
  *vec_push(&p->copy) = (Copy){v, home, k};
  need(p, v, 0, end, true);
}

static void need_body(Plan *p) {
  const Inst *call = ir_inst(p->up->f, p->call);
  Group *g = call_group(p);
  if (p->turns) {
    for (uint32_t k = 0; k < p->f->out.n; k++) need(p, p->f->out.at[k], 0, g->t1, false);
    need_groups(p);
    return;
  }
  if (call->op == OP_ode) {
    for (uint32_t k = 0; k < p->f->out.n; k++) {
      *vec_push(&p->copy) = (Copy){p->f->out.at[k], HOME_OUT, k};
      need(p, p->f->out.at[k], 0, g->t1, !plan_is_tiny(p, ir_type(p->f, p->f->out.at[k])));
    }
    need_groups(p);
    return;
  }
  uint32_t carry = ir_scan_shape(p->up->f, call).carry, ys = ir_scan_shape(p->up->f, call).ys;
  p->carry_buf = ARENA_ARRAY(p->mem, int64_t, carry + 1), p->carry_one = ARENA_ARRAY(p->mem, bool, carry + 1);
  p->carry_regs = ARENA_ARRAY(p->mem, bool, carry + 1);
  for (uint32_t k = 0; k < p->f->out.n; k++) {
    Val v = p->f->out.at[k];
    if (k < carry && plan_is_tiny(p, ir_type(p->f, v))) need(p, v, 0, g->t1, false);
    else if (k < carry) deliver(p, k, HOME_NEXT, g->t1);
    else if (plan_result(p->up, p->call, k).id) deliver(p, k, k < carry + ys ? HOME_YS : HOME_ZS, g->t1);
  }
  need_groups(p);
}

/* ---- memory --------------------------------------------------------------------------------------------------------- */

static void item(Finish *x, const Plan *p, int64_t bytes, int64_t *off, uint32_t t0, uint32_t t1) {
  if (x->n == x->cap) x->cap = x->cap * 2 + 64, x->item = base_realloc(x->item, sizeof *x->item * x->cap);
  x->item[x->n] = (PlanItem){p->target->kernel->array_bytes(p->tune, bytes), off, t0, t1, x->n};
  x->n++;
}

static int64_t lanes(const Plan *p) { return (int64_t)p->form.tile * p->form.together; }

static int64_t value_bytes(const Plan *p, Type t) {
  int64_t one = t.dt == DT_BOOL ? 1 : p->form.es;
  return type_count(t) * one * (t.lane ? lanes(p) : 1);
}

/* Lanes x columns, rows as long as the product wants them; or what sums over places want. */
int64_t plan_dw_bytes(const Plan *p, const Dot *d, const DwShape *w) {
  const CgKernels *kernel = p->target->kernel;
  if (!w->nplace) return kernel->dw_bytes(p->form.vl, p->form.es, lanes(p), d->label[w->col].n);
  CgPlaceRow row[IR_MAX_RANK];
  CgPlace loop[2 * IR_MAX_RANK];
  for (int k = 0; k < w->nk; k++) row[k] = (CgPlaceRow){.n = d->label[w->k[k]].n};
  for (int k = 0; k < w->nplace; k++) loop[k] = (CgPlace){.n = w->place[k].n};
  const CgPlaces shape = {
    .M = w->row < 0 ? 1 : d->label[w->row].n, .lanes = lanes(p), .row = row, .nrow = w->nk, .loop = loop, .nloop = w->nplace};
  return kernel->places_bytes(p->form.vl, p->form.es, &shape);
}

static int64_t sum_bytes(const Plan *p, Type t) { return p->target->kernel->sum_bytes(p->form.vl, p->form.es, type_count(t)); }

static int64_t dw_work(const Plan *p, const Inst *i) {
  Dot d;
  DwShape w;
  plan_dot(p->f, i, &d);
  return plan_dw(p, &d, &w) ? plan_dw_bytes(p, &d, &w) : 0;
}

/* What it adds and where, if these are no plain memory. */
static int64_t scatter_work(const Plan *p, const Inst *i) {
  int64_t bytes = 0;
  for (uint32_t k = 0; k < 2; k++) bytes += plan_round_up(value_bytes(p, ir_type(p->f, ir_arg(p->f, i, k))), p->tune->align);
  return bytes;
}

static void reduce_items(Finish *x, Plan *p, Group *g, uint32_t end) {
  for (uint32_t r = 0; r < g->root.n; r++) {
    Root *root = &g->root.at[r];
    Type t = ir_type(p->f, root->v);
    bool sums = root->kind == ROOT_BATCH || root->kind == ROOT_LANES;
    if (sums && p->val[root->v.id].into) continue;
    if (sums) item(x, p, sum_bytes(p, t), &root->acc, root->persist ? 0 : g->t0, root->persist ? end : g->t1);
    else if (root->kind != ROOT_VALUE && p->val[root->v.id].cls == PC_SSA) item(x, p, value_bytes(p, t), &root->acc, g->t0, g->t1);
  }
}

static void carry_items(Finish *x, Plan *p, Group *g) {
  const Inst *m = ir_inst(p->f, g->main);
  if (m->op == OP_ode) {
    const PlanOde o = plan_ode(p, m, (unsigned)lanes(p));
    item(x, p, o.common + (g->refill ? g->refill : 1) * o.bytes, &g->work, g->refill ? 0 : g->t0, g->refill ? x->end : g->t1);
    return;
  }
  int64_t room = p->target->regs / p->tune->regs_carried;
  for (uint32_t k = 0; k < ir_states(p->f, m); k++) {
    Type t = ir_type(g->body->f, g->body->f->out.at[k]);
    if (plan_is_tiny(p, t)) continue;
    Val result = plan_result(p, g->main, k);
    uint32_t t1 = g->t1;
    if (result.id && p->val[result.id].t1 > t1) t1 = p->val[result.id].t1;
    if (result.id && p->val[result.id].section == SEC_ONCE && !p->up && p->lane) t1 = section_end(p, SEC_LAST);
    int64_t bytes = plan_round_up(value_bytes(p, t), p->tune->align);
    if (plan_in_place(g->body, k)) g->body->carry_one[k] = g->body->val[g->body->f->out.at[k].id].in_place = true;
    int64_t vectors = g->body->carry_one[k] ? plan_carry_vectors(g->body, k) : 0;
    if (vectors && vectors <= room) g->body->carry_regs[k] = true, room -= vectors;
    item(x, p, g->body->carry_one[k] ? bytes : 2 * bytes, &g->body->carry_buf[k], g->t0, t1);
  }
}

/* One sample at a time, per-sample arguments lie in scratch, their elements side by side. */
static void argument_items(Finish *x, Plan *p, uint32_t end) {
  const Fn *f = p->f;
  p->in_buf = ARENA_ARRAY(p->mem, int64_t, f->in.n + 1), p->out_buf = ARENA_ARRAY(p->mem, int64_t, f->out.n + 1);
  for (uint32_t k = 0; k < f->in.n + f->out.n; k++) {
    bool in = k < f->in.n;
    Type t = in ? f->in.at[k].type : ir_type(f, f->out.at[k - f->in.n]);
    int64_t *off = in ? &p->in_buf[k] : &p->out_buf[k - f->in.n];
    *off = -1;
    if (p->form.single && t.lane && type_count(t) > 1) item(x, p, value_bytes(p, t), off, 0, end);
  }
}

static void plan_items(Finish *x, Plan *p, uint32_t end) {
  for (uint32_t k = 1; k < p->group.n; k++) {
    Group *g = p->group.at[k];
    reduce_items(x, p, g, end);
    const Group *at = g->joined ? p->group.at[g->joined] : g;
    if (g->kind == G_DW) item(x, p, dw_work(p, ir_inst(p->f, g->main)), &g->work, at->t0, at->t1);
    if (g->kind == G_SCATTER) item(x, p, scatter_work(p, ir_inst(p->f, g->main)), &g->work, g->t0, g->t1);
    if (g->kind == G_EIGH)
      item(x, p, value_bytes(p, ir_type(p->f, ir_arg(p->f, ir_inst(p->f, g->main), 0))), &g->work, g->t0, g->t1);
    if (g->gemv) item(x, p, type_count(ir_type(p->f, g->main)) * p->form.es, &g->work, g->t0, g->t1);
    if (!g->body) continue;
    carry_items(x, p, g);
    plan_items(x, g->body, end);
  }
  for (uint32_t v = 1; v < p->f->inst.n; v++) {
    PVal *q = &p->val[v];
    if (p->live[v] && q->sum == SUM_LANES && ir_op[p->f->inst.at[v].op].cls != OPC_STRUCT)
      item(x, p, sum_bytes(p, p->f->inst.at[v].type), &q->acc, 0, end);
    if (!p->live[v] || q->alias || !q->stored || q->home != HOME_SCRATCH || q->inside) continue;
    if (!p->up && q->section == SEC_ONCE && p->lane && q->t1 > section_end(p, SEC_ONCE)) q->t1 = section_end(p, SEC_LAST);
    if (!p->up && q->bsum) q->t0 = 0, q->t1 = end;
    q->bytes = value_bytes(p, p->f->inst.at[v].type);
    item(x, p, q->bytes, &q->off, q->t0, q->t1);
  }
}

static void start_times(Plan *p) {
  for (uint32_t v = 1; v < p->f->inst.n; v++) p->val[v].t0 = UINT32_MAX;
  for (uint32_t k = 1; k < p->group.n; k++)
    if (p->group.at[k]->body) start_times(p->group.at[k]->body);
}

/* A value filled by a group exists from the start of that group on; a tiny carry that is in memory, too, from the start of a turn. */
static void born(Plan *p) {
  for (uint32_t v = 1; v < p->f->inst.n; v++) {
    if (!p->live[v] || p->val[v].alias) continue;
    if (p->val[v].group) touch(p, (Val){v}, p->group.at[p->val[v].group]->t0);
    else if (p->up && p->val[v].cls == PC_SSA && p->val[v].stored) touch(p, (Val){v}, call_group(p)->t0);
  }
  for (uint32_t k = 1; k < p->group.n; k++)
    if (p->group.at[k]->body) born(p->group.at[k]->body);
}

/* ---- counting ------------------------------------------------------------------------------------------------------------ */

static void count(const Plan *p, int64_t turns, int64_t *tile, int64_t *once) {
  for (uint32_t v = 1; v < p->f->inst.n; v++) {
    const Inst *i = &p->f->inst.at[v];
    if (!p->live[v]) continue;
    int64_t n = 0;
    bool lane = i->type.lane;
    if (ir_elementwise(i->op)) n = type_count(i->type);
    else if (i->op == OP_sum || i->op == OP_batch_sum) n = type_count(ir_type(p->f, ir_arg(p->f, i, 0)));
    else if (i->op == OP_dot) {
      Dot d;
      plan_dot(p->f, i, &d);
      n = 2 * type_count(i->type) * d.contraction;
      lane |= d.lanes;
    }
    lane |= i->op == OP_batch_sum;
    *(lane ? tile : once) += n * turns;
  }
  for (uint32_t k = 1; k < p->group.n; k++) {
    const Group *g = p->group.at[k];
    if (g->kind == G_SCAN) count(g->body, turns * ir_turns(p->f, ir_inst(p->f, g->main)), tile, once);
  }
}

/* Pieces take a tile each. */
static void singly(Plan *p) {
  p->form.together = 1;
  for (uint32_t k = 1; k < p->group.n; k++)
    if (p->group.at[k]->body) singly(p->group.at[k]->body);
}

void plan_finish(Plan *p) {
  Finish x = {0};
  uint32_t clock = 1;
  number(p, &clock);
  plan_cut(p);
  if (p->ncut) singly(p);
  plan_refill(p);
  start_times(p);
  for (uint32_t k = 0; k < p->f->out.n; k++) deliver(p, k, HOME_OUT, clock);
  need_groups(p);
  drop_unread(p);
  born(p);
  plan_parts(p);
  x.end = clock;
  argument_items(&x, p, clock);
  plan_items(&x, p, clock);
  p->scratch = plan_pack(x.item, x.n) + p->tune->align;
  plan_parts_place(p);
  base_free(x.item);
  count(p, 1, &p->flop_tile, &p->flop_once);
}
