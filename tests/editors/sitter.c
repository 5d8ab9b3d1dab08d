/* What tree-sitter makes of programs by editors/tree-sitter-hnn: sitter [--tree | --query FILE] PROGRAM ...
 *   (no option)   PROGRAM:LINE for each that has an error or lacks a token; exit code 1 if one has
 *   --tree        each tree, as `tree-sitter parse` writes it
 *   --query FILE  `== PROGRAM`, then a line `BEGIN END NAME` for each capture, in the order of the text, the predicates kept
 * Predicates: any-of?, not-any-of?, eq? of a capture and a string. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tree_sitter/api.h>

const TSLanguage *tree_sitter_hnn(void);

static char *read_whole(const char *path, uint32_t *n) {
  FILE *f = fopen(path, "rb");
  char *text = NULL;
  size_t size = 0;
  FILE *out = open_memstream(&text, &size);
  for (int c; f && out && (c = getc(f)) != EOF;) putc(c, out);
  if (!f || !out || fclose(f) || fclose(out)) fprintf(stderr, "sitter: %s cannot be read\n", path), exit(2);
  *n = (uint32_t)size;
  return text;
}

/* The first place that is wrong, as a node; a null node: none. */
static TSNode wrong(TSNode of) {
  if (!strcmp(ts_node_type(of), "ERROR") || ts_node_is_missing(of)) return of;
  for (uint32_t k = 0; k < ts_node_child_count(of); k++) {
    TSNode child = ts_node_child(of, k);
    if (!ts_node_has_error(child) && !ts_node_is_missing(child)) continue;
    TSNode found = wrong(child);
    if (!ts_node_is_null(found)) return found;
  }
  return (TSNode){.id = NULL};
}

static bool is_text(const char *text, TSNode node, const char *word) {
  const uint32_t begin = ts_node_start_byte(node), n = ts_node_end_byte(node) - begin;
  return strlen(word) == n && !memcmp(text + begin, word, n);
}

static const char *string_of(const TSQuery *q, uint32_t id) {
  uint32_t n;
  return ts_query_string_value_for_id(q, id, &n);
}

static bool holds(const TSQuery *q, const TSQueryMatch *m, const char *text, const TSQueryPredicateStep *step, uint32_t n) {
  const char *name = string_of(q, step[0].value_id);
  const bool negated = !strncmp(name, "not-", 4);
  if (!strcmp(name, "set!")) return true;
  if (strcmp(name + (negated ? 4 : 0), "any-of?") && strcmp(name, "eq?")) fprintf(stderr, "sitter: predicate #%s\n", name), exit(2);
  for (uint16_t c = 0; c < m->capture_count; c++) {
    if (m->captures[c].index != step[1].value_id) continue;
    bool any = false;
    for (uint32_t k = 2; k < n; k++) any |= is_text(text, m->captures[c].node, string_of(q, step[k].value_id));
    if (any == negated) return false;
  }
  return true;
}

static bool all_hold(const TSQuery *q, const TSQueryMatch *m, const char *text) {
  uint32_t n, begin = 0;
  const TSQueryPredicateStep *step = ts_query_predicates_for_pattern(q, m->pattern_index, &n);
  for (uint32_t k = 0; k < n; k++) {
    if (step[k].type != TSQueryPredicateStepTypeDone) continue;
    if (!holds(q, m, text, step + begin, k - begin)) return false;
    begin = k + 1;
  }
  return true;
}

static void captures(const TSQuery *q, TSNode root, const char *text) {
  TSQueryCursor *cursor = ts_query_cursor_new();
  TSQueryMatch m;
  uint32_t which, n;
  ts_query_cursor_exec(cursor, q, root);
  while (ts_query_cursor_next_capture(cursor, &m, &which)) {
    const TSQueryCapture c = m.captures[which];
    if (all_hold(q, &m, text))
      printf("%u %u %s\n", ts_node_start_byte(c.node), ts_node_end_byte(c.node), ts_query_capture_name_for_id(q, c.index, &n));
  }
  ts_query_cursor_delete(cursor);
}

static TSQuery *query_of(const char *path) {
  uint32_t n, at;
  TSQueryError error;
  char *text = read_whole(path, &n);
  TSQuery *q = ts_query_new(tree_sitter_hnn(), text, n, &at, &error);
  if (!q) fprintf(stderr, "sitter: %s has error %d at byte %u: %.30s\n", path, (int)error, at, text + at), exit(2);
  free(text);
  return q;
}

int main(int argc, char **argv) {
  const bool tree = argc > 1 && !strcmp(argv[1], "--tree");
  TSQuery *query = argc > 2 && !strcmp(argv[1], "--query") ? query_of(argv[2]) : NULL;
  TSParser *parser = ts_parser_new();
  bool all = true;
  if (!ts_parser_set_language(parser, tree_sitter_hnn())) return fprintf(stderr, "sitter: the parser is of another version\n"), 2;
  for (int k = tree ? 2 : query ? 3 : 1; k < argc; k++) {
    uint32_t n;
    char *text = read_whole(argv[k], &n);
    TSTree *parsed = ts_parser_parse_string(parser, NULL, text, n);
    const TSNode root = ts_tree_root_node(parsed), bad = wrong(root);
    if (tree) {
      char *s = ts_node_string(root);
      printf("%s\n", s);
      free(s);
    } else if (query) {
      printf("== %s\n", argv[k]);
      captures(query, root, text);
    } else if (!ts_node_is_null(bad)) {
      const uint32_t at = ts_node_start_byte(bad);
      printf("%s:%u: %.*s\n", argv[k], ts_node_start_point(bad).row + 1, (int)strcspn(text + at, "\n"), text + at);
      all = false;
    }
    ts_tree_delete(parsed);
    free(text);
  }
  ts_parser_delete(parser);
  if (query) ts_query_delete(query);
  return all ? 0 : 1;
}
