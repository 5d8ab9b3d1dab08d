/* Compiled objects as files, named by a hash of everything that they depend on.
 * A file: magic, hash of the key, length and hash of the object, the object. Anything that does not
 * check is as good as absent; writing is by rename, and failing to write is nothing to speak of. */
#include "codegen/cache.h"
#include "ir/ir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

typedef struct Header {
  char magic[8];
  XXH128_hash_t key, sum;
  uint64_t length;
} Header;

static const char magic[8] = "hnncobj1";
enum { MAX_OBJECT = 1 << 28 };

static void file_name(char *buf, size_t size, const char *dir, XXH128_hash_t h) {
  snprintf(buf, size, "%s/%016llx%016llx.o", dir, (unsigned long long)h.high64, (unsigned long long)h.low64);
}

static void make_dirs(const char *dir) {
  char path[4096];
  snprintf(path, sizeof path, "%s", dir);
  for (char *p = path + 1; *p; p++)
    if (*p == '/') *p = 0, (void)mkdir(path, 0777), *p = '/';
  (void)mkdir(path, 0777);
}

static bool read_all(int fd, void *p, size_t n) {
  for (size_t done = 0; done < n;) {
    ssize_t k = read(fd, (char *)p + done, n - done);
    if (k < 0 && errno == EINTR) continue;
    if (k <= 0) return false;
    done += (size_t)k;
  }
  return true;
}

static bool write_all(int fd, const void *p, size_t n) {
  for (size_t done = 0; done < n;) {
    ssize_t k = write(fd, (const char *)p + done, n - done);
    if (k < 0 && errno == EINTR) continue;
    if (k <= 0) return false;
    done += (size_t)k;
  }
  return true;
}

CgObject cg_cache_get(const char *dir, const char *key, size_t keylen) {
  char path[4096];
  Header h;
  CgObject out = {0};
  XXH128_hash_t hash = XXH3_128bits(key, keylen);
  file_name(path, sizeof path, dir, hash);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return out;
  if (read_all(fd, &h, sizeof h) && !memcmp(h.magic, magic, sizeof magic) && XXH128_isEqual(h.key, hash) && h.length &&
      h.length < MAX_OBJECT) {
    char *p = base_realloc(NULL, h.length);
    char more;
    if (read_all(fd, p, h.length) && read(fd, &more, 1) == 0 && XXH128_isEqual(XXH3_128bits(p, h.length), h.sum))
      out = (CgObject){p, h.length};
    else free(p);
  }
  close(fd);
  return out;
}

void cg_cache_put(const char *dir, const char *key, size_t keylen, const CgObject *object) {
  char path[4096], part[4200];
  XXH128_hash_t hash = XXH3_128bits(key, keylen);
  Header h = {.key = hash, .sum = XXH3_128bits(object->p, object->n), .length = object->n};
  memcpy(h.magic, magic, sizeof magic);
  make_dirs(dir);
  file_name(path, sizeof path, dir, hash);
  snprintf(part, sizeof part, "%s.XXXXXX", path);
  int fd = mkstemp(part);
  if (fd < 0) return;
  bool ok = write_all(fd, &h, sizeof h) && write_all(fd, object->p, object->n);
  ok &= fchmod(fd, 0644) == 0;
  ok &= close(fd) == 0;
  if (!ok || rename(part, path) != 0) (void)unlink(part);
}
