/* See ranks.h. A launcher is known by what it puts into the environment of a process that it starts. The module that speaks its MPI
 * lies beside the program, or in hnnc/ of the libraries' folder, and is opened only then: MPIs of different makers differ in their
 * binaries, and there is a module for each that was there when hnnc was built. HNNC_MPI names one, or says `none`: then every process
 * is alone. */
#include "driver/session/ranks.h"
#include "driver/process/process.h"
#include "runtime/mpi/mpi.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* ---- launchers -------------------------------------------------------------------------------------------------------- */

typedef struct Launcher {
  const char *name;
  int rank, size;
  const char *module[2]; /* which may fit, the likelier first */
} Launcher;

/* A whole number of the environment; `none` where there is none. */
static int number(const char *name, int none) {
  const char *text = getenv(name);
  char *end;
  const long v = text ? strtol(text, &end, 10) : none;
  return text && (end == text || *end || v < 0 || v > 1 << 24) ? none : (int)v;
}

/* Of srun with PMIx the size is Slurm's; of a step alone, since a batch script has the numbers of its job too. */
static bool launched(Launcher *l) {
  const int slurm = getenv("SLURM_STEP_ID") ? number("SLURM_STEP_NUM_TASKS", 0) : 0;
  *l = (Launcher){.size = 1};
  if (number("OMPI_COMM_WORLD_SIZE", 0))
    *l = (Launcher){"mpirun of Open MPI", number("OMPI_COMM_WORLD_RANK", 0), number("OMPI_COMM_WORLD_SIZE", 1), {"openmpi"}};
  else if (number("PMI_SIZE", 0)) *l = (Launcher){"mpiexec of MPICH", number("PMI_RANK", 0), number("PMI_SIZE", 1), {"mpich"}};
  else if (slurm > 1) *l = (Launcher){"srun", number("SLURM_PROCID", 0), slurm, {"openmpi", "mpich"}};
  return l->size > 1;
}

/* ---- the module ------------------------------------------------------------------------------------------------------- */

static void folder_of(const char *file, char *out, size_t size) {
  const char *slash = strrchr(file, '/');
  snprintf(out, size, "%.*s", slash ? (int)(slash - file) : 1, slash ? file : ".");
}

/* Where this code is: the command, or a library in another program. */
static void own_folder(char *out, size_t size) {
  char exe[4096];
  Dl_info info;
  const bool known = own_program(exe, sizeof exe);
  void *self = NULL;
  int (*here)(RtRanks *, int) = ranks_end;
  memcpy(&self, &here, sizeof self);
  if (dladdr(self, &info) && info.dli_fname && strstr(info.dli_fname, ".so")) folder_of(info.dli_fname, out, size);
  else folder_of(known ? exe : "./hnnc", out, size);
}

static void *open_module(const char *name) {
  static const char *const places[] = {"%s/hnnc_%s.so",           "%s/hnnc/hnnc_%s.so",
                                       "%s/../hnnc_%s.so",        "%s/../lib/hnnc/hnnc_%s.so",
                                       "%s/../driver/hnnc_%s.so", "%s/../../driver/hnnc_%s.so"};
  char folder[4096], path[4352];
  void *lib = NULL;
  if (strchr(name, '/')) return dlopen(name, RTLD_NOW | RTLD_GLOBAL);
  own_folder(folder, sizeof folder);
  for (size_t k = 0; !lib && k < sizeof places / sizeof *places; k++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(path, sizeof path, places[k], folder, name);
#pragma GCC diagnostic pop
    if (access(path, F_OK) == 0) lib = dlopen(path, RTLD_NOW | RTLD_GLOBAL); /* MPI opens parts of itself, which look for it */
  }
  return lib;
}

static bool missing(const Launcher *l, const char *wanted, RtError *err) {
  const bool mpich = l->module[0] && !strcmp(l->module[0], "mpich");
  const char *why = wanted ? dlerror() : NULL;
  if (wanted)
    return snprintf(err->text, sizeof err->text, "%s has started %d ranks, and HNNC_MPI=%.200s cannot be opened%s%.200s", l->name,
                    l->size, wanted, why ? ": " : ": give the path of a module, with a /, or `none`", why ? why : ""),
           false;
  snprintf(err->text, sizeof err->text,
           "%s has started %d ranks, but hnnc has no module for its MPI: install the MPI (`apt install %s`) and build hnnc again "
           "(`./quickstart`, or `meson setup --reconfigure build; ninja -C build`), start hnnc by itself, or set HNNC_MPI=none to "
           "run each process alone",
           l->name, l->size, mpich ? "libmpich-dev" : "libopenmpi-dev");
  return false;
}

static bool connect(const Launcher *l, RtRanks *out, RtError *err) {
  const char *wanted = getenv("HNNC_MPI");
  void *lib = wanted && *wanted ? open_module(wanted) : NULL;
  for (int k = 0; !lib && k < 2 && l->module[k] && !(wanted && *wanted); k++) lib = open_module(l->module[k]);
  if (!lib) return missing(l, wanted && *wanted ? wanted : NULL, err);
  RtMpiOpen *open = NULL;
  void *at = dlsym(lib, RT_MPI_OPEN);
  memcpy(&open, &at, sizeof at);
  if (!open)
    return snprintf(err->text, sizeof err->text, "HNNC_MPI=%.200s is not an MPI module of hnnc", wanted ? wanted : ""), false;
  if (!open(out, err)) return false;
  if (out->size == l->size) return true;
  snprintf(err->text, sizeof err->text,
           "%s has started %d ranks, but the MPI that hnnc has found sees %d: they do not match; install the launcher's own MPI, "
           "or name its module in HNNC_MPI%s",
           l->name, l->size, out->size,
           strcmp(l->name, "srun")
               ? ""
               : "; for srun, `srun --mpi=list` lists its protocols: --mpi=pmix is for Open MPI, --mpi=pmi2 for MPICH");
  return false;
}

/* ---- those that fail -------------------------------------------------------------------------------------------------- */

static struct {
  bool begun, there, failed;
  RtRanks ranks;
  void (*told)(const char *why);
  int said, screen; /* of ranks but the first: what they say, and where that would go */
  RanksPlace *place;
} own = {.said = -1, .screen = -1};

void ranks_on_lost(void (*told)(const char *why)) { own.told = told; }

static void on_lost(RtRanks *r, int from, int code, const char *why) {
  char text[700], host[64] = "";
  if (from >= 0 && from < r->size && own.place) snprintf(host, sizeof host, " (%.50s)", own.place[from].host);
  snprintf(text, sizeof text, "rank %d%s ended with the code %d%s%s", from, host, code, why && *why ? ": " : "", why ? why : "");
  for (size_t n = strlen(text); n && text[n - 1] == '\n'; n--) text[n - 1] = 0;
  dprintf(own.screen >= 0 ? own.screen : STDERR_FILENO, "error[%s]: %s\n", diag_code_name(CODE_ranks), text);
  if (own.told && !r->rank) own.told(text);
  own.there = false; /* it has been said */
  stop_clean();
  fflush(NULL);
  r->abandon(r, code ? code : EXIT_FAULT);
}

static void on_stalled(RtRanks *r) {
  if (!r->rank && own.told) own.told("it was asked to stop, but another rank did not answer");
}

/* The first lines of what this rank has said of an error. */
static void read_said(char *out, size_t size) {
  *out = 0;
  if (own.said < 0) return;
  fflush(stderr);
  const ssize_t n = pread(own.said, out, size - 1, 0);
  out[n > 0 ? n : 0] = 0;
  char *error = strstr(out, "error[");
  if (error && error != out) memmove(out, error, strlen(error) + 1);
}

/* A process that ends without ranks_end has something to say that nobody else does. */
static void say_at_exit(void) {
  char text[4096];
  if (own.screen < 0 || !own.there) return;
  read_said(text, sizeof text);
  if (*text) dprintf(own.screen, "rank %d: %s", own.ranks.rank, text);
}

void ranks_quiet(RtRanks *r) {
  if (!r || !r->rank) return;
  const int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
  own.said = memfd_create("hnnc", MFD_CLOEXEC);
  if (own.said < 0 || nowhere < 0) return;
  own.screen = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
  dup2(nowhere, STDOUT_FILENO);
  dup2(own.said, STDERR_FILENO);
  close(nowhere);
  atexit(say_at_exit);
}

/* ---- places ----------------------------------------------------------------------------------------------------------- */

typedef struct Seat {
  char host[64];
  cpu_set_t cores;
} Seat;

int ranks_threads(RtRanks *r) {
  Seat *seat = base_zeroed((size_t)r->size, sizeof *seat);
  Seat *mine = &seat[r->rank];
  gethostname(mine->host, sizeof mine->host - 1);
  sched_getaffinity(0, sizeof mine->cores, &mine->cores);
  rt_ranks_gather_each(r, seat, sizeof *seat);
  int sharing = 0;
  own.place = rt_zeroed((size_t)r->size * sizeof *own.place); /* outlives a model's heap */
  for (int k = 0; own.place && k < r->size; k++) memcpy(own.place[k].host, seat[k].host, sizeof seat->host);
  for (int k = 0; k < r->size; k++) {
    cpu_set_t both;
    CPU_AND(&both, &seat[k].cores, &mine->cores);
    sharing += !strcmp(seat[k].host, mine->host) && CPU_COUNT(&both) > 0;
  }
  const int threads = CPU_COUNT(&mine->cores) / (sharing ? sharing : 1);
  base_free(seat);
  return threads > 1 ? threads : 1;
}

int ranks_threads_alone(void) {
  Launcher l;
  cpu_set_t cores;
  const int here = number("OMPI_COMM_WORLD_LOCAL_SIZE", number("MPI_LOCALNRANKS", 1)), all = (int)sysconf(_SC_NPROCESSORS_ONLN);
  if (!launched(&l) || here < 2 || sched_getaffinity(0, sizeof cores, &cores) || CPU_COUNT(&cores) < all) return 0;
  return all > here ? all / here : 1;
}

const RanksPlace *ranks_places(RtRanks *r, int threads) {
  if (!own.place) base_fault("out of memory for %d ranks", r->size);
  own.place[r->rank].threads = threads;
  rt_ranks_gather_each(r, own.place, sizeof *own.place);
  return own.place;
}

/* ---- processors ------------------------------------------------------------------------------------------------------- */

typedef struct Kinds {
  CgProcessor code, own; /* what the code is for, what this machine has */
} Kinds;

/* A word of `needs` that `has` lacks, in out; false: there is none. */
static bool lacks(const char *needs, const char *has, char *out, size_t size) {
  for (size_t n; *needs; needs += n) {
    needs += strspn(needs, " ");
    n = strcspn(needs, " ");
    if (!n) break;
    bool there = false;
    snprintf(out, size, "%.*s", (int)n, needs);
    for (const char *at = strstr(has, out); at && !there; at = strstr(at + 1, out))
      there = (at == has || at[-1] == ' ') && (at[n] == ' ' || !at[n]);
    if (!there) return true;
  }
  return false;
}

int ranks_alike(Session *s) {
  RtRanks *r = s->ranks;
  CgOptions host = s->cg;
  host.cpu = host.features = NULL;
  Kinds *kind = base_zeroed((size_t)r->size, sizeof *kind);
  cg_processor(&s->cg, &kind[r->rank].code);
  cg_processor(&host, &kind[r->rank].own);
  rt_ranks_gather_each(r, kind, sizeof *kind);
  int code = 0;
  char what[64] = "";
  for (int k = 0; !code && k < r->size; k++) {
    const bool same = !strcmp(kind[k].code.cpu, kind[0].code.cpu) && !strcmp(kind[k].code.needs, kind[0].code.needs);
    if (same && !lacks(kind[0].code.needs, kind[k].own.needs, what, sizeof what)) continue;
    code =
        session_fail(s, EXIT_IO, CODE_ranks, (Span){0},
                     "rank %d (%s) has the processor %s, but the code of the first rank (%s) is for %s: name a processor that all "
                     "ranks support, --cpu=NAME",
                     k, own.place ? own.place[k].host : "", kind[k].own.cpu, own.place ? own.place[0].host : "", kind[0].code.cpu);
  }
  base_free(kind);
  return code;
}

/* ----------------------------------------------------------------------------------------------------------------------- */

RtRanks *ranks_begin(bool *ok, RtError *err) {
  Launcher l;
  const char *wanted = getenv("HNNC_MPI");
  *ok = true;
  if (own.begun) return own.there ? &own.ranks : NULL;
  own.begun = true;
  if (!launched(&l) || (wanted && !strcmp(wanted, "none"))) return NULL;
  *ok = own.there = connect(&l, &own.ranks, err);
  rt_ranks_init(&own.ranks);
  own.ranks.lost = on_lost, own.ranks.stalled = on_stalled;
  own.failed = !*ok;
  if (!*ok && l.rank) *err->text = 0; /* the first rank says it */
  return *ok ? &own.ranks : NULL;
}

static void end_at_exit(void) {
  if (own.there) (void)ranks_end(&own.ranks, 0);
}

RtRanks *ranks_meet(bool *ok, RtError *err) {
  const bool begun = own.begun;
  RtRanks *r = ranks_begin(ok, err);
  if (begun && !r) *ok = !own.failed;
  if (!*ok && !*err->text) snprintf(err->text, sizeof err->text, "the ranks of this launcher cannot work together");
  if (r && !begun) (void)ranks_threads(r), atexit(end_at_exit);
  return r;
}

int ranks_end(RtRanks *r, int code) {
  char why[600];
  if (!r || !own.there) return code;
  read_said(why, sizeof why);
  own.there = false; /* what it has said goes to the first */
  code = r->end(r, code, code ? why : "");
  free(own.place);
  own.place = NULL;
  return code;
}
