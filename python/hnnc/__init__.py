"""hnnc: a compiler for physics-structured learning, in this process.

    import hnnc, numpy as np

    m = hnnc.load("pendulum.hnn")                  # compiled, with every claim decided; hnnc.CompileError says what is wrong and where
    m.learned(q, p)                                # a function of the file, on arrays of any leading shape
    run = m.run()                                  # trains, reports and draws, as `hnnc run`
    run.reports["hnn_energy_mse"].mean
    m.params["energy/dense.0/W"][:]                # live, as trained
    m.losses["hnn"].value_and_grad(q, p, dq, dp)

Arrays are in the model's precision (`m.dtype`), the sample first.
"""
from ._model import (CompileError, Diagnostic, Error, Function, Loss, Model, Parameters, Proof, check, compile, load, load_run)
from ._density import Density
from ._run import Report, Run, Runs, report, run, runs, sweep
from . import _hnnc

__version__ = _hnnc.version
__all__ = ["CompileError", "Density", "Diagnostic", "Error", "Function", "Loss", "Model", "Parameters", "Proof", "Report", "Run", "Runs", "check", "compile",
           "load", "load_run", "report", "run", "runs", "sweep"]


def load_ipython_extension(shell: object) -> None:
    """`%load_ext hnnc` in a notebook: cells that begin with %%hnnc are programs."""
    from ._magic import register
    register(shell)
