/* Pages that stand alone, of models and of runs: NAME.html of this room with NAME.css and NAME.js in it, what all share, and data. */
#ifndef HNNC_DRIVER_PAGES_PAGES_H
#define HNNC_DRIVER_PAGES_PAGES_H

#include "driver/driver.h"

#include <jansson.h>

bool pages_write(FILE *out, const char *name, const char *title, const json_t *data); /* false: it cannot be written */

char *pages_base64(const unsigned char *p, size_t n); /* of base_realloc */

#endif
