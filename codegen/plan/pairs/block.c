/* The block of a sum over pairs, as a map over bodies: its body is that of the maps, once for each source. A term that a target does not have (its
 * own, those of maps that are not there) is computed and not taken. What is constant for a pair is a table over targets for each source. */
#include "codegen/plan/pairs/pairs_priv.h"

#include <string.h>

/* By pair: whether a map has it, and operand k of it. */
static bool table(const Pairs *p, uint32_t k, double *there, double *c) {
  const Fn *f = p->at->f;
  memset(there, 0, sizeof *there * p->size * p->size);
  for (uint32_t n = 0; n < p->n; n++) {
    const Member *m = &p->member[n];
    double own[PAIRS_MAPS];
    if (!m->here) continue;
    if (k != p->over && !plan_pairs_numbers(p->at, ir_arg(f, ir_inst(f, m->scan), k), m->n, own)) return false;
    for (uint32_t j = 0; j < m->n; j++) {
      const uint32_t a = m->row * p->size + m->first + j, b = (m->first + j) * p->size + m->row;
      if (there[a] != 0) return false;
      there[a] = there[b] = 1;
      if (k != p->over) c[a] = c[b] = own[j];
    }
  }
  return true;
}

/* Numbers for each source and target, and what they are in the body: constants, or mapped over. */
typedef struct Numbers {
  double *v; /* [s][t] */
  Val *in;   /* by source */
} Numbers;

typedef struct Block {
  Build *b, body;
  VEC(Val) arg;
  Numbers there, *c; /* c: by operand that is mapped over; v NULL: the bodies */
  Val *in;           /* of a turn: as the maps' body has them */
  Val all;           /* the bodies, as an input */
} Block;

static void number(const Pairs *p, Block *k, Numbers *n) {
  n->in = base_zeroed(p->size, sizeof *n->in);
  for (uint32_t s = 0; s < p->size; s++) {
    const double *v = n->v + (size_t)s * p->size;
    bool same = true;
    for (uint32_t t = 1; t < p->size; t++) same &= v[t] == v[0];
    if (same) {
      n->in[s] = ir_const(&k->body, v[0]);
      continue;
    }
    *vec_push(&k->arg) = ir_table(k->b, type_real(false, 1, &p->size), v);
    n->in[s] = ir_input(&k->body, "", IN_OTHER, k->arg.n - 1, type_scalar(false));
  }
}

/* Source s: its terms, of the targets that have one. */
static void source(const Pairs *p, Block *k, const Fn *body, uint32_t s, Val *sum) {
  Build *b = &k->body;
  double all = -1;
  ir_is_const(b->f, k->there.in[s], &all);
  if (all == 0) return;
  Val *map = base_zeroed(body->inst.n, sizeof *map);
  for (uint32_t j = 0; j < p->xs; j++)
    if (j != p->over) k->in[j] = k->c[j].in[s];
  k->in[p->given] = ir_reshape(b, ir_slice(b, k->all, 0, s, 1, 1), 1, &p->dim);
  plan_pairs_copy_body(b, body, k->in, map);
  Val v = map[body->out.at[0].id];
  if (all != 1) { v = ir_select(b, ir_lt(b, ir_const(b, 0), k->there.in[s]), v, ir_splat(b, 0, ir_type(b->f, v))); }
  *sum = sum->id ? ir_add(b, *sum, v) : v;
  base_free(map);
}

/* The map over targets; map: of f. */
static Val block(const Pairs *p, Build *b, const Val *map, const Numbers *there, Numbers *c) {
  const Fn *f = p->at->f;
  const Inst *first = ir_inst(f, p->member[0].scan);
  const Fn *body = ir_body(f, first);
  Block k = {.b = b, .there = *there, .c = c, .in = base_zeroed(body->in.n + 1, sizeof *k.in)};
  Val sum = VAL_NONE;
  ir_build_init(&k.body, ir_sub_create(b->f, "pairs"));
  *vec_push(&k.arg) = ir_slice(b, map[p->x.id], 0, 0, p->size, 1);
  k.in[p->over] = ir_input(&k.body, "", IN_OTHER, 0, body->in.at[p->over].type);
  number(p, &k, &k.there);
  for (uint32_t j = 0; j < p->xs; j++)
    if (j != p->over) number(p, &k, &c[j]);
  const uint32_t xs = k.arg.n;
  for (uint32_t j = p->xs; j < body->in.n; j++) {
    const Val v = j == p->given ? p->x : ir_arg(f, first, j);
    *vec_push(&k.arg) = map[v.id];
    const Val in = ir_input(&k.body, "", IN_OTHER, k.arg.n - 1, ir_type(f, v));
    if (j == p->given) k.all = in;
    else k.in[j] = in;
  }
  for (uint32_t s = 0; s < p->size; s++) source(p, &k, body, s, &sum);
  ir_output(&k.body, sum, "");
  ir_build_finish(&k.body);
  const Val scan = ir_scan(b, k.arg.at, k.arg.n, p->size, 0, xs, 1, 0, false, 0, k.body.f);
  for (uint32_t j = 0; j < p->xs; j++) base_free(c[j].in);
  base_free(k.there.in), base_free(k.in);
  vec_free(&k.arg);
  return ir_unslice(b, ir_proj(b, scan, 0), 0, 0, 1, p->count);
}

static bool in_block(const Pairs *p, Val v) {
  uint32_t what;
  const Val scan = plan_pairs_result_of(p->at->f, v, &what);
  const Member *m = scan.id ? plan_pairs_member(p, scan) : NULL;
  return m && m->here;
}

/* What is left of the terms of a concatenation, from k on; none: nothing. */
static Val parts(const Pairs *p, Build *b, const Val *map, uint32_t k) {
  const Val in = p->term[k].in;
  const Inst *i = ir_inst(p->at->f, in);
  Val *part = base_zeroed(i->nargs + 1, sizeof *part), v = VAL_NONE;
  bool any = false;
  for (uint32_t j = 0; j < i->nargs; j++) {
    const Val old = ir_arg(p->at->f, i, j);
    const bool gone = in_block(p, old);
    double zero = 1;
    part[j] = gone ? ir_splat(b, 0, ir_type(p->at->f, old)) : map[old.id];
    any |= !gone && !(ir_is_const(p->at->f, old, &zero) && zero == 0);
  }
  if (any) v = i->op == OP_concat ? ir_concat(b, part, i->nargs, 0) : ir_unslice(b, part[0], 0, p->term[k].at, 1, p->count);
  base_free(part);
  return v;
}

static Val summed(const Pairs *p, Build *b, const Val *map, const Numbers *there, Numbers *c) {
  Val sum = block(p, b, map, there, c);
  if (p->neg) sum = ir_neg(b, sum);
  for (uint32_t k = 0; k < p->nterm; k++) {
    const Term *t = &p->term[k];
    if (t->in.id && k && p->term[k - 1].in.id == t->in.id) continue;
    const Val v = t->in.id ? parts(p, b, map, k) : map[t->v.id];
    if (v.id) sum = t->neg ? ir_sub(b, sum, v) : ir_add(b, sum, v);
  }
  return sum;
}

/* The sum with its block; none: a pair has two maps, or what is mapped over is not constant. */
Val plan_pairs_rewritten(const Pairs *p, Build *b, const Val *map) {
  const size_t n = (size_t)p->size * p->size;
  Numbers there = {base_zeroed(n, sizeof(double)), NULL}, *c = base_zeroed(p->xs + 1, sizeof *c);
  bool ok = true;
  for (uint32_t j = 0; ok && j < p->xs; j++) c[j].v = base_zeroed(n, sizeof(double)), ok = table(p, j, there.v, c[j].v);
  const Val v = ok ? summed(p, b, map, &there, c) : VAL_NONE;
  for (uint32_t j = 0; j < p->xs; j++) base_free(c[j].v);
  base_free(there.v), base_free(c);
  return v;
}
