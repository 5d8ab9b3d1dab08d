/* A format's mutator as fuzzing engines call it. Now and then bytes are changed without regard to the format: what does not
 * read must be refused well. */
#include "tests/fuzz/bytes.h"

#include <stdlib.h>
#include <string.h>

static size_t give(Bytes *b, uint8_t *out, size_t most) {
  const size_t n = b->n < most ? b->n : most;
  if (n) memcpy(out, b->at, n);
  free(b->at);
  return n;
}

static void change(Bytes *b) {
  for (uint64_t k = 1 + fuzz_draw(4); k > 0; k--)
    if (fuzz_chance(4)) fuzz_mutate_bytes(b);
    else fuzz_mutate_form(b);
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned seed) {
  fuzz_state = seed;
  if (fuzz_chance(5)) return LLVMFuzzerMutate(data, size, most);
  Bytes b = {0};
  if (fuzz_chance(20)) fuzz_remember(data, size);
  fuzz_copy(&b, data, size);
  change(&b);
  return give(&b, data, most);
}

size_t LLVMFuzzerCustomCrossOver(const uint8_t *a, size_t na, const uint8_t *b, size_t nb, uint8_t *out, size_t most,
                                 unsigned seed) {
  Bytes x = {0};
  fuzz_state = seed;
  fuzz_remember(b, nb);
  fuzz_copy(&x, a, na);
  change(&x);
  return give(&x, out, most);
}
