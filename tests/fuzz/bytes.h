/* What the fuzz programs share: draws, bytes that grow, changes of bytes, and inputs seen before, of which parts are taken. */
#ifndef HNNC_TESTS_FUZZ_BYTES_H
#define HNNC_TESTS_FUZZ_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The same draws in every run of one seed. */
extern uint64_t fuzz_state;
uint64_t fuzz_draw(uint64_t below);
bool fuzz_chance(int percent);
#define FUZZ_PICK(list) ((list)[fuzz_draw(sizeof(list) / sizeof *(list))])

typedef struct Bytes {
  unsigned char *at;
  size_t n, room;
} Bytes;
void fuzz_put(Bytes *b, const void *s, size_t n);
void fuzz_put_text(Bytes *b, const char *s);
void fuzz_copy(Bytes *b, const void *s, size_t n); /* b becomes it */
/* Replaces b[from, from + drop) by n bytes of s, which may lie in b. */
void fuzz_splice(Bytes *b, size_t from, size_t drop, const void *s, size_t n);
void fuzz_splice_text(Bytes *b, size_t from, size_t drop, const char *s);
void fuzz_mutate_bytes(Bytes *b); /* once, whatever they mean */

/* Inputs that parts are taken from; some of them are forgotten for new ones. */
void fuzz_remember(const void *s, size_t n);
const Bytes *fuzz_remembered(void); /* one of them; never NULL, perhaps empty */

/* ---- mutate.c: the same for libFuzzer, AFL++ and replay.c -------------------------------------------------------- */

/* A format's own mutator (grammar.c, irtext.c, json.c): changes b once, and keeps it what it is, mostly. */
void fuzz_mutate_form(Bytes *b);

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t most); /* the engine's */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned seed);
size_t LLVMFuzzerCustomCrossOver(const uint8_t *a, size_t na, const uint8_t *b, size_t nb, uint8_t *out, size_t most,
                                 unsigned seed);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size); /* the target */

#endif
