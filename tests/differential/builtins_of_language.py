"""The functions of the language, by name: f(program, values...) -> value."""
from fractions import Fraction

import graph as g
import scalar as s
import tensor as t
from syntax import Problem

BUILTINS = {}
STATIC = (int, float, Fraction)


def builtin(f):
    BUILTINS[f.__name__.rstrip("_")] = f
    return f


def elementwise(name):
    BUILTINS[name] = lambda p, x: p.plain(lambda v: t.elementwise(lambda a: s.unary(name, a), v), x)


for _name in list(s.UNARY) + sorted(s.KINK):
    elementwise(_name)


@builtin
def atan2(p, y, x):
    return p.plain(lambda a, b: t.elementwise(s.atan2, a, b), y, x)


def logsumexp_of(v):
    m = max(s.base(x).v for x in v)
    if not all(s.finite(x) for x in v):
        return s.fog(t.total(v))
    m = s.Num(m, 0.0)
    return s.add(m, s.unary("log", t.total([s.unary("exp", s.sub(x, m)) for x in v])))


BUILTINS["logsumexp"] = lambda p, x, axis=None: p.plain(lambda v: t.reduced(logsumexp_of, v, None if axis is None else p.whole(axis)), x)


def along(name, f):
    BUILTINS[name] = lambda p, x, axis=0: p.plain(lambda v: t.along(f, v, p.whole(axis)), x)


for _name, _f in (("cumsum", t.running(s.add)), ("cumprod", t.running(s.mul)), ("sort", t.in_order), ("argsort", t.places)):
    along(_name, _f)


@builtin
def softmax(p, x, axis=None):
    if axis is not None:
        return p.plain(lambda v: t.along(t.softmax, v, p.whole(axis)), x)
    return p.plain(lambda v: t.reshaped(t.along(t.softmax, t.reshaped(v, (t.count(v.shape),))), v.shape), x)


@builtin
def stop_gradient(p, x):
    return p.plain(lambda v: t.elementwise(s.base, v), x)


@builtin
def mod(p, x, y):
    return p.plain(lambda a, b: t.elementwise(s.mod, a, b), x, y)


def largest(sign):
    def f(p, x, y=None, axis=None):
        if y is not None:
            return p.plain(lambda a, b: t.elementwise(lambda v, w: s.larger(v, w, sign), a, b), x, y)
        axis = None if axis is None else p.whole(axis)
        return p.plain(lambda v: t.reduced(t.extreme(sign), v, axis), x)
    return f


BUILTINS["max"], BUILTINS["min"] = largest(1), largest(-1)


@builtin
def where(p, c, a, b):
    return p.plain(lambda q, v, w: t.elementwise(s.select, q, v, w), c, a, b)


def reduction(name, f):
    BUILTINS[name] = lambda p, x, axis=None: p.plain(lambda v: t.reduced(f, v, None if axis is None else p.whole(axis)), x)


for _name, _f in (("sum", t.total), ("mean", t.mean), ("prod", t.product), ("maxabs", t.maxabs), ("norm", t.norm)):
    reduction(_name, _f)


@builtin
def len_(p, x):
    return Fraction(len(x) if isinstance(x, list) else x.shape[0])


@builtin
def concat(p, *xs, axis=0):
    return p.plain(lambda *v: t.concat(v, p.whole(axis)), *xs)


@builtin
def stack(p, *xs, axis=0):
    return p.plain(lambda *v: t.stacked(v, p.whole(axis)), *xs)


@builtin
def roll(p, x, shift, axis=0):
    return p.plain(lambda v: t.rolled(v, p.whole(shift), p.whole(axis)), x)


@builtin
def flip(p, x, axis=0):
    return p.plain(lambda v: t.flipped(v, p.whole(axis)), x)


@builtin
def windows(p, x, k, stride=1, axis=-1):
    return p.plain(lambda v: t.windows(v, p.whole(k), p.whole(stride), p.whole(axis)), x)


@builtin
def conv(p, x, w, stride=1):
    return p.plain(lambda v, u: t.convolved(v, u, p.whole(stride)), x, w)


@builtin
def set_(p, x, i, v):
    return p.plain(t.with_row, x, i, v)


def place(sign):
    def f(p, x, axis=None):
        pick = lambda v: t.reduced(lambda items: s.place_of(items, sign), v, None if axis is None else p.whole(axis))
        return p.plain(pick, x)
    return f


BUILTINS["argmax"], BUILTINS["argmin"] = place(1), place(-1)


@builtin
def one_hot(p, i, n):
    return p.plain(lambda v: t.hot(v, p.whole(n)), i)


@builtin
def searchsorted(p, edges, x):
    return p.plain(lambda e, v: t.elementwise(lambda a: s.below(e.data, a), v), edges, x)


@builtin
def segment_sum(p, x, ids, n):
    return p.plain(lambda v: t.segments(v, [p.whole(k) for k in ids], p.whole(n)), x)


@builtin
def reshape(p, x, *shape):
    shape = [p.whole(n) for n in (shape[0] if isinstance(shape[0], list) else shape)]
    return p.plain(lambda v: t.reshaped(v, shape), x)


@builtin
def transpose(p, x):
    return p.plain(t.transposed, x)


@builtin
def tril(p, x, k=0):
    return p.plain(lambda v: t.triangle(v, p.whole(k), True), x)


@builtin
def triu(p, x, k=0):
    return p.plain(lambda v: t.triangle(v, p.whole(k), False), x)


@builtin
def diag(p, x):
    return p.plain(t.diag, x)


@builtin
def dot(p, x, y):
    return p.plain(t.matmul, x, y)


@builtin
def outer(p, x, y):
    return p.plain(t.outer, x, y)


@builtin
def cross(p, x, y):
    return p.plain(t.cross, x, y)


@builtin
def solve_lower(p, m, x):
    return p.plain(lambda a, b: t.solve(a, b, True), m, x)


@builtin
def solve_upper(p, m, x):
    return p.plain(lambda a, b: t.solve(a, b, False), m, x)


@builtin
def solve(p, m, x):
    return p.plain(t.solve_any, m, x)


@builtin
def inv(p, m):
    return p.plain(lambda a: t.solve_any(a, t.eye(a.shape[0])), m)


@builtin
def det(p, m):
    return p.plain(t.det, m)


@builtin
def logabsdet(p, m):
    return p.plain(lambda a: t.Tensor((), [t.log_det(a)]), m)


@builtin
def trace(p, m):
    return p.plain(lambda a: t.reduced(t.total, t.diag(a), None), m)


@builtin
def cholesky(p, m):
    return p.plain(t.cholesky, m)


@builtin
def eigh(p, m):
    return p.plain(lambda a: t.eigh(a)[0], m), p.plain(lambda a: t.eigh(a)[1], m)


def made(p, shape, f):
    return p.node(g.Node(lambda ctx: t.Tensor(shape, [s.constant(f(i)) for i in t.indices(shape)])))


def dims(p, shape):
    return tuple(p.whole(n) for n in (shape[0] if isinstance(shape[0], list) else shape))


@builtin
def zeros(p, *shape):
    return made(p, dims(p, shape), lambda i: 0)


@builtin
def ones(p, *shape):
    return made(p, dims(p, shape), lambda i: 1)


@builtin
def eye(p, n):
    return made(p, (p.whole(n),) * 2, lambda i: i[0] == i[1])


@builtin
def omega(p, n):
    n = p.whole(n)
    return made(p, (2 * n,) * 2, lambda i: (i[1] == i[0] + n) - (i[0] == i[1] + n))


@builtin
def linspace(p, a, b, n):
    n = p.whole(n)
    return [Fraction(a) + (Fraction(b) - Fraction(a)) * k / (n - 1) if n > 1 else a for k in range(n)]


# ---- derivatives ----

def joined(xs):
    return sum(t.count(x.shape) for x in xs)


def values(p, x):
    xs = p.spread([x])
    if not all(isinstance(v, g.Node) for v in xs):
        raise Problem("a derivative by what is no value")
    return xs, isinstance(x, tuple)


@builtin
def grad(p, e, x):
    e = p.tensor(e)
    if e.shape:
        raise Problem("grad of a tensor")
    xs, several = values(p, x)
    out = tuple(p.node(g.jacobian(e, [v], v.shape)) for v in xs)
    return out if several else out[0]


@builtin
def jac(p, e, x):
    e = p.tensor(e)
    xs, several = values(p, x)
    return p.node(g.jacobian(e, xs, e.shape + ((joined(xs),) if several else xs[0].shape)))


@builtin
def hess(p, e, x):
    e = p.tensor(e)
    if e.shape:
        raise Problem("hess of a tensor")
    xs, several = values(p, x)
    shape = (joined(xs),) if several else xs[0].shape
    first = p.node(g.jacobian(e, xs, shape))
    return p.node(g.jacobian(first, xs, shape * 2))


@builtin
def div(p, e, x):
    xs, _ = values(p, x)
    return p.node(g.total_slope(p.tensor(e), xs))


def at_fresh(p, f, args):
    """f at values of their own: (the arguments, the results)."""
    xs = [p.node(g.same(p.tensor(a))) for a in p.spread(args)]
    out = p.call(f, list(xs), {})
    return xs, [p.tensor(o) for o in p.spread([out])]


def flat(p, xs):
    return p.plain(lambda *v: t.Tensor((sum(len(x.data) for x in v),), [a for x in v for a in x.data]), *xs)


@builtin
def field(p, H):
    def f(*args):
        xs, out = at_fresh(p, H, args)
        q, m = xs[:2]
        minus = p.node(g.jacobian(out[0], [q], q.shape))
        return (p.node(g.jacobian(out[0], [m], m.shape)), p.plain(lambda v: t.elementwise(s.neg, v), minus))
    return f


@builtin
def poisson(p, F, G):
    def f(*args):
        parts = []
        for fn in (F, G):
            xs, out = at_fresh(p, fn, args)
            q, m = xs[:2]
            n, rows = t.count(q.shape), t.count(out[0].shape)
            parts.append([p.node(g.jacobian(out[0], [x], (rows, n))) for x in (q, m)] + [out[0].shape])
        (fq, fp, fs), (gq, gp, gs) = parts

        def bracket(a, b, c, d):
            left = t.matmul(a, t.transposed(d))
            right = t.matmul(b, t.transposed(c))
            return t.reshaped(t.elementwise(s.sub, left, right), list(fs + gs))
        return p.plain(bracket, fq, fp, gq, gp)
    return f


@builtin
def jacobian(p, fn):
    def f(*args):
        xs, out = at_fresh(p, fn, args)
        e = flat(p, out)
        return p.node(g.jacobian(e, xs, e.shape + (joined(xs),)))
    return f


@builtin
def hessian(p, fn):
    def f(*args):
        xs, out = at_fresh(p, fn, args)
        n = joined(xs)
        return p.node(g.jacobian(p.node(g.jacobian(out[0], xs, (n,))), xs, (n, n)))
    return f
