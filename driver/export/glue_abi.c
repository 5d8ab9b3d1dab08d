/* What every exported library has, whatever the model (runtime/library/model.h): the table `hnn_library_1` that says what it has, and
 * the calls under the model's own name that need no types. */
#include "driver/export/glue_priv.h"

#include "driver/export/cname_priv.h"
#include "driver/run/runner.h"

#include <inttypes.h>
#include <string.h>

static int64_t reals(const Glue *g) {
  int64_t n = 0;
  for (uint32_t k = 0; k < g->s->model->nparam; k++) n += type_count(g->s->model->param[k].type);
  return n;
}

/* ---- the order of functions: the model's own, reports, then losses and their gradients ----------------------- */

static bool own(const GlueFn *f) { return f->kind == GLUE_FUNCTION || f->kind == GLUE_PRODUCT; }

void glue_abi_number(Glue *g) {
  g->show = ARENA_ARRAY(g->s->model->mem, int, (size_t)g->n + 1);
  for (int late = 0; late < 2; late++)
    for (int i = 0; i < g->n; i++)
      if (g->fn[i].shown && own(&g->fn[i]) == !late) g->fn[i].number = g->nshow, g->show[g->nshow++] = i;
}

/* The number of the shown gradient that is the same loss as fn[i]. */
static int gradient_number(const Glue *g, int i) {
  const char *label = g->fn[i].train->sum[g->fn[i].loss].label;
  for (int k = 0; k < g->n; k++)
    if (g->fn[k].kind == GLUE_GRADIENT && g->fn[k].shown && !strcmp(g->fn[k].shown, label)) return g->fn[k].number;
  return 0;
}

/* ---- the header ------------------------------------------------------------------------------------------------- */

void glue_abi_header(FILE *out, const Glue *g) {
  const Model *m = g->s->model;
  const char *name = g->name;
  uint32_t number = 0;
  fprintf(out,
          "#ifdef __cplusplus\nextern \"C\" {\n#endif\n\n"
          "typedef hnn_model %s;\n\n"
          "/* What the library has, and the calls below as functions of any model. */\n"
          "const hnn_library *%s_library(void);\n\n"
          "/* A model with its parameters at their start values; NULL without memory, or on a processor that lacks what the code\n"
          " * needs%s%s%s error(0) says why. Of share, threads, load, save and error model.h above says more. */\n"
          "%s *%s_create(void);\nvoid %s_destroy(%s *m);\n%s *%s_share(const %s *m);\nint %s_threads(%s *m, int threads);\n"
          "int %s_load(%s *m, const char *path);\nint %s_save(const %s *m, const char *path);\nconst char *%s_error(int code);\n\n"
          "/* Parameters, in and out: arrays to read and to write in place.\n",
          name, name, *g->needs ? ":\n *   " : ".", g->needs, *g->needs ? "\n *" : "", name, name, name, name, name, name, name,
          name, name, name, name, name, name, name);
  for (uint32_t k = 0; k < m->nparam; k++)
    for (int64_t turn = 0; turn < param_turns(&m->param[k]); turn++) {
      char *path = param_turn_path(&m->param[k], turn);
      fprintf(out, " *   %2u  %s", number++, path);
      base_free(path);
      glue_dims(out, param_turn_type(&m->param[k]), "  ");
      fprintf(out, "\n");
    }
  fprintf(out, " * REALS is how many numbers they have together. */\nenum { %s_PARAMS = %u, %s_REALS = %" PRId64 " };\n", g->upper,
          number, g->upper, reals(g));
  fprintf(out, "%s *%s_param(%s *m, int k);\nconst char *%s_param_name(int k);\nint64_t %s_param_size(int k);\n", glue_real(g),
          name, name, name, name);
}

static void gradient_signature(FILE *out, const Glue *g, const GlueFn *f) {
  fprintf(out, "int %s_%s(%s *m, int64_t n", g->name, f->gradient, g->name);
  for (int k = 0; k < f->nuser; k++) fprintf(out, ", const %s *%s", glue_real(g), f->arg[k]);
  fprintf(out, ", %s *loss, %s *gradient)", glue_real(g), glue_real(g));
}

void glue_abi_declare(FILE *out, const Glue *g, const GlueFn *f) {
  if (f->kind != GLUE_GRADIENT || !f->shown) return;
  fprintf(out, "\n/* The mean of the loss `%s` and its gradient.", f->shown);
  for (int k = 0; k < f->nuser; k++) {
    fprintf(out, " %s: ", f->arg[k]);
    glue_dims(out, f->whole->in.at[f->user[k]].type, "[n]");
    fprintf(out, ",");
  }
  fprintf(out, " loss: one number, gradient: [REALS], by the parameters\n * end to end, 0 for those that no training moves. */\n");
  gradient_signature(out, g, f);
  fprintf(out, ";\n");
}

/* ---- tables -------------------------------------------------------------------------------------------------------- */

static void print_shape(FILE *out, Type t) {
  fprintf(out, "%d, {", t.rank);
  for (int d = 0; d < t.rank; d++) fprintf(out, d ? ", %u" : "%u", t.dim[d]);
  fprintf(out, "%s}, %" PRId64 ", ", t.rank ? "" : "0", type_count(t));
}

static void print_slope(FILE *out, const Glue *g) {
  const Type all = {.rank = 1, .dim = {(uint32_t)reals(g)}};
  fprintf(out, "  {\"gradient\", ");
  print_shape(out, all);
  fprintf(out, "0, 0, 0, 0, 0},\n");
}

static void print_outputs(FILE *out, const Glue *g, const GlueFn *f) {
  if (f->kind == GLUE_GRADIENT) {
    fprintf(out, "  {\"loss\", 0, {0}, 1, 0, 0, 0, 0, 0},\n");
    print_slope(out, g);
    return;
  }
  for (uint32_t k = 0; k < glue_outputs(f); k++) {
    const Type t = ir_type(f->whole, f->whole->out.at[k]);
    const char *pattern = glue_pattern(g, f, k), *name = f->kind == GLUE_LOSS ? "loss" : "";
    if (f->kind == GLUE_PRODUCT && f->whole->outname.at[k]) name = f->whole->outname.at[k];
    fprintf(out, "  {%s, ", cname_string(g->s->model->mem, name));
    print_shape(out, t);
    if (pattern)
      fprintf(out, "%d, %u, %u, %s_rows, %s_cols},\n", t.lane, f->pattern[k]->rows, f->pattern[k]->cols, pattern, pattern);
    else fprintf(out, "%d, 0, 0, 0, 0},\n", t.lane);
  }
  if (glue_slope(f)) print_slope(out, g);
}

static void print_values(FILE *out, const Glue *g, int i) {
  const GlueFn *f = &g->fn[i];
  fprintf(out, "static const hnn_value hnnc_args_%d[] = {\n", i);
  for (int k = 0; k < f->nuser; k++) {
    const Input *in = &f->whole->in.at[f->user[k]];
    fprintf(out, "  {%s, ", cname_string(g->s->model->mem, in->name));
    print_shape(out, in->type);
    fprintf(out, "%d, 0, 0, 0, 0},\n", in->type.lane);
  }
  fprintf(out, "  {0}}, hnnc_results_%d[] = {\n", i);
  print_outputs(out, g, f);
  fprintf(out, "  {0}};\n");
}

static bool draws(const Fn *f) {
  for (uint32_t i = 1; i < f->inst.n; i++)
    if (f->inst.at[i].op == OP_rand) return true;
  for (uint32_t i = 0; i < f->sub.n; i++)
    if (draws(f->sub.at[i])) return true;
  return false;
}

static void print_functions(FILE *out, const Glue *g) {
  Arena *mem = g->s->model->mem;
  const int n = g->nshow;
  for (int k = 0; k < n; k++) print_values(out, g, g->show[k]);
  fprintf(out, "static const int hnnc_shown[] = {");
  for (int k = 0; k < n; k++) fprintf(out, "%d, ", g->show[k]);
  fprintf(out, "0};\nstatic const hnn_function hnnc_functions[] = {\n");
  for (int k = 0; k < n; k++) {
    const int i = g->show[k];
    const GlueFn *f = &g->fn[i];
    fprintf(out, "  {%s, \"%s\", %d, %u, hnnc_args_%d, hnnc_results_%d, %" PRId64 ", %d},\n", cname_string(mem, f->shown),
            f->shown_as, f->nuser, f->kind == GLUE_GRADIENT ? 2 : glue_outputs(f) + glue_slope(f), i, i,
            pass_flops(f->whole).per_sample, draws(f->whole));
  }
  fprintf(out, "  {0}};\n\n");
}

/* Each turn of a stack is a parameter. Their number. */
static uint32_t print_parameters(FILE *out, const Glue *g) {
  const Model *m = g->s->model;
  uint32_t n = 0;
  int64_t first = 0;
  fprintf(out, "static const hnn_parameter hnnc_parameters[] = {\n");
  for (uint32_t k = 0; k < m->nparam; k++)
    for (int64_t turn = 0; turn < param_turns(&m->param[k]); turn++, n++) {
      const Type t = param_turn_type(&m->param[k]);
      char *path = param_turn_path(&m->param[k], turn);
      fprintf(out, "  {%s, ", cname_string(m->mem, path));
      print_shape(out, t);
      fprintf(out, "%" PRId64 "},\n", first);
      first += type_count(t);
      base_free(path);
    }
  fprintf(out, "  {0}};\nstatic const LibTurn hnnc_turns[] = {");
  for (uint32_t k = 0; k < m->nparam; k++)
    for (int64_t turn = 0; turn < param_turns(&m->param[k]); turn++)
      fprintf(out, "{%u, %" PRId64 "}, ", k, turn * type_count(param_turn_type(&m->param[k])));
  fprintf(out, "{0, 0}};\n\n");
  return n;
}

static void print_trainings(FILE *out, const Glue *g) {
  Arena *mem = g->s->model->mem;
  for (int i = 0; i < g->n; i++) {
    if (g->fn[i].kind != GLUE_GRADIENT || g->fn[i].loss) continue;
    fprintf(out, "static const int32_t hnnc_training_%d[] = {", i);
    for (uint32_t k = 0; k < glue_losses(&g->fn[i]); k++) fprintf(out, "%d, ", gradient_number(g, i + (int)k));
    fprintf(out, "};\n");
  }
  fprintf(out, "static const hnn_training hnnc_trainings[] = {\n");
  for (int i = 0; i < g->n; i++) {
    const Train *t = g->fn[i].train;
    if (g->fn[i].kind == GLUE_GRADIENT && !g->fn[i].loss)
      fprintf(out, "  {%s, \"%s\", %.17g, %u, hnnc_training_%d},\n", cname_string(mem, t->name), pass_optim_name[t->opt.kind],
              t->opt.lr, t->nsum, i);
  }
  fprintf(out, "  {0}};\n\n");
}

static void print_proofs(FILE *out, const Glue *g) {
  const Model *m = g->s->model;
  fprintf(out, "static const hnn_proof hnnc_proofs[] = {\n");
  for (uint32_t k = 0; k < m->nproof; k++)
    fprintf(out, "  {%s, \"%s\", %s},\n", cname_string(m->mem, m->proof[k].text), answer_text[m->proof[k].answer],
            cname_string(m->mem, m->proof[k].detail));
  fprintf(out, "  {0}};\n\n");
}

/* ---- calls ------------------------------------------------------------------------------------------------------------ */

void glue_abi_arrays(FILE *out, const GlueFn *f) {
  fprintf(out, "  const hnn_array hnnc_in[] = {");
  for (int k = 0; k < f->nuser; k++) fprintf(out, "{(void *)%s, 0}, ", f->arg[k]);
  fprintf(out, "{0, 0}}, hnnc_out[] = {");
}

static void print_gradient(FILE *out, const Glue *g, int i) {
  fprintf(out, "API ");
  gradient_signature(out, g, &g->fn[i]);
  fprintf(out, " {\n");
  glue_abi_arrays(out, &g->fn[i]);
  fprintf(out, "{loss, 0}, {gradient, 0}};\n  return lib_abi_call((void *)m, %d, n, 0, hnnc_in, hnnc_out);\n}\n\n",
          g->fn[i].number);
}

static void print_calls(FILE *out, const Glue *g, uint32_t params) {
  const char *n = g->name, *real = glue_real(g);
  fprintf(out, "API const hnn_library *%s_library(void) { return &hnn_library_1; }\n", n);
  fprintf(out, "API %s *%s_create(void) { return hnnc_create(); }\n", n, n);
  fprintf(out, "API void %s_destroy(%s *m) { lib_destroy(m); }\n", n, n);
  fprintf(out, "API %s *%s_share(const %s *m) { return lib_abi_share(m); }\n", n, n, n);
  fprintf(out, "API int %s_threads(%s *m, int threads) { return lib_abi_threads(m, threads); }\n", n, n);
  fprintf(out, "API int %s_load(%s *m, const char *path) { return lib_abi_load(m, path); }\n", n, n);
  fprintf(out, "API int %s_save(const %s *m, const char *path) { return lib_abi_save(m, path); }\n", n, n);
  fprintf(out, "API const char *%s_error(int code) { return lib_abi_error(code); }\n", n);
  fprintf(out, "API %s *%s_param(%s *m, int k) { return lib_abi_param(m, k); }\n", real, n, n);
  fprintf(out, "API const char *%s_param_name(int k) { return k < 0 || k >= %u ? 0 : hnnc_parameters[k].path; }\n", n, params);
  fprintf(out, "API int64_t %s_param_size(int k) { return k < 0 || k >= %u ? 0 : hnnc_parameters[k].elems; }\n\n", n, params);
}

static void print_library(FILE *out, const Glue *g, uint32_t params, int trains) {
  const Model *m = g->s->model;
  char hash[40];
  runner_hash(g->s->src, g->s->opt, hash);
  fprintf(out,
          "static hnn_model *hnnc_create(void);\n"
          "API const hnn_library hnn_library_1 = {\n  HNN_ABI, sizeof(hnn_library), %s, %s, \"hnnc %s\", \"%s\", \"%s\", \"%s\",\n"
          "  %d, %d, %u, %d, %u, hnnc_functions, hnnc_parameters, hnnc_trainings, hnnc_proofs, %" PRId64 ",\n"
          "  hnnc_create, lib_destroy, lib_abi_share, lib_abi_threads, lib_abi_param, lib_abi_call, lib_abi_step, lib_abi_load, "
          "lib_abi_save, lib_abi_error};\n\n",
          cname_string(m->mem, m->name), cname_string(m->mem, m->path), HNNC_VERSION, hash, g->cpu, g->needs, m->f64, g->nshow,
          params, trains, m->nproof, reals(g));
  fprintf(out,
          "static const LibModel hnnc_model = {%d, %" PRId64
          ", %u, hnnc_params, %d, hnnc_fns, %d, hnnc_trains, hnnc_start_values,\n"
          "  &hnn_library_1, hnnc_shown, hnnc_turns};\n"
          "static hnn_model *hnnc_create(void) { return lib_abi_create(&hnnc_model, hnnc_check()); }\n\n",
          m->f64, reals(g), m->nparam, g->n, trains);
}

void glue_abi_print(FILE *out, const Glue *g, int trains) {
  print_functions(out, g);
  const uint32_t params = print_parameters(out, g);
  print_trainings(out, g);
  print_proofs(out, g);
  print_library(out, g, params, trains);
  print_calls(out, g, params);
  for (int i = 0; i < g->n; i++)
    if (g->fn[i].kind == GLUE_GRADIENT && g->fn[i].shown) print_gradient(out, g, i);
}
