/* A cell of a text table: decimal numbers as C writes them, exponents also long (`e+000`) or Fortran's (`1.0D+3`).
 * Everything else is text, also what other languages and programs write for numbers: nothing is guessed. */
#include "runtime/data/table_priv.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool digit(char c) { return c >= '0' && c <= '9'; }

/* Digits alone, as many as f64 may not hold: printing them back says whether it does. */
static bool inexact(const char *text, double v) {
  const char *digits = text + (*text == '-' || *text == '+');
  char back[400];
  while (*digits == '0') digits++;
  if (strlen(digits) < 16 || strspn(digits, "0123456789") != strlen(digits)) return false;
  snprintf(back, sizeof back, "%.0f", fabs(v));
  return strcmp(back, digits) != 0;
}

static Cell number(char *text, size_t n, double *v) {
  for (char *c = text + 1; *c; c++)
    if (*c == 'd' || *c == 'D') *c = 'e';
  char *end;
  *v = strtod(text, &end);
  if (*end || end == text || memchr(text, 'x', n) || memchr(text, 'X', n)) return CELL_TEXT;
  if (isfinite(*v)) return inexact(text, *v) ? CELL_INEXACT : CELL_NUMBER;
  if (isnan(*v)) return CELL_NAN;
  return strpbrk(text, "nN") ? CELL_INFINITE : CELL_RANGE;
}

Cell rt_cell(const char *s, size_t n, double *v) {
  char small[128];
  if (n == 0 || (n == 2 && !memcmp(s, "NA", 2))) return CELL_GAP;
  if (memchr(s, 0, n)) return CELL_TEXT;
  char *text = n < sizeof small ? small : malloc(n + 1);
  if (!text) return CELL_TEXT;
  memcpy(text, s, n);
  text[n] = 0;
  const Cell cell = number(text, n, v);
  if (text != small) free(text);
  return cell;
}

/* Bytes of a sign at s: U+2212 is the minus of typesetters, U+2013 a dash. */
static size_t sign(const char *s, const char *end) {
  if (s < end && (*s == '+' || *s == '-')) return 1;
  return end - s >= 3 && (!memcmp(s, "\xE2\x88\x92", 3) || !memcmp(s, "\xE2\x80\x93", 3)) ? 3 : 0;
}

/* Bytes of what parts thousands: blanks of four kinds, apostrophes, underscores, and the other decimal sign. */
static size_t part(const char *s, const char *end) {
  static const char *const mark[] = {" ", "_", "'", ",", ".", "\xC2\xA0", "\xE2\x80\xAF", "\xE2\x80\x89", "\xE2\x80\x99"};
  for (size_t i = 0; i < sizeof mark / sizeof *mark; i++) {
    const size_t n = strlen(mark[i]);
    if ((size_t)(end - s) >= n && !memcmp(s, mark[i], n)) return n;
  }
  return 0;
}

static size_t digits(const char *s, const char *end) {
  size_t n = 0;
  while (s + n < end && digit(s[n])) n++;
  return n;
}

static bool hexadecimal(const char *s, const char *end) {
  if (end - s < 3 || s[0] != '0' || (s[1] != 'x' && s[1] != 'X')) return false;
  return strspn(s + 2, "0123456789abcdefABCDEF") >= (size_t)(end - s - 2);
}

/* digits, groups of three, decimals, exponent */
bool rt_cell_foreign(const char *s, size_t n) {
  const char *end = s + n;
  double v;
  if (memchr(s, 0, n) || rt_cell(s, n, &v) != CELL_TEXT) return false;
  s += sign(s, end);
  if (hexadecimal(s, end)) return true;
  size_t k = digits(s, end);
  if (!k && !(end - s >= 2 && (*s == ',' || *s == '.') && digit(s[1]))) return false;
  for (s += k; s < end && (k = part(s, end)) > 0; s += k) {
    const bool decimal = *s == ',' || *s == '.';
    s += k;
    if ((k = digits(s, end)) != 3 && !decimal) return false;
  }
  if (s < end && memchr("eEdD", *s, 4)) {
    s += 1 + sign(s + 1, end);
    s += k = digits(s, end);
    if (!k) return false;
    if (s < end && *s == '.') s += 1 + digits(s + 1, end);
  }
  return s == end;
}

static bool has(const char *s, size_t n, const char *mark) {
  const size_t m = strlen(mark);
  for (size_t i = 0; i + m <= n; i++)
    if (!memcmp(s + i, mark, m)) return true;
  return false;
}

const char *rt_cell_help(const char *s, size_t n) {
  if (n && *s != '#' && has(s, n, "#")) return "; put a comment on a line of its own";
  if (!rt_cell_foreign(s, n)) return "";
  if (has(s, n, "\xE2\x88\x92") || has(s, n, "\xE2\x80\x93")) return "; its minus sign is a typographic one, write `-`";
  if (hexadecimal(s + sign(s, s + n), s + n)) return "; write it as a decimal number";
  if (has(s, n, " ") || has(s, n, "_") || has(s, n, "'") || has(s, n, "\xC2") || has(s, n, "\xE2"))
    return "; write it without separators between its digits";
  if (has(s, n, ",")) return "; write numbers with a decimal point, not a comma";
  return "";
}
