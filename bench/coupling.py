"""What the training step of a coupling p += ∇F(q) costs against the depth of the network F.

    python3 bench/coupling.py [--hnnc build/hnnc] [--width 64] [--batch 128] [--depths 1,2,4,8,16,32]

Reverse mode over a gradient that is computed by reverse mode costs time in proportion to depth, if nothing is computed
twice; taken naively, layer by layer, it costs the square of it. Beside it a stack of as many irrotational couplings,
which need no derivative. The last line is the exponent of a fit to the deeper half.
"""
import argparse
import json
import math
import os
import subprocess
import tempfile

MODEL = """precision f64
import "std/symplectic"
flow T(q: real[3], p: real[3]) {{
  {body}
}}
data points {{ yield q = normal(0, 1, [3]), p = normal(0, 1, [3]) }}
use cloud = points(count = {batch}, seed = 0)
loss spread(q, p) {{
  let (Q, P) = T(q, p)
  return sum(P^2)
}}
train spread on cloud {{
  optimizer = adam(lr = 1e-3)
  steps = 10
}}
"""


def bench(args, folder, body):
    path = os.path.join(folder, "coupling.hnn")
    with open(path, "w", encoding="utf-8") as f:
        f.write(MODEL.format(body=body, batch=args.batch))
    done = subprocess.run([args.hnnc, "bench", path, "--threads", "1", "--json", "--no-cache"], check=True,
                          capture_output=True, text=True)
    return json.loads(done.stdout)


def exponent(rows):
    half = rows[len(rows) // 2 - 1:]
    (m0, t0), (m1, t1) = half[0], half[-1]
    return math.log(t1 / t0) / math.log(m1 / m0)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hnnc", default="build/hnnc")
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--depths", type=lambda s: [int(x) for x in s.split(",")], default=[1, 2, 4, 8, 16, 32])
    args = parser.parse_args()
    print("| layers | gradient coupling, µs | kFLOP a sample | µs a layer | irrotational couplings, µs | µs each |")
    print("| --- | --- | --- | --- | --- | --- |")
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for m in args.depths:
            g = bench(args, folder, f"gradient_coupling([{args.width} for k in 0:{m}])(q, p)")
            i = bench(args, folder, f"repeat {m} {{ irrotational_coupling({args.width})(q, p) }}")
            rows.append((m, g["us_per_step"]))
            print(f"| {m} | {g['us_per_step']:.0f} | {g['flop_per_step'] / args.batch / 1e3:.1f} | {g['us_per_step'] / m:.1f} "
                  f"| {i['us_per_step']:.0f} | {i['us_per_step'] / m:.1f} |", flush=True)
    print(f"\ntime of the gradient coupling grows as layers^{exponent(rows):.2f}")


if __name__ == "__main__":
    main()
