"""Steps of each optimizer, by PyTorch's formulas, on the gradients of the reference."""
import generate
import graph as g
import scalar as s
import tensor as t

DEFAULTS = {"adam": dict(lr=1e-3, betas=[0.9, 0.999], eps=1e-8, weight_decay=0), "adamw": dict(lr=1e-3, betas=[0.9, 0.999], eps=1e-8, weight_decay=0.01),
            "sgd": dict(lr=1e-2, momentum=0, nesterov=False, weight_decay=0),
            "rmsprop": dict(lr=1e-2, alpha=0.99, eps=1e-8, momentum=0, weight_decay=0)}
STEPS = 3
POOL = 2               # different samples of a batch


def c(v):
    return s.constant(float(v))


def scaled(k, x):
    return s.mul(c(k), x)


def adam(p, d, state, o, step, decoupled):
    if decoupled:
        p = s.mul(p, s.sub(s.ONE, s.mul(c(o["lr"]), c(o["weight_decay"]))))
    elif o["weight_decay"]:
        d = s.add(d, scaled(o["weight_decay"], p))
    b1, b2 = map(float, o["betas"])
    m, v = state or (s.ZERO, s.ZERO)
    m = s.add(scaled(b1, m), scaled(1 - b1, d))
    v = s.add(scaled(b2, v), scaled(1 - b2, s.mul(d, d)))
    root = s.add(s.unary("sqrt", s.div(v, c(1 - b2**step))), c(o["eps"]))
    return s.sub(p, scaled(o["lr"], s.div(s.div(m, c(1 - b1**step)), root))), (m, v)


def sgd(p, d, state, o, step, _):
    if o["weight_decay"]:
        d = s.add(d, scaled(o["weight_decay"], p))
    if o["momentum"]:
        state = d if state is None else s.add(scaled(o["momentum"], state), d)
        d = s.add(d, scaled(o["momentum"], state)) if o["nesterov"] else state
    return s.sub(p, scaled(o["lr"], d)), state


def rmsprop(p, d, state, o, step, _):
    if o["weight_decay"]:
        d = s.add(d, scaled(o["weight_decay"], p))
    v, buffer = state or (s.ZERO, s.ZERO)
    v = s.add(scaled(o["alpha"], v), scaled(1 - float(o["alpha"]), s.mul(d, d)))
    d = s.div(d, s.add(s.unary("sqrt", v), c(o["eps"])))
    if o["momentum"]:
        buffer = s.add(scaled(o["momentum"], buffer), d)
        d = buffer
    return s.sub(p, scaled(o["lr"], d)), (v, buffer)


UPDATES = {"adam": adam, "adamw": adam, "sgd": sgd, "rmsprop": rmsprop}


def options(program, e):
    """(name, options) of an `optimizer = ` expression."""
    name = e[1][1] if e[0] == "call" else e[1]
    given = {k: program.expr(v, program.file) for k, v in e[3].items()} if e[0] == "call" else {}
    return name, dict(DEFAULTS[name], **given)


class Trainer:
    """A loss, its parameters and the state of its optimizer."""

    def __init__(self, program, loss, sample):
        self.program = program
        self.inputs, self.outputs = program.build(loss, sample)
        self.params = {path: value for path, (_, value) in program.params.items()}
        train = next(i for i in program.trains if i[1] == loss)
        self.optimizer, self.options = options(program, train[3]["optimizer"])
        self.clip = float(program.expr(train[3]["clip"], program.file)) if "clip" in train[3] else None
        self.state, self.count = {}, 0

    def gradient(self, samples):
        """The mean loss and its derivatives by all parameters, joined in the order of the paths."""
        paths = list(self.params)
        nodes = [self.program.params[p][0] for p in paths]
        losses, rows = [], []
        known = {}
        for x in samples:
            if id(x) in known:
                losses.append(losses[known[id(x)]])
                rows.append(rows[known[id(x)]])
                continue
            known[id(x)] = len(losses)
            over = dict(zip(self.inputs, x))
            over.update({self.program.params[p][0]: v for p, v in self.params.items()})
            ctx = g.Context(over)
            losses.append(ctx.get(self.outputs[0]).data[0])
            rows.append(g.slopes(ctx, self.outputs[0], nodes)[0][0])
        n = s.Num(float(len(samples)))
        return s.div(t.total(losses), n), [s.div(t.total(col), n) for col in zip(*rows)]

    def step(self, samples):
        loss, grads = self.gradient(samples)
        self.count += 1
        if self.clip is not None:
            norm = s.unary("sqrt", t.total(s.mul(d, d) for d in grads))
            ratio = s.div(c(self.clip), norm)
            if not s.apart(ratio, s.ONE):
                grads = [s.fog(d) for d in grads]
            elif ratio.v < 1:
                grads = [s.mul(d, ratio) for d in grads]
        at = 0
        for path, value in self.params.items():
            new = []
            for k, p in enumerate(value.data):
                moved, self.state[at] = UPDATES[self.optimizer](p, grads[at], self.state.get(at), self.options, self.count, self.optimizer == "adamw")
                new.append(moved)
                at += 1
            self.params[path] = t.Tensor(value.shape, new)
        return loss


def compare(case, library, program, rng, tally, wrong, difference):
    loss, shapes = case.train
    n = rng.choice(generate.BATCHES)
    different = case.samples(shapes, min(n, POOL))
    samples = [different[k % POOL] for k in range(n)]
    fields = [name for name, _ in library.functions["train_" + loss][0]]
    order = ["xy".index(name) for name in fields]
    trainer = Trainer(program, loss, samples[0])
    for step in range(STEPS):
        want = trainer.step(samples)
        got = library.train(loss, order, samples)
        if got is None:
            return [] if want.v - want.v != 0 or want.e == s.INF else [difference(case, "refused", "step %d of %s was refused" % (step, loss))]
        what = wrong(got, want, False, tally)
        if what:
            return [difference(case, what, "loss at step %d, %s, batch %d: %r, should be %r" % (step, library.precision.name, n, got, want))]
        have = library.params()
        for path, value in trainer.params.items():
            for k, (w, h) in enumerate(zip(value.data, have[path])):
                what = wrong(h, w, False, tally)
                if what:
                    return [difference(case, what, "%s[%d] after step %d of %s, %s, batch %d: %r, should be %r within %.2g"
                                       % (path, k, step, trainer.optimizer, library.precision.name, n, h, w.v, 8 * w.e * s.now.u))]
    return []
