#!/usr/bin/env python3
"""What reports are worth where others take them: test_driver_reports.py HNNC [TEST...]."""
import math
import struct
import sys
import zipfile

from driver_util import check, hnnc, load, main, read, write


def run(text, **options):
    write("m.hnn", "precision f64\n" + text)
    return hnnc("run", "m.hnn", "--out", "r", **options).out


def mean(name):
    return load("r/reports.json")["reports"][name]["mean"]


def saved(name, key):
    with zipfile.ZipFile("r/arrays/%s.npz" % name) as z:
        data = z.read(key + ".npy")
    data = data[10 + int.from_bytes(data[8:10], "little"):]
    return list(struct.unpack("<%dd" % (len(data)//8), data))


SAMPLES = """\
data d { yield z = normal(2, 1), v = normal(0, 1, [3]) }
use s = d(count = 100, seed = 1)
report r = z on s
report v = v on s
"""


def test_alone():
    """A value that is a report, and nothing else, wherever one may stand."""
    run(SAMPLES + """\
fn same(x) = x
report a = r
report b = (r)
report c = { let m = r; return m }
report e = same(r)
report f = r on s
report g = a + 1
report w = v
report k = 3
report l = k
save o = { r = r, v = v, a = a }
save p = { r = r } on s
expect a == r and b == r and c == r and e == r and f == r and g == r + 1 and l == 3 and maxabs(w - v) == 0
expect 3 == k
""")
    r, v = mean("r"), mean("v")
    check(r > 1 and [mean(x) for x in "abcef"] == [r]*5 and mean("g") == r + 1 and mean("w") == v, "reports of reports", r, v)
    check(saved("o", "r") == [r] and saved("o", "a") == [r] and saved("o", "v") == v and saved("p", "r") == [r]*100, "saved")


def test_adaptive_steps():
    """Steps as a result are those of the manifest, whatever the threads; also of what stands in a loop or in data."""
    for threads in "1", "3":
        write("m.hnn", """precision f64
fn pendulum(a: real, b: real) = (b, -sin(3*a))
fn decay(a: real) = -a
fn steps(x: real, m) {
  let (a, b, taken, rejected) = integrate(pendulum, x, 1, times = [0, 20], method = m(rtol = 1e-7), counts = true)
  return [taken, rejected]
}
data d { let x = uniform(-1, 1); yield x = x, n = steps(x, dopri5) }
use s = d(count = 101, seed = 1)
report made = n on s
report few = steps(x, tsit5) on s
report most = steps(x, gauss16) + sum([steps(x*i, dop853) for i in 1:3], axis = 0) on s
report none = { let (a, taken, rejected) = integrate(decay, 1, dt = 0.1, steps = 30, method = rk4, counts = true); return [taken, rejected] }
expect maxabs(none - [30, 0]) == 0 and min(few)[0] > 5
""")
        hnnc("run", "m.hnn", "--out", "r" + threads, "--threads", threads)
        steps, reports = load("r%s/manifest.json" % threads)["adaptive_steps"], load("r%s/reports.json" % threads)["reports"]
        got = {k: [v["taken"], v["rejected"]] for k, v in steps.items()}
        want = {"report " + k: [round(101*v) for v in reports[k]["mean"]] for k in ("few", "most")}
        want["data" if "data" in got else "report made"] = [round(101*v) for v in reports["made"]["mean"]]
        check(got == want, "steps in the manifest", got, want)


def test_functions_take_means():
    """Inside of a function, and under another name, it is an array: `sum` and its like are over elements. Of its name they are over samples."""
    run("""\
import "std/sampling"
import "std/nets"
""" + SAMPLES + """\
report fixed = [1, 2, 3] + 0*z on s
fn total(x: real[3]) = sum(x)
fn middle(x: real[3]) = mean(x)
fn largest(x: real[3]) = max(x)
fn outer_one(x: real[3]) = total(x)
report of = [total(fixed), middle(fixed), largest(fixed), outer_one(fixed), { let x = fixed; return sum(x) }, len(fixed)]
report over = sum(fixed)
report each = max(v, axis = 0)
report norms = layer_norm()(v)
report plain = layer_norm()(v + 0)
report tau = autocorrelation_time(v)
report tau_0 = autocorrelation_time(v + 0)
report pair = { let (x, y) = (fixed, v); return sum(x) + max(y) - max(v + 0) }
expect maxabs(norms - plain) == 0 and maxabs(norms) > 0.5 and tau == tau_0
""")
    check(mean("of") == [6, 2, 3, 6, 6, 3] and mean("over") == [100, 200, 300], "sums", mean("of"), mean("over"))
    check(mean("each") == max(mean("v")) and mean("pair") == 6, "with an axis, and unpacked", mean("each"), mean("pair"))


def test_of_a_function_with_its_name():
    """A function that was passed on is not the report of its name."""
    text = "fn energy(x: real) = x^2\nreport energy = energy(3)\nreport a = mean(energy)\n"
    run(text)
    check(mean("a") == 9, "of the report", mean("a"))
    run(text + "fn g(h) = mean(h)\nreport b = g(energy)\n", code=1, says="`mean` needs a tensor, found a function")


def test_in_plots():
    """Curves and the functions of a plot read one table of statistics."""
    run(SAMPLES + """\
report two = 20
plot c = {
  kind = phase
  xy = [[0, 1], [two, 2]]
  levels = { fn f(x: real, y: real) = 1000*r + two + x + quantile(r, 0.5)/1e6*0
    return f }
  xrange = [-1, 1]
  yrange = [-1, 1]
}
""")
    numbers = [float(x) for x in read("r/plots/c.dat").decode().strip().splitlines()[-1].split()]
    check(abs(numbers[-1] - (1000*mean("r") + 20 + numbers[0])) < 1e-4, "a level", numbers, mean("r"))
    check(b"\n0 0 20\n0 1 2\n" in read("r/plots/c.dat"), "the curve")


def effective_draws(chains):
    """ArviZ's `ess(method="mean")`, but for the last term of its sum."""
    half = len(chains[0])//2
    c = [x for chain in chains for x in (chain[:half], chain[-half:])]
    m, n, centre = len(c), half, [math.fsum(x)/half for x in c]

    def covariance(t):
        return math.fsum((x[i] - a)*(x[i + t] - a) for x, a in zip(c, centre) for i in range(n - t))/(n*m)
    own, mean_of = covariance(0), math.fsum(centre)/m
    variance = own + sum((a - mean_of)**2 for a in centre)/(m - 1)
    total, least = 0, 2
    for t in range(0, n - 1, 2):
        even, odd = ((1 - (own*n/(n - 1) - covariance(k))/variance if k else 1) for k in (t, t + 1))
        least = max(min(even + odd, least), 0)
        total += least
    return m*n/max(2*total - 1, 1/math.log10(m*n))


def test_statistics_of_chains():
    """In the samples of a report, and in the rows of an array; of even and odd lengths, of numbers with ties, and of vectors."""
    run("""\
import "std/sampling"
data walks {
  fn step(x: real) = 0.6*x + normal()
  fn walk(x: real) = iterate(step, x, steps = 60)
  let c = [walk(0), walk(1), walk(2)]
  let e = [c[0][:60], c[1][:60], floor(c[2][:60])]
  yield c = c, e = e, r = [r_hat_ranks(c), ess_chains(c), r_hat_ranks(e), ess_chains(e)]
}
use rows = walks(count = 1, seed = 3)
use many = walks(count = 6, seed = 4)
save one = { c = c, e = e, r = r } on rows
report last = c[2] on many
report pair = [e[0], e[2]].T on many
save all = { last = c[2], a = e[0], b = e[2] } on many
report of = [ess_chains(last), r_hat_ranks(last)]
report each = ess_chains(pair)
report ranks = r_hat_ranks(pair)
report fixed = ones(10) + 0*c[0][:10] on many
save constant = { e = ess_chains(fixed), r = r_hat(fixed) }
""", says="`e` of the arrays `constant` has 1 number that is not finite")
    r, c, e = saved("one", "r"), saved("one", "c"), saved("one", "e")
    rows = [c[61*i:61*i + 61] for i in range(3)], [e[60*i:60*i + 60] for i in range(3)]
    for k in range(2):
        check(abs(r[2*k + 1]/effective_draws(rows[k]) - 1) < 1e-12, "of rows", r[2*k + 1], effective_draws(rows[k]))
    last, a, b = (saved("all", x) for x in ("last", "a", "b"))
    chains = [[v[n*i:n*i + n] for i in range(6)] for v, n in ((last, 61), (a, 60), (b, 60))]
    got = [mean("of")[0]] + mean("each")
    for g, x in zip(got, chains):
        check(abs(g/effective_draws(x) - 1) < 1e-12, "of samples", g, effective_draws(x))
    # The library's function of the same chains, as numbers of a file, says what the statistic says.
    for name, x, ranks in (("last", chains[0], mean("of")[1]), ("b", chains[2], mean("ranks")[1])):
        run('import "std/sampling"\nreport r = r_hat_ranks(%s)\n' % repr(x))
        check(abs(mean("r") - ranks) < 1e-12, "ranks of " + name, mean("r"), ranks)


def test_weights():
    """Of weights, of their logarithms beyond the range of numbers and at -inf; of negative ones there is no size, and words say so."""
    out = run(SAMPLES + """\
fn log_w(z: real) = where(z > 1, -z^2, -inf)
report w = exp(log_w(z)) on s
report lw = log_w(z) on s
report high = log_w(z) + 5000 on s
report sizes = [ess(w), ess_log(lw), ess_log(high), logmeanexp(high) - 5000 - logmeanexp(lw)]
report three = [log_w(z), 0, 1 - 1e4*z^2] on s
report each = ess_log(three)
""")
    sizes = mean("sizes")
    check(2 < sizes[0] < 99 and all(abs(x/sizes[0] - 1) < 1e-12 for x in sizes[1:3]) and abs(sizes[3]) < 1e-9, "sizes", sizes)
    check(abs(mean("each")[0]/sizes[0] - 1) < 1e-12 and abs(mean("each")[1] - 100) < 1e-9, "of each element", mean("each"))
    check("-inf" in out, "log-weights are shown as they are", out)
    # Logarithms that are asked for otherwise, or are none, are not finite as ever.
    run(SAMPLES + "report lw = where(z > 1, -z^2, -inf) on s\n", code=3, says="the report `lw` is not finite")
    run(SAMPLES + "report lw = where(z > 1, -z^2, inf) on s\nreport e = ess_log(lw)\n", code=3, says="the report `lw` is not finite")
    run(SAMPLES + "report lw = log(z - 9) on s\nreport e = ess_log(lw)\n", code=3, says="the report `lw` is not finite")
    run(SAMPLES + "report w = z - 2 on s\nreport e = ess(w)\n", code=3,
        says=["`ess(w)` is NaN: weights must not be negative, but the smallest of `w` is -", "the report `e` is not finite", "`ess_log(w)`"])
    run('import "std/sampling"\n' + SAMPLES + "report e = ess(2*v) on s\n", code=3, says=["weights must not be negative", "`ess_chains`"])
    run('import "std/sampling"\n' + SAMPLES + """\
report a = [ess([1, 1, 2]), ess_log([0, 0, log(2)]), ess_log([5000, 5000, -inf]), ess(zeros(3) + [0, 0, 1])]
""")
    check(all(abs(x - y) < 1e-12 for x, y in zip(mean("a"), [16/6, 16/6, 2, 1])), "of arrays", mean("a"))


def test_field_and_report():
    """Of one name: of a field that is a number a statistic is the report's; a function's argument is neither."""
    run(SAMPLES + """\
report z = z on s
report shifted = exp(z - max(z)) on s
report centred = (z - mean(z))/sd(z) on s
fn twice(z: real) = max(z) + min(z)
report plain = twice(z) - 2*z on s
expect maxabs(mean(centred)) < 1e-12 and max(shifted) == 1 and max(plain) == 0 and abs(sd(centred) - 1) < 1e-12
""")


if __name__ == "__main__":
    sys.exit(main(globals()))
