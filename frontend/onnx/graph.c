/* A graph, node by node; and which of its weights are parameters. */
#include "frontend/onnx/net_priv.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- weights ---------------------------------------------------------------------------------------------------------- */

/* Inputs that must be known while compiling, or are measured while training: means and variances of a BatchNormalization. */
static bool fixed_input(const OnnxNode *n, uint32_t k) {
  static const struct {
    const char *op;
    uint32_t from;
  } row[] = {{"BatchNormalization", 3}, {"Resize", 1}, {"Upsample", 1}, {"Pad", 1}, {"Clip", 1}};
  for (size_t i = 0; i < sizeof row / sizeof *row; i++)
    if (!strcmp(n->op, row[i].op) && k >= row[i].from) return true;
  return false;
}

static bool all_finite(const OnnxTensor *t) {
  for (int64_t k = 0; k < t->count; k++)
    if (!isfinite(t->real[k])) return false;
  return true;
}

static bool uniform(const OnnxTensor *t) {
  for (int64_t k = 1; k < t->count; k++)
    if (t->real[k] != t->real[0]) return false;
  return true;
}

/* A name that an exporter gave: val_12, onnx::Mul_43, /layer/Constant_output_0. */
static bool made_up(const char *name) {
  if (*name == '/' || !strncmp(name, "onnx::", 6)) return true;
  return !strncmp(name, "val_", 4) && name[4] && !name[4 + strspn(name + 4, "0123456789")];
}

static bool listed(const char *name, const char *const *of, uint32_t n) {
  for (uint32_t k = 0; k < n; k++)
    if (!strcmp(of[k], name)) return true;
  return false;
}

static bool learns(const OnnxGraph *g, const OnnxTensor *t) {
  if (!t->real || !t->count || !t->rank || t->rank > IR_MAX_RANK || !all_finite(t) || (made_up(t->name) && uniform(t)))
    return false;
  for (uint32_t k = 0; k < g->nnode; k++)
    for (uint32_t i = 0; i < g->node[k].nin; i++)
      if (g->node[k].in[i] == t->name && fixed_input(&g->node[k], i)) return false;
  return true;
}

/* As a part of a path: numbers of turns are behind `:`. */
static const char *path_name(Elab *E, const char *name) {
  char *s = arena_strdup(E->mem, name);
  for (char *c = s; *c; c++)
    if (*c == ':' || *c == ' ' || *c == '`') *c = '_';
  while (*s == '/') s++;
  return intern(E->m->names, *s ? s : "_");
}

/* What the paths of all parameters begin with, as those of a network that was exported here: it stays away. */
static void without_first(const OnnxNet *n, uint32_t count) {
  const char *first = NULL;
  size_t len = 0;
  for (uint32_t k = 0; k < count; k++) {
    const char *p = n->param[k], *slash = p ? strchr(p, '/') : NULL;
    if (!p) continue;
    if (!slash || !slash[1] || (first && ((size_t)(slash - p) != len || strncmp(p, first, len) != 0))) return;
    first = p, len = (size_t)(slash - p);
  }
  for (uint32_t k = 0; k < count; k++)
    if (n->param[k]) n->param[k] += len + 1;
}

static void warn_nan(Elab *E, const OnnxNet *n, const OnnxTensor *t, const char *what, Span at) {
  int64_t k = 0, bad = 0;
  for (int64_t i = 0; t->real && i < t->count; i++)
    if (isnan(t->real[i]) && !bad++) k = i;
  if (!bad) return;
  DiagMsg *m = elab_warn(E, CODE_nan, at, "%s `%s` has %lld NaN among its %lld numbers, the first is number %lld", what, t->name,
                         (long long)bad, (long long)t->count, (long long)k);
  elab_label(m, n->use, "in this network");
}

static void warn_nans(Elab *E, const OnnxNet *n, const OnnxGraph *g) {
  for (uint32_t k = 0; k < g->nweight; k++) warn_nan(E, n, &g->weight[k], "the weight", g->weight_at[k]);
  for (uint32_t k = 0; k < g->nnode; k++)
    for (uint32_t i = 0; i < g->node[k].nattr; i++) {
      const OnnxAttr *a = &g->node[k].attr[i];
      if (a->t) warn_nan(E, n, a->t, "the constant", g->node[k].at);
      if (a->g) warn_nans(E, n, a->g);
    }
}

void onnx_net_weights(Elab *E, OnnxNet *n, const char *const *learned, uint32_t nlearned) {
  const OnnxGraph *g = &n->file->graph;
  Index taken = {0};
  n->param = ARENA_ARRAY(E->mem, const char *, g->nweight + 1);
  for (uint32_t k = 0; k < g->nweight; k++) {
    const OnnxTensor *t = &g->weight[k];
    if (!learns(g, t) && !(t->real && t->count && t->rank <= IR_MAX_RANK && listed(t->name, learned, nlearned))) continue;
    n->param[k] = path_name(E, t->name);
    while (index_find(&taken, index_name(n->param[k]))) n->param[k] = intern(E->m->names, arena_printf(E->mem, "%s_", n->param[k]));
    index_put(&taken, index_name(n->param[k]), k);
  }
  index_free(&taken);
  without_first(n, g->nweight);
  warn_nans(E, n, g);
}

/* ---- the walk ------------------------------------------------------------------------------------------------------------ */

struct Walk {
  Elab *E;
  const OnnxNet *net;
  Index slot; /* by name */
  VEC(Operand) value;
  Index weight; /* by name: its number */
};

void onnx_walk_define(Walk *w, const char *name, Operand o) {
  index_put(&w->slot, index_name(name), w->value.n);
  *vec_push(&w->value) = o;
}

static bool weight(Walk *w, uint32_t k, Operand *out) {
  const OnnxGraph *g = &w->net->file->graph;
  const OnnxTensor *t = &g->weight[k];
  OnnxNode none = {.op = "a weight", .name = t->name, .domain = ""};
  Node x = {.E = w->E, .n = &none, .at = g->weight_at[k], .use = w->net->use};
  uint32_t dim[IR_MAX_RANK];
  if (!w->net->param[k]) {
    *out = operand_tensor(&x, t);
    return out->v.kind != V_POISON;
  }
  for (uint32_t d = 0; d < t->rank; d++) dim[d] = (uint32_t)t->dim[d];
  Val v;
  const Param start = {.type = type_real(false, (int)t->rank, dim), .init = INIT_VALUE, .values = t->real, .at = g->weight_at[k]};
  if (!node_fits(&x, t->rank, t->dim) || !elab_param_here(w->E, w->net->param[k], start, &v)) return false;
  *out = node_squeezed(&x, OPERAND_REAL, t->rank, t->dim, v);
  return true;
}

bool onnx_walk_find(Walk *w, const char *name, Operand *out) {
  const uint32_t *i = index_find(&w->slot, index_name(name)), *k = i ? NULL : index_find(&w->weight, index_name(name));
  if (i) return *out = w->value.at[*i], true;
  if (!k || !weight(w, *k, out)) return *out = operand_of(OPERAND_REAL, 0, NULL, POISON), k != NULL;
  onnx_walk_define(w, name, *out);
  return true;
}

/* Names that a graph in a node reads, those of its own too. */
static void read_inside(Index *read, const OnnxNode *n) {
  for (uint32_t k = 0; k < n->nattr; k++) {
    const OnnxGraph *g = n->attr[k].g;
    for (uint32_t i = 0; g && i < g->nout; i++) index_put(read, index_name(g->out[i].name), 1);
    for (uint32_t i = 0; g && i < g->nnode; i++) {
      for (uint32_t j = 0; j < g->node[i].nin; j++) index_put(read, index_name(g->node[i].in[j]), 1);
      read_inside(read, &g->node[i]);
    }
  }
}

/* Those that outputs follow from; nodes stand below what they read. */
static void mark(const OnnxGraph *g, bool *needed) {
  Index read = {0};
  for (uint32_t k = 0; k < g->nout; k++) index_put(&read, index_name(g->out[k].name), 1);
  for (uint32_t k = g->nnode; k-- > 0;) {
    const OnnxNode *n = &g->node[k];
    for (uint32_t i = 0; i < n->nout; i++) needed[k] |= index_find(&read, index_name(n->out[i])) != NULL;
    for (uint32_t i = 0; needed[k] && i < n->nin; i++) index_put(&read, index_name(n->in[i]), 1);
    if (needed[k]) read_inside(&read, n);
  }
  index_free(&read);
}

static bool node(Walk *w, const OnnxNode *n) {
  const uint32_t met = w->E->met;
  Node x = {.E = w->E,
            .n = n,
            .at = n->at,
            .use = w->net->use,
            .opset = w->net->file->opset,
            .batch = w->net->batch,
            .nin = n->nin,
            .nout = n->nout};
  Operand *in = ARENA_ARRAY(w->E->mem, Operand, n->nin + 4);
  x.in = in, x.out = ARENA_ARRAY(w->E->mem, Operand, n->nout + 1);
  for (uint32_t k = 0; k < n->nin; k++) {
    if (!*n->in[k]) continue;
    if (!onnx_walk_find(w, n->in[k], &in[k]))
      return node_error(&x, "`%s` reads `%s`, which no node above it computes", n->op, n->in[k]);
    if (in[k].v.kind == V_POISON) return false;
  }
  if (!elab_spend(w->E, 1)) return false;
  const bool good = onnx_control(n) ? onnx_control_run(w, &x) : node_row(&x);
  if (!good && w->E->met == met) x.failed = false, node_error(&x, "`%s` cannot be computed", n->op);
  for (uint32_t k = 0; good && k < n->nout; k++)
    if (x.out[k].kind != OPERAND_NONE && *n->out[k]) onnx_walk_define(w, n->out[k], x.out[k]);
  return good;
}

bool onnx_walk_graph(Walk *w, const OnnxGraph *g, Operand *out) {
  bool *needed = base_zeroed(g->nnode, sizeof *needed), good = true;
  mark(g, needed);
  for (uint32_t k = 0; good && k < g->nnode; k++) good = !needed[k] || node(w, &g->node[k]);
  base_free(needed);
  for (uint32_t k = 0; good && k < g->nout; k++) {
    if (onnx_walk_find(w, g->out[k].name, &out[k]) && out[k].kind != OPERAND_NONE) continue;
    elab_error(w->E, CODE_network, g->out[k].at, "no node computes the output `%s`", g->out[k].name);
    good = false;
  }
  return good;
}

static bool run(Walk *w, const OnnxGraph *g, const Operand *in, Operand *out) {
  for (uint32_t k = 0; k < g->nweight; k++) index_put(&w->weight, index_name(g->weight[k].name), k);
  for (uint32_t k = 0; k < w->net->nin; k++) onnx_walk_define(w, w->net->in[k].info->name, in[k]);
  if (!onnx_walk_graph(w, g, out)) return false;
  for (uint32_t k = 0; k < g->nout; k++) {
    if (out[k].v.kind == V_POISON) return false;
    if (out[k].v.kind != V_NONE) continue;
    elab_error(w->E, CODE_network, g->out[k].at, "the output `%s` has no elements", g->out[k].name);
    return false;
  }
  return true;
}

bool onnx_graph_run(Elab *E, const OnnxNet *n, const Operand *in, Operand *out) {
  Walk w = {.E = E, .net = n};
  const uint32_t met = E->met;
  const bool good = run(&w, &n->file->graph, in, out);
  if (!good && E->met == met) elab_error(E, CODE_network, n->use, "this network cannot be computed");
  vec_free(&w.value);
  index_free(&w.slot);
  index_free(&w.weight);
  return good;
}
