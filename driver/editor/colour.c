/* Semantic colours, shapes beside names, and the layout of a document. */
#include "driver/editor/server_priv.h"
#include "frontend/format/format.h"

#include <string.h>

static const char *const token_types[] = {"comment",  "keyword",   "number",   "string",   "operator",
                                          "function", "parameter", "variable", "property", "type"};
typedef enum TokenType {
  TOK_COMMENT,
  TOK_KEYWORD,
  TOK_NUMBER,
  TOK_STRING,
  TOK_OPERATOR,
  TOK_FUNCTION,
  TOK_PARAMETER,
  TOK_VARIABLE,
  TOK_PROPERTY,
  TOK_TYPE,
  TOK_NONE
} TokenType;
enum { MOD_DEFINITION = 1, MOD_READONLY = 2, MOD_LIBRARY = 4 };

json_t *tokens_legend(void) {
  json_t *types = json_array();
  for (int k = 0; k < TOK_NONE; k++) json_array_append_new(types, json_string(token_types[k]));
  return json_pack("{s:o, s:[s, s, s]}", "tokenTypes", types, "tokenModifiers", "definition", "readonly", "defaultLibrary");
}

static TokenType type_of_def(DefKind k) {
  switch (k) {
  case DEF_FN:
  case DEF_HAMILTONIAN:
  case DEF_NET:
  case DEF_FLOW:
  case DEF_LOSS:
  case DEF_LOCAL_FN: return TOK_FUNCTION;
  case DEF_FORMAL:
  case DEF_SIZE: return TOK_PARAMETER;
  case DEF_FIELD: return TOK_PROPERTY;
  default: return TOK_VARIABLE;
  }
}

static TokenType type_of_name(const Analysis *a, const FileNames *f, uint32_t i, int *modifiers) {
  const Name *n = &f->name[i];
  const FileNames *in = analysis_file(a, n->file);
  switch (n->role) {
  case ROLE_OPTION:
  case ROLE_MEMBER: return TOK_PROPERTY;
  case ROLE_TYPE: return TOK_TYPE;
  case ROLE_BUILTIN: return *modifiers = MOD_LIBRARY, TOK_FUNCTION;
  case ROLE_DEF:
  case ROLE_USE:
    if (!in || n->def >= in->ndef) return TOK_VARIABLE;
    *modifiers = (n->role == ROLE_DEF ? MOD_DEFINITION : 0) | (in->def[n->def].kind == DEF_CONST ? MOD_READONLY : 0) |
                 (*in->path == '<' ? MOD_LIBRARY : 0);
    return type_of_def(in->def[n->def].kind);
  default: return TOK_VARIABLE;
  }
}

static TokenType type_of(const Analysis *a, const FileNames *f, uint32_t i, int *modifiers) {
  *modifiers = 0;
  switch (f->lex[i].kind) {
  case LEX_COMMENT: return TOK_COMMENT;
  case LEX_KEYWORD: return TOK_KEYWORD;
  case LEX_NUMBER: return TOK_NUMBER;
  case LEX_STRING: return TOK_STRING;
  case LEX_NAME: return type_of_name(a, f, i, modifiers);
  case LEX_OPERATOR: return strchr(",;:.", f->text[f->lex[i].begin]) ? TOK_NONE : TOK_OPERATOR;
  default: return TOK_NONE;
  }
}

typedef struct Units { /* a place, moved on through the text */
  uint32_t at;
  json_int_t line, unit;
} Units;

static void move_to(Units *u, const char *text, uint32_t len, uint32_t to) {
  while (u->at < to) {
    int32_t code;
    const uint32_t end = text_line_end(text, len, u->at);
    u->at += end ? end : source_char(text, len, u->at, &code);
    u->unit = end ? 0 : u->unit + (code > 0xffff ? 2 : 1);
    u->line += end != 0;
  }
}

json_t *ask_tokens(Server *s, Doc *d, const json_t *params) {
  Analysis *a = analysis_of(s, d);
  Units last = {0}, at = {0};
  (void)params;
  if (!a) return NULL;
  json_t *data = json_array();
  const FileNames *f = &a->file[0];
  for (uint32_t i = 0; i < f->n; i++) {
    int modifiers;
    const TokenType type = type_of(a, f, i, &modifiers);
    if (type == TOK_NONE) continue;
    move_to(&at, d->text, (uint32_t)d->len, f->lex[i].begin);
    Units end = at;
    move_to(&end, d->text, (uint32_t)d->len, f->lex[i].end);
    const json_int_t row[] = {at.line - last.line, at.line == last.line ? at.unit - last.unit : at.unit, end.unit - at.unit, type,
                              modifiers};
    for (int k = 0; k < 5; k++) json_array_append_new(data, json_integer(row[k]));
    last = at;
  }
  return json_pack("{s:o}", "data", data);
}

/* The shapes of names that do not say them. */
json_t *ask_hints(Server *s, Doc *d, const json_t *params) {
  Analysis *a = analysis_of(s, d);
  if (!a) return NULL;
  const json_t *range = json_object_get(params, "range");
  const uint32_t from = range ? text_offset(d->text, d->len, json_object_get(range, "start")) : 0;
  const uint32_t to = range ? text_offset(d->text, d->len, json_object_get(range, "end")) : (uint32_t)d->len;
  json_t *list = json_array();
  const FileNames *f = &a->file[0];
  for (uint32_t k = 0; k < f->ndef; k++) {
    const Def *x = &f->def[k];
    const Lexeme *l = &f->lex[x->at];
    if ((x->kind != DEF_LET && x->kind != DEF_VAR && x->kind != DEF_FORMAL && x->kind != DEF_CONST) || l->begin < from ||
        l->end > to)
      continue;
    const bool typed = x->at + 1 < f->n && names_text(f, x->at + 1, ":"),
               given = x->at + 2 < f->n && f->lex[x->at + 2].kind == LEX_NUMBER;
    const char *type = typed || given ? NULL : analysis_type(a, x->at, false);
    if (!type || !strncmp(type, "a ", 2)) continue;
    json_t *label = json_sprintf(": %s", type);
    json_array_append_new(
        list, json_pack("{s:o, s:o, s:i}", "position", text_position(d->text, d->len, l->end), "label", label, "kind", 1));
  }
  return list;
}

/* ---- layout -------------------------------------------------------------------------------------------------- */

typedef struct Formatting {
  const Doc *d;
  Arena *mem;
  const char *text;
  size_t len;
} Formatting;

static void format(void *ctx) {
  Formatting *f = ctx;
  Source *src = source_create();
  Diag *diag = diag_create(src);
  f->mem = arena_create();
  f->text = format_text(src, source_add(src, f->d->path, f->d->text, f->d->len), f->mem, diag, &f->len);
}

/* One edit, of what differs. */
static json_t *difference(const Doc *d, const char *text, size_t len) {
  size_t begin = 0, end = 0;
  while (begin < len && begin < d->len && text[begin] == d->text[begin]) begin++;
  while (begin && (d->text[begin] & 0xC0) == 0x80) begin--;
  while (end < len - begin && end < d->len - begin && text[len - 1 - end] == d->text[d->len - 1 - end]) end++;
  while (end && (text[len - end] & 0xC0) == 0x80) end--;
  json_t *with = json_stringn(text + begin, len - end - begin);
  return json_pack("{s:o, s:o}", "range", text_range(d->text, d->len, (uint32_t)begin, (uint32_t)(d->len - end)), "newText",
                   with ? with : json_string(""));
}

json_t *ask_format(Server *s, Doc *d, const json_t *params) {
  Formatting f = {.d = d};
  char why[256];
  (void)s, (void)params;
  BaseHeap *heap = base_heap_create(0), *outer = base_heap_enter(heap);
  const bool whole = base_try(format, &f, why, sizeof why);
  base_heap_enter(outer);
  json_t *list = whole && f.text ? json_array() : NULL;
  if (list && (f.len != d->len || memcmp(f.text, d->text, f.len))) json_array_append_new(list, difference(d, f.text, f.len));
  base_heap_destroy(heap);
  return list;
}
