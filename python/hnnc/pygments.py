"""A lexer for Pygments: `pygmentize -l hnn`, Sphinx's and MkDocs' code blocks, notebooks. Pygments finds it by its entry point."""
from pygments.lexer import RegexLexer, bygroups, words
from pygments.token import Comment, Keyword, Name, Number, Operator, Punctuation, String, Whitespace

from . import _words as w

__all__ = ["HnnLexer"]

NAME = r"[^\W\d][\w\u0300-\u036f\u2080-\u209c]*"
CLAIMS = ("symplectic", "volume")     # a word stands behind them that is no name
EDGE = r"(?![\w\u0300-\u036f\u2080-\u209c])"


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
            (r"(\.)(T)" + EDGE, bygroups(Operator, Name.Attribute)),
            (words(("true", "false"), suffix=EDGE), Keyword.Constant),
            (words(("and", "or", "not"), suffix=EDGE), Operator.Word),
            (words(("fn",) + tuple(x for x in w.OPENING if x not in CLAIMS), suffix=r"(\s+)(" + NAME + ")"), bygroups(Keyword.Declaration, Whitespace, Name.Function)),
            (words(w.OPENING, suffix=EDGE + r'(?=\s+[\w"(])'), Keyword.Declaration),
            (words(tuple(x for x in w.HARD if x not in ("true", "false", "and", "or", "not")), suffix=EDGE), Keyword),
            (words(w.FOLLOWING, suffix=EDGE + r"(?=\s+[\w\[(]|\s*$)(?!\s*=)"), Keyword),
            (words(w.TYPES, suffix=EDGE), Keyword.Type),
            (words(w.BUILTINS, suffix=EDGE + r"(?=\()"), Name.Builtin),
            (words(w.METHODS + ("pi", "inf"), suffix=EDGE), Name.Constant),
            (NAME + r"(?=\s*=[^=])", Name.Attribute),
            (NAME + r"(?=\()", Name.Function),
            (NAME, Name),
            (r"->|[-+*/<>=!]=|[-+*/^@<>=~:]", Operator),
            (r"[()\[\]{},;.]", Punctuation),
        ]
    }
