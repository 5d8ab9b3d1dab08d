#!/usr/bin/env python3
"""Times that are known when the program runs, of each sample its own: methods of fixed steps and adaptive ones.

test_driver_times.py HNNC [TEST...]."""
import math

from driver_util import check, hnnc, main, write


TIMES = """\
precision f64
net k() { param w2: real = 1.5; return w2 }
hamiltonian H(q: real, p: real) = p^2/2 + k()*q^2/2
data seen = read("g.csv", trial, t, q = x, window = 4, group = trial)
fn at(t: real[4]) { let (q, p) = trajectory(H, cos(t[0]), -sin(t[0]), times = t, method = yoshida6, substeps = 3); return q }
loss fit(t, q) = sum((at(t) - q)^2)
train fit on seen { optimizer = lbfgs(), batch = all, steps = 60 }
report w2 = k()
report off = maxabs(at(t) - q) on seen
expect abs(w2 - 1) < 1e-6 and max(off) < 1e-5
"""


def test_times_from_a_file():
    """Times of each sample, rising in one and falling in the other, and a parameter that is learned through them; NaN where they do neither."""
    def rows(trials):
        return "trial,t,x\n" + "".join("%d,%r,%r\n" % (i, t, math.cos(t)) for i, trial in enumerate(trials) for t in trial)
    write("m.hnn", TIMES)
    write("g.csv", rows([[0, 0.2, 0.7, 1.1], [2, 1.75, 1.75, 1.2], [-1, -0.5, 0.1, 0.2]]))
    hnnc("run", "m.hnn", "--out", "r", "-q")
    write("g.csv", rows([[0, 0.2, 0.7, 1.1], [2, 1.75, 1.8, 1.2]]))
    hnnc("run", "m.hnn", "--out", "s", code=None,
         says=["error[not_finite]", "the times of `yoshida6`, from 2 on, are not finite, or not in order"])


ADAPTIVE = """\
precision PRECISION
net k() { param w2: real = 1.5; return w2 }
hamiltonian H(w2: real)(q: real, p: real) = p^2/2 + w2*q^2/2
fn start(w: real, t: real) = (cos(w*t), -w*sin(w*t))
fn at(w: real, t: real[9]) { let (q, p) = trajectory(H(w^2), start(w, t[0]), times = t, method = METHOD(rtol = TIGHT)); return q }
fn loose(w: real, t: real[9]) { let (q, p) = trajectory(H(w^2), start(w, t[0]), times = t, method = METHOD(rtol = 1e-3)); return q }
fn fixed(w: real, t: real[9]) { let (q, p) = trajectory(H(w^2), start(w, t[0]), times = t, method = yoshida8, substeps = 60); return q }
fn learned(t: real[9]) { let (q, p) = trajectory(H(k()), start(sqrt(1.5), t[0]), times = t, method = METHOD(rtol = TIGHT)); return q }
fn rate(x: real, t: real) = cos(3*t)*x
data seen {
  let w = uniform(0.5, 3)
  let way = where(uniform(-1, 1) > 0, 1, -1)
  let gap = uniform(0.01, 2, [9])
  let t = uniform(-5, 5) + way*cumsum([gap[k]*(k - 3)*(k - 5)/15 for k in 0:9]^2)
  let (q, p) = trajectory(H(w^2), start(w, t[0]), times = t, method = METHOD(rtol = 1e-11))
  yield t, w, q, p, way, x = integrate(rate, exp(sin(3*t[0])/3), times = t, method = METHOD(rtol = 1e-11)),
    still = integrate(rate, w, times = [t[0] for k in 0:4], method = METHOD)
}
use obs = seen(count = 77)
report made = maxabs(q - cos(w*t)) + maxabs(p + w*sin(w*t)) on obs
report timed = maxabs(x - exp(sin(3*t)/3)) on obs
report off = maxabs(at(w, t) - cos(w*t)) on obs
report wide = maxabs(loose(w, t) - cos(w*t)) on obs
report steps = maxabs(at(w, t) - fixed(w, t)) on obs
report taught = maxabs(learned(t) - cos(sqrt(1.5)*t)) on obs
report equal = maxabs(still - w) + abs(t[3] - t[2]) + abs(q[3] - q[2]) + abs(q[5] - q[4]) on obs
report ways = way on obs
expect max(made) < MADE and max(timed) < MADE and max(off) < BOUND and max(steps) < BOUND and max(taught) < BOUND
expect max(wide) < 0.1 and max(wide) > 10*BOUND and max(equal) == 0 and max(ways) == 1 and min(ways) == -1
"""


def test_times_of_samples_by_adaptive_methods():
    """Against closed forms and fixed steps, in data, in reports and with parameters; each tolerance is kept, and none without need."""
    for method in "dopri5", "dop853":
        for precision, tight, bound, made in (("f64", "1e-10", "1e-8", "1e-9"), ("f32", "1e-6", "1e-4", "1e-5")):
            text = ADAPTIVE
            for name, value in ("PRECISION", precision), ("METHOD", method), ("TIGHT", tight), ("BOUND", bound), ("MADE", made):
                text = text.replace(name, value)
            write("a.hnn", text)
            hnnc("run", "a.hnn", "--out", "a_%s_%s" % (method, precision), "-q")


LOST = """\
precision f64
hamiltonian H(q: real, p: real) = p^2/2 + q^2/2
data seen = read("g.csv", missing = nan, trial, t, x, window = 4, group = trial)
fn at(t: real[4]) { let (q, p) = trajectory(H, 1, 0, times = t, method = METHOD); return q }
report lost = sum(where(abs(at(t) - cos(t - t[0])) < 1e-3, 0, 1))*10^trial[0] on seen
expect sum(lost) == 4*10^1 + 4*10^3 + 4*10^4
"""


def test_times_that_are_lost():
    """Methods of both kinds alike: a sample with a gap in its times, or with some out of order, is NaN at all of them, and the others are not."""
    trials = "0 1 2 3", "0 1  3", "3 2 1 1", "0 2 1 3", " 1 2 3", "2 2 2 2"
    write("g.csv", "trial,t,x\n" + "".join("%d,%s,1\n" % (k, t) for k, trial in enumerate(trials) for t in trial.split(" ")))
    for name, method in ("rk4", "rk4, substeps = 20"), ("dopri5", "dopri5"), ("dop853", "dop853(rtol = 1e-9)"):
        text = LOST.replace("METHOD", method)
        write("m.hnn", text)
        hnnc("run", "m.hnn", "--out", "l_" + name, "-q")
        write("m.hnn", text + "report all = at(t) on seen\n")
        hnnc("run", "m.hnn", "--out", "gap_" + name, code=None,
             says=["error[not_finite]", "the times of `rk4`, from 0 on" if name == "rk4" else "it is a gap in the data"])
        write("m.hnn", text + "report all = at(where(t_mask > 0, t, 0)) on seen\n")
        hnnc("run", "m.hnn", "--out", "lost_" + name, code=None,
             says=["error[not_finite]", "the times of `%s`, from 0 on, are not finite, or not in order" % name])


def test_what_is_to_blame():
    """A gap in the times of one sample is not what another fails by."""
    write("g.csv", "trial,t,x\n" + "".join("%d,%s,1\n" % (k, t) for k, trial in enumerate(("0 1 2 3", "0  1 2")) for t in trial.split(" ")))
    write("m.hnn", "precision f64\nfn rate(x: real) = x^2\n"
                   'data seen = read("g.csv", missing = nan, trial, t, x, window = 4, group = trial)\n'
                   "report r = where(t_mask[1] > 0, integrate(rate, 1, times = t, method = dopri5)[3], 0) on seen\n")
    hnnc("run", "m.hnn", "--out", "blame", code=None, says=["error[not_finite]", "the step size of `dopri5` fell below rounding at t = 1"])


def test_rates_that_end():
    """Where steps become small because rates are not finite beyond a time, what made them so is told; else the step."""
    small = "fell below rounding"
    for rate, says in (("u[floor(t)] - x", ["the index 4 is out of range for an axis of 4", small]), ("log(2 - t) - x", ["`log` gave nan: log(-", small]),
                       ("sqrt(1 - x)", ["`sqrt` gave nan", small]), ("x^2", ["the step size of `dop853` fell below rounding at t = "])):
        write("m.hnn", "precision f64\nconst u = [0, 1, 0, 1]\nfn rate(x: real, t: real) = %s\n"
                       "report r = integrate(rate, 0.5, times = [0, 1, 4.5], method = dop853(rtol = 1e-9))[2]\n" % rate)
        err = hnnc("run", "m.hnn", "-q", code=3, says=["error[not_finite]", *says]).err
        check(("the step size of" in err) == (rate == "x^2"), rate, err)


def test_wild_times_of_data():
    """A data program whose times are out of order says so, whatever comes of the trajectory."""
    for method in "rk4", "dopri5":
        write("m.hnn", "precision f64\nfn f(x: real, t: real) = t\ndata d {\n  let t = uniform(2, 3, [5])\n"
                       "  let x = integrate(f, 0, times = t, method = %s)\n  yield y = where(x[4] > 0, 1, 0)\n}\n"
                       "use made = d(count = 40)\nreport r = y on made\n" % method)
        hnnc("run", "m.hnn", "--out", "w_" + method, code=None,
             says=["error[not_finite]", "the times of `%s`, from 2." % method, "are not finite, or not in order"])


def test_steps_used_up():
    """What is said is true of the method that was used."""
    for method in "dopri5", "tsit5", "dop853", "gauss16", "taylor":
        write("used.hnn", "precision f64\nfn f(x: real, t: real) = cos(50*t) - x\n"
              "report r = integrate(f, 1, dt = 100, steps = 2, method = %s(rtol = 1e-9, max_steps = 3))[-1]\n" % method)
        r = hnnc("run", "used.hnn", "-q", "-o", "used", code=None, says=["`%s` used up its `max_steps` = 3" % method, "help: raise it in the options of the method, `max_steps = 10^7`"])
        check(r.code and (method == "dopri5" or "dopri5" not in r.out + r.err), method, r)


def test_record_full():
    """More steps than the record of a gradient holds are no matter of `max_steps`; where that is small, it is told of."""
    for most, says in ("10^8", ["the record of the steps of `tsit5`, which its gradient needs, is full at t = ", "it has room for 32768 of this state", "`max_steps` does not change that"]), (
            "50", ["`tsit5` used up its `max_steps` = 50 at t = ", "help: raise it"]):
        write("full.hnn", "precision f64\nfn f(x: real) = -100*x\n"
              "fn g(x: real) = grad(integrate(f, x, times = [0, 2000], method = tsit5(max_steps = %s))[-1], x)\nreport r = g(1)\n" % most)
        hnnc("run", "full.hnn", "-q", "-o", "full", code=None, says=says)


def test_second_derivatives():
    """Forwards over backwards, however they are written: x'' = -k x^3 by its value at 1, to differences."""
    write("second.hnn", """\
precision f64
fn end(k: real) {
  fn law(x: real, v: real) = (v, -k*x^3)
  let (x, v) = integrate(law, 1, 0, times = [0, 1.5], method = METHOD)
  return x[-1]
}
fn slope(k: real) = grad(end(k), k)
fn hess_of(k: real) = hess(end(k), k)
fn twice(k: real) = { let g = grad(end(k), k)
  return grad(g, k) }
fn three(c: real[3]) = { let g = grad(end(dot(c, c)), c)
  return grad(dot(g, g), c) }
report a = hess_of(1.1) - (slope(1.1001) - slope(1.0999))/2e-4
report b = twice(1.1) - hess_of(1.1)
report c = three([1, 0.2, 0.1])[1] - 8*slope(1.05)*0.2*(slope(1.05) + 2*1.05*hess_of(1.05))
""")
    for method in "tsit5(1e-10)", "dop853(1e-12)", "gauss16(1e-12)":
        write("second_m.hnn", open("second.hnn").read().replace("METHOD", method))
        r = hnnc("run", "second_m.hnn", "-q", "-o", "second_" + method[:5])
        values = [float(x.split()[-1]) for x in r.out.splitlines() if x.startswith("report")]
        check(len(values) == 3 and abs(values[0]) < 1e-5 and abs(values[1]) < 1e-12 and abs(values[2]) < 1e-9, method, r)


TESTS = {k: v for k, v in globals().items() if k.startswith("test_")}
raise SystemExit(main(TESTS))
