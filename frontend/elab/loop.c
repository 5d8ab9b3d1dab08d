/* Comprehensions: [e for k in ...].
 *
 * The body is elaborated once, in a level of its own, with k a value that differs from turn to turn.
 * What comes out static is a static list; what does not is a `scan` without carries, a map. A list of
 * what is not numeric (functions, strings) is run turn by turn instead. Instances that are made in the body are
 * made for each turn (elab/turn.c). */
#include "frontend/elab/elab_priv.h"

#include <stdlib.h>
#include <string.h>

/* ---- what is run over ------------------------------------------------------------------------------- */

/* One that differs from turn to turn of the loop around has that loop written out. */
static bool range_end(Elab *E, const Expr *e, int64_t *out) {
  if (e->kind == EX_NUMBER) return elab_int(E, e, "a range", out);
  const Value v = elab_expr(E, e);
  if (v.kind == V_POISON || (!turns_int(v, out) && turns_write_out(E, v))) return false;
  if (turns_int(v, out)) return true;
  if (v.kind != V_TURNS || v.turns.level->n <= TURNS_WRITTEN) return elab_int(E, e, "a range", out);
  elab_help(elab_error(E, CODE_too_large, e->at,
                       "this range differs from turn to turn, so the comprehension around it is written out: it may have at most "
                       "%d turns, found %u",
                       (int)TURNS_WRITTEN, v.turns.level->n),
            "use the same range in all turns, and leave out terms by `where(j < i, ..., 0)`");
  return false;
}

/* nothing: what is empty has no turn, also if it falls, where its ends may depend on a turn around. */
static bool range_values(Elab *E, const Expr *e, bool nothing, const Value **out, uint32_t *n) {
  int64_t a = 0, b;
  if (!e->b) {
    elab_error(E, CODE_range, e->at, "this range needs an end");
    return false;
  }
  if ((e->a && !range_end(E, e->a, &a)) || !range_end(E, e->b, &b)) return false;
  if (nothing && (b == a || (b < a && E->now->body->loops))) return *n = 0, true;
  if (b <= a || (uint64_t)b - (uint64_t)a > ELAB_TURNS) {
    DiagMsg *m = elab_error(E, b <= a ? CODE_range : CODE_too_large, e->at,
                            b <= a ? "the range %lld:%lld is empty" : "the range %lld:%lld has more than %d turns", (long long)a,
                            (long long)b, (int)ELAB_TURNS);
    if (b > a)
      elab_help(m, "make so many values as samples: `data d { ... yield x }`, then `use s = d(count = %llu)`",
                (unsigned long long)b - (unsigned long long)a);
    if (b == a) elab_help(m, "it ends before %lld; a list needs at least one element, except in `sum([...])`", (long long)b);
    if (b < a) elab_help(m, "a range must rise; to go backwards, write `[x[n - 1 - k] for k in 0:n]`");
    return false;
  }
  *n = (uint32_t)(b - a);
  Value *v = ARENA_ARRAY(E->mem, Value, *n + 1);
  for (uint32_t i = 0; i < *n; i++) v[i] = value_exact(a + i, 1);
  *out = v;
  return true;
}

static bool list_values(Elab *E, Value list, Span at, const Value **out, uint32_t *n) {
  *n = value_length(E, list);
  if (*n == 0 || *n > ELAB_TURNS) {
    elab_error(E, CODE_range, at, *n ? "there are too many turns here" : "a comprehension needs a range or a list, found %s",
               value_text(E, list));
    return false;
  }
  Value *v = ARENA_ARRAY(E->mem, Value, *n + 1);
  for (uint32_t i = 0; i < *n; i++) v[i] = elab_element(E, list, i, at);
  *out = v;
  return true;
}

/* ---- results --------------------------------------------------------------------------------------------
 */

static bool has_tensor(Value v) {
  if (v.kind == V_TENSOR) return true;
  if (v.kind == V_TURNS) return has_tensor(v.turns.at[0]);
  if (v.kind != V_LIST && v.kind != V_TUPLE) return false;
  for (uint32_t i = 0; i < v.list.n; i++)
    if (has_tensor(v.list.at[i])) return true;
  return false;
}

/* One component of the body's value, static: its turns as a list. */
static Value gather(Elab *E, Level *l, Value v, Span at) {
  Value *turn = ARENA_ARRAY(E->mem, Value, l->n + 1);
  for (uint32_t t = 0; t < l->n; t++) turn[t] = value_turn(v, l, t);
  return elab_list(E, turn, NULL, l->n, at);
}

typedef struct Stacks {
  Value out[64];
  uint32_t y[64], n, ny;
  bool truth[64];
} Stacks;

static bool collect(Elab *E, const Level *l, Value v, Stacks *s, Span at) {
  const Value *part = v.kind == V_TUPLE ? v.list.at : &v;
  s->n = v.kind == V_TUPLE ? v.list.n : 1;
  if (s->n > 64) {
    elab_error(E, CODE_too_large, at, "a tuple of at most 64 values can be stacked, found %u", s->n);
    return false;
  }
  for (uint32_t i = 0; i < s->n; i++) {
    s->y[i] = UINT32_MAX;
    Type t;
    if (!has_tensor(part[i])) {
      s->out[i] = part[i];
    } else if (value_type(part[i], &t)) {
      Val y = elab_tensor(E, part[i], at);
      s->truth[i] = elab_type(E, y).dt == DT_BOOL;
      if (s->truth[i]) y = ir_indicator(elab_at(E, at), y);
      if (elab_type(E, y).rank == IR_MAX_RANK || elab_type(E, y).dt != DT_REAL) {
        elab_error(E, CODE_wrong_kind, at, "%s cannot be stacked", value_text(E, part[i]));
        return false;
      }
      if (!elab_fits(E, type_count(elab_type(E, y)) * l->n, at)) return false;
      ir_output(elab_at(E, at), y, NULL);
      s->y[i] = s->ny++;
    } else {
      elab_error(E, CODE_wrong_kind, at, "%s cannot be stacked", value_text(E, part[i]));
      return false;
    }
  }
  return true;
}

static Val emit_map(Elab *E, Level *l, uint32_t ny, Span at) {
  uint32_t nx = l->walked.n, nc = l->captures.n;
  Val *args = base_realloc(NULL, sizeof *args * (nx + nc + 1));
  for (uint32_t k = 0; k < nx; k++) args[k] = l->walked.at[k].outer;
  for (uint32_t k = 0; k < nc; k++) args[nx + k] = l->captures.at[k].outer;
  level_order(E, l, 0);
  level_leave(E, l);
  Val scan = ir_scan(elab_at(E, at), args, nx + nc, l->n, 0, nx, ny, 0, false, false, l->fn);
  base_free(args);
  return scan;
}

static Val stacked(Elab *E, Val scan, const Stacks *s, uint32_t i, Span at) {
  Build *b = elab_at(E, at);
  Val y = ir_proj(b, scan, s->y[i]);
  return s->truth[i] ? ir_ne(b, y, ir_const(b, 0)) : y;
}

static Value finish(Elab *E, Level *l, Value v, const Expr *e) {
  Stacks s = {0};
  if (v.kind == V_POISON || !collect(E, l, v, &s, e->a->at)) {
    level_drop(E, l);
    return POISON;
  }
  if (s.ny) {
    Val scan = emit_map(E, l, s.ny, e->at);
    for (uint32_t i = 0; i < s.n; i++)
      if (s.y[i] != UINT32_MAX) s.out[i] = elab_value(E, stacked(E, scan, &s, i, e->at));
  }
  level_leave(E, l);
  for (uint32_t i = 0; i < s.n; i++)
    if (s.y[i] == UINT32_MAX) s.out[i] = gather(E, l, s.out[i], e->a->at);
  if (s.ny) level_end(E, l);
  else level_drop(E, l);
  return value_tuple(E, s.out, s.n);
}

static const Value *counters(Elab *E, uint32_t n) {
  Value *v = ARENA_ARRAY(E->mem, Value, n + 1);
  for (uint32_t i = 0; i < n; i++) v[i] = value_exact(i, 1);
  return v;
}

static Value unroll(Elab *E, const Expr *e, const Value *turn, uint32_t n) {
  Value *v = ARENA_ARRAY(E->mem, Value, n + 1), *part = ARENA_ARRAY(E->mem, Value, n + 1);
  for (uint32_t i = 0; i < n; i++) {
    frame_inner(E);
    frame_define(E, e->name, e->name_at, turn[i], false);
    E->now->body->loops++;
    v[i] = elab_expr(E, e->a);
    E->now->body->loops--;
    frame_pop(E);
    if (v[i].kind == V_POISON) return POISON;
    if ((v[i].kind == V_TUPLE) != (v[0].kind == V_TUPLE) || (v[0].kind == V_TUPLE && v[i].list.n != v[0].list.n)) {
      elab_error(E, CODE_unequal_elements, e->a->at, "this is %s in one turn and %s in another", value_text(E, v[0]),
                 value_text(E, v[i]));
      return POISON;
    }
  }
  if (v[0].kind != V_TUPLE) return elab_list(E, v, NULL, n, e->a->at);
  Value *out = ARENA_ARRAY(E->mem, Value, v[0].list.n + 1);
  for (uint32_t j = 0; j < v[0].list.n; j++) {
    for (uint32_t i = 0; i < n; i++) part[i] = v[i].list.at[j];
    out[j] = elab_list(E, part, NULL, n, e->a->at);
  }
  return value_tuple(E, out, v[0].list.n);
}

static bool has_function(Value v) {
  if (v.kind == V_FUNC) return true;
  if (v.kind != V_LIST && v.kind != V_TUPLE) return false;
  for (uint32_t i = 0; i < v.list.n; i++)
    if (has_function(v.list.at[i])) return true;
  return false;
}

/* k takes the values `turn`, or walks along the tensor `list`. What cannot be one loop is taken back and run turn
 * by turn: functions as results, instances of different shapes. */
static Value map(Elab *E, const Expr *e, const Value *turn, uint32_t n, Value list) {
  Level *l = ARENA_NEW(E->mem, Level);
  TurnsMark mark = turns_mark(E);
  Val outer = turn ? VAL_NONE : elab_tensor(E, list, e->b->at);
  level_begin(E, l, "map");
  l->n = n;
  l->index = turn ? turn : counters(E, n);
  for (uint32_t i = 0; turn && i < n; i++)
    if (!value_is_int(turn[i], &(int64_t){0}) || turn[i].num.num != i) {
      l->index = counters(E, n);
      break;
    }
  Value k = turn ? (Value){.kind = V_TURNS, .turns = {l, turn}} : value_tensor(l, level_walk(E, l, outer));
  frame_inner(E);
  frame_define(E, e->name, e->name_at, k, false);
  Value v = elab_expr(E, e->a);
  frame_pop(E);
  if (!l->unroll && !has_function(v)) return finish(E, l, v, e);
  level_drop(E, l);
  turns_undo(E, &mark);
  if (!turn && !list_values(E, list, e->b->at, &turn, &n)) return POISON;
  return unroll(E, e, turn, n);
}

static Value comprehension(Elab *E, const Expr *e, const Value *turn, uint32_t n, Value list) {
  Loop l;
  loop_begin(E, &l, e->at, arena_printf(E->mem, "`for %s`", e->name), n);
  l.maps = true;
  Value v = turn && list.kind != V_POISON ? unroll(E, e, turn, n) : map(E, e, turn, n, list);
  loop_end(E, &l);
  return v;
}

Value elab_comprehension(Elab *E, const Expr *e, bool summed) {
  const Value *turn;
  uint32_t n;
  if (e->b->kind == EX_RANGE) {
    if (!range_values(E, e->b, summed, &turn, &n)) return POISON;
    return n ? comprehension(E, e, turn, n, POISON) : value_exact(0, 1);
  }
  Value list = elab_expr(E, e->b);
  Type t;
  if (list.kind == V_POISON) return list;
  bool numeric = value_numeric(list);
  if (numeric && value_type(list, &t) && t.rank > 0 && list.kind != V_ARRAY) return comprehension(E, e, NULL, t.dim[0], list);
  if (!list_values(E, list, e->b->at, &turn, &n)) return POISON;
  return comprehension(E, e, turn, n, numeric ? POISON : list);
}
