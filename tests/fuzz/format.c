/* Fuzz target: any bytes as a source file. What has no syntax error is laid out: that is the same tree, and stays as it is when it is
 * laid out again; so is the text with other blanks between its tokens. */
#include "frontend/format/format.h"
#include "frontend/syntax/ast.h"
#include "frontend/syntax/lexemes.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct Trial {
  Source *src;
  Interner *names;
  Diag *diag;
  Arena *mem;
} Trial;

static char *tree(Trial *t, uint32_t file) {
  char *text = NULL;
  size_t n = 0;
  FILE *out = open_memstream(&text, &n);
  Ast *ast = ast_parse(t->src, file, t->names, t->diag);
  ast_print(out, ast);
  ast_destroy(ast);
  return fclose(out) ? NULL : text;
}

/* But for blanks and semicolons in what is quoted of a file. */
static bool alike(const char *a, const char *b) {
  for (;; a++, b++) {
    a += strspn(a, " ;"), b += strspn(b, " ;");
    if (*a != *b) return false;
    if (!*a) return true;
  }
}

static const char *laid_out(Trial *t, const char *text, size_t n, uint32_t *file, size_t *len) {
  *file = source_add(t->src, "input.hnn", text, n);
  return format_text(t->src, *file, t->mem, t->diag, len);
}

static void stable(Trial *t, const char *text, size_t n) {
  uint32_t file;
  size_t len;
  const char *again = laid_out(t, text, n, &file, &len);
  if (!again || len != n || memcmp(again, text, n))
    fprintf(stderr, "not stable:\n%s\nthen\n%s\n", text, again ? again : "errors"), abort();
}

/* The same tokens with other blanks within lines, where there are any, and around what stands in parentheses. */
static const char *shaken(Trial *t, uint32_t file, size_t *len) {
  uint32_t n, at = 0, seed = 1;
  const SourceFile *f = source_file(t->src, file);
  const Lexeme *l = lexemes_read(t->src, file, t->names, t->mem, t->diag, &n);
  char *out = arena_alloc(t->mem, f->len + 4 * (size_t)n + 8), *to = out;
  for (uint32_t k = 0; k < n; at = l[k++].end) {
    const bool line = memchr(f->text + at, '\n', l[k].begin - at), gap = l[k].begin > at;
    if (line) memcpy(to, f->text + at, l[k].begin - at), to += l[k].begin - at;
    seed = seed * 1664525 + 1013904223;
    for (uint32_t b = (gap || (k && l[k - 1].kind == LEX_OPENER)) + (seed >> 24) % 3; gap && b; b--) *to++ = ' ';
    memcpy(to, f->text + l[k].begin, l[k].end - l[k].begin);
    to += l[k].end - l[k].begin;
  }
  *to++ = '\n';
  *len = (size_t)(to - out);
  return out;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size > 1 << 20) return 0;
  Trial t = {source_create(), intern_create(), NULL, arena_create()};
  t.diag = diag_create(t.src);
  uint32_t file, other;
  size_t n, moved_n;
  const char *text = laid_out(&t, (const char *)data, size, &file, &n);
  if (text) {
    char *a = tree(&t, file), *b = tree(&t, source_add(t.src, "input.hnn", text, n));
    if (!a || !b || !alike(a, b)) fprintf(stderr, "another tree:\n%s\nthen\n%s\n", a, b), abort();
    free(a), free(b);
    stable(&t, text, n);
    const char *moved = shaken(&t, file, &moved_n);
    const char *made = laid_out(&t, moved, moved_n, &other, &n);
    if (made) stable(&t, made, n);
  }
  arena_destroy(t.mem);
  diag_destroy(t.diag);
  intern_destroy(t.names);
  source_destroy(t.src);
  return 0;
}
