/* What the parts of the language server share. Positions of the protocol count lines from 0, and in them units of UTF-16. */
#ifndef HNNC_DRIVER_EDITOR_SERVER_PRIV_H
#define HNNC_DRIVER_EDITOR_SERVER_PRIV_H

#include "driver/editor/names.h"
#include "driver/session/session.h"
#include "frontend/model/tree.h"

#include <jansson.h>

/* What the compiler says of one text, all in a heap that goes with it. */
typedef struct Analysis {
  BaseHeap *heap; /* NULL: given back, since it is broken */
  Arena *mem;
  Options opt;
  Session s;
  Tree tree;
  FileNames *file; /* [0]: the text; then what it imports */
  uint32_t nfile;
  bool broken; /* by a fault: only what it says may be read */
  char fault[256];
  VEC(const char *) asked; /* paths of imports */
  bool unsure;             /* there was no time for a claim */
} Analysis;

typedef struct Doc {
  struct Doc *next;
  char *uri, *path;
  char *text;
  size_t len;
  int64_t version;
  bool dirty;          /* `a` is of an older text, or of older imports */
  Analysis *a;         /* NULL before the first, and where its memory was needed */
  VEC(char *) imports; /* what the last one read, or asked for: they outlive it */
  bool unsure;         /* so does this */
  uint64_t used;       /* when `a` was last needed, by Server.clock */
} Doc;

/* A text that stands for a file while a change of several is tried. */
typedef struct Overlay {
  const struct Overlay *next;
  const char *path, *text;
  size_t len;
} Overlay;

typedef struct Server {
  Doc *docs;
  const Overlay *overlay;
  VEC(char *) roots; /* folders of the workspace */
  bool ready;        /* `initialize` has come */
  bool asked_down, leaving;
  bool patient;         /* claims may take their time: nobody is typing */
  bool hurried;         /* an analysis may be stopped when something comes */
  bool stopped;         /* and this one was */
  bool must;            /* and they are decided even if somebody is */
  const json_t *asking; /* the id of the request at hand, about `at`; NULL: none */
  int given_up;         /* why it is not answered: a code of errors; 0: it is */
  bool spent;           /* memory that analyses took and nobody needs is still the process's */
  uint64_t clock;
  double began; /* of the analysis at hand: pass_now() */
  Doc *at;
} Server;

enum {
  PARSE_ERROR = -32700,
  INVALID_REQUEST = -32600,
  METHOD_NOT_FOUND = -32601,
  INVALID_PARAMS = -32602,
  INTERNAL_ERROR = -32603,
  NOT_INITIALIZED = -32002,
  REQUEST_CANCELLED = -32800,
  CONTENT_MODIFIED = -32801,
  REQUEST_FAILED = -32803
};

/* ---- rpc.c ---- */

void rpc_begin(void); /* before anything else */
void rpc_end(void);
/* The next message, parsed: a new reference. NULL: none within the milliseconds (-1: wait), or *over: there will be none. Of what is no
 * message an object that has `fault`, what is wrong with it, and maybe `other`: it is JSON. */
json_t *rpc_read(int milliseconds, bool *over);
/* Whether a message is there that is wanted (NULL: any); they all stay to be read. */
bool rpc_ahead(bool (*wanted)(const json_t *message, void *ctx), void *ctx);
bool rpc_write(json_t *message); /* takes the reference; false: it is none */
void rpc_reply(const json_t *id, json_t *result);
void rpc_fail(const json_t *id, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* ---- document.c ---- */

Doc *doc_find(const Server *s, const char *uri);
Doc *doc_open(Server *s, const char *uri, const char *text, size_t len, int64_t version);
void doc_close(Server *s, Doc *d);
/* One change of didChange; false: it is none. */
bool doc_change(Doc *d, const json_t *change);
char *doc_path(const char *uri); /* of the system; to be freed */
char *doc_uri(const char *path);

uint32_t text_line_end(const char *text, size_t len, size_t at);            /* bytes of the end of a line there, or 0 */
uint32_t text_offset(const char *text, size_t len, const json_t *position); /* within the text, whatever is asked for */
json_t *text_position(const char *text, size_t len, uint32_t offset);
json_t *text_range(const char *text, size_t len, uint32_t begin, uint32_t end);

/* ---- analysis.c ---- */

Analysis *analysis_make(Server *s, Doc *d, const char *text, size_t len);
void analysis_drop(Analysis *a);
void analysis_forget(Doc *d); /* its imports, too */
/* The document's own, made anew if it is dirty; NULL where it is broken. */
Analysis *analysis_of(Server *s, Doc *d);
void analysis_publish(Server *s, Doc *d);
/* Of a name in the text itself, as it was first evaluated; NULL: not known. call: of what it gives where it is called. */
const char *analysis_type(const Analysis *a, uint32_t lex, bool call);
const FileNames *analysis_file(const Analysis *a, uint32_t file);

/* ---- handlers: the result, a new reference; NULL: null ---- */

json_t *ask_hover(Server *s, Doc *d, const json_t *params);
json_t *ask_signature(Server *s, Doc *d, const json_t *params);
json_t *ask_completion(Server *s, Doc *d, const json_t *params);
json_t *ask_definition(Server *s, Doc *d, const json_t *params);
json_t *ask_references(Server *s, Doc *d, const json_t *params);
json_t *ask_rename(Server *s, Doc *d, const json_t *params); /* a string: why not */
json_t *ask_prepare_rename(Server *s, Doc *d, const json_t *params);
json_t *ask_symbols(Server *s, Doc *d, const json_t *params);
json_t *ask_tokens(Server *s, Doc *d, const json_t *params);
json_t *ask_hints(Server *s, Doc *d, const json_t *params);
json_t *ask_actions(Server *s, Doc *d, const json_t *params);
json_t *ask_format(Server *s, Doc *d, const json_t *params);
json_t *ask_workspace_symbols(Server *s, Doc *none, const json_t *params);
json_t *ask_calls(Server *s, Doc *d, const json_t *params);
json_t *ask_incoming(Server *s, Doc *none, const json_t *params);
json_t *ask_outgoing(Server *s, Doc *none, const json_t *params);
json_t *ask_folds(Server *s, Doc *d, const json_t *params);
json_t *ask_selections(Server *s, Doc *d, const json_t *params);
json_t *ask_highlights(Server *s, Doc *d, const json_t *params);
json_t *ask_links(Server *s, Doc *d, const json_t *params);
json_t *ask_lenses(Server *s, Doc *d, const json_t *params);
json_t *tokens_legend(void);
char *library_uri(const FileNames *f); /* places.c: of a layer, which is written out to be shown; NULL: it cannot be */

/* describe.c: what is known of a name, as text in mem. */
typedef struct Described {
  const char *head; /* a line of the language: `fn f(x: real) -> real` */
  const char *doc;  /* "" */
} Described;
Described describe_def(const FileNames *f, const Def *d, Arena *mem);
bool describe_word(const char *name, Arena *mem, Described *out); /* of an option of `train`: `adam` */
bool describe_language(const char *name, Arena *mem, Described *out);
/* The parameters in one of the lists of a head, as places in it: at most `most`, how many. */
uint32_t describe_params(const char *head, uint32_t list, uint32_t (*place)[2], uint32_t most);
/* options.c */
struct OptionText;
typedef struct OptionPlace {
  const char *whose; /* as option_text() takes it */
  uint32_t opener;
  bool braces, naming; /* a name is to stand here: an option's, or that of an argument by place */
  uint32_t at;         /* lexeme that begins what is given here; UINT32_MAX: nothing yet */
  bool named;          /* by name */
} OptionPlace;
bool options_at(const Analysis *a, uint32_t byte, OptionPlace *out, Arena *mem); /* false: none are taken here */
bool options_around(const Analysis *a, uint32_t byte, OptionPlace *out);         /* any parentheses: the opener alone */
bool options_given(const Analysis *a, const OptionPlace *p, const char *name);
bool describe_option(const Analysis *a, uint32_t lex, Arena *mem, Described *out);
const char *option_head(const struct OptionText *t, const char *whose, Arena *mem); /* `every = 1` */
const char *option_doc(const struct OptionText *t, const char *whose, Arena *mem);
const char *options_list(const char *whose, const char *before, Arena *mem); /* `before`, and all of them behind it */
const char *lexeme_text(const FileNames *f, uint32_t lex, Arena *mem);

#endif
