/* Regions of differentiation: reading primal values, partial derivatives of elementwise ops,
 * activity, and scans that store their carries. */
#include "passes/derive/derive_priv.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void region_init(Region *r, const Fn *src, Build *b, Diag *diag) {
  memset(r, 0, sizeof *r);
  r->src = src;
  r->n = src->inst.n;
  r->b = b;
  r->diag = diag;
  r->asked = b->at;
  undo_open(r);
  if (b->f != src) { r->prim = base_zeroed(r->n, sizeof *r->prim); }
}

void region_finish(Region *r) {
  undo_close(r);
  base_free(r->prim);
  vec_free(&r->captured);
}

Val region_value(Region *r, Val v) {
  if (!r->prim) return undo_on(r) ? undo_value(r, v) : v;
  if (r->prim[v.id].id) return r->prim[v.id];
  const Inst *i = ir_inst(r->src, v);
  Val w;
  if (ir_literal(i->op)) {
    w = ir_copy_inst(r->b, r->src, v, r->prim);
  } else {
    w = ir_input(r->b, NULL, IN_OTHER, 0, i->type);
    *vec_push(&r->captured) = v;
  }
  return r->prim[v.id] = w;
}

void region_stamp(Region *r, const Inst *i, Role role) {
  r->b->role = role;
  r->b->of = i->op == OP_powlog || i->op == OP_powlog2 ? OP_pow : (Op)i->op; /* as the source has it */
  r->b->at = pass_trace_derived(i->at);
}

void region_error(Region *r, DiagCode code, Span at, const char *help, const char *message) {
  r->failed = true;
  if (!r->diag) return;
  DiagMsg *m = diag_add(r->diag, code, at, "%s", message);
  if (help) diag_help(m, "%s", help);
}

/* ---- partial derivatives ------------------------------------------------------------------------ */

typedef struct Operands {
  Region *r;
  Val v;
  const Inst *i;
} Operands;

static Val operand(void *ctx, char letter) {
  const Operands *o = ctx;
  return region_value(o->r, letter == 'z' ? o->v : ir_arg(o->r->src, o->i, letter == 'y'));
}

Val region_partial(Region *r, Val v, const Inst *i, uint32_t k) {
  return pass_partial(r->b, (Op)i->op, k, operand, &(Operands){r, v, i});
}

/* ---- activity ------------------------------------------------------------------------------------ */

void region_active_init(Active *a, const Fn *f, uint32_t n) {
  (void)f;
  a->n = n, a->from = 1;
  a->on = base_zeroed(n, sizeof *a->on);
  a->result = base_zeroed(n, sizeof *a->result);
}

void region_active_finish(Active *a) {
  for (uint32_t k = a->from; k < a->n; k++) base_free(a->result[k]);
  base_free(a->result);
  base_free(a->on);
}

static bool any_arg(const Active *a, const Fn *f, const Inst *i, uint32_t from) {
  for (uint32_t k = from; k < i->nargs; k++)
    if (a->on[ir_arg(f, i, k).id]) return true;
  return false;
}

/* Results of a scan that depend on its active arguments: to a fixed point over the carries. */
static void scan_activity(const Active *a, const Fn *f, const Inst *i, bool *result) {
  ScanShape s = ir_scan_shape(f, i);
  const Fn *body = ir_body(f, i);
  bool *in = base_zeroed(i->nargs + 1, sizeof *in);
  for (uint32_t k = 0; k < i->nargs; k++) in[k] = a->on[ir_arg(f, i, k).id];
  for (bool changed = true; changed;) {
    changed = false;
    Active w;
    region_active_init(&w, body, body->inst.n);
    for (uint32_t k = 0; k < i->nargs; k++) {
      Val v = pass_input(body, k);
      if (v.id && in[k] && ir_type(body, v).dt == DT_REAL) w.on[v.id] = true;
    }
    region_active_spread(&w, body);
    for (uint32_t k = 0; k < body->out.n; k++) {
      bool on = w.on[body->out.at[k].id] || (k < s.carry && in[k]);
      result[k] = on;
      if (k < s.carry && on && !in[k]) in[k] = changed = true;
    }
    region_active_finish(&w);
  }
  base_free(in);
}

/* Results of a step that depend on its active arguments. */
static void step_activity(const Active *a, const Fn *f, const Inst *i, bool *result) {
  const Fn *body = ir_body(f, i);
  uint32_t states = (uint32_t)ir_reversible_attr(f, i).states;
  Active w;
  region_active_init(&w, body, body->inst.n);
  for (uint32_t id = 1; id < body->inst.n; id++) {
    if (body->inst.at[id].op != OP_in || body->inst.at[id].type.dt != DT_REAL) continue;
    uint32_t k = ir_number(body, &body->inst.at[id]);
    if (k < states || k >= 2 * states) w.on[id] = a->on[ir_arg(f, i, k < states ? k : k - states).id];
  }
  region_active_spread(&w, body);
  for (uint32_t k = 0; k < states; k++) result[k] = w.on[body->out.at[k].id];
  region_active_finish(&w);
}

static bool depends(Active *a, const Fn *f, uint32_t id) {
  const Inst *i = &f->inst.at[id];
  switch (ir_op[i->op].cls) {
  case OPC_CMP:
  case OPC_LOGIC: return false;
  case OPC_EW1:
  case OPC_EW2:
    for (uint32_t k = 0; k < i->nargs; k++)
      if (pass_partial_exists(i->op, k) && a->on[ir_arg(f, i, k).id]) return true;
    return false;
  case OPC_STRUCT: break;
  }
  if (ir_has(i->op, OPF_LEAF | OPF_IMPURE)) return false;
  if (i->op == OP_batch_mean || i->op == OP_require) return false;
  if (i->op == OP_root) return any_arg(a, f, i, 1);
  if (i->op == OP_select) return i->type.dt == DT_REAL && any_arg(a, f, i, 1);
  if (i->op == OP_proj) {
    Val multi = ir_arg(f, i, 0);
    bool *res = a->result[multi.id];
    return i->type.dt == DT_REAL && a->on[multi.id] && (!res || res[ir_number(f, i)]);
  }
  if (i->op == OP_scan && any_arg(a, f, i, 0)) {
    a->result[id] = base_zeroed(ir_body(f, i)->out.n + 1, sizeof(bool));
    scan_activity(a, f, i, a->result[id]);
    return true;
  }
  if (i->op == OP_reversible && any_arg(a, f, i, 0)) {
    a->result[id] = base_zeroed(ir_body(f, i)->out.n + 1, sizeof(bool));
    step_activity(a, f, i, a->result[id]);
    return true;
  }
  return (i->type.dt == DT_REAL || i->type.dt == DT_MULTI) && any_arg(a, f, i, 0);
}

void region_active_spread(Active *a, const Fn *f) {
  const bool *first = memchr(a->on + 1, true, a->n - 1);
  a->from = first ? (uint32_t)(first - a->on) : a->n;
  for (uint32_t id = a->from; id < a->n; id++)
    if (!a->on[id]) a->on[id] = depends(a, f, id);
}

void region_between(const Fn *f, Val e, const Val *x, uint32_t nx, bool *mark) {
  Active a;
  bool *need = base_zeroed(e.id + 1, sizeof *need), any = false;
  region_active_init(&a, f, e.id + 1);
  for (uint32_t k = 0; k < nx; k++)
    if (x[k].id <= e.id) a.on[x[k].id] = any = true;
  if (any) region_active_spread(&a, f);
  need[e.id] = any;
  for (uint32_t id = e.id; id >= a.from; id--) {
    if (!need[id] || !a.on[id]) continue;
    mark[id] = true;
    for (uint32_t k = 0; k < f->inst.at[id].nargs; k++) need[ir_arg(f, &f->inst.at[id], k).id] = true;
  }
  region_active_finish(&a);
  base_free(need);
}

static bool forward_only(const Fn *f, Active *a, bool *need, uint32_t end);

/* Of a body that is entered by any of its inputs. */
static bool forward_only_body(const Fn *body) {
  Active a;
  bool *need = base_zeroed(body->inst.n, sizeof *need), any = false;
  region_active_init(&a, body, body->inst.n);
  for (uint32_t id = 1; id < body->inst.n; id++)
    if (body->inst.at[id].op == OP_in && body->inst.at[id].type.dt == DT_REAL) a.on[id] = any = true;
  for (uint32_t k = 0; k < body->out.n; k++) need[body->out.at[k].id] = true;
  if (any) region_active_spread(&a, body);
  const bool yes = any && forward_only(body, &a, need, body->inst.n);
  region_active_finish(&a);
  base_free(need);
  return yes;
}

/* Where a solution is found is no matter of its derivative: the first argument of `root` is not looked at. */
static bool forward_only(const Fn *f, Active *a, bool *need, uint32_t end) {
  bool yes = false;
  for (uint32_t id = end; id-- > a->from && !yes;) {
    const Inst *i = &f->inst.at[id];
    if (!need[id] || !a->on[id]) continue;
    yes = (i->op == OP_scan && ir_scan_shape(f, i).converge == 2) || (i->sub && forward_only_body(ir_body(f, i)));
    for (uint32_t k = i->op == OP_root; k < i->nargs; k++) need[ir_arg(f, i, k).id] = true;
  }
  return yes;
}

bool region_forward_only(const Fn *f, Val e, Val x) {
  Active a;
  bool *need = base_zeroed(e.id + 1, sizeof *need);
  region_active_init(&a, f, e.id + 1);
  if (x.id <= e.id) a.on[x.id] = need[e.id] = true;
  if (need[e.id]) region_active_spread(&a, f);
  const bool yes = need[e.id] && forward_only(f, &a, need, e.id + 1);
  region_active_finish(&a);
  base_free(need);
  return yes;
}

/* ---- scans ----------------------------------------------------------------------------------------- */

/* The index among the results under which body `f` stacks value v, or -1. */
static int saved_index(const Fn *body, ScanShape s, Val v) {
  for (uint32_t j = s.carry; v.id && j < s.carry + s.ys; j++)
    if (body->out.at[j].id == v.id) return (int)j;
  return -1;
}

static bool dear(unsigned op) { return op == OP_root || op == OP_lu || op == OP_cholesky || op == OP_eigh; }

bool *region_kept(const Fn *f, const Inst *scan) {
  const Fn *body = ir_body(f, scan);
  bool *kept = base_zeroed(body->inst.n + 1, sizeof *kept);
  int64_t bytes = 0, turns = ir_scan_shape(f, scan).n;
  for (uint32_t id = 1; id < body->inst.n; id++) {
    const Inst *i = &body->inst.at[id];
    kept[id] = (ir_has(i->op, OPF_SLOW) || dear(i->op)) && i->type.lane && i->type.rank < IR_MAX_RANK;
    if (kept[id]) bytes += type_count(i->type) * (f->f64 ? 8 : 4);
  }
  if (undo_scan_can(f, scan) || bytes * turns > MEMORY_KEPT / 2) memset(kept, 0, body->inst.n * sizeof *kept);
  return kept;
}

static void insert_output(Fn *f, uint32_t at, Val v) {
  *vec_push(&f->out) = VAL_NONE;
  *vec_push(&f->outname) = NULL;
  for (uint32_t k = f->out.n - 1; k > at; k--) {
    f->out.at[k] = f->out.at[k - 1];
    f->outname.at[k] = f->outname.at[k - 1];
  }
  f->out.at[at] = v;
  f->outname.at[at] = NULL;
}

/* Emits scan i of `from` with its carries, and what is kept of each turn, stored: arguments are in `args`. A scan that stores is not
 * one that may end early. */
static Val storing_scan(Build *b, const Fn *from, const Inst *i, const Val *args) {
  ScanShape s = ir_scan_shape(from, i);
  Fn *body = ir_copy_fn(b->f, ir_body(from, i));
  uint32_t ys = s.ys;
  for (uint32_t k = 0; k < s.carry; k++) {
    Val in = pass_input(body, k);
    if (in.id && saved_index(body, s, in) < 0) insert_output(body, s.carry + ys++, in);
  }
  bool *kept = region_kept(from, i);
  for (uint32_t id = 1; id < body->inst.n; id++)
    if (kept[id] && saved_index(body, s, (Val){id}) < 0) insert_output(body, s.carry + ys++, (Val){id});
  base_free(kept);
  return ir_scan(b, args, i->nargs, s.n, s.carry, s.xs, ys, s.zs, s.reverse, false, body);
}

/* Loops that end when their samples are done look for a solution, which `root` names: no sweep goes through them. If one
 * does, region_saved stores what it asks for. */
static bool stores(const Fn *f, const Inst *scan) {
  return ir_scan_shape(f, scan).carry > 0 && ir_scan_shape(f, scan).converge != 2 && !undo_scan_can(f, scan);
}

/* ---- adaptive trajectories ------------------------------------------------------------------------- */

int64_t region_record_rows(const Fn *f, const Inst *ode) {
  const ode_attr attr = ir_ode_attr(f, ode);
  if (attr.record) return attr.record;
  const int64_t rows = ir_ode_room(f, ode, (uint32_t)attr.states);
  return rows < attr.max_steps ? rows : attr.max_steps;
}

static Val recording_ode(Build *b, const Fn *from, const Inst *i, const Val *args) {
  ode_attr attr = ir_ode_attr(from, i);
  const uint32_t n = (uint32_t)attr.states;
  attr.record = region_record_rows(from, i);
  if (attr.max_steps > attr.record) attr.max_steps = attr.record;
  return ir_ode_as(b, &attr, args, args[n], args + n + 1, i->nargs - n - 1, ir_copy_fn(b->f, ir_body(from, i)));
}

static bool records(const Fn *f, const Inst *i) { return i->op == OP_ode && !ir_ode_attr(f, i).record; }

/* ---- both ------------------------------------------------------------------------------------------ */

static Val emit_storing(Build *b, const Fn *from, const Inst *i, const Val *args) {
  return i->op == OP_ode ? recording_ode(b, from, i, args) : storing_scan(b, from, i, args);
}

/* Result `index` of v, where the source reads it; else VAL_NONE. */
static Val read_result(Region *r, Val v, uint32_t index) {
  for (uint32_t id = v.id + 1; id < r->n; id++) {
    const Inst *p = &r->src->inst.at[id];
    if (p->op == OP_proj && ir_arg(r->src, p, 0).id == v.id && ir_number(r->src, p) == index) return region_value(r, (Val){id});
  }
  return VAL_NONE;
}

/* Emits v anew so that it stores, as r->storing, unless that was the last that was. */
static void store_anew(Region *r, Val v) {
  const Inst i = *ir_inst(r->src, v);
  if (r->scan.id == v.id) return;
  Val *args = base_realloc(NULL, sizeof *args * (i.nargs + 1));
  for (uint32_t j = 0; j < i.nargs; j++) args[j] = region_value(r, ir_arg(r->src, &i, j));
  r->storing = emit_storing(r->b, r->src, &i, args);
  r->scan = v;
  base_free(args);
}

Val region_recorded(Region *r, Val ode, uint32_t index) {
  const ode_attr attr = ir_ode_attr(r->src, ir_inst(r->src, ode));
  const bool has = index < (uint32_t)attr.states || attr.record; /* counts are those of what records */
  const Val read = has ? read_result(r, ode, index) : VAL_NONE;
  if (read.id) return read;
  store_anew(r, ode);
  return ir_proj(r->b, r->storing, index);
}

Val region_store(Build *b, const Fn *from, Val v, const Val *map, bool store) {
  Inst i = *ir_inst(from, v);
  const bool again = store && (i.op == OP_scan ? stores(from, &i) : records(from, &i));
  if (i.op != OP_proj && !again) return ir_copy_inst(b, from, v, map);
  Role role = b->role;
  Op of = b->of;
  Span at = b->at;
  b->role = i.role;
  b->of = i.of;
  b->at = i.at;
  Val w;
  if (i.op == OP_proj) {
    Val old = ir_arg(from, &i, 0), multi = map[old.id];
    int64_t index = ir_number(from, &i);
    if (ir_inst(from, old)->op == OP_scan && ir_inst(b->f, multi)->op == OP_scan) {
      ScanShape s = ir_scan_shape(from, ir_inst(from, old)), t = ir_scan_shape(b->f, ir_inst(b->f, multi));
      if (index >= s.carry + s.ys) index += t.ys - s.ys;
    }
    w = ir_proj(b, multi, index);
  } else {
    Val *args = base_realloc(NULL, sizeof *args * (i.nargs + 1));
    for (uint32_t k = 0; k < i.nargs; k++) args[k] = map[ir_arg(from, &i, k).id];
    const bool ode = i.op == OP_ode;
    w = emit_storing(b, from, &i, args);
    const Inst *made = ir_inst(b->f, w);
    const uint32_t first = ode ? (uint32_t)ir_ode_attr(from, &i).states : ir_scan_shape(b->f, made).carry;
    const uint32_t end = ode ? ir_result_count(b->f, made) : first + ir_scan_shape(b->f, made).ys;
    for (uint32_t k = first; k < end; k++) ir_proj(b, w, k);
    base_free(args);
  }
  b->role = role;
  b->of = of;
  b->at = at;
  return w;
}

Val region_saved(Region *r, Val scan, Val inside) {
  Inst i = *ir_inst(r->src, scan);
  int index = saved_index(ir_body(r->src, &i), ir_scan_shape(r->src, &i), inside);
  const Val read = index < 0 ? VAL_NONE : read_result(r, scan, (uint32_t)index);
  if (read.id) return read;
  store_anew(r, scan);
  const Inst *w = ir_inst(r->b->f, r->storing);
  index = saved_index(ir_body(r->b->f, w), ir_scan_shape(r->b->f, w), inside);
  return index < 0 ? VAL_NONE : ir_proj(r->b, r->storing, index);
}
