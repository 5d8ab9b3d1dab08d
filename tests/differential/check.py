"""Compares what a library gives with the reference, and says where they differ."""
import math
import random

import generate
import interp
import native
import scalar as s
import syntax
import tensor as t
import training
import whole_run

ALLOWED = 8            # bounds of rounding that a compiled result may be away: the compiler may order sums as it likes
POOL = 3               # different samples of a case
SLOW = {"trajectories", "flows", "sections"}        # kinds whose reference takes long: 2 in f64, 1 in f32


class Difference:
    """One number that is not what it should be; `what` names the kind: value, nan, refused, crash."""

    def __init__(self, case, what, text):
        self.case, self.what, self.text = case, what, text

    def __str__(self):
        return "%s %s: %s" % (self.case.seed, self.what, self.text)


class Tally:
    """How many numbers were compared, and of how many nothing could be said."""

    def __init__(self):
        self.compared = self.unknown = self.cases = self.refused = 0
        self.worst = 0.0


def wrong(got, want, derived, tally):
    """What is wrong with a number, or None. Derivatives that are not finite are not compared: where a factor is
    infinite, rules of the chain that are equally right differ."""
    if want.e == s.INF or derived and want.v - want.v != 0:
        tally.unknown += 1
        return None
    tally.compared += 1
    if want.v != want.v or got != got:
        return None if want.v != want.v and got != got else "nan"
    if want.v - want.v != 0 and want.e:            # an overflow in the order as written
        return None if got - got == 0 or got == want.v else "value"
    if want.v - want.v != 0 or got - got != 0:
        return None if want.v == got else "value"
    bound = want.e * s.now.u
    if bound:
        tally.worst = max(tally.worst, abs(got - want.v) / bound if abs(got - want.v) > 2e-16 * abs(want.v) else 0)
    return None if abs(got - want.v) <= ALLOWED * bound else "value"


def show(values):
    return "(%s)" % ", ".join("[%s]" % ", ".join("%r" % v.v for v in x.data) if x.shape else "%r" % x.data[0].v for x in values)


def compare_call(case, library, program, name, shapes, rng, tally):
    """The first difference of each kind in a function, over some batch sizes."""
    out = {}
    pool = POOL if case.kind not in SLOW else 2 if library.precision is s.F64 else 1
    samples = case.samples(shapes, pool)
    inputs, outputs = program.build(name, samples[0])
    wanted = [[program.ctx.get(o) for o in outputs]] + [program.run(inputs, outputs, x) for x in samples[1:]]
    for n in rng.sample(generate.BATCHES, 2) + [1]:
        shift = rng.randrange(pool)
        got = library.call(name, [samples[(k + shift) % pool] for k in range(n)])
        for k in range(n):
            at = (k + shift) % pool
            for j, (want, node, have) in enumerate(zip(wanted[at], outputs, got[k])):
                for i, (w, h) in enumerate(zip(want.data, have)):
                    what = wrong(h, s.base(w), node.derived, tally)
                    if what and what not in out:
                        out[what] = Difference(case, what, "%s of %s, output %d element %d, batch %d sample %d at %s: %r, should be %r within %.2g"
                                               % (name, library.precision.name, j, i, n, k, show(samples[at]), h, s.base(w).v,
                                                  ALLOWED * s.base(w).e * s.now.u))
    return list(out.values())


def check_case(case, libraries, tally):
    """All differences of a case; `libraries` are its compiled forms, one for each precision."""
    out = []
    for library in libraries:
        s.set_precision(library.precision)
        rng = random.Random("%s batches" % case.seed)
        try:
            program = interp.Program(case.text)
        except syntax.Problem as e:
            return [Difference(case, "reference", "cannot do it: %s" % e)]
        for name, shapes in case.calls:
            if name not in library.functions:
                out.append(Difference(case, "missing", "`%s` is not in the library" % name))
                continue
            try:
                out += compare_call(case, library, program, name, shapes, rng, tally)
            except (syntax.Problem, ValueError) as e:
                out.append(Difference(case, "reference", "cannot do `%s`: %s" % (name, e)))
        if case.train:
            out += training.compare(case, library, program, rng, tally, wrong, Difference)
    tally.cases += 1
    return out


def check_run(hnnc, case, folder, tally):
    """A case of kind `runs`: reports against the reference, one thread against two to the last bit."""
    tally.cases += 1
    return [d for p in (s.F32, s.F64) for d in whole_run.compare(hnnc, case, p, folder, tally, wrong, Difference)]


def compiled(hnnc, text, folder):
    return [native.Library(hnnc, text, p, folder) for p in (s.F32, s.F64)]
