/* Lowers the functions that an exported library has. */
#include "driver/export/glue_priv.h"

#include "driver/export/cname_priv.h"
#include "driver/run/trainer.h"

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

/* fn: of a gradient, the loss. */
static bool add(Glue *g, GlueKind kind, const Train *train, uint32_t loss, const Fn *fn, const char *wrapper, const char *what) {
  Arena *mem = g->s->model->mem;
  GlueFn *out = &g->fn[g->n];
  *out = (GlueFn){.kind = kind, .train = train, .loss = loss, .wrapper = wrapper_name(g, wrapper), .what = what};
  out->symbol = arena_printf(mem, "hnnc_fn_%d_%s", g->n, out->wrapper);
  PassJob job = {.fn = fn, .memory = MEMORY_STORED, .gradient = kind == GLUE_GRADIENT};
  if (job.gradient) {
    out->moved = ARENA_ARRAY(mem, uint32_t, train->nmoved + 1);
    out->nmoved = trainer_moved(train, loss, out->moved), out->slope = 1;
    job.memory = train->memory, job.moved = out->moved, job.nmoved = out->nmoved;
  }
  Lowered l;
  bool ok = pass_lower_all(&g->s->passes, &job, &l, g->s->diag);
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

static bool shown_before(const Glue *g, const char *label) {
  for (int i = 0; i < g->n; i++)
    if (g->fn[i].kind == GLUE_LOSS && !strcmp(g->fn[i].shown, label)) return true;
  return false;
}

/* A loss that is trained, and its gradient, are functions as others, each once. */
static bool show_loss(Glue *g, int gradient) {
  Arena *mem = g->s->model->mem;
  const SumLoss *l = &g->fn[gradient].train->sum[g->fn[gradient].loss];
  if (shown_before(g, l->label)) return true;
  Fn *mean = pass_mean(&g->s->passes, l->loss);
  bool ok = mean && add(g, GLUE_LOSS, NULL, 0, mean, arena_printf(mem, "loss_%s", l->name),
                        arena_printf(mem, "the mean of the loss `%s`", l->label));
  ir_fn_destroy(mean);
  if (!ok) return false;
  GlueFn *value = &g->fn[g->n - 1], *slope = &g->fn[gradient];
  value->shown = slope->shown = l->label, value->shown_as = "loss", slope->shown_as = "gradient";
  slope->gradient = wrapper_name(g, arena_printf(mem, "gradient_%s", l->name));
  return true;
}

/* The losses of a training follow one another, the update is behind them. */
static bool add_train(Glue *g, const Train *t) {
  Arena *mem = g->s->model->mem;
  const Optim o = t->opt;
  Fn *update = pass_optim_update(&g->s->passes, &o, g->s->model->f64);
  const char *name = t->sum[0].name;
  for (uint32_t k = 1; k < t->nsum; k++) name = arena_printf(mem, "%s_%s", name, t->sum[k].name);
  const char *what =
      arena_printf(mem, "one step of %s on the loss%s `%s`", pass_optim_name[t->opt.kind], t->nsum > 1 ? "es" : "", t->name);
  bool ok = true;
  const int first = g->n;
  for (uint32_t k = 0; ok && k < t->nsum; k++)
    ok = add(g, GLUE_GRADIENT, t, k, t->sum[k].loss,
             k ? arena_printf(mem, "train_%s_%u", name, k + 1) : arena_printf(mem, "train_%s", name), what);
  if (ok) name_sum_arguments(mem, &g->fn[first], t->nsum);
  if (update) ok = ok && add(g, GLUE_UPDATE, t, 0, update, arena_printf(mem, "update_%s", name), "");
  ir_fn_destroy(update);
  for (uint32_t k = 0; ok && k < t->nsum; k++) ok = show_loss(g, first + (int)k);
  return ok;
}

/* ---- products with Jacobians ----------------------------------------------------------------------------------- */

static const char *const product_says[PRODUCT_KINDS] = {
  "cotangents of the arguments of `%s`, from those of its results", "tangents of the results of `%s`, from those of its arguments",
  "the Hessian of `%s` times a tangent of its arguments", "`%s`, and its gradient by each argument"};

/* What derivatives can be asked of: functions of the model, and what was asked for before. */
typedef struct Named {
  const char *name;
  const Fn *fn;
} Named;

static const Named *named(const Named *list, uint32_t n, const char *name) {
  for (uint32_t i = 0; i < n; i++)
    if (!strcmp(list[i].name, name)) return &list[i];
  return NULL;
}

void glue_refuse_product(Session *s, ProductKind kind, const char *name, uint32_t n, const char *const *names, bool there) {
  Arena *mem = s->model->mem;
  const char *all = "", *near = diag_nearest(name, names, n);
  for (uint32_t i = 0; i < n; i++) all = arena_printf(mem, "%s%s`%s`", all, i ? ", " : "", names[i]);
  if (there)
    diag_add(s->diag, CODE_unknown_option, (Span){0}, "--%s takes a function with one result, a scalar, and `%s` has others",
             pass_product_name[kind], name);
  else
    diag_add(s->diag, CODE_unknown_option, (Span){0}, "--%s=%s: there is no function `%s`%s%s%s; there are: %s",
             pass_product_name[kind], name, name, near ? ", did you mean `" : "", near ? near : "", near ? "`?" : "",
             *all ? all : "none whose argument types are known");
}

static bool refuse_product(Glue *g, ProductKind kind, const char *name, const Named *list, uint32_t n, const Named *of) {
  const char **names = ARENA_ARRAY(g->s->model->mem, const char *, n + 1);
  for (uint32_t i = 0; i < n; i++) names[i] = list[i].name;
  glue_refuse_product(g->s, kind, name, n, names, of != NULL);
  return false;
}

/* Parameters by which the last outputs of a vjp are gradients. */
static void product_params(Glue *g, GlueFn *out, const Fn *of, ProductKind kind) {
  out->moved = ARENA_ARRAY(g->s->model->mem, uint32_t, of->in.n + 1), out->slope = (uint32_t)out->nuser - of->out.n;
  for (uint32_t k = 0; kind == PRODUCT_VJP && k < of->in.n; k++)
    if (of->in.at[k].kind == IN_PARAM) out->moved[out->nmoved++] = of->in.at[k].index;
}

static bool add_product(Glue *g, ProductKind kind, const char *name, Named *list, uint32_t *n) {
  Arena *mem = g->s->model->mem;
  const Named *of = named(list, *n, name);
  if (!of || !pass_has_product(of->fn, kind)) return refuse_product(g, kind, name, list, *n, of);
  const char *made = arena_printf(mem, "%s_%s", name, pass_product_name[kind]);
  if (named(list, *n, made)) return true;
  Fn *f = pass_product(&g->s->passes, of->fn, kind, true);
  const bool ok = add(g, GLUE_PRODUCT, NULL, 0, f, made, arena_printf(mem, product_says[kind], name));
  ir_fn_destroy(f);
  if (!ok) return false;
  GlueFn *out = &g->fn[g->n - 1];
  out->product = pass_product(&g->s->passes, of->fn, kind, false);
  out->shown = made, out->shown_as = pass_product_name[kind];
  product_params(g, out, of->fn, kind);
  list[(*n)++] = (Named){made, out->product};
  return true;
}

/* In the order that they are asked for in: of what was made before, too. */
static bool add_products(Glue *g) {
  const Model *m = g->s->model;
  const Options *o = g->s->opt;
  Named *list = ARENA_ARRAY(m->mem, Named, m->nexport + o->product.n + 1);
  uint32_t n = 0;
  for (uint32_t i = 0; i < m->nexport; i++) list[n++] = (Named){m->export_[i].name, m->export_[i].fn};
  for (uint32_t i = 0; i < o->product.n; i++)
    if (!add_product(g, (ProductKind)o->product.at[i].kind, o->product.at[i].name, list, &n)) return false;
  return true;
}

static bool add_all(Glue *g) {
  const Model *m = g->s->model;
  bool ok = true;
  for (uint32_t i = 0; ok && i < m->naction; i++)
    if (m->action[i].kind == DO_TRAIN) ok = add_train(g, m->action[i].train);
  for (uint32_t i = 0; ok && i < m->nexport; i++) {
    ok = add(g, GLUE_FUNCTION, NULL, 0, m->export_[i].fn, m->export_[i].name,
             arena_printf(m->mem, "%s `%s`", m->export_[i].kind, m->export_[i].name));
    if (!ok) break;
    GlueFn *f = &g->fn[g->n - 1];
    f->pattern = m->export_[i].pattern, f->shown = m->export_[i].name, f->shown_as = m->export_[i].kind;
  }
  for (uint32_t i = 0; ok && i < m->naction; i++) {
    const Report *r = m->action[i].kind == DO_REPORT ? m->action[i].report : NULL;
    if (!r || r->nuse) continue;
    ok = add(g, GLUE_FUNCTION, NULL, 0, r->fn, arena_printf(m->mem, "report_%s", r->name),
             arena_printf(m->mem, "report `%s`, for each sample", r->name));
    if (ok) g->fn[g->n - 1].shown = r->name, g->fn[g->n - 1].shown_as = "report";
  }
  return ok && add_products(g);
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
  uint32_t most = 2 * s->model->naction + s->model->nexport + s->opt->product.n + 1;
  for (uint32_t i = 0; i < s->model->naction; i++)
    if (s->model->action[i].kind == DO_TRAIN) most += 2 * s->model->action[i].train->nsum;
  g->fn = ARENA_ARRAY(mem, GlueFn, most);
  if (add_all(g)) return glue_abi_number(g), 0;
  session_render(s);
  return EXIT_FILE;
}

void glue_finish(Glue *g) {
  for (int i = 0; i < g->n; i++) {
    pass_split_finish(&g->fn[i].split);
    ir_fn_destroy(g->fn[i].whole);
    ir_fn_destroy(g->fn[i].product);
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
