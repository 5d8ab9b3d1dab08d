"""The kinds of random programs: a Case is the text, what to call, and where its inputs come from."""
import random
import re

import scalar as s
import tensor as t
from body import DIMS, Body, dims

BATCHES = [1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 33, 64, 100]
TAME = [-1.5, 1.5]
SPECIAL = [0.0, -0.0, 1.0, -1.0, s.INF, -s.INF, s.NAN, 1e-45, -1e-45, 1e-38, 1e-20, 1e20, 3e38, -1e30, 0.5, 2.0, -2.0, 88.0, -104.0]


class Case:
    """One program. `calls` are (C function, shapes of its inputs); `special` inputs have values that are no ordinary numbers.
    `compiled` is what hnnc gets instead of the text, to see that the comparison finds faults."""
    compiled = None

    def __init__(self, seed, kind, text, calls, special=False, train=None):
        self.seed, self.kind, self.text, self.calls, self.special, self.train = seed, kind, text, calls, special, train

    def samples(self, shapes, count, wide=False):
        rng = random.Random("%s inputs" % self.seed)
        return [[t.Tensor(shape, [s.Num(self.value(rng)) for _ in range(t.count(shape))]) for shape in shapes] for _ in range(count)]

    def value(self, rng):
        if self.special and rng.random() < 0.4:
            return s.single(rng.choice(SPECIAL))
        v = rng.uniform(*TAME)
        return s.single(rng.choice([v, v, v, v, round(v * 2) / 2]))


def header(name, args, more=""):
    return "fn %s(%s)%s {" % (name, ", ".join("%s: real%s" % (n, dims(shape)) for n, shape in args), more)


def inputs(rng, most=3):
    out = []
    for n in "xyz"[:rng.randint(1, most)]:
        rank = rng.choice([0, 1, 1, 1, 2, 2, 3])
        out.append((n, tuple(rng.choice(DIMS) for _ in range(rank))))
    return out


def open_body(rng, args, prefix, wild=False):
    b = Body(rng, prefix, wild)
    for n, shape in args:
        b.define(n, shape, 1.5)
    return b


def close_body(b, name, args, count=4):
    names = [n for n in b.names if n not in dict(args)]
    picked = names[-count:] if names else list(dict(args))
    return "\n".join([header(name, args)] + b.lines + ["  return %s" % ", ".join(picked), "}"])


def helpers(rng, tag, n=2):
    """Functions for bodies to call: (texts, entries of Body.functions); some have a derivative within."""
    texts, entries = [], []
    for k in range(n):
        shape = rng.choice([(2,), (3,), ()])
        gives = rng.choice([(), shape])
        b = open_body(rng, [("a", shape)], "h")
        b.depth = 2
        form = rng.choice(["plain", "grad", "loop"])
        if form == "grad":
            e = b.scalar_of("a")
            v = b.let(shape, "grad(%s, a)" % e, 5)
        elif form == "loop":
            v = b.loop()
        else:
            v = b.let(shape)
        text, _ = b.expr(gives, 1)
        has = b.names[v][0]
        tail = v if has == gives else "%s + sum(%s)" % (text, v) if has else "%s + %s" % (text, v)
        name = "h%d_%s" % (k, tag)
        texts.append("\n".join([header(name, [("a", shape)])] + b.lines + ["  return tanh(%s)" % tail, "}"]))
        entries.append((name, shape, gives))
    return texts, entries


# ---- kinds of cases ----

def algebra(rng, tag, wild=False):
    args = inputs(rng)
    texts, entries = helpers(rng, tag) if rng.random() < 0.5 else ([], [])
    b = open_body(rng, args, "v", wild)
    b.functions = entries
    for _ in range(rng.randint(2, 5)):
        rng.choice([b.let, b.let, b.let, b.loop, b.tuple_comprehension, b.local])()
    name = "f_%s" % tag
    return "\n".join(texts + [close_body(b, name, args)]), [(name, [sh for _, sh in args])]


def special(rng, tag):
    return algebra(rng, tag, wild=True)


def derivatives(rng, tag):
    args = [(n, tuple(rng.choice([1, 2, 2, 3]) for _ in range(rng.choice([0, 1, 1, 2])))) for n in "xy"[:rng.randint(1, 2)]]
    texts, entries = helpers(rng, tag) if rng.random() < 0.6 else ([], [])
    b = open_body(rng, args, "v")
    b.functions, b.depth = entries, 2
    for _ in range(rng.randint(0, 2)):
        rng.choice([b.let, b.loop, b.tuple_comprehension, b.local])()
    made = [x for x in [rng.choice([b.derivative, b.derivative, b.derivative, b.block_derivative])() for _ in range(rng.randint(1, 3))] if x]
    if rng.random() < 0.4:
        b.let()
    name = "f_%s" % tag
    return "\n".join(texts + [close_body(b, name, args)]), [(name, [sh for _, sh in args])]


def edges(rng, tag):
    """Derivatives to order 2 of one expression, at numbers that are zero, tiny, huge or none."""
    b = open_body(rng, [("x", (3,)), ("y", (3,))], "v")
    b.depth = 2
    text, _ = b.expr((3,), 2)
    if "x" not in b.uses(text) or rng.random() < 0.3:
        text = rng.choice(["x^%s" % rng.choice(["0.5", "1.5", "2.5", "3.5", "-1", "-0.5", "2", "3", "0.3"]), "(x^2)^tanh(y)", "abs(x)^y", "x*log(x^2 + 1e-15)",
                           "atan2(x, y)", "sqrt(x^2 + y^2)", "max(x, y)*x", "relu(x)*y", "x/y", "abs(x)*x"]) + " + 0*(%s)" % text * (rng.random() < 0.2)
    body = ["  let v = %s" % text, "  let J = jac(v, x)", "  let s = sum(v)", "  let g = grad(s, x)"]
    out = "v, J, g"
    if rng.random() < 0.5:
        body.append("  let h = hess(s, x)")
        out += ", h"
    return "\n".join([header("f_" + tag, [("x", (3,)), ("y", (3,))])] + body + ["  return " + out, "}"]), [("f_" + tag, [(3,), (3,)])]


def derivative_functions(rng, tag):
    """field, poisson, jacobian, hessian of functions of (q, p)."""
    n = rng.randint(1, 3)
    items = []
    for k in range(2):
        b = open_body(rng, [("q", (n,)), ("p", (n,))], "v")
        b.depth = 2
        text, _ = b.expr((), 3)
        items.append("fn e%d_%s(q: real[%d], p: real[%d]) = %s + dot(q, p)*%d" % (k, tag, n, n, text, k + 1))
    e0, e1 = "e0_" + tag, "e1_" + tag
    forms = ["poisson(%s, %s)(q, p)" % (e0, e1), "hessian(%s)(q, p)" % e0, "jacobian(field(%s))(q, p)" % e0,
             "poisson(%s, poisson(%s, %s))(q, p)" % (e0, e0, e1), "hessian(poisson(%s, %s))(q, p)" % (e0, e1)]
    picked = rng.sample(forms, 2)
    body = ["fn f_%s(q: real[%d], p: real[%d]) {" % (tag, n, n), "  let (a, b) = field(%s)(q, p)" % e1]
    body += ["  let c%d = %s" % (k, f) for k, f in enumerate(picked)]
    return "\n".join(items + body + ["  return a, b, c0, c1", "}"]), [("f_" + tag, [(n,), (n,)])]


BENT = re.compile(r"\b(relu|abs|sign|floor|ceil|round|max|min|maxabs|mod|where|sort|argsort|argmax|argmin|one_hot|set|logsumexp|softmax|stop_gradient)\b")


def expression(rng, args, shape, smooth):
    """A text; a smooth one has a series wherever it is finite."""
    for _ in range(200):
        b = open_body(rng, args, "v")
        b.depth = 2
        text, _ = b.expr(shape, 2)
        if not smooth or not BENT.search(text):
            return text
    return "sin(%s)" % args[0][0] if shape else "sum(sin(%s))" % args[0][0]


def potential(rng, tag, n, letter="V", smooth=False):
    """A gentle scalar function of real[n]."""
    name = "%s_%s" % (letter, tag)
    text = expression(rng, [("x", (n,))], (), smooth)
    forms = ["dot(x, x)/2 + 0.3*sin(%s)", "sum(1 - cos(x)) + 0.2*tanh(%s)", "sum(x^2)/2 + 0.1*sum(x^4) + 0.1*cos(%s)"]
    return name, "fn %s(x: real[%d]) = %s" % (name, n, rng.choice(forms) % text)


METHODS = ["euler", "rk4", "symplectic_euler", "leapfrog", "yoshida4", "yoshida6", "yoshida8", "implicit_midpoint", "gauss4", "gauss6",
           "dopri5", "dop853", "tsit5", "gauss16", "taylor"]
SEPARABLE = METHODS[2:7]


def hamiltonian(rng, tag, n, separable, timed=False, smooth=False):
    """(text, name)"""
    v, items = potential(rng, tag, n, smooth=smooth)
    name = "H_%s" % tag
    kinetic = rng.choice(["dot(p, p)/2", "sum(sqrt(1 + p^2))", "sum(p^2*[%s])/2" % ", ".join("%.2f" % rng.uniform(0.5, 1.5) for _ in range(n))])
    energy = "%s + %s(q)" % (kinetic, v)
    if not separable:
        energy += rng.choice([" + 0.2*dot(q, p)", " + 0.1*sin(dot(q, p))", " + 0.1*sum(q^2*p^2)/(1 + dot(q, q))"])
    if timed:
        energy += rng.choice([" + 0.3*sin(2*t)*sum(q)", " + 0.2*cos(t)*q[0]^2"])
    args = "q: real[%d], p: real[%d]%s" % (n, n, ", t: real" if timed else "")
    return items + "\nhamiltonian %s(%s) = %s" % (name, args, energy), name


def moving_times(rng):
    """Times that depend on a start q0: rising, falling, and with equal ones."""
    return "%s[0.2*sin(q0[0]), 0.5, %s]" % (rng.choice(["", "", "-"]), rng.choice(["0.7 + 0.1*q0[0]^2", "0.5, 0.8*exp(0.1*sum(q0^2))", "0.5"]))


def time_options(rng, method):
    """The text of dt, steps, every or times."""
    steps, every = rng.choice([(1, 1), (2, 1), (3, 1), (4, 2), (6, 3), (5, 5), (8, 4)])
    if method in METHODS[10:]:
        tol = rng.choice(["", "(rtol = 1e-9)", "(rtol = 1e-7, atol = 1e-9)"][method == "gauss16":])
        kind = rng.random()
        if kind < 0.25:
            return "times = %s, method = %s%s" % (moving_times(rng), method, tol)
        if kind < 0.5:
            return "times = linspace(0, %s, %d), method = %s%s" % (rng.choice(["1", "1.7", "-1"]), rng.randint(2, 5), method, tol)
        return "dt = 0.2, steps = %d, every = %d, method = %s%s" % (steps, every, method, tol)
    dt = rng.choice(["0.1", "0.05", "-0.1", "0.2"])
    kind = rng.random()
    if kind < 0.12:
        return "times = %s, substeps = %d, method = %s" % (moving_times(rng), rng.randint(1, 3), method)
    if kind < 0.25:
        return "times = linspace(0.5, %s, %d), substeps = %d, method = %s" % (rng.choice(["1", "0.2"]), rng.randint(2, 4), rng.randint(1, 3), method)
    more = ", start = 0.3" if rng.random() < 0.2 else ""
    return "dt = %s, steps = %d, every = %d%s, method = %s" % (dt, steps, every, more, method)


def trajectories(rng, tag):
    n = rng.randint(1, 3)
    method = rng.choice(METHODS)
    adaptive = method in METHODS[10:]
    name = "f_%s" % tag
    args = [("q0", (n,)), ("p0", (n,))]
    lines = []
    if method in SEPARABLE or rng.random() < 0.6:
        timed = rng.random() < 0.3
        items, H = hamiltonian(rng, tag, n, method in SEPARABLE or rng.random() < 0.3, timed, method == "taylor")
        lines.append("  let (a, b) = trajectory(%s, q0, p0, %s)" % (H, time_options(rng, method)))
    else:
        x, y = [expression(rng, [("u", (n,)), ("v", (n,))], (n,), method == "taylor") for _ in range(2)]
        timed = rng.random() < 0.3
        items = "fn r_%s(u: real[%d], v: real[%d]%s) = (sin(%s) + v, tanh(%s) - u%s)" % (tag, n, n, ", t: real" if timed else "", x, y, "*cos(t)" if timed else "")
        lines.append("  let (a, b) = integrate(r_%s, q0, p0, %s)" % (tag, time_options(rng, method)))
    lines.append("  let e = sum(sin(a)*b) + sum(b[-1]^2)")
    out = ["a", "b", "e"]
    if not adaptive:
        form = rng.choice(["", "g", "gg" if n < 3 else "g", "jac", "grad2" if n < 3 else "jac", "tup"])
        if form == "g":
            lines.append("  let g = grad(e, q0)")
        elif form == "gg":
            lines += ["  let g = grad(e, p0)", "  let e2 = sum(g^2) + e", "  let g2 = grad(e2, q0)"]
            out.append("g2")
        elif form == "jac":
            lines.append("  let g = jac(b[-1], q0)")
        elif form == "grad2":
            lines.append("  let g = hess(e, q0)")
        elif form == "tup":
            lines += ["  let (g, h) = grad(e, (q0, p0))"]
            out.append("h")
        if form:
            out.append("g")
    return "\n".join([items, header(name, args)] + lines + ["  return %s" % ", ".join(out), "}"]), [(name, [(n,), (n,)])]


def iterates(rng, tag):
    """A function of one or two states, applied again and again, with and without the number of the turn; under derivatives, and in a comprehension."""
    n, two, counted = rng.randint(1, 3), rng.random() < 0.6, rng.random() < 0.4
    states = [("u", (n,))] + ([("v", rng.choice([(), (n,), (2, n)]))] if two else [])
    b = open_body(rng, states + ([("k", ())] if counted else []), "w")
    b.depth = 2
    steps, every = rng.choice([(1, 1), (2, 1), (3, 1), (5, 1), (4, 2), (6, 3), (6, 2), (4, 4)])
    parts = ["0.7*sin(%s) + 0.2*u" % b.expr((n,), 2)[0]] + (["tanh(%s)*0.9" % b.expr(states[1][1], 2)[0]] if two else [])
    more = " + 0.1*cos(k)" if counted else ""
    head = ", ".join("%s: real%s" % (name, dims(shape)) for name, shape in states) + (", k: real" if counted else "")
    items = "fn s_%s(%s) = %s" % (tag, head, "(%s%s, %s)" % (parts[0], more, parts[1]) if two else parts[0] + more)
    name, args = "f_%s" % tag, [("q0", (n,)), ("p0", states[-1][1])]
    call = "iterate(s_%s, q0%s, steps = %d%s)" % (tag, ", p0" if two else "", steps, ", every = %d" % every if every > 1 else "")
    lines = ["  let %s = %s" % ("(a, b)" if two else "a", call)]
    last = "sum(b[-1]^2)" if two else "sum(a[-1])*sum(p0)"
    lines.append("  let e = %s" % rng.choice(["sum(sin(a)) + " + last, last + " + sum(a[-1]^2)", "sum(a[0]*a[-1]) + " + last]))
    out = ["a", "e"] + (["b"] if two else [])
    form = rng.choice(["", "g", "gg", "jac", "hess", "map"])
    if form == "g":
        lines.append("  let g = grad(e, q0)")
    elif form == "gg":
        lines += ["  let h = grad(e, q0)", "  let e2 = sum(h^2) + e", "  let g = grad(e2, p0)"]
    elif form == "jac":
        lines.append("  let g = jac(a[-1], q0)")
    elif form == "hess":
        lines.append("  let g = hess(e, q0)")
    elif form == "map":
        each = "iterate(s_%s, q0*(1 + 0.1*j)%s, steps = %d)" % (tag, ", p0" if two else "", steps)
        lines.append("  let g = [%s[-1] for j in 0:3]" % (each if not two else each + "[0]"))
    return "\n".join([items, header(name, args)] + lines + ["  return %s" % ", ".join(out + (["g"] if form else [])), "}"]), [(name, [a[1] for a in args])]


def sections(rng, tag):
    n = rng.randint(1, 2)
    method = rng.choice(["leapfrog", "yoshida4", "rk4", "gauss4", "yoshida6"])
    name = "f_%s" % tag
    text = "hamiltonian H_%s(q: real[%d], p: real[%d]) = dot(p, p)/2 + sum(q^2*[%s])/2 + 0.1*sum(q^4)" % (
        tag, n, n, ", ".join("%.2f" % rng.uniform(0.8, 2) for _ in range(n)))
    on = rng.choice(["q[0]", "p[0]", "q[0] - 0.1*p[0]"])
    body = "  let (a, b) = section(H_%s, q, p, on = %s, direction = %d, crossings = %d, method = %s, dt = 0.1)" % (
        tag, on, rng.choice([1, 1, -1, 0]), rng.randint(1, 3), method)
    return "\n".join([text, header(name, [("q", (n,)), ("p", (n,))]), body, "  return a, b", "}"]), [(name, [(n,), (n,)])]


def flow_step(rng, b, tag, n, names, subflows):
    """One random step of a flow of two states real[n]."""
    q, p = rng.sample(names, 2)
    hidden = b.names
    b.names = {k: v for k, v in hidden.items() if k not in (p,)}
    e, _ = b.expr((n,), 2)
    one, _ = b.expr((), 2)
    b.names = hidden
    form = rng.choice(["add", "add", "scale", "scalar", "part", "swap", "roll", "flip", "call", "evolve", "inverse", "along", "some",
                       "some", "clause", "places", "lift"])
    if form == "some":
        return part_step(rng, n, p, [q])
    if form == "clause":
        return clause_step(rng, n, p)
    if form == "places":
        return places_step(rng, n, p)
    if form == "lift":
        return "%s(%s, %s)" % (rng.choice(["lift(U_%s)", "inverse(lift(U_%s))", "lift(inverse(U_%s))"]) % tag, q, p)
    if form == "add":
        return "%s %s sin(%s)" % (p, rng.choice(["+=", "-="]), e)
    if form == "scale":
        return "%s %s exp(0.5*tanh(%s))" % (p, rng.choice(["*=", "/="]), e)
    if form == "scalar":
        return "%s %s exp(0.3*sin(%s))" % (p, rng.choice(["*=", "/="]), one)
    if form == "part" and n > 1:
        k = rng.randint(1, n - 1)
        other = "%s[%d:]" % (p, k) if n - k > 1 else "%s[%d]" % (p, n - 1)
        return "%s[:%d] %s 0.3*sin(sum(%s))*ones(%d)" % (p, k, "+=", other, k) if rng.random() < 0.5 else "%s[:%d] *= exp(0.2*cos(sum(%s)))" % (p, k, other)
    if form == "swap":
        return "%s, %s = -%s, %s" % (q, p, p, q)
    if form == "roll":
        return "%s = %s" % (p, "roll(%s, %d)" % (p, rng.randint(-2, 2)) if rng.random() < 0.5 else "flip(%s)" % p)
    if form == "flip":
        return "%s, %s = %s, -%s" % (q, p, q, p)
    if form == "call" and subflows:
        f = rng.choice(subflows)
        return ("inverse(%s)(%s, %s)" if rng.random() < 0.4 else "%s(%s, %s)") % (f, q, p)
    if form == "inverse":
        return "%s, %s = 2*%s + %s, %s + %s   inverse   %s - %s, 2*%s - %s" % (q, p, q, p, q, p, q, p, p, q)
    if form == "evolve":
        m = rng.choice(["leapfrog", "yoshida4", "yoshida6", "implicit_midpoint", "gauss4"])
        return "evolve(q, p) under HF_%s for %s steps %d method %s" % (tag, rng.choice(["0.2", "-0.1"]), rng.randint(1, 3), m)
    if form == "along":
        return "evolve(q, p) along RF_%s for 0.2 steps %d method %s" % (tag, rng.randint(1, 2), rng.choice(["rk4", "euler", "implicit_midpoint"]))
    return "%s += 0.5*cos(%s)" % (p, e)


def some_list(rng, n, least=1):
    return rng.sample(range(n), rng.randint(least, n))


def part_step(rng, n, x, others):
    """An update of a part of the state x that reads the rest of it, or another state."""
    op = rng.choice(["+=", "-=", "*=", "/="])
    at = some_list(rng, n)
    rest = [k for k in range(n) if k not in at]
    form = rng.choice(["list", "mask", "stride", "masked"])
    source = "sum(%s)" % rng.choice(others) if others and (not rest or rng.random() < 0.5) else "%s[%d]" % (x, rng.choice(rest)) if rest else "0.3"
    if form == "stride":
        at, sub = list(range(0, n, 2)), "[%s]" % rng.choice(["0::2", "::2"])
        source = "sum(%s)" % rng.choice(others) if others else "%s[1]" % x if n > 1 else "0.3"
        e = "[%s]" % ", ".join("sin(%d*%s)" % (k + 1, source) for k in range(len(at)))
    elif form == "list":
        sub = "[%s]" % at
        e = "[%s]" % ", ".join("sin(%s + %d)" % (source, k) for k in range(len(at)))
    else:
        mask = "[%s]" % ", ".join("true" if k in at else "false" for k in range(n))
        sub = "[%s]" % mask
        e = "sum(sin(where(%s, zeros(%d), %s)))" % (mask, n, x) if form == "masked" else "cos(%s)*ones(%d)" % (source, n)
    return "%s%s %s %s" % (x, sub, op, "exp(0.3*tanh(%s))" % e if op in "*=/=" else e)


def clause_step(rng, n, x):
    """A step with its inverse and its log-determinant."""
    text, log = rng.choice([("%s = sinh(%s)  inverse  asinh(%s)" % (x, x, x), "sum(log(cosh(%s)))" % x),
                            ("%s = 2*%s  inverse  %s/2" % (x, x, x), "%d*log(2)" % n),
                            ("%s = %s + 0.5*%s[0]*one_hot(%d, %d)  inverse  %s - 0.5*%s[0]*one_hot(%d, %d)"
                             % (x, x, x, n - 1, n, x, x, n - 1, n), "0") if n > 1 else
                            ("%s = 3*%s  inverse  %s/3" % (x, x, x), "log(3)")])
    return text + ("  logdet  " + log if rng.random() < 0.7 else "")


def places_step(rng, n, x):
    order = some_list(rng, n, n)
    return "%s = %s" % (x, rng.choice(["%s[%s]" % (x, order), "[%s[%d - k] for k in 0:%d]" % (x, n - 1, n), "-%s[%s]" % (x, order),
                                       "eye(%d)[%s] @ %s" % (n, order, x)]))


def one_state(rng, name, n):
    """A flow of one state, to be lifted."""
    steps = [rng.choice([lambda: part_step(rng, n, "x", []), lambda: clause_step(rng, n, "x"), lambda: places_step(rng, n, "x")])()
             for _ in range(rng.randint(1, 3))]
    return "\n".join(["flow %s(x: real[%d]) {" % (name, n)] + ["  " + s for s in steps] + ["}"])


def flow_text(rng, tag, name, n, subflows, steps):
    b = open_body(rng, [("q", (n,)), ("p", (n,))], "v")
    b.depth = 2
    lines = ["flow %s(q: real[%d], p: real[%d]) {" % (name, n, n)]
    for _ in range(steps):
        line = flow_step(rng, b, tag, n, ["q", "p"], subflows)
        if rng.random() < 0.15:
            lines += ["  repeat %d {" % rng.randint(1, 3), "    " + line, "  }"]
        else:
            lines.append("  " + line)
    return "\n".join(lines + ["}"])


def flow_cases(rng, tag):
    n = rng.randint(1, 3)
    H, _ = hamiltonian(rng, tag, n, True)
    H = H.replace("H_%s" % tag, "HF_%s" % tag)
    b = open_body(rng, [("u", (n,)), ("v", (n,))], "v")
    b.depth = 1
    (x, _), (y, _) = b.expr((n,), 1), b.expr((n,), 1)
    R = "fn RF_%s(u: real[%d], v: real[%d]) = (sin(%s) + v, cos(%s) - u*v)" % (tag, n, n, x, y)
    S, T = "S_" + tag, "T_" + tag
    items = [H, R, one_state(rng, "U_" + tag, n), flow_text(rng, tag, S, n, [], rng.randint(1, 3)), flow_text(rng, tag, T, n, [S], rng.randint(1, 5))]
    args = [("q", (n,)), ("p", (n,))]
    lines = ["  let (a, b) = inverse(%s)(q, p)" % T, "  let (c, d) = %s(a, b)" % T, "  let l = logdet(%s)(q, p)" % T]
    out = ["a", "b", "c", "d", "l"]
    extra = rng.choice(["", "grad", "jac", "lift"])
    if extra == "grad":
        lines += ["  let (u, v) = %s(q, p)" % T, "  let e = sum(u^2) + sum(sin(v)) + l", "  let (gq, gp) = grad(e, (q, p))"]
        out += ["gq", "gp"]
    elif extra == "jac":
        lines.append("  let J = jacobian(%s)(q, p)" % T)
        out.append("J")
    elif extra == "lift":
        lines.append("  let (Q, P) = lift(U_%s)(q, p)" % tag)
        out += ["Q", "P"]
    name = "f_" + tag
    items.append("\n".join([header(name, args)] + lines + ["  return %s" % ", ".join(out), "}"]))
    shapes = [(n,), (n,)]
    return "\n".join(items), [(name, shapes), (T, shapes), (T + "_inverse", shapes), (T + "_logdet", shapes)]


def array(rng, shape):
    if not shape:
        return "%.3f" % rng.uniform(-1, 1)
    return "[%s]" % ", ".join(array(rng, shape[1:]) for _ in range(shape[0]))


def network(rng, tag, n, name, small=False):
    """A net of real[n] with known parameters, and what it gives."""
    h, m = (2, 1) if small else (rng.choice([2, 3, 4]), rng.choice([1, 2, 3]))
    act = rng.choice(["tanh", "sin", "softplus", "sigmoid", "erf", "relu"])
    lines = ["net %s(x: real[%d]) {" % (name, n),
             "  param W: real[%d, %d] = %s" % (h, n, array(rng, (h, n))), "  param b: real[%d] = %s" % (h, array(rng, (h,))),
             "  param U: real[%d, %d] = %s" % (m, h, array(rng, (m, h))), "  param c: real[%d] = 0.1" % m,
             "  let y = %s(W @ x + b)" % act]
    if rng.random() < 0.3:
        lines.append("  let z = (y - mean(y))/sqrt(0.1 + mean((y - mean(y))^2))")
        return "\n".join(lines + ["  return U @ z + c", "}"]), m
    return "\n".join(lines + ["  return U @ y + c", "}"]), m


def networks(rng, tag):
    n = rng.randint(1, 3)
    N = "N_" + tag
    text, m = network(rng, tag, n, N)
    lines = ["  let y = %s(x)" % N, "  let e = sum(y^2)", "  let g = grad(e, x)", "  let J = jac(y, x)"]
    out = ["y", "g", "J"]
    if rng.random() < 0.5:
        lines.append("  let h = hess(e, x)")
        out.append("h")
    else:
        lines += ["  let r = [%s(x*k) for k in 1:4]" % N, "  let s = sum(r^2)", "  let h = grad(s, x)"]
        out += ["r", "h"]
    name = "f_" + tag
    return "\n".join([text, header(name, [("x", (n,))])] + lines + ["  return %s" % ", ".join(out), "}"]), [(name, [(n,)]), (N, [(n,)])]


OPTIMIZERS = ["adam(lr = 0.01)", "adam(lr = 0.02, betas = [0.8, 0.95], eps = 1e-6)", "adam(lr = 0.01, weight_decay = 0.1)",
              "adamw(lr = 0.01)", "adamw(lr = 0.02, weight_decay = 0.2)", "sgd(lr = 0.05)", "sgd(lr = 0.05, momentum = 0.9)",
              "sgd(lr = 0.05, momentum = 0.8, nesterov = true)", "sgd(lr = 0.02, weight_decay = 0.1, momentum = 0.5)",
              "rmsprop(lr = 0.01)", "rmsprop(lr = 0.01, alpha = 0.9, momentum = 0.5)", "rmsprop(lr = 0.02, weight_decay = 0.1, eps = 1e-5)"]


def runs(rng, tag):
    """A training and reports on a file of data, for `hnnc run`."""
    n = rng.randint(1, 3)
    N, L, D, R = "N_" + tag, "l_" + tag, "d_" + tag, "r_" + tag
    text, m = network(rng, tag, n, N)
    b = open_body(rng, [("x", (n,)), ("y", (m,))], "v")
    b.depth = 2
    value, _ = b.expr((), 3)
    lines = [text, "fn %s(x: real[%d], y: real[%d]) = %s + sum(%s(x)*y)" % (R, n, m, value, N), "loss %s(x, y) = sum((%s(x) - y)^2)" % (L, N),
             'data %s = read("xy.npz", x, y)' % D, "report before_%s = %s(x, y) on %s" % (tag, R, D),
             "train %s on %s { optimizer = %s, batch = %s, steps = 5, clip = 1 }" % (L, D, rng.choice(OPTIMIZERS + ["lbfgs(max_iter = 3)"]),
                                                                                  rng.choice(["all", "7", "16", "33"])),
             "report after_%s = %s(x, y) on %s" % (tag, R, D)]
    return "\n".join(lines), [(R, [(n,), (m,)])]


def trainings(rng, tag):
    form = rng.choice(["fit", "grad", "flow", "traj"])
    n = rng.randint(1, 3 if form == "fit" else 2)
    N, L, D = "N_" + tag, "l_" + tag, "d_" + tag
    text, m = network(rng, tag, n, N, form != "fit")
    if form == "fit":
        loss = "loss %s(x, y) = sum((%s(x) - y)^2)" % (L, N)
    elif form == "grad":
        loss = "loss %s(x, y) {\n  let e = sum(%s(x)^2)\n  let g = grad(e, x)\n  return sum(g^2) + sum((%s(x) - y)^2)\n}" % (L, N, N)
    elif form == "flow":
        loss = ("flow T_%s(q: real[%d], p: real[%d]) {\n  p += sum(%s(q))*ones(%d)\n  q *= exp(0.3*tanh(sum(%s(p))))\n}\n" % (tag, n, n, N, n, N)
                + "loss %s(x, y) {\n  let (a, b) = T_%s(x, x*0.5)\n  return sum(a^2) + sum(b^2) - logdet(T_%s)(x, x*0.5) + 0.1*sum(y)*sum(b)\n}" % (L, tag, tag))
    else:
        method = rng.choice(["leapfrog", "rk4", "yoshida4", "implicit_midpoint"])
        loss = ("hamiltonian H_%s(q: real[%d], p: real[%d]) = dot(p, p)/2 + dot(q, q)/2 + 0.2*sum(%s(q)^2)\n" % (tag, n, n, N)
                + "loss %s(x, y) {\n  let (a, b) = trajectory(H_%s, x, x*0.3, dt = 0.1, steps = 3, method = %s)\n  return sum((a[-1] - sum(y))^2) + sum(b^2)\n}" % (L, tag, method))
    optimizer = rng.choice(OPTIMIZERS)
    clip = ", clip = %s" % rng.choice(["0.5", "10"]) if rng.random() < 0.4 else ""
    memory = ", memory = %s" % rng.choice(["stored", "reversible"]) if form in ("flow", "traj") and rng.random() < 0.5 else ""
    data = "data %s {\n  let x = normal(0, 1, %d)\n  yield x, y = [%s]\n}\nuse u%s = %s(count = 40)" % (D, n, ", ".join(["sum(sin(x))"] * m), D, D)
    train = "train %s on u%s { optimizer = %s, steps = 4%s%s }" % (L, D, optimizer, clip, memory)
    return "\n".join([text, loss, data, train]), [], (L, [(n,), (m,)])


KINDS = {"algebra": (algebra, 6), "special": (special, 4), "derivatives": (derivatives, 7), "edges": (edges, 2), "functions": (derivative_functions, 2),
         "trajectories": (trajectories, 5), "sections": (sections, 1), "flows": (flow_cases, 4), "networks": (networks, 2), "trainings": (trainings, 2), "runs": (runs, 1), "iterates": (iterates, 4)}


def case(seed, kinds=None):
    """The case of a seed: a whole number, or `kind:number`."""
    seed = str(seed)
    rng = random.Random("differential %s" % seed)
    names = [k for k in KINDS if not kinds or k in kinds]
    kind = rng.choices(names, [KINDS[k][1] for k in names])[0]
    if ":" in seed:
        kind = seed.split(":")[0]
    tag = "c" + seed.replace(":", "_")
    made = KINDS[kind][0](rng, tag)
    return Case(seed, kind, made[0], made[1], special=kind in ("special", "edges"), train=made[2] if len(made) > 2 else None)
