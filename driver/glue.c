/* Lowers the functions that an exported library has. */
#include "driver/glue.h"

#include "driver/trainer.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static const char *identifier(Arena *mem, const char *text) {
  char *out = arena_printf(mem, "%s%s", isdigit((unsigned char)*text) ? "m" : "", text);
  for (char *c = out; *c; c++)
    if (!isalnum((unsigned char)*c)) *c = '_';
  return out;
}

static const char *capitals(Arena *mem, const char *text) {
  char *out = arena_strdup(mem, text);
  for (char *c = out; *c; c++) *c = (char)toupper((unsigned char)*c);
  return out;
}

/* The user's arrays in the order of their numbers (arguments as declared, fields as in the data). */
static void order_inputs(Arena *mem, GlueFn *g) {
  const Fn *f = g->whole;
  g->user = ARENA_ARRAY(mem, int, f->in.n + 1);
  for (uint32_t k = 0; k < f->in.n; k++) {
    if (f->in.at[k].kind != IN_FIELD) continue;
    int at = g->nuser++;
    for (; at > 0 && f->in.at[g->user[at - 1]].index > f->in.at[k].index; at--) g->user[at] = g->user[at - 1];
    g->user[at] = (int)k;
  }
}

/* Names of the library that a model's function may not have. */
static bool taken(const Glue *g, const char *wrapper) {
  static const char *const reserved[] = {"create", "destroy", "param", "param_name", "param_size"};
  for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++)
    if (!strcmp(reserved[i], wrapper)) return true;
  size_t n = strlen(wrapper);                            /* of the arrays that hold patterns of nonzeros */
  bool array = n > 13 && (!strcmp(wrapper + n - 5, "_rows") || !strcmp(wrapper + n - 5, "_cols"));
  if (array && !strncmp(wrapper, "pattern_", 8)) return true;
  for (int i = 0; i < g->n; i++)
    if (!strcmp(g->fn[i].wrapper, wrapper)) return true;
  return false;
}

static bool add(Glue *g, GlueKind kind, const Train *train, const Fn *fn, const char *wrapper, const char *what) {
  Arena *mem = g->s->model->mem;
  GlueFn *out = &g->fn[g->n];
  if (taken(g, identifier(mem, wrapper))) {
    DiagMsg *m = diag_error(g->s->diag, (Span){0}, "the library has another function `%s_%s` already", g->name,
                            identifier(mem, wrapper));
    diag_help(m, "rename `%s` in the model", wrapper);
    return false;
  }
  *out = (GlueFn){.kind = kind, .train = train, .wrapper = identifier(mem, wrapper), .what = what,
                  .symbol = arena_printf(mem, "hnn_%s_%d", identifier(mem, wrapper), g->n)};
  Memory memory = kind == GLUE_GRADIENT ? (Memory)train->memory : MEMORY_STORED;
  out->whole = pass_lower(fn, memory, &out->memory, g->s->diag);
  if (!out->whole) return false;
  g->n++;
  order_inputs(mem, out);
  return pass_split(out->whole, &out->split, g->s->diag);
}

static bool add_train(Glue *g, const Train *t) {
  Arena *mem = g->s->model->mem;
  Optim o = trainer_optim(&t->opt);
  if (o.kind == OPT_LBFGS) return true;
  Running running;
  Fn *gradient = pass_gradient(t->loss, t->moved, t->nmoved, &running, g->s->diag);
  Fn *update = pass_optim_update(&o, g->s->model->f64);
  int at = g->n;
  bool ok = gradient && add(g, GLUE_GRADIENT, t, gradient, arena_printf(mem, "train_%s", t->name),
                            arena_printf(mem, "one step of %s on the loss `%s`", t->opt.name, t->name));
  if (g->n > at) g->fn[at].running = running;
  else free(running.param);
  ok = ok && add(g, GLUE_UPDATE, t, update, arena_printf(mem, "update_%s", t->name), "");
  ir_fn_destroy(gradient);
  ir_fn_destroy(update);
  return ok;
}

static bool add_all(Glue *g) {
  const Model *m = g->s->model;
  bool ok = true;
  for (uint32_t i = 0; ok && i < m->naction; i++)
    if (m->action[i].kind == DO_TRAIN) ok = add_train(g, m->action[i].train);
  for (uint32_t i = 0; ok && i < m->nexport; i++) {
    ok = add(g, GLUE_FUNCTION, NULL, m->export_[i].fn, m->export_[i].name,
             arena_printf(m->mem, "%s `%s`", m->export_[i].kind, m->export_[i].name));
    if (ok) g->fn[g->n - 1].pattern = m->export_[i].pattern;
  }
  for (uint32_t i = 0; ok && i < m->naction; i++)
    if (m->action[i].kind == DO_REPORT)
      ok = add(g, GLUE_FUNCTION, NULL, m->action[i].report->fn, arena_printf(m->mem, "report_%s", m->action[i].report->name),
               arena_printf(m->mem, "report `%s`, for each sample", m->action[i].report->name));
  return ok;
}

int glue_make(Session *s, const char *base, Glue *g) {
  Arena *mem = s->model->mem;
  *g = (Glue){.s = s, .name = identifier(mem, base)};
  g->upper = capitals(mem, g->name);
  g->fn = ARENA_ARRAY(mem, GlueFn, 2 * s->model->naction + s->model->nexport + 1);
  if (add_all(g)) return 0;
  session_render(s);
  return EXIT_FILE;
}

void glue_finish(Glue *g) {
  for (int i = 0; i < g->n; i++) {
    pass_split_finish(&g->fn[i].split);
    ir_fn_destroy(g->fn[i].whole);
    free(g->fn[i].running.param);
  }
}

uint32_t glue_parts(const Glue *g) {
  uint32_t n = 0;
  for (int i = 0; i < g->n; i++)
    for (uint32_t k = 0; k < g->fn[i].split.n; k++) n += g->fn[i].split.part[k].fn != NULL;
  return n;
}

void glue_add(Cg *cg, const Glue *g) {
  char suffix[SPLIT_NAME];
  for (int i = 0; i < g->n; i++) {
    const Split *s = &g->fn[i].split;
    for (uint32_t k = 0; k < s->n; k++)
      if (s->part[k].fn)
        cg_add(cg, s->part[k].fn,
               arena_printf(g->s->model->mem, "%s%s", g->fn[i].symbol, pass_split_suffix(s, k, suffix)));
  }
}
