/* Classes of values and groups of loops (see plan.h). One forward walk: an instruction joins the first
 * group of its dims that comes no earlier than the groups of its operands, or opens one at the end.
 * Operands read at the same index may be computed in the same group; all others must be finished
 * by an earlier one. */
#include "codegen/plan/plan_priv.h"

#include <string.h>

/* ---- groups -------------------------------------------------------------------------------------------- */

static Group *group_new(Plan *p, GroupKind kind, Section s, bool lane, uint32_t rank, const uint32_t *dim) {
  Group *g = ARENA_NEW(p->mem, Group);
  g->kind = (uint8_t)kind, g->section = (uint8_t)s, g->lane = lane, g->rank = rank;
  g->work = -1;
  for (uint32_t k = 0; k < rank; k++) g->dim[k] = dim[k];
  *vec_push(&p->group) = g;
  return g;
}

static bool group_fits(const Group *g, Section s, bool lane, uint32_t rank, const uint32_t *dim) {
  return g->section == s && g->lane == lane && g->rank == rank && !memcmp(g->dim, dim, rank * sizeof *dim);
}

/* The index of the group of value v, or 0 if it is there from the start. */
static uint32_t group_of(const Plan *p, Val v) { return p->val[plan_root(p, v).id].group; }

/* The last group that barriers on the way to v's elements name. */
static uint32_t barred(const Plan *p, Val v) {
  uint32_t g = 0;
  for (;;) {
    const PVal *q = &p->val[v.id];
    if (q->after > g) g = q->after;
    if (q->alias) v.id = q->alias;
    else if (q->cls == PC_VIEW) v = ir_arg(p->f, ir_inst(p->f, v), 0);
    else return g;
  }
}

/* The first group that may read v; `same`: at the index at which it is computed. */
static uint32_t earliest(const Plan *p, Val v, bool same) {
  Val s = plan_strip(p, v);
  if (same && p->val[s.id].cls == PC_POINT) return p->val[s.id].group;
  uint32_t g = group_of(p, v), bar = barred(p, v);
  if (bar > g) g = bar;
  return g ? g + 1 : 0;
}

/* The first group at or after `from` that loops over these dims, and is not too long: LLVM takes a multiple of the time for a
 * block of twice the length. A product's group is joined only by
 * what follows from the product (`by`: a group number that an operand read at the same index is in). */
static uint32_t find_loop(Plan *p, uint32_t from, uint32_t by, Section s, bool lane, uint32_t rank, const uint32_t *dim) {
  for (uint32_t k = from ? from : 1; k < p->group.n; k++) {
    const Group *g = p->group.at[k];
    bool product = g->kind == G_GEMM || g->kind == G_DOT;
    bool loop = g->kind == G_LOOP && g->member.n < p->tune->straight;
    if ((loop || (product && k == by)) && group_fits(g, s, lane, rank, dim)) return k;
  }
  group_new(p, G_LOOP, s, lane, rank, dim);
  return p->group.n - 1;
}

static uint32_t find_tiny(Plan *p, uint32_t from, Section s) {
  for (uint32_t k = from ? from : 1; k < p->group.n; k++)
    if (p->group.at[k]->kind == G_TINY && p->group.at[k]->section == s && p->group.at[k]->member.n < p->tune->straight) return k;
  group_new(p, G_TINY, s, false, 0, NULL);
  return p->group.n - 1;
}

static uint32_t own_group(Plan *p, GroupKind kind, Section s, Val v) {
  Type t = ir_type(p->f, v);
  Group *g = group_new(p, kind, s, t.lane, t.rank, t.dim);
  g->main = v;
  return p->group.n - 1;
}

static void add_root(Plan *p, uint32_t g, RootKind kind, Val v, bool persist) {
  *vec_push(&p->group.at[g]->root) = (Root){kind, v, -1, persist};
}

/* ---- where an instruction goes ------------------------------------------------------------------------------ */

static Section section_of(const Plan *p, Val v) {
  if (p->up) return SEC_TILE;
  if (!p->lane) return SEC_ONCE;
  const Inst *i = ir_inst(p->f, v);
  Section s = i->type.lane ? SEC_TILE : SEC_ONCE;
  for (uint32_t k = 0; k < i->nargs; k++) {
    Section a = p->val[ir_arg(p->f, i, k).id].section;
    if (a > s) s = a;
  }
  return s;
}

static uint32_t after_args(const Plan *p, const Inst *i) {
  uint32_t from = 0;
  for (uint32_t k = 0; k < i->nargs; k++) {
    uint32_t g = earliest(p, ir_arg(p->f, i, k), false);
    if (g > from) from = g;
  }
  return from;
}

static void place_tiny(Plan *p, Val v, Section s) {
  const Inst *i = ir_inst(p->f, v);
  uint32_t from = 0;
  for (uint32_t k = 0; k < i->nargs; k++) {
    Val a = ir_arg(p->f, i, k);
    uint32_t g = group_of(p, a);
    bool together = g && p->group.at[g]->kind == G_TINY && p->val[plan_root(p, a).id].cls == PC_SSA;
    if (g && !together) g++;
    if (barred(p, a) >= g && barred(p, a)) g = barred(p, a) + 1;
    if (g > from) from = g;
  }
  uint32_t g = find_tiny(p, from, s);
  p->val[v.id].group = g;
  *vec_push(&p->group.at[g]->member) = v;
}

/* A big value computed element by element, among others of its dims. Of two slow functions in a row, the second begins
 * a loop: a core does not look far enough ahead to work on several elements, each a chain as long as both. */
static void place_point(Plan *p, Val v, Section s) {
  const Inst *i = ir_inst(p->f, v);
  uint32_t from = 0, by = 0, slow = 0;
  for (uint32_t k = 0; k < i->nargs; k++) {
    Val a = ir_arg(p->f, i, k);
    bool same = plan_is_elementwise((Op)i->op) && type_same_dims(ir_type(p->f, a), i->type);
    uint32_t g = earliest(p, a, same);
    if (same && g >= by && plan_is_point(p, plan_strip(p, a))) by = g;
    if (same && p->val[plan_strip(p, a).id].slow && g > slow) slow = g;
    if (g > from) from = g;
  }
  if (ir_has(i->op, OPF_SLOW) && slow && from <= slow) from = slow + 1;
  uint32_t g = find_loop(p, from, by, s, i->type.lane, i->type.rank, i->type.dim);
  p->val[v.id].group = g;
  p->val[v.id].slow = ir_has(i->op, OPF_SLOW) || g == slow;
  *vec_push(&p->group.at[g]->member) = v;
}

/* A sum that is formed while its operand x is there; `other` is its second operand or none. */
static uint32_t place_reduce(Plan *p, Val x, Val other, Section s, bool lane, uint32_t rank, const uint32_t *dim) {
  Type tx = ir_type(p->f, x);
  bool same = tx.rank == rank && !memcmp(tx.dim, dim, rank * sizeof *dim);
  uint32_t from = earliest(p, x, same), by = same && plan_is_point(p, plan_strip(p, x)) ? from : 0;
  if (other.id) {
    Type to = ir_type(p->f, other);
    bool too = to.rank == rank && !memcmp(to.dim, dim, rank * sizeof *dim);
    uint32_t g = earliest(p, other, too);
    if (too && g >= by && plan_is_point(p, plan_strip(p, other))) by = g;
    if (g > from) from = g;
  }
  return find_loop(p, from, by, s, lane, rank, dim);
}

/* The labels of `of_a ? a : b` in its own order, if all of them (and no others) are `wanted`. */
static bool operand_covers(const Dot *d, bool of_a, bool out_too) {
  for (int l = 0; l < d->n; l++) {
    bool in = (of_a ? d->label[l].in_a : d->label[l].in_b) >= 0, wanted = out_too ? in : d->label[l].in_out < 0;
    if (in != wanted) return false;
  }
  return true;
}

/* A short result of a long contraction: loops over the contraction, accumulators for the result. */
static void place_dot_reduce(Plan *p, Val v, const Dot *d, Section s) {
  Type ta = ir_type(p->f, d->a), tb = ir_type(p->f, d->b);
  bool a_ok = operand_covers(d, true, false), b_ok = operand_covers(d, false, false);
  bool use_b = b_ok && (!a_ok || (plan_is_point(p, plan_strip(p, d->b)) && !plan_is_point(p, plan_strip(p, d->a))));
  bool lane = ta.lane || tb.lane;
  uint32_t g;
  if (use_b) g = place_reduce(p, d->b, d->a, s, lane, tb.rank, tb.dim);
  else if (a_ok) g = place_reduce(p, d->a, d->b, s, lane, ta.rank, ta.dim);
  else {
    uint32_t dim[IR_MAX_RANK], rank = 0;
    for (int l = 0; l < d->n; l++)
      if (d->label[l].in_out < 0) dim[rank++] = d->label[l].n;
    uint32_t from = after_args(p, ir_inst(p->f, v));
    g = find_loop(p, from, 0, s, lane, rank, dim);
  }
  p->val[v.id].group = g;
  add_root(p, g, ROOT_DOT, v, false);
}

static void place_lanes_dot(Plan *p, Val v, const Dot *d, Section s) {
  DwShape w;
  bool persist = !p->up;
  bool wide = plan_dw(p, d, &w), single = p->form.single && !plan_is_tiny(p, ir_type(p->f, v));
  if (wide && (single || w.nplace || (d->label[w.row].n >= p->tune->dw_min && d->label[w.col].n >= p->tune->dw_min))) {
    p->val[v.id].group = own_group(p, G_DW, s, v);
    p->group.at[p->group.n - 1]->lane = true;
    return;
  }
  Type ta = ir_type(p->f, d->a), tb = ir_type(p->f, d->b);
  bool use_b = type_count(tb) > type_count(ta);
  Type t = use_b ? tb : ta;
  uint32_t g;
  if (plan_is_tiny(p, ta) && plan_is_tiny(p, tb)) {
    uint32_t from = 0;
    const Inst *i = ir_inst(p->f, v);
    for (uint32_t k = 0; k < 2; k++) {
      uint32_t a = earliest(p, ir_arg(p->f, i, k), false);
      if (a > from) from = a;
    }
    g = find_tiny(p, from, s);
  } else g = place_reduce(p, use_b ? d->b : d->a, use_b ? d->a : d->b, s, true, t.rank, t.dim);
  p->val[v.id].group = g;
  add_root(p, g, ROOT_LANES, v, persist);
}

static void place_batch_sum(Plan *p, Val v, Section s) {
  Val x = ir_arg(p->f, ir_inst(p->f, v), 0);
  Type t = ir_type(p->f, x);
  uint32_t g = plan_is_tiny(p, t) ? find_tiny(p, earliest(p, x, false), s) : place_reduce(p, x, VAL_NONE, s, true, t.rank, t.dim);
  p->val[v.id].group = g;
  add_root(p, g, ROOT_BATCH, v, !p->up);
}

/* ---- classes -------------------------------------------------------------------------------------------------- */

static void set(Plan *p, Val v, PClass c) { p->val[v.id].cls = (uint8_t)c; }

static void plan_input(Plan *p, Val v) {
  const Inst *i = ir_inst(p->f, v);
  if (!p->up || p->turns) {
    set(p, v, p->up ? PC_SSA : PC_IN);
    return;
  }
  const Inst *call = ir_inst(p->up->f, p->call);
  uint32_t k = ir_number(p->f, i);
  bool ode = call->op == OP_ode;
  uint32_t own = ir_states(p->up->f, call);
  if (k >= own && !ode) set(p, v, PC_UP);
  else if (!ode && plan_is_tiny(p, i->type)) set(p, v, PC_SSA);
  else set(p, v, PC_BUF), p->val[v.id].home = HOME_CARRY;
}

static void plan_proj(Plan *p, Val v) {
  const Inst *i = ir_inst(p->f, v);
  Val multi = ir_arg(p->f, i, 0);
  const Inst *m = ir_inst(p->f, multi);
  uint32_t k = ir_number(p->f, i);
  Val first = plan_result(p, multi, k);
  if (first.id != v.id) {
    p->val[v.id] = p->val[first.id];
    p->val[v.id].alias = first.id;
    return;
  }
  PVal *q = &p->val[v.id];
  q->group = p->val[multi.id].group;
  set(p, v, PC_BUF);
  if (m->op != OP_scan) return;
  uint32_t carry = ir_scan_shape(p->f, m).carry;
  if (k < carry) {
    if (plan_is_tiny(p, i->type)) set(p, v, PC_SSA);
    else q->home = HOME_CARRY;
    return;
  }
  const Plan *body = p->group.at[q->group]->body;
  if (!body->val[body->f->out.at[k].id].bsum) return;
  q->bsum = true;
  if (!p->up) q->section = SEC_LAST;
}

static bool has_lane(const Fn *f) {
  for (uint32_t v = 1; v < f->inst.n; v++)
    if (f->inst.at[v].type.lane) return true;
  for (uint32_t k = 0; k < f->sub.n; k++)
    if (has_lane(f->sub.at[k])) return true;
  return false;
}

static void plan_multi(Plan *p, Val v) {
  const Inst *i = ir_inst(p->f, v);
  const Fn *body = ir_body(p->f, i);
  Section s = section_of(p, v);
  if (!p->up && p->lane && s == SEC_ONCE && has_lane(body)) s = SEC_TILE;
  p->val[v.id].section = (uint8_t)s;
  set(p, v, PC_MULTI);
  Group *g = group_new(p, i->op == OP_scan ? G_SCAN : G_ODE, s, false, 0, NULL);
  g->main = v;
  p->val[v.id].group = p->group.n - 1;
  Plan like = {.mem = p->mem, .f = body, .up = p, .call = v, .form = p->form, .target = p->target, .lane = p->lane};
  if (plan_by_stages(p->f, i)) {
    like.f = g->own = plan_stage_body(p->f, i), like.form = plan_stage_form(p), like.lane = true;
    like.tune = plan_stage_tuning(p, like.f);
  } else if (plan_by_turns(p, i)) {
    like.f = g->own = plan_turn_body(p->f, i), like.form = plan_turn_form(p), like.lane = like.turns = true;
    like.tune = plan_stage_tuning(p, like.f);
  }
  g->body = plan_walk(&like);
}

static void plan_dot_inst(Plan *p, Val v, Section s) {
  Dot d;
  const Inst *i = ir_inst(p->f, v);
  plan_dot(p->f, i, &d);
  const int64_t n = type_count(i->type), tiny = p->tune->tiny, unroll = p->tune->unroll;
  GemmShape shape;
  if (d.lanes) {
    set(p, v, PC_BUF), p->val[v.id].bsum = true;
    place_lanes_dot(p, v, &d, s);
    if (!p->up) p->val[v.id].section = SEC_LAST;
  } else if (n <= tiny && (n * d.contraction <= unroll || d.contraction == 1)) {
    set(p, v, PC_SSA), place_tiny(p, v, s);
  } else if (n * d.contraction >= unroll && plan_gemv(p, &d, &shape)) {
    p->val[v.id].group = own_group(p, G_GEMM, s, v);
    p->group.at[p->group.n - 1]->gemv = true;
    set(p, v, n <= tiny ? PC_SSA : PC_POINT);
  } else if (n <= tiny) {
    set(p, v, PC_SSA), place_dot_reduce(p, v, &d, s);
  } else if (d.contraction <= p->tune->small) {
    set(p, v, PC_POINT), place_point(p, v, s);
  } else {
    bool gemm = plan_gemm(p, &d, &shape);
    p->val[v.id].group = own_group(p, gemm ? G_GEMM : G_DOT, s, v);
    set(p, v, PC_POINT);
  }
}

static void plan_reduce(Plan *p, Val v, Section s) {
  const Inst *i = ir_inst(p->f, v);
  Val x = ir_arg(p->f, i, 0);
  Type t = ir_type(p->f, x);
  if (plan_is_tiny(p, i->type) && type_count(t) <= p->tune->unroll) {
    set(p, v, PC_SSA), place_tiny(p, v, s);
  } else if (!plan_is_tiny(p, i->type) && t.dim[ir_sum_attr(p->f, i).axis] <= p->tune->small) {
    set(p, v, PC_POINT), place_point(p, v, s);
  } else {
    set(p, v, plan_is_tiny(p, i->type) ? PC_SSA : PC_BUF);
    uint32_t g = place_reduce(p, x, VAL_NONE, s, t.lane, t.rank, t.dim);
    p->val[v.id].group = g;
    add_root(p, g, ROOT_REDUCE, v, false);
  }
}

static void plan_own(Plan *p, Val v, Section s, GroupKind kind) {
  Type t = ir_type(p->f, v);
  bool by_rows = kind == G_SOLVE || kind == G_LU || kind == G_CHOLESKY;
  bool unrolled = kind == G_CONCAT || kind == G_PUT || (by_rows && t.dim[kind != G_SOLVE] <= p->tune->small);
  if (plan_is_tiny(p, t) && unrolled) {
    set(p, v, PC_SSA), place_tiny(p, v, s);
    return;
  }
  set(p, v, PC_BUF);
  p->val[v.id].group = own_group(p, kind, s, v);
}

/* By few indices: computed at each place of the result; but in loops rows can be added to what all turns sum up (plan_sums.c). Over
 * lanes: added to one sum for all tiles, as weight gradients are. */
static void plan_scatter(Plan *p, Val v, Section s) {
  const Inst *i = ir_inst(p->f, v);
  const int64_t n = type_count(i->type), indices = type_count(ir_type(p->f, ir_arg(p->f, i, 1)));
  if (ir_scatter_attr(p->f, i).lanes) {
    set(p, v, PC_BUF), p->val[v.id].bsum = true;
    p->val[v.id].group = own_group(p, G_SCATTER, s, v);
    p->group.at[p->group.n - 1]->lane = true;
    if (!p->up) p->val[v.id].section = SEC_LAST;
  } else if (plan_is_tiny(p, i->type) && n * indices <= p->tune->unroll) {
    set(p, v, PC_SSA), place_tiny(p, v, s);
  } else if (!p->up && !plan_is_tiny(p, i->type) && indices <= p->tune->small) {
    set(p, v, PC_POINT), place_point(p, v, s);
  } else {
    set(p, v, PC_BUF);
    p->val[v.id].group = own_group(p, G_SCATTER, s, v);
  }
}

/* Where vectors run along elements, what is put together along the first axis is read at its place (plan_wide.c). */
static void plan_concat(Plan *p, Val v, Section s) {
  const Inst *i = ir_inst(p->f, v);
  bool place = plan_along(p) && ir_concat_attr(p->f, i).axis == 0 && i->nargs < PLAN_CUTS / 2;
  if (place && !plan_is_tiny(p, i->type)) set(p, v, PC_POINT), place_point(p, v, s);
  else plan_own(p, v, s, G_CONCAT);
}

/* Big values are not looked through in memory anyway; registers need an instruction that hides them. */
static void plan_barrier(Plan *p, Val v, Section s) {
  const Inst *i = ir_inst(p->f, v);
  if (plan_is_tiny(p, i->type)) {
    set(p, v, PC_SSA), place_tiny(p, v, s);
    return;
  }
  set(p, v, PC_VIEW);
  for (uint32_t k = 1; k < i->nargs; k++) {
    Val c = ir_arg(p->f, i, k);
    uint32_t g = group_of(p, c), bar = barred(p, c);
    if (bar > g) g = bar;
    if (g > p->val[v.id].after) p->val[v.id].after = g;
  }
}

static void plan_inst(Plan *p, Val v) {
  const Inst *i = ir_inst(p->f, v);
  PVal *q = &p->val[v.id];
  Section s = section_of(p, v);
  q->section = (uint8_t)s;
  for (uint32_t k = 0; k < i->nargs && i->op != OP_scan; k++) q->bsum |= p->val[ir_arg(p->f, i, k).id].bsum;
  switch (i->op) {
  case OP_in: plan_input(p, v); break;
  case OP_const: set(p, v, PC_CONST); break;
  case OP_table: set(p, v, PC_TABLE); break;
  case OP_iota: set(p, v, PC_IOTA); break;
  case OP_reshape:
  case OP_transpose:
  case OP_flip:
  case OP_expand:
  case OP_slice:
  case OP_window:
  case OP_take:
  case OP_diagv:
  case OP_id:
  case OP_spread: set(p, v, PC_VIEW); break;
  case OP_proj: plan_proj(p, v); break;
  case OP_barrier: plan_barrier(p, v, s); break;
  case OP_scan:
  case OP_ode: plan_multi(p, v); break;
  case OP_rand: plan_own(p, v, s, G_RAND); break;
  case OP_concat: plan_concat(p, v, s); break;
  case OP_put: plan_own(p, v, s, G_PUT); break;
  case OP_scatter: plan_scatter(p, v, s); break;
  case OP_lu: plan_own(p, v, s, G_LU); break;
  case OP_cholesky: plan_own(p, v, s, G_CHOLESKY); break;
  case OP_eigh: plan_own(p, v, s, G_EIGH); break;
  case OP_det:
  case OP_logdet: set(p, v, PC_SSA), place_tiny(p, v, s); break;
  case OP_trisolve:
  case OP_solve: plan_own(p, v, s, G_SOLVE); break;
  case OP_batch_sum:
    set(p, v, PC_BUF), q->bsum = true;
    place_batch_sum(p, v, SEC_TILE);
    if (!p->up) q->section = SEC_LAST;
    break;
  case OP_dot: plan_dot_inst(p, v, s); break;
  case OP_sum:
  case OP_rmax:
  case OP_rmin: plan_reduce(p, v, s); break;
  default:
    if (!plan_is_elementwise((Op)i->op) && i->op != OP_diag && i->op != OP_unslice && i->op != OP_unwindow && i->op != OP_gather &&
        i->op != OP_cauchy)
      base_fault("codegen: `%s` must have been expanded", ir_op[i->op].name);
    if (plan_is_tiny(p, i->type)) set(p, v, PC_SSA), place_tiny(p, v, s);
    else set(p, v, PC_POINT), place_point(p, v, s);
  }
}

Plan *plan_walk(const Plan *like) {
  const Fn *f = like->f;
  Plan *p = ARENA_NEW(like->mem, Plan);
  *p = *like;
  if (!p->tune) p->tune = p->target->tune;
  p->val = ARENA_ARRAY(p->mem, PVal, f->inst.n);
  p->live = ir_live(f);
  *vec_push(&p->group) = NULL;
  for (uint32_t v = 1; v < f->inst.n; v++)
    for (uint32_t k = 0; p->live[v] && k < (f->inst.at[v].op == OP_barrier ? 1 : f->inst.at[v].nargs); k++)
      p->val[ir_arg(f, &f->inst.at[v], k).id].uses++;
  for (uint32_t v = 1; v < f->inst.n; v++)
    if (p->live[v]) plan_inst(p, (Val){v});
  plan_sums(p);
  plan_fuse(p);
  return p;
}

Plan *plan_create(const Fn *f, PlanForm form, const CgTarget *t) {
  bool lane = has_lane(f);
  for (uint32_t k = 0; k < f->in.n; k++) lane |= f->in.at[k].type.lane;
  if (!lane) form.tile = 1, form.vl = 1, form.together = 1;
  Plan *p = plan_walk(&(Plan){.mem = arena_create(), .f = f, .form = form, .target = t, .lane = lane});
  plan_finish(p);
  return p;
}

static void plan_release(Plan *p) {
  for (uint32_t k = 1; k < p->group.n; k++) {
    Group *g = p->group.at[k];
    if (g->body) plan_release(g->body);
    if (g->own) ir_fn_destroy(g->own);
    vec_free(&g->member);
    vec_free(&g->root);
  }
  vec_free(&p->group);
  vec_free(&p->copy);
  base_free(p->live);
}

void plan_destroy(Plan *p) {
  if (!p) return;
  Arena *mem = p->mem;
  Fn *own = p->own;
  plan_release(p);
  if (own) ir_fn_destroy(own);
  arena_destroy(mem);
}
