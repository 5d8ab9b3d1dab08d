#!/usr/bin/env python3
"""std/flows and std/symmetry in numbers: every flow undone, its log-determinant against that of its Jacobian, its density against one that is
computed here from the checkpoint."""
import math
import struct

from driver_util import check, hnnc, last, load, main, tensors, write

# Call, states and their sizes, whether a matrix of the whole Jacobian is asked for.
FLOWS = [
    ("affine_coupling()", 2), ("affine_coupling(move = 1, width = 8, depth = 1)", 3), ("affine_coupling()", 5),
    ("spline_coupling(bins = 4)", 2), ("spline_coupling(move = 1, bins = 5, bound = 2)", 3), ("spline_coupling()", 4),
    ("masked_autoregressive(width = 12)", 1), ("masked_autoregressive(width = 12)", 2),
    ("masked_autoregressive(width = 16, depth = 3)", 5), ("inverse(masked_autoregressive(width = 16))", 4),
    ("affine_coupling(move = 6, depth = 0)", 5), ("spline_coupling(move = -1, bins = 5)", 3),
    ("lu_linear()", 4), ("mirror()", 3), ("householder(3)", 4), ("actnorm()", 3), ("continuous(width = 8, steps = 60)", 2),
]
CONDITIONAL = ["conditional_affine_coupling()", "conditional_spline_coupling(move = 1)", "conditional_masked_autoregressive(width = 12)"]

# Call, shape of the state, a turn of the state that the flow commutes with.
SYMMETRIC = [
    ("equivariant_coupling()", "4, 2", "v[[1, 2, 3, 0]]"), ("equivariant_coupling(move = 1, depth = 2)", "4, 3", "v[[2, 0, 3, 1]]"),
    ("equivariant_coupling(move = 1, limit = 0, given = in_box(2))", "3, 2", "v[[1, 0, 2]]"),
    ("lattice_coupling(channels = 3)", "4, 6", "roll(roll(v, 1), 1, axis = 1)"),
    ("lattice_coupling(move = 1, depth = 1)", "2, 4", "roll(v, 2, axis = 1)"),
]

# Parameters away from where they start, so that no flow is near the identity.
HEAD = "import \"std/flows\"\nimport \"std/symmetry\"\n"
TRAIN = """
loss shake(x) = sum((T(x) - [sin(3*x[k] + k) for k in 0:len(x)])^2) - 0.1*logdet(T)(x)
train shake on s { optimizer = adam(lr = 2e-2), batch = all, steps = 60 }
"""


def reports(text, *args):
    write("t.hnn", HEAD + text)
    hnnc("run", "t.hnn", "--out", "r", "--quiet", *args)
    return load("r/reports.json")["reports"]


def test_undone_and_log_determinant():
    for call, n in FLOWS:
        flow = "flow T(x: real[%d]) { %s(x) }\n" % (n, call)
        got = reports(flow + """
data d { yield x = normal(0, 1.5, %d) }
use s = d(count = 60, seed = 4)
""" % n + TRAIN + """
report back = maxabs(inverse(T)(T(x)) - x) on s
report forth = maxabs(T(inverse(T)(x)) - x) on s
report off = abs(logdet(T)(x) - logabsdet(jacobian(T)(x))) on s
report undone = abs(logdet(inverse(T))(T(x)) + logdet(T)(x)) on s
report moved = maxabs(T(x) - x) on s
""")
        small = 1e-4 if call.startswith("continuous") else 1e-9
        check(all(got[k]["max"] < small for k in ("back", "forth", "undone", "off")), call, n, got)
        check(got["moved"]["max"] > 1e-2, "it moves: " + call, got)


def test_what_a_coupling_moves():
    """Even moves move elements 0, 2, ..., and read the others; odd ones the others."""
    for move in range(-2, 4):
        got = reports("flow T(x: real[5]) { affine_coupling(move = %d, width = 8)(x) }\n" % move + """
data d { yield x = normal(0, 1.5, 5) }
use s = d(count = 30, seed = 4)
""" + TRAIN + """
report same = sum([abs(T(x)[k] - x[k]) for k in 0:5][%d::2]) on s
report reads = abs(jacobian(T)(x)[%d, %d]) on s
""" % (1 - move % 2, move % 2, 3 + move % 2))
        check(got["same"]["max"] == 0 and got["reads"]["max"] > 1e-3, move, got)


def test_narrow_bins():
    """More bins than a least width of 1e-3 leaves room for: they still have one, and fill the range."""
    got = reports("""
const u = [[where(k < 1, 50, 0) for k in 0:3599] for i in 0:2]
report least = min(spline_pieces(u, 1)[1])
report all = sum(spline_pieces(u, 1)[1][0])
""")
    check(got["least"]["mean"] > 1e-4 and abs(got["all"]["mean"] - 2) < 1e-9, got)


def test_lifted():
    got = reports("""flow u(x: real[3]) {
  affine_coupling(width = 4)(x)
  spline_coupling(move = 1, bins = 4, width = 4)(x)
  lu_linear()(x)
}
data d { yield q = normal(0, 1, 3), p = normal(0, 1, 3) }
use s = d(count = 20, seed = 4)
report back = {
  let (a, b) = lift(u)(q, p)
  let (c, e) = inverse(lift(u))(a, b)
  return maxabs(c - q) + maxabs(e - p)
} on s
report off = maxabs(jacobian(u)(q).T @ lift(u)(q, p)[1] - p) on s
""")
    check(got["back"]["max"] < 1e-9 and got["off"]["max"] < 1e-9, got)


def test_context():
    for call in CONDITIONAL:
        got = reports("flow T(x: real[3], c: real[2]) { %s(x, c) }\n" % call + """
data d { yield x = normal(0, 1.5, 3), c = normal(0, 1, 2) }
use s = d(count = 60, seed = 4)
loss shake(x, c) = sum((T(x, c)[0] - sin(3*x + c[0]))^2)
train shake on s { optimizer = adam(lr = 2e-2), batch = all, steps = 60 }
fn only(c: real[2], x: real[3]) = T(x, c)[0]
report back = maxabs(inverse(T)(T(x, c))[0] - x) on s
report stays = maxabs(T(x, c)[1] - c) on s
report off = { fn of_x(x: real[3]) = T(x, c)[0]; return abs(logdet(T)(x, c) - logabsdet(jacobian(of_x)(x))) } on s
report felt = maxabs(T(x, c)[0] - T(x, 0*c)[0]) on s
""")
        check(got["back"]["max"] < 1e-9 and got["off"]["max"] < 1e-9 and got["stays"]["max"] == 0, call, got)
        check(got["felt"]["max"] > 1e-2, "the context is felt: " + call, got)


def test_symmetric():
    for call, shape, turned in SYMMETRIC:
        got = reports("""
flow T(x: real[%s]) { %s(x) }
fn turned(v: real[%s]) = %s
data d { yield x = normal(0, 1.5, [%s]) }
use s = d(count = 40, seed = 4)
loss shake(x) = sum((T(x) - sin(3*x + x^2))^2) - 0.1*logdet(T)(x)
train shake on s { optimizer = adam(lr = 2e-2), batch = all, steps = 40 }
fn flat(v: real[k]) = reshape(T(reshape(v, %s)), k)
fn as_one(v) = reshape(v, -1)
report back = maxabs(inverse(T)(T(x)) - x) on s
report forth = maxabs(T(inverse(T)(x)) - x) on s
report off = abs(logdet(T)(x) - logabsdet(jacobian(flat)(as_one(x)))) on s
report commutes = maxabs(T(turned(x)) - turned(T(x))) on s
report even = abs(logdet(T)(turned(x)) - logdet(T)(x)) on s
report differs = maxabs(turned(x) - x) on s
report moved = maxabs(T(x) - x) on s
""" % (shape, call, shape, turned, shape, shape))
        check(all(got[k]["max"] < 1e-9 for k in ("back", "forth", "off", "commutes", "even")), call, shape, got)
        check(got["moved"]["max"] > 1e-2 and got["differs"]["min"] > 1e-2, "it moves: " + call, got)


def test_ring():
    for call in ("ring_coupling()", "ring_coupling(move = 0, width = 5, reach = 3)", "ring_coupling(reach = 0)"):
        got = reports("""
symplectic flow T(q: real[5], p: real[5]) { %s(q, p) }
fn both(v: real[10]) = concat(T(v[:5], v[5:]))
data d { yield q = normal(0, 1.5, 5), p = normal(0, 1.5, 5) }
use s = d(count = 40, seed = 4)
loss shake(q, p) = sum((concat(T(q, p)) - concat(sin(3*q + roll(p, 1)), cos(2*p - q)))^2)
train shake on s { optimizer = adam(lr = 2e-2), batch = all, steps = 40 }
fn there_and_back(q, p) = concat(inverse(T)(T(q, p)))
report back = maxabs(there_and_back(q, p) - concat(q, p)) on s
report off = abs(logabsdet(jacobian(both)(concat(q, p)))) on s
report canonical = { let J = jacobian(both)(concat(q, p)); return maxabs(J.T @ omega(5) @ J - omega(5)) } on s
report commutes = { let (a, b) = T(q, p); return maxabs(concat(T(roll(q, 1), roll(p, 1))) - concat(roll(a, 1), roll(b, 1))) } on s
report moved = maxabs(concat(T(q, p)) - concat(q, p)) on s
""" % call)
        check(all(got[k]["max"] < 1e-9 for k in ("back", "off", "canonical", "commutes")), call, got)
        check(got["moved"]["max"] > 1e-2, "it moves: " + call, got)


def test_invariants():
    """Energies and functions of a set against their formulas, permuted and translated; the nearest image."""
    got = reports("""
use E = pair_energy()
use open = pair_energy(width = 8, depth = 2, near = squared)
use boxed = pair_energy(near = apart_in_box(3))
use D = deep_set(width = 6, depth = 2, out = 3)
data d { yield x = uniform(-3, 3, [4, 2]), r = uniform(-9, 9, 5) }
use s = d(count = 100, seed = 4)
const there = [2, 3, 1, 0]
report by_order = maxabs([E(x[there]) - E(x), open(x[there]) - open(x), boxed(x[there]) - boxed(x), maxabs(D(x[there]) - D(x))]) on s
report by_place = maxabs([E(x + 5) - E(x), boxed(x + outer([3, 0, -6, 0], [1, 2])) - boxed(x)]) on s
report felt = abs(E(x) - E(2*x)) + maxabs(D(x) - D(2*x)) on s
fn mixed(x) {                                # what the pair (0, 1) alone feels of moving both
  let y = set(x, 0, [1, 2])
  return E(set(y, 1, [0, -1])) - E(y) - E(set(x, 1, [0, -1])) + E(x)
}
report pairs = mixed(x) - mixed(set(set(x, 2, [3, 1]), 3, [-2, 0.5])) on s
report force = maxabs(sum(grad(boxed(x), x), axis = 0)) on s
report image = max(abs(wrap(r, 3))) on s
report whole = maxabs((r - wrap(r, 3))/3 - round((r - wrap(r, 3))/3)) on s
report period = maxabs(wrap(r + [3, -6, 9, 0, 300], 3) - wrap(r, 3)) on s
report sides = maxabs(wrap(r, [1, 2, 3, 4, 5]) - [wrap(r[k], k + 1) for k in 0:5]) on s
""")
    check(all(got[k]["max"] < 1e-9 for k in ("by_order", "by_place", "force", "whole", "period", "sides")), got)
    check(-1e-9 < got["pairs"]["min"] and got["pairs"]["max"] < 1e-9, "a sum over pairs", got)
    check(got["felt"]["min"] > 1e-6 and 1 < got["image"]["max"] <= 1.5, got)


def test_hutchinson():
    """The mean of the estimates over probes is the trace's integral."""
    got = reports("""
flow T(x: real[2], l: real, e: real[2]) { continuous_hutchinson(width = 8, steps = 20)(x, l, e) }
data d { yield e = normal(0, 1, 2) }
use s = d(count = 20000, seed = 4)
fn alone(x: real[2]) = T(x, 0, zeros(2))[0]
report estimate = T([0.3, -0.7], 0, e)[1] on s
report exact = logabsdet(jacobian(alone)([0.3, -0.7]))
""")
    e = got["estimate"]
    check(abs(e["mean"] - got["exact"]["mean"]) < 5*e["sd"]/math.sqrt(20000) + 1e-6, "Hutchinson", e, got["exact"])


def test_densities():
    got = reports("""
data d { yield x = -4 + 8*(index + 0.5)/4000 }
use s = d(count = 4000)
report normal = 8*exp(log_normal([x])) on s
report uniform = 8*exp(log_uniform([x], 2)) on s
report outside = exp(log_uniform([0, 3], 2))
""")
    check(abs(got["normal"]["mean"] - 1) < 1e-4 and abs(got["uniform"]["mean"] - 1) < 1e-9 and not got["outside"]["mean"], "areas", got)


# ---- Real NVP from its checkpoint ------------------------------------------------------------------------------------

def floats(t):
    return list(struct.unpack("<%df" % (len(t[2])//4), t[2]))


def dense(p, name, x):
    W, b = floats(p[name + "/W"]), floats(p[name + "/b"])
    return [sum(w*v for w, v in zip(W[k*len(x):(k + 1)*len(x)], x)) + b[k] for k in range(len(b))]


def test_log_prob_from_checkpoint():
    write("m.hnn", """precision f32
import "std/flows"
flow T(x: real[2]) {
  repeat 3 {
    affine_coupling(move = 0, width = 16)(x)
    affine_coupling(move = 1, width = 16)(x)
  }
}
fn log_prob(x: real[2]) = log_normal(T(x)) + logdet(T)(x)
loss nll(x) = -log_prob(x)
data d { let a = uniform(0, 2*pi); yield x = [cos(a), sin(a)] + normal(0, 0.1, 2) }
use s = d(count = 500, seed = 1)
train nll on s { optimizer = adam(lr = 5e-3), batch = 100, steps = 200 }
save out = { x = x, lp = log_prob(x) } on s
""")
    hnnc("run", "m.hnn", "--out", "r", "--quiet")
    p, _ = tensors(last("r"))
    arrays = npz("r/arrays/out.npz")
    worst = 0
    for x, lp in list(zip(zip(arrays["x"][::2], arrays["x"][1::2]), arrays["lp"]))[:100]:
        x, logdet = list(x), 0
        for k in range(6):
            name = "T/affine_coupling.%d/conditioner.0" % k
            h = [x[1 - k % 2]]
            for layer in range(2):
                h = [math.tanh(v) for v in dense(p, name + "/dense.%d" % layer, h)]
            s, t = dense(p, name, h)
            s = 2*math.tanh(s)
            x[k % 2] = x[k % 2]*math.exp(s) + t
            logdet += s
        worst = max(worst, abs(lp - (logdet - sum(v*v for v in x)/2 - math.log(2*math.pi))))
    check(worst < 1e-5, "log_prob from the checkpoint", worst, sorted(p))


def npz(path):
    """Arrays of an .npz as flat lists, read here."""
    import ast
    import zipfile
    out = {}
    with zipfile.ZipFile(path) as z:
        for name in z.namelist():
            b = z.read(name)
            n = struct.unpack("<H", b[8:10])[0]
            head = ast.literal_eval(b[10:10 + n].decode())
            kind = {"<f4": "f", "<f8": "d"}[head["descr"]]
            body = b[10 + n:]
            out[name[:-4]] = list(struct.unpack("<%d%s" % (len(body)//struct.calcsize(kind), kind), body))
    return out


main(globals())
