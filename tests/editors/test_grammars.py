#!/usr/bin/env python3
"""The grammars of editors/ and the Pygments lexer, on the programs of the repository: words as the compiler has them, nothing left without
a colour, and what each of some words is. Node and Vim are asked where they are."""
import glob
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import types

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
FILES = sorted(glob.glob(ROOT + "/models/**/*.hnn", recursive=True))
TEXT = """\
precision f64
symplectic flow turn(q: real[n]) {          # data
  let data = grad(q, q) and true
  evolve(q, p) under H for 1 steps 2 method leapfrog
}
train fit on seen { steps = 10 }
"""
WANT = {"flow": "keyword", "turn": "function", "real": "type", "let": "keyword", "grad": "builtin", "true": "constant", "under": "keyword", "leapfrog": "constant", "train": "keyword",
        "# data": "comment", "10": "number"}
failed = 0


def check(ok, what):
    global failed
    failed += not ok
    print("%s %s" % ("ok  " if ok else "FAIL", what))


def textmate(text, rows):
    """Matches as an editor makes them: in each line, at each place, the first rule of those that match earliest."""
    for line in text.split("\n"):
        at = 0
        while at < len(line):
            found = [(m.start(), k) for k, (r, _) in enumerate(rows) for m in [r.search(line, at)] if m and m.end() > m.start()]
            if not found:
                break
            start, k = min(found)
            m, row = rows[k][0].search(line, at), rows[k][1]
            if line[at:start].strip():
                yield line[at:start].strip(), None
            if "name" in row:
                yield m[0], row["name"]
            for number, of in row.get("captures", {}).items():
                yield m[int(number)], of["name"]
            at = m.end()
        if line[at:].strip():
            yield line[at:].strip(), None


def test_textmate():
    grammar = json.load(open(ROOT + "/editors/vscode/syntaxes/hnn.tmLanguage.json"))
    rows = [(re.compile(p["match"]), p) for p in grammar["patterns"]]
    bare = [(os.path.basename(f), word) for f in FILES for word, name in textmate(open(f).read(), rows) if name is None]
    check(not bare, "TextMate: everything has a name %s" % bare[:3])
    seen = dict(textmate(TEXT, rows))
    scope = {"keyword": "keyword", "function": "entity.name.function", "type": "storage.type", "builtin": "support.function", "constant": ("constant", "support.constant"), "comment": "comment",
             "number": "constant.numeric"}
    wrong = {w: seen.get(w) for w, c in WANT.items() if not (seen.get(w) or "").startswith(scope[c])}
    check(not wrong, "TextMate: words %s" % wrong)
    package = json.load(open(ROOT + "/editors/vscode/package.json"))
    named = [package["main"]] + [x[k] for x in package["contributes"]["languages"] + package["contributes"]["grammars"] for k in ("configuration", "path") if k in x]
    check(all(os.path.exists(os.path.join(ROOT, "editors/vscode", p)) for p in named), "VS Code: what the package names is there")
    json.load(open(ROOT + "/editors/vscode/language-configuration.json"))


def test_pygments():
    try:
        from pygments.token import Token, is_token_subtype
    except ImportError:
        return
    folder = ROOT + "/python/hnnc/"
    package = types.ModuleType("hnnc")
    package.__path__ = [folder]             # without the compiled module
    sys.modules["hnnc"] = package
    spec = importlib.util.spec_from_file_location("hnnc.pygments", folder + "pygments.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    lexer = module.HnnLexer()
    bad = [(os.path.basename(f), text) for f in FILES for kind, text in lexer.get_tokens(open(f).read()) if is_token_subtype(kind, Token.Error)]
    check(not bad, "Pygments: no errors %s" % bad[:3])
    same = [f for f in FILES if "".join(t for _, t in lexer.get_tokens(open(f).read())).strip() != open(f).read().strip()]
    check(not same, "Pygments: the text comes back")
    seen = {text: kind for kind, text in lexer.get_tokens(TEXT)}
    kinds = {"keyword": Token.Keyword, "function": Token.Name.Function, "type": Token.Keyword.Type, "builtin": Token.Name.Builtin, "comment": Token.Comment, "number": Token.Literal.Number}
    wrong = {w: seen.get(w) for w, c in WANT.items() if c != "constant" and not is_token_subtype(seen.get(w, Token), kinds[c])}
    check(not wrong, "Pygments: words %s" % wrong)


def test_tree_sitter():
    if shutil.which("node"):
        p = subprocess.run(["node", "check.js"] + FILES, cwd=ROOT + "/editors/tree-sitter-hnn", stdout=subprocess.PIPE, text=True)
        check(p.returncode == 0, "tree-sitter: the rules take whole files: %s" % p.stdout.strip()[-300:])
        with open(os.path.join(ROOT, "editors/vscode/extension.js")) as f:
            check(subprocess.run(["node", "--check", "-"], input=f.read(), text=True).returncode == 0, "VS Code: the extension is JavaScript")


VIM = """\
set nocompatible
execute 'set runtimepath^=' . $EDITORS
syntax on
source $EDITORS/syntax/hnn.vim
let out = []
for l in range(1, line('$'))
  let c = 1
  while c <= len(getline(l))
    let id = synIDattr(synIDtrans(synID(l, c, 1)), 'name')
    let word = matchstr(getline(l), '\\%' . c . 'c\\k\\+')
    if word !=# ''
      call add(out, word . ' ' . id)
    endif
    let c += max([len(word), 1])
  endwhile
endfor
call writefile(out, $OUT)
qall!
"""


def test_vim():
    vim = shutil.which("vim")
    if not vim or "+syntax" not in subprocess.run([vim, "--version"], stdout=subprocess.PIPE, text=True).stdout:
        return
    import tempfile
    with tempfile.TemporaryDirectory() as d:
        for name, text in [("t.hnn", TEXT), ("s.vim", VIM)]:
            with open(os.path.join(d, name), "w") as f:
                f.write(text)
        env = dict(os.environ, EDITORS=os.path.abspath(ROOT + "/editors/vim"), OUT=d + "/out")
        subprocess.run([vim, "-u", "NONE", "-N", "-es", "-S", d + "/s.vim", d + "/t.hnn"], env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60)
        seen = dict(line.split(" ", 1) for line in open(d + "/out").read().splitlines())
    groups = {"keyword": ("Statement", "Keyword"), "type": ("Type",), "builtin": ("Function", "Identifier"), "constant": ("Constant", "Boolean"), "number": ("Constant", "Number")}
    wrong = {w: seen.get(w) for w, c in WANT.items() if c in groups and w.isidentifier() and seen.get(w) not in groups[c]}
    check(not wrong, "Vim: words %s" % wrong)


def main():
    p = subprocess.run([sys.executable, ROOT + "/tools/grammars.py", "--check"], stdout=subprocess.PIPE, text=True)
    check(p.returncode == 0, "words are the compiler's: %s" % p.stdout.strip())
    for name, f in list(globals().items()):
        if name.startswith("test_"):
            f()
    print("%d failed" % failed)
    return failed > 0


sys.exit(main())
