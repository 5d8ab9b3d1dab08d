/* Names: frames of local ones, and the modules with what their files define (scope.c, module.c). */
#ifndef HNNC_FRONTEND_ELAB_SCOPE_H
#define HNNC_FRONTEND_ELAB_SCOPE_H

#include "frontend/elab/value.h"

typedef struct Entry {
  const char *name;
  Value v;
  Span at;
  bool var, argument; /* may be reassigned; of a call */
  Level *level;
  const Item *taken; /* a copy, taken along by this definition in the body that the name is of */
  bool changed;      /* which was reassigned since */
  struct Copies *copies;
} Entry;

struct Frame {
  Frame *up; /* NULL: the module's names follow */
  Module *module;
  VEC(Entry) entries;
  Index index;     /* of entries, once there are many */
  Frame *next_all; /* for the final sweep */
};

typedef enum { G_UNSEEN, G_BUSY, G_DONE } GState;
typedef struct Global {
  const char *name;
  const Item *item;
  Module *module;
  GState state;
  Value v;
  bool elaborated; /* its body was seen at least once */
  bool broken;     /* a recursion was reported */
  uint32_t expansions;
  int active; /* calls of it under way */
  const Type *arg;
  uint32_t narg;
  bool fixed; /* argument types of the first call, for exports */
} Global;

struct Module {
  Module *next;
  const char *path, *dir; /* as shown; the folder of its file */
  Ast *ast;
  Global *global;
  uint32_t nglobal;
  Index index; /* of global */
  Module **import;
  uint32_t nimport;
  bool std;     /* of the library */
  bool lacking; /* an import failed: what is not defined may have been in it */
};

/* A new innermost frame, until the context is popped. */
Frame *frame_push(Elab *E, Frame *up, Module *m);
/* One inside the innermost, and its end: nothing refers to it any more. */
void frame_inner(Elab *E);
void frame_pop(Elab *E);
Entry *frame_define(Elab *E, const char *name, Span at, Value v, bool var); /* in the innermost frame */
Entry *frame_find(Frame *f, const char *name);
/* A copy of e in `to`, for the definition `it`, and word to all copies that e has been reassigned. */
void entry_take(Elab *E, Frame *to, Entry *e, const Item *it);
void entry_changed(Entry *e);
Global *module_find(Module *m, const char *name); /* own or imported */
Value global_value(Elab *E, Global *g, Span use);
Value elab_name(Elab *E, const char *name, Span at);
bool elab_broken(const Elab *E, const char *name); /* its definition has a syntax error, which was said */
bool elab_known(Elab *E, const char *name, bool builtins);
void elab_unknown(Elab *E, const char *name, Span at); /* the error, with a suggestion */

/* module.c: the file with what it imports */
const char *module_of_library(const char *name); /* "std/nets": which defines it; NULL: none */
bool module_is_library(const SourceFile *f);     /* its text is that of a module of the library */
Module *module_load(Elab *E, const char *path, uint32_t file);
/* access(2), and the model remembers what it said. */
bool elab_look(Elab *E, const char *path, int mode);

#endif
