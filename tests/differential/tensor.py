"""Tensors of the reference: a shape and a row-major list of scalars (or of Truth). Written as the definitions read, one
element after the other; nothing is fast."""
import functools
import itertools
import math

import scalar as s


class Tensor:
    __slots__ = ("shape", "data")

    def __init__(self, shape, data):
        self.shape, self.data = tuple(shape), data


def count(shape):
    n = 1
    for k in shape:
        n *= k
    return n


def full(shape, x):
    return Tensor(shape, [x] * count(shape))


def number(x):
    return Tensor((), [s.constant(x)])


def indices(shape):
    return itertools.product(*[range(n) for n in shape])


def offset(shape, index):
    at = 0
    for n, i in zip(shape, index):
        at = at * n + i
    return at


def gathered(x, shape, where):
    """A tensor of `shape` whose element at i is that of x at where(i)."""
    return Tensor(shape, [x.data[offset(x.shape, where(i))] for i in indices(shape)])


def elementwise(f, *xs):
    shape = next((x.shape for x in xs if x.shape), ())
    for x in xs:
        if x.shape and x.shape != shape:
            raise ValueError("shapes %s and %s" % (shape, x.shape))
    n = count(shape)
    cols = [x.data if x.shape or n == 1 and len(x.data) == 1 else x.data * n for x in xs]
    return Tensor(shape, [f(*row) for row in zip(*cols)])


def total(items):
    out = None
    for x in items:
        out = x if out is None else s.add(out, x)
    return s.ZERO if out is None else out


def product(items):
    """In any order: where one overflows on its way, or loses digits among the smallest numbers, it is not known."""
    out, most, least = None, 0.0, 0.0
    for x in items:
        out = x if out is None else s.mul(out, x)
        v = abs(s.base(x).v)
        size = math.log2(v) if v and v - v == 0 else 0.0
        most, least = most + max(size, 0.0), least + min(size, 0.0)
    if most > math.log2(s.now.huge) - 1 or most > 0 and least < math.log2(s.now.tiny) + 1:
        out = s.fog(out)
    return s.ONE if out is None else out


def lines(x, axis):
    """The elements along an axis, a list for each place of the others; the shape of those."""
    axis %= len(x.shape)
    rest = x.shape[:axis] + x.shape[axis + 1:]
    out = []
    for i in indices(rest):
        out.append([x.data[offset(x.shape, i[:axis] + (k,) + i[axis:])] for k in range(x.shape[axis])])
    return rest, out


def reduced(f, x, axis=None):
    if axis is None:
        return Tensor((), [f(x.data)])
    rest, rows = lines(x, axis)
    return Tensor(rest, [f(r) for r in rows])


def along(f, x, axis=0):
    """f makes a list of a list of the same length: of the elements along an axis."""
    axis %= len(x.shape)
    rest, rows = lines(x, axis)
    made = dict(zip(indices(rest), [f(r) for r in rows]))
    return Tensor(x.shape, [made[i[:axis] + i[axis + 1:]][i[axis]] for i in indices(x.shape)])


def running(op):
    def f(items):
        out = [items[0]]
        for x in items[1:]:
            out.append(op(out[-1], x))
        return out
    return f


def sorted_by(items):
    """The order, NaN last; None where rounding decides it."""
    of = [s.base(x) for x in items]
    order = sorted(range(len(of)), key=lambda k: (of[k].v != of[k].v, 0 if of[k].v != of[k].v else of[k].v))
    sure = all(s.apart(of[a], of[b]) for a, b in zip(order, order[1:]))
    return order if sure else None


def in_order(items):
    order = sorted_by(items)
    return [items[k] for k in order] if order else [s.fog(functools.reduce(s.add, items))] * len(items)


def places(items):
    order = sorted_by(items)
    return [s.Num(float(k), 0.0) for k in order] if order else [s.Num(0.0, s.INF)] * len(items)


def softmax(items):
    m = s.Num(max(s.base(x).v for x in items), 0.0)
    if not all(s.finite(x) for x in items):
        return [s.fog(total(items))] * len(items)
    e = [s.unary("exp", s.sub(x, m)) for x in items]
    return [s.div(x, total(e)) for x in e]


def extreme(sign):
    """Largest or smallest of a list; equal ones share the derivative."""
    def f(items):
        best = items[0]
        for x in items[1:]:
            best = s.larger(best, x, sign)
        v = s.base(best)
        if v.v != v.v:
            out = items[0]
            for x in items[1:]:
                out = s.larger(out, x, sign)
            return out
        equal = [x for x in items if s.base(x).v == v.v]
        unsure = [x for x in items if not s.apart(s.base(x), v) and s.base(x).v != v.v]
        exact = all(not s.base(x).e for x in equal)
        if unsure or len(equal) > 1 and not exact:
            return s.blur(s.with_bound(best, max(s.base(x).e for x in items)), s.mixed(total(equal), total(unsure or equal)))
        if len(equal) == 1:
            return best
        mean = s.div(total(equal), s.Num(float(len(equal))))
        return s.blur(best, mean) if mean.__class__ is s.Dual else best
    return f


def mean(items):
    return s.div(total(items), s.Num(float(len(items))))


def norm(items):
    return s.unary("sqrt", total(s.mul(x, x) for x in items))


def maxabs(items):
    return extreme(1)([s.unary("abs", x) for x in items])


def stacked(xs, axis=0):
    shape = xs[0].shape
    if any(x.shape != shape for x in xs):
        raise ValueError("shapes to stack differ")
    axis %= len(shape) + 1
    if axis == 0:
        return Tensor((len(xs),) + shape, [v for x in xs for v in x.data])
    new = shape[:axis] + (len(xs),) + shape[axis:]
    return Tensor(new, [xs[i[axis]].data[offset(shape, i[:axis] + i[axis + 1:])] for i in indices(new)])


def concat(xs, axis=0):
    if len(xs) == 1:
        xs, axis = rows_of(xs[0]), 0
    axis %= len(xs[0].shape)
    parts = [(x, k) for x in xs for k in range(x.shape[axis])]
    shape = xs[0].shape[:axis] + (len(parts),) + xs[0].shape[axis + 1:]
    if any(x.shape[:axis] + x.shape[axis + 1:] != shape[:axis] + shape[axis + 1:] for x in xs):
        raise ValueError("shapes to join differ")
    data = []
    for i in indices(shape):
        x, k = parts[i[axis]]
        data.append(x.data[offset(x.shape, i[:axis] + (k,) + i[axis + 1:])])
    return Tensor(shape, data)


def rows_of(x):
    n = count(x.shape[1:])
    return [Tensor(x.shape[1:], x.data[k * n:(k + 1) * n]) for k in range(x.shape[0])]


def subscript(x, subs):
    """x[subs]: each a number or a pair (first, last) of a half-open range, already from the front."""
    places, shape = [], []
    for k, n in enumerate(x.shape):
        sub = subs[k] if k < len(subs) else (0, n)
        if isinstance(sub, tuple):
            shape.append(sub[1] - sub[0])
            places.append(range(*sub))
        else:
            places.append((sub,))
    return Tensor(shape, [x.data[offset(x.shape, i)] for i in itertools.product(*places)])


def rows(x, axis, i):
    """x at the indices of the tensor i along the axis, whose dims stand there."""
    m = len(i.shape)

    def one(at):
        head, mid, tail = at[:axis], at[axis:axis + m], at[axis + m:]
        k, sure = s.row(i.data[offset(i.shape, mid)], x.shape[axis])
        a = x.data[offset(x.shape, head + (k or 0,) + tail)]
        return s.fog(a) if not sure else s.lost(a) if k is None else a
    shape = x.shape[:axis] + i.shape + x.shape[axis + 1:]
    return Tensor(shape, [one(at) for at in indices(shape)])


def with_row(x, i, v):
    k, sure = s.row(i.data[0], x.shape[0])
    n = count(x.shape[1:])
    data = []
    for e, a in enumerate(x.data):
        b = v.data[e % n if v.shape else 0]
        data.append(s.mixed(a, b) if not sure else s.lost(s.add(a, b)) if k is None else b if e // n == k else a)
    return Tensor(x.shape, data)


def hot(i, n):
    k, sure = s.row(i.data[0], n)
    return Tensor((n,), [s.fog(s.ONE) if not sure else s.lost(s.ONE) if k is None else s.ONE if e == k else s.ZERO for e in range(n)])


def segments(x, ids, n):
    """ids: integers, one for each row."""
    rows = rows_of(x)
    sums = [[r.data for r, k in zip(rows, ids) if k == j] for j in range(n)]
    width = count(x.shape[1:])
    return Tensor((n,) + x.shape[1:], [total([d[e] for d in of]) if of else s.ZERO for of in sums for e in range(width)])


def transposed(x):
    return gathered(x, x.shape[::-1], lambda i: i[::-1])


def reshaped(x, shape):
    if -1 in shape:
        known = count([n for n in shape if n != -1])
        shape = [len(x.data) // known if n == -1 else n for n in shape]
    if count(shape) != len(x.data):
        raise ValueError("shape to reshape to")
    return Tensor(shape, x.data)


def rolled(x, shift, axis=0):
    axis %= len(x.shape)
    n = x.shape[axis]
    return gathered(x, x.shape, lambda i: i[:axis] + ((i[axis] - shift) % n,) + i[axis + 1:])


def flipped(x, axis=0):
    axis %= len(x.shape)
    n = x.shape[axis]
    return gathered(x, x.shape, lambda i: i[:axis] + (n - 1 - i[axis],) + i[axis + 1:])


def windows(x, k, stride=1, axis=-1):
    axis %= len(x.shape)
    shape = x.shape[:axis] + ((x.shape[axis] - k) // stride + 1,) + x.shape[axis + 1:] + (k,)
    return gathered(x, shape, lambda i: i[:axis] + (i[axis] * stride + i[-1],) + i[axis + 1:-1])


def padded(x, axis, low, high):
    """Zeros before and behind, by their definition."""
    n = x.shape[axis]
    shape = x.shape[:axis] + (low + n + high,) + x.shape[axis + 1:]
    inside = lambda i: low <= i[axis] < low + n
    return Tensor(shape, [x.data[offset(x.shape, i[:axis] + (i[axis] - low,) + i[axis + 1:])] if inside(i) else s.ZERO
                          for i in indices(shape)])


def convolved(x, w, stride=1):
    """With as many zeros at the ends as make n/stride places of n."""
    out = ()
    for axis in range(1, len(x.shape)):
        n, k = x.shape[axis], w.shape[1 + axis]
        places = -(-n // stride)
        missing = max((places - 1) * stride + k - n, 0)
        x, out = padded(x, axis, missing // 2, missing - missing // 2), out + (places,)
    taps = list(indices(w.shape[1:]))
    at = lambda i, j: x.data[offset(x.shape, (j[0],) + tuple(stride * a + b for a, b in zip(i, j[1:])))]
    data = [total(s.mul(w.data[offset(w.shape, (i[0],) + j)], at(i[1:], j)) for j in taps) for i in indices((w.shape[0],) + out)]
    return Tensor((w.shape[0],) + out, data)


def triangle(x, k, lower):
    keep = lambda i: i[-1] - i[-2] <= k if lower else i[-1] - i[-2] >= k
    return Tensor(x.shape, [x.data[offset(x.shape, i)] if keep(i) else s.ZERO for i in indices(x.shape)])


def diag(x):
    n = x.shape[0]
    if len(x.shape) == 2:
        return Tensor((n,), [x.data[k * n + k] for k in range(n)])
    return Tensor((n, n), [x.data[i] if i == j else s.ZERO for i in range(n) for j in range(n)])


def matmul(x, y):
    n = x.shape[-1]
    if n != y.shape[0]:
        raise ValueError("shapes %s @ %s" % (x.shape, y.shape))
    left, right = count(x.shape[:-1]), count(y.shape[1:])
    data = [total(s.mul(x.data[i * n + k], y.data[k * right + j]) for k in range(n))
            for i in range(left) for j in range(right)]
    return Tensor(x.shape[:-1] + y.shape[1:], data)


def outer(x, y):
    return Tensor(x.shape + y.shape, [s.mul(a, b) for a in x.data for b in y.data])


def cross(x, y):
    a, b = x.data, y.data
    part = lambda i, j: s.sub(s.mul(a[i], b[j]), s.mul(a[j], b[i]))
    return Tensor((), [part(0, 1)]) if len(a) == 2 else Tensor((3,), [part(1, 2), part(2, 0), part(0, 1)])


def solve(m, x, lower):
    """m^-1 x by substitution; the other triangle of m is not read."""
    n, cols = m.shape[0], count(x.shape[1:])
    out = [None] * (n * cols)
    order = range(n) if lower else range(n - 1, -1, -1)
    for c in range(cols):
        for i in order:
            left = x.data[i * cols + c]
            for j in (range(i) if lower else range(i + 1, n)):
                left = s.sub(left, s.mul(m.data[i * n + j], out[j * cols + c]))
            out[i * cols + c] = s.div(left, m.data[i * n + i])
    return Tensor(x.shape, out)


def matrix_rows(m):
    n = m.shape[0]
    return [list(m.data[k * (len(m.data) // n):(k + 1) * (len(m.data) // n)]) for k in range(n)]


def joined(a, shape):
    return Tensor(shape, [x for row in a for x in row])


def eliminated(a, n):
    """Rows with more columns than n, the first n of which become triangular; whether rows changed places an odd number of times."""
    odd = False
    for k in range(n):
        p = max(range(k, n), key=lambda i: abs(s.base(a[i][k]).v))
        odd ^= p != k
        a[k], a[p] = a[p], a[k]
        for i in range(k + 1, n):
            f = s.div(a[i][k], a[k][k])
            a[i][k + 1:] = [s.sub(x, s.mul(f, y)) for x, y in zip(a[i][k + 1:], a[k][k + 1:])]
    return odd


def log_det(m):
    """log |det m| of a square tensor, by elimination with pivots."""
    n, a = m.shape[0], matrix_rows(m)
    eliminated(a, n)
    return total([s.unary("log", s.unary("abs", a[k][k])) for k in range(n)])


def det(m):
    n, a = m.shape[0], matrix_rows(m)
    odd = eliminated(a, n)
    value = product([a[k][k] for k in range(n)])
    return Tensor((), [s.neg(value) if odd else value])


def solve_any(m, x):
    n, cols = m.shape[0], count(x.shape[1:])
    a = [r + c for r, c in zip(matrix_rows(m), matrix_rows(x))]
    eliminated(a, n)
    triangle = joined([r[:n] for r in a], (n, n))
    return Tensor(x.shape, solve(triangle, joined([r[n:] for r in a], (n, cols)), False).data)


def eye(n):
    return Tensor((n, n), [s.constant(1 if i == j else 0) for i in range(n) for j in range(n)])


def cholesky(m):
    n, a = m.shape[0], matrix_rows(m)
    low = [[s.ZERO] * n for _ in range(n)]
    for i in range(n):
        for j in range(i + 1):
            left = a[i][j]
            for k in range(j):
                left = s.sub(left, s.mul(low[i][k], low[j][k]))
            low[i][j] = s.unary("sqrt", left) if i == j else s.div(left, low[j][j])
    return joined(low, (n, n))


def turned(a, v, p, q):
    """A rotation that makes a[p][q] smaller than any derivative of it can tell, whatever it is."""
    d, twice = s.sub(a[q][q], a[p][p]), s.mul(s.constant(2), a[p][q])
    length = s.unary("sqrt", s.add(s.mul(d, d), s.mul(twice, twice)))
    tan = s.div(twice, s.add(d, length) if s.base(d).v > 0 else s.sub(d, length))
    cos = s.div(s.constant(1), s.unary("sqrt", s.add(s.constant(1), s.mul(tan, tan))))
    sin = s.mul(tan, cos)
    for m in (a, v):
        for r in m:
            r[p], r[q] = s.sub(s.mul(cos, r[p]), s.mul(sin, r[q])), s.add(s.mul(sin, r[p]), s.mul(cos, r[q]))
    a[p], a[q] = ([s.sub(s.mul(cos, x), s.mul(sin, y)) for x, y in zip(a[p], a[q])],
                  [s.add(s.mul(sin, x), s.mul(cos, y)) for x, y in zip(a[p], a[q])])


def eigh(m):
    """Eigenvalues in ascending order and the vectors in columns, of the lower triangle; of each vector the first element of at
    least 0.3 of the largest is positive."""
    n, a = m.shape[0], matrix_rows(m)
    a = [[a[max(i, j)][min(i, j)] for j in range(n)] for i in range(n)]
    v = matrix_rows(eye(n))
    for _ in range(7):
        for p in range(n):
            for q in range(p + 1, n):
                turned(a, v, p, q)
    order = sorted(range(n), key=lambda k: s.base(a[k][k]).v)
    columns = []
    for k in order:
        column = [r[k] for r in v]
        most = max(abs(s.base(x).v) for x in column)
        lead = next(x for x in column if not abs(s.base(x).v) < 0.3 * most)
        columns.append([s.neg(x) for x in column] if s.base(lead).v < 0 else column)
    return (Tensor((n,), [a[k][k] for k in order]),
            Tensor((n, n), [columns[j][i] for i in range(n) for j in range(n)]))
