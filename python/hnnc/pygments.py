"""A lexer for Pygments: `pygmentize -l hnn`, Sphinx's and MkDocs' code blocks, notebooks. Pygments finds it by its entry point.

Most words are keywords only where no name can stand. Expressions find the tokens; what a word is, is then decided by what stands around it, as
frontend/syntax/tokens.c does."""
from pygments.lexer import RegexLexer
from pygments.token import Comment, Keyword, Name, Number, Operator, Punctuation, String, Whitespace

from . import _words as w

__all__ = ["HnnLexer"]

WORD = r"[A-Za-z_\u0080-\U0010ffff][0-9A-Za-z_\u0080-\U0010ffff]*"
DEFINERS = ("fn", "hamiltonian", "net", "flow", "loss", "const", "use", "data", "report", "plot", "save")
CLAIMS = ("symplectic", "volume")
BINARY = frozenset("+ - * / ^ @ < > <= >= == != and or".split())
WANTS_MORE = BINARY | frozenset(", = ~ -> += -= *= /= inverse logdet".split())
END = "\n"                                                   # a line's end that ends a statement


class HnnLexer(RegexLexer):
    name = "hnn"
    aliases = ["hnn"]
    filenames = ["*.hnn"]
    url = ""

    tokens = {
        "root": [
            (r"\s+", Whitespace),
            (r"#.*", Comment.Single),
            (r'"([^"\\\n]|\\[^\n])*"', String.Double),
            (r"(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", Number),
            (WORD, Name),
            (r"->|[-+*/<>=!]=|[-+*/^@<>=~]", Operator),
            (r"[()\[\]{},;.:]", Punctuation),
        ]
    }

    def get_tokens_unprocessed(self, text, stack=("root",)):
        found = list(super().get_tokens_unprocessed(text, stack))
        code = [k for k, (_, kind, _) in enumerate(found) if kind not in Whitespace and kind not in Comment]
        kinds = _Words([(found[k][2], found[k][1]) for k in code], [_lines(found, code, i) for i in range(len(code))]).kinds()
        of = dict(zip(code, kinds))
        for k, (at, kind, value) in enumerate(found):
            yield at, of.get(k, kind), value


def _lines(found, code, i):
    """Whether a line ends between a token and the one before it."""
    return any("\n" in found[k][2] for k in range(code[i - 1] + 1 if i else 0, code[i]))


class _Words:
    """The tokens without blanks and comments: their texts and kinds, and which of them begin a line."""

    def __init__(self, tokens, fresh):
        self.text, self.kind, self.fresh = [t for t, _ in tokens] + ["", ""], [k for _, k in tokens] + [None, None], fresh
        self.last, self.last_is_key, self.open = "", False, []

    def is_name(self, i):
        return self.kind[i] is Name and self.text[i] not in w.HARD

    def ends_operand(self):
        """Whether what stands before can be the end of a value."""
        if self.last_is_key:
            return self.last in ("true", "false")
        return bool(self.last) and self.last not in WANTS_MORE and self.last not in ("(", "[", "{", ";", END, ".", ":")

    def called_twice(self, i):
        depth = 0
        for k in range(i + 1, len(self.fresh)):
            depth += self.text[k] in ("(", "[", "{")
            depth -= self.text[k] in (")", "]", "}")
            if depth == 0:
                return self.text[i + 1] == "(" and self.text[k + 1] == "(" and not self.fresh[k + 1]
        return False

    def clause(self, i, fresh):
        if self.text[i] not in ("inverse", "logdet") or not self.ends_operand() or self.behind_prove(i) or (fresh and self.called_twice(i)):
            return False
        after = self.text[i + 1]
        return self.text[i] == "inverse" or self.kind[i + 1] in (Name, Number) or after in ("(", "[", "{", "-", "+", "") or self.fresh[i + 1]

    def behind_prove(self, i):
        depth = 0
        for k in range(i - 1, 0, -1):
            depth += (self.text[k] == ")") - (self.text[k] == "(")
            if depth == 0:
                return self.text[k] == "(" and self.text[k - 1] == "prove"
        return False

    def keyword(self, i):
        word, after, free = self.text[i], self.text[i + 1], not self.open
        start = self.last in ("", END, ";", "{") or (self.last_is_key and self.last in CLAIMS)
        if self.last == ".":
            return False
        if self.clause(i, self.fresh[i]) or word in w.HARD:
            return True
        if self.last == "yield" and word in ("each", "windows", "shuffled"):
            return self.is_name(i + 1) if word == "each" else after == "("
        if word in w.ITEM:
            return start and (free or self.is_name(i + 1))
        if word in w.OPENING:
            return start and ((free and word == "use") or self.is_name(i + 1))
        if word == "from":
            return self.kind[i + 1] is String.Double
        if word == "as":
            return self.last.startswith('"') and self.kind[i + 1] is String.Double
        return word in w.FOLLOWING and word not in ("inverse", "logdet", "each", "windows", "shuffled") and self.ends_operand() and after != "="

    def name(self, i):
        """Of a word that is no keyword."""
        word, after = self.text[i], self.text[i + 1]
        if self.last == ".":
            return Name.Attribute
        if self.last_is_key and self.last in DEFINERS:
            return Name.Function
        if word in w.TYPES and after != "(":
            return Keyword.Type
        if word in w.METHODS:
            return Name.Constant
        if after == "(":
            return Name.Builtin if word in w.BUILTINS else Name.Function
        return Name.Attribute if after == "=" else Name

    def ends_statement(self, i):
        """Whether the end of the line before token i does."""
        if not self.fresh[i] or (self.open and self.open[-1] != "{") or self.last in ("", END):
            return False
        return not ((self.last in WANTS_MORE and not (self.last in ("inverse", "logdet") and not self.last_is_key)) or self.text[i] in BINARY or self.clause(i, True))

    def kinds(self):
        for i in range(len(self.fresh)):
            if self.ends_statement(i):
                self.last, self.last_is_key = END, False
            word, kind = self.text[i], self.kind[i]
            key = kind is Name and self.keyword(i)
            if key:
                kind = Keyword.Constant if word in ("true", "false") else Operator.Word if word in ("and", "or", "not") else Keyword
            elif kind is Name:
                kind = self.name(i)
            elif word in ("(", "[", "{"):
                self.open.append(word)
            elif word in (")", "]", "}") and self.open:
                self.open.pop()
            self.last, self.last_is_key = word, key
            yield kind
