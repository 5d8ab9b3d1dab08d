/* A structure and what hangs on it as bytes, for what is kept between runs. One function for both directions: it goes
 * through a structure and writes what it finds, or fills it in. The bytes are for the program that wrote them alone
 * (layouts of structures are part of them) and are not checked for sense: who keeps them has a checksum. What does not fit
 * together sets `bad`; then nothing more is read, and numbers of things are 0. */
#ifndef HNNC_IR_BASE_PACK_H
#define HNNC_IR_BASE_PACK_H

#include "ir/base/base.h"

typedef struct Pack {
  Arena *mem;           /* reading: of all but functions */
  const char *at, *end; /* reading: what is left */
  bool reading, bad;
  bool bare;     /* writing: without places and origins, on which no code depends */
  VEC(char) out; /* writing */
} Pack;

void pack_bytes(Pack *p, void *v, size_t n);
void pack_count(Pack *p, uint32_t *n, size_t size);            /* of things of at least `size` bytes each that follow */
void pack_text(Pack *p, const char **s);                       /* NULL is fine */
void *pack_array(Pack *p, void *at, uint32_t *n, size_t size); /* things without pointers; at, or a new array */
void *pack_items(Pack *p, void *at, uint32_t *n, size_t size); /* the same, whose contents the caller packs */
void pack_finish(Pack *p);
void diag_pack(Pack *p, Diag *d); /* messages; reading: adds them */

#define PACK(p, x) pack_bytes((p), &(x), sizeof(x))
#define PACK_ARRAY(p, at, n) ((at) = pack_array((p), (void *)(at), &(n), sizeof *(at)))
#define PACK_ITEMS(p, at, n) ((at) = pack_items((p), (void *)(at), &(n), sizeof *(at)))

#endif
