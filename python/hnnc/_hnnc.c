/* hnnc._hnnc: libhnnc (driver/library/hnnc.h) for Python. What is pleasant is in the files beside; here are a model, its lock and its arrays.
 *
 * A model is used by one thread at a time: its lock is taken without the GIL, and calls run without it. In a function that a run calls
 * (`progress`), the model refuses to be called. Arrays are whatever has the buffer protocol. A process that was forked can go on with the models
 * that nobody was in. */
#include "python/hnnc/_hnnc.h"

#include <pthread.h>
#include <string.h>

static PyObject *buffer_type; /* set when the module is made, as all modules of one process share it */
static int forks;             /* between this process and the one that loaded the module */

/* ---- the lock -------------------------------------------------------------------------------------------------- */

static void forked(void) { forks++; }

static const char *refused(Model *s, bool got) {
  if (s->running) return "the model is at work: it cannot be asked while it runs, nor in a function that its own run calls";
  if (!got && s->forks != forks)
    return "the model was in use in another thread when this process was forked from that one: open it here, or begin processes by `spawn`";
  return s->closed ? "the model is closed" : NULL;
}

/* Of what another thread was in when the process was forked, the lock is never given back. */
static const char *entered(Model *s, bool gil) {
  bool got = false;
  if (!s->running) got = PyThread_acquire_lock(s->lock, 0);
  if (!s->running && !got && s->forks == forks) {
    const PyGILState_STATE state = gil ? PyGILState_LOCKED : PyGILState_Ensure();
    Py_BEGIN_ALLOW_THREADS;
    PyThread_acquire_lock(s->lock, 1);
    Py_END_ALLOW_THREADS;
    if (!gil) PyGILState_Release(state);
    got = true;
  }
  const char *why = refused(s, got);
  if (why && got) PyThread_release_lock(s->lock);
  if (!why) s->forks = forks;
  return why;
}

bool model_enter(Model *s) {
  const char *why = entered(s, true);
  if (why) PyErr_SetString(s->closed && !s->running ? PyExc_ValueError : PyExc_RuntimeError, why);
  return !why;
}

bool model_enter_quietly(Model *s) { return !entered(s, false); }

void model_leave(Model *s) { PyThread_release_lock(s->lock); }

/* ---- texts and shapes ------------------------------------------------------------------------------------------------ */

PyObject *to_text(const char *s) { return s ? PyUnicode_DecodeUTF8(s, (Py_ssize_t)strlen(s), "replace") : Py_NewRef(Py_None); }

PyObject *to_shape(int rank, const uint32_t *dim) {
  PyObject *t = PyTuple_New(rank);
  for (int d = 0; t && d < rank; d++) PyTuple_SetItem(t, d, PyLong_FromUnsignedLong(dim[d]));
  return t;
}

PyObject *to_list(size_t n, PyObject *(*make)(const void *all, size_t k), const void *all) {
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

PyObject *to_place(const hnnc_place *p) {
  return Py_BuildValue("(NIIII)", to_text(p->file), p->line, p->column, p->end_line, p->end_column);
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
    s->forks = forks;
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

/* close(): nobody gets in any more; what arrays still show stays until they are gone. */
static PyObject *model_close(PyObject *self, PyObject *none) {
  Model *s = (Model *)self;
  (void)none;
  if (s->closed) return Py_NewRef(Py_None);
  if (!model_enter(s)) return NULL;
  s->closed = true;
  if (!s->arrays) hnnc_close(s->m), s->m = NULL;
  model_leave(s);
  return Py_NewRef(Py_None);
}

/* ---- what it is ------------------------------------------------------------------------------------------------------------ */

static PyObject *model_state(PyObject *self, PyObject *none) {
  (void)none;
  return PyLong_FromLong(hnnc_state(((Model *)self)->m));
}

static PyObject *label(const void *all, size_t k) {
  const hnnc_label *l = (const hnnc_label *)all + k;
  return Py_BuildValue("(NN)", to_place(&l->at), to_text(l->text));
}

static PyObject *help(const void *all, size_t k) { return to_text(((const char *const *)all)[k]); }

static PyObject *message(const void *all, size_t k) {
  const hnnc_message *x = (const hnnc_message *)all + k;
  return Py_BuildValue("(ONNNNN)", x->error ? Py_True : Py_False, to_text(x->code), to_text(x->text), to_place(&x->at),
                       to_list(x->nlabels, label, x->labels), to_list(x->nhelps, help, x->helps));
}

static LISTED(model_messages, hnnc_message, hnnc_messages, message)

static PyObject *model_messages_text(PyObject *self, PyObject *colour) {
  Model *s = (Model *)self;
  if (!model_enter(s)) return NULL;
  PyObject *out = to_text(hnnc_messages_text(s->m, PyObject_IsTrue(colour) > 0));
  model_leave(s);
  return out;
}

static PyObject *model_forget(PyObject *self, PyObject *none) {
  Model *s = (Model *)self;
  (void)none;
  if (!model_enter(s)) return NULL;
  hnnc_forget_messages(s->m);
  model_leave(s);
  return Py_NewRef(Py_None);
}

static PyObject *claim(const void *all, size_t k) {
  static const char *const answer[] = {"undecided", "proved", "refuted"};
  const hnnc_claim *x = (const hnnc_claim *)all + k;
  return Py_BuildValue("(NsNN)", to_text(x->text), answer[x->answer], to_text(x->detail), to_place(&x->at));
}

static LISTED(model_claims, hnnc_claim, hnnc_claims, claim)

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
  Model *s = (Model *)((Buffer *)self)->owner;
  if (s && !--s->arrays && s->closed) hnnc_close(s->m), s->m = NULL;
  Py_XDECREF((PyObject *)s);
  ((freefunc)PyType_GetSlot(type, Py_tp_free))(self);
  Py_DECREF(type);
}

static PyType_Slot buffer_slots[] = {{Py_tp_dealloc, buffer_dealloc}, {Py_bf_getbuffer, buffer_get}, {0, NULL}};
static PyType_Spec buffer_spec = {"hnnc._hnnc.Buffer", sizeof(Buffer), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
                                  buffer_slots};

static PyObject *buffer_of(PyObject *owner, void *p, size_t size) {
  PyTypeObject *type = (PyTypeObject *)buffer_type;
  Buffer *b = (Buffer *)((allocfunc)PyType_GetSlot(type, Py_tp_alloc))(type, 0);
  if (b) b->owner = Py_NewRef(owner), ((Model *)owner)->arrays++, b->p = p, b->size = (Py_ssize_t)size;
  return (PyObject *)b;
}

/* [(path, shape, values in place)] */
static PyObject *model_params(PyObject *self, PyObject *none) {
  Model *s = (Model *)self;
  const hnnc_param *x;
  (void)none;
  if (!model_enter(s)) return NULL;
  const size_t n = hnnc_params(s->m, &x), real = hnnc_single(s->m) ? sizeof(float) : sizeof(double);
  PyObject *out = PyList_New((Py_ssize_t)n);
  for (size_t k = 0; out && k < n; k++) {
    PyObject *one =
        Py_BuildValue("(NNN)", to_text(x[k].path), to_shape(x[k].rank, x[k].dim), buffer_of(self, hnnc_param_values(s->m, k), x[k].elems * real));
    if (one) PyList_SetItem(out, (Py_ssize_t)k, one);
    else Py_CLEAR(out);
  }
  model_leave(s);
  return out;
}

/* What a call with a path gives: its status. */
static PyObject *with_path(PyObject *self, PyObject *path, hnnc_status (*f)(hnnc_model *, const char *)) {
  Model *s = (Model *)self;
  hnnc_status status;
  const char *name = PyUnicode_AsUTF8AndSize(path, NULL);
  if (!name || !model_enter(s)) return NULL;
  Py_BEGIN_ALLOW_THREADS;
  status = f(s->m, name);
  Py_END_ALLOW_THREADS;
  model_leave(s);
  return PyLong_FromLong(status);
}

static PyObject *model_load(PyObject *self, PyObject *path) { return with_path(self, path, hnnc_load_params); }
static PyObject *model_save(PyObject *self, PyObject *path) { return with_path(self, path, hnnc_save_params); }

/* ---- running ---------------------------------------------------------------------------------------------------------------------- */

typedef struct Progress {
  PyObject *call;
} Progress;

static PyObject *named(const void *all, size_t k) {
  const hnnc_number *x = (const hnnc_number *)all + k;
  return Py_BuildValue("(Nd)", to_text(x->name), x->value);
}

/* The function gets (loss, step, steps, value, test, lr, samples_per_second, losses, monitor); false, or an exception, stops. */
static bool on_progress(void *ctx, const hnnc_progress *p) {
  Progress *q = ctx;
  const PyGILState_STATE gil = PyGILState_Ensure();
  PyObject *args = Py_BuildValue("(NLLddddNN)", to_text(p->loss), (long long)p->step, (long long)p->steps, p->value, p->test, p->lr,
                                 p->samples_per_second, to_list(p->nlosses, named, p->losses), to_list(p->nmonitor, named, p->monitor));
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
  if (!PyArg_ParseTuple(args, "zO", &o.dir, &p.call) || !model_enter(s)) return NULL;
  if (p.call != Py_None) o.progress = on_progress, o.ctx = &p;
  s->running = true;
  Py_BEGIN_ALLOW_THREADS;
  status = hnnc_run(s->m, &o);
  Py_END_ALLOW_THREADS;
  s->running = false;
  model_leave(s);
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
  return Py_BuildValue("(NNLNNNN)", to_text(r->name), to_shape(r->rank, r->dim), (long long)r->n, doubles(r->means, r->elems),
                       doubles(r->sds, r->elems), doubles(r->mins, r->elems), doubles(r->maxs, r->elems));
}

static LISTED(model_reports, hnnc_report, hnnc_reports, report)

static PyObject *expect(const void *all, size_t k) {
  const hnnc_expect *x = (const hnnc_expect *)all + k;
  return Py_BuildValue("(NO)", to_text(x->text), x->holds ? Py_True : Py_False);
}

static LISTED(model_expects, hnnc_expect, hnnc_expects, expect)

static PyObject *model_run_dir(PyObject *self, PyObject *none) {
  (void)none;
  return to_text(hnnc_run_dir(((Model *)self)->m));
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
  PyObject *answer = got && got < n + 65536 ? to_text(out) : Py_NewRef(Py_None);
  PyMem_Free(out);
  return answer;
}

/* runs_page(directories, path) -> None, or why it was not written. */
static PyObject *runs_page(PyObject *self, PyObject *args) {
  (void)self;
  PyObject *list, *one;
  const char *path, *dir[1000];
  char why[512];
  if (!PyArg_ParseTuple(args, "O!s", &PyList_Type, &list, &path)) return NULL;
  const Py_ssize_t n = PyList_Size(list);
  if (n > (Py_ssize_t)(sizeof dir / sizeof *dir)) return PyErr_SetString(PyExc_ValueError, "too many runs"), NULL;
  for (Py_ssize_t k = 0; k < n; k++)
    if (!(one = PyList_GetItem(list, k)) || !(dir[k] = PyUnicode_AsUTF8AndSize(one, NULL))) return NULL;
  return hnnc_runs_page(dir, (size_t)n, path, why, sizeof why) ? Py_NewRef(Py_None) : to_text(why);
}

/* With the signature that help() and inspect show, which the stubs in _hnnc.pyi say, too. */
#define METHOD(name, f, flags, args) {name, (PyCFunction)(void (*)(void))(f), flags, name "($self" args ", /)\n--\n\n"}
static PyMethodDef model_methods[] = {METHOD("state", model_state, METH_NOARGS, ""),
                                      METHOD("messages", model_messages, METH_NOARGS, ""),
                                      METHOD("messages_text", model_messages_text, METH_O, ", colour"),
                                      METHOD("forget", model_forget, METH_NOARGS, ""),
                                      METHOD("claims", model_claims, METH_NOARGS, ""),
                                      METHOD("params", model_params, METH_NOARGS, ""),
                                      METHOD("load", model_load, METH_O, ", path"),
                                      METHOD("save", model_save, METH_O, ", path"),
                                      METHOD("functions", model_functions, METH_NOARGS, ""),
                                      METHOD("left_out", model_left_out, METH_NOARGS, ""),
                                      METHOD("derive", model_derive, METH_VARARGS, ", kind, function"),
                                      METHOD("call", model_call, METH_VARARGS, ", function, n, seed, args, results"),
                                      METHOD("arrays", model_arrays, METH_FASTCALL, ", function, seed, args, results"),
                                      {"numbers", (PyCFunction)(void (*)(void))model_numbers, METH_FASTCALL, "numbers($self, function, results, /, *args)\n--\n\n"},
                                      METHOD("compile", model_compile, METH_NOARGS, ""),
                                      METHOD("export_onnx", model_export_onnx, METH_VARARGS, ", path, functions"),
                                      METHOD("export_library", model_export_library, METH_VARARGS, ", path"),
                                      METHOD("low_level", model_low_level, METH_VARARGS, ", function, form, elems"),
                                      METHOD("run", model_run, METH_VARARGS, ", dir, progress"),
                                      METHOD("stop", model_stop, METH_NOARGS, ""),
                                      METHOD("go_on", model_go_on, METH_NOARGS, ""),
                                      METHOD("reports", model_reports, METH_NOARGS, ""),
                                      METHOD("expects", model_expects, METH_NOARGS, ""),
                                      METHOD("run_dir", model_run_dir, METH_NOARGS, ""),
                                      METHOD("single", model_single, METH_NOARGS, ""),
                                      METHOD("close", model_close, METH_NOARGS, ""),
                                      {NULL, NULL, 0, NULL}};
static const char model_doc[] = "Model(path, text=None, run=False, overrides=None, seed=0, threads=0, cpu=None, cache_dir=None)\n--\n\n";
static PyType_Slot model_slots[] = {{Py_tp_new, model_new}, {Py_tp_dealloc, model_dealloc}, {Py_tp_methods, model_methods}, {Py_tp_doc, (void *)(uintptr_t)model_doc}, {0, NULL}};
static PyType_Spec model_spec = {"hnnc._hnnc.Model", sizeof(Model), 0, Py_TPFLAGS_DEFAULT, model_slots};

static PyMethodDef functions[] = {{"runs_page", runs_page, METH_VARARGS, "runs_page($module, directories, path, /)\n--\n\n"},
                                  {"runs", runs, METH_O, "runs($module, directory, /)\n--\n\n"}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "hnnc._hnnc", NULL, -1, functions, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__hnnc(void) {
  PyObject *m = PyModule_Create(&module), *model = PyType_FromSpec(&model_spec);
  if (!buffer_type) pthread_atfork(NULL, NULL, forked);
  if (!buffer_type) buffer_type = PyType_FromSpec(&buffer_spec);
  if (!m || !model || !buffer_type || PyModule_AddObjectRef(m, "Model", model) ||
      PyModule_AddStringConstant(m, "version", hnnc_version()))
    Py_CLEAR(m);
  Py_XDECREF(model);
  return m;
}
