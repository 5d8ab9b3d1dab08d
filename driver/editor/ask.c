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

/* A word of the language, or of the option of `train` that it stands in. */
static bool described_language(const Analysis *a, uint32_t lex, Arena *mem, Described *out) {
  OptionPlace p;
  const char *name = lexeme_text(&a->file[0], lex, mem);
  const bool word = options_at(a, a->file[0].lex[lex].begin, &p, mem) && !strcmp(p.whose, "train") && !p.naming;
  return (word && describe_word(name, mem, out)) || describe_language(name, mem, out) || describe_word(name, mem, out);
}

static const char *described(const Analysis *a, uint32_t lex, Arena *mem) {
  const FileNames *f = &a->file[0], *in;
  const Def *d = def_of(a, lex, &in);
  const char *type = analysis_type(a, lex, false), *given = analysis_type(a, lex, true);
  Described what = {0};
  if (f->name[lex].role == ROLE_OPTION && !d) {
    if (!describe_option(a, lex, mem, &what)) return NULL;
    return arena_printf(mem, "```hnn\n%s\n```\n\n%s", what.head, what.doc);
  }
  if (d) what = describe_def(in, d, mem);
  else if (f->name[lex].role != ROLE_BUILTIN || !described_language(a, lex, mem, &what)) {
    if (!type) return NULL;
    what = (Described){lexeme_text(f, lex, mem), ""};
  }
  const bool function = type && !strncmp(type, "a function", 10),
             called = given && given != type && strncmp(given, "the option", 10) != 0 && strcmp(given, "a method") != 0;
  const char *head = what.head, *shape = called ? arena_printf(mem, "\n\nHere it gives `%s`.", given) : "";
  if (type && !function && !called && strncmp(type, "the option", 10) != 0 && strcmp(type, "a method") != 0)
    shape = arena_printf(mem, "\n\n`%s`", type);
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
  if (d && d->kind == DEF_DATA) {
    what = describe_def(in, d, mem);
    what.head = arena_printf(mem, "%s(%s)", lexeme_text(in, d->at, mem), options_list("data", "", mem));
  } else if (d) what = describe_def(in, d, mem);
  else if (!described_language(a, callee, mem, &what)) return NULL;
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

/* In the braces of `train` and `plot`: all options there are, the one at hand active. */
static json_t *signature_braces(const Analysis *a, const OptionPlace *p, Arena *mem) {
  const char *label = strncmp(p->whose, "plot", 4) ? "train { " : "plot { ", *doc = "";
  json_t *list = json_array();
  const OptionText *t;
  int active = -1;
  for (uint32_t k = 0; (t = option_text(p->whose, k)); k++) {
    const char *head = option_head(t, p->whose, mem);
    label = arena_printf(mem, "%s%s", label, k ? ", " : "");
    const int begin = (int)strlen(label);
    label = arena_printf(mem, "%s%s", label, head);
    json_array_append_new(
        list, json_pack("{s:[i, i], s:s}", "label", begin, (int)strlen(label), "documentation", option_doc(t, p->whose, mem)));
    if (p->named && !p->naming && names_text(&a->file[0], p->at, t->name)) active = (int)k, doc = option_doc(t, p->whose, mem);
  }
  json_t *j =
      json_pack("{s:[{s:s, s:s, s:o}], s:i, s:o}", "signatures", "label", arena_printf(mem, "%s }", label), "documentation", doc,
                "parameters", list, "activeSignature", 0, "activeParameter", active < 0 ? json_null() : json_integer(active));
  return j;
}

json_t *ask_signature(Server *s, Doc *d, const json_t *params) {
  Analysis *a = analysis_of(s, d);
  uint32_t given, list;
  int32_t named;
  OptionPlace p;
  if (!a) return NULL;
  Arena *braces = arena_create();
  json_t *in = options_at(a, byte_at(d, params), &p, braces) && p.braces ? signature_braces(a, &p, braces) : NULL;
  arena_destroy(braces);
  if (in) return in;
  const int32_t o = call_around(&a->file[0], byte_at(d, params), &given, &named);
  const int32_t callee = o < 0 ? -1 : names_callee(&a->file[0], (uint32_t)o, &list);
  if (callee < 0) return NULL;
  Arena *mem = arena_create();
  json_t *j = signature(a, (uint32_t)callee, list, given, named, mem);
  arena_destroy(mem);
  return j;
}
