#include "driver/functions/functions.h"
#include "driver/train/trainer.h"

#include <stdlib.h>
#include <string.h>

static Function *add(Functions *all, const char *name, const char *kind, const Fn *fn, Span at) {
  Function *x = base_zeroed(1, sizeof *x);
  *x = (Function){.name = name, .kind = kind, .cname = name, .fn = fn, .at = at, .slope = fn->out.n, .memory = MEMORY_STORED};
  *vec_push(&all->list) = x;
  return x;
}

static bool there(const Functions *all, const char *name, const char *kind) {
  for (uint32_t k = 0; k < all->list.n; k++)
    if (!strcmp(all->list.at[k]->name, name) && !strcmp(all->list.at[k]->kind, kind)) return true;
  return false;
}

void functions_add_own(Session *s, Functions *all) {
  const Model *m = s->model;
  for (uint32_t k = 0; k < m->nexport; k++) {
    const Export *x = &m->export_[k];
    add(all, x->name, x->kind, x->fn, x->at)->pattern = x->pattern;
  }
  for (uint32_t k = 0; k < m->naction; k++) {
    const Action *a = &m->action[k];
    if (a->kind == DO_REPORT && !a->report->nuse) add(all, a->report->name, "report", a->report->fn, a->at);
  }
}

/* ---- losses ------------------------------------------------------------------------------------------------ */

/* The gradient, where there is one to fill in, and the mean. */
static Function *add_loss(Session *s, Functions *all, const char *name, const char *label, const Fn *loss, uint32_t most, Span at) {
  Function *slope = most ? add(all, label, "gradient", loss, at) : NULL;
  Fn *mean = pass_mean(&s->passes, loss);
  Function *value = add(all, label, "loss", mean, at);
  value->owned = mean, value->mean = true, value->cname = name;
  if (!slope) return NULL;
  slope->cname = name, slope->gradient = slope->mean = true, slope->slope = 1;
  slope->moved = base_zeroed(most + 1, sizeof *slope->moved);
  return slope;
}

static void add_trained(Session *s, Functions *all, const Train *t, uint32_t k, Span at) {
  if (there(all, t->sum[k].label, "loss")) return;
  Function *slope = add_loss(s, all, t->sum[k].name, t->sum[k].label, t->sum[k].loss, t->nmoved, at);
  slope->nmoved = trainer_moved(t, k, slope->moved), slope->train = t, slope->loss = k, slope->memory = t->memory;
}

void functions_add_losses(Session *s, Functions *all) {
  const Model *m = s->model;
  for (uint32_t k = 0; k < m->naction; k++)
    for (uint32_t i = 0; m->action[k].kind == DO_TRAIN && i < m->action[k].train->nsum; i++)
      add_trained(s, all, m->action[k].train, i, m->action[k].at);
  for (uint32_t k = 0; k < m->nloss; k++) {
    const Loss *l = &m->loss[k];
    Function *slope = add_loss(s, all, l->name, l->name, l->fn, l->nmoved, l->at);
    if (!slope) continue;
    memcpy(slope->moved, l->moved, sizeof *l->moved * l->nmoved);
    slope->nmoved = l->nmoved;
  }
}

/* ---- products with Jacobians ---------------------------------------------------------------------------------- */

/* A real function of arguments per sample, whose derivatives can be taken. */
static bool differentiable(const Function *x) { return x->plain || (!x->mean && strcmp(x->kind, "report") != 0); }

bool functions_product(Session *s, Functions *all, ProductKind kind, size_t of, size_t *number) {
  if (of >= all->list.n || !differentiable(all->list.at[of])) return false;
  const Function *base = all->list.at[of];
  const Fn *f = base->plain ? base->plain : base->fn;
  if (!pass_has_product(f, kind)) return false;
  for (*number = 0; *number < all->list.n; ++*number)
    if (all->list.at[*number]->plain && all->list.at[*number]->of == of && all->list.at[*number]->product == kind) return true;
  const char *made = arena_printf(s->model->mem, "%s_%s", base->name, pass_product_name[kind]);
  Fn *whole = pass_product(&s->passes, f, kind, true);
  Function *x = add(all, made, pass_product_name[kind], whole, base->at);
  x->of = of, x->product = kind, x->owned = whole, x->plain = pass_product(&s->passes, f, kind, false);
  x->slope = x->plain->out.n;
  x->moved = base_zeroed(f->in.n + 1, sizeof *x->moved);
  for (uint32_t k = 0; kind == PRODUCT_VJP && k < f->in.n; k++)
    if (f->in.at[k].kind == IN_PARAM) x->moved[x->nmoved++] = f->in.at[k].index;
  return true;
}

/* there: there is a function of the name, but it is no scalar. */
static void refuse(Session *s, const Functions *all, ProductKind kind, const char *name, bool there) {
  const char *list = "", **names = ARENA_ARRAY(s->model->mem, const char *, all->list.n + 1);
  uint32_t n = 0;
  for (uint32_t i = 0; i < all->list.n; i++)
    if (differentiable(all->list.at[i])) names[n++] = all->list.at[i]->name;
  for (uint32_t i = 0; i < n; i++) list = arena_printf(s->model->mem, "%s%s`%s`", list, i ? ", " : "", names[i]);
  const char *near = diag_nearest(name, names, n);
  if (there)
    diag_add(s->diag, CODE_unknown_option, (Span){0}, "--%s takes a function with one result, a scalar, and `%s` has others",
             pass_product_name[kind], name);
  else
    diag_add(s->diag, CODE_unknown_option, (Span){0}, "--%s=%s: there is no function `%s`%s%s%s; there are: %s",
             pass_product_name[kind], name, name, near ? ", did you mean `" : "", near ? near : "", near ? "`?" : "",
             *list ? list : "none whose argument types are known");
}

bool functions_add_products(Session *s, Functions *all) {
  const Options *o = s->opt;
  for (uint32_t i = 0; i < o->product.n; i++) {
    const ProductKind kind = (ProductKind)o->product.at[i].kind;
    size_t of = 0, number;
    while (of < all->list.n && (strcmp(all->list.at[of]->name, o->product.at[i].name) != 0 || !differentiable(all->list.at[of])))
      of++;
    const bool named = of < all->list.n;
    if (named && functions_product(s, all, kind, of, &number)) continue;
    return refuse(s, all, kind, o->product.at[i].name, named), false;
  }
  return true;
}

const char *function_shown(const Function *x, Arena *mem) {
  return x->gradient ? arena_printf(mem, "gradient_%s", x->cname) : x->mean ? arena_printf(mem, "loss_%s", x->cname) : x->name;
}

void functions_finish(Functions *all) {
  for (uint32_t k = 0; k < all->list.n; k++) {
    Function *x = all->list.at[k];
    ir_fn_destroy(x->owned);
    ir_fn_destroy(x->plain);
    base_free(x->moved);
    base_free(x);
  }
  vec_free(&all->list);
}
