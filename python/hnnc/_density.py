"""Log densities for samplers, in the manner of BridgeStan: one vector of unconstrained numbers in, the logarithm of the density and its derivatives out."""
from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from ._model import Function, _is_function


def _tuple(x: Any) -> tuple[Any, ...]:
    return x if isinstance(x, tuple) else (x,)


class Vector:
    """Arguments of f, [(name, shape)], end to end and row-major: the last axis of one array. Axes before it are kept."""

    def __init__(self, f: Function, parts: Iterable[tuple[str, tuple[int, ...]]]) -> None:
        self._of, self._dtype = f.name, f._model.dtype
        self.parts = list(parts)
        self._sizes = [int(np.prod(s, dtype=int)) for _, s in self.parts]
        self.size = sum(self._sizes)
        ends = [sum(self._sizes[:k + 1]) for k in range(len(self._sizes))]
        self._at = [(b - n, b, s) for n, b, (_, s) in zip(self._sizes, ends, self.parts)]
        self._plain = [len(s) for _, s in self.parts] == [1]      # one vector: as it is

    def names(self) -> list[str]:
        """x[0], x[1], ..., t."""
        return [n + ("[%s]" % ",".join(map(str, at)) if s else "") for n, s in self.parts for at in np.ndindex(*s)]

    def split(self, x: Any, what: str = "x") -> list[np.ndarray]:
        x = np.asarray(x)
        if x.dtype != self._dtype: x = x.astype(self._dtype)
        if x.ndim < 1 or x.shape[-1] != self.size:
            raise ValueError("%s: `%s` should be [..., %d], found an array of the shape %s" % (self._of, what, self.size, list(x.shape)))
        if self._plain: return [x]
        return [x[..., a:b].reshape(x.shape[:-1] + s) for a, b, s in self._at]

    def join(self, values: Sequence[Any]) -> np.ndarray:
        if self._plain: return np.asarray(values[0])
        leading = [np.shape(v)[:np.ndim(v) - len(s)] for v, (_, s) in zip(values, self.parts)]
        return np.concatenate([np.reshape(v, b + (n,)) for v, b, n in zip(values, leading, self._sizes)], -1)


class Density:
    """Density(m.log_p), Density(m.log_p, through=m.T, y=data): a function of a model with one result, a scalar, as a log density (up to a constant).

    Arguments that are given by name are data; the others, end to end and row-major, are the vector x. `through` is a flow: then samplers see theta with
    x = T(theta), and the density of theta, with the log-determinant of T. Every vector may have leading axes, a density for each.
    """

    def __init__(self, log_density: Function, through: Function | None = None, **given: Any) -> None:
        f = _is_function(log_density, "hnnc.Density")
        if through is not None: _is_function(through, "hnnc.Density(through=...)")
        if f._nresults != 1 or f.results[0] != () or not f._per_sample[0]:
            raise TypeError("hnnc.Density takes a function with one result, a scalar, found %r" % f)
        for k in given:
            if k not in f._names: raise TypeError("%s has no argument `%s`: it takes %s" % (f.name, k, ", ".join(f._names)))
        self._f, self._through = f, through
        self._given = {k: f._array(k, dict(f.args)[k], v) for k, v in given.items()}
        for k, v in self._given.items():
            if v.shape != dict(f.args)[k]: raise ValueError("%s: the data `%s` should be %s, found %s" % (f.name, k, list(dict(f.args)[k]), list(v.shape)))
        self._free = Vector(f, [a for a in f.args if a[0] not in given])
        if not self._free.parts: raise TypeError("%s: every argument is given, so nothing is left to sample" % f.name)
        self._unconstrained = self._free if through is None else Vector(f, through.args)
        self._inverse: Any = None
        self._logdet: Any = None
        if through is not None:
            functions = through._model.functions
            self._inverse, self._logdet = functions.get(through.name + "_inverse"), functions.get(through.name + "_logdet")
            if through.kind != "flow" or self._logdet is None: raise TypeError("`through` takes a flow, found %r" % through)
            if [s for _, s in through.args] != [s for _, s in self._free.parts]:
                raise ValueError("the state of %s should be %s, as what is left of %s, found %s" % (
                    through.name, [list(s) for _, s in self._free.parts], f.name, [list(s) for _, s in through.args]))

    def __repr__(self) -> str:
        data = "".join(", `%s` given" % k for k in self._given)
        return "<log density %s of %d numbers%s%s>" % (self.name(), self.param_unc_num(), "" if self._through is None else " through %s" % self._through.name, data)

    # ---- what it is

    def name(self) -> str:
        return self._f.name

    def param_num(self) -> int:
        return self._free.size

    def param_unc_num(self) -> int:
        return self._free.size

    def param_names(self) -> list[str]:
        return self._free.names()

    def param_unc_names(self) -> list[str]:
        return self._unconstrained.names()

    # ---- arguments

    def _args(self, parts: Iterable[Any], others: Callable[[np.ndarray], np.ndarray] | None = None) -> list[Any]:
        """The arguments of f: `parts` where they are free, else the data, or what `others` makes of them."""
        if not self._given: return list(parts)
        free = iter(parts)
        return [(others or (lambda v: v))(self._given[n]) if n in self._given else next(free) for n, _ in self._f.args]

    def _of_free(self, values: Iterable[Any]) -> list[Any]:
        if not self._given: return list(values)
        return [v for (n, _), v in zip(self._f.args, values) if n not in self._given]

    def _value_and_grad(self, parts: Iterable[Any]) -> tuple[Any, list[Any]]:
        value, *slope = self._f.value_and_grad(*self._args(parts))
        return value, self._of_free(slope)

    # ---- what samplers ask

    def param_constrain(self, theta: Any) -> np.ndarray:
        """x of theta: where the density is that of the file."""
        parts = self._free.split(theta, "theta")
        return np.array(self._free.join(parts if self._through is None else _tuple(self._through(*parts))))

    def param_unconstrain(self, x: Any) -> np.ndarray:
        """theta of x."""
        parts = self._free.split(x)
        return np.array(self._free.join(parts if self._through is None else _tuple(self._inverse(*parts))))

    def log_density(self, theta: Any, *, jacobian: bool = True) -> Any:
        """At theta; without `jacobian`, at T(theta) by itself."""
        parts = self._free.split(theta, "theta")
        if self._through is None: return self._f(*self._args(parts))
        value = self._f(*self._args(_tuple(self._through(*parts))))
        return value + self._logdet(*parts) if jacobian else value

    def log_density_gradient(self, theta: Any, *, jacobian: bool = True) -> tuple[Any, np.ndarray]:
        """(value, gradient)."""
        parts = self._free.split(theta, "theta")
        if self._through is None:
            value, slope = self._value_and_grad(parts)
            return value, self._free.join(slope)
        value, slope = self._value_and_grad(_tuple(self._through(*parts)))
        back = self._free.join(_tuple(self._through.vjp(*parts, *slope))[:len(parts)])
        if not jacobian: return value, back
        more, bar = (lambda v, *g: (v, g))(*self._logdet.value_and_grad(*parts))
        return value + more, back + self._free.join(bar)

    def log_density_hessian_vector_product(self, theta: Any, v: Any, *, jacobian: bool = True) -> tuple[Any, np.ndarray]:
        """(value, the Hessian times v)."""
        theta, v = np.broadcast_arrays(theta, v)
        parts, along = self._free.split(theta, "theta"), self._free.split(v, "v")
        value = self.log_density(theta, jacobian=jacobian)
        if self._through is None: return value, self._free.join(self._curved(parts, along))
        at, moved = _tuple(self._through(*parts)), _tuple(self._through.jvp(*parts, *along))
        slope, curved = self._value_and_grad(at)[1], self._curved(at, moved)
        out = self._free.join(_tuple(self._through.vjp.jvp(*parts, *slope, *along, *curved))[:len(parts)])
        return value, out + self._free.join(_tuple(self._logdet.hvp(*parts, *along))) if jacobian else out

    def _curved(self, parts: Iterable[Any], along: Iterable[Any]) -> list[Any]:
        return self._of_free(_tuple(self._f.hvp(*self._args(parts), *self._args(along, np.zeros_like))))

    def log_density_hessian(self, theta: Any, *, jacobian: bool = True) -> tuple[Any, np.ndarray, np.ndarray]:
        """(value, gradient, Hessian)."""
        value, slope = self.log_density_gradient(theta, jacobian=jacobian)
        unit = np.eye(self._free.size, dtype=self._f._model.dtype)
        return value, slope, self.log_density_hessian_vector_product(np.asarray(theta)[..., None, :], unit, jacobian=jacobian)[1]

    def nutpie(self) -> Any:
        """The same for nutpie.sample: its draws are of x, by the names of the arguments."""
        from nutpie.compiled_pyfunc import from_pyfunc

        def expand(theta: Any) -> dict[str, np.ndarray]:
            parts = self._free.split(self.param_constrain(theta))
            return {n: p for (n, _), p in zip(self._free.parts, parts)}
        dtype = self._f._model.dtype
        return from_pyfunc(self.param_unc_num(), lambda: self.log_density_gradient, lambda *seeds: expand, [dtype]*len(self._free.parts),
                           [s for _, s in self._free.parts], [n for n, _ in self._free.parts])
