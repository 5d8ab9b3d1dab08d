"""Random bodies of functions: expressions by their shape, statements, derivatives.

Every statement is short and stands on its line, so that a program can be shrunk by leaving lines out. Values are kept of moderate
size (each expression has a rough bound; what grows is put through tanh or divided), except in wild bodies, whose logarithms,
roots, quotients and constants may be anything."""
import re

import tensor as t

DIMS = [1, 2, 2, 3, 3, 3, 4, 4, 5]
UNARY = ["exp", "log", "log2", "log1p", "expm1", "sqrt", "sin", "cos", "tan", "tanh", "sigmoid", "softplus", "relu", "abs", "sign", "erf", "floor", "ceil", "round", "log10", "asin", "acos", "atan", "sinh", "cosh", "asinh", "acosh", "atanh", "stop_gradient"]


def dims(shape):
    return "[%s]" % ", ".join(map(str, shape)) if shape else ""


def raised(b, n):
    """A bound of what has the bound b, to the power n."""
    return min(max(b, 1.0)**min(n, 100), 1e30) if b < 1e3 else 1e30


class Body:
    """A body being written. Names in scope are (shape, bound, what they depend on)."""

    def __init__(self, rng, prefix, wild=False, depth=3):
        self.rng, self.prefix, self.wild, self.depth = rng, prefix, wild, depth
        self.lines, self.names, self.count, self.indent = [], {}, 0, 1
        self.functions = []           # (name, shape taken, shape given)
        self.indices = {}             # loop names and their ranges
        self.vars = set()

    def fresh(self, letter="v"):
        self.count += 1
        return "%s%d" % (letter, self.count)

    def write(self, line):
        self.lines.append("  " * self.indent + line)

    def define(self, name, shape, bound, text=""):
        self.names[name] = (tuple(shape), bound, self.uses(text) | {name})

    def uses(self, text):
        out = set()
        for w in re.findall(r"[A-Za-z_]\w*", text):
            if w in self.names:
                out |= self.names[w][2]
        return out

    # ---- expressions: (text, bound) ----

    def number(self):
        r = self.rng
        if self.wild and r.random() < 0.15:
            return r.choice(["1e30", "1e-30", "1e38", "1e-38", "0.0", "inf", "3e-40", "1e15"]), 1e30
        c = r.choice(["2", "3", "0.5", "0.1", "1", "1.5", "0.3", "0.7", "pi", "1/3", "%.3f" % r.uniform(0, 2)])
        return ("(%s)" % c if "/" in c else c), 3.2

    def having(self, shape):
        return [n for n, v in self.names.items() if v[0] == shape]

    def leaf(self, shape):
        r, known = self.rng, self.having(tuple(shape))
        if known and r.random() < 0.85:
            k = len(known)
            n = known[-1 - r.randrange(max(1, k // 2))] if r.random() < 0.5 else r.choice(known)
            return n, self.names[n][1]
        if not shape:
            if self.indices and r.random() < 0.4:
                n = r.choice(list(self.indices))
                return n, self.indices[n][1]
            scalars = self.element()
            return scalars if scalars and r.random() < 0.7 else self.number()
        cut = self.slice_of(shape)
        if cut and r.random() < 0.7:
            return cut
        return self.made(shape)

    def made(self, shape):
        """A tensor out of nothing, or out of scalars."""
        r = self.rng
        if len(shape) == 1 and r.random() < 0.3 and shape[0] > 1:
            return "linspace(-1, %s, %d)" % (r.choice(["1", "2", "0.3"]), shape[0]), 2
        if len(shape) == 2 and shape[0] == shape[1] and r.random() < 0.3:
            return "eye(%d)" % shape[0], 1
        if len(shape) == 1 and r.random() < 0.6:
            parts = [self.leaf(()) for _ in range(shape[0])]
            return "[%s]" % ", ".join(p[0] for p in parts), max(p[1] for p in parts)
        return r.choice(["ones(%s)", "(0.5*ones(%s))", "zeros(%s)"]) % ", ".join(map(str, shape)), 1

    def element(self):
        known = [n for n, v in self.names.items() if v[0]]
        if not known:
            return None
        n = self.rng.choice(known)
        subs = [self.subscript(d) for d in self.names[n][0]]
        if len([x for x in subs if not x.lstrip("-").isdigit()]) > 1:
            subs = [x if x.lstrip("-").isdigit() else "0" for x in subs]
        return "%s[%s]" % (n, ", ".join(subs)), self.names[n][1]

    def subscript(self, d):
        r = self.rng
        loops = [k for k, (_, high, low) in self.indices.items() if low >= 0 and high < d]
        if loops and r.random() < 0.6:
            return r.choice(loops)
        return str(r.choice([r.randrange(d), r.randrange(d) - d]))

    def slice_of(self, shape):
        """A part of a larger value that has the shape."""
        r, found = self.rng, []
        for n, (has, bound, _) in self.names.items():
            if len(has) == len(shape) and has[1:] == shape[1:] and has[0] > shape[0]:
                a = r.randrange(has[0] - shape[0] + 1)
                b = a + shape[0]
                found.append(("%s[%s:%s]" % (n, a if a else "", b if b < has[0] else "") if r.random() < 0.7 else "%s[%d:%d]" % (n, a, b), bound))
            if len(has) == len(shape) + 1 and has[1:] == tuple(shape):
                found.append(("%s[%s]" % (n, self.subscript(has[0])), bound))
            if len(has) == len(shape) + 1 and has[:-1] == tuple(shape):
                found.append(("%s[%s, %s]" % (n, ", ".join([":"] * len(shape)), self.subscript(has[-1])), bound))
        return r.choice(found) if found else None

    def expr(self, shape, depth=None):
        depth = self.depth if depth is None else depth
        shape = tuple(shape)
        if depth <= 0 or self.rng.random() < 0.12:
            return self.leaf(shape)
        forms = [self.unary] * 3 + [self.binary] * 4 + [self.powers, self.choice, self.two, self.rows]
        if not shape:
            forms += [self.reduction] * 4 + [self.dot, self.scalar_of_matrix]
        else:
            forms += [self.axis_reduction, self.moved, self.comprehension, self.comprehension, self.joined, self.listed]
            if len(shape) == 1:
                forms += [self.matmul] * 2 + [self.solved]
            if len(shape) == 2:
                forms += [self.matmul] * 2 + [self.triangle, self.solved]
        forms += [self.called] * 2 if [f for f in self.functions if f[2] == shape] else []
        text, bound = self.rng.choice(forms)(shape, depth - 1)
        if not self.wild and bound > 20:
            text, bound = "tanh(%s)" % text, 1
        return text, min(bound, 1e30)

    def unary(self, shape, d):
        r = self.rng
        f = r.choice(UNARY)
        text, b = self.expr(shape, d)
        if not self.wild:
            if f in ("asin", "acos", "atanh"):
                text, b = "0.7*sin(%s)" % text, 0.7
            if f == "acosh":
                text, b = "2 + sin(%s)" % text, 3
            if f in ("exp", "expm1", "sinh", "cosh") and b > 3 or f == "tan" and b > 1.2:
                text, b = "sin(%s)" % text, 1
            if f in ("log", "log2", "log10", "sqrt"):
                text = "(%s + %s)^2" % (text, r.choice(["0.3", "1"])) if r.random() < 0.2 else "1 + (%s)^2" % text
                b = 1 + b * b
            if f == "log1p":
                text, b = "(%s)^2" % text, b * b
        grows = {"exp": 20, "expm1": 20, "sinh": 20, "cosh": 20, "acos": 3.2, "asin": 1.6, "atan": 1.6, "asinh": 4, "tan": 3, "log": 4, "log2": 6, "log1p": 4}
        return "%s(%s)" % (f, text), grows.get(f, b + 1 if f in ("relu", "abs", "softplus", "floor", "ceil", "round") else b if f in ("sqrt", "stop_gradient") else 2)

    def binary(self, shape, d):
        r = self.rng
        op = r.choice("+-**/" if not self.wild else "+-*//")
        (a, x), (b, y) = self.expr(shape, d), self.expr(shape if r.random() < 0.75 else (), d - 1)
        if op == "/" and not self.wild:
            b, y = r.choice(["(1 + (%s)^2)", "(2 + sin(%s))"]) % b, 1
        if r.random() < 0.2 and op != "/":
            (a, x), (b, y) = (b, y), (a, x)
        return "(%s %s %s)" % (a, op, b), x + y if op in "+-" else x * y

    def powers(self, shape, d):
        r = self.rng
        text, b = self.expr(shape, d)
        if self.wild:
            n = r.choice(["2", "3", "0.5", "1.5", "-1", "-2", "2.5", "5", "-0.5", "16", "17", "20"])
            return "(%s)^%s" % (text, n), 1e30
        if r.random() < 0.6:
            n = r.choice([2, 2, 3, 4, 5])
            if b > 3:
                text, b = "sin(%s)" % text, 1
            return "(%s)^%d" % (text, n), raised(b, n)
        n = r.choice(["0.5", "1.5", "-1", "-2", "2.5", "-0.5", "0.3"])
        if r.random() < 0.25:
            e, _ = self.expr((), d - 1)
            return "(1 + (%s)^2)^tanh(%s)" % (text, e), 1 + b * b
        return "(1 + (%s)^2)^%s" % (text, n), raised(1 + b * b, 2.5) if "2.5" in n else 1 + b * b

    def condition(self, shape, d):
        r = self.rng
        (a, _), (b, _) = self.expr(shape, d), self.expr(shape if r.random() < 0.5 else (), 0)
        c = "%s %s %s" % (a, r.choice(["<", "<=", ">", ">=", "==", "!="] if r.random() < 0.3 else ["<", ">"]), b)
        if r.random() < 0.25:
            c = "(%s %s %s)" % ("(" + c + ")", r.choice(["and", "or"]), "(" + self.condition(shape, 0) + ")")
        return "not (%s)" % c if r.random() < 0.15 else c

    def choice(self, shape, d):
        (a, x), (b, y) = self.expr(shape, d), self.expr(shape if self.rng.random() < 0.8 else (), d - 1)
        return "where(%s, %s, %s)" % (self.condition(shape, d - 1), a, b), max(x, y)

    def two(self, shape, d):
        f = self.rng.choice(["max", "min", "atan2", "mod"])
        (a, x), (b, y) = self.expr(shape, d), self.expr(shape, d - 1)
        if f in ("atan2", "mod") and not self.wild:
            b, y = "(1 + (%s)^2)" % b, 1 + y * y
        return "%s(%s, %s)" % (f, a, b), {"atan2": 3.2, "mod": y}.get(f, max(x, y))

    def any_shape(self, most=2):
        r = self.rng
        known = [v[0] for v in self.names.values() if v[0] and len(v[0]) <= most]
        if known and r.random() < 0.7:
            return r.choice(known)
        return tuple(r.choice(DIMS) for _ in range(r.randint(1, most)))

    def reduction(self, shape, d):
        f = self.rng.choice(["sum", "sum", "mean", "prod", "max", "min", "maxabs", "norm", "logsumexp"])
        inner = self.any_shape()
        n = t.count(inner)
        text, b = self.expr(inner, d)
        if f == "norm" and not self.wild:
            return "sqrt(1 + norm(%s)^2)" % text if self.rng.random() < 0.3 else "norm(1.5 + sin(%s))" % text, b * n + 3
        return "%s(%s)" % (f, text), {"sum": b * n, "norm": b * n, "logsumexp": b + 3, "prod": raised(b, n)}.get(f, b)

    def dot(self, shape, d):
        if self.rng.random() < 0.15:
            (a, x), (b, y) = self.expr((2,), d), self.expr((2,), d - 1)
            return "cross(%s, %s)" % (a, b), 2 * x * y
        n = self.any_shape(1)
        (a, x), (b, y) = self.expr(n, d), self.expr(n, d - 1)
        return "%s(%s, %s)" % ("dot", a, b) if self.rng.random() < 0.6 else "(%s @ %s)" % (a, b), x * y * n[0]

    def axis_reduction(self, shape, d):
        if len(shape) > 2:
            return self.moved(shape, d)
        r = self.rng
        axis = r.randint(0, len(shape))
        n = r.choice(DIMS)
        inner = shape[:axis] + (n,) + shape[axis:]
        f = r.choice(["sum", "mean", "prod", "max", "min"])
        text, b = self.expr(inner, d)
        at = axis if r.random() < 0.6 else axis - len(inner)
        if f in ("max", "min"):
            return "%s(%s, axis = %d)" % (f, text, at), b
        return "%s(%s, %s%d)" % (f, text, r.choice(["", "axis = "]), at), b * n if f == "sum" else raised(b, n) if f == "prod" else b

    def moved(self, shape, d):
        r = self.rng
        f = r.choice(["roll", "flip", "reshape", "transpose", "diag", "cumsum", "cumprod", "sort", "argsort", "softmax", "windows", "conv"])
        if f == "transpose":
            text, b = self.expr(shape[::-1], d)
            return ("(%s).T" if r.random() < 0.5 else "transpose(%s)") % text, b
        if f == "diag" and len(shape) == 2 and shape[0] == shape[1]:
            text, b = self.expr(shape[:1], d)
            return "diag(%s)" % text, b
        if f == "diag" and len(shape) == 1:
            text, b = self.expr(shape * 2, d)
            return "diag(%s)" % text, b
        if f == "windows":
            axis, k, stride = r.randrange(len(shape)), r.randint(1, 3), r.randint(1, 2)
            text, b = self.expr(shape[:axis] + ((shape[axis] - 1) * stride + k + r.randrange(stride),) + shape[axis + 1:], d - 1)
            return "sum(windows(%s, %d, %d, %d), %d)" % (text, k, stride, axis, len(shape)), b * k
        if f == "conv" and len(shape) < 3:
            c, stride, lone = r.randint(1, 2), r.randint(1, 2), len(shape) == 1
            space = shape if lone else shape[1:]
            x, b = self.expr((c,) + tuple(n * stride - r.randrange(stride) for n in space), d - 1)
            k = tuple(r.randint(1, 3) for _ in space)
            w, bw = self.expr((1 if lone else shape[0], c) + k, d - 1)
            return "conv(%s, %s%s)%s" % (x, w, ", %d" % stride if stride > 1 else "", "[0]" if lone else ""), b * bw * c * t.count(k)
        if f == "reshape":
            n = t.count(shape)
            splits = [(k, n // k) for k in range(1, n + 1) if n % k == 0] + [(n,)]
            text, b = self.expr(r.choice(splits), d)
            new = list(map(str, shape))
            if r.random() < 0.2:
                new[r.randrange(len(new))] = "-1"
            return "reshape(%s, %s)" % (text, ", ".join(new)), b
        text, b = self.expr(shape, d)
        axis = r.randrange(len(shape))
        n = shape[axis]
        if f in ("cumsum", "cumprod", "sort", "argsort", "softmax"):
            grown = {"cumsum": b * n, "cumprod": raised(b, n), "sort": b, "argsort": n, "softmax": 1}[f]
            given = axis or r.random() < 0.2 or f == "softmax" and r.random() < 0.5
            return "%s(%s%s)" % (f, text, ", axis = %d" % axis if given else ""), grown
        if f == "flip":
            return "flip(%s%s)" % (text, ", axis = %d" % axis if axis or r.random() < 0.2 else ""), b
        return "roll(%s, %d%s)" % (text, r.randint(-4, 4), ", axis = %d" % axis if axis or r.random() < 0.2 else ""), b

    def comprehension(self, shape, d):
        r = self.rng
        k = self.fresh("k")
        if r.random() < 0.55:
            low = r.choice([0, 0, 0, 1, 2])
            self.indices[k] = (shape, low + shape[0] - 1, low)
            text, b = self.expr(shape[1:], d)
            del self.indices[k]
            return "[%s for %s in %d:%d]" % (text, k, low, low + shape[0]), b
        over = (shape[0],) + (self.any_shape(1) if r.random() < 0.6 else ())
        source, b = self.expr(over, d - 1)
        outer = self.names
        self.names = dict(outer)
        self.define(k, over[1:], b, source)
        text, b = self.expr(shape[1:], d)
        self.names = outer
        return "[%s for %s in %s]" % (text, k, source), b

    def joined(self, shape, d):
        r = self.rng
        axis = r.randrange(len(shape))
        n = shape[axis]
        if n == 1:
            text, b = self.expr(shape[:axis] + shape[axis + 1:], d)
            return "stack(%s%s)" % (text, ", axis = %d" % axis if axis else ""), b
        a = r.randint(1, n - 1)
        (x, p), (y, q) = [self.expr(shape[:axis] + (m,) + shape[axis + 1:], d - i) for i, m in enumerate((a, n - a))]
        return "concat(%s, %s%s)" % (x, y, ", axis = %d" % axis if axis or r.random() < 0.2 else ""), max(p, q)

    def rows(self, shape, d):
        """Rows by number: where the extremum of something is, or a list."""
        r = self.rng
        n = r.choice(DIMS)
        where = lambda n: "%s(%s)" % (r.choice(["argmax", "argmin"]), self.expr((n,), d - 1)[0])
        form = r.choice(["one", "list", "column", "set", "sums", "hot", "edges"])
        if form == "list" and shape:
            text, b = self.expr((n,) + shape[1:], d)
            return "(%s)[[%s]]" % (text, ", ".join(str(r.randrange(-n, n)) for _ in range(shape[0]))), b
        if form == "column" and len(shape) == 1:
            text, b = self.expr(shape + (n,), d)
            return "(%s)[:, %s]" % (text, where(n)), b
        if form == "set" and shape:
            (text, b), (v, c) = self.expr(shape, d), self.expr(shape[1:] if r.random() < 0.7 else (), d - 1)
            return "set(%s, %s, %s)" % (text, where(shape[0]), v), max(b, c)
        if form == "sums" and shape:
            text, b = self.expr((n,) + shape[1:], d)
            ids = ", ".join(str(r.randrange(shape[0])) for _ in range(n))
            return "segment_sum(%s, [%s], %d)" % (text, ids, shape[0]), b * n
        if form == "hot" and len(shape) == 1:
            return "one_hot(%s, %d)" % (where(shape[0]), shape[0]), 1
        if form == "edges":
            edges = sorted(r.uniform(-2, 2) for _ in range(n))
            return "searchsorted([%s], %s)" % (", ".join("%.3f" % e for e in edges), self.expr(shape, d)[0]), n
        if len(shape) > 1:
            return self.moved(shape, d)
        text, b = self.expr((n,) + shape, d)
        return "(%s)[%s]" % (text, where(n)), b

    def listed(self, shape, d):
        if shape[0] > 4:
            return self.moved(shape, d)
        parts = [self.expr(shape[1:], d - 1) for _ in range(shape[0])]
        return "[%s]" % ", ".join(p[0] for p in parts), max(p[1] for p in parts)

    def triangle(self, shape, d):
        text, b = self.expr(shape, d)
        return "%s(%s%s)" % (self.rng.choice(["tril", "triu"]), text, self.rng.choice(["", ", -1", ", 1"])), b

    def matmul(self, shape, d):
        r = self.rng
        n = r.choice(DIMS if r.random() < 0.93 else [7, 8, 9, 16, 17])
        forms = [((n,), (n,) + shape), (shape[:1] + (n,), (n,) + shape[1:])] if len(shape) == 1 else [(shape[:1] + (n,), (n,) + shape[1:])]
        left, right = r.choice(forms)
        (a, x), (b, y) = self.expr(left, d), self.expr(right, d - 1)
        if len(shape) == 2 and r.random() < 0.3:
            (a, x), (b, y) = self.expr(shape[:1], d), self.expr(shape[1:], d - 1)
            return "outer(%s, %s)" % (a, b), x * y
        return "(%s @ %s)" % (a, b), x * y * n

    def solved(self, shape, d):
        n = shape[0]
        lower = self.rng.random() < 0.5
        (m, x), (v, y) = self.expr((n, n), d - 1), self.expr(shape, d)
        if n == 3 and len(shape) == 1 and self.rng.random() < 0.3:
            (a, x), (b, y) = self.expr(shape, d), self.expr(shape, d - 1)
            return "cross(%s, %s)" % (a, b), 2 * x * y
        if self.rng.random() < 0.6:
            return self.factored(shape, m, v, y)
        return "solve_%s(0.2*tanh(%s) + 2*eye(%d), %s)" % ("lower" if lower else "upper", m, n, v), y * 2

    def factored(self, shape, m, v, y):
        """Systems whose pivots are off the diagonal; symmetric matrices with eigenvalues apart."""
        r, n = self.rng, shape[0]
        near = "0.2*tanh(%s) + 2*eye(%d)" % (m, n)
        if r.random() < 0.5:
            near = "flip(%s)" % near if r.random() < 0.5 else "roll(%s, 1)" % near
        apart = "0.1*tanh(%s) + diag([%s])" % (m, ", ".join(str(k + 1) for k in r.sample(range(n), n)))
        if len(shape) == 1 and r.random() < 0.4:
            return "eigh(%s)[0]" % apart, n + 1
        if len(shape) == 2 and shape == (n, n) and r.random() < 0.7:
            return r.choice([("inv(%s)" % near, 2), ("eigh(%s)[1]" % apart, 1), ("cholesky(%s)" % apart, n)])
        return "solve(%s, %s)" % (near, v), y * 2

    def scalar_of_matrix(self, shape, d):
        r = self.rng
        n = r.choice(DIMS)
        m, b = self.expr((n, n), d)
        f = r.choice(["det", "logabsdet", "trace"])
        if f == "trace":
            return "trace(%s)" % m, b * n
        near = "0.2*tanh(%s) + %s" % (m, r.choice(["eye(%d)" % n, "flip(eye(%d))" % n]))
        return "%s(%s)" % (f, near), 3 if f == "det" else n + 1

    def called(self, shape, d):
        name, takes, _ = self.rng.choice([f for f in self.functions if f[2] == shape])
        text, _ = self.expr(takes, d)
        return "%s(%s)" % (name, text), 4

    # ---- statements ----

    def let(self, shape=None, text=None, bound=None):
        if shape is None:
            shape = self.any_shape(3) if self.rng.random() < 0.8 else ()
        if text is None:
            text, bound = self.expr(shape)
        name = self.fresh()
        self.write("let %s = %s" % (name, text))
        self.define(name, shape, bound, text)
        return name

    def local(self):
        """A function inside the body, which reads names around it, and calls of it."""
        r = self.rng
        shape = self.any_shape(2) if r.random() < 0.5 else ()
        name, a = self.fresh("l"), self.fresh("a")
        outer, hold, self.lines = dict(self.names), self.lines, []
        self.define(a, shape, 3)
        self.indent += 1
        inside = self.let(shape) if r.random() < 0.4 else a
        text, _ = self.expr(shape, 2)
        reached = self.uses(text) | self.uses(inside)
        self.indent -= 1
        inner, self.lines, self.names = self.lines, hold, outer
        self.write("fn %s(%s: real%s) {" % (name, a, dims(shape)))
        if not self.wild and r.random() < 0.15:
            self.write("  require %s(tanh(%s)) <= 1, \"a tanh\"" % ("maxabs" if shape else "abs", a))
        self.lines += inner
        self.write("  return tanh(%s) + sin(%s)" % (text, inside))
        self.write("}")
        self.functions = self.functions + [(name, shape, shape)]
        arg, _ = self.expr(shape, 1)
        made = self.let(shape, "%s(%s)" % (name, arg), 2)
        self.names[made] = (shape, 2, self.names[made][2] | (reached - {a, inside}))
        return made

    def loop(self):
        """A var that goes through a few turns."""
        r = self.rng
        shape = self.any_shape(2) if r.random() < 0.7 else ()
        text, b = self.expr(shape, 1)
        var, k = self.fresh("w"), self.fresh("k")
        self.write("var %s = %s" % (var, text))
        self.define(var, shape, min(b, 3), text)
        turns = r.randint(1, 4)
        form = r.choice(["for", "for", "repeat", "list"])
        if form == "for":
            self.write("for %s in 0:%d {" % (k, turns))
            self.indices[k] = ((), turns - 1, 0)
        elif form == "list":
            self.write("for %s in [%s] {" % (k, ", ".join(self.number()[0] for _ in range(turns))))
            self.indices[k] = ((), 3.2, -1)
        else:
            self.write("repeat %d {" % turns)
        self.indent += 1
        outer = dict(self.names)
        if r.random() < 0.4:
            self.let(shape)
        new, _ = self.expr(shape, 2)
        if not self.wild:
            new = r.choice(["sin(%s)", "tanh(%s)", "cos(%s)"]) % new
        self.write("%s = %s" % (var, new if r.random() < 0.7 else "%s + 0.5*%s" % (var, new)))
        reached = self.names[var][2] | self.uses(new)
        self.names = outer
        self.indent -= 1
        self.write("}")
        self.indices.pop(k, None)
        self.names[var] = (shape, 8, reached)
        name = self.let(shape, var, 8)
        del self.names[var]
        return name

    def tuple_comprehension(self):
        r = self.rng
        n, k = r.choice(DIMS), self.fresh("k")
        inner = self.any_shape(1) if r.random() < 0.5 else ()
        self.indices[k] = ((), n - 1, 0)
        (a, x), (b, y) = self.expr(inner, 2), self.expr((), 2)
        del self.indices[k]
        p, q = self.fresh(), self.fresh()
        self.write("let (%s, %s) = [(%s, %s) for %s in 0:%d]" % (p, q, a, b, k, n))
        self.define(p, (n,) + inner, x, a)
        self.define(q, (n,), y, b)

    # ---- derivatives ----

    def scalar_of(self, by):
        """The name of a scalar that depends on the value `by`."""
        for _ in range(12):
            text, b = self.expr((), 3)
            if by in self.uses(text) and not any(w in text for w in ("sign(" + by,)):
                return self.let((), text, b)
        shape = self.names[by][0]
        other, _ = self.expr(shape, 2)
        return self.let((), "sum(sin(%s)*%s)" % (by, other) if shape else "sin(%s)*%s" % (by, other), 5)

    def derivative(self):
        r = self.rng
        small = [n for n, v in self.names.items() if t.count(v[0]) <= 6 and n not in self.vars and not n.startswith("k")]
        if not small:
            return None
        by = r.choice(small)
        shape = self.names[by][0]
        kind = r.choice(["grad", "grad", "grad", "jac", "hess", "div", "grad2", "grad3", "both"])
        if kind == "jac":
            inner = self.any_shape(1)
            text, b = self.expr(inner, 2)
            if by not in self.uses(text):
                text = "%s*%s" % (text, by if not shape else by + "[%s]" % ", ".join("0" for _ in shape))
            e = self.let(inner, text, b)
            return self.let(inner + shape, "jac(%s, %s)" % (e, by), 9) if len(inner + shape) <= 4 else None
        if kind == "div":
            text, b = self.expr(shape, 2)
            e = self.let(shape, "%s*%s" % (text, by), b)
            return self.let((), "div(%s, %s)" % (e, by), 9)
        e = self.scalar_of(by)
        if kind == "hess":
            return self.let(shape * 2, "hess(%s, %s)" % (e, by), 9) if len(shape) <= 2 else None
        other = [n for n in small if n != by and n in self.names[e][2]]
        if kind == "both" and other:
            a, b = self.fresh(), self.fresh()
            o = r.choice(other)
            self.write("let (%s, %s) = grad(%s, (%s, %s))" % (a, b, e, by, o))
            self.define(a, shape, 9, e)
            self.define(b, self.names[o][0], 9, e)
            return a
        g = self.let(shape, "grad(%s, %s)" % (e, by), 9)
        for _ in range({"grad2": 1, "grad3": 2}.get(kind, 0)):
            e = self.let((), r.choice(["sum(sin(%s)*%s)", "sum((%s)^2*%s)", "sum(%s*cos(%s))"]) % (g, by), 9)
            g = self.let(shape, "grad(%s, %s)" % (e, by), 9)
        return g

    def block_derivative(self):
        """A derivative in each turn of a comprehension."""
        rows = [n for n, v in self.names.items() if len(v[0]) == 2 and t.count(v[0]) <= 16]
        if not rows:
            return None
        x = self.rng.choice(rows)
        shape, b, _ = self.names[x]
        k, y, e = self.fresh("k"), self.fresh("y"), self.fresh("e")
        outer, hold, self.lines = dict(self.names), self.lines, []
        self.define(y, shape[1:], b + 1, k)
        text, _ = self.expr((), 2)
        if y not in self.uses(text):
            text = "sum(sin(%s))*%s" % (y, text)
        self.names, self.lines = outer, hold
        form = self.rng.choice(["grad", "hess"])
        name = self.fresh()
        self.write("let %s = [{ let %s = %s*1.5; let %s = %s; return %s(%s, %s) } for %s in %s]" % (name, y, k, e, text, form, e, y, k, x))
        self.define(name, shape if form == "grad" else shape + shape[1:], 9, x)
        return name
