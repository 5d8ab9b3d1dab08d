/* Fuzz target: any bytes as a table of data: .npz, .npy and HDF5 by their first bytes, otherwise text. A table or a reason; every
 * value that is read is finite, or NaN where that is asked for. data.c tells whether they are the right ones. */
#include "runtime/runtime.h"
#include "tests/fuzz/bytes.h"
#include "tests/fuzz/scratch.h"

#include <math.h>
#include <string.h>

static void look(RtTable *t, bool gaps) {
  for (int c = 0; c < t->ncolumn; c++) {
    RtError err = {""};
    if (t->column[c].fault) continue;
    if (!rt_table_values(t, &c, 1, &err)) {
      if (!err.text[0]) abort();
      continue;
    }
    const RtColumn *k = &t->column[c];
    int64_t n = k->rows > 0 ? k->rows : 1;
    for (int d = 0; d < k->rank; d++) n *= k->dim[d];
    bool gap = false;
    for (int64_t i = 0; i < n; i++) {
      gap |= gaps && isnan(k->v[i]);
      if (!isfinite(k->v[i]) && !(gaps && isnan(k->v[i]))) abort();
    }
    if (gap != k->gap) abort();
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  char path[120];
  RtError err = {""};
  RtTable t;
  const char *name = size > 2 && !memcmp(data, "PK", 2)          ? "t.npz"
                     : size > 6 && !memcmp(data, "\x93NUMPY", 6) ? "t.npy"
                     : size > 4 && !memcmp(data, "\x89HDF", 4)   ? "t.h5"
                                                                 : "t.csv";
  scratch_write(name, data, size, path, sizeof path);
  const bool looked = rt_table_read(path, RT_INFO, &t, &err);
  if (looked) rt_table_finish(&t);
  if (rt_table_read(path, RT_VALUES, &t, &err) != looked || (!looked && !err.text[0])) abort();
  if (!looked) return 0;
  look(&t, false);
  rt_table_finish(&t);
  if (!rt_table_read(path, RT_GAPS, &t, &err)) abort();
  look(&t, true);
  rt_table_finish(&t);
  return 0;
}
