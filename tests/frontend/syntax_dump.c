/* Prints the syntax tree of each file, then what was said about them; exit code 1 after an error. */
#include "frontend/syntax/ast.h"

#include <errno.h>
#include <string.h>

int main(int argc, char **argv) {
  Source *src = source_create();
  Interner *names = intern_create();
  Diag *diag = diag_create(src);
  for (int i = 1; i < argc; i++) {
    uint32_t file = source_load(src, argv[i]);
    if (!file) {
      fprintf(stderr, "%s: %s\n", argv[i], strerror(errno));
      return 2;
    }
    Ast *ast = ast_parse(src, file, names, diag);
    ast_print(stdout, ast);
    ast_destroy(ast);
  }
  diag_render(diag, stdout, false);
  int failed = diag_errors(diag) > 0;
  diag_destroy(diag);
  intern_destroy(names);
  source_destroy(src);
  return failed;
}
