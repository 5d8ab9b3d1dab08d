// Starts `hnnc lsp`, which does all else but what stands above a training: `run` and `explore` in a terminal.
const vscode = require("vscode");
const { LanguageClient } = require("vscode-languageclient/node");

let client;

exports.activate = (context) => {
  const command = vscode.workspace.getConfiguration("hnn").get("server", "hnnc");
  for (const word of ["run", "explore"])
    context.subscriptions.push(vscode.commands.registerCommand("hnn." + word, (path) =>
      vscode.window.createTerminal({ name: "hnnc " + word, shellPath: command, shellArgs: [word, path] }).show()));
  client = new LanguageClient("hnn", "hnn", { command, args: ["lsp"] }, { documentSelector: [{ language: "hnn" }] });
  return client.start();
};

exports.deactivate = () => client && client.stop();
