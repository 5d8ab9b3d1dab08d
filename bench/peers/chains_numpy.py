"""NumPy: the Ising chains of bench/chains, every chain a slice of one array."""
import numpy as np

from peers import Missing


def versions():
    return {"numpy": np.__version__}


class Ising:
    def __init__(self, c):
        self.L, self.beta, self.chains, self.sweeps = c["L"], c["beta"], c["chains"], c["sweeps"]
        self.rng = np.random.Generator(np.random.SFC64(7))
        i, j = np.indices((self.L, self.L))
        self.black = ((i + j) % 2).astype(float)

    def compile(self):
        pass

    def neighbours(self, s):
        return np.roll(s, 1, 1) + np.roll(s, -1, 1) + np.roll(s, 1, 2) + np.roll(s, -1, 2)

    def half(self, s, mask):
        return np.where(self.rng.random(s.shape) < mask*np.exp(-2*self.beta*s*self.neighbours(s)), -s, s)

    def run(self):
        s = np.sign(self.rng.uniform(-1, 1, (self.chains, self.L, self.L)))
        for _ in range(self.sweeps):
            s = self.half(self.half(s, self.black), 1 - self.black)
        self.s = s
        return self.chains*self.sweeps

    def check(self):
        self.run()
        e = -np.sum(self.s*(np.roll(self.s, 1, 1) + np.roll(self.s, 1, 2)), (1, 2))
        return [e.mean(), e.std(ddof=1)/len(e)**0.5]


def build(spec, data, start):
    if spec["family"] != "ising":
        raise Missing("HMC is measured against JAX and BlackJAX")
    return Ising(spec["config"])
