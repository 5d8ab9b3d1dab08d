/* How often a test with random inputs goes round. Sanitizers look at what the code does, not at numbers, and take about ten
 * times as long: with them a tenth of the inputs is drawn; the other builds judge the rest. */
#ifndef HNNC_TESTS_COMMON_OFTEN_H
#define HNNC_TESTS_COMMON_OFTEN_H

#ifdef HNNC_SANITIZED
#define OFTEN(n) (((n) + 9) / 10)
enum { SANITIZED = 1 };
#else
#define OFTEN(n) (n)
enum { SANITIZED = 0 };
#endif

#endif
