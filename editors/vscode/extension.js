// VS Code's side of `hnnc lsp`: what the editor asks becomes a question to the server, what the server says becomes the editor's. It needs nothing but
// VS Code itself.
const vscode = require("vscode");
const { Connection } = require("./rpc");

let server, shown, registered;

// ---- from the server's terms to the editor's; kinds are counted from 1 there, from 0 here
const place = (p) => new vscode.Position(p.line, p.character);
const range = (r) => new vscode.Range(place(r.start), place(r.end));
const location = (l) => new vscode.Location(vscode.Uri.parse(l.uri), range(l.range));
const edit = (e) => new vscode.TextEdit(range(e.range), e.newText);
const text = (d) => (d && d.kind === "markdown" ? new vscode.MarkdownString(d.value) : d);
const all = (list, make) => (list || []).map(make);

function edits(changes) {
  const e = new vscode.WorkspaceEdit();
  for (const [uri, list] of Object.entries(changes || {})) e.set(vscode.Uri.parse(uri), list.map(edit));
  return e;
}

function completion(i) {
  const item = new vscode.CompletionItem(i.label, i.kind === undefined ? undefined : i.kind - 1);
  return Object.assign(item, { detail: i.detail, sortText: i.sortText, insertText: i.insertText, documentation: text(i.documentation) });
}

function signatures(s) {
  if (!s) return null;
  const help = new vscode.SignatureHelp();
  help.signatures = s.signatures.map((x) => {
    const one = new vscode.SignatureInformation(x.label, text(x.documentation));
    one.parameters = all(x.parameters, (p) => new vscode.ParameterInformation(p.label, text(p.documentation)));
    return one;
  });
  return Object.assign(help, { activeSignature: s.activeSignature, activeParameter: s.activeParameter });
}

function symbol(s) {
  const made = new vscode.DocumentSymbol(s.name, s.detail || "", s.kind - 1, range(s.range), range(s.selectionRange));
  made.children = all(s.children, symbol);
  return made;
}

function action(a) {
  const made = new vscode.CodeAction(a.title, vscode.CodeActionKind.QuickFix);
  return Object.assign(made, { isPreferred: a.isPreferred, edit: edits(a.edit && a.edit.changes) });
}

function diagnostic(d) {
  const made = new vscode.Diagnostic(range(d.range), d.message, (d.severity || 1) - 1);
  const related = all(d.relatedInformation, (r) => new vscode.DiagnosticRelatedInformation(location(r.location), r.message));
  return Object.assign(made, { source: d.source, code: d.code, relatedInformation: related });
}

function fold(f) {
  const kinds = { comment: vscode.FoldingRangeKind.Comment, imports: vscode.FoldingRangeKind.Imports };
  return new vscode.FoldingRange(f.startLine, f.endLine, kinds[f.kind]);
}

const selection = (s) => new vscode.SelectionRange(range(s.range), s.parent && selection(s.parent));
const found = (s) => new vscode.SymbolInformation(s.name, s.kind - 1, s.containerName || "", location(s.location));

// An item of the hierarchy of calls goes back to the server as it came.
const calling = (i) =>
  Object.assign(new vscode.CallHierarchyItem(i.kind - 1, i.name, i.detail || "", vscode.Uri.parse(i.uri), range(i.range), range(i.selectionRange)), { item: i });

// ---- questions
const of = (doc) => ({ textDocument: { uri: doc.uri.toString() } });
const at = (doc, p) => ({ ...of(doc), position: { line: p.line, character: p.character } });
const span = (r) => ({ start: { line: r.start.line, character: r.start.character }, end: { line: r.end.line, character: r.end.character } });

// What is out of date, or was withdrawn, has no answer: the editor asks again by itself.
const stale = (e) => { if (e.code !== -32801 && e.code !== -32800) throw e; };

async function ask(method, params, make) {
  const result = await server.ask(method.includes("/") && !method.startsWith("semantic") ? method : "textDocument/" + method, params).catch(stale);
  return result === null || result === undefined ? null : make(result);
}

function providers(capabilities) {
  const l = vscode.languages, hnn = { language: "hnn" };
  const legend = capabilities.semanticTokensProvider.legend;
  const hint = (h) => new vscode.InlayHint(place(h.position), h.label, h.kind);
  const range_of_name = (r) => range(r.range || r);
  return [
    l.registerHoverProvider(hnn, { provideHover: (d, p) => ask("hover", at(d, p), (h) => new vscode.Hover(text(h.contents), h.range && range(h.range))) }),
    l.registerDefinitionProvider(hnn, { provideDefinition: (d, p) => ask("definition", at(d, p), (r) => (Array.isArray(r) ? r.map(location) : location(r))) }),
    l.registerReferenceProvider(hnn, { provideReferences: (d, p, context) => ask("references", { ...at(d, p), context }, (r) => r.map(location)) }),
    l.registerCompletionItemProvider(hnn, { provideCompletionItems: (d, p) => ask("completion", at(d, p), (r) => all(r.items || r, completion)) },
      ...capabilities.completionProvider.triggerCharacters),
    l.registerSignatureHelpProvider(hnn, { provideSignatureHelp: (d, p) => ask("signatureHelp", at(d, p), signatures) }, ...capabilities.signatureHelpProvider.triggerCharacters),
    l.registerRenameProvider(hnn, {
      prepareRename: (d, p) => ask("prepareRename", at(d, p), range_of_name),
      provideRenameEdits: (d, p, newName) => ask("rename", { ...at(d, p), newName }, (e) => edits(e.changes)),
    }),
    l.registerDocumentSymbolProvider(hnn, { provideDocumentSymbols: (d) => ask("documentSymbol", of(d), (r) => r.map(symbol)) }),
    l.registerInlayHintsProvider(hnn, { provideInlayHints: (d, r) => ask("inlayHint", { ...of(d), range: span(r) }, (x) => x.map(hint)) }),
    l.registerCodeActionsProvider(hnn, { provideCodeActions: (d, r) => ask("codeAction", { ...of(d), range: span(r), context: { diagnostics: [] } }, (x) => x.map(action)) }),
    l.registerDocumentFormattingEditProvider(hnn, { provideDocumentFormattingEdits: (d) => ask("formatting", { ...of(d), options: {} }, (r) => r.map(edit)) }),
    l.registerFoldingRangeProvider(hnn, { provideFoldingRanges: (d) => ask("foldingRange", of(d), (r) => r.map(fold)) }),
    l.registerSelectionRangeProvider(hnn, { provideSelectionRanges: (d, p) => ask("selectionRange", { ...of(d), positions: p.map((x) => at(d, x).position) }, (r) => r.map(selection)) }),
    l.registerDocumentHighlightProvider(hnn, { provideDocumentHighlights: (d, p) => ask("documentHighlight", at(d, p), (r) => r.map((h) => new vscode.DocumentHighlight(range(h.range), h.kind - 1))) }),
    l.registerDocumentLinkProvider(hnn, { provideDocumentLinks: (d) => ask("documentLink", of(d), (r) => r.map((x) => new vscode.DocumentLink(range(x.range), vscode.Uri.parse(x.target)))) }),
    l.registerCodeLensProvider(hnn, { provideCodeLenses: (d) => ask("codeLens", of(d), (r) => r.map((x) => new vscode.CodeLens(range(x.range), x.command))) }),
    l.registerWorkspaceSymbolProvider({ provideWorkspaceSymbols: (query) => ask("workspace/symbol", { query }, (r) => r.map(found)) }),
    l.registerCallHierarchyProvider(hnn, {
      prepareCallHierarchy: (d, p) => ask("prepareCallHierarchy", at(d, p), (r) => r.map(calling)),
      provideCallHierarchyIncomingCalls: (i) => ask("callHierarchy/incomingCalls", { item: i.item }, (r) => r.map((c) => new vscode.CallHierarchyIncomingCall(calling(c.from), c.fromRanges.map(range)))),
      provideCallHierarchyOutgoingCalls: (i) => ask("callHierarchy/outgoingCalls", { item: i.item }, (r) => r.map((c) => new vscode.CallHierarchyOutgoingCall(calling(c.to), c.fromRanges.map(range)))),
    }),
    l.registerDocumentSemanticTokensProvider(hnn, { provideDocumentSemanticTokens: (d) => ask("semanticTokens/full", of(d), (r) => new vscode.SemanticTokens(new Uint32Array(r.data))) },
      new vscode.SemanticTokensLegend(legend.tokenTypes, legend.tokenModifiers)),
  ];
}

// ---- documents
const ours = (doc) => doc.languageId === "hnn" && (doc.uri.scheme === "file" || doc.uri.scheme === "untitled");

function opened(doc) {
  if (!ours(doc)) return;
  server.tell("textDocument/didOpen", { textDocument: { uri: doc.uri.toString(), languageId: "hnn", version: doc.version, text: doc.getText() } });
}

function changed(e) {
  if (!ours(e.document) || !e.contentChanges.length) return;
  const changes = e.contentChanges.map((c) => ({ range: span(c.range), text: c.text }));
  server.tell("textDocument/didChange", { textDocument: { uri: e.document.uri.toString(), version: e.document.version }, contentChanges: changes });
}

function closed(doc) {
  if (!ours(doc)) return;
  server.tell("textDocument/didClose", of(doc));
  shown.delete(doc.uri);
}

function notified(method, params) {
  if (method === "textDocument/publishDiagnostics") shown.set(vscode.Uri.parse(params.uri), params.diagnostics.map(diagnostic));
}

exports.activate = async (context) => {
  const command = vscode.workspace.getConfiguration("hnn").get("server", "hnnc");
  shown = vscode.languages.createDiagnosticCollection("hnnc");
  registered = [shown];
  for (const word of ["run", "explore"])                   // what stands above a training, in a terminal
    registered.push(vscode.commands.registerCommand("hnn." + word, (path) => vscode.window.createTerminal({ name: "hnnc " + word, shellPath: command, shellArgs: [word, path] }).show()));
  context.subscriptions.push({ dispose: () => registered.splice(0).forEach((r) => r.dispose()) });
  server = new Connection(command, ["lsp"], notified, (why) => {
    vscode.window.showErrorMessage(`hnn: \`${command} lsp\`: ${why}. The setting hnn.server is the path of hnnc.`);
    registered.splice(0).forEach((r) => r.dispose());
  });
  const workspaceFolders = (vscode.workspace.workspaceFolders || []).map((f) => ({ uri: f.uri.toString(), name: f.name }));
  const { capabilities } = await server.ask("initialize", { processId: process.pid, rootUri: null, workspaceFolders, capabilities: {} });
  server.tell("initialized", {});
  registered.push(...providers(capabilities), vscode.workspace.onDidOpenTextDocument(opened), vscode.workspace.onDidChangeTextDocument(changed), vscode.workspace.onDidCloseTextDocument(closed));
  vscode.workspace.textDocuments.forEach(opened);
};

exports.deactivate = () => server && server.close();
