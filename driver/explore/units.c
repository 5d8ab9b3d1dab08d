/* Operators by themselves, as functions of their operands. */
#include "driver/explore/local.h"

#include <stdlib.h>
#include <string.h>

/* Operands that no rule has a derivative by: indices, means that count as constants, what a solution was found by. */
static bool holds(const Inst *i, uint32_t k) {
  switch (i->op) {
  case OP_gather:
  case OP_scatter:
  case OP_setrow: return k == 1;
  case OP_cauchy: return k == 2;
  case OP_root: return k == 0;
  case OP_barrier: return k > 0;
  case OP_batch_mean: return true;
  default: return false;
  }
}

static bool polynomial(unsigned op) {
  static const Op also[] = {OP_mul,   OP_dot,    OP_select,  OP_spread, OP_batch_sum, OP_barrier, OP_stop,
                            OP_fixed, OP_gather, OP_scatter, OP_setrow, OP_cauchy,    OP_id};
  if (ir_has(op, OPF_LINEAR)) return true;
  for (size_t k = 0; k < sizeof also / sizeof *also; k++)
    if (also[k] == op) return true;
  return false;
}

static bool factors(unsigned op) { return op == OP_lu || op == OP_eigh; }

/* ---- making one -------------------------------------------------------------------------------------------- */

static Fn *begin(const Fn *f, const char *name, Build *b) {
  Fn *g = ir_fn_create(name, f->f64);
  ir_build_init(b, g);
  b->number = b->fold = false;
  return g;
}

Fn *unit_like(const Fn *f, const char *name, Build *b, Val *map) {
  Fn *g = begin(f, name, b);
  Val *in = base_zeroed(f->in.n, sizeof *in);
  for (uint32_t k = 0; k < f->in.n; k++)
    in[k] = ir_input(b, f->in.at[k].name, f->in.at[k].kind, f->in.at[k].index, f->in.at[k].type);
  for (uint32_t id = 1; id < f->inst.n; id++)
    if (f->inst.at[id].op == OP_in) map[id] = in[ir_number(f, &f->inst.at[id])];
  base_free(in);
  return g;
}

static void add_input(Unit *u, Build *b, const Fn *f, uint32_t id, bool held, Val *map) {
  for (uint32_t k = 0; k < u->nin; k++)
    if (u->in[k] == id) {
      u->held[k] &= held;
      return;
    }
  u->in = base_realloc(u->in, (u->nin + 1) * sizeof *u->in);
  u->held = base_realloc(u->held, (u->nin + 1) * sizeof *u->held);
  u->in[u->nin] = id, u->held[u->nin] = held;
  map[id] = ir_input(b, NULL, IN_OTHER, u->nin++, ir_type(f, (Val){id}));
}

static void add_operands(Unit *u, Build *b, const Fn *f, uint32_t id, uint32_t but, Val *map) {
  const Inst *i = &f->inst.at[id];
  for (uint32_t k = 0; k < i->nargs; k++)
    if (ir_arg(f, i, k).id != but) add_input(u, b, f, ir_arg(f, i, k).id, holds(i, k), map);
}

static void add_output(Unit *u, Build *b, uint32_t id, Val v) {
  u->out = base_realloc(u->out, (u->nout + 1) * sizeof *u->out);
  u->out[u->nout++] = id;
  ir_output(b, v, NULL);
}

/* A solution of its equation from where it is, by Newton's method, or by k + r where that contracts. */
static Val solved(Build *b, const Fn *f, const Inst *i, const Val *map) {
  enum { NEWTON = 6, TURNS = 60 };
  const Fn *body = ir_body(f, i);
  Val *arg = base_zeroed(i->nargs, sizeof *arg), out[2];
  for (uint32_t k = 0; k < i->nargs; k++) arg[k] = map[ir_arg(f, i, k).id];
  for (int t = 0; t < (body->out.n == 2 ? NEWTON : TURNS); t++) {
    ir_inline(b, body, arg, out);
    arg[0] = body->out.n == 2 ? ir_sub(b, arg[0], ir_solve(b, out[1], out[0], false)) : ir_add(b, arg[0], out[0]);
  }
  const Val k = arg[0];
  base_free(arg);
  return k;
}

static double rtol_of(const Fn *f) {
  double most = 0;
  for (uint32_t id = 1; id < f->inst.n; id++) {
    const Inst *i = &f->inst.at[id];
    double one = 0;
    if (i->op == OP_ode) memcpy(&one, &(int64_t){ir_ode_attr(f, i).rtol}, sizeof one);
    else if (i->sub) one = rtol_of(ir_body(f, i));
    if (one > most) most = one;
  }
  return most;
}

static void make(Local *l, Unit *u, uint32_t id) {
  const Fn *f = l->f;
  const Inst *i = &f->inst.at[id];
  const bool several = ir_has(i->op, OPF_MULTI) || factors(i->op);
  Val *map = base_zeroed(f->inst.n, sizeof *map);
  Build b;
  u->fn = begin(f, "unit", &b);
  add_operands(u, &b, f, id, 0, map);
  for (uint32_t k = l->first[id]; several && k < l->first[id + 1]; k++) add_operands(u, &b, f, l->user[k], id, map);
  map[id] = i->op == OP_root ? solved(&b, f, i, map) : ir_copy_inst(&b, f, (Val){id}, map);
  if (!several) add_output(u, &b, id, map[id]);
  for (uint32_t k = l->first[id]; several && k < l->first[id + 1]; k++)
    if (l->cot[l->user[k]]) add_output(u, &b, l->user[k], ir_copy_inst(&b, f, (Val){l->user[k]}, map));
  ir_build_finish(&b);
  base_free(map);
  u->polynomial = polynomial(i->op);
  u->each = ir_elementwise(i->op);
  u->rtol = rtol_of(u->fn);
  u->cost = explore_cost(u->fn) * l->samples + (ir_holds(u->fn, 0, OP_ode) ? ODE_WORK / 8 : 0) + 500;
  for (uint32_t k = 0; k < u->nin; k++) u->cost += (double)local_elements(l, ir_type(f, (Val){u->in[k]}));
  for (uint32_t k = 0; k < u->nout; k++) u->cost += 4 * (double)local_elements(l, ir_type(f, (Val){u->out[k]}));
}

Unit *unit_of(Local *l, uint32_t id) {
  Unit *u = &l->unit[id];
  if (!u->fn) make(l, u, id);
  return u;
}

void unit_finish(Unit *u) {
  ir_fn_destroy(u->fn);
  base_free(u->in);
  base_free(u->held);
  base_free(u->out);
}

/* ---- running it --------------------------------------------------------------------------------------------- */

bool unit_run(const Local *l, const Unit *u, double t, Tensor *out) {
  char err[256];
  Tensor *in = base_zeroed(u->nin, sizeof *in);
  for (uint32_t k = 0; k < u->nin; k++) {
    const double *d = u->held[k] ? NULL : l->dir[u->in[k]];
    in[k] = l->value[u->in[k]];
    if (!d) continue;
    const int64_t n = local_elements(l, in[k].type);
    double *v = base_zeroed((size_t)n + 1, sizeof *v);
    for (int64_t e = 0; e < n; e++) v[e] = in[k].v[e] + t * d[e];
    in[k].v = v;
  }
  const bool ok = ir_eval(u->fn, l->samples, in, out, &l->env, err, sizeof err);
  for (uint32_t k = 0; k < u->nin; k++)
    if (!u->held[k] && l->dir[u->in[k]]) base_free(in[k].v);
  base_free(in);
  return ok;
}
