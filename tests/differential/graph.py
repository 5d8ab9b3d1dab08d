"""Values of a program as a graph, and its evaluation.

A Node is a tensor that was computed from others; `hidden` are those that its function reads by itself (the rates of a
trajectory). A Context gives values to some nodes (the inputs of a sample) and finds those of all others; one inside
another replaces the values of some nodes, and everything that depends on them, hence "the derivative of e by x" is what
becomes of e where the node x is replaced by x + eps: derivatives between two values, to any order, by nothing but the rules
of dual numbers."""
import scalar as s
import tensor as t


class Node:
    __slots__ = ("fn", "args", "hidden", "shape", "derived")

    def __init__(self, fn, args=(), hidden=(), derived=False):
        """`derived` says that derivatives were taken on the way."""
        self.fn, self.args, self.hidden, self.shape = fn, tuple(args), tuple(hidden), None
        self.derived = derived or any(a.derived for a in self.args) or any(a.derived for a in self.hidden)


CHANGES = {}          # the nodes that a context changes -> whether it reaches a node, known for all such contexts


class Context:
    """`over` are the values of inputs; `shift` is what is added to the values of some nodes, wherever these come from."""

    def __init__(self, over, parent=None, shift=None):
        self.over, self.parent, self.shift = over, parent, shift or {}
        self.memo = {}
        self.changes = CHANGES.setdefault(frozenset(self.over) | frozenset(self.shift), {})
        self.level = (parent.level if parent else 0) + (1 if shift else 0)

    def inside(self, over=None, shift=None):
        return Context(over or {}, self, shift)

    def reached(self, node):
        """Whether this context changes what the node is computed from."""
        known = self.changes.get(node)
        if known is None:
            known = self.changes[node] = any(self.touches(a) for a in node.args) or any(self.touches(a) for a in node.hidden)
        return known

    def touches(self, node):
        return node in self.over or node in self.shift or self.reached(node)

    def shifted(self, node, value):
        """A value computed anew, with the shifts of all contexts around."""
        ctx = self
        while ctx:
            if node in ctx.shift:
                value = t.elementwise(s.add, value, ctx.shift[node])
            ctx = ctx.parent
        return value

    def get(self, node):
        found = self.memo.get(node)
        if found is None:
            found = self.memo[node] = self.find(node)
        return found

    def find(self, node):
        if node in self.over:
            return self.over[node]
        if self.parent and not self.touches(node):
            return self.parent.get(node)
        if self.parent and not self.reached(node):
            return t.elementwise(s.add, self.parent.get(node), self.shift[node])
        return self.shifted(node, node.fn(self, *[self.get(a) for a in node.args]))


def unset(ctx):
    raise KeyError("an input without a value")


def parameter():
    return Node(unset)


def same(x):
    """A value of its own equal to x."""
    return Node(lambda ctx, v: v, [x])


def plain(f, *args):
    """The node of a function of tensors."""
    return Node(lambda ctx, *v: f(*v), args)


def slopes(ctx, e, xs):
    """The values of node e and its derivatives by the elements of nodes xs, joined: a list for each element of e."""
    shift, at = {}, 0
    inner = ctx.inside(shift={x: None for x in xs})
    for x in xs:
        n = t.count(x.shape)
        inner.shift[x] = t.Tensor(x.shape, [s.Dual(inner.level, s.ZERO, {at + k: s.ONE}) for k in range(n)])
        at += n
    out = []
    for a in inner.get(e).data:
        d = a.d if a.__class__ is s.Dual and a.t == inner.level else {}
        # a slope that is not finite makes NaN of 0 times it, in forward mode everywhere in the row; at a value that is not finite it need not be finite
        zero = s.ZERO if s.finite(a) and all(s.finite(v) for v in d.values()) else s.Num(0.0, s.INF)
        out.append([d.get(k, zero) for k in range(at)])
    return out, at


def jacobian(e, xs, shape):
    """∂e/∂xs as one node: e's elements times the joined elements of xs, in `shape`."""
    def f(ctx):
        rows, _ = slopes(ctx, e, xs)
        return t.Tensor(shape, [d for r in rows for d in r])
    return Node(f, (), (e,) + tuple(xs), derived=True)


def total_slope(e, xs):
    """Σ ∂e_i/∂x_i."""
    def f(ctx):
        rows, n = slopes(ctx, e, xs)
        if len(rows) != n:
            raise ValueError("div of %d by %d" % (len(rows), n))
        return t.Tensor((), [t.total(r[k] for k, r in enumerate(rows))])
    return Node(f, (), (e,) + tuple(xs), derived=True)
