/* The types of the nodes of the syntax tree, noted where a tree is wanted (model/tree.c). The first type says most: in a function it
 * is that of its first call. */
#include "frontend/elab/elab_priv.h"

#include <stdlib.h>

struct Notes {
  VEC(const char *) type;
  Index at; /* by node */
};

static uint64_t key(const void *node) { return (uint64_t)(uintptr_t)node; }

void elab_note_type(Elab *E, const void *node, Value v) {
  if (!E->o->tree || v.kind == V_POISON) return;
  if (!E->notes) E->notes = ARENA_NEW(E->mem, struct Notes);
  if (index_find(&E->notes->at, key(node))) return;
  index_put(&E->notes->at, key(node), E->notes->type.n);
  *vec_push(&E->notes->type) = value_text(E, v);
}

const char *elab_type_of(const Elab *E, const void *node) {
  const uint32_t *i = E->notes ? index_find(&E->notes->at, key(node)) : NULL;
  return i ? E->notes->type.at[*i] : NULL;
}

void notes_finish(Elab *E) {
  if (!E->notes) return;
  vec_free(&E->notes->type);
  index_free(&E->notes->at);
}
