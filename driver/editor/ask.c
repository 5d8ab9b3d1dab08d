/* What is asked of a place: what stands there, what could stand there, what a call takes. */
#include "driver/editor/server_priv.h"
#include "frontend/builtin/builtin.h"

#include <string.h>

static uint32_t byte_at(const Doc *d, const json_t *params) {
  return text_offset(d->text, d->len, json_object_get(params, "position"));
}

static json_t *range_of(const Doc *d, const FileNames *f, uint32_t lex) {
  return text_range(d->text, d->len, f->lex[lex].begin, f->lex[lex].end);
}

static const Def *def_of(const Analysis *a, uint32_t lex, const FileNames **in) {
  const Name *n = &a->file[0].name[lex];
  *in = analysis_file(a, n->file);
  return *in && n->def < (*in)->ndef ? &(*in)->def[n->def] : NULL;
}

/* ---- hover --------------------------------------------------------------------------------------------- */

/* What is claimed at a definition, and what became of it. */
static const char *claims_at(const Analysis *a, const FileNames *f, const Def *d, Arena *mem) {
  const char *out = "";
  for (uint32_t k = 0; k < a->tree.proof.n; k++) {
    const Proof *p = &a->tree.proof.at[k];
    if (p->at.file != f->file || p->at.begin < f->lex[d->begin].begin || p->at.begin >= f->lex[d->end - 1].end) continue;
    out = arena_printf(mem, "%s\n\n*%s*: %s%s%s", out, answer_text[p->answer], p->text, *p->detail ? ", " : "", p->detail);
  }
  return out;
}

static const char *described(const Analysis *a, uint32_t lex, Arena *mem) {
  const FileNames *f = &a->file[0], *in;
  const Def *d = def_of(a, lex, &in);
  const char *type = analysis_type(a, lex, false), *given = analysis_type(a, lex, true);
  Described what = {0};
  if (d) what = describe_def(in, d, mem);
  else if (f->name[lex].role != ROLE_BUILTIN || !describe_language(lexeme_text(f, lex, mem), mem, &what)) {
    if (!type) return NULL;
    what = (Described){lexeme_text(f, lex, mem), ""};
  }
  const bool function = type && !strncmp(type, "a function", 10), called = given && given != type;
  const char *head = what.head, *shape = called ? arena_printf(mem, "\n\nHere it gives `%s`.", given) : "";
  if (type && !function && !called) shape = arena_printf(mem, "\n\n`%s`", type);
  const bool claims = d && d->kind == DEF_FLOW && d->end > d->begin;
  return arena_printf(mem, "```hnn\n%s\n```%s%s%s%s", head, shape, *what.doc ? "\n\n" : "", what.doc,
                      claims ? claims_at(a, in, d, mem) : "");
}

json_t *ask_hover(Server *s, Doc *d, const json_t *params) {
  Analysis *a = analysis_of(s, d);
  const int32_t lex = a ? lexeme_at(&a->file[0], byte_at(d, params)) : -1;
  if (lex < 0 || a->file[0].lex[lex].kind != LEX_NAME) return NULL;
  Arena *mem = arena_create();
  const char *text = described(a, (uint32_t)lex, mem);
  json_t *j = text ? json_pack("{s:{s:s, s:s}, s:o}", "contents", "kind", "markdown", "value", text, "range",
                               range_of(d, &a->file[0], (uint32_t)lex))
                   : NULL;
  arena_destroy(mem);
  return j;
}

/* ---- signature ------------------------------------------------------------------------------------------- */

/* The innermost parentheses around a byte, and what was given in them before it; -1: none, or those of no call. */
static int32_t call_around(const FileNames *f, uint32_t byte, uint32_t *given, int32_t *named) {
  VEC(uint32_t) open = {0};
  uint32_t i = 0;
  for (; i < f->n && f->lex[i].begin < byte; i++) {
    if (f->lex[i].kind == LEX_OPENER) *vec_push(&open) = i;
    if (f->lex[i].kind == LEX_CLOSER && open.n && f->lex[i].end <= byte) open.n--;
  }
  while (open.n && names_text(f, open.at[open.n - 1], "[")) open.n--;
  const int32_t o = open.n && names_text(f, open.at[open.n - 1], "(") ? (int32_t)open.at[open.n - 1] : -1;
  vec_free(&open);
  *given = 0, *named = -1;
  for (uint32_t k = (uint32_t)o + 1, depth = 0; o >= 0 && k < i; k++) {
    depth += f->lex[k].kind == LEX_OPENER;
    depth -= f->lex[k].kind == LEX_CLOSER && depth;
    if (!depth && names_text(f, k, ",")) ++*given, *named = -1;
    if (!depth && k + 1 < f->n && f->name[k].role == ROLE_OPTION) *named = (int32_t)k;
  }
  return o;
}

static bool begins(const char *text, const FileNames *f, uint32_t lex) {
  const uint32_t n = f->lex[lex].end - f->lex[lex].begin;
  return !strncmp(text, f->text + f->lex[lex].begin, n) && (!text[n] || strchr(" :=,)", text[n]));
}

static json_t *signature(const Analysis *a, uint32_t callee, uint32_t list, uint32_t given, int32_t named, Arena *mem) {
  enum { MOST = 32 };
  const FileNames *f = &a->file[0], *in;
  const Def *d = def_of(a, callee, &in);
  Described what;
  uint32_t place[MOST][2];
  if (d) what = describe_def(in, d, mem);
  else if (!describe_language(lexeme_text(f, callee, mem), mem, &what)) return NULL;
  uint32_t n = describe_params(what.head, list, place, MOST), active = given;
  json_t *list_of = json_array();
  for (uint32_t k = 0; k < n; k++) {
    json_array_append_new(list_of, json_pack("{s:[i, i]}", "label", (int)place[k][0], (int)place[k][1]));
    if (named >= 0 && begins(what.head + place[k][0], f, (uint32_t)named)) active = k;
  }
  if (n && active >= n && strstr(what.head, "...")) active = n - 1;
  return json_pack("{s:[{s:s, s:s, s:o}], s:i, s:i}", "signatures", "label", what.head, "documentation", what.doc, "parameters",
                   list_of, "activeSignature", 0, "activeParameter", (int)active);
}

json_t *ask_signature(Server *s, Doc *d, const json_t *params) {
  Analysis *a = analysis_of(s, d);
  uint32_t given, list;
  int32_t named;
  if (!a) return NULL;
  const int32_t o = call_around(&a->file[0], byte_at(d, params), &given, &named);
  const int32_t callee = o < 0 ? -1 : names_callee(&a->file[0], (uint32_t)o, &list);
  if (callee < 0) return NULL;
  Arena *mem = arena_create();
  json_t *j = signature(a, (uint32_t)callee, list, given, named, mem);
  arena_destroy(mem);
  return j;
}

/* ---- completion -------------------------------------------------------------------------------------------- */

enum { ITEM_FUNCTION = 3, ITEM_FIELD = 5, ITEM_VARIABLE = 6, ITEM_KEYWORD = 14, ITEM_CONSTANT = 21 };

static int item_of(DefKind k) {
  if (k == DEF_FN || k == DEF_HAMILTONIAN || k == DEF_NET || k == DEF_FLOW || k == DEF_LOSS || k == DEF_LOCAL_FN || k == DEF_USE ||
      k == DEF_LOCAL_USE)
    return ITEM_FUNCTION;
  return k == DEF_CONST ? ITEM_CONSTANT : k == DEF_FIELD ? ITEM_FIELD : ITEM_VARIABLE;
}

static void offer(json_t *list, json_t *seen, const char *label, int kind, const char *detail, const char *doc, const char *sort) {
  if (json_object_get(seen, label)) return;
  json_object_set_new(seen, label, json_true());
  json_t *j = json_pack("{s:s, s:i, s:s, s:s}", "label", label, "kind", kind, "detail", detail, "sortText", sort);
  if (j && *doc) json_object_set_new(j, "documentation", json_pack("{s:s, s:s}", "kind", "markdown", "value", doc));
  if (j) json_array_append_new(list, j);
}

/* Definitions that can be named at lexeme `here`: of the top level, and those of the same item, before it. */
static void offer_defs(json_t *list, json_t *seen, const Analysis *a, uint32_t here, Arena *mem) {
  const FileNames *f = &a->file[0];
  uint32_t begin = 0;
  for (uint32_t k = 0; k < f->ndef; k++)
    if (f->def[k].kind <= DEF_SAVE && f->def[k].begin <= here && f->def[k].begin > begin) begin = f->def[k].begin;
  for (uint32_t m = 0; m < a->nfile; m++)
    for (uint32_t k = 0; k < a->file[m].ndef; k++) {
      const Def *d = &a->file[m].def[k];
      const bool local = d->kind > DEF_SAVE, near = d->kind == DEF_FIELD || (m == 0 && d->at >= begin && d->at < here);
      if ((local && !near) || d->kind == DEF_PLOT || d->kind == DEF_SAVE || (m && d->kind > DEF_LOSS)) continue;
      const Described what = describe_def(&a->file[m], d, mem);
      offer(list, seen, lexeme_text(&a->file[m], d->at, mem), item_of(d->kind), what.head, what.doc,
            local    ? "0"
            : m == 0 ? "1"
                     : "2");
    }
}

static void offer_options(json_t *list, json_t *seen, const Analysis *a, uint32_t byte, Arena *mem) {
  uint32_t given, of = 0, place[32][2];
  int32_t named;
  const FileNames *f = &a->file[0], *in;
  const int32_t o = call_around(f, byte, &given, &named), callee = o < 0 ? -1 : names_callee(f, (uint32_t)o, &of);
  if (callee < 0) return;
  Described what;
  const Def *d = def_of(a, (uint32_t)callee, &in);
  if (d) what = describe_def(in, d, mem);
  else if (!describe_language(lexeme_text(f, (uint32_t)callee, mem), mem, &what)) return;
  const uint32_t n = describe_params(what.head, of, place, 32);
  for (uint32_t k = 0; k < n; k++) {
    const size_t len = strcspn(what.head + place[k][0], " :=,)");
    const char *name = arena_strndup(mem, what.head + place[k][0], len);
    if (*name != '.')
      offer(list, seen, arena_printf(mem, "%s = ", name), ITEM_FIELD,
            arena_strndup(mem, what.head + place[k][0], place[k][1] - place[k][0]), "", "0");
  }
}

json_t *ask_completion(Server *s, Doc *d, const json_t *params) {
  Analysis *a = analysis_of(s, d);
  if (!a) return NULL;
  const uint32_t byte = byte_at(d, params);
  const FileNames *f = &a->file[0];
  uint32_t here = 0, n;
  while (here < f->n && f->lex[here].end < byte) here++;
  if (here < f->n && f->lex[here].begin < byte &&
      (f->lex[here].kind == LEX_COMMENT || f->lex[here].kind == LEX_STRING || f->lex[here].kind == LEX_NUMBER))
    return NULL;
  json_t *list = json_array(), *seen = json_object();
  Arena *mem = arena_create();
  const char *names[512], *word;
  offer_options(list, seen, a, byte, mem);
  offer_defs(list, seen, a, here, mem);
  n = builtin_names(names, 512);
  for (uint32_t k = 0; k < n; k++) {
    Described what;
    if (describe_language(names[k], mem, &what)) offer(list, seen, names[k], ITEM_FUNCTION, what.head, what.doc, "3");
  }
  for (uint32_t k = 0; (word = lexemes_keyword(k)); k++) offer(list, seen, word, ITEM_KEYWORD, "a word of the language", "", "4");
  arena_destroy(mem);
  json_decref(seen);
  return json_pack("{s:b, s:o}", "isIncomplete", 0, "items", list);
}
