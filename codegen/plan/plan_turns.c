/* Maps whose turns are lanes. Where a function runs one sample at a time, a map over the rows of short values (bodies, pairs of them) has no
 * long value that vectors could run along; but its turns are independent, and do the same. So the body is planned once more as if turns were
 * samples: what it is mapped over is per lane, all else is shared, and every number is a vector (gen_turns.c).
 *
 *   map(x: [n][rows], y)  ->  for each `wide` turns: rows of x as lanes; the body; rows of results back, sums over lanes
 *
 * Only straight code on few numbers, which are all in registers, and where a count of cycles says that it pays. */
#include "codegen/plan/plan_priv.h"

bool plan_turned(const Group *g) { return g->kind == G_SCAN && g->own; }

PlanForm plan_turn_form(const Plan *p) {
  const unsigned vl = p->form.wide;
  return (PlanForm){.tile = vl, .vl = vl, .es = p->form.es, .wide = vl, .together = 1};
}

Fn *plan_turn_body(const Fn *f, const Inst *scan) {
  const Fn *body = ir_body(f, scan);
  const ScanShape s = ir_scan_shape(f, scan);
  bool *lane = base_zeroed(body->in.n + 1, sizeof *lane);
  for (uint32_t k = 0; k < s.xs; k++) lane[k] = true;
  Fn *own = ir_with_lanes(body, lane);
  base_free(lane);
  return own;
}

static bool may_be_lanes(const Fn *f, const Inst *i) {
  switch (i->op) {
  case OP_in:
  case OP_const:
  case OP_table:
  case OP_reshape:
  case OP_transpose:
  case OP_flip:
  case OP_expand:
  case OP_slice:
  case OP_unslice:
  case OP_concat:
  case OP_id:
  case OP_spread:
  case OP_sum: return true;
  case OP_dot: return !ir_dot_attr(f, i).lanes;
  default: return ir_elementwise(i->op);
  }
}

/* Cycles of a turn: of one, or of as many as a vector has lanes. */
double plan_turn_body_cycles(const CgTarget *target, const Fn *body) {
  const CgTuning *t = target->tune;
  double c = 0;
  for (uint32_t v = 1; v < body->inst.n; v++) {
    const Inst *i = &body->inst.at[v];
    const double n = (double)type_count(i->type);
    if (i->sub || !may_be_lanes(body, i) || n > t->stage_tiny) return -1;
    if (ir_elementwise(i->op)) c += n * ir_op[i->op].cycles;
    if (i->op == OP_sum) c += (double)type_count(ir_type(body, ir_arg(body, i, 0)));
    if (i->op != OP_dot) continue;
    Dot d;
    plan_dot(body, i, &d);
    if (n * (double)d.contraction > t->unroll) return -1;
    c += n * (double)d.contraction;
  }
  return c;
}

/* Rows of a map: numbers of one, and cycles to turn as many as a vector has lanes. */
typedef struct Rows {
  double numbers, cycles;
  bool ok;
} Rows;

static void row(Rows *r, const CgTuning *t, Type type) {
  const double n = (double)type_count(type);
  r->ok &= type.dt == DT_REAL && n <= t->turn_row;
  r->numbers += n, r->cycles += n > 1 ? n * t->turn_move : n;
}

/* Of all turns, as lanes and one after the other. False: they cannot be lanes. */
static bool costs(const CgTarget *target, unsigned wide, const Fn *f, const Inst *i, double *lanes, double *turns) {
  const CgTuning *t = target->tune;
  const ScanShape s = ir_scan_shape(f, i);
  const Fn *body = ir_body(f, i);
  if (s.carry || s.converge || !s.xs || s.n < 2) return false;
  Rows rows = {.ok = true}, sums = rows;
  for (uint32_t k = 0; k < s.xs; k++) row(&rows, t, body->in.at[k].type);
  for (uint32_t k = 0; k < s.ys + s.zs; k++) row(k < s.ys ? &rows : &sums, t, ir_type(body, body->out.at[k]));
  const double c = plan_turn_body_cycles(target, body), vectors = (s.n + wide - 1) / wide;
  *lanes = vectors * (c + rows.cycles) + t->turn_sum * sums.numbers + t->start;
  *turns = s.n * (c + s.ys + s.zs);
  return c >= 0 && rows.ok && sums.ok;
}

bool plan_by_turns(const Plan *p, const Inst *i) {
  double lanes, turns;
  const bool single = p->form.single && p->lane && p->form.vl == 1 && p->form.wide > 1;
  return i->op == OP_scan && single && costs(p->target, p->form.wide, p->f, i, &lanes, &turns) && lanes < turns;
}

double plan_map_cycles(const CgTarget *target, unsigned wide, const Fn *f, const Inst *map) {
  double lanes = 0, turns = 0;
  costs(target, wide, f, map, &lanes, &turns);
  return lanes < turns ? lanes : turns;
}

double plan_turn_cycles(const Plan *p, const Inst *scan) { return plan_map_cycles(p->target, p->form.wide, p->f, scan); }
