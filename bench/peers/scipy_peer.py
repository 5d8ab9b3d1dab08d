"""SciPy: DOP853 by solve_ivp, the rates in NumPy, all orbits in one state."""
import numpy as np
import scipy
from scipy.integrate import solve_ivp

from peers import Missing, loosest


def versions():
    return {"scipy": scipy.__version__}


def bodies(config, start):
    m, g = np.array(config["mass"]), config["G"]

    def rates(z):
        x, v = z[..., :3], z[..., 3:]
        d = x[:, None] - x[:, :, None]
        r2 = np.sum(d * d, -1) + np.eye(len(m))
        return np.concatenate([v, np.einsum("bijk,bij,j->bik", d, g / (r2 * np.sqrt(r2)), m)], -1)
    return rates


def ellipses(config, start):
    def rates(z):
        q, p = z[..., :2], z[..., 2:]
        return np.concatenate([p, -q * np.sum(q * q, -1, keepdims=True)**-1.5], -1)
    return rates


def learned(config, start):
    from workloads.reference import slopes
    w = [np.asarray(a) for a in start[:5]]
    return lambda z: slopes(*w, z)


RATES = {"bodies": bodies, "ellipses": ellipses, "learned": learned}


class Orbits:
    def __init__(self, spec, data, start):
        self.rates, self.span = RATES[spec["family"]](spec["config"], start), spec["config"]["span"]
        self.begin = np.concatenate(data, -1)
        self.rtol = loosest(spec, [10.0**-k for k in range(13, 4, -1)], self.solved)

    def solved(self, rtol):
        self.rtol = rtol
        return self.check()

    def compile(self):
        pass

    def run(self):
        shape = self.begin.shape
        got = solve_ivp(lambda t, z: self.rates(z.reshape(shape)).ravel(), (0, self.span), self.begin.ravel(), "DOP853",
                        rtol=self.rtol, atol=self.rtol / 100, t_eval=[self.span])
        self.out = got.y[:, -1]
        return 1

    def check(self):
        self.run()
        return self.out


def build(spec, data, start):
    if spec["family"] not in RATES:
        raise Missing("it is measured by orbits alone")
    return Orbits(spec, data, start)
