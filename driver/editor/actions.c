/* Mends that help lines propose. A proposal is made of what the line quotes; it is offered if with it the message goes away and no other
 * error comes, which the compiler is asked. */
#include "driver/editor/server_priv.h"
#include "ir/base/diag.h"

#include <stdlib.h>
#include <string.h>

typedef struct Edit {
  uint32_t begin, end;
  char *with;
} Edit;

static char *edited(const Doc *d, const Edit *e, size_t *len) {
  const size_t n = strlen(e->with);
  char *text = base_realloc(NULL, d->len - (e->end - e->begin) + n + 1);
  memcpy(text, d->text, e->begin);
  memcpy(text + e->begin, e->with, n);
  memcpy(text + e->begin + n, d->text + e->end, d->len - e->end + 1);
  *len = d->len - (e->end - e->begin) + n;
  return text;
}

static bool mends(Server *s, Doc *d, const Analysis *a, const Edit *e) {
  size_t len;
  char *text = edited(d, e, &len);
  Analysis *b = analysis_make(s, d, text, len);
  const bool ok = b && !b->broken &&
                  diag_errors(b->s.diag) + diag_warnings(b->s.diag) < diag_errors(a->s.diag) + diag_warnings(a->s.diag) &&
                  diag_errors(b->s.diag) <= diag_errors(a->s.diag);
  analysis_drop(b);
  base_free(text);
  return ok;
}

/* The k-th text in backquotes of a help line; false: there are fewer. */
static bool quoted(const char *help, int k, const char **at, size_t *n) {
  for (const char *c = strchr(help, '`'); c; c = strchr(c + *n + 2, '`')) {
    const char *end = strchr(c + 1, '`');
    if (!end) return false;
    *at = c + 1, *n = (size_t)(end - c - 1);
    if (k-- == 0) return true;
    if (!end[1]) return false;
  }
  return false;
}

static uint32_t line_begin(const Doc *d, uint32_t at) {
  while (at && d->text[at - 1] != '\n') at--;
  return at;
}

/* Ways to put a quoted text in, for what may be meant: in the place of what the message is about, of its line, before or behind it, at the top of the file. */
enum { WAYS = 5 };
static bool way(const Doc *d, Span at, const char *text, size_t n, int k, Edit *e) {
  uint32_t line = line_begin(d, at.begin), end = at.begin, blanks;
  while (end < d->len && d->text[end] != '\n') end++;
  for (blanks = line; blanks < end && d->text[blanks] == ' '; blanks++) {}
  *e = (Edit){at.begin, at.end, base_realloc(NULL, n + 3)};
  sprintf(e->with, k == 4 ? "%.*s\n" : k == 3 ? " %.*s" : "%.*s", (int)n, text);
  if (k == 1) e->begin = blanks, e->end = end;
  if (k == 2) e->end = e->begin;
  if (k == 3) e->begin = e->end;
  if (k == 4) e->begin = e->end = line_begin(d, 0);
  const bool on_top = (n > 7 && !strncmp(text, "import ", 7)) || (n > 9 && !strncmp(text, "language ", 9));
  return on_top == (k == 4);
}

static json_t *action(const Doc *d, const DiagNote *help, const Edit *e, bool first) {
  json_t *edit = json_pack("{s:o, s:s}", "range", text_range(d->text, d->len, e->begin, e->end), "newText", e->with);
  return json_pack("{s:s, s:s, s:b, s:{s:{s:[o]}}}", "title", help->text, "kind", "quickfix", "isPreferred", first, "edit",
                   "changes", d->uri, edit);
}

/* Of one help line, the first mend that there is. */
static void propose(Server *s, Doc *d, const Analysis *a, const DiagMsg *m, const DiagNote *help, json_t *list) {
  const char *text;
  size_t n = 0;
  for (int q = 0; q < 3 && quoted(help->text, q, &text, &n); q++)
    for (int k = 0; k < WAYS; k++) {
      Edit e;
      const bool fits = way(d, m->at, text, n, k, &e), mended = fits && mends(s, d, a, &e);
      if (mended) json_array_append_new(list, action(d, help, &e, help == m->helps));
      base_free(e.with);
      if (mended) return;
    }
}

json_t *ask_actions(Server *s, Doc *d, const json_t *params) {
  enum { MOST = 3 }; /* messages of a range that mends are looked for */
  Analysis *a = analysis_of(s, d);
  if (!a) return NULL;
  const json_t *range = json_object_get(params, "range");
  const uint32_t from = text_offset(d->text, d->len, json_object_get(range, "start")),
                 to = text_offset(d->text, d->len, json_object_get(range, "end"));
  json_t *list = json_array();
  uint32_t n = 0, done = 0;
  int more;
  DiagMsg **m = diag_sorted(a->s.diag, &n, &more);
  for (uint32_t k = 0; k < n && done < MOST; k++) {
    if (m[k]->at.file != 1 || m[k]->at.begin > to || m[k]->at.end < from || !m[k]->helps) continue;
    done++;
    for (const DiagNote *h = m[k]->helps; h; h = h->next) propose(s, d, a, m[k], h, list);
  }
  base_free(m);
  return list;
}
