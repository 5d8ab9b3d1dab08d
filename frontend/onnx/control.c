/* Nodes with graphs in them. How many turns a loop has must be known while compiling: it is written out turn by turn. */
#include "frontend/onnx/net_priv.h"

#include <string.h>

enum { TURNS = 4096, STATES = 256 };

bool onnx_control(const OnnxNode *n) {
  return !*n->domain && (!strcmp(n->op, "If") || !strcmp(n->op, "Loop") || !strcmp(n->op, "Scan"));
}

static const OnnxGraph *body(Node *x, const char *name) {
  const OnnxAttr *a = node_attr(x, name);
  if (!a || !a->g) node_error(x, "`%s` has no graph `%s`", x->n->op, name);
  return a ? a->g : NULL;
}

/* The constants of a graph in a node; its weights are such. */
static bool constants(Walk *w, Node *x, const OnnxGraph *g) {
  for (uint32_t k = 0; k < g->nweight; k++) {
    const Operand o = operand_tensor(x, &g->weight[k]);
    if (x->failed) return false;
    onnx_walk_define(w, g->weight[k].name, o);
  }
  return true;
}

static bool branch(Walk *w, Node *x) {
  double taken = 0;
  if (!node_needs(x, 1) || !node_number(x, 0, "the condition", &taken)) return false;
  const OnnxGraph *g = body(x, taken != 0 ? "then_branch" : "else_branch");
  if (!g) return false;
  if (g->nout < x->nout) return node_error(x, "`If` has %u results, and its graph %u", x->nout, g->nout);
  Operand *out = ARENA_ARRAY(x->E->mem, Operand, g->nout + 1);
  if (!constants(w, x, g) || !onnx_walk_graph(w, g, out)) return false;
  memcpy(x->out, out, x->nout * sizeof *out);
  return true;
}

/* Results of all turns along a new axis. */
typedef struct Stacked {
  Operand *turn;
  uint32_t n;
} Stacked;

static bool stack(Node *x, const Stacked *s, int64_t axis, bool reverse, Operand *out) {
  int64_t dim[ONNX_MOST_RANK];
  uint32_t at;
  if (!s->n) return node_error(x, "`%s` of no turn", x->n->op);
  const uint32_t rank = s->turn[0].rank;
  if (rank == ONNX_MOST_RANK || !node_axis(x, axis, rank + 1, &at))
    return rank == ONNX_MOST_RANK ? node_error(x, "`%s` makes a tensor of too many axes", x->n->op) : false;
  Operand *part = ARENA_ARRAY(x->E->mem, Operand, s->n);
  for (uint32_t k = 0; k < s->n; k++) {
    const Operand *t = &s->turn[reverse ? s->n - 1 - k : k];
    if (t->rank != rank || memcmp(t->dim, s->turn[0].dim, rank * sizeof *dim) != 0)
      return node_error(x, "`%s` gives %s in one turn and %s in another", x->n->op, operand_text(x, &s->turn[0]),
                        operand_text(x, t));
    for (uint32_t d = 0; d <= rank; d++) dim[d] = d == at ? 1 : t->dim[d - (d > at)];
    part[k] = node_reshape(x, *t, rank + 1, dim);
  }
  *out = node_joined(x, part, s->n, at);
  return !x->failed;
}

typedef struct Turns {
  const OnnxGraph *g;
  uint32_t states, scans, outs; /* outs: results that are stacked */
  int64_t n;
  Operand *state, *result;
  Stacked *stacked;
} Turns;

static bool turns_begin(Node *x, Turns *t, int64_t n) {
  if (n > TURNS || n < 0)
    return node_error(x, "`%s` of %lld turns: it is written out, and has %d at most", x->n->op, (long long)n, TURNS);
  t->n = n;
  t->state = ARENA_ARRAY(x->E->mem, Operand, t->states + 1);
  t->result = ARENA_ARRAY(x->E->mem, Operand, t->g->nout + 1);
  t->stacked = ARENA_ARRAY(x->E->mem, Stacked, t->outs + 1);
  for (uint32_t k = 0; k < t->outs; k++) t->stacked[k].turn = ARENA_ARRAY(x->E->mem, Operand, n + 1);
  return true;
}

/* The graph at its inputs; results behind `skip` are the states and what is stacked. */
static bool turn(Walk *w, Turns *t, uint32_t skip) {
  if (!onnx_walk_graph(w, t->g, t->result)) return false;
  for (uint32_t k = 0; k < t->states; k++) t->state[k] = t->result[skip + k];
  for (uint32_t k = 0; k < t->outs; k++) t->stacked[k].turn[t->stacked[k].n++] = t->result[skip + t->states + k];
  return true;
}

static bool scan(Walk *w, Node *x) {
  Turns t = {.g = body(x, "body"), .scans = (uint32_t)node_int(x, "num_scan_inputs", 0)};
  int64_t in_axis[STATES] = {0}, in_back[STATES] = {0}, out_axis[STATES] = {0}, out_back[STATES] = {0};
  uint32_t n, axis, m = 0;
  if (!t.g) return false;
  if (x->opset < 9 || t.scans > x->nin || t.scans == 0 || t.g->nin != x->nin || x->nin > STATES || x->nout > STATES ||
      x->nin - t.scans > t.g->nout || t.g->nout != x->nout)
    return node_error(x, "`Scan` whose graph does not fit it");
  t.states = x->nin - t.scans, t.outs = t.g->nout - t.states;
  if (!node_needs(x, x->nin) || !node_ints(x, "scan_input_axes", STATES, in_axis, &m) ||
      !node_ints(x, "scan_input_directions", STATES, in_back, &m) || !node_ints(x, "scan_output_axes", STATES, out_axis, &m) ||
      !node_ints(x, "scan_output_directions", STATES, out_back, &m) || !constants(w, x, t.g))
    return false;
  for (uint32_t k = 0; k < t.scans; k++) {
    const Operand *o = &x->in[t.states + k];
    if (!node_axis(x, in_axis[k], o->rank, &axis)) return false;
    if (k && t.n != o->dim[axis])
      return node_error(x, "`Scan` along axes of %lld and %lld", (long long)t.n, (long long)o->dim[axis]);
    t.n = o->dim[axis];
  }
  if (!turns_begin(x, &t, t.n)) return false;
  for (uint32_t k = 0; k < t.states; k++) t.state[k] = x->in[k];
  for (int64_t i = 0; i < t.n; i++) {
    for (uint32_t k = 0; k < t.states; k++) onnx_walk_define(w, t.g->in[k].name, t.state[k]);
    for (uint32_t k = 0; k < t.scans; k++) {
      const Operand o = x->in[t.states + k];
      int64_t dim[ONNX_MOST_RANK];
      n = 0;
      if (!node_axis(x, in_axis[k], o.rank, &axis)) return false;
      const Operand one = node_sliced(x, o, axis, in_back[k] ? t.n - 1 - i : i, 1, 1);
      for (uint32_t d = 0; d < o.rank; d++)
        if (d != axis) dim[n++] = o.dim[d];
      onnx_walk_define(w, t.g->in[t.states + k].name, node_reshape(x, one, n, dim));
    }
    if (x->failed || !turn(w, &t, 0)) return false;
  }
  for (uint32_t k = 0; k < t.states; k++) x->out[k] = t.state[k];
  for (uint32_t k = 0; k < t.outs; k++)
    if (!stack(x, &t.stacked[k], out_axis[k], out_back[k] != 0, &x->out[t.states + k])) return false;
  return true;
}

static bool loop(Walk *w, Node *x) {
  Turns t = {.g = body(x, "body")};
  double most = TURNS, on = 1;
  if (!t.g) return false;
  if (x->nin < 2 || t.g->nin != x->nin || t.g->nout < 1 || t.g->nout - 1 != x->nout || x->nin - 2 > x->nout)
    return node_error(x, "`Loop` whose graph does not fit it");
  t.states = x->nin - 2, t.outs = x->nout - t.states;
  if (!node_number(x, 0, "the number of turns", &most) || !node_number(x, 1, "the condition", &on) || !constants(w, x, t.g))
    return false;
  const bool counted = x->in[0].kind != OPERAND_NONE;
  if (!turns_begin(x, &t, !(most >= 0) ? 0 : most > TURNS + 1 ? TURNS + 1 : (int64_t)most)) return false;
  for (uint32_t k = 0; k < t.states; k++) t.state[k] = x->in[2 + k];
  for (int64_t i = 0; i < t.n && on != 0; i++) {
    onnx_walk_define(w, t.g->in[0].name, operand_scalar(OPERAND_WHOLE, (double)i));
    onnx_walk_define(w, t.g->in[1].name, operand_scalar(OPERAND_TRUTH, 1));
    for (uint32_t k = 0; k < t.states; k++) onnx_walk_define(w, t.g->in[2 + k].name, t.state[k]);
    if (!turn(w, &t, 1)) return false;
    const Value go = t.result[0].v;
    if (go.kind != V_BOOL && go.kind != V_NUM) return node_error(x, "whether `Loop` continues must be known at compile time");
    on = go.kind == V_BOOL ? go.b : go.num.v;
    if (!counted && i + 1 == t.n && on != 0) return node_error(x, "`Loop` of more than %d turns", TURNS);
  }
  for (uint32_t k = 0; k < t.states; k++) x->out[k] = t.state[k];
  for (uint32_t k = 0; k < t.outs; k++)
    if (!stack(x, &t.stacked[k], 0, false, &x->out[t.states + k])) return false;
  return true;
}

bool onnx_control_run(Walk *w, Node *x) {
  return !strcmp(x->n->op, "If") ? branch(w, x) : !strcmp(x->n->op, "Scan") ? scan(w, x) : loop(w, x);
}
