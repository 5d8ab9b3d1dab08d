/* plot: what is written beside it. Expressions stand for the names that are not given, in the legend and along the axes. */
#include "frontend/items/plot_priv.h"

#include <string.h>

enum { TEXT_LENGTH = 60 };

/* ---- the text of an expression, for labels --------------------------------------------------------------- */

/* A block is what it returns. */
const Expr *plot_told(const Expr *e) {
  if (e->kind != EX_BLOCK) return e;
  for (const Stmt *s = e->block->first; s; s = s->next)
    if (s->kind == ST_RETURN && s->value) e = s->value;
  return e;
}

/* As written, blanks squeezed, cut where it is long. */
const char *plot_text(Elab *E, const Expr *e) {
  e = plot_told(e);
  const SourceFile *f = source_file(E->src, e->at.file);
  if (!f) return "";
  char *s = arena_alloc(E->mem, e->at.end - e->at.begin + 8);
  uint32_t n = 0, chars = 0;
  for (uint32_t i = e->at.begin, len; i < e->at.end; i += len) {
    int32_t code;
    len = source_char(f->text, f->len, i, &code);
    bool blank = code >= 0 && code <= ' ';
    if (blank && (n == 0 || s[n - 1] == ' ')) continue;
    if (chars++ == TEXT_LENGTH) return strcpy(s + n, "…"), s;
    if (blank) s[n++] = ' ';
    else memcpy(s + n, f->text + i, len), n += len;
  }
  return s;
}

/* ---- labels ---------------------------------------------------------------------------------------------- */

static const char *string_at(Value v, uint32_t i) {
  if (v.kind == V_STRING) return v.string;
  return v.list.at[i].kind == V_STRING ? v.list.at[i].string : NULL;
}

/* The columns of one matrix, whose text the axis has: "[:, 3]". */
static void shorten(Plot *p) {
  const char *axis = p->label[1];
  const size_t n = axis ? strlen(axis) : 0;
  for (uint32_t i = 0; i < p->ncurve; i++)
    if (!n || strncmp(p->curve[i].label, axis, n) != 0 || p->curve[i].label[n] != '[') return;
  for (uint32_t i = 0; i < p->ncurve; i++) p->curve[i].label += n;
}

void plot_legend(PlotJob *j) {
  Plot *p = j->p;
  const Arg *o = ast_option(j->it, "labels");
  p->legend = o || p->ncurve + p->ngrid > 1;
  if (p->kind == PLOT_PHASE && p->ncurve == 1 && !o) p->curve[0].label = NULL;
  if (p->kind == PLOT_HEAT) p->legend = o && p->ncurve;
  if (!o && p->ncurve > 1) shorten(p);
  if (!o || !j->good) return;
  Value v = elab_expr(j->E, o->value);
  uint32_t n = v.kind == V_LIST || v.kind == V_TUPLE ? v.list.n : 1;
  bool strings = v.kind == V_STRING || v.kind == V_LIST || v.kind == V_TUPLE;
  if (v.kind == V_POISON) return;
  for (uint32_t i = 0; strings && i < n; i++) strings = string_at(v, i) != NULL;
  if (!strings || n != p->ncurve) {
    elab_help(elab_error(j->E, CODE_plot_option, o->value->at, "`labels` needs one string for each of the %u curve%s, found %s",
                         p->ncurve, p->ncurve == 1 ? "" : "s", strings ? arena_printf(j->E->mem, "%u", n) : value_kind(j->E, v)),
              "write `labels = [\"learned\", \"true\"]`");
    return;
  }
  for (uint32_t i = 0; i < n; i++) p->curve[i].label = string_at(v, i);
}

/* ---- units ----------------------------------------------------------------------------------------------- */

/* "t" and "s": "t (s)". */
void plot_units(PlotJob *j) {
  Plot *p = j->p;
  for (int k = 0; k < 3; k++) {
    const char *text = p->label[k] ? p->label[k] : "", *unit = p->unit[k];
    if (unit && *unit) p->label[k] = arena_printf(j->E->mem, "%s%s(%s)", text, *text ? " " : "", unit);
  }
}
