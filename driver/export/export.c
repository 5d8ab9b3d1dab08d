/* `hnnc compile FILE`: NAME.so and NAME.h. */
#include "driver/export/export.h"
#include "driver/export/glue_priv.h"
#include "driver/session/native.h"
#include "driver/process/process.h"
#include "driver/session/proofs.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static int cannot_write(Session *s, const char *path) {
  return session_fail(s, EXIT_IO, CODE_output, (Span){0}, "cannot write `%s`: %s", path, strerror(errno));
}

static int make_library(Session *s, const Glue *g, const char *path) {
  char err[512] = "";
  OutFile o;
  FILE *out = out_open(&o, path);
  if (!out) return cannot_write(s, path);
  const bool ok = glue_write(g, out, err, sizeof err), wrote = !ferror(out);
  const int cause = errno;
  const mode_t mask = umask(0);
  umask(mask);
  if (ok && strcmp(o.made, path)) (void)!chmod(o.made, 0777 & ~mask); /* else it is no regular file */
  if (!out_end(&o, ok) && ok) return cannot_write(s, path);
  if (!wrote) return errno = cause, cannot_write(s, path);
  return ok ? 0 : session_fail(s, EXIT_FAULT, CODE_library, (Span){0}, "%s", err);
}

static int make_header(Session *s, const Glue *g, const char *path) {
  OutFile o;
  FILE *out = out_open(&o, path);
  if (!out) return cannot_write(s, path);
  glue_header(out, g);
  return out_end(&o, true) ? 0 : cannot_write(s, path);
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
