"""Reads the part of the language that the generator writes (and people write by hand into small programs), as tuples
whose first element names the form."""
import re
from fractions import Fraction

TOKEN = re.compile(r"""(?P<skip>[ \t\r]+|\#[^\n]*)|(?P<nl>[\n;])|(?P<num>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)
    |(?P<name>[^\W\d]\w*)|(?P<str>"[^"\n]*")|(?P<op>\+=|-=|\*=|/=|->|<=|>=|==|!=|[-+*/@^<>=~(){}\[\],:.])""", re.X)
CONTINUES = {"+", "-", "*", "/", "@", "^", "<", "<=", ">", ">=", "==", "!=", "and", "or", "not", ",", "=", "~", "->",
             "+=", "-=", "*=", "/="}
LEADS = {"+", "-", "*", "/", "@", "^", "<", "<=", ">", ">=", "==", "!=", "and", "or"}
CLAUSES = {"inverse", "logdet"}
BINDS = {"or": 1, "and": 2, "<": 4, "<=": 4, ">": 4, ">=": 4, "==": 4, "!=": 4, "+": 5, "-": 5, "*": 6, "/": 6, "@": 6}


class Problem(Exception):
    """The program is outside of what is read here."""


def tokens(text):
    """(kind, text) of each, newlines only where they end a statement."""
    out, nest, at = [], [], 0
    while at < len(text):
        m = TOKEN.match(text, at)
        if not m:
            raise Problem("cannot read %r" % text[at:at + 20])
        at = m.end()
        kind, word = m.lastgroup, m.group()
        if kind == "skip":
            continue
        if word in "([{" and kind == "op":
            nest.append(word)
        elif word in ")]}" and kind == "op":
            nest.pop()
        if kind == "nl":
            if not out or out[-1][1] in CONTINUES or out[-1][0] == "nl" or nest and nest[-1] != "{":
                continue
        elif word in LEADS | CLAUSES and out and out[-1][0] == "nl" and not (word in CLAUSES and text[at:at + 1] == "("):
            out.pop()
        out.append((kind, word))
    return out + [("nl", "\n"), ("end", "")]


class Reader:
    def __init__(self, text):
        self.t, self.at = tokens(text), 0

    def peek(self, k=0):
        return self.t[min(self.at + k, len(self.t) - 1)][1]

    def kind(self):
        return self.t[self.at][0]

    def next(self):
        self.at += 1
        return self.t[self.at - 1][1]

    def has(self, word):
        if self.peek() == word and self.kind() != "str":
            self.at += 1
            return True
        return False

    def want(self, word):
        if not self.has(word):
            raise Problem("expected %r, found %r" % (word, " ".join(w for _, w in self.t[self.at:self.at + 8])))

    def lines(self):
        while self.kind() == "nl":
            self.at += 1

    def name(self):
        if self.kind() != "name":
            raise Problem("expected a name, found %r" % self.peek())
        return self.next()

    # ---- expressions ----

    def expr(self, least=0):
        left = ("not", self.expr(3)) if self.has("not") else self.prefixed()
        while BINDS.get(self.peek(), -1) >= max(least, 1):
            op = self.next()
            left = ("bin", op, left, self.expr(BINDS[op] + 1))
        return left

    def prefixed(self):
        if self.has("-"):
            return ("neg", self.prefixed())
        left = self.postfix(self.atom())
        if self.has("^"):
            return ("bin", "^", left, self.prefixed())
        return left

    def postfix(self, e):
        while True:
            if self.peek() == "(":
                e = ("call", e) + self.arguments()
            elif self.peek() == "[":
                self.next()
                subs = [self.sub()]
                while self.has(","):
                    subs.append(self.sub())
                self.want("]")
                e = ("index", e, subs)
            elif self.peek() == "." and self.peek(1) == "T":
                self.at += 2
                e = ("transpose", e)
            else:
                return e

    def sub(self):
        first = None if self.peek() == ":" else self.expr()
        if not self.has(":"):
            return ("at", first)
        last = None if self.peek() in "],):" else self.expr()
        if not self.has(":"):
            return ("slice", first, last)
        return ("slice", first, last, self.expr())

    def arguments(self):
        self.want("(")
        args, named = [], {}
        while not self.has(")"):
            if self.kind() == "name" and self.peek(1) == "=":
                name = self.next()
                self.next()
                named[name] = self.expr()
            else:
                args.append(self.expr())
            if self.peek() != ")":
                self.want(",")
        return args, named

    def atom(self):
        kind, word = self.t[self.at]
        self.at += 1
        if kind == "num":
            return ("num", Fraction(word) if len(word) < 15 and "e" not in word.lower() else Fraction(word))
        if kind == "str":
            return ("str", word[1:-1])
        if kind == "name":
            return ("name", word)
        if word == "(":
            items = [self.expr()]
            while self.has(","):
                items.append(self.expr())
            self.want(")")
            return items[0] if len(items) == 1 else ("tuple", items)
        if word == "[":
            return self.listed()
        if word == "{":
            self.at -= 1
            return ("block", self.body())
        raise Problem("expected an expression, found %r" % word)

    def listed(self):
        if self.has("]"):
            return ("list", [])
        first = self.expr()
        if self.has("for"):
            names = self.names()
            self.want("in")
            over = self.range()
            self.want("]")
            return ("comp", first, names, over)
        items = [first]
        while self.has(","):
            items.append(self.expr())
        self.want("]")
        return ("list", items)

    def names(self):
        if not self.has("("):
            return self.name()
        out = [self.name()]
        while self.has(","):
            out.append(self.name())
        self.want(")")
        return out

    def range(self):
        e = self.expr()
        return ("range", e, self.expr()) if self.has(":") else e

    # ---- statements ----

    def body(self):
        self.want("{")
        out = []
        self.lines()
        while not self.has("}"):
            out.append(self.statement())
            if self.peek() != "}" and self.kind() != "nl":
                raise Problem("expected the end of a statement, found %r" % self.peek())
            self.lines()
        return out

    def statement(self):
        word = self.peek()
        if word in ("let", "var"):
            self.next()
            names = self.names()
            if self.has(":"):
                self.type()
            self.want("=")
            return ("let" if word == "let" else "var", names, self.expr())
        if word == "return":
            self.next()
            items = [self.expr()]
            while self.has(","):
                items.append(self.expr())
            return ("return", items[0] if len(items) == 1 else ("tuple", items))
        if word == "for":
            self.next()
            names = self.names()
            self.want("in")
            over = self.range()
            return ("for", names, over, self.body())
        if word == "require":
            self.next()
            condition = self.expr()
            self.want(",")
            self.next()
            return ("require", condition)
        if word == "repeat":
            self.next()
            return ("repeat", self.expr(), self.body())
        if word == "use":
            self.next()
            name = self.name()
            self.want("=")
            return ("use", name, self.expr())
        if word == "param":
            self.next()
            name, shape = self.name(), []
            if self.has(":"):
                shape = self.type()
            if not self.has("="):
                raise Problem("a parameter with a random start")
            return ("param", name, shape, self.expr())
        if word == "evolve":
            return self.evolve()
        if word in ("fn", "hamiltonian") and self.t[self.at + 1][0] == "name":
            self.next()
            return ("define",) + self.function(word)
        return self.moves()

    def evolve(self):
        self.next()
        names = self.names()
        names = [names] if isinstance(names, str) else names
        how, f = self.next(), self.expr()
        self.want("for")
        length = self.expr()
        self.want("steps")
        steps = self.expr()
        method = self.name() if self.has("method") else "leapfrog" if how == "under" else "rk4"
        return ("evolve", names, how, f, length, steps, method)

    def moves(self):
        """x = e, x[a:b] += e, q, p = a, b inverse c, d or T(q, p)."""
        left = [self.postfix(self.atom())]
        while self.has(","):
            left.append(self.postfix(self.atom()))
        for op in ("+=", "-=", "*=", "/="):
            if self.has(op):
                return ("update", left[0], op[0], self.expr())
        if not self.has("="):
            return ("apply", left[0])
        right = [self.expr()]
        while self.has(","):
            right.append(self.expr())
        back = None
        if self.has("inverse"):
            back = [self.expr()]
            while self.has(","):
                back.append(self.expr())
        if self.has("logdet"):
            self.expr()                  # a claim: the reference takes the determinant
        return ("assign", left, right, back)

    def type(self):
        """The shape of real[..]; None for other types."""
        kind = self.name()
        shape = []
        if self.has("["):
            while not self.has("]"):
                shape.append(self.expr())
                self.has(",")
        return shape if kind == "real" else None

    # ---- items ----

    def parameters(self):
        self.want("(")
        out = []
        while not self.has(")"):
            name, kind, start = self.name(), None, None
            if self.has(":"):
                kind = self.type()
            if self.has("="):
                start = self.expr()
            out.append((name, kind, start))
            if self.peek() != ")":
                self.want(",")
        return out

    def function(self, word):
        name = self.name()
        lists = [self.parameters()]
        if self.peek() == "(":
            lists.append(self.parameters())
        if self.has("->"):
            self.type()
        body = [("return", self.expr())] if self.has("=") else self.body()
        return (word, name, lists, body)

    def skipped(self):
        """The text of an item that only hnnc reads."""
        depth = 0
        while depth or self.kind() not in ("nl", "end"):
            word = self.next()
            depth += (word in "{") - (word in "}") if self.t[self.at - 1][0] == "op" else 0

    def options(self):
        """name = expression, ... in braces."""
        out = {}
        self.want("{")
        self.lines()
        while not self.has("}"):
            name = self.name()
            self.want("=")
            out[name] = self.expr()
            self.has(",")
            self.lines()
        return out

    def item(self):
        word = self.name()
        if word in ("symplectic", "volume"):
            word = self.name()
        if word in ("fn", "hamiltonian", "net", "flow", "loss"):
            return self.function(word)
        if word == "precision":
            return ("precision", self.name())
        if word in ("const", "use"):
            name = self.name()
            self.want("=")
            return (word, name, self.expr())
        if word == "train":
            name = self.name()
            self.want("on")
            data = self.expr()
            return ("train", name, data, self.options())
        if word in ("data", "report", "expect", "prove", "plot", "import"):
            self.skipped()
            return ("other", word)
        raise Problem("cannot read an item that begins with %r" % word)


def read(text):
    """The items of a program."""
    r, out = Reader(text), []
    r.lines()
    while r.kind() != "end":
        out.append(r.item())
        r.lines()
    return out
