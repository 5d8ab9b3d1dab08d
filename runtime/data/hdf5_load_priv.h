/* libhdf5, loaded when an HDF5 file is first read, if it is installed; nothing of it is needed to build. What is used of its C interface
 * has been the same from 1.10 on, and is declared here. */
#ifndef HNNC_RUNTIME_DATA_HDF5_LOAD_PRIV_H
#define HNNC_RUNTIME_DATA_HDF5_LOAD_PRIV_H

#include "runtime/runtime.h"

typedef int64_t RtHid; /* an open object, below 0: none */
typedef struct RtHdf5Group {
  int storage;
  unsigned long long nlinks;
  int64_t order;
  unsigned mounted;
  char more[32]; /* of later versions */
} RtHdf5Group;
typedef struct RtHdf5Fault {
  RtHid class, major, minor;
  unsigned line;
  const char *function, *file, *text;
} RtHdf5Fault;
enum { H5_GROUP = 2, H5_DATASET = 5 };                                                             /* H5I_type_t */
enum { H5_INTEGER = 0, H5_FLOAT, H5_STRING = 3, H5_COMPOUND = 6, H5_ENUM = 8, H5_VLEN, H5_ARRAY }; /* H5T_class_t */
enum { H5_NOWHERE = 2 }; /* H5S_class_t: a dataset without elements */

/* clang-format off */
#define RT_HDF5(X)                                                                                                          \
  X(int,   open,                   (void))                                                                                  \
  X(int,   get_libversion,         (unsigned *major, unsigned *minor, unsigned *release))                                   \
  X(int,   Eset_auto2,             (RtHid stack, void *call, void *data))                                                   \
  X(int,   Ewalk2,                 (RtHid stack, int order, int (*see)(unsigned, const RtHdf5Fault *, void *), void *data)) \
  X(RtHid, Fopen,                  (const char *path, unsigned flags, RtHid access))                                        \
  X(int,   Fclose,                 (RtHid file))                                                                            \
  X(int,   Gget_info,              (RtHid group, RtHdf5Group *out))                                                         \
  X(ssize_t, Lget_name_by_idx,     (RtHid at, const char *group, int index, int order, unsigned long long k, char *name,    \
                                    size_t room, RtHid access))                                                             \
  X(int,   Lget_val,               (RtHid at, const char *name, void *out, size_t room, RtHid access))                      \
  X(RtHid, Oopen,                  (RtHid at, const char *name, RtHid access))                                              \
  X(int,   Oclose,                 (RtHid object))                                                                          \
  X(int,   Iget_type,              (RtHid object))                                                                          \
  X(RtHid, Dget_type,              (RtHid set))                                                                             \
  X(RtHid, Dget_space,             (RtHid set))                                                                             \
  X(int,   Dread,                  (RtHid set, RtHid memory, RtHid to, RtHid from, RtHid transfer, void *out))              \
  X(int,   Tget_class,             (RtHid type))                                                                            \
  X(size_t, Tget_size,             (RtHid type))                                                                            \
  X(int,   Tget_sign,              (RtHid type))                                                                            \
  X(RtHid, Tget_super,             (RtHid type))                                                                            \
  X(int,   Tclose,                 (RtHid type))                                                                            \
  X(int,   Sget_simple_extent_type, (RtHid space))                                                                          \
  X(int,   Sget_simple_extent_ndims, (RtHid space))                                                                         \
  X(int,   Sget_simple_extent_dims, (RtHid space, unsigned long long *dim, unsigned long long *most))                       \
  X(int,   Sclose,                 (RtHid space))
/* clang-format on */

typedef struct RtHdf5 {
#define X(type, f, args) type(*f) args;
  RT_HDF5(X)
#undef X
  RtHid f64, i64, u64; /* its types of numbers in memory */
} RtHdf5;

/* False: it is not there, or of another kind; err says what to install. Once loaded it stays. */
bool rt_hdf5(RtHdf5 *out, RtError *err);

#endif
