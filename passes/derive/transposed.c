/* Reverse mode is the transpose of forward mode, on the very graph that is about to be derived (check.h). */
#include "passes/check/check.h"
#include "passes/derive/derive_priv.h"

#include <stdlib.h>
#include <string.h>

typedef struct Both {
  Build b;
  Val *map;
  VEC(Val) by[2]; /* <v, J u> by forward and by reverse mode */
} Both;

static Val dot(Both *l, Val x, Val y, bool lane) {
  Val v = ir_sum_all(&l->b, ir_mul(&l->b, x, y));
  return !lane && ir_type(l->b.f, v).lane ? ir_batch_sum(&l->b, v) : v;
}

/* <v, J u> for the derivative J of e by x, in each sample or over all. False after an error. */
static bool both_modes(Both *l, Val e, Val x) {
  Build *b = &l->b;
  Type te = ir_type(b->f, e);
  Val u = ir_input(b, NULL, IN_OTHER, 0, ir_type(b->f, x)), v = ir_input(b, NULL, IN_OTHER, 0, te);
  Val zero = ir_splat(b, 0, type_scalar(te.lane)), t = VAL_NONE, reverse = zero;
  Diag *diag = diag_create(NULL);
  Seed seed = {.v = e};
  Cot c;
  Region r;
  seed.cot.part[te.lane ? EACH : WHOLE] = v;
  region_init(&r, b->f, b, diag);
  bool ok = jvp_sweep(&r, &x, &u, 1, &e, 1, &t) && vjp_sweep(&r, te.lane ? VJP_SAMPLE : VJP_TOTAL, NULL, &seed, 1, &x, 1, &c);
  region_finish(&r);
  diag_destroy(diag);
  if (!ok) return false;
  for (int p = EACH; p <= WHOLE; p++)
    if (c.part[p].id) reverse = ir_add(b, reverse, dot(l, c.part[p], u, te.lane));
  Val forward = t.id ? ir_add(b, zero, dot(l, v, t, te.lane)) : zero;
  *vec_push(&l->by[0]) = forward;
  *vec_push(&l->by[1]) = pass_with_lane(b, reverse, ir_type(b->f, forward).lane);
  return true;
}

/* A copy of g with these outputs alone. */
static Fn *with_outputs(const Fn *g, const Val *out, uint32_t n) {
  Fn *copy = ir_copy_fn(NULL, g), *trimmed;
  Build b;
  ir_build_init(&b, copy);
  copy->out.n = copy->outname.n = 0;
  for (uint32_t k = 0; k < n; k++) ir_output(&b, out[k], NULL);
  ir_build_finish(&b);
  Val *in = base_realloc(NULL, sizeof *in * (g->in.n + 1)), *of = base_realloc(NULL, sizeof *of * (n + 1));
  trimmed = check_inputs(&b, copy, in); /* inlining drops what is dead */
  ir_inline(&b, copy, in, of);
  for (uint32_t k = 0; k < n; k++) ir_output(&b, of[k], NULL);
  ir_build_finish(&b);
  ir_fn_destroy(copy);
  base_free(in);
  base_free(of);
  return trimmed;
}

void derive_check(PassRun *run, const Fn *f, const bool *ready) {
  if (!check_wanted(run)) return;
  Both l = {.map = NULL};
  Val *in = base_realloc(NULL, sizeof *in * (f->in.n + 1));
  Fn *g = check_inputs(&l.b, f, in);
  bool ok = true;
  l.b.fold = l.b.number = true;
  l.map = base_zeroed(f->inst.n, sizeof *l.map);
  for (uint32_t id = 1; id < f->inst.n && ok; id++) {
    const Inst *i = &f->inst.at[id];
    bool whole = !ir_has(i->op, OPF_DERIV);
    for (uint32_t k = 0; k < i->nargs; k++) whole = whole && l.map[ir_arg(f, i, k).id].id;
    if (i->op == OP_in) l.map[id] = in[ir_number(f, i)];
    else if (whole) l.map[id] = ir_copy_inst(&l.b, f, (Val){id}, l.map);
    else if (ready[id] && l.map[ir_arg(f, i, 0).id].id && l.map[ir_arg(f, i, 1).id].id)
      ok = both_modes(&l, l.map[ir_arg(f, i, 0).id], l.map[ir_arg(f, i, 1).id]);
  }
  ir_build_finish(&l.b);
  if (ok && l.by[0].n && check_affordable(run, g)) {
    Fn *forward = with_outputs(g, l.by[0].at, l.by[0].n), *reverse = with_outputs(g, l.by[1].at, l.by[1].n);
    check_compare(run, "derive", forward, reverse, "v.Ju by forward mode", "v.Ju by reverse mode");
    ir_fn_destroy(forward);
    ir_fn_destroy(reverse);
  }
  vec_free(&l.by[0]);
  vec_free(&l.by[1]);
  base_free(l.map);
  base_free(in);
  ir_fn_destroy(g);
}
