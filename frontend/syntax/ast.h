/* The syntax tree. Everything lives in the tree's arena; lists are linked by `next`. Every node has
 * its span; names are interned. The parser only builds it: names, shapes and meaning are decided by
 * the elaborator (elab/, builtin/, flow/, claims/). */
#ifndef HNNC_FRONTEND_SYNTAX_AST_H
#define HNNC_FRONTEND_SYNTAX_AST_H

#include "ir/base/base.h"

typedef struct Expr Expr;
typedef struct Stmt Stmt;
typedef struct Block Block;
typedef struct Item Item;

/* ---- expressions ------------------------------------------------------------------------------------ */

typedef enum ExprKind {
  EX_ERROR,  /* stands where a syntax error was */
  EX_NUMBER, /* num: value, and num/den exact when den > 0 */
  EX_STRING,
  EX_BOOL,
  EX_NAME,
  EX_UNARY,         /* op a: OPR_NEG, OPR_NOT */
  EX_BINARY,        /* a op b */
  EX_CALL,          /* a(args): positional and name = value */
  EX_INDEX,         /* a[subs] */
  EX_MEMBER,        /* a.name: only `.T` means something today */
  EX_LIST,          /* [args] */
  EX_COMPREHENSION, /* [a for name in b]; b an EX_RANGE or any list */
  EX_TUPLE,         /* (args), two or more */
  EX_RANGE,         /* a:b, either may be NULL; only in subscripts, `for` and comprehensions. args: the step, in subscripts */
  EX_BLOCK          /* { let ...; return e } as a value */
} ExprKind;

typedef enum Opr {
  OPR_ADD,
  OPR_SUB,
  OPR_MUL,
  OPR_DIV,
  OPR_POW,
  OPR_MATMUL,
  OPR_LT,
  OPR_LE,
  OPR_GT,
  OPR_GE,
  OPR_EQ,
  OPR_NE,
  OPR_AND,
  OPR_OR,
  OPR_NEG,
  OPR_NOT
} Opr;
const char *ast_opr_text(Opr o);
/* Words of statements and items, by kind, as dumps have them. */
extern const char *const ast_stmt_text[], *const ast_item_text[];

typedef struct Arg {
  struct Arg *next;
  const char *name;
  Span name_at;
  Expr *value;
} Arg; /* name NULL: positional */

struct Expr {
  ExprKind kind;
  Span at;
  Opr op;
  Span op_at;       /* EX_UNARY, EX_BINARY: the operator's own place */
  const char *name; /* EX_NAME, EX_MEMBER, EX_COMPREHENSION's variable, EX_STRING's bytes */
  Span name_at;     /* EX_MEMBER, EX_COMPREHENSION */
  double value;
  int64_t num, den; /* EX_NUMBER; EX_BOOL: value 0 or 1 */
  bool integer;     /* EX_NUMBER written without point or exponent */
  Expr *a, *b;
  Arg *args;
  uint32_t nargs; /* EX_CALL, EX_INDEX (subscripts), EX_LIST, EX_TUPLE */
  Block *block;   /* EX_BLOCK */
};

/* ---- types and parameter lists ---------------------------------------------------------------------------- */

typedef struct TypeExpr { /* real, real[n, m], int, int[], bool, string ... */
  Span at;
  const char *base; /* "real", "int", "bool", "string" */
  bool list;        /* `int[]` */
  Arg *dims;
  uint32_t ndims;
} TypeExpr;

typedef struct Formal { /* a parameter of a definition */
  struct Formal *next;
  const char *name;
  Span at;
  TypeExpr *type; /* NULL: any */
  Expr *init;     /* default value or NULL */
} Formal;

/* ---- statements (bodies of definitions, flows, data programs) ----------------------------------------------- */

typedef enum StmtKind {
  ST_LET,    /* let names = e; several names: let (a, b) = e */
  ST_VAR,    /* var h = e */
  ST_ASSIGN, /* h = e   (also a, b = e1, e2 in a flow, with optional clauses: its inverse, its log-determinant) */
  ST_UPDATE, /* x[..] += e, -=, *=, /=  (flows) */
  ST_RETURN,
  ST_FOR,     /* for x in e { } */
  ST_REPEAT,  /* repeat e { } */
  ST_PARAM,   /* param W: real[out, d] ~ glorot | = e */
  ST_USE,     /* use energy = mlp(...) */
  ST_YIELD,   /* yield [each | windows(m) | shuffled(m, orders = k)] fields */
  ST_APPLY,   /* T(q, p) as a statement (flows), inverse(T)(q, p) */
  ST_EVOLVE,  /* evolve(q, p) under H for t steps m method M; evolve x along f for t steps m */
  ST_RUNNING, /* running m = mean_over_batch(e) decay d */
  ST_DEFINE,  /* fn f(x) = e, hamiltonian H(q, p) { } */
  ST_REQUIRE  /* require e, "what is needed" */
} StmtKind;

typedef enum YieldForm { YF_ONE, YF_EACH, YF_WINDOWS, YF_SHUFFLED } YieldForm;

struct Stmt {
  Stmt *next;
  StmtKind kind;
  Span at;
  Arg *names;
  uint32_t nnames; /* LET, VAR, ASSIGN targets (Arg.name; Arg.value = target expression for
                                        ASSIGN), FOR variable, USE, PARAM, RUNNING name */
  Opr op;          /* UPDATE: OPR_ADD, OPR_SUB, OPR_MUL, OPR_DIV */
  Expr *target;    /* UPDATE: x or x[..]; EVOLVE: the state (EX_TUPLE or name) */
  Expr *value;     /* the right-hand side; several for `q, p = a, b`: an EX_TUPLE */
  Expr *inverse;   /* the inverse clause or NULL */
  Expr *logdet;    /* likewise */
  TypeExpr *type;  /* PARAM, optional on LET/VAR */
  Expr *init_dist; /* PARAM ~ glorot / normal(0, 1): EX_NAME or EX_CALL */
  Block *body;     /* FOR, REPEAT */
  YieldForm yield;
  Arg *how; /* YIELD, and what stands in the parentheses of its form; its fields are `names`: value NULL
                                        means the variable of that name, `f, g = e` fields sharing one e: see ast_parse */
  bool under;
  Expr *law, *duration, *steps, *method; /* EVOLVE: under H | along f */
  Expr *decay;                           /* RUNNING */
  Item *item;                            /* DEFINE: an IT_FN or IT_HAMILTONIAN; `names` has its name */
  const Expr *words;                     /* REQUIRE: an EX_STRING */
  const Arg *read;                       /* REQUIRE: the names that its condition takes from around it, without values */
};

struct Block {
  Stmt *first;
  Span at;
  bool broken;
}; /* broken: a statement with a syntax error is left out */

enum { FRONT_LANGUAGE = 1 }; /* the version of the language; docs/versions.md says when it rises */

/* ---- the top level ------------------------------------------------------------------------------------------------ */

typedef enum ItemKind {
  IT_LANGUAGE,  /* language 1: value */
  IT_PRECISION, /* precision f32: name */
  IT_IMPORT,    /* import "std/nets": name */
  IT_CONST,     /* const n = e */
  IT_FN,
  IT_HAMILTONIAN,
  IT_NET,
  IT_FLOW,
  IT_USE,  /* use a = e */
  IT_DATA, /* data d [on other] { ... } | data d = read(...) */
  IT_LOSS,
  IT_TRAIN,  /* train loss on data, weight*loss on data { options } */
  IT_REPORT, /* report name = e [on data] */
  IT_EXPECT,
  IT_PROVE, /* prove (formals) a == b: value is the EX_BINARY */
  IT_PLOT,  /* plot name = { options } [on data] */
  IT_SAVE   /* save name = { key = e } [on data] */
} ItemKind;

/* A loss that a training minimises the sum of: `weight*loss on data`. */
typedef struct Summand {
  struct Summand *next;
  Span at;
  Expr *value;      /* as written */
  Expr *weight;     /* NULL: 1 */
  const char *name; /* of the loss; NULL where `value` is neither a name nor a number times one */
  Span name_at;
  const char *on; /* NULL: no data */
  Span on_at;
} Summand;

struct Item {
  Item *next;
  ItemKind kind;
  Span at; /* the whole item */
  const char *name;
  Span name_at;
  bool symplectic, volume; /* IT_FLOW prefixes */
  bool templated;          /* two parameter lists: tformals, then formals */
  Formal *tformals, *formals;
  TypeExpr *result; /* -> type, or NULL */
  Expr *value;      /* = e; NULL with a body */
  Block *body;
  const char *from, *as; /* IT_USE: the file that it starts from, and under which name there; or NULL */
  Span from_at;
  const char *on;
  Span on_at;       /* data ... on, report ... on */
  Summand *sum;     /* IT_TRAIN; name and name_at are those of its first loss */
  bool broken;      /* an option with a syntax error is left out; IT_IMPORT: its string is not closed */
  bool unread;      /* its parameters have a syntax error: it is in no list of items */
  Arg *options;     /* IT_TRAIN, IT_PLOT, IT_SAVE: name = value; schedules etc. are EX_CALLs, `a | b` does not occur in files */
  const char *text; /* IT_EXPECT, IT_PROVE, IT_REPORT: source text as written, blanks squeezed */
  Arg *free;        /* of a definition inside a body: names that it takes from around it, or from the file or the language */
};

typedef struct Ast {
  Arena *mem;
  uint32_t file;
  Item *first;
  const char **broken;
  uint32_t nbroken; /* names that a statement with a syntax error would have defined: no use of them is an error */
} Ast;

/* The expressions of a statement less its names and options, as they stand in the text; NULL where it has none of a kind. */
enum { STMT_PARTS = 10 };
void ast_stmt_parts(const Stmt *s, Expr *part[STMT_PARTS]);
const Arg *ast_option(const Item *it, const char *name); /* of those in braces; NULL: not given */
/* `real`, `real[n, m]`: no list, and declared. */
bool ast_type_real(const TypeExpr *t);

/* Parses a file of src. Always returns a tree; errors go to diag, and what could not be read is left
 * out. `yield q, p, dq = v` gives names q, p, dq with values NULL, NULL, v. */
Ast *ast_parse(Source *src, uint32_t file, Interner *names, Diag *diag);
/* The same of a file that holds `name = value` from the byte `from` on: one item, a const. */
Ast *ast_parse_const(Source *src, uint32_t file, uint32_t from, Interner *names, Diag *diag);
/* The same of an expression alone: a const; or of `{ name = expression, ... }`: a save. */
Ast *ast_parse_asked(Source *src, uint32_t file, Interner *names, Diag *diag);
void ast_destroy(Ast *a);
void ast_print(FILE *out, const Ast *a); /* an indented dump, stable, for tests and --emit=ast */

#endif
