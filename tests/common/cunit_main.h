/* The one `main` of CUnit programs. A program gives its suite and ends with it:
 *
 *   const Suite suite = {"loops", (CU_TestInfo[]){
 *     {"what moves out of sums", test_sums},
 *     {"values", test_values},
 *     CU_TEST_INFO_NULL}};
 *
 * It runs all its tests; with an argument, those whose names hold it: `test_loops values`. */
#ifndef HNNC_TESTS_COMMON_CUNIT_MAIN_H
#define HNNC_TESTS_COMMON_CUNIT_MAIN_H

#include <CUnit/Basic.h>

typedef struct Suite {
  const char *name;
  CU_TestInfo *tests;
  int (*begin)(void); /* before the first test; NULL: nothing to do. Other than 0: failed. */
  int (*end)(void);   /* after the last, likewise */
  /* Of a program with arguments of its own: reads them, gives the tests to run. */
  CU_TestInfo *(*arguments)(int argc, char **argv);
} Suite;

extern const Suite suite;

#endif
