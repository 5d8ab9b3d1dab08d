"""What is measured. A workload is a model in the language of hnnc, its data, and the numbers that its peers need to do
exactly the same: they get the same data and the same start parameters.

kind `train`: `steps` optimizer steps on all samples; what is compared is the loss before each of them.
kind `call`: a function of the data, without parameters; what is compared is its result.
"""
from dataclasses import dataclass, field

import numpy as np


@dataclass
class Workload:
    name: str                 # as on the command line
    family: str               # what peers look up: hnn, flow, node, node-adaptive, kepler, fput, orbit, fput-jacobian, fput-hessian,
                              # cr3bp, density, density-score, conv, hgn, bodies, ellipses, learned
    model: str                # hnnc source; reads data.npz
    data: dict                # name -> array, the sample first, in the order of the function's arguments
    entry: str                # the loss that is trained, or the function that is called
    precision: str = "f32"
    kind: str = "train"
    config: dict = field(default_factory=dict)    # sizes, for the peers
    steps: int = 50           # of one compiled loop of a peer, and of the check
    rtol: float = 1e-4        # of the values that are compared, to the largest of them
    scale: float = 1          # units of work in one step or call, for the figures
    unit: str = "µs a step"
    per: float = 1e-6         # seconds of one of these
    reach: str = ""           # what it should come to, in words
    out: int = 0              # numbers a sample that the function gives, if not as many as it takes
    quality: object = None    # values -> error of the method; peers of another method may not have a larger one
    exact: object = None      # start parameters -> the right result, instead: then every peer is one of another method

    @property
    def batch(self):
        return len(next(iter(self.data.values())))


def error(values, right):
    """The largest of the final positions, in their unit. `right`: [..., 2 d], positions first."""
    return float(np.max(np.abs(np.reshape(values, right.shape) - right)[..., :right.shape[-1] // 2]))


def everything():
    """All workloads by name, in the order of the report."""
    from workloads import conv, cr3bp, density, flow, hnn, matrix, node, node_adaptive, orbits, rollout
    found = hnn.workloads() + flow.workloads() + node.workloads() + rollout.workloads() + matrix.workloads() + density.workloads()
    found += node_adaptive.workloads() + conv.workloads() + cr3bp.workloads() + orbits.workloads()
    return {w.name: w for w in found}
