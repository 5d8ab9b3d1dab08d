/* Expands `jac` and `divergence`, by columns (forward mode) or rows (reverse mode), whichever are fewer.
 *
 * Of more than a few columns the sparsity is found first (pattern.c), and those that do not get in each other's way
 * are differentiated together (colour.c): a band of three costs three or four sweeps, whatever n. A seed is then the
 * sum of the unit vectors of one colour, and the result of a sweep has each nonzero in a place of its own:
 *
 *   swept = [J s_0, J s_1, ...]           one value, colour by colour, elements next to each other
 *   nonzeros = take swept {...}           in the order of rows
 *   J = put nonzeros {...}                so that who wants the nonzeros alone (`take` of J) gets them without J
 *
 * A symmetric matrix, a second derivative of a scalar, is read from a star colouring, where that has fewer colours:
 * an element or its mirror image stands alone. For a divergence only the diagonal must. */
#include "passes/sparsity/sparsity.h"
#include "passes/derive/derive_priv.h"
#include "passes/base/pass.h"

#include <stdlib.h>
#include <string.h>

enum { UNROLL = 4 }; /* so many sweeps are written out instead of looped over */

typedef enum { BY_UNITS, BY_COLUMNS, BY_ROWS, BY_STARS, BY_DIAGONAL } Way;

typedef struct Jac {
  Build *b;
  Diag *diag;
  Val e, x;
  Type te, tx;
  bool forward, trace;
  bool only; /* forwards, whatever the numbers are of rows and columns */
  Way way;
  Pattern pattern; /* of dims(e) by dims(x), unless BY_UNITS */
  Colouring colours;
  int64_t n; /* sweeps */
  const Held *held;
} Jac;

/* ---- what was done, for people ---------------------------------------------------------------------------------- */

static const char *const way_text[] = {"", "tangents, columns by colours", "adjoints, rows by colours",
                                       "tangents, columns by stars of a symmetric matrix", "tangents, the diagonal by colours"};

/* Without colours: why, and the pattern all the same, which passes have no use for. */
static void note_plain(PassTrace *trace, const Jac *j, Span at) {
  const uint64_t written = ir_written();
  const bool few = j->n <= UNROLL && !j->pattern.start;
  Pattern found = j->pattern;
  const bool known = found.start || sparsity_find(j->b->f, j->e, j->x, SPARSITY_QUICK, &found);
  const int64_t rows = type_count(j->te), cols = type_count(j->tx);
  const bool full = known && pattern_count(&found) == rows * cols;
  const char *way = j->trace && few ? "a divergence of few columns: each has a sweep of its own"
                    : few           ? "few columns or rows: each has a sweep of its own"
                    : !known        ? "the pattern has too many elements, or takes too long to find"
                    : full          ? "it is full: each column or row has a sweep of its own"
                                    : "colours would save no sweep: some row and some column are full, or nearly";
  if (known) pass_trace_pattern(trace, at, way, &found, 0, NULL, false);
  else pass_trace_unknown(trace, at, way, (uint32_t)rows, (uint32_t)cols);
  if (known && !j->pattern.start) pattern_finish(&found);
  ir_write(written - ir_written());
}

static void note(PassRun *run, const Jac *j, Span at, int64_t plainly) {
  if (!run) return;
  if (j->way == BY_UNITS) {
    if (run->trace) note_plain(run->trace, j, at);
    return;
  }
  pass_trace_pattern(run->trace, at, way_text[j->way], &j->pattern, j->colours.n, j->colours.of, j->way == BY_ROWS);
  *vec_push(&run->swept) = (PassSwept){.at = at,
                                       .way = j->way,
                                       .rows = j->pattern.rows,
                                       .cols = j->pattern.cols,
                                       .nonzeros = pattern_count(&j->pattern),
                                       .sweeps = j->n,
                                       .plainly = plainly};
}

void pass_jacobians_print(PassRun *run, FILE *out, const char *comment, const Source *src) {
  char where[256];
  for (uint32_t k = 0; out && k < run->swept.n; k++) {
    const PassSwept *s = &run->swept.at[k];
    fprintf(out, "%s %s: %u nonzeros of %u x %u, %lld instead of %lld %s", comment, source_where(src, s->at, where, sizeof where),
            s->nonzeros, s->rows, s->cols, (long long)s->sweeps, (long long)s->plainly, s->blocks ? "sweeps" : way_text[s->way]);
    if (s->blocks) fprintf(out, ", a log-determinant of %u blocks, the largest of %u", s->blocks, s->largest);
    if (s->held) fprintf(out, ", %u use%s held constant", s->held, s->held > 1 ? "s" : "");
    fputc('\n', out);
  }
  vec_free(&run->swept);
}

/* ---- seeds ------------------------------------------------------------------------------------------------------ */

static Type vector(int64_t n) { return type_real(false, 1, (uint32_t[]){(uint32_t)n}); }

static Type seed_type(const Jac *j) { return pass_type_with(j->forward ? j->tx : j->te, false); }

static Type stacked_type(Type t, int64_t n) {
  memmove(t.dim + 1, t.dim, sizeof t.dim[0] * t.rank);
  t.dim[0] = (uint32_t)n;
  t.rank++;
  return t;
}

static Val one_hot(Build *b, Type t, int64_t k) {
  int64_t n = type_count(t);
  if (n == 1) return ir_splat(b, 1, t);
  Val v = ir_unslice(b, ir_splat(b, 1, vector(1)), 0, (uint32_t)k, 1, (uint32_t)n);
  return t.rank == 1 ? v : ir_reshape(b, v, t.rank, t.dim);
}

/* 1 at the elements of colours [first, first + n), a row each. */
static Val colour_seeds(Jac *j, uint32_t first, uint32_t n, Type t) {
  uint32_t size = (uint32_t)type_count(seed_type(j));
  double *v = base_zeroed((size_t)n * size + 1, sizeof *v);
  for (uint32_t k = 0; k < size; k++) {
    uint32_t c = j->colours.of[k];
    if (c != COLOUR_NONE && c >= first && c < first + n) v[(size_t)(c - first) * size + k] = 1;
  }
  Val seeds = jvp_literal(j->b, t, v);
  base_free(v);
  return seeds;
}

static Val seed_at(Jac *j, int64_t k) {
  Type t = seed_type(j);
  return j->way == BY_UNITS ? one_hot(j->b, t, k) : colour_seeds(j, (uint32_t)k, 1, t);
}

static Val all_seeds(Jac *j) {
  Type t = stacked_type(seed_type(j), j->n);
  if (j->way != BY_UNITS) return colour_seeds(j, 0, (uint32_t)j->n, t);
  return ir_reshape(j->b, ir_diag(j->b, ir_splat(j->b, 1, vector(j->n))), t.rank, t.dim);
}

/* ---- sweeps ------------------------------------------------------------------------------------------------------ */

/* J seed or seed J; VAL_NONE where zero. */
static Val apply(Jac *j, Region *r, Val seed) {
  Val out = VAL_NONE;
  r->chained = j->forward && j->way != BY_UNITS && j->n > 1;
  bool ok = j->forward ? jvp_sweep(r, &j->x, &seed, 1, &j->e, 1, &out) : vjp_pull(r, j->e, seed, &j->x, 1, &out);
  return ok ? out : VAL_NONE;
}

static Val seed_trace(Build *b, Val seed, Val row) { return ir_sum_all(b, ir_mul(b, row, seed)); }

static bool unrolled(Jac *j, Val *out) {
  Build *b = j->b;
  Type trow = pass_type_with(j->forward ? j->te : j->tx, false);
  Val *row = base_realloc(NULL, sizeof *row * (size_t)(j->n + 1)), sum = VAL_NONE;
  bool some = false;
  Region r;
  region_init(&r, b->f, b, j->diag);
  r.held = j->held;
  for (int64_t k = 0; k < j->n && !r.failed; k++) {
    Val seed = seed_at(j, k);
    row[k] = apply(j, &r, seed);
    some = some || row[k].id;
    if (!row[k].id) row[k] = ir_splat(b, 0, trow);
    else if (j->trace) sum = sum.id ? ir_add(b, sum, seed_trace(b, seed, row[k])) : seed_trace(b, seed, row[k]);
  }
  if (!r.failed) *out = j->trace ? sum : some ? ir_stack(b, row, (uint32_t)j->n) : VAL_NONE;
  bool ok = !r.failed;
  region_finish(&r);
  base_free(row);
  return ok;
}

/* A map over the seeds. */
static bool mapped(Jac *j, Val *out) {
  Build *b = j->b, bb;
  Fn *body = ir_sub_create(b->f, j->trace ? "divergence" : "jacobian");
  Region r;
  ir_build_init(&bb, body);
  bb.at = b->at;
  bb.role = b->role;
  bb.of = b->of;
  Val seed = ir_input(&bb, NULL, IN_OTHER, 0, seed_type(j));
  region_init(&r, b->f, &bb, j->diag);
  r.held = j->held;
  Val row = apply(j, &r, seed);
  *out = VAL_NONE;
  if (row.id) {
    ir_output(&bb, j->trace ? seed_trace(&bb, seed, row) : row, NULL);
    uint32_t nargs = r.captured.n + 1;
    Val *args = base_realloc(NULL, sizeof *args * nargs);
    args[0] = all_seeds(j);
    if (nargs > 1) memcpy(args + 1, r.captured.at, sizeof *args * (nargs - 1));
    Val map = ir_scan(b, args, nargs, (uint32_t)j->n, 0, 1, !j->trace, j->trace, false, false, body);
    *out = ir_proj(b, map, 0);
    base_free(args);
  }
  bool ok = !r.failed;
  region_finish(&r);
  ir_build_finish(&bb);
  return ok;
}

/* All sweeps; VAL_NONE where everything is zero. False after an error. */
static bool sweep(Jac *j, Span at, Val *out) {
  Build *b = j->b;
  b->at = at;
  b->role = j->forward ? ROLE_TANGENT : ROLE_ADJOINT;
  b->of = ir_inst(b->f, j->e)->op;
  *out = VAL_NONE;
  return j->n == 0 || (j->n <= UNROLL || ir_fn_sums_batch(b->f) ? unrolled(j, out) : mapped(j, out));
}

/* ---- structure ---------------------------------------------------------------------------------------------------- */

bool derive_jacobian_can_forward(Type te, Type tx) {
  return te.lane || !tx.lane;
} /* else a tangent would move all samples at once */

bool derive_jacobian_forward(Type te, Type tx) { return derive_jacobian_can_forward(te, tx) && type_count(tx) <= type_count(te); }

/* Takes the colouring if it has fewer sweeps than the way at hand. */
static void consider(Jac *j, Way way, bool found, Colouring *c) {
  if (!found) return;
  if (c->n >= j->n) {
    colour_finish(c);
    return;
  }
  colour_finish(&j->colours);
  j->colours = *c;
  j->n = c->n;
  j->way = way;
  j->forward = way != BY_ROWS;
}

static void colour_matrix(Jac *j, bool symmetric, bool forward) {
  Colouring c;
  Pattern other;
  if (forward) consider(j, BY_COLUMNS, colour_columns(&j->pattern, (uint32_t)j->n - 1, &c), &c);
  if (symmetric && forward && j->n > 1) {
    pattern_symmetric(&j->pattern, &other);
    consider(j, BY_STARS, colour_star(&other, (uint32_t)j->n - 1, &c), &c);
    pattern_finish(&other);
  } else if (j->n > 1 && !j->only) {
    pattern_transpose(&j->pattern, &other);
    consider(j, BY_ROWS, colour_columns(&other, (uint32_t)j->n - 1, &c), &c);
    pattern_finish(&other);
  }
}

static void diagonal(const Pattern *p, Pattern *out) {
  pattern_init(out, p->rows, p->cols, p->rows);
  for (uint32_t i = 0, n = 0; i < p->rows; i++) {
    if (pattern_has(p, i, i)) out->col[n++] = i;
    out->start[i + 1] = n;
  }
}

static void find_structure(Jac *j, bool symmetric) {
  bool forward = j->te.lane || !j->tx.lane;
  Colouring c;
  if (j->n <= UNROLL || !sparsity_find(j->b->f, j->e, j->x, SPARSITY_QUICK, &j->pattern)) return;
  if (j->trace) {
    Pattern d;
    diagonal(&j->pattern, &d);
    if (forward) consider(j, BY_DIAGONAL, colour_elements(&j->pattern, &d, (uint32_t)j->n - 1, &c), &c);
    pattern_finish(&d);
  } else if (pattern_count(&j->pattern) < (int64_t)j->pattern.rows * j->pattern.cols) {
    colour_matrix(j, symmetric, forward);
  }
}

/* ---- results ------------------------------------------------------------------------------------------------------- */

/* Column `col` is the only one of its colour in this row. */
static bool alone(const Jac *j, uint32_t row, uint32_t col) {
  for (uint32_t k = j->pattern.start[row]; k < j->pattern.start[row + 1]; k++)
    if (j->pattern.col[k] != col && j->colours.of[j->pattern.col[k]] == j->colours.of[col]) return false;
  return true;
}

/* Where element (row, col) is among the results of all sweeps. */
static uint32_t place(const Jac *j, uint32_t row, uint32_t col) {
  if (j->way == BY_UNITS) return j->forward ? col * j->pattern.rows + row : row * j->pattern.cols + col;
  if (j->way == BY_ROWS) return j->colours.of[row] * j->pattern.cols + col;
  if (j->way == BY_STARS && !alone(j, row, col)) return j->colours.of[row] * j->pattern.rows + col;
  return j->colours.of[col] * j->pattern.rows + row;
}

/* These elements, in the order of rows. */
static Val picked(Jac *j, Val swept, const Pattern *p) {
  uint32_t n = pattern_count(p), size = (uint32_t)type_count(ir_type(j->b->f, swept));
  uint32_t *from = base_realloc(NULL, sizeof *from * (n + 1));
  for (uint32_t i = 0; i < p->rows; i++)
    for (uint32_t k = p->start[i]; k < p->start[i + 1]; k++) from[k] = place(j, i, p->col[k]);
  Val v = ir_take(j->b, ir_reshape(j->b, swept, 1, &size), 0, from, n);
  base_free(from);
  return v;
}

static Val spread_out(Jac *j, Val swept) {
  const Pattern *p = &j->pattern;
  uint32_t n = pattern_count(p), *to = base_realloc(NULL, sizeof *to * (n + 1));
  for (uint32_t i = 0; i < p->rows; i++)
    for (uint32_t k = p->start[i]; k < p->start[i + 1]; k++) to[k] = i * p->cols + p->col[k];
  Val v = ir_put(j->b, picked(j, swept, p), 0, p->rows * p->cols, to, n);
  base_free(to);
  return v;
}

/* To dims(e) ++ dims(x). */
static Val matrix(Jac *j, Val v) {
  Build *b = j->b;
  Type t = j->te;
  memcpy(t.dim + t.rank, j->tx.dim, sizeof t.dim[0] * j->tx.rank);
  t.rank += j->tx.rank;
  t.lane = v.id && ir_type(b->f, v).lane;
  if (!v.id) return pass_zero_like(b, t);
  if (j->way != BY_UNITS) {
    v = spread_out(j, v);
  } else if (j->forward) {
    int perm[IR_MAX_RANK];
    for (int k = 0; k < j->te.rank; k++) perm[k] = k + 1;
    perm[j->te.rank] = 0;
    v = ir_transpose(b, v, perm);
  }
  return ir_reshape(b, v, t.rank, t.dim);
}

static Jac jacobian(Build *b, Val e, Val x, Diag *diag) {
  Jac j = {.b = b, .diag = diag, .e = e, .x = x, .te = ir_type(b->f, e), .tx = ir_type(b->f, x)};
  j.only = derive_jacobian_can_forward(j.te, j.tx) && region_forward_only(b->f, e, x);
  j.forward = j.only || derive_jacobian_forward(j.te, j.tx);
  j.n = type_count(j.forward ? j.tx : j.te);
  return j;
}

/* The trace or the matrix. */
static bool expand(PassRun *run, Jac *j, bool symmetric, Span at, Val *out) {
  Val v;
  int64_t plainly = j->n;
  find_structure(j, symmetric);
  note(run, j, at, plainly);
  bool ok = sweep(j, at, &v);
  if (ok) *out = j->trace ? pass_value_or_zero(j->b, v, type_scalar(j->te.lane || j->tx.lane)) : matrix(j, v);
  j->b->role = ROLE_PRIMAL;
  colour_finish(&j->colours);
  if (j->pattern.start) pattern_finish(&j->pattern);
  return ok;
}

bool derive_jacobian_matrix(PassRun *run, Build *b, Val e, Val x, Span at, Diag *diag, Val *out) {
  Jac j = jacobian(b, e, x, diag);
  return expand(run, &j, false, at, out);
}

bool derive_gradient_forward(Build *b, Val e, Val x, Span at, Diag *diag, Val *out) {
  Jac j = {.b = b, .diag = diag, .e = e, .x = x, .te = ir_type(b->f, e), .tx = ir_type(b->f, x), .forward = true, .only = true};
  j.n = type_count(j.tx);
  return expand(NULL, &j, false, at, out);
}

bool derive_jacobian_elements(Build *b, Val e, Val x, JacobianElements what, Span at, Diag *diag, Val *out, int64_t *sweeps) {
  Jac j = jacobian(b, e, x, diag);
  Colouring c;
  Pattern left, needed;
  Val v;
  j.pattern = *what.left;
  j.held = what.held;
  bool forward = j.te.lane || !j.tx.lane;
  if (forward && j.n > 1) consider(&j, BY_COLUMNS, colour_elements(what.left, what.needed, (uint32_t)j.n - 1, &c), &c);
  if (!what.held && !j.only && j.n > 1) {
    pattern_transpose(what.left, &left);
    pattern_transpose(what.needed, &needed);
    consider(&j, BY_ROWS, colour_elements(&left, &needed, (uint32_t)j.n - 1, &c), &c);
    pattern_finish(&left);
    pattern_finish(&needed);
  }
  if (!j.forward && j.way == BY_UNITS) j.held = NULL;
  *sweeps = j.n;
  bool ok = sweep(&j, at, &v);
  if (ok) *out = v.id ? picked(&j, v, what.needed) : ir_splat(b, 0, vector(pattern_count(what.needed)));
  b->role = ROLE_PRIMAL;
  colour_finish(&j.colours);
  return ok;
}

bool derive_jacobian(PassRun *run, Build *b, const Fn *f, const Inst *i, Val e, Val x, Diag *diag, Val *out) {
  Jac j = jacobian(b, e, x, diag);
  j.trace = i->op == OP_divergence;
  if (!expand(run, &j, !j.trace && ir_jac_attr(f, i).symmetric, i->at, out)) return false;
  *out = pass_with_lane(b, *out, i->type.lane);
  return true;
}

/* ---- symmetry ------------------------------------------------------------------------------------------------------- */

/* The gradient that v is, but for a factor and its dims; VAL_NONE if it is none. */
static Val gradient_in(const Fn *f, Val v) {
  double c;
  for (;;) {
    const Inst *i = ir_inst(f, v);
    if (i->op == OP_grad) return v;
    if (i->op == OP_mul && ir_is_const(f, ir_arg(f, i, 0), &c)) v = ir_arg(f, i, 1);
    else if (i->op == OP_neg || i->op == OP_reshape || i->op == OP_id || i->op == OP_spread ||
             ((i->op == OP_mul || i->op == OP_div) && ir_is_const(f, ir_arg(f, i, 1), &c)))
      v = ir_arg(f, i, 0);
    else return VAL_NONE;
  }
}

/* v depends on x otherwise than through y. */
static bool around(const Fn *f, Val v, Val x, Val y) {
  bool *from = base_zeroed(f->inst.n, sizeof *from);
  from[x.id] = true;
  for (uint32_t id = x.id + 1; id <= v.id; id++)
    for (uint32_t k = 0; id != y.id && k < f->inst.at[id].nargs; k++) from[id] = from[id] || from[ir_arg(f, &f->inst.at[id], k).id];
  bool yes = from[v.id];
  base_free(from);
  return yes;
}

static bool is_hessian(const Fn *f, const Inst *jac) {
  Val g = gradient_in(f, ir_arg(f, jac, 0)), x = ir_arg(f, jac, 1);
  if (!g.id) return false;
  Val s = ir_arg(f, ir_inst(f, g), 0), y = ir_arg(f, ir_inst(f, g), 1), z = y;
  if (!ir_type(f, s).lane && ir_type(f, x).lane) return false; /* samples would mix */
  while (z.id != x.id && (ir_inst(f, z)->op == OP_id || ir_inst(f, z)->op == OP_spread || ir_inst(f, z)->op == OP_reshape))
    z = ir_arg(f, ir_inst(f, z), 0);
  return z.id == x.id && (y.id == x.id || !around(f, s, x, y));
}

void derive_jacobian_mark(Fn *f) {
  for (uint32_t id = 1; id < f->inst.n; id++) {
    const Inst *i = &f->inst.at[id];
    if (i->op == OP_jac && !ir_jac_attr(f, i).symmetric && is_hessian(f, i)) f->attr.at[i->attr] = 1;
  }
}
