/* Fuzz target for the text IR: any bytes are read or refused; what is read prints and reads back. */
#include <stdlib.h>
#include <string.h>

#include "ir/ir.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static Fn *parse(const char *text, size_t size) {
  Source *src = source_create();
  Diag *diag = diag_create(src);
  Fn *f = ir_parse(src, source_add(src, "fuzz.hir", text, size), diag);
  bool silent = !f && !diag_errors(diag);
  diag_destroy(diag);
  source_destroy(src);
  if (silent) abort();
  return f;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  Fn *f = parse((const char *)data, size);
  if (!f) return 0;
  char *text = ir_text(f);
  Fn *g = parse(text, strlen(text));
  if (!g) abort();
  char *again = ir_text(g);
  if (strcmp(text, again)) abort();
  base_free(text);
  base_free(again);
  ir_fn_destroy(f);
  ir_fn_destroy(g);
  return 0;
}
