/* The types of the nodes of the syntax tree, noted where a tree is wanted (model/tree.c). The first type says most: in a function it
 * is that of its first call. And, where that is asked for, which instructions were made by each evaluation of an expression. */
#include "frontend/elab/elab_priv.h"

#include <stdlib.h>

struct Notes {
  VEC(const char *) type;
  Index at; /* by node */
  VEC(NoteMade) made;
};

static uint64_t key(const void *node) { return (uint64_t)(uintptr_t)node; }

static void begin(Elab *E) {
  if (!E->notes) E->notes = ARENA_NEW(E->mem, struct Notes);
}

void elab_note_type(Elab *E, const void *node, Value v) {
  if (!E->o->tree || v.kind == V_POISON) return;
  begin(E);
  if (index_find(&E->notes->at, key(node))) return;
  index_put(&E->notes->at, key(node), E->notes->type.n);
  *vec_push(&E->notes->type) = value_text(E, v);
}

const char *elab_type_of(const Elab *E, const void *node) {
  const uint32_t *i = E->notes ? index_find(&E->notes->at, key(node)) : NULL;
  return i ? E->notes->type.at[*i] : NULL;
}

void elab_note_made(Elab *E, const void *node, const Fn *fn, uint32_t first) {
  if (!E->o->tree || !E->o->made || E->now->level->fn != fn || fn->inst.n == first) return;
  begin(E);
  *vec_push(&E->notes->made) = (NoteMade){node, fn, first, fn->inst.n};
}

const NoteMade *elab_made(const Elab *E, uint32_t k) { return E->notes && k < E->notes->made.n ? &E->notes->made.at[k] : NULL; }

void notes_finish(Elab *E) {
  if (!E->notes) return;
  vec_free(&E->notes->type);
  vec_free(&E->notes->made);
  index_free(&E->notes->at);
}
