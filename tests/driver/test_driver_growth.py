#!/usr/bin/env python3
"""Compile time is linear in what is written out, and bounded: test_driver_growth.py HNNC [TEST...].

Programs of many kinds are made in two sizes. Counted, not timed, is what the passes write (`operations written` of
--time-passes) and the lines of LLVM IR: twice the size may write little more than twice as much. The sizes are such that a
walk that is quadratic, or worse, does not end within the time that a command has. Where a program means more than can be
written out, it is refused, with the name of what is too large."""
import re
import struct
import subprocess
import sys

from driver_util import check, environment, HNNC, hnnc, load, main, SLOWER, write

# Meson has malloc write over what is freed: ten times as long for functions of a million operations.
SECONDS = 60


def lines(first, middle, last=()):
    return "\n".join([*first, *middle, *last]) + "\n"


def fn(body, result, arguments="x: real"):
    return "fn f(%s) {\n%s\nreturn %s\n}\n" % (arguments, body, result)


def turns(n, update, start="x", result="z", **more):
    return fn("var z = %s\nrepeat %d { z = %s }" % (start, n, update), result, **more)


DATA = "data d {\n let x = normal(0, 1)\n yield x\n}\nuse e = d(count = 10)\n"
V4 = {"arguments": "x: real[4]"}
V64 = {"arguments": "x: real[64]"}


def training(body):
    return DATA + "net m(x: real) {\n param w: real ~ normal\n%s\n}\nloss l(x) = m(x)^2\ntrain l on e { steps = 2 }\n" % body


# name: the program of a size, the smaller size, how it is compiled (what else is emitted), and how much more twice the size may be:
# 2.3 if unsaid. Each map hands the indices of those around it to those within.
LINEAR = {
    "statements": (lambda n: fn(lines(["let a0 = x"], ["let a%d = sin(a%d)" % (i + 1, i) for i in range(n)]), "a%d" % n), 5000, "llvm"),
    "turns": (lambda n: turns(n, "z + 0.1*sin(z)"), 2000, "llvm"),
    "turns_of_vectors": (lambda n: turns(n, "tanh(z)", **V64), 2000, "llvm"),
    "turns_of_neighbours": (lambda n: turns(n, "z + 0.1*roll(z, 1)", **V64), 1000, "llvm"),
    "turns_of_quotients": (lambda n: turns(n, "z/(1 + 0.001*z)", **V64), 1000, "llvm"),
    "turns_of_products": (lambda n: turns(n, "tanh(A@z)", arguments="x: real[16], A: real[16, 16]"), 500, "llvm"),
    "gradient_of_turns": (lambda n: turns(n, "z + 0.1*sin(z)", result="grad(z, x)"), 800, "llvm"),
    "gradient_of_neighbours": (lambda n: turns(n, "z + 0.1*roll(z, 1)*z", result="grad(sum(z), x)", **V64), 500, "llvm"),
    "turns_of_gradients": (lambda n: "fn v(y: real) = grad(tanh(y)*sin(y), y)\n" + turns(n, "z - 0.1*v(z)"), 2000, "ir"),
    "turns_of_fields": (lambda n: "hamiltonian H(q: real[4], p: real[4]) = sum(p^2)/2 + sum(cos(q))*sum(q^2)\n"
                        + fn("var q = q0\nvar p = p0\nrepeat %d { let (a, b) = field(H)(q, p)\nq = q + 0.1*a\np = p + 0.1*b }" % n,
                             "q", "q0: real[4], p0: real[4]"), 500, "ir"),
    "turns_of_hessians": (lambda n: "fn v(y: real[3]) = hess(sum(tanh(y)*sin(y)), y)@y\n" + turns(n, "z - 0.1*v(z)", arguments="x: real[3]"),
                          500, "ir"),
    "gradients_side_by_side": (lambda n: fn(lines((), ["let y%d = x + %d\nlet g%d = grad(tanh(y%d)*sin(y%d), y%d)" % ((i,) * 6) for i in range(n)],
                                                  ["var s = 0*x"] + ["s = s + g%d" % i for i in range(n)]), "s"), 2000, "ir"),
    "instances": (lambda n: "net e(x: real[2]) {\n var y = x\n repeat %d { y = y + m()(y) }\n return y\n}\n" % n
                  + "net m()(x: real[2]) {\n param W: real[2] ~ normal\n return x*W\n}\nfn f(x: real[2]) = e(x)\n", 5000, "ir"),
    "instances_by_name": (lambda n: "net m()(x: real[2]) {\n param W: real[2] ~ normal\n return x*W\n}\n"
                          + lines((), ["use u%d = m()" % i for i in range(n)])
                          + fn(lines(["var y = x"], ["y = u%d(y)" % i for i in range(n)]), "y", "x: real[2]"), 5000, "ir"),
    "networks": (lambda n: "import \"std/nets\"\n" + lines((), ["use e%d = mlp([4, 4], 1)" % i for i in range(n)])
                 + fn(lines(["var s = 0*x[0]"], ["s = s + e%d(x)[0]" % i for i in range(n)]), "s", "x: real[2]"), 800, "ir"),
    "parameters": (lambda n: "net e(x: real) {\n" + lines((), ["param w%d: real ~ normal" % i for i in range(n)], ["var y = x"])
                   + lines((), ["y = y + w%d" % i for i in range(n)]) + "return y\n}\nfn f(x: real) = e(x)\n", 5000, "ir"),
    "arguments": (lambda n: fn(lines(["var y = x0"], ["y = y*x%d" % i for i in range(n)]), "y", ", ".join("x%d: real" % i for i in range(n))),
                  5000, "ir"),
    "captures": (lambda n: fn(lines((), ["let a%d = sin(%d*x)" % (i, i) for i in range(n)])
                              + "let s = [{ var y = 1.0*k\n" + lines((), ["y = y*a%d" % i for i in range(n)]) + "return y } for k in 0:10]", "sum(s)"),
                 2000, "ir"),
    "functions": (lambda n: lines((), ["fn f%d(x: real) = sin(x) + %d" % (i, i) for i in range(n)]), 5000, None),
    "constants": (lambda n: lines(["const c0 = 0.5"], ["const c%d = c%d + 1" % (i + 1, i) for i in range(n)], ["fn f(x: real) = c%d*x" % n]),
                  5000, "ir"),
    "reports": (lambda n: DATA + lines((), ["report r%d = sin(x) + %d on e" % (i, i) for i in range(n)]), 2000, None),
    "expectations": (lambda n: lines((), ["expect sin(%d.0) < 2" % i for i in range(n)]), 5000, None),
    "a_long_line": (lambda n: fn("let v = [%s]" % ", ".join("%d*x" % i for i in range(n)), "sum(v^2)"), 8000, "ir"),
    "numbers": (lambda n: "const a = [%s]\nfn f(x: real) = sum(a)*x\n" % ", ".join("%d.5" % i for i in range(n)), 100000, "ir"),
    "static_turns": (lambda n: "const c = { var y = 0\n for i in 0:%d { y = y + i }\n return y }\nfn f(x: real) = c*x\n" % n, 200000, "ir"),
    "evolutions": (lambda n: "flow t(q: real[2], p: real[2]) {\n" + lines((), ["q += %d*p\np += sin(q)" % (1 + i % 7) for i in range(n)])
                   + "}\n" + fn("let (a, b) = t(q, p)", "sum(a + b)", "q: real[2], p: real[2]"), 1000, "ir"),
    "training": (lambda n: training(" var z = x*w\n repeat %d { z = z + 0.1*sin(z) }\n return z" % n), 300, "llvm"),
    "maps_within_maps": (lambda n: training(" return " + "sum([" * n + "sin(" + " + ".join("w*k%d*x" % i for i in range(n)) + ")"
                                            + "".join(" for k%d in 0:3])" % (n - 1 - i) for i in range(n))), 8, "ir", 4.6),
}

# A few operations are written whatever the size is.
SLACK = 2000


def written(name, kind, *command):
    r = hnnc(*command, "%s.hnn" % name, "--no-cache", "--time-passes", timeout_=SECONDS)
    count = [int(line.split(":")[1]) for line in r.err.splitlines() if line.startswith("operations written:")]
    check(len(count) == 1, "%s: nothing says what was written" % name, r)
    return [count[0]] + ([sum(1 for _ in open("out." + kind))] if kind else [])


def growth(name):
    program, n, kind, most = (*LINEAR[name], 2.3)[:4]
    command = ["compile", "--emit=" + kind, "-o", "out." + kind] if kind else ["check"]
    small, large = [], []
    for size, out in ((n, small), (2 * n, large)):
        write("%s.hnn" % name, program(size))
        out += written(name, kind, *command)
    for k, what in enumerate(("operations", "lines of output")[:len(small)]):
        check(large[k] <= most * small[k] + SLACK, "%s: %d %s for %d, %d for %d" % (name, small[k], what, n, large[k], 2 * n))


def make_linear(name):
    def test():
        growth(name)
    return test


for _name in LINEAR:
    globals()["test_" + _name] = make_linear(_name)


# ---- code of a step of `taylor` ----

BODIES = """precision f64
const m = [1, 1/1047.355, 1/3501.6, 1/22869, 1/19314, 7.4e-09]
fn energy(q: real[6, 3]) {
  var h = 0
  for i in 0:6 { for j in (i + 1):6 { h = h - 39.4*m[i]*m[j]/norm(q[i] - q[j]) } }
  return h
}
fn rate(q: real[6, 3], v: real[6, 3]) {
  let g = grad(energy(q), q)
  return (v, -[g[i]/m[i] for i in 0:6])
}
fn f(q: real[6, 3], v: real[6, 3]) = integrate(rate, q, v, times = [0, 100], method = taylor(rtol = %s))[0][-1]
"""
NETWORK = """precision f64
import "std/nets"
use net = mlp([32, 32], 1)
hamiltonian H(q: real[1], p: real[1]) = net(concat(q, p))[0]
fn f(q: real[1], p: real[1]) = trajectory(H, q, p, times = [0, 20], method = taylor(rtol = %s))[0][-1]
"""


LONG = """precision f64
hamiltonian H(q: real[400], p: real[400]) = dot(p, p)/2 + dot(q, q)^2/4
fn f(q: real[400], p: real[400]) = trajectory(H, q, p, times = [0, 1], method = taylor(rtol = %s))[0][-1]
"""


def code_bytes(path):
    """Of each function of an ELF file of 64 bits, by name."""
    data = open(path, "rb").read()
    at, = struct.unpack_from("<Q", data, 40)
    each, count = struct.unpack_from("<HH", data, 58)
    sections = [struct.unpack_from("<IIQQQQIIQQ", data, at + k * each) for k in range(count)]
    sizes = {}
    for s in sections:
        if s[1] != 2:                                             # a table of symbols
            continue
        names = sections[s[6]][4]
        for k in range(s[4], s[4] + s[5], 24):
            name, info, _, _, _, size = struct.unpack_from("<IBBHQQ", data, k)
            if info & 15 == 2:
                text = data[names + name:data.index(b"\0", names + name)].decode()
                sizes[text] = size
    return sizes


def test_code_of_series():
    """One order or twenty: the same code of a step, with its beginning and its end; long sums are loops."""
    for name, text, most in (("bodies", BODIES, 34 << 10), ("network", NETWORK, 14 << 10), ("long", LONG, 10 << 10)):
        total = []
        for rtol in ("1e-6", "1e-15"):
            write("series.hnn", text % rtol)
            r = hnnc("compile", "series.hnn", "--no-cache", "--cpu=x86-64-v4", "--emit=obj", "-o", "series.o", timeout_=SECONDS)
            check(r.code == 0, name, r)
            sizes = code_bytes("series.o")
            check("rates" in sizes and "hnn_f" in sizes, "%s: %s" % (name, sizes))
            total.append(sizes["rates"] + sizes["hnn_f"])
        check(max(total) < most, "%s: %s bytes" % (name, total))
        check(abs(total[0] - total[1]) < 512, "%s: %s bytes" % (name, total))


NEST = "`for i` takes more than 20000000 evaluations at compile time"
WRITTEN = "makes a function of more than 1000000 operations"

# name: the program, the command, what is said, the exit code.
REFUSED = {
    "loops_within_loops": (fn("var y = x\nfor i in 0:1000000 { for j in 0:1000000 { let k = i } }", "y"), ["check"],
                           [NEST, "1000000 turns, with 1000000 of `for j` in each", "`iterate(f, x, steps = n)`"]),
    "repeats_within_repeats": (fn("var y = x\nrepeat 1000 { repeat 1000 { repeat 1000 { y = y + 1 } } }", "y"), ["check"],
                               ["`repeat`", "1000 turns, with 1000 of `repeat` in each"]),
    "loops_over_lists": (fn("var y = x\nfor a in [1, 2, 3] { for i in 0:900000 { for j in 0:900000 { let k = a*i } } }", "y"), ["check"],
                         ["`for a` takes more than", "3 turns, with 900000 of `for i` in each, with 900000 of `for j` in each"]),
    "static_maps": ("fn f(x: real) = sum([sum([sum([i*j*k*x for i in 0:1000]) for j in 0:1000]) for k in 0:1000])\n", ["check"],
                    ["`for k` takes more than", "1000 turns, with 1000 of `for j` in each, with 1000 of `for i` in each"]),
    "operations_of_loops": (fn("var y = x\nfor i in 0:100000 { for j in 0:100000 { y = y + x } }", "y"), ["check"],
                            ["`for i` makes a function of more than 1000000 operations"]),
    "operations_of_many": (lines((), [fn("var y = x\nrepeat 290000 { y = y + sin(x)*y }", "y").replace("f(", "f%d(" % k, 1) for k in range(20)]), ["check"],
                           ["makes a function of more than 4000000 operations"]),
    "instances_in_loops": ("net e(x: real[2]) {\n var y = x\n repeat 3000 { repeat 3000 { y = y + m()(y) } }\n return y\n}\n"
                           "net m()(x: real[2]) {\n param W: real[2] ~ normal\n return x*W\n}\nfn f(x: real[2]) = e(x)\n", ["check"],
                           ["expands to more than 200000 calls", "expanded", "3000 turns, with 3000 of `repeat` in each"]),
    "calls_within_calls": (lines(["fn f0(x: real) = sin(x)"], ["fn f%d(x: real) = f%d(x) + f%d(2*x)" % (i + 1, i, i) for i in range(40)]), ["check"],
                           ["expands to more than 200000 calls", "`let`"]),
    "constants_multiplied": ("const c = sum(eye(2048)@eye(2048))\nfn f(x: real) = c*x\n", ["check"],
                             ["8.6e+09 operations at compile time", "at run time"]),
    "orders_of_gradients": (lines(["fn g(x: real) {", "let a0 = tanh(x)"], ["let a%d = grad(a%d, x)" % (i + 1, i) for i in range(30)], ["return a30", "}"]),
                            ["compile", "--emit=ir", "-o", "out"], ["the gradient here " + WRITTEN, "let a", "order"]),
    "trajectories_of_trajectories": (lines(["fn r0(x: real) = sin(x)"],
                                           ["fn r%d(x: real) = integrate(r%d, x, dt = 0.1, steps = 4, method = rk4)[4]" % (i + 1, i) for i in range(16)]),
                                     ["compile", "--emit=ir", "-o", "out"], ["the trajectory here " + WRITTEN, "integrate(r"]),
    "brackets": ("fn f(x: real) = " + "("*100000 + "x" + ")"*100000 + "\n", ["check"], ["nested deeper"]),
    "signs": ("fn f(x: real) = " + "-"*100000 + "x\n", ["check"], ["too deep"]),
    "blocks": ("fn f(x: real) = " + "{ return "*100000 + "x" + " }"*100000 + "\n", ["check"], ["deep"]),
    "sums": ("fn f(x: real) = " + " + ".join(["x"]*100000) + "\n", ["check"], ["levels"]),
    "powers": ("fn f(x: real) = " + "^".join(["x"]*100000) + "\n", ["check"], ["deep"]),
    "sizes": ("fn f(x: real[1000000000]) = sum(x)\n", ["check"], ["too many elements"]),
    "sizes_multiplied": ("fn f(x: real[100000], y: real[100000]) = sum(outer(x, y))\n", ["check"], ["a tensor of 10000000000 elements"]),
}


def refuse(name):
    program, command, says = REFUSED[name]
    write("%s.hnn" % name, program)
    p = subprocess.run([HNNC, *command, "%s.hnn" % name, "--no-cache"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True,
                       errors="replace", timeout=SECONDS, env=environment(MALLOC_PERTURB_="0"))
    shown = p.stderr[:2000]
    check(p.returncode == 1, "%s: exit code %d" % (name, p.returncode), shown)
    for text in says:
        check(text in p.stderr, "%s: nothing says `%s`" % (name, text), shown)


def make_refused(name):
    def test():
        refuse(name)
    return test


# Where everything takes longer, a third of what runs into a limit: to get there is most of the work.
for _name in REFUSED:
    globals()["test_refused_" + _name] = make_refused(_name)


def test_power_of_any_size():
    write("p.hnn", lines((), ["fn f%d(x: real) = x^%d" % (n, n) for n in (2, 17, 1000, 10**6, 10**15)]))
    hnnc("compile", "p.hnn", "--emit=llvm", "-o", "p.ll", "--no-cache")


def test_product_of_constants_is_left_to_the_program():
    write("p.hnn", "fn f(x: real) = sum(eye(500)@eye(500))*x + sum(eye(520)@eye(520))*x\nreport r = f(1.0)\n")
    r = hnnc("run", "p.hnn", "--no-cache", "--out", "out")
    check("1020" in r.out, "the sum is another", r)


def test_who_waits_is_told():
    write("p.hnn", LINEAR["statements"][0](20000))
    r = hnnc("compile", "p.hnn", "--emit=llvm", "-o", "p.ll", "--no-cache", env=environment(HNNC_PATIENCE="0.02"))
    check("compile: still at " in r.err and "`f`" in r.err and "operations were written" in r.err, "nothing says what takes long", r)
    r = hnnc("compile", "p.hnn", "--emit=llvm", "-o", "p.ll", "--no-cache", "-q", env=environment(HNNC_PATIENCE="0.02"))
    check("still at" not in r.err, "something is said though --quiet was", r)
    write("q.hnn", fn("var y = x\nfor i in 0:3000000 { y = y }", "y").replace("3000000", "900000"))
    r = hnnc("check", "q.hnn", "--no-cache", env=environment(HNNC_PATIENCE="0.01"))
    check("check: still at the function `f` (q.hnn:1:4)" in r.err, "nothing names the function", r)
    # The clock stands still while a network is trained: what comes afterwards has been waited for only as long as it lasts.
    write("m.hnn", """\
net f(x: real) { param a: real = 1; return a*x }
data d { yield x = uniform() }
use some = d(count = 100)
loss fit(x) = (f(x) - x)^2
train fit on some { optimizer = sgd(lr = 1e-9), batch = 100, steps = 600000, every = 600000 }
fn rate(x: real) = -sin(f(x))
data late { yield x = integrate(rate, 1, dt = 1e-7, steps = 2400000, every = 2400000, method = rk4)[-1] }
use made = late(count = 1)
report r = x on made
""")
    r = hnnc("run", "m.hnn", "--out", "m", "--no-cache", env=environment(HNNC_PATIENCE="0.1"))
    check("run: still at the first draws of the data `made` (m.hnn:8:12) after " in r.err, "who waits is not told", r)
    said, m = re.findall(r"still at .* after (\d+) s", r.err), load("m/manifest.json")
    check(int(said[-1]) <= m["seconds_compiling"] + m["seconds_making_data"] + 1, "the training has counted", r, m)


def test_search_for_nan():
    """The search for the cause of a NaN takes longer than what made it: whoever waits is told, and it ends."""
    text = """\
precision f64
fn step(x: real) = where(x > LAST, sqrt(-x), x + 1)
report a = iterate(step, 0, steps = STEPS)[-1]
"""
    write("m.hnn", text.replace("LAST", "5e5").replace("STEPS", "6*10^5"))
    r = hnnc("run", "m.hnn", "--out", "m", code=3, env=environment(HNNC_PATIENCE="0.01"))
    check("run: still at the search for what is not finite in `a` after 0 s" in r.err and "`sqrt` gave nan" in r.err, "the search", r)
    if SLOWER > 1: return                        # 10^8 operations, one by one
    write("m.hnn", text.replace("LAST", "2e7").replace("STEPS", "3*10^7"))
    r = hnnc("run", "m.hnn", "--out", "n", code=3, timeout_=600)
    check("the search for the cause ended after 100000000 operations" in r.err and "sqrt" not in r.err, "it ends", r)
    write("m.hnn", """\
precision f64
fn decay(a: real)(y: real) = -a*y
fn inner(a: real) = integrate(decay(a), 1, times = [0, 2], method = taylor(rtol = 1e-9))[1]
fn rate(x: real) = sin(50*x)*inner(1 + sin(x)^2) + 1
report a = integrate(rate, 0.5, times = [0, 1e6], method = dopri5(rtol = 1e-10, max_steps = 10^5))[1]
""")
    r = hnnc("run", "m.hnn", "--out", "o", code=3, timeout_=600)
    check(" ::: m.hnn:5:12" in r.err and re.search("where `dopri5` was at t = [0-9.]+: ", r.err), "where it ends, of two", r)


if __name__ == "__main__":
    sys.exit(main(globals()))
