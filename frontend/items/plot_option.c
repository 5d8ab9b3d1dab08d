/* plot: its kind, and the options that are known while compiling. What is drawn (x, y, xy, z, levels,
 * colour) is items/plot.c's. */
#include "frontend/builtin/builtin.h"
#include "frontend/items/plot_priv.h"
#include "frontend/syntax/synonym.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const plot_kind_name[PLOT_KINDS] = {"line", "scatter", "section", "phase", "heat", "histogram", "frames"};
const char *const plot_map_name[COLOUR_MAPS] = {"auto", "sequential", "diverging", "grey"};

enum { ALL = (1 << PLOT_KINDS) - 1 };
enum { MAX_SAMPLES = 1000000, MAX_GRID = 2001 };

/* ---- values ---------------------------------------------------------------------------------------------- */

static bool want_text(Elab *E, const Actual *a, const char **out) {
  const char *what = arena_printf(E->mem, "`%s`", a->name);
  return need_string(E, a, what, out);
}

static bool want_bool(Elab *E, const Actual *a, bool *out) {
  if (a->v.kind == V_BOOL) return *out = a->v.b, true;
  elab_error(E, CODE_plot_option, a->at, "`%s` must be true or false, found %s", a->name, value_kind(E, a->v));
  return false;
}

static bool want_count(Elab *E, const Actual *a, int64_t low, int64_t high, int64_t *out) {
  if (!need_int(E, a, arena_printf(E->mem, "`%s`", a->name), out)) return false;
  if (*out >= low && *out <= high) return true;
  elab_error(E, CODE_out_of_range, a->at, "`%s` must be from %lld to %lld, found %lld", a->name, (long long)low, (long long)high,
             (long long)*out);
  return false;
}

static bool want_range(Elab *E, const Actual *a, Plot *p, int axis) {
  const Array *r = value_numbers(a->v);
  if (!r || r->rank != 1 || r->n != 2 || !(r->at[0].v < r->at[1].v)) {
    elab_help(elab_error(E, CODE_plot_option, a->at, "`%s` must be two rising numbers known at compile time, found %s", a->name,
                         value_shown(E, a->v)),
              "write `%s = [0, 1]`", a->name);
    return false;
  }
  p->ranged[axis] = true;
  p->range[axis][0] = r->at[0].v;
  p->range[axis][1] = r->at[1].v;
  return true;
}

static void title(Elab *E, Plot *p, const Actual *a) { want_text(E, a, &p->title); }
static void xlabel(Elab *E, Plot *p, const Actual *a) { want_text(E, a, &p->label[0]); }
static void ylabel(Elab *E, Plot *p, const Actual *a) { want_text(E, a, &p->label[1]); }
static void caption(Elab *E, Plot *p, const Actual *a) { want_text(E, a, &p->caption); }
static void zlabel(Elab *E, Plot *p, const Actual *a) { want_text(E, a, &p->label[2]); }
static void xunit(Elab *E, Plot *p, const Actual *a) { want_text(E, a, &p->unit[0]); }
static void yunit(Elab *E, Plot *p, const Actual *a) { want_text(E, a, &p->unit[1]); }
static void zunit(Elab *E, Plot *p, const Actual *a) { want_text(E, a, &p->unit[2]); }
static void xrange(Elab *E, Plot *p, const Actual *a) { want_range(E, a, p, 0); }
static void yrange(Elab *E, Plot *p, const Actual *a) { want_range(E, a, p, 1); }
static void logx(Elab *E, Plot *p, const Actual *a) { want_bool(E, a, &p->log[0]); }
static void logy(Elab *E, Plot *p, const Actual *a) { want_bool(E, a, &p->log[1]); }
static void samples(Elab *E, Plot *p, const Actual *a) { want_count(E, a, 1, MAX_SAMPLES, &p->samples); }
static void grid_points(Elab *E, Plot *p, const Actual *a) { want_count(E, a, 2, MAX_GRID, &p->n); }
static void contours(Elab *E, Plot *p, const Actual *a) { want_count(E, a, 1, 100, &p->contours); }
static void animate(Elab *E, Plot *p, const Actual *a) { want_bool(E, a, &p->animate); }
static void bins(Elab *E, Plot *p, const Actual *a) { want_count(E, a, 1, 10000, &p->bins); }

/* ---- the options ------------------------------------------------------------------------------------------- */

typedef struct PlotOption {
  const char *name;
  void (*set)(Elab *E, Plot *p, const Actual *a); /* of what is known while compiling; NULL: what is drawn, or a word */
} PlotOption;

static const PlotOption rows[] = {
  {"kind", NULL},         {"x", NULL},        {"y", NULL},          {"xy", NULL},     {"z", NULL},          {"levels", NULL},
  {"density", NULL},      {"colour", NULL},   {"labels", NULL},     {"error", NULL},  {"title", title},     {"caption", caption},
  {"xlabel", xlabel},     {"ylabel", ylabel}, {"zlabel", zlabel},   {"xunit", xunit}, {"yunit", yunit},     {"zunit", zunit},
  {"xrange", xrange},     {"yrange", yrange}, {"logx", logx},       {"logy", logy},   {"samples", samples}, {"n", grid_points},
  {"contours", contours}, {"bins", bins},     {"animate", animate}, {"aspect", NULL}, {"colours", NULL},
};
enum { NROWS = sizeof rows / sizeof *rows };

/* ---- names ----------------------------------------------------------------------------------------------- */

static const PlotOption *row_named(const char *name) {
  for (int i = 0; i < NROWS; i++)
    if (!strcmp(rows[i].name, name)) return &rows[i];
  return NULL;
}

/* The kinds that have an option, as option.def says. */
static int kinds_with(const char *name) {
  int kinds = 0;
  for (int k = 0; k < PLOT_KINDS; k++) {
    char whose[32];
    snprintf(whose, sizeof whose, "plot:%s", plot_kind_name[k]);
    kinds |= (option_place(whose, name) >= 0) << k;
  }
  return kinds;
}

static const char *options_of(Elab *E, int kinds, const char **name, uint32_t *n) {
  *n = 0;
  for (int i = 0; i < NROWS; i++)
    if (kinds_with(rows[i].name) & kinds) name[(*n)++] = rows[i].name;
  return option_listed(E, name, *n);
}

static const char *kinds_of(Elab *E, int kinds) {
  const char *s = "";
  for (int k = 0; k < PLOT_KINDS; k++)
    if (kinds >> k & 1) s = arena_printf(E->mem, "%s%s`%s`", s, *s ? ", " : "", plot_kind_name[k]);
  return s;
}

static void unknown_option(Elab *E, const Arg *o, int kinds, const char *whose) {
  const char *known[NROWS];
  uint32_t n;
  const char *list = options_of(E, kinds, known, &n);
  DiagMsg *m = elab_error(E, CODE_unknown_option, o->name_at, "`plot` has no option `%s`", o->name);
  if (!strcmp(o->name, "color")) elab_help(m, "it is spelled `colour`");
  else if (diag_nearest(o->name, known, n) || synonym_among(o->name, known, n)) elab_suggest_option(m, o->name, known, n);
  else elab_help(m, "options of %s: %s", whose, list);
}

/* kinds: that of the plot, or all where it is not known. */
static bool check_names(Elab *E, const Item *it, int kinds) {
  bool good = true;
  const char *whose = kinds == ALL ? "`plot`" : arena_printf(E->mem, "a plot of kind %s", kinds_of(E, kinds));
  for (const Arg *o = it->options; o; o = o->next) {
    const PlotOption *row = row_named(o->name);
    if (!row) {
      unknown_option(E, o, kinds, whose);
      good = false;
    } else if (!(kinds_with(o->name) & kinds)) {
      const char *known[NROWS];
      uint32_t n;
      DiagMsg *m = elab_error(E, CODE_unknown_option, o->name_at, "%s has no `%s`", whose, o->name);
      elab_help(m, "`%s` belongs to %s; options here: %s", o->name, kinds_of(E, kinds_with(o->name)),
                options_of(E, kinds, known, &n));
      good = false;
    }
    good = !item_option_twice(E, it, o) && good;
  }
  return good;
}

/* The kind is a word of its own, whatever else has its name. */
static bool kind(Elab *E, Plot *p, const Item *it) {
  const Arg *o = ast_option(it, "kind");
  if (!o && it->broken) return false;
  if (!o) {
    elab_help(elab_error(E, CODE_plot_kind, it->name_at, "the plot `%s` has no kind", it->name), "write `kind = ...`, one of %s",
              kinds_of(E, ALL));
    return false;
  }
  const Expr *e = o->value;
  if (!e || e->kind == EX_ERROR) return false;
  for (int k = 0; e->kind == EX_NAME && k < PLOT_KINDS; k++)
    if (!strcmp(e->name, plot_kind_name[k])) return p->kind = (PlotKind)k, true;
  bool word = e->kind == EX_NAME || e->kind == EX_STRING;
  DiagMsg *m = word ? elab_error(E, CODE_plot_kind, e->at, "there is no plot of kind `%s`", e->name)
                    : elab_error(E, CODE_plot_kind, e->at, "the kind of a plot must be a word");
  for (int k = 0; e->kind == EX_STRING && k < PLOT_KINDS; k++)
    if (!strcmp(e->name, plot_kind_name[k])) return elab_help(m, "write it without quotes: `kind = %s`", e->name), false;
  if (word && diag_nearest(e->name, plot_kind_name, PLOT_KINDS)) elab_suggest(m, e->name, plot_kind_name, PLOT_KINDS);
  else elab_help(m, "the kinds are %s", kinds_of(E, ALL));
  return false;
}

static void positive_ranges(Elab *E, const Plot *p, const Item *it) {
  static const char *const range[] = {"xrange", "yrange"}, *const log[] = {"logx", "logy"};
  for (int k = 0; k < 2; k++)
    if (p->log[k] && p->ranged[k] && p->range[k][0] <= 0)
      elab_label(elab_error(E, CODE_plot_option, ast_option(it, range[k])->value->at,
                            "`%s` must begin above 0 on a logarithmic axis, found %g", range[k], p->range[k][0]),
                 ast_option(it, log[k])->name_at, "logarithmic");
}

/* ---- aspect ---------------------------------------------------------------------------------------------- */

/* What follows the letter of q, Q, p or P where the text is no more than the name of a coordinate: nothing, a hat, digits
 * or an index. NULL: it is something else. */
static const char *behind_letter(const char *text, char letter) {
  static const char *const hats[] = {"^", "\u0302"};
  if (!text || (*text | 0x20) != letter) return NULL;
  const char *rest = ++text;
  for (int k = 0; k < 2; k++)
    if (!strncmp(text, hats[k], strlen(hats[k]))) text += strlen(hats[k]);
  if (*text == '_') text++;
  while (*text >= '0' && *text <= '9' && text[-1] != '^') text++; /* q^2 is a square */
  while (!strncmp(text, "\xe2\x82", 2) && (unsigned char)text[2] >= 0x80 && (unsigned char)text[2] <= 0x89) text += 3;
  if (*text == '[') text += strcspn(text, "]");
  if (*text == ']') text++;
  return *text ? NULL : rest;
}

/* q beside p, Q beside P, q^ beside p^, q[0] beside p[0]. */
static bool letters(const char *x, const char *y) {
  const char *a = behind_letter(x, 'q'), *b = behind_letter(y, 'p');
  return a && b && (*x & 0x20) == (*y & 0x20) && !strcmp(a, b);
}

/* y beside p_y. */
static bool momentum_of(const char *x, const char *y) {
  return x && y && *x && (*y | 0x20) == 'p' && y[1] == '_' && !strcmp(x, y + 2);
}

static bool conjugate(const char *x, const char *y) {
  return letters(x, y) || letters(y, x) || momentum_of(x, y) || momentum_of(y, x);
}

/* x[0] beside x[1]: two elements of one vector. */
static bool elements(const char *x, const char *y) {
  const char *a = x ? strrchr(x, '[') : NULL, *b = y ? strrchr(y, '[') : NULL;
  const size_t n = a ? (size_t)(a - x) : 0;
  return n && b && (size_t)(b - y) == n && !strncmp(x, y, n) && strcmp(a, b) != 0 && a[strlen(a) - 1] == ']' &&
         b[strlen(b) - 1] == ']';
}

/* Axes of one dimension, as far as they tell. */
static bool alike(const Plot *p) {
  const bool same = !p->unit[0] || !p->unit[1] || !strcmp(p->unit[0], p->unit[1]);
  return same && (p->kind == PLOT_PHASE || conjugate(p->label[0], p->label[1]) || elements(p->label[0], p->label[1]));
}

void plot_aspect(PlotJob *j) {
  Plot *p = j->p;
  const Arg *o = ast_option(j->it, "aspect");
  const Expr *e = o ? o->value : NULL;
  if (!o) {
    p->aspect = alike(p) && !p->log[0] && !p->log[1] ? ASPECT_LIKELY : ASPECT_AUTO;
  } else if (e && e->kind == EX_NAME && !strcmp(e->name, "equal")) {
    p->aspect = ASPECT_EQUAL;
    if (p->log[0] != p->log[1])
      elab_label(elab_error(j->E, CODE_plot_option, e->at, "`aspect = equal` needs two axes of the same kind"),
                 ast_option(j->it, p->log[0] ? "logx" : "logy")->name_at, "logarithmic");
  } else if (e && e->kind != EX_ERROR && !(e->kind == EX_NAME && !strcmp(e->name, "auto"))) {
    bool word = e->kind == EX_NAME || e->kind == EX_STRING;
    DiagMsg *m = word ? elab_error(j->E, CODE_plot_option, e->at, "there is no aspect `%s`", e->name)
                      : elab_error(j->E, CODE_plot_option, e->at, "the aspect of a plot must be a word");
    if (e->kind == EX_STRING && (!strcmp(e->name, "equal") || !strcmp(e->name, "auto")))
      elab_help(m, "write it without quotes: `aspect = %s`", e->name);
    else elab_help(m, "`aspect = equal`: one unit is as long along x as along y; `aspect = auto`: each axis fills its side");
  }
}

/* ---- colours ------------------------------------------------------------------------------------------------ */

static void colour_map(PlotJob *j) {
  const Arg *o = ast_option(j->it, "colours");
  const Expr *e = o ? o->value : NULL;
  if (!e || e->kind == EX_ERROR) return;
  for (int k = 0; e->kind == EX_NAME && k < COLOUR_MAPS; k++)
    if (!strcmp(e->name, plot_map_name[k])) {
      j->p->map = (ColourMap)k;
      return;
    }
  const bool word = e->kind == EX_NAME || e->kind == EX_STRING;
  DiagMsg *m = word ? elab_error(j->E, CODE_plot_option, e->at, "there is no colour map `%s`", e->name)
                    : elab_error(j->E, CODE_plot_option, e->at, "the colours of a plot must be a word");
  elab_help(m,
            "`colours = sequential`: from low to high; `diverging`: to both sides of zero; `grey`; `auto`: chosen by the values");
}

bool plot_options(PlotJob *j) {
  Elab *E = j->E;
  Plot *p = j->p;
  const Item *it = j->it;
  static const int64_t shown[PLOT_KINDS] = {/* 0: as long as the curves are not known */
                                            [PLOT_SCATTER] = 2000,
                                            [PLOT_SECTION] = 64,
                                            [PLOT_HISTOGRAM] = 100000,
                                            [PLOT_FRAMES] = 8};
  bool known = kind(E, p, it);
  if (!check_names(E, it, known ? 1 << p->kind : ALL) || !known) return false;
  p->samples = shown[p->kind];
  p->n = 101;
  p->contours = 12;
  for (const Arg *o = it->options; o; o = o->next) {
    const PlotOption *row = row_named(o->name);
    if (!row->set) continue;
    Actual a = {.name = o->name, .name_at = o->name_at, .at = o->value ? o->value->at : o->name_at, .v = elab_expr(E, o->value)};
    if (a.v.kind != V_POISON) row->set(E, p, &a);
  }
  positive_ranges(E, p, it);
  colour_map(j);
  return true;
}
