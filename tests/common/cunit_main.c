#include "tests/common/cunit_main.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static CU_TestInfo *named(int argc, char **argv) {
  size_t n = 0, kept = 0;
  while (suite.tests[n].pName) n++;
  CU_TestInfo *some = calloc(n + 1, sizeof *some);
  for (size_t k = 0; some && k < n; k++)
    if (argc < 2 || strstr(suite.tests[k].pName, argv[1])) some[kept++] = suite.tests[k];
  return some;
}

int main(int argc, char **argv) {
  CU_TestInfo *all = named(argc, argv), *tests = suite.arguments ? suite.arguments(argc, argv) : all;
  CU_SuiteInfo suites[] = {{suite.name, suite.begin, suite.end, NULL, NULL, tests}, CU_SUITE_INFO_NULL};
  if (!tests || CU_initialize_registry() != CUE_SUCCESS || CU_register_suites(suites) != CUE_SUCCESS) {
    fprintf(stderr, "%s: cannot start: %s\n", suite.name, CU_get_error_msg());
    return 1;
  }
  CU_basic_set_mode(CU_BRM_VERBOSE);
  CU_basic_run_tests();
  bool good = CU_get_number_of_tests_run() > 0 && CU_get_number_of_failure_records() == 0;
  CU_cleanup_registry();
  free(all);
  return good ? 0 : 1;
}
