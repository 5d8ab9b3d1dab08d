/* Reversible steps: their bodies emitted, and written out where nothing is to be computed from the end.
 *
 * The body of a `reversible` holds no derivative operator when it is written out here (derive takes bodies
 * first), so its inputs need no names of their own. */
#include "passes/derive/derive_priv.h"

#include <stdlib.h>
#include <string.h>

/* What outputs [first, first + n) follow from, by id. */
static bool *wanted(const Fn *f, uint32_t first, uint32_t n) {
  bool *need = base_zeroed(f->inst.n, sizeof *need);
  for (uint32_t k = 0; k < n; k++) need[f->out.at[first + k].id] = true;
  for (uint32_t id = f->inst.n; id-- > 1;)
    for (uint32_t k = 0; need[id] && k < f->inst.at[id].nargs; k++) need[ir_arg(f, &f->inst.at[id], k).id] = true;
  return need;
}

void step_emit(Build *b, const Fn *callee, const Val *args, uint32_t first, uint32_t n, Val *map) {
  bool *need = wanted(callee, first, n);
  for (uint32_t id = 1; id < callee->inst.n; id++) {
    const Inst *i = &callee->inst.at[id];
    if (!need[id]) continue;
    map[id] = i->op == OP_in ? args[ir_number(callee, i)] : ir_copy_inst(b, callee, (Val){id}, map);
  }
  free(need);
}

Fn *step_forward(const Fn *body) {
  uint32_t states = body->out.n / 2;
  Fn *f = ir_fn_create(body->name, body->f64);
  Build b;
  Val *map = base_zeroed(body->inst.n, sizeof *map), *in = base_zeroed(body->in.n, sizeof *in);
  bool *need = wanted(body, 0, states);
  ir_build_init(&b, f);
  for (uint32_t k = 0; k < body->in.n; k++)
    if (k < states || k >= 2 * states) in[k] = ir_input(&b, NULL, IN_OTHER, k, body->in.at[k].type);
  for (uint32_t id = 1; id < body->inst.n; id++) {
    const Inst *i = &body->inst.at[id];
    if (!need[id]) continue;
    map[id] = i->op == OP_in ? in[ir_number(body, i)] : store_copy(&b, body, (Val){id}, map, true);
  }
  for (uint32_t k = 0; k < states; k++) ir_output(&b, map[body->out.at[k].id], NULL);
  ir_build_finish(&b);
  free(map);
  free(in);
  free(need);
  return f;
}

/* ---- writing out ---------------------------------------------------------------------------------------- */

static void write_out(Build *b, const Fn *f, const bool *which, Val *map);

/* Inputs of f in b, mapped. */
static void copy_inputs(Build *b, const Fn *f, Val *map) {
  Val *in = base_zeroed(f->in.n, sizeof *in);
  for (uint32_t id = 1; id < f->inst.n; id++)
    if (f->inst.at[id].op == OP_in) map[id] = (Val){ir_number(f, &f->inst.at[id]) + 1};
  for (uint32_t k = 0; k < f->in.n; k++)
    in[k] = ir_input(b, f->in.at[k].name, f->in.at[k].kind, f->in.at[k].index, f->in.at[k].type);
  for (uint32_t id = 1; id < f->inst.n; id++)
    if (f->inst.at[id].op == OP_in) {
      map[id] = in[map[id].id - 1];
      b->f->inst.at[map[id].id].at = f->inst.at[id].at;
    }
  free(in);
}

static void write_fn(Fn *to, const Fn *f, const bool *which) {
  Build b;
  Val *map = base_zeroed(f->inst.n, sizeof *map);
  ir_build_init(&b, to);
  copy_inputs(&b, f, map);
  write_out(&b, f, which, map);
  for (uint32_t k = 0; k < f->out.n; k++) ir_output(&b, map[f->out.at[k].id], f->outname.at[k]);
  ir_build_finish(&b);
  free(map);
}

/* Step i in place: results[k] is state k after it. Steps inside of it are written out too. */
static Val *step_results(Build *b, const Fn *f, const Inst *i, const Val *map) {
  const Fn *body = ir_body(f, i);
  uint32_t states = body->out.n / 2;
  Fn *flat = NULL;
  if (pass_holds(body, 0, OP_reversible)) {
    flat = ir_fn_create(body->name, body->f64);
    write_fn(flat, body, NULL);
    body = flat;
  }
  Val *args = base_zeroed(body->in.n, sizeof *args), *in = base_zeroed(body->inst.n, sizeof *in);
  Val *out = base_zeroed(states, sizeof *out);
  for (uint32_t k = 0; k < i->nargs; k++) args[k < states ? k : k + states] = map[ir_arg(f, i, k).id];
  step_emit(b, body, args, 0, states, in);
  for (uint32_t k = 0; k < states; k++) out[k] = in[body->out.at[k].id];
  ir_fn_destroy(flat);
  free(args);
  free(in);
  return out;
}

static Val with_body(Build *b, const Fn *f, const Inst *i, const Val *map) {
  Fn *body = ir_sub_create(b->f, ir_body(f, i)->name);
  Val *args = base_zeroed(i->nargs, sizeof *args);
  write_fn(body, ir_body(f, i), NULL);
  for (uint32_t k = 0; k < i->nargs; k++) args[k] = map[ir_arg(f, i, k).id];
  b->at = i->at, b->role = (Role)i->role, b->of = (Op)i->of;
  Val v = ir_emit(b, (Op)i->op, args, i->nargs, f->attr.at + i->attr, i->nattr, body);
  free(args);
  return v;
}

static void write_out(Build *b, const Fn *f, const bool *which, Val *map) {
  Val **result = base_zeroed(f->inst.n, sizeof *result);
  bool *live = ir_live(f);
  for (uint32_t id = 1; id < f->inst.n; id++) {
    const Inst *i = &f->inst.at[id];
    bool chosen = !which || which[id];
    if (!live[id] || i->op == OP_in) continue;
    if (i->op == OP_reversible && chosen) result[id] = step_results(b, f, i, map);
    else if (i->op == OP_proj && result[ir_arg(f, i, 0).id]) map[id] = result[ir_arg(f, i, 0).id][ir_number(f, i)];
    else if (chosen && i->sub && pass_holds(ir_body(f, i), 0, OP_reversible)) map[id] = with_body(b, f, i, map);
    else map[id] = ir_copy_inst(b, f, (Val){id}, map);
  }
  for (uint32_t id = 1; id < f->inst.n; id++) free(result[id]);
  free(result);
  free(live);
}

Fn *step_inline(const Fn *f, const bool *which) {
  Fn *g = ir_fn_create(f->name, f->f64);
  write_fn(g, f, which);
  return g;
}
