/* Carries of loops in other units.
 *
 *   v' = v + x c', and else v and v' are only read as v k, with a constant k
 *     ->  the loop carries V = k v:  V' = V + x (c' k)
 *
 * The momentum of q' = q + h p' is such: in units of 1/h the drift is one addition, on units of the machine that
 * do nothing else there, instead of a multiply-add. Before the loop V = k v, after it v = V/k: both round. Not in exact
 * functions, nor where x has no constant that takes up k, nor in loops of few turns.
 *
 * In each turn V is k v as it was written; what is new is that v is lost where k v has left the range: with the factors
 * that are taken, values below 1e-32 in f32, 1e-298 in f64. */
#include "passes/check/check.h"
#include "passes/simplify/simplify.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { FEWEST_TURNS = 16 };

#ifndef HNNC_WITHOUT_RESCALE
#define HNNC_WITHOUT_RESCALE 0 /* 1: bench/narrow asks what it brings */
#endif

/* One carry of a loop: the values of the body, the factor, and the product in x whose constant takes it up. */
typedef struct Unit {
  Val in, next, x, home;
  double k; /* 0: as it is */
} Unit;

/* ---- which carries ----------------------------------------------------------------------------------------- */

static bool is_either(const Unit *u, Val v) { return v.id == u->in.id || v.id == u->next.id; }

/* i is v k or k v; the other factor. */
static bool times_constant(const Fn *f, const Inst *i, Val *other, double *k) {
  if (i->op != OP_mul) return false;
  for (uint32_t a = 0; a < 2; a++) {
    *other = ir_arg(f, i, a);
    if (ir_is_const(f, ir_arg(f, i, 1 - a), k)) return true;
  }
  return false;
}

static bool good_factor(const Fn *f, double k) {
  double most = f->f64 == FN_F32 ? 0x1p20 : 0x1p30;
  return fabs(k) > 1 / most && fabs(k) < most;
}

/* The product u c of a constant that x is, or has as a factor, if that is a product in no written order. */
static Val constant_home(const Fn *f, Val x) {
  Val u;
  double c;
  const Inst *i = ir_inst(f, x);
  if (times_constant(f, i, &u, &c)) return x;
  for (uint32_t a = 0; i->role != ROLE_PRIMAL && i->op == OP_mul && a < 2; a++)
    if (times_constant(f, ir_inst(f, ir_arg(f, i, a)), &u, &c)) return ir_arg(f, i, a);
  return VAL_NONE;
}

/* next is in + x, or in - x. */
static bool moves(const Fn *f, Unit *u) {
  const Inst *i = ir_inst(f, u->next);
  if (i->op != OP_add && i->op != OP_sub) return false;
  uint32_t a = ir_arg(f, i, 0).id == u->in.id ? 0 : 1;
  if (ir_arg(f, i, a).id != u->in.id || (a && i->op == OP_sub)) return false;
  u->x = ir_arg(f, i, 1 - a);
  u->home = constant_home(f, u->x);
  return u->x.id != u->in.id && u->home.id && type_eq(i->type, ir_type(f, u->in));
}

/* Every other reader multiplies by one constant. */
static bool one_factor(const Fn *f, const bool *live, uint32_t c, Unit *u) {
  for (uint32_t id = 1; id < f->inst.n; id++) {
    const Inst *i = &f->inst.at[id];
    Val of = VAL_NONE;
    double k = 0;
    bool reads = false;
    for (uint32_t a = 0; live[id] && a < i->nargs; a++) reads = reads || is_either(u, ir_arg(f, i, a));
    if (!reads || id == u->next.id) continue;
    if (!times_constant(f, i, &of, &k) || !is_either(u, of) || !good_factor(f, k) || !type_eq(i->type, ir_type(f, of)))
      return false;
    if (u->k != 0 && u->k != k) return false;
    u->k = k;
  }
  for (uint32_t o = 0; o < f->out.n; o++)
    if (o != c && is_either(u, f->out.at[o])) return false;
  return u->k != 0;
}

/* The constant that takes up k stays a normal number. */
static bool takes_up(const Fn *f, const Unit *u) {
  Val of;
  double c;
  return times_constant(f, ir_inst(f, u->home), &of, &c) && ir_normal(f, c * u->k);
}

/* The constant that takes up k is not itself the one that another carry's unit does away with. */
static bool apart(const Fn *f, const Unit *u, const Unit *w) {
  Val a, b;
  double k;
  return times_constant(f, ir_inst(f, u->home), &a, &k) && times_constant(f, ir_inst(f, w->home), &b, &k) && !is_either(w, a) &&
         !is_either(u, b);
}

static bool find_units(const Fn *f, const Inst *scan, Unit *unit) {
  ScanShape s = ir_scan_shape(f, scan);
  const Fn *body = ir_body(f, scan);
  bool *live = ir_live(body), any = false;
  for (uint32_t c = 0; c < s.carry && s.n >= FEWEST_TURNS && !s.converge; c++) {
    Unit u = {.in = pass_input(body, c), .next = body->out.at[c]};
    bool good = u.in.id && moves(body, &u) && one_factor(body, live, c, &u) && takes_up(body, &u);
    for (uint32_t d = 0; good && d < c; d++) good = unit[d].k == 0 || apart(body, &u, &unit[d]);
    if (good) unit[c] = u, any = true;
  }
  base_free(live);
  return any;
}

static bool anywhere(const Fn *f) {
  bool any = false;
  for (uint32_t id = 1; id < f->inst.n && !any; id++) {
    const Inst *i = &f->inst.at[id];
    if (i->op != OP_scan) continue;
    Unit *unit = base_zeroed(ir_body(f, i)->out.n, sizeof *unit);
    any = find_units(f, i, unit) || anywhere(ir_body(f, i));
    base_free(unit);
  }
  return any;
}

/* ---- the copy ------------------------------------------------------------------------------------------------- */

typedef struct Units {
  const Unit *unit; /* of the first inputs and outputs */
  uint32_t n;
  double **by; /* by id of a loop: what its results are to be divided by, 0: nothing */
} Units;

static Fn *in_units(Fn *parent, const Fn *f, const Unit *unit, uint32_t n);

/* The value of i in the new units, if it is one that they change. */
static Val changed(Build *b, const Fn *f, uint32_t id, const Unit *u, const Val *map) {
  const Inst *i = &f->inst.at[id];
  Val of;
  double k;
  if (u->k == 0) return VAL_NONE;
  if (id == u->next.id) {
    Role role = b->role;
    b->role = (Role)ir_inst(f, u->x)->role;
    Val x = ir_mul(b, map[u->x.id], ir_const(b, u->k));
    b->role = role;
    return i->op == OP_sub ? ir_sub(b, map[u->in.id], x) : ir_add(b, map[u->in.id], x);
  }
  return times_constant(f, i, &of, &k) && is_either(u, of) ? map[of.id] : VAL_NONE;
}

/* Scan i; by[k] is set to what result k is to be divided by, or 0. */
static Val copy_scan(Copy *c, const Inst *i, double *by) {
  const Fn *f = c->from, *body = ir_body(f, i);
  Build *b = c->b;
  uint32_t n = ir_states(f, i);
  Unit *unit = base_zeroed(body->out.n, sizeof *unit);
  Val *arg = base_zeroed(i->nargs, sizeof *arg);
  find_units(f, i, unit);
  for (uint32_t k = 0; k < i->nargs; k++) arg[k] = c->map[ir_arg(f, i, k).id];
  for (uint32_t k = 0; k < n; k++)
    if ((by[k] = unit[k].k) != 0) arg[k] = ir_mul(b, arg[k], ir_const(b, by[k]));
  Val v = ir_emit(b, OP_scan, arg, i->nargs, f->attr.at + i->attr, i->nattr, in_units(b->f, body, unit, n));
  base_free(unit);
  base_free(arg);
  return v;
}

static Val rescale_inst(Copy *c, uint32_t id, const Inst *i) {
  Units *u = c->ctx;
  const Fn *f = c->from;
  for (uint32_t k = 0; k < u->n; k++) {
    Val v = changed(c->b, f, id, &u->unit[k], c->map);
    if (v.id) return v;
  }
  if (i->op == OP_scan) return copy_scan(c, i, u->by[id] = base_zeroed(ir_body(f, i)->out.n, sizeof **u->by));
  const double *by = i->op == OP_proj ? u->by[ir_arg(f, i, 0).id] : NULL;
  if (!by || by[ir_number(f, i)] == 0) return VAL_NONE;
  return ir_div(c->b, ir_copy_inst(c->b, f, (Val){id}, c->map), ir_const(c->b, by[ir_number(f, i)]));
}

/* f, of whose first inputs and outputs `unit` says the units. */
static Fn *in_units(Fn *parent, const Fn *f, const Unit *unit, uint32_t n) {
  Units u = {unit, n, base_zeroed(f->inst.n, sizeof *u.by)};
  Fn *g = copy_fn(parent, f, rescale_inst, &u);
  for (uint32_t id = 1; id < f->inst.n; id++) base_free(u.by[id]);
  base_free(u.by);
  return g;
}

Fn *pass_rescale(PassRun *run, const Fn *f) {
  double start = pass_now();
  bool any = !HNNC_WITHOUT_RESCALE && f->f64 != FN_EXACT && anywhere(f);
  Fn *out = any ? in_units(NULL, f, NULL, 0) : ir_copy_fn(NULL, f);
  out = pass_done(run, "rescale", start, out);
  if (!any) return out;
  check_same(run, "rescale", f, out);
  Fn *simple = pass_simplify(run, out);
  ir_fn_destroy(out);
  return simple;
}
