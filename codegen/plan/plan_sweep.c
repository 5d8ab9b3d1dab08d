/* Sweeps: loops over whole vectors of elements that compute what they read at several distances once. A loop whose values
 * are read shifted (`roll`, differences of neighbours) works on aligned vectors alone: a shifted read is a shuffle of two of
 * them, and in the loop each value is computed, or loaded, for the leading vector that anything asks for; those behind it are
 * kept in registers. So loops that read each other's results shifted become one, which reads its operands and stores
 * its results once. Vectors at which a concatenation passes from one operand to the next are written out by
 * themselves, as are all of a short value. */
#include "codegen/plan/plan_priv.h"

#include <stdlib.h>
#include <string.h>

#ifndef HNNC_WITHOUT_SWEEP
#define HNNC_WITHOUT_SWEEP 0 /* 1: bench/narrow asks what it brings */
#endif

static int64_t inner(Type t) { return t.rank && t.dim[0] ? type_count(t) / t.dim[0] : 1; }
static int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }

static int64_t floor_div(int64_t a, int64_t b) { return a >= 0 ? a / b : -((b - 1 - a) / b); }

/* ---- where an element is ------------------------------------------------------------------------------------------ */

/* Goes on at position `pos` - at of operand a, which is read there for the positions at ... at + n - 1. */
static void operand(const Plan *p, PlanSpot *s, Val a, int64_t at) {
  s->to = smaller(s->to, at + type_count(ir_type(p->f, a)) - s->pos), s->from = larger(s->from, at - s->pos);
  s->pos -= at, s->base = a;
}

static void outside(PlanSpot *s, int64_t from, int64_t to) {
  s->from = larger(s->from, from - s->pos), s->to = smaller(s->to, to - s->pos);
  s->kind = SPOT_ZERO;
}

static void through_concat(const Plan *p, PlanSpot *s, const Inst *i) {
  int64_t at = 0;
  for (uint32_t k = 0; k < i->nargs; k++) {
    Val a = ir_arg(p->f, i, k);
    int64_t n = type_count(ir_type(p->f, a));
    if (s->pos < at + n) {
      operand(p, s, a, at);
      return;
    }
    at += n;
  }
  base_fault("codegen: a position beyond a concatenation");
}

static void through_unslice(const Plan *p, PlanSpot *s, const Inst *i) {
  Val x = ir_arg(p->f, i, 0);
  int64_t at = ir_unslice_attr(p->f, i).start * inner(i->type), end = at + type_count(ir_type(p->f, x));
  if (s->pos < at) outside(s, 0, at);
  else if (s->pos >= end) outside(s, end, type_count(i->type));
  else operand(p, s, x, at);
}

/* While loops are joined, what others compute is taken as stored; later it is known which of that is computed again. */
bool plan_sweep_here(const Plan *p, const PlanSweep *s, Val v) {
  const PVal *q = &p->val[v.id];
  return q->cls == PC_POINT && (q->group == s->group || (!q->stored && !s->fusing));
}

PlanSpot plan_spot(const Plan *p, const PlanSweep *sweep, Val v, int64_t pos) {
  PlanSpot s = {.kind = SPOT_VALUE, .base = v, .pos = pos, .from = INT64_MIN / 2, .to = INT64_MAX / 2};
  while (s.kind == SPOT_VALUE) {
    const PVal *q = &p->val[s.base.id];
    if (q->alias) s.base.id = q->alias, q = &p->val[s.base.id];
    const Inst *i = ir_inst(p->f, s.base);
    if (i->type.rank == 0 || q->cls == PC_CONST) s.kind = SPOT_SAME;
    else if (q->cls == PC_VIEW && i->op == OP_slice)
      s.pos += ir_slice_attr(p->f, i).start * inner(i->type), s.base = ir_arg(p->f, i, 0);
    else if (q->cls == PC_VIEW) s.base = ir_arg(p->f, i, 0);
    else if (!plan_sweep_here(p, sweep, s.base)) break;
    else if (i->op == OP_concat) through_concat(p, &s, i);
    else if (i->op == OP_unslice) through_unslice(p, &s, i);
    else break;
  }
  return s;
}

/* ---- what the loop reads ------------------------------------------------------------------------------------------ */

typedef struct Search {
  const Plan *p;
  int64_t vl;
  PlanSweep *s;
} Search;

/* The loop is over those vectors alone for which `from` ... `to` - 1, counted from the first element of vector `rep`, hold. */
static void within(Search *x, int64_t from, int64_t to) {
  x->s->lo = larger(x->s->lo, x->s->rep - floor_div(-from, x->vl));
  x->s->hi = smaller(x->s->hi, x->s->rep + floor_div(to - x->vl, x->vl) + 1);
}

static PlanNeed *need_of(const PlanSweep *s, Val v) {
  const uint32_t *k = index_find(&s->need_of, v.id);
  return k ? &s->need.at[*k] : NULL;
}

static uint32_t bits_of(const PlanSweep *s, Val v) {
  const PlanNeed *n = need_of(s, v);
  return n ? n->bits : 0;
}

void plan_sweep_free(PlanSweep *s) {
  vec_free(&s->need);
  index_free(&s->need_of);
}

static int by_value(const void *a, const void *b) {
  const uint32_t x = ((const PlanNeed *)a)->v, y = ((const PlanNeed *)b)->v;
  return (x > y) - (x < y);
}

/* What may be read is known; of nothing it is known where. */
static void no_needs(PlanSweep *s) {
  qsort(s->need.at, s->need.n, sizeof *s->need.at, by_value);
  for (uint32_t k = 0; k < s->need.n; k++) s->need.at[k].bits = 0, index_put(&s->need_of, s->need.at[k].v, k);
}

static bool add_need(Search *x, Val v, int64_t vector) {
  int64_t m = vector - x->s->rep;
  if (m < -PLAN_REACH || m > PLAN_REACH) return false;
  PlanNeed *n = need_of(x->s, v);
  if (!n) return false;
  n->bits |= 1u << (m + PLAN_REACH);
  return true;
}

/* v is read for a whole vector of positions. */
static bool ask(Search *x, Val v, int64_t pos) {
  PlanSpot s = plan_spot(x->p, x->s, v, pos);
  int64_t k = floor_div(s.pos, x->vl);
  within(x, s.from, s.to);
  return s.kind != SPOT_VALUE || (add_need(x, s.base, k) && (s.pos == k * x->vl || add_need(x, s.base, k + 1)));
}

static unsigned top(uint32_t bits) { return 31u - (unsigned)__builtin_clz(bits); }

int plan_sweep_lead(const PlanSweep *s, Val v) {
  const uint32_t n = bits_of(s, v);
  return n ? (int)top(n) - PLAN_REACH : -PLAN_REACH;
}

unsigned plan_sweep_behind(const PlanSweep *s, Val v) {
  const uint32_t n = bits_of(s, v);
  return n ? top(n) - (unsigned)__builtin_ctz(n) : 0;
}

/* The leading vector of v is loaded or computed. */
static bool lead(Search *x, Val v) {
  const Inst *i = ir_inst(x->p->f, v);
  int64_t at = (x->s->rep + plan_sweep_lead(x->s, v)) * x->vl, n = type_count(i->type);
  if (at < 0 || at + x->vl > n) return false;
  within(x, -at, n - at);
  x->s->kept += plan_sweep_behind(x->s, v);
  for (uint32_t k = 0; plan_sweep_here(x->p, x->s, v) && k < i->nargs; k++)
    if (!ask(x, ir_arg(x->p->f, i, k), at)) return false;
  return true;
}

static bool find_loop(Search *x, const Val *root, uint32_t n) {
  if (x->s->hi == 0) return false;
  for (uint32_t r = 0; r < n; r++)
    if (!ask(x, root[r], x->s->rep * x->vl)) return false;
  for (uint32_t k = x->s->need.n; k-- > 0;) /* who reads comes before what is read */
    if (x->s->need.at[k].bits && !lead(x, (Val){x->s->need.at[k].v})) return false;
  return x->s->lo <= x->s->rep && x->s->rep < x->s->hi;
}

/* What a sweep computes reads its operands at its own positions, or at a constant distance from them: a sum over orders reads
 * rows of a history, wherever a loop of its own is. */
static bool computed(const Inst *i) { return ir_elementwise(i->op) || i->op == OP_concat || i->op == OP_unslice; }

/* Counts what is computed for v, once, and whether anything is read shifted. Conditions are not shuffled. */
static bool reach(Search *x, Val v) {
  const Plan *p = x->p;
  const PVal *q = &p->val[v.id];
  if (q->alias) v.id = q->alias, q = &p->val[v.id];
  const Inst *i = ir_inst(p->f, v);
  bool here = plan_sweep_here(p, x->s, v), view = q->cls == PC_VIEW;
  bool moves = (view && i->op == OP_slice) || (here && (i->op == OP_concat || i->op == OP_unslice));
  if (i->type.rank == 0) return plan_is_tiny(p, ir_type(p->f, plan_root(p, v)));
  if (q->cls == PC_CONST || need_of(x->s, v)) return true;
  index_put(&x->s->need_of, v.id, x->s->need.n);
  *vec_push(&x->s->need) = (PlanNeed){v.id, 1};
  x->s->shifted |= moves;
  if ((moves || !(view || here)) && i->type.dt != DT_REAL) return false;
  if (here && !computed(i)) return false;
  x->s->slow |= here && ir_has(i->op, OPF_SLOW);
  x->s->work += view ? 0 : ir_has(i->op, OPF_SLOW) ? p->tune->sweep_slow : 1;
  for (uint32_t k = 0; k < (view ? 1 : here ? i->nargs : 0); k++)
    if (!reach(x, ir_arg(p->f, i, k))) return false;
  return true;
}

/* Operations one after the other in a turn of the loop, a shuffle being one. */
static int64_t chain(const Search *x) {
  const Plan *p = x->p;
  int64_t longest = 0, *depth = base_zeroed(x->s->need.n, sizeof *depth);
  for (uint32_t n = 0; n < x->s->need.n; n++) {
    const uint32_t v = x->s->need.at[n].v;
    if (!x->s->need.at[n].bits || !plan_sweep_here(p, x->s, (Val){v})) continue;
    const Inst *i = &p->f->inst.at[v];
    for (uint32_t k = 0; k < i->nargs; k++) {
      PlanSpot s = plan_spot(p, x->s, ir_arg(p->f, i, k), (x->s->rep + plan_sweep_lead(x->s, (Val){v})) * x->vl);
      const uint32_t *of = s.kind == SPOT_VALUE ? index_find(&x->s->need_of, s.base.id) : NULL;
      if (of) depth[n] = larger(depth[n], depth[*of] + (s.pos % x->vl != 0));
    }
    longest = larger(longest, ++depth[n]);
  }
  base_free(depth);
  return longest;
}

static bool sweep_of(const Plan *p, uint32_t group, const Val *root, uint32_t nroot, bool fusing, PlanSweep *s) {
  const Group *g = p->group.at[group];
  int64_t vl = p->form.wide, n = 1;
  for (uint32_t k = 0; k < g->rank; k++) n *= g->dim[k];
  *s = (PlanSweep){.group = group, .fusing = fusing, .n = (n + vl - 1) / vl, .hi = n / vl, .rep = n / vl / 2};
  Search x = {p, vl, s};
  if (HNNC_WITHOUT_SWEEP) return false;
  for (uint32_t r = 0; r < nroot; r++)
    if (!reach(&x, root[r])) return false;
  if (!s->shifted) return false;
  no_needs(s);
  if (s->n <= p->tune->sweep_unroll && s->n * s->work <= p->tune->sweep_work) {
    s->hi = 0;
    return true;
  }
  if (!find_loop(&x, root, nroot)) return false;
  int64_t beside = s->n - (s->hi - s->lo);
  /* A core works on several turns at once only if it sees them: neither long chains nor long functions. */
  if (fusing && (s->slow || chain(&x) > p->tune->sweep_chain)) return false;
  return beside <= p->tune->sweep_beside && beside * s->work <= p->tune->sweep_work &&
         s->kept <= p->target->regs / p->tune->regs_kept;
}

bool plan_sweep(const Plan *p, uint32_t group, PlanSweep *s) {
  const Group *g = p->group.at[group];
  PlanCuts cuts;
  *s = (PlanSweep){0};
  if (g->kind != G_LOOP || !plan_along(p) || !plan_wide(p, group, &cuts)) return false;
  Val *root = base_realloc(NULL, sizeof *root * (g->root.n + 1));
  for (uint32_t r = 0; r < g->root.n; r++) root[r] = g->root.at[r].v;
  bool ok = sweep_of(p, group, root, g->root.n, false, s);
  base_free(root);
  return ok;
}

bool plan_sweep_in_place(const Plan *p, uint32_t group, Val old) {
  PlanSweep s;
  bool ok = plan_sweep(p, group, &s) && (s.lo == s.hi || !bits_of(&s, old) || plan_sweep_lead(&s, old) >= 0);
  plan_sweep_free(&s);
  return ok;
}

/* ---- loops that become one ------------------------------------------------------------------------------------------ */

/* Who reads what: of value v (that others may be views of) list[first[v] ... first[v + 1] - 1]. */
typedef struct Uses {
  uint32_t *first, *list;
  bool *result;
} Uses;

static Uses find_uses(const Plan *p) {
  uint32_t n = p->f->inst.n;
  Uses r = {base_zeroed(n + 1, sizeof *r.first), NULL, base_zeroed(n, sizeof *r.result)};
  for (int fill = 0; fill < 2; fill++) {
    for (uint32_t w = 1; w < n; w++) {
      const Inst *i = &p->f->inst.at[w];
      for (uint32_t a = 0; p->live[w] && p->val[w].cls != PC_VIEW && a < i->nargs; a++) {
        uint32_t v = plan_root(p, ir_arg(p->f, i, a)).id;
        if (fill) r.list[--r.first[v]] = w;
        else r.first[v]++;
      }
    }
    for (uint32_t v = 1; v <= n && !fill; v++) r.first[v] += r.first[v - 1];
    if (!fill) r.list = base_zeroed(r.first[n], sizeof *r.list);
  }
  for (uint32_t k = 0; k < p->f->out.n; k++) r.result[plan_root(p, p->f->out.at[k]).id] = true;
  return r;
}

static void free_uses(Uses *r) {
  base_free(r->first);
  base_free(r->list);
  base_free(r->result);
}

/* Some instruction in a group that is not k reads an element of v, or v is a result. */
static bool read_elsewhere(const Plan *p, const Uses *r, Val v, uint32_t k) {
  bool any = r->result[v.id];
  for (uint32_t n = r->first[v.id]; n < r->first[v.id + 1]; n++) any = any || p->val[r->list[n]].group != k;
  return any;
}

/* The first group after `from` that reads what group `from` computes; the number of groups if none does. */
static uint32_t first_reader(const Plan *p, const Uses *r, uint32_t from) {
  uint32_t first = p->group.n;
  const Group *g = p->group.at[from];
  for (uint32_t m = 0; m < g->member.n; m++)
    for (uint32_t v = g->member.at[m].id, n = r->first[v]; n < r->first[v + 1]; n++) {
      uint32_t k = p->val[r->list[n]].group;
      if (k > from && k < first) first = k;
    }
  return first;
}

/* A loop of elementwise values and moves that leaves nothing but values. */
static bool plain(const Plan *p, const Group *g) {
  bool ok = g->kind == G_LOOP && g->root.n == 0 && g->member.n > 0;
  for (uint32_t m = 0; ok && m < g->member.n; m++) {
    const PVal *q = &p->val[g->member.at[m].id];
    const Inst *i = ir_inst(p->f, g->member.at[m]);
    ok = !q->sum && !q->into && (ir_elementwise(i->op) || i->op == OP_concat || i->op == OP_unslice);
  }
  return ok;
}

static bool slow(const Plan *p, const Group *g) {
  for (uint32_t m = 0; m < g->member.n; m++)
    if (p->val[g->member.at[m].id].slow) return true;
  return false;
}

static bool alike(const Group *a, const Group *b) {
  return a->section == b->section && a->lane == b->lane && a->rank == b->rank && !memcmp(a->dim, b->dim, a->rank * sizeof *a->dim);
}

static bool fits(const Plan *p, const Uses *r, uint32_t group) {
  const Group *g = p->group.at[group];
  PlanSweep s = {0};
  uint32_t n = 0;
  Val *root = base_realloc(NULL, sizeof *root * (g->member.n + 1));
  for (uint32_t m = 0; m < g->member.n; m++)
    if (read_elsewhere(p, r, g->member.at[m], group)) root[n++] = g->member.at[m];
  bool ok = n && plan_wide_fused(p, group, root, n) && sweep_of(p, group, root, n, true, &s);
  plan_sweep_free(&s);
  base_free(root);
  return ok;
}

static int by_id(const void *a, const void *b) { return (int)((const Val *)a)->id - (int)((const Val *)b)->id; }

static void move(Plan *p, uint32_t from, uint32_t to) {
  Group *a = p->group.at[from], *b = p->group.at[to];
  for (uint32_t m = 0; m < a->member.n; m++) p->val[a->member.at[m].id].group = to, *vec_push(&b->member) = a->member.at[m];
  qsort(b->member.at, b->member.n, sizeof *b->member.at, by_id);
  a->member.n = 0;
}

static void put_back(Plan *p, uint32_t k, const Val *v, uint32_t n) {
  Group *g = p->group.at[k];
  g->member.n = 0;
  for (uint32_t m = 0; m < n; m++) *vec_push(&g->member) = v[m], p->val[v[m].id].group = k;
}

/* What group `from` computes is computed in its first reader, if that is such a loop and all of it then is a sweep. */
static void join(Plan *p, const Uses *r, uint32_t from) {
  Group *a = p->group.at[from];
  if (!plain(p, a)) return;
  uint32_t to = first_reader(p, r, from), na = a->member.n;
  Group *b = to < p->group.n ? p->group.at[to] : NULL;
  if (!b || !plain(p, b) || !alike(a, b) || (slow(p, a) && slow(p, b))) return;
  uint32_t nb = b->member.n;
  Val *was = base_realloc(NULL, sizeof *was * (na + nb));
  memcpy(was, a->member.at, na * sizeof *was), memcpy(was + na, b->member.at, nb * sizeof *was);
  move(p, from, to);
  if (fits(p, r, to)) b->fused = true;
  else put_back(p, from, was, na), put_back(p, to, was + na, nb);
  base_free(was);
}

void plan_fuse(Plan *p) {
  if (!plan_along(p)) return;
  Uses r = find_uses(p);
  for (uint32_t k = p->group.n; k-- > 1;)
    if (p->group.at[k]->kind == G_LOOP) join(p, &r, k);
  free_uses(&r);
}
