/* Sums over pairs as a matrix, for one sample. Written as a sum over j < i, forces between bodies are a map for each i:
 *
 *   (f_j, g) = map(j: x[j], c_ij; x[i])   F[j] += f_j   F[i] += g          rows of lengths 1, 2, 3, ...
 *
 * whose vectors are half empty, and whose g is a sum over lanes. If the body is even, g(a, b) = f(b, a) term by term, which is decided in the
 * finite field, then a row can be computed from the other side as well:
 *
 *   F[t] = sum over s of f(x[t], x[s], c_ts)       one map over t, whose lanes are bodies: all terms of a sum are in its own lane
 *
 * That is each pair twice, and less work where a vector has many lanes: nothing is turned around but x and F, nothing is summed over lanes. The
 * first `size` bodies are such a block where a count of cycles says so; other maps stay. */
#include "codegen/plan/pairs/pairs_priv.h"
#include "ir/field/field.h"

#include <string.h>

enum { ROUNDS = 3 };

/* ---- the sum ------------------------------------------------------------------------------------------------------------ */

static uint32_t *uses_of(const Fn *f) {
  uint32_t *uses = base_zeroed(f->inst.n, sizeof *uses);
  for (uint32_t id = 1; id < f->inst.n; id++)
    for (uint32_t k = 0; k < f->inst.at[id].nargs; k++) uses[ir_arg(f, &f->inst.at[id], k).id]++;
  for (uint32_t k = 0; k < f->out.n; k++) uses[f->out.at[k].id]++;
  return uses;
}

static bool is_sum(const Fn *f, const Inst *i) {
  if (i->op != OP_add && i->op != OP_sub && i->op != OP_neg) return false;
  for (uint32_t k = 0; k < i->nargs; k++)
    if (!type_eq(ir_type(f, ir_arg(f, i, k)), i->type)) return false;
  return i->type.dt == DT_REAL && i->type.rank == 2;
}

static bool term(Pairs *p, Val v, bool neg, uint32_t at, Val in) {
  if (p->nterm == PAIRS_TERMS) return false;
  p->term[p->nterm++] = (Term){v, neg, at, in};
  return true;
}

/* The terms under v, as far as nothing else reads them. */
static bool terms(Pairs *p, const uint32_t *uses, Val v, bool neg, uint32_t depth) {
  const Fn *f = p->at->f;
  const Inst *i = ir_inst(f, v);
  if (depth > PAIRS_TERMS) return false;
  if (depth && uses[v.id] > 1) return term(p, v, neg, 0, VAL_NONE);
  if (is_sum(f, i)) {
    bool ok = true;
    for (uint32_t k = 0; ok && k < i->nargs; k++)
      ok = terms(p, uses, ir_arg(f, i, k), neg ^ (i->op == OP_neg || (k && i->op == OP_sub)), depth + 1);
    return ok;
  }
  if (i->op == OP_unslice && ir_unslice_attr(f, i).axis == 0 && ir_unslice_attr(f, i).step == 1)
    return term(p, ir_arg(f, i, 0), neg, (uint32_t)ir_unslice_attr(f, i).start, v);
  if (i->op != OP_concat || ir_concat_attr(f, i).axis != 0) return term(p, v, neg, 0, VAL_NONE);
  for (uint32_t k = 0, at = 0; k < i->nargs; k++) {
    if (!term(p, ir_arg(f, i, k), neg, at, v)) return false;
    at += ir_type(f, ir_arg(f, i, k)).dim[0];
  }
  return true;
}

/* Result k of a scan, through a reshape. */
Val plan_pairs_result_of(const Fn *f, Val v, uint32_t *k) {
  const Inst *i = ir_inst(f, v);
  if (i->op == OP_reshape) i = ir_inst(f, ir_arg(f, i, 0));
  if (i->op != OP_proj || ir_inst(f, ir_arg(f, i, 0))->op != OP_scan) return VAL_NONE;
  *k = ir_number(f, i);
  return ir_arg(f, i, 0);
}

/* ---- members --------------------------------------------------------------------------------------------------------------- */

/* Of which value v is rows, from *first on. */
static Val rows_of(const Fn *f, Val v, uint32_t *first) {
  const Inst *i = ir_inst(f, v);
  *first = 0;
  if (i->op != OP_slice || ir_slice_attr(f, i).axis != 0 || ir_slice_attr(f, i).step != 1) return v;
  *first = (uint32_t)ir_slice_attr(f, i).start;
  return ir_arg(f, i, 0);
}

/* v is one row of x. */
static bool row_of(const Fn *f, Val v, Val x, uint32_t *row) {
  const Inst *i = ir_inst(f, v);
  if (i->op != OP_reshape || i->type.rank != 1) return false;
  const Val part = ir_arg(f, i, 0);
  return ir_inst(f, part)->op == OP_slice && ir_type(f, part).dim[0] == 1 && rows_of(f, part, row).id == x.id;
}

/* The constants that v is, n of them. */
bool plan_pairs_numbers(const Around *a, Val v, uint32_t n, double *out) {
  const Inst *i = ir_inst(a->f, v);
  double c;
  if (ir_is_const(a->f, v, &c)) {
    for (uint32_t k = 0; k < n; k++) out[k] = c;
    return true;
  }
  if (i->op == OP_table && type_count(i->type) == n) {
    memcpy(out, a->f->table.at[ir_table_attr(a->f, i).table].v, sizeof *out * n);
    return true;
  }
  if (i->op != OP_in || !a->call || a->call->op != OP_scan) return false;
  const ScanShape s = ir_scan_shape(a->up->f, a->call);
  return ir_number(a->f, i) >= s.carry + s.xs && plan_pairs_numbers(a->up, ir_arg(a->up->f, a->call, ir_number(a->f, i)), n, out);
}

static bool same_body(const Fn *f, const Fn *g) {
  if (f->inst.n != g->inst.n || f->in.n != g->in.n) return false;
  for (uint32_t id = 1; id < f->inst.n; id++) {
    const Inst *i = &f->inst.at[id], *j = &g->inst.at[id];
    if (i->op != j->op || i->nargs != j->nargs || i->sub || i->op == OP_table || !type_eq(i->type, j->type) ||
        !ir_same_attrs(f, i, g, j))
      return false;
    for (uint32_t k = 0; k < i->nargs; k++)
      if (ir_arg(f, i, k).id != ir_arg(g, j, k).id) return false;
  }
  for (uint32_t k = 0; k < f->out.n; k++)
    if (f->out.at[k].id != g->out.at[k].id) return false;
  return f->out.n == g->out.n;
}

/* Which inputs are bodies. */
static bool sides(Pairs *p, const Inst *i, Member *m, Val *x, uint32_t *over, uint32_t *given) {
  const Fn *f = p->at->f;
  const ScanShape s = ir_scan_shape(f, i);
  uint32_t found = 0;
  for (uint32_t k = 0; k < s.xs; k++)
    for (uint32_t j = s.xs; j < i->nargs; j++) {
      uint32_t first, row;
      const Val rows = rows_of(f, ir_arg(f, i, k), &first);
      if (ir_type(f, rows).rank != 2 || !row_of(f, ir_arg(f, i, j), rows, &row)) continue;
      m->first = first, m->row = row, *x = rows, *over = k, *given = j, found++;
    }
  m->n = s.n;
  return found == 1 && (m->row < m->first || m->row >= m->first + m->n);
}

/* The map joins, if it is like the first. Other operands are constants, or the same of all. */
static bool joins(Pairs *p, Val scan) {
  const Fn *f = p->at->f;
  const Inst *i = ir_inst(f, scan);
  const ScanShape s = ir_scan_shape(f, i);
  Member m = {.scan = scan};
  Val x = VAL_NONE;
  uint32_t over = 0, given = 0;
  double *c = base_zeroed(s.n + 1, sizeof *c);
  bool ok = p->n < PAIRS_MAPS && !s.carry && !s.converge && s.ys == 1 && s.zs == 1 && sides(p, i, &m, &x, &over, &given);
  for (uint32_t k = 0; ok && k < s.xs; k++)
    ok = k == over || (ir_type(f, ir_arg(f, i, k)).rank == 1 && plan_pairs_numbers(p->at, ir_arg(f, i, k), s.n, c));
  base_free(c);
  if (ok && p->n) {
    const Inst *first = ir_inst(f, p->member[0].scan);
    ok = x.id == p->x.id && over == p->over && given == p->given && i->nargs == first->nargs &&
         same_body(ir_body(f, first), ir_body(f, i));
    for (uint32_t j = s.xs; ok && j < i->nargs; j++) ok = j == given || ir_arg(f, i, j).id == ir_arg(f, first, j).id;
  } else if (ok) {
    const Fn *body = ir_body(f, i);
    const Type t = ir_type(f, x);
    ok = type_same_dims(t, ir_type(f, p->root));
    p->x = x, p->xs = s.xs, p->over = over, p->given = given, p->count = t.dim[0], p->dim = t.dim[1];
    for (uint32_t k = 0; k < 2; k++) ok &= type_same_dims(ir_type(body, body->out.at[k]), body->in.at[over].type);
  }
  if (ok) p->member[p->n++] = m;
  return ok;
}

const Member *plan_pairs_member(const Pairs *p, Val scan) {
  for (uint32_t k = 0; k < p->n; k++)
    if (p->member[k].scan.id == scan.id) return &p->member[k];
  return NULL;
}

/* Both results of a map are terms of the sum, once each, in their places. */
static void members(Pairs *p, const uint32_t *uses) {
  const Fn *f = p->at->f;
  for (uint32_t k = 0; k < p->nterm; k++) {
    uint32_t what, other;
    const Val scan = plan_pairs_result_of(f, p->term[k].v, &what);
    if (!scan.id || what != 0 || !p->term[k].in.id || uses[scan.id] != 2 || uses[p->term[k].v.id] != 1) continue;
    bool both = false;
    uint32_t row = 0;
    for (uint32_t j = 0; j < p->nterm; j++)
      if (plan_pairs_result_of(f, p->term[j].v, &other).id == scan.id && other == 1 && p->term[j].in.id &&
          uses[p->term[j].v.id] == 1)
        both = p->term[j].neg == p->term[k].neg, row = p->term[j].at;
    if (!both || (p->n && p->neg != p->term[k].neg) || !joins(p, scan)) continue;
    const Member *m = &p->member[p->n - 1];
    p->neg = p->term[k].neg;
    if (m->first != p->term[k].at || m->row != row) p->n--;
  }
}

/* ---- evenness ------------------------------------------------------------------------------------------------------------ */

void plan_pairs_copy_body(Build *b, const Fn *body, const Val *in, Val *map) {
  for (uint32_t id = 1; id < body->inst.n; id++) {
    const Inst *i = &body->inst.at[id];
    map[id] = i->op == OP_in ? in[ir_number(body, i)] : ir_copy_inst(b, body, (Val){id}, map);
  }
}

/* Result k of the body, with the two rows the other way round if `back`. */
static Fn *side(const Pairs *p, const Fn *body, uint32_t k, bool back) {
  Build b;
  Val *in = base_zeroed(body->in.n + 1, sizeof *in), *map = base_zeroed(body->inst.n, sizeof *map);
  ir_build_init(&b, ir_fn_create("side", body->f64));
  for (uint32_t j = 0; j < body->in.n; j++) in[j] = ir_input(&b, "", IN_OTHER, j, body->in.at[j].type);
  if (back) {
    const Val over = in[p->over];
    in[p->over] = in[p->given], in[p->given] = over;
  }
  plan_pairs_copy_body(&b, body, in, map);
  ir_output(&b, map[body->out.at[k].id], "");
  ir_build_finish(&b);
  base_free(in), base_free(map);
  return b.f;
}

static bool is_even(const Pairs *p) {
  const Fn *body = ir_body(p->at->f, ir_inst(p->at->f, p->member[0].scan));
  if (!type_eq(body->in.at[p->over].type, body->in.at[p->given].type)) return false;
  Fn *one = side(p, body, 0, false), *other = side(p, body, 1, true);
  FieldReport r;
  const bool even = ir_field_equal(one, other, ROUNDS, UINT64_C(0x9a125), &r) == FIELD_EQUAL;
  ir_fn_destroy(one), ir_fn_destroy(other);
  return even;
}

/* ---- the block -------------------------------------------------------------------------------------------------------------- */

static bool inside(const Member *m, uint32_t size) { return m->row < size && m->first + m->n <= size; }

/* What is gained where the first `size` bodies are a block. */
static double gain(const Pairs *p, uint32_t size) {
  double before = 0;
  const Fn *f = p->at->f;
  const Fn *body = ir_body(f, ir_inst(f, p->member[0].scan));
  const double one = plan_turn_body_cycles(p->target, body);
  if (one < 0) return 0;
  for (uint32_t k = 0; k < p->n; k++)
    if (inside(&p->member[k], size)) before += plan_map_cycles(p->target, p->vl, f, ir_inst(f, p->member[k].scan));
  const double vectors = (size + p->vl - 1) / p->vl;
  return before - vectors * (size * (one + p->dim) + 2 * p->dim * p->target->tune->turn_move) - p->target->tune->start;
}

static void choose(Pairs *p) {
  const uint32_t whole = p->count / p->vl * p->vl, most = p->target->tune->stage_tiny;
  const double all = gain(p, p->count), some = whole ? gain(p, whole) : 0;
  if (p->count * p->dim > most || p->dim > p->target->tune->turn_row || (all <= 0 && some <= 0)) return;
  p->size = all >= some ? p->count : whole;
  for (uint32_t k = 0; k < p->n; k++) p->member[k].here = inside(&p->member[k], p->size);
}

/* ---- the function ------------------------------------------------------------------------------------------------------------ */

static bool is_top(const Fn *f, const bool *below, Val v) { return !below[v.id] && is_sum(f, ir_inst(f, v)); }

/* Values that a sum above takes in. */
static bool *below_sums(const Fn *f, const uint32_t *uses) {
  bool *below = base_zeroed(f->inst.n, sizeof *below);
  for (uint32_t id = 1; id < f->inst.n; id++) {
    if (!is_sum(f, &f->inst.at[id])) continue;
    for (uint32_t k = 0; k < f->inst.at[id].nargs; k++) {
      const Val a = ir_arg(f, &f->inst.at[id], k);
      below[a.id] |= uses[a.id] == 1;
    }
  }
  return below;
}

/* The sums with a block, in order. */
typedef VEC(Pairs *) Found;

static void find(const Around *at, const CgTarget *target, unsigned vl, Found *found) {
  uint32_t *uses = uses_of(at->f);
  bool *below = below_sums(at->f, uses);
  for (uint32_t id = 1; id < at->f->inst.n; id++) {
    if (!is_top(at->f, below, (Val){id})) continue;
    Pairs *p = base_zeroed(1, sizeof *p);
    p->at = at, p->target = target, p->vl = vl, p->root = (Val){id};
    if (terms(p, uses, p->root, false, 0)) members(p, uses);
    if (p->n > 1) choose(p);
    if (p->size && is_even(p)) *vec_push(found) = p;
    else base_free(p);
  }
  base_free(uses), base_free(below);
}

/* Some body has two maps that stack one result and sum up another. */
static bool may_hold(const Fn *f) {
  uint32_t maps = 0;
  for (uint32_t id = 1; id < f->inst.n; id++) {
    const Inst *i = &f->inst.at[id];
    if (i->op != OP_scan) continue;
    const ScanShape s = ir_scan_shape(f, i);
    maps += !s.carry && s.ys == 1 && s.zs == 1;
    if (may_hold(ir_body(f, i))) return true;
  }
  return maps > 1;
}

static Fn *matrices(Fn *parent, const Around *at, const CgTarget *target, unsigned vl);

static Val copied(Build *b, const Around *at, Val v, const Val *map, Fn *body) {
  if (!body) return ir_copy_inst(b, at->f, v, map);
  const Inst *i = ir_inst(at->f, v);
  Val *args = base_zeroed(i->nargs + 1, sizeof *args);
  for (uint32_t k = 0; k < i->nargs; k++) args[k] = map[ir_arg(at->f, i, k).id];
  const Val made = ir_emit(b, (Op)i->op, args, i->nargs, at->f->attr.at + i->attr, i->nattr, body);
  base_free(args);
  return made;
}

/* NULL: nothing changes. */
static Fn *matrices(Fn *parent, const Around *at, const CgTarget *target, unsigned vl) {
  const Fn *f = at->f;
  Found found = {0};
  find(at, target, vl, &found);
  Build b;
  bool changed = false;
  Val *map = base_zeroed(f->inst.n, sizeof *map);
  ir_build_init(&b, parent ? ir_sub_create(parent, f->name) : ir_fn_create(f->name, f->f64));
  for (uint32_t k = 0; k < f->in.n; k++) ir_input(&b, f->in.at[k].name, f->in.at[k].kind, f->in.at[k].index, f->in.at[k].type);
  for (uint32_t id = 1, next = 0; id < f->inst.n; id++) {
    const Inst *i = &f->inst.at[id];
    b.at = i->at, b.role = (Role)i->role, b.of = (Op)i->of;
    if (i->op == OP_in) {
      map[id] = (Val){ir_number(f, i) + 1};
      continue;
    }
    b.fold = b.number = false;
    const Around inner = {i->op == OP_scan ? ir_body(f, i) : NULL, i, at};
    Fn *body = inner.f && may_hold(inner.f) ? matrices(b.f, &inner, target, vl) : NULL;
    changed |= body != NULL;
    if (next < found.n && found.at[next]->root.id == id) map[id] = plan_pairs_rewritten(found.at[next++], &b, map);
    if (map[id].id) changed = true;
    else map[id] = copied(&b, at, (Val){id}, map, body);
  }
  for (uint32_t k = 0; k < f->out.n; k++) ir_output(&b, map[f->out.at[k].id], f->outname.at[k]);
  ir_build_finish(&b);
  for (uint32_t k = 0; k < found.n; k++) base_free(found.at[k]);
  vec_free(&found), base_free(map);
  if (changed) return b.f;
  if (!parent) ir_fn_destroy(b.f);
  return NULL;
}

Fn *plan_pairs(const Fn *f, const CgTarget *target, unsigned lanes) {
  if (lanes < 2 || !may_hold(f)) return NULL;
  const Around at = {f, NULL, NULL};
  return matrices(NULL, &at, target, lanes);
}
