/* From a loss of one sample to the mean over a batch, and its gradient.
 *
 * The weight of a sample is 1/B, or 0 for padding: the only place where the size of the batch
 * enters a training step. The gradient stays an operator; derive expands it. */
#include "passes/pass.h"

#include <stdlib.h>

/* Inputs of the loss, then weight; writes the values of the inputs, returns sum(weight*loss). */
static Val emit_mean(Build *b, const Fn *loss, Val *args) {
  for (uint32_t k = 0; k < loss->in.n; k++) {
    const Input *in = &loss->in.at[k];
    args[k] = ir_input(b, in->name, in->kind, in->index, in->type);
  }
  Val weight = ir_input(b, "weight", IN_WEIGHT, 0, type_scalar(true));
  Val *out = base_realloc(NULL, sizeof *out * loss->out.n);
  ir_inline(b, loss, args, out);
  Val mean = ir_batch_sum(b, ir_mul(b, weight, ir_spread(b, out[0])));
  free(out);
  return mean;
}

static Val param(const Fn *loss, const Val *args, uint32_t number) {
  for (uint32_t k = 0; k < loss->in.n; k++)
    if (loss->in.at[k].kind == IN_PARAM && loss->in.at[k].index == number) return args[k];
  base_fault("the loss `%s` has no parameter %u", loss->name, number);
}

static Fn *build(const Fn *loss, const char *suffix, const uint32_t *moved, uint32_t nmoved) {
  if (loss->out.n < 1 || ir_type(loss, loss->out.at[0]).rank)
    base_fault("the loss `%s` is not a scalar", loss->name);
  Fn *f = ir_fn_create(loss->name, loss->f64);
  f->name = arena_printf(f->mem, "%s.%s", loss->name, suffix);
  Build b;
  ir_build_init(&b, f);
  Val *args = base_realloc(NULL, sizeof *args * (loss->in.n + 1));
  Val mean = emit_mean(&b, loss, args);
  ir_output(&b, mean, "loss");
  for (uint32_t k = 0; k < nmoved; k++) {
    Val p = param(loss, args, moved[k]);
    ir_output(&b, ir_grad(&b, mean, p), f->in.at[ir_attr(f, ir_inst(f, p), 0)].name);
  }
  free(args);
  ir_build_finish(&b);
  return f;
}

Fn *pass_gradient(const Fn *loss, const uint32_t *moved, uint32_t nmoved) {
  double start = pass_now();
  return pass_done("gradient", start, build(loss, "gradient", moved, nmoved));
}

Fn *pass_mean(const Fn *loss) {
  double start = pass_now();
  return pass_done("mean", start, build(loss, "mean", NULL, 0));
}
