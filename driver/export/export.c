/* `hnnc compile FILE`: NAME.so and NAME.h. The compiled functions become an object; a generated table
 * and typed wrappers (glue) are compiled by the system's C compiler and linked with it and with the
 * engine of runtime/library/lib.h, which is carried inside this program. */
#include "driver/export/export.h"
#include "driver/session/native.h"
#include "driver/session/proofs.h"
#include "driver/export/glue_priv.h"
#include "lib_archive.h"
#include "driver/session/process.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* The archive of the engine, embedded by the build. */
__asm__(".section .rodata\n.global hnnc_lib_archive\n.global hnnc_lib_archive_end\n.balign 16\n"
        "hnnc_lib_archive: .incbin \"" HNNC_LIB_ARCHIVE "\"\nhnnc_lib_archive_end:\n.previous\n");
extern const char hnnc_lib_archive[], hnnc_lib_archive_end[];

static bool write_file(const char *path, const void *data, size_t size) {
  FILE *f = fopen(path, "wb");
  if (!f) return false;
  bool ok = fwrite(data, 1, size, f) == size;
  return fclose(f) == 0 && ok;
}

/* Start values of all parameters, end to end, as glue_print lays them out. */
static bool write_start(const Session *s, const char *path) {
  size_t size = s->model->f64 ? sizeof(double) : sizeof(float);
  FILE *f = fopen(path, "wb");
  if (!f) return false;
  bool ok = true;
  for (uint32_t k = 0; k < s->model->nparam; k++)
    ok = ok && fwrite(s->param[k].v, size, (size_t)s->param[k].elems, f) == (size_t)s->param[k].elems;
  return fclose(f) == 0 && ok;
}

static bool write_text(const char *path, void (*print)(FILE *, const Glue *), const Glue *g) {
  FILE *f = fopen(path, "w");
  if (!f) return false;
  print(f, g);
  bool ok = !ferror(f);
  return fclose(f) == 0 && ok;
}

/* Runs a command in a directory; its messages go to stderr. Returns its exit code, 127 if there is no such command. */
static int run_in(const char *dir, char *const argv[]) {
  pid_t pid = fork();
  if (pid == 0) {
    setpgid(0, 0); /* so that all of it can be ended */
    if (!chdir(dir)) execvp(argv[0], argv);
    _exit(127);
  }
  int status = 0;
  bool waited = true;
  if (pid > 0) setpgid(pid, pid), stop_child(pid);
  while (pid > 0 && waitpid(pid, &status, 0) < 0 && waited) waited = errno == EINTR;
  stop_child(0);
  if (!waited) return 126;
  return pid > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : 126;
}

/* *n objects of all compiled parts. */
static int write_objects(Session *s, const Glue *g, const char *dir, uint32_t *n) {
  char err[512] = "";
  Cg *cg = cg_create(&s->cg, err, sizeof err);
  bool ok = cg != NULL;
  if (ok) {
    glue_add(cg, g);
    ok = cg_write_objects(cg, dir, n, err, sizeof err);
  }
  cg_destroy(cg);
  return ok ? 0 : session_fail(s, EXIT_IO, CODE_output, (Span){0}, "%s", err);
}

static void print_exports(FILE *out, const Glue *g) { fprintf(out, "{ global: %s_*; hnn_library_1; local: *; };\n", g->name); }

static int cannot_write(Session *s, const char *path) {
  return session_fail(s, EXIT_IO, CODE_output, (Span){0}, "cannot write `%s`: %s", path, strerror(errno));
}

/* Everything the linker needs, in `dir`. */
static int write_parts(Session *s, const Glue *g, const char *dir, uint32_t *objects) {
  Arena *m = s->model->mem;
  int code = write_objects(s, g, dir, objects);
  if (code) return code;
  bool ok = write_text(arena_printf(m, "%s/glue.c", dir), glue_print, g) &&
            write_text(arena_printf(m, "%s/%s.h", dir, g->name), glue_header, g) &&
            write_text(arena_printf(m, "%s/exports.map", dir), print_exports, g) &&
            write_start(s, arena_printf(m, "%s/start.bin", dir)) &&
            write_file(arena_printf(m, "%s/engine.a", dir), hnnc_lib_archive, (size_t)(hnnc_lib_archive_end - hnnc_lib_archive));
  return ok ? 0 : cannot_write(s, dir);
}

/* The words of $CC, blanks between: `ccache gcc -m64`. */
static int compiler_words(Arena *m, char **argv, int most) {
  const char *cc = getenv("CC");
  char *at = arena_strdup(m, cc && *cc ? cc : "cc"), *rest;
  int n = 0;
  for (char *w = strtok_r(at, " \t", &rest); w && n < most; w = strtok_r(NULL, " \t", &rest)) argv[n++] = w;
  if (!n) argv[n++] = "cc";
  return n;
}

/* `library.so` in dir. The compiler runs there and sees names of ours alone, none of the user's paths. */
static int link_library(Session *s, const Glue *g, const char *dir, uint32_t objects) {
  Arena *m = s->model->mem;
  char *fixed[] = {"-shared",
                   "-fPIC",
                   "-O1",
                   "-o",
                   "library.so",
                   "glue.c",
                   "engine.a",
                   "-I.",
                   "-DHNN_START=\"start.bin\"",
                   "-Wl,--version-script=exports.map",
                   "-Xlinker",
                   arena_printf(m, "-soname=%s.so", g->file),
                   "-lpthread",
                   "-lm"};
  enum { FIXED = sizeof fixed / sizeof *fixed, WORDS = 32, OBJECTS_AT = 6 };
  char **argv = ARENA_ARRAY(m, char *, WORDS + FIXED + objects + 1);
  int n = compiler_words(m, argv, WORDS);
  for (int k = 0; k < FIXED; k++) {
    for (uint32_t o = 0; k == OBJECTS_AT && o < objects; o++) argv[n++] = arena_printf(m, "%u.o", o);
    argv[n++] = fixed[k];
  }
  waiting_at("linking the library", NULL, (Span){0});
  int code = run_in(dir, argv);
  waiting_at("", NULL, (Span){0});
  if (code == 127)
    return session_fail(s, EXIT_IO, CODE_library, (Span){0},
                        "making a library needs a C compiler, and `%s` is not there: install "
                        "gcc, set CC, or take --emit=obj",
                        argv[0]);
  return code
             ? session_fail(s, EXIT_FAULT, CODE_library, (Span){0}, "`%s` could not link the library (exit code %d)", argv[0], code)
             : 0;
}

static void remove_dir(const char *dir) {
  run_in(".", (char *[]){"rm", "-rf", "--", (char *)dir, NULL});
  stop_keeps(dir);
}

static bool copy_file(const char *from, const char *to) {
  RtError err;
  size_t size;
  char *data = rt_file_read(from, &size, &err);
  mode_t mask = umask(0);
  umask(mask);
  bool ok = data && write_file(to, data, size) && !chmod(to, 0777 & ~mask);
  free(data);
  return ok;
}

/* The library is linked elsewhere, copied beside its place and moved there: an older one stays until the new one is whole. */
static int make_library(Session *s, const Glue *g, const char *out) {
  Arena *m = s->model->mem;
  const char *tmp = getenv("TMPDIR"), *made = arena_printf(m, "%s.new", out);
  char *dir = arena_printf(m, "%s/hnncXXXXXX", tmp && *tmp ? tmp : "/tmp");
  stop_removes(made);
  if (!write_file(made, "", 0)) return stop_keeps(made), cannot_write(s, out);
  if (!mkdtemp(dir)) return unlink(made), stop_keeps(made), cannot_write(s, dir);
  stop_removes(dir);
  uint32_t objects = 0;
  int code = write_parts(s, g, dir, &objects);
  if (!code) code = link_library(s, g, dir, objects);
  if (!code && (!copy_file(arena_printf(m, "%s/library.so", dir), made) || rename(made, out))) code = cannot_write(s, out);
  if (code) unlink(made);
  stop_keeps(made);
  remove_dir(dir);
  return code;
}

static int make_header(Session *s, const Glue *g, const char *out) {
  const char *made = arena_printf(s->model->mem, "%s.new", out);
  stop_removes(made);
  const bool ok = write_text(made, glue_header, g) && !rename(made, out);
  int code = ok ? 0 : cannot_write(s, out);
  if (!ok) unlink(made);
  stop_keeps(made);
  return code;
}

/* FILE without its last four characters (".hnn"), or --out without ".so". A directory: the model's name in it. */
static char *base_path(Session *s) {
  Arena *m = s->model->mem;
  const char *path = s->opt->out ? s->opt->out : s->model->path;
  if (!strcmp(path, SOURCE_STDIN)) path = s->model->name;
  size_t n = strlen(path);
  struct stat st;
  if (s->opt->out && ((n && path[n - 1] == '/') || (!stat(path, &st) && S_ISDIR(st.st_mode))))
    path = arena_printf(m, "%s%s%s.hnn", path, path[n - 1] == '/' ? "" : "/", s->model->name);
  char *base = arena_strdup(m, path);
  n = strlen(base);
  if (n > 4 && !strcmp(base + n - 4, ".hnn")) base[n - 4] = 0;
  else if (n > 3 && (!strcmp(base + n - 3, ".so"))) base[n - 3] = 0;
  else if (n > 2 && (!strcmp(base + n - 2, ".h"))) base[n - 2] = 0;
  return base;
}

static void summary(Session *s, const Glue *g, const char *base, bool library, bool header) {
  int64_t numbers = 0;
  struct stat st;
  for (uint32_t k = 0; k < s->model->nparam; k++) numbers += s->param[k].elems;
  printf("%s: %" PRId64 " numbers in %" PRId64 " parameters, %s\n", s->model->path, numbers, model_params(s->model),
         s->model->f64 ? "f64" : "f32");
  for (int i = 0; i < g->n; i++) {
    if (g->fn[i].kind == GLUE_UPDATE || g->fn[i].kind == GLUE_LOSS) continue;
    Flops f = pass_flops(g->fn[i].whole);
    printf("  %-40s %12" PRId64 " FLOP a sample\n", g->fn[i].wrapper, f.per_sample);
    char text[128];
    for (uint32_t k = 0; g->fn[i].pattern && k < g->fn[i].whole->out.n; k++) {
      const Pattern *p = g->fn[i].pattern[k];
      if (p) printf("    %u nonzeros of %u x %u, their rows and columns in the header\n", pattern_count(p), p->rows, p->cols);
    }
    if (g->fn[i].kind == GLUE_GRADIENT && *native_memory_text(g->fn[i].memory, text, sizeof text)) printf("    %s\n", text);
  }
  for (uint32_t i = 0; i < s->model->nleft_out; i++)
    printf("  left out: %s `%s`: %s\n", s->model->left_out[i].kind, s->model->left_out[i].name, s->model->left_out[i].why);
  for (uint32_t i = 0; i < s->model->naction; i++)
    if (s->model->action[i].kind == DO_REPORT && s->model->action[i].report->nuse)
      printf("  left out: report `%s`: it takes statistics of other reports\n", s->model->action[i].report->name);
  char *so = arena_printf(s->model->mem, "%s.so", base);
  if (library && !stat(so, &st)) printf("  %s (%lld bytes)\n", so, (long long)st.st_size);
  if (header) printf("  %s.h\n", base);
  proofs_print(s, stdout, true);
  printf("  %.0f ms\n", 1e3 * (pass_now() - s->started));
}

int export_library(Session *s, bool library, bool header) {
  if (proofs_refuted(s)) return session_render(s), EXIT_FILE;
  Glue g;
  char *base = base_path(s);
  const char *slash = strrchr(base, '/');
  if (s->opt->out) out_folders(base);
  int code = glue_make(s, slash ? slash + 1 : base, &g);
  if (!code && library) code = make_library(s, &g, arena_printf(s->model->mem, "%s.so", base));
  if (!code && header) code = make_header(s, &g, arena_printf(s->model->mem, "%s.h", base));
  if (!code && !s->opt->quiet) summary(s, &g, base, library, header);
  glue_finish(&g);
  return code;
}
