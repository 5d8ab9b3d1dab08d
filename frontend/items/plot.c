/* plot: what is drawn. The curves are outputs of one function of parameters and fields, a map or level
 * lines come from another one of two coordinates. */
#include "frontend/items/plot_priv.h"
#include "frontend/syntax/meaning.h"

#include <stdlib.h>
#include <string.h>

/* ---- several curves -------------------------------------------------------------------------------------- */

static bool add_part(PlotJob *j, PlotParts *ps, Value v, Span at, const char *text) {
  if (v.kind == V_POISON || v.kind == V_NONE) return j->good = false;
  if (ps->n == PLOT_CURVES) {
    elab_error(j->E, CODE_too_large, at, "a plot has at most %d curves", PLOT_CURVES);
    return j->good = false;
  }
  ps->at[ps->n++] = (PlotPart){v, at, text};
  return true;
}

static bool all_scalars(const PlotParts *ps, bool fixed) {
  Type t;
  for (uint32_t i = 0; i < ps->n; i++)
    if (!value_type(ps->at[i].v, &t) || t.rank || (fixed && ps->at[i].v.kind != V_NUM)) return false;
  return ps->n > 0;
}

static Value as_vector(PlotJob *j, const PlotParts *ps, Span whole) {
  Value v[PLOT_CURVES];
  for (uint32_t i = 0; i < ps->n; i++) v[i] = ps->at[i].v;
  return elab_list(j->E, v, NULL, ps->n, whole);
}

/* `(a, b)` and `[a, b]` written out are several, and so is a tuple that a call gives; but numbers in
 * brackets are a vector, and so are scalars where `vector` says. */
static PlotParts parts_of(PlotJob *j, const Expr *e, bool vector) {
  PlotParts ps = {.n = 0};
  bool several = e->kind == EX_TUPLE || (e->kind == EX_LIST && e->nargs <= PLOT_CURVES);
  if (several) {
    for (const Arg *a = e->args; a; a = a->next)
      add_part(j, &ps, elab_expr(j->E, a->value), a->value->at, plot_text(j->E, a->value));
    if (j->good && e->kind == EX_LIST && all_scalars(&ps, !vector)) {
      Value v = as_vector(j, &ps, e->at);
      ps.n = 0;
      add_part(j, &ps, v, e->at, plot_text(j->E, e));
    }
    return ps;
  }
  Value v = elab_expr(j->E, e);
  const char *text = plot_text(j->E, e);
  if (v.kind != V_TUPLE && v.kind != V_LIST) {
    add_part(j, &ps, v, e->at, text);
    return ps;
  }
  for (uint32_t i = 0; i < v.list.n; i++) add_part(j, &ps, v.list.at[i], e->at, arena_printf(j->E->mem, "%s[%u]", text, i));
  return ps;
}

/* ---- outputs --------------------------------------------------------------------------------------------- */

/* On a data set a real[1] is a scalar: `x = q`. */
static bool numbers(PlotJob *j, const char *what, const PlotPart *part, uint32_t max_rank, Type *t) {
  bool typed = value_type(part->v, t);
  if (typed && t->dt == DT_REAL && t->rank <= max_rank) {
    if (t->rank == 1 && t->dim[0] == 1 && j->p->data) t->rank = 0;
    return true;
  }
  const char *wanted = max_rank == 1 ? "a scalar or a vector" : "a scalar, a vector, or a matrix of a curve in each column";
  DiagMsg *m = elab_error(j->E, CODE_plot_curve, part->at, "`%s` needs %s, found %s", what, wanted, value_kind(j->E, part->v));
  if (typed && t->dt == DT_BOOL) elab_help(m, "`where(..., 1, 0)` turns it into numbers");
  if (part->v.kind == V_FUNC) elab_help(m, "call the function to get a value");
  return j->good = false;
}

static int output(PlotJob *j, Value v, Span at, int column, const char *name) {
  Elab *E = j->E;
  Build *b = elab_at(E, at);
  Val x = elab_tensor(E, v, at);
  Type t = elab_type(E, x);
  if (column >= 0 && t.rank == 2) x = ir_index(b, x, 1, (uint32_t)column);
  if (j->p->data && t.rank == 1 && t.dim[0] == 1) x = ir_index(b, x, 0, 0);
  ir_output(b, j->p->data ? ir_spread(b, x) : x, arena_printf(E->mem, "%s%u", name, E->now->level->fn->out.n));
  return (int)E->now->level->fn->out.n - 1;
}

static uint32_t columns(Type t) { return t.rank == 2 ? t.dim[1] : 1; }

static void curve(PlotJob *j, const PlotPart *x, const PlotPart *y) {
  Type tx, ty;
  Elab *E = j->E;
  Plot *p = j->p;
  if (!numbers(j, y == x ? "x" : "y", y, 2, &ty) || (x && !numbers(j, "x", x, 2, &tx))) return;
  if (!ty.rank && !p->data) {
    elab_help(elab_error(E, CODE_plot_curve, y->at, "a plot without `on` draws vectors, found a scalar"),
              "with `on` and a data set, there is one per sample");
    j->good = false;
    return;
  }
  if (x && x != y &&
      ((tx.rank == 0) != (ty.rank == 0) || (tx.rank && tx.dim[0] != ty.dim[0]) ||
       (columns(tx) != 1 && columns(tx) != columns(ty)))) {
    DiagMsg *m = elab_error(E, CODE_plot_curve, y->at, "`x` and `y` of a curve need equal lengths, found %s and %s",
                            value_text(E, x->v), value_text(E, y->v));
    elab_label(m, x->at, "%s", value_text(E, x->v));
    j->good = false;
    return;
  }
  for (uint32_t c = 0; c < columns(ty); c++) {
    if (p->ncurve == PLOT_CURVES) {
      elab_error(E, CODE_too_large, y->at, "a plot has at most %d curves", PLOT_CURVES);
      j->good = false;
      return;
    }
    PlotCurve *out = &p->curve[p->ncurve++];
    out->error = -1;
    out->label = columns(ty) > 1 ? arena_printf(E->mem, "%s[:, %u]", y->text, c) : y->text;
    bool shared = x && c > 0 && columns(tx) == 1;
    out->x = !x ? -1 : shared ? out[-1].x : output(j, x->v, x->at, (int)c, "x");
    out->y = y == x ? out->x : output(j, y->v, y->at, (int)c, "y");
  }
}

/* ---- x and y --------------------------------------------------------------------------------------------- */

void plot_label(PlotJob *j, int axis, const char *text) {
  if (!j->p->label[axis]) j->p->label[axis] = text;
}

static void plot_needs(PlotJob *j, const char *name, const char *help) {
  j->good = false;
  if (j->it->broken) return;
  elab_help(elab_error(j->E, CODE_missing_argument, j->it->name_at, "the plot `%s` of kind `%s` needs `%s`", j->it->name,
                       plot_kind_name[j->p->kind], name),
            "%s", help);
}

/* The first curve has one point a sample. */
static bool through_samples(const PlotJob *j) {
  const Fn *f = j->E->now->level->fn;
  return j->p->ncurve && ir_type(f, f->out.at[j->p->curve[0].y]).rank == 0;
}

static void x_and_y(PlotJob *j, const Arg *ox, const Arg *oy) {
  Elab *E = j->E;
  Type t = {0};
  PlotParts x = {.n = 0};
  if (ox) x = parts_of(j, ox->value, !j->p->data);
  bool vector = x.n ? value_type(x.at[0].v, &t) && t.rank : !j->p->data;
  PlotParts y = parts_of(j, oy->value, vector);
  if (!j->good) return;
  if (x.n > 1 && x.n != y.n) {
    DiagMsg *m = elab_error(E, CODE_plot_curve, oy->value->at, "`x` has %u curves, but `y` has %u", x.n, y.n);
    elab_label(m, ox->value->at, "%u", x.n);
    j->good = false;
    return;
  }
  for (uint32_t i = 0; i < y.n; i++) curve(j, !x.n ? NULL : x.n == 1 ? &x.at[0] : &x.at[i], &y.at[i]);
  if (x.n == 1) plot_label(j, 0, x.at[0].text);
  if (!x.n && j->good) plot_label(j, 0, through_samples(j) ? "sample" : "number");
  if (y.n == 1) plot_label(j, 1, y.at[0].text);
}

/* A tuple of two; a real[2], a point for each sample; or a real[n, 2], a point in each row. */
static bool is_pair(const PlotJob *j, Value v, Type *t) {
  if (v.kind == V_TUPLE) return v.list.n == 2 && value_numeric(v.list.at[0]) && value_numeric(v.list.at[1]);
  return value_numeric(v) && value_type(v, t) && t->rank && t->dim[t->rank - 1] == 2 &&
         (t->rank == 2 || (t->rank == 1 && j->p->data));
}

/* [[x, y], [x, y], ...] */
static bool all_points(const PlotParts *ps) {
  Type t;
  for (uint32_t i = 0; i < ps->n; i++)
    if (!value_numeric(ps->at[i].v) || !value_type(ps->at[i].v, &t) || t.rank != 1 || t.dim[0] != 2) return false;
  return ps->n > 0;
}

static Value half_of(PlotJob *j, const PlotPart *of, Type t, uint32_t k) {
  if (of->v.kind == V_TUPLE) return of->v.list.at[k];
  Val v = elab_tensor(j->E, of->v, of->at);
  return elab_value(j->E, ir_index(elab_at(j->E, of->at), v, t.rank - 1, k));
}

static void pair(PlotJob *j, const PlotPart *of, Type t) {
  PlotPart x = {half_of(j, of, t, 0), of->at, of->text}, y = {half_of(j, of, t, 1), of->at, of->text};
  curve(j, &x, &y);
}

/* An expression as it stands in front of a subscript. */
static const char *named(const PlotJob *j, const Expr *e, int k) {
  const Expr *x = k ? e->args->next->value : e->args->value;
  const bool plain = x->kind == EX_NAME || x->kind == EX_CALL || x->kind == EX_INDEX || x->kind == EX_MEMBER || x->kind == EX_LIST;
  return plain ? plot_text(j->E, x) : arena_printf(j->E->mem, "(%s)", plot_text(j->E, x));
}

/* Of each sample a real[2] is a point, and two of them, written out, may be two clouds, or one curve of two points; lines are
 * curves. */
static bool two_points(PlotJob *j, const Expr *e, const PlotParts *ps) {
  if (!j->p->data || j->p->kind == PLOT_LINE || (e->kind != EX_TUPLE && e->kind != EX_LIST) || !all_points(ps)) return false;
  const char *a = ps->at[0].text, *b = ps->at[1].text;
  DiagMsg *m =
      elab_error(j->E, CODE_plot_curve, e->at, "two real[2] per sample could be two clouds of points, or x and y of a curve");
  elab_help(m, "for two clouds, write `x = (%s[0], %s[0]), y = (%s[1], %s[1])`", named(j, e, 0), named(j, e, 1), named(j, e, 0),
            named(j, e, 1));
  elab_help(m, "for a curve of two points per sample, write `x = %s, y = %s`", a, b);
  j->good = false;
  return true;
}

/* `[a, b]` of two real[n, 2] is two curves, a point in each row; `(a, b)` is x and y of two, as both were before versions were counted. */
static bool two_paths(const PlotJob *j, const Expr *e, const PlotParts *ps) {
  Type t;
  for (uint32_t i = 0; i < ps->n; i++)
    if (!is_pair(j, ps->at[i].v, &t) || t.rank != 2) return false;
  if (e->kind != EX_LIST) return false;
  const char *text = source_file(j->E->src, e->at.file)->text;
  uint32_t end = e->at.end - 1; /* of what stands in the brackets, which a comma may end */
  while (strchr(" \t\n,", text[end - 1])) end--;
  const char *pair = arena_printf(j->E->mem, "(%.*s)", (int)(end - e->at.begin - 1), text + e->at.begin + 1);
  return meaning_changed(j->E->diag, j->E->src, MEANING_plot_pairs, e->at, strchr(pair, '\n') || strchr(pair, '#') ? NULL : pair);
}

static void pairs(PlotJob *j, const Arg *o) {
  PlotParts ps = parts_of(j, o->value, false);
  if (!j->good) return;
  const Expr *e = plot_told(o->value);
  bool one = ps.n == 2 && value_numeric(ps.at[0].v) && value_numeric(ps.at[1].v) && !two_paths(j, e, &ps);
  if (one) {
    if (two_points(j, e, &ps)) return;
    ps.at[1].text = plot_text(j->E, o->value);
    curve(j, &ps.at[0], &ps.at[1]);
    if (e->kind != EX_TUPLE || e->nargs != 2) return;
    plot_label(j, 0, plot_text(j->E, e->args->value));
    plot_label(j, 1, plot_text(j->E, e->args->next->value));
    return;
  }
  if (e->kind == EX_LIST && !j->p->data && all_points(&ps)) {
    ps.at[0] = (PlotPart){as_vector(j, &ps, o->value->at), o->value->at, plot_text(j->E, o->value)};
    ps.n = 1;
  }
  for (uint32_t i = 0; i < ps.n && j->good; i++) {
    Type t;
    if (is_pair(j, ps.at[i].v, &t)) {
      pair(j, &ps.at[i], t);
      if (ps.n == 1 && ps.at[i].v.kind != V_TUPLE)
        for (int k = 0; k < 2; k++)
          plot_label(j, k, arena_printf(j->E->mem, t.rank == 1 ? "%s[%d]" : "%s[:, %d]", ps.at[i].text, k));
      continue;
    }
    elab_help(elab_error(j->E, CODE_plot_curve, ps.at[i].at, "`xy` needs pairs, found %s", value_kind(j->E, ps.at[i].v)),
              "`xy = (x, y)`, a real[n, 2], a real[2] of each sample, `xy = trajectory(H, q, p, ...)`, or several in brackets");
    j->good = false;
  }
}

static void curves(PlotJob *j) {
  const Item *it = j->it;
  const Arg *x = ast_option(it, "x"), *y = ast_option(it, "y"), *xy = ast_option(it, "xy");
  if (xy && (x || y)) {
    elab_label(elab_error(j->E, CODE_given_twice, xy->name_at, "`xy` replaces both `x` and `y`"), (x ? x : y)->name_at,
               "given here");
    j->good = false;
  } else if (xy) {
    pairs(j, xy);
  } else if (y && (x || j->p->kind == PLOT_LINE)) {
    x_and_y(j, x, y);
  } else if (x || y) {
    plot_needs(j, x ? "y" : "x", "`x` and `y`, or both at once: `xy`");
  } else if (j->p->kind != PLOT_PHASE || !ast_option(it, "levels")) {
    plot_needs(j, j->p->kind == PLOT_LINE ? "y" : "xy", "`x = ..., y = ...`, or both at once: `xy = trajectory(...)`");
  }
}

static void histogram(PlotJob *j) {
  const Arg *x = ast_option(j->it, "x");
  if (!x) {
    plot_needs(j, "x", "the value to count: `x = energy(q, p)`");
    return;
  }
  PlotParts ps = parts_of(j, x->value, !j->p->data);
  for (uint32_t i = 0; j->good && i < ps.n; i++) curve(j, &ps.at[i], &ps.at[i]);
  if (ps.n == 1) plot_label(j, 0, ps.at[0].text);
  plot_label(j, 1, ast_option(j->it, "density") ? "density" : "count");
}

static void colour(PlotJob *j) {
  const Arg *o = ast_option(j->it, "colour");
  Type t;
  if (!o || !j->good) return;
  PlotPart part = {elab_expr(j->E, o->value), o->value->at, plot_text(j->E, o->value)};
  if (part.v.kind == V_POISON || part.v.kind == V_NONE || !numbers(j, "colour", &part, 1, &t)) {
    j->good = false;
    return;
  }
  const Fn *f = j->E->now->level->fn;
  for (uint32_t i = 0; i < j->p->ncurve; i++) {
    Type y = ir_type(f, f->out.at[j->p->curve[i].y]);
    if (t.rank == 0 || (y.rank == 1 && y.dim[0] == t.dim[0])) continue;
    elab_error(j->E, CODE_plot_curve, part.at, "`colour` must be a scalar, or have the length of the curve, found %s",
               value_text(j->E, part.v));
    j->good = false;
    return;
  }
  j->p->colour = output(j, part.v, part.at, -1, "colour");
  plot_label(j, 2, part.text);
}

/* Half the length of an error bar, or of a band around a line: for each curve, or for all. */
static void errors(PlotJob *j) {
  const Arg *o = ast_option(j->it, "error");
  const Fn *f = j->E->now->level->fn;
  Type t;
  if (!o || !j->good) return;
  PlotParts e = parts_of(j, o->value, ir_type(f, f->out.at[j->p->curve[0].y]).rank > 0);
  if (j->good && e.n != 1 && e.n != j->p->ncurve) {
    elab_error(j->E, CODE_plot_curve, o->value->at, "`error` needs one value for all curves, or one for each of the %u, found %u",
               j->p->ncurve, e.n);
    j->good = false;
  }
  for (uint32_t i = 0; j->good && i < j->p->ncurve; i++) {
    PlotPart *part = &e.at[e.n == 1 ? 0 : i];
    if (!numbers(j, "error", part, 1, &t)) return;
    const Type y = ir_type(f, f->out.at[j->p->curve[i].y]);
    const bool shared = e.n == 1 && i > 0;
    if (t.rank && !(y.rank == 1 && y.dim[0] == t.dim[0])) {
      elab_error(j->E, CODE_plot_curve, part->at, "`error` must be a scalar, or have the length of the curve, found %s",
                 value_text(j->E, part->v));
      j->good = false;
      return;
    }
    j->p->curve[i].error = shared ? j->p->curve[0].error : output(j, part->v, part->at, -1, "error");
  }
}

/* ---- maps and level lines -------------------------------------------------------------------------------- */

static void ranges_given(PlotJob *j, const char *why) {
  if (j->p->ranged[0] && j->p->ranged[1]) return;
  if (ast_option(j->it, j->p->ranged[0] ? "yrange" : "xrange")) return; /* a wrong one, which was reported */
  plot_needs(j, j->p->ranged[0] ? "yrange" : "xrange", why);
}

static void heat(PlotJob *j, PlotParts *functions) {
  const Arg *o = ast_option(j->it, "z");
  Type t;
  if (!o) {
    plot_needs(j, "z", "`z = f`, a function of two variables, or a matrix");
    return;
  }
  PlotPart part = {elab_expr(j->E, o->value), o->value->at, plot_text(j->E, o->value)};
  plot_label(j, 2, part.text);
  if (part.v.kind == V_POISON || part.v.kind == V_NONE) {
    j->good = false;
  } else if (part.v.kind == V_FUNC) {
    functions->at[functions->n++] = part;
    const bool points = ast_option(j->it, "xy") || (ast_option(j->it, "x") && ast_option(j->it, "y"));
    if (!points) ranges_given(j, "where the function is drawn: `xrange = [-1, 1], yrange = [-1, 1]`");
  } else if (value_type(part.v, &t) && t.dt == DT_REAL && t.rank == 2) {
    *j->p->curve = (PlotCurve){.x = -1, .error = -1, .y = output(j, part.v, part.at, -1, "z")};
    j->p->ncurve = 1;
    plot_label(j, 0, j->p->ranged[0] ? "x" : "column");
    plot_label(j, 1, j->p->ranged[1] ? "y" : "row");
  } else {
    elab_help(elab_error(j->E, CODE_wrong_kind, part.at, "`z` needs a function or a matrix, found %s", value_kind(j->E, part.v)),
              "`z = H` draws a function of two variables over `xrange` and `yrange`");
    j->good = false;
  }
}

/* ---- films ------------------------------------------------------------------------------------------------- */

static void frames(PlotJob *j) {
  const Arg *o = ast_option(j->it, "z");
  Type t;
  if (!o) {
    plot_needs(j, "z", "`z = film`, a real[frames, rows, columns], or [frames, rows, columns, 3] with colours");
    return;
  }
  const PlotPart part = {elab_expr(j->E, o->value), o->value->at, plot_text(j->E, o->value)};
  if (part.v.kind == V_POISON || part.v.kind == V_NONE) {
    j->good = false;
  } else if (value_type(part.v, &t) && t.dt == DT_REAL && (t.rank == 3 || (t.rank == 4 && t.dim[3] == 3))) {
    *j->p->curve = (PlotCurve){.x = -1, .error = -1, .y = output(j, part.v, part.at, -1, "z")};
    j->p->ncurve = 1;
  } else {
    DiagMsg *m =
        elab_error(j->E, CODE_wrong_kind, part.at, "`z` needs a real[frames, rows, columns], or with colours [..., 3], found %s",
                   value_kind(j->E, part.v));
    if (value_type(part.v, &t) && t.rank == 2) elab_help(m, "for one picture, write a film of one frame: `z = [picture]`");
    j->good = false;
  }
}

/* Points over a map. */
static void over_map(PlotJob *j, const PlotParts *functions) {
  const Arg *x = ast_option(j->it, "x"), *xy = ast_option(j->it, "xy"), *y = ast_option(j->it, "y"), *first = xy ? xy : x ? x : y;
  if (!first || !j->good) return;
  if (functions->n) {
    curves(j);
    return;
  }
  elab_help(
      elab_error(j->E, CODE_plot_curve, first->name_at, "points can be drawn over the map of a function, but not over a matrix"),
      "`z = f` draws a function of two variables over `xrange` and `yrange`");
  j->good = false;
}

/* ---- the item -------------------------------------------------------------------------------------------- */

static void drawn(PlotJob *j) {
  PlotParts functions = {.n = 0};
  Plot *p = j->p;
  const Arg *levels = ast_option(j->it, p->kind == PLOT_HISTOGRAM ? "density" : "levels");
  p->curve = ARENA_ARRAY(j->E->mem, PlotCurve, PLOT_CURVES);
  p->grid_label = ARENA_ARRAY(j->E->mem, const char *, PLOT_CURVES);
  if (p->kind == PLOT_HEAT) heat(j, &functions), over_map(j, &functions);
  else if (p->kind == PLOT_HISTOGRAM) histogram(j);
  else if (p->kind == PLOT_FRAMES) frames(j);
  else curves(j);
  colour(j);
  errors(j);
  if (!p->samples && j->good) p->samples = p->kind == PLOT_HEAT && !functions.n ? 1 : through_samples(j) ? 2000 : 16;
  if (levels) functions = parts_of(j, levels->value, false);
  if (levels && j->good && !functions.n) {
    elab_error(j->E, CODE_plot_curve, levels->value->at, "`%s` needs a function, found an empty list", levels->name);
    j->good = false;
  }
  if (levels && j->good && !p->ncurve) ranges_given(j, "without curves, level lines need `xrange` and `yrange`");
  if (j->good && functions.n) plot_grid(j, &functions);
  plot_legend(j);
  bool phase = p->kind == PLOT_PHASE || p->kind == PLOT_SECTION;
  plot_label(j, 0, phase ? "q" : p->kind == PLOT_HISTOGRAM ? "" : "x");
  plot_label(j, 1, phase ? "p" : p->ncurve > 1 ? "" : "y");
  plot_aspect(j);
  plot_units(j);
}

void plot_item(Elab *E, const Item *it) {
  Context c;
  Root root;
  Plot *p = ARENA_NEW(E->mem, Plot);
  *p = (Plot){.name = it->name, .colour = -1};
  PlotJob j = {.E = E, .p = p, .it = it, .good = true};
  context_alone(E, &c, E->main);
  context_body(&c, it->name);
  root_begin(E, &root, it->name, E->m->f64, it->on != NULL);
  root.no_draws = "a plot cannot draw: draw in `data`, and plot `on` it";
  item_reports(E, &root, false);
  item_file_name(E, it->name, it->name_at, "a plot");
  if (it->on && !(p->data = item_data(E, &root, it))) j.good = false;
  else if ((j.good = plot_options(&j))) drawn(&j);
  p->use = root_uses(E, &root, &p->nuse);
  if (j.good && p->ncurve) p->fn = root_end(E, &root);
  else root_drop(E, &root);
  *vec_push(&E->made.actions) = (Action){.kind = DO_PLOT, .at = it->at, .plot = p};
  context_pop(E, &c);
}
