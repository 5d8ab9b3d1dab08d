/* What of the header is the same for every model. */
#include "driver/export/glue_priv.h"

#include <inttypes.h>
#include <string.h>

int64_t glue_reals(const Glue *g) {
  int64_t n = 0;
  for (uint32_t k = 0; k < g->s->model->nparam; k++) n += type_count(g->s->model->param[k].type);
  return n;
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
          " * needs%s%s%s error(0) says why. Of share, threads, load, save and error hnn_library above says more. */\n"
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
          number, g->upper, glue_reals(g));
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
  fprintf(out, " loss: one number, gradient: [REALS], by the parameters\n * end to end, 0 for those that it is not taken by. */\n");
  gradient_signature(out, g, f);
  fprintf(out, ";\n");
}
