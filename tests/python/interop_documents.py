"""The documents' programs with all that they need; the notebook by Jupyter's client; types by mypy; the pendulum in three languages."""
import json
import os
import re
import subprocess
import sys
import tempfile

import numpy as np
import hnnc

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PACKAGE = os.path.dirname(hnnc.__file__)
sys.path.insert(0, os.path.join(ROOT, "tools"))
import notebook


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as f: return f.read()


def with_document():
    text, space = read("docs/python.md"), {}
    wrong = notebook.compare(text, json.loads(read("docs/notebooks/ten_minutes.ipynb")), space)
    assert not wrong, wrong
    programs = notebook.programs(text)
    notebook.run([source for source, lack in programs if not lack], space)
    lacking = {name for _, lack in programs for name in lack}
    return "the programs of docs/python.md" + (", but for those that need %s" % ", ".join(sorted(lacking)) if lacking else "")


def with_nbclient():
    import nbclient
    import nbformat
    book = nbformat.reads(read("docs/notebooks/ten_minutes.ipynb"), 4)
    stored = [c["outputs"] for c in json.loads(read("docs/notebooks/ten_minutes.ipynb"))["cells"] if c["cell_type"] == "code"]
    with tempfile.TemporaryDirectory() as folder:
        os.environ["PYTHONPATH"] = os.path.dirname(PACKAGE)
        os.environ.pop("MPLBACKEND", None)       # of the stand-in
        nbclient.NotebookClient(book, timeout=300, kernel_name="python3", resources={"metadata": {"path": folder}}).execute()
    # Progress is shown where it can be written over, which is a display of its own.
    said = [[o for o in c["outputs"] if o["output_type"] != "display_data" or "image/png" in o["data"]] for c in book["cells"] if c["cell_type"] == "code"]
    for have, want in zip(said, stored):
        text = [notebook.masked([o for o in x if o["output_type"] in ("stream", "execute_result")]) for x in (have, want)]
        assert text[0] == text[1] and len(have) == len(want), (have, want)
    return "the notebook by nbclient %s" % nbclient.__version__


def with_mypy():
    import mypy.version
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "mypy.ini"), "w") as f: f.write("[mypy]\nignore_missing_imports = True\n[mypy-torch.*,jax.*,scipy.*,nutpie.*]\nfollow_imports = skip\n")
        options = ["--config-file", os.path.join(folder, "mypy.ini"), "--cache-dir", folder]
        for command in (["mypy", *options, "--disallow-untyped-defs", "-p", "hnnc"], ["mypy.stubtest", "hnnc._hnnc", "--mypy-config-file", options[1]]):
            done = subprocess.run([sys.executable, "-m", *command], cwd=os.path.dirname(PACKAGE), capture_output=True, text=True)
            assert done.returncode == 0, done.stdout + done.stderr
    return "mypy %s: the package's types, and those of what is in C" % mypy.version.__version__


def with_pendulum():
    """The same weights in all three: the same loss and gradient; then each by itself: as small an error."""
    import jax
    import torch
    text = read("docs/coming-from.md")
    program = {k: re.search(r"^```%s\n(.*?)^```" % k, text, re.S | re.M).group(1) for k in ("hnn", "python torch", "python jax")}
    m = hnnc.compile(program["hnn"], "pendulum.hnn")
    W, b = [m.params["energy/dense.%d/W" % k] for k in range(3)], [m.params["energy/dense.%d/b" % k] for k in range(3)]
    q, p = np.random.default_rng(1).uniform(-2, 2, (2, 100, 1))
    loss, gradient = m.losses["hnn"](q, p), m.params.unflatten(m.losses["hnn"].grad(q, p))
    one, two = {"__name__": "torch"}, {"__name__": "jax"}
    exec(program["python torch"], one)
    exec(program["python jax"], two)
    for k in range(3):
        one["net"][2*k].weight.data, one["net"][2*k].bias.data = torch.tensor(W[k]), torch.tensor(b[k])
    value = one["hnn"](torch.tensor(q), torch.tensor(p))
    value.backward()
    slopes = [one["net"][2*k].weight.grad.numpy() for k in range(3)]
    assert abs(value.item() - loss) < 1e-10*loss
    other, back = jax.value_and_grad(two["hnn"])([(W[k].T, b[k]) for k in range(3)], q, p)
    assert abs(float(other) - loss) < 1e-10*loss
    for k in range(3):
        want = gradient["energy/dense.%d/W" % k]
        for have in (slopes[k], np.asarray(back[k][0]).T): assert np.allclose(have, want, rtol=1e-10, atol=1e-10*np.abs(want).max()), k
    run, found = m.run(False, progress=False), []
    found.append([run.reports[k].mean for k in ("error_", "drift_")])
    for source in (program["python torch"], program["python jax"]):
        said = subprocess.run([sys.executable, "-c", source], check=True, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}).stdout
        found.append([float(re.search(k + r" (\S+)", said).group(1)) for k in ("error_", "drift_")])
    assert all(error < 3e-4 and drift < 5e-3 for error, drift in found), found
    return "the same pendulum in hnnc, PyTorch, JAX: loss and gradient to 1e-10; trained, errors %s" % ", ".join("%.1e" % e for e, _ in found)


tests = [with_document, with_nbclient, with_mypy, with_pendulum]
