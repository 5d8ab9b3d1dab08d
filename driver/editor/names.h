/* Who is who in a file: each name with what defines it, by the tokens alone, so that it holds where a file has errors, too. */
#ifndef HNNC_DRIVER_EDITOR_NAMES_H
#define HNNC_DRIVER_EDITOR_NAMES_H

#include "frontend/syntax/lexemes.h"

typedef enum DefKind {
  DEF_CONST, /* items, in the order of def_word */
  DEF_FN,
  DEF_HAMILTONIAN,
  DEF_NET,
  DEF_FLOW,
  DEF_USE,
  DEF_DATA,
  DEF_LOSS,
  DEF_REPORT,
  DEF_PLOT,
  DEF_SAVE,
  DEF_FORMAL, /* from here on: within an item */
  DEF_SIZE,   /* of an axis, which the arguments say */
  DEF_LET,
  DEF_VAR,
  DEF_PARAM,
  DEF_LOCAL_USE,
  DEF_RUNNING,
  DEF_TURN, /* of a loop or a comprehension */
  DEF_LOCAL_FN,
  DEF_FIELD /* of a data set */
} DefKind;
extern const char *const def_word[]; /* "const", ..., "a parameter of it", ... */

typedef struct Def {
  DefKind kind;
  uint32_t at;         /* lexeme: its name */
  uint32_t begin, end; /* lexemes of the statement or item, the last one behind it */
  uint32_t owner;      /* DEF_FORMAL: lexeme of the function's name; DEF_FIELD: of the data set's */
  uint32_t list;       /* DEF_FORMAL: 0 or 1, the parameter list */
} Def;

typedef enum NameRole { ROLE_NONE, ROLE_DEF, ROLE_USE, ROLE_OPTION, ROLE_TYPE, ROLE_MEMBER, ROLE_BUILTIN, ROLE_UNKNOWN } NameRole;

typedef struct Name { /* of a lexeme */
  NameRole role;
  uint32_t file; /* of the definition: a number of a source; 0: none */
  uint32_t def;
} Name;

typedef struct FileNames {
  uint32_t file;
  const char *text, *path;
  Lexeme *lex;
  uint32_t n;
  Name *name; /* by lexeme */
  Def *def;
  uint32_t ndef;
} FileNames;

/* Fills in one file's definitions of the top level; then, when all files have these, all else. */
void names_globals(FileNames *f, Arena *mem);
void names_resolve(FileNames *all, uint32_t n, uint32_t which, Arena *mem);

bool names_text(const FileNames *f, uint32_t lex, const char *word); /* whether a lexeme is this text */
/* The lexeme at a byte, or that ends there; -1: none. */
int32_t lexeme_at(const FileNames *f, uint32_t byte);
/* The function that is called by the parentheses that open at a lexeme, and which list of arguments they are; -1: none. */
int32_t names_callee(const FileNames *f, uint32_t opener, uint32_t *list);

#endif
