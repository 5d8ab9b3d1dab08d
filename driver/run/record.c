/* What is recorded of a run in its directory: the sources as they were, and what its numbers follow from. */
#include "driver/run/runner.h"
#include "driver/runtime_generation.h"
#include "driver/session/proofs.h"
#include "driver/session/ranks.h"
#include "driver/session/data.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

void runner_hash(const Source *src, const Options *o, char *out) {
  XXH3_state_t *state = XXH3_createState();
  XXH3_128bits_reset(state);
  const uint32_t n = src->files.n - (o->ask != NULL); /* the last is what is asked */
  for (uint32_t k = 1; k <= n; k++) {
    const SourceFile *f = source_file(src, k);
    XXH3_128bits_update(state, &f->len, sizeof f->len);
    XXH3_128bits_update(state, f->text, f->len);
  }
  for (uint32_t i = 0; i < o->override_.n; i++) XXH3_128bits_update(state, o->override_.at[i], strlen(o->override_.at[i]) + 1);
  XXH3_128bits_update(state, &o->seed, sizeof o->seed);
  XXH3_128bits_update(state, &o->opt, sizeof o->opt);
  XXH128_hash_t h = XXH3_128bits_digest(state);
  XXH3_freeState(state);
  snprintf(out, 40, "%016" PRIx64 "%016" PRIx64, (uint64_t)h.high64, (uint64_t)h.low64);
}

/* The sources of everything that makes numbers: see tools/generation.py. */
void runner_build(char out[BUILD_TEXT]) {
  const CgName codegen = cg_version();
  const char *part[] = {codegen.text, pass_decide_version(), kept_version(), RUNTIME_GENERATION};
  XXH3_state_t *state = XXH3_createState();
  XXH3_128bits_reset(state);
  for (size_t i = 0; i < sizeof part / sizeof *part; i++) XXH3_128bits_update(state, part[i], strlen(part[i]) + 1);
  XXH128_hash_t h = XXH3_128bits_digest(state);
  XXH3_freeState(state);
  snprintf(out, BUILD_TEXT, "%016" PRIx64, (uint64_t)h.high64);
}

/* Of each file that the model reads: what it held. */
static void add_file(void *files, const char *path, const char hash[DATA_HASH]) {
  json_object_set_new(files, path, json_string(hash));
}

static void record_ranks(Runner *r) {
  const Session *s = r->s;
  if (!s->ranks) return;
  const RanksPlace *place = ranks_places(s->ranks, rt_pool_threads(s->pool));
  json_t *hosts = json_object();
  for (int k = 0; k < s->ranks->size; k++) {
    const json_int_t before = json_integer_value(json_object_get(hosts, place[k].host));
    json_object_set_new(hosts, place[k].host, json_integer(before + 1));
  }
  rt_run_set(r->run, "ranks", json_integer(s->ranks->size));
  rt_run_set(r->run, "hosts", hosts);
}

void record_run(Runner *r) {
  const Session *s = r->s;
  json_t *overrides = json_array();
  for (uint32_t i = 0; i < s->opt->override_.n; i++) json_array_append_new(overrides, json_string(s->opt->override_.at[i]));
  rt_run_set(r->run, "hnnc", json_string(HNNC_VERSION));
  rt_run_set(r->run, "model", json_string(s->model->path));
  rt_run_set(r->run, "model_hash", json_string(r->hash));
  char data[DATA_HASH], build[BUILD_TEXT];
  json_t *files = json_object();
  data_fingerprint(s, add_file, files, data);
  runner_build(build);
  rt_run_set(r->run, "data_hash", json_string(data));
  rt_run_set(r->run, "files", files);
  rt_run_set(r->run, "build", json_string(build));
  rt_run_set(r->run, "overrides", overrides);
  rt_run_set(r->run, "seed", json_integer((json_int_t)s->opt->seed));
  rt_run_set(r->run, "threads", json_integer(rt_pool_threads(s->pool)));
  record_ranks(r);
  rt_run_set(r->run, "proofs", proofs_json(s));
  rt_run_set(r->run, "precision", json_string(s->model->f64 ? "f64" : "f32"));
  rt_run_set(r->run, "cpu", json_string(s->opt->cpu ? s->opt->cpu : cg_host_cpu().text));
}

bool record_start(Runner *r, const char *from, RtError *err) {
  rt_run_set(r->run, "params", json_string(from));
  if (!rt_run_writes(r->run)) return true;
  char *path = rt_run_path(r->run, RECORD_START);
  if (!path) base_fault("out of memory");
  const bool ok = rt_run_folder(r->run, "data", err) && checkpoint_params(r->s, path, err);
  free(path);
  return ok;
}

/* Imported files as they were: sources/1-NAME.hnn, ..., and in the manifest which is which; those of the library are the command's own. */
static bool keep_sources(const Session *s, RtRun *run, RtError *err) {
  const Source *src = s->src;
  bool ok = true;
  json_t *sources = json_object();
  for (uint32_t k = 2, n = 1; ok && k <= src->files.n; k++) {
    const SourceFile *f = source_file(src, k);
    if (!f->loaded) continue;
    const char *slash = strrchr(f->name, '/');
    const char *name = arena_printf(s->model->mem, "%u-%s", n++, slash ? slash + 1 : f->name);
    json_object_set_new(sources, f->name, json_string(name));
    ok = rt_run_write(run, "sources", name, f->text, f->len, err);
  }
  rt_run_set(run, "sources", sources);
  return ok;
}

/* What the first rank has opened, which the others follow. */
RtRun *record_follow(RtRanks *ranks, RtRun *run, const char *dir, RtError *err) {
  char path[4096] = "";
  if (run) snprintf(path, sizeof path, "%s", rt_run_dir(run));
  rt_ranks_broadcast(ranks, path, sizeof path);
  if (!*path && ranks->rank) snprintf(err->text, sizeof err->text, "the first rank has no run directory");
  return !ranks->rank || !*path ? run : rt_run_follow(dir ? dir : path, !dir, err);
}

RtRun *record_open(const Session *s, const char *out, RtError *err) {
  const SourceFile *f = source_file(s->src, 1);
  RtRun *run = !s->ranks || !s->ranks->rank ? rt_run_create("runs", s->model->name, out, f->text, f->len, err) : NULL;
  if (s->ranks) run = record_follow(s->ranks, run, NULL, err);
  if (!run || keep_sources(s, run, err)) return run;
  rt_run_destroy(run);
  return NULL;
}
