/* Drawing diagnostics. The format is shown in base.h; beyond that:
 *   - a mark is a run of `^` (the place) or `-` (labels) under the characters that it covers; one that
 *     goes on past its line is drawn to that line's end;
 *   - the text of the rightmost label stands at the end of the mark line, unless the place's mark lies
 *     to its right; the other texts hang below on bars, rightmost first;
 *   - labels on other lines get an excerpt each, in order, `...` between lines that are not neighbours;
 *   - a tab is drawn as four blanks, what is not UTF-8 as U+FFFD, a combining mark takes no cell;
 *   - of a very long line, only a window around the first mark is drawn, with `…` where text is left out. */
#include "ir/base/diag.h"

#include <stdlib.h>
#include <string.h>

enum { TAB = 4, WINDOW = 120, LEAD = 40 };

typedef struct Mark {
  const SourceFile *file;
  uint32_t line, begin, end; /* line from 0; cells of that line, begin < end */
  const char *text;          /* NULL or "": nothing to write */
  bool primary;
  Span at;
} Mark;

typedef VEC(Mark) Marks;

typedef struct Pen {
  FILE *out;
  bool colour;
  int gutter; /* digits of the largest line number of the message */
} Pen;

static const char *const level_ink[] = {[DIAG_ERROR] = "\33[1;31m", [DIAG_WARNING] = "\33[1;33m"};
static const char bold[] = "\33[1m", blue[] = "\33[1;34m", plain[] = "\33[0m";

static void ink(const Pen *p, const char *code) {
  if (p->colour) fputs(code, p->out);
}

/* ---- lines as cells ------------------------------------------------------------------------------ */

static uint32_t line_end(const SourceFile *f, uint32_t line) {
  uint32_t end = line + 1 < f->nlines ? f->line[line + 1] - 1 : f->len;
  return end > f->line[line] && f->text[end - 1] == '\r' ? end - 1 : end;
}

static uint32_t cells_of(int32_t code) { return code == '\t' ? TAB : code >= 0x300 && code < 0x370 ? 0 : 1; }

static uint32_t cell_at(const SourceFile *f, uint32_t line, uint32_t offset) {
  uint32_t cell = 0, end = line_end(f, line);
  int32_t code;
  for (uint32_t i = f->line[line]; i < offset && i < end;) {
    i += source_char(f->text, f->len, i, &code);
    cell += cells_of(code);
  }
  return cell;
}

static void put_char(FILE *out, const char *s, uint32_t n, int32_t code) {
  if (code < 0x20 || (code >= 0x7f && code < 0xa0)) fputs("\xef\xbf\xbd", out);
  else fwrite(s, 1, n, out);
}

static uint32_t text_end(const SourceFile *f, uint32_t line) {
  uint32_t end = line_end(f, line);
  while (end > f->line[line] && (f->text[end - 1] == ' ' || f->text[end - 1] == '\t')) end--;
  return end;
}

/* Cells from..to of a line; the first and the last are `…` where text is left out there. Blanks at the end are not drawn. */
static void put_line(FILE *out, const SourceFile *f, uint32_t line, uint32_t from, uint32_t to) {
  uint32_t cell = 0, end = text_end(f, line);
  const bool cut = cell_at(f, line, end) > to;
  for (uint32_t i = f->line[line], n; i < end && cell < to; i += n) {
    int32_t code;
    n = source_char(f->text, f->len, i, &code);
    const uint32_t cells = cells_of(code), next = cell + cells;
    if (!cells && cell > from) put_char(out, f->text + i, n, code);
    for (; cell < next; cell++) {
      if (cell < from || cell >= to) continue;
      if ((from && cell == from) || (cut && cell == to - 1)) fputs("\xe2\x80\xa6", out);
      else if (code == '\t') fputc(' ', out);
      else put_char(out, f->text + i, n, code);
    }
  }
}

/* ---- marks ----------------------------------------------------------------------------------------- */

static void add_mark(Marks *marks, const Source *src, Span at, const char *text, bool primary) {
  const SourceFile *f = source_file(src, at.file);
  uint32_t line, column;
  if (!f) return;
  source_place(src, at, &line, &column);
  Mark m = {.file = f, .line = line - 1, .text = text, .primary = primary, .at = at};
  m.begin = cell_at(f, m.line, at.begin);
  m.end = cell_at(f, m.line, at.end);
  if (m.end <= m.begin) m.end = m.begin + 1;
  *vec_push(marks) = m;
}

/* The message's own file first, then by place; of marks that begin together the longer first. */
static int compare_marks(const void *pa, const void *pb) {
  const Mark *a = pa, *b = pb;
  if (a->at.file != b->at.file) return a->at.file < b->at.file ? -1 : 1;
  if (a->line != b->line) return a->line < b->line ? -1 : 1;
  if (a->begin != b->begin) return a->begin < b->begin ? -1 : 1;
  return (a->end < b->end) - (a->end > b->end);
}

static int digits(uint32_t n) {
  int k = 1;
  while (n /= 10) k++;
  return k;
}

static void gutter(const Pen *p) {
  ink(p, blue);
  fprintf(p->out, "%*s |", p->gutter, "");
  ink(p, plain);
}

static bool has_text(const Mark *m) { return m->text && *m->text; }

/* One row of cells being drawn; `at` is the next cell. */
typedef struct Row {
  const Pen *pen;
  uint32_t at;
} Row;

static void row_to(Row *r, uint32_t cell) {
  for (; r->at < cell; r->at++) fputc(' ', r->pen->out);
}

static void row_text(Row *r, uint32_t cell, const char *code, const char *text) {
  row_to(r, cell);
  ink(r->pen, code);
  fputs(text, r->pen->out);
  ink(r->pen, plain);
  r->at += 1;
}

/* The marks' own row: the place's mark wins where marks overlap. Returns the index of the mark whose
 * text was written at the end, or n. */
static uint32_t draw_marks(const Pen *p, const Mark *m, uint32_t n, uint32_t from, uint32_t to, const char *ink_primary) {
  uint32_t right = 0, last = n;
  for (uint32_t i = 0; i < n; i++)
    if (m[i].end > right) right = m[i].end;
  for (uint32_t i = 0; i < n; i++)
    if (has_text(&m[i]) && m[i].end == right && (last == n || m[i].begin >= m[last].begin)) last = i;
  if (right > to) right = to;
  gutter(p);
  fputc(' ', p->out);
  uint32_t blanks = 0;
  for (uint32_t c = from; c < right; c++) {
    int kind = 0;
    for (uint32_t i = 0; i < n; i++)
      if (m[i].begin <= c && c < m[i].end) kind = m[i].primary ? 2 : kind ? kind : 1;
    if (!kind) {
      blanks++;
      continue;
    }
    fprintf(p->out, "%*s", (int)blanks, "");
    blanks = 0;
    ink(p, kind == 2 ? ink_primary : blue);
    fputc(kind == 2 ? '^' : '-', p->out);
    ink(p, plain);
  }
  if (last < n) {
    fputc(' ', p->out);
    ink(p, m[last].primary ? ink_primary : blue);
    fputs(m[last].text, p->out);
    ink(p, plain);
  }
  fputc('\n', p->out);
  return last;
}

static void draw_bars(const Pen *p, const Mark *m, uint32_t n, uint32_t last, uint32_t from, const char *text) {
  gutter(p);
  fputc(' ', p->out);
  Row row = {p, from};
  for (uint32_t i = 0; i < n; i++) {
    bool covered = i == last || !has_text(&m[i]) || (text && m[i].begin >= m[n].begin);
    if (!covered && m[i].begin >= row.at) row_text(&row, m[i].begin, blue, "|");
  }
  if (text) row_text(&row, m[n].begin, blue, text);
  fputc('\n', p->out);
}

static void draw_line(const Pen *p, const Mark *m, uint32_t n, const char *ink_primary) {
  uint32_t first = m[0].begin, from = first > WINDOW - LEAD ? first - LEAD : 0, to = from + WINDOW;
  for (uint32_t i = 0; i < n; i++)
    if (m[i].primary && m[i].begin >= to) from = m[i].begin - LEAD, to = from + WINDOW;
  uint32_t kept = 0;
  Mark *in = base_realloc(NULL, n * sizeof *in);
  for (uint32_t i = 0; i < n; i++)
    if (m[i].begin >= from && m[i].begin < to) in[kept++] = m[i];
  ink(p, blue);
  fprintf(p->out, "%*u |", p->gutter, m[0].line + 1);
  ink(p, plain);
  if (line_end(m->file, m->line) > m->file->line[m->line]) fputc(' ', p->out);
  put_line(p->out, m->file, m->line, from, to);
  fputc('\n', p->out);
  uint32_t last = draw_marks(p, in, kept, from, to, ink_primary);
  bool bars = false;
  for (uint32_t i = kept; i-- > 0;) {
    if (i == last || !has_text(&in[i])) continue;
    if (!bars) draw_bars(p, in, kept, last, from, NULL);
    bars = true;
    draw_bars(p, in, i, last, from, in[i].text);
  }
  base_free(in);
}

/* ---- messages ---------------------------------------------------------------------------------------- */

static void draw_file(const Pen *p, const Diag *d, const Mark *m, uint32_t n, Span at, bool own, const char *ink_primary) {
  char where[512];
  ink(p, blue);
  fprintf(p->out, "%*s%s", p->gutter, "", own ? "-->" : ":::");
  ink(p, plain);
  fprintf(p->out, " %s\n", source_where(d->src, at, where, sizeof where));
  for (uint32_t i = 0, k; i < n; i = k) {
    for (k = i + 1; k < n && m[k].line == m[i].line; k++);
    if (i > 0 && m[i].line > m[i - 1].line + 1) fputs("...\n", p->out);
    draw_line(p, m + i, k - i, ink_primary);
  }
}

static void draw_message(Pen *p, const Diag *d, const DiagMsg *msg) {
  DiagLevel level = diag_shown_level(d, msg);
  ink(p, level_ink[level]);
  fprintf(p->out, "%s[%s]", diag_level_name(level), diag_code_name(msg->code));
  ink(p, plain);
  ink(p, bold);
  fprintf(p->out, ": %s", msg->text);
  ink(p, plain);
  fputc('\n', p->out);
  Marks own = {0}, far = {0};
  add_mark(&own, d->src, msg->at, NULL, true);
  for (const DiagNote *l = msg->labels; l; l = l->next)
    add_mark(own.n && l->at.file == msg->at.file ? &own : &far, d->src, l->at, l->text, false);
  p->gutter = 1;
  for (uint32_t i = 0; i < own.n + far.n; i++) {
    int k = digits((i < own.n ? own.at[i] : far.at[i - own.n]).line + 1);
    p->gutter = k > p->gutter ? k : p->gutter;
  }
  if (own.n) {
    qsort(own.at, own.n, sizeof *own.at, compare_marks);
    draw_file(p, d, own.at, own.n, msg->at, true, level_ink[level]);
  }
  if (far.n) qsort(far.at, far.n, sizeof *far.at, compare_marks);
  for (uint32_t i = 0, k; i < far.n; i = k) {
    for (k = i + 1; k < far.n && far.at[k].file == far.at[i].file; k++);
    draw_file(p, d, far.at + i, k - i, far.at[i].at, false, blue);
  }
  for (const DiagNote *h = msg->helps; h; h = h->next) {
    ink(p, bold);
    fputs("help", p->out);
    ink(p, plain);
    fprintf(p->out, ": %s\n", h->text);
  }
  vec_free(&own);
  vec_free(&far);
}

static int compare_messages(const void *pa, const void *pb) {
  const DiagMsg *a = *(DiagMsg *const *)pa, *b = *(DiagMsg *const *)pb;
  if (a->at.file != b->at.file) return a->at.file < b->at.file ? -1 : 1;
  if (a->at.begin != b->at.begin) return a->at.begin < b->at.begin ? -1 : 1;
  return a->order < b->order ? -1 : a->order > b->order;
}

static bool same_message(const DiagMsg *a, const DiagMsg *b) {
  return a->code == b->code && a->at.file == b->at.file && a->at.begin == b->at.begin && a->at.end == b->at.end &&
         strcmp(a->text, b->text) == 0;
}

/* Whether m is among the first n, which are sorted. */
static bool said_before(DiagMsg *const *msgs, uint32_t n, const DiagMsg *m) {
  for (uint32_t k = n; k-- > 0 && msgs[k]->at.file == m->at.file && msgs[k]->at.begin == m->at.begin;)
    if (same_message(msgs[k], m)) return true;
  return false;
}

DiagMsg **diag_sorted(const Diag *d, uint32_t *n, int *more) {
  DiagMsg **msgs = base_realloc(NULL, (d->msgs.n + 1) * sizeof *msgs);
  int errors = 0;
  *n = 0;
  if (d->msgs.n) memcpy(msgs, d->msgs.at, d->msgs.n * sizeof *msgs);
  qsort(msgs, d->msgs.n, sizeof *msgs, compare_messages);
  for (uint32_t i = 0; i < d->msgs.n; i++) {
    if (said_before(msgs, *n, msgs[i]) || (diag_code_level(msgs[i]->code) == DIAG_ERROR && ++errors > DIAG_CAP)) continue;
    msgs[(*n)++] = msgs[i];
  }
  *more = errors > DIAG_CAP ? errors - DIAG_CAP : 0;
  return msgs;
}

void diag_render(const Diag *d, FILE *out, bool colour) {
  Pen pen = {.out = out, .colour = colour, .gutter = 1};
  uint32_t n;
  int more;
  DiagMsg **msgs = diag_sorted(d, &n, &more);
  for (uint32_t i = 0; i < n; i++) {
    if (i) fputc('\n', out);
    draw_message(&pen, d, msgs[i]);
  }
  if (more) fprintf(out, "\n%d more error%s not shown\n", more, more == 1 ? "" : "s");
  base_free(msgs);
}
