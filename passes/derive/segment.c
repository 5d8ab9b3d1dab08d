/* Long loops in segments, before a sweep goes backwards through them.
 *
 * A sweep backwards over a loop reads the carries of every turn. Where they would take more than MEMORY_LOOP for one sample, a
 * loop of n turns becomes one of about sqrt(n) turns, each a loop of about sqrt(n): the sweep then stores the carries of the outer
 * loop, and those of the inner one for one outer turn at a time, which it computes again (vjp_scan.c does so with whatever a turn
 * holds). So memory grows as sqrt(n), for one more computation of every turn.
 *
 *   xs   [n, ...] as [s, m, ...], by a reshape      ys   [s, m, ...] as [n, ...]      zs   sums of sums
 *
 * Turns that are left over when m does not divide n are a loop of their own behind it (before it, if it runs backwards). */
#include "passes/derive/derive_priv.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- which -------------------------------------------------------------------------------------------- */

static int64_t carries(const Fn *f, const Inst *scan) {
  const Fn *body = ir_body(f, scan);
  int64_t bytes = 0;
  for (uint32_t k = 0; k < ir_scan_shape(f, scan).carry; k++)
    bytes = pass_plus(bytes, type_count(ir_type(body, body->out.at[k])) * (f->f64 ? 8 : 4));
  return bytes;
}

/* Turns of a segment; 0: the loop stays. */
static uint32_t segment(const Fn *f, const Inst *i) {
  if (i->op != OP_scan) return 0;
  const ScanShape s = ir_scan_shape(f, i);
  if (!s.carry || s.converge || undo_scan_can(f, i) || pass_times(s.n, carries(f, i)) <= MEMORY_LOOP) return 0;
  const uint32_t root = (uint32_t)sqrt((double)s.n);
  for (uint32_t m = root; m > root - root / 4; m--)
    if (s.n % m == 0) return m;
  return root;
}

static bool any(const Fn *f, const bool *which) {
  for (uint32_t id = 1; id < f->inst.n; id++) {
    const Inst *i = &f->inst.at[id];
    if ((which && !which[id]) || i->op != OP_scan) continue;
    if (segment(f, i) || any(ir_body(f, i), NULL)) return true;
  }
  return false;
}

/* ---- a loop in two --------------------------------------------------------------------------------------- */

typedef struct Parted { /* a loop: its arguments in the function that is made, and one result for each of the body */
  Build *b;
  const Inst *i;
  ScanShape s;
  const Fn *body;
  const Val *args;
  Val *out;
} Parted;

static Type of_turns(Type one, uint32_t n) {
  Type t = one;
  memmove(t.dim + 1, one.dim, sizeof *t.dim * (IR_MAX_RANK - 1));
  t.dim[0] = n, t.rank++;
  return t;
}

/* What a segment reads of xs, or stacks: `one` of each turn; where these are too many axes, all behind the first as one. */
static Type of_segment(Type one, uint32_t m) {
  if (one.rank + 2 <= IR_MAX_RANK) return of_turns(one, m);
  Type t = type_real(one.lane, 2, (uint32_t[]){m, (uint32_t)type_count(one)});
  t.dt = one.dt;
  return t;
}

static Val group(Build *b, Val x, uint32_t s, uint32_t m, Type one) {
  const Type t = of_turns(of_segment(one, m), s);
  return ir_reshape(b, x, t.rank, t.dim);
}

static Val ungroup(Build *b, Val x, uint32_t n, Type one) {
  const Type t = of_turns(one, n);
  return ir_reshape(b, x, t.rank, t.dim);
}

static Type slice_type(const Parted *c, uint32_t k) { return pass_turn_type(ir_type(c->b->f, c->args[k])); }

/* Turns [from, from + n) of the loop; in: its carries, last: those behind them. */
static void stretch(const Parted *c, uint32_t from, uint32_t n, const Val *in, Val *out) {
  const uint32_t seq = c->s.carry + c->s.xs;
  Val *args = base_zeroed(c->i->nargs, sizeof *args);
  for (uint32_t k = 0; k < c->i->nargs; k++)
    args[k] = k < c->s.carry ? in[k] : k < seq ? ir_slice(c->b, c->args[k], 0, from, n, 1) : c->args[k];
  Val loop =
      ir_scan(c->b, args, c->i->nargs, n, c->s.carry, c->s.xs, c->s.ys, c->s.zs, c->s.reverse, 0, ir_copy_fn(c->b->f, c->body));
  for (uint32_t k = 0; k < c->body->out.n; k++) out[k] = ir_proj(c->b, loop, k);
  base_free(args);
}

/* The outer body: one segment. */
static Fn *segment_body(const Parted *c, uint32_t m) {
  const uint32_t seq = c->s.carry + c->s.xs, ninput = c->i->nargs;
  Fn *f = ir_sub_create(c->b->f, "segment");
  Build b;
  Val *args = base_zeroed(ninput, sizeof *args);
  ir_build_init(&b, f);
  b.at = c->b->at;
  for (uint32_t k = 0; k < ninput; k++) {
    const bool x = k >= c->s.carry && k < seq;
    Type t = ir_type(c->b->f, c->args[k]);
    if (x) {
      const Type one = slice_type(c, k);
      args[k] = ungroup(&b, ir_input(&b, NULL, IN_OTHER, k, of_segment(one, m)), m, one);
    } else args[k] = ir_input(&b, c->body->in.at[k].name, c->body->in.at[k].kind, k, t);
  }
  Val loop = ir_scan(&b, args, ninput, m, c->s.carry, c->s.xs, c->s.ys, c->s.zs, c->s.reverse, 0, ir_copy_fn(f, c->body));
  for (uint32_t k = 0; k < c->body->out.n; k++) {
    Val v = ir_proj(&b, loop, k);
    Type one = ir_type(c->body, c->body->out.at[k]);
    const bool y = k >= c->s.carry && k < c->s.carry + c->s.ys;
    if (y) v = ir_reshape(&b, v, of_segment(one, m).rank, of_segment(one, m).dim);
    ir_output(&b, v, NULL);
  }
  ir_build_finish(&b);
  base_free(args);
  return f;
}

/* The first s segments of m turns, from `from` on. */
static void segments(const Parted *c, uint32_t from, uint32_t s, uint32_t m, const Val *in, Val *out) {
  const uint32_t seq = c->s.carry + c->s.xs;
  Fn *body = segment_body(c, m);
  Val *args = base_zeroed(c->i->nargs, sizeof *args);
  for (uint32_t k = 0; k < c->i->nargs; k++) {
    args[k] = k < c->s.carry ? in[k] : c->args[k];
    if (k >= c->s.carry && k < seq) args[k] = group(c->b, ir_slice(c->b, c->args[k], 0, from, s * m, 1), s, m, slice_type(c, k));
  }
  Val loop = ir_scan(c->b, args, c->i->nargs, s, c->s.carry, c->s.xs, c->s.ys, c->s.zs, c->s.reverse, 0, body);
  for (uint32_t k = 0; k < c->body->out.n; k++) {
    const bool y = k >= c->s.carry && k < c->s.carry + c->s.ys;
    out[k] = ir_proj(c->b, loop, k);
    if (y) out[k] = ungroup(c->b, out[k], s * m, ir_type(c->body, c->body->out.at[k]));
  }
  base_free(args);
}

static void in_segments(const Parted *c, uint32_t m) {
  const uint32_t s = c->s.n / m, rest = c->s.n - s * m, nout = c->body->out.n;
  Val *more = base_zeroed(nout, sizeof *more);
  if (!rest) segments(c, 0, s, m, c->args, c->out);
  else if (c->s.reverse) stretch(c, s * m, rest, c->args, more), segments(c, 0, s, m, more, c->out);
  else segments(c, 0, s, m, c->args, c->out), stretch(c, s * m, rest, c->out, more);
  for (uint32_t k = 0; rest && k < nout; k++) {
    Val parts[2] = {c->out[k], more[k]};
    if (k < c->s.carry) c->out[k] = c->s.reverse ? c->out[k] : more[k];
    else c->out[k] = k < c->s.carry + c->s.ys ? ir_concat(c->b, parts, 2, 0) : ir_add(c->b, parts[0], parts[1]);
  }
  base_free(more);
}

/* ---- a function ------------------------------------------------------------------------------------------ */

/* ctx: which, or NULL: all */
static Val cut_inst(Copy *c, uint32_t id, const Inst *i) {
  const bool *which = c->ctx;
  const Fn *f = c->from;
  if (i->op != OP_scan || (which && !which[id])) return VAL_NONE;
  const uint32_t m = segment(f, i);
  Fn *body = any(ir_body(f, i), NULL) ? copy_fn(c->b->f, ir_body(f, i), cut_inst, NULL) : NULL;
  if (!m) return body ? copy_body(c, i, body) : VAL_NONE;
  Val *args = base_zeroed(i->nargs, sizeof *args);
  for (uint32_t k = 0; k < i->nargs; k++) args[k] = c->map[ir_arg(f, i, k).id];
  Parted cut = {.b = c->b, .i = i, .s = ir_scan_shape(f, i), .body = body ? body : ir_body(f, i), .args = args};
  cut.out = c->result[id] = base_zeroed(cut.body->out.n, sizeof *cut.out);
  in_segments(&cut, m);
  base_free(args);
  return VAL_NONE;
}

Fn *derive_segments(const Fn *f, const bool *which) { return any(f, which) ? copy_fn(NULL, f, cut_inst, (void *)which) : NULL; }
