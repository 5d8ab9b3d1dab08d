"""Scalars of the reference: reals with a bound of their rounding error, and nested dual numbers over them.

A `Num` is the value in f64 and a bound of the error of a computation in the precision at hand, in units of its roundoff u, to
first order: |x + y| adds |x + y|, a factor carries the error of the other on. INF as a bound means that anything is right:
a comparison was too close to call, or a bound crossed the edge of a domain.

A `Dual` is x + sum_i d[i] eps_i of level t; x and d[i] are of lower levels, so derivatives of any order nest. What a
number does not depend on is missing in d. Nothing here knows how the compiler derives: each row of UNARY is a textbook formula."""
import math
import struct
import struct

INF = math.inf
NAN = math.nan
CLOSE = 16          # comparisons within so many bounds of each other are not decided


class Precision:
    """One of hnnc's two: u the roundoff, tiny the least normal number, huge the largest."""

    def __init__(self, name, bits, least, most):
        self.name, self.u, self.tiny = name, 2.0**-bits, 2.0**least
        self.huge = (2 - 2.0**(1 - bits)) * 2.0**most


F32 = Precision("f32", 24, -126, 127)
F64 = Precision("f64", 53, -1022, 1023)
now = F64


def set_precision(p):
    global now
    now = p


class Num:
    __slots__ = ("v", "e")

    def __init__(self, v, e=0.0):
        self.v, self.e = v, e

    def __repr__(self):
        return "%r±%.2g" % (self.v, self.e)


class Dual:
    __slots__ = ("t", "x", "d")

    def __init__(self, t, x, d):
        self.t, self.x, self.d = t, x, d

    def __repr__(self):
        return "Dual%d(%r, %r)" % (self.t, self.x, self.d)


ZERO, ONE = Num(0.0), Num(1.0)


def constant(c):
    """A number of the program, rounded to the precision: c is exact if it is a Fraction, or a float of few digits."""
    v = float(c)
    if v - v != 0:
        return Num(v)
    if abs(v) > now.huge:
        return Num(math.copysign(INF, v), 0.0)
    short = single(v) == v
    if short and (c.__class__ is float or v == c):
        return Num(v, 0.0)
    return Num(v, max(abs(v), now.tiny))


def single(v):
    try:
        return struct.unpack("f", struct.pack("f", v))[0]
    except OverflowError:
        return math.copysign(INF, v)


def made(v, e, *operands):
    """The Num of a result v with the bound e. An infinity that is an overflow has the bound 1: in another order it may be
    a number, and NaN from it is not known."""
    if v - v != 0:
        if any(o.e == INF for o in operands):
            return Num(v, INF)
        exact = all(o.v - o.v == 0 or not o.e for o in operands)
        if v != v:
            return Num(v, 0.0 if exact else INF)
        return Num(v, 0.0 if exact and any(o.v - o.v != 0 for o in operands) else 1.0)
    if e != e:
        e = INF
    if abs(v) > now.huge:
        return Num(math.copysign(INF, v), INF if abs(v) < 4 * now.huge or e == INF else 1.0)
    return Num(v, e)


def base(a):
    """The value itself, without derivatives."""
    while a.__class__ is Dual:
        a = a.x
    return a


def level(a):
    return a.t if a.__class__ is Dual else 0


def fog(a):
    """The same number, of which nothing is known."""
    if a.__class__ is Dual:
        return Dual(a.t, fog(a.x), {k: fog(d) for k, d in a.d.items()})
    return Num(a.v, INF)


def fog_derivatives(a):
    return Dual(a.t, fog_derivatives(a.x), {k: fog(d) for k, d in a.d.items()}) if a.__class__ is Dual else a


def finite(a):
    """Whether all numbers in a are finite and known."""
    if a.__class__ is Dual:
        return finite(a.x) and all(finite(d) for d in a.d.values())
    return a.v - a.v == 0 and a.e < INF


# ---- arithmetic ----

def add(a, b):
    if a.__class__ is Num and b.__class__ is Num:
        v = a.v + b.v
        if v - v == 0 and abs(v) <= now.huge:
            return Num(v, a.e + b.e + abs(v) if a.v and b.v else a.e + b.e)
        return made(v, a.e + b.e, a, b)
    s, t = level(a), level(b)
    if s > t:
        return Dual(s, add(a.x, b), a.d)
    if t > s:
        return Dual(t, add(a, b.x), b.d)
    d = dict(a.d)
    for k, y in b.d.items():
        d[k] = add(d[k], y) if k in d else y
    return Dual(s, add(a.x, b.x), d)


def neg(a):
    if a.__class__ is Num:
        return Num(-a.v, a.e)
    return Dual(a.t, neg(a.x), {k: neg(d) for k, d in a.d.items()})


def sub(a, b):
    return add(a, neg(b))


def mul(a, b):
    if a.__class__ is Num and b.__class__ is Num:
        x, y = a.v, b.v
        v = x * y
        m = abs(v)
        e = abs(x) * b.e + abs(y) * a.e + now.u * a.e * b.e + (m if m >= now.tiny else now.tiny if x and y else 0.0)
        return made(v, e, a, b)
    s, t = level(a), level(b)
    if s > t:
        return Dual(s, mul(a.x, b), {k: mul(d, b) for k, d in a.d.items()})
    if t > s:
        return Dual(t, mul(a, b.x), {k: mul(a, d) for k, d in b.d.items()})
    d = {k: mul(x, b.x) for k, x in a.d.items()}
    for k, y in b.d.items():
        y = mul(a.x, y)
        d[k] = add(d[k], y) if k in d else y
    return Dual(s, mul(a.x, b.x), d)


def divided(x, y):
    if y:
        return x / y
    if x != x or x == 0 or y != y:
        return NAN
    return math.copysign(INF, x) * math.copysign(1, y)


def div(a, b):
    if a.__class__ is Num and b.__class__ is Num:
        v = divided(a.v, b.v)
        if not b.v:
            return Num(v, INF if b.e or a.e == INF else 0.0)
        if b.v - b.v != 0 and b.e:          # by an overflow: no 0
            return Num(v, INF)
        m, y = abs(v), abs(b.v)
        e = a.e / y + (m / y) * b.e + (m if m >= now.tiny else now.tiny if a.v else 0.0)
        return made(v, INF if b.e * now.u * CLOSE > y else e, a, b)
    s, t = level(a), level(b)
    if s > t:
        return Dual(s, div(a.x, b), {k: div(d, b) for k, d in a.d.items()})
    q = div(a.x if s == t else a, b.x)
    d = {k: neg(div(mul(q, y), b.x)) for k, y in b.d.items()}
    if s == t:
        for k, x in a.d.items():
            x = div(x, b.x)
            d[k] = add(d[k], x) if k in d else x
    return Dual(t, q, d)


def whole_power(a, n):
    """a^n of a whole n >= 0, by products, as NumPy's values and the calculus' derivatives (0 at 0 from n = 2 on)."""
    out = None
    while n:
        if n & 1:
            out = a if out is None else mul(out, a)
        n >>= 1
        if n:
            a = mul(a, a)
    return ONE if out is None else out


def raised(x, y):
    try:
        return math.pow(x, y)
    except OverflowError:
        return -INF if x < 0 and y % 2 == 1 else INF
    except ValueError:
        return NAN if x else INF


def power_num(a, b):
    v = raised(a.v, b.v)
    whole = b.v == math.floor(b.v) if b.v - b.v == 0 else True
    if not whole and (a.v == -INF or a.v == 0 and math.copysign(1, a.v) < 0):
        return Num(v, INF)              # -0 and -inf to a broken power: as roots or as C's pow
    if v - v != 0:
        return made(v, INF if a.v == 0 and a.e else 0.0, a, b) if a.v else Num(v, INF if a.e else 0.0)
    e = max(abs(v), now.tiny if a.v else 0.0)
    if a.e:
        e += abs(v * b.v / a.v) * a.e if a.v else INF
    if b.e:
        e += abs(v * math.log(abs(a.v))) * b.e if a.v else 0.0
    if a.e * now.u * CLOSE > abs(a.v):
        e = INF
    return made(v, e, a, b)


def power(a, b):
    """a^b; b may be a Python number, which is then part of the program."""
    if not isinstance(b, (Num, Dual)):
        if b == int(b) and abs(b) <= 16:
            return whole_power(a, int(b)) if b >= 0 else div(ONE, whole_power(a, int(-b)))
        return power_fixed(a, b)
    if a.__class__ is Num and b.__class__ is Num:
        return power_num(a, b)
    t = max(level(a), level(b))
    x, da = (a.x, a.d) if level(a) == t else (a, {})
    y, db = (b.x, b.d) if level(b) == t else (b, {})
    out, d = power(x, y), {}
    if da:
        f = mul(y, power(x, sub(y, ONE)))
        d = {k: mul(f, g) for k, g in da.items()}
    if db:
        f = ZERO if base(x).v == 0 and base(y).v > 0 else mul(out, unary("log", x))
        for k, g in db.items():
            g = mul(f, g)
            d[k] = add(d[k], g) if k in d else g
    return Dual(t, out, d)


def power_fixed(a, c):
    """a^c of a constant c; c*a^(c-1) is its derivative, 0 once c is."""
    if a.__class__ is Num:
        return power_num(a, constant(c))
    if c == 0:
        return ONE
    f = mul(constant(c), power_fixed(a.x, c - 1))
    return Dual(a.t, power_fixed(a.x, c), {k: mul(f, d) for k, d in a.d.items()})


# ---- functions of one number ----

def safe(f):
    """f of Python's math as IEEE has it."""
    def g(x):
        try:
            return f(x)
        except OverflowError:
            return INF
        except ValueError:
            return NAN
    return g


exp = safe(math.exp)


def sigmoid(x):
    return 1 / (1 + math.exp(-x)) if x >= 0 else exp(x) / (1 + exp(x))


def softplus(x):
    return x if x == INF else max(x, 0.0) + math.log1p(math.exp(-abs(x))) if x == x else NAN


def log(x):
    return -INF if x == 0 else safe(math.log)(x)


def log2(x):
    return -INF if x == 0 else safe(math.log2)(x)


def log1p(x):
    return -INF if x == -1 else safe(math.log1p)(x)


def log10(x):
    return -INF if x == 0 else safe(math.log10)(x)


def atanh(x):
    return math.copysign(INF, x) if abs(x) == 1 else safe(math.atanh)(x)


def safe_sinh(x):
    try:
        return math.sinh(x)
    except OverflowError:
        return math.copysign(INF, x)


def root_slope(a, b):
    """1/sqrt(a + b x^2)"""
    return lambda v: divided(1, math.sqrt(a + b * v * v)) if a + b * v * v >= 0 else INF


UNARY = {
    # name: value, slope of the value for the bound of the error, derivative from (argument, value)
    "exp": (exp, exp, lambda x, y: y),
    "log": (log, lambda v: divided(1, v), lambda x, y: div(ONE, x)),
    "log2": (log2, lambda v: divided(1.4426950408889634, v), lambda x, y: div(constant(1/math.log(2)), x)),
    "log1p": (log1p, lambda v: divided(1, 1 + v), lambda x, y: div(ONE, add(ONE, x))),
    "expm1": (safe(math.expm1), exp, lambda x, y: unary("exp", x)),
    "sqrt": (safe(math.sqrt), lambda v: divided(0.5, safe(math.sqrt)(v)), lambda x, y: div(Num(0.5), y)),
    "sin": (safe(math.sin), safe(math.cos), lambda x, y: unary("cos", x)),
    "cos": (safe(math.cos), safe(math.sin), lambda x, y: neg(unary("sin", x))),
    "tan": (safe(math.tan), lambda v: 1 + safe(math.tan)(v)**2, lambda x, y: add(ONE, mul(y, y))),
    "tanh": (math.tanh, lambda v: 1 - math.tanh(v)**2, lambda x, y: sub(ONE, mul(y, y))),
    "sigmoid": (sigmoid, lambda v: sigmoid(v) * (1 - sigmoid(v)), lambda x, y: mul(y, sub(ONE, y))),
    "softplus": (softplus, sigmoid, lambda x, y: unary("sigmoid", x)),
    "log10": (log10, lambda v: divided(0.4342944819032518, v), lambda x, y: div(constant(1/math.log(10)), x)),
    "asin": (safe(math.asin), root_slope(1, -1), lambda x, y: div(ONE, unary("sqrt", sub(ONE, mul(x, x))))),
    "acos": (safe(math.acos), root_slope(1, -1), lambda x, y: neg(div(ONE, unary("sqrt", sub(ONE, mul(x, x)))))),
    "atan": (safe(math.atan), lambda v: 1 / (1 + v * v), lambda x, y: div(ONE, add(ONE, mul(x, x)))),
    "sinh": (safe_sinh, safe(math.cosh), lambda x, y: unary("cosh", x)),
    "cosh": (safe(math.cosh), safe_sinh, lambda x, y: unary("sinh", x)),
    "asinh": (safe(math.asinh), root_slope(1, 1), lambda x, y: div(ONE, unary("sqrt", add(ONE, mul(x, x))))),
    "acosh": (safe(math.acosh), root_slope(-1, 1), lambda x, y: div(ONE, unary("sqrt", sub(mul(x, x), ONE)))),
    "atanh": (atanh, lambda v: divided(1, 1 - v * v), lambda x, y: div(ONE, sub(ONE, mul(x, x)))),
    "erf": (math.erf, lambda v: 1.13 * math.exp(-v * v) if abs(v) < 30 else 0.0,
            lambda x, y: mul(constant(2 / math.sqrt(math.pi)), unary("exp", neg(mul(x, x))))),
}
EDGE = {"log": 0.0, "log2": 0.0, "log10": 0.0, "acosh": 1.0, "sqrt": 0.0, "log1p": -1.0}
STEPS = {"floor": (math.floor, 0.0), "ceil": (math.ceil, 0.0), "round": (round, 0.5)}       # and where they jump
KINK = {"relu", "abs", "sign"} | set(STEPS)


ANGLE = {"sin": 1.0, "cos": 1.0, "tan": 0.5}        # kept up to so many half turns of 2^22 (f64: 2^51)


def angle(name, v):
    """The error of an angle that is large, in u: INF where hnnc gives NaN, by its documentation."""
    m = abs(v)
    if m <= 1e5 or m - m != 0:
        return 0.0
    limit = (2.0**22 if now is F32 else 2.0**51) * 3.1415 * ANGLE[name]
    if m > limit:
        return INF
    return 1e-5 / now.u if now is F32 and m > 1e6 else 1e-9 / now.u if m > 1e14 else 4.0


def unary_num(name, a):
    f, slope, _ = UNARY[name]
    v = f(a.v)
    if name in EDGE and a.e and a.v - EDGE[name] <= CLOSE * now.u * a.e:
        return Num(v, INF)
    if a.v - a.v != 0 or a.e == INF:
        return made(v, INF if a.e == INF else 0.0, a)
    m = abs(v)
    e = (m if m >= now.tiny else now.tiny if v else 0.0) if m - m == 0 else 0.0
    if name in ANGLE:
        e += angle(name, a.v)
    if a.e:
        e += abs(slope(a.v)) * a.e
    if m - m != 0:
        return Num(v, INF if a.e == INF else 1.0 if name in ("exp", "expm1") else 0.0)
    return made(v, e, a)


def unary(name, a):
    if name in KINK:
        return kinked(name, a)
    if a.__class__ is Num:
        return unary_num(name, a)
    y = unary(name, a.x)
    f = UNARY[name][2](a.x, y)
    return Dual(a.t, y, {k: mul(f, d) for k, d in a.d.items()})


def stepped(name, x):
    if x.v - x.v != 0:
        return Num(x.v, x.e)
    f, jump = STEPS[name]
    away = abs((x.v - jump) - round(x.v - jump))
    near = x.e and away <= CLOSE * now.u * x.e or x.e == INF
    return Num(math.copysign(float(f(x.v)), x.v), INF if near else 0.0)


def kinked(name, a):
    x = base(a)
    if name in STEPS:
        return stepped(name, x)
    near = x.e and abs(x.v) <= CLOSE * now.u * x.e
    if name == "sign":
        v = x.v if x.v != x.v else float((x.v > 0) - (x.v < 0))
        return Num(v, INF if near or x.e == INF else 0.0)
    side = x.v if x.v != x.v else 1 if x.v > 0 else -1 if x.v < 0 and name == "abs" else 0
    out = a if side == 1 else neg(a) if side == -1 else nan_like(a) if side != side else flat(a, Num(0.0, 0.0 if not x.e or x.v < 0 else x.e))
    if near:
        out = fog_derivatives(out) if out.__class__ is Dual else fog_derivatives(a)
        return with_bound(out, x.e)
    return out


def flat(a, v):
    """v with the slopes of a times 0."""
    return Dual(a.t, flat(a.x, v), {k: flat(d, ZERO) for k, d in a.d.items()}) if a.__class__ is Dual else v


def with_bound(a, e):
    return Dual(a.t, with_bound(a.x, e), a.d) if a.__class__ is Dual else Num(a.v, max(a.e, e))


def nan_like(a, sure=False):
    if a.__class__ is Dual:
        return Dual(a.t, nan_like(a.x, sure), {k: nan_like(d, sure) for k, d in a.d.items()})
    return Num(NAN, 0.0 if sure else a.e)


# ---- rows ----

def row(i, n):
    """(the row of n that the index names or None, whether it is certain which)."""
    k = base(i)
    good = k.v - k.v == 0 and 0 <= k.v < n and k.v == int(k.v)
    return (int(k.v) if good else None), not k.e


def lost(a):
    """NaN in the place of a, for want of a row."""
    return fog_derivatives(nan_like(a, True))


def place_of(items, sign):
    """Where the largest (sign 1) or smallest is, the first of equals; NaN counts as it."""
    xs = [base(a) for a in items]
    none = [k for k, x in enumerate(xs) if x.v != x.v]
    best = none[0] if none else max(range(len(xs)), key=lambda k: (sign * xs[k].v, -k))
    sure = not any(x.e == INF for x in xs) and (none or all(k == best or apart(xs[best], x) for k, x in enumerate(xs)))
    return Num(float(best), 0.0 if sure else INF)


def below(edges, x):
    v = base(x)
    if v.v != v.v:
        return Num(NAN, 0.0 if v.e != INF else INF)
    sure = all(apart(base(e), v) for e in edges)
    return Num(float(sum(base(e).v < v.v for e in edges)), 0.0 if sure else INF)


# ---- choices ----

class Truth:
    """A condition, and whether rounding cannot turn it."""
    __slots__ = ("holds", "sure")

    def __init__(self, holds, sure=True):
        self.holds, self.sure = bool(holds), sure


COMPARE = {"<": lambda x, y: x < y, "<=": lambda x, y: x <= y, ">": lambda x, y: x > y, ">=": lambda x, y: x >= y,
           "==": lambda x, y: x == y, "!=": lambda x, y: x != y}


def apart(x, y):
    """Whether the order of two Nums is certain."""
    if x.e == INF or y.e == INF:
        return False
    if not x.e and not y.e or x.v != x.v or y.v != y.v:
        return True
    return abs(x.v - y.v) > CLOSE * now.u * (x.e + y.e) if x.v - y.v == x.v - y.v else False


def compare(op, a, b):
    x, y = base(a), base(b)
    return Truth(COMPARE[op](x.v, y.v), apart(x, y))


def mixed(a, b):
    """Something between a and b that nobody knows: the shape of both, all bounds INF."""
    return fog(add(a, b))


def select(c, a, b):
    if not c.sure:
        return mixed(a, b)
    taken, other = (a, b) if c.holds else (b, a)
    if other.__class__ is Dual and not finite(other):       # a documented NaN: 0 times an infinite slope
        return hazard(taken, other)
    return taken


def hazard(taken, other):
    """`taken`, of whose derivatives nothing is known where those of `other` are not finite."""
    if other.__class__ is not Dual:
        return taken
    if level(taken) > other.t:
        return Dual(taken.t, hazard(taken.x, other), {k: fog(d) for k, d in taken.d.items()})
    x, d = (taken.x, dict(taken.d)) if level(taken) == other.t else (taken, {})
    for k in other.d:
        d[k] = fog(d.get(k, ZERO))
    return Dual(other.t, hazard(x, other.x), d)


def larger(a, b, sign=1):
    """max (sign 1) or min (-1): NaN if one is; the first where they are equal."""
    x, y = base(a), base(b)
    if x.v != x.v or y.v != y.v:
        return nan_like(mixed(a, b)) if x.e == INF or y.e == INF else nan_like(add(a, b), True)
    first = sign * x.v >= sign * y.v
    out = a if first else b
    if apart(x, y):
        other = b if first else a
        return add(out, flat(other, ZERO)) if other.__class__ is Dual else out
    if x.e == INF or y.e == INF:
        return mixed(a, b)
    out = with_bound(out, max(x.e, y.e))
    if a.__class__ is Dual or b.__class__ is Dual:
        m = mixed(a, b)
        out = blur(out, m)
    return out


def blur(out, m):
    """The value of `out`, the derivatives of `m`."""
    if m.__class__ is Dual:
        return Dual(m.t, blur(out.x if level(out) == m.t else out, m.x), m.d)
    return base(out)


def mod(a, b):
    """a - b floor(a/b): the rest exact, the quotient a number of its own."""
    x, y = base(a), base(b)
    if not finite(a) or not finite(b) or abs(y.v) <= CLOSE * now.u * y.e:
        return nan_like(add(a, b), True) if x.v != x.v or y.v != y.v or y.v == 0 and not y.e else fog(add(a, b))
    r = x.v % y.v
    q = round((x.v - r) / y.v)
    e = x.e + abs(q) * y.e
    if e and min(abs(r), abs(y.v) - abs(r)) <= CLOSE * now.u * e:
        return fog(add(a, b))
    return with_rest(sub(a, mul(b, Num(float(q), float(abs(q))))), Num(r, e + abs(r)))


def with_rest(a, r):
    return Dual(a.t, with_rest(a.x, r), a.d) if a.__class__ is Dual else r


def atan2(y, x):
    if y.__class__ is Num and x.__class__ is Num:
        v = math.atan2(y.v, x.v)
        r = y.v * y.v + x.v * x.v
        e = max(abs(v), now.tiny if v else 0.0)
        if y.e or x.e:
            e += (abs(x.v) * y.e + abs(y.v) * x.e) / r if r - r == 0 and r else INF
            if x.v < 0 and abs(y.v) <= CLOSE * now.u * y.e:
                e = INF
        return made(v, e, y, x)
    t = max(level(y), level(x))
    a, da = (y.x, y.d) if level(y) == t else (y, {})
    b, db = (x.x, x.d) if level(x) == t else (x, {})
    h = Num(max(abs(base(a).v), abs(base(b).v)))
    i, j = div(a, h), div(b, h)
    r = mul(add(mul(i, i), mul(j, j)), h)
    fa, fb = div(j, r), neg(div(i, r))
    d = {k: mul(fa, g) for k, g in da.items()}
    for k, g in db.items():
        g = mul(fb, g)
        d[k] = add(d[k], g) if k in d else g
    return Dual(t, atan2(a, b), d)
