"""Orbits by leapfrog (drift, kick, drift) in f64: an ensemble of Kepler orbits, FPUT-β rings, and the gradient of the end of
an orbit with respect to a strength of the force, 10⁴ steps back."""
import numpy as np

from workloads import Workload

KEPLER = """hamiltonian kepler(q: real[2], p: real[2]) = dot(p, p)/2 - 1/norm(q)
fn roll(q: real[2], p: real[2]) {{
  let (a, b) = trajectory(kepler, q, p, dt = {dt}, steps = {steps}, every = {steps}, method = leapfrog)
  return concat(a[1], b[1])
}}
"""
FPUT = """hamiltonian fput(q: real[{n}], p: real[{n}]) {{
  let d = roll(q, -1) - q
  return sum(p^2/2 + d^2/2 + d^4/4)
}}
fn move(q: real[{n}], p: real[{n}]) {{
  let (a, b) = trajectory(fput, q, p, dt = {dt}, steps = {steps}, every = {steps}, method = leapfrog)
  return concat(a[1], b[1])
}}
"""
ORBIT = """data orbits = read("data.npz", q, p, Q)
net attraction()(q: real[2]) -> real {{
  param k: real[1] = 1.001
  return -k[0]/norm(q)
}}
use V = attraction()
hamiltonian H(q: real[2], p: real[2]) = dot(p, p)/2 + V(q)
loss end(q: real[2], p: real[2], Q: real[2]) {{
  let (a, b) = trajectory(H, q, p, dt = {dt}, steps = {orbit}, every = {orbit}, method = leapfrog)
  return sum((a[1] - Q)^2)
}}
train end on orbits {{
  optimizer = sgd(lr = 1e-7)
  batch = all, steps = {steps}, every = 1
}}
"""


def leapfrog_kepler(q, p, dt, steps):
    for _ in range(steps):
        q = q + dt / 2 * p
        p = p - dt * q / np.sum(q * q, axis=1, keepdims=True) ** 1.5
        q = q + dt / 2 * p
    return q, p


def ellipses(batch, seed):
    """Starts at the pericentre, eccentricities up to 0.3."""
    r = np.random.default_rng(seed)
    e, turn = r.uniform(0, 0.3, batch), r.uniform(0, 2 * np.pi, batch)
    c, s, v = np.cos(turn), np.sin(turn), np.sqrt((1 + e) / (1 - e))
    return np.stack([(1 - e) * c, (1 - e) * s], 1), np.stack([-v * s, v * c], 1)


def energy_error(q, p):
    """Of final states, against the energies of the start: the largest over the ensemble."""
    def energy(q, p):
        return np.sum(p * p, 1) / 2 - 1 / np.sqrt(np.sum(q * q, 1))
    first = energy(q, p)

    def worst(values):
        end = np.reshape(values, (len(q), 4))
        return float(np.max(np.abs(energy(end[:, :2], end[:, 2:]) - first)))
    return worst


def kepler(batch=1024, dt=0.01, steps=1000):
    q, p = ellipses(batch, 4)
    return Workload(name=f"kepler-b{batch}", family="kepler", kind="call", precision="f64", entry="roll",
                    model=KEPLER.format(dt=dt, steps=steps), data=dict(q=q, p=p), config=dict(dt=dt, orbit=steps), rtol=1e-9,
                    quality=energy_error(q, p), scale=batch * steps, unit="ns a trajectory step", per=1e-9,
                    reach="≤ 0.5 ns; ahead of heyoka's batch mode at equal energy error")


def fput(n, dt=0.05, steps=1000):
    r = np.random.default_rng(5)
    q, p = 0.1 * r.normal(size=(2, 1, n))
    return Workload(name=f"fput-n{n}", family="fput", kind="call", precision="f64", entry="move",
                    model=FPUT.format(n=n, dt=dt, steps=steps), data=dict(q=q, p=p), config=dict(n=n, dt=dt, orbit=steps),
                    rtol=1e-9, scale=n * steps, unit="ns a site and step", per=1e-9,
                    reach="≤ 0.3 ns; ≥ 100× numpy at N = 1024" if n == 1024 else "≤ 0.3 ns")


def orbit(batch=16, dt=0.01, length=10000, steps=3):
    q, p = ellipses(batch, 6)
    end, _ = leapfrog_kepler(q, p, dt, length)
    return Workload(name="orbit-gradient-1e4", family="orbit", precision="f64", entry="end", steps=steps,
                    model=ORBIT.format(dt=dt, orbit=length, steps=steps), data=dict(q=q, p=p, Q=end),
                    config=dict(dt=dt, orbit=length, lr=1e-7), rtol=1e-6, unit="ms a gradient", per=1e-3,
                    reach="≥ 10× JAX; memory flat")


def workloads():
    return [kepler(), fput(32), fput(256), fput(1024), orbit()]
