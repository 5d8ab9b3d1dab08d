"""Flows and trajectories of the reference.

A flow's body is laid out as a list of steps, each with the scope that its names are seen in; forwards and backwards run
over that list. `let`s are computed where they are used (interp.Lazy)."""
import itertools

import graph as g
import methods
import scalar as s
import tensor as t
from builtins_of_language import BUILTINS
from syntax import Problem


# ---- trajectories ----

def rates(p, f, states, timed, under, context):
    """(placeholders, rate nodes) of a Hamiltonian or of a function of rates."""
    holes = [g.parameter() for _ in states] + ([g.parameter()] if timed else [])
    outer = p.ctx
    over = {h: outer.get(x) for h, x in zip(holes, states)}
    if timed:
        over[holes[-1]] = t.number(0)
    for h in holes:
        h.shape = over[h].shape
    p.ctx = outer.inside(over)
    try:
        out = p.call(f, list(holes), {})
        if under:
            q, m = holes[:2]
            e = p.tensor(out)
            dq = p.node(g.jacobian(e, [m], m.shape))
            dp = p.node(g.jacobian(e, [q], q.shape))
            out = [dq, p.plain(lambda v: t.elementwise(s.neg, v), dp)]
        else:
            out = [p.tensor(x) for x in p.spread([out])]
        context(holes, out)
    finally:
        p.ctx = outer
    return holes, out


def nothing(holes, out):
    pass


def is_timed(f, n):
    lists = getattr(f, "lists", None)
    return bool(lists) and len([q for q in lists[-1] if q[2] is None]) == n + 1


def option(p, named, name, scope, default):
    return float(p.expr(named[name], scope)) if name in named else default


def method_of(p, named, scope):
    e = named["method"]
    if e[0] == "call":
        return e[1][1], {k: float(p.expr(v, scope)) for k, v in e[3].items()}
    return e[1], {}


def exact_path(p, f, y, times, opts):
    """An adaptive method: the exact points, with what its tolerance allows as their bound."""
    path = methods.exact(f, y, [s.base(v).v for v in times])
    scale = max(abs(s.base(v).v) for x in y for v in x.data)
    if path is None:
        return [[t.Tensor(x.shape, [s.Num(0.0, s.INF)] * len(x.data)) for x in y]] * len(times)
    rtol = opts.get("rtol", 1e-6)
    atol = opts.get("atol", rtol / 100)
    scale = max([scale] + [abs(v.v) for point in path for x in point for v in x.data])
    allowed = (100 * (rtol * scale + atol) + 500 * s.now.u * scale) * (1 + abs(s.base(times[-1]).v - s.base(times[0]).v))
    start = max([s.base(v).e for x in y for v in x.data] + [s.base(v).e for v in times]) * s.now.u * 100
    return [[t.Tensor(x.shape, [s.Num(v.v, (allowed + start) / s.now.u / 16) for v in x.data]) for x in point] for point in path]


def run_trajectory(p, name, args, named, scope):
    f = p.expr(args[0], scope)
    states = [p.tensor(x) for x in p.spread([p.expr(a, scope) for a in args[1:]])]
    method, opts = method_of(p, named, scope)
    timed = is_timed(f, len(states))
    found = []
    holes, out = rates(p, f, states, timed, name != "integrate", lambda h, o: found.append(on_surface(p, f, args[1:], h, named, scope)))
    if name == "section":
        return sections(p, states, holes, out, found[0], method, named, scope)
    times = p.expr(named["times"], scope) if "times" in named else None
    moving = isinstance(times, g.Node)         # known when the program runs
    if moving:
        sub = int(option(p, named, "substeps", scope, 1))
    elif times:
        times = [float(x) for x in times]
        sub = int(option(p, named, "substeps", scope, 1))
        steps, every, start = (len(times) - 1) * sub, sub, times[0]
        dt = (times[-1] - times[0]) / steps
    else:
        dt, steps = option(p, named, "dt", scope, None), int(option(p, named, "steps", scope, None))
        every, start, times = int(option(p, named, "every", scope, 1)), option(p, named, "start", scope, 0.0), None

    def whole_path(ctx, *y):
        y, at = (list(y[:-1]), y[-1].data) if moving else (list(y), times)
        def rate(ys, time, k=None):
            over = dict(zip(holes, ys))
            if timed:
                over[holes[-1]] = t.Tensor((), [time])
            inner = ctx.inside(over)
            return [inner.get(o) for o in out] if k is None else inner.get(out[k])
        if method in methods.ADAPTIVE:
            at = at if moving else [s.Num(v) for v in at or [start + dt * every * k for k in range(steps // every + 1)]]
            path = exact_path(p, rate, y, at, opts)
        elif moving:
            path = methods.between(method, rate, y, at, sub)
        else:
            path = methods.fixed(method, rate, y, dt, steps, every, start)
        return [t.stacked([point[v] for point in path]) for v in range(len(y))]
    node = g.Node(whole_path, states + ([times] if moving else []), out)
    parts = tuple(p.node(g.Node(lambda ctx, ys, k=k: ys[k], [node])) for k in range(len(states)))
    return parts if len(parts) > 1 else parts[0]


# ---- loops ----

def run_iterate(p, args, named, scope):
    f = p.expr(args[0], scope)
    states = [p.tensor(x) for x in p.spread([p.expr(a, scope) for a in args[1:]])]
    counted = is_timed(f, len(states))
    holes, out = rates(p, f, states, counted, False, nothing)
    steps, every = int(option(p, named, "steps", scope, None)), int(option(p, named, "every", scope, 1))

    def turns(ctx, *y):
        y, path = list(y), [list(y)]
        for k in range(steps):
            over = dict(zip(holes, y))
            if counted:
                over[holes[-1]] = t.number(k)
            inner = ctx.inside(over)
            y = [inner.get(o) for o in out]
            if (k + 1) % every == 0:
                path.append(y)
        return [t.stacked([point[v] for point in path]) for v in range(len(y))]
    node = g.Node(turns, states, out)
    parts = tuple(p.node(g.Node(lambda ctx, ys, k=k: ys[k], [node])) for k in range(len(states)))
    return parts if len(parts) > 1 else parts[0]


# ---- sections ----

def on_surface(p, f, args, holes, named, scope):
    """The node of `on` in the moving point, whose names are those of the Hamiltonian's arguments and of the call."""
    if "on" not in named:
        return None
    from interp import Scope
    inner = Scope(scope)
    for n, a, h in zip(f.takes, args, holes):
        inner.names[n[0]] = h
        if a[0] == "name":
            inner.names[a[1]] = h
    return p.tensor(p.expr(named["on"], inner))


def sections(p, states, holes, out, on, method, named, scope):
    crossings = int(option(p, named, "crossings", scope, None))
    direction, dt = int(option(p, named, "direction", scope, 1)), option(p, named, "dt", scope, 0.05)
    most = int(option(p, named, "steps", scope, 100000))

    def points(ctx, *y):
        def rate(ys, time, k=None):
            inner = ctx.inside(dict(zip(holes, ys)))
            return [inner.get(o) for o in out] if k is None else inner.get(out[k])

        def side(ys):
            return s.base(ctx.inside(dict(zip(holes, ys))).get(on).data[0])

        def ahead(ys, h):
            return methods.step(method, rate, ys, s.ZERO, h)
        at, found, before, count = list(y), [], side(list(y)), 0
        while len(found) < crossings and count < most:
            new = ahead(at, s.constant(dt))
            value = side(new)
            rises = before.v < 0 <= value.v
            if (rises and direction >= 0) or (before.v > 0 >= value.v and direction <= 0):
                found.append(crossing(ahead, side, at, dt))
                count = 0
            count += 1
            at, before = new, value
        while len(found) < crossings:
            found.append([t.Tensor(x.shape, [s.Num(s.NAN)] * len(x.data)) for x in y])
        return [t.stacked([f[v] for f in found]) for v in range(len(y))]
    node = g.Node(points, states, list(out) + [on])
    return tuple(p.node(g.Node(lambda ctx, ys, k=k: ys[k], [node])) for k in range(len(states)))


def crossing(ahead, side, at, dt):
    """The point on the surface within the step from `at`, by the Illinois rule, with the bound that its slope allows."""
    low, high = 0.0, dt
    f, g = side(at).v, side(ahead(at, s.Num(dt))).v
    for _ in range(60):
        mid = high - g * (high - low) / (g - f) if g != f else high
        v = side(ahead(at, s.Num(mid))).v
        if (v < 0) != (g < 0):
            low, f = high, g
        else:
            f /= 2
        if abs(mid - high) <= 1e-16 * abs(dt) or v == 0:
            high = mid
            break
        high, g = mid, v
    point, small = ahead(at, s.Num(high)), 1e-4 * abs(dt)
    near = ahead(at, s.Num(high + small))
    value, other = side(point), side(near)
    slope = abs(other.v - value.v) / small
    shift = value.e / slope if slope else s.INF
    out = []
    for x, z in zip(point, near):
        speed = [abs(s.base(b).v - s.base(a).v) / small for a, b in zip(x.data, z.data)]
        out.append(t.Tensor(x.shape, [s.Num(a.v, a.e + 2 * shift * v) for a, v in zip(map(s.base, x.data), speed)]))
    return out


# ---- flows ----

class Run:
    """A flow at work: its state nodes by name, and the sum of the log-determinants so far."""

    def __init__(self, p, f, states):
        from interp import Scope
        self.p, self.f, self.scope, self.logs = p, f, Scope(f.scope), []
        p.bind(f.takes, states, {}, self.scope)
        self.scope.names["\0params"] = f.params
        self.names = [q[0] for q in f.takes]
        self.along = False

    def get(self, name):
        return self.scope.names[name]

    def set(self, name, value):
        self.scope.names[name] = value

    def states(self):
        return [self.get(n) for n in self.names]

    # the list of steps

    def lay_out(self, statements, scope):
        from interp import Lazy, Scope
        out = []
        for st in statements:
            kind = st[0]
            if kind == "let":
                if isinstance(st[1], str):
                    scope.names[st[1]] = Lazy(st[2], scope)
                else:
                    scope.names.update({n: Lazy(st[2], scope, k) for k, n in enumerate(st[1])})
            elif kind == "param":
                self.p.do_param(scope, *st[1:])
            elif kind == "use":
                self.p.do_use(scope, *st[1:])
            elif kind == "for":
                for value in self.p.turns(st[2], scope):
                    inner = Scope(scope)
                    self.p.unpack(inner, st[1], value)
                    out += self.lay_out(st[3], inner)
            elif kind == "repeat":
                for _ in range(self.p.whole(self.p.expr(st[1], scope))):
                    out += self.lay_out(st[2], Scope(scope))
            elif kind in ("update", "assign", "apply", "evolve"):
                out.append((st, scope))
            else:
                raise Problem("`%s` in a flow" % kind)
        return out

    def go(self, back):
        steps = self.lay_out(self.f.body, self.scope)
        for st, scope in reversed(steps) if back else steps:
            getattr(self, "step_" + st[0])(scope, back, *st[1:])

    # steps

    def place(self, target, scope):
        """The state that a target is a part of; which of its elements, laid end to end, None for all; and the shape of what moves,
        None where the elements are those of a mask."""
        if target[0] == "name":
            return target[1], None, self.get(target[1]).shape
        name, subs = target[1][1], target[2]
        shape = self.get(name).shape
        only = self.p.expr(subs[0][1], scope) if len(subs) == 1 and subs[0][0] == "at" else None
        flat = flattened(only) if isinstance(only, list) else []
        if flat and (len(shape) > 1 and isinstance(only[0], list) or isinstance(flat[0], bool)):
            return name, [k for k, one in enumerate(flat) if one], None
        axes, dims = [], []
        for k, n in enumerate(shape):
            sub = subs[k] if k < len(subs) else ("slice", None, None)
            at = self.p.expr(sub[1], scope) if sub[0] == "at" else None
            if isinstance(at, list):
                axes.append([self.p.whole(i) % n for i in at])
                dims.append(len(at))
            else:
                at = self.p.places((n,), [sub], scope)[0]
                axes.append(list(range(*at)) if isinstance(at, tuple) else [at])
                dims += [len(axes[-1])] if isinstance(at, tuple) else []
        return name, [t.offset(shape, at) for at in itertools.product(*axes)], tuple(dims)

    def part(self, name, which, shape):
        x = self.get(name)
        if which is None:
            return x
        return self.p.plain(lambda v: t.Tensor(shape if shape is not None else (len(which),), [v.data[k] for k in which]), x)

    def put(self, name, which, value):
        def f(x, v):
            out = list(x.data)
            for k, e in zip(which, v.data):
                out[k] = e
            return t.Tensor(x.shape, out)
        self.set(name, value if which is None else self.p.plain(f, self.get(name), value))

    def step_update(self, scope, back, target, op, e):
        name, which, shape = self.place(target, scope)
        x = self.part(name, which, shape)

        def there(v):
            """What belongs to the elements of a mask."""
            return self.p.plain(lambda w: t.Tensor((len(which),), [w.data[k] for k in which]) if w.shape else w, v) if shape is None else v
        value = there(self.p.tensor(self.p.expr(e, scope)))
        if op in "*/":
            if e[0] != "call" or e[1] != ("name", "exp"):
                raise Problem("`*=` by what is no exp")
            log = there(self.p.tensor(self.p.expr(e[2][0], scope)))
            n, sign = t.count(x.shape), 1 if (op == "*") != back else -1
            self.logs.append(self.p.plain(lambda v: t.Tensor((), [s.mul(s.Num(float(sign)), t.total(v.data if v.shape else v.data * n))]), log))
        op = {"+": "-", "-": "+", "*": "/", "/": "*"}[op] if back else op
        f = {"+": s.add, "-": s.sub, "*": s.mul, "/": s.div}[op]
        self.put(name, which, self.p.plain(lambda a, b: t.elementwise(f, a, b), x, value))

    def step_assign(self, scope, back, left, right, inverse):
        names = [l[1] for l in left]
        if back and inverse is None:
            return self.undo_places(scope, names, right)
        old = [self.p.node(g.same(self.get(n))) for n in names]
        for n, x in zip(names, old):
            self.set(n, x)
        new = [self.p.tensor(self.p.expr(e, scope)) for e in (inverse if back else right)]
        size = sum(t.count(x.shape) for x in old)
        joined = self.p.plain(lambda *v: t.Tensor((size,), [a for x in v for a in x.data]), *new)
        matrix = self.p.node(g.jacobian(joined, old, (size, size)))
        self.logs.append(self.p.plain(lambda m: t.Tensor((), [t.log_det(m)]), matrix))
        for n, x in zip(names, new):
            self.set(n, x)

    def undo_places(self, scope, names, right):
        """The inverse of a change of places and signs: its matrix transposed."""
        now = [self.get(n) for n in names]
        old = [self.p.node(g.same(x)) for x in now]
        for n, x in zip(names, old):
            self.set(n, x)
        new = [self.p.tensor(self.p.expr(e, scope)) for e in right]
        size = sum(t.count(x.shape) for x in old)
        joined = self.p.plain(lambda *v: t.Tensor((size,), [a for x in v for a in x.data]), *new)
        matrix = self.p.node(g.jacobian(joined, old, (size, size)))
        flat = self.p.plain(lambda *v: t.Tensor((size,), [a for x in v for a in x.data]), *now)
        back = self.p.plain(lambda m, v: t.matmul(t.transposed(m), v), matrix, flat)
        at = 0
        for n, x in zip(names, now):
            k = t.count(x.shape)
            self.set(n, self.p.plain(lambda v, a=at, k=k, x=x: t.Tensor(x.shape, v.data[a:a + k]), back))
            at += k

    def step_apply(self, scope, back, call):
        f, args, lifts = call[1], call[2], False
        while f[0] == "call" and f[1] in (("name", "inverse"), ("name", "lift")):
            lifts, back = lifts or f[1][1] == "lift", back != (f[1][1] == "inverse")
            f = f[2][0]
        places = [self.place(a, scope) for a in args]
        states = [self.part(*a) for a in places]
        if lifts:
            states = lifted(self.p, self.p.expr(f, scope), *states, back)
        else:
            run = Run(self.p, self.p.expr(f, scope), states)
            run.go(back)
            self.along = self.along or run.along
            self.logs += run.logs
            states = run.states()
        for a, x in zip(places, states):
            self.put(*a[:2], x)

    def step_evolve(self, scope, back, names, how, f, length, steps, method):
        p = self.p
        f, steps = p.expr(f, scope), p.whole(p.expr(steps, scope))
        dt = float(p.expr(length, scope)) / steps * (-1 if back else 1)
        states = [self.get(n) for n in names]
        divergence = []

        def with_divergence(holes, out):
            if how == "along":
                divergence.append(p.node(g.total_slope(flat_node(p, out), holes[:len(states)])))
        holes, out = rates(p, f, states, False, how == "under", with_divergence)
        out = list(out) + divergence

        def end(ctx, *y):
            def rate(ys, time, k=None):
                inner = ctx.inside(dict(zip(holes, ys)))
                return [inner.get(o) for o in out] if k is None else inner.get(out[k])
            y = list(y) + ([t.number(0)] if divergence else [])
            return methods.fixed(method, rate, y, dt, steps, steps)[-1]
        node = g.Node(end, states, out)
        for k, n in enumerate(names):
            self.set(n, p.node(g.Node(lambda ctx, ys, k=k: ys[k], [node])))
        if divergence:
            self.along = True
            self.logs.append(p.node(g.Node(lambda ctx, ys: ys[len(names)], [node])))


def flattened(x):
    return [e for y in x for e in flattened(y)] if isinstance(x, list) else [x]


def lifted(p, f, q, m, back):
    """Q = f(q) and the momentum that solves (dQ/dq)^T P = p, by elimination."""
    q = p.node(g.same(p.tensor(q)))
    run = Run(p, f, [q])
    run.go(back)
    e = flat_node(p, run.states())
    matrix = p.node(g.jacobian(e, [q], (e.shape[0], e.shape[0])))

    def solved(a, v):
        return t.Tensor(v.shape, t.solve_any(t.transposed(a), t.Tensor((len(v.data),), v.data)).data)
    return [run.states()[0], p.plain(solved, matrix, p.tensor(m))]


def lift(p, f):
    def go(*states):
        return tuple(lifted(p, f, *p.spread(list(states)), False))
    return go


def flat_node(p, xs):
    return p.plain(lambda *v: t.Tensor((sum(len(x.data) for x in v),), [a for x in v for a in x.data]), *xs)


def result(states):
    return tuple(states) if len(states) > 1 else states[0]


def forward(p, f, states):
    run = Run(p, f, p.spread(states))
    run.go(False)
    return result(run.states())


def inverse(p, f):
    def go(*states):
        run = Run(p, f, p.spread(states))
        run.go(True)
        return result(run.states())
    return go


def logdet(p, f):
    """log |det| of the derivative: of the map itself by elimination, except where `evolve ... along` defines it."""
    def go(*states):
        xs = [p.node(g.same(p.tensor(x))) for x in p.spread(list(states))]
        run = Run(p, f, list(xs))
        run.go(False)
        if run.along:
            return p.plain(lambda *v: t.Tensor((), [t.total(x.data[0] for x in v)]), *run.logs)
        e = flat_node(p, run.states())
        size = e.shape[0]
        matrix = p.node(g.jacobian(e, xs, (size, size)))
        return p.plain(lambda m: t.Tensor((), [t.log_det(m)]), matrix)
    return go


BUILTINS["inverse"], BUILTINS["logdet"], BUILTINS["lift"] = inverse, logdet, lift
