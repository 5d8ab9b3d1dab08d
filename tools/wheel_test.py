"""What an installed wheel can do without anything else: trains the pendulum, evaluates its field on a million points."""
import ctypes
import tempfile
import time

import hnnc
import numpy as np

PENDULUM = """\
precision f32
import "std/nets"
hamiltonian truth(q: real[1], p: real[1]) = 3*(1 - cos(q[0])) + p[0]^2
use energy = mlp([32, 32], 1)
hamiltonian learned(q: real[1], p: real[1]) = energy(concat(q, p))[0]
fn flow_field(q: real[1], p: real[1]) = field(learned)(q, p)
data swings { yield q = uniform(-1, 1, 1), p = uniform(-1, 1, 1) }
use seen = swings(count = 2000, seed = 1)
loss hnn(q, p) {
  let (vq, vp) = field(learned)(q, p)
  let (wq, wp) = field(truth)(q, p)
  return mean((vq - wq)^2 + (vp - wp)^2)
}
train hnn on seen { optimizer = adam(lr = 3e-3), batch = 200, steps = 3000, schedule = cosine(to = 1e-5) }
report error_ = hnn(q, p) on seen
"""
with tempfile.TemporaryDirectory() as folder:
    m = hnnc.compile(PENDULUM, cache_dir=folder)
    run = m.run(False, progress=False)
    error = run.reports["error_"].mean
    assert error < 1e-3, error
    q, p = np.random.default_rng(1).uniform(-1, 1, (2, 10**6, 1)).astype(np.float32)
    began = time.perf_counter()
    vq, vp = m.flow_field(q, p)
    took = time.perf_counter() - began
    assert np.abs(vq - 2*p).max() < 0.5 and np.abs(vp + 3*np.sin(q)).max() < 0.5
    loss, gradient = m.losses["hnn"].value_and_grad(q[:100], p[:100])
    assert np.isfinite(gradient).all() and gradient.size == m.params.flat.size
    m.export_library(folder + "/pendulum")
    so = ctypes.CDLL(folder + "/pendulum.so")
    so.pendulum_create.restype = ctypes.c_void_p
    made, out = ctypes.c_void_p(so.pendulum_create()), np.empty((10, 1), np.float32)
    pointer = lambda a: a.ctypes.data_as(ctypes.c_void_p)
    assert so.pendulum_learned(made, ctypes.c_int64(10), pointer(q), pointer(p), pointer(out)) == 0
    assert np.array_equal(out[:, 0], m.learned(q[:10], p[:10])), "the library"
print("wheel: hnnc %s trained (error %.1e), and evaluated 10^6 points in %.0f ms" % (hnnc.__version__, error, 1e3*took))
