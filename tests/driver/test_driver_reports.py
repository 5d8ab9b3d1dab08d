#!/usr/bin/env python3
"""What reports are worth where others take them: test_driver_reports.py HNNC [TEST...]."""
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


if __name__ == "__main__":
    sys.exit(main(globals()))
