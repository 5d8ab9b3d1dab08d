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
  if ((a.tag | b.tag) & FIELD_INF) return field_apply(r->env, op, a, b);
  if (op == OP_mul && !both_known(r, a, b)) return field_mul(a, b);
  if (op == OP_add && !both_known(r, a, b)) return field_add(a, b);
  return field_apply(r->env, op, a, b);
}

static inline Elem elem_add_mul(Run *r, Elem sum, Elem a, Elem b) {
  const uint32_t lost = (a.tag | b.tag | sum.tag) & FIELD_LOST;
  if (!((a.tag | b.tag) & FIELD_INF) && (field_is_zero(a) || field_is_zero(b))) return sum.tag |= lost, sum;
  a = elem_apply(r, OP_mul, a, b);
  if (!field_is_zero(sum)) a = elem_apply(r, OP_add, sum, a);
  return a.tag |= lost, a;
}

static inline bool elem_true(Elem a) { return !field_is_zero(a); }
static inline bool elem_pivot(Elem now, Elem other) { return field_is_zero(now) && !field_is_zero(other); }
static inline bool elem_on(Elem a) { return !field_is_zero(a); }

static inline Elem elem_whole(Run *r, int64_t k) {
  (void)r;
  return field_int(k);
}

static inline int64_t elem_index(Elem a, int64_t n) { return a.im == 0 && a.re < (uint64_t)n ? (int64_t)a.re : 0; }
static inline Elem elem_quotient(Run *r, Elem a, Elem b) { return elem_apply(r, OP_div, a, b); }
static inline Elem elem_root(Run *r, Elem a) { return elem_apply(r, OP_sqrt, a, a); }
static inline bool elem_zero(Elem a) { return field_is_zero(a) && !(a.tag & FIELD_LOST); }
static inline Elem elem_some_row(Elem a) { return a.tag |= FIELD_ROW, a; }
static Elem elem_nan(Run *r) { return field_const(r->env, NAN, 0, 0); }

/* A row is known of a constant. Of any other index x[i] is taken for some linear function of the rows, the same for equal indices, that
 * gives 1 for rows of 1: this holds of rows, so what is the same for all such functions is the same for rows. */
static int64_t elem_row(Run *r, Elem i, int64_t n) {
  const Num *k = field_known(r->env, i);
  if (!k) return r->env->unknown = true, ROW_ANY;
  return k->v >= 0 && k->v < (double)n && k->v == floor(k->v) ? (int64_t)k->v : ROW_NONE;
}

static Elem elem_row_weight(Run *r, Elem i, int64_t n, int64_t row) {
  if (row) return elem_some_row(field_keyed(r->env, OP_gather + (uint64_t)n * OP_count, i, field_int(row)));
  Elem first = FIELD_ONE;
  for (int64_t k = 1; k < n; k++) first = field_sub(first, elem_row_weight(r, i, n, k));
  return elem_some_row(first);
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
#include "ir/eval/eval_linalg_tmpl.h"

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
  Elem counter = n->i->nargs ? n->arg[0]->v[0] : FIELD_ZERO;
  rand_attr attr = rand_attr_at(n->attr);
  uint64_t tag = (uint64_t)attr.site * OP_count + OP_rand;
  for (int64_t e = type_count(n->i->type) * B; e-- > 0;)
    n->out->v[e] = field_keyed(n->run->env, tag + ((uint64_t)attr.kind << 63), counter, (Elem){(uint64_t)e, 0, 0});
  return true;
}

/* Where it does not hold the results are NaN, and go on as if it did. */
static bool eval_require(Node *n) {
  int64_t B = n->run->B, w = eval_width(n->out, B);
  for (int64_t e = type_count(n->i->type); e-- > 0;)
    for (int64_t s = 0; s < w; s++) {
      n->out->v[e * w + s] = FIELD_ONE;
      if (!elem_true(element(n->arg[0], e, s, B))) n->out->v[e * w + s].tag |= FIELD_NAN;
    }
  return true;
}

static bool eval_logdet(Node *n) {
  if (!eval_det(n)) return false;
  for (int64_t s = eval_width(n->out, n->run->B); s-- > 0;) {
    Elem size = elem_apply(n->run, OP_abs, n->out->v[s], n->out->v[s]);
    n->out->v[s] = elem_apply(n->run, OP_log, size, size);
  }
  return true;
}

static bool eval_eigh(Node *n) { return eval_fail(n->run, "eigenvalues have no exact value"); }
static bool eval_ode(Node *n) { return eval_fail(n->run, "an adaptive trajectory has no exact value"); }

/* ---- all ---- */

void ir_field_tensors_free(FieldTensor *t, uint32_t n) { eval_free(t, n); }

bool ir_eval_field(const Fn *f, int64_t lanes, const FieldTensor *in, FieldTensor *out, FieldEnv *e, char *err, size_t errsize) {
  Run r = {lanes, e, err, errsize};
  e->why = NULL;
  e->exact = f->f64 == FN_EXACT;
  return eval_top(&r, f, in, out);
}
