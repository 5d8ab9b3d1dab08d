/* Between the files of this room. */
#ifndef HNNC_DRIVER_REPORT_REPORT_PRIV_H
#define HNNC_DRIVER_REPORT_REPORT_PRIV_H

#include "driver/report/report.h"

/* What a page takes from a file of a run: files.c, shape.c. Wherever the file is not what hnnc writes, NULL or false, and what is wrong where. */

/* Whether a run began there, whatever has become of its manifest. */
bool report_begun(const char *dir);
/* A text in UTF-8, malloc'ed. */
char *report_text(const RtRun *run, const char *name, size_t *size, RtError *err);
/* A picture, as a text or in base64, or null and in `why` that it is too large for a page. */
json_t *report_picture(const RtRun *run, const char *name, const char **why, RtError *err);
/* The file as JSON, with what the page reads in its place; *none: there is no such file. */
json_t *report_json(const RtRun *run, const char *name, bool *none, RtError *err);
/* Some of the lines of metrics.jsonl, spread evenly. whole: the run is done; else a last line without its end is being written. */
json_t *report_metrics(const RtRun *run, size_t most, bool whole, RtError *err);

/* Whether a value has what the page reads, each of its kind. */
typedef enum ShapeOf { SHAPE_MANIFEST, SHAPE_REPORTS, SHAPE_METRIC } ShapeOf;
bool shape_fits(ShapeOf of, json_t *value, const char *place, RtError *err);

#endif
