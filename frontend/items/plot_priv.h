/* Shared by the files of plots. A plot's curves are outputs of its function `fn`, maps and level lines those of
 * `grid`; see model.h. */
#ifndef HNNC_FRONTEND_ITEMS_PLOT_PRIV_H
#define HNNC_FRONTEND_ITEMS_PLOT_PRIV_H

#include "frontend/items/items_priv.h"

enum { PLOT_CURVES = 32 };

typedef struct PlotPart {
  Value v;
  Span at;
  const char *text;
} PlotPart; /* text: for the legend, an axis */
typedef struct PlotParts {
  PlotPart at[PLOT_CURVES];
  uint32_t n;
} PlotParts;

typedef struct PlotJob {
  Elab *E;
  Plot *p;
  const Item *it;
  bool good; /* no error so far */
} PlotJob;

/* kind, names of options, and those known while compiling; false after an error that hides the rest */
bool plot_options(PlotJob *j);
/* p->aspect, when the axes have their labels */
void plot_aspect(PlotJob *j);
/* functions -> p->grid; j->good is false after an error */
void plot_grid(PlotJob *j, const PlotParts *functions);
void plot_label(PlotJob *j, int axis, const char *text); /* unless it has one */

/* plot_label.c: an expression as written, blanks squeezed, cut where it is long; of a block the one that it returns */
const char *plot_text(Elab *E, const Expr *e);
const Expr *plot_told(const Expr *e);
void plot_legend(PlotJob *j); /* p->legend, `labels` */
void plot_units(PlotJob *j);  /* behind the labels, which are there */

#endif
