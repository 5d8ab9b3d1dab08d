"""nflows: its couplings and masked autoregressive layers with scales exp(limit tanh(u)), which it has no option for, and its splines as
they are. Couplings have networks of plain tanh layers, as in the model."""
import warnings

import torch
from nflows.distributions.normal import StandardNormal
from nflows.flows.base import Flow
from nflows.transforms import (AffineCouplingTransform, CompositeTransform, MaskedAffineAutoregressiveTransform,
                               PiecewiseRationalQuadraticCouplingTransform, ReversePermutation)

from peers import torch_density
from peers.torch_density import KNOT, Placed
from workloads.density import interleaved


def versions():
    from importlib.metadata import version
    return {"nflows": version("nflows"), "torch": torch.__version__}


class Network(torch.nn.Sequential):
    def __init__(self, ins, outs):
        super().__init__(torch.nn.Linear(ins, 64), torch.nn.Tanh(), torch.nn.Linear(64, 64), torch.nn.Tanh(), torch.nn.Linear(64, outs))

    def forward(self, x, context=None):
        return super().forward(x)


class Affine(AffineCouplingTransform):
    limit: float

    def _scale_and_shift(self, u):
        m = self.num_transform_features
        return torch.exp(self.limit * torch.tanh(u[:, :m])), u[:, m:]


class Autoregressive(MaskedAffineAutoregressiveTransform):
    limit: float

    def _elementwise_forward(self, x, u):
        u, shift = self._unconstrained_scale_and_shift(u)
        log_scale = self.limit * torch.tanh(u)
        return torch.exp(log_scale) * x + shift, log_scale.sum(1)


def couplings(c):
    for k in range(8):
        mask = [1, 0] if k % 2 == 0 else [0, 1]                # 1 is moved
        yield (Affine(mask, Network) if c["layers"] == "affine" else
               PiecewiseRationalQuadraticCouplingTransform(mask, Network, num_bins=c["bins"], tails="linear", tail_bound=c["bound"]))


def make(c):
    warnings.simplefilter("ignore")                            # of the start values of splines, which are the model's
    if c["layers"] == "autoregressive":
        moving = [Autoregressive(c["d"], 64, num_blocks=1, use_residual_blocks=False, activation=torch.tanh) for _ in range(8)]
        steps = [t for layer in moving for t in (layer, ReversePermutation(c["d"]))]
        nets = [(t.autoregressive_net.initial_layer, t.autoregressive_net.blocks[0].linear, t.autoregressive_net.final_layer) for t in moving]
        order = interleaved(c["d"])
        last = lambda W, b: (W[order], b[order])
    else:
        moving = steps = list(couplings(c))
        nets = [list(t.transform_net)[::2] for t in moving]
        knots = [0] * (2 * c["bins"]) + [KNOT] * (c["bins"] - 1) if c["layers"] == "spline" else [0, 0]
        last = lambda W, b: (W, b + knots)
    for t in moving:
        t.limit = c["limit"]
    flow = Flow(CompositeTransform(steps), StandardNormal([c["d"]])).float()
    return Placed(flow, flow.log_prob, [[p for linear in net for p in (linear.weight, linear.bias)] for net in nets], last)


def build(spec, data, start):
    return torch_density.build(spec, data, start, make)
