/* The header of an exported library. */
#include "driver/export/glue_priv.h"

#include "driver/export/cname_priv.h"

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

/* ---- headers of the engine ----------------------------------------------------------------------------------- */

const char *engine_text(const char *name, size_t *len); /* made by tools/embed.c */

/* A header of the engine, as it was when hnnc was built, without the headers of ours that it includes. */
static void put_engine(FILE *out, const char *name) {
  size_t len;
  const char *text = engine_text(name, &len);
  for (const char *end; *text; text = end) {
    end = text + strcspn(text, "\n");
    end += *end == '\n';
    if (strncmp(text, "#include \"", 10)) fwrite(text, 1, (size_t)(end - text), out);
  }
}

/* ---- the header -------------------------------------------------------------------------------------- */

/* Losses of a sum stand behind the first, whose wrapper takes the arguments of all. */
bool glue_has_wrapper(const GlueFn *f) {
  return f->kind == GLUE_FUNCTION || f->kind == GLUE_LOSS || f->kind == GLUE_PRODUCT || glue_trains(f);
}

bool glue_trains(const GlueFn *f) { return f->kind == GLUE_GRADIENT && f->train && !f->loss; }

uint32_t glue_losses(const GlueFn *f) { return glue_trains(f) ? f->train->nsum : 1; }

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
  put_engine(out, "model");
  glue_abi_header(out, g);
  for (int i = 0; i < g->n; i++) {
    if (!glue_has_wrapper(&g->fn[i])) continue;
    describe(out, g, &g->fn[i]);
    signature(out, g, &g->fn[i]);
    fprintf(out, ";\n");
    declare_patterns(out, g, &g->fn[i]);
  }
  for (int i = 0; i < g->n; i++) glue_abi_declare(out, g, &g->fn[i]);
  fprintf(out, "\n#ifdef __cplusplus\n}\n#endif\n#endif\n");
}
