#!/usr/bin/env python3
"""Writes tests/codegen/edge_table.def: derivatives of the elementwise operators at the edge, of order 1 to 3, in 60 digits (needs mpmath).

  python3 tools/edge_table.py > tests/codegen/edge_table.def

The formulas are written here once more, from calculus, and owe nothing to ir/ops.def. What is written for a derivative:
  a number   the limit from within the domain, rounded to f64; beyond the range of the format it is INF
  INF        the limit is infinite: inf or NaN is right
  NAN        NaN is right
  ANY        there is no limit, or a convention decides (docs/language): not compared here
"""
import math
import struct
import mpmath as mp

mp.mp.dps = 60
ANY, NAN, INF = "ANY", "NAN", "INF"


def f32(x):
    return struct.unpack("f", struct.pack("f", x))[0]


class Format:
    def __init__(self, f64, largest, subnormal, normal, points):
        self.f64, self.largest, self.subnormal, self.normal = f64, largest, subnormal, normal
        self.points = [x if f64 else f32(x) for x in [subnormal, normal] + points + [largest]]


FORMATS = [Format(0, (2 - 2.0**-23) * 2.0**127, 2.0**-149, 2.0**-126, [1e-40, 1e-30, 1e-15, 1e-8, .5, 1, 2, 30, 80, 1e5, 1e10, 1e19, 1e30]),
           Format(1, (2 - 2.0**-52) * 2.0**1023, 5e-324, 2.0**-1022, [1e-310, 1e-300, 1e-150, 1e-20, .5, 1, 2, 30, 700, 1e5, 1e10, 1e150, 1e300])]


def number(x):
    return "INFINITY" if x == math.inf else "-INFINITY" if x == -math.inf else "NAN" if x != x else repr(x).replace("e-0", "e-")


def shown(v, fmt):
    if isinstance(v, str):
        return v
    if abs(v) > fmt.largest:
        return INF
    v = float(v)
    return ("%.17g" if fmt.f64 else "%.9g") % v if v else "0"


# ---- one operand ----------------------------------------------------------------------------------------------------

def hyperbolic(x):
    t, s = mp.tanh(x), mp.sech(x)**2
    return s, -2 * t * s, 4 * t * t * s - 2 * s * s


def logistic(x):
    return [d / 2**(k + 2) for k, d in enumerate(hyperbolic(x / 2))]


def gauss(x):
    e = 2 / mp.sqrt(mp.pi) * mp.exp(-x * x)
    return e, -2 * x * e, (4 * x * x - 2) * e


def tangent(x):
    t = mp.tan(x)
    return 1 + t * t, 2 * t * (1 + t * t), 2 * (1 + t * t) * (1 + 3 * t * t)


def arcsine(x):
    s = mp.sqrt(1 - x * x)
    return 1 / s, x / s**3, (1 + 2 * x * x) / s**5


def powers(x, c):
    """c x^p for (c, p) in turn"""
    return [k * mp.power(x, p) for k, p in c]


# name: derivatives, what stands for infinity (None: no limit there), the end of the domain if there is one
FAR, FAST = mp.mpf("1e5000"), mp.mpf(10)**6
ONE = {
    "neg": (lambda x: (-1, 0, 0), FAR, None),
    "abs": (lambda x: (mp.sign(x), 0, 0), FAR, None),
    "sign": (lambda x: (0, 0, 0), FAR, None),
    "relu": (lambda x: (1 if x > 0 else 0, 0, 0), FAR, None),
    "exp": (lambda x: [mp.exp(x)] * 3, FAST, None),
    "expm1": (lambda x: [mp.exp(x)] * 3, FAST, None),
    "log": (lambda x: powers(x, [(1, -1), (-1, -2), (2, -3)]), FAR, 0),
    "log2": (lambda x: [v/mp.log(2) for v in powers(x, [(1, -1), (-1, -2), (2, -3)])], FAR, 0),
    "log1p": (lambda x: powers(1 + x, [(1, -1), (-1, -2), (2, -3)]), FAR, -1),
    "sqrt": (lambda x: powers(x, [(.5, -.5), (-.25, -1.5), (.375, -2.5)]), FAR, 0),
    "rsqrt": (lambda x: powers(x, [(-.5, -1.5), (.75, -2.5), (-1.875, -3.5)]), FAR, 0),
    "rsqrt3": (lambda x: powers(x, [(-1.5, -2.5), (3.75, -3.5), (-13.125, -4.5)]), FAR, 0),
    "sin": (lambda x: (mp.cos(x), -mp.sin(x), -mp.cos(x)), None, None),
    "cos": (lambda x: (-mp.sin(x), -mp.cos(x), mp.sin(x)), None, None),
    "tan": (tangent, None, None),
    "tanh": (hyperbolic, FAST, None),
    "sigmoid": (logistic, FAST, None),
    "softplus": (lambda x: [1 / (1 + mp.exp(-x))] + logistic(x)[:2], FAST, None),
    "erf": (gauss, FAST, None),
    "log10": (lambda x: [v/mp.log(10) for v in powers(x, [(1, -1), (-1, -2), (2, -3)])], FAR, 0),
    "asin": (arcsine, None, None),
    "acos": (lambda x: [-v for v in arcsine(x)], None, None),
    "atan": (lambda x: [1 / (1 + x*x), -2*x / (1 + x*x)**2, (6*x*x - 2) / (1 + x*x)**3], FAR, None),
    "sinh": (lambda x: [mp.cosh(x), mp.sinh(x), mp.cosh(x)], FAST, None),
    "cosh": (lambda x: [mp.sinh(x), mp.cosh(x), mp.sinh(x)], FAST, None),
    "asinh": (lambda x: [mp.power(1 + x*x, -.5), -x*mp.power(1 + x*x, -1.5), (2*x*x - 1)*mp.power(1 + x*x, -2.5)], FAR, None),
    "acosh": (lambda x: [mp.power(x*x - 1, -.5), -x*mp.power(x*x - 1, -1.5), (2*x*x + 1)*mp.power(x*x - 1, -2.5)], FAR, 1),
    "atanh": (lambda x: [1 / (1 - x*x), 2*x / (1 - x*x)**2, (2 + 6*x*x) / (1 - x*x)**3], None, None),
    "stop": (lambda x: (0, 0, 0), FAR, None),
    "fixed": (lambda x: (0, 0, 0), FAR, None),
    "floor": (lambda x: (0, 0, 0), FAR, None),
    "ceil": (lambda x: (0, 0, 0), FAR, None),
    "round": (lambda x: (0, 0, 0), FAR, None),
}
KINKED, PLAIN = {"abs", "sign", "relu", "floor", "ceil", "round"}, {"neg", "stop", "fixed"}
BOUNDED = {"asin", "acos", "atanh"}
CIRCULAR = {"sin", "cos", "tan"}


def unary(name, x):
    f, far, end = ONE[name]
    if x != x:
        return [ANY] * 3 if name in KINKED | PLAIN else [NAN] * 3
    if name in BOUNDED and abs(x) >= 1:
        return [INF] * 3 if abs(x) == 1 else [ANY] * 3
    if end is not None and x < end:
        return [NAN if "sqrt" in name else ANY] * 3
    if end is not None and x == end:
        return [INF] * 3
    if math.isinf(x):
        return [NAN] * 3 if far is None else f(far if x > 0 else -far)
    if name in CIRCULAR and abs(x) > 1e5:
        return [ANY] * 3                     # reduced to [-1, 1] only (codegen/math/math.c)
    if name in ("exp", "expm1", "sinh", "cosh", "tanh", "sigmoid", "softplus", "erf") and abs(x) > FAST:
        x = math.copysign(FAST, x)
    return f(mp.mpf(x))


# ---- two operands: orders (1,0) (0,1) (2,0) (1,1) (0,2) (3,0) (2,1) (1,2) (0,3) --------------------------------------------

ORDERS = [(1, 0), (0, 1), (2, 0), (1, 1), (0, 2), (3, 0), (2, 1), (1, 2), (0, 3)]


def constant(*first):
    return lambda a, b, i, j, fmt: first[j] if i + j == 1 else 0


def times(a, b, i, j, fmt):
    if a != a or b != b:
        return ANY
    v = {(1, 0): b, (0, 1): a, (1, 1): 1}.get((i, j), 0)
    return INF if math.isinf(v) else v


def over(a, b, i, j, fmt):
    if i > 1:
        return ANY if a != a or b != b else 0
    if (a != a and not i) or b != b:
        return NAN
    if b == 0:
        return INF if i or a else NAN
    if math.isinf(b):
        return NAN if math.isinf(a) and not i else 0
    if math.isinf(a) and not i:
        return INF
    v = (1 if i else mp.mpf(a)) * (-1)**j * math.factorial(j) / mp.mpf(b)**(j + 1)
    # 1/b^n alone is beyond the range: so may be what is computed on the way to a moderate number
    return ANY if abs(v) <= fmt.largest and abs(mp.mpf(b))**-(i + j) > fmt.largest else v


def rest(a, b, i, j, fmt):
    """a - b floor(a/b); what the quotient rounds to is not compared"""
    if i + j > 1 or a != a or b != b or math.isinf(a) or math.isinf(b) or b == 0:
        return ANY if a != a or b != b or math.isinf(a) or math.isinf(b) or b == 0 else 0
    q = mp.floor(mp.mpf(a) / mp.mpf(b))
    return 1 if i else -q if abs(q) < 2**20 else ANY


def angle(a, b, i, j, fmt):
    """of the point (x, y) = (b, a)"""
    if a != a or b != b:
        return NAN
    if math.isinf(a) or math.isinf(b):
        return 0
    n = i + j
    if a == 0 and b == 0:
        return NAN
    z = mp.mpc(b, a)
    v = ((mp.mpc(0, 1)**i) * (-1)**(n - 1) * math.factorial(n - 1) / z**n).imag
    scale = math.factorial(n - 1) / abs(z)**n
    if abs(v) < scale * mp.mpf(10)**-50:
        v = 0
    return ANY if abs(v) <= fmt.largest and scale > fmt.largest else v


def term(b, i, j):
    """d^i/da^i d^j/db^j a^b = a^(b-i) P(log a): the coefficients of P"""
    p = [mp.mpf(0)] * j + [mp.mpf(1)]
    for k in range(i):
        p = [(mp.mpf(b) - k) * p[m] + ((m + 1) * p[m + 1] if m + 1 < len(p) else 0) for m in range(len(p))]
    while p and p[-1] == 0:
        p.pop()
    return p


def end_of_power(b, i, j, zero):
    """a towards 0 or infinity"""
    p, e = term(b, i, j), (b - i if zero else i - b)
    if not p or e > 0:
        return 0
    return p[0] if e == 0 and len(p) == 1 else INF


def power(a, b, i, j, fmt):
    whole = b == math.floor(b)
    if a != a:
        return ANY if whole and b >= 0 else NAN
    p = term(b, i, j)
    if a < 0 and (j or not whole):
        return NAN if p and a != -math.inf else ANY
    if a == 0 or math.isinf(a):
        v = end_of_power(b, i, j, a == 0)
        if j and a == 0 and v == INF and i >= b >= 0:
            return ANY                       # log a counts as 0 there, as elsewhere
        return v * (-1)**int(b - i) if a < 0 and v not in (0, INF) else v
    if not p:
        # b a^b/a: beyond the second derivative it may be 0 inf
        return ANY if b == 0 and i > 2 and mp.mpf(abs(a))**-3 > fmt.largest else 0
    if j and abs(a) < fmt.normal and i > b >= 0:
        return ANY                           # infinite; a subnormal base of a^0 counts as 0
    log = mp.log(abs(mp.mpf(a)))
    parts = [c * log**k for k, c in enumerate(p)]
    if abs(sum(parts)) < max(abs(q) for q in parts) / 1000:
        return ANY                           # cancels
    return sum(parts) * mp.power(mp.mpf(a), b - i).real


TWO = {"add": constant(1, 1), "sub": constant(1, -1), "mul": times, "div": over, "mod": rest, "pow": power, "atan2": angle,
       "powlog": lambda a, b, i, j, fmt: power(a, b, i, j + 1, fmt),            # a^b log a, a^b (log a)^2
       "powlog2": lambda a, b, i, j, fmt: power(a, b, i, j + 2, fmt)}


def extremum(name):
    def f(a, b, i, j, fmt):
        if a != a or b != b:
            return ANY
        first = a <= b if name == "min" else a >= b
        return (1 if first == (i == 1) else 0) if i + j == 1 else 0
    return f


def pairs(name, fmt):
    nan, inf = math.nan, math.inf
    big, small, root = (1e300, 1e-300, 1e150) if fmt.f64 else (f32(1e37), f32(1e-37), f32(1e19))
    if name == "pow":
        bases = [0.0, -0.0, fmt.subnormal, small, 1 / root, .5, 1.0, 2.0, -2.0, -small, root, big, inf, -inf, nan]
        exponents = [0.0, 1.0, 2.0, 3.0, 4.0, 17.0, .5, 1.5, 2.5, 3.5, -.5, -1.0, -1.5, -2.0, -3.0, 1.75, -.75]
        return [(a if fmt.f64 else f32(a), b) for b in exponents for a in bases]
    if name in ("powlog", "powlog2"):        # what becomes of pow at the edge stands in its own rows
        return [(a, b) for b in [0.0, 1.0, 2.0, .5, 3.5, -1.0] for a in [.5, 1.0, 2.0, 30.0, -2.0, nan]]
    if name == "div":
        return [(a, b) for a in [0.0, 1.0, -3.0, small, big, inf, -inf, nan]
                for b in [0.0, 1.0, -2.0, .5, small, -1 / root if fmt.f64 else f32(-1 / root), root, big, inf, -inf, nan]]
    if name == "atan2":
        some = [0.0, -0.0, 1.0, -2.0, .5, small, -1 / root if fmt.f64 else f32(-1 / root), root, -big, fmt.largest, inf, -inf, nan]
        return [(a, b) for a in some for b in some] + [(fmt.subnormal, 1.0), (1.0, fmt.subnormal), (fmt.subnormal, fmt.subnormal)]
    return [(a, b) for a in [0.0, -2.0, small, big, inf, nan] for b in [0.0, 1.0, -2.0, big, -inf, nan]]


def main():
    print("/* Derivatives of elementwise operators, made by tools/edge_table.py.\n"
          " * U(op, f64, a, d/da, d2, d3)\n"
          " * B(op, f64, a, b, d/da, d/db, d2/da2, d2/dadb, d2/db2, d3/da3, d3/da2db, d3/dadb2, d3/db3) */")
    for fmt in FORMATS:
        for name in ONE:
            points = [0.0] + fmt.points + [math.inf]
            for x in points + [-x for x in points] + [-1.0, math.nan][name != "log1p":]:
                print("U(%s, %d, %s, %s)" % (name, fmt.f64, number(x), ", ".join(shown(v, fmt) for v in unary(name, x))))
        for name in list(TWO) + ["min", "max"]:
            f = TWO.get(name) or extremum(name)
            for a, b in pairs(name, fmt):
                print("B(%s, %d, %s, %s, %s)" % (name, fmt.f64, number(a), number(b),
                                                 ", ".join(shown(f(a, b, i, j, fmt), fmt) for i, j in ORDERS)))
    print("#undef U\n#undef B")


main()
