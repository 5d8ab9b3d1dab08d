"""What each grammar says a word is, in the classes of corpus.py: functions from programs to lists of (begin, end, class) in characters, in the order of the
text. None in place of a function: what runs the grammar is not installed."""
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import types

import textmate

ROOT = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))
SCOPES = [("comment", "comment"), ("string", "string"), ("constant.language.boolean", "keyword"), ("keyword.operator.word", "keyword"), ("keyword.operator", "operator"), ("keyword", "keyword"),
          ("constant.numeric", "number"), ("storage.type", "type"), ("support", "library"), ("entity", "name"), ("variable", "name"), ("punctuation", None)]
GROUPS = {"hnnComment": "comment", "hnnString": "string", "hnnNumber": "number", "hnnOperator": "operator", "hnnDeclaration": "keyword", "hnnFollowing": "keyword", "hnnKeyword": "keyword",
          "hnnBoolean": "keyword", "hnnType": "type", "hnnBuiltin": "library", "hnnMethod": "library", "hnnName": "name", "": None}
CAPTURES = [("comment", "comment"), ("string", "string"), ("number", "number"), ("operator", "operator"), ("keyword", "keyword"), ("boolean", "keyword"), ("type", "type"),
            ("function.builtin", "library"), ("constant.builtin", "library"), ("function", "name"), ("variable", "name"), ("property", "name"), ("punctuation", None)]


def of_prefix(table, word):
    for prefix, kind in table:
        if word == prefix or word.startswith(prefix + "."):
            return kind
    raise ValueError("no class for %s" % word)


def by_textmate():
    onig = textmate.library()
    if not onig:
        return None
    grammar = textmate.Grammar(ROOT + "/editors/vscode/syntaxes/hnn.tmLanguage.json", onig)
    return lambda programs: [[(b, e, of_prefix(SCOPES, s)) for b, e, s in grammar(text)] for _, text, _ in programs]


def pygments_lexer():
    """The package's, without its compiled module; None: there is no Pygments."""
    if not importlib.util.find_spec("pygments"):
        return None
    folder = ROOT + "/python/hnnc/"
    package = types.ModuleType("hnnc")
    package.__path__ = [folder]
    sys.modules["hnnc"] = package
    spec = importlib.util.spec_from_file_location("hnnc.pygments", folder + "pygments.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.HnnLexer()


def by_pygments():
    lexer = pygments_lexer()
    if not lexer:
        return None
    from pygments.token import Comment, Error, Keyword, Literal, Name, Operator, Punctuation, String, Text, is_token_subtype
    table = [(Comment, "comment"), (String, "string"), (Literal, "number"), (Operator.Word, "keyword"), (Operator, "operator"), (Keyword.Type, "type"), (Keyword, "keyword"),
             (Name.Builtin, "library"), (Name.Constant, "library"), (Name, "name"), (Punctuation, None), (Text, None), (Error, "error")]

    def tokens(text):
        for at, kind, word in lexer.get_tokens_unprocessed(text):
            yield at, at + len(word), next(c for t, c in table if is_token_subtype(kind, t))
    return lambda programs: [list(tokens(text)) for _, text, _ in programs]


VIM = """\
set nocompatible encoding=utf-8
execute 'set runtimepath^=' . $EDITORS
syntax on
edit ++enc=utf-8 ++ff=unix $PROGRAMS
set syntax=hnn
syntax sync fromstart
let out = []
for place in readfile($PLACES)
  let [l, c] = split(place)
  call add(out, synIDattr(synID(l, c, 1), 'name'))
endfor
call writefile(out, $OUT)
qall!
"""


def by_vim():
    """Vim is asked of the first and the last character of each word of `truth`, with all programs in one buffer: no rule goes on over the end of a line."""
    vim = shutil.which("vim")
    if not vim or "+syntax" not in subprocess.run([vim, "--version"], stdout=subprocess.PIPE, text=True).stdout:
        return None

    def run(programs, truth):
        places, row = [], 0
        for (_, text, _), words in zip(programs, truth):
            starts = [0]
            for line in text.split("\n"):
                starts.append(starts[-1] + len(line) + 1)
            here = 0
            for begin, end, _ in words:
                while starts[here + 1] <= begin:
                    here += 1
                places += ["%d %d\n" % (row + here + 1, len(text[starts[here]:at].encode()) + 1) for at in (begin, end - 1)]
            row += len(starts) - 1
        with tempfile.TemporaryDirectory() as d:
            for name, text in ("all", "\n".join(text for _, text, _ in programs)), ("places", "".join(places)), ("s.vim", VIM):
                with open(os.path.join(d, name), "w", encoding="utf-8", newline="") as f:
                    f.write(text)
            env = dict(os.environ, EDITORS=ROOT + "/editors/vim", PROGRAMS=d + "/all", PLACES=d + "/places", OUT=d + "/out", LC_ALL="C.UTF-8")
            subprocess.run([vim, "-u", "NONE", "-N", "-i", "NONE", "-n", "-es", "-S", d + "/s.vim"], env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=200)
            with open(d + "/out") as f:
                said = [GROUPS[line.rstrip("\n")] for line in f]
        if len(said) != len(places):
            raise ValueError("Vim answered %d of %d questions" % (len(said), len(places)))
        answers = iter(said)
        return [[(b, e if first == last else b, first) for b, e, _ in words for first, last in [(next(answers), next(answers))]] for words in truth]
    return run


def by_tree_sitter(sitter):
    def run(programs):
        out = subprocess.run([sitter, "--query", ROOT + "/editors/tree-sitter-hnn/queries/highlights.scm"] + [p for _, _, p in programs], stdout=subprocess.PIPE, check=True, text=True).stdout
        found = []
        for (_, text, _), part in zip(programs, out.split("== ")[1:]):
            data, words = text.encode(), []
            for line in part.split("\n")[1:-1]:
                begin, end, name = line.split(" ")
                begin = len(data[:int(begin)].decode())
                words.append((begin, begin + len(data[len(text[:begin].encode()):int(end)].decode()), of_prefix(CAPTURES, name)))
            found.append(words)
        return found
    return run
