/* The text form of a function.
 *
 *   fn f64 @energy("dense.0/W" param 0: f64[200,2], "q" field 0: f64[B,2]) {
 *     table 0 : f64[2] = [0, 1.5]
 *     %1 = in {index=0} : f64[200,2]
 *     %3 = dot %1, %2 {ab,b->a} : f64[B,200]            # kepler.hnn:50:11
 *     sub 1 @turn("h" state 0: f64[B,200]) {
 *       ...
 *     }
 *     %9 = scan %3 {n=4, carry=1, xs=0, ys=0, zs=0, reverse=0, converge=0} @1 : (f64[B,200])
 *     return %10 "loss"
 *   }
 *
 * Ids are consecutive from 1. A sub-function stands before its first user and takes the precision of
 * its parent. Attributes carry the names of ops.def, lists in [ ]; three have a form of their own:
 * a `const` is `1/3` (exact), `~0.1` (only the f64 is known) or `1/3 = 0.34` (a value that is not the
 * nearest to its rational); a `dot` is its einsum, `+lanes` when it sums over the samples; `method`
 * and `cause` are names and rtol, atol are reals. `{name=number}` is accepted for all of them and printed when
 * the short form could not say the same. Comments run from # to the end of the line. */
#include "ir/text/text_priv.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct Printer {
  FILE *out;
  const Source *src;
  IrNote note;
  void *ctx;
  int indent;
} Printer;

const char *const ir_in_kind[IN_OTHER + 1] = {"param", "field", "weight", "scalar", "state", "index", "other"};

bool ir_well_formed(const Fn *f, const Inst *i) {
  if (i->op == OP_none || i->op >= OP_count) return false;
  if ((uint64_t)i->args + i->nargs > f->pool.n || (uint64_t)i->attr + i->nattr > f->attr.n) return false;
  if (i->sub > f->sub.n || (i->sub != 0) != ir_op[i->op].has_sub) return false;
  if (ir_op[i->op].arity >= 0 && i->nargs != (uint32_t)ir_op[i->op].arity) return false;
  uint32_t n = ir_op[i->op].nattr;
  return ir_op[i->op].list ? i->nattr >= n : i->nattr == n;
}

static void indent(FILE *out, int n) { fprintf(out, "%*s", 2 * n, ""); }

static void print_string(FILE *out, const char *s) {
  fputc('"', out);
  for (; s && *s; s++) {
    unsigned char c = (unsigned char)*s;
    if (c == '"' || c == '\\') fprintf(out, "\\%c", c);
    else if (c < 0x20 || c == 0x7f) fprintf(out, "\\x%02x", c);
    else fputc(c, out);
  }
  fputc('"', out);
}

static void print_name(FILE *out, const char *s) {
  static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.";
  fputc('@', out);
  if (s && *s && s[strspn(s, plain)] == 0) fputs(s, out);
  else print_string(out, s);
}

/* The shortest decimal that reads back as v. */
static void print_real(FILE *out, double v) {
  uint64_t bits;
  memcpy(&bits, &v, sizeof bits);
  if (isnan(v)) {
    if (bits == UINT64_C(0x7ff8000000000000)) fputs("nan", out);
    else fprintf(out, "nan(0x%016" PRIx64 ")", bits);
    return;
  }
  char buf[40];
  for (int digits = 15; digits <= 17; digits++) {
    snprintf(buf, sizeof buf, "%.*g", digits, v);
    if (strtod(buf, NULL) == v) break;
  }
  fputs(buf, out);
}

static void print_type(FILE *out, Type t, bool f64) {
  char buf[128];
  fputs(t.rank <= IR_MAX_RANK ? type_text(t, f64, buf, sizeof buf) : "?", out);
}

static void print_result_type(FILE *out, const Fn *f, const Inst *i) {
  if (i->type.dt != DT_MULTI) {
    print_type(out, i->type, f->f64);
    return;
  }
  uint32_t n = ir_well_formed(f, i) ? ir_result_count(f, i) : 0;
  fputc('(', out);
  for (uint32_t k = 0; k < n; k++) {
    Type t;
    if (k) fputs(", ", out);
    if (ir_result_type(f, i, k, &t)) print_type(out, t, f->f64);
    else fputc('?', out);
  }
  fputc(')', out);
}

/* ---- attributes ---- */

static bool print_const(FILE *out, const int64_t *a, uint32_t n) {
  double v;
  if (n != 3) return false;
  memcpy(&v, &a[0], sizeof v);
  if (a[2] == 0 && a[1] == 0) {
    fputs(" {~", out);
    print_real(out, v);
  } else if (a[2] > 0) {
    double nearest = (double)a[1] / (double)a[2];
    fprintf(out, " {%" PRId64, a[1]);
    if (a[2] != 1) fprintf(out, "/%" PRId64, a[2]);
    if (memcmp(&nearest, &v, sizeof v)) {
      fputs(" = ", out);
      print_real(out, v);
    }
  } else {
    return false;
  }
  fputc('}', out);
  return true;
}

static bool print_einsum(FILE *out, const int64_t *a, uint32_t n) {
  if (n < 3 || a[0] < 0 || a[0] > 1 || a[1] < 0 || a[2] < 0 || a[1] > n || a[2] > n || a[1] + a[2] > n - 3) return false;
  for (uint32_t k = 3; k < n; k++)
    if (a[k] < 0 || a[k] >= 26) return false;
  fputs(" {", out);
  for (uint32_t k = 3; k <= n; k++) {
    if (k - 3 == a[1]) fputc(',', out);
    if (k - 3 == a[1] + a[2]) fputs("->", out);
    if (k < n) fputc('a' + (int)a[k], out);
  }
  fputs(a[0] ? " +lanes}" : "}", out);
  return true;
}

static bool attr_is(const char *name, size_t len, const char *what) { return strlen(what) == len && !memcmp(name, what, len); }

static void print_attr(FILE *out, const char *name, size_t len, int64_t a) {
  if (attr_is(name, len, "method") && a >= 0 && a < M_count) {
    fputs(ir_method[a].name, out);
  } else if (attr_is(name, len, "cause") && a >= 0 && a < CAUSE_count) {
    fputs(ir_cause[a], out);
  } else if (attr_is(name, len, "rtol") || attr_is(name, len, "atol")) {
    double v;
    memcpy(&v, &a, sizeof v);
    fputc('~', out);
    print_real(out, v);
  } else {
    fprintf(out, "%" PRId64, a);
  }
}

static void print_attrs(FILE *out, const Fn *f, const Inst *i) {
  if (!i->nattr || (uint64_t)i->attr + i->nattr > f->attr.n) return;
  const int64_t *a = &f->attr.at[i->attr];
  if (i->op == OP_const && print_const(out, a, i->nattr)) return;
  if (i->op == OP_dot && print_einsum(out, a, i->nattr)) return;
  fputs(" {", out);
  for (uint32_t k = 0; k < i->nattr;) {
    size_t len = 0;
    bool list = false;
    const char *name = ir_attr_name((Op)i->op, k, &len, &list);
    if (k) fputs(", ", out);
    if (!name) fprintf(out, "?=%" PRId64, a[k++]);
    if (!name) continue;
    fprintf(out, "%.*s=", (int)len, name);
    if (!list) {
      print_attr(out, name, len, a[k++]);
      continue;
    }
    fputc('[', out);
    for (bool first = true; k < i->nattr; k++, first = false) fprintf(out, "%s%" PRId64, first ? "" : ",", a[k]);
    fputc(']', out);
  }
  /* An empty list has no attribute to hang on: it is printed as nothing and read back as nothing. */
  fputc('}', out);
}

/* ---- lines ---- */

static const char *input_name(const Fn *f, const Inst *i) {
  bool known = i->op == OP_in && ir_well_formed(f, i) && ir_in_attr(f, i).index >= 0 && ir_in_attr(f, i).index < f->in.n;
  return known ? f->in.at[ir_in_attr(f, i).index].name : NULL;
}

static void print_comment(Printer *p, const Fn *f, const Inst *i, long column) {
  static const char *const role[] = {"", "adjoint", "tangent"};
  char buf[256];
  const char *input = input_name(f, i);
  bool place = p->src && i->at.file, derived = i->role == ROLE_ADJOINT || i->role == ROLE_TANGENT;
  if (!p->src || (!place && !derived && !input)) return;
  fprintf(p->out, "%*s # ", column < 72 ? (int)(72 - column) : 0, "");
  if (input) {
    print_string(p->out, input);
    if (place || derived) fputs(", ", p->out);
  }
  if (place) fputs(source_where(p->src, i->at, buf, sizeof buf), p->out);
  if (derived) fprintf(p->out, "%s%s of %s", place ? ", " : "", role[i->role], i->of < OP_count ? ir_op[i->of].name : "?");
}

static void print_inst(Printer *p, const Fn *f, uint32_t id) {
  const Inst *i = &f->inst.at[id];
  char *text = NULL;
  size_t size = 0;
  FILE *line = open_memstream(&text, &size);
  if (!line) base_fault("out of memory");
  fprintf(line, "%%%u = %s", id, i->op < OP_count && i->op ? ir_op[i->op].name : "?");
  for (uint32_t k = 0; k < i->nargs && (uint64_t)i->args + k < f->pool.n; k++)
    fprintf(line, "%s%%%u", k ? ", " : " ", ir_arg(f, i, k).id);
  if (i->op < OP_count) print_attrs(line, f, i);
  if (i->sub) fprintf(line, " @%u", i->sub);
  fputs(" : ", line);
  print_result_type(line, f, i);
  fclose(line);
  indent(p->out, p->indent);
  fputs(text, p->out);
  print_comment(p, f, i, (long)size + 2 * p->indent);
  fputc('\n', p->out);
  free(text);
}

static void print_table(Printer *p, const Fn *f, uint32_t k) {
  const Table *t = &f->table.at[k];
  indent(p->out, p->indent);
  fprintf(p->out, "table %u : ", k);
  print_type(p->out, t->type, f->f64);
  fputs(" = [", p->out);
  int64_t n = type_count(t->type);
  for (int64_t e = 0; e < n; e++) {
    if (e) fputs(", ", p->out);
    print_real(p->out, t->v[e]);
  }
  fputs("]\n", p->out);
}

static void print_inputs(Printer *p, const Fn *f) {
  fputc('(', p->out);
  for (uint32_t k = 0; k < f->in.n; k++) {
    const Input *in = &f->in.at[k];
    if (k) fputs(", ", p->out);
    print_string(p->out, in->name);
    fprintf(p->out, " %s %u: ", in->kind <= IN_OTHER ? ir_in_kind[in->kind] : "?", in->index);
    print_type(p->out, in->type, f->f64);
  }
  fputs(") {\n", p->out);
}

static void print_outputs(Printer *p, const Fn *f) {
  indent(p->out, p->indent);
  fputs("return", p->out);
  for (uint32_t k = 0; k < f->out.n; k++) {
    fprintf(p->out, "%s%%%u", k ? ", " : " ", f->out.at[k].id);
    if (k < f->outname.n && f->outname.at[k]) fputc(' ', p->out), print_string(p->out, f->outname.at[k]);
  }
  fputc('\n', p->out);
}

static void print_body(Printer *p, const Fn *f);

static void print_sub(Printer *p, const Fn *f, uint32_t k) {
  const Fn *sub = f->sub.at[k];
  indent(p->out, p->indent);
  fprintf(p->out, "sub %u ", k + 1);
  print_name(p->out, sub->name);
  print_body(p, sub);
}

static void note(Printer *p, const Fn *f, uint32_t id) {
  if (p->note) p->note(p->ctx, p->out, f, id, p->indent);
}

static void print_body(Printer *p, const Fn *f) {
  print_inputs(p, f);
  p->indent++;
  for (uint32_t k = 0; k < f->table.n; k++) print_table(p, f, k);
  note(p, f, 0);
  bool *shown = base_realloc(NULL, f->sub.n + 1);
  memset(shown, 0, f->sub.n + 1);
  for (uint32_t id = 1; id < f->inst.n; id++) {
    uint32_t s = f->inst.at[id].sub;
    if (s && s <= f->sub.n && !shown[s]) shown[s] = true, print_sub(p, f, s - 1);
    note(p, f, id);
    print_inst(p, f, id);
  }
  for (uint32_t s = 1; s <= f->sub.n; s++)
    if (!shown[s]) print_sub(p, f, s - 1);
  base_free(shown);
  note(p, f, UINT32_MAX);
  print_outputs(p, f);
  p->indent--;
  indent(p->out, p->indent);
  fputs("}\n", p->out);
}

void ir_print_noted(FILE *out, const Fn *f, const Source *src, IrNote notes, void *ctx) {
  Printer p = {.out = out, .src = src, .note = notes, .ctx = ctx};
  fprintf(out, "fn %s ", f->f64 ? "f64" : "f32");
  print_name(out, f->name);
  print_body(&p, f);
}

void ir_print_inst(FILE *out, const Fn *f, uint32_t id) { print_inst(&(Printer){.out = out}, f, id); }

void ir_print(FILE *out, const Fn *f, const Source *src) { ir_print_noted(out, f, src, NULL, NULL); }

char *ir_text(const Fn *f) {
  char *text = NULL;
  size_t size = 0;
  FILE *out = open_memstream(&text, &size);
  if (!out) base_fault("out of memory");
  ir_print(out, f, NULL);
  if (fclose(out)) base_fault("out of memory");
  char *own = base_strdup(text);
  free(text);
  return own;
}
