/* The instance: what its arguments are, and its value at them.
 *
 * A graph has an axis of samples, and functions of the language are of one sample: it is elaborated for a batch of one. The axis is the
 * one without a size, or the first. Weights are parameters, under their names in the file. */
#include "frontend/onnx/net_priv.h"
#include "ir/base/onnx.h"

#include <string.h>

/* ---- options ---------------------------------------------------------------------------------------------------------- */

typedef struct Options {
  const char *path;
  Span path_at;
  const Actual *batch; /* true or false */
  const Actuals *all;
  const char **learned;
  uint32_t nlearned;
} Options;

/* The size that axes of this name are given. */
static const Actual *size_given(const Options *o, const char *called) {
  for (uint32_t k = 1; called && k < o->all->n; k++)
    if (o->all->at[k].name && !strcmp(o->all->at[k].name, called) && o->all->at[k].v.kind == V_NUM) return &o->all->at[k];
  return NULL;
}

static bool axis_called(const OnnxGraph *g, const char *name) {
  for (uint32_t k = 0; k < g->nin; k++)
    for (uint32_t d = 0; d < g->in[k].rank; d++)
      if (g->in[k].called[d] && !strcmp(g->in[k].called[d], name)) return true;
  return false;
}

static bool learned(Elab *E, Options *o, const OnnxGraph *g, const Actual *a) {
  const Value *at = a->v.kind == V_LIST ? a->v.list.at : &a->v;
  o->nlearned = a->v.kind == V_LIST ? a->v.list.n : 1;
  o->learned = ARENA_ARRAY(E->mem, const char *, o->nlearned + 1);
  for (uint32_t k = 0; k < o->nlearned; k++) {
    bool there = false;
    if (at[k].kind != V_STRING) {
      elab_help(
          elab_error(E, CODE_wrong_kind, a->at, "`weights` must be a list of names in the file, found %s", value_kind(E, at[k])),
          "write `weights = [\"scale\"]`");
      return false;
    }
    o->learned[k] = at[k].string;
    for (uint32_t i = 0; i < g->nweight; i++) there |= g->weight[i].real && !strcmp(g->weight[i].name, at[k].string);
    if (there) continue;
    const char **known = ARENA_ARRAY(E->mem, const char *, g->nweight + 1);
    for (uint32_t i = 0; i < g->nweight; i++) known[i] = g->weight[i].name;
    elab_suggest(elab_error(E, CODE_network, a->at, "`%s` has no weight `%s`", o->path, at[k].string), at[k].string, known,
                 g->nweight);
    return false;
  }
  return true;
}

/* What follows the path. */
static bool options(Elab *E, Options *o, const OnnxGraph *g) {
  for (uint32_t k = 1; k < o->all->n; k++) {
    const Actual *a = &o->all->at[k];
    if (!a->name) {
      elab_help(elab_error(E, CODE_argument_count, a->at, "`onnx` takes a path, and then options by name"),
                "write `onnx(\"energy.onnx\", batch = false)`");
      return false;
    }
    if (!strcmp(a->name, "weights")) {
      if (!learned(E, o, g, a)) return false;
    } else if (!strcmp(a->name, "batch") && a->v.kind == V_BOOL) o->batch = a;
    else if (axis_called(g, a->name)) {
      int64_t n;
      if (!need_int(E, a, arena_printf(E->mem, "the size of the axis `%s`", a->name), &n)) return false;
      if (n < 1 || n > ELAB_TENSOR)
        return elab_error(E, CODE_out_of_range, a->at, "a size must be an integer from 1 to %d, found %lld", (int)ELAB_TENSOR,
                          (long long)n),
               false;
    } else {
      DiagMsg *m = elab_error(E, CODE_unknown_option, a->name_at, "`onnx` has no option `%s`, and `%s` has no axis of that name",
                              a->name, o->path);
      elab_help(m, "options: `batch = false` treats all axes as those of one sample; `weights = [\"a\"]` makes scalars trainable; "
                   "the name of an axis sets its size");
      return false;
    }
  }
  return true;
}

/* ---- inputs ------------------------------------------------------------------------------------------------------------ */

static bool is_weight(const OnnxGraph *g, const char *name) {
  for (uint32_t k = 0; k < g->nweight; k++)
    if (g->weight[k].name == name) return true;
  return false;
}

/* An axis without a size that is none of the samples. */
static bool no_size(Elab *E, const OnnxNet *n, const OnnxInfo *x, uint32_t axis) {
  const char *called = x->called[axis];
  DiagMsg *m = elab_error(E, CODE_network, n->use, "axis %u of the input `%s` has no size", axis, x->name);
  elab_label(m, x->at, "this input");
  if (called) elab_help(m, "set it: `onnx(\"...\", %s = 16)`", called);
  else elab_help(m, "export the network with a size for it");
  return false;
}

/* Sizes of open axes. The first of them that is given none is that of the samples. */
static bool open_axes(Elab *E, OnnxNet *n, const Options *o) {
  bool any = false;
  for (uint32_t k = 0; k < n->nin; k++) {
    OnnxInput *in = &n->in[k];
    for (uint32_t d = 0; d < in->info->rank; d++) {
      const char *called = in->info->called[d];
      const Actual *given = size_given(o, called);
      if (in->info->dim[d]) continue;
      if (given) {
        in->dim[d] = given->v.num.num;
        continue;
      }
      const bool same = any && (called ? n->batch_name && !strcmp(called, n->batch_name) : d == 0);
      if ((any && !same) || in->batch >= 0 || (o->batch && !o->batch->v.b)) return no_size(E, n, in->info, d);
      if (!any) n->batch_name = called;
      any = true;
      in->batch = (int)d, in->dim[d] = 1;
    }
  }
  n->batched = any;
  return true;
}

/* All sizes are known: the first axis is that of the samples where all inputs have further ones, and agree in it, and it was not given one here. */
static bool first_axes(Elab *E, OnnxNet *n, const Options *o) {
  bool first = true;
  for (uint32_t k = 0; k < n->nin; k++) {
    const OnnxInfo *x = n->in[k].info;
    first &= x->rank >= 2 && x->dim[0] && x->dim[0] == n->in[0].info->dim[0];
    if (o->batch && o->batch->v.b && x->rank == 0)
      return elab_error(E, CODE_network, o->batch->at, "the input `%s` is a scalar, without an axis of samples", x->name), false;
  }
  n->batched = o->batch ? o->batch->v.b : first;
  for (uint32_t k = 0; n->batched && k < n->nin; k++) {
    if (k == 0) n->batch = n->in[k].dim[0];
    n->in[k].batch = 0, n->in[k].dim[0] = 1;
  }
  return true;
}

static bool inputs(Elab *E, OnnxNet *n, const Options *o) {
  const OnnxGraph *g = &n->file->graph;
  n->in = ARENA_ARRAY(E->mem, OnnxInput, g->nin + 1);
  for (uint32_t k = 0; k < g->nin; k++) {
    const OnnxInfo *x = &g->in[k];
    if (is_weight(g, x->name)) continue;
    if (!x->shaped || !x->type || x->type == ONNX_STRING || x->type > ONNX_BFLOAT16) {
      elab_label(elab_error(E, CODE_network, n->use, "the input `%s` is not a tensor of numbers with a shape", x->name), x->at,
                 "this input");
      return false;
    }
    OnnxInput *in = &n->in[n->nin++];
    *in = (OnnxInput){.info = x, .batch = -1};
    memcpy(in->dim, x->dim, sizeof in->dim);
  }
  if (!n->nin || !g->nout) return elab_error(E, CODE_network, n->use, "`%s` has no inputs, or no outputs", o->path), false;
  if (!open_axes(E, n, o)) return false;
  return n->batched || first_axes(E, n, o);
}

/* ---- the definition that it is ------------------------------------------------------------------------------------------------ */

static const char *identifier(Elab *E, const char *name) {
  char *s = arena_printf(E->mem, "%s%s", *name && (*name < '0' || *name > '9') ? "" : "x", name);
  for (char *c = s; *c; c++)
    if (!((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9') || (*c & 0x80))) *c = '_';
  return intern(E->m->names, s);
}

static Arg *dimension(Elab *E, int64_t n, Span at) {
  Arg *a = ARENA_NEW(E->mem, Arg);
  Expr *e = ARENA_NEW(E->mem, Expr);
  *e = (Expr){.kind = EX_NUMBER, .at = at, .value = (double)n, .num = n, .den = 1, .integer = true};
  *a = (Arg){.value = e};
  return a;
}

static Formal *formal(Elab *E, const OnnxInput *in) {
  Formal *f = ARENA_NEW(E->mem, Formal);
  TypeExpr *t = ARENA_NEW(E->mem, TypeExpr);
  *t = (TypeExpr){.at = in->info->at, .base = intern(E->m->names, "real")};
  Arg **end = &t->dims;
  for (uint32_t d = 0; d < in->info->rank; d++) {
    if ((int)d == in->batch) continue;
    *end = dimension(E, in->dim[d], in->info->at);
    end = &(*end)->next, t->ndims++;
  }
  *f = (Formal){.name = identifier(E, in->info->name), .at = in->info->at, .type = t};
  return f;
}

static Func *definition(Elab *E, OnnxNet *n, const Options *o, const char *name) {
  const char *slash = strrchr(o->path, '/'), *base = slash ? slash + 1 : o->path, *dot = strchr(base, '.');
  const char *own = identifier(E, arena_strndup(E->mem, base, dot ? (size_t)(dot - base) : strlen(base)));
  Item *it = ARENA_NEW(E->mem, Item);
  *it = (Item){.kind = IT_NET, .name = name ? name : own, .name_at = o->path_at, .at = n->use};
  Formal **end = &it->formals;
  for (uint32_t k = 0; k < n->nin; k++) {
    *end = formal(E, &n->in[k]);
    for (const Formal *f = it->formals; f != *end; f = f->next)
      while (f->name == (*end)->name) (*end)->name = intern(E->m->names, arena_printf(E->mem, "%s_", (*end)->name));
    end = &(*end)->next;
  }
  Global *g = ARENA_NEW(E->mem, Global);
  Func *f = ARENA_NEW(E->mem, Func);
  *g = (Global){.name = it->name, .item = it, .module = E->now->frame->module, .state = G_DONE};
  *f = (Func){.kind = F_USER, .name = it->name, .item = it, .module = g->module, .global = g, .bound = true, .onnx = n};
  g->v = value_func(f);
  return f;
}

Value onnx_net_use(Elab *E, const Actuals *a, const char *name) {
  Options o = {.all = a};
  for (uint32_t k = 0; k < a->n; k++)
    if (a->at[k].v.kind == V_POISON) return POISON;
  if (!a->n || a->at[0].name) {
    elab_help(elab_error(E, CODE_missing_argument, a->call, "`onnx` needs the path of a file first"),
              "write `use energy = onnx(\"energy.onnx\")`");
    return POISON;
  }
  if (!need_string(E, &a->at[0], "a path", &o.path)) return POISON;
  o.path_at = a->at[0].at;
  OnnxFile *file = onnx_net_file(E, o.path, o.path_at);
  OnnxNet *n = ARENA_NEW(E->mem, OnnxNet);
  if (!file) return POISON;
  *n = (OnnxNet){.file = file, .use = a->call};
  if (!options(E, &o, &file->graph) || !inputs(E, n, &o)) return POISON;
  onnx_net_weights(E, n, o.learned, o.nlearned);
  return instance_own(E, definition(E, n, &o, name), name, a->call);
}

/* ---- its value ----------------------------------------------------------------------------------------------------------------- */

/* Without the axis of the samples: that of this name, or else the first, if it is 1 long. */
static Value result(Elab *E, const OnnxNet *n, const OnnxInfo *info, const Operand *o) {
  uint32_t dim[IR_MAX_RANK], rank = 0;
  int batch = -1;
  for (uint32_t d = 0; n->batched && n->batch_name && info->rank == o->rank && d < o->rank; d++)
    if (info->called[d] == n->batch_name && o->dim[d] == 1) batch = (int)d;
  if (n->batched && batch < 0 && o->rank && o->dim[0] == 1) batch = 0;
  for (uint32_t d = 0; d < o->rank; d++) {
    if ((int)d == batch) continue;
    if (rank == IR_MAX_RANK) return elab_error(E, CODE_too_large, info->at, "a tensor has at most %d axes", IR_MAX_RANK), POISON;
    dim[rank++] = (uint32_t)o->dim[d];
  }
  const Value v = o->v.kind == V_TENSOR && o->kind == OPERAND_TRUTH ? elab_as_numbers(E, o->v) : o->v;
  const Val t = elab_tensor(E, v, info->at);
  return elab_value(E, ir_reshape(elab_at(E, info->at), t, (int)rank, dim));
}

Value onnx_net_body(Elab *E, const Func *f) {
  const OnnxNet *n = f->onnx;
  const OnnxGraph *g = &n->file->graph;
  Operand *in = ARENA_ARRAY(E->mem, Operand, n->nin + 1), *out = ARENA_ARRAY(E->mem, Operand, g->nout + 1);
  const Formal *x = f->item->formals;
  for (uint32_t k = 0; k < n->nin; k++, x = x->next) {
    const OnnxInfo *info = n->in[k].info;
    OnnxNode none = {.op = "an input", .name = info->name, .domain = ""};
    Node node = {.E = E, .n = &none, .at = info->at, .use = n->use};
    const Value v = frame_find(E->now->frame, x->name)->v;
    if (v.kind == V_POISON) return POISON;
    const bool real =
        info->type == ONNX_FLOAT || info->type == ONNX_DOUBLE || info->type == ONNX_FLOAT16 || info->type == ONNX_BFLOAT16;
    const OperandKind kind = real ? OPERAND_REAL : info->type == ONNX_BOOL ? OPERAND_TRUTH : OPERAND_WHOLE;
    if (!node_fits(&node, info->rank, n->in[k].dim)) return POISON;
    in[k] = node_squeezed(&node, kind, info->rank, n->in[k].dim, elab_tensor(E, v, info->at));
  }
  if (!onnx_graph_run(E, n, in, out)) return POISON;
  Value *r = ARENA_ARRAY(E->mem, Value, g->nout + 1);
  for (uint32_t k = 0; k < g->nout; k++)
    if ((r[k] = result(E, n, &g->out[k], &out[k])).kind == V_POISON) return POISON;
  return value_tuple(E, r, g->nout);
}

Value bi_onnx(Elab *E, const Builtin *b, Actuals *a) {
  (void)b;
  return onnx_net_use(E, a, NULL);
}
