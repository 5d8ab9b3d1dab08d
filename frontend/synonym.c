/* Names of other languages: what is written here instead. */
#include "frontend/synonym.h"

#include <strings.h>

const char *synonym(const char *name) {
  static const struct { const char *name, *help; } row[] = {
#define SYN(name, help) {name, help},
#include "frontend/synonyms.def"
#undef SYN
  };
  for (size_t i = 0; i < sizeof row / sizeof *row; i++)
    if (!strcasecmp(row[i].name, name)) return row[i].help;
  return NULL;
}
