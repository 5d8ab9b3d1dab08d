"""Log densities for samplers, in the manner of BridgeStan: one vector of unconstrained numbers in, the logarithm of the density and its derivatives out."""
import numpy as np


def _tuple(x):
    return x if isinstance(x, tuple) else (x,)


def _names(name, shape):
    return [name + ("[%s]" % ",".join(map(str, at)) if shape else "") for at in np.ndindex(*shape)]


class Density:
    """Density(m.log_p), Density(m.log_p, through=m.T, y=data): a function of a model with one result, a scalar, as a log density (up to a constant).

    Arguments that are given by name are data; the others, end to end and row-major, are the vector x. `through` is a flow: then samplers see theta with
    x = T(theta), and the density of theta, with the log-determinant of T. Every vector may have leading axes, a density for each.
    """

    def __init__(self, log_density, through=None, **given):
        f = log_density
        if f._nresults != 1 or f.results[0] != () or not f._per_sample[0]:
            raise TypeError("hnnc.Density takes a function with one result, a scalar, found %r" % f)
        for k in given:
            if k not in f._names: raise TypeError("%s has no argument `%s`: it takes %s" % (f.name, k, ", ".join(f._names)))
        self._f, self._through = f, through
        self._given = {k: f._array(k, dict(f.args)[k], v) for k, v in given.items()}
        for k, v in self._given.items():
            if v.shape != dict(f.args)[k]: raise ValueError("%s: the data `%s` should be %s, found %s" % (f.name, k, list(dict(f.args)[k]), list(v.shape)))
        self._free = [(n, s) for n, s in f.args if n not in given]
        if not self._free: raise TypeError("%s: every argument is given, so nothing is left to sample" % f.name)
        self._unconstrained = self._free if through is None else through.args
        self._inverse = self._logdet = None
        if through is not None:
            functions = through._model.functions
            self._inverse, self._logdet = functions.get(through.name + "_inverse"), functions.get(through.name + "_logdet")
            if through.kind != "flow" or self._logdet is None: raise TypeError("`through` takes a flow, found %r" % through)
            if [s for _, s in through.args] != [s for _, s in self._free]:
                raise ValueError("the state of %s should be %s, as what is left of %s, found %s" % (
                    through.name, [list(s) for _, s in self._free], f.name, [list(s) for _, s in through.args]))
        self._sizes = [int(np.prod(s, dtype=int)) for _, s in self._free]

    def __repr__(self):
        data = "".join(", `%s` given" % k for k in self._given)
        return "<log density %s of %d numbers%s%s>" % (self.name(), self.param_unc_num(), "" if self._through is None else " through %s" % self._through.name, data)

    # ---- what it is

    def name(self):
        return self._f.name

    def param_num(self):
        return sum(self._sizes)

    def param_unc_num(self):
        return sum(self._sizes)

    def param_names(self):
        return [one for n, s in self._free for one in _names(n, s)]

    def param_unc_names(self):
        return [one for n, s in self._unconstrained for one in _names(n, s)]

    # ---- vectors and arguments

    def _split(self, theta, what="theta"):
        theta = np.asarray(theta)
        if theta.dtype != self._f._model.dtype: theta = theta.astype(self._f._model.dtype)
        if theta.ndim < 1 or theta.shape[-1] != sum(self._sizes):
            raise ValueError("%s: `%s` should be [..., %d], found an array of the shape %s" % (self.name(), what, sum(self._sizes), list(theta.shape)))
        at = np.cumsum([0] + self._sizes)
        return [theta[..., a:b].reshape(theta.shape[:-1] + s) for a, b, (_, s) in zip(at, at[1:], self._free)]

    def _join(self, parts):
        leading = [np.shape(p)[:np.ndim(p) - len(s)] for p, (_, s) in zip(parts, self._free)]
        return np.concatenate([np.reshape(p, b + (n,)) for p, b, n in zip(parts, leading, self._sizes)], -1)

    def _args(self, parts, others=None):
        """The arguments of f: `parts` where they are free, else the data, or what `others` makes of them."""
        free = iter(parts)
        return [(others or (lambda v: v))(self._given[n]) if n in self._given else next(free) for n, _ in self._f.args]

    def _of_free(self, values):
        return [v for (n, _), v in zip(self._f.args, values) if n not in self._given]

    def _value_and_grad(self, parts):
        value, *slope = self._f.value_and_grad(*self._args(parts))
        return value, self._of_free(slope)

    # ---- what samplers ask

    def param_constrain(self, theta):
        """x of theta: where the density is that of the file."""
        return self._join(self._split(theta) if self._through is None else _tuple(self._through(*self._split(theta))))

    def param_unconstrain(self, x):
        """theta of x."""
        return self._join(self._split(x, "x") if self._through is None else _tuple(self._inverse(*self._split(x, "x"))))

    def log_density(self, theta, *, jacobian=True):
        """At theta; without `jacobian`, at T(theta) by itself."""
        parts = self._split(theta)
        if self._through is None: return self._f(*self._args(parts))
        value = self._f(*self._args(_tuple(self._through(*parts))))
        return value + self._logdet(*parts) if jacobian else value

    def log_density_gradient(self, theta, *, jacobian=True):
        """(value, gradient)."""
        parts = self._split(theta)
        if self._through is None:
            value, slope = self._value_and_grad(parts)
            return value, self._join(slope)
        value, slope = self._value_and_grad(_tuple(self._through(*parts)))
        back = self._join(_tuple(self._through.vjp(*parts, *slope))[:len(parts)])
        if not jacobian: return value, back
        more, bar = (lambda v, *g: (v, g))(*self._logdet.value_and_grad(*parts))
        return value + more, back + self._join(bar)

    def log_density_hessian_vector_product(self, theta, v, *, jacobian=True):
        """(value, the Hessian times v)."""
        theta, v = np.broadcast_arrays(theta, v)
        parts, along = self._split(theta), self._split(v, "v")
        value = self.log_density(theta, jacobian=jacobian)
        if self._through is None: return value, self._join(self._curved(parts, along))
        at, moved = _tuple(self._through(*parts)), _tuple(self._through.jvp(*parts, *along))
        slope, curved = self._value_and_grad(at)[1], self._curved(at, moved)
        out = self._join(_tuple(self._through.vjp.jvp(*parts, *slope, *along, *curved))[:len(parts)])
        return value, out + self._join(_tuple(self._logdet.hvp(*parts, *along))) if jacobian else out

    def _curved(self, parts, along):
        return self._of_free(_tuple(self._f.hvp(*self._args(parts), *self._args(along, np.zeros_like))))

    def log_density_hessian(self, theta, *, jacobian=True):
        """(value, gradient, Hessian)."""
        value, slope = self.log_density_gradient(theta, jacobian=jacobian)
        unit = np.eye(sum(self._sizes), dtype=self._f._model.dtype)
        return value, slope, self.log_density_hessian_vector_product(np.asarray(theta)[..., None, :], unit, jacobian=jacobian)[1]

    def nutpie(self):
        """The same for nutpie.sample: its draws are of x, by the names of the arguments."""
        from nutpie.compiled_pyfunc import from_pyfunc

        def expand(theta):
            parts = self._split(self.param_constrain(theta))
            return {n: p for (n, _), p in zip(self._free, parts)}
        dtype = self._f._model.dtype
        return from_pyfunc(self.param_unc_num(), lambda: self.log_density_gradient, lambda *seeds: expand, [dtype]*len(self._free),
                           [s for _, s in self._free], [n for n, _ in self._free])
