#!/usr/bin/env python3
"""Polynomials of codegen/math/math_*.c: weighted minimax fits by Lawson's iteration, in 40 digits (needs mpmath).

Prints each as a C initialiser, lowest power first, with the largest weighted error as a power of two.
The weight is chosen so that the error is the relative error of the function that the polynomial serves.
"""
import sys
import mpmath as mp

mp.mp.dps = 40


def fit(f, weight, a, b, degree, iterations=30):
    n = degree + 1
    points = 8 * n + 11
    a, b = mp.mpf(a), mp.mpf(b)
    x = [a + (b - a) * (1 - mp.cos(mp.pi * (i + mp.mpf(1) / 2) / points)) / 2 for i in range(points)]
    y = [f(t) for t in x]
    w = [abs(weight(t)) for t in x]
    power = [[t**p for p in range(n)] for t in x]
    lawson = [mp.mpf(1) / points] * points
    best, least = None, None
    for _ in range(iterations):
        normal, rhs = mp.matrix(n, n), mp.matrix(n, 1)
        for i in range(points):
            s = lawson[i] * w[i] ** 2
            for j in range(n):
                t = s * power[i][j]
                rhs[j] += t * y[i]
                for k in range(j, n):
                    normal[j, k] += t * power[i][k]
        for j in range(n):
            for k in range(j):
                normal[j, k] = normal[k, j]
        c = mp.lu_solve(normal, rhs)
        err = [w[i] * abs(y[i] - sum(c[j] * power[i][j] for j in range(n))) for i in range(points)]
        if least is None or max(err) < least:
            best, least = [c[j] for j in range(n)], max(err)
        lawson = [l * e for l, e in zip(lawson, err)]
        total = sum(lawson)
        lawson = [l / total for l in lawson]
    return best, least


def odd(f, first):
    """(f(r) - r) / r^3 as a function of u = r^2; `first` is its value at 0."""
    def g(u):
        r = mp.sqrt(u)
        return (f(r) - r) / r**3 if u > mp.mpf(10) ** -10 else mp.mpf(first)
    return g


def odd_weight(f):
    return lambda u: mp.sqrt(u) ** 3 / f(mp.sqrt(u))


third = mp.mpf(1) / 3
quarter = (mp.pi / 4 * mp.mpf("1.0005")) ** 2
half32 = (mp.pi / 2 * mp.mpf("1.01")) ** 2
half64 = (mp.pi / 2 * mp.mpf("1.0001")) ** 2
ln2h = mp.log(2) / 2 * mp.mpf("1.0001")
root2 = mp.sqrt(2)
zlog = ((root2 - 1) / (root2 + 1)) ** 2 * mp.mpf("1.001")


def expm1_tail(r):
    return (mp.expm1(r) - r) / r**2 if abs(r) > mp.mpf(10) ** -12 else mp.mpf(1) / 2 + r / 6


def log_tail(f):
    return (mp.log1p(f) - f + f * f / 2) / f**3 if abs(f) > mp.mpf(10) ** -9 else third - f / 4


def atanh_tail(z):
    s = mp.sqrt(z)
    return (2 * mp.atanh(s) - 2 * s) / (s * z) if z > mp.mpf(10) ** -12 else 2 * third + 2 * z / 5


def atanh_tail2(z):
    return (atanh_tail(z) - 2 * third) / z if z > mp.mpf(10) ** -9 else mp.mpf(2) / 5 + 2 * z / 7


def cos_tail(u):
    r = mp.sqrt(u)
    return (mp.cos(r) - 1 + u / 2) / u**2 if u > mp.mpf(10) ** -9 else mp.mpf(1) / 24 - u / 720


def erf_ratio(u):
    x = mp.sqrt(u)
    return mp.erf(x) / x - 1 if u > mp.mpf(10) ** -20 else 2 / mp.sqrt(mp.pi) - 1


def erf_weight(u):
    x = mp.sqrt(u)
    return x / mp.erf(x)


def lnerfc(u):
    return -mp.log(mp.erfc(1 + u))


def lnerfc_weight(u):
    return mp.erfc(1 + u) / mp.erf(1 + u)


FITS = [
    # name, function, weight, interval, degree
    ("exp32", expm1_tail, lambda r: r * r + mp.mpf(10) ** -30, -ln2h, ln2h, 4),
    ("exp64", expm1_tail, lambda r: r * r + mp.mpf(10) ** -30, -ln2h, ln2h, 9),
    ("log32", log_tail, lambda f: f * f + mp.mpf(10) ** -30, root2 / 2 - 1, root2 - 1, 7),
    ("log64", atanh_tail, lambda z: z, 0, zlog, 6),
    ("pow64", atanh_tail2, lambda z: z * z, 0, zlog, 6),
    ("sinpi32", odd(mp.sin, -third / 2), odd_weight(mp.sin), 0, half32, 4),
    ("sinpi64", odd(mp.sin, -third / 2), odd_weight(mp.sin), 0, half64, 7),
    ("sin32", odd(mp.sin, -third / 2), odd_weight(mp.sin), 0, quarter, 2),
    ("sin64", odd(mp.sin, -third / 2), odd_weight(mp.sin), 0, quarter, 5),
    ("cos32", cos_tail, lambda u: u * u, 0, quarter, 2),
    ("cos64", cos_tail, lambda u: u * u, 0, quarter, 5),
    ("atan32", odd(mp.atan, -third), odd_weight(mp.atan), 0, (root2 - 1) ** 2, 4),
    ("atan64", odd(mp.atan, -third), odd_weight(mp.atan), 0, (root2 - 1) ** 2, 10),
    ("erf32", erf_ratio, erf_weight, 0, 1, 6),
    ("erf64", erf_ratio, erf_weight, 0, 1, 11),
    ("erfc32", lnerfc, lnerfc_weight, 0, mp.mpf("2.95"), 6),
    ("erfc64", lnerfc, lnerfc_weight, 0, mp.mpf("4.95"), 18),
]


def main(names):
    for name, f, weight, a, b, degree in FITS:
        if names and name not in names:
            continue
        c, err = fit(f, weight, a, b, degree)
        print("/* %s: degree %d, 2^%.1f */" % (name, degree, mp.log(err, 2)))
        print("{" + ", ".join(mp.nstr(t, 18) for t in c) + "}", flush=True)


main(sys.argv[1:])
