/* For tests that write functions by hand: one is started, its inputs are named, and it is compared with the evaluator in the end. */
#ifndef HNNC_TESTS_COMMON_CODEGEN_CASE_H
#define HNNC_TESTS_COMMON_CODEGEN_CASE_H

#include "tests/common/codegen_util.h"

static inline void start(Build *b, bool f64) { ir_build_init(b, ir_fn_create("case", f64)); }

/* A field if it has lanes, else a parameter. */
static inline Val input(Build *b, bool lane, int rank, uint32_t a, uint32_t c, uint32_t d) {
  return ir_input(b, "x", lane ? IN_FIELD : IN_PARAM, b->f->in.n, type_real(lane, rank, (uint32_t[]){a, c, d}));
}

static inline void finish(Build *b, const char *cpu, int64_t B) {
  ir_build_finish(b);
  codegen_check(cpu, b->f, B, (uint64_t)B);
  codegen_check_form(cpu, CG_SINGLE, b->f, B, (uint64_t)B);
  ir_fn_destroy(b->f);
}

#endif
