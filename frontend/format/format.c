/* See format.h: pieces with what is written around them; blanks and columns are decided; then lines are laid out from top to bottom. */
#include "frontend/format/format.h"
#include "frontend/format/format_priv.h"
#include "frontend/syntax/ast.h"

#include <string.h>

typedef VEC(char) Text;

/* ---- pieces ------------------------------------------------------------------------------------------- */

/* Columns of a text: its characters, less marks that stand upon the one before. */
static uint32_t columns(const char *text, uint32_t len) {
  uint32_t n = 0;
  int32_t code;
  for (uint32_t i = 0; i < len; i += source_char(text, len, i, &code)) {
    source_char(text, len, i, &code);
    n += code < 0x300 || code >= 0x370;
  }
  return n;
}

static uint32_t trimmed(const char *text, uint32_t len) {
  while (len && strchr(" \t\r\f\v", text[len - 1])) len--;
  return len;
}

static bool is_semicolon(const char *text, const Lexeme *l) { return l->kind == LEX_OPERATOR && text[l->begin] == ';'; }

/* A semicolon behind nothing, or that its line ends with, unless what follows would then go on with the line. p: what is kept. */
static bool ends_nothing(const char *text, const Lexeme *l, uint32_t k, uint32_t n, const Pieces *p) {
  if (!is_semicolon(text, &l[k])) return false;
  uint32_t next = k + 1;
  const Piece *last = p->n ? &p->at[p->n - 1] : NULL;
  if (!last || last->kind == LEX_COMMENT || piece_is(last, '{') || piece_is(last, ';')) return true;
  while (next < n && (l[next].kind == LEX_COMMENT || is_semicolon(text, &l[next]))) next++;
  if (next == n || (l[next].kind == LEX_CLOSER && text[l[next].begin] == '}')) return true;
  const bool goes_on = l[next].kind == LEX_OPERATOR || (l[next].kind == LEX_KEYWORD && !l[next].first) ||
                       !strncmp(text + l[next].begin, "inverse", 7) || !strncmp(text + l[next].begin, "logdet", 6);
  return !goes_on && memchr(text + l[k].end, '\n', l[next].begin - l[k].end);
}

/* from, column: where the piece before ended. */
static Piece piece(const char *text, const Lexeme *l, uint32_t from, uint32_t column) {
  Piece p = {
    .kind = l->kind, .text = text + l->begin, .len = l->end - l->begin, .first = l->first, .in = NOWHERE, .match = NOWHERE};
  uint32_t line = from;
  if (p.kind == LEX_COMMENT) p.len = trimmed(p.text, p.len);
  p.width = columns(p.text, p.len);
  for (uint32_t i = from; i < l->begin; i++)
    if (text[i] == '\n') p.lines++, line = i + 1;
  p.column = (p.lines ? 0 : column) + columns(text + line, l->begin - line);
  if (p.lines > 2) p.lines = 2;
  p.gap = l->begin - line;
  return p;
}

/* Which bracket and which statement each piece is in. */
static void nest(Pieces *p) {
  int32_t in = NOWHERE;
  VEC(int32_t) start = {0};
  *vec_push(&start) = 0;
  for (uint32_t i = 0; i < p->n; i++) {
    Piece *x = &p->at[i];
    if (x->kind == LEX_CLOSER && x->match != NOWHERE) in = p->at[x->match].in, start.n--;
    x->in = in;
    if (x->first && x->kind != LEX_COMMENT && x->kind != LEX_CLOSER) start.at[start.n - 1] = (int32_t)i;
    x->start = start.at[start.n - 1];
    if (x->kind == LEX_OPENER) in = (int32_t)i, *vec_push(&start) = (int32_t)i + (i + 1 < p->n);
  }
  vec_free(&start);
}

static void read_pieces(Pieces *p, const char *text, const Lexeme *l, uint32_t n, Arena *mem) {
  int32_t *number = ARENA_ARRAY(mem, int32_t, n + 1);
  uint32_t from = 0, column = 0;
  for (uint32_t k = 0; k < n; k++) {
    number[k] = (int32_t)p->n;
    const Piece x = piece(text, &l[k], from, column);
    const bool left = ends_nothing(text, l, k, n, p);
    if (!left) *vec_push(p) = x;
    if (!left || (k + 1 < n && l[k + 1].kind == LEX_COMMENT)) from = l[k].end, column = x.column + x.width;
  }
  for (uint32_t k = 0; k < n; k++)
    if (l[k].kind == LEX_OPENER || l[k].kind == LEX_CLOSER) p->at[number[k]].match = number[l[k].match];
  if (p->n) p->at[0].lines = 1;
  for (uint32_t i = 1; i < p->n; i++)
    if (p->at[i].lines > 1 && (piece_is(&p->at[i], '}') || piece_is(&p->at[i - 1], '{'))) p->at[i].lines = 1;
  nest(p);
}

/* ---- lines ---------------------------------------------------------------------------------------------- */

typedef struct Place { /* of a bracket in what is laid out, or of a line that begins a statement */
  uint32_t indent;     /* of its line */
  uint32_t content;    /* column of what follows the bracket in its line; 0: nothing does */
  uint32_t written;    /* of the line, as the author had it */
} Place;

typedef struct OutLine {
  uint32_t end;      /* in the text: of the code */
  uint32_t width;    /* of the code */
  const Piece *note; /* behind it; NULL: none */
} OutLine;

typedef struct Layout {
  Pieces *p;
  Place *place; /* by piece */
  Text text;    /* code, and comments that have a line of their own; no line ends */
  VEC(OutLine) line;
} Layout;

static void add(Text *t, const char *s, uint32_t n) {
  vec_reserve(t, n);
  memcpy(t->at + t->n, s, n);
  t->n += n;
}

static void add_blanks(Text *t, uint32_t n) {
  for (; n; n--) *vec_push(t) = ' ';
}

/* Of a line in a bracket that it does not begin a statement of. */
static uint32_t indent_going_on(const Layout *o, uint32_t i) {
  const Piece *x = &o->p->at[i];
  if (x->in != NOWHERE && !piece_is(&o->p->at[x->in], '{')) {
    const Place *b = &o->place[x->in];
    return b->content ? b->content : b->indent + 2;
  }
  const Place *s = &o->place[x->start];
  const bool row = x->in != NOWHERE && i && (piece_is(&o->p->at[i - 1], ',') || format_clause(&o->p->at[i - 1]));
  const uint32_t least = row ? 0 : 2, further = x->column > s->written ? x->column - s->written : 0;
  return s->indent + (further > least ? further : least);
}

static uint32_t indent_of_block(const Layout *o, const Piece *x) { return x->in == NOWHERE ? 0 : o->place[x->in].indent + 2; }

static uint32_t indent(const Layout *o, uint32_t i) {
  const Pieces *p = o->p;
  const Piece *x = &p->at[i];
  uint32_t next = i;
  if (x->kind == LEX_CLOSER && (piece_is(x, '}') || !o->place[x->match].content)) return o->place[x->match].indent;
  if (x->kind == LEX_CLOSER) return o->place[x->match].content - 1;
  while (next < p->n && p->at[next].kind == LEX_COMMENT) next++;
  const bool begins = next == p->n || p->at[next].first || piece_is(&p->at[next], '}');
  const bool block = x->in == NOWHERE || piece_is(&p->at[x->in], '{');
  return begins && block ? indent_of_block(o, x) : indent_going_on(o, i);
}

static void lay_out(Layout *o) {
  Pieces *p = o->p;
  uint32_t column = 0, from = 0;
  for (uint32_t i = 0; i < p->n; i++) {
    const Piece *x = &p->at[i];
    if (x->lines) {
      if (x->lines > 1 && i) *vec_push(&o->line) = (OutLine){.end = o->text.n};
      *vec_push(&o->line) = (OutLine){0};
      column = from = indent(o, i);
      add_blanks(&o->text, column);
    } else if (x->kind == LEX_COMMENT) {
      o->line.at[o->line.n - 1].note = x;
      continue;
    } else {
      add_blanks(&o->text, x->blank + x->pad);
      column += x->blank + x->pad;
    }
    o->place[i] = (Place){.indent = from, .written = x->column};
    if (x->lines == 0) o->place[i].written = o->place[x->start].written;
    add(&o->text, x->text, x->len);
    column += x->width;
    if (x->kind == LEX_OPENER && i + 1 < p->n && !x[1].lines && x[1].kind != LEX_COMMENT) o->place[i].content = column + x[1].blank;
    OutLine *l = &o->line.at[o->line.n - 1];
    l->end = o->text.n, l->width = column;
  }
}

/* Writes the line ends, and comments behind code: those that stood below one another still do. */
static void write_lines(const Layout *o, Text *out) {
  uint32_t at = 0, column = 0;
  for (uint32_t k = 0, behind = 0; k < o->line.n; k++) {
    const OutLine *l = &o->line.at[k];
    if (l->note && k >= behind) {
      column = l->note->column;
      for (behind = k; behind < o->line.n && o->line.at[behind].note && o->line.at[behind].note->column == l->note->column;
           behind++)
        if (column < o->line.at[behind].width + 2) column = o->line.at[behind].width + 2;
    }
    add(out, o->text.at + at, l->end - at);
    if (l->note) add_blanks(out, column - l->width), add(out, l->note->text, l->note->len);
    *vec_push(out) = '\n';
    at = l->end;
  }
}

static bool has_errors(Source *src, uint32_t file, Interner *names, Diag *diag) {
  const int before = diag_errors(diag);
  ast_destroy(ast_parse(src, file, names, diag));
  return diag_errors(diag) > before;
}

const char *format_text(Source *src, uint32_t file, Arena *mem, Diag *diag, size_t *len) {
  Interner *names = intern_create();
  const char *made = NULL;
  if (!has_errors(src, file, names, diag)) {
    uint32_t n;
    Pieces p = {0};
    Text out = {0};
    const Lexeme *l = lexemes_read(src, file, names, mem, diag, &n);
    read_pieces(&p, source_file(src, file)->text, l, n, mem);
    format_spacing(&p);
    format_align(&p);
    Layout o = {.p = &p, .place = ARENA_ARRAY(mem, Place, p.n + 1)};
    lay_out(&o);
    write_lines(&o, &out);
    made = memcpy(ARENA_ARRAY(mem, char, out.n + 1), out.at ? out.at : "", out.n);
    *len = out.n;
    if (!format_same(src, file, source_add(src, source_file(src, file)->name, made, out.n), names, mem, diag))
      base_fault("the layout of `%s` would be another program", source_file(src, file)->name);
    vec_free(&out), vec_free(&o.text), vec_free(&o.line), vec_free(&p);
  }
  intern_destroy(names);
  return made;
}
