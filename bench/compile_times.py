"""What it takes to compile the programs of models/, from nothing and from the cache."""
import glob
import json
import os
import shutil
import statistics
import subprocess
import time

from session import say


def first_step(hnnc, path, cores, *more, limit=60):
    """Seconds from the start of `hnnc run` to its first training step, data included; None: it does not train first."""
    out = os.path.join(hnnc.work, "first")
    shutil.rmtree(out, ignore_errors=True)
    p = subprocess.Popen([hnnc.path, "run", path, "--out", out, "-q", *more], stdout=subprocess.DEVNULL,
                         stderr=subprocess.DEVNULL, env=dict(os.environ, HNNC_CACHE_DIR=hnnc.cache),
                         preexec_fn=lambda: os.sched_setaffinity(0, cores))
    end, found = time.monotonic() + limit, None
    while found is None and time.monotonic() < end:
        over = p.poll() is not None
        try:
            with open(os.path.join(out, "manifest.json"), encoding="utf-8") as f:
                found = json.load(f).get("seconds_to_first_step")
        except (OSError, ValueError):
            pass
        if over:
            break
        time.sleep(0.01)
    p.kill()
    p.wait()
    return found


def library(hnnc, path, cores):
    """Seconds of `hnnc compile --emit=obj`, the whole process: every function of the file."""
    start = time.perf_counter()
    hnnc.run("compile", path, "--emit=obj", "-o", os.path.join(hnnc.work, "model.o"), cores=cores)
    return time.perf_counter() - start


def one(hnnc, path, cores, repeats):
    row = {"model": os.path.basename(path)}
    try:
        row["library_s"] = statistics.median(library(hnnc, path, cores) for _ in range(repeats))
        with open(path, encoding="utf-8") as f:
            trains = any(line.startswith("train ") for line in f)
        if trains:
            row["compile_s"] = hnnc.bench(path, cores, "--no-cache")["compile_ms"] * 1e-3
            hnnc.bench(path, cores)
            row["cached_s"] = hnnc.bench(path, cores)["compile_ms"] * 1e-3
            row["first_step_s"] = first_step(hnnc, path, cores, "--no-cache")
            row["first_step_cached_s"] = first_step(hnnc, path, cores)
    except (RuntimeError, subprocess.TimeoutExpired) as e:
        row["failed"] = str(e).strip().splitlines()[0][:200]
    return row


def measure(hnnc, cores, repeats=3):
    rows = []
    for path in sorted(glob.glob(os.path.join(os.path.dirname(__file__), "..", "models", "*.hnn"))):
        rows.append(one(hnnc, os.path.abspath(path), cores, repeats))
        say(f"compile {rows[-1]['model']:22}", ", ".join(f"{k} {v * 1e3:.0f} ms" for k, v in rows[-1].items()
                                                         if isinstance(v, float)), rows[-1].get("failed", ""))
    return rows
