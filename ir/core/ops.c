/* The op table as data, types, and the life of a function. */
#include "ir/ir.h"

#include <stdlib.h>
#include <string.h>

enum {
  COMM = OPF_COMM,
  LEAF = OPF_LEAF,
  IMPURE = OPF_IMPURE,
  MULTI = OPF_MULTI,
  DERIV = OPF_DERIV,
  EACH = OPF_EACH,
  SIMPLE = OPF_SIMPLE,
  SLOW = OPF_SLOW,
  VIEW = OPF_VIEW,
  PLACES = OPF_PLACES,
  LINEAR = OPF_LINEAR
};

#define END NULL, false
#define LIST(name) #name, false
#define BODY NULL, true
const OpInfo ir_op[OP_count] = {
  [OP_none] = {"none", OPC_STRUCT, 0, 0, 0, 0, NULL, END},
#define EW1(name, cycles, traits, ...) [OP_##name] = {#name, OPC_EW1, 1, cycles, traits, 0, NULL, END},
#define EW2(name, cycles, traits, ...) [OP_##name] = {#name, OPC_EW2, 2, cycles, traits, 0, NULL, END},
#define CMP(name, ...) [OP_##name] = {#name, OPC_CMP, 2, 1, SIMPLE, 0, NULL, END},
#define LOG(name, n, ...) [OP_##name] = {#name, OPC_LOGIC, n, 1, SIMPLE, 0, NULL, END},
#define ST0(name, n, rest, traits) [OP_##name] = {#name, OPC_STRUCT, n, 1, traits, 0, NULL, rest},
#define ST(name, n, attributes, rest, traits) \
  [OP_##name] = {#name, OPC_STRUCT, n, 1, traits, sizeof(name##_attr) / sizeof(int64_t), #attributes, rest},
#include "ir/ops.def"
};

Op ir_op_named(const char *name, size_t len) {
  for (int k = OP_none + 1; k < OP_count; k++)
    if (strlen(ir_op[k].name) == len && memcmp(ir_op[k].name, name, len) == 0) return (Op)k;
  return OP_none;
}

const char *ir_attr_name(Op op, uint32_t k, size_t *len, bool *list) {
  const OpInfo *o = &ir_op[op];
  const char *s = k < o->nattr ? o->attributes + 1 : o->list;
  *list = k >= o->nattr;
  if (!s) return NULL;
  for (uint32_t n = *list ? 0 : k; n > 0; n--) s = strchr(s, ' ') + 1;
  *len = strcspn(s, ",)");
  return s;
}

IrList ir_list(const Fn *f, const Inst *i) {
  uint32_t named = ir_op[i->op].nattr;
  return (IrList){&f->attr.at[i->attr + named], i->nattr - named};
}

ScanShape ir_scan_shape(const Fn *f, const Inst *i) {
  scan_attr a = ir_scan_attr(f, i);
  return (ScanShape){.n = (uint32_t)a.n,
                     .carry = (uint32_t)a.carry,
                     .xs = (uint32_t)a.xs,
                     .ys = (uint32_t)a.ys,
                     .zs = (uint32_t)a.zs,
                     .inv = i->nargs - (uint32_t)(a.carry + a.xs),
                     .converge = (uint32_t)a.converge,
                     .reverse = a.reverse != 0};
}

DotShape ir_dot_shape(const Fn *f, const Inst *i) {
  dot_attr a = ir_dot_attr(f, i);
  IrList all = ir_list(f, i);
  DotShape d = {.lanes = a.lanes != 0, .rank = {(int)a.na, (int)a.nb, (int)(all.n - a.na - a.nb)}};
  for (uint32_t side = 0, at = 0; side < 3; side++)
    for (int k = 0; k < d.rank[side]; k++) d.label[side][k] = (int)all.at[at++];
  return d;
}

bool ir_dot_has(const DotShape *d, int side, int label) {
  for (int k = 0; k < d->rank[side]; k++)
    if (d->label[side][k] == label) return true;
  return false;
}

uint32_t ir_states(const Fn *f, const Inst *i) {
  switch (i->op) {
  case OP_scan: return ir_scan_shape(f, i).carry;
  case OP_integrate: return (uint32_t)ir_integrate_attr(f, i).states;
  case OP_ode: return (uint32_t)ir_ode_attr(f, i).states;
  case OP_reversible: return (uint32_t)ir_reversible_attr(f, i).states;
  default: return 0;
  }
}

bool ir_fn_plain(const Fn *f) {
  for (uint32_t id = 1; id < f->inst.n; id++) {
    const Inst *i = &f->inst.at[id];
    if (ir_has(i->op, OPF_DERIV) || i->op == OP_integrate || i->op == OP_ode) return false;
    if (i->sub && !ir_fn_plain(ir_body(f, i))) return false;
  }
  return true;
}

bool ir_fn_sums_batch(const Fn *f) {
  for (uint32_t id = 1; id < f->inst.n; id++) {
    const Inst *i = &f->inst.at[id];
    if (ir_sums_batch(f, i) || (i->sub && ir_fn_sums_batch(ir_body(f, i)))) return true;
  }
  return false;
}

bool ir_same_attrs(const Fn *f, const Inst *i, const Fn *g, const Inst *j) {
  IrList a = ir_attrs(f, i), b = ir_attrs(g, j);
  return a.n == b.n && (!a.n || memcmp(a.at, b.at, a.n * sizeof *a.at) == 0);
}

/* ---- types ---- */

Type type_real(bool lane, int rank, const uint32_t *dim) {
  Type t = {.dt = DT_REAL, .lane = lane, .rank = (uint8_t)rank};
  for (int k = 0; k < rank; k++) t.dim[k] = dim[k];
  return t;
}

Type type_scalar(bool lane) { return type_real(lane, 0, NULL); }

bool type_same_dims(Type a, Type b) { return a.rank == b.rank && memcmp(a.dim, b.dim, a.rank * sizeof a.dim[0]) == 0; }

bool type_eq(Type a, Type b) { return a.dt == b.dt && a.lane == b.lane && type_same_dims(a, b); }

int64_t type_count(Type t) {
  int64_t n = 1;
  for (int k = 0; k < t.rank; k++) n *= t.dim[k];
  return n;
}

TypeAxis type_axis(Type t, int64_t axis) {
  TypeAxis a = {1, t.dim[axis], 1};
  for (int k = 0; k < axis; k++) a.outer *= t.dim[k];
  for (int k = (int)axis + 1; k < t.rank; k++) a.inner *= t.dim[k];
  return a;
}

static void type_write(Type t, const char *base, const char *sep, char *buf, size_t size) {
  size_t at = (size_t)snprintf(buf, size, "%s", base);
  const char *lead = "[";
  if (t.lane && at < size) at += (size_t)snprintf(buf + at, size - at, "[B"), lead = sep;
  for (int k = 0; k < t.rank && at < size; k++, lead = sep) at += (size_t)snprintf(buf + at, size - at, "%s%u", lead, t.dim[k]);
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
  vec_reserve(&f->pool, 1); /* never NULL: `pool.at + i->args` is asked of functions without operands, too */
  vec_reserve(&f->attr, 1);
  return f;
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
