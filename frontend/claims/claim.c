/* What a flow claims is decided, for each instance of it: that it is symplectic, that it keeps volume, and
 * that its inverse clauses undo their steps.
 *
 * The flow is recorded once more, in a function of its own, in exact arithmetic (elab/exact.c), with the
 * states, the parameters and what it was made with as free inputs. Then it is looked at step by step. A map S
 * with Jacobian J is symplectic if J Ω Jᵀ = Ω (which is the same as Jᵀ Ω J = Ω), that is if ω(Jᵀu, Jᵀv) =
 * ω(u, v) for all u, v: those are inputs too, and Jᵀu is one gradient. Where a step fails, the whole flow is
 * looked at: a scaling of q is canonical with that of p behind it. */
#include "frontend/claims/claims_priv.h"
#include "frontend/flow/flow.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct Judge {
  Elab *E;
  Flow *w;
  const Val *state; /* inputs of the function at hand */
  Val u[FLOW_STATES], v[FLOW_STATES];
  uint32_t first, behind; /* the steps that are looked at as one */
  FieldReport report;     /* of the last decision */
  Fn *left;               /* and what it was of: for its point */
} Judge;

static FieldAnswer same(Judge *j, const Val *x, const Val *y, uint32_t n) {
  return claim_same(j->E, x, y, n, false, &j->report, &j->left);
}

/* ---- the symplectic form ------------------------------------------------------------------------------- */

static Val paired(Build *b, const Val *x, const Val *y, uint32_t n) {
  Val sum = VAL_NONE;
  for (uint32_t k = 0; k < n; k++) {
    Val term = ir_sum_all(b, ir_mul(b, x[k], y[k]));
    sum = sum.id ? ir_add(b, sum, term) : term;
  }
  return sum;
}

static Val form(Build *b, const Val *x, const Val *y) {
  Val forth = ir_sum_all(b, ir_mul(b, x[0], y[1])), back = ir_sum_all(b, ir_mul(b, x[1], y[0]));
  return ir_sub(b, forth, back);
}

/* Plays a step, or those from `first` on; the states before are fresh variables in x, those behind in y. */
static bool played(Judge *j, const Step *s, Val *x, Val *y, Val *logdet) {
  Play p;
  for (uint32_t k = 0; k < j->w->n; k++) x[k] = ir_id(&j->E->now->level->b, j->state[k]);
  play_init(&p, j->E, j->w, false, x);
  p.want_logdet = logdet;
  if (s) play_step(&p, s);
  for (uint32_t k = j->first; !s && k < j->behind; k++) play_step(&p, &j->w->steps.at[k]);
  memcpy(y, p.known, sizeof *y * j->w->n);
  if (logdet) *logdet = p.logdet;
  play_finish(&p);
  return !p.failed;
}

static void pulled(Build *b, Val e, const Val *x, uint32_t n, Val *out) {
  for (uint32_t k = 0; k < n; k++) out[k] = elab_reaches(b->f, e, x[k]) ? ir_grad(b, e, x[k]) : ir_splat(b, 0, ir_type(b->f, x[k]));
}

static FieldAnswer keeps_form(Judge *j, const Step *s) {
  Build *b = &j->E->now->level->b;
  Val x[FLOW_STATES], y[FLOW_STATES], ju[2], jv[2];
  if (!played(j, s, x, y, NULL)) return FIELD_UNDECIDED;
  if (flow_stops(b->f, y, x, 2)) return FIELD_UNDECIDED;
  pulled(b, paired(b, j->u, y, 2), x, 2, ju);
  pulled(b, paired(b, j->v, y, 2), x, 2, jv);
  Val left = form(b, ju, jv), right = form(b, j->u, j->v);
  return same(j, &left, &right, 1);
}

/* ---- volume -------------------------------------------------------------------------------------------- */

/* An input of the question, not of the flow. */
static Val asked(Elab *E, Type t) { return ir_input(&E->now->level->b, NULL, IN_WEIGHT, E->now->level->fn->in.n, t); }

static Val determinant(Elab *E, Val a, Span at) {
  Build *b = elab_at(E, at);
  return ir_type(b->f, a).dim[0] == 1 ? ir_reshape(b, a, 0, NULL) : ir_det(b, ir_lu(b, a));
}

static FieldAnswer keeps_volume(Judge *j, const Step *s) {
  Elab *E = j->E;
  Build *b = &E->now->level->b;
  Val x[FLOW_STATES], y[FLOW_STATES];
  uint32_t n = j->w->n;
  int64_t total = 0;
  if (!played(j, s, x, y, NULL)) return FIELD_UNDECIDED;
  for (uint32_t k = 0; k < n; k++) total += type_count(ir_type(b->f, x[k]));
  if (total * total > ELAB_TENSOR) return FIELD_UNDECIDED;
  if (flow_stops(b->f, y, x, n)) return FIELD_UNDECIDED;
  Val det = determinant(E, flow_jacobian(E, y, x, n), j->w->f->item->name_at), square = ir_mul(b, det, det), want = ir_const(b, 1);
  return same(j, &square, &want, 1);
}

static FieldAnswer keeps_scale(Judge *j, const Step *s) {
  Build *b = &j->E->now->level->b;
  Play p;
  play_init(&p, j->E, j->w, false, j->state);
  p.want_logdet = true;
  play_step(&p, s);
  Val sum = p.logdet, zero = ir_const(b, 0);
  play_finish(&p);
  return same(j, &sum, &zero, 1);
}

/* ---- steps --------------------------------------------------------------------------------------------- */

/* q and p of the other flow are conjugate parts of ours. */
static bool conjugate(const Step *s) { return s->n == 2 && flow_conjugate(&s->piece[0], &s->piece[1]); }

/* The claims of the flow that a call applies, or lifts. */
static const Claim *claim_of_call(Judge *j, const Step *s) {
  Type t[FLOW_STATES];
  const bool lift = s->func->kind == F_LIFT;
  for (uint32_t k = 0; k < s->n; k++) t[k] = s->piece[k].type, t[k].lane = 0;
  return claim_of(j->E, lift ? s->func->of[0] : s->func, t, lift ? 1 : s->n);
}

/* A lift is canonical by how it is made, if what it is made of is undone. */
static bool call_holds(const Step *s, const Claim *c, bool form) {
  if (!c) return false;
  if (s->func->kind == F_LIFT) return c->undone == ANSWER_PROVED;
  return c->symplectic == ANSWER_PROVED || (!form && c->volume == ANSWER_PROVED);
}

static FieldAnswer step_symplectic(Judge *j, const Step *s) {
  if (s->kind == STEP_RUNNING) return FIELD_EQUAL;
  if (s->kind == STEP_EVOLVE && s->under && conjugate(s)) return FIELD_EQUAL; /* by the method */
  if (s->kind == STEP_CALL && conjugate(s) && call_holds(s, claim_of_call(j, s), true)) return FIELD_EQUAL;
  return keeps_form(j, s);
}

static FieldAnswer step_volume(Judge *j, const Step *s) {
  if (s->kind == STEP_RUNNING || s->kind == STEP_SHIFT || s->kind == STEP_PERMUTE || (s->kind == STEP_EVOLVE && s->under))
    return FIELD_EQUAL;
  if (s->kind == STEP_SCALE) return keeps_scale(j, s);
  if (s->kind == STEP_CALL && call_holds(s, claim_of_call(j, s), false)) return FIELD_EQUAL;
  return keeps_volume(j, s);
}

/* ---- answers ------------------------------------------------------------------------------------------- */

/* One row for all instances: the worst answer counts. */
static void note(Elab *E, const Item *it, Span at, const char *text, Answer a, const char *detail) {
  for (uint32_t i = 0; i < E->made.proofs.n; i++) {
    Proof *p = &E->made.proofs.at[i];
    if (p->at.file != at.file || p->at.begin != at.begin || strcmp(p->text, text) != 0) continue;
    bool worse = a == ANSWER_REFUTED || (a == ANSWER_UNDECIDED && p->answer == ANSWER_PROVED);
    if (worse) p->answer = a, p->detail = detail;
    return;
  }
  Proof p = {.text = text, .detail = detail, .at = at, .answer = a, .own = it->at.file == E->main->ast->file};
  *vec_push(&E->made.proofs) = p;
}

void claim_note(Elab *E, const Item *it, const char *why) {
  if (it->symplectic) note(E, it, it->name_at, arena_printf(E->mem, "symplectic flow %s", it->name), ANSWER_UNDECIDED, why);
  if (it->volume) note(E, it, it->name_at, arena_printf(E->mem, "volume flow %s", it->name), ANSWER_UNDECIDED, why);
}

/* Notes the answer about what the text says, with how certain it is or why it is none. */
static Answer answered(const Judge *j, Span at, const char *text, FieldAnswer a, const FieldReport *sure) {
  const char *detail = a == FIELD_UNDECIDED ? arena_strdup(j->E->mem, j->report.reason)
                       : a == FIELD_EQUAL   ? claim_certainty(j->E, sure)
                                            : "";
  note(j->E, j->w->f->item, at, text, claim_answer(a), detail);
  return claim_answer(a);
}

typedef FieldAnswer Property(Judge *j, const Step *s);

static const char *advice(const Step *s, bool form) {
  if (form && s->kind == STEP_SHIFT)
    return "a shift is symplectic if it moves one of q and p by a gradient in the other: the Jacobian of the shift must be "
           "symmetric";
  if (form && s->kind == STEP_SCALE) return "a step that scales q by exp(s) must scale p by exp(-s), with a constant s";
  if (!form && s->kind == STEP_SCALE) return "the exponents must add up to 0";
  return NULL;
}

/* `last`: s and the steps up to it were judged as one; NULL: s alone. */
static void refuse(Judge *j, const Step *s, const Step *last, bool form, FieldReport r, const char *point) {
  Elab *E = j->E;
  const Item *it = j->w->f->item;
  const bool root = !form && s->kind != STEP_SCALE; /* the square was compared */
  Context c;
  context_push(E, &c);
  c.failed = NULL;
  DiagMsg *m = elab_error(E, CODE_claim_refuted, s->stmt->at, "this step of `%s` is not %s: at %s, %s %.6g, not %.6g", it->name,
                          form ? "symplectic" : "volume-preserving", *point ? point : "some point",
                          form                    ? "ω(Jᵀu, Jᵀv) is"
                          : s->kind == STEP_SCALE ? "log|det J| is"
                                                  : "|det J| is",
                          root ? sqrt(r.left) : r.left, r.right);
  elab_label(m, it->name_at, form ? "claimed to be symplectic" : "claimed to preserve volume");
  if (last) elab_label(m, last->stmt->at, "the steps up to here, taken together, are not either");
  if (advice(s, form)) elab_help(m, "%s", advice(s, form));
  context_pop(E, &c);
}

static FieldAnswer together(Judge *j, Property *whole, uint32_t first, uint32_t behind) {
  j->first = first, j->behind = behind;
  return whole(j, NULL);
}

/* Steps that hold by themselves at both ends do not matter for those between. What fails between must fail
 * from the start, too: not all states may be reached there. */
static Answer decide(Judge *j, bool form) {
  const Item *it = j->w->f->item;
  Property *step = form ? step_symplectic : step_volume, *whole = form ? keeps_form : keeps_volume;
  FieldAnswer a = FIELD_EQUAL;
  FieldReport r = {0}, sure = {0};
  uint32_t n = j->w->steps.n, first = n, behind = 0;
  const char *point = "";
  for (uint32_t k = 0; k < n; k++) {
    FieldAnswer one = step(j, &j->w->steps.at[k]);
    if (one == FIELD_EQUAL && j->report.points) sure = j->report;
    if (one == FIELD_EQUAL) continue;
    if (first == n) {
      first = k, a = one, r = j->report;
      if (a == FIELD_DIFFERENT) point = claim_point(j->E, j->left, r.point);
    }
    behind = k + 1;
  }
  if (behind > first + 1) a = together(j, whole, first, behind);
  if (a != FIELD_EQUAL && (first > 0 || (behind < n && a != FIELD_DIFFERENT))) {
    FieldAnswer all = together(j, whole, 0, n);
    a = all == FIELD_EQUAL || all == a ? all : FIELD_UNDECIDED;
  }
  if (a == FIELD_DIFFERENT && !*point) point = claim_point(j->E, j->left, j->report.point), r = j->report;
  const Step *step_at = j->w->steps.at;
  if (a == FIELD_DIFFERENT) refuse(j, &step_at[first], behind > first + 1 ? &step_at[behind - 1] : NULL, form, r, point);
  const char *text = arena_printf(j->E->mem, "%s flow %s", form ? "symplectic" : "volume", it->name);
  return answered(j, it->name_at, text, a, j->report.points ? &j->report : &sure);
}

/* ---- inverse clauses ----------------------------------------------------------------------------------- */

static FieldAnswer there_and_back(Judge *j, const Step *s, bool back_first) {
  Play p;
  Val x[FLOW_STATES], y[FLOW_STATES], want[FLOW_STATES];
  memcpy(x, j->state, sizeof *x * j->w->n);
  for (int k = 0; k < 2; k++) {
    play_init(&p, j->E, j->w, (k == 0) == back_first, x);
    play_step(&p, s);
    memcpy(x, p.known, sizeof *x * j->w->n);
    bool failed = p.failed;
    play_finish(&p);
    if (failed) return FIELD_UNDECIDED;
  }
  for (uint32_t k = 0; k < s->n; k++) y[k] = x[s->piece[k].slot], want[k] = j->state[s->piece[k].slot];
  return same(j, y, want, s->n);
}

static Answer decide_inverse(Judge *j, const Step *s) {
  Elab *E = j->E;
  const Item *it = j->w->f->item;
  FieldAnswer a = there_and_back(j, s, false);
  if (a == FIELD_EQUAL) a = there_and_back(j, s, true);
  if (a == FIELD_DIFFERENT) {
    Context c;
    const char *name = j->w->slot[s->piece[j->report.output].slot].name, *point = claim_point(E, j->left, j->report.point);
    context_push(E, &c);
    c.failed = NULL;
    DiagMsg *m = elab_error(E, CODE_inverse_refuted, s->stmt->inverse->at,
                            "this does not undo its step: at %s, `%s` comes back as %.6g, not %.6g", *point ? point : "some point",
                            name, j->report.left, j->report.right);
    elab_label(m, s->stmt->value->at, "the step");
    context_pop(E, &c);
  }
  return answered(j, s->stmt->inverse->at, arena_printf(E->mem, "inverse clause in %s", it->name), a, &j->report);
}

static Answer decide_undone(Judge *j) {
  Answer all = ANSWER_PROVED;
  for (uint32_t k = 0; k < j->w->steps.n; k++) {
    const Step *s = &j->w->steps.at[k];
    const Claim *c = s->kind == STEP_CALL ? claim_of_call(j, s) : NULL;
    if (s->kind == STEP_ASSIGN && decide_inverse(j, s) != ANSWER_PROVED) all = ANSWER_UNDECIDED;
    if (s->kind == STEP_CALL && !(c && c->undone == ANSWER_PROVED)) all = ANSWER_UNDECIDED;
  }
  return all;
}

/* ---- logdet clauses ------------------------------------------------------------------------------------ */

static void refuse_logdet(Judge *j, const Step *s) {
  Elab *E = j->E;
  const char *point = claim_point(E, j->left, j->report.point);
  Context c;
  context_push(E, &c);
  c.failed = NULL;
  DiagMsg *m = elab_error(E, CODE_logdet_refuted, s->stmt->logdet->at,
                          "this is not the log-determinant of its step: at %s, it is %.6g, but log|det J| is %.6g",
                          *point ? point : "some point", j->report.right / 2, j->report.left / 2);
  elab_label(m, s->stmt->value->at, "the step");
  context_pop(E, &c);
}

/* What would be derived, and the clause: a sum of the same logarithms, often. (The field knows no sign of their arguments.) */
static FieldAnswer as_derived(Judge *j, const Step *s, Val said) {
  Step without = *s;
  Val x[FLOW_STATES], y[FLOW_STATES], derived;
  without.logdet = VAL_NONE;
  if (!played(j, &without, x, y, &derived)) return FIELD_UNDECIDED;
  return claim_same(j->E, &derived, &said, 1, true, &j->report, &j->left);
}

/* log (det J)^2 and twice the clause, or what these are the logarithms of. */
static FieldAnswer as_powers(Judge *j, Val det, Val said) {
  Build *b = &j->E->now->level->b;
  Val square = ir_mul(b, det, det), log = ir_log(b, square), twice = ir_mul(b, ir_const(b, 2), said);
  FieldAnswer a = same(j, &log, &twice, 1);
  if (a != FIELD_UNDECIDED) return a;
  const FieldReport first = j->report;
  Val power = ir_exp(b, twice);
  a = same(j, &square, &power, 1);
  if (a != FIELD_EQUAL) j->report = first;
  return a == FIELD_EQUAL ? a : FIELD_UNDECIDED;
}

static FieldAnswer logdet_holds(Judge *j, const Step *s) {
  Build *b = &j->E->now->level->b;
  Val x[FLOW_STATES], y[FLOW_STATES], from[FLOW_STATES], to[FLOW_STATES], said;
  int64_t total = 0;
  if (!played(j, s, x, y, &said)) return FIELD_UNDECIDED;
  for (uint32_t k = 0; k < s->n; k++) {
    const uint32_t slot = s->piece[k].slot;
    from[k] = x[slot], to[k] = y[slot];
    total += type_count(ir_type(b->f, x[slot]));
  }
  if (total * total > ELAB_TENSOR || flow_stops(b->f, to, from, s->n)) return FIELD_UNDECIDED;
  if (as_derived(j, s, said) == FIELD_EQUAL) return FIELD_EQUAL;
  return as_powers(j, determinant(j->E, flow_jacobian(j->E, to, from, s->n), s->stmt->at), said);
}

static void decide_logdet(Judge *j, const Step *s) {
  FieldAnswer a = logdet_holds(j, s);
  if (a == FIELD_DIFFERENT) refuse_logdet(j, s);
  answered(j, s->stmt->logdet->at, arena_printf(j->E->mem, "logdet clause in %s", j->w->f->item->name), a, &j->report);
}

/* ---- a flow -------------------------------------------------------------------------------------------- */

static bool two_conjugate(Elab *E, const Flow *w) {
  if (w->n == 2 && type_same_dims(w->slot[0].type, w->slot[1].type)) return true;
  Context c;
  context_push(E, &c);
  c.failed = NULL;
  elab_error(E, CODE_claim_form, w->f->item->name_at, "a symplectic flow needs two states of the same shape, q and p");
  context_pop(E, &c);
  return false;
}

void claim_judge(Elab *E, Flow *w, const Val *state, Claim *c) {
  Judge j = {.E = E, .w = w, .state = state};
  const Item *it = w->f->item;
  c->undone = decide_undone(&j);
  for (uint32_t k = 0; k < w->steps.n; k++)
    if (w->steps.at[k].logdet.id) decide_logdet(&j, &w->steps.at[k]);
  for (uint32_t k = 0; k < w->n && it->symplectic; k++) {
    j.u[k] = asked(E, w->slot[k].type);
    j.v[k] = asked(E, w->slot[k].type);
  }
  if (it->symplectic && two_conjugate(E, w)) c->symplectic = decide(&j, true);
  if (it->volume) c->volume = decide(&j, false);
  ir_fn_destroy(j.left);
}
