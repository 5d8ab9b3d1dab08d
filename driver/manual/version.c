/* `hnnc --version`: everything that a report of a fault should name. */
#include "codegen/codegen.h"
#include "driver/commit.h"
#include "driver/manual/manual.h"
#include "frontend/syntax/ast.h"
#include "runtime/library/model.h"

void manual_version(FILE *out, struct argp_state *state) {
  (void)state;
  fprintf(out, "hnnc %s\n", HNNC_VERSION);
  fprintf(out, "language %d\n", FRONT_LANGUAGE);
  fprintf(out, "LLVM %s\n", cg_llvm().text);
  fprintf(out, "ABI of compiled libraries %d\n", HNN_ABI);
  fprintf(out, "commit %s\n", HNNC_COMMIT);
}
