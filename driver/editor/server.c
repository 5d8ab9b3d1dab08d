/* `hnnc lsp`: the loop of the language server, and which method is whose.
 *
 * A change makes a document dirty; it is analysed when nothing more has come, or when something is asked of it, so that fast typing does
 * not queue up; an analysis that something comes in the way of is given up, but one that is asked for. Claims that took too long are decided when nothing comes for a while. */
#include "driver/manual/manual.h"
#include "driver/editor/server_priv.h"

#include <malloc.h>
#include <string.h>

enum { IDLE_MS = 300 };

typedef json_t *Handler(Server *s, Doc *d, const json_t *params);

static const struct {
  const char *method;
  Handler *ask;
  bool anywhere; /* it is about no open document */
} asked_row[] = {
  {"textDocument/hover", ask_hover, false},
  {"textDocument/signatureHelp", ask_signature, false},
  {"textDocument/completion", ask_completion, false},
  {"textDocument/definition", ask_definition, false},
  {"textDocument/references", ask_references, false},
  {"textDocument/prepareRename", ask_prepare_rename, false},
  {"textDocument/rename", ask_rename, false},
  {"textDocument/documentSymbol", ask_symbols, false},
  {"textDocument/semanticTokens/full", ask_tokens, false},
  {"textDocument/inlayHint", ask_hints, false},
  {"textDocument/codeAction", ask_actions, false},
  {"textDocument/formatting", ask_format, false},
  {"textDocument/foldingRange", ask_folds, false},
  {"textDocument/selectionRange", ask_selections, false},
  {"textDocument/documentHighlight", ask_highlights, false},
  {"textDocument/documentLink", ask_links, false},
  {"textDocument/codeLens", ask_lenses, false},
  {"textDocument/prepareCallHierarchy", ask_calls, false},
  {"callHierarchy/incomingCalls", ask_incoming, true},
  {"callHierarchy/outgoingCalls", ask_outgoing, true},
  {"workspace/symbol", ask_workspace_symbols, true},
};

static json_t *capabilities(void) {
  static const char *const able[] = {
    "hoverProvider",          "definitionProvider",    "referencesProvider",         "documentSymbolProvider",
    "inlayHintProvider",      "codeActionProvider",    "documentFormattingProvider", "foldingRangeProvider",
    "selectionRangeProvider", "callHierarchyProvider", "documentHighlightProvider",  "workspaceSymbolProvider"};
  json_t *c =
      json_pack("{s:s, s:{s:b, s:i}, s:{s:b}, s:{s:[s, s, s]}, s:{s:[s, s]}, s:{s:o, s:b}, s:{}, s:{}}", "positionEncoding",
                "utf-16", "textDocumentSync", "openClose", 1, "change", 2, "renameProvider", "prepareProvider", 1,
                "completionProvider", "triggerCharacters", "(", ",", "{", "signatureHelpProvider", "triggerCharacters", "(", ",",
                "semanticTokensProvider", "legend", tokens_legend(), "full", 1, "documentLinkProvider", "codeLensProvider");
  for (size_t k = 0; k < sizeof able / sizeof *able; k++) json_object_set_new(c, able[k], json_true());
  return json_pack("{s:o, s:{s:s, s:s}}", "capabilities", c, "serverInfo", "name", "hnnc", "version", HNNC_VERSION);
}

/* ---- documents --------------------------------------------------------------------------------------------- */

static Doc *doc_of(const Server *s, const json_t *params) {
  return doc_find(s, json_string_value(json_object_get(json_object_get(params, "textDocument"), "uri")));
}

/* Documents that import a changed one are to be looked at again. */
static void touch_others(Server *s, const Doc *changed) {
  for (Doc *d = s->docs; d; d = d->next)
    for (uint32_t k = 0; d != changed && k < d->imports.n; k++) d->dirty |= !strcmp(d->imports.at[k], changed->path);
}

static void did_open(Server *s, const json_t *params) {
  const json_t *t = json_object_get(params, "textDocument"), *text = json_object_get(t, "text");
  const char *uri = json_string_value(json_object_get(t, "uri"));
  if (!uri || !json_is_string(text) || json_string_length(text) > SOURCE_MOST) return;
  touch_others(
      s, doc_open(s, uri, json_string_value(text), json_string_length(text), json_integer_value(json_object_get(t, "version"))));
}

static void did_change(Server *s, const json_t *params) {
  Doc *d = doc_of(s, params);
  const json_t *changes = json_object_get(params, "contentChanges");
  if (!d) return;
  for (size_t k = 0; k < json_array_size(changes); k++) doc_change(d, json_array_get(changes, k));
  d->version = json_integer_value(json_object_get(json_object_get(params, "textDocument"), "version"));
  touch_others(s, d);
}

static void did_close(Server *s, const json_t *params) {
  Doc *d = doc_of(s, params);
  if (!d) return;
  rpc_write(json_pack("{s:s, s:{s:s, s:[]}}", "method", "textDocument/publishDiagnostics", "params", "uri", d->uri, "diagnostics"));
  touch_others(s, d);
  doc_close(s, d);
}

/* One document that is dirty or unsure is looked at; false: there was none. */
static bool analyse_one(Server *s, bool unsure) {
  for (Doc *d = s->docs; d; d = d->next) {
    if (!d->dirty && !(unsure && d->unsure)) continue;
    s->patient = unsure && !d->dirty;
    d->dirty = true;
    s->hurried = true;
    analysis_of(s, d);
    s->patient = s->hurried = false;
    return true;
  }
  return false;
}

static bool any(const Server *s, bool unsure) {
  for (const Doc *d = s->docs; d; d = d->next)
    if (unsure ? d->unsure : d->dirty) return true;
  return false;
}

/* ---- messages ------------------------------------------------------------------------------------------------- */

static void take_root(Server *s, const json_t *uri) {
  if (json_is_string(uri) && !strncmp(json_string_value(uri), "file://", 7))
    *vec_push(&s->roots) = doc_path(json_string_value(uri));
}

static void take_roots(Server *s, const json_t *params) {
  const json_t *folders = json_object_get(params, "workspaceFolders");
  for (size_t k = 0; k < json_array_size(folders); k++) take_root(s, json_object_get(json_array_get(folders, k), "uri"));
  if (!s->roots.n) take_root(s, json_object_get(params, "rootUri"));
}

typedef struct Answering {
  Server *s;
  Doc *d;
  size_t row;
  const json_t *params;
  json_t *result;
} Answering;

static void ask(void *ctx) {
  Answering *a = ctx;
  a->result = asked_row[a->row].ask(a->s, a->d, a->params);
}

/* A fault of the compiler costs the answer. What is overtaken by a newer text, or withdrawn, has none. */
static void answer(Server *s, Doc *d, size_t row, const json_t *id, const json_t *params) {
  Answering a = {s, d, row, params, NULL};
  char why[256];
  s->asking = id, s->at = d, s->given_up = 0;
  const bool whole = base_try(ask, &a, why, sizeof why);
  s->asking = NULL, s->at = NULL;
  if (!whole) rpc_fail(id, INTERNAL_ERROR, "%s", why);
  else if (s->given_up)
    rpc_fail(id, s->given_up, s->given_up == REQUEST_CANCELLED ? "the request was withdrawn" : "the text has changed since");
  else if (json_is_string(a.result)) rpc_fail(id, REQUEST_FAILED, "%s", json_string_value(a.result));
  else rpc_reply(id, a.result), a.result = NULL;
  json_decref(a.result);
}

static void request(Server *s, const json_t *id, const char *method, const json_t *params) {
  if (!strcmp(method, "initialize")) {
    if (s->ready) rpc_fail(id, INVALID_REQUEST, "the server was initialized");
    else take_roots(s, params), rpc_reply(id, capabilities());
    s->ready = true;
    return;
  }
  if (!s->ready) {
    rpc_fail(id, NOT_INITIALIZED, "`initialize` comes first");
    return;
  }
  if (s->asked_down) {
    rpc_fail(id, INVALID_REQUEST, "the server was shut down");
    return;
  }
  if (!strcmp(method, "shutdown")) {
    s->asked_down = true;
    rpc_reply(id, NULL);
    return;
  }
  for (size_t k = 0; k < sizeof asked_row / sizeof *asked_row; k++) {
    if (strcmp(asked_row[k].method, method) != 0) continue;
    Doc *d = asked_row[k].anywhere ? NULL : doc_of(s, params);
    if (!d && !asked_row[k].anywhere) {
      rpc_fail(id, INVALID_PARAMS, "this document is not open");
      return;
    }
    answer(s, d, k, id, params);
    return;
  }
  rpc_fail(id, METHOD_NOT_FOUND, "there is no `%s`", method);
}

static void notification(Server *s, const char *method, const json_t *params) {
  if (!strcmp(method, "exit")) s->leaving = true;
  else if (!s->ready) return; /* as the protocol has it */
  else if (!strcmp(method, "textDocument/didOpen")) did_open(s, params);
  else if (!strcmp(method, "textDocument/didChange")) did_change(s, params);
  else if (!strcmp(method, "textDocument/didClose")) did_close(s, params);
}

static void handle(Server *s, const json_t *m) {
  const json_t *id = json_object_get(m, "id"), *params = json_object_get(m, "params"), *named = json_object_get(m, "method");
  const char *method = json_string_value(named), *fault = json_string_value(json_object_get(m, "fault"));
  if (fault && !named) rpc_fail(NULL, json_is_true(json_object_get(m, "other")) ? INVALID_REQUEST : PARSE_ERROR, "%s", fault);
  else if (!method && !json_object_get(m, "result") && !json_object_get(m, "error"))
    rpc_fail(id, INVALID_REQUEST, "this is not a message");
  else if (method && id) request(s, id, method, params);
  else if (method) notification(s, method, params);
}

int command_lsp(const Options *o) {
  Server s = {0};
  bool over = false;
  (void)o;
  rpc_begin();
  while (!s.leaving && !over) {
    const bool dirty = any(&s, false);
    json_t *m = rpc_read(dirty ? 0 : s.spent || any(&s, true) ? IDLE_MS : -1, &over);
    if (m) handle(&s, m), json_decref(m);
    else if (!over && !analyse_one(&s, !dirty)) malloc_trim(0), s.spent = false;
  }
  while (s.docs) doc_close(&s, s.docs);
  for (uint32_t k = 0; k < s.roots.n; k++) base_free(s.roots.at[k]);
  vec_free(&s.roots);
  rpc_end();
  return s.asked_down ? 0 : 1;
}
