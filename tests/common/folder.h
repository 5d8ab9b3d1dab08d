/* A folder for the files of a test program: made before its tests, as a suite's functions, and removed after them. */
#ifndef HNNC_TESTS_COMMON_FOLDER_H
#define HNNC_TESTS_COMMON_FOLDER_H

#include <stdio.h>
#include <stdlib.h>

static char dir[] = "/tmp/hnnc-test-XXXXXX";

static int make_folder(void) { return mkdtemp(dir) ? 0 : 1; }

static int remove_folder(void) {
  char command[300];
  snprintf(command, sizeof command, "rm -r '%s'", dir);
  return system(command) != 0;
}

#endif
