/* Loops over samples that make shared results too (split_priv.h). */
#include "passes/split/split_priv.h"

#include <stdlib.h>
#include <string.h>

bool split_has_lanes(const Fn *f) {
  for (uint32_t id = 1; id < f->inst.n; id++) {
    const Inst *i = &f->inst.at[id];
    if ((i->type.dt != DT_MULTI && i->type.lane) || ir_sums_batch(f, i)) return true;
    if (i->sub && split_has_lanes(ir_body(f, i))) return true;
  }
  return false;
}

void split_summed(const Fn *body, bool *out) {
  bool *sum = base_zeroed(body->inst.n, sizeof *sum), **from = base_zeroed(body->inst.n, sizeof *from);
  for (uint32_t id = 1; id < body->inst.n; id++) {
    const Inst *i = &body->inst.at[id];
    sum[id] = ir_sums_batch(body, i);
    if (i->op == OP_proj) {
      const bool *results = from[ir_arg(body, i, 0).id];
      if (!results) continue;
      sum[id] = results[ir_number(body, i)];
    }
    if (i->op == OP_scan) { /* once, however many of its results are read */
      from[id] = base_zeroed(ir_body(body, i)->out.n, sizeof **from);
      split_summed(ir_body(body, i), from[id]);
    }
    for (uint32_t k = 0; k < i->nargs && i->type.dt != DT_MULTI; k++) sum[id] |= sum[ir_arg(body, i, k).id];
  }
  for (uint32_t k = 0; k < body->out.n; k++) out[k] = sum[body->out.at[k].id];
  for (uint32_t id = 1; id < body->inst.n; id++) base_free(from[id]);
  base_free(from);
  base_free(sum);
}

/* By result: it is shared and no sum. NULL unless both kinds of results are there. */
static bool *plain_results(const Fn *body) {
  bool *plain = base_zeroed(body->out.n, sizeof *plain);
  uint32_t n = 0;
  split_summed(body, plain);
  for (uint32_t k = 0; k < body->out.n; k++) n += plain[k] = !plain[k] && !ir_type(body, body->out.at[k]).lane;
  if (n && n < body->out.n) return plain;
  base_free(plain);
  return NULL;
}

typedef struct Unmix {
  Val *second;  /* by id of a loop that there are two of: the other one, */
  bool **plain; /* and which results are taken from it */
} Unmix;

static Fn *unmix(Fn *parent, const Fn *f);

static Val unmix_inst(Copy *c, uint32_t id, const Inst *i) {
  Unmix *u = c->ctx;
  const Fn *f = c->from, *body = ir_body(f, i);
  if (i->op == OP_proj) {
    const uint32_t loop = ir_arg(f, i, 0).id;
    const bool other = u->second[loop].id && u->plain[loop][ir_number(f, i)];
    return other ? ir_proj(c->b, u->second[loop], ir_number(f, i)) : VAL_NONE;
  }
  if (i->op != OP_scan || !split_has_lanes(body)) return VAL_NONE;
  Val first = copy_body(c, i, unmix(c->b->f, body));
  u->plain[id] = plain_results(body);
  if (u->plain[id]) u->second[id] = copy_body(c, i, unmix(c->b->f, body));
  return first;
}

static Fn *unmix(Fn *parent, const Fn *f) {
  Fn *g = parent ? ir_sub_create(parent, f->name) : ir_fn_create(f->name, f->f64);
  Unmix u = {base_zeroed(f->inst.n, sizeof *u.second), base_zeroed(f->inst.n, sizeof *u.plain)};
  Build b;
  Copy c;
  ir_build_init(&b, g);
  b.fold = b.number = false;
  copy_begin(&c, &b, f, &u);
  copy_inputs(&c);
  copy_walk(&c, unmix_inst);
  copy_outputs(&c);
  copy_end(&c);
  ir_build_finish(&b);
  for (uint32_t id = 1; id < f->inst.n; id++) base_free(u.plain[id]);
  base_free(u.plain);
  base_free(u.second);
  return g;
}

Fn *split_unmix(const Fn *f) { return unmix(NULL, f); }
