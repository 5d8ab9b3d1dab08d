/* The build of a document and of the workspace: what is defined, who calls whom, what folds, what is selected next, where names stand, what
 * links lead to, and what can be run. */
#include "driver/editor/across.h"
#include "frontend/builtin/builtin.h"

#include <string.h>
#include <unistd.h>

static int symbol_kind(DefKind k) {
  static const int kinds[] = {
    [DEF_CONST] = 14, [DEF_FN] = 12,    [DEF_HAMILTONIAN] = 12, [DEF_NET] = 5,        [DEF_FLOW] = 12,
    [DEF_USE] = 13,   [DEF_DATA] = 18,  [DEF_LOSS] = 12,        [DEF_REPORT] = 13,    [DEF_PLOT] = 19,
    [DEF_SAVE] = 19,  [DEF_PARAM] = 13, [DEF_FIELD] = 8,        [DEF_LOCAL_USE] = 13, [DEF_LOCAL_FN] = 12};
  return kinds[k];
}

static json_t *span(const FileNames *f, size_t len, uint32_t first, uint32_t last) {
  return text_range(f->text, len, f->lex[first].begin, f->lex[last].end);
}

/* The last lexeme of a definition that is no comment. */
static uint32_t last_of(const FileNames *f, const Def *x) {
  uint32_t last = x->end - 1;
  while (last > x->at && f->lex[last].kind == LEX_COMMENT) last--;
  return last;
}

/* ---- symbols --------------------------------------------------------------------------------------------------- */

static json_t *symbol(const FileNames *f, size_t len, const char *name, const char *detail, int kind, uint32_t first, uint32_t last,
                      uint32_t at) {
  return json_pack("{s:s, s:s, s:i, s:o, s:o}", "name", name, "detail", detail, "kind", kind, "range", span(f, len, first, last),
                   "selectionRange", span(f, len, at, at));
}

/* Parameters, functions and instances of a body, and the fields of data. */
static json_t *inner_symbols(const FileNames *f, size_t len, const Def *of, Arena *mem) {
  json_t *list = json_array();
  for (uint32_t k = 0; k < f->ndef; k++) {
    const Def *x = &f->def[k];
    const bool shown = x->kind == DEF_PARAM || x->kind == DEF_LOCAL_USE || x->kind == DEF_LOCAL_FN || x->kind == DEF_FIELD;
    if (shown && x->at > of->at && x->at < of->end)
      json_array_append_new(
          list, symbol(f, len, lexeme_text(f, x->at, mem), def_word[x->kind], symbol_kind(x->kind), x->at, x->at, x->at));
  }
  return list;
}

/* `train fit on s`, which has no name: what stands before its braces. */
static json_t *training(const FileNames *f, size_t len, uint32_t i, Arena *mem) {
  uint32_t k = i, end;
  while (k + 1 < f->n && !names_text(f, k + 1, "{") && !f->lex[k + 1].first) k++;
  end = k + 1 < f->n && names_text(f, k + 1, "{") ? f->lex[k + 1].match : k;
  const char *head = arena_strndup(mem, f->text + f->lex[i].begin, f->lex[k].end - f->lex[i].begin);
  return symbol(f, len, head, "train", 24, i, end < i ? k : end, i);
}

json_t *ask_symbols(Server *s, Doc *d, const json_t *params) {
  Analysis *a = analysis_of(s, d);
  (void)params;
  if (!a) return NULL;
  const FileNames *f = &a->file[0];
  Arena *mem = arena_create();
  json_t *list = json_array();
  uint32_t k = 0, depth = 0;
  for (uint32_t i = 0; i < f->n; i++) {
    if (k < f->ndef && f->def[k].kind <= DEF_SAVE && f->def[k].begin == i) {
      const Def *x = &f->def[k++];
      json_t *one =
          symbol(f, d->len, lexeme_text(f, x->at, mem), def_word[x->kind], symbol_kind(x->kind), x->begin, last_of(f, x), x->at);
      json_t *inner = inner_symbols(f, d->len, x, mem);
      if (json_array_size(inner)) json_object_set(one, "children", inner);
      json_decref(inner);
      json_array_append_new(list, one);
    } else if (!depth && f->lex[i].first && f->lex[i].kind == LEX_KEYWORD && names_text(f, i, "train"))
      json_array_append_new(list, training(f, d->len, i, mem));
    depth += f->lex[i].kind == LEX_OPENER;
    depth -= f->lex[i].kind == LEX_CLOSER && depth;
  }
  arena_destroy(mem);
  return list;
}

static bool holds(const char *name, const char *query) {
  const size_t n = strlen(query);
  for (; strlen(name) >= n; name++)
    if (!strncasecmp(name, query, n)) return true;
  return false;
}

json_t *ask_workspace_symbols(Server *s, Doc *none, const json_t *params) {
  enum { MOST = 500 };
  const char *query = json_string_value(json_object_get(params, "query"));
  Arena *mem = arena_create();
  Across x;
  json_t *list = json_array();
  (void)none;
  across_begin(&x, s, mem);
  for (uint32_t k = 0; k < x.file.n && json_array_size(list) < MOST; k++) {
    const FileNames *f = across_globals(&x, x.file.at[k]);
    for (uint32_t i = 0; f && i < f->ndef && json_array_size(list) < MOST; i++) {
      const char *name = lexeme_text(f, f->def[i].at, mem);
      if (!holds(name, query ? query : "")) continue;
      char *uri = across_uri(x.file.at[k]);
      json_array_append_new(list, json_pack("{s:s, s:i, s:{s:s, s:o}, s:s}", "name", name, "kind", symbol_kind(f->def[i].kind),
                                            "location", "uri", uri, "range", span(f, x.file.at[k]->len, f->def[i].at, f->def[i].at),
                                            "containerName", def_word[f->def[i].kind]));
      base_free(uri);
    }
  }
  across_end(&x);
  arena_destroy(mem);
  return list;
}

/* ---- who calls whom ------------------------------------------------------------------------------------------------ */

static json_t *call_item(const AcrossFile *f, const FileNames *n, const Def *x, Arena *mem) {
  char *uri = across_uri(f);
  json_t *j = json_pack("{s:s, s:i, s:s, s:s, s:o, s:o}", "name", lexeme_text(n, x->at, mem), "kind", symbol_kind(x->kind),
                        "detail", def_word[x->kind], "uri", uri, "range", span(n, f->len, x->begin, last_of(n, x)),
                        "selectionRange", span(n, f->len, x->at, x->at));
  base_free(uri);
  return j;
}

static AcrossFile *file_named(Across *x, const char *path) {
  for (uint32_t k = 0; k < x->file.n; k++)
    if (!strcmp(x->file.at[k]->path, path)) return x->file.at[k];
  return NULL;
}

static const Def *def_at(const FileNames *n, uint32_t begin) {
  for (uint32_t k = 0; n && k < n->ndef; k++)
    if (n->def[k].kind <= DEF_LOSS && n->lex[n->def[k].at].begin == begin) return &n->def[k];
  return NULL;
}

json_t *ask_calls(Server *s, Doc *d, const json_t *params) {
  Analysis *a = analysis_of(s, d);
  const int32_t lex = a ? lexeme_at(&a->file[0], text_offset(d->text, d->len, json_object_get(params, "position"))) : -1;
  if (lex < 0 || a->file[0].lex[lex].kind != LEX_NAME) return NULL;
  Arena *mem = arena_create();
  Across x;
  Target t;
  json_t *list = NULL;
  across_begin(&x, s, mem);
  AcrossFile *f = across_target(&x, d, a, (uint32_t)lex, &t) && !t.library ? file_named(&x, t.path) : NULL;
  const FileNames *n = f ? across_names(&x, f) : NULL;
  const Def *def = def_at(n, t.begin);
  if (def) list = json_pack("[o]", call_item(f, n, def, mem));
  across_end(&x);
  arena_destroy(mem);
  return list;
}

/* The definition that an item of the protocol names, and its file; NULL: it is not there any more. */
static AcrossFile *of_item(Across *x, const json_t *params, Target *t) {
  const json_t *item = json_object_get(params, "item");
  const char *uri = json_string_value(json_object_get(item, "uri"));
  if (!uri) return NULL;
  char *path = doc_path(uri);
  AcrossFile *f = across_file(x, path);
  base_free(path);
  const FileNames *n = f ? across_names(x, f) : NULL;
  if (!n) return NULL;
  const uint32_t begin = text_offset(f->text, f->len, json_object_get(json_object_get(item, "selectionRange"), "start"));
  const Def *def = def_at(n, begin);
  if (!def) return NULL;
  *t = (Target){.path = f->path, .name = lexeme_text(n, def->at, x->mem), .begin = begin};
  return f;
}

/* Calls are listed by whom they are from, or to: a row for each, with all its places. */
static void call(json_t *list, const char *side, json_t *item, json_t *place) {
  for (size_t k = 0; k < json_array_size(list); k++) {
    json_t *row = json_array_get(list, k);
    if (!json_equal(json_object_get(row, side), item)) continue;
    json_array_append_new(json_object_get(row, "fromRanges"), place);
    json_decref(item);
    return;
  }
  json_array_append_new(list, json_pack("{s:o, s:[o]}", side, item, "fromRanges", place));
}

json_t *ask_incoming(Server *s, Doc *none, const json_t *params) {
  Arena *mem = arena_create();
  Across x;
  Target t;
  json_t *list = json_array();
  (void)none;
  across_begin(&x, s, mem);
  const bool known = of_item(&x, params, &t);
  for (uint32_t k = 0; known && k < x.file.n; k++) {
    AcrossFile *f = x.file.at[k];
    for (uint32_t i = across_next(&x, f, &t, 0); i < f->names.n; i = across_next(&x, f, &t, i + 1)) {
      const FileNames *n = &f->all[0];
      for (uint32_t m = 0; n->name[i].role != ROLE_DEF && m < n->ndef; m++)
        if (n->def[m].kind <= DEF_SAVE && n->def[m].begin <= i && i < n->def[m].end)
          call(list, "from", call_item(f, n, &n->def[m], mem), span(n, f->len, i, i));
    }
  }
  across_end(&x);
  arena_destroy(mem);
  return list;
}

json_t *ask_outgoing(Server *s, Doc *none, const json_t *params) {
  Arena *mem = arena_create();
  Across x;
  Target t;
  json_t *list = json_array();
  (void)none;
  across_begin(&x, s, mem);
  AcrossFile *f = of_item(&x, params, &t);
  const FileNames *n = f ? &f->all[0] : NULL;
  const Def *def = def_at(n, f ? t.begin : 0);
  for (uint32_t i = def ? def->at + 1 : 1; def && i < def->end; i++) {
    const Name *name = &n->name[i];
    const FileNames *g = name->role == ROLE_USE && name->file && name->file <= f->nall ? &f->all[name->file - 1] : NULL;
    const Def *to = g && name->def < g->ndef ? &g->def[name->def] : NULL;
    AcrossFile *in = to && to->kind <= DEF_LOSS && to->kind != DEF_CONST ? file_named(&x, g->path) : NULL;
    if (in) call(list, "to", call_item(in, g, to, mem), span(n, f->len, i, i));
  }
  across_end(&x);
  arena_destroy(mem);
  return list;
}

/* ---- folds, selections, places of a name ----------------------------------------------------------------------- */

static int line_of(const FileNames *f, size_t len, uint32_t byte) {
  json_t *p = text_position(f->text, len, byte);
  const int line = (int)json_integer_value(json_object_get(p, "line"));
  json_decref(p);
  return line;
}

static void fold(json_t *list, int from, int to, const char *kind) {
  if (to <= from) return;
  json_t *j = json_pack("{s:i, s:i}", "startLine", from, "endLine", to);
  if (kind) json_object_set_new(j, "kind", json_string(kind));
  json_array_append_new(list, j);
}

/* Lines of comments, or of imports, that follow one another: the first lexeme behind them. */
static uint32_t run_of(const FileNames *f, size_t len, uint32_t i, bool imports, json_t *list) {
  const int from = line_of(f, len, f->lex[i].begin);
  int to = from;
  uint32_t k = i + 1;
  for (; k < f->n; k++) {
    const int line = line_of(f, len, f->lex[k].begin);
    const bool more = imports ? names_text(f, k, "import") || line == to : f->lex[k].kind == LEX_COMMENT;
    if (!more || line > to + 1) break;
    to = line;
  }
  fold(list, from, to, imports ? "imports" : "comment");
  return k;
}

json_t *ask_folds(Server *s, Doc *d, const json_t *params) {
  Analysis *a = analysis_of(s, d);
  (void)params;
  if (!a) return NULL;
  const FileNames *f = &a->file[0];
  json_t *list = json_array();
  for (uint32_t i = 0; i < f->n; i++)
    if (f->lex[i].kind == LEX_OPENER && f->lex[i].match > i && f->lex[i].match < f->n) {
      const uint32_t end = f->lex[i].match;
      const int from = line_of(f, d->len, f->lex[i].begin), to = line_of(f, d->len, f->lex[end].begin);
      fold(list, from, to - (line_of(f, d->len, f->lex[end - 1].end) < to), NULL);
    }
  for (uint32_t i = 0; i < f->n;) {
    const bool comment =
        f->lex[i].kind == LEX_COMMENT && (!i || memchr(f->text + f->lex[i - 1].end, '\n', f->lex[i].begin - f->lex[i - 1].end));
    const bool import = f->lex[i].first && f->lex[i].kind == LEX_KEYWORD && names_text(f, i, "import");
    i = comment || import ? run_of(f, d->len, i, import, list) : i + 1;
  }
  return list;
}

/* From a place outwards: a word, what is in the brackets around it, these, the statement, the item, the file. */
static json_t *selection(const Doc *d, const FileNames *f, uint32_t byte) {
  enum { MOST = 64 };
  uint32_t piece[MOST][2], n = 0;
  const int32_t lex = lexeme_at(f, byte);
  if (lex >= 0) piece[n][0] = f->lex[lex].begin, piece[n++][1] = f->lex[lex].end;
  uint32_t depth = 0;
  for (uint32_t i = f->n; i-- > 0 && n < MOST - 4;) {
    if (f->lex[i].begin > byte) continue;
    const Lexeme *l = &f->lex[i];
    if (l->kind == LEX_CLOSER && l->end <= byte) depth++;
    else if (l->kind == LEX_OPENER && depth) depth--;
    else if (l->kind == LEX_OPENER && l->end <= byte && l->match > i && l->match < f->n) {
      const Lexeme *end = &f->lex[l->match];
      piece[n][0] = l->end, piece[n++][1] = end->begin;
      piece[n][0] = l->begin, piece[n++][1] = end->end;
    }
    uint32_t stop = i + 1, inner = 0;
    if (depth || !l->first) continue;
    for (; stop < f->n && (inner || (!f->lex[stop].first && f->lex[stop].kind != LEX_CLOSER)); stop++) {
      inner += f->lex[stop].kind == LEX_OPENER;
      inner -= f->lex[stop].kind == LEX_CLOSER && inner;
    }
    while (stop - 1 > i && f->lex[stop - 1].kind == LEX_COMMENT) stop--;
    piece[n][0] = l->begin, piece[n++][1] = f->lex[stop - 1].end;
  }
  piece[n][0] = 0, piece[n++][1] = (uint32_t)d->len;
  json_t *out = NULL, *last = NULL;
  uint32_t at = byte, to = byte;
  for (uint32_t k = 0; k < n; k++) {
    if (piece[k][0] > at || piece[k][1] < to || (out && piece[k][0] == at && piece[k][1] == to)) continue;
    at = piece[k][0], to = piece[k][1];
    json_t *j = json_pack("{s:o}", "range", text_range(d->text, d->len, at, to));
    if (last) json_object_set_new(last, "parent", j);
    else out = j;
    last = j;
  }
  return out;
}

json_t *ask_selections(Server *s, Doc *d, const json_t *params) {
  Analysis *a = analysis_of(s, d);
  const json_t *positions = json_object_get(params, "positions");
  if (!a) return NULL;
  json_t *list = json_array();
  for (size_t k = 0; k < json_array_size(positions); k++)
    json_array_append_new(list, selection(d, &a->file[0], text_offset(d->text, d->len, json_array_get(positions, k))));
  return list;
}

json_t *ask_highlights(Server *s, Doc *d, const json_t *params) {
  enum { READ = 2, WRITE = 3 };
  Analysis *a = analysis_of(s, d);
  const int32_t lex = a ? lexeme_at(&a->file[0], text_offset(d->text, d->len, json_object_get(params, "position"))) : -1;
  if (lex < 0) return NULL;
  const FileNames *f = &a->file[0];
  const Name *x = &f->name[lex];
  if (f->lex[lex].kind != LEX_NAME || !x->file) return NULL;
  json_t *list = json_array();
  for (uint32_t k = 0; k < f->n; k++)
    if (f->name[k].file == x->file && f->name[k].def == x->def)
      json_array_append_new(
          list, json_pack("{s:o, s:i}", "range", span(f, d->len, k, k), "kind", f->name[k].role == ROLE_DEF ? WRITE : READ));
  return list;
}

/* ---- links, and what can be run ------------------------------------------------------------------------------------- */

/* What a text in quotes is the name of: an imported file, or one that is read; NULL: nothing that is there. */
static char *link_of(const Analysis *a, const Doc *d, uint32_t lex, Arena *mem) {
  const FileNames *f = &a->file[0];
  uint32_t list;
  const char *name = arena_strndup(mem, f->text + f->lex[lex].begin + 1, f->lex[lex].end - f->lex[lex].begin - 2),
             *slash = strrchr(d->path, '/');
  const char *dir = slash ? arena_strndup(mem, d->path, (size_t)(slash - d->path)) : ".";
  if (lex && names_text(f, lex - 1, "import")) {
    const char *path = arena_printf(mem, "%s/%s.hnn", dir, name);
    if (access(path, R_OK) == 0) return doc_uri(path);
    for (uint32_t k = 0; k < a->nfile; k++)
      if (!strcmp(a->file[k].path, arena_printf(mem, "<%s.hnn>", name))) return library_uri(&a->file[k]);
    return NULL;
  }
  const int32_t callee = lex && names_text(f, lex - 1, "(") ? names_callee(f, lex - 1, &list) : -1;
  if (callee < 0 || (!names_text(f, (uint32_t)callee, "read") && !names_text(f, (uint32_t)callee, "onnx"))) return NULL;
  const char *path = arena_printf(mem, "%s/%s", *name == '/' ? "" : dir, name);
  return access(path, R_OK) == 0 ? doc_uri(path) : NULL;
}

json_t *ask_links(Server *s, Doc *d, const json_t *params) {
  Analysis *a = analysis_of(s, d);
  (void)params;
  if (!a) return NULL;
  const FileNames *f = &a->file[0];
  json_t *list = json_array();
  Arena *mem = arena_create();
  for (uint32_t k = 0; k < f->n; k++) {
    if (f->lex[k].kind != LEX_STRING || f->lex[k].end - f->lex[k].begin < 3) continue;
    char *uri = link_of(a, d, k, mem);
    if (uri)
      json_array_append_new(list, json_pack("{s:o, s:s}", "range",
                                            text_range(d->text, d->len, f->lex[k].begin + 1, f->lex[k].end - 1), "target", uri));
    base_free(uri);
  }
  arena_destroy(mem);
  return list;
}

static json_t *lens(const FileNames *f, const Doc *d, uint32_t at, const char *title, const char *command) {
  return json_pack("{s:o, s:{s:s, s:s, s:[s]}}", "range", span(f, d->len, at, at), "command", "title", title, "command", command,
                   "arguments", d->path);
}

/* Above each training what it can be given to; of a file without one, above its first report. The commands are the editor's (editors/). */
json_t *ask_lenses(Server *s, Doc *d, const json_t *params) {
  Analysis *a = analysis_of(s, d);
  (void)params;
  if (!a) return NULL;
  const FileNames *f = &a->file[0];
  json_t *list = json_array();
  uint32_t depth = 0;
  int32_t report = -1;
  for (uint32_t i = 0; i < f->n; i++) {
    const bool item = !depth && f->lex[i].first && f->lex[i].kind == LEX_KEYWORD;
    if (item && report < 0 && names_text(f, i, "report")) report = (int32_t)i;
    if (item && names_text(f, i, "train")) {
      json_array_append_new(list, lens(f, d, i, "run", "hnn.run"));
      json_array_append_new(list, lens(f, d, i, "explore", "hnn.explore"));
    }
    depth += f->lex[i].kind == LEX_OPENER;
    depth -= f->lex[i].kind == LEX_CLOSER && depth;
  }
  if (!json_array_size(list) && report >= 0) json_array_append_new(list, lens(f, d, (uint32_t)report, "run", "hnn.run"));
  return list;
}
