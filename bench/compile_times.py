"""What it takes to compile: the programs of models/, from nothing and from the cache, and networks and flows of growing
depth and width."""
import glob
import json
import os
import shutil
import signal
import subprocess
import time

from session import say

MLP = """precision f32
import "std/nets"
data points {{ yield q = uniform(-2, 2, [1]), p = uniform(-2, 2, [1]), dq = uniform(-2, 2, [1]), dp = uniform(-2, 2, [1]) }}
use observed = points(count = 64, seed = 0)
use energy = mlp({widths}, 1)
hamiltonian learned(q: real[1], p: real[1]) = energy(concat(q, p))[0]
loss hnn(q, p, dq, dp) {{
  let (vq, vp) = field(learned)(q, p)
  return mean(concat(vq - dq, vp - dp)^2)
}}
train hnn on observed {{ optimizer = adam(lr = 1e-3), steps = 1 }}
"""
FLOW = """precision f32
import "std/symplectic"
data points {{ yield q = normal(0, 1, [2]), p = normal(0, 1, [2]), Q = normal(0, 1, [2]), P = normal(0, 1, [2]) }}
use observed = points(count = 64, seed = 0)
symplectic flow T(q: real[2], p: real[2]) {{
{steps}}}
loss fit(q, p, Q, P) {{
  let (a, b) = T(q, p)
  return mean(concat(a - Q, b - P)^2)
}}
train fit on observed {{ optimizer = adam(lr = 1e-3), steps = 1 }}
"""
LAYERS, WIDTHS = [1, 2, 4, 8, 16, 32, 64], [8, 32, 64, 128, 256, 512, 1024]


def mlp(layers, width):
    return MLP.format(widths=[width] * layers)


def flow(layers, width):
    return FLOW.format(steps="".join(f"  {'qp'[k % 2]} += irrotational({width})({'pq'[k % 2]})\n" for k in range(layers)))


def first_step(hnnc, path, cores, *more, limit=60):
    """Of `hnnc run` until its first training step: seconds from the start of the process, and those that it waited for the
    compiler and for the data. None: it never trains."""
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
            got = json.load(f)
        return {"all_s": got["seconds_to_first_step"], "compiler_s": got["seconds_compiling"],
                "data_s": got["seconds_making_data"]}
    except (OSError, ValueError, KeyError):
        return None


def best(times):
    """The repetition with the least for the compiler, whole: its parts belong together."""
    times = [t for t in times if t]
    return min(times, key=lambda t: t["compiler_s"]) if times else None


def library(hnnc, path, cores):
    """Seconds of `hnnc compile --emit=obj`, the whole process: every function of the file."""
    start = time.perf_counter()
    hnnc.run("compile", path, "--emit=obj", "-o", os.path.join(hnnc.work, "model.o"), cores=cores)
    return time.perf_counter() - start


def one(hnnc, path, cores):
    row = {"model": os.path.basename(path)}
    try:
        row["library_s"] = min(library(hnnc, path, cores) for _ in range(2))
        row["cold"] = best([first_step(hnnc, path, cores, "--no-cache") for _ in range(3)])
        if row["cold"]:
            first_step(hnnc, path, cores)
            row["cached"] = best([first_step(hnnc, path, cores) for _ in range(5)])
    except (RuntimeError, subprocess.TimeoutExpired) as e:
        row["failed"] = str(e).strip().splitlines()[0][:200]
    return row


def growth(hnnc, cores):
    """Cold compilation over layers of width 32, and over widths of 2 layers."""
    rows = []
    for what, make in (("network", mlp), ("flow", flow)):
        for layers, width in [(n, 32) for n in LAYERS] + [(2, n) for n in WIDTHS]:
            path = os.path.join(hnnc.work, "growing.hnn")
            with open(path, "w", encoding="utf-8") as f:
                f.write(make(layers, width))
            got = best([first_step(hnnc, path, cores, "--no-cache") for _ in range(2)])
            rows.append({"what": what, "layers": layers, "width": width, **(got or {})})
            say(f"compile {what} of {layers} layers, width {width}:", f"{got['compiler_s'] * 1e3:.0f} ms" if got else "none")
    return rows


def measure(hnnc, cores):
    rows = []
    for path in sorted(glob.glob(os.path.join(os.path.dirname(__file__), "..", "models", "*.hnn"))):
        rows.append(one(hnnc, os.path.abspath(path), cores))
        cold, cached = rows[-1].get("cold"), rows[-1].get("cached")
        say(f"compile {rows[-1]['model']:22}", *[f"{name} {t['all_s'] * 1e3:.0f} ms (compiler {t['compiler_s'] * 1e3:.1f})"
                                                 for name, t in (("cold", cold), ("cached", cached)) if t], rows[-1].get("failed", ""))
    return rows


if __name__ == "__main__":
    import sys
    import tempfile
    from types import SimpleNamespace

    root = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
    with tempfile.TemporaryDirectory() as work:
        # enough of a session's Hnnc for first_step
        own = SimpleNamespace(path=os.path.join(root, "build", "driver", "hnnc"), work=work, cache=os.path.join(work, "cache"),
                              run=lambda *a, cores: subprocess.run([os.path.join(root, "build", "driver", "hnnc"), *a], check=True,
                                                                   stdout=subprocess.DEVNULL))
        everything = os.sched_getaffinity(0)
        json.dump({"compile": measure(own, everything), "compile_growth": growth(own, everything)}, sys.stdout, indent=1)
