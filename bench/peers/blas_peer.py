"""The HNN step derived by hand, in NumPy on OpenBLAS: six products of full size, everything else as array operations.
What a careful programmer gets without a compiler."""
import numpy as np

from peers import Missing, Stepping


def versions():
    blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    return {"numpy": np.__version__, blas["name"]: blas["version"]}


def gradient(params, x, target):
    """Loss and its gradient. target: the rates (dp/dt, dq/dt) with the sign that makes them dH/dx."""
    W1, b1, W2, b2, W3, b3 = params
    a1 = np.tanh(x @ W1.T + b1)
    a2 = np.tanh(a1 @ W2.T + b2)
    s1, s2 = 1 - a1 * a1, 1 - a2 * a2
    g2 = W3 * s2                                  # dH/dz2, then back to x
    u = g2 @ W2
    g1 = u * s1
    miss = g1 @ W1 - target
    loss = np.mean(miss * miss)
    e = (2 / miss.size) * miss                    # and the reverse of all that
    r1 = e @ W1.T
    v1 = r1 * s1
    r2 = v1 @ W2.T
    z2 = -2 * r2 * W3 * a2 * s2
    z1 = (z2 @ W2 - 2 * r1 * u * a1) * s1
    return loss, [g1.T @ e + z1.T @ x, z1.sum(0), g2.T @ v1 + z2.T @ a1, z2.sum(0), (r2 * s2).sum(0)[None], np.zeros_like(b3)]


class Training(Stepping):
    def __init__(self, spec, data, start):
        q, p, dq, dp = data
        self.spec, self.start = spec, start
        self.x, self.target = np.concatenate([q, p], 1), np.concatenate([-dp, dq], 1)

    def compile(self):
        self.reset()

    def reset(self):
        self.params = [a.copy() for a in self.start]
        self.m, self.v, self.t = [np.zeros_like(a) for a in self.start], [np.zeros_like(a) for a in self.start], 0

    def step(self):
        loss, g = gradient(self.params, self.x, self.target)
        self.t += 1
        rate, fix = self.spec["config"]["lr"] / (1 - 0.9**self.t), 1 / np.sqrt(1 - 0.999**self.t)
        for w, m, v, d in zip(self.params, self.m, self.v, g):
            m += w.dtype.type(0.1) * (d - m)
            v += w.dtype.type(0.001) * (d * d - v)
            w -= w.dtype.type(rate) * m / (np.sqrt(v) * w.dtype.type(fix) + w.dtype.type(1e-8))
        return loss


def build(spec, data, start):
    if spec["family"] != "hnn":
        raise Missing("only the HNN step is derived by hand")
    return Training(spec, data, start)
