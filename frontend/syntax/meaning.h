/* What a form means where versions of the language differ: one row a change, which the evaluator asks. */
#ifndef HNNC_FRONTEND_SYNTAX_MEANING_H
#define HNNC_FRONTEND_SYNTAX_MEANING_H

#include "ir/base/base.h"

typedef enum MeaningId {
#define MEANING(name, version, release, form, was, is, write) MEANING_##name,
#include "frontend/syntax/meanings.def"
#undef MEANING
  MEANINGS
} MeaningId;

typedef struct Meaning { /* a row of meanings.def */
  int version;
  const char *release, *form, *was, *is, *write;
} Meaning;

/* At a place of the form: whether it means what it means from the row's version on. Warns of a file that does not say which version it was
 * written for, and of a change to come; a file that says an older one gets an error. `mend`: what means the old thing at this very place, or NULL. */
bool meaning_changed(Diag *d, const Source *src, MeaningId id, Span at, const char *mend);
/* The same of a row in a language that is at version `now`. */
bool meaning_tell(Diag *d, const Source *src, const Meaning *row, int now, Span at, const char *mend);

#endif
