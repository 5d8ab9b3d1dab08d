/* Reverse mode: one sweep backwards over a region.
 *
 * Only instructions that depend on some x and reach a seed are visited. Each value's cotangent is
 * collected from its users in an accumulator, apart for the parts EACH and WHOLE (derive.h), and summed
 * when the sweep comes to the value. Slices are collected as pieces: those that tile the value are
 * concatenated, instead of adding padded copies.
 *
 * Un-broadcasting is done in vjp_push alone, sums over the batch in `settle` (and, where a dot can sum
 * over the batch itself, in vjp_dot and vjp_push_product). */
#include "passes/derive/derive_priv.h"

#include <stdlib.h>
#include <string.h>

typedef struct Piece {
  int axis;
  uint32_t start, n;
  Val c;
} Piece;
typedef struct Acc {
  VEC(Val) val;
  VEC(Piece) piece;
} Acc;

struct Vjp {
  Region *r;
  VjpMode mode;
  bool *sum;       /* by id, in bodies: vjp_sums */
  Active act;      /* depends on x and reaches a seed */
  Acc (*acc)[2];   /* from act.from on */
  Cot **multi;     /* by id of a MULTI instruction */
  Part part;       /* the part that the current rule propagates */
  bool per_sample; /* the current instruction is per sample */
};

Region *vjp_region(Vjp *s) { return s->r; }
VjpMode vjp_mode(const Vjp *s) { return s->mode; }
bool vjp_active(const Vjp *s, Val v) { return s->act.on[v.id]; }
static bool sums_plainly(const Vjp *s, const Inst *i) { return s->mode != VJP_SAMPLE && (i->type.dt == DT_MULTI || !i->type.lane); }
bool vjp_sums(const Vjp *s, Val v) { return s->mode == VJP_BODY ? s->sum[v.id] : sums_plainly(s, ir_inst(s->r->src, v)); }
static Acc *acc_of(Vjp *s, uint32_t id) { return s->acc[id - s->act.from]; }
Cot *vjp_results(Vjp *s, Val multi) { return s->multi[multi.id]; }

/* ---- accumulating ----------------------------------------------------------------------------------- */

Val vjp_each(Vjp *s, Val c) { return pass_with_lane(s->r->b, c, s->mode != VJP_SAMPLE && s->per_sample); }

/* The accumulator that c belongs to; c itself is made to count every sample, if a sum is to follow. */
static Acc *place(Vjp *s, Val operand, Val *c) {
  bool lane = ir_type(s->r->src, operand).lane;
  if (s->mode == VJP_SAMPLE || lane) return &acc_of(s, operand.id)[EACH];
  *c = vjp_each(s, *c);
  return &acc_of(s, operand.id)[ir_type(s->r->b->f, *c).lane ? EACH : WHOLE];
}

/* Where values are computed again from the end, a cotangent that comes in many parts (of weights that
 * many steps share) is added up as they come. */
static void add_to(Vjp *s, Acc *a, Val c) {
  if (a->val.n && undo_on(s->r)) a->val.at[0] = ir_add(s->r->b, a->val.at[0], c);
  else *vec_push(&a->val) = c;
}

void vjp_push(Vjp *s, Val operand, Val c) {
  if (!s->act.on[operand.id]) return;
  Build *b = s->r->b;
  Type to = ir_type(s->r->src, operand), tc = ir_type(b->f, c);
  if (to.rank == 0 && tc.rank > 0) c = ir_sum_all(b, c);
  else if (to.rank > 0 && tc.rank == 0) c = ir_expand_to(b, c, to);
  Acc *a = place(s, operand, &c);
  add_to(s, a, c);
}

void vjp_push_whole(Vjp *s, Val operand, Val c) {
  if (s->act.on[operand.id]) add_to(s, &acc_of(s, operand.id)[WHOLE], c);
}

void vjp_push_part(Vjp *s, Val operand, Part part, Val c) {
  Region *r = vjp_region(s);
  bool lane = ir_type(r->src, operand).lane;
  if (part == WHOLE && !lane) vjp_push_whole(s, operand, c);
  else vjp_push(s, operand, pass_with_lane(r->b, c, !lane && vjp_mode(s) != VJP_SAMPLE));
}

void vjp_push_slice(Vjp *s, Val operand, int axis, uint32_t start, uint32_t n, Val c) {
  if (!s->act.on[operand.id]) return;
  Acc *a = place(s, operand, &c);
  *vec_push(&a->piece) = (Piece){axis, start, n, c};
}

/* Contracts p and c, of the same dims, to a scalar. */
static Val contract(Build *b, Val p, Val c, bool lanes) {
  int label[IR_MAX_RANK];
  for (int k = 0; k < IR_MAX_RANK; k++) label[k] = k;
  return ir_dot(b, p, c, lanes, label, label, 0, NULL);
}

void vjp_push_product(Vjp *s, Val operand, Val p, Val c) {
  if (!s->act.on[operand.id]) return;
  Build *b = s->r->b;
  Type to = ir_type(s->r->src, operand), tp = ir_type(b->f, p), tc = ir_type(b->f, c);
  if (to.rank > 0 || tc.rank == 0 || ir_is_const(b->f, p, NULL)) {
    vjp_push(s, operand, ir_mul(b, p, c));
    return;
  }
  if (tp.rank == 0) {
    vjp_push(s, operand, ir_mul(b, p, ir_sum_all(b, c)));
    return;
  }
  c = vjp_each(s, c);
  if (vjp_sums(s, operand) && tp.lane && ir_type(b->f, c).lane) vjp_push_whole(s, operand, contract(b, p, c, true));
  else vjp_push(s, operand, contract(b, p, c, false));
}

/* ---- summing up --------------------------------------------------------------------------------------- */

static int by_place(const void *a, const void *b) {
  const Piece *p = a, *q = b;
  if (p->axis != q->axis) return p->axis < q->axis ? -1 : 1;
  if (p->start != q->start) return p->start < q->start ? -1 : 1;
  if (p->n != q->n) return p->n < q->n ? -1 : 1;
  return p->c.id < q->c.id ? -1 : p->c.id > q->c.id;
}

static Val gap(Build *b, Type t, int axis, uint32_t n) {
  t.dim[axis] = n;
  return ir_splat(b, 0, pass_type_with(t, false));
}

/* Pieces p[0 .. n) of one axis, in order and disjoint: one value. */
static Val tile(Build *b, Type t, const Piece *p, uint32_t n) {
  int axis = p->axis;
  uint32_t total = t.dim[axis], at = 0;
  if (n == 1) return p->n == total ? p->c : ir_unslice(b, p->c, axis, p->start, 1, total);
  VEC(Val) part = {0};
  for (uint32_t k = 0; k < n; k++) {
    if (p[k].start > at) *vec_push(&part) = gap(b, t, axis, p[k].start - at);
    *vec_push(&part) = p[k].c;
    at = p[k].start + p[k].n;
  }
  if (at < total) *vec_push(&part) = gap(b, t, axis, total - at);
  Val v = ir_concat(b, part.at, part.n, axis);
  vec_free(&part);
  return v;
}

/* Equal places are added; then each run of disjoint pieces becomes a value. */
static void settle_pieces(Build *b, Type t, Acc *a) {
  Piece *p = a->piece.at;
  uint32_t n = 0;
  if (a->piece.n > 1) qsort(p, a->piece.n, sizeof *p, by_place);
  for (uint32_t k = 0; k < a->piece.n; k++) {
    if (n && p[n - 1].axis == p[k].axis && p[n - 1].start == p[k].start && p[n - 1].n == p[k].n)
      p[n - 1].c = ir_add(b, p[n - 1].c, p[k].c);
    else p[n++] = p[k];
  }
  for (uint32_t k = 0; k < n;) {
    uint32_t run = k + 1;
    while (run < n && p[run].axis == p[k].axis && p[run].start >= p[run - 1].start + p[run - 1].n) run++;
    *vec_push(&a->val) = tile(b, t, p + k, run - k);
    k = run;
  }
  a->piece.n = 0;
}

static Val settle_part(Build *b, Type t, Acc *a) {
  if (a->piece.n) settle_pieces(b, t, a);
  if (!a->val.n) return VAL_NONE;
  Val v = a->val.at[0];
  for (uint32_t k = 1; k < a->val.n; k++) v = ir_add(b, v, a->val.at[k]);
  return v;
}

static Val plus(Build *b, Val x, Val y) { return !x.id ? y : !y.id ? x : ir_add(b, x, y); }

static Cot settle(Vjp *s, Val v) {
  Build *b = s->r->b;
  Type t = ir_type(s->r->src, v);
  Cot c;
  for (int p = 0; p < 2; p++) c.part[p] = settle_part(b, t, &acc_of(s, v.id)[p]);
  if (s->mode == VJP_SAMPLE || t.lane) {
    c.part[EACH] = plus(b, c.part[EACH], c.part[WHOLE]);
    c.part[WHOLE] = VAL_NONE;
  } else if (vjp_sums(s, v) && c.part[EACH].id) {
    c.part[WHOLE] = plus(b, ir_batch_sum(b, c.part[EACH]), c.part[WHOLE]);
    c.part[EACH] = VAL_NONE;
  }
  return c;
}

/* ---- the sweep ------------------------------------------------------------------------------------------ */

static void vjp_elementwise(Vjp *s, Val v, const Inst *i, Val c) {
  for (uint32_t k = 0; k < i->nargs; k++) {
    Val operand = ir_arg(s->r->src, i, k);
    if (s->act.on[operand.id] && pass_partial_exists(i->op, k)) vjp_push_product(s, operand, region_partial(s->r, v, i, k), c);
  }
}

static void vjp_none(Vjp *s, Val v, const Inst *i, Val c) { (void)s, (void)v, (void)i, (void)c; }

static VjpRule *const rule[OP_count] = {
#define EW1(name, ...) [OP_##name] = vjp_elementwise,
#define EW2(name, ...) [OP_##name] = vjp_elementwise,
#define CMP(name, ...) [OP_##name] = vjp_none,
#define LOG(name, ...) [OP_##name] = vjp_none,
#define ST(name, ...) [OP_##name] = vjp_##name,
#include "ir/ops.def"
};

void vjp_proj(Vjp *s, Val v, const Inst *i, Val c) {
  (void)v;
  const Fn *src = s->r->src;
  Val multi = ir_arg(src, i, 0);
  if (!s->act.on[multi.id]) return;
  if (!s->multi[multi.id]) s->multi[multi.id] = base_zeroed(ir_result_count(src, ir_inst(src, multi)), sizeof(Cot));
  Val *sum = &s->multi[multi.id][ir_number(src, i)].part[s->part];
  *sum = plus(s->r->b, *sum, c);
}

/* Does a cotangent go through i by products and copies alone? What follows a sum over the batch inside a loop
 * is partial until the batch ends, and must stay that simple (ir.h). */
static bool passes_sums(const Inst *i) {
  OpClass c = ir_op[i->op].cls;
  return ir_has(i->op, OPF_LEAF | OPF_LINEAR) || i->op == OP_dot || c == OPC_EW1 || c == OPC_EW2;
}

/* Values whose cotangents are summed over the batch. */
static void mark_sums(Vjp *s, const bool *sum_input) {
  const Fn *f = s->r->src;
  if (s->mode != VJP_BODY) return;
  s->sum = base_zeroed(s->r->n, sizeof *s->sum);
  for (uint32_t id = 1; id < s->r->n; id++) {
    const Inst *i = &f->inst.at[id];
    bool sum = sums_plainly(s, i);
    if (i->op == OP_in) sum = sum && sum_input[ir_number(f, i)];
    sum = sum && passes_sums(i);
    for (uint32_t k = 0; sum && k < i->nargs; k++) sum = s->sum[ir_arg(f, i, k).id];
    s->sum[id] = sum;
  }
}

/* Narrows activity to what reaches a seed. */
static void mark_needed(Vjp *s, const Seed *seed, uint32_t nseed) {
  const Fn *f = s->r->src;
  bool *need = base_zeroed(s->r->n, sizeof *need);
  for (uint32_t k = 0; k < nseed; k++) need[seed[k].v.id] = true;
  for (uint32_t id = s->r->n; id-- > s->act.from;) {
    const Inst *i = &f->inst.at[id];
    need[id] = need[id] && s->act.on[id];
    for (uint32_t k = 0; need[id] && k < i->nargs; k++) need[ir_arg(f, i, k).id] = true;
  }
  for (uint32_t id = s->act.from; id < s->r->n; id++) s->act.on[id] = s->act.on[id] && need[id];
  base_free(need);
}

static void visit(Vjp *s, uint32_t id) {
  Val v = {id};
  Inst i = *ir_inst(s->r->src, v);
  s->per_sample = i.type.dt != DT_MULTI && i.type.lane;
  region_stamp(s->r, &i, ROLE_ADJOINT);
  if (i.type.dt == DT_MULTI) { /* its cotangents are in s->multi */
    if (s->multi[id]) rule[i.op](s, v, &i, VAL_NONE);
    return;
  }
  Cot c = settle(s, v);
  for (int p = 0; p < 2; p++) {
    if (!c.part[p].id) continue;
    s->part = p;
    rule[i.op](s, v, &i, c.part[p]);
  }
  /* kept for those who asked for it */
  for (int p = 0; p < 2; p++) {
    acc_of(s, id)[p].val.n = 0;
    if (c.part[p].id) *vec_push(&acc_of(s, id)[p].val) = c.part[p];
  }
}

static void finish(Vjp *s) {
  for (uint32_t id = s->act.from; id < s->r->n; id++) {
    for (int p = 0; p < 2; p++) {
      vec_free(&acc_of(s, id)[p].val);
      vec_free(&acc_of(s, id)[p].piece);
    }
    base_free(s->multi[id]);
  }
  base_free(s->acc);
  base_free(s->multi);
  base_free(s->sum);
  region_active_finish(&s->act);
}

bool vjp_sweep(Region *r, VjpMode mode, const bool *sum_input, const Seed *seed, uint32_t nseed, const Val *x, uint32_t nx,
               Cot *out) {
  Vjp s = {.r = r, .mode = mode};
  Role role = r->b->role;
  Op of = r->b->of;
  Span at = r->b->at;
  s.multi = base_zeroed(r->n, sizeof *s.multi);
  region_active_init(&s.act, r->src, r->n);
  for (uint32_t k = 0; k < nx; k++) s.act.on[x[k].id] = true;
  region_active_spread(&s.act, r->src);
  s.acc = base_zeroed(r->n - s.act.from, sizeof *s.acc);
  mark_needed(&s, seed, nseed);
  mark_sums(&s, sum_input);
  for (uint32_t k = 0; k < nseed; k++)
    for (int p = 0; p < 2; p++)
      if (seed[k].cot.part[p].id && s.act.on[seed[k].v.id]) *vec_push(&acc_of(&s, seed[k].v.id)[p].val) = seed[k].cot.part[p];
  for (uint32_t id = r->n; id-- > s.act.from && !r->failed;)
    if (s.act.on[id]) visit(&s, id);
  for (uint32_t k = 0; k < nx; k++)
    for (int p = 0; p < 2; p++) {
      Acc *a = &acc_of(&s, x[k].id)[p];
      out[k].part[p] = s.act.on[x[k].id] && a->val.n ? a->val.at[0] : VAL_NONE;
    }
  finish(&s);
  r->b->role = role;
  r->b->of = of;
  r->b->at = at;
  return !r->failed;
}

static Val total(Build *b, Cot c) {
  if (c.part[EACH].id && c.part[WHOLE].id) return ir_add(b, c.part[EACH], c.part[WHOLE]);
  return c.part[EACH].id ? c.part[EACH] : c.part[WHOLE];
}

bool vjp_pull(Region *r, Val e, Val cot, const Val *x, uint32_t nx, Val *out) {
  bool lane = ir_type(r->src, e).lane;
  Seed seed = {.v = e};
  seed.cot.part[lane ? EACH : WHOLE] = cot;
  Cot *c = base_realloc(NULL, sizeof *c * nx);
  bool ok = vjp_sweep(r, lane ? VJP_SAMPLE : VJP_TOTAL, NULL, &seed, 1, x, nx, c);
  for (uint32_t k = 0; ok && k < nx; k++) out[k] = total(r->b, c[k]);
  base_free(c);
  return ok;
}
