"""NumPy: rollouts with arrays over the ensemble or the ring. It has no derivatives."""
import numpy as np

from peers import Missing


def versions():
    return {"numpy": np.__version__}


def leapfrog(force, q, p, dt, steps):
    """In place, one array a coordinate."""
    for _ in range(steps):
        for a, b in zip(q, p):
            a += dt / 2 * b
        for b, f in zip(p, force(q)):
            b += dt * f
        for a, b in zip(q, p):
            a += dt / 2 * b


def kepler_force(q):
    r2 = q[0] * q[0] + q[1] * q[1]
    s = -1 / (r2 * np.sqrt(r2))
    return s * q[0], s * q[1]


def fput_force(q):
    d = np.roll(q[0], -1) - q[0]
    f = d + d * d * d
    return (f - np.roll(f, 1),)


FORCES = {"kepler": kepler_force, "fput": fput_force}


class Call:
    def __init__(self, spec, data):
        self.force, self.config, self.data = FORCES[spec["family"]], spec["config"], data

    def compile(self):
        pass

    def run(self):
        rows = [a.T if len(a) > 1 else a for a in self.data]          # coordinates, or the ring as one
        q, p = ([np.array(c) for c in a] for a in rows)
        leapfrog(self.force, q, p, self.config["dt"], self.config["orbit"])
        self.out = np.concatenate(q + p) if len(q) == 1 else np.stack(q + p, 1)
        return 1

    def check(self):
        self.run()
        return self.out.ravel()


def build(spec, data, start):
    if spec["family"] not in FORCES:
        raise Missing("NumPy has no derivatives")
    return Call(spec, data)
