/* Emission: infer the type, fold, look for an equal value, append.
 *
 * The table of value numbers is open addressing over instruction ids; it is rebuilt from the function
 * when the function has outgrown it, so that it may also be attached to one that is half built. */
#include "ir/build/fold.h"

#include <stdlib.h>
#include <string.h>

_Static_assert(OP_count <= UINT8_MAX, "Inst.of holds an op");

void ir_build_init(Build *b, Fn *f) { *b = (Build){.f = f, .fold = true, .number = true}; }

void ir_build_finish(Build *b) {
  base_free(b->bucket);
  b->bucket = NULL;
  b->nbucket = 0;
}

/* ---- value numbers ---- */

static uint64_t mix(uint64_t h, uint64_t x) {
  h = (h ^ x) * UINT64_C(0x9e3779b97f4a7c15);
  return h ^ h >> 29;
}

/* A draw is what its site and its counter say. */
static bool numbered(Op op) {
  return op != OP_id && op != OP_barrier && op != OP_none && (op == OP_rand || !ir_has(op, OPF_IMPURE));
}

static uint64_t key_hash(const Cand *c, uint32_t sub) {
  uint64_t h = mix(c->op, sub);
  for (uint32_t k = 0; k < c->nargs; k++) h = mix(h, c->args[k].id);
  for (uint32_t k = 0; k < c->nattr; k++) h = mix(h, (uint64_t)c->attr[k]);
  for (int k = 0; k < c->type.rank; k++) h = mix(h, c->type.dim[k]);
  return h;
}

static bool key_eq(const Fn *f, const Inst *i, const Cand *c, uint32_t sub) {
  if (i->op != c->op || i->sub != sub || i->nargs != c->nargs || i->nattr != c->nattr || !type_eq(i->type, c->type)) return false;
  for (uint32_t k = 0; k < c->nargs; k++)
    if (ir_arg(f, i, k).id != c->args[k].id) return false;
  return c->nattr == 0 || memcmp(f->attr.at + i->attr, c->attr, c->nattr * sizeof *c->attr) == 0;
}

static Cand cand_of(const Fn *f, const Inst *i) {
  return (Cand){(Op)i->op, f->pool.at + i->args, i->nargs, f->attr.at + i->attr, i->nattr, i->type};
}

/* The bucket that holds an equal value, or the empty one where it belongs. */
static uint32_t *bucket_of(const Build *b, const Cand *c, uint32_t sub) {
  uint32_t at = (uint32_t)key_hash(c, sub) & (b->nbucket - 1);
  while (b->bucket[at] && !key_eq(b->f, &b->f->inst.at[b->bucket[at]], c, sub)) at = (at + 1) & (b->nbucket - 1);
  return &b->bucket[at];
}

static void table_grow(Build *b) {
  if (b->f->inst.n * 2 < b->nbucket) return;
  uint32_t n = 64;
  while (n < b->f->inst.n * 4) n *= 2;
  b->bucket = base_realloc(b->bucket, n * sizeof *b->bucket);
  memset(b->bucket, 0, n * sizeof *b->bucket);
  b->nbucket = n;
  for (uint32_t id = 1; id < b->f->inst.n; id++) {
    const Inst *i = &b->f->inst.at[id];
    if (!numbered((Op)i->op)) continue;
    Cand c = cand_of(b->f, i);
    uint32_t *slot = bucket_of(b, &c, i->sub);
    if (!*slot) *slot = id;
  }
}

/* ---- emission ---- */

static _Thread_local uint64_t written;

uint64_t ir_written(void) { return written; }
const uint64_t *ir_written_here(void) { return &written; }

/* Another thread may look at it. */
void ir_write(uint64_t n) { __atomic_store_n(&written, written + n, __ATOMIC_RELAXED); }

static uint32_t attach(Fn *f, Fn *sub) {
  if (!sub) return 0;
  for (uint32_t k = 0; k < f->sub.n; k++)
    if (f->sub.at[k] == sub) return k + 1;
  *vec_push(&f->sub) = sub;
  return f->sub.n;
}

static Val append(Build *b, const Cand *c, uint32_t sub) {
  Fn *f = b->f;
  Inst i = {.op = (uint16_t)c->op,
            .role = (uint8_t)b->role,
            .of = (uint8_t)(b->role == ROLE_PRIMAL ? OP_none : b->of),
            .args = f->pool.n,
            .nargs = c->nargs,
            .attr = f->attr.n,
            .nattr = c->nattr,
            .sub = sub,
            .type = c->type,
            .at = b->at};
  for (uint32_t k = 0; k < c->nargs; k++) *vec_push(&f->pool) = c->args[k];
  for (uint32_t k = 0; k < c->nattr; k++) *vec_push(&f->attr) = c->attr[k];
  *vec_push(&f->inst) = i;
  ir_write(1);
  return (Val){f->inst.n - 1};
}

/* Constants second, else the older value first. */
static void order_operands(const Build *b, Op op, Val *args) {
  if (!ir_has(op, OPF_COMM)) return;
  bool c0 = ir_is_const(b->f, args[0], NULL), c1 = ir_is_const(b->f, args[1], NULL);
  if (c0 != c1 ? c0 : args[0].id > args[1].id) {
    Val t = args[0];
    args[0] = args[1];
    args[1] = t;
  }
}

static Val emit(Build *b, const Cand *c, Fn *sub) {
  if (b->fold) {
    Val v = ir_fold(b, c);
    if (v.id) {
      if (!type_eq(ir_type(b->f, v), c->type)) base_fault("folding `%s` changed its type", ir_op[c->op].name);
      return v;
    }
  }
  uint32_t at = attach(b->f, sub);
  if (!b->number || !numbered(c->op)) return append(b, c, at);
  table_grow(b);
  uint32_t *slot = bucket_of(b, c, at);
  if (*slot) return (Val){*slot};
  Val v = append(b, c, at);
  *slot = v.id;
  return v;
}

Val ir_emit_as(Build *b, Op op, const Val *args, uint32_t nargs, const int64_t *attr, uint32_t nattr, Fn *sub, Type declared) {
  enum { FEW = 16 };
  Val few_args[FEW], *a = nargs <= FEW ? few_args : base_realloc(NULL, nargs * sizeof *a);
  int64_t few_attr[FEW], *t = nattr <= FEW ? few_attr : base_realloc(NULL, nattr * sizeof *t);
  char err[256];
  if (nargs) memcpy(a, args, nargs * sizeof *a); /* they may lie in vectors that are about to move */
  if (nattr) memcpy(t, attr, nattr * sizeof *t);
  Cand c = {op, a, nargs, t, nattr, declared};
  if (!ir_infer(b->f, op, a, nargs, t, nattr, sub, &c.type, err, sizeof err)) base_fault("in @%s: %s", b->f->name, err);
  if (b->fold || b->number) order_operands(b, op, a);
  Val v = emit(b, &c, sub);
  if (a != few_args) base_free(a);
  if (t != few_attr) base_free(t);
  return v;
}

Val ir_emit(Build *b, Op op, const Val *args, uint32_t nargs, const int64_t *attr, uint32_t nattr, Fn *sub) {
  return ir_emit_as(b, op, args, nargs, attr, nattr, sub, type_scalar(op == OP_rand));
}

/* ---- leaves ---- */

Val ir_input(Build *b, const char *name, InKind kind, uint32_t index, Type type) {
  int64_t at = b->f->in.n;
  *vec_push(&b->f->in) = (Input){arena_strdup(b->f->mem, name ? name : ""), kind, index, type};
  return ir_emit(b, OP_in, NULL, 0, &at, 1, NULL);
}

void ir_output(Build *b, Val v, const char *name) {
  if (v.id == 0 || v.id >= b->f->inst.n) base_fault("in @%s: output of no value", b->f->name);
  *vec_push(&b->f->out) = v;
  *vec_push(&b->f->outname) = name ? arena_strdup(b->f->mem, name) : NULL;
}

static Val emit_const(Build *b, double v, int64_t num, int64_t den, Type like) {
  int64_t attr[3] = {0, num, den};
  memcpy(&attr[0], &v, sizeof v);
  return ir_emit_as(b, OP_const, NULL, 0, attr, 3, NULL, type_real(false, like.rank, like.dim));
}

Val ir_const_exact(Build *b, double v, int64_t num, int64_t den) {
  return emit_const(b, v, den > 0 ? num : 0, den > 0 ? den : 0, type_scalar(false));
}

Val ir_const(Build *b, double v) { return ir_splat(b, v, type_scalar(false)); }

Val ir_splat(Build *b, double v, Type like) {
  Num n = num_of(v);
  return emit_const(b, n.v, n.num, n.den, like);
}

Val fold_splat(Build *b, Num n, Type want) { return fold_coerce(b, emit_const(b, n.v, n.num, n.den, want), want); }

Val ir_table(Build *b, Type type, const double *v) {
  Fn *f = b->f;
  size_t n = (size_t)type_count(type);
  int64_t at = 0;
  while (b->number && at < f->table.n && !(type_eq(f->table.at[at].type, type) && memcmp(f->table.at[at].v, v, n * sizeof *v) == 0))
    at++;
  if (!b->number || at == f->table.n) {
    double *own = ARENA_ARRAY(f->mem, double, n);
    memcpy(own, v, n * sizeof *v);
    at = f->table.n;
    *vec_push(&f->table) = (Table){type, own};
  }
  return ir_emit(b, OP_table, NULL, 0, &at, 1, NULL);
}

bool fold_is_splat(const Fn *f, Val v, Num *n) {
  const Inst *i = ir_inst(f, v);
  if (i->op == OP_spread) i = ir_inst(f, ir_arg(f, i, 0));
  if (i->op != OP_const) return false;
  if (!n) return true;
  const int64_t *a = f->attr.at + i->attr;
  memcpy(&n->v, &a[0], sizeof n->v);
  n->num = a[1];
  n->den = a[2];
  return true;
}

bool ir_is_const(const Fn *f, Val v, double *value) {
  Num n;
  if (!fold_is_splat(f, v, &n)) return false;
  if (value) *value = n.v;
  return true;
}
