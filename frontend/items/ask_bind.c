/* Which array is which argument: by its name; of columns `q[0]`, `q[1]`, ... (`q_0`, `q0`) a vector is made; and arrays without a name, or
 * numpy.savez's `arr_0`, by their places, the elements of one being shared out among several arguments. */
#include "frontend/items/ask_priv.h"

#include <stdlib.h>
#include <string.h>

/* ---- axes of samples ------------------------------------------------------------------------------------ */

static const char *lead_text(Elab *E, uint32_t n, const uint32_t *lead) {
  AskArray a = {.rank = n};
  memcpy(a.dim, lead, sizeof *lead * n);
  return ask_shape(E, &a);
}

static bool lead_fits(Plan *p, const char *name, uint32_t n, const uint32_t *lead) {
  Asked *a = p->asked;
  if (!n) return true;
  if (!p->led) {
    p->led = name, a->nlead = n;
    memcpy(a->lead, lead, sizeof *lead * n);
    return true;
  }
  if (a->nlead == n && !memcmp(a->lead, lead, sizeof *lead * n)) return true;
  elab_help(elab_error(p->E, CODE_shape_mismatch, p->at, "`%s` has %s samples, but `%s` has %s", p->led,
                       lead_text(p->E, a->nlead, a->lead), name, lead_text(p->E, n, lead)),
            "arrays need the same axes of samples, or none if the value is the same for all samples");
  return false;
}

static bool add(Plan *p, const char *name, Type t, AskedPiece *piece, uint32_t npiece, uint32_t nlead, const uint32_t *lead) {
  if (!lead_fits(p, name, nlead, lead)) return false;
  p->asked->field[p->data->nfield] = (AskedField){piece, npiece, !nlead};
  p->data->field[p->data->nfield++] = (DataField){name, t};
  return true;
}

/* ---- one array ---------------------------------------------------------------------------------------------- */

static const char *expected(Elab *E, const Want *w) {
  char text[128];
  if (w->known) return arena_printf(E->mem, "`%s: %s`", w->name, type_user(w->t, text, sizeof text));
  return w->rank < 0 ? arena_printf(E->mem, "`%s`", w->name)
         : w->rank   ? arena_printf(E->mem, "`%s` of %d ax%cs", w->name, w->rank, w->rank == 1 ? 'i' : 'e')
                     : arena_printf(E->mem, "`%s: real`", w->name);
}

static bool wrong_shape(Plan *p, const Want *w, const AskArray *a) {
  Elab *E = p->E;
  const Type t = w->t;
  const char *tail = "";
  for (uint32_t d = 0; d < t.rank; d++) tail = arena_printf(E->mem, "%s, %u", tail, t.dim[d]);
  DiagMsg *m = elab_error(E, CODE_wrong_shape, p->at, "%s is needed, and `%s` is of %s", expected(E, w),
                          *a->name ? a->name : w->name, ask_shape(E, a));
  if (w->known && t.rank) elab_help(m, "an array of n samples has the shape [n%s], one of one sample [%s]", tail, tail + 2);
  if (w->known && t.rank == 1 && t.dim[0] == 1 && a->rank == 1) elab_help(m, "in NumPy, `%s[:, None]` has it", w->name);
  return false;
}

/* What holds text, or cannot be read; a column in its place is none of numbers. */
static bool readable(Plan *p, const AskArray *a) {
  const char *name =
      *a->name ? arena_printf(p->E->mem, "`%s` of `%s`", a->name, p->ask->file) : arena_printf(p->E->mem, "`%s`", p->ask->file);
  if (a->fault) elab_error(p->E, CODE_table_cell, p->at, "%s: %s", name, a->fault);
  return !a->fault;
}

bool ask_field(Plan *p, const Want *w, uint32_t array) {
  const AskArray *a = &p->ask->array[array];
  if (!readable(p, a)) return false;
  const bool column = p->ask->columns && w->known && w->t.rank && type_count(w->t) == 1; /* the one element of each row */
  const uint32_t rank = column ? 0 : w->rank >= 0 ? (uint32_t)w->rank : a->rank ? a->rank - 1 : 0;
  if (a->rank < rank) return wrong_shape(p, w, a);
  const uint32_t lead = a->rank - rank;
  Type t = column ? w->t : type_real(false, rank, a->dim + lead);
  if (w->known && !type_same_dims(t, w->t)) return wrong_shape(p, w, a);
  for (uint32_t d = 0; d < t.rank; d++)
    if (!t.dim[d]) return wrong_shape(p, w, a);
  AskedPiece *piece = ARENA_NEW(p->E->mem, AskedPiece);
  *piece = (AskedPiece){array, 0, (uint32_t)type_count(t)};
  return add(p, w->name, t, piece, 1, lead, a->dim);
}

void ask_maybe(Plan *p, const char *name, uint32_t array) {
  const AskArray *a = &p->ask->array[array];
  const uint32_t lead = a->rank > 0;
  const Type t = type_real(false, a->rank - lead, a->dim + lead);
  AskedPiece *piece = ARENA_NEW(p->E->mem, AskedPiece);
  if (!type_count(t) || a->fault) return;
  *piece = (AskedPiece){array, 0, (uint32_t)type_count(t)};
  p->asked->field[p->data->nfield] = (AskedField){piece, 1, !lead};
  p->data->field[p->data->nfield++] = (DataField){name, t};
}

bool ask_used(Plan *p, const Root *root) {
  if (p->ask->on) return true;
  for (uint32_t k = 0; k < p->data->nfield; k++) {
    AskedField *f = &p->asked->field[k];
    if (!root->field || !root->field[k].id) f->npiece = 0;
    else if (!f->shared &&
             !lead_fits(p, p->data->field[k].name, p->asked->nlead ? p->asked->nlead : 1, p->ask->array[f->piece->array].dim))
      return false;
  }
  return true;
}

/* ---- several -------------------------------------------------------------------------------------------------- */

static int named(const Ask *ask, const char *name) {
  for (uint32_t k = 0; k < ask->narray; k++)
    if (!strcmp(ask->array[k].name, name)) return (int)k;
  return -1;
}

/* w of columns; false: they are not there. */
static bool columns_of(Plan *p, const Want *w, bool *good) {
  static const char *const form[] = {"%s[%u]", "%s_%u", "%s%u"};
  const uint32_t n = w->known && w->t.rank == 1 ? w->t.dim[0] : 0;
  AskedPiece *piece = ARENA_ARRAY(p->E->mem, AskedPiece, n + 1);
  for (size_t f = 0; n && f < sizeof form / sizeof *form; f++) {
    uint32_t k = 0;
    const AskArray *a = NULL;
    for (; k < n; k++) {
      char name[256];
      snprintf(name, sizeof name, form[f], w->name, k);
      const int at = named(p->ask, name);
      if (at < 0 || p->ask->array[at].rank != 1 || (a && p->ask->array[at].dim[0] != a->dim[0])) break;
      a = &p->ask->array[at];
      piece[k] = (AskedPiece){(uint32_t)at, 0, 1};
    }
    if (k < n) continue;
    *good = add(p, w->name, w->t, piece, n, 1, a->dim);
    return true;
  }
  return false;
}

/* Elements of a row, in order: of an array without a name its last axis, of columns one each. */
static uint32_t elements(const Ask *ask) {
  const AskArray *a = ask->array;
  return ask->columns ? ask->narray : a->rank > 1 ? a->dim[a->rank - 1] : 1;
}

static uint32_t pieces(const Ask *ask, uint32_t first, uint32_t n, AskedPiece *out) {
  if (!ask->columns) return *out = (AskedPiece){0, first, n}, 1;
  for (uint32_t k = 0; k < n; k++) out[k] = (AskedPiece){first + k, 0, 1};
  return n;
}

static bool share_out(Plan *p, const Want *w, uint32_t first) {
  for (uint32_t k = 0; k < p->ask->narray; k++)
    if (!readable(p, &p->ask->array[k])) return false;
  const AskArray *a = p->ask->array;
  const uint32_t n = (uint32_t)type_count(w->t), lead = p->ask->columns || a->rank < 2 ? a->rank : a->rank - 1;
  AskedPiece *piece = ARENA_ARRAY(p->E->mem, AskedPiece, n + 1);
  return add(p, w->name, w->t, piece, pieces(p->ask, first, n, piece), lead, a->dim);
}

bool ask_unnamed(Plan *p, const char *name) {
  const uint32_t n = elements(p->ask);
  if (!p->ask->columns) return ask_field(p, &(Want){.name = name, .rank = -1}, 0);
  return share_out(p, &(Want){.name = name, .known = true, .t = type_real(false, n > 1, &n)}, 0);
}

/* Whether the first n arguments are an array each, or the elements of a row. */
static bool fit_by_place(const Plan *p, uint32_t n) {
  const Ask *ask = p->ask;
  int64_t total = 0;
  bool known = true;
  for (uint32_t k = 0; k < n; k++) total += p->want[k].known ? type_count(p->want[k].t) : 0, known &= p->want[k].known;
  if (ask->narray == n && !ask->columns) return true;
  if (ask->narray > 1 && !ask->columns) return false;
  return known ? total == elements(ask) : n == 1;
}

static bool take_by_place(Plan *p, uint32_t n) {
  uint32_t first = 0;
  for (uint32_t k = 0; k < n; k++) {
    const Want *w = &p->want[k];
    const bool each = p->ask->narray == n && !p->ask->columns;
    p->want[k].field = (int)k;
    if (each ? !ask_field(p, w, k) : w->known ? !share_out(p, w, first) : !ask_unnamed(p, w->name)) return false;
    first += (uint32_t)type_count(w->t);
  }
  return true;
}

/* All by their places; those with a default may be left out. */
static bool by_place(Plan *p) {
  uint32_t needed = 0;
  while (needed < p->nwant && !p->want[needed].optional) needed++;
  if (fit_by_place(p, p->nwant)) return take_by_place(p, p->nwant);
  if (needed && fit_by_place(p, needed)) return take_by_place(p, needed);
  const char *s = "";
  int64_t total = 0;
  bool known = true;
  for (uint32_t k = 0; k < p->nwant; k++) {
    s = arena_printf(p->E->mem, "%s%s%s", s, k ? ", " : "", expected(p->E, &p->want[k]));
    total += p->want[k].known ? type_count(p->want[k].t) : 0, known &= p->want[k].known;
  }
  DiagMsg *m = elab_error(p->E, CODE_wrong_shape, p->at, "`%s` takes %s; %s", p->ask->text, s, ask_arrays(p));
  if (known)
    elab_help(m, "by position: %lld number%s in a row, or an array for each; or arrays with these names", (long long)total,
              total == 1 ? "" : "s");
  else elab_help(m, "an array for each, or arrays with these names (numpy.savez)");
  return false;
}

static bool unnamed(const Ask *ask) {
  bool all = ask->narray > 0;
  for (uint32_t k = 0; k < ask->narray; k++) {
    char place[32];
    snprintf(place, sizeof place, "arr_%u", k);
    all &= !*ask->array[k].name || !strcmp(ask->array[k].name, place);
  }
  return all;
}

static bool missing(Plan *p) {
  const char *takes = "", *lacks = "";
  for (uint32_t k = 0; k < p->nwant; k++) {
    takes = arena_printf(p->E->mem, "%s%s%s", takes, k ? ", " : "", expected(p->E, &p->want[k]));
    if (p->want[k].field < 0 && !p->want[k].optional)
      lacks = arena_printf(p->E->mem, "%s%s`%s`", lacks, *lacks ? ", " : "", p->want[k].name);
  }
  if (!*lacks) return true;
  DiagMsg *m =
      elab_error(p->E, CODE_missing_argument, p->at, "`%s` takes %s; missing: %s; %s", p->ask->text, takes, lacks, ask_arrays(p));
  elab_help(m, "arrays are matched to arguments by name; for other names, write an expression: `f(x = a)`");
  return false;
}

static bool fields_of_set(Plan *p) {
  for (uint32_t k = 0; k < p->nwant; k++)
    for (uint32_t i = 0; i < p->data->nfield; i++)
      if (!strcmp(p->data->field[i].name, p->want[k].name)) p->want[k].field = (int)i;
  return missing(p);
}

bool ask_bind(Plan *p) {
  for (uint32_t k = 0; k < p->nwant; k++) p->want[k].field = -1;
  if (!p->nwant) return true;
  if (p->ask->on) return fields_of_set(p);
  if (unnamed(p->ask)) return by_place(p);
  for (uint32_t k = 0; k < p->nwant; k++) {
    bool good = true;
    const int at = named(p->ask, p->want[k].name);
    const uint32_t field = p->data->nfield;
    if (at >= 0 ? !ask_field(p, &p->want[k], (uint32_t)at) : columns_of(p, &p->want[k], &good) && !good) return false;
    if (p->data->nfield > field) p->want[k].field = (int)field;
  }
  return missing(p);
}
