/* `hnnc cache [show|verify|trim|clear]`: what is kept of earlier compilations. */
#include "codegen/object/cache.h"
#include "driver/driver.h"

#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MEGA = 1 << 20, USUAL_LIMIT = 1024 }; /* MiB */

/* Of $HNNC_CACHE_MB; < 0: none. */
static int64_t limit(void) {
  const char *text = getenv("HNNC_CACHE_MB");
  char *end;
  double mb = text && *text ? strtod(text, &end) : USUAL_LIMIT;
  if (text && *text && (*end || !(mb >= 0) || mb > 1e9)) {
    fprintf(stderr, "warning: HNNC_CACHE_MB should be a number of megabytes, found `%s`: %d are taken\n", text, USUAL_LIMIT);
    mb = USUAL_LIMIT;
  }
  return (int64_t)(mb * MEGA);
}

/* From any thread, once a process. */
void cache_refused(const char *path) {
  static atomic_flag said = ATOMIC_FLAG_INIT;
  if (!atomic_flag_test_and_set(&said))
    fprintf(stderr, "warning: %s in the cache is not a file that only this user can write to: such files are not used\n", path);
}

void cache_keep_small(const char *dir) {
  CgCacheCount count;
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (now.tv_nsec / 1000 % 16 == 0) (void)cg_cache_tidy(dir, limit(), false, &count); /* one process in 16 looks */
}

static void show(const char *dir, const CgCacheCount *c) {
  printf("%s: %" PRId64 " files, %.1f MB, limit %.0f MB (HNNC_CACHE_MB)\n", dir, c->files, (double)c->bytes / MEGA,
         (double)limit() / MEGA);
}

int command_cache(const Options *o) {
  char dir[4096];
  CgCacheCount c;
  const char *what = o->file ? o->file : "show";
  const bool verify = !strcmp(what, "verify"), trim = !strcmp(what, "trim"), clear = !strcmp(what, "clear");
  if (!session_cache_dir(dir, sizeof dir)) return printf("there is no cache: HNNC_CACHE_DIR is empty\n"), 0;
  if (!cg_cache_tidy(dir, trim ? limit() : clear ? 0 : -1, verify, &c)) {
    fprintf(stderr, "error: cannot read the cache %s: %s\n", dir, strerror(errno));
    return EXIT_IO;
  }
  if (verify)
    printf("%" PRId64 " files are sound, %" PRId64 " were damaged or not this user's and are removed\n", c.files, c.damaged);
  if (trim || clear) printf("%" PRId64 " files are removed, %.1f MB\n", c.removed, (double)c.freed / MEGA);
  show(dir, &c);
  return 0;
}
