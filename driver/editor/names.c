/* See names.h: one walk over the tokens with the scopes that are open; statements name things from their end on. */
#include "driver/editor/names.h"
#include "frontend/builtin/builtin.h"

#include <string.h>

const char *const def_word[] = {
  "const", "fn",        "hamiltonian",     "net", "flow", "use",   "data", "loss",    "report",         "plot",
  "save",  "parameter", "size of an axis", "let", "var",  "param", "use",  "running", "turn of a loop", "fn",
  "field"};

typedef enum ScopeKind { SCOPE_CALL, SCOPE_FORMALS, SCOPE_TARGETS, SCOPE_SIZES, SCOPE_LIST, SCOPE_BLOCK, SCOPE_OPTIONS } ScopeKind;

typedef struct Scope {
  ScopeKind kind;
  uint32_t opener, active; /* how many names were known outside */
  uint32_t begin;          /* lexeme that begins the statement */
  int32_t turn;            /* definition that the next block has: `for x in ... {`; -1: none */
  int32_t cut;             /* names that are known behind a local function, whose parameters are not; -1: the statement is none */
} Scope;

typedef struct Pending { /* known from the end of its statement on */
  uint32_t def, depth;
} Pending;

typedef struct Walk {
  FileNames *all, *f;
  uint32_t nall;
  VEC(Def) def;
  VEC(uint32_t) active;
  VEC(Pending) pending;
  VEC(Scope) scope;    /* the first is that of the item */
  bool sizes;          /* names that are not known there are sizes: in the types of parameters */
  int32_t option;      /* the last that was named in braces; -1: none */
  int32_t header;      /* the name of the definition whose parameter lists come next; -1: none */
  uint32_t list, last; /* lists so far; the closer of the last */
} Walk;

bool names_text(const FileNames *f, uint32_t lex, const char *word) {
  const Lexeme *l = &f->lex[lex];
  return lex < f->n && l->kind != LEX_STRING && l->end - l->begin == strlen(word) &&
         !memcmp(f->text + l->begin, word, l->end - l->begin);
}

static bool same_text(const FileNames *a, uint32_t i, const FileNames *b, uint32_t k) {
  const uint32_t n = a->lex[i].end - a->lex[i].begin;
  return n == b->lex[k].end - b->lex[k].begin && !memcmp(a->text + a->lex[i].begin, b->text + b->lex[k].begin, n);
}

static bool is_key(const FileNames *f, uint32_t i, const char *word) {
  return i < f->n && f->lex[i].kind == LEX_KEYWORD && names_text(f, i, word);
}

static bool is_name(const FileNames *f, uint32_t i) { return i < f->n && f->lex[i].kind == LEX_NAME; }

/* Lexemes beside i that are no comments; f->n, or i itself, where there is none. */
static uint32_t next(const FileNames *f, uint32_t i) {
  for (i++; i < f->n && f->lex[i].kind == LEX_COMMENT; i++) {}
  return i;
}

static uint32_t previous(const FileNames *f, uint32_t i) {
  uint32_t k = i;
  while (k && f->lex[k - 1].kind == LEX_COMMENT) k--;
  return k ? k - 1 : i;
}

int32_t lexeme_at(const FileNames *f, uint32_t byte) {
  int32_t found = -1;
  for (uint32_t i = 0; i < f->n && f->lex[i].begin <= byte; i++)
    if (f->lex[i].end > byte || (f->lex[i].end == byte && f->lex[i].kind == LEX_NAME)) found = (int32_t)i;
  return found;
}

int32_t names_callee(const FileNames *f, uint32_t opener, uint32_t *list) {
  uint32_t k = previous(f, opener);
  *list = 0;
  if (!names_text(f, opener, "(") || k == opener) return -1;
  while (f->lex[k].kind == LEX_CLOSER && names_text(f, k, ")") && f->lex[k].match < k && f->lex[k].match > 0) {
    k = previous(f, f->lex[k].match);
    ++*list;
  }
  return is_name(f, k) ? (int32_t)k : -1;
}

/* ---- the top level --------------------------------------------------------------------------------------- */

static int item_kind(const FileNames *f, uint32_t i) {
  for (int k = DEF_CONST; k <= DEF_SAVE; k++)
    if (is_key(f, i, def_word[k])) return k;
  return -1;
}

void names_globals(FileNames *f, Arena *mem) {
  VEC(Def) def = {0};
  uint32_t depth = 0, open = UINT32_MAX;
  f->name = ARENA_ARRAY(mem, Name, f->n + 1);
  for (uint32_t i = 0; i < f->n; i++) {
    if (f->lex[i].kind == LEX_OPENER) depth++;
    if (f->lex[i].kind == LEX_CLOSER && depth) depth--;
    if (depth || !f->lex[i].first || f->lex[i].kind != LEX_KEYWORD) continue;
    if (open < def.n) def.at[open].end = i;
    open = UINT32_MAX;
    uint32_t k = i;
    while (is_key(f, k, "symplectic") || is_key(f, k, "volume")) k = next(f, k);
    const int kind = item_kind(f, k);
    if (kind < 0 || !is_name(f, next(f, k))) continue;
    open = def.n;
    *vec_push(&def) = (Def){.kind = (DefKind)kind, .at = next(f, k), .begin = i, .end = f->n};
  }
  f->ndef = def.n;
  f->def = ARENA_ARRAY(mem, Def, def.n + 1);
  if (def.n) memcpy(f->def, def.at, def.n * sizeof *def.at);
  vec_free(&def);
  for (uint32_t k = 0; k < f->ndef; k++) f->name[f->def[k].at] = (Name){ROLE_DEF, f->file, k};
}

static bool is_global(const Def *d) { return d->kind <= DEF_LOSS; }

/* ---- looking up -------------------------------------------------------------------------------------------- */

static bool found(Walk *w, uint32_t i, const FileNames *g, uint32_t def) {
  const Def *d = g == w->f ? &w->def.at[def] : &g->def[def];
  if (!same_text(w->f, i, g, d->at)) return false;
  w->f->name[i] = (Name){ROLE_USE, g->file, def};
  return true;
}

static bool find_known(Walk *w, uint32_t i) {
  for (uint32_t k = w->active.n; k-- > 0;)
    if (found(w, i, w->f, w->active.at[k])) return true;
  for (uint32_t k = 0; k < w->f->ndef; k++)
    if (is_global(&w->f->def[k]) && found(w, i, w->f, k)) return true;
  for (uint32_t m = 0; m < w->nall; m++)
    for (uint32_t k = 0; &w->all[m] != w->f && k < w->all[m].ndef; k++)
      if (is_global(&w->all[m].def[k]) && found(w, i, &w->all[m], k)) return true;
  return false;
}

static bool find_report(Walk *w, uint32_t i) {
  for (uint32_t k = 0; k < w->f->ndef; k++)
    if (w->f->def[k].kind == DEF_REPORT && found(w, i, w->f, k)) return true;
  return false;
}

static bool is_language(const FileNames *f, uint32_t i) {
  char name[64];
  const char *names[512];
  const uint32_t len = f->lex[i].end - f->lex[i].begin;
  if (len >= sizeof name) return false;
  memcpy(name, f->text + f->lex[i].begin, len);
  name[len] = 0;
  if (builtin_find(name)) return true;
  const uint32_t n = builtin_names(names, 512);
  for (uint32_t k = 0; k < n; k++)
    if (!strcmp(names[k], name)) return true;
  return false;
}

/* The field of a data set that some item is `on`: any of its name that a data program of the file yields. */
static bool find_field(Walk *w, uint32_t i) {
  for (uint32_t k = 0; k < w->def.n; k++)
    if (w->def.at[k].kind == DEF_FIELD && found(w, i, w->f, k)) return true;
  return false;
}

/* ---- defining ------------------------------------------------------------------------------------------------ */

static uint32_t define(Walk *w, DefKind kind, uint32_t at, uint32_t begin) {
  *vec_push(&w->def) = (Def){.kind = kind, .at = at, .begin = begin, .end = at + 1};
  if (kind != DEF_FIELD || w->f->name[at].role == ROLE_NONE) w->f->name[at] = (Name){ROLE_DEF, w->f->file, w->def.n - 1};
  return w->def.n - 1;
}

static void define_now(Walk *w, DefKind kind, uint32_t at, uint32_t begin) {
  const uint32_t d = define(w, kind, at, begin);
  *vec_push(&w->active) = d;
}

static void define_later(Walk *w, DefKind kind, uint32_t at, uint32_t begin, uint32_t depth) {
  const uint32_t d = define(w, kind, at, begin);
  *vec_push(&w->pending) = (Pending){d, depth};
}

/* A statement ends before lexeme i, at a depth. */
static void end_statement(Walk *w, uint32_t i, uint32_t depth) {
  uint32_t kept = 0;
  for (uint32_t k = 0; k < w->pending.n; k++) {
    const Pending p = w->pending.at[k];
    if (p.depth == depth) *vec_push(&w->active) = p.def, w->def.at[p.def].end = i;
    else if (p.depth < depth) w->pending.at[kept++] = p;
  }
  w->pending.n = kept;
}

static Scope *top(Walk *w) { return &w->scope.at[w->scope.n - 1]; }

static void begin_statement(Walk *w, uint32_t i) {
  Scope *s = top(w);
  if (s->cut >= 0) w->active.n = (uint32_t)s->cut;
  s->cut = -1;
  s->begin = i;
  end_statement(w, i, w->scope.n);
}

static int stmt_kind(const FileNames *f, uint32_t i) {
  static const struct {
    const char *word;
    DefKind kind;
  } row[] = {{"let", DEF_LET}, {"var", DEF_VAR}, {"param", DEF_PARAM}, {"use", DEF_LOCAL_USE}, {"running", DEF_RUNNING}};
  for (size_t k = 0; k < sizeof row / sizeof *row; k++)
    if (is_key(f, i, row[k].word)) return (int)row[k].kind;
  return -1;
}

/* ---- brackets -------------------------------------------------------------------------------------------------- */

static bool has_options(const FileNames *f, uint32_t begin) {
  return is_key(f, begin, "train") || is_key(f, begin, "plot") || is_key(f, begin, "save");
}

static ScopeKind kind_of(Walk *w, uint32_t i) {
  const FileNames *f = w->f;
  const uint32_t p = previous(f, i);
  const bool in_type = p != i && f->name[p].role == ROLE_TYPE;
  if (names_text(f, i, "{")) return w->scope.n == 1 && has_options(f, top(w)->begin) ? SCOPE_OPTIONS : SCOPE_BLOCK;
  if (names_text(f, i, "[")) return in_type ? SCOPE_SIZES : SCOPE_LIST;
  if (w->header >= 0 && (p == (uint32_t)w->header || (w->list == 1 && p == w->last))) return SCOPE_FORMALS;
  if (is_key(f, p, "prove")) return SCOPE_FORMALS;
  if (is_key(f, p, "let") && p == top(w)->begin) return SCOPE_TARGETS;
  return SCOPE_CALL;
}

/* The variable of `[e for x in list]`, known in all of it. */
static void find_turn(Walk *w, uint32_t opener) {
  const FileNames *f = w->f;
  for (uint32_t k = opener + 1; k < f->lex[opener].match; k++) {
    if (f->lex[k].kind == LEX_OPENER && f->lex[k].match > k) k = f->lex[k].match;
    else if (is_key(f, k, "for") && is_name(f, next(f, k))) {
      define_now(w, DEF_TURN, next(f, k), k);
      return;
    }
  }
}

static void open_scope(Walk *w, uint32_t i) {
  const ScopeKind kind = kind_of(w, i);
  const int32_t turn = kind == SCOPE_BLOCK ? top(w)->turn : -1;
  const uint32_t active = w->active.n;
  if (kind == SCOPE_BLOCK) top(w)->turn = -1, w->header = -1;
  *vec_push(&w->scope) = (Scope){.kind = kind, .opener = i, .active = active, .begin = i, .turn = -1, .cut = -1};
  if (turn >= 0) *vec_push(&w->active) = (uint32_t)turn;
  if (kind == SCOPE_LIST) find_turn(w, i);
}

static void close_scope(Walk *w, uint32_t i) {
  if (w->scope.n < 2) return;
  end_statement(w, i, w->scope.n);
  const Scope s = *top(w);
  w->scope.n--;
  if (s.kind == SCOPE_FORMALS) w->list++, w->last = i;
  else if (s.kind != SCOPE_TARGETS && s.kind != SCOPE_SIZES) w->active.n = s.active;
}

/* ---- names -------------------------------------------------------------------------------------------------------- */

static void field(Walk *w, uint32_t i) {
  const uint32_t d = define(w, DEF_FIELD, i, top(w)->begin);
  for (uint32_t k = 0; k < w->f->ndef; k++)
    if (w->f->def[k].begin <= i && i < w->f->def[k].end) w->def.at[d].owner = w->f->def[k].at;
}

/* `data d = read("file", x, y = 1)`: what stands right in these parentheses. */
static bool is_read(const Walk *w) {
  uint32_t list;
  const Scope *s = &w->scope.at[w->scope.n - 1];
  const int32_t callee = w->scope.n == 2 && is_key(w->f, w->scope.at[0].begin, "data") ? names_callee(w->f, s->opener, &list) : -1;
  return callee >= 0 && names_text(w->f, (uint32_t)callee, "read");
}

static void option(Walk *w, uint32_t i) {
  uint32_t list;
  const int32_t callee = names_callee(w->f, top(w)->opener, &list);
  if (is_read(w)) {
    field(w, i);
    return;
  }
  w->f->name[i].role = ROLE_OPTION;
  if (callee < 0 || w->f->name[callee].file != w->f->file) return;
  const uint32_t of = w->def.at[w->f->name[callee].def].at;
  for (uint32_t k = 0; k < w->def.n; k++)
    if (w->def.at[k].kind == DEF_FORMAL && w->def.at[k].owner == of && same_text(w->f, i, w->f, w->def.at[k].at))
      w->f->name[i].file = w->f->file, w->f->name[i].def = k;
}

static bool is_type(const Walk *w, uint32_t i) {
  const uint32_t p = previous(w->f, i);
  if (p == i) return false;
  if (names_text(w->f, p, "->")) return true;
  if (!names_text(w->f, p, ":")) return false;
  const Scope *s = &w->scope.at[w->scope.n - 1];
  const bool names = is_key(w->f, s->begin, "let") || is_key(w->f, s->begin, "var") || is_key(w->f, s->begin, "param");
  return s->kind == SCOPE_FORMALS || ((s->kind == SCOPE_BLOCK || w->scope.n == 1) && names);
}

static void yielded(Walk *w, uint32_t i) {
  const bool given = names_text(w->f, next(w->f, i), "=");
  if (!given && !find_known(w, i)) w->f->name[i].role = ROLE_UNKNOWN;
  field(w, i);
}

/* Where a statement names something. False: lexeme i does not stand there. */
static bool defines(Walk *w, uint32_t i) {
  const FileNames *f = w->f;
  Scope *s = top(w);
  const uint32_t p = previous(f, i);
  const int kind = stmt_kind(f, s->begin);
  if (s->kind == SCOPE_FORMALS && (p == s->opener || names_text(f, p, ","))) {
    define_now(w, DEF_FORMAL, i, s->opener);
    w->def.at[w->def.n - 1].owner = w->header >= 0 ? (uint32_t)w->header : s->opener;
    w->def.at[w->def.n - 1].list = w->list;
  } else if (s->kind == SCOPE_TARGETS) define_later(w, DEF_LET, i, w->scope.at[w->scope.n - 2].begin, w->scope.n - 1);
  else if (s->kind == SCOPE_BLOCK && kind >= 0 && p == s->begin) define_later(w, (DefKind)kind, i, s->begin, w->scope.n);
  else if (s->kind == SCOPE_BLOCK && is_key(f, p, "for")) s->turn = (int32_t)define(w, DEF_TURN, i, p);
  else if (s->kind == SCOPE_BLOCK && p == s->begin && (is_key(f, p, "fn") || is_key(f, p, "hamiltonian"))) {
    define_now(w, DEF_LOCAL_FN, i, p);
    w->header = (int32_t)i, w->list = 0;
    s->cut = (int32_t)w->active.n;
  } else return false;
  return true;
}

/* `adam` of `optimizer = adam(...)`: there it hides what the file has of this name. */
static bool is_word(const Walk *w, uint32_t i) {
  const FileNames *f = w->f;
  if (w->option < 0 || w->scope.n < 2 || w->scope.at[1].kind != SCOPE_OPTIONS || !is_key(f, w->scope.at[0].begin, "train"))
    return false;
  const OptionRow *row;
  for (uint32_t k = 0; (row = option_words(k)); k++)
    if (names_text(f, i, row->name) && names_text(f, (uint32_t)w->option, option_of_kind[row->kind])) return true;
  return false;
}

static void name(Walk *w, uint32_t i) {
  const FileNames *f = w->f;
  Scope *s = top(w);
  const uint32_t p = previous(f, i), q = next(f, i);
  const bool named = names_text(f, q, "=");
  if (f->name[i].role != ROLE_NONE) { /* of the top level, or a turn */
    if (w->scope.n == 1) w->header = (int32_t)i, w->list = 0;
    return;
  }
  if (p != i && names_text(f, p, ".")) w->f->name[i].role = ROLE_MEMBER;
  else if (is_type(w, i)) w->f->name[i].role = ROLE_TYPE;
  else if (defines(w, i)) return;
  else if (s->kind == SCOPE_CALL && named && (p == s->opener || names_text(f, p, ","))) option(w, i);
  else if (s->kind == SCOPE_OPTIONS && named) w->f->name[i].role = ROLE_OPTION, w->option = (int32_t)i;
  else if (is_word(w, i)) w->f->name[i].role = ROLE_BUILTIN;
  else if (s->kind == SCOPE_BLOCK && is_key(f, s->begin, "yield") &&
           (f->lex[p].kind == LEX_KEYWORD || names_text(f, p, ",") || (names_text(f, p, ")") && !named)))
    yielded(w, i);
  else if (find_known(w, i)) return;
  else if (s->kind == SCOPE_CALL && is_read(w)) field(w, i);
  else if (s->kind == SCOPE_SIZES && w->sizes) define_now(w, DEF_SIZE, i, i);
  else if (is_language(f, i)) w->f->name[i].role = ROLE_BUILTIN;
  else if (!find_report(w, i) && !find_field(w, i)) w->f->name[i].role = ROLE_UNKNOWN;
}

static void begin_item(Walk *w, uint32_t i) {
  w->active.n = w->pending.n = 0;
  w->scope.n = 1;
  *top(w) = (Scope){.kind = SCOPE_LIST, .begin = i, .turn = -1, .cut = -1};
  w->header = w->option = -1;
}

void names_resolve(FileNames *all, uint32_t n, uint32_t which, Arena *mem) {
  Walk w = {.all = all, .nall = n, .f = &all[which], .header = -1, .option = -1};
  FileNames *f = w.f;
  for (uint32_t k = 0; k < f->ndef; k++) *vec_push(&w.def) = f->def[k];
  *vec_push(&w.scope) = (Scope){.kind = SCOPE_LIST, .turn = -1, .cut = -1};
  for (uint32_t i = 0; i < f->n; i++) {
    const Lexeme *l = &f->lex[i];
    if (l->kind == LEX_COMMENT) continue;
    const bool block = top(&w)->kind == SCOPE_BLOCK || top(&w)->kind == SCOPE_OPTIONS;
    if (l->first && w.scope.n == 1) begin_item(&w, i);
    else if (block && (l->first || names_text(f, previous(f, i), ";"))) begin_statement(&w, i);
    w.sizes = w.scope.n > 1 && top(&w)->kind == SCOPE_SIZES && w.scope.at[w.scope.n - 2].kind == SCOPE_FORMALS;
    if (l->kind == LEX_OPENER) open_scope(&w, i);
    else if (l->kind == LEX_CLOSER) close_scope(&w, i);
    else if (l->kind == LEX_NAME) name(&w, i);
  }
  f->ndef = w.def.n;
  f->def = ARENA_ARRAY(mem, Def, w.def.n + 1);
  if (w.def.n) memcpy(f->def, w.def.at, w.def.n * sizeof *w.def.at);
  vec_free(&w.def), vec_free(&w.active), vec_free(&w.pending), vec_free(&w.scope);
}
