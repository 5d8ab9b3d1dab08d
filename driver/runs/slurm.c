/* Sweeps on a cluster: a job array of Slurm, whose task K does run K of the sweep.
 *
 * DIR/array.sh is the batch script, DIR/jobs.json what was submitted: [{"job": "123", "first": 0, "tasks": "0-19",
 * "options": "--time=60", "threads": 2, "jobs": 8}, ...]. An array's numbers end at
 * 999, since clusters have a MaxArraySize (1001 if nobody changed it): later runs are arrays of their own, whose first run is the script's argument. */
#include "driver/process/process.h"
#include "driver/runs/runs.h"

#include <errno.h>
#include <inttypes.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

enum { ARRAY = 1000, GRACE = 120 /* seconds between SIGTERM and the end of the time: the step at hand, and a checkpoint */ };

/* ---- programs of Slurm -------------------------------------------------------------------------------------------- */

/* What a program writes to its standard output, malloc'ed; its errors go where ours go. NULL: it is not there, or it failed. */
static char *output_of(const char *const *words) {
  int ends[2], status = -1;
  char *text = NULL, buf[4096];
  size_t size = 0;
  pid_t pid;
  posix_spawn_file_actions_t files;
  if (pipe(ends)) return NULL;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_adddup2(&files, ends[1], 1);
  posix_spawn_file_actions_addclose(&files, ends[0]);
  posix_spawn_file_actions_addclose(&files, ends[1]);
  const bool began = posix_spawnp(&pid, words[0], &files, NULL, (char *const *)words, environ) == 0;
  posix_spawn_file_actions_destroy(&files);
  close(ends[1]);
  FILE *to = open_memstream(&text, &size);
  for (ssize_t n; began && to && (n = read(ends[0], buf, sizeof buf)) != 0;)
    if (n > 0) fwrite(buf, 1, (size_t)n, to);
    else if (errno != EINTR) break;
  if (to) fclose(to);
  close(ends[0]);
  while (began && waitpid(pid, &status, 0) < 0 && errno == EINTR) {}
  if (began && status == 0 && text) return text;
  return free(text), NULL;
}

static bool in_path(const char *program) {
  const char *path = getenv("PATH");
  char one[4096];
  for (size_t n; path && *path; path += n + (path[n] == ':')) {
    n = strcspn(path, ":");
    snprintf(one, sizeof one, "%.*s/%s", (int)n, path, program);
    if (access(one, X_OK) == 0) return true;
  }
  return false;
}

bool slurm_there(void) { return in_path("sbatch"); }

/* ---- what was submitted ------------------------------------------------------------------------------------------- */

static json_t *jobs_read(const char *dir) {
  char *path = sweep_path(dir, "jobs.json");
  json_t *jobs = json_load_file(path, 0, NULL);
  free(path);
  if (json_is_array(jobs)) return jobs;
  json_decref(jobs);
  return json_array();
}

void slurm_queued(const char *dir, bool *queued, uint32_t n) {
  static const char *const words[] = {"squeue", "--noheader", "--array", "--me", "--format=%F:%K", NULL};
  json_t *jobs = jobs_read(dir), *job;
  size_t i;
  char *text = json_array_size(jobs) ? output_of(words) : NULL;
  for (char *rest = text, *line; text && (line = strsep(&rest, "\n"));) {
    char *task = strchr(line, ':'), *end;
    if (!task) continue;
    *task++ = 0;
    const long number = strtol(task, &end, 10);
    if (end == task) continue;
    json_array_foreach(jobs, i, job) {
      const char *id = json_string_value(json_object_get(job, "job"));
      const json_int_t k = json_integer_value(json_object_get(job, "first")) + number;
      if (id && !strcmp(id, line + strspn(line, " ")) && k >= 0 && k < n) queued[k] = true;
    }
  }
  free(text);
  json_decref(jobs);
}

/* ---- the script ----------------------------------------------------------------------------------------------------- */

/* In single quotes, for the shell. */
static void quoted(FILE *f, const char *s) {
  fputc('\'', f);
  for (; *s; s++)
    if (*s == '\'') fputs("'\\''", f);
    else fputc(*s, f);
  fputc('\'', f);
}

static void write_script(FILE *f, const SlurmJob *j, const char *self, const char *here, const char *logs) {
  fprintf(f,
          "#!/bin/sh\n"
          "# Written by hnnc: task K is run K + FIRST of the sweep. `hnnc resume DIR --slurm` submits what is not done.\n"
          "#SBATCH --job-name=hnnc-%s\n"
          "#SBATCH --output=\"%s/slurm-%%A_%%a.txt\"\n"
          "#SBATCH --signal=B:TERM@%d\n",
          j->name, logs, GRACE);
  if (j->threads) fprintf(f, "#SBATCH --cpus-per-task=%d\n", j->threads);
  if (*j->options) fprintf(f, "#SBATCH %s\n", j->options);
  fputs("cd ", f), quoted(f, here);
  fputs(" || exit 4\nexec ", f), quoted(f, self);
  fputs(" resume ", f), quoted(f, j->dir);
  fprintf(f, "%s%s --task \"$((SLURM_ARRAY_TASK_ID + ${1:-0}))\"\n", j->no_cache ? " --no-cache" : "", j->again ? " --again" : "");
}

static bool make_script(const SlurmJob *j, const char *script, RtError *err) {
  char self[4096], here[4096];
  const bool known = own_program(self, sizeof self);
  char *logs = sweep_path(j->dir, "logs"), *at = realpath(logs, NULL);
  bool ok = known && getcwd(here, sizeof here) && at;
  if (!ok) sweep_fail(err, "cannot find the folder %.300s: %s", logs, strerror(errno));
  else if (strpbrk(at, "\"\\\n")) ok = sweep_fail(err, "Slurm's scripts cannot have quotes or backslashes in the path %.300s", at);
  FILE *f = ok ? fopen(script, "w") : NULL;
  if (f) write_script(f, j, self, here, at);
  if (ok && (!f || fclose(f) || chmod(script, 0777 & ~0022)))
    ok = sweep_fail(err, "cannot write %.300s: %s", script, strerror(errno));
  free(at);
  free(logs);
  return ok;
}

/* ---- arrays ---------------------------------------------------------------------------------------------------------- */

/* Of the wanted ones among first ... first + ARRAY - 1: "0-3,7", malloc'ed; NULL: there are none. */
static char *tasks_of(const SlurmJob *j, uint32_t first, uint32_t *count) {
  char *text = NULL;
  size_t size = 0;
  FILE *f = open_memstream(&text, &size);
  const uint32_t end = first + ARRAY < j->n ? first + ARRAY : j->n;
  if (!f) base_fault("out of memory");
  *count = 0;
  for (uint32_t k = first; k < end; k++) {
    uint32_t last = k;
    if (!j->wanted[k]) continue;
    while (last + 1 < end && j->wanted[last + 1]) last++;
    fprintf(f, "%s%u", *count ? "," : "", k - first);
    if (last > k) fprintf(f, "-%u", last - first);
    *count += last - k + 1;
    k = last;
  }
  fclose(f);
  if (*count) return text;
  return free(text), NULL;
}

/* The number of the job: `sbatch --parsable` says JOB or JOB;CLUSTER. */
static char *submit(const SlurmJob *j, const char *script, uint32_t first, const char *tasks, RtError *err) {
  char array[65536], offset[16];
  snprintf(array, sizeof array, "--array=%s", tasks);
  if (j->jobs) snprintf(array + strlen(array), sizeof array - strlen(array), "%%%d", j->jobs);
  snprintf(offset, sizeof offset, "%u", first);
  const char *const words[] = {"sbatch", "--parsable", array, script, offset, NULL};
  char *id = output_of(words);
  if (id) id[strcspn(id, ";\r\n")] = 0;
  if (id && *id) return id;
  sweep_fail(err, "sbatch did not accept the job array %.300s; its message is above", script);
  return free(id), NULL;
}

/* What is not said is as it was when jobs of this sweep were submitted before. */
static void as_before(SlurmJob *j, const json_t *jobs) {
  const json_t *last = json_array_get(jobs, json_array_size(jobs) - 1);
  const char *options = json_string_value(json_object_get(last, "options"));
  if (!*j->options && options) j->options = options;
  if (!j->threads) j->threads = (int)json_integer_value(json_object_get(last, "threads"));
  if (!j->jobs) j->jobs = (int)json_integer_value(json_object_get(last, "jobs"));
}

bool slurm_submit(const SlurmJob *asked, RtError *err) {
  char *script = sweep_path(asked->dir, "array.sh");
  json_t *jobs = jobs_read(asked->dir), *before = json_copy(jobs);
  SlurmJob job = *asked, *j = &job;
  as_before(j, before);
  bool ok = make_script(j, script, err);
  for (uint32_t first = 0, count; ok && first < j->n; first += ARRAY) {
    char *tasks = tasks_of(j, first, &count), *id = tasks ? submit(j, script, first, tasks, err) : NULL;
    if (id) {
      json_array_append_new(jobs, json_pack("{s:s, s:I, s:s, s:s, s:i, s:i}", "job", id, "first", (json_int_t)first, "tasks", tasks,
                                            "options", j->options, "threads", j->threads, "jobs", j->jobs));
      ok = sweep_write(j->dir, "jobs.json", jobs, err);
      fprintf(stderr, "job %s: %u run%s\n", id, count, count == 1 ? "" : "s");
    } else ok = !tasks;
    free(id);
    free(tasks);
  }
  json_decref(jobs);
  json_decref(before);
  free(script);
  return ok;
}
