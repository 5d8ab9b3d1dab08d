/* NAME.gp: the gnuplot script that draws NAME.svg from NAME.dat in its own folder, in another format where that is asked for, and the graph as it
 * grows where something moves. Colours are Okabe and Ito's for lines (without yellow, which is hard to see on white): they can be told apart by those
 * who do not see red or green. */
#include "driver/plot/plot_priv.h"

#include <math.h>
#include <string.h>

/* A matrix of more cells is an image, not cells; of more points every k-th is drawn; pixels that are as wide as the text of a paper. */
enum { COLOURS = 7, CELLS = 2500, MARKS = 20000, DASHES = 4, MOMENTS = 60, WIDE = 720 };

static const char *const colour[COLOURS] = {"#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"};
/* A few curves differ without colours, too, and one shows between the dashes of another that lies on it. Of many, those that share a colour do. */
static const char *const dashes[DASHES] = {"", " dt (12,5)", " dt (3,4)", " dt (12,4,3,4)"};
static const char *const level_style[] = {"lw 2.2 lc rgb '#B8B8B8'", "lw 1.1 dt (6,4) lc rgb '#202020'",
                                          "lw 1.1 dt (2,3) lc rgb '#8C5A00'", "lw 1.1 dt (8,3,2,3) lc rgb '#5A3A7A'"};

/* ---- the head -------------------------------------------------------------------------------------------- */

static void first_line(FILE *out, const Plot *p) {
  fprintf(out,
          "# gnuplot %s.gp, in this folder, makes %s.svg from %s.dat; gnuplot -e \"format = 'pdf'\" %s.gp makes %s.pdf, and 'png' "
          "%s.png, and 'gif' %s.gif where something moves\n"
          "set encoding utf8\nif (!exists('format')) format = 'svg'\n",
          p->name, p->name, p->name, p->name, p->name, p->name, p->name);
}

/* The page: `wide` pixels are as wide as the text of a paper in a PDF, and there are twice as many pixels in a PNG. */
void plot_terminal(FILE *out, const Plot *p, const PlotPage *page, double wide) {
  const double cm = 12 / wide, width = page->width, height = page->height;
  fprintf(out,
          "if (format eq 'svg') set terminal svg size %.0f,%.0f standalone rounded font 'Helvetica,14' background rgb 'white'\n"
          "if (format eq 'pdf') set terminal pdfcairo size %.2fcm,%.2fcm rounded font 'Helvetica,14' fontscale 0.6\n"
          "if (format eq 'png') set terminal pngcairo size %.0f,%.0f rounded font 'Helvetica,14' fontscale 2 linewidth 2 "
          "background rgb 'white'\n"
          "if (format eq 'gif') set terminal unknown\nif (format ne 'gif') set output '%s.'.format\n",
          width, height, width * cm, height * cm, 2 * width, 2 * height, p->name);
}

/* Then comes what is drawn at each k. once: with the SVG, too. */
void plot_film_begin(FILE *out, const Plot *p, const PlotPage *page, int64_t moments, bool once) {
  fprintf(
      out,
      "set output\nif (format eq 'gif'%s) {\nset terminal gif animate delay %d loop 0 optimize size %.0f,%.0f font 'Helvetica,11'\n"
      "set output '%s.gif'\ndo for [k = 1:%lld] {\n",
      once ? " || (format eq 'svg' && strstrt(GPVAL_TERMINALS, 'gif') > 0)" : "", moments > 30 ? 5 : 10, page->width, page->height,
      p->name, (long long)moments);
}

void plot_film_end(FILE *out) { fputs("}\nset output\n}\n", out); }

static void head(FILE *out, const PlotNumbers *d, const PlotPage *page) {
  const Plot *p = d->p;
  bool box = p->kind == PLOT_PHASE || p->kind == PLOT_SECTION || p->kind == PLOT_HEAT;
  first_line(out, p);
  plot_terminal(out, p, page, WIDE);
  fputs("set minussign\n", out);
  for (int k = 0; k < COLOURS; k++) fprintf(out, "set linetype %d lc rgb '%s'\n", k + 1, colour[k]);
  fprintf(out, "set linetype cycle %d\n", COLOURS);
  fprintf(out, "set border %d lw 0.8 lc rgb '#404040'\nset tics out nomirror scale 0.6 tc rgb '#202020'\n", box ? 31 : 3);
  if (p->kind != PLOT_HEAT) fputs("set grid back lt 1 lw 0.6 lc rgb '#E4E4E4'\n", out);
  plot_axes(out, d, page);
}

/* ---- what is drawn --------------------------------------------------------------------------------------- */

typedef struct Drawing {
  FILE *out;
  const PlotNumbers *d;
  bool more, moving; /* moving: at the moment k of a film, as far as `last` */
} Drawing;

static void next(Drawing *g, const char *source, uint32_t index) {
  fputs(g->more ? ", \\\n     " : "plot ", g->out);
  g->more = true;
  if (source) fprintf(g->out, "%s%u", source, index);
  else fprintf(g->out, "'%s.dat' index %u", g->d->p->name, index);
}

/* Of a curve, every so many points. */
static void next_curve(Drawing *g, uint32_t index, int64_t every) {
  next(g, NULL, index);
  if (g->moving) fprintf(g->out, " every %lld::0::last", (long long)every);
  else if (every > 1) fprintf(g->out, " every %lld", (long long)every);
}

static void title(Drawing *g, const char *label) {
  if (!g->d->p->legend || !label) {
    fputs(" notitle", g->out);
    return;
  }
  fputs(" title ", g->out);
  plot_quoted(g->out, label);
}

/* Contours go through a table: they are lines in the plane then. */
static void level_tables(FILE *out, const PlotNumbers *d) {
  bool any = false;
  for (uint32_t g = 0; g < d->p->ngrid; g++) {
    if (!d->levels[g].n) continue;
    if (!any) fputs("set contour base\nunset surface\nset cntrparam linear\n", out);
    any = true;
    fputs("set cntrparam levels discrete ", out);
    for (int k = 0; k < d->levels[g].n; k++) fprintf(out, "%s%.12g", k ? ", " : "", d->levels[g].at[k]);
    fprintf(out, "\nset table $level%u\nsplot '%s.dat' index %u using 1:2:3 notitle\nunset table\n", g, d->p->name,
            d->p->ncurve + g);
  }
  if (any) fputs("unset contour\nset surface\n", out);
}

static void levels(Drawing *g) {
  const PlotNumbers *d = g->d;
  enum { STYLES = sizeof level_style / sizeof *level_style };
  for (uint32_t k = 0; k < d->p->ngrid; k++) {
    if (!d->levels[k].n) continue;
    next(g, "$level", k);
    fprintf(g->out, " using 1:2 with lines %s",
            d->p->ngrid == 1 ? "lw 1.2 lc rgb '#A0A0A0'" : level_style[k < STYLES ? k : STYLES - 1]);
    title(g, d->p->grid_label[k]);
  }
}

static int64_t points_in_all(const PlotNumbers *d) {
  int64_t n = 0;
  for (uint32_t c = 0; c < d->p->ncurve; c++) n += d->nsample * plot_length(d, &d->p->curve[c]);
  return n;
}

/* Smaller the more there are. */
static double point_size(const PlotNumbers *d) {
  const int64_t n = points_in_all(d);
  if (d->p->kind == PLOT_SECTION) return n > 5000 ? 0.12 : n > 1000 ? 0.18 : 0.25;
  return n > 5000 ? 0.15 : n > 1000 ? 0.25 : n > 200 ? 0.35 : 0.55;
}

static void points_of(Drawing *g, uint32_t c) {
  const PlotNumbers *d = g->d;
  const Plot *p = d->p;
  bool orbits = p->kind == PLOT_SECTION && p->ncurve == 1 && plot_length(d, &p->curve[c]) > 1;
  const int64_t every = (points_in_all(d) + MARKS - 1) / MARKS;
  const bool bars = p->curve[c].error >= 0;
  next_curve(g, c, every);
  fprintf(g->out, " using 2:3%s%s with %s pt 7 ps %.2f lc ", bars ? ":4" : "",
          p->colour >= 0 ? bars ? ":5" : ":4"
          : orbits       ? ":(column(-1) + 1)"
                         : "",
          bars ? "yerrorbars" : "points", point_size(d));
  if (p->colour >= 0) fputs("palette", g->out);
  else if (orbits) fputs("variable", g->out);
  else fprintf(g->out, "rgb '%s'", p->kind == PLOT_HEAT && p->ncurve == 1 ? "#40FFFFFF" : colour[c % COLOURS]);
  fputs(" notitle", g->out);
  if (p->colour >= 0 || !p->legend || !p->curve[c].label) return;
  fprintf(g->out, ", \\\n     keyentry with points pt 7 ps 0.8 lc rgb '%s'", colour[c % COLOURS]);
  title(g, p->curve[c].label);
}

static void points(Drawing *g) {
  for (uint32_t c = 0; c < g->d->p->ncurve; c++) points_of(g, c);
}

/* Around a line, as far as its error goes; on a logarithmic axis no farther than the axis. */
static void bands(Drawing *g) {
  const PlotNumbers *d = g->d;
  const Plot *p = d->p;
  const double low = p->ranged[1] ? p->range[1][0] : d->low[1];
  for (uint32_t c = 0; c < p->ncurve; c++) {
    if (p->curve[c].error < 0) continue;
    next_curve(g, c, 1);
    fputs(" using 2:", g->out);
    if (p->log[1]) fprintf(g->out, "($3 - abs($4) > %.9g ? $3 - abs($4) : %.9g)", low, low);
    else fputs("($3 - abs($4))", g->out);
    fprintf(g->out, ":($3 + abs($4)) with filledcurves fs transparent solid 0.22 noborder lc rgb '%s' notitle",
            colour[c % COLOURS]);
  }
}

static const char *dash_of(const PlotNumbers *d, uint32_t c, bool many) {
  if (d->p->kind != PLOT_LINE) return "";
  return d->p->ncurve > DASHES ? dashes[c / COLOURS % DASHES] : many ? "" : dashes[c];
}

static void line_of(Drawing *g, uint32_t c) {
  const PlotNumbers *d = g->d;
  const Plot *p = d->p;
  const bool many = d->nsample > 4 && plot_length(d, &p->curve[c]) > 1;
  next_curve(g, c, 1);
  if (p->ncurve == 1 && p->kind == PLOT_LINE)
    fprintf(g->out, " using 2:3:(column(-1) + 1) with lines lw %s lc variable", many ? "1.2" : "2");
  else
    fprintf(g->out, " using 2:3 with lines lw %s lt %u%s",
            !many                   ? "2"
            : p->kind == PLOT_PHASE ? "1.6"
                                    : "1.2",
            c % COLOURS + 1, dash_of(d, c, many));
  title(g, p->curve[c].label);
}

static void lines(Drawing *g) {
  const Plot *p = g->d->p;
  bands(g);
  for (uint32_t c = 0; c < p->ncurve; c++) {
    if (p->kind == PLOT_PHASE && plot_length(g->d, &p->curve[c]) == 1) points_of(g, c); /* no orbit goes from sample to sample */
    else line_of(g, c);
  }
}

/* Where it is at a moment. */
static void heads(Drawing *g) {
  const Plot *p = g->d->p;
  for (uint32_t c = 0; c < p->ncurve; c++) {
    const bool alone = p->ncurve == 1 && p->kind != PLOT_PHASE;
    next(g, NULL, c);
    fprintf(g->out, " every ::last::last using 2:3%s with points pt 7 ps 1 lc ", alone ? ":(column(-1) + 1)" : "");
    if (alone) fputs("variable notitle", g->out);
    else fprintf(g->out, "rgb '%s' notitle", colour[c % COLOURS]);
  }
}

static void map(Drawing *g) {
  const PlotNumbers *d = g->d;
  const RtArray *a = plot_matrix(d->p) ? &d->out[d->p->curve[0].y] : NULL;
  next(g, NULL, a ? 0 : d->p->ncurve);
  fprintf(g->out, " using 1:2:3 with image%s notitle", a && a->elems <= CELLS ? " pixels" : "");
}

static void boxes(Drawing *g) {
  const Plot *p = g->d->p;
  for (uint32_t c = 0; c < p->ncurve; c++) {
    next(g, NULL, c);
    fprintf(g->out, " using (($1 + $2)/2):%d:($2 - $1) with boxes fs transparent solid %s border lc rgb '%s' lw 0.8",
            p->ngrid ? 4 : 3, p->ncurve > 1 ? "0.45" : "0.75", colour[c % COLOURS]);
    title(g, p->curve[c].label);
  }
}

static void density(Drawing *g) {
  const Plot *p = g->d->p;
  for (uint32_t k = 0; k < p->ngrid; k++) {
    next(g, NULL, p->ncurve + k);
    fprintf(g->out, " using 1:3 with lines lw 2 lc rgb '%s'", colour[(p->ncurve + k) % COLOURS]);
    title(g, p->grid_label[k]);
  }
}

static void draw(Drawing *g) {
  const Plot *p = g->d->p;
  g->more = false;
  switch (p->kind) {
  case PLOT_PHASE: levels(g), lines(g); break;
  case PLOT_SCATTER:
  case PLOT_SECTION: points(g); break;
  case PLOT_HEAT:
    map(g);
    if (!plot_matrix(p)) points(g);
    break;
  case PLOT_HISTOGRAM: boxes(g), density(g); break;
  default: lines(g);
  }
  if (g->moving && p->kind != PLOT_SECTION) heads(g);
  fputs("\n", g->out);
}

/* ---- films ----------------------------------------------------------------------------------------------- */

/* Points of the longest curve, from one to the next of which a graph grows. */
static int64_t longest(const PlotNumbers *d) {
  int64_t most = 0;
  for (uint32_t c = 0; c < d->p->ncurve; c++) {
    const int64_t n = plot_length(d, &d->p->curve[c]), points = n > 1 ? n : d->nsample;
    if (points > most) most = points;
  }
  return most;
}

/* Axes stay as they are in the whole graph. */
static void film(Drawing *g, const PlotPage *page) {
  const PlotKind kind = g->d->p->kind;
  const bool curves = kind == PLOT_LINE || kind == PLOT_SCATTER || kind == PLOT_SECTION || kind == PLOT_PHASE;
  const int64_t n = curves ? longest(g->d) : 0, moments = n - 1 < MOMENTS ? n - 1 : MOMENTS;
  if (moments < 1) {
    fputs("if (format eq 'gif') { printerr 'nothing in this plot moves'; exit status 2 }\n", g->out);
    return;
  }
  if (kind != PLOT_PHASE) fputs("set xrange [GPVAL_X_MIN:GPVAL_X_MAX]\nset yrange [GPVAL_Y_MIN:GPVAL_Y_MAX]\n", g->out);
  plot_film_begin(g->out, g->d->p, page, moments, g->d->p->animate);
  fprintf(g->out, "last = ceil(k*%lld/%lld.)\n", (long long)(n - 1), (long long)moments);
  g->moving = true;
  draw(g);
  plot_film_end(g->out);
}

void plot_script(FILE *out, const PlotNumbers *d) {
  Drawing g = {out, d, false, false};
  if (d->p->kind == PLOT_FRAMES) {
    first_line(out, d->p);
    plot_film_script(out, d);
    return;
  }
  const PlotPage page = plot_page(d);
  head(out, d, &page);
  if (d->levels) level_tables(out, d);
  draw(&g);
  film(&g, &page);
}
