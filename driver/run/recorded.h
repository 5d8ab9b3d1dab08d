/* What a run directory says of its run: what is read of one that is there, to go on with it or to ask it. */
#ifndef HNNC_DRIVER_RUN_RECORDED_H
#define HNNC_DRIVER_RUN_RECORDED_H

#include "driver/run/report.h"
#include "runtime/rundir/rundir.h"

typedef struct Recorded {
  RtRun *run;
  Options opt; /* those of the run, but for what is the caller's: threads, quiet, ... */
  char *text;  /* of model.hnn */
  size_t len;
  VEC(char *) import; /* texts of what it imported, once they were asked for */
} Recorded;

/* Options, text and imports of `run`, which becomes the record's own; o: of this command. False, and why: what is damaged or missing. */
bool recorded_open(Recorded *r, RtRun *run, const Options *o, RtError *err);
void recorded_close(Recorded *r); /* run NULL: it is somebody else's by now */
/* From here on its imports are those of the directory, where it has them: whatever became of the files since. */
void recorded_imports(Recorded *r);
/* The parameters that `from` has, the run, one of its checkpoints or another file, for the session of the record; a run that trains
 * nothing has none. 0, or the exit code after messages; `said`: where it is told what may be unexpected, or NULL. */
int recorded_weights(Session *s, const Recorded *r, const char *from, FILE *said);
/* The parameters of `from`, a run or a file, for a model that is read anew; a file of it that has changed since the run is told. */
int recorded_load(Session *s, const char *from, FILE *said);
/* Whether the files that the model reads hold what they held: 0, or the exit code after a message of that kind; or_else: what may be
 * done but to put them back. */
int recorded_data(Session *s, const RtRun *run, DiagCode kind, const char *or_else);
const char *recorded_text(const RtRun *run, const char *key); /* of the manifest */
/* The reports above `action` as reports.json has them; the name of one that is not there, or NULL. */
const char *recorded_reports(const RtRun *run, const Model *m, int action, ReportResult *result);

#endif
