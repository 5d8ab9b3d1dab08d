/* The evaluator over the finite field. */
#include "ir/field/field_priv.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef FieldElem Elem;
typedef FieldTensor ElemTensor;
typedef FieldEnv ElemEnv;

#include "ir/eval/eval_tmpl.h"

/* ---- elements ---- */

/* Sums and products of elements that are not both constants are what they are; see field_fn.c. */
static inline bool both_known(const Run *r, Elem a, Elem b) {
  return field_map_find(&r->env->state->known, a) && field_map_find(&r->env->state->known, b);
}

static inline Elem elem_apply(Run *r, Op op, Elem a, Elem b) {
  if (op == OP_mul && !both_known(r, a, b)) return field_mul(a, b);
  if (op == OP_add && !both_known(r, a, b)) return field_add(a, b);
  return field_apply(r->env, op, a, b);
}

static inline Elem elem_add_mul(Run *r, Elem sum, Elem a, Elem b) {
  if (field_is_zero(a) || field_is_zero(b)) return sum;
  a = elem_apply(r, OP_mul, a, b);
  return field_is_zero(sum) ? a : elem_apply(r, OP_add, sum, a);
}

static inline bool elem_true(Elem a) { return !field_is_zero(a); }
static inline bool elem_pivot(Elem now, Elem other) { return field_is_zero(now) && !field_is_zero(other); }
static inline bool elem_on(Elem a) { return !field_is_zero(a); }

static inline bool elem_zero(Elem a) { return field_is_zero(a); }
static Elem elem_nan(Run *r) { return field_const(r->env, NAN, 0, 0); }

/* A row is known of a constant. Of any other index x[i] is taken for some linear function of the rows, the same for equal indices, that
 * gives 1 for rows of 1: this holds of rows, so what is the same for all such functions is the same for rows. */
static int64_t elem_row(Run *r, Elem i, int64_t n) {
  const Num *k = field_known(r->env, i);
  if (!k) return r->env->unknown = true, ROW_ANY;
  return k->v >= 0 && k->v < (double)n && k->v == floor(k->v) ? (int64_t)k->v : ROW_NONE;
}

static Elem elem_row_weight(Run *r, Elem i, int64_t n, int64_t row) {
  if (row) return field_keyed(r->env, OP_gather + (uint64_t)n * OP_count, i, field_int(row));
  Elem first = FIELD_ONE;
  for (int64_t k = 1; k < n; k++) first = field_sub(first, elem_row_weight(r, i, n, k));
  return first;
}

static bool elem_settled(const ElemTensor *was, const ElemTensor *now, int64_t B) {
  (void)was, (void)now, (void)B;
  return false;
}

static bool elem_check(Run *r, const Fn *f, uint32_t id, const ElemTensor *t, const ElemTensor *const *args) {
  (void)t, (void)args;
  return !r->env->why || eval_fail(r, "%%%u of @%s: %s", id, f->name, r->env->why);
}

#include "ir/eval/eval_fn_tmpl.h"
#include "ir/eval/eval_scan_tmpl.h"
#include "ir/eval/eval_struct_tmpl.h"

/* ---- leaves ---- */

static bool eval_const(Node *n) {
  double v;
  const_attr attr = const_attr_at(n->attr);
  memcpy(&v, &attr.bits, sizeof v);
  Elem x = field_const(n->run->env, v, attr.num, attr.den);
  for (int64_t e = type_count(n->i->type); e-- > 0;) n->out->v[e] = x;
  return true;
}

/* The builder does not fold tables: their elements are no constants of the environment. */
static bool eval_table(Node *n) {
  const Table *t = &n->f->table.at[table_attr_at(n->attr).table];
  for (int64_t e = type_count(t->type); e-- > 0;) n->out->v[e] = field_table(n->run->env, t->v[e]);
  return true;
}

static bool eval_iota(Node *n) {
  for (int64_t e = type_count(n->i->type); e-- > 0;) n->out->v[e] = field_table(n->run->env, (double)e);
  return true;
}

static bool eval_rand(Node *n) {
  int64_t B = n->run->B;
  Elem counter = n->i->nargs ? n->arg[0]->v[0] : (Elem){0, 0};
  rand_attr attr = rand_attr_at(n->attr);
  uint64_t tag = (uint64_t)attr.site * OP_count + OP_rand;
  for (int64_t e = type_count(n->i->type) * B; e-- > 0;)
    n->out->v[e] = field_keyed(n->run->env, tag + ((uint64_t)attr.kind << 63), counter, (Elem){(uint64_t)e, 0});
  return true;
}

static bool eval_require(Node *n) {
  int64_t B = n->run->B, w = eval_width(n->out, B);
  Elem nan = field_const(n->run->env, NAN, 0, 0);
  for (int64_t e = type_count(n->i->type); e-- > 0;)
    for (int64_t s = 0; s < w; s++) n->out->v[e * w + s] = elem_true(element(n->arg[0], e, s, B)) ? FIELD_ONE : nan;
  return true;
}

static bool eval_ode(Node *n) { return eval_fail(n->run, "an adaptive trajectory has no exact value"); }

/* ---- all ---- */

void ir_field_tensors_free(FieldTensor *t, uint32_t n) { eval_free(t, n); }

bool ir_eval_field(const Fn *f, int64_t lanes, const FieldTensor *in, FieldTensor *out, FieldEnv *e, char *err, size_t errsize) {
  Run r = {lanes, e, err, errsize};
  e->why = NULL;
  e->exact = f->f64 == FN_EXACT;
  return eval_top(&r, f, in, out);
}
