// node vscode_test.js EXTENSION HNNC: the packed extension with a stand-in for VS Code's API: what it shows of a document, the server being `hnnc lsp`. Prints `ok` or what is wrong.
const assert = require("assert");
const path = require("path");
const Module = require("module");
const [folder, hnnc] = process.argv.slice(2);

// ---- the stand-in: values that keep what they are made of, places where providers are kept
class Position { constructor(line, character) { Object.assign(this, { line, character }); } }
class Range { constructor(start, end) { Object.assign(this, { start, end }); } }
const record = (...names) => class { constructor(...of) { names.forEach((n, k) => (this[n] = of[k])); } };
class WorkspaceEdit { constructor() { this.made = {}; } set(uri, list) { this.made[uri.toString()] = list; } }
const uri_of = (text) => ({ text, scheme: text.split(":")[0], toString: () => text });
const provider = {}, listener = {}, commands = {}, terminals = [], errors = [], shown = new Map();
const disposable = { dispose() {} };
const languages = new Proxy({}, {
  get: (_, name) => name === "createDiagnosticCollection"
    ? () => ({ set: (uri, list) => shown.set(uri.toString(), list), delete: (uri) => shown.delete(uri.toString()), dispose() {} })
    : name === "registerWorkspaceSymbolProvider" ? (p) => ((provider[name] = [p]), disposable)
    : (selector, p, ...more) => (assert.strictEqual(selector.language, "hnn"), (provider[name] = [p, ...more]), disposable),
});
const vscode = {
  Position, Range, WorkspaceEdit, languages, Uri: { parse: uri_of }, CodeActionKind: { QuickFix: "quickfix" },
  Location: record("uri", "range"), TextEdit: record("range", "newText"), MarkdownString: record("value"), CompletionItem: record("label", "kind"), SignatureHelp: record(),
  SignatureInformation: record("label", "documentation"), ParameterInformation: record("label", "documentation"), DocumentSymbol: record("name", "detail", "kind", "range", "selectionRange"),
  CodeAction: record("title", "kind"), Diagnostic: record("range", "message", "severity"), DiagnosticRelatedInformation: record("location", "message"), Hover: record("contents", "range"),
  InlayHint: record("position", "label", "kind"), SemanticTokens: record("data"), SemanticTokensLegend: record("types", "modifiers"),
  FoldingRangeKind: { Comment: 1, Imports: 2 }, FoldingRange: record("start", "end", "kind"), SelectionRange: record("range", "parent"), SymbolInformation: record("name", "kind", "container", "location"),
  CallHierarchyItem: record("kind", "name", "detail", "uri", "range", "selectionRange"), CallHierarchyIncomingCall: record("from", "ranges"), CallHierarchyOutgoingCall: record("to", "ranges"),
  DocumentHighlight: record("range", "kind"), DocumentLink: record("range", "target"), CodeLens: record("range", "command"),
  commands: { registerCommand: (name, f) => ((commands[name] = f), disposable) },
  window: { showErrorMessage: (m) => errors.push(m), createTerminal: (t) => ({ show: () => terminals.push(t) }) },
  workspace: {
    getConfiguration: () => ({ get: () => command }), textDocuments: [],
    onDidOpenTextDocument: (f) => ((listener.open = f), disposable), onDidChangeTextDocument: (f) => ((listener.change = f), disposable), onDidCloseTextDocument: (f) => ((listener.close = f), disposable),
  },
};
const load = Module._load;
Module._load = (name, ...more) => (name === "vscode" ? vscode : load(name, ...more));
let command = hnnc;

const TEXT = "const n = 3\nfn f(x: real[n]) = sum(x)\nreport μ = f(ones(n))\nreport b = norn([1, 2])\n";
const document = { languageId: "hnn", version: 1, uri: uri_of("file:///nowhere/model.hnn"), getText: () => TEXT };
const until = async (done) => { for (let k = 0; !done(); k++) { assert(k < 600, "nothing came"); await new Promise((r) => setTimeout(r, 50)); } };
const call = (name, method, ...more) => provider[name][0][method](document, ...more);
const at = (line, character) => new Position(line, character);

async function main() {
  const extension = require(path.resolve(folder, "extension"));
  const context = { subscriptions: [] };
  vscode.workspace.textDocuments.push(document);
  await extension.activate(context);
  await until(() => shown.has(document.uri.toString()));
  const [d] = shown.get(document.uri.toString());
  assert(d.message.includes("`norn` is not defined") && d.severity === 0 && d.range.start.line === 3 && d.code === "undefined");
  const hover = await call("registerHoverProvider", "provideHover", at(2, 11));
  assert(hover.contents.value.includes("fn f(x: real[n])"));
  const items = await call("registerCompletionItemProvider", "provideCompletionItems", at(2, 13));
  assert.deepStrictEqual([items.find((i) => i.label === "f").kind, items.find((i) => i.label === "n").kind], [2, 20], "kinds of completions");
  assert.deepStrictEqual(provider.registerCompletionItemProvider.slice(1), ["(", ",", "{"]);
  const help = await call("registerSignatureHelpProvider", "provideSignatureHelp", at(2, 13));
  assert.deepStrictEqual([help.signatures[0].label, help.activeParameter], ["fn f(x: real[n])", 0]);
  const [definition] = [await call("registerDefinitionProvider", "provideDefinition", at(2, 11))].flat();
  assert.deepStrictEqual({ ...definition.range.start }, { line: 1, character: 3 });
  assert.strictEqual((await call("registerReferenceProvider", "provideReferences", at(2, 11), { includeDeclaration: true })).length, 2);
  assert.strictEqual((await call("registerRenameProvider", "prepareRename", at(2, 11))).start.character, 11);
  const renamed = await call("registerRenameProvider", "provideRenameEdits", at(2, 11), "g");
  assert.deepStrictEqual(renamed.made[document.uri.toString()].map((e) => e.newText), ["g", "g"]);
  const symbols = await call("registerDocumentSymbolProvider", "provideDocumentSymbols");
  assert.deepStrictEqual(symbols.map((s) => [s.name, s.kind]), [["n", 13], ["f", 11], ["μ", 12], ["b", 12]]);
  const [action] = await call("registerCodeActionsProvider", "provideCodeActions", d.range);
  assert.strictEqual(action.edit.made[document.uri.toString()][0].newText, "norm");
  assert.deepStrictEqual(await call("registerDocumentFormattingEditProvider", "provideDocumentFormattingEdits"), []);
  const tokens = await call("registerDocumentSemanticTokensProvider", "provideDocumentSemanticTokens");
  assert(tokens.data.length % 5 === 0 && tokens.data.length > 50 && provider.registerDocumentSemanticTokensProvider[1].types.includes("keyword"));
  assert(Array.isArray(await call("registerInlayHintsProvider", "provideInlayHints", new Range(at(0, 0), at(9, 0)))));
  const marks = await call("registerDocumentHighlightProvider", "provideDocumentHighlights", at(2, 11));
  assert.deepStrictEqual(marks.map((m) => m.kind), [2, 1], "where f is written and read");
  const [picked] = await call("registerSelectionRangeProvider", "provideSelectionRanges", [at(2, 11)]);
  assert(picked.range.end.character === 12 && picked.parent.range.end.line === 2);
  assert.deepStrictEqual(await call("registerFoldingRangeProvider", "provideFoldingRanges"), []);
  assert.deepStrictEqual(await call("registerDocumentLinkProvider", "provideDocumentLinks"), []);
  const [lens] = await call("registerCodeLensProvider", "provideCodeLenses");
  commands[lens.command.command](...lens.command.arguments);
  assert.deepStrictEqual(terminals.map((t) => [t.shellPath, ...t.shellArgs]), [[hnnc, "run", "/nowhere/model.hnn"]]);
  const [item] = await call("registerCallHierarchyProvider", "prepareCallHierarchy", at(1, 3));
  const calls = await provider.registerCallHierarchyProvider[0].provideCallHierarchyIncomingCalls(item);
  assert.deepStrictEqual(calls.map((c) => c.from.name), ["μ"]);
  assert.deepStrictEqual((await provider.registerCallHierarchyProvider[0].provideCallHierarchyOutgoingCalls(item)), []);
  assert.deepStrictEqual((await provider.registerWorkspaceSymbolProvider[0].provideWorkspaceSymbols("f")).map((s) => [s.name, s.kind]), [["f", 11]]);
  document.version = 2;
  listener.change({ document, contentChanges: [{ range: new Range(at(3, 14), at(3, 15)), text: "m" }] });
  await until(() => shown.get(document.uri.toString()).length === 0);
  listener.change({ document, contentChanges: [] });                           // a change of nothing, as when a file is saved
  listener.close(document);
  assert(!shown.has(document.uri.toString()));
  await extension.deactivate();
  context.subscriptions.forEach((s) => s.dispose());
  assert.deepStrictEqual(errors, []);
  command = "/nowhere/hnnc";                                                    // a server that is not there is told once
  await assert.rejects(extension.activate({ subscriptions: [] }));
  assert(errors.length === 1 && errors[0].includes("hnn.server"), errors.join());
  console.log("ok");
}

main().catch((e) => (console.log(e.stack), process.exit(1)));
