/* hnnc._hnnc: libhnnc (driver/library/hnnc.h) for Python. What is pleasant is in the files beside; here are a model, its lock and its arrays.
 *
 * A model is used by one thread at a time: its lock is taken without the GIL, and calls run without it. In a function that a run calls
 * (`progress`), the model refuses to be called. Arrays are whatever has the buffer protocol. */
#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030b0000
#include <Python.h>

#include "driver/library/hnnc.h"

#include <string.h>

typedef struct Model {
  PyObject_HEAD
  hnnc_model *m;
  PyThread_type_lock lock;
  bool running; /* a run is under way: nobody else gets in, and waits for its end in vain if the run waits for him */
} Model;

static PyObject *buffer_type; /* set when the module is made, as all modules of one process share it */

/* ---- the lock -------------------------------------------------------------------------------------------------- */

static bool enter(Model *s) {
  if (s->running) {
    PyErr_SetString(PyExc_RuntimeError, "the model is at work: it cannot be asked while it runs, nor in a function that its own run calls");
    return false;
  }
  if (!PyThread_acquire_lock(s->lock, 0)) {
    Py_BEGIN_ALLOW_THREADS;
    PyThread_acquire_lock(s->lock, 1);
    Py_END_ALLOW_THREADS;
  }
  return true;
}

static void leave(Model *s) {
  PyThread_release_lock(s->lock);
}

/* ---- texts and shapes ------------------------------------------------------------------------------------------------ */

static PyObject *text(const char *s) { return s ? PyUnicode_DecodeUTF8(s, (Py_ssize_t)strlen(s), "replace") : Py_NewRef(Py_None); }

static PyObject *shape(int rank, const uint32_t *dim) {
  PyObject *t = PyTuple_New(rank);
  for (int d = 0; t && d < rank; d++) PyTuple_SetItem(t, d, PyLong_FromUnsignedLong(dim[d]));
  return t;
}

/* A new list of n things that `make` makes. */
static PyObject *list(size_t n, PyObject *(*make)(const void *all, size_t k), const void *all) {
  PyObject *out = PyList_New((Py_ssize_t)n);
  for (size_t k = 0; out && k < n; k++) {
    PyObject *one = make(all, k);
    if (!one) {
      Py_DECREF(out);
      return NULL;
    }
    PyList_SetItem(out, (Py_ssize_t)k, one);
  }
  return out;
}

/* A method that gives a list of what `get` of hnnc.h gives. */
#define LISTED(method, Thing, get, make)                     \
  static PyObject *method(PyObject *self, PyObject *none) {  \
    Model *s = (Model *)self;                                \
    const Thing *x;                                          \
    (void)none;                                              \
    if (!enter(s)) return NULL;                              \
    const size_t n = get(s->m, &x);                          \
    PyObject *out = list(n, make, x);                        \
    leave(s);                                                \
    return out;                                              \
  }

static PyObject *place(const hnnc_place *p) {
  return Py_BuildValue("(NIIII)", text(p->file), p->line, p->column, p->end_line, p->end_column);
}

/* ---- opening and closing ------------------------------------------------------------------------------------------------ */

/* The strings of a sequence, which it owns. */
static const char **strings(PyObject *sequence, size_t *n) {
  const Py_ssize_t count = PySequence_Size(sequence);
  if (count < 0) return NULL;
  const char **out = PyMem_Malloc(sizeof *out * ((size_t)count + 1));
  if (!out) return (const char **)PyErr_NoMemory();
  for (Py_ssize_t k = 0; k < count; k++) {
    PyObject *one = PySequence_GetItem(sequence, k);
    out[k] = one ? PyUnicode_AsUTF8AndSize(one, NULL) : NULL;
    Py_XDECREF(one); /* the sequence keeps it */
    if (!out[k]) return PyMem_Free(out), NULL;
  }
  *n = (size_t)count;
  return out;
}

/* Model(path, text, run, overrides, seed, threads, cpu, cache_dir): text None: the file at `path`; run: it is a run directory. */
static PyObject *model_new(PyTypeObject *type, PyObject *args, PyObject *kw) {
  static char *names[] = {"path", "text", "run", "overrides", "seed", "threads", "cpu", "cache_dir", NULL};
  const char *path, *source = NULL;
  Py_ssize_t length = 0;
  int run = 0, threads = 0;
  unsigned long long seed = 0;
  PyObject *overrides = NULL;
  hnnc_options o = HNNC_OPTIONS;
  if (!PyArg_ParseTupleAndKeywords(args, kw, "s|z#pOKizz", names, &path, &source, &length, &run, &overrides, &seed, &threads, &o.cpu,
                                   &o.cache_dir))
    return NULL;
  const char **override = overrides ? strings(overrides, &o.noverrides) : NULL;
  if (overrides && !override) return NULL;
  o.overrides = override, o.seed = seed, o.threads = threads;
  Model *s = (Model *)((allocfunc)PyType_GetSlot(type, Py_tp_alloc))(type, 0);
  if (s) {
    s->lock = PyThread_allocate_lock();
    Py_BEGIN_ALLOW_THREADS;
    s->m = run ? hnnc_open_run(path, &o) : source ? hnnc_open_text(path, source, (size_t)length, &o) : hnnc_open(path, &o);
    Py_END_ALLOW_THREADS;
    if (!s->m || !s->lock) {
      Py_DECREF(s);
      s = (Model *)PyErr_NoMemory();
    }
  }
  PyMem_Free(override);
  return (PyObject *)s;
}

static void model_dealloc(PyObject *self) {
  Model *s = (Model *)self;
  PyTypeObject *type = Py_TYPE(self);
  hnnc_close(s->m);
  if (s->lock) PyThread_free_lock(s->lock);
  ((freefunc)PyType_GetSlot(type, Py_tp_free))(self);
  Py_DECREF(type);
}

/* ---- what it is ------------------------------------------------------------------------------------------------------------ */

static PyObject *model_state(PyObject *self, PyObject *none) {
  (void)none;
  return PyLong_FromLong(hnnc_state(((Model *)self)->m));
}

static PyObject *label(const void *all, size_t k) {
  const hnnc_label *l = (const hnnc_label *)all + k;
  return Py_BuildValue("(NN)", place(&l->at), text(l->text));
}

static PyObject *help(const void *all, size_t k) { return text(((const char *const *)all)[k]); }

static PyObject *message(const void *all, size_t k) {
  const hnnc_message *x = (const hnnc_message *)all + k;
  return Py_BuildValue("(ONNNNN)", x->error ? Py_True : Py_False, text(x->code), text(x->text), place(&x->at),
                       list(x->nlabels, label, x->labels), list(x->nhelps, help, x->helps));
}

LISTED(model_messages, hnnc_message, hnnc_messages, message)

static PyObject *model_messages_text(PyObject *self, PyObject *colour) {
  Model *s = (Model *)self;
  if (!enter(s)) return NULL;
  PyObject *out = text(hnnc_messages_text(s->m, PyObject_IsTrue(colour) > 0));
  leave(s);
  return out;
}

static PyObject *model_forget(PyObject *self, PyObject *none) {
  Model *s = (Model *)self;
  (void)none;
  if (!enter(s)) return NULL;
  hnnc_forget_messages(s->m);
  leave(s);
  return Py_NewRef(Py_None);
}

static PyObject *claim(const void *all, size_t k) {
  static const char *const answer[] = {"undecided", "proved", "refuted"};
  const hnnc_claim *x = (const hnnc_claim *)all + k;
  return Py_BuildValue("(NsNN)", text(x->text), answer[x->answer], text(x->detail), place(&x->at));
}

LISTED(model_claims, hnnc_claim, hnnc_claims, claim)

/* ---- parameters ---------------------------------------------------------------------------------------------------------------- */

/* Memory of a model, which stays as long as it. */
typedef struct Buffer {
  PyObject_HEAD
  PyObject *owner;
  void *p;
  Py_ssize_t size;
} Buffer;

static int buffer_get(PyObject *self, Py_buffer *view, int flags) {
  Buffer *b = (Buffer *)self;
  return PyBuffer_FillInfo(view, self, b->p, b->size, 0, flags);
}

static void buffer_dealloc(PyObject *self) {
  PyTypeObject *type = Py_TYPE(self);
  Py_XDECREF(((Buffer *)self)->owner);
  ((freefunc)PyType_GetSlot(type, Py_tp_free))(self);
  Py_DECREF(type);
}

static PyType_Slot buffer_slots[] = {{Py_tp_dealloc, buffer_dealloc}, {Py_bf_getbuffer, buffer_get}, {0, NULL}};
static PyType_Spec buffer_spec = {"hnnc._hnnc.Buffer", sizeof(Buffer), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
                                  buffer_slots};

static PyObject *buffer_of(PyObject *owner, void *p, size_t size) {
  PyTypeObject *type = (PyTypeObject *)buffer_type;
  Buffer *b = (Buffer *)((allocfunc)PyType_GetSlot(type, Py_tp_alloc))(type, 0);
  if (b) b->owner = Py_NewRef(owner), b->p = p, b->size = (Py_ssize_t)size;
  return (PyObject *)b;
}

/* [(path, shape, values in place)] */
static PyObject *model_params(PyObject *self, PyObject *none) {
  Model *s = (Model *)self;
  const hnnc_param *x;
  (void)none;
  if (!enter(s)) return NULL;
  const size_t n = hnnc_params(s->m, &x), real = hnnc_single(s->m) ? sizeof(float) : sizeof(double);
  PyObject *out = PyList_New((Py_ssize_t)n);
  for (size_t k = 0; out && k < n; k++) {
    PyObject *one =
        Py_BuildValue("(NNN)", text(x[k].path), shape(x[k].rank, x[k].dim), buffer_of(self, hnnc_param_values(s->m, k), x[k].elems * real));
    if (one) PyList_SetItem(out, (Py_ssize_t)k, one);
    else Py_CLEAR(out);
  }
  leave(s);
  return out;
}

/* What a call with a path gives: its status. */
static PyObject *with_path(PyObject *self, PyObject *path, hnnc_status (*f)(hnnc_model *, const char *)) {
  Model *s = (Model *)self;
  hnnc_status status;
  const char *name = PyUnicode_AsUTF8AndSize(path, NULL);
  if (!name || !enter(s)) return NULL;
  Py_BEGIN_ALLOW_THREADS;
  status = f(s->m, name);
  Py_END_ALLOW_THREADS;
  leave(s);
  return PyLong_FromLong(status);
}

static PyObject *model_load(PyObject *self, PyObject *path) { return with_path(self, path, hnnc_load_params); }
static PyObject *model_save(PyObject *self, PyObject *path) { return with_path(self, path, hnnc_save_params); }

/* ---- functions ------------------------------------------------------------------------------------------------------------------ */

static PyObject *ints(const int32_t *v, size_t n) {
  PyObject *out = PyList_New((Py_ssize_t)n);
  for (size_t k = 0; out && k < n; k++) PyList_SetItem(out, (Py_ssize_t)k, PyLong_FromLong(v[k]));
  return out;
}

static PyObject *value(const void *all, size_t k) {
  const hnnc_value *v = (const hnnc_value *)all + k;
  PyObject *pattern = v->row ? Py_BuildValue("(IINN)", v->rows, v->cols, ints(v->row, v->rows + 1), ints(v->col, v->elems))
                             : Py_NewRef(Py_None);
  return Py_BuildValue("(NNON)", text(v->name), shape(v->rank, v->dim), v->per_sample ? Py_True : Py_False, pattern);
}

static PyObject *function(const void *all, size_t k) {
  const hnnc_function *f = (const hnnc_function *)all + k;
  return Py_BuildValue("(NNNNN)", text(f->name), text(f->kind), list(f->nargs, value, f->args), list(f->nresults, value, f->results),
                       place(&f->at));
}

LISTED(model_functions, hnnc_function, hnnc_functions, function)

/* derive(kind, function) -> (status, number) */
static PyObject *model_derive(PyObject *self, PyObject *args) {
  Model *s = (Model *)self;
  int kind;
  Py_ssize_t of;
  size_t number = 0;
  if (!PyArg_ParseTuple(args, "in", &kind, &of) || !enter(s)) return NULL;
  const hnnc_status status = hnnc_derive(s->m, (hnnc_product)kind, (size_t)of, &number);
  leave(s);
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
static PyObject *model_call(PyObject *self, PyObject *args) {
  Model *s = (Model *)self;
  Py_ssize_t k, n;
  unsigned long long seed;
  PyObject *in, *out;
  Bound b = {.n = 0};
  if (!PyArg_ParseTuple(args, "nnKO!O!", &k, &n, &seed, &PyTuple_Type, &in, &PyTuple_Type, &out)) return NULL;
  hnnc_status status = HNNC_USAGE;
  bool ok = bind(&b, in, false);
  const int first = b.n;
  ok = ok && bind(&b, out, true) && enter(s);
  if (ok) {
    Py_BEGIN_ALLOW_THREADS;
    status = hnnc_call_arrays(s->m, (size_t)k, (size_t)n, seed, b.array, b.array + first);
    Py_END_ALLOW_THREADS;
    leave(s);
  }
  unbind(&b);
  return ok ? PyLong_FromLong(status) : NULL;
}

/* numbers(function, results, number, ...): of a function of numbers, for one sample: a number, or a tuple of them; NotImplemented: not all are
 * floats, or it failed. The GIL is kept, for this is a right-hand side that is called often, once it is compiled. */
static PyObject *model_numbers(PyObject *self, PyObject *const *args, Py_ssize_t nargs) {
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
  if (!enter(s)) return NULL;
  const bool single = hnnc_single(s->m);
  for (Py_ssize_t i = 0; i < n; i++) array[i] = (hnnc_array){single ? (void *)&in32[i] : &in[i], 0};
  for (Py_ssize_t i = 0; i < results; i++) array[n + i] = (hnnc_array){single ? (void *)&out32[i] : &out[i], 0};
  const hnnc_status status = hnnc_call_arrays(s->m, (size_t)k, 1, 0, array, array + n);
  leave(s);
  if (status != HNNC_OK) return Py_NewRef(Py_NotImplemented);
  if (results == 1) return PyFloat_FromDouble(single ? (double)out32[0] : out[0]);
  PyObject *t = PyTuple_New(results);
  for (Py_ssize_t i = 0; t && i < results; i++) PyTuple_SetItem(t, i, PyFloat_FromDouble(single ? (double)out32[i] : out[i]));
  return t;
}

static PyObject *model_compile(PyObject *self, PyObject *none) {
  Model *s = (Model *)self;
  hnnc_status status;
  (void)none;
  if (!enter(s)) return NULL;
  Py_BEGIN_ALLOW_THREADS;
  status = hnnc_compile(s->m);
  Py_END_ALLOW_THREADS;
  leave(s);
  return PyLong_FromLong(status);
}

/* ---- running ---------------------------------------------------------------------------------------------------------------------- */

typedef struct Progress {
  PyObject *call;
} Progress;

static PyObject *named(const void *all, size_t k) {
  const hnnc_number *x = (const hnnc_number *)all + k;
  return Py_BuildValue("(Nd)", text(x->name), x->value);
}

/* The function gets (loss, step, steps, value, test, lr, samples_per_second, losses, monitor); false, or an exception, stops. */
static bool on_progress(void *ctx, const hnnc_progress *p) {
  Progress *q = ctx;
  const PyGILState_STATE gil = PyGILState_Ensure();
  PyObject *args = Py_BuildValue("(NLLddddNN)", text(p->loss), (long long)p->step, (long long)p->steps, p->value, p->test, p->lr,
                                 p->samples_per_second, list(p->nlosses, named, p->losses), list(p->nmonitor, named, p->monitor));
  PyObject *answer = args ? PyObject_CallObject(q->call, args) : NULL;
  const int said = !answer ? -1 : answer == Py_None ? 1 : PyObject_IsTrue(answer);
  const bool go = said > 0;
  if (said < 0) PyErr_WriteUnraisable(q->call);
  Py_XDECREF(answer);
  Py_XDECREF(args);
  PyGILState_Release(gil);
  return go;
}

/* run(dir, progress) -> status; dir None: no directory, "": one in runs/. */
static PyObject *model_run(PyObject *self, PyObject *args) {
  Model *s = (Model *)self;
  hnnc_run_options o = HNNC_RUN_OPTIONS;
  Progress p = {NULL};
  hnnc_status status;
  if (!PyArg_ParseTuple(args, "zO", &o.dir, &p.call) || !enter(s)) return NULL;
  if (p.call != Py_None) o.progress = on_progress, o.ctx = &p;
  s->running = true;
  Py_BEGIN_ALLOW_THREADS;
  status = hnnc_run(s->m, &o);
  Py_END_ALLOW_THREADS;
  s->running = false;
  leave(s);
  return PyLong_FromLong(status);
}

/* From any thread. */
static PyObject *model_stop(PyObject *self, PyObject *none) {
  (void)none;
  hnnc_stop(((Model *)self)->m);
  return Py_NewRef(Py_None);
}

/* Takes back a stop that nothing has heard. */
static PyObject *model_go_on(PyObject *self, PyObject *none) {
  (void)none;
  hnnc_go_on(((Model *)self)->m);
  return Py_NewRef(Py_None);
}

static PyObject *doubles(const double *v, size_t n) {
  PyObject *out = PyList_New((Py_ssize_t)n);
  for (size_t k = 0; out && k < n; k++) PyList_SetItem(out, (Py_ssize_t)k, PyFloat_FromDouble(v[k]));
  return out;
}

static PyObject *report(const void *all, size_t k) {
  const hnnc_report *r = (const hnnc_report *)all + k;
  return Py_BuildValue("(NNLNNNN)", text(r->name), shape(r->rank, r->dim), (long long)r->n, doubles(r->means, r->elems),
                       doubles(r->sds, r->elems), doubles(r->mins, r->elems), doubles(r->maxs, r->elems));
}

LISTED(model_reports, hnnc_report, hnnc_reports, report)

static PyObject *expect(const void *all, size_t k) {
  const hnnc_expect *x = (const hnnc_expect *)all + k;
  return Py_BuildValue("(NO)", text(x->text), x->holds ? Py_True : Py_False);
}

LISTED(model_expects, hnnc_expect, hnnc_expects, expect)

static PyObject *model_run_dir(PyObject *self, PyObject *none) {
  (void)none;
  return text(hnnc_run_dir(((Model *)self)->m));
}

static PyObject *model_single(PyObject *self, PyObject *none) {
  (void)none;
  return PyBool_FromLong(hnnc_single(((Model *)self)->m));
}

/* ---- the module -------------------------------------------------------------------------------------------------------------------- */

static PyObject *runs(PyObject *self, PyObject *dir) {
  (void)self;
  const char *path = PyUnicode_AsUTF8AndSize(dir, NULL);
  if (!path) return NULL;
  const size_t n = hnnc_runs(path, NULL, 0);
  char *out = n ? PyMem_Malloc(n + 65536) : NULL;
  const size_t got = out ? hnnc_runs(path, out, n + 65536) : 0; /* another process may add one */
  PyObject *answer = got && got < n + 65536 ? text(out) : Py_NewRef(Py_None);
  PyMem_Free(out);
  return answer;
}

static PyMethodDef model_methods[] = {{"state", model_state, METH_NOARGS, NULL},
                                      {"messages", model_messages, METH_NOARGS, NULL},
                                      {"messages_text", model_messages_text, METH_O, NULL},
                                      {"forget", model_forget, METH_NOARGS, NULL},
                                      {"claims", model_claims, METH_NOARGS, NULL},
                                      {"params", model_params, METH_NOARGS, NULL},
                                      {"load", model_load, METH_O, NULL},
                                      {"save", model_save, METH_O, NULL},
                                      {"functions", model_functions, METH_NOARGS, NULL},
                                      {"derive", model_derive, METH_VARARGS, NULL},
                                      {"call", model_call, METH_VARARGS, NULL},
                                      {"numbers", (PyCFunction)(void (*)(void))model_numbers, METH_FASTCALL, NULL},
                                      {"compile", model_compile, METH_NOARGS, NULL},
                                      {"run", model_run, METH_VARARGS, NULL},
                                      {"stop", model_stop, METH_NOARGS, NULL},
                                      {"go_on", model_go_on, METH_NOARGS, NULL},
                                      {"reports", model_reports, METH_NOARGS, NULL},
                                      {"expects", model_expects, METH_NOARGS, NULL},
                                      {"run_dir", model_run_dir, METH_NOARGS, NULL},
                                      {"single", model_single, METH_NOARGS, NULL},
                                      {NULL, NULL, 0, NULL}};
static PyType_Slot model_slots[] = {{Py_tp_new, model_new}, {Py_tp_dealloc, model_dealloc}, {Py_tp_methods, model_methods}, {0, NULL}};
static PyType_Spec model_spec = {"hnnc._hnnc.Model", sizeof(Model), 0, Py_TPFLAGS_DEFAULT, model_slots};

static PyMethodDef functions[] = {{"runs", runs, METH_O, NULL}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "hnnc._hnnc", NULL, -1, functions, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__hnnc(void) {
  PyObject *m = PyModule_Create(&module), *model = PyType_FromSpec(&model_spec);
  if (!buffer_type) buffer_type = PyType_FromSpec(&buffer_spec);
  if (!m || !model || !buffer_type || PyModule_AddObjectRef(m, "Model", model) ||
      PyModule_AddStringConstant(m, "version", hnnc_version()))
    Py_CLEAR(m);
  Py_XDECREF(model);
  return m;
}
