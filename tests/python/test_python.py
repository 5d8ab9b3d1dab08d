#!/usr/bin/env python3
"""The Python package, as a user has it: PYTHONPATH is the build's. test_python.py FOLDER; 77 where NumPy or the module is not there."""
import ast
import ctypes
import inspect
import json
import os
import pathlib
import shutil
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time

try:
    PACKAGE = os.path.abspath(sys.argv[1])
    sys.path.insert(0, PACKAGE)
    import numpy as np
    import hnnc
except ImportError as e:
    print("skipped: %s" % e)
    sys.exit(77)

PENDULUM = """\
precision f64
import "std/nets"
const noise = 0.1
hamiltonian truth(q: real[1], p: real[1]) = 3*(1 - cos(q[0])) + p[0]^2
use energy = mlp([16], 1)
hamiltonian learned(q: real[1], p: real[1]) = energy(concat(q, p))[0]
fn rate(t: real, q: real, p: real) = (2*p, -3*sin(q))
fn quartic(x: real[2]) = sum(x^4) + x[0]*x[1]
fn hess(x: real[2]) = nonzeros(hessian(quartic))(x)
data swings { yield q = uniform(-1, 1, 1), p = uniform(-1, 1, 1) }
use seen = swings(count = 200, seed = 1)
loss hnn(q, p) {
  let (vq, vp) = field(learned)(q, p)
  let (wq, wp) = field(truth)(q, p)
  return mean((vq - wq)^2 + (vp - wp)^2) + noise*0
}
train hnn on seen { optimizer = adam(lr = 1e-2), steps = 200, every = 20 }
report error_ = hnn(q, p) on seen
expect error_ < 1
plot phase = { kind = scatter, x = q[0], y = p[0], caption = "Orbits & levels" } on seen
symplectic flow kick(q: real[1], p: real[1]) { p -= 0.1*q }
"""
FAILED = []


def check(ok, *what):
    if not ok:
        FAILED.append(what)
        raise AssertionError(*what)


def raises(kind, says, f, *args, **named):
    try:
        f(*args, **named)
    except kind as e:
        check(says in str(e), "what it says", says, str(e))
        return e
    check(False, "nothing was raised", says)


def close(a, b, tolerance=1e-12):
    return np.allclose(a, b, rtol=tolerance, atol=tolerance)


def test_functions():
    m = hnnc.compile(PENDULUM)
    check(list(m.functions)[:2] == ["truth", "energy"] and "learned" in dir(m), "functions", list(m.functions))
    check(m.precision == "f64" and m.dtype == np.float64, "precision")
    check(repr(m.learned) == "<hamiltonian learned(q: f64[..., 1], p: f64[..., 1]) -> f64[...]>", repr(m.learned))
    check("q: f64[..., 1]" in m.learned.__doc__ and str(m.learned.__signature__) == "(q, p)", "documentation")
    rng = np.random.default_rng(1)
    for batch in ((), (1,), (7,), (3, 5), (0,), (2, 0), (1000,)):
        q, p = rng.normal(size=batch + (1,)), rng.normal(size=batch + (1,))
        h = m.truth(q, p)
        check(np.shape(h) == batch and close(h, 3*(1 - np.cos(q[..., 0])) + p[..., 0]**2), "a batch", batch)
        check(close(m.truth(p=p, q=q), h), "by name")
    check(close(m.truth([0.5], [[1], [2]]), [3*(1 - np.cos(0.5)) + 1, 3*(1 - np.cos(0.5)) + 4]), "lists, broadcast")
    out = np.empty(4)
    check(m.truth(np.zeros((4, 1)), np.ones((4, 1)), out=out) is out and close(out, 1), "out")
    x = np.asfortranarray(rng.normal(size=(500, 2)))
    check(not x.flags.c_contiguous and close(m.quartic(x), (x**4).sum(1) + x[:, 0]*x[:, 1]), "Fortran order")
    check(close(m.quartic(x[::3, ::-1]), (x[::3]**4).sum(1) + x[::3, 0]*x[::3, 1]), "any strides")
    dq, dp = m.rate(0.0, np.linspace(0, 1, 5), 2)
    check(close(dq, 4) and close(dp, -3*np.sin(np.linspace(0, 1, 5))), "scalars and arrays")
    check(m.rate(0.0, 0.5, 2.0) == (4.0, -3*np.sin(0.5)) or close(m.rate(0.0, 0.5, 2.0), (4, -3*np.sin(0.5))), "numbers")
    check(isinstance(m.rate(0.0, 0.5, 2.0)[0], float), "numbers give numbers")
    odd = hnnc.compile("fn f(lambda: real, x: real) = lambda*x\nfn g(λ: real[2]) = sum(λ)\n")
    check(odd.f(2.0, 3.0) == 6 and odd.f(**{"lambda": 2.0, "x": 3.0}) == 6 and odd.g([1, 2]) == 3, "words of Python")


def test_bad_arguments():
    m = hnnc.compile(PENDULUM)
    q = np.zeros((3, 1))
    raises(TypeError, "truth lacks its argument `p`", m.truth, q)
    raises(TypeError, "takes 2 arguments (q, p), found 3", m.truth, q, q, q)
    raises(TypeError, "has no argument `r`", m.truth, q, r=q)
    raises(TypeError, "`q` is given twice", m.truth, q, q=q)
    raises(TypeError, "`q` is float32, and the model is f64: write .astype(np.float64)", m.truth, q.astype(np.float32), q)
    raises(TypeError, "should be numbers", m.truth, "x", q)
    raises(ValueError, "`q` should be [..., 1], found an array of the shape [3, 2]", m.truth, np.zeros((3, 2)), q)
    raises(ValueError, "do not go together: q [3], p [4]", m.truth, q, np.zeros((4, 1)))
    raises(ValueError, "out should be", m.truth, q, q, out=np.empty(2))
    raises(AttributeError, "the model has no function `lerned`", getattr, m, "lerned")
    raises(TypeError, "takes a function with one result", lambda: m.kick.hvp)


def test_samples_together():
    """What belongs to the same samples is never broadcast against each other."""
    m = hnnc.compile(PENDULUM)
    q, p = np.random.default_rng(8).normal(size=(2, 5, 1))
    raises(ValueError, "learned_vjp: the leading shape of `%s` should be [5], as the arguments of learned together have, or [], one for all; found [5, 1]"
           % m.learned.vjp._names[2], m.learned.vjp, q, p, np.ones((5, 1)))
    raises(ValueError, "should be []", m.learned.vjp, q[0], p[0], np.ones(5))
    one, many = m.learned.vjp(q, p, 2.0), m.learned.vjp(q, p, np.full(5, 2.0))
    check(all(close(a, b) for a, b in zip(one, many)), "one cotangent for all")
    check(m.learned.vjp(q[:, None], p, np.ones((5, 5)))[0].shape == (5, 5, 1), "of arguments that are broadcast")
    raises(ValueError, "learned_jvp: the leading shape of", m.learned.jvp, q, p, q[:, None], p)
    raises(ValueError, "quartic_hvp: the leading shape of", m.quartic.hvp, np.ones((5, 2)), np.ones((5, 1, 2)))
    raises(ValueError, "the leading shape of", m.learned.vjp.vjp, q, p, np.ones((5, 1)), q, p)
    check(m.quartic.jvp(np.ones(2), np.eye(2)).shape == (2,), "tangents of one point")
    loss = m.losses["hnn"]
    says = "hnn: the leading shape of `p` should be [5, 1], as `q` has: all fields are of the same samples, or [], one for all; found [5]"
    raises(ValueError, says, loss.value_and_grad, q[:, None], p)
    raises(ValueError, says, loss, q[:, None], p)
    raises(ValueError, "found [5]", loss, q[:1], p)
    check(close(loss(q, [0.5]), loss(q, np.full((5, 1), 0.5))), "one for all")


def test_left_out():
    m = hnnc.compile("import \"std/nets\"\nfn f(x: real) = 2*x\nfn g(x) = sum(x^2)\nfn h(x: real[n], y: real) = sum(x)*y\nfn c() = 3\n")
    check(list(m.functions) == ["f"] and list(m.left_out) == ["g", "h", "c"], "left out", m.left_out)
    raises(AttributeError, "`g` is in the file, but cannot be called: its argument `x` has no type; `x: real` would be one", lambda: m.g)
    raises(AttributeError, "`h` is in the file, but cannot be called: the shapes of its arguments are not known: write them, as in `x: real[3]`", lambda: m.h)
    raises(AttributeError, "`c` is in the file, but cannot be called: it takes no arguments", lambda: m.c)
    raises(AttributeError, "no function `lerned` (did you mean `learned`?)", lambda: hnnc.compile(PENDULUM).lerned)


def test_errors():
    e = raises(hnnc.CompileError, "`x` is not defined", hnnc.compile, "fn f(q: real) = q + x\nfn g(q: real) = y\n", "broken.hnn")
    check(len(e.diagnostics) == 2 and e.diagnostics[0].error and e.diagnostics[0].place.line == 1 and e.diagnostics[0].place.file == "broken.hnn", "places",
          e.diagnostics)
    raises(OSError, "nowhere.hnn", hnnc.load, "nowhere.hnn")
    raises(ValueError, "cpu", hnnc.compile, PENDULUM, cpu="z80")
    c = hnnc.check(text="fn f(q: real) = q + x\n")
    check(not c.ok and "`x` is not defined" in str(c) and len(c.diagnostics) == 1, "check")
    c = hnnc.check(text=PENDULUM)
    check(c.ok and [(p.claim, p.answer) for p in c.proofs] == [("symplectic flow kick", "proved")], "proofs", c.proofs)
    check(hnnc.compile(PENDULUM).proofs[0].answer == "proved", "proofs of a model")
    raises(hnnc.CompileError, "nois", hnnc.compile, PENDULUM, nois=1)


def test_parameters():
    m = hnnc.compile(PENDULUM)
    check(list(m.params) == ["energy/dense.0/W", "energy/dense.0/b", "energy/dense.1/W", "energy/dense.1/b"], "paths", list(m.params))
    w = m.params["energy/dense.0/W"]
    before = m.learned([0.3], [0.4])
    w *= 2
    after = m.learned([0.3], [0.4])
    check(w.shape == (16, 2) and before != after, "live")
    flat = m.params.flat
    m.params.flat = 0*flat
    check(m.learned([0.3], [0.4]) == 0 and not w.any(), "all of them")
    m.params.flat = flat
    check(m.learned([0.3], [0.4]) == after, "back")
    with tempfile.TemporaryDirectory() as d:
        m.params.save(d + "/w.safetensors")
        m.params.flat = 0*flat
        m.params.load(d + "/w.safetensors")
        check(m.learned([0.3], [0.4]) == after, "saved")
        raises(OSError, "nowhere", m.params.load, d + "/nowhere.safetensors")
        other = hnnc.compile(PENDULUM.replace("mlp([16], 1)", "mlp([8, 8], 1)"))
        e = raises(OSError, "`energy/dense.0/W` is real[16, 2] there, and real[8, 2] in the model", other.params.load, d + "/w.safetensors")
        check("do not fit the model" in str(e) and "`energy/dense.2/W`, real[1, 8] in the model, is missing there" in str(e), "which", str(e))
        raises(ValueError, "np.savez(path, **m.params)", m.params.save, d + "/w.npz")
    m.params["energy/dense.0/b"] = np.arange(16)
    check((m.params["energy/dense.0/b"] == np.arange(16)).all(), "written")
    raises(ValueError, "the parameter `energy/dense.0/b` is [16], found [3]", m.params.__setitem__, "energy/dense.0/b", [1, 2, 3])
    raises(KeyError, "there is no parameter `energy/dense.0/B` (did you mean `energy/dense.0/b`?)", m.params.__setitem__, "energy/dense.0/B", 0)
    raises(KeyError, "there is no parameter `w`", lambda: m.params["w"])
    raises(ValueError, "all parameters together are", setattr, m.params, "flat", [1, 2])
    del m
    w[0, 0] = 1          # the array keeps its model


def test_derivatives():
    m = hnnc.compile(PENDULUM)
    rng = np.random.default_rng(2)
    q, p = rng.normal(size=(9, 1)), rng.normal(size=(9, 1))
    loss, gradient = m.losses["hnn"].value_and_grad(q, p)
    check(close(loss, m.losses["hnn"]({"q": q, "p": p})) and gradient.shape == m.params.flat.shape, "a loss")
    flat, direction = m.params.flat, rng.normal(size=gradient.shape)
    values = []
    for h in 1e-5, -1e-5:
        m.params.flat = flat + h*direction
        values.append(m.losses["hnn"](q=q, p=p))
    m.params.flat = flat
    check(abs((values[0] - values[1])/2e-5 - gradient @ direction) < 1e-6*(1 + abs(gradient @ direction)), "its gradient")
    check(list(m.params.unflatten(gradient)) == list(m.params), "by path")
    g = rng.normal(size=9)
    vq, vp, theta = m.learned.vjp(q, p, g)
    check(vq.shape == (9, 1) and theta.shape == gradient.shape, "cotangents")
    dq, dp = rng.normal(size=(9, 1)), rng.normal(size=(9, 1))
    check(close(m.learned.jvp(q, p, dq, dp), (vq/g[:, None]*dq + vp/g[:, None]*dp)[:, 0], 1e-10), "tangents")
    check(m.learned.vjp is m.learned.vjp and m.learned.vjp.vjp.kind == "vjp", "again")
    x, v = rng.normal(size=(5, 2)), rng.normal(size=(5, 2))
    check(close(m.quartic.hvp(x, v), 12*x**2*v + v[:, ::-1]), "Hessian times a vector")
    try:
        import scipy.sparse
    except ImportError:
        return
    check(close(m.hess.csr(m.hess(x[0])).toarray(), [[12*x[0, 0]**2, 1], [1, 12*x[0, 1]**2]]), "nonzeros")


DENSITY = """\
precision f64
fn log_p(x: real[2], s: real, y: real[3]) = -x[0]^2 + x[0]*x[1] - x[1]^2 - sum((y - s)^2)/2 + log(s)
fn gamma(s: real[2]) = 2*sum(log(s)) - 3*s[0] - s[1]
flow positive(u: real[2]) { u = exp(u) inverse log(u) }
flow turned(x: real[2], s: real) { s *= exp(0.3*x[0]) }
fn two(x: real) = (x, x)
"""


def differences(f, x, h=1e-6):
    """Of the last axis of what f gives, by each number of x."""
    return np.stack([(f(x + h*e) - f(x - h*e))/(2*h) for e in np.eye(len(x))], -1)


def test_densities():
    m = hnnc.compile(DENSITY)
    y = np.array([1.0, 2.0, 1.5])
    rng = np.random.default_rng(5)
    p, g, t = hnnc.Density(m.log_p, y=y), hnnc.Density(m.gamma, through=m.positive), hnnc.Density(m.log_p, through=m.turned, y=y)
    check(p.param_names() == ["x[0]", "x[1]", "s"] and p.param_unc_num() == 3 and p.name() == "log_p" and g.param_unc_names() == ["u[0]", "u[1]"], "names")
    check(repr(g) == "<log density gamma of 2 numbers through positive>", repr(g))
    for d in (p, g, t):
        x = rng.uniform(0.5, 1.5, d.param_num())
        for jacobian in (True, False):
            value, slope = d.log_density_gradient(x, jacobian=jacobian)
            check(close(value, d.log_density(x, jacobian=jacobian)) and slope.shape == x.shape, "a value")
            check(close(slope, differences(lambda x: d.log_density(x, jacobian=jacobian), x), 1e-7), "its gradient", d)
            hessian = differences(lambda x: d.log_density_gradient(x, jacobian=jacobian)[1], x)
            v = rng.normal(size=x.shape)
            check(close(d.log_density_hessian_vector_product(x, v, jacobian=jacobian)[1], hessian @ v, 1e-6), "the Hessian times a vector", d)
            check(close(d.log_density_hessian(x, jacobian=jacobian)[2], hessian, 1e-6), "the Hessian", d)
        check(close(d.param_unconstrain(d.param_constrain(x)), x), "there and back")
        many = rng.uniform(0.5, 1.5, (4, 3) + x.shape)
        values, slopes = d.log_density_gradient(many)
        check(values.shape == (4, 3) and close(slopes[2, 1], d.log_density_gradient(many[2, 1])[1]), "many")
        check(d.log_density_hessian(many)[2].shape == (4, 3, len(x), len(x)), "many Hessians")
    u = np.array([0.2, -0.3])
    check(close(g.log_density(u), m.gamma(np.exp(u)) + u.sum()) and close(g.param_constrain(u), np.exp(u)), "through a flow")
    check(close(p.log_density([1.0, 2, 0.5]), m.log_p([1.0, 2], 0.5, y)), "data")
    value, dx, ds = m.log_p.value_and_grad(np.ones((5, 2)), np.ones(5), y)[:3]
    check(value.shape == (5,) and dx.shape == (5, 2) and close(ds, 1 + (y - 1).sum()), "a value with its gradient")
    raises(TypeError, "one result, a scalar", hnnc.Density, m.two)
    raises(TypeError, "has no argument `z`", hnnc.Density, m.log_p, z=1.0)
    raises(ValueError, "`y` should be", hnnc.Density, m.log_p, y=y[:2])
    raises(ValueError, "the state of positive should be", hnnc.Density, m.log_p, through=m.positive, y=y)
    raises(TypeError, "nothing is left", hnnc.Density, m.gamma, s=[1.0, 2.0])
    raises(ValueError, "`theta` should be [..., 3]", p.log_density, [1.0, 2.0])
    raises(TypeError, "has no gradient", lambda: m.two.value_and_grad)


def test_run():
    m = hnnc.compile(PENDULUM, options={"train.steps": 100})
    seen = []
    with tempfile.TemporaryDirectory() as d:
        run = m.run(d + "/r", progress=False, on_step=seen.append)
        check(run.ok and run.status == "done" and run.dir.endswith("/r"), "a run", run)
        check([s.step for s in seen] == [20, 40, 60, 80, 100] and seen[-1].loss == "hnn" and seen[-1].value < seen[0].value, "steps", seen)
        check(run.reports["error_"].n == 200 and run.reports["error_"].mean < 1 and run.expects[0].holds, "reports")
        rng = np.random.default_rng(3)
        q, p = rng.uniform(-1, 1, (400, 1)), rng.uniform(-1, 1, (400, 1))
        check(m.losses["hnn"](q, p) < 1 and run.model is m, "the model is trained")
        check(len(run.metrics) == 5 and run.manifest["status"] == "done", "its files")
        again = hnnc.load_run(run.dir)
        check((again.params.flat == m.params.flat).all() and again.learned([0.3], [0.4]) == m.learned([0.3], [0.4]), "a run is a model")
        check([r["model"] for r in hnnc.runs(d)] == ["model.hnn"] or len(hnnc.runs(d)) == 1, "a list of runs", hnnc.runs(d))
        old = hnnc.Run(run.dir)
        check(old.status == "done" and close(old.reports["error_"].mean, run.reports["error_"].mean), "a run that is there")
    raises(FileNotFoundError, "there is no folder", hnnc.runs, "/nowhere")
    stopped = hnnc.compile(PENDULUM).run(False, progress=False, on_step=lambda s: s.step < 60)
    check(stopped.stopped and not stopped.ok and stopped.dir is None, "stopped by the function", stopped)
    bad = hnnc.compile(PENDULUM.replace("error_ < 1", "error_ < 0")).run(False, progress=False)
    check(not bad.ok and not bad.expects[0].holds, "an expectation")
    raises(hnnc.Error, "stopped being finite", hnnc.compile(PENDULUM.replace("noise*0", "log(-1 - q[0]^2)")).run, False, progress=False)


def test_run_of_changed_file():
    with tempfile.TemporaryDirectory() as d:
        np.save(d + "/A.npy", [1.0, 2.0])
        hnnc.compile('const A = read("%s/A.npy")\nfn of(x: real) = x*sum(A)\nreport r = of(1)\n' % d).run(d + "/r", progress=False)
        check(hnnc.load_run(d + "/r").of(2.0) == 6, "the run")
        np.save(d + "/A.npy", [1.0, 3.0])
        raises(OSError, "A.npy`, which `model.hnn` reads, has changed since the run started", hnnc.load_run, d + "/r")


def test_interrupt():
    """Ctrl-C ends a training after its step, and the run is there."""
    program = """
import sys
sys.path.insert(0, %r)
import hnnc
m = hnnc.compile(%r, options={"train.steps": 100000000, "train.every": 1000})
print("go", flush=True)
r = m.run(False, progress=False)
print(r.stopped, m.learned([0.1], [0.2]) == m.learned([0.1], [0.2]))
""" % (PACKAGE, PENDULUM)
    p = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, universal_newlines=True)
    check(p.stdout.readline() == "go\n", "it begins")
    time.sleep(1)
    p.send_signal(signal.SIGINT)
    said = p.communicate(timeout=60)[0]
    check(p.returncode == 0 and said == "True True\n", "stopped", p.returncode, said)


def test_odd_moments():
    m = hnnc.compile(PENDULUM)
    raises(RuntimeError, "the model is at work", m.run, False, progress=False, on_step=lambda s: m.run(False, progress=False))
    raises(ZeroDivisionError, "", m.run, False, progress=False, on_step=lambda s: 1/0)
    raises(TypeError, "", m.run, False, progress=False, on_step=5)
    with tempfile.TemporaryDirectory() as d:
        a = m.run(d + "/r", progress=False)
        other = hnnc.compile(PENDULUM).run(d + "/r", progress=False)      # a cell that is run again
        check(other.ok and os.path.isdir(d + "/r/earlier"), "the directory is free")
        b = m.run(d + "/s", progress=False)
        check(b.model is m and a.model is not m, "an earlier run has its own parameters")
        raises(OSError, "", m.params.save, d)
    x = np.zeros((10, 2))
    o = np.zeros(9)
    frozen = x.copy()
    frozen.flags.writeable = False
    check((m.quartic(frozen) == m.quartic(x[::1, :])).all() and (m.quartic(x[::2]) == m.quartic(np.asfortranarray(x))[::2]).all(), "as they are, or not")
    raises(ValueError, "out should be", m.quartic, x, out=frozen[:, 0].copy().view(np.int64))
    raises(ValueError, "out overlaps", m.quartic, x[:9], out=x.ravel()[:9])
    check(m.quartic(x[:9], out=o) is o, "out that does not")
    f = hnnc.compile("fn f(x: real) = x^3\nfn f_vjp(x: real, g: real) = sin(x)*g\n")
    f.f.vjp.vjp
    check(close(f.f_vjp.vjp(0.3, 1.0, 1.0), (np.cos(0.3), np.sin(0.3))), "each has its own derivative", f.f_vjp.vjp(0.3, 1.0, 1.0))
    check(close(f.f(np.float64(2)), 8) and hnnc.compile("const n = 2\nfn f(x: real) = n*x\n", n=np.array(3)).f(1.0) == 3, "NumPy's numbers")
    raises(TypeError, "takes a program as a string", hnnc.compile, None)


def test_cache():
    """Of two programs whose models are the same but for their functions, each has its own, from the cache too."""
    with tempfile.TemporaryDirectory() as d:
        for _ in range(2):
            for name, factor in (("f", 2), ("g", 3)):
                m = hnnc.compile("fn %s(x: real) = %d*x\n" % (name, factor), cache_dir=d)
                check(list(m.functions) == [name] and m.functions[name](1.0) == factor, "its own function", list(m.functions))


def test_inside_a_run():
    m = hnnc.compile(PENDULUM)
    said = []

    def step(s):
        try:
            m.learned([0.1], [0.2])
        except RuntimeError as e:
            said.append(str(e))
        return False
    m.run(False, progress=False, on_step=step)
    check(said and "the model is at work" in said[0], "in its own run", said)


def test_threads():
    """Eight threads in one model, and some in another: the bits of one."""
    m, other = hnnc.compile(PENDULUM), hnnc.compile(PENDULUM)
    rng = np.random.default_rng(4)
    q, x = rng.normal(size=(5000, 1)), rng.normal(size=(300, 2))
    calls = [lambda m: m.learned(q, q), lambda m: m.learned(q[:7], q[:7]), lambda m: m.quartic.hvp(x, x), lambda m: m.losses["hnn"].value_and_grad(q, q)[1],
             lambda m: np.array(m.rate(0.0, 0.5, 2.0))]
    want, wrong = [c(m) for c in calls], []

    def work(model, first):
        for k in range(25):
            if not (calls[(first + k) % len(calls)](model) == want[(first + k) % len(calls)]).all(): wrong.append(first)
    threads = [threading.Thread(target=work, args=(x, k)) for k, x in enumerate([m]*8 + [other]*2)]
    for t in threads: t.start()
    for t in threads: t.join()
    check(not wrong, "threads", wrong)


def in_child(f):
    """What f gives in a process that is forked from this one: a text; "hangs" if it does."""
    r, w = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.write(w, str(f()).encode())
        except BaseException as e:
            os.write(w, ("%s: %s" % (type(e).__name__, e)).encode())
        os._exit(0)
    os.close(w)
    ready = select.select([r], [], [], 20)[0]
    said = os.read(r, 1000).decode() if ready else "hangs"
    if not ready: os.kill(child, signal.SIGKILL)
    os.close(r)
    os.waitpid(child, 0)
    return said


def test_fork():
    m = hnnc.compile(PENDULUM)
    q = np.random.default_rng(6).normal(size=(400000, 1))
    want = m.truth(q, q)
    check(in_child(lambda: (m.truth(q, q) == want).all()) == "True", "a child goes on")
    over, said = threading.Event(), set()

    def work():
        while not over.is_set(): m.truth(q, q)
    busy = threading.Thread(target=work)
    busy.start()
    for _ in range(10):
        time.sleep(0.003)
        said.add(in_child(lambda: (m.truth(q[:9], q[:9]) == want[:9]).all()).split(":")[0])
    over.set()
    busy.join()
    check(said <= {"True", "RuntimeError"} and (m.truth(q, q) == want).all(), "a busy model", said)
    inside = []
    m.run(False, progress=False, on_step=lambda s: inside.append(in_child(lambda: m.truth(q, q))) or False)
    check("the model is at work" in inside[0], "in a run", inside)
    check(in_child(lambda: hnnc.compile("fn f(x: real) = 2*x\n").f(4.0)) == "8.0" and in_child(m.close) == "None", "others, and its end")


def test_close():
    m = hnnc.compile(PENDULUM)
    w = m.params["energy/dense.0/W"]
    before = w.copy()
    m.close()
    m.close()
    check((w == before).all(), "arrays that are held stay")
    del w
    raises(ValueError, "the model is closed", m.learned, [0.3], [0.4])
    raises(ValueError, "the model is closed", m.rate, 0.0, 1.0, 2.0)
    raises(ValueError, "the model is closed", m.run, False, progress=False)
    with hnnc.compile(PENDULUM) as n: value = n.learned([0.3], [0.4])
    check(np.isfinite(value), "in a `with`")
    raises(ValueError, "the model is closed", lambda: n.learned.vjp)
    raises(RuntimeError, "the model is at work", (lambda x: x.run(False, progress=False, on_step=lambda s: x.close())), hnnc.compile(PENDULUM))


class Tensor:
    """Nothing but what DLPack asks for."""

    def __init__(self, a):
        self.a = a

    def __dlpack__(self, **more):
        return self.a.__dlpack__(**more)

    def __dlpack_device__(self):
        return self.a.__dlpack_device__()


def test_dlpack():
    m = hnnc.compile(PENDULUM)
    x = np.random.default_rng(7).normal(size=(6, 2))
    check((m.quartic(Tensor(x)) == m.quartic(x)).all(), "in")
    check((np.from_dlpack(m.quartic(x)) == m.quartic(x)).all() and np.shares_memory(np.from_dlpack(m.params["energy/dense.0/W"]), m.params["energy/dense.0/W"]), "out")
    raises(ValueError, "out should be", m.quartic, x, out=[1.0]*6)


def test_tables():
    m = hnnc.compile(PENDULUM)
    with tempfile.TemporaryDirectory() as d:
        run = m.run(d + "/r", progress=False)
        check("report" in repr(run) and "expect error_ < 1: holds" in repr(run), repr(run))
        page = run._repr_html_()
        check("<table>" in page and "expect error_ &lt; 1: holds" in page and page.count("<img ") == len(run.plots), "a run as HTML", page[:1000])
        if run.plots and shutil.which("gnuplot"):
            run.plot("phase").save(d + "/phase.pdf")
            run.plot("phase").save(d + "/phase.png")
            check(open(d + "/phase.pdf", "rb").read(5) == b"%PDF-" and open(d + "/phase.png", "rb").read(4) == b"\x89PNG", "figures for papers")
            raises(ValueError, "ends in", run.plot("phase").save, d + "/phase.bmp")
            run.plot("phase").save(d + "/phase.gif")
            run.plot("phase").save(pathlib.Path(d + "/phase.svg"))
            check(open(d + "/phase.gif", "rb").read(6) == b"GIF89a" and run.plot("phase")._repr_svg_() == open(d + "/phase.svg").read(), "a film, the picture itself")
            check("<p>Orbits &amp; levels</p>" in run.plot("phase")._repr_html_() and run.plot("phase").caption == "Orbits & levels", "its caption")
        check(run.report(d + "/page.html") == d + "/page.html" and "hnnc report" in open(d + "/page.html").read(), "the page of a run")
        hnnc.report([run, run.dir], d + "/two.html")
        check(os.path.getsize(d + "/two.html") > os.path.getsize(d + "/page.html"), "and of two")
        raises(hnnc.Error, "nowhere", hnnc.report, [d + "/nowhere"], d + "/none.html")
        raises(hnnc.Error, "without a directory", m.run(False, progress=False).report)
        check(not os.path.exists(d + "/none.html"), "nothing is written of nothing")
        table = hnnc.Runs([{"status": "done", "loss": 12.5, "note": None}, {"status": "<b>", "loss": 0.25, "note": None}])
        check(repr(table) == "status  loss\ndone    12.5\n<b>     0.25", repr(table))
        check("<th style=\"text-align: right\">loss</th>" in table._repr_html_() and "&lt;b&gt;" in table._repr_html_() and "note" not in table._repr_html_(), "as HTML")
        check(repr(hnnc.Runs()) == "no runs" and "model.hnn" in repr(hnnc.runs(d)), repr(hnnc.runs(d)))


def test_library():
    """The files that the command writes, byte for byte; no compiler is asked."""
    command = os.path.join(os.path.dirname(PACKAGE), "driver", "hnnc")
    with tempfile.TemporaryDirectory() as d:
        here, path = os.getcwd(), os.environ.get("PATH")
        os.chdir(d)
        try:
            with open("m.hnn", "w") as f: f.write(PENDULUM)
            subprocess.run([command, "compile", "m.hnn", "-q", "-o", "b/m"], check=True)
            m = hnnc.load("m.hnn")
            os.environ["PATH"] = "/nowhere"
            m.export_library("a/m")
            for name in "m.so", "m.h": check(open("a/" + name, "rb").read() == open("b/" + name, "rb").read(), name)
            raises(OSError, "nowhere", m.export_library, "/nowhere/at/all") if os.geteuid() else None
        finally:
            os.environ["PATH"] = path
            os.chdir(here)


def test_onnx():
    """The file that the command writes, byte for byte; after a training but for the name of its run."""
    command = os.path.join(os.path.dirname(PACKAGE), "driver", "hnnc")
    with tempfile.TemporaryDirectory() as d:
        here = os.getcwd()
        os.chdir(d)
        try:
            with open("m.hnn", "w") as f: f.write(PENDULUM)
            m = hnnc.load("m.hnn")
            m.export_onnx("a.onnx", ["learned", m.learned.vjp, m.learned.vjp.jvp, m.losses["hnn"], "error_"])
            subprocess.run([command, "compile", "m.hnn", "-q", "--emit=onnx", "learned", "learned_vjp", "learned_vjp_jvp", "loss_hnn", "error_", "--vjp=learned",
                            "--jvp=learned_vjp", "-o", "b.onnx"], check=True)
            read = lambda name: open(name, "rb").read()
            check(read("a.onnx") == read("b.onnx"), "the command's")
            r = m.run("r", progress=False)
            m.export_onnx("c.onnx", m.rate)
            m.export_onnx("d", "learned")
            subprocess.run([command, "compile", "m.hnn", "-q", "--emit=onnx", "learned", "--params", "r", "-o", "e.onnx"], check=True)
            weights = m.params["energy/dense.0/W"].tobytes()
            check(weights in read("d.onnx") and weights in read("e.onnx") and weights not in read("a.onnx"), "as trained")
            check(abs(len(read("d.onnx")) - len(read("e.onnx"))) < 50, "but for the run's name")
            m.export_onnx("all")
            check(sorted(os.listdir("all"))[0] == "m.energy.onnx" and len(os.listdir("all")) > 6, "each in a file", os.listdir("all"))
            raises(ValueError, "no function is named", m.export_onnx, "x.onnx", [])
            raises(AttributeError, "no function `lerned`", m.export_onnx, "x.onnx", "lerned")
            raises(OSError, "nowhere", m.export_onnx, "/nowhere/at/all.onnx", "learned") if os.geteuid() else None
            n = hnnc.compile("fn g(x: real) = -x\nfn f(x: real) = integrate(g, x, dt = 0.1, steps = 3, method = dopri5(rtol = 1e-6))[-1]\n")
            e = raises(hnnc.CompileError, "cannot be exported to ONNX", n.export_onnx, "x.onnx", "f")
            check(e.diagnostics[0].place.line == 2 and not os.path.exists("x.onnx") and np.isfinite(n.f(1.0)), "it goes on")
        finally:
            os.chdir(here)


def test_low_level():
    """What SciPy's C calls."""
    for precision in ("f64", "f32"):
        m = hnnc.compile("precision %s\nfn f(x: real[2], y: real) = x[0]*x[1] + y\n" % precision)
        api = ctypes.pythonapi
        api.PyCapsule_GetPointer.restype = api.PyCapsule_GetContext.restype = ctypes.c_void_p
        api.PyCapsule_GetPointer.argtypes, api.PyCapsule_GetContext.argtypes = [ctypes.py_object, ctypes.c_char_p], [ctypes.py_object]
        numbers = (ctypes.c_double*3)(2, 3, 0.5)
        quad = m._handle.low_level(m.f._number, 0, (2, 1))
        call = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_int, ctypes.POINTER(ctypes.c_double), ctypes.c_void_p)(
            api.PyCapsule_GetPointer(quad, b"double (int, double *, void *)"))
        check(call(3, numbers, api.PyCapsule_GetContext(quad)) == 6.5 and np.isnan(call(2, numbers, api.PyCapsule_GetContext(quad))), "quad")
        window = m._handle.low_level(m.f._number, 1, (2, 1))
        call = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_double), ctypes.c_ssize_t, ctypes.POINTER(ctypes.c_double), ctypes.c_void_p)(
            api.PyCapsule_GetPointer(window, b"int (double *, intptr_t, double *, void *)"))
        value = ctypes.c_double()
        check(call(numbers, 3, ctypes.byref(value), api.PyCapsule_GetContext(window)) == 1 and value.value == 6.5, "a filter")


def test_stubs():
    """Every public name has its types: what is in C in _hnnc.pyi, with the signatures that it has; the rest by itself."""
    folder = os.path.dirname(hnnc.__file__)
    check(os.path.exists(os.path.join(folder, "py.typed")), "py.typed")
    with open(os.path.join(folder, "_hnnc.pyi"), encoding="utf-8") as f: tree = ast.parse(f.read())

    def names(args):
        return [a.arg for a in args.posonlyargs + args.args if a.arg not in ("self", "cls")] + (["*" + args.vararg.arg] if args.vararg else [])

    def has(f):
        return [("*" if p.kind == p.VAR_POSITIONAL else "") + p.name for p in inspect.signature(f).parameters.values() if p.name != "self"]
    stubs = {n.name: n for n in tree.body if isinstance(n, (ast.FunctionDef, ast.ClassDef))}
    methods = {n.name: n for n in stubs.pop("Model").body if isinstance(n, ast.FunctionDef)}
    check(set(stubs) == {"runs", "runs_page"} and all(names(stubs[n].args) == has(getattr(hnnc._hnnc, n)) for n in stubs), "functions", stubs)
    there = {n for n in vars(hnnc._hnnc.Model) if not n.startswith("__")}
    check(set(methods) == there | {"__new__"}, "methods", set(methods) ^ there)
    for n, stub in methods.items():
        check(names(stub.args) == has(hnnc._hnnc.Model if n == "__new__" else getattr(hnnc._hnnc.Model, n)), "a signature", n)
    untyped = []
    from hnnc import scipy as neighbour
    for where, n in [(hnnc, n) for n in hnnc.__all__] + [(neighbour, n) for n in neighbour.__all__]:
        thing = getattr(where, n)
        own = [v.fget if isinstance(v, property) else getattr(v, "__func__", v) for k, v in vars(thing).items() if not k.startswith("_") or k in ("__init__", "__call__")] \
            if isinstance(thing, type) else [thing]
        for f in own:
            if not inspect.isfunction(f): continue
            s = inspect.signature(f)
            if s.return_annotation is s.empty or any(p.annotation is p.empty for p in s.parameters.values() if p.name != "self"): untyped.append((n, f.__name__))
    check(not untyped, "without types", untyped)
    check(len(hnnc.__all__) > 15 and all(hasattr(hnnc, n) for n in hnnc.__all__), "__all__")


def test_sweep():
    with tempfile.TemporaryDirectory() as d:
        path = os.path.join(d, "m.hnn")
        with open(path, "w") as f: f.write(PENDULUM)
        table = hnnc.sweep(path, {"noise": [0, 0.1], "train.steps": [300, -1]}, seeds=range(2), jobs=2, out=d + "/s")
        check(len(table) == 8 and sum(r["status"] == "done" for r in table) == 4, "a table", table)
        check(all("error" in r for r in table if r["train.steps"] == -1), "failures are kept apart", table)
        check("noise" in repr(table) and "error_" in repr(table), "shown", repr(table))
        with open(d + "/s/sweep.json") as f: spec = json.load(f)
        check(spec["model"] == path and spec["points"][5] == {"dir": "005", "overrides": ["noise=0.1", "train.steps=300"], "seed": 1}, "sweep.json", spec)
        check([p["dir"] for p in spec["points"] if "train.steps=300" in p["overrides"]] == sorted(os.path.basename(r["dir"]) for r in hnnc.runs(d + "/s")), "the runs")


def test_sweep_says():
    with tempfile.TemporaryDirectory() as d:
        path = os.path.join(d, "m.hnn")
        with open(path, "w") as f: f.write(PENDULUM.replace("error_ < 1", "error_ < 0"))
        sweep = lambda grid={"noise": [0]}, **more: hnnc.sweep(path, grid, **{"out": d + "/s", **more})
        table = sweep()
        check(table[0]["status"] == "failed" and table[0]["error"] == "expect error_ < 0: FAILS" and "FAILS" in repr(table), "which expectation", table)
        check(len(sweep()) == 1, "the same again")
        raises(FileExistsError, "/s has another sweep: `hnnc resume` continues that one, and another `out` makes a new one", sweep, {"noise": [0, 1]})
        raises(FileExistsError, "/s has another sweep", sweep, seeds=[1])
        raises(FileExistsError, "contains other files: a sweep needs a directory of its own", sweep, out=d)
        raises(ValueError, "jobs should be 1 or more, found -1", sweep, jobs=-1)
        raises(ValueError, "each of seeds should be 0 or more, found -1", sweep, seeds=[-1])
        raises(TypeError, "seeds should be a whole number, found 'a'", sweep, seeds="a")
        raises(TypeError, "the grid should have a list of values for `noise`, found 0.1: write [0.1]", sweep, {"noise": 0.1})
        with open(os.path.join(d, "n.hnn"), "w") as f: f.write("fn f(x: real) = 2*x\ndata one { yield x = uniform(0, 1) }\nuse o = one(count = 3)\nreport mean_ = x on o\n")
        hnnc.run(os.path.join(d, "n.hnn"), d + "/r/n", progress=False)
        hnnc.compile(PENDULUM).run(d + "/r/m", progress=False)
        heads = [b.split("\n")[0] for b in repr(hnnc.runs(d + "/r")).split("\n\n")]
        check(len(heads) == 2 and sum("mean_" in h for h in heads) == 1 and sum("error_" in h for h in heads) == 1, "a table for each model", heads)
        check(hnnc.runs(d + "/r")._repr_html_().count("<table>") == 2, "as HTML")
    raises(ValueError, "seed should be 0 or more, found -1", hnnc.compile, PENDULUM, seed=-1)
    raises(TypeError, "seed should be a whole number, found 'a'", hnnc.compile, PENDULUM, seed="a")
    raises(ValueError, "threads should be 0 or more, found -2", hnnc.compile, PENDULUM, threads=-2)
    m = hnnc.compile(PENDULUM)
    raises(ValueError, "truth: seed should be 0 or more, found -1", m.truth, [0.0], [0.0], seed=-1)
    raises(TypeError, "truth: seed should be a whole number, found 'a'", m.truth, [0.0], [0.0], seed="a")


def test_slips():
    """Small mistakes, each with what to write."""
    m = hnnc.compile(PENDULUM)
    raises(ValueError, "of a file it is hnnc.load('pend.hnn')", hnnc.compile, "pend.hnn")
    raises(ValueError, "hnnc.compile(text) takes the text of a program", hnnc.load, PENDULUM)
    raises(KeyError, "there is no loss `hn` (did you mean `hnn`?); there are hnn", lambda: m.losses["hn"])
    raises(TypeError, "hnn lacks its argument `p`", m.losses["hnn"], {"q": np.zeros((3, 1))})
    raises(KeyError, "there is no function `lerned` (did you mean `learned`?)", lambda: m.functions["lerned"])
    raises(TypeError, "truth: out should be an array, or a tuple of one for each of several results, found 3", m.truth, np.zeros((2, 1)), np.zeros((2, 1)), out=3)
    raises(TypeError, "out is a folder, None or False, found 3", m.run, 3)
    raises(TypeError, "hnnc.Density takes a function of a model, as m.functions has them, found 'H'", hnnc.Density, "H")
    raises(TypeError, "hnnc.Density takes a function of a model, as m.functions has them, found a model", hnnc.Density, m)
    raises(AttributeError, "truth has no `grad`: its derivatives are value_and_grad", lambda: m.truth.grad)
    with tempfile.TemporaryDirectory() as d:
        with open(d + "/mine.txt", "w") as f: f.write("mine")
        e = raises(OSError, "choose a new directory with `out`", m.run, d, progress=False)
        check("--out" not in str(e), "the option's name here", str(e))
        run = m.run(d + "/r", progress=False)
        raises(KeyError, "there is no report `error` (did you mean `error_`?)", lambda: run.reports["error"])
    m.close()
    for f in (lambda: m.params["energy/dense.0/W"], lambda: m.params.flat, lambda: setattr(m.params, "flat", [1.0]), lambda: len(m.params)):
        raises(ValueError, "the model is closed", f)
    check(repr(m) == "<hnnc model model.hnn, closed>", repr(m))


def test_single():
    m = hnnc.compile(PENDULUM.replace("f64", "f32"))
    h = m.truth(np.float32([[0.5]]), np.float32([[1]]))
    check(h.dtype == np.float32 and close(h, 3*(1 - np.cos(0.5)) + 1, 1e-6) and isinstance(m.rate(0.0, 1.0, 2.0)[0], float), "f32")
    raises(TypeError, "write .astype(np.float32)", m.truth, np.zeros((1, 1)), np.zeros((1, 1)))


def test_document():
    """docs/python.md: its notebook, and the programs of its other parts."""
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    sys.path.insert(0, os.path.join(root, "tools"))
    import notebook
    with open(notebook.DOCUMENT, encoding="utf-8") as f: text = f.read()
    with open(notebook.NOTEBOOK, encoding="utf-8") as f: stored = json.load(f)
    space = {}
    wrong = notebook.compare(text, stored, space)
    check(not wrong, "the notebook", *wrong)
    check(space["run"].ok and len(space["table"]) == 8 and space["where"].line == 1, "what it makes")
    programs = notebook.programs(text)
    notebook.run([source for source, lack in programs if not lack], space)
    lacking = {name for _, lack in programs for name in lack}
    if lacking: print("     programs that need %s are skipped" % ", ".join(sorted(lacking)))


tests = [v for k, v in list(globals().items()) if k.startswith("test_")]
os.chdir(tempfile.mkdtemp())
failed = 0
for t in tests:
    try:
        t()
        print("ok   %s" % t.__name__, flush=True)
    except Exception as e:
        failed += 1
        import traceback
        traceback.print_exc()
        print("FAIL %s: %s" % (t.__name__, e), flush=True)
print("%d passed, %d failed" % (len(tests) - failed, failed))
sys.exit(1 if failed else 0)
