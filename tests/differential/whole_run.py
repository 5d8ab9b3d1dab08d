"""Runs a program by `hnnc run` with one thread and with two (or ranks), and compares its reports with the reference."""
import json
import os
import random
import struct
import subprocess
import tempfile
import zipfile

import generate
import interp
import native
import scalar as s
import tensor as t

POOL = 3               # different samples of the data
SIZES = [7, 33, 64, 100]
LAUNCHER = []          # of run.py --ranks: what the second run is started with


def write_npz(path, arrays):
    """name -> (shape, values), as NumPy's savez of f64."""
    with zipfile.ZipFile(path, "w") as z:
        for name, (shape, values) in arrays.items():
            head = "{'descr': '<f8', 'fortran_order': False, 'shape': %r, }" % (shape,)
            head += " " * (-(len(head) + 11) % 64) + "\n"
            z.writestr(name + ".npy", b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head.encode() + struct.pack("<%dd" % len(values), *values))


def result(hnnc, path, threads):
    """What a run left: exit code, reports, parameters (the checkpoint but for its header's times)."""
    out = os.path.join(path, "out%d" % threads)
    launcher = LAUNCHER if threads > 1 else []
    done = subprocess.run([*launcher, hnnc, "run", "-q", "--no-cache", "--threads", "1" if launcher else str(threads), "--out", out, "m.hnn"],
                          cwd=path, capture_output=True, text=True, timeout=120)
    if done.returncode not in (0, 3):
        raise native.Failed(done.returncode, done.stderr.strip())
    last = os.path.join(out, "checkpoints", "last")
    with open(last, "rb") as f:
        size = struct.unpack("<Q", f.read(8))[0]
        f.read(size)
        data = f.read()
    losses = [{k: v for k, v in json.loads(l).items() if k != "samples_per_s"} for l in open(os.path.join(out, "metrics.jsonl"), encoding="utf-8")]
    return done.returncode, json.load(open(os.path.join(out, "reports.json"), encoding="utf-8"))["reports"], data, losses


def statistics(values):
    """mean, sd, min and max of the reports, as the language defines them; `values` are Nums."""
    n = s.Num(float(len(values)))
    mean = s.div(t.total(values), n)
    out = {"mean": mean, "min": t.extreme(-1)(values), "max": t.extreme(1)(values)}
    if len(values) > 1:
        square = t.total(s.mul(s.sub(v, mean), s.sub(v, mean)) for v in values)
        out["sd"] = s.unary("sqrt", s.div(square, s.Num(float(len(values) - 1))))
    return out


def compare(hnnc, case, precision, folder, tally, wrong, difference):
    s.set_precision(precision)
    rng = random.Random("%s run" % case.seed)
    name, shapes = case.calls[0]
    n, pool = rng.choice(SIZES), case.samples(shapes, POOL)
    samples = [pool[k % POOL] for k in range(n)]
    path = tempfile.mkdtemp(dir=folder)
    with open(os.path.join(path, "m.hnn"), "w", encoding="utf-8") as f:
        f.write("precision %s\n%s\n" % (precision.name, case.compiled or case.text))
    write_npz(os.path.join(path, "xy.npz"), {field: ((n,) + shapes[k], [v.v for x in samples for v in x[k].data]) for k, field in enumerate("xy")})
    one, two = result(hnnc, path, 1), result(hnnc, path, 2)
    tally.compared += len(one[2]) // 4
    if one != two:
        what = [k for k, (a, b) in enumerate(zip(one, two)) if a != b]
        return [difference(case, "threads", "%s of one thread and two differ, %s, %d samples"
                           % (", ".join(["exit codes", "reports", "parameters", "losses"][k] for k in what), precision.name, n))]
    program = interp.Program(case.text)
    inputs, outputs = program.build(name, pool[0])
    values = [program.run(inputs, outputs, x)[0].data[0] for x in pool]
    tag = name[2:]
    out = []
    for key, want in statistics([values[k % POOL] for k in range(n)]).items():
        got = one[1]["before_" + tag][key]
        got = float("nan") if got is None else got
        what = wrong(got, want, True, tally)
        if what:
            out.append(difference(case, what, "%s of the report before_%s, %s, %d samples: %r, should be %r within %.2g"
                                  % (key, tag, precision.name, n, got, want.v, 8 * want.e * s.now.u)))
    return out
