/* `hnnc explain CODE`: the page of a kind of diagnostic, a section of docs/codes.md, which is built in. `hnnc explain` lists them. */
#include "driver/commands/commands_priv.h"

#include <stdlib.h>
#include <string.h>

const char *codes_text(const char *name, size_t *len); /* made by tools/embed.c */

static int list(void) {
  static const char *const head[] = {
    [DIAG_ERROR] = "Errors", [DIAG_WARNING] = "Warnings (`--no-warn=NAME`, or `# allow: NAME` in the file)"};
  for (int level = DIAG_ERROR; level <= DIAG_WARNING; level++) {
    printf("%s%s\n\n", level ? "\n" : "", head[level]);
    for (int c = 0; c < DIAG_CODES; c++)
      if ((int)diag_code_level((DiagCode)c) == level)
        printf("  %-22s %s\n", diag_code_name((DiagCode)c), diag_code_title((DiagCode)c));
  }
  printf("\n`hnnc explain NAME` explains one of them.\n");
  return 0;
}

/* The text below the heading `## name`, up to the next one. */
static const char *section(const char *name, size_t *len) {
  size_t all;
  const char *text = codes_text("codes", &all);
  char *head = base_realloc(NULL, strlen(name) + 16);
  sprintf(head, "\n## %s\n", name);
  const char *at = strstr(text, head);
  if (at) at += strlen(head);
  base_free(head);
  const char *end = at ? strstr(at, "\n## ") : NULL;
  *len = end ? (size_t)(end - at) : at ? strlen(at) : 0;
  return at;
}

/* Whether the command line is part of some program: its fence has a name=value. */
static bool named(const char *text, size_t len) {
  for (const char *at = text; (at = strstr(at, "```hnn")) && at < text + len; at += 3)
    if (memchr(at, '=', strcspn(at, "\n"))) return true;
  return false;
}

/* What stands above a program, by its fence: "```hnn fails n=5". commands: with the command line that it is given to. */
static void print_head(const char *fence, int n, bool commands) {
  const bool fails = !strncmp(fence, "```hnn fails", 12);
  const int skip = fails ? 12 : 6;
  if (!strncmp(fence, "```csv ", 7)) printf("A file beside it:\n");
  else if (!commands) printf(fails ? "This causes it:\n" : "Corrected:\n");
  else printf("%s, by `hnnc check FILE%.*s`:\n", fails ? "This causes it" : "Corrected", n > skip ? n - skip : 0, fence + skip);
}

/* Programs are set in by four blanks; their fences say what they show. */
static void print_page(const char *text, size_t len, bool commands) {
  bool program = false;
  while (len && *text == '\n') text++, len--;
  for (const char *end = text + len; text < end;) {
    const char *stop = memchr(text, '\n', (size_t)(end - text));
    const int n = (int)((stop ? stop : end) - text);
    if (n >= 3 && !memcmp(text, "```", 3)) {
      program = !program;
      if (program) print_head(text, n, commands);
    } else printf("%s%.*s\n", program && n ? "    " : "", n, text);
    text += n + 1;
  }
}

static const char *nearest(const char *name) {
  const char *names[DIAG_CODES];
  for (int c = 0; c < DIAG_CODES; c++) names[c] = diag_code_name((DiagCode)c);
  return diag_nearest(name, names, DIAG_CODES);
}

int command_explain(const Options *o) {
  DiagCode code;
  size_t len;
  if (!o->file) return list();
  if (!diag_code_find(o->file, &code)) {
    const char *near = nearest(o->file);
    if (near) fprintf(stderr, "hnnc explain: there is no `%s`: did you mean `%s`?\n", o->file, near);
    else fprintf(stderr, "hnnc explain: there is no `%s`; `hnnc explain` lists all\n", o->file);
    return EXIT_USAGE;
  }
  const char *page = section(o->file, &len);
  if (!page) base_fault("docs/codes.md has no page `%s`", o->file);
  printf("%s[%s]: %s\n\n", diag_level_name(diag_code_level(code)), o->file, diag_code_title(code));
  print_page(page, len, named(page, len));
  return 0;
}
