"""Functions of a model as functions of JAX: under jit, grad and vmap, by a call back to this process.

    energy = hnnc.jax.function(m.learned)
    force = jax.jit(jax.grad(lambda q, p: energy(q, p).sum()))

Derivatives are the compiled ones, any number of times. Parameters are the model's as they are. In f64, JAX must be told: jax.config.update("jax_enable_x64", True).
"""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ._density import Density
from ._model import Function, _is_function

__all__ = ["density", "function"]


def _function(f: Any) -> Any:
    """Kept with f, so that it is traced once."""
    if not hasattr(f, "_jax"): f._jax = _made(f)
    return f._jax


def _made(f: Function) -> Any:
    per_sample = sum(f._per_sample)

    def shapes(args: Any) -> Any:
        leading = np.broadcast_shapes(*[np.shape(a)[:np.ndim(a) - len(s)] for a, (_, s) in zip(args, f.args)])
        return tuple(jax.ShapeDtypeStruct(leading + s, f._model.dtype) for s in f.results[:per_sample])

    def host(*args: Any) -> Any:
        results = f(*[np.asarray(a) for a in args])
        results = results if isinstance(results, tuple) else (results,)
        return tuple(np.asarray(r) for r in results[:per_sample])

    @jax.custom_vjp
    def call(*args: Any) -> Any:
        return jax.pure_callback(host, shapes(args), *args, vmap_method="broadcast_all")

    def forward(*args: Any) -> Any:
        return call(*args), args

    def backward(args: Any, cotangents: Any) -> Any:
        return _function(f.vjp)(*args, *cotangents)[:len(args)]

    call.defvjp(forward, backward)
    return call


def _numbers(f: Function, given: Any) -> list[Any]:
    """Arrays of JAX in the model's precision, which it must have."""
    if f._model.precision == "f64" and not jax.config.jax_enable_x64:
        raise TypeError("%s is in f64, and JAX has no f64 as it is set: write jax.config.update(\"jax_enable_x64\", True) first, or `precision f32` in the file" % f.name)
    return [jnp.asarray(a, f._model.dtype) for a in given]


def function(f: Function) -> Callable[..., Any]:
    """f(array, ...) -> an array, or a tuple of them."""
    _is_function(f, "hnnc.jax.function")

    def call(*given: Any) -> Any:
        args = _numbers(f, given)
        leading = f._shaped(args)
        results = _function(f)(*[jnp.broadcast_to(a, leading + s) for a, (_, s) in zip(args, f.args)])
        return results[0] if f._nresults == 1 else results
    call.__name__, call.__doc__ = f.name, f.__doc__
    return call


def density(d: Density) -> Callable[[Any], Any]:
    """An hnnc.Density as a function of one vector, as BlackJAX takes it: value and gradient are one call. For more than the gradient, take `function`."""
    if not isinstance(d, Density): raise TypeError("hnnc.jax.density takes an hnnc.Density, found %r" % (d,))
    number = np.dtype(d._f._model.dtype)

    def ask(f: Callable[..., Any], theta: Any, *shapes: Any) -> Any:
        return jax.pure_callback(f, shapes, theta, vmap_method="broadcast_all")

    @jax.custom_vjp
    def log_density(theta: Any) -> Any:
        return ask(lambda x: (np.asarray(d.log_density(np.asarray(x)), number),), theta, jax.ShapeDtypeStruct(theta.shape[:-1], number))[0]

    def forward(theta: Any) -> Any:
        return ask(lambda x: tuple(np.asarray(v, number) for v in d.log_density_gradient(np.asarray(x))), theta,
                   jax.ShapeDtypeStruct(theta.shape[:-1], number), jax.ShapeDtypeStruct(theta.shape, number))

    log_density.defvjp(forward, lambda slope, g: (g[..., None]*slope,))
    return lambda theta: log_density(*_numbers(d._f, [theta]))
