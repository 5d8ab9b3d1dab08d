/* The function `f` of a program, derived, and its values by the evaluator and as generated code. */
#ifndef HNNC_TESTS_COMMON_MODEL_FN_H
#define HNNC_TESTS_COMMON_MODEL_FN_H

#include "tests/common/codegen_util.h"
#include "frontend/model.h"
#include "passes/jets/jets.h"
#include "passes/passes.h"
#include "runtime/runtime.h"

#include <CUnit/Basic.h>
#include <string.h>

typedef struct Program {
  Source *src;
  Diag *diag;
  Model *m;
  Fn *f;
} Program;

static inline Program program(const char *text) {
  Program p = {.src = source_create()};
  p.diag = diag_create(p.src);
  FrontOptions o = {0};
  p.m = model_load_text(p.src, "test.hnn", text, strlen(text), &o, p.diag);
  for (uint32_t k = 0; p.m && k < p.m->nexport; k++)
    if (!strcmp(p.m->export_[k].name, "f")) p.f = pass_derive(NULL, p.m->export_[k].fn, p.diag);
  if (p.f) {
    Fn *with_series = pass_jets(NULL, p.f, p.diag);
    ir_fn_destroy(p.f);
    p.f = with_series;
  }
  if (!p.f) diag_render(p.diag, stderr, false);
  CU_ASSERT_PTR_NOT_NULL_FATAL(p.f);
  return p;
}

static inline void drop(Program *p) {
  ir_fn_destroy(p->f);
  model_destroy(p->m);
  diag_destroy(p->diag);
  source_destroy(p->src);
}

/* Argument k of sample s is in[k][element*B + s]; out as the evaluator gives it. */
static inline void run(const Program *p, int64_t B, double *const *in, Tensor *out) {
  Tensor x[8];
  char err[256] = "";
  for (uint32_t k = 0; k < p->f->in.n; k++) x[k] = (Tensor){p->f->in.at[k].type, in[k]};
  bool ok = ir_eval(p->f, B, x, out, &(EvalEnv){.ode = rt_ode}, err, sizeof err);
  if (!ok) fprintf(stderr, "%s\n", err);
  CU_ASSERT_TRUE_FATAL(ok);
}

/* How far generated code is from the evaluator. */
static inline double compiled(const char *text, int64_t B, double *const *in) {
  Program g = program(text);
  Cg *cg = codegen_start(NULL, NULL);
  char err[256] = "";
  Fn *f = pass_simplify(NULL, g.f);
  Tensor x[8];
  for (uint32_t k = 0; k < f->in.n; k++) x[k] = (Tensor){f->in.at[k].type, in[k]};
  cg_add(cg, f, "f");
  bool ok = cg_compile(cg, err, sizeof err);
  if (!ok) fprintf(stderr, "%s\n", err);
  CU_ASSERT_TRUE_FATAL(ok);
  double off = codegen_difference(cg, f, "f", B, x, false);
  cg_destroy(cg);
  ir_fn_destroy(f);
  drop(&g);
  return off;
}

#endif
