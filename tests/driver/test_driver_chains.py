#!/usr/bin/env python3
"""Loops that run, held to exact answers: test_driver_chains.py HNNC [TEST...].

Markov chains to sums over states and integrals (within four standard errors; seeds are fixed, so a test passes always or never),
recurrences to the same recurrence in Python, gradients through a thousand turns to closed forms."""
import math
import os
import struct
import subprocess
import sys
import zipfile

from driver_util import check, environment, HNNC, hnnc, load, main, write

ISING = """\
const L = 4
const beta = 0.4
const sweeps = 300
const black = [[mod(i + j, 2) for j in 0:L] for i in 0:L]
fn neighbours(s: real[L, L]) = roll(s, 1) + roll(s, -1) + roll(s, 1, axis = 1) + roll(s, -1, axis = 1)
fn energy(s: real[L, L]) = -sum(s*(roll(s, 1) + roll(s, 1, axis = 1)))
data chain {
  fn half(s: real[L, L], mask: real[L, L]) = where(uniform(0, 1, [L, L]) < mask*exp(-2*beta*s*neighbours(s)), -s, s)
  fn sweep(s: real[L, L]) = half(half(s, black), 1 - black)
  let s = iterate(sweep, sign(uniform(-1, 1, [L, L])), steps = sweeps)
  yield s = s[-1]
}
use ensemble = chain(count = 4000, seed = 1)
report E = energy(s) on ensemble
"""


def report(name="r", run="run"):
    return load(run + "/reports.json")["reports"][name]


def run(text, *more, name="m.hnn", **options):
    write(name, text)
    return hnnc("run", name, "--out", "run", "-q", *more, **options)


def agrees(r, exact, errors=4):
    error = r["sd"]/math.sqrt(r["n"])
    check(abs(r["mean"] - exact) < errors*error, "%g is %.1f standard errors away from %g" % (r["mean"], (r["mean"] - exact)/error, exact))


def log_z(L, K):
    """Of the Ising model on an L x L torus. B. Kaufman, Phys. Rev. 76, 1232 (1949)."""
    def gamma(k):
        return math.acosh(math.cosh(2*K)**2/math.sinh(2*K) - math.cos(math.pi*k/L)) if k else 2*K + math.log(math.tanh(K))

    def product(f, first):
        return math.prod(2*f(L*gamma(k)/2) for k in range(first, 2*L, 2))
    z = product(math.cosh, 1) + product(math.sinh, 1) + product(math.cosh, 0) + product(math.sinh, 0)
    return L*L/2*math.log(2*math.sinh(2*K)) + math.log(z/2)


def ising_energy(L, K):
    """-d log Z/dK, by Richardson's extrapolation of differences."""
    def slope(h):
        return (log_z(L, K + h) - log_z(L, K - h))/(2*h)
    return -(4*slope(5e-5) - slope(1e-4))/3


def test_ising_of_sixteen_spins():
    check(abs(ising_energy(4, 0.4) + 22.065864) < 1e-6, "Kaufman's formula is not the sum over 2^16 states")
    run(ISING)
    agrees(report("E"), ising_energy(4, 0.4))


def test_ising_of_sixty_four_spins():
    for beta in 0.3, 0.4, 0.5:
        run(ISING.replace("4000", "1500"), "L=8", "beta=%g" % beta)
        agrees(report("E"), ising_energy(8, beta))


def ring_r2():
    """<r^2> of exp(-(r - 2)^2/0.32) in the plane, by the midpoint rule."""
    rs = [(k + 0.5)*1e-3 for k in range(6000)]
    w = [r*math.exp(-(r - 2)**2/0.32) for r in rs]
    return sum(r*r*x for r, x in zip(rs, w))/sum(w)


def test_hybrid_monte_carlo():
    run("""\
hamiltonian H(q: real[2], p: real[2]) = (norm(q) - 2)^2/0.32 + dot(p, p)/2
data chain {
  fn step(q: real[2], accepted: real) {
    let p = normal(0, 1, 2)
    let (qs, ps) = trajectory(H, q, p, dt = 0.15, steps = 10, every = 10, method = leapfrog)
    let yes = uniform() < exp(H(q, p) - H(qs[-1], ps[-1]))
    return (where(yes, qs[-1], q), accepted + where(yes, 1, 0))
  }
  let (q, accepted) = iterate(step, 2*normal(0, 1, 2), 0, steps = 600)
  yield q = q[100:], accepted = accepted[-1]/600
}
use chains = chain(count = 200, seed = 1)
report r = mean([dot(q[k], q[k]) for k in 0:501]) on chains
report accepted = accepted on chains
""")
    check(abs(ring_r2() - 4.480) < 1e-3, "the integral is %g" % ring_r2())
    agrees(report(), ring_r2())
    check(0.8 < report("accepted")["mean"] < 1, "accepted", report("accepted"))


def test_ornstein_uhlenbeck():
    """Of Euler and Maruyama's steps, x -> x - h x + sqrt(2 h) z: the variance is 1/(1 - h/2)."""
    h = 0.1
    run("""\
const h = 0.1
data by_iterate {
  fn step(x: real) = x - h*x + sqrt(2*h)*normal()
  yield x = iterate(step, 0, steps = 200)[-1]
}
data by_integrate {
  fn rate(x: real) = -x + sqrt(2/h)*normal()
  yield x = integrate(rate, 0, dt = h, steps = 200, method = euler)[-1]
}
use a = by_iterate(count = 20000)
use b = by_integrate(count = 20000)
report r = x^2 on a
report s = x^2 on b
""")
    agrees(report("r"), 1/(1 - h/2))
    agrees(report("s"), 1/(1 - h/2))


def test_a_million_turns():
    """x - x^2 creeps towards 0 as 1/n; the logistic map at 3.9 is chaotic, and stays in its interval."""
    text = "fn f(x: real) = %s\ndata d { yield x = iterate(f, 0.5, steps = 1000000)[-1] }\nuse one = d(count = 1)\nreport r = x on one\n"
    run(text % "x - x^2")
    x = 0.5
    for _ in range(1000000):
        x = x - x**2
    check(abs(report()["mean"]/x - 1) < 1e-9, "%r, not %r" % (report()["mean"], x))
    run(text % "3.9*x*(1 - x)")
    check(3.9*0.975*0.025 < report()["mean"] < 0.975, "the map leaves its interval", report())


def test_gradients_through_a_thousand_turns():
    run("""\
fn grow(a: real) { fn f(x: real) = a*x; return iterate(f, 1, steps = 1000)[-1] }
fn turn(a: real) {
  fn f(x: real, y: real) = (cos(a)*x - sin(a)*y, sin(a)*x + cos(a)*y)
  let (x, y) = iterate(f, 1, 0, steps = 1000)
  return x[-1]
}
fn rate(x: real) { fn f(x: real) = x - x^2/1000; let y = iterate(f, x, steps = 1000)[-1]; return (y, grad(y, x)) }
report r = { let a = 1.001; return grad(grow(a), a) }
report s = { let a = 1.001; return grad(grad(grow(a), a), a) }
report t = { let a = 0.01; return grad(turn(a), a) }
report value = { let (y, g) = rate(0.5); return y }
report slope = { let (y, g) = rate(0.5); return g }
""")
    x, slope = 0.5, 1
    for _ in range(1000):
        slope, x = slope*(1 - x/500), x - x*x/1000
    for name, exact in (("r", 1000*1.001**999), ("s", 1000*999*1.001**998), ("t", -1000*math.sin(10)), ("value", x), ("slope", slope)):
        check(abs(report(name)["mean"]/exact - 1) < 1e-11, "%s: %r, not %r" % (name, report(name)["mean"], exact))


CHAIN = """\
data chain {
  fn step(x: real[3], t: real) = x + uniform(-1, 1, 3) + normal()*t/100
  let x = iterate(step, zeros(3), steps = 50)
  yield x
}
use some = chain(count = COUNT, seed = 3)
save kept = { x = x } on some
"""


def first_samples(count, *more):
    run(CHAIN.replace("COUNT", str(count)), *more)
    with zipfile.ZipFile("run/arrays/kept.npz") as z:
        data = z.read("x.npy")
    return data[10 + int.from_bytes(data[8:10], "little"):][:20*51*3*8]


def test_draws_do_not_depend_on_threads_or_count():
    want = first_samples(20)
    for count, threads in (20, 2), (100, 1), (1000, 2), (77, 2):
        check(first_samples(count, "--threads", str(threads)) == want, "the first 20 of %d chains on %d threads differ" % (count, threads))


# Twelve turns of x + normal(), written as loops in loops: the body of a data or a loss whose last value is the walk at some of them.
FLAT = "fn w(x: real) = x + normal(); let t = iterate(w, 0, steps = 12%s)"
NESTED = {
    "two": "fn w(x: real) = x + normal(); fn o(x: real) = iterate(w, x, steps = 3)[-1]; let t = iterate(o, 0, steps = 4)",
    "two_counted": "fn w(x: real) = x + normal(); fn o(x: real, k: real) = iterate(w, x, steps = 3)[-1]; let t = iterate(o, 0, steps = 4)",
    "both_counted": "fn w(x: real, j: real) = x + normal(); fn o(x: real, k: real) = iterate(w, x, steps = 3)[-1]; let t = iterate(o, 0, steps = 4)",
    "inner_counted": "fn w(x: real, j: real) = x + normal(); fn o(x: real) = iterate(w, x, steps = 3)[-1]; let t = iterate(o, 0, steps = 4)",
    "inner_every": "fn w(x: real) = x + normal(); fn o(x: real) = iterate(w, x, steps = 3, every = 3)[-1]; let t = iterate(o, 0, steps = 4)",
    "outer_every": "fn w(x: real) = x + normal(); fn o(x: real) = iterate(w, x, steps = 2)[-1]; let t = iterate(o, 0, steps = 6, every = 3)",
    "three": """fn w(x: real) = x + normal(); fn o(x: real) = iterate(w, x, steps = 2)[-1]
  fn p(x: real) = iterate(o, x, steps = 3)[-1]; let t = iterate(p, 0, steps = 2)""",
    "three_within": """fn p(x: real) {
    fn o(x: real) { fn w(x: real) = x + normal(); return iterate(w, x, steps = 2)[-1] }
    return iterate(o, x, steps = 3)[-1]
  }
  let t = iterate(p, 0, steps = 2)""",
    "of_the_file": "let t = iterate(file_outer, 0, steps = 4)",
    "comprehension_within": "fn o(x: real) = x + sum([normal() for i in 0:3]); let t = iterate(o, 0, steps = 4)",
    "loops_in_comprehension": """fn w(x: real) = x + normal()
  fn o(x: real) = x + sum([iterate(w, 0, steps = 2)[-1] for i in 0:3]); let t = iterate(o, 0, steps = 2)""",
    "integrate_within": "fn w(x: real) = normal(); fn o(x: real) = integrate(w, x, dt = 1, steps = 3, method = euler)[-1]; let t = iterate(o, 0, steps = 4)",
    "integrate_around": "fn w(x: real) = x + normal(); fn o(x: real) = iterate(w, 0, steps = 3)[-1]; let t = integrate(o, 0, dt = 1, steps = 4, method = euler)",
}
FILE = "fn file_walk(x: real) = x + normal()\nfn file_outer(x: real) = iterate(file_walk, x, steps = 3)[-1]\n"


def test_draws_of_loops_in_loops_are_those_of_one_loop():
    text, names = "precision f64\n" + FILE, {"flat": FLAT % ""} | NESTED
    for name, body in names.items():
        text += "data d_%s {\n  %s\n  yield t = t\n}\nuse u_%s = d_%s(count = 7, seed = 5)\nsave s_%s = { t = t } on u_%s\n" % ((name, body) + (name,)*4)
    kept = []
    for threads in "1", "3":
        run(text, "--threads", threads)
        kept.append({name: array("s_%s" % name) for name in names})
    check(kept[0] == kept[1], "draws depend on threads")
    flat = kept[0]["flat"]
    check(len(set(flat)) == 7*12 + 1, "draws of a loop are alike", flat)
    for name in NESTED:
        have = kept[0][name]
        n = len(have)//7
        want = [flat[13*k + 12//(n - 1)*i] for k in range(7) for i in range(n)]
        check(all(abs(a - b) < 1e-12 for a, b in zip(have, want)), name, have, want)


def test_draws_of_loops_in_loops_of_a_loss():
    """A training that sees the same draws ends at the same parameter."""
    ends = {}
    for name, body in [("flat", FLAT % ", every = 12"), *NESTED.items()]:
        text = "precision f64\n" + FILE + """\
data d { yield x = normal() }
use some = d(count = 40)
net f(x: real) { param a: real = 1; return a*x }
loss l(x) {
  %s
  return (f(x) - t[-1])^2
}
train l on some { optimizer = sgd(lr = 1e-2); batch = 10; steps = 20 }
report r = f(1)
""" % body
        for threads in "1", "2":
            run(text, "--threads", threads)
            ends[name] = report()["mean"]
            check(abs(ends[name] - ends["flat"]) < 1e-12, "%s on %s threads: %r, not %r" % (name, threads, ends[name], ends["flat"]))
    check(abs(ends["flat"] - 1) > 1e-3, "nothing was trained", ends)


def test_what_is_first_read_in_a_body_that_is_taken_back():
    """A carry that turns out to be per sample has its body elaborated anew: inputs that were made for it are made anew."""
    run("""\
data d { yield x = normal(), z = 2 + normal() }
use some = d(count = 9)
report m = mean(x) on some
fn by_report(x: real, m: real) { fn w(y: real) = y + x + m; return iterate(w, 0, steps = 2)[-1] - 2*x - 2*m }
fn deep(x: real, m: real) {
  fn w(y: real) = y + x + m
  fn o(y: real) = iterate(w, y, steps = 2)[-1]
  return iterate(o, 0, steps = 3)[-1] - 6*x - 6*m
}
report r = by_report(x, m) on some
report s = deep(x, m) on some
report t = deep(x, z) on some
""")
    for name in "rst":
        check(abs(report(name)["max"]) + abs(report(name)["min"]) < 1e-12, name, report(name))


def array(name, key="t", run="run"):
    """The f64 elements of what `save` wrote."""
    with zipfile.ZipFile("%s/arrays/%s.npz" % (run, name)) as z:
        data = z.read(key + ".npy")[10:]
    data = data[data.index(b"\n") + 1:]
    return struct.unpack("<%dd" % (len(data)//8), data)


def peak(*args):
    p = subprocess.Popen([HNNC, *args], env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    code, usage = os.wait4(p.pid, 0)[1:]
    check(code == 0, "%s ended with %d" % (" ".join(args), code))
    return usage.ru_maxrss


def test_memory_of_a_chain_is_one_state():
    text = """\
data chain {
  fn step(x: real[1000]) = 0.9*x + normal(0, 0.1, 1000)
  yield x = mean(iterate(step, zeros(1000), steps = STEPS)[-1])
}
use some = chain(count = 64)
report r = x on some
"""
    used = []
    for steps in 4, 4000:
        write("m%d.hnn" % steps, text.replace("STEPS", str(steps)))
        used.append(peak("run", "m%d.hnn" % steps, "--out", "run", "-q", "--threads", "1"))
    check(used[1] < used[0] + 8000, "%d kB for 4 turns, %d kB for 4000, whose states are 2 GB" % tuple(used))


def test_as_many_instructions_for_any_number_of_turns():
    def text(n):
        return "fn f(x: real[4], t: real) = tanh(x) + 0.1*t\nfn g(x: real[4]) = iterate(f, x, steps = %d, every = %d)\nfn d(x: real[4]) = grad(sum(g(x)[-1]), x)\n" % (n, n // 10)
    def listing(n):
        write("m.hnn", text(n))
        return len(hnnc("compile", "m.hnn", "--emit=llvm").out.splitlines())
    check(listing(1000000) < 1.5*listing(1000), "the code grows with the turns")


if __name__ == "__main__":
    sys.exit(main(globals()))
