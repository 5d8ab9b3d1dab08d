"""Integrators of the reference, from their definitions. A rate is f(states, time) -> rates, states a list of Tensors;
f(states, time, k) gives the k-th alone.

Compositions are written as leapfrogs one after the other, each drift by itself; stages of implicit methods are iterated until
nothing changes, which the bounds of the numbers then tell. Adaptive methods are no formulas but promises: `exact` is the
trajectory by extrapolation to round-off."""
import math

import scalar as s
import tensor as t

CBRT2 = 2.0**(1 / 3)
SIX = [-1.17767998417887, 0.235573213359357, 0.784513610477560]                    # Yoshida 1990, table 1, A
EIGHT = [0.102799849391985, -1.96061023297549, 1.93813913762276, -0.158240635368243,
         -1.44485223686048, 0.253693336566229, 0.914844246229740]                   # table 2, D
R3, R15 = math.sqrt(3) / 6, math.sqrt(15)


def symmetric(side):
    return side[::-1] + [1 - 2 * sum(side)] + side


COMPOSITIONS = {"leapfrog": [1.0], "yoshida4": symmetric([1 / (2 - CBRT2)]), "yoshida6": symmetric(SIX), "yoshida8": symmetric(EIGHT)}
EXPLICIT = {
    "euler": ([[]], [1.0], [0.0]),
    "rk4": ([[], [0.5], [0, 0.5], [0, 0, 1.0]], [1 / 6, 1 / 3, 1 / 3, 1 / 6], [0, 0.5, 0.5, 1.0]),
}
IMPLICIT = {
    "implicit_midpoint": ([[0.5]], [1.0], [0.5]),
    "gauss4": ([[0.25, 0.25 - R3], [0.25 + R3, 0.25]], [0.5, 0.5], [0.5 - R3, 0.5 + R3]),
    "gauss6": ([[5 / 36, 2 / 9 - R15 / 15, 5 / 36 - R15 / 30],
                [5 / 36 + R15 / 24, 2 / 9, 5 / 36 - R15 / 24],
                [5 / 36 + R15 / 30, 2 / 9 + R15 / 15, 5 / 36]], [5 / 18, 4 / 9, 5 / 18], [0.5 - R15 / 10, 0.5, 0.5 + R15 / 10]),
}
SEPARABLE = ["symplectic_euler"] + list(COMPOSITIONS)
ADAPTIVE = ["dopri5", "dop853", "tsit5", "gauss16", "taylor"]
FIXED = SEPARABLE + list(EXPLICIT) + list(IMPLICIT)
TURNS = 120


def moved(y, h, rates):
    """y + Σ h_j rates_j; h are scalars."""
    for c, r in zip(h, rates):
        y = t.elementwise(lambda a, b, c=c: s.add(a, s.mul(c, b)), y, r)
    return y


def coefficient(h, c):
    return s.mul(h, s.constant(c))


def later(time, h, c):
    return s.add(time, coefficient(h, c)) if c else time


def explicit(tableau, f, y, time, h):
    a, b, c = tableau
    ks = []
    for row, ci in zip(a, c):
        steps = [(coefficient(h, x), k) for x, k in zip(row, ks) if x]
        at = [moved(x, [w for w, _ in steps], [k[v] for _, k in steps]) for v, x in enumerate(y)]
        ks.append(f(at, later(time, h, ci)))
    return [moved(x, [coefficient(h, w) for w in b], [k[v] for k in ks]) for v, x in enumerate(y)]


def flat(a, out):
    if a.__class__ is s.Dual:
        flat(a.x, out)
        for k in sorted(a.d):
            flat(a.d[k], out)
    else:
        out.append(a)
    return out


def settled(old, new):
    """Whether no number moved by more than round-off of its kind."""
    for x, y in zip(old, new):
        for v, w in zip(x, y):
            for a, b in zip(v.data, w.data):
                p, q = flat(a, []), flat(b, [])
                if len(p) != len(q):
                    return False
                for m, n in zip(p, q):
                    if m.v == m.v and n.v == n.v and abs(m.v - n.v) > 4e-16 * (abs(n.v) + 1e-3 * max(abs(z.v) for z in q)):
                        return False
    return True


def implicit(tableau, f, y, time, h):
    a, b, c = tableau
    ks = [f(y, time)] * len(b)
    good = False
    for _ in range(TURNS):
        at = [[moved(x, [coefficient(h, w) for w in row], [k[v] for k in ks]) for v, x in enumerate(y)] for row in a]
        new = [f(p, later(time, h, ci)) for p, ci in zip(at, c)]
        if not all(s.base(x).v - s.base(x).v == 0 for k in new for v in k for x in v.data):
            break
        good = settled(ks, new)
        ks = new
        if good:
            break
    out = [moved(x, [coefficient(h, w) for w in b], [k[v] for k in ks]) for v, x in enumerate(y)]
    if good:
        return out
    return [t.Tensor(x.shape, [s.fog(v) for v in x.data]) for x in out]


def composition(lengths, f, y, time, h):
    q, p = y
    at = 0.0
    for w in lengths:
        half = coefficient(h, w / 2)
        q = moved(q, [half], [f([q, p], later(time, h, at + w / 4), 0)])
        p = moved(p, [coefficient(h, w)], [f([q, p], later(time, h, at + w / 2), 1)])
        q = moved(q, [half], [f([q, p], later(time, h, at + 3 * w / 4), 0)])
        at += w
    return [q, p]


def symplectic_euler(f, y, time, h):
    q, p = y
    p = moved(p, [h], [f([q, p], time, 1)])
    return [moved(q, [h], [f([q, p], time, 0)]), p]


def step(method, f, y, time, h):
    if method == "symplectic_euler":
        return symplectic_euler(f, y, time, h)
    if method in COMPOSITIONS:
        return composition(COMPOSITIONS[method], f, y, time, h)
    if method in EXPLICIT:
        return explicit(EXPLICIT[method], f, y, time, h)
    return implicit(IMPLICIT[method], f, y, time, h)


def fixed(method, f, y, h, steps, every=1, start=0.0):
    """steps/every + 1 points of the states, as lists; h and start are Python numbers."""
    out, hs = [y], s.constant(h)
    for k in range(steps):
        y = step(method, f, y, s.add(s.constant(start), s.mul(s.Num(float(k)), hs)), hs)
        if (k + 1) % every == 0:
            out.append(y)
    return out


def between(method, f, y, times, substeps):
    """The states at each of `times`, numbers of the program; `substeps` of equal length between two."""
    out = [y]
    for start, end in zip(times, times[1:]):
        h = s.div(s.sub(end, start), s.Num(float(substeps)))
        for k in range(substeps):
            y = step(method, f, y, s.add(start, s.mul(s.Num(float(k)), h)), h)
        out.append(y)
    return out


# ---- exact trajectories ----

COLUMNS = 7


def midpoint_rule(f, y, time, h, n):
    """Gragg's modified midpoint rule of n substeps: an expansion in even powers of 1/n."""
    w = h / n
    before, y = y, [moved(x, [s.Num(w)], [k]) for x, k in zip(y, f(y, s.Num(time)))]
    for k in range(1, n):
        rate = f(y, s.Num(time + k * w))
        before, y = y, [moved(x, [s.Num(2 * w)], [r]) for x, r in zip(before, rate)]
    rate = f(y, s.Num(time + h))
    return [[0.5 * (s.base(a).v + s.base(b).v + w * s.base(r).v) for a, b, r in zip(x.data, z.data, k.data)]
            for x, z, k in zip(y, before, rate)]


def extrapolated(f, y, time, h):
    """The states after h, and how far the last two columns are apart."""
    table = []
    for j in range(COLUMNS):
        row = [midpoint_rule(f, y, time, h, 2 * (j + 1))]
        for k in range(1, j + 1):
            c = 1 / ((2 * (j + 1) / (2 * (j + 1 - k)))**2 - 1)
            row.append([[a + (a - b) * c for a, b in zip(x, z)] for x, z in zip(row[-1], table[-1][k - 1])])
        table.append(row)
    best, other = table[-1][-1], table[-1][-2]
    gap = max([abs(a - b) for x, z in zip(best, other) for a, b in zip(x, z)], default=0)
    return [t.Tensor(x.shape, [s.Num(v) for v in new]) for x, new in zip(y, best)], gap


def exact(f, y, times):
    """The states at each of `times`, to 1e-13 a step; None where the steps become too many."""
    out, at, h = [y], times[0], 0.25
    for goal in times[1:]:
        while at != goal:
            length = math.copysign(min(h, abs(goal - at)), goal - at)
            new, gap = extrapolated(f, y, at, length)
            if gap != gap or gap > 1e-13 * (1 + max(abs(s.base(v).v) for x in new for v in x.data)):
                h = abs(length) / 2
                if h < 1e-5:
                    return None
                continue
            at = goal if abs(length) == abs(goal - at) else at + length
            y, h = new, min(0.5, h * 1.3)
        out.append(y)
    return out
