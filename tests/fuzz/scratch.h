/* A folder in memory, if there is one, for targets that read files; it is one process's, and stays until the process ends. */
#ifndef HNNC_TESTS_FUZZ_SCRATCH_H
#define HNNC_TESTS_FUZZ_SCRATCH_H

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char scratch_path[80];

static int scratch_drop(const char *path, const struct stat *st, int flag, struct FTW *f) {
  (void)st, (void)flag, (void)f;
  return remove(path);
}

static inline void scratch_end(void) { (void)nftw(scratch_path, scratch_drop, 8, FTW_DEPTH | FTW_PHYS); }

static inline const char *scratch(void) {
  if (scratch_path[0]) return scratch_path;
  snprintf(scratch_path, sizeof scratch_path, "%s/hnnc-fuzz-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
  if (!mkdtemp(scratch_path)) abort();
  atexit(scratch_end);
  return scratch_path;
}

static inline void scratch_write(const char *name, const void *data, size_t size, char *path, size_t room) {
  snprintf(path, room, "%s/%s", scratch(), name);
  FILE *f = fopen(path, "wb");
  if (!f || (size && fwrite(data, 1, size, f) != size) || fclose(f)) abort();
}

#endif
