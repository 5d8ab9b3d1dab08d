/* NAME.gp: the gnuplot script that draws NAME.svg from NAME.dat in its own folder. Colours are Okabe and
 * Ito's for lines (without yellow, which is hard to see on white) and viridis for maps: both can be told apart by
 * those who do not see red or green. */
#include "driver/plot/plot_priv.h"

#include <math.h>
#include <string.h>

enum {
  COLOURS = 7,
  CELLS = 2500,
  STRIP = 10,
  MARKS = 20000,
  DASHES = 4
}; /* a matrix of more cells is an image, not cells; of more points every k-th is drawn */

static const char *const colour[COLOURS] = {"#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"};
/* A few curves differ without colours, too, and one shows between the dashes of another that lies on it. */
static const char *const dashes[DASHES] = {"", " dt (12,5)", " dt (3,4)", " dt (12,4,3,4)"};
static const char *const level_style[] = {"lw 2.2 lc rgb '#B8B8B8'", "lw 1.1 dt (6,4) lc rgb '#202020'",
                                          "lw 1.1 dt (2,3) lc rgb '#8C5A00'", "lw 1.1 dt (8,3,2,3) lc rgb '#5A3A7A'"};

/* Between single quotes gnuplot takes all as it is, but fails to read '' for ' everywhere. Between double
 * quotes it would run what stands in backquotes and expand @macros: such characters are octal there. */
static void quoted(FILE *out, const char *s) {
  char quote = strchr(s, '\'') ? '"' : '\'';
  fputc(quote, out);
  for (; *s; s++) {
    if (quote == '"' && strchr("\"\\`@", *s)) fprintf(out, "\\%03o", (unsigned)*s);
    else fputc((unsigned char)*s < ' ' ? ' ' : *s, out);
  }
  fputc(quote, out);
}

/* ---- axes ------------------------------------------------------------------------------------------------ */

static void put_label(FILE *out, const char *what, const char *text) {
  if (!text || !*text) return;
  fprintf(out, "set %s ", what);
  quoted(out, text);
  fputs(" noenhanced\n", out);
}

/* Numbers with one digit that are asked for, from low to high, at most a dozen. */
static void few_tics(FILE *out, char axis, double low, double high) {
  static const int coarse[] = {1, 2, 5}, fine[] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
  bool narrow = high / low < 8;
  const int *digit = narrow ? fine : coarse;
  int n = narrow ? 9 : 3;
  const char *comma = "";
  fprintf(out, "set format %c '%%g'\nset %ctics (", axis, axis);
  for (int e = (int)floor(log10(low)) - 1; e <= (int)ceil(log10(high)) + 1; e++)
    for (int k = 0; k < n; k++) {
      double v = digit[k] * pow(10, e);
      if (v < low / 2 || v > high * 2) continue;
      fprintf(out, "%s%.6g", comma, v);
      comma = ", ";
    }
  fputs(")\n", out);
}

/* x never goes back: y is drawn against it, and the graph begins and ends with it. */
static bool against_x(const PlotNumbers *d) {
  for (uint32_t c = 0; c < d->p->ncurve; c++)
    for (int64_t i = 0; i < d->nsample; i++)
      for (int64_t k = 1; k < plot_length(d, &d->p->curve[c]); k++) {
        double last, x, y;
        plot_point(d, &d->p->curve[c], k - 1, i, &last, &y);
        plot_point(d, &d->p->curve[c], k, i, &x, &y);
        if (x < last) return false;
      }
  return d->p->kind == PLOT_LINE;
}

/* The range is set: gnuplot would go on to whole decades, and count points that are not drawn. */
static void log_axis(FILE *out, const PlotNumbers *d, int k, char axis) {
  double low = d->p->ranged[k] ? d->p->range[k][0] : d->low[k], high = d->p->ranged[k] ? d->p->range[k][1] : d->high[k];
  bool tight = d->p->ranged[k] || (k == 0 && low < high && against_x(d));
  double margin = tight || !(low > 0) ? 1 : low < high ? pow(high / low, 0.04) : 1.5;
  fprintf(out, "set logscale %c\n", axis);
  if (low > 0 && low <= high) fprintf(out, "set %crange [%.9g:%.9g]\n", axis, low /= margin, high *= margin);
  if (low > 0 && high / low < 1e3) few_tics(out, axis, low, high);
  else fprintf(out, "set format %c '10^{%%T}'\n", axis);
}

static void axis(FILE *out, const PlotNumbers *d, int k) {
  const Plot *p = d->p;
  char c = k ? 'y' : 'x', name[] = {c, 'l', 'a', 'b', 'e', 'l', 0};
  put_label(out, name, p->label[k]);
  bool counted = p->kind == PLOT_HISTOGRAM && k == 1; /* its range is that of the counts */
  if (p->log[k] && !counted) log_axis(out, d, k, c);
  if (p->log[k] && counted) fprintf(out, p->ngrid ? "set logscale y\n" : "set logscale y\nset yrange [0.5:*]\n");
  if (p->kind == PLOT_PHASE || p->kind == PLOT_HEAT) {
    double half = p->kind == PLOT_HEAT ? (d->range[k][1] - d->range[k][0]) / (double)(p->n - 1) / 2 : 0;
    if (p->kind == PLOT_PHASE || p->ngrid)
      fprintf(out, "set %crange [%.9g:%.9g]\n", c, d->range[k][0] - half, d->range[k][1] + half);
  } else if (p->log[k]) {
    return;
  } else if (p->ranged[k]) {
    fprintf(out, "set %crange [%.9g:%.9g]\n", c, p->range[k][0], p->range[k][1]);
  } else if (counted) {
    fputs("set yrange [0:*]\nset offsets graph 0, 0, 0.05, 0\n", out);
  } else if (k == 0 && against_x(d)) {
    fputs("set autoscale xfix\n", out);
  }
}

/* Where cells begin and end: half a cell around their centres; row 0 on top unless y has a range. */
static void matrix_axes(FILE *out, const PlotNumbers *d) {
  const RtArray *a = &d->out[d->p->curve[0].y];
  for (int k = 0; k < 2; k++) {
    double n = a->dim[1 - k], low = 0, high = n - 1;
    if (d->p->ranged[k]) low = d->p->range[k][0], high = d->p->range[k][1];
    double half = n > 1 ? (high - low) / (n - 1) / 2 : 0.5;
    bool down = k == 1 && !d->p->ranged[1];
    fprintf(out, "set %crange [%.9g:%.9g]\n", k ? 'y' : 'x', down ? high + half : low - half, down ? low - half : high + half);
    if (!d->p->ranged[k] && n <= 12) fprintf(out, "set %ctics 1\n", k ? 'y' : 'x');
  }
}

/* ---- the head -------------------------------------------------------------------------------------------- */

static void palette(FILE *out) {
  fputs("set palette defined (0 '#440154', 1 '#482878', 2 '#3E4A89', 3 '#31688E', 4 '#26828E', 5 '#1F9E89', "
        "6 '#35B779', 7 '#6DCD59', 8 '#B4DE2C', 9 '#FDE725')\nset autoscale cbfix\n",
        out);
}

/* Above the graph, under the title, in one row where the names are short. */
static void key(FILE *out, const Plot *p) {
  size_t chars = 0;
  for (uint32_t c = 0; c < p->ncurve; c++) chars += p->curve[c].label ? strlen(p->curve[c].label) + 8 : 0;
  for (uint32_t g = 0; g < p->ngrid; g++) chars += strlen(p->grid_label[g]) + 8;
  if (!p->legend) {
    fputs("unset key\n", out);
    put_label(out, "title", p->title);
    return;
  }
  fprintf(out, "set key tmargin %s noenhanced reverse Left samplen 2.5 spacing 1.15 font ',13'\n",
          chars < 78 ? "center horizontal" : "left vertical maxcols 1");
  put_label(out, "key title", p->title); /* a title would stand between the key and the graph */
}

/* What the axis covers, about. */
static double covered(const PlotNumbers *d, int k) {
  const double *grid = d->p->kind == PLOT_PHASE || d->p->ngrid ? d->range[k] : NULL;
  if (d->p->ranged[k]) grid = d->p->range[k];
  return grid ? grid[1] - grid[0] : d->high[k] - d->low[k];
}

static void aspect(FILE *out, const PlotNumbers *d) {
  double x = covered(d, 0), y = covered(d, 1);
  bool strip = !(x < STRIP * y && y < STRIP * x);
  if (d->p->aspect == ASPECT_EQUAL || (d->p->aspect == ASPECT_LIKELY && !strip)) fputs("set size ratio -1\n", out);
}

static void first_line(FILE *out, const Plot *p) {
  fprintf(out,
          "# gnuplot %s.gp, in this folder, makes %s.svg from %s.dat; gnuplot -e \"format = 'pdf'\" %s.gp makes %s.pdf, and 'png' "
          "%s.png\n"
          "set encoding utf8\nif (!exists('format')) format = 'svg'\n",
          p->name, p->name, p->name, p->name, p->name, p->name);
}

/* The page: as wide as the text of a paper where it is a PDF, twice the pixels where it is a PNG. */
void plot_terminal(FILE *out, const Plot *p, double width, double height) {
  const double cm = 12 / fmax(width, height);
  fprintf(out,
          "if (format eq 'svg') set terminal svg size %.0f,%.0f standalone rounded font 'Helvetica,14' background rgb 'white'\n"
          "if (format eq 'pdf') set terminal pdfcairo size %.2fcm,%.2fcm rounded font 'Helvetica,14' fontscale 0.6\n"
          "if (format eq 'png') set terminal pngcairo size %.0f,%.0f rounded font 'Helvetica,14' fontscale 2 linewidth 2 "
          "background rgb 'white'\n"
          "set output '%s.'.format\n",
          width, height, width * cm, height * cm, 2 * width, 2 * height, p->name);
}

static void head(FILE *out, const PlotNumbers *d) {
  const Plot *p = d->p;
  bool box = p->kind == PLOT_PHASE || p->kind == PLOT_SECTION || p->kind == PLOT_HEAT;
  first_line(out, p);
  plot_terminal(out, p, 720, 540);
  fputs("set minussign\n", out);
  for (int k = 0; k < COLOURS; k++) fprintf(out, "set linetype %d lc rgb '%s'\n", k + 1, colour[k]);
  fprintf(out, "set linetype cycle %d\n", COLOURS);
  fprintf(out, "set border %d lw 0.8 lc rgb '#404040'\nset tics out nomirror scale 0.6 tc rgb '#202020'\n", box ? 31 : 3);
  if (p->kind != PLOT_HEAT) fputs("set grid back lt 1 lw 0.6 lc rgb '#E4E4E4'\n", out);
  key(out, p);
  axis(out, d, 0);
  axis(out, d, 1);
  if (plot_matrix(p)) matrix_axes(out, d);
  aspect(out, d);
  if (p->kind != PLOT_HEAT && p->colour < 0) return;
  palette(out);
  put_label(out, "cblabel", p->label[2]);
}

/* ---- what is drawn --------------------------------------------------------------------------------------- */

typedef struct Drawing {
  FILE *out;
  const PlotNumbers *d;
  bool more;
} Drawing;

static void next(Drawing *g, const char *source, uint32_t index) {
  fputs(g->more ? ", \\\n     " : "plot ", g->out);
  g->more = true;
  if (source) fprintf(g->out, "%s%u", source, index);
  else fprintf(g->out, "'%s.dat' index %u", g->d->p->name, index);
}

static void title(Drawing *g, const char *label) {
  if (!g->d->p->legend || !label) {
    fputs(" notitle", g->out);
    return;
  }
  fputs(" title ", g->out);
  quoted(g->out, label);
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
  next(g, NULL, c);
  if (every > 1) fprintf(g->out, " every %lld", (long long)every);
  fprintf(g->out, " using 2:3%s with points pt 7 ps %.2f lc ",
          p->colour >= 0 ? ":4"
          : orbits       ? ":(column(-1) + 1)"
                         : "",
          point_size(d));
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

static void lines(Drawing *g) {
  const PlotNumbers *d = g->d;
  const Plot *p = d->p;
  for (uint32_t c = 0; c < p->ncurve; c++) {
    const int64_t n = plot_length(d, &p->curve[c]);
    bool many = d->nsample > 4 && n > 1;
    if (p->kind == PLOT_PHASE && n == 1) { /* no orbit goes from sample to sample */
      points_of(g, c);
      continue;
    }
    next(g, NULL, c);
    if (p->ncurve == 1 && p->kind == PLOT_LINE)
      fprintf(g->out, " using 2:3:(column(-1) + 1) with lines lw %s lc variable", many ? "1.2" : "2");
    else
      fprintf(g->out, " using 2:3 with lines lw %s lt %u%s",
              !many                   ? "2"
              : p->kind == PLOT_PHASE ? "1.6"
                                      : "1.2",
              c % COLOURS + 1, p->kind == PLOT_LINE && p->ncurve <= DASHES && !many ? dashes[c] : "");
    title(g, p->curve[c].label);
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

void plot_script(FILE *out, const PlotNumbers *d) {
  Drawing g = {out, d, false};
  if (d->p->kind == PLOT_FRAMES) {
    first_line(out, d->p);
    put_label(out, "title", d->p->title);
    plot_film_script(out, d);
    return;
  }
  head(out, d);
  if (d->levels) level_tables(out, d);
  switch (d->p->kind) {
  case PLOT_PHASE: levels(&g), lines(&g); break;
  case PLOT_SCATTER:
  case PLOT_SECTION: points(&g); break;
  case PLOT_HEAT:
    map(&g);
    if (!plot_matrix(d->p)) points(&g);
    break;
  case PLOT_HISTOGRAM: boxes(&g), density(&g); break;
  default: lines(&g);
  }
  fputs("\n", out);
}
