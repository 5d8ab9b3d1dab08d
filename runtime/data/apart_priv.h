/* Calls into a library in a process of its own, so that a fault of the library ends that process and not this one. What the call
 * gives lies in memory that both see. */
#ifndef HNNC_RUNTIME_DATA_APART_PRIV_H
#define HNNC_RUNTIME_DATA_APART_PRIV_H

#include "runtime/runtime_priv.h"

/* Zeroed memory that rt_apart's call shares with its caller; pages that nobody touches take none. NULL: no memory. */
void *rt_shared(size_t bytes);
void rt_shared_free(void *p, size_t bytes);
/* Calls f(ctx), and waits for its end. False: it did not return, why says how it ended: it crashed, or used up `seconds` of the
 * processor. It inherits all memory, may take `more` bytes, and what it changes is lost but for rt_shared's. */
bool rt_apart(void (*f)(void *ctx), void *ctx, unsigned seconds, size_t more, RtError *why);

#endif
