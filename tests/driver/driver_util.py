"""What the tests of the hnnc command share: the command, the directories, the model. A test is a function
whose name begins with test_; every one has an empty directory of its own, and a compile cache that all share."""
import array
import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import time
import traceback

HNNC = os.path.abspath(sys.argv[1])
ROOT = tempfile.mkdtemp(prefix="hnnc-driver-")
CACHE = os.path.join(ROOT, "cache")
SLOWER = float(os.environ.get("HNNC_SLOWER", "1"))      # of a build that takes longer for everything

MODEL = """\
precision PRECISION
import "std/nets"
const width = 8
use energy = mlp([width], 1)
hamiltonian H(q: real[1], p: real[1]) = energy(concat(q, p))[0]
data points {
  let q = normal(0, 1, [1])
  let p = normal(0, 1, [1])
  yield q, p, dq = p, dp = -q
}
use train_set = points(count = 100, seed = 0)
use test_set = points(count = 50, seed = 1)
loss fit(q, p, dq, dp) {
  let (a, b) = field(H)(q, p)
  return sum((a - dq)^2 + (b - dp)^2)
}
train fit on train_set {
  optimizer = adam(lr = 1e-2)
  batch = 25
  steps = 200
  every = 50
  test = test_set
}
report error = abs(H(q, p)) on test_set
report at_one = H([1], [1])
expect mean(error) < LIMIT
expect min(error) >= 0
"""

TABLE = """\
data d = read("FILE", x = 0, y = 1)
net f(x: real) {
  param a: real = 1
  return a*x
}
loss l(x, y) = (f(x) - y)^2
train l on d {
  optimizer = sgd(lr = 1e-2)
  batch = all
  steps = 3
}
"""


class Failure(Exception):
    pass


def check(ok, what, *shown):
    if not ok:
        raise Failure("\n".join([what] + [str(s) for s in shown]))


def until(what, seconds=60):
    """Waits until what() is true."""
    end = time.time() + seconds
    while not what():
        check(time.time() < end, "waited too long")
        time.sleep(0.002)


def write(path, text):
    if os.path.dirname(path):
        os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb" if isinstance(text, bytes) else "w") as f:
        f.write(text)


def model(name="m.hnn", precision="f32", limit="1e9", old="", new=""):
    text = MODEL.replace("PRECISION", precision).replace("LIMIT", limit)
    check(old in text, "the model has no `%s`" % old)
    write(name, text.replace(old, new))
    return name


def environment(**more):
    env = dict(os.environ, HNNC_CACHE_DIR=CACHE, HNNC_PATIENCE="100000")      # what takes long depends on the machine
    env.pop("NO_COLOR", None)
    env.update(more)
    return env


class Result:
    def __init__(self, p):
        self.code, self.out, self.err = p.returncode, p.stdout, p.stderr

    def __str__(self):
        return "exit code %d\n%s%s" % (self.code, self.out, self.err)


def hnnc(*args, code=0, says=(), env=None, timeout_=120, **more):
    p = subprocess.run([HNNC, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True, errors="replace",
                       timeout=timeout_, env=env or environment(), **more)
    r = Result(p)
    check(code is None or r.code == code, "hnnc %s: expected exit code %s" % (" ".join(args), code), r)
    check("internal error" not in r.err and "Sanitizer" not in r.err and "runtime error" not in r.err, "a fault", r)
    for text in [says] if isinstance(says, str) else says:
        check(text in r.out + r.err, "nothing says `%s`" % text, r)
    return r


def read(path):
    with open(path, "rb") as f:
        return f.read()


def load(path):
    return json.loads(read(path))


def npy(shape, values, kind="<f8"):
    """The bytes of a .npy."""
    text = "{'descr': '%s', 'fortran_order': False, 'shape': (%s), }" % (kind, "".join("%d," % n for n in shape))
    text += " " * (-(len(text) + 11) % 64) + "\n"
    code = {"<f8": "d", "<f4": "f", "<i8": "q"}[kind]
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode() + array.array(code, values).tobytes()


def lines(path):
    return [json.loads(x) for x in read(path).splitlines()]


def tensors(path):
    """name -> (dtype, shape, bytes) of a safetensors file, and its metadata."""
    b = read(path)
    n = struct.unpack("<Q", b[:8])[0]
    head = json.loads(b[8:8 + n])
    meta = head.pop("__metadata__", {})
    return {k: (v["dtype"], v["shape"], b[8 + n:][slice(*v["data_offsets"])]) for k, v in head.items()}, meta


def models():
    """Paths of models/*.hnn: not of one whose data do not come with the program, nor of those whose functions take long to write out and
    are of the kinds of the others. Each third of them for a build that takes longer for everything."""
    folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..", "models")
    left_out = ("real_pendulum.hnn", "phi4.hnn", "quartic_path.hnn", "particles.hnn", "phi4_convolutions.hnn", "pixel_spring.hnn", "hgn_spring.hnn",
                "hgn_pendulum.hnn", "hgn_two_bodies.hnn")
    names = [x for x in sorted(os.listdir(folder)) if x.endswith(".hnn") and x not in left_out]
    return [os.path.join(folder, x) for x in names[::5 if SLOWER > 1 else 1]]


def last(run):
    return os.path.join(run, "checkpoints", "last")


def same_end(a, b):
    """The same parameters, optimizer, reports: bit for bit."""
    check(tensors(last(a))[0] == tensors(last(b))[0], "the checkpoints of %s and %s differ" % (a, b))
    check(load(a + "/reports.json") == load(b + "/reports.json"), "the reports of %s and %s differ" % (a, b))


def metrics_of(run):
    return [{k: v for k, v in m.items() if k != "samples_per_s"} for m in lines(run + "/metrics.jsonl")]


def main(namespace):
    tests = [(n, f) for n, f in namespace.items() if n.startswith("test_") and (len(sys.argv) < 3 or n in sys.argv[2:])]
    failed = 0
    for name, f in tests:
        where = os.path.join(ROOT, name)
        os.mkdir(where)
        os.chdir(where)
        start = time.time()
        try:
            f()
            print("ok   %-32s %5.1f s" % (name, time.time() - start), flush=True)
        except Exception as e:
            failed += 1
            print("FAIL %s: %s" % (name, e if isinstance(e, Failure) else traceback.format_exc()), flush=True)
    os.chdir("/")
    shutil.rmtree(ROOT, ignore_errors=True)
    print("%d passed, %d failed" % (len(tests) - failed, failed))
    return failed > 0
