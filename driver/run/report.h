#ifndef HNNC_DRIVER_RUN_REPORT_H
#define HNNC_DRIVER_RUN_REPORT_H

#include "driver/session/native.h"

/* What a report gave. */
typedef struct ReportResult {
  double *mean, *sd, *min, *max; /* of each element, row-major, in one piece that begins with mean; NULL: not made yet */
  double *asked;                 /* in the order of Report.asked, each for all elements */
  uint32_t elems;
  int64_t n;
  bool made;
} ReportResult;
ReportResult *report_results(const Model *m); /* one for each report, by report_number */
void report_results_free(const Model *m, ReportResult *results);

/* Room for what the report gives, where there is none yet. */
void report_result_room(const Report *report, ReportResult *r);
bool report_finite(const Report *report, const ReportResult *r); /* all means are, but of log-weights that are asked as such */

/* Runs a report with the session's parameters and the results of those above; 0, or the exit code after messages. */
int report_run(Session *s, const Report *report, const ReportResult *results, ReportResult *out);
/* The same in two steps, with other parameters, of one whose data is made; what is not finite is not looked into. */
NativeJob report_job(Session *s, const Report *report, Native *native);
void report_evaluate(Session *s, const Report *report, const Native *native, const RtArray *param, const ReportResult *results,
                     ReportResult *out);
/* An input of a report's function: a parameter, a field of the set, one of the statistics. */
HnnArg report_argument(const RtArray *param, const Input *in, const RtSet *set, const RtArray *stats);
/* The statistics that a function has as inputs, at stat_at of a shared array of the model's precision. */
RtArray report_inputs(const Session *s, const ReportUse *use, uint32_t n, const ReportResult *results);
/* statistics.c: what later items ask, of the values of all samples. */
void report_answer(const Report *report, const RtArray *value, ReportResult *out);
/* Where the values of an element begin: of all samples, or of the one that all share. */
static inline int64_t report_row(const RtArray *a, uint32_t e) { return a->n ? e * a->ld : e; }
/* "quantile(0.9)": of one that is asked; into text[STAT_TEXT]. */
enum { STAT_TEXT = 40 };
const char *report_stat_text(ReportStat s, char *text);
/* `results` is indexed by report_number. */
int expect_run(Session *s, const Expect *e, const ReportResult *results, bool *holds);
/* The place of a report among the reports of the model, in the order of the file. */
uint32_t report_number(const Model *m, const Report *report);
/* Of the results of the reports before an action, as reports.json has them (what is not finite is null there). */
enum { REPORTS_HASH = 20 };
void reports_hash(const Model *m, const ReportResult *results, int action, char out[REPORTS_HASH]);

#endif
