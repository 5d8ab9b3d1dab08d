/* Collecting diagnostics, and spelling suggestions. Drawing is diag_render.c. */
#include "ir/base/diag.h"
#include "ir/base/pack.h"

#include <stdlib.h>
#include <string.h>

Diag *diag_create(Source *src) {
  Diag *d = base_realloc(NULL, sizeof *d);
  *d = (Diag){.src = src, .mem = arena_create()};
  return d;
}

void diag_destroy(Diag *d) {
  if (!d) return;
  vec_free(&d->msgs);
  arena_destroy(d->mem);
  base_free(d);
}

void diag_clear(Diag *d) { d->msgs.n = 0, d->errors = d->warnings = 0; }

static const char *format(Arena *mem, const char *fmt, va_list ap) {
  va_list again;
  va_copy(again, ap);
  int n = vsnprintf(NULL, 0, fmt, again);
  va_end(again);
  if (n < 0) base_fault("cannot format a diagnostic");
  char *text = arena_alloc(mem, (size_t)n + 1);
  vsnprintf(text, (size_t)n + 1, fmt, ap);
  return text;
}

/* ---- codes --------------------------------------------------------------------------------------- */

static const struct {
  const char *name, *title;
  DiagLevel level;
} code_row[] = {
#define CODE(name, level, title) {#name, title, DIAG_##level},
#include "ir/codes.def"
#undef CODE
};

const char *diag_code_name(DiagCode code) { return code_row[code].name; }
const char *diag_code_title(DiagCode code) { return code_row[code].title; }
const char *diag_level_name(DiagLevel level) { return level == DIAG_ERROR ? "error" : "warning"; }
DiagLevel diag_code_level(DiagCode code) { return code_row[code].level; }

bool diag_code_find(const char *name, DiagCode *out) {
  for (int i = 0; i < DIAG_CODES; i++)
    if (!strcmp(code_row[i].name, name)) return *out = (DiagCode)i, true;
  return false;
}

/* ---- messages ------------------------------------------------------------------------------------ */

DiagMsg *diag_add(Diag *d, DiagCode code, Span at, const char *fmt, ...) {
  DiagMsg *m = ARENA_NEW(d->mem, DiagMsg);
  va_list ap;
  va_start(ap, fmt);
  *m = (DiagMsg){.mem = d->mem, .code = code, .at = at, .text = format(d->mem, fmt, ap), .order = d->msgs.n};
  va_end(ap);
  m->labels_end = &m->labels;
  m->helps_end = &m->helps;
  *vec_push(&d->msgs) = m;
  d->errors += diag_code_level(code) == DIAG_ERROR;
  d->warnings += diag_code_level(code) == DIAG_WARNING;
  return m;
}

static void append(DiagMsg *m, DiagNote ***end, Span at, const char *fmt, va_list ap) {
  DiagNote *n = ARENA_NEW(m->mem, DiagNote);
  n->at = at;
  n->text = format(m->mem, fmt, ap);
  **end = n;
  *end = &n->next;
}

void diag_label(DiagMsg *m, Span at, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  append(m, &m->labels_end, at, fmt, ap);
  va_end(ap);
}

void diag_help(DiagMsg *m, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  append(m, &m->helps_end, (Span){0}, fmt, ap);
  va_end(ap);
}

int diag_errors(const Diag *d) { return d->errors; }

int diag_warnings(const Diag *d) { return d->warnings; }

void diag_strict(Diag *d) { d->strict = true; }

DiagLevel diag_shown_level(const Diag *d, const DiagMsg *m) { return d->strict ? DIAG_ERROR : diag_code_level(m->code); }

bool diag_full(const Diag *d) { return d->errors >= DIAG_CAP; }

/* ---- warnings that are switched off ------------------------------------------------------------------ */

static bool is_word(char c) { return c == '_' || (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'); }

/* What stands behind `# allow:` in a line, up to *end; NULL: nothing. alone: where nothing stands before the comment. */
static const char *allow_list(const SourceFile *f, uint32_t line, bool alone, const char **end) {
  static const char word[] = "allow:";
  const char *s = f->text + f->line[line];
  *end = line + 1 < f->nlines ? f->text + f->line[line + 1] : f->text + f->len;
  bool quoted = false;
  for (; s < *end && (*s != '#' || quoted); s++) {
    quoted ^= *s == '"' && s[-(s > f->text)] != '\\';
    if (alone && *s != ' ' && *s != '\t') return NULL;
  }
  if (s >= *end) return NULL;
  for (s++; s < *end && (*s == ' ' || *s == '#'); s++) {}
  return (size_t)(*end - s) < sizeof word - 1 || memcmp(s, word, sizeof word - 1) ? NULL : s + sizeof word - 1;
}

static bool line_allows(const SourceFile *f, uint32_t line, const char *name, bool alone) {
  const char *end, *s = allow_list(f, line, alone, &end);
  const size_t n = strlen(name);
  for (; s && s + n <= end; s++)
    if (!memcmp(s, name, n) && !is_word(s[-1]) && !is_word(s[n])) return true;
  return false;
}

static void no_such_warning(Diag *d, const char *name, Span at) {
  DiagCode code;
  const char *names[DIAG_CODES];
  size_t n = 0;
  for (int c = 0; c < DIAG_CODES; c++)
    if (code_row[c].level == DIAG_WARNING) names[n++] = code_row[c].name;
  const bool known = diag_code_find(name, &code);
  if (known && code_row[code].level == DIAG_WARNING) return;
  const char *near = diag_nearest(name, names, n);
  DiagMsg *m =
      diag_add(d, CODE_unknown_warning, at, known ? "`%s` is an error, which cannot be allowed" : "there is no warning `%s`", name);
  if (near) diag_help(m, "did you mean `%s`?", near);
  else diag_help(m, "`hnnc explain` lists them");
}

/* Names with commas between, and then prose, maybe behind a comma too: `# allow: kink, nan, as we know`. */
void diag_check_allows(Diag *d, uint32_t file) {
  const SourceFile *f = source_file(d->src, file);
  for (uint32_t line = 0; f && line < f->nlines; line++) {
    const char *end, *s = allow_list(f, line, false, &end);
    for (bool first = true; s;) {
      for (; s < end && *s == ' '; s++) {}
      const char *from = s;
      for (; s < end && is_word(*s); s++) {}
      const Span at = {file, (uint32_t)(from - f->text), (uint32_t)(s - f->text)};
      for (; s < end && *s == ' '; s++) {}
      const bool alone = s >= end || *s == ',' || *s == '\n' || *s == '\r';
      if (at.end > at.begin && (alone || first))
        no_such_warning(d, arena_strndup(d->mem, f->text + at.begin, at.end - at.begin), at);
      first = false;
      s = s > from && s < end && *s == ',' ? s + 1 : NULL;
    }
  }
}

static bool allowed(const Diag *d, const DiagMsg *m) {
  const SourceFile *f = source_file(d->src, m->at.file);
  uint32_t line, column;
  if (!f) return false;
  source_place(d->src, m->at, &line, &column);
  return line_allows(f, line - 1, diag_code_name(m->code), false) ||
         (line > 1 && line_allows(f, line - 2, diag_code_name(m->code), true));
}

void diag_switch_off(Diag *d, const bool off[DIAG_CODES]) {
  uint32_t n = 0;
  for (uint32_t i = 0; i < d->msgs.n; i++) {
    DiagMsg *m = d->msgs.at[i];
    if (diag_code_level(m->code) == DIAG_WARNING && (off[m->code] || allowed(d, m))) d->warnings--;
    else d->msgs.at[n++] = m;
  }
  d->msgs.n = n;
}

/* ---- spelling ---------------------------------------------------------------------------------- */

enum { LONGEST = 64 };

static uint32_t decode(const char *s, int32_t *out) {
  size_t len = strlen(s);
  uint32_t n = 0;
  if (len > 4 * LONGEST) return LONGEST + 1;
  for (uint32_t i = 0; i < len && n <= LONGEST; n++) {
    int32_t code;
    i += source_char(s, (uint32_t)len, i, &code);
    if (n < LONGEST) out[n] = code;
  }
  return n;
}

static uint32_t least(uint32_t a, uint32_t b) { return a < b ? a : b; }

/* Insertions, deletions, replacements, and swaps of neighbours, at a price of one each. */
static uint32_t distance(const int32_t *a, uint32_t na, const int32_t *b, uint32_t nb) {
  uint32_t rows[3][LONGEST + 1], *before = rows[0], *last = rows[1], *row = rows[2];
  for (uint32_t j = 0; j <= nb; j++) last[j] = j;
  for (uint32_t i = 1; i <= na; i++) {
    row[0] = i;
    for (uint32_t j = 1; j <= nb; j++) {
      row[j] = least(least(last[j], row[j - 1]) + 1, last[j - 1] + (a[i - 1] != b[j - 1]));
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) row[j] = least(row[j], before[j - 2] + 1);
    }
    uint32_t *old = before;
    before = last, last = row, row = old;
  }
  return last[nb];
}

/* A name of which nothing is left is no suggestion, hence the distance below the name's length. At equal
 * distance a name of the same length wins: letters are swapped or mistaken more often than lost. */
const char *diag_nearest(const char *name, const char *const *candidates, size_t n) {
  int32_t want[LONGEST], have[LONGEST];
  uint32_t nwant = decode(name, want);
  if (nwant == 0 || nwant > LONGEST) return NULL;
  uint32_t limit = nwant / 3 > 1 ? nwant / 3 : 1, best = least(limit, nwant - 1) + 1;
  bool same_length = false;
  const char *found = NULL;
  for (size_t i = 0; i < n; i++) {
    uint32_t nhave = candidates[i] ? decode(candidates[i], have) : 0;
    if (nhave == 0 || nhave > LONGEST || (nhave > nwant ? nhave - nwant : nwant - nhave) > best) continue;
    uint32_t d = distance(want, nwant, have, nhave);
    if (d < best || (d == best && found && nhave == nwant && !same_length))
      best = d, found = candidates[i], same_length = nhave == nwant;
  }
  return found;
}

/* ---- kept between runs ---------------------------------------------------------------------------- */

static void pack_notes(Pack *p, DiagNote **notes, DiagNote ***end) {
  uint32_t n = 0;
  for (DiagNote *k = p->reading ? NULL : *notes; k; k = k->next) n++;
  pack_count(p, &n, sizeof(Span));
  for (uint32_t k = 0; k < n; k++) {
    DiagNote *note = p->reading ? ARENA_NEW(p->mem, DiagNote) : *notes;
    PACK(p, note->at);
    pack_text(p, &note->text);
    if (p->reading) **end = note, *end = &note->next;
    else notes = &note->next;
  }
}

void diag_pack(Pack *p, Diag *d) {
  Arena *mem = p->mem;
  uint32_t n = d->msgs.n;
  pack_count(p, &n, sizeof(Span));
  p->mem = d->mem;
  for (uint32_t k = 0; k < n; k++) {
    DiagCode code = p->reading ? CODE_internal : d->msgs.at[k]->code;
    PACK(p, code);
    p->bad |= (unsigned)code >= DIAG_CODES;
    if (p->bad) return;
    DiagMsg *m = p->reading ? diag_add(d, code, (Span){0}, "%s", "") : d->msgs.at[k];
    PACK(p, m->at);
    pack_text(p, &m->text);
    pack_notes(p, &m->labels, &m->labels_end);
    pack_notes(p, &m->helps, &m->helps_end);
  }
  p->mem = mem;
}
