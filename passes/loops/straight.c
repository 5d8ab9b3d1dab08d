/* Rates of `ode {gauss16}` are written out: their short loops turn by turn, and sums of rows among zeros piece by piece.
 *
 *   scan of n turns @body                        ->  n bodies, rows of what is mapped being slices, results put side by side
 *   unslice(x, rows 0:2) + unslice(y, rows 1:5)  ->  concat(x[0], x[1] + y[0], y[1:4]): pieces between the ends of all terms
 *
 * The lanes are the stages there, so each number is a vector and wants a register; a loop would keep it in memory, and ask at
 * each row which terms have it. Done where no more than MOST operations come of it: sums over the pairs of ten bodies, say. */
#include "passes/loops/loops.h"
#include "passes/simplify/simplify.h"

#include <stdlib.h>
#include <string.h>

enum { MOST = 1500, TURNS = 64, ENDS = 64 };

/* ---- loops ---------------------------------------------------------------------------------------------------------- */

static bool short_loop(const Fn *f, const Inst *i) {
  if (i->op != OP_scan) return false;
  const ScanShape s = ir_scan_shape(f, i);
  return !s.converge && s.n && s.n <= TURNS && !pass_holds(ir_body(f, i), OPF_IMPURE, OP_none);
}

static uint64_t length(const Fn *f) {
  uint64_t n = 0;
  for (uint32_t id = 1; id < f->inst.n; id++) {
    const Inst *i = &f->inst.at[id];
    n += i->sub ? (short_loop(f, i) ? ir_scan_shape(f, i).n : 1) * length(ir_body(f, i)) : 1;
  }
  return n;
}

/* Numbers of a table are constants. */
static Val row(Build *b, Val x, uint32_t turn) {
  const Type t = ir_type(b->f, x);
  const Inst *i = ir_inst(b->f, x);
  if (i->op == OP_table && t.rank == 1) return ir_const(b, b->f->table.at[ir_table_attr(b->f, i).table].v[turn]);
  return ir_reshape(b, ir_slice(b, x, 0, turn, 1, 1), t.rank - 1, t.dim + 1);
}

static Val stacked(Build *b, const Val *at, uint32_t n) {
  Val *part = base_realloc(NULL, sizeof *part * n);
  for (uint32_t k = 0; k < n; k++) {
    const Type t = ir_type(b->f, at[k]);
    uint32_t dim[IR_MAX_RANK] = {1};
    memcpy(dim + 1, t.dim, sizeof *dim * t.rank);
    part[k] = ir_reshape(b, at[k], t.rank + 1, dim);
  }
  const Val v = ir_concat(b, part, n, 0);
  base_free(part);
  return v;
}

static Val unrolled(Copy *c, uint32_t id, const Inst *i);

/* Results: carries, what is stacked (made of `each`, turn after turn), sums. */
static void turns(Copy *c, uint32_t id, const Inst *i) {
  Build *b = c->b;
  const ScanShape s = ir_scan_shape(c->from, i);
  const Fn *body = ir_body(c->from, i);
  const uint32_t outs = s.carry + s.ys + s.zs;
  Val *in = base_zeroed(body->in.n + 1, sizeof *in), *map = base_zeroed(body->inst.n, sizeof *map);
  Val *each = base_zeroed((size_t)s.ys * s.n + 1, sizeof *each), *out = base_zeroed(outs + 1, sizeof *out);
  for (uint32_t k = 0; k < i->nargs; k++) in[k] = c->map[ir_arg(c->from, i, k).id];
  Val *xs = base_zeroed(s.xs + 1, sizeof *xs);
  memcpy(xs, in + s.carry, sizeof *xs * s.xs);
  for (uint32_t n = 0; n < s.n; n++) {
    const uint32_t turn = s.reverse ? s.n - 1 - n : n;
    for (uint32_t k = 0; k < s.xs; k++) in[s.carry + k] = row(b, xs[k], turn);
    memset(map, 0, sizeof *map * body->inst.n);
    copy_emit(b, body, in, NULL, unrolled, c->ctx, map);
    for (uint32_t k = 0; k < outs; k++) {
      const Val v = map[body->out.at[k].id];
      if (k < s.carry) out[k] = v;
      else if (k < s.carry + s.ys) each[(k - s.carry) * s.n + turn] = v;
      else out[k] = n ? ir_add(b, out[k], v) : v;
    }
    for (uint32_t k = 0; k < s.carry; k++) in[k] = out[k];
  }
  for (uint32_t k = 0; k < s.ys; k++) out[s.carry + k] = stacked(b, each + k * s.n, s.n);
  c->result[id] = out;
  base_free(in), base_free(map), base_free(each), base_free(xs);
}

static Val unrolled(Copy *c, uint32_t id, const Inst *i) {
  if (short_loop(c->from, i)) turns(c, id, i);
  return VAL_NONE;
}

/* ---- sums of rows among zeros ------------------------------------------------------------------------------------------- */

typedef struct Term {
  Val v;
  bool neg;
  uint32_t from, to; /* rows; of v from `skip` on */
  bool whole;        /* v has all rows */
} Term;
typedef struct Sum {
  const Fn *f;
  const uint32_t *uses;
  VEC(Term) term;
  uint32_t end[ENDS], ends, pieces; /* pieces: terms that are rows among zeros */
} Sum;

static void end_at(Sum *s, uint32_t at) {
  uint32_t k = 0;
  while (k < s->ends && s->end[k] < at) k++;
  if ((k < s->ends && s->end[k] == at) || s->ends == ENDS) return;
  memmove(s->end + k + 1, s->end + k, sizeof *s->end * (s->ends - k));
  s->end[k] = at, s->ends++;
}

static void terms(Sum *s, Val v, bool neg, bool top) {
  const Inst *i = ir_inst(s->f, v);
  const uint32_t n = i->type.dim[0];
  const bool inside = top || s->uses[v.id] == 1;
  if (inside && (i->op == OP_add || i->op == OP_sub || i->op == OP_neg)) {
    bool same = true;
    for (uint32_t k = 0; k < i->nargs; k++) same &= type_same_dims(ir_type(s->f, ir_arg(s->f, i, k)), i->type);
    if (same) {
      for (uint32_t k = 0; k < i->nargs; k++)
        terms(s, ir_arg(s->f, i, k), neg ^ (i->op == OP_neg || (k && i->op == OP_sub)), false);
      return;
    }
  }
  if (i->op == OP_unslice && ir_unslice_attr(s->f, i).axis == 0 && ir_unslice_attr(s->f, i).step == 1) {
    const uint32_t start = (uint32_t)ir_unslice_attr(s->f, i).start, rows = ir_type(s->f, ir_arg(s->f, i, 0)).dim[0];
    *vec_push(&s->term) = (Term){ir_arg(s->f, i, 0), neg, start, start + rows, false};
    end_at(s, start), end_at(s, start + rows), s->pieces++;
    return;
  }
  if (inside && i->op == OP_concat && ir_concat_attr(s->f, i).axis == 0) {
    for (uint32_t k = 0, at = 0; k < i->nargs; k++) {
      const Val part = ir_arg(s->f, i, k);
      const uint32_t rows = ir_type(s->f, part).dim[0];
      if (rows) *vec_push(&s->term) = (Term){part, neg, at, at + rows, false};
      at += rows;
      end_at(s, at);
    }
    s->pieces++;
    return;
  }
  *vec_push(&s->term) = (Term){v, neg, 0, n, true};
}

/* Rows from:to of the sum. */
static Val piece(Copy *c, const Sum *s, uint32_t from, uint32_t to, Type t) {
  Val sum = VAL_NONE;
  bool neg = false;
  for (uint32_t k = 0; k < s->term.n; k++) {
    const Term *x = &s->term.at[k];
    if (from < x->from || to > x->to) continue;
    const Val v = ir_slice(c->b, c->map[x->v.id], 0, from - x->from, to - from, 1);
    if (!sum.id) sum = v, neg = x->neg;
    else sum = neg == x->neg ? ir_add(c->b, sum, v) : ir_sub(c->b, sum, v);
  }
  t.dim[0] = to - from;
  if (sum.id) return neg ? ir_neg(c->b, sum) : sum;
  return pass_zero_like(c->b, t);
}

static Val by_pieces(Copy *c, uint32_t id, const Inst *i) {
  const uint32_t *uses = c->ctx;
  if ((i->op != OP_add && i->op != OP_sub && i->op != OP_neg) || !i->type.rank || i->type.dt != DT_REAL) return VAL_NONE;
  Sum s = {.f = c->from, .uses = uses};
  end_at(&s, 0), end_at(&s, i->type.dim[0]);
  terms(&s, (Val){id}, false, true);
  Val out = VAL_NONE;
  if (s.pieces >= 2 && s.ends < ENDS) {
    Val part[ENDS];
    for (uint32_t k = 0; k + 1 < s.ends; k++)
      part[k] = pass_with_lane(c->b, piece(c, &s, s.end[k], s.end[k + 1], i->type), i->type.lane);
    out = ir_concat(c->b, part, s.ends - 1, 0);
  }
  vec_free(&s.term);
  return out;
}

static Fn *in_pieces(const Fn *f) {
  uint32_t *uses = base_zeroed(f->inst.n, sizeof *uses);
  for (uint32_t id = 1; id < f->inst.n; id++)
    for (uint32_t k = 0; k < f->inst.at[id].nargs; k++) uses[ir_arg(f, &f->inst.at[id], k).id]++;
  for (uint32_t k = 0; k < f->out.n; k++) uses[f->out.at[k].id]++;
  Fn *g = copy_fn(NULL, f, by_pieces, uses);
  base_free(uses);
  return g;
}

/* ---- the pass ------------------------------------------------------------------------------------------------------------ */

static Fn *written_out(PassRun *run, const Fn *body) {
  Fn *flat = copy_fn(NULL, body, unrolled, NULL), *simple = pass_simplify(run, flat), *pieces = in_pieces(simple);
  Fn *out = pass_simplify(run, pieces);
  ir_fn_destroy(flat), ir_fn_destroy(simple), ir_fn_destroy(pieces);
  return out;
}

static Val straight(Copy *c, uint32_t id, const Inst *i) {
  const Fn *body = ir_body(c->from, i);
  (void)id;
  if (i->op != OP_ode) return copy_inside(c, i, OP_ode, straight);
  if (ir_ode_attr(c->from, i).method != M_GAUSS16 || length(body) > MOST) return VAL_NONE;
  return copy_own_body(c, i, written_out(c->ctx, body));
}

Fn *pass_straight(PassRun *run, const Fn *f) {
  const double start = pass_now();
  return pass_done(run, "straight", start, copy_fn(NULL, f, straight, run));
}
