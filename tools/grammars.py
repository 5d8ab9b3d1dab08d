#!/usr/bin/env python3
"""grammars.py [--check]: the words of the language in the grammars of editors/ and python/hnnc/pygments.py, from the lexer's and the
compiler's own tables. --check writes nothing: exit code 1 if a file is not as it would be written."""
import json
import os
import re
import sys

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
TYPES = ["real", "int", "bool", "string"]


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as f:
        return f.read()


def words():
    """Word -> its class, as frontend/syntax/tokens.c has them: HARD, ITEM, OPENING, FOLLOWING; clauses are FOLLOWING."""
    text = read("frontend/syntax/tokens.c")
    found = dict(re.findall(r'^  \{"(\w+)", T_\w+, (\w+)\},$', text, re.M))
    clauses = re.search(r"clauses\[\] = \{(.*?)\}", text)[1]
    found.update((w, "FOLLOWING") for w in re.findall(r'"(\w+)"', clauses))
    return found


def builtins():
    return re.findall(r'^  \{"(\w+)", +"', read("frontend/builtin/builtin.c"), re.M)


def methods():
    return re.findall(r'\[M_\w+\] = \{"(\w+)"', read("ir/core/method.c"))


NAME = r"[A-Za-z_\u0080-\uffff][A-Za-z0-9_\u0080-\uffff]*"
NUMBER = r"(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?"
STRING = r'"(?:[^"\\\n]|\\[^\n])*"'
OPERATOR = r"->|[-+*/<>=!]=|[-+*/^@<>=~:]"


def alternatives(names):
    return "(?:" + "|".join(sorted(names)) + ")"


def textmate():
    w = words()
    constants = ["true", "false"]
    hard = [k for k, c in w.items() if c == "HARD" and k not in constants + ["and", "or", "not", "fn"]]
    opening = [k for k, c in w.items() if c in ("ITEM", "OPENING")] + ["fn"]
    following = [k for k, c in w.items() if c == "FOLLOWING"]
    edge, begin = r"(?![A-Za-z0-9_\u0080-\uffff])", r"(?<![A-Za-z0-9_.\u0080-\uffff])"
    rows = [
        (r"#.*$", "comment.line.number-sign"),
        (STRING, "string.quoted.double"),
        (begin + "(" + alternatives(x for x in opening if x not in ("symplectic", "volume")) + r")\s+(" + NAME + ")", {1: "keyword.declaration", 2: "entity.name.function"}),
        (begin + alternatives(opening) + edge + r"(?=\s+[\w(\"])", "keyword.declaration"),
        (begin + alternatives(hard) + edge, "keyword.control"),
        (begin + alternatives(["and", "or", "not"]) + edge, "keyword.operator.word"),
        (r"(?<=[\w)\]}\"])\s+(" + alternatives(following) + ")" + edge + r"(?!\s*=)", {1: "keyword.other"}),
        (begin + alternatives(following) + edge + r"(?=\s*$)", "keyword.other"),
        (begin + alternatives(constants) + edge, "constant.language"),
        (begin + alternatives(["pi", "inf"]) + edge, "constant.language"),
        (begin + alternatives(TYPES) + edge, "storage.type"),
        (begin + alternatives(builtins()) + edge + r"(?=\()", "support.function"),
        (begin + alternatives(methods()) + edge, "support.constant"),
        ("(" + NAME + r")(?=\s*=[^=])", {1: "variable.parameter"}),
        (NAME + r"(?=\()", "entity.name.function.call"),
        (NAME, "variable.other"),
        (NUMBER, "constant.numeric"),
        (OPERATOR, "keyword.operator"),
        (r"[()\[\]{}]", "punctuation.section"),
        (r"[,;.]", "punctuation.separator"),
    ]
    patterns = []
    for match, name in rows:
        p = {"match": match}
        if isinstance(name, str):
            p["name"] = name + ".hnn"
        else:
            p["captures"] = {str(k): {"name": v + ".hnn"} for k, v in name.items()}
        patterns.append(p)
    return json.dumps({"$schema": "https://raw.githubusercontent.com/martinring/tmlanguage/master/tmlanguage.json", "name": "hnn", "scopeName": "source.hnn",
                       "fileTypes": ["hnn"], "patterns": patterns}, indent=2) + "\n"


def vim():
    w = words()
    by = {c: sorted(k for k, d in w.items() if d == c) for c in set(w.values())}
    return """\
" The hnn language. Written by tools/grammars.py.
if exists("b:current_syntax")
  finish
endif
syntax iskeyword @,48-57,_,128-255
syntax match hnnName /\\<\\k\\+\\>/
syntax match hnnNumber /\\v<\\d+(\\.\\d*)?([eE][+-]?\\d+)?|\\.\\d+([eE][+-]?\\d+)?/
syntax match hnnOperator /->\\|[-+*\\/^@<>=~!:]/
syntax match hnnDeclaration /\\v<(%(opening)s)>\\ze\\s+[[:alpha:]_"(]/
syntax match hnnFollowing /\\v([])}"]|\\k)\\s+\\zs<(%(following)s)>\\ze(\\s*\\=)@!/
syntax keyword hnnKeyword %(hard)s
syntax keyword hnnBoolean true false
syntax keyword hnnType %(types)s
syntax match hnnBuiltin /\\v<(%(builtins)s)>\\ze\\(/
syntax keyword hnnMethod %(methods)s
syntax region hnnString start=/"/ skip=/\\\\./ end=/"/ oneline
syntax match hnnComment /#.*$/ contains=@Spell
highlight default link hnnNumber Number
highlight default link hnnOperator Operator
highlight default link hnnDeclaration Keyword
highlight default link hnnFollowing Keyword
highlight default link hnnKeyword Keyword
highlight default link hnnBoolean Boolean
highlight default link hnnType Type
highlight default link hnnBuiltin Function
highlight default link hnnMethod Constant
highlight default link hnnString String
highlight default link hnnComment Comment
let b:current_syntax = "hnn"
""" % dict(opening="|".join(by["ITEM"] + by["OPENING"]), following="|".join(by["FOLLOWING"]), hard=" ".join(k for k in by["HARD"] if k not in ("true", "false")),
           types=" ".join(TYPES), builtins="|".join(sorted(builtins())), methods=" ".join(sorted(methods())))


def python_words():
    w = words()

    def rows(name, of):
        lines, line = [], "   "
        for x in sorted(of):
            if len(line) + len(x) > 140:
                lines.append(line)
                line = "   "
            line += ' "%s",' % x
        return "%s = (\n%s\n)\n" % (name, "\n".join(lines + [line]))
    return '"""Words of the language, for pygments.py. Written by tools/grammars.py."""\n' + "".join(
        rows(name, of) for name, of in [("HARD", [k for k, c in w.items() if c == "HARD"]), ("OPENING", [k for k, c in w.items() if c in ("ITEM", "OPENING")]),
                                        ("FOLLOWING", [k for k, c in w.items() if c == "FOLLOWING"]), ("TYPES", TYPES), ("BUILTINS", builtins()), ("METHODS", methods())])


def tree_sitter_words():
    w = words()
    return "// Written by tools/grammars.py.\nmodule.exports = %s;\n" % json.dumps(
        {"definers": sorted(k for k, c in w.items() if c in ("ITEM", "OPENING")) + ["fn", "let", "param", "var"],
         "others": sorted(k for k, c in w.items() if c == "FOLLOWING" or (c == "HARD" and k not in ("true", "false", "fn", "let", "param", "var")))}, indent=2)


def main():
    made = {"editors/vscode/syntaxes/hnn.tmLanguage.json": textmate(), "editors/vim/syntax/hnn.vim": vim(), "python/hnnc/_words.py": python_words(),
            "editors/tree-sitter-hnn/words.js": tree_sitter_words()}
    old = [p for p, text in made.items() if not os.path.exists(os.path.join(ROOT, p)) or read(p) != text]
    for p in old:
        print("%s: %s" % (p, "run tools/grammars.py" if "--check" in sys.argv else "written"))
        if "--check" not in sys.argv:
            with open(os.path.join(ROOT, p), "w", encoding="utf-8") as f:
                f.write(made[p])
    return 1 if old and "--check" in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())
