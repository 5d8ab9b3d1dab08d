/* Sums of sums over the batch: a tree of additions over weight gradients (or over lane accumulators) needs
 * one accumulator for all its leaves, and no additions. The top of the tree becomes the sink into which
 * the leaves accumulate: a result of the function, or a zs of a loop, then over all its turns too. */
#include "codegen/plan/plan_priv.h"

typedef struct Tree {
  VEC(Val) leaf, add;
  uint8_t sum;
} Tree;

static void tree_free(Tree *t) {
  vec_free(&t->leaf);
  vec_free(&t->add);
}

int64_t plan_acc(const Plan *p, const Root *r) {
  uint32_t into = p->val[r->v.id].into;
  return into ? p->val[into].acc : r->acc;
}

static Root *root_of(const Plan *p, Val v) {
  Group *g = p->group.at[p->val[v.id].group];
  for (uint32_t r = 0; g && r < g->root.n; r++)
    if (g->root.at[r].v.id == v.id) return &g->root.at[r];
  return NULL;
}

bool plan_sums_in_place(const Plan *p, const Group *g) {
  return g->kind == G_DW || (g->kind == G_SCATTER && ir_scatter_attr(p->f, ir_inst(p->f, g->main)).lanes);
}

static uint8_t leaf_kind(const Plan *p, Val v) {
  const PVal *q = &p->val[v.id];
  if (q->cls != PC_BUF || !q->group || q->alias) return SUM_NONE;
  const Group *g = p->group.at[q->group];
  if ((plan_sums_in_place(p, g) || (p->up && g->kind == G_SCATTER)) && g->main.id == v.id) return SUM_PRODUCT;
  const Root *r = root_of(p, v);
  return r && (r->kind == ROOT_BATCH || r->kind == ROOT_LANES) ? SUM_LANES : SUM_NONE;
}

static uint32_t out_uses(const Plan *p, Val v) {
  uint32_t n = 0;
  for (uint32_t k = 0; k < p->f->out.n; k++) n += p->f->out.at[k].id == v.id;
  return n;
}

/* Collects the tree under v, whose only use is the tree above it (or the sink's, at the top). */
static bool collect(const Plan *p, Val v, bool top, Tree *t) {
  const Inst *i = ir_inst(p->f, v);
  uint8_t kind = leaf_kind(p, v);
  if (!top && (p->val[v.id].uses != 1 || out_uses(p, v))) return false;
  if (kind) {
    if (t->sum && t->sum != kind) return false;
    t->sum = kind, *vec_push(&t->leaf) = v;
    return true;
  }
  if (i->op != OP_add || p->val[v.id].into) return false;
  for (uint32_t k = 0; k < 2; k++)
    if (!type_eq(ir_type(p->f, ir_arg(p->f, i, k)), i->type)) return false;
  *vec_push(&t->add) = v;
  return collect(p, ir_arg(p->f, i, 0), false, t) && collect(p, ir_arg(p->f, i, 1), false, t);
}

static void forget_member(Plan *p, Val v) {
  Group *g = p->group.at[p->val[v.id].group];
  uint32_t n = 0;
  for (uint32_t k = 0; k < g->member.n; k++)
    if (g->member.at[k].id != v.id) g->member.at[n++] = g->member.at[k];
  g->member.n = n;
}

static bool plain(const Plan *p, const Group *g) {
  Dot d;
  plan_dot(p->f, ir_inst(p->f, g->main), &d);
  return d.n == 2;
}

/* Weight gradients with one sink are done together, where the last of them is: the sink is then read
 * and written once a tile. They have one shape, that of the sink. */
static void join_products(Plan *p) {
  for (uint32_t k = p->group.n; k-- > 1;) {
    Group *g = p->group.at[k];
    if (g->kind != G_DW || g->joined || !plain(p, g)) continue;
    uint32_t n = 1;
    for (uint32_t j = k; j-- > 1 && n < p->tune->join;) {
      Group *o = p->group.at[j];
      if (o->kind != G_DW || o->joined || o->section != g->section) continue;
      if (plan_sink(p, o->main).id == plan_sink(p, g->main).id && plain(p, o)) o->joined = k, n++;
    }
  }
}

/* Its only weight gradient writes every element exactly once a tile: no loop adds to one again. */
bool plan_first_sets(const Plan *p, Val sink) {
  const Group *only = NULL;
  const PVal *q = &p->val[sink.id];
  if (p->up || (q->sum && q->sum != SUM_PRODUCT) || ir_inst(p->f, sink)->op == OP_proj) return false;
  for (uint32_t k = 1; k < p->group.n; k++) {
    const Group *g = p->group.at[k];
    if (!plan_sums_in_place(p, g) || g->joined || plan_sink(p, g->main).id != sink.id) continue;
    if (only || g->kind != G_DW || g->section != SEC_TILE) return false;
    only = g;
  }
  Dot d;
  DwShape w;
  if (only) plan_dot(p->f, ir_inst(p->f, only->main), &d);
  return only && (d.contraction == 1 || (plan_dw(p, &d, &w) && w.nplace));
}

static void commit(Plan *p, Val sink, const Tree *t) {
  for (uint32_t k = 0; k < t->add.n; k++) {
    PVal *q = &p->val[t->add.at[k].id];
    forget_member(p, t->add.at[k]);
    q->cls = PC_BUF;
    if (t->add.at[k].id != sink.id) q->into = sink.id;
  }
  for (uint32_t k = 0; k < t->leaf.n; k++) {
    Root *r = root_of(p, t->leaf.at[k]);
    if (r) r->persist = true;
    if (t->leaf.at[k].id != sink.id) p->val[t->leaf.at[k].id].into = sink.id;
  }
  p->val[sink.id].sum = t->sum;
}

/* Lane accumulators of a loop are reduced once after the last tile: only for loops right under tiles. */
static bool loop_allows(const Plan *p, uint8_t sum) {
  return sum == SUM_PRODUCT || (p->up && !p->up->up && p->up->val[p->call.id].section == SEC_TILE);
}

void plan_sums(Plan *p) {
  if (!p->lane) return;
  if (!p->up) {
    for (uint32_t v = p->f->inst.n; v-- > 1;) {
      Tree t = {0};
      PVal *q = &p->val[v];
      if (!p->live[v] || p->f->inst.at[v].op != OP_add || !q->bsum || q->into) continue;
      if (collect(p, (Val){v}, true, &t)) commit(p, (Val){v}, &t);
      tree_free(&t);
    }
    join_products(p);
    return;
  }
  const Inst *call = ir_inst(p->up->f, p->call);
  if (call->op != OP_scan) return;
  uint32_t zs = ir_scan_shape(p->up->f, call).zs;
  for (uint32_t k = p->f->out.n - zs; k < p->f->out.n; k++) {
    Val v = p->f->out.at[k];
    Tree t = {0};
    if (p->val[v.id].uses || out_uses(p, v) != 1) continue;
    if (collect(p, v, true, &t) && loop_allows(p, t.sum)) commit(p, v, &t);
    tree_free(&t);
  }
  join_products(p);
}
