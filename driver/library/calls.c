/* Functions of an open model: those of the file, reports, losses with their gradients, products with Jacobians. They are called as those of an
 * exported library are, by the engine of runtime/library, whose tables are made here: each function is compiled when it is first called. */
#include "driver/library/calls_priv.h"

#include <stdlib.h>
#include <string.h>

/* ---- what there is ------------------------------------------------------------------------------------------ */

static Callable *add(Calls *c, const char *name, const char *kind, const Fn *fn, Span at) {
  Callable *x = base_zeroed(1, sizeof *x);
  *x = (Callable){.name = name, .kind = kind, .fn = fn, .at = at, .slope = fn->out.n};
  *vec_push(&c->list) = x;
  return x;
}

static bool there(const Calls *c, const char *name, const char *kind) {
  for (uint32_t k = 0; k < c->list.n; k++)
    if (!strcmp(c->list.at[k]->name, name) && !strcmp(c->list.at[k]->kind, kind)) return true;
  return false;
}

/* A loss that is trained, each once: its mean, and the gradient by what the training moves. */
static void add_loss(hnnc_model *m, const Train *t, uint32_t k, Span at) {
  Calls *c = m->calls;
  const SumLoss *l = &t->sum[k];
  if (there(c, l->label, "loss")) return;
  Fn *mean = pass_mean(&m->s.passes, l->loss);
  add(c, l->label, "loss", mean, at)->owned = mean;
  Callable *slope = add(c, l->label, "gradient", l->loss, at);
  slope->moved = base_zeroed(t->nmoved + 1, sizeof *slope->moved);
  slope->nmoved = trainer_moved(t, k, slope->moved);
  slope->slope = 1, slope->gradient = true, slope->memory = t->memory;
}

static void add_all(hnnc_model *m) {
  const Model *model = m->s.model;
  for (uint32_t k = 0; k < model->nexport; k++) {
    const Export *x = &model->export_[k];
    add(m->calls, x->name, x->kind, x->fn, x->at)->pattern = x->pattern;
  }
  for (uint32_t k = 0; k < model->naction; k++) {
    const Action *a = &model->action[k];
    if (a->kind == DO_REPORT && !a->report->nuse) add(m->calls, a->report->name, "report", a->report->fn, a->at);
    for (uint32_t i = 0; a->kind == DO_TRAIN && i < a->train->nsum; i++) add_loss(m, a->train, i, a->at);
  }
}

/* ---- products with Jacobians ----------------------------------------------------------------------------------- */

/* A real function of arguments per sample, whose derivatives can be taken. */
static bool differentiable(const Callable *x) {
  return x->plain || (strcmp(x->kind, "loss") && strcmp(x->kind, "gradient") && strcmp(x->kind, "report"));
}

hnnc_status library_product(hnnc_model *m, ProductKind kind, size_t of, size_t *number) {
  Calls *c = library_calls(m);
  if (of >= c->list.n || !differentiable(c->list.at[of])) return HNNC_USAGE;
  const Callable *base = c->list.at[of];
  const Fn *f = base->plain ? base->plain : base->fn;
  if (!pass_has_product(f, kind)) return HNNC_USAGE;
  const char *made = arena_printf(m->mem, "%s_%s", base->name, pass_product_name[kind]);
  for (*number = 0; *number < c->list.n; ++*number)
    if (c->list.at[*number]->plain && c->list.at[*number]->of == of && !strcmp(c->list.at[*number]->kind, pass_product_name[kind]))
      return HNNC_OK;
  Fn *whole = pass_product(&m->s.passes, f, kind, true);
  Callable *x = add(c, made, pass_product_name[kind], whole, base->at);
  x->of = of, x->owned = whole, x->plain = pass_product(&m->s.passes, f, kind, false);
  x->slope = x->plain->out.n;
  x->moved = base_zeroed(f->in.n + 1, sizeof *x->moved);
  for (uint32_t k = 0; kind == PRODUCT_VJP && k < f->in.n; k++)
    if (f->in.at[k].kind == IN_PARAM) x->moved[x->nmoved++] = f->in.at[k].index;
  return HNNC_OK;
}

/* ---- tables of the engine --------------------------------------------------------------------------------------- */

static void make_params(hnnc_model *m) {
  const Model *model = m->s.model;
  Calls *c = m->calls;
  c->param = base_zeroed(model->nparam + 1, sizeof *c->param);
  c->values = base_zeroed(model->nparam + 1, sizeof *c->values);
  for (uint32_t k = 0; k < model->nparam; k++) {
    const Type t = model->param[k].type;
    c->param[k] = (LibParam){.name = model->param[k].path, .rank = t.rank, .elems = type_count(t), .offset = c->engine.reals};
    c->values[k] = m->s.param[k].v;
    c->engine.reals += type_count(t);
  }
  c->engine.f64 = model->f64, c->engine.nparam = (int)model->nparam, c->engine.param = c->param;
}

/* The engine for as many functions as there are: what was called before is made anew, from code that is there. */
static bool make_engine(hnnc_model *m) {
  Calls *c = m->calls;
  if (c->lib && c->engine.nfn == (int)c->list.n) return true;
  lib_destroy(c->lib);
  LibFn *fn = base_zeroed(c->list.n + 1, sizeof *fn);
  if (c->engine.nfn) memcpy(fn, c->fn, sizeof *fn * (size_t)c->engine.nfn);
  base_free(c->fn);
  c->fn = fn, c->engine.fn = fn, c->engine.nfn = (int)c->list.n;
  return (c->lib = lib_create_on(&c->engine, c->values, m->s.pool)) != NULL;
}

Calls *library_calls(hnnc_model *m) {
  if (m->calls) return m->calls;
  m->calls = base_zeroed(1, sizeof *m->calls);
  make_params(m);
  add_all(m);
  return m->calls;
}

/* Which of the user's arrays an input is: its place among the arguments of `f`, as it was before lowering, by number. */
int library_argument(const Fn *f, uint32_t index) {
  int before = 0;
  for (uint32_t k = 0; k < f->in.n; k++) before += f->in.at[k].kind == IN_FIELD && f->in.at[k].index < index;
  return before;
}

static LibInput *inputs_of(const Callable *x, Arena *mem) {
  const Fn *f = x->native.fn;
  LibInput *in = ARENA_ARRAY(mem, LibInput, f->in.n + 1);
  for (uint32_t k = 0; k < f->in.n; k++) {
    const Input *i = &f->in.at[k];
    const int weight = x->gradient || !strcmp(x->kind, "loss") ? LIB_WEIGHT : LIB_ONE;
    in[k] = (LibInput){i->kind == IN_PARAM   ? LIB_PARAM
                       : i->kind == IN_FIELD ? LIB_FIELD
                                             : weight,
                       i->kind == IN_PARAM   ? (int)i->index
                       : i->kind == IN_FIELD ? library_argument(x->fn, i->index)
                                             : 0,
                       type_count(i->type), i->type.lane};
  }
  return in;
}

static LibPart *parts_of(Callable *x, Arena *mem) {
  const Split *s = &x->native.split;
  LibPart *part = ARENA_ARRAY(mem, LibPart, s->n);
  for (uint32_t k = 0; k < s->n; k++) {
    RtFnSpec spec;
    part[k] = (LibPart){0};
    if (!native_part(&x->native, k, &spec)) continue;
    HnnKernelInfo *info = ARENA_NEW(mem, HnnKernelInfo);
    *info = spec.info;
    part[k] = (LibPart){spec.kernel,    info,         spec.nin, spec.nout, native_refs(mem, s->part[k].in, (uint32_t)spec.nin),
                        spec.out_elems, spec.out_lane};
  }
  return part;
}

static void fill(Callable *x, LibFn *out) {
  Native *n = &x->native;
  *out = (LibFn){.nparts = (int)n->split.n,
                 .part = parts_of(x, n->mem),
                 .whole = pass_split_whole(&n->split, n->fn),
                 .nin = (int)n->fn->in.n,
                 .nout = (int)n->fn->out.n,
                 .in = inputs_of(x, n->mem),
                 .from = native_refs(n->mem, n->split.from, n->fn->out.n)};
  native_outputs(n->mem, n->fn, &out->out_elems, &out->out_lane);
  if (!x->nmoved) return;
  int *moved = ARENA_ARRAY(n->mem, int, x->nmoved);
  for (uint32_t k = 0; k < x->nmoved; k++) moved[k] = (int)x->moved[k];
  out->slope = (int)x->slope, out->nmoved = (int)x->nmoved, out->moved = moved;
}

hnnc_status library_compile(hnnc_model *m, const size_t *one) {
  Calls *c = library_calls(m);
  NativeJob *job = base_zeroed(c->list.n + 1, sizeof *job);
  Callable **of = base_zeroed(c->list.n + 1, sizeof *of);
  int n = 0;
  for (uint32_t k = 0; k < c->list.n; k++) {
    Callable *x = c->list.at[k];
    if (x->native.run || (one && *one != k)) continue;
    of[n] = x;
    job[n++] = (NativeJob){.fn = x->fn,
                           .name = x->name,
                           .native = &x->native,
                           .memory = x->memory,
                           .gradient = x->gradient,
                           .moved = x->moved,
                           .nmoved = x->gradient ? x->nmoved : 0};
  }
  int code = n ? native_build(&m->s, job, n) : 0;
  if (!code && !make_engine(m))
    code = session_fail(&m->s, EXIT_IO, CODE_memory, (Span){0}, "there is not enough memory for the functions");
  for (uint32_t k = 0; !code && k < c->list.n; k++)
    if (c->list.at[k]->native.run && !c->fn[k].nparts) fill(c->list.at[k], &c->fn[k]);
  base_free(job);
  base_free(of);
  return library_status(code);
}

void library_calls_finish(hnnc_model *m) {
  Calls *c = m->calls;
  if (!c) return;
  lib_destroy(c->lib);
  for (uint32_t k = 0; k < c->list.n; k++) {
    Callable *x = c->list.at[k];
    native_finish(&x->native);
    ir_fn_destroy(x->owned);
    ir_fn_destroy(x->plain);
    base_free(x->moved);
    base_free(x);
  }
  vec_free(&c->list);
  base_free(c->fn), base_free(c->param), base_free(c->values);
  base_free(c);
  m->calls = NULL;
}
