/* Words, numbers and names of the text form (read_priv.h). */
#include "ir/text/read_priv.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

Span read_from(const Parser *p, uint32_t begin) {
  return (Span){p->file, begin, p->pos > begin ? p->pos : begin + (begin < p->len)};
}

bool read_mistake(Parser *p, uint32_t begin, const char *fmt, ...) {
  char text[400];
  va_list ap;
  va_start(ap, fmt);
  vsnprintf(text, sizeof text, fmt, ap);
  va_end(ap);
  diag_add(p->diag, CODE_ir_text, read_from(p, begin), "%s", text);
  return false;
}

void read_space(Parser *p) {
  for (; p->pos < p->len; p->pos++) {
    char c = p->text[p->pos];
    if (c == '#')
      while (p->pos + 1 < p->len && p->text[p->pos + 1] != '\n') p->pos++;
    else if (c != ' ' && c != '\n' && c != '\t' && c != '\r') return;
  }
}

static bool word_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.';
}

bool read_ahead(Parser *p, const char *s) {
  read_space(p);
  size_t n = strlen(s);
  return p->len - p->pos >= n && !memcmp(p->text + p->pos, s, n);
}

bool read_accept(Parser *p, const char *s) {
  if (!read_ahead(p, s)) return false;
  p->pos += (uint32_t)strlen(s);
  return true;
}

bool read_expect(Parser *p, const char *s) { return read_accept(p, s) || read_mistake(p, p->pos, "expected `%s`", s); }

size_t read_word(Parser *p) {
  read_space(p);
  uint32_t n = 0;
  while (p->pos + n < p->len && word_char(p->text[p->pos + n])) n++;
  return n;
}

bool read_accept_word(Parser *p, const char *s) {
  size_t n = read_word(p);
  if (n != strlen(s) || memcmp(p->text + p->pos, s, n)) return false;
  p->pos += (uint32_t)n;
  return true;
}

bool read_integer(Parser *p, int64_t lo, int64_t hi, int64_t *out) {
  read_space(p);
  uint32_t begin = p->pos;
  char *end;
  char c = p->text[p->pos], d = c == '-' && p->pos + 1 < p->len ? p->text[p->pos + 1] : c;
  if (p->pos >= p->len || d < '0' || d > '9') return read_mistake(p, begin, "expected an integer");
  errno = 0;
  *out = strtoll(p->text + p->pos, &end, 10);
  p->pos = (uint32_t)(end - p->text);
  if (errno || *out < lo || *out > hi) return read_mistake(p, begin, "integer out of range [%" PRId64 ", %" PRId64 "]", lo, hi);
  return true;
}

bool read_real(Parser *p, double *out) {
  read_space(p);
  uint32_t begin = p->pos;
  char *end;
  if (read_accept(p, "nan(0x")) {
    uint64_t bits = strtoull(p->text + p->pos, &end, 16);
    p->pos = (uint32_t)(end - p->text);
    memcpy(out, &bits, sizeof bits);
    return (*out != *out || read_mistake(p, begin, "these bits are no nan")) && read_expect(p, ")");
  }
  *out = strtod(p->text + p->pos, &end);
  if (end == p->text + p->pos || end > p->text + p->len) return read_mistake(p, begin, "expected a number");
  p->pos = (uint32_t)(end - p->text);
  if (*out != *out) {
    uint64_t bits = UINT64_C(0x7ff8000000000000);
    memcpy(out, &bits, sizeof bits);
  }
  return true;
}

static int hex_digit(char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1; }

bool read_string(Parser *p, Arena *mem, const char **out) {
  uint32_t begin = p->pos, n = 0;
  if (!read_accept(p, "\"")) return read_mistake(p, begin, "expected a name in quotes");
  begin = p->pos - 1;
  uint32_t end = p->pos;
  while (end < p->len && p->text[end] != '"' && p->text[end] != '\n') end += p->text[end] == '\\' && end + 1 < p->len ? 2 : 1;
  char *s = arena_alloc(mem, end - begin + 1);
  while (p->pos < p->len && p->text[p->pos] != '"' && p->text[p->pos] != '\n') {
    char c = p->text[p->pos++];
    if (c == '\\') {
      c = p->pos < p->len ? p->text[p->pos++] : 0;
      if (c == 'x' && p->pos + 2 <= p->len && hex_digit(p->text[p->pos]) >= 0 && hex_digit(p->text[p->pos + 1]) >= 0) {
        c = (char)(hex_digit(p->text[p->pos]) * 16 + hex_digit(p->text[p->pos + 1]));
        p->pos += 2;
      } else if (c != '"' && c != '\\') {
        return read_mistake(p, begin, "unknown escape in a name");
      }
    }
    if (!c) return read_mistake(p, begin, "a zero byte in a name");
    s[n++] = c;
  }
  *out = s;
  if (p->pos < p->len && p->text[p->pos] == '"') return p->pos++, true;
  return read_mistake(p, begin, "a name without its closing quote");
}

bool read_name(Parser *p, Arena *mem, const char **out) {
  if (!read_expect(p, "@")) return false;
  if (p->pos < p->len && p->text[p->pos] == '"') return read_string(p, mem, out);
  size_t n = p->pos < p->len && word_char(p->text[p->pos]) ? read_word(p) : 0;
  if (!n) return read_mistake(p, p->pos, "expected a name");
  *out = arena_strndup(mem, p->text + p->pos, n);
  p->pos += (uint32_t)n;
  return true;
}
