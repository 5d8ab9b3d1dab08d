/* Does a value depend on others by way of a section? It has no derivative.
 * Loops are followed input by input, so that a trajectory beside the dependence does no harm. Of what is
 * elaborated, only a section holds loops that run to convergence. */
#include "frontend/builtin/builtin.h"

#include <stdlib.h>
#include <string.h>

enum { REACHED = 1, BY_SECTION = 2 };

static void follow(const Fn *f, const uint8_t *in, const bool *from, uint8_t *at);

static uint8_t outputs(const Fn *body, const uint8_t *in, uint8_t *each) {
  uint8_t *at = base_realloc(NULL, body->inst.n), all = 0;
  follow(body, in, NULL, at);
  for (uint32_t k = 0; k < body->out.n; k++) all |= at[body->out.at[k].id], each[k] |= at[body->out.at[k].id];
  base_free(at);
  return all;
}

/* A loop's state feeds back into it, until nothing new is reached. */
static uint8_t loop(const Fn *f, const Inst *i, const uint8_t *at, uint32_t states) {
  const Fn *body = ir_body(f, i);
  uint8_t *in = base_realloc(NULL, body->in.n + 1), *out = base_realloc(NULL, body->out.n + 1), all = 0, before;
  memset(in, 0, body->in.n + 1);
  memset(out, 0, body->out.n + 1);
  for (uint32_t k = 0; k < i->nargs && k < body->in.n; k++) in[k] = at[ir_arg(f, i, k).id];
  do {
    before = all;
    all = outputs(body, in, out);
    for (uint32_t k = 0; k < states && k < body->out.n; k++) in[k] |= out[k], all |= in[k];
  } while (all != before);
  base_free(in);
  base_free(out);
  return all;
}

static uint8_t through(const Fn *f, const Inst *i, const uint8_t *at) {
  uint8_t any = 0;
  if (i->op == OP_stop || i->op == OP_fixed) return 0; /* a constant to every derivative */
  for (uint32_t k = 0; k < i->nargs; k++) any |= at[ir_arg(f, i, k).id];
  if (i->op == OP_scan && ir_scan_shape(f, i).converge) return any ? any | REACHED | BY_SECTION : 0;
  if (i->op == OP_scan) return loop(f, i, at, ir_scan_shape(f, i).carry);
  if (i->op == OP_integrate) return any | loop(f, i, at, (uint32_t)ir_integrate_attr(f, i).states);
  return any;
}

static void follow(const Fn *f, const uint8_t *in, const bool *from, uint8_t *at) {
  uint32_t first = 1;
  while (from && first < f->inst.n && !from[first]) first++; /* nothing before is reached */
  memset(at, 0, first);
  for (uint32_t id = first; id < f->inst.n; id++) {
    const Inst *i = &f->inst.at[id];
    at[id] = through(f, i, at);
    if (in && i->op == OP_in) at[id] = in[ir_number(f, i)];
    if (from && from[id]) at[id] = REACHED;
  }
}

const char *elab_no_derivative(const Fn *f, Val e, const bool *from) {
  uint8_t *at = base_realloc(NULL, f->inst.n);
  follow(f, NULL, from, at);
  uint8_t by = at[e.id];
  base_free(at);
  return by & BY_SECTION ? "the crossing of a surface, which has no derivative" : NULL;
}
