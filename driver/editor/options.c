/* Options by name, of `train` and `plot` in braces and of calls in parentheses: which there are at a place, which are given already, and
 * what is known of them (frontend/builtin/option.def). */
#include "driver/editor/server_priv.h"
#include "frontend/builtin/builtin.h"

#include <string.h>

/* The innermost bracket that is open at a byte, but lists: -1: none. */
static int32_t opener_around(const FileNames *f, uint32_t byte) {
  VEC(uint32_t) open = {0};
  for (uint32_t i = 0; i < f->n && f->lex[i].begin < byte; i++) {
    if (f->lex[i].kind == LEX_OPENER) *vec_push(&open) = i;
    if (f->lex[i].kind == LEX_CLOSER && open.n && f->lex[i].end <= byte) open.n--;
  }
  while (open.n && names_text(f, open.at[open.n - 1], "[")) open.n--;
  const int32_t o = open.n ? (int32_t)open.at[open.n - 1] : -1;
  vec_free(&open);
  return o;
}

/* The k-th thing that is given between a bracket and its end, or before `until`: the lexeme that begins it, and, if it is by name, that
 * name's; false: there are fewer. */
static bool given_at(const FileNames *f, uint32_t opener, uint32_t until, uint32_t k, uint32_t *begin, bool *named) {
  const bool lines = names_text(f, opener, "{");
  uint32_t depth = 0, n = 0;
  bool fresh = true;
  for (uint32_t i = opener + 1; i < f->n && i < until; i++) {
    if (f->lex[i].kind == LEX_COMMENT) continue;
    if (f->lex[i].kind == LEX_CLOSER && depth-- == 0) return false;
    if (!depth && (names_text(f, i, ",") || names_text(f, i, ";"))) {
      fresh = true;
      continue;
    }
    fresh |= !depth && lines && f->lex[i].first;
    if (fresh && !depth && n++ == k) {
      uint32_t next = i + 1;
      while (next < f->n && f->lex[next].kind == LEX_COMMENT) next++;
      return *begin = i, *named = f->lex[i].kind != LEX_OPENER && names_text(f, next, "="), true;
    }
    fresh = false;
    depth += f->lex[i].kind == LEX_OPENER;
  }
  return false;
}

/* `train`, or the kind of a plot: `plot:line`; NULL: the braces are no options. */
static const char *item_of(const FileNames *f, uint32_t opener, Arena *mem) {
  uint32_t item = opener, begin, depth = 0;
  for (; item; item--) {
    depth += f->lex[item - 1].kind == LEX_CLOSER;
    depth -= f->lex[item - 1].kind == LEX_OPENER && depth;
    if (!depth && f->lex[item - 1].first) break;
  }
  if (!item) return NULL;
  if (names_text(f, item - 1, "train")) return "train";
  if (!names_text(f, item - 1, "plot")) return NULL;
  bool named;
  for (uint32_t k = 0; given_at(f, opener, f->n, k, &begin, &named); k++)
    for (int kind = 0; named && names_text(f, begin, "kind") && kind < PLOT_KINDS; kind++)
      if (names_text(f, begin + 2, plot_kind_name[kind])) return arena_printf(mem, "plot:%s", plot_kind_name[kind]);
  return "plot";
}

/* A function's options are those of its name; a data set's, those of `data`. */
static const char *callee_of(const Analysis *a, uint32_t opener, Arena *mem) {
  const FileNames *f = &a->file[0];
  uint32_t list;
  const int32_t k = names_callee(f, opener, &list);
  if (k < 0) return NULL;
  const FileNames *in = analysis_file(a, f->name[k].file);
  if (in && f->name[k].def < in->ndef) return in->def[f->name[k].def].kind == DEF_DATA ? "data" : NULL;
  return lexeme_text(f, (uint32_t)k, mem);
}

bool options_at(const Analysis *a, uint32_t byte, OptionPlace *out, Arena *mem) {
  const FileNames *f = &a->file[0];
  const int32_t o = opener_around(f, byte);
  if (o < 0) return false;
  *out = (OptionPlace){.opener = (uint32_t)o, .braces = names_text(f, (uint32_t)o, "{"), .at = UINT32_MAX};
  out->whose = out->braces ? item_of(f, (uint32_t)o, mem) : callee_of(a, (uint32_t)o, mem);
  if (!out->whose || !option_text(out->whose, 0)) return false;
  uint32_t until = (uint32_t)o + 1, begin;
  bool named;
  while (until < f->n && (f->lex[until].end < byte || (f->lex[until].end == byte && f->lex[until].kind != LEX_NAME))) until++;
  const uint32_t behind = until + (until < f->n && f->lex[until].begin < byte); /* the word at hand, if there is one */
  for (uint32_t k = 0; given_at(f, out->opener, behind, k, &begin, &named); k++) out->at = begin, out->named = named;
  const uint32_t last = until - 1; /* what stands before the word at hand */
  out->naming = last == out->opener || names_text(f, last, ",") || names_text(f, last, ";") || f->lex[last].kind == LEX_COMMENT ||
                (out->braces && !names_text(f, last, "=") && memchr(f->text + f->lex[last].end, '\n', byte - f->lex[last].end));
  return true;
}

bool options_around(const Analysis *a, uint32_t byte, OptionPlace *out) {
  const int32_t o = opener_around(&a->file[0], byte);
  *out = (OptionPlace){.whose = "", .opener = o < 0 ? 0 : (uint32_t)o, .at = UINT32_MAX};
  return o >= 0 && names_text(&a->file[0], (uint32_t)o, "(");
}

bool options_given(const Analysis *a, const OptionPlace *p, const char *name) {
  uint32_t begin;
  bool named;
  for (uint32_t k = 0; given_at(&a->file[0], p->opener, a->file[0].n, k, &begin, &named); k++)
    if (named && names_text(&a->file[0], begin, name)) return true;
  return false;
}

const char *option_head(const OptionText *t, const char *whose, Arena *mem) {
  const char *value = option_default(t, whose, mem);
  const bool one = *value && !strpbrk(value, " ;:"); /* a value, not what it depends on */
  return arena_printf(mem, "%s = %s", t->name, one || *value == '[' ? value : "...");
}

const char *option_doc(const OptionText *t, const char *whose, Arena *mem) {
  const char *value = option_default(t, whose, mem);
  return arena_printf(mem, "%s: %s%s%s", t->type, t->doc, *value ? ". Default: " : "", value);
}

bool describe_option(const Analysis *a, uint32_t lex, Arena *mem, Described *out) {
  OptionPlace p;
  const FileNames *f = &a->file[0];
  if (!options_at(a, f->lex[lex].begin, &p, mem)) return false;
  const OptionText *t;
  for (uint32_t k = 0; (t = option_text(p.whose, k)); k++) {
    if (!names_text(f, lex, t->name)) continue;
    const char *value = option_default(t, p.whose, mem), *end = strchr(p.whose, ':');
    out->head =
        arena_printf(mem, "%.*s: %s", end ? (int)(end - p.whose) : (int)strlen(p.whose), p.whose, option_head(t, p.whose, mem));
    out->doc = arena_printf(mem, "%s\n\n*takes*: %s%s%s", t->doc, t->type, *value ? "\n\n*default*: " : "", value);
    return true;
  }
  return false;
}

/* All options of a function behind one another, but those that `params` has: `, dt = ..., every = 1`. */
const char *options_list(const char *whose, const char *before, Arena *mem) {
  const OptionText *t;
  const char *out = "";
  for (uint32_t k = 0; (t = option_text(whose, k)); k++)
    out = arena_printf(mem, "%s%s%s", out, k || *before ? ", " : "", option_head(t, whose, mem));
  return arena_printf(mem, "%s%s", before, out);
}
