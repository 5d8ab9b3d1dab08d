/* .npz: a zip archive of .npy files (numpy.savez, stored; numpy.savez_compressed, deflated). Members of other names are no
 * arrays; of arrays the beginning is looked at, and no more until their values are asked for. */
#include "runtime/data/table_priv.h"
#include "runtime/data/zip_load_priv.h"

#include <stdlib.h>
#include <string.h>

/* An archive and the library that reads it. */
typedef struct Archive {
  RtZip zip;
  zip_t *z;
} Archive;

static bool zip_failed(RtError *err, const char *path, const char *doing, const char *why) {
  return rt_fail(err, "%s: cannot %s the archive (%s); save it again with numpy.savez", path, doing, why);
}

static bool open_library(RtZip *zip, const char *path, const char *doing, RtError *err) {
  const char *why = "";
  return rt_zip(zip, &why) || rt_fail(err, "%s: cannot %s the archive: %s", path, doing, why);
}

typedef struct Bytes {
  unsigned char *at;
  size_t n, room;
} Bytes;

/* Reads on up to `most` bytes. Room grows with what comes, not with what is announced. */
static bool read_on(const RtZip *zip, zip_file_t *f, Bytes *b, uint64_t most, RtError *why) {
  while (b->n < most) {
    if (b->n == b->room) {
      const size_t room = b->room ? 2 * b->room : NPY_HEAD;
      unsigned char *more = realloc(b->at, room);
      if (!more) return rt_fail(why, "not enough memory");
      b->at = more, b->room = room;
    }
    const uint64_t room = b->room - b->n, want = most - b->n < room ? most - b->n : room;
    const zip_int64_t got = zip->fread(f, b->at + b->n, want);
    if (got <= 0) return rt_fail(why, "cannot be read (the data are damaged or truncated); save it again with numpy.savez");
    b->n += (size_t)got;
  }
  return true;
}

/* The beginning of a member, or all of it, its checksum then verified by libzip at the end of the read. */
static bool member(const Archive *ar, int64_t i, bool all, Bytes *b, uint64_t *total, RtError *why) {
  const RtZip *zip = &ar->zip;
  zip_t *z = ar->z;
  zip_stat_t st;
  zip_file_t *f = NULL;
  const bool open = zip->stat_index(z, (zip_uint64_t)i, 0, &st) == 0 && (st.valid & ZIP_STAT_SIZE) &&
                    st.size < (zip_uint64_t)1 << 40 && (f = zip->fopen_index(z, (zip_uint64_t)i, 0)) != NULL;
  if (!open) return rt_fail(why, "cannot be read (%s); save it again with numpy.savez", zip->strerror(z));
  char more;
  *total = st.size;
  bool ok = read_on(zip, f, b, all || st.size < NPY_HEAD ? st.size : NPY_HEAD, why);
  if (ok && b->n == st.size && zip->fread(f, &more, 1) != 0) /* 0: the end, checksum good */
    ok = rt_fail(why, "cannot be read (the data are damaged or truncated); save it again with numpy.savez");
  zip->fclose(f);
  return ok;
}

/* A member as an array. */
static bool array_of(const Archive *ar, int64_t i, bool all, Bytes *b, Npy *a, RtError *why) {
  uint64_t total = 0;
  b->n = 0;
  return member(ar, i, all, b, &total, why) && npy_parse(a, b->at, b->n, total, why);
}

/* Type and shape of a column; false: why not. */
static bool describe(const Npy *a, bool whole, RtColumn *k, RtError *why) {
  k->number = a->kind != 'U' && a->kind != 'S';
  if (!k->number) return rt_fail(why, "it contains text");
  if (a->rank > HNN_MAX_RANK + 1) return rt_fail(why, "%d axes are too many", a->rank);
  k->rows = a->rank ? (int64_t)a->dim[0] : RT_EVERY_ROW;
  k->rank = a->rank ? a->rank - 1 : 0;
  for (int d = 0; d < k->rank; d++) k->dim[d] = a->dim[1 + d];
  return a->count || whole || rt_fail(why, "it is empty, an axis has length 0");
}

static bool add_member(const Archive *ar, zip_int64_t i, Bytes *b, RtTable *t) {
  const char *name = ar->zip.get_name(ar->z, (zip_uint64_t)i, 0);
  const size_t len = name ? strlen(name) : 0;
  if (len < 5 || strcmp(name + len - 4, ".npy")) return true;
  Npy a;
  RtError why;
  RtColumn *k = &t->column[t->ncolumn];
  *k = (RtColumn){.name = strndup(name, len - 4), .number = true, .member = i};
  if (!k->name) return false;
  t->ncolumn++;
  if (array_of(ar, i, false, b, &a, &why) && describe(&a, t->whole, k, &why)) return true;
  k->fault = strdup(why.text);
  return k->fault != NULL;
}

static bool open_archive(Archive *ar, const char *path, RtError *err) {
  int code;
  FILE *f = fopen(path, "rb"); /* says "no such file" better than libzip */
  if (!f) return rt_fail_errno(err, "open", path);
  fclose(f);
  const RtZip *zip = &ar->zip;
  if (!open_library(&ar->zip, path, "open", err)) return false;
  ar->z = zip->open(path, ZIP_RDONLY | ZIP_CHECKCONS, &code);
  if (ar->z) return true;
  zip_error_t e;
  zip->error_init_with_code(&e, code);
  zip_failed(err, path, "open", code == ZIP_ER_EXISTS ? "two arrays have the same name" : zip->error_strerror(&e));
  zip->error_fini(&e);
  return false;
}

bool rt_npz_open(const char *path, RtTable *t, RtError *err) {
  Archive ar;
  if (!open_archive(&ar, path, err)) return false;
  Bytes b = {0};
  const zip_int64_t n = ar.zip.get_num_entries(ar.z, 0);
  t->column = calloc((size_t)n + 1, sizeof *t->column);
  bool ok = t->column != NULL;
  for (zip_int64_t i = 0; ok && i < n; i++) ok = add_member(&ar, i, &b, t);
  free(b.at);
  ar.zip.discard(ar.z);
  if (!ok) return rt_fail(err, "%s: not enough memory", path);
  return t->ncolumn || rt_fail(err, "%s: the archive contains no arrays (members NAME.npy)", path);
}

static bool member_values(const Archive *ar, RtColumn *k, const RtTable *t, Bytes *b, RtError *why) {
  Npy a;
  RtColumn now = {0};
  if (!array_of(ar, k->member, true, b, &a, why) || !describe(&a, t->whole, &now, why)) return false;
  if (now.rows != k->rows || now.rank != k->rank || memcmp(now.dim, k->dim, sizeof now.dim))
    return rt_fail(why, "it is being changed");
  a.any = t->whole;
  k->v = malloc(((size_t)a.count + 1) * sizeof *k->v);
  return k->v ? npy_values(&a, -1, 0, 0, k->v, t->gaps ? &k->gap : NULL, why) : rt_fail(why, "not enough memory");
}

bool rt_npz_values(RtTable *t, const int *column, int n, RtError *err) {
  Archive ar;
  if (!open_archive(&ar, t->path, err)) return false;
  Bytes b = {0};
  RtError why;
  bool ok = true;
  for (int i = 0; ok && i < n; i++) {
    RtColumn *k = &t->column[column[i]];
    if (k->v || k->fault) continue;
    ok = member_values(&ar, k, t, &b, &why);
    if (!ok) rt_fail(err, "%.200s: array `%.80s`: %s", t->path, k->name, why.text);
  }
  free(b.at);
  ar.zip.discard(ar.z);
  return ok;
}

/* 1980-01-01, the first day of zip: no time of the run, so that equal arrays make equal bytes. */
enum { FIRST_DAY = 0 << 9 | 1 << 5 | 1 };

static bool add_array(const Archive *ar, const RtArray *a, RtError *err) {
  const RtZip *zip = &ar->zip;
  size_t size;
  char *name;
  if (asprintf(&name, "%s.npy", a->name) < 0) return rt_fail(err, "not enough memory");
  unsigned char *image = npy_image(a, &size);
  if (!image) return free(name), rt_fail(err, "not enough memory");
  zip_source_t *s = zip->source_buffer(ar->z, image, size, 1);
  if (!s) free(image);
  const zip_int64_t i = s ? zip->file_add(ar->z, name, s, ZIP_FL_ENC_UTF_8) : -1;
  if (s && i < 0) zip->source_free(s);
  const bool ok = i >= 0 && zip->file_set_dostime(ar->z, (zip_uint64_t)i, 0, FIRST_DAY, 0) == 0;
  if (!ok) rt_fail(err, "%.200s: %s", name, zip->strerror(ar->z));
  free(name);
  return ok;
}

/* The archive is made in memory and written like every other file. */
bool rt_npz_write(const char *path, const RtArray *a, int n, RtError *err) {
  zip_error_t e;
  Archive ar;
  const RtZip *zip = &ar.zip;
  if (!open_library(&ar.zip, path, "make", err)) return false;
  zip->error_init(&e);
  zip_source_t *mem = zip->source_buffer_create(NULL, 0, 0, &e);
  ar.z = mem ? zip->open_from_source(mem, ZIP_TRUNCATE, &e) : NULL;
  if (!ar.z) {
    if (mem) zip->source_free(mem);
    return zip_failed(err, path, "make", zip->error_strerror(&e));
  }
  zip->source_keep(mem);
  bool ok = true;
  for (int i = 0; ok && i < n; i++) ok = add_array(&ar, &a[i], err);
  if (ok && zip->close(ar.z) != 0) ok = zip_failed(err, path, "make", zip->strerror(ar.z));
  else if (ok) ar.z = NULL;
  if (ar.z) zip->discard(ar.z);
  zip_stat_t st;
  char *image = NULL;
  if (ok) {
    ok = zip->source_stat(mem, &st) == 0 && (image = malloc((size_t)st.size + 1)) != NULL && zip->source_open(mem) == 0 &&
         zip->source_read(mem, image, st.size) == (zip_int64_t)st.size && zip->source_close(mem) == 0;
    if (!ok) zip_failed(err, path, "make", "not enough memory");
  }
  ok = ok && rt_file_write(path, image, (size_t)st.size, err);
  zip->source_free(mem);
  free(image);
  return ok;
}
