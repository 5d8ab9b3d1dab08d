/* The functions of a model, each taken through all passes with its trace. */
#include "driver/explore/explore_priv.h"
#include "driver/train/trainer.h"

#include <string.h>

static Piece *add(Explore *x, const Fn *fn, const char *kind, const char *name, const Data *data, Span at) {
  if (!fn) return NULL;
  Piece *p = vec_push(&x->piece);
  *p = (Piece){.kind = kind, .name = name, .fn = fn, .data = data, .at = at, .job = {.memory = MEMORY_STORED}};
  return p;
}

static bool listed(const Explore *x, const Fn *fn) {
  for (uint32_t k = 0; k < x->piece.n; k++)
    if (x->piece.at[k].fn == fn) return true;
  return false;
}

static void add_training(Explore *x, const Train *t, Span at) {
  for (uint32_t k = 0; k < t->nsum; k++) {
    const SumLoss *l = &t->sum[k];
    if (listed(x, l->loss)) continue;
    uint32_t *moved = ARENA_ARRAY(x->mem, uint32_t, t->nmoved + 1);
    const uint32_t n = trainer_moved(t, k, moved);
    Piece *p = add(x, l->loss, "gradient", l->name, l->data, at);
    p->job = (PassJob){.memory = t->memory, .gradient = true, .moved = moved, .nmoved = n};
    add(x, l->loss, "loss", l->name, l->data, at);
  }
}

static void list(Explore *x) {
  const Model *m = x->s->model;
  for (uint32_t i = 0; i < m->naction; i++)
    if (m->action[i].kind == DO_TRAIN) add_training(x, m->action[i].train, m->action[i].at);
  for (uint32_t i = 0; i < m->nloss; i++) {
    const Loss *l = &m->loss[i];
    Piece *p = add(x, l->fn, "gradient", l->name, NULL, l->at);
    p->job = (PassJob){.gradient = true, .moved = l->moved, .nmoved = l->nmoved};
    add(x, l->fn, "loss", l->name, NULL, l->at);
  }
  for (uint32_t i = 0; i < m->nexport; i++)
    add(x, m->export_[i].fn, m->export_[i].kind, m->export_[i].name, NULL, m->export_[i].at);
  for (uint32_t i = 0; i < m->naction; i++) {
    const Action *a = &m->action[i];
    if (a->kind == DO_REPORT) add(x, a->report->fn, "report", a->report->name, a->report->data, a->at);
    if (a->kind == DO_PLOT) add(x, a->plot->fn, "plot", a->plot->name, a->plot->data, a->at);
    if (a->kind == DO_SAVE) add(x, a->save->fn, "save", a->save->name, a->save->data, a->at);
  }
  for (uint32_t i = 0; i < m->ndata; i++)
    if (m->data[i]->kind == DATA_PROGRAM) add(x, m->data[i]->program, "data", m->data[i]->name, m->data[i]->on, m->data[i]->at);
}

/* Errors are told of the passes on the function as it is: a trace has other places. */
static bool passes_well(Explore *x, const Piece *p) {
  PassJob job = p->job;
  Lowered low;
  job.fn = p->fn;
  const bool ok = pass_lower_all(&x->s->passes, &job, &low, x->s->diag);
  pass_lowered_finish(&low);
  return ok;
}

static bool trace(Explore *x, Piece *p) {
  PassRun run = {.trace = p->trace = pass_trace_create(), .loops = x->s->passes.loops};
  Diag *unheard = diag_create(x->s->src);
  p->given = ir_copy_fn(NULL, p->fn);
  pass_trace_begin(p->trace, p->given);
  p->job.fn = p->given;
  const bool ok = pass_lower_all(&run, &p->job, &p->low, unheard);
  pass_run_finish(&run);
  diag_destroy(unheard);
  return ok;
}

bool explore_pieces(Explore *x) {
  list(x);
  for (uint32_t k = 0; k < x->piece.n; k++) {
    Piece *p = &x->piece.at[k];
    if (p->job.gradient && !p->job.nmoved) continue; /* nothing is trained */
    if (!trace(x, p)) return passes_well(x, p) ? base_fault("a trace changes what passes do with `%s`", p->name), false : false;
  }
  return true;
}

void explore_pieces_finish(Explore *x) {
  for (uint32_t k = 0; k < x->piece.n; k++) {
    Piece *p = &x->piece.at[k];
    pass_lowered_finish(&p->low);
    pass_trace_destroy(p->trace);
    ir_fn_destroy(p->given);
  }
  vec_free(&x->piece);
}
