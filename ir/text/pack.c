/* See pack.h. */
#include "ir/text/pack.h"

#include <stdlib.h>
#include <string.h>

/* Its elements are the caller's to pack. */
#define ROOM(p, v, size)                                                                      \
  do {                                                                                        \
    pack_count((p), &(v).n, (size));                                                          \
    if ((p)->reading) (v).cap = (v).n, (v).at = base_realloc((v).at, sizeof *(v).at * (v).n); \
  } while (0)
#define PLAIN(p, v)                                 \
  do {                                              \
    ROOM(p, v, sizeof *(v).at);                     \
    pack_bytes((p), (v).at, sizeof *(v).at *(v).n); \
  } while (0)

_Static_assert(sizeof(Inst) == 72, "instructions have no padding: equal ones are equal bytes");

static void pack_insts(Pack *p, Fn *f) {
  if (!p->bare) {
    PLAIN(p, f->inst);
    return;
  }
  pack_count(p, &f->inst.n, 0);
  for (uint32_t id = 0; id < f->inst.n; id++) {
    Inst i = f->inst.at[id];
    i.at = (Span){0};
    i.role = i.of = 0;
    PACK(p, i);
  }
}

static void pack_input(Pack *p, Input *in) {
  pack_text(p, &in->name);
  PACK(p, in->kind);
  PACK(p, in->index);
  PACK(p, in->type);
}

static void pack_table(Pack *p, Table *t) {
  uint32_t n = p->reading ? 0 : (uint32_t)type_count(t->type);
  PACK(p, t->type);
  PACK_ARRAY(p, t->v, n);
}

static void pack_body(Pack *p, Fn *f) {
  pack_insts(p, f);
  PLAIN(p, f->pool);
  PLAIN(p, f->attr);
  PLAIN(p, f->out);
  ROOM(p, f->in, sizeof(Type));
  for (uint32_t k = 0; k < f->in.n; k++) pack_input(p, &f->in.at[k]);
  ROOM(p, f->outname, sizeof(uint32_t));
  for (uint32_t k = 0; k < f->outname.n; k++) pack_text(p, &f->outname.at[k]);
  ROOM(p, f->table, sizeof(Type));
  for (uint32_t k = 0; k < f->table.n; k++) pack_table(p, &f->table.at[k]);
  ROOM(p, f->sub, sizeof(uint32_t));
  for (uint32_t k = 0; k < f->sub.n; k++) {
    const char *name = p->reading ? NULL : f->sub.at[k]->name;
    pack_text(p, &name);
    if (p->reading) f->sub.at[k] = ir_sub_create(f, name ? name : "");
    pack_body(p, f->sub.at[k]);
  }
}

void pack_fn(Pack *p, Fn **f) {
  Arena *mem = p->mem;
  uint8_t there = !p->reading && *f, f64 = there ? (*f)->f64 : 0;
  PACK(p, there);
  PACK(p, f64);
  if (p->reading) *f = there && !p->bad ? ir_fn_create("", f64) : NULL;
  if (!*f) return;
  if (p->reading) p->mem = (*f)->mem;
  pack_text(p, &(*f)->name);
  pack_body(p, *f);
  p->mem = mem;
}
