/* The tree as text: items and statements one a line, bodies indented, expressions in prefix form:
 *   hamiltonian H(q: real[n], p: real[n]) = (+ (/ (dot p p) 2) (V q))
 * Calls are `(callee args)`; an index is `(index x subs)`, a list `[..]`, a tuple `(tuple ..)`, a range
 * `(: a b)` with `_` for an end left out. Numbers are exact where they are known exactly. */
#include "frontend/syntax/ast.h"

#include <string.h>

static void put_expr(FILE *out, const Expr *e, int depth);
static void put_block(FILE *out, const Block *b, int depth);

static void indent(FILE *out, int depth) { fprintf(out, "%*s", 2 * depth, ""); }

static void put_string(FILE *out, const char *s) {
  fputc('"', out);
  for (; *s; s++) {
    if (*s == '\n' || *s == '\t') fputs(*s == '\n' ? "\\n" : "\\t", out);
    else fprintf(out, *s == '"' || *s == '\\' ? "\\%c" : "%c", *s);
  }
  fputc('"', out);
}

static void put_args(FILE *out, const Arg *a, const char *before, int depth) {
  for (; a; a = a->next) {
    fputs(before, out);
    before = " ";
    if (a->name) fprintf(out, "%s%s", a->name, a->value ? "=" : "");
    if (a->value) put_expr(out, a->value, depth);
  }
}

static void put_number(FILE *out, const Expr *e) {
  if (e->den == 0) fprintf(out, "%.17g", e->value);
  else if (e->den == 1) fprintf(out, "%lld%s", (long long)e->num, e->integer ? "" : ".");
  else fprintf(out, "%lld/%lld", (long long)e->num, (long long)e->den);
}

static void put_pair(FILE *out, const char *head, const Expr *a, const Expr *b, int depth) {
  fprintf(out, "(%s ", head);
  if (a) put_expr(out, a, depth);
  else fputc('_', out);
  fputc(' ', out);
  if (b) put_expr(out, b, depth);
  else fputc('_', out);
  fputc(')', out);
}

static void put_expr(FILE *out, const Expr *e, int depth) {
  switch (e->kind) {
  case EX_ERROR: fputs("<error>", out); break;
  case EX_NUMBER: put_number(out, e); break;
  case EX_STRING: put_string(out, e->name); break;
  case EX_BOOL: fputs(e->value != 0 ? "true" : "false", out); break;
  case EX_NAME: fputs(e->name, out); break;
  case EX_UNARY:
    fprintf(out, "(%s ", ast_opr_text(e->op));
    put_expr(out, e->a, depth);
    fputc(')', out);
    break;
  case EX_BINARY: put_pair(out, ast_opr_text(e->op), e->a, e->b, depth); break;
  case EX_CALL:
    fputc('(', out);
    put_expr(out, e->a, depth);
    put_args(out, e->args, " ", depth);
    fputc(')', out);
    break;
  case EX_INDEX:
    fputs("(index ", out);
    put_expr(out, e->a, depth);
    put_args(out, e->args, " ", depth);
    fputc(')', out);
    break;
  case EX_MEMBER:
    fputs("(. ", out);
    put_expr(out, e->a, depth);
    fprintf(out, " %s)", e->name);
    break;
  case EX_LIST:
    fputc('[', out);
    put_args(out, e->args, "", depth);
    fputc(']', out);
    break;
  case EX_COMPREHENSION:
    fputc('[', out);
    put_expr(out, e->a, depth);
    fprintf(out, " for %s in ", e->name);
    put_expr(out, e->b, depth);
    fputc(']', out);
    break;
  case EX_TUPLE:
    fputs("(tuple", out);
    put_args(out, e->args, " ", depth);
    fputc(')', out);
    break;
  case EX_RANGE:
    if (e->args) fputs("(step ", out);
    put_pair(out, ":", e->a, e->b, depth);
    if (e->args) put_args(out, e->args, " ", depth), fputc(')', out);
    break;
  case EX_BLOCK: put_block(out, e->block, depth); break;
  }
}

static void put_type(FILE *out, const TypeExpr *t) {
  fprintf(out, "%s%s", t->base, t->list ? "[]" : t->dims ? "[" : "");
  put_args(out, t->dims, "", 0);
  if (t->dims) fputc(']', out);
}

static void put_formals(FILE *out, const Formal *f, int depth) {
  fputc('(', out);
  for (const char *before = ""; f; f = f->next, before = ", ") {
    fprintf(out, "%s%s", before, f->name);
    if (f->type) {
      fputs(": ", out);
      put_type(out, f->type);
    }
    if (f->init) {
      fputs(" = ", out);
      put_expr(out, f->init, depth);
    }
  }
  fputc(')', out);
}

static void put_clause(FILE *out, const char *word, const Expr *e, int depth) {
  if (!e) return;
  fputs(word, out);
  put_expr(out, e, depth);
}

static void put_names(FILE *out, const Stmt *s, int depth) {
  for (const Arg *a = s->names; a; a = a->next) {
    fputc(' ', out);
    if (s->kind == ST_ASSIGN && a->value) put_expr(out, a->value, depth);
    else fputs(a->name, out);
  }
  if (s->type) {
    fputs(": ", out);
    put_type(out, s->type);
  }
}

static void put_item(FILE *out, const Item *it, int depth);

static void put_stmt(FILE *out, const Stmt *s, int depth) {
  static const char *const form[] = {[YF_ONE] = "", [YF_EACH] = " each", [YF_WINDOWS] = " windows", [YF_SHUFFLED] = " shuffled"};
  indent(out, depth);
  if (s->item) {
    put_item(out, s->item, depth);
    return;
  }
  fputs(ast_stmt_text[s->kind], out);
  if (s->kind == ST_YIELD) {
    fputs(form[s->yield], out);
    put_args(out, s->how, " ", depth);
    put_args(out, s->names, " ", depth);
  } else put_names(out, s, depth);
  put_clause(out, " ", s->target, depth);
  if (s->kind == ST_UPDATE) fprintf(out, " %s=", ast_opr_text(s->op));
  bool defines =
      s->kind != ST_RETURN && s->kind != ST_REPEAT && s->kind != ST_APPLY && s->kind != ST_UPDATE && s->kind != ST_REQUIRE;
  put_clause(out, s->kind == ST_FOR ? " in " : defines ? " = " : " ", s->value, depth);
  put_clause(out, ", ", s->words, depth);
  put_clause(out, " ~ ", s->init_dist, depth);
  put_clause(out, " inverse ", s->inverse, depth);
  put_clause(out, " logdet ", s->logdet, depth);
  put_clause(out, s->under ? " under " : " along ", s->law, depth);
  put_clause(out, " for ", s->duration, depth);
  put_clause(out, " steps ", s->steps, depth);
  put_clause(out, " method ", s->method, depth);
  put_clause(out, " decay ", s->decay, depth);
  if (s->body) {
    fputc(' ', out);
    put_block(out, s->body, depth);
  }
  fputc('\n', out);
}

static void put_block(FILE *out, const Block *b, int depth) {
  fputs("{\n", out);
  for (const Stmt *s = b->first; s; s = s->next) put_stmt(out, s, depth + 1);
  indent(out, depth);
  fputc('}', out);
}

static void put_options(FILE *out, const Arg *a) {
  fputs(" {\n", out);
  for (; a; a = a->next) {
    fprintf(out, "  %s = ", a->name);
    put_expr(out, a->value, 1);
    fputc('\n', out);
  }
  fputc('}', out);
}

static void put_item(FILE *out, const Item *it, int depth) {
  fprintf(out, "%s%s%s", it->symplectic ? "symplectic " : "", it->volume ? "volume " : "", ast_item_text[it->kind]);
  if (it->kind == IT_IMPORT) {
    fputc(' ', out);
    put_string(out, it->name);
  } else if (it->name && !it->sum) fprintf(out, " %s", it->name);
  for (const Summand *s = it->sum; s; s = s->next) {
    put_clause(out, " ", s->value, depth);
    fprintf(out, s->on ? " on %s%s" : "%s%s", s->on ? s->on : "", s->next ? "," : "");
  }
  if (it->templated) put_formals(out, it->tformals, depth);
  if (it->formals || it->templated || (it->kind >= IT_FN && it->kind <= IT_FLOW) || it->kind == IT_LOSS || it->kind == IT_PROVE)
    put_formals(out, it->formals, depth);
  if (it->result) {
    fputs(" -> ", out);
    put_type(out, it->result);
  }
  if (it->on) fprintf(out, " on %s", it->on);
  put_clause(out, it->kind == IT_EXPECT || it->kind == IT_PROVE ? " " : " = ", it->value, depth);
  if (it->body) {
    fputc(' ', out);
    put_block(out, it->body, depth);
  }
  if (it->options || it->kind == IT_TRAIN || it->kind == IT_PLOT || it->kind == IT_SAVE) put_options(out, it->options);
  if (it->text) fprintf(out, "  # %s", it->text);
  fputc('\n', out);
}

void ast_print(FILE *out, const Ast *a) {
  for (const Item *it = a->first; it; it = it->next) put_item(out, it, 0);
}
