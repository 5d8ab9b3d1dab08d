"""Runs: training with progress, what a run directory holds, many runs."""
from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

from . import _hnnc
from ._model import NUMBERS, OK, STOPPED, Diagnostic, Error, Model, _diagnostics, _Named, _overrides, _whole, load, load_run
from ._table import as_html, as_image, as_text, paragraph


class Step(NamedTuple):
    """Where a training is: NaN where there is no number; `losses` and `monitor` are [(name, value)]."""
    loss: str
    step: int
    steps: int
    value: float
    test: float
    lr: float
    samples_per_second: float
    losses: list[tuple[str, float]]
    monitor: list[tuple[str, float]]


class Report(NamedTuple):
    """A report over n samples; of a tensor, mean, sd, min and max are lists of its elements, row-major."""
    name: str
    shape: tuple[int, ...]
    n: int | None
    mean: Any
    sd: Any
    min: Any
    max: Any


class Expect(NamedTuple):
    text: str
    holds: bool


def _in_notebook() -> bool:
    try:
        from IPython import get_ipython
        return type(get_ipython()).__name__ == "ZMQInteractiveShell"
    except ImportError:
        return False


class _Bar:
    """A line that is written over; in a notebook an output that is."""

    def __init__(self) -> None:
        self.handle: Any = None
        self.width = 0
        if _in_notebook():
            from IPython.display import display
            self.handle = display({"text/plain": ""}, raw=True, display_id=True)

    def __call__(self, s: Step) -> None:
        done = s.step/s.steps if s.steps else 1
        text = "%s %s %d/%d  loss %.4e%s  lr %.2e" % (s.loss, "#"*int(20*done) + "."*(20 - int(20*done)), s.step, s.steps, s.value,
                                                      "" if s.test != s.test else "  test %.4e" % s.test, s.lr)
        if self.handle: self.handle.update({"text/plain": text}, raw=True)
        elif sys.stderr.isatty():
            sys.stderr.write("\r" + text.ljust(self.width))
            sys.stderr.flush()
            self.width = len(text)

    def end(self) -> None:
        if not self.handle and self.width: sys.stderr.write("\n")


def _json(path: str) -> dict[str, Any]:
    """A file of a run, which is an object; Error if it is damaged."""
    try:
        with open(path, encoding="utf-8") as f: whole = json.load(f)
    except ValueError as e:
        raise Error("%s is damaged: %s" % (path, e)) from None
    if not isinstance(whole, dict): raise Error("%s is damaged: it is no object" % path)
    return whole


def _report(name: str, shape: tuple[int, ...], n: int, means: list[float], sds: list[float], mins: list[float], maxs: list[float]) -> Report:
    def one(v: list[float]) -> Any:
        return v[0] if not shape else v
    return Report(name, tuple(shape), n, one(means), one(sds), one(mins), one(maxs))


class Plot:
    """A drawing of a run: shown as a picture in a notebook, with its `caption` below; `path` is its file, an .svg, or a .gif if it moves.
    `save("figure.pdf")` is for papers."""

    def __init__(self, path: str, caption: str | None = None) -> None:
        self.path, self.caption = path, caption

    def _image(self) -> str:
        with open(self.path, "rb") as f: image = as_image("gif" if self.path.endswith(".gif") else "svg+xml", f.read(), self.caption or os.path.basename(self.path))
        return image if self.caption is None else image + paragraph(self.caption)

    def _repr_html_(self) -> str:
        return self._image()

    def _repr_svg_(self) -> str | None:
        still = os.path.splitext(self.path)[0] + ".svg"
        if not os.path.exists(still): return None
        with open(still, encoding="utf-8") as f: return f.read()

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the picture as .pdf, .png, .svg or, of what moves, .gif: the file that is there, or by its own gnuplot script, the first two with gnuplot's
        cairo terminals (Debian: gnuplot-nox)."""
        to = os.fspath(path)
        kind, base = os.path.splitext(to)[1][1:].lower(), os.path.splitext(os.path.abspath(self.path))[0]
        if kind not in ("pdf", "png", "svg", "gif"): raise ValueError("`path` ends in .pdf, .png, .svg or .gif, found %r" % to)
        if kind in ("svg", "gif") and os.path.exists(base + "." + kind):
            shutil.copyfile(base + "." + kind, to)
            return
        with tempfile.TemporaryDirectory() as folder:
            for end in ".dat", ".gp": shutil.copy(base + end, folder)
            name = os.path.basename(base)
            try:
                made = subprocess.run(["gnuplot", "-d", "-e", "format = '%s'" % kind, name + ".gp"], cwd=folder, capture_output=True, text=True, timeout=120, check=False)
            except OSError as e:
                raise Error("gnuplot, which draws %s, cannot be run: %s" % (to, e.strerror)) from None
            there = os.path.join(folder, name + "." + kind)
            if made.returncode or not os.path.exists(there): raise Error("gnuplot did not draw %s: %s" % (to, made.stderr.strip()[-500:] or "its script is of an older hnnc"))
            shutil.copyfile(there, to)

    def __repr__(self) -> str:
        return "<plot %s>" % self.path


class Run:
    """What a run gave. `reports` by name, `expects`, `ok` (done, and every `expect` and `prove` holds), `stopped`; of a run directory `dir`, `metrics`
    (a dict for each line of metrics.jsonl), `plots` by name, `arrays(name)`; `model`, with its parameters as trained."""

    def __init__(self, directory: str | None, model: Model | None = None, status: int | None = None) -> None:
        self.dir, self._model, self._status = directory, model, status
        self._number = model._runs if model is not None else 0
        self.reports: dict[str, Report] = _Named("report", {})
        self.expects: list[Expect] = []
        self.diagnostics: list[Diagnostic] = []
        if model is not None:
            self.reports.update({r[0]: _report(*r) for r in model._handle.reports()})
            self.expects = [Expect(*e) for e in model._handle.expects()]
            self.diagnostics = _diagnostics(model._handle)
        elif directory is not None:
            self._read()

    def _read(self) -> None:
        assert self.dir is not None
        said = os.path.join(self.dir, "reports.json")
        if not os.path.exists(said): return
        whole = _json(said)
        for name, r in whole.get("reports", {}).items():
            if isinstance(r, dict): self.reports[name] = Report(name, tuple(r.get("shape", ())), r.get("n"), *(r.get(k) for k in ("mean", "sd", "min", "max")))
        self.expects = [Expect(str(e.get("text")), bool(e.get("holds"))) for e in whole.get("expects", []) if isinstance(e, dict)]

    @property
    def manifest(self) -> dict[str, Any]:
        if self.dir is None: return {}
        return _json(os.path.join(self.dir, "manifest.json"))

    @property
    def status(self) -> str | None:
        if self._status is not None: return {OK: "done", STOPPED: "stopped"}.get(self._status, "failed")
        return self.manifest.get("status")

    @property
    def ok(self) -> bool:
        return self.status == "done" and all(e.holds for e in self.expects)

    @property
    def stopped(self) -> bool:
        return self.status == "stopped"

    @property
    def model(self) -> Model:
        if self._model is not None and self._model._runs != self._number and self.dir is not None: self._model = None
        if self._model is None:
            if self.dir is None: raise Error("a run without a directory does not have its parameters any more: its model has been run again")
            self._model, self._number = load_run(self.dir), 0
        return self._model

    @property
    def metrics(self) -> list[dict[str, Any]]:
        if self.dir is None: return []
        path = os.path.join(self.dir, "metrics.jsonl")
        if not os.path.exists(path): return []
        with open(path, encoding="utf-8") as f: return [json.loads(line) for line in f if line.strip()]

    @property
    def plots(self) -> dict[str, Plot]:
        folder = os.path.join(self.dir, "plots") if self.dir else None
        names = sorted(os.listdir(folder)) if folder and os.path.isdir(folder) else []
        said = self.manifest.get("plots") if names else []
        captions = {p.get("name"): p.get("caption") for p in said or [] if isinstance(p, dict)}
        return _Named("plot", {n[:-4]: Plot(os.path.join(folder or "", n), captions.get(n[:-4])) for kind in (".svg", ".gif") for n in names if n.endswith(kind)})

    def plot(self, name: str) -> Plot:
        """`run.plot("phase").save("phase.pdf")`: plots[name]."""
        return self.plots[name]

    def report(self, path: str | os.PathLike[str] = "report.html") -> str:
        """Writes the page of the run, as `hnnc report`, and returns its path: curves, reports, plots, times, how to cite it, without a network."""
        if self.dir is None: raise Error("a run without a directory has no report")
        return report([self], path)

    def arrays(self, name: str) -> dict[str, Any]:
        """What `save NAME` wrote: a dict of arrays."""
        import numpy as np
        if self.dir is None: raise Error("a run without a directory has no arrays")
        with np.load(os.path.join(self.dir, "arrays", name + ".npz")) as f: return {k: f[k] for k in f.files}

    def _title(self) -> str:
        return "hnnc run %s, %s" % (self.dir or "without a directory", self.status)

    def _table(self) -> tuple[list[str], list[list[Any]]]:
        return ["report", "mean", "sd", "min", "max", "n", "shape"], [
            [r.name] + ([r.mean, r.sd, r.min, r.max, r.n, None] if not r.shape else [None]*4 + [r.n, list(r.shape)]) for r in self.reports.values()]

    def _expected(self) -> list[str]:
        return ["expect %s: %s" % (e.text, "holds" if e.holds else "FAILS") for e in self.expects]

    def __repr__(self) -> str:
        table = [as_text(*self._table(), indent="  ")] if self.reports else []
        return "\n".join(["<" + self._title()] + table + ["  " + e for e in self._expected()]) + ">"

    def _repr_html_(self) -> str:
        table = [as_html(*self._table())] if self.reports else []
        return "".join([paragraph(self._title())] + table + [paragraph(e) for e in self._expected()] + [p._image() for p in self.plots.values()])


def run_model(model: Model, out: str | os.PathLike[str] | bool | None, progress: bool, on_step: Callable[[Step], Any] | None) -> Run:
    bar = _Bar() if progress else None

    raised: list[BaseException] = []

    def step(*values: Any) -> bool:
        s = Step(*values)
        try:
            if bar: bar(s)
            return True if on_step is None or on_step(s) is not False else False
        except BaseException as e:       # it is raised where the run was asked for
            raised.append(e)
            return False

    if out is True or not isinstance(out, (str, os.PathLike, bool, type(None))): raise TypeError("out is a folder, None or False, found %r" % out)
    directory = os.fspath(out) if isinstance(out, (str, os.PathLike)) else "" if out is None else None
    answer: list[int] = []
    over, interrupted = threading.Event(), False

    def work() -> None:
        try:
            answer.append(model._handle.run(directory, step if bar or on_step is not None else None))
        except BaseException as e:
            raised.append(e)
        finally:
            over.set()

    # In a thread of its own, so that Ctrl-C is heard at once: the run then ends after its step.
    thread = threading.Thread(target=work, name="hnnc run")
    while True:
        try:
            if thread.ident is None and not over.is_set(): thread.start()
            while not over.wait(0.05): pass
            break
        except KeyboardInterrupt:
            interrupted = True
            model._handle.stop()
        except RuntimeError:             # it was started when Ctrl-C came
            if thread.ident is None: raise
    thread.join()
    if interrupted: model._handle.go_on()
    if raised: raise raised[0]
    model._runs += 1
    if bar: bar.end()
    status = answer[0]
    if status not in (OK, NUMBERS, STOPPED): model._fail(status)
    result = Run(None if directory is None else model._handle.run_dir(), model, status)
    if status == NUMBERS and not result.reports and not result.expects:
        said = model._handle.messages_text(False).strip()
        model._handle.forget()
        raise Error(said, result.diagnostics)
    model._handle.forget()
    return result


def run(path: str | os.PathLike[str], out: str | os.PathLike[str] | bool | None = None, *, progress: bool = True,
        on_step: Callable[[Step], Any] | None = None, options: Mapping[str, Any] | None = None, seed: int = 0, threads: int = 0, **constants: Any) -> Run:
    """Loads a file and runs it: hnnc.load and Model.run together."""
    return load(path, options=options, seed=seed, threads=threads, **constants).run(out, progress=progress, on_step=on_step)


class Runs(list[dict[str, Any]]):
    """Runs, a list of dicts. It shows itself as a table, of text or HTML; `to_pandas()` makes a DataFrame of it."""

    def _tables(self) -> list[tuple[list[str], list[list[Any]]]]:
        """One for each model, in the order in which they come."""
        tables = []
        for model in dict.fromkeys(r.get("model") for r in self):
            rows = [self._row(r) for r in self if r.get("model") == model]
            heads = list(dict.fromkeys(k for r in rows for k in r))
            tables.append((heads, [[r.get(k) for k in heads] for r in rows]))
        return tables

    def to_pandas(self) -> Any:
        import pandas
        return pandas.DataFrame([self._row(r) for r in self])

    @staticmethod
    def _row(r: dict[str, Any]) -> dict[str, Any]:
        """What is a number or a word; of each report its mean; overrides by their names."""
        row = {k: v for k, v in r.items() if not isinstance(v, (dict, list))}
        for x in r.get("overrides") or []:
            if isinstance(x, str) and "=" in x: row[x.split("=", 1)[0]] = x.split("=", 1)[1]
        for name, v in (r.get("reports") or {}).items(): row[name] = v.get("mean") if isinstance(v, dict) else v
        return row

    def __repr__(self) -> str:
        return "\n\n".join(as_text(*t) for t in self._tables()) if self else "no runs"

    def _repr_html_(self) -> str:
        return "".join(as_html(*t) for t in self._tables()) if self else paragraph("no runs")


def runs(directory: str | os.PathLike[str] = "runs") -> Runs:
    """The runs in a folder and the folders in it."""
    text = _hnnc.runs(os.fspath(directory))
    if text is None: raise FileNotFoundError("there is no folder `%s`" % directory)
    return Runs(json.loads(text)["runs"])


def report(of: Iterable[Run | str | os.PathLike[str]], path: str | os.PathLike[str] = "report.html") -> str:
    """Writes one page of several runs beside one another: of Run objects, run directories, or folders of runs. Returns its path."""
    folders = [(r.dir or "") if isinstance(r, Run) else os.fspath(r) for r in of]
    why = _hnnc.runs_page(folders, os.fspath(path))
    if why: raise Error(why)
    return os.fspath(path)


def _claim(out: str, what: dict[str, Any]) -> None:
    """Makes the folder of a sweep, or finds it: sweep.json says what its runs are, as that of the command does (driver/runs/sweep.c)."""
    mine = os.path.join(out, "sweep.json")
    os.makedirs(out, exist_ok=True)
    if os.path.exists(mine):
        if _json(mine) != what: raise FileExistsError("%s has another sweep: `hnnc resume` continues that one, and another `out` makes a new one" % out)
    elif os.listdir(out): raise FileExistsError("%s contains other files: a sweep needs a directory of its own" % out)
    with open(mine, "w", encoding="utf-8") as f: json.dump(what, f, indent=1)


def sweep(path: str | os.PathLike[str], grid: Mapping[str, Iterable[Any]], *, seeds: Iterable[int] | int = (0,), jobs: int = 1,
          out: str | os.PathLike[str] | None = None, threads: int = 1, **constants: Any) -> Runs:
    """Runs a file for each point of a grid: sweep("kepler.hnn", {"noise": [0, 0.1], "train.optimizer.lr": [1e-2, 1e-3]}, seeds=range(5), jobs=2).

    Each run has a directory of its own in `out` (default runs/sweep-TIME), which is for this grid alone. A run that fails has its error in the table, and
    the others go on.
    """
    if out is None:
        out = name = os.path.join("runs", time.strftime("sweep-%Y%m%d-%H%M%S"))
        for k in itertools.count(2):
            if not os.path.exists(out): break
            out = "%s-%d" % (name, k)
    out = os.fspath(out)
    for name, values in grid.items():
        if isinstance(values, (str, bytes)) or not isinstance(values, Iterable):
            raise TypeError("the grid should have a list of values for `%s`, found %r: write [%r]" % (name, values, values))
    jobs, threads = _whole("jobs", jobs, 1), _whole("threads", threads)
    seeds = [_whole("each of seeds", s) for s in seeds] if isinstance(seeds, Iterable) and not isinstance(seeds, (str, bytes)) else range(_whole("seeds", seeds))
    points = [dict(zip(grid, values)) for values in itertools.product(*grid.values())]
    jobs_list = [("%03d" % k, p, s) for k, (p, s) in enumerate(itertools.product(points, seeds))]
    _claim(out, {"model": os.path.abspath(path), "points": [{"dir": d, "overrides": _overrides(p, constants), "seed": s} for d, p, s in jobs_list]})
    at_work: set[Model] = set()
    over: list[bool] = []

    def one(job: tuple[str, dict[str, Any], int]) -> dict[str, Any]:
        name, point, seed = job
        place, row = os.path.join(out, name), {"run": None, "seed": seed, **point}
        if over: return {**row, "status": "stopped"}
        try:
            m = load(path, options=point, seed=seed, threads=threads, **constants)
            at_work.add(m)
            try:
                if over: return {**row, "status": "stopped"}
                r = m.run(place, progress=False)
            finally:
                at_work.discard(m)
            row.update(run=r.dir, status=r.status, reports={n: x._asdict() for n, x in r.reports.items()})
            wrong = ["expect %s: FAILS" % e.text for e in r.expects if not e.holds] or [d.message for d in r.diagnostics if d.error]
            if r.status == "failed" and wrong: row["error"] = "; ".join(wrong)
        except Exception as e:
            row.update(status="failed", error=str(e).split("\n")[0])
        return row

    with ThreadPoolExecutor(jobs) as pool:
        rows = [pool.submit(one, j) for j in jobs_list]
        try:
            return Runs(r.result() for r in rows)
        except KeyboardInterrupt:        # what is at work ends after its step
            over.append(True)
            for m in list(at_work): m._handle.stop()
            raise
