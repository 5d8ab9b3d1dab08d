/* What the files of the module share: a model with its lock, and how things are given to Python. */
#ifndef HNNC_PYTHON_HNNC_H
#define HNNC_PYTHON_HNNC_H

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030b0000
#include <Python.h>

#include "driver/library/hnnc.h"

typedef struct Model {
  PyObject_HEAD
  hnnc_model *m;
  PyThread_type_lock lock;
  bool running; /* a run is under way: nobody else gets in, and waits for its end in vain if the run waits for him */
  bool closed;  /* nobody gets in any more; m is there as long as arrays of it are */
  int arrays;   /* Buffers of its memory */
  int forks;    /* of this process's ancestors, when somebody was in it last */
} Model;

/* Into the model, alone. False after an exception: it is closed, runs, or was in use in a thread that a fork has left behind. */
bool model_enter(Model *s);
/* The same without the GIL, or with it, from a function that C calls; no exception. */
bool model_enter_quietly(Model *s);
void model_leave(Model *s);

PyObject *to_text(const char *s);
PyObject *to_shape(int rank, const uint32_t *dim);
PyObject *to_place(const hnnc_place *p);
/* A new list of n things that `make` makes. */
PyObject *to_list(size_t n, PyObject *(*make)(const void *all, size_t k), const void *all);

/* A method that gives a list of what `get` of hnnc.h gives. */
#define LISTED(method, Thing, get, make)                    \
  PyObject *method(PyObject *self, PyObject *none) {        \
    Model *s = (Model *)self;                               \
    const Thing *x;                                         \
    (void)none;                                             \
    if (!model_enter(s)) return NULL;                       \
    const size_t n = get(s->m, &x);                         \
    PyObject *out = to_list(n, make, x);                    \
    model_leave(s);                                         \
    return out;                                             \
  }

/* Methods of _calls.c. */
PyObject *model_functions(PyObject *self, PyObject *none);
PyObject *model_left_out(PyObject *self, PyObject *none);
PyObject *model_derive(PyObject *self, PyObject *args);
PyObject *model_call(PyObject *self, PyObject *args);
PyObject *model_arrays(PyObject *self, PyObject *const *args, Py_ssize_t nargs);
PyObject *model_numbers(PyObject *self, PyObject *const *args, Py_ssize_t nargs);
PyObject *model_compile(PyObject *self, PyObject *none);
PyObject *model_export_onnx(PyObject *self, PyObject *args);
PyObject *model_export_library(PyObject *self, PyObject *args);
PyObject *model_low_level(PyObject *self, PyObject *args);

#endif
