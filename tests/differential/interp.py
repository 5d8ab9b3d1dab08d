"""Carries out a program of the language on graph nodes: the reference's reading of docs/language.

Values: a Node (a real tensor), what exists while compiling (Fraction, float, bool, str, list), a tuple of values, or something
to call. Loops, comprehensions and functions are expanded as they come; shapes are those of the first sample, which the
graph is evaluated for while it is built."""
import math
from fractions import Fraction

import flows
import graph as g
import scalar as s
import syntax
import tensor as t
from builtins_of_language import BUILTINS
from syntax import Problem

STATIC = (int, float, Fraction)


class Returned(Exception):
    def __init__(self, value):
        self.value = value


class Scope:
    def __init__(self, parent=None, path=""):
        self.parent, self.names, self.path = parent, {}, path or (parent.path if parent else "")

    def find(self, name):
        scope = self
        while scope:
            if name in scope.names:
                return scope
            scope = scope.parent
        return None


class Lazy:
    """A `let` of a flow: computed where it is used, from the state as it is there."""

    def __init__(self, expr, scope, part=None):
        self.expr, self.scope, self.part = expr, scope, part


class Function:
    """A function of the file; `scope` sees its first list when it is an instance of a template."""

    def __init__(self, kind, name, lists, body, scope, params=None):
        self.kind, self.name, self.lists, self.body, self.scope = kind, name, lists, body, scope
        self.params = params if params is not None else {}

    @property
    def takes(self):
        return self.lists[-1]


class Program:
    def __init__(self, text):
        self.items = syntax.read(text)
        self.file = Scope()
        self.ctx = g.Context({})
        self.params = {}                      # path -> (node, start)
        self.losses, self.trains = {}, []
        for item in self.items:
            if item[0] in ("fn", "hamiltonian", "net", "flow", "loss"):
                kind, name, lists, body = item
                self.file.names[name] = Function(kind, name, lists, body, Scope(self.file, name + "/"))
            elif item[0] == "train":
                self.trains.append(item)
            elif item[0] in ("const", "use"):
                self.file.names[item[1]] = item[2] if item[0] == "const" else ("use", item[1], item[2])
        for item in self.items:
            if item[0] == "const":
                self.file.names[item[1]] = self.expr(item[2], self.file)
        for item in self.items:
            if item[0] == "use":
                try:
                    self.file.names[item[1]] = self.instance(item[1] + "/", item[2], self.file)
                except Problem:                # data
                    del self.file.names[item[1]]

    # ---- running a function on samples ----

    def function(self, name):
        """What stands for the C function `name`: T_inverse and T_logdet are those of a flow."""
        for end, make in (("_inverse", flows.inverse), ("_logdet", flows.logdet)):
            if name.endswith(end) and name[:-len(end)] in self.file.names:
                return make(self, self.file.names[name[:-len(end)]])
        return self.file.names[name]

    def build(self, name, sample):
        """(input nodes, output nodes) of a function, built on the tensors of one sample."""
        inputs = [g.parameter() for _ in sample]
        self.ctx = g.Context(dict(zip(inputs, sample)))
        for node, start in self.params.values():
            self.ctx.over[node] = start
        for node, value in zip(inputs, sample):
            node.shape = value.shape
        out = self.call(self.function(name), list(inputs), {})
        return inputs, [self.tensor(x) for x in self.spread([out])]

    def run(self, inputs, outputs, sample, params=None):
        """The outputs' tensors for a sample."""
        over = dict(zip(inputs, sample))
        for path, (node, start) in self.params.items():
            over[node] = params[path] if params else start
        ctx = g.Context(over)
        return [ctx.get(o) for o in outputs]

    # ---- nodes ----

    def node(self, node):
        node.shape = self.ctx.get(node).shape
        return node

    def plain(self, f, *args):
        return self.node(g.plain(f, *[self.tensor(a) for a in args]))

    def tensor(self, x):
        """x as a node."""
        if isinstance(x, g.Node):
            return x
        if isinstance(x, bool):
            return self.node(g.Node(lambda ctx, v=x: t.Tensor((), [s.Truth(v)])))
        if isinstance(x, STATIC):
            return self.node(g.Node(lambda ctx: t.number(x)))
        if isinstance(x, list):
            return self.plain(lambda *v: t.stacked(v), *x)
        raise Problem("no number: %r" % (x,))

    def spread(self, xs):
        out = []
        for x in xs:
            out += self.spread(x) if isinstance(x, tuple) and not (x and x[0] == "use") else [x]
        return out

    def whole(self, x):
        """A number known while compiling, as an int."""
        if isinstance(x, STATIC) and x == int(x):
            return int(x)
        raise Problem("expected a whole number, found %r" % (x,))

    # ---- calls ----

    def instance(self, path, e, scope):
        """`use`: an expression that calls a template with its first list."""
        f = self.expr(e[1], scope) if e[0] == "call" else None
        if not isinstance(f, Function) or len(f.lists) != 2:
            raise Problem("`use` of something else")
        inner = Scope(f.scope.parent, path)
        args = [self.expr(a, scope) for a in e[2]]
        self.bind(f.lists[0], args, {k: self.expr(v, scope) for k, v in e[3].items()}, inner)
        return Function(f.kind, f.name, [f.lists[1]], f.body, inner)

    def bind(self, params, args, named, scope):
        if len(args) < len([p for p in params if p[2] is None and p[0] not in named]):
            args = self.spread(args)
        if len(args) > len(params):
            raise Problem("too many arguments")
        for k, (name, shape, start) in enumerate(params):
            if k < len(args):
                value = args[k]
            elif name in named:
                value = named[name]
            elif start is not None:
                value = self.expr(start, scope)
            else:
                raise Problem("no argument `%s`" % name)
            if shape is not None:
                value = self.tensor(value)
                if len(shape) != len(value.shape):
                    raise Problem("`%s` has shape %s" % (name, value.shape))
                for want, n in zip(shape, value.shape):
                    if want[0] == "name" and not scope.find(want[1]):
                        scope.names[want[1]] = Fraction(n)
                    elif self.expr(want, scope) != n:
                        raise Problem("`%s` has shape %s" % (name, value.shape))
            scope.names[name] = self.own(value)

    def own(self, x):
        """What a name is bound to: a value of its own, which derivatives can be taken by."""
        if isinstance(x, tuple):
            return tuple(self.own(v) for v in x)
        return self.node(g.same(x)) if isinstance(x, g.Node) else x

    def call(self, f, args, named):
        if isinstance(f, Function):
            if f.kind == "flow":
                return flows.forward(self, f, args)
            if len(f.lists) == 2:
                raise Problem("a template without a name")
            scope = Scope(f.scope)
            self.bind(f.takes, args, named, scope)
            scope.names["\0params"] = f.params
            return self.body(f.body, scope)
        if callable(f):
            return f(*args, **named)
        raise Problem("cannot call %r" % (f,))

    def body(self, statements, scope):
        try:
            self.statements(statements, scope)
        except Returned as r:
            return r.value
        raise Problem("a body without `return`")

    # ---- statements ----

    def statements(self, statements, scope):
        for st in statements:
            getattr(self, "do_" + st[0])(scope, *st[1:])

    def do_let(self, scope, names, e):
        self.unpack(scope, names, self.expr(e, scope))

    do_var = do_let

    def unpack(self, scope, names, value):
        if isinstance(names, str):
            scope.names[names] = self.own(value)
            return
        if isinstance(value, g.Node):
            value = [self.plain(lambda v, k=k: t.subscript(v, [k]), value) for k in range(value.shape[0])]
        if len(value) != len(names):
            raise Problem("cannot unpack %d into %d" % (len(value), len(names)))
        scope.names.update((n, self.own(v)) for n, v in zip(names, value))

    def do_assign(self, scope, left, right, back):
        for target, e in list(zip(left, [self.expr(e, scope) for e in right])):
            if target[0] != "name" or not scope.find(target[1]):
                raise Problem("cannot assign")
            scope.find(target[1]).names[target[1]] = self.own(e)

    def do_require(self, scope, condition):
        self.expr(condition, scope)  # programs are made so that it holds

    def do_define(self, scope, kind, name, lists, body):
        scope.names[name] = Function(kind, name, lists, body, scope)

    def do_update(self, scope, target, op, e):
        self.do_assign(scope, [target], [("bin", op, target, e)], None)

    def turns(self, over, scope):
        """What a loop's name runs over."""
        if over[0] == "range":
            return [Fraction(k) for k in range(self.whole(self.expr(over[1], scope)), self.whole(self.expr(over[2], scope)))]
        value = self.expr(over, scope)
        if isinstance(value, g.Node):
            return [self.plain(lambda v, k=k: t.subscript(v, [k]), value) for k in range(value.shape[0])]
        return list(value)

    def do_for(self, scope, names, over, body):
        for value in self.turns(over, scope):
            inner = Scope(scope)
            self.unpack(inner, names, value)
            self.statements(body, inner)

    def do_repeat(self, scope, n, body):
        for _ in range(self.whole(self.expr(n, scope))):
            self.statements(body, Scope(scope))

    def do_use(self, scope, name, e):
        scope.names[name] = self.instance(scope.path + name + "/", e, scope)

    def do_param(self, scope, name, shape, start):
        known = scope.find("\0params").names["\0params"]
        if name not in known:
            node = g.parameter()
            dims = tuple(self.whole(self.expr(n, scope)) for n in shape)
            value = self.expr(start, scope)
            value = self.ctx.get(self.tensor(value))
            value = t.full(dims, value.data[0]) if not value.shape else value
            root = self.ctx
            while root.parent:
                root = root.parent
            root.over[node] = value
            node.shape = dims
            self.params[scope.path + name] = (node, value)
            known[name] = node
        scope.names[name] = known[name]

    def do_return(self, scope, e):
        raise Returned(self.expr(e, scope))

    # ---- expressions ----

    def expr(self, e, scope):
        return getattr(self, "ex_" + e[0])(scope, *e[1:])

    def ex_num(self, scope, value):
        return value

    def ex_str(self, scope, value):
        return value

    def ex_name(self, scope, name):
        found = scope.find(name)
        if found:
            value = found.names[name]
            if isinstance(value, Lazy):
                v = self.expr(value.expr, value.scope)
                if value.part is not None:
                    v = v[value.part]
                return v
            return value
        if name in ("pi", "inf"):
            return math.pi if name == "pi" else math.inf
        if name in ("true", "false"):
            return name == "true"
        if name in BUILTINS:
            return lambda *args, **named: BUILTINS[name](self, *args, **named)
        raise Problem("`%s` is not defined" % name)

    def ex_tuple(self, scope, items):
        return tuple(self.expr(i, scope) for i in items)

    def ex_list(self, scope, items):
        items = [self.expr(i, scope) for i in items]
        return self.tensor(items) if any(isinstance(i, g.Node) for i in items) else items

    def ex_block(self, scope, statements):
        return self.body(statements, Scope(scope))

    def ex_comp(self, scope, e, names, over):
        out = []
        for value in self.turns(over, scope):
            inner = Scope(scope)
            self.unpack(inner, names, value)
            out.append(self.expr(e, inner))
        if isinstance(out[0], tuple):
            return tuple(self.tensor([o[k] for o in out]) for k in range(len(out[0])))
        return self.tensor(out) if any(isinstance(o, g.Node) for o in out) else out

    def ex_transpose(self, scope, e):
        return self.plain(t.transposed, self.expr(e, scope))

    def ex_neg(self, scope, e):
        x = self.expr(e, scope)
        return -x if isinstance(x, STATIC) else self.plain(lambda v: t.elementwise(s.neg, v), x)

    def ex_not(self, scope, e):
        x = self.expr(e, scope)
        return not x if isinstance(x, bool) else self.plain(lambda v: t.elementwise(lambda c: s.Truth(not c.holds, c.sure), v), x)

    def ex_index(self, scope, e, subs):
        x = self.expr(e, scope)
        at = [self.expr(sub[1], scope) if sub[0] == "at" else None for sub in subs]
        by = [k for k, i in enumerate(at) if isinstance(i, (g.Node, list))]
        if isinstance(x, (list, tuple)) and len(subs) == 1 and subs[0][0] == "at" and not by:
            return x[self.whole(at[0])]
        x = self.tensor(x)
        if by:
            return self.by_rows(x, subs, at, by, scope)
        places = self.places(x.shape, subs, scope)
        return self.plain(lambda v: t.subscript(v, places), x)

    def by_rows(self, x, subs, at, by, scope):
        """One subscript is a list of integers, or a tensor; the others are known, and come first."""
        if len(by) > 1:
            raise Problem("several indices")
        index, n = at[by[0]], x.shape[by[0]]
        if isinstance(index, list):
            index = [k + n if k < 0 else k for k in map(self.whole, index)]
        rest = [("range", None, None) if k == by[0] else sub for k, sub in enumerate(subs)]
        places = self.places(x.shape, rest, scope)
        axis = sum(isinstance(p, tuple) for p in places[:by[0]])
        part = self.plain(lambda v: t.subscript(v, places), x)
        return self.plain(lambda v, i: t.rows(v, axis, i), part, self.tensor(index))

    def places(self, shape, subs, scope):
        """Subscripts counted from the front."""
        out = []
        for sub, n in zip(subs, shape):
            at = [None if i is None else self.whole(self.expr(i, scope)) for i in sub[1:]]
            at = [i + n if i is not None and i < 0 else i for i in at]
            if sub[0] == "at":
                if not 0 <= at[0] < n:
                    raise Problem("index %d of %d" % (at[0], n))
                out.append(at[0])
            else:
                first, last = at[0] or 0, n if at[1] is None else at[1]
                if not 0 <= first < last <= n:
                    raise Problem("empty slice")
                out.append((first, last) + tuple(at[2:]))
        return out

    def ex_call(self, scope, f, args, named):
        name = f[1] if f[0] == "name" and not scope.find(f[1]) else ""
        if name in ("trajectory", "integrate", "section"):
            return flows.run_trajectory(self, name, args, named, scope)
        if name == "iterate":
            return flows.run_iterate(self, args, named, scope)
        if f[0] == "call" and f[1][0] == "name":
            inner = scope.find(f[1][1])
            template = inner.names[f[1][1]] if inner else None
            if isinstance(template, Function) and len(template.lists) == 2:
                instance = self.instance(scope.path + template.name + "/", f, scope)
                return self.call(instance, [self.expr(a, scope) for a in args], {})
        f = self.expr(f, scope)
        return self.call(f, [self.expr(a, scope) for a in args], {k: self.expr(v, scope) for k, v in named.items()})

    def ex_bin(self, scope, op, a, b):
        a, b = self.expr(a, scope), self.expr(b, scope)
        if isinstance(a, STATIC) and isinstance(b, STATIC):
            return static(op, a, b)
        if op in ("and", "or"):
            if isinstance(a, bool) and isinstance(b, bool):
                return a and b if op == "and" else a or b
            return self.plain(lambda x, y: t.elementwise(lambda p, q: logic(op, p, q), x, y), a, b)
        if op in s.COMPARE:
            return self.plain(lambda x, y: t.elementwise(lambda p, q: s.compare(op, p, q), x, y), a, b)
        if op == "@":
            return self.plain(t.matmul, a, b)
        if op == "^":
            if isinstance(b, STATIC):
                return self.plain(lambda x: t.elementwise(lambda p: s.power(p, b if b == int(b) else float(b)), x), a)
            return self.plain(lambda x, y: t.elementwise(s.power, x, y), a, b)
        f = {"+": s.add, "-": s.sub, "*": s.mul, "/": s.div}[op]
        return self.plain(lambda x, y: t.elementwise(f, x, y), a, b)


def logic(op, p, q):
    if op == "or":
        n = logic("and", s.Truth(not p.holds, p.sure), s.Truth(not q.holds, q.sure))
        return s.Truth(not n.holds, n.sure)
    return s.Truth(p.holds and q.holds, p.sure and q.sure or p.sure and not p.holds or q.sure and not q.holds)


def static(op, a, b):
    if op in s.COMPARE:
        return s.COMPARE[op](a, b)
    if op == "^":
        if isinstance(a, (int, Fraction)) and b == int(b) and (a or b >= 0):
            return Fraction(a)**int(b)
        return s.raised(float(a), float(b))
    if op == "/":
        if b == 0:                       # by the number of a turn: what is written as a constant is refused
            return s.divided(float(a), float(b))
        return Fraction(a) / Fraction(b) if not isinstance(a, float) and not isinstance(b, float) else float(a) / float(b)
    if op == "@":
        raise Problem("`@` of numbers")
    return {"+": a + b, "-": a - b, "*": a * b}[op]
