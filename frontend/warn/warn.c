/* Warnings: options of trainings, data that overlap, parameters and values that nothing uses, arguments named against their meaning. */
#include "frontend/builtin/builtin.h"
#include "frontend/warn/warn.h"
#include "frontend/warn/warn_priv.h"

#include <stdlib.h>
#include <string.h>

/* ---- trainings ------------------------------------------------------------------------------------------------ */

static Span option_at(const Item *it, const char *name) {
  const Arg *o = ast_option(it, name);
  return !o ? it->name_at : o->value ? o->value->at : o->name_at;
}

static void rate(Elab *E, const Train *t, const Item *it) {
  const OptKind kind = t->opt.kind;
  const bool steps_of_lr = kind == OPT_ADAM || kind == OPT_ADAMW || kind == OPT_RMSPROP;
  if (!steps_of_lr || t->opt.lr <= 1) return;
  elab_help(elab_warn(E, CODE_learning_rate, option_at(it, "optimizer"), "`%s` moves every parameter by about lr = %g in a step",
                      pass_optim_name[kind], t->opt.lr),
            "usual rates are 1e-4 to 1e-2");
}

/* ---- data that overlap ---------------------------------------------------------------------------------------- */

/* The same samples in the same order. */
static bool same_data(const Data *a, const Data *b) {
  if (a == b) return true;
  if (a->kind != b->kind) return false;
  if (a->kind == DATA_READ) return !strcmp(a->path, b->path) && a->read_window == b->read_window;
  if (a->kind == DATA_PROGRAM)
    return a->source && a->source == b->source && a->seed == b->seed && (!a->on || same_data(a->on, b->on));
  return same_data(a->base, b->base) && (a->kind == DATA_SHUFFLE ? a->seed == b->seed : a->share == b->share);
}

/* Whether a is b, or a part of it. */
static bool part_of(const Data *a, const Data *b) {
  for (; a; a = a->kind == DATA_PROGRAM || a->kind == DATA_READ ? NULL : a->base)
    if (same_data(a, b)) return true;
  return false;
}

/* Whether they surely have samples in common. */
static bool overlap(const Data *a, const Data *b) {
  if (part_of(a, b) || part_of(b, a)) return true;
  if (!a->base || !b->base || a->kind == DATA_SHUFFLE || b->kind == DATA_SHUFFLE || !same_data(a->base, b->base)) return false;
  return a->kind == b->kind || (a->share < 1 && b->share < 1 && a->share + b->share > 1 + 1e-9);
}

static const char *why(const Data *a, const Data *b) {
  return a->kind == DATA_PROGRAM && b->kind == DATA_PROGRAM && a != b
             ? "both are drawn by one program with the same seed: give one of them another seed, `seed = 1`"
             : "split a set with `first(d, 0.8)` and `last(d, 0.2)`; `shuffle(d, 0)` mixes it first";
}

static void test(Elab *E, const SumLoss *l, const Summand *s, const Item *it) {
  if (!l->test || !overlap(l->data, l->test)) return;
  DiagMsg *m = elab_warn(E, CODE_test_seen, option_at(it, "test"), "the test set contains samples that are trained on");
  elab_label(m, s->on_at, "trained on these data");
  elab_help(m, "%s", why(l->data, l->test));
}

/* -1: only the file that is read knows. */
static int64_t samples(const Data *d) {
  if (d->kind == DATA_READ) return d->rows < 0 ? -1 : d->read_window ? d->rows - d->read_window + 1 : d->rows;
  if (d->kind != DATA_PROGRAM) {
    const int64_t n = samples(d->base);
    if (d->kind == DATA_SHUFFLE || n < 0) return n;
    return d->share >= 1 ? (d->share < (double)n ? (int64_t)d->share : n) : (int64_t)(d->share * (double)n);
  }
  const int64_t count = d->on ? samples(d->on) : d->count;
  if (count < 0 || d->yield == YIELD_ONE) return count;
  const int64_t rows = ir_type(d->program, d->program->out.at[0]).dim[0];
  return d->yield == YIELD_EACH      ? count * rows
         : d->yield == YIELD_WINDOWS ? count * (rows - d->window + 1)
                                     : count * d->orders * (rows / d->window);
}

static void batch(Elab *E, const SumLoss *l, const Summand *s, const Item *it) {
  const int64_t n = l->data ? samples(l->data) : 0;
  if (n <= 0 || l->batch <= n) return;
  elab_help(elab_warn(E, CODE_batch_size, option_at(it, "batch"), "a batch of %lld is larger than the %lld sample%s of `%s`",
                      (long long)l->batch, (long long)n, n == 1 ? "" : "s", s->on),
            "each step takes all samples: write `batch = all`");
}

static void loss(Elab *E, const Train *t, const SumLoss *l, const Summand *s) {
  const Fn *f = l->loss;
  const Val v = f->out.at[0];
  bool fields = false;
  for (uint32_t i = 0; i < f->in.n; i++) fields |= f->in.at[i].kind == IN_FIELD;
  if (fields && !graph_reads_fields(f, v))
    elab_warn(E, CODE_constant_loss, s->name_at, "the loss `%s` does not depend on the data: it is the same for every sample",
              l->name);
  else if (t->nsum == 1 && graph_vanishes(f, v, t->moved, t->nmoved)) /* of a sum others may speak against 0 */
    elab_help(elab_warn(E, CODE_collapse, s->name_at, "the loss `%s` is 0 for every sample if all parameters are 0", l->name),
              "a network that returns 0 is a solution: compare with targets, or add a term that is 0 only for the right size");
}

/* 0: only the data that are read know. */
static int64_t steps_of(const Train *t) {
  uint32_t k = 0;
  while (k < t->nsum && !t->sum[k].data) k++;
  const int64_t n = t->steps || k == t->nsum ? 0 : samples(t->sum[k].data);
  return t->steps || n > 0 ? train_steps(t, n) : 0;
}

static const char *checks(Elab *E, int64_t n, int64_t every, const char *what) {
  return arena_printf(E->mem, "%lld %s%s, every %s%s", (long long)n, what, n == 1 ? "" : "s",
                      every == 1 ? "step" : arena_printf(E->mem, "%lld", (long long)every), every == 1 ? "" : " steps");
}

/* It counts the checks that stand `every` steps apart. The first has none before it that was better. */
static void patience(Elab *E, const Train *t, const Item *it) {
  const int64_t steps = steps_of(t), every = steps > 0 ? train_every(t, steps) : 1, n = (steps - 1) / every;
  static const char *const help = "`patience` counts %s: %s more often, `every = ...`, or train longer";
  if (steps <= 0) return;
  if (t->patience > n)
    elab_help(elab_warn(E, CODE_patience, option_at(it, "patience"),
                        "this never stops the training: %s, take longer than its %lld steps", checks(E, t->patience, every, "test"),
                        (long long)steps),
              help, "tests", "test");
  if (t->sched.kind == SCHED_PLATEAU && t->sched.patience >= n)
    elab_help(elab_warn(E, CODE_patience, option_at(it, "schedule"),
                        "the rate of this `plateau` never falls: more than %s, take longer than the %lld steps of the training",
                        checks(E, t->sched.patience, every, "check"), (long long)steps),
              help, "checks", "check");
}

static void weight(Elab *E, const SumLoss *l, const Summand *s) {
  if (!s->weight || l->weight != 0) return;
  elab_help(elab_warn(E, CODE_zero_weight, s->weight->at, "the loss `%s` has weight 0, and trains nothing", l->name),
            "leave it out, or give it a weight: `0.1*%s`", l->name);
}

/* ---- losses that have nothing to do with each other ---- */

static bool reads(const Fn *f, uint32_t param) {
  for (uint32_t i = 0; i < f->in.n; i++)
    if (f->in.at[i].kind == IN_PARAM && f->in.at[i].index == param) return true;
  return false;
}

static bool shares(const Train *t, uint32_t k) {
  for (uint32_t p = 0; p < t->nmoved; p++)
    for (uint32_t i = 0; i < t->nsum && reads(t->sum[k].loss, t->moved[p]); i++)
      if (i != k && reads(t->sum[i].loss, t->moved[p])) return true;
  return false;
}

static void apart(Elab *E, const Train *t, const Item *it) {
  const Summand *s = it->sum;
  for (uint32_t k = 0; t->nsum > 1 && k < t->nsum; k++, s = s->next) {
    if (shares(t, k)) continue;
    elab_help(elab_warn(E, CODE_apart, s->name_at, "the loss `%s` shares no parameter with the others of the sum", t->sum[k].name),
              "train it separately: `train %s%s%s { ... }`", t->sum[k].name, s->on ? " on " : "", s->on ? s->on : "");
    return;
  }
}

void warn_train(Elab *E, const Train *t, const Item *it) {
  rate(E, t, it);
  const Summand *s = it->sum;
  for (uint32_t k = 0; k < t->nsum; k++, s = s->next) {
    test(E, &t->sum[k], s, it);
    batch(E, &t->sum[k], s, it);
    weight(E, &t->sum[k], s);
    if (t->sum[k].loss && t->nmoved) loss(E, t, &t->sum[k], s);
  }
  apart(E, t, it);
  patience(E, t, it);
}

/* ---- kinks ---------------------------------------------------------------------------------------------- */

static void kink_at(DiagMsg *m, Span kink, const char *op) {
  elab_label(m, kink, "`%s` here", op);
  elab_help(m, "`tanh`, `softplus` and `swish` are smooth");
}

static bool hamiltonians(Elab *E) {
  bool any = false;
  for (uint32_t i = 0; i < E->made.exports.n; i++) {
    const Export *x = &E->made.exports.at[i];
    Span kink;
    const char *op = strcmp(x->kind, "hamiltonian") ? NULL : graph_kink_by_fields(x->fn, x->fn->out.at[0], &kink);
    if (!op) continue;
    any = true;
    kink_at(elab_warn(E, CODE_kink, x->at, "the Hamiltonian `%s` has the kink of `%s`: its vector field jumps there", x->name, op),
            kink, op);
  }
  return any;
}

/* Where no Hamiltonian was told of. */
static void losses(Elab *E) {
  for (uint32_t i = 0; i < E->made.actions.n; i++) {
    const Train *t = E->made.actions.at[i].kind == DO_TRAIN ? E->made.actions.at[i].train : NULL;
    Span kink, derivative;
    for (uint32_t l = 0; t && t->nmoved && l < t->nsum; l++) {
      const char *op = t->sum[l].loss ? graph_kink_in_loss(t->sum[l].loss, &kink, &derivative) : NULL;
      if (op)
        kink_at(elab_warn(E, CODE_kink, derivative,
                          "this derivative goes through the kink of `%s`, and training differentiates it again", op),
                kink, op);
    }
  }
}

/* ---- parameters ------------------------------------------------------------------------------------------------ */

static size_t owner(const char *path) { return strcspn(path, "/"); }

/* A template that is only looked at: no instance of it has this path. */
static bool is_template(const Elab *E, const Param *p) {
  for (const Item *it = E->main->ast->first; it; it = it->next)
    if (it->templated && it->name && strlen(it->name) == owner(p->path) && !strncmp(it->name, p->path, owner(p->path))) return true;
  return false;
}

static Span owner_at(Elab *E, const Param *p) {
  const Instance *x = instance_find(E, intern_n(E->m->names, p->path, owner(p->path)));
  return x ? x->at : p->at;
}

typedef struct Owner {
  const char *name;
  bool used, told;
} Owner; /* used: a parameter of it is */
typedef VEC(Owner) Owners;

static Owner *owner_of(Elab *E, Owners *o, const Param *p) {
  const char *name = intern_n(E->m->names, p->path, owner(p->path));
  uint32_t i = o->n;
  while (i-- > 0)
    if (o->at[i].name == name) return &o->at[i];
  Owner *new = vec_push(o);
  *new = (Owner){.name = name};
  return new;
}

static void parameters(Elab *E) {
  bool *used = base_zeroed(E->made.params.n, sizeof(bool)), trains = false;
  for (uint32_t i = 0; i < E->made.actions.n; i++) {
    const Train *t = E->made.actions.at[i].kind == DO_TRAIN ? E->made.actions.at[i].train : NULL;
    for (uint32_t l = 0; t && l < t->nsum; l++)
      if (t->sum[l].loss) graph_used_params(t->sum[l].loss, t->sum[l].loss->out.at[0], used), trains = true;
  }
  Owners o = {0};
  for (uint32_t i = 0; trains && i < E->made.params.n; i++) owner_of(E, &o, &E->made.params.at[i])->used |= used[i];
  for (uint32_t i = 0; trains && i < E->made.params.n; i++) {
    const Param *p = &E->made.params.at[i];
    Owner *of = owner_of(E, &o, p);
    if (used[i] || p->decay > 0 || is_template(E, p)) continue;
    if (of->used) elab_warn(E, CODE_unused_parameter, p->at, "no trained loss depends on the parameter `%s`", p->path);
    else if (!of->told)
      elab_help(elab_warn(E, CODE_unused_parameter, owner_at(E, p),
                          "no trained loss depends on `%.*s`: it keeps its initial values", (int)owner(p->path), p->path),
                "was another network meant in the loss?");
    of->told = true;
  }
  vec_free(&o);
  base_free(used);
}

/* ---- names that nothing reads ----------------------------------------------------------------------------------- */

typedef VEC(const char *) Names;

static int by_address(const void *a, const void *b) {
  const uintptr_t x = (uintptr_t)*(const char *const *)a, y = (uintptr_t)*(const char *const *)b;
  return (x > y) - (x < y);
}

/* Names are interned; n is sorted. */
static bool among(const Names *n, const char *name) { return n->n && bsearch(&name, n->at, n->n, sizeof *n->at, by_address); }

static void read_block(Names *n, const Block *b, int depth);
static void read_item(Names *n, const Item *it, int depth);

static void read_expr(Names *n, const Expr *e, int depth) {
  if (!e || depth > ELAB_DEPTH) return;
  if (e->kind == EX_NAME) *vec_push(n) = e->name;
  read_expr(n, e->a, depth + 1);
  read_expr(n, e->b, depth + 1);
  for (const Arg *a = e->args; a; a = a->next) read_expr(n, a->value, depth + 1);
  if (e->block) read_block(n, e->block, depth + 1);
}

static void read_type(Names *n, const TypeExpr *t) {
  for (const Arg *a = t ? t->dims : NULL; a; a = a->next) read_expr(n, a->value, 0);
}

static void read_block(Names *n, const Block *b, int depth) {
  for (const Stmt *s = b && depth <= ELAB_DEPTH ? b->first : NULL; s; s = s->next) {
    Expr *part[STMT_PARTS];
    ast_stmt_parts(s, part);
    for (int k = 0; k < STMT_PARTS; k++) read_expr(n, part[k], depth);
    for (const Arg *a = s->names; a; a = a->next) {
      read_expr(n, a->value, depth);
      if (s->kind == ST_YIELD && !a->value) *vec_push(n) = a->name;
    }
    for (const Arg *a = s->how; a; a = a->next) read_expr(n, a->value, depth);
    read_type(n, s->type);
    read_block(n, s->body, depth + 1);
    if (s->item) read_item(n, s->item, depth + 1);
  }
}

static void read_item(Names *n, const Item *it, int depth) {
  for (int k = 0; k < 2; k++)
    for (const Formal *f = k ? it->formals : it->tformals; f; f = f->next) {
      read_type(n, f->type);
      read_expr(n, f->init, depth);
    }
  read_type(n, it->result);
  read_expr(n, it->value, depth);
  read_block(n, it->body, depth);
}

/* A `let` of one name: of several, some may be there to take the others. */
static void lets(Elab *E, const Names *n, const Block *b, int depth);

static void lets_in(Elab *E, const Names *n, const Expr *e, int depth) {
  if (!e || depth > ELAB_DEPTH) return;
  lets_in(E, n, e->a, depth + 1);
  lets_in(E, n, e->b, depth + 1);
  for (const Arg *a = e->args; a; a = a->next) lets_in(E, n, a->value, depth + 1);
  if (e->block) lets(E, n, e->block, depth + 1);
}

static void lets(Elab *E, const Names *n, const Block *b, int depth) {
  for (const Stmt *s = b && depth <= ELAB_DEPTH ? b->first : NULL; s; s = s->next) {
    const bool one = (s->kind == ST_LET || s->kind == ST_DEFINE) && s->names && !s->names->next;
    if (one && s->names->name[0] != '_' && !among(n, s->names->name))
      elab_warn(E, CODE_unused, s->names->name_at, "nothing uses `%s`", s->names->name);
    lets_in(E, n, s->value, depth + 1);
    lets(E, n, s->body, depth + 1);
    if (s->item) lets_in(E, n, s->item->value, depth + 1), lets(E, n, s->item->body, depth + 1);
  }
}

static void values(Elab *E) {
  for (const Item *it = E->main->ast->first; it; it = it->next) {
    Names n = {0};
    read_item(&n, it, 0);
    for (const Arg *o = it->options; o; o = o->next) read_expr(&n, o->value, 0);
    if (n.n) qsort(n.at, n.n, sizeof *n.at, by_address);
    lets_in(E, &n, it->value, 0);
    lets(E, &n, it->body, 0);
    for (const Arg *o = it->options; o; o = o->next) lets_in(E, &n, o->value, 0);
    vec_free(&n);
  }
}

/* ---- the pairs of a Hamiltonian ------------------------------------------------------------------------------- */

/* Behind a letter: nothing, a number, an index, or one more letter: `q`, `q1`, `p_x`, `pr`, `pθ`. */
static bool indexed(const char *s) {
  return !*s || *s == '_' || (*s >= '0' && *s <= '9') || (unsigned char)*s >= 0x80 || !s[1] || (s[1] >= '0' && s[1] <= '9');
}

static bool starts(const char *s, const char *with) { return !strncmp(s, with, strlen(with)); }

static bool is_angle(const char *s) {
  static const char *const names[] = {"theta", "phi", "psi", "varphi", "angle", "θ", "ϑ", "φ", "ϕ", "ψ"};
  for (size_t k = 0; k < sizeof names / sizeof *names; k++)
    if (starts(s, names[k])) return true;
  return false;
}

static bool is_q(const char *s) { return (*s == 'q' || *s == 'Q') && indexed(s + 1); }
static bool is_position(const char *s) {
  return is_q(s) || is_angle(s) || starts(s, "pos") || (*s && strchr("xXyYzrR", *s) && indexed(s + 1));
}
static bool is_momentum(const char *s) { return starts(s, "mom") || (!is_angle(s) && (*s == 'p' || *s == 'P') && indexed(s + 1)); }

static bool momentum_behind(const Formal *f) {
  for (f = f->next; f; f = f->next)
    if (is_momentum(f->name)) return true;
  return false;
}

/* Whether the names of a pair, of which b is the second, speak against its being one. */
static bool unlike(const Formal *a, const Formal *b) {
  return is_position(b->name) &&
         (is_momentum(a->name) || (is_position(a->name) && momentum_behind(b)) || (is_q(a->name) && is_q(b->name)));
}

static void pairing(Elab *E, const Item *it) {
  for (const Formal *a = it->formals; a && a->next; a = a->next->next) {
    const Formal *b = a->next;
    if (!unlike(a, b)) continue;
    DiagMsg *m = elab_warn(E, CODE_pairing, b->at, "`%s` is the momentum of `%s` in `%s`: arguments come in pairs, a q and its p",
                           b->name, a->name, it->name);
    elab_label(m, a->at, "taken as its position");
    if (is_momentum(a->name)) elab_help(m, "the position comes first: `%s(%s, %s)`", it->name, b->name, a->name);
    else elab_help(m, "make several coordinates one vector: `%s(q: real[2], p: real[2])`, with q[0] and q[1]", it->name);
    return;
  }
}

static void pairings(Elab *E) {
  for (const Item *it = E->main->ast->first; it; it = it->next)
    if (it->kind == IT_HAMILTONIAN) pairing(E, it);
}

/* Losses whose types nobody gives: only their names could be checked. */
static void unchecked(Elab *E) {
  for (uint32_t i = 0; i < E->main->nglobal; i++) {
    const Global *g = &E->main->global[i];
    if (g->item->kind == IT_LOSS && !g->elaborated)
      elab_help(elab_warn(E, CODE_unused, g->item->name_at, "no `train` uses the loss `%s`: only the names in its body are checked",
                          g->name),
                "to check all of it, give its arguments types, as in `x: real[2]`");
  }
}

void warn_model(Elab *E) {
  unchecked(E);
  values(E);
  pairings(E);
  parameters(E);
  if (!hamiltonians(E)) losses(E);
}
