/* .npz: a zip archive of .npy files (numpy.savez, stored; numpy.savez_compressed, deflated). */
#include "runtime/table.h"
#include "runtime/zip_load.h"

#include <stdlib.h>
#include <string.h>

static const RtZip *zip;     /* once an archive was asked for */

static bool zip_failed(RtError *err, const char *path, const char *doing, const char *why) {
  return rt_fail(err, "%s: cannot %s the archive (%s); save it again with numpy.savez", path, doing, why);
}

static bool open_library(const char *path, const char *doing, RtError *err) {
  const char *why = "";
  zip = rt_zip(&why);
  return zip || rt_fail(err, "%s: cannot %s the archive: %s", path, doing, why);
}

/* A member in memory, its checksum verified by libzip at the end of the read. */
static unsigned char *member(zip_t *z, zip_uint64_t i, const char *what, size_t *size, RtError *err) {
  zip_stat_t st;
  zip_file_t *f = NULL;
  unsigned char *p = NULL;
  bool ok = zip->stat_index(z, i, 0, &st) == 0 && (st.valid & ZIP_STAT_SIZE) && (f = zip->fopen_index(z, i, 0)) != NULL;
  const char *why = ok ? "not enough memory" : zip->strerror(z);
  ok = ok && st.size < (zip_uint64_t)1 << 40 && (p = malloc((size_t)st.size + 1)) != NULL;
  if (ok) {
    why = "the data are damaged or cut off";
    const zip_int64_t got = zip->fread(f, p, st.size);
    char more;
    ok = got >= 0 && (zip_uint64_t)got == st.size && zip->fread(f, &more, 1) == 0;      /* 0: the end, checksum good */
    *size = (size_t)st.size;
  }
  if (!ok) {
    rt_fail(err, "%s: cannot be read (%s); save it again with numpy.savez", what, why);
    free(p);
    p = NULL;
  }
  if (f) zip->fclose(f);
  return p;
}

/* Column c of the table from an array's image: rows along the first axis. */
static bool column(RtTable *t, const char *name, size_t len, const Npy *a, bool info_only, RtError *err) {
  RtColumn *k = &t->column[t->ncolumn];
  *k = (RtColumn){.name = strndup(name, len), .number = a->rank >= 1 && a->rank <= 7 && a->count > 0};
  if (!k->name) return rt_fail(err, "%s: not enough memory", a->what);
  t->ncolumn++;
  if (!k->number) return true;                 /* scalars and empty arrays are no columns */
  k->rows = a->dim[0];
  k->rank = a->rank - 1;
  for (int d = 0; d < k->rank; d++) k->dim[d] = a->dim[1 + d];
  if (!t->rows) t->rows = k->rows;
  if (info_only) return true;
  k->v = malloc((size_t)a->count * sizeof *k->v);
  return k->v ? npy_values(a, -1, k->v, err) : rt_fail(err, "%s: not enough memory", a->what);
}

static bool read_member(zip_t *z, zip_uint64_t i, const char *path, bool info_only, RtTable *t, RtError *err) {
  const char *name = zip->get_name(z, i, 0);
  const size_t len = name ? strlen(name) : 0;
  if (len < 5 || strcmp(name + len - 4, ".npy")) return true;
  char what[300];
  snprintf(what, sizeof what, "%.200s: array `%.*s`", path, len - 4 > 80 ? 80 : (int)(len - 4), name);
  size_t size;
  unsigned char *image = member(z, i, what, &size, err);
  Npy a;
  const bool ok = image && npy_parse(&a, what, image, size, err) && column(t, name, len - 4, &a, info_only, err);
  free(image);
  return ok;
}

bool rt_npz_read(const char *path, bool info_only, RtTable *out, RtError *err) {
  int code;
  FILE *f = fopen(path, "rb");                 /* says "no such file" better than libzip */
  if (!f) return rt_fail_errno(err, "open", path);
  fclose(f);
  if (!open_library(path, "open", err)) return false;
  zip_t *z = zip->open(path, ZIP_RDONLY | ZIP_CHECKCONS, &code);
  if (!z) {
    zip_error_t e;
    zip->error_init_with_code(&e, code);
    zip_failed(err, path, "open", zip->error_strerror(&e));
    zip->error_fini(&e);
    return false;
  }
  const zip_int64_t n = zip->get_num_entries(z, 0);
  out->column = calloc((size_t)n + 1, sizeof *out->column);
  bool ok = out->column || rt_fail(err, "%s: not enough memory", path);
  for (zip_int64_t i = 0; ok && i < n; i++) ok = read_member(z, (zip_uint64_t)i, path, info_only, out, err);
  if (ok && !out->rows) ok = rt_fail(err, "%s: the archive holds no arrays with rows", path);
  zip->discard(z);
  return ok;
}

static bool add_array(zip_t *z, const RtArray *a, RtError *err) {
  size_t size;
  char name[256];
  snprintf(name, sizeof name, "%.240s.npy", a->name);
  unsigned char *image = npy_image(a, &size);
  if (!image) return rt_fail(err, "not enough memory");
  zip_source_t *s = zip->source_buffer(z, image, size, 1);
  if (!s) free(image);
  if (s && zip->file_add(z, name, s, ZIP_FL_ENC_UTF_8) >= 0) return true;
  if (s) zip->source_free(s);
  return rt_fail(err, "%s: %s", name, zip->strerror(z));
}

/* The archive is made in memory and written like every other file. */
bool rt_npz_write(const char *path, const RtArray *a, int n, RtError *err) {
  zip_error_t e;
  if (!open_library(path, "make", err)) return false;
  zip->error_init(&e);
  zip_source_t *mem = zip->source_buffer_create(NULL, 0, 0, &e);
  zip_t *z = mem ? zip->open_from_source(mem, ZIP_TRUNCATE, &e) : NULL;
  if (!z) {
    if (mem) zip->source_free(mem);
    return zip_failed(err, path, "make", zip->error_strerror(&e));
  }
  zip->source_keep(mem);
  bool ok = true;
  for (int i = 0; ok && i < n; i++) ok = add_array(z, &a[i], err);
  if (ok && zip->close(z) != 0) ok = zip_failed(err, path, "make", zip->strerror(z));
  else if (ok) z = NULL;
  if (z) zip->discard(z);
  zip_stat_t st;
  char *image = NULL;
  if (ok) {
    ok = zip->source_stat(mem, &st) == 0 && (image = malloc((size_t)st.size + 1)) != NULL && zip->source_open(mem) == 0
      && zip->source_read(mem, image, st.size) == (zip_int64_t)st.size && zip->source_close(mem) == 0;
    if (!ok) zip_failed(err, path, "make", "not enough memory");
  }
  ok = ok && rt_file_write(path, image, (size_t)st.size, err);
  zip->source_free(mem);
  free(image);
  return ok;
}
