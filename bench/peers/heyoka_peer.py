"""heyoka: Taylor series of adaptive order, compiled by LLVM. It has no leapfrog, so the Kepler ensemble is compared at
equal error of the energy: the loosest tolerance (a power of ten) whose error is not above spec["quality"], in batch mode.
The neural ODE goes the way of its notebooks: first-order variational equations for all parameters, one orbit at a time."""
import heyoka as hy
import numpy as np

from peers import Missing, Stepping, loosest


def versions():
    return {"heyoka": hy.__version__}


class Kepler:
    """The orbits take turns in batches of the SIMD width."""

    def __init__(self, spec, data):
        self.state = np.concatenate(data, 1).T.copy()
        self.span = spec["config"]["dt"] * spec["config"]["orbit"]
        self.quality = spec["quality"]
        self.lanes = hy.recommended_simd_size()
        if self.state.shape[1] % self.lanes:
            raise Missing(f"the ensemble is no multiple of {self.lanes} orbits")
        self.tol = self.loosest()
        hy.llvm_state.clear_memcache()       # the compilation that is timed starts from nothing

    def loosest(self):
        for k in range(1, 16):
            self.make(10.0**-k)
            self.run()
            if np.max(np.abs(self.energy(self.out) - self.energy(self.state))) <= self.quality:
                return 10.0**-k
        raise Missing("no tolerance reaches the error of the energy")

    def make(self, tol):
        self.ta = hy.taylor_adaptive_batch(ellipse(), np.zeros((4, self.lanes)), tol=tol)

    def energy(self, s):
        return (s[2] ** 2 + s[3] ** 2) / 2 - 1 / np.sqrt(s[0] ** 2 + s[1] ** 2)

    def compile(self):
        self.make(self.tol)

    def run(self):
        self.out = np.empty_like(self.state)
        for k in range(0, self.state.shape[1], self.lanes):
            self.ta.set_time(0.0)
            self.ta.state[:] = self.state[:, k:k + self.lanes]
            self.ta.propagate_until(self.span)
            self.out[:, k:k + self.lanes] = self.ta.state
        return 1

    def check(self):
        self.run()
        return self.out.T.ravel()


def ellipse():
    x, y, u, v = hy.make_vars("x", "y", "u", "v")
    r3 = (x * x + y * y) ** -1.5
    return [(x, u), (y, v), (u, -x * r3), (v, -y * r3)]


def learned(start):
    """H = net(q, p) + (q^2 + p^2)/2; heyoka wants all weights, row by row, then all biases."""
    q, p = hy.make_vars("q", "p")
    flat = np.concatenate([start[k].ravel() for k in (0, 2, 4, 1, 3, 5)])
    energy = hy.model.ffnn(inputs=[q, p], nn_hidden=[32, 32], n_out=1, activations=[hy.tanh, hy.tanh, lambda z: z],
                           nn_wb=[float(x) for x in flat])[0] + (q * q + p * p) / 2
    return [(q, hy.diff(energy, p)), (p, -hy.diff(energy, q))]


class Orbits:
    """One orbit, or batches of the SIMD width in turn, from the states to the end; the loosest tolerance that is as exact as hnnc."""

    def __init__(self, spec, system, states):
        self.system, self.states, self.span = system, states, spec["config"]["span"]
        self.lanes = hy.recommended_simd_size() if len(states) > 1 else 1
        if len(states) % self.lanes:
            raise Missing(f"the ensemble is no multiple of {self.lanes} orbits")
        self.tol = loosest(spec, [10.0**-k for k in range(17, 5, -1)], self.solved)
        hy.llvm_state.clear_memcache()

    def make(self, tol):
        one = self.states[0]
        if self.lanes == 1:
            self.ta = hy.taylor_adaptive(self.system, list(one), tol=tol)
        else:
            self.ta = hy.taylor_adaptive_batch(self.system, np.repeat(one[:, None], self.lanes, 1), tol=tol)

    def solved(self, tol):
        self.make(tol)
        return self.check()

    def compile(self):
        self.make(self.tol)

    def run(self):
        out = np.empty_like(self.states)
        for k in range(0, len(out), self.lanes):
            part = self.states[k:k + self.lanes]
            if self.lanes == 1:
                self.ta.time, self.ta.state[:] = 0.0, part[0]
            else:
                self.ta.set_time(0.0)
                self.ta.state[:] = part.T
            self.ta.propagate_until(self.span)
            out[k:k + self.lanes] = self.ta.state.T
        self.out = out
        return 1

    def check(self):
        self.run()
        return self.out.ravel()


def orbits(spec, data, start):
    q, p = data
    states = np.concatenate([q, p], -1).reshape(len(q), -1)
    if spec["family"] == "bodies":
        n = q.shape[1]
        return Orbits(spec, hy.model.nbody(n, masses=spec["config"]["mass"], Gconst=spec["config"]["G"]), states)
    return Orbits(spec, ellipse() if spec["family"] == "ellipses" else learned(start), states)


class Points:
    """A compiled function of arrays, the results where they are wanted, as its manual has it."""

    def __init__(self, spec, data):
        self.mu, self.calls = spec["config"]["mu"], spec["config"]["calls"]
        self.points, self.out = np.stack(data), np.empty((1, len(data[0])))
        hy.llvm_state.clear_memcache()

    def compile(self):
        x, y, z, px, py, pz = v = hy.make_vars("x", "y", "z", "px", "py", "pz")
        mu = self.mu
        r1, r2 = hy.sqrt((x + mu)**2 + y**2 + z**2), hy.sqrt((x - 1 + mu)**2 + y**2 + z**2)
        self.f = hy.cfunc([(px**2 + py**2 + pz**2) / 2 + y * px - x * py - (1 - mu) / r1 - mu / r2], v)

    def run(self):
        for _ in range(self.calls):
            self.f(self.points, outputs=self.out)
        return self.calls

    def check(self):
        self.run()
        return self.out.ravel()


class NeuralOde(Stepping):
    def __init__(self, spec, data, start):
        self.spec, self.start = spec, start
        self.x, self.y = (a.astype(float) for a in data)
        self.grid = np.linspace(0, spec["config"]["span"], spec["config"]["points"])
        # heyoka wants all weights, row by row, then all biases; ours are W0, b0, W1, b1.
        self.order = [0, 2, 1, 3]

    def compile(self):
        x, y = hy.make_vars("x", "y")
        width = self.spec["config"]["width"]
        f = hy.model.ffnn(inputs=[x, y], nn_hidden=[width], n_out=2, activations=[hy.tanh, lambda z: z])
        system = hy.var_ode_sys([(x, f[0]), (y, f[1])], args=hy.var_args.params, order=1)
        n = sum(a.size for a in self.start)
        self.ta = hy.taylor_adaptive(system, [0.0, 0.0], pars=np.zeros(n), tol=1e-4, compact_mode=True)
        self.fresh = np.array(self.ta.state[2:])
        self.reset()

    def reset(self):
        self.w = np.concatenate([self.start[k].ravel() for k in self.order]).astype(float)
        self.m, self.v, self.t = np.zeros_like(self.w), np.zeros_like(self.w), 0

    def step(self):
        loss, g = 0.0, np.zeros_like(self.w)
        self.ta.pars[:] = self.w
        for x, y in zip(self.x, self.y):
            self.ta.time = 0.0
            self.ta.state[:2], self.ta.state[2:] = x, self.fresh
            z = self.ta.propagate_grid(self.grid)[-1]
            d = z[:, :2] - y
            loss += np.mean(d * d) / len(self.x)
            by = z[:, 2:].reshape(len(z), 2, -1)
            g += 2 / (d.size * len(self.x)) * np.tensordot(d, by, 2)
        self.t += 1
        self.m += 0.1 * (g - self.m)
        self.v += 0.001 * (g * g - self.v)
        lr = self.spec["config"]["lr"]
        self.w -= lr * (self.m / (1 - 0.9**self.t)) / (np.sqrt(self.v / (1 - 0.999**self.t)) + 1e-8)
        return loss


def build(spec, data, start):
    if spec["family"] == "kepler":
        return Kepler(spec, data)
    if spec["family"] in ("bodies", "ellipses", "learned"):
        return orbits(spec, data, start)
    if spec["family"] == "cr3bp":
        return Points(spec, data)
    if spec["family"] == "node":
        return NeuralOde(spec, data, start)
    raise Missing("heyoka has neither matrix products nor leapfrog")
