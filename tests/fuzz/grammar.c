/* Mutator of the language: a program is parsed, and a part of its tree, an item, statement, expression, type, name, number or
 * operator, becomes another of its kind: one of the same program, of another one, or a generated one. So what comes out
 * parses, mostly, and has names that are defined. */
#include "frontend/syntax/ast.h"
#include "tests/fuzz/bytes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef enum Form { ITEM, STATEMENT, EXPRESSION, TYPE, NAME, NUMBER, OPERATOR, FORMS } Form;
typedef struct Piece {
  uint32_t begin, end;
} Piece;
typedef struct Tree {
  const char *text;
  VEC(Piece) piece[FORMS];
} Tree;

/* ---- the parts of a program --------------------------------------------------------------------------------------- */

static void found(Tree *t, Form form, Span at) {
  if (at.file && at.end > at.begin) *vec_push(&t->piece[form]) = (Piece){at.begin, at.end};
}

static void walk_block(Tree *t, const Block *b);

static void walk(Tree *t, const Expr *e);

static void walk_args(Tree *t, const Arg *a) {
  for (; a; a = a->next) walk(t, a->value);
}

static void walk(Tree *t, const Expr *e) {
  if (!e || e->kind == EX_ERROR) return;
  found(t, EXPRESSION, e->at);
  if (e->kind == EX_NAME) found(t, NAME, e->at);
  if (e->kind == EX_NUMBER) found(t, NUMBER, e->at);
  if (e->kind == EX_BINARY) found(t, OPERATOR, e->op_at);
  walk(t, e->a);
  walk(t, e->b);
  walk_args(t, e->args);
  walk_block(t, e->block);
}

static void walk_type(Tree *t, const TypeExpr *x) {
  if (!x) return;
  found(t, TYPE, x->at);
  walk_args(t, x->dims);
}

static void walk_formals(Tree *t, const Formal *f) {
  for (; f; f = f->next) {
    found(t, NAME, f->at);
    walk_type(t, f->type);
    walk(t, f->init);
  }
}

static void walk_item(Tree *t, const Item *i) {
  if (i->name_at.file && t->text[i->name_at.begin] != '"') found(t, NAME, i->name_at);
  walk_formals(t, i->tformals);
  walk_formals(t, i->formals);
  walk_type(t, i->result);
  walk(t, i->value);
  walk_block(t, i->body);
  found(t, NAME, i->on_at);
  walk_args(t, i->options);
}

static void walk_block(Tree *t, const Block *b) {
  for (const Stmt *s = b ? b->first : NULL; s; s = s->next) {
    const Expr *const of[] = {s->target, s->value,    s->inverse, s->logdet, s->init_dist,
                              s->law,    s->duration, s->steps,   s->method, s->decay};
    found(t, STATEMENT, s->at);
    walk_args(t, s->names);
    walk_args(t, s->how);
    walk_type(t, s->type);
    for (size_t k = 0; k < sizeof of / sizeof *of; k++) walk(t, of[k]);
    walk_block(t, s->body);
    if (s->item) walk_item(t, s->item);
  }
}

/* Fills t; places lie in `text`, which has a zero behind it. */
static void parse(Tree *t, const char *text, size_t n) {
  Source *src = source_create();
  Interner *names = intern_create();
  Diag *diag = diag_create(src);
  Ast *ast = ast_parse(src, source_add(src, "input.hnn", text, n), names, diag);
  *t = (Tree){.text = text};
  for (const Item *i = ast->first; i; i = i->next) {
    found(t, ITEM, i->at);
    walk_item(t, i);
  }
  ast_destroy(ast);
  diag_destroy(diag);
  intern_destroy(names);
  source_destroy(src);
}

static void forget(Tree *t) {
  for (int k = 0; k < FORMS; k++) vec_free(&t->piece[k]);
}

static const Piece *draw(const Tree *t, Form form) {
  return t->piece[form].n ? &t->piece[form].at[fuzz_draw(t->piece[form].n)] : NULL;
}

/* ---- what is written anew ------------------------------------------------------------------------------------------ */

static const char *const unary[] = {
  "sin",           "cos",       "exp",     "log",      "log1p",     "expm1",      "sqrt",
  "tan",           "tanh",      "sigmoid", "softplus", "relu",      "abs",        "sign",
  "erf",           "sum",       "mean",    "prod",     "sd",        "std",        "max",
  "min",           "maxabs",    "norm",    "diag",     "logdet",    "tril",       "triu",
  "transpose",     "len",       "shape",   "ess",      "ess_log",   "ess_chains", "r_hat",
  "r_hat_ranks",   "field",     "omega",   "eye",      "zeros",     "ones",       "first",
  "last",          "inverse",   "lift",    "nonzeros", "reshape",   "stack",      "mean_over_batch",
  "not",           "flip",      "floor",   "ceil",     "round",     "log10",      "asin",
  "acos",          "atan",      "sinh",    "cosh",     "asinh",     "acosh",      "atanh",
  "stop_gradient", "logsumexp", "softmax", "cumsum",   "cumprod",   "sort",       "argsort",
  "argmax",        "argmin",    "inv",     "det",      "logabsdet", "trace",      "cholesky",
  "eigh",          "-"};
static const char *const binary[] = {
  "mod",          "atan2",       "max",     "min",     "grad",           "jac",         "hess",     "div",      "dot",
  "cross",        "outer",       "concat",  "roll",    "solve_lower",    "solve_upper", "poisson",  "jacobian", "hessian",
  "stack",        "moving_mean", "where",   "reshape", "normal",         "uniform",     "set",      "one_hot",  "segment_sum",
  "searchsorted", "solve",       "windows", "conv",    "conv_transpose", "pool_mean",   "pool_max", "upsample"};
static const char *const operator_[] = {"+", "-", "*", "/", "^", "@", "<", "<=", ">", ">=", "==", "!=", "and", "or"};
static const char *const number[] = {"0",
                                     "1",
                                     "2",
                                     "3",
                                     "-1",
                                     "0.5",
                                     "1e-3",
                                     "1/3",
                                     "7",
                                     "10",
                                     "1e308",
                                     "1e-308",
                                     "1e999",
                                     "0.1",
                                     "2.5",
                                     "1e16",
                                     "9007199254740993",
                                     "100",
                                     "65536",
                                     "2147483648",
                                     "4294967296",
                                     "9223372036854775808",
                                     "1e-20",
                                     "00",
                                     "1."};
static const char *const type[] = {"real",
                                   "real[2]",
                                   "real[3]",
                                   "real[1]",
                                   "real[n]",
                                   "real[2, 2]",
                                   "real[3, 2]",
                                   "int",
                                   "int[]",
                                   "bool",
                                   "string",
                                   "real[0]",
                                   "real[1, 1, 1, 1, 1, 1, 1]",
                                   "real[1, 1, 1, 1, 1, 1, 1, 1]",
                                   "real[2, 4, 4]",
                                   "real[2, 2, 3, 3]",
                                   "real[2*n]"};

static void put_name(Bytes *out, const Tree *t) {
  const Piece *p = draw(t, NAME);
  if (p && fuzz_chance(90)) fuzz_put(out, t->text + p->begin, p->end - p->begin);
  else fuzz_put_text(out, FUZZ_PICK(unary));
}

static void generate(Bytes *out, const Tree *t, int depth);

static void put_call(Bytes *out, const Tree *t, int depth, const char *f, int n) {
  fuzz_put_text(out, f);
  for (int k = 0; k < n; k++) {
    fuzz_put_text(out, k ? ", " : "(");
    generate(out, t, depth);
  }
  fuzz_put_text(out, ")");
}

static void generate(Bytes *out, const Tree *t, int depth) {
  const Piece *p = draw(t, EXPRESSION);
  switch (depth > 0 ? fuzz_draw(15) : fuzz_draw(4)) {
  case 0:
  case 1: put_name(out, t); break;
  case 2: fuzz_put_text(out, FUZZ_PICK(number)); break;
  case 3:
    if (p && p->end - p->begin < 60) fuzz_put(out, t->text + p->begin, p->end - p->begin);
    else put_name(out, t);
    break;
  case 4: put_call(out, t, depth - 1, FUZZ_PICK(unary), 1); break;
  case 5: put_call(out, t, depth - 1, FUZZ_PICK(binary), 2 + fuzz_chance(20)); break;
  case 6:
  case 7:
    fuzz_put_text(out, "(");
    generate(out, t, depth - 1);
    fuzz_put_text(out, " "), fuzz_put_text(out, FUZZ_PICK(operator_)), fuzz_put_text(out, " ");
    generate(out, t, depth - 1);
    fuzz_put_text(out, ")");
    break;
  case 8:
    generate(out, t, depth - 1), fuzz_put_text(out, "["), generate(out, t, 0), fuzz_put_text(out, fuzz_chance(30) ? ":]" : "]");
    break;
  case 9:
    fuzz_put_text(out, "["), generate(out, t, depth - 1), fuzz_put_text(out, ", "), generate(out, t, depth - 1),
        fuzz_put_text(out, "]");
    break;
  case 10: fuzz_put_text(out, "["), generate(out, t, depth - 1), fuzz_put_text(out, " for i in 0:3]"); break;
  case 11: put_name(out, t), put_call(out, t, depth - 1, "", (int)fuzz_draw(3) + 1); break;
  case 13:
    fuzz_put_text(out, "iterate("), put_name(out, t), fuzz_put_text(out, ", "), generate(out, t, depth - 1);
    if (fuzz_chance(40)) fuzz_put_text(out, ", "), generate(out, t, depth - 1);
    fuzz_put_text(out, ", steps = "), fuzz_put_text(out, fuzz_chance(80) ? "6" : FUZZ_PICK(number));
    fuzz_put_text(out, fuzz_chance(30) ? ", every = 2)" : fuzz_chance(50) ? ")[-1]" : ")");
    break;
  case 12: fuzz_put_text(out, "{ let x = "), generate(out, t, depth - 1), fuzz_put_text(out, "\n return x }"); break;
  default:
    fuzz_put_text(out, FUZZ_PICK(binary)), fuzz_put_text(out, "("), put_name(out, t), fuzz_put_text(out, ")("),
        generate(out, t, depth - 1), fuzz_put_text(out, ")");
  }
}

static void statement(Bytes *out, const Tree *t) {
  static const char *const begin[] = {"let x = ",
                                      "var x = ",
                                      "x = ",
                                      "return ",
                                      "for i in ",
                                      "repeat ",
                                      "param W: real[2] = ",
                                      "param w: real ~ normal(0, ",
                                      "yield x = ",
                                      "x += ",
                                      "q -= ",
                                      "x = exp(x)  inverse  log(x)  logdet  ",
                                      "let (a, b) = ",
                                      "running m = ",
                                      "use u = ",
                                      "require ",
                                      "fn g(y) = ",
                                      "hamiltonian H(q: real[1], p: real[1]) = "};
  const char *b = FUZZ_PICK(begin);
  fuzz_put_text(out, b);
  if (!strncmp(b, "for", 3)) {
    fuzz_put_text(out, "0:3 { ");
    statement(out, t);
    fuzz_put_text(out, " }\n");
    return;
  }
  generate(out, t, 2);
  fuzz_put_text(out, strchr(b, '~')              ? ")\n"
                     : !strncmp(b, "require", 7) ? " > 0, \"words\"\n"
                     : !strncmp(b, "repeat", 6)  ? " { x = x + 1 }\n"
                                                 : "\n");
}

static void item(Bytes *out, const Tree *t) {
  static const char *const shape[][2] = {
    {"\nconst c = ", "\n"},
    {"\nfn f(x: real[2]) = ", "\n"},
    {"\nfn g(x) {\n  let y = ", "\n  return y\n}\n"},
    {"\nhamiltonian H(q: real[2], p: real[2]) = ", "\n"},
    {"\nreport r = ", "\n"},
    {"\nexpect ", " < 1\n"},
    {"\nprove (x: real[2]) ", " == 0\n"},
    {"\nnet N(x: real[2]) {\n  param a: real = 1\n  return a*", "\n}\n"},
    {"\nloss l(x) = ", "\n"},
    {"\nflow F(q: real[2], p: real[2]) {\n  q += ", "\n}\n"},
    {"\nsymplectic flow S(q: real[2], p: real[2]) {\n  p -= ", "\n}\n"},
    {"\ndata d {\n  let x = normal(0, 1, [2])\n  yield x, y = ", "\n}\n"},
    {"\nvolume flow V(x: real[3]) {\n  x[0] += ", "\n}\n"},
    {"\nreport s = quantile(r, 0.5)*sd(r) + ", " on seen\n"},
    {"\ntrain fit on seen, ", "*drawn { batch = 4, steps = 2, keep = best, test = [held, 5] }\n"},
    {"\ntrain l on seen, fit on held { steps = 2, monitor = [r, s], patience = ", " }\n"},
    {"\nplot p = {\n  y = ", "\n}\n"},
    {"\nuse w = ", " from \"a.safetensors\" as \"T\"\n"},
    {"\nconst r = read(\"a.npy\") + ", "\n"},
    {"\ndata g = read(\"a.csv\", missing = nan, x = ", ", window = 2)\n"},
    {"\ndata h {\n  yield x = integrate(f, 0, times = ", ", method = rk4)\n}\n"},
    {"\ndata h2 {\n  yield x = integrate(f, 0, times = ", ", method = dopri5)\n}\n"},
    {"\ndata h4 {\n  yield x = integrate(f, [0, 1], times = [0, 1, 3], method = taylor(rtol = 1e-4, max_steps = ", "))\n}\n"},
    {"\ndata h3 {\n  yield x = integrate(f, [0, 1], times = [0, 1, 3], method = tsit5(rtol = 1e-4, max_steps = ", "))\n}\n"},
    {"\ndata h4 {\n  yield x = integrate(f, [0, 1], times = [0, 1, 3], method = gauss16(rtol = ", "))\n}\n"},
    {"\nsave s = { a = ", " }\n"},
    {"\ndata e {\n  yield x = index, y = ", "\n}\nuse made = e(count = 3)\n"}};
  const size_t k = fuzz_draw(sizeof shape / sizeof *shape);
  fuzz_put_text(out, shape[k][0]);
  generate(out, t, 3);
  fuzz_put_text(out, shape[k][1]);
}

/* ---- changes ------------------------------------------------------------------------------------------------------- */

/* Puts into `out` a part of that form: of `t`, of `other`, or a new one. */
static void part(Bytes *out, Form form, const Tree *t, const Tree *other) {
  const Tree *from = fuzz_chance(50) ? t : other;
  const Piece *p = draw(from, form);
  if (p && (form == NAME || fuzz_chance(60))) {
    fuzz_put(out, from->text + p->begin, p->end - p->begin);
    return;
  }
  switch (form) {
  case ITEM: item(out, t); break;
  case STATEMENT: statement(out, t); break;
  case TYPE: fuzz_put_text(out, FUZZ_PICK(type)); break;
  case NUMBER: fuzz_put_text(out, FUZZ_PICK(number)); break;
  case OPERATOR: fuzz_put_text(out, FUZZ_PICK(operator_)); break;
  case NAME: put_name(out, t); break;
  default: generate(out, t, 1 + (int)fuzz_draw(3));
  }
}

/* An expression as a part of another one. */
static void wrap(Bytes *out, const Tree *t, Piece at) {
  const char *text = t->text + at.begin;
  const size_t n = at.end - at.begin;
  switch (fuzz_draw(6)) {
  case 0: fuzz_put_text(out, FUZZ_PICK(unary)), fuzz_put_text(out, "("), fuzz_put(out, text, n), fuzz_put_text(out, ")"); break;
  case 1:
    fuzz_put_text(out, FUZZ_PICK(binary)), fuzz_put_text(out, "("), fuzz_put(out, text, n), fuzz_put_text(out, ", "),
        generate(out, t, 1), fuzz_put_text(out, ")");
    break;
  case 2:
    fuzz_put_text(out, "("), fuzz_put(out, text, n), fuzz_put_text(out, " "), fuzz_put_text(out, FUZZ_PICK(operator_)),
        fuzz_put_text(out, " "), generate(out, t, 1), fuzz_put_text(out, ")");
    break;
  case 3: fuzz_put_text(out, "["), fuzz_put(out, text, n), fuzz_put_text(out, " for k in 0:2]"); break;
  case 4: fuzz_put_text(out, "("), fuzz_put(out, text, n), fuzz_put_text(out, fuzz_chance(50) ? ").T" : ")[0]"); break;
  default:
    fuzz_put_text(out, "where("), generate(out, t, 1), fuzz_put_text(out, " < 0, "), fuzz_put(out, text, n),
        fuzz_put_text(out, ", "), generate(out, t, 1), fuzz_put_text(out, ")");
  }
}

static void replace(Bytes *b, Piece at, const Bytes *with) { fuzz_splice(b, at.begin, at.end - at.begin, with->at, with->n); }

static void change(Bytes *b, const Tree *t, const Tree *other) {
  static const Form often[] = {EXPRESSION, EXPRESSION, EXPRESSION, STATEMENT, STATEMENT, NAME, NAME, NUMBER, OPERATOR, TYPE, ITEM};
  const Form form = FUZZ_PICK(often);
  const Piece *p = draw(t, form), *q = draw(t, form);
  Bytes new = {0};
  if (!p) {
    item(&new, t);
    fuzz_splice(b, b->n, 0, new.at, new.n);
  } else if (form == EXPRESSION && fuzz_chance(25)) {
    wrap(&new, t, *p);
    replace(b, *p, &new);
  } else if ((form == STATEMENT || form == ITEM) && fuzz_chance(60)) {
    if (fuzz_chance(30)) fuzz_splice(b, p->begin, p->end - p->begin, "", 0);
    else {
      part(&new, form, t, other);
      fuzz_put_text(&new, "\n");
      fuzz_splice(b, p->begin, 0, new.at, new.n);
    }
  } else if (fuzz_chance(15) && (q->end <= p->begin || p->end <= q->begin)) {
    const Piece first = p->begin < q->begin ? *p : *q, then = p->begin < q->begin ? *q : *p; /* the two change places */
    fuzz_put(&new, b->at, b->n);
    fuzz_splice(b, then.begin, then.end - then.begin, new.at + first.begin, first.end - first.begin);
    fuzz_splice(b, first.begin, first.end - first.begin, new.at + then.begin, then.end - then.begin);
  } else {
    part(&new, form, t, other);
    replace(b, *p, &new);
  }
  free(new.at);
}

void fuzz_mutate_form(Bytes *b) {
  const Bytes *seen = fuzz_remembered();
  Bytes mine = {0}, donor = {0};
  Tree t, other;
  fuzz_put(&mine, b->at, b->n);
  fuzz_put(&mine, "", 1);
  fuzz_put(&donor, seen->at, seen->n);
  fuzz_put(&donor, "", 1);
  parse(&t, (const char *)mine.at, mine.n - 1);
  parse(&other, (const char *)donor.at, donor.n - 1);
  change(b, &t, &other);
  forget(&t);
  forget(&other);
  free(mine.at);
  free(donor.at);
}
