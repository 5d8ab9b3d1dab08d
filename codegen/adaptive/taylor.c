/* Steps by Taylor series, with the arithmetic of runtime/steppers/ode_taylor.inc: the body gives coefficients 1 ... p in powers of
 * (time - t)/h, where H is the last step, which are moved into arrays like stages; the step follows from the last two of them. Orders
 * are loops of the code here, as they are in the body. Where the rates have kinks a step is checked first, and may have to be looked at in parts, turn
 * by turn: ode_taylor.inc says how. */
#include "codegen/adaptive/adaptive_priv.h"

enum { BLOCK = 4, BLOCK_MOST = 6 }; /* rows of which a polynomial is evaluated at once */

/* Rows whose coefficients are apart by `step` bytes from order to order: of lanes those of each state, where the body left them; of a
 * single sample all, from where they were moved to. */
typedef struct Part {
  int64_t first, rows, step;
  V base; /* coefficient 1 of the first */
} Part;

static uint32_t parts(const Loop *l) { return l->o->lanes > 1 ? l->o->states : 1; }

static int64_t row_bytes(const Loop *l) { return l->o->lanes * l->e->es; }

static int64_t state_bytes(const Loop *l, uint32_t k) {
  const PlanOde *o = l->o;
  return (k + 1 < o->states ? o->off[k + 1] : o->dim * row_bytes(l)) - o->off[k];
}

static Part part(const Loop *l, uint32_t k) {
  const PlanOde *o = l->o;
  const int64_t row = row_bytes(l), bytes = state_bytes(l, k);
  if (o->lanes == 1) return (Part){0, o->rows, o->stride, l->series[0]};
  return (Part){o->off[k] / row, bytes / row, bytes, l->series[k]};
}

static V work(const Loop *l, int64_t off) { return cg_gep_bytes(l->e, l->a->base, cg_i64(l->e, off)); }

void gen_taylor_open(Loop *l) {
  const PlanOde *o = l->o;
  l->series = ARENA_ARRAY(l->g->mem, V, o->states + 1);
  for (uint32_t k = 0; k < parts(l); k++)
    l->series[k] = o->lanes == 1      ? whole(l, ODE_K)
                   : l->a->own[k] < 0 ? work(l, o->series + o->off[k] * o->order)
                                      : gen_scratch(l->g, l->a->own[k]);
}

/* Coefficient m, an i64, of row r of a part. */
static V coefficient(Loop *l, const Part *p, V r, V m) {
  CgEmit *e = l->e;
  V at = cg_iadd(e, cg_imul(e, r, cg_i64(e, l->w * e->es)), cg_i64(e, -p->step));
  return cg_load(e, cg_gep_bytes(e, p->base, cg_iadd(e, at, cg_imul(e, m, cg_i64(e, p->step)))), l->w);
}

static V row_of(Loop *l, const Part *p, V r) {
  return cg_gep_bytes(l->e, l->array, cg_imul(l->e, cg_iadd(l->e, r, cg_i64(l->e, p->first)), cg_i64(l->e, l->w * l->e->es)));
}

/* ---- coefficients ----------------------------------------------------------------------------------------------------------- */

/* From where the body left them, state by state. */
static void move(Loop *l) {
  CgEmit *e = l->e;
  CgLoop *loop = base_realloc(NULL, sizeof *loop);
  const int64_t all = l->o->dim * e->es;
  V from = work(l, l->o->series);
  cg_loop_begin(e, loop, cg_i64(e, 0), cg_i64(e, (int64_t)l->o->order), 1);
  V to = cg_gep_bytes(e, whole(l, ODE_K), cg_imul(e, loop->iv, cg_i64(e, l->o->stride)));
  for (uint32_t k = 0; k < l->o->states; k++) {
    const int64_t bytes = (k + 1 < l->o->states ? l->o->off[k + 1] : all) - l->o->off[k];
    V at = cg_iadd(e, cg_imul(e, loop->iv, cg_i64(e, bytes)), cg_i64(e, l->o->off[k] * l->o->order));
    l->g->kernel->copy(e, cg_gep_bytes(e, to, cg_i64(e, l->o->off[k])), cg_gep_bytes(e, from, at), e->es, cg_i64(e, bytes));
  }
  cg_loop_end(e, loop);
  base_free(loop);
}

/* The body at time t and `state`; what it gives is of steps H. */
static void rates(Loop *l, V t, V state, V to) {
  CgEmit *e = l->e;
  cg_store(e, narrow(l, t), l->tr); /* of a single sample the step stands behind one time */
  cg_store(e, narrow(l, get(l, H)), cg_gep_bytes(e, l->tr, cg_i64(e, row_bytes(l))));
  V arg[4] = {l->a->ctx, l->tr, state, to};
  LLVMBuildCall2(l->b, LLVMGlobalGetValueType(l->a->rates), l->a->rates, arg, 4, "");
}

static void series(Loop *l) {
  rates(l, get(l, T), whole(l, ODE_Y), work(l, l->o->series));
  if (l->o->lanes == 1) move(l);
}

/* ---- the largest of what rows have -------------------------------------------------------------------------------------------- */

/* Numbers of row r, none negative, to x. */
typedef void (*RowOf)(Loop *l, const Part *p, V r, V m, V *x);

/* The largest of each of n numbers, over the rows that decide the step, to `most`; NaN if one is not finite. m: what the rows are
 * asked. */
static void greatest(Loop *l, RowOf row, int n, V m, V *most) {
  CgEmit *e = l->e;
  CgLoop *loop = base_realloc(NULL, sizeof *loop);
  V lost = num(l, 0), x[2];
  for (int k = 0; k < n; k++) most[k] = num(l, 0);
  for (uint32_t k = 0; k < parts(l); k++) {
    const Part p = part(l, k);
    const int64_t decide = (l->o->watched * l->o->lanes + l->w - 1) / l->w - p.first, rows = decide < p.rows ? decide : p.rows;
    if (rows <= 0) continue;
    cg_loop_begin(e, loop, cg_i64(e, 0), cg_i64(e, rows), 1);
    for (int c = 0; c < n; c++) most[c] = cg_loop_phi(e, loop, most[c]);
    lost = cg_loop_phi(e, loop, lost);
    row(l, &p, loop->iv, m, x);
    for (int c = 0; c < n; c++) x[c] = gen_lane_if_watched(l, loop->iv, x[c]);
    for (int c = 0; c < n; c++) lost = add(l, lost, sub(l, x[c], x[c])), cg_loop_next(loop, (unsigned)c, larger(l, x[c], most[c]));
    cg_loop_next(loop, (unsigned)n, lost);
    cg_loop_end(e, loop);
    for (int c = 0; c < n; c++) most[c] = loop->next[c];
    lost = loop->next[n];
  }
  lost = gen_lane_mean(l, lost);
  for (int k = 0; k < n; k++) {
    if (l->o->lanes == 1 && l->w > 1) most[k] = cg_splat(e, call1(l, "llvm.vector.reduce.fmax", most[k]), l->w);
    most[k] = add(l, most[k], lost);
  }
  base_free(loop);
}

/* The state, and its first coefficient. */
static void size_row(Loop *l, const Part *p, V r, V m, V *x) {
  x[0] = wide(l, size(l, load(l, row_of(l, p, r), ODE_Y)));
  x[1] = wide(l, size(l, coefficient(l, p, r, m)));
}

/* What the tolerance of an element is multiplied by to be 1; of the size of its value or of its change, in a part of H or (NULL) in all. */
static V inverse_tolerance(Loop *l, const Part *p, V r, V part) {
  V y = size(l, load(l, row_of(l, p, r), ODE_Y)), change = size(l, coefficient(l, p, r, cg_i64(l->e, 1)));
  if (part) change = mul(l, change, part);
  V tol = larger(l, by(l, wide(l, larger(l, y, change)), l->a->rtol), num(l, l->a->atol));
  return over(l, num(l, 1), larger(l, tol, num(l, DBL_MIN)));
}

/* Coefficient m against the tolerance. */
static void ratio_row(Loop *l, const Part *p, V r, V m, V *x) {
  x[0] = mul(l, wide(l, size(l, coefficient(l, p, r, m))), inverse_tolerance(l, p, r, NULL));
}

/* The last two. */
static void ratios_row(Loop *l, const Part *p, V r, V m, V *x) {
  V by_tol = inverse_tolerance(l, p, r, NULL);
  x[0] = mul(l, wide(l, size(l, coefficient(l, p, r, m))), by_tol);
  x[1] = mul(l, wide(l, size(l, coefficient(l, p, r, cg_iadd(l->e, m, cg_i64(l->e, -1))))), by_tol);
}

/* ---- the length of a step ----------------------------------------------------------------------------------------------------- */

static V integers(Loop *l, V x) { return LLVMBuildBitCast(l->b, x, cg_int_type(&l->d, l->w), ""); }
static V reals(Loop *l, V x) { return LLVMBuildBitCast(l->b, x, cg_real_type(&l->d, l->w), ""); }
static V bits(Loop *l, uint64_t v) { return cg_bits(&l->d, v, l->w); }

/* c0 + x (c1 + x (c2 + x c3)) */
static V cubic(Loop *l, V x, V c0, const double *c) {
  V v = cg_fma(&l->d, x, num(l, c[2]), num(l, c[1]));
  v = cg_fma(&l->d, x, v, num(l, c[0]));
  return cg_fma(&l->d, x, v, c0);
}

static V rough_log2(Loop *l, V x) {
  V b = integers(l, x), e = LLVMBuildLShr(l->b, b, bits(l, 52), "");
  V m = LLVMBuildOr(l->b, LLVMBuildAnd(l->b, b, bits(l, 0xfffffffffffff), ""), bits(l, 0x3ff0000000000000), "");
  V whole = sub(l, LLVMBuildSIToFP(l->b, e, cg_real_type(&l->d, l->w), ""), num(l, 1023));
  return cubic(l, sub(l, reals(l, m), num(l, 1)), whole, adaptive_log2);
}

/* The next whole number below, of |x| below 2^51: rounded by what is added. Baseline x86-64 has no instruction for it, and LLVM would call libm's. */
static V below(Loop *l, V x) {
  V big = num(l, 0x1.8p52), near = sub(l, add(l, x, big), big);
  return pick(l, less(l, x, near), sub(l, near, num(l, 1)), near);
}

static V rough_exp2(Loop *l, V x) {
  V whole = below(l, x), part = cubic(l, sub(l, x, whole), num(l, 1), adaptive_exp2);
  V e = LLVMBuildFPToSI(l->b, whole, cg_int_type(&l->d, l->w), "");
  return reals(l, LLVMBuildAdd(l->b, integers(l, part), LLVMBuildShl(l->b, e, bits(l, 52), ""), ""));
}

static V is_none(Loop *l, V x) { return LLVMBuildFCmp(l->b, LLVMRealOEQ, x, num(l, 0), ""); }

/* log2 of u at which ratio u^m is 1, or of the longest; by: -1/m. */
static V by_term(Loop *l, V ratio, V by) {
  V most = num(l, ADAPTIVE_LONGER);
  return pick(l, is_none(l, ratio), most, lesser(l, mul(l, rough_log2(l, ratio), by), most));
}

/* Where the last two terms are 0, by the last of the upper half that is not: lanes of the mask, whose logarithm is in memory. */
static void earlier_terms(Loop *l, V mask, V at) {
  CgEmit *e = l->e;
  If some = if_begin(l, any(l, mask));
  CgLoop *loop = base_realloc(NULL, sizeof *loop);
  cg_loop_begin(e, loop, cg_i64(e, 2), cg_i64(e, l->o->order - l->o->order / 2), 1);
  V seen = cg_loop_phi(e, loop, num(l, 0)), m = LLVMBuildSub(l->b, cg_i64(e, l->o->order), loop->iv, ""), ratio;
  greatest(l, ratio_row, 1, m, &ratio);
  V inverse = LLVMBuildFDiv(l->b, cg_real(&l->d, -1, 1), LLVMBuildSIToFP(l->b, m, l->d.real, ""), "");
  V x = by_term(l, ratio, cg_splat(e, inverse, l->w)), now = both(l, mask, both(l, is_none(l, seen), less(l, num(l, 0), ratio)));
  cg_store(&l->d, pick(l, now, x, cg_load(&l->d, at, l->w)), at);
  cg_loop_next(loop, 0, larger(l, ratio, seen));
  cg_loop_end(e, loop);
  if_end(l, some);
  base_free(loop);
}

/* In units of H; *known: the coefficients are finite. */
static V length(Loop *l, V *known) {
  V at = cg_alloca(l->e, l->w * 8), ratio[2], none = num(l, 0);
  const double p = l->o->order;
  greatest(l, ratios_row, 2, cg_i64(l->e, l->o->order), ratio);
  *known = is_finite(l, add(l, ratio[0], ratio[1]));
  V x = lesser(l, by_term(l, ratio[0], num(l, -1 / p)), by_term(l, ratio[1], num(l, -1 / (p - 1))));
  cg_store(&l->d, x, at);
  V runs = flag(l, RUN), without = both(l, is_none(l, ratio[0]), is_none(l, ratio[1]));
  earlier_terms(l, both(l, runs, both(l, *known, without)), at);
  x = larger(l, cg_load(&l->d, at, l->w), num(l, ADAPTIVE_SHORTER));
  return rough_exp2(l, pick(l, *known, x, none));
}

/* ---- values ----------------------------------------------------------------------------------------------------------------------- */

typedef struct Advance {
  V mask, u;
  void (*row)(Loop *l, V at, V moved, const struct Advance *a); /* moved: the polynomial less its value at 0 */
} Advance;

static void block(Loop *l, const Part *p, V first, int n, const Advance *a) {
  CgEmit *e = l->e;
  CgLoop *loop = base_realloc(NULL, sizeof *loop);
  V top = cg_i64(e, l->o->order), r[BLOCK_MOST], v[BLOCK_MOST];
  for (int k = 0; k < n; k++) r[k] = cg_iadd(e, first, cg_i64(e, k)), v[k] = coefficient(l, p, r[k], top);
  cg_loop_begin(e, loop, cg_i64(e, 1), top, 1);
  for (int k = 0; k < n; k++) v[k] = cg_loop_phi(e, loop, v[k]);
  V m = LLVMBuildSub(l->b, top, loop->iv, "");
  for (int k = 0; k < n; k++) cg_loop_next(loop, (unsigned)k, cg_fma(e, a->u, v[k], coefficient(l, p, r[k], m)));
  cg_loop_end(e, loop);
  for (int k = 0; k < n; k++) a->row(l, row_of(l, p, r[k]), mul(l, a->u, loop->next[k]), a);
  base_free(loop);
}

/* None is left over, if that can be. */
static int block_rows(int64_t rows) {
  for (int n = BLOCK_MOST; n > 2; n--)
    if (rows % n == 0) return n;
  return BLOCK;
}

static void polynomials(Loop *l, const Advance *a) {
  CgEmit *e = l->e;
  CgLoop *loop = base_realloc(NULL, sizeof *loop);
  for (uint32_t k = 0; k < parts(l); k++) {
    const Part p = part(l, k);
    const int rows = block_rows(p.rows);
    const int64_t whole = p.rows / rows * rows;
    if (whole) {
      cg_loop_begin(e, loop, cg_i64(e, 0), cg_i64(e, whole), rows);
      block(l, &p, loop->iv, rows, a);
      cg_loop_end(e, loop);
    }
    if (p.rows > whole) block(l, &p, cg_i64(e, whole), (int)(p.rows - whole), a);
  }
  base_free(loop);
}

/* ---- steps ---------------------------------------------------------------------------------------------------------------------- */

void gen_taylor_first(Loop *l) {
  V runs = flag(l, RUN), h = mul(l, get(l, DIR), get(l, SPAN)), none = num(l, 0);
  put(l, H, pick(l, runs, h, none));
  series(l);
  V most[2];
  greatest(l, size_row, 2, cg_i64(l->e, 1), most);
  V state = most[0], first = most[1], part = by(l, state, 0.1);
  fail(l, both(l, runs, not_(l, is_finite(l, add(l, state, first)))));
  part = pick(l, less(l, none, part), part, num(l, 1e-3));
  V shorter = mul(l, h, over(l, part, first));
  h = pick(l, less(l, part, first), shorter, h);
  put(l, H, pick(l, flag(l, RUN), h, none));
}

static void prepare(Loop *l) {
  V runs = flag(l, RUN), steps = get(l, STEPS);
  fail(l, both(l, runs, at_most(l, num(l, l->a->max_steps), steps)));
  put(l, STEPS, add(l, steps, get(l, RUN)));
  V tenth = by(l, size(l, get(l, H)), 0.1), least = by(l, size(l, get(l, T)), DBL_EPSILON);
  runs = flag(l, RUN);
  fail(l, both(l, runs, at_most(l, tenth, least)));
}

static void value_row(Loop *l, V at, V moved, const Advance *a) {
  (void)a;
  store(l, add(l, load(l, at, ODE_Y), moved), at, ODE_WORK);
}

static void advance_row(Loop *l, V at, V moved, const Advance *a) {
  V y = load(l, at, ODE_Y), low = load(l, at, ODE_LOW), more = add(l, moved, low), z = add(l, y, more);
  V far = sub(l, z, y), of_y = sub(l, y, sub(l, z, far)), of_more = sub(l, more, far);
  store(l, pick(l, a->mask, z, y), at, ODE_Y);
  store(l, pick(l, a->mask, add(l, of_y, of_more), low), at, ODE_LOW);
}

static void points(Loop *l, V mask, V t1) {
  if (l->o->times <= 2) return;
  If some = if_begin(l, any(l, gen_point_is_due(l, mask, t1)));
  V h = get(l, H), t = get(l, T);
  LLVMBasicBlockRef turn = cg_block(l->e, ""), after;
  LLVMBuildBr(l->b, turn);
  LLVMPositionBuilderAtEnd(l->b, turn);
  V now = gen_point_is_due(l, mask, t1), gone = sub(l, get(l, DUE), t), u = pick(l, now, over(l, gone, h), num(l, 0));
  polynomials(l, &(Advance){now, narrow(l, u), value_row});
  gen_point_due(l, now, ODE_WORK);
  V more = any(l, gen_point_is_due(l, mask, t1));
  after = cg_block(l->e, "");
  LLVMBuildCondBr(l->b, more, turn, after);
  LLVMPositionBuilderAtEnd(l->b, after);
  if_end(l, some);
}

/* ---- kinks ---------------------------------------------------------------------------------------------------------------------- */

/* A step of the lanes of a mask: its length, u in parts of H, whether it is the last; `again`: those that look at a part of it first. */
typedef struct Step {
  V ok, last, u, go, again;
} Step;

/* Of u, while a kink is looked for: a part in which one was seen; 0: none was. */
static const Slot FROM = HOLD, TO = STEP;

static V above_0(Loop *l, V x) { return less(l, num(l, 0), x); }

/* The end of part k, a real in all lanes, of what is looked at. */
static V part_end(Loop *l, V u, V k) {
  V to = get(l, TO), from = get(l, FROM), end = pick(l, above_0(l, to), to, u);
  V part = over(l, sub(l, end, from), num(l, ADAPTIVE_PARTS)), inside = less(l, k, num(l, ADAPTIVE_PARTS));
  return pick(l, inside, add(l, from, mul(l, part, k)), end);
}

/* The state that a step to u would give. */
static void inside_row(Loop *l, V at, V moved, const Advance *a) {
  (void)a;
  store(l, add(l, load(l, at, ODE_Y), add(l, moved, load(l, at, ODE_LOW))), at, ODE_WORK);
}

/* The polynomial's derivative at u. */
static void slope(Loop *l, const Part *p, V r, V u) {
  CgEmit *e = l->e;
  CgLoop *loop = base_realloc(NULL, sizeof *loop);
  V top = cg_i64(e, l->o->order), v = mul(l, cg_real(e, l->o->order, l->w), coefficient(l, p, r, top));
  cg_loop_begin(e, loop, cg_i64(e, 1), top, 1);
  v = cg_loop_phi(e, loop, v);
  V m = LLVMBuildSub(l->b, top, loop->iv, ""), by = cg_splat(e, LLVMBuildSIToFP(l->b, m, e->real, ""), l->w);
  cg_loop_next(loop, 0, cg_fma(e, u, v, mul(l, by, coefficient(l, p, r, m))));
  cg_loop_end(e, loop);
  store(l, loop->next[0], row_of(l, p, r), ODE_Z);
  base_free(loop);
}

static void slopes(Loop *l, V u) {
  CgEmit *e = l->e;
  CgLoop *loop = base_realloc(NULL, sizeof *loop);
  for (uint32_t k = 0; k < parts(l); k++) {
    const Part p = part(l, k);
    cg_loop_begin(e, loop, cg_i64(e, 0), cg_i64(e, p.rows), 1);
    slope(l, &p, loop->iv, u);
    cg_loop_end(e, loop);
  }
  base_free(loop);
}

/* Rates at u, times H. */
static void look(Loop *l, V u) {
  CgEmit *e = l->e;
  V at = add(l, get(l, T), add(l, mul(l, u, get(l, H)), get(l, T_LOW)));
  polynomials(l, &(Advance){NULL, narrow(l, u), inside_row});
  slopes(l, narrow(l, u));
  rates(l, at, whole(l, ODE_WORK), work(l, l->o->probe));
  for (uint32_t k = 0; k < l->o->states; k++) {
    const int64_t off = l->o->off[k];
    V to = cg_gep_bytes(e, whole(l, ODE_NEXT_LOW), cg_i64(e, off));
    l->g->kernel->copy(e, to, work(l, l->o->probe + off * l->o->order), e->es, cg_i64(e, state_bytes(l, k)));
  }
}

static void defect_row(Loop *l, const Part *p, V r, V part, V *x) {
  V at = row_of(l, p, r), apart = size(l, sub(l, load(l, at, ODE_NEXT_LOW), load(l, at, ODE_Z)));
  x[0] = mul(l, wide(l, apart), inverse_tolerance(l, p, r, part));
}

enum { SEEN_FROM, SEEN_TO, SEEN_ERROR, SEEN };

/* The first part of which the rates and the polynomial differ. */
static void parts_seen(Loop *l, const Step *s, V *seen) {
  CgEmit *e = l->e;
  CgLoop *loop = base_realloc(NULL, sizeof *loop);
  V most = pick(l, above_0(l, get(l, TO)), num(l, ADAPTIVE_KINK), num(l, ADAPTIVE_FINE)), now[SEEN];
  cg_loop_begin(e, loop, cg_i64(e, 0), cg_i64(e, ADAPTIVE_PARTS), 1);
  for (int k = 0; k < SEEN; k++) seen[k] = cg_loop_phi(e, loop, num(l, 0));
  V part = cg_splat(e, LLVMBuildSIToFP(l->b, loop->iv, l->d.real, ""), l->w);
  now[SEEN_FROM] = part_end(l, s->u, part);
  now[SEEN_TO] = part_end(l, s->u, add(l, part, num(l, 1)));
  look(l, pick(l, s->ok, now[SEEN_TO], num(l, 0)));
  greatest(l, defect_row, 1, narrow(l, larger(l, now[SEEN_TO], num(l, ADAPTIVE_CHANGE))), &now[SEEN_ERROR]);
  now[SEEN_ERROR] = mul(l, now[SEEN_ERROR], sub(l, now[SEEN_TO], now[SEEN_FROM]));
  V first = both(l, s->ok, not_(l, either(l, above_0(l, seen[SEEN_TO]), at_most(l, now[SEEN_ERROR], most))));
  for (int k = 0; k < SEEN; k++) cg_loop_next(loop, (unsigned)k, pick(l, first, now[k], seen[k]));
  cg_loop_end(e, loop);
  for (int k = 0; k < SEEN; k++) seen[k] = loop->next[k];
  base_free(loop);
}

static void check(Loop *l, Step *s) {
  V seen[SEEN], none = num(l, 0);
  parts_seen(l, s, seen);
  V some = above_0(l, seen[SEEN_TO]), from = pick(l, some, seen[SEEN_FROM], get(l, FROM)),
    to = pick(l, some, seen[SEEN_TO], get(l, TO));
  V length = mul(l, sub(l, seen[SEEN_TO], seen[SEEN_FROM]), size(l, get(l, H)));
  V narrowest = at_most(l, length, by(l, size(l, get(l, T)), ADAPTIVE_NARROW)), known = is_finite(l, seen[SEEN_ERROR]);
  V bad = both(l, some, both(l, narrowest, not_(l, known))), cut = above_0(l, to);
  V ok = both(l, s->ok, either(l, not_(l, some), both(l, narrowest, known)));
  s->again = both(l, s->ok, both(l, some, not_(l, narrowest)));
  V shorter = both(l, cut, LLVMBuildFCmp(l->b, LLVMRealUNE, to, s->u, ""));
  s->last = both(l, s->last, not_(l, shorter));
  s->u = pick(l, cut, to, s->u);
  s->go = pick(l, cut, mul(l, to, get(l, H)), s->go);
  s->ok = ok;
  V over_with = either(l, ok, bad);
  put(l, FROM, pick(l, over_with, none, from));
  put(l, TO, pick(l, over_with, none, to));
}

/* ---- a step --------------------------------------------------------------------------------------------------------------------- */

static void step(Loop *l) {
  V known, none = num(l, 0);
  series(l);
  V u = length(l, &known), runs = flag(l, RUN), ok = both(l, runs, known);
  V t = get(l, T), low = get(l, T_LOW), h = get(l, H), end = get(l, END), go = mul(l, u, h);
  V beyond = mul(l, sub(l, cg_fma(l->e, num(l, 1.01), go, t), end), get(l, DIR)), last = both(l, ok, less(l, none, beyond));
  V rest = sub(l, sub(l, end, t), low);
  go = pick(l, last, rest, go);
  Step s = {ok, last, NULL, go, NULL};
  if (l->o->kinks) s.u = pick(l, ok, over(l, go, h), none), check(l, &s);
  ok = gen_record_step(l, s.ok, s.go);
  last = both(l, ok, s.last);
  V by_go = add(l, s.go, low), t1 = add(l, t, by_go), low1 = sub(l, by_go, sub(l, t1, t));
  t1 = pick(l, last, end, t1);
  low1 = pick(l, last, none, low1);
  points(l, ok, t1);
  u = pick(l, ok, s.u ? s.u : over(l, go, h), none);
  polynomials(l, &(Advance){ok, narrow(l, u), advance_row});
  put(l, T, pick(l, ok, t1, t));
  put(l, T_LOW, pick(l, ok, low1, low));
  V nearer = by(l, h, 0.1);
  if (s.again) nearer = pick(l, s.again, h, nearer);
  put(l, H, pick(l, ok, go, pick(l, runs, nearer, none)));
  gen_lane_taken(l, ok);
  gen_point_write(l, last, l->o->times - 1);
  stop(l, last);
}

void gen_taylor_steps(Loop *l) {
  While steps = while_begin(l, "steps");
  gen_queue_next(l);
  prepare(l);
  while_test(l, steps, any(l, gen_queue_going(l)));
  step(l);
  while_end(l, steps);
}
