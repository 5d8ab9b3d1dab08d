"""What the training step of a Hamiltonian network costs, over widths, batches, precisions and threads.

    python3 bench/steps.py [--hnnc build/hnnc] [--threads 1] [--widths 32,200] [--batches 32,200,750]

Each row is one `hnnc bench` of the net 2-h-h-1 with Adam; the share is of the FMA peak measured in the same
run. Use an idle machine; pin it (`taskset -c 0`) for one thread.
"""
import argparse
import json
import os
import subprocess
import tempfile

MODEL = """precision {precision}
import "std/nets"
hamiltonian truth(q: real[1], p: real[1]) = 3*(1 - cos(q[0])) + p[0]^2
data points {{
  let q = uniform(-2, 2, [1])
  let p = uniform(-2, 2, [1])
  let (dq, dp) = field(truth)(q, p)
  yield q, p, dq, dp
}}
use observed = points(count = 4096, seed = 0)
use energy = mlp([{width}, {width}], 1)
hamiltonian learned(q: real[1], p: real[1]) = energy(concat(q, p))[0]
loss hnn(q, p, dq, dp) {{
  let (vq, vp) = field(learned)(q, p)
  return mean(concat(vq - dq, vp - dp)^2)
}}
train hnn on observed {{
  optimizer = adam(lr = 1e-3)
  batch = {batch}
  steps = 10
}}
"""


def bench(hnnc, folder, precision, width, batch, threads):
    path = os.path.join(folder, "step.hnn")
    with open(path, "w", encoding="utf-8") as f:
        f.write(MODEL.format(precision=precision, width=width, batch=batch))
    done = subprocess.run([hnnc, "bench", path, "--threads", str(threads), "--json"], check=True, capture_output=True,
                          text=True)
    return json.loads(done.stdout)


def numbers(text):
    return [int(x) for x in text.split(",")]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hnnc", default="build/hnnc")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--widths", type=numbers, default=[32, 64, 200])
    parser.add_argument("--batches", type=numbers, default=[1, 32, 200, 750])
    parser.add_argument("--precisions", default="f32,f64")
    args = parser.parse_args()
    print("| precision | width | batch | µs a step | GFLOP/s | share of peak | compile ms |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder:
        for precision in args.precisions.split(","):
            for width in args.widths:
                for batch in args.batches:
                    b = bench(args.hnnc, folder, precision, width, batch, args.threads)
                    print(f"| {precision} | {width} | {batch} | {b['us_per_step']:.1f} | {b['gflops']:.1f} "
                          f"| {100 * b['peak_share']:.1f} % | {b['compile_ms']:.0f} |", flush=True)


if __name__ == "__main__":
    main()
