/* See monitor.h. They are compiled while the first steps run. */
#include "driver/run/monitor.h"
#include "driver/session/data.h"

#include <stdlib.h>

static void want(const Model *m, const Report *r, bool *wanted) {
  const uint32_t k = report_number(m, r);
  if (wanted[k]) return;
  wanted[k] = true;
  for (uint32_t i = 0; i < r->nuse; i++) want(m, r->use[i].report, wanted);
}

static void collect(Monitor *m, const Model *model) {
  bool *wanted = base_zeroed(model->naction, sizeof *wanted);
  for (uint32_t k = 0; k < m->spec->nmonitor; k++) want(model, m->spec->monitor[k], wanted);
  m->report = base_zeroed(model->naction, sizeof *m->report);
  for (uint32_t i = 0; i < model->naction; i++)
    if (model->action[i].kind == DO_REPORT && wanted[report_number(model, model->action[i].report)])
      m->report[m->n++] = model->action[i].report;
  base_free(wanted);
}

int monitor_open(Session *s, const Train *spec, Monitor *m) {
  *m = (Monitor){.s = s, .spec = spec};
  if (!spec->nmonitor) return 0;
  collect(m, s->model);
  m->native = base_zeroed(m->n, sizeof *m->native);
  m->result = report_results(s->model);
  NativeJob *job = ARENA_ARRAY(s->model->mem, NativeJob, m->n);
  int code = 0;
  for (uint32_t k = 0; !code && k < m->n; k++) {
    if (m->report[k]->data) code = data_make(s, m->report[k]->data);
    job[k] = report_job(s, m->report[k], &m->native[k]);
  }
  if (!code) code = native_begin(s, job, (int)m->n, &m->build);
  if (!code) cg_begin(m->build.cg);
  return code;
}

int monitor_run(Monitor *m, const RtArray *param, RtNumber *out) {
  const Model *model = m->s->model;
  int code = m->build.job ? native_end(m->s, &m->build) : 0;
  m->build.job = NULL;
  if (code) return code;
  for (uint32_t k = 0; k < m->n; k++)
    report_evaluate(m->s, m->report[k], &m->native[k], param, m->result, &m->result[report_number(model, m->report[k])]);
  for (uint32_t k = 0; k < m->spec->nmonitor; k++)
    out[k] = (RtNumber){m->spec->monitor[k]->name, m->result[report_number(model, m->spec->monitor[k])].mean[0]};
  return 0;
}

void monitor_close(Monitor *m) {
  for (uint32_t k = 0; k < m->n; k++) native_finish(&m->native[k]);
  if (m->s) report_results_free(m->s->model, m->result);
  base_free(m->native);
  base_free(m->report);
}
