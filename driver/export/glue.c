/* Lowers the functions that an exported library has. */
#include "driver/export/glue_priv.h"

#include "driver/export/cname_priv.h"
#include "driver/train/trainer.h"

#include <ctype.h>
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

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
  static const char *const reserved[] = {"create",  "destroy", "error",   "param", "param_name", "param_size",
                                         "library", "share",   "threads", "load",  "save"};
  for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++)
    if (!strcmp(reserved[i], wrapper)) return true;
  size_t n = strlen(wrapper); /* of the arrays that hold patterns of nonzeros */
  bool array = n > 13 && (!strcmp(wrapper + n - 5, "_rows") || !strcmp(wrapper + n - 5, "_cols"));
  if (array && !strncmp(wrapper, "pattern_", 8)) return true;
  for (int i = 0; i < g->n; i++)
    if (!strcmp(g->fn[i].wrapper, wrapper) || (g->fn[i].gradient && !strcmp(g->fn[i].gradient, wrapper))) return true;
  return false;
}

/* Whether a function of the file is called so without being transliterated: it keeps its name wherever it stands. */
static bool plain_name_of_another(const Glue *g, const char *name, const char *out) {
  const Model *m = g->s->model;
  for (uint32_t i = 0; strcmp(name, out) && i < m->nexport; i++)
    if (!strcmp(m->export_[i].name, out)) return true;
  return false;
}

/* `f`, or `f_2`, `f_3`, ... where that name is another's. */
static const char *wrapper_name(const Glue *g, const char *name) {
  Arena *mem = g->s->model->mem;
  const char *first = cname_ascii(mem, name), *out = first;
  for (int k = 2; taken(g, out) || plain_name_of_another(g, name, out); k++) out = arena_printf(mem, "%s_%d", first, k);
  return out;
}

/* Names that the wrappers have for arguments of their own, and names in capitals, which are macros by custom. */
static bool argument_kept(const char *name) {
  static const char *const own[] = {"m", "n", "lr", "loss", "gradient"};
  for (size_t i = 0; i < sizeof own / sizeof *own; i++)
    if (!strcmp(own[i], name)) return true;
  if (!strncmp(name, "out", 3) && !name[3 + strspn(name + 3, "0123456789")]) return true;
  size_t capital = 0;
  for (const char *c = name; *c; c++) capital += isupper((unsigned char)*c) != 0;
  return cname_kept(name) || (capital > 1 && strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789") == strlen(name));
}

static void name_arguments(Arena *mem, GlueFn *f) {
  f->arg = ARENA_ARRAY(mem, const char *, f->nuser + 1);
  for (int k = 0; k < f->nuser; k++) {
    const char *first = cname_ascii(mem, f->whole->in.at[f->user[k]].name);
    if (argument_kept(first)) first = arena_printf(mem, "%s_", first);
    f->arg[k] = first;
    for (int other = 0, count = 2; other < f->nuser;)
      if (other == k || strcmp(other < k ? f->arg[other] : f->whole->in.at[f->user[other]].name, f->arg[k])) other++;
      else f->arg[k] = arena_printf(mem, "%s_%d", first, count++), other = 0;
  }
}

/* Lowers `job` as the next function. */
static bool add(Glue *g, GlueFn f, const PassJob *job) {
  Arena *mem = g->s->model->mem;
  GlueFn *out = &g->fn[g->n];
  *out = f;
  out->wrapper = wrapper_name(g, f.wrapper);
  out->symbol = arena_printf(mem, "hnnc_fn_%d_%s", g->n, out->wrapper);
  out->moved = ARENA_ARRAY(mem, uint32_t, f.nmoved + 1);
  if (f.nmoved) memcpy(out->moved, f.moved, sizeof *f.moved * f.nmoved);
  Lowered l;
  bool ok = pass_lower_all(&g->s->passes, job, &l, g->s->diag);
  out->whole = l.fn, out->memory = l.memory, out->split = l.split, out->running = l.running;
  g->n++;
  if (!ok) return false;
  order_inputs(mem, out);
  name_arguments(mem, out);
  return true;
}

/* Whether an argument of a loss before k, or a number of samples, is called so. */
static bool argument_taken(Arena *mem, const GlueFn *loss, uint32_t n, uint32_t k, const char *name) {
  for (uint32_t i = 1; i < n; i++)
    if (!strcmp(name, arena_printf(mem, "n_%u", i + 1))) return true;
  for (uint32_t i = 0; i < k; i++)
    for (int a = 0; a < loss[i].nuser; a++)
      if (!strcmp(loss[i].arg[a], name)) return true;
  return false;
}

/* Those of a sum are arguments of one function: q, p, and q_2, p_2 of the second loss. */
static void name_sum_arguments(Arena *mem, GlueFn *loss, uint32_t n) {
  for (uint32_t k = 0; k < n; k++)
    for (int a = 0; a < loss[k].nuser; a++) {
      if (k) loss[k].arg[a] = arena_printf(mem, "%s_%u", loss[k].arg[a], k + 1);
      while (argument_taken(mem, loss, n, k, loss[k].arg[a])) loss[k].arg[a] = arena_printf(mem, "%s_", loss[k].arg[a]);
    }
}

/* ---- trainings ---------------------------------------------------------------------------------------------- */

static bool add_update(Glue *g, const Train *t, const char *name) {
  const Optim o = t->opt;
  Fn *update = pass_optim_update(&g->s->passes, &o, g->s->model->f64);
  if (!update) return true; /* lbfgs */
  const GlueFn f = {.kind = GLUE_UPDATE, .train = t, .what = "", .wrapper = arena_printf(g->s->model->mem, "update_%s", name)};
  const bool ok = add(g, f, &(PassJob){.fn = update, .memory = MEMORY_STORED});
  ir_fn_destroy(update);
  return ok;
}

/* The losses of a training follow one another, the update is behind them. */
static bool add_train(Glue *g, const Train *t) {
  Arena *mem = g->s->model->mem;
  const char *name = t->sum[0].name;
  for (uint32_t k = 1; k < t->nsum; k++) name = arena_printf(mem, "%s_%s", name, t->sum[k].name);
  const int first = g->n;
  uint32_t *moved = ARENA_ARRAY(mem, uint32_t, t->nmoved + 1);
  bool ok = true;
  for (uint32_t k = 0; ok && k < t->nsum; k++) {
    const GlueFn f = {.kind = GLUE_GRADIENT,
                      .train = t,
                      .loss = k,
                      .wrapper = k ? arena_printf(mem, "train_%s_%u", name, k + 1) : arena_printf(mem, "train_%s", name),
                      .what = arena_printf(mem, "one step of %s on the loss%s `%s`", pass_optim_name[t->opt.kind],
                                           t->nsum > 1 ? "es" : "", t->name),
                      .moved = moved,
                      .nmoved = trainer_moved(t, k, moved),
                      .slope = 1};
    ok = add(g, f, &(PassJob){.fn = t->sum[k].loss, .memory = t->memory, .gradient = true, .moved = f.moved, .nmoved = f.nmoved});
  }
  if (ok) name_sum_arguments(mem, &g->fn[first], t->nsum);
  return ok && add_update(g, t, name);
}

/* ---- functions that are shown --------------------------------------------------------------------------------- */

static const char *const product_says[PRODUCT_KINDS] = {
  "cotangents of the arguments of `%s`, from those of its results", "tangents of the results of `%s`, from those of its arguments",
  "the Hessian of `%s` times a tangent of its arguments", "`%s`, and its gradient by each argument"};

/* The name it would have in C, and what the header says of it. */
static GlueFn described(const Glue *g, const Function *x) {
  Arena *mem = g->s->model->mem;
  GlueFn f = {.kind = GLUE_FUNCTION, .wrapper = function_shown(x, mem), .what = arena_printf(mem, "%s `%s`", x->kind, x->name)};
  if (x->plain) {
    f.kind = GLUE_PRODUCT;
    f.what = arena_printf(mem, product_says[x->product], g->all.list.at[x->of]->name);
  } else if (x->gradient) {
    f.kind = GLUE_GRADIENT, f.what = "";
  } else if (x->mean) {
    f.kind = GLUE_LOSS;
    f.what = arena_printf(mem, "the mean of the loss `%s`", x->name);
  } else if (!strcmp(x->kind, "report")) {
    f.wrapper = arena_printf(mem, "report_%s", x->name), f.what = arena_printf(mem, "%s, for each sample", f.what);
  }
  f.moved = x->moved, f.nmoved = x->nmoved, f.slope = x->slope, f.pattern = x->pattern;
  return f;
}

/* A gradient that a training takes is its. */
static int gradient_of(const Glue *g, const Function *x) {
  for (int i = 0; x->gradient && x->train && i < g->n; i++)
    if (g->fn[i].kind == GLUE_GRADIENT && g->fn[i].train == x->train && g->fn[i].loss == x->loss) return i;
  return -1;
}

static bool show(Glue *g, const Function *x) {
  const GlueFn f = described(g, x);
  int at = gradient_of(g, x);
  if (at < 0) {
    const PassJob job = {
      .fn = x->fn, .memory = x->memory, .gradient = x->gradient, .moved = x->moved, .nmoved = x->gradient ? x->nmoved : 0};
    if (!add(g, f, &job)) return false;
    at = g->n - 1;
    if (x->gradient) g->fn[at].gradient = g->fn[at].wrapper;
  }
  GlueFn *out = &g->fn[at];
  if (x->gradient && !out->gradient) out->gradient = wrapper_name(g, f.wrapper);
  out->shown = x->name, out->shown_as = x->kind, out->number = g->nshow;
  return g->show[g->nshow++] = at, true;
}

static bool add_all(Glue *g) {
  Session *s = g->s;
  const Model *m = s->model;
  functions_add_own(s, &g->all);
  if (!functions_add_products(s, &g->all)) return false;
  functions_add_losses(s, &g->all);
  uint32_t most = g->all.list.n + 1;
  for (uint32_t i = 0; i < m->naction; i++)
    if (m->action[i].kind == DO_TRAIN) most += m->action[i].train->nsum + 1;
  g->fn = ARENA_ARRAY(m->mem, GlueFn, most);
  g->show = ARENA_ARRAY(m->mem, int, g->all.list.n + 1);
  bool ok = true;
  for (uint32_t i = 0; ok && i < m->naction; i++)
    if (m->action[i].kind == DO_TRAIN) ok = add_train(g, m->action[i].train);
  for (uint32_t k = 0; ok && k < g->all.list.n; k++) ok = show(g, g->all.list.at[k]);
  return ok;
}

/* The prefix of everything in the library, and its type. Where that is a word of C or a name of its library, or would make names that the C library or the engine
 * have (timer_create, rt_fn_run), it gets `_model` behind it or `m_` in front. */
static const char *library_name(Arena *mem, const char *base) {
  static const char *const others[] = {"lib", "rt",  "pthread", "timer", "thrd", "mtx", "cnd",
                                       "tss", "sem", "shm",     "mq",    "aio",  "pkey"};
  static const char *const prefixes[] = {"hnnc_", "lib_", "rt_", "pthread_"};
  const char *name = cname_ascii(mem, base);
  for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++)
    if (!strncmp(name, prefixes[i], strlen(prefixes[i]))) return arena_printf(mem, "m_%s", name);
  bool kept = cname_kept(name);
  for (size_t i = 0; i < sizeof others / sizeof *others; i++) kept |= !strcmp(name, others[i]);
  kept |= dlsym(RTLD_DEFAULT, name) != NULL; /* printf, index, y0: what the C library of this machine has */
  return kept ? arena_printf(mem, "%s_model", name) : name;
}

int glue_make(Session *s, const char *base, Glue *g) {
  Arena *mem = s->model->mem;
  *g = (Glue){.s = s, .file = base, .name = library_name(mem, base)};
  g->upper = capitals(mem, g->name);
  CgProcessor processor;
  cg_processor(&s->cg, &processor);
  g->cpu = arena_strdup(mem, processor.cpu), g->needs = arena_strdup(mem, processor.needs);
  if (add_all(g)) return 0;
  session_render(s);
  return EXIT_FILE;
}

void glue_finish(Glue *g) {
  functions_finish(&g->all);
  for (int i = 0; i < g->n; i++) {
    pass_split_finish(&g->fn[i].split);
    ir_fn_destroy(g->fn[i].whole);
    base_free(g->fn[i].running.param);
  }
}

void glue_add(Cg *cg, const Glue *g) {
  char suffix[SPLIT_NAME];
  for (int i = 0; i < g->n; i++) {
    const Split *s = &g->fn[i].split;
    for (uint32_t k = 0; k < s->n; k++)
      if (s->part[k].fn)
        cg_add(cg, s->part[k].fn, arena_printf(g->s->model->mem, "%s%s", g->fn[i].symbol, pass_split_suffix(s, k, suffix)));
  }
}
