/* The block function under the draws of runtime.h, for tests. */
#ifndef HNNC_RUNTIME_STEPPERS_RNG_PRIV_H
#define HNNC_RUNTIME_STEPPERS_RNG_PRIV_H

#include <stdint.h>

void rt_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]);

#endif
