#!/usr/bin/env python3
"""test_grammars.py SYNTAX_DUMP HNNC [SITTER]: the grammars of editors/ and the Pygments lexer, on the programs of models/, docs/ and tests/: each says of every word what the compiler's own
tokens say. Their words are the compiler's; the tree-sitter parser is the grammar's, reads all programs that the compiler reads, and its queries find what they should. Vim, Oniguruma, Pygments and
tree-sitter are asked where they are installed."""
import collections
import glob
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from xml.etree import ElementTree

import corpus
import engines
from corpus import ROOT

sys.path.insert(0, ROOT + "/tools")
import grammars                                              # noqa: E402

DUMP, HNNC, SITTER = sys.argv[1], sys.argv[2], sys.argv[3] if len(sys.argv) > 3 else None
LIBRARY = set(grammars.builtins()) | set(grammars.methods()) | set(grammars.CONSTANTS)
SLOWER = float(os.environ.get("HNNC_SLOWER", "1"))           # of a build that takes longer for everything
LONG = ("tests/golden/check/", "tests/fuzz/", "models/phi4", "models/moons_autoregressive") + (("models/", ) if SLOWER > 1 else ())     # programs that take long to evaluate, for what they say of words
TRAPS = "tests/golden/parse/soft_keywords.hnn"               # keywords as names, in every place: an expression over one line cannot know
GUESSES = 0.01                                               # of names: those of the language that a program has as its own, and functions that are passed and not called
failed = 0


def check(ok, what):
    global failed
    failed += not ok
    print("%s %s" % ("ok  " if ok else "FAIL", what))


def disagreements(programs, truth, found):
    """What differs, and how many words differ in nothing but whether a name is the language's: (text, place) pairs, and a number."""
    wrong, guessed = [], 0
    for (name, text, _), words, of in zip(programs, truth, found):
        said = {}
        for begin, end, kind in of:
            said.setdefault(begin, (end, kind))
        for begin, end, kind in words:
            got = said.get(begin, (end, "name"))             # a name may have no colour
            if got == (end, kind):
                continue
            if {kind, got[1]} == {"name", "library"}:
                guessed += 1
            else:
                wrong.append("%s, line %d: `%s` is %s, and is said to be %s" % (name, text.count("\n", 0, begin) + 1, text[begin:end][:30], kind, got[1]))
    return wrong, guessed


def test_classes(programs):
    programs = [p for p in programs if not p[0].startswith(LONG)]
    truth = [[(b, e, "name" if kind == "library" and text[b:e] not in LIBRARY else kind) for b, e, kind in words] for (_, text, _), words in zip(programs, corpus.classes(HNNC, programs))]
    names = collections.Counter(kind for words in truth for _, _, kind in words)
    check(len(programs) > 700 and min(names[k] for k in set(corpus.CLASSES.values()) | {"library"}) > 100, "the corpus has words of all classes: %s" % dict(names))
    for grammar, run in ("TextMate", engines.by_textmate()), ("Pygments", engines.by_pygments()), ("Vim", engines.by_vim()), ("tree-sitter", SITTER and engines.by_tree_sitter(SITTER)):
        if not run:
            print("skip %s: nothing here runs it" % grammar)
            continue
        some = [k for k, p in enumerate(programs) if (grammar != "Vim" or p[0].startswith(("models", "tests/golden/parse")) or k % 4 == 0 and p[0].startswith("docs")) and (grammar not in ("TextMate", "Vim") or p[0] != TRAPS)]
        few, words = [programs[k] for k in some], [truth[k] for k in some]
        found = run(few, words) if grammar == "Vim" else run(few)
        wrong, guessed = disagreements(few, words, found)
        count = sum(map(len, words))
        check(not wrong, "%s: %d words of %d programs; %d are other ones than the compiler's%s" % (grammar, count, len(few), len(wrong), "".join("\n       " + x for x in wrong[:10])))
        check(guessed < GUESSES*count, "%s: of %d names it is not known whether they are the language's" % (grammar, guessed))


def test_pygments_text():
    lexer = engines.pygments_lexer()
    if lexer:
        texts = [text for _, text in corpus.programs()]
        check(all("".join(t for _, _, t in lexer.get_tokens_unprocessed(x)) == x for x in texts), "Pygments: the text comes back, of %d programs, wrong ones too" % len(texts))


def test_vscode():
    """The packed extension: what its parts name is in it, and it shows what `hnnc lsp` says."""
    with tempfile.TemporaryDirectory() as d:
        pack = [sys.executable, ROOT + "/tools/vsix"]
        p = subprocess.run(pack + [d + "/a.vsix"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        subprocess.run(pack + [d + "/b.vsix"], stdout=subprocess.DEVNULL)
        check(p.returncode == 0 and open(d + "/a.vsix", "rb").read() == open(d + "/b.vsix", "rb").read(), "VS Code: packs, and the same bytes twice: %s" % p.stdout.strip())
        with zipfile.ZipFile(d + "/a.vsix") as z:
            names, read = set(z.namelist()), lambda name: z.read(name).decode()
            types = {e.get("Extension") for e in ElementTree.fromstring(read("[Content_Types].xml"))}
            check(all(os.path.splitext(n)[1] in types for n in names - {"[Content_Types].xml"}), "VS Code: every file has a type")
            package, manifest = json.loads(read("extension/package.json")), ElementTree.fromstring(read("extension.vsixmanifest"))
            schema = "{http://schemas.microsoft.com/developer/vsx-schema/2011}"
            identity = manifest.find(schema + "Metadata/" + schema + "Identity").attrib
            check([identity[k] for k in ("Id", "Version", "Publisher")] == [package[k] for k in ("name", "version", "publisher")], "VS Code: the manifest is the package's")
            contributed = package["contributes"]["languages"] + package["contributes"]["grammars"]
            named = ["extension/" + os.path.normpath(x) for x in [package["main"]] + [c[k] for c in contributed for k in ("configuration", "path") if k in c]]
            named += [a.get("Path") for a in manifest.find(schema + "Assets")] + [manifest.find(schema + "Metadata/" + schema + "License").text]
            check(set(named) <= names, "VS Code: what the package names is in it: %s" % sorted(set(named) - names))
            json.loads(read("extension/language-configuration.json"))
            z.extractall(d + "/x")
        if shutil.which("node"):
            p = subprocess.run(["node", ROOT + "/tests/editors/vscode_test.js", d + "/x/extension", HNNC], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=100)
            check(p.returncode == 0, "VS Code: the extension shows what the server says %s" % p.stdout.strip()[-1500:])


def sitter(*args, code=0):
    p = subprocess.run([SITTER, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if p.returncode != code:
        check(False, "tree-sitter: %s: exit code %d: %s" % (args, p.returncode, p.stdout[-1500:] + p.stderr[-500:]))
    return p.stdout


def test_tree_sitter_trees(programs):
    """All that the compiler reads; the tests of the grammar itself."""
    names = {p: n for n, _, p in programs}
    p = subprocess.run([SITTER] + list(names), stdout=subprocess.PIPE, text=True)
    wrong = [names[line.split(":")[0]] + ":" + line.split(":", 1)[1] for line in p.stdout.splitlines()]
    check(p.returncode == 0 and not wrong, "tree-sitter: reads %d programs%s" % (len(names), "".join("\n       " + x for x in wrong[:10])))
    with tempfile.TemporaryDirectory() as d:
        for path in sorted(glob.glob(ROOT + "/editors/tree-sitter-hnn/test/corpus/*.txt")):
            for title, more, text, tree in re.findall(r"^=+\n([^\n]*)\n((?::\w+\n)*)=+\n(.*?)^-+\n(.*?)(?=^===|\Z)", open(path, encoding="utf-8").read(), re.M | re.S):
                with open(d + "/t.hnn", "w", encoding="utf-8") as f:
                    f.write(text)
                if ":error" in more:
                    check(subprocess.run([SITTER, d + "/t.hnn"], stdout=subprocess.DEVNULL).returncode == 1, "tree-sitter: %s" % title)
                    continue
                made = re.sub(r"\w+: ", "", sitter("--tree", d + "/t.hnn"))
                check(made.split() == re.sub(r"\s*\)", ")", " ".join(tree.split())).split() and len(tree) > 20, "tree-sitter: %s" % title)


PROGRAM = """\
const n = 2
fn outer(x: real[n]) {
  let y = x
  fn inner(z) { return z + y }
  return inner(y)
}
plot p = {
  x = 1
}
"""
WANT = {
    "locals": {"local.definition": ["n", "outer", "x", "y", "inner", "z"], "local.reference": ["n", "x", "z", "y", "inner", "y"]},
    "tags": {"name": ["n", "outer", "inner", "inner", "p"]},
    "folds": {"fold": ["(x: real[n])", "{ return z + y }", "(z)", "(y)"]},
    "indents": {"indent.begin": ["{\n  x = 1\n}"], "indent.branch": [")", "}"]},
}


def test_tree_sitter_queries():
    with tempfile.TemporaryDirectory() as d:
        with open(d + "/t.hnn", "w") as f:
            f.write(PROGRAM)
        for query, want in WANT.items():
            seen = collections.defaultdict(list)
            for line in sitter("--query", ROOT + "/editors/tree-sitter-hnn/queries/%s.scm" % query, d + "/t.hnn").splitlines()[1:]:
                begin, end, name = line.split(" ")
                seen[name].append(PROGRAM[int(begin):int(end)])
            wrong = {k: seen[k] for k, v in want.items() if (seen[k] != v if query in ("locals", "tags") else not set(v) <= set(seen[k]))}
            check(not wrong, "tree-sitter: %s %s" % (query, wrong))


NEOVIM = """\
vim.opt.runtimepath:prepend("EDITORS/vim")
vim.cmd("filetype on")
dofile("EDITORS/neovim/hnn.lua")
vim.cmd("edit PROGRAM")
local tree, seen = vim.treesitter.get_parser(0, "hnn"):parse()[1], {}
local query = vim.treesitter.query.get("hnn", "highlights")
for id, node in query:iter_captures(tree:root(), 0) do seen[vim.treesitter.get_node_text(node, 0)] = query.captures[id] end
for _, name in ipairs({ "locals", "folds", "indents", "tags" }) do assert(#vim.treesitter.query.get("hnn", name).captures > 0, name) end
local lit = vim.treesitter.highlighter.active[vim.api.nvim_get_current_buf()] ~= nil
vim.fn.writefile({ vim.json.encode({ seen = seen, lit = lit, fold = vim.treesitter.foldexpr(2) }) }, "OUT")
vim.cmd("qall!")
"""


def test_tree_sitter_generator():
    """Where there is the one that made it: the parser in the tree is what it makes of the grammar."""
    if shutil.which("tree-sitter") and " 0.22." in subprocess.run(["tree-sitter", "--version"], stdout=subprocess.PIPE, text=True).stdout:
        p = subprocess.run([ROOT + "/tools/tree_sitter", "--check"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        check(p.returncode == 0, "tree-sitter: its generator makes the parser of the grammar %s" % ("" if p.returncode == 0 else p.stdout[-800:]))


def test_neovim():
    """The parser and the queries in Neovim itself, from 0.10 on."""
    nvim, cc = shutil.which("nvim"), shutil.which("cc")
    version = re.match(r"NVIM v(\d+)\.(\d+)", subprocess.run([nvim, "--version"], stdout=subprocess.PIPE, text=True).stdout) if nvim else None
    if not cc or not version or (int(version[1]), int(version[2])) < (0, 10):
        print("skip Neovim: no 0.10 here")
        return
    with tempfile.TemporaryDirectory() as d:
        shutil.copytree(ROOT + "/editors", d + "/editors")
        folder = d + "/editors/tree-sitter-hnn"
        subprocess.run([cc, "-O1", "-shared", "-fPIC", "-o", folder + "/hnn.so", folder + "/src/parser.c", folder + "/src/scanner.c"], check=True)
        for name, text in ("t.hnn", PROGRAM), ("s.lua", NEOVIM.replace("EDITORS", d + "/editors").replace("PROGRAM", d + "/t.hnn").replace("OUT", d + "/out")):
            with open(os.path.join(d, name), "w") as f:
                f.write(text)
        p = subprocess.run([nvim, "--headless", "-u", "NONE", "-i", "NONE", "-l", d + "/s.lua"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60, env=dict(os.environ, HOME=d))
        got = json.load(open(d + "/out")) if os.path.exists(d + "/out") else {}
        want = {"fn": "keyword", "outer": "function", "real": "type", "inner": "function.call", "plot": "keyword", "1": "number"}
        ok = got.get("lit") and got["fold"] == ">1" and all(got["seen"].get(k) == v for k, v in want.items())
        check(ok, "Neovim: colours and folds of tree-sitter %s" % ("" if ok else str(got) + p.stdout[-500:]))


def main():
    p = subprocess.run([sys.executable, ROOT + "/tools/grammars.py", "--check"], stdout=subprocess.PIPE, text=True)
    check(p.returncode == 0, "words are the compiler's: %s" % p.stdout.strip())
    with tempfile.TemporaryDirectory() as d:
        programs = corpus.accepted(DUMP, d)
        test_classes(programs)
        if SITTER:
            test_tree_sitter_trees(programs)
            test_tree_sitter_queries()
    test_tree_sitter_generator()
    test_neovim()
    test_pygments_text()
    test_vscode()
    print("%d failed" % failed)
    return failed > 0


sys.exit(main())
