/* Fuzz target: any bytes as the manifest and the metrics of a run that is gone on with. */
#include "runtime/rundir/rundir.h"
#include "tests/fuzz/bytes.h"
#include "tests/fuzz/scratch.h"

static void use(RtRun *r) {
  static const char *const key[] = {"model", "overrides", "seed", "status", "plots", ""};
  RtPosition at;
  RtError err = {""};
  for (size_t k = 0; k < sizeof key / sizeof *key; k++)
    (void)json_typeof((json_t *)(rt_run_get(r, key[k]) ? rt_run_get(r, key[k]) : json_null()));
  RtCheckpoint *c = rt_run_resume(r, &at, &err);
  if (c || !err.text[0]) abort(); /* there is none */
  (void)rt_run_metrics_trim(r, 0, 5, &err);
  if (!rt_run_metric(r, &(RtMetric){.train = "l", .action = 0, .step = 6}, &err)) abort();
  if (!rt_run_status(r, "stopped", &err)) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  char path[120];
  RtError err = {""};
  scratch_write("manifest.json", data, size, path, sizeof path);
  scratch_write("metrics.jsonl", data, size, path, sizeof path);
  RtRun *r = rt_run_reopen(scratch(), &err);
  if (!r && !err.text[0]) abort();
  if (r) use(r);
  rt_run_destroy(r);
  if (!r) return 0;
  r = rt_run_reopen(scratch(), &err); /* what it wrote it can read */
  if (!r) abort();
  rt_run_destroy(r);
  return 0;
}
