/* What groups leave behind: values in memory, and sums, in registers that go around the loops or in accumulators. */
#include "codegen/gen/gen_priv.h"

#include <math.h>
#include <string.h>

static void root_memory(Gen *g, Frame *fr, const Root *r, LLVMValueRef *base, LLVMValueRef *ld) {
  if (r->acc >= 0) *base = gen_scratch(g, r->acc), *ld = gen_tile_ld(g);
  else gen_memory(g, fr, r->v, base, ld);
}

static double start_value(uint16_t op) { return op == OP_rmax ? -INFINITY : op == OP_rmin ? INFINITY : 0; }

static Sum *sum_of(Gen *g, const Root *r) {
  for (uint32_t k = 0; k < g->nsum; k++)
    if (g->sum[k].r == r) return &g->sum[k];
  return NULL;
}

/* Tiny sums go around loops in registers, as many as there is room for. */
static void choose_sums(Gen *g, Frame *fr, const Group *gr) {
  unsigned room = g->e->target->regs / g->tune->regs_summed;
  g->sum = ARENA_ARRAY(g->mem, Sum, gr->root.n + 1), g->nsum = 0;
  for (uint32_t k = 0; k < gr->root.n; k++) {
    const Root *r = &gr->root.at[k];
    const Inst *i = ir_inst(fr->p->f, r->v);
    int64_t n = type_count(i->type), size = n * (i->type.lane ? g->e->nv : 1);
    bool tiny = fr->p->val[r->v.id].cls == PC_SSA && (r->kind == ROOT_DOT || (r->kind == ROOT_REDUCE && n == 1));
    if (!tiny || size > room) continue;
    room -= (unsigned)size;
    Sum *s = &g->sum[g->nsum++];
    *s = (Sum){r, i->type, ARENA_ARRAY(g->mem, CgVec, n)};
    for (int64_t e = 0; e < n; e++) s->v[e] = gen_real(g, start_value(i->op), i->type.lane);
  }
}

/* Those of a product are in memory, but for its rolled rows (CgGemm.sums). */
unsigned gen_rolled_sums(Gen *g, Frame *fr, const Group *gr, CgSums when, LLVMValueRef *v) {
  unsigned n = 0;
  if (when == CG_SUMS_COUNT || when == CG_SUMS_LOAD) choose_sums(g, fr, gr);
  for (uint32_t k = 0; k < g->nsum; k++) {
    const Type t = g->sum[k].t;
    LLVMValueRef base = NULL, ld = NULL;
    if (when == CG_SUMS_LOAD || when == CG_SUMS_STORE) root_memory(g, fr, g->sum[k].r, &base, &ld);
    for (int64_t e = 0; e < type_count(t); e++) {
      CgVec *x = &g->sum[k].v[e];
      if (when == CG_SUMS_LOAD) *x = gen_load(g, t, base, ld, cg_i64(g->e, e));
      for (unsigned j = 0; j < (t.lane ? g->e->nv : 1); j++, n++)
        if (when == CG_SUMS_LOAD || when == CG_SUMS_TAKE) v[n] = x->v[j];
        else if (when != CG_SUMS_COUNT) x->v[j] = v[n];
      if (when == CG_SUMS_STORE) gen_store(g, t, base, ld, cg_i64(g->e, e), x);
    }
  }
  if (when == CG_SUMS_COUNT || when == CG_SUMS_STORE) g->nsum = 0;
  return n;
}

void gen_open_roots(Gen *g, Frame *fr, const Group *gr) {
  g->nsum = 0;
  if (gr->kind == G_LOOP) choose_sums(g, fr, gr);
  for (uint32_t k = 0; k < gr->root.n; k++) {
    const Root *r = &gr->root.at[k];
    const Inst *i = ir_inst(fr->p->f, r->v);
    if (r->kind == ROOT_VALUE || r->persist || sum_of(g, r)) continue;
    if (r->kind == ROOT_AROUND) {
      gen_around_open(g, fr, r->v);
      continue;
    }
    if (r->kind == ROOT_BATCH || r->kind == ROOT_LANES) {
      gen_zero(g, gen_scratch(g, r->acc), g->kernel->sum_bytes(g->e->vl, g->e->es, type_count(i->type)));
      continue;
    }
    LLVMValueRef base, ld;
    root_memory(g, fr, r, &base, &ld);
    gen_fill(g, i->type, base, ld, start_value(i->op));
  }
}

/* Lane accumulators to their sums. */
static void finish_sum(Gen *g, Frame *fr, const Root *r) {
  LLVMValueRef base, ld;
  gen_memory(g, fr, r->v, &base, &ld);
  gen_close_sum(g, gen_scratch(g, r->acc), type_count(ir_type(fr->p->f, r->v)), base);
}

void gen_close_roots(Gen *g, Frame *fr, const Group *gr) {
  for (uint32_t k = 0; k < gr->root.n; k++) {
    const Root *r = &gr->root.at[k];
    Type t = ir_type(fr->p->f, r->v);
    if (r->kind == ROOT_VALUE || r->kind == ROOT_AROUND || r->persist) continue;
    const Sum *s = sum_of(g, r);
    if (r->kind == ROOT_BATCH || r->kind == ROOT_LANES) finish_sum(g, fr, r);
    else if (r->acc >= 0) {
      for (int64_t n = 0; n < type_count(t); n++)
        gen_ssa_set(g, fr, r->v, n, s ? s->v[n] : gen_load(g, t, gen_scratch(g, r->acc), gen_tile_ld(g), cg_i64(g->e, n)));
      gen_ssa_store(g, fr, r->v);
    }
  }
  g->nsum = 0;
}

/* What a stretch of code adds to one accumulator several times stays in a register, and is stored once: a store of a whole
 * vector takes two cycles. A place with another index may be the same one, unless constants tell them apart. */
static bool apart(const LLVMValueRef *a, const LLVMValueRef *b) {
  int64_t x, y;
  for (int k = 0; k < IR_MAX_RANK; k++)
    if (a[k] && b[k] && cg_is_int(a[k], &x) && cg_is_int(b[k], &y) && x != y) return true;
  return false;
}

static Added *added_to(Gen *g, int64_t acc, const Idx *at) {
  Added *found = NULL;
  for (uint32_t k = 0; k < g->nadded; k++) {
    Added *a = &g->added[k];
    if (a->acc != acc || apart(a->ax, at->ax)) continue;
    if (!memcmp(a->ax, at->ax, sizeof a->ax)) found = a;
    else a->acc = -1;
  }
  return found;
}

/* The accumulator acc[at][vl], of type t, to add to. */
static Added added_open(Gen *g, const Frame *fr, const Root *r, Type t, Idx *at) {
  int64_t acc = plan_acc(fr->p, r);
  Added *was = at->axes ? added_to(g, acc, at) : NULL, now;
  if (was) {
    now = *was, was->acc = -1;
    cg_erase(g->e, now.store);
    return now;
  }
  LLVMValueRef off = g->kernel->sum_at(g->e, gen_lin(g, t, at), 1);
  now = (Added){.acc = at->axes ? acc : -1, .place = cg_gep(g->e, gen_scratch(g, acc), off)};
  if (at->axes) memcpy(now.ax, at->ax, sizeof now.ax);
  else g->nadded = 0;
  now.sum = g->kernel->sum_load(g->e, now.place);
  return now;
}

static void added_close(Gen *g, Added a) {
  a.store = g->kernel->sum_store(g->e, a.sum, a.place);
  if (a.acc >= 0 && g->nadded < GEN_ADDED) g->added[g->nadded++] = a;
}

/* acc[at][vl] += the vectors of x, or of a b */
static void add_lanes(Gen *g, const Frame *fr, const Root *r, Type t, Idx *at, CgVec x) {
  Added a = added_open(g, fr, r, t, at);
  x = gen_lanes(g, (Type){.lane = true}, x);
  a.sum = g->kernel->sum_add(g->e, a.sum, x.v);
  added_close(g, a);
}

static void add_product_lanes(Gen *g, const Frame *fr, const Root *r, Type t, Idx *at, CgVec x, CgVec y) {
  Added a = added_open(g, fr, r, t, at);
  x = gen_lanes(g, (Type){.lane = true}, x), y = gen_lanes(g, (Type){.lane = true}, y);
  a.sum = g->kernel->sum_add_product(g->e, a.sum, x.v, y.v);
  added_close(g, a);
}

static void root_reduce(Gen *g, Frame *fr, const Root *r, Idx *at) {
  const Inst *i = ir_inst(fr->p->f, r->v);
  Val x = ir_arg(fr->p->f, i, 0);
  Type tx = ir_type(fr->p->f, x);
  int axis = (int)ir_sum_attr(fr->p->f, i).axis;
  LLVMValueRef base, ld;
  Idx to = {.axes = true};
  Op op = i->op == OP_rmax ? OP_max : i->op == OP_rmin ? OP_min : OP_add;
  gen_axes(g, tx, at);
  for (int d = 0; d < i->type.rank; d++) to.ax[d] = at->ax[d >= axis ? d + 1 : d];
  CgVec y = gen_at(g, fr, x, at);
  Sum *s = sum_of(g, r);
  if (s) {
    s->v[0] = gen_ew(g, op, (CgVec[]){s->v[0], y}, 2, tx.lane);
    return;
  }
  root_memory(g, fr, r, &base, &ld);
  LLVMValueRef lin = gen_lin(g, i->type, &to);
  CgVec sum = gen_load(g, i->type, base, ld, lin);
  sum = gen_ew(g, op, (CgVec[]){sum, y}, 2, tx.lane);
  gen_store(g, i->type, base, ld, lin, &sum);
}

/* One product of a dot whose labels are loops of this group, or unrolled here, or loops here. */
typedef struct DotRoot {
  Frame *fr;
  const Root *r;
  Dot d;
  LLVMValueRef label[3 * IR_MAX_RANK];
  int open[3 * IR_MAX_RANK], nopen;
} DotRoot;

static void dot_product(Gen *g, DotRoot *x) {
  const Inst *i = ir_inst(x->fr->p->f, x->r->v);
  DotIdx at;
  LLVMValueRef base, ld;
  gen_dot_idx(&x->d, x->label, &at);
  CgVec a = gen_at(g, x->fr, x->d.a, &at.a), b = gen_at(g, x->fr, x->d.b, &at.b);
  if (x->r->kind == ROOT_LANES) {
    add_product_lanes(g, x->fr, x->r, i->type, &at.out, a, b);
    return;
  }
  LLVMValueRef lin = gen_lin(g, i->type, &at.out);
  Sum *s = sum_of(g, x->r);
  int64_t k;
  if (s) {
    if (!cg_is_int(lin, &k)) base_fault("codegen: a sum in registers at an index that is not constant");
    s->v[k] = gen_fma(g, a, b, s->v[k]);
    return;
  }
  root_memory(g, x->fr, x->r, &base, &ld);
  CgVec sum = gen_fma(g, a, b, gen_load(g, i->type, base, ld, lin));
  gen_store(g, i->type, base, ld, lin, &sum);
}

static void dot_open_labels(Gen *g, DotRoot *x) {
  if (x->nopen == 0) {
    dot_product(g, x);
    return;
  }
  int l = x->open[--x->nopen];
  if (x->d.label[l].n <= g->tune->tiny)
    for (uint32_t k = 0; k < x->d.label[l].n; k++) x->label[l] = cg_i64(g->e, k), dot_open_labels(g, x);
  else {
    CgLoop *loop = base_realloc(NULL, sizeof *loop);
    cg_loop_begin(g->e, loop, cg_i64(g->e, 0), cg_i64(g->e, x->d.label[l].n), 1);
    x->label[l] = loop->iv;
    gen_forget(g); /* what is computed in here does not dominate what follows */
    dot_open_labels(g, x);
    gen_forget(g);
    cg_loop_end(g->e, loop);
    base_free(loop);
  }
  x->open[x->nopen++] = l;
}

static void root_dot(Gen *g, Frame *fr, const Group *gr, const Root *r, Idx *at) {
  DotRoot x = {.fr = fr, .r = r};
  plan_dot(fr->p->f, ir_inst(fr->p->f, r->v), &x.d);
  Type dims = type_real(true, (int)gr->rank, gr->dim);
  gen_axes(g, dims, at);
  /* the loops are the labels of an operand in its order, or the contraction labels in order */
  int of = -1;
  for (int side = 0; side < 2 && of < 0; side++) {
    Type t = ir_type(fr->p->f, side ? x.d.b : x.d.a);
    bool covers = t.rank == gr->rank && !memcmp(t.dim, gr->dim, gr->rank * sizeof *gr->dim);
    for (int l = 0; l < x.d.n && r->kind == ROOT_DOT; l++)
      covers &= ((side ? x.d.label[l].in_b : x.d.label[l].in_a) >= 0) == (x.d.label[l].in_out < 0);
    if (covers) of = side;
  }
  uint32_t next = 0;
  for (int l = 0; l < x.d.n; l++) {
    int axis = of == 0 ? x.d.label[l].in_a : of == 1 ? x.d.label[l].in_b : x.d.label[l].in_out < 0 ? (int)next++ : -1;
    if (axis >= 0) x.label[l] = at->ax[axis];
    else x.open[x.nopen++] = l;
  }
  dot_open_labels(g, &x);
}

/* Everything is computed before the first store: one may overwrite what another value is computed from. */
static void before_stores(Gen *g, Frame *fr, const Group *gr, Idx *at) {
  bool in_place = false;
  for (uint32_t k = 0; k < gr->root.n; k++) in_place |= fr->p->val[gr->root.at[k].v.id].in_place;
  for (uint32_t k = 0; in_place && k < gr->root.n; k++) gen_at(g, fr, gr->root.at[k].v, at);
}

void gen_roots(Gen *g, Frame *fr, const Group *gr, Idx *at) {
  before_stores(g, fr, gr, at);
  for (uint32_t k = 0; k < gr->root.n; k++) {
    const Root *r = &gr->root.at[k];
    const Inst *i = ir_inst(fr->p->f, r->v);
    cg_break_block(g->e);
    switch (r->kind) {
    case ROOT_VALUE: {
      LLVMValueRef base, ld;
      CgVec x = gen_at(g, fr, r->v, at);
      gen_memory(g, fr, r->v, &base, &ld);
      gen_store(g, i->type, base, ld, gen_lin(g, i->type, at), &x);
      break;
    }
    case ROOT_AROUND: gen_around(g, fr, r->v, at); break;
    case ROOT_REDUCE: root_reduce(g, fr, r, at); break;
    case ROOT_BATCH: {
      Val a = ir_arg(fr->p->f, i, 0);
      CgVec x = gen_at(g, fr, a, at);
      add_lanes(g, fr, r, ir_type(fr->p->f, a), at, x);
      break;
    }
    default: root_dot(g, fr, gr, r, at);
    }
  }
}

void gen_tiny_roots(Gen *g, Frame *fr, const Group *gr) {
  for (uint32_t k = 0; k < gr->root.n; k++) {
    const Root *r = &gr->root.at[k];
    const Inst *i = ir_inst(fr->p->f, r->v);
    if (r->kind == ROOT_LANES) {
      DotRoot x = {.fr = fr, .r = r};
      plan_dot(fr->p->f, i, &x.d);
      for (int l = 0; l < x.d.n; l++) x.open[x.nopen++] = l;
      dot_open_labels(g, &x);
    } else
      for (int64_t n = 0; n < type_count(i->type); n++) {
        Idx at = gen_const_idx(g, i->type, n);
        add_lanes(g, fr, r, i->type, &at, gen_at(g, fr, ir_arg(fr->p->f, i, 0), &at));
      }
  }
}
