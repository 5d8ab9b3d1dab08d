// Starts `hnnc lsp`, which does all else.
const vscode = require("vscode");
const { LanguageClient } = require("vscode-languageclient/node");

let client;

exports.activate = () => {
  const command = vscode.workspace.getConfiguration("hnn").get("server", "hnnc");
  client = new LanguageClient("hnn", "hnn", { command, args: ["lsp"] }, { documentSelector: [{ language: "hnn" }] });
  return client.start();
};

exports.deactivate = () => client && client.stop();
