/* Sums over the tiles of a call: zero before the first tile, complete after the last. Lane accumulators are zeroed and
 * added up; what accumulates in the caller's arrays is zeroed. A function has as many of them as it has parameters, so
 * they are rows of constant tables, with a loop over each table. */
#include "codegen/gen/gen_priv.h"

#include <stdlib.h>
#include <string.h>

typedef struct TileSum {
  Val to;
  int64_t acc, n;
} TileSum; /* lane accumulators of n elements, for value `to` of the function */
typedef struct Sums {
  VEC(TileSum) sum;
} Sums;

static bool summed_in_place(const Plan *p, uint32_t v) {
  const PVal *q = &p->val[v];
  if (!p->live[v] || q->alias || q->into || !q->bsum || !q->stored || q->cls != PC_BUF) return false;
  return q->sum == SUM_PRODUCT || p->f->inst.at[v].op == OP_proj || plan_sums_in_place(p, p->group.at[q->group]);
}

/* A loop's sum belongs to the result of the loop. */
static void add(Sums *s, const Plan *top, const Plan *p, Val sum, int64_t acc) {
  Val to = !p->val[sum.id].stored ? VAL_NONE : p->up ? plan_result(top, p->call, p->val[sum.id].homeidx) : sum;
  *vec_push(&s->sum) = (TileSum){to, acc, type_count(ir_type(p->f, sum))};
}

/* All lane accumulators that last for the whole call, bodies of loops included. */
static void collect(Sums *s, const Plan *top, const Plan *p) {
  for (uint32_t k = 1; k < p->group.n; k++) {
    const Group *gr = p->group.at[k];
    for (uint32_t r = 0; r < gr->root.n; r++)
      if (gr->root.at[r].persist && !p->val[gr->root.at[r].v.id].into) add(s, top, p, gr->root.at[r].v, gr->root.at[r].acc);
    if (gr->body) collect(s, top, gr->body);
  }
  for (uint32_t v = 1; v < p->f->inst.n; v++)
    if (p->live[v] && p->val[v].sum == SUM_LANES && ir_op[p->f->inst.at[v].op].cls != OPC_STRUCT && p->val[v].stored)
      add(s, top, p, (Val){v}, p->val[v].acc);
}

/* ---- tables ------------------------------------------------------------------------------------------------------- */

enum { COLUMNS = 4 };
typedef struct SumTable {
  VEC(int64_t) at;
} SumTable;

static void row(SumTable *t, int64_t a, int64_t b, int64_t c, int64_t d) {
  *vec_push(&t->at) = a, *vec_push(&t->at) = b, *vec_push(&t->at) = c, *vec_push(&t->at) = d;
}

typedef void (*RowFn)(Gen *g, const LLVMValueRef *cell);

static void each_row(Gen *g, SumTable *t, RowFn f) {
  CgLoop *loop = base_realloc(NULL, sizeof *loop);
  LLVMValueRef cell[COLUMNS];
  if (t->at.n) {
    LLVMValueRef table = cg_const_ints(g->e, t->at.at, t->at.n);
    cg_loop_begin(g->e, loop, cg_i64(g->e, 0), cg_i64(g->e, t->at.n / COLUMNS), 1);
    LLVMValueRef at = cg_gep_bytes(g->e, table, cg_imul(g->e, loop->iv, cg_i64(g->e, 8 * COLUMNS)));
    for (int k = 0; k < COLUMNS; k++) cell[k] = gen_member(g, at, g->e->i64, (size_t)(8 * k));
    f(g, cell);
    cg_loop_end(g->e, loop);
  }
  vec_free(&t->at);
  base_free(loop);
}

static LLVMValueRef in_scratch(Gen *g, LLVMValueRef off) { return cg_gep_bytes(g->e, g->scratch, off); }

/* Argument by its place in the array of results, bytes. */
static LLVMValueRef result(Gen *g, LLVMValueRef bytes) {
  LLVMValueRef out = gen_member(g, g->call, g->e->ptr, offsetof(HnnCall, out));
  return gen_member(g, cg_gep_bytes(g->e, out, bytes), g->e->ptr, offsetof(HnnArg, p));
}

static void zero(Gen *g, LLVMValueRef p, LLVMValueRef bytes) { g->kernel->zero(g->e, p, bytes); }

/* ---- before ------------------------------------------------------------------------------------------------------- */

static void zero_scratch(Gen *g, const LLVMValueRef *cell) { zero(g, in_scratch(g, cell[0]), cell[1]); }
static void zero_result(Gen *g, const LLVMValueRef *cell) { zero(g, result(g, cell[0]), cell[1]); }

static int by_place(const void *a, const void *b) {
  const TileSum *x = a, *y = b;
  return x->acc < y->acc ? -1 : x->acc > y->acc;
}

/* Neighbours are zeroed together: places in scratch are whole cache lines. */
static void open_lanes(Gen *g, Sums *s) {
  SumTable t = {0};
  if (s->sum.n) qsort(s->sum.at, s->sum.n, sizeof *s->sum.at, by_place);
  for (uint32_t k = 0; k < s->sum.n;) {
    int64_t from = s->sum.at[k].acc, end = from;
    for (; k < s->sum.n && s->sum.at[k].acc == end; k++)
      end += plan_round_up(g->kernel->sum_bytes(g->e->vl, g->e->es, s->sum.at[k].n), g->tune->align);
    if (s->sum.n <= g->tune->table_from) gen_zero(g, gen_scratch(g, from), end - from);
    else row(&t, from, end - from, 0, 0);
  }
  each_row(g, &t, zero_scratch);
}

void gen_zero_sums(Gen *g, Frame *fr, bool first_sets) {
  const Plan *p = fr->p;
  SumTable t = {0};
  uint32_t n = 0;
  for (uint32_t v = 1; v < p->f->inst.n; v++) n += summed_in_place(p, v);
  for (uint32_t v = 1; v < p->f->inst.n; v++) {
    LLVMValueRef base, ld;
    Type type = p->f->inst.at[v].type;
    if (!summed_in_place(p, v) || plan_first_sets(p, (Val){v}) != first_sets) continue;
    if (n > g->tune->table_from && p->val[v].home == HOME_OUT && !type.lane && type.dt == DT_REAL) {
      row(&t, p->val[v].homeidx * (int64_t)sizeof(HnnArg), type_count(type) * g->e->es, 0, 0);
      continue;
    }
    gen_memory(g, fr, (Val){v}, &base, &ld);
    gen_fill(g, type, base, ld, 0);
  }
  each_row(g, &t, zero_result);
}

void gen_open_sums(Gen *g, Frame *fr) {
  Sums s = {0};
  collect(&s, fr->p, fr->p);
  open_lanes(g, &s);
  gen_zero_sums(g, fr, false);
  vec_free(&s.sum);
}

/* ---- after -------------------------------------------------------------------------------------------------------- */

void gen_close_sum(Gen *g, LLVMValueRef acc, int64_t n, LLVMValueRef dst) {
  CgEmit *e = g->e;
  int64_t full = n / e->vl, rest = n % e->vl;
  if (full) g->kernel->sum_close(e, acc, cg_i64(e, full), dst, true);
  if (!rest) return;
  LLVMValueRef to = cg_gep(e, dst, cg_i64(e, full * e->vl));
  g->kernel->sum_close(e, cg_gep(e, acc, g->kernel->sum_at(e, cg_i64(e, full * e->vl), 1)), cg_i64(e, rest), to, false);
}

/* accumulators, blocks of vl, the rest, result */
static void reduce_row(Gen *g, const LLVMValueRef *cell) {
  int64_t vl = g->e->vl;
  LLVMValueRef acc = in_scratch(g, cell[0]), dst = result(g, cell[3]);
  g->kernel->sum_close(g->e, acc, cell[1], dst, true);
  acc = cg_gep(g->e, acc, g->kernel->sum_at(g->e, cell[1], vl));
  g->kernel->sum_close(g->e, acc, cell[2], cg_gep(g->e, dst, cg_imul(g->e, cell[1], cg_i64(g->e, vl))), false);
}

void gen_close_sums(Gen *g, Frame *fr) {
  Sums s = {0};
  SumTable t = {0};
  collect(&s, fr->p, fr->p);
  for (uint32_t k = 0; k < s.sum.n; k++) {
    LLVMValueRef base, ld;
    TileSum x = s.sum.at[k];
    if (!x.to.id) continue;
    const PVal *q = &fr->p->val[x.to.id];
    if (s.sum.n > g->tune->table_from && q->home == HOME_OUT && !q->alias) {
      row(&t, x.acc, x.n / g->e->vl, x.n % g->e->vl, q->homeidx * (int64_t)sizeof(HnnArg));
      continue;
    }
    gen_memory(g, fr, x.to, &base, &ld);
    gen_close_sum(g, gen_scratch(g, x.acc), x.n, base);
  }
  each_row(g, &t, reduce_row);
  vec_free(&s.sum);
}
