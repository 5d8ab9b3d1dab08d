/* The C text of an exported library: its header, and the tables and wrappers behind it. */
#include "driver/export/glue_priv.h"

#include "driver/export/cname_priv.h"
#include "driver/run/trainer.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

const char *glue_real(const Glue *g) { return g->s->model->f64 ? "double" : "float"; }

void glue_dims(FILE *out, Type t, const char *first) {
  fprintf(out, "%s", first);
  for (int i = 0; i < t.rank; i++) fprintf(out, "[%u]", t.dim[i]);
}

const char *glue_output(const Glue *g, const GlueFn *f, uint32_t k) {
  if (f->kind == GLUE_LOSS) return "loss";
  return f->whole->out.n == 1 ? "out" : arena_printf(g->s->model->mem, "out%u", k);
}

static const Pattern *pattern_of(const GlueFn *f, uint32_t k) { return f->pattern ? f->pattern[k] : NULL; }

/* `pattern_J`, or `pattern_J_1` for the second of several outputs: before _rows and _cols. */
const char *glue_pattern(const Glue *g, const GlueFn *f, uint32_t k) {
  if (!pattern_of(f, k)) return NULL;
  return f->whole->out.n == 1 ? arena_printf(g->s->model->mem, "%s_pattern_%s", g->name, f->wrapper)
                              : arena_printf(g->s->model->mem, "%s_pattern_%s_%u", g->name, f->wrapper, k);
}

bool glue_slope(const GlueFn *f) { return f->kind == GLUE_PRODUCT && f->nmoved; }

uint32_t glue_outputs(const GlueFn *f) { return glue_slope(f) ? f->slope : f->whole->out.n; }

/* ---- the header -------------------------------------------------------------------------------------- */

/* Losses of a sum stand behind the first, whose wrapper takes the arguments of all. */
static bool has_wrapper(const GlueFn *f) {
  return f->kind == GLUE_FUNCTION || f->kind == GLUE_LOSS || f->kind == GLUE_PRODUCT || (f->kind == GLUE_GRADIENT && !f->loss);
}

uint32_t glue_losses(const GlueFn *f) { return f->kind == GLUE_GRADIENT ? f->train->nsum : 1; }

/* "n", or "n_2" of the second loss. */
static const char *samples_name(const Glue *g, uint32_t k) { return k ? arena_printf(g->s->model->mem, "n_%u", k + 1) : "n"; }

static void signature(FILE *out, const Glue *g, const GlueFn *f) {
  fprintf(out, "int %s_%s(%s *m", g->name, f->wrapper, g->name);
  for (uint32_t i = 0; i < glue_losses(f); i++) {
    fprintf(out, ", int64_t %s", samples_name(g, i));
    for (int k = 0; k < f[i].nuser; k++) fprintf(out, ", const %s *%s", glue_real(g), f[i].arg[k]);
  }
  if (f->kind == GLUE_GRADIENT) fprintf(out, ", double lr, double *loss");
  else
    for (uint32_t k = 0; k < glue_outputs(f); k++) fprintf(out, ", %s *%s", glue_real(g), glue_output(g, f, k));
  if (glue_slope(f)) fprintf(out, ", %s *gradient", glue_real(g));
  fprintf(out, ")");
}

static void describe_inputs(FILE *out, const Glue *g, const GlueFn *f) {
  const uint32_t n = glue_losses(f);
  for (uint32_t i = 0; i < n; i++) {
    if (f->kind == GLUE_GRADIENT && !f[i].nuser)
      fprintf(out, " %s: how many draws%s%s.", samples_name(g, i), n > 1 ? " of " : "", n > 1 ? f->train->sum[i].label : "");
    for (int k = 0; k < f[i].nuser; k++) {
      fprintf(out, " %s: ", f[i].arg[k]);
      glue_dims(out, f[i].whole->in.at[f[i].user[k]].type, i ? arena_printf(g->s->model->mem, "[%s]", samples_name(g, i)) : "[n]");
      fprintf(out, k + 1 < f[i].nuser || f->kind != GLUE_GRADIENT ? "," : ".");
    }
  }
}

static void describe(FILE *out, const Glue *g, const GlueFn *f) {
  fprintf(out, "\n/* %c%s.", f->what[0] >= 'a' && f->what[0] <= 'z' ? f->what[0] - 32 : f->what[0], f->what + 1);
  describe_inputs(out, g, f);
  if (f->kind != GLUE_GRADIENT)
    for (uint32_t k = 0; k < glue_outputs(f); k++) {
      Type t = ir_type(f->whole, f->whole->out.at[k]);
      fprintf(out, " %s: ", glue_output(g, f, k));
      glue_dims(out, t, t.lane ? "[n]" : t.rank ? "" : "one number");
      fprintf(out, glue_slope(f) ? "," : k + 1 < glue_outputs(f) ? "," : ".");
    }
  else
    fprintf(
        out,
        " *loss gets the mean loss before the step.\n * lr <= 0 takes the file's %g. Returns 1, with the "
        "parameters as they were, when a number is not finite:\n * the loss, its gradient, lr, or what the step would make of the "
        "parameters.%s",
        f->train->opt.lr,
        f->train->opt.kind == OPT_LBFGS ? " A step is up to the file's max_iter\n * iterations on these samples." : "");
  if (glue_slope(f)) fprintf(out, " gradient: [REALS], by the parameters end to end, summed over the samples.");
  fprintf(out, " */\n");
}

/* Which elements the numbers of an output are, where it is the nonzeros of a matrix. */
static void declare_patterns(FILE *out, const Glue *g, const GlueFn *f) {
  for (uint32_t k = 0; k < f->whole->out.n; k++) {
    const Pattern *p = pattern_of(f, k);
    if (!p) continue;
    const char *name = glue_pattern(g, f, k);
    fprintf(out,
            "\n/* %s has %u elements of a matrix of %u rows and %u columns, the others are 0. Those of row i are numbers\n"
            " * rows[i] to rows[i + 1] - 1; they stand in the columns cols[...]. */\n"
            "extern const int32_t %s_rows[%u], %s_cols[%u];\n",
            glue_output(g, f, k), pattern_count(p), p->rows, p->cols, name, p->rows + 1, name, pattern_count(p));
  }
}

void glue_header(FILE *out, const Glue *g) {
  const Model *m = g->s->model;
  fprintf(
      out,
      "/* %s, compiled by hnnc %s for %s. Link with %s.so, -lm and -lpthread; nothing else is needed:\n"
      " *   cc use.c ./%s.so -Wl,-rpath,. -lm -lpthread -o use\n"
      " * -Wl,-rpath,DIR says in which folder the program finds the library when it runs; LD_LIBRARY_PATH=DIR can say it too.\n *\n"
      " * Arrays are row-major with the sample first, in %s; n is how many samples. Functions return an hnn_code: 0, or error(0) "
      "says\n"
      " * what was wrong. A model may be used by one thread at a time, but see share(); several models are independent. */\n"
      "#ifndef HNNC_%s_H\n#define HNNC_%s_H\n\n",
      cname_comment(m->mem, m->path), HNNC_VERSION, g->cpu, cname_comment(m->mem, g->file), cname_comment(m->mem, g->file),
      glue_real(g), g->upper, g->upper);
  glue_engine(out, "model");
  glue_abi_header(out, g);
  for (int i = 0; i < g->n; i++) {
    if (!has_wrapper(&g->fn[i])) continue;
    describe(out, g, &g->fn[i]);
    signature(out, g, &g->fn[i]);
    fprintf(out, ";\n");
    declare_patterns(out, g, &g->fn[i]);
  }
  for (int i = 0; i < g->n; i++) glue_abi_declare(out, g, &g->fn[i]);
  fprintf(out, "\n#ifdef __cplusplus\n}\n#endif\n#endif\n");
}

/* ---- tables ---------------------------------------------------------------------------------------------- */

const char *engine_text(const char *name, size_t *len); /* made by tools/embed.c */

/* A header of the engine, as it was when hnnc was built, without the headers of ours that it includes. */
void glue_engine(FILE *out, const char *name) {
  size_t len;
  const char *text = engine_text(name, &len);
  for (const char *end; *text; text = end) {
    end = text + strcspn(text, "\n");
    end += *end == '\n';
    if (strncmp(text, "#include \"", 10)) fwrite(text, 1, (size_t)(end - text), out);
  }
}

static void print_outputs(FILE *out, const char *name, int i, const Fn *f) {
  fprintf(out, "static const int64_t hnnc_%s_elems_%d[] = {", name, i);
  for (uint32_t k = 0; k < f->out.n; k++) fprintf(out, "%" PRId64 ", ", type_count(ir_type(f, f->out.at[k])));
  fprintf(out, "0};\nstatic const _Bool hnnc_%s_lane_%d[] = {", name, i);
  for (uint32_t k = 0; k < f->out.n; k++) fprintf(out, "%d, ", ir_type(f, f->out.at[k]).lane);
  fprintf(out, "0};\n");
}

static int user_number(const GlueFn *f, uint32_t input) {
  for (int k = 0; k < f->nuser; k++)
    if (f->user[k] == (int)input) return k;
  return 0;
}

static void print_inputs(FILE *out, int i, const GlueFn *f) {
  fprintf(out, "static const LibInput hnnc_in_%d[] = {", i);
  for (uint32_t k = 0; k < f->whole->in.n; k++) {
    const Input *in = &f->whole->in.at[k];
    const int kind = in->kind == IN_PARAM ? 0 : in->kind == IN_FIELD ? 1 : f->kind == GLUE_PRODUCT ? 3 : 2;
    fprintf(out, "{%d, %d, %" PRId64 ", %d}, ", kind,
            kind == 0   ? (int)in->index
            : kind == 1 ? user_number(f, k)
                        : 0,
            type_count(in->type), in->type.lane);
  }
  fprintf(out, "{0, 0, 0, 0}};\n");
}

static void print_refs(FILE *out, const char *name, const PartRef *ref, uint32_t n) {
  fprintf(out, "static const HnnRef hnnc_%s[] = {", name);
  for (uint32_t k = 0; k < n; k++) fprintf(out, "{%d, %u}, ", ref[k].part, ref[k].index);
  fprintf(out, "{0, 0}};\n");
}

static int place(const uint32_t *list, uint32_t n, uint32_t v) {
  for (uint32_t k = 0; k < n; k++)
    if (list[k] == v) return (int)k;
  return 0;
}

static void print_places(FILE *out, const char *what, int i, const uint32_t *v, uint32_t n, const uint32_t *all, uint32_t nall) {
  fprintf(out, "static const int hnnc_%s_%d[] = {", what, i);
  for (uint32_t k = 0; k < n; k++) fprintf(out, "%d, ", all ? place(all, nall, v[k]) : (int)v[k]);
  fprintf(out, "0};\n");
}

static void print_function_tables(FILE *out, const Glue *g, int i, const GlueFn *f) {
  Arena *mem = g->s->model->mem;
  char name[SPLIT_NAME], suffix[SPLIT_NAME];
  for (uint32_t k = 0; k < f->split.n; k++) {
    const Fn *part = f->split.part[k].fn;
    if (!part) continue;
    const char *part_name = pass_split_name(&f->split, k, name), *tail = pass_split_suffix(&f->split, k, suffix);
    fprintf(out, "extern void %s%s(const HnnCall *);\nextern const HnnKernelInfo %s%s_info;\n", f->symbol, tail, f->symbol, tail);
    print_outputs(out, part_name, i, part);
    print_refs(out, arena_printf(mem, "%s_in_%d", part_name, i), f->split.part[k].in, part->in.n);
  }
  fprintf(out, "static const LibPart hnnc_parts_%d[] = {\n", i);
  for (uint32_t k = 0; k < f->split.n; k++) {
    const Fn *part = f->split.part[k].fn;
    const char *n = pass_split_name(&f->split, k, name), *tail = pass_split_suffix(&f->split, k, suffix);
    if (part)
      fprintf(out, "  {%s%s, &%s%s_info, %u, %u, hnnc_%s_in_%d, hnnc_%s_elems_%d, hnnc_%s_lane_%d},\n", f->symbol, tail, f->symbol,
              tail, part->in.n, part->out.n, n, i, n, i, n, i);
    else fprintf(out, "  {0},\n");
  }
  fprintf(out, "};\n");
  print_outputs(out, "whole", i, f->whole);
  print_inputs(out, i, f);
  print_refs(out, arena_printf(mem, "from_%d", i), f->split.from, f->whole->out.n);
  if (f->nmoved) print_places(out, "gradients", i, f->moved, f->nmoved, NULL, 0);
  fprintf(out, "\n");
}

static void print_function_row(FILE *out, int i, const GlueFn *f) {
  fprintf(out, "  {%u, hnnc_parts_%d, %d, %u, %u, hnnc_in_%d, hnnc_whole_lane_%d, hnnc_whole_elems_%d, hnnc_from_%d, ", f->split.n,
          i, pass_split_whole(&f->split, f->whole), f->whole->in.n, f->whole->out.n, i, i, i, i);
  if (f->nmoved) fprintf(out, "%u, %u, hnnc_gradients_%d},\n", f->slope, f->nmoved, i);
  else fprintf(out, "0, 0, 0},\n");
}

static void print_params(FILE *out, const Glue *g) {
  const Model *m = g->s->model;
  int64_t offset = 0;
  fprintf(out, "static const LibParam hnnc_params[] = {\n");
  for (uint32_t k = 0; k < m->nparam; k++) {
    Type t = m->param[k].type;
    fprintf(out, "  {%s, %d, {", cname_string(g->s->model->mem, m->param[k].path), t.rank);
    for (int d = 0; d < IR_MAX_RANK; d++) fprintf(out, d ? ", %u" : "%u", t.dim[d]);
    fprintf(out, "}, %" PRId64 ", %" PRId64 "},\n", type_count(t), offset);
    offset += type_count(t);
  }
  fprintf(out, "  {0}};\n\n__asm__(\".section .rodata\\n.balign 64\\nhnnc_start_values: .incbin \\\"\" HNN_START "
               "\"\\\"\\n.byte 0\\n.previous\\n\");\nextern const char hnnc_start_values[] "
               "__attribute__((visibility(\"hidden\")));\n\n");
}

/* The averages of all losses of a training, each once: into list, how many. */
static uint32_t running_of(const GlueFn *f, uint32_t *list) {
  uint32_t n = 0;
  for (uint32_t i = 0; i < glue_losses(f); i++)
    for (uint32_t k = 0; k < f[i].running.n; k++) {
      uint32_t at = 0;
      while (at < n && list[at] != f[i].running.param[k]) at++;
      if (at == n) list[n++] = f[i].running.param[k];
    }
  return n;
}

static uint32_t print_losses(FILE *out, const Glue *g, int i) {
  const GlueFn *f = &g->fn[i];
  const Train *t = f->train;
  uint32_t *running = ARENA_ARRAY(g->s->model->mem, uint32_t, g->s->model->nparam + 1), nrunning = running_of(f, running);
  print_places(out, "moved", i, t->moved, t->nmoved, NULL, 0);
  print_places(out, "running", i, running, nrunning, NULL, 0);
  fprintf(out, "static const double hnnc_decay_%d[] = {", i);
  for (uint32_t k = 0; k < nrunning; k++) fprintf(out, "%.17g, ", g->s->model->param[running[k]].decay);
  fprintf(out, "0};\n");
  for (uint32_t k = 0; k < t->nsum; k++) {
    print_places(out, "moves", i + (int)k, f[k].moved, f[k].nmoved, t->moved, t->nmoved);
    print_places(out, "averages", i + (int)k, f[k].running.param, f[k].running.n, running, nrunning);
  }
  fprintf(out, "static const LibLoss hnnc_losses_%d[] = {\n", i);
  for (uint32_t k = 0; k < t->nsum; k++)
    fprintf(out, "  {%d, %.17g, %u, hnnc_moves_%d, %u, hnnc_averages_%d},\n", i + (int)k, t->sum[k].weight, f[k].nmoved, i + (int)k,
            f[k].running.n, i + (int)k);
  fprintf(out, "};\n");
  return nrunning;
}

/* Trainings are numbered by their first gradient's place among the functions; those of a sum and the update follow it. */
static int print_trains(FILE *out, const Glue *g) {
  int n = 0;
  uint32_t *running = ARENA_ARRAY(g->s->model->mem, uint32_t, (uint32_t)g->n + 1);
  for (int i = 0; i < g->n; i++)
    if (g->fn[i].kind == GLUE_GRADIENT && !g->fn[i].loss) running[i] = print_losses(out, g, i);
  fprintf(out, "static const LibTrain hnnc_trains[] = {\n");
  for (int i = 0; i < g->n; i++) {
    if (g->fn[i].kind != GLUE_GRADIENT || g->fn[i].loss) continue;
    const Train *t = g->fn[i].train;
    const Optim o = t->opt;
    const bool lbfgs = o.kind == OPT_LBFGS;
    fprintf(out,
            "  {%u, hnnc_losses_%d, %d, %u, hnnc_moved_%d, %d, %d, %d, %d, %.17g, %.17g, %.17g, %.17g, %.17g, %u, hnnc_running_%d, "
            "hnnc_decay_%d},\n",
            t->nsum, i, lbfgs ? -1 : i + (int)t->nsum, t->nmoved, i, trainer_states(&o), lbfgs ? o.history : 0,
            lbfgs ? o.max_iter : 0, trainer_careful(&o), t->opt.lr, t->opt.beta1, t->opt.beta2, t->clip, o.weight_decay, running[i],
            i, i);
    n++;
  }
  fprintf(out, "  {0}};\n\n");
  return n;
}

static void print_ints(FILE *out, const char *name, const char *what, const uint32_t *v, uint32_t n) {
  fprintf(out, "API const int32_t %s_%s[%u] = {", name, what, n);
  for (uint32_t k = 0; k < n; k++) fprintf(out, "%s%u", k % 20 ? ", " : k ? ",\n  " : "\n  ", v[k]);
  fprintf(out, "};\n");
}

static void print_patterns(FILE *out, const Glue *g, const GlueFn *f) {
  for (uint32_t k = 0; k < f->whole->out.n; k++) {
    const Pattern *p = pattern_of(f, k);
    if (!p) continue;
    print_ints(out, glue_pattern(g, f, k), "rows", p->start, p->rows + 1);
    print_ints(out, glue_pattern(g, f, k), "cols", p->col, pattern_count(p));
  }
}

/* ---- wrappers ----------------------------------------------------------------------------------------------- */

static void print_step(FILE *out, const Glue *g, const GlueFn *f, int train) {
  const uint32_t n = glue_losses(f);
  for (uint32_t i = 0; i < n; i++) {
    fprintf(out, "  const hnn_array hnnc_in_%u[] = {", i);
    for (int k = 0; k < f[i].nuser; k++) fprintf(out, "{(void *)%s, 0}, ", f[i].arg[k]);
    fprintf(out, "{0, 0}};\n");
  }
  fprintf(out, "  const hnn_array *const hnnc_in[] = {");
  for (uint32_t i = 0; i < n; i++) fprintf(out, "hnnc_in_%u, ", i);
  fprintf(out, "};\n  const int64_t hnnc_n[] = {");
  for (uint32_t i = 0; i < n; i++) fprintf(out, "%s, ", samples_name(g, i));
  fprintf(out, "};\n  return lib_abi_step((void *)m, %d, hnnc_n, hnnc_in, lr, loss);\n}\n\n", train);
}

static void print_wrapper(FILE *out, const Glue *g, int i, int train) {
  const GlueFn *f = &g->fn[i];
  fprintf(out, "API ");
  signature(out, g, f);
  fprintf(out, " {\n");
  if (f->kind == GLUE_GRADIENT) {
    print_step(out, g, f, train);
    return;
  }
  glue_abi_arrays(out, f);
  for (uint32_t k = 0; k < glue_outputs(f); k++) fprintf(out, "{%s, 0}, ", glue_output(g, f, k));
  if (glue_slope(f)) fprintf(out, "{gradient, 0}, ");
  fprintf(out, "{0, 0}};\n  return lib_abi_call((void *)m, %d, n, 0, hnnc_in, hnnc_out);\n}\n\n", f->number);
}

/* What the code needs of the processor, asked of it once a model. */
static void print_check(FILE *out, const Glue *g) {
  const char *at = g->needs;
  fprintf(out, "static const char *hnnc_check(void) {\n");
  if (*at) fprintf(out, "  __builtin_cpu_init();\n");
  while (*at) {
    int n = (int)strcspn(at, " ");
    fprintf(
        out,
        "  if (!__builtin_cpu_supports(\"%.*s\"))\n    return \"compiled for %s, which has %.*s; this processor has not: compile "
        "it here, or with --cpu=x86-64\";\n",
        n, at, g->cpu, n, at);
    at += n + (at[n] == ' ');
  }
  fprintf(out, "  return 0;\n}\n\n");
}

void glue_print(FILE *out, const Glue *g) {
  int train = 0;
  fprintf(out, "#include \"%s.h\"\n\n#define API __attribute__((visibility(\"default\")))\n\n", g->name);
  glue_engine(out, "abi");
  glue_engine(out, "lib");
  for (int i = 0; i < g->n; i++) print_function_tables(out, g, i, &g->fn[i]);
  for (int i = 0; i < g->n; i++) print_patterns(out, g, &g->fn[i]);
  fprintf(out, "static const LibFn hnnc_fns[] = {\n");
  for (int i = 0; i < g->n; i++) print_function_row(out, i, &g->fn[i]);
  fprintf(out, "  {0}};\n\n");
  print_params(out, g);
  const int trains = print_trains(out, g);
  print_check(out, g);
  glue_abi_print(out, g, trains);
  for (int i = 0; i < g->n; i++)
    if (has_wrapper(&g->fn[i])) print_wrapper(out, g, i, g->fn[i].kind == GLUE_GRADIENT ? train++ : 0);
}
