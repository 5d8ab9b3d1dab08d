/* What the lexer, the token filter, the grammar and the tree's constructors share; private to them.
 *
 * ast_parse runs in three steps: lexer.l and raw.c cut the text into raw tokens, tokens.c turns those into what
 * the grammar reads (newlines that count, keywords, balanced brackets), parser.y builds the tree.
 *
 * What the grammar may rely on:
 *   - brackets are balanced: a missing one has been reported and put in (TOK_MENDED), a stray one has
 *     been reported and left out;
 *   - every statement, option row and item ends in T_NL, which never follows another T_NL or a `{`;
 *   - brackets nest at most MAX_NESTING deep. */
#ifndef HNNC_FRONTEND_SYNTAX_PARSE_PRIV_H
#define HNNC_FRONTEND_SYNTAX_PARSE_PRIV_H

#include "frontend/syntax/ast.h"

enum { MAX_NESTING = 200, MAX_TREE_DEPTH = 500 };

typedef enum TokOrigin {
  TOK_WRITTEN,
  TOK_IMPLIED, /* the T_NL before a `}` or the end of the file; messages speak of what follows */
  TOK_MENDED   /* put in after an error was reported: an error met here is not told again */
} TokOrigin;

typedef struct Token {
  int kind; /* of the grammar, 0 at the end */
  TokOrigin origin;
  uint32_t begin, end;
  const char *name; /* T_NAME, and keywords: the interned text; T_STRING: its bytes */
  uint32_t match;   /* an opening bracket: index of its closing one */
} Token;

typedef VEC(Token) Tokens;

typedef struct TokenStart {
  uint32_t token;
  bool top;
} TokenStart; /* top: not within braces */

typedef struct Parser {
  Arena *mem;
  Source *src;
  const char *text;
  uint32_t file, len;
  Interner *names;
  Diag *diag;
  Tokens tokens;
  const char *before; /* words that stand before the text, with blanks between them; NULL: none */
  uint32_t from;      /* see ast_parse_const */
  uint32_t at;        /* index of the next token */
  bool recovering, stopped;
  bool too_deep; /* said of the item whose depth is being limited */
  bool lost;     /* at the top, after something that begins no definition: until one begins, there is nothing new to say */
  VEC(const char *) broken; /* see Ast */
  TokenStart *start;        /* of the statement each token is in; NULL until an error asks (syntax_error.c) */
  Item *first, **last;
} Parser;

/* Lists under construction. */
typedef struct Args {
  Arg *first, **last;
  uint32_t n;
  bool broken; /* one with a syntax error is left out */
} Args;
typedef struct Formals {
  Formal *first, **last;
  bool broken; /* one with a syntax error: what has them is left out */
} Formals;
typedef struct Stmts {
  Stmt *first, **last;
  bool broken;
} Stmts;

/* raw.c: the tokens of the text, the last of kind 0; `match` of brackets that agree */
void raw_read(Parser *ps, Tokens *out);
bool token_ends_operand(int kind);

/* tokens.c */
void tokens_read(Parser *ps);
Span token_span(const Parser *ps, const Token *t);

/* syntax_error.c: words[] are the tokens expected at ps->tokens.at[found], as the grammar spells them. */
void syntax_error(Parser *ps, uint32_t found, const char *const *words, int n);

const char *syntax_shown(Parser *ps, const Token *t); /* a token as messages show it */

/* habit.c: whether the error is plainly another language's, which was then said. start: of the statement; top: it is none of a body;
 * operators, comma: could stand here */
bool habit_said(Parser *ps, uint32_t found, uint32_t start, bool top, bool operators, bool comma);

/* ast.c: constructors. Lists may be NULL-initialised; appending keeps their order. */
Expr *ast_expr(Parser *ps, ExprKind kind, Span at);
Expr *ast_number(Parser *ps, Span at);
Expr *ast_unary(Parser *ps, Opr op, Span op_at, Expr *a, Span at);
Expr *ast_binary(Parser *ps, Opr op, Span op_at, Expr *a, Expr *b, Span at);
Expr *ast_with_args(Parser *ps, ExprKind kind, Expr *a, Args args, Span at);
Expr *ast_range(Parser *ps, Expr *a, Expr *b, Span at);
Expr *ast_step(Parser *ps, Expr *range, Expr *step, Span at); /* range:step */
Expr *ast_listed(Parser *ps, Args values, Span at);           /* one value itself, several as a tuple */
Stmt *ast_stmt(Parser *ps, StmtKind kind, Span at);
typedef struct Clauses {
  Expr *inverse, *logdet;
} Clauses; /* behind an assignment; or NULL */
Stmt *ast_assign(Parser *ps, Args targets, Expr *value, Clauses c, Span at);
Stmt *ast_update(Parser *ps, Opr op, Args targets, Expr *value, Span at);
Stmt *ast_apply(Parser *ps, Args values, Span at);
TypeExpr *ast_type(Parser *ps, const char *base, Span base_at, Args dims, bool list, Span at);
Stmt *ast_local(Parser *ps, Item *it);
Stmts ast_append(Parser *ps, Stmts list, Stmt *s); /* less a statement that an error was said of */
Args args_add(Parser *ps, Args list, const char *name, Span name_at, Expr *value);
Args args_named(Parser *ps, const char *name, Span name_at, Expr *value); /* a list of one */
const char *ast_text(Parser *ps, Span at);                                /* the source as written: blanks squeezed, no comments */

/* free.c: fills in it->free; the names that an expression takes from around it */
void ast_free_names(Parser *ps, Item *it);
const Arg *ast_names_in(Parser *ps, const Expr *e);

/* parser.y */
int hnn_parse(Parser *ps);

#endif
