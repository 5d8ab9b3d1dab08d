/* A function as a graphviz graph: instructions are nodes, sub-functions clusters, constants small. */
#include "ir/ir.h"

#include <inttypes.h>
#include <string.h>

static void escaped(FILE *out, const char *s) {
  for (; s && *s; s++) {
    if (*s == '"' || *s == '\\') fputc('\\', out);
    fputc((unsigned char)*s < 0x20 ? ' ' : *s, out);
  }
}

static void node(FILE *out, const Fn *f, const char *prefix, uint32_t id) {
  const Inst *i = &f->inst.at[id];
  char buf[128];
  fprintf(out, "  %s_%u [label=\"", prefix, id);
  if (i->op == OP_in) {
    escaped(out, f->in.at[ir_number(f, i)].name);
  } else if (i->op == OP_const) {
    double v;
    int64_t bits = ir_const_attr(f, i).bits;
    memcpy(&v, &bits, sizeof v);
    fprintf(out, "%g", base_shown(v));
  } else {
    fputs(ir_op[i->op].name, out);
    if (i->op == OP_proj) fprintf(out, " %" PRIu32, ir_number(f, i));
  }
  if (i->type.dt != DT_MULTI) fprintf(out, "\\n%s", type_text(i->type, f->f64, buf, sizeof buf));
  const char *colour = i->role == ROLE_ADJOINT ? "mistyrose" : i->role == ROLE_TANGENT ? "lightcyan" : "white";
  fprintf(out, "\", shape=%s, style=filled, fillcolor=%s];\n", i->op == OP_in || i->op == OP_const ? "ellipse" : "box", colour);
}

static void graph(FILE *out, const Fn *f, const char *prefix) {
  for (uint32_t id = 1; id < f->inst.n; id++) {
    const Inst *i = &f->inst.at[id];
    node(out, f, prefix, id);
    for (uint32_t k = 0; k < i->nargs; k++) fprintf(out, "  %s_%u -> %s_%u;\n", prefix, ir_arg(f, i, k).id, prefix, id);
    if (!i->sub) continue;
    char inner[256];
    snprintf(inner, sizeof inner, "%.200s_%u", prefix, id);
    fprintf(out, "  subgraph cluster_%s {\n  label=\"@", inner);
    escaped(out, ir_body(f, i)->name);
    fputs("\";\n", out);
    graph(out, ir_body(f, i), inner);
    fprintf(out, "  }\n");
  }
  for (uint32_t k = 0; k < f->out.n; k++) {
    fprintf(out, "  %s_out%u [label=\"", prefix, k);
    escaped(out, k < f->outname.n && f->outname.at[k] ? f->outname.at[k] : "result");
    fprintf(out, "\", shape=ellipse, penwidth=2];\n  %s_%u -> %s_out%u;\n", prefix, f->out.at[k].id, prefix, k);
  }
}

void ir_dot_graph(FILE *out, const Fn *f) {
  fputs("digraph \"", out);
  escaped(out, f->name);
  fputs("\" {\n  node [fontname=\"Helvetica\", fontsize=10];\n", out);
  graph(out, f, "v");
  fputs("}\n", out);
}

bool ir_holds(const Fn *f, unsigned traits, Op op) {
  for (uint32_t id = 1; id < f->inst.n; id++) {
    const Inst *i = &f->inst.at[id];
    if (i->op == op || ir_has(i->op, traits) || (i->sub && ir_holds(ir_body(f, i), traits, op))) return true;
  }
  return false;
}
