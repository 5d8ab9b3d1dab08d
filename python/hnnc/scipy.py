"""Functions of a model as SciPy takes them: one vector in, one vector or number out.

    solve_ivp(hnnc.scipy.rhs(m.rate), (0, 10), y0)                                  # the arguments end to end are y; a first one `t` is the time
    v = hnnc.scipy.Objective(m.energy)
    minimize(v, x0, jac=True, hessp=v.hessp, method="trust-ncg")
    fit = hnnc.scipy.Objective(m.losses["hnn"], q, p)                               # by the parameters, on this data
    minimize(fit, m.params.flat, jac=True, method="L-BFGS-B")
    quad(hnnc.scipy.low_level(m.f), 0, 1)                                           # called from C

A model for SciPy is in f64.
"""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ._density import Density, Vector
from ._model import Function, Loss

__all__ = ["Objective", "Rhs", "low_level", "rhs"]


class Rhs:
    """f(t, y) of a function whose results are rates of its arguments; `jac(t, y)`, its Jacobian, for implicit methods. y may be [n] or [n, k]."""

    def __init__(self, f: Function) -> None:
        results = list(f.results)
        self._timed = len(f.args) == len(results) + 1 and f.args[0][1] == ()
        self._f, self._vector = f, Vector(f, f.args[1:] if self._timed else f.args)
        if [s for _, s in self._vector.parts] != results:
            raise TypeError("%r gives no rates of its arguments: as many results of the same shapes, and perhaps a time before the arguments" % f)
        self._numbers = all(s == () for s in results)

    def _args(self, t: Any, parts: list[Any]) -> list[Any]:
        return ([t] if self._timed else []) + parts

    def __call__(self, t: float, y: Any) -> np.ndarray:
        if self._numbers and np.ndim(y) == 1:
            return np.array(self._f(*self._args(float(t), np.asarray(y, float).tolist())), ndmin=1)
        rates = self._f(*self._args(t, self._vector.split(np.asarray(y).T)))
        return self._vector.join(rates if isinstance(rates, tuple) else (rates,)).T

    def jac(self, t: float, y: Any) -> np.ndarray:
        y = np.asarray(y)
        along = self._vector.split(np.eye(len(y), dtype=y.dtype))
        still = [np.zeros(len(y))] if self._timed else []
        rates = self._f.jvp(*self._args(t, self._vector.split(np.broadcast_to(y, (len(y), len(y))))), *still, *along)
        return self._vector.join(rates if isinstance(rates, tuple) else (rates,)).T


def rhs(f: Function) -> Rhs:
    """For solve_ivp(hnnc.scipy.rhs(m.rate), span, y0), with `jac=` its attribute of that name for Radau and BDF."""
    return Rhs(f)


class Objective:
    """A scalar function of one vector: called, it gives (value, gradient), which minimize takes with jac=True; `hess` and `hessp`. Of a loss the vector is
    that of all parameters, and the fields of its data are given; every call writes the parameters of the model: set them to the answer afterwards."""

    def __init__(self, f: Function | Loss, *data: Any, **given: Any) -> None:
        self._loss = f if isinstance(f, Loss) else None
        self._density = Density(f, **given) if isinstance(f, Function) else None
        self._data = f._fields(data, given) if isinstance(f, Loss) else ((), {})
        if data and self._loss is None: raise TypeError("data of a function is given by the names of its arguments")

    def __call__(self, x: np.ndarray) -> tuple[float, np.ndarray]:
        if self._density is not None: value, slope = self._density.log_density_gradient(x)
        else:
            assert self._loss is not None
            self._loss._value._model.params.flat = x
            value, slope = self._loss.value_and_grad(*self._data[0], **self._data[1])
        return float(value), slope

    def _curved(self) -> Density:
        if self._density is None: raise TypeError("second derivatives by the parameters are not compiled")
        return self._density

    def hess(self, x: np.ndarray) -> np.ndarray:
        return self._curved().log_density_hessian(x)[2]

    def hessp(self, x: np.ndarray, v: np.ndarray) -> np.ndarray:
        return self._curved().log_density_hessian_vector_product(x, v)[1]


def low_level(f: Function, form: str = "quad") -> Any:
    """A scipy.LowLevelCallable, which C calls without Python: form "quad" for integrate.quad and nquad, whose numbers are the arguments end to end;
    "filter" for ndimage.generic_filter, whose numbers are those of the window."""
    from scipy import LowLevelCallable
    forms: dict[str, int] = {"quad": 0, "filter": 1}
    if form not in forms: raise ValueError("form is one of %s, found `%s`" % (", ".join(forms), form))
    if f._nresults != 1 or f.results[0] != (): raise TypeError("C calls a function with one result, a scalar, found %r" % f)
    elems = tuple(int(np.prod(s, dtype=int)) for _, s in f.args)
    make: Callable[..., Any] = f._handle.low_level
    return LowLevelCallable(make(f._number, forms[form], elems))
