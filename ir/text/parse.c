/* Reads the text form (print.c). Ends at the first mistake, which is shown at its place; what was
 * read is checked by the verifier. Any bytes may be given: types are inferred, with all the checks of
 * shape.c, before anything is computed from a number, and nesting is limited. */
#include "ir/text/read_priv.h"
#include "ir/text/text_priv.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_DEPTH = 32, MAX_SUBS = 10000 };

/* ---- types ---- */

static bool type(Parser *p, const Fn *f, Type *out) {
  read_space(p);
  uint32_t begin = p->pos;
  Type t = {0};
  if (read_accept_word(p, "bool")) t.dt = DT_BOOL;
  else if (!read_accept_word(p, f->f64 ? "f64" : "f32"))
    return read_mistake(p, begin, "expected a type, %s[...] or bool[...]", f->f64 ? "f64" : "f32");
  if (read_accept(p, "[") && !read_accept(p, "]")) {
    t.lane = read_accept_word(p, "B");
    for (bool more = !t.lane || read_accept(p, ","); more; more = read_accept(p, ",")) {
      int64_t n;
      if (t.rank == IR_MAX_RANK) return read_mistake(p, begin, "a type has at most %d axes", IR_MAX_RANK);
      if (!read_integer(p, 1, INT32_MAX, &n)) return false;
      t.dim[t.rank++] = (uint32_t)n;
    }
    if (!read_expect(p, "]")) return false;
  }
  for (int64_t n = 1, k = 0; k < t.rank; k++)
    if ((n *= t.dim[k]) > INT32_MAX) return read_mistake(p, begin, "a value of this type has more than 2^31 elements");
  *out = t;
  return true;
}

/* ---- attributes ---- */

typedef VEC(int64_t) Attrs;

static int64_t bits_of(double v) {
  int64_t bits;
  memcpy(&bits, &v, sizeof bits);
  return bits;
}

static bool const_attrs(Parser *p, Attrs *a) {
  double v;
  int64_t num = 0, den = 0;
  if (read_accept(p, "~")) {
    if (!read_real(p, &v)) return false;
  } else {
    den = 1;
    if (!read_integer(p, INT64_MIN, INT64_MAX, &num) || (read_accept(p, "/") && !read_integer(p, 1, INT64_MAX, &den))) return false;
    v = (double)num / (double)den;
    if (read_accept(p, "=") && !read_real(p, &v)) return false;
  }
  *vec_push(a) = bits_of(v);
  *vec_push(a) = num;
  *vec_push(a) = den;
  return true;
}

static bool labels(Parser *p, Attrs *a) {
  while (p->pos < p->len && p->text[p->pos] >= 'a' && p->text[p->pos] <= 'z') *vec_push(a) = p->text[p->pos++] - 'a';
  return true;
}

static bool einsum_attrs(Parser *p, Attrs *a) {
  read_space(p);
  *vec_push(a) = 0, *vec_push(a) = 0, *vec_push(a) = 0;
  labels(p, a);
  a->at[1] = a->n - 3;
  if (!read_expect(p, ",")) return false;
  labels(p, a);
  a->at[2] = a->n - 3 - a->at[1];
  if (!read_expect(p, "->")) return false;
  labels(p, a);
  a->at[0] = read_accept(p, "+lanes");
  return true;
}

static bool attr_value(Parser *p, const char *what, size_t len, int64_t *out) {
  double v;
  if (read_accept(p, "~")) {
    if (!read_real(p, &v)) return false;
    *out = bits_of(v);
    return true;
  }
  size_t n = read_word(p);
  if (len == 6 && !memcmp(what, "method", 6) && n && (p->text[p->pos] < '0' || p->text[p->pos] > '9')) {
    for (int m = 0; m < M_count; m++)
      if (read_accept_word(p, ir_method[m].name)) return *out = m, true;
    return read_mistake(p, p->pos, "unknown method");
  }
  if (len == 5 && !memcmp(what, "cause", 5) && n && (p->text[p->pos] < '0' || p->text[p->pos] > '9')) {
    for (int c = 0; c < CAUSE_count; c++)
      if (read_accept_word(p, ir_cause[c])) return *out = c, true;
    return read_mistake(p, p->pos, "unknown cause");
  }
  return read_integer(p, INT64_MIN, INT64_MAX, out);
}

static bool attr_list(Parser *p, const char *what, size_t len, Attrs *a) {
  if (!read_expect(p, "[")) return false;
  if (read_accept(p, "]")) return true;
  do {
    if (!attr_value(p, what, len, vec_push(a))) return false;
  } while (read_accept(p, ","));
  return read_expect(p, "]");
}

static bool named_attrs(Parser *p, Op op, Attrs *a) {
  size_t len = 0;
  bool list = false;
  const char *what;
  for (uint32_t k = 0; !list && (what = ir_attr_name(op, k, &len, &list)); k++) {
    bool last_empty = list && read_ahead(p, "}");
    if (last_empty) break;
    if (k && !read_expect(p, ",")) return false;
    if (read_word(p) != len || memcmp(p->text + p->pos, what, len))
      return read_mistake(p, p->pos, "expected the attribute `%.*s`", (int)len, what);
    p->pos += (uint32_t)len;
    if (!read_expect(p, "=")) return false;
    if (list ? !attr_list(p, what, len, a) : !attr_value(p, what, len, vec_push(a))) return false;
  }
  return true;
}

static bool attributes(Parser *p, Op op, Attrs *a) {
  if (!read_accept(p, "{")) return true;
  size_t n = read_word(p);
  bool named = n && p->pos + n < p->len && p->text[p->pos + n] == '=' && (p->text[p->pos] < '0' || p->text[p->pos] > '9');
  bool good = op == OP_const && !named ? const_attrs(p, a) : op == OP_dot && !named ? einsum_attrs(p, a) : named_attrs(p, op, a);
  return good && read_expect(p, "}");
}

/* ---- instructions ---- */

static bool value(Parser *p, const Fn *f, Val *out) {
  int64_t id;
  if (!read_expect(p, "%")) return false;
  uint32_t begin = p->pos - 1;
  if (!read_integer(p, 0, UINT32_MAX, &id)) return false;
  if (id < 1 || id >= f->inst.n) return read_mistake(p, begin, "there is no value %%%" PRId64 " above this line", id);
  *out = (Val){(uint32_t)id};
  return true;
}

static bool operands(Parser *p, Fn *f, Op op, Inst *i) {
  if (!read_ahead(p, "%")) return true;
  do {
    Val v = VAL_NONE;
    read_space(p);
    uint32_t begin = p->pos;
    if (!value(p, f, &v)) return false;
    if ((ir_type(f, v).dt == DT_MULTI) != (op == OP_proj))
      return read_mistake(p, begin, op == OP_proj ? "%%%u has one result" : "%%%u has several results, to be read through proj",
                          v.id);
    *vec_push(&f->pool) = v;
    i->nargs++;
  } while (read_accept(p, ","));
  return true;
}

static bool differs(Parser *p, uint32_t begin, const Fn *f, Type is, Type written) {
  char x[128], y[128];
  return read_mistake(p, begin, "the type is %s, not %s", type_text(is, f->f64, x, sizeof x),
                      type_text(written, f->f64, y, sizeof y));
}

static bool result_types(Parser *p, const Fn *f, const Inst *i) {
  uint32_t n = ir_result_count(f, i);
  if (!read_expect(p, "(")) return false;
  for (uint32_t k = 0; k < n; k++) {
    Type t, r;
    if (k && !read_expect(p, ",")) return false;
    read_space(p);
    uint32_t begin = p->pos;
    if (!type(p, f, &t)) return false;
    if (!ir_result_type(f, i, k, &r)) return read_mistake(p, begin, "result %u has no type", k);
    if (!type_eq(t, r)) return differs(p, begin, f, r, t);
  }
  return read_expect(p, ")");
}

/* `: type`, and what it must be. */
static bool typed(Parser *p, const Fn *f, Inst *i, uint32_t begin) {
  char err[256] = "";
  Type written = {0};
  bool multi = ir_has(i->op, OPF_MULTI);
  if (!read_expect(p, ":")) return false;
  read_space(p);
  uint32_t at = p->pos;
  if (!multi && !type(p, f, &written)) return false;
  i->type = written;
  if (!ir_infer(f, (Op)i->op, f->pool.at + i->args, i->nargs, f->attr.at + i->attr, i->nattr, ir_body(f, i), &i->type, err,
                sizeof err)) {
    p->pos = at;
    return read_mistake(p, begin, "%s", err);
  }
  if (multi) return result_types(p, f, i);
  return type_eq(written, i->type) || differs(p, at, f, i->type, written);
}

static bool instruction(Parser *p, Fn *f) {
  read_space(p);
  uint32_t begin = p->pos;
  int64_t id, sub = 0;
  if (!read_expect(p, "%") || !read_integer(p, 0, UINT32_MAX, &id)) return false;
  if (id != f->inst.n) return read_mistake(p, begin, "the next value is %%%u, found %%%" PRId64, f->inst.n, id);
  if (!read_expect(p, "=")) return false;
  size_t n = read_word(p);
  Op op = ir_op_named(p->text + p->pos, n);
  p->pos += (uint32_t)n;
  if (op == OP_none) return read_mistake(p, p->pos - (uint32_t)n, "unknown op `%.*s`", n > 60 ? 60 : (int)n, p->text + p->pos - n);
  Inst i = {.op = (uint16_t)op, .args = f->pool.n, .attr = f->attr.n};
  if (!operands(p, f, op, &i)) return false;
  Attrs a = {0};
  bool good = attributes(p, op, &a);
  for (uint32_t k = 0; k < a.n; k++) *vec_push(&f->attr) = a.at[k];
  i.nattr = a.n;
  vec_free(&a);
  if (!good || (read_accept(p, "@") && !read_integer(p, 1, f->sub.n, &sub))) return false;
  if (sub && !f->sub.at[sub - 1]) return read_mistake(p, begin, "sub-function %" PRId64 " is not defined above this line", sub);
  i.sub = (uint32_t)sub;
  i.at = read_from(p, begin);
  if (!ir_well_formed(f, &i))
    return read_mistake(p, begin, "operands, attributes or sub-function of `%s` are not as its row says", ir_op[op].name);
  if (!typed(p, f, &i, begin)) return false;
  *vec_push(&f->inst) = i;
  return true;
}

/* ---- functions ---- */

static bool body(Parser *p, Fn *f);

static bool table(Parser *p, Fn *f) {
  int64_t k;
  Table t;
  read_space(p);
  uint32_t begin = p->pos;
  if (!read_integer(p, 0, UINT32_MAX, &k)) return false;
  if (k != f->table.n) return read_mistake(p, begin, "the next table is %u", f->table.n);
  if (!read_expect(p, ":") || !type(p, f, &t.type) || !read_expect(p, "=") || !read_expect(p, "[")) return false;
  int64_t n = type_count(t.type);
  if (t.type.lane) return read_mistake(p, begin, "a table is shared");
  if (n > p->len - p->pos) return read_mistake(p, begin, "the table ends early");
  double *v = ARENA_ARRAY(f->mem, double, n + 1);
  for (int64_t e = 0; e < n; e++)
    if ((e && !read_expect(p, ",")) || !read_real(p, &v[e])) return false;
  t.v = v;
  *vec_push(&f->table) = t;
  return read_expect(p, "]");
}

static bool sub_function(Parser *p, Fn *f) {
  int64_t k;
  const char *s;
  read_space(p);
  uint32_t begin = p->pos;
  if (!read_integer(p, 1, MAX_SUBS, &k)) return false;
  if (k <= f->sub.n && f->sub.at[k - 1]) return read_mistake(p, begin, "sub-function %" PRId64 " is defined twice", k);
  if (p->depth == MAX_DEPTH) return read_mistake(p, begin, "sub-functions are nested too deeply");
  if (!read_name(p, f->mem, &s)) return false;
  while (f->sub.n < k) *vec_push(&f->sub) = NULL;
  Fn *sub = f->sub.at[k - 1] = ir_sub_create(f, s);
  p->depth++;
  bool good = body(p, sub);
  p->depth--;
  return good;
}

static bool inputs(Parser *p, Fn *f) {
  if (!read_expect(p, "(")) return false;
  if (read_accept(p, ")")) return true;
  do {
    Input in = {0};
    int64_t index;
    int kind = 0;
    if (!read_string(p, f->mem, &in.name)) return false;
    while (kind <= IN_OTHER && !read_accept_word(p, ir_in_kind[kind])) kind++;
    if (kind > IN_OTHER)
      return read_mistake(p, p->pos, "expected the kind of the input: param, field, weight, scalar, state or other");
    in.kind = (InKind)kind;
    if (!read_integer(p, 0, UINT32_MAX, &index) || !read_expect(p, ":") || !type(p, f, &in.type)) return false;
    in.index = (uint32_t)index;
    *vec_push(&f->in) = in;
  } while (read_accept(p, ","));
  return read_expect(p, ")");
}

static bool outputs(Parser *p, Fn *f) {
  if (!read_ahead(p, "%")) return true;
  do {
    Val v = VAL_NONE;
    const char *s = NULL;
    read_space(p);
    uint32_t begin = p->pos;
    if (!value(p, f, &v)) return false;
    if (ir_type(f, v).dt == DT_MULTI) return read_mistake(p, begin, "%%%u has several results, to be read through proj", v.id);
    if (read_ahead(p, "\"") && !read_string(p, f->mem, &s)) return false;
    *vec_push(&f->out) = v;
    *vec_push(&f->outname) = s;
  } while (read_accept(p, ","));
  return true;
}

static bool body(Parser *p, Fn *f) {
  if (!inputs(p, f) || !read_expect(p, "{")) return false;
  while (!read_accept_word(p, "return")) {
    bool good = read_accept_word(p, "table") ? table(p, f) : read_accept_word(p, "sub") ? sub_function(p, f) : instruction(p, f);
    if (!good) return false;
  }
  if (!outputs(p, f) || !read_expect(p, "}")) return false;
  for (uint32_t k = 0; k < f->sub.n; k++)
    if (!f->sub.at[k]) return read_mistake(p, p->pos - 1, "sub-function %u is missing", k + 1);
  return true;
}

static bool function(Parser *p, Fn **out) {
  const char *s;
  if (!read_accept_word(p, "fn")) return read_mistake(p, p->pos, "expected a function: `fn f64 @name(...) {`");
  bool f64 = read_accept_word(p, "f64");
  if (!f64 && !read_accept_word(p, "f32")) return read_mistake(p, p->pos, "expected f64 or f32");
  Fn *f = *out = ir_fn_create("", f64);
  if (!read_name(p, f->mem, &s)) return false;
  f->name = s;
  return body(p, f);
}

static bool verified(Parser *p, const Fn *f, uint32_t begin) {
  IrViolations v = {.mem = arena_create()};
  ir_violations(f, &v);
  for (uint32_t k = 0; k < v.found.n; k++) {
    const IrViolation *one = &v.found.at[k];
    bool line = one->id > 0 && one->id < one->f->inst.n;
    diag_add(p->diag, CODE_ir_text, line ? one->f->inst.at[one->id].at : (Span){p->file, begin, begin + 2}, "%s", one->text);
  }
  bool good = v.found.n == 0;
  vec_free(&v.found);
  arena_destroy(v.mem);
  return good;
}

static Fn *next(Parser *p) {
  Fn *f = NULL;
  read_space(p);
  uint32_t begin = p->pos;
  if (function(p, &f) && verified(p, f, begin)) return f;
  ir_fn_destroy(f);
  return NULL;
}

Fn *ir_parse_next(Source *src, uint32_t file, uint32_t *offset, Diag *diag) {
  const SourceFile *s = source_file(src, file);
  Parser p = {.text = s->text, .len = s->len, .pos = *offset, .file = file, .diag = diag};
  read_space(&p);
  Fn *f = p.pos < p.len ? next(&p) : NULL;
  *offset = p.pos;
  return f;
}

Fn *ir_parse(Source *src, uint32_t file, Diag *diag) {
  const SourceFile *s = source_file(src, file);
  Parser p = {.text = s->text, .len = s->len, .file = file, .diag = diag};
  Fn *f = next(&p);
  read_space(&p);
  if (!f || p.pos == p.len) return f;
  read_mistake(&p, p.pos, "expected the end of the file");
  ir_fn_destroy(f);
  return NULL;
}
