/* The stages of a piece as JSON. An instruction is its text, a place, where it comes from, its role, its work, its body: in columns, one
 * entry an instruction. */
#include "driver/explore/explore_priv.h"

#include <stdlib.h>
#include <string.h>

uint32_t explore_place(Explore *x, Span at) {
  if (!at.file) return 0;
  const uint64_t key = ((uint64_t)at.file << 56 ^ (uint64_t)at.begin << 28 ^ at.end) + 1;
  const uint32_t *known = index_find(&x->place_of, key);
  if (known && !memcmp(&x->place.at[*known], &at, sizeof at)) return *known + 1;
  index_put(&x->place_of, key, x->place.n);
  *vec_push(&x->place) = at;
  return x->place.n;
}

/* Stages that something of the last ones comes from, and the first. */
bool *explore_wanted(const Piece *p) {
  const PassTrace *t = p->trace;
  bool *is = base_zeroed(t->stage.n, sizeof *is), *number = base_zeroed(t->from.n + 1, sizeof *number);
  is[0] = true;
  for (uint32_t k = 0; k < p->low.split.n; k++) {
    const Fn *f = p->low.split.part[k].fn;
    for (uint32_t id = 1; f && id < f->inst.n; id++) number[pass_trace_number(t, &f->inst.at[id])] = true;
  }
  for (uint32_t k = t->fn.n; k-- > 0;) {
    const TraceFn *f = &t->fn.at[k];
    bool some = false;
    for (uint32_t n = f->first; n < f->first + f->fn->inst.n - 1; n++) {
      some |= number[n];
      number[t->from.at[n - 1].from] |= number[n];
    }
    is[f->stage] |= some;
  }
  base_free(number);
  return is;
}

/* ---- an instruction ---------------------------------------------------------------------------------- */

/* The text of instruction id behind `%id = `. */
static char *inst_text(const Fn *f, uint32_t id) {
  char *text = NULL, *own;
  size_t size;
  FILE *out = open_memstream(&text, &size);
  if (!out) base_fault("out of memory");
  ir_print_inst(out, f, id);
  if (fclose(out)) base_fault("out of memory");
  const char *from = strstr(text, " = ");
  own = base_strdup(from ? from + 3 : text);
  own[strcspn(own, "\n")] = 0;
  free(text);
  return own;
}

static void push(json_t *to, json_int_t v) { json_array_append_new(to, json_integer(v)); }

/* Whether what has this number is shown. */
static bool shown(const PassTrace *t, const bool *wanted, uint32_t number) {
  uint32_t lo = 0, hi = t->fn.n;
  while (hi - lo > 1) {
    const uint32_t mid = lo + (hi - lo) / 2;
    if (t->fn.at[mid].first <= number) lo = mid;
    else hi = mid;
  }
  return number && wanted[t->fn.at[lo].stage];
}

static uint32_t body_index(const PassTrace *t, uint32_t fn, const Inst *i) {
  const Fn *body = ir_body(t->fn.at[fn].fn, i);
  for (uint32_t k = fn + 1; body && k < t->fn.n; k++)
    if (t->fn.at[k].fn == body) return k;
  return 0;
}

static json_t *names_of(const Fn *f) {
  json_t *in = json_array();
  for (uint32_t k = 0; k < f->in.n; k++) json_array_append_new(in, json_string(f->in.at[k].name ? f->in.at[k].name : ""));
  return in;
}

static json_t *outputs_of(const Fn *f) {
  json_t *out = json_array();
  for (uint32_t k = 0; k < f->out.n; k++)
    json_array_append_new(out, json_pack("[i, s]", (int)f->out.at[k].id, f->outname.at[k] ? f->outname.at[k] : ""));
  return out;
}

/* Role and what it is of: 0 primal, 1 adjoint, 2 tangent; the operator. */
static json_t *function(Explore *x, const Piece *p, uint32_t k, const bool *wanted) {
  const PassTrace *t = p->trace;
  const TraceFn *tf = &t->fn.at[k];
  const Fn *f = tf->fn;
  json_t *text = json_array(), *place = json_array(), *from = json_array(), *role = json_array(), *of = json_array(),
         *flop = json_array(), *body = json_array();
  for (uint32_t id = 1; id < f->inst.n; id++) {
    const Inst *i = &f->inst.at[id];
    const TraceFrom *came = &t->from.at[tf->first + id - 2];
    char *line = inst_text(f, id);
    json_array_append_new(text, json_string(line));
    base_free(line);
    push(place, explore_place(x, t->at.at[tf->first + id - 2]));
    const json_int_t number = shown(t, wanted, came->from) ? came->from : 0;
    push(from, came->derived ? -number : number);
    push(role, i->role);
    push(of, i->role ? i->of : 0);
    push(flop, ir_has(i->op, OPF_DERIV) || i->op == OP_integrate ? 0 : pass_inst_flops(f, i));
    push(body, body_index(t, k, i));
  }
  return json_pack("{s:s, s:i, s:i, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "name", f->name ? f->name : "", "index", (int)k,
                   "first", (int)tf->first, "in", names_of(f), "out", outputs_of(f), "text", text, "place", place, "from", from,
                   "role", role, "of", of, "flop", flop, "body", body);
}

json_t *explore_stages(Explore *x, const Piece *p, const bool *wanted) {
  json_t *stages = json_array();
  const PassTrace *t = p->trace;
  for (uint32_t s = 0; s < t->stage.n; s++) {
    if (!wanted[s]) continue;
    const TraceStage *st = &t->stage.at[s];
    json_t *fns = json_array();
    for (uint32_t k = st->top; k < st->top + st->nfn; k++) json_array_append_new(fns, function(x, p, k, wanted));
    json_array_append_new(
        stages, json_pack("{s:s, s:s, s:i, s:o}", "pass", st->pass, "same", st->same ? st->same : "", "stage", (int)s, "fns", fns));
  }
  return stages;
}

/* ---- what the elaborator made it of ------------------------------------------------------------------------ */

static void same_functions(const Fn *f, const PassTrace *t, uint32_t *k, Index *at) {
  index_put(at, (uintptr_t)f, (*k)++);
  for (uint32_t s = 0; s < f->sub.n; s++) same_functions(f->sub.at[s], t, k, at);
}

/* Triples: node, first number, number behind the last. */
json_t *explore_made(Explore *x, const Piece *p) {
  json_t *made = json_array();
  Index at = {0};
  uint32_t k = 0;
  same_functions(p->fn, p->trace, &k, &at);
  for (uint32_t m = 0; m < x->tree->made.n; m++) {
    const TreeMade *one = &x->tree->made.at[m];
    const uint32_t *fn = index_find(&at, (uintptr_t)one->fn);
    if (!fn) continue;
    const TraceFn *tf = &p->trace->fn.at[*fn];
    if (tf->fn->inst.n < one->end) continue;
    push(made, one->node);
    push(made, tf->first + one->first - 1);
    push(made, tf->first + one->end - 1);
  }
  index_free(&at);
  return made;
}
