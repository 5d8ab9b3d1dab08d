/* `hnnc compile FILE`: the native model (a library and its header), or what --emit names. */
#include "driver/export/export.h"
#include "driver/functions/units.h"
#include "frontend/syntax/ast.h"
#include "driver/commands/commands_priv.h"
#include "driver/run/recorded.h"
#include "driver/process/process.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const emit_kinds[] = {"ast", "ir", "kernels", "llvm", "asm", "flops", "dot", "obj", "so", "header", "onnx"};
enum { NKINDS = sizeof emit_kinds / sizeof *emit_kinds };

static void print_memory(FILE *out, const char *comment, const Unit *u, MemoryChoice c) {
  char text[128];
  if (!strcmp(u->kind, "gradient") && *native_memory_text(c, text, sizeof text))
    fprintf(out, "%s `%s`: %s\n", comment, u->name, text);
}

static bool emit_text(Session *s, const Unit *u, const char *kind, FILE *out) {
  MemoryChoice memory;
  pass_jacobians_print(&s->passes, NULL, NULL, s->src);
  Fn *f = pass_lower(&s->passes, u->fn, u->memory, &memory, s->diag); /* not split */
  if (!f) return false;
  fprintf(out, "%s %s: %s `%s`\n", strcmp(kind, "dot") ? "#" : "//", s->model->path, u->kind, u->name);
  print_memory(out, strcmp(kind, "dot") ? "#" : "//", u, memory);
  pass_jacobians_print(&s->passes, out, strcmp(kind, "dot") ? "#" : "//", s->src);
  if (!strcmp(kind, "ir")) ir_print(out, f, s->src);
  else if (!strcmp(kind, "dot")) ir_dot_graph(out, f);
  else pass_flops_print(out, f);
  ir_fn_destroy(f);
  return true;
}

/* said: where to say how states are kept, or NULL. */
static bool add_unit(Session *s, Cg *cg, const Unit *u, FILE *said) {
  const PassJob job = {.fn = u->fn, .memory = u->memory};
  Lowered l;
  bool ok = pass_lower_all(&s->passes, &job, &l, s->diag);
  if (l.fn && said) print_memory(said, "#", u, l.memory);
  char suffix[SPLIT_NAME];
  for (uint32_t k = 0; ok && k < l.split.n; k++)
    if (l.split.part[k].fn)
      cg_add(cg, l.split.part[k].fn, arena_printf(s->model->mem, "hnn_%s%s", u->name, pass_split_suffix(&l.split, k, suffix)));
  pass_lowered_finish(&l);
  return ok;
}

static int emit_code(Session *s, const Units *units, const char *kind, FILE *out) {
  char err[512] = "";
  Cg *cg = cg_create(&s->cg, err, sizeof err);
  bool ok = cg != NULL;
  for (uint32_t i = 0; ok && i < units->list.n; i++)
    if (!add_unit(s, cg, &units->list.at[i], strcmp(kind, "kernels") ? NULL : out))
      return cg_destroy(cg), session_render(s), EXIT_FILE;
  if (ok && !strcmp(kind, "kernels")) cg_print_kernels(cg, out, s->src, NULL);
  else if (ok && !strcmp(kind, "llvm")) ok = cg_print_llvm(cg, out, err, sizeof err);
  else if (ok && !strcmp(kind, "asm")) ok = cg_print_asm(cg, out, NULL, err, sizeof err);
  else if (ok) {
    OutFile o;
    const char *path = s->opt->out ? s->opt->out : arena_printf(s->model->mem, "%s.o", s->model->name);
    out_begin(&o, path);
    ok = cg_write_object(cg, o.made, err, sizeof err);
    if (!out_end(&o, ok) && ok) ok = false, snprintf(err, sizeof err, "cannot write %s: %s", path, strerror(errno));
  }
  cg_destroy(cg);
  return ok ? 0 : session_fail(s, EXIT_IO, CODE_output, (Span){0}, "%s", err);
}

static int emit(Session *s, const char *kind, FILE *out) {
  static const char *const text[] = {"ir", "flops", "dot"};
  Units *units = units_create(s->model, &s->passes, s->diag);
  int code = -1;
  if (!units) return session_render(s), EXIT_FILE;
  for (int k = 0; k < 3; k++)
    if (!strcmp(kind, text[k]))
      for (uint32_t i = code = 0; !code && i < units->list.n; i++)
        if (!emit_text(s, &units->list.at[i], kind, out)) session_render(s), code = EXIT_FILE;
  if (code < 0) code = emit_code(s, units, kind, out);
  units_destroy(units);
  return code;
}

static int unknown_kind(Session *s, const char *kind) {
  const char *near = diag_nearest(kind, emit_kinds, NKINDS), *all = emit_kinds[0];
  for (int i = 1; i < NKINDS; i++) all = arena_printf(s->model->mem, "%s, %s", all, emit_kinds[i]);
  return session_fail(s, EXIT_USAGE, CODE_emit, (Span){0}, "--emit does not know `%s`%s%s%s; there are %s", kind,
                      near ? ", did you mean `" : "", near ? near : "", near ? "`?" : "", all);
}

static bool known_kind(const char *kind) {
  for (int i = 0; i < NKINDS; i++)
    if (!strcmp(kind, emit_kinds[i])) return true;
  return false;
}

static int emit_kind(Session *s, const char *kind) {
  bool file = !strcmp(kind, "so") || !strcmp(kind, "header"), object = !strcmp(kind, "obj");
  if (!known_kind(kind)) return unknown_kind(s, kind);
  if (!strcmp(kind, "onnx")) return export_onnx(s);
  if (file) return export_library(s, !strcmp(kind, "so"), !strcmp(kind, "header"));
  OutFile o;
  FILE *out = out_open(&o, object ? NULL : s->opt->out);
  if (!out) return session_fail(s, EXIT_IO, CODE_output, (Span){0}, "cannot write `%s`: %s", s->opt->out, strerror(errno));
  int code = emit(s, kind, out);
  if (!out_end(&o, !code) && !code)
    code = session_fail(s, EXIT_IO, CODE_output, (Span){0}, "cannot write `%s`: %s", s->opt->out, strerror(errno));
  return code;
}

/* The syntax tree, of files with errors too. */
static int emit_ast(const Options *o) {
  Source *src = source_create();
  Interner *names = intern_create();
  Diag *diag = diag_create(src);
  uint32_t file = source_load_any(src, o->file);
  OutFile to = {0};
  FILE *out = file ? out_open(&to, o->out) : NULL;
  int code = 0;
  if (!file || !out) {
    diag_add(diag, CODE_file, (Span){0}, "cannot %s `%s`: %s", file ? "write" : "read", file ? o->out : o->file, strerror(errno));
    code = EXIT_IO;
  } else {
    Ast *ast = ast_parse(src, file, names, diag);
    ast_print(out, ast);
    ast_destroy(ast);
    code = diag_errors(diag) ? EXIT_FILE : 0;
  }
  if (out && !out_end(&to, true))
    diag_add(diag, CODE_output, (Span){0}, "cannot write `%s`: %s", o->out, strerror(errno)), code = EXIT_IO;
  diag_render(diag, stderr, isatty(STDERR_FILENO) && !getenv("NO_COLOR"));
  diag_destroy(diag);
  intern_destroy(names);
  source_destroy(src);
  return code;
}

int command_compile(const Options *o) {
  Session s;
  if (o->emit && !strcmp(o->emit, "ast")) return emit_ast(o);
  int code = session_open(&s, o);
  if (!code && o->params) code = recorded_load(&s, o->params, o->quiet ? NULL : stderr);
  if (!code) code = o->emit ? emit_kind(&s, o->emit) : export_library(&s, true, true);
  if (o->time_passes) pass_times_print(&s.passes, stderr);
  session_close(&s);
  return code;
}
