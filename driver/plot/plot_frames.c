/* The film of a plot of kind `frames`: one row of pictures for each sample, its frames from left to right; and as a film, one frame of
 * all samples after the other, which is a strip of the same sheet.
 *
 * NAME.dat has the sheet, each pixel a line: its column and row in the picture that is drawn, from the upper left, and its value, or red,
 * green and blue. Between pictures runs a line of NaN, or of white. */
#include "driver/plot/plot_priv.h"

#include <math.h>

/* z of a sample: [frame][row][column], or with colours behind. */
typedef struct Film {
  const RtArray *z;
  int64_t frames, rows, columns;
  int depth; /* numbers of a pixel */
} Film;

static Film film_of(const PlotNumbers *d) {
  const RtArray *z = &d->out[d->p->curve[0].y];
  return (Film){z, z->dim[0], z->dim[1], z->dim[2], z->rank == 4 ? 3 : 1};
}

static bool in_colour(const PlotNumbers *d) { return film_of(d).depth == 3; }

static void sheet_size(const PlotNumbers *d, int64_t frames, int64_t *width, int64_t *height) {
  const Film f = film_of(d);
  *width = frames * (f.columns + 1) - 1;
  *height = d->nsample * (f.rows + 1) - 1;
}

static void pixel(FILE *out, const Film *f, int64_t x, int64_t y) {
  const int64_t frame = x / (f->columns + 1), column = x % (f->columns + 1), sample = y / (f->rows + 1), row = y % (f->rows + 1);
  const bool gap = column == f->columns || row == f->rows;
  fprintf(out, "%lld %lld", (long long)x, (long long)y);
  for (int k = 0; k < f->depth; k++) {
    const double v = gap ? NAN : plot_at(f->z, ((frame * f->rows + row) * f->columns + column) * f->depth + k, sample);
    if (isfinite(v)) fprintf(out, " %.6g", v);
    else fputs(f->depth == 3 ? " 1" : " NaN", out);
  }
  fputc('\n', out);
}

void plot_film_data(FILE *out, const PlotNumbers *d) {
  const Film f = film_of(d);
  int64_t width, height;
  sheet_size(d, f.frames, &width, &height);
  fprintf(out, "# all %lld frames, a row of them for each of %lld samples\n", (long long)f.frames, (long long)d->nsample);
  fprintf(out, f.depth == 3 ? "# column row red green blue\n" : "# column row value\n");
  for (int64_t y = 0; y < height; y++) {
    if (y) fputc('\n', out);
    for (int64_t x = 0; x < width; x++) pixel(out, &f, x, y);
  }
}

/* ---- the script --------------------------------------------------------------------------------------------------------- */

static PlotPage canvas(FILE *out, const PlotNumbers *d, int64_t frames, double most) {
  int64_t w, h;
  sheet_size(d, frames, &w, &h);
  double scale = fmin(most / (double)w, most / (double)h);
  scale = scale > 8 ? 8 : scale > 1 ? floor(scale) : scale;
  fprintf(out, "set xrange [-0.5:%g]\nset yrange [%g:-0.5]\n", (double)w - 0.5, (double)h - 0.5);
  return (PlotPage){.width = fmax(160, scale * (double)w) + 20, .height = scale * (double)h + (d->p->title ? 60 : 20)};
}

/* every, column: of the pixels that are drawn, and the first column in the picture */
static void picture(FILE *out, const PlotNumbers *d, const char *every, const char *column) {
  fprintf(out, "plot '%s.dat'%s using %s:2:%s notitle\n", d->p->name, every, column,
          in_colour(d) ? "(b($3)):(b($4)):(b($5)) with rgbimage" : "3 with image");
}

void plot_film_script(FILE *out, const PlotNumbers *d) {
  const Film f = film_of(d);
  char every[80], column[40];
  plot_text_of(out, "title", d->p->title);
  fputs("unset key\nunset border\nunset tics\nunset colorbox\nset size ratio -1\nset margins 0.5, 0.5, 0.5, 0.5\n", out);
  if (d->p->title) fputs("set tmargin 2.5\n", out);
  if (in_colour(d)) fputs("b(v) = v < 0 ? 0 : v > 1 ? 255 : 255*v\n", out);
  else fputs("set palette gray\n", out);
  if (!in_colour(d) && d->low[1] > -0.5 && d->high[1] < 1.5) fputs("set cbrange [0:1]\n", out);
  else if (!in_colour(d) && d->low[1] < d->high[1]) fprintf(out, "set cbrange [%.9g:%.9g]\n", d->low[1], d->high[1]);
  PlotPage page = canvas(out, d, f.frames, 1600);
  plot_terminal(out, d->p, &page, fmax(page.width, page.height));
  picture(out, d, "", "1");
  page = canvas(out, d, 1, 480);
  plot_film_begin(out, d->p, &page, f.frames, d->p->animate);
  snprintf(every, sizeof every, " every ::(k - 1)*%lld::k*%lld - 2", (long long)f.columns + 1, (long long)f.columns + 1);
  snprintf(column, sizeof column, "($1 - (k - 1)*%lld)", (long long)f.columns + 1);
  picture(out, d, every, column);
  plot_film_end(out);
}
