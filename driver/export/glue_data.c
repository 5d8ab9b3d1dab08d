/* The engine's tables of a library (runtime/library/lib.h), as its data: structs, and where their pointers lead. */
#include "driver/export/glue_data_priv.h"

#include "driver/train/trainer.h"
#include "driver/session/engine.h"

#include <stdlib.h>
#include <string.h>

size_t glue_rows(CgData *d, const void *rows, size_t n, size_t size) {
  static const char none[GLUE_ROW_MOST];
  const size_t at = cg_data_put(d, rows, n * size);
  cg_data_put(d, none, size); /* a row of zeros behind them: no table is empty */
  return at;
}

/* ---- functions ------------------------------------------------------------------------------------------------ */

static void put_refs(CgData *d, size_t at, const HnnRef *ref, int n) {
  cg_data_point(d, at, glue_rows(d, ref, (size_t)n, sizeof *ref));
}

static void put_outputs(CgData *d, size_t elems_at, const int64_t *elems, size_t lane_at, const bool *lane, int n) {
  cg_data_point(d, elems_at, glue_rows(d, elems, (size_t)n, sizeof *elems));
  cg_data_point(d, lane_at, glue_rows(d, lane, (size_t)n, sizeof *lane));
}

static size_t put_parts(CgData *d, const Glue *g, const GlueFn *f, const LibFn *row) {
  char suffix[SPLIT_NAME];
  const size_t at = glue_rows(d, row->part, (size_t)row->nparts, sizeof *row->part);
  for (int k = 0; k < row->nparts; k++) {
    const LibPart *p = &row->part[k];
    const size_t here = at + (size_t)k * sizeof *p;
    if (!f->split.part[k].fn) continue;
    const char *symbol = arena_printf(g->s->model->mem, "%s%s", f->symbol, pass_split_suffix(&f->split, (uint32_t)k, suffix));
    cg_data_symbol(d, GLUE_AT(here, LibPart, kernel), symbol);
    cg_data_symbol(d, GLUE_AT(here, LibPart, info), arena_printf(g->s->model->mem, "%s_info", symbol));
    put_refs(d, GLUE_AT(here, LibPart, in), p->in, p->nin);
    put_outputs(d, GLUE_AT(here, LibPart, out_elems), p->out_elems, GLUE_AT(here, LibPart, out_lane), p->out_lane, p->nout);
  }
  return at;
}

static size_t put_functions(CgData *d, const Glue *g) {
  LibFn *row = ARENA_ARRAY(g->s->model->mem, LibFn, g->n + 1);
  for (int i = 0; i < g->n; i++) {
    const GlueFn *f = &g->fn[i];
    const EngineFn e = {&f->whole[0], &f->split, f->kind == GLUE_PRODUCT, f->moved, f->nmoved, f->slope};
    engine_fn(g->s->model->mem, &e, &row[i]);
  }
  const size_t at = glue_rows(d, row, (size_t)g->n, sizeof *row);
  for (int i = 0; i < g->n; i++) {
    const LibFn *f = &row[i];
    const size_t here = at + (size_t)i * sizeof *f;
    cg_data_point(d, GLUE_AT(here, LibFn, part), put_parts(d, g, &g->fn[i], f));
    cg_data_point(d, GLUE_AT(here, LibFn, in), glue_rows(d, f->in, (size_t)f->nin, sizeof *f->in));
    put_outputs(d, GLUE_AT(here, LibFn, out_elems), f->out_elems, GLUE_AT(here, LibFn, out_lane), f->out_lane, f->nout);
    put_refs(d, GLUE_AT(here, LibFn, from), f->from, f->nout);
    if (f->moved) cg_data_point(d, GLUE_AT(here, LibFn, moved), glue_rows(d, f->moved, (size_t)f->nmoved, sizeof *f->moved));
  }
  return at;
}

/* ---- parameters ------------------------------------------------------------------------------------------------- */

static size_t put_params(CgData *d, const Glue *g) {
  const Model *m = g->s->model;
  LibParam *param;
  engine_params(m->mem, m, &param);
  const size_t at = glue_rows(d, param, m->nparam, sizeof *param);
  for (uint32_t k = 0; k < m->nparam; k++)
    cg_data_point(d, GLUE_AT(at + k * sizeof *param, LibParam, name), cg_data_text(d, param[k].name));
  return at;
}

static size_t put_turns(CgData *d, const Model *m) {
  LibTurn *turn = ARENA_ARRAY(m->mem, LibTurn, model_params(m) + 1);
  size_t n = 0;
  for (uint32_t k = 0; k < m->nparam; k++)
    for (int64_t i = 0; i < param_turns(&m->param[k]); i++)
      turn[n].param = (int)k, turn[n++].first = i * type_count(param_turn_type(&m->param[k]));
  return glue_rows(d, turn, n, sizeof *turn);
}

/* ---- trainings ---------------------------------------------------------------------------------------------------- */

/* Numbers of v among `all`, or v themselves. */
static size_t put_places(CgData *d, Arena *mem, const uint32_t *v, uint32_t n, const uint32_t *all, uint32_t nall) {
  int *at = ARENA_ARRAY(mem, int, n + 1);
  for (uint32_t k = 0; k < n; k++) {
    at[k] = all ? 0 : (int)v[k];
    for (uint32_t i = 0; all && i < nall; i++)
      if (all[i] == v[k]) at[k] = (int)i;
  }
  return glue_rows(d, at, n, sizeof *at);
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

static size_t put_losses(CgData *d, const Glue *g, int i, const uint32_t *running, uint32_t nrunning) {
  Arena *mem = g->s->model->mem;
  const GlueFn *f = &g->fn[i];
  const Train *t = f->train;
  LibLoss *loss = ARENA_ARRAY(mem, LibLoss, t->nsum + 1);
  for (uint32_t k = 0; k < t->nsum; k++) {
    loss[k].gradient = i + (int)k, loss[k].factor = t->sum[k].weight;
    loss[k].nmoved = (int)f[k].nmoved, loss[k].nrunning = (int)f[k].running.n;
  }
  const size_t at = glue_rows(d, loss, t->nsum, sizeof *loss);
  for (uint32_t k = 0; k < t->nsum; k++) {
    const size_t here = at + k * sizeof *loss;
    cg_data_point(d, GLUE_AT(here, LibLoss, moved), put_places(d, mem, f[k].moved, f[k].nmoved, t->moved, t->nmoved));
    cg_data_point(d, GLUE_AT(here, LibLoss, running), put_places(d, mem, f[k].running.param, f[k].running.n, running, nrunning));
  }
  return at;
}

/* Losses of a training are numbered by its first gradient's place among the functions; those of a sum and the update follow it. */
static void train_of(const GlueFn *f, int i, LibTrain *out) {
  const Train *t = f->train;
  const Optim *o = &t->opt;
  const bool lbfgs = o->kind == OPT_LBFGS;
  out->nloss = (int)t->nsum, out->update = lbfgs ? -1 : i + (int)t->nsum, out->nmoved = (int)t->nmoved;
  out->nstates = trainer_states(o), out->history = lbfgs ? o->history : 0, out->max_iter = lbfgs ? o->max_iter : 0;
  out->careful = trainer_careful(o), out->lr = o->lr, out->beta1 = o->beta1, out->beta2 = o->beta2;
  out->clip = t->clip, out->weight_decay = o->weight_decay;
}

static void put_train(CgData *d, const Glue *g, int i, size_t here, uint32_t *running, uint32_t nrunning) {
  const Model *m = g->s->model;
  const Train *t = g->fn[i].train;
  double *decay = ARENA_ARRAY(m->mem, double, nrunning + 1);
  for (uint32_t k = 0; k < nrunning; k++) decay[k] = m->param[running[k]].decay;
  cg_data_point(d, GLUE_AT(here, LibTrain, loss), put_losses(d, g, i, running, nrunning));
  cg_data_point(d, GLUE_AT(here, LibTrain, moved), put_places(d, m->mem, t->moved, t->nmoved, NULL, 0));
  cg_data_point(d, GLUE_AT(here, LibTrain, running), put_places(d, m->mem, running, nrunning, NULL, 0));
  cg_data_point(d, GLUE_AT(here, LibTrain, decay), glue_rows(d, decay, nrunning, sizeof *decay));
}

static size_t put_trains(CgData *d, const Glue *g, int *n) {
  Arena *mem = g->s->model->mem;
  LibTrain *train = ARENA_ARRAY(mem, LibTrain, g->n + 1);
  int *first = ARENA_ARRAY(mem, int, g->n + 1);
  uint32_t *running = ARENA_ARRAY(mem, uint32_t, g->s->model->nparam + 1);
  *n = 0;
  for (int i = 0; i < g->n; i++) {
    if (!glue_trains(&g->fn[i])) continue;
    train_of(&g->fn[i], i, &train[*n]), first[*n] = i;
    train[(*n)++].nrunning = (int)running_of(&g->fn[i], running);
  }
  const size_t at = glue_rows(d, train, (size_t)*n, sizeof *train);
  for (int k = 0; k < *n; k++) {
    const uint32_t nrunning = running_of(&g->fn[first[k]], running);
    put_train(d, g, first[k], at + (size_t)k * sizeof *train, running, nrunning);
  }
  return at;
}

/* ---- the model -------------------------------------------------------------------------------------------------------- */

size_t glue_data(CgData *d, const Glue *g, GlueNames *names) {
  const Model *m = g->s->model;
  int trains;
  const size_t functions = put_functions(d, g), params = put_params(d, g), turns = put_turns(d, m),
               shown = glue_rows(d, g->show, (size_t)g->nshow, sizeof *g->show), training = put_trains(d, g, &trains),
               table = glue_table(d, g, trains, names);
  LibModel *model = ARENA_NEW(m->mem, LibModel);
  model->f64 = m->f64, model->reals = glue_reals(g), model->nparam = (int)m->nparam, model->nfn = g->n, model->ntrain = trains;
  const size_t at = cg_data_put(d, model, sizeof *model);
  cg_data_point(d, GLUE_AT(at, LibModel, param), params);
  cg_data_point(d, GLUE_AT(at, LibModel, fn), functions);
  cg_data_point(d, GLUE_AT(at, LibModel, train), training);
  cg_data_numbers(d, GLUE_AT(at, LibModel, start));
  cg_data_point(d, GLUE_AT(at, LibModel, library), table);
  cg_data_point(d, GLUE_AT(at, LibModel, shown), shown);
  cg_data_point(d, GLUE_AT(at, LibModel, turn), turns);
  return at;
}
