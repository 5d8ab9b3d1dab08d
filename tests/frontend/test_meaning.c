/* Changes of meaning, by rows of this test: which meaning holds, and what is told, for files of each version in a language of each. */
#include "frontend/syntax/ast.h"
#include "frontend/syntax/meaning.h"

#include "tests/common/cunit_main.h"

#include <stdlib.h>
#include <string.h>

static const Meaning row = {2, "0.3", "`a ? b`", "the one", "the other", "`b ! a`"};
static const char text[] = "const a = x ? y\n";

typedef struct Case {
  int said, now; /* version of the file, 0: none; of the language */
  bool changed;
  const char *level; /* NULL: nothing is told */
  const char *means, *help;
} Case;

static const Case cases[] = {
  {0, 1, false, "warning[meaning]", "will mean the other from version 2 of the language on", "`y ! x` here means the one"},
  {1, 1, false, "warning[meaning]", "will mean the other from version 2 of the language on", "`y ! x` here means the one"},
  {0, 2, true, "warning[meaning]", "means the other from version 2 of the language on",
   "a file with the line `language 2` means the new thing"},
  {1, 2, true, "error[language]", "and the file is written for version 1", "if the new thing is meant, the file says `language 2`"},
  {2, 2, true, NULL, NULL, NULL},
  {3, 3, true, NULL, NULL, NULL},
  {1, 3, true, "error[language]", "and the file is written for version 1", "`y ! x` here means the one"},
};

static void test_rows(void) {
  for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
    const Case *c = &cases[k];
    Source *src = source_create();
    Diag *d = diag_create(src);
    const uint32_t file = source_add(src, "f.hnn", text, sizeof text - 1);
    source_says_language(src, file, c->said);
    CU_ASSERT(meaning_tell(d, src, &row, c->now, (Span){file, 10, 15}, "y ! x") == c->changed);
    char *shown = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&shown, &n);
    diag_render(d, out, false);
    fclose(out);
    CU_ASSERT((c->level == NULL) == (n == 0));
    if (c->level) {
      CU_ASSERT(strncmp(shown, c->level, strlen(c->level)) == 0);
      CU_ASSERT(strstr(shown, c->means) != NULL);
      CU_ASSERT(strstr(shown, c->help) != NULL);
      CU_ASSERT(strstr(shown, "f.hnn:1:11") != NULL);
      CU_ASSERT(strstr(shown, "means the one") != NULL);
    }
    CU_ASSERT(diag_errors(d) == (c->level && *c->level == 'e'));
    free(shown);
    diag_destroy(d);
    source_destroy(src);
  }
}

/* What a file says is known of its text; parts of the compiler and what was written for one call are of this version. */
static void test_files(void) {
  static const struct {
    const char *name, *text;
    bool asked;
    int version;
  } files[] = {{"a.hnn", "const n = 1\n", false, 0},
               {"a.hnn", "# first\nlanguage 1\nconst n = 1\n", false, 1},
               {"a.hnn", "language 99\n", false, 0},
               {"<stdin>", "const n = 1\n", false, 0},
               {"<std/nets.hnn>", "const n = 1\n", false, FRONT_LANGUAGE},
               {"asked", "1 + 1", true, FRONT_LANGUAGE}};
  for (size_t k = 0; k < sizeof files / sizeof *files; k++) {
    Source *src = source_create();
    Diag *d = diag_create(src);
    Interner *names = intern_create();
    const uint32_t file = source_add(src, files[k].name, files[k].text, strlen(files[k].text));
    ast_destroy(files[k].asked ? ast_parse_asked(src, file, names, d) : ast_parse(src, file, names, d));
    CU_ASSERT_EQUAL(source_file(src, file)->language, files[k].version);
    intern_destroy(names);
    diag_destroy(d);
    source_destroy(src);
  }
}

/* A row of the table is of a version that may come next, at most. */
static void test_table(void) {
  static const Meaning rows[] = {
#define MEANING(name, version, release, form, was, is, write) {version, release, form, was, is, write},
#include "frontend/syntax/meanings.def"
#undef MEANING
  };
  for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) CU_ASSERT(rows[k].version >= 1 && rows[k].version <= FRONT_LANGUAGE + 1);
}

const Suite suite = {"meaning",
                     (CU_TestInfo[]){{"rows", test_rows}, {"files", test_files}, {"table", test_table}, CU_TEST_INFO_NULL}};
