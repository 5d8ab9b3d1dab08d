/* Copying between functions, and what is live. */
#include "ir/ir.h"

#include <stdlib.h>
#include <string.h>

static double *copy_table(Arena *mem, const Table *t) {
  size_t n = (size_t)type_count(t->type);
  double *v = ARENA_ARRAY(mem, double, n);
  memcpy(v, t->v, n * sizeof *v);
  return v;
}

#define COPY_VEC(to, from)                                                  \
  do {                                                                      \
    vec_reserve(&(to), (from).n);                                           \
    if ((from).n) memcpy((to).at, (from).at, (from).n * sizeof *(from).at); \
    (to).n = (from).n;                                                      \
  } while (0)

Fn *ir_copy_fn(Fn *parent, const Fn *f) {
  Fn *g = parent ? ir_sub_create(parent, f->name) : ir_fn_create(f->name, f->f64);
  ir_write(f->inst.n);
  COPY_VEC(g->inst, f->inst);
  COPY_VEC(g->pool, f->pool);
  COPY_VEC(g->attr, f->attr);
  COPY_VEC(g->in, f->in);
  COPY_VEC(g->out, f->out);
  COPY_VEC(g->outname, f->outname);
  COPY_VEC(g->table, f->table);
  for (uint32_t k = 0; k < g->in.n; k++) g->in.at[k].name = f->in.at[k].name ? arena_strdup(g->mem, f->in.at[k].name) : NULL;
  for (uint32_t k = 0; k < g->outname.n; k++)
    if (g->outname.at[k]) g->outname.at[k] = arena_strdup(g->mem, f->outname.at[k]);
  for (uint32_t k = 0; k < g->table.n; k++) g->table.at[k].v = copy_table(g->mem, &f->table.at[k]);
  for (uint32_t k = 0; k < f->sub.n; k++) *vec_push(&g->sub) = ir_copy_fn(g, f->sub.at[k]);
  return g;
}

static Val copy_plain(Build *b, const Fn *from, const Inst *i, const Val *map) {
  enum { FEW = 16 };
  Val few[FEW] = {{0}}, *args = i->nargs <= FEW ? few : base_realloc(NULL, i->nargs * sizeof *args);
  for (uint32_t k = 0; k < i->nargs; k++) args[k] = map[ir_arg(from, i, k).id];
  const Fn *body = ir_body(from, i);
  Val v =
      ir_emit_as(b, (Op)i->op, args, i->nargs, from->attr.at + i->attr, i->nattr, body ? ir_copy_fn(b->f, body) : NULL, i->type);
  if (args != few) base_free(args);
  return v;
}

Val ir_copy_inst(Build *b, const Fn *from, Val v, const Val *map) {
  Inst i = *ir_inst(from, v);
  Build was = *b;
  Val w;
  if (i.op == OP_in) return map[v.id];
  b->at = i.at;
  b->role = (Role)i.role;
  b->of = (Op)i.of;
  if (i.op == OP_table) {
    const Table *t = &from->table.at[ir_table_attr(from, &i).table];
    w = ir_table(b, t->type, t->v);
  } else {
    w = copy_plain(b, from, &i, map);
  }
  b->at = was.at;
  b->role = was.role;
  b->of = was.of;
  return w;
}

/* A shared value given where the callee has one per sample is spread. */
static Val bind(Build *b, const Fn *callee, uint32_t k, Val arg) {
  Type have = ir_type(b->f, arg), want = callee->in.at[k].type;
  if (!type_same_dims(have, want) || have.dt != want.dt) base_fault("@%s inlined with a wrong operand %u", callee->name, k);
  return want.lane && !have.lane ? ir_spread(b, arg) : arg;
}

void ir_inline(Build *b, const Fn *callee, const Val *args, Val *out) {
  Val *map = base_realloc(NULL, callee->inst.n * sizeof *map);
  bool *live = ir_live(callee);
  map[0] = VAL_NONE;
  for (uint32_t id = 1; id < callee->inst.n; id++) {
    const Inst *i = &callee->inst.at[id];
    map[id] = VAL_NONE;
    if (!live[id]) continue;
    if (i->op == OP_in) {
      uint32_t k = ir_number(callee, i);
      map[id] = bind(b, callee, k, args[k]);
    } else {
      map[id] = ir_copy_inst(b, callee, (Val){id}, map);
    }
  }
  for (uint32_t k = 0; k < callee->out.n; k++) out[k] = map[callee->out.at[k].id];
  base_free(live);
  base_free(map);
}

bool *ir_live(const Fn *f) {
  bool *live = base_realloc(NULL, f->inst.n * sizeof *live);
  memset(live, 0, f->inst.n * sizeof *live);
  for (uint32_t k = 0; k < f->out.n; k++) live[f->out.at[k].id] = true;
  for (uint32_t id = f->inst.n; id-- > 1;) {
    const Inst *i = &f->inst.at[id];
    if (!live[id]) continue;
    for (uint32_t k = 0; k < i->nargs; k++) live[ir_arg(f, i, k).id] = true;
  }
  return live;
}
