/* Fuzz target: any bytes as a source file. The parser must come back with a tree that can be printed,
 * and with places inside the file; what it says about the bytes is free. Link with an engine
 * (clang -fsanitize=fuzzer) or with replay.c. */
#include "frontend/syntax/ast.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size > 8 << 20) return 0;
  char *text = NULL;
  size_t n = 0;
  FILE *out = open_memstream(&text, &n);
  Source *src = source_create();
  Interner *names = intern_create();
  Diag *diag = diag_create(src);
  uint32_t file = source_add(src, "input.hnn", (const char *)data, size);
  Ast *ast = ast_parse(src, file, names, diag);
  for (const Item *it = ast->first; it; it = it->next)
    if (it->at.file != file || it->at.begin > it->at.end || it->at.end > size) abort();
  ast_print(out, ast);
  diag_render(diag, out, true);
  if (fclose(out) != 0) abort();
  free(text);
  ast_destroy(ast);
  diag_destroy(diag);
  intern_destroy(names);
  source_destroy(src);
  return 0;
}
