/* The walk over a function, and the model around it. */
#include "codegen/onnx/onnx_priv.h"

#include <inttypes.h>
#include <string.h>

/* ---- operands --------------------------------------------------------------------------------------------------- */

const char *onnx_arg(const Scope *s, const Inst *i, uint32_t k) { return s->name[ir_arg(s->f, i, k).id]; }

const char *onnx_wide(Onnx *o, const Scope *s, const Inst *i, uint32_t k, Type to) {
  const Type t = ir_type(s->f, ir_arg(s->f, i, k));
  int64_t axes[IR_MAX_RANK];
  for (int d = 0; d < to.rank; d++) axes[d] = d + 1;
  return t.lane && !t.rank ? onnx_unsqueeze(o, onnx_arg(s, i, k), to.rank, axes) : onnx_arg(s, i, k);
}

/* ---- a function -------------------------------------------------------------------------------------------------- */

static const char *about(Onnx *o, const Inst *i) {
  char place[512];
  const char *role = i->role == ROLE_ADJOINT ? "adjoint of " : i->role == ROLE_TANGENT ? "tangent of " : "";
  const char *op = i->role == ROLE_PRIMAL ? ir_op[i->op].name : ir_op[i->of].name;
  if (!i->at.file || !o->m->src) return arena_printf(o->mem, "%s%s", role, op);
  return arena_printf(o->mem, "%s%s %s", role, op, source_where(o->m->src, i->at, place, sizeof place));
}

static void walk_inst(Onnx *o, Scope *s, uint32_t id) {
  const Inst *i = &s->f->inst.at[id];
  o->about = about(o, i);
  if (i->op == OP_scan) onnx_scan(o, s, id);
  else if (i->op == OP_proj) s->name[id] = s->result[ir_arg(s->f, i, 0).id][ir_number(s->f, i)];
  else s->name[id] = onnx_row(o, s, i);
}

void onnx_walk(Onnx *o, const Fn *f, const char *const *in, const char **out) {
  bool *live = ir_live(f);
  Scope s = {f, ARENA_ARRAY(o->mem, const char *, f->inst.n), ARENA_ARRAY(o->mem, const char **, f->inst.n)};
  for (uint32_t id = 1; id < f->inst.n; id++)
    if (f->inst.at[id].op == OP_in) s.name[id] = in[ir_number(f, &f->inst.at[id])];
    else if (live[id]) walk_inst(o, &s, id);
  for (uint32_t k = 0; k < f->out.n; k++) out[k] = s.name[f->out.at[k].id];
  base_free(live);
}

/* ---- the model ------------------------------------------------------------------------------------------------------ */

enum { IR_VERSION = 8 };               /* of ONNX, with opset 18 */
static const size_t most = 2000000000; /* bytes of a message */

/* Whether somebody else is called so. */
static bool taken(const Fn *f, const char *name) {
  for (uint32_t k = 0; k < f->in.n; k++)
    if (f->in.at[k].kind == IN_FIELD && !strcmp(f->in.at[k].name, name)) return true;
  for (uint32_t k = 0; k < f->out.n; k++)
    if (!strcmp(f->outname.at[k], name)) return true;
  return false;
}

/* 1/B for each sample. */
static const char *weight(Onnx *o) {
  const char *batch = onnx_batch(o);
  onnx_attr(o, "to", o->f64 ? ONNX_DOUBLE : ONNX_FLOAT);
  const char *count = NODE(o, "Cast", batch), *one = NODE(o, "Reciprocal", count);
  return NODE(o, "Expand", one, batch);
}

static const char *input(Onnx *o, Proto *graph, const Input *in) {
  const char *name = in->name;
  if (in->kind == IN_WEIGHT) return weight(o);
  if (in->kind == IN_FIELD) {
    onnx_value_info(o, graph, GRAPH_INPUT, name, in->type);
  } else {
    while (taken(o->m->fn, name)) name = arena_printf(o->mem, "%s.", name);
    onnx_param(o, name, in->type, o->m->param[in->index]);
  }
  return name;
}

static const char *count_samples(Onnx *o) {
  const Fn *f = o->m->fn;
  for (uint32_t k = 0; k < f->in.n; k++) {
    if (!f->in.at[k].type.lane || f->in.at[k].kind != IN_FIELD) continue;
    o->about = "samples";
    onnx_attr(o, "start", 0);
    onnx_attr(o, "end", 1);
    return NODE(o, "Shape", f->in.at[k].name);
  }
  return NULL;
}

static void put_graph(Onnx *o, Proto *graph) {
  const Fn *f = o->m->fn;
  const char **in = ARENA_ARRAY(o->mem, const char *, f->in.n + 1), **out = ARENA_ARRAY(o->mem, const char *, f->out.n + 1);
  onnx_put_text(graph, GRAPH_NAME, o->m->name);
  o->batch = count_samples(o);
  Proto samples = o->nodes;
  o->nodes = (Proto){0};
  o->about = "input";
  for (uint32_t k = 0; k < f->in.n; k++) in[k] = input(o, graph, &f->in.at[k]);
  onnx_walk(o, f, in, out);
  o->about = "result";
  for (uint32_t k = 0; k < f->out.n; k++) {
    onnx_emit(o, "Identity", 1, &out[k], 1, &f->outname.at[k]);
    onnx_value_info(o, graph, GRAPH_OUTPUT, f->outname.at[k], ir_type(f, f->out.at[k]));
  }
  if (o->batch_read) onnx_put_raw(graph, &samples);
  onnx_put_raw(graph, &o->nodes);
  onnx_put_raw(graph, &o->initializers);
  onnx_proto_finish(&samples);
}

static void put_model(Onnx *o, Proto *graph, Proto *model) {
  Proto opset = {0};
  onnx_put_whole(model, MODEL_IR, IR_VERSION);
  onnx_put_text(model, MODEL_PRODUCER, "hnnc");
  onnx_put_text(model, MODEL_VERSION, o->m->version);
  onnx_put_message(model, MODEL_GRAPH, graph);
  onnx_put_text(&opset, OPSET_DOMAIN, "");
  onnx_put_whole(&opset, OPSET_VERSION, ONNX_OPSET);
  onnx_put_message(model, MODEL_OPSET, &opset);
  for (uint32_t k = 0; k < o->m->nentry; k++) {
    Proto entry = {0};
    onnx_put_text(&entry, ENTRY_KEY, o->m->entry[k].key);
    onnx_put_text(&entry, ENTRY_VALUE, o->m->entry[k].value);
    onnx_put_message(model, MODEL_ENTRY, &entry);
  }
}

size_t onnx_write(FILE *out, const OnnxModel *m, Diag *diag) {
  Onnx o = {.m = m, .mem = arena_create(), .names = intern_create(), .f64 = m->fn->f64 != FN_F32, .about = ""};
  Proto graph = {0}, model = {0};
  put_graph(&o, &graph);
  put_model(&o, &graph, &model);
  size_t size = model.n;
  if (size > most) diag_add(diag, CODE_onnx, (Span){0}, "an ONNX file of %zu bytes: protocol buffers hold 2 GB", size), size = 0;
  fwrite(model.at, 1, size, out);
  onnx_proto_finish(&model);
  onnx_proto_finish(&o.nodes);
  onnx_proto_finish(&o.initializers);
  index_free(&o.made);
  intern_destroy(o.names);
  arena_destroy(o.mem);
  return size;
}
