/* The page of a model for those who look for a derivative: source, tree, IR after each pass, loop nests and assembly, linked; numbers at a
 * few samples, derivatives beside differences: driver/pages/explore.html. */
#ifndef HNNC_DRIVER_EXPLORE_EXPLORE_H
#define HNNC_DRIVER_EXPLORE_EXPLORE_H

#include "driver/session/session.h"
#include "frontend/model/tree.h"

#include <jansson.h>

/* All that the page shows, its format at the top of driver/pages/explore/data.js; NULL after messages in s->diag. code: with loop nests and assembly. */
json_t *explore_data(Session *s, const Tree *tree, bool code);

#endif
