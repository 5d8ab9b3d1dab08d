"""Functions of a model as functions of PyTorch: differentiable any number of times, by arguments and parameters, under torch.func and torch.compile.

    energy = hnnc.torch.Module(m.learned)          # its parameters are the model's, as one torch Parameter
    E = energy(q, p)                               # tensors on the CPU, in the model's precision, the sample first
    force, = torch.autograd.grad(E.sum(), q, create_graph=True)
    (force - measured).pow(2).mean().backward()    # a gradient of a gradient; by the parameters too

Derivatives are the compiled ones (`f.vjp`, and its own). The batch is one leading axis, or none.
"""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from ._model import Function, _is_function

__all__ = ["Module", "function"]


def _tensors(values: Any) -> Any:
    return tuple(torch.from_numpy(np.array(v, order="C")) for v in values)


def _call(f: Function, params: Any, tensors: Any) -> Any:
    """The results of f as a tuple of arrays, at these parameters (None: as they are)."""
    with f._model._lock:                 # the parameters are the model's: nobody else writes them before the call
        if params is not None: f._model.params.flat = params.detach().numpy()
        results = f(*[t.detach().contiguous().numpy() for t in tensors])
    return results if isinstance(results, tuple) else (results,)


class _Function(torch.autograd.Function):
    """apply(f, params or None, *tensors): of the per-sample results of f alone; the gradient by parameters is the cotangent of `params`."""

    @staticmethod
    def forward(f: Any, params: Any, *tensors: Any) -> Any:
        results = _call(f, params, tensors)
        return _tensors(results[:sum(f._per_sample)])

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        f, params, *tensors = inputs
        ctx.f = f
        ctx.save_for_backward(params, *tensors)

    @staticmethod
    def backward(ctx: Any, *cotangents: Any) -> Any:
        params, *tensors = ctx.saved_tensors
        shapes = [(tensors[0].shape[:tensors[0].dim() - len(ctx.f.args[0][1])]) + s for s in ctx.f.results]
        given = [torch.zeros(s, dtype=tensors[0].dtype) if c is None else c for c, s in zip(cotangents, shapes)]
        bars = _Function.apply(ctx.f.vjp, params, *tensors, *given)
        slope = None
        if params is not None and ctx.needs_input_grad[1]:
            slope = _Slope.apply(ctx.f, params, *tensors, *given)
        return (None, slope) + tuple(bars[:len(tensors)])

    @staticmethod
    def vmap(info: Any, in_dims: Any, f: Any, params: Any, *tensors: Any) -> Any:
        rows = [t if d is None else t.movedim(d, 0) for t, d in zip(tensors, in_dims[2:])]
        rows = [t.expand((info.batch_size,) + t.shape) if d is None else t for t, d in zip(rows, in_dims[2:])]
        return _Function.apply(f, params, *rows), (0,)*sum(f._per_sample)


class _Slope(torch.autograd.Function):
    """apply(f, params, *tensors, *cotangents): the gradient of the paired results by the parameters. A derivative of it is not taken."""

    @staticmethod
    def forward(f: Any, params: Any, *tensors: Any) -> Any:
        return _tensors(_call(f.vjp, params, tensors)[-1:])[0]

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        pass

    @staticmethod
    def backward(ctx: Any, *cotangents: Any) -> Any:
        raise NotImplementedError("second derivatives by the parameters alone are not compiled: write what you need as a `loss` in the file")


def function(f: Function) -> Callable[..., Any]:
    """f(tensor, ...) -> a tensor, or a tuple of them; the parameters are the model's as they are."""
    _is_function(f, "hnnc.torch.function")
    return lambda *tensors: _apply(f, None, tensors)


def _apply(f: Function, params: Any, tensors: Any) -> Any:
    tensors = [torch.as_tensor(t, dtype=getattr(torch, f._model.dtype.name)) for t in tensors]
    leading = f._shaped(tensors)
    tensors = [t.expand(leading + s) for t, (_, s) in zip(tensors, f.args)]
    results = _Function.apply(f, params, *tensors)
    return results[0] if f._nresults == 1 else results


class Module(torch.nn.Module):
    """A function of a model whose parameters PyTorch trains: `weights`, all of them end to end. They are written into the model when it is called."""

    def __init__(self, f: Function) -> None:
        super().__init__()
        _is_function(f, "hnnc.torch.Module")
        self.f = f
        self.weights = torch.nn.Parameter(torch.from_numpy(f._model.params.flat.copy()))

    def forward(self, *tensors: Any) -> Any:
        return _apply(self.f, self.weights, tensors)

    def extra_repr(self) -> str:
        return self.f._line()
