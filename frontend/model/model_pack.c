/* A model as bytes, and back, and apart from it its exports, which few commands want. Data sets and reports, which others point to, are written as their numbers in the model. */
#include "frontend/model.h"
#include "ir/text/pack.h"

#include <stdlib.h>
#include <string.h>

/* ---- references --------------------------------------------------------------------------------------------- */

static void data_ref(Pack *p, const Model *m, Data **d) {
  uint32_t k = 0;
  while (!p->reading && k < m->ndata && m->data[k] != *d) k++;
  if (!p->reading && k == m->ndata) {
    p->bad |= *d != NULL;
    k = UINT32_MAX;
  }
  PACK(p, k);
  if (p->reading) *d = k < m->ndata ? m->data[k] : NULL;
}

static void report_ref(Pack *p, const Model *m, Report **r) {
  uint32_t k = 0;
  while (!p->reading && k < m->naction && (m->action[k].kind != DO_REPORT || m->action[k].report != *r)) k++;
  p->bad |= !p->reading && k == m->naction;
  PACK(p, k);
  if (!p->reading) return;
  p->bad |= k >= m->naction || m->action[k].kind != DO_REPORT;
  *r = p->bad ? NULL : m->action[k].report;
}

/* ---- parameters, data ------------------------------------------------------------------------------------------ */

static void param(Pack *p, Param *x) {
  pack_text(p, &x->path);
  PACK(p, x->type);
  PACK(p, x->stacked);
  PACK(p, x->init);
  PACK(p, x->a);
  PACK(p, x->b);
  uint32_t n = x->values ? (uint32_t)type_count(param_turn_type(x)) : 0;
  PACK_ARRAY(p, x->values, n);
  if (!n) x->values = NULL;
  PACK(p, x->decay);
  PACK(p, x->at);
}

static void field(Pack *p, DataField *f) {
  pack_text(p, &f->name);
  PACK(p, f->type);
}

static void column(Pack *p, ReadColumn *c) {
  pack_text(p, &c->name);
  PACK(p, c->column);
  pack_text(p, &c->header);
  PACK(p, c->mask);
}

static void data(Pack *p, const Model *m, Data *d) {
  pack_text(p, &d->name);
  PACK(p, d->kind);
  PACK_ITEMS(p, d->field, d->nfield);
  for (uint32_t k = 0; k < d->nfield; k++) field(p, &d->field[k]);
  PACK(p, d->at);
  pack_fn(p, &d->program);
  PACK(p, d->yield);
  PACK(p, d->window);
  PACK(p, d->orders);
  PACK(p, d->count);
  PACK(p, d->seed);
  data_ref(p, m, &d->on);
  pack_text(p, &d->path);
  PACK(p, d->gaps);
  PACK_ITEMS(p, d->column, d->ncolumn);
  for (uint32_t k = 0; k < d->ncolumn; k++) column(p, &d->column[k]);
  PACK(p, d->read_window);
  PACK(p, d->group);
  data_ref(p, m, &d->base);
  PACK(p, d->share);
}

/* ---- actions ------------------------------------------------------------------------------------------------------ */

static void optimizer(Pack *p, Optim *o) {
  PACK(p, o->kind);
  double *const number[] = {&o->lr, &o->beta1, &o->beta2, &o->eps, &o->weight_decay, &o->momentum, &o->alpha};
  for (size_t k = 0; k < sizeof number / sizeof *number; k++) PACK(p, *number[k]);
  PACK(p, o->nesterov);
  PACK(p, o->history);
  PACK(p, o->max_iter);
}

static void schedule(Pack *p, Schedule *s) {
  PACK(p, s->kind);
  PACK(p, s->to);
  PACK(p, s->warmup);
  PACK_ARRAY(p, s->at, s->nat);
  PACK(p, s->factor);
  PACK(p, s->patience);
  PACK(p, s->cooldown);
  PACK(p, s->threshold);
}

static void sum_loss(Pack *p, const Model *m, SumLoss *l) {
  pack_text(p, &l->name);
  pack_text(p, &l->label);
  PACK(p, l->weight);
  pack_fn(p, &l->loss);
  data_ref(p, m, &l->data);
  data_ref(p, m, &l->test);
  uint32_t n = l->data && l->test ? l->data->nfield : 0;
  PACK_ARRAY(p, l->test_field, n);
  PACK(p, l->draws);
  PACK(p, l->batch);
  PACK(p, l->tests);
}

static void train(Pack *p, const Model *m, Train *t) {
  pack_text(p, &t->name);
  PACK_ITEMS(p, t->sum, t->nsum);
  for (uint32_t k = 0; k < t->nsum; k++) sum_loss(p, m, &t->sum[k]);
  PACK(p, t->tested);
  optimizer(p, &t->opt);
  schedule(p, &t->sched);
  PACK(p, t->steps);
  PACK(p, t->epochs);
  PACK(p, t->every);
  PACK(p, t->clip);
  PACK(p, t->keep);
  PACK(p, t->patience);
  PACK(p, t->average);
  PACK(p, t->seed);
  PACK(p, t->memory);
  PACK_ARRAY(p, t->moved, t->nmoved);
  PACK_ITEMS(p, t->monitor, t->nmonitor);
}

static void stat(Pack *p, ReportStat *s) {
  PACK(p, s->stat);
  PACK(p, s->q);
}

static void uses(Pack *p, const Model *m, ReportUse **use, uint32_t *n) {
  PACK_ITEMS(p, *use, *n);
  for (uint32_t k = 0; k < *n; k++) {
    report_ref(p, m, &(*use)[k].report);
    stat(p, &(*use)[k].stat);
  }
}

static void report(Pack *p, const Model *m, Report *r) {
  pack_text(p, &r->name);
  pack_fn(p, &r->fn);
  data_ref(p, m, &r->data);
  uses(p, m, &r->use, &r->nuse);
  PACK_ITEMS(p, r->asked, r->nasked);
  for (uint32_t k = 0; k < r->nasked; k++) stat(p, &r->asked[k]);
}

static void expect(Pack *p, const Model *m, Expect *e) {
  pack_text(p, &e->text);
  pack_fn(p, &e->fn);
  uses(p, m, &e->use, &e->nuse);
}

static void curve(Pack *p, PlotCurve *c) {
  pack_text(p, &c->label);
  PACK(p, c->x);
  PACK(p, c->y);
  PACK(p, c->error);
}

static void plot(Pack *p, const Model *m, Plot *x) {
  pack_text(p, &x->name);
  PACK(p, x->kind);
  data_ref(p, m, &x->data);
  pack_fn(p, &x->fn);
  uses(p, m, &x->use, &x->nuse);
  PACK_ITEMS(p, x->curve, x->ncurve);
  for (uint32_t k = 0; k < x->ncurve; k++) curve(p, &x->curve[k]);
  PACK(p, x->colour);
  pack_fn(p, &x->grid);
  PACK_ITEMS(p, x->grid_label, x->ngrid);
  for (uint32_t k = 0; k < x->ngrid; k++) pack_text(p, &x->grid_label[k]);
  pack_text(p, &x->title);
  pack_text(p, &x->caption);
  for (int k = 0; k < 3; k++) pack_text(p, &x->label[k]);
  PACK(p, x->ranged);
  PACK(p, x->range);
  PACK(p, x->log);
  PACK(p, x->legend);
  PACK(p, x->animate);
  PACK(p, x->aspect);
  PACK(p, x->map);
  PACK(p, x->samples);
  PACK(p, x->n);
  PACK(p, x->contours);
  PACK(p, x->bins);
}

static void save(Pack *p, const Model *m, Save *s) {
  pack_text(p, &s->name);
  data_ref(p, m, &s->data);
  pack_fn(p, &s->fn);
  uses(p, m, &s->use, &s->nuse);
  uint32_t n = s->fn ? s->fn->out.n : 0;
  PACK_ITEMS(p, s->key, n);
  for (uint32_t k = 0; k < n; k++) pack_text(p, &s->key[k]);
  PACK_ARRAY(p, s->truth, n);
}

static void action(Pack *p, const Model *m, Action *a) {
  PACK(p, a->kind);
  PACK(p, a->at);
  switch (a->kind) {
  case DO_TRAIN:
    if (p->reading) a->train = ARENA_NEW(p->mem, Train);
    train(p, m, a->train);
    break;
  case DO_REPORT:
    if (p->reading) a->report = ARENA_NEW(p->mem, Report);
    report(p, m, a->report);
    break;
  case DO_EXPECT:
    if (p->reading) a->expect = ARENA_NEW(p->mem, Expect);
    expect(p, m, a->expect);
    break;
  case DO_PLOT:
    if (p->reading) a->plot = ARENA_NEW(p->mem, Plot);
    plot(p, m, a->plot);
    break;
  case DO_DATA: data_ref(p, m, &a->data); break;
  case DO_SAVE:
    if (p->reading) a->save = ARENA_NEW(p->mem, Save);
    save(p, m, a->save);
    break;
  }
}

/* ---- what else there is ------------------------------------------------------------------------------------------- */

static void pattern(Pack *p, const Pattern **x) {
  Pattern got = !p->reading && *x ? **x : (Pattern){0};
  bool there = !p->reading && *x;
  uint32_t nstart = there ? got.rows + 1 : 0, ncol = there ? pattern_count(&got) : 0;
  PACK(p, there);
  if (!there) return;
  PACK(p, got.rows);
  PACK(p, got.cols);
  PACK_ARRAY(p, got.start, nstart);
  PACK_ARRAY(p, got.col, ncol);
  if (!p->reading) return;
  Pattern *made = ARENA_NEW(p->mem, Pattern);
  *made = got;
  *x = made;
}

static void export_(Pack *p, Export *e) {
  pack_text(p, &e->name);
  pack_text(p, &e->kind);
  pack_fn(p, &e->fn);
  PACK(p, e->at);
  uint32_t n = e->pattern && e->fn ? e->fn->out.n : 0;
  PACK_ITEMS(p, e->pattern, n);
  for (uint32_t k = 0; k < n; k++) pattern(p, &e->pattern[k]);
}

static void loose_loss(Pack *p, Loss *x) {
  pack_text(p, &x->name);
  pack_fn(p, &x->fn);
  PACK(p, x->at);
  PACK_ITEMS(p, x->moved, x->nmoved);
  for (uint32_t k = 0; k < x->nmoved; k++) PACK(p, x->moved[k]);
}

static void proof(Pack *p, Proof *x) {
  pack_text(p, &x->text);
  pack_text(p, &x->detail);
  PACK(p, x->at);
  PACK(p, x->answer);
  PACK(p, x->stated);
  PACK(p, x->own);
}

/* Its `save` is the last action. */
static void asked(Pack *p, Model *m) {
  bool there = !p->reading && m->asked;
  PACK(p, there);
  if (!there) return;
  Asked a = p->reading ? (Asked){0} : *m->asked;
  uint32_t n = 0;
  p->bad |= p->reading && (!m->naction || m->action[m->naction - 1].kind != DO_SAVE);
  if (p->bad) return;
  a.save = m->action[m->naction - 1].save;
  n = a.save->data && a.save->data->kind == DATA_GIVEN ? a.save->data->nfield : 0;
  PACK(p, a.lead);
  PACK(p, a.nlead);
  PACK_ITEMS(p, a.field, n);
  for (uint32_t k = 0; k < n; k++) {
    PACK(p, a.field[k].shared);
    PACK_ARRAY(p, a.field[k].piece, a.field[k].npiece);
  }
  if (!p->reading) return;
  Asked *made = ARENA_NEW(p->mem, Asked);
  *made = a;
  m->asked = made;
}

static void all(Pack *p, Model *m) {
  pack_text(p, &m->path);
  pack_text(p, &m->name);
  PACK(p, m->f64);
  PACK_ITEMS(p, m->param, m->nparam);
  for (uint32_t k = 0; k < m->nparam; k++) param(p, &m->param[k]);
  PACK_ITEMS(p, m->data, m->ndata);
  for (uint32_t k = 0; p->reading && k < m->ndata; k++) m->data[k] = ARENA_NEW(p->mem, Data);
  for (uint32_t k = 0; k < m->ndata; k++) data(p, m, m->data[k]);
  PACK_ITEMS(p, m->action, m->naction);
  for (uint32_t k = 0; k < m->naction; k++) action(p, m, &m->action[k]);
  PACK_ITEMS(p, m->start, m->nstart);
  for (uint32_t k = 0; k < m->nstart; k++) {
    Start *x = &m->start[k];
    pack_text(p, &x->instance);
    pack_text(p, &x->file);
    pack_text(p, &x->as);
    PACK(p, x->at);
  }
  PACK_ITEMS(p, m->file, m->nfile);
  for (uint32_t k = 0; k < m->nfile; k++) pack_text(p, &m->file[k]);
  for (uint32_t k = 0; k < m->naction; k++) /* reports of any place: all are there */
    for (uint32_t i = 0; m->action[k].kind == DO_TRAIN && i < m->action[k].train->nmonitor; i++)
      report_ref(p, m, &m->action[k].train->monitor[i]);
  PACK_ITEMS(p, m->proof, m->nproof);
  for (uint32_t k = 0; k < m->nproof; k++) proof(p, &m->proof[k]);
  asked(p, m);
}

void model_pack(Pack *p, Model **m) {
  Model *x = p->reading ? base_realloc(NULL, sizeof *x) : *m;
  if (p->reading) {
    *x = (Model){.mem = arena_create(), .names = intern_create()};
    p->mem = x->mem;
  }
  all(p, x);
  if (p->reading && p->bad) model_destroy(x), x = NULL;
  *m = x;
}

void model_pack_exports(Pack *p, Model *m) {
  if (p->reading) p->mem = m->mem;
  PACK_ITEMS(p, m->export_, m->nexport);
  for (uint32_t k = 0; k < m->nexport; k++) export_(p, &m->export_[k]);
  PACK_ITEMS(p, m->loss, m->nloss);
  for (uint32_t k = 0; k < m->nloss; k++) loose_loss(p, &m->loss[k]);
  PACK_ITEMS(p, m->left_out, m->nleft_out);
  for (uint32_t k = 0; k < m->nleft_out; k++) {
    pack_text(p, &m->left_out[k].name);
    pack_text(p, &m->left_out[k].kind);
    pack_text(p, &m->left_out[k].why);
  }
}
