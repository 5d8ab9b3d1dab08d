/* HDF5 files: each dataset of any group is a column whose name is its path without the first slash, first axis = samples, as in an
 * .npz. Only types and shapes are looked at until values are asked for. */
#include "runtime/data/hdf5_load_priv.h"
#include "runtime/data/table_priv.h"

#include <stdlib.h>
#include <string.h>

enum { DEEP = 24, MOST_LINKS = 1 << 16, NAME = 1024 }; /* hard links may go in circles */

typedef struct Look {
  RtHdf5 h;
  RtTable *t;
  int room, seen;
} Look;

static int innermost(unsigned n, const RtHdf5Fault *fault, void *out) {
  if (n == 0 && fault->text) snprintf(out, sizeof(RtError), "%.200s", fault->text);
  return n == 0;
}

/* What the library says of its last fault. */
static const char *reason(const RtHdf5 *h, RtError *text) {
  *text = (RtError){"the data are damaged or cut off"};
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
  if (class == H5_COMPOUND) return rt_fail(why, "it holds records (or complex numbers); save each field as a dataset of its own");
  if (class == H5_VLEN || class == H5_ARRAY) return rt_fail(why, "its elements are arrays; save it as one array with more axes");
  return a->kind || rt_fail(why, "its elements are not numbers that can be read; save it as float64");
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
  if (a->rank > 7) return rt_fail(why, "%d axes are too many", a->rank);
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
  if (!k->number) return rt_fail(why, "it holds text");
  if (!shape(h, set, a, why)) return false;
  k->rows = a->rank ? (int64_t)a->dim[0] : RT_EVERY_ROW;
  k->rank = a->rank ? a->rank - 1 : 0;
  for (int d = 0; d < k->rank; d++) k->dim[d] = a->dim[1 + d];
  return true;
}

/* ---- what there is ---------------------------------------------------------------------------------------------- */

static bool no_memory(const Look *l, RtError *err) { return rt_fail(err, "%s: not enough memory", l->t->path); }

static bool add(Look *l, RtHid set, const char *name, RtError *err) {
  RtTable *t = l->t;
  if (t->ncolumn == l->room) {
    const int room = l->room ? 2 * l->room : 16;
    RtColumn *more = realloc(t->column, (size_t)room * sizeof *more);
    if (!more) return no_memory(l, err);
    t->column = more, l->room = room;
  }
  Npy a;
  RtError why;
  RtColumn *k = &t->column[t->ncolumn];
  *k = (RtColumn){.name = strdup(name), .number = true};
  if (!k->name) return no_memory(l, err);
  t->ncolumn++;
  if (!describe(&l->h, set, &a, k, &why) && !(k->fault = strdup(why.text))) return no_memory(l, err);
  return true;
}

static bool group(Look *l, RtHid at, const char *path, int depth, RtError *err);

/* A link by a path, which may lead nowhere, to another file, or back up. */
static bool is_soft(const Look *l, RtHid at, const char *name) {
  char text[8];
  return l->h.Lget_val(at, name, text, sizeof text, 0) >= 0;
}

/* Links that lead nowhere are passed over, and groups behind soft ones, which are found at their own place. */
static bool object(Look *l, RtHid at, const char *name, const char *path, int depth, RtError *err) {
  const RtHid o = l->h.Oopen(at, name, 0);
  if (o < 0) return true;
  const int kind = l->h.Iget_type(o);
  const bool ok = kind == H5_DATASET
                      ? add(l, o, path, err)
                      : kind != H5_GROUP || depth == DEEP || is_soft(l, at, name) || group(l, o, path, depth + 1, err);
  l->h.Oclose(o);
  return ok;
}

static bool group(Look *l, RtHid at, const char *path, int depth, RtError *err) {
  RtHdf5Group info = {0};
  char name[NAME], full[NAME];
  bool ok = l->h.Gget_info(at, &info) >= 0 || rt_fail(err, "%s: a group cannot be read; copy or save it again", l->t->path);
  for (unsigned long long i = 0; ok && i < info.nlinks; i++) {
    if (++l->seen > MOST_LINKS) return rt_fail(err, "%s: it has more than %d datasets and groups", l->t->path, MOST_LINKS);
    const ssize_t n = l->h.Lget_name_by_idx(at, ".", 0, 0, i, name, sizeof name, 0);
    if (n < 0) return rt_fail(err, "%s: a group cannot be read; copy or save it again", l->t->path);
    const int need = snprintf(full, sizeof full, "%s%s%s", path, *path ? "/" : "", name);
    if (n < NAME && need < NAME) ok = object(l, at, name, full, depth, err);
  }
  return ok;
}

static bool open_file(RtHdf5 *h, const char *path, RtHid *file, RtError *err) {
  RtError why;
  FILE *f = fopen(path, "rb"); /* says "no such file" better than libhdf5 */
  if (!f) return rt_fail_errno(err, "open", path);
  fclose(f);
  if (!rt_hdf5(h, &why)) return rt_fail(err, "%s: %s", path, why.text);
  *file = h->Fopen(path, 0, 0);
  return *file >= 0 || rt_fail(err, "%s: not a good HDF5 file (%.200s); copy or save it again", path, reason(h, &why));
}

bool rt_hdf5_open(const char *path, RtTable *t, RtError *err) {
  Look l = {.t = t};
  RtHid file;
  if (!open_file(&l.h, path, &file, err)) return false;
  t->tree = true;
  const RtHid root = l.h.Oopen(file, "/", 0);
  const bool ok = root >= 0 ? group(&l, root, "", 0, err) : rt_fail(err, "%s: not a good HDF5 file; copy or save it again", path);
  if (root >= 0) l.h.Oclose(root);
  l.h.Fclose(file);
  return ok && (t->ncolumn || rt_fail(err, "%s: the file has no datasets", path));
}

/* ---- values ------------------------------------------------------------------------------------------------------- */

static bool read_values(const RtHdf5 *h, RtHid set, const Npy *a, bool gaps, RtColumn *k, RtError *why) {
  const RtHid memory = a->kind == 'f' ? h->f64 : a->kind == 'u' ? h->u64 : h->i64;
  RtError text;
  void *raw = malloc((size_t)a->count * 8);
  k->v = raw ? malloc((size_t)a->count * sizeof *k->v) : NULL;
  bool ok = k->v || rt_fail(why, "not enough memory");
  ok = ok && (h->Dread(set, memory, 0, 0, 0, raw) >= 0 || rt_fail(why, "it cannot be read (%.200s)", reason(h, &text)));
  Npy at = *a;
  at.data = raw;
  ok = ok && npy_values(&at, -1, k->v, gaps ? &k->gap : NULL, why);
  free(raw);
  return ok;
}

static bool dataset(const RtHdf5 *h, RtHid file, bool gaps, RtColumn *k, RtError *why) {
  Npy a;
  RtColumn now = {0};
  const RtHid set = h->Oopen(file, k->name, 0);
  bool ok = set >= 0 && h->Iget_type(set) == H5_DATASET && describe(h, set, &a, &now, why) && now.rows == k->rows &&
            now.rank == k->rank && !memcmp(now.dim, k->dim, sizeof now.dim);
  ok = ok ? read_values(h, set, &a, gaps, k, why) : rt_fail(why, "it is being changed");
  if (set >= 0) h->Oclose(set);
  return ok;
}

bool rt_hdf5_values(RtTable *t, const int *column, int n, RtError *err) {
  RtHdf5 h;
  RtHid file;
  RtError why;
  if (!open_file(&h, t->path, &file, err)) return false;
  bool ok = true;
  for (int i = 0; ok && i < n; i++) {
    RtColumn *k = &t->column[column[i]];
    if (k->v || k->fault) continue;
    ok = dataset(&h, file, t->gaps, k, &why) || rt_fail(err, "%.200s: dataset `%.80s`: %s", t->path, k->name, why.text);
  }
  h.Fclose(file);
  return ok;
}
