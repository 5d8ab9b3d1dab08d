/* What could stand at a place: options that are not given yet, names in scope, functions, words. */
#include "driver/editor/server_priv.h"
#include "frontend/builtin/builtin.h"

#include <string.h>

enum { ITEM_FUNCTION = 3, ITEM_FIELD = 5, ITEM_VARIABLE = 6, ITEM_VALUE = 12, ITEM_KEYWORD = 14, ITEM_CONSTANT = 21 };

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
  uint32_t begin = 0, depth = 0;
  for (uint32_t i = 0; i < here && i < f->n; i++) { /* items without a name, too */
    if (!depth && f->lex[i].first && f->lex[i].kind == LEX_KEYWORD) begin = i;
    depth += f->lex[i].kind == LEX_OPENER;
    depth -= f->lex[i].kind == LEX_CLOSER && depth;
  }
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

static const Def *def_of(const Analysis *a, uint32_t lex, const FileNames **in) {
  const Name *n = &a->file[0].name[lex];
  *in = analysis_file(a, n->file);
  return *in && n->def < (*in)->ndef ? &(*in)->def[n->def] : NULL;
}

/* Arguments by name of a function of the file, or of the language. */
static void offer_arguments(json_t *list, json_t *seen, const Analysis *a, const OptionPlace *p, Arena *mem) {
  const FileNames *f = &a->file[0], *in;
  uint32_t of = 0, place[32][2];
  const int32_t callee = names_callee(f, p->opener, &of);
  if (callee < 0) return;
  Described what;
  const Def *d = def_of(a, (uint32_t)callee, &in);
  if (d && d->kind == DEF_DATA) return;
  if (d) what = describe_def(in, d, mem);
  else if (!describe_language(lexeme_text(f, (uint32_t)callee, mem), mem, &what)) return;
  const uint32_t n = describe_params(what.head, of, place, 32);
  for (uint32_t k = 0; k < n; k++) {
    const size_t len = strcspn(what.head + place[k][0], " :=,)");
    const char *name = arena_strndup(mem, what.head + place[k][0], len);
    if (*name != '.' && !options_given(a, p, name))
      offer(list, seen, arena_printf(mem, "%s = ", name), ITEM_FIELD,
            arena_strndup(mem, what.head + place[k][0], place[k][1] - place[k][0]), "", "0");
  }
}

static void offer_options(json_t *list, json_t *seen, const Analysis *a, const OptionPlace *p, Arena *mem) {
  const OptionText *t;
  for (uint32_t k = 0; (t = option_text(p->whose, k)); k++)
    if (!options_given(a, p, t->name) && !(!strcmp(t->name, "steps") && options_given(a, p, "epochs") && p->braces) &&
        !(!strcmp(t->name, "epochs") && options_given(a, p, "steps") && p->braces))
      offer(list, seen, arena_printf(mem, "%s = ", t->name), ITEM_FIELD, option_head(t, p->whose, mem),
            option_doc(t, p->whose, mem), "0");
}

static void offer_word(json_t *list, json_t *seen, const char *name, Arena *mem) {
  Described what = {name, ""};
  if (describe_word(name, mem, &what)) offer(list, seen, name, ITEM_VALUE, what.head, what.doc, "0");
  else offer(list, seen, name, ITEM_VALUE, "", "", "0");
}

/* Words that an option takes: `optimizer = adam`, `kind = line`, `method = leapfrog`. True: it takes nothing else. */
static bool offer_words(json_t *list, json_t *seen, const Analysis *a, const OptionPlace *p, Arena *mem) {
  const FileNames *f = &a->file[0];
  const bool plot = !strncmp(p->whose, "plot", 4);
  const OptionRow *row;
  uint32_t all = 0;
  if (!p->named || p->at == UINT32_MAX) return false;
  for (uint32_t k = 0; !strcmp(p->whose, "train") && (row = option_words(k)); k++)
    if (names_text(f, p->at, option_of_kind[row->kind])) offer_word(list, seen, row->name, mem), all += row->kind != OPTION_BATCH;
  for (int k = 0; plot && names_text(f, p->at, "kind") && k < PLOT_KINDS; k++)
    offer_word(list, seen, plot_kind_name[k], mem), all++;
  if (plot && names_text(f, p->at, "aspect")) offer_word(list, seen, "equal", mem), offer_word(list, seen, "auto", mem), all++;
  for (int m = 0; !p->braces && names_text(f, p->at, "method") && m < M_count; m++) {
    Described what;
    if (describe_language(ir_method[m].name, mem, &what))
      offer(list, seen, ir_method[m].name, ITEM_FUNCTION, what.head, what.doc, "0");
  }
  return all;
}

static void offer_all(json_t *list, json_t *seen, const Analysis *a, uint32_t here, Arena *mem) {
  const char *names[512], *word;
  offer_defs(list, seen, a, here, mem);
  const uint32_t n = builtin_names(names, 512);
  for (uint32_t k = 0; k < n; k++) {
    Described what;
    if (describe_language(names[k], mem, &what)) offer(list, seen, names[k], ITEM_FUNCTION, what.head, what.doc, "3");
  }
  for (uint32_t k = 0; (word = lexemes_keyword(k)); k++) offer(list, seen, word, ITEM_KEYWORD, "a word of the language", "", "4");
}

json_t *ask_completion(Server *s, Doc *d, const json_t *params) {
  Analysis *a = analysis_of(s, d);
  if (!a) return NULL;
  const uint32_t byte = text_offset(d->text, d->len, json_object_get(params, "position"));
  const FileNames *f = &a->file[0];
  uint32_t here = 0;
  while (here < f->n && f->lex[here].end < byte) here++;
  if (here < f->n && f->lex[here].begin < byte &&
      (f->lex[here].kind == LEX_COMMENT || f->lex[here].kind == LEX_STRING || f->lex[here].kind == LEX_NUMBER))
    return NULL;
  json_t *list = json_array(), *seen = json_object();
  Arena *mem = arena_create();
  OptionPlace p;
  const bool options = options_at(a, byte, &p, mem);
  bool only = options && p.braces && p.naming; /* in braces nothing but an option can be named */
  if (options && p.naming) offer_options(list, seen, a, &p, mem);
  else if (options) only = offer_words(list, seen, a, &p, mem);
  if (!options && options_around(a, byte, &p)) offer_arguments(list, seen, a, &p, mem);
  if (!only) offer_all(list, seen, a, here, mem);
  arena_destroy(mem);
  json_decref(seen);
  return json_pack("{s:b, s:o}", "isIncomplete", 0, "items", list);
}
