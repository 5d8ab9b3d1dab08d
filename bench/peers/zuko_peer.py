"""zuko: its couplings and masked autoregressive layers, with scales exp(limit tanh(u)) and splines made of the numbers that the model makes
them of: subclasses of its affine map and of its spline, which computes bins and values as it does."""
import functools

import torch
import torch.nn.functional as F
import zuko
from zuko.flows import Flow, GeneralCouplingTransform, MaskedAutoregressiveTransform, UnconditionalDistribution, UnconditionalTransform
from zuko.transforms import MonotonicAffineTransform, MonotonicRQSTransform, PermutationTransform

from peers import torch_density
from peers.torch_density import KNOT, Placed
from workloads.density import LEAST, interleaved, masks


def versions():
    return {"zuko": zuko.__version__, "torch": torch.__version__}


class Affine(MonotonicAffineTransform):
    def __init__(self, u, shift, limit):
        torch.distributions.Transform.__init__(self)
        self.shift, self.log_scale = shift, limit * torch.tanh(u)
        self.scale = self.log_scale.exp()


class Spline(MonotonicRQSTransform):
    def __init__(self, widths, heights, slopes, bound):
        torch.distributions.Transform.__init__(self)
        bins = widths.shape[-1]

        def knots(u):
            w = LEAST + (1 - LEAST * bins) * F.softmax(u, -1)
            return bound * (2 * torch.cumsum(F.pad(w, (1, 0)), -1) - 1)
        self.horizontal, self.vertical = knots(widths), knots(heights)
        self.derivatives = F.pad(LEAST + F.softplus(slopes + KNOT), (1, 1), value=1.0)


def make(c):
    net = dict(hidden_features=(64, 64), activation=torch.nn.Tanh)
    affine = dict(univariate=functools.partial(Affine, limit=c["limit"]), shapes=((), ()))
    last = lambda W, b: (W, b)
    if c["layers"] == "autoregressive":
        moving = [MaskedAutoregressiveTransform(c["d"], **affine, **net) for _ in range(8)]
        flip = torch.arange(c["d"]).flip(0)
        steps = [t for layer in moving for t in (layer, UnconditionalTransform(PermutationTransform, flip, buffer=True))]
        order = interleaved(c["d"])
        last = lambda W, b: (W[order], b[order])
        seen = masks(c["d"])
        for t in moving:                                       # units of its own order would see other elements
            for linear, mask in zip(list(t.hyper)[::2], (*seen[:2], seen[2][order]), strict=True):
                linear.mask = torch.from_numpy(mask).bool()
    else:
        b = c["bins"]
        kind = affine if c["layers"] == "affine" else dict(univariate=functools.partial(Spline, bound=c["bound"]), shapes=((b,), (b,), (b - 1,)))
        moving = steps = [GeneralCouplingTransform(2, mask=[k % 2 == 1, k % 2 == 0], **kind, **net) for k in range(8)]    # 1 stays
    base = UnconditionalDistribution(zuko.distributions.DiagNormal, torch.zeros(c["d"]), torch.ones(c["d"]), buffer=True)
    flow = Flow(steps, base)
    return Placed(flow, lambda x: flow().log_prob(x), [[p for linear in list(t.hyper)[::2] for p in (linear.weight, linear.bias)] for t in moving],
                  last)


def build(spec, data, start):
    return torch_density.build(spec, data, start, make)
