/* Mutator of IR text. A function that parses is changed as a graph: an instruction becomes another, takes other operands or
 * attributes, or a new one is put in, and types are inferred again, so that what comes out mostly parses, too. Else, and now
 * and then, a word of the text becomes another. */
#include "ir/text/text_priv.h"
#include "tests/fuzz/bytes.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* ---- as text ------------------------------------------------------------------------------------------------------- */

static bool is_word(unsigned char c) { return isalnum(c) || c == '_' || c == '%' || c == '@' || c == '.' || c == '-' || c == '~'; }

static void new_word(Bytes *out, const unsigned char *old, size_t n) {
  static const char *const odd[] = {"0",
                                    "1",
                                    "2",
                                    "-1",
                                    "3",
                                    "7",
                                    "255",
                                    "256",
                                    "65535",
                                    "2147483647",
                                    "2147483648",
                                    "4294967295",
                                    "-9223372036854775808",
                                    "9223372036854775807",
                                    "nan",
                                    "inf",
                                    "~nan",
                                    "~0.5",
                                    "1e999",
                                    "f32",
                                    "f64",
                                    "bool",
                                    "B",
                                    "rk4",
                                    "dopri5",
                                    "dop853",
                                    "tsit5",
                                    "taylor",
                                    "cauchy",
                                    "gauss16",
                                    "gauss4",
                                    "implicit_midpoint",
                                    "yoshida8",
                                    "leapfrog"};
  char text[40];
  if (n && *old == '%') snprintf(text, sizeof text, "%%%u", 1 + (unsigned)fuzz_draw(20));
  else if (n && isalpha(*old) && fuzz_chance(70)) snprintf(text, sizeof text, "%s", ir_op[1 + fuzz_draw(OP_count - 1)].name);
  else snprintf(text, sizeof text, "%s", FUZZ_PICK(odd));
  fuzz_put_text(out, text);
}

static void change_word(Bytes *b) {
  size_t at = fuzz_draw(b->n + 1), end;
  while (at < b->n && !is_word(b->at[at])) at++;
  while (at > 0 && at < b->n && is_word(b->at[at - 1])) at--;
  for (end = at; end < b->n && is_word(b->at[end]);) end++;
  Bytes word = {0};
  new_word(&word, b->at + at, end - at);
  fuzz_splice(b, at, end - at, word.at, word.n);
  free(word.at);
}

/* ---- as a graph ------------------------------------------------------------------------------------------------------ */

static Val any_value(const Fn *f, Type like, bool same) {
  for (int tries = 0; tries < 30 && f->inst.n > 1; tries++) {
    const Val v = {1 + (uint32_t)fuzz_draw(f->inst.n - 1)};
    const Type t = ir_type(f, v);
    if (t.dt != DT_MULTI && (!same || (t.dt == like.dt && (tries > 15 ? type_same_dims(t, like) : type_eq(t, like))))) return v;
  }
  return VAL_NONE;
}

typedef struct New {
  Op op;
  Val arg[8];
  uint32_t nargs;
  int64_t attr[40];
  uint32_t nattr;
} New;

/* Emits it if it has a type. */
static Val emit(Build *b, New *n, Fn *sub, const Type *declared) {
  char err[256];
  Type t = declared ? *declared : (Type){0};
  for (uint32_t k = 0; k < n->nargs; k++)
    if (!n->arg[k].id || n->arg[k].id >= b->f->inst.n) return VAL_NONE;
  if (n->op == OP_in || n->op == OP_table || n->op == OP_none || (ir_op[n->op].has_sub && !sub)) return VAL_NONE;
  if (!ir_infer(b->f, n->op, n->arg, n->nargs, n->attr, n->nattr, sub, &t, err, sizeof err) || type_count(t) > 4096)
    return VAL_NONE;
  return ir_emit_as(b, n->op, n->arg, n->nargs, n->attr, n->nattr, sub, t);
}

static void any_attrs(New *n) {
  static const int64_t often[] = {0, 0, 0, 1, 1, 2, 3, -1, 4, 5};
  static const char letters[] = "aabbc";
  if (n->op == OP_const) {
    const double v = (double)((int64_t)fuzz_draw(9) - 4) / 2;
    memcpy(n->attr, &v, sizeof v), n->nattr = 3;
    return;
  }
  size_t len;
  bool list = false;
  for (uint32_t k = 0; !list && ir_attr_name(n->op, k, &len, &list); k++)
    if (!list) n->attr[n->nattr++] = FUZZ_PICK(often);
  if (!list) return;
  if (n->op == OP_dot) n->attr[0] = fuzz_chance(10), n->attr[1] = (int64_t)fuzz_draw(3), n->attr[2] = (int64_t)fuzz_draw(3);
  for (uint64_t k = n->op == OP_dot ? (uint64_t)(n->attr[1] + n->attr[2]) + fuzz_draw(3) : fuzz_draw(4); k > 0; k--)
    n->attr[n->nattr++] = n->op == OP_dot ? FUZZ_PICK(letters) - 'a' : FUZZ_PICK(often);
}

/* An instruction of any kind on values that are there; VAL_NONE: none was found. */
static Val add_any(Build *b) {
  for (int tries = 0; tries < 20; tries++) {
    New n = {.op = (Op)(1 + fuzz_draw(OP_count - 1))};
    const OpInfo *o = &ir_op[n.op];
    if (o->has_sub || o->traits & OPF_MULTI || n.op == OP_proj) continue;
    n.nargs = o->arity < 0 ? 1 + (uint32_t)fuzz_draw(3) : (uint32_t)o->arity;
    const Val first = any_value(b->f, (Type){0}, false);
    for (uint32_t k = 0; first.id && k < n.nargs; k++)
      n.arg[k] = k && fuzz_chance(60) ? any_value(b->f, ir_type(b->f, first), true) : k ? any_value(b->f, (Type){0}, false) : first;
    any_attrs(&n);
    const Val v = emit(b, &n, NULL, NULL);
    if (v.id) return v;
  }
  return VAL_NONE;
}

static bool same_class(Op a, Op b) {
  return ir_op[a].cls == ir_op[b].cls && ir_op[a].arity == ir_op[b].arity && ir_op[a].cls != OPC_STRUCT;
}

/* Instruction i, changed. */
static Val changed(Build *b, const Fn *f, const Inst *i, const Val *map) {
  New n = {.op = (Op)i->op, .nargs = i->nargs, .nattr = i->nattr};
  if (n.nargs > 8 || n.nattr > 40 || i->sub || ir_op[i->op].traits & OPF_MULTI || i->op == OP_proj) return VAL_NONE;
  for (uint32_t k = 0; k < n.nargs; k++) n.arg[k] = map[ir_arg(f, i, k).id];
  for (uint32_t k = 0; k < n.nattr; k++) n.attr[k] = ir_attrs(f, i).at[k];
  for (int tries = 0; tries < 10; tries++) {
    New m = n;
    const uint64_t how = fuzz_draw(3);
    const Op op = (Op)(1 + fuzz_draw(OP_count - 1));
    if (how == 0 && same_class(op, n.op)) m.op = op;
    else if (how == 1 && n.nargs) m.arg[fuzz_draw(n.nargs)] = any_value(b->f, (Type){0}, false);
    else if (how == 2 && n.nattr && n.op != OP_const) m.attr[fuzz_draw(n.nattr)] += fuzz_chance(50) ? 1 : -1;
    else continue;
    const Val v = emit(b, &m, NULL, &i->type);
    if (v.id) return v;
  }
  return VAL_NONE;
}

/* The instruction as it was; VAL_NONE where its operands changed so that it has no type any more. */
static Val kept(Build *b, const Fn *f, uint32_t id, const Val *map) {
  const Inst *i = &f->inst.at[id];
  Val arg[64];
  char err[256];
  Type t = i->type;
  if (i->nargs > 64) return VAL_NONE;
  for (uint32_t k = 0; k < i->nargs; k++)
    if (!(arg[k] = map[ir_arg(f, i, k).id]).id || ((ir_type(b->f, arg[k]).dt == DT_MULTI) != (i->op == OP_proj))) return VAL_NONE;
  if (i->op == OP_table) return ir_copy_inst(b, f, (Val){id}, map);
  if (!ir_infer(b->f, (Op)i->op, arg, i->nargs, f->attr.at + i->attr, i->nattr, ir_body(f, i), &t, err, sizeof err))
    return VAL_NONE;
  return ir_copy_inst(b, f, (Val){id}, map);
}

/* f with one thing changed, or NULL. */
static Fn *mutant(const Fn *f) {
  Fn *out = ir_fn_create(f->name, f->f64);
  Build b;
  Val *map = base_zeroed(f->inst.n + 1, sizeof *map), *input = base_zeroed(f->in.n + 1, sizeof *input);
  const uint32_t where = 1 + (uint32_t)fuzz_draw(f->inst.n);
  const bool insert = fuzz_chance(50);
  bool good = true;
  ir_build_init(&b, out);
  b.fold = b.number = false;
  for (uint32_t k = 0; k < f->in.n; k++)
    input[k] = ir_input(&b, f->in.at[k].name ? f->in.at[k].name : "", f->in.at[k].kind, f->in.at[k].index, f->in.at[k].type);
  Val added = VAL_NONE;
  for (uint32_t id = 1; good && id < f->inst.n; id++) {
    if (id == where && insert) added = add_any(&b);
    if (f->inst.at[id].op == OP_in) {
      map[id] = input[ir_attrs(f, &f->inst.at[id]).at[0]];
      continue;
    }
    map[id] = id == where && !insert ? changed(&b, f, &f->inst.at[id], map) : VAL_NONE;
    if (!map[id].id) map[id] = kept(&b, f, id, map);
    good = map[id].id != 0;
  }
  for (uint32_t k = 0; good && k < f->out.n; k++) ir_output(&b, map[f->out.at[k].id], f->outname.at[k]);
  if (good && added.id) {
    if (fuzz_chance(50) && out->out.n) out->out.at[fuzz_draw(out->out.n)] = added;
    else ir_output(&b, added, NULL);
  }
  ir_build_finish(&b);
  base_free(map);
  base_free(input);
  if (!good) ir_fn_destroy(out), out = NULL;
  return out;
}

/* A body of f, or f itself. */
static Fn *some_body(Fn *f) {
  while (f->sub.n && fuzz_chance(40)) f = f->sub.at[fuzz_draw(f->sub.n)];
  return f;
}

void fuzz_mutate_form(Bytes *b) {
  Source *src = source_create();
  Diag *diag = diag_create(src);
  Fn *f = fuzz_chance(85) ? ir_parse(src, source_add(src, "input.hir", (const char *)b->at, b->n), diag) : NULL;
  Fn *of = f ? some_body(f) : NULL, *g = of && of->inst.n < 2000 ? mutant(of) : NULL;
  if (g && (of == f || fuzz_chance(10))) {
    char *text = ir_text(g);
    fuzz_copy(b, text, strlen(text));
    base_free(text);
  } else {
    change_word(b);
  }
  ir_fn_destroy(g);
  ir_fn_destroy(f);
  diag_destroy(diag);
  source_destroy(src);
}
