/* Building the tree: constructors for the grammar, the limit on its depth, and ast_parse. */
#include "frontend/syntax/parse_priv.h"
#include "frontend/syntax/synonym.h"
#include "ir/eval/num.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *const ast_stmt_text[] = {
  [ST_LET] = "let",     [ST_VAR] = "var",       [ST_ASSIGN] = "assign",   [ST_UPDATE] = "update", [ST_RETURN] = "return",
  [ST_FOR] = "for",     [ST_REPEAT] = "repeat", [ST_PARAM] = "param",     [ST_USE] = "use",       [ST_YIELD] = "yield",
  [ST_APPLY] = "apply", [ST_EVOLVE] = "evolve", [ST_RUNNING] = "running", [ST_DEFINE] = "define", [ST_REQUIRE] = "require",
};

const char *const ast_item_text[] = {
  [IT_LANGUAGE] = "language",
  [IT_PRECISION] = "precision",
  [IT_IMPORT] = "import",
  [IT_CONST] = "const",
  [IT_FN] = "fn",
  [IT_HAMILTONIAN] = "hamiltonian",
  [IT_NET] = "net",
  [IT_FLOW] = "flow",
  [IT_USE] = "use",
  [IT_DATA] = "data",
  [IT_LOSS] = "loss",
  [IT_TRAIN] = "train",
  [IT_REPORT] = "report",
  [IT_EXPECT] = "expect",
  [IT_PROVE] = "prove",
  [IT_PLOT] = "plot",
  [IT_SAVE] = "save",
};

const char *ast_opr_text(Opr o) {
  static const char *const text[] = {
    [OPR_ADD] = "+",   [OPR_SUB] = "-", [OPR_MUL] = "*", [OPR_DIV] = "/",   [OPR_POW] = "^", [OPR_MATMUL] = "@",
    [OPR_LT] = "<",    [OPR_LE] = "<=", [OPR_GT] = ">",  [OPR_GE] = ">=",   [OPR_EQ] = "==", [OPR_NE] = "!=",
    [OPR_AND] = "and", [OPR_OR] = "or", [OPR_NEG] = "-", [OPR_NOT] = "not",
  };
  return text[o];
}

/* ---- lists ------------------------------------------------------------------------------------------- */

Args args_add(Parser *ps, Args list, const char *name, Span name_at, Expr *value) {
  Arg *a = ARENA_NEW(ps->mem, Arg);
  *a = (Arg){.name = name, .name_at = name_at, .value = value};
  if (list.n) *list.last = a;
  else list.first = a;
  list.last = &a->next;
  list.n++;
  return list;
}

Args args_named(Parser *ps, const char *name, Span name_at, Expr *value) { return args_add(ps, (Args){0}, name, name_at, value); }

/* ---- expressions --------------------------------------------------------------------------------------- */

Expr *ast_expr(Parser *ps, ExprKind kind, Span at) {
  Expr *e = ARENA_NEW(ps->mem, Expr);
  *e = (Expr){.kind = kind, .at = at};
  return e;
}

static bool times_ten(int64_t *n, int add) {
  if (*n > (INT64_MAX - add) / 10) return false;
  *n = *n * 10 + add;
  return true;
}

/* Digits with a point and a power of ten as num/den; false where that needs more than 63 bits. */
static bool exact(const char *s, int64_t *num, int64_t *den) {
  int64_t m = 0;
  long power = 0;
  bool point = false;
  for (; *s && *s != 'e' && *s != 'E'; s++) {
    if (*s == '.') {
      point = true;
      continue;
    }
    if (!times_ten(&m, *s - '0')) return false;
    power -= point;
  }
  if (*s) {
    long e = strtol(s + 1, NULL, 10);
    if (e > 1000 || e < -1000) return false;
    power += e;
  }
  *num = m;
  *den = 1;
  for (; power > 0; power--)
    if (!times_ten(num, 0)) return false;
  for (; power < 0 && m; power++) {
    if (*num % 10 == 0) *num /= 10;
    else if (!times_ten(den, 0)) return false;
  }
  int64_t g = num_gcd(*num, *den);
  *num /= g, *den /= g;
  return true;
}

Expr *ast_number(Parser *ps, Span at) {
  Expr *e = ast_expr(ps, EX_NUMBER, at);
  const char *s = arena_strndup(ps->mem, ps->text + at.begin, at.end - at.begin);
  e->value = strtod(s, NULL);
  e->integer = !strpbrk(s, ".eE");
  if (!exact(s, &e->num, &e->den)) e->num = e->den = 0;
  if (isinf(e->value)) diag_add(ps->diag, CODE_number, at, "this number is larger than any real");
  return e;
}

Expr *ast_unary(Parser *ps, Opr op, Span op_at, Expr *a, Span at) {
  Expr *e = ast_expr(ps, EX_UNARY, at);
  e->op = op, e->op_at = op_at, e->a = a;
  return e;
}

Expr *ast_binary(Parser *ps, Opr op, Span op_at, Expr *a, Expr *b, Span at) {
  Expr *e = ast_unary(ps, op, op_at, a, at);
  e->kind = EX_BINARY, e->b = b;
  return e;
}

Expr *ast_with_args(Parser *ps, ExprKind kind, Expr *a, Args args, Span at) {
  Expr *e = ast_expr(ps, kind, at);
  e->a = a, e->args = args.first, e->nargs = args.n;
  return e;
}

Expr *ast_range(Parser *ps, Expr *a, Expr *b, Span at) {
  Expr *e = ast_expr(ps, EX_RANGE, at);
  e->a = a, e->b = b;
  return e;
}

Expr *ast_step(Parser *ps, Expr *range, Expr *step, Span at) {
  range->args = args_named(ps, NULL, step->at, step).first;
  range->nargs = 1;
  range->at = at;
  return range;
}

Expr *ast_listed(Parser *ps, Args values, Span at) {
  return values.n == 1 ? values.first->value : ast_with_args(ps, EX_TUPLE, NULL, values, at);
}

TypeExpr *ast_type(Parser *ps, const char *base, Span base_at, Args dims, bool list, Span at) {
  static const char *const known[] = {"real", "int", "bool", "string"};
  TypeExpr *t = ARENA_NEW(ps->mem, TypeExpr);
  *t = (TypeExpr){.at = at, .base = base, .list = list, .dims = dims.first, .ndims = dims.n};
  for (size_t i = 0; i < 4; i++)
    if (strcmp(base, known[i]) == 0) return t;
  const char *near = diag_nearest(base, known, 4), *other = synonym(base);
  DiagMsg *m = diag_add(ps->diag, CODE_unknown_type, base_at, "there is no type `%s`", base);
  if (other) diag_help(m, "%s", other);
  else if (near) diag_help(m, "did you mean `%s`?", near);
  else diag_help(m, "the types are `real`, `int`, `bool` and `string`, each with or without a shape in `[ ]`");
  t->base = intern(ps->names, "real");
  return t;
}

/* ---- statements ------------------------------------------------------------------------------------------
 */

Stmt *ast_stmt(Parser *ps, StmtKind kind, Span at) {
  Stmt *s = ARENA_NEW(ps->mem, Stmt);
  *s = (Stmt){.kind = kind, .at = at};
  return s;
}

static bool is_target(const Expr *e) {
  return e->kind == EX_NAME || e->kind == EX_ERROR || (e->kind == EX_INDEX && is_target(e->a));
}

static void check_target(Parser *ps, const Expr *e) {
  if (!is_target(e)) diag_add(ps->diag, CODE_assignment, e->at, "only a name, or a slice of one, can be assigned");
}

Stmt *ast_assign(Parser *ps, Args targets, Expr *value, Clauses c, Span at) {
  Stmt *s = ast_stmt(ps, ST_ASSIGN, at);
  const Expr *all = targets.n == 1 ? targets.first->value : NULL;
  if (all && all->kind == EX_TUPLE) targets = (Args){.first = all->args, .n = all->nargs}; /* (q, p) = ... */
  for (Arg *a = targets.first; a; a = a->next) {
    check_target(ps, a->value);
    if (a->value->kind == EX_NAME) a->name = a->value->name;
  }
  s->names = targets.first, s->nnames = targets.n, s->value = value, s->inverse = c.inverse, s->logdet = c.logdet;
  return s;
}

Stmt *ast_update(Parser *ps, Opr op, Args targets, Expr *value, Span at) {
  Stmt *s = ast_stmt(ps, ST_UPDATE, at);
  s->op = op, s->target = targets.first->value, s->value = value;
  if (targets.n > 1)
    diag_help(diag_add(ps->diag, CODE_assignment, targets.first->next->name_at, "an update changes one value"),
              "write one update per line");
  check_target(ps, s->target);
  return s;
}

Stmt *ast_apply(Parser *ps, Args values, Span at) {
  Stmt *s = ast_stmt(ps, ST_APPLY, at);
  s->value = ast_listed(ps, values, at);
  if (s->value->kind != EX_CALL && s->value->kind != EX_ERROR)
    diag_help(diag_add(ps->diag, CODE_lone_expression, at, "an expression alone does nothing"),
              "return it, or give it a name with `let`"),
        s->value->kind = EX_ERROR;
  return s;
}

Stmt *ast_local(Parser *ps, Item *it) {
  Stmt *s = ast_stmt(ps, ST_DEFINE, it->at);
  s->item = it;
  s->names = args_named(ps, it->name, it->name_at, NULL).first, s->nnames = 1;
  return s;
}

Stmts ast_append(Parser *ps, Stmts list, Stmt *s) {
  (void)ps;
  if ((s->kind == ST_APPLY && s->value->kind == EX_ERROR) || (s->kind == ST_DEFINE && s->item->unread)) {
    list.broken = true;
    return list;
  }
  if (list.first) *list.last = s;
  else list.first = s;
  list.last = &s->next;
  return list;
}

/* Blanks, newlines and comments between two characters become one blank; strings stay as they are. */
const char *ast_text(Parser *ps, Span at) {
  char *out = arena_alloc(ps->mem, at.end - at.begin + 1);
  size_t n = 0;
  bool gap = false, string = false;
  for (uint32_t i = at.begin; i < at.end; i++) {
    char c = ps->text[i];
    if (!string && c == '#') {
      while (i + 1 < at.end && ps->text[i + 1] != '\n') i++;
      gap = true;
      continue;
    }
    if (!string && c && strchr(" \t\r\n\f\v", c)) {
      gap = true;
      continue;
    }
    if (gap && n) out[n++] = ' ';
    gap = false;
    out[n++] = c;
    if (string && c == '\\' && i + 1 < at.end) out[n++] = ps->text[++i];
    else if (c == '"') string = !string;
  }
  return out;
}

void ast_stmt_parts(const Stmt *s, Expr *part[STMT_PARTS]) {
  Expr *const all[STMT_PARTS] = {s->target, s->value,    s->inverse, s->logdet, s->init_dist,
                                 s->law,    s->duration, s->steps,   s->method, s->decay};
  memcpy(part, all, sizeof all);
}

const Arg *ast_option(const Item *it, const char *name) {
  const Arg *o = it->options;
  while (o && strcmp(o->name, name) != 0) o = o->next;
  return o;
}

bool ast_type_real(const TypeExpr *t) { return t && !t->list && !strcmp(t->base, "real"); }

/* ---- depth
 * ------------------------------------------------------------------------------------------------- *
 * Everything after the parser walks the tree by recursion, so no path through it may be longer than
 * MAX_TREE_DEPTH. What lies deeper is cut off, with an error. */

static void limit_block(Parser *ps, Block *b, int depth);

static void limit_expr(Parser *ps, Expr *e, int depth) {
  if (!e) return;
  if (depth >= MAX_TREE_DEPTH) {
    if (!ps->too_deep)
      diag_help(diag_add(ps->diag, CODE_too_deep, e->at, "this expression has more than %d levels", MAX_TREE_DEPTH),
                "name parts of it with `let`");
    ps->too_deep = true;
    *e = (Expr){.kind = EX_ERROR, .at = e->at};
    return;
  }
  limit_expr(ps, e->a, depth + 1);
  limit_expr(ps, e->b, depth + 1);
  for (Arg *a = e->args; a; a = a->next) limit_expr(ps, a->value, depth + 1);
  limit_block(ps, e->block, depth + 1);
}

static void limit_formals(Parser *ps, Formal *f, int depth) {
  for (; f; f = f->next) {
    limit_expr(ps, f->init, depth);
    for (Arg *a = f->type ? f->type->dims : NULL; a; a = a->next) limit_expr(ps, a->value, depth);
  }
}

static void limit_item(Parser *ps, Item *it, int depth) {
  limit_formals(ps, it->tformals, depth);
  limit_formals(ps, it->formals, depth);
  for (Arg *a = it->result ? it->result->dims : NULL; a; a = a->next) limit_expr(ps, a->value, depth);
  limit_expr(ps, it->value, depth);
  limit_block(ps, it->body, depth);
  for (Arg *a = it->options; a; a = a->next) limit_expr(ps, a->value, depth);
}

static void limit_block(Parser *ps, Block *b, int depth) {
  for (Stmt *s = b ? b->first : NULL; s; s = s->next) {
    Expr *part[STMT_PARTS];
    ast_stmt_parts(s, part);
    for (int i = 0; i < STMT_PARTS; i++) limit_expr(ps, part[i], depth);
    for (Arg *a = s->names; a; a = a->next) limit_expr(ps, a->value, depth);
    for (Arg *a = s->how; a; a = a->next) limit_expr(ps, a->value, depth);
    for (Arg *a = s->type ? s->type->dims : NULL; a; a = a->next) limit_expr(ps, a->value, depth);
    limit_block(ps, s->body, depth + 1);
    if (s->item) {
      limit_item(ps, s->item, depth + 1);
      ast_free_names(ps, s->item);
    }
  }
}

static void ast_limit_depth(Parser *ps, Item *items) {
  for (Item *it = items; it; it = it->next) {
    ps->too_deep = false;
    limit_item(ps, it, 0);
  }
}

/* ---- the whole file ------------------------------------------------------------------------------------ */

/* What a file says, its last such line. What is part of this compiler, or was written for one call of it, is of this version. */
static int language_of(const Item *first, const char *name, const char *before) {
  int version = before || !strncmp(name, "<std/", 5) ? FRONT_LANGUAGE : 0;
  for (const Item *it = first; it; it = it->next)
    if (it->kind == IT_LANGUAGE && it->value->value >= 1 && it->value->value <= FRONT_LANGUAGE) version = (int)it->value->value;
  return version;
}

static Ast *parse(Source *src, uint32_t file, const char *before, uint32_t from, Interner *names, Diag *diag) {
  const SourceFile *f = source_file(src, file);
  Arena *mem = arena_create();
  Ast *ast = ARENA_NEW(mem, Ast);
  *ast = (Ast){.mem = mem, .file = file};
  Parser ps = {.mem = mem,
               .src = src,
               .text = f->text,
               .len = f->len,
               .file = file,
               .names = names,
               .diag = diag,
               .before = before,
               .from = from};
  ps.last = &ps.first;
  tokens_read(&ps);
  hnn_parse(&ps);
  ast_limit_depth(&ps, ps.first);
  vec_free(&ps.tokens);
  ast->first = ps.first;
  source_says_language(src, file, language_of(ps.first, source_file(src, file)->name, before));
  ast->nbroken = ps.broken.n;
  ast->broken = ARENA_ARRAY(mem, const char *, ps.broken.n + 1);
  for (uint32_t i = 0; i < ps.broken.n; i++) ast->broken[i] = ps.broken.at[i];
  vec_free(&ps.broken);
  return ast;
}

Ast *ast_parse(Source *src, uint32_t file, Interner *names, Diag *diag) { return parse(src, file, NULL, 0, names, diag); }

Ast *ast_parse_const(Source *src, uint32_t file, uint32_t from, Interner *names, Diag *diag) {
  return parse(src, file, "const", from, names, diag);
}

/* `{ let ... }` is a block, `{ name = ... }` a list of arrays. */
static bool lists_arrays(const char *text) {
  text += strspn(text, " \t\n");
  if (*text++ != '{') return false;
  text += strspn(text, " \t\n");
  const size_t word = strcspn(text, " \t\n=;{}()[],+-*/^\"");
  const char *behind = text + word + strspn(text + word, " \t\n");
  return word && behind[0] == '=' && behind[1] != '=';
}

Ast *ast_parse_asked(Source *src, uint32_t file, Interner *names, Diag *diag) {
  const bool list = lists_arrays(source_file(src, file)->text);
  return parse(src, file, list ? "save result =" : "const result =", 0, names, diag);
}

void ast_destroy(Ast *a) {
  if (a) arena_destroy(a->mem);
}
