/* See bernstein.h. G. Farin, Curves and Surfaces for CAGD, 5th ed., chapters 4 (de Casteljau's algorithm) and 5. */
#include "frontend/motion/bernstein.h"

#include <math.h>
#include <string.h>

static Val between(Build *b, Val x, Val y, Val t) { return ir_add(b, x, ir_mul(b, t, ir_sub(b, y, x))); }

Val bernstein_at(Build *b, const Bernstein *p, Val t, Val *slope) {
  Val c[BERNSTEIN_MOST + 1];
  memcpy(c, p->c, sizeof c);
  for (int r = p->n; r > 0; r--) {
    if (r == 1 && slope) {
      Val rise = ir_sub(b, c[1], c[0]);
      *slope = ir_mul(b, ir_const(b, p->n), rise);
    }
    for (int i = 0; i < r; i++) c[i] = between(b, c[i], c[i + 1], t);
  }
  return c[0];
}

/* First what lies behind `from`, then of that the first part. */
Bernstein bernstein_part(Build *b, const Bernstein *p, Val from, Val width) {
  Bernstein q = *p;
  const int n = p->n;
  Val one = ir_const(b, 1), zero = ir_const(b, 0), rest = ir_sub(b, one, from);
  Val part = ir_div(b, width, rest), t = ir_select(b, ir_lt(b, zero, rest), part, zero);
  for (int r = n; r > 0; r--)
    for (int i = 0; i < r; i++) q.c[i] = between(b, q.c[i], q.c[i + 1], from);
  for (int r = 1; r <= n; r++)
    for (int i = n; i >= r; i--) q.c[i] = between(b, q.c[i - 1], q.c[i], t);
  return q;
}

/* t B(n-1, k) = (k + 1)/n B(n, k + 1); then raised by one degree. */
Bernstein bernstein_divided(Build *b, const Bernstein *p) {
  Bernstein q = {.n = p->n};
  for (int k = 0; k < p->n; k++) {
    Val next = ir_mul(b, ir_const(b, (double)(p->n - k) / (k + 1)), p->c[k + 1]);
    q.c[k] = k ? ir_add(b, p->c[k], next) : next;
  }
  q.c[p->n] = p->c[p->n];
  return q;
}

double bernstein_point(int n, int k) { return k == 0 ? 0 : k == n ? 1 : (1 - cos(3.14159265358979323846 * k / n)) / 2; }

/* By elimination from the values of Bernstein's polynomials at the points. */
void bernstein_from_values(int n, double *rows) {
  enum { MOST = BERNSTEIN_MOST + 1 };
  long double a[MOST][2 * MOST] = {{0}};
  const int m = n + 1;
  for (int k = 0; k < m; k++) {
    const long double x = bernstein_point(n, k);
    long double choose = 1;
    for (int i = 0; i < m; i++) {
      a[k][i] = choose * powl(x, i) * powl(1 - x, n - i);
      choose = choose * (n - i) / (i + 1);
    }
    a[k][m + k] = 1;
  }
  for (int i = 0; i < m; i++) { /* totally positive: no pivots are needed */
    for (int j = 2 * m; j-- > i;) a[i][j] /= a[i][i];
    for (int k = 0; k < m; k++)
      for (int j = 2 * m; k != i && j-- > i;) a[k][j] -= a[k][i] * a[i][j];
  }
  for (int i = 0; i < m; i++)
    for (int k = 0; k < m; k++) rows[i * m + k] = (double)a[i][m + k];
}

void bernstein_tail(int n, double *rows) {
  for (int r = 0; r < 2; r++)
    for (int k = 0; k <= n; k++) {
      const int degree = n - 1 + r;
      const double ends = k == 0 || k == n ? 0.5 : 1, last = degree == n ? 0.5 : 1;
      rows[r * (n + 1) + k] = ends * last * 2 / n * cos(3.14159265358979323846 * degree * k / n); /* up to a sign of all */
    }
}
