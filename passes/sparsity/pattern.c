/* Sparsity of a Jacobian: which elements of x each element of e depends on.
 *
 * One walk forwards over the graph between x and e, as in forward mode, with a set of columns in place of a
 * number: every element of every value has the set of those elements of x that its derivative may not vanish
 * by (A. Griewank, A. Walther, Evaluating Derivatives, 2nd ed., SIAM 2008, section 7.1: index domains). Sets are
 * interned, and unions of two remembered, so that a stencil over n elements costs n look-ups an operation; values
 * whose elements are all alike have one set. Elements that are known to be 0 (of tables, of triangles, between
 * slices) annihilate what they are multiplied with.
 *
 * The sets are those of the derivative: what passes through `sign` or a condition does not count. They
 * may be too large, never too small. After a fixed amount of work the search is given up, so its time is bounded; it is
 * work that is counted, so that the answer is always the same. */
#include "passes/sparsity/sparsity.h"
#include "passes/sparsity/pattern_priv.h"

#include <stdlib.h>
#include <string.h>

/* ---- values ------------------------------------------------------------------------------------------------ */

Deps sparsity_deps_same(Search *p, uint32_t id) {
  Deps d = {ARENA_NEW(p->mem, uint32_t), true};
  d.id[0] = id;
  return d;
}

Deps sparsity_deps_new(Search *p, int64_t n) {
  p->sets.work += n;
  return (Deps){ARENA_ARRAY(p->mem, uint32_t, n + 1), false};
}

Deps sparsity_deps_columns(Search *p) {
  Deps d = sparsity_deps_new(p, p->sets.ncol);
  for (uint32_t j = 0; j < p->sets.ncol; j++) d.id[j] = sparsity_set_single(&p->sets, j);
  d.same = p->sets.ncol == 1;
  return d;
}

Deps sparsity_deps_close(Deps d, int64_t n) {
  for (int64_t k = 1; k < n; k++)
    if (d.id[k] != d.id[0]) return d;
  d.same = true;
  return d;
}

void sparsity_deps_add(Search *p, Deps d, int64_t n) {
  for (int64_t k = 0; k < (d.same ? 1 : n); k++) sparsity_set_add(&p->sets, d.id[k]);
}

Deps sparsity_smear(SearchFrame *fr, const Inst *i) {
  sparsity_set_open(&fr->search->sets);
  for (uint32_t k = 0; k < i->nargs; k++) {
    Type t = ir_type(fr->f, ir_arg(fr->f, i, k));
    if (t.dt != DT_MULTI) sparsity_deps_add(fr->search, sparsity_deps_of(fr, i, k), type_count(t));
  }
  uint32_t all = sparsity_set_close(&fr->search->sets);
  return sparsity_deps_same(fr->search, all ? all : SET_NONE);
}

/* ---- functions ----------------------------------------------------------------------------------------------- */

static Deps no_derivative(SearchFrame *fr, const Inst *i) {
  (void)i;
  return sparsity_deps_same(fr->search, SET_NONE);
}

static SparsityRule *const rule[OP_count] = {
#define EW1(name, ...) [OP_##name] = sparsity_elementwise,
#define EW2(name, ...) [OP_##name] = sparsity_elementwise,
#define CMP(name, ...) [OP_##name] = no_derivative,
#define LOG(name, ...) [OP_##name] = no_derivative,
#define ST(name, ...) [OP_##name] = sparsity_##name,
#include "ir/ops.def"
};

/* What an operation costs beyond the elements of its result: rules that read much more than they write. */
static int64_t reads(const SearchFrame *fr, const Inst *i) {
  int64_t n = 0;
  if (i->op == OP_gather || i->op == OP_scatter) return type_count(ir_type(fr->f, ir_arg(fr->f, i, 0)));
  if (i->op == OP_trisolve || i->op == OP_solve)
    return sparsity_deps_of(fr, i, 0).same ? 0
                                           : type_count(ir_type(fr->f, ir_arg(fr->f, i, 0))) * type_count(i->type) / i->type.dim[0];
  if (i->op != OP_dot || sparsity_deps_of(fr, i, 0).same || sparsity_deps_of(fr, i, 1).same) return 0;
  n = type_count(ir_type(fr->f, ir_arg(fr->f, i, 0)));
  Type b = ir_type(fr->f, ir_arg(fr->f, i, 1));
  DotShape d = ir_dot_shape(fr->f, i);
  for (int k = 0; k < b.rank; k++)
    if (!ir_dot_has(&d, 0, d.label[1][k])) n *= b.dim[k];
  return n;
}

/* All elements of the result are alike if those of each operand are; but where zeros come in. */
static bool alike(const SearchFrame *fr, const Inst *i) {
  for (uint32_t k = 0; k < i->nargs; k++)
    if (ir_type(fr->f, ir_arg(fr->f, i, k)).dt == DT_MULTI || !sparsity_deps_of(fr, i, k).same) return false;
  return i->op != OP_unslice && i->op != OP_unwindow && i->op != OP_put && i->op != OP_diag && i->op != OP_tri;
}

bool sparsity_visit(SearchFrame *fr, uint32_t id) {
  Search *p = fr->search;
  const Inst *i = &fr->f->inst.at[id];
  bool multi = i->type.dt == DT_MULTI;
  p->sets.work += 1 + reads(fr, i);
  if (p->sets.work > p->limit || (!multi && type_count(i->type) > p->limit && !alike(fr, i))) return false;
  if (!multi) {
    fr->val[id] = rule[i->op](fr, i);
    return true;
  }
  uint32_t n = ir_result_count(fr->f, i);
  fr->result[id] = ARENA_ARRAY(p->mem, Deps, n + 1);
  if (i->op == OP_scan) return sparsity_loop(fr, i, fr->result[id]);
  for (uint32_t k = 0; k < n; k++) fr->result[id][k] = sparsity_smear(fr, i);
  return true;
}

SearchFrame sparsity_frame(Search *p, const Fn *f) {
  return (SearchFrame){p, f, ARENA_ARRAY(p->mem, Deps, f->inst.n), ARENA_ARRAY(p->mem, Deps *, f->inst.n)};
}

bool sparsity_run(Search *p, const Fn *f, const Deps *in, Deps *out) {
  SearchFrame fr = sparsity_frame(p, f);
  p->sets.work += f->inst.n;
  for (uint32_t id = 1; id < f->inst.n; id++) {
    const Inst *i = &f->inst.at[id];
    if (i->op == OP_in) fr.val[id] = in[ir_number(f, i)];
    else if (!sparsity_visit(&fr, id)) return false;
  }
  for (uint32_t k = 0; k < f->out.n; k++) out[k] = fr.val[f->out.at[k].id];
  return true;
}

/* ---- the region between x and e ------------------------------------------------------------------------------- */

bool *sparsity_cone(const Fn *f, Val e, Val x) {
  bool *need = base_zeroed(f->inst.n, sizeof *need);
  need[e.id] = true;
  for (uint32_t id = e.id; id > 0; id--)
    for (uint32_t k = 0; need[id] && id != x.id && k < f->inst.at[id].nargs; k++) need[ir_arg(f, &f->inst.at[id], k).id] = true;
  return need;
}

bool sparsity_rows(const Sets *s, Deps e, uint32_t rows, uint32_t most, Pattern *out) {
  uint32_t n, count = 0;
  for (uint32_t i = 0; i < rows && count <= most; i++) count += s->set.at[sparsity_deps_at(e, i)].n;
  if (count > most) return false;
  pattern_init(out, rows, s->ncol, count);
  for (uint32_t i = 0; i < rows; i++) {
    const uint32_t *col = sparsity_set_columns(s, sparsity_deps_at(e, i), &n);
    if (n) memcpy(out->col + out->start[i], col, n * sizeof *col);
    out->start[i + 1] = out->start[i] + n;
  }
  return true;
}

bool sparsity_walk(SearchFrame *fr, Val e, Val x) {
  Search *p = fr->search;
  bool *need = sparsity_cone(fr->f, e, x), ok = true;
  for (uint32_t id = 1; id <= e.id && ok; id++) {
    if (!need[id]) continue;
    if (id != x.id) {
      ok = sparsity_visit(fr, id);
      continue;
    }
    fr->val[id] = sparsity_deps_columns(p);
  }
  base_free(need);
  return ok;
}

bool sparsity_find(const Fn *f, Val e, Val x, SparsityEffort effort, Pattern *out) {
  Search p = {.mem = arena_create(), .limit = (int64_t)SPARSITY_WORK * effort};
  uint32_t rows = (uint32_t)type_count(ir_type(f, e)), cols = (uint32_t)type_count(ir_type(f, x));
  sparsity_set_init(&p.sets, cols);
  SearchFrame fr = sparsity_frame(&p, f);
  bool found = sparsity_walk(&fr, e, x) && sparsity_rows(&p.sets, fr.val[e.id], rows, SPARSITY_MOST * effort, out);
  sparsity_set_finish(&p.sets);
  arena_destroy(p.mem);
  return found;
}

/* ---- of functions with derivatives in them ---------------------------------------------------------------------- */

static Val take_input(Copy *c, uint32_t id, const Inst *i) {
  (void)id;
  return i->op == OP_in ? ir_input(c->b, NULL, IN_OTHER, 0, i->type) : VAL_NONE;
}

Fn *sparsity_function(const Fn *f, Val e, Val x) {
  Fn *g = ir_fn_create("pattern", f->f64);
  bool *need = sparsity_cone(f, e, x);
  Build b;
  Copy c;
  ir_build_init(&b, g);
  copy_begin(&c, &b, f, NULL);
  c.live = need;
  c.map[x.id] = ir_input(&b, NULL, IN_OTHER, 0, ir_type(f, x));
  copy_walk(&c, take_input);
  ir_output(&b, c.map[e.id], NULL);
  copy_end(&c);
  ir_build_finish(&b);
  base_free(need);
  return g;
}
