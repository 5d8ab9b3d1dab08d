/* Reads the text form (print.c). Ends at the first mistake, which is shown at its place; what was
 * read is checked by the verifier. Any bytes may be given: types are inferred, with all the checks of
 * shape.c, before anything is computed from a number, and nesting is limited. */
#include "ir/text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_DEPTH = 32, MAX_SUBS = 10000 };

typedef struct Parser {
  const char *text;
  uint32_t pos, len, file;
  Diag *diag;
  int depth;
} Parser;

/* ---- characters ---- */

static Span from(const Parser *p, uint32_t begin) {
  return (Span){p->file, begin, p->pos > begin ? p->pos : begin + (begin < p->len)};
}

static bool mistake(Parser *p, uint32_t begin, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Always false. */
static bool mistake(Parser *p, uint32_t begin, const char *fmt, ...) {
  char text[400];
  va_list ap;
  va_start(ap, fmt);
  vsnprintf(text, sizeof text, fmt, ap);
  va_end(ap);
  diag_error(p->diag, from(p, begin), "%s", text);
  return false;
}

static void space(Parser *p) {
  for (; p->pos < p->len; p->pos++) {
    char c = p->text[p->pos];
    if (c == '#')
      while (p->pos + 1 < p->len && p->text[p->pos + 1] != '\n') p->pos++;
    else if (c != ' ' && c != '\n' && c != '\t' && c != '\r')
      return;
  }
}

static bool word_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.';
}

static bool ahead(Parser *p, const char *s) {
  space(p);
  size_t n = strlen(s);
  return p->len - p->pos >= n && !memcmp(p->text + p->pos, s, n);
}

static bool accept(Parser *p, const char *s) {
  if (!ahead(p, s)) return false;
  p->pos += (uint32_t)strlen(s);
  return true;
}

static bool expect(Parser *p, const char *s) { return accept(p, s) || mistake(p, p->pos, "expected `%s`", s); }

/* The word ahead, not taken; its length may be 0. */
static size_t word(Parser *p) {
  space(p);
  uint32_t n = 0;
  while (p->pos + n < p->len && word_char(p->text[p->pos + n])) n++;
  return n;
}

static bool accept_word(Parser *p, const char *s) {
  size_t n = word(p);
  if (n != strlen(s) || memcmp(p->text + p->pos, s, n)) return false;
  p->pos += (uint32_t)n;
  return true;
}

static bool integer(Parser *p, int64_t lo, int64_t hi, int64_t *out) {
  space(p);
  uint32_t begin = p->pos;
  char *end;
  char c = p->text[p->pos], d = c == '-' && p->pos + 1 < p->len ? p->text[p->pos + 1] : c;
  if (p->pos >= p->len || d < '0' || d > '9') return mistake(p, begin, "expected an integer");
  errno = 0;
  *out = strtoll(p->text + p->pos, &end, 10);
  p->pos = (uint32_t)(end - p->text);
  if (errno || *out < lo || *out > hi) return mistake(p, begin, "integer out of range [%" PRId64 ", %" PRId64 "]", lo, hi);
  return true;
}

static bool real(Parser *p, double *out) {
  space(p);
  uint32_t begin = p->pos;
  char *end;
  if (accept(p, "nan(0x")) {
    uint64_t bits = strtoull(p->text + p->pos, &end, 16);
    p->pos = (uint32_t)(end - p->text);
    memcpy(out, &bits, sizeof bits);
    return (*out != *out || mistake(p, begin, "these bits are no nan")) && expect(p, ")");
  }
  *out = strtod(p->text + p->pos, &end);
  if (end == p->text + p->pos || end > p->text + p->len) return mistake(p, begin, "expected a number");
  p->pos = (uint32_t)(end - p->text);
  if (*out != *out) {
    uint64_t bits = UINT64_C(0x7ff8000000000000);
    memcpy(out, &bits, sizeof bits);
  }
  return true;
}

static int hex_digit(char c) {
  return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool string(Parser *p, Arena *mem, const char **out) {
  uint32_t begin = p->pos, n = 0;
  if (!accept(p, "\"")) return mistake(p, begin, "expected a name in quotes");
  begin = p->pos - 1;
  uint32_t end = p->pos;
  while (end < p->len && p->text[end] != '"' && p->text[end] != '\n') end += p->text[end] == '\\' && end + 1 < p->len ? 2 : 1;
  char *s = arena_alloc(mem, end - begin + 1);
  while (p->pos < p->len && p->text[p->pos] != '"' && p->text[p->pos] != '\n') {
    char c = p->text[p->pos++];
    if (c == '\\') {
      c = p->pos < p->len ? p->text[p->pos++] : 0;
      if (c == 'x' && p->pos + 2 <= p->len && hex_digit(p->text[p->pos]) >= 0 && hex_digit(p->text[p->pos + 1]) >= 0) {
        c = (char)(hex_digit(p->text[p->pos]) * 16 + hex_digit(p->text[p->pos + 1]));
        p->pos += 2;
      } else if (c != '"' && c != '\\') {
        return mistake(p, begin, "unknown escape in a name");
      }
    }
    if (!c) return mistake(p, begin, "a zero byte in a name");
    s[n++] = c;
  }
  *out = s;
  if (p->pos < p->len && p->text[p->pos] == '"') return p->pos++, true;
  return mistake(p, begin, "a name without its closing quote");
}

static bool name(Parser *p, Arena *mem, const char **out) {
  if (!expect(p, "@")) return false;
  if (p->pos < p->len && p->text[p->pos] == '"') return string(p, mem, out);
  size_t n = p->pos < p->len && word_char(p->text[p->pos]) ? word(p) : 0;
  if (!n) return mistake(p, p->pos, "expected a name");
  *out = arena_strndup(mem, p->text + p->pos, n);
  p->pos += (uint32_t)n;
  return true;
}

/* ---- types ---- */

static bool type(Parser *p, const Fn *f, Type *out) {
  space(p);
  uint32_t begin = p->pos;
  Type t = {0};
  if (accept_word(p, "bool")) t.dt = DT_BOOL;
  else if (!accept_word(p, f->f64 ? "f64" : "f32")) return mistake(p, begin, "expected a type, %s[...] or bool[...]", f->f64 ? "f64" : "f32");
  if (accept(p, "[") && !accept(p, "]")) {
    t.lane = accept_word(p, "B");
    for (bool more = !t.lane || accept(p, ","); more; more = accept(p, ",")) {
      int64_t n;
      if (t.rank == IR_MAX_RANK) return mistake(p, begin, "a type has at most %d axes", IR_MAX_RANK);
      if (!integer(p, 1, INT32_MAX, &n)) return false;
      t.dim[t.rank++] = (uint32_t)n;
    }
    if (!expect(p, "]")) return false;
  }
  for (int64_t n = 1, k = 0; k < t.rank; k++)
    if ((n *= t.dim[k]) > INT32_MAX) return mistake(p, begin, "a value of this type has more than 2^31 elements");
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
  if (accept(p, "~")) {
    if (!real(p, &v)) return false;
  } else {
    den = 1;
    if (!integer(p, INT64_MIN, INT64_MAX, &num) || (accept(p, "/") && !integer(p, 1, INT64_MAX, &den))) return false;
    v = (double)num / (double)den;
    if (accept(p, "=") && !real(p, &v)) return false;
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
  space(p);
  *vec_push(a) = 0, *vec_push(a) = 0, *vec_push(a) = 0;
  labels(p, a);
  a->at[1] = a->n - 3;
  if (!expect(p, ",")) return false;
  labels(p, a);
  a->at[2] = a->n - 3 - a->at[1];
  if (!expect(p, "->")) return false;
  labels(p, a);
  a->at[0] = accept(p, "+lanes");
  return true;
}

static bool attr_value(Parser *p, const char *what, size_t len, int64_t *out) {
  double v;
  if (accept(p, "~")) {
    if (!real(p, &v)) return false;
    *out = bits_of(v);
    return true;
  }
  size_t n = word(p);
  if (len == 6 && !memcmp(what, "method", 6) && n && (p->text[p->pos] < '0' || p->text[p->pos] > '9')) {
    for (int m = 0; m < M_count; m++)
      if (accept_word(p, ir_method[m].name)) return *out = m, true;
    return mistake(p, p->pos, "unknown method");
  }
  return integer(p, INT64_MIN, INT64_MAX, out);
}

static bool attr_list(Parser *p, const char *what, size_t len, Attrs *a) {
  if (!expect(p, "[")) return false;
  if (accept(p, "]")) return true;
  do {
    if (!attr_value(p, what, len, vec_push(a))) return false;
  } while (accept(p, ","));
  return expect(p, "]");
}

static bool named_attrs(Parser *p, Op op, Attrs *a) {
  size_t len = 0;
  bool list = false;
  const char *what;
  for (uint32_t k = 0; !list && (what = ir_attr_name(op, k, &len, &list)); k++) {
    bool last_empty = list && ahead(p, "}");
    if (last_empty) break;
    if (k && !expect(p, ",")) return false;
    if (word(p) != len || memcmp(p->text + p->pos, what, len)) return mistake(p, p->pos, "expected the attribute `%.*s`", (int)len, what);
    p->pos += (uint32_t)len;
    if (!expect(p, "=")) return false;
    if (list ? !attr_list(p, what, len, a) : !attr_value(p, what, len, vec_push(a))) return false;
  }
  return true;
}

static bool attributes(Parser *p, Op op, Attrs *a) {
  if (!accept(p, "{")) return true;
  size_t n = word(p);
  bool named = n && p->pos + n < p->len && p->text[p->pos + n] == '=' && (p->text[p->pos] < '0' || p->text[p->pos] > '9');
  bool good = op == OP_const && !named ? const_attrs(p, a) : op == OP_dot && !named ? einsum_attrs(p, a) : named_attrs(p, op, a);
  return good && expect(p, "}");
}

/* ---- instructions ---- */

static bool value(Parser *p, const Fn *f, Val *out) {
  int64_t id;
  if (!expect(p, "%")) return false;
  uint32_t begin = p->pos - 1;
  if (!integer(p, 0, UINT32_MAX, &id)) return false;
  if (id < 1 || id >= f->inst.n) return mistake(p, begin, "there is no value %%%" PRId64 " above this line", id);
  *out = (Val){(uint32_t)id};
  return true;
}

static bool operands(Parser *p, Fn *f, Op op, Inst *i) {
  if (!ahead(p, "%")) return true;
  do {
    Val v;
    space(p);
    uint32_t begin = p->pos;
    if (!value(p, f, &v)) return false;
    if ((ir_type(f, v).dt == DT_MULTI) != (op == OP_proj))
      return mistake(p, begin, op == OP_proj ? "%%%u has one result" : "%%%u has several results, to be read through proj", v.id);
    *vec_push(&f->pool) = v;
    i->nargs++;
  } while (accept(p, ","));
  return true;
}

static bool differs(Parser *p, uint32_t begin, const Fn *f, Type is, Type written) {
  char x[128], y[128];
  return mistake(p, begin, "the type is %s, not %s", type_text(is, f->f64, x, sizeof x), type_text(written, f->f64, y, sizeof y));
}

static bool result_types(Parser *p, const Fn *f, const Inst *i) {
  uint32_t n = ir_result_count(f, i);
  if (!expect(p, "(")) return false;
  for (uint32_t k = 0; k < n; k++) {
    Type t, r;
    if (k && !expect(p, ",")) return false;
    space(p);
    uint32_t begin = p->pos;
    if (!type(p, f, &t)) return false;
    if (!ir_result_type(f, i, k, &r)) return mistake(p, begin, "result %u has no type", k);
    if (!type_eq(t, r)) return differs(p, begin, f, r, t);
  }
  return expect(p, ")");
}

/* `: type`, and what it must be. */
static bool typed(Parser *p, const Fn *f, Inst *i, uint32_t begin) {
  char err[256] = "";
  Type written = {0};
  bool multi = ir_op[i->op].flags & OPF_MULTI;
  if (!expect(p, ":")) return false;
  space(p);
  uint32_t at = p->pos;
  if (!multi && !type(p, f, &written)) return false;
  i->type = written;
  if (!ir_infer(f, (Op)i->op, f->pool.at + i->args, i->nargs, f->attr.at + i->attr, i->nattr, ir_body(f, i), &i->type, err, sizeof err)) {
    p->pos = at;
    return mistake(p, begin, "%s", err);
  }
  if (multi) return result_types(p, f, i);
  return type_eq(written, i->type) || differs(p, at, f, i->type, written);
}

static bool instruction(Parser *p, Fn *f) {
  space(p);
  uint32_t begin = p->pos;
  int64_t id, sub = 0;
  if (!expect(p, "%") || !integer(p, 0, UINT32_MAX, &id)) return false;
  if (id != f->inst.n) return mistake(p, begin, "the next value is %%%u, found %%%" PRId64, f->inst.n, id);
  if (!expect(p, "=")) return false;
  size_t n = word(p);
  Op op = ir_op_named(p->text + p->pos, n);
  p->pos += (uint32_t)n;
  if (op == OP_none) return mistake(p, p->pos - (uint32_t)n, "unknown op `%.*s`", n > 60 ? 60 : (int)n, p->text + p->pos - n);
  Inst i = {.op = (uint16_t)op, .args = f->pool.n, .attr = f->attr.n};
  if (!operands(p, f, op, &i)) return false;
  Attrs a = {0};
  bool good = attributes(p, op, &a);
  for (uint32_t k = 0; k < a.n; k++) *vec_push(&f->attr) = a.at[k];
  i.nattr = a.n;
  vec_free(&a);
  if (!good || (accept(p, "@") && !integer(p, 1, f->sub.n, &sub))) return false;
  if (sub && !f->sub.at[sub - 1]) return mistake(p, begin, "sub-function %" PRId64 " is not defined above this line", sub);
  i.sub = (uint32_t)sub;
  i.at = from(p, begin);
  if (!ir_well_formed(f, &i)) return mistake(p, begin, "operands, attributes or sub-function of `%s` are not as its row says", ir_op[op].name);
  if (!typed(p, f, &i, begin)) return false;
  *vec_push(&f->inst) = i;
  return true;
}

/* ---- functions ---- */

static bool body(Parser *p, Fn *f);

static bool table(Parser *p, Fn *f) {
  int64_t k;
  Table t;
  space(p);
  uint32_t begin = p->pos;
  if (!integer(p, 0, UINT32_MAX, &k)) return false;
  if (k != f->table.n) return mistake(p, begin, "the next table is %u", f->table.n);
  if (!expect(p, ":") || !type(p, f, &t.type) || !expect(p, "=") || !expect(p, "[")) return false;
  int64_t n = type_count(t.type);
  if (t.type.lane) return mistake(p, begin, "a table is shared");
  if (n > p->len - p->pos) return mistake(p, begin, "the table ends early");
  double *v = ARENA_ARRAY(f->mem, double, n + 1);
  for (int64_t e = 0; e < n; e++)
    if ((e && !expect(p, ",")) || !real(p, &v[e])) return false;
  t.v = v;
  *vec_push(&f->table) = t;
  return expect(p, "]");
}

static bool sub_function(Parser *p, Fn *f) {
  int64_t k;
  const char *s;
  space(p);
  uint32_t begin = p->pos;
  if (!integer(p, 1, MAX_SUBS, &k)) return false;
  if (k <= f->sub.n && f->sub.at[k - 1]) return mistake(p, begin, "sub-function %" PRId64 " is defined twice", k);
  if (p->depth == MAX_DEPTH) return mistake(p, begin, "sub-functions are nested too deeply");
  if (!name(p, f->mem, &s)) return false;
  while (f->sub.n < k) *vec_push(&f->sub) = NULL;
  Fn *sub = f->sub.at[k - 1] = ir_sub_create(f, s);
  p->depth++;
  bool good = body(p, sub);
  p->depth--;
  return good;
}

static bool inputs(Parser *p, Fn *f) {
  if (!expect(p, "(")) return false;
  if (accept(p, ")")) return true;
  do {
    Input in = {0};
    int64_t index;
    int kind = 0;
    if (!string(p, f->mem, &in.name)) return false;
    while (kind <= IN_OTHER && !accept_word(p, ir_in_kind[kind])) kind++;
    if (kind > IN_OTHER) return mistake(p, p->pos, "expected the kind of the input: param, field, weight, scalar, state or other");
    in.kind = (InKind)kind;
    if (!integer(p, 0, UINT32_MAX, &index) || !expect(p, ":") || !type(p, f, &in.type)) return false;
    in.index = (uint32_t)index;
    *vec_push(&f->in) = in;
  } while (accept(p, ","));
  return expect(p, ")");
}

static bool outputs(Parser *p, Fn *f) {
  if (!ahead(p, "%")) return true;
  do {
    Val v;
    const char *s = NULL;
    space(p);
    uint32_t begin = p->pos;
    if (!value(p, f, &v)) return false;
    if (ir_type(f, v).dt == DT_MULTI) return mistake(p, begin, "%%%u has several results, to be read through proj", v.id);
    if (ahead(p, "\"") && !string(p, f->mem, &s)) return false;
    *vec_push(&f->out) = v;
    *vec_push(&f->outname) = s;
  } while (accept(p, ","));
  return true;
}

static bool body(Parser *p, Fn *f) {
  if (!inputs(p, f) || !expect(p, "{")) return false;
  while (!accept_word(p, "return")) {
    bool good = accept_word(p, "table") ? table(p, f) : accept_word(p, "sub") ? sub_function(p, f) : instruction(p, f);
    if (!good) return false;
  }
  if (!outputs(p, f) || !expect(p, "}")) return false;
  for (uint32_t k = 0; k < f->sub.n; k++)
    if (!f->sub.at[k]) return mistake(p, p->pos - 1, "sub-function %u is missing", k + 1);
  return true;
}

static bool function(Parser *p, Fn **out) {
  const char *s;
  if (!accept_word(p, "fn")) return mistake(p, p->pos, "expected a function: `fn f64 @name(...) {`");
  bool f64 = accept_word(p, "f64");
  if (!f64 && !accept_word(p, "f32")) return mistake(p, p->pos, "expected f64 or f32");
  Fn *f = *out = ir_fn_create("", f64);
  if (!name(p, f->mem, &s)) return false;
  f->name = s;
  return body(p, f);
}

static bool verified(Parser *p, const Fn *f, uint32_t begin) {
  IrViolations v = {.mem = arena_create()};
  ir_violations(f, &v);
  for (uint32_t k = 0; k < v.found.n; k++) {
    const IrViolation *one = &v.found.at[k];
    bool line = one->id > 0 && one->id < one->f->inst.n;
    diag_error(p->diag, line ? one->f->inst.at[one->id].at : (Span){p->file, begin, begin + 2}, "%s", one->text);
  }
  bool good = v.found.n == 0;
  vec_free(&v.found);
  arena_destroy(v.mem);
  return good;
}

static Fn *next(Parser *p) {
  Fn *f = NULL;
  space(p);
  uint32_t begin = p->pos;
  if (function(p, &f) && verified(p, f, begin)) return f;
  ir_fn_destroy(f);
  return NULL;
}

Fn *ir_parse_next(Source *src, uint32_t file, uint32_t *offset, Diag *diag) {
  const SourceFile *s = source_file(src, file);
  Parser p = {.text = s->text, .len = s->len, .pos = *offset, .file = file, .diag = diag};
  space(&p);
  Fn *f = p.pos < p.len ? next(&p) : NULL;
  *offset = p.pos;
  return f;
}

Fn *ir_parse(Source *src, uint32_t file, Diag *diag) {
  const SourceFile *s = source_file(src, file);
  Parser p = {.text = s->text, .len = s->len, .file = file, .diag = diag};
  Fn *f = next(&p);
  space(&p);
  if (!f || p.pos == p.len) return f;
  mistake(&p, p.pos, "expected the end of the file");
  ir_fn_destroy(f);
  return NULL;
}
