"""PyTorch compiled: loss and gradient by torch.func, inside one torch.compile; the fused Adam outside of it. torch.compile
has no double backward, so derivatives of derivatives must be taken inside."""
import torch
from torch.func import grad, grad_and_value

from peers import Missing, torch_peer
from peers.torch_peer import mlp, versions


def hnn_loss(config, params, data):
    q, p, dq, dp = data
    g = grad(lambda x: mlp(params, x).sum())(torch.cat([q, p], 1))
    return ((torch.cat([g[:, 1:], -g[:, :1]], 1) - torch.cat([dq, dp], 1)) ** 2).mean()


LOSSES = {"hnn": hnn_loss, "flow": torch_peer.flow_loss, "node": torch_peer.node_loss}


class Training(torch_peer.Training):
    def __init__(self, spec, data, start):
        super().__init__(spec, data, start)
        loss, config = LOSSES[spec["family"]], spec["config"]
        self.gradient = torch.compile(grad_and_value(lambda params, data: loss(config, params, data)), fullgraph=True)

    def step(self):
        with torch.no_grad():
            g, loss = self.gradient([p.detach() for p in self.params], self.data)
        for p, d in zip(self.params, g):
            p.grad = d
        self.optimizer.step()
        return loss


def build(spec, data, start):
    if spec["family"].startswith("fput-"):
        raise Missing("this workload is not written for PyTorch")
    if spec["family"] not in LOSSES:
        raise Missing("torch.compile unrolls the loop over steps: thousands of them do not compile in reasonable time")
    return Training(spec, data, start)
