/* What was asked of a model (FrontOptions.ask), evaluated with the session's parameters on the arrays of a file. */
#ifndef HNNC_DRIVER_RUN_EVAL_H
#define HNNC_DRIVER_RUN_EVAL_H

#include "driver/run/report.h"

/* A file of arrays: `ask` names them, and stands as long as this. */
typedef struct EvalData {
  RtTable table;
  Ask ask;
} EvalData;

/* path NULL: there are no arrays. */
bool eval_open(EvalData *d, const char *text, const char *path, RtError *err);
void eval_close(EvalData *d);

/* The arrays that the session was opened with, and results of the reports that are asked for. out[k], of model->asked->save->fn->out.n,
 * is the result of key k with all of its axes, as a shared array; seed: of draws. 0, or the exit code after messages. */
int eval_run(Session *s, EvalData *d, const ReportResult *results, uint64_t seed, RtArray *out);
/* In the form that the name's end says: .npz, .npy of one array, else a text table, NULL: that on the standard output. */
bool eval_write(const RtArray *a, int n, int nlead, const char *path, RtError *err);

#endif
