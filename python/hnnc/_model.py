"""Models: functions on arrays, parameters, losses, claims."""
from __future__ import annotations

import difflib
import inspect
import keyword
import operator
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np

from . import _hnnc

if TYPE_CHECKING:
    from ._run import Run, Step

T = TypeVar("T")
OK, ERRORS, USAGE, NUMBERS, IO, STOPPED, FAULT = 0, 1, 2, 3, 4, 5, 70


class Place(NamedTuple):
    """Where in a source: lines and columns from 1; file None: nowhere."""
    file: str | None
    line: int
    column: int
    end_line: int
    end_column: int


class Diagnostic(NamedTuple):
    """What the compiler says: its code is a section of `hnnc explain`, `place` where in the source, `labels` other places, and what is there."""
    error: bool
    code: str
    message: str
    place: Place
    labels: list[tuple[Place, str]]
    helps: list[str]


class Proof(NamedTuple):
    """A claim that was decided: `answer` is "proved", "refuted" or "undecided", `detail` how sure, or why not."""
    claim: str
    answer: str
    detail: str
    place: Place


class Error(Exception):
    """What went wrong in a call that hnnc says in words; `diagnostics` has them with their places."""

    def __init__(self, message: str, diagnostics: Iterable[Diagnostic] = ()) -> None:
        super().__init__(message)
        self.diagnostics = list(diagnostics)


class CompileError(Error):
    """A program has errors. str() is what the command prints, with the lines and carets."""


def _diagnostics(handle: _hnnc.Model) -> list[Diagnostic]:
    return [Diagnostic(e, c, t, Place(*at), [(Place(*p), x) for p, x in labels], helps) for e, c, t, at, labels, helps in handle.messages()]


def _value_text(v: Any) -> str:
    """A value as the language writes it."""
    if isinstance(v, (bool, np.bool_)): return "true" if v else "false"
    if isinstance(v, (np.ndarray, np.generic)): v = v.tolist()
    if isinstance(v, (list, tuple, range)): return "[" + ", ".join(_value_text(x) for x in v) + "]"
    if isinstance(v, (float, np.floating)): return repr(float(v))
    return str(v)


def _seen(value: Any) -> np.ndarray:
    """An array, or a tensor of PyTorch, JAX and others on the CPU as an array: the same memory, if NumPy can read its layout."""
    if isinstance(value, np.ndarray): return value
    if getattr(value, "requires_grad", False):
        raise TypeError("a tensor that is differentiated: take hnnc.torch.function(f), or write .detach()")
    if hasattr(value, "__dlpack__") and not hasattr(value, "__array__"): return np.from_dlpack(value)
    return np.asarray(value)


def _whole(name: str, value: Any, least: int = 0) -> int:
    """A number that counts: `name` is what it is called."""
    try:
        n = operator.index(value)
    except TypeError:
        raise TypeError("%s should be a whole number, found %r" % (name, value)) from None
    if not least <= n < 2**63: raise ValueError("%s should be %d or more%s, found %d" % (name, least, ", and below 2^63" if n > 0 else "", n))
    return n


def _like(name: str, names: Iterable[str]) -> str:
    """What is added to a message about a name that there is not."""
    near = difflib.get_close_matches(name, list(names), 1)
    return " (did you mean `%s`?)" % near[0] if near else ""


class _Named(dict[str, T]):
    """A dict whose KeyError says what there is; `what` is what its values are called."""

    def __init__(self, what: str, items: Mapping[str, T]) -> None:
        super().__init__(items)
        self._what = what

    def __missing__(self, name: str) -> T:
        raise KeyError("there is no %s `%s`%s; there are %s" % (self._what, name, _like(str(name), self), ", ".join(self) or "none"))


def _overrides(options: Mapping[str, Any] | None, constants: Mapping[str, Any]) -> list[str]:
    both = dict(options or {})
    both.update(constants)
    return [k + "=" + _value_text(v) for k, v in both.items()]


def load(path: str | os.PathLike[str], *, options: Mapping[str, Any] | None = None, seed: int = 0, threads: int = 0, cpu: str | None = None,
         cache_dir: str | None = None, **constants: Any) -> Model:
    """The model of a file.

    constants: values of `const`s, as in `load("pendulum.hnn", noise=0.05)`. options: others that the command line can override, by their
    path, as in `options={"train.optimizer.lr": 1e-3}`. seed changes every seed of the file together. threads: 0 is all cores; results do not depend on
    it. Raises CompileError if the file has errors, OSError if it cannot be read.
    """
    path = os.fspath(path)
    if "\n" in path: raise ValueError("hnnc.load takes the path of a file; hnnc.compile(text) takes the text of a program")
    return Model(path, None, _overrides(options, constants), seed, threads, cpu, cache_dir)


def compile(text: str, name: str | os.PathLike[str] = "model.hnn", *, options: Mapping[str, Any] | None = None, seed: int = 0, threads: int = 0,
            cpu: str | None = None, cache_dir: str | None = None, **constants: Any) -> Model:
    """The model of a program that is a string; `name` is what messages call it, and its folder is where imports and data files lie."""
    if not isinstance(text, str): raise TypeError("hnnc.compile takes a program as a string, found %s; hnnc.load takes a file" % type(text).__name__)
    if text.strip().endswith(".hnn") and "\n" not in text.strip():
        raise ValueError("hnnc.compile takes the text of a program; of a file it is hnnc.load(%r)" % text.strip())
    return Model(os.fspath(name), text, _overrides(options, constants), seed, threads, cpu, cache_dir)


def load_run(path: str | os.PathLike[str], *, threads: int = 0, cpu: str | None = None, cache_dir: str | None = None) -> Model:
    """The model of a run directory with the parameters that it ended with."""
    return Model(os.fspath(path), None, [], 0, threads, cpu, cache_dir, run=True)


class Check:
    """What `hnnc check` says: `ok`, `diagnostics`, `proofs`; str() is the text of the messages."""

    def __init__(self, handle: _hnnc.Model) -> None:
        self.ok = handle.state() == OK
        self.diagnostics = _diagnostics(handle)
        self.proofs = [Proof(t, a, d, Place(*at)) for t, a, d, at in handle.claims()]
        self._text = handle.messages_text(False)

    def __str__(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return "<hnnc.check: %s, %d message%s, %d of %d claims proved>" % (
            "ok" if self.ok else "errors", len(self.diagnostics), "" if len(self.diagnostics) == 1 else "s",
            sum(p.answer == "proved" for p in self.proofs), len(self.proofs))


def check(path: str | os.PathLike[str] | None = None, *, text: str | None = None, name: str | os.PathLike[str] = "model.hnn",
          options: Mapping[str, Any] | None = None, **constants: Any) -> Check:
    """Names, shapes and claims of a file, or of `text`. Raises nothing for errors in it: look at `ok`, `diagnostics`, `proofs`."""
    if path is None and text is None: raise TypeError("hnnc.check takes the path of a file, or text=")
    handle = _hnnc.Model(os.fspath(name if path is None or text is not None else path), text, False, _overrides(options, constants))
    if handle.state() == IO: raise OSError(handle.messages()[0][2])
    return Check(handle)


class Function:
    """A function of a model. It takes arrays of any leading shape, which is broadcast, and gives one with that shape (or a tuple of them).

    Arguments may be given by name. `out=` takes arrays for the results, `seed=` is that of draws. In place of an array of samples first, one in Fortran
    order (the sample last in memory) is read as it is, without a copy.
    """

    def __init__(self, model: Model, number: int, name: str, kind: str, args: Any, results: Any, place: Any) -> None:
        self._model, self._handle, self._number, self.name, self.kind = model, model._handle, number, name, kind
        self._numbers = self._handle.numbers
        self.args = [(n, tuple(s)) for n, s, _, _ in args]
        self.results = [tuple(s) for _, s, _, _ in results]
        self._per_sample = [p for _, _, p, _ in results]
        self._result_names = [n for n, _, _, _ in results]
        self._patterns = [p for _, _, _, p in results]
        self.place = Place(*place)
        self._scalar = all(s == () for _, s in self.args) and all(s == () for s in self.results) and all(self._per_sample)
        self._nargs, self._nresults = len(self.args), len(self.results)
        self._names = [n for n, _ in self.args]
        self._products: dict[int, Function] = {}
        self._of: Function | None = None          # of a derivative: what it is one of
        self.__name__ = name
        self.__doc__ = "%s\n\n%s" % (self._line(), Function.__doc__)
        self.__signature__ = inspect.Signature([inspect.Parameter(n if n.isidentifier() and not keyword.iskeyword(n) else "arg%d" % k, inspect.Parameter.POSITIONAL_OR_KEYWORD)
                                                for k, n in enumerate(self._names)]) if len(set(self._names)) == self._nargs else None

    def _type(self, shape: tuple[int, ...], per_sample: bool = True) -> str:
        dims = (["..."] if per_sample else []) + [str(d) for d in shape]
        return self._model.precision + ("[" + ", ".join(dims) + "]" if dims else "")

    def _line(self) -> str:
        results = [self._type(s, p) for s, p in zip(self.results, self._per_sample)]
        return "%s %s(%s) -> %s" % (self.kind, self.name, ", ".join("%s: %s" % (n, self._type(s)) for n, s in self.args),
                                    results[0] if len(results) == 1 else "(" + ", ".join(results) + ")")

    def __repr__(self) -> str:
        return "<" + self._line() + ">"

    def __call__(self, *args: Any, out: Any = None, seed: int = 0, **named: Any) -> Any:
        if self._scalar and len(args) == self._nargs and out is None and not seed:
            answer = self._numbers(self._number, self._nresults, *args)
            if answer is not NotImplemented: return answer
        if type(seed) is not int or seed < 0: seed = _whole("%s: seed" % self.name, seed)
        if not named and len(args) == self._nargs and self._nargs:
            done = self._quick(args, out, seed)
            if done is not None: return done
        return self._arrays(args, out, seed, named)

    def _quick(self, args: tuple[Any, ...], out: Any, seed: int) -> Any:
        """Of arrays of one leading shape, in C order and the model's precision, as they mostly are; None: they are not, and nothing has been done."""
        results: tuple[Any, ...]
        if out is None:
            if type(args[0]) is not np.ndarray: return None
            batch = args[0].shape[:args[0].ndim - len(self.args[0][1])]
            results = tuple([np.empty(batch + s if p else s, self._model.dtype) for s, p in zip(self.results, self._per_sample)])
        else: results = self._outs(out)
        if not self._handle.arrays(self._number, seed, args, results): return None
        if out is not None: return out
        return (results[0] if results[0].ndim else results[0][()]) if self._nresults == 1 else tuple([r if r.ndim else r[()] for r in results])

    def _bound(self, args: tuple[Any, ...], named: Mapping[str, Any]) -> list[Any]:
        if len(args) > self._nargs:
            raise TypeError("%s takes %d arguments (%s), found %d" % (self.name, self._nargs, ", ".join(self._names), len(args)))
        values = list(args) + [None]*(self._nargs - len(args))
        for k, v in named.items():
            if k not in self._names: raise TypeError("%s has no argument `%s`: it takes %s" % (self.name, k, ", ".join(self._names)))
            at = self._names.index(k)
            if at < len(args): raise TypeError("%s: `%s` is given twice" % (self.name, k))
            values[at] = v
        for n, v in zip(self._names, values):
            if v is None: raise TypeError("%s lacks its argument `%s`: it takes %s" % (self.name, n, ", ".join(self._names)))
        return values

    def _array(self, name: str, shape: tuple[int, ...], value: Any) -> np.ndarray:
        """The argument as an array of the model's precision whose last axes are `shape`."""
        a = value if isinstance(value, np.ndarray) else _seen(value)
        if a.dtype != self._model.dtype:
            if hasattr(value, "dtype") and not isinstance(value, np.generic) and a.dtype.kind == "f":
                raise TypeError("%s: `%s` is %s, and the model is %s: write .astype(np.%s)" % (self.name, name, a.dtype, self._model.precision,
                                                                                               self._model.dtype.name))
            if a.dtype.kind not in "fiub": raise TypeError("%s: `%s` should be numbers, found %s" % (self.name, name, a.dtype))
            a = a.astype(self._model.dtype)
        self._ends(name, shape, a.shape)
        return a

    def _arrays(self, args: tuple[Any, ...], out: Any, seed: int, named: Mapping[str, Any]) -> Any:
        values = [self._array(n, s, v) for (n, s), v in zip(self.args, self._bound(args, named))]
        leading = [v.shape[:v.ndim - len(s)] for v, (_, s) in zip(values, self.args)]
        batch = leading[0] if leading and all(b == leading[0] for b in leading) else self._batch(leading)
        n = 1
        for d in batch: n *= d
        given = [self._given(v, batch, b, s) for v, b, (_, s) in zip(values, leading, self.args)]
        shapes = [(batch + s if p else s) for s, p in zip(self.results, self._per_sample)]
        results = [np.empty(s, self._model.dtype) for s in shapes] if out is None else self._out(out, shapes, values)
        status = self._handle.call(self._number, n, seed, tuple(given), tuple((r, 0) for r in results))
        if status: self._model._fail(status)
        if out is not None: return out
        answers = [r if r.ndim else r[()] for r in results]
        return answers[0] if self._nresults == 1 else tuple(answers)

    def _shaped(self, args: Sequence[Any]) -> tuple[int, ...]:
        """The leading shape of a call on these, which have a `shape`, or are numbers; errors as of a call."""
        self._bound(tuple(args), {})
        shapes = [tuple(getattr(a, "shape", ())) for a in args]
        for (n, want), have in zip(self.args, shapes): self._ends(n, want, have)
        return self._batch([s[:len(s) - len(want)] for s, (_, want) in zip(shapes, self.args)])

    def _ends(self, name: str, want: tuple[int, ...], have: tuple[int, ...]) -> None:
        n = len(want)
        if len(have) < n or have[len(have) - n:] != want:
            raise ValueError("%s: `%s` should be [%s], found an array of the shape %s" % (self.name, name, ", ".join(["..."] + [str(d) for d in want]), list(have)))

    def _batch(self, leading: list[tuple[int, ...]]) -> tuple[int, ...]:
        """The leading shape of a call. Where samples belong to each other, they are not broadcast against each other: a cotangent or tangent has the
        shape of the point, and the fields of a loss, or of another mean, have one; or none, which is the same for all."""
        if self._of is not None:
            at = self._of._nargs
            want, why = self._of._batch(leading[:at]), "as the arguments of %s together have" % self._of.name
            free = self._names[at:] if want or self.kind == "vjp" else []
        elif not all(self._per_sample):
            at = 0
            first, want = next(((n, b) for n, b in zip(self._names, leading) if b), ("", ()))
            free, why = self._names, "as `%s` has: all fields are of the same samples" % first
        else: return self._broadcast(leading)
        for n, b in zip(free, leading[at:]):
            if b and b != want: raise ValueError("%s: the leading shape of `%s` should be %s, %s, or [], one for all; found %s" % (
                self.name, n, list(want), why, list(b)))
        return self._broadcast(leading)

    def _broadcast(self, leading: list[tuple[int, ...]]) -> tuple[int, ...]:
        try:
            return np.broadcast_shapes(*leading)
        except ValueError:
            raise ValueError("%s: the leading shapes of its arguments do not go together: %s" % (
                self.name, ", ".join("%s %s" % (n, list(b)) for n, b in zip(self._names, leading)))) from None

    def _given(self, v: np.ndarray, batch: tuple[int, ...], leading: tuple[int, ...], shape: tuple[int, ...]) -> tuple[np.ndarray, int]:
        """(array, ld): the sample first, or last where it lies so."""
        if leading != batch: v = np.broadcast_to(v, batch + shape)
        if v.flags.c_contiguous: return v, 0
        if len(batch) == 1 and len(shape) == 1 and v.flags.f_contiguous: return v, v.shape[0]
        return np.ascontiguousarray(v), 0

    def _outs(self, out: Any) -> tuple[Any, ...]:
        if self._nresults == 1 and hasattr(out, "__dlpack__"): return (out,)
        if isinstance(out, Iterable): return tuple(out)
        raise TypeError("%s: out should be an array, or a tuple of one for each of several results, found %r" % (self.name, out))

    def _out(self, out: Any, shapes: list[tuple[int, ...]], values: list[np.ndarray]) -> list[np.ndarray]:
        given = self._outs(out)
        results = [_seen(r) for r in given if hasattr(r, "__dlpack__")]
        if len(results) != len(given): raise ValueError("%s: out should be an array, or several, that can be written" % self.name)
        if len(results) != self._nresults: raise ValueError("%s has %d results, out has %d" % (self.name, self._nresults, len(results)))
        for r, s in zip(results, shapes):
            if r.shape != s or r.dtype != self._model.dtype or not r.flags.c_contiguous or not r.flags.writeable:
                raise ValueError("%s: out should be a writable array of %s with the shape %s, in C order" % (self.name, self._model.dtype.name, list(s)))
        for k, r in enumerate(results):
            if any(np.may_share_memory(r, x) for x in values + results[:k]): raise ValueError("%s: out overlaps an argument or another result" % self.name)
        return results

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name if name.startswith("_") else "%s has no `%s`: its derivatives are %s" % (
            self.name, name, "value_and_grad (value and gradient by its arguments), vjp, jvp and hvp"))

    def _derived(self, kind: int, word: str) -> Function:
        if kind in self._products: return self._products[kind]
        status, number = self._handle.derive(kind, self._number)
        if status == USAGE: raise TypeError("%s has no %s: %s" % (self.name, word, "it takes a function with one result, a scalar" if kind > 1
                                                                   else "functions of the file have one, losses have gradients"))
        if status: self._model._fail(status)
        made = self._products[kind] = self._model._function(number)
        made._of = self
        return made

    @property
    def vjp(self) -> Function:
        """F_vjp(arguments..., a cotangent for each result) -> a cotangent for each argument, and if the function has parameters, the gradient by all of them
        end to end, summed over the samples (`model.params.unflatten` takes it apart)."""
        return self._derived(0, "vjp")

    @property
    def jvp(self) -> Function:
        """F_jvp(arguments..., a tangent for each) -> a tangent for each result."""
        return self._derived(1, "jvp")

    @property
    def hvp(self) -> Function:
        """F_hvp(arguments..., a tangent for each) -> the Hessian times it, for each argument; of a function with one result, a scalar."""
        return self._derived(2, "hvp")

    @property
    def value_and_grad(self) -> Function:
        """F_grad(arguments...) -> what F gives, then its gradient by each argument; of a function with one result, a scalar."""
        return self._derived(3, "gradient")

    def csr(self, values: Any, result: int = 0) -> Any:
        """The nonzeros that the function gave, of one sample, as a scipy.sparse.csr_matrix."""
        from scipy.sparse import csr_matrix
        if self._patterns[result] is None: raise TypeError("%s does not give the nonzeros of a matrix: write `nonzeros(...)` in the file" % self.name)
        rows, cols, row, col = self._patterns[result]
        return csr_matrix((values, col, row), shape=(rows, cols))


def _is_function(f: Any, what: str) -> Function:
    """f, or an error that says what `what` takes."""
    if isinstance(f, Function): return f
    found = "a model: take one of its functions (%s)" % (", ".join("m." + n for n in f.functions) or "it has none") if isinstance(f, Model) else \
        "%r: a loss is trained by m.run(), or by the gradient that its value_and_grad gives" % f if isinstance(f, Loss) else repr(f)
    raise TypeError("%s takes a function of a model, as m.functions has them, found %s" % (what, found))


class Loss:
    """The mean of a loss over its samples: call it with the fields, or with a dict of them. `gradient` gives the gradient by the parameters, end to end."""

    def __init__(self, value: Function, slope: Function | None) -> None:
        self._value, self._slope, self.name = value, slope, value.name
        self.args = value.args

    def __repr__(self) -> str:
        return "<loss %s(%s)>" % (self.name, ", ".join("%s: %s" % (n, self._value._type(s)) for n, s in self.args))

    def _fields(self, args: tuple[Any, ...], named: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        if len(args) == 1 and isinstance(args[0], Mapping) and not named: return (), {n: args[0][n] for n, _ in self.args if n in args[0]}
        return args, named

    def __call__(self, *args: Any, seed: int = 0, **named: Any) -> float:
        args, named = self._fields(args, named)
        return float(self._value(*args, seed=seed, **named))

    def value_and_grad(self, *args: Any, seed: int = 0, **named: Any) -> tuple[float, np.ndarray]:
        """(loss, gradient): one array, as long as `model.params.flat`; 0 for parameters that the training does not move."""
        if self._slope is None: raise ValueError("the loss `%s` has no gradient: it depends on no parameter, or goes through what has no derivative" % self.name)
        args, named = self._fields(args, named)
        loss, gradient = self._slope(*args, seed=seed, **named)
        return float(loss), gradient

    def grad(self, *args: Any, seed: int = 0, **named: Any) -> np.ndarray:
        return self.value_and_grad(*args, seed=seed, **named)[1]


class Parameters(Mapping[str, np.ndarray]):
    """The parameters of a model by their paths, each an array that is read and written in place."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._array: dict[str, np.ndarray] = _Named("parameter", {})
        for path, shape, buffer in model._handle.params(): self._array[path] = np.frombuffer(buffer, model.dtype).reshape(shape)

    def _all(self) -> dict[str, np.ndarray]:
        if self._model._closed: raise ValueError("the model is closed")
        return self._array

    def __getitem__(self, path: str) -> np.ndarray:
        return self._all()[path]

    def __setitem__(self, path: str, value: Any) -> None:
        """Writes its numbers in place, as `[path][...] = value` does, but of the same shape."""
        a, v = self[path], np.asarray(value)
        if v.shape != a.shape: raise ValueError("the parameter `%s` is %s, found %s" % (path, list(a.shape), list(v.shape)))
        a[...] = v

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())

    def __repr__(self) -> str:
        return "{" + ", ".join("%r: %s%s" % (k, self._model.precision, list(v.shape)) for k, v in self._all().items()) + "}"

    @property
    def flat(self) -> np.ndarray:
        """All of them end to end, a copy; setting it writes them all."""
        return np.concatenate([v.ravel() for v in self._array.values()]) if self._all() else np.empty(0, self._model.dtype)

    @flat.setter
    def flat(self, values: Any) -> None:
        for k, v in self.unflatten(values).items(): self._array[k][...] = v

    def unflatten(self, values: Any) -> dict[str, np.ndarray]:
        """A dict of views of one array that has all of them end to end, as a gradient has."""
        values = np.asarray(values)
        n = sum(v.size for v in self._all().values())
        if values.shape != (n,): raise ValueError("all parameters together are [%d], found %s" % (n, list(values.shape)))
        out, at = {}, 0
        for k, v in self._array.items():
            out[k] = values[at:at + v.size].reshape(v.shape)
            at += v.size
        return out

    def load(self, path: str | os.PathLike[str]) -> None:
        """All of them from a run directory or a .safetensors file, found by their paths; on an error they stay as they are."""
        self._model._done(self._model._handle.load(os.fspath(path)))

    def save(self, path: str | os.PathLike[str]) -> None:
        """As a .safetensors file."""
        if os.path.splitext(path)[1] not in ("", ".safetensors"):
            raise ValueError("parameters are saved as a .safetensors file, found `%s`: NumPy writes others, as in np.savez(path, **m.params)" % os.fspath(path))
        self._model._done(self._model._handle.save(os.fspath(path)))


class Model:
    """A program that is compiled: see hnnc.load. Functions of the file are attributes, and in `functions` by name; `left_out` says of the others why they
    cannot be called. One thread at a time is in a model; others wait.
    `close()`, or the end of a `with`, gives its memory back; else that is done when nothing uses it any more."""

    def __init__(self, path: str, text: str | None, overrides: list[str], seed: int, threads: int, cpu: str | None, cache_dir: str | None,
                 run: bool = False) -> None:
        handle = _hnnc.Model(path, text, run, overrides, _whole("seed", seed), _whole("threads", threads), cpu, cache_dir)
        self._handle, self._runs, self._lock, self._closed = handle, 0, threading.RLock(), False
        state = handle.state()
        if state == IO: raise OSError(handle.messages()[0][2])
        if state == USAGE: raise ValueError(handle.messages()[0][2])
        if state: raise (CompileError if state == ERRORS else Error)(handle.messages_text(False), _diagnostics(handle))
        self.path = path
        self.dtype = np.dtype(np.float32 if handle.single() else np.float64)
        self.precision = "f32" if handle.single() else "f64"
        self.warnings = _diagnostics(handle)
        self.proofs = [Proof(t, a, d, Place(*at)) for t, a, d, at in handle.claims()]
        handle.forget()
        self._list: list[Function] = []
        self._more()
        self.functions = _Named("function", {f.name: f for f in self._list if f.kind not in ("loss", "gradient", "report")})
        self.report_functions = _Named("report", {f.name: f for f in self._list if f.kind == "report"})
        slopes = {f.name: f for f in self._list if f.kind == "gradient"}
        self.losses = _Named("loss", {f.name: Loss(f, slopes.get(f.name)) for f in self._list if f.kind == "loss"})
        self.left_out = {n: why for n, _, why in handle.left_out()}
        self.params = Parameters(self)

    def _more(self) -> None:
        """Functions that were added since."""
        for number, f in enumerate(self._handle.functions()):
            if number >= len(self._list): self._list.append(Function(self, number, *f))

    def _function(self, number: int) -> Function:
        if number >= len(self._list): self._more()
        return self._list[number]

    def _done(self, status: int) -> None:
        if status: self._fail(status)

    def _fail(self, status: int) -> None:
        """Raises what the messages say of a call that gave this status."""
        said, text = _diagnostics(self._handle), self._handle.messages_text(False).strip()
        if self._handle.state() != FAULT: self._handle.forget()
        text = "\n".join([said[-1].message] + said[-1].helps) if said and status == IO else text or "the call makes no sense"
        text = text.replace("with --out", "with `out`")      # the option's name here
        raise (OSError(text) if status == IO else CompileError(text, said) if status == ERRORS else ValueError(text) if status == USAGE else Error(text, said))

    def __getattr__(self, name: str) -> Function:
        if name.startswith("__") or "functions" not in self.__dict__: raise AttributeError(name)
        functions = self.functions
        if name in functions: return functions[name]
        if name in self.left_out: raise AttributeError("`%s` is in the file, but cannot be called: %s" % (name, self.left_out[name]))
        raise AttributeError("the model has no function `%s`%s; it has %s" % (
            name, _like(name, functions), ", ".join(functions) or "none whose argument types are known"))

    def __dir__(self) -> list[str]:
        return list(super().__dir__()) + list(self.functions)

    def __repr__(self) -> str:
        if self._closed: return "<hnnc model %s, closed>" % self.path
        lines = ["<hnnc model %s, %s, %d parameters" % (self.path, self.precision, sum(v.size for v in self.params.values()))]
        lines += ["  " + f._line() for f in self.functions.values()]
        lines += ["  " + repr(x)[1:-1] for x in self.losses.values()]
        lines += ["  %s: %s" % (p.claim, p.answer) for p in self.proofs]
        return "\n".join(lines) + ">"

    def close(self) -> None:
        """Gives its memory and threads back: it cannot be asked any more. Arrays of its parameters that are still in use keep theirs."""
        self._handle.close()
        self._closed = True
        self.params._array.clear()

    def __enter__(self) -> Model:
        return self

    def __exit__(self, *exception: Any) -> None:
        self.close()

    def export_onnx(self, path: str | os.PathLike[str], functions: Iterable[Function | Loss | str] | Function | Loss | str | None = None) -> None:
        """Functions as an ONNX file, with the parameters as they are: of the file by their names, derivatives and losses as they are (`m.force.vjp`,
        `m.losses["hnn"]`). None: each function of the file that can be as a file of its own, in the folder `path`."""
        given: Iterable[Function | Loss | str] = [functions] if isinstance(functions, (Function, Loss, str)) else functions or ()
        numbers = []
        for f in given:
            if isinstance(f, Loss): f = f._value
            if isinstance(f, str): f = next((x for x in self._list if x.name == f and x.kind not in ("loss", "gradient")), None) or self.__getattr__(f)
            if f._model is not self: raise ValueError("%r is a function of another model" % f)
            numbers.append(f._number)
        if functions is not None and not numbers: raise ValueError("no function is named")
        self._done(self._handle.export_onnx(os.fspath(path), tuple(numbers)))

    def export_library(self, path: str | os.PathLike[str]) -> None:
        """The model as a shared library and its header, PATH.so and PATH.h, with the parameters as they are. No C compiler is needed."""
        self._done(self._handle.export_library(os.fspath(path)))

    def compile_all(self) -> None:
        """Compiles every function now, together: faster than one by one, when they are first called."""
        self._done(self._handle.compile())

    def run(self, out: str | os.PathLike[str] | bool | None = None, *, progress: bool = True, on_step: Callable[[Step], Any] | None = None) -> Run:
        """Does what the file says, from top to bottom, as `hnnc run`: trains, reports, draws. Returns a Run; the parameters are trained afterwards.

        out: the run directory; None: one in runs/, False: none (and no plots). progress: a line on a terminal, a bar in a notebook. on_step(step): called now
        and then while it trains, with a namedtuple; False stops. Ctrl-C stops after a step, as it does the command: the Run then has `stopped`.
        """
        from ._run import run_model
        return run_model(self, out, progress, on_step)
