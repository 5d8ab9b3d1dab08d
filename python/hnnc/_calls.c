/* Functions of a model: what they are, calls, derivatives, and what leaves. */
#include "python/hnnc/_hnnc.h"

#include <math.h>
#include <string.h>

static PyObject *ints(const int32_t *v, size_t n) {
  PyObject *out = PyList_New((Py_ssize_t)n);
  for (size_t k = 0; out && k < n; k++) PyList_SetItem(out, (Py_ssize_t)k, PyLong_FromLong(v[k]));
  return out;
}

static PyObject *value(const void *all, size_t k) {
  const hnnc_value *v = (const hnnc_value *)all + k;
  PyObject *pattern = v->row ? Py_BuildValue("(IINN)", v->rows, v->cols, ints(v->row, v->rows + 1), ints(v->col, v->elems))
                             : Py_NewRef(Py_None);
  return Py_BuildValue("(NNON)", to_text(v->name), to_shape(v->rank, v->dim), v->per_sample ? Py_True : Py_False, pattern);
}

static PyObject *function(const void *all, size_t k) {
  const hnnc_function *f = (const hnnc_function *)all + k;
  return Py_BuildValue("(NNNNN)", to_text(f->name), to_text(f->kind), to_list(f->nargs, value, f->args), to_list(f->nresults, value, f->results),
                       to_place(&f->at));
}

LISTED(model_functions, hnnc_function, hnnc_functions, function)

static PyObject *left(const void *all, size_t k) {
  const hnnc_left *l = (const hnnc_left *)all + k;
  return Py_BuildValue("(NNN)", to_text(l->name), to_text(l->kind), to_text(l->why));
}

LISTED(model_left_out, hnnc_left, hnnc_left_out, left)

/* derive(kind, function) -> (status, number) */
PyObject *model_derive(PyObject *self, PyObject *args) {
  Model *s = (Model *)self;
  int kind;
  Py_ssize_t of;
  size_t number = 0;
  if (!PyArg_ParseTuple(args, "in", &kind, &of) || !model_enter(s)) return NULL;
  const hnnc_status status = hnnc_derive(s->m, (hnnc_product)kind, (size_t)of, &number);
  model_leave(s);
  return Py_BuildValue("(in)", (int)status, (Py_ssize_t)number);
}

enum { MOST = 64 }; /* arguments, or results, of a call */

typedef struct Bound {
  Py_buffer view[2 * MOST];
  int n;
  hnnc_array array[2 * MOST];
} Bound;

static void unbind(Bound *b) {
  while (b->n > 0) PyBuffer_Release(&b->view[--b->n]);
}

/* The arrays of a sequence of (buffer, ld): their sizes are the caller's care, who knows the shapes. */
static bool bind(Bound *b, PyObject *arrays, bool write) {
  const Py_ssize_t n = PyTuple_Size(arrays);
  if (n < 0 || n > MOST) return PyErr_SetString(PyExc_ValueError, "too many arrays"), false;
  for (Py_ssize_t k = 0; k < n; k++) {
    PyObject *buffer;
    long long ld;
    if (!PyArg_ParseTuple(PyTuple_GetItem(arrays, k), "OL", &buffer, &ld)) return false;
    if (PyObject_GetBuffer(buffer, &b->view[b->n], (write ? PyBUF_WRITABLE : 0) | PyBUF_ANY_CONTIGUOUS)) return false;
    b->array[b->n] = (hnnc_array){b->view[b->n].buf, ld};
    b->n++;
  }
  return true;
}

/* call(function, n, seed, ((buffer, ld), ...), ((buffer, ld), ...)) -> status */
PyObject *model_call(PyObject *self, PyObject *args) {
  Model *s = (Model *)self;
  Py_ssize_t k, n;
  unsigned long long seed;
  PyObject *in, *out;
  Bound b = {.n = 0};
  if (!PyArg_ParseTuple(args, "nnKO!O!", &k, &n, &seed, &PyTuple_Type, &in, &PyTuple_Type, &out)) return NULL;
  hnnc_status status = HNNC_USAGE;
  bool ok = bind(&b, in, false);
  const int first = b.n;
  ok = ok && bind(&b, out, true) && model_enter(s);
  if (ok) {
    Py_BEGIN_ALLOW_THREADS;
    status = hnnc_call_arrays(s->m, (size_t)k, (size_t)n, seed, b.array, b.array + first);
    Py_END_ALLOW_THREADS;
    model_leave(s);
  }
  unbind(&b);
  return ok ? PyLong_FromLong(status) : NULL;
}

/* ---- the common case: arrays of one leading shape, in C order ---- */

/* The buffer, if it has the shape `lead` (of n axes) and then that of v, in the model's precision; lead NULL: any. */
static bool fits(Bound *b, PyObject *array, const hnnc_value *v, bool single, int nlead, const Py_ssize_t *lead, bool write) {
  Py_buffer *view = &b->view[b->n];
  if (PyObject_GetBuffer(array, view, PyBUF_FORMAT | PyBUF_C_CONTIGUOUS | (write ? PyBUF_WRITABLE : 0))) return PyErr_Clear(), false;
  b->array[b->n++] = (hnnc_array){view->buf, 0};
  const int before = view->ndim - v->rank;
  bool same = view->format && !strcmp(view->format, single ? "f" : "d") && before >= 0 && (!lead || before == nlead);
  for (int d = 0; same && lead && d < before; d++) same = view->shape[d] == lead[d];
  for (int d = 0; same && d < v->rank; d++) same = view->shape[before + d] == (Py_ssize_t)v->dim[d];
  return same;
}

static bool overlap(const Py_buffer *a, const Py_buffer *b) {
  return (char *)a->buf < (char *)b->buf + b->len && (char *)b->buf < (char *)a->buf + a->len;
}

/* All of them bound; *n: the samples. */
static bool all_fit(Bound *b, const hnnc_function *f, bool single, PyObject *in, PyObject *out, size_t *n) {
  if (PyTuple_Size(in) != (Py_ssize_t)f->nargs || PyTuple_Size(out) != (Py_ssize_t)f->nresults) return false;
  if (!f->nargs || f->nargs > MOST || f->nresults > MOST) return false;
  const Py_ssize_t none[] = {0}, *lead = NULL;
  int nlead = 0;
  for (size_t k = 0; k < f->nargs; k++) {
    if (!fits(b, PyTuple_GetItem(in, (Py_ssize_t)k), &f->args[k], single, nlead, lead, false)) return false;
    if (!k) lead = b->view[0].shape ? b->view[0].shape : none, nlead = b->view[0].ndim - f->args[0].rank;
  }
  *n = 1;
  for (int d = 0; d < nlead; d++) *n *= (size_t)lead[d];
  for (size_t k = 0; k < f->nresults; k++) {
    const bool each = f->results[k].per_sample;
    if (!fits(b, PyTuple_GetItem(out, (Py_ssize_t)k), &f->results[k], single, each ? nlead : 0, lead, true)) return false;
    for (int i = 0; i < b->n - 1; i++)
      if (overlap(&b->view[i], &b->view[b->n - 1])) return false;
  }
  return *n > 0;
}

/* arrays(function, seed, (array, ...), (array, ...)) -> whether it was done: if not, nothing has been touched. */
PyObject *model_arrays(PyObject *self, PyObject *const *args, Py_ssize_t nargs) {
  Model *s = (Model *)self;
  Bound b = {.n = 0};
  const hnnc_function *f;
  size_t n = 0;
  hnnc_status status = HNNC_USAGE;
  if (nargs != 4 || !PyTuple_Check(args[2]) || !PyTuple_Check(args[3])) {
    PyErr_SetString(PyExc_ValueError, "arrays(function, seed, (array, ...), (array, ...))");
    return NULL;
  }
  const size_t k = PyLong_AsSize_t(args[0]);
  const unsigned long long seed = PyLong_AsUnsignedLongLong(args[1]);
  if (PyErr_Occurred() || !model_enter(s)) return NULL;
  if (k < hnnc_functions(s->m, &f) && all_fit(&b, &f[k], hnnc_single(s->m), args[2], args[3], &n)) {
    Py_BEGIN_ALLOW_THREADS;
    status = hnnc_call_arrays(s->m, k, n, seed, b.array, b.array + f[k].nargs);
    Py_END_ALLOW_THREADS;
  }
  model_leave(s);
  unbind(&b);
  return PyBool_FromLong(status == HNNC_OK);
}

/* numbers(function, results, number, ...): of a function of numbers, for one sample: a number, or a tuple of them; NotImplemented: not all are
 * floats, or it failed. The GIL is kept, for this is a right-hand side that is called often, once it is compiled. */
PyObject *model_numbers(PyObject *self, PyObject *const *args, Py_ssize_t nargs) {
  Model *s = (Model *)self;
  double in[MOST], out[MOST];
  float in32[MOST], out32[MOST];
  hnnc_array array[2 * MOST];
  const Py_ssize_t k = nargs > 1 ? PyLong_AsSsize_t(args[0]) : -1, results = nargs > 1 ? PyLong_AsSsize_t(args[1]) : -1, n = nargs - 2;
  if (k < 0 || results < 1 || results > MOST || n > MOST) {
    if (!PyErr_Occurred()) PyErr_SetString(PyExc_ValueError, "numbers(function, results, number, ...)");
    return NULL;
  }
  for (Py_ssize_t i = 0; i < n; i++) {
    if (!PyFloat_Check(args[2 + i])) return Py_NewRef(Py_NotImplemented);
    in[i] = PyFloat_AsDouble(args[2 + i]);
    in32[i] = (float)in[i];
  }
  if (!model_enter(s)) return NULL;
  const bool single = hnnc_single(s->m);
  for (Py_ssize_t i = 0; i < n; i++) array[i] = (hnnc_array){single ? (void *)&in32[i] : &in[i], 0};
  for (Py_ssize_t i = 0; i < results; i++) array[n + i] = (hnnc_array){single ? (void *)&out32[i] : &out[i], 0};
  const hnnc_status status = hnnc_call_arrays(s->m, (size_t)k, 1, 0, array, array + n);
  model_leave(s);
  if (status != HNNC_OK) return Py_NewRef(Py_NotImplemented);
  if (results == 1) return PyFloat_FromDouble(single ? (double)out32[0] : out[0]);
  PyObject *t = PyTuple_New(results);
  for (Py_ssize_t i = 0; t && i < results; i++) PyTuple_SetItem(t, i, PyFloat_FromDouble(single ? (double)out32[i] : out[i]));
  return t;
}

PyObject *model_compile(PyObject *self, PyObject *none) {
  Model *s = (Model *)self;
  hnnc_status status;
  (void)none;
  if (!model_enter(s)) return NULL;
  Py_BEGIN_ALLOW_THREADS;
  status = hnnc_compile(s->m);
  Py_END_ALLOW_THREADS;
  model_leave(s);
  return PyLong_FromLong(status);
}

/* export_onnx(path, (function, ...)) -> status */
PyObject *model_export_onnx(PyObject *self, PyObject *args) {
  Model *s = (Model *)self;
  const char *path;
  PyObject *of;
  size_t function[MOST];
  hnnc_status status;
  if (!PyArg_ParseTuple(args, "sO!", &path, &PyTuple_Type, &of)) return NULL;
  const Py_ssize_t n = PyTuple_Size(of);
  if (n > MOST) return PyErr_SetString(PyExc_ValueError, "too many functions"), NULL;
  for (Py_ssize_t k = 0; k < n; k++) function[k] = PyLong_AsSize_t(PyTuple_GetItem(of, k));
  if (PyErr_Occurred() || !model_enter(s)) return NULL;
  Py_BEGIN_ALLOW_THREADS;
  status = hnnc_export_onnx(s->m, path, function, (size_t)n);
  Py_END_ALLOW_THREADS;
  model_leave(s);
  return PyLong_FromLong(status);
}

/* export_library(path) -> status */
PyObject *model_export_library(PyObject *self, PyObject *args) {
  Model *s = (Model *)self;
  const char *path;
  hnnc_status status;
  if (!PyArg_ParseTuple(args, "s", &path) || !model_enter(s)) return NULL;
  Py_BEGIN_ALLOW_THREADS;
  status = hnnc_export_library(s->m, path);
  Py_END_ALLOW_THREADS;
  model_leave(s);
  return PyLong_FromLong(status);
}

/* ---- functions that C calls ------------------------------------------------------------------------------------------------------ */

/* A function of numbers that come end to end, with one number as its result. */
typedef struct Low {
  Model *model; /* owned */
  size_t function, nargs, elems[MOST], n;
} Low;

static double low_value(const Low *l, size_t n, const double *x) {
  double out = NAN, in[4096];
  float in32[4096], out32 = NAN;
  hnnc_array array[MOST];
  if (n != l->n || !model_enter_quietly(l->model)) return NAN;
  const bool single = hnnc_single(l->model->m);
  for (size_t k = 0; k < n; k++) in[k] = x[k], in32[k] = (float)x[k];
  for (size_t k = 0, at = 0; k < l->nargs; at += l->elems[k++]) array[k] = (hnnc_array){single ? (void *)(in32 + at) : in + at, 0};
  const hnnc_array result = {single ? (void *)&out32 : &out, 0};
  const hnnc_status status = hnnc_call_arrays(l->model->m, l->function, 1, 0, array, &result);
  model_leave(l->model);
  return status != HNNC_OK ? NAN : single ? (double)out32 : out;
}

static double low_quad(int n, double *x, void *low) { return low_value(low, n < 0 ? 0 : (size_t)n, x); }

static int low_filter(double *x, intptr_t n, double *value, void *low) {
  *value = low_value(low, n < 0 ? 0 : (size_t)n, x);
  return 1;
}

/* As scipy.LowLevelCallable reads them: of quad and nquad; of ndimage.generic_filter. */
static const char *const low_form[] = {"double (int, double *, void *)", "int (double *, intptr_t, double *, void *)"};

static void low_free(PyObject *capsule) {
  Low *l = PyCapsule_GetContext(capsule);
  if (!l) return;
  Py_XDECREF((PyObject *)l->model);
  PyMem_Free(l);
}

/* low_level(function, form, (numbers of each argument, ...)) -> capsule */
PyObject *model_low_level(PyObject *self, PyObject *args) {
  Py_ssize_t function;
  int form;
  PyObject *elems;
  if (!PyArg_ParseTuple(args, "niO!", &function, &form, &PyTuple_Type, &elems)) return NULL;
  Low *l = PyMem_Calloc(1, sizeof *l);
  if (!l) return PyErr_NoMemory();
  l->function = (size_t)function, l->nargs = (size_t)PyTuple_Size(elems);
  bool fits = l->nargs <= MOST;
  for (size_t k = 0; fits && k < l->nargs; k++) {
    l->elems[k] = PyLong_AsSize_t(PyTuple_GetItem(elems, (Py_ssize_t)k));
    fits = !PyErr_Occurred() && (l->n += l->elems[k]) <= 4096;
  }
  if (!fits && !PyErr_Occurred()) PyErr_SetString(PyExc_ValueError, "a function that C calls takes at most 4096 numbers");
  PyObject *capsule = fits ? PyCapsule_New(form ? (void *)(uintptr_t)low_filter : (void *)(uintptr_t)low_quad, low_form[form != 0], low_free) : NULL;
  if (!capsule || PyCapsule_SetContext(capsule, l)) {
    Py_XDECREF(capsule);
    PyMem_Free(l);
    return NULL;
  }
  l->model = (Model *)Py_NewRef(self);
  return capsule;
}
