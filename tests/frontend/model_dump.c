/* model_dump [-c] FILE [name=value...]: reads a model and prints what the frontend makes of it; with -c only
 * the messages. Data files are not looked into: every one has the columns of `table` below. Exit code 1
 * after errors. */
#include "frontend/model.h"

#include <string.h>

static bool table(void *ctx, Arena *mem, const char *path, bool gaps, TableInfo *out, char *err, size_t errsize) {
  static const char *const names[] = {"a", "e", "mean_longitude", "longitude_of_perihelion", "label"};
  (void)ctx, (void)gaps;
  if (strstr(path, "missing")) {
    snprintf(err, errsize, "No such file or directory");
    return false;
  }
  *out = (TableInfo){.ncolumn = 5};
  out->column = ARENA_ARRAY(mem, struct TableColumn, 5);
  for (int i = 0; i < 5; i++)
    out->column[i] = (struct TableColumn){.name = strstr(path, ".txt") ? NULL : names[i],
                                          .number = i < 4,
                                          .rows = 8,
                                          .fault = i < 4 ? NULL : "it contains text, in line 2 `run1`"};
  return true;
}

static const char *shape(Type t) {
  static char buf[96];
  return type_user(t, buf, sizeof buf);
}

static void print_params(const Model *m) {
  static const char *const inits[] = {"value", "normal", "uniform", "glorot", "orthogonal"};
  for (uint32_t i = 0; i < m->nparam; i++) {
    const Param *p = &m->param[i];
    printf("param %s: %s ~ %s", p->path, shape(p->type), inits[p->init]);
    if (p->values) printf(" of a tensor\n");
    else printf(" %g %g\n", p->a, p->b);
  }
}

static void print_data(const Data *d, const Source *src) {
  static const char *const kinds[] = {"program", "read", "first", "last", "shuffle"};
  static const char *const yields[] = {"one", "each", "windows", "shuffled"};
  printf("data %s: %s", d->name ? d->name : "-", kinds[d->kind]);
  for (uint32_t i = 0; i < d->nfield; i++) printf(" %s: %s", d->field[i].name, shape(d->field[i].type));
  if (d->kind == DATA_PROGRAM && d->yield == YIELD_SHUFFLED) printf(" orders %u", d->orders);
  if (d->kind == DATA_PROGRAM)
    printf(" yield %s count %lld seed %llu\n", yields[d->yield], (long long)d->count, (unsigned long long)d->seed);
  else if (d->kind == DATA_READ) printf(" from %s window %u group %d\n", d->path, d->read_window, d->group);
  else printf(" of %s share %g\n", d->base->name, d->share);
  if (d->program) ir_print(stdout, d->program, src);
}

static void print_loss(const Train *t, const SumLoss *l, const Source *src) {
  printf("train");
  if (t->nsum > 1 || l->weight != 1) printf(" %g", l->weight);
  printf(" %s on %s test %s: %s lr %g wd %g batch %lld steps %lld epochs %lld clip %g seed %llu moves", l->name,
         l->data ? l->data->name : "-", l->test ? l->test->name : "-", pass_optim_name[t->opt.kind], t->opt.lr, t->opt.weight_decay,
         (long long)l->batch, (long long)t->steps, (long long)t->epochs, t->clip, (unsigned long long)t->seed);
  for (uint32_t i = 0; i < t->nmoved; i++) printf(" %u", t->moved[i]);
  printf("\n");
  ir_print(stdout, l->loss, src);
}

static void print_train(const Train *t, const Source *src) {
  for (uint32_t k = 0; k < t->nsum; k++) print_loss(t, &t->sum[k], src);
}

static void print_plot(const Plot *p, const Source *src) {
  printf("plot %s %s on %s: x \"%s\" y \"%s\" samples %lld n %lld contours %lld bins %lld%s", p->name, plot_kind_name[p->kind],
         p->data ? p->data->name : "-", p->label[0], p->label[1], (long long)p->samples, (long long)p->n, (long long)p->contours,
         (long long)p->bins, p->legend ? " legend" : "");
  for (uint32_t i = 0; i < p->ncurve; i++)
    printf(p->curve[i].error < 0 ? " (%d, %d) \"%s\"" : " (%d, %d) \"%s\" error %d", p->curve[i].x, p->curve[i].y,
           p->curve[i].label ? p->curve[i].label : "", p->curve[i].error);
  for (uint32_t i = 0; i < p->ngrid; i++) printf(" \"%s\"", p->grid_label[i]);
  printf("\n");
  if (p->fn) ir_print(stdout, p->fn, src);
  if (p->grid) ir_print(stdout, p->grid, src);
}

static void print_uses(const ReportUse *use, uint32_t n) {
  static const char *const stats[] = {"mean",       "sd",  "min",     "max",   "count",       "sum",       "quantile",
                                      "logmeanexp", "ess", "ess_log", "r_hat", "r_hat_ranks", "ess_chains"};
  for (uint32_t i = 0; i < n; i++) {
    printf(" %s(%s", stats[use[i].stat.stat], use[i].report->name);
    if (use[i].stat.stat == STAT_QUANTILE) printf(", %g", use[i].stat.q);
    printf(")");
  }
  printf("\n");
}

static void print_action(const Action *a, const Source *src) {
  if (a->kind == DO_TRAIN) print_train(a->train, src);
  if (a->kind == DO_PLOT) print_plot(a->plot, src);
  if (a->kind == DO_REPORT) {
    printf("report %s on %s", a->report->name, a->report->data ? a->report->data->name : "-");
    if (a->report->nuse) printf(":");
    print_uses(a->report->use, a->report->nuse);
    ir_print(stdout, a->report->fn, src);
  }
  if (a->kind == DO_DATA) printf("made %s\n", a->data->name);
  if (a->kind == DO_SAVE) {
    printf("save %s on %s\n", a->save->name, a->save->data ? a->save->data->name : "-");
    ir_print(stdout, a->save->fn, src);
  }
  if (a->kind == DO_EXPECT) {
    printf("expect %s:", a->expect->text);
    print_uses(a->expect->use, a->expect->nuse);
    ir_print(stdout, a->expect->fn, src);
  }
}

static int verify_all(const Model *m) {
  int bad = 0;
  for (uint32_t i = 0; i < m->ndata; i++) bad += m->data[i]->program ? ir_verify(m->data[i]->program, stdout) : 0;
  for (uint32_t i = 0; i < m->nexport; i++) bad += ir_verify(m->export_[i].fn, stdout);
  for (uint32_t i = 0; i < m->naction; i++) {
    const Action *a = &m->action[i];
    if (a->kind == DO_PLOT) {
      bad += a->plot->fn ? ir_verify(a->plot->fn, stdout) : 0;
      bad += a->plot->grid ? ir_verify(a->plot->grid, stdout) : 0;
      continue;
    }
    if (a->kind == DO_DATA) continue;
    for (uint32_t k = 0; a->kind == DO_TRAIN && k < a->train->nsum; k++) bad += ir_verify(a->train->sum[k].loss, stdout);
    if (a->kind != DO_TRAIN)
      bad += ir_verify(a->kind == DO_SAVE ? a->save->fn : a->kind == DO_REPORT ? a->report->fn : a->expect->fn, stdout);
  }
  return bad;
}

int main(int argc, char **argv) {
  bool check = argc > 1 && !strcmp(argv[1], "-c");
  char **file = argv + 1 + check;
  if (argc < 2 + check) return 2;
  FrontOptions o = {.override_ = (const char *const *)file + 1, .noverride = (uint32_t)(argc - 2 - check), .table = table};
  Source *src = source_create();
  Diag *diag = diag_create(src);
  Model *m = model_load(src, file[0], &o, diag);
  diag_render(diag, stdout, false);
  int bad = m ? verify_all(m) : 0;
  if (m && !check) {
    printf("precision %s\n", m->f64 ? "f64" : "f32");
    print_params(m);
    for (uint32_t i = 0; i < m->ndata; i++) print_data(m->data[i], src);
    for (uint32_t i = 0; i < m->naction; i++) print_action(&m->action[i], src);
    for (uint32_t i = 0; i < m->nexport; i++) {
      printf("export %s %s\n", m->export_[i].kind, m->export_[i].name);
      ir_print(stdout, m->export_[i].fn, src);
    }
  }
  int rc = bad ? 3 : m ? 0 : 1;
  model_destroy(m);
  diag_destroy(diag);
  source_destroy(src);
  return rc;
}
