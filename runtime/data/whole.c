/* One array of a file with its shape: what a table takes apart into columns. */
#include "runtime/data/table_priv.h"

#include <stdlib.h>
#include <string.h>

static bool fill(RtArray *out, int rank, const uint32_t *dim, const double *v, RtError *err) {
  if (rank > HNN_MAX_RANK) return rt_fail(err, "it has %d axes, but at most %d are allowed", rank, HNN_MAX_RANK);
  if (!rt_array_init(out, "", true, rank, dim, 0)) return rt_fail(err, "not enough memory");
  memcpy(out->v, v, (size_t)out->elems * sizeof *v);
  return true;
}

static bool whole_npy(const char *path, RtArray *out, RtError *err) {
  size_t size;
  Npy a;
  char *image = rt_file_read(path, &size, err);
  if (!image) return false;
  bool ok = npy_parse(&a, image, size, size, err);
  double *v = ok ? malloc(((size_t)a.count + 1) * sizeof *v) : NULL;
  if (ok && !v) ok = rt_fail(err, "not enough memory");
  ok = ok && npy_values(&a, -1, 0, 0, v, NULL, err) && fill(out, a.rank, a.dim, v, err);
  free(v);
  free(image);
  return ok;
}

static int find(const RtTable *t, const char *name) {
  for (int i = 0; i < t->ncolumn; i++)
    if (!strcmp(t->column[i].name, name)) return i;
  return -1;
}

static bool missing(const RtTable *t, const char *name, RtError *err) {
  size_t n = 0;
  RtError known = {""};
  for (int i = 0; i < t->ncolumn && n < 200; i++)
    n += (size_t)snprintf(known.text + n, sizeof known.text - n, "%s`%.60s`", i ? ", " : "", t->column[i].name);
  return rt_fail(err, "it has no array `%.60s`; it has %s", name, known.text);
}

/* A column: its rows are the first axis, unless it is one value. */
static bool column(RtTable *t, const char *name, RtArray *out, RtError *err) {
  const int i = find(t, name + (t->tree && *name == '/'));
  if (i < 0) return missing(t, name, err);
  const RtColumn *c = &t->column[i];
  uint32_t dim[HNN_MAX_RANK + 1];
  const int rows = c->rows != RT_EVERY_ROW;
  if (c->fault) return rt_fail(err, "%s", c->fault);
  if (rows && c->rows > UINT32_MAX) return rt_fail(err, "it is too long");
  if (!rt_table_values(t, &i, 1, err)) return false;
  dim[0] = (uint32_t)c->rows;
  memcpy(dim + rows, c->dim, sizeof *dim * (size_t)c->rank);
  return fill(out, rows + c->rank, dim, t->column[i].v, err);
}

bool rt_array_read(const char *path, const char *name, RtArray *out, RtError *err) {
  RtTable t = {0};
  if (!name) return rt_table_is_npy(path) ? whole_npy(path, out, err) : rt_fail(err, "it has several arrays: name one of them");
  if (rt_table_is_npy(path)) return rt_fail(err, "it has one array, without a name");
  if (!rt_table_read(path, RT_VALUES, &t, err)) return false;
  const bool ok = column(&t, name, out, err);
  rt_table_finish(&t);
  return ok;
}
