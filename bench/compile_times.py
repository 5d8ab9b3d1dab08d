"""What it takes to compile the programs of models/, from nothing and from the cache."""
import glob
import json
import os
import shutil
import signal
import subprocess
import time

from session import say


def first_step(hnnc, path, cores, *more, limit=60):
    """Seconds from the start of `hnnc run` to its first training step, data included; None: it never trains."""
    out = os.path.join(hnnc.work, "first")
    shutil.rmtree(out, ignore_errors=True)
    p = subprocess.Popen([hnnc.path, "run", path, "--out", out, "-q", *more], stdout=subprocess.DEVNULL,
                         stderr=subprocess.DEVNULL, env=dict(os.environ, HNNC_CACHE_DIR=hnnc.cache, HNNC_PLOT_SECONDS="0"),
                         preexec_fn=lambda: os.sched_setaffinity(0, cores))
    end, metrics = time.monotonic() + limit, os.path.join(out, "metrics.jsonl")
    while p.poll() is None and time.monotonic() < end:
        if os.path.exists(metrics) and os.path.getsize(metrics):
            break
        time.sleep(0.01)
    p.send_signal(signal.SIGINT)             # it writes its manifest before it ends
    try:
        p.wait(20)
    except subprocess.TimeoutExpired:
        p.kill()
        p.wait()
    try:
        with open(os.path.join(out, "manifest.json"), encoding="utf-8") as f:
            return json.load(f).get("seconds_to_first_step")
    except (OSError, ValueError):
        return None


def library(hnnc, path, cores):
    """Seconds of `hnnc compile --emit=obj`, the whole process: every function of the file."""
    start = time.perf_counter()
    hnnc.run("compile", path, "--emit=obj", "-o", os.path.join(hnnc.work, "model.o"), cores=cores)
    return time.perf_counter() - start


def one(hnnc, path, cores):
    row = {"model": os.path.basename(path)}
    try:
        row["library_s"] = min(library(hnnc, path, cores) for _ in range(2))
        row["first_step_s"] = first_step(hnnc, path, cores, "--no-cache")
        if row["first_step_s"] is not None:
            first_step(hnnc, path, cores)
            row["first_step_cached_s"] = first_step(hnnc, path, cores)
    except (RuntimeError, subprocess.TimeoutExpired) as e:
        row["failed"] = str(e).strip().splitlines()[0][:200]
    return row


def measure(hnnc, cores):
    rows = []
    for path in sorted(glob.glob(os.path.join(os.path.dirname(__file__), "..", "models", "*.hnn"))):
        rows.append(one(hnnc, os.path.abspath(path), cores))
        say(f"compile {rows[-1]['model']:22}", ", ".join(f"{k} {v * 1e3:.0f} ms" for k, v in rows[-1].items()
                                                         if isinstance(v, float)), rows[-1].get("failed", ""))
    return rows
