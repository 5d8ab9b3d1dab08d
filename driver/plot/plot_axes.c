/* Of NAME.gp what stands around the drawing: the page, axes with their labels and ranges, the legend, the map of colours. */
#include "driver/plot/plot_priv.h"

#include <math.h>
#include <string.h>

enum { COLOUR_BOX = 138 }; /* pixels to the right of the graph */

/* Wider than so many times its height a graph is a strip; around points in the plane there is this share of their width. */
static const double STRIP = 10, MARGIN = 0.04;

/* Between single quotes gnuplot takes all as it is, but fails to read '' for ' everywhere. Between double
 * quotes it would run what stands in backquotes and expand @macros: such characters are octal there. */
void plot_quoted(FILE *out, const char *s) {
  char quote = strchr(s, '\'') ? '"' : '\'';
  fputc(quote, out);
  for (; *s; s++) {
    if (quote == '"' && strchr("\"\\`@", *s)) fprintf(out, "\\%03o", (unsigned)*s);
    else fputc((unsigned char)*s < ' ' ? ' ' : *s, out);
  }
  fputc(quote, out);
}

/* ---- axes ------------------------------------------------------------------------------------------------ */

void plot_text_of(FILE *out, const char *what, const char *text) {
  if (!text || !*text) return;
  fprintf(out, "set %s ", what);
  plot_quoted(out, text);
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

/* Points in the plane: a margin around them, and no more. */
static bool in_plane(const PlotNumbers *d) {
  const PlotKind kind = d->p->kind;
  return kind == PLOT_SCATTER || kind == PLOT_SECTION || (kind == PLOT_LINE && !against_x(d));
}

static void axis(FILE *out, const PlotNumbers *d, int k) {
  const Plot *p = d->p;
  char c = k ? 'y' : 'x', name[] = {c, 'l', 'a', 'b', 'e', 'l', 0};
  plot_text_of(out, name, p->label[k]);
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
  } else if (in_plane(d) && d->low[k] < d->high[k]) {
    const double margin = MARGIN * (d->high[k] - d->low[k]);
    fprintf(out, "set %crange [%.9g:%.9g]\n", c, d->low[k] - margin, d->high[k] + margin);
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

/* ---- colours --------------------------------------------------------------------------------------------- */

/* viridis; RdBu of ColorBrewer, its middle darker where points lie on white; both can be told apart by those who do not see red or green. */
static const char *const map_of[][11] = {
  {"#440154", "#482878", "#3E4A89", "#31688E", "#26828E", "#1F9E89", "#35B779", "#6DCD59", "#B4DE2C", "#FDE725"},
  {"#053061", "#2166AC", "#4393C3", "#92C5DE", "#D1E5F0", "#F7F7F7", "#FDDBC7", "#F4A582", "#D6604D", "#B2182B", "#67001F"},
  {"#053061", "#2166AC", "#4393C3", "#92C5DE", "#B0BFC8", "#B4B4B4", "#CDB0A4", "#F4A582", "#D6604D", "#B2182B", "#67001F"},
  {"#000000", "#FFFFFF"},
  {"#101010", "#D0D0D0"},
};

/* On both sides of zero, and not hardly so. */
static bool both_signs(const double *range) { return fmin(-range[0], range[1]) > 0.1 * fmax(-range[0], range[1]); }

static void palette(FILE *out, const PlotNumbers *d, const PlotPage *page) {
  const Plot *p = d->p;
  const bool two = p->map == MAP_DIVERGING || (p->map == MAP_AUTO && both_signs(d->tint)), points = p->kind != PLOT_HEAT;
  const char *const *c = map_of[p->map == MAP_GREY ? 3 + points : two ? 1 + points : 0];
  const double most = fmax(fabs(d->tint[0]), fabs(d->tint[1]));
  for (int k = 0; k < 11 && c[k]; k++) fprintf(out, "%s%d '%s'", k ? ", " : "set palette defined (", k, c[k]);
  fputs(")\n", out);
  if (two && most > 0 && isfinite(most)) fprintf(out, "set cbrange [%.9g:%.9g]\n", -most, most);
  else fputs("set autoscale cbfix\n", out);
  fprintf(out, "set rmargin at screen %.4f\n", 1 - COLOUR_BOX / page->width);
  if (!p->label[2] || !*p->label[2]) return;
  fputs("set cblabel ", out);
  plot_quoted(out, p->label[2]);
  fputs(" noenhanced offset 1, 0\n", out); /* apart from the numbers beside it */
}

/* ---- the page -------------------------------------------------------------------------------------------- */

static bool coloured(const Plot *p) { return p->kind == PLOT_HEAT || p->colour >= 0; }

/* What the axis covers, about. */
static double covered(const PlotNumbers *d, int k) {
  const double *grid = d->p->kind == PLOT_PHASE || d->p->ngrid ? d->range[k] : NULL;
  if (d->p->ranged[k]) grid = d->p->range[k];
  return grid ? grid[1] - grid[0] : (1 + 2 * MARGIN) * (d->high[k] - d->low[k]);
}

static bool equal_units(const PlotNumbers *d) {
  const double x = covered(d, 0), y = covered(d, 1);
  const bool strip = !(x < STRIP * y && y < STRIP * x);
  return d->p->aspect == ASPECT_EQUAL || (d->p->aspect == ASPECT_LIKELY && !strip);
}

static size_t characters(const char *text) {
  size_t n = 0;
  for (; text && *text; text++) n += (*text & 0xc0) != 0x80;
  return n;
}

typedef struct Legend {
  size_t entries, longest;
} Legend;

static void count_entry(Legend *l, const char *text) {
  const size_t n = characters(text);
  l->entries += text != NULL;
  if (n > l->longest) l->longest = n;
}

static Legend legend_of(const Plot *p) {
  Legend l = {0};
  if (!p->legend) return l;
  for (uint32_t c = 0; c < p->ncurve; c++) count_entry(&l, p->curve[c].label);
  for (uint32_t g = 0; g < p->ngrid; g++) count_entry(&l, p->grid_label[g]);
  return l;
}

/* In pixels: where the legend is in one row above the graph, where it is a list there, and where many names stand beside it. Units of equal length
 * make the graph smaller along one side, and the page with it. */
PlotPage plot_page(const PlotNumbers *d) {
  enum { WIDTH = 720, HEIGHT = 540, LEFT = 76, BOTTOM = 62, NARROW = 340, LOW = 240 };
  const Plot *p = d->p;
  const Legend l = legend_of(p);
  const double entry = 7.6 * (double)l.longest + 52, right = coloured(p) ? COLOUR_BOX : 22;
  const double legend = (double)l.entries * entry;
  PlotPage page = {.width = WIDTH, .height = HEIGHT, .row = legend < WIDTH - LEFT - right};
  page.aside = !page.row && l.entries > 4;
  const double top = (p->title ? 40 : 16) + (!l.entries || page.aside ? 0 : page.row ? 22 : 20 * (double)l.entries);
  if (equal_units(d) && !p->log[0] && !p->log[1]) {
    const double ratio = covered(d, 0) / covered(d, 1), high = fmin((WIDTH - LEFT - right) / ratio, HEIGHT - BOTTOM - top);
    const double least = fmax(high * ratio, fmax(8.5 * (double)characters(p->title), l.entries ? entry : 0));
    page.width = fmin(WIDTH, fmax(least + LEFT + right, NARROW));
    page.height = fmax(high + BOTTOM + top, LOW);
    if (page.row && legend > high * ratio) { /* gnuplot makes a row no wider than the graph */
      page.row = false;
      page.height += 20 * ((double)l.entries - 1);
    }
  }
  if (page.aside) page.width += entry;
  return page;
}

static void key(FILE *out, const Plot *p, const PlotPage *page) {
  if (!p->legend || page->aside) plot_text_of(out, "title", p->title);
  if (!p->legend) {
    fputs("unset key\n", out);
    return;
  }
  fprintf(out, "set key %s noenhanced reverse Left samplen 2.5 spacing 1.15 font ',13'\n",
          page->aside ? "rmargin top vertical maxcols 1"
          : page->row ? "tmargin center horizontal"
                      : "tmargin left vertical maxcols 1");
  if (!page->aside) plot_text_of(out, "key title", p->title); /* a title would stand between the key and the graph */
}

void plot_axes(FILE *out, const PlotNumbers *d, const PlotPage *page) {
  const Plot *p = d->p;
  key(out, p, page);
  fputs("set format '%g'\n", out); /* gnuplot's own has 0.09000000 beside 0.1 */
  axis(out, d, 0);
  axis(out, d, 1);
  if (plot_matrix(p)) matrix_axes(out, d);
  if (equal_units(d)) fputs("set size ratio -1\n", out);
  if (coloured(p)) palette(out, d, page);
}
