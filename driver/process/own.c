/* The program that this process runs, by its path. */
#include "driver/process/process.h"

#include <unistd.h>

bool own_program(char *path, size_t size) {
  const ssize_t n = readlink(OWN_PROGRAM, path, size - 1);
  path[n > 0 ? n : 0] = 0;
  return n > 0 && (size_t)n < size - 1;
}
