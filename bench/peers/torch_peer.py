"""PyTorch, eager: autograd with create_graph for derivatives of derivatives, the fused Adam of torch.optim."""
import os

import numpy as np
import torch

from peers import Missing, torch_conv

torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))


def versions():
    return {"torch": torch.__version__}


def mlp(params, x):
    for k in range(0, len(params) - 2, 2):
        x = torch.tanh(torch.addmm(params[k + 1], x, params[k].T))
    return torch.addmm(params[-1], x, params[-2].T)


def hnn_loss(config, params, data):
    q, p, dq, dp = data
    x = torch.cat([q, p], 1).requires_grad_()
    g, = torch.autograd.grad(mlp(params, x).sum(), x, create_graph=True)
    return ((torch.cat([g[:, 1:], -g[:, :1]], 1) - torch.cat([dq, dp], 1)) ** 2).mean()


def irrotational(params, x):
    W1, b1, w2, b2, b3 = params
    return torch.addmm(b3, torch.tanh(w2 * torch.tanh(torch.addmm(b1, x, W1.T)) + b2), W1)


def flow_loss(config, params, data):
    q, p, Q, P = data
    for k in range(0, len(params), 10):
        p = p + irrotational(params[k:k + 5], q)
        q = q + irrotational(params[k + 5:k + 10], p)
    return ((torch.cat([q, p], 1) - torch.cat([Q, P], 1)) ** 2).mean()


def node_loss(config, params, data):
    x, y = data
    h, z = config["span"] / (config["points"] - 1), [x]
    for _ in range(config["points"] - 1):
        k1 = mlp(params, x)
        k2 = mlp(params, x + h / 2 * k1)
        k3 = mlp(params, x + h / 2 * k2)
        k4 = mlp(params, x + h * k3)
        x = x + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        z.append(x)
    return ((torch.stack(z, 1) - y) ** 2).mean()


def leapfrog(force, q, p, dt, steps):
    """q, p: lists of tensors, one for each coordinate."""
    for _ in range(steps):
        q = [a + dt / 2 * b for a, b in zip(q, p)]
        p = [b + dt * f for b, f in zip(p, force(q))]
        q = [a + dt / 2 * b for a, b in zip(q, p)]
    return q, p


def columns(x):
    return [c.contiguous() for c in x.unbind(1)]


def attraction(k):
    def force(q):
        r2 = q[0] * q[0] + q[1] * q[1]
        s = -k / (r2 * torch.sqrt(r2))
        return s * q[0], s * q[1]
    return force


def orbit_loss(config, params, data):
    q, p, Q = map(columns, data)
    q, p = leapfrog(attraction(params[0][0]), q, p, config["dt"], config["orbit"])
    return ((q[0] - Q[0]) ** 2 + (q[1] - Q[1]) ** 2).mean()


def kepler(config, data):
    q, p = leapfrog(attraction(1.0), *map(columns, data), config["dt"], config["orbit"])
    return torch.stack(q + p, 1)


def fput(config, data):
    def force(q):
        d = torch.roll(q[0], -1, 1) - q[0]
        f = d + d * d * d
        return (f - torch.roll(f, 1, 1),)
    q, p = leapfrog(force, [data[0]], [data[1]], config["dt"], config["orbit"])
    return torch.cat(q + p, 1)


LOSSES = {"hnn": hnn_loss, "flow": flow_loss, "node": node_loss, "orbit": orbit_loss, "conv": torch_conv.loss,
          "hgn": torch_conv.hgn_loss}
CALLS = {"kepler": kepler, "fput": fput}


class Training:
    def __init__(self, spec, data, start):
        self.spec, self.start, self.steps = spec, start, spec["steps"]
        self.data = [torch.from_numpy(np.array(a)) for a in data]
        self.loss = LOSSES[spec["family"]]

    def reset(self):
        self.params = [torch.from_numpy(np.array(a)).requires_grad_() for a in self.start]
        lr = self.spec["config"]["lr"]
        if self.spec["family"] == "orbit":
            self.optimizer = torch.optim.SGD(self.params, lr=lr)
        else:
            self.optimizer = torch.optim.Adam(self.params, lr=lr, fused=True)

    def step(self):
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.loss(self.spec["config"], self.params, self.data)
        loss.backward()
        self.optimizer.step()
        return loss.detach()

    def compile(self):
        self.reset()
        self.step()

    def run(self):
        self.losses = [self.step() for _ in range(self.steps)]
        return self.steps

    def check(self):
        self.reset()
        self.run()
        return torch.stack(self.losses).numpy()


class Call:
    def __init__(self, spec, data):
        self.config, self.fn = spec["config"], CALLS[spec["family"]]
        self.data = [torch.from_numpy(np.array(a)) for a in data]

    def compile(self):
        pass

    def run(self):
        with torch.no_grad():
            self.out = self.fn(self.config, self.data)
        return 1

    def check(self):
        self.run()
        return self.out.numpy().ravel()


def build(spec, data, start):
    if spec["family"] in LOSSES:
        return Training(spec, data, start)
    if spec["family"] in CALLS:
        return Call(spec, data)
    raise Missing("this workload is not written for PyTorch")
