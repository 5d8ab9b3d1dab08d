/* Compiled objects as files, named by a hash of everything that they depend on.
 * A file: magic, hash of the key, length and hash of the object, the object. Anything that does not
 * check is as good as absent; writing is by rename, and failing to write is nothing to speak of.
 *
 * What is loaded is run. So a file counts only if it is a regular one, this user's (or root's), and nobody else can
 * write to it. A hash keeps damage away, not malice.
 *
 * The time of a file's last change is that of its last use, to the hour: the oldest go first when there are too many bytes. */
#include "codegen/object/cache.h"
#include "ir/ir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <xxhash.h>

typedef struct Header {
  char magic[8];
  XXH128_hash_t key, sum;
  uint64_t length;
} Header;

static const char magic[8] = "hnncobj1";
enum { MAX_OBJECT = 1 << 28, USED_SECONDS = 3600 };

static void file_name(char *buf, size_t size, const char *dir, XXH128_hash_t h) {
  snprintf(buf, size, "%s/%016llx%016llx.o", dir, (unsigned long long)h.high64, (unsigned long long)h.low64);
}

static void make_dirs(const char *dir) {
  char path[4096];
  snprintf(path, sizeof path, "%s", dir);
  for (char *p = path + 1; *p; p++)
    if (*p == '/') *p = 0, (void)mkdir(path, 0700), *p = '/';
  (void)mkdir(path, 0700);
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

/* Nobody but this user, or root, can have written it. */
static bool trusted(const struct stat *st) {
  return S_ISREG(st->st_mode) && (st->st_uid == geteuid() || st->st_uid == 0) && !(st->st_mode & (S_IWGRP | S_IWOTH));
}

/* The object in an open file; `key` NULL: whatever it is of. */
static CgObject read_object(int fd, const XXH128_hash_t *key) {
  Header h;
  CgObject out = {0};
  char more;
  if (!read_all(fd, &h, sizeof h) || memcmp(h.magic, magic, sizeof magic) || (key && !XXH128_isEqual(h.key, *key)) || !h.length ||
      h.length >= MAX_OBJECT)
    return out;
  char *p = base_realloc(NULL, h.length);
  if (read_all(fd, p, h.length) && read(fd, &more, 1) == 0 && XXH128_isEqual(XXH3_128bits(p, h.length), h.sum))
    out = (CgObject){p, h.length};
  else base_free(p);
  return out;
}

static void used_now(int fd, const struct stat *st) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (now.tv_sec - st->st_mtim.tv_sec > USED_SECONDS) (void)futimens(fd, NULL);
}

CgObject cg_cache_get(const char *dir, const char *key, size_t keylen, void (*refused)(const char *path)) {
  char path[4096];
  struct stat st;
  CgObject out = {0};
  XXH128_hash_t hash = XXH3_128bits(key, keylen);
  file_name(path, sizeof path, dir, hash);
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
  if (fd < 0) {
    if (errno == ELOOP && refused) refused(path);
    return out;
  }
  if (fstat(fd, &st) == 0 && trusted(&st)) {
    out = read_object(fd, &hash);
    if (out.p) used_now(fd, &st);
  } else if (refused) refused(path);
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
  ok &= close(fd) == 0;
  if (!ok || rename(part, path) != 0) (void)unlink(part);
}

/* ---- all of it ------------------------------------------------------------------------------------------------- */

typedef struct Entry {
  char name[64];
  struct timespec used;
  int64_t bytes;
} Entry;
typedef VEC(Entry) Entries;

/* HASH.o, or HASH.o.XXXXXX of a write that was cut off; names that others gave are not ours to touch. */
static bool is_object(const char *name, bool *part) {
  const size_t n = strspn(name, "0123456789abcdef");
  *part = n == 32 && !strncmp(name + n, ".o.", 3) && strlen(name) == 41;
  return *part || (n == 32 && !strcmp(name + n, ".o"));
}

/* Checks one file; false: it was removed. */
static bool sound(int dir, const Entry *e) {
  struct stat st;
  int fd = openat(dir, e->name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
  bool ok = fd >= 0 && fstat(fd, &st) == 0 && trusted(&st);
  if (ok) {
    CgObject o = read_object(fd, NULL);
    ok = o.p != NULL;
    base_free(o.p);
  }
  if (fd >= 0) close(fd);
  if (!ok) (void)unlinkat(dir, e->name, 0);
  return ok;
}

static int later_first(const void *a, const void *b) {
  const struct timespec x = ((const Entry *)a)->used, y = ((const Entry *)b)->used;
  return x.tv_sec != y.tv_sec ? (x.tv_sec < y.tv_sec) - (x.tv_sec > y.tv_sec) : (x.tv_nsec < y.tv_nsec) - (x.tv_nsec > y.tv_nsec);
}

/* The objects of a directory; of files that a killed process left, those of an hour ago are removed. */
static Entries list(int dir, DIR *d) {
  Entries all = {0};
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  for (struct dirent *e; (e = readdir(d));) {
    struct stat st;
    bool part;
    if (!is_object(e->d_name, &part) || fstatat(dir, e->d_name, &st, AT_SYMLINK_NOFOLLOW)) continue;
    if (part) {
      if (now.tv_sec - st.st_mtim.tv_sec > USED_SECONDS) (void)unlinkat(dir, e->d_name, 0);
      continue;
    }
    Entry x = {.used = st.st_mtim, .bytes = st.st_size};
    snprintf(x.name, sizeof x.name, "%s", e->d_name);
    *vec_push(&all) = x;
  }
  return all;
}

bool cg_cache_tidy(const char *dir, int64_t most, bool verify, CgCacheCount *out) {
  *out = (CgCacheCount){0};
  DIR *d = opendir(dir);
  if (!d) return errno == ENOENT;
  Entries all = list(dirfd(d), d);
  if (all.n) qsort(all.at, all.n, sizeof *all.at, later_first);
  for (uint32_t k = 0; k < all.n; k++) {
    const Entry *e = &all.at[k];
    if (verify && !sound(dirfd(d), e)) {
      out->damaged++;
    } else if (most >= 0 && out->bytes + e->bytes > most) {
      if (unlinkat(dirfd(d), e->name, 0) == 0) out->removed++, out->freed += e->bytes;
    } else {
      out->files++, out->bytes += e->bytes;
    }
  }
  vec_free(&all);
  closedir(d);
  return true;
}
