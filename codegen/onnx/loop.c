/* Loops. A scan is Scan: its carries are states, with one more for each sum; what the same is in all turns is seen from outside. A scan to
 * convergence is Loop, which ends when nothing moves. A body is a graph of its own. */
#include "codegen/onnx/onnx_priv.h"

#include <float.h>

/* A graph that is being written, and the nodes of the one around it. */
typedef struct Body {
  Proto graph, outer;
  const char **in, **out;
} Body;

static Body begin(Onnx *o, const Fn *f, const char *name) {
  Body b = {.outer = o->nodes,
            .in = ARENA_ARRAY(o->mem, const char *, f->in.n + 1),
            .out = ARENA_ARRAY(o->mem, const char *, f->out.n + 1)};
  o->nodes = (Proto){0};
  onnx_put_text(&b.graph, GRAPH_NAME, name);
  return b;
}

/* What leaves a body is the result of a node in it. */
static const char *leaving(Onnx *o, Body *b, const char *x, Type t) {
  const char *out = NODE(o, "Identity", x);
  onnx_value_info(o, &b->graph, GRAPH_OUTPUT, out, t);
  return out;
}

static void end(Onnx *o, Body *b) {
  onnx_put_raw(&b->graph, &o->nodes);
  onnx_proto_finish(&o->nodes);
  o->nodes = b->outer;
  onnx_attr_graph(o, "body", &b->graph);
}

static const char *entering(Onnx *o, Body *b, Type t) {
  const char *name = onnx_fresh(o);
  onnx_value_info(o, &b->graph, GRAPH_INPUT, name, t);
  return name;
}

/* ---- a given number of turns --------------------------------------------------------------------------------- */

/* Carries and sums, sequences, then what is the same in all turns: the body's graph, and the types of its results. */
static void scan_body(Onnx *o, const Scope *s, const Inst *i, const ScanShape *c, Type *sum) {
  const Fn *f = ir_body(s->f, i);
  const char **sums = ARENA_ARRAY(o->mem, const char *, c->zs + 1), *about = o->about;
  Body b = begin(o, f, f->name);
  for (uint32_t k = 0; k < c->carry; k++) b.in[k] = entering(o, &b, f->in.at[k].type);
  for (uint32_t k = 0; k < c->zs; k++) sums[k] = entering(o, &b, sum[k]);
  for (uint32_t k = c->carry; k < c->carry + c->xs; k++) b.in[k] = entering(o, &b, f->in.at[k].type);
  if (!c->xs) onnx_value_whole(&b.graph, GRAPH_INPUT, onnx_fresh(o), ONNX_FLOAT);
  for (uint32_t k = c->carry + c->xs; k < f->in.n; k++) b.in[k] = onnx_arg(s, i, k);
  onnx_walk(o, f, b.in, b.out);
  o->about = about;
  for (uint32_t k = 0; k < c->carry; k++) leaving(o, &b, b.out[k], f->in.at[k].type);
  for (uint32_t k = 0; k < c->zs; k++) {
    const char *more = NODE(o, "Add", sums[k], b.out[c->carry + c->ys + k]);
    leaving(o, &b, more, sum[k]);
  }
  for (uint32_t k = c->carry; k < c->carry + c->ys; k++) leaving(o, &b, b.out[k], ir_type(f, f->out.at[k]));
  end(o, &b);
}

static void axes_of(Onnx *o, const char *which, uint32_t n, const Type *t) {
  int64_t *axis = ARENA_ARRAY(o->mem, int64_t, n + 1);
  for (uint32_t k = 0; k < n; k++) axis[k] = t[k].lane;
  onnx_attr_list(o, which, n, axis);
}

static void directions(Onnx *o, const char *which, uint32_t n, bool reverse) {
  int64_t *way = ARENA_ARRAY(o->mem, int64_t, n + 1);
  for (uint32_t k = 0; k < n; k++) way[k] = reverse;
  onnx_attr_list(o, which, n, way);
}

static void turns(Onnx *o, const Scope *s, const Inst *i, const ScanShape *c, const char **result) {
  const Fn *f = ir_body(s->f, i);
  const uint32_t states = c->carry + c->zs, nin = states + (c->xs ? c->xs : 1), nout = states + c->ys;
  const char **in = ARENA_ARRAY(o->mem, const char *, nin), **out = ARENA_ARRAY(o->mem, const char *, nout + 1);
  Type *sum = ARENA_ARRAY(o->mem, Type, c->zs + 1), *seq = ARENA_ARRAY(o->mem, Type, c->xs + c->ys + 1);
  for (uint32_t k = 0; k < c->carry; k++) in[k] = onnx_arg(s, i, k);
  for (uint32_t k = 0; k < c->zs; k++) {
    sum[k] = ir_type(f, f->out.at[c->carry + c->ys + k]);
    Type dims = sum[k];
    dims.lane = 0;
    const char *zero = onnx_expand(o, onnx_real(o, 0), dims);
    in[c->carry + k] = sum[k].lane ? onnx_spread(o, zero, sum[k]) : zero;
  }
  for (uint32_t k = 0; k < c->xs; k++)
    in[states + k] = onnx_arg(s, i, c->carry + k), seq[k] = ir_type(s->f, ir_arg(s->f, i, c->carry + k));
  if (!c->xs) { /* a Scan counts its turns by what it scans */
    const int64_t n = c->n;
    const char *none = onnx_float(o, 0), *dims = onnx_wholes(o, 1, &n);
    in[states] = NODE(o, "Expand", none, dims);
    seq[0] = (Type){.rank = 1};
  }
  axes_of(o, "scan_input_axes", c->xs ? c->xs : 1, seq);
  directions(o, "scan_input_directions", c->xs ? c->xs : 1, c->reverse);
  for (uint32_t k = 0; k < c->ys; k++) seq[k] = ir_type(f, f->out.at[c->carry + k]);
  if (c->ys) axes_of(o, "scan_output_axes", c->ys, seq), directions(o, "scan_output_directions", c->ys, c->reverse);
  onnx_attr(o, "num_scan_inputs", c->xs ? c->xs : 1);
  Proto of_scan = o->attributes; /* of this node, not of those in its body */
  o->attributes = (Proto){0};
  scan_body(o, s, i, c, sum);
  onnx_put_raw(&of_scan, &o->attributes);
  onnx_proto_finish(&o->attributes);
  o->attributes = of_scan;
  for (uint32_t k = 0; k < nout; k++) out[k] = onnx_fresh(o);
  onnx_emit(o, "Scan", nin, in, nout, out);
  for (uint32_t k = 0; k < c->carry; k++) result[k] = out[k];
  for (uint32_t k = 0; k < c->ys; k++) result[c->carry + k] = out[states + k];
  for (uint32_t k = 0; k < c->zs; k++) result[c->carry + c->ys + k] = out[c->carry + k];
}

/* ---- to convergence ---------------------------------------------------------------------------------------------- */

static const char *largest(Onnx *o, const char *x) {
  onnx_attr(o, "keepdims", 0);
  return NODE(o, "ReduceMax", x);
}

/* Whether something is positive. */
static const char *positive(Onnx *o, const char *x, Type t) {
  const char *zero = onnx_real(o, 0), *most = t.lane ? largest(o, x) : x;
  return NODE(o, "Less", zero, most);
}

/* Whether a sample's carry moves by more than 4 ulp of its largest element. */
static const char *moves(Onnx *o, const char *was, const char *now, Type t) {
  const char *step = NODE(o, "Sub", now, was), *size = NODE(o, "Abs", now),
             *eps = onnx_real(o, 4 * (o->f64 ? DBL_EPSILON : FLT_EPSILON));
  step = NODE(o, "Abs", step);
  int64_t axes[IR_MAX_RANK];
  for (int k = 0; k < t.rank; k++) axes[k] = onnx_axis(t, k);
  if (t.rank) size = onnx_reduce(o, "ReduceMax", size, t.rank, axes, true);
  size = NODE(o, "Mul", eps, size);
  const char *far = NODE(o, "Less", size, step);
  onnx_attr(o, "to", ONNX_FLOAT);
  far = NODE(o, "Cast", far);
  far = largest(o, far);
  const char *none = onnx_float(o, 0);
  return NODE(o, "Less", none, far);
}

static void settling(Onnx *o, const Scope *s, const Inst *i, const ScanShape *c, const char **result) {
  const Fn *f = ir_body(s->f, i);
  const char **in = ARENA_ARRAY(o->mem, const char *, c->carry + 2), *about = o->about;
  in[0] = onnx_whole(o, c->n);
  for (uint32_t k = 0; k < c->carry; k++) in[2 + k] = onnx_arg(s, i, k);
  in[1] = c->converge == 2 ? positive(o, in[2], f->in.at[0].type) : onnx_table(o, (Type){.dt = DT_BOOL}, (const double[]){1});
  Body b = begin(o, f, f->name);
  onnx_value_whole(&b.graph, GRAPH_INPUT, onnx_fresh(o), ONNX_INT64);
  onnx_value_whole(&b.graph, GRAPH_INPUT, onnx_fresh(o), ONNX_BOOL);
  for (uint32_t k = 0; k < c->carry; k++) b.in[k] = entering(o, &b, f->in.at[k].type);
  for (uint32_t k = c->carry; k < f->in.n; k++) b.in[k] = onnx_arg(s, i, k);
  onnx_walk(o, f, b.in, b.out);
  o->about = about;
  const char *on = NULL;
  if (c->converge == 2) on = positive(o, b.out[0], f->in.at[0].type);
  for (uint32_t k = 0; k < c->carry && c->converge == 1; k++) {
    if (f->in.at[k].type.dt == DT_BOOL) continue;
    const char *more = moves(o, b.in[k], b.out[k], f->in.at[k].type);
    on = on ? NODE(o, "Or", on, more) : more;
  }
  leaving(o, &b, on, (Type){.dt = DT_BOOL});
  for (uint32_t k = 0; k < c->carry; k++) leaving(o, &b, b.out[k], f->in.at[k].type);
  end(o, &b);
  for (uint32_t k = 0; k < c->carry; k++) result[k] = onnx_fresh(o);
  onnx_emit(o, "Loop", c->carry + 2, in, c->carry, result);
}

/* ---- any ------------------------------------------------------------------------------------------------------------ */

void onnx_scan(Onnx *o, Scope *s, uint32_t id) {
  const Inst *i = &s->f->inst.at[id];
  const ScanShape c = ir_scan_shape(s->f, i);
  s->result[id] = ARENA_ARRAY(o->mem, const char *, c.carry + c.ys + c.zs + 1);
  if (c.converge) settling(o, s, i, &c, s->result[id]);
  else turns(o, s, i, &c, s->result[id]);
}
