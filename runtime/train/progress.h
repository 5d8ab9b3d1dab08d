/* Progress of a training on stderr: one line that is rewritten on a terminal, a line now and then
 * elsewhere, nothing when quiet. */
#ifndef HNNC_RUNTIME_TRAIN_PROGRESS_H
#define HNNC_RUNTIME_TRAIN_PROGRESS_H

#include "runtime/runtime.h"

typedef struct RtProgress {
  FILE *out;
  bool terminal, quiet, tested, averaged; /* the test losses are shown, whatever they are */
  const char *name;
  const RtNumber *losses, *monitor; /* shown behind the loss, and behind the tests */
  int nlosses, nmonitor;
  int64_t steps, first, last_step;
  double started, shown; /* seconds; when the last line was written */
  bool open;             /* a line on the terminal is not ended yet */
} RtProgress;

void rt_progress_init(RtProgress *p, FILE *out, bool quiet, const char *name, int64_t step, int64_t steps);
/* test NaN: there is none, unless p->tested. */
void rt_progress_step(RtProgress *p, const RtStep *at);
void rt_progress_finish(RtProgress *p); /* ends the line: before any other message */
/* The text of a line; at most size - 1 bytes. */
void rt_progress_text(const RtProgress *p, double now, const RtStep *at, char *out, size_t size);

#endif
