/* The page of a model for those who look for a derivative: source, tree, IR after each pass, loop nests and assembly, linked; numbers at a
 * few samples, derivatives beside differences. The page is page.html with its style and program and the data as JSON, all in one file. */
#ifndef HNNC_DRIVER_EXPLORE_EXPLORE_H
#define HNNC_DRIVER_EXPLORE_EXPLORE_H

#include "driver/session/session.h"
#include "frontend/model/tree.h"

#include <jansson.h>

/* All that the page shows, its format at the top of page.js; NULL after messages in s->diag. code: with loop nests and assembly. */
json_t *explore_data(Session *s, const Tree *tree, bool code);
/* A page that stands alone: the text NAME.html of the build with NAME.css and NAME.js in it, and data. False: it cannot be written. */
bool explore_write_page(FILE *out, const char *name, const char *title, const json_t *data);

#endif
