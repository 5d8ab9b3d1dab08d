/* From a loss of one sample to the mean over a batch, and its gradient.
 *
 * The weight of a sample is 1/B, or 0 for padding: the only place where the size of the batch
 * enters a training step. The gradient stays an operator; derive expands it. */
#include "passes/train/train.h"

#include <stdlib.h>

/* Inputs of the loss, then weight, which a lowered loss has already; writes the values of the inputs and outputs,
 * returns sum(weight*loss). */
static Val emit_mean(Build *b, const Fn *loss, bool lowered, Val *args, Val *out) {
  for (uint32_t k = 0; k < loss->in.n; k++) {
    const Input *in = &loss->in.at[k];
    args[k] = ir_input(b, in->name, in->kind, in->index, in->type);
  }
  Val weight = lowered ? args[loss->in.n - 1] : ir_input(b, "weight", IN_WEIGHT, 0, type_scalar(true));
  ir_inline(b, loss, args, out);
  return ir_batch_sum(b, ir_mul(b, weight, ir_spread(b, out[0])));
}

static Val param(const Fn *loss, const Val *args, uint32_t number) {
  for (uint32_t k = 0; k < loss->in.n; k++)
    if (loss->in.at[k].kind == IN_PARAM && loss->in.at[k].index == number) return args[k];
  base_fault("the loss `%s` has no parameter %u", loss->name, number);
}

/* lowered: the means of the step, which means.c put behind the loss, come out too, if `means`. */
static Fn *build(const Fn *loss, const char *suffix, bool lowered, const uint32_t *moved, uint32_t nmoved, bool means) {
  if (loss->out.n < 1 || ir_type(loss, loss->out.at[0]).rank) base_fault("the loss `%s` is not a scalar", loss->name);
  Fn *f = ir_fn_create(loss->name, loss->f64);
  f->name = arena_printf(f->mem, "%s.%s", loss->name, suffix);
  Build b;
  ir_build_init(&b, f);
  Val *args = base_realloc(NULL, sizeof *args * (loss->in.n + 1)), *out = base_realloc(NULL, sizeof *out * loss->out.n);
  Val mean = emit_mean(&b, loss, lowered, args, out);
  ir_output(&b, mean, "loss");
  for (uint32_t k = 0; k < nmoved; k++) {
    Val p = param(loss, args, moved[k]);
    ir_output(&b, ir_grad(&b, mean, p), f->in.at[ir_number(f, ir_inst(f, p))].name);
  }
  for (uint32_t k = 1; means && k < loss->out.n; k++) ir_output(&b, out[k], loss->outname.at[k]);
  base_free(args);
  base_free(out);
  ir_build_finish(&b);
  return f;
}

Fn *train_mean(const Fn *loss, bool lowered) { return build(loss, "mean", lowered, NULL, 0, false); }

Fn *train_gradient(const Fn *loss, bool lowered, const uint32_t *moved, uint32_t nmoved) {
  return build(loss, "gradient", lowered, moved, nmoved, lowered);
}
