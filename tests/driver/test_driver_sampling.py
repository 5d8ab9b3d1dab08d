#!/usr/bin/env python3
"""std/sampling, held to exact answers: test_driver_sampling.py HNNC [TEST...].

Chains that begin with a draw of their density must keep it: moments lie within four standard errors of it (seeds are fixed, so a test
passes always or never). Acceptances are compared with integrals, spins with sums over states, statistics with their formulas in Python."""
import bisect
import itertools
import math
import os
import statistics
import struct
import sys
import zipfile

from driver_util import check, hnnc, load, main, write

HEAD = 'precision f64\nimport "std/sampling"\n'


def run(text, *more, name="m.hnn", **options):
    write(name, HEAD + text)
    return hnnc("run", name, "--out", "run", "-q", *more, **options)


def report(name):
    return load("run/reports.json")["reports"][name]


def agrees(name, exact, errors=4):
    r = report(name)
    mean, sd = (x if isinstance(x, list) else [x] for x in (r["mean"], r["sd"]))
    exact = exact if isinstance(exact, list) else [exact]*len(mean)
    for m, s, x in zip(mean, sd, exact):
        error = s/math.sqrt(r["n"])
        check(abs(m - x) < errors*error, "%s: %g is %.1f standard errors away from %g" % (name, m, (m - x)/error, x))


def array(name, key):
    """The numbers of a saved array, row-major."""
    with zipfile.ZipFile("run/arrays/%s.npz" % name) as z:
        data = z.read(key + ".npy")
    data = data[10 + int.from_bytes(data[8:10], "little"):]
    return list(struct.unpack("<%dd" % (len(data)//8), data))


def normal_mean(f, n=400):
    """<f(x, z)> over two independent standard normal numbers, by the midpoint rule."""
    xs = [(k + 0.5)*16/n - 8 for k in range(n)]
    w = [math.exp(-x*x/2) for x in xs]
    return sum(a*b*f(x, z) for x, a in zip(xs, w) for z, b in zip(xs, w))/sum(w)**2


# ---- transitions ----

def test_metropolis_keeps_a_density():
    """Of numbers, vectors and matrices. The share accepted of normal steps of size s in a normal density is 2/pi atan(2/s)."""
    run("""\
fn log_p(x) = -sum(x^2)/2
data chains {
  fn move(x) = metropolis(log_p, x, 1.5)
  let (x, a) = markov_chain(move, normal(), steps = 20)
  let (y, _) = markov_chain(move, normal(0, 1, 3), steps = 20)
  let (z, _) = markov_chain(move, normal(0, 1, [2, 2]), steps = 20)
  yield x = x[-1], a, y = y[-1], z = z[-1]
}
use some = chains(count = 20000, seed = 1)
report a = a on some
report x2 = x^2 on some
report x4 = x^4 on some
report y2 = [y[0]^2, y[1]^2, y[2]^2, y[0]*y[1]] on some
report z2 = [z[0, 0]^2, z[1, 1]^2, z[0, 1]*z[1, 0]] on some
""")
    agrees("a", 2/math.pi*math.atan(2/1.5))
    agrees("x2", 1)
    agrees("x4", 3)
    agrees("y2", [1, 1, 1, 0])
    agrees("z2", [1, 1, 0])


def langevin_accepts(h):
    def share(x, z):
        y = x - h*x + math.sqrt(2*h)*z
        log = (x*x - y*y)/2 - ((x - y + h*y)**2 - (y - x + h*x)**2)/(4*h)
        return min(1, math.exp(log))
    return normal_mean(share)


def test_langevin_keeps_a_density():
    """Without the acceptance the variance at h = 0.8 would be 1/(1 - h/2) = 1.67. Quartic: <x^2> = 2 Gamma(3/4)/Gamma(1/4)."""
    run("""\
fn log_p(x) = -sum(x^2)/2
fn quartic(x: real) = -x^4/4
data chains {
  fn move(x) = langevin(log_p, x, 0.8)
  let (x, a) = markov_chain(move, normal(), steps = 20)
  let (y, _) = markov_chain(move, normal(0, 1, 3), steps = 20)
  fn other(x) = langevin(quartic, x, 0.1)
  let (q, _) = markov_chain(other, uniform(-1, 1), steps = 200)
  yield x = x[-1], a, y = y[-1], q = q[-1]
}
use some = chains(count = 20000, seed = 1)
report a = a on some
report x2 = x^2 on some
report x4 = x^4 on some
report y2 = [y[0]^2, y[1]^2, y[0]*y[1]] on some
report q2 = q^2 on some
report q4 = q^4 on some
""")
    agrees("a", langevin_accepts(0.8))
    agrees("x2", 1)
    agrees("x4", 3)
    agrees("y2", [1, 1, 0])
    agrees("q2", 2*math.gamma(0.75)/math.gamma(0.25))
    agrees("q4", 1)


def hmc_accepts(h, steps):
    def share(q, p):
        x, y = q, p
        for _ in range(steps):
            x += h/2*y
            y -= h*x
            x += h/2*y
        return min(1, math.exp((q*q + p*p - x*x - y*y)/2))
    return normal_mean(share)


def test_hmc_keeps_a_density():
    """Also where momenta have masses, and where T is none of theirs: that costs acceptance, not truth."""
    run("""\
hamiltonian H(q: real, p: real) = q^2/2 + p^2/2
hamiltonian V(q: real[3], p: real[3]) = sum(q^4)/4 + q[0]*q[1] + dot(p, p)/2
const m = [1, 4, 0.25]
hamiltonian M(q: real[3], p: real[3]) = (q[0]^2 + 4*q[1]^2 + q[2]^2/4)/2 + sum(p^2/m)/2
hamiltonian odd(q: real, p: real) = q^2/2 + p^4/8 + p^2/4
data chains {
  fn move(q) = hmc(H, q, 3, 1.2)
  let (x, a) = markov_chain(move, normal(), steps = 20)
  fn turn(q) = hmc(M, q, 5, 0.3, mass = m)
  let (y, b) = markov_chain(turn, normal(0, [1, 0.5, 2]), steps = 20)
  fn other(q) = hmc(odd, q, 4, 0.5)
  let (z, _) = markov_chain(other, normal(), steps = 20)
  yield x = x[-1], a, y = y[-1], b, z = z[-1]
}
use some = chains(count = 20000, seed = 1)
report a = a on some
report b = b on some
report x2 = x^2 on some
report x4 = x^4 on some
report y2 = [y[0]^2, y[1]^2, y[2]^2, y[0]*y[1]] on some
report z2 = [z^2, z^4] on some
""")
    agrees("a", hmc_accepts(1.2, 3))
    check(report("b")["mean"] > 0.98, "every mode has the same frequency", report("b"))
    agrees("x2", 1)
    agrees("x4", 3)
    agrees("y2", [1, 0.25, 4, 0])
    agrees("z2", [1, 3])


def test_proposals_of_hmc_are_proved():
    text = """\
hamiltonian H(q: real[4], p: real[4]) = sum(q^4)/4 + sum((roll(q, 1) - q)^2) + KINETIC
data chains {
  fn move(q) = hmc(H, q, 10, 0.1)
  let (x, _) = markov_chain(move, normal(0, 1, 4), steps = 3)
  yield x = x[-1]
}
use some = chains(count = 2)
report x = x on some
"""
    write("m.hnn", HEAD + text.replace("KINETIC", "dot(p, p)/2"))
    said = hnnc("check", "m.hnn").out
    for claim in "inverse clause in leapfrog_step", "symplectic flow leapfrog_step":
        check(any(line.startswith("proved") and claim in line for line in said.splitlines()), claim + " is not proved:\n" + said)
    write("m.hnn", HEAD + text.replace("KINETIC", "dot(p, p)/2 + p[0]^3"))
    said = hnnc("check", "m.hnn", code=1).err
    check("inverse_refuted" in said and "here, in `hmc`" in said and "hmc(H, q, 10, 0.1)" in said, "an odd T is refuted at its use:\n" + said)


def spins_exact(shape, beta, field):
    """<energy of bonds>, <mean spin> by enumeration."""
    sites = list(itertools.product(*[range(n) for n in shape]))
    number = {s: k for k, s in enumerate(sites)}
    bonds = [(number[s], number[tuple((x + (k == a)) % shape[a] for a, x in enumerate(s))]) for s in sites for k in range(len(shape))]
    z = e = m = 0
    for spin in itertools.product((-1, 1), repeat=len(sites)):
        b, total = sum(spin[i]*spin[j] for i, j in bonds), sum(spin)
        w = math.exp(beta*(b + field*total))
        z, e, m = z + w, e - w*b, m + w*total/len(sites)
    return e/z, m/z


def test_spins_of_any_lattice():
    """Sides even and odd, one axis to three."""
    for shape, beta, field in ((3, 4), 0.3, 0.2), ((3, 3), 0.4, 0), ((5,), 0.7, 0.1), ((2, 2, 3), 0.15, 0.3), ((4, 2), 0.3, 0):
        bonds = " + ".join("roll(s, 1, axis = %d)" % k for k in range(len(shape)))
        run("""\
data chains {
  fn sweep(s) = ising_sweep(s, %g, field = %g)
  yield s = iterate(sweep, sign(uniform(-1, 1, %s)), steps = 60)[-1]
}
use some = chains(count = 10000, seed = 2)
report e = -sum(s*(%s)) on some
report m = mean(s) on some
report spin = mean(s^2) on some
""" % (beta, field, list(shape), bonds))
        e, m = spins_exact(shape, beta, field)
        agrees("e", e)
        agrees("m", m)
        check(report("spin")["min"] == report("spin")["max"] == 1, "spins are 1 or -1")


# ---- tempering ----

def exchanges(a, b):
    """The share of exchanges between normal densities of precisions a and b."""
    return normal_mean(lambda x, y: min(1, math.exp((a - b)*(x*x/a - y*y/b)/2)))


def test_exchanges_keep_every_temperature():
    run("""\
const betas = [1, 0.5, 0.2, 0.1]
fn log_p(x) = -sum(x^2)/2
data chains {
  let start = [normal(0, 1/sqrt(b)) for b in betas]
  let (x, swaps) = exchange(log_p, start, betas)
  fn step(log_p, x, beta) = metropolis(log_p, x, 1/sqrt(beta))
  fn move(x) = tempering(step, log_p, x, betas)
  let (y, rate) = markov_chain(move, start, steps = 20)
  yield x, swaps, y = y[-1], rate
}
use some = chains(count = 20000, seed = 1)
report first = swaps[0] on some
report x2 = [x[k]^2 for k in 0:4] on some
report y2 = [y[k]^2 for k in 0:4] on some
report apart = [x[0]*x[1], x[1]*x[2], y[0]*y[3]] on some
report rate = rate on some
report inner = (x[1] - x[2])^2*swaps[1] on some
""")
    agrees("first", exchanges(1, 0.5))
    agrees("x2", [1, 2, 5, 10])
    agrees("y2", [1, 2, 5, 10])
    agrees("apart", [0, 0, 0])
    agrees("rate", (exchanges(1, 0.5) + exchanges(0.5, 0.2) + exchanges(0.2, 0.1))/3)
    check(report("inner")["mean"] > 0, "the pair in the middle is exchanged, too")


def test_tempering_crosses():
    """Two wells, two thirds of the mass in one: a chain at beta = 1 stays where it began."""
    run("""\
fn log_p(x: real) = logsumexp([log(2) - (x - 4)^2/0.5, -(x + 4)^2/0.5])
const betas = [1, 0.3, 0.1, 0.03]
data chains {
  fn step(log_p, x, beta) = langevin(log_p, x, 0.2/beta)
  fn move(x) = tempering(step, log_p, x, betas)
  let (x, _) = markov_chain(move, -4*ones(4), steps = 2000)
  fn alone(x) = langevin(log_p, x, 0.2)
  let (y, _) = markov_chain(alone, -4, steps = 2000)
  yield right = where(x[-1][0] > 0, 1, 0), alone = where(y[-1] > 0, 1, 0)
}
use some = chains(count = 3000, seed = 1)
report right = right on some
report alone = alone on some
""")
    agrees("right", 2/3)
    check(report("alone")["mean"] < 0.01, "without replicas no chain crosses", report("alone"))


# ---- warming up ----

def test_a_warm_up_reaches_its_target():
    """Whatever the size it begins with; the size is kept: it is one number for the chain."""
    for move, target in ("metropolis(log_p, x, size)", 0.3), ("langevin(log_p, x, size)", 0.574), ("hmc(H, x, 3, size*uniform(0.5, 1))", 0.8):
        run("""\
fn log_p(x) = -sum((w*x)^2)/2
const w = linspace(0.8, 1.6, 10)
hamiltonian H(q: real[10], p: real[10]) = sum((w*q)^2)/2 + dot(p, p)/2
data chains {
  fn move(size)(x) = MOVE
  let (x, size) = warm_up(move, normal(0, 1/w), 10^uniform(-2, 1), steps = 1000, target = TARGET)
  let (xs, accepted) = markov_chain(move(size), x, steps = 500)
  yield accepted, size, x2 = sum((w*xs[-1])^2)
}
use some = chains(count = 2000, seed = 1)
report accepted = accepted on some
report size = size on some
report x2 = x2 on some
""".replace("MOVE", move).replace("TARGET", str(target)))
        check(abs(report("accepted")["mean"] - target) < 0.03, "%s: accepted" % move, report("accepted"))
        check(report("size")["sd"] < 0.3*report("size")["mean"] and report("size")["min"] > 0, "%s: size" % move, report("size"))
        agrees("x2", 10)


# ---- statistics ----

def geyer(x):
    n, m = len(x), sum(x)/len(x)
    c = [v - m for v in x]
    rho = [sum(c[i]*c[i + t] for i in range(n - t)) for t in range(n)]
    total, least = 0, 2*rho[0]
    for k in range(n//2):
        least = max(min(rho[2*k] + rho[2*k + 1], least), 0)
        total += least
    return 2*total/rho[0] - 1


def split_r_hat(chains):
    half = len(chains[0])//2
    return scale_reduction([p for c in chains for p in (c[:half], c[len(c) - half:])])


def scale_reduction(parts):
    half = len(parts[0])
    means = [sum(p)/half for p in parts]
    within = sum(sum((x - m)**2 for x in p)/(half - 1) for p, m in zip(parts, means))/len(parts)
    centre = sum(means)/len(means)
    between = half*sum((m - centre)**2 for m in means)/(len(means) - 1)
    return math.sqrt((between/within + half - 1)/half)


def normal_scores(parts):
    every = sorted(x for p in parts for x in p)
    n, quantile = len(every), statistics.NormalDist().inv_cdf
    return [[quantile((bisect.bisect_left(every, x) + (every.count(x) + 1)/2 - 0.375)/(n + 0.25)) for x in p] for p in parts]


def r_hat_ranks(chains):
    half = len(chains[0])//2
    parts = [p for c in chains for p in (c[:half], c[len(c) - half:])]
    median = statistics.median(x for p in parts for x in p)
    folded = [[abs(x - median) for x in p] for p in parts]
    return max(scale_reduction(normal_scores(parts)), scale_reduction(normal_scores(folded)))


def test_r_hat_of_ranks():
    """Draws that repeat, as those of chains do, share ranks; chains of unequal widths are seen."""
    run("""\
data d {
  let z = normal(0, 1, [5, 31])
  let w = [where(k < 4, 1, 4)*floor(2*z[k])/2 for k in 0:5]
  yield z, w, rz = r_hat_ranks(z), rw = r_hat_ranks(w), plain = r_hat(w)
}
use some = d(count = 3, seed = 1)
save kept = { z = z, w = w, rz = rz, rw = rw } on some
report plain = plain on some
report wide = rw on some
report ends = normal_quantile([1e-6, 0.3, 0.5, 1 - 1e-3])
""")
    for key in "z", "w":
        a, r = array("kept", key), array("kept", "r" + key)
        for i in range(3):
            want = r_hat_ranks([a[155*i + 31*k:155*i + 31*(k + 1)] for k in range(5)])
            check(abs(r[i] - want) < 1e-9, "%s: %r, not %r" % (key, r[i], want))
    check(report("wide")["min"] > 1.08 > report("plain")["max"], "widths", load("run/reports.json"))
    for got, p in zip(report("ends")["mean"], (1e-6, 0.3, 0.5, 1 - 1e-3)):
        check(abs(got - statistics.NormalDist().inv_cdf(p)) < 1e-9, "the quantile of %g is %g" % (p, got))


def test_autocorrelation_times():
    """Of x -> a x + noise it is (1 + a)/(1 - a). Geyer's sum is above that by what its positive noise adds, in short chains more."""
    run("""\
data chains {
  let a = A
  fn step(x: real) = a*x + sqrt(1 - a^2)*normal()
  let x = iterate(step, normal(), steps = 2000)
  yield tau = autocorrelation_time(x), short = x[:301], tau_short = autocorrelation_time(x[:301])
}
use some = chains(count = 50, seed = 1)
report tau = tau on some
save kept = { x = short, tau = tau_short } on some
report odd = autocorrelation_time([1, -1, 1, -1, 1, -1])
report three = autocorrelation_time([1, 2, 4])
""".replace("A\n", "0.7\n"))
    check(abs(report("tau")["mean"] - 1.7/0.3) < 0.4, "tau", report("tau"))
    x, tau = array("kept", "x"), array("kept", "tau")
    for k in range(20):
        want = geyer(x[301*k:301*(k + 1)])
        check(abs(tau[k]/want - 1) < 1e-9, "%r, not %r" % (tau[k], want))
    check(abs(report("odd")["mean"] - geyer([1, -1, 1, -1, 1, -1])) < 1e-12, "alternating", report("odd"))
    check(abs(report("three")["mean"] - geyer([1, 2, 4])) < 1e-12, "three", report("three"))


def test_r_hat():
    """In a sample and of a report, chains of even and odd lengths, of numbers and of vectors; with and without a chain that is elsewhere."""
    run("""\
data chains {
  let z = normal(0, 1, [15, 2])
  yield z, shifted = z + where(index == 0, 3, 0)
}
use some = chains(count = 6, seed = 1)
report x = z[:, 0] on some
report y = z[:14, 0] on some
report both = shifted on some
report scalar = shifted[:, 1] on some
save kept = { z = z, s = shifted } on some
report of_x = r_hat(x)
report of_y = r_hat(y)
report of_both = r_hat(both)
report again = r_hat(both)[1] - r_hat(scalar)
expect maxabs(r_hat(both) - of_both) == 0 and again == 0
data one { let c = normal(0, 1, [4, 9, 2]); yield c, r = r_hat(c), first = r_hat(c[:, :, 0]) }
use single = one(count = 3)
report r = r on single
report same = r[0] - first on single
save inside = { c = c, r = r } on single
""")
    z, s = array("kept", "z"), array("kept", "s")

    def chains(a, m, n, k, draws):
        return [[a[(i*n + t)*2 + k] for t in range(draws)] for i in range(m)]
    for name, want in (("of_x", split_r_hat(chains(z, 6, 15, 0, 15))), ("of_y", split_r_hat(chains(z, 6, 15, 0, 14)))):
        check(abs(report(name)["mean"] - want) < 1e-12, "%s: %r, not %r" % (name, report(name)["mean"], want))
    for k in range(2):
        want = split_r_hat(chains(s, 6, 15, k, 15))
        check(want > 1.3 and abs(report("of_both")["mean"][k] - want) < 1e-12, "%r, not %r" % (report("of_both")["mean"], want))
    c, r = array("inside", "c"), array("inside", "r")
    for i in range(3):
        for k in range(2):
            want = split_r_hat(chains(c[72*i:72*i + 72], 4, 9, k, 9))
            check(abs(r[2*i + k] - want) < 1e-12, "%r, not %r" % (r[2*i + k], want))
    check(abs(report("same")["mean"]) < 1e-12, "of vectors as of numbers", report("same"))
    stats = load("run/reports.json")["reports"]
    check(stats["both"]["r_hat"] == report("of_both")["mean"] and isinstance(stats["x"]["r_hat"], float), "reports.json has it", stats)


def test_effective_sample_size():
    """Of equal weights as many as there are; also where squares leave the range of numbers."""
    run("""\
data d { let z = normal(); yield z }
use some = d(count = 500, seed = 1)
report one = 0*z + 3 on some
report w = exp(z) on some
report large = 1e200*exp(z) on some
report pair = [exp(z), 1] on some
report ess = ess(w)
report more = [ess(one), ess(large), ess*1, ess(ones(10)), ess([1, 0, 0]), ess([1, 2, 3])]
report two = ess(pair)
save kept = { w = exp(z) } on some
expect ess(one) == 500 and ess > 0 and ess(pair)[1] == 500
""")
    w = array("kept", "w")
    want = sum(w)**2/sum(x*x for x in w)
    got = report("more")["mean"]
    for a, b in zip(got, [500, want, want, 10, 1, 36/14]):
        check(abs(a/b - 1) < 1e-12, "%r" % got)
    check(abs(report("two")["mean"][0]/want - 1) < 1e-12 and report("two")["mean"][1] == 500, "of each element", report("two"))


# ---- where chains stand ----

def test_chains_in_losses():
    """Contrastive divergence: the energy of the data against that of a short chain begun at them learns the precision 1/4."""
    run("""\
data d { yield y = normal(0, 2) }
use seen = d(count = 500)
net energy(x: real) { param k: real = 1; return k*x^2/2 }
loss cd(y: real) {
  fn log_p(x: real) = -energy(x)
  fn move(x: real) = metropolis(log_p, x, 2)
  let (x, _) = markov_chain(move, y, steps = 5)
  return energy(y) - energy(stop_gradient(x[-1]))
}
train cd on seen { optimizer = adam(lr = 0.01), batch = 100, steps = 1000 }
report k = 2*energy(1)
expect abs(k - 0.25) < 0.05
""")


def test_statistics_of_chains_go_on_in_a_resumed_run():
    write("m.hnn", """\
data c { yield x = normal(0, 1, [8, 2]) }
use chain = c(count = 10)
report x = x on chain
net f(x: real) { param a: real = 0; return a*x }
loss l(x) = (f(x[0, 0]) - x[0, 1])^2
report early = r_hat(x)
report w = exp(x[0]) on chain
report size = ess(w)
train l on chain { steps = 200, every = 50 }
report late = [r_hat(x), size]
expect maxabs(late[0] - early) == 0 and maxabs(late[1] - ess(w)) == 0
""")
    hnnc("run", "m.hnn", "--out", "run", "-q")
    want = load("run/reports.json")
    hnnc("resume", "run", "-q")
    check(load("run/reports.json") == want, "reports differ")


# ---- models ----

def test_models_meet_their_expectations():
    for model in "langevin", "tempering", "hmc_chain":
        hnnc("run", os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../models/%s.hnn" % model), "--out", "run", "-q")


# ---- draws ----

CHAIN = HEAD + """\
hamiltonian H(q: real[2], p: real[2]) = sum(q^4)/4 + dot(p, p)/2
fn log_p(x) = -sum(x^4)/4
data chains {
  fn move(size)(q) = hmc(H, q, 3, size)
  let (q, size) = warm_up(move, normal(0, 1, 2), 0.3, steps = 30)
  let (x, _) = markov_chain(move(size), q, steps = 30)
  fn step(log_p, x, beta) = langevin(log_p, x, 0.2/beta)
  fn other(x) = tempering(step, log_p, x, [1, 0.5, 0.1])
  let (y, _) = markov_chain(other, zeros(3), steps = 30)
  yield x, y
}
use some = chains(count = COUNT, seed = 3)
save kept = { x = x, y = y } on some
"""


def test_draws_do_not_depend_on_threads_or_count():
    def first(count, *more):
        write("m.hnn", CHAIN.replace("COUNT", str(count)))
        hnnc("run", "m.hnn", "--out", "run", "-q", *more)
        return array("kept", "x")[:20*62] + array("kept", "y")[:20*93]
    want = first(20)
    check(len(set(want)) > 200, "chains move")
    for count, threads in (20, 2), (100, 1), (77, 2):
        check(first(count, "--threads", str(threads)) == want, "the first 20 of %d chains on %d threads differ" % (count, threads))


if __name__ == "__main__":
    sys.exit(main(globals()))
