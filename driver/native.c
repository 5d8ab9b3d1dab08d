/* From IR functions to callables: derive, simplify, split, compile together. */
#include "driver/driver.h"

#include <stdlib.h>
#include <string.h>

/* Symbols in a module: NAME for the batch, NAME_pre and NAME_post for the shared parts. */
static const char *part_symbol(char *buf, size_t size, const char *name, const char *part) {
  snprintf(buf, size, "hnn_%s%s", name, part);
  for (char *c = buf; *c; c++)
    if (!((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9'))) *c = '_';
  return buf;
}

static bool lower(Session *s, NativeJob *j) {
  Native *n = j->native;
  *n = (Native){.name = j->name};
  Fn *derived = pass_derive(j->fn, s->diag);
  if (!derived) return false;
  n->fn = pass_simplify(derived);
  ir_fn_destroy(derived);
  return pass_split(n->fn, &n->split, s->diag);
}

static void add_parts(Cg *cg, const Native *n) {
  char symbol[256];
  if (n->split.pre) cg_add(cg, n->split.pre, part_symbol(symbol, sizeof symbol, n->name, "_pre"));
  if (n->split.batch) cg_add(cg, n->split.batch, part_symbol(symbol, sizeof symbol, n->name, ""));
  if (n->split.post) cg_add(cg, n->split.post, part_symbol(symbol, sizeof symbol, n->name, "_post"));
}

static RtPart part_of(Cg *cg, const Fn *f, const char *name, const char *suffix) {
  char symbol[256];
  RtPart p = {0};
  if (!f) return p;
  part_symbol(symbol, sizeof symbol, name, suffix);
  p.kernel = cg_kernel(cg, symbol);
  p.info = cg_info(cg, symbol);
  p.nin = (int)f->in.n;
  p.nout = (int)f->out.n;
  p.out_elems = base_realloc(NULL, sizeof *p.out_elems * (f->out.n + 1));
  p.out_lane = base_realloc(NULL, sizeof *p.out_lane * (f->out.n + 1));
  for (uint32_t k = 0; k < f->out.n; k++) {
    Type t = ir_type(f, f->out.at[k]);
    p.out_elems[k] = type_count(t);
    p.out_lane[k] = t.lane;
  }
  return p;
}
