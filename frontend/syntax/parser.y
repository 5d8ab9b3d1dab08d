/* The grammar. It sees the tokens of tokens.c (see parse_priv.h for what those promise) and builds the tree
 * with the constructors of ast.c. After a syntax error it goes on at the end of the innermost bracket
 * pair, statement or item; the token that ends it is part of the error production, so that every
 * recovery consumes something. */
%code requires {
#include "frontend/syntax/parse_priv.h"
}

%code {
#include <string.h>

static int yylex(YYSTYPE *value, YYLTYPE *at, Parser *ps);
static void yyerror(YYLTYPE *at, Parser *ps, const char *what);
static Item *new_item(Parser *ps, ItemKind kind, const char *name, Span name_at, Span at);
static Item *define(Parser *ps, Item *head, Expr *value, Block *body, Span at);
static Summand *summand(Parser *ps, Expr *value, const char *on, Span on_at, Span at);
static Expr *error_expr(Parser *ps, Span at);
static void check_equality(Parser *ps, const Expr *e);
static bool closed(const Parser *ps, Span string);
static void check_claim(Parser *ps, const Item *it, Span at);
static void check_language(Parser *ps, const Expr *version);

#define YYLLOC_DEFAULT(cur, rhs, n)                                                                \
  ((cur) = (n) ? span_join(YYRHSLOC(rhs, 1), YYRHSLOC(rhs, n))                                     \
               : (Span){YYRHSLOC(rhs, 0).file, YYRHSLOC(rhs, 0).end, YYRHSLOC(rhs, 0).end})
#define YYMAXDEPTH 20000
#define YYMALLOC(size) base_realloc(NULL, size)
#define YYFREE base_free
}

%define api.pure full
%define api.prefix {hnn_}
%define api.location.type {Span}
%define parse.error custom
%define parse.lac full
%param {Parser *ps}
%locations
%expect 0

%union {
  const char *name;
  Expr *expr;
  Stmt *stmt;
  Block *block;
  Item *item;
  Summand *sum;
  TypeExpr *type;
  Args args;
  Formals formals;
  Stmts stmts;
  ItemKind kind;
  Opr opr;
  bool flag;
  YieldForm form;
  Clauses clauses;
}

%token ',' ')' ']' '}' '=' ':' '{'     /* messages list what was expected in the order of declaration */
%token END 0 "the end of the file"
%token <name> T_NAME "a name" T_STRING "a string"
%token T_NUMBER "a number"
%token T_NL "the end of the line"
%token T_OPEN_STRING T_STRAY

%token T_LANGUAGE "language" T_PRECISION "precision" T_IMPORT "import" T_CONST "const" T_FN "fn" T_HAMILTONIAN "hamiltonian"
%token T_NET "net" T_FLOW "flow" T_SYMPLECTIC "symplectic" T_VOLUME "volume" T_USE "use" T_DATA "data"
%token T_LOSS "loss" T_TRAIN "train" T_REPORT "report" T_EXPECT "expect" T_PROVE "prove" T_PLOT "plot" T_SAVE "save"
%token T_LET "let" T_VAR "var" T_RETURN "return" T_FOR "for" T_IN "in" T_REPEAT "repeat" T_PARAM "param"
%token T_YIELD "yield" T_EACH "each" T_WINDOWS "windows" T_SHUFFLED "shuffled" T_EVOLVE "evolve" T_REQUIRE "require" T_UNDER "under" T_ALONG "along"
%token T_STEPS "steps" T_METHOD "method" T_RUNNING "running" T_DECAY "decay" T_INVERSE "inverse" T_LOGDET "logdet" T_ON "on" T_FROM "from" T_AS "as"
%token T_TRUE "true" T_FALSE "false" T_AND "and" T_OR "or" T_NOT "not"
%token T_ADD_TO "+=" T_SUB_FROM "-=" T_MUL_BY "*=" T_DIV_BY "/=" T_ARROW "->"
%token T_LE "<=" T_GE ">=" T_EQ "==" T_NE "!="

%left "or"
%left "and"
%precedence "not"
%nonassoc '<' '>' "<=" ">=" "==" "!="
%left '+' '-'
%left '*' '/' '@'
%precedence NEGATION
%right '^'

%type <item> item defined local head
%type <kind> definer function drawn
%type <formals> formals formal_list formal
%type <type> type type_opt result_opt
%type <args> options row option args arg_list arg subs sub exprs list_items names targets fields field
%type <expr> expr atom postfix sub_expr range span iter init_opt decay_opt method_opt
%type <stmt> stmt
%type <stmts> stmts
%type <block> block
%type <name> on_opt as_opt
%type <opr> update
%type <flag> under
%type <sum> sum summand
%type <form> rows_form
%type <clauses> clauses

%%

file:
    items                      { (void)yynerrs; }      /* the collection of diagnostics counts */
  ;

items:
    %empty
  | items item T_NL    { if (!$2->unread) *ps->last = $2, ps->last = &$2->next; ps->recovering = ps->lost = false; }
  | items error T_NL   { yyerrok; ps->recovering = false; }
  ;

item:
    "language" T_NUMBER            { $$ = new_item(ps, IT_LANGUAGE, NULL, @1, @$); $$->value = ast_number(ps, @2); check_language(ps, $$->value); }
  | "precision" T_NAME             { $$ = new_item(ps, IT_PRECISION, $2, @2, @$); }
  | "import" T_STRING              { $$ = new_item(ps, IT_IMPORT, $2, @2, @$); $$->broken = !closed(ps, @2); }
  | "const" T_NAME '=' expr        { $$ = new_item(ps, IT_CONST, $2, @2, @$); $$->value = $4; }
  | "use" T_NAME '=' expr          { $$ = new_item(ps, IT_USE, $2, @2, @$); $$->value = $4; }
  | "use" T_NAME '=' expr "from" T_STRING as_opt
      { $$ = new_item(ps, IT_USE, $2, @2, @$); $$->value = $4; $$->from = $6; $$->from_at = @6; $$->as = $7; }
  | defined '=' expr               { $$ = define(ps, $1, $3, NULL, @$); }
  | defined block                  { $$ = define(ps, $1, NULL, $2, @$); }
  | "symplectic" item              { $$ = $2; $$->symplectic = true; $$->at = @$; check_claim(ps, $2, @1); }
  | "volume" item                  { $$ = $2; $$->volume = true; $$->at = @$; check_claim(ps, $2, @1); }
  | "data" T_NAME '=' expr         { $$ = new_item(ps, IT_DATA, $2, @2, @$); $$->value = $4; }
  | "data" T_NAME on_opt block     { $$ = new_item(ps, IT_DATA, $2, @2, @$); $$->on = $3; $$->on_at = @3; $$->body = $4; }
  | "train" sum '{' options '}'
      { $$ = new_item(ps, IT_TRAIN, $2->name, $2->name_at, @$); $$->sum = $2; $$->options = $4.first; $$->broken = $4.broken; }
  | "report" T_NAME '=' expr on_opt
      { $$ = new_item(ps, IT_REPORT, $2, @2, span_join(@1, $5 ? @5 : @4)); $$->value = $4; $$->on = $5; $$->on_at = @5; $$->text = ast_text(ps, @4); }
  | "expect" expr
      { $$ = new_item(ps, IT_EXPECT, NULL, @1, @$); $$->value = $2; $$->text = ast_text(ps, @2); }
  | "prove" formals nl_opt expr
      { $$ = new_item(ps, IT_PROVE, NULL, @1, @$); $$->formals = $2.first; $$->value = $4; $$->text = ast_text(ps, @4);
        $$->unread = $2.broken; check_equality(ps, $4); }
  | drawn T_NAME '=' '{' options '}' on_opt
      { $$ = new_item(ps, $1, $2, @2, span_join(@1, $7 ? @7 : @6)); $$->options = $5.first; $$->broken = $5.broken; $$->on = $7; $$->on_at = @7; }
  ;

drawn:
    "plot"             { $$ = IT_PLOT; }
  | "save"             { $$ = IT_SAVE; }
  ;

sum:
    summand              { $$ = $1; }
  | summand ',' sum      { $$ = $1; $$->next = $3; }
  ;

summand:
    expr on_opt          { $$ = summand(ps, $1, $2, @2, @$); }
  ;

nl_opt: %empty | T_NL ;

as_opt:
    %empty             { $$ = NULL; }
  | "as" T_STRING      { $$ = $2; }
  ;

on_opt:
    %empty             { $$ = NULL; @$ = (Span){0}; }
  | "on" T_NAME        { $$ = $2; @$ = @2; }
  ;

defined:
    definer head       { $$ = $2; $$->kind = $1; }
  ;

local:
    function head      { $$ = $2; $$->kind = $1; }
  ;

head:
    T_NAME formals result_opt
      { $$ = new_item(ps, IT_FN, $1, @1, @$); $$->formals = $2.first; $$->result = $3; $$->unread = $2.broken; }
  | T_NAME formals formals result_opt
      { $$ = new_item(ps, IT_FN, $1, @1, @$); $$->templated = true;
        $$->tformals = $2.first; $$->formals = $3.first; $$->result = $4;
        $$->unread = $2.broken || $3.broken; }
  ;

function:
    "fn"               { $$ = IT_FN; }
  | "hamiltonian"      { $$ = IT_HAMILTONIAN; }
  ;

definer:
    function
  | "net"              { $$ = IT_NET; }
  | "flow"             { $$ = IT_FLOW; }
  | "loss"             { $$ = IT_LOSS; }
  ;

formals:
    '(' formal_list ')'   { $$ = $2; }
  | '(' ')'               { $$ = (Formals){0}; }
  | '(' error ')'         { $$ = (Formals){.broken = true}; yyerrok; ps->recovering = false; }
  ;

formal_list:
    formal                   { $$ = $1; $$.last = &$1.first->next; }
  | formal_list ',' formal   { *$1.last = $3.first; $$ = $1; $$.last = &$3.first->next; }
  ;

formal:
    T_NAME type_opt init_opt
      { Formal *f = ARENA_NEW(ps->mem, Formal);
        *f = (Formal){.name = $1, .at = @1, .type = $2, .init = $3};
        $$ = (Formals){.first = f}; }
  ;

type_opt:
    %empty             { $$ = NULL; }
  | ':' type           { $$ = $2; }
  ;

init_opt:
    %empty             { $$ = NULL; }
  | '=' expr           { $$ = $2; }
  ;

result_opt:
    %empty             { $$ = NULL; }
  | "->" type          { $$ = $2; }
  ;

type:
    T_NAME                     { $$ = ast_type(ps, $1, @1, (Args){0}, false, @$); }
  | T_NAME '[' ']'             { $$ = ast_type(ps, $1, @1, (Args){0}, true, @$); }
  | T_NAME '[' exprs ']'       { $$ = ast_type(ps, $1, @1, $3, false, @$); }
  | T_NAME '[' error ']'       { $$ = ast_type(ps, $1, @1, (Args){0}, false, @$); yyerrok; ps->recovering = false; }
  ;

options:
    %empty                     { $$ = (Args){0}; }
  | options row T_NL           { $$ = $1; if ($1.n) *$1.last = $2.first; else $$ = $2; $$.last = $2.last; $$.n = $1.n + $2.n; $$.broken = $1.broken;
                                 ps->recovering = false; }
  | options error T_NL         { $$ = $1; $$.broken = true; yyerrok; ps->recovering = false; }
  ;

row:
    option
  | row ',' option             { $$ = args_add(ps, $1, $3.first->name, $3.first->name_at, $3.first->value); }
  | row option                 { $$ = args_add(ps, $1, $2.first->name, $2.first->name_at, $2.first->value); }
  ;

option:
    T_NAME '=' expr            { $$ = args_named(ps, $1, @1, $3); }
  ;

/* ---- statements ---- */

block:
    '{' stmts '}'              { $$ = ARENA_NEW(ps->mem, Block); $$->first = $2.first; $$->at = @$; $$->broken = $2.broken; }
  ;

stmts:
    %empty                     { $$ = (Stmts){0}; }
  | stmts stmt T_NL            { $$ = ast_append(ps, $1, $2); ps->recovering = false; }
  | stmts error T_NL           { $$ = $1; $$.broken = true; yyerrok; ps->recovering = false; }
  ;

stmt:
    "let" targets type_opt '=' expr
      { $$ = ast_stmt(ps, ST_LET, @$); $$->names = $2.first; $$->nnames = $2.n; $$->type = $3; $$->value = $5; }
  | "var" T_NAME type_opt '=' expr
      { $$ = ast_stmt(ps, ST_VAR, @$); $$->names = args_named(ps, $2, @2, NULL).first; $$->nnames = 1; $$->type = $3; $$->value = $5; }
  | "return" exprs
      { $$ = ast_stmt(ps, ST_RETURN, @$); $$->value = ast_listed(ps, $2, @2); }
  | "for" T_NAME "in" iter block
      { $$ = ast_stmt(ps, ST_FOR, @$); $$->names = args_named(ps, $2, @2, NULL).first; $$->nnames = 1; $$->value = $4; $$->body = $5; }
  | "repeat" expr block
      { $$ = ast_stmt(ps, ST_REPEAT, @$); $$->value = $2; $$->body = $3; }
  | "param" T_NAME ':' type '=' expr
      { $$ = ast_stmt(ps, ST_PARAM, @$); $$->names = args_named(ps, $2, @2, NULL).first; $$->nnames = 1; $$->type = $4; $$->value = $6; }
  | "param" T_NAME ':' type '~' expr
      { $$ = ast_stmt(ps, ST_PARAM, @$); $$->names = args_named(ps, $2, @2, NULL).first; $$->nnames = 1; $$->type = $4; $$->init_dist = $6; }
  | "use" T_NAME '=' expr
      { $$ = ast_stmt(ps, ST_USE, @$); $$->names = args_named(ps, $2, @2, NULL).first; $$->nnames = 1; $$->value = $4; }
  | "yield" fields
      { $$ = ast_stmt(ps, ST_YIELD, @$); $$->names = $2.first; $$->nnames = $2.n; }
  | "yield" "each" fields
      { $$ = ast_stmt(ps, ST_YIELD, @$); $$->yield = YF_EACH; $$->names = $3.first; $$->nnames = $3.n; }
  | "yield" rows_form '(' args ')' fields
      { $$ = ast_stmt(ps, ST_YIELD, @$); $$->yield = $2; $$->how = $4.first; $$->names = $6.first; $$->nnames = $6.n; }
  | "evolve" sub_expr under expr "for" expr "steps" expr method_opt
      { $$ = ast_stmt(ps, ST_EVOLVE, @$); $$->target = $2; $$->under = $3; $$->law = $4;
        $$->duration = $6; $$->steps = $8; $$->method = $9; }
  | "require" expr ',' T_STRING
      { $$ = ast_stmt(ps, ST_REQUIRE, @$); $$->value = $2; Expr *words = ast_expr(ps, EX_STRING, @4); words->name = $4;
        $$->words = words; $$->read = ast_names_in(ps, $2); }
  | "running" T_NAME '=' expr decay_opt
      { $$ = ast_stmt(ps, ST_RUNNING, @$); $$->names = args_named(ps, $2, @2, NULL).first; $$->nnames = 1; $$->value = $4; $$->decay = $5; }
  | local '=' expr             { $$ = ast_local(ps, define(ps, $1, $3, NULL, @$)); }
  | local block                { $$ = ast_local(ps, define(ps, $1, NULL, $2, @$)); }
  | exprs                      { $$ = ast_apply(ps, $1, @$); }
  | exprs '=' exprs clauses      { $$ = ast_assign(ps, $1, ast_listed(ps, $3, @3), $4, @$); }
  | exprs update expr          { $$ = ast_update(ps, $2, $1, $3, @$); }
  ;

targets:
    T_NAME                     { $$ = args_named(ps, $1, @1, NULL); }
  | '(' names ')'              { $$ = $2; }
  | '(' error ')'              { $$ = (Args){0}; yyerrok; ps->recovering = false; }
  ;

names:
    T_NAME                     { $$ = args_named(ps, $1, @1, NULL); }
  | names ',' T_NAME           { $$ = args_add(ps, $1, $3, @3, NULL); }
  ;

rows_form:
    "windows"                  { $$ = YF_WINDOWS; }
  | "shuffled"                 { $$ = YF_SHUFFLED; }
  ;

fields:
    field
  | fields ',' field           { $$ = args_add(ps, $1, $3.first->name, $3.first->name_at, $3.first->value); }
  ;

field:
    T_NAME init_opt            { $$ = args_named(ps, $1, @1, $2); }
  ;

under:
    "under"                    { $$ = true; }
  | "along"                    { $$ = false; }
  ;

method_opt:
    %empty                     { $$ = NULL; }
  | "method" expr              { $$ = $2; }
  ;

decay_opt:
    %empty                     { $$ = NULL; }
  | "decay" expr               { $$ = $2; }
  ;

clauses:
    %empty                     { $$ = (Clauses){0}; }
  | "inverse" exprs            { $$ = (Clauses){.inverse = ast_listed(ps, $2, @2)}; }
  | "logdet" expr              { $$ = (Clauses){.logdet = $2}; }
  | "inverse" exprs "logdet" expr   { $$ = (Clauses){ast_listed(ps, $2, @2), $4}; }
  ;

update:
    "+="                       { $$ = OPR_ADD; }
  | "-="                       { $$ = OPR_SUB; }
  | "*="                       { $$ = OPR_MUL; }
  | "/="                       { $$ = OPR_DIV; }
  ;

/* ---- expressions ---- */

exprs:
    expr                       { $$ = args_named(ps, NULL, @1, $1); }
  | exprs ',' expr             { $$ = args_add(ps, $1, NULL, @3, $3); }
  ;

range:
    expr ':' expr              { $$ = ast_range(ps, $1, $3, @$); }
  ;

iter:
    expr
  | range
  ;

expr:
    postfix
  | '-' expr %prec NEGATION    { $$ = ast_unary(ps, OPR_NEG, @1, $2, @$); }
  | '+' expr %prec NEGATION    { $$ = $2; }
  | "not" expr                 { $$ = ast_unary(ps, OPR_NOT, @1, $2, @$); }
  | expr '+' expr              { $$ = ast_binary(ps, OPR_ADD, @2, $1, $3, @$); }
  | expr '-' expr              { $$ = ast_binary(ps, OPR_SUB, @2, $1, $3, @$); }
  | expr '*' expr              { $$ = ast_binary(ps, OPR_MUL, @2, $1, $3, @$); }
  | expr '/' expr              { $$ = ast_binary(ps, OPR_DIV, @2, $1, $3, @$); }
  | expr '^' expr              { $$ = ast_binary(ps, OPR_POW, @2, $1, $3, @$); }
  | expr '@' expr              { $$ = ast_binary(ps, OPR_MATMUL, @2, $1, $3, @$); }
  | expr '<' expr              { $$ = ast_binary(ps, OPR_LT, @2, $1, $3, @$); }
  | expr "<=" expr             { $$ = ast_binary(ps, OPR_LE, @2, $1, $3, @$); }
  | expr '>' expr              { $$ = ast_binary(ps, OPR_GT, @2, $1, $3, @$); }
  | expr ">=" expr             { $$ = ast_binary(ps, OPR_GE, @2, $1, $3, @$); }
  | expr "==" expr             { $$ = ast_binary(ps, OPR_EQ, @2, $1, $3, @$); }
  | expr "!=" expr             { $$ = ast_binary(ps, OPR_NE, @2, $1, $3, @$); }
  | expr "and" expr            { $$ = ast_binary(ps, OPR_AND, @2, $1, $3, @$); }
  | expr "or" expr             { $$ = ast_binary(ps, OPR_OR, @2, $1, $3, @$); }
  ;

postfix:
    atom
  | postfix '(' args ')'       { $$ = ast_with_args(ps, EX_CALL, $1, $3, @$); }
  | postfix '(' error ')'      { $$ = error_expr(ps, @$); yyerrok; ps->recovering = false; }
  | postfix '[' subs ']'       { $$ = ast_with_args(ps, EX_INDEX, $1, $3, @$); }
  | postfix '[' error ']'      { $$ = error_expr(ps, @$); yyerrok; ps->recovering = false; }
  | postfix '.' T_NAME         { $$ = ast_expr(ps, EX_MEMBER, @$); $$->a = $1; $$->name = $3; $$->name_at = @3; }
  ;

atom:
    sub_expr
  | T_NUMBER                   { $$ = ast_number(ps, @$); }
  | T_STRING                   { $$ = ast_expr(ps, EX_STRING, @$); $$->name = $1; }
  | "true"                     { $$ = ast_expr(ps, EX_BOOL, @$); $$->value = 1; }
  | "false"                    { $$ = ast_expr(ps, EX_BOOL, @$); $$->value = 0; }
  | '[' ']'                    { $$ = ast_with_args(ps, EX_LIST, NULL, (Args){0}, @$); }
  | '[' list_items ']'         { $$ = ast_with_args(ps, EX_LIST, NULL, $2, @$); }
  | '[' expr "for" T_NAME "in" iter ']'
      { $$ = ast_expr(ps, EX_COMPREHENSION, @$); $$->a = $2; $$->name = $4; $$->name_at = @4; $$->b = $6; }
  | '[' error ']'              { $$ = error_expr(ps, @$); yyerrok; ps->recovering = false; }
  | block                      { $$ = ast_expr(ps, EX_BLOCK, @$); $$->block = $1; }
  ;

sub_expr:
    T_NAME                     { $$ = ast_expr(ps, EX_NAME, @$); $$->name = $1; }
  | '(' exprs ')'              { $$ = ast_listed(ps, $2, @$); }
  | '(' error ')'              { $$ = error_expr(ps, @$); yyerrok; ps->recovering = false; }
  ;

list_items:
    exprs
  | exprs ','
  ;

args:
    %empty                     { $$ = (Args){0}; }
  | arg_list
  | arg_list ','
  ;

arg_list:
    arg
  | arg_list ',' arg           { $$ = args_add(ps, $1, $3.first->name, $3.first->name_at, $3.first->value); }
  ;

arg:
    expr                       { $$ = args_named(ps, NULL, @1, $1); }
  | T_NAME '=' expr            { $$ = args_named(ps, $1, @1, $3); }
  ;

subs:
    sub
  | subs ',' sub               { $$ = args_add(ps, $1, NULL, $3.first->name_at, $3.first->value); }
  ;

sub:
    expr                       { $$ = args_named(ps, NULL, @1, $1); }
  | span                       { $$ = args_named(ps, NULL, @1, $1); }
  | span ':'                   { $$ = args_named(ps, NULL, @$, $1); }
  | span ':' expr              { $$ = args_named(ps, NULL, @$, ast_step(ps, $1, $3, @$)); }
  ;

span:
    range
  | expr ':'                   { $$ = ast_range(ps, $1, NULL, @$); }
  | ':' expr                   { $$ = ast_range(ps, NULL, $2, @$); }
  | ':'                        { $$ = ast_range(ps, NULL, NULL, @$); }
  ;

%%

static Expr *error_expr(Parser *ps, Span at)
{
  return ast_expr(ps, EX_ERROR, at);
}

static Item *new_item(Parser *ps, ItemKind kind, const char *name, Span name_at, Span at)
{
  Item *it = ARENA_NEW(ps->mem, Item);
  *it = (Item){.kind = kind, .name = name, .name_at = name_at, .at = at};
  return it;
}

/* A name, or `weight*name`. */
static Summand *summand(Parser *ps, Expr *value, const char *on, Span on_at, Span at)
{
  Summand *s = ARENA_NEW(ps->mem, Summand);
  const bool weighted = value->kind == EX_BINARY && value->op == OPR_MUL;
  const Expr *loss = weighted ? value->b : value;
  *s = (Summand){.at = on ? at : value->at, .value = value, .weight = weighted ? value->a : NULL, .name_at = loss->at, .on = on, .on_at = on_at};
  if (loss->kind == EX_NAME) s->name = loss->name;
  return s;
}

static Item *define(Parser *ps, Item *head, Expr *value, Block *body, Span at)
{
  if (head->kind == IT_FLOW && value)
    diag_help(diag_add(ps->diag, CODE_flow_state, value->at, "the flow `%s` is defined by an expression", head->name),
              "write its updates in `{ }`, one per line");
  head->value = value;
  head->body = body;
  head->at = at;
  return head;
}

static void check_equality(Parser *ps, const Expr *e)
{
  if (e->kind == EX_ERROR || (e->kind == EX_BINARY && e->op == OPR_EQ))
    return;
  diag_help(diag_add(ps->diag, CODE_prove_form, e->at, "`prove` needs an equality"), "write it as `a == b`");
}

/* Whether a string has its second quote. */
static bool closed(const Parser *ps, Span string)
{
  return string.end > string.begin + 1 && ps->text[string.end - 1] == ps->text[string.begin];
}

/* A file says what version it was written for; of a later one this reads nothing wrong, but not everything. */
static void check_language(Parser *ps, const Expr *version)
{
  const Span at = version->at;
  const int len = (int)(at.end - at.begin);
  if (!version->integer || version->value < 1)
    diag_help(diag_add(ps->diag, CODE_language, at, "the language version must be a whole number, 1 or more, found `%.*s`", len, ps->text + at.begin),
              "write `language %d`", FRONT_LANGUAGE);
  else if (version->value > FRONT_LANGUAGE)
    diag_help(diag_add(ps->diag, CODE_language, at, "the file is written for version %.*s of the language, but this hnnc only knows versions up to %d", len,
                       ps->text + at.begin, FRONT_LANGUAGE),
              "use a newer hnnc, or write `language %d` if the file uses nothing newer", FRONT_LANGUAGE);
}

static void check_claim(Parser *ps, const Item *it, Span at)
{
  if (it->kind != IT_FLOW)
    diag_add(ps->diag, CODE_claim_form, at, "only a flow can claim this");
}

/* While an error is being skipped, bracketed groups are passed over whole, so that recovery meets only
 * the ends of the statement or bracket that it happened in. */
static int yylex(YYSTYPE *value, YYLTYPE *at, Parser *ps)
{
  static const char openers[] = "([{";
  uint32_t last = ps->tokens.n - 1;
  if (ps->stopped)
    ps->at = last;
  while (ps->recovering && ps->at < last && ps->tokens.at[ps->at].kind < 256 &&
         ps->tokens.at[ps->at].kind && strchr(openers, ps->tokens.at[ps->at].kind))
    ps->at = ps->tokens.at[ps->at].match + 1;
  const Token *t = &ps->tokens.at[ps->at];
  if (ps->at < last)
    ps->at++;
  value->name = t->name;
  *at = token_span(ps, t);
  return t->kind;
}

static void yyerror(YYLTYPE *at, Parser *ps, const char *what)
{
  (void)what;                      /* only ever "memory exhausted" */
  diag_add(ps->diag, CODE_too_deep, *at, "this is nested too deeply");
  ps->stopped = true;
}

/* The token that the parser has read but not accepted is the last one that yylex gave out. */
static int yyreport_syntax_error(const yypcontext_t *ctx, Parser *ps)
{
  enum { MOST = YYNTOKENS };
  yysymbol_kind_t kinds[MOST];
  const char *words[MOST];
  int n = yypcontext_expected_tokens(ctx, kinds, MOST);
  uint32_t found = ps->at < ps->tokens.n - 1 || yypcontext_token(ctx) != YYSYMBOL_YYEOF ? ps->at - 1 : ps->at;
  for (int i = 0; i < n; i++)
    words[i] = yysymbol_name(kinds[i]);
  if (n >= 0)
    syntax_error(ps, found, words, n);
  const Token *t = &ps->tokens.at[found];
  if (t->match)
    ps->at = t->match + 1;
  else if (t->kind == T_NL && t[1].kind == '{' && ps->at == found + 1)
    ps->at = t[1].match + 1 + (ps->tokens.at[t[1].match + 1].kind == T_NL);   /* a body that stands on the next line */
  ps->recovering = true;
  return 0;
}
