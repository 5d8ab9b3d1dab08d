/* HDF5 files: each dataset of any group is a column whose name is its path without the first slash, first axis = samples, as in an
 * .npz. Only types and shapes are looked at until values are asked for. A damaged file may crash libhdf5 or keep it busy for ever:
 * whatever calls it runs apart. */
#include "runtime/data/apart_priv.h"
#include "runtime/data/hdf5_load_priv.h"
#include "runtime/data/table_priv.h"

#include <stdlib.h>
#include <string.h>

enum { DEEP = 24, MOST_LINKS = 1 << 16, NAME = 1024 }; /* hard links may go in circles */
/* Of the processor for any file, and a second more for so many numbers; bytes that libhdf5 takes for itself. What a damaged file
 * announces may be anything. */
enum { SECONDS = 60, NUMBERS = 1000000, MEMORY = 256 << 20 };

/* A dataset; `fault` is not empty: why its values cannot be read. */
typedef struct Found {
  char name[NAME];
  RtColumn k;
  RtError fault;
} Found;

/* Shared: what a file holds, or why that cannot be told. */
typedef struct Look {
  RtHdf5 h;
  const char *path;
  int n, seen;
  bool ok;
  RtError err;
  Found found[MOST_LINKS];
} Look;

/* Shared: the numbers of one dataset as libhdf5 gives them, or why it does not. */
typedef struct Reading {
  RtHdf5 h;
  const char *path;
  const RtColumn *k;
  Npy a;
  bool ok;
  RtError why;
  int64_t raw[];
} Reading;

static int innermost(unsigned n, const RtHdf5Fault *fault, void *out) {
  if (n == 0 && fault->text) snprintf(out, sizeof(RtError), "%.200s", fault->text);
  return n == 0;
}

/* What the library says of its last fault. */
static const char *reason(const RtHdf5 *h, RtError *text) {
  *text = (RtError){"the data are damaged or truncated"};
  h->Ewalk2(0, 0, innermost, text->text);
  return text->text;
}

/* ---- types and shapes ----------------------------------------------------------------------------------------- */

/* As an array in memory: 'f', 'i' or 'u' of 8 bytes; 'S' is text. */
static bool element_type(const RtHdf5 *h, RtHid set, Npy *a, RtError *why) {
  const RtHid type = h->Dget_type(set);
  const int class = type < 0 ? -1 : h->Tget_class(type);
  const bool whole = class == H5_INTEGER || class == H5_ENUM; /* NumPy's truth values are enumerations */
  RtHid base = class == H5_ENUM ? h->Tget_super(type) : type;
  a->size = 8;
  a->kind = class == H5_FLOAT ? 'f' : whole && h->Tget_sign(base) == 0 ? 'u' : whole ? 'i' : class == H5_STRING ? 'S' : 0;
  if (base != type && base >= 0) h->Tclose(base);
  if (type >= 0) h->Tclose(type);
  if (class == H5_COMPOUND)
    return rt_fail(why, "it contains records (or complex numbers); save each field as a dataset of its own");
  if (class == H5_VLEN || class == H5_ARRAY) return rt_fail(why, "its elements are arrays; save it as one array with more axes");
  return a->kind || rt_fail(why, "its elements are not numbers of a supported type; save it as float64");
}

static bool shape(const RtHdf5 *h, RtHid set, Npy *a, RtError *why) {
  const RtHid space = h->Dget_space(set);
  unsigned long long dim[32];
  const bool empty = space >= 0 && h->Sget_simple_extent_type(space) == H5_NOWHERE;
  a->rank = space < 0 ? -1 : h->Sget_simple_extent_ndims(space);
  if (a->rank > 0 && a->rank <= 32 && h->Sget_simple_extent_dims(space, dim, NULL) < 0) a->rank = -1;
  if (space >= 0) h->Sclose(space);
  if (a->rank < 0) return rt_fail(why, "its shape cannot be read");
  if (empty) return rt_fail(why, "it is empty");
  if (a->rank > HNN_MAX_RANK + 1) return rt_fail(why, "%d axes are too many", a->rank);
  for (int d = 0; d < a->rank; d++) {
    if (dim[d] > UINT32_MAX) return rt_fail(why, "its axis %d is too long", d);
    a->dim[d] = (uint32_t)dim[d];
  }
  if (!rt_elems(a->rank, a->dim, &a->count)) return rt_fail(why, "it is too large");
  return a->count || rt_fail(why, "it is empty, an axis has length 0");
}

static bool describe(const RtHdf5 *h, RtHid set, Npy *a, RtColumn *k, RtError *why) {
  *a = (Npy){0};
  if (!element_type(h, set, a, why)) return false;
  k->number = a->kind != 'S';
  if (!k->number) return rt_fail(why, "it contains text");
  if (!shape(h, set, a, why)) return false;
  k->rows = a->rank ? (int64_t)a->dim[0] : RT_EVERY_ROW;
  k->rank = a->rank ? a->rank - 1 : 0;
  for (int d = 0; d < k->rank; d++) k->dim[d] = a->dim[1 + d];
  return true;
}

/* ---- what there is ---------------------------------------------------------------------------------------------- */

static void add(Look *l, RtHid set, const char *name) {
  Npy a;
  Found *f = &l->found[l->n++];
  snprintf(f->name, sizeof f->name, "%s", name);
  f->k.number = true;
  if (describe(&l->h, set, &a, &f->k, &f->fault)) f->fault.text[0] = 0;
}

static bool group(Look *l, RtHid at, const char *path, int depth);

/* A link by a path, which may lead nowhere, to another file, or back up. */
static bool is_soft(const Look *l, RtHid at, const char *name) {
  char text[8];
  return l->h.Lget_val(at, name, text, sizeof text, 0) >= 0;
}

/* Links that lead nowhere are passed over, and groups behind soft ones, which are found at their own place. */
static bool object(Look *l, RtHid at, const char *name, const char *path, int depth) {
  const RtHid o = l->h.Oopen(at, name, 0);
  if (o < 0) return true;
  const int kind = l->h.Iget_type(o);
  if (kind == H5_DATASET) add(l, o, path);
  const bool ok = kind != H5_GROUP || depth == DEEP || is_soft(l, at, name) || group(l, o, path, depth + 1);
  l->h.Oclose(o);
  return ok;
}

static bool group(Look *l, RtHid at, const char *path, int depth) {
  RtHdf5Group info = {0};
  RtError *err = &l->err;
  char name[NAME], full[NAME];
  bool ok = l->h.Gget_info(at, &info) >= 0 || rt_fail(err, "%s: a group cannot be read; copy or save it again", l->path);
  for (unsigned long long i = 0; ok && i < info.nlinks; i++) {
    if (++l->seen > MOST_LINKS) return rt_fail(err, "%s: it has more than %d datasets and groups", l->path, MOST_LINKS);
    const ssize_t n = l->h.Lget_name_by_idx(at, ".", 0, 0, i, name, sizeof name, 0);
    if (n < 0) return rt_fail(err, "%s: a group cannot be read; copy or save it again", l->path);
    const int need = snprintf(full, sizeof full, "%s%s%s", path, *path ? "/" : "", name);
    if (n < NAME && need < NAME) ok = object(l, at, name, full, depth);
  }
  return ok;
}

static bool open_file(const RtHdf5 *h, const char *path, RtHid *file, RtError *err) {
  RtError why;
  *file = h->Fopen(path, 0, 0);
  return *file >= 0 || rt_fail(err, "%s: not a valid HDF5 file (%.200s); copy or save it again", path, reason(h, &why));
}

static void look(void *shared) {
  Look *l = shared;
  RtHid file;
  if (!open_file(&l->h, l->path, &file, &l->err)) return;
  const RtHid root = l->h.Oopen(file, "/", 0);
  l->ok = root >= 0 ? group(l, root, "", 0) : rt_fail(&l->err, "%s: not a valid HDF5 file; copy or save it again", l->path);
}

static bool no_memory(const char *path, RtError *err) { return rt_fail(err, "%s: not enough memory", path); }

static bool columns(const Look *l, RtTable *t, RtError *err) {
  t->column = calloc((size_t)l->n + 1, sizeof *t->column);
  for (int i = 0; t->column && i < l->n; i++) {
    const Found *f = &l->found[i];
    RtColumn *k = &t->column[i];
    *k = f->k;
    k->name = strdup(f->name);
    k->fault = *f->fault.text ? strdup(f->fault.text) : NULL;
    if (k->name) t->ncolumn++;
    if (!k->name || (*f->fault.text && !k->fault)) return no_memory(l->path, err);
  }
  return t->column || no_memory(l->path, err);
}

/* libhdf5, and the file is there: this is said better than libhdf5 does. */
static bool library(RtHdf5 *h, const char *path, RtError *err) {
  RtError why;
  FILE *f = fopen(path, "rb");
  if (!f) return rt_fail_errno(err, "open", path);
  fclose(f);
  return rt_hdf5(h, &why) || rt_fail(err, "%s: %s", path, why.text);
}

bool rt_hdf5_open(const char *path, RtTable *t, RtError *err) {
  RtHdf5 h;
  RtError why;
  if (!library(&h, path, err)) return false;
  Look *l = rt_shared(sizeof *l);
  if (!l) return no_memory(path, err);
  l->h = h, l->path = path;
  bool ok = rt_apart(look, l, SECONDS, MEMORY, &why) ||
            rt_fail(err, "%.200s: not a valid HDF5 file (in libhdf5 %s); copy or save it again", path, why.text);
  if (ok && !l->ok) ok = rt_fail(err, "%s", l->err.text);
  ok = ok && columns(l, t, err);
  rt_shared_free(l, sizeof *l);
  t->tree = true;
  return ok && (t->ncolumn || rt_fail(err, "%s: the file has no datasets", path));
}

/* ---- values ------------------------------------------------------------------------------------------------------- */

static bool same_shape(const RtColumn *a, const RtColumn *b) {
  return a->rows == b->rows && a->rank == b->rank && !memcmp(a->dim, b->dim, sizeof a->dim);
}

static void read_values(void *shared) {
  Reading *r = shared;
  const RtHdf5 *h = &r->h;
  RtHid file;
  RtColumn now = {0};
  RtError text;
  if (!open_file(h, r->path, &file, &r->why)) return;
  const RtHid set = h->Oopen(file, r->k->name, 0);
  r->ok = set >= 0 && h->Iget_type(set) == H5_DATASET && describe(h, set, &r->a, &now, &r->why) && same_shape(&now, r->k);
  if (!r->ok) rt_fail(&r->why, "it is being changed");
  const RtHid memory = r->a.kind == 'f' ? h->f64 : r->a.kind == 'u' ? h->u64 : h->i64;
  r->ok =
      r->ok && (h->Dread(set, memory, 0, 0, 0, r->raw) >= 0 || rt_fail(&r->why, "it cannot be read (%.200s)", reason(h, &text)));
}

static bool dataset(const RtHdf5 *h, const char *path, bool gaps, RtColumn *k, RtError *why) {
  int64_t count;
  RtError ended;
  if (!rt_elems(k->rank, k->dim, &count)) return rt_fail(why, "it is too large");
  if (k->rows > 0) count *= k->rows;
  const size_t bytes = sizeof(Reading) + (size_t)count * sizeof(int64_t);
  Reading *r = rt_shared(bytes);
  if (!r) return rt_fail(why, "not enough memory");
  r->h = *h, r->path = path, r->k = k;
  bool ok = rt_apart(read_values, r, SECONDS + (unsigned)(count / NUMBERS), MEMORY + 2 * bytes, &ended) ||
            rt_fail(why, "it cannot be read (in libhdf5 %s)", ended.text);
  if (ok && !r->ok) ok = rt_fail(why, "%s", r->why.text);
  r->a.data = (const unsigned char *)r->raw;
  if (ok) ok = (k->v = malloc((size_t)count * sizeof *k->v)) || rt_fail(why, "not enough memory");
  ok = ok && npy_values(&r->a, -1, 0, 0, k->v, gaps ? &k->gap : NULL, why);
  if (!ok) free(k->v), k->v = NULL;
  rt_shared_free(r, bytes);
  return ok;
}

bool rt_hdf5_values(RtTable *t, const int *column, int n, RtError *err) {
  RtHdf5 h;
  RtError why;
  if (!library(&h, t->path, err)) return false;
  bool ok = true;
  for (int i = 0; ok && i < n; i++) {
    RtColumn *k = &t->column[column[i]];
    if (k->v || k->fault) continue;
    ok = dataset(&h, t->path, t->gaps, k, &why) || rt_fail(err, "%.200s: dataset `%.80s`: %s", t->path, k->name, why.text);
  }
  return ok;
}
