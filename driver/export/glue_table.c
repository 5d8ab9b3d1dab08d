/* hnn_library_1 (runtime/library/model.h), which says what a library has, as its data. */
#include "driver/export/glue_data_priv.h"

#include "driver/run/runner.h"

#include <string.h>

_Static_assert(sizeof(hnn_library) <= GLUE_ROW_MOST && sizeof(LibTrain) <= GLUE_ROW_MOST && sizeof(LibFn) <= GLUE_ROW_MOST,
               "rows of zeros are long enough");

static void text(CgData *d, size_t at, const char *s) { cg_data_point(d, at, cg_data_text(d, s ? s : "")); }

/* ---- values --------------------------------------------------------------------------------------------------- */

/* An argument or a result, with what stands beside it. */
typedef struct Value {
  const char *name;
  Type type;
  const char *pattern; /* before _rows and _cols; NULL: none */
  const Pattern *of;
} Value;

static Value value_of(const char *name, Type t) { return (Value){.name = name, .type = t}; }

static Value slope_of(const Glue *g) {
  const uint32_t reals = (uint32_t)glue_reals(g);
  return value_of("gradient", type_real(false, 1, &reals));
}

static uint32_t results_of(const Glue *g, const GlueFn *f, Value *out) {
  uint32_t n = 0;
  if (f->kind == GLUE_GRADIENT) {
    out[n++] = value_of("loss", type_scalar(false));
    out[n++] = slope_of(g);
    return n;
  }
  for (uint32_t k = 0; k < glue_outputs(f); k++) {
    const char *name = f->kind == GLUE_LOSS ? "loss" : f->kind == GLUE_PRODUCT ? f->whole->outname.at[k] : NULL;
    out[n] = value_of(name, ir_type(f->whole, f->whole->out.at[k]));
    out[n].pattern = glue_pattern(g, f, k), out[n].of = out[n].pattern ? f->pattern[k] : NULL;
    n++;
  }
  if (glue_slope(f)) out[n++] = slope_of(g);
  return n;
}

static size_t put_pattern(CgData *d, GlueNames *names, Arena *mem, const Value *v, const char *what, const uint32_t *list,
                          uint32_t n) {
  const size_t at = cg_data_put(d, list, n * sizeof *list);
  *vec_push(names) = (CgShown){.name = arena_printf(mem, "%s_%s", v->pattern, what), .at = at, .size = n * sizeof *list};
  return at;
}

static size_t put_values(CgData *d, const Glue *g, GlueNames *names, const Value *v, uint32_t n) {
  Arena *mem = g->s->model->mem;
  hnn_value *row = ARENA_ARRAY(mem, hnn_value, n + 1);
  for (uint32_t k = 0; k < n; k++) {
    row[k].rank = v[k].type.rank, row[k].elems = type_count(v[k].type), row[k].per_sample = v[k].type.lane;
    memcpy(row[k].dim, v[k].type.dim, sizeof *row[k].dim * v[k].type.rank);
    if (v[k].of) row[k].rows = v[k].of->rows, row[k].cols = v[k].of->cols;
  }
  const size_t at = glue_rows(d, row, n, sizeof *row);
  for (uint32_t k = 0; k < n; k++) {
    const size_t here = at + k * sizeof *row;
    const Pattern *p = v[k].of;
    text(d, GLUE_AT(here, hnn_value, name), v[k].name);
    if (!p) continue;
    cg_data_point(d, GLUE_AT(here, hnn_value, row), put_pattern(d, names, mem, &v[k], "rows", p->start, p->rows + 1));
    cg_data_point(d, GLUE_AT(here, hnn_value, col), put_pattern(d, names, mem, &v[k], "cols", p->col, pattern_count(p)));
  }
  return at;
}

/* ---- functions -------------------------------------------------------------------------------------------------- */

static bool draws(const Fn *f) {
  for (uint32_t i = 1; i < f->inst.n; i++)
    if (f->inst.at[i].op == OP_rand) return true;
  for (uint32_t i = 0; i < f->sub.n; i++)
    if (draws(f->sub.at[i])) return true;
  return false;
}

static void put_function(CgData *d, const Glue *g, GlueNames *names, const GlueFn *f, size_t here) {
  Arena *mem = g->s->model->mem;
  Value *in = ARENA_ARRAY(mem, Value, f->nuser + 1), *out = ARENA_ARRAY(mem, Value, f->whole->out.n + 3);
  for (int k = 0; k < f->nuser; k++) {
    const Input *i = &f->whole->in.at[f->user[k]];
    in[k] = value_of(i->name, i->type);
  }
  const uint32_t nout = results_of(g, f, out);
  hnn_function *row = (hnn_function *)(void *)(d->bytes.at + here);
  row->nin = f->nuser, row->nout = (int32_t)nout, row->flop = pass_flops(f->whole).per_sample, row->draws = draws(f->whole);
  text(d, GLUE_AT(here, hnn_function, name), f->shown);
  text(d, GLUE_AT(here, hnn_function, kind), f->shown_as);
  cg_data_point(d, GLUE_AT(here, hnn_function, in), put_values(d, g, names, in, (uint32_t)f->nuser));
  cg_data_point(d, GLUE_AT(here, hnn_function, out), put_values(d, g, names, out, nout));
}

static size_t put_functions(CgData *d, const Glue *g, GlueNames *names) {
  const hnn_function *none = ARENA_ARRAY(g->s->model->mem, hnn_function, g->nshow + 1);
  const size_t at = glue_rows(d, none, (size_t)g->nshow, sizeof *none);
  for (int k = 0; k < g->nshow; k++) put_function(d, g, names, &g->fn[g->show[k]], at + (size_t)k * sizeof *none);
  return at;
}

/* ---- parameters, trainings, proofs -------------------------------------------------------------------------------- */

/* Each turn of a stack is a parameter. */
static size_t put_parameters(CgData *d, const Model *m) {
  hnn_parameter *row = ARENA_ARRAY(m->mem, hnn_parameter, model_params(m) + 1);
  size_t n = 0;
  int64_t first = 0;
  for (uint32_t k = 0; k < m->nparam; k++)
    for (int64_t turn = 0; turn < param_turns(&m->param[k]); turn++) {
      const Type t = param_turn_type(&m->param[k]);
      row[n].rank = t.rank, row[n].elems = type_count(t), row[n].first = first;
      memcpy(row[n++].dim, t.dim, sizeof *t.dim * t.rank);
      first += type_count(t);
    }
  const size_t at = glue_rows(d, row, n, sizeof *row);
  n = 0;
  for (uint32_t k = 0; k < m->nparam; k++)
    for (int64_t turn = 0; turn < param_turns(&m->param[k]); turn++) {
      char *path = param_turn_path(&m->param[k], turn);
      text(d, GLUE_AT(at + n++ * sizeof *row, hnn_parameter, path), path);
      base_free(path);
    }
  return at;
}

/* The number of the shown gradient that is the same loss as fn[i]. */
static int gradient_number(const Glue *g, int i) {
  const char *label = g->fn[i].train->sum[g->fn[i].loss].label;
  for (int k = 0; k < g->n; k++)
    if (g->fn[k].kind == GLUE_GRADIENT && g->fn[k].shown && !strcmp(g->fn[k].shown, label)) return g->fn[k].number;
  return 0;
}

static void put_training(CgData *d, const Glue *g, int i, size_t here) {
  const Train *t = g->fn[i].train;
  int32_t *loss = ARENA_ARRAY(g->s->model->mem, int32_t, t->nsum + 1);
  for (uint32_t k = 0; k < t->nsum; k++) loss[k] = gradient_number(g, i + (int)k);
  hnn_training *row = (hnn_training *)(void *)(d->bytes.at + here);
  row->lr = t->opt.lr, row->nloss = (int32_t)t->nsum;
  text(d, GLUE_AT(here, hnn_training, name), t->name);
  text(d, GLUE_AT(here, hnn_training, optimizer), pass_optim_name[t->opt.kind]);
  cg_data_point(d, GLUE_AT(here, hnn_training, loss), glue_rows(d, loss, t->nsum, sizeof *loss));
}

static size_t put_trainings(CgData *d, const Glue *g, int n) {
  const hnn_training *none = ARENA_ARRAY(g->s->model->mem, hnn_training, n + 1);
  const size_t at = glue_rows(d, none, (size_t)n, sizeof *none);
  int k = 0;
  for (int i = 0; i < g->n; i++)
    if (glue_trains(&g->fn[i])) put_training(d, g, i, at + (size_t)k++ * sizeof *none);
  return at;
}

static size_t put_proofs(CgData *d, const Model *m) {
  const hnn_proof *none = ARENA_ARRAY(m->mem, hnn_proof, m->nproof + 1);
  const size_t at = glue_rows(d, none, m->nproof, sizeof *none);
  for (uint32_t k = 0; k < m->nproof; k++) {
    const size_t here = at + k * sizeof *none;
    text(d, GLUE_AT(here, hnn_proof, text), m->proof[k].text);
    text(d, GLUE_AT(here, hnn_proof, answer), answer_text[m->proof[k].answer]);
    text(d, GLUE_AT(here, hnn_proof, detail), m->proof[k].detail);
  }
  return at;
}

/* ---- the library ------------------------------------------------------------------------------------------------------ */

static void put_calls(CgData *d, size_t at) {
  const struct {
    size_t at;
    const char *symbol;
  } call[] = {{offsetof(hnn_library, create), "lib_so_create"}, {offsetof(hnn_library, destroy), "lib_destroy"},
              {offsetof(hnn_library, share), "lib_abi_share"},  {offsetof(hnn_library, threads), "lib_abi_threads"},
              {offsetof(hnn_library, param), "lib_abi_param"},  {offsetof(hnn_library, call), "lib_abi_call"},
              {offsetof(hnn_library, step), "lib_abi_step"},    {offsetof(hnn_library, load), "lib_abi_load"},
              {offsetof(hnn_library, save), "lib_abi_save"},    {offsetof(hnn_library, error), "lib_abi_error"}};
  for (size_t k = 0; k < sizeof call / sizeof *call; k++) cg_data_symbol(d, at + call[k].at, call[k].symbol);
}

size_t glue_table(CgData *d, const Glue *g, int trains, GlueNames *names) {
  const Model *m = g->s->model;
  char hash[40];
  runner_hash(g->s->src, g->s->opt, hash);
  hnn_library *row = ARENA_NEW(m->mem, hnn_library);
  row->abi = HNN_ABI, row->size = sizeof *row, row->f64 = m->f64, row->nfunction = g->nshow;
  row->nparameter = (int32_t)model_params(m), row->ntraining = trains, row->nproof = (int32_t)m->nproof;
  row->reals = glue_reals(g);
  const size_t at = cg_data_put(d, row, sizeof *row);
  *vec_push(names) = (CgShown){.name = "hnn_library_1", .at = at, .size = sizeof *row};
  text(d, GLUE_AT(at, hnn_library, name), m->name);
  text(d, GLUE_AT(at, hnn_library, source), m->path);
  text(d, GLUE_AT(at, hnn_library, compiler), "hnnc " HNNC_VERSION);
  text(d, GLUE_AT(at, hnn_library, hash), hash);
  text(d, GLUE_AT(at, hnn_library, cpu), g->cpu);
  text(d, GLUE_AT(at, hnn_library, features), g->needs);
  cg_data_point(d, GLUE_AT(at, hnn_library, function), put_functions(d, g, names));
  cg_data_point(d, GLUE_AT(at, hnn_library, parameter), put_parameters(d, m));
  cg_data_point(d, GLUE_AT(at, hnn_library, training), put_trainings(d, g, trains));
  cg_data_point(d, GLUE_AT(at, hnn_library, proof), put_proofs(d, m));
  put_calls(d, at);
  return at;
}
