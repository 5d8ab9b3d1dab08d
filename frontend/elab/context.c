/* Contexts: what is pushed for a part of the file that stands apart, and popped behind it. */
#include "frontend/elab/elab.h"

#include <stdlib.h>

void context_push(Elab *E, Context *c) {
  *c = *E->now;
  c->own = (Body){0};
  c->up = E->now;
  E->now = c;
}

void context_alone(Elab *E, Context *c, Module *m) {
  context_push(E, c);
  c->flow = NULL;
  c->yield = NULL;
  c->calls = NULL;
  frame_push(E, NULL, m);
}

Body *context_body(Context *c, const char *path) {
  c->own = (Body){.path = path};
  return c->body = &c->own;
}

void context_pop(Elab *E, Context *c) {
  if (E->now != c) base_fault("a context is popped that is not the innermost");
  E->now = c->up;
  vec_free(&c->own.used);
  vec_free(&c->own.counts);
  vec_free(&c->own.params);
  vec_free(&c->own.required);
}
