/* Fuzz target: any bytes as a model, through the elaborator and every pass, its claims decided. What comes out without
 * an error must verify before and after deriving; what it says about the bytes is free. */
#include "frontend/model.h"
#include "passes/passes.h"
#include "tests/fuzz/lower.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static FieldAnswer decide(void *ctx, const Fn *a, const Fn *b, FieldReport *r) {
  (void)ctx;
  if (ir_verify(a, stderr) || ir_verify(b, stderr)) abort();
  *r = (FieldReport){.reason = "too large"};
  Flops x = pass_flops(a), y = pass_flops(b);
  if (a->inst.n + b->inst.n > 150 || x.per_sample + x.once + y.per_sample + y.once > 20000) return FIELD_UNDECIDED;
  return pass_decide(NULL, a, b, r);
}

/* By the parameters that it has of those that are moved. */
static void lower_gradient(const Train *t, const Fn *loss, Diag *diag) {
  uint32_t *moved = calloc(t->nmoved + 1, sizeof *moved), n = 0;
  for (uint32_t k = 0; k < t->nmoved; k++)
    for (uint32_t i = 0; i < loss->in.n; i++)
      if (loss->in.at[i].kind == IN_PARAM && loss->in.at[i].index == t->moved[k]) moved[n++] = t->moved[k];
  Fn *gradient = pass_gradient(NULL, loss, moved, n, NULL, diag);
  if (gradient) lower(gradient, diag);
  ir_fn_destroy(gradient);
  free(moved);
}

static void lower_all(const Model *m, Diag *diag) {
  for (uint32_t i = 0; i < m->ndata; i++)
    if (m->data[i]->kind == DATA_PROGRAM) lower(m->data[i]->program, diag);
  for (uint32_t i = 0; i < m->nexport; i++) lower(m->export_[i].fn, diag);
  for (uint32_t i = 0; i < m->naction; i++) {
    const Action *a = &m->action[i];
    if (a->kind == DO_REPORT) lower(a->report->fn, diag);
    if (a->kind == DO_EXPECT) lower(a->expect->fn, diag);
    if (a->kind == DO_SAVE) lower(a->save->fn, diag);
    if (a->kind == DO_PLOT && a->plot->fn) lower(a->plot->fn, diag);
    if (a->kind == DO_PLOT && a->plot->grid) lower(a->plot->grid, diag);
    if (a->kind != DO_TRAIN) continue;
    for (uint32_t k = 0; k < a->train->nsum; k++) lower_gradient(a->train, a->train->sum[k].loss, diag);
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size > 1 << 16) return 0;
  char *text = NULL;
  size_t n = 0;
  FILE *out = open_memstream(&text, &n);
  Source *src = source_create();
  Diag *diag = diag_create(src);
  FrontOptions o = {.decide = decide, .ctx = diag};
  Model *m = model_load_text(src, "input.hnn", (const char *)data, size, &o, diag);
  if (!m && !diag_errors(diag)) abort();
  if (m) lower_all(m, diag);
  diag_render(diag, out, false);
  if (fclose(out) != 0) abort();
  free(text);
  model_destroy(m);
  diag_destroy(diag);
  source_destroy(src);
  return 0;
}
