"""What the site adds to Sphinx: colours for `hnn` and for terminal sessions, and links to Markdown files that are no pages (CONTRIBUTING.md) as downloads."""
import re

from pygments.lexers.special import TextLexer
from pygments.lexer import RegexLexer, bygroups, words
from pygments.token import Comment, Generic, Keyword, Name, Number, Operator, Punctuation, String, Text

ITEMS = ("precision", "import", "use", "const", "fn", "hamiltonian", "net", "flow", "symplectic", "volume", "data", "loss", "train", "report", "expect", "prove",
         "plot", "save", "section", "on", "require", "allow")
WORDS = ("let", "var", "return", "for", "in", "repeat", "param", "yield", "each", "evolve", "inverse", "logdet", "and", "or", "not", "true", "false")
BUILTINS = ("grad", "jac", "hess", "div", "field", "poisson", "jacobian", "hessian", "trajectory", "integrate", "iterate", "normal", "uniform", "choice", "concat",
            "read", "mlp", "adam", "sgd", "lbfgs", "cosine", "real", "int", "bool", "string")


class HnnLexer(RegexLexer):
    name = "hnn"
    aliases = ["hnn"]
    tokens = {"root": [
        (r"#.*", Comment.Single),
        (r'"(\\.|[^"\\\n])*"', String),
        (r"\d+(\.\d+)?([eE][-+]?\d+)?", Number),
        (r"(fn|hamiltonian|net|flow|loss|data|train|report|plot|save|use|const)(\s+)(\w+)", bygroups(Keyword, Text, Name.Function)),
        (words(ITEMS, prefix=r"^\s*", suffix=r"\b"), Keyword),
        (words(WORDS + ("on", "from"), prefix=r"\b", suffix=r"\b"), Keyword),
        (words(BUILTINS, prefix=r"\b", suffix=r"\b"), Name.Builtin),
        (r"\w+", Name),
        (r"[-+*/^@=<>!~]+", Operator),
        (r"[()\[\]{},.:;]", Punctuation),
        (r"\s+", Text),
        (r".", Text)]}


class SessionLexer(RegexLexer):
    """What one types behind `$`, and what comes back."""
    name = "hnn-session"
    aliases = ["hnn-session"]
    tokens = {"root": [(r"^\$ .*\n", Generic.Heading), (r"^error\[.*?\]", Generic.Error), (r"^.*\n", Text), (r".+", Text)]}


def outside(app, docname, source):                            # pylint: disable=unused-argument
    up = r"\.\./" * (docname.count("/") + 1)
    source[0] = re.sub(r"\[([^\]\n]+)\]\((%s[^)#\s]+\.md)(?:#[^)]*)?\)" % up, r"{download}`\1 <\2>`", source[0])
    if docname not in ("messages", "codes"):
        source[0] = re.sub(r"^```\n(?=\$ )", "```hnn-session\n", source[0], flags=re.M)


def setup(app):
    app.add_lexer("hnn", HnnLexer)
    app.add_lexer("hnn-session", SessionLexer)
    app.add_lexer("csv", TextLexer)                           # newer versions of Pygments have one
    app.connect("source-read", outside)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
