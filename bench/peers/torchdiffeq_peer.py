"""torchdiffeq: the batch as one state, with steps in common, which is what it has; backwards through its steps (`odeint`)."""
import torch
import torchdiffeq

from peers import Missing, torch_peer


def versions():
    return torch_peer.versions() | {"torchdiffeq": torchdiffeq.__version__}


def loss(config, params, data):
    x, y = data
    times = torch.linspace(0, config["span"], config["points"], dtype=x.dtype)
    z = torchdiffeq.odeint(lambda t, x: torch_peer.mlp(params, x), x, times, rtol=config["tol"], atol=config["tol"], method="dopri5")
    return ((z.transpose(0, 1) - y) ** 2).mean()


def build(spec, data, start):
    if spec["family"] != "node-adaptive" or spec["config"]["method"] != "dopri5":
        raise Missing("torchdiffeq has dopri5")
    torch_peer.LOSSES["node-adaptive"] = loss
    return torch_peer.Training(spec, data, start)
