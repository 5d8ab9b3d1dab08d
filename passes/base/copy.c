/* The walk by which passes copy a function: forwards, with a rule for what they change (pass.h). */
#include "passes/base/pass.h"

#include <stdlib.h>

static bool *variables(const Fn *f) {
  bool *is = base_zeroed(f->inst.n, sizeof *is);
  for (uint32_t id = 1; id < f->inst.n; id++)
    if (ir_has(f->inst.at[id].op, OPF_DERIV)) is[ir_arg(f, &f->inst.at[id], 1).id] = true;
  return is;
}

void copy_begin(Copy *c, Build *b, const Fn *from, void *ctx) {
  *c = (Copy){.from = from, .b = b, .ctx = ctx};
  if (pass_has_derivatives(from)) c->variable = variables(from);
  c->map = base_zeroed(from->inst.n, sizeof *c->map);
  c->result = base_zeroed(from->inst.n, sizeof *c->result);
}

void copy_end(Copy *c) {
  for (uint32_t id = 1; id < c->from->inst.n; id++) base_free(c->result[id]);
  base_free(c->result);
  base_free(c->map);
  base_free(c->variable);
}

void copy_bind(Copy *c, const Val *args) {
  for (uint32_t id = 1; id < c->from->inst.n; id++)
    if (c->from->inst.at[id].op == OP_in) c->map[id] = args[ir_number(c->from, &c->from->inst.at[id])];
}

void copy_inputs(Copy *c) {
  const Fn *f = c->from;
  const Span at = c->b->at;
  Val *in = pass_inputs(f);
  for (uint32_t k = 0; k < f->in.n; k++) {
    c->b->at = in[k].id ? ir_inst(f, in[k])->at : (Span){0};
    in[k] = ir_input(c->b, f->in.at[k].name, f->in.at[k].kind, f->in.at[k].index, f->in.at[k].type);
  }
  c->b->at = at;
  copy_bind(c, in);
  base_free(in);
}

/* As it stands, or a result of what was taken apart. */
static Val plain(Copy *c, uint32_t id, const Inst *i) {
  const Val *results = i->op == OP_proj ? c->result[ir_arg(c->from, i, 0).id] : NULL;
  return results ? results[ir_number(c->from, i)] : ir_copy_inst(c->b, c->from, (Val){id}, c->map);
}

void copy_inst(Copy *c, uint32_t id, CopyRule *rule) {
  const Inst *i = &c->from->inst.at[id];
  Build *b = c->b;
  const Span at = b->at;
  const Role role = b->role;
  const Op of = b->of;
  b->at = i->at;
  b->role = (Role)i->role;
  b->of = (Op)i->of;
  Val v = rule ? rule(c, id, i) : VAL_NONE;
  if (!v.id && !c->result[id] && !c->failed) v = plain(c, id, i);
  c->map[id] = v;
  b->at = at;
  b->role = role;
  b->of = of;
}

void copy_walk(Copy *c, CopyRule *rule) {
  for (uint32_t id = 1; id < c->from->inst.n && !c->failed; id++)
    if (!c->map[id].id && (!c->live || c->live[id])) copy_inst(c, id, rule);
}

Val copy_body(Copy *c, const Inst *i, Fn *body) {
  const Fn *f = c->from;
  Val *args = base_zeroed(i->nargs, sizeof *args);
  for (uint32_t k = 0; k < i->nargs; k++) args[k] = c->map[ir_arg(f, i, k).id];
  Val v = ir_emit(c->b, (Op)i->op, args, i->nargs, f->attr.at + i->attr, i->nattr, body);
  base_free(args);
  return v;
}

void copy_outputs(Copy *c) {
  const Fn *f = c->from;
  for (uint32_t k = 0; k < f->out.n && !c->failed; k++) ir_output(c->b, c->map[f->out.at[k].id], f->outname.at[k]);
}

Fn *copy_fn(Fn *parent, const Fn *f, CopyRule *rule, void *ctx) {
  Fn *g = parent ? ir_sub_create(parent, f->name) : ir_fn_create(f->name, f->f64);
  Build b;
  Copy c;
  ir_build_init(&b, g);
  copy_begin(&c, &b, f, ctx);
  copy_inputs(&c);
  copy_walk(&c, rule);
  copy_outputs(&c);
  copy_end(&c);
  ir_build_finish(&b);
  if (!c.failed) return g;
  if (!parent) ir_fn_destroy(g);
  return NULL;
}

Val copy_own_body(Copy *c, const Inst *i, Fn *body) {
  const Val v = copy_body(c, i, ir_copy_fn(c->b->f, body));
  ir_fn_destroy(body);
  return v;
}

Val copy_inside(Copy *c, const Inst *i, Op op, CopyRule *rule) {
  const Fn *body = ir_body(c->from, i);
  if (!body || !pass_holds(body, 0, op)) return VAL_NONE;
  Fn *inner = copy_fn(c->b->f, body, rule, c->ctx);
  c->failed |= !inner;
  return inner ? copy_body(c, i, inner) : VAL_NONE;
}

void copy_emit(Build *b, const Fn *callee, const Val *args, const bool *live, CopyRule *rule, void *ctx, Val *map) {
  Copy c;
  copy_begin(&c, b, callee, ctx);
  c.live = live;
  copy_bind(&c, args);
  copy_walk(&c, rule);
  for (uint32_t id = 1; id < callee->inst.n; id++) map[id] = c.map[id];
  copy_end(&c);
}
