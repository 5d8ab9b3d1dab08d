/* The op table as data, types, and the life of a function. */
#include "ir/ir.h"

#include <stdlib.h>
#include <string.h>

/* Operands of the structural ops; a row of ops.def without its line here does not build. */
enum {
  ARITY_in = 0, ARITY_const = 0, ARITY_table = 0, ARITY_rand = -1, ARITY_select = 3, ARITY_require = 2, ARITY_id = 1, ARITY_barrier = -1,
  ARITY_spread = 1, ARITY_batch_sum = 1, ARITY_batch_mean = 2, ARITY_reshape = 1, ARITY_transpose = 1, ARITY_expand = 1,
  ARITY_sum = 1, ARITY_rmax = 1, ARITY_rmin = 1, ARITY_slice = 1, ARITY_unslice = 1, ARITY_concat = -1,
  ARITY_take = 1, ARITY_put = 1, ARITY_diag = 1, ARITY_diagv = 1, ARITY_tri = 1, ARITY_dot = 2,
  ARITY_trisolve = 2, ARITY_solve = 2, ARITY_scan = -1, ARITY_proj = 1, ARITY_integrate = -1, ARITY_ode = -1, ARITY_reversible = -1, ARITY_root = -1,
  ARITY_grad = 2, ARITY_jac = 2, ARITY_divergence = 2
};

/* Whether the attributes of a row end in `@`: the op has a sub-function. */
#define ENDS_AT(s) ((" " s)[sizeof(s) - 1] == '@')

enum { COMM = OPF_COMM, LEAF = OPF_LEAF, IMPURE = OPF_IMPURE, MULTI = OPF_MULTI, DERIV = OPF_DERIV };


const OpInfo ir_op[OP_count] = {
  [OP_none] = {"none", OPC_STRUCT, 0, 0, "", false},
#define EW1(name, ...) [OP_##name] = {#name, OPC_EW1, 1, 0, "", false},
#define EW2(name, fl, ...) [OP_##name] = {#name, OPC_EW2, 2, fl, "", false},
#define CMP(name, ...) [OP_##name] = {#name, OPC_CMP, 2, 0, "", false},
#define LOG(name, n, ...) [OP_##name] = {#name, OPC_LOGIC, n, 0, "", false},
#define ST(name, attrs, fl) [OP_##name] = {#name, OPC_STRUCT, ARITY_##name, fl, attrs, ENDS_AT(attrs)},
#include "ir/ops.def"
};

Op ir_op_named(const char *name, size_t len) {
  for (int k = OP_none + 1; k < OP_count; k++)
    if (strlen(ir_op[k].name) == len && memcmp(ir_op[k].name, name, len) == 0) return (Op)k;
  return OP_none;
}

/* ---- types ---- */

Type type_real(bool lane, int rank, const uint32_t *dim) {
  Type t = {.dt = DT_REAL, .lane = lane, .rank = (uint8_t)rank};
  for (int k = 0; k < rank; k++) t.dim[k] = dim[k];
  return t;
}

Type type_scalar(bool lane) { return type_real(lane, 0, NULL); }

bool type_same_dims(Type a, Type b) {
  return a.rank == b.rank && memcmp(a.dim, b.dim, a.rank * sizeof a.dim[0]) == 0;
}

bool type_eq(Type a, Type b) { return a.dt == b.dt && a.lane == b.lane && type_same_dims(a, b); }

int64_t type_count(Type t) {
  int64_t n = 1;
  for (int k = 0; k < t.rank; k++) n *= t.dim[k];
  return n;
}

static void type_write(Type t, const char *base, const char *sep, char *buf, size_t size) {
  size_t at = (size_t)snprintf(buf, size, "%s", base);
  const char *lead = "[";
  if (t.lane && at < size) at += (size_t)snprintf(buf + at, size - at, "[B"), lead = sep;
  for (int k = 0; k < t.rank && at < size; k++, lead = sep)
    at += (size_t)snprintf(buf + at, size - at, "%s%u", lead, t.dim[k]);
  if (lead == sep && at < size) snprintf(buf + at, size - at, "]");
}

const char *type_text(Type t, bool f64, char *buf, size_t size) {
  const char *base = t.dt == DT_REAL ? (f64 ? "f64" : "f32") : t.dt == DT_BOOL ? "bool" : "multi";
  type_write(t, base, ",", buf, size);
  return buf;
}

const char *type_user(Type t, char *buf, size_t size) {
  t.lane = 0;
  type_write(t, t.dt == DT_BOOL ? "bool" : "real", ", ", buf, size);
  return buf;
}

/* ---- functions ---- */

/* A function owns the sub-functions made for it, attached to an instruction or not. */
typedef struct Owner {
  Fn fn;
  VEC(Fn *) made;
} Owner;

static Fn *fn_init(Arena *mem, const char *name, uint8_t f64) {
  Fn *f = &ARENA_NEW(mem, Owner)->fn;
  f->mem = mem;
  f->name = arena_strdup(mem, name);
  f->f64 = f64;
  *vec_push(&f->inst) = (Inst){.op = OP_none};
  vec_reserve(&f->pool, 1);                              /* never NULL: `pool.at + i->args` is asked of functions without operands, too */
  vec_reserve(&f->attr, 1);
  return f;
}

bool ir_transcendental(Op op) {
  switch (op) {
  case OP_exp: case OP_expm1: case OP_log: case OP_log1p: case OP_sin: case OP_cos: case OP_tan: case OP_tanh:
  case OP_sigmoid: case OP_softplus: case OP_erf: case OP_pow: case OP_powlog:
  case OP_powlog2: case OP_atan2: return true;
  default: return false;
  }
}

Fn *ir_fn_create(const char *name, uint8_t f64) { return fn_init(arena_create(), name, f64); }

Fn *ir_sub_create(Fn *parent, const char *name) {
  Fn *f = fn_init(parent->mem, name, parent->f64);
  *vec_push(&((Owner *)parent)->made) = f;
  return f;
}

static void fn_finish(Fn *f) {
  Owner *o = (Owner *)f;
  for (uint32_t k = 0; k < o->made.n; k++) fn_finish(o->made.at[k]);
  vec_free(&o->made);
  vec_free(&f->inst);
  vec_free(&f->pool);
  vec_free(&f->attr);
  vec_free(&f->in);
  vec_free(&f->out);
  vec_free(&f->outname);
  vec_free(&f->sub);
  vec_free(&f->table);
}

void ir_fn_destroy(Fn *f) {
  if (!f) return;
  Arena *mem = f->mem;
  fn_finish(f);
  arena_destroy(mem);
}
