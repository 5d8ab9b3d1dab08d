/* Names of other languages: what is written here instead. */
#include "frontend/synonym.h"

#include <string.h>
#include <strings.h>

const char *synonym_among(const char *name, const char *const *candidates, size_t n) {
  static const struct { const char *name, *here; } row[] = {
#define ALIAS(name, here) {name, here},
#define SYN(name, help)
#include "frontend/synonyms.def"
#undef ALIAS
#undef SYN
  };
  for (size_t i = 0; i < sizeof row / sizeof *row; i++)
    for (size_t k = 0; k < n && !strcasecmp(row[i].name, name); k++)
      if (candidates[k] && !strcmp(row[i].here, candidates[k])) return candidates[k];
  return NULL;
}

const char *synonym(const char *name) {
  static const struct { const char *name, *help; } row[] = {
#define ALIAS(name, here)
#define SYN(name, help) {name, help},
#include "frontend/synonyms.def"
#undef ALIAS
#undef SYN
  };
  for (size_t i = 0; i < sizeof row / sizeof *row; i++)
    if (!strcasecmp(row[i].name, name)) return row[i].help;
  return NULL;
}
