/* iterate(f, x..., steps = n, every = m): x, f(x), f(f(x)), ..., each m-th of them, as one loop of the program.
 *
 * It is a scan whose results are stacked; with `every` one of n/every turns, each a scan of `every`. The body is a function of the
 * states, of what it captures, and of the number of the turn, an `iota` that the loop walks along, if f or a draw asks for it.
 *
 * A carry does not change its type from turn to turn. A start that is shared while f makes it per sample is spread: the body is
 * then taken back and elaborated anew, until nothing changes. */
#include "frontend/builtin/builtin.h"
#include "frontend/motion/traj_priv.h"

#include <string.h>

typedef struct Iterate {
  Plan p;
  bool counted; /* f takes the number of the turn */
  bool lane[MAX_STATES];
  int64_t steps, every;
} Iterate;

/* ---- what f gives -------------------------------------------------------------------------------------- */

static bool other_number(Elab *E, const Plan *p, Value v) {
  const uint32_t n = v.kind == V_TUPLE ? v.list.n : 1;
  if (n == p->n) return true;
  DiagMsg *m = elab_error(E, CODE_next_states, p->call, "`%s` returns %u value%s for %u state%s", p->given->name, n,
                          n == 1 ? "" : "s", p->n, p->n == 1 ? "" : "s");
  elab_help(m, "it must return the states of the next turn: %s", p->n == 1 ? "one" : "a tuple of the same length");
  return false;
}

static bool as_before(Elab *E, const Plan *p, uint32_t k, Value v) {
  Type have, want;
  value_type(p->state[k].v, &want);
  if (value_numeric(v) && value_type(v, &have) && have.dt == DT_REAL && type_same_dims(have, want)) return true;
  DiagMsg *m = elab_error(E, CODE_next_states, p->call, "`%s` returns %s for a state of %s", p->given->name, value_text(E, v),
                          value_text(E, p->state[k].v));
  elab_label(m, p->state[k].at, "%s", value_text(E, p->state[k].v));
  if (value_numeric(v) && value_type(v, &have) && have.dt == DT_BOOL)
    elab_help(m, "`where(condition, 1, 0)` turns it into a number");
  return false;
}

/* Into the outputs of the innermost level. *again: some state turned out to be per sample. */
static bool next_states(Elab *E, Iterate *s, Value v, bool *again) {
  const Plan *p = &s->p;
  if (v.kind == V_POISON || !other_number(E, p, v)) return false;
  for (uint32_t k = 0; k < p->n; k++)
    if (!as_before(E, p, k, v.kind == V_TUPLE ? v.list.at[k] : v)) return false;
  for (uint32_t k = 0; k < p->n; k++) {
    Val x = elab_tensor(E, v.kind == V_TUPLE ? v.list.at[k] : v, p->call);
    if (elab_type(E, x).lane && !s->lane[k]) s->lane[k] = *again = true;
    if (s->lane[k]) x = ir_spread(elab_at(E, p->call), x);
    ir_output(elab_at(E, p->call), x, NULL);
  }
  return true;
}

/* ---- loops ------------------------------------------------------------------------------------------------ */

static void loop_open(Elab *E, Iterate *s, Level *l, const char *name, int64_t turns, Val *in) {
  level_begin(E, l, name);
  l->turns = (uint64_t)turns;
  for (uint32_t k = 0; k < s->p.n; k++) {
    Type t;
    value_type(s->p.state[k].v, &t);
    t.lane = s->lane[k];
    t.dt = DT_REAL;
    in[k] = ir_input(elab_at(E, s->p.call), NULL, IN_STATE, k, t);
  }
}

void traj_loop(Elab *E, const Plan *p, Level *l, const Val *start, bool stacked, Val *out) {
  const uint32_t n = p->n, nx = l->walked.n, nc = l->captures.n;
  for (uint32_t k = 0; stacked && k < n; k++) ir_output(&l->b, l->fn->out.at[k], NULL);
  Val *args = ARENA_ARRAY(E->mem, Val, n + nx + nc);
  for (uint32_t k = 0; k < n; k++) args[k] = start[k];
  for (uint32_t k = 0; k < nx; k++) args[n + k] = l->walked.at[k].outer;
  for (uint32_t k = 0; k < nc; k++) args[n + nx + k] = l->captures.at[k].outer;
  level_order(E, l, n);
  level_leave(E, l);
  Build *b = elab_at(E, p->call);
  Val loop = ir_scan(b, args, n + nx + nc, (uint32_t)l->turns, n, nx, stacked ? n : 0, 0, false, false, l->fn);
  for (uint32_t k = 0; k < n; k++) out[k] = ir_proj(b, loop, stacked ? n + k : k);
  level_end(E, l);
}

static Value number_of_turn(Elab *E, const Iterate *s, Level *outer, Level *l) {
  Value k = value_tensor(l, level_turn(E, l));
  if (!outer) return k;
  const Span at = s->p.call;
  Value before = elab_binary_op(E, OP_mul, value_tensor(outer, level_turn(E, outer)), value_exact(s->every, 1), at, at, at, "*");
  return elab_binary_op(E, OP_add, before, k, at, at, at, "+");
}

const Formal *traj_last(const Plan *p) {
  const Formal *f = p->given->kind == F_USER ? p->given->item->formals : NULL;
  for (uint32_t k = 0; f && k < p->n; k++) f = f->next;
  return f;
}

bool traj_one_of(const Formal *f, const char *const *names, size_t n) {
  for (size_t k = 0; k < n; k++)
    if (!strcmp(f->name, names[k])) return true;
  return false;
}

void traj_warn_last(const Plan *p, DiagMsg *m, const char *usual, const char *constant) {
  const Formal *f = traj_last(p);
  elab_label(m, f->at, "after the states");
  elab_help(m, "if that is meant, name it `%s`; put a constant into a list of its own: `%s(%s)(...)`, then `%s(%s)`", usual,
            p->given->name, f->name, p->given->name, constant);
}

/* The argument behind the states is the number of the turn, whatever its name says. */
static void warn_turn(Elab *E, const Plan *p) {
  static const char *const names[] = {"turn", "step", "count", "time", "t", "_", "i", "j", "k", "l", "m", "n"};
  const Formal *f = traj_last(p);
  if (f && !traj_one_of(f, names, sizeof names / sizeof *names))
    traj_warn_last(
        p, elab_warn(E, CODE_turn_argument, p->call, "`%s` of `%s` receives the number of the turn", f->name, p->given->name), "k",
        "0.5");
}

static bool turn(Elab *E, Iterate *s, Level *outer, Level *l, const Val *in, bool *again) {
  Value args[MAX_STATES + 1];
  for (uint32_t k = 0; k < s->p.n; k++) args[k] = value_tensor(l, in[k]);
  if (s->counted) args[s->p.n] = number_of_turn(E, s, outer, l);
  Actuals a = actuals_of(E, args, s->p.n + s->counted, s->p.call);
  return next_states(E, s, elab_apply(E, s->p.given, &a), again);
}

/* One try. start: the states before; out: the stacked results, or, with one turn of `every`, the last states. */
static bool loops(Elab *E, Iterate *s, const Val *start, Val *out, bool *again) {
  const bool nested = s->every > 1 && s->steps > s->every;
  Level *outer = nested ? ARENA_NEW(E->mem, Level) : NULL, *l = ARENA_NEW(E->mem, Level);
  Val first[MAX_STATES], in[MAX_STATES], next[MAX_STATES], spread[MAX_STATES];
  if (nested) loop_open(E, s, outer, "every", s->steps / s->every, first);
  loop_open(E, s, l, "iterate", nested ? s->every : s->steps, in);
  if (!turn(E, s, outer, l, in, again) || *again) {
    level_drop(E, l);
    if (nested) level_drop(E, outer);
    return *again;
  }
  if (nested) {
    traj_loop(E, &s->p, l, first, false, next);
    for (uint32_t k = 0; k < s->p.n; k++) ir_output(&outer->b, next[k], NULL);
    l = outer;
  }
  E->now->level = l->up;
  for (uint32_t k = 0; k < s->p.n; k++) spread[k] = s->lane[k] ? ir_spread(elab_at(E, s->p.call), start[k]) : start[k];
  traj_loop(E, &s->p, l, spread, s->every == 1 || nested, out);
  return true;
}

/* ---- the call ------------------------------------------------------------------------------------------------ */

static bool take(Elab *E, Iterate *s, const Actuals *a) {
  Plan *p = &s->p;
  p->option = (TrajOption[]){{"steps", &p->steps}, {"every", &p->every}};
  p->noptions = 2;
  if (!traj_take(E, p, a)) return false;
  if (!traj_need(E, p, p->given, "a function and its start", "`iterate(f, x, steps = 100)`")) return false;
  if (!traj_need(E, p, p->n > 0, "a start", "the states follow the function")) return false;
  if (!traj_need(E, p, p->steps, "a number of steps", "`iterate(f, x, steps = 100)`")) return false;
  return traj_counts(E, p, &s->steps, &s->every);
}

static bool check(Elab *E, Iterate *s) {
  const Plan *p = &s->p;
  for (uint32_t k = 0; k < p->n; k++) {
    Type t;
    value_type(p->state[k].v, &t);
    if (t.dt != DT_REAL) {
      elab_help(elab_error(E, CODE_wrong_kind, p->state[k].at, "a state of `iterate` must be a tensor of reals, found %s",
                           value_text(E, p->state[k].v)),
                "`where(condition, 1, 0)` turns a truth value into a number");
      return false;
    }
    if (t.rank == IR_MAX_RANK) {
      elab_error(E, CODE_too_large, p->state[k].at, "a state has at most %d axes", IR_MAX_RANK - 1);
      return false;
    }
    if (!elab_fits(E, type_count(t) * (s->steps / s->every + 1), p->call)) return false;
  }
  uint32_t required, arity = func_arity(p->given, &required);
  s->counted = arity != UINT32_MAX && required == p->n + 1;
  if (s->counted) warn_turn(E, p);
  if (!s->counted || s->steps <= 1 << 24 || E->now->level->fn->f64 != FN_F32) return true;
  elab_help(elab_error(E, CODE_out_of_range, p->steps->at, "the number of a turn is exact in f32 up to 2^24, found %lld steps",
                       (long long)s->steps),
            "write `precision f64`");
  return false;
}

static Value results(Elab *E, const Iterate *s, const Val *start, const Val *loop) {
  Value out[MAX_STATES];
  for (uint32_t k = 0; k < s->p.n; k++) {
    Build *b = elab_at(E, s->p.call);
    Val first = s->lane[k] ? ir_spread(b, start[k]) : start[k], part[2];
    part[0] = ir_expand(b, first, 0, 1);
    part[1] = s->every > 1 && s->steps == s->every ? ir_expand(b, loop[k], 0, 1) : loop[k];
    out[k] = elab_value(E, ir_concat(b, part, 2, 0));
  }
  return value_tuple(E, out, s->p.n);
}

Value bi_iterate(Elab *E, const Builtin *b, Actuals *a) {
  Iterate s = {.p = {.name = b->name, .call = a->call}};
  Val start[MAX_STATES], loop[MAX_STATES];
  if (!take(E, &s, a) || !check(E, &s)) return POISON;
  for (uint32_t k = 0; k < s.p.n; k++) {
    start[k] = elab_tensor(E, s.p.state[k].v, s.p.state[k].at);
    s.lane[k] = elab_type(E, start[k]).lane;
  }
  const TurnsMark mark = turns_mark(E);
  for (bool again = true; again;) {
    again = false;
    if (!loops(E, &s, start, loop, &again)) return POISON;
    if (again) turns_undo(E, &mark);
  }
  return results(E, &s, start, loop);
}
