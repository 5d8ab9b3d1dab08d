/* `hnnc cache [show|verify|trim|clear]`: what is kept of earlier compilations. */
#include "codegen/object/cache.h"
#include "driver/commands/commands_priv.h"
#include "driver/session/session.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

enum { MEGA = 1 << 20 };

static void show(const char *dir, const CgCacheCount *c) {
  printf("%s: %" PRId64 " files, %.1f MB, limit %.0f MB (HNNC_CACHE_MB)\n", dir, c->files, (double)c->bytes / MEGA,
         (double)kept_limit(false) / MEGA);
}

int command_cache(const Options *o) {
  char dir[4096];
  CgCacheCount c;
  const char *what = o->file ? o->file : "show";
  const bool verify = !strcmp(what, "verify"), trim = !strcmp(what, "trim"), clear = !strcmp(what, "clear");
  if (!session_cache_dir(dir, sizeof dir)) return printf("there is no cache: HNNC_CACHE_DIR is empty\n"), 0;
  if (!cg_cache_tidy(dir, trim ? kept_limit(false) : clear ? 0 : -1, verify, &c)) {
    fprintf(stderr, "error: cannot read the cache %s: %s\n", dir, strerror(errno));
    return EXIT_IO;
  }
  if (verify)
    printf("%" PRId64 " files are sound, %" PRId64 " were damaged or not this user's and are removed\n", c.files, c.damaged);
  if (trim || clear) printf("%" PRId64 " files are removed, %.1f MB\n", c.removed, (double)c.freed / MEGA);
  show(dir, &c);
  return 0;
}
