"""The flows of workloads/density.py for libraries of PyTorch: a module whose parameters are those of the model's layers, in its order
(W1, b1, W2, b2, W3, b3 of each layer), its training step in eager mode with the fused Adam, and its score."""
import os

import numpy as np
import torch

from peers import Missing, Stepping
from workloads.density import LEAST

torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
KNOT = float(np.log(np.expm1(1 - LEAST)))         # a softplus of it and the least slope make 1


class Placed:
    """`log_prob` of a module, and the places of the start values in it: `layers` gives the six tensors of each layer, `last` takes W3 and
    b3 of the model to those of the library."""

    def __init__(self, module, log_prob, layers, last=lambda W, b: (W, b)):
        self.module, self.log_prob, self.places, self.last = module, log_prob, [t for layer in layers for t in layer], last

    def put(self, start):
        with torch.no_grad():
            for k in range(0, len(start), 6):
                values = [*start[k:k + 4], *self.last(*start[k + 4:k + 6])]
                for to, value in zip(self.places[k:k + 6], values, strict=True):
                    to.copy_(torch.from_numpy(np.ascontiguousarray(value)))


class Training(Stepping):
    def __init__(self, spec, data, start, placed):
        self.spec, self.start, self.placed, self.x = spec, start, placed, torch.from_numpy(data[0])

    def reset(self):
        self.placed.put(self.start)
        self.optimizer = torch.optim.Adam(self.placed.module.parameters(), lr=self.spec["config"]["lr"], fused=True)

    def step(self):
        self.optimizer.zero_grad(set_to_none=True)
        loss = -self.placed.log_prob(self.x).mean()
        loss.backward()
        self.optimizer.step()
        return loss.detach()

    def compile(self):
        self.reset()
        self.step()

    def check(self):
        return torch.stack(super().check()).numpy()


class Score:
    def __init__(self, data, start, placed):
        self.x, self.placed = torch.from_numpy(data[0]).requires_grad_(), placed
        placed.put(start)
        placed.module.requires_grad_(False)

    def compile(self):
        self.run()

    def run(self):
        p = self.placed.log_prob(self.x)
        g, = torch.autograd.grad(p.sum(), self.x)
        self.out = torch.cat([p.detach()[:, None], g], 1)
        return 1

    def check(self):
        self.run()
        return self.out.numpy().ravel()


def build(spec, data, start, make):
    """make(config): the flow as a `Placed`."""
    if spec["family"] == "density":
        return Training(spec, data, start, make(spec["config"]))
    if spec["family"] == "density-score":
        return Score(data, start, make(spec["config"]))
    raise Missing("a library of flows")
