/* Functions that leave a model: as ONNX, and as a library. The command's own options name them. */
#include "driver/export/export.h"
#include "driver/library/calls_priv.h"

#include <string.h>

typedef struct Exporting {
  const char *path;
  const size_t *function;
  size_t n;
} Exporting;

/* A function, too, is called as this report. */
static bool shadowed(const Functions *all, const Function *report) {
  for (uint32_t k = 0; k < all->list.n; k++) {
    const Function *x = all->list.at[k];
    if (x != report && !strcmp(x->name, report->name) && !x->mean) return true;
  }
  return false;
}

/* What the command calls function k, once it is asked for what k is a product of; NULL: it is none that can leave. */
static const char *asked(hnnc_model *m, size_t k) {
  const Functions *all = &library_calls(m)->all;
  if (k >= all->list.n) return NULL;
  const Function *x = all->list.at[k];
  if (x->mean) return arena_printf(m->mem, "%s_%s", x->kind, x->cname);
  if (!strcmp(x->kind, "report") && shadowed(all, x)) return arena_printf(m->mem, "report_%s", x->name);
  if (!x->plain) return x->name;
  const char *of = asked(m, x->of);
  *vec_push(&m->opt.product) = (struct Product){x->product, of};
  return x->name;
}

static hnnc_status export_functions(hnnc_model *m, void *arg) {
  const Exporting *e = arg;
  if (m->state != HNNC_OK || !e->path || (e->n && !e->function)) return HNNC_USAGE;
  hnnc_status status = HNNC_OK;
  m->opt.product.n = m->opt.more.n = 0;
  for (size_t k = 0; !status && k < e->n; k++) {
    const char *name = asked(m, e->function[k]);
    if (name) *vec_push(&m->opt.more) = name;
    else status = HNNC_USAGE;
  }
  /* A folder is one that it may make. */
  m->opt.out = arena_printf(m->mem, "%s%s", e->path, e->n ? "" : "/");
  if (!status) status = library_status(export_onnx(&m->s));
  m->opt.product.n = m->opt.more.n = 0, m->opt.out = NULL;
  return status;
}

static hnnc_status export_whole(hnnc_model *m, void *path) {
  if (m->state != HNNC_OK || !path) return HNNC_USAGE;
  m->opt.product.n = 0, m->opt.out = path;
  const hnnc_status status = library_status(export_library(&m->s, true, true));
  m->opt.out = NULL;
  return status;
}

hnnc_status hnnc_export_library(hnnc_model *m, const char *path) { return library_call(m, export_whole, (void *)path); }

hnnc_status hnnc_export_onnx(hnnc_model *m, const char *path, const size_t *functions, size_t n) {
  return library_call(m, export_functions, &(Exporting){path, functions, n});
}
