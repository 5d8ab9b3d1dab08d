/* libzip, loaded when an archive is first asked for: with libcrypto behind it, it takes longer to load than all else that
 * hnnc needs, and few programs read .npz. Where its name is not known (RT_LIBZIP) it is linked as others are. */
#ifndef HNNC_RUNTIME_DATA_ZIP_LOAD_PRIV_H
#define HNNC_RUNTIME_DATA_ZIP_LOAD_PRIV_H

#include "runtime/runtime.h"

#include <zip.h>

/* clang-format off */
#define RT_ZIP(X)                                                                                  \
  X(close) X(discard) X(error_fini) X(error_init) X(error_init_with_code) X(error_strerror)        \
  X(fclose) X(file_add) X(file_set_dostime) X(fopen_index) X(fread) X(get_name)                    \
  X(get_num_entries) X(open) X(open_from_source) X(source_buffer) X(source_buffer_create) X(source_close) X(source_free)      \
  X(source_keep) X(source_open) X(source_read) X(source_stat) X(stat_index) X(strerror)
/* clang-format on */

typedef struct RtZip {
#define X(f) __typeof__(zip_##f) *f;
  RT_ZIP(X)
#undef X
} RtZip;

/* False: it is not installed, *why says what is missing. Once loaded it stays. */
bool rt_zip(RtZip *out, const char **why);

#endif
