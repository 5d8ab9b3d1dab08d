/* Modules of LLVM: the functions of a Cg as objects, as text, and what goes with them (wrappers of a library, the loop of the machine's
 * peak). Whatever happens on the way, what LLVM holds is disposed of, unless it was lost with a fault of its own. */
#include "codegen/object/codegen_priv.h"
#include "codegen/kernels/kernels.h"

#include <errno.h>
#include <string.h>

/* An object of functions [from, to) that is being made, with what LLVM holds for it: a fault on the way must not lose that. Of several
 * functions each is whole, in its first share. */
typedef struct Making {
  const CgNumber *number; /* NULL: no marks */
  Cg *cg;
  const CgMachine *m;
  uint32_t from, to;
  bool f64; /* of the peak's loop */
  const CgWrapper *wrapper;
  LLVMCodeGenFileType kind;
  LLVMContextRef ctx;
  LLVMModuleRef mod;
  CgEmit e;
  CgObject *out;
  FILE *print;
  char *err;
  size_t errsize;
  bool ok, lost; /* lost: what LLVM holds cannot be disposed of */
} Making;

/* Writes those that are not compiled yet. */
static void write_module(Making *w) {
  Cg *cg = w->cg;
  w->mod = cg_module(w->m, w->ctx);
  CgMarks *marks = w->number ? cg_marks_create(w->mod, w->ctx, w->number) : NULL;
  for (uint32_t k = w->from; k < w->to; k++) {
    const CgFn *f = &cg->fn.at[k];
    const bool whole = w->to - w->from > 1;
    if (f->compiled || (whole && f->share.k)) continue;
    if (cg->opt.at) cg->opt.at(f->symbol);
    cg_emit_init(&w->e, &w->m->target, w->ctx, w->mod, f->f->f64);
    w->e.marks = marks;
    gen_function(&w->e, f->f, f->symbol, cg->opt.form, f->samples, whole ? (GenShare){0, 1} : f->share);
    cg_emit_finish(&w->e);
  }
  cg_marks_end(marks, w->mod);
}

static void make_object(void *ctx) {
  Making *w = ctx;
  write_module(w);
  w->ok = cg_object(w->m, w->mod, w->kind, w->out, &w->lost, w->err, w->errsize);
}

/* Does `body` and disposes of what LLVM holds. */
static bool make(Making *w, CgMachine *m, void (*body)(void *)) {
  if (!cg_machine_start(m, w->err, w->errsize)) return false;
  w->m = m, w->ctx = LLVMContextCreate();
  const bool whole = base_try(body, w, w->err, w->errsize);
  if (w->lost) return false;
  cg_emit_finish(&w->e);
  if (w->mod) LLVMDisposeModule(w->mod);
  LLVMContextDispose(w->ctx);
  return whole && w->ok;
}

bool cg_module_object(Cg *cg, CgMachine *m, uint32_t from, uint32_t to, CgObject *out, char *err, size_t errsize) {
  Making w = {.cg = cg, .from = from, .to = to, .kind = LLVMObjectFile, .out = out, .err = err, .errsize = errsize};
  return make(&w, m, make_object);
}

/* ---- text and files ---------------------------------------------------------------------------------------------- */

static void print_module(void *ctx) {
  Making *w = ctx;
  write_module(w);
  char *text = LLVMPrintModuleToString(w->mod);
  w->ok = fputs(text, w->print) >= 0;
  if (!w->ok) snprintf(w->err, w->errsize, "cannot write: %s", strerror(errno));
  LLVMDisposeMessage(text);
}

bool cg_print_llvm(Cg *cg, FILE *out, char *err, size_t errsize) {
  Making w = {.cg = cg, .to = cg->fn.n, .print = out, .err = err, .errsize = errsize};
  return make(&w, &cg->machine, print_module);
}

static bool write_all(CgObject *o, FILE *out, char *err, size_t errsize) {
  bool ok = fwrite(o->p, 1, o->n, out) == o->n && fflush(out) == 0;
  if (!ok) snprintf(err, errsize, "cannot write: %s", strerror(errno));
  base_free(o->p);
  return ok;
}

bool cg_print_asm(Cg *cg, FILE *out, const CgNumber *number, char *err, size_t errsize) {
  CgObject o;
  Making w = {.cg = cg, .to = cg->fn.n, .kind = LLVMAssemblyFile, .out = &o, .number = number, .err = err, .errsize = errsize};
  return make(&w, &cg->machine, make_object) && write_all(&o, out, err, errsize);
}

static bool write_file(const char *path, CgObject *o, char *err, size_t errsize) {
  FILE *out = fopen(path, "wb");
  if (!out) {
    snprintf(err, errsize, "cannot write %s: %s", path, strerror(errno));
    base_free(o->p);
    return false;
  }
  bool ok = write_all(o, out, err, errsize);
  if (fclose(out) != 0 && ok) snprintf(err, errsize, "cannot write %s: %s", path, strerror(errno)), ok = false;
  return ok;
}

bool cg_write_object(Cg *cg, const char *path, char *err, size_t errsize) {
  CgObject o;
  return cg_module_object(cg, &cg->machine, 0, cg->fn.n, &o, err, errsize) && write_file(path, &o, err, errsize);
}

/* ---- wrappers ---------------------------------------------------------------------------------------------------- */

static void make_wrappers(void *ctx) {
  Making *w = ctx;
  w->mod = cg_module(w->m, w->ctx);
  for (uint32_t k = w->from; k < w->to; k++) {
    cg_emit_init(&w->e, &w->m->target, w->ctx, w->mod, true);
    gen_wrapper(&w->e, &w->wrapper[k]);
    cg_emit_finish(&w->e);
  }
  w->ok = cg_object(w->m, w->mod, LLVMObjectFile, w->out, &w->lost, w->err, w->errsize);
}

bool cg_module_wrappers(Cg *cg, const CgWrapper *wrapper, uint32_t n, CgObject *out, char *err, size_t errsize) {
  Making w = {.cg = cg, .wrapper = wrapper, .to = n, .out = out, .err = err, .errsize = errsize};
  return make(&w, &cg->machine, make_wrappers);
}

/* ---- the machine's peak ---------------------------------------------------------------------------------------------- */

static const char PEAK[] = "hnnc_peak";

static void make_peak(void *ctx) {
  Making *w = ctx;
  w->mod = cg_module(w->m, w->ctx);
  cg_emit_init(&w->e, &w->m->target, w->ctx, w->mod, w->f64);
  cg_emit_peak(&w->e, PEAK);
  w->cg->peak_flop[w->f64] = cg_peak_flop(&w->e);
  w->ok = cg_object(w->m, w->mod, LLVMObjectFile, w->out, &w->lost, w->err, w->errsize);
}

static CgImage *peak_image(Cg *cg, bool f64) {
  char err[256];
  CgObject object;
  Making w = {.cg = cg, .f64 = f64, .out = &object, .err = err, .errsize = sizeof err};
  if (!make(&w, &cg->machine, make_peak)) return NULL;
  CgImage *image = cg_image_load(object.p, object.n, NULL, err, sizeof err);
  base_free(object.p);
  return image;
}

double cg_measure_peak(Cg *cg, bool f64) {
  if (!cg->peak[f64]) cg->peak[f64] = peak_image(cg, f64);
  if (!cg->peak[f64]) return 0;
  return cg_peak_rate(cg->machine.target.tune, (CgPeakLoop)(uintptr_t)cg_image_symbol(cg->peak[f64], PEAK), cg->peak_flop[f64]);
}
