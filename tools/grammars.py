#!/usr/bin/env python3
"""grammars.py [--check]: the words of the language in the grammars of editors/ and python/hnnc/pygments.py, from the lexer's and the
compiler's own tables. --check writes nothing: exit code 1 if a file is not as it would be written."""
import hashlib
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


CONSTANTS = ["pi", "inf"]
CLAIMS = ["symplectic", "volume"]                            # a word stands behind them that is no name
CLAUSES, ROWS, FILES = ["inverse", "logdet"], ["windows", "shuffled"], ["from", "as"]     # FOLLOWING words with rules of their own, and `each`


def classes():
    """Hard words, those that begin a statement, those that stand behind an operand, and all words behind which no keyword of the last kind stands."""
    w = words()
    logic = ["true", "false", "and", "or", "not"]
    hard = sorted(k for k, c in w.items() if c == "HARD" and k not in logic)
    opening = sorted(k for k, c in w.items() if c in ("ITEM", "OPENING"))
    following = sorted(k for k, c in w.items() if c == "FOLLOWING" and k not in CLAUSES + ROWS + FILES + ["each"])
    return hard, opening, following, sorted(set(w) - {"true", "false"})


NUMBER = r"(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?"
STRING = r'"(?:[^"\\\n]|\\[^\n])*"'
OPERATOR = r"->|[-+*/<>=!]=|[-+*/^@<>=~]"


def alternatives(names):
    return "(?:" + "|".join(sorted(names)) + ")"


def textmate():
    """A line at a time, so: a statement begins a line, or stands behind a bracket or `;`; a clause has a blank behind it."""
    hard, opening, following, every = classes()
    letter = r"A-Za-z_\x{80}-\x{10ffff}"
    name, inside, edge, begin = "[%s][0-9%s]*" % (letter, letter), "[0-9%s]" % letter, "(?![0-9%s])" % letter, "(?<![.0-9%s])" % letter
    start = r"(?:^|(?<=[{;])|(?<=\b%s\s))\s*" % r"\s)|(?<=\b".join(CLAIMS)
    operand = r"(?<=[0-9%s)\]}\"])(?:(?<!%s)|(?<=%s))\s+" % (letter, "|".join(r"\b" + k for k in every), "|".join(r"\b%s %s" % (k, k) for k in following))
    rows = [
        (r"#.*$", "comment.line.number-sign"),
        (STRING, "string.quoted.double"),
        (start + "(" + alternatives(CLAIMS) + r")(?=\s+[%s])" % letter, {1: "keyword.declaration"}),
        (start + "(" + alternatives(x for x in opening if x not in CLAIMS) + r")\s+(" + name + ")" + r"(?=\s*(?:[=({]|on\b|$))", {1: "keyword.declaration", 2: "entity.name.function"}),
        (start + "(" + alternatives(opening) + r")(?=\s+[0-9\"(%s])" % letter, {1: "keyword.declaration"}),
        (begin + r"(fn)\s+(" + name + ")", {1: "keyword.declaration", 2: "entity.name.function"}),
        (begin + r"(yield)\s+(each)(?=\s+[%s])" % letter, {1: "keyword.control", 2: "keyword.other"}),
        (begin + r"(yield)\s+" + "(" + alternatives(ROWS) + r")(?=\s*\()", {1: "keyword.control", 2: "keyword.other"}),
        (begin + alternatives(hard) + edge, "keyword.control"),
        (begin + alternatives(["and", "or", "not"]) + edge, "keyword.operator.word"),
        (r"(?:^|(?<=[0-9%s)\]}]))\s+(" % letter + alternatives(CLAUSES) + r")(?=\s+[^\s=]|\s*$)", {1: "keyword.other"}),
        (operand + "(" + alternatives(following) + ")" + edge + r"(?!\s*(?:=[^=]|[,)\]]))", {1: "keyword.other"}),
        (operand + r"(from)(?=\s+\")", {1: "keyword.other"}),
        (r"(?<=\")\s+(as)(?=\s+\")", {1: "keyword.other"}),
        (begin + alternatives(["true", "false"]) + edge, "constant.language.boolean"),
        (begin + alternatives(TYPES) + edge + r"(?!\()", "storage.type"),
        (begin + alternatives(builtins()) + edge + r"(?=\()", "support.function"),
        (begin + alternatives(methods() + CONSTANTS) + edge, "support.constant"),
        ("(" + name + r")(?=\s*=[^=])", {1: "variable.parameter"}),
        (name + r"(?=\()", "entity.name.function.call"),
        (name, "variable.other"),
        (NUMBER, "constant.numeric"),
        (OPERATOR, "keyword.operator"),
        (r"[()\[\]{}]", "punctuation.section"),
        (r"[,;.:]", "punctuation.separator"),
    ]
    patterns = []
    for match, scope in rows:
        p = {"match": match}
        if isinstance(scope, str):
            p["name"] = scope + ".hnn"
        else:
            p["captures"] = {str(k): {"name": v + ".hnn"} for k, v in scope.items()}
        patterns.append(p)
    return json.dumps({"$schema": "https://raw.githubusercontent.com/martinring/tmlanguage/master/tmlanguage.json", "name": "hnn", "scopeName": "source.hnn",
                       "fileTypes": ["hnn"], "patterns": patterns}, indent=2) + "\n"


def vim():
    """As the TextMate grammar guesses. Of matches at one place the last one wins; what stands before a word is looked at behind it, which is quick."""
    hard, opening, following, every = classes()
    return r"""" The hnn language. Written by tools/grammars.py.
if exists("b:current_syntax")
  finish
endif
syntax iskeyword @,48-57,_,128-255
syntax keyword hnnKeyword contained %(hard)s
syntax keyword hnnBoolean contained true false
syntax keyword hnnType contained %(types)s
syntax keyword hnnBuiltin contained %(builtins)s
syntax keyword hnnMethod contained %(methods)s
syntax match hnnName /\v([A-Za-z_]|[^\x00-\x7f])([0-9A-Za-z_]|[^\x00-\x7f])*/ contains=hnnKeyword,hnnBoolean,hnnType,hnnMethod
syntax match hnnName /\v([A-Za-z_]|[^\x00-\x7f])([0-9A-Za-z_]|[^\x00-\x7f])*\(@=/ contains=hnnKeyword,hnnMethod,hnnBuiltin
syntax match hnnName /\v\.@1<=[A-Za-z_]\w*/
syntax match hnnNumber /\v\d+(\.\d*)?([eE][+-]?\d+)?|\.\d+([eE][+-]?\d+)?/
syntax match hnnOperator /->\|[-+*\/^@<>=~!]/
syntax match hnnDeclaration /\v<(%(opening)s)>(\s+([0-9A-Za-z_"(]|[^\x00-\x7f]))@=((^\s*|[{;]\s*|<(%(claims)s)\s+)\w+)@60<=/
syntax match hnnFollowing /\v<(%(following)s)>(\s*(\=[^=]|[,)\]]))@!(([0-9A-Za-z_)\]}"]|[^\x00-\x7f])\s+\w+)@60<=((<(%(every)s)\s+)\w+)@60<!/
syntax match hnnFollowing /\v<(%(following)s)>(\s*(\=[^=]|[,)\]]))@!(<(%(twice)s)\s+\w+)@60<=/
syntax match hnnFollowing /\v<(%(clauses)s)>(\s+[^ =]|\s*$)@=((^\s*|([0-9A-Za-z_)\]}]|[^\x00-\x7f])\s+)\w+)@60<=/
syntax match hnnFollowing /\v<(%(rows)s)>(\s*\()@=(<yield\s+\w+)@60<=/
syntax match hnnFollowing /\v<each>(\s+([A-Za-z_]|[^\x00-\x7f]))@=(<yield\s+\w+)@60<=/
syntax match hnnFollowing /\v<from>(\s+")@=/
syntax match hnnFollowing /\v<as>(\s+")@=("\s+\w+)@60<=/
syntax region hnnString start=/"/ skip=/\\./ end=/"/ oneline
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
""" % dict(opening="|".join(opening), following="|".join(following), hard=" ".join(hard + ["and", "or", "not"]), types=" ".join(TYPES), builtins=" ".join(sorted(builtins())),
           methods=" ".join(sorted(methods()) + CONSTANTS), claims="|".join(CLAIMS), every="|".join(every), clauses="|".join(CLAUSES), rows="|".join(ROWS),
           twice="|".join("%s\\s+%s" % (k, k) for k in following))


def python_words():
    w = words()

    def rows(name, of):
        lines, line = [], "   "
        for x in sorted(of):
            if len(line) + len(x) > 140:
                lines.append(line)
                line = "   "
            line += ' "%s",' % x
        return "%s = frozenset((\n%s\n))\n" % (name, "\n".join(lines + [line]))
    return '"""Words of the language, for pygments.py. Written by tools/grammars.py."""\n' + "".join(
        rows(name, of) for name, of in [(c, [k for k, d in w.items() if d == c]) for c in ("HARD", "ITEM", "OPENING", "FOLLOWING")] + [
            ("TYPES", TYPES), ("BUILTINS", builtins()), ("METHODS", methods() + CONSTANTS)])


def tree_sitter_colours():
    """highlights.scm: no two patterns take the same node, since editors differ in which of them wins."""
    def among(names):
        return " ".join('"%s"' % x for x in names)
    operators = ["+", "-", "*", "/", "^", "@", "<", ">", "<=", ">=", "==", "!=", "=", "+=", "-=", "*=", "/=", "->", "~"]
    logic = ["and", "or", "not"]
    hard = sorted(k for k in words() if k not in logic + ["true", "false"])
    functions, constants = sorted(builtins()), sorted(methods()) + CONSTANTS
    return """\
; Written by tools/grammars.py.
(comment) @comment
(string) @string
(number) @number
(boolean) @boolean
[%s] @keyword
[%s] @keyword.operator
[%s] @operator
["(" ")" "[" "]" "{" "}"] @punctuation.bracket
["," ";" ":" "."] @punctuation.delimiter
(type name: (identifier) @type)
(definition name: (identifier) @function)
(local_definition name: (identifier) @function)
(call function: (name (identifier) @function.builtin) (#any-of? @function.builtin %s))
(call function: (name (identifier) @function.call) (#not-any-of? @function.call %s))
(name (identifier) @constant.builtin (#any-of? @constant.builtin %s))
(parameter name: (identifier) @variable.parameter)
(argument name: (identifier) @property)
(option name: (identifier) @property)
(field name: (identifier) @property)
(member member: (identifier) @property)
""" % tuple(among(x) for x in (hard, logic, operators, functions, functions + constants, constants))


def tree_sitter_made():
    """What the generated parser was made of: tools/tree_sitter writes it beside the parser."""
    return hashlib.sha256(read("editors/tree-sitter-hnn/grammar.js").encode()).hexdigest() + "\n"


def tree_sitter_faults():
    """The grammar's words are the language's, and the parser is that grammar's."""
    known, found = set(words()), set(re.findall(r'"([a-z]+)"', re.sub(r"name: \"hnn\"|field\(\"\w+\"", "", read("editors/tree-sitter-hnn/grammar.js"))))
    if known != found:
        yield "editors/tree-sitter-hnn/grammar.js: it lacks the words %s and has %s too many" % (sorted(known - found), sorted(found - known))
    if read("editors/tree-sitter-hnn/src/grammar.sha256") != tree_sitter_made():
        yield "editors/tree-sitter-hnn/src/parser.c: run tools/tree_sitter"


def main():
    made = {"editors/vscode/syntaxes/hnn.tmLanguage.json": textmate(), "editors/vim/syntax/hnn.vim": vim(), "python/hnnc/_words.py": python_words(),
            "editors/tree-sitter-hnn/queries/highlights.scm": tree_sitter_colours()}
    old = [p for p, text in made.items() if not os.path.exists(os.path.join(ROOT, p)) or read(p) != text]
    for p in old:
        print("%s: %s" % (p, "run tools/grammars.py" if "--check" in sys.argv else "written"))
        if "--check" not in sys.argv:
            with open(os.path.join(ROOT, p), "w", encoding="utf-8") as f:
                f.write(made[p])
    faults = list(tree_sitter_faults())
    print("".join(f + "\n" for f in faults), end="")
    return 1 if faults or (old and "--check" in sys.argv) else 0


if __name__ == "__main__":
    sys.exit(main())
