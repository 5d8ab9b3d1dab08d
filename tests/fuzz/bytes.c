/* See bytes.h. */
#include "tests/fuzz/bytes.h"

#include <stdlib.h>
#include <string.h>

uint64_t fuzz_state = 1;

uint64_t fuzz_draw(uint64_t below) {
  uint64_t z = fuzz_state += 0x9e3779b97f4a7c15u;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
  z = (z ^ z >> 27) * 0x94d049bb133111ebu;
  return below ? (z ^ z >> 31) % below : 0;
}

bool fuzz_chance(int percent) { return fuzz_draw(100) < (uint64_t)percent; }

void fuzz_put(Bytes *b, const void *s, size_t n) {
  if (b->n + n > b->room) {
    b->room = 2 * (b->n + n);
    b->at = realloc(b->at, b->room);
    if (!b->at) abort();
  }
  if (n) memcpy(b->at + b->n, s, n);
  b->n += n;
}

void fuzz_put_text(Bytes *b, const char *s) { fuzz_put(b, s, strlen(s)); }

void fuzz_copy(Bytes *b, const void *s, size_t n) {
  b->n = 0;
  fuzz_put(b, s, n);
}

void fuzz_splice(Bytes *b, size_t from, size_t drop, const void *s, size_t n) {
  Bytes out = {0};
  fuzz_put(&out, b->at, from);
  fuzz_put(&out, s, n);
  fuzz_put(&out, b->at + from + drop, b->n - from - drop);
  free(b->at);
  *b = out;
}

void fuzz_splice_text(Bytes *b, size_t from, size_t drop, const char *s) { fuzz_splice(b, from, drop, s, strlen(s)); }

/* ---- seen before ------------------------------------------------------------------------------------------------ */

enum { MEMORY = 256, MOST_KEPT = 1 << 16 };
static Bytes seen[MEMORY];
static size_t nseen;

void fuzz_remember(const void *s, size_t n) {
  if (!n || n > MOST_KEPT) return;
  fuzz_copy(&seen[nseen < MEMORY ? nseen : fuzz_draw(MEMORY)], s, n);
  nseen += nseen < MEMORY;
}

const Bytes *fuzz_remembered(void) { return &seen[fuzz_draw(nseen)]; }

/* ---- bytes ------------------------------------------------------------------------------------------------------ */

void fuzz_mutate_bytes(Bytes *b) {
  static const char *const word[] = {"(",    ")",   "[",       "]",    "{",      "}",       "\n",     ",",   "=",
                                     "+=",   ":",   ".",       "->",   "~",      "inverse", "logdet", "for", "in",
                                     "let ", "fn ", "return ", " on ", "yield ", "each ",   "\"",     "#",   "-",
                                     "^",    "@",   "1e999",   "0.1",  "θ",      "\xff",    "%1",     "\t",  ";"};
  const size_t from = fuzz_draw(b->n + 1), rest = b->n - from, drawn = fuzz_draw(rest + 1);
  const size_t len = drawn > 40 ? drawn % 40 : drawn, one = rest > 0;
  const char *w = FUZZ_PICK(word);
  const Bytes *other = fuzz_remembered();
  const size_t at = fuzz_draw(other->n + 1), most = fuzz_draw(200), part = other->n - at < most ? other->n - at : most;
  const unsigned char byte = (unsigned char)fuzz_draw(256);
  switch (fuzz_draw(7)) {
  case 0: fuzz_splice_text(b, from, 0, w); break;
  case 1: fuzz_splice_text(b, from, len, ""); break;
  case 2: fuzz_splice(b, from, one, &byte, 1); break;
  case 3:
    if (part) fuzz_splice(b, from, len, other->at + at, part);
    break;
  case 4: fuzz_splice_text(b, from, fuzz_draw(8) ? len : rest, w); break;
  case 5: fuzz_splice_text(b, from, one, w); break;
  default:
    if (one) b->at[from] ^= (unsigned char)(1 << fuzz_draw(8));
    break;
  }
}
