/* The verifier: every invariant of ir.h, all violations, shown as comments inside the printed function.
 *
 * Types are inferred again and compared; operands stand before users; a MULTI value is read through
 * proj alone; sub-functions are checked likewise and hold no value of their parent.
 *
 * Sums over the batch inside a loop: within a tile they are partial, so what depends on one must be
 * linear in it, and leaves the body through zs alone, which are sums as well. */
#include "ir/text/text_priv.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

typedef IrViolations Verify;

static void fail(Verify *v, const Fn *f, uint32_t id, const char *fmt, ...) __attribute__((format(printf, 4, 5)));

static void fail(Verify *v, const Fn *f, uint32_t id, const char *fmt, ...) {
  char text[512];
  va_list ap;
  va_start(ap, fmt);
  vsnprintf(text, sizeof text, fmt, ap);
  va_end(ap);
  *vec_push(&v->found) = (IrViolation){f, id, arena_strdup(v->mem, text)};
}

static bool sane_type(Type t) {
  if (t.rank > IR_MAX_RANK || t.lane > 1 || t.dt > DT_MULTI) return false;
  int64_t n = 1;
  for (int k = 0; k < IR_MAX_RANK; k++) {
    if (k >= t.rank ? t.dim[k] != 0 : __builtin_mul_overflow(n, (int64_t)t.dim[k], &n)) return false;
  }
  return n <= INT64_MAX / 16;
}

static bool check_operands(Verify *v, const Fn *f, uint32_t id) {
  const Inst *i = &f->inst.at[id];
  bool good = true;
  for (uint32_t k = 0; k < i->nargs; k++) {
    uint32_t a = ir_arg(f, i, k).id;
    if (a == 0 || a >= f->inst.n) fail(v, f, id, "operand %u is %%%u, which does not exist", k, a), good = false;
    else if (a >= id) fail(v, f, id, "operand %u is %%%u, which stands behind its user", k, a), good = false;
    else if ((ir_type(f, ir_arg(f, i, k)).dt == DT_MULTI) != (i->op == OP_proj))
      fail(v, f, id, i->op == OP_proj ? "proj of %%%u, which has one result" : "%%%u has several results, to be read through proj",
           a),
          good = false;
  }
  return good;
}

static void check_leaf(Verify *v, const Fn *f, uint32_t id) {
  const Inst *i = &f->inst.at[id];
  int64_t index = i->nattr ? ir_attrs(f, i).at[0] : 0;
  if (i->op == OP_in && (index < 0 || index >= f->in.n)) fail(v, f, id, "there is no input %" PRId64, index);
  else if (i->op == OP_table && (index < 0 || index >= f->table.n)) fail(v, f, id, "there is no table %" PRId64, index);
}

static void check_type(Verify *v, const Fn *f, uint32_t id) {
  const Inst *i = &f->inst.at[id];
  Type t = i->type;
  char err[256] = "", have[128], want[128];
  if (!ir_infer(f, (Op)i->op, f->pool.at + i->args, i->nargs, f->attr.at + i->attr, i->nattr, ir_body(f, i), &t, err, sizeof err))
    fail(v, f, id, "%s", err);
  else if (!type_eq(t, i->type))
    fail(v, f, id, "type is %s, inferred %s", type_text(i->type, f->f64, have, sizeof have),
         type_text(t, f->f64, want, sizeof want));
}

/* At most one `in` reads an input: passes map inputs to values. */
static void check_inputs(Verify *v, const Fn *f) {
  uint32_t *by = base_realloc(NULL, sizeof *by * (f->in.n + 1));
  memset(by, 0, sizeof *by * (f->in.n + 1));
  for (uint32_t id = 1; id < f->inst.n; id++) {
    const Inst *i = &f->inst.at[id];
    if (i->op != OP_in || !i->nattr || ir_in_attr(f, i).index < 0 || ir_in_attr(f, i).index >= f->in.n) continue;
    uint32_t k = ir_number(f, i);
    if (by[k]) fail(v, f, id, "input %u is read by %%%u already", k, by[k]);
    by[k] = id;
  }
  base_free(by);
}

static void check_inst(Verify *v, const Fn *f, uint32_t id) {
  const Inst *i = &f->inst.at[id];
  size_t before = v->found.n;
  if (!ir_well_formed(f, i)) {
    if (i->op == OP_none || i->op >= OP_count) fail(v, f, id, "unknown op %u", i->op);
    else fail(v, f, id, "operands, attributes or sub-function of `%s` are not as its row says", ir_op[i->op].name);
    return;
  }
  if (!sane_type(i->type)) fail(v, f, id, "type has a wrong rank or size");
  if (i->role > ROLE_TANGENT || (i->role != ROLE_PRIMAL && i->of >= OP_count)) fail(v, f, id, "unknown role");
  check_leaf(v, f, id);
  if (check_operands(v, f, id) && v->found.n == before) check_type(v, f, id);
}

/* ---- sums over the batch inside loops ---- */

/* Whether i is linear in its tainted operands. */
static bool linear_in(const Fn *f, const Inst *i, const bool *tainted) {
  bool t0 = i->nargs > 0 && tainted[ir_arg(f, i, 0).id], t1 = i->nargs > 1 && tainted[ir_arg(f, i, 1).id], all = true;
  for (uint32_t k = 0; k < i->nargs; k++) all = all && tainted[ir_arg(f, i, k).id];
  if (i->op == OP_mul || i->op == OP_dot) return t0 != t1 && !ir_sums_batch(f, i) && !i->type.lane;
  if (i->op == OP_div) return t0 && !t1 && !i->type.lane;
  return all && ir_has(i->op, OPF_LINEAR);
}

/* body is the body of a scan with `first` outputs before its zs: carries and ys. */
static void check_sums(Verify *v, const Fn *body, uint32_t first) {
  bool *tainted = base_realloc(NULL, body->inst.n);
  memset(tainted, 0, body->inst.n);
  for (uint32_t id = 1; id < body->inst.n; id++) {
    const Inst *i = &body->inst.at[id];
    bool from = false;
    for (uint32_t k = 0; k < i->nargs; k++) from |= tainted[ir_arg(body, i, k).id];
    if (i->op == OP_proj) {
      const Inst *multi = ir_inst(body, ir_arg(body, i, 0));
      tainted[id] = multi->op == OP_scan && !i->type.lane &&
                    ir_number(body, i) >= ir_scan_attr(body, multi).carry + ir_scan_attr(body, multi).ys &&
                    ir_fn_sums_batch(ir_body(body, multi));
    } else if (ir_sums_batch(body, i)) {
      if (from) fail(v, body, id, "a sum over the batch of another one inside a loop");
      tainted[id] = true;
    } else {
      tainted[id] = from && linear_in(body, i, tainted);
      if (from && !tainted[id]) fail(v, body, id, "inside a loop, only linear ops may follow a sum over the batch");
    }
  }
  for (uint32_t k = 0; k < body->out.n && k < first; k++)
    if (body->out.at[k].id < body->inst.n && tainted[body->out.at[k].id])
      fail(v, body, UINT32_MAX, "output %u holds a sum over the batch, which may leave a loop through zs alone", k);
  base_free(tainted);
}

/* ---- functions ---- */

/* Whether outputs [from, from + states) of the body read an input in [not, not + states). */
static bool reads(const Fn *body, uint32_t from, uint32_t not, uint32_t states) {
  bool *need = base_realloc(NULL, body->inst.n), found = false;
  memset(need, 0, body->inst.n);
  for (uint32_t k = 0; k < states; k++) need[body->out.at[from + k].id] = true;
  for (uint32_t id = body->inst.n; id-- > 1 && !found;) {
    const Inst *i = &body->inst.at[id];
    if (!need[id]) continue;
    if (i->op == OP_in) found = ir_number(body, i) >= not && ir_number(body, i) < not + states;
    for (uint32_t k = 0; k < i->nargs; k++) need[ir_arg(body, i, k).id] = true;
  }
  base_free(need);
  return found;
}

static void check_apart(Verify *v, const Fn *f, uint32_t id, const Fn *body) {
  uint32_t states = body->out.n / 2;
  if (reads(body, 0, states, states)) fail(v, f, id, "a reversible step reads the states after it");
  if (reads(body, states, 0, states)) fail(v, f, id, "the inverse of a reversible step reads the states before it");
}

static void check_outputs(Verify *v, const Fn *f) {
  if (f->outname.n != f->out.n) fail(v, f, UINT32_MAX, "%u outputs have %u names", f->out.n, f->outname.n);
  for (uint32_t k = 0; k < f->out.n; k++) {
    uint32_t id = f->out.at[k].id;
    if (id == 0 || id >= f->inst.n) fail(v, f, UINT32_MAX, "output %u is %%%u, which does not exist", k, id);
    else if (f->inst.at[id].type.dt == DT_MULTI)
      fail(v, f, UINT32_MAX, "output %u has several results, to be read through proj", k);
  }
}

static void check_fn(Verify *v, const Fn *f, const Fn *parent) {
  size_t before = v->found.n;
  if (parent && f->f64 != parent->f64) fail(v, f, 0, "precision differs from the parent's");
  if (parent && f->mem != parent->mem) fail(v, f, 0, "memory is not the parent's");
  for (uint32_t k = 0; k < f->in.n; k++)
    if (!sane_type(f->in.at[k].type) || f->in.at[k].type.dt == DT_MULTI) fail(v, f, 0, "input %u has a wrong type", k);
  for (uint32_t k = 0; k < f->table.n; k++)
    if (!sane_type(f->table.at[k].type) || f->table.at[k].type.lane) fail(v, f, 0, "table %u has a wrong type", k);
  for (uint32_t k = 0; k < f->sub.n; k++) check_fn(v, f->sub.at[k], f);
  for (uint32_t id = 1; id < f->inst.n; id++) check_inst(v, f, id);
  check_inputs(v, f);
  check_outputs(v, f);
  if (v->found.n != before) return;
  for (uint32_t id = 1; id < f->inst.n; id++) {
    const Inst *i = &f->inst.at[id];
    const Fn *body = ir_body(f, i);
    if (body && i->op == OP_reversible) check_apart(v, f, id, body);
    if (body && i->op == OP_scan) check_sums(v, body, (uint32_t)(ir_scan_attr(f, i).carry + ir_scan_attr(f, i).ys));
    else if (body && ir_fn_sums_batch(body))
      fail(v, f, id,
           i->op == OP_reversible ? "a reversible step holds a sum over the batch"
                                  : "the rates of a trajectory hold a sum over the batch");
  }
}

static void show(void *ctx, FILE *out, const Fn *f, uint32_t id, int indent) {
  const Verify *v = ctx;
  for (uint32_t k = 0; k < v->found.n; k++)
    if (v->found.at[k].f == f && v->found.at[k].id == id) fprintf(out, "%*s# violation: %s\n", 2 * indent, "", v->found.at[k].text);
}

void ir_violations(const Fn *f, IrViolations *v) { check_fn(v, f, NULL); }

int ir_verify(const Fn *f, FILE *out) {
  Verify v = {.mem = arena_create()};
  ir_violations(f, &v);
  if (v.found.n && out) ir_print_noted(out, f, NULL, show, &v);
  int n = (int)v.found.n;
  vec_free(&v.found);
  arena_destroy(v.mem);
  return n;
}
