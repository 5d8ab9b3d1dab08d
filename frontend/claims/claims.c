/* Which flows are judged, and when: each instance once, where it is first used; those of the file that
 * nothing uses, with sizes chosen for them. */
#include "frontend/builtin/builtin.h"
#include "frontend/claims/claims_priv.h"
#include "frontend/flow/flow.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

const char *const answer_text[] = {"undecided", "proved", "refuted"};

typedef struct Decided {
  uint64_t hash; /* of both functions */
  FieldAnswer answer;
  FieldReport report;
} Decided;

struct Claims {
  VEC(Claim *) all;
  VEC(Decided) decided;
};

static struct Claims *claims(Elab *E) { return E->claims ? E->claims : (E->claims = ARENA_NEW(E->mem, struct Claims)); }

void claims_finish(Elab *E) {
  vec_free(&claims(E)->all);
  vec_free(&claims(E)->decided);
}

Answer claim_answer(FieldAnswer a) {
  return a == FIELD_EQUAL ? ANSWER_PROVED : a == FIELD_DIFFERENT ? ANSWER_REFUTED : ANSWER_UNDECIDED;
}

/* ---- decisions, each once ------------------------------------------------------------------------------ */

static void add(XXH3_state_t *h, const void *bytes, size_t n) { XXH3_64bits_update(h, bytes, n); }

static void add_number(XXH3_state_t *h, uint64_t n) { add(h, &n, sizeof n); }

static void add_name(XXH3_state_t *h, const char *name) { add(h, name ? name : "", name ? strlen(name) + 1 : 1); }

static void add_type(XXH3_state_t *h, Type t) {
  const uint8_t kind[] = {t.dt, t.lane, t.rank};
  add(h, kind, sizeof kind);
  add(h, t.dim, sizeof *t.dim * t.rank);
}

/* All that its text says, in numbers: no place, and not where anything lies. */
static void add_fn(XXH3_state_t *h, const Fn *f) {
  const uint32_t size[] = {f->f64, f->in.n, f->table.n, f->inst.n, f->sub.n, f->out.n};
  add_name(h, f->name);
  add(h, size, sizeof size);
  for (uint32_t k = 0; k < f->in.n; k++) {
    const Input *in = &f->in.at[k];
    add_name(h, in->name);
    add_number(h, (uint64_t)in->kind << 32 | in->index);
    add_type(h, in->type);
  }
  for (uint32_t k = 0; k < f->table.n; k++) {
    add_type(h, f->table.at[k].type);
    add(h, f->table.at[k].v, sizeof(double) * (size_t)type_count(f->table.at[k].type));
  }
  for (uint32_t id = 1; id < f->inst.n; id++) {
    const Inst *i = &f->inst.at[id];
    const uint32_t head[] = {i->op, i->nargs, i->nattr, i->sub};
    add(h, head, sizeof head);
    for (uint32_t k = 0; k < i->nargs; k++) add_number(h, ir_arg(f, i, k).id);
    if (i->nattr) add(h, &f->attr.at[i->attr], sizeof *f->attr.at * i->nattr);
    add_type(h, i->type);
  }
  for (uint32_t k = 0; k < f->sub.n; k++) add_fn(h, f->sub.at[k]);
  for (uint32_t k = 0; k < f->out.n; k++) {
    add_number(h, f->out.at[k].id);
    add_name(h, k < f->outname.n ? f->outname.at[k] : NULL);
  }
}

static uint64_t hash_of(const Fn *a, const Fn *b) {
  XXH3_state_t *h = XXH3_createState();
  if (!h) base_fault("out of memory");
  XXH3_64bits_reset(h);
  add_fn(h, a);
  add_fn(h, b);
  const uint64_t digest = XXH3_64bits_digest(h);
  XXH3_freeState(h);
  return digest;
}

FieldAnswer claim_decide(Elab *E, const Fn *a, const Fn *b, FieldReport *r) {
  *r = (FieldReport){.reason = "it cannot be decided"};
  if (!E->o->decide) return FIELD_UNDECIDED;
  uint64_t h = hash_of(a, b);
  const struct Claims *known = claims(E);
  for (uint32_t i = 0; i < known->decided.n; i++)
    if (known->decided.at[i].hash == h) return *r = known->decided.at[i].report, known->decided.at[i].answer;
  elab_tell(E, "deciding a claim", NULL, E->now->level->b.at);
  FieldAnswer answer = E->o->decide(E->o->ctx, a, b, r);
  *vec_push(&claims(E)->decided) = (Decided){h, answer, *r};
  return answer;
}

static void mark_live(const Fn *f, bool *live) {
  for (uint32_t id = f->inst.n; id-- > 1;)
    for (uint32_t k = 0; live[id] && k < f->inst.at[id].nargs; k++) live[ir_arg(f, &f->inst.at[id], k).id] = true;
}

/* The function of the inputs of f that either side needs. Inputs keep the names of states alone. `sizes`: logarithms are those of
 * sizes. */
static Fn *carve(const Fn *f, const bool *live, const Val *out, uint32_t n, bool sizes) {
  Fn *g = ir_fn_create("claim", f->f64);
  Build b;
  Val *map = base_realloc(NULL, sizeof *map * f->inst.n);
  ir_build_init(&b, g);
  b.number = false;
  for (uint32_t id = 1; id < f->inst.n; id++) {
    const Inst *i = &f->inst.at[id];
    if (!live[id]) continue;
    const Input *in = i->op == OP_in ? &f->in.at[ir_number(f, i)] : NULL;
    map[id] = in                         ? ir_input(&b, in->kind == IN_STATE ? in->name : NULL, in->kind, g->in.n, in->type)
              : sizes && i->op == OP_log ? ir_log(&b, ir_abs(&b, map[ir_arg(f, i, 0).id]))
                                         : ir_copy_inst(&b, f, (Val){id}, map);
  }
  for (uint32_t k = 0; k < n; k++) ir_output(&b, map[out[k].id], NULL);
  ir_build_finish(&b);
  base_free(map);
  return g;
}

FieldAnswer claim_same(Elab *E, const Val *x, const Val *y, uint32_t n, bool sizes, FieldReport *r, Fn **left) {
  const Fn *f = E->now->level->fn;
  bool *live = base_realloc(NULL, f->inst.n);
  memset(live, 0, f->inst.n);
  for (uint32_t k = 0; k < n; k++) live[x[k].id] = live[y[k].id] = true;
  mark_live(f, live);
  ir_fn_destroy(*left);
  *left = carve(f, live, x, n, sizes);
  Fn *right = carve(f, live, y, n, sizes);
  FieldAnswer a = claim_decide(E, *left, right, r);
  ir_fn_destroy(right);
  base_free(live);
  return a;
}

/* "q = [0.31, 1.2], p = [0.5, -0.2]": the states at the point that refutes. */
const char *claim_point(Elab *E, const Fn *f, uint64_t point) {
  Tensor *in = base_realloc(NULL, sizeof *in * (f->in.n + 1));
  const char *s = "";
  bool more = false;
  ir_field_point(f, point, in);
  for (uint32_t k = 0; k < f->in.n; k++) {
    int64_t n = type_count(in[k].type), lanes = in[k].type.lane ? FIELD_LANES : 1;
    if (!f->in.at[k].name || !*f->in.at[k].name) {
      more |= f->in.at[k].kind == IN_PARAM;
      continue;
    }
    s = arena_printf(E->mem, "%s%s%s = %s", s, *s ? ", " : "", f->in.at[k].name, in[k].type.rank ? "[" : "");
    for (int64_t e = 0; e < n && e < 6; e++) s = arena_printf(E->mem, "%s%s%.4g", s, e ? ", " : "", in[k].v[e * lanes]);
    s = arena_printf(E->mem, "%s%s%s", s, n > 6 ? ", ..." : "", in[k].type.rank ? "]" : "");
  }
  ir_tensors_free(in, f->in.n);
  base_free(in);
  return more && *s ? arena_printf(E->mem, "%s and some parameters", s) : s;
}

const char *claim_certainty(Elab *E, const FieldReport *r) {
  if (r->points == 0) return "";
  const char *bound = arena_printf(E->mem, "error below 2^-%.0f", floor(fmin(r->bits, 99999)));
  return r->branched ? arena_printf(E->mem, "%s; some cases, which depend on signs, may not have been tested", bound) : bound;
}

/* ---- an instance --------------------------------------------------------------------------------------- */

static bool same_func(const Func *f, const Func *g);

/* Whether two template arguments, kept by `closed`, make the same claim. */
static bool same_value(Value a, Value b) {
  bool same = a.kind == b.kind;
  if (!same) return false;
  switch (a.kind) {
  case V_NUM: return a.num.v == b.num.v && a.num.num == b.num.num && a.num.den == b.num.den;
  case V_BOOL: return a.b == b.b;
  case V_STRING: return !strcmp(a.string, b.string);
  case V_ARRAY:
    same = a.array->n == b.array->n && a.array->rank == b.array->rank && a.array->truth == b.array->truth &&
           !memcmp(a.array->dim, b.array->dim, sizeof *a.array->dim * a.array->rank);
    for (uint32_t i = 0; same && i < a.array->n; i++)
      same = same_value((Value){.kind = V_NUM, .num = a.array->at[i]}, (Value){.kind = V_NUM, .num = b.array->at[i]});
    return same;
  case V_LIST:
  case V_TUPLE:
    same = a.list.n == b.list.n;
    for (uint32_t i = 0; same && i < a.list.n; i++) same = same_value(a.list.at[i], b.list.at[i]);
    return same;
  case V_FUNC: return same_func(a.func, b.func);
  default: return false;
  }
}

static bool same_func(const Func *f, const Func *g) {
  if (f == g) return true;
  if (f->kind != g->kind || f->item != g->item || f->builtin != g->builtin || f->method != g->method) return false;
  if (f->kind == F_OPTION || !f->path != !g->path || (f->path && strcmp(f->path, g->path) != 0) || !f->targs != !g->targs)
    return false;
  for (int k = 0; k < 2; k++)
    if (!f->of[k] != !g->of[k] || (f->of[k] && !same_func(f->of[k], g->of[k]))) return false;
  if (!f->targs) return true;
  bool same = f->targs->entries.n == g->targs->entries.n;
  for (uint32_t i = 0; same && i < f->targs->entries.n; i++)
    same = same_value(f->targs->entries.at[i].v, g->targs->entries.at[i].v);
  return same;
}

static Claim *find(Elab *E, const Func *f, const Type *t, uint32_t n) {
  for (uint32_t i = 0; i < claims(E)->all.n; i++) {
    Claim *c = claims(E)->all.at[i];
    bool same = c->n == n && same_func(c->func, f);
    for (uint32_t k = 0; k < n && same; k++) same = type_same_dims(c->type[k], t[k]);
    if (same) return c;
  }
  return NULL;
}

/* What varies is free in a claim, and counts by its type. */
static Value closed(void *ctx, Value v) {
  Elab *E = ctx;
  char text[128];
  Type t;
  if ((v.kind != V_TENSOR && v.kind != V_TURNS) || !value_type(v, &t) || t.dt != DT_REAL) return v;
  return (Value){.kind = V_STRING, .string = arena_printf(E->mem, "any %s", type_user(t, text, sizeof text))};
}

/* What varies becomes a free input. */
static Value opened(void *ctx, Value v) {
  Elab *E = ctx;
  Type t;
  if ((v.kind != V_TENSOR && v.kind != V_TURNS) || !value_type(v, &t) || t.dt != DT_REAL) return v;
  t.lane = 0;
  return elab_value(E, ir_input(&E->now->level->b, NULL, IN_OTHER, E->now->level->fn->in.n, t));
}

static void judge(Elab *E, const Func *f, Claim *c) {
  Context context;
  Root root;
  Value v[FLOW_STATES];
  bool failed = false;
  const int active = f->global->active;
  Call *calls = E->now->calls;
  context_alone(E, &context, f->module);
  context.calls = calls; /* that messages tell who uses a flow of the library */
  root_begin(E, &root, f->name, FN_EXACT, false);
  root.no_draws = "a claim is about all states: it cannot draw";
  context.exact = true;
  context.failed = &failed;
  context.judged = c;
  f->global->active = 0;
  const Formal *x = f->item->formals;
  for (uint32_t k = 0; k < c->n; k++, x = x->next) v[k] = elab_value(E, ir_input(&root.level.b, x->name, IN_STATE, k, c->type[k]));
  Actuals a = actuals_of(E, v, c->n, f->item->name_at);
  flow_apply(E, func_map(E, f, opened, E), &a, FLOW_CLAIM);
  if (failed) claim_note(E, f->item, "it cannot be elaborated in exact arithmetic");
  root_drop(E, &root);
  f->global->active = active;
  context_pop(E, &context);
}

/* NULL also where the flow has another number of states, which is said when it is called. */
const Claim *claim_of(Elab *E, const Func *f, const Type *t, uint32_t n) {
  uint32_t required;
  if (!E->o->decide || n > FLOW_STATES || n != func_arity(f, &required)) return NULL;
  const Func *key = func_map(E, f, closed, E);
  Claim *c = find(E, key, t, n);
  if (c) return c;
  c = ARENA_NEW(E->mem, Claim);
  Type *types = ARENA_ARRAY(E->mem, Type, n + 1);
  for (uint32_t k = 0; k < n; k++) types[k] = t[k], types[k].lane = 0;
  *c = (Claim){.func = key, .type = types, .n = n};
  *vec_push(&claims(E)->all) = c;
  judge(E, f, c);
  return c;
}

/* ---- flows that nothing uses --------------------------------------------------------------------------- */

enum { TRIAL_NAMES = 8, TRIAL_SIZES = 8, TRIALS = 256 };

/* Sizes that are tried: of shape variables, and of integers without a default, each by its name. */
typedef struct Trial {
  const char *name[TRIAL_NAMES];
  int size[TRIAL_NAMES], other; /* other: of names that were not met before */
  uint32_t n;
} Trial;

static int size_of(Trial *t, const char *name) {
  uint32_t k = 0;
  while (k < t->n && t->name[k] != name) k++;
  if (k < t->n) return t->size[k];
  if (k < TRIAL_NAMES) t->name[k] = name, t->size[k] = t->other, t->n++;
  return t->other;
}

static bool used(Elab *E, const Item *it) {
  for (uint32_t i = 0; i < claims(E)->all.n; i++)
    if (claims(E)->all.at[i]->func->item == it) return true;
  return false;
}

/* Some argument for a parameter of a template: free if it is real. */
static bool some_argument(Elab *E, const Formal *x, Trial *trial, Actual *out) {
  *out = (Actual){.name = x->name, .name_at = x->at, .at = x->at};
  if (x->init || !x->type) return false;
  bool integer = !strcmp(x->type->base, "int") && !x->type->list;
  if (integer) out->v = value_exact(size_of(trial, x->name), 1);
  else if (!strcmp(x->type->base, "bool") && !x->type->list) out->v = value_bool(true);
  else if (ast_type_real(x->type) && !x->type->ndims)
    out->v = elab_value(E, ir_input(&E->now->level->b, x->name, IN_OTHER, E->now->level->fn->in.n, type_scalar(false)));
  else return false;
  return true;
}

static bool some_type(Elab *E, const Formal *x, Trial *trial, Type *t) {
  uint32_t dim[IR_MAX_RANK], rank = 0;
  if (!ast_type_real(x->type)) return false;
  for (const Arg *d = x->type->dims; d && rank < IR_MAX_RANK; d = d->next) {
    bool open = elab_shape_variable(E, d->value);
    int64_t n = open ? size_of(trial, d->value->name) : 0;
    if (!open && (!elab_int(E, d->value, "a shape", &n) || n < 1 || n > 4096)) return false;
    dim[rank++] = (uint32_t)n;
  }
  *t = type_real(false, (int)rank, dim);
  return true;
}

static const Func *some_instance(Elab *E, const Func *f, Trial *trial) {
  Actual at[64];
  Actuals a = {.at = at, .call = f->item->name_at, .callee = f->item->name_at};
  if (f->bound) return f;
  for (const Formal *x = f->item->tformals; x; x = x->next) {
    if (x->init) continue;
    if (a.n == 64 || !some_argument(E, x, trial, &at[a.n])) return NULL;
    a.n++;
  }
  Value v = elab_instance(E, f, &a, NULL);
  return v.kind == V_FUNC ? v.func : NULL;
}

/* Elaborates the flow once, in a function that is thrown away; its claims are decided on the way. False where it takes no such sizes. */
static bool of_sizes(Elab *E, Global *g, const Func *of, Trial *trial) {
  bool unmet = false;
  Context c, names;
  Root root;
  Type t[FLOW_STATES];
  Value arg[FLOW_STATES];
  uint32_t n = 0;
  context_alone(E, &c, g->module);
  context_body(&c, g->name)->net = true;
  root_begin(E, &root, g->name, true, false);
  root.no_draws = "a flow has no draws";
  c.unmet = &unmet;
  const Func *f = some_instance(E, of, trial);
  context_push(E, &names);
  if (f && f->targs) names.frame = f->targs;
  bool good = f != NULL;
  for (const Formal *x = g->item->formals; good && x; x = x->next, n++) good = n < FLOW_STATES && some_type(E, x, trial, &t[n]);
  context_pop(E, &names);
  for (uint32_t k = 0; k < n && good; k++) arg[k] = elab_value(E, ir_input(&root.level.b, NULL, IN_STATE, k, t[k]));
  if (good) {
    Actuals a = actuals_of(E, arg, n, g->item->name_at);
    flow_apply(E, f, &a, FLOW_STATE);
    g->elaborated = true;
  }
  root_drop(E, &root);
  context_pop(E, &c);
  return !unmet;
}

/* All sizes are the same: those first of which most is seen. */
static bool all_equal(Elab *E, Global *g, const Func *f, Trial *t) {
  static const int size[TRIAL_SIZES] = {3, 4, 5, 6, 7, 8, 2, 1};
  for (int k = 0; k < TRIAL_SIZES; k++) {
    t->other = size[k];
    for (uint32_t i = 0; i < t->n; i++) t->size[i] = size[k];
    if (of_sizes(E, g, f, t)) return true;
  }
  return false;
}

/* Each its own, by how far down the list the last of them stands. */
static bool each(Elab *E, Global *g, const Func *f, Trial *t) {
  static const int size[TRIAL_SIZES] = {3, 4, 2, 1, 5, 6, 7, 8};
  uint32_t tries = 0;
  t->other = size[0];
  if (t->n < 2) return false;
  for (int last = 1; last < TRIAL_SIZES && !elab_stop(E); last++) {
    int at[TRIAL_NAMES] = {0};
    for (uint32_t k = 0; k < t->n;) { /* an odometer of the digits 0 ... last */
      int most = 0;
      for (uint32_t i = 0; i < t->n; i++) t->size[i] = size[at[i]], most = at[i] > most ? at[i] : most;
      if (most == last && (tries++ == TRIALS || of_sizes(E, g, f, t))) return tries <= TRIALS;
      for (k = 0; k < t->n && at[k] == last; k++) at[k] = 0;
      if (k < t->n) at[k]++;
    }
  }
  return false;
}

void claim_item(Elab *E, Global *g) {
  Trial t = {0};
  Value v = global_value(E, g, g->item->name_at);
  if (v.kind != V_FUNC || used(E, g->item)) return;
  if (all_equal(E, g, v.func, &t) || each(E, g, v.func, &t)) return;
  claim_note(E, g->item, "its `require` holds for none of the sizes tried, from 1 to 8");
}
