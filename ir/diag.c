/* Collecting diagnostics, and spelling suggestions. Drawing is diag_render.c. */
#include "ir/diag.h"
#include "ir/pack.h"

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
  free(d);
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

static DiagMsg *add(Diag *d, DiagLevel level, Span at, const char *fmt, va_list ap) {
  DiagMsg *m = ARENA_NEW(d->mem, DiagMsg);
  *m =
      (DiagMsg){.mem = d->mem, .level = level, .at = at, .text = format(d->mem, fmt, ap), .order = d->msgs.n};
  m->labels_end = &m->labels;
  m->helps_end = &m->helps;
  *vec_push(&d->msgs) = m;
  d->errors += level == DIAG_ERROR;
  d->warnings += level == DIAG_WARNING;
  return m;
}

DiagMsg *diag_add(Diag *d, DiagLevel level, Span at, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  DiagMsg *m = add(d, level, at, fmt, ap);
  va_end(ap);
  return m;
}

DiagMsg *diag_error(Diag *d, Span at, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  DiagMsg *m = add(d, DIAG_ERROR, at, fmt, ap);
  va_end(ap);
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

bool diag_full(const Diag *d) { return d->errors >= DIAG_CAP; }

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
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        row[j] = least(row[j], before[j - 2] + 1);
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
    DiagLevel level = p->reading ? DIAG_NOTE : d->msgs.at[k]->level;
    PACK(p, level);
    DiagMsg *m = p->reading ? diag_add(d, level, (Span){0}, "%s", "") : d->msgs.at[k];
    PACK(p, m->at);
    pack_text(p, &m->text);
    pack_notes(p, &m->labels, &m->labels_end);
    pack_notes(p, &m->helps, &m->helps_end);
  }
  p->mem = mem;
}
