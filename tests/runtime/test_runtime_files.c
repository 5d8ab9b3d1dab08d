/* Checkpoints, run directories, progress: round trips, corrupt files, full disks, places that cannot be
 * written. The tests may run as root, so permissions do not bite: limits on the size of files, /dev/full
 * and files in the place of directories do. */
#include "runtime/train/progress.h"
#include "runtime/rundir/rundir.h"
#include "tests/common/folder.h"
#include "tests/common/cunit_main.h"

#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static char place[4][400];

static const char *at(int k, const char *name) {
  snprintf(place[k], sizeof place[k], "%s/%s", dir, name);
  return place[k];
}

static char *slurp(const char *path, size_t *n) {
  FILE *f = fopen(path, "rb");
  if (!f) return NULL;
  char *text = calloc(1, 65536);
  *n = fread(text, 1, 65535, f);
  fclose(f);
  return text;
}

static void spill(const char *path, const void *data, size_t n) {
  FILE *f = fopen(path, "wb");
  CU_ASSERT_PTR_NOT_NULL_FATAL(f);
  fwrite(data, 1, n, f);
  fclose(f);
}

static const double w[6] = {1, -2, 3.5, 1e-300, INFINITY, 0.1};
static const float b[3] = {0.5f, 0, -1};
static const RtTensor tensors[] = {{"energy/dense.0/W", true, 2, {2, 3}, w},
                                   {"energy/dense.0/b", false, 1, {3}, b},
                                   {"m", true, 0, {0}, w},
                                   {"none", true, 1, {0}, w}};
static const char *const meta[][2] = {{"step", "12"}, {"text", "a \"quoted\"\nline"}};

static void test_checkpoint(void) {
  RtError err = {""};
  CU_ASSERT_TRUE_FATAL(rt_checkpoint_write(at(0, "a.safetensors"), tensors, 4, meta, 2, &err));
  RtCheckpoint *c = rt_checkpoint_read(place[0], &err);
  CU_ASSERT_PTR_NOT_NULL_FATAL(c);
  const RtTensor *t = rt_checkpoint_tensor(c, "energy/dense.0/W");
  CU_ASSERT_PTR_NOT_NULL_FATAL(t);
  CU_ASSERT(t->f64 && t->rank == 2 && t->dim[0] == 2 && t->dim[1] == 3);
  CU_ASSERT_EQUAL(memcmp(t->v, w, sizeof w), 0);
  t = rt_checkpoint_tensor(c, "energy/dense.0/b");
  CU_ASSERT_PTR_NOT_NULL_FATAL(t);
  CU_ASSERT(!t->f64 && !memcmp(t->v, b, sizeof b));
  CU_ASSERT_PTR_NOT_NULL(rt_checkpoint_tensor(c, "m"));
  CU_ASSERT_PTR_NULL(rt_checkpoint_tensor(c, "x"));
  CU_ASSERT_STRING_EQUAL(rt_checkpoint_meta(c, "text"), meta[1][1]);
  CU_ASSERT_PTR_NULL(rt_checkpoint_meta(c, "x"));
  rt_checkpoint_finish(c);
  const RtTensor twice[] = {tensors[2], tensors[2]};
  CU_ASSERT_FALSE(rt_checkpoint_write(at(0, "b.safetensors"), twice, 2, meta, 0, &err));
  CU_ASSERT_NOT_EQUAL(access(place[0], F_OK), 0);
}

/* Every byte changed, every length cut: none is taken for good, none crashes. */
static void test_corrupt_checkpoint(void) {
  RtError err;
  size_t n = 0;
  char *image = slurp(at(0, "a.safetensors"), &n);
  CU_ASSERT_PTR_NOT_NULL_FATAL(image);
  at(1, "c.safetensors");
  int taken = 0;
  for (size_t i = 0; i < n; i++)
    for (int k = 0; k < 2; k++) {
      const char before = image[i];
      image[i] = (char)(before ^ (k ? 0x80 : 0x01));
      spill(place[1], image, n);
      image[i] = before;
      RtCheckpoint *c = rt_checkpoint_read(place[1], &err);
      if (c && i >= n - 68) taken++; /* an element of the 6 + 1 doubles and 3 floats */
      rt_checkpoint_finish(c);
      spill(place[1], image, i);
      CU_ASSERT_PTR_NULL(rt_checkpoint_read(place[1], &err));
    }
  CU_ASSERT_EQUAL(taken, 0);
  free(image);
}

static void expect_damage(const char *header, size_t data, const char *why) {
  char image[600] = {0}, want[800];
  const size_t n = strlen(header);
  image[0] = (char)n;
  memcpy(image + 8, header, n);
  spill(at(0, "d.safetensors"), image, 8 + n + data);
  RtError err = {""};
  CU_ASSERT_PTR_NULL(rt_checkpoint_read(place[0], &err));
  snprintf(want, sizeof want, "%s: the checkpoint is damaged (%s)", place[0], why);
  CU_ASSERT_STRING_EQUAL(err.text, want);
}

static void test_bad_headers(void) {
  expect_damage("{\"w\":{\"dtype\":\"F64\",\"shape\":[2],\"data_offsets\":[0,16]}}", 8,
                "tensor `w` lies outside the file: it is truncated");
  expect_damage("{\"w\":{\"dtype\":\"F64\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8,
                "the size of tensor `w` does not fit its shape");
  expect_damage("{\"w\":{\"dtype\":\"F64\",\"shape\":[-1],\"data_offsets\":[0,8]}}", 8, "tensor `w` has no valid shape");
  expect_damage("{\"w\":{\"dtype\":\"F64\",\"shape\":[4294967295,4294967295,4294967295],\"data_offsets\":[0,8]}}", 8,
                "the size of tensor `w` does not fit its shape");
  expect_damage("{\"w\":{\"dtype\":\"F64\",\"shape\":[1],\"data_offsets\":[8,0]}}", 8,
                "tensor `w` lies outside the file: it is truncated");
  expect_damage("{\"w\":{\"dtype\":\"F64\",\"shape\":[1],\"data_offsets\":8}}", 8, "tensor `w` has no valid data_offsets");
  expect_damage("{\"w\":{\"dtype\":\"F64\",\"shape\":[1],\"data_offsets\":[0,8]}}", 16, "the tensors do not fill the file");
  expect_damage("{\"w\":7}", 0, "tensor `w` has no dtype");
  expect_damage("[]", 0, "the header is not JSON: not an object");
}

/* A disk that is full in the middle of a write: a message, the old file, no rest. */
static void test_full(void) {
  RtError err = {""};
  static double big[4096];
  const RtTensor t = {"w", true, 1, {4096}, big};
  CU_ASSERT_TRUE_FATAL(rt_checkpoint_write(at(0, "full.safetensors"), tensors, 1, meta, 0, &err));
  struct rlimit old;
  getrlimit(RLIMIT_FSIZE, &old);
  const struct rlimit low = {4096, old.rlim_max};
  signal(SIGXFSZ, SIG_IGN);
  setrlimit(RLIMIT_FSIZE, &low);
  CU_ASSERT_FALSE(rt_checkpoint_write(place[0], &t, 1, meta, 0, &err));
  setrlimit(RLIMIT_FSIZE, &old);
  CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "File too large; the limit on the size of files (ulimit -f) is too small"));
  RtCheckpoint *c = rt_checkpoint_read(place[0], &err);
  CU_ASSERT_PTR_NOT_NULL_FATAL(c);
  CU_ASSERT_PTR_NOT_NULL(rt_checkpoint_tensor(c, "energy/dense.0/W"));
  rt_checkpoint_finish(c);
  char command[500];
  snprintf(command, sizeof command, "ls -A '%s' | grep -q tmp", dir);
  CU_ASSERT_NOT_EQUAL(system(command), 0);
}

static void test_unwritable(void) {
  RtError err = {""};
  char want[900];
  spill(at(0, "plain"), "x", 1);
  at(1, "plain/run");
  CU_ASSERT_PTR_NULL(rt_run_create(NULL, "m", place[1], "x", 1, &err));
  snprintf(want, sizeof want, "cannot make the directory %s: Not a directory; a part of the path is a file, choose another place",
           place[1]);
  CU_ASSERT_STRING_EQUAL(err.text, want);
  CU_ASSERT_PTR_NULL(rt_run_create(NULL, "m", place[0], "x", 1, &err));
  CU_ASSERT_PTR_NULL(rt_run_create(place[0], "m", NULL, "x", 1, &err));
  CU_ASSERT_PTR_NULL(rt_run_create(NULL, "m", "/proc/hnnc", "x", 1, &err));
  CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "cannot make the directory /proc/hnnc: "));
  CU_ASSERT_PTR_NULL(rt_run_create(NULL, "m", "", "x", 1, &err));
}

static RtPosition position(int64_t step) {
  return (RtPosition){.action = 1, .step = step, .number = step + 100, .seed = UINT64_MAX, .model_hash = "abc", .reports = "def"};
}

static void test_run(void) {
  RtError err = {""};
  at(0, "runs");
  RtRun *r = rt_run_create(place[0], "kepler", NULL, "model text", 10, &err);
  CU_ASSERT_PTR_NOT_NULL_FATAL(r);
  RtRun *second = rt_run_create(place[0], "kepler", NULL, "model text", 10, &err);
  CU_ASSERT_PTR_NOT_NULL_FATAL(second);
  CU_ASSERT_STRING_NOT_EQUAL(rt_run_dir(r), rt_run_dir(second));
  char target[200] = "";
  CU_ASSERT(readlink(at(1, "runs/kepler/latest"), target, sizeof target - 1) > 0);
  CU_ASSERT_STRING_EQUAL(target, strrchr(rt_run_dir(second), '/') + 1);
  rt_run_destroy(second);
  rt_run_set(r, "seed", json_integer(3));
  CU_ASSERT_TRUE(rt_run_status(r, "done", &err));
  const RtMetric m[] = {
    {"hnn", 0, 10, 0.5, NAN, 1e-3, 100}, {"hnn", 1, 5, INFINITY, 0.25, 1e-3, 100}, {"hnn", 1, 9, 1, 0.25, 1e-3, 100}};
  for (int i = 0; i < 3; i++) CU_ASSERT_TRUE(rt_run_metric(r, &m[i], &err));
  for (int64_t k = 1; k <= 6; k++) {
    const RtPosition p = position(k);
    CU_ASSERT_TRUE(rt_run_checkpoint(r, &p, tensors, 2, k == 2, &err));
  }
  char *path = rt_run_path(r, "checkpoints/last");
  CU_ASSERT(readlink(path, target, sizeof target - 1) > 0);
  CU_ASSERT_STRING_EQUAL(target, "step-106.safetensors");
  free(path);
  static const bool stays[] = {false, true, false, true, true, true};
  for (int k = 1; k <= 6; k++) {
    char name[64];
    snprintf(name, sizeof name, "checkpoints/step-%d.safetensors", 100 + k);
    path = rt_run_path(r, name);
    CU_ASSERT_EQUAL(access(path, F_OK) == 0, stays[k - 1]);
    free(path);
  }
  char run_dir[300];
  snprintf(run_dir, sizeof run_dir, "%s", rt_run_dir(r));
  rt_run_destroy(r);

  r = rt_run_reopen(run_dir, &err);
  CU_ASSERT_PTR_NOT_NULL_FATAL(r);
  CU_ASSERT_EQUAL(json_integer_value(rt_run_get(r, "seed")), 3);
  RtPosition p = {0};
  RtCheckpoint *c = rt_run_resume(r, &p, &err);
  CU_ASSERT_PTR_NOT_NULL_FATAL(c);
  CU_ASSERT(p.action == 1 && p.step == 6 && p.number == 106 && p.seed == UINT64_MAX);
  CU_ASSERT_STRING_EQUAL(p.model_hash, "abc");
  CU_ASSERT_STRING_EQUAL(p.reports, "def");
  rt_checkpoint_finish(c);
  path = rt_run_path(r, "metrics.jsonl");
  FILE *f = fopen(path, "a");
  fputs("{\"train\": \"hnn\", \"cut o", f);
  fclose(f);
  CU_ASSERT_TRUE(rt_run_metrics_trim(r, 1, 6, &err));
  CU_ASSERT_TRUE(rt_run_metric(r, &m[2], &err));
  size_t n = 0;
  char *text = slurp(path, &n);
  CU_ASSERT_STRING_EQUAL(
      text, "{\"train\":\"hnn\",\"action\":0,\"step\":10,\"loss\":0.5,\"test\":null,\"lr\":0.001,\"samples_per_s\":100.0}\n"
            "{\"train\":\"hnn\",\"action\":1,\"step\":5,\"loss\":null,\"test\":0.25,\"lr\":0.001,\"samples_per_s\":100.0}\n"
            "{\"train\":\"hnn\",\"action\":1,\"step\":9,\"loss\":1.0,\"test\":0.25,\"lr\":0.001,\"samples_per_s\":100.0}\n");
  free(text);
  free(path);

  path = rt_run_path(r, "checkpoints/last"); /* a damaged last one names another */
  spill(path, "damage", 6);
  CU_ASSERT_PTR_NULL(rt_run_resume(r, &p, &err));
  CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "the checkpoint is damaged"));
  CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "/checkpoints/step-105.safetensors"));
  unlink(path); /* a lost one too */
  CU_ASSERT_PTR_NULL(rt_run_resume(r, &p, &err));
  CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "/checkpoints/step-106.safetensors")
                             ? strstr(err.text, "/checkpoints/step-106.safetensors")
                             : strstr(err.text, "/checkpoints/step-105.safetensors"));
  free(path);
  rt_run_destroy(r);
  strncat(run_dir, "/checkpoints/step-102.safetensors", sizeof run_dir - strlen(run_dir) - 1);
  r = rt_run_reopen(run_dir, &err);
  CU_ASSERT_PTR_NOT_NULL_FATAL(r);
  c = rt_run_resume(r, &p, &err);
  CU_ASSERT_PTR_NOT_NULL(c);
  CU_ASSERT_EQUAL(p.step, 2);
  rt_checkpoint_finish(c);
  rt_run_destroy(r);
  CU_ASSERT_PTR_NULL(rt_run_reopen(at(1, "nothing"), &err));
  CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "there is no run directory"));
  CU_ASSERT_PTR_NULL(rt_run_reopen(dir, &err));
  CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "is not a run directory: it has no readable manifest.json"));
}

/* --out: the directory itself; a second run moves the first aside. */
static void test_out(void) {
  RtError err = {""};
  at(0, "deep/er/out");
  for (int i = 0; i < 2; i++) {
    RtRun *r = rt_run_create(NULL, "m", place[0], i ? "second" : "first", i ? 6 : 5, &err);
    CU_ASSERT_PTR_NOT_NULL_FATAL(r);
    CU_ASSERT_STRING_EQUAL(rt_run_dir(r), place[0]);
    rt_run_destroy(r);
  }
  size_t n = 0;
  char *text = slurp(at(1, "deep/er/out/model.hnn"), &n), command[600];
  CU_ASSERT_STRING_EQUAL(text, "second");
  free(text);
  snprintf(command, sizeof command, "grep -qx first '%s'/earlier/*/model.hnn", place[0]);
  CU_ASSERT_EQUAL(system(command), 0);
}

static void test_reports(void) {
  RtError err = {""};
  const double v[] = {0.5, 0.25, -1, 2}, bad[] = {NAN, INFINITY, 0, 0}, many[] = {1, NAN, 3, 4, 5, 6};
  const RtReport report[] = {{"energy", 0, {0}, 1, v, v + 1, v + 2, v + 3, 10, NULL, 0},
                             {"bad", 0, {0}, 1, bad, bad + 1, bad + 2, bad + 3, 1, NULL, 0},
                             {"many", 2, {3, 2}, 6, many, many, many, many, 4, &(RtStatistic){"sum", many, 2, 6}, 1}};
  const RtExpect expect[] = {{"max(energy) < 3", true}, {"mean(bad) < 1", false}};
  const RtProof proof[] = {{"a == b", "proved"}};
  CU_ASSERT_TRUE_FATAL(rt_reports_write(at(0, "reports.json"), report, 3, expect, 2, proof, 1, &err));
  size_t n = 0;
  char *text = slurp(place[0], &n);
  json_t *o = json_loads(text, 0, NULL);
  char *compact = json_dumps(o, JSON_COMPACT);
  CU_ASSERT_STRING_EQUAL(compact,
                         "{\"reports\":{\"energy\":{\"mean\":0.5,\"sd\":0.25,\"min\":-1.0,\"max\":2.0,\"n\":10},"
                         "\"bad\":{\"mean\":null,\"sd\":null,\"min\":0.0,\"max\":0.0,\"n\":1},"
                         "\"many\":{\"shape\":[3,2],\"mean\":[1.0,null,3.0,4.0,5.0,6.0],\"sd\":[1.0,null,3.0,4.0,5.0,6.0],"
                         "\"standard_error\":[0.5,null,1.5,2.0,2.5,3.0],\"min\":[1.0,null,3.0,4.0,5.0,6.0],"
                         "\"max\":[1.0,null,3.0,4.0,5.0,6.0],\"n\":4,\"sum\":[1.0,null,3.0,4.0,5.0,6.0]}},"
                         "\"expects\":[{\"text\":\"max(energy) < 3\",\"holds\":true},{\"text\":\"mean(bad) < 1\",\"holds\":false}],"
                         "\"proofs\":[{\"text\":\"a == b\",\"answer\":\"proved\"}]}");
  free(compact);
  json_decref(o);
  free(text);
}

static void test_full_metrics(void) {
  RtError err = {""};
  RtRun *r = rt_run_create(NULL, "m", at(0, "fullrun"), "x", 1, &err);
  CU_ASSERT_PTR_NOT_NULL_FATAL(r);
  rt_run_destroy(r);
  unlink(at(1, "fullrun/metrics.jsonl"));
  CU_ASSERT_EQUAL(symlink("/dev/full", place[1]), 0);
  r = rt_run_reopen(place[0], &err);
  CU_ASSERT_PTR_NOT_NULL_FATAL(r);
  const RtMetric m = {"hnn", 0, 1, 1, 1, 1, 1};
  CU_ASSERT_FALSE(rt_run_metric(r, &m, &err));
  CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "No space left on device; free some space or choose another place"));
  rt_run_destroy(r);
}

static void test_progress(void) {
  char *text = NULL, line[200];
  size_t n = 0;
  RtProgress p;
  FILE *f = fopen(at(0, "progress"), "w+");
  CU_ASSERT_PTR_NOT_NULL_FATAL(f);
  rt_progress_init(&p, f, false, "hnn", 0, 2000);
  for (int64_t s = 20; s <= 2000; s += 20) rt_progress_step(&p, &(RtStep){s, 0.125, NAN, NAN, 1e-3, 1.5e6});
  rt_progress_finish(&p);
  fclose(f);
  text = slurp(place[0], &n);
  int lines = 0;
  for (size_t i = 0; i < n; i++) lines += text[i] == '\n';
  CU_ASSERT_EQUAL(lines, 10);
  CU_ASSERT_PTR_NULL(strchr(text, '\r'));
  CU_ASSERT_PTR_NOT_NULL(strstr(text, "hnn  200/2000  loss 1.2500e-01  lr 1.00e-03  1.50M samples/s"));
  free(text);
  p.started = 0;
  rt_progress_text(&p, 100, &(RtStep){500, 1, 0.5, NAN, 1e-3, 999}, line, sizeof line);
  CU_ASSERT_STRING_EQUAL(line, "hnn  500/2000  loss 1.0000e+00  test 5.0000e-01  lr 1.00e-03  999 samples/s  5m00s left");
  rt_progress_text(&p, 100, &(RtStep){500, copysign(NAN, -1), 0.5, NAN, 1e-3, 999}, line, sizeof line);
  CU_ASSERT_PTR_NOT_NULL(strstr(line, "  loss nan  test"));
  f = fopen(place[0], "w+");
  rt_progress_init(&p, f, true, "hnn", 0, 10);
  rt_progress_step(&p, &(RtStep){10, 1, 1, 1, 1, 1});
  CU_ASSERT_EQUAL(ftell(f), 0);
  fclose(f);
}

const Suite suite = {"files",
                     (CU_TestInfo[]){{"checkpoint", test_checkpoint},
                                     {"corrupt checkpoint", test_corrupt_checkpoint},
                                     {"bad headers", test_bad_headers},
                                     {"full", test_full},
                                     {"unwritable", test_unwritable},
                                     {"run", test_run},
                                     {"out", test_out},
                                     {"reports", test_reports},
                                     {"full metrics", test_full_metrics},
                                     {"progress", test_progress},
                                     CU_TEST_INFO_NULL},
                     make_folder, remove_folder};
