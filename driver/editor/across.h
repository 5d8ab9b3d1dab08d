/* Names across files, by the tokens alone (across.c). */
#ifndef HNNC_DRIVER_EDITOR_ACROSS_H
#define HNNC_DRIVER_EDITOR_ACROSS_H

#include "driver/editor/server_priv.h"

typedef struct AcrossFile {
  const char *path; /* as realpath has it */
  const char *text; /* NULL: it cannot be read */
  size_t len;
  const Doc *open; /* NULL: it is read from the disk */
  FileNames names; /* definitions of the top level */
  FileNames *all;  /* [0]: it with all its names; then what it imports itself; NULL: not asked for yet */
  uint32_t nall;
} AcrossFile;

typedef struct Across {
  Server *s;
  Arena *mem;
  Source *src;
  Diag *unheard;
  Interner *interner;
  VEC(AcrossFile *) file; /* grows while names are looked up */
  uint32_t listed;
} Across;

/* A definition of the top level. */
typedef struct Target {
  const char *library; /* `std/nets`; NULL: a file's */
  const char *path, *name;
  uint32_t begin;
} Target;

void across_begin(Across *x, Server *s, Arena *mem);
void across_end(Across *x);
AcrossFile *across_file(Across *x, const char *path);                                    /* NULL: it cannot be read */
bool across_target(Across *x, const Doc *d, const Analysis *a, uint32_t lex, Target *t); /* false: it is seen in its file alone */
bool across_imports(Across *x, AcrossFile *f, const Target *t);
const FileNames *across_globals(Across *x, AcrossFile *f); /* NULL: it cannot be read */
uint32_t across_next(Across *x, AcrossFile *f, const Target *t, uint32_t i);
const FileNames *across_names(Across *x, AcrossFile *f); /* with those of what it imports itself */
char *across_uri(const AcrossFile *f);                   /* to be freed */

#endif
