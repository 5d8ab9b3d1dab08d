/* The functions of a model, each under the name it has in dumps and symbols. */
#include "driver/functions/units.h"

#include <stdlib.h>
#include <string.h>

static void add(Units *u, Fn *fn, bool owned, const char *kind, const char *name, Span at) {
  if (!fn) return;
  *vec_push(&u->list) = (Unit){fn, owned, kind, arena_strdup(u->mem, name), at, MEMORY_STORED};
}

static bool add_loss(Units *u, const Train *t, uint32_t k, Span at, PassRun *run, Diag *diag) {
  const SumLoss *l = &t->sum[k];
  uint32_t *moved = ARENA_ARRAY(u->mem, uint32_t, t->nmoved + 1);
  Fn *gradient = pass_gradient(run, l->loss, moved, trainer_moved(t, k, moved), NULL, diag);
  if (!gradient) return false;
  add(u, gradient, true, "gradient", arena_printf(u->mem, "%s_gradient", l->name), at);
  u->list.at[u->list.n - 1].memory = t->memory;
  add(u, pass_mean(run, l->loss), true, "mean", arena_printf(u->mem, "%s_mean", l->name), at);
  return true;
}

static bool add_train(Units *u, const Train *t, Span at, bool f64, PassRun *run, Diag *diag) {
  const Optim o = t->opt;
  for (uint32_t k = 0; k < t->nsum; k++)
    if (!add_loss(u, t, k, at, run, diag)) return false;
  add(u, pass_optim_update(run, &o, f64), true, "update", arena_printf(u->mem, "%s_update", t->sum[0].name), at);
  return true;
}

Units *units_create(const Model *m, PassRun *run, Diag *diag) {
  Arena *mem = arena_create();
  Units *u = ARENA_NEW(mem, Units);
  u->mem = mem;
  for (uint32_t i = 0; i < m->naction; i++) {
    const Action *a = &m->action[i];
    if (a->kind == DO_TRAIN && !add_train(u, a->train, a->at, m->f64, run, diag)) return units_destroy(u), NULL;
    if (a->kind == DO_PLOT) {
      add(u, a->plot->fn, false, "plot", a->plot->name, a->at);
      add(u, a->plot->grid, false, "plot", arena_printf(u->mem, "%s_grid", a->plot->name), a->at);
    }
    if (a->kind == DO_SAVE) add(u, a->save->fn, false, "save", a->save->name, a->at);
    if (a->kind == DO_REPORT) add(u, a->report->fn, false, "report", a->report->name, a->at);
  }
  for (uint32_t i = 0; i < m->ndata; i++)
    if (m->data[i]->kind == DATA_PROGRAM) add(u, m->data[i]->program, false, "data", m->data[i]->name, m->data[i]->at);
  for (uint32_t i = 0; i < m->nexport; i++)
    add(u, m->export_[i].fn, false, m->export_[i].kind, m->export_[i].name, m->export_[i].at);
  return u;
}

void units_destroy(Units *u) {
  if (!u) return;
  for (uint32_t i = 0; i < u->list.n; i++)
    if (u->list.at[i].owned) ir_fn_destroy(u->list.at[i].fn);
  vec_free(&u->list);
  arena_destroy(u->mem);
}
