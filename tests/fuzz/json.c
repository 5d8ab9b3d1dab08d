/* Mutator of JSON, alone (a manifest, a list of reports) or as the header of a checkpoint: values, keys and their order change,
 * and what is written around them, a length and a hash, is mostly mended, so that the change is met behind them. */
#include "tests/fuzz/bytes.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

typedef struct Range {
  size_t begin, end;
} Range;

static bool is_json(const Bytes *b) { return b->n && b->at[0] == '{'; }

static uint64_t length_of(const Bytes *b) {
  uint64_t n = 0;
  for (size_t k = 0; k < 8 && k < b->n; k++) n |= (uint64_t)b->at[k] << 8 * k;
  return n;
}

static void set_length(Bytes *b, uint64_t n) {
  for (size_t k = 0; k < 8 && k < b->n; k++) b->at[k] = (unsigned char)(n >> 8 * k);
}

/* As runtime/rundir/safetensors.c defines it. */
static void mend_hash(Bytes *b) {
  static const char key[] = "\"xxh3\":\"";
  char hash[17];
  unsigned char *at = b->n ? memmem(b->at, b->n, key, sizeof key - 1) : NULL;
  if (!at || (size_t)(b->at + b->n - at) < sizeof key + 16) return;
  at += sizeof key - 1;
  memset(at, '0', 16);
  snprintf(hash, sizeof hash, "%016llx", (unsigned long long)XXH3_64bits(b->at, b->n));
  memcpy(at, hash, 16);
}

/* ---- the text ------------------------------------------------------------------------------------------------------- */

static size_t string_end(const Bytes *b, size_t at, size_t end) {
  for (at++; at < end && b->at[at] != '"'; at++)
    if (b->at[at] == '\\') at++;
  return at < end ? at + 1 : end;
}

/* The value or key that begins at `at`. */
static size_t value_end(const Bytes *b, size_t at, size_t end) {
  int depth = 0;
  if (b->at[at] == '"') return string_end(b, at, end);
  for (; at < end; at++) {
    const unsigned char c = b->at[at];
    if (c == '"') at = string_end(b, at, end) - 1;
    else if (c == '{' || c == '[') depth++;
    else if (c == '}' || c == ']') {
      if (--depth <= 0) return depth < 0 ? at : at + 1;
    } else if (!depth && (c == ',' || c == ':' || isspace(c))) return at;
  }
  return end;
}

/* A value or key in [0, n): one that begins behind a drawn place. */
static Range some_value(const Bytes *b, size_t begin, size_t end) {
  size_t at = begin + fuzz_draw(end - begin + 1);
  while (at < end && !strchr("{[,:", b->at[at])) at++;
  for (at++; at < end && isspace(b->at[at]);) at++;
  return at < end ? (Range){at, value_end(b, at, end)} : (Range){end, end};
}

static void change_text(Bytes *b, size_t begin, size_t end) {
  static const char *const odd[] = {"null",
                                    "true",
                                    "false",
                                    "0",
                                    "-1",
                                    "1",
                                    "4294967295",
                                    "4294967296",
                                    "9223372036854775807",
                                    "9223372036854775808",
                                    "-9223372036854775808",
                                    "1e308",
                                    "1.5",
                                    "\"\"",
                                    "\"F64\"",
                                    "\"F32\"",
                                    "\"BF16\"",
                                    "\"\\u0000\"",
                                    "\"../../x\"",
                                    "\"a\\nb\"",
                                    "[]",
                                    "{}",
                                    "[[]]",
                                    "[1,1,1,1,1,1,1]",
                                    "[0]",
                                    "[4294967295,4294967295]",
                                    "[0,8]",
                                    "[8,0]",
                                    "[-8,8]",
                                    "[null]",
                                    "{\"dtype\":\"F64\",\"shape\":[],\"data_offsets\":[0,8]}",
                                    "nan",
                                    "1e999",
                                    "\"done\"",
                                    "\"%s%n%s\""};
  const Range x = some_value(b, begin, end), y = some_value(b, begin, end);
  switch (fuzz_draw(6)) {
  case 0:
  case 1: fuzz_splice_text(b, x.begin, x.end - x.begin, FUZZ_PICK(odd)); break;
  case 2: fuzz_splice(b, x.begin, x.end - x.begin, b->at + y.begin, y.end - y.begin); break;
  case 3: fuzz_splice(b, x.begin, x.end - x.begin + (x.end < end && b->at[x.end] == ','), "", 0); break;
  case 4:
    fuzz_splice_text(b, x.end, 0, ",");
    fuzz_splice(b, x.end + 1, 0, b->at + y.begin, y.end - y.begin);
    break;
  default:
    if (x.end > x.begin) {
      const size_t at = x.begin + fuzz_draw(x.end - x.begin);
      b->at[at] = fuzz_chance(50) ? (unsigned char)('0' + fuzz_draw(10)) : (unsigned char)fuzz_draw(256);
    }
  }
}

static void change_data(Bytes *b, size_t begin) {
  const size_t at = begin + fuzz_draw(b->n - begin + 1);
  if (at == b->n || fuzz_chance(20)) fuzz_put(b, "12345678", 1 + fuzz_draw(8));
  else if (fuzz_chance(30)) b->n = at;
  else b->at[at] ^= (unsigned char)(1 << fuzz_draw(8));
}

void fuzz_mutate_form(Bytes *b) {
  static const uint64_t odd[] = {0, 1, 7, 8, 0x7fffffff, 0xffffffff, 0x100000000, UINT64_MAX, UINT64_MAX - 7, INT64_MAX};
  const size_t before = b->n;
  if (is_json(b) || before < 8) {
    change_text(b, 0, before);
    return;
  }
  uint64_t len = length_of(b);
  if (len > before - 8) len = before - 8;
  const uint64_t how = fuzz_draw(10);
  if (how < 7) {
    change_text(b, 8, 8 + (size_t)len);
    if (fuzz_chance(85)) set_length(b, len + b->n - before);
  } else if (how < 9) {
    change_data(b, 8 + (size_t)len);
  } else {
    set_length(b, FUZZ_PICK(odd));
  }
  if (fuzz_chance(70)) mend_hash(b);
}
